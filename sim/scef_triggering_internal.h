/* What the files of device triggering share.
 *
 *   scef_triggering.c            requests, transactions
 *   scef_triggering_delivery.c   queues of the UEs, reports */
#ifndef SIM_SCEF_TRIGGERING_INTERNAL_H
#define SIM_SCEF_TRIGGERING_INTERNAL_H

#include "base/list.h"
#include "base/map.h"
#include "base/slab.h"
#include "base/timer_wheel.h"
#include "sim/scef_resource.h"
#include "sim/scef_triggering.h"

enum triggering_timer {
    TRIGGERING_TIMER_TRANSACTION, /* validity over, a failure to be reported, or to be forgotten */
    TRIGGERING_TIMER_QUEUE        /* the next one may go */
};

/* A DeviceTriggering of our own: the body, and what was read from it. */
struct trigger_content {
    struct buf body;
    struct device_triggering fields;
};

struct transaction {
    struct scef_resource resource;
    handle ref;
    uint32_t ue;
    bool by_msisdn;
    struct trigger_content content;
    enum {
        TRANSACTION_WAITING,   /* PENDING, in the queue */
        TRANSACTION_SUBMITTED, /* PENDING or ON THE RADIO: the SMS service has it */
        TRANSACTION_FAILING,   /* the SMS service will not take it */
        TRANSACTION_FINISHED,
        TRANSACTION_GONE /* known to nobody; kept until what borrows from it is out of date */
    } state;
    enum device_triggering_result result;  /* the last one told */
    enum device_triggering_result verdict; /* FAILING: to be told */
    uint64_t ends_ms;                      /* its validity */
    uint64_t trigger;                      /* SUBMITTED: the SMS service's name for it */
    struct timer timer;
    struct list node; /* WAITING: in the queue */
};

struct trigger_queue {
    uint32_t ue;
    struct list waiting;
    struct transaction *submitted; /* one at a time; those of validity 0 do not count */
    struct timer timer;
};

/* An SCS/AS and what it has used. */
struct trigger_user {
    char *scs_as_id;
    struct trigger_window {
        uint64_t ends_ms;
        uint64_t used;
    } quota, rate;
};

struct scef_triggering {
    struct scef_triggering_options options;
    char *link_root, *websocket_root;
    struct scef_model *model;
    struct prng prng;
    uint64_t now_ms;
    struct timer_wheel wheel;
    struct slab transactions;
    struct map by_id; /* struct transaction, those that are not GONE */
    struct map users; /* struct trigger_user */
    struct trigger_queue **queues;
    uint32_t queue_count;
    uint64_t next_number;
    struct scef_triggering_totals totals;
};

/* scef_triggering_delivery.c */
/* The UE's queue, made if need be; NULL: no memory. */
struct trigger_queue *triggering_queue_of(struct scef_triggering *t, uint32_t ue);
/* Starts it. Memory was taken care of. */
void triggering_start(struct scef_triggering *t, struct transaction *tr);
/* Takes a pending one out of queue and SMS service; false: it is on the radio. */
bool triggering_withdraw(struct scef_triggering *t, struct transaction *tr);
void triggering_transaction_timer(struct scef_triggering *t, struct transaction *tr);
void triggering_queue_flow(struct scef_triggering *t, struct trigger_queue *q);

/* scef_triggering.c */
void triggering_delete(struct scef_triggering *t, struct transaction *tr);

#endif
