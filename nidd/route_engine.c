/* The engine's routes: who has a server of his own, and what the table says of the others. */
#include "nidd/configuration.h"
#include "nidd/route.h"

static struct bytes external_id(const struct device *d)
{
    return d->id_is_msisdn ? (struct bytes){0} : bytes_of_str(d->id);
}

/* The server by identity is remembered with the device until the table changes. */
static uint32_t by_identity(const struct engine *e, const struct device *d)
{
    uint32_t server = ENGINE_NONE;
    if (e->routes)
        server = route_table_by_identity(e->routes, external_id(d));
    return server == ENGINE_NONE ? 0 : server;
}

uint32_t route_of_identity(const struct engine *e, const struct device *d)
{
    if (d->server != ENGINE_NONE)
        return d->server;
    return d->route_age == e->route_age ? d->routed_server : by_identity(e, d);
}

uint32_t route_find(struct engine *e, struct device *d, const struct route_message *m)
{
    if (d->server != ENGINE_NONE)
        return d->server;
    if (e->routes && route_table_reads_messages(e->routes)) {
        uint32_t server = route_table_by_message(e->routes, external_id(d), m);
        if (server != ENGINE_NONE)
            return server;
    }
    if (d->route_age != e->route_age) {
        d->routed_server = (uint16_t)by_identity(e, d);
        d->route_age = e->route_age;
    }
    return d->routed_server;
}

bool route_is_possible(const struct engine *e, uint32_t server)
{
    return server == ENGINE_NONE ? e->server_count > 0 : server < e->server_count;
}

/* Ages come again: nobody may still have the one of long ago. */
static void grow_older(struct engine *e)
{
    if (++e->route_age)
        return;
    e->route_age = 1;
    for (uint32_t leg = 0; leg < e->leg_count; leg++) {
        struct device *d = device_by_leg(e, leg);
        if (d)
            d->route_age = 0;
    }
}

static bool server_is_there(const struct engine *e, uint32_t server)
{
    return server < e->server_count;
}

enum error engine_route_add(struct engine *e, const struct engine_route *r)
{
    if (!server_is_there(e, r->server))
        return ERR_NOT_FOUND;
    enum error err = e->routes ? route_table_add(e->routes, r) : route_table_new(r, 1, &e->routes);
    if (!err)
        grow_older(e);
    return err;
}

enum error engine_routes_replace(struct engine *e, const struct engine_route *routes, size_t count)
{
    struct route_table *t;
    for (size_t i = 0; i < count; i++)
        if (!server_is_there(e, routes[i].server))
            return ERR_NOT_FOUND;
    enum error err = route_table_new(routes, count, &t);
    if (err)
        return err;
    route_table_free(e->routes);
    e->routes = t;
    grow_older(e);
    return OK;
}

enum error engine_group_reroute(struct engine *e, uint32_t group, uint32_t server)
{
    if (group >= e->group_count || !route_is_possible(e, server))
        return ERR_NOT_FOUND;
    struct group *g = e->groups[group];
    g->server = server;
    for (struct device *d = g->users; d; d = d->next_user)
        if (d->learned)
            d->server = server;
    return OK;
}

enum error engine_device_change(struct engine *e, const struct engine_device_options *o)
{
    struct bytes id = o->id.external_id.len ? o->id.external_id : o->id.msisdn;
    struct device *d = map_get(&e->by_id, id);
    if (!d || !d->routed || d->learned)
        return ERR_UNKNOWN_DEVICE;
    if (!route_is_possible(e, o->server))
        return ERR_NOT_FOUND;
    bool changed =
        d->server != o->server || !bytes_equal(bytes_of_str(d->more ? d->more->endpoint : NULL), o->endpoint);
    enum error err = identity_endpoint_set(d, o->endpoint);
    if (err)
        return err;
    d->server = o->server;
    if (changed)
        device_put(e, d);
    return OK;
}
