/* Shortage of memory: the n-th allocation of ours fails, for n = 1, 2, 3 ... until a run needs no more. Whatever n:
 * opening fails cleanly, or each batch is there as a whole, or not at all and said so; and later batches work. The
 * linker's --wrap puts these functions in front of malloc and its like for our own code, not for the libraries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/buffering/store_harness.h"

static int fail_after = -1; /* allocations that succeed before one fails; -1: all do */
static bool fired;

static bool allocation_fails(void)
{
    if (fail_after < 0 || fail_after-- > 0)
        return false;
    fired = true;
    return true;
}

#include "tests/base/allocation_wraps.h"

static void arm(int n)
{
    fired = false;
    fail_after = n;
}

static bool disarm(void)
{
    fail_after = -1;
    return fired;
}

static void ignore(void *ctx, uint64_t ticket, enum error err)
{
    (void)ctx;
    (void)ticket;
    (void)err;
}

static void test_open(void **state)
{
    const enum harness_kind kind = *(const enum harness_kind *)*state;
    struct harness *h = harness_new(kind, 1 << 20);
    harness_close(h);
    assert_int_equal(loop_init(&h->loop), OK);
    for (int n = 0;; n++) {
        const struct store_sink sink = {.committed = ignore};
        struct store *s = NULL;
        const char *why = NULL;
        arm(n);
        const enum error err = kind == HARNESS_MEMORY ? store_memory_open(sink, &s)
                                                      : store_lmdb_open(&h->loop, h->dir, 1 << 20, sink, &s, &why);
        const bool failed = disarm();
        assert_int_equal(err, failed ? ERR_NO_MEMORY : OK);
        assert_true((s == NULL) == failed);
        store_close(s);
        if (!failed)
            break;
    }
    loop_free(&h->loop);
    harness_open(h);
    harness_free(h);
}

/* Batch 1 replaces, adds, deletes and adds what it deletes; batches 2 and 3 are small. */
static void batches(struct harness *h)
{
    harness_put(h, "old", "2");
    harness_put(h, "gone", "2");
    harness_delete(h, "gone");
    for (char key[] = "a"; key[0] <= 'z'; key[0]++)
        harness_put(h, key, "a value of some length, so that the buffer has to grow a few times on its way");
    harness_delete(h, "kept");
    store_flush(h->store);
    harness_put(h, "two", "2");
    store_flush(h->store);
    harness_delete(h, "two");
    harness_put(h, "three", "3");
    store_flush(h->store);
}

static bool has(struct harness *h, const char *record)
{
    char *dump = harness_dump(h, "");
    const bool found = strstr(dump, record) != NULL;
    free(dump);
    return found;
}

static void test_batches(void **state)
{
    const enum harness_kind kind = *(const enum harness_kind *)*state;
    unsigned refused = 0;
    for (int n = 0;; n++) {
        struct harness *h = harness_new(kind, 1 << 20);
        harness_put(h, "old", "1");
        harness_put(h, "kept", "1");
        store_flush(h->store);
        assert_int_equal(harness_wait(h, 1), OK);
        arm(n);
        batches(h);
        const bool failed = disarm();
        store_flush(h->store); /* what could not be closed then is closed now, or when a batch comes back */
        harness_put(h, "later", "1");
        store_flush(h->store);
        while (store_backlog_bytes(h->store) > 0)
            harness_wait(h, h->told + 1);
        assert_true(has(h, "later=1"));
        for (uint64_t t = 1; t <= h->told; t++) {
            assert_true(h->result[t] == OK || h->result[t] == ERR_NO_MEMORY);
            refused += h->result[t] != OK;
        }
        const bool first = h->result[2] == OK;
        assert_int_equal(has(h, "kept=1"), !first);
        assert_int_equal(has(h, "old=2"), first);
        assert_int_equal(has(h, "old=1"), !first);
        assert_int_equal(has(h, "z=a value"), first);
        assert_false(has(h, "gone="));
        harness_free(h);
        if (!failed)
            break;
        assert_true(n < 1000);
    }
    assert_true(refused > 0);
}

int main(void)
{
    static enum harness_kind memory = HARNESS_MEMORY;
    static enum harness_kind lmdb = HARNESS_LMDB;
    const struct CMUnitTest tests[] = {
        {"memory: test_open", test_open, NULL, NULL, &memory},
        {"lmdb: test_open", test_open, NULL, NULL, &lmdb},
        {"memory: test_batches", test_batches, NULL, NULL, &memory},
        {"lmdb: test_batches", test_batches, NULL, NULL, &lmdb},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
