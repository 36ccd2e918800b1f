/* What is seen of a device's registrations. */
#include <stdio.h>

#include "tests/nidd/harness.h"

static struct engine_registration_info only(struct rig *r)
{
    struct engine_device_info info = device_info(r, 0);
    assert_int_equal(info.registration_count, 1);
    return info.registrations[0];
}

static void expect_none(struct rig *r)
{
    assert_int_equal(device_info(r, 0).registration_count, 0);
}

/* `what` in three parts: code, and options; the answer likewise. */
static void exchange(struct rig *r, unsigned mid, const char *code, const char *options, const char *answer_code,
                     const char *answer_options)
{
    char text[160];
    device_sends(r, 0, "CON %s #%u t%u %s", code, mid, mid, options);
    snprintf(text, sizeof(text), "CON %s #* t%u %s", code, mid, options);
    uint16_t leg_mid = expect_at_server(r, 0, 0, text);
    server_sends(r, 0, 0, "ACK %s #%u t%u%s", answer_code, leg_mid, mid, answer_options);
    snprintf(text, sizeof(text), "ACK %s #%u t%u%s", answer_code, mid, mid, answer_options);
    expect_delivered(r, 0, text);
}

static void registers(struct rig *r, unsigned mid)
{
    exchange(r, mid, "0.02", "11=rd 15=ep=a 15=lt=600 15=lwm2m=1.1 15=b=U 15=Q", "2.01", " 8=rd 8=5a3f");
}

static void a_registration_is_seen(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    expect_none(r);
    registers(r, 1);
    struct engine_registration_info i = only(r);
    assert_int_equal(i.server, 0);
    assert_int_equal(i.lifetime_s, 600);
    assert_int_equal(i.until_ms, rig_now(r) + 600 * SECONDS);
    assert_string_equal(i.binding, "U");
    assert_string_equal(i.version, "1.1");
    assert_true(i.queue_mode);
    advance(r, 100 * SECONDS);
    exchange(r, 2, "0.02", "11=rd 11=5a3f", "2.04", "");
    assert_int_equal(only(r).until_ms, rig_now(r) + 600 * SECONDS);
    exchange(r, 3, "0.02", "11=rd 11=5a3f 15=lt=60 15=b=U", "2.04", "");
    assert_int_equal(only(r).until_ms, rig_now(r) + 60 * SECONDS);
    assert_false(only(r).queue_mode);
    assert_string_equal(only(r).version, "1.1");
    exchange(r, 4, "0.04", "11=rd 11=5a3f", "2.02", "");
    expect_none(r);
    rig_end(r);
}

static void the_lifetime_ends(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    registers(r, 1);
    advance(r, 599 * SECONDS);
    (void)only(r);
    advance(r, 1 * SECONDS);
    expect_none(r);
    registers(r, 2);
    (void)only(r);
    rig_end(r);
}

static void terms_have_many_shapes(void **state)
{
    (void)state;
    static const struct {
        const char *options;
        uint32_t lifetime_s;
        const char *binding, *version;
        bool queue_mode;
    } rows[] = {{"11=rd 15=ep=a", 86400, "", "", false},
                {"11=rd 15=b=UQ 15=lwm2m=1.0", 86400, "UQ", "1.0", true},
                {"11=rd 15=b=UN 15=Q 15=lt=0", 0, "UN", "", true},
                {"11=rd 15=lt=", 86400, "", "", false},
                {"11=rd 15=lt=12x", 86400, "", "", false},
                {"11=rd 15=lt=99999999999999999999", 86400, "", "", false},
                {"11=rd 15=lt=4294967296", UINT32_MAX - 1, "", "", false},
                {"11=rd 15=b=U\"<>SSSSSSSSSS 15=Quit 15=bb=Q", 86400, "USSSSSS", "", false}};
    struct rig *r = rig_new((struct rig_setup){0});
    for (unsigned n = 0; n < sizeof(rows) / sizeof(*rows); n++) {
        exchange(r, n + 1, "0.02", rows[n].options, "2.01", " 8=rd 8=1");
        struct engine_registration_info i = only(r);
        assert_int_equal(i.lifetime_s, rows[n].lifetime_s);
        assert_string_equal(i.binding, rows[n].binding);
        assert_int_equal(i.queue_mode, rows[n].queue_mode);
        assert_int_equal(i.until_ms, rows[n].lifetime_s ? rig_now(r) + rows[n].lifetime_s * SECONDS : 0);
        assert_string_equal(i.version, rows[n].version);
    }
    rig_end(r);
}

static void what_fails_changes_nothing(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    exchange(r, 1, "0.02", "11=rd", "4.03", "");
    expect_none(r);
    exchange(r, 2, "0.02", "11=rd", "2.01", ""); /* no Location-Path */
    expect_none(r);
    registers(r, 3);
    exchange(r, 4, "0.02", "11=rd 11=5a3f 15=lt=60", "5.03", "");
    assert_int_equal(only(r).lifetime_s, 600);
    exchange(r, 5, "0.02", "11=rd 15=lt=60", "4.00", "");
    assert_int_equal(only(r).lifetime_s, 600);
    exchange(r, 6, "0.04", "11=rd 11=other", "2.02", "");
    uint64_t until_ms = only(r).until_ms;
    advance(r, 10 * SECONDS);
    exchange(r, 8, "0.04", "11=rd 11=5a3f", "2.04", ""); /* no answer to a Deregister */
    assert_int_equal(only(r).until_ms, until_ms);
    exchange(r, 7, "0.02", "11=rd 11=5a3f", "4.04", "");
    expect_none(r);
    rig_end(r);
}

static void the_answer_may_come_later(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    device_sends(r, 0, "CON 0.02 #1 t 11=rd 15=lt=60");
    uint16_t mid = expect_at_server(r, 0, 0, "CON 0.02 #* t 11=rd 15=lt=60");
    server_sends(r, 0, 0, "ACK #%u", mid);
    expect_none(r);
    server_sends(r, 0, 0, "CON 2.01 #9 t 8=rd 8=1");
    expect_at_server(r, 0, 0, "ACK #9");
    expect_delivered(r, 0, "ACK 2.01 #1 t 8=rd 8=1");
    assert_int_equal(only(r).lifetime_s, 60);
    rig_end(r);
}

static void an_update_tells_after_a_restart(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    registers(r, 1);
    rig_restart(r);
    expect_none(r);
    exchange(r, 2, "0.02", "11=rd 11=5a3f", "2.04", "");
    assert_int_equal(only(r).lifetime_s, ENGINE_NONE);
    assert_int_equal(only(r).until_ms, 0);
    exchange(r, 3, "0.02", "11=rd 11=5a3f 15=lt=60", "2.04", "");
    assert_int_equal(only(r).until_ms, rig_now(r) + 60 * SECONDS);
    rig_end(r);
}

static void routed(unsigned device, struct engine_device_options *o)
{
    (void)device;
    o->server = ENGINE_NONE;
}

static void by_host(struct engine *e)
{
    static const struct engine_route route = {.server = 1, .uri_host = BYTES_LIT("b")};
    assert_int_equal(engine_route_add(e, &route), OK);
}

static void each_server_has_its_own(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){.servers = 2, .routes = by_host, .device = routed});
    registers(r, 1);
    device_sends(r, 0, "CON 0.02 #2 t 3=b 11=rd 15=lt=60");
    uint16_t mid = expect_at_server(r, 0, 1, "CON 0.02 #* t 3=b 11=rd 15=lt=60");
    server_sends(r, 0, 1, "ACK 2.01 #%u t 8=rd 8=5a3f", mid);
    expect_delivered(r, 0, "ACK 2.01 #2 t 8=rd 8=5a3f");
    struct engine_device_info info = device_info(r, 0);
    assert_int_equal(info.registration_count, 2);
    assert_int_equal(info.registrations[0].server, 1);
    assert_int_equal(info.registrations[0].lifetime_s, 60);
    assert_int_equal(info.registrations[1].server, 0);
    advance(r, 60 * SECONDS);
    assert_int_equal(only(r).server, 0);
    rig_end(r);
}

/* Requests that nobody answers, and a server that answers with ever new locations. */
static void memory_is_bounded(void **state)
{
    (void)state;
    struct rig *r = rig_new((struct rig_setup){0});
    for (unsigned n = 1; n < 20; n++) {
        char location[32];
        snprintf(location, sizeof(location), " 8=rd 8=%u", n);
        exchange(r, n, "0.02", "11=rd", "2.01", location);
        (void)only(r);
    }
    for (unsigned n = 20; n < 40; n++) {
        char path[32];
        snprintf(path, sizeof(path), "11=rd 11=x%u", n);
        exchange(r, n, "0.02", path, "2.04", "");
    }
    assert_int_equal(device_info(r, 0).registration_count, ENGINE_REGISTRATIONS_MAX);
    exchange(r, 40, "0.02", "11=rd", "2.01", " 8=~200");
    exchange(r, 41, "0.02", "9=0x01 11=rd", "2.01", " 8=rd 8=1"); /* OSCORE */
    rig_end(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_registration_is_seen),    cmocka_unit_test(the_lifetime_ends),
        cmocka_unit_test(terms_have_many_shapes),    cmocka_unit_test(what_fails_changes_nothing),
        cmocka_unit_test(the_answer_may_come_later), cmocka_unit_test(an_update_tells_after_a_restart),
        cmocka_unit_test(each_server_has_its_own),   cmocka_unit_test(memory_is_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
