/* The n-th allocation fails, for n = 1, 2, 3 ... until a run succeeds: an error is told each time, nothing is
 * lost and nothing leaks (the sanitizer watches). */
#include <stdlib.h>

#include "base/map.h"
#include "base/slab.h"
#include "tests/base/test.h"

static long allocations_left = -1; /* -1: no limit */
static bool refused;

static bool allow(void)
{
    if (allocations_left < 0)
        return true;
    if (allocations_left > 0) {
        allocations_left--;
        return true;
    }
    refused = true;
    return false;
}

/* Put in place of the allocator by the linker (--wrap). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size)
{
    return allow() ? __real_malloc(size) : NULL;
}

void *__wrap_calloc(size_t n, size_t size)
{
    return allow() ? __real_calloc(n, size) : NULL;
}

void *__wrap_realloc(void *old, size_t size)
{
    return allow() ? __real_realloc(old, size) : NULL;
}

/* Runs fn, which says whether all went well, with ever more allocations allowed. */
static void until_it_succeeds(bool (*fn)(void))
{
    for (long n = 0;; n++) {
        assert_true(n < 100);
        allocations_left = n;
        refused = false;
        bool ok = fn();
        allocations_left = -1;
        assert_int_equal(ok, !refused);
        if (ok) {
            assert_true(n > 0);
            return;
        }
    }
}

static bool fill_buffer(void)
{
    struct buf b = {0};
    for (unsigned i = 0; i < 500; i++) {
        size_t before = b.len;
        bool failed_before = b.failed;
        buf_addf(&b, "%u,", i);
        buf_add_be32(&b, i);
        buf_add_str(&b, "text");
        if (failed_before)
            assert_int_equal(b.len, before);
    }
    bool ok = !b.failed;
    buf_free(&b);
    return ok;
}

static bool copy_bytes(void)
{
    uint8_t *a = bytes_dup(BYTES_LIT("abc"));
    char *b = bytes_dup_str(BYTES_LIT("abc"));
    bool ok = a && b;
    free(a);
    free(b);
    return ok;
}

static bool base64_both_ways(void)
{
    struct buf text = {0};
    struct buf back = {0};
    base64_encode(BYTES_LIT("some bytes that are told in base64, more than a small buffer takes"), &text);
    enum error e = base64_decode(buf_bytes(&text), &back);
    assert_int_equal(e == ERR_NO_MEMORY, back.failed);
    bool ok = !text.failed && e == OK;
    buf_free(&text);
    buf_free(&back);
    return ok;
}

static struct bytes number_key(const void *value)
{
    return bytes_of(value, sizeof(uint32_t));
}

static bool fill_map(void)
{
    static uint32_t numbers[1000];
    struct map m;
    bool ok = true;
    size_t put = 0;
    map_init(&m, number_key, 3);
    for (uint32_t i = 0; i < 1000; i++) {
        numbers[i] = i;
        enum error e = map_put(&m, &numbers[i]);
        if (e != OK) {
            assert_int_equal(e, ERR_NO_MEMORY);
            ok = false;
            break;
        }
        put++;
    }
    assert_int_equal(m.count, put); /* as it was */
    for (uint32_t i = 0; i < 1000; i++) {
        numbers[i] = i;
        assert_ptr_equal(map_get(&m, number_key(&numbers[i])), i < put ? &numbers[i] : NULL);
    }
    map_free(&m);
    return ok;
}

static bool fill_slab(void)
{
    struct slab s;
    bool ok = true;
    handle h = 0;
    uint32_t made = 0;
    slab_init(&s, 40);
    for (uint32_t i = 0; i < 5000 && ok; i++) {
        ok = slab_new(&s, &h) != NULL;
        made += ok;
    }
    assert_int_equal(s.live, made);
    assert_true(made == 0 || slab_get(&s, h));
    if (made && !ok) { /* a free place needs no memory */
        slab_delete(&s, h);
        assert_non_null(slab_new(&s, &h));
    }
    slab_free(&s);
    return ok;
}

static void buffers(void **state)
{
    (void)state;
    until_it_succeeds(fill_buffer);
    until_it_succeeds(copy_bytes);
    until_it_succeeds(base64_both_ways);
}

static void maps(void **state)
{
    (void)state;
    until_it_succeeds(fill_map);
}

static void slabs(void **state)
{
    (void)state;
    until_it_succeeds(fill_slab);
}

static void impossible_sizes(void **state)
{
    (void)state;
    struct slab s;
    handle h;
    slab_init(&s, SIZE_MAX / 100); /* times the objects of a chunk it does not fit a size_t */
    assert_null(slab_new(&s, &h));
    slab_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffers),
        cmocka_unit_test(maps),
        cmocka_unit_test(slabs),
        cmocka_unit_test(impossible_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
