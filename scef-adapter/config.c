#include "scef-adapter/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scef-adapter/config_keys.h"

/* ---- libcyaml ---- */

/* Keeps the first thing it complains about. After config_walk there is nothing left to complain about but memory. */
static void keep_first(cyaml_log_t level, void *ctx, const char *fmt, va_list args)
{
    char *text = ctx;
    (void)level;
    if (!text[0]) {
        vsnprintf(text, 160, fmt, args);
        text[strcspn(text, "\r\n")] = '\0';
    }
}

static void *memory(void *ctx, void *ptr, size_t size)
{
    (void)ctx;
    if (size)
        return realloc(ptr, size);
    free(ptr);
    return NULL;
}

static const cyaml_config_t cyaml_quiet = {.mem_fn = memory, .log_level = CYAML_LOG_ERROR, .flags = CYAML_CFG_NO_ALIAS};

static enum error values_load(struct bytes text, struct config **out, struct config_report *r)
{
    char first[160] = "";
    cyaml_config_t cyaml = cyaml_quiet;
    cyaml.log_fn = keep_first;
    cyaml.log_ctx = first;
    cyaml_data_t *data = NULL;
    cyaml_err_t rc = cyaml_load_data(text.data, text.len, &cyaml, config_schema(), &data, NULL);
    *out = data;
    if (rc == CYAML_ERR_OOM)
        return ERR_NO_MEMORY;
    if (rc != CYAML_OK || !data)
        config_fault(r, 1, "yaml", "what --help-config shows", "%s", first[0] ? first : cyaml_strerror(rc));
    return OK;
}

static enum error defaults_fill(struct config *c, const struct config_places *places)
{
    struct config engine = {.server_count = 0}; /* what no key can set stays the engine's own */
    engine_options_default(&engine.engine);
    for (uint32_t i = 0; i < config_key_count; i++) {
        const struct config_key *k = &config_keys[i];
        const bool written = config_is_written(places, i);
        if (strcmp(k->section, "relay") == 0) {
            if (!written)
                continue;
            config_number_scale(k, c);
            config_number_copy(k, c, &engine);
        } else if (!written) {
            enum error err = config_default(k, c);
            if (err)
                return err;
        }
    }
    c->engine = engine.engine;
    return OK;
}

/* ---- what no key can be asked alone ---- */

void config_check_fault(const struct config_check *k, const char *section, size_t entry, const char *key,
                        const char *expected, const char *wrong, ...)
{
    char text[200], path[160];
    va_list args;
    va_start(args, wrong);
    vsnprintf(text, sizeof(text), wrong, args);
    va_end(args);
    const struct config_section *s = config_sections;
    while (strcmp(s->name, section) != 0)
        s++;
    config_key_path(s, entry, key, path);
    config_fault(k->r, config_line_of(k->places, section, entry, key), path, expected, "%s", text);
}

/* What the SCEF is told ends with the path token; what is shown does not. */
static enum error callback_url_complete(struct config *c)
{
    char *told = NULL;
    c->callback_shown_url = strdup(c->callback.url);
    if (!c->callback_shown_url)
        return ERR_NO_MEMORY;
    if (!c->callback.path_token)
        return OK;
    size_t len = strlen(c->callback.url);
    while (len && c->callback.url[len - 1] == '/')
        len--;
    if (asprintf(&told, "%.*s/%s", (int)len, c->callback.url, c->callback.path_token) < 0)
        return ERR_NO_MEMORY;
    free(c->callback.url);
    c->callback.url = told;
    return OK;
}

static enum error check_listeners(const struct config_check *k)
{
    struct config *c = k->c;
    (void)config_endpoint_parse(c->callback.listen, &c->callback_listen);
    (void)config_endpoint_parse(c->admin.listen, &c->admin_listen);
    if (c->callback_listen.port && strcmp(c->callback.listen, c->admin.listen) == 0)
        config_check_fault(k, "admin", 0, "listen", "another port than callback.listen", "'%s' is callback.listen too",
                           c->admin.listen);
    if (c->callback.url)
        return callback_url_complete(c);
    const char *host = c->callback_listen.host;
    if (c->callback_listen.port == 0 || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0)
        config_check_fault(k, "callback", 0, "url", "the URL by which the SCEF reaches us",
                           "is missing, and cannot follow from listen %s", c->callback.listen);
    const char *scheme = c->callback.certificate_file ? "https" : "http";
    if (asprintf(&c->callback.url, "%s://%s/t8/nidd", scheme, c->callback.listen) < 0) {
        c->callback.url = NULL;
        return ERR_NO_MEMORY;
    }
    return callback_url_complete(c);
}

static enum error check_servers(const struct config_check *k)
{
    struct config *c = k->c;
    c->server_endpoints = calloc(c->server_count ? c->server_count : 1, sizeof(*c->server_endpoints));
    if (!c->server_endpoints)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < c->server_count; i++) {
        struct config_endpoint *e = &c->server_endpoints[i];
        (void)config_server_uri_parse(c->servers[i].uri, e);
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(c->servers[j].name, c->servers[i].name) == 0)
                config_check_fault(k, "servers", i, "name", "each name once", "'%s' is there already (servers[%u])",
                                   c->servers[i].name, j);
            if (strcmp(c->server_endpoints[j].host, e->host) == 0 && c->server_endpoints[j].port == e->port)
                config_check_fault(k, "servers", i, "uri", "each server once: they are told apart by their addresses",
                                   "'%s' is there already (servers[%u])", c->servers[i].uri, j);
        }
    }
    return OK;
}

/* How many devices the server legs have addresses for. */
static uint64_t leg_room(const struct config *c)
{
    if (c->server_leg.mode == CONFIG_LEG_PORTS)
        return (uint64_t)c->port_last - c->port_first + 1;
    unsigned host_bits = (c->prefix.ipv6 ? 128 : 32) - c->prefix.length;
    return host_bits > 30 ? UINT64_C(1) << 30 : (UINT64_C(1) << host_bits) - 2;
}

static void check_legs(const struct config_check *k)
{
    struct config *c = k->c;
    (void)config_prefix_parse(c->server_leg.prefix, &c->prefix);
    (void)config_port_range_parse(c->server_leg.port_range, &c->port_first, &c->port_last);
    if (c->device_count <= leg_room(c))
        return;
    config_check_fault(k, "server_leg", 0, c->server_leg.mode == CONFIG_LEG_PORTS ? "port_range" : "prefix",
                       "at least as many addresses as devices", "has room for %llu devices, there are %zu",
                       (unsigned long long)leg_room(c), c->device_count);
}

static void check_relay(const struct config_check *k)
{
    const struct engine_options *o = &k->c->engine;
    if (o->retry_max_ms < o->retry_min_ms)
        config_check_fault(k, "relay", 0, "retry_max_s", "at least retry_min_s",
                           "%llu s is less than retry_min_s, %llu s", (unsigned long long)(o->retry_max_ms / 1000),
                           (unsigned long long)(o->retry_min_ms / 1000));
}

static enum error check_scef(const struct config_check *k)
{
    struct config *c = k->c;
    if (c->scef.breaker_pause_max_ms < c->scef.breaker_pause_min_ms)
        config_check_fault(k, "scef", 0, "breaker_pause_max_ms", "at least breaker_pause_min_ms", "%u is less than %u",
                           c->scef.breaker_pause_max_ms, c->scef.breaker_pause_min_ms);
    if (!c->scef.allowed_hosts)
        return OK;
    c->scef_allowed_hosts = config_hosts_split(c->scef.allowed_hosts, &c->scef_allowed_host_count);
    return c->scef_allowed_hosts ? OK : ERR_NO_MEMORY;
}

static enum error check_all(const struct config_check *k)
{
    enum error err = check_listeners(k);
    if (!err)
        err = check_scef(k);
    if (!err)
        err = check_servers(k);
    if (!err)
        err = config_security_check(k);
    if (!err)
        err = config_devices_collect(k->c, k->places, k->file, k->alone, k->r);
    if (!err) {
        check_legs(k);
        check_relay(k);
    }
    return err;
}

enum error config_parse(struct bytes text, const char *name, bool alone, struct config **out, struct buf *faults)
{
    struct config_places places = {0};
    struct config_report r = {.out = faults, .file = name};
    struct config *c = NULL;
    enum error err = config_walk(text, &places, &r);
    if (!err && !r.count)
        err = values_load(text, &c, &r);
    if (!err && !r.count && c)
        err = defaults_fill(c, &places);
    if (!err && !r.count && c)
        err = check_all(&(struct config_check){c, &places, name, alone, &r});
    if (!err && r.count) {
        if (r.count > CONFIG_MAX_FAULTS)
            buf_addf(faults, "%s:1: yaml: %u more faults; expected what --help-config shows\n", name,
                     r.count - CONFIG_MAX_FAULTS);
        err = ERR_CONFIG;
    }
    free(places.items);
    if (err) {
        config_free(c);
        c = NULL;
    }
    *out = c;
    return err;
}

enum error config_load(const char *path, struct config **out, struct buf *faults)
{
    struct config_report r = {.out = faults, .file = path};
    static const char expected[] = "a readable YAML file of at most 4 MiB";
    *out = NULL;
    FILE *f = fopen(path, "re");
    if (!f) {
        config_fault(&r, 1, "--config", expected, "%s", strerror(errno));
        return ERR_CONFIG;
    }
    struct buf text = {0};
    while (!feof(f) && !ferror(f) && text.len <= CONFIG_MAX_BYTES) {
        uint8_t *at = buf_reserve(&text, 65536);
        if (!at)
            break;
        text.len += fread(at, 1, 65536, f);
    }
    enum error err = text.failed ? ERR_NO_MEMORY : OK;
    if (ferror(f)) {
        config_fault(&r, 1, "--config", expected, "%s", strerror(errno));
        err = ERR_CONFIG;
    } else if (text.len > CONFIG_MAX_BYTES) {
        config_fault(&r, 1, "--config", expected, "is larger; put the devices into devices_file");
        err = ERR_CONFIG;
    }
    fclose(f);
    if (!err)
        err = config_parse(buf_bytes(&text), path, false, out, faults);
    buf_free(&text);
    return err;
}

void config_free(struct config *c)
{
    if (!c)
        return;
    config_devices_release(c);
    free(c->scef_allowed_hosts);
    free(c->server_endpoints);
    free(c->callback_shown_url);
    (void)cyaml_free(&cyaml_quiet, config_schema(), c, 0);
}
