/* When a request cannot be taken or delivered: said at once, in CoAP, with the server's token. */
#include <stdio.h>

#include "tests/nidd/harness.h"

static void small_queue(struct engine_options *o)
{
    o->queue.max_messages = 3;
}

static void few_bytes(struct engine_options *o)
{
    o->queue.max_bytes = 100;
}

static void queue_full(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.tune = small_queue});
    for (unsigned i = 0; i < 3; i++) {
        char want[16];
        snprintf(want, sizeof(want), "ACK #%u", 50 + i);
        server_sends(r, 0, 0, "CON 0.01 #%u t%u 11=3", 50 + i, i);
        expect_at_server(r, 0, 0, want);
    }
    uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* t0 11=3");
    server_sends(r, 0, 0, "CON 0.01 #60 tok 11=3");
    expect_at_server(r, 0, 0, "ACK 5.03 #60 tok 14=< |queue is full"); /* Max-Age 60 */
    server_sends(r, 0, 0, "NON 0.01 #61 tok 11=3");
    expect_at_server(r, 0, 0, "NON 5.03 #* tok 14=< |queue is full");
    assert_int_equal(device_info(r, 0).queue_messages, 3);
    assert_int_equal(stored_records(r, RECORD_DOWNLINK), 3);
    /* The device's own business goes on. */
    device_sends(r, 0, "CON 0.02 #7 up 11=rd");
    uint16_t leg = expect_at_server(r, 0, 0, "CON 0.02 #* up 11=rd");
    server_sends(r, 0, 0, "ACK 2.04 #%u up", leg);
    expect_delivered(r, 0, "ACK 2.04 #7 up");
    device_sends(r, 0, "ACK 2.05 #%u t0", mid);
    leg = expect_at_server(r, 0, 0, "CON 2.05 #* t0");
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_delivered(r, 0, "CON 0.01 #* t1 11=3");
    server_sends(r, 0, 0, "CON 0.01 #62 tok 11=3"); /* there is room again */
    expect_at_server(r, 0, 0, "ACK #62");
    rig_abandon(r);
}

static void queue_full_in_bytes(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.tune = few_bytes});
    server_sends(r, 0, 0, "CON 0.03 #50 tok 11=3 |~60");
    expect_at_server(r, 0, 0, "ACK #50");
    server_sends(r, 0, 0, "CON 0.03 #51 tok 11=3 |~60");
    expect_at_server(r, 0, 0, "ACK 5.03 #51 tok 14=< |queue is full");
    server_sends(r, 0, 0, "CON 0.03 #52 tok 11=3 |x");
    expect_at_server(r, 0, 0, "ACK #52");
    expect_submitted(r, 0, "CON 0.03 #* tok 11=3 |~60");
    rig_abandon(r);
}

/* What waits for its answer only is still held: a device that acknowledges and never answers must not fill memory. */
static void queue_full_of_the_acknowledged(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.tune = small_queue});
    for (unsigned i = 0; i < 3; i++) {
        char text[32];
        server_sends(r, 0, 0, "CON 0.01 #%u t%u 11=3", 50 + i, i);
        snprintf(text, sizeof(text), "ACK #%u", 50 + i);
        expect_at_server(r, 0, 0, text);
        snprintf(text, sizeof(text), "CON 0.01 #* t%u 11=3", i);
        device_sends(r, 0, "ACK #%u", expect_delivered(r, 0, text));
    }
    server_sends(r, 0, 0, "CON 0.01 #60 tok 11=3");
    expect_at_server(r, 0, 0, "ACK 5.03 #60 tok 14=< |queue is full");
    device_sends(r, 0, "NON 2.05 #9 t1 |x");
    expect_at_server(r, 0, 0, "NON 2.05 #* t1 |x");
    server_sends(r, 0, 0, "CON 0.01 #61 tok 11=3");
    expect_at_server(r, 0, 0, "ACK #61");
    expect_delivered(r, 0, "CON 0.01 #* tok 11=3");
    rig_abandon(r);
}

static void store_fails(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.hold_commits = true});
    commit(r);
    server_sends(r, 0, 0, "CON 0.01 #50 tok 11=3");
    server_sends(r, 0, 0, "NON 0.01 #51 tk2 11=3");
    commit_fails(r, ERR_STORE);
    expect_at_server(r, 0, 0, "ACK 5.03 #50 tok 14=< |store cannot take it now");
    expect_at_server(r, 0, 0, "NON 5.03 #* tk2 14=< |store cannot take it now");
    expect_no_submission(r);
    server_sends(r, 0, 0, "CON 0.01 #50 tok 11=3"); /* its repetition hears the same */
    expect_at_server(r, 0, 0, "ACK 5.03 #50 tok 14=< |store cannot take it now");
    assert_int_equal(event_count(r, ENGINE_ACCEPTED, NULL), 0);
    assert_int_equal(event_count(r, ENGINE_FINAL, NULL), 0);
    server_sends(r, 0, 0, "CON 0.01 #52 tok 11=3");
    commit(r);
    expect_at_server(r, 0, 0, "ACK #52");
    expect_submitted(r, 0, "CON 0.01 #* tok 11=3");
    rig_abandon(r);
}

/* The store has it, but could not say so: what was refused must not come back with a restart. */
static void store_is_unsure(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.hold_commits = true});
    commit(r);
    server_sends(r, 0, 0, "CON 0.01 #50 tok 11=3");
    commit_fails(r, ERR_STORE_UNSURE);
    expect_at_server(r, 0, 0, "ACK 5.03 #50 tok 14=< |store does not say whether it has it");
    assert_int_equal(stored_records(r, RECORD_DOWNLINK), 1);
    commit_fails(r, ERR_STORE); /* its deletion */
    assert_int_equal(stored_records(r, RECORD_DOWNLINK), 1);
    advance(r, 60 * SECONDS);
    commit(r);
    assert_int_equal(stored_records(r, RECORD_DOWNLINK), 0);
    expect_no_submission(r);
    rig_abandon(r);
}

static void short_life(struct engine_options *o)
{
    o->downlink.lifetime_ms = 10 * SECONDS;
}

/* The store does not answer at all: never accepted, so no final state, but an answer. */
static void store_hangs(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.hold_commits = true, .tune = short_life});
    commit(r);
    server_sends(r, 0, 0, "CON 0.01 #50 tok 11=3");
    advance(r, 11 * SECONDS);
    expect_at_server(r, 0, 0, "ACK 5.03 #50 tok 14=< |store cannot take it now");
    assert_int_equal(event_count(r, ENGINE_FINAL, NULL), 0);
    assert_int_equal(totals(r).queued_messages, 0);
    commit(r);
    expect_no_submission(r);
    commit(r);
    expect_nothing_at_server(r);
    assert_int_equal(stored_records(r, RECORD_DOWNLINK), 0);
    rig_end(r);
}

static void draining(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    server_sends(r, 0, 0, "CON 0.01 #50 tok 11=3");
    expect_at_server(r, 0, 0, "ACK #50");
    uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* tok 11=3");
    engine_drain(rig_engine(r));
    server_sends(r, 0, 0, "CON 0.01 #51 tk2 11=3");
    expect_at_server(r, 0, 0, "ACK 5.03 #51 tk2 14=0x0a |shutting down");
    server_sends(r, 0, 0, "CON 0.01 #50 tok 11=3"); /* accepted before: so it stays */
    expect_at_server(r, 0, 0, "ACK #50");
    device_sends(r, 0, "ACK 2.05 #%u tok |x", mid);
    uint16_t leg = expect_at_server(r, 0, 0, "CON 2.05 #* tok |x");
    server_sends(r, 0, 0, "ACK #%u", leg);
    rig_end(r);
}

/* --- larger than the device's packet size ------------------------------------------------------------- */

static struct rig *with_packet_size(uint32_t bits)
{
    struct rig *r = rig_new((struct rig_setup){.hold_configurations = true});
    configuration_granted(r, expect_configuration_create(r), "c0", bits);
    return r;
}

static void too_large(void **state)
{
    (void)state;
    struct rig *r = with_packet_size(8 * 100); /* bits */
    assert_int_equal(device_info(r, 0).maximum_packet_size_bytes, 100);
    server_sends(r, 0, 0, "CON 0.03 #50 tok 11=5 |~91"); /* 4 + 3 + 2 + 1 + 91 = 101 */
    expect_at_server(r, 0, 0, "ACK 4.13 #50 tok 27=0x02 |larger than the device's packet size");
    server_sends(r, 0, 0, "CON 0.03 #50 tok 11=5 |~91");
    expect_at_server(r, 0, 0, "ACK 4.13 #50 tok 27=0x02 |larger than the device's packet size");
    server_sends(r, 0, 0, "NON 0.03 #51 tok 11=5 |~91");
    expect_at_server(r, 0, 0, "NON 4.13 #* tok 27=0x02 |larger than the device's packet size");
    expect_no_submission(r);
    server_sends(r, 0, 0, "CON 0.03 #52 tok 11=5 |~90");
    expect_at_server(r, 0, 0, "ACK #52");
    expect_submitted(r, 0, "CON 0.03 #* tok 11=5 |~90");
    rig_abandon(r);
}

/* Whatever the options: with the size that is offered, the server's blocks go through, the first and the hundredth. */
static void offered_block_size_fits(void **state)
{
    (void)state;
    for (unsigned limit = 40; limit < 1400; limit += limit < 200 ? 1 : 37) {
        struct rig *r = with_packet_size(8 * limit);
        server_sends(r, 0, 0, "CON 0.03 #50 tok 11=5 11=0 12=0x2a |~1500");
        struct message blocks[2];
        char want[128];
        unsigned szx = 7;
        for (unsigned i = 0; i < 7; i++) {
            snprintf(want, sizeof(want),
                     i ? "ACK 4.13 #50 tok 27=0x0%u |larger than the device's packet size"
                       : "ACK 4.13 #50 tok 27= |larger than the device's packet size",
                     i);
            char got[MESSAGE_TEXT_MAX];
            message_text(peek_at_server(r), false, got);
            if (strcmp(got, want) == 0)
                szx = i;
        }
        assert_in_range(szx, 0, 6);
        snprintf(want, sizeof(want),
                 szx ? "ACK 4.13 #50 tok 27=0x0%u |larger than the device's packet size"
                     : "ACK 4.13 #50 tok 27= |larger than the device's packet size",
                 szx);
        expect_at_server(r, 0, 0, want);
        blocks[0] = message_of("CON 0.03 #51 tok 11=5 11=0 12=0x2a 27=0x%02x |~%u", 8 | szx, 16u << szx);
        blocks[1] = message_of("CON 0.03 #52 tok 11=5 11=0 12=0x2a 27=0x%04x |~%u", 100u << 4 | 8 | szx, 16u << szx);
        for (unsigned i = 0; i < 2; i++) {
            if (blocks[i].len > limit)
                fail_msg("packet size %u, offered szx %u: block %u has %zu bytes", limit, szx, i * 100, blocks[i].len);
        }
        /* And it is not smaller than it must be, by more than one step. */
        assert_true(szx == 6 || blocks[1].len + (32u << szx) + 16 > limit);
        rig_abandon(r);
    }
}

static void default_size(struct engine_options *o)
{
    o->default_packet_size_bytes = 50;
}

static void default_packet_size(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.tune = default_size});
    server_sends(r, 0, 0, "CON 0.03 #50 tok 11=5 |~91");
    expect_at_server(r, 0, 0, "ACK 4.13 #50 tok 27=0x01 |larger than the device's packet size");
    rig_end(r);
    r = rig_new((struct rig_setup){0}); /* not told: unlimited */
    server_sends(r, 0, 0, "CON 0.03 #50 tok 11=5 |~2000");
    expect_at_server(r, 0, 0, "ACK #50");
    expect_submitted(r, 0, "CON 0.03 #* tok 11=5 |~2000");
    rig_abandon(r);
}

/* --- the SCEF does not want the device ----------------------------------------------------------------- */

static void device_refused_by_the_scef(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.hold_configurations = true});
    struct rig_configuration_request *q = expect_configuration_create(r);
    server_sends(r, 0, 0, "CON 0.01 #50 tok 11=3"); /* before that is known */
    expect_at_server(r, 0, 0, "ACK #50");
    uint64_t seq = last_accepted(r);
    configuration_answer(
        r, q, (struct nidd_configuration_result){.http_status = 403, .cause = T8_CAUSE_OPERATION_PROHIBITED});
    uint16_t leg = expect_at_server(r, 0, 0, "CON 5.02 #* tok |refused by the SCEF");
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_final(r, seq, FINAL_FAILED, NULL);
    server_sends(r, 0, 0, "CON 0.01 #51 tok 11=3");
    expect_at_server(r, 0, 0, "ACK 5.02 #51 tok |OPERATION_PROHIBITED");
    rig_end(r);
}

/* Accepted in the moment in which the SCEF refuses: not left waiting for its lifetime's end. */
static void device_refused_while_the_store_is_slow(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.hold_configurations = true, .hold_commits = true});
    commit(r);
    struct rig_configuration_request *q = expect_configuration_create(r);
    server_sends(r, 0, 0, "CON 0.01 #50 tok 11=3");
    configuration_answer(r, q, (struct nidd_configuration_result){.http_status = 403});
    expect_nothing_at_server(r);
    commit(r);
    expect_at_server(r, 0, 0, "ACK #50");
    uint16_t leg = expect_at_server(r, 0, 0, "CON 5.02 #* tok |refused by the SCEF");
    server_sends(r, 0, 0, "ACK #%u", leg);
    commit(r);
    expect_final(r, last_accepted(r), FINAL_FAILED, NULL);
    rig_end(r);
}

static void authorisation_withdrawn(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.hold_configurations = true});
    configuration_granted(r, expect_configuration_create(r), "c0", 0);
    server_sends(r, 0, 0, "CON 0.01 #50 tok 11=3");
    expect_at_server(r, 0, 0, "ACK #50");
    unsigned s = expect_submitted(r, 0, "CON 0.01 #* tok 11=3");
    submit_refused(r, s, 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    assert_int_equal(configuration_status(r, 0, "c0", T8_NIDD_TERMINATED_UE_NOT_AUTHORIZED), OK);
    uint16_t leg = expect_at_server(r, 0, 0, "CON 5.02 #* tok |UE not authorised for NIDD");
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_final(r, last_accepted(r), FINAL_FAILED, NULL);
    server_sends(r, 0, 0, "CON 0.01 #51 tok 11=3");
    char text[MESSAGE_TEXT_MAX];
    message_text(peek_at_server(r), false, text);
    assert_memory_equal(text, "ACK 5.02 #51 tok", 16);
    expect_at_server(r, 0, 0, text);
    rig_end(r);
}

static void device_is_in_no_configuration(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.devices = 2});
    rig_restart_with_fewer_devices(r, 1);
    server_sends(r, 1, 0, "CON 0.01 #50 tok 11=3");
    expect_at_server(r, 1, 0, "ACK 5.02 #50 tok |device is not configured");
    server_sends(r, 2, 0, "CON 0.01 #50 tok 11=3"); /* an address of nobody */
    expect_nothing_at_server(r);
    rig_end(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queue_full),
        cmocka_unit_test(queue_full_in_bytes),
        cmocka_unit_test(queue_full_of_the_acknowledged),
        cmocka_unit_test(store_fails),
        cmocka_unit_test(store_is_unsure),
        cmocka_unit_test(store_hangs),
        cmocka_unit_test(draining),
        cmocka_unit_test(too_large),
        cmocka_unit_test(offered_block_size_fits),
        cmocka_unit_test(default_packet_size),
        cmocka_unit_test(device_refused_by_the_scef),
        cmocka_unit_test(device_refused_while_the_store_is_slow),
        cmocka_unit_test(authorisation_withdrawn),
        cmocka_unit_test(device_is_in_no_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
