/* Leg numbers and addresses: one to one, within the prefix, IPv4 and IPv6. */
#include "tests/base/test.h"

#include <arpa/inet.h>

#include "scef-adapter/config_keys.h"
#include "scef-adapter/leg_address.h"

static void check(const char *prefix, uint32_t leg, const char *address)
{
    struct config_prefix p;
    uint8_t out[16] = {0}, want[16] = {0};
    uint32_t back = 0;
    assert_true(config_prefix_parse(prefix, &p));
    assert_int_equal(inet_pton(p.ipv6 ? AF_INET6 : AF_INET, address, want), 1);
    assert_true(leg_address_of(&p, leg, out));
    assert_memory_equal(out, want, p.ipv6 ? 16 : 4);
    assert_true(leg_address_to_leg(&p, want, &back));
    assert_int_equal(back, leg);
}

static void refuse_leg(const char *prefix, uint32_t leg)
{
    struct config_prefix p;
    uint8_t out[16];
    assert_true(config_prefix_parse(prefix, &p));
    assert_false(leg_address_of(&p, leg, out));
}

static void refuse_address(const char *prefix, const char *address)
{
    struct config_prefix p;
    uint8_t a[16] = {0};
    uint32_t leg;
    assert_true(config_prefix_parse(prefix, &p));
    assert_int_equal(inet_pton(p.ipv6 ? AF_INET6 : AF_INET, address, a), 1);
    assert_false(leg_address_to_leg(&p, a, &leg));
}

static void test_ipv4(void **state)
{
    (void)state;
    check("127.64.0.0/10", 0, "127.64.0.1");
    check("127.64.0.0/10", 254, "127.64.0.255");
    check("127.64.0.0/10", 255, "127.64.1.0");
    check("127.64.0.0/10", (1u << 22) - 3, "127.127.255.254");
    check("10.0.0.4/30", 1, "10.0.0.6");
    refuse_leg("127.64.0.0/10", (1u << 22) - 2);
    refuse_leg("127.64.0.0/10", UINT32_MAX);
    refuse_leg("10.0.0.4/30", 2);
    refuse_address("127.64.0.0/10", "127.64.0.0");
    refuse_address("127.64.0.0/10", "127.127.255.255");
    refuse_address("127.64.0.0/10", "127.0.0.1");
    refuse_address("127.64.0.0/10", "10.64.0.1");
}

static void test_ipv6(void **state)
{
    (void)state;
    check("fd00:5ce::/64", 0, "fd00:5ce::1");
    check("fd00:5ce::/64", 0xffff, "fd00:5ce::1:0");
    check("fd00:5ce::/64", UINT32_MAX - 1, "fd00:5ce::ffff:ffff");
    check("fd00:5ce::10/124", 13, "fd00:5ce::1e");
    refuse_leg("fd00:5ce::10/124", 14);
    refuse_address("fd00:5ce::/64", "fd00:5ce::");
    refuse_address("fd00:5ce::/64", "fd00:5ce::1:0:0:1");
    refuse_address("fd00:5ce::/64", "fd00:5cf::1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ipv4), cmocka_unit_test(test_ipv6)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
