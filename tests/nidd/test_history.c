/* Final states are kept: for a while, so many, over restarts, and never told twice. */
#include <stdio.h>

#include "tests/nidd/harness_internal.h"

static void an_hour(struct engine_options *o)
{
    o->history_ms = 1 * HOURS;
    o->history_max = 4;
    o->downlink.lifetime_ms = 30 * SECONDS;
    o->retry_min_ms = o->retry_max_ms = 10 * HOURS;
}

static const struct rig_setup setup = {.tune = an_hour};

static unsigned finals(struct rig *r, unsigned device, struct engine_final_info *out, unsigned max)
{
    char id[32];
    uint32_t cursor = 0;
    unsigned n = 0;
    snprintf(id, sizeof(id), "dev%u@example.com", device);
    for (struct engine_final_info f; engine_final_next(rig_engine(r), bytes_of_str(id), &cursor, &f); n++)
        if (n < max)
            out[n] = f;
    return n;
}

static void is(struct bytes b, const char *text)
{
    if (!bytes_equal(b, bytes_of_str(text)))
        fail_msg("want \"%s\", is \"%.*s\"", text, (int)b.len, (const char *)b.data);
}

/* A request that the device answers. */
static uint64_t answered(struct rig *r, unsigned device, unsigned mid)
{
    char text[64];
    server_sends(r, device, 0, "CON 0.01 #%u tok 11=3 11=0 15=a=1 15=b", mid);
    const uint64_t seq = last_accepted(r);
    snprintf(text, sizeof(text), "ACK #%u", mid);
    expect_at_server(r, device, 0, text);
    advance(r, 1 * SECONDS);
    device_sends(r, device, "ACK 2.05 #%u tok |x",
                 expect_delivered(r, device, "CON 0.01 #* tok 11=3 11=0 15=a=1 15=b"));
    server_takes(r, device, "CON 2.05 #* tok |x");
    expect_final(r, seq, FINAL_ANSWERED, "");
    return seq;
}

static void check_answered(const struct engine_final_info *f, uint64_t seq)
{
    assert_true(f->seq == seq);
    assert_string_equal(f->class_, "request");
    assert_int_equal(f->code, COAP_GET);
    is(f->path, "/3/0?a=1&b");
    is(f->server, "server0");
    is(f->reason, "");
    assert_int_equal(f->final, FINAL_ANSWERED);
    assert_int_equal(f->attempts, 1);
    assert_int_equal(f->bytes, 4 + 3 + 2 + 2 + 4 + 2);
    assert_true(f->final_ms - f->accepted_ms == 1 * SECONDS);
}

static void kept_over_restarts_for_an_hour(void **state)
{
    (void)state;
    struct rig *r = rig_new(setup);
    struct engine_final_info f[8];
    const uint64_t seq = answered(r, 0, 50);
    assert_int_equal(finals(r, 0, f, 8), 1);
    check_answered(&f[0], seq);
    assert_int_equal(stored_records(r, RECORD_FINAL), 1);
    assert_int_equal(stored_records(r, RECORD_DOWNLINK), 0);
    rig_restart_later(r, 59 * MINUTES);
    advance(r, 1);
    assert_int_equal(finals(r, 0, f, 8), 1);
    check_answered(&f[0], seq);
    assert_int_equal(totals(r).finals, 1);
    advance(r, 1 * MINUTES);
    assert_int_equal(finals(r, 0, f, 8), 0);
    assert_int_equal(stored_records(r, RECORD_FINAL), 0);
    assert_int_equal(totals(r).finals, 0);
    rig_end(r);
}

static void out_of_date_at_the_start(void **state)
{
    (void)state;
    struct rig *r = rig_new(setup);
    struct engine_final_info f[8];
    answered(r, 0, 50);
    rig_restart_later(r, 2 * HOURS);
    advance(r, 1);
    assert_int_equal(finals(r, 0, f, 8), 0);
    assert_int_equal(stored_records(r, RECORD_FINAL), 0);
    rig_end(r);
}

static void with_cause_and_without_a_path(void **state)
{
    (void)state;
    struct rig *r = rig_new(setup);
    struct engine_final_info f[8];
    server_sends(r, 0, 0, "NON 0.02 #50 tok 9=x 11=3 |secret"); /* OSCORE */
    submit_refused(r, expect_submitted(r, 0, NULL), 403, T8_CAUSE_OPERATION_PROHIBITED);
    expect_at_server(r, 0, 0, "NON 5.02 #* tok |OPERATION_PROHIBITED");
    advance(r, 1 * SECONDS);
    server_sends(r, 0, 0, "NON 0.01 #51 tok 11=0x61ff 15=0x0100");
    submit_refused(r, expect_submitted(r, 0, NULL), 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    advance(r, 30 * SECONDS);
    skip_at_server(r);
    assert_int_equal(finals(r, 0, f, 8), 2);
    is(f[0].path, "");
    is(f[0].reason, "OPERATION_PROHIBITED");
    assert_int_equal(f[0].final, FINAL_FAILED);
    is(f[1].path, "/a\?\?\?\?");
    is(f[1].reason, "lifetime over; device not reachable");
    assert_int_equal(f[1].final, FINAL_EXPIRED);
    rig_end(r);
}

static void the_oldest_of_a_device_make_room(void **state)
{
    (void)state;
    struct rig *r = rig_new(setup);
    struct engine_final_info f[8];
    uint64_t seqs[6];
    for (unsigned i = 0; i < 6; i++)
        seqs[i] = answered(r, 0, 50 + i);
    for (int restarted = 0; restarted < 2; restarted++) {
        assert_int_equal(finals(r, 0, f, 8), 4);
        for (unsigned i = 0; i < 4; i++)
            check_answered(&f[i], seqs[i + 2]);
        assert_int_equal(stored_records(r, RECORD_FINAL), 4);
        if (!restarted)
            rig_restart(r);
    }
    rig_end(r);
}

static void few_bytes(struct engine_options *o)
{
    an_hour(o);
    o->history_total_bytes = 450; /* two or three */
}

static void bound_over_all_devices(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.tune = few_bytes, .devices = 8});
    struct engine_final_info f[8];
    unsigned kept = 0;
    for (unsigned i = 0; i < 8; i++)
        answered(r, i, 50);
    for (unsigned i = 0; i < 8; i++) {
        unsigned n = finals(r, i, f, 8);
        assert_true(n || !kept); /* the oldest went */
        kept += n;
    }
    assert_true(kept >= 2 && kept <= 4);
    assert_int_equal(stored_records(r, RECORD_FINAL), kept);
    assert_int_equal(totals(r).finals, kept);
    rig_end(r);
}

/* The final state and the end of the record are one: what a crash finds is the message or its final state. */
static void never_told_twice(void **state)
{
    (void)state;
    for (int committed = 0; committed < 2; committed++) {
        struct rig_setup s = setup;
        s.hold_commits = true;
        struct rig *r = rig_new(s);
        struct engine_final_info f;
        commit(r);
        server_sends(r, 0, 0, "NON 0.01 #50 tok 11=3");
        commit(r);
        const uint64_t seq = last_accepted(r);
        device_sends(r, 0, "NON 2.05 #%u tok |x", expect_delivered(r, 0, "NON 0.01 #* tok 11=3"));
        expect_at_server(r, 0, 0, "NON 2.05 #* tok |x");
        expect_final(r, seq, FINAL_ANSWERED, "");
        assert_int_equal(stored_records(r, RECORD_DOWNLINK), 1);
        assert_int_equal(stored_records(r, RECORD_FINAL), 0);
        if (!committed) {
            rig_abandon(r);
            continue;
        }
        commit(r);
        assert_int_equal(stored_records(r, RECORD_DOWNLINK), 0);
        assert_int_equal(stored_records(r, RECORD_FINAL), 1);
        rig_restart(r);
        commit(r);
        advance(r, 40 * SECONDS);
        expect_no_submission(r);
        assert_int_equal(finals(r, 0, &f, 1), 1);
        assert_int_equal(event_count(r, ENGINE_FINAL, NULL), 1);
        rig_end(r);
    }
}

/* Should both records be there all the same, the final state counts. */
static void a_message_that_has_ended_is_not_restored(void **state)
{
    (void)state;
    struct rig *r = rig_new(setup);
    struct message m = message_of("NON 0.01 #50 tok 11=3");
    struct engine *e = rig_engine(r);
    struct record_final f = {
        .device_id = BYTES_LIT("dev0@example.com"), .seq = 900000, .final_ms = rig_now(r), .final = FINAL_ANSWERED};
    const struct record_message stored = {.device_id = f.device_id,
                                          .seq = f.seq,
                                          .server = BYTES_LIT("server0"),
                                          .queue_class = QUEUE_REQUEST,
                                          .priority = QUEUE_PRIORITY_DEFAULT,
                                          .deadline_ms = rig_now(r) + HOURS,
                                          .message = message_bytes(&m)};
    rig_begin_input(r);
    assert_int_equal(engine_restore_final(e, &f), OK);
    assert_int_equal(engine_restore_final(e, &f), ERR_STORE_CORRUPT); /* twice */
    assert_int_equal(engine_restore_message(e, RECORD_DOWNLINK, &stored), OK);
    rig_end_input(r);
    assert_int_equal(totals(r).queued_messages, 0);
    f.seq++;
    f.final = FINAL_NONE;
    assert_int_equal(engine_restore_final(e, &f), ERR_STORE_CORRUPT);
    f.final = FINAL_COUNT;
    assert_int_equal(engine_restore_final(e, &f), ERR_STORE_CORRUPT);
    f.final = FINAL_FAILED;
    f.device_id = BYTES_LIT("nobody@example.com");
    assert_int_equal(engine_restore_final(e, &f), ERR_UNKNOWN_DEVICE);
    rig_end(r);
}

/* The message is answered while its server is down: its end comes from the spool. */
static void the_end_of_what_was_spooled(void **state)
{
    (void)state;
    struct rig *r = rig_new(setup);
    struct engine_final_info f;
    server_sends(r, 0, 0, "CON 0.01 #50 tok 11=3");
    const uint64_t seq = last_accepted(r);
    expect_at_server(r, 0, 0, "ACK #50");
    uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* tok 11=3");
    server_unreachable(r, 0, ERR_UNREACHABLE);
    expect_uplink_answered(r, device_sends_later(r, 0, "ACK 2.05 #%u tok |x", mid), OK);
    server_unreachable(r, 0, OK);
    server_comes_back(r, 0);
    server_takes(r, 0, "CON 2.05 #* tok |x");
    expect_final(r, seq, FINAL_ANSWERED, "");
    assert_int_equal(finals(r, 0, &f, 1), 1);
    assert_true(f.seq == seq);
    assert_int_equal(f.final, FINAL_ANSWERED);
    assert_int_equal(f.code, 0); /* only its answer was left */
    rig_end(r);
}

static void off(struct engine_options *o)
{
    an_hour(o);
    o->history_ms = 0;
}

static void off_by_default_and_forgotten_when_switched_off(void **state)
{
    (void)state;
    struct engine_options o;
    engine_options_default(&o);
    assert_true(o.history_ms == 0);
    struct rig *r = rig_new((struct rig_setup){.tune = off});
    struct engine_final_info f;
    answered(r, 0, 50);
    assert_int_equal(finals(r, 0, &f, 1), 0);
    assert_int_equal(stored_records(r, RECORD_FINAL), 0);
    rig_end(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_over_restarts_for_an_hour),
        cmocka_unit_test(out_of_date_at_the_start),
        cmocka_unit_test(with_cause_and_without_a_path),
        cmocka_unit_test(the_oldest_of_a_device_make_room),
        cmocka_unit_test(bound_over_all_devices),
        cmocka_unit_test(never_told_twice),
        cmocka_unit_test(a_message_that_has_ended_is_not_restored),
        cmocka_unit_test(the_end_of_what_was_spooled),
        cmocka_unit_test(off_by_default_and_forgotten_when_switched_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
