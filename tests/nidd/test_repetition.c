/* Repetition on the NIDD leg: the same message until the device reacts or it is used up, then only when the device is
 * heard of; and the end of a message's lifetime (RFC 7252 clauses 4.2, 4.8.2). */
#include "tests/nidd/harness.h"

#define READ    "CON 0.01 #50 tok 11=3"
#define DOWN    "CON 0.01 #* tok 11=3"
#define EXECUTE "CON 0.02 #50 tok 11=3 11=0 11=4"

static unsigned expect_again(struct rig *r, unsigned before, const char *text)
{
    unsigned s = expect_submitted(r, 0, text);
    assert_int_equal(submission_mid(r, s), submission_mid(r, before));
    assert_true(bytes_equal(submission_message(r, s), submission_message(r, before)));
    return s;
}

static struct rig *delivered(unsigned *s)
{
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    *s = expect_submitted(r, 0, DOWN);
    submit_delivered(r, *s);
    return r;
}

/* The default: after 10, 20, 40, 80 s; the device is given the pause after the last one, too. */
static unsigned use_up(struct rig *r, unsigned s)
{
    for (unsigned i = 0; i < 4; i++) {
        assert_in_range(advance_to_activity(r, 3 * HOURS), 10 * SECONDS << i, (10 * SECONDS << i) + 1000);
        s = expect_again(r, s, DOWN);
        submit_delivered(r, s);
    }
    return s;
}

static void until_the_device_answers(void **state)
{
    (void)state;
    unsigned s;
    struct rig *r = delivered(&s);
    advance(r, 10 * SECONDS);
    s = expect_again(r, s, DOWN);
    submit_delivered(r, s);
    device_sends(r, 0, "ACK 2.05 #%u tok |x", submission_mid(r, s));
    uint16_t leg = expect_at_server(r, 0, 0, "CON 2.05 #* tok |x");
    server_sends(r, 0, 0, "ACK #%u", leg);
    advance(r, 3 * HOURS);
    assert_int_equal(nas_messages(r, 0), 3);
    rig_end(r);
}

static void not_after_its_empty_ack(void **state)
{
    (void)state;
    unsigned s;
    struct rig *r = delivered(&s);
    device_sends(r, 0, "ACK #%u", submission_mid(r, s));
    advance_to_activity(r, 25 * HOURS);
    expect_no_submission(r);
    uint16_t leg = expect_at_server(r, 0, 0, "CON 5.04 #* tok |lifetime over; acknowledged, not answered");
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_final(r, last_accepted(r), FINAL_EXPIRED, "lifetime over; acknowledged, not answered");
    rig_end(r);
}

static void used_up_then_waits_for_an_uplink(void **state)
{
    (void)state;
    unsigned s;
    struct rig *r = delivered(&s);
    s = use_up(r, s);
    advance(r, 12 * HOURS);
    expect_no_submission(r); /* the network delivers, the device does not react: no radio for nothing */
    assert_int_equal(nas_messages(r, 0), 5);
    expect_message_state(r, 0, last_accepted(r), "queued");
    device_sends(r, 0, "NON 2.05 #9 obs 6=0x01 |x");
    expect_at_server(r, 0, 0, "NON 2.05 #* obs 6=0x01 |x");
    s = expect_again(r, s, DOWN);
    submit_delivered(r, s);
    s = use_up(r, s); /* from the start: it is there now */
    device_sends(r, 0, "ACK 2.05 #%u tok |x", submission_mid(r, s));
    uint16_t leg = expect_at_server(r, 0, 0, "CON 2.05 #* tok |x");
    server_sends(r, 0, 0, "ACK #%u", leg);
    rig_end(r);
}

/* Order is kept while it waits, but answers to the device's own requests are not held up. */
static void others_behind_one_that_is_used_up(void **state)
{
    (void)state;
    unsigned s;
    struct rig *r = delivered(&s);
    uint64_t first = last_accepted(r);
    server_sends(r, 0, 0, "CON 0.01 #51 tk2 11=4");
    expect_at_server(r, 0, 0, "ACK #51");
    s = use_up(r, s);
    advance(r, HOURS);
    expect_no_submission(r);
    device_sends(r, 0, "CON 0.02 #7 up 11=rd");
    uint16_t leg = expect_at_server(r, 0, 0, "CON 0.02 #* up 11=rd");
    s = expect_again(r, s, DOWN);
    server_sends(r, 0, 0, "ACK 2.04 #%u up", leg);
    expect_delivered(r, 0, "ACK 2.04 #7 up");
    submit_delivered(r, s);
    device_sends(r, 0, "ACK 2.05 #%u tok", submission_mid(r, s));
    leg = expect_at_server(r, 0, 0, "CON 2.05 #* tok");
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_final(r, first, FINAL_ANSWERED, "");
    uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* tk2 11=4");
    device_sends(r, 0, "ACK 2.05 #%u tk2", mid);
    leg = expect_at_server(r, 0, 0, "CON 2.05 #* tk2");
    server_sends(r, 0, 0, "ACK #%u", leg);
    rig_end(r);
}

static void at_once_when_it_is_heard_of(void **state)
{
    (void)state;
    unsigned s;
    struct rig *r = delivered(&s);
    advance(r, 10 * SECONDS);
    s = expect_again(r, s, DOWN);
    submit_delivered(r, s);
    advance(r, 5 * SECONDS);
    device_sends(r, 0, "NON #9"); /* its answer may still be under way */
    expect_no_submission(r);
    advance(r, 10 * SECONDS);
    device_sends(r, 0, "NON #10"); /* it cannot be: the message was lost, and the device listens now */
    s = expect_again(r, s, DOWN);
    submit_delivered(r, s);
    device_sends(r, 0, "ACK 2.05 #%u tok |x", submission_mid(r, s));
    uint16_t leg = expect_at_server(r, 0, 0, "CON 2.05 #* tok |x");
    server_sends(r, 0, 0, "ACK #%u", leg);
    rig_end(r);
}

/* The adapter's own CON to the device: a separate answer. */
static void separate_answer_to_the_device(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    device_sends(r, 0, "NON 0.01 #7 tok 11=time");
    expect_at_server(r, 0, 0, "NON 0.01 #* tok 11=time");
    server_sends(r, 0, 0, "CON 2.05 #900 tok |noon");
    expect_at_server(r, 0, 0, "ACK #900");
    unsigned s = expect_submitted(r, 0, "CON 2.05 #* tok |noon");
    submit_delivered(r, s);
    assert_in_range(advance_to_activity(r, 3 * HOURS), 10 * SECONDS, 11 * SECONDS);
    s = expect_again(r, s, "CON 2.05 #* tok |noon");
    submit_delivered(r, s);
    device_sends(r, 0, "ACK #%u", submission_mid(r, s));
    expect_final(r, last_accepted(r), FINAL_DELIVERED, NULL);
    advance(r, 3 * HOURS);
    rig_end(r);

    r = rig_new((struct rig_setup){0});
    device_sends(r, 0, "NON 0.01 #7 tok 11=time");
    expect_at_server(r, 0, 0, "NON 0.01 #* tok 11=time");
    server_sends(r, 0, 0, "CON 2.05 #900 tok |noon");
    expect_at_server(r, 0, 0, "ACK #900");
    uint16_t mid = expect_delivered(r, 0, "CON 2.05 #* tok |noon");
    device_sends(r, 0, "RST #%u", mid);
    expect_final(r, last_accepted(r), FINAL_REJECTED, NULL);
    advance(r, 3 * HOURS);
    expect_nothing_at_server(r); /* a response needs no answer */
    rig_end(r);
}

/* A device knows a repetition for EXCHANGE_LIFETIME only: what is not idempotent is not sent again after that. */
static void too_late_to_repeat(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, EXECUTE);
    expect_at_server(r, 0, 0, "ACK #50");
    unsigned s = expect_submitted(r, 0, "CON 0.02 #* tok 11=3 11=0 11=4");
    submit_refused(r, s, 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE); /* certainly not delivered */
    for (unsigned i = 0; i < 5; i++) {                             /* however long that takes */
        advance_to_activity(r, HOURS);
        s = expect_submitted(r, 0, "CON 0.02 #* tok 11=3 11=0 11=4");
        if (i < 4)
            submit_refused(r, s, 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    }
    submit_delivered(r, s);
    for (unsigned i = 0; i < 4; i++) {
        advance_to_activity(r, 3 * MINUTES);
        s = expect_submitted(r, 0, "CON 0.02 #* tok 11=3 11=0 11=4");
        submit_delivered(r, s);
    }
    advance(r, 247 * SECONDS);
    expect_no_submission(r);
    assert_false(is_final(r, last_accepted(r)));
    device_sends(r, 0, "NON #9");
    expect_no_submission(r);
    uint16_t leg = expect_at_server(r, 0, 0, "CON 5.04 #* tok |sent, not answered, too late to repeat");
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_final(r, last_accepted(r), FINAL_FAILED, NULL);
    rig_end(r);
}

/* The device counts EXCHANGE_LIFETIME from the first one's arrival, at once perhaps, and a repetition may need
 * MAX_LATENCY: 247 s less 100 s. A NON is remembered for NON_LIFETIME only: 145 s less 100 s. */
static void room_for_the_way(void **state)
{
    (void)state;
    static const struct {
        const char *request, *down;
        uint64_t after_ms;
        bool repeated;
    } cases[] = {{EXECUTE, "CON 0.02 #* tok 11=3 11=0 11=4", 147 * SECONDS, true},
                 {EXECUTE, "CON 0.02 #* tok 11=3 11=0 11=4", 147 * SECONDS + 1, false},
                 {"CON 0.06 #50 tok 11=3", "CON 0.06 #* tok 11=3", 147 * SECONDS + 1, false},
                 {"NON 0.02 #50 tok 11=3", "NON 0.02 #* tok 11=3", 45 * SECONDS, true},
                 {"NON 0.02 #50 tok 11=3", "NON 0.02 #* tok 11=3", 45 * SECONDS + 1, false},
                 {"CON 0.03 #50 tok 11=3", "CON 0.03 #* tok 11=3", 10 * MINUTES, true},
                 {"NON 0.03 #50 tok 11=3", "NON 0.03 #* tok 11=3", 10 * MINUTES, true}};
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig *r = rig_new((struct rig_setup){0});
        server_sends(r, 0, 0, "%s", cases[i].request);
        if (cases[i].request[0] == 'C')
            expect_at_server(r, 0, 0, "ACK #50");
        uint64_t sent_ms = rig_now(r);
        unsigned s = expect_submitted(r, 0, cases[i].down);
        submit_pending(r, s, "d1");
        advance(r, sent_ms + cases[i].after_ms - rig_now(r));
        delivery_status(r, 0, "d1", T8_DELIVERY_FAILURE_TEMPORARILY_NOT_REACHABLE); /* it may have arrived */
        expect_no_submission(r);
        device_sends(r, 0, "NON #9");
        if (cases[i].repeated)
            expect_submitted(r, 0, cases[i].down);
        else
            expect_final(r, last_accepted(r), FINAL_FAILED, "sent, not answered, too late to repeat");
        skip_at_server(r);
        rig_abandon(r);
    }
}

/* The last repetition would be due 150 s after the first sending: it goes in time instead. */
static void last_repetition_in_time(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, EXECUTE);
    expect_at_server(r, 0, 0, "ACK #50");
    uint64_t sent_ms = rig_now(r);
    unsigned s = expect_submitted(r, 0, "CON 0.02 #* tok 11=3 11=0 11=4");
    submit_delivered(r, s);
    for (unsigned i = 0; i < 4; i++) {
        advance_to_activity(r, 3 * MINUTES);
        s = expect_submitted(r, 0, "CON 0.02 #* tok 11=3 11=0 11=4");
        submit_delivered(r, s);
    }
    assert_in_range(rig_now(r) - sent_ms, 140 * SECONDS, 147 * SECONDS);
    advance(r, 3 * HOURS);
    expect_no_submission(r);
    device_sends(r, 0, "ACK 2.04 #%u tok", submission_mid(r, s));
    uint16_t leg = expect_at_server(r, 0, 0, "CON 2.04 #* tok");
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_final(r, last_accepted(r), FINAL_ANSWERED, NULL);
    rig_end(r);
}

/* --- lifetime over: 5.04, with the last state --------------------------------------------------------- */

static void end_of_lifetime(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "CON 5.04 #* tok |lifetime over; device not reachable", "CON 5.04 #* tok |lifetime over; SCEF has not answered",
        "CON 5.04 #* tok |lifetime over; buffered by the SCEF", "CON 5.04 #* tok |lifetime over; sent, not answered"};
    for (unsigned i = 0; i < 4; i++) {
        struct rig *r = rig_new((struct rig_setup){0});
        server_sends(r, 0, 0, READ);
        expect_at_server(r, 0, 0, "ACK #50");
        uint64_t seq = last_accepted(r);
        unsigned s = expect_submitted(r, 0, DOWN);
        uint64_t accepted_ms = rig_now(r);
        advance(r, 24 * HOURS - 5 * SECONDS - (i == 2 ? 30 * MINUTES : 0));
        switch (i) {
        case 0:
            submit_refused(r, s, 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
            break;
        case 2:
            submit_pending(r, s, "d1");
            break;
        case 3:
            submit_delivered(r, s);
            break;
        default:
            break;
        }
        assert_false(is_final(r, seq));
        advance_to_activity(r, HOURS);
        assert_int_equal(rig_now(r), accepted_ms + 24 * HOURS);
        uint16_t leg = expect_at_server(r, 0, 0, texts[i]);
        server_sends(r, 0, 0, "ACK #%u", leg);
        expect_final(r, seq, FINAL_EXPIRED, NULL);
        if (i == 1)
            submit_delivered(r, s);
        device_sends(r, 0, "ACK 2.05 #%u tok |late", submission_mid(r, s)); /* nobody waits any more */
        expect_nothing_at_server(r);
        if (i == 2)
            delivery_status(r, 0, "d1", T8_DELIVERY_SUCCESS);
        advance(r, HOURS);
        rig_end(r);
    }
}

/* The answer to the server is a CON of ours: repeated, and given up in the end. */
static void nobody_hears_that_it_is_over(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    submit_refused(r, expect_submitted(r, 0, DOWN), 403, T8_CAUSE_NONE);
    uint16_t leg = expect_at_server(r, 0, 0, "CON 5.02 #* tok |refused by the SCEF");
    for (unsigned i = 0; i < 4; i++) {
        advance_to_activity(r, MINUTES);
        assert_int_equal(expect_at_server(r, 0, 0, "CON 5.02 #* tok |refused by the SCEF"), leg);
    }
    advance(r, HOURS);
    expect_nothing_at_server(r);
    rig_end(r);
}

/* An answer to the device is worth less with time: nobody is told but the event. */
static void answers_expire(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    device_sends(r, 0, "CON 0.02 #7 tok 11=rd");
    uint16_t mid = expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=rd");
    advance(r, 1 * SECONDS);
    server_sends(r, 0, 0, "CON 2.01 #900 tok");
    expect_at_server(r, 0, 0, "ACK #900");
    (void)mid;
    unsigned s = expect_submitted(r, 0, "ACK 2.01 #7 tok");
    submit_result(r, s,
                  (struct nidd_submit_result){.outcome = NIDD_SUBMIT_REFUSED,
                                              .http_status = 500,
                                              .cause = T8_CAUSE_TEMPORARILY_NOT_REACHABLE,
                                              .requested_retransmission_ms = rig_now(r) + HOURS});
    advance(r, 10 * MINUTES);
    expect_final(r, last_accepted(r), FINAL_EXPIRED, NULL);
    expect_nothing_at_server(r);
    rig_end(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(until_the_device_answers),
        cmocka_unit_test(not_after_its_empty_ack),
        cmocka_unit_test(used_up_then_waits_for_an_uplink),
        cmocka_unit_test(others_behind_one_that_is_used_up),
        cmocka_unit_test(at_once_when_it_is_heard_of),
        cmocka_unit_test(separate_answer_to_the_device),
        cmocka_unit_test(too_late_to_repeat),
        cmocka_unit_test(room_for_the_way),
        cmocka_unit_test(last_repetition_in_time),
        cmocka_unit_test(end_of_lifetime),
        cmocka_unit_test(nobody_hears_that_it_is_over),
        cmocka_unit_test(answers_expire),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
