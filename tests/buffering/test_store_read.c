/* Reads that do not block, over every kind of store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"
#include "buffering/record.h"
#include "tests/buffering/store_harness.h"

#define MAP_BYTES (64u << 20)

static struct harness *open_kind(void **state)
{
    return harness_new(*(const enum harness_kind *)*state, MAP_BYTES);
}

/* A read, and what it was told: "key=value ...", NULs as dots. */
struct asked {
    struct store_load load;
    struct harness *h;
    struct buf text;
    unsigned records;
    unsigned done;
    enum error err;
    bool inside;
    void (*on_done)(struct asked *a); /* NULL: nothing more to do */
    char key[64];
    size_t key_len;
};

static void add_text(struct buf *out, struct bytes s)
{
    for (size_t i = 0; i < s.len; i++)
        buf_add_u8(out, s.data[i] ? s.data[i] : '.');
}

static void on_record(struct store_load *l, struct bytes key, struct bytes value)
{
    struct asked *a = (struct asked *)(void *)l;
    assert_false(a->inside);
    assert_int_equal(a->done, 0);
    if (a->text.len)
        buf_add_u8(&a->text, ' ');
    add_text(&a->text, key);
    buf_add_u8(&a->text, '=');
    add_text(&a->text, value);
    a->records++;
}

static void on_done(struct store_load *l, enum error err)
{
    struct asked *a = (struct asked *)(void *)l;
    assert_false(a->inside);
    a->done++;
    a->err = err;
    if (a->on_done)
        a->on_done(a);
}

static void asked_init(struct asked *a, struct harness *h)
{
    *a = (struct asked){.load = {.record = on_record, .done = on_done}, .h = h};
}

static void asked_wait(struct asked *a)
{
    while (!a->done) {
        store_flush(a->h->store);
        uv_run(&a->h->loop.uv, UV_RUN_NOWAIT);
    }
}

static void assert_text(struct asked *a, const char *expected)
{
    asked_wait(a);
    assert_int_equal(a->done, 1);
    assert_int_equal(a->err, OK);
    buf_add_u8(&a->text, 0);
    assert_string_equal((char *)a->text.data, expected);
    buf_free(&a->text);
}

static void load(struct asked *a, struct harness *h, const char *id)
{
    asked_init(a, h);
    a->key_len = strlen(id);
    memcpy(a->key, id, a->key_len);
    a->inside = true;
    store_load_device(h->store, bytes_of(a->key, a->key_len), &a->load);
    a->inside = false;
}

static void put(struct harness *h, const char *key, size_t key_len, const char *value)
{
    store_put(h->store, bytes_of(key, key_len), bytes_of_str(value));
}
#define PUT(h, key, value) put(h, key, sizeof(key) - 1, value)

static void settle(struct harness *h, uint64_t ticket)
{
    store_flush(h->store);
    assert_int_equal(harness_wait(h, ticket), OK);
}

static void test_a_device_comes_with_all_that_is_its(void **state)
{
    struct harness *h = open_kind(state);
    struct asked a;
    struct asked b;
    struct asked none;
    PUT(h, "da\0", "1");
    PUT(h, "dab\0", "2");
    PUT(h, "ma\0.......2", "m2");
    PUT(h, "ma\0.......1", "m1");
    PUT(h, "mab\0.......1", "other");
    PUT(h, "oa\0.......9", "o");
    PUT(h, "ua\0.......3", "u");
    PUT(h, "ca\0.......3", "configuration");
    PUT(h, "fa\0.......8", "f");
    PUT(h, "xda\0", "aside");
    settle(h, 1);
    load(&a, h, "a"); /* three in one turn */
    load(&none, h, "b");
    load(&b, h, "ab");
    assert_int_equal(a.done + b.done + none.done, 0);
    assert_text(&a, "da.=1 oa........9=o fa........8=f ma........1=m1 ma........2=m2 ua........3=u");
    assert_text(&b, "dab.=2 mab........1=other");
    assert_text(&none, "");
    load(&none, h, ""); /* nobody's */
    assert_text(&none, "");
    harness_free(h);
}

static void test_one_record_or_none(void **state)
{
    struct harness *h = open_kind(state);
    struct asked a;
    PUT(h, "i", "first");
    PUT(h, "ii", "second");
    settle(h, 1);
    asked_init(&a, h);
    store_get(h->store, BYTES_LIT("i"), &a.load);
    assert_text(&a, "i=first");
    asked_init(&a, h);
    store_get(h->store, BYTES_LIT("h"), &a.load);
    assert_text(&a, "");
    asked_init(&a, h);
    store_get(h->store, BYTES_LIT("iii"), &a.load);
    assert_text(&a, "");
    harness_free(h);
}

static void test_a_read_sees_what_was_told(void **state)
{
    struct harness *h = open_kind(state);
    for (uint64_t i = 1; i <= 100; i++) {
        struct asked a;
        char value[16];
        char expected[24];
        snprintf(value, sizeof(value), "%u", (unsigned)i);
        snprintf(expected, sizeof(expected), "da.=%u", (unsigned)i);
        put(h, "da\0", 3, value);
        settle(h, i);
        load(&a, h, "a");
        assert_text(&a, expected);
    }
    harness_free(h);
}

/* From inside done: the next read, a put and a flush. */
static void read_again(struct asked *a)
{
    struct harness *h = a->h;
    if (++a->key_len > 20)
        return;
    a->done = 0;
    a->key[a->key_len - 1] = 'a';
    store_put(h->store, BYTES_LIT("dput\0"), bytes_of(a->key, a->key_len));
    store_flush(h->store);
    store_load_device(h->store, bytes_of(a->key, a->key_len), &a->load);
}

static void test_done_may_read_put_and_flush(void **state)
{
    struct harness *h = open_kind(state);
    struct asked a;
    char key[32] = "d";
    for (size_t i = 1; i < 20; i++) {
        key[i] = 'a';
        key[i + 1] = 0;
        put(h, key, i + 2, "");
    }
    settle(h, 1);
    asked_init(&a, h);
    a.on_done = read_again;
    read_again(&a);
    asked_wait(&a);
    assert_int_equal(a.key_len, 21);
    assert_int_equal(a.records, 19);
    buf_free(&a.text);
    assert_int_equal(harness_wait(h, 21), OK);
    harness_free(h);
}

/* --- walks ------------------------------------------------------------------------------------------- */

#define MANY 3000

struct walked {
    struct store_load load;
    struct harness *h;
    uint64_t deadline[MANY]; /* the earliest told; UINT64_MAX: never named */
    unsigned named;
    unsigned value_len;
    bool done;
};

static void on_walked(struct store_load *l, struct bytes key, struct bytes value)
{
    struct walked *w = (struct walked *)(void *)l;
    char text[16] = "";
    assert_true(key.len > 3 && key.len < sizeof(text));
    assert_int_equal(value.len, w->value_len);
    memcpy(text, key.data, key.len);
    const unsigned i = (unsigned)strtoul(text + 3, NULL, 10);
    assert_true(i < MANY);
    struct reader r = {.rest = value};
    const uint64_t deadline = value.len ? reader_be64(&r) : 0;
    w->deadline[i] = deadline < w->deadline[i] ? deadline : w->deadline[i];
    w->named++;
}

static void on_walk_done(struct store_load *l, enum error err)
{
    assert_int_equal(err, OK);
    ((struct walked *)(void *)l)->done = true;
}

static unsigned walk_all(struct walked *w, struct harness *h, enum store_walk which)
{
    struct buf cursor = {0};
    unsigned walks = 0;
    *w = (struct walked){.load = {.record = on_walked, .done = on_walk_done}, .h = h};
    w->value_len = which == STORE_WALK_PENDING ? 8 : 0;
    memset(w->deadline, 0xff, sizeof(w->deadline));
    do {
        w->done = false;
        store_walk(h->store, which, &cursor, &w->load);
        while (!w->done) {
            store_flush(h->store);
            uv_run(&h->loop.uv, UV_RUN_NOWAIT);
        }
        walks++;
    } while (cursor.len);
    buf_free(&cursor);
    return walks;
}

static void put_message(struct harness *h, enum record_kind kind, const char *id, uint64_t seq, uint64_t deadline_ms)
{
    struct buf key = {0};
    struct buf value = {0};
    struct record_message m = {.device_id = bytes_of_str(id), .seq = seq, .deadline_ms = deadline_ms};
    record_message_key(kind, m.device_id, seq, &key);
    record_message_encode(buf_bytes(&key), &m, &value);
    store_put(h->store, buf_bytes(&key), buf_bytes(&value));
    buf_free(&key);
    buf_free(&value);
}

static void test_walks_name_all(void **state)
{
    struct harness *h = open_kind(state);
    struct walked *w = malloc(sizeof(*w));
    assert_int_equal(walk_all(w, h, STORE_WALK_DEVICES), 1);
    assert_int_equal(w->named, 0);
    for (unsigned i = 0; i < MANY; i++) {
        char key[16];
        const int n = snprintf(key, sizeof(key), "ddev%u", i);
        put(h, key, (size_t)n + 1, "x");
        /* Every third has messages down, every fifth a message up. */
        for (uint64_t seq = 1; i % 3 == 0 && seq <= 4; seq++)
            put_message(h, RECORD_DOWNLINK, key + 1, seq, 1000 + (seq ^ 2) + i);
        if (i % 5 == 0)
            put_message(h, RECORD_UPLINK, key + 1, 7, 500 + i);
    }
    settle(h, 1);
    assert_true(walk_all(w, h, STORE_WALK_DEVICES) > 1);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(w->deadline[i], 0);
    assert_true(walk_all(w, h, STORE_WALK_PENDING) > 1);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(w->deadline[i], i % 5 == 0 ? 500 + i : i % 3 == 0 ? 1000 + i : UINT64_MAX);
    free(w);
    harness_free(h);
}

static void test_one_device_with_many_messages_is_named(void **state)
{
    struct harness *h = open_kind(state);
    struct walked *w = malloc(sizeof(*w));
    for (uint64_t seq = 1; seq <= 20000; seq++)
        put_message(h, RECORD_DOWNLINK, "dev1", seq, 30000 - seq);
    put_message(h, RECORD_DOWNLINK, "dev2", 1, 5);
    settle(h, 1);
    walk_all(w, h, STORE_WALK_PENDING);
    assert_int_equal(w->deadline[1], 10000);
    assert_int_equal(w->deadline[2], 5);
    free(w);
    harness_free(h);
}

/* --- the end ----------------------------------------------------------------------------------------- */

static void test_closing_ends_every_read_once(void **state)
{
    enum { READS = 500 };
    struct asked *asked = calloc(READS, sizeof(*asked));
    for (unsigned round = 0; round < 20; round++) {
        struct harness *h = open_kind(state);
        PUT(h, "da\0", "1");
        settle(h, 1);
        for (unsigned i = 0; i < READS; i++) {
            load(&asked[i], h, "a");
            if (i % 50 == round % 50)
                uv_run(&h->loop.uv, UV_RUN_NOWAIT); /* some are begun */
        }
        harness_close(h);
        for (unsigned i = 0; i < READS; i++) {
            assert_int_equal(asked[i].done, 1);
            assert_true(asked[i].err == OK || asked[i].err == ERR_DRAINING);
            buf_free(&asked[i].text);
        }
        assert_int_equal(asked[READS - 1].err, ERR_DRAINING);
        harness_open(h);
        harness_free(h);
    }
    free(asked);
}

/* Reads while batches are committed, and the loop goes on. */
static void test_reads_among_writes(void **state)
{
    struct harness *h = open_kind(state);
    struct prng p;
    struct asked asked[64];
    prng_seed(&p, test_seed());
    uint64_t ticket = 0;
    for (unsigned i = 0; i < 64; i++)
        asked_init(&asked[i], h);
    for (unsigned round = 0; round < 3000; round++) {
        char key[] = "d?\0";
        key[1] = (char)('a' + prng_below(&p, 26));
        put(h, key, 3, "v");
        key[0] = 'm';
        put(h, key, 3, "v"); /* in the same batch: never one without the other */
        ticket++;
        store_flush(h->store);
        struct asked *a = &asked[prng_below(&p, 64)];
        if (a->done || a->key_len == 0) {
            assert_int_equal(a->records % 2, 0);
            assert_int_equal(a->err, OK);
            buf_free(&a->text);
            load(a, h, (char[]){(char)('a' + prng_below(&p, 26)), 0});
        }
        uv_run(&h->loop.uv, UV_RUN_NOWAIT);
    }
    for (unsigned i = 0; i < 64; i++) {
        if (asked[i].key_len)
            asked_wait(&asked[i]);
        buf_free(&asked[i].text);
    }
    assert_int_equal(harness_wait(h, ticket), OK);
    harness_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_EACH_KIND(test_a_device_comes_with_all_that_is_its),
        HARNESS_EACH_KIND(test_one_record_or_none),
        HARNESS_EACH_KIND(test_a_read_sees_what_was_told),
        HARNESS_EACH_KIND(test_done_may_read_put_and_flush),
        HARNESS_EACH_KIND(test_walks_name_all),
        HARNESS_EACH_KIND(test_one_device_with_many_messages_is_named),
        HARNESS_EACH_KIND(test_closing_ends_every_read_once),
        HARNESS_EACH_KIND(test_reads_among_writes),
    };
    return cmocka_run_group_tests(tests, NULL, harness_servers_end);
}
