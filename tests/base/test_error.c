#include "base/error.h"

#include "tests/base/test.h"

static void table(void **state)
{
    (void)state;
    assert_int_equal(OK, 0);
    assert_string_equal(error_name(OK), "OK");
    assert_string_equal(error_name(ERR_NOT_JSON), "ERR_NOT_JSON");
    assert_string_equal(error_text(ERR_NOT_JSON), "body is not JSON");
    assert_int_equal(error_http_status(ERR_NOT_JSON), 400);
    assert_string_equal(error_t8_cause(ERR_NOT_JSON), "INVALID_MSG_FORMAT");
    assert_int_equal(error_coap_code(ERR_NOT_JSON), 0);
    assert_int_equal(error_coap_code(ERR_QUEUE_FULL), 0xa3); /* 5.03 */
}

static void every_error_can_be_told(void **state)
{
    (void)state;
    for (int i = 0; i < ERROR_COUNT; i++) {
        enum error e = (enum error)i;
        assert_non_null(error_name(e));
        assert_true(strlen(error_text(e)) > 0);
        assert_non_null(error_t8_cause(e));
        assert_true(e == OK || (error_http_status(e) >= 400 && error_http_status(e) <= 599));
        int class_ = error_coap_code(e) >> 5;
        assert_true(error_coap_code(e) == 0 || class_ == 4 || class_ == 5);
        for (int j = 0; j < i; j++)
            assert_string_not_equal(error_text(e), error_text((enum error)j));
    }
}

static void numbers_outside_the_table(void **state)
{
    (void)state;
    assert_string_equal(error_name(ERROR_COUNT), "ERR_SYSTEM");
    assert_string_equal(error_text((enum error)1000), error_text(ERR_SYSTEM));
    assert_int_equal(error_http_status((enum error)(-1)), 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(table),
        cmocka_unit_test(every_error_can_be_told),
        cmocka_unit_test(numbers_outside_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
