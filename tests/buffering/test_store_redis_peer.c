/* The Redis store and peers that are none, or not the one: garbage instead of replies, Sentinels, TLS; and what is
 * written about them in a configuration. */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/prng.h"
#include "tests/buffering/redis_server.h"
#include "tests/buffering/store_harness.h"

/* --- a proxy that spoils what Redis says -------------------------------------------------------------- */

struct proxy {
    char dir[64], socket[96];
    int listener;
    uv_thread_t thread;
    const struct redis_server *server;
    uint64_t seed;
    size_t spare;       /* up to so many bytes of replies pass unspoiled, of each connection */
    atomic_bool honest; /* nothing is spoiled any more */
    atomic_bool stop;
};

static int dial(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
        return fd;
    close(fd);
    return -1;
}

static bool readable(int fd, int wait_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, wait_ms) > 0;
}

/* Changes, drops, doubles or cuts; or keeps silent. False: the connection is to be closed. */
static bool spoil(struct prng *p, uint8_t *data, size_t *len)
{
    static const char *const nonsense[] = {"$-1\r\n",     "*3\r\n:1\r\n", ":9223372036854775807\r\n",
                                           "-ERR no\r\n", "*-1\r\n",      "$99999999999\r\n",
                                           "\r\n",        "+OK\r\n",      "*1\r\n*1\r\n*0\r\n"};
    const char *word = nonsense[prng_below(p, sizeof(nonsense) / sizeof(nonsense[0]))];
    switch (prng_below(p, 6)) {
    case 0:
        data[prng_below(p, *len)] = (uint8_t)prng_next(p);
        return true;
    case 1:
        *len = prng_below(p, *len);
        return true;
    case 2:
        return false;
    case 3:
        *len = strlen(word);
        memcpy(data, word, *len);
        return true;
    default:
        return true;
    }
}

static void serve(struct proxy *x, int client, struct prng *p)
{
    const int server = dial(x->server->socket);
    uint8_t data[65536];
    const size_t spare = prng_below(p, x->spare + 1);
    size_t passed = 0;
    for (bool good = server >= 0; good && !atomic_load(&x->stop);) {
        if (readable(client, 1)) {
            const ssize_t n = read(client, data, sizeof(data));
            good = n > 0 && write(server, data, (size_t)n) == n;
        }
        if (good && readable(server, 1)) {
            const ssize_t n = read(server, data, sizeof(data));
            size_t len = n > 0 ? (size_t)n : 0;
            good = n > 0;
            passed += len;
            if (good && passed > spare && !atomic_load(&x->honest))
                good = spoil(p, data, &len);
            good = good && write(client, data, len) == (ssize_t)len;
        }
    }
    close(client);
    if (server >= 0)
        close(server);
}

static void proxy_run(void *arg)
{
    struct proxy *x = arg;
    struct prng p;
    prng_seed(&p, x->seed);
    while (!atomic_load(&x->stop)) {
        if (!readable(x->listener, 10))
            continue;
        const int client = accept(x->listener, NULL, NULL);
        if (client >= 0)
            serve(x, client, &p);
    }
}

static void proxy_start(struct proxy *x, const struct redis_server *server, uint64_t seed, size_t spare)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    *x = (struct proxy){.server = server, .seed = seed, .spare = spare};
    dir_make(x->dir, sizeof(x->dir));
    snprintf(x->socket, sizeof(x->socket), "%s/socket", x->dir);
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", x->socket);
    x->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(x->listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(x->listener, 8), 0);
    assert_int_equal(uv_thread_create(&x->thread, proxy_run, x), 0);
}

static void proxy_end(struct proxy *x)
{
    atomic_store(&x->stop, true);
    uv_thread_join(&x->thread);
    close(x->listener);
    dir_remove(x->dir);
}

static void ignore(struct store_load *l, struct bytes key, struct bytes value)
{
    (void)l;
    (void)key;
    (void)value;
}

static void count_done(struct store_load *l, enum error err)
{
    (void)err;
    l->what = UINT8_MAX;
}

/* Whatever it says: no crash, every batch and every read is told once, and when it is honest again all goes on. */
static void test_garbage(void **state)
{
    struct redis_server s;
    (void)state;
    redis_server_start(&s, "redis-server", NULL);
    for (uint64_t seed = test_seed(); seed < test_seed() + 12; seed++) {
        struct proxy x;
        struct harness h = {0};
        struct store_redis_options o;
        struct store_load reads[4];
        struct buf cursor = {0};
        redis_server_options(&s, &o);
        proxy_start(&x, &s, seed, 6000); /* about half of it is what it takes to connect */
        snprintf(o.address.path, sizeof(o.address.path), "%s", x.socket);
        o.timeout_ms = 400;
        atomic_store(&x.honest, true);
        harness_open_redis(&h, &o);
        atomic_store(&x.honest, false);
        for (int i = 0; i < 150; i++) {
            char key[16];
            snprintf(key, sizeof(key), "k%d", i);
            const uint64_t ticket = harness_put(&h, key, "v");
            store_flush(h.store);
            for (size_t r = 0; r < 4; r++)
                reads[r] = (struct store_load){.record = ignore, .done = count_done};
            store_load_device(h.store, BYTES_LIT("a"), &reads[0]);
            store_get(h.store, BYTES_LIT("k1"), &reads[1]);
            buf_reset(&cursor);
            store_walk(h.store, i % 2 ? STORE_WALK_PENDING : STORE_WALK_DEVICES, &cursor, &reads[2]);
            (void)harness_wait(&h, ticket);
            for (size_t r = 0; r < 3; r++)
                while (reads[r].what != UINT8_MAX)
                    uv_run(&h.loop.uv, UV_RUN_ONCE);
        }
        atomic_store(&x.honest, true);
        enum error err = ERR_STORE;
        for (int i = 0; i < 1000 && err != OK; i++) {
            const uint64_t ticket = harness_put(&h, "last", "1");
            store_flush(h.store);
            err = harness_wait(&h, ticket);
            usleep(5000);
            uv_run(&h.loop.uv, UV_RUN_NOWAIT);
        }
        if (err != OK)
            fail_msg("SEED=%llu: %s", (unsigned long long)seed, store_trouble(h.store));
        harness_close(&h);
        buf_free(&cursor);
        proxy_end(&x);
        redis_server_do(&s, "FLUSHALL");
    }
    redis_server_free(&s);
}

/* The same from the first byte on: opening fails, or works. */
static void test_garbage_at_the_start(void **state)
{
    struct redis_server s;
    unsigned opened = 0;
    (void)state;
    redis_server_start(&s, "valkey-server", NULL);
    for (uint64_t seed = test_seed(); seed < test_seed() + 40; seed++) {
        struct proxy x;
        struct loop loop;
        struct store *store;
        struct store_redis_options o;
        char why[STORE_REDIS_WHY_MAX];
        redis_server_options(&s, &o);
        proxy_start(&x, &s, seed, seed % 40 * 150);
        snprintf(o.address.path, sizeof(o.address.path), "%s", x.socket);
        o.timeout_ms = 150;
        assert_int_equal(loop_init(&loop), OK);
        const enum error err = store_redis_open(&loop, &o, (struct store_sink){0}, &store, why);
        assert_int_equal(err == OK, why[0] == 0);
        assert_int_equal(err == OK, store != NULL);
        opened += err == OK;
        store_close(store);
        loop_free(&loop);
        proxy_end(&x);
    }
    print_message("%u of 40 opened\n", opened);
    redis_server_free(&s);
}

/* --- Sentinels --------------------------------------------------------------------------------------- */

/* No name of a host, no DNS: three Sentinels on ports of 127.0.0.1, a master and its replica. */
struct watched {
    struct redis_server master, replica, sentinels[3];
    unsigned ports[3];
};

static void sentinel_start(struct watched *w, unsigned i, unsigned master_port)
{
    struct redis_server *s = &w->sentinels[i];
    char path[128], port[16];
    *s = (struct redis_server){.program = "redis-server"};
    dir_make(s->dir, sizeof(s->dir));
    snprintf(s->socket, sizeof(s->socket), "%s/socket", s->dir);
    snprintf(path, sizeof(path), "%s/sentinel.conf", s->dir);
    w->ports[i] = redis_server_free_port();
    snprintf(port, sizeof(port), "%u", w->ports[i]);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fprintf(f,
            "port %s\nbind 127.0.0.1\nunixsocket %s\ndir %s\nlogfile log\n"
            "sentinel monitor mymaster 127.0.0.1 %u 2\nsentinel down-after-milliseconds mymaster 500\n"
            "sentinel failover-timeout mymaster 3000\n",
            port, s->socket, s->dir, master_port);
    fclose(f);
    redis_server_launch(s, (const char *[]){"redis-server", path, "--sentinel", NULL});
}

static void test_sentinels_lead_to_the_new_master(void **state)
{
    struct watched w;
    struct harness h = {0};
    struct store_redis_options o;
    (void)state;
    redis_server_start(&w.master, "redis-server", "--repl-diskless-sync-delay", "0", NULL);
    redis_server_start(&w.replica, "redis-server", NULL);
    const unsigned master_port = redis_server_listen(&w.master);
    redis_server_listen(&w.replica);
    redis_server_do(&w.replica, "REPLICAOF 127.0.0.1 %u", master_port);
    redis_server_replica_wait(&w.master);
    for (unsigned i = 0; i < 3; i++)
        sentinel_start(&w, i, master_port);
    redis_server_options(&w.master, &o);
    o.address = (struct redis_address){0};
    o.master_name = "mymaster";
    o.timeout_ms = 2000;
    char text[128];
    snprintf(text, sizeof(text), "127.0.0.1:1, 127.0.0.1:%u,127.0.0.1:%u, 127.0.0.1:%u", w.ports[0], w.ports[1],
             w.ports[2]); /* the first one is not there */
    assert_null(redis_sentinels_parse(text, o.sentinels, &o.sentinel_count));
    assert_int_equal(o.sentinel_count, 4);
    harness_open_redis(&h, &o);
    uint64_t ticket = harness_put(&h, "a", "1");
    store_flush(h.store);
    assert_int_equal(harness_wait(&h, ticket), OK);
    /* Sentinels find each other, and the replica, by themselves. */
    for (int i = 0; i < 2000; i++) {
        redisReply *r = redis_server_command(&w.sentinels[0], "SENTINEL CKQUORUM mymaster");
        redisReply *known = redis_server_command(&w.sentinels[0], "SENTINEL REPLICAS mymaster");
        const bool ready = r->type == REDIS_REPLY_STATUS && strstr(r->str, "3 usable") && known->elements == 1;
        freeReplyObject(r);
        freeReplyObject(known);
        if (ready)
            break;
        usleep(20000);
    }
    redis_server_end(&w.master, SIGKILL);
    enum error err = ERR_STORE;
    for (int i = 0; i < 2000 && err != OK; i++) {
        ticket = harness_put(&h, "b", "2");
        store_flush(h.store);
        err = harness_wait(&h, ticket);
        usleep(20000);
        uv_run(&h.loop.uv, UV_RUN_NOWAIT);
    }
    assert_int_equal(err, OK);
    char *dump = harness_dump(&h, "");
    assert_string_equal(dump, "a=1 b=2"); /* the new master's */
    free(dump);
    harness_close(&h);
    char why[STORE_REDIS_WHY_MAX];
    o.master_name = "another";
    o.timeout_ms = 300;
    assert_int_equal(loop_init(&h.loop), OK);
    assert_int_equal(store_redis_open(&h.loop, &o, (struct store_sink){0}, &h.store, why), ERR_STORE);
    assert_non_null(strstr(why, "store.master_name"));
    loop_free(&h.loop);
    for (unsigned i = 0; i < 3; i++)
        redis_server_free(&w.sentinels[i]);
    redis_server_free(&w.replica);
    redis_server_free(&w.master);
}

/* --- what is written in a configuration -------------------------------------------------------------- */

static void test_uris(void **state)
{
    (void)state;
    struct redis_address a;
    bool tls;
    unsigned database;
    assert_null(redis_uri_parse("redis://10.0.0.1", &a, &tls, &database));
    assert_string_equal(a.host, "10.0.0.1");
    assert_int_equal(a.port, 6379);
    assert_false(tls);
    assert_int_equal(database, 0);
    assert_null(redis_uri_parse("rediss://[::1]:7000/12", &a, &tls, &database));
    assert_string_equal(a.host, "::1");
    assert_int_equal(a.port, 7000);
    assert_true(tls);
    assert_int_equal(database, 12);
    assert_null(redis_uri_parse("unix:/run/redis.sock?db=3", &a, &tls, &database));
    assert_string_equal(a.path, "/run/redis.sock");
    assert_int_equal(database, 3);
    assert_null(redis_uri_parse("redis://redis.example/", &a, &tls, &database));
    assert_string_equal(a.host, "redis.example");
    static const char *const wrong[] = {"",
                                        "http://x",
                                        "redis://",
                                        "redis://:6379",
                                        "redis://x:0",
                                        "redis://x:65536",
                                        "redis://x:1x",
                                        "redis://x/y",
                                        "redis://x/99999",
                                        "redis://u:p@x",
                                        "redis://[::1",
                                        "redis://[::1]x",
                                        "redis://a b",
                                        "unix:",
                                        "unix:relative",
                                        "unix:/x?db=",
                                        "redis://x:99999999999999999999"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (!redis_uri_parse(wrong[i], &a, &tls, &database))
            fail_msg("'%s' was taken", wrong[i]);
    struct redis_address list[REDIS_SENTINELS_MAX];
    unsigned count;
    assert_null(redis_sentinels_parse("a, b:1 [::2]:3", list, &count));
    assert_int_equal(count, 3);
    assert_int_equal(list[0].port, 26379);
    assert_string_equal(list[2].host, "::2");
    assert_non_null(redis_sentinels_parse(" ,", list, &count));
    assert_non_null(redis_sentinels_parse("a:b", list, &count));
    assert_non_null(redis_sentinels_parse("1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", list, &count));
    assert_null(redis_prefix_fault("scef-1.a:b_c"));
    assert_non_null(redis_prefix_fault(""));
    assert_non_null(redis_prefix_fault("a*"));
    assert_non_null(redis_prefix_fault("a{b}"));
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uris),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_garbage_at_the_start),
        cmocka_unit_test(test_sentinels_lead_to_the_new_master),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
