/* What the SCEF answers: status, Location, body and media type (TS 29.122 clauses 5.2.3 and 5.2.6). */
#include "t8/scef_nidd_server.h"
#include "t8/scef_server_internal.h"

/* The last thing that happens to a request. */
static void reply(const struct scef_server *s, struct http_exchange *x, const struct http_reply *r, const char *cause)
{
    if (s->answered)
        s->answered(s->ctx, x, r->status, cause);
    http_reply(x, r);
}

/* ---- problems */

static const char *title_of(int http_status)
{
    switch (http_status) {
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 406:
        return "Not Acceptable";
    case 409:
        return "Conflict";
    case 429:
        return "Too Many Requests";
    case 500:
        return "Internal Server Error";
    case 503:
        return "Service Unavailable";
    default:
        return NULL;
    }
}

struct t8_problem scef_problem_of_status(int http_status)
{
    return (struct t8_problem){.status = http_status, .title = bytes_of_str(title_of(http_status))};
}

/* The offender's pointer may lie in the problem itself. */
static void problem_copy(struct t8_problem *to, const struct t8_problem *from)
{
    *to = *from;
    if (from->invalid_param.data == (const uint8_t *)from->param_memory)
        to->invalid_param.data = (const uint8_t *)to->param_memory;
}

void scef_reply_refuse(struct scef_reply *a, int status, const struct t8_problem *p)
{
    a->status = status;
    problem_copy(&a->problem, p);
}

/* A body that could not be made is left out: the status says the most. */
static void reply_problem(const struct scef_server *s, struct http_exchange *x, struct http_reply *r, const char *cause,
                          enum error encoded, struct buf *body)
{
    if (encoded == OK)
        r->body = buf_bytes(body);
    else
        r->content_type = NULL;
    reply(s, x, r, cause);
    buf_free(body);
}

static const char *cause_of(const struct t8_problem *p, char memory[64])
{
    size_t len = p->cause_text.len < 63 ? p->cause_text.len : 63;
    if (len == 0)
        return t8_cause_name(p->cause);
    for (size_t i = 0; i < len; i++)
        memory[i] = (char)p->cause_text.data[i];
    memory[len] = 0;
    return memory;
}

void scef_reply_problem(const struct scef_server *s, struct http_exchange *x, const struct t8_problem *p,
                        const char *allow)
{
    char cause[64];
    struct buf body = {0};
    struct http_reply r = {.status = p->status, .content_type = "application/problem+json", .allow = allow};
    reply_problem(s, x, &r, cause_of(p, cause), t8_dialect_problem(scef_dialect(s), p, &body), &body);
}

static bool is_delivery(enum t8_operation o)
{
    return o == T8_DELIVERY_CREATE || o == T8_DELIVERY_PUT || o == T8_DELIVERY_PATCH || o == T8_DELIVERY_DELETE;
}

static bool is_port(enum t8_operation o)
{
    return o == T8_PORT_PUT || o == T8_PORT_DELETE;
}

static enum error rds_failure(const struct scef_reply *a, struct buf *body)
{
    struct nidd_rds_failure f = {.requested_retransmission_ms = a->requested_retransmission_ms,
                                 .supported_ue_formats = a->supported_ue_formats};
    problem_copy(&f.problem, &a->problem);
    return nidd_rds_failure_encode(&f, body);
}

static void render_error(const struct scef_server *s, struct http_exchange *x, enum t8_operation o,
                         struct scef_reply *a)
{
    const struct t8_dialect *d = scef_dialect(s);
    char cause[64];
    struct buf body = {0};
    struct http_reply r = {
        .status = a->status, .content_type = "application/problem+json", .retry_after_s = a->retry_after_s};
    enum error err;
    a->problem.status = a->status;
    if (a->problem.title.len == 0)
        a->problem.title = bytes_of_str(title_of(a->status));
    if (a->status == 500 && is_delivery(o)) { /* NiddDownlinkDataDeliveryFailure */
        if (!d->flat_delivery_failure)
            r.content_type = "application/json";
        err = t8_dialect_delivery_failure(d, &a->problem, a->requested_retransmission_ms, &body);
    } else if (a->status == 500 && is_port(o)) { /* RdsDownlinkDataDeliveryFailure */
        err = rds_failure(a, &body);
    } else {
        err = t8_dialect_problem(d, &a->problem, &body);
    }
    reply_problem(s, x, &r, cause_of(&a->problem, cause), err, &body);
}

/* ---- resources */

static struct bytes self_of(const struct scef_reply *a)
{
    switch (a->body) {
    case SCEF_BODY_CONFIGURATION:
        return a->configuration.self;
    case SCEF_BODY_DELIVERY:
        return a->delivery.self;
    case SCEF_BODY_PORT:
        return a->port.self;
    case SCEF_BODY_TRANSACTION:
        return a->transaction.self;
    case SCEF_BODY_SUBSCRIPTION:
        return a->subscription.self;
    default:
        return bytes_of(NULL, 0);
    }
}

static enum error encode_reports(const struct monitoring_reports *r, bool list, struct buf *out)
{
    if (!list)
        return r->reports_count == 1 ? monitoring_report_encode(&r->reports[0], out)
                                     : monitoring_reports_encode(r, out);
    enum error err = OK;
    buf_add_u8(out, '[');
    for (size_t i = 0; i < r->reports_count && !err; i++) {
        if (i > 0)
            buf_add_u8(out, ',');
        err = monitoring_report_encode(&r->reports[i], out);
    }
    buf_add_u8(out, ']');
    return !err && out->failed ? ERR_NO_MEMORY : err;
}

enum error scef_reply_encode(const struct scef_server *s, const struct scef_reply *a, struct buf *out)
{
    const struct t8_dialect *d = scef_dialect(s);
    switch (a->body) {
    case SCEF_BODY_CONFIGURATION:
        return t8_dialect_configuration(d, &a->configuration, out);
    case SCEF_BODY_DELIVERY:
        return t8_dialect_downlink(d, &a->delivery, out);
    case SCEF_BODY_PORT:
        return nidd_managed_port_encode(&a->port, out);
    case SCEF_BODY_TRANSACTION:
        return device_triggering_encode(&a->transaction, out);
    case SCEF_BODY_SUBSCRIPTION:
        return monitoring_subscription_encode(&a->subscription, out);
    case SCEF_BODY_REPORTS:
    case SCEF_BODY_REPORT_LIST:
        return encode_reports(&a->reports, a->body == SCEF_BODY_REPORT_LIST, out);
    default:
        return OK;
    }
}

static void render_success(const struct scef_server *s, struct http_exchange *x, const struct scef_reply *a)
{
    struct buf body = {0};
    struct buf location = {0};
    struct http_reply r = {.status = a->status, .content_type = "application/json"};
    enum error err = scef_reply_encode(s, a, &body);
    if (a->status == 201) {
        buf_add(&location, self_of(a));
        buf_add_u8(&location, 0);
        r.location = (const char *)location.data;
    }
    if (!err && location.failed)
        err = ERR_NO_MEMORY;
    if (err) {
        struct t8_problem p = t8_problem_of(err == ERR_NO_MEMORY ? ERR_NO_MEMORY : ERR_SYSTEM);
        scef_reply_problem(s, x, &p, NULL);
    } else {
        r.body = buf_bytes(&body);
        if (body.len == 0)
            r.content_type = NULL;
        reply(s, x, &r, "");
    }
    buf_free(&body);
    buf_free(&location);
}

void scef_reply_render(const struct scef_server *s, struct http_exchange *x, enum t8_operation operation,
                       struct scef_reply *a)
{
    if (a->status >= 300) {
        render_error(s, x, operation, a);
    } else if (a->status == 202 || a->status == 204) {
        const struct http_reply r = {.status = a->status};
        reply(s, x, &r, "");
    } else {
        render_success(s, x, a);
    }
}

void scef_reply_render_array(const struct scef_server *s, struct http_exchange *x, struct buf *body)
{
    const struct http_reply r = {.status = 200, .content_type = "application/json", .body = buf_bytes(body)};
    reply(s, x, &r, "");
}

void scef_nidd_delivery_reply(const struct scef_server *s, struct http_exchange *x, struct scef_reply *a)
{
    scef_reply_render(s, x, T8_DELIVERY_CREATE, a);
}
