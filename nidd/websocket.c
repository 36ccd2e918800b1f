/* The WebSockets by which the SCEF sends a configuration's notifications (TS 29.122 clause 5.2.5.4). Few configurations
 * have one, and the others do not pay for it: they are in a map beside. */
#include <stdlib.h>
#include <string.h>

#include "nidd/configuration.h"

struct websocket {
    handle configuration;
    char uri[];
};

static struct bytes websocket_key(const void *value)
{
    const struct websocket *w = value;
    return bytes_of(&w->configuration, sizeof w->configuration);
}

void websockets_init(struct engine *e, uint64_t seed)
{
    map_init(&e->websockets, websocket_key, seed);
}

void websockets_free(struct engine *e)
{
    size_t cursor = 0;
    for (struct websocket *w; (w = map_next(&e->websockets, &cursor));)
        free(w);
    map_free(&e->websockets);
}

void configuration_websocket_end(struct engine *e, struct configuration *c)
{
    struct websocket *w = c->has_websocket ? map_remove(&e->websockets, bytes_of(&c->h, sizeof c->h)) : NULL;
    c->has_websocket = false;
    if (!w)
        return;
    e->ports.websocket_end(e->ports.ctx, c->scef, bytes_of_str(w->uri));
    free(w);
}

void configuration_websocket_note(struct engine *e, struct configuration *c, struct bytes uri)
{
    const struct websocket *old = c->has_websocket ? map_get(&e->websockets, bytes_of(&c->h, sizeof c->h)) : NULL;
    if (uri.len == 0 || !e->ports.websocket_begin || (old && bytes_equal(bytes_of_str(old->uri), uri)))
        return;
    struct websocket *w = calloc(1, sizeof *w + uri.len + 1);
    if (!w || !e->ports.websocket_begin(e->ports.ctx, c->scef, uri)) {
        free(w);
        return;
    }
    configuration_websocket_end(e, c);
    w->configuration = c->h;
    memcpy(w->uri, uri.data, uri.len);
    c->has_websocket = map_put(&e->websockets, w) == OK;
    if (!c->has_websocket) {
        e->ports.websocket_end(e->ports.ctx, c->scef, uri);
        free(w);
    }
}

void engine_websocket_gone(struct engine *e, uint64_t now_ms, uint32_t scef, struct bytes uri)
{
    size_t cursor = 0;
    engine_set_time(e, now_ms);
    for (const struct websocket *w; (w = map_next(&e->websockets, &cursor));) {
        struct configuration *c = slab_get(&e->configurations, w->configuration);
        if (c && c->scef == scef && bytes_equal(bytes_of_str(w->uri), uri))
            configuration_doubted(e, c);
    }
    if (scef < e->scef_count)
        configuration_next(e, scef);
}
