/*   OPEN --close()--> CLOSING --the peer's close frame, or 2 s--> ENDED
 *     |--the peer's close frame, or its mistake--> LEAVING (our close frame goes out)
 *     |                                               |--a server has both frames--------> ENDED
 *     |                                               +--the peer's end, or 2 s----------> ENDED
 *     +--the connection ends-------------------------------------------------------------> ENDED
 *
 * LEAVING takes what still comes and throws it away: to close a connection with unread input resets it, and the peer
 * would lose our close frame. It is the server that closes first (RFC 6455 clause 7.1.1). */
#include "t8/websocket_stream.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "t8/http_internal.h"

#define READ_BYTES        16384
#define READS_A_TURN      16
#define CLOSE_PATIENCE_MS 2000
#define KEPT_BUFFER_BYTES 65536

struct websocket_stream {
    struct loop *loop;
    struct websocket_io io;
    struct websocket_owner owner;
    enum { OPEN, CLOSING, LEAVING, ENDED } state;
    int code; /* CLOSING, LEAVING: what `ended` will be told */
    bool client, working, held, was_full, before_frames;
    bool both_closed; /* LEAVING: each side has sent its close frame */
    struct websocket_reader reader;
    struct buf in, out;
    size_t in_done, out_done;
    uv_poll_t poll;
    int polled;
    struct loop_alarm again; /* there is work left for the next turn */
    struct loop_alarm clock; /* PINGs; then the patience with closing */
    uint32_t ping_interval_ms;
    bool pinged; /* and nothing was heard since */
    uint8_t masks[256];
    size_t masks_left;
    struct http_last last;
};

static void work(struct websocket_stream *s);

static size_t backlog(const struct websocket_stream *s)
{
    return s->out.len - s->out_done;
}

static void end(struct websocket_stream *s, int code)
{
    if (s->state == ENDED)
        return;
    s->state = ENDED;
    uv_poll_stop(&s->poll);
    s->polled = 0;
    loop_alarm_clear(&s->again);
    loop_alarm_clear(&s->clock);
    s->owner.ended(s->owner.ctx, code);
}

/* ---- sending */

/* RFC 6455 clause 5.3: from the system, so that nobody who chooses our messages can choose what is on the wire. */
static const uint8_t *mask_take(struct websocket_stream *s)
{
    if (!s->client)
        return NULL;
    if (s->masks_left == 0) {
        if (getrandom(s->masks, sizeof s->masks, 0) != sizeof s->masks)
            memset(s->masks, 0, sizeof s->masks); /* cannot be: this size never falls short */
        s->masks_left = sizeof s->masks;
    }
    s->masks_left -= 4;
    return s->masks + s->masks_left;
}

static void out_forget(struct websocket_stream *s)
{
    if (s->out.cap > KEPT_BUFFER_BYTES)
        buf_free(&s->out);
    buf_reset(&s->out);
    s->out_done = 0;
}

static void flush(struct websocket_stream *s)
{
    if (s->out.failed)
        end(s, WEBSOCKET_ABNORMAL);
    while (s->state != ENDED && backlog(s)) {
        ptrdiff_t n = s->io.send(s->io.ctx, bytes_from(buf_bytes(&s->out), s->out_done));
        if (n == WEBSOCKET_IO_AGAIN)
            return;
        if (n <= 0)
            end(s, WEBSOCKET_ABNORMAL);
        else
            s->out_done += (size_t)n;
    }
    if (s->state == ENDED)
        return;
    out_forget(s);
    if (s->state == LEAVING && s->both_closed && !s->client) {
        end(s, s->code);
    } else if (s->state == LEAVING && s->io.shut) {
        s->io.shut(s->io.ctx);
    } else if (s->was_full && s->owner.drained) {
        s->was_full = false;
        s->owner.drained(s->owner.ctx);
    }
    s->was_full = false;
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void poll_update(struct websocket_stream *s)
{
    if (s->state == ENDED)
        return;
    bool full = backlog(s) >= WEBSOCKET_BACKLOG_MAX;
    s->was_full |= full;
    int wanted = backlog(s) ? UV_WRITABLE : 0;
    if (s->state == LEAVING || (!s->held && !full))
        wanted |= UV_READABLE;
    if (wanted == s->polled)
        return;
    s->polled = wanted;
    if (wanted)
        uv_poll_start(&s->poll, wanted, on_poll);
    else
        uv_poll_stop(&s->poll);
}

static void sent_something(struct websocket_stream *s)
{
    if (s->working)
        return; /* it will be seen to at the end of the work */
    flush(s);
    poll_update(s);
}

void websocket_stream_send(struct websocket_stream *s, struct bytes message)
{
    if (s->state != OPEN)
        return;
    websocket_frame_write(&s->out, WEBSOCKET_BINARY, message, mask_take(s));
    sent_something(s);
}

bool websocket_stream_full(const struct websocket_stream *s)
{
    return backlog(s) >= WEBSOCKET_BACKLOG_MAX;
}

/* ---- receiving */

static void leave(struct websocket_stream *s, int code, int say)
{
    if (s->state == OPEN)
        websocket_close_write(&s->out, say, mask_take(s));
    s->state = LEAVING;
    s->code = code;
    s->in_done = s->in.len;
    loop_alarm_set(&s->clock, CLOSE_PATIENCE_MS);
}

static void take_event(struct websocket_stream *s, const struct websocket_event *e)
{
    switch (e->what) {
    case WEBSOCKET_MESSAGE:
        if (s->state == OPEN)
            s->owner.message(s->owner.ctx, e->payload);
        return;
    case WEBSOCKET_GOT_PING:
        if (s->state == OPEN)
            websocket_frame_write(&s->out, WEBSOCKET_PONG, e->payload, mask_take(s));
        return;
    case WEBSOCKET_GOT_CLOSE:
        s->both_closed = true;
        leave(s, s->state == CLOSING ? s->code : e->code, e->code);
        return;
    case WEBSOCKET_VIOLATION:
        leave(s, e->code, e->code);
        return;
    case WEBSOCKET_GOT_PONG:
    case WEBSOCKET_NOTHING:
        return;
    }
}

static void take_preamble(struct websocket_stream *s)
{
    size_t consumed = 0;
    enum error err = s->owner.preamble(s->owner.ctx, buf_bytes(&s->in), &consumed);
    if (s->state == ENDED)
        return;
    if (err) {
        end(s, WEBSOCKET_ABNORMAL);
    } else if (consumed) {
        s->before_frames = false;
        s->in_done = consumed;
    }
}

/* Takes what has been read; false: it is all taken. */
static bool take_input(struct websocket_stream *s)
{
    if (s->before_frames || s->in_done == s->in.len || s->state == LEAVING)
        return false;
    struct bytes rest = bytes_from(buf_bytes(&s->in), s->in_done);
    struct websocket_event e = websocket_reader_next(&s->reader, &rest);
    s->in_done = s->in.len - rest.len;
    if (e.what == WEBSOCKET_NOTHING)
        return false;
    take_event(s, &e);
    return true;
}

/* False: there is nothing more now. */
static bool read_more(struct websocket_stream *s)
{
    if (!s->before_frames) {
        buf_reset(&s->in);
        s->in_done = 0;
    }
    uint8_t *room = buf_reserve(&s->in, READ_BYTES);
    ptrdiff_t n = room ? s->io.recv(s->io.ctx, room, READ_BYTES) : WEBSOCKET_IO_FAILED;
    if (n == WEBSOCKET_IO_AGAIN)
        return false;
    if (n <= 0) {
        end(s, s->state == OPEN ? WEBSOCKET_ABNORMAL : s->code);
        return false;
    }
    s->pinged = false;
    s->in.len += (size_t)n;
    if (s->before_frames)
        take_preamble(s);
    return true;
}

static bool may_read(const struct websocket_stream *s)
{
    if (s->state == LEAVING)
        return true;
    return s->state != ENDED && !s->held && backlog(s) < WEBSOCKET_BACKLOG_MAX;
}

/* What TLS has decrypted already does not make the descriptor readable: so either we read until there is nothing left,
 * or come back by ourselves. */
static void work(struct websocket_stream *s)
{
    if (s->working || s->state == ENDED)
        return;
    s->working = true;
    bool more = true;
    for (unsigned reads = 0; more && may_read(s);) {
        if (take_input(s))
            continue;
        more = may_read(s) && reads++ < READS_A_TURN && read_more(s);
        if (reads > READS_A_TURN)
            loop_alarm_set(&s->again, 0);
    }
    s->working = false;
    if (!s->before_frames && s->in_done == s->in.len) { /* of thousands of connections most are silent */
        buf_free(&s->in);
        s->in_done = 0;
    }
    bool was_readable = may_read(s);
    flush(s);
    poll_update(s);
    if (!was_readable && may_read(s))
        loop_alarm_set(&s->again, 0);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct websocket_stream *s = poll->data;
    if (status < 0) /* libuv has stopped polling; reading tells what is wrong */
        s->polled = 0;
    if (status < 0 || events & UV_READABLE) {
        work(s);
        return;
    }
    bool was_readable = may_read(s);
    flush(s);
    poll_update(s);
    if (!was_readable && may_read(s))
        work(s);
}

static void on_again(void *ctx)
{
    work(ctx);
}

void websocket_stream_hold(struct websocket_stream *s, bool hold)
{
    if (s->held == hold || s->state == ENDED)
        return;
    s->held = hold;
    s->pinged = false; /* what has come meanwhile was not read */
    poll_update(s);
    if (!hold)
        loop_alarm_set(&s->again, 0);
}

/* ---- time, beginning and end */

static void on_clock(void *ctx)
{
    struct websocket_stream *s = ctx;
    if (s->state != OPEN) {
        end(s, s->code);
        return;
    }
    if (s->pinged && !s->held) { /* who does not read cannot tell */
        end(s, WEBSOCKET_ABNORMAL);
        return;
    }
    s->pinged = true;
    loop_alarm_set(&s->clock, s->ping_interval_ms);
    if (!s->before_frames)
        websocket_frame_write(&s->out, WEBSOCKET_PING, bytes_of(NULL, 0), mask_take(s));
    sent_something(s);
}

void websocket_stream_close(struct websocket_stream *s, int code)
{
    if (s->state != OPEN)
        return;
    websocket_close_write(&s->out, code, mask_take(s));
    s->state = CLOSING;
    s->code = code;
    loop_alarm_set(&s->clock, CLOSE_PATIENCE_MS);
    sent_something(s);
}

enum error websocket_stream_new(struct loop *l, const struct websocket_stream_options *o, struct websocket_stream **out)
{
    *out = NULL;
    struct websocket_stream *s = calloc(1, sizeof *s);
    if (!s)
        return ERR_NO_MEMORY;
    s->loop = l;
    s->io = o->io;
    s->owner = o->owner;
    s->client = o->client;
    s->before_frames = o->owner.preamble != NULL;
    s->ping_interval_ms = o->ping_interval_ms;
    s->reader = (struct websocket_reader){.max_message_bytes = o->max_message_bytes, .peer_is_client = !o->client};
    buf_add(&s->in, o->early);
    buf_add(&s->out, o->greeting);
    bool failed = s->in.failed || s->out.failed;
    if (failed || uv_poll_init(&l->uv, &s->poll, o->io.fd) != 0) {
        buf_free(&s->in);
        buf_free(&s->out);
        free(s);
        return failed ? ERR_NO_MEMORY : ERR_SYSTEM;
    }
    s->poll.data = s;
    enum error err = loop_alarm_init(l, &s->again, on_again, s);
    if (!err)
        err = loop_alarm_init(l, &s->clock, on_clock, s);
    if (err) {
        s->state = ENDED;
        websocket_stream_free(s);
        return err;
    }
    loop_alarm_set(&s->again, 0); /* nobody is called from in here */
    if (s->ping_interval_ms)
        loop_alarm_set(&s->clock, s->ping_interval_ms);
    *out = s;
    return OK;
}

static void on_closed(void *ctx)
{
    struct websocket_stream *s = ctx;
    buf_free(&s->in);
    websocket_reader_free(&s->reader);
    free(s);
}

void websocket_stream_free(struct websocket_stream *s)
{
    if (!s)
        return;
    if (s->state == OPEN && !s->before_frames) {
        websocket_close_write(&s->out, WEBSOCKET_GOING_AWAY, mask_take(s));
        if (!s->out.failed)
            (void)s->io.send(s->io.ctx, bytes_from(buf_bytes(&s->out), s->out_done));
    }
    s->state = ENDED;
    /* Freed from within a call of the owner's, what is being read is still looked at until the call returns. */
    uv_close((uv_handle_t *)&s->poll, NULL);
    loop_alarm_close(&s->again);
    loop_alarm_close(&s->clock);
    buf_free(&s->out);
    s->out_done = 0;
    http_last_close(&s->loop->uv, &s->last, on_closed, s);
}
