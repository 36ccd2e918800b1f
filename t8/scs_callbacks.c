#include "t8/scs_callbacks.h"

#include <string.h>

static void reply(struct scs_sender from, const struct http_reply *r)
{
    if (from.exchange)
        http_reply(from.exchange, r);
    else
        from.reply(from.ctx, r);
}

static void reply_problem(struct scs_sender from, const struct t8_problem *p)
{
    struct buf body = {0};
    struct http_reply r = {.status = p->status, .content_type = "application/problem+json"};
    if (t8_problem_encode(p, &body) == OK)
        r.body = buf_bytes(&body);
    else
        r.content_type = NULL;
    reply(from, &r);
    buf_free(&body);
}

void scs_callbacks_answer(struct scs_sender from, enum error err)
{
    if (from.exchange) {
        http_reply_error(from.exchange, err, NULL, NULL);
    } else if (err) {
        struct t8_problem p = t8_problem_of(err);
        reply_problem(from, &p);
    } else {
        reply(from, &(struct http_reply){.status = 204});
    }
}

/* The one notification whose sender needs a body (TS 29.522 clause 5.5.3): no feature is defined. */
static enum error accept_trigger(struct scs_sender from)
{
    struct buf body = {0};
    enum error err = nidd_configuration_trigger_reply_encode(0, &body);
    if (err)
        scs_callbacks_answer(from, err);
    else
        reply(from, &(struct http_reply){.status = 200, .content_type = "application/json", .body = buf_bytes(&body)});
    buf_free(&body);
    return err;
}

static bool belongs(int kind, enum scs_callback_path path)
{
    switch (kind) {
    case NIDD_NOTIFICATION_TEST:
        return path != SCS_PATH_CONFIGURATION_TRIGGER;
    case NIDD_NOTIFICATION_UPLINK:
    case NIDD_NOTIFICATION_DELIVERY_STATUS:
    case NIDD_NOTIFICATION_CONFIGURATION_STATUS:
    case NIDD_NOTIFICATION_GROUP_RESULT:
    case NIDD_NOTIFICATION_MANAGED_PORTS:
        return path == SCS_PATH_NIDD || path == SCS_PATH_ANY;
    case NIDD_NOTIFICATION_TRIGGER_REPORT:
        return path == SCS_PATH_TRIGGERING || path == SCS_PATH_ANY;
    case NIDD_NOTIFICATION_MONITORING:
    case NIDD_NOTIFICATION_CONSENT_REVOKED:
        return path == SCS_PATH_MONITORING || path == SCS_PATH_ANY;
    case NIDD_NOTIFICATION_CONFIGURATION_TRIGGER:
        return path == SCS_PATH_CONFIGURATION_TRIGGER || path == SCS_PATH_ANY;
    default:
        return path == SCS_PATH_ANY;
    }
}

#define TOLD(function, ...) (sink->function ? sink->function(sink->ctx, __VA_ARGS__) : SCS_ACCEPTED)

static enum scs_verdict hand_on(const struct scs_callbacks_sink *sink, struct scs_sender from,
                                const struct nidd_notification *n, enum scs_callback_path path, enum error *err)
{
    switch (n->kind) {
    case NIDD_NOTIFICATION_UPLINK:
        return TOLD(uplink, from, &n->uplink, err);
    case NIDD_NOTIFICATION_DELIVERY_STATUS:
        return TOLD(delivery_status, &n->delivery_status, err);
    case NIDD_NOTIFICATION_CONFIGURATION_STATUS:
        return TOLD(configuration_status, &n->configuration_status, err);
    case NIDD_NOTIFICATION_GROUP_RESULT:
        return TOLD(group_result, &n->group_result, err);
    case NIDD_NOTIFICATION_MANAGED_PORTS:
        return TOLD(managed_ports, &n->managed_ports, err);
    case NIDD_NOTIFICATION_TRIGGER_REPORT:
        return TOLD(trigger_report, &n->trigger_report, err);
    case NIDD_NOTIFICATION_MONITORING:
        return TOLD(monitoring, &n->monitoring, err);
    case NIDD_NOTIFICATION_TEST:
        return TOLD(test, path, &n->test, err);
    case NIDD_NOTIFICATION_CONFIGURATION_TRIGGER:
        return TOLD(configuration_trigger, &n->configuration_trigger, err);
    case NIDD_NOTIFICATION_CONSENT_REVOKED:
    case NIDD_NOTIFICATION_NETWORK_PARAMETERS:
        break; /* understood, and of no use here: the SCEF has done its part */
    }
    return SCS_ACCEPTED;
}

void scs_callbacks_take(const struct scs_callbacks_sink *sink, struct scs_sender from, struct bytes body,
                        enum scs_callback_path path)
{
    struct nidd_notification n;
    struct t8_problem p;
    enum error err = nidd_notification_decode(body, &n, &p);
    if (err) {
        reply_problem(from, &p);
        sink->counted(sink->ctx, -1, err);
        return;
    }
    int kind = (int)n.kind;
    bool here = belongs(kind, path);
    enum scs_verdict verdict = here ? hand_on(sink, from, &n, path, &err) : SCS_REFUSED;
    nidd_notification_release(&n);
    if (!here) {
        err = ERR_MEMBER_MISSING;
        p = t8_problem_of(err);
        p.detail = BYTES_LIT("a notification of another API than this path is for");
        reply_problem(from, &p);
    } else if (verdict == SCS_REFUSED) {
        scs_callbacks_answer(from, err);
    } else {
        err = OK;
        if (verdict == SCS_ACCEPTED && kind == NIDD_NOTIFICATION_CONFIGURATION_TRIGGER)
            err = accept_trigger(from);
        else if (verdict == SCS_ACCEPTED)
            scs_callbacks_answer(from, OK);
    }
    sink->counted(sink->ctx, kind, err);
}

/* Any media type will do: some senders name none. */
void scs_callbacks_handle(const struct scs_callbacks_sink *sink, struct http_exchange *x, enum scs_callback_path path)
{
    const struct http_request *request = http_exchange_request(x);
    if (strcmp(request->method, "POST") != 0) {
        http_reply(x, &(struct http_reply){.status = error_http_status(ERR_METHOD), .allow = "POST"});
        sink->counted(sink->ctx, -1, ERR_METHOD);
        return;
    }
    scs_callbacks_take(sink, (struct scs_sender){.exchange = x}, request->body, path);
}
