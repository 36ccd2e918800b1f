/* Many devices that look alike, and peers that want more than there is: nothing is mixed up, memory stays bounded. */
#include <stdio.h>

#include "tests/nidd/harness.h"

#define DEVICES 50

/* Fifty devices with the same Message IDs and tokens, all at once, in both directions. */
static void equal_message_ids_and_tokens(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.devices = DEVICES});
    uint16_t up[DEVICES];
    uint16_t down[DEVICES];
    uint16_t leg[DEVICES];
    for (unsigned i = 0; i < DEVICES; i++) {
        char text[64];
        device_sends(r, i, "CON 0.02 #7 tok 11=rd |%u", i);
        snprintf(text, sizeof(text), "CON 0.02 #* tok 11=rd |%u", i);
        up[i] = expect_at_server(r, i, 0, text);
        server_sends(r, i, 0, "CON 0.01 #50 tok 11=3 |%u", i);
        expect_at_server(r, i, 0, "ACK #50");
        snprintf(text, sizeof(text), "CON 0.01 #* tok 11=3 |%u", i);
        down[i] = expect_delivered(r, i, text);
    }
    for (unsigned n = 0; n < DEVICES; n++) {
        unsigned i = (n * 7) % DEVICES;
        char text[64];
        server_sends(r, i, 0, "ACK 2.01 #%u tok |%u", up[i], i);
        snprintf(text, sizeof(text), "ACK 2.01 #7 tok |%u", i);
        expect_delivered(r, i, text);
    }
    for (unsigned n = 0; n < DEVICES; n++) {
        unsigned i = (n * 11) % DEVICES;
        char text[64];
        device_sends(r, i, "ACK 2.05 #%u tok |%u", down[i], i);
        snprintf(text, sizeof(text), "CON 2.05 #* tok |%u", i);
        leg[i] = expect_at_server(r, i, 0, text);
    }
    for (unsigned n = 0; n < DEVICES; n++) {
        unsigned i = (n * 13) % DEVICES;
        server_sends(r, i, 0, "ACK #%u", leg[i]);
        assert_int_equal(nas_messages(r, i), 4);
    }
    assert_int_equal(event_count(r, ENGINE_FINAL, NULL), 2 * DEVICES);
    rig_end(r);
}

/* Several requests of one device at once, answered in any order, by token. */
static void exchanges_of_one_device(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    uint16_t mids[10];
    for (unsigned i = 0; i < 10; i++) {
        char text[64];
        device_sends(r, 0, "CON 0.05 #%u t%u 11=dp", 100 + i, i);
        snprintf(text, sizeof(text), "CON 0.05 #* t%u 11=dp", i);
        mids[i] = expect_at_server(r, 0, 0, text);
        server_sends(r, 0, 0, "ACK #%u", mids[i]);
    }
    for (unsigned n = 0; n < 10; n++) {
        unsigned i = (n * 3) % 10;
        char text[64];
        server_sends(r, 0, 0, "NON 2.05 #%u t%u |%u", 900 + i, i, i);
        snprintf(text, sizeof(text), "ACK 2.05 #%u t%u |%u", 100 + i, i, i);
        expect_delivered(r, 0, text);
    }
    rig_end(r);
}

static void few_exchanges(struct engine_options *o)
{
    o->max_exchanges = 8;
    o->queue.max_messages = 4;
    o->spool_max_messages = 4;
}

static void exchanges_are_bounded(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.tune = few_exchanges});
    for (unsigned i = 0; i < 1000; i++) {
        device_sends(r, 0, "NON 0.02 #%u t%u 11=dp", i, i % 100);
        device_sends(r, 0, "CON 0.02 #%u t%u 11=dp", 2000 + i, i % 100);
        server_sends(r, 0, 0, "NON 0.01 #%u t%u 11=3", i, i % 100);
        server_sends(r, 0, 0, "CON 0.01 #%u t%u 11=3", 2000 + i, i % 100);
        skip_at_server(r);
        assert_true(totals(r).exchanges <= 8 + 4 + 4);
        assert_true(totals(r).queued_messages <= 4 + QUEUE_ANSWER_RESERVE);
    }
    /* The one that was forgotten least recently is answered still. */
    device_sends(r, 0, "CON 0.02 #7 tok 11=rd");
    uint16_t mid = expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=rd");
    skip_submissions(r);
    server_sends(r, 0, 0, "ACK 2.04 #%u tok", mid);
    expect_delivered(r, 0, "ACK 2.04 #7 tok");
    skip_submissions(r);
    skip_at_server(r);
    rig_abandon(r);
}

/* A busy device: what is done is forgotten before what still waits. */
static void an_open_request_outlives_what_is_done(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.tune = few_exchanges});
    device_sends(r, 0, "CON 0.02 #7 tok 11=rd");
    uint16_t first = expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=rd");
    server_sends(r, 0, 0, "ACK #%u", first);
    for (unsigned i = 0; i < 50; i++) {
        device_sends(r, 0, "NON 2.05 #%u obs 6=0x01 |x", 100 + i);
        expect_at_server(r, 0, 0, "NON 2.05 #* obs 6=0x01 |x");
    }
    server_sends(r, 0, 0, "CON 2.01 #900 tok");
    expect_at_server(r, 0, 0, "ACK #900");
    expect_delivered(r, 0, "ACK 2.01 #7 tok");
    rig_end(r);
}

/* Pings in a row while the network takes nothing: answers have a reserve, and no more. */
static void acknowledgements_are_bounded(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.tune = few_exchanges, .hold_configurations = true});
    for (unsigned i = 0; i < 1000; i++)
        device_sends(r, 0, "CON #%u", i);
    assert_true(device_info(r, 0).queue_messages <= 4 + QUEUE_ANSWER_RESERVE);
    assert_true(event_count(r, ENGINE_DROPPED, "queue_full") >= 1000 - 4 - QUEUE_ANSWER_RESERVE);
    advance(r, 10 * MINUTES);
    assert_int_equal(device_info(r, 0).queue_messages, 0);
    rig_end(r);
}

/* CONs used up in vain with the spool full: dropped and said so; the answer to a downlink gets its final state. */
static void spool_is_full_when_the_server_falls_silent(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.tune = few_exchanges});
    server_sends(r, 0, 0, "CON 0.01 #50 tok 11=3");
    expect_at_server(r, 0, 0, "ACK #50");
    uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* tok 11=3");
    for (unsigned i = 0; i < 4; i++)
        device_sends(r, 0, "CON 2.05 #%u obs 6=0x01 |x", 100 + i);
    device_sends(r, 0, "ACK 2.05 #%u tok |x", mid);
    advance(r, 2 * MINUTES);
    skip_at_server(r);
    skip_submissions(r);
    assert_int_equal(device_info(r, 0).spooled_messages, 4);
    assert_int_equal(event_count(r, ENGINE_DROPPED, "server_silent"), 1);
    if (is_final(r, last_accepted(r)))
        expect_final(r, last_accepted(r), FINAL_FAILED, "server_silent");
    advance(r, 25 * HOURS);
    skip_at_server(r);
    skip_submissions(r);
    assert_true(is_final(r, last_accepted(r)));
    rig_end(r);
}

/* An answer that found no room is remembered: the device repeats its request and gets it then. */
static void answers_that_found_no_room(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.hold_configurations = true});
    unsigned room = 64;
    for (unsigned i = 0; i < room + 2; i++) {
        char text[64];
        device_sends(r, 0, "CON 0.02 #%u t%u 11=dp", i, i);
        snprintf(text, sizeof(text), "CON 0.02 #* t%u 11=dp", i);
        server_sends(r, 0, 0, "ACK 2.04 #%u t%u", expect_at_server(r, 0, 0, text), i);
    }
    assert_int_equal(device_info(r, 0).queue_messages, room);
    configuration_granted(r, expect_configuration_create(r), "c0", 0);
    for (unsigned i = 0; i < room; i++) {
        char text[64];
        snprintf(text, sizeof(text), "ACK 2.04 #%u t%u", i, i);
        expect_delivered(r, 0, text);
    }
    expect_no_submission(r);
    device_sends(r, 0, "CON 0.02 #65 t65 11=dp");
    expect_nothing_at_server(r);
    expect_delivered(r, 0, "ACK 2.04 #65 t65");
    rig_end(r);
}

static void short_lifetimes(struct engine_options *o)
{
    o->downlink.lifetime_ms = 20 * MINUTES;
    o->spool_lifetime_ms = 20 * MINUTES;
}

/* Nothing of all this is left behind when time has passed. */
static void everything_is_forgotten_in_the_end(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.devices = 10, .tune = short_lifetimes});
    for (unsigned i = 0; i < 100; i++) {
        device_sends(r, i % 10, "CON 0.02 #%u tok 11=dp", i);
        server_sends(r, i % 10, 0, "CON 0.01 #%u tok 11=3", i);
    }
    skip_at_server(r);
    skip_submissions(r);
    assert_true(totals(r).exchanges > 100);
    for (unsigned i = 0; i < 60; i++) {
        advance(r, MINUTES);
        skip_at_server(r);
        skip_submissions(r);
    }
    assert_int_equal(totals(r).exchanges, 0);
    rig_end(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_message_ids_and_tokens),
        cmocka_unit_test(exchanges_of_one_device),
        cmocka_unit_test(exchanges_are_bounded),
        cmocka_unit_test(an_open_request_outlives_what_is_done),
        cmocka_unit_test(acknowledgements_are_bounded),
        cmocka_unit_test(answers_that_found_no_room),
        cmocka_unit_test(spool_is_full_when_the_server_falls_silent),
        cmocka_unit_test(everything_is_forgotten_in_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
