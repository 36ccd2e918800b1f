/* Every allocation fails once, in turn: the models answer with an error or lose a message, and go on. */
#include <stdlib.h>

#include "tests/sim/device_harness.h"
#include "tests/sim/scef_harness.h"

static unsigned long fail_at; /* 0: never */
static unsigned long allocations;

static bool fails(void)
{
    return fail_at != 0 && ++allocations == fail_at;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return fails() ? NULL : __real_realloc(p, size);
}

static void receive(struct device_test *t, const char *hex)
{
    uint8_t raw[256];
    lwm2m_device_receive(t->device, t->now_ms, bytes_of(raw, test_unhex(hex, raw, sizeof raw)));
}

static void device_scenario(void)
{
    struct device_test t = {.now_ms = 1000000};
    struct lwm2m_device_options o = test_device_options();
    struct lwm2m_device_ports ports = {.ctx = &t, .send = test_send};
    if (lwm2m_device_new(&o, &ports, &t.device) != OK)
        return;
    test_wake_at(&t, 1000000);
    test_wake_at(&t, 1015000);
    receive(&t, "64410001 00000001 82 7264 01 37");
    receive(&t, "42010101aabb 60 5133 0130");
    receive(&t, "42010102aabb b131 616e");
    receive(&t, "42030103aabb b133 0130 122d16 ff c30f414243");
    receive(&t, "42020104aabb b133 0130 0134");
    for (unsigned i = 0; i < 20; i++)
        test_wake_at(&t, lwm2m_device_next_wake(t.device));
    assert_true(lwm2m_device_next_wake(t.device) > t.now_ms);
    lwm2m_device_stop(t.device, t.now_ms);
    lwm2m_device_free(t.device);
}

static void scef_scenario(void)
{
    struct scef_test t = {.now_ms = 1000000, .memory_is_short = true};
    struct scef_ports ports = scef_test_ports(&t);
    struct scef_subscriber s = {
        .external_id = "dev1@x", .msisdn = "1", .ue = {.psm = true, .active_time_ms = 5000, .pdn_connected = true}};
    struct nidd_configuration c;
    scef_options_default(&t.options);
    if (scef_model_new(&t.options, &ports, t.now_ms, &t.model) != OK)
        return;
    if (scef_subscriber_add(t.model, &s) == OK && scef_test_configure(&t, "as1", "dev1@x", NULL, &c) == 201) {
        scef_test_post(&t, 1, "c1", "buffered", 60);
        scef_test_post(&t, 2, "c1", "buffered", 60);
        assert_int_equal(t.answers, 2); /* each one, whatever it is */
        scef_uplink(t.model, t.now_ms, 0, BYTES_LIT("up"));
        scef_test_run(&t, t.now_ms + 1);
        scef_test_post(&t, 3, "c1", "sent", 0);
        scef_test_run(&t, t.now_ms + 100000);
        assert_int_equal(t.answers, 3);
        assert_int_equal(scef_totals_of(t.model)->buffered, 0);
    }
    scef_model_free(t.model);
}

static void each_allocation_fails(void (*scenario)(void))
{
    unsigned long n = 0;
    do {
        fail_at = ++n;
        allocations = 0;
        scenario();
    } while (allocations >= fail_at); /* until one run needed fewer */
    fail_at = 0;
    assert_true(n > 5);
}

static void device(void **state)
{
    (void)state;
    each_allocation_fails(device_scenario);
}

static void scef(void **state)
{
    (void)state;
    each_allocation_fails(scef_scenario);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(device), cmocka_unit_test(scef)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
