/* Routes and policies for downlinks: whom they are about, and whether they stand in each other's way. */
#include "scef-adapter/config_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nidd/policy.h"

#define FINDINGS_MAX CONFIG_MAX_FAULTS

/* Was this key of an entry written? Only so is 0 told from nothing. */
static bool written(const struct config_check *k, const char *section, uint32_t entry, const char *key)
{
    uint32_t i = 0;
    while (strcmp(config_keys[i].section, section) != 0 || strcmp(config_keys[i].key, key) != 0)
        i++;
    return config_is_written(k->places, entry, i);
}

static void server_find(const struct config_check *k, const char *section, uint32_t entry, const char *name,
                        uint32_t *out)
{
    if (!config_server_find(k->c, name, out))
        config_check_fault(k, section, entry, "server", "the name of a server in servers", "'%s' is no server's name",
                           name);
}

static void one_of(const struct config_check *k, const char *section, uint32_t entry, const char *domain,
                   const char *external_id)
{
    if (domain && external_id)
        config_check_fault(k, section, entry, "external_id", "domain or external_id", "stands beside domain '%.60s'",
                           domain);
}

static void route_make(const struct config_check *k, uint32_t i)
{
    const struct config_route *r = &k->c->routes[i];
    struct engine_route *out = &k->c->engine_routes[i];
    *out = (struct engine_route){.has_rds_ue_port = written(k, "routes", i, "rds_ue_port"),
                                 .has_rds_scef_port = written(k, "routes", i, "rds_scef_port"),
                                 .rds_ue_port = r->rds_ue_port,
                                 .rds_scef_port = r->rds_scef_port,
                                 .uri_host = bytes_of_str(r->uri_host),
                                 .uri_port = r->uri_port,
                                 .bootstrap = r->bootstrap,
                                 .dtls = r->dtls,
                                 .domain = bytes_of_str(r->domain),
                                 .external_id = bytes_of_str(r->external_id)};
    server_find(k, "routes", i, r->server, &out->server);
    one_of(k, "routes", i, r->domain, r->external_id);
}

/* `word`: what an entry of the section is called. */
static void finding_tell(const struct config_check *k, const char *section, const char *word,
                         const struct route_finding *f)
{
    char expected[60];
    const uint32_t first = (uint32_t)f->first, second = (uint32_t)f->second;
    const size_t line = config_line_of(k->places, section, first, NULL);
    switch (f->flaw) {
    case ROUTE_NEVER_MATCHES:
        config_check_fault(k, section, second, NULL, "what one message can have", "nothing can match all of it");
        break;
    case ROUTE_UNREACHABLE:
        snprintf(expected, sizeof(expected), "another match, or no such %s", word);
        config_check_fault(k, section, second, NULL, expected,
                           "is never reached: all that it matches goes by %s[%u] (%.100s:%zu)", section, first, k->file,
                           line);
        break;
    case ROUTE_AMBIGUOUS:
        snprintf(expected, sizeof(expected), "one of the two to be narrower, or the same %s",
                 strcmp(word, "route") == 0 ? "server" : word);
        config_check_fault(k, section, second, NULL, expected,
                           "matches what %s[%u] (%.100s:%zu) matches too, and neither is narrower", section, first,
                           k->file, line);
        break;
    }
}

static void findings_tell(const struct config_check *k, const char *section, const char *word,
                          const struct route_finding *findings, size_t count)
{
    for (size_t i = 0; i < count && i < FINDINGS_MAX; i++)
        finding_tell(k, section, word, &findings[i]);
}

enum error config_routes_check(const struct config_check *k)
{
    struct config *c = k->c;
    const unsigned before = k->r->count;
    c->engine_routes = calloc(c->route_count ? c->route_count : 1, sizeof(*c->engine_routes));
    if (!c->engine_routes)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < c->route_count; i++)
        route_make(k, i);
    if (k->r->count != before)
        return OK;
    struct route_table *table;
    struct route_finding findings[FINDINGS_MAX];
    enum error err = route_table_new(c->engine_routes, c->route_count, &table);
    if (err)
        return err;
    size_t found = route_table_check(table, findings, FINDINGS_MAX);
    findings_tell(k, "routes", "route", findings, found);
    route_table_free(table);
    return OK;
}

/* ---- downlinks */

static void downlink_make(const struct config_check *k, uint32_t i)
{
    const struct config_downlink *d = &k->c->downlinks[i];
    struct engine_downlink *out = &k->c->engine_downlinks[i];
    *out = (struct engine_downlink){.server = ENGINE_NONE,
                                    .domain = bytes_of_str(d->domain),
                                    .external_id = bytes_of_str(d->external_id),
                                    .policy = k->c->engine.downlink};
    if (written(k, "downlinks", i, "buffer"))
        out->policy.buffer = d->buffer;
    if (written(k, "downlinks", i, "lifetime_s"))
        out->policy.lifetime_ms = d->lifetime_s * 1000ULL;
    if (written(k, "downlinks", i, "priority"))
        out->policy.priority = d->priority;
    if (written(k, "downlinks", i, "latest_wins"))
        out->policy.latest_wins = d->latest_wins;
    if (d->server)
        server_find(k, "downlinks", i, d->server, &out->server);
    one_of(k, "downlinks", i, d->domain, d->external_id);
    if (!d->server && !d->domain && !d->external_id)
        config_check_fault(k, "downlinks", i, NULL, "server, domain or external_id; what holds for all is in relay",
                           "says nothing of whose requests it is about");
}

enum error config_downlinks_check(const struct config_check *k)
{
    struct config *c = k->c;
    const unsigned before = k->r->count;
    c->engine_downlinks = calloc(c->downlink_count ? c->downlink_count : 1, sizeof(*c->engine_downlinks));
    if (!c->engine_downlinks)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < c->downlink_count; i++)
        downlink_make(k, i);
    if (k->r->count != before)
        return OK;
    struct policy_table *table;
    struct route_finding findings[FINDINGS_MAX];
    enum error err = policy_table_new(c->engine_downlinks, c->downlink_count, &table);
    if (err)
        return err;
    findings_tell(k, "downlinks", "policy", findings, policy_table_check(table, findings, FINDINGS_MAX));
    policy_table_free(table);
    return OK;
}
