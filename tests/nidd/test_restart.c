/* kill -9 at any instant: what was accepted is there again, with the same Message ID and token; what ended does not
 * come back; addresses and numbers go on. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/nidd/harness.h"

#define READ "CON 0.01 #50 tok 11=3"
#define DOWN "CON 0.01 #* tok 11=3"

static void answer_and_end(struct rig *r, uint16_t mid)
{
    device_sends(r, 0, "ACK 2.05 #%u tok |x", mid);
    uint16_t leg = expect_at_server(r, 0, 0, "CON 2.05 #* tok |x");
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_final(r, last_accepted(r), FINAL_ANSWERED, "");
    rig_end(r);
}

static void queue_is_there_again(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.devices = 3});
    uint16_t mids[3];
    for (unsigned i = 0; i < 3; i++) {
        char text[32];
        server_sends(r, 1, 0, "CON 0.01 #%u t%u 11=3 |%u", 50 + i, i, i);
        snprintf(text, sizeof(text), "ACK #%u", 50 + i);
        expect_at_server(r, 1, 0, text);
    }
    unsigned s = expect_submitted(r, 1, "CON 0.01 #* t0 11=3 |0");
    mids[0] = submission_mid(r, s);
    submit_delivered(r, s);
    rig_restart(r);
    assert_int_equal(totals(r).queued_messages, 3);
    mids[1] = expect_delivered(r, 1, "CON 0.01 #* t0 11=3 |0"); /* the one in flight, so that the device can tell */
    assert_int_equal(mids[0], mids[1]);
    rig_restart(r);
    for (unsigned i = 0; i < 3; i++) {
        char text[64];
        snprintf(text, sizeof(text), "CON 0.01 #* t%u 11=3 |%u", i, i);
        mids[i] = expect_delivered(r, 1, text);
        expect_no_submission(r);
        device_sends(r, 1, "ACK 2.05 #%u t%u", mids[i], i);
        snprintf(text, sizeof(text), "CON 2.05 #* t%u", i);
        uint16_t leg = expect_at_server(r, 1, 0, text);
        server_sends(r, 1, 0, "ACK #%u", leg);
    }
    assert_int_equal(stored_records(r, RECORD_DOWNLINK), 0);
    rig_restart(r);
    assert_int_equal(totals(r).queued_messages, 0);
    rig_end(r);
}

/* Its first sending had arrived: the answer is as good as any. */
static void answer_to_the_sending_before(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    uint16_t mid = expect_delivered(r, 0, DOWN);
    rig_restart(r);
    unsigned s = expect_submitted(r, 0, DOWN);
    submit_refused(r, s, 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    answer_and_end(r, mid);
}

static void not_committed_is_not_acknowledged(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.hold_commits = true});
    commit(r);
    server_sends(r, 0, 0, READ);
    rig_restart(r);
    commit(r);
    expect_nothing_at_server(r);
    expect_no_submission(r);
    server_sends(r, 0, 0, READ); /* the server repeats it, since nobody has said anything */
    commit(r);
    expect_at_server(r, 0, 0, "ACK #50");
    expect_delivered(r, 0, DOWN);
    expect_no_submission(r);
    rig_abandon(r);
}

/* Committed, and killed before the ACK went out. */
static void duplicates_of_the_server(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    expect_delivered(r, 0, DOWN);
    rig_restart(r);
    uint16_t mid = expect_delivered(r, 0, DOWN);
    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    expect_no_submission(r);
    assert_int_equal(totals(r).queued_messages, 1);
    answer_and_end(r, mid);
}

static void acknowledged_is_not_sent_again(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    uint16_t mid = expect_delivered(r, 0, DOWN);
    device_sends(r, 0, "ACK #%u", mid);
    rig_restart(r);
    advance(r, HOURS);
    expect_no_submission(r);
    expect_message_state(r, 0, last_accepted(r), "acknowledged");
    device_sends(r, 0, "CON 2.05 #900 tok |x");
    uint16_t leg = expect_at_server(r, 0, 0, "CON 2.05 #* tok |x");
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_delivered(r, 0, "ACK #900");
    expect_final(r, last_accepted(r), FINAL_ANSWERED, "");
    rig_end(r);
}

/* The device had answered, the server had not acknowledged that yet. */
static void killed_while_answering(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    uint16_t mid = expect_delivered(r, 0, DOWN);
    device_sends(r, 0, "ACK 2.05 #%u tok |x", mid);
    expect_at_server(r, 0, 0, "CON 2.05 #* tok |x");
    rig_restart(r);
    assert_int_equal(expect_delivered(r, 0, DOWN), mid);
    answer_and_end(r, mid);
}

/* Its answer is in the spool, and the process is killed before the store has let go of the message itself. */
static void killed_between_answer_and_end(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.hold_commits = true});
    commit(r);
    server_sends(r, 0, 0, READ);
    commit(r);
    expect_at_server(r, 0, 0, "ACK #50");
    uint16_t mid = expect_delivered(r, 0, DOWN);
    server_unreachable(r, 0, ERR_UNREACHABLE);
    uint64_t ref = device_sends_later(r, 0, "ACK 2.05 #%u tok |x", mid);
    commit(r);
    expect_uplink_answered(r, ref, OK);
    assert_int_equal(stored_records(r, RECORD_DOWNLINK), 1);
    assert_int_equal(stored_records(r, RECORD_UPLINK), 1);
    server_unreachable(r, 0, OK);
    rig_restart(r);
    expect_no_submission(r);
    uint16_t leg = expect_at_server(r, 0, 0, "CON 2.05 #* tok |x");
    server_sends(r, 0, 0, "ACK #%u", leg);
    commit(r);
    expect_final(r, last_accepted(r), FINAL_ANSWERED, NULL);
    advance(r, 3 * HOURS);
    rig_end(r);
}

/* --- buffered by the SCEF ----------------------------------------------------------------------------- */

static struct rig *buffered(void)
{
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    submit_pending(r, expect_submitted(r, 0, DOWN), "d1");
    return r;
}

static void notification_after_a_restart(void **state)
{
    (void)state;
    struct rig *r = buffered();
    rig_restart(r);
    expect_no_submission(r); /* the SCEF still has it */
    expect_message_state(r, 0, last_accepted(r), "with_scef");
    delivery_status(r, 0, "d1", T8_DELIVERY_FAILURE_TEMPORARILY_NOT_REACHABLE);
    expect_message_state(r, 0, last_accepted(r), "queued");
    device_sends(r, 0, "NON #9");
    unsigned s = expect_submitted(r, 0, DOWN);
    submit_pending(r, s, "d2");
    rig_restart(r);
    delivery_status(r, 0, "d2", T8_DELIVERY_SUCCESS);
    expect_message_state(r, 0, last_accepted(r), "sent");
    answer_and_end(r, submission_mid(r, s));
}

/* The notification had come before the restart: nothing is waited for any more. */
static void notification_before_a_restart(void **state)
{
    (void)state;
    static const enum t8_delivery_status statuses[] = {T8_DELIVERY_FAILURE, T8_DELIVERY_SUCCESS};
    for (unsigned i = 0; i < 2; i++) {
        struct rig *r = buffered();
        delivery_status(r, 0, "d1", statuses[i]);
        rig_restart(r);
        advance(r, 2 * MINUTES);
        uint16_t mid = expect_delivered(r, 0, DOWN);
        skip_submissions(r);
        answer_and_end(r, mid);
    }
}

/* It came while nobody was there to hear it. */
static void notification_during_a_restart(void **state)
{
    (void)state;
    struct rig *r = buffered();
    rig_restart(r);
    assert_in_range(advance_to_activity(r, 24 * HOURS), 1000, 2 * HOURS);
    answer_and_end(r, expect_delivered(r, 0, DOWN));
}

static void answer_while_buffered_then_restart(void **state)
{
    (void)state;
    struct rig *r = buffered();
    rig_restart(r);
    device_sends(r, 0, "NON 2.05 #900 tok |x");
    expect_at_server(r, 0, 0, "NON 2.05 #* tok |x");
    delivery_status(r, 0, "d1", T8_DELIVERY_SUCCESS);
    expect_final(r, last_accepted(r), FINAL_ANSWERED, "");
    rig_end(r);
}

/* --- lifetimes ------------------------------------------------------------------------------------------ */

static void lifetime_goes_on(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    uint64_t accepted_ms = rig_now(r);
    submit_refused(r, expect_submitted(r, 0, DOWN), 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    for (unsigned i = 0; i < 23; i++) {
        advance(r, HOURS);
        skip_submissions(r);
        rig_restart(r);
    }
    skip_submissions(r);
    while (!at_server(r))
        advance(r, 10 * SECONDS);
    assert_in_range(rig_now(r), accepted_ms + 24 * HOURS, accepted_ms + 24 * HOURS + 10 * SECONDS);
    skip_submissions(r);
    uint16_t leg = message_mid(peek_at_server(r));
    skip_at_server(r);
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_final(r, last_accepted(r), FINAL_EXPIRED, NULL);
    rig_end(r);
}

static void lifetime_ends_while_down(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    expect_submitted(r, 0, DOWN);
    rig_restart_later(r, 30 * HOURS);
    skip_submissions(r);
    advance(r, 1);
    uint16_t leg = message_mid(peek_at_server(r));
    skip_at_server(r);
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_final(r, last_accepted(r), FINAL_EXPIRED, NULL);
    rig_end(r);
}

/* A request that is not idempotent and was sent before: its server decides, also after a restart. */
static void too_late_to_repeat_after_a_restart(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, "CON 0.02 #50 tok 11=3 11=0 11=4");
    expect_at_server(r, 0, 0, "ACK #50");
    expect_delivered(r, 0, "CON 0.02 #* tok 11=3 11=0 11=4");
    rig_restart_later(r, 10 * MINUTES);
    expect_no_submission(r);
    uint16_t leg = expect_at_server(r, 0, 0, "CON 5.04 #* tok |sent, not answered, too late to repeat");
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_final(r, last_accepted(r), FINAL_FAILED, NULL);
    rig_end(r);
}

/* --- numbers and addresses ------------------------------------------------------------------------------ */

/* Even with the same seed: a new message must not bear the Message ID of one that the device may still answer. */
static void message_ids_do_not_meet(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.keep_seed = true});
    uint16_t mids[8];
    for (unsigned i = 0; i < 4; i++) {
        char text[32];
        server_sends(r, 0, 0, "CON 0.01 #%u t%u 11=3", 50 + i, i);
        snprintf(text, sizeof(text), "ACK #%u", 50 + i);
        expect_at_server(r, 0, 0, text);
        snprintf(text, sizeof(text), "CON 0.01 #* t%u 11=3", i);
        mids[i] = expect_delivered(r, 0, text);
        device_sends(r, 0, "ACK #%u", mids[i]);
    }
    rig_restart(r);
    for (unsigned i = 4; i < 8; i++) {
        char text[32];
        server_sends(r, 0, 0, "CON 0.01 #%u t%u 11=3", 50 + i, i);
        snprintf(text, sizeof(text), "ACK #%u", 50 + i);
        expect_at_server(r, 0, 0, text);
        snprintf(text, sizeof(text), "CON 0.01 #* t%u 11=3", i);
        mids[i] = expect_delivered(r, 0, text);
        device_sends(r, 0, "ACK #%u", mids[i]);
        for (unsigned k = 0; k < i; k++)
            assert_int_not_equal(mids[k], mids[i]);
    }
    rig_abandon(r);
}

static void sequence_numbers_go_on(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    uint64_t last = 0;
    for (unsigned i = 0; i < 5; i++) {
        server_sends(r, 0, 0, READ);
        expect_at_server(r, 0, 0, "ACK #50");
        assert_true(last_accepted(r) > last); /* the harness, too, looks for numbers that come twice */
        last = last_accepted(r);
        device_sends(r, 0, "RST #%u", expect_delivered(r, 0, DOWN));
        server_sends(r, 0, 0, "ACK #%u", expect_at_server(r, 0, 0, "CON 5.02 #* tok |reset by the device"));
        rig_restart(r);
    }
    rig_end(r);
}

/* The same when the batch that reserved the numbers fails. */
static void sequence_numbers_go_on_over_a_failing_store(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.hold_commits = true});
    server_sends(r, 0, 0, READ);
    commit_fails(r, ERR_STORE);
    expect_at_server(r, 0, 0, "ACK 5.03 #50 tok 14=< |store cannot take it now");
    server_sends(r, 0, 0, "CON 0.01 #51 tok 11=3");
    commit(r);
    expect_at_server(r, 0, 0, "ACK #51");
    uint64_t seq = last_accepted(r);
    device_sends(r, 0, "RST #%u", expect_delivered(r, 0, DOWN));
    server_sends(r, 0, 0, "ACK #%u", expect_at_server(r, 0, 0, "CON 5.02 #* tok |reset by the device"));
    commit(r);
    rig_restart(r);
    server_sends(r, 0, 0, "CON 0.01 #52 tok 11=3");
    commit(r);
    expect_at_server(r, 0, 0, "ACK #52");
    assert_true(last_accepted(r) > seq);
    expect_delivered(r, 0, DOWN);
    rig_abandon(r);
}

/* A store that fails for a while: what has ended does not come back, and addresses stay (the harness checks those). */
static void ends_over_a_failing_store(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.devices = 3});
    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    uint16_t mid = expect_delivered(r, 0, DOWN);
    store_broken(r, ERR_STORE);
    device_sends(r, 0, "ACK 2.05 #%u tok", mid);
    server_sends(r, 0, 0, "ACK #%u", expect_at_server(r, 0, 0, "CON 2.05 #* tok"));
    expect_final(r, last_accepted(r), FINAL_ANSWERED, "");
    advance(r, MINUTES);
    assert_int_equal(stored_records(r, RECORD_DOWNLINK), 1);
    store_broken(r, OK);
    advance(r, MINUTES);
    assert_int_equal(stored_records(r, RECORD_DOWNLINK), 0);
    rig_restart(r);
    expect_no_submission(r);
    rig_end(r);
}

static void device_records_over_a_failing_store(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.devices = 3, .hold_commits = true});
    commit_fails(r, ERR_STORE);
    advance(r, 10 * SECONDS);
    commit(r);
    assert_int_equal(stored_records(r, RECORD_DEVICE), 3);
    rig_restart(r);
    commit(r);
    assert_int_equal(device_info(r, 2).configuration_link.len, strlen("/as/configurations/c2"));
    rig_end(r);
}

/* The device's record was refused, the message's right after is not: it must find its device again. */
static void message_of_a_device_that_is_not_stored(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.hold_commits = true});
    commit_fails(r, ERR_STORE);
    server_sends(r, 0, 0, READ);
    commit(r);
    expect_at_server(r, 0, 0, "ACK #50");
    expect_submitted(r, 0, DOWN);
    rig_restart(r);
    commit(r);
    expect_submitted(r, 0, DOWN);
    rig_abandon(r);
}

/* The device that hears its answer is taken never gives it again: only when the request has left the store, or a
 * restart would bring back what nobody answers any more. */
static void device_is_told_when_the_request_has_left_the_store(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct rig *r = rig_new((struct rig_setup){.hold_commits = true});
        commit(r);
        server_sends(r, 0, 0, READ);
        commit(r);
        expect_at_server(r, 0, 0, "ACK #50");
        device_sends(r, 0, "ACK #%u", expect_delivered(r, 0, DOWN));
        commit(r);
        device_sends(r, 0, "CON 2.05 #7 tok |x");
        uint16_t leg = expect_at_server(r, 0, 0, "CON 2.05 #* tok |x");
        if (i)
            server_sends(r, 0, 0, "RST #%u", leg);
        else
            server_sends(r, 0, 0, "ACK #%u", leg);
        expect_no_submission(r);
        for (unsigned n = 0; n < 40; n++) /* it is not forgotten for newer ones */
            device_sends(r, 0, "NON 0.02 #%u n%u 11=dp", 1000 + n, n);
        skip_at_server(r);
        device_sends(r, 0, "CON 2.05 #7 tok |x");
        expect_no_submission(r);
        expect_nothing_at_server(r);
        commit_fails(r, ERR_STORE);
        expect_no_submission(r);
        advance(r, 2 * SECONDS); /* it is deleted again */
        commit(r);
        expect_delivered(r, 0, i ? "RST #7" : "ACK #7");
        rig_restart(r);
        expect_no_submission(r);
        assert_int_equal(stored_records(r, RECORD_DOWNLINK), 0);
        rig_end(r);
    }
}

static void short_queue(struct engine_options *o)
{
    o->queue.max_messages = 1;
}

/* The same when there is no room for that reply: its repetition waits for the store, too. */
static void device_is_told_later_where_there_was_no_room(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.hold_commits = true, .tune = short_queue});
    unsigned submissions[64], count = 0;
    commit(r);
    server_sends(r, 0, 0, READ);
    commit(r);
    expect_at_server(r, 0, 0, "ACK #50");
    device_sends(r, 0, "ACK #%u", expect_delivered(r, 0, DOWN));
    commit(r);
    for (; event_count(r, ENGINE_DROPPED, "queue_full") == 0; count++) {
        assert_true(count < 64);
        device_sends(r, 0, "CON #%u", 200 + count);
    }
    for (unsigned n = 0; n + 1 < count; n++)
        submissions[n] = expect_submitted(r, 0, NULL);
    device_sends(r, 0, "CON 2.05 #7 tok |x");
    server_sends(r, 0, 0, "ACK #%u", expect_at_server(r, 0, 0, "CON 2.05 #* tok |x"));
    for (unsigned n = 0; n + 1 < count; n++)
        submit_delivered(r, submissions[n]);
    device_sends(r, 0, "CON 2.05 #7 tok |x");
    expect_no_submission(r);
    commit(r);
    device_sends(r, 0, "CON 2.05 #7 tok |x");
    expect_delivered(r, 0, "ACK #7");
    rig_end(r);
}

static void two_at_once(struct engine_options *o)
{
    o->queue.nstart = 2;
}

/* The SCEF repeats what it got no answer to, and the device's ACK of a message that has ended meets those that are new:
 * none of them may bear its Message ID. */
static void acknowledgement_from_before(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.tune = two_at_once});
    server_sends(r, 0, 0, READ); /* stays, and with it its Message ID */
    expect_at_server(r, 0, 0, "ACK #50");
    expect_delivered(r, 0, DOWN);
    server_sends(r, 0, 0, "CON 0.03 #51 put 11=3 |x");
    expect_at_server(r, 0, 0, "ACK #51");
    const uint16_t ended = expect_delivered(r, 0, "CON 0.03 #* put 11=3 |x");
    device_sends(r, 0, "ACK 2.04 #%u put", ended);
    server_sends(r, 0, 0, "ACK #%u", expect_at_server(r, 0, 0, "CON 2.04 #* put"));
    rig_restart(r);
    expect_delivered(r, 0, DOWN);
    server_sends(r, 0, 0, "CON 0.02 #52 exec 11=3 11=0 11=4");
    expect_at_server(r, 0, 0, "ACK #52");
    const unsigned s = expect_submitted(r, 0, "CON 0.02 #* exec 11=3 11=0 11=4");
    device_sends(r, 0, "ACK #%u", ended);
    expect_message_state(r, 0, last_accepted(r), "submitted");
    submit_delivered(r, s);
    rig_abandon(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queue_is_there_again),
        cmocka_unit_test(answer_to_the_sending_before),
        cmocka_unit_test(not_committed_is_not_acknowledged),
        cmocka_unit_test(duplicates_of_the_server),
        cmocka_unit_test(acknowledged_is_not_sent_again),
        cmocka_unit_test(killed_while_answering),
        cmocka_unit_test(killed_between_answer_and_end),
        cmocka_unit_test(notification_after_a_restart),
        cmocka_unit_test(notification_before_a_restart),
        cmocka_unit_test(notification_during_a_restart),
        cmocka_unit_test(answer_while_buffered_then_restart),
        cmocka_unit_test(lifetime_goes_on),
        cmocka_unit_test(lifetime_ends_while_down),
        cmocka_unit_test(too_late_to_repeat_after_a_restart),
        cmocka_unit_test(message_ids_do_not_meet),
        cmocka_unit_test(sequence_numbers_go_on),
        cmocka_unit_test(sequence_numbers_go_on_over_a_failing_store),
        cmocka_unit_test(ends_over_a_failing_store),
        cmocka_unit_test(device_records_over_a_failing_store),
        cmocka_unit_test(message_of_a_device_that_is_not_stored),
        cmocka_unit_test(device_is_told_when_the_request_has_left_the_store),
        cmocka_unit_test(device_is_told_later_where_there_was_no_room),
        cmocka_unit_test(acknowledgement_from_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
