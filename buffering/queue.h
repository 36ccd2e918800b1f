/* The rules of a device's downlink queue, pure: no I/O, no clock.
 *
 * Order: answers to the device's own requests first, then acknowledgements, then DTLS records, then requests, those of
 * greater priority first; first in, first out otherwise. DTLS records go one after the other, so that none overtakes
 * another one. An item stays in its place while it is in flight, so that a failed attempt never changes the order.
 *
 * Bounds hold for requests; answers and acknowledgements are let in beyond them while the queue holds fewer of these
 * than a small reserve, since refusing them would only make the device repeat itself. DTLS records have the bounds and
 * one of their own. A request that finds no room may displace requests of lower priority: the youngest of the lowest
 * priority first, and none that is in flight.
 *
 * No call depends on the number of messages in the queue, but for those that are named. */
#ifndef BUFFERING_QUEUE_H
#define BUFFERING_QUEUE_H

#include "base/error.h"
#include "base/list.h"

#include <stdint.h>

enum queue_class { QUEUE_ANSWER, QUEUE_ACK, QUEUE_REQUEST, QUEUE_DTLS }; /* numbers of records; not the order */

#define QUEUE_PRIORITY_MAX     7
#define QUEUE_PRIORITY_DEFAULT 3

/* A member of the message it stands for. */
struct queue_item {
    struct list node;
    struct queue_item *upper; /* the queue's own */
    uint64_t place;           /* of a request: those of one priority go by it */
    uint64_t not_before_ms;   /* 0 = at once; a later retry of this one item */
    uint32_t bytes;           /* what it counts against the bounds */
    uint8_t class_;           /* enum queue_class */
    uint8_t priority;         /* of a request; the greater goes first */
    bool in_flight;           /* under way: submitted, with the SCEF, or sent and unanswered */
    bool storing;             /* not accepted yet: it holds nobody up but those of its priority behind it */
};

struct queue_limits {
    uint32_t max_messages; /* per device */
    uint32_t max_bytes;
    uint32_t nstart; /* requests in flight at once, RFC 7252 clause 4.7 */
};

struct queue {
    struct list items;
    uint32_t messages;
    uint32_t bytes;
    uint32_t answers; /* answers and acknowledgements among the messages */
    uint32_t requests_in_flight : 24;
    uint32_t records : 8; /* of DTLS */
};

#define QUEUE_ANSWER_RESERVE 16 /* answers and acknowledgements let in whatever the bounds */
#define QUEUE_DTLS_MAX       32 /* DTLS records at once: a flight of a handshake has fewer, and DTLS repeats what is lost */
#define QUEUE_DISPLACED_MAX  64 /* requests that make room for one */

void queue_init(struct queue *q);
/* Is there room for this item, which is not in the queue, when `instead` (NULL: none) leaves? */
bool queue_admits(const struct queue *q, const struct queue_limits *l, const struct queue_item *item,
                  const struct queue_item *instead);
/* Would there be room for this request if others were displaced? Looks at these. */
bool queue_may_displace(const struct queue *q, const struct queue_limits *l, const struct queue_item *item);
/* While the queue holds more than it may: the one to be displaced next by a request of this priority; else NULL. */
struct queue_item *queue_to_displace(const struct queue *q, const struct queue_limits *l, uint8_t priority);
/* Whatever the bounds. The item is the caller's and stays where it is until queue_remove. A request whose place is
 * before that of others of its priority goes there, past these; that happens after a restart only. */
void queue_insert(struct queue *q, struct queue_item *item);
/* Both are in the queue, requests of one priority, not in flight: `item` moves to just behind `other`, and has its
 * place from now on. */
void queue_take_place(struct queue *q, struct queue_item *other, struct queue_item *item);
/* Not in flight any more afterwards. An item that is in no queue (removed before, or zeroed and never inserted) is left
 * as it is. */
void queue_remove(struct queue *q, struct queue_item *item);
/* The item to send now, or NULL: the first that is not in flight and whose time has come, a request only while fewer
 * than nstart requests are in flight and no earlier request waits for its own time (order is kept). Passes answers,
 * acknowledgements and what is in flight. */
struct queue_item *queue_next(const struct queue *q, const struct queue_limits *l, uint64_t now_ms);
/* The earliest time after now at which time alone may change what queue_next gives: the not_before_ms of a waiting
 * answer, acknowledgement or first request (those behind it keep their order); UINT64_MAX when none waits. */
uint64_t queue_next_time(const struct queue *q, uint64_t now_ms);
void queue_set_in_flight(struct queue *q, struct queue_item *item, bool in_flight);

#endif
