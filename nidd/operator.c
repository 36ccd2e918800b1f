/* What an operator may do with queues: cancel, purge, replay. */
#include "nidd/configuration.h"

static const char reason[] = "cancelled by the operator";
#define CANCELLED_MAX_AGE_S 60

/* One that is not accepted yet is none; one that is answered has its end before it. */
static bool is_waiting(const struct downlink *m)
{
    return m->state != DOWNLINK_STORING && m->state != DOWNLINK_ANSWERING;
}

static struct downlink *find_in(const struct list *l, uint64_t seq)
{
    LIST_EACH (it, l) {
        struct downlink *m = LIST_ENTRY(it, struct downlink, item.node);
        if (m->seq == seq)
            return is_waiting(m) ? m : NULL;
    }
    return NULL;
}

static struct downlink *find(const struct device *d, uint64_t seq)
{
    struct downlink *m = find_in(&d->queue.items, seq);
    return m ? m : find_in(&d->awaiting, seq);
}

/* What the SCEF buffers may be beyond recall: it is asked first, where it can be. */
static void cancel(struct engine *e, struct downlink *m)
{
    if (!buffered_cancel(e, m))
        downlink_fail(e, m, FINAL_CANCELLED, COAP_CODE(5, 3), CANCELLED_MAX_AGE_S, reason, T8_CAUSE_NONE);
}

enum error engine_message_cancel(struct engine *e, uint64_t now_ms, struct bytes device_id, uint64_t seq)
{
    engine_set_time(e, now_ms);
    struct device *d = device_named(e, device_id);
    struct downlink *m = d ? find(d, seq) : NULL;
    if (!m)
        return d ? ERR_NOT_FOUND : ERR_UNKNOWN_DEVICE;
    cancel(e, m);
    downlink_flow(e, d);
    return OK;
}

/* What the SCEF has been asked to let go of is cancelled once. */
static bool is_purged(const struct downlink *m)
{
    return is_waiting(m) && m->asked != ASKED_CANCEL;
}

static uint32_t purge_list(struct engine *e, struct list *l, uint32_t max)
{
    uint32_t n = 0;
    LIST_EACH_SAFE (it, l) {
        struct downlink *m = LIST_ENTRY(it, struct downlink, item.node);
        if (n == max)
            break;
        if (!is_purged(m))
            continue;
        cancel(e, m);
        n++;
    }
    return n;
}

static uint32_t purge_all(struct engine *e, uint32_t max)
{
    uint32_t cursor = 0, n = 0;
    handle h;
    for (struct downlink *m; n < max && (m = slab_next(&e->downlinks, &cursor, &h));) {
        if (!is_purged(m))
            continue;
        struct device *d = m->device;
        cancel(e, m);
        downlink_flow(e, d);
        n++;
    }
    return n;
}

uint32_t engine_queue_purge(struct engine *e, uint64_t now_ms, struct bytes device_id, uint32_t max)
{
    engine_set_time(e, now_ms);
    struct device *d = device_named(e, device_id);
    if (device_id.len == 0)
        return purge_all(e, max);
    if (!d)
        return 0;
    uint32_t n = purge_list(e, &d->awaiting, max);
    n += purge_list(e, &d->queue.items, max - n);
    downlink_flow(e, d);
    return n;
}

enum error engine_message_replay(struct engine *e, uint64_t now_ms, struct bytes device_id, uint64_t seq)
{
    engine_set_time(e, now_ms);
    struct device *d = device_named(e, device_id);
    struct downlink *m = d ? find(d, seq) : NULL;
    if (!m)
        return d ? ERR_NOT_FOUND : ERR_UNKNOWN_DEVICE;
    d->closed_until_ms = 0;
    device_heard(e, d);
    LIST_EACH (it, &d->queue.items)
        LIST_ENTRY(it, struct queue_item, node)->not_before_ms = 0;
    if (m->state == DOWNLINK_SENT) { /* its repetition is due now */
        m->attempts = 0;
        timer_start(&e->timers, &m->repeat, e->now_ms);
    }
    downlink_flow(e, d);
    return OK;
}
