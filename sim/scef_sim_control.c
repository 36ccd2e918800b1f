#include "sim/scef_sim.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* /sim/v1: what tests and demos ask of the network, outside T8. The table below is all of it. */

/* `ue` is set when the route names one. Returns the answer's status; a body goes to *body. */
typedef int (*control_fn)(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body);

static bool flag_of(const struct http_exchange *x, const char *name)
{
    const char *value = http_exchange_query(x, name);
    return value != NULL && strcmp(value, "0") != 0 && strcmp(value, "false") != 0;
}

static json_t *ue_show(const struct scef_sim *s, const struct sim_ue *u)
{
    const struct sim_ue_config *c = u->config;
    const struct scef_counters *n = scef_counters_of(s->model, u->index);
    json_t *o = json_pack("{s:s*, s:s*, s:s, s:b, s:I, s:I, s:I, s:I, s:I}", "external_id", c->external_id, "msisdn",
                          c->msisdn, "client", u->device != NULL ? "builtin" : "air", "awake",
                          (int)scef_ue_awake(s->model, u->index, sim_now_ms(s)), "mo_sent", (json_int_t)n->mo_sent,
                          "mo_lost", (json_int_t)n->mo_lost, "mt_sent", (json_int_t)n->mt_sent, "mt_lost",
                          (json_int_t)n->mt_lost, "mt_delivered", (json_int_t)n->mt_delivered);
    if (o != NULL && u->device != NULL) {
        json_object_set_new(o, "registered", json_boolean(lwm2m_device_registered(u->device)));
        json_object_set_new(o, "executions", json_integer((json_int_t)lwm2m_device_executions(u->device)));
        json_object_set_new(o, "repeats", json_integer((json_int_t)lwm2m_device_repeats(u->device)));
    }
    return o;
}

static int ues_list(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body)
{
    json_t *list = json_array();
    (void)x, (void)ue;
    for (size_t i = 0; i < s->config->ue_count; i++)
        json_array_append_new(list, ue_show(s, &s->ues[i]));
    *body = list;
    return 200;
}

static int ue_get(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body)
{
    (void)x;
    *body = ue_show(s, ue);
    return 200;
}

static int ue_wake(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body)
{
    (void)x, (void)body;
    scef_ue_wake(s->model, sim_now_ms(s), ue->index);
    return 204;
}

static int ue_pdn(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body)
{
    (void)body;
    scef_ue_set_pdn_connected(s->model, sim_now_ms(s), ue->index, flag_of(x, "connected"));
    return 204;
}

static int scef_show(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body)
{
    const struct scef_totals *n = scef_totals_of(s->model);
    (void)x, (void)ue;
    *body =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "configurations", (json_int_t)n->configurations,
                  "buffered", (json_int_t)n->buffered, "expired", (json_int_t)n->expired, "notifications",
                  (json_int_t)n->notifications, "notified", (json_int_t)n->notified, "retries", (json_int_t)n->retries,
                  "given_up", (json_int_t)n->given_up, "uplinks_dropped", (json_int_t)n->uplinks_dropped);
    return 200;
}

static int restart(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body)
{
    (void)ue, (void)body;
    scef_restart(s->model, sim_now_ms(s), flag_of(x, "forget"));
    return 204;
}

static int oauth_show(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body)
{
    const struct sim_oauth *n = &s->oauth;
    (void)x, (void)ue;
    *body = json_pack("{s:I, s:I, s:I}", "issued", (json_int_t)n->issued, "refused", (json_int_t)n->refused,
                      "without_token", (json_int_t)n->without_token);
    return 200;
}

static int oauth_revoke(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body)
{
    (void)x, (void)ue, (void)body;
    sim_oauth_revoke(s);
    return 204;
}

static const struct route {
    const char *method;
    const char *path; /* below SIM_CONTROL_ROOT; '*' is a UE */
    control_fn fn;
} routes[] = {
    {"GET", "/ues", ues_list},               /* all UEs: reachability, counters */
    {"GET", "/ues/*", ue_get},               /* one */
    {"POST", "/ues/*/wake", ue_wake},        /* it shows up (TAU): what is buffered flows */
    {"POST", "/ues/*/pdn", ue_pdn},          /* ?connected=0|1: its PDN connection */
    {"GET", "/scef", scef_show},             /* totals */
    {"POST", "/scef/restart", restart},      /* ?forget=1: configurations too */
    {"GET", "/oauth", oauth_show},           /* tokens given, refused; T8 requests that had none */
    {"POST", "/oauth/revoke", oauth_revoke}, /* no token given so far is valid any more */
};

/* Matches path against pattern; the segment at '*' goes to *id. */
static bool route_matches(const char *pattern, const char *path, struct bytes *id)
{
    *id = (struct bytes){0};
    for (; *pattern != 0; pattern++) {
        if (*pattern != '*') {
            if (*path++ != *pattern)
                return false;
            continue;
        }
        size_t len = strcspn(path, "/");
        *id = bytes_of(path, len);
        path += len;
        if (len == 0)
            return false;
    }
    return *path == 0;
}

static struct sim_ue *ue_named(struct scef_sim *s, struct bytes segment)
{
    struct buf id = {0};
    struct sim_ue *u = t8_link_decode_segment(segment, &id) ? sim_ue_find(s, buf_bytes(&id)) : NULL;
    buf_free(&id);
    return u;
}

static void reply_json(struct http_exchange *x, int status, json_t *body)
{
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    struct http_reply r = {.status = status};
    if (text != NULL) {
        r.content_type = "application/json";
        r.body = bytes_of_str(text);
    }
    if (status == 200 && text == NULL)
        http_reply_error(x, ERR_NO_MEMORY, NULL, NULL);
    else
        http_reply(x, &r);
    free(text);
    json_decref(body);
}

void sim_control_handle(struct scef_sim *s, struct http_exchange *x)
{
    const struct http_request *r = http_exchange_request(x);
    const char *path = r->path + strlen(SIM_CONTROL_ROOT);
    enum error err = ERR_NOT_FOUND;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        struct bytes id;
        if (!route_matches(routes[i].path, path, &id))
            continue;
        if (strcmp(r->method, routes[i].method) != 0) {
            err = ERR_METHOD;
            continue;
        }
        struct sim_ue *ue = id.len > 0 ? ue_named(s, id) : NULL;
        if (id.len > 0 && ue == NULL) {
            err = ERR_UNKNOWN_DEVICE;
            break;
        }
        json_t *body = NULL;
        int status = routes[i].fn(s, x, ue, &body);
        reply_json(x, status, body);
        return;
    }
    http_reply_error(x, err, NULL, NULL);
}
