/* The start on a store that holds good records, damaged ones and such that belong to nothing. */
#include "tests/base/test.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buffering/record.h"
#include "scef-adapter/slice.h"
#include "scef-adapter/wiring_internal.h"

struct fixture {
    char folder[64];
    struct loop loop;
    struct config *config;
    struct adapter *adapter;
};

static void nothing(void *ctx)
{
    (void)ctx;
}

static void committed(void *ctx, uint64_t ticket, enum error err)
{
    (void)ctx;
    (void)ticket;
    assert_int_equal(err, OK);
}

static uint16_t free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    getsockname(fd, (struct sockaddr *)&a, &len);
    close(fd);
    return ntohs(a.sin_port);
}

static void set_up(struct fixture *f)
{
    struct buf text = {0}, faults = {0};
    memset(f, 0, sizeof(*f));
    snprintf(f->folder, sizeof(f->folder), "/tmp/test_wiring_XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    assert_int_equal(loop_init(&f->loop), OK);
    buf_addf(&text,
             "scef: {api_root: 'http://127.0.0.1:9', scs_as_id: as1}\n"
             "callback: {listen: '127.0.0.1:0', url: 'http://127.0.0.1:1/t8'}\n"
             "admin: {listen: '127.0.0.1:0'}\n"
             "store: {path: %s/store, max_size_mib: 16}\n"
             "server_leg: {port: %u}\n"
             "servers: [{name: main, uri: 'coap://127.0.0.1:5683'}]\n"
             "devices: [{external_id: a@b}, {external_id: c@d}]\n"
             "log: {level: error}\n",
             f->folder, free_port());
    assert_int_equal(config_parse(buf_bytes(&text), "c.yaml", true, &f->config, &faults), OK);
    buf_free(&text);
}

static void start(struct fixture *f)
{
    struct buf why = {0};
    struct adapter_options o = {.config = f->config, .stopped = nothing};
    if (adapter_new(&f->loop, &o, &f->adapter, &why) != OK)
        fail_msg("%.*s", (int)why.len, (const char *)why.data);
}

static void tear_down(struct fixture *f)
{
    char command[128];
    adapter_free(f->adapter);
    loop_free(&f->loop);
    config_free(f->config);
    snprintf(command, sizeof(command), "rm -r %s", f->folder);
    assert_int_equal(system(command), 0);
}

static struct store *store_open(struct fixture *f)
{
    struct store *s;
    const char *why;
    assert_int_equal(
        store_lmdb_open(&f->loop, f->config->store.path, 16 << 20, (struct store_sink){f, committed}, &s, &why), OK);
    return s;
}

static void put_device(struct store *s, const char *id, uint32_t leg, bool damaged)
{
    struct buf key = {0}, value = {0};
    record_device_key(bytes_of_str(id), &key);
    record_device_encode(buf_bytes(&key), &(struct record_device){.id = bytes_of_str(id), .leg = leg}, &value);
    if (damaged)
        value.data[value.len / 2] ^= 1;
    store_put(s, buf_bytes(&key), buf_bytes(&value));
    buf_free(&key);
    buf_free(&value);
}

static void put_message(struct store *s, enum record_kind kind, const char *id, uint64_t seq, const char *server)
{
    struct buf key = {0}, value = {0};
    record_message_key(kind, bytes_of_str(id), seq, &key);
    record_message_encode(buf_bytes(&key),
                          &(struct record_message){.device_id = bytes_of_str(id),
                                                   .seq = seq,
                                                   .server = bytes_of_str(server),
                                                   .queue_class = QUEUE_REQUEST,
                                                   .accepted_ms = 1,
                                                   .deadline_ms = UINT64_MAX / 2,
                                                   .message = BYTES_LIT("\x40\x01\x00\x01")},
                          &value);
    store_put(s, buf_bytes(&key), buf_bytes(&value));
    buf_free(&key);
    buf_free(&value);
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
    set_up(&f);
    struct store *s = store_open(&f);
    put_device(s, "a@b", 7, false);
    put_device(s, "c@d", 8, true);
    put_message(s, RECORD_DOWNLINK, "a@b", 1, "main");
    put_message(s, RECORD_DOWNLINK, "a@b", 2, "gone"); /* of a server that is no more */
    put_message(s, RECORD_DOWNLINK, "nobody@x", 3, "main");
    put_message(s, RECORD_UPLINK, "nobody@x", 4, "main");
    store_put(s, BYTES_LIT("m"), BYTES_LIT("rubbish"));
    store_close(s);

    start(&f);
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
    for (int i = 0; i < 10; i++)
        uv_run(&f.loop.uv, UV_RUN_NOWAIT);
    adapter_free(f.adapter);
    f.adapter = NULL;

    s = store_open(&f);
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
    tear_down(&f);
}

/* What is stored of a device that another process serves now is neither used nor removed. */
static void records_of_other_slices(uint32_t index)
{
    struct fixture f;
    struct buf keys = {0};
    static const char *const ids[] = {"a@b", "c@d", "e@f", "g@h"}; /* the first two are in the configuration */
    set_up(&f);
    f.config->slices.count = 2;
    f.config->slices.index = index;
    struct store *s = store_open(&f);
    for (size_t i = 0; i < 4; i++) {
        put_device(s, ids[i], (uint32_t)i + 5, false);
        put_message(s, RECORD_DOWNLINK, ids[i], i + 1, "main");
    }
    store_close(s);
    start(&f);
    for (size_t i = 0; i < 2; i++) {
        struct engine_device_info d;
        bool ours = slice_of(bytes_of_str(ids[i]), 2) == index;
        assert_true(engine_device_find(f.adapter->engine, bytes_of_str(ids[i]), &d));
        assert_int_equal(d.leg == i + 5, ours);
        assert_int_equal(d.queue_messages, ours);
    }
    assert_int_equal(metric_get(&f.adapter->metrics, METRIC_STORE_DAMAGED, "downlink"), 0);
    for (int i = 0; i < 10; i++)
        uv_run(&f.loop.uv, UV_RUN_NOWAIT);
    adapter_free(f.adapter);
    f.adapter = NULL;
    s = store_open(&f);
    assert_int_equal(store_scan(s, BYTES_LIT("m"), &keys, key_note), OK);
    for (size_t i = 0; i < 4; i++)
        if (i < 2 || slice_of(bytes_of_str(ids[i]), 2) != index)
            assert_true(holds(&keys, ids[i]));
    store_close(s);
    buf_free(&keys);
    tear_down(&f);
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
        set_up(&f);
        start(&f);
        for (int i = 0; i < turns; i++)
            uv_run(&f.loop.uv, UV_RUN_NOWAIT);
        if (turns % 2)
            adapter_stop(f.adapter);
        for (int i = 0; i < turns; i++)
            uv_run(&f.loop.uv, UV_RUN_NOWAIT);
        tear_down(&f);
    }
}

static void test_same_store_twice(void **state)
{
    (void)state;
    struct fixture f;
    struct buf why = {0};
    struct adapter *second;
    set_up(&f);
    start(&f);
    f.config->server_leg.port = free_port();
    struct adapter_options o = {.config = f.config, .stopped = nothing};
    assert_int_not_equal(adapter_new(&f.loop, &o, &second, &why), OK);
    assert_null(second);
    assert_memory_equal(why.data, "store.path /tmp/test_wiring_", 28);
    buf_free(&why);
    tear_down(&f);
}

int main(void)
{
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_damaged_records_are_set_aside),
                                       cmocka_unit_test(test_records_of_other_slices),
                                       cmocka_unit_test(test_stop_at_once), cmocka_unit_test(test_same_store_twice)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
