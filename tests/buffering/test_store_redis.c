/* The Redis store when Redis is not well: gone, paused, full, a replica, without its scripts, another's; and when there
 * are two of us. Each test has a server of its own. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/prng.h"
#include "buffering/record.h"
#include "tests/buffering/redis_server.h"
#include "tests/buffering/store_harness.h"

/* A store on a server of this file's; what it was told, by ticket. */
struct opened {
    struct harness h;
    struct store_redis_options o;
};

static const char *program;

static void store_start(struct opened *x, const struct redis_server *s, uint32_t timeout_ms)
{
    memset(x, 0, sizeof(*x));
    redis_server_options(s, &x->o);
    x->o.timeout_ms = timeout_ms;
    harness_open_redis(&x->h, &x->o);
}

static enum error put_and_wait(struct opened *x, const char *key, const char *value)
{
    const uint64_t ticket = harness_put(&x->h, key, value);
    store_flush(x->h.store);
    return harness_wait(&x->h, ticket);
}

/* Until a commit succeeds; each time with the same operation. */
static void put_until_ok(struct opened *x, const char *key, const char *value)
{
    for (int i = 0; i < 2000; i++) {
        if (put_and_wait(x, key, value) == OK)
            return;
        usleep(5000);
        uv_run(&x->h.loop.uv, UV_RUN_NOWAIT);
    }
    fail_msg("the store does not come back: %s", store_trouble(x->h.store));
}

static void assert_dump(struct opened *x, const char *expected)
{
    char *dump = harness_dump(&x->h, "");
    assert_string_equal(dump, expected);
    free(dump);
}

static const char *refused(const struct store_redis_options *o)
{
    static char why[STORE_REDIS_WHY_MAX];
    struct loop loop;
    struct store *s;
    assert_int_equal(loop_init(&loop), OK);
    const enum error err = store_redis_open(&loop, o, (struct store_sink){0}, &s, why);
    if (err == OK)
        fail_msg("it was opened");
    assert_null(s);
    loop_free(&loop);
    return why;
}

static void assert_holds(const char *text, const char *part)
{
    if (!text || !strstr(text, part))
        fail_msg("'%s' does not hold '%s'", text ? text : "(nothing)", part);
}

/* --- gone and back ----------------------------------------------------------------------------------- */

static void test_killed_and_started_again(void **state)
{
    struct redis_server s;
    struct opened x;
    (void)state;
    redis_server_start(&s, program, NULL);
    store_start(&x, &s, 5000);
    assert_int_equal(put_and_wait(&x, "a", "1"), OK);
    redis_server_end(&s, SIGKILL);
    const uint64_t ticket = harness_put(&x.h, "b", "1"); /* before anybody knows */
    store_flush(x.h.store);
    uv_run(&x.h.loop.uv, UV_RUN_NOWAIT);
    redis_server_restart(&s, NULL);
    const enum error err = harness_wait(&x.h, ticket);
    assert_true(err == OK || err == ERR_STORE);
    put_until_ok(&x, "c", "1");
    assert_null(store_trouble(x.h.store));
    assert_dump(&x, err == OK ? "a=1 b=1 c=1" : "a=1 c=1");
    harness_close(&x.h);
    redis_server_free(&s);
}

/* While it is known to be down a flush fails at once: from inside store_flush. */
static void test_down_fails_at_once(void **state)
{
    struct redis_server s;
    struct opened x;
    (void)state;
    redis_server_start(&s, program, NULL);
    store_start(&x, &s, 20000); /* longer than any wait here */
    assert_int_equal(put_and_wait(&x, "a", "1"), OK);
    redis_server_end(&s, SIGKILL);
    while (!store_trouble(x.h.store))
        uv_run(&x.h.loop.uv, UV_RUN_ONCE);
    for (int i = 0; i < 100; i++) {
        const uint64_t ticket = harness_put(&x.h, "b", "1");
        store_flush(x.h.store);
        assert_int_equal(x.h.told, ticket);
        assert_int_equal(x.h.result[ticket], ERR_STORE);
    }
    assert_int_equal(store_backlog_bytes(x.h.store), 0);
    redis_server_restart(&s, NULL);
    put_until_ok(&x, "c", "1");
    assert_dump(&x, "a=1 c=1"); /* a refused one left no trace */
    harness_close(&x.h);
    redis_server_free(&s);
}

/* What lies in the socket of a paused server must do nothing when it goes on. */
static void test_paused_server_is_overtaken(void **state)
{
    struct redis_server s;
    struct opened x;
    (void)state;
    redis_server_start(&s, program, NULL);
    store_start(&x, &s, 300);
    assert_int_equal(put_and_wait(&x, "a", "1"), OK);
    kill(s.pid, SIGSTOP);
    assert_int_equal(put_and_wait(&x, "b", "1"), ERR_STORE_UNSURE);
    const uint64_t ticket = harness_put(&x.h, "c", "1"); /* known to be down */
    store_flush(x.h.store);
    assert_int_equal(x.h.told, ticket);
    assert_int_equal(x.h.result[ticket], ERR_STORE);
    kill(s.pid, SIGCONT);
    put_until_ok(&x, "d", "1");
    /* The server read the put of b before it heard of the new epoch, or after: it is there, or will never be. */
    char *first = harness_dump(&x.h, "");
    assert_true(strcmp(first, "a=1 d=1") == 0 || strcmp(first, "a=1 b=1 d=1") == 0);
    harness_delete(&x.h, "b");
    store_flush(x.h.store);
    assert_int_equal(harness_wait(&x.h, x.h.told + 1), OK);
    usleep(100000);
    assert_dump(&x, "a=1 d=1");
    free(first);
    harness_close(&x.h);
    redis_server_free(&s);
}

/* The loop was busy for longer than the time-out, with the answer in the socket: Redis is not to blame. */
static void test_a_stalled_loop_blames_nobody(void **state)
{
    struct redis_server s;
    struct opened x;
    (void)state;
    redis_server_start(&s, program, NULL);
    store_start(&x, &s, 200);
    for (int i = 0; i < 3; i++) {
        harness_put(&x.h, "a", "1");
        store_flush(x.h.store);
        usleep(300000);
        const uint64_t ticket = harness_put(&x.h, "b", "1");
        store_flush(x.h.store); /* notes that the first one is late */
        assert_int_equal(harness_wait(&x.h, ticket), OK);
        assert_int_equal(x.h.result[ticket - 1], OK);
        usleep(300000); /* nor while it is idle */
        uv_run(&x.h.loop.uv, UV_RUN_NOWAIT);
        assert_null(store_trouble(x.h.store));
    }
    redisReply *r = redis_server_command(&s, "HGET t:owner epoch");
    assert_string_equal(r->str, "1"); /* one connection all the time */
    freeReplyObject(r);
    harness_close(&x.h);
    redis_server_free(&s);
}

/* The old connection's commands come after the new one's: they must be refused. */
static void test_late_commands_are_fenced(void **state)
{
    struct redis_server s;
    struct opened x, y;
    (void)state;
    redis_server_start(&s, program, NULL);
    store_start(&x, &s, 2000);
    assert_int_equal(put_and_wait(&x, "a", "1"), OK);
    /* Another takes over behind x' back: as one does whose predecessor has gone silent. */
    redis_server_do(&s, "HSET t:owner name elsewhere epoch 99");
    assert_int_equal(put_and_wait(&x, "b", "1"), ERR_STORE_UNSURE);
    assert_holds(store_trouble(x.h.store), "another adapter");
    assert_int_equal(put_and_wait(&x, "b", "1"), ERR_STORE); /* for good */
    usleep(200000);
    uv_run(&x.h.loop.uv, UV_RUN_NOWAIT);
    assert_int_equal(put_and_wait(&x, "b", "1"), ERR_STORE);
    store_start(&y, &s, 2000); /* "elsewhere" is not connected */
    assert_dump(&y, "a=1");
    harness_close(&x.h);
    harness_close(&y.h);
    redis_server_free(&s);
}

static void test_second_adapter_is_found_out(void **state)
{
    struct redis_server s;
    struct opened x;
    (void)state;
    redis_server_start(&s, program, NULL);
    store_start(&x, &s, 1000);
    assert_int_equal(put_and_wait(&x, "a", "1"), OK);
    struct store_redis_options o = x.o;
    o.timeout_ms = 300; /* gives up soon; the first one is never silent for so long */
    assert_holds(refused(&o), "another adapter uses store.prefix t");
    assert_int_equal(put_and_wait(&x, "b", "1"), OK); /* it goes on */
    o.prefix = "u";
    struct opened z = {.o = o};
    harness_open_redis(&z.h, &z.o);
    assert_dump(&z, "");
    harness_close(&z.h);
    harness_close(&x.h);
    redis_server_free(&s);
}

/* --- what it refuses --------------------------------------------------------------------------------- */

static void test_scripts_flushed(void **state)
{
    struct redis_server s;
    struct opened x;
    (void)state;
    redis_server_start(&s, program, NULL);
    store_start(&x, &s, 5000);
    for (int i = 0; i < 5; i++) {
        redis_server_do(&s, "SCRIPT FLUSH");
        assert_int_equal(put_and_wait(&x, "a", "1"), OK);
    }
    harness_close(&x.h);
    redis_server_free(&s);
}

static void test_full_server_refuses_puts_and_takes_deletes(void **state)
{
    struct redis_server s;
    struct opened x;
    (void)state;
    redis_server_start(&s, program, NULL);
    store_start(&x, &s, 5000);
    assert_int_equal(put_and_wait(&x, "a", "1"), OK);
    assert_int_equal(put_and_wait(&x, "b", "1"), OK);
    redis_server_do(&s, "CONFIG SET maxmemory 1");
    harness_put(&x.h, "c", "1");
    harness_delete(&x.h, "a");
    store_flush(x.h.store);
    harness_delete(&x.h, "b");
    store_flush(x.h.store);
    harness_put(&x.h, "d", "1");
    store_flush(x.h.store);
    harness_wait(&x.h, x.h.told + 3);
    assert_int_equal(x.h.result[3], ERR_STORE);
    assert_int_equal(x.h.result[4], OK);
    assert_int_equal(x.h.result[5], ERR_STORE);
    assert_holds(store_trouble(x.h.store), "OOM");
    harness_close(&x.h);
    harness_open_redis(&x.h, &x.o); /* a full one can be opened */
    assert_dump(&x, "a=1");
    redis_server_do(&s, "CONFIG SET maxmemory 0");
    assert_int_equal(put_and_wait(&x, "d", "1"), OK);
    assert_null(store_trouble(x.h.store));
    harness_close(&x.h);
    redis_server_free(&s);
}

static void test_disk_refuses(void **state)
{
    struct redis_server s;
    struct opened x;
    (void)state;
    redis_server_start(&s, program, NULL);
    store_start(&x, &s, 5000);
    assert_int_equal(put_and_wait(&x, "a", "1"), OK);
    /* A snapshot that cannot be written makes Redis refuse writes: MISCONF. */
    redis_server_do(&s, "CONFIG SET save %s", "3600 1");
    char busy[128];
    snprintf(busy, sizeof(busy), "%s/dump.rdb", s.dir);
    if (mkdir(busy, 0700) != 0)
        fail_msg("mkdir");
    redis_server_do(&s, "BGSAVE");
    enum error err = OK;
    for (int i = 0; i < 500 && err == OK; i++) {
        usleep(10000);
        err = put_and_wait(&x, "b", "1");
    }
    assert_int_equal(err, ERR_STORE);
    assert_holds(store_trouble(x.h.store), "MISCONF");
    redis_server_do(&s, "CONFIG SET stop-writes-on-bgsave-error no");
    assert_int_equal(put_and_wait(&x, "c", "1"), OK);
    harness_close(&x.h);
    redis_server_free(&s);
}

static void test_demoted_master_is_left(void **state)
{
    struct redis_server s;
    struct opened x;
    (void)state;
    redis_server_start(&s, program, NULL);
    store_start(&x, &s, 1000);
    assert_int_equal(put_and_wait(&x, "a", "1"), OK);
    redis_server_do(&s, "REPLICAOF 127.0.0.1 1");
    const enum error err = put_and_wait(&x, "b", "1");
    assert_true(err == ERR_STORE_UNSURE || err == ERR_STORE);
    assert_holds(store_trouble(x.h.store), "not a master");
    redis_server_do(&s, "REPLICAOF NO ONE");
    put_until_ok(&x, "c", "1");
    assert_dump(&x, "a=1 c=1");
    harness_close(&x.h);
    redis_server_free(&s);
}

static void test_key_of_another_type(void **state)
{
    struct redis_server s;
    struct opened x;
    (void)state;
    redis_server_start(&s, program, NULL);
    redis_server_do(&s, "SET t:{dev1} foreign");
    redis_server_do(&s, "SET t:r:62 foreign"); /* 'b' */
    store_start(&x, &s, 5000);
    harness_put(&x.h, "a", "1");
    harness_put(&x.h, "b", "1"); /* not possible: nothing of the batch */
    harness_put(&x.h, "c", "1");
    store_flush(x.h.store);
    harness_put(&x.h, "d", "1");
    store_flush(x.h.store);
    harness_wait(&x.h, 2);
    assert_int_equal(x.h.result[1], ERR_STORE);
    assert_int_equal(x.h.result[2], OK);
    assert_int_equal(put_and_wait(&x, "e", "1"), OK);
    store_put(x.h.store, bytes_of("mdev1\0\0\0\0\0\0\0\0\1", 14), BYTES_LIT("x"));
    store_flush(x.h.store);
    assert_int_equal(harness_wait(&x.h, 4), ERR_STORE);
    assert_holds(store_trouble(x.h.store), "WRONGTYPE");
    harness_close(&x.h);
    redis_server_free(&s);
}

/* --- what is checked at the start -------------------------------------------------------------------- */

static void test_durability_that_cannot_be_given(void **state)
{
    struct redis_server s;
    struct store_redis_options o;
    (void)state;
    redis_server_start(&s, program, "--appendonly", "no", NULL);
    redis_server_options(&s, &o);
    o.timeout_ms = 300;
    assert_holds(refused(&o), "set 'appendonly yes'");
    o.durability = STORE_EVERYSEC;
    assert_holds(refused(&o), "set 'appendonly yes'");
    o.durability = STORE_REPLICATED;
    assert_holds(refused(&o), "0 replicas online, store.replicas wants 1");
    o.durability = STORE_MEMORY;
    struct opened x = {.o = o};
    harness_open_redis(&x.h, &o);
    assert_int_equal(put_and_wait(&x, "a", "1"), OK);
    harness_close(&x.h);
    o.durability = STORE_FSYNC;
    redis_server_do(&s, "CONFIG SET appendonly yes");
    redis_server_do(&s, "CONFIG SET appendfsync no");
    assert_holds(refused(&o), "'appendfsync always' or 'everysec'");
    redis_server_do(&s, "CONFIG SET appendfsync always");
    redis_server_do(&s, "CONFIG SET maxmemory-policy allkeys-lru");
    assert_holds(refused(&o), "'maxmemory-policy noeviction'");
    redis_server_do(&s, "CONFIG SET maxmemory-policy volatile-lru"); /* nothing of ours expires */
    o.password = "wrong";
    assert_holds(refused(&o), "store.password_file");
    o.password = NULL;
    o.database = 999;
    assert_holds(refused(&o), "SELECT");
    redis_server_free(&s);
    assert_holds(refused(&o), "No such file");
}

/* What is lost by a change under way is found at the next connection. */
static void test_durability_is_checked_again(void **state)
{
    struct redis_server s;
    struct opened x;
    (void)state;
    redis_server_start(&s, program, NULL);
    store_start(&x, &s, 1000);
    assert_int_equal(put_and_wait(&x, "a", "1"), OK);
    redis_server_end(&s, SIGTERM);
    redis_server_restart(&s, "--appendonly", "no", NULL);
    const enum error err = put_and_wait(&x, "b", "1");
    assert_true(err != OK);
    for (int i = 0; i < 200 && !strstr(store_trouble(x.h.store), "appendonly yes"); i++) {
        usleep(10000);
        uv_run(&x.h.loop.uv, UV_RUN_NOWAIT);
    }
    assert_holds(store_trouble(x.h.store), "appendonly yes");
    harness_close(&x.h);
    redis_server_free(&s);
}

/* WAITAOF with everysec; without the right to read the configuration. */
static void test_fsync_asks_for_each_commit(void **state)
{
    struct redis_server s;
    struct opened x;
    (void)state;
    redis_server_start(&s, program, "--appendfsync", "everysec", NULL);
    redis_server_do(&s, "ACL SETUSER adapter on >secret ~* &* +@all -config -client");
    store_start(&x, &s, 5000);
    for (int i = 0; i < 3; i++)
        assert_int_equal(put_and_wait(&x, "a", "1"), OK);
    harness_close(&x.h);
    x.o.timeout_ms = 2000;
    assert_holds(refused(&x.o), "store.timeout_ms");
    x.o.timeout_ms = 5000;
    x.o.username = "adapter";
    x.o.password = "secret";
    harness_open_redis(&x.h, &x.o);
    assert_int_equal(put_and_wait(&x, "b", "1"), OK);
    harness_close(&x.h);
    redis_server_do(&s, "ACL SETUSER adapter -evalsha");
    assert_holds(refused(&x.o), "NOPERM");
    redis_server_free(&s);
}

static void test_replicated_waits_for_replicas(void **state)
{
    struct redis_server master, replica;
    struct opened x;
    (void)state;
    redis_server_start(&master, program, NULL);
    redis_server_do(&master, "CONFIG SET repl-diskless-sync-delay 0");
    redis_server_start(&replica, program, NULL);
    const unsigned port = redis_server_listen(&master);
    redis_server_do(&replica, "REPLICAOF 127.0.0.1 %u", port);
    redis_server_replica_wait(&master);
    memset(&x, 0, sizeof(x));
    redis_server_options(&master, &x.o);
    x.o.durability = STORE_REPLICATED;
    x.o.timeout_ms = 1000;
    harness_open_redis(&x.h, &x.o);
    assert_int_equal(put_and_wait(&x, "a", "1"), OK);
    redisReply *r = redis_server_command(&replica, "HGET t:r:61 a");
    assert_true(r->type == REDIS_REPLY_STRING && strcmp(r->str, "1") == 0);
    freeReplyObject(r);
    kill(replica.pid, SIGSTOP);
    assert_int_equal(put_and_wait(&x, "b", "1"), ERR_STORE_UNSURE); /* the master has it, and nobody else */
    assert_non_null(store_trouble(x.h.store));
    kill(replica.pid, SIGCONT);
    put_until_ok(&x, "c", "1");
    redis_server_free(&replica);
    assert_true(put_and_wait(&x, "d", "1") != OK);
    harness_close(&x.h);
    redis_server_free(&master);
}

/* --- the index of devices with messages -------------------------------------------------------------- */

static void message_put(struct opened *x, unsigned device, uint64_t seq, bool put)
{
    struct buf key = {0}, value = {0};
    char id[16];
    snprintf(id, sizeof(id), "dev%u", device);
    struct record_message m = {.device_id = bytes_of_str(id), .seq = seq, .deadline_ms = 1000 + seq};
    record_message_key(seq % 2 ? RECORD_DOWNLINK : RECORD_UPLINK, m.device_id, seq, &key);
    record_message_encode(buf_bytes(&key), &m, &value);
    if (put)
        store_put(x->h.store, buf_bytes(&key), buf_bytes(&value));
    else
        store_delete(x->h.store, buf_bytes(&key));
    buf_free(&key);
    buf_free(&value);
}

/* Always those that have some; and nobody once all is gone. */
static void test_index_is_never_short(void **state)
{
    enum { DEVICES = 20, SEQS = 6 };
    struct redis_server s;
    struct opened x;
    struct prng p;
    bool has[DEVICES][SEQS] = {0};
    (void)state;
    prng_seed(&p, test_seed());
    redis_server_start(&s, program, NULL);
    store_start(&x, &s, 5000);
    for (int round = 0; round < 300; round++) {
        for (uint64_t ops = 1 + prng_below(&p, 12); ops > 0; ops--) {
            const unsigned device = (unsigned)prng_below(&p, DEVICES), seq = (unsigned)prng_below(&p, SEQS);
            has[device][seq] = round < 250 && prng_below(&p, 3) == 0;
            message_put(&x, device, seq, has[device][seq]);
        }
        store_flush(x.h.store);
        if (round % 10 && round < 299)
            continue;
        for (unsigned d = 0; round == 299 && d < DEVICES; d++)
            for (unsigned q = 0; q < SEQS; q++)
                message_put(&x, d, q, false);
        store_flush(x.h.store);
        harness_wait(&x.h, x.h.told + 1);
        while (store_backlog_bytes(x.h.store))
            uv_run(&x.h.loop.uv, UV_RUN_ONCE);
        redisReply *keys = redis_server_command(&s, "KEYS t:p:*");
        char all[4096] = " ";
        for (size_t i = 0; i < keys->elements; i++) {
            redisReply *bucket = redis_server_command(&s, "HKEYS %s", keys->element[i]->str);
            for (size_t k = 0; k < bucket->elements; k++) {
                strcat(all, bucket->element[k]->str);
                strcat(all, " ");
            }
            freeReplyObject(bucket);
        }
        freeReplyObject(keys);
        for (unsigned d = 0; d < DEVICES; d++) {
            char name[16];
            bool any = false;
            for (unsigned q = 0; q < SEQS && round < 299; q++)
                any |= has[d][q];
            snprintf(name, sizeof(name), " dev%u ", d);
            assert_int_equal(strstr(all, name) != NULL, any);
        }
    }
    harness_close(&x.h);
    redis_server_free(&s);
}

/* Kill -9 of the server among many batches: what was told OK is there. */
static void test_kills_among_batches(void **state)
{
    struct redis_server s;
    struct opened x;
    struct prng p;
    (void)state;
    prng_seed(&p, test_seed());
    redis_server_start(&s, program, NULL);
    store_start(&x, &s, 5000);
    uint64_t ticket = 0;
    for (int kills = 0; kills < 10; kills++) {
        const uint64_t stop = ticket + 50 + prng_below(&p, 300);
        while (ticket < stop) {
            char key[16];
            snprintf(key, sizeof(key), "k%05u", (unsigned)ticket + 1);
            ticket = harness_put(&x.h, key, "v");
            store_flush(x.h.store);
            uv_run(&x.h.loop.uv, UV_RUN_NOWAIT);
        }
        redis_server_end(&s, SIGKILL);
        redis_server_restart(&s, NULL);
        put_until_ok(&x, "up", "1");
        ticket = x.h.told;
    }
    char *dump = harness_dump(&x.h, "k");
    unsigned accepted = 0;
    for (uint64_t t = 1; t <= x.h.told; t++) {
        char key[16];
        snprintf(key, sizeof(key), "k%05u=v", (unsigned)t);
        const bool there = strstr(dump, key) != NULL;
        if (x.h.result[t] == ERR_STORE)
            assert_false(there);
        accepted += there;
    }
    print_message("%u of %u batches accepted\n", accepted, (unsigned)x.h.told);
    assert_true(accepted > 500);
    free(dump);
    harness_close(&x.h);
    redis_server_free(&s);
}

static int choose_redis(void **state)
{
    (void)state;
    program = "redis-server";
    return 0;
}

static int choose_valkey(void **state)
{
    (void)state;
    program = "valkey-server";
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_and_started_again),
        cmocka_unit_test(test_down_fails_at_once),
        cmocka_unit_test(test_paused_server_is_overtaken),
        cmocka_unit_test(test_a_stalled_loop_blames_nobody),
        cmocka_unit_test(test_late_commands_are_fenced),
        cmocka_unit_test(test_second_adapter_is_found_out),
        cmocka_unit_test(test_scripts_flushed),
        cmocka_unit_test(test_full_server_refuses_puts_and_takes_deletes),
        cmocka_unit_test(test_disk_refuses),
        cmocka_unit_test(test_demoted_master_is_left),
        cmocka_unit_test(test_key_of_another_type),
        cmocka_unit_test(test_durability_that_cannot_be_given),
        cmocka_unit_test(test_durability_is_checked_again),
        cmocka_unit_test(test_fsync_asks_for_each_commit),
        cmocka_unit_test(test_replicated_waits_for_replicas),
        cmocka_unit_test(test_index_is_never_short),
        cmocka_unit_test(test_kills_among_batches),
    };
    signal(SIGPIPE, SIG_IGN); /* as the program does */
    const int failed = cmocka_run_group_tests_name("redis", tests, choose_redis, NULL);
    return failed + cmocka_run_group_tests_name("valkey", tests, choose_valkey, NULL);
}
