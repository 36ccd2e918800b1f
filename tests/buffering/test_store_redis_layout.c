/* Keys of records to keys and fields of Redis, and back; pure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"
#include "buffering/record.h"
#include "buffering/store_redis_layout.h"
#include "buffering/store_redis_script.h"

#define KEY_BYTES 511 /* STORE_KEY_MAX */

static void assert_place(struct bytes key, const char *hash, struct bytes field)
{
    struct redis_place place = {0};
    redis_place_find("p", key, &place);
    if (!bytes_equal(buf_bytes(&place.key), bytes_of_str(hash)) || !bytes_equal(buf_bytes(&place.field), field))
        fail_msg("%.*s is not %s", (int)place.key.len, (const char *)place.key.data, hash);
    redis_place_free(&place);
}

static void test_where_records_lie(void **state)
{
    (void)state;
    assert_place(BYTES_LIT("ddev1@x\0"), "p:{dev1@x}", BYTES_LIT("d"));
    assert_place(BYTES_LIT("mdev1@x\0\0\0\0\0\0\0\1\2"), "p:{dev1@x}", BYTES_LIT("m\1\2"));
    assert_place(BYTES_LIT("udev1@x\0\0\0\0\0\0\0\0\0"), "p:{dev1@x}", BYTES_LIT("u\0"));
    assert_place(BYTES_LIT("odev1@x\0\1\0\0\0\0\0\0\0"), "p:{dev1@x}", BYTES_LIT("o\1\0\0\0\0\0\0\0"));
    assert_place(BYTES_LIT("mdev1@x\0short"), "p:r:6d", BYTES_LIT("mdev1@x\0short")); /* no record of ours */
    assert_place(BYTES_LIT("d\0"), "p:r:64", BYTES_LIT("d\0"));
    assert_place(BYTES_LIT("cgroup\0\0\0\0\0\0\0\0\0"), "p:r:63", BYTES_LIT("cgroup\0\0\0\0\0\0\0\0\0"));
    assert_place(BYTES_LIT("s"), "p:r:73", BYTES_LIT("s"));
    assert_place(BYTES_LIT("l\0\0\0\101"), "p:l:0001", BYTES_LIT("1"));
    assert_place(BYTES_LIT("l\0\1\0\0"), "p:l:0400", BYTES_LIT("0"));
    assert_place(BYTES_LIT("l\377\377\377\377"), "p:l:3ffffff", BYTES_LIT("63"));
}

static size_t key_random(struct prng *p, uint8_t key[KEY_BYTES])
{
    static const char kinds[] = "ddmmuuoollnncsxL\0\xff";
    const size_t len = 1 + prng_below(p, prng_below(p, 4) ? 24 : KEY_BYTES - 1);
    for (size_t i = 0; i < len; i++)
        key[i] = (uint8_t)(prng_below(p, 4) ? 'a' + prng_below(p, 26) : prng_next(p));
    key[0] = (uint8_t)kinds[prng_below(p, sizeof(kinds) - 1)];
    if (len > 10 && prng_below(p, 2))
        key[len - 9] = 0; /* as in front of a sequence */
    else if (prng_below(p, 2))
        key[len - 1] = 0;
    for (size_t i = len > 8 ? len - 8 : len; i < len && prng_below(p, 4); i++)
        key[i] = 0;
    return len;
}

static void test_there_and_back(void **state)
{
    struct prng p;
    unsigned devices = 0;
    (void)state;
    prng_seed(&p, 1);
    for (int i = 0; i < 200000; i++) {
        uint8_t memory[KEY_BYTES];
        struct redis_place place = {0};
        struct redis_hash_name name;
        struct buf back = {0};
        const struct bytes key = bytes_of(memory, key_random(&p, memory));
        redis_place_find("scef", key, &place);
        if (!redis_hash_parse("scef", buf_bytes(&place.key), &name) ||
            !redis_record_key(&name, buf_bytes(&place.field), &back) || !bytes_equal(buf_bytes(&back), key)) {
            char text[2 * KEY_BYTES + 1];
            fail_msg("%s", bytes_hex(key, text));
        }
        assert_int_equal(name.what == REDIS_HASH_DEVICE, place.device.len > 0);
        devices += name.what == REDIS_HASH_DEVICE;
        redis_place_free(&place);
        buf_free(&back);
    }
    assert_true(devices > 10000);
}

/* Whatever stands in Redis: no crash. */
static void test_foreign_keys(void **state)
{
    static const char *const keys[] = {"",
                                       "scef",
                                       "scef:",
                                       "scef:{",
                                       "scef:{}",
                                       "scef:{a",
                                       "scef:l:",
                                       "scef:l:zz",
                                       "scef:l:00000000000",
                                       "scef:p:0001",
                                       "scef:owner",
                                       "scex:{a}",
                                       "scef:n:0000"};
    struct prng p;
    (void)state;
    prng_seed(&p, 2);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        for (int n = 0; n < 200; n++) {
            struct redis_hash_name name;
            struct buf back = {0};
            uint8_t field[16];
            for (size_t f = 0; f < sizeof(field); f++)
                field[f] = (uint8_t)prng_next(&p);
            if (redis_hash_parse("scef", bytes_of_str(keys[i]), &name))
                (void)redis_record_key(&name, bytes_of(field, prng_below(&p, sizeof(field))), &back);
            buf_free(&back);
        }
    }
}

static void test_commands(void **state)
{
    struct buf out = {0};
    (void)state;
    resp_command(&out, 3);
    resp_arg_str(&out, "SET");
    resp_arg(&out, BYTES_LIT("a\0b"));
    resp_arg_number(&out, UINT64_MAX);
    assert_true(
        bytes_equal(buf_bytes(&out), BYTES_LIT("*3\r\n$3\r\nSET\r\n$3\r\na\0b\r\n$20\r\n18446744073709551615\r\n")));
    buf_reset(&out);
    resp_arg_number(&out, 0);
    resp_arg(&out, (struct bytes){0});
    assert_true(bytes_equal(buf_bytes(&out), BYTES_LIT("$1\r\n0\r\n$0\r\n\r\n")));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where_records_lie),
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_foreign_keys),
        cmocka_unit_test(test_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
