#include "nidd/identity.h"

#include <stdlib.h>
#include <string.h>

#include "nidd/lwm2m_view.h"

#define NAI "urn:nai:" /* the Network Access Identifier as a URN: an endpoint name of LwM2M 1.1 */

enum error identity_endpoint_set(struct device *d, struct bytes endpoint)
{
    struct device_more *more = endpoint.len ? device_more(d) : d->more;
    char *copy = endpoint.len ? bytes_dup_str(endpoint) : NULL;
    if (endpoint.len && (!more || !copy)) {
        free(copy);
        return ERR_NO_MEMORY;
    }
    if (more) {
        free(more->endpoint);
        more->endpoint = copy;
    }
    return OK;
}

static bool same_but_for_domain_case(struct bytes a, struct bytes b)
{
    uint8_t memory_a[ID_MAX_BYTES];
    uint8_t memory_b[ID_MAX_BYTES];
    return a.len == b.len && bytes_equal(id_canonical(a, memory_a), id_canonical(b, memory_b));
}

static bool belongs(const struct device *d, struct bytes endpoint)
{
    struct bytes nai = BYTES_LIT(NAI);
    struct bytes id = bytes_of_str(d->id);
    if (d->more && d->more->endpoint && bytes_equal(endpoint, bytes_of_str(d->more->endpoint)))
        return true;
    if (d->id_is_msisdn)
        return bytes_equal(endpoint, id);
    bool has_prefix = endpoint.len > nai.len && memcmp(endpoint.data, nai.data, nai.len) == 0;
    return same_but_for_domain_case(has_prefix ? bytes_from(endpoint, nai.len) : endpoint, id);
}

/* One that says who it is, in clear. */
static bool introduces(const struct coap_view *v)
{
    struct coap_option o;
    return (lwm2m_is_register(v) || lwm2m_is_bootstrap_request(v)) && !coap_option_find(v, COAP_OPTION_OSCORE, &o);
}

bool identity_passes(struct engine *e, struct device *d, const struct coap_view *v)
{
    struct bytes endpoint;
    bool passes = true;
    if (e->o.identity_policy == ENGINE_IDENTITY_OFF || !introduces(v))
        return true;
    /* A name that is given twice must not hide behind a right one. */
    for (unsigned i = 0; passes && lwm2m_query(v, "ep", i, &endpoint); i++)
        passes = belongs(d, endpoint);
    if (passes)
        return true;
    bool enforce = e->o.identity_policy == ENGINE_IDENTITY_ENFORCE;
    struct engine_event ev = {.kind = ENGINE_AUDIT,
                              .server = NO_SERVER,
                              .message = v->message,
                              .type = (uint8_t)v->type,
                              .message_id = v->message_id,
                              .endpoint = endpoint,
                              .reason = enforce ? "endpoint_refused" : "endpoint_differs"};
    event_emit(e, d, &ev);
    return !enforce;
}

enum error identity_refuse(struct engine *e, struct device *d, const struct coap_view *v)
{
    struct coap_error no = {.type = v->type == COAP_CON ? COAP_ACK : COAP_NON,
                            .code = COAP_CODE(4, 0),
                            .message_id = v->type == COAP_CON ? v->message_id : d->next_device_mid++,
                            .token = v->token,
                            .block1_szx = -1};
    static const char why[] = "not your endpoint name";
    if (COAP_HEADER_BYTES + v->token.len + sizeof(why) <= device_packet_size(e, d))
        no.diagnostic = why;
    buf_reset(&e->scratch);
    coap_write_error(&e->scratch, &no);
    struct blob *b = e->scratch.failed ? NULL : blob_of(buf_bytes(&e->scratch));
    struct exchange *x = b ? exchange_new(e, d, NO_SERVER, v, false) : NULL;
    if (!x) {
        blob_unref(b);
        return ERR_NO_MEMORY;
    }
    x->device_mid = v->message_id;
    x->from_device = true;
    x->state = EXCHANGE_DONE;
    x->reply = b; /* for the device's repetition */
    exchange_seen(x);
    struct downlink_new n = {
        .device = d, .message = blob_ref(b), .class_ = QUEUE_ANSWER, .server = NO_SERVER, .server_type = COAP_NON};
    if (downlink_add(e, &n, &x->reply_downlink) != OK)
        event_drop(e, d, NO_SERVER, blob_bytes(b), "queue_full"); /* the device repeats */
    return OK;
}

/* ---- filling it in */

static void write_extended(struct buf *out, uint32_t value)
{
    if (value >= 269)
        buf_add_be16(out, (uint16_t)(value - 269));
    else if (value >= 13)
        buf_add_u8(out, (uint8_t)(value - 13));
}

static uint8_t nibble(uint32_t value)
{
    return (uint8_t)(value >= 269 ? 14 : value >= 13 ? 13 : value);
}

static void write_option(struct buf *out, uint32_t delta, uint32_t length)
{
    buf_add_u8(out, (uint8_t)(nibble(delta) << 4 | nibble(length)));
    write_extended(out, delta);
    write_extended(out, length);
}

/* Where an option with this number goes: behind the last one that is not above it. */
static size_t place_of(const struct coap_view *v, uint32_t number, uint32_t *last)
{
    struct coap_option_cursor c = {0};
    struct coap_option o;
    size_t at = COAP_HEADER_BYTES + v->token.len;
    *last = 0;
    while (coap_option_next(v, &c, &o) && o.number <= number) {
        at = c.offset;
        *last = o.number;
    }
    return at;
}

static void write_filled(const struct coap_view *v, const char *prefix, const char *name, struct buf *out)
{
    uint32_t last;
    struct bytes m = v->message;
    size_t at = place_of(v, COAP_OPTION_URI_QUERY, &last);
    size_t length = strlen("ep=") + strlen(prefix) + strlen(name);
    buf_add(out, bytes_of(m.data, at));
    write_option(out, COAP_OPTION_URI_QUERY - last, (uint32_t)length);
    buf_add_str(out, "ep=");
    buf_add_str(out, prefix);
    buf_add_str(out, name);
    if (at < m.len && m.data[at] != 0xff) {
        /* The next option counts from this one now; its length and value stay. */
        struct coap_option_cursor c = {.offset = at, .number = last};
        struct coap_option o;
        if (coap_option_next(v, &c, &o)) {
            write_option(out, o.number - COAP_OPTION_URI_QUERY, (uint32_t)o.value.len);
            buf_add(out, o.value);
            at = c.offset;
        }
    }
    buf_add(out, bytes_from(m, at));
}

static bool is_whole(const struct coap_view *v)
{
    struct coap_option_cursor c = {0};
    struct coap_option o;
    while (coap_option_next(v, &c, &o))
        ;
    return !c.broken;
}

enum error identity_fill(struct engine *e, const struct device *d, const struct coap_view *v, struct coap_view *out)
{
    struct bytes endpoint;
    const char *provisioned = d->more ? d->more->endpoint : NULL;
    *out = *v;
    if (!e->o.fill_endpoint || !introduces(v) || lwm2m_query(v, "ep", 0, &endpoint) || !is_whole(v) ||
        (d->id_is_msisdn && !provisioned))
        return OK;
    buf_reset(&e->filled);
    write_filled(v, provisioned ? "" : NAI, provisioned ? provisioned : d->id, &e->filled);
    return e->filled.failed ? ERR_NO_MEMORY : coap_view_parse(buf_bytes(&e->filled), out);
}
