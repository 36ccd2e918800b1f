/* Servers by a connection of each device (RFC 8323), and legs that have to connect first: every row of the relay
 * contract (docs/architecture.md). */
#include <stdio.h>

#include "tests/nidd/harness_internal.h"

static struct rig *with_server(enum engine_transport transport, unsigned devices)
{
    return rig_new((struct rig_setup){.devices = devices, .transports = {transport}});
}

static struct rig *reliable(void)
{
    return with_server(ENGINE_TRANSPORT_RELIABLE, 1);
}

/* --- connected: nothing is repeated, acknowledged or reset ------------------------------------------------- */

static void requests_of_the_device(void **state)
{
    (void)state;
    struct rig *r = reliable();
    device_sends(r, 0, "CON 0.02 #7 tok 11=rd |links");
    expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=rd |links");
    advance(r, MINUTES); /* not repeated there, and not here */
    expect_no_submission(r);
    server_sends(r, 0, 0, "NON 2.01 #0 tok 8=rd");
    expect_delivered(r, 0, "ACK 2.01 #7 tok 8=rd");
    assert_int_equal(nas_messages(r, 0), 2);
    device_sends(r, 0, "CON 0.02 #7 tok 11=rd |links"); /* it had lost that */
    expect_delivered(r, 0, "ACK 2.01 #7 tok 8=rd");
    device_sends(r, 0, "NON 0.01 #8 tk2 11=x");
    expect_at_server(r, 0, 0, "NON 0.01 #* tk2 11=x");
    server_sends(r, 0, 0, "NON 2.05 #0 tk2 |x");
    expect_delivered(r, 0, "NON 2.05 #* tk2 |x");
    /* All of these have Message ID 0: none is a repetition. */
    device_sends(r, 0, "CON 0.01 #9 tok 11=x");
    expect_at_server(r, 0, 0, "CON 0.01 #* tok 11=x");
    server_sends(r, 0, 0, "NON 2.05 #0 tok |x");
    expect_delivered(r, 0, "ACK 2.05 #9 tok |x");
    server_sends(r, 0, 0, "NON 2.05 #0 tok |x");
    assert_int_equal(event_count(r, ENGINE_DROPPED, "unmatched_response"), 1);
    rig_end(r);
}

/* The device that repeats its request hears that nothing is missing but the answer. */
static void slow_server(void **state)
{
    (void)state;
    struct rig *r = reliable();
    device_sends(r, 0, "CON 0.02 #7 tok 11=rd");
    expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=rd");
    device_sends(r, 0, "CON 0.02 #7 tok 11=rd");
    expect_delivered(r, 0, "ACK #7");
    server_sends(r, 0, 0, "NON 2.01 #0 tok 8=rd");
    uint16_t mid = expect_delivered(r, 0, "CON 2.01 #* tok 8=rd");
    device_sends(r, 0, "ACK #%u", mid);
    rig_end(r);
}

/* The server begins to observe, over its connection with device 0. */
static void observe(struct rig *r, const char *token)
{
    char text[64];
    snprintf(text, sizeof(text), "NON 0.01 #0 %s 6= 11=3", token);
    server_sends(r, 0, 0, "%s", text);
    snprintf(text, sizeof(text), "CON 0.01 #* %s 6= 11=3", token);
    const uint16_t mid = expect_delivered(r, 0, text);
    device_sends(r, 0, "ACK 2.05 #%u %s 6=0x01 |0", mid, token);
    snprintf(text, sizeof(text), "NON 2.05 #* %s 6=0x01 |0", token);
    expect_at_server(r, 0, 0, text);
}

static void what_the_device_tells(void **state)
{
    (void)state;
    struct rig *r = reliable();
    observe(r, "obs");
    const unsigned before = nas_messages(r, 0);
    device_sends(r, 0, "CON 2.05 #1 obs 6=0x01 |1");
    expect_at_server(r, 0, 0, "CON 2.05 #* obs 6=0x01 |1");
    expect_delivered(r, 0, "ACK #1"); /* the connection has it */
    device_sends(r, 0, "CON 2.05 #1 obs 6=0x01 |1");
    expect_delivered(r, 0, "ACK #1");
    device_sends(r, 0, "NON 2.05 #2 obs 6=0x02 |2");
    expect_at_server(r, 0, 0, "NON 2.05 #* obs 6=0x02 |2");
    advance(r, 10 * MINUTES);
    assert_int_equal(nas_messages(r, 0), before + 5);
    rig_end(r);
}

static void requests_of_the_server(void **state)
{
    (void)state;
    struct rig *r = reliable();
    for (unsigned i = 0; i < 3; i++) { /* the same twice is two */
        server_sends(r, 0, 0, "NON 0.01 #0 tok 11=3");
        uint64_t seq = last_accepted(r);
        expect_nothing_at_server(r);
        unsigned s = expect_submitted(r, 0, "CON 0.01 #* tok 11=3");
        submit_delivered(r, s);
        uint16_t mid = submission_mid(r, s);
        switch (i) {
        case 0:
            device_sends(r, 0, "ACK 2.05 #%u tok |x", mid);
            expect_at_server(r, 0, 0, "NON 2.05 #* tok |x");
            break;
        case 1:
            device_sends(r, 0, "ACK #%u", mid);
            device_sends(r, 0, "CON 2.05 #70 tok |x");
            expect_at_server(r, 0, 0, "CON 2.05 #* tok |x");
            expect_delivered(r, 0, "ACK #70");
            break;
        default:
            device_sends(r, 0, "ACK #%u", mid);
            device_sends(r, 0, "NON 2.05 #71 tok |x");
            expect_at_server(r, 0, 0, "NON 2.05 #* tok |x");
            break;
        }
        expect_final(r, seq, FINAL_ANSWERED, "");
    }
    rig_end(r);
}

static void errors(void **state)
{
    (void)state;
    struct rig *r = reliable();
    server_sends(r, 0, 0, "NON 0.01 #0 tok 11=3");
    uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* tok 11=3");
    device_sends(r, 0, "RST #%u", mid);
    expect_at_server(r, 0, 0, "NON 5.02 #* tok |reset by the device");
    expect_final(r, last_accepted(r), FINAL_REJECTED, NULL);
    server_sends(r, 0, 0, "NON 0.01 #0 tok 11=3");
    expect_submitted(r, 0, "CON 0.01 #* tok 11=3");
    advance(r, 25 * HOURS);
    expect_at_server(r, 0, 0, "NON 5.04 #* tok |lifetime over; SCEF has not answered");
    engine_drain(rig_engine(r));
    server_sends(r, 0, 0, "NON 0.01 #0 tok 11=3");
    expect_at_server(r, 0, 0, "NON 5.03 #* tok 14=0x0a |shutting down");
    /* Nothing of the message layer, and signals are the leg's. */
    server_sends(r, 0, 0, "CON #0");
    server_sends(r, 0, 0, "NON 7.02 #0 tok");
    assert_int_equal(event_count(r, ENGINE_DROPPED, "reserved_class"), 1);
    device_sends(r, 0, "RST #4711"); /* to a notification's ACK, or to nothing */
    advance(r, HOURS);
    rig_end(r);
}

/* --- a leg that is down --------------------------------------------------------------------------------------- */

/* The first message opens the leg. It waits in the store until the leg is there, and its answer is the acknowledgement
 * all the same. */
static void connects_first(void **state)
{
    (void)state;
    static const enum engine_transport transports[] = {ENGINE_TRANSPORT_DTLS, ENGINE_TRANSPORT_RELIABLE};
    for (unsigned i = 0; i < 2; i++) {
        struct rig *r = with_server(transports[i], 1);
        server_unreachable(r, 0, ERR_UNREACHABLE);
        uint64_t ref = device_sends_later(r, 0, "CON 0.02 #7 tok 11=rd");
        expect_uplink_answered(r, ref, OK);
        advance(r, 30 * SECONDS); /* tried once, then waited for */
        assert_int_equal(event_count(r, ENGINE_TO_SERVER, NULL), 1);
        assert_true(engine_server_up(rig_engine(r), 0));
        server_unreachable(r, 0, OK);
        leg_state(r, 0, 0, true);
        uint16_t mid = expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=rd");
        expect_no_submission(r);
        if (i)
            server_sends(r, 0, 0, "NON 2.01 #0 tok 8=rd");
        else
            server_sends(r, 0, 0, "ACK 2.01 #%u tok 8=rd", mid);
        expect_delivered(r, 0, "ACK 2.01 #7 tok 8=rd");
        assert_int_equal(nas_messages(r, 0), 2);
        rig_end(r);
    }
}

static void slow_connection(void **state)
{
    (void)state;
    struct rig *r = reliable();
    server_unreachable(r, 0, ERR_UNREACHABLE);
    expect_uplink_answered(r, device_sends_later(r, 0, "CON 0.02 #7 tok 11=rd"), OK);
    device_sends(r, 0, "CON 0.02 #7 tok 11=rd");
    expect_delivered(r, 0, "ACK #7"); /* it is safe here */
    expect_uplink_answered(r, device_sends_later(r, 0, "CON 2.05 #8 obs |1"), OK);
    expect_delivered(r, 0, "ACK #8");
    expect_uplink_answered(r, device_sends_later(r, 0, "NON 2.05 #9 obs |2"), OK);
    server_unreachable(r, 0, OK);
    leg_state(r, 0, 0, true);
    expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=rd");
    expect_at_server(r, 0, 0, "CON 2.05 #* obs |1");
    expect_at_server(r, 0, 0, "NON 2.05 #* obs |2");
    server_sends(r, 0, 0, "NON 2.01 #0 tok 8=rd");
    uint16_t mid = expect_delivered(r, 0, "CON 2.01 #* tok 8=rd");
    device_sends(r, 0, "ACK #%u", mid);
    assert_int_equal(stored_records(r, RECORD_UPLINK), 0);
    rig_end(r);
}

/* One device's leg is no other's. */
static void a_leg_for_each_device(void **state)
{
    (void)state;
    struct rig *r = with_server(ENGINE_TRANSPORT_RELIABLE, 2);
    server_unreachable(r, 0, ERR_UNREACHABLE);
    expect_uplink_answered(r, device_sends_later(r, 0, "NON 2.05 #1 obs |1"), OK);
    server_unreachable(r, 0, OK);
    device_sends(r, 1, "NON 2.05 #1 obs |1");
    expect_at_server(r, 1, 0, "NON 2.05 #* obs |1");
    expect_uplink_answered(r, device_sends_later(r, 0, "NON 2.05 #2 obs |2"), OK); /* behind the first */
    leg_state(r, 1, 0, true);
    advance(r, MINUTES);
    expect_nothing_at_server(r);
    server_unreachable(r, 0, ERR_SYSTEM); /* connected, and its buffer full */
    leg_state(r, 0, 0, true);
    expect_nothing_at_server(r);
    server_unreachable(r, 0, OK);
    advance(r, SECONDS);
    expect_at_server(r, 0, 0, "NON 2.05 #* obs |1");
    expect_at_server(r, 0, 0, "NON 2.05 #* obs |2");
    rig_end(r);
}

static void few(struct engine_options *o)
{
    o->spool_max_messages = 2;
}

static void full_spool(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.tune = few, .transports = {ENGINE_TRANSPORT_RELIABLE}});
    server_unreachable(r, 0, ERR_UNREACHABLE);
    for (unsigned i = 0; i < 2; i++)
        expect_uplink_answered(r, device_sends_later(r, 0, "NON 2.05 #%u obs", i), OK);
    device_sends_refused(r, 0, ERR_UNREACHABLE, "NON 2.05 #2 obs");
    advance(r, 2 * 24 * HOURS); /* their lifetime */
    assert_int_equal(totals(r).spooled_messages, 0);
    rig_end(r);
}

/* What is stored opens the leg after a restart. */
static void restart(void **state)
{
    (void)state;
    struct rig *r = reliable();
    server_unreachable(r, 0, ERR_UNREACHABLE);
    expect_uplink_answered(r, device_sends_later(r, 0, "CON 0.02 #7 tok 11=rd"), OK);
    unsigned tried = event_count(r, ENGINE_TO_SERVER, NULL);
    rig_restart(r);
    advance(r, MINUTES);
    assert_int_equal(event_count(r, ENGINE_TO_SERVER, NULL), tried + 1);
    server_unreachable(r, 0, OK);
    leg_state(r, 0, 0, true);
    expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=rd");
    server_sends(r, 0, 0, "NON 2.01 #0 tok 8=rd");
    uint16_t mid = expect_delivered(r, 0, "CON 2.01 #* tok 8=rd");
    device_sends(r, 0, "ACK #%u", mid);
    rig_end(r);
}

/* --- a connection that breaks ------------------------------------------------------------------------------------ */

/* Its tokens end with it: what was asked over it is still done, but no answer goes over the next one. */
static void late_answers(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        struct rig *r = reliable();
        server_sends(r, 0, 0, "NON 0.01 #0 tok 11=3");
        uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* tok 11=3");
        uint64_t seq = last_accepted(r);
        if (i == 0) {
            rig_restart(r);
            skip_submissions(r);
        } else if (i == 1) {
            server_unreachable(r, 0, ERR_UNREACHABLE); /* seen by the answer itself */
        } else if (i == 4) {
            device_sends(r, 0, "ACK #%u", mid);
            leg_state(r, 0, 0, false);
        } else {
            leg_state(r, 0, 0, false);
            if (i > 2)
                leg_state(r, 0, 0, true);
        }
        if (i == 4) {
            device_sends(r, 0, "CON 2.05 #70 tok |x");
            expect_delivered(r, 0, "ACK #70");
        } else if (i == 5) {
            device_sends(r, 0, "RST #%u", mid);
        } else {
            device_sends(r, 0, "ACK 2.05 #%u tok |x", mid);
        }
        expect_final(r, seq, i == 5 ? FINAL_REJECTED : FINAL_ANSWERED, i == 5 ? "reset by the device" : "late");
        expect_nothing_at_server(r);
        server_unreachable(r, 0, OK);
        leg_state(r, 0, 0, true);
        advance(r, HOURS);
        rig_end(r);
    }
}

/* The device's open request goes once more, but not for ever. */
static void open_requests(void **state)
{
    (void)state;
    struct rig *r = reliable();
    device_sends(r, 0, "CON 0.02 #7 tok 11=rd");
    device_sends(r, 0, "NON 0.02 #8 tk2 11=dp");
    expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=rd");
    expect_at_server(r, 0, 0, "NON 0.02 #* tk2 11=dp");
    server_unreachable(r, 0, ERR_UNREACHABLE);
    leg_state(r, 0, 0, false);
    server_unreachable(r, 0, OK);
    leg_state(r, 0, 0, true);
    expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=rd");
    server_sends(r, 0, 0, "NON 2.01 #0 tok 8=rd");
    expect_delivered(r, 0, "ACK 2.01 #7 tok 8=rd");
    device_sends(r, 0, "CON 0.02 #9 tk3 11=rd");
    expect_at_server(r, 0, 0, "CON 0.02 #* tk3 11=rd");
    for (unsigned i = 0; i < 2; i++) {
        leg_state(r, 0, 0, false);
        leg_state(r, 0, 0, true);
        expect_at_server(r, 0, 0, "CON 0.02 #* tk3 11=rd");
    }
    leg_state(r, 0, 0, false);
    leg_state(r, 0, 0, true);
    expect_nothing_at_server(r);
    assert_int_equal(event_count(r, ENGINE_DROPPED, "connection_lost"), 1);
    rig_end(r);
}

/* --- observations (RFC 8323 clause 3.3: they end with their connection) ------------------------------------------ */

/* Nobody is there to be notified, which the device cannot know. */
static void expect_unwanted(struct rig *r, unsigned mid)
{
    const unsigned before = event_count(r, ENGINE_DROPPED, "not_observed");
    char text[16];
    for (unsigned i = 0; i < 2; i++) {
        device_sends(r, 0, "%s 2.05 #%u obs 6=0x09 |v", i ? "NON" : "CON", mid + i);
        snprintf(text, sizeof(text), "RST #%u", mid + i);
        expect_delivered(r, 0, text);
    }
    expect_nothing_at_server(r);
    assert_int_equal(event_count(r, ENGINE_DROPPED, "not_observed"), before + 2);
}

static void observations_end_with_the_connection(void **state)
{
    (void)state;
    struct rig *r = reliable();
    expect_unwanted(r, 1);
    observe(r, "obs");
    observe(r, "other");
    assert_int_equal(device_info(r, 0).observation_count, 2);
    assert_int_equal(stored_records(r, RECORD_OBSERVATION), 0); /* a restart ends connections too */
    device_sends(r, 0, "NON 2.05 #10 obs 6=0x02 |1");
    expect_at_server(r, 0, 0, "NON 2.05 #* obs 6=0x02 |1");
    leg_state(r, 0, 0, false);
    assert_int_equal(device_info(r, 0).observation_count, 0);
    expect_unwanted(r, 11);
    leg_state(r, 0, 0, true);
    expect_unwanted(r, 21);
    device_sends(r, 0, "CON 2.05 #21 obs 6=0x09 |v"); /* it had lost that */
    expect_delivered(r, 0, "RST #21");
    observe(r, "obs");
    device_sends(r, 0, "NON 2.05 #31 obs 6=0x02 |1");
    expect_at_server(r, 0, 0, "NON 2.05 #* obs 6=0x02 |1");
    rig_restart(r);
    skip_submissions(r);
    expect_unwanted(r, 41);
    rig_end(r);
}

/* One that is asked for over the connection, and granted when that is gone, is nobody's. */
static void an_observation_may_begin_too_late(void **state)
{
    (void)state;
    struct rig *r = reliable();
    server_sends(r, 0, 0, "NON 0.01 #0 obs 6= 11=3");
    uint64_t seq = last_accepted(r);
    uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* obs 6= 11=3");
    leg_state(r, 0, 0, false);
    device_sends(r, 0, "ACK 2.05 #%u obs 6=0x01 |0", mid);
    expect_final(r, seq, FINAL_ANSWERED, "late");
    expect_unwanted(r, 1);
    rig_end(r);
}

/* What waits while the server does not read goes on with it, and ends with the connection. */
static void notifications_wait_for_their_connection(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct rig *r = reliable();
        observe(r, "obs");
        server_unreachable(r, 0, ERR_UNREACHABLE);
        expect_uplink_answered(r, device_sends_later(r, 0, "CON 2.05 #8 obs 6=0x02 |1"), OK);
        expect_delivered(r, 0, "ACK #8");
        expect_uplink_answered(r, device_sends_later(r, 0, "NON 2.05 #9 obs 6=0x03 |2"), OK);
        expect_uplink_answered(r, device_sends_later(r, 0, "NON 4.04 #10 obs"), OK);
        expect_uplink_answered(r, device_sends_later(r, 0, "NON 0.02 #11 tok 11=dp |x"), OK);
        if (i == 1)
            leg_state(r, 0, 0, false);
        if (i == 2)
            rig_restart(r);
        server_unreachable(r, 0, OK);
        leg_state(r, 0, 0, true);
        if (i == 0) {
            expect_at_server(r, 0, 0, "CON 2.05 #* obs 6=0x02 |1");
            expect_at_server(r, 0, 0, "NON 2.05 #* obs 6=0x03 |2");
            expect_at_server(r, 0, 0, "NON 4.04 #* obs");
        }
        expect_at_server(r, 0, 0, "NON 0.02 #* tok 11=dp |x");
        expect_nothing_at_server(r);
        assert_int_equal(event_count(r, ENGINE_DROPPED, "connection_lost"), i ? 3 : 0);
        assert_int_equal(stored_records(r, RECORD_UPLINK), 0);
        rig_end(r);
    }
}

/* The connection to one server is no other's. */
static void observations_of_two_servers(void **state)
{
    (void)state;
    struct rig *r =
        rig_new((struct rig_setup){.servers = 2, .transports = {ENGINE_TRANSPORT_RELIABLE, ENGINE_TRANSPORT_UDP}});
    observe(r, "obs");
    server_sends(r, 0, 1, "NON 0.01 #70 two 6= 11=3");
    expect_delivered(r, 0, "NON 0.01 #* two 6= 11=3");
    device_sends(r, 0, "NON 2.05 #1 two 6=0x01 |1");
    expect_at_server(r, 0, 1, "NON 2.05 #* two 6=0x01 |1");
    assert_int_equal(stored_records(r, RECORD_OBSERVATION), 1);
    leg_state(r, 0, 0, false);
    assert_int_equal(device_info(r, 0).observation_count, 1);
    device_sends(r, 0, "NON 2.05 #2 two 6=0x02 |2");
    expect_at_server(r, 0, 1, "NON 2.05 #* two 6=0x02 |2");
    expect_unwanted(r, 3);
    /* Stored when its server was one by UDP yet. */
    struct record_observation o = {.device_id = BYTES_LIT("dev0@example.com"),
                                   .seq = 900,
                                   .token = BYTES_LIT("old"),
                                   .server = BYTES_LIT("server0")};
    rig_begin_input(r);
    assert_int_equal(engine_restore_observation(rig_engine(r), &o), OK);
    rig_end_input(r);
    assert_int_equal(device_info(r, 0).observation_count, 1);
    rig_end(r);
}

static void states_of_nobody(void **state)
{
    (void)state;
    struct rig *r = with_server(ENGINE_TRANSPORT_UDP, 1);
    device_sends(r, 0, "NON 0.02 #8 tk2 11=dp");
    expect_at_server(r, 0, 0, "NON 0.02 #* tk2 11=dp");
    for (unsigned i = 0; i < 8; i++)
        leg_state(r, i >> 1 & 1 ? 99 : 0, i >> 2 ? 99 : 0, i & 1);
    rig_end(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_of_the_device),
        cmocka_unit_test(slow_server),
        cmocka_unit_test(what_the_device_tells),
        cmocka_unit_test(requests_of_the_server),
        cmocka_unit_test(errors),
        cmocka_unit_test(connects_first),
        cmocka_unit_test(slow_connection),
        cmocka_unit_test(a_leg_for_each_device),
        cmocka_unit_test(full_spool),
        cmocka_unit_test(restart),
        cmocka_unit_test(late_answers),
        cmocka_unit_test(open_requests),
        cmocka_unit_test(observations_end_with_the_connection),
        cmocka_unit_test(an_observation_may_begin_too_late),
        cmocka_unit_test(notifications_wait_for_their_connection),
        cmocka_unit_test(observations_of_two_servers),
        cmocka_unit_test(states_of_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
