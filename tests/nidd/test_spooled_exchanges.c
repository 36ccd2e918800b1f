/* Requests of a device, and answers to downlinks, that wait in the spool for their server. */
#include "tests/nidd/harness.h"

static void short_spool(struct engine_options *o)
{
    o->spool_lifetime_ms = 10 * MINUTES;
}

static void registration_in_the_spool(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_unreachable(r, 0, ERR_UNREACHABLE);
    uint64_t ref = device_sends_later(r, 0, "CON 0.02 #7 tok 11=rd");
    expect_uplink_answered(r, ref, OK);
    expect_delivered(r, 0, "ACK #7");
    advance(r, MINUTES);
    server_unreachable(r, 0, OK);
    server_comes_back(r, 0);
    advance(r, 100);
    uint16_t mid = expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=rd");
    server_sends(r, 0, 0, "ACK 2.01 #%u tok 8=rd", mid);
    uint16_t answer = expect_delivered(r, 0, "CON 2.01 #* tok 8=rd"); /* the ACK has gone: a message of its own */
    device_sends(r, 0, "ACK #%u", answer);
    assert_int_equal(stored_records(r, RECORD_UPLINK), 0);
    rig_end(r);
}

static void read_then_down(struct rig *r, uint64_t *ref)
{
    server_sends(r, 0, 0, "CON 0.01 #50 tok 11=3");
    expect_at_server(r, 0, 0, "ACK #50");
    uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* tok 11=3");
    server_unreachable(r, 0, ERR_UNREACHABLE);
    *ref = device_sends_later(r, 0, "ACK 2.05 #%u tok |x", mid);
}

/* Some servers take a separate answer and never acknowledge it. That they are there is heard by their pings. */
static void answer_that_nobody_acknowledges(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, "CON 0.01 #50 tok 11=3");
    expect_at_server(r, 0, 0, "ACK #50");
    uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* tok 11=3");
    device_sends(r, 0, "ACK 2.05 #%u tok |x", mid);
    for (unsigned i = 0; i < 60; i++) {
        advance(r, 10 * SECONDS);
        server_sends(r, 0, 0, "CON #%u", 100 + i);
        skip_at_server(r);
    }
    expect_no_submission(r); /* the device is not asked again */
    expect_final(r, last_accepted(r), FINAL_ANSWERED, "unconfirmed");
    assert_int_equal(stored_records(r, RECORD_UPLINK), 0);
    rig_end(r);
}

static void answer_in_the_spool(void **state)
{
    (void)state;
    for (unsigned restart = 0; restart < 2; restart++) {
        struct rig *r = rig_new((struct rig_setup){0});
        uint64_t ref;
        read_then_down(r, &ref);
        expect_uplink_answered(r, ref, OK);
        expect_no_submission(r);
        if (restart)
            rig_restart(r);
        advance(r, 2 * HOURS);
        expect_no_submission(r); /* it has answered: never asked again */
        assert_false(is_final(r, last_accepted(r)));
        server_unreachable(r, 0, OK);
        server_comes_back(r, 0);
        advance(r, 100);
        server_takes(r, 0, "CON 2.05 #* tok |x");
        expect_final(r, last_accepted(r), FINAL_ANSWERED, NULL);
        rig_end(r);
    }
}

static void answer_that_outlives_its_spool(void **state)
{
    (void)state;
    for (unsigned restart = 0; restart < 2; restart++) {
        struct rig *r = rig_new((struct rig_setup){.tune = short_spool});
        uint64_t ref;
        read_then_down(r, &ref);
        expect_uplink_answered(r, ref, OK);
        if (restart)
            rig_restart(r);
        advance(r, 20 * MINUTES);
        expect_final(r, last_accepted(r), FINAL_FAILED, "server_silent");
        rig_end(r);
    }
}

/* The answer could not be kept, and the SCEF was told so. What is still owed in the end is said: 5.04. */
static void answer_that_could_not_be_stored(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    uint64_t ref;
    store_broken(r, ERR_STORE);
    server_unreachable(r, 0, OK);
    store_broken(r, OK);
    server_sends(r, 0, 0, "CON 0.01 #50 tok 11=3");
    expect_at_server(r, 0, 0, "ACK #50");
    uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* tok 11=3");
    store_broken(r, ERR_STORE);
    server_unreachable(r, 0, ERR_UNREACHABLE);
    ref = device_sends_later(r, 0, "ACK 2.05 #%u tok |x", mid);
    expect_uplink_answered(r, ref, ERR_STORE);
    assert_false(is_final(r, last_accepted(r)));
    server_unreachable(r, 0, OK);
    store_broken(r, OK);
    advance(r, MINUTES);
    skip_at_server(r);
    device_sends(r, 0, "ACK 2.05 #%u tok |x", mid); /* the SCEF or the device may bring it again */
    server_takes(r, 0, "CON 2.05 #* tok |x");
    expect_final(r, last_accepted(r), FINAL_ANSWERED, NULL);

    server_sends(r, 0, 0, "CON 0.01 #51 tk2 11=3"); /* and if they do not */
    expect_at_server(r, 0, 0, "ACK #51");
    mid = expect_delivered(r, 0, "CON 0.01 #* tk2 11=3");
    store_broken(r, ERR_STORE);
    server_unreachable(r, 0, ERR_UNREACHABLE);
    ref = device_sends_later(r, 0, "ACK 2.05 #%u tk2 |x", mid);
    expect_uplink_answered(r, ref, ERR_STORE);
    server_unreachable(r, 0, OK);
    store_broken(r, OK);
    advance(r, 23 * HOURS);
    skip_at_server(r);
    skip_submissions(r);
    advance_to_activity(r, 2 * HOURS);
    char text[MESSAGE_TEXT_MAX];
    message_text(peek_at_server(r), true, text);
    assert_memory_equal(text, "CON 5.04 #* tk2", 15);
    server_sends(r, 0, 0, "ACK #%u", expect_at_server(r, 0, 0, text));
    expect_final(r, last_accepted(r), FINAL_EXPIRED, NULL);
    rig_end(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registration_in_the_spool),
        cmocka_unit_test(answer_that_nobody_acknowledges),
        cmocka_unit_test(answer_in_the_spool),
        cmocka_unit_test(answer_that_outlives_its_spool),
        cmocka_unit_test(answer_that_could_not_be_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
