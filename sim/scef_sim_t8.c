#include "sim/scef_sim.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"

/* The NIDD API: requests of the AS to the model, the model's notifications to the AS. */

#define BASE_PATH     "/3gpp-nidd/v1"
#define REDIRECTS_MAX 3

static void trace_request(struct scef_sim *s, const struct http_exchange *x, int status, const char *cause)
{
    const struct http_request *r = http_exchange_request(x);
    sim_trace_t8(&s->trace, sim_now_ms(s), "in", NULL, r->path, r->method, status, cause);
}

/* ---- requests */

/* Tells the status of the request at hand, which has reached the model. */
static void at_hand_done(struct scef_sim *s, int status, const char *cause)
{
    trace_request(s, s->at_hand, status, cause);
    s->at_hand = NULL;
}

static void on_configuration_create(void *ctx, struct bytes scs_as_id, const struct nidd_configuration *c,
                                    struct scef_configuration_answer *a)
{
    struct scef_sim *s = ctx;
    struct scef_answer r = scef_configuration_create(s->model, sim_now_ms(s), scs_as_id, c, &a->configuration);
    a->http_status = r.http_status;
    a->cause = r.cause;
    at_hand_done(s, a->http_status, t8_cause_name(a->cause));
}

static void on_configuration_get(void *ctx, struct bytes scs_as_id, struct bytes configuration_id,
                                 struct scef_configuration_answer *a)
{
    struct scef_sim *s = ctx;
    a->http_status =
        scef_configuration_get(s->model, sim_now_ms(s), scs_as_id, configuration_id, &a->configuration).http_status;
    at_hand_done(s, a->http_status, NULL);
}

static void on_configuration_delete(void *ctx, struct bytes scs_as_id, struct bytes configuration_id,
                                    struct scef_configuration_answer *a)
{
    struct scef_sim *s = ctx;
    a->http_status = scef_configuration_delete(s->model, sim_now_ms(s), scs_as_id, configuration_id).http_status;
    at_hand_done(s, a->http_status, NULL);
}

static bool on_configuration_next(void *ctx, struct bytes scs_as_id, uint64_t *cursor, struct nidd_configuration *c)
{
    struct scef_sim *s = ctx;
    if (s->at_hand != NULL)
        at_hand_done(s, 200, NULL);
    return scef_configuration_next(s->model, sim_now_ms(s), scs_as_id, cursor, c);
}

static void on_configuration_patch(void *ctx, struct bytes scs_as_id, struct bytes configuration_id,
                                   const struct nidd_configuration_patch *p, struct scef_configuration_answer *a)
{
    struct scef_sim *s = ctx;
    a->http_status =
        scef_configuration_patch(s->model, sim_now_ms(s), scs_as_id, configuration_id, p, &a->configuration)
            .http_status;
    at_hand_done(s, a->http_status, NULL);
}

static void on_downlink(void *ctx, struct http_exchange *x, struct bytes scs_as_id, struct bytes configuration_id,
                        const struct nidd_downlink *d)
{
    struct scef_sim *s = ctx;
    s->at_hand = NULL; /* told when it is answered */
    scef_downlink(s->model, sim_now_ms(s), (uint64_t)(uintptr_t)x, scs_as_id, configuration_id, d);
}

static void on_downlink_answer(void *ctx, uint64_t request_ref, const struct scef_answer *r,
                               const struct nidd_downlink *d)
{
    struct scef_sim *s = ctx;
    struct http_exchange *x = (struct http_exchange *)(uintptr_t)request_ref;
    trace_request(s, x, r->http_status, t8_cause_name(r->cause));
    if (r->http_status == 0) { /* it restarted under the request; a shell cannot break the connection, so 503 */
        http_reply_error(x, ERR_DRAINING, NULL, NULL);
        return;
    }
    struct scef_downlink_answer a = {
        .http_status = r->http_status, .cause = r->cause, .requested_retransmission_ms = r->retransmission_ms};
    if (d != NULL)
        a.downlink = *d;
    scef_server_downlink_answer(x, &a);
}

static void t8_handle(struct scef_sim *s, struct http_exchange *x)
{
    /* What the codec refuses never reaches the model, and x is gone after the answer: keep what the trace needs. */
    const struct http_request *r = http_exchange_request(x);
    char *path = s->trace.file != NULL ? bytes_dup_str(bytes_of_str(r->path)) : NULL;
    char method[16];
    snprintf(method, sizeof method, "%s", r->method);
    s->at_hand = x;
    scef_server_handle(&s->t8, x);
    if (s->at_hand != NULL && path != NULL)
        sim_trace_t8(&s->trace, sim_now_ms(s), "in", NULL, path, method, -1, NULL);
    s->at_hand = NULL;
    free(path);
}

static void token_handle(struct scef_sim *s, struct http_exchange *x)
{
    int status = sim_oauth_token(s, x);
    sim_trace_t8(&s->trace, sim_now_ms(s), "in", NULL, SIM_TOKEN_PATH, "POST", status, NULL);
}

static void protected_handle(struct scef_sim *s, struct http_exchange *x)
{
    const struct http_request *r = http_exchange_request(x);
    char *path = s->trace.file != NULL ? bytes_dup_str(bytes_of_str(r->path)) : NULL;
    char method[16];
    snprintf(method, sizeof method, "%s", r->method);
    if (sim_oauth_admits(s, x))
        t8_handle(s, x);
    else if (path != NULL)
        sim_trace_t8(&s->trace, sim_now_ms(s), "in", NULL, path, method, 401, NULL);
    free(path);
}

void sim_http_handle(void *ctx, struct http_exchange *x)
{
    struct scef_sim *s = ctx;
    const char *path = http_exchange_request(x)->path;
    if (strncmp(path, SIM_CONTROL_ROOT "/", sizeof SIM_CONTROL_ROOT) == 0)
        sim_control_handle(s, x);
    else if (s->config->oauth.client_id == NULL)
        t8_handle(s, x);
    else if (strcmp(path, SIM_TOKEN_PATH) == 0)
        token_handle(s, x);
    else
        protected_handle(s, x);
    sim_settle(s);
}

/* ---- notifications */

/* One callback under way. */
struct post {
    struct list node;
    struct scef_sim *sim;
    uint64_t ref;
    unsigned redirects;
    char *ext_id; /* NULL: not told */
    char *url;
    struct buf body;
};

static void post_free(struct post *p)
{
    list_remove(&p->node);
    buf_free(&p->body);
    free(p->ext_id);
    free(p->url);
    free(p);
}

static void on_answer(void *ctx, uint64_t ref, enum error err, const struct http_answer *a);

static enum error post_send(struct post *p)
{
    struct http_request_options r = {
        .method = "POST", .url = p->url, .content_type = "application/json", .body = buf_bytes(&p->body)};
    return http_client_send(p->sim->client, &r, on_answer, p, p->ref);
}

/* 307 and 308: the same again at Location, which must be absolute (TS 29.122 clause 5.2.10). */
static bool post_redirect(struct post *p, const struct http_answer *a)
{
    if ((a->status != 307 && a->status != 308) || strncasecmp(a->location, "http", 4) != 0 ||
        p->redirects++ == REDIRECTS_MAX)
        return false;
    char *url = bytes_dup_str(bytes_of_str(a->location));
    if (url == NULL)
        return false;
    free(p->url);
    p->url = url;
    return post_send(p) == OK;
}

static void on_answer(void *ctx, uint64_t ref, enum error err, const struct http_answer *a)
{
    struct post *p = ctx;
    struct scef_sim *s = p->sim;
    if (s->stopping) {
        post_free(p);
        return;
    }
    int status = err == OK ? a->status : 0;
    sim_trace_t8(&s->trace, sim_now_ms(s), "out", p->ext_id, p->url, "POST", status,
                 err != OK ? error_name(err) : NULL);
    if (err == OK && post_redirect(p, a))
        return;
    if (status < 200 || status >= 300)
        log_write(LOG_WARN, "callback_failed", LOG_S("ext_id", p->ext_id), LOG_S("url", p->url),
                  LOG_I("status", status), LOG_S("reason", err != OK ? error_text(err) : NULL));
    post_free(p);
    scef_notification_result(s->model, sim_now_ms(s), ref, status);
    sim_settle(s);
}

/* A post that cannot begin has failed like one without an answer. */
static void on_notify(void *ctx, uint64_t ref, const struct scef_notification *n)
{
    struct scef_sim *s = ctx;
    struct post *p = calloc(1, sizeof *p);
    if (p == NULL) {
        sim_notification_result_later(s, ref, 0);
        return;
    }
    struct bytes ext_id = n->id.external_id.len > 0 ? n->id.external_id : n->id.msisdn;
    p->sim = s;
    p->ref = ref;
    buf_add(&p->body, n->body);
    p->url = bytes_dup_str(bytes_of_str(n->destination));
    p->ext_id = ext_id.len > 0 ? bytes_dup_str(ext_id) : NULL;
    list_push_back(&s->posts, &p->node);
    if (p->body.failed || p->url == NULL || post_send(p) != OK) {
        post_free(p);
        sim_notification_result_later(s, ref, 0);
    }
}

/* ---- wiring */

void sim_t8_init(struct scef_sim *s)
{
    s->t8 = (struct scef_server_sink){
        .ctx = s,
        .base_path = BASE_PATH,
        .configuration_create = on_configuration_create,
        .configuration_get = on_configuration_get,
        .configuration_delete = on_configuration_delete,
        .configuration_next = on_configuration_next,
        .configuration_patch = on_configuration_patch,
        .downlink = on_downlink,
    };
}

void sim_t8_ports(struct scef_ports *ports)
{
    ports->downlink_answer = on_downlink_answer;
    ports->notify = on_notify;
}

void sim_t8_stop(struct scef_sim *s)
{
    http_client_free(s->client);
    http_server_free(s->server);
    LIST_EACH_SAFE (it, &s->posts) /* those whose end nobody told */
        post_free(LIST_ENTRY(it, struct post, node));
}
