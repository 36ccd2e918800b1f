/* The NIDD API served (TS 29.122 clause 5.6.3): NIDD configurations, downlink data deliveries, RDS ports. */
#ifndef T8_SCEF_NIDD_SERVER_H
#define T8_SCEF_NIDD_SERVER_H

#include "t8/nidd_configuration_patch.h"
#include "t8/scef_server.h"

/* path->id is the configurationId, path->sub_id the downlinkDataDeliveryId. Every function must be set. */
struct scef_nidd_sink {
    scef_next_fn configuration_next;
    void (*configuration_create)(void *ctx, const struct scef_path *path, const struct nidd_configuration *c,
                                 struct scef_reply *a); /* 201 */
    scef_resource_fn configuration_get;                 /* 200 */
    void (*configuration_patch)(void *ctx, const struct scef_path *path, const struct nidd_configuration_patch *p,
                                struct scef_reply *a); /* 200, 204 */
    scef_resource_fn configuration_delete;             /* 204; or 200, which shows it once more */

    scef_next_fn delivery_next; /* those that are pending */
    /* 200: done; 201: pending. May answer later, by scef_nidd_delivery_reply with the same x. */
    void (*delivery_create)(void *ctx, struct http_exchange *x, const struct scef_path *path,
                            const struct nidd_downlink *d, struct scef_reply *a);
    scef_resource_fn delivery_get; /* 200 */
    void (*delivery_replace)(void *ctx, const struct scef_path *path, const struct nidd_downlink *d,
                             struct scef_reply *a); /* 200, 204 */
    void (*delivery_patch)(void *ctx, const struct scef_path *path, const struct nidd_downlink_patch *p,
                           struct scef_reply *a); /* 200, 204 */
    scef_resource_fn delivery_delete;             /* 204 */

    scef_next_fn port_next;
    scef_resource_fn port_get; /* 200 */
    void (*port_put)(void *ctx, const struct scef_path *path, const struct nidd_managed_port *p,
                     struct scef_reply *a); /* 201; 202: a notification follows */
    scef_resource_fn port_delete;           /* 204; 202: a notification follows */
};

void scef_nidd_delivery_reply(const struct scef_server *s, struct http_exchange *x, struct scef_reply *a);

#endif
