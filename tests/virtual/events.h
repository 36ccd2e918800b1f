/* What is to happen, in the order of virtual time; equal times in the order of asking. */
#ifndef VIRTUAL_EVENTS_H
#define VIRTUAL_EVENTS_H

#include "base/bytes.h"

struct event {
    uint64_t at_ms;
    uint64_t order;
    int kind;
    uint32_t who;   /* a device, as the kind says */
    uint32_t epoch; /* incarnation of the adapter it belongs to */
    uint64_t ref;
    int status;
    uint32_t retry_after_s;
    int detail;
    uint8_t *data; /* owned */
    size_t len;
    char *text; /* owned */
};

struct events {
    struct event *heap;
    size_t count, cap;
    uint64_t order;
};

/* The event is copied; data and text are taken over. */
void events_push(struct events *q, struct event ev);
uint64_t events_next_ms(const struct events *q); /* UINT64_MAX when empty */
struct event events_pop(struct events *q);
void event_release(struct event *ev);
void events_free(struct events *q);

#endif
