/* Kill -9 at any instant: a child process writes batches and reports over a pipe what it was told is committed; the
 * parent kills it, opens the store and looks. What was reported must be there, and no batch may be there by half.
 *
 * Batch n is a function of n alone, so the parent can compute what the store holds after any number of them; each batch
 * also writes its number, which says how far the store has come. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/prng.h"
#include "tests/buffering/redis_server.h"
#include "tests/buffering/store_harness.h"

#define KILLS           50
#define KEYS            200
#define MAP_BYTES       (16u << 20)
#define VALUE_BYTES_MAX 6000 /* some take pages of their own */
#define NUMBER_KEY      "number"

struct model {
    uint64_t number;       /* batches so far */
    uint64_t writer[KEYS]; /* the batch that wrote the key; 0: absent */
};

struct op {
    unsigned key;
    bool is_put;
};

static unsigned batch_ops(uint64_t seed, uint64_t number, struct op ops[32])
{
    struct prng p;
    prng_seed(&p, seed * 1000003 + number);
    const unsigned count = 1 + (unsigned)prng_below(&p, 30);
    for (unsigned i = 0; i < count; i++)
        ops[i] = (struct op){.key = (unsigned)prng_below(&p, KEYS), .is_put = prng_below(&p, 3) != 0};
    return count;
}

static size_t value_make(uint64_t number, unsigned key, uint8_t out[VALUE_BYTES_MAX])
{
    struct prng p;
    prng_seed(&p, number * KEYS + key);
    const size_t len = prng_below(&p, 10) ? prng_below(&p, 200) : prng_below(&p, VALUE_BYTES_MAX);
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)prng_next(&p);
    return len;
}

static size_t key_make(unsigned key, char out[16])
{
    return (size_t)snprintf(out, 16, "k%03u", key);
}

/* --- the child --------------------------------------------------------------------------------------- */

struct child {
    int report_fd;
    uint64_t first; /* number of the batch with ticket 1 */
    uint64_t told;
};

static void child_committed(void *ctx, uint64_t ticket, enum error err)
{
    struct child *c = ctx;
    if (err != OK)
        _exit(2);
    c->told = c->first + ticket - 1;
    if (write(c->report_fd, &c->told, sizeof(c->told)) != (ssize_t)sizeof(c->told))
        _exit(3);
}

static void child_batch(struct store *s, uint64_t seed, uint64_t number)
{
    struct op ops[32];
    uint8_t value[VALUE_BYTES_MAX];
    char key[16];
    const unsigned count = batch_ops(seed, number, ops);
    store_put(s, BYTES_LIT(NUMBER_KEY), bytes_of(&number, sizeof(number)));
    for (unsigned i = 0; i < count; i++) {
        const struct bytes k = bytes_of(key, key_make(ops[i].key, key));
        if (ops[i].is_put)
            store_put(s, k, bytes_of(value, value_make(number, ops[i].key, value)));
        else
            store_delete(s, k);
    }
    store_flush(s);
}

/* Never returns: it is killed. */
static void child_run(const struct harness *h, int report_fd, uint64_t seed, uint64_t first)
{
    struct loop loop;
    struct store *store;
    const char *why;
    char detail[STORE_REDIS_WHY_MAX];
    struct child c = {.report_fd = report_fd, .first = first, .told = first - 1};
    const struct store_sink sink = {.ctx = &c, .committed = child_committed};
    if (loop_init(&loop) != OK)
        _exit(4);
    if (h->kind == HARNESS_LMDB && store_lmdb_open(&loop, h->dir, MAP_BYTES, sink, &store, &why) != OK)
        _exit(4);
    if (h->kind != HARNESS_LMDB) {
        struct store_redis_options o;
        redis_server_options(harness_server(h->kind), &o);
        o.prefix = h->prefix;
        if (store_redis_open(&loop, &o, sink, &store, detail) != OK)
            _exit(5);
    }
    for (uint64_t number = first;; number++) {
        child_batch(store, seed, number);
        const bool far_ahead = number - c.told > 20;
        uv_run(&loop.uv, far_ahead ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    }
}

/* --- the parent -------------------------------------------------------------------------------------- */

struct check {
    struct model *model;
    uint64_t seed;
    uint64_t number;
    unsigned records;
};

static enum error read_number(void *ctx, struct bytes key, struct bytes value)
{
    (void)key;
    assert_int_equal(value.len, sizeof(uint64_t));
    memcpy(ctx, value.data, sizeof(uint64_t));
    return OK;
}

static enum error check_record(void *ctx, struct bytes key, struct bytes value)
{
    struct check *c = ctx;
    uint8_t expected[VALUE_BYTES_MAX];
    char text[8] = {0};
    assert_int_equal(key.len, 4);
    memcpy(text, key.data + 1, 3);
    const unsigned k = (unsigned)strtoul(text, NULL, 10);
    assert_true(k < KEYS);
    const uint64_t writer = c->model->writer[k];
    assert_true(writer != 0);
    assert_true(bytes_equal(value, bytes_of(expected, value_make(writer, k, expected))));
    c->records++;
    return OK;
}

static void model_advance(struct model *m, uint64_t seed, uint64_t number)
{
    struct op ops[32];
    while (m->number < number) {
        m->number++;
        const unsigned count = batch_ops(seed, m->number, ops);
        for (unsigned i = 0; i < count; i++)
            m->writer[ops[i].key] = ops[i].is_put ? m->number : 0;
    }
}

static void store_check(struct harness *h, struct model *m, uint64_t seed, uint64_t reported)
{
    uint64_t number = 0;
    struct check c = {.model = m, .seed = seed};
    unsigned expected = 0;
    assert_int_equal(store_scan(h->store, BYTES_LIT(NUMBER_KEY), &number, read_number), OK);
    assert_true(number >= reported && number >= m->number);
    model_advance(m, seed, number);
    assert_int_equal(store_scan(h->store, BYTES_LIT("k"), &c, check_record), OK);
    for (unsigned k = 0; k < KEYS; k++)
        expected += m->writer[k] != 0;
    assert_int_equal(c.records, expected);
}

static uint64_t reports_read(int fd, uint64_t last)
{
    uint64_t number;
    while (read(fd, &number, sizeof(number)) == (ssize_t)sizeof(number)) {
        assert_true(number > last);
        last = number;
    }
    return last;
}

/* Some are killed while they open the store, most while they write. */
static uint64_t child_kill(const struct harness *h, uint64_t seed, uint64_t first, uint64_t after_us)
{
    int fds[2];
    int status;
    assert_int_equal(pipe(fds), 0);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[0]);
        child_run(h, fds[1], seed, first);
    }
    close(fds[1]);
    usleep((useconds_t)after_us);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL); /* else it found an error itself */
    const uint64_t last = reports_read(fds[0], first - 1);
    close(fds[0]);
    return last;
}

static void test_kill_at_any_instant(void **state)
{
    const enum harness_kind kind = *(const enum harness_kind *)*state;
    const uint64_t seed = test_seed();
    struct prng p;
    struct model m = {0};
    uint64_t progress = 0;
    prng_seed(&p, seed);
    struct harness *h = harness_new(kind, MAP_BYTES);
    for (int i = 0; i < KILLS; i++) {
        harness_close(h);
        const uint64_t after_us = prng_below(&p, i % 5 == 0 ? 5000 : 150000);
        const uint64_t reported = child_kill(h, seed, m.number + 1, after_us);
        harness_open(h);
        progress += reported > m.number;
        store_check(h, &m, seed, reported);
    }
    assert_true(progress > KILLS / 4); /* or nothing was tested */
    print_message("%d kills, %llu batches\n", KILLS, (unsigned long long)m.number);
    harness_free(h);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        {"lmdb: test_kill_at_any_instant", test_kill_at_any_instant, NULL, NULL, &harness_kinds[HARNESS_LMDB]},
        {"redis: test_kill_at_any_instant", test_kill_at_any_instant, NULL, NULL, &harness_kinds[HARNESS_REDIS]},
        {"valkey: test_kill_at_any_instant", test_kill_at_any_instant, NULL, NULL, &harness_kinds[HARNESS_VALKEY]},
    };
    return cmocka_run_group_tests(tests, NULL, harness_servers_end);
}
