/* What only the embedded store promises: the lock, and a disk that fails (its bound: test_store_full.c). The disk's
 * failures are made here: this program's pwrite, writev and fdatasync stand in front of libc's, and fail at the n-th
 * call. */
#undef _FILE_OFFSET_BITS /* it would rename what stands in front of libc's */

#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/buffering/store_harness.h"

/* --- the disk ---------------------------------------------------------------------------------------- */

static atomic_int disk_calls_left; /* calls that succeed before those that fail */
static atomic_int disk_faults;     /* calls that fail then */
static atomic_int disk_fired;
static atomic_int disk_syncs;
static int disk_errno;
static bool disk_tears; /* a failing write first writes its first half */

static void disk_break(int after, int faults, int err, bool tears)
{
    disk_errno = err;
    disk_tears = tears;
    disk_fired = 0;
    disk_calls_left = after;
    disk_faults = faults;
}

static bool disk_fails(void)
{
    if (disk_faults == 0 || disk_calls_left-- > 0)
        return false;
    disk_faults--;
    disk_fired++;
    errno = disk_errno;
    return true;
}

static void *next_of(const char *name)
{
    void *fn = dlsym(RTLD_NEXT, name);
    if (!fn)
        abort();
    return fn;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
    static _Atomic(void *) fn;
    if (!fn)
        fn = next_of("pwrite");
    ssize_t (*real)(int, const void *, size_t, off_t);
    *(void **)&real = fn;
    if (!disk_fails())
        return real(fd, data, len, offset);
    return disk_tears ? real(fd, data, len / 2, offset) : -1;
}

ssize_t writev(int fd, const struct iovec *iov, int count)
{
    static _Atomic(void *) fn;
    if (!fn)
        fn = next_of("writev");
    ssize_t (*real)(int, const struct iovec *, int);
    *(void **)&real = fn;
    if (!disk_fails())
        return real(fd, iov, count);
    return disk_tears && count > 1 ? real(fd, iov, count / 2) : -1;
}

int fdatasync(int fd)
{
    static _Atomic(void *) fn;
    if (!fn)
        fn = next_of("fdatasync");
    int (*real)(int);
    *(void **)&real = fn;
    disk_syncs++;
    return disk_fails() ? -1 : real(fd);
}

/* --- tests ------------------------------------------------------------------------------------------- */

static void on_ignored(void *ctx, uint64_t ticket, enum error err)
{
    (void)ctx;
    (void)ticket;
    (void)err;
}

static enum error open_again(struct harness *h, const char *path, const char **why)
{
    struct store *store;
    const enum error err =
        store_lmdb_open(&h->loop, path, 1 << 20, (struct store_sink){.committed = on_ignored}, &store, why);
    assert_true((err == OK) == (store != NULL));
    assert_true((err == OK) == (*why == NULL));
    store_close(store);
    return err;
}

static void test_reopen_keeps_data(void **state)
{
    (void)state;
    struct harness *h = harness_new(HARNESS_LMDB, 1 << 20);
    static const char *const expected[] = {"a=1", "a=1 b=1", "a=1 b=1 c=1"};
    for (int round = 0; round < 3; round++) {
        const char key[] = {(char)('a' + round), 0};
        harness_put(h, key, "1");
        store_flush(h->store);
        harness_wait(h, 1);
        char *dump = harness_dump_reopened(h);
        assert_string_equal(dump, expected[round]);
        free(dump);
    }
    struct stat st;
    assert_int_equal(stat(h->dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    harness_free(h);
}

static void test_second_open_is_refused(void **state)
{
    (void)state;
    struct harness *h = harness_new(HARNESS_LMDB, 1 << 20);
    const char *why;
    assert_int_equal(open_again(h, h->dir, &why), ERR_STORE);
    assert_string_equal(why, "another process has the store open");
    harness_put(h, "a", "1");
    store_flush(h->store);
    assert_int_equal(harness_wait(h, 1), OK); /* the first is not disturbed */
    store_close(h->store);
    assert_int_equal(open_again(h, h->dir, &why), OK);
    loop_free(&h->loop);
    harness_open(h);
    harness_free(h);
}

static void test_absent_directory_is_made(void **state)
{
    (void)state;
    struct harness *h = harness_new(HARNESS_LMDB, 1 << 20);
    char path[128];
    const char *why;
    struct stat st;
    snprintf(path, sizeof(path), "%s/new/", h->dir);
    assert_int_equal(open_again(h, path, &why), OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    dir_remove(path);
    harness_free(h);
}

static void test_bad_paths_are_refused(void **state)
{
    (void)state;
    struct harness *h = harness_new(HARNESS_LMDB, 1 << 20);
    const char *why;
    char path[5000];
    snprintf(path, sizeof(path), "%s/none/store", h->dir);
    assert_int_equal(open_again(h, path, &why), ERR_STORE);
    snprintf(path, sizeof(path), "%s/data.mdb", h->dir);
    assert_int_equal(open_again(h, path, &why), ERR_STORE);
    memset(path, '/', sizeof(path) - 1);
    path[sizeof(path) - 1] = 0;
    assert_int_equal(open_again(h, path, &why), ERR_STORE);
    harness_free(h);
}

static void test_foreign_file_is_refused(void **state)
{
    (void)state;
    struct harness *h = harness_new(HARNESS_LMDB, 1 << 20);
    char path[128];
    const char *why;
    store_close(h->store);
    snprintf(path, sizeof(path), "%s/data.mdb", h->dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    if (!f)
        return;
    for (int i = 0; i < 4096; i++)
        fputs("no store ", f);
    fclose(f);
    assert_int_equal(open_again(h, h->dir, &why), ERR_STORE_CORRUPT);
    unlink(path);
    loop_free(&h->loop);
    harness_open(h);
    harness_free(h);
}

/* The effect of the batches that ended OK, in text. */
static void model_apply(unsigned model[3], const struct harness *h, uint64_t first, unsigned version)
{
    for (unsigned i = 0; i < 3; i++) {
        if (h->result[first + i] == OK)
            model[i] = version;
    }
}

static void batches_of_three(struct harness *h, unsigned version)
{
    for (unsigned i = 0; i < 3; i++) {
        for (int part = 'a'; part < 'd'; part++) { /* a batch is nine pages and must be there as a whole */
            char key[16];
            char value[8000];
            snprintf(key, sizeof(key), "%u%c", i, part);
            snprintf(value, sizeof(value), "%07990u", version);
            harness_put(h, key, value);
        }
        store_flush(h->store);
    }
}

static void assert_model(const char *dump, const unsigned model[3], int n)
{
    char expected[9 * 8010];
    size_t len = 0;
    for (unsigned i = 0; i < 9; i++) {
        if (model[i / 3])
            len += (size_t)snprintf(expected + len, sizeof(expected) - len, "%s%u%c=%07990u", len ? " " : "", i / 3,
                                    (int)('a' + i % 3), model[i / 3]);
    }
    expected[len] = 0;
    if (strcmp(dump, expected) != 0)
        fail_msg("after a fault at call %d the store holds something else", n);
}

static void disk_fails_at_every_call(int faults, int err, bool tears)
{
    struct harness *h = harness_new(HARNESS_LMDB, 16 << 20);
    unsigned model[3] = {0};
    unsigned version = 1;
    unsigned failures = 0;
    for (int n = 0; n < 200; n++, version++) {
        disk_break(n, faults, err, tears);
        const uint64_t first = h->told + 1;
        batches_of_three(h, version);
        harness_wait(h, first + 2);
        const int fired = disk_fired;
        disk_faults = 0;
        model_apply(model, h, first, version);
        for (uint64_t t = first; t < first + 3; t++)
            failures += h->result[t] != OK;

        char *dump = harness_dump(h, "");
        assert_model(dump, model, n);
        free(dump);
        dump = harness_dump_reopened(h);
        assert_model(dump, model, n);
        free(dump);

        disk_break(n, faults, err, tears); /* and once more: later batches work without opening again */
        batches_of_three(h, ++version);
        harness_wait(h, 3);
        disk_faults = 0;
        model_apply(model, h, 1, version);
        batches_of_three(h, ++version);
        assert_int_equal(harness_wait(h, 6), OK);
        model_apply(model, h, 4, version);
        dump = harness_dump_reopened(h);
        assert_model(dump, model, n);
        free(dump);
        if (fired == 0)
            break;
        assert_int_not_equal(n, 199);
    }
    /* One fault is repaired by doing the group again; a disk that stays broken is not. */
    if (faults == 1)
        assert_int_equal(failures, 0);
    else
        assert_true(failures > 0);
    harness_free(h);
}

static void test_one_fault_of_the_disk(void **state)
{
    (void)state;
    disk_fails_at_every_call(1, EIO, false);
    disk_fails_at_every_call(1, ENOSPC, true);
}

static void test_disk_that_stays_broken(void **state)
{
    (void)state;
    disk_fails_at_every_call(1000000, ENOSPC, false);
    disk_fails_at_every_call(1000000, EIO, true);
}

static void test_each_group_is_synced_before_it_is_told(void **state)
{
    (void)state;
    struct harness *h = harness_new(HARNESS_LMDB, 1 << 20);
    for (uint64_t i = 1; i <= 50; i++) {
        const int before = disk_syncs;
        harness_put(h, "a", "1");
        store_flush(h->store);
        assert_int_equal(harness_wait(h, i), OK);
        assert_true(disk_syncs > before);
    }
    const int before = disk_syncs;
    for (int i = 0; i < 1000; i++) {
        harness_put(h, "a", "2");
        store_flush(h->store);
    }
    assert_int_equal(harness_wait(h, 1050), OK);
    assert_true(disk_syncs - before < 1000); /* they were grouped */
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reopen_keeps_data),        cmocka_unit_test(test_second_open_is_refused),
        cmocka_unit_test(test_absent_directory_is_made), cmocka_unit_test(test_bad_paths_are_refused),
        cmocka_unit_test(test_foreign_file_is_refused),  cmocka_unit_test(test_each_group_is_synced_before_it_is_told),
        cmocka_unit_test(test_one_fault_of_the_disk),    cmocka_unit_test(test_disk_that_stays_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
