/* JSON Patch, RFC 6902. */
#include "t8/json_patch.h"

#include "tests/base/test.h"

/* Applies the patch; `want` is the document then, or NULL for the error. */
static void patched(const char *document, const char *patch, const char *want, enum error error)
{
    struct buf out = {0};
    struct t8_problem p = {0};
    enum error err = t8_json_patch(bytes_of_str(document), bytes_of_str(patch), &out, &p);
    if (err != error)
        fail_msg("%s: %s", patch, error_name(err));
    if (want != NULL)
        assert_bytes_str(buf_bytes(&out), want);
    else
        assert_int_equal(out.len, 0);
    buf_free(&out);
}

static void good(const char *document, const char *patch, const char *want)
{
    patched(document, patch, want, OK);
}

static void bad(const char *document, const char *patch)
{
    patched(document, patch, NULL, ERR_MEMBER_TYPE);
}

static void add(void **state)
{
    (void)state;
    good("{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/b\",\"value\":[1]}]", "{\"a\":1,\"b\":[1]}");
    good("{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/a\",\"value\":null}]", "{\"a\":null}");
    good("{\"a\":[1,3]}", "[{\"op\":\"add\",\"path\":\"/a/1\",\"value\":2}]", "{\"a\":[1,2,3]}");
    good("{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/-\",\"value\":2}]", "{\"a\":[1,2]}");
    good("{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/1\",\"value\":2}]", "{\"a\":[1,2]}");
    good("{}", "[{\"op\":\"add\",\"path\":\"/~1~0\",\"value\":2}]", "{\"/~\":2}");
    good("{}", "[{\"op\":\"add\",\"path\":\"/\",\"value\":2}]", "{\"\":2}");
    good("{\"a\":1}", "[{\"op\":\"add\",\"path\":\"\",\"value\":{\"b\":2}}]", "{\"b\":2}");
    good("{}", "[{\"op\":\"add\",\"path\":\"/b\",\"value\":2,\"extra\":3}]", "{\"b\":2}");
    bad("{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/b/c\",\"value\":2}]");
    bad("{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/a/c\",\"value\":2}]");
    bad("{\"a\":[]}", "[{\"op\":\"add\",\"path\":\"/a/1\",\"value\":2}]");
    bad("{\"a\":[1,2]}", "[{\"op\":\"add\",\"path\":\"/a/01\",\"value\":2}]");
    bad("{\"a\":[1,2]}", "[{\"op\":\"add\",\"path\":\"/a/+1\",\"value\":2}]");
    bad("{\"a\":[1,2]}", "[{\"op\":\"add\",\"path\":\"/a/99999999999999999999\",\"value\":2}]");
    bad("{}", "[{\"op\":\"add\",\"path\":\"b\",\"value\":2}]");
    bad("{}", "[{\"op\":\"add\",\"path\":\"/b~\",\"value\":2}]");
    bad("{}", "[{\"op\":\"add\",\"path\":\"/b~2\",\"value\":2}]");
}

static void remove_and_replace(void **state)
{
    (void)state;
    good("{\"a\":1,\"b\":[1,2]}", "[{\"op\":\"remove\",\"path\":\"/b/0\"},{\"op\":\"remove\",\"path\":\"/a\"}]",
         "{\"b\":[2]}");
    good("{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":{\"x\":[]}}]", "{\"a\":{\"x\":[]}}");
    good("{\"a\":[1,2]}", "[{\"op\":\"replace\",\"path\":\"/a/1\",\"value\":3}]", "{\"a\":[1,3]}");
    good("{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":[]}]", "[]");
    bad("{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"/b\"}]");
    bad("{\"a\":[1]}", "[{\"op\":\"remove\",\"path\":\"/a/-\"}]");
    bad("{\"a\":[1]}", "[{\"op\":\"remove\",\"path\":\"/a/1\"}]");
    bad("{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"\"}]");
    bad("{\"a\":1}", "[{\"op\":\"remove\",\"path\":\"/a/b/c\"}]");
    bad("{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"/b\",\"value\":1}]");
    bad("{\"a\":[1]}", "[{\"op\":\"replace\",\"path\":\"/a/-\",\"value\":1}]");
}

static void move_copy_test(void **state)
{
    (void)state;
    good("{\"a\":{\"b\":1}}", "[{\"op\":\"move\",\"from\":\"/a/b\",\"path\":\"/c\"}]", "{\"a\":{},\"c\":1}");
    good("{\"a\":[1,2,3]}", "[{\"op\":\"move\",\"from\":\"/a/0\",\"path\":\"/a/2\"}]", "{\"a\":[2,3,1]}");
    good("{\"a\":{\"b\":1}}",
         "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/c\"},{\"op\":\"add\",\"path\":\"/c/d\",\"value\":2}]",
         "{\"a\":{\"b\":1},\"c\":{\"b\":1,\"d\":2}}");
    good("{\"a\":{\"b\":[1,\"x\"]}}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":{\"b\":[1,\"x\"]}}]",
         "{\"a\":{\"b\":[1,\"x\"]}}");
    bad("{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":2}]");
    bad("{\"a\":1}", "[{\"op\":\"test\",\"path\":\"/b\",\"value\":1}]");
    bad("{\"a\":{}}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a/b\"}]");
    bad("{\"a\":{}}", "[{\"op\":\"move\",\"from\":\"\",\"path\":\"/b\"}]");
    bad("{\"a\":{}}", "[{\"op\":\"move\",\"from\":\"/x\",\"path\":\"/b\"}]");
    bad("{\"a\":{}}", "[{\"op\":\"copy\",\"from\":\"/x\",\"path\":\"/b\"}]");
    /* a value that was put in is no part of the patch any more */
    good("{}",
         "[{\"op\":\"add\",\"path\":\"/a\",\"value\":{}},{\"op\":\"add\",\"path\":\"/a/b\",\"value\":1},"
         "{\"op\":\"add\",\"path\":\"/c\",\"value\":{}}]",
         "{\"a\":{\"b\":1},\"c\":{}}");
}

static void all_or_nothing(void **state)
{
    (void)state;
    struct buf out = {0};
    struct t8_problem p = {0};
    buf_add_str(&out, "before");
    struct bytes patch =
        BYTES_LIT("[{\"op\":\"add\",\"path\":\"/b\",\"value\":1},{\"op\":\"remove\",\"path\":\"/x\"}]");
    assert_int_equal(t8_json_patch(BYTES_LIT("{}"), patch, &out, &p), ERR_MEMBER_TYPE);
    assert_bytes_str(buf_bytes(&out), "before");
    assert_bytes_str(p.invalid_param, "/1");
    assert_bytes_str(p.invalid_reason, "path leads nowhere");
    assert_int_equal(
        t8_json_patch(BYTES_LIT("{}"), BYTES_LIT("[{\"op\":\"add\",\"path\":\"/b\",\"value\":1}]"), &out, NULL), OK);
    assert_bytes_str(buf_bytes(&out), "before{\"b\":1}");
    buf_free(&out);
}

static void no_patches(void **state)
{
    (void)state;
    bad("{}", "[]");
    bad("{}", "{\"op\":\"add\",\"path\":\"/b\",\"value\":2}");
    bad("{}", "1");
    bad("{}", "[1]");
    bad("{}", "[{\"op\":\"frob\",\"path\":\"/a\"}]");
    patched("{}", "[{\"op\":\"add\",\"path\":\"/a\"}]", NULL, ERR_MEMBER_MISSING);
    patched("{}", "[{\"path\":\"/a\",\"value\":1}]", NULL, ERR_MEMBER_MISSING);
    patched("{}", "[{\"op\":\"add\",\"value\":1}]", NULL, ERR_MEMBER_MISSING);
    patched("{}", "[{\"op\":\"move\",\"path\":\"/a\"}]", NULL, ERR_MEMBER_MISSING);
    patched("{}", "[", NULL, ERR_NOT_JSON);
    patched("{}", "", NULL, ERR_NOT_JSON);
    patched("[]", "[{\"op\":\"add\",\"path\":\"/a\",\"value\":1}]", NULL, ERR_MEMBER_TYPE);
}

/* Copies of copies, and values put into each other, would grow without end. */
static void bounded(void **state)
{
    (void)state;
    struct buf patch = {0};
    buf_add_str(&patch, "[{\"op\":\"add\",\"path\":\"/a\",\"value\":{}}");
    for (unsigned i = 0; i < 40; i++)
        buf_add_str(&patch, ",{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/b\"}");
    buf_add_str(&patch, "]");
    buf_add_u8(&patch, 0);
    patched("{}", (const char *)patch.data, NULL, ERR_TOO_DEEP);
    buf_reset(&patch);
    buf_add_str(&patch, "[{\"op\":\"add\",\"path\":\"/a\",\"value\":{}}");
    char path[256] = "/a";
    for (unsigned i = 0; i < 20; i++) {
        strcat(path, "/a");
        buf_addf(&patch, ",{\"op\":\"add\",\"path\":\"%s\",\"value\":{}}", path);
    }
    buf_add_str(&patch, "]");
    buf_add_u8(&patch, 0);
    patched("{}", (const char *)patch.data, NULL, ERR_TOO_DEEP);
    buf_reset(&patch);
    buf_add_str(&patch, "[{\"op\":\"add\",\"path\":\"/a\",\"value\":\"");
    for (unsigned i = 0; i < T8_MAX_BODY_BYTES / 2 - 1000; i++)
        buf_add_u8(&patch, 'x');
    buf_add_str(&patch, "\"}");
    for (unsigned i = 0; i < 3; i++)
        buf_addf(&patch, ",{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/b%u\"}", i);
    buf_add_str(&patch, "]");
    buf_add_u8(&patch, 0);
    patched("{}", (const char *)patch.data, NULL, ERR_TOO_LARGE);
    buf_free(&patch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(add),
        cmocka_unit_test(remove_and_replace),
        cmocka_unit_test(move_copy_test),
        cmocka_unit_test(all_or_nothing),
        cmocka_unit_test(no_patches),
        cmocka_unit_test(bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
