#include "scef-adapter/leg_stream_internal.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#define READY_BATCH        64
#define HELD_AGAIN_MS      1000
#define HANDSHAKES_AT_ONCE 64 /* with one server: a restart of it is not to be a flood */
#define TOLD_PAUSE_MS      10000
#define USER_TIMEOUT_MS    20000 /* of bytes that nobody acknowledges (RFC 5482) */
#define OUT_MESSAGE_MAX    65535 /* of a refusal in its buffer: what its length holds */

void leg_stream_options_default(struct leg_stream_options *o)
{
    *o = (struct leg_stream_options){
        .connect_timeout_ms = 10000, .ping_ms = 60000, .pong_ms = 10000, .retry_min_ms = 1000, .retry_max_ms = 60000};
}

static struct bytes connection_key(const void *value)
{
    const struct stream_connection *c = value;
    return bytes_of(&c->key, sizeof(c->key));
}

/* ---- time ---- */

static void alarm_renew(struct leg_stream *s)
{
    const uint64_t now_ms = loop_now_ms(s->loop), at = timer_wheel_next(&s->timers);
    if (at == UINT64_MAX)
        loop_alarm_clear(&s->alarm);
    else
        loop_alarm_set(&s->alarm, at > now_ms ? at - now_ms : 1);
}

void stream_timer(struct leg_stream *s, struct stream_connection *c, uint64_t after_ms)
{
    const uint64_t before = timer_wheel_next(&s->timers);
    timer_start(&s->timers, &c->timer, loop_now_ms(s->loop) + after_ms);
    if (timer_wheel_next(&s->timers) < before)
        alarm_renew(s);
}

void stream_dirty(struct leg_stream *s, struct stream_connection *c)
{
    list_remove(&c->node);
    list_push_back(&s->dirty, &c->node);
}

/* ---- the end of a connection ---- */

static bool has_descriptor(const struct stream_connection *c)
{
    return c->fd >= 0;
}

static bool is_up(const struct stream_connection *c)
{
    return c->state == STREAM_UP || c->state == STREAM_RELEASED;
}

static void descriptor_close(struct leg_stream *s, struct stream_connection *c)
{
    struct stream_server *sv = &s->servers[c->key.server];
    if (!has_descriptor(c))
        return;
    sv->connections--;
    sv->handshakes -= !is_up(c);
    s->counters.connections -= is_up(c);
    if (c->ssl && is_up(c)) {
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

static void connection_free(struct leg_stream *s, struct stream_connection *c)
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
    log_write(LOG_WARN, is_up(c) ? "server_connection_lost" : "server_connection_failed", LOG_S("server", sv->name),
              LOG_I("leg", c->key.leg), LOG_S("reason", why), LOG_I("not_told_before", sv->untold));
    sv->told_ms = now_ms;
    sv->untold = 0;
}

static void line_proceed(struct leg_stream *s, struct stream_server *sv);

void stream_close(struct leg_stream *s, struct stream_connection *c, const char *why)
{
    struct stream_server *sv = &s->servers[c->key.server];
    const bool was_up = is_up(c);
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

void stream_is_up(struct leg_stream *s, struct stream_connection *c)
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

static bool csm_send(struct leg_stream *s, struct stream_connection *c, char why[STREAM_WHY_BYTES])
{
    (void)s;
    c->state = STREAM_CSM;
    coap_csm_default(&c->peer);
    coap_stream_write_csm(&c->out, COAP_STREAM_SIZE_MAX);
    return stream_write(c, why);
}

/* TCP stands. */
static bool connected(struct leg_stream *s, struct stream_connection *c, char why[STREAM_WHY_BYTES])
{
    struct stream_server *sv = &s->servers[c->key.server];
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error) {
        snprintf(why, STREAM_WHY_BYTES, "%s", strerror(error ? error : errno));
        return false;
    }
    if (!sv->tls)
        return csm_send(s, c, why);
    c->ssl = leg_tls_open(sv->tls, c->key.leg, why);
    if (!c->ssl)
        return false;
    if (SSL_set_fd(c->ssl, c->fd) != 1) {
        snprintf(why, STREAM_WHY_BYTES, "%s", error_text(ERR_NO_MEMORY));
        return false;
    }
    c->state = STREAM_HANDSHAKE;
    bool done;
    return stream_handshake(c, &done, why) && (!done || csm_send(s, c, why));
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
    if (has_descriptor(c)) {
        sv->connections++;
        sv->handshakes++;
    }
    if (!has_descriptor(c) || !connect_begin(s, c)) {
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

static void connection_line_up(struct leg_stream *s, struct stream_connection *c)
{
    struct stream_server *sv = &s->servers[c->key.server];
    timer_stop(&s->timers, &c->timer);
    c->state = STREAM_IN_LINE;
    list_remove(&c->node);
    list_push_back(&sv->line, &c->node);
    line_proceed(s, sv);
}

/* ---- events ---- */

static bool ready(struct leg_stream *s, struct stream_connection *c, uint32_t events, char why[STREAM_WHY_BYTES])
{
    bool done = false;
    if (c->state == STREAM_CONNECTING)
        return connected(s, c, why);
    if (c->state == STREAM_HANDSHAKE && (!stream_handshake(c, &done, why) || (done && !csm_send(s, c, why))))
        return false;
    if (c->state == STREAM_HANDSHAKE)
        return true;
    /* One that has ended is read all the same: epoll would tell of it for ever. */
    const bool wait = s->held && is_up(c) && !(events & (EPOLLERR | EPOLLHUP));
    return stream_write(c, why) && (wait || stream_read(s, c, why));
}

/* What was refused because the server did not read is asked for again. */
static void unstuff(struct leg_stream *s, struct stream_connection *c)
{
    if (!c->stuffed || c->out.len - c->out_at > STREAM_OUT_MAX_BYTES / 2)
        return;
    c->stuffed = false;
    s->sink.state(s->sink.ctx, c->key.leg, s->servers[c->key.server].o.server, true);
}

static void on_ready(void *ctx)
{
    struct leg_stream *s = ctx;
    struct epoll_event events[READY_BATCH];
    const int n = epoll_wait(s->epoll, events, READY_BATCH, 0);
    for (int i = 0; i < n; i++) {
        struct stream_connection *c = events[i].data.ptr;
        char why[STREAM_WHY_BYTES] = "";
        if (!has_descriptor(c))
            continue; /* ended meanwhile */
        if (!ready(s, c, events[i].events, why)) {
            stream_close(s, c, why);
            continue;
        }
        stream_interest(s, c);
        if (c->state == STREAM_UP)
            unstuff(s, c);
    }
}

/* Nothing has been heard of it for a while: it is asked once. */
static void silence(struct leg_stream *s, struct stream_connection *c)
{
    const uint64_t silent_ms = loop_now_ms(s->loop) - c->heard_ms;
    if (silent_ms < s->o.ping_ms) {
        stream_timer(s, c, s->o.ping_ms - silent_ms);
    } else if (c->pinged) {
        stream_close(s, c, "no Pong");
    } else {
        c->pinged = true;
        coap_stream_write_ping(&c->out);
        stream_dirty(s, c);
        stream_timer(s, c, s->o.pong_ms);
    }
}

static void time_over(struct leg_stream *s, struct stream_connection *c)
{
    if (s->held && is_up(c)) { /* what came was not read */
        stream_timer(s, c, HELD_AGAIN_MS);
        return;
    }
    switch (c->state) {
    case STREAM_PAUSE:
        if (c->wanted) {
            connection_line_up(s, c);
        } else {
            (void)map_remove(&s->connections, connection_key(c));
            connection_free(s, c);
        }
        return;
    case STREAM_CONNECTING:
    case STREAM_HANDSHAKE:
        stream_close(s, c, "no connection in time");
        return;
    case STREAM_CSM:
        stream_close(s, c, "no CSM in time");
        return;
    case STREAM_UP:
        silence(s, c);
        return;
    case STREAM_RELEASED:
        stream_close(s, c, "released by the server");
        return;
    case STREAM_IN_LINE:
        return;
    }
}

static void on_alarm(void *ctx)
{
    struct leg_stream *s = ctx;
    struct timer *t;
    while ((t = timer_wheel_advance(&s->timers, loop_now_ms(s->loop))))
        time_over(s, LIST_ENTRY(t, struct stream_connection, timer));
    alarm_renew(s);
}

/* ---- sending ---- */

static struct stream_connection *connection_new(struct leg_stream *s, struct stream_key key)
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

/* A message that the server does not take. A request is answered in its place, at the next flush. */
static void refuse(struct leg_stream *s, struct stream_connection *c, const uint8_t header[COAP_HEADER_BYTES],
                   struct bytes rest)
{
    s->counters.too_large++;
    if (header[1] == 0 || header[1] >> 5 != 0)
        return;
    const struct coap_error e = {.type = COAP_NON,
                                 .code = COAP_CODE(4, 13),
                                 .token = bytes_of(rest.data, header[0] & 0x0f),
                                 .block1_szx = -1,
                                 .diagnostic = "larger than the server takes"};
    struct buf message = {0};
    coap_write_error(&message, &e);
    if (!message.failed && message.len <= OUT_MESSAGE_MAX) {
        buf_add_be16(&c->refused, (uint16_t)message.len);
        buf_add(&c->refused, buf_bytes(&message));
    }
    buf_free(&message);
    stream_dirty(s, c);
}

static enum error message_queue(struct leg_stream *s, struct stream_connection *c,
                                const uint8_t header[COAP_HEADER_BYTES], struct bytes rest)
{
    uint8_t head[COAP_STREAM_HEAD_MAX];
    const size_t head_len = coap_stream_head(header, rest, head);
    if (head_len + rest.len > c->peer.max_message_size) {
        refuse(s, c, header, rest);
        return OK;
    }
    if (c->out.len - c->out_at + head_len + rest.len > STREAM_OUT_MAX_BYTES) {
        c->stuffed = true;
        return ERR_UNREACHABLE;
    }
    uint8_t *room = buf_reserve(&c->out, head_len + rest.len);
    if (!room) {
        buf_reset(&c->out); /* what was in it is lost: so is the connection */
        c->out_at = 0;
        c->broken = true;
        return ERR_UNREACHABLE;
    }
    memcpy(room, head, head_len);
    if (rest.len)
        memcpy(room + head_len, rest.data, rest.len);
    c->out.len += head_len + rest.len;
    s->counters.messages_out++;
    return OK;
}

static bool server_index(const struct leg_stream *s, uint32_t server, uint32_t *out)
{
    for (uint32_t i = 0; i < s->o.server_count; i++) {
        if (s->servers[i].o.server == server) {
            *out = i;
            return true;
        }
    }
    return false;
}

enum error leg_stream_send(struct leg_stream *s, uint32_t leg, uint32_t server, const uint8_t header[COAP_HEADER_BYTES],
                           struct bytes rest, bool now)
{
    struct stream_key key = {.leg = leg};
    char why[STREAM_WHY_BYTES];
    if (!server_index(s, server, &key.server) || (header[0] & 0x0f) > rest.len)
        return ERR_SYSTEM;
    if (header[1] == 0)
        return OK; /* an empty message means nothing here */
    struct stream_connection *c = map_get(&s->connections, bytes_of(&key, sizeof(key)));
    if (!c) {
        c = connection_new(s, key);
        if (!c)
            return ERR_NO_MEMORY;
        c->wanted = true;
        /* By the timer, and not now: it might fail at once, which must not be told from in here. */
        stream_timer(s, c, 0);
        return ERR_UNREACHABLE;
    }
    if (c->state != STREAM_UP || c->broken) {
        c->wanted = true;
        return ERR_UNREACHABLE;
    }
    enum error err = message_queue(s, c, header, rest);
    stream_dirty(s, c);
    if (!err && now && !stream_write(c, why)) {
        c->broken = true; /* the flush finds out why once more */
        c->wanted = true;
        return ERR_UNREACHABLE;
    }
    return err;
}

static void refusals_tell(struct leg_stream *s, struct stream_connection *c)
{
    struct buf refused = c->refused;
    c->refused = (struct buf){0};
    struct reader r = {.rest = buf_bytes(&refused)};
    while (r.rest.len) {
        const size_t len = reader_be16(&r);
        s->sink.datagram(s->sink.ctx, c->key.leg, s->servers[c->key.server].o.server, reader_bytes(&r, len));
    }
    buf_free(&refused);
}

void leg_stream_flush(struct leg_stream *s)
{
    /* What the sink answers to it may make others dirty, or the same again. */
    for (size_t budget = 2 * s->connections.count; budget && !list_empty(&s->dirty); budget--) {
        struct stream_connection *c = LIST_ENTRY(s->dirty.next, struct stream_connection, node);
        char why[STREAM_WHY_BYTES] = "";
        list_remove(&c->node);
        if (!has_descriptor(c))
            continue;
        refusals_tell(s, c);
        if (!stream_write(c, why) || c->broken) {
            stream_close(s, c, why[0] ? why : "it broke while something was sent");
            continue;
        }
        stream_interest(s, c);
        if (c->state == STREAM_UP)
            unstuff(s, c);
    }
}

void leg_stream_hold(struct leg_stream *s, bool held)
{
    if (s->held == held)
        return;
    s->held = held;
    size_t cursor = 0;
    for (struct stream_connection *c; (c = map_next(&s->connections, &cursor)) != NULL;)
        if (has_descriptor(c))
            stream_interest(s, c);
}

void leg_stream_forget(struct leg_stream *s, uint32_t leg)
{
    for (uint32_t i = 0; i < s->o.server_count; i++) {
        const struct stream_key key = {.server = i, .leg = leg};
        struct stream_connection *c = map_get(&s->connections, bytes_of(&key, sizeof(key)));
        if (s->servers[i].tls)
            leg_tls_forget(s->servers[i].tls, leg);
        if (c && s->servers[i].tls && c->state == STREAM_PAUSE) {
            c->attempts = 0;
            stream_timer(s, c, 0);
        }
    }
}

const struct leg_stream_counters *leg_stream_counters_get(const struct leg_stream *s)
{
    return &s->counters;
}

/* ---- life ---- */

static enum error server_take(struct leg_stream *s, struct stream_server *sv, const struct leg_stream_server *o,
                              int family, char why[200])
{
    list_init(&sv->line);
    sv->o = *o;
    sv->o.tls = NULL;
    sv->o.endpoint = NULL;
    sv->name = strdup(o->name);
    sv->o.name = sv->name;
    s->o.server_count++;
    if (!sv->name)
        return ERR_NO_MEMORY;
    if (!leg_address_resolve(o->endpoint, family, &sv->address)) {
        snprintf(why, 200, "server '%.100s' has no %s address, and the legs use %s", o->endpoint->host,
                 family == AF_INET6 ? "IPv6" : "IPv4", family == AF_INET6 ? "IPv6" : "IPv4");
        return ERR_UNREACHABLE;
    }
    return o->tls ? leg_tls_new(o->tls, &sv->tls, why) : OK;
}

static enum error servers_take(struct leg_stream *s, const struct leg_stream_options *o, char why[200])
{
    const bool ipv6 = o->mode == CONFIG_LEG_PREFIX ? o->prefix.ipv6 : strchr(o->address, ':') != NULL;
    const int family = ipv6 ? AF_INET6 : AF_INET;
    enum error err = OK;
    if (o->mode == CONFIG_LEG_PORTS) {
        struct config_endpoint local = {.port = 0};
        snprintf(local.host, sizeof(local.host), "%s", o->address);
        if (!leg_address_resolve(&local, family, &s->local))
            return ERR_SYSTEM;
    }
    s->servers = calloc(o->server_count, sizeof(*s->servers));
    if (!s->servers)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < o->server_count && !err; i++)
        err = server_take(s, &s->servers[i], &o->servers[i], family, why);
    return err;
}

/* A descriptor for each connection. */
static void descriptors_allow(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

enum error leg_stream_new(struct loop *l, const struct leg_stream_options *o, struct leg_stream_sink sink,
                          struct leg_stream **out, char why[200])
{
    uint64_t seed;
    *out = NULL;
    snprintf(why, 200, "%s", error_text(ERR_NO_MEMORY));
    struct leg_stream *s = calloc(1, sizeof(*s));
    if (!s)
        return ERR_NO_MEMORY;
    if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
        seed = uv_hrtime();
    s->loop = l;
    s->o = *o;
    s->o.servers = NULL;
    s->o.address = NULL;
    s->o.server_count = 0;
    s->sink = sink;
    list_init(&s->dirty);
    map_init(&s->connections, connection_key, seed);
    prng_seed(&s->prng, seed);
    timer_wheel_init(&s->timers, loop_now_ms(l));
    descriptors_allow();
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    enum error err = s->epoll < 0 ? ERR_SYSTEM : servers_take(s, o, why);
    if (!err) {
        err = loop_alarm_init(l, &s->alarm, on_alarm, s);
        s->alarmed = !err;
    }
    if (!err) {
        err = loop_watch_start(l, &s->watch, s->epoll, on_ready, s);
        s->watching = !err;
    }
    if (err) {
        leg_stream_free(s);
        return err;
    }
    *out = s;
    return OK;
}

void leg_stream_free(struct leg_stream *s)
{
    size_t cursor = 0;
    char ignored[STREAM_WHY_BYTES];
    if (!s)
        return;
    for (struct stream_connection *c; (c = map_next(&s->connections, &cursor));) {
        if (c->state == STREAM_UP && !c->broken) {
            coap_stream_write_release(&c->out);
            (void)stream_write(c, ignored);
        }
        connection_free(s, c);
    }
    map_free(&s->connections);
    for (uint32_t i = 0; i < s->o.server_count; i++) {
        leg_tls_free(s->servers[i].tls);
        free(s->servers[i].name);
    }
    free(s->servers);
    if (s->watching)
        loop_watch_stop(&s->watch);
    if (s->alarmed)
        loop_alarm_close(&s->alarm);
    if (s->epoll >= 0)
        close(s->epoll);
    later_free(s->loop, &s->later, s);
}
