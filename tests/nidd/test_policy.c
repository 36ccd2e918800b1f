/* The table of policies by itself, and what the engine makes of it. */
#include "nidd/policy.h"
#include "tests/nidd/harness.h"

#define DOMAIN(d)  .domain = {(const uint8_t *)(d), sizeof(d) - 1}
#define PATTERN(p) .external_id = {(const uint8_t *)(p), sizeof(p) - 1}

static unsigned priority_of(const struct policy_table *t, uint32_t server, const char *id)
{
    const struct engine_policy *p = policy_table_find(t, server, bytes_of_str(id));
    return p ? p->priority : 99;
}

static void the_one_that_says_most_counts(void **state)
{
    (void)state;
    const struct engine_downlink entries[] = {
        {.server = 1, .policy.priority = 1},
        {.server = ENGINE_NONE, DOMAIN("Example.COM"), .policy.priority = 2},
        {.server = ENGINE_NONE, PATTERN("meter-*@example.com"), .policy.priority = 3},
        {.server = 1, PATTERN("*-1@*"), .policy.priority = 4},
        {.server = 1, PATTERN("meter-1@example.com"), .policy.priority = 5},
    };
    struct policy_table *t;
    assert_int_equal(policy_table_new(entries, 5, &t), OK);
    assert_int_equal(policy_table_check(t, NULL, 0), 0);
    assert_int_equal(priority_of(t, 1, "meter-1@example.com"), 5);
    assert_int_equal(priority_of(t, 1, "meter-1@EXAMPLE.com"), 5);
    assert_int_equal(priority_of(t, 1, "pump-1@example.com"), 4);
    assert_int_equal(priority_of(t, 0, "meter-1@example.com"), 3);
    assert_int_equal(priority_of(t, 1, "meter-2@example.com"), 3); /* its device says more than its server */
    assert_int_equal(priority_of(t, 1, "pump-2@example.com"), 2);
    assert_int_equal(priority_of(t, 1, "pump-2@example.net"), 1);
    assert_int_equal(priority_of(t, 1, ""), 1); /* without an External Identifier */
    assert_int_equal(priority_of(t, 0, ""), 99);
    assert_int_equal(priority_of(t, 0, "pump-2@example.net"), 99);
    policy_table_free(t);
    policy_table_free(NULL);
}

static void refused_entries(void **state)
{
    (void)state;
    static char longer[300];
    memset(longer, 'a', sizeof(longer) - 1);
    const struct engine_downlink wrong[] = {
        {.server = ENGINE_NONE},
        {.server = 0, DOMAIN("a.b"), PATTERN("*")},
        {.server = 0, .external_id = bytes_of_str(longer)},
        {.server = 0, .domain = bytes_of_str(longer)},
        {.server = 0, .policy.priority = QUEUE_PRIORITY_MAX + 1},
    };
    struct policy_table *t;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(policy_table_new(&wrong[i], 1, &t), ERR_MEMBER_TYPE);
}

struct flaw {
    struct engine_downlink entries[2];
    bool found;
    struct route_finding finding;
};

static void flaws(void **state)
{
    (void)state;
    const struct flaw rows[] = {
        {{{.server = 0, .policy.priority = 1}, {.server = 0, .policy.priority = 2}}, true, {ROUTE_UNREACHABLE, 0, 1}},
        {{{.server = 0, .policy.priority = 1}, {.server = 1, .policy.priority = 2}}, false, {0}},
        {{{.server = 0, PATTERN("*@a.b")}, {.server = 0, DOMAIN("a.b")}}, true, {ROUTE_UNREACHABLE, 0, 1}},
        {{{.server = 0, PATTERN("a*")}, {.server = 0, PATTERN("ab*")}}, false, {0}},
        {{{.server = 0, PATTERN("a*"), .policy.priority = 1}, {.server = 0, PATTERN("*b")}},
         true,
         {ROUTE_AMBIGUOUS, 0, 1}},
        {{{.server = 0, PATTERN("a*"), .policy.buffer = ENGINE_BUFFER_SCEF}, {.server = 0, PATTERN("*b")}},
         true,
         {ROUTE_AMBIGUOUS, 0, 1}},
        {{{.server = 0, PATTERN("a*"), .policy.latest_wins = true}, {.server = 0, PATTERN("*b")}},
         true,
         {ROUTE_AMBIGUOUS, 0, 1}},
        {{{.server = 0, PATTERN("a*"), .policy.lifetime_ms = 1}, {.server = 0, PATTERN("*b")}},
         true,
         {ROUTE_AMBIGUOUS, 0, 1}},
        {{{.server = 0, PATTERN("a*")}, {.server = 0, PATTERN("*b")}}, false, {0}}, /* the same policy */
        {{{.server = 0, PATTERN("a*"), .policy.priority = 1}, {.server = 1, PATTERN("*b")}}, false, {0}},
        {{{.server = 0, PATTERN("a*"), .policy.priority = 1}, {.server = ENGINE_NONE, PATTERN("*b")}}, false, {0}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct policy_table *t;
        struct route_finding f = {0};
        assert_int_equal(policy_table_new(rows[i].entries, 2, &t), OK);
        assert_int_equal(policy_table_check(t, &f, 1), rows[i].found);
        assert_memory_equal(&f, &rows[i].finding, sizeof(f));
        policy_table_free(t);
    }
}

/* ---- in the engine */

static void replace(struct rig *r, uint64_t otherwise_ms, const struct engine_downlink *entries, size_t count)
{
    const struct engine_policy p = {.lifetime_ms = otherwise_ms, .priority = QUEUE_PRIORITY_DEFAULT};
    assert_int_equal(engine_downlinks_replace(rig_engine(r), &p, entries, count), OK);
}

static void seldom_retries(struct engine_options *o)
{
    o->retry_min_ms = o->retry_max_ms = 1 * HOURS;
}

static void lifetime_by_policy(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.servers = 2, .tune = seldom_retries});
    const struct engine_downlink one = {.server = 1, DOMAIN("example.com"), .policy.lifetime_ms = 20 * SECONDS};
    replace(r, 40 * SECONDS, &one, 1);
    for (unsigned server = 0; server < 2; server++) {
        server_sends(r, 0, server, "NON 0.02 #50 tok 11=3");
        submit_refused(r, expect_submitted(r, 0, "NON 0.02 #* tok 11=3"), 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
        const uint64_t seq = last_accepted(r);
        advance(r, 19 * SECONDS);
        assert_false(is_final(r, seq));
        advance(r, 2 * SECONDS);
        assert_int_equal(is_final(r, seq), server == 1);
        advance(r, 20 * SECONDS);
        expect_final(r, seq, FINAL_EXPIRED, "lifetime over; device not reachable");
        expect_at_server(r, 0, server, "NON 5.04 #* tok |lifetime over; device not reachable");
        device_sends(r, 0, "NON 0.02 #%u up 11=rd", 7 + server); /* reachable again */
        expect_at_server(r, 0, 0, "NON 0.02 #* up 11=rd");
        advance(r, 1 * SECONDS);
    }
    rig_end(r);
}

static void what_is_queued_keeps_its_lifetime(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.tune = seldom_retries});
    replace(r, 60 * SECONDS, NULL, 0);
    server_sends(r, 0, 0, "NON 0.02 #50 tok 11=3");
    submit_refused(r, expect_submitted(r, 0, "NON 0.02 #* tok 11=3"), 500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
    const uint64_t first = last_accepted(r);
    const struct engine_policy p = {.lifetime_ms = 10 * SECONDS};
    const struct engine_downlink nobody = {.server = 1};
    assert_int_equal(engine_downlinks_replace(rig_engine(r), &p, &nobody, 1), ERR_NOT_FOUND);
    const struct engine_policy wrong = {.priority = QUEUE_PRIORITY_MAX + 1};
    assert_int_equal(engine_downlinks_replace(rig_engine(r), &wrong, NULL, 0), ERR_MEMBER_TYPE);
    replace(r, 10 * SECONDS, NULL, 0);
    server_sends(r, 0, 0, "NON 0.02 #51 to2 11=3");
    const uint64_t second = last_accepted(r);
    advance(r, 11 * SECONDS);
    expect_final(r, second, FINAL_EXPIRED, "lifetime over; device not reachable");
    expect_at_server(r, 0, 0, "NON 5.04 #* to2 |lifetime over; device not reachable");
    assert_false(is_final(r, first));
    advance(r, 50 * SECONDS);
    expect_final(r, first, FINAL_EXPIRED, "lifetime over; device not reachable");
    expect_at_server(r, 0, 0, "NON 5.04 #* tok |lifetime over; device not reachable");
    rig_end(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_one_that_says_most_counts),
        cmocka_unit_test(refused_entries),
        cmocka_unit_test(flaws),
        cmocka_unit_test(lifetime_by_policy),
        cmocka_unit_test(what_is_queued_keeps_its_lifetime),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
