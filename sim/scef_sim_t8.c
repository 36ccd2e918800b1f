/* Every HTTP request: T8, tokens, and the control API. */
#include "sim/scef_sim.h"

#include <string.h>

void sim_trace_request(struct scef_sim *s, const struct http_exchange *x, int status, const char *cause)
{
    const struct http_request *r = http_exchange_request(x);
    sim_trace_t8(&s->trace, sim_now_ms(s), "in", NULL, r->path, r->method, status, cause);
}

static void on_answered(void *ctx, struct http_exchange *x, int status, const char *cause)
{
    sim_trace_request(ctx, x, status, cause);
}

static bool on_as_known(void *ctx, struct bytes scs_as_id)
{
    const struct scef_sim *s = ctx;
    return scef_as_known(s->model, scs_as_id);
}

void sim_reply(struct scef_reply *a, struct scef_answer m)
{
    a->status = m.http_status;
    a->problem.cause = m.cause;
    a->problem.invalid_param = bytes_of_str(m.invalid_param);
    a->retry_after_s = m.retry_after_s;
    a->requested_retransmission_ms = m.retransmission_ms;
    a->supported_ue_formats = m.supported_ue_formats;
}

static void token_handle(struct scef_sim *s, struct http_exchange *x)
{
    int status = sim_oauth_token(s, x);
    sim_trace_t8(&s->trace, sim_now_ms(s), "in", NULL, SIM_TOKEN_PATH, "POST", status, NULL);
}

/* TS 29.122 clauses 5.2.6 and 5.2.10: what any SCEF may answer to anything. */
static void refuse(struct scef_sim *s, struct http_exchange *x)
{
    const struct sim_refusal *r = &s->refusal;
    struct http_reply reply = {.status = r->status, .retry_after_s = r->retry_after_s};
    struct buf body = {0}, location = {0};
    const struct t8_problem p = {.status = r->status};
    s->refusal.left--;
    if (r->location != NULL) {
        buf_addf(&location, "%s%s", r->location, http_exchange_request(x)->path);
        buf_add_u8(&location, 0);
        reply.location = location.failed ? NULL : (const char *)location.data;
    } else if (t8_problem_encode(&p, &body) == OK) {
        reply.content_type = "application/problem+json";
        reply.body = buf_bytes(&body);
    }
    sim_trace_request(s, x, r->status, "");
    http_reply(x, &reply);
    buf_free(&location);
    buf_free(&body);
}

void sim_http_handle(void *ctx, struct http_exchange *x)
{
    struct scef_sim *s = ctx;
    const char *path = http_exchange_request(x)->path;
    bool tokens = s->config->oauth.client_id != NULL;
    bool websocket = strncmp(path, SIM_WEBSOCKET_PATH "/", sizeof SIM_WEBSOCKET_PATH) == 0;
    if (strncmp(path, SIM_CONTROL_ROOT "/", sizeof SIM_CONTROL_ROOT) == 0)
        sim_control_handle(s, x);
    else if (tokens && strcmp(path, SIM_TOKEN_PATH) == 0)
        token_handle(s, x);
    else if (s->refusal.left > 0 && !websocket)
        refuse(s, x);
    else if (!tokens || sim_oauth_admits(s, x))
        websocket ? websocket_server_handle(s->websockets, x) : scef_server_handle(&s->t8, x);
    sim_settle(s);
}

void sim_t8_init(struct scef_sim *s)
{
    s->t8 = (struct scef_server){
        .ctx = s,
        .dialect = s->config->dialect,
        .prefix = s->config->prefix,
        .nidd = &sim_nidd_sink,
        .triggering = &sim_triggering_sink,
        .monitoring = &sim_monitoring_sink,
        .as_known = on_as_known,
        .answered = on_answered,
    };
}

/* Links name us as the AS knows us. Where we listen on every address we do not know that: a path alone, which is as
 * good a link (RFC 3986 clause 4.2). */
void sim_origin(const struct scef_sim *s, struct buf *out)
{
    const struct sim_address *a = &s->config->listen;
    bool everywhere = strcmp(a->host, "0.0.0.0") == 0 || strcmp(a->host, "::") == 0;
    bool v6 = strchr(a->host, ':') != NULL;
    if (s->config->link_root != NULL)
        buf_add_str(out, s->config->link_root);
    else if (!everywhere)
        buf_addf(out, "%s://%s%s%s:%u", s->config->tls.certificate_file != NULL ? "https" : "http", v6 ? "[" : "",
                 a->host, v6 ? "]" : "", http_server_port(s->server));
}

char *sim_link_root(const struct scef_sim *s, enum t8_api api)
{
    const struct t8_dialect *d = s->config->dialect;
    struct buf root = {0}, path = {0}, out = {0};
    sim_origin(s, &root);
    buf_addf(&path, "%s/%s/%s", s->config->prefix != NULL ? s->config->prefix : "", d->apis[api].name,
             d->apis[api].version);
    t8_dialect_link(d, buf_bytes(&root), buf_bytes(&path), &out);
    buf_add_u8(&out, 0);
    if (root.failed || path.failed || out.failed)
        buf_free(&out);
    buf_free(&root);
    buf_free(&path);
    return (char *)out.data;
}
