/* What makes a queue flow beside the device's own messages: reports of the network, asked for or not. */
#include "tests/nidd/harness.h"

#define READ "CON 0.01 #50 tok 11=3"
#define DOWN "CON 0.01 #* tok 11=3"

static void seldom(struct engine_options *o)
{
    o->retry_min_ms = o->retry_max_ms = 6 * HOURS;
}

/* A read that met a sleeping device. */
static struct rig *asleep(struct rig_setup setup, int status, enum t8_cause cause)
{
    setup.tune = seldom;
    struct rig *r = rig_new(setup);
    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    submit_refused(r, expect_submitted(r, 0, DOWN), status, cause);
    expect_no_submission(r);
    return r;
}

static void answered(struct rig *r, unsigned s)
{
    device_sends(r, 0, "ACK 2.05 #%u tok |x", submission_mid(r, s));
    uint16_t leg = expect_at_server(r, 0, 0, "CON 2.05 #* tok |x");
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_final(r, last_accepted(r), FINAL_ANSWERED, "");
    rig_end(r);
}

static void reported(void **state)
{
    (void)state;
    struct rig *r = asleep((struct rig_setup){0}, 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    advance(r, HOURS);
    expect_no_submission(r);
    assert_false(device_reachable(r, 0, 1)); /* of no SCEF of ours */
    expect_no_submission(r);
    assert_true(device_reachable(r, 0, 0));
    unsigned s = expect_submitted(r, 0, DOWN);
    assert_true(device_reachable(r, 0, 0)); /* told twice */
    expect_no_submission(r);
    submit_delivered(r, s);
    answered(r, s);
}

/* A time that the network has named is kept. */
static void told_to_wait(void **state)
{
    (void)state;
    struct rig *r = asleep((struct rig_setup){0}, 429, T8_CAUSE_NONE);
    advance(r, HOURS);
    assert_true(device_reachable(r, 0, 0));
    expect_no_submission(r);
    assert_in_range(advance_to_activity(r, 12 * HOURS), 4 * HOURS, 6 * HOURS);
    unsigned s = expect_submitted(r, 0, DOWN);
    submit_delivered(r, s);
    answered(r, s);
}

/* Delivered, and no answer, until it was given up: it is there now, so once more. */
static void silent(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    unsigned s = 0;
    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    for (unsigned i = 0; i < 5; i++) {
        s = expect_submitted(r, 0, DOWN);
        submit_delivered(r, s);
        if (i < 4)
            advance_to_activity(r, HOURS);
    }
    advance(r, 6 * HOURS);
    expect_no_submission(r);
    assert_true(device_reachable(r, 0, 0));
    s = expect_submitted(r, 0, DOWN);
    submit_delivered(r, s);
    answered(r, s);
}

/* --- asked for ---------------------------------------------------------------------------------------- */

static struct rig *watched_with(struct rig_setup setup, unsigned *w, bool pdn)
{
    setup.watch = true;
    struct rig *r = asleep(setup, 500, pdn ? T8_CAUSE_NO_PDN_CONNECTION : T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    assert_int_equal(watch_lists(r), 1);
    expect_no_watch(r); /* those of before are not known yet */
    engine_watch_listed(rig_engine(r), 0);
    device_sends(r, 0, "NON #9");
    submit_refused(r, expect_submitted(r, 0, DOWN), 500,
                   pdn ? T8_CAUSE_NO_PDN_CONNECTION : T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    advance(r, 1000);
    submit_refused(r, expect_submitted(r, 0, DOWN), 500,
                   pdn ? T8_CAUSE_NO_PDN_CONNECTION : T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    *w = expect_watch(r, 0, pdn);
    return r;
}

static struct rig *watched(unsigned *w, bool pdn)
{
    return watched_with((struct rig_setup){0}, w, pdn);
}

static struct engine_watch_answer granted(const char *link)
{
    return (struct engine_watch_answer){.http_status = 201, .link = bytes_of_str(link)};
}

/* One for a device, until it has told. */
static void one_at_a_time(void **state)
{
    (void)state;
    for (unsigned pdn = 0; pdn < 2; pdn++) {
        unsigned w;
        struct rig *r = watched(&w, pdn);
        watch_answer(r, w, granted("/as/subscriptions/s1"));
        advance(r, MINUTES);
        device_sends(r, 0, "NON #10"); /* it was there for a moment */
        for (unsigned i = 0; i < 2; i++, advance(r, 1000))
            submit_refused(r, expect_submitted(r, 0, DOWN), 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
        expect_no_watch(r);
        assert_int_equal(engine_watch_over(rig_engine(r), 0, BYTES_LIT("/as/subscriptions/s2")).external_id.len, 0);
        struct t8_identity id = engine_watch_over(rig_engine(r), 0, BYTES_LIT("http://x/as/subscriptions/s1"));
        assert_true(bytes_equal(id.external_id, BYTES_LIT("dev0@example.com")));
        assert_int_equal(engine_watch_over(rig_engine(r), 0, BYTES_LIT("/as/subscriptions/s1")).external_id.len, 0);
        assert_true(device_reachable(r, 0, 0));
        submit_refused(r, expect_submitted(r, 0, DOWN), 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
        expect_watch(r, 0, false); /* the next one */
        rig_abandon(r);
    }
}

/* It ends by itself when nobody waits any more. */
static void over_by_itself(void **state)
{
    (void)state;
    unsigned w;
    struct rig *r = watched(&w, false);
    watch_answer(r, w,
                 (struct engine_watch_answer){.http_status = 201,
                                              .link = BYTES_LIT("/as/subscriptions/s1"),
                                              .expire_ms = rig_now(r) + 2 * HOURS}); /* less was granted */
    advance(r, HOURS);
    device_sends(r, 0, "NON #10");
    submit_refused(r, expect_submitted(r, 0, DOWN), 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    expect_no_watch(r);
    advance(r, HOURS);
    device_sends(r, 0, "NON #11");
    submit_refused(r, expect_submitted(r, 0, DOWN), 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    expect_watch(r, 0, false);
    rig_abandon(r);
}

/* A SCEF that does not do this is not asked again and again. */
static void refused(void **state)
{
    (void)state;
    static const int statuses[] = {403, 404, 501, 500, 0, 200};
    for (unsigned i = 0; i < 6; i++) {
        unsigned w;
        struct rig *r = watched(&w, false);
        watch_answer(r, w, (struct engine_watch_answer){.http_status = statuses[i]});
        for (unsigned n = 0; n < 5; n++) {
            advance(r, MINUTES);
            assert_true(device_reachable(r, 0, 0));
            submit_refused(r, expect_submitted(r, 0, DOWN), 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
            expect_no_watch(r);
        }
        rig_abandon(r);
    }
}

/* The network has said when: nothing is asked. */
static void time_told(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.watch = true});
    engine_watch_listed(rig_engine(r), 0);
    server_sends(r, 0, 0, READ);
    expect_at_server(r, 0, 0, "ACK #50");
    submit_result(r, expect_submitted(r, 0, DOWN),
                  (struct nidd_submit_result){.outcome = NIDD_SUBMIT_REFUSED,
                                              .http_status = 500,
                                              .cause = T8_CAUSE_TEMPORARILY_NOT_REACHABLE,
                                              .requested_retransmission_ms = rig_now(r) + 20 * MINUTES});
    expect_no_watch(r);
    assert_in_range(advance_to_activity(r, HOURS), 20 * MINUTES, 20 * MINUTES + 1000);
    expect_submitted(r, 0, DOWN);
    rig_abandon(r);
}

/* After a restart the list tells of it. */
static void found_again(void **state)
{
    (void)state;
    unsigned w;
    struct rig *r = watched(&w, false);
    watch_answer(r, w, granted("/as/subscriptions/s1"));
    rig_restart(r);
    assert_int_equal(watch_lists(r), 2);
    engine_watch_found(rig_engine(r), rig_now(r), 0, (struct t8_identity){.external_id = BYTES_LIT("dev0@example.com")},
                       BYTES_LIT("/as/subscriptions/s1"), rig_now(r) + 3 * HOURS);
    engine_watch_found(rig_engine(r), rig_now(r), 0, (struct t8_identity){.external_id = BYTES_LIT("who@example.com")},
                       BYTES_LIT("/as/subscriptions/s7"), 0);
    engine_watch_listed(rig_engine(r), 0);
    submit_refused(r, expect_submitted(r, 0, DOWN), 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    expect_no_watch(r);
    struct t8_identity id = engine_watch_over(rig_engine(r), 0, BYTES_LIT("/as/subscriptions/s1"));
    assert_true(bytes_equal(id.external_id, BYTES_LIT("dev0@example.com")));
    rig_abandon(r);
}

static void list_comes_first(struct engine *e, uint64_t now_ms)
{
    engine_watch_found(e, now_ms, 0, (struct t8_identity){.external_id = BYTES_LIT("who@example.com")},
                       BYTES_LIT("/as/subscriptions/s7"), 0);
    for (int twice = 0; twice < 2; twice++)
        engine_watch_found(e, now_ms, 0, (struct t8_identity){.external_id = BYTES_LIT("dev0@example.com")},
                           BYTES_LIT("/as/subscriptions/s1"), now_ms + 3 * HOURS);
    engine_watch_listed(e, 0);
}

/* The list is there before the device is loaded. */
static void found_before_its_device(void **state)
{
    (void)state;
    unsigned w;
    struct rig *r = watched_with((struct rig_setup){.unloaded = list_comes_first}, &w, false);
    watch_answer(r, w, granted("/as/subscriptions/s1"));
    rig_restart(r);
    submit_refused(r, expect_submitted(r, 0, DOWN), 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    expect_no_watch(r);
    struct t8_identity id = engine_watch_over(rig_engine(r), 0, BYTES_LIT("/as/subscriptions/s1"));
    assert_true(bytes_equal(id.external_id, BYTES_LIT("dev0@example.com")));
    rig_abandon(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reported),      cmocka_unit_test(told_to_wait),   cmocka_unit_test(silent),
        cmocka_unit_test(one_at_a_time), cmocka_unit_test(over_by_itself), cmocka_unit_test(refused),
        cmocka_unit_test(time_told),     cmocka_unit_test(found_again),    cmocka_unit_test(found_before_its_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
