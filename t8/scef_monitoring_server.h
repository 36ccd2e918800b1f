/* The monitoring event API served (TS 29.122 clause 5.3.3). */
#ifndef T8_SCEF_MONITORING_SERVER_H
#define T8_SCEF_MONITORING_SERVER_H

#include "t8/scef_server.h"

/* path->id is the subscriptionId. Every function must be set. */
struct scef_monitoring_sink {
    scef_next_fn subscription_next;
    /* 201; or 200 with SCEF_BODY_REPORTS: a one-time request that is answered at once, no resource. */
    void (*subscription_create)(void *ctx, const struct scef_path *path, const struct monitoring_subscription *s,
                                struct scef_reply *a);
    scef_resource_fn subscription_get; /* 200 */
    void (*subscription_replace)(void *ctx, const struct scef_path *path, const struct monitoring_subscription *s,
                                 struct scef_reply *a); /* 200, 204 */
    /* `patch` is a JSON array, not checked any further (RFC 6902). 204. */
    void (*subscription_patch)(void *ctx, const struct scef_path *path, struct bytes patch, struct scef_reply *a);
    scef_resource_fn subscription_delete; /* 204; or 200 with the last reports, which are SCEF_BODY_REPORT_LIST */
};

#endif
