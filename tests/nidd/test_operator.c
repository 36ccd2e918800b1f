/* What an operator sees of queues, and may do with them. */
#include <stdio.h>

#include "tests/nidd/harness_internal.h"

#define DEV0 BYTES_LIT("dev0@example.com")

static void seldom(struct engine_options *o)
{
    o->retry_min_ms = o->retry_max_ms = 1 * HOURS;
}

static enum error cancel(struct rig *r, struct bytes id, uint64_t seq)
{
    rig_begin_input(r);
    enum error err = engine_message_cancel(rig_engine(r), rig_now(r), id, seq);
    rig_end_input(r);
    return err;
}

static unsigned purge(struct rig *r, struct bytes id, uint32_t max)
{
    rig_begin_input(r);
    unsigned n = engine_queue_purge(rig_engine(r), rig_now(r), id, max);
    rig_end_input(r);
    return n;
}

static enum error replay(struct rig *r, struct bytes id, uint64_t seq)
{
    rig_begin_input(r);
    enum error err = engine_message_replay(rig_engine(r), rig_now(r), id, seq);
    rig_end_input(r);
    return err;
}

static void expect_waits(struct rig *r, uint64_t seq, const char *what, uint64_t until_ms)
{
    struct engine_message_info m;
    for (uint64_t at = 0; engine_message_next(rig_engine(r), DEV0, &at, &m);) {
        if (m.seq != seq)
            continue;
        assert_string_equal(m.waits_for, what);
        if (m.until_ms != until_ms)
            fail_msg("%s: until %llu, not %llu", what, (unsigned long long)m.until_ms, (unsigned long long)until_ms);
        return;
    }
    fail_msg("there is no message %llu", (unsigned long long)seq);
}

/* The device sleeps; `first` was tried. */
static struct rig *asleep(unsigned devices)
{
    struct rig *r = rig_new((struct rig_setup){.tune = seldom, .devices = devices});
    server_sends(r, 0, 0, "NON 0.02 #40 first 11=0");
    submit_refused(r, expect_submitted(r, 0, "NON 0.02 #* first 11=0"), 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    return r;
}

static uint64_t sends(struct rig *r, unsigned device, const char *text)
{
    server_sends(r, device, 0, "%s", text);
    return last_accepted(r);
}

static void cancelled(void **state)
{
    (void)state;
    struct rig *r = asleep(1);
    const uint64_t first = last_accepted(r);
    const uint64_t second = sends(r, 0, "CON 0.03 #51 tok 11=3 |x");
    expect_at_server(r, 0, 0, "ACK #51");
    assert_int_equal(cancel(r, BYTES_LIT("nobody"), second), ERR_UNKNOWN_DEVICE);
    assert_int_equal(cancel(r, DEV0, second + 100), ERR_NOT_FOUND);
    assert_int_equal(cancel(r, DEV0, second), OK);
    expect_final(r, second, FINAL_CANCELLED, "cancelled by the operator");
    server_takes(r, 0, "CON 5.03 #* tok 14=< |cancelled by the operator");
    assert_int_equal(cancel(r, DEV0, second), ERR_NOT_FOUND);
    assert_int_equal(stored_records(r, RECORD_DOWNLINK), 1);
    assert_int_equal(cancel(r, DEV0, first), OK);
    expect_at_server(r, 0, 0, "NON 5.03 #* first 14=< |cancelled by the operator");
    assert_int_equal(stored_records(r, RECORD_DOWNLINK), 0);
    rig_end(r);
}

/* In flight, and waiting for its answer; what comes later comes for nobody, and the next one goes. */
static void cancelled_under_way(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    const uint64_t one = sends(r, 0, "NON 0.01 #51 t1 11=3");
    unsigned s = expect_submitted(r, 0, "NON 0.01 #* t1 11=3");
    const uint64_t two = sends(r, 0, "CON 0.01 #52 t2 11=3");
    expect_at_server(r, 0, 0, "ACK #52");
    expect_waits(r, one, "scef", 0);
    expect_waits(r, two, "line", 0);
    assert_int_equal(cancel(r, DEV0, one), OK);
    expect_at_server(r, 0, 0, "NON 5.03 #* t1 14=< |cancelled by the operator");
    device_sends(r, 0, "ACK #%u", expect_delivered(r, 0, "CON 0.01 #* t2 11=3"));
    submit_delivered(r, s);
    struct engine_message_info m;
    uint64_t at = 0;
    assert_true(engine_message_next(rig_engine(r), DEV0, &at, &m));
    expect_waits(r, two, "answer", m.deadline_ms);
    assert_int_equal(cancel(r, DEV0, two), OK);
    server_takes(r, 0, "CON 5.03 #* t2 14=< |cancelled by the operator");
    assert_int_equal(stored_records(r, RECORD_DOWNLINK), 0);
    rig_end(r);
}

static void what_is_answered_cannot_be_cancelled(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    const uint64_t one = sends(r, 0, "CON 0.01 #51 t1 11=3");
    expect_at_server(r, 0, 0, "ACK #51");
    device_sends(r, 0, "ACK 2.05 #%u t1 |x", expect_delivered(r, 0, "CON 0.01 #* t1 11=3"));
    uint16_t leg = expect_at_server(r, 0, 0, "CON 2.05 #* t1 |x");
    expect_waits(r, one, "server", 0);
    assert_int_equal(cancel(r, DEV0, one), ERR_NOT_FOUND);
    assert_int_equal(purge(r, DEV0, 100), 0);
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_final(r, one, FINAL_ANSWERED, "");
    rig_end(r);
}

static void purged(void **state)
{
    (void)state;
    struct rig *r = asleep(3);
    for (unsigned d = 0; d < 3; d++) {
        sends(r, d, "NON 0.03 #51 t1 11=3 |x");
        sends(r, d, "NON 0.03 #52 t2 11=3 |x");
        if (d)
            expect_submitted(r, d, NULL);
    }
    assert_int_equal(totals(r).queued_messages, 7);
    assert_int_equal(purge(r, BYTES_LIT("nobody"), 100), 0);
    assert_int_equal(purge(r, DEV0, 2), 2);
    expect_at_server(r, 0, 0, "NON 5.03 #* first 14=< |cancelled by the operator");
    expect_at_server(r, 0, 0, "NON 5.03 #* t1 14=< |cancelled by the operator");
    assert_int_equal(purge(r, DEV0, 2), 1);
    expect_at_server(r, 0, 0, "NON 5.03 #* t2 14=< |cancelled by the operator");
    assert_int_equal(purge(r, (struct bytes){0}, 3), 3);
    assert_int_equal(purge(r, (struct bytes){0}, 3), 1);
    assert_int_equal(purge(r, (struct bytes){0}, 3), 0);
    skip_at_server(r);
    skip_submissions(r);
    assert_int_equal(totals(r).queued_messages, 0);
    assert_int_equal(stored_records(r, RECORD_DOWNLINK), 0);
    rig_end(r);
}

static void replayed(void **state)
{
    (void)state;
    struct rig *r = asleep(1);
    const uint64_t first = last_accepted(r);
    const uint64_t second = sends(r, 0, "NON 0.02 #51 t1 11=3 |x");
    expect_waits(r, first, "device", rig_now(r) + 1 * HOURS);
    assert_int_equal(replay(r, DEV0, 900), ERR_NOT_FOUND);
    assert_int_equal(replay(r, BYTES_LIT("nobody"), first), ERR_UNKNOWN_DEVICE);
    advance(r, 10 * SECONDS);
    assert_int_equal(replay(r, DEV0, second), OK); /* the first one goes before it */
    submit_result(
        r, expect_submitted(r, 0, "NON 0.02 #* first 11=0"),
        (struct nidd_submit_result){.outcome = NIDD_SUBMIT_REFUSED, .http_status = 429, .retry_after_s = 600});
    expect_waits(r, first, "network", rig_now(r) + 600 * SECONDS);
    device_sends(r, 0, "NON 0.02 #7 up 11=rd"); /* which does not end what the network has asked for */
    expect_at_server(r, 0, 0, "NON 0.02 #* up 11=rd");
    expect_no_submission(r);
    assert_int_equal(replay(r, DEV0, first), OK); /* an operator does */
    expect_delivered(r, 0, "NON 0.02 #* first 11=0");
    expect_delivered(r, 0, "NON 0.02 #* t1 11=3 |x");
    rig_abandon(r);
}

/* Reached, and silent: its repetition comes now, and also when all were used up. */
static void replayed_to_a_silent_device(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.tune = seldom});
    const uint64_t one = sends(r, 0, "CON 0.01 #51 t1 11=3");
    expect_at_server(r, 0, 0, "ACK #51");
    uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* t1 11=3");
    expect_waits(r, one, "answer", rig_now(r) + 10 * SECONDS);
    assert_int_equal(replay(r, DEV0, one), OK);
    assert_int_equal(expect_delivered(r, 0, "CON 0.01 #* t1 11=3"), mid);
    for (unsigned i = 0; i < 4; i++) {
        advance_to_activity(r, 1 * HOURS);
        expect_delivered(r, 0, "CON 0.01 #* t1 11=3");
    }
    advance(r, 10 * MINUTES);
    expect_no_submission(r);
    expect_waits(r, one, "device", 0);
    assert_int_equal(replay(r, DEV0, one), OK);
    assert_int_equal(expect_delivered(r, 0, "CON 0.01 #* t1 11=3"), mid);
    rig_abandon(r);
}

static void seen(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.tune = seldom, .hold_commits = true});
    assert_true(engine_oldest_accepted_ms(rig_engine(r)) == 0);
    commit(r);
    const uint64_t start = rig_now(r);
    server_sends(r, 0, 0, "NON 0.01 #51 t1 11=3");
    struct engine_message_info m;
    uint64_t at = 0;
    assert_true(engine_message_next(rig_engine(r), DEV0, &at, &m));
    assert_string_equal(m.waits_for, "store");
    assert_int_equal(m.priority, QUEUE_PRIORITY_DEFAULT);
    commit(r);
    submit_refused(r, expect_submitted(r, 0, NULL), 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    advance(r, 5 * SECONDS);
    server_sends(r, 0, 0, "NON 0.01 #52 t2 11=3");
    commit(r);
    at = 0;
    assert_true(engine_message_next(rig_engine(r), DEV0, &at, &m));
    assert_true(m.age_ms == 5 * SECONDS);
    assert_true(engine_oldest_accepted_ms(rig_engine(r)) == start);
    assert_int_equal(cancel(r, DEV0, m.seq), OK);
    expect_at_server(r, 0, 0, "NON 5.03 #* t1 14=< |cancelled by the operator");
    assert_true(engine_oldest_accepted_ms(rig_engine(r)) == start + 5 * SECONDS);
    struct engine_totals t = totals(r);
    assert_int_equal(t.queued_by_class[QUEUE_REQUEST], 1);
    assert_int_equal(t.queued_by_class[QUEUE_ACK] + t.queued_by_class[QUEUE_ANSWER] + t.queued_by_class[QUEUE_DTLS], 0);
    engine_drain(rig_engine(r));
    at = 0;
    assert_true(engine_message_next(rig_engine(r), DEV0, &at, &m));
    assert_string_equal(m.waits_for, "shutdown");
    rig_abandon(r);
}

static void waits_for_its_configuration(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.hold_configurations = true});
    struct rig_configuration_request *q = expect_configuration_create(r);
    const uint64_t one = sends(r, 0, "NON 0.01 #51 t1 11=3");
    expect_waits(r, one, "configuration", 0);
    configuration_granted(r, q, "c1", 0);
    expect_submitted(r, 0, NULL);
    rig_abandon(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cancelled),
        cmocka_unit_test(cancelled_under_way),
        cmocka_unit_test(what_is_answered_cannot_be_cancelled),
        cmocka_unit_test(purged),
        cmocka_unit_test(replayed),
        cmocka_unit_test(replayed_to_a_silent_device),
        cmocka_unit_test(seen),
        cmocka_unit_test(waits_for_its_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
