/* GET /metrics. */
#include <stdio.h>
#include <unistd.h>

#include "scef-adapter/admin_internal.h"

static uint64_t resident_bytes(void)
{
    unsigned long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f) {
        if (fscanf(f, "%*u %llu", &pages) != 1) /* NOLINT(cert-err34-c): the kernel wrote it */
            pages = 0;
        fclose(f);
    }
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void websocket_metrics_refresh(struct metrics *m, const char *name, const struct websocket_client *c)
{
    struct websocket_client_state w;
    websocket_client_state_get(c, &w);
    metric_scef_set(m, METRIC_WEBSOCKETS, name, "used", w.uris);
    metric_scef_set(m, METRIC_WEBSOCKETS, name, "open", w.open);
    metric_scef_set(m, METRIC_WEBSOCKET_NOTIFICATIONS, name, "taken", w.received);
    metric_scef_set(m, METRIC_WEBSOCKET_NOTIFICATIONS, name, "duplicate", w.duplicates);
    metric_scef_set(m, METRIC_WEBSOCKET_NOTIFICATIONS, name, "malformed", w.malformed);
    metric_set(m, METRIC_WEBSOCKETS_LOST, name, w.lost);
}

static void scef_metrics_refresh(const struct adapter_scef *s)
{
    struct metrics *m = &s->a->metrics;
    const char *name = s->config->name;
    struct engine_scef_info e = {.name = NULL};
    struct scs_client_state c;
    (void)engine_scef_info_get(s->a->engine, s->index, &e);
    scs_client_state_get(s->client, &c);
    metric_set(m, METRIC_CONFIGURATIONS_ACTIVE, name, e.active_configurations);
    metric_set(m, METRIC_SCEF_REQUESTS, name, s->requests_in_flight);
    metric_set(m, METRIC_SCEF_BREAKER, name, (uint64_t)c.breaker);
    metric_set(m, METRIC_SCEF_BREAKER_OPENS, name, c.breaker_opens);
    metric_scef_set(m, METRIC_SCEF_HELD_BACK, name, "breaker", c.held_by_breaker);
    metric_scef_set(m, METRIC_SCEF_HELD_BACK, name, "overload", c.held_by_overload);
    metric_set(m, METRIC_SCEF_OVERLOAD, name, c.overload_metric);
    metric_scef_set(m, METRIC_SCEF_REDIRECTS, name, "followed", c.redirects_followed);
    metric_scef_set(m, METRIC_SCEF_REDIRECTS, name, "refused", c.redirects_refused);
    if (s->config->test_notification)
        metric_set(m, METRIC_TEST_NOTIFICATIONS, name, s->tests_seen);
    if (s->websockets)
        websocket_metrics_refresh(m, name, s->websockets);
}

static void queue_metrics_refresh(struct adapter *a, const struct engine_survey *s)
{
    struct metrics *m = &a->metrics;
    for (unsigned i = 0; i <= QUEUE_DTLS; i++)
        metric_set(m, METRIC_QUEUE_CLASSES, engine_message_class_name((enum queue_class)i), s->of_class[i].messages);
    for (unsigned i = 0; i < ENGINE_MESSAGE_STATES; i++)
        metric_set(m, METRIC_QUEUE_STATES, engine_message_state_name(i), s->of_state[i].messages);
    metric_set(m, METRIC_QUEUE_OLDEST_AGE, NULL,
               s->oldest_accepted_ms ? (adapter_now(a) - s->oldest_accepted_ms) / 1000 : 0);
}

/* What others count or hold is fetched when it is asked for. */
static void metrics_refresh(struct adapter *a, const struct engine_survey *s)
{
    struct metrics *m = &a->metrics;
    struct engine_totals t;
    const struct leg_udp_counters *legs = legs_udp_counters(a->legs);
    const struct leg_dtls_counters *dtls = legs_dtls_counters(a->legs);
    const struct leg_stream_counters *streams = legs_stream_counters(a->legs);
    engine_totals_get(a->engine, &t);
    metric_set(m, METRIC_DEVICES, NULL, t.devices);
    metric_set(m, METRIC_LOADING, NULL, a->loading != NULL);
    metric_set(m, METRIC_LOADING_WAITING, NULL, loading_waiting(a->loading));
    metric_set(m, METRIC_QUEUED_MESSAGES, NULL, t.queued_messages);
    metric_set(m, METRIC_QUEUED_BYTES, NULL, t.queued_bytes);
    metric_set(m, METRIC_SPOOLED_MESSAGES, NULL, t.spooled_messages);
    metric_set(m, METRIC_SPOOLED_BYTES, NULL, t.spooled_bytes);
    metric_set(m, METRIC_FINALS_KEPT, NULL, t.finals);
    metric_set(m, METRIC_EXCHANGES, NULL, t.exchanges);
    for (uint32_t i = 0; i < a->config->scef_count; i++)
        scef_metrics_refresh(&a->scefs[i]);
    for (uint32_t i = 0; i < a->config->server_count; i++)
        metric_set(m, METRIC_SERVER_UP, a->config->servers[i].name, engine_server_up(a->engine, i));
    metric_set(m, METRIC_LEG_IN, NULL, legs->datagrams_in);
    metric_set(m, METRIC_LEG_OUT, NULL, legs->datagrams_out);
    metric_set(m, METRIC_LEG_DROPPED, "unknown_peer", legs->unknown_peer);
    metric_set(m, METRIC_LEG_DROPPED, "unknown_leg", legs->unknown_leg);
    metric_set(m, METRIC_LEG_DROPPED, "truncated", legs->truncated);
    metric_set(m, METRIC_LEG_ERRORS, "send", legs->send_failed);
    metric_set(m, METRIC_LEG_ERRORS, "icmp", legs->icmp_errors);
    metric_set(m, METRIC_DTLS_SESSIONS, NULL, dtls->sessions_up);
    metric_set(m, METRIC_DTLS_HANDSHAKES, "completed", dtls->handshakes);
    metric_set(m, METRIC_DTLS_HANDSHAKES, "resumed", dtls->handshakes_resumed);
    metric_set(m, METRIC_DTLS_HANDSHAKES, "failed", dtls->handshakes_failed);
    metric_set(m, METRIC_DTLS_HANDSHAKES, "silent_server", dtls->sessions_silent);
    metric_set(m, METRIC_LEG_DROPPED, "no_dtls_session", dtls->unexpected);
    metric_set(m, METRIC_LEG_CONNECTIONS, NULL, streams->connections);
    metric_set(m, METRIC_LEG_CONNECTS, "opened", streams->opened);
    metric_set(m, METRIC_LEG_CONNECTS, "failed", streams->failed);
    metric_set(m, METRIC_LEG_CONNECTS, "lost", streams->lost);
    metric_set(m, METRIC_LEG_DROPPED, "too_large", streams->too_large);
    queue_metrics_refresh(a, s);
    metric_set(m, METRIC_STORE_UP, NULL, !a->store_failed);
    metric_set(m, METRIC_STORE_BACKLOG, NULL, store_backlog_bytes(a->store));
    metric_set(m, METRIC_START_TIME, NULL, a->started_ms / 1000);
    metric_set(m, METRIC_RESIDENT_BYTES, NULL, resident_bytes());
    metric_set(m, METRIC_BUILD_INFO, SCEF_VERSION, 1);
}

static void metrics_done(struct admin_job *j)
{
    struct buf b = {0};
    metrics_refresh(j->a, &j->survey);
    metrics_render(&j->a->metrics, &b);
    if (b.failed)
        http_reply_error(j->x, ERR_NO_MEMORY, NULL, NULL);
    else
        http_reply(j->x, &(struct http_reply){.status = 200,
                                              .content_type = "text/plain; version=0.0.4; charset=utf-8",
                                              .body = buf_bytes(&b)});
    buf_free(&b);
}

void admin_metrics(struct admin_request *r)
{
    admin_survey(r, metrics_done);
}
