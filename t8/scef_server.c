#include "t8/scef_server.h"

#include <string.h>
#include <strings.h>

#define MAX_SEGMENT_BYTES 512

/* What a path names: a level of the resource tree (TS 29.122 clause 5.6.3.1), with decoded identifiers. */
struct target {
    enum { NOTHING, CONFIGURATIONS, CONFIGURATION, DELIVERIES } what;
    struct bytes scs_as_id;
    struct bytes configuration_id;
    struct buf memory; /* owns both */
};

/* ---- paths */

static bool take_segment(struct bytes *path, struct bytes *segment)
{
    if (path->len == 0 || path->data[0] != '/')
        return false;
    *path = bytes_from(*path, 1);
    const uint8_t *slash = path->len ? memchr(path->data, '/', path->len) : NULL;
    size_t len = slash ? (size_t)(slash - path->data) : path->len;
    *segment = bytes_of(path->data, len);
    *path = bytes_from(*path, len);
    return len > 0 && len <= MAX_SEGMENT_BYTES;
}

static bool take_word(struct bytes *path, struct bytes word)
{
    struct bytes segment;
    return take_segment(path, &segment) && bytes_equal(segment, word);
}

static bool take_id(struct bytes *path, struct buf *memory, size_t *len)
{
    struct bytes segment;
    size_t before = memory->len;
    bool ok = take_segment(path, &segment) && t8_link_decode_segment(segment, memory);
    *len = memory->len - before;
    return ok;
}

static void target_read(struct bytes base, struct bytes path, struct target *t)
{
    *t = (struct target){.what = NOTHING};
    if (path.len < base.len || memcmp(path.data, base.data, base.len) != 0)
        return;
    path = bytes_from(path, base.len);
    size_t owner = 0;
    size_t configuration = 0;
    if (!take_id(&path, &t->memory, &owner) || !take_word(&path, BYTES_LIT("configurations")))
        return;
    if (path.len == 0 || bytes_equal(path, BYTES_LIT("/"))) {
        t->what = CONFIGURATIONS;
    } else if (take_id(&path, &t->memory, &configuration)) {
        if (path.len == 0)
            t->what = CONFIGURATION;
        else if (take_word(&path, BYTES_LIT("downlink-data-deliveries")) && path.len == 0)
            t->what = DELIVERIES;
    }
    t->scs_as_id = bytes_of(t->memory.data, owner);
    t->configuration_id = bytes_from(buf_bytes(&t->memory), owner);
}

/* ---- answers */

static void reply_body(struct http_exchange *x, struct http_reply *r, enum error encoded, struct buf *body)
{
    if (encoded) {
        http_reply_error(x, ERR_SYSTEM, error_text(encoded), NULL);
    } else {
        r->body = buf_bytes(body);
        http_reply(x, r);
    }
    buf_free(body);
}

static void reply_problem(struct http_exchange *x, const struct t8_problem *p, uint32_t retry_after_s)
{
    struct buf body = {0};
    struct http_reply r = {
        .status = p->status, .content_type = "application/problem+json", .retry_after_s = retry_after_s};
    reply_body(x, &r, t8_problem_encode(p, &body), &body);
}

static void reply_method(struct http_exchange *x, const char *allow)
{
    struct t8_problem p = t8_problem_of(ERR_METHOD);
    struct buf body = {0};
    struct http_reply r = {.status = p.status, .content_type = "application/problem+json", .allow = allow};
    reply_body(x, &r, t8_problem_encode(&p, &body), &body);
}

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

static struct t8_problem problem_of_status(int http_status, enum t8_cause cause)
{
    return (struct t8_problem){.status = http_status, .title = bytes_of_str(title_of(http_status)), .cause = cause};
}

/* The absolute path of a link, NUL-terminated in *memory. */
static const char *location_of(struct bytes self, struct buf *memory)
{
    const uint8_t *host = self.len ? memmem(self.data, self.len, "://", 3) : NULL;
    if (host) {
        struct bytes rest = bytes_from(self, (size_t)(host - self.data) + 3);
        const uint8_t *path = rest.len ? memchr(rest.data, '/', rest.len) : NULL;
        self = path ? bytes_from(rest, (size_t)(path - rest.data)) : bytes_of(NULL, 0);
    }
    buf_add(memory, self);
    buf_add_u8(memory, 0);
    return memory->failed || memory->len == 1 ? NULL : (const char *)memory->data;
}

static void reply_configuration(struct http_exchange *x, const struct scef_configuration_answer *a)
{
    int status = a->http_status ? a->http_status : error_http_status(a->err);
    if (status >= 300) {
        struct t8_problem p = a->err ? t8_problem_of(a->err) : problem_of_status(status, a->cause);
        p.status = status;
        if (a->cause != T8_CAUSE_NONE) {
            p.cause = a->cause;
            p.cause_text = bytes_of(NULL, 0);
        }
        reply_problem(x, &p, 0);
        return;
    }
    struct http_reply r = {.status = status};
    if (status == 204) {
        http_reply(x, &r);
        return;
    }
    struct buf body = {0};
    struct buf location = {0};
    r.content_type = "application/json";
    r.location = status == 201 ? location_of(a->configuration.self, &location) : NULL;
    reply_body(x, &r, nidd_configuration_encode(&a->configuration, &body), &body);
    buf_free(&location);
}

void scef_server_downlink_answer(struct http_exchange *x, const struct scef_downlink_answer *a)
{
    struct buf body = {0};
    struct buf location = {0};
    struct http_reply r = {
        .status = a->http_status, .content_type = "application/json", .retry_after_s = a->retry_after_s};
    if (a->http_status == 200 || a->http_status == 201) {
        r.location = a->http_status == 201 ? location_of(a->downlink.self, &location) : NULL;
        reply_body(x, &r, nidd_downlink_encode(&a->downlink, &body), &body);
    } else {
        struct t8_problem p = problem_of_status(a->http_status, a->cause);
        if (a->http_status == 500)
            reply_body(x, &r, nidd_delivery_failure_encode(&p, a->requested_retransmission_ms, &body), &body);
        else
            reply_problem(x, &p, a->retry_after_s);
    }
    buf_free(&location);
}

/* ---- requests */

static bool media_type_is(const char *content_type, const char *wanted)
{
    size_t len = strlen(wanted);
    return strncasecmp(content_type, wanted, len) == 0 && strchr("; \t", content_type[len]);
}

static bool is_json(const char *content_type)
{
    return media_type_is(content_type, "application/json");
}

static void list(const struct scef_server_sink *sink, struct http_exchange *x, const struct target *t)
{
    struct buf body = {0};
    struct nidd_configuration c;
    uint64_t cursor = 0;
    enum error err = OK;
    buf_add_u8(&body, '[');
    while (!err && sink->configuration_next(sink->ctx, t->scs_as_id, &cursor, &c)) {
        if (body.len > 1)
            buf_add_u8(&body, ',');
        err = nidd_configuration_encode(&c, &body);
    }
    buf_add_u8(&body, ']');
    if (!err && body.failed)
        err = ERR_NO_MEMORY;
    struct http_reply r = {.status = 200, .content_type = "application/json"};
    reply_body(x, &r, err, &body);
}

static void patch(const struct scef_server_sink *sink, struct http_exchange *x, const struct target *t)
{
    struct nidd_configuration_patch c;
    struct t8_problem p;
    if (!media_type_is(http_exchange_request(x)->content_type, "application/merge-patch+json")) {
        http_reply_error(x, ERR_MEDIA_TYPE, NULL, NULL);
        return;
    }
    if (nidd_configuration_patch_decode(http_exchange_request(x)->body, &c, &p) != OK) {
        reply_problem(x, &p, 0);
        return;
    }
    struct scef_configuration_answer a = {0};
    sink->configuration_patch(sink->ctx, t->scs_as_id, t->configuration_id, &c, &a);
    reply_configuration(x, &a);
    nidd_configuration_patch_release(&c);
}

static void create(const struct scef_server_sink *sink, struct http_exchange *x, const struct target *t)
{
    struct nidd_configuration c;
    struct t8_problem p;
    if (nidd_configuration_decode_request(http_exchange_request(x)->body, &c, &p) != OK) {
        reply_problem(x, &p, 0);
        return;
    }
    struct scef_configuration_answer a = {0};
    sink->configuration_create(sink->ctx, t->scs_as_id, &c, &a);
    reply_configuration(x, &a);
    nidd_configuration_release(&c);
}

static void deliver(const struct scef_server_sink *sink, struct http_exchange *x, const struct target *t)
{
    struct nidd_downlink d;
    struct t8_problem p;
    if (nidd_downlink_decode_request(http_exchange_request(x)->body, &d, &p) != OK) {
        reply_problem(x, &p, 0);
        return;
    }
    sink->downlink(sink->ctx, x, t->scs_as_id, t->configuration_id, &d);
    nidd_downlink_release(&d);
}

static void handle(const struct scef_server_sink *sink, struct http_exchange *x, const struct target *t)
{
    const struct http_request *r = http_exchange_request(x);
    bool post = strcmp(r->method, "POST") == 0;
    struct scef_configuration_answer a = {0};
    if (post && (t->what == CONFIGURATIONS || t->what == DELIVERIES) && !is_json(r->content_type)) {
        http_reply_error(x, ERR_MEDIA_TYPE, NULL, NULL);
        return;
    }
    switch (t->what) {
    case NOTHING:
        http_reply_error(x, ERR_NOT_FOUND, NULL, NULL);
        return;
    case CONFIGURATIONS:
        if (post)
            create(sink, x, t);
        else if (sink->configuration_next && strcmp(r->method, "GET") == 0)
            list(sink, x, t);
        else
            reply_method(x, sink->configuration_next ? "GET, POST" : "POST");
        return;
    case DELIVERIES:
        if (post)
            deliver(sink, x, t);
        else
            reply_method(x, "POST");
        return;
    case CONFIGURATION:
        if (strcmp(r->method, "GET") == 0) {
            sink->configuration_get(sink->ctx, t->scs_as_id, t->configuration_id, &a);
            reply_configuration(x, &a);
        } else if (strcmp(r->method, "DELETE") == 0) {
            sink->configuration_delete(sink->ctx, t->scs_as_id, t->configuration_id, &a);
            reply_configuration(x, &a);
        } else if (sink->configuration_patch && strcmp(r->method, "PATCH") == 0) {
            patch(sink, x, t);
        } else {
            reply_method(x, sink->configuration_patch ? "GET, PATCH, DELETE" : "GET, DELETE");
        }
        return;
    }
}

void scef_server_handle(const struct scef_server_sink *sink, struct http_exchange *x)
{
    struct target t;
    const char *base = sink->base_path ? sink->base_path : "/3gpp-nidd/v1";
    target_read(bytes_of_str(base), bytes_of_str(http_exchange_request(x)->path), &t);
    handle(sink, x, &t);
    buf_free(&t.memory);
}
