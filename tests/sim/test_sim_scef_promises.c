/* Promises of the SCEF model, against whatever happens in whatever order: each POST is answered once; each delivery
 * that was answered 201 ends by one notification, unless it was cancelled, lost by a restart, or went with its
 * configuration (TS 29.122 clause 4.4.5.3); each trigger that was not recalled ends once; what observers are told of a
 * UE takes turns. A failure names its seed. */
#include <stdlib.h>

#include "tests/sim/scef_harness.h"

#include "base/prng.h"

#define UES        12
#define STEPS      3000
#define DELIVERIES (2 * STEPS)

enum fate { NONE, OPEN, ENDED, DROPPED };

static struct run {
    struct scef_model *model;
    uint64_t now_ms;
    struct prng prng;
    uint8_t answered[STEPS + 1];           /* by request */
    uint8_t fates[DELIVERIES];             /* by number of the delivery */
    unsigned configuration_of[DELIVERIES]; /* its number */
    uint64_t results[64];                  /* notifications to be answered */
    unsigned result_count;
    unsigned ended;
    bool awake[UES], connected[UES], covered[UES]; /* as the observer was told */
    uint8_t triggers[STEPS + 1];                   /* by request */
    uint64_t last_trigger, last_trigger_ref;
} r;

static unsigned below(unsigned n)
{
    return (unsigned)prng_below(&r.prng, n);
}

/* "/3gpp-nidd/v1/as1/configurations/c3/downlink-data-deliveries/d12" */
static unsigned number_in(struct bytes link, const char *before)
{
    char text[160];
    text_copy(text, sizeof text, link);
    const char *at = strstr(text, before);
    assert_non_null(at);
    return (unsigned)strtoul(at + strlen(before), NULL, 10);
}

static unsigned delivery_number(struct bytes link)
{
    unsigned n = number_in(link, "downlink-data-deliveries/d");
    assert_true(n > 0 && n < DELIVERIES);
    return n;
}

static void port_deliver(void *ctx, uint32_t ue, struct bytes data, struct t8_rds_port port)
{
    (void)ctx, (void)data, (void)port;
    assert_true(ue < UES);
}

static void port_answer(void *ctx, uint64_t ref, const struct scef_answer *a, const struct nidd_downlink *d)
{
    (void)ctx;
    assert_true(ref <= STEPS);
    assert_int_equal(r.answered[ref]++, 0);
    if (a->http_status != 201)
        return;
    unsigned n = delivery_number(d->self);
    assert_int_equal(r.fates[n], NONE);
    r.fates[n] = OPEN;
    r.configuration_of[n] = number_in(d->self, "configurations/c");
}

static void delivery_told(struct bytes link)
{
    unsigned n = delivery_number(link);
    assert_int_equal(r.fates[n], OPEN);
    r.fates[n] = ENDED;
    r.ended++;
}

static void port_notify(void *ctx, uint64_t ref, const struct scef_notification *n)
{
    struct nidd_notification told;
    struct t8_problem problem;
    (void)ctx;
    assert_int_equal(nidd_notification_decode(n->body, &told, &problem), OK);
    if (n->attempt == 1 && told.kind == NIDD_NOTIFICATION_DELIVERY_STATUS)
        delivery_told(told.delivery_status.nidd_downlink_data_transfer);
    if (n->attempt == 1 && told.kind == NIDD_NOTIFICATION_GROUP_RESULT)
        delivery_told(told.group_result.nidd_downlink_data_transfer);
    nidd_notification_release(&told);
    if (r.result_count < 64)
        r.results[r.result_count++] = ref; /* of others there is no answer */
}

static void takes_turns(bool *is, bool becomes)
{
    assert_int_not_equal(*is, becomes);
    *is = becomes;
}

static void on_event(void *ctx, const struct scef_ue_event *e)
{
    struct scef_ue_state ue;
    (void)ctx;
    assert_int_equal(e->now_ms, r.now_ms);
    assert_true(scef_ue_state(r.model, e->now_ms, e->ue, &ue));
    switch (e->what) {
    case SCEF_UE_AWAKE:
        assert_true(ue.awake);
        takes_turns(&r.awake[e->ue], true);
        break;
    case SCEF_UE_ASLEEP:
        assert_false(ue.awake);
        takes_turns(&r.awake[e->ue], false);
        break;
    case SCEF_UE_DDN_FAILURE:
        assert_false(ue.reachable);
        break;
    case SCEF_UE_PDN_CREATED:
        takes_turns(&r.connected[e->ue], true);
        break;
    case SCEF_UE_PDN_RELEASED:
        takes_turns(&r.connected[e->ue], false);
        break;
    case SCEF_UE_COVERAGE_LOST:
        takes_turns(&r.covered[e->ue], false);
        break;
    case SCEF_UE_COVERAGE_FOUND:
        takes_turns(&r.covered[e->ue], true);
        break;
    default:
        break;
    }
}

static void on_trigger_done(void *ctx, uint64_t ref, uint64_t now_ms, bool reached)
{
    (void)ctx, (void)reached;
    assert_int_equal(now_ms, r.now_ms);
    assert_int_equal(r.triggers[ref], OPEN);
    r.triggers[ref] = ENDED;
}

static void drop(unsigned configuration) /* 0: all */
{
    for (unsigned n = 1; n < DELIVERIES; n++)
        if (r.fates[n] == OPEN && (configuration == 0 || r.configuration_of[n] == configuration))
            r.fates[n] = DROPPED;
}

/* ---- what can happen */

static const char *const servers[] = {"as1", "as2"};
static const char *const groups[] = {"g1@x", "g2@x"};

static struct t8_identity user(char text[16], unsigned ue)
{
    snprintf(text, 16, "ue%u@x", ue);
    return (struct t8_identity){.external_id = bytes_of_str(text)};
}

static struct t8_identity anybody(char text[16])
{
    if (below(5) == 0)
        return (struct t8_identity){.external_group_id = bytes_of_str(groups[below(2)])};
    return user(text, below(UES));
}

static struct nidd_downlink any_downlink(char text[16])
{
    static const uint8_t data[40];
    return (struct nidd_downlink){
        .id = anybody(text),
        .data = bytes_of(data, below(40)),
        .reliable_data_service = below(3) == 0 ? T8_FLAG_TRUE : T8_FLAG_UNSET,
        .rds_port = {below(4) == 0, (uint16_t)below(3), (uint16_t)below(3)},
        .has_maximum_latency = true,
        .maximum_latency_s = below(3) == 0 ? 0 : below(600),
        .has_priority = below(2) == 0,
        .priority = (int32_t)below(5),
        .pdn_option = (enum t8_pdn_option)below(4),
    };
}

/* One of the AS's, or now and then none; and whom it is for, good until the next input. */
static struct bytes any_configuration(struct bytes as, char text[16], struct t8_identity *id)
{
    struct nidd_configuration c;
    uint64_t cursor = 0;
    unsigned count = 0, number = 999;
    while (below(20) > 0 && scef_configuration_next(r.model, r.now_ms, as, &cursor, &c))
        if (below(++count) == 0) {
            number = number_in(c.self, "configurations/c");
            *id = c.id;
        }
    snprintf(text, 16, "c%u", number);
    return bytes_of_str(text);
}

static void configuration_happens(void)
{
    char id[16];
    struct t8_rds_port ports[] = {{true, 1, 1}, {true, 1, 2}};
    struct nidd_downlink with = any_downlink(id);
    with.id = anybody(id);
    struct nidd_configuration out, c = {.id = with.id,
                                        .notification_destination = BYTES_LIT("http://as/"),
                                        .has_supported_features = true,
                                        .supported_features = below(4) == 0 ? below(256) : 0xff,
                                        .rds_ports = ports,
                                        .rds_ports_count = below(3),
                                        .request_test_notification = T8_FLAG_TRUE,
                                        .downlinks = &with,
                                        .downlinks_count = with.id.external_id.len > 0 && below(3) == 0};
    struct bytes as = bytes_of_str(servers[below(2)]);
    if (scef_configuration_create(r.model, r.now_ms, as, &c, &out).http_status != 201)
        return;
    unsigned number = number_in(out.self, "configurations/c");
    if (c.downlinks_count > 0) {
        unsigned n = delivery_number(out.downlinks[out.downlinks_count - 1].self);
        assert_int_equal(r.fates[n], NONE);
        r.fates[n] = OPEN;
        r.configuration_of[n] = number;
    }
}

static void configuration_ends(void)
{
    char name[16];
    struct t8_identity whom;
    struct bytes as = bytes_of_str(servers[below(2)]), id = any_configuration(as, name, &whom);
    bool gone = below(2) == 0 ? scef_configuration_terminate(r.model, r.now_ms, as, id)
                              : scef_configuration_delete(r.model, r.now_ms, as, id).http_status == 204;
    if (gone)
        drop((unsigned)strtoul(name + 1, NULL, 10));
}

static void delivery_changes(void)
{
    char name[16], id[16], delivery[16];
    unsigned number = 1 + below(STEPS);
    for (unsigned n = 1; n < DELIVERIES && below(10) > 0; n++)
        if (r.fates[n] == OPEN && below(3) == 0)
            number = n;
    snprintf(delivery, sizeof delivery, "d%u", number);
    struct nidd_downlink out, wanted = any_downlink(id);
    struct bytes as = bytes_of_str(servers[below(2)]), c = any_configuration(as, name, &wanted.id),
                 d = bytes_of_str(delivery);
    struct nidd_downlink_patch p = {.priority = {true, (int32_t)below(9)}, .maximum_latency_s = {true, below(600)}};
    if (r.fates[number] == OPEN) { /* aim better */
        snprintf(name, sizeof name, "c%u", r.configuration_of[number]);
        c = bytes_of_str(name);
    }
    (void)scef_delivery_replace(r.model, r.now_ms, as, c, d, &wanted, &out);
    (void)scef_delivery_patch(r.model, r.now_ms, as, c, d, &p, &out);
    if (below(3) == 0 && scef_delivery_cancel(r.model, r.now_ms, as, c, d).http_status == 204)
        r.fates[number] = DROPPED;
}

static void ports_happen(void)
{
    char name[16];
    struct t8_identity whom;
    struct bytes as = bytes_of_str(servers[below(2)]), c = any_configuration(as, name, &whom);
    struct t8_rds_port port = {true, (uint16_t)below(3), (uint16_t)below(3)};
    struct nidd_managed_port out,
        wanted = {.app_id = BYTES_LIT("app"), .skip_ue_inquiry = below(2) == 0 ? T8_FLAG_TRUE : T8_FLAG_FALSE};
    if (below(3) == 0)
        (void)scef_port_delete(r.model, r.now_ms, as, c, port);
    else if (below(2) == 0)
        (void)scef_port_put(r.model, r.now_ms, as, c, port, &wanted, &out);
    else
        (void)scef_ue_port(r.model, r.now_ms, below(UES), as, port, below(2) == 0 ? "app" : NULL, 0);
}

static void ue_happens(void)
{
    uint32_t ue = below(UES);
    switch (below(8)) {
    case 0:
        scef_ue_set_pdn_connected(r.model, r.now_ms, ue, below(3) > 0);
        break;
    case 1:
        scef_ue_set_covered(r.model, r.now_ms, ue, below(3) > 0);
        break;
    case 2:
        scef_ue_set_rds(r.model, r.now_ms, ue, below(2) == 0);
        break;
    case 3:
        scef_ue_set_authorised(r.model, r.now_ms, ue, below(4) > 0);
        break;
    default:
        scef_uplink_rds(r.model, r.now_ms, ue, BYTES_LIT("up"),
                        (struct t8_rds_port){below(2) == 0, (uint16_t)below(3), (uint16_t)below(3)}, below(2) == 0);
        break;
    }
}

static void trigger_happens(uint64_t ref)
{
    struct scef_trigger t = {
        .payload = BYTES_LIT("wake"), .validity_s = below(200), .done = on_trigger_done, .ref = ref};
    if (below(3) == 0) {
        if (scef_ue_trigger_recall(r.model, r.last_trigger)) {
            assert_int_equal(r.triggers[r.last_trigger_ref], OPEN);
            r.triggers[r.last_trigger_ref] = DROPPED;
        }
        return;
    }
    r.triggers[ref] = OPEN;
    r.last_trigger_ref = ref;
    assert_int_equal(scef_ue_trigger(r.model, r.now_ms, below(UES), &t, &r.last_trigger), OK);
    assert_int_equal(r.triggers[ref], OPEN); /* never at once */
}

static void results_happen(void)
{
    while (r.result_count > 0)
        scef_notification_result(r.model, r.now_ms, r.results[--r.result_count], below(4) == 0 ? 503 : 204);
}

static void step(uint64_t ref)
{
    char name[16], id[16];
    unsigned what = below(21);
    if (what < 10) {
        struct nidd_downlink d = any_downlink(id);
        struct bytes as = bytes_of_str(servers[below(2)]), c = any_configuration(as, name, &d.id);
        scef_downlink(r.model, r.now_ms, ref, as, c, &d);
    } else if (what < 13) {
        ue_happens();
    } else if (what < 16) {
        configuration_happens();
    } else if (what < 18) {
        delivery_changes();
    } else if (what == 18) {
        ports_happen();
    } else if (what == 19) {
        trigger_happens(ref);
    } else if (below(10) == 0) {
        drop(0);
        scef_restart(r.model, r.now_ms, below(3) == 0);
    } else if (below(5) == 0) {
        configuration_ends();
    }
    if (what >= 10)
        r.answered[ref] = 1; /* no POST */
    results_happen();
}

static void run_until(uint64_t until_ms)
{
    for (uint64_t next; (next = scef_next_wake(r.model)) <= until_ms;) {
        r.now_ms = next > r.now_ms ? next : r.now_ms;
        scef_wake(r.model, r.now_ms);
        results_happen();
    }
    r.now_ms = until_ms;
}

static void begin(uint64_t seed)
{
    struct scef_options o;
    struct scef_ports ports = {.ue_deliver = port_deliver, .downlink_answer = port_answer, .notify = port_notify};
    memset(&r, 0, sizeof r);
    prng_seed(&r.prng, seed);
    scef_options_default(&o);
    o.seed = seed;
    o.buffer_messages = below(6);
    o.remember_s = below(2) * 100;
    o.rds_timeout_ms = 1000;
    r.now_ms = 1000000;
    assert_int_equal(scef_model_new(&o, &ports, r.now_ms, &r.model), OK);
    for (unsigned i = 0; i < UES; i++) {
        char id[16];
        struct scef_subscriber s = {
            .external_id = (user(id, i), id),
            .ue = {.psm = i % 3 > 0, .active_time_ms = 5000, .tau_period_ms = i % 4 * 100000, .pdn_connected = true},
            .radio = {.loss = 0.2, .duplicate = 0.1, .delay_min_ms = 50, .delay_max_ms = 2000},
            .groups = &groups[i % 2],
            .groups_count = i % 5 > 0,
            .rds = i % 2 > 0,
            .apn_rate = {i % 4 == 1 ? 5 : 0, 60},
            .quota = {i % 4 == 2 ? 500 : 0, 300},
        };
        assert_int_equal(scef_subscriber_add(r.model, &s), OK);
        r.awake[i] = !s.ue.psm;
        r.connected[i] = r.covered[i] = true;
    }
    assert_int_equal(scef_observe(r.model, on_event, NULL), OK);
}

static void promises_hold(uint64_t seed)
{
    begin(seed);
    for (uint64_t ref = 1; ref <= STEPS; ref++) {
        run_until(r.now_ms + below(10000));
        step(ref);
    }
    run_until(r.now_ms + 3600000);
    for (unsigned i = 1; i <= STEPS; i++) {
        assert_int_equal(r.answered[i], 1);
        assert_int_not_equal(r.triggers[i], OPEN);
    }
    for (unsigned n = 1; n < DELIVERIES; n++)
        assert_int_not_equal(r.fates[n], OPEN);
    assert_int_equal(scef_totals_of(r.model)->buffered, 0);
    assert_true(r.ended > 100); /* it was about something */
    scef_model_free(r.model);
}

static void promises(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        promises_hold(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(promises)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
