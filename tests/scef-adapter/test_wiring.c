/* The start on a store that holds good records, damaged ones and such that belong to nothing. */
#include "tests/scef-adapter/wiring_fixture.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "scef-adapter/slice.h"

static void nothing(void *ctx)
{
    (void)ctx;
}

static enum error key_note(void *ctx, struct bytes key, struct bytes value)
{
    struct buf *keys = ctx;
    (void)value;
    buf_add(keys, key);
    buf_add_u8(keys, '|');
    return OK;
}

static bool holds(const struct buf *keys, const char *key)
{
    return keys->len && memmem(keys->data, keys->len, key, strlen(key)) != NULL;
}

static void test_damaged_records_are_set_aside(void **state)
{
    (void)state;
    struct fixture f;
    struct buf keys = {0};
    fixture_set_up(&f);
    struct store *s = fixture_store(&f);
    fixture_put_device(s, "a@b", 7, false);
    fixture_put_device(s, "c@d", 8, true);
    fixture_put_message(s, RECORD_DOWNLINK, "a@b", 1, "main");
    fixture_put_message(s, RECORD_DOWNLINK, "a@b", 2, "gone"); /* of a server that is no more */
    fixture_put_message(s, RECORD_DOWNLINK, "nobody@x", 3, "main");
    fixture_put_message(s, RECORD_UPLINK, "nobody@x", 4, "main");
    store_put(s, BYTES_LIT("m"), BYTES_LIT("rubbish"));
    store_close(s);

    fixture_start(&f);
    const struct metrics *m = &f.adapter->metrics;
    assert_int_equal(metric_get(m, METRIC_STORE_DAMAGED, "device"), 1);
    assert_int_equal(metric_get(m, METRIC_STORE_DAMAGED, "downlink"), 3);
    assert_int_equal(metric_get(m, METRIC_STORE_DAMAGED, "uplink"), 1);
    struct engine_device_info d;
    assert_true(engine_device_find(f.adapter->engine, BYTES_LIT("a@b"), &d));
    assert_int_equal(d.leg, 7);
    assert_int_equal(d.queue_messages, 1);
    assert_true(engine_device_find(f.adapter->engine, BYTES_LIT("c@d"), &d));
    assert_int_not_equal(d.leg, 7); /* lost, and new again */
    fixture_stop(&f);

    s = fixture_store(&f);
    assert_int_equal(store_scan(s, BYTES_LIT("x"), &keys, key_note), OK);
    assert_true(holds(&keys, "xdc@d"));
    assert_true(holds(&keys, "xma@b"));
    assert_true(holds(&keys, "xmnobody@x"));
    assert_true(holds(&keys, "xunobody@x"));
    assert_true(holds(&keys, "xm|"));
    buf_reset(&keys);
    assert_int_equal(store_scan(s, BYTES_LIT("m"), &keys, key_note), OK);
    assert_false(holds(&keys, "nobody"));
    buf_reset(&keys);
    assert_int_equal(store_scan(s, BYTES_LIT("d"), &keys, key_note), OK);
    assert_true(holds(&keys, "da@b"));
    assert_true(holds(&keys, "dc@d")); /* the new one */
    store_close(s);
    buf_free(&keys);
    fixture_tear_down(&f);
}

/* What is stored of a device that another process serves now is neither used nor removed. */
static void records_of_other_slices(uint32_t index)
{
    struct fixture f;
    struct buf keys = {0};
    static const char *const ids[] = {"a@b", "c@d", "e@f", "g@h"}; /* the first two are in the configuration */
    fixture_set_up(&f);
    f.config->slices.count = 2;
    f.config->slices.index = index;
    struct store *s = fixture_store(&f);
    for (size_t i = 0; i < 4; i++) {
        fixture_put_device(s, ids[i], (uint32_t)i + 5, false);
        fixture_put_message(s, RECORD_DOWNLINK, ids[i], i + 1, "main");
    }
    store_close(s);
    fixture_start(&f);
    for (size_t i = 0; i < 2; i++) {
        struct engine_device_info d;
        bool ours = slice_of(bytes_of_str(ids[i]), 2) == index;
        assert_true(engine_device_find(f.adapter->engine, bytes_of_str(ids[i]), &d));
        assert_int_equal(d.leg == i + 5, ours);
        assert_int_equal(d.queue_messages, ours);
    }
    assert_int_equal(metric_get(&f.adapter->metrics, METRIC_STORE_DAMAGED, "downlink"), 0);
    fixture_stop(&f);
    s = fixture_store(&f);
    assert_int_equal(store_scan(s, BYTES_LIT("m"), &keys, key_note), OK);
    for (size_t i = 0; i < 4; i++)
        if (i < 2 || slice_of(bytes_of_str(ids[i]), 2) != index)
            assert_true(holds(&keys, ids[i]));
    store_close(s);
    buf_free(&keys);
    fixture_tear_down(&f);
}

static void test_records_of_other_slices(void **state)
{
    (void)state;
    records_of_other_slices(0);
    records_of_other_slices(1);
}

/* Stop and free at any moment leave nothing behind: the sanitizers look. */
static void test_stop_at_once(void **state)
{
    (void)state;
    for (int turns = 0; turns < 5; turns++) {
        struct fixture f;
        fixture_set_up(&f);
        fixture_start(&f);
        for (int i = 0; i < turns; i++)
            uv_run(&f.loop.uv, UV_RUN_NOWAIT);
        if (turns % 2)
            adapter_stop(f.adapter);
        for (int i = 0; i < turns; i++)
            uv_run(&f.loop.uv, UV_RUN_NOWAIT);
        fixture_tear_down(&f);
    }
}

static void test_same_store_twice(void **state)
{
    (void)state;
    struct fixture f;
    struct buf why = {0};
    struct adapter *second;
    fixture_set_up(&f);
    fixture_start(&f);
    f.config->server_leg.port = fixture_free_port();
    struct adapter_options o = {.config = f.config, .stopped = nothing};
    assert_int_not_equal(adapter_new(&f.loop, &o, &second, &why), OK);
    assert_null(second);
    assert_memory_equal(why.data, "store.path /tmp/test_wiring_", 28);
    buf_free(&why);
    fixture_tear_down(&f);
}

/* ---- a store that is far behind ---- */

struct slow_store {
    struct store base;
    struct store *real;
    size_t backlog;
};

static uint64_t slow_put(struct store *s, struct bytes key, struct bytes value)
{
    return store_put(((struct slow_store *)(void *)s)->real, key, value);
}

static uint64_t slow_delete(struct store *s, struct bytes key)
{
    return store_delete(((struct slow_store *)(void *)s)->real, key);
}

static void slow_flush(struct store *s)
{
    store_flush(((struct slow_store *)(void *)s)->real);
}

static size_t slow_backlog(const struct store *s)
{
    return ((const struct slow_store *)(const void *)s)->backlog;
}

static unsigned queued(struct fixture *f)
{
    struct engine_device_info d;
    assert_true(engine_device_find(f->adapter->engine, BYTES_LIT("a@b"), &d));
    return (unsigned)d.queue_messages;
}

static void turns(struct fixture *f, int count)
{
    for (int i = 0; i < count; i++) {
        uv_run(&f->loop.uv, UV_RUN_NOWAIT);
        usleep(1000);
    }
}

#define turns_until(f, condition)                                                                                      \
    do {                                                                                                               \
        for (int i_ = 0; i_ < 20000 && !(condition); i_++)                                                             \
            turns(f, 1);                                                                                               \
        assert_true(condition);                                                                                        \
    } while (0)

/* The server at the other end of device a@b's connection. */
static int connected_server(struct fixture *f, int listener, uint32_t leg)
{
    static const uint8_t csm[] = {0x00, 0xe1};
    uint8_t header[COAP_HEADER_BYTES];
    struct pollfd waits = {.fd = listener, .events = POLLIN};
    coap_header_write(header, COAP_NON, 0, COAP_POST, 1);
    assert_int_equal(legs_send(f->adapter->legs, leg, 0, header, (struct bytes){0}, false), ERR_UNREACHABLE);
    turns_until(f, poll(&waits, 1, 0) == 1);
    const int fd = accept(listener, NULL, NULL);
    assert_int_equal(send(fd, csm, sizeof(csm), 0), sizeof(csm));
    turns_until(f, legs_stream_counters(f->adapter->legs)->connections == 1);
    return fd;
}

/* Servers by connections wait, and lose nothing; datagrams are dropped. */
static void test_store_behind(void **state)
{
    (void)state;
    static const uint8_t get[] = {0x01, 0x01, 0x42}, two[] = {0x01, 0x01, 0x43, 0x01, 0x01, 0x44};
    static const struct store_ops ops = {
        .put = slow_put, .delete = slow_delete, .flush = slow_flush, .backlog_bytes = slow_backlog};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    struct fixture f;
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    char servers[128];
    snprintf(servers, sizeof(servers),
             "[{name: main, uri: 'coap+tcp://127.0.0.1:%u'}, {name: udp, uri: 'coap://127.0.0.1:5683'}]",
             ntohs(at.sin_port));
    fixture_set_up_with(&f, servers);
    fixture_start(&f);
    struct adapter *a = f.adapter;
    struct engine_device_info d;
    assert_true(engine_device_find(a->engine, BYTES_LIT("a@b"), &d));
    const int server = connected_server(&f, listener, d.leg);

    struct slow_store slow = {.base = {.ops = &ops, .sink = a->store->sink}, .real = a->store};
    a->store = &slow.base;
    assert_int_equal(send(server, get, sizeof(get), 0), sizeof(get));
    turns_until(&f, queued(&f) == 1);
    slow.backlog = (64u << 20) + 1;
    turns(&f, 1);
    assert_true(a->connections_held);
    assert_int_equal(send(server, two, sizeof(two), 0), sizeof(two));
    turns(&f, 50);
    const struct legs_sink sink = adapter_legs_sink(a);
    sink.datagram(sink.ctx, d.leg, 1, BYTES_LIT("\x40\x01\x00\x07"));
    assert_int_equal(metric_get(&a->metrics, METRIC_DROPPED, "store_backlog"), 1);
    slow.backlog = (32u << 20) + 1; /* not far enough yet */
    turns(&f, 50);
    assert_int_equal(queued(&f), 1);
    sink.datagram(sink.ctx, d.leg, 0, BYTES_LIT("\x51\x01\x00\x00\x45")); /* had been read already */
    assert_int_equal(queued(&f), 2);
    slow.backlog = 32u << 20;
    turns_until(&f, queued(&f) == 4);
    assert_false(a->connections_held);
    assert_int_equal(metric_get(&a->metrics, METRIC_DROPPED, "store_backlog"), 1);
    a->store = slow.real;
    close(server);
    close(listener);
    fixture_tear_down(&f);
}

int main(void)
{
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_damaged_records_are_set_aside),
                                       cmocka_unit_test(test_records_of_other_slices),
                                       cmocka_unit_test(test_stop_at_once), cmocka_unit_test(test_same_store_twice),
                                       cmocka_unit_test(test_store_behind)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
