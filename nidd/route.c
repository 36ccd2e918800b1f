#include "nidd/route.h"

#include <stdlib.h>
#include <string.h>

#include "nidd/internal.h"
#include "nidd/lwm2m_view.h"
#include "nidd/route_internal.h"
#include "nidd/route_pattern.h"

/* ---- making it */

static uint8_t kinds_of(const struct engine_route *r)
{
    return (uint8_t)((r->has_rds_ue_port || r->has_rds_scef_port ? ROUTE_BY_RDS_PORT : 0) |
                     (r->uri_host.len || r->uri_port ? ROUTE_BY_HOST : 0) | (r->bootstrap ? ROUTE_BY_BOOTSTRAP : 0) |
                     (r->dtls ? ROUTE_BY_DTLS : 0) | (r->domain.len || r->external_id.len ? ROUTE_BY_IDENTITY : 0));
}

static void clear(struct route *r)
{
    free(r->uri_host);
    free(r->pattern);
}

static enum error make(const struct engine_route *from, size_t number, struct route *out)
{
    *out = (struct route){.number = number,
                          .server = from->server,
                          .uri_port = from->uri_port,
                          .rds_ue_port = from->rds_ue_port,
                          .rds_scef_port = from->rds_scef_port,
                          .has_rds_ue_port = from->has_rds_ue_port,
                          .has_rds_scef_port = from->has_rds_scef_port,
                          .kinds = kinds_of(from)};
    struct buf pattern = {0};
    enum error err = pattern_write(from->domain, from->external_id, &pattern);
    if (!err && out->kinds & ROUTE_BY_IDENTITY)
        out->pattern = bytes_dup_str(buf_bytes(&pattern));
    if (!err && from->uri_host.len)
        out->uri_host = bytes_dup_str(from->uri_host);
    if (!err && ((out->kinds & ROUTE_BY_IDENTITY && !out->pattern) || (from->uri_host.len && !out->uri_host)))
        err = ERR_NO_MEMORY;
    buf_free(&pattern);
    if (err)
        clear(out);
    return err;
}

static int compare(const void *left, const void *right)
{
    const struct route *a = left;
    const struct route *b = right;
    if (a->kinds != b->kinds)
        return a->kinds > b->kinds ? -1 : 1;
    int ports = a->has_rds_ue_port + a->has_rds_scef_port - b->has_rds_ue_port - b->has_rds_scef_port;
    if (ports)
        return -ports;
    int hosts = !!a->uri_host + !!a->uri_port - !!b->uri_host - !!b->uri_port;
    if (hosts)
        return -hosts;
    int patterns = a->pattern ? pattern_compare(bytes_of_str(a->pattern), bytes_of_str(b->pattern)) : 0;
    return patterns ? patterns : a->number < b->number ? -1 : 1;
}

enum error route_table_add(struct route_table *t, const struct engine_route *r)
{
    struct route *routes = realloc(t->routes, (t->count + 1) * sizeof(*routes));
    if (!routes)
        return ERR_NO_MEMORY;
    t->routes = routes;
    enum error err = make(r, t->count, &routes[t->count]);
    if (err)
        return err;
    if (routes[t->count].kinds > ROUTE_BY_IDENTITY) {
        t->by_message++;
        t->kinds |= routes[t->count].kinds;
    }
    t->count++;
    qsort(routes, t->count, sizeof(*routes), compare);
    return OK;
}

enum error route_table_new(const struct engine_route *routes, size_t count, struct route_table **out)
{
    struct route_table *t = calloc(1, sizeof(*t));
    enum error err = t ? OK : ERR_NO_MEMORY;
    for (size_t i = 0; i < count && !err; i++)
        err = route_table_add(t, &routes[i]);
    if (err) {
        route_table_free(t);
        return err;
    }
    *out = t;
    return OK;
}

void route_table_free(struct route_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->count; i++)
        clear(&t->routes[i]);
    free(t->routes);
    free(t);
}

/* ---- asking it */

bool route_same_host(struct bytes a, struct bytes b)
{
    bool same = a.len == b.len;
    for (size_t i = 0; i < a.len && same; i++) {
        uint8_t x = a.data[i];
        uint8_t y = b.data[i];
        same = (x >= 'A' && x <= 'Z' ? x - 'A' + 'a' : x) == (y >= 'A' && y <= 'Z' ? y - 'A' + 'a' : y);
    }
    return same;
}

/* What routes look at in a message; read once, and only when there is a route that asks. */
struct facts {
    struct bytes uri_host;
    uint32_t uri_port; /* 0: the message names none */
    bool bootstrap;
};

static struct facts facts_of(const struct coap_view *v, uint8_t kinds)
{
    struct facts f = {.bootstrap = kinds & ROUTE_BY_BOOTSTRAP && lwm2m_is_bootstrap_request(v)};
    struct coap_option_cursor c = {0};
    struct coap_option o;
    while (kinds & ROUTE_BY_HOST && coap_is_request(v) && coap_option_next(v, &c, &o) &&
           o.number <= COAP_OPTION_URI_PORT) {
        if (o.number == COAP_OPTION_URI_HOST)
            f.uri_host = o.value;
        else if (o.number == COAP_OPTION_URI_PORT)
            f.uri_port = coap_option_uint(o.value);
    }
    return f;
}

static bool identity_fits(const struct route *r, struct bytes id)
{
    uint8_t memory[ID_MAX_BYTES];
    return !r->pattern || (id.len && pattern_matches(bytes_of_str(r->pattern), id_canonical(id, memory)));
}

static bool ports_fit(const struct route *r, const struct t8_rds_port *p)
{
    return !(r->kinds & ROUTE_BY_RDS_PORT) || (p->present && (!r->has_rds_ue_port || r->rds_ue_port == p->ue) &&
                                               (!r->has_rds_scef_port || r->rds_scef_port == p->scef));
}

static bool message_fits(const struct route *r, const struct route_message *m, const struct facts *f)
{
    if (!ports_fit(r, &m->rds_port))
        return false;
    if ((r->uri_host && !route_same_host(bytes_of_str(r->uri_host), f->uri_host)) ||
        (r->uri_port && r->uri_port != f->uri_port))
        return false;
    return (!(r->kinds & ROUTE_BY_BOOTSTRAP) || f->bootstrap) && (!(r->kinds & ROUTE_BY_DTLS) || !m->view);
}

bool route_table_reads_messages(const struct route_table *t)
{
    return t->by_message > 0;
}

uint32_t route_table_by_message(const struct route_table *t, struct bytes id, const struct route_message *m)
{
    const struct facts f = m->view ? facts_of(m->view, t->kinds) : (struct facts){0};
    for (size_t i = 0; i < t->by_message; i++)
        if (message_fits(&t->routes[i], m, &f) && identity_fits(&t->routes[i], id))
            return t->routes[i].server;
    return ENGINE_NONE;
}

uint32_t route_table_by_identity(const struct route_table *t, struct bytes id)
{
    for (size_t i = t->by_message; i < t->count; i++)
        if (identity_fits(&t->routes[i], id))
            return t->routes[i].server;
    return ENGINE_NONE;
}
