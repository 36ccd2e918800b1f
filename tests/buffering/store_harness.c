#include "tests/buffering/store_harness.h"

#include <ftw.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/buffering/redis_server.h"

static void on_committed(void *ctx, uint64_t ticket, enum error err)
{
    struct harness *h = ctx;
    assert_false(h->inside);
    assert_false(h->telling); /* one call at a time, however the sink flushes */
    h->telling = true;
    assert_true(ticket > h->told && ticket < HARNESS_TICKETS);
    h->calls++;
    while (h->told < ticket)
        h->result[++h->told] = err;
    if (h->on_told)
        h->on_told(h, ticket, err);
    h->telling = false;
}

void dir_make(char *out, size_t size)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(out, size, "%s/store.XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(out));
}

static int remove_one(const char *path, const struct stat *st, int what, struct FTW *at)
{
    (void)st;
    (void)what;
    (void)at;
    return remove(path);
}

void dir_remove(const char *dir)
{
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

uint64_t test_seed(void)
{
    const char *seed = getenv("SEED");
    return seed ? strtoull(seed, NULL, 0) : 1;
}

static void redis_open(struct harness *h, const struct store_redis_options *o)
{
    const struct store_sink sink = {.ctx = h, .committed = on_committed};
    char why[STORE_REDIS_WHY_MAX];
    if (store_redis_open(&h->loop, o, sink, &h->store, why) != OK)
        fail_msg("store_redis_open: %s", why);
}

void harness_open(struct harness *h)
{
    const struct store_sink sink = {.ctx = h, .committed = on_committed};
    const char *why = NULL;
    h->told = 0;
    h->calls = 0;
    assert_int_equal(loop_init(&h->loop), OK);
    if (h->kind == HARNESS_MEMORY) {
        assert_int_equal(store_memory_open(sink, &h->store), OK);
    } else if (h->kind == HARNESS_LMDB) {
        if (store_lmdb_open(&h->loop, h->dir, h->map_bytes, sink, &h->store, &why) != OK)
            fail_msg("store_lmdb_open: %s", why);
    } else {
        struct store_redis_options o;
        redis_server_options(harness_server(h->kind), &o);
        o.prefix = h->prefix;
        redis_open(h, &o);
    }
}

void harness_open_redis(struct harness *h, const struct store_redis_options *o)
{
    h->kind = HARNESS_REDIS;
    h->told = 0;
    h->calls = 0;
    assert_int_equal(loop_init(&h->loop), OK);
    redis_open(h, o);
}

static struct redis_server servers[2];

struct redis_server *harness_server(enum harness_kind kind)
{
    struct redis_server *s = &servers[kind == HARNESS_VALKEY];
    if (!s->pid)
        redis_server_start(s, kind == HARNESS_VALKEY ? "valkey-server" : "redis-server", NULL);
    return s;
}

enum harness_kind harness_kinds[] = {HARNESS_MEMORY, HARNESS_LMDB, HARNESS_REDIS, HARNESS_VALKEY};

int harness_servers_end(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        if (servers[i].pid)
            redis_server_free(&servers[i]);
    return 0;
}

bool harness_is_durable(const struct harness *h)
{
    return h->kind != HARNESS_MEMORY;
}

void harness_close(struct harness *h)
{
    store_close(h->store);
    h->store = NULL;
    loop_free(&h->loop);
}

struct harness *harness_new(enum harness_kind kind, uint64_t map_bytes)
{
    struct harness *h = calloc(1, sizeof(*h));
    assert_non_null(h);
    h->kind = kind;
    h->map_bytes = map_bytes;
    if (kind == HARNESS_LMDB)
        dir_make(h->dir, sizeof(h->dir));
    static unsigned prefixes;
    snprintf(h->prefix, sizeof(h->prefix), "t%u", ++prefixes);
    harness_open(h);
    return h;
}

void harness_free(struct harness *h)
{
    harness_close(h);
    if (h->kind == HARNESS_LMDB)
        dir_remove(h->dir);
    if (h->kind == HARNESS_REDIS || h->kind == HARNESS_VALKEY)
        redis_server_do(harness_server(h->kind), "FLUSHALL");
    free(h);
}

uint64_t harness_put(struct harness *h, const char *key, const char *value)
{
    h->inside = true;
    const uint64_t ticket = store_put(h->store, bytes_of_str(key), bytes_of_str(value));
    h->inside = false;
    return ticket;
}

uint64_t harness_delete(struct harness *h, const char *key)
{
    h->inside = true;
    const uint64_t ticket = store_delete(h->store, bytes_of_str(key));
    h->inside = false;
    return ticket;
}

static void on_late(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

enum error harness_wait(struct harness *h, uint64_t ticket)
{
    bool late = false;
    uv_timer_t timer;
    uv_timer_init(&h->loop.uv, &timer);
    timer.data = &late;
    uv_timer_start(&timer, on_late, 10000, 0);
    while (h->told < ticket && !late)
        uv_run(&h->loop.uv, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&h->loop.uv, UV_RUN_NOWAIT);
    assert_false(late);
    return h->result[ticket];
}

static enum error dump_one(void *ctx, struct bytes key, struct bytes value)
{
    struct buf *out = ctx;
    if (out->len)
        buf_add_u8(out, ' ');
    buf_add(out, key);
    buf_add_u8(out, '=');
    buf_add(out, value);
    return OK;
}

char *harness_dump(struct harness *h, const char *prefix)
{
    struct buf out = {0};
    assert_int_equal(store_scan(h->store, bytes_of_str(prefix), &out, dump_one), OK);
    buf_add_u8(&out, 0);
    assert_false(out.failed);
    return (char *)out.data;
}

char *harness_dump_reopened(struct harness *h)
{
    if (harness_is_durable(h)) {
        harness_close(h);
        harness_open(h);
    }
    return harness_dump(h, "");
}
