/* Several servers for one device: which one a message of the device goes to. */
#include <stdio.h>

#include "tests/nidd/harness_internal.h"

static void routed(unsigned device, struct engine_device_options *o)
{
    (void)device;
    o->server = ENGINE_NONE;
}

static void add(struct engine *e, struct engine_route route)
{
    assert_int_equal(engine_route_add(e, &route), OK);
}

static void some_routes(struct engine *e)
{
    add(e, (struct engine_route){.server = 1, .uri_host = BYTES_LIT("iot.example")});
    add(e, (struct engine_route){.server = 2, .bootstrap = true});
    add(e, (struct engine_route){.server = 3, .has_rds_ue_port = true, .rds_ue_port = 5});
}

static struct rig *four_servers(void (*routes)(struct engine *e))
{
    return rig_new((struct rig_setup){.devices = 2, .servers = 4, .routes = routes, .device = routed});
}

/* The device asks, the answer comes down as the piggybacked ACK. */
static void asks(struct rig *r, unsigned server, unsigned mid, const char *options)
{
    char text[128];
    device_sends(r, 0, "CON 0.02 #%u t%u %s", mid, mid, options);
    snprintf(text, sizeof(text), "CON 0.02 #* t%u %s", mid, options);
    uint16_t leg_mid = expect_at_server(r, 0, server, text);
    server_sends(r, 0, server, "ACK 2.04 #%u t%u", leg_mid, mid);
    snprintf(text, sizeof(text), "ACK 2.04 #%u t%u", mid, mid);
    expect_delivered(r, 0, text);
}

static void each_message_goes_its_route(void **state)
{
    (void)state;
    struct rig *r = four_servers(some_routes);
    asks(r, 0, 1, "11=rd");
    asks(r, 1, 2, "3=iot.example 11=rd");
    asks(r, 1, 3, "3=IOT.example 11=bs"); /* the host is the more specific one */
    asks(r, 2, 4, "11=bs 15=ep=a");
    asks(r, 1, 5, "3=iot.example 9=0x01 |cipher"); /* OSCORE hides the path, not the host */
    asks(r, 0, 6, "9=0x01 |cipher");
    device_sends_by_ports(r, 0, 5, 0, "NON 0.02 #7 t7 11=bs");
    (void)expect_at_server(r, 0, 3, "NON 0.02 #* t7 11=bs");
    device_sends_by_ports(r, 0, 6, 5, "NON 0.02 #8 t8 11=bs");
    (void)expect_at_server(r, 0, 2, "NON 0.02 #* t8 11=bs");
    rig_end(r);
}

static void own_server(unsigned device, struct engine_device_options *o)
{
    o->server = device == 0 ? 3 : ENGINE_NONE;
}

static void a_server_of_ones_own_comes_first(void **state)
{
    (void)state;
    struct rig *r =
        rig_new((struct rig_setup){.devices = 2, .servers = 4, .routes = some_routes, .device = own_server});
    device_sends(r, 0, "NON 0.02 #1 t 3=iot.example 11=bs");
    (void)expect_at_server(r, 0, 3, "NON 0.02 #* t 3=iot.example 11=bs");
    device_sends(r, 1, "NON 0.02 #1 t 3=iot.example 11=bs");
    (void)expect_at_server(r, 1, 1, "NON 0.02 #* t 3=iot.example 11=bs");
    assert_int_equal(device_info(r, 0).server, 3);
    assert_int_equal(device_info(r, 1).server, 0);
    rig_end(r);
}

static void by_identity(struct engine *e)
{
    add(e, (struct engine_route){.server = 1, .domain = BYTES_LIT("Example.COM")});
    add(e, (struct engine_route){.server = 2, .external_id = BYTES_LIT("dev0@*")});
    add(e, (struct engine_route){.server = 3});
}

static void a_device_goes_by_its_name(void **state)
{
    (void)state;
    struct rig *r = four_servers(by_identity);
    assert_int_equal(device_info(r, 0).server, 1); /* the longer pattern: *@example.com */
    device_sends(r, 0, "NON 0.02 #1 t 11=rd");
    (void)expect_at_server(r, 0, 1, "NON 0.02 #* t 11=rd");
    rig_end(r);
    r = rig_new((struct rig_setup){.servers = 4, .by_msisdn = true, .routes = by_identity, .device = routed});
    device_sends(r, 0, "NON 0.02 #1 t 11=rd"); /* it has no External Identifier */
    (void)expect_at_server(r, 0, 3, "NON 0.02 #* t 11=rd");
    rig_end(r);
}

/* Both servers ask; each gets its own answer, however it comes. */
static void answers_go_back_to_who_asked(void **state)
{
    (void)state;
    struct rig *r = four_servers(NULL);
    server_sends(r, 0, 1, "CON 0.01 #70 a 11=3");
    expect_at_server(r, 0, 1, "ACK #70");
    uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* a 11=3");
    server_sends(r, 0, 2, "CON 0.01 #70 b 11=4");
    expect_at_server(r, 0, 2, "ACK #70");
    expect_no_submission(r); /* one in flight, whoever asks */
    device_sends(r, 0, "ACK 2.05 #%u a |1", mid);
    mid = expect_at_server(r, 0, 1, "CON 2.05 #* a |1");
    server_sends(r, 0, 1, "ACK #%u", mid);
    mid = expect_delivered(r, 0, "CON 0.01 #* b 11=4");
    device_sends(r, 0, "ACK #%u", mid);
    device_sends(r, 0, "CON 2.05 #9 b |2");
    mid = expect_at_server(r, 0, 2, "CON 2.05 #* b |2");
    server_sends(r, 0, 2, "ACK #%u", mid);
    expect_delivered(r, 0, "ACK #9");
    rig_end(r);
}

static void replace(struct rig *r, const struct engine_route *routes, size_t count, enum error want)
{
    assert_int_equal(engine_routes_replace(rig_engine(r), routes, count), want);
}

static void new_routes_drop_nothing(void **state)
{
    (void)state;
    static const struct engine_route after[] = {{.server = 2, .domain = BYTES_LIT("example.com")}};
    static const struct engine_route bad[] = {{.server = 2}, {.server = 4}};
    struct rig *r = four_servers(by_identity);
    device_sends(r, 0, "CON 0.02 #1 t1 11=dp");
    uint16_t leg_mid = expect_at_server(r, 0, 1, "CON 0.02 #* t1 11=dp");
    server_sends(r, 0, 1, "CON 0.01 #70 obs 6= 11=3");
    expect_at_server(r, 0, 1, "ACK #70");
    uint16_t mid = expect_delivered(r, 0, "CON 0.01 #* obs 6= 11=3");

    replace(r, bad, 2, ERR_NOT_FOUND);
    assert_int_equal(device_info(r, 0).server, 1);
    replace(r, after, 1, OK);
    assert_int_equal(device_info(r, 0).server, 2);
    server_sends(r, 0, 1, "ACK 2.04 #%u t1", leg_mid); /* asked before */
    expect_delivered(r, 0, "ACK 2.04 #1 t1");
    device_sends(r, 0, "ACK 2.05 #%u obs 6=0x01 |1", mid);
    leg_mid = expect_at_server(r, 0, 1, "CON 2.05 #* obs 6=0x01 |1");
    server_sends(r, 0, 1, "ACK #%u", leg_mid);
    device_sends(r, 0, "NON 2.05 #2 obs 6=0x02 |2");
    (void)expect_at_server(r, 0, 1, "NON 2.05 #* obs 6=0x02 |2");
    device_sends(r, 0, "NON 0.02 #3 t3 11=dp");
    (void)expect_at_server(r, 0, 2, "NON 0.02 #* t3 11=dp");
    replace(r, NULL, 0, OK);
    device_sends(r, 0, "NON 0.02 #4 t4 11=dp");
    (void)expect_at_server(r, 0, 0, "NON 0.02 #* t4 11=dp");
    rig_end(r);
}

/* What is spooled keeps its server, too. */
static void a_spool_keeps_its_server(void **state)
{
    (void)state;
    static const struct engine_route after[] = {{.server = 2}};
    struct rig *r = four_servers(by_identity);
    server_unreachable(r, 1, ERR_UNREACHABLE);
    uint64_t ref = device_sends_later(r, 0, "NON 0.02 #1 t1 11=dp");
    expect_uplink_answered(r, ref, OK);
    replace(r, after, 1, OK);
    device_sends(r, 0, "NON 0.02 #2 t2 11=dp");
    (void)expect_at_server(r, 0, 2, "NON 0.02 #* t2 11=dp");
    server_unreachable(r, 1, OK);
    server_sends(r, 0, 1, "CON #5");
    expect_at_server(r, 0, 1, "RST #5");
    advance(r, 1 * SECONDS);
    (void)expect_at_server(r, 0, 1, "NON 0.02 #* t1 11=dp");
    rig_end(r);
}

static enum error device_changes(struct rig *r, const struct engine_device_options *o)
{
    rig_begin_input(r);
    enum error err = engine_device_change(rig_engine(r), o);
    rig_end_input(r);
    return err;
}

static void a_device_changes_its_server(void **state)
{
    (void)state;
    char text[32];
    struct rig *r = four_servers(NULL);
    struct engine_device_options o = {.id = rig_identity(r, 0, text), .server = 2, .endpoint = BYTES_LIT("node-7")};
    assert_int_equal(device_changes(r, &o), OK);
    assert_bytes_str(device_info(r, 0).endpoint, "node-7");
    device_sends(r, 0, "NON 0.02 #1 t 11=dp");
    (void)expect_at_server(r, 0, 2, "NON 0.02 #* t 11=dp");
    o.server = 4;
    assert_int_equal(engine_device_change(rig_engine(r), &o), ERR_NOT_FOUND);
    o.server = ENGINE_NONE;
    o.endpoint = (struct bytes){0};
    assert_int_equal(device_changes(r, &o), OK);
    assert_int_equal(device_info(r, 0).endpoint.len, 0);
    device_sends(r, 0, "NON 0.02 #2 t 11=dp");
    (void)expect_at_server(r, 0, 0, "NON 0.02 #* t 11=dp");
    o.id.external_id = BYTES_LIT("nobody@example.com");
    assert_int_equal(engine_device_change(rig_engine(r), &o), ERR_UNKNOWN_DEVICE);
    rig_end(r);
}

/* What a device remembers of a table is not taken for another one, however many there have been. */
static void tables_come_and_go(void **state)
{
    (void)state;
    struct rig *r = four_servers(NULL);
    for (unsigned changes = 250; changes < 260; changes++) {
        for (unsigned i = 0; i < changes; i++)
            replace(r, &(struct engine_route){.server = 1}, 1, OK);
        device_sends(r, 0, "NON 0.02 #%u t 11=dp", changes);
        (void)expect_at_server(r, 0, 1, "NON 0.02 #* t 11=dp");
        for (unsigned i = 0; i < changes; i++)
            replace(r, &(struct engine_route){.server = 2}, 1, OK);
        device_sends(r, 0, "NON 0.02 #%u t 11=dp", changes + 1000);
        (void)expect_at_server(r, 0, 2, "NON 0.02 #* t 11=dp");
    }
    rig_end(r);
}

static void a_route_needs_a_server(void **state)
{
    (void)state;
    struct rig *r = four_servers(NULL);
    assert_int_equal(engine_route_add(rig_engine(r), &(struct engine_route){.server = 4}), ERR_NOT_FOUND);
    rig_end(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_message_goes_its_route), cmocka_unit_test(a_server_of_ones_own_comes_first),
        cmocka_unit_test(a_device_goes_by_its_name),   cmocka_unit_test(answers_go_back_to_who_asked),
        cmocka_unit_test(new_routes_drop_nothing),     cmocka_unit_test(a_spool_keeps_its_server),
        cmocka_unit_test(a_device_changes_its_server), cmocka_unit_test(tables_come_and_go),
        cmocka_unit_test(a_route_needs_a_server)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
