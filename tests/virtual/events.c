#include "tests/virtual/events.h"

#include <stdlib.h>

static bool before(const struct event *a, const struct event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

void events_push(struct events *q, struct event ev)
{
    if (q->count == q->cap) {
        q->cap = q->cap ? q->cap * 2 : 4096;
        q->heap = realloc(q->heap, q->cap * sizeof(*q->heap));
        if (!q->heap)
            abort();
    }
    ev.order = q->order++;
    size_t i = q->count++;
    for (; i > 0 && before(&ev, &q->heap[(i - 1) / 2]); i = (i - 1) / 2)
        q->heap[i] = q->heap[(i - 1) / 2];
    q->heap[i] = ev;
}

uint64_t events_next_ms(const struct events *q)
{
    return q->count ? q->heap[0].at_ms : UINT64_MAX;
}

struct event events_pop(struct events *q)
{
    struct event top = q->heap[0];
    struct event last = q->heap[--q->count];
    size_t i = 0;
    for (size_t child = 1; child < q->count; i = child, child = 2 * i + 1) {
        if (child + 1 < q->count && before(&q->heap[child + 1], &q->heap[child]))
            child++;
        if (!before(&q->heap[child], &last))
            break;
        q->heap[i] = q->heap[child];
    }
    if (q->count)
        q->heap[i] = last;
    return top;
}

void event_release(struct event *ev)
{
    free(ev->data);
    free(ev->text);
}

void events_free(struct events *q)
{
    for (size_t i = 0; i < q->count; i++)
        event_release(&q->heap[i]);
    free(q->heap);
}
