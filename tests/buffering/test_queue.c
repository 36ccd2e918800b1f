/* The queue's rules: by example, and against a naive model that sorts and searches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"
#include "buffering/queue.h"

static struct queue_item item(enum queue_class class_, uint32_t bytes)
{
    return (struct queue_item){.class_ = (uint8_t)class_, .bytes = bytes};
}

static void test_classes_go_before_one_another(void **state)
{
    (void)state;
    const struct queue_limits l = {.max_messages = 10, .max_bytes = 1000, .nstart = 10};
    struct queue q;
    struct queue_item items[] = {item(QUEUE_REQUEST, 1), item(QUEUE_ACK, 1),    item(QUEUE_REQUEST, 1),
                                 item(QUEUE_ANSWER, 1),  item(QUEUE_ANSWER, 1), item(QUEUE_ACK, 1)};
    static const int order[] = {3, 4, 1, 5, 0, 2};
    queue_init(&q);
    assert_null(queue_next(&q, &l, 0));
    for (int i = 0; i < 6; i++)
        assert_int_equal(queue_push(&q, &l, &items[i]), OK);
    for (int i = 0; i < 6; i++) {
        assert_ptr_equal(queue_next(&q, &l, 0), &items[order[i]]);
        queue_set_in_flight(&q, &items[order[i]], true);
    }
    assert_null(queue_next(&q, &l, 0));
    queue_set_in_flight(&q, &items[1], false); /* a failed attempt keeps its place */
    assert_ptr_equal(queue_next(&q, &l, 0), &items[1]);
}

static void test_nstart_holds_for_requests(void **state)
{
    (void)state;
    const struct queue_limits l = {.max_messages = 10, .max_bytes = 1000, .nstart = 1};
    struct queue q;
    struct queue_item a = item(QUEUE_REQUEST, 1);
    struct queue_item b = item(QUEUE_REQUEST, 1);
    struct queue_item ack = item(QUEUE_ACK, 1);
    queue_init(&q);
    assert_int_equal(queue_push(&q, &l, &a), OK);
    assert_int_equal(queue_push(&q, &l, &b), OK);
    queue_set_in_flight(&q, &a, true);
    queue_set_in_flight(&q, &a, true);
    assert_int_equal(q.requests_in_flight, 1);
    assert_null(queue_next(&q, &l, 0));
    assert_int_equal(queue_push(&q, &l, &ack), OK);
    assert_ptr_equal(queue_next(&q, &l, 0), &ack);
    queue_remove(&q, &ack);
    queue_remove(&q, &a);
    assert_int_equal(q.requests_in_flight, 0);
    assert_ptr_equal(queue_next(&q, &l, 0), &b);
    queue_remove(&q, &a); /* removed before: nothing happens */
    assert_int_equal(q.messages, 1);
    struct queue_item never = {0};
    queue_remove(&q, &never);
    assert_int_equal(q.messages, 1);
}

static void test_waiting_request_holds_those_behind_it(void **state)
{
    (void)state;
    const struct queue_limits l = {.max_messages = 10, .max_bytes = 1000, .nstart = 2};
    struct queue q;
    struct queue_item ack = item(QUEUE_ACK, 1);
    struct queue_item a = item(QUEUE_REQUEST, 1);
    struct queue_item b = item(QUEUE_REQUEST, 1);
    queue_init(&q);
    a.not_before_ms = 100;
    b.not_before_ms = 50;
    ack.not_before_ms = 200;
    queue_restore(&q, &a);
    queue_restore(&q, &b);
    assert_null(queue_next(&q, &l, 99));
    assert_int_equal(queue_next_time(&q, 10), 100); /* b's time changes nothing */
    assert_int_equal(queue_next_time(&q, 100), UINT64_MAX);
    assert_ptr_equal(queue_next(&q, &l, 100), &a);
    queue_restore(&q, &ack);
    assert_ptr_equal(queue_next(&q, &l, 100), &a); /* an acknowledgement that waits holds nobody */
    assert_int_equal(queue_next_time(&q, 100), 200);
    queue_set_in_flight(&q, &a, true);
    assert_int_equal(queue_next_time(&q, 20), 50);
    assert_ptr_equal(queue_next(&q, &l, 50), &b);
}

static void test_bounds(void **state)
{
    (void)state;
    const struct queue_limits l = {.max_messages = 3, .max_bytes = 100, .nstart = 1};
    struct queue q;
    struct queue_item a = item(QUEUE_REQUEST, 60);
    struct queue_item b = item(QUEUE_REQUEST, 41);
    struct queue_item c = item(QUEUE_REQUEST, 40);
    struct queue_item d = item(QUEUE_REQUEST, 0);
    struct queue_item e = item(QUEUE_REQUEST, 0);
    struct queue_item huge = item(QUEUE_REQUEST, UINT32_MAX);
    struct queue_item answers[QUEUE_ANSWER_RESERVE + 1];
    queue_init(&q);
    assert_int_equal(queue_push(&q, &l, &a), OK);
    assert_int_equal(queue_push(&q, &l, &b), ERR_QUEUE_FULL); /* bytes */
    assert_int_equal(queue_push(&q, &l, &huge), ERR_QUEUE_FULL);
    assert_int_equal(queue_push(&q, &l, &c), OK);
    assert_int_equal(queue_push(&q, &l, &d), OK);
    assert_int_equal(queue_push(&q, &l, &e), ERR_QUEUE_FULL); /* messages */
    assert_int_equal(q.messages, 3);
    for (int i = 0; i < QUEUE_ANSWER_RESERVE; i++) {
        answers[i] = item(i % 2 ? QUEUE_ACK : QUEUE_ANSWER, 1000);
        assert_int_equal(queue_push(&q, &l, &answers[i]), OK);
    }
    answers[QUEUE_ANSWER_RESERVE] = item(QUEUE_ANSWER, 1);
    assert_int_equal(queue_push(&q, &l, &answers[QUEUE_ANSWER_RESERVE]), ERR_QUEUE_FULL);
    queue_remove(&q, &answers[0]);
    assert_int_equal(queue_push(&q, &l, &answers[QUEUE_ANSWER_RESERVE]), OK);
    queue_restore(&q, &e); /* was accepted once */
    assert_int_equal(q.messages, 4 + QUEUE_ANSWER_RESERVE);
}

static void test_records_keep_their_order(void **state)
{
    (void)state;
    struct queue q;
    const struct queue_limits l = {.max_messages = 100, .max_bytes = 1000, .nstart = 1};
    struct queue_item request = item(QUEUE_REQUEST, 1);
    struct queue_item one = item(QUEUE_DTLS, 1);
    struct queue_item two = item(QUEUE_DTLS, 1);
    struct queue_item ack = item(QUEUE_ACK, 1);
    struct queue_item many[QUEUE_DTLS_MAX];
    queue_init(&q);
    assert_int_equal(queue_push(&q, &l, &request), OK);
    queue_set_in_flight(&q, &request, true); /* which holds no record up */
    assert_int_equal(queue_push(&q, &l, &one), OK);
    assert_int_equal(queue_push(&q, &l, &two), OK);
    assert_int_equal(queue_push(&q, &l, &ack), OK);
    assert_ptr_equal(queue_next(&q, &l, 0), &ack);
    queue_set_in_flight(&q, &ack, true);
    assert_ptr_equal(queue_next(&q, &l, 0), &one);
    queue_set_in_flight(&q, &one, true);
    assert_null(queue_next(&q, &l, 0)); /* the second does not overtake the first */
    queue_set_in_flight(&q, &one, false);
    one.not_before_ms = 7;
    two.not_before_ms = 5;
    assert_null(queue_next(&q, &l, 6));
    assert_int_equal(queue_next_time(&q, 0), 7);
    assert_ptr_equal(queue_next(&q, &l, 7), &one);
    queue_remove(&q, &one);
    assert_ptr_equal(queue_next(&q, &l, 7), &two);
    for (unsigned i = 0; i < QUEUE_DTLS_MAX; i++) {
        many[i] = item(QUEUE_DTLS, 1);
        assert_int_equal(queue_push(&q, &l, &many[i]), i + 1 < QUEUE_DTLS_MAX ? OK : ERR_QUEUE_FULL);
    }
    assert_int_equal(q.records, QUEUE_DTLS_MAX);
    assert_int_equal(q.answers, 1);
    const struct queue_limits none = {.max_messages = 0, .max_bytes = 0, .nstart = 1};
    queue_init(&q);
    assert_int_equal(queue_push(&q, &none, &one), ERR_QUEUE_FULL); /* no reserve for them */
}

/* --- model: an array in order of acceptance ---------------------------------------------------------- */

#define ITEMS 48

struct model {
    struct queue_item *in[ITEMS];
    size_t count;
};

static int64_t in_class_order(const struct model *m, int class_, size_t *from)
{
    for (size_t i = *from; i < m->count; i++) {
        if (m->in[i]->class_ == class_) {
            *from = i + 1;
            return (int64_t)i;
        }
    }
    return -1;
}

static uint32_t model_requests_in_flight(const struct model *m)
{
    uint32_t n = 0;
    for (size_t i = 0; i < m->count; i++)
        n += m->in[i]->class_ == QUEUE_REQUEST && m->in[i]->in_flight;
    return n;
}

static bool model_has_room(const struct model *m, const struct queue_limits *l, const struct queue_item *it)
{
    uint64_t bytes = it->bytes;
    uint32_t others = 0;
    for (size_t i = 0; i < m->count; i++) {
        bytes += m->in[i]->bytes;
        others += m->in[i]->class_ != QUEUE_REQUEST;
    }
    return (m->count + 1 <= l->max_messages && bytes <= l->max_bytes) ||
           (it->class_ != QUEUE_REQUEST && others < QUEUE_ANSWER_RESERVE);
}

static struct queue_item *model_next(const struct model *m, const struct queue_limits *l, uint64_t now_ms)
{
    for (int class_ = QUEUE_ANSWER; class_ <= QUEUE_REQUEST; class_++) {
        size_t from = 0;
        for (int64_t i; (i = in_class_order(m, class_, &from)) >= 0;) {
            struct queue_item *it = m->in[i];
            if (it->in_flight)
                continue;
            if (class_ != QUEUE_REQUEST && it->not_before_ms <= now_ms)
                return it;
            if (class_ == QUEUE_REQUEST)
                return it->not_before_ms <= now_ms && model_requests_in_flight(m) < l->nstart ? it : NULL;
        }
    }
    return NULL;
}

static void model_remove(struct model *m, const struct queue_item *it)
{
    for (size_t i = 0; i < m->count; i++) {
        if (m->in[i] == it) {
            memmove(&m->in[i], &m->in[i + 1], (m->count - i - 1) * sizeof(m->in[0]));
            m->count--;
            return;
        }
    }
}

/* When nothing can be sent now, nothing can be before queue_next_time, if no one acts. */
static void check_time(const struct queue *q, const struct model *m, const struct queue_limits *l, uint64_t now_ms)
{
    const uint64_t next = queue_next_time(q, now_ms);
    assert_true(next > now_ms);
    if (model_next(m, l, now_ms))
        return;
    for (uint64_t t = now_ms; t < now_ms + 40 && t < next; t++)
        assert_null(model_next(m, l, t));
    /* Never woken for nothing, unless NSTART holds the request back. */
    if (next != UINT64_MAX && model_requests_in_flight(m) < l->nstart)
        assert_non_null(model_next(m, l, next));
}

static void run_seed(uint64_t seed)
{
    struct prng p;
    struct queue q;
    struct model m = {0};
    struct queue_item pool[ITEMS];
    bool used[ITEMS] = {false};
    uint64_t now_ms = 1000;
    prng_seed(&p, seed);
    const struct queue_limits l = {.max_messages = 1 + (uint32_t)prng_below(&p, 20),
                                   .max_bytes = 100 + (uint32_t)prng_below(&p, 1000),
                                   .nstart = 1 + (uint32_t)prng_below(&p, 3)};
    queue_init(&q);
    for (int step = 0; step < 4000; step++) {
        const size_t i = prng_below(&p, ITEMS);
        struct queue_item *it = &pool[i];
        if (!used[i]) {
            *it = item((enum queue_class)prng_below(&p, 3), (uint32_t)prng_below(&p, 100));
            it->not_before_ms = prng_below(&p, 2) ? 0 : now_ms + prng_below(&p, 30);
            const bool restored = prng_below(&p, 16) == 0;
            const bool room = restored || model_has_room(&m, &l, it);
            if (restored)
                queue_restore(&q, it);
            else
                assert_int_equal(queue_push(&q, &l, it), room ? OK : ERR_QUEUE_FULL);
            if (room)
                m.in[m.count++] = it;
            used[i] = room;
        } else if (prng_below(&p, 3) == 0) {
            queue_remove(&q, it);
            model_remove(&m, it);
            used[i] = false;
        } else if (it->in_flight) {
            queue_set_in_flight(&q, it, false);
            it->not_before_ms = now_ms + prng_below(&p, 30);
        } else {
            it = queue_next(&q, &l, now_ms);
            if (it)
                queue_set_in_flight(&q, it, true);
        }
        now_ms += prng_below(&p, 4);
        if (queue_next(&q, &l, now_ms) != model_next(&m, &l, now_ms))
            fail_msg("SEED=%llu step %d: another item is next", (unsigned long long)seed, step);
        assert_int_equal(q.messages, m.count);
        assert_int_equal(q.requests_in_flight, model_requests_in_flight(&m));
        check_time(&q, &m, &l, now_ms);
    }
    while (m.count > 0) {
        queue_remove(&q, m.in[0]);
        model_remove(&m, m.in[0]);
    }
    assert_true(list_empty(&q.items));
    assert_int_equal(q.messages + q.bytes + q.answers + q.requests_in_flight, 0);
}

static void test_against_the_model(void **state)
{
    (void)state;
    const char *seed = getenv("SEED");
    const uint64_t first = seed ? strtoull(seed, NULL, 0) : 1;
    for (uint64_t s = first; s < first + 100; s++)
        run_seed(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes_go_before_one_another),
        cmocka_unit_test(test_nstart_holds_for_requests),
        cmocka_unit_test(test_waiting_request_holds_those_behind_it),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_records_keep_their_order),
        cmocka_unit_test(test_against_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
