/* Includes the unit: the portable way is tested also where the processor has an instruction. */
#include "base/crc32c.c"

#include "base/prng.h"
#include "tests/base/test.h"

static uint32_t portable(struct bytes s)
{
    return ~update_portable(~UINT32_C(0), s.data, s.len);
}

/* RFC 3720 appendix B.4, and the check value of the CRC catalogues */
static void vectors(void **state)
{
    (void)state;
    uint8_t data[32] = {0};
    assert_int_equal(crc32c(0, bytes_of(NULL, 0)), 0);
    assert_int_equal(crc32c(0, BYTES_LIT("123456789")), 0xe3069283);
    assert_int_equal(portable(BYTES_LIT("123456789")), 0xe3069283);
    assert_int_equal(crc32c(0, bytes_of(data, 32)), 0x8a9136aa);
    assert_int_equal(portable(bytes_of(data, 32)), 0x8a9136aa);
    memset(data, 0xff, 32);
    assert_int_equal(crc32c(0, bytes_of(data, 32)), 0x62a8ab43);
    for (uint8_t i = 0; i < 32; i++)
        data[i] = i;
    assert_int_equal(crc32c(0, bytes_of(data, 32)), 0x46dd794e);
}

static void chains_and_agrees(void **state)
{
    (void)state;
    struct prng p;
    uint8_t data[257];
    prng_seed(&p, 3);
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)prng_next(&p);
    for (size_t len = 0; len <= sizeof(data); len++) {
        uint32_t whole = crc32c(0, bytes_of(data, len));
        assert_int_equal(portable(bytes_of(data, len)), whole);
        size_t cut = prng_below(&p, len + 1);
        uint32_t head = crc32c(0, bytes_of(data, cut));
        assert_int_equal(crc32c(head, bytes_of(data + cut, len - cut)), whole);
    }
}

static void sees_every_flipped_bit(void **state)
{
    (void)state;
    uint8_t data[40] = "a record of the store, forty bytes long";
    uint32_t good = crc32c(0, bytes_of(data, sizeof(data)));
    for (size_t bit = 0; bit < 8 * sizeof(data); bit++) {
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(crc32c(0, bytes_of(data, sizeof(data))), good);
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors),
        cmocka_unit_test(chains_and_agrees),
        cmocka_unit_test(sees_every_flipped_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
