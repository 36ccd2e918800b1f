/* Set-up before the start: what was stored, then the devices of the configuration; what cannot be used is refused. */
#include "tests/nidd/harness.h"

static enum error no_send(void *ctx, uint32_t leg, uint32_t server, const uint8_t header[COAP_HEADER_BYTES],
                          struct bytes rest)
{
    (void)ctx, (void)leg, (void)server, (void)header, (void)rest;
    return OK;
}

static void no_submit(void *ctx, uint64_t ref, const struct engine_submit *s)
{
    (void)ctx, (void)ref, (void)s;
}

static void no_create(void *ctx, uint32_t scef, uint64_t ref, struct t8_identity id)
{
    (void)ctx, (void)scef, (void)ref, (void)id;
}

static void no_get(void *ctx, uint32_t scef, uint64_t ref, struct bytes link)
{
    (void)ctx, (void)scef, (void)ref, (void)link;
}

static uint64_t no_put(void *ctx, struct bytes key, struct bytes value)
{
    (void)key, (void)value;
    return ++*(uint64_t *)ctx;
}

static uint64_t no_delete(void *ctx, struct bytes key)
{
    (void)key;
    return ++*(uint64_t *)ctx;
}

static void no_answer(void *ctx, uint64_t ref, enum error err)
{
    (void)ctx, (void)ref, (void)err;
}

static void no_event(void *ctx, const struct engine_event *e)
{
    (void)ctx, (void)e;
}

static struct engine *bare_engine(uint64_t *tickets)
{
    const struct engine_ports ports = {.ctx = tickets,
                                       .server_send = no_send,
                                       .downlink_submit = no_submit,
                                       .configuration_create = no_create,
                                       .configuration_get = no_get,
                                       .store_put = no_put,
                                       .store_delete = no_delete,
                                       .uplink_answer = no_answer,
                                       .event = no_event};
    struct engine_options o;
    struct engine *e;
    engine_options_default(&o);
    assert_int_equal(engine_new(&o, &ports, RIG_START_MS, &e), OK);
    assert_int_equal(engine_server_add(e, &(struct engine_server_options){.name = "server0"}), OK);
    assert_int_equal(engine_scef_add(e, &(struct engine_scef_options){.name = "scef0"}), OK);
    return e;
}

static enum error add(struct engine *e, const char *external_id, const char *msisdn, uint32_t server)
{
    return engine_device_add(e, &(struct engine_device_options){
                                    .id = {.external_id = bytes_of_str(external_id), .msisdn = bytes_of_str(msisdn)},
                                    .server = server,
                                    .group = ENGINE_NONE});
}

static uint32_t leg_of(struct engine *e, const char *id)
{
    struct engine_device_info info;
    assert_true(engine_device_find(e, bytes_of_str(id), &info));
    return info.leg;
}

static void devices_are_added(void **state)
{
    (void)state;
    uint64_t tickets = 0;
    struct engine *e = bare_engine(&tickets);
    assert_int_equal(engine_restore_device(e, &(struct record_device){.id = BYTES_LIT("b@x"), .leg = 2}), OK);
    assert_int_equal(engine_restore_device(e, &(struct record_device){.id = BYTES_LIT("a@x"), .leg = 0}), OK);
    assert_int_equal(engine_restore_device(e, &(struct record_device){.id = BYTES_LIT("c@x"), .leg = 2}),
                     ERR_STORE_CORRUPT); /* two devices on one address */
    assert_int_equal(engine_restore_device(e, &(struct record_device){.id = BYTES_LIT("a@x"), .leg = 7}),
                     ERR_STORE_CORRUPT); /* one device twice */
    assert_int_equal(add(e, "new1@x", "", 0), OK);
    assert_int_equal(add(e, "b@x", "491", 0), OK);
    assert_int_equal(add(e, "new2@x", "", 0), OK);
    assert_int_equal(leg_of(e, "new1@x"), 1); /* the lowest free one */
    assert_int_equal(leg_of(e, "b@x"), 2);
    assert_int_equal(leg_of(e, "491"), 2);
    assert_int_equal(leg_of(e, "new2@x"), 3);
    assert_int_equal(add(e, "b@x", "", 0), ERR_MEMBER_TYPE);
    assert_int_equal(add(e, "new3@x", "491", 0), ERR_MEMBER_TYPE);
    assert_int_equal(add(e, "", "", 0), ERR_IDENTITY);
    assert_int_equal(add(e, "new4@x", "", 1), ERR_NOT_FOUND);
    struct engine_device_info info;
    assert_false(engine_device_find(e, BYTES_LIT("a@x"), &info)); /* stored, but in no configuration */
    assert_false(engine_device_find(e, BYTES_LIT("nobody@x"), &info));
    uint32_t cursor = 0;
    unsigned n = 0;
    while (engine_device_next(e, &cursor, &info))
        n++;
    assert_int_equal(n, 3);
    engine_free(e);
    engine_free(NULL);
}

static void records_that_cannot_be_used(void **state)
{
    (void)state;
    uint64_t tickets = 0;
    struct engine *e = bare_engine(&tickets);
    struct message m = message_of("CON 0.01 #50 tok 11=3");
    struct record_message r = {.device_id = BYTES_LIT("a@x"),
                               .seq = 7,
                               .server = BYTES_LIT("server0"),
                               .queue_class = QUEUE_REQUEST,
                               .type = COAP_CON,
                               .accepted_ms = RIG_START_MS,
                               .deadline_ms = RIG_START_MS + HOURS,
                               .message = message_bytes(&m)};
    assert_int_equal(engine_restore_message(e, RECORD_DOWNLINK, &r), ERR_UNKNOWN_DEVICE);
    assert_int_equal(engine_restore_device(e, &(struct record_device){.id = BYTES_LIT("a@x"), .leg = 0}), OK);
    r.server = BYTES_LIT("gone");
    assert_int_equal(engine_restore_message(e, RECORD_DOWNLINK, &r), ERR_NOT_FOUND);
    assert_int_equal(engine_restore_message(e, RECORD_UPLINK, &r), ERR_NOT_FOUND);
    r.server = BYTES_LIT("server0");
    r.message = BYTES_LIT("nonsense");
    assert_int_equal(engine_restore_message(e, RECORD_DOWNLINK, &r), ERR_STORE_CORRUPT);
    assert_int_equal(engine_restore_message(e, RECORD_UPLINK, &r), ERR_STORE_CORRUPT);
    r.message = message_bytes(&m);
    assert_int_equal(engine_restore_message(e, RECORD_DOWNLINK, &r), OK);
    r.seq = 8;
    assert_int_equal(engine_restore_message(e, RECORD_UPLINK, &r), OK);
    struct engine_totals t;
    engine_totals_get(e, &t);
    assert_int_equal(t.queued_messages, 1);
    assert_int_equal(t.spooled_messages, 1);
    engine_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(devices_are_added),
        cmocka_unit_test(records_that_cannot_be_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
