#include "scef-adapter/leg_stream_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#define READY_BATCH     64
#define HELD_AGAIN_MS   1000
#define OUT_MESSAGE_MAX 65535 /* of a refusal in its buffer: what its length holds */
#define NO_SERVER       UINT32_MAX

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

/* ---- events ---- */

static bool ready(struct leg_stream *s, struct stream_connection *c, uint32_t events, char why[STREAM_WHY_BYTES])
{
    bool done = false;
    if (c->state == STREAM_CONNECTING)
        return stream_connected(s, c, why);
    if (c->state == STREAM_HANDSHAKE && (!stream_handshake(c, &done, why) || (done && !stream_csm_send(s, c, why))))
        return false;
    if (c->state == STREAM_HANDSHAKE)
        return true;
    /* One that has ended is read all the same: epoll would tell of it for ever. */
    const bool wait = s->held && stream_is_up(c) && !(events & (EPOLLERR | EPOLLHUP));
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
        if (!stream_has_descriptor(c))
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
    if (s->held && stream_is_up(c)) { /* what came was not read */
        stream_timer(s, c, HELD_AGAIN_MS);
        return;
    }
    switch (c->state) {
    case STREAM_PAUSE:
        if (c->wanted) {
            stream_line_up(s, c);
        } else {
            (void)map_remove(&s->connections, connection_key(c));
            stream_connection_free(s, c);
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

enum error leg_stream_send(struct leg_stream *s, uint32_t leg, uint32_t server, const uint8_t header[COAP_HEADER_BYTES],
                           struct bytes rest, bool now)
{
    const struct stream_key key = {.server = server < s->number_count ? s->numbers[server] : NO_SERVER, .leg = leg};
    char why[STREAM_WHY_BYTES];
    if (key.server == NO_SERVER || (header[0] & 0x0f) > rest.len)
        return ERR_SYSTEM;
    if (header[1] == 0)
        return OK; /* an empty message means nothing here */
    struct stream_connection *c = map_get(&s->connections, bytes_of(&key, sizeof(key)));
    if (!c) {
        c = stream_connection_new(s, key);
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
        if (!stream_has_descriptor(c))
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
        if (stream_has_descriptor(c))
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

static enum error numbers_note(struct leg_stream *s, const struct leg_stream_options *o)
{
    for (uint32_t i = 0; i < o->server_count; i++)
        if (o->servers[i].server >= s->number_count)
            s->number_count = o->servers[i].server + 1;
    s->numbers = malloc((s->number_count ? s->number_count : 1) * sizeof(*s->numbers));
    if (!s->numbers)
        return ERR_NO_MEMORY;
    for (uint32_t n = 0; n < s->number_count; n++)
        s->numbers[n] = NO_SERVER;
    for (uint32_t i = 0; i < o->server_count; i++)
        s->numbers[o->servers[i].server] = i;
    return OK;
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
    if (!s->servers || numbers_note(s, o) != OK)
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
        stream_connection_free(s, c);
    }
    map_free(&s->connections);
    for (uint32_t i = 0; i < s->o.server_count; i++) {
        leg_tls_free(s->servers[i].tls);
        free(s->servers[i].name);
    }
    free(s->servers);
    free(s->numbers);
    if (s->watching)
        loop_watch_stop(&s->watch);
    if (s->alarmed)
        loop_alarm_close(&s->alarm);
    if (s->epoll >= 0)
        close(s->epoll);
    later_free(s->loop, &s->later, s);
}
