#include "base/prng.h"

#include "tests/base/test.h"

/* The outputs of the published algorithms: xoshiro256** from the state 1 2 3 4, and splitmix64 from 1234567.
 */
static void vectors(void **state)
{
    (void)state;
    static const uint64_t outputs[] = {11520, 0, 1509978240, UINT64_C(1215971899390074240),
                                       UINT64_C(1216172134540287360)};
    static const uint64_t seeds[] = {UINT64_C(6457827717110365317), UINT64_C(3203168211198807973),
                                     UINT64_C(9817491932198370423), UINT64_C(4593380528125082431)};
    struct prng p = {.s = {1, 2, 3, 4}};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(prng_next(&p), outputs[i]);
    prng_seed(&p, 1234567);
    assert_memory_equal(p.s, seeds, sizeof(seeds));
}

static void same_seed_same_numbers(void **state)
{
    (void)state;
    struct prng a;
    struct prng b;
    struct prng c;
    prng_seed(&a, 0);
    prng_seed(&b, 0);
    prng_seed(&c, 1);
    int same = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t x = prng_next(&a);
        assert_int_equal(x, prng_next(&b));
        same += x == prng_next(&c);
    }
    assert_int_equal(same, 0);
}

static void ranges(void **state)
{
    (void)state;
    struct prng p;
    unsigned seen[10] = {0};
    double sum = 0;
    prng_seed(&p, 5);
    for (int i = 0; i < 100000; i++) {
        uint64_t x = prng_below(&p, 10);
        assert_true(x < 10);
        seen[x]++;
        double u = prng_unit(&p);
        assert_true(u >= 0 && u < 1);
        sum += u;
        assert_int_equal(prng_below(&p, 1), 0);
        assert_true(prng_below(&p, UINT64_MAX) < UINT64_MAX);
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(seen[i], 9500, 10500);
    assert_true(sum > 49500 && sum < 50500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(same_seed_same_numbers),
        cmocka_unit_test(ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
