/* Downlink: what a server sends, what the device gets of it and how its answer comes back. */
#include <stdio.h>

#include "tests/nidd/harness.h"

#define READ "CON 0.01 #50 tok 11=3 11=0"

/* Read, write, execute: two NAS messages each. */
static void request_and_piggybacked_answer(void **state)
{
    (void)state;
    static const char *const requests[] = {"0.01 #50 tok1 11=3 11=0", "0.03 #51 tok2 11=1 11=0 11=1 |60",
                                           "0.02 #52 tok3 11=1 11=0 11=8"};
    static const char *const answers[] = {"2.05", "2.04", "2.04"};
    struct rig *r = rig_new((struct rig_setup){0});
    for (unsigned i = 0; i < 3; i++) {
        char want[64];
        char token[8];
        snprintf(token, sizeof(token), "tok%u", i + 1);
        server_sends(r, 0, 0, "CON %s", requests[i]);
        snprintf(want, sizeof(want), "ACK #%u", 50 + i);
        expect_at_server(r, 0, 0, want); /* at once: the server never repeats it into the radio */
        snprintf(want, sizeof(want), "CON %.5s#*%s", requests[i], requests[i] + 8);
        uint16_t mid = expect_delivered(r, 0, want);
        assert_int_equal(submission_latency_s(r, i), 0); /* the message waits here, never in two places */
        advance(r, 3 * SECONDS);
        device_sends(r, 0, "ACK %s #%u %s |%u", answers[i], mid, token, i);
        snprintf(want, sizeof(want), "CON %s #* %s |%u", answers[i], token, i);
        uint16_t leg = expect_at_server(r, 0, 0, want);
        assert_false(is_final(r, last_accepted(r))); /* the server has not got it for sure */
        expect_message_state(r, 0, last_accepted(r), "answering");
        server_sends(r, 0, 0, "ACK #%u", leg);
        expect_final(r, last_accepted(r), FINAL_ANSWERED, NULL);
        assert_int_equal(nas_messages(r, 0), 2 * (i + 1));
    }
    rig_end(r);
}

static void bytes_pass_unchanged(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    static const uint8_t odd[] = {0x42, 0x05, 0x11, 0x22, 't', 'k', 0x91, 0x09, 0xd0, 0x00, 0xff, 0x00, 0xff, 0x80};
    static const uint8_t answer[] = {0x62, 0x44, 0, 0, 't', 'k', 0x90, 0xff, 0xde, 0xad, 0xbe, 0xef}; /* OSCORE */
    server_sends_bytes(r, 0, 0, bytes_of(odd, sizeof(odd)));
    expect_at_server(r, 0, 0, "ACK #4386");
    uint16_t mid = expect_delivered(r, 0, "CON 0.05 #* tk 9=0x09 22= |0x00ff80");
    struct bytes got = submission_message(r, 0);
    assert_int_equal(got.len, sizeof(odd));
    assert_memory_equal(got.data, odd, 2);
    assert_memory_equal(got.data + 4, odd + 4, sizeof(odd) - 4);
    uint8_t reply[sizeof(answer)];
    memcpy(reply, answer, sizeof(answer));
    reply[2] = (uint8_t)(mid >> 8);
    reply[3] = (uint8_t)mid;
    enum error err;
    assert_int_equal(device_sends_bytes(r, 0, bytes_of(reply, sizeof(reply)), &err), ENGINE_TAKEN);
    uint16_t leg = expect_at_server(r, 0, 0, "CON 2.04 #* tk 9= |0xdeadbeef");
    assert_memory_equal(last_at_server(r).data + 4, answer + 4, sizeof(answer) - 4);
    server_sends(r, 0, 0, "ACK #%u", leg);
    rig_end(r);
}

static void acknowledged_only_when_stored(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.hold_commits = true});
    commit(r);
    server_sends(r, 0, 0, READ);
    advance(r, 1);
    expect_nothing_at_server(r);
    expect_no_submission(r);
    assert_int_equal(event_count(r, ENGINE_ACCEPTED, NULL), 0);
    commit(r);
    expect_at_server(r, 0, 0, "ACK #50");
    expect_submitted(r, 0, "CON 0.01 #* tok 11=3 11=0");
    assert_int_equal(event_count(r, ENGINE_ACCEPTED, NULL), 1);
    rig_abandon(r);
}

static void separate_answer_of_the_device(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* tok 11=3 11=0");
    uint64_t seq = last_accepted(r);
    device_sends(r, 0, "ACK #%u", mid);
    expect_message_state(r, 0, seq, "acknowledged");
    advance(r, 30 * MINUTES); /* it need not be repeated, however long it takes */
    expect_no_submission(r);
    device_sends(r, 0, "CON 2.05 #900 tok |x");
    uint16_t leg = expect_at_server(r, 0, 0, "CON 2.05 #* tok |x");
    expect_no_submission(r);
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_delivered(r, 0, "ACK #900");
    expect_final(r, seq, FINAL_ANSWERED, NULL);
    assert_int_equal(nas_messages(r, 0), 4);
    rig_end(r);
}

static void separate_answer_without_the_devices_ack(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* tok 11=3 11=0");
    device_sends(r, 0, "NON 2.05 #900 tok |x"); /* its ACK was lost, or comes late */
    expect_at_server(r, 0, 0, "NON 2.05 #* tok |x");
    device_sends(r, 0, "ACK #%u", mid);
    advance(r, 10 * MINUTES);
    expect_no_submission(r);
    expect_nothing_at_server(r);
    expect_final(r, last_accepted(r), FINAL_ANSWERED, NULL);
    rig_end(r);
}

static void non_request(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, "NON 0.01 #50 tok 11=3");
    expect_nothing_at_server(r);
    expect_delivered(r, 0, "NON 0.01 #* tok 11=3");
    device_sends(r, 0, "NON 2.05 #900 tok |x");
    expect_at_server(r, 0, 0, "NON 2.05 #* tok |x");
    expect_final(r, last_accepted(r), FINAL_ANSWERED, NULL);

    server_sends(r, 0, 0, "NON 0.03 #51 tk2 11=3"); /* nobody answers */
    expect_delivered(r, 0, "NON 0.03 #* tk2 11=3");
    advance(r, 10 * MINUTES);
    expect_final(r, last_accepted(r), FINAL_DELIVERED, NULL);

    server_sends(r, 0, 0, "NON 0.03 #52 tk3 11=3"); /* a NON may be reset, too */
    uint16_t mid = expect_delivered(r, 0, "NON 0.03 #* tk3 11=3");
    device_sends(r, 0, "RST #%u", mid);
    expect_at_server(r, 0, 0, "NON 5.02 #* tk3 |reset by the device");
    expect_final(r, last_accepted(r), FINAL_REJECTED, NULL);
    assert_int_equal(nas_messages(r, 0), 5);
    rig_end(r);
}

static void reset_by_the_device(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* tok 11=3 11=0");
    device_sends(r, 0, "RST #%u", mid);
    uint16_t leg = expect_at_server(r, 0, 0, "CON 5.02 #* tok |reset by the device");
    expect_final(r, last_accepted(r), FINAL_REJECTED, NULL);
    advance(r, 3 * SECONDS); /* our own answer is repeated like any CON */
    assert_int_equal(expect_at_server(r, 0, 0, "CON 5.02 #* tok |reset by the device"), leg);
    server_sends(r, 0, 0, "ACK #%u", leg);
    advance(r, 10 * MINUTES);
    rig_end(r);
}

/* The server does not want the answer any more: nothing more to it, final state `answered`, marked late. The device's
 * own CON must still be ended, or it repeats in vain. */
static void answer_comes_too_late_for_the_server(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* tok 11=3 11=0");
    advance(r, 5 * SECONDS);
    device_sends(r, 0, "ACK 2.05 #%u tok |x", mid);
    uint16_t leg = expect_at_server(r, 0, 0, "CON 2.05 #* tok |x");
    server_sends(r, 0, 0, "RST #%u", leg);
    expect_final(r, last_accepted(r), FINAL_ANSWERED, "late");
    expect_no_submission(r);

    server_sends(r, 0, 0, "CON 0.01 #51 tk2 11=3");
    expect_at_server(r, 0, 0, "ACK #51");
    mid = expect_delivered(r, 0, "CON 0.01 #* tk2 11=3");
    device_sends(r, 0, "ACK #%u", mid);
    device_sends(r, 0, "CON 2.05 #900 tk2 |y");
    leg = expect_at_server(r, 0, 0, "CON 2.05 #* tk2 |y");
    server_sends(r, 0, 0, "RST #%u", leg);
    expect_final(r, last_accepted(r), FINAL_ANSWERED, "late");
    expect_delivered(r, 0, "RST #900");
    advance(r, 10 * MINUTES);
    rig_end(r);
}

static void ping_of_the_server(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, "CON #77");
    expect_at_server(r, 0, 0, "RST #77");
    server_sends(r, 0, 0, "NON #78");
    expect_no_submission(r); /* the device sleeps on */
    rig_end(r);
}

static void nothing_to_wake_the_device_for(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.servers = 2});
    server_sends(r, 0, 0, "ACK #1");
    server_sends(r, 0, 0, "RST #1");
    server_sends(r, 0, 0, "ACK 2.05 #1 tok");
    server_sends(r, 0, 0, "NON 2.05 #2 tok |x");
    server_sends(r, 0, 0, "CON 2.05 #3 tok |x");
    expect_at_server(r, 0, 0, "RST #3"); /* RFC 7252 clause 4.2: a message without context is rejected */
    server_sends(r, 0, 0, "CON 1.01 #4 tok");
    server_sends_bytes(r, 0, 0, BYTES_LIT("\x16\xfe\xfd"));
    server_sends_bytes(r, 0, 0, (struct bytes){0});
    server_sends_bytes(r, 0, 0, BYTES_LIT("\x4f\x01\x00\x01"));
    /* Answers of a server that was not asked. */
    device_sends(r, 0, "CON 0.02 #7 tok 11=rd");
    uint16_t mid = expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=rd");
    server_sends(r, 0, 1, "ACK 2.01 #%u tok", mid);
    server_sends(r, 0, 1, "NON 2.01 #8 tok");
    server_sends(r, 0, 1, "RST #%u", mid);
    expect_no_submission(r);
    server_sends(r, 0, 0, "ACK 2.01 #%u tok", mid);
    expect_delivered(r, 0, "ACK 2.01 #7 tok");
    rig_end(r);
}

/* RFC 7252 clause 5.3.2: an answer bears the token of its request; what does not is no answer, nor is a request in an
 * ACK. */
static void piggybacked_nonsense(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    device_sends(r, 0, "CON 0.02 #7 tok 11=rd");
    uint16_t mid = expect_at_server(r, 0, 0, "CON 0.02 #* tok 11=rd");
    server_sends(r, 0, 0, "ACK 2.01 #%u other", mid);
    server_sends(r, 0, 0, "ACK 0.01 #%u tok", mid);
    expect_no_submission(r);
    server_sends(r, 0, 0, "ACK 2.01 #%u tok", mid);
    expect_delivered(r, 0, "ACK 2.01 #7 tok");

    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    mid = expect_delivered(r, 0, "CON 0.01 #* tok 11=3 11=0");
    device_sends(r, 0, "ACK 2.05 #%u other", mid);
    device_sends(r, 0, "ACK 0.01 #%u tok", mid);
    expect_nothing_at_server(r);
    device_sends(r, 0, "ACK 2.05 #%u tok", mid);
    mid = expect_at_server(r, 0, 0, "CON 2.05 #* tok");
    server_sends(r, 0, 0, "ACK #%u", mid);
    rig_end(r);
}

static void one_in_flight_and_in_order(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    uint16_t leg;
    for (unsigned i = 0; i < 3; i++) {
        char want[16];
        snprintf(want, sizeof(want), "ACK #%u", 50 + i);
        server_sends(r, 0, 0, "CON 0.01 #%u t%u 11=3", 50 + i, i);
        expect_at_server(r, 0, 0, want);
    }
    uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* t0 11=3");
    expect_no_submission(r);
    /* An answer to the device's own request goes ahead of them, at once. */
    device_sends(r, 0, "CON 0.02 #7 up 11=rd");
    leg = expect_at_server(r, 0, 0, "CON 0.02 #* up 11=rd");
    server_sends(r, 0, 0, "ACK 2.04 #%u up", leg);
    expect_delivered(r, 0, "ACK 2.04 #7 up");
    expect_no_submission(r);
    device_sends(r, 0, "ACK 2.05 #%u t0", mid);
    leg = expect_at_server(r, 0, 0, "CON 2.05 #* t0");
    mid = expect_delivered(r, 0, "CON 0.01 #* t1 11=3"); /* does not wait for the server's ACK */
    expect_no_submission(r);
    server_sends(r, 0, 0, "ACK #%u", leg);
    device_sends(r, 0, "ACK #%u", mid); /* RFC 7252 clause 4.7: acknowledged is not outstanding any more */
    mid = expect_delivered(r, 0, "CON 0.01 #* t2 11=3");
    device_sends(r, 0, "ACK 2.05 #%u t2", mid);
    leg = expect_at_server(r, 0, 0, "CON 2.05 #* t2");
    server_sends(r, 0, 0, "ACK #%u", leg);
    device_sends(r, 0, "NON 2.05 #9 t1");
    expect_at_server(r, 0, 0, "NON 2.05 #* t1");
    rig_end(r);
}

static void nstart_of_two(struct engine_options *o)
{
    o->queue.nstart = 2;
}

static void nstart_is_configurable(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.tune = nstart_of_two});
    uint16_t mids[3];
    for (unsigned i = 0; i < 3; i++) {
        server_sends(r, 0, 0, "CON 0.01 #%u t%u 11=3", 50 + i, i);
        expect_at_server(r, 0, 0, i == 0 ? "ACK #50" : i == 1 ? "ACK #51" : "ACK #52");
    }
    mids[0] = expect_delivered(r, 0, "CON 0.01 #* t0 11=3");
    mids[1] = expect_delivered(r, 0, "CON 0.01 #* t1 11=3");
    expect_no_submission(r);
    device_sends(r, 0, "RST #%u", mids[1]);
    expect_at_server(r, 0, 0, "CON 5.02 #* t1 |reset by the device");
    mids[2] = expect_delivered(r, 0, "CON 0.01 #* t2 11=3");
    assert_true(mids[0] != mids[1] && mids[1] != mids[2] && mids[0] != mids[2]);
    rig_abandon(r);
}

/* A notification bears the token of the observation, and so does the request that cancels it (RFC 7641 clause 3.6). */
static void cancel_while_a_notification_comes(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, "CON 0.01 #50 obs 6= 11=3");
    expect_at_server(r, 0, 0, "ACK #50");
    uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* obs 6= 11=3");
    device_sends(r, 0, "ACK 2.05 #%u obs 6=0x01 |1", mid);
    uint16_t leg = expect_at_server(r, 0, 0, "CON 2.05 #* obs 6=0x01 |1");
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_final(r, last_accepted(r), FINAL_ANSWERED, NULL);

    server_sends(r, 0, 0, "CON 0.01 #51 obs 6=0x01 11=3");
    expect_at_server(r, 0, 0, "ACK #51");
    mid = expect_delivered(r, 0, "CON 0.01 #* obs 6=0x01 11=3");
    device_sends(r, 0, "CON 2.05 #901 obs 6=0x02 |2"); /* crosses it */
    leg = expect_at_server(r, 0, 0, "CON 2.05 #* obs 6=0x02 |2");
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_delivered(r, 0, "ACK #901");
    assert_false(is_final(r, last_accepted(r)));
    device_sends(r, 0, "NON 2.05 #902 obs 6=0x03 |3");
    expect_at_server(r, 0, 0, "NON 2.05 #* obs 6=0x03 |3");
    assert_false(is_final(r, last_accepted(r)));
    device_sends(r, 0, "ACK 2.05 #%u obs |4", mid);
    leg = expect_at_server(r, 0, 0, "CON 2.05 #* obs |4");
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_final(r, last_accepted(r), FINAL_ANSWERED, NULL);
    rig_end(r);
}

static void empty_tokens(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, "CON 0.01 #50 - 11=3");
    expect_at_server(r, 0, 0, "ACK #50");
    uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* - 11=3");
    device_sends(r, 0, "ACK 2.05 #%u - |x", mid);
    uint16_t leg = expect_at_server(r, 0, 0, "CON 2.05 #* - |x");
    server_sends(r, 0, 0, "ACK #%u", leg);
    device_sends(r, 0, "CON 0.02 #7 - 11=rd");
    leg = expect_at_server(r, 0, 0, "CON 0.02 #* - 11=rd");
    server_sends(r, 0, 0, "ACK 2.04 #%u -", leg);
    expect_delivered(r, 0, "ACK 2.04 #7 -");
    rig_end(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_and_piggybacked_answer),
        cmocka_unit_test(bytes_pass_unchanged),
        cmocka_unit_test(acknowledged_only_when_stored),
        cmocka_unit_test(separate_answer_of_the_device),
        cmocka_unit_test(separate_answer_without_the_devices_ack),
        cmocka_unit_test(non_request),
        cmocka_unit_test(reset_by_the_device),
        cmocka_unit_test(answer_comes_too_late_for_the_server),
        cmocka_unit_test(ping_of_the_server),
        cmocka_unit_test(nothing_to_wake_the_device_for),
        cmocka_unit_test(piggybacked_nonsense),
        cmocka_unit_test(one_in_flight_and_in_order),
        cmocka_unit_test(nstart_is_configurable),
        cmocka_unit_test(cancel_while_a_notification_comes),
        cmocka_unit_test(empty_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
