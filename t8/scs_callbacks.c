#include "t8/scs_callbacks.h"

#include <string.h>

#include "t8/nidd_notification.h"

static void reply_problem(struct http_exchange *x, const struct t8_problem *p)
{
    struct buf body = {0};
    struct http_reply r = {.status = p->status, .content_type = "application/problem+json"};
    if (t8_problem_encode(p, &body) == OK)
        r.body = buf_bytes(&body);
    http_reply(x, &r);
    buf_free(&body);
}

void scs_callbacks_answer(struct http_exchange *x, enum error err)
{
    http_reply_error(x, err, NULL, NULL);
}

/* The one notification whose sender needs a body (TS 29.522 clause 5.5.3): no feature is defined. */
static void reply_to_trigger(struct http_exchange *x)
{
    struct buf body = {0};
    enum error err = nidd_configuration_trigger_reply_encode(0, &body);
    if (err)
        http_reply_error(x, err, NULL, NULL);
    else
        http_reply(x,
                   &(struct http_reply){.status = 200, .content_type = "application/json", .body = buf_bytes(&body)});
    buf_free(&body);
}

static enum scs_verdict hand_on(const struct scs_callbacks_sink *sink, struct http_exchange *x,
                                const struct nidd_notification *n, enum error *err)
{
    switch (n->kind) {
    case NIDD_NOTIFICATION_UPLINK:
        return sink->uplink(sink->ctx, x, &n->uplink, err);
    case NIDD_NOTIFICATION_DELIVERY_STATUS:
        return sink->delivery_status(sink->ctx, &n->delivery_status, err);
    case NIDD_NOTIFICATION_CONFIGURATION_STATUS:
        return sink->configuration_status(sink->ctx, &n->configuration_status, err);
    case NIDD_NOTIFICATION_CONFIGURATION_TRIGGER:
        reply_to_trigger(x);
        return SCS_LATER;
    default: /* understood, and of no use here: the SCEF has done its part */
        return SCS_ACCEPTED;
    }
}

/* Any media type will do: some senders name none. */
void scs_callbacks_handle(const struct scs_callbacks_sink *sink, struct http_exchange *x)
{
    const struct http_request *request = http_exchange_request(x);
    if (strcmp(request->method, "POST") != 0) {
        http_reply(x, &(struct http_reply){.status = error_http_status(ERR_METHOD), .allow = "POST"});
        sink->counted(sink->ctx, ERR_METHOD);
        return;
    }
    struct nidd_notification n;
    struct t8_problem p;
    enum error err = nidd_notification_decode(request->body, &n, &p);
    if (err) {
        reply_problem(x, &p);
        sink->counted(sink->ctx, err);
        return;
    }
    enum scs_verdict verdict = hand_on(sink, x, &n, &err);
    nidd_notification_release(&n);
    if (verdict == SCS_ACCEPTED)
        err = OK;
    if (verdict != SCS_LATER)
        scs_callbacks_answer(x, err);
    sink->counted(sink->ctx, verdict == SCS_LATER ? OK : err);
}
