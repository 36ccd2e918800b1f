/* URLs are made of what is configured and of compact links (t8/common.h), never of what a peer says alone. */
#include "t8/scs_client.h"

#include <stdlib.h>
#include <string.h>

#include "t8/nidd_configuration_list.h"
#include "t8/scs_request.h"

static const char deliveries[] = "/downlink-data-deliveries";

struct scs_client {
    struct http_client *http;
    struct oauth *oauth; /* NULL: none */
    struct scs_requests requests;
    struct scs_client_sink sink;
    uint64_t configuration_duration_ms;
    struct t8_link_base base; /* points into root and api_path */
    struct buf root;
    struct buf api_path;
    struct buf collection; /* URL of the configurations */
    /* Used during one call each, kept for their memory. */
    struct buf url;
    struct buf body;
    struct buf link;
    struct buf location;
    struct buf moved;
};

/* What an answer's links are relative to. One that came from another host, after a redirect, gets an absolute Location:
 * that of the resource that answered, when it names none. */
static bool answer_of(struct scs_client *c, const struct http_answer *a, struct nidd_answer *out)
{
    if (!a)
        return false;
    struct bytes url = bytes_of_str(a->url);
    struct bytes location = bytes_of_str(a->location);
    size_t origin = c->base.origin.len;
    if (url.len < origin || memcmp(url.data, c->base.origin.data, origin) != 0) {
        buf_reset(&c->location);
        if (location.len == 0 || !t8_link_resolve(url, location, &c->location)) {
            buf_reset(&c->location);
            buf_add(&c->location, url);
        }
        location = c->location.failed ? bytes_of(NULL, 0) : buf_bytes(&c->location);
    }
    *out = (struct nidd_answer){
        .http_status = a->status,
        .retry_after_s = a->retry_after_s,
        .body = a->body,
        .location = location,
        .request_path = bytes_from(url, origin),
        .base = &c->base,
    };
    return true;
}

/* ---- what answers say about the SCEF itself */

/* 500 is an ordinary answer when its cause is a word about the UE. */
static bool is_about_the_ue(enum t8_cause cause)
{
    switch (cause) {
    case T8_CAUSE_TRIGGERED:
    case T8_CAUSE_TEMPORARILY_NOT_REACHABLE:
    case T8_CAUSE_NEXT_HOP:
    case T8_CAUSE_TIMEOUT:
    case T8_CAUSE_NO_PDN_CONNECTION:
        return true;
    default:
        return false;
    }
}

static enum breaker_outcome outcome_of(enum error err, const struct http_answer *a, enum t8_cause cause)
{
    if (a)
        return a->status >= 500 && !is_about_the_ue(cause) ? BREAKER_FAILED : BREAKER_ANSWERED;
    switch (err) {
    case ERR_UNREACHABLE:
    case ERR_TIMEOUT:
    case ERR_PEER:
        return BREAKER_FAILED;
    case ERR_TOO_LARGE:
        return BREAKER_ANSWERED;
    default:
        return BREAKER_UNKNOWN;
    }
}

/* ---- answers */

/* The compact form of where a resource has moved to; empty when it has not. */
static struct bytes moved_link(struct scs_client *c, struct bytes moved)
{
    buf_reset(&c->moved);
    if (moved.len)
        t8_link_compact(&c->base, bytes_of(NULL, 0), moved, &c->moved);
    return c->moved.failed ? bytes_of(NULL, 0) : buf_bytes(&c->moved);
}

static enum breaker_outcome on_resource_answer(void *ctx, uint64_t ref, enum error err, const struct http_answer *a,
                                               struct bytes moved)
{
    struct scs_client *c = ctx;
    struct nidd_configuration_result result = {0};
    struct nidd_answer answer;
    if (answer_of(c, a, &answer))
        nidd_configuration_result_read(&answer, &c->link, &result);
    struct bytes link = moved_link(c, moved);
    if (link.len && result.http_status >= 200 && result.http_status < 300)
        result.link = link;
    enum breaker_outcome outcome = outcome_of(err, a, result.cause);
    c->sink.configuration_result(c->sink.ctx, ref, &result);
    return outcome;
}

static enum breaker_outcome on_create_answer(void *ctx, uint64_t ref, enum error err, const struct http_answer *a,
                                             struct bytes moved)
{
    struct scs_client *c = ctx;
    if (moved.len) {
        struct buf collection = {0};
        buf_add(&collection, moved);
        buf_add_u8(&collection, 0);
        if (collection.failed) {
            buf_free(&collection);
        } else {
            buf_free(&c->collection);
            c->collection = collection;
        }
    }
    return on_resource_answer(c, ref, err, a, bytes_of(NULL, 0));
}

static void each_found(struct scs_client *c, uint64_t ref, const struct nidd_answer *answer)
{
    struct nidd_configuration_list list;
    struct nidd_configuration configuration;
    struct nidd_answer one = *answer;
    one.location = bytes_of(NULL, 0); /* of the list, if anything */
    nidd_configuration_list_begin(&list, answer->body);
    while (nidd_configuration_list_next(&list, &one.body)) {
        if (nidd_configuration_decode(one.body, &configuration) != OK)
            continue;
        struct nidd_configuration_found found = {.id = configuration.id};
        nidd_configuration_result_of(&one, &configuration, &c->link, &found.result);
        c->sink.configuration_found(c->sink.ctx, ref, &found);
        nidd_configuration_release(&configuration);
    }
}

static enum breaker_outcome on_list_answer(void *ctx, uint64_t ref, enum error err, const struct http_answer *a,
                                           struct bytes moved)
{
    struct scs_client *c = ctx;
    struct nidd_configuration_result result = {0};
    struct nidd_answer answer;
    (void)moved;
    if (answer_of(c, a, &answer)) {
        bool listed = a->status >= 200 && a->status < 300;
        if (listed) {
            result = (struct nidd_configuration_result){.http_status = a->status};
            each_found(c, ref, &answer);
        } else {
            nidd_configuration_result_read(&answer, &c->link, &result);
        }
    }
    enum breaker_outcome outcome = outcome_of(err, a, result.cause);
    c->sink.configuration_listed(c->sink.ctx, ref, &result);
    return outcome;
}

static enum breaker_outcome on_submit_answer(void *ctx, uint64_t ref, enum error err, const struct http_answer *a,
                                             struct bytes moved)
{
    struct scs_client *c = ctx;
    struct nidd_submit_result result = {.outcome = NIDD_SUBMIT_NO_ANSWER, .not_sent = err == ERR_UNREACHABLE};
    struct nidd_answer answer;
    if (answer_of(c, a, &answer))
        nidd_submit_result_read(&answer, &c->link, &result);
    size_t suffix = sizeof deliveries - 1;
    if (moved.len > suffix && memcmp(moved.data + moved.len - suffix, deliveries, suffix) == 0)
        result.configuration_link = moved_link(c, bytes_of(moved.data, moved.len - suffix));
    enum breaker_outcome outcome = outcome_of(err, a, result.cause);
    c->sink.submit_result(c->sink.ctx, ref, &result);
    return outcome;
}

/* "http://host:port" and the rest, without slashes at its end. */
static bool split_root(struct bytes root, struct bytes *origin, struct bytes *prefix)
{
    while (root.len && root.data[root.len - 1] == '/')
        root.len--;
    const uint8_t *mark = root.len ? memmem(root.data, root.len, "://", 3) : NULL;
    if (!mark || memchr(root.data, '?', root.len) || memchr(root.data, '#', root.len))
        return false;
    size_t host = (size_t)(mark - root.data) + 3;
    const uint8_t *slash = root.len > host ? memchr(root.data + host, '/', root.len - host) : NULL;
    size_t len = slash ? (size_t)(slash - root.data) : root.len;
    *origin = bytes_of(root.data, len);
    *prefix = bytes_from(root, len);
    return len > host;
}

/* Onto the wire. */
static enum error wire_send(void *ctx, const struct http_request_options *r, http_answer_fn fn, void *fn_ctx,
                            uint64_t ref)
{
    struct scs_client *c = ctx;
    return c->oauth ? oauth_send(c->oauth, r, fn, fn_ctx, ref) : http_client_send(c->http, r, fn, fn_ctx, ref);
}

enum error scs_client_new(struct loop *l, const struct scs_client_options *o, const struct scs_client_sink *sink,
                          struct scs_client **out)
{
    *out = NULL;
    struct scs_client *c = calloc(1, sizeof *c);
    if (!c)
        return ERR_NO_MEMORY;
    struct bytes prefix = {0};
    c->sink = *sink;
    c->configuration_duration_ms = o->configuration_duration_ms;
    c->requests = (struct scs_requests){.loop = l, .base = &c->base, .send = wire_send, .ctx = c};
    scs_requests_init(&c->requests);
    breaker_init(&c->requests.breaker, &o->breaker);
    overload_init(&c->requests.overload, o->breaker.seed + 1);
    c->base.allowed_hosts = o->allowed_hosts;
    c->base.allowed_host_count = o->allowed_host_count;
    buf_add_str(&c->root, o->api_root);
    enum error err = OK;
    if (c->root.failed)
        err = ERR_NO_MEMORY;
    else if (!split_root(buf_bytes(&c->root), &c->base.origin, &prefix) || !*o->api_name || !*o->scs_as_id)
        err = ERR_CONFIG;
    if (!err) {
        buf_add(&c->api_path, prefix);
        buf_addf(&c->api_path, "/%s/v1", o->api_name);
        c->base.api_path = buf_bytes(&c->api_path);
        buf_add(&c->collection, c->base.origin);
        buf_add(&c->collection, c->base.api_path);
        buf_add_u8(&c->collection, '/');
        t8_link_add_segment(&c->collection, bytes_of_str(o->scs_as_id));
        buf_add_str(&c->collection, "/configurations");
        buf_add_u8(&c->collection, 0);
        if (c->api_path.failed || c->collection.failed)
            err = ERR_NO_MEMORY;
    }
    if (!err)
        err = http_client_new(l, &o->http, &c->http);
    if (!err && o->oauth)
        err = oauth_new(l, o->oauth, c->http, &c->oauth);
    if (err) {
        scs_client_free(c);
        return err;
    }
    *out = c;
    return OK;
}

void scs_client_free(struct scs_client *c)
{
    if (!c)
        return;
    http_client_free(c->http);
    oauth_free(c->oauth);
    scs_requests_free(&c->requests);
    buf_free(&c->root);
    buf_free(&c->api_path);
    buf_free(&c->collection);
    buf_free(&c->url);
    buf_free(&c->body);
    buf_free(&c->link);
    buf_free(&c->location);
    buf_free(&c->moved);
    free(c);
}

size_t scs_client_in_flight(const struct scs_client *c)
{
    return http_client_in_flight(c->http) + (c->oauth ? oauth_waiting(c->oauth) : 0);
}

/* The URL of a compact link, with something behind it. */
static enum error url_of(struct scs_client *c, struct bytes link, const char *more)
{
    buf_reset(&c->url);
    if (!t8_link_expand(&c->base, link, &c->url))
        return c->url.failed ? ERR_NO_MEMORY : ERR_UNKNOWN_CONFIGURATION;
    buf_add_str(&c->url, more);
    buf_add_u8(&c->url, 0);
    return c->url.failed ? ERR_NO_MEMORY : OK;
}

void scs_client_state_get(const struct scs_client *c, struct scs_client_state *out)
{
    const struct scs_requests *q = &c->requests;
    *out = (struct scs_client_state){.breaker = q->breaker.state,
                                     .breaker_opens = q->breaker.opens,
                                     .held_by_breaker = q->held_by_breaker,
                                     .held_by_overload = q->held_by_overload,
                                     .overload_metric = overload_metric(&q->overload, loop_now_ms(q->loop)),
                                     .redirects_followed = q->redirects_followed,
                                     .redirects_refused = q->redirects_refused};
}

uint32_t scs_client_wait_s(const struct scs_client *c)
{
    return (uint32_t)((c->requests.wait_ms + 999) / 1000);
}

enum error scs_configuration_create(struct scs_client *c, uint64_t ref, struct t8_identity id,
                                    const char *notification_destination)
{
    const struct nidd_configuration configuration = {
        .id = id,
        .notification_destination = bytes_of_str(notification_destination),
        .has_supported_features = true, /* none needed yet, but the attribute "shall" be there */
        .duration_ms = c->configuration_duration_ms ? loop_now_ms(c->requests.loop) + c->configuration_duration_ms : 0,
    };
    buf_reset(&c->body);
    enum error err = nidd_configuration_encode(&configuration, &c->body);
    if (err)
        return err;
    const struct http_request_options r = {.method = "POST",
                                           .url = (const char *)c->collection.data,
                                           .content_type = "application/json",
                                           .body = buf_bytes(&c->body)};
    return scs_requests_send(&c->requests, &r, false, on_create_answer, ref);
}

static enum error on_resource(struct scs_client *c, uint64_t ref, struct bytes link, const char *method)
{
    enum error err = url_of(c, link, "");
    if (err)
        return err;
    const struct http_request_options r = {.method = method, .url = (const char *)c->url.data};
    return scs_requests_send(&c->requests, &r, false, on_resource_answer, ref);
}

enum error scs_configuration_get(struct scs_client *c, uint64_t ref, struct bytes link)
{
    return on_resource(c, ref, link, "GET");
}

enum error scs_configuration_patch(struct scs_client *c, uint64_t ref, struct bytes link,
                                   const struct nidd_configuration_patch *p)
{
    buf_reset(&c->body);
    enum error err = nidd_configuration_patch_encode(p, &c->body);
    if (!err)
        err = url_of(c, link, "");
    if (err)
        return err;
    const struct http_request_options r = {.method = "PATCH",
                                           .url = (const char *)c->url.data,
                                           .content_type = "application/merge-patch+json",
                                           .body = buf_bytes(&c->body)};
    return scs_requests_send(&c->requests, &r, false, on_resource_answer, ref);
}

enum error scs_configuration_list(struct scs_client *c, uint64_t ref)
{
    const struct http_request_options r = {
        .method = "GET", .url = (const char *)c->collection.data, .max_body_bytes = SCS_LIST_MAX_BYTES};
    return scs_requests_send(&c->requests, &r, false, on_list_answer, ref);
}

enum error scs_configuration_delete(struct scs_client *c, uint64_t ref, struct bytes link)
{
    return on_resource(c, ref, link, "DELETE");
}

enum error scs_downlink_submit(struct scs_client *c, uint64_t ref, struct bytes configuration_link,
                               struct t8_identity id, struct bytes data, uint32_t maximum_latency_s)
{
    const struct nidd_downlink d = {
        .id = id, .data = data, .has_maximum_latency = true, .maximum_latency_s = maximum_latency_s};
    buf_reset(&c->body);
    enum error err = nidd_downlink_encode(&d, &c->body);
    if (!err)
        err = url_of(c, configuration_link, deliveries);
    if (err)
        return err;
    const struct http_request_options r = {.method = "POST",
                                           .url = (const char *)c->url.data,
                                           .content_type = "application/json",
                                           .body = buf_bytes(&c->body)};
    return scs_requests_send(&c->requests, &r, true, on_submit_answer, ref);
}
