#include "scef-adapter/legs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SESSIONS_KEPT 1024 /* for each server: a few kB each */

struct legs {
    const struct config *config;
    struct leg_udp *udp;
    struct leg_stream *stream; /* NULL: no server has one */
};

static bool by_stream(const struct config_server *s)
{
    return config_scheme_stream(s->scheme);
}

/* All servers keep their numbers; those that are not spoken to by UDP have no host there. */
static enum error udp_new(struct legs *g, struct loop *l, struct legs_sink sink, char why[200])
{
    const struct config *c = g->config;
    struct config_endpoint *servers = calloc(c->server_count ? c->server_count : 1, sizeof(*servers));
    if (!servers)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < c->server_count; i++)
        if (!by_stream(&c->servers[i]))
            servers[i] = c->server_endpoints[i];
    const struct leg_udp_options o = {.mode = c->server_leg.mode,
                                      .prefix = c->prefix,
                                      .port = c->server_leg.port,
                                      .address = c->server_leg.address,
                                      .port_first = c->port_first,
                                      .port_last = c->port_last,
                                      .servers = servers,
                                      .server_count = c->server_count};
    enum error err = leg_udp_new(l, &o, (struct leg_udp_sink){sink.ctx, sink.datagram}, &g->udp, why);
    free(servers);
    return err;
}

/* `tls` and `psk` are filled for it. */
static enum error stream_server_of(const struct config *c, uint32_t i, struct leg_stream_server *out,
                                   struct leg_tls_options *tls, struct leg_tls_psk *psk, char why[200])
{
    const struct config_server *s = &c->servers[i];
    *out = (struct leg_stream_server){
        .server = i, .name = s->name, .endpoint = &c->server_endpoints[i], .connections_max = s->connections_max};
    if (s->scheme != CONFIG_SCHEME_TLS)
        return OK;
    *tls = (struct leg_tls_options){.host = c->server_endpoints[i].host,
                                    .ca_file = s->ca_file,
                                    .certificate_file = s->certificate_file,
                                    .key_file = s->key_file,
                                    .sessions_max = SESSIONS_KEPT};
    out->tls = tls;
    if (!s->psk_identity)
        return OK;
    tls->psk = psk;
    return leg_tls_psk_read(s->psk_identity, s->psk_file, psk, why);
}

static enum error stream_new(struct legs *g, struct loop *l, struct legs_sink sink, char why[200])
{
    const struct config *c = g->config;
    struct leg_stream_server *servers = calloc(c->server_count, sizeof(*servers));
    struct leg_tls_options *tls = calloc(c->server_count, sizeof(*tls));
    struct leg_tls_psk *psks = calloc(c->server_count, sizeof(*psks));
    struct leg_stream_options o;
    leg_stream_options_default(&o);
    o.servers = servers;
    o.mode = c->server_leg.mode;
    o.prefix = c->prefix;
    o.address = c->server_leg.address;
    enum error err = servers && tls && psks ? OK : ERR_NO_MEMORY;
    for (uint32_t i = 0; i < c->server_count && !err; i++) {
        const uint32_t n = o.server_count;
        if (!by_stream(&c->servers[i]))
            continue;
        err = stream_server_of(c, i, &servers[n], &tls[n], &psks[n], why);
        o.server_count++;
    }
    if (!err && o.server_count)
        err = leg_stream_new(l, &o, (struct leg_stream_sink){sink.ctx, sink.datagram, sink.state}, &g->stream, why);
    if (psks)
        OPENSSL_cleanse(psks, c->server_count * sizeof(*psks));
    free(psks);
    free(tls);
    free(servers);
    return err;
}

enum error legs_new(struct loop *l, const struct config *c, struct legs_sink sink, struct legs **out, char why[200])
{
    *out = NULL;
    snprintf(why, 200, "%s", error_text(ERR_NO_MEMORY));
    struct legs *g = calloc(1, sizeof(*g));
    if (!g)
        return ERR_NO_MEMORY;
    g->config = c;
    enum error err = OK;
    for (uint32_t i = 0; i < c->server_count && !err; i++) {
        if (c->servers[i].scheme != CONFIG_SCHEME_DTLS)
            continue;
        snprintf(why, 200, "server '%.100s': there is no leg for coaps://", c->servers[i].name);
        err = ERR_CONFIG; /* never in clear instead */
    }
    if (!err)
        err = udp_new(g, l, sink, why);
    if (!err && c->server_count)
        err = stream_new(g, l, sink, why);
    if (err) {
        legs_free(g);
        return err;
    }
    *out = g;
    return OK;
}

void legs_free(struct legs *g)
{
    if (!g)
        return;
    leg_stream_free(g->stream);
    leg_udp_free(g->udp);
    free(g);
}

enum error legs_open(struct legs *g, uint32_t leg)
{
    return leg_udp_open(g->udp, leg);
}

enum error legs_send(struct legs *g, uint32_t leg, uint32_t server, const uint8_t header[COAP_HEADER_BYTES],
                     struct bytes rest, bool now)
{
    if (server < g->config->server_count && by_stream(&g->config->servers[server]))
        return leg_stream_send(g->stream, leg, server, header, rest, now);
    return leg_udp_send(g->udp, leg, server, header, rest, now);
}

void legs_flush(struct legs *g)
{
    leg_udp_flush(g->udp);
    if (g->stream)
        leg_stream_flush(g->stream);
}

const struct leg_udp_counters *legs_udp_counters(const struct legs *g)
{
    return leg_udp_counters_get(g->udp);
}

const struct leg_stream_counters *legs_stream_counters(const struct legs *g)
{
    static const struct leg_stream_counters none;
    return g->stream ? leg_stream_counters_get(g->stream) : &none;
}
