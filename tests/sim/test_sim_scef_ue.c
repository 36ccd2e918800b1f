/* UEs of the SCEF model: observers, device triggers, coverage, roaming, and the question for a configuration. */
#include "tests/sim/scef_harness.h"

static struct scef_test t;
static char seen[512];        /* by the observer */
static struct scef_plmn plmn; /* of the last event that had one */
static struct scef_failure failure;
static char done[128]; /* of triggers: "1:reached 2:not " */

static void on_event(void *ctx, const struct scef_ue_event *e)
{
    static const char *const names[] = {"awake", "asleep", "ddn",  "created", "released",
                                        "lost",  "found",  "plmn", "failed"};
    assert_ptr_equal(ctx, &t);
    size_t len = strlen(seen);
    snprintf(seen + len, sizeof seen - len, "%u:%s ", e->ue, names[e->what]);
    assert_int_equal(e->plmn != NULL, e->what == SCEF_UE_PLMN_CHANGED);
    if (e->plmn != NULL)
        plmn = *e->plmn;
    if (e->failure != NULL)
        failure = *e->failure;
}

static void on_done(void *ctx, uint64_t ref, uint64_t now_ms, bool reached)
{
    assert_ptr_equal(ctx, &t);
    assert_true(now_ms >= 1000000);
    size_t len = strlen(done);
    snprintf(done + len, sizeof done - len, "%u:%s ", (unsigned)ref, reached ? "reached" : "not");
}

static int set_up(void **state)
{
    (void)state;
    memset(&t, 0, sizeof t);
    seen[0] = done[0] = 0;
    scef_options_default(&t.options);
    scef_test_new(&t);
    scef_test_subscribers(&t);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scef_model_free(t.model);
    return 0;
}

static void observe(void)
{
    assert_int_equal(scef_observe(t.model, on_event, &t), OK);
}

static void assert_seen(const char *events)
{
    assert_string_equal(seen, events);
    seen[0] = 0;
}

static void wakes_and_sleeps(void **state)
{
    (void)state;
    struct nidd_configuration c;
    scef_test_uplink(&t, "up"); /* UE 0 is awake for five seconds */
    observe();
    assert_seen("");
    scef_test_run(&t, t.now_ms + 4999);
    assert_seen("");
    scef_test_run(&t, t.now_ms + 1);
    assert_seen("0:asleep ");
    scef_test_features(&t, 0, &c);
    scef_test_post(&t, 1, "c1", "x", 0);
    assert_answered(&t, 1, 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    assert_seen("0:ddn ");
    scef_ue_wake(t.model, t.now_ms, 0);
    assert_seen("0:awake ");
    scef_test_run(&t, t.now_ms + 3000);
    scef_ue_wake(t.model, t.now_ms, 0); /* still awake, and longer so */
    scef_test_run(&t, t.now_ms + 4000);
    assert_seen("");
    t.now_ms += 100000; /* nobody ran the clock meanwhile */
    scef_ue_wake(t.model, t.now_ms, 0);
    assert_seen("0:asleep 0:awake ");
}

static void connections(void **state)
{
    (void)state;
    observe();
    scef_ue_set_pdn_connected(t.model, t.now_ms, 0, false);
    scef_ue_set_pdn_connected(t.model, t.now_ms, 0, false);
    assert_seen("0:released ");
    scef_ue_set_pdn_connected(t.model, t.now_ms, 0, true);
    assert_seen("0:created 0:awake ");
    scef_ue_set_pdn_connected(t.model, t.now_ms, 1, false);
    scef_uplink(t.model, t.now_ms, 1, BYTES_LIT("up")); /* which makes one */
    scef_test_run(&t, t.now_ms + 100);
    assert_seen("1:released 1:created ");
    scef_ue_set_pdn_connected(t.model, t.now_ms, 99, true);
    assert_seen("");
}

static void coverage(void **state)
{
    (void)state;
    struct nidd_configuration c;
    struct scef_ue_state ue;
    observe();
    scef_test_features(&t, 0, &c);
    scef_ue_wake(t.model, t.now_ms, 0);
    scef_ue_set_covered(t.model, t.now_ms, 0, false);
    assert_seen("0:awake 0:lost 0:asleep ");
    scef_ue_set_covered(t.model, t.now_ms, 0, false);
    assert_seen("");
    assert_true(scef_ue_state(t.model, t.now_ms, 0, &ue));
    assert_false(ue.covered || ue.awake || ue.reachable);
    assert_true(ue.pdn_connected);
    scef_uplink(t.model, t.now_ms, 0, BYTES_LIT("nobody hears it"));
    scef_test_run(&t, t.now_ms + 1000);
    assert_nas(&t, "mo sent mo lost ");
    assert_int_equal(scef_counters_of(t.model, 0)->mo_lost, 1);
    scef_test_post(&t, 1, "c1", "waits", 600);
    assert_answered(&t, 1, 201, T8_CAUSE_NONE);
    assert_seen("0:ddn ");
    scef_ue_wake(t.model, t.now_ms, 0); /* in vain */
    scef_test_run(&t, t.now_ms + 1000);
    assert_int_equal(t.delivered, 0);
    scef_ue_set_covered(t.model, t.now_ms, 0, true);
    assert_seen("0:found 0:awake ");
    scef_test_run(&t, t.now_ms + 100);
    assert_string_equal(t.delivered_data, "waits");
}

static void lost_on_the_way(void **state)
{
    (void)state;
    struct nidd_configuration c;
    scef_test_features(&t, 0, &c);
    scef_test_uplink(&t, "up");
    t.nas[0] = 0;
    scef_test_post(&t, 1, "c1", "x", 0);
    scef_ue_set_covered(t.model, t.now_ms, 0, false);
    scef_test_run(&t, t.now_ms + 100);
    assert_answered(&t, 1, 200, T8_CAUSE_NONE); /* the network does not know */
    assert_int_equal(t.delivered, 0);
    assert_nas(&t, "mt sent mt lost ");
}

static void tau_out_of_coverage(void **state)
{
    (void)state;
    struct scef_subscriber s = {
        .external_id = "tau@x",
        .ue = {.psm = true, .active_time_ms = 5000, .tau_period_ms = 60000, .pdn_connected = true}};
    assert_int_equal(scef_subscriber_add(t.model, &s), OK);
    observe();
    scef_ue_set_covered(t.model, t.now_ms, 2, false);
    scef_test_run(&t, t.now_ms + 200000); /* three of them */
    assert_seen("2:lost ");
    scef_ue_set_covered(t.model, t.now_ms, 2, true);
    scef_test_run(&t, t.now_ms + 60000);
    assert_seen("2:found 2:awake 2:asleep 2:awake ");
}

static void roaming_and_failures(void **state)
{
    (void)state;
    struct scef_ue_state ue;
    struct scef_subscriber s = {.external_id = "r@x", .home_plmn = {"262", "01"}};
    assert_int_equal(scef_subscriber_add(t.model, &s), OK);
    observe();
    assert_true(scef_ue_state(t.model, t.now_ms, 2, &ue));
    assert_false(ue.roaming);
    scef_ue_roam(t.model, t.now_ms, 2, &(struct scef_plmn){"208", "10"});
    assert_seen("2:plmn ");
    assert_string_equal(plmn.mcc, "208");
    assert_true(scef_ue_state(t.model, t.now_ms, 2, &ue));
    assert_true(ue.roaming);
    assert_string_equal(ue.plmn.mnc, "10");
    scef_ue_fail(t.model, t.now_ms, 2, &(struct scef_failure){.s1ap_cause = 21, .nas_cause = -1});
    assert_seen("2:failed ");
    assert_int_equal(failure.s1ap_cause, 21);
    assert_false(scef_ue_state(t.model, t.now_ms, 99, &ue));
}

/* ---- triggers */

static uint64_t trigger(uint32_t ue, uint64_t ref, uint32_t validity_s)
{
    uint64_t out = 0;
    struct scef_trigger asked = {.application_port = 5683,
                                 .payload = BYTES_LIT("wake"),
                                 .validity_s = validity_s,
                                 .done = on_done,
                                 .ctx = &t,
                                 .ref = ref};
    assert_int_equal(scef_ue_trigger(t.model, t.now_ms, ue, &asked, &out), OK);
    return out;
}

static void assert_done(const char *ends)
{
    assert_string_equal(done, ends);
    done[0] = 0;
}

static void trigger_makes_a_connection(void **state)
{
    (void)state;
    struct scef_ue_state ue;
    scef_ue_set_pdn_connected(t.model, t.now_ms, 1, false);
    observe();
    trigger(1, 1, 60);
    assert_done("");
    scef_test_run(&t, t.now_ms + 99);
    assert_done("");
    scef_test_run(&t, t.now_ms + 1);
    assert_done("1:reached ");
    assert_int_equal(t.triggered_port, 5683);
    assert_string_equal(t.triggered_data, "wake");
    assert_true(scef_ue_state(t.model, t.now_ms, 1, &ue));
    assert_true(ue.pdn_connected);
    assert_seen("1:created ");
    assert_int_equal(scef_counters_of(t.model, 1)->triggers, 1);
}

static void trigger_waits_for_the_ue(void **state)
{
    (void)state;
    trigger(0, 1, 60);
    trigger(0, 2, 10); /* too short */
    trigger(0, 3, 0);  /* one attempt */
    scef_test_run(&t, t.now_ms);
    assert_done("3:not ");
    scef_test_run(&t, t.now_ms + 10000);
    assert_done("2:not ");
    scef_test_run(&t, t.now_ms + 20000);
    scef_ue_wake(t.model, t.now_ms, 0);
    scef_test_run(&t, t.now_ms + 100);
    assert_done("1:reached ");
    assert_true(scef_ue_awake(t.model, 0, t.now_ms + 4999));
    scef_test_run(&t, t.now_ms + 1000000);
    assert_int_equal(t.triggered, 1);
    trigger(1, 4, 0);
    scef_test_run(&t, t.now_ms + 100);
    assert_done("4:reached ");
}

static void trigger_is_recalled(void **state)
{
    (void)state;
    uint64_t out, waiting = trigger(0, 1, 60), flying = trigger(1, 2, 60);
    assert_true(scef_ue_trigger_recall(t.model, waiting));
    assert_false(scef_ue_trigger_recall(t.model, waiting));
    assert_false(scef_ue_trigger_recall(t.model, flying)); /* on the radio */
    scef_test_run(&t, t.now_ms + 100000);
    assert_done("2:reached ");
    assert_int_equal(scef_ue_trigger(t.model, t.now_ms, 99, &(struct scef_trigger){0}, &out), ERR_UNKNOWN_DEVICE);
    trigger(0, 3, 600); /* is freed with the model */
}

static void trigger_on_a_bad_radio(void **state)
{
    (void)state;
    struct scef_subscriber s = {.external_id = "bad@x", .radio = {.loss = 1}};
    assert_int_equal(scef_subscriber_add(t.model, &s), OK);
    trigger(2, 1, 25);
    trigger(2, 2, 0);
    scef_test_run(&t, t.now_ms + 24999); /* sent at 0, 10 and 20 s */
    assert_done("2:not ");
    scef_test_run(&t, t.now_ms + 1);
    assert_done("1:not ");
    assert_int_equal(t.triggered, 0);
    s = (struct scef_subscriber){.external_id = "half@x", .radio = {.loss = 0.5}};
    assert_int_equal(scef_subscriber_add(t.model, &s), OK);
    trigger(3, 3, 3600);
    scef_test_run(&t, t.now_ms + 600000);
    assert_done("3:reached "); /* once */
}

static void a_restart_keeps_triggers(void **state)
{
    (void)state;
    trigger(0, 1, 60);
    scef_restart(t.model, t.now_ms, true);
    scef_ue_wake(t.model, t.now_ms, 0);
    scef_test_run(&t, t.now_ms + 100);
    assert_done("1:reached ");
}

/* ---- NIDD configuration trigger */

static void asks_for_a_configuration(void **state)
{
    (void)state;
    struct nidd_configuration c;
    assert_int_equal(scef_as_add(t.model, &(struct scef_as){"as1", "http://as1/ask"}), OK);
    assert_int_equal(scef_as_add(t.model, &(struct scef_as){"as2", NULL}), OK);
    scef_ue_set_pdn_connected(t.model, t.now_ms, 0, false);
    scef_ue_set_pdn_connected(t.model, t.now_ms, 0, true);
    assert_log(&t, "trigger ");
    assert_string_equal(t.notify_destination, "http://as1/ask");
    assert_string_equal(t.notify_external_id, "dev1@x");
    assert_string_equal(t.notify_link, "as1"); /* afId */
    assert_int_equal(t.notify_kind, SCEF_NOTIFY_CONFIGURATION_TRIGGER);
    scef_notification_result(t.model, t.now_ms, t.notify_ref, 204); /* no answer to this question */
    assert_int_equal(scef_totals_of(t.model)->given_up, 1);
    assert_int_equal(scef_configuration_trigger(t.model, t.now_ms, 1), 1);
    assert_string_equal(t.notify_msisdn, "492");
    scef_notification_result(t.model, t.now_ms, t.notify_ref, 200);
    assert_int_equal(scef_totals_of(t.model)->notified, 1);
    scef_test_features(&t, 0, &c);
    assert_int_equal(scef_configuration_trigger(t.model, t.now_ms, 0), 0); /* it has one */
    assert_int_equal(scef_configuration_trigger(t.model, t.now_ms, 99), 0);
}

static void rds_capability(void **state)
{
    (void)state;
    struct nidd_configuration c;
    scef_test_features(&t, 0, &c);
    scef_ue_set_rds(t.model, t.now_ms, 0, true);
    assert_log(&t, "configuration:ACTIVE ");
    assert_int_equal(t.notify_rds, T8_FLAG_TRUE);
    scef_ue_set_rds(t.model, t.now_ms, 0, true);
    assert_log(&t, "");
    scef_ue_set_rds(t.model, t.now_ms, 0, false);
    assert_log(&t, "configuration:ACTIVE ");
    assert_int_equal(t.notify_rds, T8_FLAG_FALSE);
}

int main(void)
{
#define MODEL_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        MODEL_TEST(wakes_and_sleeps),
        MODEL_TEST(connections),
        MODEL_TEST(coverage),
        MODEL_TEST(lost_on_the_way),
        MODEL_TEST(tau_out_of_coverage),
        MODEL_TEST(roaming_and_failures),
        MODEL_TEST(trigger_makes_a_connection),
        MODEL_TEST(trigger_waits_for_the_ue),
        MODEL_TEST(trigger_is_recalled),
        MODEL_TEST(trigger_on_a_bad_radio),
        MODEL_TEST(a_restart_keeps_triggers),
        MODEL_TEST(asks_for_a_configuration),
        MODEL_TEST(rds_capability),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
