/* What --wrap=malloc,--wrap=calloc,--wrap=realloc puts in front of the allocator. For one source file of a test, which
 * defines   static bool allocation_fails(void)   before; with ALLOCATION_WRAPS_STRDUP also what --wrap=strdup does.
 * Allocations inside shared libraries are not reached. */
#ifndef TESTS_BASE_ALLOCATION_WRAPS_H
#define TESTS_BASE_ALLOCATION_WRAPS_H

#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

void *__wrap_malloc(size_t size)
{
    return allocation_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return allocation_fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return allocation_fails() ? NULL : __real_realloc(p, size);
}

#ifdef ALLOCATION_WRAPS_STRDUP
char *__real_strdup(const char *s);
char *__wrap_strdup(const char *s);

char *__wrap_strdup(const char *s)
{
    return allocation_fails() ? NULL : __real_strdup(s);
}
#endif

#endif
