/* The life of one connection: made, up, ended, made again. */
#include "scef-adapter/leg_stream_internal.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HANDSHAKES_AT_ONCE 64 /* with one server: a restart of it is not to be a flood */
#define TOLD_PAUSE_MS      10000
#define USER_TIMEOUT_MS    20000 /* of bytes that nobody acknowledges (RFC 5482) */

struct stream_connection *stream_connection_new(struct leg_stream *s, struct stream_key key)
{
    struct stream_connection *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->key = key;
    c->fd = -1;
    list_init(&c->node);
    timer_init(&c->timer, 0);
    if (map_put(&s->connections, c) != OK) {
        free(c);
        return NULL;
    }
    return c;
}

/* ---- its end ---- */

static void descriptor_close(struct leg_stream *s, struct stream_connection *c)
{
    struct stream_server *sv = &s->servers[c->key.server];
    if (!stream_has_descriptor(c))
        return;
    sv->connections--;
    sv->handshakes -= !stream_is_up(c);
    s->counters.connections -= stream_is_up(c);
    if (c->ssl && stream_is_up(c)) {
        /* One way only: nobody waits for the server's. */
        (void)SSL_shutdown(c->ssl);
    }
    SSL_free(c->ssl);
    c->ssl = NULL;
    close(c->fd); /* which takes it out of epoll too */
    c->fd = -1;
    c->interest = 0;
    c->watched = false;
}

void stream_connection_free(struct leg_stream *s, struct stream_connection *c)
{
    descriptor_close(s, c);
    timer_stop(&s->timers, &c->timer);
    list_remove(&c->node);
    buf_free(&c->out);
    buf_free(&c->in);
    buf_free(&c->refused);
    free(c);
}

static void failure_tell(struct leg_stream *s, struct stream_connection *c, const char *why)
{
    struct stream_server *sv = &s->servers[c->key.server];
    const uint64_t now_ms = loop_now_ms(s->loop);
    if (sv->told_ms && now_ms - sv->told_ms < TOLD_PAUSE_MS) {
        sv->untold++;
        return;
    }
    log_write(LOG_WARN, stream_is_up(c) ? "server_connection_lost" : "server_connection_failed",
              LOG_S("server", sv->name), LOG_I("leg", c->key.leg), LOG_S("reason", why),
              LOG_I("not_told_before", sv->untold));
    sv->told_ms = now_ms;
    sv->untold = 0;
}

static void line_proceed(struct leg_stream *s, struct stream_server *sv);

void stream_close(struct leg_stream *s, struct stream_connection *c, const char *why)
{
    struct stream_server *sv = &s->servers[c->key.server];
    const bool was_up = stream_is_up(c);
    const uint64_t now_ms = loop_now_ms(s->loop);
    failure_tell(s, c, why);
    if (was_up)
        s->counters.lost++;
    else
        s->counters.failed++;
    if (sv->tls && c->state == STREAM_HANDSHAKE)
        leg_tls_forget(sv->tls, c->key.leg);
    if (was_up && (c->heard || now_ms - c->up_ms >= s->o.retry_max_ms))
        c->attempts = 0;
    descriptor_close(s, c);
    buf_free(&c->out);
    buf_free(&c->in);
    c->out_at = 0;
    c->stuffed = c->broken = c->want_write = false;
    list_remove(&c->node);
    c->state = STREAM_PAUSE;
    uint64_t pause = (uint64_t)s->o.retry_min_ms << (c->attempts < 20 ? c->attempts : 20);
    if (pause > s->o.retry_max_ms)
        pause = s->o.retry_max_ms;
    c->attempts++;
    /* Half of it by the dice: devices whose server was away do not come back together. */
    stream_timer(s, c, pause / 2 + prng_below(&s->prng, pause / 2 + 1));
    if (was_up)
        s->sink.state(s->sink.ctx, c->key.leg, sv->o.server, false);
    line_proceed(s, sv);
}

/* ---- its begin ---- */

void stream_came_up(struct leg_stream *s, struct stream_connection *c)
{
    struct stream_server *sv = &s->servers[c->key.server];
    c->state = STREAM_UP;
    c->wanted = c->heard = c->pinged = false;
    c->up_ms = c->heard_ms = loop_now_ms(s->loop);
    sv->handshakes--;
    s->counters.opened++;
    s->counters.connections++;
    stream_timer(s, c, s->o.ping_ms);
    log_write(LOG_DEBUG, "server_connection_up", LOG_S("server", sv->name), LOG_I("leg", c->key.leg));
    s->sink.state(s->sink.ctx, c->key.leg, sv->o.server, true);
    line_proceed(s, sv);
}

bool stream_csm_send(struct leg_stream *s, struct stream_connection *c, char why[STREAM_WHY_BYTES])
{
    (void)s;
    c->state = STREAM_CSM;
    coap_csm_default(&c->peer);
    coap_stream_write_csm(&c->out, COAP_STREAM_SIZE_MAX);
    return stream_write(c, why);
}

/* TCP stands. */
bool stream_connected(struct leg_stream *s, struct stream_connection *c, char why[STREAM_WHY_BYTES])
{
    struct stream_server *sv = &s->servers[c->key.server];
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error) {
        snprintf(why, STREAM_WHY_BYTES, "%s", strerror(error ? error : errno));
        return false;
    }
    if (!sv->tls)
        return stream_csm_send(s, c, why);
    c->ssl = leg_tls_open(sv->tls, c->key.leg, why);
    if (!c->ssl)
        return false;
    if (SSL_set_fd(c->ssl, c->fd) != 1) {
        snprintf(why, STREAM_WHY_BYTES, "%s", error_text(ERR_NO_MEMORY));
        return false;
    }
    c->state = STREAM_HANDSHAKE;
    bool done;
    return stream_handshake(c, &done, why) && (!done || stream_csm_send(s, c, why));
}

static bool source_bind(struct leg_stream *s, const struct stream_connection *c)
{
    const bool ipv6 = s->servers[c->key.server].address.any.sa_family == AF_INET6;
    const int one = 1, level = ipv6 ? IPPROTO_IPV6 : IPPROTO_IP;
    union leg_address local = s->local;
    if (s->o.mode == CONFIG_LEG_PREFIX) {
        uint8_t address[16];
        errno = ERANGE;
        if (!leg_address_of(&s->o.prefix, c->key.leg, address))
            return false;
        if (ipv6) {
            local = (union leg_address){.v6 = {.sin6_family = AF_INET6}};
            memcpy(&local.v6.sin6_addr, address, 16);
        } else {
            local = (union leg_address){.v4 = {.sin_family = AF_INET}};
            memcpy(&local.v4.sin_addr, address, 4);
        }
        (void)setsockopt(c->fd, level, ipv6 ? IPV6_FREEBIND : IP_FREEBIND, &one, sizeof(one));
    }
    /* The port is found when the server is known: as many connections as there are pairs of both. */
    (void)setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
    return bind(c->fd, &local.any, leg_address_len(&local)) == 0;
}

static bool connect_begin(struct leg_stream *s, struct stream_connection *c)
{
    const struct stream_server *sv = &s->servers[c->key.server];
    const int one = 1, timeout_ms = USER_TIMEOUT_MS;
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* messages are gathered here */
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
    return source_bind(s, c) &&
           (connect(c->fd, &sv->address.any, leg_address_len(&sv->address)) == 0 || errno == EINPROGRESS);
}

static void connection_start(struct leg_stream *s, struct stream_connection *c)
{
    struct stream_server *sv = &s->servers[c->key.server];
    list_remove(&c->node);
    c->state = STREAM_CONNECTING;
    c->fd = socket(sv->address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (stream_has_descriptor(c)) {
        sv->connections++;
        sv->handshakes++;
    }
    if (!stream_has_descriptor(c) || !connect_begin(s, c)) {
        stream_close(s, c, strerror(errno));
        return;
    }
    stream_timer(s, c, s->o.connect_timeout_ms);
    stream_interest(s, c);
}

static void line_proceed(struct leg_stream *s, struct stream_server *sv)
{
    if (sv->proceeding)
        return; /* one that failed at once made room: the loop below goes on */
    sv->proceeding = true;
    while (!list_empty(&sv->line) && sv->handshakes < HANDSHAKES_AT_ONCE && sv->connections < sv->o.connections_max)
        connection_start(s, LIST_ENTRY(sv->line.next, struct stream_connection, node));
    sv->proceeding = false;
}

void stream_line_up(struct leg_stream *s, struct stream_connection *c)
{
    struct stream_server *sv = &s->servers[c->key.server];
    timer_stop(&s->timers, &c->timer);
    c->state = STREAM_IN_LINE;
    list_remove(&c->node);
    list_push_back(&sv->line, &c->node);
    line_proceed(s, sv);
}
