/* URLs are made of what is configured and of compact links (t8/common.h), never of what a peer says alone. */
#include "t8/scs_client.h"

#include <stdlib.h>
#include <string.h>

struct scs_client {
    struct http_client *http;
    struct oauth *oauth; /* NULL: none */
    struct scs_client_sink sink;
    struct t8_link_base base; /* points into root and api_path */
    struct buf root;
    struct buf api_path;
    struct buf collection; /* URL of the configurations */
    /* Used during one call each, kept for their memory. */
    struct buf url;
    struct buf body;
    struct buf link;
};

static struct bytes path_of(const struct scs_client *c, const char *url)
{
    return bytes_from(bytes_of_str(url), c->base.origin.len);
}

static bool answer_of(struct scs_client *c, const struct http_answer *a, struct nidd_answer *out)
{
    if (!a)
        return false;
    *out = (struct nidd_answer){
        .http_status = a->status,
        .retry_after_s = a->retry_after_s,
        .body = a->body,
        .location = bytes_of_str(a->location),
        .request_path = path_of(c, a->url),
        .base = &c->base,
    };
    return true;
}

static void on_configuration_answer(void *ctx, uint64_t ref, enum error err, const struct http_answer *a)
{
    (void)err;
    struct scs_client *c = ctx;
    struct nidd_configuration_result result = {0};
    struct nidd_answer answer;
    if (answer_of(c, a, &answer))
        nidd_configuration_result_read(&answer, &c->link, &result);
    c->sink.configuration_result(c->sink.ctx, ref, &result);
}

static void on_submit_answer(void *ctx, uint64_t ref, enum error err, const struct http_answer *a)
{
    struct scs_client *c = ctx;
    struct nidd_submit_result result = {.outcome = NIDD_SUBMIT_NO_ANSWER, .not_sent = err == ERR_UNREACHABLE};
    struct nidd_answer answer;
    if (answer_of(c, a, &answer))
        nidd_submit_result_read(&answer, &c->link, &result);
    c->sink.submit_result(c->sink.ctx, ref, &result);
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

enum error scs_client_new(struct loop *l, const struct scs_client_options *o, const struct scs_client_sink *sink,
                          struct scs_client **out)
{
    *out = NULL;
    struct scs_client *c = calloc(1, sizeof *c);
    if (!c)
        return ERR_NO_MEMORY;
    struct bytes prefix = {0};
    c->sink = *sink;
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
    buf_free(&c->root);
    buf_free(&c->api_path);
    buf_free(&c->collection);
    buf_free(&c->url);
    buf_free(&c->body);
    buf_free(&c->link);
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

static enum error request_send(struct scs_client *c, const char *method, const char *url, struct bytes body,
                               http_answer_fn fn, uint64_t ref)
{
    const struct http_request_options r = {
        .method = method, .url = url, .content_type = body.len ? "application/json" : NULL, .body = body};
    return c->oauth ? oauth_send(c->oauth, &r, fn, c, ref) : http_client_send(c->http, &r, fn, c, ref);
}

enum error scs_configuration_create(struct scs_client *c, uint64_t ref, struct t8_identity id,
                                    const char *notification_destination)
{
    const struct nidd_configuration configuration = {
        .id = id,
        .notification_destination = bytes_of_str(notification_destination),
        .has_supported_features = true, /* none needed yet, but the attribute "shall" be there */
    };
    buf_reset(&c->body);
    enum error err = nidd_configuration_encode(&configuration, &c->body);
    if (err)
        return err;
    return request_send(c, "POST", (const char *)c->collection.data, buf_bytes(&c->body), on_configuration_answer, ref);
}

static enum error on_resource(struct scs_client *c, uint64_t ref, struct bytes link, const char *method)
{
    enum error err = url_of(c, link, "");
    if (err)
        return err;
    return request_send(c, method, (const char *)c->url.data, bytes_of(NULL, 0), on_configuration_answer, ref);
}

enum error scs_configuration_get(struct scs_client *c, uint64_t ref, struct bytes link)
{
    return on_resource(c, ref, link, "GET");
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
        err = url_of(c, configuration_link, "/downlink-data-deliveries");
    if (err)
        return err;
    return request_send(c, "POST", (const char *)c->url.data, buf_bytes(&c->body), on_submit_answer, ref);
}
