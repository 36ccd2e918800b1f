/* A request that is not idempotent is marked in the store as possibly sent before its POST leaves: whatever dies
 * afterwards, it is not carried out again when the device has forgotten the first one (RFC 7252 clause 4.5). */
#include "tests/nidd/harness.h"

#define EXECUTE   "CON 0.02 #50 tok 11=3 11=0 11=4"
#define EXECUTED  "CON 0.02 #* tok 11=3 11=0 11=4"
#define READ      "CON 0.01 #51 red 11=3"
#define READ_DOWN "CON 0.01 #* red 11=3"

static uint64_t sent_mark(struct rig *r)
{
    struct record_message m;
    stored_message(r, RECORD_DOWNLINK, 0, &m);
    return m.sent_ms;
}

static void answered(struct rig *r, unsigned s, const char *token)
{
    device_sends(r, 0, "ACK 2.04 #%u %s", submission_mid(r, s), token);
    uint16_t leg = expect_at_server(r, 0, 0, NULL);
    server_sends(r, 0, 0, "ACK #%u", leg);
}

/* It can go at once: one record, which bears the mark. */
static void with_its_acceptance(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.hold_commits = true});
    commit(r);
    unsigned before = downlink_puts(r);
    server_sends(r, 0, 0, EXECUTE);
    expect_no_submission(r);
    commit(r);
    expect_at_server(r, 0, 0, "ACK #50");
    unsigned s = expect_submitted(r, 0, EXECUTED);
    assert_int_equal(downlink_puts(r) - before, 1);
    assert_int_equal(sent_mark(r), rig_now(r));
    submit_delivered(r, s);
    assert_int_equal(downlink_puts(r) - before, 1);
    answered(r, s, "tok");
    commit(r);
    expect_final(r, last_accepted(r), FINAL_ANSWERED, "");
    commit(r);
    rig_end(r);
}

/* Nothing more is stored of what may be repeated at any time. */
static void not_of_an_idempotent_one(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.hold_commits = true});
    commit(r);
    unsigned before = downlink_puts(r);
    server_sends(r, 0, 0, READ);
    commit(r);
    expect_at_server(r, 0, 0, "ACK #51");
    unsigned s = expect_submitted(r, 0, READ_DOWN);
    submit_refused(r, s, 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    device_sends(r, 0, "NON #9");
    s = expect_submitted(r, 0, READ_DOWN);
    submit_delivered(r, s);
    assert_int_equal(downlink_puts(r) - before, 1);
    assert_int_equal(sent_mark(r), 0);
    answered(r, s, "red");
    commit(r);
    rig_end(r);
}

/* The process dies between POST and answer, and is back only when the device has forgotten. */
static void died_before_the_answer(void **state)
{
    (void)state;
    static const uint64_t away_ms[] = {MINUTES, HOURS};
    for (unsigned i = 0; i < 2; i++) {
        struct rig *r = rig_new((struct rig_setup){0});
        server_sends(r, 0, 0, EXECUTE);
        expect_at_server(r, 0, 0, "ACK #50");
        expect_submitted(r, 0, EXECUTED);
        rig_restart_later(r, away_ms[i]);
        if (i == 0) { /* the device would know it again */
            unsigned s = expect_submitted(r, 0, EXECUTED);
            submit_delivered(r, s);
            answered(r, s, "tok");
            expect_final(r, last_accepted(r), FINAL_ANSWERED, "");
        } else {
            uint16_t leg = expect_at_server(r, 0, 0, "CON 5.04 #* tok |sent, not answered, too late to repeat");
            server_sends(r, 0, 0, "ACK #%u", leg);
            expect_final(r, last_accepted(r), FINAL_FAILED, "sent, not answered, too late to repeat");
        }
        rig_end(r);
    }
}

/* It was accepted while the device slept: the mark is a record of its own, and the POST waits for its commit. */
static struct rig *accepted_while_asleep(void)
{
    struct rig *r = rig_new((struct rig_setup){.hold_commits = true});
    commit(r);
    server_sends(r, 0, 0, READ);
    commit(r);
    expect_at_server(r, 0, 0, "ACK #51");
    unsigned s = expect_submitted(r, 0, READ_DOWN);
    server_sends(r, 0, 0, EXECUTE); /* behind the read: it has no mark yet */
    commit(r);
    expect_at_server(r, 0, 0, "ACK #50");
    submit_delivered(r, s);
    assert_int_equal(stored_records(r, RECORD_DOWNLINK), 2);
    answered(r, s, "red");
    return r;
}

static void before_the_post(void **state)
{
    (void)state;
    struct rig *r = accepted_while_asleep();
    expect_no_submission(r);
    commit(r);
    assert_int_equal(sent_mark(r), rig_now(r));
    unsigned s = expect_submitted(r, 0, EXECUTED);
    submit_delivered(r, s);
    answered(r, s, "tok");
    commit(r);
    rig_end(r);
}

/* Without the mark it does not go; it is tried again. */
static void the_store_refuses(void **state)
{
    (void)state;
    struct rig *r = accepted_while_asleep();
    commit_fails(r, ERR_STORE);
    for (unsigned i = 0; i < 3; i++) {
        expect_no_submission(r);
        advance(r, 2 * SECONDS);
        expect_no_submission(r);
        commit_fails(r, ERR_STORE);
    }
    advance(r, 2 * SECONDS);
    commit(r);
    unsigned s = expect_submitted(r, 0, EXECUTED);
    submit_delivered(r, s);
    answered(r, s, "tok");
    commit(r);
    rig_end(r);
}

/* The network says that it was not sent: a restart must not take it for sent. */
static void not_sent_after_all(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, EXECUTE);
    expect_at_server(r, 0, 0, "ACK #50");
    unsigned s = expect_submitted(r, 0, EXECUTED);
    assert_int_equal(sent_mark(r), rig_now(r));
    submit_refused(r, s, 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    assert_int_equal(sent_mark(r), 0);
    rig_restart_later(r, 3 * HOURS);
    s = expect_submitted(r, 0, EXECUTED);
    submit_delivered(r, s);
    answered(r, s, "tok");
    expect_final(r, last_accepted(r), FINAL_ANSWERED, "");
    rig_end(r);
}

/* Refused for good: it ends, and its record with it. */
static void refused_while_marked(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, EXECUTE);
    expect_at_server(r, 0, 0, "ACK #50");
    unsigned s = expect_submitted(r, 0, EXECUTED);
    submit_refused(r, s, 403, T8_CAUSE_NONE);
    uint16_t leg = expect_at_server(r, 0, 0, "CON 5.02 #* tok |refused by the SCEF");
    server_sends(r, 0, 0, "ACK #%u", leg);
    rig_end(r);
}

/* While the mark is on its way to the disk the lifetime ends. */
static void expires_while_it_is_marked(void **state)
{
    (void)state;
    struct rig *r = accepted_while_asleep();
    advance_to_activity(r, 25 * HOURS);
    uint16_t leg = expect_at_server(r, 0, 0, "CON 5.04 #* tok |lifetime over; device not reachable");
    server_sends(r, 0, 0, "ACK #%u", leg);
    commit(r);
    expect_no_submission(r);
    commit(r);
    rig_end(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_its_acceptance),    cmocka_unit_test(not_of_an_idempotent_one),
        cmocka_unit_test(died_before_the_answer), cmocka_unit_test(before_the_post),
        cmocka_unit_test(the_store_refuses),      cmocka_unit_test(not_sent_after_all),
        cmocka_unit_test(refused_while_marked),   cmocka_unit_test(expires_while_it_is_marked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
