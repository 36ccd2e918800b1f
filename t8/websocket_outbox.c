/* One list in the order of numbers, walked from its beginning: what is acknowledged is near it, and the list is short
 * (max). */
#include "t8/websocket_outbox.h"

#include <stdlib.h>

#include "t8/websocket_notification.h"

static struct websocket_parcel *parcel_at(struct list *node)
{
    return LIST_ENTRY(node, struct websocket_parcel, node);
}

static struct websocket_parcel *take(struct websocket_outbox *o, struct websocket_parcel *p)
{
    list_remove(&p->node);
    o->count--;
    return p;
}

void websocket_outbox_init(struct websocket_outbox *o)
{
    list_init(&o->parcels);
    o->count = 0;
}

struct websocket_parcel *websocket_outbox_add(struct websocket_outbox *o, const char *content_type, struct bytes body,
                                              void *owner, uint64_t now_ms)
{
    struct websocket_parcel *p = o->count < o->max ? calloc(1, sizeof *p) : NULL;
    if (!p)
        return NULL;
    struct websocket_notification n = {
        .number = o->next_number, .content_type = bytes_of_str(content_type), .body = body};
    websocket_notification_encode(&n, &p->message);
    if (p->message.failed) {
        websocket_parcel_free(p);
        return NULL;
    }
    p->number = o->next_number++;
    p->send_at_ms = now_ms;
    p->end_ms = now_ms + o->lifetime_ms;
    p->owner = owner;
    list_push_back(&o->parcels, &p->node);
    o->count++;
    return p;
}

struct websocket_parcel *websocket_outbox_due(struct websocket_outbox *o, uint64_t now_ms)
{
    LIST_EACH (node, &o->parcels) {
        struct websocket_parcel *p = parcel_at(node);
        if (p->send_at_ms > now_ms)
            continue;
        p->send_at_ms = now_ms + o->resend_ms;
        p->sendings++;
        return p;
    }
    return NULL;
}

void websocket_outbox_rewind(struct websocket_outbox *o, uint64_t now_ms)
{
    LIST_EACH (node, &o->parcels)
        parcel_at(node)->send_at_ms = now_ms;
}

struct websocket_parcel *websocket_outbox_expired(struct websocket_outbox *o, uint64_t now_ms)
{
    struct websocket_parcel *first = list_empty(&o->parcels) ? NULL : parcel_at(o->parcels.next);
    return first && first->end_ms <= now_ms ? take(o, first) : NULL;
}

struct websocket_parcel *websocket_outbox_acknowledged(struct websocket_outbox *o, uint32_t number)
{
    LIST_EACH (node, &o->parcels)
        if (parcel_at(node)->number == number)
            return take(o, parcel_at(node));
    return NULL;
}

struct websocket_parcel *websocket_outbox_any(struct websocket_outbox *o)
{
    return list_empty(&o->parcels) ? NULL : take(o, parcel_at(o->parcels.next));
}

void websocket_parcel_free(struct websocket_parcel *p)
{
    if (!p)
        return;
    buf_free(&p->message);
    free(p);
}

uint64_t websocket_outbox_wake_ms(const struct websocket_outbox *o, bool connected)
{
    uint64_t wake = UINT64_MAX;
    LIST_EACH (node, &o->parcels) {
        struct websocket_parcel *p = parcel_at(node);
        wake = p->end_ms < wake ? p->end_ms : wake;
        wake = connected && p->send_at_ms < wake ? p->send_at_ms : wake;
    }
    return wake;
}
