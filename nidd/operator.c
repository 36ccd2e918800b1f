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

/* What the SCEF buffers may be beyond recall: it is asked first, where it can be. false: it was. */
static bool cancel(struct engine *e, struct downlink *m)
{
    if (buffered_cancel(e, m))
        return false;
    downlink_fail(e, m, FINAL_CANCELLED, COAP_CODE(5, 3), CANCELLED_MAX_AGE_S, reason, T8_CAUSE_NONE);
    return true;
}

enum error engine_message_cancel(struct engine *e, uint64_t now_ms, struct bytes device_id, uint64_t seq)
{
    engine_set_time(e, now_ms);
    struct device *d = device_named(e, device_id);
    struct downlink *m = d ? find(d, seq) : NULL;
    if (!m)
        return d ? ERR_NOT_FOUND : ERR_UNKNOWN_DEVICE;
    (void)cancel(e, m);
    downlink_flow(e, d);
    return OK;
}

/* What the SCEF has been asked to let go of is cancelled once. */
static bool is_purged(const struct engine_purge *p, const struct downlink *m)
{
    return is_waiting(m) && m->asked != ASKED_CANCEL && m->accepted_ms <= p->accepted_until_ms &&
           (p->server == ENGINE_NONE || p->server == m->server);
}

/* false: one is left for which there was no time. */
static bool purge_list(struct engine *e, struct engine_purge *p, struct list *l, uint32_t *left)
{
    LIST_EACH_SAFE (it, l) {
        struct downlink *m = LIST_ENTRY(it, struct downlink, item.node);
        if (!is_purged(p, m))
            continue;
        if (*left == 0)
            return false;
        (*left)--;
        *(cancel(e, m) ? &p->cancelled : &p->asked) += 1;
    }
    return true;
}

/* The same. It flows again when nothing more of it is purged. */
static bool purge_device(struct engine *e, struct engine_purge *p, struct device *d, uint32_t *left)
{
    if (!purge_list(e, p, &d->awaiting, left) || !purge_list(e, p, &d->queue.items, left))
        return false;
    downlink_flow(e, d);
    return true;
}

/* The same. Whose turn it is takes all of its device along. */
static bool purge_all(struct engine *e, struct engine_purge *p, uint32_t *left)
{
    while (*left) {
        handle h;
        const uint32_t here = p->cursor;
        struct downlink *m = slab_next(&e->downlinks, &p->cursor, &h);
        if (!m)
            return true;
        if (!is_purged(p, m)) {
            (*left)--;
        } else if (!purge_device(e, p, m->device, left)) {
            p->cursor = here;
            return false;
        }
    }
    return false;
}

bool engine_queue_purge(struct engine *e, uint64_t now_ms, struct engine_purge *p, uint32_t max)
{
    engine_set_time(e, now_ms);
    if (p->device_id.len == 0)
        return !purge_all(e, p, &max);
    struct device *d = device_named(e, p->device_id);
    return d && !purge_device(e, p, d, &max);
}

/* Its repetition is due now. */
static void repeat_now(struct engine *e, struct downlink *m)
{
    m->attempts = 0;
    timer_start(&e->timers, &m->repeat, e->now_ms);
}

enum error engine_message_replay(struct engine *e, uint64_t now_ms, struct bytes device_id, uint64_t seq)
{
    engine_set_time(e, now_ms);
    struct device *d = device_named(e, device_id);
    if (!d)
        return ERR_UNKNOWN_DEVICE;
    if (seq ? !find(d, seq) : d->queue.messages == 0)
        return ERR_NOT_FOUND;
    d->closed_until_ms = 0;
    device_heard(e, d);
    LIST_EACH (it, &d->queue.items) {
        struct downlink *m = LIST_ENTRY(it, struct downlink, item.node);
        m->item.not_before_ms = 0;
        if (m->state == DOWNLINK_SENT && (seq == 0 || m->seq == seq))
            repeat_now(e, m);
    }
    downlink_flow(e, d);
    return OK;
}
