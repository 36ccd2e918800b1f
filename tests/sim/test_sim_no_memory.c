/* Every allocation fails once, in turn: the models answer with an error or lose a message, and go on. */
#include <stdlib.h>

#include "tests/sim/device_harness.h"
#include "tests/base/allocations.h"
#include "tests/sim/scef_harness.h"

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

static const char *const group[] = {"g@x"}, *const servers[] = {"as1", "as2"};

static bool subscribers_new(struct scef_test *t)
{
    struct scef_subscriber s = {.external_id = "dev1@x",
                                .msisdn = "1",
                                .ue = {.psm = true, .active_time_ms = 5000, .pdn_connected = true},
                                .scs_as_ids = servers,
                                .scs_as_ids_count = 2,
                                .groups = group,
                                .groups_count = 1,
                                .rds = true};
    if (scef_subscriber_add(t->model, &s) != OK)
        return false;
    s.external_id = "dev2@x";
    s.msisdn = NULL;
    s.ue.psm = false;
    return scef_subscriber_add(t->model, &s) == OK &&
           scef_as_add(t->model, &(struct scef_as){"as1", "http://as1/ask"}) == OK;
}

static void post(struct scef_test *t, uint64_t ref, const char *configuration, struct t8_identity id,
                 uint32_t latency_s)
{
    struct nidd_downlink d = {
        .id = id, .data = BYTES_LIT("x"), .has_maximum_latency = true, .maximum_latency_s = latency_s};
    unsigned before = t->answers;
    scef_downlink(t->model, t->now_ms, ref, BYTES_LIT("as1"), bytes_of_str(configuration), &d);
    scef_test_run(t, t->now_ms + 10);
    assert_int_equal(t->answers, before + 1); /* whatever it is */
}

static void on_event(void *ctx, const struct scef_ue_event *e)
{
    *(unsigned *)ctx += e->what == SCEF_UE_AWAKE;
}

/* Everything that can be done with a configuration, whether it is there or not. */
static void configuration_use(struct scef_test *t)
{
    const struct bytes as = BYTES_LIT("as1"), c1 = BYTES_LIT("c1"), d2 = BYTES_LIT("d2");
    struct nidd_downlink shown, d = {.id = {.external_id = BYTES_LIT("dev1@x")}, .data = BYTES_LIT("new")};
    struct nidd_configuration out;
    struct nidd_managed_port port = {.app_id = BYTES_LIT("app"), .skip_ue_inquiry = T8_FLAG_TRUE};
    struct nidd_configuration_patch p = {.notification_destination = BYTES_LIT("http://other/"),
                                         .rds_ports = &(struct t8_rds_port){true, 1, 2},
                                         .rds_ports_count = 1};
    uint64_t trigger;
    post(t, 1, "c1", d.id, 60);
    post(t, 2, "c1", d.id, 60);
    (void)scef_configuration_get(t->model, t->now_ms, as, c1, &out);
    (void)scef_configuration_patch(t->model, t->now_ms, as, c1, &p, &out);
    (void)scef_delivery_replace(t->model, t->now_ms, as, c1, d2, &d, &shown);
    (void)scef_port_put(t->model, t->now_ms, as, c1, (struct t8_rds_port){true, 3, 4}, &port, &port);
    (void)!scef_ue_trigger(t->model, t->now_ms, 1, &(struct scef_trigger){.payload = BYTES_LIT("x")}, &trigger);
    scef_uplink_rds(t->model, t->now_ms, 0, BYTES_LIT("up"), (struct t8_rds_port){true, 1, 2}, true);
    scef_test_run(t, t->now_ms + 10);
    (void)scef_ue_port(t->model, t->now_ms, 0, as, (struct t8_rds_port){true, 5, 6}, "app", 0);
    post(t, 3, "c1", d.id, 0);
    post(t, 4, "c2", (struct t8_identity){.external_group_id = BYTES_LIT("g@x")}, 60);
    scef_ue_set_rds(t->model, t->now_ms, 0, false);
    scef_ue_set_pdn_connected(t->model, t->now_ms, 1, false);
    post(t, 5, "c2", (struct t8_identity){.external_id = BYTES_LIT("dev2@x")}, 60);
    scef_ue_set_pdn_connected(t->model, t->now_ms, 1, true);
    post(t, 6, "c2", (struct t8_identity){.external_group_id = BYTES_LIT("g@x")}, 60);
}

static void scef_scenario(void)
{
    struct scef_test t = {.now_ms = 1000000, .memory_is_short = true};
    struct scef_ports ports = scef_test_ports(&t);
    struct nidd_downlink with = {.id = {.external_id = BYTES_LIT("dev1@x")}, .data = BYTES_LIT("with")};
    struct nidd_configuration out, c = {.notification_destination = BYTES_LIT("http://as/"),
                                        .has_supported_features = true,
                                        .supported_features = 0xff,
                                        .mtc_provider_id = BYTES_LIT("mtc"),
                                        .request_test_notification = T8_FLAG_TRUE,
                                        .websocket = {.present = true, .request_uri = T8_FLAG_TRUE},
                                        .rds_ports = &(struct t8_rds_port){true, 1, 2},
                                        .rds_ports_count = 1};
    unsigned awake = 0;
    scef_options_default(&t.options);
    t.options.websocket_root = "ws://scef/ws";
    if (scef_model_new(&t.options, &ports, t.now_ms, &t.model) != OK)
        return;
    if (subscribers_new(&t)) {
        (void)!scef_observe(t.model, on_event, &awake);
        c.id.external_id = BYTES_LIT("dev1@x");
        c.downlinks = &with;
        c.downlinks_count = 1;
        (void)scef_configuration_create(t.model, t.now_ms, BYTES_LIT("as1"), &c, &out);
        c.id = (struct t8_identity){.external_group_id = BYTES_LIT("g@x")};
        c.downlinks_count = 0;
        (void)scef_configuration_create(t.model, t.now_ms, BYTES_LIT("as1"), &c, &out);
        configuration_use(&t);
        scef_test_run(&t, t.now_ms + 4000000);
        assert_int_equal(scef_totals_of(t.model)->buffered, 0);
        assert_int_equal(t.answers, 6);
    }
    scef_model_free(t.model);
}

static void device(void **state)
{
    (void)state;
    assert_true(each_allocation_fails(device_scenario) > 5);
}

static void scef(void **state)
{
    (void)state;
    assert_true(each_allocation_fails(scef_scenario) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(device), cmocka_unit_test(scef)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
