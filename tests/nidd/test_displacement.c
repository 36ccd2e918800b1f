/* Priorities: who goes first, who makes room in a full queue, and what bounds hold over all devices. */
#include <stdio.h>

#include "tests/nidd/harness.h"

/* Server n has priority n; the queue of a device holds three. */
static void three(struct engine_options *o)
{
    o->queue.max_messages = 3;
    o->retry_min_ms = o->retry_max_ms = 1 * HOURS;
}

static void priorities(struct engine *e)
{
    struct engine_downlink entries[RIG_SERVERS];
    const struct engine_policy otherwise = {.lifetime_ms = 24 * HOURS, .priority = QUEUE_PRIORITY_DEFAULT};
    for (uint32_t i = 0; i < RIG_SERVERS; i++)
        entries[i] =
            (struct engine_downlink){.server = i, .policy = {.lifetime_ms = 24 * HOURS, .priority = (uint8_t)i}};
    assert_int_equal(engine_downlinks_replace(e, &otherwise, entries, RIG_SERVERS), OK);
}

static const struct rig_setup setup = {.servers = RIG_SERVERS, .tune = three, .routes = priorities};

/* The device sleeps: the first one is tried and stays in the queue, which is not in flight. */
static struct rig *asleep(struct rig_setup s, unsigned server)
{
    struct rig *r = rig_new(s);
    server_sends(r, 0, server, "NON 0.01 #40 first 11=0");
    submit_refused(r, expect_submitted(r, 0, "NON 0.01 #* first 11=0"), 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    return r;
}

static void wake_up(struct rig *r)
{
    advance(r, 1 * SECONDS);
    device_sends(r, 0, "CON 0.02 #7 up 11=rd");
    expect_at_server(r, 0, 0, "CON 0.02 #* up 11=rd");
}

static uint64_t sends(struct rig *r, unsigned server, unsigned mid)
{
    char want[16];
    server_sends(r, 0, server, "CON 0.03 #%u t%u 11=3 |x", mid, mid);
    snprintf(want, sizeof(want), "ACK #%u", mid);
    expect_at_server(r, 0, server, want);
    return last_accepted(r);
}

/* The same, and t<OLD> of server `from` hears that it makes room. */
static uint64_t displaces(struct rig *r, unsigned server, unsigned mid, unsigned from, unsigned old)
{
    char want[80];
    server_sends(r, 0, server, "CON 0.03 #%u t%u 11=3 |x", mid, mid);
    snprintf(want, sizeof(want), "CON 5.03 #* t%u 14=< |displaced by a request of higher priority", old);
    uint16_t leg = expect_at_server(r, 0, from, want);
    snprintf(want, sizeof(want), "ACK #%u", mid);
    expect_at_server(r, 0, server, want);
    server_sends(r, 0, from, "ACK #%u", leg);
    return last_accepted(r);
}

static void delivers(struct rig *r, unsigned server, unsigned mid)
{
    char text[40];
    snprintf(text, sizeof(text), "CON 0.03 #* t%u 11=3 |x", mid);
    device_sends(r, 0, "ACK 2.04 #%u t%u", expect_delivered(r, 0, text), mid);
    snprintf(text, sizeof(text), "CON 2.04 #* t%u", mid);
    uint16_t leg = expect_at_server(r, 0, server, text);
    server_sends(r, 0, server, "ACK #%u", leg);
}

static void the_greater_goes_first(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.servers = RIG_SERVERS, .routes = priorities});
    unsigned s;
    server_sends(r, 0, 0, "NON 0.01 #40 first 11=0");
    submit_refused(r, s = expect_submitted(r, 0, "NON 0.01 #* first 11=0"), 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    sends(r, 1, 51);
    sends(r, 3, 52);
    sends(r, 1, 53);
    sends(r, 3, 54);
    wake_up(r);
    delivers(r, 3, 52);
    delivers(r, 3, 54);
    delivers(r, 1, 51);
    delivers(r, 1, 53);
    expect_delivered(r, 0, "NON 0.01 #* first 11=0");
    skip_at_server(r);
    rig_abandon(r);
}

/* One that is under way is not overtaken: one in flight. */
static void none_overtakes_what_is_in_flight(void **state)
{
    (void)state;
    struct rig *r = rig_new(setup);
    sends(r, 0, 50);
    unsigned s = expect_submitted(r, 0, "CON 0.03 #* t50 11=3 |x");
    sends(r, 3, 51);
    expect_no_submission(r);
    submit_delivered(r, s);
    expect_no_submission(r);
    device_sends(r, 0, "ACK 2.04 #%u t50", submission_mid(r, s));
    uint16_t leg = expect_at_server(r, 0, 0, "CON 2.04 #* t50");
    server_sends(r, 0, 0, "ACK #%u", leg);
    delivers(r, 3, 51);
    rig_end(r);
}

static void the_youngest_of_the_lowest_makes_room(void **state)
{
    (void)state;
    struct rig *r = asleep(setup, 1);
    const uint64_t first = last_accepted(r);
    uint64_t low = sends(r, 0, 50);
    uint64_t low2 = sends(r, 0, 51);
    server_sends(r, 0, 0, "CON 0.03 #52 tok 11=3 |x"); /* of the lowest itself */
    expect_at_server(r, 0, 0, "ACK 5.03 #52 tok 14=< |queue is full");
    displaces(r, 2, 53, 0, 51);
    expect_final(r, low2, FINAL_DISPLACED, "displaced by a request of higher priority");
    assert_false(is_final(r, low));
    displaces(r, 2, 54, 0, 50);
    expect_final(r, low, FINAL_DISPLACED, NULL);
    server_sends(r, 0, 2, "CON 0.03 #55 t55 11=3 |x");
    expect_at_server(r, 0, 1, "NON 5.03 #* first 14=< |displaced by a request of higher priority");
    expect_at_server(r, 0, 2, "ACK #55");
    expect_final(r, first, FINAL_DISPLACED, NULL);
    server_sends(r, 0, 2, "CON 0.03 #56 tok 11=3 |x"); /* nothing lower is left */
    expect_at_server(r, 0, 2, "ACK 5.03 #56 tok 14=< |queue is full");
    assert_int_equal(stored_records(r, RECORD_DOWNLINK), 3);
    assert_int_equal(totals(r).queued_by_class[QUEUE_REQUEST], 3);
    wake_up(r);
    delivers(r, 2, 53);
    delivers(r, 2, 54);
    delivers(r, 2, 55);
    rig_abandon(r);
}

static void what_is_in_flight_makes_no_room(void **state)
{
    (void)state;
    struct rig *r = rig_new(setup);
    sends(r, 0, 50);
    unsigned s = expect_submitted(r, 0, "CON 0.03 #* t50 11=3 |x");
    sends(r, 2, 51);
    sends(r, 2, 52);
    server_sends(r, 0, 3, "CON 0.03 #53 t53 11=3 |x");
    uint16_t leg = expect_at_server(r, 0, 2, "CON 5.03 #* t52 14=< |displaced by a request of higher priority");
    expect_at_server(r, 0, 3, "ACK #53");
    server_sends(r, 0, 2, "ACK #%u", leg);
    submit_delivered(r, s);
    device_sends(r, 0, "ACK 2.04 #%u t50", submission_mid(r, s));
    leg = expect_at_server(r, 0, 0, "CON 2.04 #* t50");
    server_sends(r, 0, 0, "ACK #%u", leg);
    delivers(r, 3, 53);
    delivers(r, 2, 51);
    rig_end(r);
}

static void few_bytes(struct engine_options *o)
{
    three(o);
    o->queue.max_messages = 100;
    o->queue.max_bytes = 200;
}

static void several_make_room_for_a_large_one(void **state)
{
    (void)state;
    struct rig *r = asleep((struct rig_setup){.servers = RIG_SERVERS, .tune = few_bytes, .routes = priorities}, 3);
    for (unsigned i = 0; i < 4; i++) {
        server_sends(r, 0, 0, "NON 0.03 #%u t%u 11=3 |~30", 50 + i, i);
        expect_nothing_at_server(r);
    }
    server_sends(r, 0, 1, "NON 0.03 #60 big 11=3 |~185"); /* would not fit if they all went */
    expect_at_server(r, 0, 1, "NON 5.03 #* big 14=< |queue is full");
    assert_int_equal(event_count(r, ENGINE_FINAL, NULL), 0);
    server_sends(r, 0, 1, "NON 0.03 #61 big 11=3 |~120");
    assert_int_equal(event_count(r, ENGINE_FINAL, NULL), 3);
    expect_at_server(r, 0, 0, "NON 5.03 #* t3 14=< |displaced by a request of higher priority");
    expect_at_server(r, 0, 0, "NON 5.03 #* t2 14=< |displaced by a request of higher priority");
    expect_at_server(r, 0, 0, "NON 5.03 #* t1 14=< |displaced by a request of higher priority");
    assert_int_equal(device_info(r, 0).queue_messages, 3);
    rig_abandon(r);
}

/* A restart in the middle finds either the old one or the new one. */
static void both_or_none_is_never_stored(void **state)
{
    (void)state;
    for (int committed = 0; committed < 2; committed++) {
        struct rig_setup s = setup;
        s.hold_commits = true;
        struct rig *r = rig_new(s);
        commit(r);
        for (unsigned i = 0; i < 3; i++)
            server_sends(r, 0, 0, "NON 0.03 #%u t%u 11=3 |x", 50 + i, i);
        commit(r);
        submit_refused(r, expect_submitted(r, 0, "NON 0.03 #* t0 11=3 |x"), 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
        server_sends(r, 0, 3, "NON 0.03 #60 new 11=3 |y");
        expect_at_server(r, 0, 0, "NON 5.03 #* t2 14=< |displaced by a request of higher priority");
        if (committed)
            commit(r);
        struct record_message m;
        assert_int_equal(stored_records(r, RECORD_DOWNLINK), 3);
        stored_message(r, RECORD_DOWNLINK, 2, &m);
        assert_int_equal(m.message.data[m.message.len - 1], committed ? 'y' : 'x');
        assert_int_equal(m.priority, committed ? 3 : 0);
        rig_abandon(r);
    }
}

static void restored_queues_keep_their_order(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.servers = RIG_SERVERS, .routes = priorities});
    server_sends(r, 0, 0, "NON 0.01 #40 first 11=0");
    submit_refused(r, expect_submitted(r, 0, "NON 0.01 #* first 11=0"), 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    sends(r, 1, 51);
    sends(r, 3, 52);
    sends(r, 1, 53);
    sends(r, 3, 54);
    rig_restart(r);
    advance(r, 1 * SECONDS);
    delivers(r, 3, 52);
    delivers(r, 3, 54);
    delivers(r, 1, 51);
    delivers(r, 1, 53);
    expect_delivered(r, 0, "NON 0.01 #* first 11=0");
    rig_abandon(r);
}

/* While the store refuses, the newcomer might be refused after all: nobody makes room for it. */
static void nobody_makes_room_while_the_store_refuses(void **state)
{
    (void)state;
    struct rig_setup two = setup;
    two.devices = 2;
    struct rig *r = asleep(two, 0);
    sends(r, 0, 50);
    sends(r, 0, 51);
    store_broken(r, ERR_STORE);
    server_sends(r, 1, 0, "CON 0.03 #50 tok 11=3 |x"); /* so it is found out */
    expect_at_server(r, 1, 0, "ACK 5.03 #50 tok 14=< |store cannot take it now");
    server_sends(r, 0, 1, "CON 0.03 #52 t52 11=3 |x");
    expect_at_server(r, 0, 1, "ACK 5.03 #52 t52 14=< |queue is full");
    assert_int_equal(event_count(r, ENGINE_FINAL, NULL), 0);
    store_broken(r, OK);
    advance(r, 2 * SECONDS);
    displaces(r, 1, 53, 0, 51);
    rig_abandon(r);
}

/* ---- over all devices */

static void four_in_all(struct engine_options *o)
{
    o->queue_total_messages = 4;
    o->retry_min_ms = o->retry_max_ms = 1 * HOURS;
}

static void bound_over_all_devices(void **state)
{
    (void)state;
    struct rig *r =
        rig_new((struct rig_setup){.devices = 3, .servers = RIG_SERVERS, .tune = four_in_all, .routes = priorities});
    for (unsigned i = 0; i < 4; i++) {
        server_sends(r, i % 2, 0, "NON 0.03 #%u t%u 11=3 |x", 50 + i, i);
        if (i < 2)
            submit_refused(r, expect_submitted(r, i, NULL), 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    }
    server_sends(r, 2, 0, "NON 0.03 #50 t5 11=3 |x");
    expect_at_server(r, 2, 0, "NON 5.03 #* t5 14=< |queue is full");
    server_sends(r, 2, 3, "NON 0.03 #50 t6 11=3 |x"); /* there is nothing to displace in its own device's queue */
    expect_at_server(r, 2, 3, "NON 5.03 #* t6 14=< |queue is full");
    server_sends(r, 0, 3, "NON 0.03 #60 t7 11=3 |x");
    expect_at_server(r, 0, 0, "NON 5.03 #* t2 14=< |displaced by a request of higher priority");
    assert_int_equal(totals(r).queued_messages, 4);
    /* The device's own business goes on. */
    device_sends(r, 2, "CON 0.02 #7 up 11=rd");
    uint16_t leg = expect_at_server(r, 2, 0, "CON 0.02 #* up 11=rd");
    server_sends(r, 2, 0, "CON 2.04 #70 up");
    expect_at_server(r, 2, 0, "ACK #70");
    (void)leg;
    expect_delivered(r, 2, "ACK 2.04 #7 up");
    rig_abandon(r);
}

static void bytes_in_all(struct engine_options *o)
{
    o->queue_total_bytes = 150;
    o->retry_min_ms = o->retry_max_ms = 1 * HOURS;
}

static void bound_in_bytes_over_all_devices(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.devices = 2, .tune = bytes_in_all});
    server_sends(r, 0, 0, "NON 0.03 #50 t0 11=3 |~100");
    submit_refused(r, expect_submitted(r, 0, NULL), 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    server_sends(r, 1, 0, "NON 0.03 #51 t1 11=3 |~60");
    expect_at_server(r, 1, 0, "NON 5.03 #* t1 14=< |queue is full");
    server_sends(r, 1, 0, "NON 0.03 #52 t2 11=3 |~20");
    expect_submitted(r, 1, NULL);
    rig_abandon(r);
}

static void two_spooled(struct engine_options *o)
{
    o->spool_total_messages = 2;
}

static void spool_bytes(struct engine_options *o)
{
    o->spool_total_bytes = 100;
}

static void spool_bound_over_all_devices(void **state)
{
    (void)state;
    for (int bytes = 0; bytes < 2; bytes++) {
        struct rig *r = rig_new((struct rig_setup){.devices = 3, .tune = bytes ? spool_bytes : two_spooled});
        server_unreachable(r, 0, ERR_UNREACHABLE);
        for (unsigned i = 0; i < 2; i++)
            expect_uplink_answered(r, device_sends_later(r, i, "CON 2.05 #7 tok |~30"), OK);
        device_sends_refused(r, 2, ERR_UNREACHABLE, "CON 2.05 #7 tok |~40");
        assert_int_equal(totals(r).spooled_messages, 2);
        assert_int_equal(totals(r).spooled_bytes, 2 * (4 + 3 + 1 + 30));
        skip_submissions(r);
        server_unreachable(r, 0, OK);
        server_comes_back(r, 0);
        skip_at_server(r);
        rig_abandon(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_greater_goes_first),
        cmocka_unit_test(none_overtakes_what_is_in_flight),
        cmocka_unit_test(the_youngest_of_the_lowest_makes_room),
        cmocka_unit_test(what_is_in_flight_makes_no_room),
        cmocka_unit_test(several_make_room_for_a_large_one),
        cmocka_unit_test(both_or_none_is_never_stored),
        cmocka_unit_test(restored_queues_keep_their_order),
        cmocka_unit_test(nobody_makes_room_while_the_store_refuses),
        cmocka_unit_test(bound_over_all_devices),
        cmocka_unit_test(bound_in_bytes_over_all_devices),
        cmocka_unit_test(spool_bound_over_all_devices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
