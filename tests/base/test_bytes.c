#include <stdio.h>
#include <stdlib.h>

#include "tests/base/test.h"

static void slices(void **state)
{
    (void)state;
    struct bytes abc = BYTES_LIT("abc");
    assert_int_equal(abc.len, 3);
    assert_bytes_str(bytes_of_str("abc"), "abc");
    assert_int_equal(bytes_of_str(NULL).len, 0);
    assert_null(bytes_of_str(NULL).data);

    assert_true(bytes_equal(abc, bytes_of("abcd", 3)));
    assert_false(bytes_equal(abc, bytes_of("abcd", 4)));
    assert_false(bytes_equal(abc, BYTES_LIT("abd")));
    assert_true(bytes_equal(bytes_of(NULL, 0), bytes_of("x", 0)));

    assert_bytes_str(bytes_from(abc, 0), "abc");
    assert_bytes_str(bytes_from(abc, 2), "c");
    assert_int_equal(bytes_from(abc, 3).len, 0);
    assert_int_equal(bytes_from(abc, SIZE_MAX).len, 0);
    assert_int_equal(bytes_from(bytes_of(NULL, 0), 0).len, 0);
}

static void copies(void **state)
{
    (void)state;
    uint8_t *copy = bytes_dup(BYTES_LIT("a\0b"));
    assert_non_null(copy);
    assert_memory_equal(copy, "a\0b", 3);
    free(copy);

    copy = bytes_dup(bytes_of(NULL, 0));
    assert_non_null(copy);
    free(copy);

    char *str = bytes_dup_str(bytes_of("hello", 4));
    assert_string_equal(str, "hell");
    free(str);

    str = bytes_dup_str(bytes_of(NULL, 0));
    assert_string_equal(str, "");
    free(str);

    assert_null(bytes_dup_str(bytes_of("x", SIZE_MAX)));
}

static void hex(void **state)
{
    (void)state;
    char out[9];
    assert_string_equal(bytes_hex(bytes_of("\x00\xff\x1a\xA9", 4), out), "00ff1aa9");
    assert_string_equal(bytes_hex(bytes_of(NULL, 0), out), "");
}

static void buffer_grows(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_add(&b, bytes_of(NULL, 0));
    assert_null(b.data); /* nothing added, nothing allocated */
    for (unsigned i = 0; i < 1000; i++)
        buf_add_u8(&b, (uint8_t)i);
    assert_false(b.failed);
    assert_int_equal(b.len, 1000);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(b.data[i], i & 255);

    size_t cap = b.cap;
    buf_reset(&b);
    assert_int_equal(b.len, 0);
    assert_int_equal(b.cap, cap);
    buf_free(&b);
    assert_null(b.data);
    buf_free(&b);
}

static void buffer_numbers(void **state)
{
    (void)state;
    static const uint8_t want[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09,
                                   0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0xff, 'x',  'y'};
    struct buf b = {0};
    buf_add_be16(&b, 0x0102);
    buf_add_be32(&b, 0x03040506);
    buf_add_be64(&b, UINT64_C(0x0708090a0b0c0d0e));
    buf_add_u8(&b, 255);
    buf_add_str(&b, "xy");
    buf_add_str(&b, NULL);
    assert_true(bytes_equal(buf_bytes(&b), bytes_of(want, sizeof(want))));
    buf_free(&b);
}

static void buffer_formats(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_addf(&b, "%s", "");
    assert_int_equal(b.len, 0);
    /* Lengths round the edge of the room that is left: the text must not lose its last character to the NUL.
     */
    for (int n = 0; n < 200; n++) {
        buf_reset(&b);
        buf_addf(&b, "%d:", n);
        buf_addf(&b, "%*s|", n, "z");
        char want[256];
        snprintf(want, sizeof(want), "%d:%*s|", n, n, "z");
        assert_bytes_str(buf_bytes(&b), want);
    }
    buf_free(&b);
    buf_addf(&b, "%d", 7); /* into an unallocated buffer */
    assert_bytes_str(buf_bytes(&b), "7");
    buf_free(&b);
}

static void buffer_refuses_the_impossible(void **state)
{
    (void)state;
    struct buf b = {0};
    buf_add_u8(&b, 1);
    assert_null(buf_reserve(&b, SIZE_MAX));
    assert_true(b.failed);
    buf_add_u8(&b, 2); /* stays failed */
    assert_null(buf_reserve(&b, 0));
    assert_int_equal(b.len, 1);
    buf_reset(&b);
    buf_add_u8(&b, 3);
    assert_false(b.failed);
    assert_int_equal(b.len, 1);
    assert_non_null(buf_reserve(&b, 0));
    buf_free(&b);
}

static void reader_reads(void **state)
{
    (void)state;
    static const uint8_t data[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 'a', 'b'};
    struct reader r = {.rest = bytes_of(data, sizeof(data))};
    assert_int_equal(reader_u8(&r), 1);
    assert_int_equal(reader_be16(&r), 0x0203);
    assert_int_equal(reader_be32(&r), 0x04050607);
    assert_int_equal(reader_be64(&r), UINT64_C(0x08090a0b0c0d0e0f));
    assert_int_equal(reader_bytes(&r, 0).len, 0);
    assert_bytes_str(reader_bytes(&r, 2), "ab");
    assert_int_equal(r.rest.len, 0);
    assert_false(r.failed);
    assert_int_equal(reader_bytes(&r, 0).len, 0); /* nothing is a thing that can be read at the end */
    assert_false(r.failed);
    assert_int_equal(reader_u8(&r), 0);
    assert_true(r.failed);
}

/* Each read at each distance from the end: either it fits, or it fails, gives zero and takes nothing after
 * it. The data is on the heap at its exact size, so that the sanitizer sees a byte too many. */
static void reader_bounds(void **state)
{
    (void)state;
    for (size_t len = 0; len < 12; len++) {
        uint8_t *data = malloc(len ? len : 1);
        assert_non_null(data);
        memset(data, 0xee, len);
        for (size_t width = 1; width <= 9; width++) {
            struct reader r = {.rest = bytes_of(data, len)};
            uint64_t got = 0;
            switch (width) {
            case 1:
                got = reader_u8(&r);
                break;
            case 2:
                got = reader_be16(&r);
                break;
            case 4:
                got = reader_be32(&r);
                break;
            case 8:
                got = reader_be64(&r);
                break;
            default:
                got = reader_bytes(&r, width).len;
                break;
            }
            assert_int_equal(r.failed, width > len);
            assert_int_equal(got != 0, width <= len);
            assert_int_equal(r.rest.len, width <= len ? len - width : 0);
            if (r.failed) {
                assert_int_equal(reader_u8(&r), 0);
                assert_int_equal(reader_bytes(&r, 1).len, 0);
                assert_true(r.failed);
            }
        }
        struct reader huge = {.rest = bytes_of(data, len)};
        assert_int_equal(reader_bytes(&huge, SIZE_MAX).len, 0);
        assert_true(huge.failed);
        free(data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices),
        cmocka_unit_test(copies),
        cmocka_unit_test(hex),
        cmocka_unit_test(buffer_grows),
        cmocka_unit_test(buffer_numbers),
        cmocka_unit_test(buffer_formats),
        cmocka_unit_test(reader_reads),
        cmocka_unit_test(buffer_refuses_the_impossible),
        cmocka_unit_test(reader_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
