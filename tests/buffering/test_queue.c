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

static struct queue_item request(unsigned priority, uint64_t place)
{
    return (struct queue_item){.class_ = QUEUE_REQUEST, .bytes = 10, .priority = (uint8_t)priority, .place = place};
}

static enum error push(struct queue *q, const struct queue_limits *l, struct queue_item *it)
{
    if (!queue_admits(q, l, it, NULL))
        return ERR_QUEUE_FULL;
    queue_insert(q, it);
    return OK;
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
        assert_int_equal(push(&q, &l, &items[i]), OK);
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
    assert_int_equal(push(&q, &l, &a), OK);
    assert_int_equal(push(&q, &l, &b), OK);
    queue_set_in_flight(&q, &a, true);
    queue_set_in_flight(&q, &a, true);
    assert_int_equal(q.requests_in_flight, 1);
    assert_null(queue_next(&q, &l, 0));
    assert_int_equal(push(&q, &l, &ack), OK);
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
    queue_insert(&q, &a);
    queue_insert(&q, &b);
    assert_null(queue_next(&q, &l, 99));
    assert_int_equal(queue_next_time(&q, 10), 100); /* b's time changes nothing */
    assert_int_equal(queue_next_time(&q, 100), UINT64_MAX);
    assert_ptr_equal(queue_next(&q, &l, 100), &a);
    queue_insert(&q, &ack);
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
    assert_int_equal(push(&q, &l, &a), OK);
    assert_int_equal(push(&q, &l, &b), ERR_QUEUE_FULL); /* bytes */
    assert_int_equal(push(&q, &l, &huge), ERR_QUEUE_FULL);
    assert_int_equal(push(&q, &l, &c), OK);
    assert_int_equal(push(&q, &l, &d), OK);
    assert_int_equal(push(&q, &l, &e), ERR_QUEUE_FULL); /* messages */
    assert_int_equal(q.messages, 3);
    for (int i = 0; i < QUEUE_ANSWER_RESERVE; i++) {
        answers[i] = item(i % 2 ? QUEUE_ACK : QUEUE_ANSWER, 1000);
        assert_int_equal(push(&q, &l, &answers[i]), OK);
    }
    answers[QUEUE_ANSWER_RESERVE] = item(QUEUE_ANSWER, 1);
    assert_int_equal(push(&q, &l, &answers[QUEUE_ANSWER_RESERVE]), ERR_QUEUE_FULL);
    queue_remove(&q, &answers[0]);
    assert_int_equal(push(&q, &l, &answers[QUEUE_ANSWER_RESERVE]), OK);
    queue_insert(&q, &e); /* was accepted once */
    assert_int_equal(q.messages, 4 + QUEUE_ANSWER_RESERVE);
}

static void test_records_keep_their_order(void **state)
{
    (void)state;
    struct queue q;
    const struct queue_limits l = {.max_messages = 100, .max_bytes = 1000, .nstart = 1};
    struct queue_item asked = item(QUEUE_REQUEST, 1);
    struct queue_item one = item(QUEUE_DTLS, 1);
    struct queue_item two = item(QUEUE_DTLS, 1);
    struct queue_item ack = item(QUEUE_ACK, 1);
    struct queue_item many[QUEUE_DTLS_MAX];
    queue_init(&q);
    assert_int_equal(push(&q, &l, &asked), OK);
    queue_set_in_flight(&q, &asked, true); /* which holds no record up */
    assert_int_equal(push(&q, &l, &one), OK);
    assert_int_equal(push(&q, &l, &two), OK);
    assert_int_equal(push(&q, &l, &ack), OK);
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
        assert_int_equal(push(&q, &l, &many[i]), i + 1 < QUEUE_DTLS_MAX ? OK : ERR_QUEUE_FULL);
    }
    assert_int_equal(q.records, QUEUE_DTLS_MAX);
    assert_int_equal(q.answers, 1);
    const struct queue_limits none = {.max_messages = 0, .max_bytes = 0, .nstart = 1};
    queue_init(&q);
    assert_int_equal(push(&q, &none, &one), ERR_QUEUE_FULL); /* no reserve for them */
}

static void test_priorities(void **state)
{
    (void)state;
    const struct queue_limits l = {.max_messages = 10, .max_bytes = 1000, .nstart = 2};
    struct queue q;
    struct queue_item low = request(0, 1);
    struct queue_item low2 = request(0, 2);
    struct queue_item high = request(7, 3);
    struct queue_item middle = request(3, 4);
    struct queue_item high2 = request(7, 5);
    struct queue_item ack = item(QUEUE_ACK, 1);
    struct queue_item *const in[] = {&low, &low2, &high, &middle, &high2, &ack};
    struct queue_item *const order[] = {&ack, &high, &high2, &middle, &low, &low2};
    queue_init(&q);
    for (int i = 0; i < 6; i++)
        assert_int_equal(push(&q, &l, in[i]), OK);
    for (int i = 0; i < 6; i++) {
        assert_ptr_equal(queue_next(&q, &l, 0), order[i]);
        queue_remove(&q, order[i]);
    }
    /* What is in flight stays so, whatever comes; a request that waits for its time holds up the lower ones too. */
    queue_insert(&q, &low);
    queue_set_in_flight(&q, &low, true);
    high.not_before_ms = 50;
    queue_insert(&q, &high);
    queue_insert(&q, &middle);
    assert_null(queue_next(&q, &l, 49));
    assert_int_equal(queue_next_time(&q, 0), 50);
    assert_ptr_equal(queue_next(&q, &l, 50), &high);
    /* One that is not accepted yet holds up its own priority only. */
    high.storing = true;
    queue_insert(&q, &high2);
    assert_ptr_equal(queue_next(&q, &l, 0), &middle);
    assert_int_equal(queue_next_time(&q, 0), UINT64_MAX);
    queue_set_in_flight(&q, &middle, true);
    assert_null(queue_next(&q, &l, 0)); /* two in flight */
}

static void test_restored_ones_find_their_places(void **state)
{
    (void)state;
    const struct queue_limits l = {.max_messages = 10, .max_bytes = 1000, .nstart = 1};
    struct queue q;
    struct queue_item items[] = {request(3, 10), request(3, 30), request(5, 25), request(3, 20),
                                 request(3, 5),  request(3, 40), request(5, 1)};
    static const int order[] = {6, 2, 4, 0, 3, 1, 5};
    queue_init(&q);
    for (int i = 0; i < 7; i++)
        queue_insert(&q, &items[i]);
    for (int i = 0; i < 7; i++) {
        assert_ptr_equal(queue_next(&q, &l, 0), &items[order[i]]);
        queue_remove(&q, &items[order[i]]);
    }
}

static void test_a_newer_one_takes_the_place(void **state)
{
    (void)state;
    const struct queue_limits l = {.max_messages = 3, .max_bytes = 35, .nstart = 1};
    struct queue q;
    struct queue_item a = request(3, 1);
    struct queue_item b = request(3, 2);
    struct queue_item c = request(3, 3);
    struct queue_item d = request(3, 4);
    queue_init(&q);
    queue_insert(&q, &a);
    queue_insert(&q, &b);
    queue_insert(&q, &c);
    assert_false(queue_admits(&q, &l, &d, NULL));
    assert_true(queue_admits(&q, &l, &d, &a));
    d.bytes = 16;
    assert_false(queue_admits(&q, &l, &d, &a));
    d.bytes = 15;
    assert_true(queue_admits(&q, &l, &d, &a));
    queue_insert(&q, &d);
    queue_take_place(&q, &a, &d);
    queue_remove(&q, &a);
    assert_int_equal(d.place, 1);
    assert_int_equal(q.messages, 3);
    assert_int_equal(q.bytes, 35);
    struct queue_item *const order[] = {&d, &b, &c};
    for (int i = 0; i < 3; i++) {
        assert_ptr_equal(queue_next(&q, &l, 0), order[i]);
        queue_remove(&q, order[i]);
    }
}

static void test_displacement(void **state)
{
    (void)state;
    struct queue_limits l = {.max_messages = 4, .max_bytes = 1000, .nstart = 1};
    struct queue q;
    struct queue_item low = request(1, 1);
    struct queue_item low2 = request(1, 2);
    struct queue_item middle = request(2, 3);
    struct queue_item same = request(5, 4);
    struct queue_item high = request(5, 5);
    queue_init(&q);
    assert_null(queue_to_displace(&q, &l, 7));
    queue_insert(&q, &low);
    queue_insert(&q, &low2);
    queue_insert(&q, &middle);
    queue_insert(&q, &same);
    assert_false(queue_admits(&q, &l, &high, NULL));
    assert_true(queue_may_displace(&q, &l, &high));
    high.priority = 1;
    assert_false(queue_may_displace(&q, &l, &high)); /* none is lower */
    high.priority = 5;
    assert_null(queue_to_displace(&q, &l, 5)); /* nothing is too much */
    queue_insert(&q, &high);
    assert_ptr_equal(queue_to_displace(&q, &l, 5), &low2);
    queue_set_in_flight(&q, &low2, true);
    assert_ptr_equal(queue_to_displace(&q, &l, 5), &low);
    queue_remove(&q, &low);
    assert_null(queue_to_displace(&q, &l, 5));
    /* Bytes: several may have to go. */
    queue_set_in_flight(&q, &low2, false);
    queue_remove(&q, &high);
    l.max_messages = 100;
    l.max_bytes = 40;
    high.bytes = 30;
    assert_true(queue_may_displace(&q, &l, &high)); /* both lower ones */
    high.bytes = 31;
    assert_false(queue_may_displace(&q, &l, &high));
    struct queue_item ack = item(QUEUE_ACK, 30);
    assert_false(queue_may_displace(&q, &l, &ack));
    struct queue_item many[QUEUE_DISPLACED_MAX + 1];
    queue_init(&q);
    for (unsigned i = 0; i <= QUEUE_DISPLACED_MAX; i++) {
        many[i] = request(0, i);
        queue_insert(&q, &many[i]);
    }
    l = (struct queue_limits){.max_messages = 2, .max_bytes = UINT32_MAX, .nstart = 1};
    assert_true(queue_may_displace(&q, &l, &high));
    l.max_messages = 1;
    assert_false(queue_may_displace(&q, &l, &high)); /* not so many for one */
}

/* --- model: an array in order of acceptance ---------------------------------------------------------- */

#define ITEMS 48

struct model {
    struct queue_item *in[ITEMS];
    size_t count;
};

static int rank(const struct queue_item *it)
{
    static const int ranks[] = {[QUEUE_ANSWER] = 0, [QUEUE_ACK] = 1, [QUEUE_DTLS] = 2, [QUEUE_REQUEST] = 10};
    return ranks[it->class_] - (it->class_ == QUEUE_REQUEST ? it->priority : 0);
}

/* Sorts by selection, and keeps the order of acceptance otherwise. */
static void model_sorted(const struct model *m, struct queue_item *out[ITEMS])
{
    bool taken[ITEMS] = {false};
    for (size_t n = 0; n < m->count; n++) {
        size_t best = ITEMS;
        for (size_t i = 0; i < m->count; i++)
            if (!taken[i] && (best == ITEMS || rank(m->in[i]) < rank(m->in[best]) ||
                              (rank(m->in[i]) == rank(m->in[best]) && m->in[i]->place < m->in[best]->place)))
                best = i;
        taken[best] = true;
        out[n] = m->in[best];
    }
}

static uint32_t model_requests_in_flight(const struct model *m)
{
    uint32_t n = 0;
    for (size_t i = 0; i < m->count; i++)
        n += m->in[i]->class_ == QUEUE_REQUEST && m->in[i]->in_flight;
    return n;
}

static bool model_has_room(const struct model *m, const struct queue_limits *l, const struct queue_item *it,
                           const struct queue_item *without)
{
    uint64_t bytes = it->bytes;
    uint32_t others = 0, messages = 1;
    for (size_t i = 0; i < m->count; i++) {
        if (m->in[i] == without)
            continue;
        messages++;
        bytes += m->in[i]->bytes;
        others += m->in[i]->class_ != QUEUE_REQUEST;
    }
    return (messages <= l->max_messages && bytes <= l->max_bytes) ||
           (it->class_ != QUEUE_REQUEST && others < QUEUE_ANSWER_RESERVE);
}

static struct queue_item *model_next(const struct model *m, const struct queue_limits *l, uint64_t now_ms)
{
    struct queue_item *sorted[ITEMS];
    int held = -1;
    model_sorted(m, sorted);
    for (size_t i = 0; i < m->count; i++) {
        struct queue_item *it = sorted[i];
        const bool asked = it->class_ == QUEUE_REQUEST;
        if (it->in_flight || (asked && it->priority == held))
            continue;
        if (it->storing) {
            held = asked ? it->priority : held;
            continue;
        }
        if (asked && model_requests_in_flight(m) >= l->nstart)
            return NULL;
        if (it->not_before_ms <= now_ms)
            return it;
        if (asked)
            return NULL;
    }
    return NULL;
}

/* The last one that may go: from the end of the line. */
static struct queue_item *model_victim(const struct model *m, unsigned priority)
{
    struct queue_item *sorted[ITEMS];
    model_sorted(m, sorted);
    for (size_t i = m->count; i-- > 0;)
        if (sorted[i]->class_ == QUEUE_REQUEST && sorted[i]->priority < priority && !sorted[i]->in_flight)
            return sorted[i];
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

/* --- the queue beside the model ----------------------------------------------------------------------- */

struct run {
    struct prng p;
    struct queue q;
    struct queue_limits l;
    struct model m;
    struct queue_item pool[ITEMS];
    uint64_t now_ms, next_place;
    unsigned displaced, replaced, refused;
};

static struct queue_item *unused(struct run *r)
{
    for (size_t i = 0; i < ITEMS; i++) {
        bool used = false;
        for (size_t n = 0; n < r->m.count; n++)
            used |= r->m.in[n] == &r->pool[i];
        if (!used)
            return &r->pool[i];
    }
    return NULL;
}

/* When nothing can be sent now, nothing can be before queue_next_time, if no one acts. */
static void check_time(const struct run *r)
{
    const uint64_t next = queue_next_time(&r->q, r->now_ms);
    assert_true(next > r->now_ms);
    if (model_next(&r->m, &r->l, r->now_ms))
        return;
    for (uint64_t t = r->now_ms; t < r->now_ms + 40 && t < next; t++)
        assert_null(model_next(&r->m, &r->l, t));
    /* Never woken for nothing, unless NSTART holds the request back. */
    if (next != UINT64_MAX && model_requests_in_flight(&r->m) < r->l.nstart)
        assert_non_null(model_next(&r->m, &r->l, next));
}

static void add(struct run *r, struct queue_item *it)
{
    queue_insert(&r->q, it);
    r->m.in[r->m.count++] = it;
}

/* The youngest of the lowest ones go until there is room, or none goes. */
static void displace_for(struct run *r, struct queue_item *it)
{
    struct model wanted = r->m;
    struct queue_item *victims[ITEMS];
    size_t count = 0;
    while (!model_has_room(&wanted, &r->l, it, NULL)) {
        struct queue_item *v = it->class_ == QUEUE_REQUEST ? model_victim(&wanted, it->priority) : NULL;
        if (!v)
            break;
        model_remove(&wanted, v);
        victims[count++] = v;
    }
    const bool fits = model_has_room(&wanted, &r->l, it, NULL);
    assert_int_equal(queue_may_displace(&r->q, &r->l, it), fits);
    if (!fits) {
        r->refused++;
        return;
    }
    add(r, it);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(queue_to_displace(&r->q, &r->l, it->priority), victims[i]);
        queue_remove(&r->q, victims[i]);
        model_remove(&r->m, victims[i]);
        r->displaced++;
    }
    assert_null(queue_to_displace(&r->q, &r->l, it->priority));
}

static void come(struct run *r)
{
    struct queue_item *it = unused(r);
    if (!it)
        return;
    *it = item((enum queue_class)prng_below(&r->p, 3), (uint32_t)prng_below(&r->p, 100));
    it->not_before_ms = prng_below(&r->p, 2) ? 0 : r->now_ms + prng_below(&r->p, 30);
    it->storing = prng_below(&r->p, 8) == 0;
    if (it->class_ == QUEUE_REQUEST) {
        it->priority = (uint8_t)(prng_below(&r->p, 4) == 0 ? 3 : prng_below(&r->p, QUEUE_PRIORITY_MAX + 1));
        it->place = ++r->next_place;
    }
    if (prng_below(&r->p, 16) == 0) { /* restored, with any place */
        if (it->class_ == QUEUE_REQUEST)
            it->place -= prng_below(&r->p, it->place);
        for (size_t i = 0; i < r->m.count; i++)
            if (r->m.in[i]->place == it->place)
                it->place = r->next_place; /* no two have the same */
        add(r, it);
        return;
    }
    const bool room = model_has_room(&r->m, &r->l, it, NULL);
    assert_int_equal(queue_admits(&r->q, &r->l, it, NULL), room);
    if (room)
        add(r, it);
    else
        displace_for(r, it);
}

static void replace(struct run *r, struct queue_item *old)
{
    struct queue_item *it = unused(r);
    if (!it || old->class_ != QUEUE_REQUEST || old->in_flight)
        return;
    *it = item(QUEUE_REQUEST, (uint32_t)prng_below(&r->p, 100));
    it->priority = old->priority;
    it->place = ++r->next_place;
    const bool room = model_has_room(&r->m, &r->l, it, old);
    assert_int_equal(queue_admits(&r->q, &r->l, it, old), room);
    if (!room)
        return;
    queue_insert(&r->q, it);
    queue_take_place(&r->q, old, it);
    assert_int_equal(it->place, old->place);
    queue_remove(&r->q, old);
    for (size_t i = 0; i < r->m.count; i++)
        if (r->m.in[i] == old)
            r->m.in[i] = it;
    r->replaced++;
}

static void act(struct run *r, struct queue_item *it)
{
    if (prng_below(&r->p, 2)) {
        queue_remove(&r->q, it);
        model_remove(&r->m, it);
    } else if (prng_below(&r->p, 4) == 0) {
        replace(r, it);
    } else if (it->storing) {
        it->storing = false;
    } else if (it->in_flight) {
        queue_set_in_flight(&r->q, it, false);
        it->not_before_ms = r->now_ms + prng_below(&r->p, 30);
    } else if ((it = queue_next(&r->q, &r->l, r->now_ms))) {
        queue_set_in_flight(&r->q, it, true);
    }
}

static void check_order(const struct run *r)
{
    struct queue_item *sorted[ITEMS];
    size_t n = 0;
    model_sorted(&r->m, sorted);
    LIST_EACH (node, &r->q.items)
        assert_ptr_equal(LIST_ENTRY(node, struct queue_item, node), sorted[n++]);
    assert_int_equal(n, r->m.count);
}

/* Gives what has happened, which is not to be nothing. */
static struct run run_seed(uint64_t seed, int steps)
{
    struct run r = {.now_ms = 1000};
    prng_seed(&r.p, seed);
    r.l = (struct queue_limits){.max_messages = 1 + (uint32_t)prng_below(&r.p, 40),
                                .max_bytes = 100 + (uint32_t)prng_below(&r.p, 2000),
                                .nstart = 1 + (uint32_t)prng_below(&r.p, 3)};
    queue_init(&r.q);
    for (int step = 0; step < steps; step++) {
        if (r.m.count == 0 || prng_below(&r.p, 2))
            come(&r);
        else
            act(&r, r.m.in[prng_below(&r.p, r.m.count)]);
        r.now_ms += prng_below(&r.p, 4);
        if (queue_next(&r.q, &r.l, r.now_ms) != model_next(&r.m, &r.l, r.now_ms))
            fail_msg("SEED=%llu step %d: another item is next", (unsigned long long)seed, step);
        assert_int_equal(r.q.messages, r.m.count);
        assert_int_equal(r.q.requests_in_flight, model_requests_in_flight(&r.m));
        check_time(&r);
        check_order(&r);
    }
    while (r.m.count > 0) {
        queue_remove(&r.q, r.m.in[0]);
        model_remove(&r.m, r.m.in[0]);
    }
    assert_true(list_empty(&r.q.items));
    assert_int_equal(r.q.messages + r.q.bytes + r.q.answers + r.q.requests_in_flight, 0);
    return r;
}

static void test_against_the_model(void **state)
{
    (void)state;
    const char *seed = getenv("SEED");
    const uint64_t first = seed ? strtoull(seed, NULL, 0) : 1;
    unsigned displaced = 0, replaced = 0, refused = 0;
    for (uint64_t s = first; s < first + 100; s++) {
        const struct run r = run_seed(s, 1000);
        displaced += r.displaced;
        replaced += r.replaced;
        refused += r.refused;
    }
    printf("displaced %u, replaced %u, refused %u\n", displaced, replaced, refused);
    assert_true(displaced > 500 && replaced > 500 && refused > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes_go_before_one_another),
        cmocka_unit_test(test_nstart_holds_for_requests),
        cmocka_unit_test(test_waiting_request_holds_those_behind_it),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_records_keep_their_order),
        cmocka_unit_test(test_priorities),
        cmocka_unit_test(test_restored_ones_find_their_places),
        cmocka_unit_test(test_a_newer_one_takes_the_place),
        cmocka_unit_test(test_displacement),
        cmocka_unit_test(test_against_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
