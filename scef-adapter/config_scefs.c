/* What SCEFs, groups and slices need of each other. */
#include "scef-adapter/config_keys.h"

#include <stdlib.h>
#include <string.h>

#include "scef-adapter/slice.h"
#include "t8/dialect.h"

bool config_scef_find(const struct config *c, const char *name, uint32_t *out)
{
    for (uint32_t i = 0; i < c->scef_count; i++) {
        if (c->scefs[i].name && strcmp(c->scefs[i].name, name) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

bool config_server_find(const struct config *c, const char *name, uint32_t *out)
{
    for (uint32_t i = 0; i < c->server_count; i++) {
        if (c->servers[i].name && strcmp(c->servers[i].name, name) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

bool config_group_find(const struct config *c, const char *external_group_id, uint32_t *out)
{
    for (uint32_t i = 0; i < c->group_count; i++) {
        if (strcmp(c->groups[i].external_group_id, external_group_id) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* ---- SCEFs ---- */

static enum error api_name_complete(struct config_scef *s)
{
    const struct t8_dialect *d = t8_dialect_find(s->dialect);
    if (!s->api_name && d)
        s->api_name = strdup(d->apis[T8_API_NIDD].name);
    return s->api_name ? OK : ERR_NO_MEMORY;
}

static bool named(const struct config_check *k, uint32_t i)
{
    uint32_t key = 0;
    while (strcmp(config_keys[key].section, "scef") != 0 || strcmp(config_keys[key].key, "name") != 0)
        key++;
    return config_is_written(k->places, i, key);
}

static void told_apart(const struct config_check *k, uint32_t i)
{
    const struct config_scef *s = &k->c->scefs[i];
    if (k->c->scef_count > 1 && !named(k, i))
        config_check_fault(k, "scef", i, "name", "a name for each of several SCEFs", "is missing");
    for (uint32_t j = 0; j < i; j++) {
        const struct config_scef *other = &k->c->scefs[j];
        if (strcmp(other->name, s->name) == 0 && named(k, i) && named(k, j))
            config_check_fault(k, "scef", i, "name", "each name once", "'%s' is there already (scef[%u])", s->name, j);
        if (strcmp(other->api_root, s->api_root) == 0 && strcmp(other->scs_as_id, s->scs_as_id) == 0)
            config_check_fault(k, "scef", i, "api_root", "each SCEF once: another api_root or scs_as_id",
                               "'%.100s' is there already (scef[%u])", s->api_root, j);
    }
}

enum error config_scefs_check(const struct config_check *k)
{
    for (uint32_t i = 0; i < k->c->scef_count; i++) {
        struct config_scef *s = &k->c->scefs[i];
        if (s->breaker_pause_max_ms < s->breaker_pause_min_ms)
            config_check_fault(k, "scef", i, "breaker_pause_max_ms", "at least breaker_pause_min_ms",
                               "%u is less than %u", s->breaker_pause_max_ms, s->breaker_pause_min_ms);
        if (s->allowed_hosts) {
            s->allowed_host_list = config_words_split(s->allowed_hosts, &s->allowed_host_count);
            if (!s->allowed_host_list)
                return ERR_NO_MEMORY;
        }
        if (api_name_complete(s) != OK)
            return ERR_NO_MEMORY;
        told_apart(k, i);
        if (s->notifications == CONFIG_NOTIFICATIONS_WEBSOCKET && k->c->slices.count > 1 && k->c->group_count > 0)
            config_check_fault(k, "scef", i, "notifications", "callback, where several processes serve groups",
                               "a WebSocket cannot send on what another slice is to get");
        /* It is decided by what is stored as a whole. */
        if (s->delete_removed != k->c->scefs[0].delete_removed)
            config_check_fault(k, "scef", i, "delete_removed", "the same for all SCEFs",
                               "differs from that of scef[0]");
    }
    return OK;
}

/* ---- groups ---- */

void config_groups_check(const struct config_check *k)
{
    struct config *c = k->c;
    for (uint32_t i = 0; i < c->group_count; i++) {
        struct config_group *g = &c->groups[i];
        uint32_t first;
        g->server = ENGINE_NONE;
        if (g->scef_name && !config_scef_find(c, g->scef_name, &g->scef))
            config_check_fault(k, "groups", i, "scef", "the name of a SCEF in scef", "'%s' is no SCEF's name",
                               g->scef_name);
        if (g->server_name && !config_server_find(c, g->server_name, &g->server))
            config_check_fault(k, "groups", i, "server", "the name of a server in servers", "'%s' is no server's name",
                               g->server_name);
        if (config_group_find(c, g->external_group_id, &first) && first < i)
            config_check_fault(k, "groups", i, "external_group_id", "each group once",
                               "'%.60s' is there already (groups[%u])", g->external_group_id, first);
        g->foreign = slice_of(bytes_of_str(g->external_group_id), c->slices.count) != c->slices.index;
    }
}

/* ---- slices ---- */

enum error config_slices_check(const struct config_check *k)
{
    struct config *c = k->c;
    const uint32_t count = c->slices.count;
    size_t urls = 0;
    if (c->slices.index >= count) {
        config_check_fault(k, "slices", 0, "index", "a number below slices.count", "there is no slice %u of %u",
                           c->slices.index, count);
        return OK;
    }
    if (!c->slices.urls) {
        if (count > 1)
            config_check_fault(k, "slices", 0, "urls", "callback.url of every process", "is missing");
        return OK;
    }
    char **all = config_words_split(c->slices.urls, &urls);
    if (!all)
        return ERR_NO_MEMORY;
    c->slice_urls = all;
    for (size_t i = 0; i < urls; i++) {
        config_url_trim(all[i]);
        for (size_t j = 0; j < i; j++)
            if (strcmp(all[i], all[j]) == 0)
                config_check_fault(k, "slices", 0, "urls", "each URL once", "'%.100s' is there twice", all[i]);
    }
    if (urls == count)
        return OK;
    config_check_fault(k, "slices", 0, "urls", "one URL for each slice", "holds %zu URLs for %u slices", urls, count);
    free(all);
    c->slice_urls = NULL;
    return OK;
}
