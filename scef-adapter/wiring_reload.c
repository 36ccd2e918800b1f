/* SIGHUP: the configuration file is read again. Routes, policies for downlinks, servers, endpoint names and pre-shared
 * keys of devices, the check of endpoint names and the log's level take effect without anything being dropped; what is
 * under way keeps its server. Everything else counts from the next start, and is named. With a mistake in it the file
 * changes nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scef-adapter/wiring_internal.h"

struct reload {
    struct adapter *a;
    const struct config *fresh;
    uint64_t listed;   /* devices that are in the new configuration and at work here */
    uint64_t added;    /* devices that are not known here yet */
    uint64_t moved;    /* at another SCEF or in another group now, or learned and now listed */
    uint64_t stranded; /* their new server is not known here yet */
};

static void faults_tell(struct bytes faults)
{
    while (faults.len) {
        const uint8_t *end = memchr(faults.data, '\n', faults.len);
        size_t len = end ? (size_t)(end - faults.data) : faults.len;
        log_write(LOG_ERROR, "configuration_fault", LOG_B("reason", bytes_of(faults.data, len)));
        faults = bytes_from(faults, len + (end ? 1 : 0));
    }
}

static void key_needs_restart(void *ctx, const char *key)
{
    (void)ctx;
    log_write(LOG_WARN, "needs_restart", LOG_S("key", key));
}

/* The running number of a server that the new configuration numbers otherwise. False: it is not here yet. */
static bool server_here(const struct reload *r, uint32_t fresh, uint32_t *out)
{
    *out = ENGINE_NONE;
    return fresh == ENGINE_NONE || config_server_find(r->a->config, r->fresh->servers[fresh].name, out);
}

/* ---- routes */

/* All of them or none: a part of them might send a device's messages to a third server. */
static bool routes_take(const struct reload *r)
{
    const uint32_t count = r->fresh->route_count;
    struct engine_route *routes = calloc(count ? count : 1, sizeof(*routes));
    enum error err = routes ? OK : ERR_NO_MEMORY;
    for (uint32_t i = 0; i < count && !err; i++) {
        routes[i] = r->fresh->engine_routes[i];
        if (!server_here(r, routes[i].server, &routes[i].server)) {
            log_write(LOG_WARN, "needs_restart", LOG_S("key", "routes"), LOG_S("server", r->fresh->routes[i].server),
                      LOG_S("reason", "this server is new"));
            err = ERR_NOT_FOUND;
        }
    }
    if (!err)
        err = engine_routes_replace(r->a->engine, routes, count);
    if (err && err != ERR_NOT_FOUND)
        log_write(LOG_ERROR, "reload_incomplete", LOG_S("key", "routes"), LOG_S("reason", error_text(err)));
    free(routes);
    return !err;
}

/* The same for the policies. What is queued keeps what it was accepted with. */
static void downlinks_take(const struct reload *r)
{
    const uint32_t count = r->fresh->downlink_count;
    struct engine_downlink *entries = calloc(count ? count : 1, sizeof(*entries));
    enum error err = entries ? OK : ERR_NO_MEMORY;
    for (uint32_t i = 0; i < count && !err; i++) {
        entries[i] = r->fresh->engine_downlinks[i];
        if (!server_here(r, entries[i].server, &entries[i].server)) {
            log_write(LOG_WARN, "needs_restart", LOG_S("key", "downlinks"),
                      LOG_S("server", r->fresh->downlinks[i].server), LOG_S("reason", "this server is new"));
            err = ERR_NOT_FOUND;
        }
    }
    if (!err)
        err = engine_downlinks_replace(r->a->engine, &r->fresh->engine.downlink, entries, count);
    if (err && err != ERR_NOT_FOUND)
        log_write(LOG_ERROR, "reload_incomplete", LOG_S("key", "downlinks"), LOG_S("reason", error_text(err)));
    free(entries);
}

static void groups_take(const struct reload *r)
{
    struct engine_group_info g;
    for (uint32_t i = 0; engine_group_info_get(r->a->engine, i, &g); i++) {
        for (uint32_t n = 0; n < r->fresh->group_count; n++) {
            uint32_t server;
            const struct config_group *f = &r->fresh->groups[n];
            if (!bytes_equal(bytes_of_str(f->external_group_id), g.external_group_id))
                continue;
            if (!server_here(r, f->server, &server) || engine_group_reroute(r->a->engine, i, server) != OK)
                log_write(LOG_WARN, "needs_restart", LOG_S("key", "groups"), LOG_B("group", g.external_group_id),
                          LOG_S("server", f->server_name), LOG_S("reason", "this server is new"));
        }
    }
}

/* ---- devices */

/* At the same SCEF, in the same group? These are named by order, which may have changed. */
static bool belongs_as_before(const struct reload *r, const struct engine_device_info *now,
                              const struct config_device *d)
{
    struct engine_group_info g;
    const bool grouped = now->group != ENGINE_NONE && engine_group_info_get(r->a->engine, now->group, &g);
    if (now->learned || grouped != (d->group != CONFIG_NO_GROUP))
        return false;
    if (grouped && !bytes_equal(g.external_group_id, bytes_of_str(r->fresh->groups[d->group].external_group_id)))
        return false;
    return strcmp(r->a->config->scefs[now->scef].name, r->fresh->scefs[d->scef].name) == 0;
}

static enum error device_take(struct reload *r, const struct config_device *d)
{
    struct engine_device_info now;
    struct engine_device_options o = {
        .id = {.external_id = bytes_of_str(d->external_id), .msisdn = bytes_of_str(d->msisdn)},
        .endpoint = bytes_of_str(d->endpoint)};
    if (!engine_device_find(r->a->engine, o.id.external_id.len ? o.id.external_id : o.id.msisdn, &now)) {
        r->added++;
        return OK;
    }
    r->listed += !now.learned;
    if (!belongs_as_before(r, &now, d)) {
        r->moved++;
        return OK;
    }
    if (!server_here(r, d->server, &o.server)) {
        r->stranded++;
        return OK;
    }
    enum error err = engine_device_change(r->a->engine, &o);
    return err ? err : legs_psk_set(r->a->legs, now.leg, d->psk_identity, d->psk_key);
}

static uint64_t devices_listed_before(const struct adapter *a)
{
    uint64_t n = 0;
    uint32_t cursor = 0;
    for (struct engine_device_info d; engine_device_next(a->engine, &cursor, &d);)
        n += !d.learned;
    return n;
}

static void devices_take(struct reload *r)
{
    enum error err = OK;
    for (size_t i = 0; i < r->fresh->device_count && !err; i++)
        err = device_take(r, &r->fresh->devices[i]);
    if (err) {
        log_write(LOG_ERROR, "reload_incomplete", LOG_S("key", "devices"), LOG_S("reason", error_text(err)));
        return;
    }
    const uint64_t before = devices_listed_before(r->a), removed = before > r->listed ? before - r->listed : 0;
    if (!r->added && !removed && !r->moved && !r->stranded)
        adapter_import_begin(r->a, r->fresh);
    else
        log_write(LOG_WARN, "needs_restart", LOG_S("key", "devices"), LOG_I("added", r->added),
                  LOG_I("removed", removed), LOG_I("moved", r->moved), LOG_I("of_new_servers", r->stranded));
}

static uint64_t devices_here(const struct adapter *a)
{
    struct engine_totals t;
    engine_totals_get(a->engine, &t);
    return t.devices;
}

static enum error devices_load(struct config **fresh, struct buf *faults)
{
    enum error err = config_devices_load(*fresh, faults);
    if (err) {
        config_free(*fresh);
        *fresh = NULL;
    }
    return err;
}

void adapter_reload(struct adapter *a, const char *config_path)
{
    struct config *fresh;
    struct buf faults = {0};
    if (a->stop_at_ms)
        return;
    if (a->loading) { /* the devices are compared with those that are here */
        if (!a->reload_path)
            a->reload_path = strdup(config_path);
        log_write(LOG_INFO, "reload_waits", LOG_S("reason", "not all devices are loaded yet"));
        loading_hurry(a->loading);
        return;
    }
    enum error err = config_load_shared(config_path, &fresh, &faults);
    const bool same_devices = !err && adapter_import_covers(a, fresh);
    if (!err && !same_devices)
        err = devices_load(&fresh, &faults);
    metric_add(&a->metrics, METRIC_RELOADS, err ? "refused" : "taken", 1);
    if (err) {
        faults_tell(buf_bytes(&faults));
        log_write(LOG_ERROR, "reload_refused", LOG_S("file", config_path), LOG_S("reason", error_text(err)));
        buf_free(&faults);
        return;
    }
    buf_free(&faults);
    struct reload r = {.a = a, .fresh = fresh};
    log_set_level(fresh->log_level);
    adapter_key_holders_tell(fresh);
    engine_identity_set(a->engine, fresh->engine.identity_policy, fresh->engine.fill_endpoint);
    const bool routed = routes_take(&r);
    downlinks_take(&r);
    groups_take(&r);
    if (same_devices) {
        r.listed = devices_here(a);
    } else {
        adapter_import_forget(a); /* the records may say less or more than the file from now on */
        devices_take(&r);
    }
    config_compare(a->config, fresh, NULL, key_needs_restart);
    log_write(LOG_INFO, "reloaded", LOG_S("file", config_path), LOG_I("routes", fresh->route_count),
              LOG_I("devices", r.listed));
    config_devices_release(fresh);
    if (routed) {
        if (a->routes_from != a->config)
            config_free(a->routes_from);
        a->routes_from = fresh;
    } else {
        config_free(fresh);
    }
}
