/* Pre-shared keys: from text, and the table of the devices that have one of their own. */
#include "tests/base/test.h"

#include <stdio.h>
#include <string.h>

#include "scef-adapter/leg_psk.h"

static struct leg_tls_psk psk(const char *identity, const char *hex)
{
    struct leg_tls_psk k;
    assert_true(leg_tls_psk_from_hex(identity, hex, &k));
    return k;
}

static void a_key_is_hex_of_1_to_64_bytes(void **state)
{
    (void)state;
    struct leg_tls_psk k = psk("me", "00fFa7");
    assert_string_equal(k.identity, "me");
    assert_int_equal(k.key_len, 3);
    assert_memory_equal(k.key, "\x00\xff\xa7", 3);
    char longest[131];
    memset(longest, 'a', sizeof(longest));
    longest[128] = '\0';
    assert_int_equal(psk("me", longest).key_len, 64);
    longest[128] = 'a';
    longest[130] = '\0';
    const char *const wrong[] = {"", "0", "012", "0g", "0x12", " 12", longest};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        assert_false(leg_tls_psk_from_hex("me", wrong[i], &k));
        assert_int_equal(k.key_len, 0);
    }
    char identity[130];
    memset(identity, 'i', sizeof(identity));
    identity[128] = '\0';
    assert_int_equal(strlen(psk(identity, "01").identity), 128);
    identity[128] = 'i';
    identity[129] = '\0';
    assert_false(leg_tls_psk_from_hex(identity, "01", &k));
}

static void put(struct leg_psks *p, uint32_t leg, const char *identity, const char *hex, bool change)
{
    const struct leg_tls_psk k = psk(identity, hex);
    bool changed = !change;
    assert_int_equal(leg_psks_set(p, leg, &k, &changed), OK);
    assert_int_equal(changed, change);
}

static void each_device_has_its_own(void **state)
{
    struct leg_psks p;
    struct leg_tls_psk k;
    char identity[32], hex[16];
    (void)state;
    leg_psks_init(&p, 1);
    assert_false(leg_psks_get(&p, 0, &k));
    for (uint32_t leg = 0; leg < 1000; leg += 2) {
        snprintf(identity, sizeof(identity), "device-%u", leg);
        snprintf(hex, sizeof(hex), "%08x", leg);
        put(&p, leg, identity, hex, true);
    }
    for (uint32_t leg = 0; leg < 1000; leg++) {
        const bool there = leg % 2 == 0;
        assert_int_equal(leg_psks_get(&p, leg, &k), there);
        snprintf(identity, sizeof(identity), "device-%u", leg);
        const uint8_t key[4] = {0, 0, (uint8_t)(leg >> 8), (uint8_t)leg};
        if (!there)
            continue;
        assert_string_equal(k.identity, identity);
        assert_int_equal(k.key_len, sizeof(key));
        assert_memory_equal(k.key, key, sizeof(key));
    }
    leg_psks_free(&p);
}

static void a_change_is_told(void **state)
{
    struct leg_psks p;
    struct leg_tls_psk k;
    bool changed;
    (void)state;
    leg_psks_init(&p, 1);
    put(&p, 7, "a", "0102", true);
    put(&p, 7, "a", "0102", false);
    put(&p, 7, "a", "0103", true);
    put(&p, 7, "b", "0103", true);
    put(&p, 7, "b", "010300", true);
    assert_true(leg_psks_get(&p, 7, &k));
    assert_string_equal(k.identity, "b");
    assert_int_equal(k.key_len, 3);
    /* The same bytes, but another boundary between the two. */
    put(&p, 8, "a1", "41", true);
    put(&p, 8, "a", "3141", true);
    assert_int_equal(leg_psks_set(&p, 7, NULL, &changed), OK);
    assert_true(changed);
    assert_false(leg_psks_get(&p, 7, &k));
    assert_int_equal(leg_psks_set(&p, 7, NULL, &changed), OK);
    assert_false(changed);
    leg_psks_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_hex_of_1_to_64_bytes),
        cmocka_unit_test(each_device_has_its_own),
        cmocka_unit_test(a_change_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
