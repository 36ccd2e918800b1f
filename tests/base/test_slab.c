#include <stdlib.h>

#include "base/prng.h"
#include "base/slab.h"
#include "tests/base/test.h"

struct object {
    uint64_t number;
    char text[33]; /* an odd size */
};

static void stale_handles(void **state)
{
    (void)state;
    struct slab s;
    handle first;
    handle second;
    slab_init(&s, sizeof(struct object));
    assert_null(slab_get(&s, 0));
    assert_null(slab_get(&s, UINT64_MAX));

    struct object *a = slab_new(&s, &first);
    assert_non_null(a);
    assert_int_not_equal(first >> 32, 0);
    assert_ptr_equal(slab_get(&s, first), a);
    a->number = 7;
    slab_delete(&s, first);
    assert_null(slab_get(&s, first));

    struct object *b = slab_new(&s, &second);
    assert_ptr_equal(a, b); /* the same place ... */
    assert_int_equal(b->number, 0);
    assert_int_not_equal(first, second);
    assert_null(slab_get(&s, first)); /* ... and still the old handle is stale */
    slab_delete(&s, first);
    slab_delete(&s, first);
    assert_int_equal(s.live, 1);
    assert_ptr_equal(slab_get(&s, second), b);

    /* made-up handles: the generation of a free place, another index, an index beyond all */
    slab_delete(&s, second);
    for (uint64_t generation = 0; generation < 8; generation++) {
        assert_null(slab_get(&s, generation << 32));
        assert_null(slab_get(&s, generation << 32 | 1));
        assert_null(slab_get(&s, generation << 32 | 5000));
        assert_null(slab_get(&s, generation << 32 | UINT32_MAX));
    }
    assert_int_equal(s.live, 0);
    slab_free(&s);
    assert_null(slab_get(&s, second));
    slab_free(&s);
}

static void aligned_zeroed_and_steady(void **state)
{
    (void)state;
    enum { N = 5000 };
    struct slab s;
    static handle handles[N];
    static struct object *objects[N];
    slab_init(&s, sizeof(struct object));
    for (size_t i = 0; i < N; i++) {
        objects[i] = slab_new(&s, &handles[i]);
        assert_int_equal((uintptr_t)objects[i] % _Alignof(max_align_t), 0);
        assert_int_equal(objects[i]->number, 0);
        memset(objects[i], 0xff, sizeof(struct object));
        objects[i]->number = i;
    }
    for (size_t i = 0; i < N; i++) {
        assert_ptr_equal(slab_get(&s, handles[i]), objects[i]);
        assert_int_equal(objects[i]->number, i);
    }
    slab_free(&s);
}

/* Random new and delete against an array of what must live. */
static void against_model(void **state)
{
    (void)state;
    enum { N = 3000 };
    static struct {
        handle h;
        uint64_t number;
        bool live;
    } model[N];
    struct prng p;
    struct slab s;
    size_t live = 0;
    uint64_t next_number = 1;
    memset(model, 0, sizeof(model));
    prng_seed(&p, 11);
    slab_init(&s, sizeof(struct object));
    for (int step = 0; step < 100000; step++) {
        size_t i = prng_below(&p, N);
        if (model[i].live) {
            struct object *o = slab_get(&s, model[i].h);
            assert_non_null(o);
            assert_int_equal(o->number, model[i].number);
            slab_delete(&s, model[i].h);
            model[i].live = false;
            live--;
        } else {
            assert_null(slab_get(&s, model[i].h));
            struct object *o = slab_new(&s, &model[i].h);
            o->number = model[i].number = next_number++;
            model[i].live = true;
            live++;
        }
        assert_int_equal(s.live, live);
    }
    size_t walked = 0;
    uint32_t cursor = 0;
    uint32_t last = 0;
    handle h;
    for (struct object *o; (o = slab_next(&s, &cursor, &h)); walked++) {
        assert_ptr_equal(slab_get(&s, h), o);
        assert_true(walked == 0 || (uint32_t)h > last);
        last = (uint32_t)h;
        if (o->number % 2)
            slab_delete(&s, h);
    }
    assert_int_equal(walked, live);
    assert_true(s.live < live);
    cursor = 0;
    while (slab_next(&s, &cursor, &h))
        slab_delete(&s, h);
    assert_int_equal(s.live, 0);
    slab_free(&s);
}

static void generation_wraps(void **state)
{
    (void)state;
    struct slab s;
    handle h;
    slab_init(&s, 1);
    slab_new(&s, &h);
    slab_delete(&s, h);
    /* the last generation but one of a place */
    *(uint32_t *)(void *)s.chunks[0] = UINT32_MAX - 1;
    slab_new(&s, &h);
    assert_int_equal(h >> 32, UINT32_MAX);
    assert_non_null(slab_get(&s, h));
    slab_delete(&s, h);
    assert_null(slab_get(&s, h));
    slab_new(&s, &h);
    assert_int_equal(h >> 32, 1);
    assert_non_null(slab_get(&s, h));
    slab_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stale_handles),
        cmocka_unit_test(aligned_zeroed_and_steady),
        cmocka_unit_test(against_model),
        cmocka_unit_test(generation_wraps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
