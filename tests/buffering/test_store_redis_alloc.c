/* Shortage of memory: the n-th allocation of ours or of hiredis fails, for n = 0, 1, 2 ... until a run needs no more.
 * Whatever n: opening fails and says why, or works; each batch and each read is told once; a batch that was refused
 * without doubt left no trace, one that was accepted is there; and later ones work. */
#include <hiredis/alloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/buffering/redis_server.h"
#include "tests/buffering/store_harness.h"

static atomic_int fail_after = -1; /* allocations that succeed before one fails; -1: all do */
static atomic_bool fired;

static bool allocation_fails(void)
{
    if (atomic_load(&fail_after) < 0 || atomic_fetch_sub(&fail_after, 1) > 0)
        return false;
    atomic_store(&fired, true);
    return true;
}

#include "tests/base/allocation_wraps.h"

static char *failing_strdup(const char *s)
{
    const size_t len = strlen(s) + 1;
    char *copy = __wrap_malloc(len);
    return copy ? memcpy(copy, s, len) : NULL;
}

static void arm(int n)
{
    atomic_store(&fired, false);
    atomic_store(&fail_after, n);
}

static bool disarm(void)
{
    atomic_store(&fail_after, -1);
    return atomic_load(&fired);
}

static struct redis_server server;

static void test_open(void **state)
{
    unsigned refused = 0;
    (void)state;
    for (int n = 0;; n++) {
        struct loop loop;
        struct store *s = NULL;
        struct store_redis_options o;
        char why[STORE_REDIS_WHY_MAX] = "";
        redis_server_options(&server, &o);
        o.timeout_ms = 50; /* one attempt */
        assert_int_equal(loop_init(&loop), OK);
        arm(n);
        const enum error err = store_redis_open(&loop, &o, (struct store_sink){0}, &s, why);
        const bool failed = disarm();
        assert_true((err == OK) == (s != NULL) && (err == OK) == (why[0] == 0));
        refused += err != OK;
        store_close(s);
        loop_free(&loop);
        if (!failed && err == OK)
            break;
        assert_true(n < 2000);
    }
    assert_true(refused > 20);
    print_message("%u refusals\n", refused);
}

static unsigned reads_done;

static void on_record(struct store_load *l, struct bytes key, struct bytes value)
{
    (void)l;
    (void)key;
    (void)value;
}

static void on_done(struct store_load *l, enum error err)
{
    (void)l;
    (void)err;
    reads_done++;
}

static void batches_and_reads(struct harness *h, struct store_load reads[2], struct buf *cursor)
{
    harness_put(h, "old", "2");
    for (char key[] = "a"; key[0] <= 'z'; key[0]++)
        harness_put(h, key, "a value of some length, so that the buffer has to grow a few times on its way");
    store_put(h->store, bytes_of("mdev1\0\0\0\0\0\0\0\0\1", 14), BYTES_LIT("message"));
    harness_delete(h, "kept");
    store_flush(h->store);
    harness_put(h, "two", "2");
    store_flush(h->store);
    reads[0] = reads[1] = (struct store_load){.record = on_record, .done = on_done};
    store_load_device(h->store, BYTES_LIT("dev1"), &reads[0]);
    store_walk(h->store, STORE_WALK_PENDING, cursor, &reads[1]);
}

static enum error put_and_wait(struct harness *h)
{
    enum error err = ERR_STORE;
    for (int i = 0; i < 1000 && err != OK; i++) {
        const uint64_t ticket = harness_put(h, "later", "1");
        store_flush(h->store);
        err = harness_wait(h, ticket);
        if (err != OK)
            usleep(2000);
        uv_run(&h->loop.uv, UV_RUN_NOWAIT);
    }
    return err;
}

/* Text may end early in a dump, at a NUL of a key. */
static bool has(struct harness *h, const char *prefix, const char *record)
{
    char *dump = harness_dump(h, prefix);
    const bool found = strstr(dump, record) != NULL;
    free(dump);
    return found;
}

static void test_batches(void **state)
{
    unsigned refused = 0;
    (void)state;
    for (int n = 0;; n++) {
        struct harness h = {0};
        struct store_load reads[2];
        struct store_redis_options o;
        struct buf cursor = {0};
        redis_server_options(&server, &o);
        harness_open_redis(&h, &o);
        harness_put(&h, "old", "1");
        harness_put(&h, "kept", "1");
        store_flush(h.store);
        assert_int_equal(harness_wait(&h, 1), OK);
        reads_done = 0;
        arm(n);
        batches_and_reads(&h, reads, &cursor);
        for (int i = 0; i < 20; i++)
            uv_run(&h.loop.uv, UV_RUN_NOWAIT);
        const bool failed = disarm();
        assert_int_equal(put_and_wait(&h), OK);
        while (reads_done < 2)
            uv_run(&h.loop.uv, UV_RUN_ONCE);
        assert_true(has(&h, "later", "later=1"));
        for (uint64_t t = 2; t <= 3; t++)
            refused += h.result[t] != OK;
        if (h.result[2] != ERR_STORE_UNSURE) {
            const bool first = h.result[2] == OK;
            assert_int_equal(has(&h, "old", "old=2"), first);
            assert_int_equal(has(&h, "kept", "kept=1"), !first);
            assert_int_equal(has(&h, "z", "z=a value"), first);
            assert_int_equal(has(&h, "m", "mdev1"), first);
        }
        harness_close(&h);
        buf_free(&cursor);
        redis_server_do(&server, "FLUSHALL");
        if (!failed)
            break;
        assert_true(n < 1000);
    }
    assert_true(refused > 0);
    print_message("%u refusals\n", refused);
}

static int server_start(void **state)
{
    (void)state;
    redis_server_start(&server, "redis-server", NULL);
    return 0;
}

static int server_end(void **state)
{
    (void)state;
    redis_server_free(&server);
    return 0;
}

int main(void)
{
    static hiredisAllocFuncs failing = {.mallocFn = __wrap_malloc,
                                        .callocFn = __wrap_calloc,
                                        .reallocFn = __wrap_realloc,
                                        .strdupFn = failing_strdup,
                                        .freeFn = free};
    signal(SIGPIPE, SIG_IGN);
    hiredisSetAllocators(&failing);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_batches),
    };
    return cmocka_run_group_tests(tests, server_start, server_end);
}
