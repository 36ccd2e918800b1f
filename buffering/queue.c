/* The items stand in one list, in the order in which they go. A level is what keeps its order by itself: answers,
 * acknowledgements, DTLS records, and the requests of each priority. The last item of each level points to the last one
 * of the next level above that is not empty; the list's end is the last of the lowest. So the end of any level is found
 * in as many steps as there are levels, and levels that are empty cost nothing. */
#include "buffering/queue.h"

#include <assert.h>

static struct queue_item *item_of(struct list *node)
{
    return LIST_ENTRY(node, struct queue_item, node);
}

static bool is_request(const struct queue_item *item)
{
    return item->class_ == QUEUE_REQUEST;
}

static bool is_record(const struct queue_item *item)
{
    return item->class_ == QUEUE_DTLS;
}

static bool is_reply(const struct queue_item *item)
{
    return item->class_ == QUEUE_ANSWER || item->class_ == QUEUE_ACK;
}

static unsigned level_of(const struct queue_item *item)
{
    static const uint8_t above_requests[] = {[QUEUE_ANSWER] = 3, [QUEUE_ACK] = 2, [QUEUE_DTLS] = 1};
    return is_request(item) ? item->priority : QUEUE_PRIORITY_MAX + above_requests[item->class_];
}

static bool is_waiting(const struct queue_item *item, uint64_t now_ms)
{
    return !item->in_flight && !item->storing && item->not_before_ms > now_ms;
}

void queue_init(struct queue *q)
{
    *q = (struct queue){0};
    list_init(&q->items);
}

/* ---- levels */

/* The last item of the lowest level that is not below `level`; NULL: there is none. *below: the last of the level under
 * it, NULL when it is the lowest. */
static struct queue_item *level_end(const struct queue *q, unsigned level, struct queue_item **below)
{
    struct queue_item *end = list_empty(&q->items) ? NULL : item_of(q->items.prev);
    *below = NULL;
    while (end && level_of(end) < level) {
        *below = end;
        end = end->upper;
    }
    return end;
}

static bool ends_its_level(const struct queue *q, const struct queue_item *item)
{
    return item->node.next == &q->items || level_of(item_of(item->node.next)) != level_of(item);
}

/* `item` stands behind `before`, NULL: at the front; the ends of levels are made right. */
static void link_behind(struct queue *q, struct queue_item *before, struct queue_item *item)
{
    struct queue_item *below;
    struct queue_item *end = level_end(q, level_of(item), &below);
    list_insert_before(before ? before->node.next : q->items.next, &item->node);
    if (end && level_of(end) == level_of(item)) {
        if (end != before)
            return;
        item->upper = end->upper;
    } else {
        item->upper = end;
    }
    if (below)
        below->upper = item;
}

static void unlink_item(struct queue *q, struct queue_item *item)
{
    if (ends_its_level(q, item)) {
        struct queue_item *below;
        (void)level_end(q, level_of(item), &below);
        struct queue_item *end = item->node.prev == &q->items ? NULL : item_of(item->node.prev);
        if (end && level_of(end) == level_of(item))
            end->upper = item->upper;
        else
            end = item->upper;
        if (below)
            below->upper = end;
    }
    list_remove(&item->node);
}

/* ---- bounds */

bool queue_admits(const struct queue *q, const struct queue_limits *l, const struct queue_item *item,
                  const struct queue_item *instead)
{
    const uint64_t messages = (uint64_t)q->messages + 1 - (instead ? 1 : 0);
    const uint64_t bytes = (uint64_t)q->bytes + item->bytes - (instead ? instead->bytes : 0);
    const bool fits =
        messages <= l->max_messages && bytes <= l->max_bytes && !(is_record(item) && q->records >= QUEUE_DTLS_MAX);
    const bool reserved = is_reply(item) && q->answers < QUEUE_ANSWER_RESERVE && bytes <= UINT32_MAX;
    return fits || reserved;
}

/* From the end towards the front: the next that a request of this priority may displace, from `it` on. */
static struct queue_item *displaceable(const struct queue *q, struct list *it, uint8_t priority)
{
    for (; it != &q->items; it = it->prev) {
        struct queue_item *item = item_of(it);
        if (!is_request(item) || item->priority >= priority)
            return NULL;
        if (!item->in_flight)
            return item;
    }
    return NULL;
}

bool queue_may_displace(const struct queue *q, const struct queue_limits *l, const struct queue_item *item)
{
    uint64_t messages = (uint64_t)q->messages + 1;
    uint64_t bytes = (uint64_t)q->bytes + item->bytes;
    const struct queue_item *other = is_request(item) ? displaceable(q, q->items.prev, item->priority) : NULL;
    for (unsigned n = 0; other && n < QUEUE_DISPLACED_MAX; n++) {
        messages--;
        bytes -= other->bytes;
        if (messages <= l->max_messages && bytes <= l->max_bytes)
            return true;
        other = displaceable(q, other->node.prev, item->priority);
    }
    return false;
}

struct queue_item *queue_to_displace(const struct queue *q, const struct queue_limits *l, uint8_t priority)
{
    if (q->messages <= l->max_messages && q->bytes <= l->max_bytes)
        return NULL;
    return displaceable(q, q->items.prev, priority);
}

/* ---- in and out */

static void count(struct queue *q, const struct queue_item *item)
{
    q->messages++;
    q->bytes += item->bytes;
    if (is_record(item))
        q->records++;
    else if (is_reply(item))
        q->answers++;
    else if (item->in_flight)
        q->requests_in_flight++;
}

void queue_insert(struct queue *q, struct queue_item *item)
{
    assert(item->class_ <= QUEUE_DTLS && item->priority <= QUEUE_PRIORITY_MAX);
    struct queue_item *below;
    struct queue_item *before = level_end(q, level_of(item), &below);
    while (before && level_of(before) == level_of(item) && before->place > item->place)
        before = before->node.prev == &q->items ? NULL : item_of(before->node.prev);
    link_behind(q, before, item);
    count(q, item);
}

void queue_take_place(struct queue *q, struct queue_item *other, struct queue_item *item)
{
    assert(is_request(item) && is_request(other) && item->priority == other->priority);
    unlink_item(q, item);
    item->place = other->place;
    link_behind(q, other, item);
}

void queue_remove(struct queue *q, struct queue_item *item)
{
    if (!item->node.next || list_empty(&item->node))
        return;
    unlink_item(q, item);
    q->messages--;
    q->bytes -= item->bytes;
    if (is_record(item))
        q->records--;
    else if (is_reply(item))
        q->answers--;
    else if (item->in_flight)
        q->requests_in_flight--;
    item->in_flight = false;
}

/* ---- whose turn it is */

static struct queue_item *first(const struct queue *q)
{
    return list_empty(&q->items) ? NULL : item_of(q->items.next);
}

/* Who may go before `item` has: not the next DTLS record, and no request of its priority when it is not accepted yet.
 */
static struct queue_item *after(const struct queue *q, const struct queue_item *item)
{
    if (is_record(item) || (is_request(item) && item->storing)) {
        struct queue_item *below;
        item = level_end(q, level_of(item), &below);
    }
    return item->node.next == &q->items ? NULL : item_of(item->node.next);
}

struct queue_item *queue_next(const struct queue *q, const struct queue_limits *l, uint64_t now_ms)
{
    for (struct queue_item *item = first(q); item; item = after(q, item)) {
        if (is_request(item) && q->requests_in_flight >= l->nstart)
            return NULL;
        if (item->in_flight || item->storing)
            continue;
        if (!is_waiting(item, now_ms))
            return item;
        if (is_request(item))
            return NULL;
    }
    return NULL;
}

uint64_t queue_next_time(const struct queue *q, uint64_t now_ms)
{
    uint64_t earliest = UINT64_MAX;
    for (const struct queue_item *item = first(q); item; item = after(q, item)) {
        if (is_waiting(item, now_ms) && item->not_before_ms < earliest)
            earliest = item->not_before_ms;
        if (is_request(item) && !item->in_flight && !item->storing)
            break; /* those behind it wait for it, not for the clock */
    }
    return earliest;
}

void queue_set_in_flight(struct queue *q, struct queue_item *item, bool in_flight)
{
    if (item->in_flight == in_flight)
        return;
    item->in_flight = in_flight;
    if (!is_request(item))
        return;
    if (in_flight)
        q->requests_in_flight++;
    else
        q->requests_in_flight--;
}
