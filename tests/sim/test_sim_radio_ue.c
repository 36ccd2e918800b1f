/* The radio's dice and the UE's reachability. */
#include "sim/radio.h"
#include "sim/ue_model.h"
#include "tests/base/test.h"

static void radio_keeps_its_shares(void **state)
{
    (void)state;
    struct prng p;
    prng_seed(&p, 1);
    struct radio_profile r = {.loss = 0.2, .duplicate = 0.1, .delay_min_ms = 50, .delay_max_ms = 200};
    unsigned count[3] = {0}, early = 0, late = 0;
    for (unsigned i = 0; i < 100000; i++) {
        struct radio_fate f = radio_send(&p, &r, 1000);
        assert_true(f.arrivals <= 2);
        count[f.arrivals]++;
        assert_in_range(f.at_ms[0], 1050, 1200);
        assert_in_range(f.at_ms[1], f.at_ms[0], 1200);
        early += f.at_ms[0] == 1050;
        late += f.at_ms[0] == 1200;
    }
    assert_in_range(count[0], 19000, 21000);
    assert_in_range(count[2], 7300, 8700); /* of those not lost */
    assert_true(early > 0 && late > 0);
}

static void radio_without_faults(void **state)
{
    (void)state;
    struct prng p;
    prng_seed(&p, 1);
    struct radio_profile r = {.delay_min_ms = 70, .delay_max_ms = 0}; /* max below min: always min */
    for (unsigned i = 0; i < 1000; i++) {
        struct radio_fate f = radio_send(&p, &r, 5);
        assert_int_equal(f.arrivals, 1);
        assert_int_equal(f.at_ms[0], 75);
    }
    r.loss = 1;
    assert_int_equal(radio_send(&p, &r, 5).arrivals, 0);
    r = (struct radio_profile){.duplicate = 1};
    assert_int_equal(radio_send(&p, &r, 5).arrivals, 2);
}

static void radio_replays(void **state)
{
    (void)state;
    struct radio_profile r = {.loss = 0.5, .duplicate = 0.5, .delay_min_ms = 0, .delay_max_ms = 1000};
    struct prng a, b;
    prng_seed(&a, 7);
    prng_seed(&b, 7);
    for (unsigned i = 0; i < 100; i++) {
        struct radio_fate x = radio_send(&a, &r, i), y = radio_send(&b, &r, i);
        assert_int_equal(x.arrivals, y.arrivals);
        assert_int_equal(x.at_ms[0], y.at_ms[0]);
    }
    /* Another probability, the same other dice. */
    struct radio_profile lossless = r;
    lossless.loss = 0;
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(radio_send(&a, &r, i).at_ms[0] >= i, radio_send(&b, &lossless, i).at_ms[0] >= i);
    assert_int_equal(prng_next(&a), prng_next(&b));
}

static void ue_with_psm(void **state)
{
    (void)state;
    struct ue_model u;
    struct ue_profile p = {.psm = true, .active_time_ms = 5000, .pdn_connected = true};
    ue_model_init(&u, &p, 1000);
    assert_false(ue_model_awake(&u, 1000));
    ue_model_activity(&u, 2000);
    assert_true(ue_model_awake(&u, 2000));
    assert_true(ue_model_awake(&u, 6999));
    assert_false(ue_model_awake(&u, 7000));
    ue_model_activity(&u, 6999);
    assert_true(ue_model_awake(&u, 11998));
    assert_int_equal(u.tau_at_ms, UINT64_MAX);
}

static void ue_without_psm(void **state)
{
    (void)state;
    struct ue_model u;
    struct ue_profile p = {.tau_period_ms = 10};
    ue_model_init(&u, &p, 0);
    assert_true(ue_model_awake(&u, 0));
    assert_true(ue_model_awake(&u, UINT64_MAX - 1));
    assert_int_equal(u.tau_at_ms, UINT64_MAX); /* of no use to one that always listens */
    ue_model_activity(&u, 5);
    assert_true(ue_model_awake(&u, 1000000000));
}

static void ue_shows_up_by_itself(void **state)
{
    (void)state;
    struct ue_model u;
    struct ue_profile p = {.psm = true, .active_time_ms = 5000, .tau_period_ms = 60000};
    ue_model_init(&u, &p, 1000);
    assert_int_equal(u.tau_at_ms, 61000);
    ue_model_activity(&u, 2000);
    assert_int_equal(u.tau_at_ms, 62000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(radio_keeps_its_shares), cmocka_unit_test(radio_without_faults),
        cmocka_unit_test(radio_replays),          cmocka_unit_test(ue_with_psm),
        cmocka_unit_test(ue_without_psm),         cmocka_unit_test(ue_shows_up_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
