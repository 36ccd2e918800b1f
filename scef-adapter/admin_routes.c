/* The routes in force, in the order of the configuration. Few: no pages. */
#include "scef-adapter/admin_internal.h"

static void port_json(struct buf *b, const char *key, bool is_there, uint16_t port)
{
    if (is_there)
        json_out_number(b, key, port);
    else
        json_out_null(b, key);
}

static void route_json(struct buf *b, const struct config_route *written, const struct engine_route *r)
{
    json_out_open(b, NULL, '{');
    json_out_str(b, "server", written->server);
    port_json(b, "rds_ue_port", r->has_rds_ue_port, r->rds_ue_port);
    port_json(b, "rds_scef_port", r->has_rds_scef_port, r->rds_scef_port);
    json_out_str(b, "uri_host", written->uri_host);
    port_json(b, "uri_port", r->uri_port != 0, r->uri_port);
    json_out_bool(b, "bootstrap", r->bootstrap);
    json_out_bool(b, "dtls", r->dtls);
    json_out_str(b, "domain", written->domain);
    json_out_str(b, "external_id", written->external_id);
    json_out_close(b, '}');
}

void admin_routes(struct admin_request *r)
{
    struct buf b = {0};
    const struct config *c = r->a->routes_from;
    json_out_open(&b, NULL, '{');
    json_out_open(&b, "routes", '[');
    for (uint32_t i = 0; i < c->route_count; i++)
        route_json(&b, &c->routes[i], &c->engine_routes[i]);
    json_out_close(&b, ']');
    json_out_str(&b, "next", NULL);
    json_out_close(&b, '}');
    admin_reply_json(r->x, 200, &b);
}
