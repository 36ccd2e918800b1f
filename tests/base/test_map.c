#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/prng.h"
#include "tests/base/test.h"

struct entry {
    char key[24];
    unsigned visits;
    bool present;
};

static struct bytes entry_key(const void *value)
{
    return bytes_of_str(((const struct entry *)value)->key);
}

/* Key 00..0f, input 00 01 02 ...: the outputs of SipHash-1-3 computed by a second implementation that passes
 * the published vectors of SipHash-2-4. */
static void siphash_vectors(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        uint64_t hash;
    } vectors[] = {
        {0, UINT64_C(0xabac0158050fc4dc)},  {1, UINT64_C(0xc9f49bf37d57ca93)},  {7, UINT64_C(0xd3927d989bb11140)},
        {8, UINT64_C(0x369095118d299a8e)},  {9, UINT64_C(0x25a48eb36c063de4)},  {15, UINT64_C(0xd320d86d2a519956)},
        {16, UINT64_C(0xcc4fdd1a7d908b66)}, {63, UINT64_C(0x9d199062b7bbb3a8)},
    };
    static const uint64_t seed[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    uint8_t input[64];
    for (uint8_t i = 0; i < 64; i++)
        input[i] = i;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
        assert_int_equal(siphash(seed, bytes_of(input, vectors[i].len)), vectors[i].hash);
    assert_int_equal(siphash(seed, bytes_of(NULL, 0)), vectors[0].hash);
}

static void empty_map(void **state)
{
    (void)state;
    struct map m;
    size_t cursor = 0;
    map_init(&m, entry_key, 1);
    assert_null(map_get(&m, BYTES_LIT("a")));
    assert_null(map_remove(&m, BYTES_LIT("a")));
    assert_null(map_next(&m, &cursor));
    map_free(&m);
    map_free(&m);
}

/* Walks the map, removing each value with a chance of 1 in remove_one_in (0: never), and checks that each
 * present entry was seen once. */
static void walk(struct map *m, struct entry *entries, size_t n, struct prng *p, uint64_t remove_one_in)
{
    size_t cursor = 0;
    size_t before = m->count;
    size_t seen = 0;
    for (size_t i = 0; i < n; i++)
        entries[i].visits = 0;
    for (struct entry *e; (e = map_next(m, &cursor)); seen++) {
        assert_true(e->present || e->visits); /* removed ones do not come back */
        e->visits++;
        if (remove_one_in && prng_below(p, remove_one_in) == 0) {
            assert_ptr_equal(map_remove(m, entry_key(e)), e);
            e->present = false;
        }
    }
    assert_int_equal(seen, before);
    for (size_t i = 0; i < n; i++) {
        assert_true(entries[i].visits <= 1);
        assert_true(entries[i].visits == 1 || !entries[i].present);
        assert_ptr_equal(map_get(m, entry_key(&entries[i])), entries[i].present ? &entries[i] : NULL);
    }
}

static void against_model(void **state)
{
    (void)state;
    enum { N = 400 };
    static struct entry entries[N];
    struct prng p;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        /* few keys keep the table small: then clusters often span its end */
        size_t n = seed % 2 ? 14 : N;
        struct map m;
        size_t count = 0;
        prng_seed(&p, seed);
        map_init(&m, entry_key, seed);
        for (size_t i = 0; i < n; i++) {
            snprintf(entries[i].key, sizeof(entries[i].key), "device%zu@%s", i, i % 3 ? "a" : "example.org");
            entries[i].present = false;
        }
        for (int step = 0; step < 5000; step++) {
            struct entry *e = &entries[prng_below(&p, n)];
            assert_ptr_equal(map_get(&m, entry_key(e)), e->present ? e : NULL);
            if (!e->present) {
                assert_int_equal(map_put(&m, e), OK);
                e->present = true;
                count++;
            } else if (prng_below(&p, 3) > 0) {
                assert_ptr_equal(map_remove(&m, entry_key(e)), e);
                assert_null(map_remove(&m, entry_key(e)));
                e->present = false;
                count--;
            }
            assert_int_equal(m.count, count);
            if (step % 100 == 0)
                walk(&m, entries, n, &p, 0);
            if (step % 250 == 249) {
                walk(&m, entries, n, &p, 2);
                count = m.count;
            }
        }
        walk(&m, entries, n, &p, 1);
        assert_int_equal(m.count, 0);
        map_free(&m);
    }
}

/* Removing in a walk over tables of every small filling, many seeds: clusters over the end of the table,
 * above all. */
static void walks_while_removing(void **state)
{
    (void)state;
    static struct entry entries[48];
    struct prng p;
    prng_seed(&p, 9);
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct map m;
        size_t n = 1 + seed % 48;
        map_init(&m, entry_key, seed);
        for (size_t i = 0; i < n; i++) {
            snprintf(entries[i].key, sizeof(entries[i].key), "%zu", i);
            entries[i].present = true;
            assert_int_equal(map_put(&m, &entries[i]), OK);
        }
        walk(&m, entries, n, &p, 1 + seed % 3);
        map_free(&m);
    }
}

static void many(void **state)
{
    (void)state;
    enum { N = 200000 };
    struct entry *entries = calloc(N, sizeof(*entries));
    struct map m;
    struct prng p;
    assert_non_null(entries);
    prng_seed(&p, 4);
    map_init(&m, entry_key, 77);
    for (size_t i = 0; i < N; i++) {
        snprintf(entries[i].key, sizeof(entries[i].key), "ext%zu@operator.net", i);
        entries[i].present = true;
        assert_int_equal(map_put(&m, &entries[i]), OK);
    }
    assert_int_equal(m.count, N);
    assert_true(m.mask + 1 <= 2 * 4 * (size_t)N / 3 + 2);
    assert_null(map_get(&m, BYTES_LIT("ext@operator.net")));
    walk(&m, entries, N, &p, 2);
    walk(&m, entries, N, &p, 1);
    assert_int_equal(m.count, 0);
    map_free(&m);
    free(entries);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_vectors),      cmocka_unit_test(empty_map), cmocka_unit_test(against_model),
        cmocka_unit_test(walks_while_removing), cmocka_unit_test(many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
