#include <stdlib.h>

#include "base/prng.h"
#include "tests/base/test.h"

/* RFC 4648 section 10 */
static const struct {
    const char *plain, *coded;
} vectors[] = {{"", ""},
               {"f", "Zg=="},
               {"fo", "Zm8="},
               {"foo", "Zm9v"},
               {"foob", "Zm9vYg=="},
               {"fooba", "Zm9vYmE="},
               {"foobar", "Zm9vYmFy"}};

/* Decodes from heap memory of exactly the text's size, after a byte that must stay. */
static enum error decode(const char *text, struct buf *out)
{
    size_t len = strlen(text);
    char *exact = malloc(len ? len : 1);
    assert_non_null(exact);
    memcpy(exact, text, len);
    buf_reset(out);
    buf_add_u8(out, '>');
    enum error e = base64_decode(bytes_of(exact, len), out);
    assert_int_equal(out->data[0], '>');
    free(exact);
    return e;
}

static void assert_decodes(const char *text, const char *want)
{
    struct buf out = {0};
    assert_int_equal(decode(text, &out), OK);
    assert_bytes_str(bytes_from(buf_bytes(&out), 1), want);
    buf_free(&out);
}

static void assert_refused(const char *text)
{
    struct buf out = {0};
    assert_int_equal(decode(text, &out), ERR_BASE64);
    assert_int_equal(out.len, 1);
    assert_false(out.failed);
    buf_free(&out);
}

static void rfc_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        struct buf out = {0};
        base64_encode(bytes_of_str(vectors[i].plain), &out);
        assert_bytes_str(buf_bytes(&out), vectors[i].coded);
        buf_free(&out);
        assert_decodes(vectors[i].coded, vectors[i].plain);
    }
}

static void accepts(void **state)
{
    (void)state;
    /* no padding */
    assert_decodes("Zg", "f");
    assert_decodes("Zm8", "fo");
    assert_decodes("Zm9vYg", "foob");
    /* white space anywhere, also round the padding */
    assert_decodes(" Z\tm\r\n9 v ", "foo");
    assert_decodes("Zm9vYmFyZm9vYmFy\r\nZm9vYmFyZm9vYg = =\n", "foobarfoobarfoobarfoob");
    assert_decodes("Zm9vYmF yZm9vYmFyZm9vYmFy", "foobarfoobarfoobar");
    assert_decodes("   ", "");
    /* bits that no byte uses */
    assert_decodes("Zh==", "f");
    assert_decodes("Zm9=", "fo");
    assert_decodes("Zv", "f");
}

static void refuses(void **state)
{
    (void)state;
    /* clang-format off */
    static const char *const bad[] = {
        "Z",        "Zm9vY",                "Z===",         "Z=",       /* six bits left over */
        "=",        "====",                 "Zm9v=",        "Zm9v====", /* padding of a whole group */
        "Zg=",      "Zm8==",                "Zg===",                    /* too little, too much */
        "Zg==Zg==", "Zg=a",                 "Zm8=a",        "Zg==!",    /* padding that is not the end */
        "Zm9-",     "Zm9_",                 "-_-_-_-_-_-_",             /* the url-safe alphabet */
        "Zm9v!",    "!Zm9vYmFy",            "Zm9vYmF,Zm9vYmFy",         /* garbage */
        "Zm9v\x80", "Zm9vYm\xff/Zm9vYmFy", "Zm9v\v",       "\f",
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_refused(bad[i]);

    struct buf out = {0};
    assert_int_equal(base64_decode(bytes_of("Zm\0v", 4), &out), ERR_BASE64);
    assert_int_equal(out.len, 0);
    buf_free(&out);
}

/* Every wrong byte value at every place of a text that the fast path takes. */
static void refuses_each_byte_outside_the_alphabet(void **state)
{
    (void)state;
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct buf out = {0};
    for (size_t place = 0; place < 24; place++) {
        for (unsigned c = 0; c < 256; c++) {
            char text[25] = "QUJDREVGR0hJSktMTU5PUFFS";
            text[place] = (char)c;
            bool known = c != 0 && strchr(alphabet, (int)c);
            bool white = c == ' ' || c == '\t' || c == '\r' || c == '\n';
            bool padding = c == '=' && place == 23;
            buf_reset(&out);
            enum error e = base64_decode(bytes_of(text, 24), &out);
            assert_int_equal(e, known || white || padding ? OK : ERR_BASE64);
            assert_int_equal(out.len, known ? 18 : white || padding ? 17 : 0);
        }
    }
    buf_free(&out);
}

/* All lengths, random bytes, with and without padding, broken lines, appended to what is there. */
static void round_trips(void **state)
{
    (void)state;
    struct prng p;
    prng_seed(&p, 20);
    for (size_t len = 0; len < 300; len++) {
        uint8_t data[300];
        for (size_t i = 0; i < len; i++)
            data[i] = (uint8_t)prng_next(&p);
        struct buf text = {0};
        struct buf broken = {0};
        struct buf back = {0};
        base64_encode(bytes_of(data, len), &text);
        assert_int_equal(text.len, (len + 2) / 3 * 4);

        assert_int_equal(base64_decode(buf_bytes(&text), &back), OK);
        assert_true(bytes_equal(buf_bytes(&back), bytes_of(data, len)));

        struct bytes bare = buf_bytes(&text);
        while (bare.len > 0 && bare.data[bare.len - 1] == '=')
            bare.len--;
        assert_int_equal(base64_decode(bare, &back), OK);
        assert_int_equal(back.len, 2 * len);
        assert_true(bytes_equal(bytes_from(buf_bytes(&back), len), bytes_of(data, len)));

        for (size_t i = 0; i < text.len; i++) {
            while (prng_below(&p, 13) == 0)
                buf_add_u8(&broken, (uint8_t)" \t\r\n"[prng_below(&p, 4)]);
            buf_add_u8(&broken, text.data[i]);
        }
        buf_reset(&back);
        assert_int_equal(base64_decode(buf_bytes(&broken), &back), OK);
        assert_true(bytes_equal(buf_bytes(&back), bytes_of(data, len)));
        buf_free(&text);
        buf_free(&broken);
        buf_free(&back);
    }
}

/* Into fresh buffers behind what is there already: the memory reserved is enough at each length (the sanitizer
 * watches, most of all where it comes to a power of two). */
static void reserves_enough(void **state)
{
    (void)state;
    static const char text[] = "QUJDREVGR0hJSktMQUJDREVGR0hJSktMQUJDREVGR0hJSktMQUJDREVGR0hJSktMQUJDREVGR0hJSktM"
                               "QUJDREVGR0hJSktMQUJDREVGR0hJSktMQUJDREVGR0hJSktMQUJDREVGR0hJSktMQUJDREVGR0hJSktM"
                               "QUJDREVGR0hJSktMQUJDREVGR0hJSktMQUJDREVGR0hJSktMQUJDREVGR0hJSktMQUJDREVGR0hJSktM";
    for (size_t len = 0; len < sizeof(text); len++) {
        for (size_t before = 0; before < 12; before++) {
            struct buf out = {0};
            buf_add(&out, bytes_of("............", before));
            assert_int_equal(base64_decode(bytes_of(text, len), &out), len % 4 == 1 ? ERR_BASE64 : OK);
            assert_int_equal(out.len, before + (len % 4 == 1 ? 0 : len * 3 / 4));
            buf_free(&out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_vectors), cmocka_unit_test(accepts),
        cmocka_unit_test(refuses),     cmocka_unit_test(refuses_each_byte_outside_the_alphabet),
        cmocka_unit_test(round_trips), cmocka_unit_test(reserves_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
