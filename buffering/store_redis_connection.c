#include "buffering/store_redis_connection.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffering/store_redis_script.h"
#include "buffering/store_redis_tls.h"

#define SLICE_MS 50 /* in which a cancelled wait ends */

uint64_t redis_now_ms(void)
{
    return uv_hrtime() / 1000000;
}

/* --- hiredis' hooks ---------------------------------------------------------------------------------- */

static void on_poll(uv_poll_t *poll, int status, int events);

static void poll_renew(struct redis_connection *c)
{
    if (!c->watched)
        return;
    const int events = (c->wants_read ? UV_READABLE : 0) | (c->wants_write ? UV_WRITABLE : 0);
    if (events)
        uv_poll_start(&c->poll, events, on_poll);
    else
        uv_poll_stop(&c->poll);
}

static void want(struct redis_connection *c, bool *which, bool on)
{
    if (*which == on)
        return;
    *which = on;
    poll_renew(c);
}

static void add_read(void *data)
{
    struct redis_connection *c = data;
    want(c, &c->wants_read, true);
}

static void del_read(void *data)
{
    struct redis_connection *c = data;
    want(c, &c->wants_read, false);
}

static void add_write(void *data)
{
    struct redis_connection *c = data;
    want(c, &c->wants_write, true);
}

static void del_write(void *data)
{
    struct redis_connection *c = data;
    want(c, &c->wants_write, false);
}

static void on_poll_closed(uv_handle_t *poll)
{
    free(poll->data);
}

/* The context is about to go, and its descriptor with it. */
static void cleanup(void *data)
{
    struct redis_connection *c = data;
    const char *distrust = redis_tls_fault(c->ssl);
    if (distrust)
        snprintf(c->why, sizeof(c->why), "certificate verify failed: %s", distrust);
    else if (c->why[0] == 0)
        snprintf(c->why, sizeof(c->why), "%s", c->ac->errstr && c->ac->err ? c->ac->errstr : "connection closed");
    c->ac = NULL;
    if (c->watched)
        uv_poll_stop(&c->poll);
}

static void handle_ready(struct redis_connection *c, bool readable, bool writable)
{
    if (c->ac && readable)
        redisAsyncHandleRead(c->ac);
    if (c->ac && writable)
        redisAsyncHandleWrite(c->ac);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct redis_connection *c = poll->data;
    /* After an error on the descriptor: the call that meets it tells. */
    handle_ready(c, status < 0 || (events & UV_READABLE), status < 0 || (events & UV_WRITABLE));
    c->changed(c->ctx);
}

/* --- life -------------------------------------------------------------------------------------------- */

static redisAsyncContext *context_new(const struct redis_address *at, const struct redis_limit *limit)
{
    const uint64_t now_ms = redis_now_ms();
    const uint64_t left_ms = limit->until_ms > now_ms ? limit->until_ms - now_ms : 1;
    const struct timeval timeout = {.tv_sec = (time_t)(left_ms / 1000),
                                    .tv_usec = (suseconds_t)(left_ms % 1000 * 1000)};
    redisOptions o = {.options = REDIS_OPT_NOAUTOFREEREPLIES | REDIS_OPT_PREFER_IP_UNSPEC, .connect_timeout = &timeout};
    if (at->path[0])
        REDIS_OPTIONS_SET_UNIX(&o, at->path);
    else
        REDIS_OPTIONS_SET_TCP(&o, at->host, at->port);
    return redisAsyncConnectWithOptions(&o);
}

struct redis_connection *redis_connect(const struct redis_address *at, const struct redis_tls *tls,
                                       const struct redis_limit *limit, char why[REDIS_WHY_MAX])
{
    struct redis_connection *c = calloc(1, sizeof(*c));
    redisAsyncContext *ac = c ? context_new(at, limit) : NULL;
    if (!ac) {
        free(c);
        snprintf(why, REDIS_WHY_MAX, "no memory");
        return NULL;
    }
    const char *fault = ac->err ? ac->errstr : NULL;
    if (!fault && tls->on)
        fault = redis_tls_begin(&ac->c, tls, at->host, &c->ssl);
    if (fault) {
        const char *distrust = redis_tls_fault(c->ssl);
        snprintf(why, REDIS_WHY_MAX, "%s%s", distrust ? "certificate verify failed: " : "",
                 distrust ? distrust : fault);
        redisAsyncFree(ac);
        redis_tls_free(c->ssl);
        free(c);
        return NULL;
    }
    c->ac = ac;
    ac->ev.data = c;
    ac->ev.addRead = add_read;
    ac->ev.delRead = del_read;
    ac->ev.addWrite = add_write;
    ac->ev.delWrite = del_write;
    ac->ev.cleanup = cleanup;
    if (!at->path[0])
        (void)redisEnableKeepAlive(&ac->c);
    return c;
}

void redis_connection_free(struct redis_connection *c)
{
    if (!c)
        return;
    if (c->ac) {
        snprintf(c->why, sizeof(c->why), "closed");
        redisAsyncFree(c->ac);
    }
    redis_tls_free(c->ssl);
    c->ssl = NULL;
    if (!c->watched) {
        free(c);
        return;
    }
    c->watched = false;
    c->poll.data = c;
    uv_close((uv_handle_t *)&c->poll, on_poll_closed);
}

enum error redis_watch(struct redis_connection *c, struct loop *l, void (*changed)(void *), void *ctx)
{
    if (!c->ac || uv_poll_init(&l->uv, &c->poll, c->ac->c.fd) != 0)
        return ERR_SYSTEM;
    c->poll.data = c;
    c->watched = true;
    c->changed = changed;
    c->ctx = ctx;
    poll_renew(c);
    return OK;
}

/* --- commands ---------------------------------------------------------------------------------------- */

enum error redis_send(struct redis_connection *c, struct bytes command, redisCallbackFn *fn, void *privdata)
{
    if (!c->ac)
        return ERR_STORE;
    return redisAsyncFormattedCommand(c->ac, fn, privdata, (const char *)command.data, command.len) == REDIS_OK
               ? OK
               : ERR_NO_MEMORY;
}

bool redis_drive(struct redis_connection *c, uint64_t wait_ms)
{
    if (!c->ac)
        return false;
    struct pollfd p = {.fd = c->ac->c.fd,
                       .events = (short)((c->wants_read ? POLLIN : 0) | (c->wants_write ? POLLOUT : 0))};
    const int ready = poll(&p, 1, wait_ms > 60000 ? 60000 : (int)wait_ms);
    if (ready > 0) {
        const bool fault = p.revents & (POLLERR | POLLHUP | POLLNVAL);
        handle_ready(c, (p.revents & POLLIN) || fault, (p.revents & POLLOUT) || fault);
    }
    return c->ac != NULL;
}

void redis_write(struct redis_connection *c)
{
    if (c->ac && c->wants_write)
        redisAsyncHandleWrite(c->ac);
}

struct waiting {
    redisReply *reply;
    bool answered;
};

static void on_awaited(redisAsyncContext *ac, void *reply, void *privdata)
{
    struct waiting *w = privdata;
    (void)ac;
    w->reply = reply;
    w->answered = true;
}

static bool over(const struct redis_limit *limit)
{
    return redis_now_ms() >= limit->until_ms || (limit->cancel && atomic_load(limit->cancel));
}

redisReply *redis_call(struct redis_connection *c, struct bytes command, const struct redis_limit *limit)
{
    struct waiting w = {0};
    const enum error err = redis_send(c, command, on_awaited, &w);
    if (err != OK) {
        if (c->why[0] == 0)
            snprintf(c->why, sizeof(c->why), "%s", error_text(err));
        return NULL;
    }
    while (!w.answered && c->ac && !over(limit))
        redis_drive(c, SLICE_MS);
    if (!w.answered && c->ac) {
        snprintf(c->why, sizeof(c->why), "no answer in time");
        redisAsyncFree(c->ac); /* w must not be written to any more */
    }
    return w.reply;
}

redisReply *redis_call_words(struct redis_connection *c, const struct redis_limit *limit, ...)
{
    struct buf command = {0};
    va_list words;
    size_t count = 0;
    va_start(words, limit);
    while (va_arg(words, const char *))
        count++;
    va_end(words);
    resp_command(&command, count);
    va_start(words, limit);
    for (size_t i = 0; i < count; i++)
        resp_arg_str(&command, va_arg(words, const char *));
    va_end(words);
    redisReply *reply = NULL;
    if (command.failed)
        snprintf(c->why, sizeof(c->why), "no memory");
    else
        reply = redis_call(c, buf_bytes(&command), limit);
    if (command.data)
        explicit_bzero(command.data, command.len); /* it may hold a password */
    buf_free(&command);
    return reply;
}

bool redis_is_error(const redisReply *r, const char *word)
{
    const size_t len = strlen(word);
    return r->type == REDIS_REPLY_ERROR && strncmp(r->str, word, len) == 0 && (r->str[len] == ' ' || r->str[len] == 0);
}
