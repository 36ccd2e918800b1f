/* What every cmocka test file needs, in the order cmocka needs it. */
#ifndef TESTS_BASE_TEST_H
#define TESTS_BASE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TEST_UNDER_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define TEST_UNDER_ASAN 1
#endif

static inline void assert_bytes_str(struct bytes got, const char *want)
{
    assert_int_equal(got.len, strlen(want));
    assert_true(bytes_equal(got, bytes_of_str(want)));
}

#endif
