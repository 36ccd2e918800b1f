/* The contract of store.h, over every kind of store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"
#include "tests/buffering/store_harness.h"

#define MAP_BYTES (64u << 20)

static struct harness *open_kind(void **state)
{
    return harness_new(*(const enum harness_kind *)*state, MAP_BYTES);
}

static void assert_dump(struct harness *h, const char *prefix, const char *expected)
{
    char *dump = harness_dump(h, prefix);
    assert_string_equal(dump, expected);
    free(dump);
}

static void test_puts_are_there_once_told(void **state)
{
    struct harness *h = open_kind(state);
    const uint64_t ticket = harness_put(h, "b", "2");
    assert_int_equal(ticket, 1);
    assert_int_equal(harness_put(h, "a", "1"), ticket);
    assert_int_equal(h->calls, 0);
    store_flush(h->store);
    assert_int_equal(harness_wait(h, ticket), OK);
    assert_dump(h, "", "a=1 b=2");
    harness_free(h);
}

static void test_tickets_count_batches(void **state)
{
    struct harness *h = open_kind(state);
    store_flush(h->store); /* empty: no batch */
    assert_int_equal(harness_put(h, "a", "1"), 1);
    store_flush(h->store);
    store_flush(h->store);
    assert_int_equal(harness_delete(h, "a"), 2);
    assert_int_equal(harness_put(h, "b", "1"), 2);
    store_flush(h->store);
    assert_int_equal(harness_put(h, "c", "1"), 3);
    assert_int_equal(harness_wait(h, 2), OK);
    assert_int_equal(h->told, 2); /* the third was not flushed */
    harness_free(h);
}

static void test_operations_take_effect_in_order(void **state)
{
    struct harness *h = open_kind(state);
    harness_put(h, "a", "1");
    harness_delete(h, "a");
    harness_put(h, "a", "2");
    harness_put(h, "b", "1");
    harness_delete(h, "b");
    harness_delete(h, "b");
    harness_delete(h, "never");
    store_flush(h->store);
    harness_put(h, "c", "1");
    harness_put(h, "c", "");
    store_flush(h->store);
    harness_put(h, "d", "1");
    store_flush(h->store);
    harness_delete(h, "d");
    store_flush(h->store);
    assert_int_equal(harness_wait(h, 4), OK);
    assert_dump(h, "", "a=2 c=");
    harness_free(h);
}

static void test_scan_is_by_prefix_and_in_order(void **state)
{
    struct harness *h = open_kind(state);
    static const char *const keys[] = {"m/b", "m/a/2", "m/a/10", "m", "n", "l/z", "m/", "m/\xff", "m/a"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        harness_put(h, keys[i], "");
    assert_dump(h, "", ""); /* what was not flushed is not seen */
    store_flush(h->store);
    assert_dump(h, "", "l/z= m= m/= m/a= m/a/10= m/a/2= m/b= m/\xff= n="); /* what was flushed is: scan waits */
    assert_dump(h, "m/a", "m/a= m/a/10= m/a/2=");
    assert_dump(h, "m/\xff", "m/\xff=");
    assert_dump(h, "x", "");
    assert_dump(h, "m/a/10/longer", "");
    harness_free(h);
}

struct third {
    struct harness *h;
    int seen;
};

static enum error stop_at_third(void *ctx, struct bytes key, struct bytes value)
{
    struct third *t = ctx;
    (void)value;
    /* Working on the store from inside a scan takes effect afterwards. */
    store_delete(t->h->store, key);
    store_flush(t->h->store);
    return ++t->seen == 3 ? ERR_TIMEOUT : OK;
}

static void test_scan_ends_with_the_error_of_fn(void **state)
{
    struct harness *h = open_kind(state);
    struct third t = {.h = h};
    for (char key[] = "a"; key[0] < 'f'; key[0]++)
        harness_put(h, key, "x");
    store_flush(h->store);
    assert_int_equal(store_scan(h->store, (struct bytes){0}, &t, stop_at_third), ERR_TIMEOUT);
    assert_int_equal(t.seen, 3);
    assert_int_equal(harness_wait(h, 2), OK);
    assert_dump(h, "", "d=x e=x");
    harness_free(h);
}

static enum error compare_large(void *ctx, struct bytes key, struct bytes value)
{
    const uint8_t *expected = ctx;
    const size_t len = (size_t)strtoul((const char *)bytes_from(key, 1).data, NULL, 10);
    assert_int_equal(value.len, len);
    return bytes_equal(value, bytes_of(expected, len)) ? OK : ERR_STORE_CORRUPT;
}

/* Of any bytes and any length, in one batch and in several. */
static void test_values_of_any_size(void **state)
{
    static const size_t sizes[] = {0, 1, 63, 64, 65, 511, 4096, 65535, 65536, 1 << 20, 5 << 20};
    struct harness *h = open_kind(state);
    struct prng p;
    uint8_t *value = malloc(5 << 20);
    assert_non_null(value);
    prng_seed(&p, test_seed());
    for (size_t i = 0; i < 5 << 20; i++)
        value[i] = (uint8_t)prng_next(&p);
    for (int apart = 0; apart < 2; apart++) {
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            char key[16];
            const int len = snprintf(key, sizeof(key), "%c%zu", 'a' + apart, sizes[i]);
            store_put(h->store, bytes_of(key, (size_t)len + 1), bytes_of(value, sizes[i]));
            if (apart)
                store_flush(h->store);
        }
        store_flush(h->store);
    }
    assert_int_equal(harness_wait(h, 1 + sizeof(sizes) / sizeof(sizes[0])), OK);
    assert_int_equal(store_scan(h->store, (struct bytes){0}, value, compare_large), OK);
    free(value);
    harness_free(h);
}

static void put_too_long(struct harness *h, size_t len)
{
    uint8_t key[STORE_KEY_MAX + 1];
    memset(key, 'k', sizeof(key));
    store_put(h->store, bytes_of(key, len), BYTES_LIT("v"));
}

static void test_failed_batch_leaves_no_trace_and_no_damage(void **state)
{
    struct harness *h = open_kind(state);
    harness_put(h, "a", "1");
    store_flush(h->store);
    harness_put(h, "b", "1");
    harness_delete(h, "a");
    put_too_long(h, STORE_KEY_MAX + 1);
    harness_put(h, "c", "1");
    store_flush(h->store);
    put_too_long(h, 0);
    store_flush(h->store);
    harness_put(h, "d", "1");
    put_too_long(h, STORE_KEY_MAX);
    store_flush(h->store);
    harness_wait(h, 4);
    assert_int_equal(h->result[1], OK);
    assert_int_equal(h->result[2], ERR_STORE);
    assert_int_equal(h->result[3], ERR_STORE);
    assert_int_equal(h->result[4], OK);
    assert_dump(h, "a", "a=1");
    assert_dump(h, "b", "");
    assert_dump(h, "c", "");
    assert_dump(h, "d", "d=1");
    assert_int_equal(store_backlog_bytes(h->store), 0);
    harness_free(h);
}

static void test_backlog_counts_what_is_not_told(void **state)
{
    struct harness *h = open_kind(state);
    assert_int_equal(store_backlog_bytes(h->store), 0);
    harness_put(h, "a", "0123456789");
    assert_true(store_backlog_bytes(h->store) >= 11);
    store_flush(h->store);
    harness_wait(h, 1);
    assert_int_equal(store_backlog_bytes(h->store), 0);
    harness_free(h);
}

static void put_next(struct harness *h, uint64_t ticket, enum error err)
{
    assert_int_equal(err, OK);
    if (ticket >= 500)
        return;
    char key[16];
    snprintf(key, sizeof(key), "%03u", (unsigned)ticket);
    assert_int_equal(harness_put(h, key, ""), ticket + 1);
    store_flush(h->store);
}

static void test_sink_may_put_and_flush(void **state)
{
    struct harness *h = open_kind(state);
    h->on_told = put_next;
    harness_put(h, "000", "");
    store_flush(h->store);
    assert_int_equal(harness_wait(h, 500), OK);
    char *dump = harness_dump(h, "");
    assert_int_equal(strlen(dump), 500 * 5 - 1);
    free(dump);
    harness_free(h);
}

static void put_last(struct harness *h, uint64_t ticket, enum error err)
{
    assert_int_equal(err, OK);
    if (ticket < 3)
        harness_put(h, "last", "1");
}

static struct harness *closing;
static void put_for_ever(struct harness *h, uint64_t ticket, enum error err)
{
    (void)err;
    closing = h;
    if (ticket < HARNESS_TICKETS - 1)
        put_too_long(h, 0);
}

static void test_close_flushes_and_tells(void **state)
{
    struct harness *h = open_kind(state);
    h->on_told = put_last;
    harness_put(h, "a", "1"); /* neither flushed nor waited for */
    harness_close(h);
    assert_int_equal(h->told, 3);
    harness_open(h);
    if (harness_is_durable(h))
        assert_dump(h, "", "a=1 last=1");
    h->on_told = put_for_ever; /* must not keep it from closing */
    harness_put(h, "a", "1");
    harness_free(h);
    assert_ptr_equal(closing, h);
    store_close(NULL);
}

/* --- against a model --------------------------------------------------------------------------------- */

#define MODEL_KEYS 64

struct model {
    int64_t value[MODEL_KEYS]; /* -1: absent */
};

static char *model_dump(const struct model *m)
{
    struct buf out = {0};
    for (int k = 0; k < MODEL_KEYS; k++) {
        if (m->value[k] >= 0)
            buf_addf(&out, "%s%02d=%lld", out.len ? " " : "", k, (long long)m->value[k]);
    }
    buf_add_u8(&out, 0);
    return (char *)out.data;
}

/* One batch into both; a poisoned one changes nothing in the model. */
static void batch_random(struct harness *h, struct model *m, struct prng *p)
{
    const bool poisoned = prng_below(p, 8) == 0;
    for (uint64_t ops = 1 + prng_below(p, 10); ops > 0; ops--) {
        const size_t k = prng_below(p, MODEL_KEYS);
        const int64_t value = prng_below(p, 3) == 0 ? -1 : (int64_t)prng_below(p, 1000000);
        char key[8];
        char text[24];
        snprintf(key, sizeof(key), "%02u", (unsigned)k);
        snprintf(text, sizeof(text), "%lld", (long long)value);
        if (value < 0)
            harness_delete(h, key);
        else
            harness_put(h, key, text);
        if (!poisoned)
            m->value[k] = value;
    }
    if (poisoned)
        put_too_long(h, 0);
    store_flush(h->store);
}

static void test_random_batches_against_a_model(void **state)
{
    for (uint64_t seed = test_seed(); seed < test_seed() + 5; seed++) {
        struct harness *h = open_kind(state);
        struct prng p;
        struct model m;
        prng_seed(&p, seed);
        memset(m.value, 0xff, sizeof(m.value));
        for (int i = 0; i < 2000; i++) {
            batch_random(h, &m, &p);
            if (prng_below(&p, 4) == 0)
                uv_run(&h->loop.uv, UV_RUN_NOWAIT);
            if (prng_below(&p, 100) != 0)
                continue;
            char *found = prng_below(&p, 4) == 0 ? harness_dump_reopened(h) : harness_dump(h, "");
            char *expected = model_dump(&m);
            if (strcmp(found, expected) != 0)
                fail_msg("SEED=%llu, batch %d", (unsigned long long)seed, i);
            free(found);
            free(expected);
        }
        harness_free(h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_EACH_KIND(test_puts_are_there_once_told),
        HARNESS_EACH_KIND(test_tickets_count_batches),
        HARNESS_EACH_KIND(test_operations_take_effect_in_order),
        HARNESS_EACH_KIND(test_scan_is_by_prefix_and_in_order),
        HARNESS_EACH_KIND(test_scan_ends_with_the_error_of_fn),
        HARNESS_EACH_KIND(test_values_of_any_size),
        HARNESS_EACH_KIND(test_failed_batch_leaves_no_trace_and_no_damage),
        HARNESS_EACH_KIND(test_backlog_counts_what_is_not_told),
        HARNESS_EACH_KIND(test_sink_may_put_and_flush),
        HARNESS_EACH_KIND(test_close_flushes_and_tells),
        HARNESS_EACH_KIND(test_random_batches_against_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, harness_servers_end);
}
