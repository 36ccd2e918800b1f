/* A look at a CoAP message in any bytes: what is a view lies in the message, options come in order and end, and what
 * the relay writes of its own can be read again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nidd/coap_view.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define fail_unless(ok)                                                                                                \
    do {                                                                                                               \
        if (!(ok)) {                                                                                                   \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #ok);                                    \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

static bool within(struct bytes inner, struct bytes outer)
{
    return inner.len == 0 || (inner.data >= outer.data && inner.len <= outer.len &&
                              (size_t)(inner.data - outer.data) <= outer.len - inner.len);
}

/* One walk over all options; checks find and uint against it. */
static void walk(const struct coap_view *v)
{
    struct coap_option_cursor c = {0};
    struct coap_option o;
    struct coap_option found;
    uint32_t last = 0;
    size_t count = 0;
    size_t end = COAP_HEADER_BYTES + v->token.len;
    while (coap_option_next(v, &c, &o)) {
        fail_unless(++count <= v->message.len);
        fail_unless(o.number >= last && within(o.value, v->message));
        fail_unless(c.offset > end && c.offset <= v->message.len && !c.broken);
        fail_unless(coap_option_find(v, o.number, &found) && found.number == o.number);
        if (count == 1 || o.number > last)
            fail_unless(found.value.data == o.value.data && found.value.len == o.value.len);
        if (o.value.len <= 4 && o.value.len > 0 && o.value.data[0])
            fail_unless(coap_option_uint(o.value) >= 1u << (8 * (o.value.len - 1)));
        end = c.offset;
        last = o.number;
    }
    fail_unless(c.broken || end == v->message.len || v->message.data[end] == 0xff);
    fail_unless(!coap_option_next(v, &c, &o)); /* it stays at the end */
    fail_unless(!coap_option_find(v, last + 1, &found));
}

static void write_error(const struct coap_view *v, uint8_t choice)
{
    struct buf b = {0};
    struct coap_view back;
    struct coap_option o;
    const struct coap_error e = {.type = v->type,
                                 .code = (uint8_t)(v->code | 0x80),
                                 .message_id = v->message_id,
                                 .token = v->token,
                                 .max_age_s = choice & 1 ? (uint32_t)v->message_id << (choice & 15) : 0,
                                 .block1_szx = choice & 2 ? choice >> 5 : -1,
                                 .diagnostic = choice & 4 ? "diagnostic" : NULL};
    coap_write_error(&b, &e);
    fail_unless(!b.failed && coap_view_parse(buf_bytes(&b), &back) == OK);
    fail_unless(back.type == e.type && back.code == e.code && back.message_id == e.message_id);
    fail_unless(bytes_equal(back.token, e.token));
    walk(&back);
    fail_unless(coap_option_find(&back, COAP_OPTION_MAX_AGE, &o) == (e.max_age_s != 0));
    fail_unless(e.max_age_s == 0 || coap_option_uint(o.value) == e.max_age_s);
    fail_unless(coap_option_find(&back, COAP_OPTION_BLOCK1, &o) == (e.block1_szx >= 0));
    fail_unless(e.block1_szx < 0 || coap_option_uint(o.value) == (uint32_t)e.block1_szx);
    buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct bytes m = bytes_of(data, size);
    struct coap_view v;
    uint8_t header[COAP_HEADER_BYTES];
    if (coap_view_parse(m, &v) != OK)
        return 0;
    fail_unless(payload_kind_of(m) == PAYLOAD_COAP);
    fail_unless(within(v.token, m) && v.token.len <= COAP_TOKEN_MAX);
    fail_unless(v.message.data == data && v.message.len == size);
    fail_unless(coap_is_empty(&v) + coap_is_request(&v) + coap_is_response(&v) <= 1);
    fail_unless(!coap_is_empty(&v) || size == COAP_HEADER_BYTES);
    coap_header_write(header, v.type, v.token.len, v.code, v.message_id);
    fail_unless(memcmp(header, data, sizeof(header)) == 0);
    walk(&v);
    write_error(&v, data[size - 1]);
    return 0;
}
