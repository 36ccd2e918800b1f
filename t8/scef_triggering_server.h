/* The device triggering API served (TS 29.122 clause 5.7.3). */
#ifndef T8_SCEF_TRIGGERING_SERVER_H
#define T8_SCEF_TRIGGERING_SERVER_H

#include "t8/scef_server.h"

/* path->id is the transactionId. Every function must be set. */
struct scef_triggering_sink {
    scef_next_fn transaction_next;
    void (*transaction_create)(void *ctx, const struct scef_path *path, const struct device_triggering *t,
                               struct scef_reply *a); /* 201 */
    scef_resource_fn transaction_get;                 /* 200 */
    void (*transaction_replace)(void *ctx, const struct scef_path *path, const struct device_triggering *t,
                                struct scef_reply *a); /* 200, 204 */
    void (*transaction_patch)(void *ctx, const struct scef_path *path, const struct device_triggering_patch *p,
                              struct scef_reply *a); /* 200, 204 */
    scef_resource_fn transaction_delete;             /* 200: it is recalled; 204 */
};

#endif
