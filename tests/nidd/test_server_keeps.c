/* Requests that their server keeps (LwM2M queue mode): what the device is not there for is given back at once. */
#include "tests/nidd/harness.h"

#define READ "CON 0.01 #50 tok 11=3"
#define DOWN "CON 0.01 #* tok 11=3"

static void by_server(struct engine_options *o)
{
    o->downlink.buffer = ENGINE_BUFFER_SERVER;
}

static const struct rig_setup setup = {.tune = by_server};

/* It is told to be asleep for two hours. */
static struct rig *asleep(void)
{
    struct rig *r = rig_new(setup);
    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    unsigned s = expect_submitted(r, 0, DOWN);
    assert_int_equal(submission_latency_s(r, s), 0);
    submit_result(r, s,
                  (struct nidd_submit_result){.outcome = NIDD_SUBMIT_REFUSED,
                                              .http_status = 500,
                                              .cause = T8_CAUSE_TEMPORARILY_NOT_REACHABLE,
                                              .requested_retransmission_ms = rig_now(r) + 20 * MINUTES});
    uint16_t leg = expect_at_server(r, 0, 0, "CON 5.03 #* tok 14=0x04b1 |device not reachable");
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_final(r, last_accepted(r), FINAL_EXPIRED, "device not reachable");
    return r;
}

static void found_asleep(void **state)
{
    (void)state;
    struct rig *r = asleep();
    advance(r, 10 * MINUTES);
    expect_no_submission(r);
    rig_end(r);
}

static void refused_at_once(void **state)
{
    (void)state;
    struct rig *r = asleep();
    server_sends(r, 0, 0, "CON 0.01 #51 tk2 11=3");
    expect_at_server(r, 0, 0, "ACK 5.03 #51 tk2 14=0x04b1 |device not reachable");
    server_sends(r, 0, 0, "CON 0.01 #51 tk2 11=3"); /* repeated: the same */
    expect_at_server(r, 0, 0, "ACK 5.03 #51 tk2 14=0x04b1 |device not reachable");
    server_sends(r, 0, 0, "NON 0.01 #52 tk3 11=3");
    expect_at_server(r, 0, 0, "NON 5.03 #* tk3 14=0x04b1 |device not reachable");
    expect_no_submission(r);
    assert_int_equal(totals(r).queued_messages, 0);
    rig_end(r);
}

/* It speaks: its server's next try goes as any other. */
static void awake_again(void **state)
{
    (void)state;
    struct rig *r = asleep();
    device_sends(r, 0, "NON #9");
    server_sends(r, 0, 0, "CON 0.01 #53 tk4 11=3");
    expect_at_server(r, 0, 0, "ACK #53");
    uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* tk4 11=3");
    device_sends(r, 0, "ACK 2.05 #%u tk4 |x", mid);
    uint16_t leg = expect_at_server(r, 0, 0, "CON 2.05 #* tk4 |x");
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_final(r, last_accepted(r), FINAL_ANSWERED, "");
    rig_end(r);
}

/* What may have been carried out is not for the server to send again: 5.04. */
static void sent_and_not_answered(void **state)
{
    (void)state;
    struct rig *r = rig_new(setup);
    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    for (unsigned i = 0; i < 5; i++) {
        submit_delivered(r, expect_submitted(r, 0, DOWN));
        advance_to_activity(r, 10 * MINUTES);
    }
    uint16_t leg = expect_at_server(r, 0, 0, "CON 5.04 #* tok |sent, not answered");
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_final(r, last_accepted(r), FINAL_EXPIRED, "sent, not answered");
    rig_end(r);
}

/* Several wait in line when the first one finds nobody. */
static void all_that_wait(void **state)
{
    (void)state;
    struct rig *r = rig_new(setup);
    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    unsigned s = expect_submitted(r, 0, DOWN);
    server_sends(r, 0, 0, "CON 0.01 #51 tk2 11=3");
    expect_at_server(r, 0, 0, "ACK #51");
    submit_refused(r, s, 429, T8_CAUSE_NONE);
    uint16_t leg = expect_at_server(r, 0, 0, "CON 5.03 #* tok 14== |device not reachable");
    server_sends(r, 0, 0, "ACK #%u", leg);
    leg = expect_at_server(r, 0, 0, "CON 5.03 #* tk2 14== |device not reachable");
    server_sends(r, 0, 0, "ACK #%u", leg);
    rig_end(r);
}

/* The other servers' requests do not mind. */
static void policies(struct engine *e)
{
    struct engine_policy by_scef = {.lifetime_ms = HOURS, .buffer = ENGINE_BUFFER_SCEF};
    struct engine_policy otherwise = {.lifetime_ms = HOURS, .buffer = ENGINE_BUFFER_SERVER};
    const struct engine_downlink entry = {.server = 1, .policy = by_scef};
    assert_int_equal(engine_downlinks_replace(e, &otherwise, &entry, 1), OK);
}

static void beside_one_that_the_scef_keeps(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.servers = 2, .routes = policies, .deliveries = true});
    server_sends(r, 0, 1, READ);
    expect_at_server(r, 0, 1, "ACK #50");
    unsigned s = expect_submitted(r, 0, DOWN);
    assert_int_equal(submission_latency_s(r, s), 3600);
    submit_pending(r, s, "d1");
    server_sends(r, 0, 0, "CON 0.01 #51 tk2 11=3"); /* nobody knows it to be there */
    expect_at_server(r, 0, 0, "ACK 5.03 #51 tk2 14== |device not reachable");
    delivery_status(r, 0, "d1", T8_DELIVERY_SUCCESS);
    server_sends(r, 0, 0, "CON 0.01 #52 tk3 11=3");
    expect_at_server(r, 0, 0, "ACK #52");
    device_sends(r, 0, "ACK 2.05 #%u tok", submission_mid(r, s));
    uint16_t leg = expect_at_server(r, 0, 1, "CON 2.05 #* tok");
    server_sends(r, 0, 1, "ACK #%u", leg);
    uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* tk3 11=3");
    device_sends(r, 0, "ACK 2.05 #%u tk3", mid);
    leg = expect_at_server(r, 0, 0, "CON 2.05 #* tk3");
    server_sends(r, 0, 0, "ACK #%u", leg);
    rig_end(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found_asleep),  cmocka_unit_test(refused_at_once),
        cmocka_unit_test(awake_again),   cmocka_unit_test(sent_and_not_answered),
        cmocka_unit_test(all_that_wait), cmocka_unit_test(beside_one_that_the_scef_keeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
