/* The built-in device's own life: register, update, notify, send, retransmission. All bytes are written by hand. */
#include "tests/sim/device_harness.h"

/* CON POST /rd, Content-Format 40, ep, lt, lwm2m, b; </1/0>,</3/0> */
#define REGISTER(mid, token)                                                                                           \
    "4402" mid " " token " b2 7264 11 28"                                                                              \
    " 3c 65703d75726e3a6e61693a64"                                                                                     \
    " 07 6c743d33363030"                                                                                               \
    " 09 6c776d326d3d312e31"                                                                                           \
    " 03 623d55"                                                                                                       \
    " ff 3c2f312f303e2c3c2f332f303e"

static void registers(void **state)
{
    (void)state;
    struct device_test t;
    struct lwm2m_device_options o = test_device_options();
    test_device_new(&t, &o);
    assert_int_equal(lwm2m_device_next_wake(t.device), 1000000);
    test_wake_at(&t, 999999);
    assert_sent(&t, 0, "");
    test_wake_at(&t, 1000000);
    assert_sent(&t, 1, REGISTER("0001", "00000001"));
    assert_false(lwm2m_device_registered(t.device));

    test_receive(&t, "64410001 00000002 82 7264 01 37"); /* another token: not the answer */
    test_receive(&t, "64410002 00000001 82 7264 01 37"); /* another Message ID: neither */
    assert_false(lwm2m_device_registered(t.device));
    test_receive(&t, "64410001 00000001 82 7264 01 37");
    assert_true(lwm2m_device_registered(t.device));
    assert_told(&t, "registered ");
    assert_int_equal(lwm2m_device_next_wake(t.device), 1000000 + 2700 * 1000);

    test_wake_at(&t, lwm2m_device_next_wake(t.device)); /* CON POST /rd/7 */
    assert_sent(&t, 1, "44020002 00000002 b2 7264 01 37");
    test_receive(&t, "64440002 00000002");
    assert_told(&t, "updated ");
    assert_int_equal(lwm2m_device_next_wake(t.device), t.now_ms + 2700 * 1000);
    lwm2m_device_free(t.device);
}

static void retransmits_and_gives_up(void **state)
{
    (void)state;
    struct device_test t;
    struct lwm2m_device_options o = test_device_options();
    test_device_new(&t, &o);
    test_wake_at(&t, 1000000);
    assert_sent(&t, 1, REGISTER("0001", "00000001"));
    uint64_t first_ms = lwm2m_device_next_wake(t.device) - t.now_ms;
    assert_in_range(first_ms, 10000, 15000); /* ACK_TIMEOUT to ACK_TIMEOUT * ACK_RANDOM_FACTOR */
    for (unsigned i = 1; i <= 4; i++) {
        test_wake_at(&t, lwm2m_device_next_wake(t.device));
        assert_sent(&t, 1, REGISTER("0001", "00000001"));
        assert_told(&t, "retransmitted ");
        assert_int_equal(lwm2m_device_next_wake(t.device) - t.now_ms, first_ms << i);
    }
    test_wake_at(&t, lwm2m_device_next_wake(t.device));
    assert_sent(&t, 0, "");
    assert_told(&t, "gave_up ");
    assert_in_range(lwm2m_device_next_wake(t.device) - t.now_ms, 15000, 45000);
    test_wake_at(&t, lwm2m_device_next_wake(t.device)); /* a new exchange: new Message ID, new token */
    assert_sent(&t, 1, REGISTER("0002", "00000002"));
    test_receive(&t, "64410001 00000001 82 7264 01 37"); /* the old one's answer comes too late */
    assert_false(lwm2m_device_registered(t.device));
    test_receive(&t, "70000002");
    assert_told(&t, "reset ");
    assert_true(lwm2m_device_next_wake(t.device) > t.now_ms);
    lwm2m_device_free(t.device);
}

static void takes_separate_response(void **state)
{
    (void)state;
    struct device_test t;
    struct lwm2m_device_options o = test_device_options();
    test_device_new(&t, &o);
    test_wake_at(&t, 1000000);
    test_receive(&t, "60000001");
    assert_int_equal(lwm2m_device_next_wake(t.device), t.now_ms + 247000); /* no retransmission any more */
    t.sent = 0;
    test_receive(&t, "4441abcd 00000001 82 7264 01 37");
    assert_sent(&t, 1, "6000abcd");
    assert_told(&t, "registered ");
    test_receive(&t, "4441abcd 00000001 82 7264 01 37"); /* our ACK was lost */
    assert_sent(&t, 1, "6000abcd");
    assert_told(&t, "repeat ");
    test_receive(&t, "4441abce 00000001 82 7264 01 37"); /* an answer to nothing */
    assert_sent(&t, 1, "7000abce");
    assert_told(&t, "stray ");
    test_receive(&t, "5445abcf 00000009"); /* NON: silence */
    assert_sent(&t, 0, "");
    assert_told(&t, "stray ");
    assert_int_equal(lwm2m_device_repeats(t.device), 1);
    lwm2m_device_free(t.device);
}

static void separate_response_without_ack(void **state)
{
    (void)state;
    struct device_test t;
    struct lwm2m_device_options o = test_device_options();
    test_device_new(&t, &o);
    test_wake_at(&t, 1000000);
    t.sent = 0;
    test_receive(&t, "54410900 00000001 82 7264 01 37"); /* NON, before any ACK */
    assert_sent(&t, 0, "");
    assert_told(&t, "registered ");
    lwm2m_device_free(t.device);
}

static void registers_anew_after_not_found(void **state)
{
    (void)state;
    struct device_test t;
    struct lwm2m_device_options o = test_device_options();
    test_device_registered(&t, &o);
    test_wake_at(&t, lwm2m_device_next_wake(t.device));
    t.sent = 0;
    test_receive(&t, "64840002 00000002");
    assert_told(&t, "refused ");
    assert_false(lwm2m_device_registered(t.device));
    assert_sent(&t, 1, REGISTER("0003", "00000003"));
    lwm2m_device_free(t.device);
}

static void waits_as_told_when_refused(void **state)
{
    (void)state;
    struct device_test t;
    struct lwm2m_device_options o = test_device_options();
    test_device_new(&t, &o);
    test_wake_at(&t, 1000000);
    test_receive(&t, "64a30001 00000001 d1 01 64"); /* 5.03, Max-Age 100 */
    assert_told(&t, "refused ");
    assert_int_equal(lwm2m_device_next_wake(t.device), 1100000);
    test_wake_at(&t, 1100000);
    test_receive(&t, "64800002 00000002"); /* 4.00: our back-off */
    assert_in_range(lwm2m_device_next_wake(t.device), 1115000, 1220000);
    test_wake_at(&t, lwm2m_device_next_wake(t.device));
    test_receive(&t, "64410003 00000003"); /* 2.01 without Location-Path is of no use */
    assert_false(lwm2m_device_registered(t.device));
    lwm2m_device_free(t.device);
}

static void update_that_is_never_answered(void **state)
{
    (void)state;
    struct device_test t;
    struct lwm2m_device_options o = test_device_options();
    test_device_registered(&t, &o);
    while (lwm2m_device_registered(t.device))
        test_wake_at(&t, lwm2m_device_next_wake(t.device));
    assert_in_range(t.now_ms, 1000000 + 2700000, 1000000 + 3600000 + 500000);
    assert_null(strstr(t.events, "registered"));
    t.sent = 0;
    test_wake_at(&t, lwm2m_device_next_wake(t.device));
    assert_int_equal(strncmp(t.last, "4402", 4), 0);
    assert_non_null(strstr(t.last, "65703d")); /* ep= */
    lwm2m_device_free(t.device);
}

static void sends(void **state)
{
    (void)state;
    struct device_test t;
    struct lwm2m_device_options o = test_device_options();
    o.send_period_s = 60;
    test_device_registered(&t, &o);
    assert_int_equal(lwm2m_device_next_wake(t.device), 1060000);
    test_wake_at(&t, 1060000);
    /* CON POST /dp, 110, [{"bn":"/3/0/","n":"9","v":83},{"n":"13","v":1060}] */
    assert_sent(&t, 1,
                "44020002 00000002 b2 6470 11 6e ff"
                "5b7b22626e223a222f332f302f222c226e223a2239222c2276223a38337d2c7b226e223a223133222c2276223a31303630"
                "7d5d");
    test_receive(&t, "64440002 00000002");
    assert_told(&t, "send_done ");
    assert_int_equal(lwm2m_device_next_wake(t.device), 1120000);
    test_wake_at(&t, 1120000);
    test_receive(&t, "64840003 00000003"); /* this server knows no Send: nothing but the event */
    assert_told(&t, "refused ");
    assert_true(lwm2m_device_registered(t.device));
    lwm2m_device_free(t.device);
}

static void deregisters(void **state)
{
    (void)state;
    struct device_test t;
    struct lwm2m_device_options o = test_device_options();
    test_device_registered(&t, &o);
    lwm2m_device_stop(t.device, t.now_ms);
    assert_sent(&t, 1, "44040002 00000002 b2 7264 01 37");
    test_receive(&t, "64420002 00000002");
    assert_told(&t, "deregistered ");
    assert_false(lwm2m_device_registered(t.device));
    assert_int_equal(lwm2m_device_next_wake(t.device), UINT64_MAX);
    lwm2m_device_free(t.device);
}

static void stopped_while_it_registers(void **state)
{
    (void)state;
    struct device_test t;
    struct lwm2m_device_options o = test_device_options();
    test_device_new(&t, &o);
    test_wake_at(&t, 1000000);
    lwm2m_device_stop(t.device, t.now_ms);
    t.sent = 0;
    test_receive(&t, "64410001 00000001 82 7264 01 37");
    assert_sent(&t, 1, "44040002 00000002 b2 7264 01 37");
    test_receive(&t, "64420002 00000002");
    assert_int_equal(lwm2m_device_next_wake(t.device), UINT64_MAX);
    lwm2m_device_free(t.device);
}

static void location_of_any_kind(void **state)
{
    (void)state;
    struct device_test t;
    struct lwm2m_device_options o = test_device_options();
    test_device_new(&t, &o);
    test_wake_at(&t, 1000000);
    /* "rd", "", a segment of 13 bytes */
    test_receive(&t, "64410001 00000001 82 7264 00 0d00 30313233343536373839616263");
    assert_told(&t, "registered ");
    t.sent = 0;
    test_wake_at(&t, lwm2m_device_next_wake(t.device));
    assert_sent(&t, 1, "44020002 00000002 b2 7264 00 0d00 30313233343536373839616263");
    lwm2m_device_free(t.device);
}

static void seeds_differ(void **state)
{
    (void)state;
    struct device_test a, b;
    struct lwm2m_device_options o = test_device_options();
    o.fixed_ids = false;
    test_device_new(&a, &o);
    o.seed = 2;
    test_device_new(&b, &o);
    test_wake_at(&a, 1000000);
    test_wake_at(&b, 1000000);
    assert_string_not_equal(a.last, b.last);
    lwm2m_device_free(a.device);
    lwm2m_device_free(b.device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers),
        cmocka_unit_test(retransmits_and_gives_up),
        cmocka_unit_test(takes_separate_response),
        cmocka_unit_test(separate_response_without_ack),
        cmocka_unit_test(registers_anew_after_not_found),
        cmocka_unit_test(waits_as_told_when_refused),
        cmocka_unit_test(update_that_is_never_answered),
        cmocka_unit_test(sends),
        cmocka_unit_test(deregisters),
        cmocka_unit_test(stopped_while_it_registers),
        cmocka_unit_test(location_of_any_kind),
        cmocka_unit_test(seeds_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
