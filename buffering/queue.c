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

static unsigned rank(const struct queue_item *item)
{
    static const uint8_t ranks[] = {[QUEUE_ANSWER] = 0, [QUEUE_ACK] = 1, [QUEUE_DTLS] = 2, [QUEUE_REQUEST] = 3};
    return ranks[item->class_];
}

static bool is_waiting(const struct queue_item *item, uint64_t now_ms)
{
    return !item->in_flight && item->not_before_ms > now_ms;
}

void queue_init(struct queue *q)
{
    *q = (struct queue){0};
    list_init(&q->items);
}

/* Answers, acknowledgements and DTLS records are few, so an item of those finds its place from the front; a request, of
 * which there may be many, goes to the back at once. */
static void insert(struct queue *q, struct queue_item *item)
{
    struct list *pos = &q->items;
    if (!is_request(item)) {
        pos = q->items.next;
        while (pos != &q->items && rank(item_of(pos)) <= rank(item))
            pos = pos->next;
        if (is_record(item))
            q->records++;
        else
            q->answers++;
    } else if (item->in_flight) {
        q->requests_in_flight++;
    }
    list_insert_before(pos, &item->node);
    q->messages++;
    q->bytes += item->bytes;
}

enum error queue_push(struct queue *q, const struct queue_limits *l, struct queue_item *item)
{
    assert(item->class_ <= QUEUE_DTLS && !item->in_flight);
    const uint64_t bytes = (uint64_t)q->bytes + item->bytes;
    const bool fits =
        q->messages < l->max_messages && bytes <= l->max_bytes && !(is_record(item) && q->records >= QUEUE_DTLS_MAX);
    const bool reserved = is_reply(item) && q->answers < QUEUE_ANSWER_RESERVE && bytes <= UINT32_MAX;
    if (!fits && !reserved)
        return ERR_QUEUE_FULL;
    insert(q, item);
    return OK;
}

void queue_restore(struct queue *q, struct queue_item *item)
{
    assert(item->class_ <= QUEUE_REQUEST);
    insert(q, item);
}

void queue_remove(struct queue *q, struct queue_item *item)
{
    if (!item->node.next || list_empty(&item->node))
        return;
    list_remove(&item->node);
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

struct queue_item *queue_next(const struct queue *q, const struct queue_limits *l, uint64_t now_ms)
{
    bool record_ahead = false;
    LIST_EACH (it, &q->items) {
        struct queue_item *item = item_of(it);
        if (is_record(item)) {
            if (record_ahead)
                continue;
            record_ahead = true;
        }
        if (is_request(item) && q->requests_in_flight >= l->nstart)
            return NULL;
        if (item->in_flight)
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
    bool record_ahead = false;
    LIST_EACH (it, &q->items) {
        const struct queue_item *item = item_of(it);
        if (is_record(item)) {
            if (record_ahead)
                continue;
            record_ahead = true;
        }
        if (is_waiting(item, now_ms) && item->not_before_ms < earliest)
            earliest = item->not_before_ms;
        if (is_request(item) && !item->in_flight)
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
