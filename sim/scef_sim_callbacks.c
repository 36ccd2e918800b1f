/* Notifications to the AS: each is posted to its destination, or goes over its resource's WebSocket; 307 and 308 are
 * followed. The model repeats those that failed. sim_notify is where they all begin. */
#include "sim/scef_sim.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "t8/nidd_notification.h"

#define REDIRECTS_MAX 3

/* ---- a body as the dialect words it */

/* An uplink of a SCEF that names both identities has the other one of the subscriber. */
static void both_ids_set(const struct scef_sim *s, struct t8_identity *id)
{
    uint32_t ue;
    if (!scef_subscriber_lookup(s->model, id, &ue))
        return;
    id->external_id = bytes_of_str(s->config->ues[ue].external_id);
    id->msisdn = bytes_of_str(s->config->ues[ue].msisdn);
}

static enum error body_write(const struct scef_sim *s, const struct scef_notification *n, struct buf *out)
{
    const struct t8_dialect *d = s->config->dialect;
    struct nidd_notification decoded;
    struct t8_problem p;
    bool plain = !d->both_ids && !d->escaped_padding && !d->upper_case_domains;
    if (n->kind != SCEF_NOTIFY_UPLINK || plain) {
        buf_add(out, n->body);
        return out->failed ? ERR_NO_MEMORY : OK;
    }
    enum error err = nidd_notification_decode(n->body, &decoded, &p);
    if (err != OK)
        return err;
    if (d->both_ids)
        both_ids_set(s, &decoded.uplink.id);
    err = t8_dialect_uplink(d, &decoded.uplink, out);
    nidd_notification_release(&decoded);
    return err;
}

/* ---- one callback under way */

struct post {
    struct list node;
    struct scef_sim *sim;
    uint64_t ref;
    unsigned redirects;
    char *ext_id; /* NULL: nobody in particular */
    char *url;
    bool by_websocket; /* url is the resource's */
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
    if (p->by_websocket)
        return sim_websocket_notify(p->sim, p->url, buf_bytes(&p->body), on_answer, p, p->ref);
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
    int status = err == OK ? a->status : p->by_websocket ? sim_websocket_status(err) : 0;
    sim_trace_t8(&s->trace, sim_now_ms(s), "out", p->ext_id, p->url, p->by_websocket ? "WEBSOCKET" : "POST", status,
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

static struct bytes name_of(const struct t8_identity *id)
{
    if (id->external_id.len > 0)
        return id->external_id;
    return id->msisdn.len > 0 ? id->msisdn : id->external_group_id;
}

/* A post that cannot begin has failed like one without an answer. */
void sim_notify(void *ctx, uint64_t ref, const struct scef_notification *n)
{
    struct scef_sim *s = ctx;
    struct post *p = calloc(1, sizeof *p);
    if (p == NULL) {
        sim_notification_result_later(s, ref, 0);
        return;
    }
    struct bytes name = name_of(&n->id);
    p->sim = s;
    p->ref = ref;
    p->by_websocket = n->websocket_uri != NULL;
    p->url = bytes_dup_str(bytes_of_str(p->by_websocket ? n->websocket_uri : n->destination));
    p->ext_id = name.len > 0 ? bytes_dup_str(name) : NULL;
    list_push_back(&s->posts, &p->node);
    if (body_write(s, n, &p->body) != OK || p->url == NULL || post_send(p) != OK) {
        post_free(p);
        sim_notification_result_later(s, ref, 0);
    }
}

void sim_callbacks_stop(struct scef_sim *s)
{
    http_client_free(s->client);
    sim_websocket_stop(s);
    LIST_EACH_SAFE (it, &s->posts) /* those whose end nobody told */
        post_free(LIST_ENTRY(it, struct post, node));
}
