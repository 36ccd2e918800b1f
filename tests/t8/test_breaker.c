/* The circuit breaker and overload control, by a clock of the test's own. */
#include "tests/base/test.h"

#include "t8/breaker.h"
#include "t8/overload.h"

static const struct breaker_options options = {.failures = 3, .pause_min_ms = 1000, .pause_max_ms = 8000, .seed = 1};

static void fail_times(struct breaker *b, unsigned n, uint64_t now_ms)
{
    for (unsigned i = 0; i < n; i++) {
        uint32_t ticket = breaker_begin(b, now_ms);
        assert_int_not_equal(ticket, 0);
        breaker_end(b, ticket, BREAKER_FAILED, 0, now_ms);
    }
}

static void opens_by_failures_in_a_row(void **state)
{
    (void)state;
    struct breaker b;
    breaker_init(&b, &options);
    for (unsigned i = 0; i < 10; i++) { /* never three in a row */
        fail_times(&b, 2, 0);
        breaker_end(&b, breaker_begin(&b, 0), BREAKER_ANSWERED, 0, 0);
    }
    fail_times(&b, 2, 0);
    breaker_end(&b, breaker_begin(&b, 0), BREAKER_UNKNOWN, 0, 0); /* says nothing */
    assert_int_equal(b.state, BREAKER_CLOSED);
    fail_times(&b, 1, 0);
    assert_int_equal(b.state, BREAKER_OPEN);
    assert_string_equal(breaker_state_name(b.state), "open");
    assert_int_equal(b.opens, 1);
    assert_int_equal(breaker_begin(&b, 499), 0);
    for (unsigned i = 0; i < 100; i++)
        assert_in_range(breaker_wait_ms(&b, 100), b.until_ms - 100 + 1, 2600);
}

static void one_probe(void **state)
{
    (void)state;
    struct breaker b;
    breaker_init(&b, &options);
    uint64_t now_ms = 5000, pause = 1000;
    uint32_t before = breaker_begin(&b, now_ms); /* begun while closed */
    fail_times(&b, 3, now_ms);
    for (unsigned round = 0; round < 6; round++) {
        assert_in_range(b.until_ms - now_ms, pause / 2, pause);
        assert_int_equal(breaker_begin(&b, b.until_ms - 1), 0);
        now_ms = b.until_ms;
        uint32_t probe = breaker_begin(&b, now_ms);
        assert_int_not_equal(probe, 0);
        assert_int_equal(b.state, BREAKER_HALF_OPEN);
        assert_int_equal(breaker_begin(&b, now_ms + 100000), 0); /* only one */
        assert_in_range(breaker_wait_ms(&b, now_ms), 1, 10000);
        breaker_end(&b, before, BREAKER_ANSWERED, 0, now_ms); /* old news */
        assert_int_equal(b.state, BREAKER_HALF_OPEN);
        breaker_end(&b, probe, BREAKER_UNKNOWN, 0, now_ms); /* it came to nothing: another one */
        probe = breaker_begin(&b, now_ms);
        assert_int_not_equal(probe, 0);
        breaker_end(&b, probe, BREAKER_FAILED, 0, now_ms);
        assert_int_equal(b.state, BREAKER_OPEN);
        pause = pause * 2 < 8000 ? pause * 2 : 8000;
    }
    assert_int_equal(b.opens, 7);
    now_ms = b.until_ms;
    breaker_end(&b, breaker_begin(&b, now_ms), BREAKER_ANSWERED, 0, now_ms);
    assert_int_equal(b.state, BREAKER_CLOSED);
    fail_times(&b, 3, now_ms);
    assert_in_range(b.until_ms - now_ms, 500, 1000); /* from the beginning again */
}

static void retry_after(void **state)
{
    (void)state;
    struct breaker b;
    breaker_init(&b, &options);
    fail_times(&b, 2, 0);
    breaker_end(&b, breaker_begin(&b, 0), BREAKER_FAILED, 5000, 0);
    assert_int_equal(b.until_ms, 5000);
    breaker_end(&b, breaker_begin(&b, 5000), BREAKER_FAILED, 1000000, 5000);
    assert_int_equal(b.until_ms, 13000); /* it cannot stop us for days */
}

static void never(void **state)
{
    (void)state;
    struct breaker b;
    const struct breaker_options none = {0};
    breaker_init(&b, &none);
    fail_times(&b, 1000, 0);
    assert_int_equal(b.state, BREAKER_CLOSED);
}

#define DATE "Tue, 04 Feb 2020 08:49:37 GMT"
#define OCI(date, period, metric)                                                                                      \
    "Timestamp: \"" date "\"; Period-of-Validity: " period "; Overload-Reduction-Metric: " metric

static unsigned admitted_of_1000(struct overload *o, uint64_t now_ms)
{
    unsigned n = 0;
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t wait_ms = 0;
        bool yes = overload_admits(o, now_ms, &wait_ms);
        n += yes;
        if (!yes)
            assert_in_range(wait_ms, 1, 10000);
    }
    return n;
}

static void thinning(void **state)
{
    (void)state;
    struct overload o;
    overload_init(&o, 1);
    assert_int_equal(admitted_of_1000(&o, 5), 1000);
    assert_true(overload_hear(&o, BYTES_LIT(OCI(DATE, "75s", "50%")), 1000));
    assert_int_equal(overload_metric(&o, 1000), 50);
    assert_in_range(admitted_of_1000(&o, 1000), 400, 600);
    assert_in_range(admitted_of_1000(&o, 75999), 400, 600);
    assert_int_equal(admitted_of_1000(&o, 76000), 1000); /* over */
    assert_true(overload_hear(&o, BYTES_LIT(OCI("Tue, 04 Feb 2020 08:49:38 GMT", "10s", "100%")), 80000));
    assert_int_equal(admitted_of_1000(&o, 80000), 0);
    assert_false(overload_hear(&o, BYTES_LIT(OCI(DATE, "10s", "0%")), 80001)); /* an older word, overtaken */
    assert_int_equal(overload_metric(&o, 80001), 100);
    assert_true(overload_hear(&o, BYTES_LIT(OCI("Tue, 04 Feb 2020 08:49:39 GMT", "10s", "0%")), 80002));
    assert_int_equal(admitted_of_1000(&o, 80002), 1000);
    /* other spellings */
    assert_true(overload_hear(
        &o,
        BYTES_LIT(
            "overload-reduction-metric:7% ;PERIOD-OF-VALIDITY : 3s;Timestamp:Wed, 05 Feb 2020 08:49:37 GMT ; X: y"),
        90000));
    assert_int_equal(overload_metric(&o, 92999), 7);
    assert_int_equal(overload_metric(&o, 93000), 0);
}

static void malformed(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        ";;;",
        "50%",
        OCI(DATE, "75s", "101%"),
        OCI(DATE, "75s", "50"),
        OCI(DATE, "75s", "-5%"),
        OCI(DATE, "75s", "%"),
        OCI(DATE, "75", "50%"),
        OCI(DATE, "99999999999999s", "50%"),
        OCI("yesterday", "75s", "50%"),
        OCI("Tue, 04 Feb 2020 08:49:37 CET", "75s", "50%"),
        OCI("Tue, 99 Feb 2020 08:49:37 GMT", "75s", "50%"),
        "Timestamp: \"" DATE "\"; Period-of-Validity: 75s",
        "Timestamp: \"" DATE "\"; Overload-Reduction-Metric: 50%",
        "Period-of-Validity: 75s; Overload-Reduction-Metric: 50%",
        "Timestamp \"" DATE "\"; Period-of-Validity 75s; Overload-Reduction-Metric 50%",
    };
    struct overload o;
    overload_init(&o, 1);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (overload_hear(&o, bytes_of_str(texts[i]), 1000))
            fail_msg("%s", texts[i]);
        assert_int_equal(overload_metric(&o, 1000), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_by_failures_in_a_row),
        cmocka_unit_test(one_probe),
        cmocka_unit_test(retry_after),
        cmocka_unit_test(never),
        cmocka_unit_test(thinning),
        cmocka_unit_test(malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
