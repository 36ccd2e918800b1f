/* The later life of NIDD configurations: found again in the SCEF's list, renewed before their end, changed, replaced,
 * moved, and deleted with their devices. The SCEF is a list of requests that the test answers. */
#include "tests/base/test.h"

#include <stdio.h>

#include "nidd/engine.h"

#define START_MS 1800000000000ULL
#define SECONDS  1000ULL
#define HOURS    (3600 * SECONDS)
#define DAYS     (24 * HOURS)
#define OURS     "http://as/t8"
#define REQUESTS 64
#define RECORDS  64

enum what { CREATE, GET, PATCH, DELETE_, SUBMIT };

struct request {
    enum what what;
    uint64_t ref;
    char link[128];
    bool has_duration;
    uint64_t duration_ms;
    char destination[64];
};

struct record {
    struct buf key, value;
};

static struct life {
    struct engine *e;
    struct engine_options o;
    uint64_t now_ms;
    struct request requests[REQUESTS];
    unsigned asked, looked_at; /* requests so far */
    unsigned lists;
    char reason[128]; /* of the latest event about a configuration */
    unsigned cancelled, dropped;
    struct record records[RECORDS];
    unsigned record_count;
    uint64_t ticket;
    bool without_life_ports;
} t;

static struct request *asked(enum what what, uint64_t ref, struct bytes link)
{
    assert_true(t.asked < REQUESTS);
    struct request *r = &t.requests[t.asked++];
    *r = (struct request){.what = what, .ref = ref};
    snprintf(r->link, sizeof r->link, "%.*s", (int)link.len, (const char *)link.data);
    return r;
}

static enum error port_server_send(void *ctx, uint32_t leg, uint32_t server, const uint8_t header[COAP_HEADER_BYTES],
                                   struct bytes rest)
{
    (void)ctx, (void)leg, (void)server, (void)header, (void)rest;
    return OK;
}

static void port_submit(void *ctx, uint64_t ref, const struct engine_submit *s)
{
    (void)ctx;
    (void)asked(SUBMIT, ref, s->configuration_link);
}

static void port_create(void *ctx, uint64_t ref, struct t8_identity id)
{
    (void)ctx, (void)id;
    (void)asked(CREATE, ref, bytes_of(NULL, 0));
}

static void port_get(void *ctx, uint64_t ref, struct bytes link)
{
    (void)ctx;
    (void)asked(GET, ref, link);
}

static void port_patch(void *ctx, uint64_t ref, struct bytes link, const struct nidd_configuration_patch *p)
{
    (void)ctx;
    struct request *r = asked(PATCH, ref, link);
    r->has_duration = p->has_duration;
    r->duration_ms = p->duration_ms;
    snprintf(r->destination, sizeof r->destination, "%.*s", (int)p->notification_destination.len,
             (const char *)p->notification_destination.data);
}

static void port_delete(void *ctx, uint64_t ref, struct bytes link)
{
    (void)ctx;
    (void)asked(DELETE_, ref, link);
}

static void port_list(void *ctx)
{
    (void)ctx;
    t.lists++;
}

static struct record *record_find(struct bytes key)
{
    for (unsigned i = 0; i < t.record_count; i++)
        if (bytes_equal(buf_bytes(&t.records[i].key), key))
            return &t.records[i];
    return NULL;
}

static uint64_t port_store_put(void *ctx, struct bytes key, struct bytes value)
{
    (void)ctx;
    struct record *r = record_find(key);
    if (!r) {
        assert_true(t.record_count < RECORDS);
        r = &t.records[t.record_count++];
        buf_reset(&r->key);
        buf_add(&r->key, key);
    }
    buf_reset(&r->value);
    buf_add(&r->value, value);
    return ++t.ticket;
}

static uint64_t port_store_delete(void *ctx, struct bytes key)
{
    (void)ctx;
    struct record *r = record_find(key);
    if (r) {
        struct record last = t.records[--t.record_count];
        t.records[t.record_count] = *r; /* keeps its memory */
        *r = last;
    }
    return ++t.ticket;
}

static void port_uplink_answer(void *ctx, uint64_t ref, enum error err)
{
    (void)ctx, (void)ref, (void)err;
}

static void port_event(void *ctx, const struct engine_event *ev)
{
    (void)ctx;
    if (ev->kind == ENGINE_CONFIGURATION)
        snprintf(t.reason, sizeof t.reason, "%s", ev->reason);
    t.cancelled += ev->kind == ENGINE_FINAL && ev->final == FINAL_CANCELLED;
    t.dropped += ev->kind == ENGINE_DROPPED && strcmp(ev->reason, "device_removed") == 0;
}

/* Lets everything happen that is due, commits included. */
static void settle(void)
{
    for (unsigned i = 0; i < 4; i++) {
        engine_stored(t.e, t.now_ms, t.ticket, OK);
        engine_wake(t.e, t.now_ms);
    }
}

static void engine_begin(unsigned devices)
{
    struct engine_ports ports = {.server_send = port_server_send,
                                 .downlink_submit = port_submit,
                                 .configuration_create = port_create,
                                 .configuration_get = port_get,
                                 .store_put = port_store_put,
                                 .store_delete = port_store_delete,
                                 .uplink_answer = port_uplink_answer,
                                 .event = port_event};
    if (!t.without_life_ports) {
        ports.configuration_patch = port_patch;
        ports.configuration_delete = port_delete;
        ports.configuration_list = port_list;
    }
    assert_int_equal(engine_new(&t.o, &ports, t.now_ms, &t.e), OK);
    assert_int_equal(engine_server_add(t.e, "main"), OK);
    static const enum record_kind kinds[] = {RECORD_DEVICE, RECORD_DOWNLINK, RECORD_UPLINK};
    for (unsigned k = 0; k < 3; k++)
        for (unsigned i = 0; i < t.record_count; i++) {
            struct bytes key = buf_bytes(&t.records[i].key), value = buf_bytes(&t.records[i].value);
            struct record_device d;
            struct record_message m;
            if (key.data[0] != kinds[k])
                continue;
            if (k == 0) {
                assert_int_equal(record_device_decode(key, value, &d), OK);
                assert_int_equal(engine_restore_device(t.e, &d), OK);
            } else {
                assert_int_equal(record_message_decode(key, value, &m), OK);
                assert_int_equal(engine_restore_message(t.e, kinds[k], &m), OK);
            }
        }
    for (unsigned i = 0; i < devices; i++) {
        char id[32];
        snprintf(id, sizeof id, "dev%u@x", i);
        const struct engine_device_options d = {.id = {.external_id = bytes_of_str(id)}};
        assert_int_equal(engine_device_add(t.e, &d), OK);
    }
    engine_start(t.e, t.now_ms);
    settle();
}

static void restart(unsigned devices)
{
    engine_free(t.e);
    t.asked = t.looked_at = t.lists = 0;
    engine_begin(devices);
}

static void begin(unsigned devices)
{
    t.asked = t.looked_at = t.lists = t.cancelled = t.dropped = 0;
    t.now_ms = START_MS;
    t.ticket = 0;
    engine_begin(devices);
}

static int set_up(void **state)
{
    (void)state;
    memset(&t, 0, sizeof t);
    engine_options_default(&t.o);
    t.o.notification_destination = OURS;
    t.o.supported_features = 0x0c;
    t.o.seed = 7;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    engine_free(t.e);
    for (unsigned i = 0; i < RECORDS; i++) {
        buf_free(&t.records[i].key);
        buf_free(&t.records[i].value);
    }
    return 0;
}

static struct request *next_at(enum what what, int line)
{
    if (t.looked_at == t.asked)
        fail_msg("line %d: nothing was asked", line);
    struct request *r = &t.requests[t.looked_at++];
    if (r->what != what)
        fail_msg("line %d: %d was asked, not %d", line, r->what, what);
    return r;
}
#define next(what) next_at(what, __LINE__)

static void answer(const struct request *r, struct nidd_configuration_result result)
{
    engine_configuration_result(t.e, t.now_ms, r->ref, &result);
    settle();
}

static struct nidd_configuration_result granted(int status, const char *link, uint64_t end_ms)
{
    return (struct nidd_configuration_result){.http_status = status,
                                              .link = bytes_of_str(link),
                                              .duration_ms = end_ms,
                                              .has_body = true,
                                              .supported_features = 0x84,
                                              .notification_destination = BYTES_LIT(OURS)};
}

static void found(const char *id, const char *link)
{
    struct nidd_configuration_found f = {.id = {.external_id = bytes_of_str(id)}, .result = granted(200, link, 0)};
    engine_configuration_found(t.e, t.now_ms, &f);
}

static void listed(int status)
{
    engine_configuration_listed(t.e, t.now_ms, &(struct nidd_configuration_result){.http_status = status});
    settle();
}

static struct engine_device_info info(const char *id)
{
    struct engine_device_info d;
    assert_true(engine_device_find(t.e, bytes_of_str(id), &d));
    return d;
}

static void assert_state(const char *id, const char *state)
{
    assert_string_equal(info(id).configuration_state, state);
}

/* Until something is asked; how long that took. */
static uint64_t wait_for_request(uint64_t max_ms)
{
    uint64_t begin_ms = t.now_ms;
    while (t.looked_at == t.asked) {
        uint64_t at = engine_next_wake(t.e);
        if (at > begin_ms + max_ms)
            fail_msg("nothing was asked within %llu ms", (unsigned long long)max_ms);
        t.now_ms = at > t.now_ms ? at : t.now_ms + 1;
        settle();
    }
    return t.now_ms - begin_ms;
}

static void pass(uint64_t ms)
{
    uint64_t end_ms = t.now_ms + ms;
    for (uint64_t at; (at = engine_next_wake(t.e)) <= end_ms;) {
        t.now_ms = at > t.now_ms ? at : t.now_ms + 1;
        settle();
    }
    t.now_ms = end_ms;
    settle();
}

static void server_asks(uint32_t leg)
{
    static const uint8_t get[] = {0x41, 0x01, 0x12, 0x34, 0x77, 0xb1, '3'};
    engine_server_datagram(t.e, t.now_ms, leg, 0, bytes_of(get, sizeof get));
    settle();
}

/* ---- found again */

static void one_list_for_all(void **state)
{
    (void)state;
    t.o.configuration_window = 3;
    begin(8);
    answer(next(CREATE), (struct nidd_configuration_result){.http_status = 409});
    assert_state("dev0@x", "finding");
    assert_int_equal(t.lists, 0); /* other creations are still under way */
    answer(next(CREATE), granted(201, "/as/configurations/c1", 0));
    assert_int_equal(t.lists, 0);
    answer(next(CREATE), (struct nidd_configuration_result){.http_status = 403});
    assert_int_equal(t.lists, 1);
    assert_int_equal(t.looked_at, t.asked);      /* and no further ones begin */
    found("dev1@x", "/as/configurations/other"); /* has its own already */
    found("dev0@x", "/as/configurations/c0");
    found("stranger@x", "/as/configurations/c99");
    found("dev5@x", "/as/configurations/c5"); /* still in line */
    found("dev6@x", "");
    listed(200);
    assert_state("dev0@x", "active");
    assert_bytes_str(info("dev0@x").configuration_link, "/as/configurations/c0");
    assert_bytes_str(info("dev1@x").configuration_link, "/as/configurations/c1");
    assert_state("dev2@x", "refused");
    assert_state("dev5@x", "active");
    for (unsigned i = 0; i < 4; i++) /* 3, 4, 6, 7 */
        answer(next(CREATE), granted(201, "/as/configurations/new", 0));
    assert_int_equal(t.looked_at, t.asked);
    assert_int_equal(t.lists, 1);
    restart(8); /* links are stored */
    assert_string_equal(next(GET)->link, "/as/configurations/c0");
}

static void list_not_to_be_had(void **state)
{
    (void)state;
    begin(1);
    answer(next(CREATE), (struct nidd_configuration_result){.http_status = 409});
    assert_int_equal(t.lists, 1);
    listed(503);
    assert_state("dev0@x", "waiting");
    wait_for_request(1 * HOURS);
    answer(next(CREATE), (struct nidd_configuration_result){.http_status = 409});
    assert_int_equal(t.lists, 2);
    listed(404); /* it has no lists */
    assert_state("dev0@x", "refused");
    assert_string_equal(t.reason, "refused");
}

/* A refusal of a kind that a list cannot explain away; and not a list for each of many refusals. */
static void not_every_refusal_asks_for_a_list(void **state)
{
    (void)state;
    t.o.configuration_window = 1;
    begin(4);
    answer(next(CREATE), (struct nidd_configuration_result){.http_status = 403, .cause = T8_CAUSE_QUOTA_EXCEEDED});
    assert_state("dev0@x", "refused");
    answer(next(CREATE), (struct nidd_configuration_result){.http_status = 403});
    assert_int_equal(t.lists, 1);
    listed(200);
    assert_state("dev1@x", "refused");
    answer(next(CREATE), (struct nidd_configuration_result){.http_status = 403});
    answer(next(CREATE), (struct nidd_configuration_result){.http_status = 409});
    assert_int_equal(t.lists, 1);
    assert_state("dev2@x", "refused");
    assert_state("dev3@x", "waiting");
}

static void without_the_ports_nothing_is_new(void **state)
{
    (void)state;
    t.without_life_ports = true;
    begin(1);
    answer(next(CREATE), (struct nidd_configuration_result){.http_status = 409});
    assert_state("dev0@x", "refused");
    wait_for_request(2 * HOURS);
    answer(next(CREATE), granted(201, "/as/configurations/c0", t.now_ms + 10 * SECONDS));
    pass(1 * HOURS);
    assert_int_equal(t.looked_at, t.asked);
}

/* ---- renewed */

static void renewed_before_the_end(void **state)
{
    (void)state;
    t.o.configuration_duration_ms = 30 * DAYS;
    begin(1);
    answer(next(CREATE), granted(201, "/as/configurations/c0", t.now_ms + 7 * DAYS)); /* it grants less */
    assert_int_equal(info("dev0@x").configuration_end_ms, START_MS + 7 * DAYS);
    assert_int_equal(info("dev0@x").supported_features, 0x04); /* what both can do */
    for (unsigned i = 0; i < 3; i++) {
        assert_in_range(wait_for_request(7 * DAYS), 5 * DAYS, 6 * DAYS); /* a day's margin, and some dice */
        const struct request *r = next(PATCH);
        assert_string_equal(r->link, "/as/configurations/c0");
        assert_true(r->has_duration);
        assert_int_equal(r->duration_ms, t.now_ms + 30 * DAYS);
        assert_string_equal(r->destination, "");
        assert_state("dev0@x", "changing");
        server_asks(0); /* it works meanwhile */
        assert_string_equal(next(SUBMIT)->link, "/as/configurations/c0");
        engine_submit_result(t.e, t.now_ms, t.requests[t.looked_at - 1].ref,
                             &(struct nidd_submit_result){.outcome = NIDD_SUBMIT_REFUSED, .http_status = 400});
        answer(r, granted(200, "/as/configurations/c0", t.now_ms + 7 * DAYS));
        assert_state("dev0@x", "active");
    }
}

static void for_ever_is_asked_as_null(void **state)
{
    (void)state;
    begin(1);
    answer(next(CREATE), granted(201, "/as/configurations/c0", t.now_ms + 1 * HOURS));
    wait_for_request(1 * HOURS);
    const struct request *r = next(PATCH);
    assert_true(r->has_duration);
    assert_int_equal(r->duration_ms, 0);
    answer(r, granted(200, "/as/configurations/c0", 0));
    pass(30 * DAYS);
    assert_int_equal(t.looked_at, t.asked); /* for ever it is */
}

static void answered_204(void **state)
{
    (void)state;
    begin(1);
    answer(next(CREATE), granted(201, "/as/configurations/c0", t.now_ms + 1 * HOURS));
    wait_for_request(1 * HOURS);
    answer(next(PATCH), (struct nidd_configuration_result){.http_status = 204});
    answer(next(GET), granted(200, "", t.now_ms + 2 * HOURS));
    assert_int_equal(info("dev0@x").configuration_end_ms, t.now_ms + 2 * HOURS);
    assert_state("dev0@x", "active");
}

static void renewal_fails_for_a_while(void **state)
{
    (void)state;
    begin(1);
    uint64_t end_ms = t.now_ms + 1 * HOURS;
    answer(next(CREATE), granted(201, "/as/configurations/c0", end_ms));
    wait_for_request(1 * HOURS);
    answer(next(PATCH), (struct nidd_configuration_result){.http_status = 503, .retry_after_s = 30});
    assert_state("dev0@x", "active");
    assert_in_range(wait_for_request(1 * HOURS), 30 * SECONDS, 31 * SECONDS);
    answer(next(PATCH), (struct nidd_configuration_result){.http_status = 0});
    while (t.now_ms < end_ms) {
        wait_for_request(1 * HOURS);
        if (t.requests[t.looked_at].what != PATCH)
            break;
        answer(next(PATCH), (struct nidd_configuration_result){.http_status = 0});
    }
    /* Its end has come, and nobody tells: it is looked after. */
    assert_in_range(t.now_ms, end_ms, end_ms + 1 * HOURS);
    answer(next(GET), (struct nidd_configuration_result){.http_status = 404});
    assert_string_equal(t.reason, "forgotten by the SCEF");
    answer(next(CREATE), granted(201, "/as/configurations/c1", 0));
    assert_bytes_str(info("dev0@x").configuration_link, "/as/configurations/c1");
}

static void gone_at_the_renewal(void **state)
{
    (void)state;
    begin(1);
    answer(next(CREATE), granted(201, "/as/configurations/c0", t.now_ms + 1 * HOURS));
    wait_for_request(1 * HOURS);
    answer(next(PATCH), (struct nidd_configuration_result){.http_status = 404});
    answer(next(CREATE), granted(201, "/as/configurations/c1", 0));
    assert_state("dev0@x", "active");
}

/* A clock that is ahead of the SCEF's: what is over by it is still there. No storm of requests comes of it. */
static void clocks_disagree(void **state)
{
    (void)state;
    begin(1);
    uint64_t end_ms = t.now_ms + 10 * SECONDS;
    answer(next(CREATE), granted(201, "/as/configurations/c0", end_ms));
    pass(60 * SECONDS);
    unsigned before = t.asked;
    for (unsigned i = 0; i < 40 && t.looked_at < t.asked; i++) {
        const struct request *r = &t.requests[t.looked_at++];
        answer(r, granted(200, "/as/configurations/c0", end_ms)); /* never extended */
    }
    assert_in_range(t.asked - before, 0, 10);
    assert_state("dev0@x", "active");
    unsigned asked_then = t.asked;
    for (unsigned i = 0; i < 100 && t.now_ms < START_MS + 1 * HOURS; i++) {
        pass(60 * SECONDS);
        while (t.looked_at < t.asked)
            answer(&t.requests[t.looked_at++], granted(200, "/as/configurations/c0", end_ms));
    }
    assert_in_range(t.asked - asked_then, 1, 40);
}

static void cannot_be_patched(void **state)
{
    (void)state;
    begin(1);
    answer(next(CREATE), granted(201, "/as/configurations/c0", t.now_ms + 1 * HOURS));
    wait_for_request(1 * HOURS);
    answer(next(PATCH), (struct nidd_configuration_result){.http_status = 405});
    assert_state("dev0@x", "replacing");
    assert_string_equal(next(DELETE_)->link, "/as/configurations/c0");
    answer(&t.requests[t.looked_at - 1], (struct nidd_configuration_result){.http_status = 204});
    answer(next(CREATE), granted(201, "/as/configurations/c1", t.now_ms + 1 * HOURS));
    assert_state("dev0@x", "active");
    /* Nor deleted: it stays until its end. */
    wait_for_request(1 * HOURS);
    answer(next(PATCH), (struct nidd_configuration_result){.http_status = 501});
    answer(next(DELETE_), (struct nidd_configuration_result){.http_status = 405});
    assert_state("dev0@x", "active");
    uint64_t end_ms = info("dev0@x").configuration_end_ms;
    wait_for_request(1 * HOURS);
    assert_in_range(t.now_ms, end_ms, end_ms + 2 * SECONDS);
    answer(next(GET), (struct nidd_configuration_result){.http_status = 404});
    (void)next(CREATE);
}

/* ---- the callback URL has changed since */

static void destination_changed(void **state)
{
    (void)state;
    begin(1);
    answer(next(CREATE), granted(201, "/as/configurations/c0", 0));
    t.o.notification_destination = "http://elsewhere/t8";
    restart(1);
    answer(next(GET), granted(200, "", 0));
    const struct request *r = next(PATCH);
    assert_string_equal(r->destination, "http://elsewhere/t8");
    assert_false(r->has_duration);
    struct nidd_configuration_result now = granted(200, "", 0);
    now.notification_destination = BYTES_LIT("http://elsewhere/t8");
    answer(r, now);
    assert_state("dev0@x", "active");
    assert_int_equal(t.looked_at, t.asked);
    restart(1);
    answer(next(GET), now);
    assert_int_equal(t.looked_at, t.asked);

    /* A SCEF before Rel-17 cannot change it. */
    t.o.notification_destination = OURS;
    restart(1);
    answer(next(GET), now);
    answer(next(PATCH), (struct nidd_configuration_result){.http_status = 400});
    answer(next(DELETE_), (struct nidd_configuration_result){.http_status = 200});
    answer(next(CREATE), granted(201, "/as/configurations/c9", 0));
    assert_bytes_str(info("dev0@x").configuration_link, "/as/configurations/c9");
}

/* A SCEF that ignores what it does not know answers 200 and shows the old URL; one may write ours in its own way, for
 * ever. Either is asked once by PATCH and once by making it anew, and left in peace then. */
static void destination_that_stays_different(void **state)
{
    (void)state;
    begin(1);
    struct nidd_configuration_result other = granted(201, "/as/configurations/c0", 0);
    other.notification_destination = BYTES_LIT("http://Other/");
    answer(next(CREATE), other);
    other.http_status = 200;
    other.link = BYTES_LIT("");
    answer(next(PATCH), other);
    answer(next(DELETE_), (struct nidd_configuration_result){.http_status = 204});
    other.http_status = 201;
    other.link = BYTES_LIT("/as/configurations/c1");
    answer(next(CREATE), other);
    pass(24 * HOURS);
    assert_int_equal(t.looked_at, t.asked);
    assert_state("dev0@x", "active");
    assert_bytes_str(info("dev0@x").configuration_link, "/as/configurations/c1");
}

/* ---- moved */

static void moved_for_good(void **state)
{
    (void)state;
    begin(1);
    answer(next(CREATE), granted(201, "/as/configurations/c0", 0));
    server_asks(0);
    engine_submit_result(
        t.e, t.now_ms, next(SUBMIT)->ref,
        &(struct nidd_submit_result){.outcome = NIDD_SUBMIT_REFUSED,
                                     .http_status = 500,
                                     .cause = T8_CAUSE_NO_PDN_CONNECTION,
                                     .configuration_link = BYTES_LIT("https://b:443/x/as/configurations/c0")});
    settle();
    assert_bytes_str(info("dev0@x").configuration_link, "https://b:443/x/as/configurations/c0");
    restart(1);
    assert_string_equal(next(GET)->link, "https://b:443/x/as/configurations/c0");
    /* It is the same configuration. */
    struct nidd_configuration_status s = {.nidd_configuration = BYTES_LIT("/3gpp-nidd/v1/as/configurations/c0"),
                                          .id = {.external_id = BYTES_LIT("dev0@x")},
                                          .status = T8_NIDD_ACTIVE};
    assert_int_equal(engine_configuration_status(t.e, t.now_ms, &s), OK);
}

static void led_elsewhere_is_no_loss(void **state)
{
    (void)state;
    begin(1);
    answer(next(CREATE), (struct nidd_configuration_result){.http_status = 302});
    assert_state("dev0@x", "waiting");
    assert_string_equal(t.reason, "redirect not followed");
    wait_for_request(1 * HOURS);
    answer(next(CREATE), granted(201, "/as/configurations/c0", 0));
    server_asks(0);
    engine_submit_result(
        t.e, t.now_ms, next(SUBMIT)->ref,
        &(struct nidd_submit_result){.outcome = NIDD_SUBMIT_REFUSED, .http_status = 302, .retry_after_s = 20});
    settle();
    assert_int_equal(info("dev0@x").queue_messages, 1);
    assert_in_range(wait_for_request(1 * HOURS), 20 * SECONDS, 21 * SECONDS);
    (void)next(SUBMIT);
}

/* Held back by the circuit breaker: again when it says, as often as it says, and the device is not charged for it. */
static void held_back(void **state)
{
    (void)state;
    begin(1);
    answer(next(CREATE), granted(201, "/as/configurations/c0", 0));
    server_asks(0);
    for (unsigned i = 0; i < 20; i++) {
        engine_submit_result(
            t.e, t.now_ms, next(SUBMIT)->ref,
            &(struct nidd_submit_result){.outcome = NIDD_SUBMIT_NO_ANSWER, .not_sent = true, .retry_after_s = 7});
        settle();
        assert_int_equal(info("dev0@x").queue_messages, 1);
        assert_in_range(wait_for_request(1 * HOURS), 7 * SECONDS, 8 * SECONDS);
    }
    assert_int_equal(info("dev0@x").downlink_count, 1); /* the one under way */
}

/* ---- removed */

static void removed(void **state)
{
    (void)state;
    t.o.delete_removed = ENGINE_DELETE_REMOVED_YES;
    begin(4);
    for (unsigned i = 0; i < 4; i++) {
        char link[64];
        snprintf(link, sizeof link, "/as/configurations/c%u", i);
        answer(next(CREATE), granted(201, link, 0));
    }
    uint32_t leg = info("dev3@x").leg;
    server_asks(leg);
    server_asks(info("dev0@x").leg);
    restart(3);
    assert_int_equal(t.cancelled, 1);
    for (unsigned i = 0; i < 3; i++)
        while (t.requests[t.looked_at].what == SUBMIT || t.requests[t.looked_at].what == GET)
            t.looked_at++;
    const struct request *r = next(DELETE_);
    assert_string_equal(r->link, "/as/configurations/c3");
    answer(r, (struct nidd_configuration_result){.http_status = 503});
    wait_for_request(1 * HOURS);
    while (t.requests[t.looked_at].what != DELETE_)
        t.looked_at++;
    answer(next(DELETE_), (struct nidd_configuration_result){.http_status = 204});
    assert_string_equal(t.reason, "deleted");
    restart(3);
    for (; t.looked_at < t.asked; t.looked_at++)
        assert_int_not_equal(t.requests[t.looked_at].what, DELETE_); /* once is enough */
    assert_int_equal(t.cancelled, 1);
    restart(4); /* it comes back, to its old address */
    assert_int_equal(info("dev3@x").leg, leg);
    assert_int_equal(info("dev3@x").queue_messages, 0);
}

static void removed_by_mistake(void **state)
{
    (void)state;
    t.o.delete_removed = ENGINE_DELETE_REMOVED_YES;
    begin(3);
    for (unsigned i = 0; i < 3; i++)
        answer(next(CREATE), granted(201, "/as/configurations/c", 0));
    server_asks(2);
    restart(1); /* two gone, one left */
    assert_string_equal(t.reason, "more devices are gone than left: nothing deleted");
    assert_int_equal(t.cancelled, 0);
    answer(next(GET), granted(200, "", 0));
    assert_int_equal(t.looked_at, t.asked);
    t.o.delete_removed = ENGINE_DELETE_REMOVED_NO;
    restart(1);
    answer(next(GET), granted(200, "", 0));
    assert_int_equal(t.looked_at, t.asked);
    t.o.delete_removed = ENGINE_DELETE_REMOVED_ALL;
    restart(0);
    assert_int_equal(t.cancelled, 1);
    for (unsigned i = 0; i < 3; i++)
        answer(next(DELETE_), (struct nidd_configuration_result){.http_status = i == 1 ? 404 : 204});
    restart(0);
    assert_int_equal(t.looked_at, t.asked);
}

int main(void)
{
#define LIFE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        LIFE_TEST(one_list_for_all),
        LIFE_TEST(list_not_to_be_had),
        LIFE_TEST(not_every_refusal_asks_for_a_list),
        LIFE_TEST(without_the_ports_nothing_is_new),
        LIFE_TEST(renewed_before_the_end),
        LIFE_TEST(for_ever_is_asked_as_null),
        LIFE_TEST(answered_204),
        LIFE_TEST(renewal_fails_for_a_while),
        LIFE_TEST(gone_at_the_renewal),
        LIFE_TEST(clocks_disagree),
        LIFE_TEST(cannot_be_patched),
        LIFE_TEST(destination_changed),
        LIFE_TEST(destination_that_stays_different),
        LIFE_TEST(moved_for_good),
        LIFE_TEST(led_elsewhere_is_no_loss),
        LIFE_TEST(held_back),
        LIFE_TEST(removed),
        LIFE_TEST(removed_by_mistake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
