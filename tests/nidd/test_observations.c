/* Notifications of a device with several servers reach the one that observes, whatever the routes say. */
#include <stdio.h>

#include "tests/nidd/harness_internal.h"

static struct rig *two_servers(void)
{
    return rig_new((struct rig_setup){.servers = 3});
}

static unsigned stored(struct rig *r)
{
    return stored_records(r, RECORD_OBSERVATION);
}

/* Server 1 begins to observe; the device agrees if `response` has an Observe option. */
static void observe(struct rig *r, unsigned server_mid, const char *token, const char *response)
{
    char text[64];
    server_sends(r, 0, 1, "CON 0.01 #%u %s 6= 11=3", server_mid, token);
    snprintf(text, sizeof(text), "ACK #%u", server_mid);
    expect_at_server(r, 0, 1, text);
    snprintf(text, sizeof(text), "CON 0.01 #* %s 6= 11=3", token);
    uint16_t mid = expect_delivered(r, 0, text);
    device_sends(r, 0, "ACK %s #%u %s", "2.05", mid, response);
    snprintf(text, sizeof(text), "CON 2.05 #* %s", response);
    mid = expect_at_server(r, 0, 1, text);
    server_sends(r, 0, 1, "ACK #%u", mid);
}

static void notify(struct rig *r, unsigned server, unsigned mid, const char *token)
{
    char text[64];
    device_sends(r, 0, "NON 2.05 #%u %s 6=0x09 |v", mid, token);
    snprintf(text, sizeof(text), "NON 2.05 #* %s 6=0x09 |v", token);
    (void)expect_at_server(r, 0, server, text);
}

static void the_observer_gets_it(void **state)
{
    (void)state;
    struct rig *r = two_servers();
    notify(r, 0, 1, "a"); /* nobody observes by that token: the route */
    observe(r, 70, "a", "a 6=0x01 |1");
    assert_int_equal(device_info(r, 0).observation_count, 1);
    assert_int_equal(stored(r), 1);
    notify(r, 1, 2, "a");
    notify(r, 0, 3, "b");
    device_sends(r, 0, "CON 2.05 #4 a 6=0x0a |2");
    uint16_t mid = expect_at_server(r, 0, 1, "CON 2.05 #* a 6=0x0a |2");
    server_sends(r, 0, 1, "ACK #%u", mid);
    expect_delivered(r, 0, "ACK #4");
    observe(r, 71, "a", "a 6=0x02 |1"); /* a refresh */
    assert_int_equal(device_info(r, 0).observation_count, 1);
    notify(r, 1, 5, "a");
    rig_end(r);
}

static void a_notification_may_come_before_the_response(void **state)
{
    (void)state;
    struct rig *r = two_servers();
    server_sends(r, 0, 1, "NON 0.01 #70 a 6= 11=3");
    expect_delivered(r, 0, "NON 0.01 #* a 6= 11=3");
    notify(r, 1, 2, "a");
    advance(r, 5 * MINUTES);
    notify(r, 1, 3, "a");
    rig_end(r);
}

static void it_outlives_a_restart(void **state)
{
    (void)state;
    struct rig *r = two_servers();
    observe(r, 70, "a", "a 6=0x01 |1");
    rig_restart(r);
    skip_at_server(r);
    assert_int_equal(device_info(r, 0).observation_count, 1);
    notify(r, 1, 2, "a");
    device_sends(r, 0, "NON 4.04 #3 a"); /* the resource is gone */
    (void)expect_at_server(r, 0, 1, "NON 4.04 #* a");
    assert_int_equal(stored(r), 0);
    rig_restart(r);
    notify(r, 0, 4, "a");
    rig_end(r);
}

static void it_ends_when_the_server_says_so(void **state)
{
    (void)state;
    struct rig *r = two_servers();
    observe(r, 70, "a", "a 6=0x01 |1");
    server_sends(r, 0, 1, "CON 0.01 #71 a 6=0x01 11=3");
    expect_at_server(r, 0, 1, "ACK #71");
    uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* a 6=0x01 11=3");
    notify(r, 1, 2, "a"); /* it has not heard of it yet */
    device_sends(r, 0, "ACK 2.05 #%u a |1", mid);
    mid = expect_at_server(r, 0, 1, "CON 2.05 #* a |1");
    server_sends(r, 0, 1, "ACK #%u", mid);
    assert_int_equal(stored(r), 0);
    notify(r, 0, 3, "a");
    rig_end(r);
}

static void it_ends_with_a_reset(void **state)
{
    (void)state;
    struct rig *r = two_servers();
    observe(r, 70, "a", "a 6=0x01 |1");
    device_sends(r, 0, "NON 2.05 #2 a 6=0x02 |2");
    uint16_t mid = expect_at_server(r, 0, 1, "NON 2.05 #* a 6=0x02 |2");
    server_sends(r, 0, 2, "RST #%u", mid); /* another one's word */
    assert_int_equal(stored(r), 1);
    server_sends(r, 0, 1, "RST #%u", mid);
    expect_delivered(r, 0, "RST #2");
    assert_int_equal(device_info(r, 0).observation_count, 0);
    assert_int_equal(stored(r), 0);
    rig_end(r);
}

static void a_device_that_does_not_agree_has_no_observer(void **state)
{
    (void)state;
    struct rig *r = two_servers();
    observe(r, 70, "a", "a |1");
    assert_int_equal(stored(r), 0);
    notify(r, 0, 2, "a");
    rig_end(r);
}

static void the_later_of_two_servers_counts(void **state)
{
    (void)state;
    struct rig *r = two_servers();
    observe(r, 70, "a", "a 6=0x01 |1");
    server_sends(r, 0, 2, "NON 0.01 #70 a 6= 11=3");
    expect_delivered(r, 0, "NON 0.01 #* a 6= 11=3");
    notify(r, 2, 2, "a");
    assert_int_equal(stored(r), 1);
    advance(r, 5 * MINUTES);
    rig_end(r);
}

static void short_lives(struct engine_options *o)
{
    o->downlink.lifetime_ms = 60 * SECONDS;
    o->retry_min_ms = 1000 * SECONDS;
}

static void what_was_never_sent_observes_nothing(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.servers = 2, .tune = short_lives});
    server_sends(r, 0, 1, "CON 0.01 #70 a 6= 11=3");
    expect_at_server(r, 0, 1, "ACK #70");
    unsigned s = expect_submitted(r, 0, "CON 0.01 #* a 6= 11=3");
    submit_refused(r, s, 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    assert_int_equal(stored(r), 1);
    advance(r, 61 * SECONDS);
    uint16_t mid = expect_at_server(r, 0, 1, "CON 5.04 #* a |lifetime over; device not reachable");
    server_sends(r, 0, 1, "ACK #%u", mid);
    assert_int_equal(stored(r), 0);
    rig_end(r);
}

/* The network may have delivered it, whatever became of the answer. */
static void what_was_sent_may_observe(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.servers = 2, .tune = short_lives});
    server_sends(r, 0, 1, "CON 0.01 #70 a 6= 11=3");
    expect_at_server(r, 0, 1, "ACK #70");
    expect_delivered(r, 0, "CON 0.01 #* a 6= 11=3");
    advance(r, 61 * SECONDS);
    skip_submissions(r);
    uint16_t mid = expect_at_server(r, 0, 1, "CON 5.04 #* a |lifetime over; SCEF has not answered");
    server_sends(r, 0, 1, "ACK #%u", mid);
    notify(r, 1, 1, "a");
    rig_end(r);
}

/* A refresh that never reaches the device ends nothing, after a restart neither. */
static void a_refresh_that_was_never_sent_ends_nothing(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.servers = 2, .tune = short_lives});
    observe(r, 70, "a", "a 6=0x01 |1");
    for (unsigned round = 0; round < 2; round++) {
        advance(r, 1 * SECONDS); /* else it was just heard of, and is tried again at once */
        server_sends(r, 0, 1, "CON 0.01 #%u a 6= 11=3", 80 + round);
        expect_at_server(r, 0, 1, round ? "ACK #81" : "ACK #80");
        unsigned s = expect_submitted(r, 0, "CON 0.01 #* a 6= 11=3");
        submit_refused(r, s, 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
        advance(r, 61 * SECONDS);
        uint16_t mid = expect_at_server(r, 0, 1, "CON 5.04 #* a |lifetime over; device not reachable");
        server_sends(r, 0, 1, "ACK #%u", mid);
        assert_int_equal(device_info(r, 0).observation_count, 1);
        rig_restart(r);
    }
    notify(r, 1, 1, "a");
    rig_end(r);
}

static void an_error_ends_it_with_any_options(void **state)
{
    (void)state;
    struct rig *r = two_servers();
    observe(r, 70, "a", "a 6=0x01 |1");
    device_sends(r, 0, "NON 4.04 #3 a 6=0x05");
    (void)expect_at_server(r, 0, 1, "NON 4.04 #* a 6=0x05");
    assert_int_equal(stored(r), 0);
    rig_end(r);
}

/* Another server's exchange with the same token is its own affair. */
static void only_the_observer_ends_it(void **state)
{
    (void)state;
    struct rig *r = two_servers();
    observe(r, 70, "a", "a 6=0x01 |1");
    server_sends(r, 0, 2, "NON 0.01 #71 a 11=4");
    expect_delivered(r, 0, "NON 0.01 #* a 11=4");
    device_sends(r, 0, "NON 2.05 #1 a |2");
    (void)expect_at_server(r, 0, 2, "NON 2.05 #* a |2");
    notify(r, 1, 2, "a");
    rig_end(r);
}

/* A device that does not hear of the reset of its first response goes on, and its notifications are the observer's to
 * reset. */
static void a_reset_of_the_response(struct rig *r, bool separate, const char *type, bool told)
{
    char text[64];
    server_sends(r, 0, 1, "CON 0.01 #70 a 6= 11=3");
    expect_at_server(r, 0, 1, "ACK #70");
    uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* a 6= 11=3");
    if (separate)
        device_sends(r, 0, "ACK #%u", mid);
    device_sends(r, 0, "%s 2.05 #%u a 6=0x01 |1", type, separate ? 5u : mid);
    snprintf(text, sizeof(text), "%s 2.05 #* a 6=0x01 |1", strcmp(type, "ACK") == 0 ? "CON" : type);
    mid = expect_at_server(r, 0, 1, text);
    server_sends(r, 0, 1, "RST #%u", mid);
    if (told)
        expect_delivered(r, 0, "RST #5");
    assert_int_equal(device_info(r, 0).observation_count, !told);
    if (!told) {
        device_sends(r, 0, "NON 2.05 #6 a 6=0x02 |2");
        mid = expect_at_server(r, 0, 1, "NON 2.05 #* a 6=0x02 |2");
        server_sends(r, 0, 1, "RST #%u", mid);
        expect_delivered(r, 0, "RST #6");
    }
    assert_int_equal(stored(r), 0);
    rig_end(r);
}

static void only_a_reset_that_the_device_hears_of_ends_it(void **state)
{
    (void)state;
    a_reset_of_the_response(two_servers(), false, "ACK", false);
    a_reset_of_the_response(two_servers(), true, "CON", true);
}

static void the_oldest_makes_room(void **state)
{
    (void)state;
    struct rig *r = two_servers();
    for (unsigned i = 0; i < 65; i++) {
        char text[16], response[32];
        snprintf(text, sizeof(text), "t%u", i);
        snprintf(response, sizeof(response), "t%u 6=0x01", i);
        observe(r, 100 + i, text, response);
    }
    assert_int_equal(device_info(r, 0).observation_count, 64);
    assert_int_equal(stored(r), 64);
    notify(r, 0, 1, "t0");
    notify(r, 1, 2, "t1");
    notify(r, 1, 3, "t64");
    rig_end(r);
}

static void the_store_gets_it_again(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.servers = 2, .hold_commits = true});
    commit(r);
    server_sends(r, 0, 1, "NON 0.01 #70 a 6= 11=3");
    commit(r);
    expect_delivered(r, 0, "NON 0.01 #* a 6= 11=3");
    device_sends(r, 0, "NON 2.05 #2 a |1"); /* no observation: its record goes */
    (void)expect_at_server(r, 0, 1, "NON 2.05 #* a |1");
    commit_fails(r, ERR_STORE);
    assert_int_equal(stored(r), 1);
    advance(r, 2 * SECONDS);
    commit(r);
    assert_int_equal(stored(r), 0);
    rig_end(r);
}

/* The record of before must not take the new one along, whenever the store lets go of it. */
static void it_ends_and_begins_while_the_store_refuses(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.servers = 3, .hold_commits = true});
    commit(r);
    server_sends(r, 0, 1, "NON 0.01 #70 a 6= 11=3");
    commit(r);
    expect_delivered(r, 0, "NON 0.01 #* a 6= 11=3");
    device_sends(r, 0, "NON 2.05 #1 a |1");
    (void)expect_at_server(r, 0, 1, "NON 2.05 #* a |1");
    commit_fails(r, ERR_STORE);
    server_sends(r, 0, 2, "NON 0.01 #70 a 6= 11=3"); /* before the deletion is asked for again */
    commit(r);
    expect_delivered(r, 0, "NON 0.01 #* a 6= 11=3");
    notify(r, 2, 2, "a");
    advance(r, 2 * SECONDS);
    commit(r);
    assert_int_equal(stored(r), 1);
    rig_restart(r);
    commit(r);
    notify(r, 2, 3, "a");
    rig_abandon(r);
}

static void one_server_needs_no_memory(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, "NON 0.01 #70 a 6= 11=3");
    expect_delivered(r, 0, "NON 0.01 #* a 6= 11=3");
    assert_int_equal(device_info(r, 0).observation_count, 0);
    assert_int_equal(stored(r), 0);
    notify(r, 0, 2, "a");
    advance(r, 5 * MINUTES);
    rig_end(r);
}

static void cannot_be_restored(void **state)
{
    (void)state;
    struct rig *r = two_servers();
    struct record_observation o = {
        .device_id = BYTES_LIT("nobody@x"), .seq = 5, .token = BYTES_LIT("a"), .server = BYTES_LIT("server1")};
    assert_int_equal(engine_restore_observation(rig_engine(r), &o), ERR_UNKNOWN_DEVICE);
    o.device_id = BYTES_LIT("dev0@example.com");
    o.server = BYTES_LIT("gone");
    assert_int_equal(engine_restore_observation(rig_engine(r), &o), ERR_NOT_FOUND);
    o.server = BYTES_LIT("server1");
    assert_int_equal(engine_restore_observation(rig_engine(r), &o), OK);
    assert_int_equal(engine_restore_observation(rig_engine(r), &o), ERR_STORE_CORRUPT);
    o.seq++;
    o.server = BYTES_LIT("server2");
    rig_begin_input(r);
    assert_int_equal(engine_restore_observation(rig_engine(r), &o), OK);
    rig_end_input(r);
    assert_int_equal(device_info(r, 0).observation_count, 1);
    notify(r, 2, 1, "a");
    rig_end(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_observer_gets_it),
                                       cmocka_unit_test(a_notification_may_come_before_the_response),
                                       cmocka_unit_test(it_outlives_a_restart),
                                       cmocka_unit_test(it_ends_when_the_server_says_so),
                                       cmocka_unit_test(it_ends_with_a_reset),
                                       cmocka_unit_test(a_device_that_does_not_agree_has_no_observer),
                                       cmocka_unit_test(the_later_of_two_servers_counts),
                                       cmocka_unit_test(what_was_never_sent_observes_nothing),
                                       cmocka_unit_test(what_was_sent_may_observe),
                                       cmocka_unit_test(a_refresh_that_was_never_sent_ends_nothing),
                                       cmocka_unit_test(an_error_ends_it_with_any_options),
                                       cmocka_unit_test(only_the_observer_ends_it),
                                       cmocka_unit_test(only_a_reset_that_the_device_hears_of_ends_it),
                                       cmocka_unit_test(the_oldest_makes_room),
                                       cmocka_unit_test(the_store_gets_it_again),
                                       cmocka_unit_test(it_ends_and_begins_while_the_store_refuses),
                                       cmocka_unit_test(one_server_needs_no_memory),
                                       cmocka_unit_test(cannot_be_restored)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
