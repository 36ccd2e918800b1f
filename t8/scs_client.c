/* URLs are made of what is configured and of compact links (t8/common.h), never of what a peer says alone. */
#include "t8/scs_client.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "t8/scs_protocol.h"
#include "t8/scs_request.h"

struct scs_client {
    const struct scs_protocol *protocol;
    struct http_client *http;
    struct oauth *oauth; /* NULL: none */
    struct scs_requests requests;
    struct scs_client_sink sink;
    struct scs_site site;
    uint64_t configuration_duration_ms;
    uint32_t refused; /* operations that the dialect does not have, and that was told */
    /* Used during one call each, kept for their memory. */
    struct buf url;
    struct buf body;
    struct buf location;
};

/* What an answer's links are relative to. One that came from another host, after a redirect, gets an absolute Location:
 * that of the resource that answered, when it names none. */
static bool answer_of(struct scs_client *c, enum t8_operation o, const struct http_answer *a, struct t8_answer *out)
{
    if (!a)
        return false;
    const struct t8_link_base *base = &c->site.apis[t8_operation_api(o)].base;
    struct bytes url = bytes_of_str(a->url);
    struct bytes location = bytes_of_str(a->location);
    size_t origin = base->origin.len;
    if (url.len < origin || memcmp(url.data, base->origin.data, origin) != 0) {
        buf_reset(&c->location);
        if (location.len == 0 || !t8_link_resolve(url, location, &c->location)) {
            buf_reset(&c->location);
            buf_add(&c->location, url);
        }
        location = c->location.failed ? bytes_of(NULL, 0) : buf_bytes(&c->location);
    }
    *out = (struct t8_answer){
        .http_status = a->status,
        .retry_after_s = a->retry_after_s,
        .body = a->body,
        .location = location,
        .request_path = bytes_from(url, origin),
        .base = base,
    };
    return true;
}

/* ---- what answers say about the SCEF itself */

/* 500 is an ordinary answer when its cause is a word about the UE or about what was asked. */
static bool is_no_failure(enum t8_cause cause)
{
    switch (cause) {
    case T8_CAUSE_TRIGGERED:
    case T8_CAUSE_TEMPORARILY_NOT_REACHABLE:
    case T8_CAUSE_NEXT_HOP:
    case T8_CAUSE_TIMEOUT:
    case T8_CAUSE_NO_PDN_CONNECTION:
    case T8_CAUSE_SERIALIZATION_FORMAT_NOT_SUPPORTED:
    case T8_CAUSE_EVENT_UNSUPPORTED:
        return true;
    default:
        return false;
    }
}

static enum breaker_outcome outcome_of(enum error err, struct scs_meaning meaning)
{
    switch (err) {
    case OK:
        return meaning.http_status >= 500 && !is_no_failure(meaning.cause) ? BREAKER_FAILED : BREAKER_ANSWERED;
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

static void collection_put(struct buf *collection, struct bytes url)
{
    struct buf copy = {0};
    buf_add(&copy, url);
    buf_add_u8(&copy, 0);
    if (copy.failed) {
        buf_free(&copy);
        return;
    }
    buf_free(collection);
    *collection = copy;
}

/* A collection that has moved for good, and answers well where it is now, is asked there until the next start; or until
 * nothing is there any more: then the configured one is asked again. */
static void collection_follow(struct scs_client *c, enum t8_operation o, enum error err, const struct t8_answer *a,
                              struct bytes moved)
{
    struct scs_site_api *api = &c->site.apis[t8_operation_api(o)];
    if (err == ERR_UNREACHABLE || (a && (a->http_status == 404 || a->http_status == 410))) {
        collection_put(&api->collection, buf_bytes(&api->configured));
    } else if (moved.len && a && t8_answer_is_success(a)) {
        collection_put(&api->collection, moved);
    }
}

static enum breaker_outcome on_answer(void *ctx, unsigned tag, uint64_t ref, enum error err,
                                      const struct http_answer *a, struct bytes moved)
{
    struct scs_client *c = ctx;
    enum t8_operation operation = (enum t8_operation)tag;
    struct t8_answer answer;
    struct scs_incoming in = {.operation = operation, .ref = ref, .err = err, .moved = moved, .sink = &c->sink};
    if (answer_of(c, operation, a, &answer))
        in.answer = &answer;
    if (operation == T8_CONFIGURATION_CREATE || operation == T8_TRANSACTION_CREATE ||
        operation == T8_SUBSCRIPTION_CREATE) {
        collection_follow(c, operation, err, in.answer, moved);
        in.moved = bytes_of(NULL, 0); /* not the resource */
    }
    return outcome_of(err, c->protocol->answer(&c->site, &in));
}

/* ---- set-up */

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

static enum error api_set_up(struct scs_site *s, enum t8_api which, const char *name, const char *collection,
                             const struct scs_client_options *o)
{
    struct scs_site_api *api = &s->apis[which];
    struct bytes prefix;
    if (!split_root(buf_bytes(&s->root), &api->base.origin, &prefix) || !*name || !*o->scs_as_id)
        return ERR_CONFIG;
    buf_add(&api->path, prefix);
    buf_addf(&api->path, "/%s/%s", name, s->dialect->apis[which].version);
    api->base.api_path = buf_bytes(&api->path);
    api->base.allowed_hosts = o->allowed_hosts;
    api->base.allowed_host_count = o->allowed_host_count;
    buf_add(&api->collection, api->base.origin);
    buf_add(&api->collection, api->base.api_path);
    buf_add_u8(&api->collection, '/');
    t8_link_add_segment(&api->collection, bytes_of_str(o->scs_as_id));
    buf_addf(&api->collection, "/%s%s", collection, s->dialect->apis[which].trailing_slash ? "/" : "");
    buf_add(&api->configured, buf_bytes(&api->collection));
    buf_add_u8(&api->collection, 0);
    return api->path.failed || api->collection.failed || api->configured.failed ? ERR_NO_MEMORY : OK;
}

static enum error site_set_up(struct scs_site *s, const struct scs_client_options *o)
{
    const struct t8_dialect *d = o->dialect ? o->dialect : t8_dialect_at(0);
    const char *const names[] = {
        [T8_API_NIDD] = o->api_name,
        [T8_API_TRIGGERING] = o->triggering_api_name,
        [T8_API_MONITORING] = o->monitoring_api_name,
    };
    static const char *const collections[] = {"configurations", "transactions", "subscriptions"};
    s->dialect = d;
    buf_add_str(&s->root, o->api_root);
    enum error err = s->root.failed ? ERR_NO_MEMORY : OK;
    for (int i = 0; i < T8_API_COUNT && !err; i++)
        err = api_set_up(s, (enum t8_api)i, names[i] ? names[i] : d->apis[i].name, collections[i], o);
    return err;
}

static void site_free(struct scs_site *s)
{
    for (int i = 0; i < T8_API_COUNT; i++) {
        buf_free(&s->apis[i].path);
        buf_free(&s->apis[i].collection);
        buf_free(&s->apis[i].configured);
    }
    buf_free(&s->root);
    buf_free(&s->link);
    buf_free(&s->moved);
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
    c->protocol = &scs_t8_protocol;
    c->sink = *sink;
    c->configuration_duration_ms = o->configuration_duration_ms;
    c->requests = (struct scs_requests){.loop = l, .name = o->name, .send = wire_send, .answered = on_answer, .ctx = c};
    scs_requests_init(&c->requests);
    breaker_init(&c->requests.breaker, &o->breaker);
    overload_init(&c->requests.overload, o->breaker.seed + 1);
    enum error err = site_set_up(&c->site, o);
    c->requests.base = &c->site.apis[T8_API_NIDD].base; /* for the hosts, which all APIs share */
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
    site_free(&c->site);
    buf_free(&c->url);
    buf_free(&c->body);
    buf_free(&c->location);
    free(c);
}

size_t scs_client_in_flight(const struct scs_client *c)
{
    return http_client_in_flight(c->http) + (c->oauth ? oauth_waiting(c->oauth) : 0);
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

const struct t8_link_base *scs_client_base(const struct scs_client *c)
{
    return c->requests.base;
}

bool scs_client_has_tokens(const struct scs_client *c)
{
    return c->oauth != NULL;
}

const char *scs_client_token(struct scs_client *c, bool refused)
{
    return c->oauth ? oauth_token(c->oauth, refused) : NULL;
}

uint32_t scs_client_wait_s(const struct scs_client *c)
{
    return (uint32_t)((c->requests.wait_ms + 999) / 1000);
}

uint64_t scs_client_configuration_end_ms(const struct scs_client *c)
{
    return c->configuration_duration_ms ? loop_now_ms(c->requests.loop) + c->configuration_duration_ms : 0;
}

/* ---- requests */

static enum error not_offered(struct scs_client *c, enum t8_operation o)
{
    if (!(c->refused & T8_OPERATION_BIT(o)))
        log_write(LOG_WARN, "operation_not_offered", LOG_S("dialect", c->site.dialect->name),
                  LOG_S("method", t8_operation_method(o)), LOG_S("resource", t8_operation_resource(o)));
    c->refused |= T8_OPERATION_BIT(o);
    return ERR_NOT_OFFERED;
}

enum error scs_client_call(struct scs_client *c, uint64_t ref, const struct scs_call *call)
{
    struct scs_outgoing out = {.url = &c->url, .body = &c->body};
    if (!t8_dialect_has(c->site.dialect, call->operation))
        return not_offered(c, call->operation);
    buf_reset(&c->url);
    buf_reset(&c->body);
    enum error err = c->protocol->request(&c->site, call, &out);
    if (err)
        return err;
    const struct scs_request r = {
        .http = {.method = out.method,
                 .url = (const char *)c->url.data,
                 .content_type = out.types.first,
                 .body = buf_bytes(&c->body),
                 .max_body_bytes = out.max_answer_bytes},
        .other_type = out.types.second,
        .thin = call->operation == T8_DELIVERY_CREATE,
        .tag = call->operation,
        .ref = ref,
    };
    return scs_requests_send(&c->requests, &r);
}
