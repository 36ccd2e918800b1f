/* The SCEF model's configurations beyond their creation: list, patch, bounded durations, conflicts. */
#include "tests/base/test.h"

#include "tests/sim/scef_harness.h"

static struct scef_test t;

static int set_up(void **state)
{
    (void)state;
    memset(&t, 0, sizeof t);
    scef_options_default(&t.options);
    return 0;
}

static void begin(void)
{
    struct nidd_configuration c;
    scef_test_new(&t);
    scef_test_subscribers(&t);
    assert_int_equal(scef_test_configure(&t, "as1", "dev1@x", NULL, &c), 201);
}

static int tear_down(void **state)
{
    (void)state;
    scef_model_free(t.model);
    return 0;
}

static int patch(struct nidd_configuration_patch p, struct nidd_configuration *out)
{
    return scef_configuration_patch(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1"), &p, out).http_status;
}

static void listed(void **state)
{
    (void)state;
    struct nidd_configuration c;
    uint64_t cursor = 0;
    begin();
    assert_int_equal(scef_test_configure(&t, "as2", "dev1@x", NULL, &c), 201);
    assert_int_equal(scef_test_configure(&t, "as1", NULL, "492", &c), 201);
    assert_true(scef_configuration_next(t.model, t.now_ms, BYTES_LIT("as1"), &cursor, &c));
    assert_bytes_str(c.self, "/3gpp-nidd/v1/as1/configurations/c1");
    assert_true(scef_configuration_next(t.model, t.now_ms, BYTES_LIT("as1"), &cursor, &c));
    assert_bytes_str(c.self, "/3gpp-nidd/v1/as1/configurations/c3");
    assert_bytes_str(c.id.msisdn, "492");
    assert_false(scef_configuration_next(t.model, t.now_ms, BYTES_LIT("as1"), &cursor, &c));
    cursor = 0;
    assert_false(scef_configuration_next(t.model, t.now_ms, BYTES_LIT("as9"), &cursor, &c));
}

static void patched(void **state)
{
    (void)state;
    struct nidd_configuration c;
    begin();
    uint64_t end_ms = t.now_ms + 10000;
    assert_int_equal(patch((struct nidd_configuration_patch){.has_duration = true, .duration_ms = end_ms}, &c), 200);
    assert_int_equal(c.duration_ms, end_ms);
    assert_bytes_str(c.notification_destination, "http://as/t8");
    assert_int_equal(patch((struct nidd_configuration_patch){.notification_destination = BYTES_LIT("http://new/"),
                                                             .has_pdn_option = true,
                                                             .pdn_option = T8_PDN_INDICATE_ERROR},
                           &c),
                     200);
    assert_int_equal(c.duration_ms, end_ms); /* what is absent stays */
    assert_bytes_str(c.notification_destination, "http://new/");
    assert_int_equal(c.pdn_option, T8_PDN_INDICATE_ERROR);
    scef_test_run(&t, end_ms - 1);
    assert_int_equal(patch((struct nidd_configuration_patch){.has_duration = true, .duration_ms = 5}, &c), 400);
    assert_int_equal(patch((struct nidd_configuration_patch){.has_duration = true}, &c), 200); /* null: for ever */
    assert_int_equal(c.duration_ms, 0);
    scef_test_run(&t, end_ms + 1);
    assert_int_equal(patch((struct nidd_configuration_patch){0}, &c), 200); /* it is there */
    assert_int_equal(scef_configuration_delete(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1")).http_status, 204);
    assert_int_equal(patch((struct nidd_configuration_patch){0}, &c), 404);
}

static void duration_bounded(void **state)
{
    (void)state;
    struct nidd_configuration c;
    t.options.max_duration_s = 100;
    begin();
    assert_int_equal(patch((struct nidd_configuration_patch){0}, &c), 200);
    assert_int_equal(c.duration_ms, t.now_ms + 100000); /* for ever was asked for */
    uint64_t first_ms = t.now_ms;
    scef_test_run(&t, t.now_ms + 50000);
    assert_int_equal(patch((struct nidd_configuration_patch){.has_duration = true}, &c), 200);
    assert_int_equal(c.duration_ms, first_ms + 150000);
    assert_int_equal(patch((struct nidd_configuration_patch){.has_duration = true, .duration_ms = t.now_ms + 7}, &c),
                     200);
    assert_int_equal(c.duration_ms, t.now_ms + 7); /* less is granted as asked */
    scef_test_run(&t, t.now_ms + 7);
    assert_int_equal(patch((struct nidd_configuration_patch){0}, &c), 404);
    assert_int_equal(t.notifications, 0);
}

static void conflict(void **state)
{
    (void)state;
    struct nidd_configuration c;
    t.options.duplicate_conflicts = true;
    begin();
    assert_int_equal(scef_test_configure(&t, "as1", "dev1@x", NULL, &c), 409);
    assert_int_equal(scef_test_configure(&t, "as1", NULL, "491", &c), 409); /* the same user */
    assert_int_equal(scef_test_configure(&t, "as2", "dev1@x", NULL, &c), 201);
    assert_int_equal(scef_configuration_delete(t.model, t.now_ms, BYTES_LIT("as1"), BYTES_LIT("c1")).http_status, 204);
    assert_int_equal(scef_test_configure(&t, "as1", "dev1@x", NULL, &c), 201);
}

int main(void)
{
#define MODEL_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        MODEL_TEST(listed),
        MODEL_TEST(patched),
        MODEL_TEST(duration_bounded),
        MODEL_TEST(conflict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
