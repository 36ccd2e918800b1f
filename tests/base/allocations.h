/* Lets one allocation of the program fail: the n-th from now on. For one source file of a test that is linked with
 * --wrap=malloc,--wrap=calloc,--wrap=realloc; allocations inside shared libraries are not reached. */
#ifndef TESTS_BASE_ALLOCATIONS_H
#define TESTS_BASE_ALLOCATIONS_H

#include <stdbool.h>
#include <stddef.h>

static size_t until_failure; /* which one fails; 0: none */
static bool failed;          /* it has; to be set back by the test */

static bool allocation_fails(void)
{
    if (until_failure == 0 || --until_failure > 0)
        return false;
    failed = true;
    return true;
}

#include "tests/base/allocation_wraps.h"

/* Runs the scenario with the first allocation failing, then the second, and so on until a run needs fewer; how many
 * runs that took. */
static inline unsigned long each_allocation_fails(void (*scenario)(void))
{
    unsigned long n = 0;
    do {
        until_failure = ++n;
        failed = false;
        scenario();
    } while (failed);
    until_failure = 0;
    return n;
}

#endif
