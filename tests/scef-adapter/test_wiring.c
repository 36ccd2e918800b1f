/* The start on a store that holds good records, damaged ones and such that belong to nothing. */
#include "tests/scef-adapter/wiring_fixture.h"

#include <stdlib.h>

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

int main(void)
{
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_damaged_records_are_set_aside),
                                       cmocka_unit_test(test_records_of_other_slices),
                                       cmocka_unit_test(test_stop_at_once), cmocka_unit_test(test_same_store_twice)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
