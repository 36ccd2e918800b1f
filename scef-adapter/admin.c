#include "scef-adapter/admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

bool admin_query_number(struct admin_request *r, const char *name, uint64_t min, uint64_t max, uint64_t *out)
{
    const char *text = http_exchange_query(r->x, name);
    if (!text)
        return true;
    size_t n = strlen(text);
    bool digits = n > 0 && n < 20 && strspn(text, "0123456789") == n;
    uint64_t v = digits ? strtoull(text, NULL, 10) : 0;
    if (digits && v >= min && v <= max) {
        *out = v;
        return true;
    }
    char detail[80];
    snprintf(detail, sizeof(detail), "%s must be a number from %llu to %llu", name, (unsigned long long)min,
             (unsigned long long)max);
    http_reply_error(r->x, ERR_MEMBER_TYPE, detail, name);
    return false;
}

bool admin_query_page(struct admin_request *r, uint64_t cursor_max, uint64_t *limit, uint64_t *cursor)
{
    *limit = ADMIN_LIMIT_DEFAULT;
    *cursor = 0;
    return admin_query_number(r, "limit", 1, ADMIN_LIMIT_MAX, limit) &&
           admin_query_number(r, "cursor", 0, cursor_max, cursor);
}

void admin_next_cursor(struct buf *b, bool more, uint64_t cursor)
{
    char text[24];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)cursor);
    json_out_str(b, "next", more ? text : NULL);
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

/* ---- routes ---- */

static const struct admin_route {
    const char *method;
    const char *pattern; /* {} stands for one segment of the path */
    void (*handler)(struct admin_request *r);
} routes[] = {
    {"GET", "/livez", livez},
    {"GET", "/readyz", readyz},
    {"GET", "/metrics", admin_metrics},
    {"GET", "/v1/scefs", admin_scefs},
    {"GET", "/v1/groups", admin_groups},
    {"GET", "/v1/routes", admin_routes},
    {"GET", "/v1/devices", admin_devices},
    {"GET", "/v1/devices/{}", admin_device},
    {"GET", "/v1/devices/{}/queue", admin_queue},
    {"DELETE", "/v1/devices/{}/queue", admin_queue_purge},
    {"POST", "/v1/devices/{}/queue/replay", admin_queue_replay},
    {"GET", "/v1/devices/{}/queue/{}", admin_queue_message},
    {"DELETE", "/v1/devices/{}/queue/{}", admin_message_cancel},
    {"POST", "/v1/devices/{}/queue/{}/replay", admin_message_replay},
    {"GET", "/v1/devices/{}/history", admin_device_history},
    {"GET", "/v1/history", admin_history},
    {"GET", "/v1/queue", admin_totals},
    {"DELETE", "/v1/queue", admin_purge},
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
static void reply_method(struct http_exchange *x, const char *allow)
{
    struct t8_problem p = t8_problem_of(ERR_METHOD);
    struct buf b = {0};
    if (t8_problem_encode(&p, &b) != OK)
        http_reply_error(x, ERR_METHOD, NULL, NULL);
    else
        http_reply(
            x, &(struct http_reply){
                   .status = 405, .content_type = "application/problem+json", .body = buf_bytes(&b), .allow = allow});
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
    char allow[32] = "";
    a->origin = *o;
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        const char *method = routes[i].method;
        if (!route_matches(routes[i].pattern, q->path, &r))
            continue;
        if (strcmp(method, q->method) == 0) {
            routes[i].handler(&r);
            return;
        }
        size_t n = strlen(allow);
        if (!strstr(allow, method) && n + strlen(method) + 3 <= sizeof(allow))
            snprintf(allow + n, sizeof(allow) - n, "%s%s", n ? ", " : "", method);
    }
    if (allow[0])
        reply_method(x, allow);
    else
        http_reply_error(x, ERR_NOT_FOUND, NULL, NULL);
}
