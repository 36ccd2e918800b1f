/* Repetitions from both ends, at each phase of an exchange: recognised, never passed on, answered with the fewest NAS
 * messages (RFC 7252 clause 4.5). */
#include "tests/nidd/harness.h"

#define REGISTER "CON 0.02 #7 tok 11=rd"

/* --- the device repeats its request ------------------------------------------------------------------ */

static void before_the_server_has_reacted(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    device_sends(r, 0, REGISTER);
    uint16_t mid = expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=rd");
    device_sends(r, 0, REGISTER);
    device_sends(r, 0, REGISTER);
    expect_nothing_at_server(r); /* its own timer repeats it there */
    expect_no_submission(r);
    server_sends(r, 0, 0, "ACK 2.01 #%u tok", mid);
    expect_delivered(r, 0, "ACK 2.01 #7 tok");
    assert_int_equal(event_count(r, ENGINE_DUPLICATE, NULL), 2);
    rig_end(r);
}

static void while_the_answer_is_under_way(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    device_sends(r, 0, REGISTER);
    uint16_t mid = expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=rd");
    server_sends(r, 0, 0, "ACK 2.01 #%u tok", mid);
    unsigned s = expect_submitted(r, 0, "ACK 2.01 #7 tok");
    device_sends(r, 0, REGISTER);
    expect_no_submission(r); /* the POST has not been answered: the answer is on its way */
    submit_delivered(r, s);
    expect_no_submission(r);
    device_sends(r, 0, REGISTER); /* now it was lost on the radio */
    expect_delivered(r, 0, "ACK 2.01 #7 tok");
    device_sends(r, 0, REGISTER);
    expect_delivered(r, 0, "ACK 2.01 #7 tok");
    expect_nothing_at_server(r);
    assert_int_equal(nas_messages(r, 0), 7);
    rig_end(r);
}

/* The answer waits in the queue since the network said the device sleeps: the repetition shows that it does not. */
static void while_the_answer_waits(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    device_sends(r, 0, REGISTER);
    uint16_t mid = expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=rd");
    advance(r, 1500);
    server_sends(r, 0, 0, "ACK 2.01 #%u tok", mid);
    submit_refused(r, expect_submitted(r, 0, "ACK 2.01 #7 tok"), 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    expect_no_submission(r);
    advance(r, 3 * SECONDS);
    device_sends(r, 0, REGISTER);
    expect_delivered(r, 0, "ACK 2.01 #7 tok");
    expect_no_submission(r);
    rig_end(r);
}

static void after_the_servers_empty_ack(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    device_sends(r, 0, REGISTER);
    uint16_t mid = expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=rd");
    server_sends(r, 0, 0, "ACK #%u", mid);
    expect_no_submission(r);
    advance(r, 4 * SECONDS);
    device_sends(r, 0, REGISTER);
    expect_delivered(r, 0, "ACK #7"); /* so that it waits instead of repeating */
    server_sends(r, 0, 0, "CON 2.01 #900 tok");
    expect_at_server(r, 0, 0, "ACK #900");
    uint16_t answer = expect_delivered(r, 0, "CON 2.01 #* tok"); /* too late for a piggybacked one */
    device_sends(r, 0, "ACK #%u", answer);
    advance(r, 3 * MINUTES);
    expect_no_submission(r);
    rig_end(r);
}

/* One empty ACK: a second repetition finds the first ACK still under way. */
static void one_empty_ack_at_a_time(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    device_sends(r, 0, REGISTER);
    uint16_t mid = expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=rd");
    server_sends(r, 0, 0, "ACK #%u", mid);
    device_sends(r, 0, REGISTER);
    unsigned s = expect_submitted(r, 0, "ACK #7");
    device_sends(r, 0, REGISTER);
    expect_no_submission(r);
    submit_delivered(r, s);
    expect_no_submission(r);
    device_sends(r, 0, REGISTER); /* that one was lost on the radio */
    expect_delivered(r, 0, "ACK #7");
    server_sends(r, 0, 0, "NON 2.01 #900 tok");
    uint16_t answer = expect_delivered(r, 0, "CON 2.01 #* tok"); /* as reliable as the device asked for it */
    device_sends(r, 0, "ACK #%u", answer);
    rig_end(r);
}

/* The separate answer waits for the device's ACK, or has it, and the device asks again. */
static void after_a_separate_answer(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    device_sends(r, 0, REGISTER);
    uint16_t mid = expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=rd");
    server_sends(r, 0, 0, "ACK #%u", mid);
    device_sends(r, 0, REGISTER);
    expect_delivered(r, 0, "ACK #7");
    server_sends(r, 0, 0, "CON 2.01 #900 tok");
    expect_at_server(r, 0, 0, "ACK #900");
    uint16_t answer = expect_delivered(r, 0, "CON 2.01 #* tok");
    device_sends(r, 0, REGISTER); /* crossed it; the answer has its own repetition */
    expect_delivered(r, 0, "ACK #7");
    expect_nothing_at_server(r);
    device_sends(r, 0, "ACK #%u", answer);
    advance(r, 5 * MINUTES);
    expect_no_submission(r);
    rig_end(r);
}

/* RFC 7252 clause 4.8.2: after EXCHANGE_LIFETIME the Message ID means something new. */
static void message_ids_are_forgotten(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    device_sends(r, 0, REGISTER);
    uint16_t mid = expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=rd");
    server_sends(r, 0, 0, "ACK 2.01 #%u tok", mid);
    expect_delivered(r, 0, "ACK 2.01 #7 tok");
    advance(r, 246 * SECONDS);
    device_sends(r, 0, REGISTER);
    expect_delivered(r, 0, "ACK 2.01 #7 tok");
    advance(r, 2 * SECONDS);
    device_sends(r, 0, REGISTER);
    mid = expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=rd");
    server_sends(r, 0, 0, "ACK 2.01 #%u tok", mid);
    expect_delivered(r, 0, "ACK 2.01 #7 tok");
    rig_end(r);
}

/* A device that has restarted uses its Message IDs again, for something else. */
static void same_message_id_other_message(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    device_sends(r, 0, "CON 0.02 #7 tok 11=rd");
    uint16_t mid = expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=rd");
    server_sends(r, 0, 0, "ACK 2.01 #%u tok", mid);
    expect_delivered(r, 0, "ACK 2.01 #7 tok");
    device_sends(r, 0, "CON 0.02 #7 new 11=rd");
    mid = expect_at_server(r, 0, 0, "CON 0.02 #* new 11=rd");
    server_sends(r, 0, 0, "ACK 2.01 #%u new", mid);
    expect_delivered(r, 0, "ACK 2.01 #7 new");
    rig_end(r);
}

static void repeated_non_request(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    device_sends(r, 0, "NON 0.02 #7 tok 11=dp |1");
    expect_at_server(r, 0, 0, "NON 0.02 #* tok 11=dp |1");
    device_sends(r, 0, "NON 0.02 #7 tok 11=dp |1");
    expect_nothing_at_server(r);
    server_sends(r, 0, 0, "NON 2.04 #900 tok");
    expect_delivered(r, 0, "NON 2.04 #* tok");
    device_sends(r, 0, "NON 0.02 #7 tok 11=dp |1");
    server_sends(r, 0, 0, "NON 2.04 #900 tok"); /* the server's is a repetition, too */
    expect_nothing_at_server(r);
    expect_no_submission(r);
    rig_end(r);
}

/* --- the device repeats its notification ------------------------------------------------------------- */

static void repeated_notification(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    device_sends(r, 0, "CON 2.05 #7 obs 6=0x0a |21");
    uint16_t mid = expect_at_server(r, 0, 0, "CON 2.05 #* obs 6=0x0a |21");
    device_sends(r, 0, "CON 2.05 #7 obs 6=0x0a |21");
    expect_nothing_at_server(r);
    expect_no_submission(r);
    server_sends(r, 0, 0, "ACK #%u", mid);
    unsigned s = expect_submitted(r, 0, "ACK #7");
    device_sends(r, 0, "CON 2.05 #7 obs 6=0x0a |21"); /* crossed it */
    expect_no_submission(r);
    submit_delivered(r, s);
    expect_no_submission(r);
    device_sends(r, 0, "CON 2.05 #7 obs 6=0x0a |21"); /* has lost it */
    expect_delivered(r, 0, "ACK #7");
    expect_nothing_at_server(r);
    assert_int_equal(nas_messages(r, 0), 6);
    rig_end(r);
}

static void repeated_non_notification(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    device_sends(r, 0, "NON 2.05 #7 obs 6=0x0a |21");
    expect_at_server(r, 0, 0, "NON 2.05 #* obs 6=0x0a |21");
    device_sends(r, 0, "NON 2.05 #7 obs 6=0x0a |21");
    expect_nothing_at_server(r);
    rig_end(r);
}

static void repeated_notification_after_its_reset(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    device_sends(r, 0, "CON 2.05 #7 obs 6=0x0a |21");
    uint16_t mid = expect_at_server(r, 0, 0, "CON 2.05 #* obs 6=0x0a |21");
    server_sends(r, 0, 0, "RST #%u", mid);
    expect_delivered(r, 0, "RST #7");
    device_sends(r, 0, "CON 2.05 #7 obs 6=0x0a |21");
    expect_delivered(r, 0, "RST #7");
    expect_nothing_at_server(r);
    rig_end(r);
}

/* --- the device repeats its answer ------------------------------------------------------------------- */

static void repeated_answers_to_a_downlink(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, "CON 0.01 #50 tok 11=3");
    expect_at_server(r, 0, 0, "ACK #50");
    uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* tok 11=3");
    device_sends(r, 0, "ACK 2.05 #%u tok |x", mid);
    uint16_t leg = expect_at_server(r, 0, 0, "CON 2.05 #* tok |x");
    device_sends(r, 0, "ACK 2.05 #%u tok |x", mid); /* the network may repeat it */
    expect_nothing_at_server(r);
    server_sends(r, 0, 0, "ACK #%u", leg);
    device_sends(r, 0, "ACK 2.05 #%u tok |x", mid);
    expect_nothing_at_server(r);
    expect_final(r, last_accepted(r), FINAL_ANSWERED, NULL);

    server_sends(r, 0, 0, "CON 0.01 #51 tk2 11=3");
    expect_at_server(r, 0, 0, "ACK #51");
    mid = expect_delivered(r, 0, "CON 0.01 #* tk2 11=3");
    device_sends(r, 0, "ACK #%u", mid);
    device_sends(r, 0, "CON 2.05 #9 tk2 |y");
    leg = expect_at_server(r, 0, 0, "CON 2.05 #* tk2 |y");
    device_sends(r, 0, "CON 2.05 #9 tk2 |y");
    expect_nothing_at_server(r);
    expect_no_submission(r);
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_delivered(r, 0, "ACK #9");
    device_sends(r, 0, "CON 2.05 #9 tk2 |y");
    expect_delivered(r, 0, "ACK #9");
    expect_nothing_at_server(r);
    rig_end(r);
}

/* --- the server repeats ------------------------------------------------------------------------------ */

/* At 0, 2, 6, 14 and 30 s, while the device sleeps and after: one NAS message. */
static void server_repeats_its_request(void **state)
{
    (void)state;
    static const unsigned at_s[] = {2, 6, 14, 30};
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, "CON 0.01 #50 tok 11=3");
    expect_at_server(r, 0, 0, "ACK #50");
    unsigned s = expect_submitted(r, 0, "CON 0.01 #* tok 11=3");
    unsigned now_s = 0;
    for (size_t i = 0; i < 4; i++) {
        advance(r, (at_s[i] - now_s) * SECONDS);
        now_s = at_s[i];
        server_sends(r, 0, 0, "CON 0.01 #50 tok 11=3");
        expect_at_server(r, 0, 0, "ACK #50");
        expect_no_submission(r);
    }
    submit_delivered(r, s);
    device_sends(r, 0, "ACK 2.05 #%u tok |x", submission_mid(r, s));
    uint16_t leg = expect_at_server(r, 0, 0, "CON 2.05 #* tok |x");
    server_sends(r, 0, 0, "CON 0.01 #50 tok 11=3");
    expect_at_server(r, 0, 0, "ACK #50");
    server_sends(r, 0, 0, "ACK #%u", leg);
    server_sends(r, 0, 0, "CON 0.01 #50 tok 11=3"); /* also when it is over */
    expect_at_server(r, 0, 0, "ACK #50");
    assert_int_equal(nas_messages(r, 0), 2);
    rig_end(r);
}

static void server_repeats_while_the_store_is_slow(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.hold_commits = true});
    commit(r);
    server_sends(r, 0, 0, "CON 0.01 #50 tok 11=3");
    advance(r, 2 * SECONDS);
    server_sends(r, 0, 0, "CON 0.01 #50 tok 11=3");
    advance(r, 4 * SECONDS);
    server_sends(r, 0, 0, "CON 0.01 #50 tok 11=3");
    expect_nothing_at_server(r); /* accepted is said only when it is */
    expect_no_submission(r);
    commit(r);
    expect_at_server(r, 0, 0, "ACK #50");
    expect_nothing_at_server(r);
    submit_delivered(r, expect_submitted(r, 0, "CON 0.01 #* tok 11=3"));
    expect_no_submission(r);
    rig_abandon(r);
}

static void server_repeats_a_refused_request(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    engine_drain(rig_engine(r));
    server_sends(r, 0, 0, "CON 0.01 #50 tok 11=3");
    expect_at_server(r, 0, 0, "ACK 5.03 #50 tok 14=0x0a |shutting down");
    server_sends(r, 0, 0, "CON 0.01 #50 tok 11=3");
    expect_at_server(r, 0, 0, "ACK 5.03 #50 tok 14=0x0a |shutting down");
    expect_no_submission(r);
    rig_end(r);
}

static void server_repeats_its_non(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, "NON 0.03 #50 tok 11=5 |x");
    expect_delivered(r, 0, "NON 0.03 #* tok 11=5 |x");
    server_sends(r, 0, 0, "NON 0.03 #50 tok 11=5 |x");
    expect_no_submission(r);
    expect_nothing_at_server(r);
    advance(r, 10 * MINUTES);
    expect_final(r, last_accepted(r), FINAL_DELIVERED, NULL);
    rig_end(r);
}

/* Same Message ID, other token: a server that has restarted. */
static void server_uses_a_message_id_again(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, "NON 0.03 #50 tok 11=5 |x");
    expect_delivered(r, 0, "NON 0.03 #* tok 11=5 |x");
    server_sends(r, 0, 0, "NON 0.03 #50 tk2 11=5 |x");
    expect_delivered(r, 0, "NON 0.03 #* tk2 11=5 |x");
    advance(r, 10 * MINUTES);
    rig_end(r);
}

/* Two servers may well use the same Message ID at the same time. */
static void two_servers_one_message_id(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.servers = 2});
    server_sends(r, 0, 0, "CON 0.01 #50 aaa 11=3");
    expect_at_server(r, 0, 0, "ACK #50");
    server_sends(r, 0, 1, "CON 0.01 #50 bbb 11=4");
    expect_at_server(r, 0, 1, "ACK #50");
    uint16_t first = expect_delivered(r, 0, "CON 0.01 #* aaa 11=3");
    device_sends(r, 0, "ACK 2.05 #%u aaa |x", first);
    uint16_t leg = expect_at_server(r, 0, 0, "CON 2.05 #* aaa |x");
    uint16_t second = expect_delivered(r, 0, "CON 0.01 #* bbb 11=4");
    assert_int_not_equal(first, second);
    device_sends(r, 0, "ACK 2.05 #%u bbb |y", second);
    uint16_t leg1 = expect_at_server(r, 0, 1, "CON 2.05 #* bbb |y");
    server_sends(r, 0, 1, "ACK #%u", leg); /* a Message ID of the other server's exchange */
    assert_int_equal(totals(r).queued_messages, 2);
    server_sends(r, 0, 0, "ACK #%u", leg);
    server_sends(r, 0, 1, "ACK #%u", leg1);
    rig_end(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_the_server_has_reacted),
        cmocka_unit_test(while_the_answer_is_under_way),
        cmocka_unit_test(while_the_answer_waits),
        cmocka_unit_test(after_the_servers_empty_ack),
        cmocka_unit_test(one_empty_ack_at_a_time),
        cmocka_unit_test(after_a_separate_answer),
        cmocka_unit_test(message_ids_are_forgotten),
        cmocka_unit_test(same_message_id_other_message),
        cmocka_unit_test(repeated_non_request),
        cmocka_unit_test(repeated_notification),
        cmocka_unit_test(repeated_non_notification),
        cmocka_unit_test(repeated_notification_after_its_reset),
        cmocka_unit_test(repeated_answers_to_a_downlink),
        cmocka_unit_test(server_repeats_its_request),
        cmocka_unit_test(server_repeats_while_the_store_is_slow),
        cmocka_unit_test(server_repeats_a_refused_request),
        cmocka_unit_test(server_repeats_its_non),
        cmocka_unit_test(server_uses_a_message_id_again),
        cmocka_unit_test(two_servers_one_message_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
