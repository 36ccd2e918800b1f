/* Notifications over WebSocket: which URIs the engine's configurations have, and what comes over them to the same sinks
 * as callbacks. */
#include <string.h>

#include "scef-adapter/wiring_internal.h"

#define RETRY_MIN_MS  500
#define RETRY_MAX_MS  60000
#define IN_FLIGHT_MAX 256 /* of one URI: uplinks that wait for the store */

void adapter_websocket_take(struct adapter *a, const struct loading_origin *o)
{
    struct adapter_scef *s = o->scef;
    if (a->stop_at_ms) {
        scs_callbacks_answer(o->from, ERR_DRAINING);
        return;
    }
    a->origin = *o;
    a->callback =
        (struct callback_target){.api = SCS_PATH_NIDD, .scef = s->index, .slice = a->config->slices.index, .rest = ""};
    scs_callbacks_take(&s->sink, o->from, o->data, SCS_PATH_NIDD);
}

static void take(void *ctx, struct scs_sender from, struct bytes body)
{
    struct adapter_scef *s = ctx;
    adapter_websocket_take(s->a,
                           &(struct loading_origin){.kind = LOADING_WEBSOCKET, .from = from, .scef = s, .data = body});
}

static const char *token(void *ctx, bool refused)
{
    struct adapter_scef *s = ctx;
    return scs_client_token(s->client, refused);
}

static void gone(void *ctx, struct bytes uri)
{
    struct adapter_scef *s = ctx;
    if (s->a->running && !s->a->stop_at_ms)
        engine_websocket_gone(s->a->engine, adapter_now(s->a), s->index, uri);
}

enum error adapter_websockets_open(struct adapter_scef *s)
{
    const struct config_scef *c = s->config;
    const struct websocket_client_options o = {.base = scs_client_base(s->client),
                                               .tls = {c->ca_file, c->certificate_file, c->key_file},
                                               .connect_timeout_ms = c->connect_timeout_ms,
                                               .ping_interval_ms = c->websocket_ping_s * 1000,
                                               .duplicate_interval_ms = c->websocket_duplicates_s * 1000,
                                               .retry_min_ms = RETRY_MIN_MS,
                                               .retry_max_ms = RETRY_MAX_MS,
                                               .max_message_bytes = T8_MAX_BODY_BYTES,
                                               .max_in_flight = IN_FLIGHT_MAX,
                                               .token = scs_client_has_tokens(s->client) ? token : NULL,
                                               .token_ctx = s,
                                               .gone = gone,
                                               .gone_ctx = s};
    return websocket_client_new(s->a->loop, &o, take, s, &s->websockets);
}

/* All of it is not for a log: who knows it may connect there. */
static struct bytes host_of(struct bytes uri)
{
    const uint8_t *mark = uri.len ? memmem(uri.data, uri.len, "://", 3) : NULL;
    struct bytes host = mark ? bytes_from(uri, (size_t)(mark - uri.data) + 3) : bytes_of(NULL, 0);
    const uint8_t *path = host.len ? memchr(host.data, '/', host.len) : NULL;
    return path ? bytes_of(host.data, (size_t)(path - host.data)) : host;
}

static bool port_begin(void *ctx, uint32_t scef, struct bytes uri)
{
    struct adapter *a = ctx;
    struct adapter_scef *s = &a->scefs[scef];
    if (!s->websockets || a->closing)
        return false;
    enum error err = websocket_client_use(s->websockets, uri);
    if (err)
        log_write(LOG_WARN, "websocket_not_used", LOG_S("scef", s->config->name), LOG_S("reason", error_text(err)),
                  LOG_B("host", host_of(uri)),
                  LOG_S("hint", err == ERR_UNREACHABLE ? "allow its host in allowed_hosts; with https only wss will do"
                                                       : NULL));
    return err == OK;
}

static void port_end(void *ctx, uint32_t scef, struct bytes uri)
{
    struct adapter *a = ctx;
    if (!a->closing)
        websocket_client_release(a->scefs[scef].websockets, uri);
}

void adapter_websocket_ports(struct engine_ports *out)
{
    out->websocket_begin = port_begin;
    out->websocket_end = port_end;
}

void adapter_websockets_drain(struct adapter *a)
{
    for (uint32_t i = 0; i < a->config->scef_count; i++)
        if (a->scefs[i].websockets)
            websocket_client_drain(a->scefs[i].websockets);
}
