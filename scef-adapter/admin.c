#include "scef-adapter/admin.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "scef-adapter/admin_internal.h"

void admin_reply_json(struct http_exchange *x, int status, struct buf *b)
{
    buf_add_u8(b, '\n');
    if (b->failed)
        http_reply_error(x, ERR_NO_MEMORY, NULL, NULL);
    else
        http_reply(x, &(struct http_reply){.status = status, .content_type = "application/json", .body = buf_bytes(b)});
    buf_free(b);
}

/* ---- health ---- */

static void livez(struct admin_request *r)
{
    http_reply(r->x, &(struct http_reply){.status = 200, .content_type = "text/plain", .body = BYTES_LIT("ok\n")});
}

/* Has every device's configuration been asked for at least once? Those seen to be are not looked at again, and those of
 * a SCEF that does not answer are not waited for: the others are to be served meanwhile. */
static bool all_attempted(struct adapter *a)
{
    struct engine_device_info d;
    for (;;) {
        uint32_t cursor = a->ready_cursor;
        if (!engine_device_next(a->engine, &cursor, &d))
            return true;
        const char *state = d.configuration_state;
        bool untried = strcmp(state, "none") == 0 || strcmp(state, "creating") == 0 || strcmp(state, "checking") == 0;
        if (untried && a->scefs[d.scef].answered)
            return false;
        a->ready_cursor = cursor;
    }
}

/* Has any SCEF with devices answered? */
static bool any_answered(const struct adapter *a)
{
    struct engine_scef_info s;
    bool any_devices = false;
    for (uint32_t i = 0; engine_scef_info_get(a->engine, i, &s); i++) {
        if (s.devices && a->scefs[i].answered)
            return true;
        any_devices |= s.devices > 0;
    }
    return !any_devices;
}

/* Ready: what arrives can be worked on. The state of single devices, SCEFs and servers is for the metrics. */
static void readyz(struct admin_request *r)
{
    struct adapter *a = r->a;
    struct buf b = {0};
    struct engine_totals totals;
    engine_totals_get(a->engine, &totals);
    char store_text[400];
    const char *trouble = store_trouble(a->store);
    const char *store = a->store_failed ? "store: the last commit failed" : NULL;
    if (trouble) {
        snprintf(store_text, sizeof(store_text), "store: %s", trouble);
        store = store_text;
    } else if (a->config->store.kind == CONFIG_STORE_REDIS) {
        store = NULL; /* it works again, whether there was anything to commit since or not */
    }
    const char *scef = !a->ready && !any_answered(a) ? "scef: no answer yet" : NULL;
    /* Those that are not loaded yet are served by the configurations that they had. */
    const char *devices =
        !a->ready && !a->loading && !all_attempted(a) ? "configurations: not every device's was asked for yet" : NULL;
    const char *stopping = a->stop_at_ms ? "stopping" : NULL;
    const char *reasons[] = {store, scef, devices, stopping};
    bool ready = !store && !scef && !devices && !stopping;
    a->ready = a->ready || ready; /* the start is over once */
    json_out_open(&b, NULL, '{');
    json_out_bool(&b, "ready", ready);
    json_out_open(&b, "reasons", '[');
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i])
            json_out_str(&b, NULL, reasons[i]);
    json_out_close(&b, ']');
    json_out_bool(&b, "loading", a->loading != NULL);
    json_out_number(&b, "devices", totals.devices);
    json_out_number(&b, "configurations_active", totals.active_configurations);
    json_out_close(&b, '}');
    metric_set(&a->metrics, METRIC_READY, NULL, ready);
    admin_reply_json(r->x, ready ? 200 : 503, &b);
}

/* ---- metrics ---- */

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

/* What others count or hold is fetched when it is asked for. */
static void metrics_refresh(struct adapter *a)
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
    metric_set(m, METRIC_START_TIME, NULL, a->started_ms / 1000);
    metric_set(m, METRIC_RESIDENT_BYTES, NULL, resident_bytes());
    metric_set(m, METRIC_BUILD_INFO, SCEF_VERSION, 1);
}

static void metrics(struct admin_request *r)
{
    struct buf b = {0};
    metrics_refresh(r->a);
    metrics_render(&r->a->metrics, &b);
    if (b.failed)
        http_reply_error(r->x, ERR_NO_MEMORY, NULL, NULL);
    else
        http_reply(r->x, &(struct http_reply){.status = 200,
                                              .content_type = "text/plain; version=0.0.4; charset=utf-8",
                                              .body = buf_bytes(&b)});
    buf_free(&b);
}

/* ---- routes ---- */

static const struct admin_route {
    const char *method;
    const char *pattern; /* {} stands for one segment of the path */
    void (*handler)(struct admin_request *r);
} routes[] = {
    {"GET", "/livez", livez},
    {"GET", "/readyz", readyz},
    {"GET", "/metrics", metrics},
    {"GET", "/v1/scefs", admin_scefs},
    {"GET", "/v1/groups", admin_groups},
    {"GET", "/v1/routes", admin_routes},
    {"GET", "/v1/devices", admin_devices},
    {"GET", "/v1/devices/{}", admin_device},
    {"GET", "/v1/devices/{}/queue", admin_queue},
    {"GET", "/v1/devices/{}/queue/{}", admin_queue_message},
};

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Percent-decodes a segment; false when it is malformed, too long, empty or holds a NUL. */
static bool segment_decode(const char *from, size_t len, char out[ADMIN_PART_BYTES])
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        int c = (unsigned char)from[i];
        if (c == '%') {
            int high = i + 2 < len ? hex_digit(from[i + 1]) : -1, low = i + 2 < len ? hex_digit(from[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = high << 4 | low;
            i += 2;
        }
        if (c == 0 || n + 1 == ADMIN_PART_BYTES)
            return false;
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return n > 0;
}

static bool route_matches(const char *pattern, const char *path, struct admin_request *r)
{
    size_t parts = 0;
    while (*pattern) {
        if (strncmp(pattern, "{}", 2) == 0) {
            size_t len = strcspn(path, "/");
            if (parts == ADMIN_PARTS_MAX || !segment_decode(path, len, r->parts[parts++]))
                return false;
            pattern += 2;
            path += len;
        } else if (*pattern++ != *path++) {
            return false;
        }
    }
    return *path == '\0';
}

/* RFC 9110 clause 15.5.6: 405 names what is allowed. */
static void reply_method(struct http_exchange *x)
{
    struct t8_problem p = t8_problem_of(ERR_METHOD);
    struct buf b = {0};
    if (t8_problem_encode(&p, &b) != OK)
        http_reply_error(x, ERR_METHOD, NULL, NULL);
    else
        http_reply(
            x, &(struct http_reply){
                   .status = 405, .content_type = "application/problem+json", .body = buf_bytes(&b), .allow = "GET"});
    buf_free(&b);
}

void admin_handle(void *ctx, struct http_exchange *x)
{
    admin_take(ctx, &(struct loading_origin){.kind = LOADING_ADMIN, .from.exchange = x});
}

void admin_take(struct adapter *a, const struct loading_origin *o)
{
    struct http_exchange *x = o->from.exchange;
    const struct http_request *q = http_exchange_request(x);
    struct admin_request r = {.a = a, .x = x};
    bool path_known = false;
    a->origin = *o;
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (!route_matches(routes[i].pattern, q->path, &r))
            continue;
        path_known = true;
        if (strcmp(routes[i].method, q->method) == 0) {
            routes[i].handler(&r);
            return;
        }
    }
    if (path_known)
        reply_method(x);
    else
        http_reply_error(x, ERR_NOT_FOUND, NULL, NULL);
}
