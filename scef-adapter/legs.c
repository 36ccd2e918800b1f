#include "scef-adapter/legs.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SESSIONS_KEPT 1024 /* for each server: a few kB each */

struct legs {
    const struct config *config;
    struct leg_udp *udp;
    struct leg_stream *stream; /* NULL: no server has one */
    struct leg_dtls *dtls;     /* NULL: no server has it */
    struct legs_sink sink;
    struct leg_dtls_server *dtls_servers; /* by number; without a name where there is no DTLS */
    struct leg_tls_psk *psks;             /* by number; without a key where the server has none for all devices */
    struct leg_psks device_psks;
};

static bool by_stream(const struct config_server *s)
{
    return config_scheme_stream(s->scheme);
}

static bool by_dtls(const struct legs *g, uint32_t server)
{
    return server < g->config->server_count && g->config->servers[server].scheme == CONFIG_SCHEME_DTLS;
}

/* ---- UDP ---- */

static void udp_datagram(void *ctx, uint32_t leg, uint32_t server, struct bytes datagram)
{
    struct legs *g = ctx;
    if (by_dtls(g, server))
        leg_dtls_datagram(g->dtls, leg, server, datagram);
    else
        g->sink.datagram(g->sink.ctx, leg, server, datagram);
}

/* All servers keep their numbers; those that are not spoken to by UDP have no host there. */
static enum error udp_new(struct legs *g, struct loop *l, char why[200])
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
    enum error err = leg_udp_new(l, &o, (struct leg_udp_sink){g, udp_datagram}, &g->udp, why);
    free(servers);
    return err;
}

/* ---- pre-shared keys ---- */

static enum error psks_read(struct legs *g, char why[200])
{
    const struct config *c = g->config;
    g->psks = calloc(c->server_count ? c->server_count : 1, sizeof(*g->psks));
    enum error err = g->psks ? OK : ERR_NO_MEMORY;
    for (uint32_t i = 0; i < c->server_count && !err; i++)
        if (c->servers[i].psk_identity)
            err = leg_tls_psk_read(c->servers[i].psk_identity, c->servers[i].psk_file, &g->psks[i], why);
    return err;
}

/* The device's own, else the server's for all. */
static bool psk_of(void *ctx, uint32_t leg, uint32_t server, struct leg_tls_psk *out)
{
    const struct legs *g = ctx;
    if (leg_psks_get(&g->device_psks, leg, out))
        return true;
    *out = g->psks[server];
    return out->key_len > 0;
}

enum error legs_psk_set(struct legs *g, uint32_t leg, const char *identity, const char *hex)
{
    struct leg_tls_psk psk = {.key_len = 0};
    bool changed = false;
    const bool valid = hex && leg_tls_psk_from_hex(identity, hex, &psk);
    enum error err = hex && !valid ? ERR_CONFIG : leg_psks_set(&g->device_psks, leg, valid ? &psk : NULL, &changed);
    OPENSSL_cleanse(&psk, sizeof(psk));
    if (changed && g->dtls)
        leg_dtls_forget(g->dtls, leg);
    if (changed && g->stream)
        leg_stream_forget(g->stream, leg);
    return err;
}

/* ---- DTLS, whose datagrams are those of UDP ---- */

static enum error dtls_transmit(void *ctx, uint32_t leg, uint32_t server, struct bytes datagram)
{
    struct legs *g = ctx;
    return leg_udp_send(g->udp, leg, server, datagram.data, bytes_from(datagram, COAP_HEADER_BYTES), false);
}

static void dtls_message(void *ctx, uint32_t leg, uint32_t server, struct bytes message)
{
    struct legs *g = ctx;
    g->sink.datagram(g->sink.ctx, leg, server, message);
}

static void dtls_state(void *ctx, uint32_t leg, uint32_t server, bool up)
{
    struct legs *g = ctx;
    g->sink.state(g->sink.ctx, leg, server, up);
}

static enum error dtls_new(struct legs *g, struct loop *l, char why[200])
{
    const struct config *c = g->config;
    struct leg_dtls_options o = LEG_DTLS_OPTIONS;
    const struct leg_dtls_ports ports = {g, dtls_transmit, dtls_message, dtls_state, psk_of};
    bool any = false;
    g->dtls_servers = calloc(c->server_count, sizeof(*g->dtls_servers));
    enum error err = g->dtls_servers ? OK : ERR_NO_MEMORY;
    for (uint32_t i = 0; i < c->server_count && !err; i++) {
        const struct config_server *s = &c->servers[i];
        if (s->scheme != CONFIG_SCHEME_DTLS)
            continue;
        any = true;
        g->dtls_servers[i] = (struct leg_dtls_server){
            s->name, c->server_endpoints[i].host, {s->ca_file, s->certificate_file, s->key_file}};
    }
    o.servers = g->dtls_servers;
    o.server_count = c->server_count;
    return err || !any ? err : leg_dtls_new(l, &o, &ports, &g->dtls, why);
}

/* ---- connections ---- */

/* `tls` is filled for it. */
static void stream_server_of(struct legs *g, uint32_t i, struct leg_stream_server *out, struct leg_tls_options *tls)
{
    const struct config *c = g->config;
    const struct config_server *s = &c->servers[i];
    *out = (struct leg_stream_server){
        .server = i, .name = s->name, .endpoint = &c->server_endpoints[i], .connections_max = s->connections_max};
    if (s->scheme != CONFIG_SCHEME_TLS)
        return;
    *tls = (struct leg_tls_options){.host = c->server_endpoints[i].host,
                                    .ca_file = s->ca_file,
                                    .certificate_file = s->certificate_file,
                                    .key_file = s->key_file,
                                    /* where there are certificates, by a key only if the server has one for all */
                                    .key = s->ca_file && !s->psk_identity ? NULL : psk_of,
                                    .key_ctx = g,
                                    .server = i,
                                    .sessions_max = SESSIONS_KEPT};
    out->tls = tls;
}

static enum error stream_new(struct legs *g, struct loop *l, struct legs_sink sink, char why[200])
{
    const struct config *c = g->config;
    struct leg_stream_server *servers = calloc(c->server_count, sizeof(*servers));
    struct leg_tls_options *tls = calloc(c->server_count, sizeof(*tls));
    struct leg_stream_options o;
    leg_stream_options_default(&o);
    o.servers = servers;
    o.mode = c->server_leg.mode;
    o.prefix = c->prefix;
    o.address = c->server_leg.address;
    enum error err = servers && tls ? OK : ERR_NO_MEMORY;
    for (uint32_t i = 0; i < c->server_count && !err; i++) {
        const uint32_t n = o.server_count;
        if (!by_stream(&c->servers[i]))
            continue;
        stream_server_of(g, i, &servers[n], &tls[n]);
        o.server_count++;
    }
    if (!err && o.server_count)
        err = leg_stream_new(l, &o, (struct leg_stream_sink){sink.ctx, sink.datagram, sink.state}, &g->stream, why);
    free(tls);
    free(servers);
    return err;
}

/* ---- all ---- */

enum error legs_new(struct loop *l, const struct config *c, struct legs_sink sink, struct legs **out, char why[200])
{
    *out = NULL;
    snprintf(why, 200, "%s", error_text(ERR_NO_MEMORY));
    struct legs *g = calloc(1, sizeof(*g));
    if (!g)
        return ERR_NO_MEMORY;
    g->config = c;
    g->sink = sink;
    leg_psks_init(&g->device_psks, 1); /* legs are numbers of our own: no need of a secret seed */
    enum error err = psks_read(g, why);
    if (!err)
        err = udp_new(g, l, why);
    if (!err && c->server_count)
        err = dtls_new(g, l, why);
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
    leg_dtls_free(g->dtls);
    if (g->udp)
        leg_udp_flush(g->udp); /* the DTLS sessions' goodbyes */
    leg_udp_free(g->udp);
    if (g->psks)
        OPENSSL_cleanse(g->psks, g->config->server_count * sizeof(*g->psks));
    free(g->psks);
    leg_psks_free(&g->device_psks);
    free(g->dtls_servers);
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
    if (!by_dtls(g, server))
        return leg_udp_send(g->udp, leg, server, header, rest, now);
    enum error err = leg_dtls_send(g->dtls, leg, server, header, rest);
    if (now)
        leg_udp_flush(g->udp);
    return err;
}

void legs_flush(struct legs *g)
{
    leg_udp_flush(g->udp);
    if (g->stream)
        leg_stream_flush(g->stream);
}

void legs_hold(struct legs *g, bool held)
{
    if (g->stream)
        leg_stream_hold(g->stream, held);
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

const struct leg_dtls_counters *legs_dtls_counters(const struct legs *g)
{
    static const struct leg_dtls_counters none;
    return g->dtls ? leg_dtls_counters_get(g->dtls) : &none;
}
