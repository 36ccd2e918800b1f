/* What a sender of notifications keeps until they are acknowledged (TS 29.122 clause 5.2.5.4): each has a number, is
 * sent without waiting for those before it, and is sent again with the same number when no acknowledgement came in time
 * or when there is another connection. Bounded. Pure: time is given. */
#ifndef T8_WEBSOCKET_OUTBOX_H
#define T8_WEBSOCKET_OUTBOX_H

#include "base/bytes.h"
#include "base/list.h"

struct websocket_outbox {
    uint64_t resend_ms;   /* after each sending without an acknowledgement */
    uint64_t lifetime_ms; /* then it ends without one */
    size_t max;           /* not acknowledged at once */
    uint32_t next_number;
    /* The rest is the outbox's own; websocket_outbox_init. */
    struct list parcels; /* by their end, that is by their number */
    size_t count;
};

struct websocket_parcel {
    struct list node;
    uint32_t number;
    struct buf message; /* encoded, to be sent as it is */
    uint64_t send_at_ms, end_ms;
    uint32_t sendings;
    void *owner; /* the caller's */
};

void websocket_outbox_init(struct websocket_outbox *o);
/* Numbers and keeps a notification. NULL: full, or no memory. */
struct websocket_parcel *websocket_outbox_add(struct websocket_outbox *o, const char *content_type, struct bytes body,
                                              void *owner, uint64_t now_ms);
/* The next one that is to be sent now, its next sending already planned; NULL: none. */
struct websocket_parcel *websocket_outbox_due(struct websocket_outbox *o, uint64_t now_ms);
/* A new connection: all are to be sent now. */
void websocket_outbox_rewind(struct websocket_outbox *o, uint64_t now_ms);
/* The one whose time is over, or that has the number, taken out; the caller frees it. NULL: none. */
struct websocket_parcel *websocket_outbox_expired(struct websocket_outbox *o, uint64_t now_ms);
struct websocket_parcel *websocket_outbox_acknowledged(struct websocket_outbox *o, uint32_t number);
struct websocket_parcel *websocket_outbox_any(struct websocket_outbox *o); /* for the end */
void websocket_parcel_free(struct websocket_parcel *p);
/* When to look again: with a connection sendings count, without only ends. UINT64_MAX: never. */
uint64_t websocket_outbox_wake_ms(const struct websocket_outbox *o, bool connected);

#endif
