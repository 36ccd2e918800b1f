/* Our role as SCS/AS, incoming: the notifications of the SCEF (TS 29.122 clause 5.6.3, callbacks). */
#ifndef T8_SCS_CALLBACKS_H
#define T8_SCS_CALLBACKS_H

#include "t8/http_server.h"
#include "t8/nidd.h"

/* What the sink decides on a notification. */
enum scs_verdict {
    SCS_ACCEPTED, /* 204 */
    SCS_REFUSED,  /* the error in *err: 4xx, 503 with Retry-After */
    SCS_LATER     /* the sink answers with scs_callbacks_answer(x, ...) when it knows */
};

struct scs_callbacks_sink {
    void *ctx;
    enum scs_verdict (*uplink)(void *ctx, struct http_exchange *x, const struct nidd_uplink *u, enum error *err);
    enum scs_verdict (*delivery_status)(void *ctx, const struct nidd_delivery_status *s, enum error *err);
    enum scs_verdict (*configuration_status)(void *ctx, const struct nidd_configuration_status *s, enum error *err);
    /* Once per request: err is OK (SCS_LATER included), or why it was refused. */
    void (*counted)(void *ctx, enum error err);
};

/* The handler for one callback request: POST with a JSON body, else the right 4xx. The slices of a notification are
 * good during the call of the sink. */
void scs_callbacks_handle(const struct scs_callbacks_sink *sink, struct http_exchange *x);
/* 204 for OK. */
void scs_callbacks_answer(struct http_exchange *x, enum error err);

#endif
