#include "scef-adapter/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scef-adapter/config_keys.h"
#include "t8/secret_file.h"

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

static enum error values_load(struct bytes text, bool mapping, struct config **out, struct config_report *r)
{
    char first[160] = "";
    cyaml_config_t cyaml = cyaml_quiet;
    cyaml.log_fn = keep_first;
    cyaml.log_ctx = first;
    cyaml_data_t *data = NULL;
    cyaml_err_t rc = cyaml_load_data(text.data, text.len, &cyaml, config_schema(mapping), &data, NULL);
    *out = data;
    if (*out && mapping)
        (*out)->scef_count = (*out)->scefs ? 1 : 0;
    if (rc == CYAML_ERR_OOM)
        return ERR_NO_MEMORY;
    if (rc != CYAML_OK || !data)
        config_fault(r, 1, "yaml", "what --help-config shows", "%s", first[0] ? first : cyaml_strerror(rc));
    return OK;
}

static const struct config_section *section_of(const struct config_key *k)
{
    const struct config_section *s = config_sections;
    size_t n = strcspn(k->section, ".");
    while (strlen(s->name) != n || strncmp(s->name, k->section, n) != 0)
        s++;
    return s;
}

/* What no entry of the list has written. */
static enum error list_default(struct config *c, const struct config_section *s, uint32_t key,
                               const struct config_places *places)
{
    char *list;
    uint32_t count;
    memcpy(&list, (char *)c + s->list_offset, sizeof(list));
    memcpy(&count, (char *)c + s->count_offset, sizeof(count));
    enum error err = OK;
    for (uint32_t i = 0; i < count && config_keys[key].fallback && !err; i++)
        if (!config_is_written(places, i, key))
            err = config_default(&config_keys[key], list + (size_t)i * s->entry_size);
    return err;
}

static enum error defaults_fill(struct config *c, const struct config_places *places)
{
    struct config engine = {.server_count = 0}; /* what no key can set stays the engine's own */
    engine_options_default(&engine.engine);
    enum error err = OK;
    for (uint32_t i = 0; i < config_key_count && !err; i++) {
        const struct config_key *k = &config_keys[i];
        const struct config_section *s = section_of(k);
        if (s->list) {
            err = list_default(c, s, i, places);
        } else if (strcmp(k->section, "relay") == 0) {
            if (!config_is_written(places, 0, i))
                continue;
            config_number_scale(k, c);
            config_number_copy(k, c, &engine);
        } else if (!config_is_written(places, 0, i)) {
            err = config_default(k, c);
        }
    }
    c->engine = engine.engine;
    return err;
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
    config_key_path(s, k->places->mapping, entry, key, path);
    config_fault(k->r, config_line_of(k->places, section, entry, key), path, expected, "%s", text);
}

void config_url_trim(char *url)
{
    for (size_t len = strlen(url); len && url[len - 1] == '/'; len--)
        url[len - 1] = '\0';
}

static enum error check_listeners(const struct config_check *k)
{
    struct config *c = k->c;
    (void)config_endpoint_parse(c->callback.listen, &c->callback_listen);
    (void)config_endpoint_parse(c->admin.listen, &c->admin_listen);
    if (c->callback_listen.port && strcmp(c->callback.listen, c->admin.listen) == 0)
        config_check_fault(k, "admin", 0, "listen", "another port than callback.listen", "'%s' is callback.listen too",
                           c->admin.listen);
    if (!c->callback.url && c->slice_urls) {
        c->callback.url = strdup(c->slice_urls[c->slices.index]);
        return c->callback.url ? OK : ERR_NO_MEMORY;
    }
    if (!c->callback.url) {
        const char *host = c->callback_listen.host;
        if (c->callback_listen.port == 0 || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0)
            config_check_fault(k, "callback", 0, "url", "the URL by which the SCEF reaches us",
                               "is missing, and cannot follow from listen %s", c->callback.listen);
        const char *scheme = c->callback.certificate_file ? "https" : "http";
        if (asprintf(&c->callback.url, "%s://%s/t8", scheme, c->callback.listen) < 0) {
            c->callback.url = NULL;
            return ERR_NO_MEMORY;
        }
    }
    config_url_trim(c->callback.url);
    if (c->slice_urls && strcmp(c->callback.url, c->slice_urls[c->slices.index]) != 0)
        config_check_fault(k, "callback", 0, "url", "what slices.urls says of this slice, or none here",
                           "is not '%.100s'", c->slice_urls[c->slices.index]);
    return OK;
}

static enum error check_servers(const struct config_check *k)
{
    struct config *c = k->c;
    c->server_endpoints = calloc(c->server_count ? c->server_count : 1, sizeof(*c->server_endpoints));
    if (!c->server_endpoints)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < c->server_count; i++) {
        struct config_endpoint *e = &c->server_endpoints[i];
        (void)config_server_uri_parse(c->servers[i].uri, &c->servers[i].scheme, e);
        for (uint32_t j = 0; j < i; j++) {
            if (strcmp(c->servers[j].name, c->servers[i].name) == 0)
                config_check_fault(k, "servers", i, "name", "each name once", "'%s' is there already (servers[%u])",
                                   c->servers[i].name, j);
            if (strcmp(c->server_endpoints[j].host, e->host) == 0 && c->server_endpoints[j].port == e->port &&
                config_scheme_stream(c->servers[j].scheme) == config_scheme_stream(c->servers[i].scheme))
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
    uint64_t learned = 0;
    for (uint32_t i = 0; i < c->group_count; i++)
        learned += c->groups[i].learn ? c->groups[i].learn_max : 0;
    if (c->device_count + learned <= leg_room(c))
        return;
    config_check_fault(k, "server_leg", 0, c->server_leg.mode == CONFIG_LEG_PORTS ? "port_range" : "prefix",
                       "at least as many addresses as devices", "has room for %llu devices, there are %zu%s",
                       (unsigned long long)leg_room(c), c->device_count, learned ? " and those to be learned" : "");
}

static void check_relay(const struct config_check *k)
{
    const struct engine_options *o = &k->c->engine;
    if (o->retry_max_ms < o->retry_min_ms)
        config_check_fault(k, "relay", 0, "retry_max_s", "at least retry_min_s",
                           "%llu s is less than retry_min_s, %llu s", (unsigned long long)(o->retry_max_ms / 1000),
                           (unsigned long long)(o->retry_min_ms / 1000));
}

/* Each part may refer to those before it. */
static enum error check_all(const struct config_check *k)
{
    enum error err = config_slices_check(k);
    if (!err)
        err = check_listeners(k);
    if (!err)
        err = config_store_check(k);
    if (!err)
        err = config_scefs_check(k);
    if (!err)
        err = check_servers(k);
    if (!err)
        err = config_routes_check(k);
    if (!err)
        err = config_downlinks_check(k);
    if (!err)
        err = config_security_check(k);
    if (!err)
        config_groups_check(k);
    if (!err && k->c->devices_file && !k->alone) {
        k->c->devices_path = config_path_resolve(k->file, k->c->devices_file);
        err = k->c->devices_path ? OK : ERR_NO_MEMORY;
    }
    if (!err && !k->later)
        err = config_devices_collect(k->c, k->places, k->file, k->r);
    if (!err) {
        config_server_keys_check(k);
        check_legs(k);
        check_relay(k);
    }
    return err;
}

static enum error faults_end(const struct config_report *r)
{
    if (r->count > CONFIG_MAX_FAULTS)
        buf_addf(r->out, "%s:1: yaml: %u more faults; expected what --help-config shows\n", r->file,
                 r->count - CONFIG_MAX_FAULTS);
    return r->count ? ERR_CONFIG : OK;
}

/* Takes the places. */
static enum error devices_later(struct config *c, const char *file, struct config_places *places)
{
    c->devices_later = calloc(1, sizeof(*c->devices_later));
    char *copy = strdup(file);
    if (!c->devices_later || !copy) {
        free(copy);
        return ERR_NO_MEMORY;
    }
    *c->devices_later = (struct config_later){copy, *places};
    *places = (struct config_places){0};
    return OK;
}

static void later_clear(struct config *c)
{
    if (!c->devices_later)
        return;
    free(c->devices_later->file);
    free(c->devices_later->places.items);
    free(c->devices_later);
    c->devices_later = NULL;
}

enum error config_devices_load(struct config *c, struct buf *faults)
{
    const struct config_later *l = c->devices_later;
    if (!l)
        return OK;
    struct config_report r = {.out = faults, .file = l->file};
    enum error err = config_devices_collect(c, &l->places, l->file, &r);
    if (!err)
        check_legs(&(struct config_check){.c = c, .places = &l->places, .file = l->file, .r = &r});
    if (!err)
        err = faults_end(&r);
    later_clear(c);
    return err;
}

static enum error parse(struct bytes text, const char *name, bool alone, bool later, struct config **out,
                        struct buf *faults)
{
    struct config_places places = {0};
    struct config_report r = {.out = faults, .file = name};
    struct config *c = NULL;
    enum error err = config_walk(text, &places, &r);
    if (!err && !r.count)
        err = values_load(text, places.mapping, &c, &r);
    if (!err && !r.count && c)
        err = defaults_fill(c, &places);
    if (!err && !r.count && c)
        err = check_all(&(struct config_check){c, &places, name, alone, later, &r});
    if (!err)
        err = faults_end(&r);
    if (!err && later)
        err = devices_later(c, name, &places);
    free(places.items);
    if (err) {
        config_free(c);
        c = NULL;
    }
    *out = c;
    return err;
}

enum error config_parse(struct bytes text, const char *name, bool alone, struct config **out, struct buf *faults)
{
    return parse(text, name, alone, false, out, faults);
}

static enum error load(const char *path, bool later, struct config **out, struct buf *faults)
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
        err = parse(buf_bytes(&text), path, false, later, out, faults);
    secret_free(&text);
    return err;
}

enum error config_load(const char *path, struct config **out, struct buf *faults)
{
    return load(path, false, out, faults);
}

enum error config_load_shared(const char *path, struct config **out, struct buf *faults)
{
    return load(path, true, out, faults);
}

void config_free(struct config *c)
{
    if (!c)
        return;
    config_devices_release(c);
    later_clear(c);
    free(c->devices_path);
    for (uint32_t i = 0; i < c->scef_count; i++)
        free(c->scefs[i].allowed_host_list);
    free(c->psk_holders[0]);
    free(c->psk_holders[1]);
    free(c->slice_urls);
    free(c->server_endpoints);
    free(c->engine_routes);
    free(c->engine_downlinks);
    (void)cyaml_free(&cyaml_quiet, config_schema(false), c, 0);
}
