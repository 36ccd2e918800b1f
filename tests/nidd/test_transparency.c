/* Token, code, options and payload of any valid message pass bit-exact, in both directions and by both kinds of
 * servers: what the relay does not know, and what a stock proxy would change or answer itself. SEED=n for other
 * messages. */
#include <stdlib.h>

#include "base/prng.h"
#include "nidd/engine.h"
#include "tests/base/test.h"

#define MESSAGES 100000
#define KEPT     8

struct captured {
    uint8_t data[2048];
    size_t len;
};

static struct world {
    struct engine *e;
    struct prng prng;
    uint64_t now_ms;
    uint64_t seed;
    struct captured up[KEPT], down[KEPT]; /* non-empty messages since the last look */
    uint64_t submits[KEPT];
    unsigned ups, downs, submitted;
    uint64_t ticket, committed, configurations[2];
    unsigned configuration_count;
    uint16_t device_mid, server_mid;
    uint64_t passed[2][2]; /* by server and direction */
    bool no_observe;       /* in the next message */
} w;

/* --- ports --------------------------------------------------------------------------------------------- */

static void capture(struct captured to[KEPT], unsigned *count, const uint8_t *header, struct bytes rest)
{
    if (header[1] == 0)
        return;
    assert_true(*count < KEPT && COAP_HEADER_BYTES + rest.len <= sizeof(to->data));
    struct captured *c = &to[(*count)++];
    memcpy(c->data, header, COAP_HEADER_BYTES);
    if (rest.len)
        memcpy(c->data + COAP_HEADER_BYTES, rest.data, rest.len);
    c->len = COAP_HEADER_BYTES + rest.len;
}

static enum error port_send(void *ctx, uint32_t leg, uint32_t server, const uint8_t header[COAP_HEADER_BYTES],
                            struct bytes rest)
{
    (void)ctx;
    assert_int_equal(leg, server); /* device n has server n */
    capture(w.up, &w.ups, header, rest);
    return OK;
}

static void port_submit(void *ctx, uint64_t ref, const struct engine_submit *s)
{
    (void)ctx;
    assert_true(w.submitted < KEPT);
    w.submits[w.submitted++] = ref;
    capture(w.down, &w.downs, s->data.data, bytes_from(s->data, COAP_HEADER_BYTES));
}

static void port_create(void *ctx, uint32_t scef, uint64_t ref, struct t8_identity id)
{
    (void)ctx, (void)scef, (void)id;
    w.configurations[w.configuration_count++] = ref;
}

static void port_get(void *ctx, uint32_t scef, uint64_t ref, struct bytes link)
{
    (void)ctx, (void)scef, (void)ref, (void)link;
    fail();
}

static uint64_t port_put(void *ctx, struct bytes key, struct bytes value)
{
    (void)ctx, (void)key, (void)value;
    return ++w.ticket;
}

static uint64_t port_delete(void *ctx, struct bytes key)
{
    (void)ctx, (void)key;
    return ++w.ticket;
}

static void port_answer(void *ctx, uint64_t ref, enum error err)
{
    (void)ctx, (void)ref, (void)err;
    fail(); /* the servers are there */
}

static void port_event(void *ctx, const struct engine_event *ev)
{
    (void)ctx;
    if (ev->kind == ENGINE_DROPPED || ev->kind == ENGINE_DUPLICATE)
        fail_msg("SEED=%llu: %s", (unsigned long long)w.seed, ev->reason);
}

/* What was asked for is done at once. */
static void settle(void)
{
    while (w.submitted || w.committed < w.ticket) {
        if (w.committed < w.ticket) {
            w.committed = w.ticket;
            engine_stored(w.e, w.now_ms, w.committed, OK);
        }
        if (w.submitted) {
            uint64_t ref = w.submits[0];
            memmove(w.submits, w.submits + 1, --w.submitted * sizeof(*w.submits));
            engine_submit_result(w.e, w.now_ms, ref,
                                 &(struct nidd_submit_result){.outcome = NIDD_SUBMIT_DELIVERED, .http_status = 200});
        }
        engine_wake(w.e, w.now_ms);
    }
}

static void start(uint64_t seed)
{
    const struct engine_ports ports = {.server_send = port_send,
                                       .downlink_submit = port_submit,
                                       .configuration_create = port_create,
                                       .configuration_get = port_get,
                                       .store_put = port_put,
                                       .store_delete = port_delete,
                                       .uplink_answer = port_answer,
                                       .event = port_event};
    static const char *const links[] = {"/c/0", "/c/1"};
    struct engine_options o;
    w = (struct world){.now_ms = 1800000000000ULL, .seed = seed};
    prng_seed(&w.prng, seed);
    engine_options_default(&o);
    assert_int_equal(engine_new(&o, &ports, w.now_ms, &w.e), OK);
    assert_int_equal(engine_server_add(w.e, &(struct engine_server_options){.name = "udp"}), OK);
    const struct engine_server_options reliable = {.name = "tcp", .transport = ENGINE_TRANSPORT_RELIABLE};
    assert_int_equal(engine_server_add(w.e, &reliable), OK);
    assert_int_equal(engine_scef_add(w.e, &(struct engine_scef_options){.name = "scef"}), OK);
    for (unsigned i = 0; i < 2; i++) {
        const struct engine_device_options d = {
            .id = {.external_id = i ? BYTES_LIT("dev1@x") : BYTES_LIT("dev0@x")}, .server = i, .group = ENGINE_NONE};
        assert_int_equal(engine_device_add(w.e, &d), OK);
    }
    engine_start(w.e, w.now_ms);
    engine_wake(w.e, w.now_ms);
    assert_int_equal(w.configuration_count, 2);
    for (unsigned i = 0; i < 2; i++)
        engine_configuration_result(w.e, w.now_ms, w.configurations[i],
                                    &(struct nidd_configuration_result){
                                        .http_status = 201, .link = bytes_of_str(links[i]), .status = T8_NIDD_ACTIVE});
    settle();
}

/* --- messages ------------------------------------------------------------------------------------------ */

static unsigned below(unsigned n)
{
    return (unsigned)prng_below(&w.prng, n);
}

static void add_octets(struct buf *b, unsigned n)
{
    while (n--)
        buf_add_u8(b, (uint8_t)prng_next(&w.prng));
}

/* Options in order: known ones of any length, empty ones, unknown elective and critical ones, the same one again. */
static void add_options(struct buf *b)
{
    static const uint16_t known[] = {1,  3,  4,  5,  6,  7,  8,  9,  11, 12,  14,  15,  16,   17,
                                     20, 21, 23, 27, 28, 31, 35, 39, 60, 252, 258, 292, 2049, 65001};
    uint32_t last = 0;
    uint8_t value[600];
    for (unsigned n = below(8); n; n--) {
        uint32_t number =
            below(3) ? known[below(sizeof(known) / sizeof(known[0]))] : last + below(below(2) ? 30 : 3000);
        if (number < last || number > 65535 || (number == COAP_OPTION_OBSERVE && w.no_observe))
            continue;
        size_t len = below(4) ? below(14) : below(2) ? 0 : below(sizeof(value));
        for (size_t i = 0; i < len; i++)
            value[i] = (uint8_t)prng_next(&w.prng);
        coap_write_option(b, &last, number, bytes_of(value, len));
    }
}

/* What follows the header; the token as given, or NULL for any. */
static void write_rest(struct buf *b, struct bytes *token, uint8_t memory[COAP_TOKEN_MAX])
{
    buf_reset(b);
    if (!token->data) {
        token->len = below(COAP_TOKEN_MAX + 1);
        for (size_t i = 0; i < token->len; i++)
            memory[i] = (uint8_t)prng_next(&w.prng);
        token->data = memory;
    }
    buf_add(b, *token);
    add_options(b);
    if (below(3)) {
        buf_add_u8(b, 0xff);
        add_octets(b, 1 + below(below(4) ? 40 : 600));
    }
    if (b->len > 1900)
        b->len = token->len; /* too long for the tables here: nothing but the token */
}

static uint8_t any_method(void)
{
    return (uint8_t)(below(8) ? 1 + below(7) : 1 + below(31));
}

static uint8_t any_response(void)
{
    return (uint8_t)((below(3) ? 2 : 4 + below(2)) << 5 | below(32));
}

static void whole(struct buf *out, enum coap_type type, size_t token_len, uint8_t code, uint16_t mid,
                  const struct buf *rest)
{
    uint8_t header[COAP_HEADER_BYTES];
    buf_reset(out);
    coap_header_write(header, type, token_len, code, mid);
    buf_add(out, bytes_of(header, sizeof(header)));
    buf_add(out, buf_bytes(rest));
}

/* Exactly this came out; gives its Message ID. */
static uint16_t expect_same(unsigned server, bool up, enum coap_type type, uint8_t code, size_t token_len,
                            const struct buf *rest)
{
    const struct captured *c = up ? w.up : w.down;
    unsigned *count = up ? &w.ups : &w.downs;
    if (*count != 1 || c->data[0] != (0x40 | (unsigned)type << 4 | token_len) || c->data[1] != code ||
        c->len != COAP_HEADER_BYTES + rest->len || memcmp(c->data + COAP_HEADER_BYTES, rest->data, rest->len) != 0)
        fail_msg("SEED=%llu: %s server %u, message %llu: %u came out", (unsigned long long)w.seed, up ? "to" : "from",
                 server, (unsigned long long)(w.passed[0][0] + w.passed[0][1] + w.passed[1][0] + w.passed[1][1]),
                 *count);
    *count = 0;
    w.passed[server][up]++;
    return (uint16_t)(c->data[2] << 8 | c->data[3]);
}

static void device_says(unsigned device, const struct buf *message)
{
    enum error err = OK;
    const struct nidd_uplink u = {.id = {.external_id = device ? BYTES_LIT("dev1@x") : BYTES_LIT("dev0@x")},
                                  .data = buf_bytes(message)};
    assert_int_equal(engine_uplink(w.e, w.now_ms, 0, 1, &u, &err), ENGINE_TAKEN);
    engine_wake(w.e, w.now_ms);
}

static void server_says(unsigned server, const struct buf *message)
{
    engine_server_datagram(w.e, w.now_ms, server, server, buf_bytes(message));
    engine_wake(w.e, w.now_ms);
}

static void server_acknowledges(unsigned server, uint16_t mid)
{
    struct buf m = {0};
    coap_write_empty(&m, COAP_ACK, mid);
    if (server == 0)
        server_says(server, &m);
    buf_free(&m);
}

static void device_acknowledges(unsigned device, uint16_t mid)
{
    struct buf m = {0};
    coap_write_empty(&m, COAP_ACK, mid);
    device_says(device, &m);
    buf_free(&m);
}

/* A request of the device and its answer: piggybacked, separate, or NON. */
static void asked_by_device(unsigned server, struct buf *rest, struct buf *m)
{
    uint8_t memory[COAP_TOKEN_MAX];
    struct bytes token = {0};
    enum coap_type type = below(2) ? COAP_CON : COAP_NON;
    uint8_t code = any_method();
    write_rest(rest, &token, memory);
    whole(m, type, token.len, code, ++w.device_mid, rest);
    device_says(server, m);
    uint16_t mid = expect_same(server, true, type, code, token.len, rest);
    settle();

    bool separate = type == COAP_CON && below(3) == 0;
    enum coap_type answer = server ? COAP_NON : type == COAP_NON ? COAP_NON : separate ? COAP_CON : COAP_ACK;
    if (separate)
        server_acknowledges(server, mid);
    code = any_response();
    write_rest(rest, &token, memory);
    whole(m, answer, token.len, code, server ? 0 : answer == COAP_ACK ? mid : ++w.server_mid, rest);
    server_says(server, m);
    settle();
    expect_same(server, false, type == COAP_CON ? COAP_ACK : COAP_NON, code, token.len, rest);
}

/* What the device tells: CON or NON. */
static void notified(unsigned server, struct buf *rest, struct buf *m)
{
    uint8_t memory[COAP_TOKEN_MAX];
    struct bytes token = {0};
    enum coap_type type = below(2) ? COAP_CON : COAP_NON;
    uint8_t code = any_response();
    w.no_observe = server == 1; /* over a connection nothing is told that nobody observes */
    write_rest(rest, &token, memory);
    w.no_observe = false;
    whole(m, type, token.len, code, ++w.device_mid, rest);
    device_says(server, m);
    uint16_t mid = expect_same(server, true, type, code, token.len, rest);
    if (type == COAP_CON)
        server_acknowledges(server, mid);
    settle();
}

/* A request of the server and the device's answer. */
static void asked_by_server(unsigned server, struct buf *rest, struct buf *m)
{
    uint8_t memory[COAP_TOKEN_MAX];
    struct bytes token = {0};
    enum coap_type type = server == 0 && below(2) ? COAP_CON : COAP_NON;
    uint8_t code = any_method();
    write_rest(rest, &token, memory);
    whole(m, type, token.len, code, server ? 0 : ++w.server_mid, rest);
    server_says(server, m);
    settle();
    enum coap_type down = server ? COAP_CON : type;
    uint16_t mid = expect_same(server, false, down, code, token.len, rest);

    enum coap_type answer = down == COAP_NON ? COAP_NON : below(2) ? COAP_ACK : COAP_CON;
    if (answer == COAP_CON)
        device_acknowledges(server, mid);
    code = any_response();
    w.no_observe = answer != COAP_ACK; /* it would be a notification, since none was asked for, and no answer */
    write_rest(rest, &token, memory);
    w.no_observe = false;
    whole(m, answer, token.len, code, answer == COAP_ACK ? mid : ++w.device_mid, rest);
    device_says(server, m);
    mid = expect_same(server, true, answer == COAP_ACK ? type : answer, code, token.len, rest);
    server_acknowledges(server, mid);
    settle();
}

static void all_pass_unchanged(void **state)
{
    (void)state;
    const char *seed = getenv("SEED");
    struct buf rest = {0}, m = {0};
    uint64_t total = 0;
    start(seed ? strtoull(seed, NULL, 0) : 1);
    while (total < MESSAGES) {
        unsigned server = below(2);
        switch (below(5)) {
        case 0:
        case 1:
            asked_by_device(server, &rest, &m);
            break;
        case 2:
            notified(server, &rest, &m);
            break;
        default:
            asked_by_server(server, &rest, &m);
            break;
        }
        w.now_ms += 1000; /* what is remembered is remembered all the while */
        engine_wake(w.e, w.now_ms);
        settle();
        assert_int_equal(w.ups + w.downs, 0); /* nothing is repeated */
        total = w.passed[0][0] + w.passed[0][1] + w.passed[1][0] + w.passed[1][1];
    }
    for (unsigned i = 0; i < 4; i++)
        assert_true(w.passed[i & 1][i >> 1] > MESSAGES / 8);
    struct engine_totals t;
    engine_totals_get(w.e, &t);
    assert_int_equal(t.queued_messages + t.spooled_messages, 0);
    engine_free(w.e);
    buf_free(&rest);
    buf_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_pass_unchanged)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
