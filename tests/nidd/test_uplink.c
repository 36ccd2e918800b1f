/* Uplink: what the device sends, what the server gets of it and how the device is answered. */
#include "tests/nidd/harness.h"

/* The token, code, options and payload pass bit for bit; type and Message ID are the leg's own. */
static void request_and_piggybacked_answer(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    device_sends(r, 0, "CON 0.02 #7 tok 11=rd 15=ep=a 65001=0x00ff |</3/0>");
    uint16_t mid = expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=rd 15=ep=a 65001=0x00ff |</3/0>");
    expect_no_submission(r); /* the server's answer is the acknowledgement */
    server_sends(r, 0, 0, "ACK 2.01 #%u tok 8=rd 8=5a |welcome", mid);
    expect_delivered(r, 0, "ACK 2.01 #7 tok 8=rd 8=5a |welcome");
    assert_int_equal(nas_messages(r, 0), 2);
    advance(r, 10 * MINUTES);
    assert_int_equal(nas_messages(r, 0), 2);
    rig_end(r);
}

static void bytes_are_not_re_encoded(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    /* An option length in a longer form than needed, a payload marker without payload, unknown and broken options. */
    static const uint8_t odd[][12] = {
        {0x41, 0x02, 0, 1, 't', 0x1d, 0x00, 'v', 'v', 'v', 'v', 'v'},
        {0x41, 0x02, 0, 2, 't', 0x11, 'v', 0x11, 'w', 0x11, 'v', 0xff},
        {0x41, 0x02, 0, 3, 't', 0xff, 1, 2, 3, 4, 5, 0xff},
        {0x41, 0x02, 0, 4, 't', 0xf0, 0x0f, 1, 2, 3, 4, 5},
        {0x51, 0x05, 0, 5, 't', 0xee, 0xff, 0xff, 0xff, 0xff, 0, 0}, /* FETCH, all broken */
    };
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        enum error err;
        char text[MESSAGE_TEXT_MAX];
        assert_int_equal(device_sends_bytes(r, 0, bytes_of(odd[i], sizeof(odd[i])), &err), ENGINE_TAKEN);
        message_text(bytes_of(odd[i], sizeof(odd[i])), true, text);
        expect_at_server(r, 0, 0, text);
        struct bytes got = last_at_server(r);
        assert_int_equal(got.len, sizeof(odd[i]));
        assert_memory_equal(got.data + 4, odd[i] + 4, sizeof(odd[i]) - 4);
        assert_memory_equal(got.data, odd[i], 2); /* version, type, token length, code */
    }
    advance(r, 1); /* nothing was held back */
    rig_abandon(r);
}

static void non_request_and_answer(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    device_sends(r, 0, "NON 0.01 #7 tok 11=time");
    expect_at_server(r, 0, 0, "NON 0.01 #* tok 11=time");
    server_sends(r, 0, 0, "NON 2.05 #900 tok |noon");
    expect_delivered(r, 0, "NON 2.05 #* tok |noon");
    advance(r, 10 * MINUTES); /* a NON is repeated by nobody */
    assert_int_equal(nas_messages(r, 0), 2);
    rig_end(r);
}

/* Two NAS messages, not four: the server's two become the one piggybacked ACK that the device waits for. */
static void separate_answer_is_merged(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    device_sends(r, 0, "CON 0.02 #7 tok 11=rd");
    uint16_t mid = expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=rd");
    server_sends(r, 0, 0, "ACK #%u", mid);
    advance(r, 20 * SECONDS);
    expect_no_submission(r);
    expect_nothing_at_server(r); /* acknowledged: not repeated */
    server_sends(r, 0, 0, "CON 2.01 #4711 tok 8=rd");
    expect_at_server(r, 0, 0, "ACK #4711");
    expect_delivered(r, 0, "ACK 2.01 #7 tok 8=rd");
    assert_int_equal(nas_messages(r, 0), 2);
    server_sends(r, 0, 0, "CON 2.01 #4711 tok 8=rd"); /* our ACK was lost */
    expect_at_server(r, 0, 0, "ACK #4711");
    advance(r, 10 * MINUTES);
    assert_int_equal(nas_messages(r, 0), 2);
    rig_end(r);
}

/* The same with the separate answer first (RFC 7252 clause 5.2.2: the ACK may be lost or late) or as NON. */
static void separate_answer_without_ack(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    device_sends(r, 0, "CON 0.02 #7 tok 11=rd");
    uint16_t mid = expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=rd");
    server_sends(r, 0, 0, "CON 2.01 #4711 tok");
    expect_at_server(r, 0, 0, "ACK #4711");
    expect_delivered(r, 0, "ACK 2.01 #7 tok");
    server_sends(r, 0, 0, "ACK #%u", mid); /* late */
    advance(r, 5 * MINUTES);
    expect_nothing_at_server(r); /* the request is not repeated any more */

    device_sends(r, 0, "CON 0.02 #8 tok2 11=rd");
    mid = expect_at_server(r, 0, 0, "CON 0.02 #* tok2 11=rd");
    server_sends(r, 0, 0, "ACK #%u", mid);
    server_sends(r, 0, 0, "NON 2.04 #4712 tok2");
    expect_delivered(r, 0, "ACK 2.04 #8 tok2");
    assert_int_equal(nas_messages(r, 0), 4);
    rig_end(r);
}

/* The separate answer of the server is acknowledged only when it is safe: it is not sent again after that. */
static void separate_answer_is_stored_before_its_ack(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.hold_commits = true});
    commit(r);
    device_sends(r, 0, "CON 0.02 #7 tok 11=rd");
    uint16_t mid = expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=rd");
    server_sends(r, 0, 0, "ACK #%u", mid);
    server_sends(r, 0, 0, "CON 2.01 #4711 tok");
    expect_nothing_at_server(r);
    server_sends(r, 0, 0, "CON 2.01 #4711 tok"); /* the server is impatient: still one answer only */
    expect_nothing_at_server(r);
    commit(r);
    expect_at_server(r, 0, 0, "ACK #4711");
    expect_delivered(r, 0, "ACK 2.01 #7 tok");
    commit(r);
    rig_end(r);
}

/* When it cannot be stored the server hears nothing, repeats it, and the device gets its answer then. */
static void separate_answer_that_cannot_be_stored(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.hold_commits = true});
    commit(r);
    device_sends(r, 0, "CON 0.02 #7 tok 11=rd");
    uint16_t mid = expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=rd");
    server_sends(r, 0, 0, "ACK #%u", mid);
    server_sends(r, 0, 0, "CON 2.01 #4711 tok");
    commit_fails(r, ERR_STORE);
    expect_nothing_at_server(r);
    expect_no_submission(r);
    advance(r, 3 * SECONDS);
    server_sends(r, 0, 0, "CON 2.01 #4711 tok");
    commit(r);
    expect_at_server(r, 0, 0, "ACK #4711");
    expect_delivered(r, 0, "ACK 2.01 #7 tok");
    commit(r);
    rig_end(r);
}

static void confirmable_notification(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    device_sends(r, 0, "CON 2.05 #7 obs 6=0x0a |21.5");
    uint16_t mid = expect_at_server(r, 0, 0, "CON 2.05 #* obs 6=0x0a |21.5");
    expect_no_submission(r); /* only the server's ACK confirms it */
    server_sends(r, 0, 0, "ACK #%u", mid);
    expect_delivered(r, 0, "ACK #7");
    server_sends(r, 0, 0, "ACK #%u", mid); /* of a repetition that crossed it */
    advance(r, 10 * MINUTES);
    assert_int_equal(nas_messages(r, 0), 2);
    rig_end(r);
}

static void non_confirmable_notification(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    device_sends(r, 0, "NON 2.05 #7 obs 6=0x0a |21.5");
    expect_at_server(r, 0, 0, "NON 2.05 #* obs 6=0x0a |21.5");
    advance(r, 10 * MINUTES);
    assert_int_equal(nas_messages(r, 0), 1);
    rig_end(r);
}

/* RFC 7641 clause 3.6: it cancels the observation, so the device must see it, under its own Message ID. */
static void reset_of_a_notification_is_carried(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    device_sends(r, 0, "CON 2.05 #7 obs 6=0x0a |21.5");
    uint16_t mid = expect_at_server(r, 0, 0, "CON 2.05 #* obs 6=0x0a |21.5");
    server_sends(r, 0, 0, "RST #%u", mid);
    expect_delivered(r, 0, "RST #7");

    device_sends(r, 0, "NON 2.05 #8 obs 6=0x0b |22.0");
    mid = expect_at_server(r, 0, 0, "NON 2.05 #* obs 6=0x0b |22.0");
    advance(r, 2 * SECONDS);
    server_sends(r, 0, 0, "RST #%u", mid);
    expect_delivered(r, 0, "RST #8");
    advance(r, 10 * MINUTES);
    rig_end(r);
}

static void reset_of_a_request_is_carried(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    device_sends(r, 0, "CON 0.03 #7 tok 11=rd");
    uint16_t mid = expect_at_server(r, 0, 0, "CON 0.03 #* tok 11=rd");
    server_sends(r, 0, 0, "RST #%u", mid);
    expect_delivered(r, 0, "RST #7");
    advance(r, 10 * MINUTES);
    rig_end(r);
}

static void ping_of_the_device(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    device_sends(r, 0, "CON #99");
    expect_nothing_at_server(r);
    expect_delivered(r, 0, "RST #99");
    device_sends(r, 0, "NON #100"); /* says nothing (RFC 7252 clause 4.3), but means awake */
    expect_nothing_at_server(r);
    expect_no_submission(r);
    rig_end(r);
}

static void ping_means_awake(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, "CON 0.01 #50 tok 11=3");
    expect_at_server(r, 0, 0, "ACK #50");
    unsigned s = expect_submitted(r, 0, "CON 0.01 #* tok 11=3");
    submit_refused(r, s, 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    expect_no_submission(r);
    assert_false(device_info(r, 0).reachable);
    advance(r, 5 * SECONDS);
    device_sends(r, 0, "CON #99");
    expect_delivered(r, 0, "RST #99"); /* acknowledgements before requests */
    uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* tok 11=3");
    device_sends(r, 0, "ACK 2.05 #%u tok |x", mid);
    mid = expect_at_server(r, 0, 0, "CON 2.05 #* tok |x");
    server_sends(r, 0, 0, "ACK #%u", mid);
    rig_end(r);
}

/* RFC 7252 clause 4.8 on the server's leg: after 2-3, 4-6, 8-12, 16-24 s, then no more. */
static void repetition_to_the_server(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    device_sends(r, 0, "NON 2.05 #6 obs 6=0x01 |x");
    expect_at_server(r, 0, 0, "NON 2.05 #* obs 6=0x01 |x");
    device_sends(r, 0, "CON 0.02 #7 tok 11=dp |x");
    uint16_t mid = expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=dp |x");
    for (unsigned i = 0; i < 4; i++) {
        uint64_t took = advance_to_activity(r, 60 * SECONDS);
        assert_in_range(took, 2000u << i, (2000u << i) * 3 / 2);
        assert_int_equal(expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=dp |x"), mid);
    }
    server_sends(r, 0, 0, "ACK 2.04 #%u tok", mid); /* in the last moment */
    expect_delivered(r, 0, "ACK 2.04 #7 tok");
    advance(r, 10 * MINUTES);
    assert_int_equal(nas_messages(r, 0), 3);
    rig_end(r);
}

static void payloads_that_are_no_coap(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    static const struct {
        const char *data;
        size_t len;
    } bad[] = {
        {"", 0},
        {"\x00", 1},
        {"\x05hello", 6},
        {"\xff\xff\xff\xff", 4}, /* other */
        {"\x16\xfe\xfd\x00", 4},
        {"\x17\xfe\xfd\x00", 4},
        {"\x2f\x01", 2}, /* too short for DTLS */
        {"\x40", 1},
        {"\x40\x01\x00", 3}, /* CoAP, cut */
        {"\x44\x01\x00\x01\x01\x02\x03", 7},
        {"\x49\x01\x00\x01\x01\x02\x03\x04\x05\x06\x07\x08\x09", 13}, /* token lengths 9 to 15 */
        {"\x4f\x01\x00\x01\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f", 19},
        {"\x40\x00\x00\x01x", 5}, /* an empty message that is not */
        {"\x80\x01\x00\x01", 4},  /* version 2 */
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        enum error err;
        unsigned drops = event_count(r, ENGINE_DROPPED, NULL);
        assert_int_equal(device_sends_bytes(r, 0, bytes_of(bad[i].data, bad[i].len), &err), ENGINE_TAKEN);
        assert_int_equal(event_count(r, ENGINE_DROPPED, NULL), drops + 1);
    }
    expect_nothing_at_server(r);
    expect_no_submission(r);
    assert_int_equal(device_info(r, 0).uplink_count, sizeof(bad) / sizeof(bad[0]));
    /* Reserved classes, and answers and resets that nobody waits for. */
    device_sends(r, 0, "CON 1.01 #5 t");
    device_sends(r, 0, "ACK 2.05 #6 t");
    device_sends(r, 0, "ACK #6");
    device_sends(r, 0, "RST #6");
    expect_nothing_at_server(r);
    expect_no_submission(r);
    rig_end(r);
}

static void uplinks_of_nobody(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    struct message m = message_of("CON 0.02 #7 tok 11=rd");
    enum error err = OK;
    struct nidd_uplink u = {.id = {.external_id = BYTES_LIT("stranger@example.com")}, .data = message_bytes(&m)};
    assert_int_equal(rig_uplink(r, &u, &err), ENGINE_REFUSED);
    assert_int_equal(err, ERR_UNKNOWN_DEVICE);
    rig_abandon(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_and_piggybacked_answer),
        cmocka_unit_test(bytes_are_not_re_encoded),
        cmocka_unit_test(non_request_and_answer),
        cmocka_unit_test(separate_answer_is_merged),
        cmocka_unit_test(separate_answer_without_ack),
        cmocka_unit_test(separate_answer_is_stored_before_its_ack),
        cmocka_unit_test(separate_answer_that_cannot_be_stored),
        cmocka_unit_test(confirmable_notification),
        cmocka_unit_test(non_confirmable_notification),
        cmocka_unit_test(reset_of_a_notification_is_carried),
        cmocka_unit_test(reset_of_a_request_is_carried),
        cmocka_unit_test(ping_of_the_device),
        cmocka_unit_test(ping_means_awake),
        cmocka_unit_test(repetition_to_the_server),
        cmocka_unit_test(payloads_that_are_no_coap),
        cmocka_unit_test(uplinks_of_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
