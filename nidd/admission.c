/* Who is let into a device's queue, and who makes room: the bounds of the device and of all devices, displacement by
 * priority, and the newer request that takes the place of an older one ("latest wins").
 *
 * Who makes room is told so (`displaced`, 5.03) once the record of the newcomer is on its way to the store; its own
 * record is deleted in the same batch, so that a restart finds one of the two. While the store refuses what it is given
 * nobody makes room: the newcomer might be refused after all. */
#include "nidd/internal.h"

#include <string.h>

#define MAKE_ROOM_MAX_AGE_S 60

/* ---- bounds */

static uint32_t most(uint32_t max, uint32_t here, uint64_t everywhere, uint64_t total)
{
    const uint64_t left = total > everywhere ? total - everywhere : 0;
    return here + left < max ? (uint32_t)(here + left) : max;
}

/* What left the queue and waits for its answer is held all the same: it counts against the bound of requests. */
static struct queue_limits limits_of(const struct engine *e, const struct downlink *m)
{
    const struct device *d = m->device;
    struct queue_limits l = e->o.queue;
    if (downlink_is_request(m))
        l.max_messages -= d->awaiting_count < l.max_messages ? d->awaiting_count : l.max_messages;
    l.max_messages = most(l.max_messages, d->queue.messages, e->queued_messages, e->o.queue_total_messages);
    l.max_bytes = most(l.max_bytes, d->queue.bytes, e->queued_bytes, e->o.queue_total_bytes);
    return l;
}

/* ---- latest wins */

/* Part of a block-wise transfer, an observation's begin or end, or something that cannot be read. */
static bool stands_alone(const struct coap_option *o)
{
    return o->number != COAP_OPTION_OBSERVE && o->number != COAP_OPTION_BLOCK1 && o->number != COAP_OPTION_BLOCK2 &&
           o->number != COAP_OPTION_OSCORE;
}

/* What two requests have in common of which only the later one counts: device, server, method and all options, and for
 * FETCH what it asks for (RFC 8132 clause 2.1). NULL: it is not of that kind, or memory is short. */
static struct blob *resource_of(struct engine *e, const struct downlink *m)
{
    struct coap_view v;
    struct coap_option o;
    struct coap_option_cursor c = {0};
    if (coap_view_parse(blob_bytes(m->message), &v) != OK ||
        (v.code != COAP_GET && v.code != COAP_PUT && v.code != COAP_FETCH))
        return NULL;
    while (coap_option_next(&v, &c, &o))
        if (!stands_alone(&o))
            return NULL;
    if (c.broken)
        return NULL;
    const size_t options = COAP_HEADER_BYTES + v.token.len;
    const size_t end = v.code == COAP_PUT && c.offset ? c.offset : v.message.len;
    buf_reset(&e->scratch);
    buf_add_be32(&e->scratch, m->device->leg);
    buf_add_be32(&e->scratch, m->server);
    buf_add_u8(&e->scratch, v.code);
    buf_add(&e->scratch, bytes_of(v.message.data + options, end > options ? end - options : 0));
    return e->scratch.failed ? NULL : blob_of(buf_bytes(&e->scratch));
}

struct bytes admission_resource_key(const void *value)
{
    return blob_bytes(((const struct downlink *)value)->resource);
}

static struct downlink *older(const struct engine *e, struct downlink *m)
{
    struct downlink *old = m->resource ? map_get(&e->by_resource, blob_bytes(m->resource)) : NULL;
    if (!old || old->seq <= m->device->more->barrier_seq)
        return NULL;
    if (old->state == DOWNLINK_WITH_SCEF && downlink_goes_to_buffer(m) && old->item.priority == m->item.priority)
        m->replaces = old->h; /* there, when it is stored (buffered.c) */
    const bool unsent = old->state == DOWNLINK_STORING || (old->state == DOWNLINK_QUEUED && !old->submitted_ms);
    return unsent ? old : NULL;
}

void admission_forget(struct engine *e, struct downlink *m)
{
    if (!m->resource)
        return;
    if (map_get(&e->by_resource, blob_bytes(m->resource)) == m) {
        map_remove(&e->by_resource, blob_bytes(m->resource));
        m->device->more->replaceable--;
    }
    blob_unref(m->resource);
    m->resource = NULL;
}

static void remember(struct engine *e, struct downlink *m)
{
    struct downlink *before = map_get(&e->by_resource, blob_bytes(m->resource));
    if (before)
        admission_forget(e, before);
    if (map_put(&e->by_resource, m) == OK) {
        m->device->more->replaceable++;
    } else {
        blob_unref(m->resource);
        m->resource = NULL;
    }
}

/* What stands before a request that does something is not to be replaced by what comes after it. */
static void be_a_barrier(const struct downlink *m)
{
    const uint8_t code = m->message->data[1];
    struct device_more *more = m->device->more;
    if (more && more->replaceable && !m->resource && code != COAP_GET && code != COAP_FETCH)
        more->barrier_seq = m->seq;
}

/* ---- in */

static bool store_refuses(const struct engine *e)
{
    return timer_running(&e->store_timer) || !list_empty(&e->unsaved);
}

enum error admission_enter(struct engine *e, struct downlink *m, const struct engine_policy *p, struct admission *a)
{
    struct queue *q = &m->device->queue;
    const bool request = downlink_is_request(m);
    *a = (struct admission){.limits = limits_of(e, m)};
    if (request && p->latest_wins && device_more(m->device))
        m->resource = resource_of(e, m);
    if (!store_refuses(e))
        a->older = older(e, m);
    if (!queue_admits(q, &a->limits, &m->item, a->older ? &a->older->item : NULL) &&
        (store_refuses(e) || !queue_may_displace(q, &a->limits, &m->item))) {
        admission_forget(e, m);
        return ERR_QUEUE_FULL;
    }
    m->item.place = m->seq;
    queue_insert(q, &m->item);
    if (a->older && a->older->item.priority == m->item.priority)
        queue_take_place(q, &a->older->item, &m->item);
    return OK;
}

/* It makes room. */
static void displace(struct engine *e, struct downlink *m, const char *reason)
{
    if (m->state == DOWNLINK_STORING)
        downlink_refuse(e, m, COAP_CODE(5, 3), MAKE_ROOM_MAX_AGE_S, reason);
    else
        downlink_fail(e, m, FINAL_DISPLACED, COAP_CODE(5, 3), MAKE_ROOM_MAX_AGE_S, reason, T8_CAUSE_NONE);
}

void admission_settle(struct engine *e, struct downlink *m, const struct admission *a)
{
    struct queue_item *item;
    if (!downlink_is_request(m))
        return;
    if (a->older)
        displace(e, a->older, "replaced by a newer request");
    while ((item = queue_to_displace(&m->device->queue, &a->limits, m->item.priority)))
        displace(e, LIST_ENTRY(item, struct downlink, item), "displaced by a request of higher priority");
    if (m->resource)
        remember(e, m);
    be_a_barrier(m);
}
