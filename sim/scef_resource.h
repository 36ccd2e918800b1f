/* What the resources of device triggering and of monitoring share (TS 29.122 clause 5.2): their links, the features
 * both sides can do, and the way their notifications go. */
#ifndef SIM_SCEF_RESOURCE_H
#define SIM_SCEF_RESOURCE_H

#include "sim/scef_model.h"

struct scef_resource {
    char *id;
    char *scs_as_id;
    char *self;                  /* link_root "/" scsAsId "/" collection "/" id */
    struct t8_features features; /* what both sides can do; not told when the AS told none */
    bool test_notification;      /* asked for, and agreed upon */
    char *websocket_uri;         /* notifications go there; NULL = by POST */
};
/* ERR_NO_MEMORY: nothing is left to release. */
[[gnu::warn_unused_result]] enum error scef_resource_init(struct scef_resource *r, const char *link_root,
                                                          struct bytes scs_as_id, const char *collection,
                                                          enum t8_id_style style, char letter, uint64_t number);
void scef_resource_release(struct scef_resource *r);
/* Is there such a resource of this SCS/AS? r may be NULL. */
bool scef_resource_is(const struct scef_resource *r, struct bytes scs_as_id);

/* How an API's notifications may go otherwise (clauses 5.2.5.3 and 5.2.5.4). */
struct scef_notification_ways {
    uint64_t websocket;         /* the API's feature; needs `test` too */
    uint64_t test;              /* the API's feature */
    const char *websocket_root; /* what a websocketUri begins with, before the path of `self`; NULL = none offered */
};
/* Settles features, test notification and WebSocket of a new resource. Status 0, or the refusal. What a feature rules
 * is ignored where the feature was not agreed upon. */
struct scef_answer scef_resource_settle(struct scef_resource *r, struct t8_features asked, uint64_t offered,
                                        const struct scef_notification_ways *ways, enum t8_flag test,
                                        const struct t8_websocket *websocket);
/* A WebSocket asked for: granted once; a second request, and a URI that the AS sets itself, are refused. Status 0 when
 * nothing is wrong, granted or not. */
struct scef_answer scef_resource_websocket(struct scef_resource *r, const struct scef_notification_ways *ways,
                                           const struct t8_websocket *asked);
/* As it is shown; absent unless there is one. */
struct t8_websocket scef_resource_shown_websocket(const struct scef_resource *r);

bool scef_resource_has_websocket(const struct scef_resource *r, struct bytes uri);

/* Starts a notification by the resource's way. An empty body, for lack of memory when it was made, is none. */
void scef_resource_notify(const struct scef_resource *r, struct scef_model *m, uint64_t now_ms,
                          enum scef_notification_kind kind, struct bytes destination, struct t8_identity id,
                          struct bytes body);
/* The test notification, if it was asked for. */
void scef_resource_test(const struct scef_resource *r, struct scef_model *m, uint64_t now_ms, struct bytes destination);

/* A refusal of an optional or mandatory member. */
static inline struct scef_answer scef_answer_blame(int http_status, enum t8_cause cause, const char *param)
{
    return (struct scef_answer){.http_status = http_status, .cause = cause, .invalid_param = param};
}
static inline struct scef_answer scef_answer_of(int http_status)
{
    return (struct scef_answer){.http_status = http_status};
}

#endif
