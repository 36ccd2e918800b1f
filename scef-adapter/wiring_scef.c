/* Requests to the SCEFs: the engine's ports, and the results that come back as its inputs. Each SCEF has a client of
 * its own, with connections, breaker and overload control: one that is down holds up no other. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "scef-adapter/wiring_internal.h"
#include "t8/dialect.h"

#define TOKEN_TIMEOUT_MS 10000 /* of the token endpoint: requests wait meanwhile */

/* ---- requests ---- */

static void failed_add(struct adapter_scef *s, enum error err, enum failed_kind kind, uint64_t ref)
{
    struct adapter *a = s->a;
    if (a->failed_count == a->failed_capacity) {
        size_t capacity = a->failed_capacity ? a->failed_capacity * 2 : 16;
        struct failed_request *failed = realloc(a->failed, capacity * sizeof(*failed));
        if (!failed) {
            log_write(LOG_ERROR, "request_lost", LOG_S("scef", s->config->name),
                      LOG_S("reason", error_text(ERR_NO_MEMORY)));
            return;
        }
        a->failed = failed;
        a->failed_capacity = capacity;
    }
    bool held_back = err == ERR_UNREACHABLE;
    /* What the SCEF's dialect does not have is as if the SCEF had said so. */
    int http_status = err == ERR_NOT_OFFERED ? error_http_status(err) : 0;
    a->failed[a->failed_count++] =
        (struct failed_request){s, kind, ref, http_status, held_back, held_back ? scs_client_wait_s(s->client) : 0};
}

void adapter_request_begun(struct adapter_scef *s, enum error err, enum failed_kind kind, uint64_t ref)
{
    if (err)
        failed_add(s, err, kind, ref);
    else
        s->requests_in_flight++;
}

struct adapter_scef *adapter_scef_for(struct adapter *a, uint32_t index)
{
    return a->closing || a->stop_at_ms ? NULL : &a->scefs[index];
}

static void port_downlink_submit(void *ctx, uint64_t ref, const struct engine_submit *d)
{
    struct adapter_scef *s = adapter_scef_for(ctx, d->scef);
    if (s)
        adapter_request_begun(
            s, scs_downlink_submit(s->client, ref, d->configuration_link, d->id, d->data, d->maximum_latency_s),
            FAILED_SUBMIT, ref);
}

static void port_configuration_create(void *ctx, uint32_t scef, uint64_t ref, struct t8_identity id)
{
    struct adapter_scef *s = adapter_scef_for(ctx, scef);
    if (!s)
        return;
    const uint32_t duration_s = s->config->configuration_duration_s;
    const struct nidd_configuration wanted = {
        .id = id,
        .notification_destination = bytes_of_str(s->destination),
        .supported_features = s->features,
        .duration_ms = duration_s ? s->a->now_ms + duration_s * UINT64_C(1000) : 0,
        .request_test_notification = s->config->test_notification ? T8_FLAG_TRUE : T8_FLAG_UNSET,
        .websocket = {.present = s->websockets != NULL, .request_uri = s->websockets ? T8_FLAG_TRUE : T8_FLAG_UNSET}};
    adapter_request_begun(s, scs_configuration_create_with(s->client, ref, &wanted), FAILED_CONFIGURATION, ref);
}

static void port_configuration_get(void *ctx, uint32_t scef, uint64_t ref, struct bytes link)
{
    struct adapter_scef *s = adapter_scef_for(ctx, scef);
    if (s)
        adapter_request_begun(s, scs_configuration_get(s->client, ref, link), FAILED_CONFIGURATION, ref);
}

static void port_configuration_patch(void *ctx, uint32_t scef, uint64_t ref, struct bytes link,
                                     const struct nidd_configuration_patch *p)
{
    struct adapter_scef *s = adapter_scef_for(ctx, scef);
    if (s)
        adapter_request_begun(s, scs_configuration_patch(s->client, ref, link, p), FAILED_CONFIGURATION, ref);
}

static void port_configuration_delete(void *ctx, uint32_t scef, uint64_t ref, struct bytes link)
{
    struct adapter_scef *s = adapter_scef_for(ctx, scef);
    if (s)
        adapter_request_begun(s, scs_configuration_delete(s->client, ref, link), FAILED_CONFIGURATION, ref);
}

static void port_configuration_list(void *ctx, uint32_t scef)
{
    struct adapter_scef *s = adapter_scef_for(ctx, scef);
    if (s)
        adapter_request_begun(s, scs_configuration_list(s->client, 0), FAILED_LIST, 0);
}

void adapter_scef_ports(struct engine_ports *out)
{
    out->downlink_submit = port_downlink_submit;
    out->configuration_create = port_configuration_create;
    out->configuration_get = port_configuration_get;
    out->configuration_patch = port_configuration_patch;
    out->configuration_delete = port_configuration_delete;
    out->configuration_list = port_configuration_list;
    adapter_delivery_ports(out);
    adapter_watch_ports(out);
    adapter_websocket_ports(out);
}

/* ---- results ---- */

static void answered(struct adapter_scef *s, int http_status)
{
    s->requests_in_flight--;
    s->answered |= http_status != 0;
}

static void submit_result(void *ctx, uint64_t ref, const struct nidd_submit_result *r)
{
    struct adapter_scef *s = ctx;
    answered(s, r->http_status);
    engine_submit_result(s->a->engine, adapter_now(s->a), ref, r);
}

static void configuration_counted(struct adapter_scef *s, int http_status)
{
    metric_scef_add(&s->a->metrics, METRIC_CONFIGURATIONS, s->config->name, metric_status_label(http_status), 1);
}

static void configuration_result(void *ctx, uint64_t ref, const struct nidd_configuration_result *r)
{
    struct adapter_scef *s = ctx;
    uint64_t now_ms = adapter_now(s->a);
    answered(s, r->http_status);
    configuration_counted(s, r->http_status);
    if (r->http_status == 201)
        adapter_test_expect(s);
    engine_configuration_result(s->a->engine, now_ms, ref, r);
}

static void configuration_found(void *ctx, uint64_t ref, const struct nidd_configuration_found *f)
{
    struct adapter_scef *s = ctx;
    (void)ref;
    engine_configuration_found(s->a->engine, adapter_now(s->a), s->index, f);
}

static void configuration_listed(void *ctx, uint64_t ref, const struct nidd_configuration_result *r)
{
    struct adapter_scef *s = ctx;
    (void)ref;
    answered(s, r->http_status);
    configuration_counted(s, r->http_status);
    engine_configuration_listed(s->a->engine, adapter_now(s->a), s->index, r);
}

static void item(void *ctx, uint64_t ref, const struct scs_result *r)
{
    if (r->operation == T8_DELIVERY_LIST)
        adapter_delivery_item(ctx, ref, r);
    else if (r->operation == T8_SUBSCRIPTION_LIST)
        adapter_watch_item(ctx, r);
}

static void result(void *ctx, uint64_t ref, const struct scs_result *r)
{
    struct adapter_scef *s = ctx;
    answered(s, r->http_status);
    if (t8_operation_api(r->operation) == T8_API_NIDD)
        adapter_delivery_result(s, ref, r);
    else if (r->operation == T8_TRANSACTION_GET)
        adapter_transaction_result(s, r);
    else
        adapter_watch_result(s, ref, r);
}

void adapter_failed_deliver(struct adapter *a)
{
    /* The engine may ask again at once, and fail again: those wait for the next turn. */
    struct failed_request *failed = a->failed;
    size_t count = a->failed_count;
    a->failed = NULL;
    a->failed_count = a->failed_capacity = 0;
    for (size_t i = 0; i < count; i++) {
        const struct failed_request *f = &failed[i];
        const struct nidd_configuration_result none = {.http_status = f->http_status,
                                                       .retry_after_s = f->retry_after_s};
        f->scef->requests_in_flight++; /* the result takes it back */
        switch (f->kind) {
        case FAILED_SUBMIT:
            submit_result(f->scef, f->ref,
                          &(struct nidd_submit_result){.outcome = NIDD_SUBMIT_NO_ANSWER,
                                                       .not_sent = f->held_back,
                                                       .retry_after_s = f->retry_after_s});
            break;
        case FAILED_CONFIGURATION:
            configuration_result(f->scef, f->ref, &none);
            break;
        case FAILED_LIST:
            configuration_listed(f->scef, f->ref, &none);
            break;
        case FAILED_DELIVERY:
        case FAILED_WATCH:
        case FAILED_WATCHES:
            result(f->scef, f->ref,
                   &(struct scs_result){.operation = f->kind == FAILED_DELIVERY ? T8_DELIVERY_GET
                                                     : f->kind == FAILED_WATCH  ? T8_SUBSCRIPTION_CREATE
                                                                                : T8_SUBSCRIPTION_LIST,
                                        .http_status = f->http_status,
                                        .not_sent = f->held_back,
                                        .retry_after_s = f->retry_after_s});
            break;
        }
    }
    free(failed);
}

/* ---- test notifications (TS 29.122 clause 5.2.5.3) ---- */

void adapter_test_expect(struct adapter_scef *s)
{
    if (s->config->test_notification && !s->tests_seen && !s->test_missed && !s->test_due_ms)
        s->test_due_ms = s->a->now_ms + s->config->request_timeout_ms;
}

uint64_t adapter_tests_check(struct adapter *a)
{
    uint64_t next_ms = UINT64_MAX;
    for (uint32_t i = 0; i < a->config->scef_count; i++) {
        struct adapter_scef *s = &a->scefs[i];
        if (s->test_due_ms && s->test_due_ms <= a->now_ms) {
            s->test_due_ms = 0;
            s->test_missed = true;
            log_write(LOG_WARN, "test_notification_missing", LOG_S("scef", s->config->name),
                      LOG_I("waited_ms", s->config->request_timeout_ms),
                      LOG_S("hint", "the SCEF does not send them, or cannot reach callback.url"));
        }
        if (s->test_due_ms && s->test_due_ms < next_ms)
            next_ms = s->test_due_ms;
    }
    return next_ms;
}

/* ---- start and end ---- */

/* The features of the NIDD API that we ask for (TS 29.122 clause 5.6.4). */
static uint64_t features_of(const struct config *c, uint32_t scef)
{
    uint64_t features = NIDD_FEATURE_MODIFICATION; /* of what the SCEF is to buffer */
    if (c->scefs[scef].test_notification)
        features |= NIDD_FEATURE_TEST;
    for (uint32_t i = 0; i < c->group_count; i++)
        if (c->groups[i].scef == scef)
            features |= NIDD_FEATURE_GROUPS;
    if (c->scefs[scef].notifications == CONFIG_NOTIFICATIONS_WEBSOCKET)
        features |= NIDD_FEATURE_WEBSOCKET | NIDD_FEATURE_TEST; /* the one needs the other */
    return features;
}

static enum error client_new(struct adapter_scef *s)
{
    const struct config_scef *c = s->config;
    struct scs_client_options o = {.name = c->name,
                                   .api_root = c->api_root,
                                   .scs_as_id = c->scs_as_id,
                                   .dialect = t8_dialect_find(c->dialect),
                                   .api_name = c->api_name,
                                   .http = {.connect_timeout_ms = c->connect_timeout_ms,
                                            .timeout_ms = c->request_timeout_ms,
                                            .max_connections = c->max_connections,
                                            .max_body_bytes = T8_MAX_BODY_BYTES},
                                   .breaker = {.failures = c->breaker_failures,
                                               .pause_min_ms = c->breaker_pause_min_ms,
                                               .pause_max_ms = c->breaker_pause_max_ms},
                                   .allowed_hosts = (const char *const *)c->allowed_host_list,
                                   .allowed_host_count = c->allowed_host_count};
    struct oauth_options oauth = {.token_url = c->oauth.token_url,
                                  .client_id = c->oauth.client_id,
                                  .secret_file = c->oauth.secret_file,
                                  .scope = c->oauth.scope,
                                  .credentials_in_body = c->oauth.credentials == CONFIG_OAUTH_BODY};
    o.http.tls = (struct tls_files){c->ca_file, c->certificate_file, c->key_file};
    oauth.http = o.http;
    if (oauth.http.timeout_ms > TOKEN_TIMEOUT_MS)
        oauth.http.timeout_ms = TOKEN_TIMEOUT_MS;
    if (oauth.token_url)
        o.oauth = &oauth;
    if (getrandom(&o.breaker.seed, sizeof(o.breaker.seed), 0) != sizeof(o.breaker.seed))
        o.breaker.seed = uv_hrtime();
    const struct scs_client_sink sink = {.ctx = s,
                                         .configuration_result = configuration_result,
                                         .submit_result = submit_result,
                                         .configuration_found = configuration_found,
                                         .configuration_listed = configuration_listed,
                                         .item = item,
                                         .result = result};
    return scs_client_new(s->a->loop, &o, &sink, &s->client);
}

enum error adapter_scefs_open(struct adapter *a)
{
    const struct config *c = a->config;
    a->scefs = calloc(c->scef_count, sizeof(*a->scefs));
    if (!a->scefs)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < c->scef_count; i++) {
        struct adapter_scef *s = &a->scefs[i];
        *s = (struct adapter_scef){.a = a, .index = i, .config = &c->scefs[i], .features = features_of(c, i)};
        s->destination = callback_url_make(c, SCS_PATH_NIDD, i);
        s->reports_to = callback_url_make(c, SCS_PATH_MONITORING, i);
        enum error err = s->destination && s->reports_to ? client_new(s) : ERR_NO_MEMORY;
        if (!err && c->scefs[i].notifications == CONFIG_NOTIFICATIONS_WEBSOCKET)
            err = adapter_websockets_open(s);
        if (err)
            return err;
    }
    return OK;
}

void adapter_scefs_end(struct adapter *a)
{
    for (uint32_t i = 0; a->scefs && i < a->config->scef_count; i++)
        scs_client_free(a->scefs[i].client); /* ends its requests, which tells the engine */
}

void adapter_scefs_free(struct adapter *a)
{
    for (uint32_t i = 0; a->scefs && i < a->config->scef_count; i++) {
        websocket_client_free(a->scefs[i].websockets);
        free(a->scefs[i].destination);
        free(a->scefs[i].reports_to);
    }
    free(a->scefs);
}

uint64_t adapter_requests_in_flight(const struct adapter *a)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < a->config->scef_count; i++)
        sum += a->scefs[i].requests_in_flight;
    return sum;
}
