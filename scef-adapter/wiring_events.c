/* What the engine tells becomes numbers, trace lines and, where it is worth a line, log. */
#include "scef-adapter/wiring_internal.h"

static void count(struct adapter *a, const struct engine_event *e, const char *scef, const char *server)
{
    struct metrics *m = &a->metrics;
    switch (e->kind) {
    case ENGINE_UPLINK:
        metric_add(m, METRIC_DEVICE_MESSAGES, NULL, 1);
        break;
    case ENGINE_TO_SERVER:
        metric_add(m, METRIC_SERVER_MESSAGES_OUT, server ? server : "none", 1);
        break;
    case ENGINE_FROM_SERVER:
        metric_add(m, METRIC_SERVER_MESSAGES_IN, server ? server : "none", 1);
        break;
    case ENGINE_SUBMIT_RESULT:
        metric_scef_add(m, METRIC_SUBMITS, scef, metric_status_label(e->http_status), 1);
        break;
    case ENGINE_DELIVERY_STATUS: {
        const char *name = t8_delivery_status_name(e->delivery_status);
        metric_scef_add(m, METRIC_DELIVERY_STATUSES, scef, name[0] ? name : "other", 1);
        break;
    }
    case ENGINE_ACCEPTED:
        metric_add(m, METRIC_ACCEPTED, NULL, 1);
        break;
    case ENGINE_FINAL:
        metric_add(m, METRIC_FINALS, final_state_name(e->final), 1);
        break;
    case ENGINE_DROPPED:
        metric_add(m, METRIC_DROPPED, e->reason && e->reason[0] ? e->reason : "unknown", 1);
        break;
    case ENGINE_DUPLICATE:
        metric_add(m, METRIC_DUPLICATES, NULL, 1);
        break;
    case ENGINE_SPOOLED:
        metric_add(m, METRIC_SPOOLED, NULL, 1);
        break;
    case ENGINE_LEARNED:
        metric_add(m, METRIC_LEARNED, NULL, 1);
        break;
    case ENGINE_REACHABLE:
        metric_scef_add(m, METRIC_REACHABLE, scef, e->reason, 1);
        break;
    case ENGINE_SUBMIT:
    case ENGINE_SERVER_STATE:
    case ENGINE_CONFIGURATION:
        break;
    case ENGINE_AUDIT:
        metric_add(m, METRIC_ENDPOINT_AUDITS, e->reason, 1);
        break;
    }
}

static enum log_level level_of(const struct engine_event *e)
{
    switch (e->kind) {
    case ENGINE_SERVER_STATE:
        return e->up ? LOG_INFO : LOG_WARN;
    case ENGINE_CONFIGURATION:
        return e->http_status == 0 || e->http_status >= 400 ? LOG_WARN : LOG_INFO;
    case ENGINE_DROPPED:
    case ENGINE_AUDIT:
        return LOG_WARN;
    case ENGINE_LEARNED:
        return LOG_INFO;
    case ENGINE_FINAL:
        return e->final == FINAL_ANSWERED || e->final == FINAL_DELIVERED ? LOG_DEBUG : LOG_INFO;
    case ENGINE_SUBMIT_RESULT:
        return e->http_status == 0 ? LOG_WARN : LOG_DEBUG;
    default:
        return LOG_DEBUG;
    }
}

/* One noisy peer or device must not fill the disk. */
static bool affordable(struct adapter *a, const struct engine_event *e, uint64_t now_ms)
{
    struct event_log_budget *b = &a->event_log.kinds[e->kind];
    if (b->second != now_ms / 1000) {
        if (b->suppressed)
            log_write(LOG_WARN, "log_suppressed", LOG_S("of", trace_event_name(e->kind)),
                      LOG_I("lines", b->suppressed));
        *b = (struct event_log_budget){.second = now_ms / 1000};
    }
    if (b->written < EVENT_LOG_PER_SECOND) {
        b->written++;
        return true;
    }
    b->suppressed++;
    return false;
}

static void write_log(struct adapter *a, const struct engine_event *e, const char *scef, const char *server,
                      uint64_t now_ms)
{
    enum log_level level = level_of(e);
    if (!log_wanted(level) || !affordable(a, e, now_ms))
        return;
    const bool answered = e->kind == ENGINE_SUBMIT_RESULT || e->kind == ENGINE_CONFIGURATION;
    const char *cause = t8_cause_name(e->cause);
    struct log_field fields[12] = {{.key = NULL}};
    size_t n = 0;
    if (e->device_id.len)
        fields[n++] = (struct log_field)LOG_B("ext_id", e->device_id);
    if (e->group_id.len)
        fields[n++] = (struct log_field)LOG_B("group", e->group_id);
    if (scef)
        fields[n++] = (struct log_field)LOG_S("scef", scef);
    if (server)
        fields[n++] = (struct log_field)LOG_S("server", server);
    if (e->seq)
        fields[n++] = (struct log_field)LOG_I("seq", e->seq);
    if (e->kind == ENGINE_FINAL) {
        fields[n++] = (struct log_field)LOG_S("state", final_state_name(e->final));
        fields[n++] = (struct log_field)LOG_I("age_ms", e->age_ms);
    }
    if (e->kind == ENGINE_SERVER_STATE)
        fields[n++] = (struct log_field)LOG_S("state", e->up ? "up" : "down");
    if (e->kind == ENGINE_AUDIT)
        fields[n++] = (struct log_field)LOG_B("endpoint", e->endpoint);
    if (e->reason && e->reason[0])
        fields[n++] = (struct log_field)LOG_S("reason", e->reason);
    if (answered)
        fields[n++] = (struct log_field)LOG_I("status", e->http_status);
    if (cause[0])
        fields[n++] = (struct log_field)LOG_S("cause", cause);
    log_write_fields(level, trace_event_name(e->kind), fields);
}

void adapter_event(void *ctx, const struct engine_event *e)
{
    struct adapter *a = ctx;
    /* The configuration's names of server and SCEF live as long as the metrics that keep it as a label. */
    const char *server = e->server < a->config->server_count ? a->config->servers[e->server].name : NULL;
    const char *scef = e->scef < a->config->scef_count ? a->config->scefs[e->scef].name : NULL;
    if (e->kind == ENGINE_DELIVERY_STATUS && !e->seq)
        a->status_unmatched = true;
    count(a, e, scef ? scef : "none", server);
    if (a->trace)
        trace_event(a->trace, a->now_ms, e, scef, server);
    write_log(a, e, scef, server, a->now_ms);
}
