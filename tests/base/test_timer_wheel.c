#include <stdlib.h>

#include "base/prng.h"
#include "base/timer_wheel.h"
#include "tests/base/test.h"

#define DAY_MS   UINT64_C(86400000)
#define NOW_2026 UINT64_C(1795160400000)

/* Runs a round at now_ms and checks that exactly the timers whose kinds are listed fire, in this order. */
static void assert_round(struct timer_wheel *w, uint64_t now_ms, const char *kinds)
{
    char got[32];
    size_t n = 0;
    for (struct timer *t; (t = timer_wheel_advance(w, now_ms));) {
        assert_true(n + 1 < sizeof(got));
        assert_true(t->at_ms <= now_ms);
        assert_false(timer_running(t));
        got[n++] = (char)t->kind;
    }
    got[n] = '\0';
    assert_string_equal(got, kinds);
}

static void start_new(struct timer_wheel *w, struct timer *t, char kind, uint64_t at_ms)
{
    timer_init(t, (uint32_t)kind);
    timer_start(w, t, at_ms);
}

static void order_of_time_and_of_start(void **state)
{
    (void)state;
    struct timer_wheel w;
    struct timer t[6];
    timer_wheel_init(&w, 0);
    assert_int_equal(timer_wheel_next(&w), UINT64_MAX);
    start_new(&w, &t[0], 'a', 5000);
    start_new(&w, &t[1], 'b', 70);
    start_new(&w, &t[2], 'c', 5000);
    start_new(&w, &t[3], 'd', 69);
    assert_round(&w, 68, "");
    start_new(&w, &t[4], 'e', 70); /* beside one that has been moved down */
    assert_round(&w, 69, "d");
    assert_round(&w, 70, "be");
    assert_round(&w, 4999, "");
    start_new(&w, &t[5], 'f', 5000);
    assert_int_equal(timer_wheel_next(&w), 5000);
    assert_round(&w, 1000000, "acf");
    assert_int_equal(timer_wheel_next(&w), UINT64_MAX);
}

/* A timer of each distance: not one millisecond early, and there on the spot. */
static void never_early_never_late(void **state)
{
    (void)state;
    struct prng p;
    prng_seed(&p, 1);
    for (unsigned bit = 0; bit < 63; bit++) {
        for (int delta = -1; delta <= 1; delta++) {
            uint64_t start = bit % 2 ? NOW_2026 : prng_below(&p, NOW_2026);
            uint64_t at = start + (UINT64_C(1) << bit) + (uint64_t)(int64_t)delta;
            struct timer_wheel w;
            struct timer t;
            timer_wheel_init(&w, start);
            start_new(&w, &t, 'x', at);
            if (at > start) {
                assert_true(timer_wheel_next(&w) <= at);
                assert_round(&w, start + (at - start) / 2, "");
                assert_round(&w, at - 1, "");
                assert_true(timer_running(&t));
            }
            assert_round(&w, at, "x");
        }
    }
}

static void never_means_never(void **state)
{
    (void)state;
    struct timer_wheel w;
    struct timer never;
    struct timer last;
    timer_wheel_init(&w, NOW_2026);
    start_new(&w, &never, 'n', UINT64_MAX);
    start_new(&w, &last, 'l', UINT64_MAX - 1);
    assert_round(&w, UINT64_MAX - 2, "");
    assert_round(&w, UINT64_MAX - 1, "l");
    assert_round(&w, UINT64_MAX, "n");
    assert_round(&w, UINT64_MAX, "");
}

/* Waking only when the wheel asks for it reaches a timer at its time, in a few steps. */
static void next_leads_to_the_timer(void **state)
{
    (void)state;
    struct prng p;
    prng_seed(&p, 2);
    for (uint64_t i = 0; i < 2000; i++) {
        struct timer_wheel w;
        struct timer t;
        timer_wheel_init(&w, NOW_2026 + i);
        uint64_t at = NOW_2026 + i + 1 + (prng_next(&p) >> (10 + prng_below(&p, 54)));
        start_new(&w, &t, 'x', at);
        uint64_t now = NOW_2026 + i;
        unsigned steps = 0;
        while (timer_running(&t)) {
            assert_true(++steps <= TIMER_WHEEL_LEVELS);
            assert_true(timer_wheel_next(&w) > now);
            now = timer_wheel_next(&w);
            assert_round(&w, now, now == at ? "x" : "");
        }
        assert_int_equal(now, at);
    }
}

static void time_never_goes_back(void **state)
{
    (void)state;
    struct timer_wheel w;
    struct timer t;
    timer_wheel_init(&w, 1000);
    start_new(&w, &t, 'x', 1500);
    assert_round(&w, 10, "");
    assert_int_equal(w.now_ms, 1000);
    timer_start(&w, &t, 900); /* restarted, and late */
    assert_int_equal(timer_wheel_next(&w), 1000);
    char got = 0;
    for (struct timer *due; (due = timer_wheel_advance(&w, 10));)
        got = (char)due->kind;
    assert_int_equal(got, 'x');
    assert_round(&w, 2000, "");
}

static void stop_and_restart(void **state)
{
    (void)state;
    struct timer_wheel w;
    struct timer t[3];
    timer_wheel_init(&w, NOW_2026);
    for (int i = 0; i < 3; i++)
        start_new(&w, &t[i], (char)('a' + i), NOW_2026 + 100);
    timer_stop(&w, &t[1]);
    timer_stop(&w, &t[1]);
    assert_false(timer_running(&t[1]));
    timer_start(&w, &t[0], NOW_2026 + 100); /* started again: now behind c */
    assert_round(&w, NOW_2026 + 100, "ca");
    timer_start(&w, &t[0], NOW_2026 + 200);
    timer_start(&w, &t[0], NOW_2026 + 300);
    assert_round(&w, NOW_2026 + 200, "");
    timer_stop(&w, &t[0]);
    assert_int_equal(timer_wheel_next(&w), UINT64_MAX);
    assert_round(&w, NOW_2026 + DAY_MS, "");
}

/* The owner acts between the calls of one round. */
static void stop_and_start_within_a_round(void **state)
{
    (void)state;
    struct timer_wheel w;
    struct timer t[6];
    timer_wheel_init(&w, NOW_2026);
    for (int i = 0; i < 5; i++)
        start_new(&w, &t[i], (char)('a' + i), NOW_2026 + 10 + (uint64_t)i / 2);
    assert_ptr_equal(timer_wheel_advance(&w, NOW_2026 + 50), &t[0]);
    timer_stop(&w, &t[1]);                    /* due, does not fire */
    timer_start(&w, &t[2], NOW_2026 + 60);    /* due, put off */
    timer_start(&w, &t[3], NOW_2026 + 11);    /* due, started again: next round */
    start_new(&w, &t[5], 'f', NOW_2026 + 20); /* between its time and the round's: next round */
    timer_start(&w, &t[0], NOW_2026 + 50);    /* re-armed for now: next round */
    assert_ptr_equal(timer_wheel_advance(&w, NOW_2026 + 50), &t[4]);
    assert_null(timer_wheel_advance(&w, NOW_2026 + 50));
    assert_int_equal(timer_wheel_next(&w), NOW_2026 + 50);
    assert_round(&w, NOW_2026 + 50, "dfa");
    assert_round(&w, NOW_2026 + 59, "");
    assert_round(&w, NOW_2026 + 60, "c");

    /* The last due one is stopped: the round ends there. A later time waits for the next round. */
    timer_start(&w, &t[0], NOW_2026 + 70);
    timer_start(&w, &t[1], NOW_2026 + 70);
    timer_start(&w, &t[2], NOW_2026 + 80);
    assert_ptr_equal(timer_wheel_advance(&w, NOW_2026 + 70), &t[0]);
    timer_stop(&w, &t[1]);
    assert_null(timer_wheel_advance(&w, NOW_2026 + 80));
    assert_round(&w, NOW_2026 + 80, "c");
}

/* Stopping the only late or due timer must not hide another one that stands in the slot it came from. */
static void stop_keeps_the_slots_of_others(void **state)
{
    (void)state;
    struct timer_wheel w;
    struct timer a;
    struct timer b;
    timer_wheel_init(&w, 0);
    start_new(&w, &a, 'a', 5);
    assert_round(&w, 5, "a");
    timer_start(&w, &a, 5); /* late, marked with slot 5 of level 0 */
    assert_round(&w, 64, "a");
    timer_start(&w, &a, 64);
    start_new(&w, &b, 'b', 69); /* slot 5 of level 0 */
    timer_stop(&w, &a);
    assert_int_equal(timer_wheel_next(&w), 69);
    assert_round(&w, 69, "b");
}

static void a_timer_rearmed_for_now_cannot_starve(void **state)
{
    (void)state;
    struct timer_wheel w;
    struct timer t;
    timer_wheel_init(&w, NOW_2026);
    start_new(&w, &t, 'x', NOW_2026);
    for (int round = 0; round < 100; round++) {
        int fired = 0;
        while (timer_wheel_advance(&w, NOW_2026 + 1000)) {
            timer_start(&w, &t, NOW_2026 - (uint64_t)round);
            assert_int_equal(++fired, 1);
        }
        assert_int_equal(fired, 1);
        assert_int_equal(timer_wheel_next(&w), NOW_2026 + 1000);
    }
}

/* ---- a naive model ---- */

enum { MODEL_TIMERS = 80 };
struct model {
    struct timer_wheel wheel;
    struct prng p;
    uint64_t now;
    uint64_t starts;
    struct model_timer {
        struct timer timer;
        uint64_t at;
        uint64_t start; /* the how-many-th start */
        bool running;
        bool late; /* its time was over when it was started */
        bool due;  /* belongs to the round under way */
    } timers[MODEL_TIMERS];
};

static void model_start(struct model *m, struct model_timer *t)
{
    uint64_t distance = prng_next(&m->p) >> (16 + prng_below(&m->p, 48));
    switch (prng_below(&m->p, 8)) {
    case 0:
        t->at = m->now - distance % 1000;
        break;
    case 1: /* several of one millisecond */
        t->at = (m->now | 63) + 1 + 16 * prng_below(&m->p, 4);
        break;
    case 2:
        t->at = m->now;
        break;
    default:
        t->at = m->now + distance;
        break;
    }
    t->start = m->starts++;
    t->running = true;
    t->due = false;
    t->late = t->at <= m->now;
    timer_start(&m->wheel, &t->timer, t->at);
    assert_true(timer_running(&t->timer));
}

static void model_stop(struct model *m, struct model_timer *t)
{
    timer_stop(&m->wheel, &t->timer);
    assert_false(timer_running(&t->timer));
    t->running = false;
    t->due = false;
}

static bool fires_before(const struct model_timer *a, const struct model_timer *b)
{
    if (a->late != b->late)
        return a->late;
    if (!a->late && a->at != b->at)
        return a->at < b->at;
    return a->start < b->start;
}

static struct model_timer *model_first_due(struct model *m)
{
    struct model_timer *first = NULL;
    for (size_t i = 0; i < MODEL_TIMERS; i++) {
        struct model_timer *t = &m->timers[i];
        if (t->due && (!first || fires_before(t, first)))
            first = t;
    }
    return first;
}

static void model_check_next(struct model *m)
{
    uint64_t earliest = UINT64_MAX;
    bool any = false;
    for (size_t i = 0; i < MODEL_TIMERS; i++) {
        const struct model_timer *t = &m->timers[i];
        assert_int_equal(timer_running(&t->timer), t->running);
        if (t->running && t->at <= earliest) {
            earliest = t->at;
            any = true;
        }
    }
    uint64_t next = timer_wheel_next(&m->wheel);
    if (!any)
        assert_int_equal(next, UINT64_MAX);
    else if (earliest <= m->now)
        assert_int_equal(next, m->now);
    else
        assert_true(next > m->now && next <= earliest);
}

static size_t model_round(struct model *m, uint64_t now)
{
    size_t calls = 0;
    if (now > m->now)
        m->now = now;
    for (size_t i = 0; i < MODEL_TIMERS; i++)
        m->timers[i].due = m->timers[i].running && m->timers[i].at <= m->now;
    for (;;) {
        struct model_timer *want = model_first_due(m);
        struct timer *got = timer_wheel_advance(&m->wheel, now);
        calls++;
        assert_ptr_equal(got, want ? &want->timer : NULL);
        if (!want)
            return calls;
        want->running = want->due = false;
        while (prng_below(&m->p, 3) == 0) {
            struct model_timer *other = &m->timers[prng_below(&m->p, MODEL_TIMERS)];
            if (prng_below(&m->p, 2))
                model_start(m, other);
            else
                model_stop(m, other);
        }
    }
}

static void against_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct model *m = calloc(1, sizeof(*m));
        assert_non_null(m);
        prng_seed(&m->p, seed);
        m->now = seed % 2 ? NOW_2026 : 5000;
        timer_wheel_init(&m->wheel, m->now);
        for (size_t i = 0; i < MODEL_TIMERS; i++)
            timer_init(&m->timers[i].timer, (uint32_t)i);
        for (int op = 0; op < 10000;) {
            struct model_timer *t = &m->timers[prng_below(&m->p, MODEL_TIMERS)];
            switch (prng_below(&m->p, 8)) {
            case 0:
                model_stop(m, t);
                op++;
                break;
            case 1: { /* mostly small steps, a day now and then, also back in time */
                uint64_t step = prng_next(&m->p) >> (20 + prng_below(&m->p, 44));
                uint64_t now = step % 16 == 0 ? m->now + DAY_MS : step % 16 == 1 ? m->now - 5 : m->now + step;
                op += (int)model_round(m, now);
                break;
            }
            case 2:
                op += (int)model_round(m, timer_wheel_next(&m->wheel) == UINT64_MAX ? m->now
                                                                                    : timer_wheel_next(&m->wheel));
                break;
            default:
                model_start(m, t);
                op++;
                break;
            }
            model_check_next(m);
        }
        free(m);
    }
}

/* ---- many ---- */

#ifdef TEST_UNDER_ASAN
enum { MANY = 1000000 };
#else
enum { MANY = 10000000 };
#endif

static void many_timers_over_a_day(void **state)
{
    (void)state;
    struct timer_wheel w;
    struct timer *t = calloc(MANY, sizeof(*t));
    struct prng p;
    assert_non_null(t);
    prng_seed(&p, 6);
    timer_wheel_init(&w, NOW_2026);
    for (size_t i = 0; i < MANY; i++) {
        timer_init(&t[i], 0);
        timer_start(&w, &t[i], NOW_2026 + 1 + prng_below(&p, DAY_MS));
    }
    for (size_t i = 0; i < MANY; i += 2)
        timer_stop(&w, &t[i]);

    /* half a day in steps, the rest at once */
    size_t fired = 0;
    uint64_t last = 0;
    uint64_t now = NOW_2026;
    while (now < NOW_2026 + DAY_MS) {
        now = now < NOW_2026 + DAY_MS / 2 ? now + 997 : NOW_2026 + DAY_MS;
        for (struct timer *due; (due = timer_wheel_advance(&w, now)); fired++) {
            if (due->at_ms < last || due->at_ms > now)
                fail();
            last = due->at_ms;
        }
    }
    assert_int_equal(fired, MANY / 2);
    assert_int_equal(timer_wheel_next(&w), UINT64_MAX);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_of_time_and_of_start),
        cmocka_unit_test(never_early_never_late),
        cmocka_unit_test(never_means_never),
        cmocka_unit_test(next_leads_to_the_timer),
        cmocka_unit_test(time_never_goes_back),
        cmocka_unit_test(stop_and_restart),
        cmocka_unit_test(stop_and_start_within_a_round),
        cmocka_unit_test(stop_keeps_the_slots_of_others),
        cmocka_unit_test(a_timer_rearmed_for_now_cannot_starve),
        cmocka_unit_test(against_model),
        cmocka_unit_test(many_timers_over_a_day),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
