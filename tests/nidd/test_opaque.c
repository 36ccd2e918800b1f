/* DTLS between a device and its server is carried as it is, in order, beside everything else. */
#include "tests/nidd/harness.h"

#define HELLO     BYTES_LIT("\x16\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05hello")
#define HELLO_TOO BYTES_LIT("\x16\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x01\x00\x05world")
#define UNIFIED   BYTES_LIT("\x2f\x01\x02\x00\x05seals") /* DTLS 1.3 */

static void device_sends_record(struct rig *r, struct bytes record)
{
    enum error err;
    assert_int_equal(device_sends_bytes(r, 0, record, &err), ENGINE_TAKEN);
}

static void expect_record_at_server(struct rig *r, struct bytes record)
{
    assert_true(at_server(r));
    expect_at_server(r, 0, 0, NULL);
    assert_true(bytes_equal(last_at_server(r), record));
}

static unsigned expect_record_submitted(struct rig *r, struct bytes record)
{
    unsigned s = expect_submitted(r, 0, NULL);
    assert_true(bytes_equal(submission_message(r, s), record));
    return s;
}

static void both_ways(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    const struct bytes records[] = {HELLO, HELLO_TOO, UNIFIED, HELLO};
    for (unsigned i = 0; i < 4; i++) {
        device_sends_record(r, records[i]);
        expect_record_at_server(r, records[i]); /* the same twice is two */
    }
    for (unsigned i = 0; i < 4; i++)
        server_sends_bytes(r, 0, 0, records[i]);
    for (unsigned i = 0; i < 4; i++) {
        unsigned s = expect_record_submitted(r, records[i]);
        expect_no_submission(r); /* one after the other */
        submit_delivered(r, s);
    }
    advance(r, HOURS); /* and nothing is repeated */
    assert_int_equal(event_count(r, ENGINE_FINAL, ""), 4);
    assert_int_equal(nas_messages(r, 0), 8);
    assert_int_equal(stored_records(r, RECORD_DOWNLINK), 0);
    rig_end(r);
}

/* Records wait for no answer to a request, and the device's own CoAP goes first. */
static void beside_coap(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, "CON 0.01 #50 tok 11=3");
    expect_at_server(r, 0, 0, "ACK #50");
    uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* tok 11=3");
    server_sends(r, 0, 0, "CON 0.01 #51 tk2 11=3");
    expect_at_server(r, 0, 0, "ACK #51");
    server_sends_bytes(r, 0, 0, HELLO);
    submit_delivered(r, expect_record_submitted(r, HELLO));
    device_sends_record(r, HELLO_TOO);
    expect_record_at_server(r, HELLO_TOO);
    device_sends(r, 0, "ACK 2.05 #%u tok", mid);
    uint16_t leg = expect_at_server(r, 0, 0, "CON 2.05 #* tok");
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_delivered(r, 0, "CON 0.01 #* tk2 11=3");
    rig_abandon(r);
}

/* An ACK whose Message ID stands where a record has its version is none of the record. */
static void no_message_id(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends_bytes(r, 0, 0, HELLO);
    unsigned s = expect_record_submitted(r, HELLO);
    device_sends(r, 0, "ACK #%u", 0xfd00u);
    device_sends(r, 0, "RST #%u", 0xfd00u);
    assert_int_equal(event_count(r, ENGINE_DROPPED, "unmatched_ack"), 1);
    assert_int_equal(event_count(r, ENGINE_DROPPED, "unmatched_rst"), 1);
    submit_delivered(r, s);
    rig_end(r);
}

static void a_sleeping_device(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends_bytes(r, 0, 0, HELLO);
    submit_refused(r, expect_record_submitted(r, HELLO), 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    server_sends_bytes(r, 0, 0, HELLO_TOO);
    expect_no_submission(r);
    device_sends(r, 0, "NON #9");
    advance(r, 2 * SECONDS);
    submit_delivered(r, expect_record_submitted(r, HELLO));
    submit_refused(r, expect_record_submitted(r, HELLO_TOO), 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    advance(r, 61 * SECONDS); /* DTLS itself has repeated it by then */
    assert_int_equal(totals(r).queued_messages, 0);
    expect_no_submission(r);
    rig_end(r);
}

static void where_it_cannot_be_carried(void **state)
{
    (void)state;
    static const enum engine_transport transports[] = {ENGINE_TRANSPORT_DTLS, ENGINE_TRANSPORT_RELIABLE};
    for (unsigned i = 0; i < 2; i++) {
        struct rig *r = rig_new((struct rig_setup){.transports = {transports[i]}});
        device_sends_record(r, HELLO);
        expect_nothing_at_server(r);
        assert_int_equal(event_count(r, ENGINE_DROPPED, "dtls_needs_udp"), 1);
        server_sends_bytes(r, 0, 0, HELLO); /* what comes out of a session is no record */
        assert_int_equal(event_count(r, ENGINE_DROPPED, "not_coap"), 1);
        rig_end(r);
    }
    struct rig *r = rig_new((struct rig_setup){0});
    device_sends_record(r, BYTES_LIT("\x16\xfe\xfd\x00"));
    server_sends_bytes(r, 0, 0, BYTES_LIT("\x16"));
    assert_int_equal(event_count(r, ENGINE_DROPPED, "not_dtls"), 2);
    server_unreachable(r, 0, ERR_UNREACHABLE);
    device_sends_record(r, HELLO);
    assert_int_equal(event_count(r, ENGINE_DROPPED, "send_failed"), 1);
    server_unreachable(r, 0, OK);
    device_sends_record(r, HELLO);
    assert_int_equal(event_count(r, ENGINE_DROPPED, "server_down"), 1);
    assert_int_equal(totals(r).spooled_messages, 0); /* DTLS repeats by itself */
    advance(r, 10 * SECONDS);
    device_sends_record(r, HELLO);
    expect_record_at_server(r, HELLO);
    engine_drain(rig_engine(r));
    server_sends_bytes(r, 0, 0, HELLO);
    assert_int_equal(event_count(r, ENGINE_DROPPED, "shutting down"), 1);
    rig_end(r);
}

static void bounds(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.hold_configurations = true});
    for (unsigned i = 0; i < 33; i++)
        server_sends_bytes(r, 0, 0, HELLO);
    assert_int_equal(device_info(r, 0).queue_messages, 32);
    assert_int_equal(event_count(r, ENGINE_DROPPED, "queue is full"), 1);
    configuration_granted(r, expect_configuration_create(r), "c0", 8 * 17);
    server_sends_bytes(r, 0, 0, HELLO);
    assert_int_equal(event_count(r, ENGINE_DROPPED, "larger than the device's packet size"), 1);
    skip_submissions(r);
    rig_abandon(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways),
        cmocka_unit_test(beside_coap),
        cmocka_unit_test(no_message_id),
        cmocka_unit_test(a_sleeping_device),
        cmocka_unit_test(where_it_cannot_be_carried),
        cmocka_unit_test(bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
