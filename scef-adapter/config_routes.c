/* Routes: whom they lead to, and whether they stand in each other's way. */
#include "scef-adapter/config_keys.h"

#include <stdlib.h>
#include <string.h>

#include "nidd/route.h"

#define FINDINGS_MAX CONFIG_MAX_FAULTS

/* Was this key of an entry written? Only so is 0 told from nothing. */
static bool written(const struct config_check *k, uint32_t entry, const char *key)
{
    uint32_t i = 0;
    while (strcmp(config_keys[i].section, "routes") != 0 || strcmp(config_keys[i].key, key) != 0)
        i++;
    return config_is_written(k->places, entry, i);
}

static void route_make(const struct config_check *k, uint32_t i)
{
    const struct config_route *r = &k->c->routes[i];
    struct engine_route *out = &k->c->engine_routes[i];
    *out = (struct engine_route){.has_rds_ue_port = written(k, i, "rds_ue_port"),
                                 .has_rds_scef_port = written(k, i, "rds_scef_port"),
                                 .rds_ue_port = r->rds_ue_port,
                                 .rds_scef_port = r->rds_scef_port,
                                 .uri_host = bytes_of_str(r->uri_host),
                                 .uri_port = r->uri_port,
                                 .bootstrap = r->bootstrap,
                                 .dtls = r->dtls,
                                 .domain = bytes_of_str(r->domain),
                                 .external_id = bytes_of_str(r->external_id)};
    if (!config_server_find(k->c, r->server, &out->server))
        config_check_fault(k, "routes", i, "server", "the name of a server in servers", "'%s' is no server's name",
                           r->server);
    if (r->domain && r->external_id)
        config_check_fault(k, "routes", i, "external_id", "domain or external_id", "stands beside domain '%.60s'",
                           r->domain);
}

static void finding_tell(const struct config_check *k, const struct route_finding *f)
{
    const uint32_t first = (uint32_t)f->first, second = (uint32_t)f->second;
    const size_t line = config_line_of(k->places, "routes", first, NULL);
    switch (f->flaw) {
    case ROUTE_NEVER_MATCHES:
        config_check_fault(k, "routes", second, NULL, "what one message can have", "nothing can match all of it");
        break;
    case ROUTE_UNREACHABLE:
        config_check_fault(k, "routes", second, NULL, "another match, or no such route",
                           "is never reached: all that it matches goes by routes[%u] (%.100s:%zu)", first, k->file,
                           line);
        break;
    case ROUTE_AMBIGUOUS:
        config_check_fault(k, "routes", second, NULL, "one of the two to be narrower, or the same server",
                           "matches what routes[%u] (%.100s:%zu) matches too, and neither is narrower", first, k->file,
                           line);
        break;
    }
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
    for (size_t i = 0; i < found && i < FINDINGS_MAX; i++)
        finding_tell(k, &findings[i]);
    route_table_free(table);
    return OK;
}
