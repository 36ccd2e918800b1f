#include "scef-adapter/wiring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "scef-adapter/admin.h"
#include "scef-adapter/leg_address.h"
#include "scef-adapter/wiring_internal.h"
#include "t8/secret_file.h"

#define FLUSHES_PER_TURN     16    /* a commit in memory may bring new puts; then others get their turn */
#define DEVICES_PER_BATCH    10000 /* at the start: a batch is held in memory */
#define STOP_MAX_MS          1000  /* for what is under way */
#define STOP_LINGER_MS       20    /* for the last answers to leave */
#define CALLBACK_CONNECTIONS 1024
#define ADMIN_CONNECTIONS    64
#define ADMIN_BODY_BYTES     4096
#define IDLE_TIMEOUT_S       60

/* ---- the turn's end ---- */

static void store_settle(struct adapter *a)
{
    for (unsigned i = 0; i < FLUSHES_PER_TURN && a->store_open; i++) {
        a->store_open = false;
        store_flush(a->store);
    }
}

static void alarm_renew(struct adapter *a)
{
    uint64_t now_ms = loop_now_ms(a->loop), at = engine_next_wake(a->engine);
    uint64_t test_ms = adapter_tests_check(a);
    if (test_ms < at)
        at = test_ms;
    if (a->store_open || a->failed_count)
        at = now_ms;
    if (a->stop_at_ms && !a->stopped && at > now_ms + STOP_LINGER_MS)
        at = now_ms + STOP_LINGER_MS;
    if (at == a->alarm_at_ms)
        return;
    a->alarm_at_ms = at;
    if (at == UINT64_MAX)
        loop_alarm_clear(&a->alarm);
    else
        loop_alarm_set(&a->alarm, at > now_ms ? at - now_ms : 1);
}

static bool idle(const struct adapter *a)
{
    return adapter_requests_in_flight(a) == 0 && a->failed_count == 0 && !a->store_open &&
           loading_waiting(a->loading) == 0 && a->ticket_done >= a->ticket_given &&
           a->answers.live == (a->spare_answer ? 1 : 0);
}

static void stop_proceed(struct adapter *a)
{
    uint64_t now_ms = loop_now_ms(a->loop);
    if (!idle(a))
        a->idle_at_ms = 0;
    else if (!a->idle_at_ms)
        a->idle_at_ms = now_ms;
    bool done = a->idle_at_ms && now_ms - a->idle_at_ms >= STOP_LINGER_MS;
    if (!done && now_ms < a->stop_at_ms)
        return;
    if (!done)
        log_write(LOG_WARN, "stop_cut_short", LOG_I("requests", adapter_requests_in_flight(a)));
    a->stopped = true;
    a->o.stopped(a->o.ctx);
}

/* All devices are there. */
static void loaded(struct adapter *a)
{
    char *reload_path = a->reload_path;
    loading_free(a->loading);
    a->loading = NULL;
    a->reload_path = NULL;
    if (reload_path)
        adapter_reload(a, reload_path);
    free(reload_path);
}

static void turn_end(void *ctx)
{
    struct adapter *a = ctx;
    if (a->failed_count)
        adapter_failed_deliver(a);
    engine_wake(a->engine, adapter_now(a));
    if (a->import.state != IMPORT_NONE)
        adapter_import_turn_end(a);
    store_settle(a);
    adapter_backlog_check(a);
    if (a->loading && loading_turn_end(a->loading))
        loaded(a);
    legs_flush(a->legs);
    if (a->trace)
        metric_add(&a->metrics, METRIC_TRACE_LOST, NULL, trace_flush(a->trace));
    if (a->stop_at_ms && !a->stopped)
        stop_proceed(a);
    alarm_renew(a);
}

static void on_alarm(void *ctx)
{
    struct adapter *a = ctx;
    a->alarm_at_ms = 0; /* the turn's end, which follows, does the work */
}

/* ---- start ---- */

/* `why` gets "WHAT: DETAIL". */
static enum error told(struct buf *why, enum error err, const char *what, const char *detail)
{
    if (err)
        buf_addf(why, "%s: %s", what, detail ? detail : error_text(err));
    return err;
}

static enum error engine_scefs_add(struct adapter *a)
{
    const struct config *c = a->config;
    enum error err = OK;
    for (uint32_t i = 0; i < c->scef_count && !err; i++) {
        struct engine_scef_options o = {.name = c->scefs[i].name,
                                        .configuration_duration_ms =
                                            c->scefs[i].configuration_duration_s * UINT64_C(1000),
                                        .configuration_check_ms = c->scefs[i].configuration_check_s * UINT64_C(1000),
                                        .supported_features = a->scefs[i].features,
                                        .notification_destination = a->scefs[i].destination,
                                        .watch = c->scefs[i].reachability == CONFIG_REACHABILITY_MONITORING};
        err = engine_scef_add(a->engine, &o);
    }
    for (uint32_t i = 0; i < c->group_count && !err; i++) {
        const struct config_group *g = &c->groups[i];
        struct engine_group_options o = {.external_group_id = bytes_of_str(g->external_group_id),
                                         .scef = g->scef,
                                         .server = g->server,
                                         .learn = g->learn,
                                         .learn_max = g->learn_max,
                                         .foreign = g->foreign};
        err = engine_group_add(a->engine, &o);
    }
    return err;
}

static enum engine_transport transport_of(enum config_scheme s)
{
    return config_scheme_stream(s)   ? ENGINE_TRANSPORT_RELIABLE
           : config_scheme_secure(s) ? ENGINE_TRANSPORT_DTLS
                                     : ENGINE_TRANSPORT_UDP;
}

static enum error engine_open(struct adapter *a, struct buf *why)
{
    struct engine_options o = a->config->engine;
    struct engine_ports ports;
    if (getrandom(&o.seed, sizeof(o.seed), 0) != sizeof(o.seed))
        o.seed = uv_hrtime();
    o.delete_removed = a->config->scefs[0].delete_removed; /* of all, as was checked */
    adapter_ports(a, &ports);
    enum error err = engine_new(&o, &ports, adapter_now(a), &a->engine);
    for (uint32_t i = 0; !err && i < a->config->server_count; i++) {
        const struct config_server *s = &a->config->servers[i];
        err = engine_server_add(a->engine, &(struct engine_server_options){s->name, transport_of(s->scheme)});
    }
    if (!err)
        err = engine_scefs_add(a);
    if (!err)
        err = engine_routes_replace(a->engine, a->config->engine_routes, a->config->route_count);
    if (!err)
        err = engine_downlinks_replace(a->engine, &a->config->engine.downlink, a->config->engine_downlinks,
                                       a->config->downlink_count);
    return told(why, err, "engine", NULL);
}

static enum error server_legs_open(struct adapter *a, struct buf *why)
{
    char detail[200];
    enum error err = legs_new(a->loop, a->config, adapter_legs_sink(a), &a->legs, detail);
    return told(why, err, "server_leg", detail);
}

static enum error device_key_set(struct adapter *a, const struct config_device *d)
{
    struct engine_device_info known;
    struct bytes id = bytes_of_str(d->external_id ? d->external_id : d->msisdn);
    return engine_device_find(a->engine, id, &known) ? legs_psk_set(a->legs, known.leg, d->psk_identity, d->psk_key)
                                                     : ERR_UNKNOWN_DEVICE;
}

static enum error devices_add(struct adapter *a, struct buf *why)
{
    struct config *c = a->config;
    adapter_import_forget(a); /* from now on the records are those of two configurations */
    for (size_t i = 0; i < c->device_count; i++) {
        const struct config_device *d = &c->devices[i];
        struct engine_device_options o = {
            .id = {.external_id = bytes_of_str(d->external_id), .msisdn = bytes_of_str(d->msisdn)},
            .server = d->server,
            .scef = d->scef,
            .group = d->group,
            .endpoint = bytes_of_str(d->endpoint)};
        enum error err = engine_device_add(a->engine, &o);
        if (!err && d->psk_key)
            err = device_key_set(a, d);
        if (err) {
            buf_addf(why, "device %s (line %u): %s", d->external_id ? d->external_id : d->msisdn, d->line,
                     error_text(err));
            return err;
        }
        if (i % DEVICES_PER_BATCH == DEVICES_PER_BATCH - 1)
            store_settle(a);
    }
    config_devices_release(c);
    adapter_import_begin(a, c);
    return OK;
}

/* Every device's address, before a server can speak to it. */
static enum error device_legs_open(struct adapter *a, struct buf *why)
{
    uint32_t cursor = 0;
    for (struct engine_device_info d; engine_device_next(a->engine, &cursor, &d);) {
        enum error err = legs_open(a->legs, d.leg);
        if (err) {
            struct bytes id = d.id.external_id.len ? d.id.external_id : d.id.msisdn;
            buf_addf(why, "server_leg: no address for device %.*s, which has number %u: %s", (int)id.len,
                     (const char *)id.data, d.leg,
                     errno == ERANGE ? "prefix or port_range is too small" : strerror(errno));
            return err;
        }
    }
    return OK;
}

/* Why nobody can listen there: the HTTP server does not tell, so it is tried once more. */
static const char *listen_fault(const struct config_endpoint *e, enum error err)
{
    union leg_address at;
    const bool ipv6 = strchr(e->host, ':') != NULL;
    int fd = socket(ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    if (fd >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    bool failed = fd < 0 || !leg_address_resolve(e, ipv6 ? AF_INET6 : AF_INET, &at) ||
                  bind(fd, &at.any, leg_address_len(&at)) != 0 || listen(fd, 1) != 0;
    const char *text = failed ? strerror(errno) : error_text(err);
    if (fd >= 0)
        close(fd);
    return text;
}

static enum error listen_on(struct adapter *a, const char *key, const struct config_endpoint *e, uint32_t connections,
                            size_t max_body, const struct tls_files *tls, http_handler_fn fn, struct http_server **out,
                            struct buf *why)
{
    struct http_server_options o = {.host = e->host,
                                    .port = e->port,
                                    .max_body_bytes = max_body,
                                    .max_connections = connections,
                                    .idle_timeout_s = IDLE_TIMEOUT_S,
                                    .tls = *tls};
    enum error err = http_server_new(a->loop, &o, fn, a, out);
    if (err)
        buf_addf(why, "%s.listen %s port %u: %s", key, e->host, e->port, listen_fault(e, err));
    return err;
}

static void file_exposed_tell(const char *file)
{
    if (file && secret_file_exposed(file))
        log_write(LOG_WARN, "secret_exposed", LOG_S("file", file),
                  LOG_S("hint", "every user of this host can read it: chmod o= FILE"));
}

void adapter_key_holders_tell(const struct config *c)
{
    for (size_t i = 0; i < sizeof(c->psk_holders) / sizeof(*c->psk_holders); i++)
        file_exposed_tell(c->psk_holders[i]);
}

static void exposed_secrets_tell(const struct config *c)
{
    adapter_key_holders_tell(c);
    file_exposed_tell(c->callback.key_file);
    file_exposed_tell(c->store.password_file);
    file_exposed_tell(c->store.sentinel_password_file);
    file_exposed_tell(c->store.key_file);
    for (uint32_t i = 0; i < c->server_count; i++) {
        file_exposed_tell(c->servers[i].key_file);
        file_exposed_tell(c->servers[i].psk_file);
    }
    for (uint32_t i = 0; i < c->scef_count; i++) {
        const struct config_scef *s = &c->scefs[i];
        const char *const urls[] = {s->api_root, s->oauth.token_url};
        file_exposed_tell(s->key_file);
        file_exposed_tell(s->oauth.secret_file);
        for (size_t u = 0; s->oauth.token_url && u < sizeof urls / sizeof *urls; u++)
            if (strncmp(urls[u], "http:", 5) == 0)
                log_write(LOG_WARN, "secret_in_clear", LOG_S("url", urls[u]),
                          LOG_S("hint", "secret and tokens can be read on the way: use https://"));
    }
}

/* What was stored, and the devices of the configuration: all of them, or only what all share when the records are known
 * to be of this configuration. */
static enum error restore(struct adapter *a, bool known, struct buf *why)
{
    enum error err = known ? OK : config_devices_load(a->config, why);
    if (err)
        return err;
    if (known)
        config_devices_release(a->config);
    return told(why, known ? adapter_restore_shared(a) : adapter_restore(a), "store", NULL);
}

static enum error adapter_start(struct adapter *a, bool *known, bool *removing, struct buf *why)
{
    const struct config *c = a->config;
    const struct tls_files no_tls = {.ca_file = NULL};
    const struct tls_files callback_tls = {c->callback.client_ca_file, c->callback.certificate_file,
                                           c->callback.key_file};
    exposed_secrets_tell(c);
    enum error err = OK;
    if (a->o.trace_path && trace_open(a->o.trace_path, &a->trace) != OK)
        err = told(why, ERR_SYSTEM, a->o.trace_path, strerror(errno));
    if (!err)
        err = adapter_store_open(a, why);
    if (!err)
        err = told(why, adapter_scefs_open(a), "scef", NULL);
    if (!err)
        err = engine_open(a, why);
    if (!err)
        err = told(why, adapter_import_check(a, known, removing), "store", NULL);
    if (!err)
        err = restore(a, *known, why);
    if (!err)
        err = server_legs_open(a, why);
    if (!err && !*known)
        err = devices_add(a, why);
    if (!err && !*known)
        err = device_legs_open(a, why);
    if (!err)
        adapter_callbacks_prepare(a);
    if (!err)
        err = listen_on(a, "callback", &c->callback_listen, CALLBACK_CONNECTIONS, T8_MAX_BODY_BYTES, &callback_tls,
                        adapter_callback, &a->callback_server, why);
    if (!err)
        err = listen_on(a, "admin", &c->admin_listen, ADMIN_CONNECTIONS, ADMIN_BODY_BYTES, &no_tls, admin_handle,
                        &a->admin_server, why);
    if (!err)
        err = told(why, loop_alarm_init(a->loop, &a->alarm, on_alarm, a), "event loop", NULL);
    if (!err)
        err = told(why, loop_turn_end_start(a->loop, &a->turn_end, turn_end, a), "event loop", NULL);
    return err;
}

enum error adapter_new(struct loop *l, const struct adapter_options *o, struct adapter **out, struct buf *why)
{
    struct adapter *a = calloc(1, sizeof(*a));
    *out = NULL;
    if (!a)
        return told(why, ERR_NO_MEMORY, "start", NULL);
    a->loop = l;
    a->o = *o;
    a->config = a->routes_from = o->config;
    a->started_ms = adapter_now(a);
    slab_init(&a->answers, sizeof(struct held_answer));
    bool known = false;
    bool removing = false;
    enum error err = adapter_start(a, &known, &removing, why);
    if (!err) {
        a->running = true;
        if (known)
            engine_start_loading(a->engine, adapter_now(a), removing);
        else
            engine_start(a->engine, adapter_now(a));
    }
    if (!err && known)
        err = told(why, loading_start(a), "start", NULL);
    if (err) {
        adapter_free(a);
        return err;
    }
    *out = a;
    return OK;
}

uint16_t adapter_callback_port(const struct adapter *a)
{
    return http_server_port(a->callback_server);
}

uint16_t adapter_admin_port(const struct adapter *a)
{
    return http_server_port(a->admin_server);
}

/* ---- stop ---- */

void adapter_stop(struct adapter *a)
{
    if (a->stop_at_ms)
        return;
    a->stop_at_ms = adapter_now(a) + STOP_MAX_MS;
    http_server_drain(a->callback_server);
    adapter_websockets_drain(a);
    engine_drain(a->engine);
}

void adapter_free(struct adapter *a)
{
    if (!a)
        return;
    if (a->legs && a->engine)
        legs_flush(a->legs);
    a->closing = true;
    adapter_scefs_end(a);
    adapter_store_close(a);
    loading_free(a->loading);
    free(a->reload_path);
    adapter_answers_end(a);
    http_server_free(a->callback_server);
    http_server_free(a->admin_server);
    legs_free(a->legs);
    loop_turn_end_stop(&a->turn_end);
    loop_alarm_close(&a->alarm);
    engine_free(a->engine);
    adapter_scefs_free(a);
    trace_close(a->trace);
    metrics_free(&a->metrics);
    slab_free(&a->answers);
    free(a->failed);
    if (a->routes_from != a->config)
        config_free(a->routes_from);
    later_free(a->loop, &a->later, a);
}
