/* Devices that are loaded while the adapter works, on a store whose reads end when the test says so, and as it says. */
#include "tests/scef-adapter/wiring_fixture.h"

#include <stdlib.h>

#include "scef-adapter/loading.h"

/* ---- a store that waits ---- */

static struct {
    struct store *store;
    const struct store_ops *real;
    struct store_ops ops;
    struct store_load *first, **end;
    unsigned reads;
} held;

static void read_held(struct store *s, struct store_load *l)
{
    (void)s;
    l->next = NULL;
    *held.end = l;
    held.end = &l->next;
    held.reads++;
}

static void hold(struct fixture *f)
{
    held.store = f->adapter->store;
    held.real = held.store->ops;
    held.ops = *held.real;
    held.ops.read = read_held;
    held.first = NULL;
    held.end = &held.first;
    held.reads = 0;
    held.store->ops = &held.ops;
}

/* Those that wait now end so, OK: by the store; and those that come are not held any more, or are. */
static void release(enum error err, bool for_ever)
{
    struct store_load *l = held.first;
    held.first = NULL;
    held.end = &held.first;
    if (for_ever)
        held.store->ops = held.real;
    while (l) {
        struct store_load *next = l->next;
        l->next = NULL;
        if (err)
            l->done(l, err);
        else
            held.real->read(held.store, l);
        l = next;
    }
}

static void turns(struct fixture *f, int n)
{
    while (n-- > 0)
        uv_run(&f->loop.uv, UV_RUN_NOWAIT);
}

static void until_loaded(struct fixture *f)
{
    while (f->adapter->loading)
        uv_run(&f->loop.uv, UV_RUN_ONCE);
}

/* The devices of the configuration are stored, and the next start knows it. */
static void import(struct fixture *f)
{
    fixture_start(f);
    assert_null(f->adapter->loading);
    while (f->adapter->import.state != IMPORT_NONE)
        uv_run(&f->loop.uv, UV_RUN_ONCE);
    fixture_stop(f);
}

static void put_messages(struct fixture *f, const char *id, uint64_t from, uint64_t to)
{
    struct store *s = fixture_store(f);
    for (uint64_t seq = from; seq <= to; seq++)
        fixture_put_message(s, RECORD_DOWNLINK, id, seq, "main");
    store_close(s);
}

static struct bytes request(uint8_t n, uint8_t memory[8])
{
    const uint8_t message[] = {0x42, 0x01, 0x10, n, n, n, 0xb1, '3'};
    memcpy(memory, message, sizeof(message));
    return bytes_of(memory, sizeof(message));
}

static void datagram(struct fixture *f, uint32_t leg, uint8_t n)
{
    uint8_t memory[8];
    struct bytes message = request(n, memory);
    struct adapter *a = f->adapter;
    if (loading_datagram(a, leg, 0, message) == LOADING_HERE)
        engine_server_datagram(a->engine, adapter_now(a), leg, 0, message);
    memset(memory, 0xee, sizeof(memory)); /* it was copied */
}

static struct engine_device_info info_of(struct fixture *f, const char *id)
{
    struct engine_device_info d;
    assert_true(engine_device_find(f->adapter->engine, bytes_of_str(id), &d));
    return d;
}

/* ---- tests ---- */

static void test_the_second_start_reads_no_devices(void **state)
{
    (void)state;
    struct fixture f;
    fixture_set_up(&f);
    import(&f);
    fixture_configure(&f, "{external_id: a@b}, {external_id: c@d}");
    fixture_start(&f);
    assert_non_null(f.adapter->loading);
    struct engine_totals t;
    engine_totals_get(f.adapter->engine, &t);
    assert_int_equal(t.devices, 0);
    until_loaded(&f);
    engine_totals_get(f.adapter->engine, &t);
    assert_int_equal(t.devices, 2);
    assert_int_equal(info_of(&f, "a@b").leg, 0);
    assert_int_equal(info_of(&f, "c@d").leg, 1);
    fixture_tear_down(&f);
}

static void test_another_configuration_is_compared(void **state)
{
    (void)state;
    static const char *const others[] = {"{external_id: a@b}", "{external_id: a@b}, {external_id: c@d, endpoint: x}",
                                         "{external_id: a@b}, {external_id: c@d, server: main}",
                                         "{external_id: a@b}, {external_id: c@d, msisdn: '49170'}"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct fixture f;
        fixture_set_up(&f);
        import(&f);
        fixture_configure(&f, others[i]);
        import(&f); /* asserts that it does not load */
        fixture_configure(&f, others[i]);
        fixture_start(&f);
        assert_non_null(f.adapter->loading);
        until_loaded(&f);
        struct engine_device_info d;
        assert_int_equal(engine_device_find(f.adapter->engine, BYTES_LIT("c@d"), &d), i > 0);
        if (i == 1)
            assert_true(bytes_equal(d.endpoint, BYTES_LIT("x")));
        assert_int_equal(engine_device_find(f.adapter->engine, BYTES_LIT("49170"), &d), i == 3);
        fixture_tear_down(&f);
    }
}

/* A start that was cut short has written some of its records: whichever configuration comes next is compared. */
static void test_an_import_that_was_cut_short(void **state)
{
    (void)state;
    struct fixture f;
    fixture_set_up(&f);
    import(&f);
    fixture_configure(&f, "{external_id: c@d, endpoint: x}");
    fixture_start(&f);
    assert_null(f.adapter->loading);
    adapter_free(f.adapter); /* at once */
    fixture_configure(&f, "{external_id: a@b}, {external_id: c@d}");
    fixture_start(&f);
    assert_null(f.adapter->loading);
    assert_int_equal(info_of(&f, "c@d").endpoint.len, 0);
    (void)info_of(&f, "a@b");
    fixture_tear_down(&f);
}

/* Keys are in no record: where there are some, all of the configuration is read at each start. */
static void test_devices_with_keys(void **state)
{
    (void)state;
    static const char keyed[] = "{external_id: a@b, psk_key: '00112233'}, {external_id: c@d}";
    struct fixture f;
    fixture_set_up(&f);
    import(&f);
    for (int i = 0; i < 2; i++) {
        fixture_configure(&f, keyed);
        import(&f); /* asserts that it does not load */
    }
    fixture_configure(&f, "{external_id: a@b}, {external_id: c@d}");
    import(&f);
    fixture_configure(&f, "{external_id: a@b}, {external_id: c@d}");
    fixture_start(&f);
    assert_non_null(f.adapter->loading);
    fixture_tear_down(&f);
}

static void test_datagrams_wait_in_order(void **state)
{
    (void)state;
    struct fixture f;
    fixture_set_up(&f);
    import(&f);
    fixture_configure(&f, "{external_id: a@b}, {external_id: c@d}");
    fixture_start(&f);
    hold(&f);
    for (uint8_t n = 1; n <= 3; n++)
        datagram(&f, 1, n);
    assert_int_equal(held.reads, 1); /* one of the leg */
    assert_int_equal(loading_waiting(f.adapter->loading), 3);
    release(OK, false);
    while (held.reads < 2)
        turns(&f, 1);
    datagram(&f, 1, 4); /* the leg is asked for again, and joins the others */
    release(OK, false);
    while (loading_waiting(f.adapter->loading))
        turns(&f, 1), release(OK, false);
    struct engine_message_info m;
    uint64_t seq = 0;
    for (uint8_t n = 1; n <= 4; n++) {
        assert_true(engine_message_next(f.adapter->engine, BYTES_LIT("c@d"), &seq, &m));
        assert_int_equal(m.message.data[4], n);
    }
    release(OK, true);
    until_loaded(&f);
    assert_int_equal(info_of(&f, "c@d").queue_messages, 4);
    fixture_tear_down(&f);
}

static void test_lines_are_bounded(void **state)
{
    (void)state;
    struct fixture f;
    fixture_set_up(&f);
    import(&f);
    fixture_configure(&f, "{external_id: a@b}, {external_id: c@d}");
    fixture_start(&f);
    hold(&f);
    for (unsigned n = 0; n < 100; n++)
        datagram(&f, 1, (uint8_t)n);
    const size_t waiting = loading_waiting(f.adapter->loading);
    assert_true(waiting > 0 && waiting < 100);
    assert_int_equal(metric_get(&f.adapter->metrics, METRIC_DROPPED, "not_loaded"), 100 - waiting);
    for (uint32_t leg = 2; leg < 100000; leg++) /* nobody's addresses */
        datagram(&f, leg, 1);
    assert_true(loading_waiting(f.adapter->loading) < 20000);
    release(OK, true);
    until_loaded(&f);
    assert_int_equal(info_of(&f, "c@d").queue_messages, waiting);
    fixture_tear_down(&f);
}

static void test_a_store_that_fails_is_asked_again(void **state)
{
    (void)state;
    struct fixture f;
    fixture_set_up(&f);
    import(&f);
    put_messages(&f, "a@b", 1, 3);
    fixture_configure(&f, "{external_id: a@b}, {external_id: c@d}");
    fixture_start(&f);
    hold(&f);
    datagram(&f, 1, 1);
    release(ERR_STORE, false);
    assert_int_equal(loading_waiting(f.adapter->loading), 0);
    assert_int_equal(metric_get(&f.adapter->metrics, METRIC_DROPPED, "not_loaded"), 1);
    turns(&f, 5);
    release(ERR_STORE, false); /* whatever the background wanted */
    datagram(&f, 1, 1);        /* the server repeats it */
    release(OK, true);
    until_loaded(&f);
    assert_int_equal(info_of(&f, "c@d").queue_messages, 1);
    assert_int_equal(info_of(&f, "a@b").queue_messages, 3);
    fixture_tear_down(&f);
}

static void test_stop_while_loading(void **state)
{
    (void)state;
    for (int n = 0; n < 12; n++) {
        struct fixture f;
        fixture_set_up(&f);
        import(&f);
        put_messages(&f, "a@b", 1, 3);
        fixture_configure(&f, "{external_id: a@b}, {external_id: c@d}");
        fixture_start(&f);
        datagram(&f, 1, 1);
        turns(&f, n / 2);
        if (n % 2)
            adapter_stop(f.adapter);
        turns(&f, n / 2);
        fixture_tear_down(&f);
    }
}

/* A device whose record is damaged is in the configuration all the same: the next start makes it again. */
static void test_a_damaged_device_comes_back(void **state)
{
    (void)state;
    struct fixture f;
    fixture_set_up(&f);
    import(&f);
    struct store *s = fixture_store(&f);
    fixture_put_device(s, "c@d", 1, true);
    fixture_put_message(s, RECORD_DOWNLINK, "c@d", 5, "main");
    store_close(s);
    fixture_configure(&f, "{external_id: a@b}, {external_id: c@d}");
    fixture_start(&f);
    until_loaded(&f);
    /* Found again, maybe, before the store has let go of it. */
    assert_true(metric_get(&f.adapter->metrics, METRIC_STORE_DAMAGED, "device") >= 1);
    assert_true(metric_get(&f.adapter->metrics, METRIC_STORE_DAMAGED, "downlink") >= 1);
    struct engine_device_info d;
    assert_false(engine_device_find(f.adapter->engine, BYTES_LIT("c@d"), &d));
    fixture_stop(&f);
    fixture_configure(&f, "{external_id: a@b}, {external_id: c@d}");
    import(&f);
    fixture_configure(&f, "{external_id: a@b}, {external_id: c@d}");
    fixture_start(&f);
    assert_non_null(f.adapter->loading);
    until_loaded(&f);
    (void)info_of(&f, "c@d");
    fixture_tear_down(&f);
}

/* The value of a record as version 2 wrote it: no server, no endpoint. */
static void put_old_device(struct store *s, const char *id, uint32_t leg, const char *link)
{
    struct buf key = {0};
    struct buf value = {0};
    record_device_key(bytes_of_str(id), &key);
    buf_add_u8(&value, 2);
    buf_add_be32(&value, leg);
    buf_add_be32(&value, 0);
    buf_add_u8(&value, 0);
    buf_add_be16(&value, (uint16_t)strlen(link));
    buf_add_be16(&value, 4); /* the SCEF's name */
    buf_add_be16(&value, 0);
    buf_add_be16(&value, 0);
    buf_add_str(&value, link);
    buf_add_str(&value, "scef");
    buf_add_be32(&value, crc32c(crc32c(0, buf_bytes(&key)), buf_bytes(&value)));
    store_put(s, buf_bytes(&key), buf_bytes(&value));
    buf_free(&key);
    buf_free(&value);
}

static void test_a_store_of_the_previous_version(void **state)
{
    (void)state;
    struct fixture f;
    fixture_set_up(&f);
    struct store *s = fixture_store(&f);
    put_old_device(s, "a@b", 7, "http://127.0.0.1:9/3gpp-nidd/v1/as1/configurations/1");
    put_old_device(s, "gone@x", 9, "");
    fixture_put_message(s, RECORD_DOWNLINK, "a@b", 1, "main");
    store_close(s);
    import(&f);
    for (int i = 0; i < 2; i++) {
        fixture_configure(&f, "{external_id: a@b}, {external_id: c@d}");
        fixture_start(&f);
        assert_non_null(f.adapter->loading);
        datagram(&f, 7, 1); /* by a leg that had no record of its own */
        until_loaded(&f);
        assert_int_equal(info_of(&f, "a@b").leg, 7);
        assert_int_equal(info_of(&f, "a@b").queue_messages, 2);
        assert_true(info_of(&f, "a@b").configuration_link.len > 0);
        assert_int_equal(info_of(&f, "c@d").leg, 0);
        struct engine_device_info d;
        assert_false(engine_device_find(f.adapter->engine, BYTES_LIT("gone@x"), &d));
        fixture_stop(&f);
    }
    fixture_tear_down(&f);
}

int main(void)
{
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_second_start_reads_no_devices),
        cmocka_unit_test(test_another_configuration_is_compared),
        cmocka_unit_test(test_an_import_that_was_cut_short),
        cmocka_unit_test(test_devices_with_keys),
        cmocka_unit_test(test_datagrams_wait_in_order),
        cmocka_unit_test(test_lines_are_bounded),
        cmocka_unit_test(test_a_store_that_fails_is_asked_again),
        cmocka_unit_test(test_stop_while_loading),
        cmocka_unit_test(test_a_damaged_device_comes_back),
        cmocka_unit_test(test_a_store_of_the_previous_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
