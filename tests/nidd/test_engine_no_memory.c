/* The n-th allocation fails, for n = 1, 2, 3 ... until a day with everything in it passes: no crash, no leak (the
 * sanitizer watches), no record that cannot be read, no message with two final states or, once accepted, with none. */
#include <stdlib.h>

#include "nidd/engine.h"
#include "tests/base/test.h"
#include "tests/nidd/message_text.h"

#define T0      1800000000000ULL
#define DEVICES 4 /* dev0@x of the group, dev1@x, 4917, dev3@x who is learned */
#define SEQS    4096
#define OPEN    1024

/* --- the allocator, put in place by the linker (--wrap) ------------------------------------------------- */

static long allocations_left = -1; /* -1: no limit */
static bool stays_short;           /* else one allocation fails */
static bool refused;
static bool in_engine;

static bool allocation_fails(void)
{
    if (!in_engine || allocations_left < 0)
        return false;
    if (allocations_left > 0) {
        allocations_left--;
        return false;
    }
    if (!stays_short)
        allocations_left = -1;
    refused = true;
    return true;
}

#define ALLOCATION_WRAPS_STRDUP
#include "tests/base/allocation_wraps.h"

/* --- ports that need no memory -------------------------------------------------------------------------- */

static struct {
    struct engine *e;
    uint64_t now_ms;
    uint64_t ticket, told;
    uint64_t refs[OPEN];
    unsigned ref_count, submits;
    uint64_t configuration_refs[OPEN];
    enum what { CREATE, GET, PATCH, DELETE_ } configuration_whats[OPEN];
    unsigned configuration_count;
    bool listing[2], watches_listing[2];
    struct {
        uint64_t ref;
        uint32_t scef;
    } asked[OPEN];
    uint64_t watch_refs[OPEN];
    unsigned asked_count, answered, watch_count;
    struct message last_down[DEVICES]; /* what the devices got last */
    uint16_t last_up_mid[DEVICES];     /* what the server got last */
    uint8_t accepted[SEQS], final[SEQS];
    uint64_t later_ref;
    unsigned later;
    enum error send_err;
} w;

static enum error port_send(void *ctx, uint32_t leg, uint32_t server, const uint8_t header[COAP_HEADER_BYTES],
                            struct bytes rest)
{
    (void)ctx, (void)rest;
    assert_true(leg < DEVICES + 1 && server < 2);
    if (leg < DEVICES && header[0] >> 4 != 6 && !w.send_err)
        w.last_up_mid[leg] = (uint16_t)(header[2] << 8 | header[3]);
    return w.send_err;
}

static void port_submit(void *ctx, uint64_t ref, const struct engine_submit *s)
{
    (void)ctx;
    assert_true(w.ref_count < OPEN);
    w.refs[w.ref_count++] = ref;
    unsigned device = s->id.external_id.len ? (unsigned)(s->id.external_id.data[3] - '0') : 2u;
    assert_true(device < DEVICES && s->configuration_link.len > 0 && s->data.len <= MESSAGE_MAX);
    w.last_down[device].len = s->data.len;
    memcpy(w.last_down[device].data, s->data.data, s->data.len);
}

static void configuration_asked(uint64_t ref, enum what what)
{
    assert_true(w.configuration_count < OPEN);
    w.configuration_whats[w.configuration_count] = what;
    w.configuration_refs[w.configuration_count++] = ref;
}

static void port_create(void *ctx, uint32_t scef, uint64_t ref, struct t8_identity id)
{
    (void)ctx, (void)scef, (void)id;
    configuration_asked(ref, CREATE);
}

static void port_get(void *ctx, uint32_t scef, uint64_t ref, struct bytes link)
{
    (void)ctx, (void)scef;
    assert_true(link.len > 0);
    configuration_asked(ref, GET);
}

static void port_patch(void *ctx, uint32_t scef, uint64_t ref, struct bytes link,
                       const struct nidd_configuration_patch *p)
{
    (void)ctx, (void)scef, (void)p;
    assert_true(link.len > 0);
    configuration_asked(ref, PATCH);
}

static void port_delete_configuration(void *ctx, uint32_t scef, uint64_t ref, struct bytes link)
{
    (void)ctx, (void)scef;
    assert_true(link.len > 0);
    configuration_asked(ref, DELETE_);
}

static void port_list(void *ctx, uint32_t scef)
{
    (void)ctx;
    assert_false(w.listing[scef]);
    w.listing[scef] = true;
}

static void port_delivery(void *ctx, uint64_t ref, const struct engine_delivery_request *q)
{
    (void)ctx;
    assert_true(w.asked_count < OPEN && q->scef < 2 && q->link.len > 0);
    w.asked[w.asked_count].ref = ref;
    w.asked[w.asked_count++].scef = q->scef;
}

static void port_watch(void *ctx, uint32_t scef, uint64_t ref, const struct engine_watch *q)
{
    (void)ctx;
    assert_true(w.watch_count < OPEN && scef < 2 && q->expire_ms > w.now_ms);
    w.watch_refs[w.watch_count++] = ref;
}

static void port_watch_list(void *ctx, uint32_t scef)
{
    (void)ctx;
    assert_true(scef < 2);
    w.watches_listing[scef] = true;
}

static enum error port_device_added(void *ctx, uint32_t leg)
{
    (void)ctx;
    assert_true(leg < DEVICES + 1);
    return OK;
}

static uint64_t port_put(void *ctx, struct bytes key, struct bytes value)
{
    struct record_device d;
    struct record_message m;
    struct record_configuration c;
    struct record_observation o;
    struct record_final f;
    struct bytes id;
    uint64_t reserved;
    (void)ctx;
    in_engine = false;
    assert_true(key.len > 0);
    if (key.data[0] == RECORD_LEG || key.data[0] == RECORD_MSISDN)
        assert_int_equal(record_index_decode(key, value, &id), OK);
    else if (key.data[0] == RECORD_LEGS || key.data[0] == RECORD_LEARNED)
        assert_int_equal(record_count_decode(key, value, &reserved), OK);
    else if (key.data[0] == RECORD_SEQUENCE)
        assert_int_equal(record_sequence_decode(key, value, &reserved), OK);
    else if (key.data[0] == RECORD_DEVICE)
        assert_int_equal(record_device_decode(key, value, &d), OK);
    else if (key.data[0] == RECORD_CONFIGURATION)
        assert_int_equal(record_configuration_decode(key, value, &c), OK);
    else if (key.data[0] == RECORD_OBSERVATION)
        assert_int_equal(record_observation_decode(key, value, &o), OK);
    else if (key.data[0] == RECORD_FINAL)
        assert_int_equal(record_final_decode(key, value, &f), OK);
    else
        assert_int_equal(record_message_decode(key, value, &m), OK);
    in_engine = true;
    return ++w.ticket;
}

static uint64_t port_delete(void *ctx, struct bytes key)
{
    (void)ctx;
    assert_true(key.len > 7 && strchr("mucof", key.data[0]));
    return ++w.ticket;
}

static void port_answer(void *ctx, uint64_t ref, enum error err)
{
    (void)ctx, (void)err;
    assert_true(ref > 0 && w.later > 0);
    w.later--;
}

static void port_event(void *ctx, const struct engine_event *e)
{
    (void)ctx;
    if (e->kind != ENGINE_ACCEPTED && e->kind != ENGINE_FINAL)
        return;
    assert_true(e->seq > 0 && e->seq < SEQS);
    if (e->kind == ENGINE_ACCEPTED)
        assert_int_equal(w.accepted[e->seq]++, 0);
    else
        assert_int_equal(w.final[e->seq]++, 0);
}

/* --- inputs: the engine is entered and left -------------------------------------------------------------- */

static void settle(enum error err)
{
    for (unsigned i = 0; w.told < w.ticket && i < 100; i++) {
        w.told = w.ticket;
        in_engine = true;
        engine_stored(w.e, w.now_ms, w.told, err);
        engine_wake(w.e, w.now_ms);
        in_engine = false;
    }
}

static void after(void)
{
    in_engine = true;
    engine_wake(w.e, w.now_ms);
    in_engine = false;
}

static void uplink(unsigned device, const struct message *m)
{
    static const struct {
        struct t8_identity id;
        uint32_t scef;
    } who[DEVICES] = {{{.external_id = BYTES_LIT("dev0@x")}, 1},
                      {{.external_id = BYTES_LIT("dev1@x")}, 0},
                      {{.msisdn = BYTES_LIT("4917")}, 0},
                      {{.external_id = BYTES_LIT("dev3@x"), .msisdn = BYTES_LIT("4918")}, 1}};
    struct engine_group_info g;
    struct nidd_uplink u = {.id = who[device].id, .data = message_bytes(m)};
    if (device == 3 && engine_group_info_get(w.e, 0, &g))
        u.nidd_configuration = g.configuration_link;
    enum error err = OK;
    w.later++; /* it may be answered before the call ends */
    in_engine = true;
    enum engine_verdict v = engine_uplink(w.e, w.now_ms, who[device].scef, ++w.later_ref, &u, &err);
    in_engine = false;
    if (v != ENGINE_LATER)
        w.later--;
    if (v == ENGINE_REFUSED)
        assert_true(err != OK);
    after();
}

static void datagram(unsigned device, unsigned server, const struct message *m)
{
    in_engine = true;
    engine_server_datagram(w.e, w.now_ms, device, server, message_bytes(m));
    in_engine = false;
    after();
}

static void leg_state(unsigned device, unsigned server, bool up)
{
    in_engine = true;
    engine_leg_state(w.e, w.now_ms, device, server, up);
    in_engine = false;
    after();
}

static void pass(uint64_t ms)
{
    uint64_t until = w.now_ms + ms;
    for (unsigned i = 0; i < 100000 && w.now_ms < until; i++) {
        uint64_t next = engine_next_wake(w.e);
        w.now_ms = next > until ? until : next > w.now_ms ? next : w.now_ms;
        after();
        settle(OK);
    }
    assert_true(w.now_ms == until);
}

static void answer_submits(void)
{
    static const struct nidd_submit_result results[] = {
        {.outcome = NIDD_SUBMIT_DELIVERED, .http_status = 200, .delivery_status = T8_DELIVERY_SUCCESS},
        {.outcome = NIDD_SUBMIT_PENDING,
         .http_status = 201,
         .link = BYTES_LIT("/as/configurations/c0/downlink-data-deliveries/d1")},
        {.outcome = NIDD_SUBMIT_REFUSED, .http_status = 500, .cause = T8_CAUSE_TEMPORARILY_NOT_REACHABLE},
        {.outcome = NIDD_SUBMIT_DELIVERED, .http_status = 200, .delivery_status = T8_DELIVERY_SUCCESS},
        {.outcome = NIDD_SUBMIT_REFUSED, .http_status = 404},
        {.outcome = NIDD_SUBMIT_NO_ANSWER},
        {.outcome = NIDD_SUBMIT_PENDING,
         .http_status = 201,
         .link = BYTES_LIT("/as/configurations/c1/downlink-data-deliveries/d2")},
        {.outcome = NIDD_SUBMIT_REFUSED, .http_status = 500, .cause = T8_CAUSE_TIMEOUT},
        {.outcome = NIDD_SUBMIT_REFUSED, .http_status = 403, .cause = T8_CAUSE_DATA_TOO_LARGE},
    };
    while (w.ref_count) {
        uint64_t ref = w.refs[--w.ref_count];
        in_engine = true;
        engine_submit_result(w.e, w.now_ms, ref, &results[w.submits++ % 9]);
        in_engine = false;
        after();
        settle(OK);
    }
}

/* About what the SCEF buffers, and about who is to be told of devices. */
static void answer_questions(void)
{
    static const struct engine_delivery_answer answers[] = {
        {.http_status = 200, .delivery_status = T8_DELIVERY_BUFFERING},
        {.http_status = 404},
        {.http_status = 404, .cause = T8_CAUSE_ALREADY_DELIVERED},
        {.http_status = 0},
        {.http_status = 204},
        {.http_status = 409, .cause = T8_CAUSE_SENDING},
    };
    in_engine = true;
    for (unsigned scef = 0; scef < 2; scef++) {
        if (w.watches_listing[scef]) {
            engine_watch_found(w.e, w.now_ms, scef, (struct t8_identity){.external_id = BYTES_LIT("dev1@x")},
                               BYTES_LIT("/as/subscriptions/s1"), w.now_ms + 60000);
            engine_watch_listed(w.e, scef);
        }
        w.watches_listing[scef] = false;
    }
    while (w.asked_count) {
        const uint64_t ref = w.asked[--w.asked_count].ref;
        const uint32_t scef = w.asked[w.asked_count].scef;
        const struct nidd_downlink d = {.self = BYTES_LIT("/as/configurations/c0/downlink-data-deliveries/d7"),
                                        .data = message_bytes(&w.last_down[0])};
        engine_delivery_found(w.e, w.now_ms, scef, ref, &d);
        engine_delivery_result(w.e, w.now_ms, scef, ref, &answers[w.answered++ % 6]);
    }
    while (w.watch_count) {
        const struct engine_watch_answer a = {.http_status = w.answered++ % 3 ? 201 : 403,
                                              .link = BYTES_LIT("/as/subscriptions/s2")};
        (void)engine_watch_result(w.e, w.now_ms, w.watch_refs[--w.watch_count], &a);
    }
    (void)engine_watch_over(w.e, 0, BYTES_LIT("/as/subscriptions/s2"));
    (void)engine_device_reachable(w.e, w.now_ms, 0, (struct t8_identity){.external_id = BYTES_LIT("dev1@x")}, "report");
    in_engine = false;
    after();
    settle(OK);
}

static struct nidd_configuration_result configuration_result(enum what what, unsigned n)
{
    static const char *const links[] = {"/as/configurations/c0", "/as/configurations/c1", "/as/configurations/c2"};
    struct nidd_configuration_result shown = {.http_status = 200,
                                              .link = bytes_of_str(links[n % 3]),
                                              .has_body = true,
                                              .duration_ms = w.now_ms + 600000,
                                              .supported_features = NIDD_FEATURE_MODIFICATION};
    switch (what) {
    case CREATE:
        shown.http_status = n % 7 == 6 ? 409 : 201;
        return shown;
    case GET:
        shown.link = (struct bytes){0};
        shown.http_status = n % 2 ? 200 : 404;
        return shown;
    case PATCH:
        shown.http_status = n % 3 == 0 ? 200 : n % 3 == 1 ? 204 : 400;
        shown.has_body = n % 3 == 0;
        return shown;
    default:
        return (struct nidd_configuration_result){.http_status = n % 2 ? 204 : 503};
    }
}

static void answer_lists(void)
{
    const struct nidd_configuration_result r = {.http_status = 200};
    const struct nidd_configuration_found f = {
        .id = {.external_group_id = BYTES_LIT("g@x")},
        .result = {.http_status = 200, .link = BYTES_LIT("/as/configurations/g8")}};
    for (unsigned scef = 0; scef < 2; scef++) {
        if (!w.listing[scef])
            continue;
        w.listing[scef] = false;
        in_engine = true;
        engine_configuration_found(w.e, w.now_ms, scef, &f);
        engine_configuration_listed(w.e, w.now_ms, scef, &r);
        in_engine = false;
        after();
    }
}

static void answer_configurations(void)
{
    static unsigned n;
    while (w.configuration_count) {
        unsigned i = --w.configuration_count;
        struct nidd_configuration_result r = configuration_result(w.configuration_whats[i], n++);
        in_engine = true;
        engine_configuration_result(w.e, w.now_ms, w.configuration_refs[i], &r);
        in_engine = false;
        after();
        settle(OK);
    }
    answer_lists();
}

static void delivery(const char *link, enum t8_delivery_status s)
{
    const struct nidd_delivery_status status = {.nidd_downlink_data_transfer = bytes_of_str(link),
                                                .delivery_status = s};
    for (unsigned scef = 0; scef < 2; scef++) {
        in_engine = true;
        assert_int_equal(engine_delivery_status(w.e, w.now_ms, scef, &status), OK);
        in_engine = false;
        after();
    }
}

/* --- the day ---------------------------------------------------------------------------------------------- */

static bool set_up(void)
{
    const struct engine_ports ports = {.server_send = port_send,
                                       .downlink_submit = port_submit,
                                       .configuration_create = port_create,
                                       .configuration_get = port_get,
                                       .configuration_patch = port_patch,
                                       .configuration_delete = port_delete_configuration,
                                       .configuration_list = port_list,
                                       .device_added = port_device_added,
                                       .delivery_request = port_delivery,
                                       .watch_create = port_watch,
                                       .watch_list = port_watch_list,
                                       .store_put = port_put,
                                       .store_delete = port_delete,
                                       .uplink_answer = port_answer,
                                       .event = port_event};
    struct message m = message_of("CON 0.01 #700 old 11=3");
    struct message u = message_of("CON 2.05 #701 obs 6=0x01 |x");
    struct record_message r = {.device_id = BYTES_LIT("dev0@x"),
                               .seq = 5,
                               .server = BYTES_LIT("server0"),
                               .queue_class = QUEUE_REQUEST,
                               .type = COAP_CON,
                               .server_mid = 77,
                               .device_mid = 700,
                               .accepted_ms = T0,
                               .deadline_ms = T0 + 3600000,
                               .message = message_bytes(&m)};
    static const struct engine_group_options group = {
        .external_group_id = BYTES_LIT("g@x"), .scef = 1, .learn = true, .learn_max = 4};
    static const struct record_configuration configurations[] = {
        {.id = BYTES_LIT("g@x"),
         .of_group = true,
         .scef = BYTES_LIT("scef1"),
         .link = BYTES_LIT("/as/configurations/g9")},
        {.id = BYTES_LIT("h@x"),
         .of_group = true,
         .scef = BYTES_LIT("scef0"),
         .link = BYTES_LIT("/as/configurations/h9")},
        {.id = BYTES_LIT("dev0@x"), .seq = 3, .scef = BYTES_LIT("scef0"), .link = BYTES_LIT("/as/configurations/l9")}};
    static const struct engine_route routes[] = {{.server = 1, .domain = BYTES_LIT("x")},
                                                 {.server = 0, .uri_host = BYTES_LIT("h")}};
    static const struct engine_downlink policies[] = {
        {.server = 1, .policy = {.lifetime_ms = 1200000, .priority = 5}},
        {.server = 0, .domain = BYTES_LIT("x"), .policy = {.lifetime_ms = 1200000, .priority = 3, .latest_wins = true}},
        {.server = 0,
         .external_id = BYTES_LIT("dev1@x"),
         .policy = {.lifetime_ms = 1200000, .latest_wins = true, .buffer = ENGINE_BUFFER_SCEF}}};
    struct engine_options o;
    engine_options_default(&o);
    o.identity_policy = ENGINE_IDENTITY_ENFORCE;
    o.fill_endpoint = true;
    o.delete_removed = ENGINE_DELETE_REMOVED_ALL;
    o.queue.max_messages = 8;
    o.spool_max_messages = 4;
    o.max_exchanges = 8;
    o.history_ms = 3600000;
    o.history_max = 3;
    o.default_packet_size_bytes = 200;
    o.downlink.lifetime_ms = o.spool_lifetime_ms = 1200000;
    w.now_ms = T0;
    in_engine = true;
    bool ok = engine_new(&o, &ports, T0, &w.e) == OK &&
              engine_server_add(w.e, &(struct engine_server_options){.name = "server0"}) == OK &&
              engine_server_add(w.e, &(struct engine_server_options){.name = "server1",
                                                                     .transport = ENGINE_TRANSPORT_RELIABLE}) == OK &&
              engine_scef_add(w.e, &(struct engine_scef_options){.name = "scef0",
                                                                 .supported_features = NIDD_FEATURE_MODIFICATION,
                                                                 .watch = true}) == OK &&
              engine_scef_add(w.e, &(struct engine_scef_options){.name = "scef1",
                                                                 .notification_destination = "http://as/t8"}) == OK &&
              engine_group_add(w.e, &group) == OK && engine_routes_replace(w.e, routes, 1) == OK &&
              engine_route_add(w.e, &routes[1]) == OK && engine_downlinks_replace(w.e, &o.downlink, policies, 3) == OK;
    if (ok) {
        engine_restore_sequence(w.e, 10);
        for (unsigned i = 0; i < sizeof(configurations) / sizeof(*configurations); i++)
            ok &= engine_restore_configuration(w.e, &configurations[i]) == OK;
    }
    if (ok) {
        ok = engine_restore_device(
                 w.e, &(struct record_device){.id = BYTES_LIT("dev0@x"),
                                              .leg = 0,
                                              .configuration_link = BYTES_LIT("/as/configurations/c9")}) == OK;
        const struct record_observation watched = {
            .device_id = BYTES_LIT("dev0@x"), .token = BYTES_LIT("w"), .server = BYTES_LIT("server1")};
        enum error seen = engine_restore_observation(w.e, &watched);
        ok &= seen == OK || seen == ERR_NO_MEMORY;
        const struct record_final ended = {.device_id = BYTES_LIT("dev0@x"),
                                           .seq = 4,
                                           .final_ms = T0,
                                           .final = FINAL_ANSWERED,
                                           .reason = BYTES_LIT("late"),
                                           .path = BYTES_LIT("/3/0")};
        seen = engine_restore_final(w.e, &ended);
        ok &= seen == OK || seen == ERR_NO_MEMORY;
        bool restored = engine_restore_message(w.e, RECORD_DOWNLINK, &r) == OK;
        w.accepted[5] = restored; /* else it is set aside */
        r.seq = 6;
        r.device_mid = 702;
        r.delivery_link = BYTES_LIT("/as/configurations/c9/downlink-data-deliveries/d9");
        restored = engine_restore_message(w.e, RECORD_DOWNLINK, &r) == OK;
        w.accepted[6] = restored;
        r.seq = 7;
        r.device_mid = 703;
        r.flags = RECORD_DEVICE_ACKNOWLEDGED;
        r.delivery_link = (struct bytes){0};
        restored = engine_restore_message(w.e, RECORD_DOWNLINK, &r) == OK;
        w.accepted[7] = restored;
        r.seq = 8;
        r.message = message_bytes(&u);
        enum error err = engine_restore_message(w.e, RECORD_UPLINK, &r);
        ok &= err == OK || err == ERR_NO_MEMORY;
        ok &= engine_device_add(w.e, &(struct engine_device_options){.id = {.external_id = BYTES_LIT("dev0@x")},
                                                                     .group = 0,
                                                                     .endpoint = BYTES_LIT("node")}) == OK;
        ok &= engine_device_add(w.e, &(struct engine_device_options){
                                         .id = {.external_id = BYTES_LIT("dev1@x"), .msisdn = BYTES_LIT("4916")},
                                         .server = 1,
                                         .group = ENGINE_NONE}) == OK;
        ok &= engine_device_add(w.e, &(struct engine_device_options){.id = {.msisdn = BYTES_LIT("4917")},
                                                                     .server = ENGINE_NONE,
                                                                     .group = ENGINE_NONE}) == OK;
    }
    if (ok)
        engine_start(w.e, T0);
    in_engine = false;
    return ok;
}

/* What takes another one's place, what makes room, and what an operator does. */
static void who_goes_before_whom(unsigned round)
{
    struct message m;
    for (unsigned i = 0; i < 9; i++) { /* eight are the bound */
        m = message_of("NON 0.03 #%u w%u 11=3 11=%u |x", 800 + 10 * round + i, i, i / 2);
        datagram(0, 0, &m);
    }
    settle(round % 2 ? OK : ERR_STORE);
    for (unsigned i = 0; i < 3; i++) {
        m = message_of("NON 0.02 #0 p%u 11=3 |x", i);
        datagram(0, 1, &m);
    }
    settle(OK);
    struct engine_message_info info;
    uint64_t seq = 0;
    const bool some = engine_message_next(w.e, BYTES_LIT("dev0@x"), &seq, &info);
    in_engine = true;
    const bool replayed = some && engine_message_replay(w.e, w.now_ms, BYTES_LIT("dev0@x"), seq) == OK;
    if (replayed)
        assert_int_equal(engine_message_cancel(w.e, w.now_ms, BYTES_LIT("dev0@x"), seq), OK);
    struct engine_purge p = {.device_id = BYTES_LIT("dev0@x"), .server = ENGINE_NONE, .accepted_until_ms = UINT64_MAX};
    (void)engine_queue_purge(w.e, w.now_ms, &p, round % 2 ? 2 : 100);
    in_engine = false;
    answer_submits();
}

/* Blocks, DTLS, and a connection that breaks. */
static void what_else_there_is(unsigned round)
{
    struct message record = {.data = {22, 254, 253, 0, 0, 0}, .len = 20};
    struct message m = message_of("CON 0.01 #%u fw 11=fw", 700 + round);
    uplink(0, &m);
    m = message_of("ACK 2.05 #%u fw 4=etag |~400", w.last_up_mid[0]);
    datagram(0, 0, &m);
    uplink(0, &record);
    datagram(0, 0, &record);
    m = message_of("CON 0.02 #%u cn 11=rd", 710 + round);
    uplink(1, &m);
    m = message_of("NON 0.01 #0 r%u 11=3", round);
    datagram(1, 1, &m);
    answer_submits();
    leg_state(1, 1, round % 2);
    leg_state(1, 1, true);
    m = message_of("NON 2.01 #0 cn");
    datagram(1, 1, &m);
    settle(OK);
    answer_submits();
    m = message_of("ACK 2.05 #%u r%u", message_mid(message_bytes(&w.last_down[1])), round);
    uplink(1, &m);
    for (unsigned i = 0; i < 3; i++) {
        m = message_of("NON 0.03 #%u b%u 11=3 |x", 850 + 10 * round + i, i);
        datagram(1, 0, &m);
        settle(OK);
        answer_submits();
        answer_questions();
    }
}

static void a_busy_minute(unsigned round)
{
    struct message m;
    for (unsigned d = 0; d < DEVICES; d++) {
        m = message_of("CON 0.02 #%u tok 11=rd", 100 + round);
        uplink(d, &m);
        uplink(d, &m);
        m = message_of(round % 2 ? "ACK 2.01 #%u tok 8=rd" : "ACK #%u", w.last_up_mid[d]);
        datagram(d, 0, &m);
        m = message_of("CON 0.02 #%u tok 11=rd", 100 + round);
        uplink(d, &m);
        m = message_of("CON 2.01 #%u tok 8=rd", 900 + round);
        datagram(d, 0, &m);
        settle(round % 3 == 2 ? ERR_STORE : OK);
        datagram(d, 0, &m);
        m = message_of("CON 0.02 #%u lwm2m 3=h 11=rd 15=lt=60%s", 1000 + round, round % 2 ? "" : " 15=ep=other");
        uplink(d, &m);
        m = message_of("ACK 2.01 #%u lwm2m 8=rd 8=%u", w.last_up_mid[d], round);
        datagram(d, 0, &m);
        m = message_of("NON 0.01 #%u o%u 6= 11=3", 1100 + round, round);
        datagram(d, 1, &m);
        m = message_of("NON 2.05 #%u o%u%s |x", 1200 + round, round, round % 2 ? "" : " 6=0x01");
        uplink(d, &m);
        m = message_of("CON 0.01 #%u rd%u 11=3", 500 + round, round);
        datagram(d, round % 2, &m);
        m = message_of("NON 0.01 #%u rn%u 11=3", 600 + round, round);
        datagram(d, 0, &m);
        settle(round % 5 == 4 ? ERR_STORE : OK);
        answer_configurations();
        answer_submits();
        uint16_t mid = message_mid(message_bytes(&w.last_down[d]));
        m = message_of(round % 3 == 0 ? "ACK #%u" : round % 3 == 1 ? "ACK 2.05 #%u rd1 |x" : "RST #%u", mid);
        uplink(d, &m);
        m = message_of("CON 2.05 #%u rd%u |x", 300 + round, round);
        uplink(d, &m);
        m = message_of("CON 2.05 #%u obs 6=0x01 |x", 400 + round);
        uplink(d, &m);
        m = message_of("ACK #%u", w.last_up_mid[d]);
        datagram(d, 0, &m);
        m = message_of("NON 2.05 #%u obs 6=0x01 |x", 450 + round);
        uplink(d, &m);
        m = message_of("RST #%u", w.last_up_mid[d]);
        datagram(d, 0, &m);
        m = message_of("CON #%u", round);
        uplink(d, &m);
        datagram(d, 0, &m);
    }
    delivery("/as/configurations/c0/downlink-data-deliveries/d1", T8_DELIVERY_SUCCESS);
    delivery("/as/configurations/c1/downlink-data-deliveries/d2", T8_DELIVERY_FAILURE);
    delivery("/as/configurations/c9/downlink-data-deliveries/d9", T8_DELIVERY_FAILURE_TEMPORARILY_NOT_REACHABLE);
    settle(OK);
    answer_submits();
}

static void run(void)
{
    memset(&w, 0, sizeof(w));
    if (set_up()) {
        after();
        settle(OK);
        answer_configurations();
        for (unsigned round = 0; round < 6; round++) {
            w.send_err = round == 3 ? ERR_UNREACHABLE : round == 4 ? ERR_SYSTEM : OK;
            a_busy_minute(round);
            what_else_there_is(round);
            who_goes_before_whom(round);
            pass(w.send_err ? 3000 : 30000);
        }
        w.send_err = OK;
        allocations_left = -1; /* there is memory again */
        struct message m = message_of("RST #1");
        datagram(0, 0, &m);
        for (unsigned i = 0; i < 24; i++) {
            pass(150000);
            answer_configurations();
            answer_submits();
            answer_questions();
        }
        /* All is over, whatever went wrong. */
        struct engine_totals t;
        engine_totals_get(w.e, &t);
        assert_int_equal(t.queued_messages, 0);
        assert_int_equal(t.queued_bytes, 0);
        assert_int_equal(t.spooled_messages, 0);
        assert_int_equal(w.later, 0);
        for (unsigned seq = 0; seq < SEQS; seq++)
            assert_true(w.accepted[seq] <= w.final[seq]);
        struct engine_group_info g;
        assert_true(engine_group_info_get(w.e, 0, &g));
        if (!refused)
            assert_int_equal(g.learned, 1); /* the day has everything in it */
    }
    engine_free(w.e);
}

static void sweep(bool short_for_long)
{
    for (long n = 0;; n += n < 1500 ? 1 : 5) { /* by then it has seen every kind of place */
        assert_true(n < 20000);
        allocations_left = n;
        stays_short = short_for_long;
        refused = false;
        run();
        allocations_left = -1;
        if (!refused) {
            print_message("%ld allocations\n", n);
            assert_true(n > 50);
            return;
        }
    }
}

static void one_allocation_fails(void **state)
{
    (void)state;
    sweep(false);
}

static void memory_is_short_for_minutes(void **state)
{
    (void)state;
    sweep(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_allocation_fails),
        cmocka_unit_test(memory_is_short_for_minutes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
