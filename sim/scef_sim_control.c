#include "sim/scef_sim_control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* /sim/v1: what tests and demos ask of the network, outside T8. The table below is all of it. */

bool sim_control_flag(const struct http_exchange *x, const char *name)
{
    const char *value = http_exchange_query(x, name);
    return value != NULL && strcmp(value, "0") != 0 && strcmp(value, "false") != 0;
}

struct bytes sim_control_text(const struct http_exchange *x, const char *name)
{
    return bytes_of_str(http_exchange_query(x, name));
}

/* ---- the SCEF */

static json_t *totals_show(const struct scef_totals *n)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "configurations", (json_int_t)n->configurations,
                     "buffered", (json_int_t)n->buffered, "expired", (json_int_t)n->expired, "displaced",
                     (json_int_t)n->displaced, "notifications", (json_int_t)n->notifications, "notified",
                     (json_int_t)n->notified, "retries", (json_int_t)n->retries, "given_up", (json_int_t)n->given_up,
                     "uplinks_dropped", (json_int_t)n->uplinks_dropped);
}

static json_t *triggering_show(const struct scef_triggering_totals *n)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "transactions", (json_int_t)n->transactions,
                     "pending", (json_int_t)n->pending, "accepted", (json_int_t)n->accepted, "recalled",
                     (json_int_t)n->recalled, "success", (json_int_t)n->success, "failure", (json_int_t)n->failure,
                     "unknown", (json_int_t)n->unknown, "expired", (json_int_t)n->expired, "unconfirmed",
                     (json_int_t)n->unconfirmed);
}

static json_t *monitoring_show(const struct scef_monitoring_totals *n)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "subscriptions", (json_int_t)n->subscriptions, "reports",
                     (json_int_t)n->reports, "notifications", (json_int_t)n->notifications, "cancelled",
                     (json_int_t)n->cancelled, "expired", (json_int_t)n->expired);
}

static json_t *websockets_show(const struct scef_sim *s)
{
    struct websocket_server_state n;
    websocket_server_state_get(s->websockets, &n);
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "connections", (json_int_t)n.connections, "accepted",
                     (json_int_t)n.accepted, "refused", (json_int_t)n.refused, "sent", (json_int_t)n.sent, "sent_again",
                     (json_int_t)n.sent_again, "acknowledged", (json_int_t)n.acknowledged);
}

static int scef_show(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body)
{
    (void)x, (void)ue;
    *body = totals_show(scef_totals_of(s->model));
    if (*body != NULL) {
        json_object_set_new(*body, "triggering", triggering_show(scef_triggering_totals_of(s->triggering)));
        json_object_set_new(*body, "websockets", websockets_show(s));
        json_object_set_new(*body, "monitoring", monitoring_show(scef_monitoring_totals_of(s->monitoring)));
    }
    return 200;
}

static int restart(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body)
{
    bool forget = sim_control_flag(x, "forget");
    (void)ue, (void)body;
    scef_restart(s->model, sim_now_ms(s), forget);
    if (forget) {
        scef_triggering_restart(s->triggering, sim_now_ms(s));
        scef_monitoring_restart(s->monitoring, sim_now_ms(s));
    }
    return 204;
}

static bool number_read(const struct http_exchange *x, const char *name, unsigned long long most,
                        unsigned long long *out)
{
    const char *text = http_exchange_query(x, name);
    char *end;
    if (text == NULL)
        return true;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == 0 && errno == 0 && *out <= most;
}

static int refuse(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body)
{
    unsigned long long status = 503, count = 1, retry_after_s = 0;
    const char *location = http_exchange_query(x, "location");
    (void)ue, (void)body;
    if (!number_read(x, "status", 599, &status) || !number_read(x, "count", INT64_MAX, &count) ||
        !number_read(x, "retry_after", UINT32_MAX, &retry_after_s) || status < 300 ||
        (location != NULL) != (status == 307 || status == 308))
        return 400;
    free(s->refusal.location);
    s->refusal = (struct sim_refusal){.left = count, .status = (int)status, .retry_after_s = (uint32_t)retry_after_s};
    if (location == NULL)
        return 204;
    s->refusal.location = bytes_dup_str(bytes_of_str(location));
    if (s->refusal.location != NULL)
        return 204;
    s->refusal.left = 0;
    return 503;
}

static int terminate(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body)
{
    (void)ue, (void)body;
    return scef_configuration_terminate(s->model, sim_now_ms(s), sim_control_text(x, "as"), sim_control_text(x, "id"))
               ? 204
               : 404;
}

static int cancel(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body)
{
    (void)ue, (void)body;
    return scef_monitoring_cancel(s->monitoring, sim_now_ms(s), sim_control_text(x, "as"), sim_control_text(x, "id"))
               ? 204
               : 404;
}

/* {"meters@example.org": ["dev1@example.org", ..], ..} */
static int groups_list(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body)
{
    (void)x, (void)ue;
    *body = json_object();
    for (size_t i = 0; i < s->config->ue_count; i++) {
        const struct sim_ue_config *c = &s->config->ues[i];
        for (size_t g = 0; g < c->groups.count; g++) {
            json_t *members = json_object_get(*body, c->groups.items[g]);
            if (members == NULL) {
                members = json_array();
                json_object_set_new(*body, c->groups.items[g], members);
            }
            json_array_append_new(members, json_string(sim_ue_name(c)));
        }
    }
    return 200;
}

/* ---- tokens */

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
    sim_control_fn fn;
    const char *query; /* for people */
    const char *what;
} routes[] = {
    {"GET", "/ues", sim_control_ues, "", "all UEs: state and counters"},
    {"GET", "/ues/*", sim_control_ue, "", "one of them"},
    {"GET", "/ues/*/triggers", sim_control_triggers, "", "device triggers that reached it, the latest first"},
    {"POST", "/ues/*/wake", sim_control_wake, "", "it shows up (TAU): what is buffered flows"},
    {"POST", "/ues/*/pdn", sim_control_pdn, "?connected=0|1", "its PDN connection ends or begins"},
    {"POST", "/ues/*/coverage", sim_control_coverage, "?covered=0|1", "it leaves or finds the coverage"},
    {"POST", "/ues/*/roam", sim_control_roam, "?plmn=262-01", "it is there now"},
    {"POST", "/ues/*/fail", sim_control_fail, "?s1ap=N&nas=N", "its radio connection fails"},
    {"POST", "/ues/*/rds", sim_control_rds, "?rds=0|1", "it turns out to have RDS, or not"},
    {"POST", "/ues/*/uplink", sim_control_uplink, "?ue=N&scef=N&reliable=0|1",
     "the body as MO data; with ports by RDS"},
    {"POST", "/ues/*/port", sim_control_port, "?as=ID&ue=N&scef=N&app=ID",
     "it reserves RDS ports; without app: releases"},
    {"POST", "/ues/*/authorisation", sim_control_authorisation, "?authorised=0|1",
     "its NIDD authorisation is revoked, or given back"},
    {"POST", "/ues/*/configuration-trigger", sim_control_configuration_trigger, "?as=ID&url=URL",
     "its AS is asked for a configuration; without url: as configured"},
    {"POST", "/ues/*/monitoring/cancel", sim_control_monitoring_cancel, "", "the network watches it no more"},
    {"GET", "/groups", groups_list, "", "members of each group"},
    {"GET", "/scef", scef_show, "", "totals"},
    {"POST", "/scef/restart", restart, "?forget=1", "what is buffered is lost; forget: all resources too"},
    {"POST", "/scef/refuse", refuse, "?status=N&count=N&retry_after=N&location=URL",
     "so many T8 requests are answered so; 307 and 308 lead to the location"},
    {"POST", "/configurations/terminate", terminate, "?as=ID&id=ID", "the operator ends a NIDD configuration"},
    {"POST", "/subscriptions/cancel", cancel, "?as=ID&id=ID", "the network ends a subscription"},
    {"GET", "/oauth", oauth_show, "", "tokens given, refused, and T8 requests without a valid one"},
    {"POST", "/oauth/revoke", oauth_revoke, "", "no token is valid any more"},
};

void sim_control_help(FILE *out)
{
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        const char *star = strchr(routes[i].path, '*');
        size_t before = star != NULL ? (size_t)(star - routes[i].path) : strlen(routes[i].path);
        fprintf(out, "  %-4s " SIM_CONTROL_ROOT "%.*s%s%s%s\n         %s\n", routes[i].method, (int)before,
                routes[i].path, star != NULL ? "ID" : "", star != NULL ? star + 1 : "", routes[i].query,
                routes[i].what);
    }
}

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
