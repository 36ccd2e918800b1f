/* Our role as SCS/AS, incoming: the notifications of the SCEF (TS 29.122 clauses 5.6.3, 5.7.3 and 5.3.3, callbacks) and
 * a NEF's NIDD configuration trigger (TS 29.522 clause 5.5), whether they come as HTTP requests or over something else.
 *
 * A notification names no type: its members tell. Its path may: on the path of one API a notification of another one is
 * 400. */
#ifndef T8_SCS_CALLBACKS_H
#define T8_SCS_CALLBACKS_H

#include "t8/http_server.h"
#include "t8/nidd_notification.h"

/* What the sink decides on a notification. */
enum scs_verdict {
    SCS_ACCEPTED, /* 204, or what the notification asks for */
    SCS_REFUSED,  /* the error in *err: 4xx, 503 with Retry-After */
    SCS_LATER     /* the sink answers with scs_callbacks_answer(from, ...) when it knows */
};

/* What may come to a path. A test notification may come to each but the last. */
enum scs_callback_path {
    SCS_PATH_ANY,
    SCS_PATH_NIDD,
    SCS_PATH_TRIGGERING,
    SCS_PATH_MONITORING,
    SCS_PATH_CONFIGURATION_TRIGGER
};

/* Who waits for the answer to a notification: an HTTP exchange, or else a function that sends it. By value; to be
 * answered exactly once. */
struct scs_sender {
    struct http_exchange *exchange; /* NULL: by reply */
    void (*reply)(void *ctx, const struct http_reply *r);
    void *ctx;
};

/* All functions but `counted` may be NULL: the notification is understood and accepted. */
struct scs_callbacks_sink {
    void *ctx;
    enum scs_verdict (*uplink)(void *ctx, struct scs_sender from, const struct nidd_uplink *u, enum error *err);
    enum scs_verdict (*delivery_status)(void *ctx, const struct nidd_delivery_status *s, enum error *err);
    enum scs_verdict (*configuration_status)(void *ctx, const struct nidd_configuration_status *s, enum error *err);
    enum scs_verdict (*group_result)(void *ctx, const struct nidd_group_result *g, enum error *err);
    enum scs_verdict (*managed_ports)(void *ctx, const struct nidd_managed_ports *m, enum error *err);
    enum scs_verdict (*trigger_report)(void *ctx, const struct device_triggering_report *r, enum error *err);
    enum scs_verdict (*monitoring)(void *ctx, const struct monitoring_notification *n, enum error *err);
    /* `path` as it was given: which API's resource the test is about. */
    enum scs_verdict (*test)(void *ctx, enum scs_callback_path path, const struct t8_test_notification *t,
                             enum error *err);
    enum scs_verdict (*configuration_trigger)(void *ctx, const struct nidd_configuration_trigger *t, enum error *err);
    /* Once per request: what kind it was (enum in struct nidd_notification; -1 when that could not be told), and OK
     * (SCS_LATER included) or why it was refused. */
    void (*counted)(void *ctx, int kind, enum error err);
};

/* The handler for one callback request: POST with a JSON body, else the right 4xx. The slices of a notification are
 * good during the call of the sink. */
void scs_callbacks_handle(const struct scs_callbacks_sink *sink, struct http_exchange *x, enum scs_callback_path path);
/* The same for a notification that came another way. `from` is answered now, or later by the sink. */
void scs_callbacks_take(const struct scs_callbacks_sink *sink, struct scs_sender from, struct bytes body,
                        enum scs_callback_path path);
/* 204 for OK. */
void scs_callbacks_answer(struct scs_sender from, enum error err);

#endif
