#include "scef-adapter/leg_dtls.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/time.h>

#include "base/log.h"
#include "base/map.h"
#include "base/prng.h"
#include "base/timer_wheel.h"
#include "scef-adapter/later_free.h"

#define TELL_EVERY_MS     10000
#define MESSAGE_MAX_BYTES 16384 /* the plaintext of a record (RFC 6347 clause 4.1) */

enum session_state {
    SESSION_NONE,      /* the next message begins it */
    SESSION_WAITING,   /* for others' handshakes to end */
    SESSION_HANDSHAKE, /* timer: OpenSSL's repetition, or the end */
    SESSION_UP,
    SESSION_BACK_OFF /* timer: the next try */
};

struct session {
    uint32_t key[2]; /* leg, server */
    enum session_state state;
    unsigned failures;
    struct leg_dtls *d;
    SSL *ssl;               /* HANDSHAKE, UP */
    SSL_SESSION *resume;    /* of the last session */
    uint64_t end_ms;        /* of the handshake */
    uint64_t unanswered_ms; /* since when a CON has had no answer of any kind; 0: none */
    struct timer timer;
    struct list waiting;
};

struct server {
    SSL_CTX *context;
    struct list waiting;
    unsigned handshakes;
    uint64_t told_ms; /* when the log last told of a failure */
};

struct leg_dtls {
    struct loop *loop;
    struct leg_dtls_options o;
    struct leg_dtls_ports ports;
    struct leg_dtls_counters counters;
    struct server *servers;
    struct map sessions;
    struct timer_wheel wheel;
    struct loop_alarm alarm;
    uint64_t alarm_at_ms;
    bool alarm_there;
    struct later_free later;
    struct prng prng;
    BIO_METHOD *method;
    struct bytes in;        /* the datagram that is being read */
    enum error transmitted; /* of the last one that left */
    uint8_t message[MESSAGE_MAX_BYTES];
};

/* ---- OpenSSL's callbacks ---- */

static struct bytes end_read(void *ctx)
{
    struct session *s = ctx;
    struct bytes in = s->d->in;
    s->d->in = (struct bytes){0};
    return in;
}

static void end_write(void *ctx, struct bytes datagram)
{
    struct session *s = ctx;
    s->d->transmitted = s->d->ports.transmit(s->d->ports.ctx, s->key[0], s->key[1], datagram);
}

static const struct leg_dtls_end END = {end_read, end_write};

/* Whether the server can prove who it is to this device. */
static bool can_be_trusted(const struct session *s)
{
    const struct leg_dtls_ports *p = &s->d->ports;
    struct leg_tls_psk k = {.key_len = 0};
    const bool can = s->d->o.servers[s->key[1]].files.ca_file || p->key(p->ctx, s->key[0], s->key[1], &k);
    OPENSSL_cleanse(&k, sizeof(k));
    return can;
}

static unsigned on_psk(SSL *ssl, const char *hint, char *identity, unsigned identity_size, unsigned char *key,
                       unsigned key_size)
{
    const struct session *s = leg_dtls_ssl_ctx(ssl);
    struct leg_tls_psk k = {.key_len = 0};
    unsigned len = 0;
    (void)hint;
    if (s->d->ports.key(s->d->ports.ctx, s->key[0], s->key[1], &k) && k.key_len <= key_size &&
        strlen(k.identity) < identity_size) {
        memcpy(identity, k.identity, strlen(k.identity) + 1);
        memcpy(key, k.key, k.key_len);
        len = (unsigned)k.key_len;
    }
    OPENSSL_cleanse(&k, sizeof(k));
    return len; /* 0: the handshake fails */
}

/* ---- time ---- */

static void alarm_renew(struct leg_dtls *d)
{
    uint64_t now_ms = loop_now_ms(d->loop), at = timer_wheel_next(&d->wheel);
    if (at >= d->alarm_at_ms)
        return;
    d->alarm_at_ms = at;
    loop_alarm_set(&d->alarm, at > now_ms ? at - now_ms : 1);
}

static void handshake_timer_start(struct session *s)
{
    struct timeval left;
    uint64_t now_ms = loop_now_ms(s->d->loop), at = s->end_ms;
    if (DTLSv1_get_timeout(s->ssl, &left) == 1) {
        uint64_t again = now_ms + (uint64_t)left.tv_sec * 1000 + (uint64_t)left.tv_usec / 1000 + 1;
        at = again < at ? again : at;
    }
    timer_start(&s->d->wheel, &s->timer, at);
}

/* ---- sessions ---- */

static struct bytes session_key(const void *value)
{
    const struct session *s = value;
    return bytes_of(s->key, sizeof(s->key));
}

static struct session *session_find(const struct leg_dtls *d, uint32_t leg, uint32_t server)
{
    const uint32_t key[2] = {leg, server};
    return map_get(&d->sessions, bytes_of(key, sizeof(key)));
}

static struct session *session_new(struct leg_dtls *d, uint32_t leg, uint32_t server)
{
    struct session *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    *s = (struct session){.key = {leg, server}, .d = d};
    timer_init(&s->timer, 0);
    list_init(&s->waiting);
    if (map_put(&d->sessions, s) == OK)
        return s;
    free(s);
    return NULL;
}

static void session_begin(struct session *s);

static void session_set(struct session *s, enum session_state state)
{
    struct server *server = &s->d->servers[s->key[1]];
    server->handshakes += state == SESSION_HANDSHAKE;
    server->handshakes -= s->state == SESSION_HANDSHAKE;
    s->d->counters.sessions_up += state == SESSION_UP;
    s->d->counters.sessions_up -= s->state == SESSION_UP;
    s->state = state;
    timer_stop(&s->d->wheel, &s->timer);
    list_remove(&s->waiting);
}

/* Those in line whose turn it is. */
static void line_proceed(struct leg_dtls *d, uint32_t server)
{
    struct server *v = &d->servers[server];
    while (v->handshakes < d->o.handshakes_max && !list_empty(&v->waiting))
        session_begin(LIST_ENTRY(v->waiting.next, struct session, waiting));
}

static void ssl_drop(struct session *s)
{
    if (s->state == SESSION_UP)
        SSL_set_shutdown(s->ssl, SSL_SENT_SHUTDOWN); /* else OpenSSL takes what is resumed for spoilt */
    SSL_free(s->ssl);
    s->ssl = NULL;
    s->unanswered_ms = 0;
}

static void session_failed(struct session *s, const char *reason)
{
    struct leg_dtls *d = s->d;
    struct server *v = &d->servers[s->key[1]];
    const uint64_t now_ms = loop_now_ms(d->loop);
    /* A server that is gone would be a line for each device. */
    const bool tell = !v->told_ms || now_ms - v->told_ms >= TELL_EVERY_MS;
    const enum log_level level = tell ? LOG_WARN : LOG_DEBUG;
    if (tell)
        v->told_ms = now_ms;
    log_write(level, "dtls_failed", LOG_S("server", d->o.servers[s->key[1]].name), LOG_I("leg", s->key[0]),
              LOG_S("reason", reason));
    uint64_t delay = d->o.retry_max_ms;
    if (s->failures < 20 && (uint64_t)d->o.retry_first_ms << s->failures < delay)
        delay = (uint64_t)d->o.retry_first_ms << s->failures;
    s->failures++;
    d->counters.handshakes_failed++;
    ssl_drop(s);
    SSL_SESSION_free(s->resume); /* it may be what the server did not like */
    s->resume = NULL;
    session_set(s, SESSION_BACK_OFF);
    timer_start(&d->wheel, &s->timer, now_ms + delay / 2 + prng_below(&d->prng, delay / 2 + 1));
}

static void session_up(struct session *s)
{
    struct leg_dtls *d = s->d;
    d->counters.handshakes++;
    d->counters.handshakes_resumed += SSL_session_reused(s->ssl) == 1;
    if (s->failures)
        log_write(LOG_DEBUG, "dtls_up", LOG_S("server", d->o.servers[s->key[1]].name), LOG_I("leg", s->key[0]));
    s->failures = 0;
    session_set(s, SESSION_UP);
    SSL_SESSION_free(s->resume);
    s->resume = SSL_get1_session(s->ssl);
    (void)SSL_free_buffers(s->ssl);
    d->ports.state(d->ports.ctx, s->key[0], s->key[1], true);
}

/* One step on. */
static void handshake_proceed(struct session *s)
{
    ERR_clear_error();
    int n = SSL_do_handshake(s->ssl);
    int error = n == 1 ? SSL_ERROR_NONE : SSL_get_error(s->ssl, n);
    if (n == 1)
        session_up(s);
    else if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        handshake_timer_start(s);
    else
        session_failed(s, leg_dtls_reason(s->ssl));
}

static void session_begin(struct session *s)
{
    struct leg_dtls *d = s->d;
    struct server *v = &d->servers[s->key[1]];
    if (v->handshakes >= d->o.handshakes_max) {
        session_set(s, SESSION_WAITING);
        list_push_back(&v->waiting, &s->waiting);
        return;
    }
    session_set(s, SESSION_HANDSHAKE);
    if (!can_be_trusted(s)) {
        session_failed(s, LEG_PSK_MISSING);
        return;
    }
    s->end_ms = loop_now_ms(d->loop) + d->o.handshake_ms;
    s->ssl = leg_dtls_ssl_new(v->context, &d->o.servers[s->key[1]], d->method, &END, s);
    if (!s->ssl) {
        session_failed(s, error_text(ERR_NO_MEMORY));
        return;
    }
    if (s->resume)
        (void)SSL_set_session(s->ssl, s->resume); /* else a whole one */
    handshake_proceed(s);
}

static void session_ended(struct session *s, const char *reason)
{
    struct leg_dtls *d = s->d;
    log_write(LOG_DEBUG, "dtls_ended", LOG_S("server", d->o.servers[s->key[1]].name), LOG_I("leg", s->key[0]),
              LOG_S("reason", reason));
    (void)SSL_shutdown(s->ssl); /* RFC 5246 clause 7.2.1: a close_notify is answered */
    ssl_drop(s);
    session_set(s, SESSION_NONE);
    d->ports.state(d->ports.ctx, s->key[0], s->key[1], false);
}

/* ---- messages ---- */

void leg_dtls_datagram(struct leg_dtls *d, uint32_t leg, uint32_t server, struct bytes datagram)
{
    struct session *s = session_find(d, leg, server);
    if (!s || !s->ssl) {
        d->counters.unexpected++;
        return;
    }
    d->in = datagram;
    if (s->state == SESSION_HANDSHAKE)
        handshake_proceed(s);
    /* What a message leads to may end the session. */
    while (s->state == SESSION_UP) {
        ERR_clear_error();
        int n = SSL_read(s->ssl, d->message, (int)sizeof(d->message));
        int error = n > 0 ? SSL_ERROR_NONE : SSL_get_error(s->ssl, n);
        if (n > 0) {
            s->unanswered_ms = 0;
            d->ports.datagram(d->ports.ctx, leg, server, bytes_of(d->message, (size_t)n));
        } else if (error == SSL_ERROR_ZERO_RETURN || error == SSL_ERROR_SSL) {
            session_ended(s, error == SSL_ERROR_SSL ? leg_dtls_reason(s->ssl) : "close_notify");
        } else {
            (void)SSL_free_buffers(s->ssl);
            break;
        }
    }
    d->in = (struct bytes){0};
    line_proceed(d, server);
    alarm_renew(d);
}

static bool silent(const struct session *s)
{
    return s->unanswered_ms && loop_now_ms(s->d->loop) - s->unanswered_ms >= s->d->o.silence_ms;
}

static enum error message_write(struct session *s, const uint8_t header[COAP_HEADER_BYTES], struct bytes rest)
{
    struct leg_dtls *d = s->d;
    uint8_t message[MESSAGE_MAX_BYTES];
    if (rest.len > sizeof(message) - COAP_HEADER_BYTES)
        return ERR_SYSTEM;
    memcpy(message, header, COAP_HEADER_BYTES);
    if (rest.len)
        memcpy(message + COAP_HEADER_BYTES, rest.data, rest.len);
    ERR_clear_error();
    d->transmitted = OK;
    int n = SSL_write(s->ssl, message, (int)(rest.len + COAP_HEADER_BYTES));
    (void)SSL_free_buffers(s->ssl);
    if (n <= 0)
        return ERR_SYSTEM;
    const bool con = (header[0] >> 4 & 3) == 0; /* RFC 7252 clause 3 */
    if (con && !s->unanswered_ms)
        s->unanswered_ms = loop_now_ms(d->loop);
    return d->transmitted;
}

enum error leg_dtls_send(struct leg_dtls *d, uint32_t leg, uint32_t server, const uint8_t header[COAP_HEADER_BYTES],
                         struct bytes rest)
{
    if (server >= d->o.server_count || !d->servers[server].context)
        return ERR_SYSTEM;
    struct session *s = session_find(d, leg, server);
    if (!s)
        s = session_new(d, leg, server);
    if (!s)
        return ERR_NO_MEMORY;
    if (s->state == SESSION_UP && silent(s)) {
        d->counters.sessions_silent++;
        ssl_drop(s);
        session_set(s, SESSION_NONE);
    }
    if (s->state == SESSION_UP)
        return message_write(s, header, rest);
    if (s->state == SESSION_NONE) {
        session_begin(s);
        alarm_renew(d);
    }
    return ERR_UNREACHABLE;
}

void leg_dtls_forget(struct leg_dtls *d, uint32_t leg)
{
    for (uint32_t i = 0; i < d->o.server_count; i++) {
        struct session *s = session_find(d, leg, i);
        if (!s)
            continue;
        SSL_SESSION_free(s->resume);
        s->resume = NULL;
        s->failures = 0;
        if (s->state == SESSION_BACK_OFF)
            timer_start(&d->wheel, &s->timer, loop_now_ms(d->loop));
    }
    alarm_renew(d);
}

/* ---- timers ---- */

static void session_timer(struct session *s)
{
    if (s->state == SESSION_BACK_OFF) {
        session_begin(s);
    } else if (loop_now_ms(s->d->loop) >= s->end_ms) {
        session_failed(s, "no answer in time: is the server there, and is the key right?");
    } else {
        ERR_clear_error();
        if (DTLSv1_handle_timeout(s->ssl) < 0)
            session_failed(s, leg_dtls_reason(s->ssl));
        else
            handshake_timer_start(s);
    }
    line_proceed(s->d, s->key[1]);
}

static void on_alarm(void *ctx)
{
    struct leg_dtls *d = ctx;
    d->alarm_at_ms = UINT64_MAX;
    uint64_t now_ms = loop_now_ms(d->loop);
    for (struct timer *t; (t = timer_wheel_advance(&d->wheel, now_ms)) != NULL;)
        session_timer(LIST_ENTRY(t, struct session, timer));
    alarm_renew(d);
}

/* ---- life ---- */

static enum error contexts_open(struct leg_dtls *d, char why[200])
{
    d->servers = calloc(d->o.server_count ? d->o.server_count : 1, sizeof(*d->servers));
    enum error err = d->servers ? OK : ERR_NO_MEMORY;
    for (uint32_t i = 0; i < d->o.server_count && !err; i++) {
        const struct leg_dtls_server *s = &d->o.servers[i];
        char wrong[200];
        list_init(&d->servers[i].waiting);
        if (s->name)
            err = leg_dtls_context_new(s, on_psk, &d->servers[i].context, wrong);
        if (err)
            snprintf(why, 200, "server '%.60s': %.120s", s->name, wrong);
    }
    return err;
}

enum error leg_dtls_new(struct loop *l, const struct leg_dtls_options *o, const struct leg_dtls_ports *ports,
                        struct leg_dtls **out, char why[200])
{
    uint64_t seed = 0;
    *out = NULL;
    snprintf(why, 200, "%s", error_text(ERR_NO_MEMORY));
    struct leg_dtls *d = calloc(1, sizeof(*d));
    if (!d)
        return ERR_NO_MEMORY;
    d->loop = l;
    d->o = *o;
    d->ports = *ports;
    d->alarm_at_ms = UINT64_MAX;
    if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
        seed = uv_hrtime();
    prng_seed(&d->prng, seed);
    map_init(&d->sessions, session_key, seed);
    timer_wheel_init(&d->wheel, loop_now_ms(l));
    d->method = leg_dtls_method_new();
    enum error err = d->method ? contexts_open(d, why) : ERR_NO_MEMORY;
    if (!err) {
        err = loop_alarm_init(l, &d->alarm, on_alarm, d);
        d->alarm_there = !err;
    }
    if (err) {
        leg_dtls_free(d);
        return err;
    }
    *out = d;
    return OK;
}

void leg_dtls_free(struct leg_dtls *d)
{
    if (!d)
        return;
    size_t cursor = 0;
    for (struct session *s; (s = map_next(&d->sessions, &cursor)) != NULL;) {
        if (s->state == SESSION_UP)
            (void)SSL_shutdown(s->ssl);
        SSL_free(s->ssl);
        SSL_SESSION_free(s->resume);
        free(s);
    }
    map_free(&d->sessions);
    for (uint32_t i = 0; d->servers && i < d->o.server_count; i++)
        SSL_CTX_free(d->servers[i].context);
    free(d->servers);
    BIO_meth_free(d->method);
    if (d->alarm_there)
        loop_alarm_close(&d->alarm);
    later_free(d->loop, &d->later, d);
}

const struct leg_dtls_counters *leg_dtls_counters_get(const struct leg_dtls *d)
{
    return &d->counters;
}
