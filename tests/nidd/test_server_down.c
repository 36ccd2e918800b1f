/* A server that is not there: uplinks are stored in order, with a bound and a lifetime, acknowledged once they are
 * stored, and flow again when it is back. */
#include <stdio.h>

#include "tests/nidd/harness.h"

/* Device 0 sends a CON notification that server 0 never reacts to: found down. The notification is in the spool. */
static void find_down(struct rig *r)
{
    device_sends(r, 0, "CON 2.05 #1 obs 6=0x01 |1");
    uint16_t mid = expect_at_server(r, 0, 0, "CON 2.05 #* obs 6=0x01 |1");
    for (unsigned i = 0; i < 4; i++) {
        advance_to_activity(r, MINUTES);
        assert_int_equal(expect_at_server(r, 0, 0, "CON 2.05 #* obs 6=0x01 |1"), mid);
        expect_no_submission(r);
    }
    assert_true(engine_server_up(rig_engine(r), 0));
    advance_to_activity(r, MINUTES);
    expect_delivered(r, 0, "ACK #1"); /* stored: the device may sleep */
    assert_false(engine_server_up(rig_engine(r), 0));
    assert_int_equal(stored_records(r, RECORD_UPLINK), 1);
    assert_int_equal(device_info(r, 0).spooled_messages, 1);
}

static void down_and_back(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    find_down(r);
    assert_int_equal(event_count(r, ENGINE_SERVER_STATE, NULL), 1);
    for (unsigned i = 0; i < 5; i++) { /* asked every 5 s, by an empty CON, which changes nothing there */
        assert_in_range(advance_to_activity(r, 6 * SECONDS), 4 * SECONDS, 6 * SECONDS);
        expect_at_server(r, 0, 0, "CON #*");
    }
    server_comes_back(r, 0);
    server_takes(r, 0, "CON 2.05 #* obs 6=0x01 |1");
    assert_int_equal(stored_records(r, RECORD_UPLINK), 0);
    advance(r, 10 * MINUTES);
    expect_no_submission(r); /* the device has had its ACK */
    assert_int_equal(nas_messages(r, 0), 2);
    rig_end(r);
}

static void any_word_of_the_server_will_do(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.devices = 2});
    find_down(r);
    server_sends(r, 1, 0, "CON 0.01 #50 tok 11=3"); /* to another device */
    expect_at_server(r, 1, 0, "ACK #50");
    assert_true(engine_server_up(rig_engine(r), 0));
    expect_delivered(r, 1, "CON 0.01 #* tok 11=3");
    advance(r, 100);
    server_takes(r, 0, "CON 2.05 #* obs 6=0x01 |1");
    rig_abandon(r);
}

static void stored_while_down_and_flushed_in_order(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.hold_commits = true});
    commit(r);
    device_sends(r, 0, "CON 2.05 #1 obs 6=0x01 |1");
    for (unsigned i = 0; i < 5; i++) {
        expect_at_server(r, 0, 0, "CON 2.05 #* obs 6=0x01 |1");
        if (i < 4)
            advance_to_activity(r, MINUTES);
    }
    advance(r, 48 * SECONDS);
    commit(r);
    expect_delivered(r, 0, "ACK #1");
    uint64_t a = device_sends_later(r, 0, "CON 2.05 #2 obs 6=0x02 |2");
    uint64_t b = device_sends_later(r, 0, "NON 2.05 #3 obs 6=0x03 |3");
    expect_no_submission(r);
    assert_int_equal(event_count(r, ENGINE_SPOOLED, NULL), 1);
    device_sends_refused(r, 0, ERR_UNREACHABLE, "CON 2.05 #2 obs 6=0x02 |2"); /* not stored yet: neither is this */
    commit(r);
    expect_uplink_answered(r, a, OK);
    expect_uplink_answered(r, b, OK);
    expect_delivered(r, 0, "ACK #2");
    expect_no_submission(r); /* a NON wants none */
    device_sends(r, 0, "CON 2.05 #2 obs 6=0x02 |2");
    expect_delivered(r, 0, "ACK #2"); /* had lost it */
    assert_int_equal(stored_records(r, RECORD_UPLINK), 3);
    while (peek_is_ping(r))
        expect_at_server(r, 0, 0, "CON #*");
    server_comes_back(r, 0);
    advance(r, 100);
    uint16_t mid1 = expect_at_server(r, 0, 0, "CON 2.05 #* obs 6=0x01 |1");
    uint16_t mid2 = expect_at_server(r, 0, 0, "CON 2.05 #* obs 6=0x02 |2");
    expect_at_server(r, 0, 0, "NON 2.05 #* obs 6=0x03 |3");
    assert_int_not_equal(mid1, mid2);
    server_sends(r, 0, 0, "ACK #%u", mid2);
    server_sends(r, 0, 0, "ACK #%u", mid1);
    commit(r);
    advance(r, 10 * MINUTES);
    expect_no_submission(r);
    rig_end(r);
}

/* Uplinks that come while others are still in line do not overtake them. */
static void newcomers_stand_behind(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.devices = 3});
    server_unreachable(r, 0, ERR_UNREACHABLE);
    for (unsigned i = 0; i < 100; i++)
        device_sends_later(r, 1 + i % 2, "NON 2.05 #%u obs 6=0x02 |x", 100 + i);
    device_sends_later(r, 0, "CON 2.05 #2 obs 6=0x02 |2");
    skip_uplink_answers(r);
    expect_delivered(r, 0, "ACK #2");
    server_unreachable(r, 0, OK);
    advance_to_activity(r, 6 * SECONDS);
    server_sends(r, 1, 0, "RST #%u", expect_at_server(r, 1, 0, "CON #*"));
    uint64_t ref = device_sends_later(r, 0, "CON 2.05 #3 obs 6=0x03 |3"); /* some are out already, the second is not */
    expect_uplink_answered(r, ref, OK);
    expect_delivered(r, 0, "ACK #3");
    advance(r, 1 * SECONDS);
    for (unsigned i = 0; i < 100; i++)
        expect_at_server(r, 1 + i % 2, 0, "NON 2.05 #* obs 6=0x02 |x");
    uint16_t mids[2];
    mids[0] = expect_at_server(r, 0, 0, "CON 2.05 #* obs 6=0x02 |2");
    mids[1] = expect_at_server(r, 0, 0, "CON 2.05 #* obs 6=0x03 |3");
    for (unsigned i = 0; i < 2; i++)
        server_sends(r, 0, 0, "ACK #%u", mids[i]);
    rig_end(r);
}

/* ICMP unreachable and the like: known at once. */
static void unreachable_at_once(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_unreachable(r, 0, ERR_UNREACHABLE);
    uint64_t a = device_sends_later(r, 0, "CON 2.05 #1 obs 6=0x01 |1");
    expect_uplink_answered(r, a, OK);
    expect_delivered(r, 0, "ACK #1");
    assert_false(engine_server_up(rig_engine(r), 0));
    uint64_t b = device_sends_later(r, 0, "NON 2.05 #2 obs 6=0x02 |2");
    expect_uplink_answered(r, b, OK);
    advance(r, 2 * MINUTES);
    expect_nothing_at_server(r);
    server_unreachable(r, 0, OK);
    server_comes_back(r, 0);
    advance(r, 100);
    server_takes(r, 0, "CON 2.05 #* obs 6=0x01 |1");
    expect_at_server(r, 0, 0, "NON 2.05 #* obs 6=0x02 |2");
    rig_end(r);
}

static void full_socket(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_unreachable(r, 0, ERR_SYSTEM);
    uint64_t a = device_sends_later(r, 0, "NON 2.05 #1 obs 6=0x01 |1");
    expect_uplink_answered(r, a, OK);
    server_unreachable(r, 0, OK);
    struct message m = message_of("NON 2.05 #2 obs 6=0x02 |2");
    enum error err;
    (void)device_sends_bytes(r, 0, message_bytes(&m), &err);
    advance(r, 10 * SECONDS);
    skip_uplink_answers(r);
    expect_at_server(r, 0, 0, "NON 2.05 #* obs 6=0x01 |1"); /* in order */
    expect_at_server(r, 0, 0, "NON 2.05 #* obs 6=0x02 |2");
    rig_end(r);
}

static void small_spool(struct engine_options *o)
{
    o->spool_max_messages = 2;
}

static void bound(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.tune = small_spool, .devices = 2});
    find_down(r);
    uint64_t ref = device_sends_later(r, 0, "CON 2.05 #2 obs 6=0x02 |2");
    expect_uplink_answered(r, ref, OK);
    expect_delivered(r, 0, "ACK #2");
    device_sends_refused(r, 0, ERR_UNREACHABLE, "CON 2.05 #3 obs 6=0x03 |3");
    device_sends_refused(r, 0, ERR_UNREACHABLE, "NON 2.05 #4 obs 6=0x04 |4");
    ref = device_sends_later(r, 1, "CON 2.05 #3 obs 6=0x03 |3"); /* the bound is a device's own */
    expect_uplink_answered(r, ref, OK);
    expect_delivered(r, 1, "ACK #3");
    assert_int_equal(device_info(r, 0).spooled_messages, 2);
    assert_int_equal(stored_records(r, RECORD_UPLINK), 3);
    server_comes_back(r, 0);
    advance(r, 100);
    uint16_t mid = expect_at_server(r, 0, 0, "CON 2.05 #* obs 6=0x01 |1");
    server_sends(r, 0, 0, "ACK #%u", mid);
    mid = expect_at_server(r, 0, 0, "CON 2.05 #* obs 6=0x02 |2");
    server_sends(r, 0, 0, "ACK #%u", mid);
    mid = expect_at_server(r, 1, 0, "CON 2.05 #* obs 6=0x03 |3");
    server_sends(r, 1, 0, "ACK #%u", mid);
    device_sends(r, 0, "CON 2.05 #3 obs 6=0x03 |3"); /* the refused one was not remembered as seen */
    server_takes(r, 0, "CON 2.05 #* obs 6=0x03 |3");
    expect_delivered(r, 0, "ACK #3");
    rig_end(r);
}

static void store_refuses(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.hold_commits = true});
    commit(r);
    server_unreachable(r, 0, ERR_UNREACHABLE);
    uint64_t a = device_sends_later(r, 0, "CON 2.05 #1 obs 6=0x01 |1");
    commit_fails(r, ERR_STORE);
    expect_uplink_answered(r, a, ERR_STORE);
    expect_no_submission(r); /* not acknowledged: the device keeps it and repeats */
    assert_int_equal(totals(r).spooled_messages, 0);
    a = device_sends_later(r, 0, "CON 2.05 #1 obs 6=0x01 |1");
    commit(r);
    expect_uplink_answered(r, a, OK);
    expect_delivered(r, 0, "ACK #1");
    advance(r, 2 * SECONDS);
    commit(r);
    assert_int_equal(stored_records(r, RECORD_UPLINK), 1);
    rig_abandon(r);
}

/* The server has all of it before the store has any. */
static void back_before_the_store_has_answered(void **state)
{
    (void)state;
    for (unsigned fails = 0; fails < 2; fails++) {
        struct rig *r = rig_new((struct rig_setup){.hold_commits = true});
        commit(r);
        server_unreachable(r, 0, ERR_UNREACHABLE);
        uint64_t a = device_sends_later(r, 0, "CON 2.05 #1 obs 6=0x01 |1");
        uint64_t b = device_sends_later(r, 0, "NON 2.05 #2 obs 6=0x01 |2");
        server_unreachable(r, 0, OK);
        server_sends(r, 0, 0, "CON #90");
        expect_at_server(r, 0, 0, "RST #90");
        advance(r, 10);
        uint16_t mid = expect_at_server(r, 0, 0, "CON 2.05 #* obs 6=0x01 |1");
        expect_at_server(r, 0, 0, "NON 2.05 #* obs 6=0x01 |2");
        server_sends(r, 0, 0, "ACK #%u", mid);
        expect_delivered(r, 0, "ACK #1");
        if (fails)
            commit_fails(r, ERR_STORE);
        else
            commit(r);
        expect_uplink_answered(r, a, fails ? ERR_STORE : OK);
        expect_uplink_answered(r, b, fails ? ERR_STORE : OK);
        advance(r, 5 * SECONDS);
        commit(r);
        expect_no_submission(r);
        rig_end(r);
    }
}

static void short_spool(struct engine_options *o)
{
    o->spool_lifetime_ms = 10 * MINUTES;
}

static void lifetime(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.tune = short_spool});
    find_down(r);
    advance(r, 9 * MINUTES);
    skip_at_server(r);
    assert_int_equal(totals(r).spooled_messages, 1);
    advance(r, 90 * SECONDS);
    skip_at_server(r);
    assert_int_equal(totals(r).spooled_messages, 0);
    assert_int_equal(stored_records(r, RECORD_UPLINK), 0);
    assert_int_equal(event_count(r, ENGINE_DROPPED, "spool_lifetime_over"), 1);
    rig_end(r);
}

/* Lifetimes hold: a server that answers pings but takes nothing does not make a message live for ever. */
static void lifetime_with_a_server_that_only_answers_pings(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.tune = short_spool});
    find_down(r);
    uint64_t end = rig_now(r) + 20 * MINUTES;
    while (totals(r).spooled_messages && rig_now(r) < end) {
        advance(r, 1 * SECONDS);
        while (at_server(r)) {
            if (peek_is_ping(r)) {
                uint16_t ping = expect_at_server(r, 0, 0, "CON #*");
                server_sends(r, 0, 0, "RST #%u", ping);
            } else {
                expect_at_server(r, 0, 0, "CON 2.05 #* obs 6=0x01 |1");
            }
        }
    }
    assert_int_equal(totals(r).spooled_messages, 0);
    assert_int_equal(stored_records(r, RECORD_UPLINK), 0);
    assert_true(rig_now(r) < end);
    rig_end(r);
}

/* One message that gets no ACK while others do is not the server's death. */
static void one_message_unheard(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    device_sends(r, 0, "CON 2.05 #1 obs 6=0x01 |1");
    for (unsigned i = 0; i < 5; i++) {
        expect_at_server(r, 0, 0, "CON 2.05 #* obs 6=0x01 |1");
        if (i < 4)
            advance_to_activity(r, MINUTES);
    }
    server_sends(r, 0, 0, "CON #90");
    expect_at_server(r, 0, 0, "RST #90");
    advance_to_activity(r, MINUTES); /* kept all the same */
    expect_delivered(r, 0, "ACK #1");
    assert_true(engine_server_up(rig_engine(r), 0));
    advance_to_activity(r, MINUTES);
    server_takes(r, 0, "CON 2.05 #* obs 6=0x01 |1"); /* under a new Message ID */
    rig_end(r);
}

static void reset_of_a_spooled_notification(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    find_down(r);
    server_comes_back(r, 0);
    advance(r, 100);
    uint16_t mid = expect_at_server(r, 0, 0, "CON 2.05 #* obs 6=0x01 |1");
    server_sends(r, 0, 0, "RST #%u", mid); /* it has restarted and knows no observation */
    expect_delivered(r, 0, "RST #1");
    rig_end(r);
}

/* --- restart with a spool ------------------------------------------------------------------------------ */

static void restart_with_a_spool(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    find_down(r);
    uint64_t ref = device_sends_later(r, 0, "NON 2.05 #2 obs 6=0x02 |2");
    expect_uplink_answered(r, ref, OK);
    ref = device_sends_later(r, 0, "CON 2.05 #3 obs 6=0x03 |3");
    expect_uplink_answered(r, ref, OK);
    expect_delivered(r, 0, "ACK #3");
    skip_at_server(r);
    rig_restart(r);
    assert_int_equal(device_info(r, 0).spooled_messages, 3 - 1); /* the NON has left at once */
    server_takes(r, 0, "CON 2.05 #* obs 6=0x01 |1");
    expect_at_server(r, 0, 0, "NON 2.05 #* obs 6=0x02 |2");
    device_sends(r, 0, "CON 2.05 #3 obs 6=0x03 |3"); /* the device had lost its ACK */
    expect_delivered(r, 0, "ACK #3");
    server_takes(r, 0, "CON 2.05 #* obs 6=0x03 |3");
    expect_nothing_at_server(r);
    advance(r, 5 * MINUTES);
    rig_end(r);
}

static void restart_and_still_down(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.tune = short_spool});
    find_down(r);
    skip_at_server(r);
    advance(r, 5 * MINUTES);
    skip_at_server(r);
    rig_restart(r);
    advance(r, 3 * MINUTES);
    skip_at_server(r);
    assert_int_equal(stored_records(r, RECORD_UPLINK), 1);
    assert_false(engine_server_up(rig_engine(r), 0));
    advance(r, 3 * MINUTES); /* eleven minutes in all: its lifetime has gone on */
    skip_at_server(r);
    assert_int_equal(stored_records(r, RECORD_UPLINK), 0);
    assert_int_equal(event_count(r, ENGINE_DROPPED, "spool_lifetime_over"), 1);
    rig_end(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(down_and_back),
        cmocka_unit_test(any_word_of_the_server_will_do),
        cmocka_unit_test(stored_while_down_and_flushed_in_order),
        cmocka_unit_test(newcomers_stand_behind),
        cmocka_unit_test(unreachable_at_once),
        cmocka_unit_test(full_socket),
        cmocka_unit_test(bound),
        cmocka_unit_test(store_refuses),
        cmocka_unit_test(back_before_the_store_has_answered),
        cmocka_unit_test(lifetime),
        cmocka_unit_test(lifetime_with_a_server_that_only_answers_pings),
        cmocka_unit_test(one_message_unheard),
        cmocka_unit_test(reset_of_a_spooled_notification),
        cmocka_unit_test(restart_with_a_spool),
        cmocka_unit_test(restart_and_still_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
