/* "Latest wins": a newer request takes the place of the same one that was not submitted yet. */
#include <stdio.h>

#include "tests/nidd/harness.h"

static void seldom(struct engine_options *o)
{
    o->retry_min_ms = o->retry_max_ms = 1 * HOURS;
}

static void wins(struct engine *e)
{
    const struct engine_policy p = {.lifetime_ms = 24 * HOURS, .priority = QUEUE_PRIORITY_DEFAULT, .latest_wins = true};
    assert_int_equal(engine_downlinks_replace(e, &p, NULL, 0), OK);
}

/* The device sleeps, and a request that was tried stands first in its line. */
static struct rig *asleep(struct rig_setup s)
{
    s.tune = s.tune ? s.tune : seldom;
    s.routes = wins;
    struct rig *r = rig_new(s);
    server_sends(r, 0, 0, "NON 0.02 #40 first 11=0");
    submit_refused(r, expect_submitted(r, 0, "NON 0.02 #* first 11=0"), 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    return r;
}

static uint64_t sends(struct rig *r, const char *text)
{
    server_sends(r, 0, 0, "%s", text);
    return last_accepted(r);
}

/* All that the line holds, in its order, without Message IDs: "0.03 b2 11=3 |2". */
static void expect_line(struct rig *r, const char *const *texts, size_t count)
{
    struct engine_message_info m;
    uint64_t seq = 0;
    for (size_t i = 0; i < count; i++) {
        char text[MESSAGE_TEXT_MAX];
        assert_true(engine_message_next(rig_engine(r), BYTES_LIT("dev0@example.com"), &seq, &m));
        message_text(m.message, false, text);
        const char *token = strstr(text, texts[i]);
        if (!token)
            fail_msg("place %zu: want %s, is %s", i, texts[i], text);
    }
    assert_false(engine_message_next(rig_engine(r), BYTES_LIT("dev0@example.com"), &seq, &m));
}

static void a_newer_write_takes_the_place(void **state)
{
    (void)state;
    struct rig *r = asleep((struct rig_setup){0});
    const uint64_t old = sends(r, "CON 0.03 #51 a1 11=3 11=1 15=q |1");
    expect_at_server(r, 0, 0, "ACK #51");
    sends(r, "NON 0.03 #52 b1 11=3 11=2 |1");
    sends(r, "NON 0.01 #53 c1 11=3 11=1 15=q");
    const uint64_t new = sends(r, "CON 0.03 #54 a2 11=3 11=1 15=q |22");
    uint16_t leg = expect_at_server(r, 0, 0, "CON 5.03 #* a1 14=< |replaced by a newer request");
    expect_at_server(r, 0, 0, "ACK #54");
    server_sends(r, 0, 0, "ACK #%u", leg);
    expect_final(r, old, FINAL_DISPLACED, "replaced by a newer request");
    expect_line(r, (const char *const[]){"first", "a2", "b1", "c1"}, 4);
    assert_int_equal(stored_records(r, RECORD_DOWNLINK), 4);
    /* The place is kept over a restart. */
    rig_restart(r);
    expect_line(r, (const char *const[]){"first", "a2", "b1", "c1"}, 4);
    skip_submissions(r);
    assert_false(is_final(r, new));
    rig_abandon(r);
}

static void reads_are_replaced_too(void **state)
{
    (void)state;
    struct rig *r = asleep((struct rig_setup){0});
    sends(r, "NON 0.01 #51 a1 11=3");
    sends(r, "NON 0.05 #52 b1 11=3 |x");
    sends(r, "NON 0.05 #53 b2 11=3 |y"); /* asks for something else */
    sends(r, "NON 0.01 #54 a2 11=3");
    expect_at_server(r, 0, 0, "NON 5.03 #* a1 14=< |replaced by a newer request");
    sends(r, "NON 0.05 #55 b3 11=3 |x");
    expect_at_server(r, 0, 0, "NON 5.03 #* b1 14=< |replaced by a newer request");
    sends(r, "NON 0.01 #56 a3 11=3"); /* and again */
    expect_at_server(r, 0, 0, "NON 5.03 #* a2 14=< |replaced by a newer request");
    expect_line(r, (const char *const[]){"first", "a3", "b3", "b2"}, 4);
    rig_abandon(r);
}

static void what_is_not_the_same_stays(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"NON 0.03 #51 t1 11=3 |1", "NON 0.03 #52 t2 11=4 |1"},           /* path */
        {"NON 0.03 #51 t1 11=3 15=a |1", "NON 0.03 #52 t2 11=3 15=b |1"}, /* query */
        {"NON 0.03 #51 t1 11=3 |1", "NON 0.01 #52 t2 11=3"},              /* method */
        {"NON 0.03 #51 t1 11=3 12=* |1", "NON 0.03 #52 t2 11=3 |1"},      /* Content-Format */
        {"NON 0.02 #51 t1 11=3 |1", "NON 0.02 #52 t2 11=3 |1"},           /* POST */
        {"NON 0.04 #51 t1 11=3", "NON 0.04 #52 t2 11=3"},                 /* DELETE */
        {"NON 0.07 #51 t1 11=3 |1", "NON 0.07 #52 t2 11=3 |1"},           /* iPATCH: parts of a whole */
        {"NON 0.01 #51 t1 6= 11=3", "NON 0.01 #52 t2 6= 11=3"},           /* Observe */
        {"NON 0.03 #51 t1 11=3 27=* |1", "NON 0.03 #52 t2 11=3 27=* |1"}, /* Block1 */
        {"NON 0.01 #51 t1 11=3 23=*", "NON 0.01 #52 t2 11=3 23=*"},       /* Block2 */
        {"NON 0.05 #51 t1 9=* |1", "NON 0.05 #52 t2 9=* |1"},             /* OSCORE */
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct rig *r = asleep((struct rig_setup){0});
        sends(r, pairs[i][0]);
        sends(r, pairs[i][1]);
        expect_line(r, (const char *const[]){"first", "t1", "t2"}, 3);
        rig_abandon(r);
    }
}

static void of_another_server_or_device(void **state)
{
    (void)state;
    struct rig *r = asleep((struct rig_setup){.servers = 2, .devices = 2});
    sends(r, "NON 0.03 #51 t1 11=3 |1");
    server_sends(r, 0, 1, "NON 0.03 #51 t2 11=3 |1");
    server_sends(r, 1, 0, "NON 0.03 #51 t3 11=3 |1");
    expect_submitted(r, 1, NULL);
    expect_line(r, (const char *const[]){"first", "t1", "t2"}, 3);
    rig_abandon(r);
}

/* It may have been carried out. */
static void what_was_submitted_stays(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.tune = seldom, .routes = wins});
    sends(r, "NON 0.03 #51 t1 11=3 |1");
    unsigned s = expect_submitted(r, 0, NULL);
    sends(r, "NON 0.03 #52 t2 11=3 |1");
    submit_refused(r, s, 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    sends(r, "NON 0.03 #53 t3 11=3 |1"); /* the second one can be replaced */
    expect_at_server(r, 0, 0, "NON 5.03 #* t2 14=< |replaced by a newer request");
    expect_line(r, (const char *const[]){"t1", "t3"}, 2);
    rig_restart(r); /* nobody knows what was submitted before */
    unsigned again = expect_submitted(r, 0, "NON 0.03 #* t1 11=3 |1");
    submit_refused(r, again, 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    sends(r, "NON 0.03 #54 t4 11=3 |1");
    expect_line(r, (const char *const[]){"t1", "t3", "t4"}, 3);
    rig_abandon(r);
}

/* PUT, DELETE, PUT is not DELETE alone. */
static void none_is_moved_past_what_does_something(void **state)
{
    (void)state;
    static const char *const between[] = {"NON 0.04 #52 b1 11=3", "NON 0.02 #52 b1 11=9", "NON 0.03 #52 b1 11=3 27=*",
                                          "NON 0.02 #52 b1 9=*"};
    for (size_t i = 0; i < 4; i++) {
        struct rig *r = asleep((struct rig_setup){0});
        sends(r, "NON 0.03 #51 a1 11=3 |1");
        sends(r, between[i]);
        sends(r, "NON 0.03 #53 a2 11=3 |2");
        expect_line(r, (const char *const[]){"first", "a1", "b1", "a2"}, 4);
        sends(r, "NON 0.03 #54 a3 11=3 |3"); /* behind it all is well */
        expect_at_server(r, 0, 0, "NON 5.03 #* a2 14=< |replaced by a newer request");
        expect_line(r, (const char *const[]){"first", "a1", "b1", "a3"}, 4);
        rig_abandon(r);
    }
}

static void two_messages(struct engine_options *o)
{
    seldom(o);
    o->queue.max_messages = 2;
    o->queue.max_bytes = 60;
}

static void a_full_queue_takes_what_replaces(void **state)
{
    (void)state;
    struct rig *r = asleep((struct rig_setup){.tune = two_messages});
    sends(r, "NON 0.03 #51 a1 11=3 |1");
    server_sends(r, 0, 0, "NON 0.03 #52 b1 11=4 |1");
    expect_at_server(r, 0, 0, "NON 5.03 #* b1 14=< |queue is full");
    sends(r, "NON 0.03 #53 a2 11=3 |2");
    expect_at_server(r, 0, 0, "NON 5.03 #* a1 14=< |replaced by a newer request");
    server_sends(r, 0, 0, "NON 0.03 #54 a3 11=3 |~50"); /* too large for the place of the old one */
    expect_at_server(r, 0, 0, "NON 5.03 #* a3 14=< |queue is full");
    expect_line(r, (const char *const[]){"first", "a2"}, 2);
    sends(r, "NON 0.03 #55 a4 11=3 |4"); /* and it is found all the same */
    expect_at_server(r, 0, 0, "NON 5.03 #* a2 14=< |replaced by a newer request");
    rig_abandon(r);
}

/* One that is not stored yet was not accepted: it is refused. A crash finds either the old one or the new one. */
static void while_the_store_works(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.tune = seldom, .routes = wins, .hold_commits = true});
    commit(r);
    server_sends(r, 0, 0, "CON 0.03 #51 a1 11=3 |1");
    server_sends(r, 0, 0, "CON 0.03 #52 a2 11=3 |2");
    expect_at_server(r, 0, 0, "ACK 5.03 #51 a1 14=< |replaced by a newer request");
    server_sends(r, 0, 0, "CON 0.03 #51 a1 11=3 |1"); /* its repetition hears the same */
    expect_at_server(r, 0, 0, "ACK 5.03 #51 a1 14=< |replaced by a newer request");
    expect_no_submission(r);
    commit(r);
    expect_at_server(r, 0, 0, "ACK #52");
    expect_submitted(r, 0, "CON 0.03 #* a2 11=3 |2");
    assert_int_equal(event_count(r, ENGINE_ACCEPTED, NULL), 1);
    assert_int_equal(event_count(r, ENGINE_FINAL, NULL), 0);
    commit(r);
    assert_int_equal(stored_records(r, RECORD_DOWNLINK), 1);
    rig_abandon(r);
}

static void off_by_default(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.tune = seldom});
    sends(r, "NON 0.03 #50 t0 11=3 |1");
    expect_submitted(r, 0, NULL);
    sends(r, "NON 0.03 #51 t1 11=3 |1");
    sends(r, "NON 0.03 #52 t2 11=3 |1");
    expect_line(r, (const char *const[]){"t0", "t1", "t2"}, 3);
    rig_abandon(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_newer_write_takes_the_place),
        cmocka_unit_test(reads_are_replaced_too),
        cmocka_unit_test(what_is_not_the_same_stays),
        cmocka_unit_test(of_another_server_or_device),
        cmocka_unit_test(what_was_submitted_stays),
        cmocka_unit_test(none_is_moved_past_what_does_something),
        cmocka_unit_test(a_full_queue_takes_what_replaces),
        cmocka_unit_test(while_the_store_works),
        cmocka_unit_test(off_by_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
