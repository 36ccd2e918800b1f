/* Bytes in and out of one connection, and what the frames in them mean. */
#include "scef-adapter/leg_stream_internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#define READS_PER_TURN  4
#define RELEASE_WAIT_MS 5000
#define DIAGNOSTIC_MAX  80

/* ---- bytes ---- */

static void fault(struct stream_connection *c, int result, char why[STREAM_WHY_BYTES])
{
    if (c->ssl)
        leg_tls_fault(c->ssl, SSL_get_error(c->ssl, result), why);
    else
        snprintf(why, STREAM_WHY_BYTES, "%s", result == 0 ? "closed by the server" : strerror(errno));
}

/* Whether the call is to be made again later. */
static bool wait_for_it(struct stream_connection *c, int result)
{
    if (!c->ssl)
        return result < 0 && (errno == EAGAIN || errno == EINTR);
    const int e = SSL_get_error(c->ssl, result);
    c->want_write = e == SSL_ERROR_WANT_WRITE;
    return e == SSL_ERROR_WANT_WRITE || e == SSL_ERROR_WANT_READ;
}

bool stream_handshake(struct stream_connection *c, bool *done, char why[STREAM_WHY_BYTES])
{
    errno = 0;
    ERR_clear_error();
    const int n = SSL_do_handshake(c->ssl);
    *done = n == 1;
    c->want_write = false;
    if (*done || wait_for_it(c, n))
        return true;
    fault(c, n, why);
    return false;
}

bool stream_write(struct stream_connection *c, char why[STREAM_WHY_BYTES])
{
    while (c->out_at < c->out.len) {
        const uint8_t *at = c->out.data + c->out_at;
        const size_t left = c->out.len - c->out_at;
        errno = 0;
        ERR_clear_error();
        const int n = c->ssl ? SSL_write(c->ssl, at, (int)left) : (int)send(c->fd, at, left, MSG_NOSIGNAL);
        if (n > 0) {
            c->out_at += (size_t)n;
        } else if (wait_for_it(c, n)) {
            return true;
        } else {
            fault(c, n, why);
            return false;
        }
    }
    buf_free(&c->out);
    c->out_at = 0;
    c->want_write = false;
    return true;
}

void stream_interest(struct leg_stream *s, struct stream_connection *c)
{
    uint32_t wanted = s->held && stream_is_up(c) ? 0 : EPOLLIN;
    if (c->state == STREAM_CONNECTING)
        wanted = EPOLLOUT;
    else if (c->want_write || (c->out_at < c->out.len && c->state != STREAM_HANDSHAKE))
        wanted |= EPOLLOUT;
    if (wanted == c->interest)
        return;
    struct epoll_event e = {.events = wanted, .data.ptr = c};
    (void)epoll_ctl(s->epoll, c->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &e);
    c->watched = true;
    c->interest = wanted;
}

/* ---- frames ---- */

/* Ends it: the reason goes to the server too (RFC 8323 clause 5.6). */
static bool abort_with(struct stream_connection *c, uint32_t bad_option, const char *diagnostic,
                       char why[STREAM_WHY_BYTES])
{
    char ignored[STREAM_WHY_BYTES];
    coap_stream_write_abort(&c->out, bad_option, diagnostic);
    (void)stream_write(c, ignored);
    snprintf(why, STREAM_WHY_BYTES, "aborted: %s", diagnostic);
    return false;
}

/* What a server writes goes to a log: whether its characters can, the log sees to. */
static bool aborted_by_server(const struct coap_view *v, char why[STREAM_WHY_BYTES])
{
    struct coap_option_cursor cursor = {0};
    struct coap_option o;
    while (coap_option_next(v, &cursor, &o))
        continue;
    const size_t end = cursor.offset ? cursor.offset : COAP_HEADER_BYTES + v->token.len;
    struct bytes text = bytes_from(v->message, end + 1); /* behind the payload marker */
    snprintf(why, STREAM_WHY_BYTES, "aborted by the server: %.*s",
             (int)(text.len < DIAGNOSTIC_MAX ? text.len : DIAGNOSTIC_MAX),
             text.len ? (const char *)text.data : "without a reason");
    if (!text.len)
        snprintf(why, STREAM_WHY_BYTES, "aborted by the server");
    return false;
}

static bool signal_take(struct leg_stream *s, struct stream_connection *c, const struct coap_view *v,
                        char why[STREAM_WHY_BYTES])
{
    const uint32_t bad = coap_signal_bad_option(v);
    switch (v->code) {
    case COAP_CSM:
        if (bad)
            return abort_with(c, bad, "unknown critical option in a CSM", why);
        coap_csm_take(&c->peer, v);
        if (c->state == STREAM_CSM)
            stream_came_up(s, c);
        return true;
    case COAP_PING:
        if (!bad) {
            coap_stream_write_pong(&c->out, v);
            stream_dirty(s, c);
        }
        return true;
    case COAP_RELEASE:
        if (c->state == STREAM_UP) {
            c->state = STREAM_RELEASED;
            stream_timer(s, c, RELEASE_WAIT_MS);
        }
        return true;
    case COAP_ABORT:
        return aborted_by_server(v, why);
    default:
        return true; /* a Pong, or what is not known (RFC 8323 clause 5.1) */
    }
}

static bool frame_take(struct leg_stream *s, struct stream_connection *c, uint8_t *at, const struct coap_frame *f,
                       char why[STREAM_WHY_BYTES])
{
    if (c->state == STREAM_CSM && f->code != COAP_CSM)
        return abort_with(c, 0, "the first message is no CSM", why); /* RFC 8323 clause 5.3 */
    if (f->code == 0)
        return true; /* empty: ignored, whatever it holds (RFC 8323 clause 3.4) */
    struct bytes message = coap_stream_message(at, f);
    if (!coap_is_signal(f->code)) {
        c->heard = true;
        s->counters.messages_in++;
        s->sink.datagram(s->sink.ctx, c->key.leg, s->servers[c->key.server].o.server, message);
        return true;
    }
    struct coap_view v;
    return coap_view_parse(message, &v) != OK || signal_take(s, c, &v, why);
}

/* All whole frames of the `len` bytes at `at`; what is left is kept. */
static bool frames_take(struct leg_stream *s, struct stream_connection *c, uint8_t *at, size_t len,
                        char why[STREAM_WHY_BYTES])
{
    struct coap_frame f;
    enum coap_stream_verdict verdict;
    while ((verdict = coap_stream_next(bytes_of(at, len), STREAM_FRAME_MAX, &f)) == COAP_STREAM_FRAME) {
        if (!frame_take(s, c, at, &f, why))
            return false;
        at += f.bytes;
        len -= f.bytes;
    }
    if (verdict != COAP_STREAM_MORE)
        return abort_with(c, 0, verdict == COAP_STREAM_BROKEN ? "reserved token length" : "message too large", why);
    buf_reset(&c->in);
    if (len)
        buf_add(&c->in, bytes_of(at, len));
    else
        buf_free(&c->in);
    snprintf(why, STREAM_WHY_BYTES, "%s", error_text(ERR_NO_MEMORY));
    return !c->in.failed;
}

bool stream_read(struct leg_stream *s, struct stream_connection *c, char why[STREAM_WHY_BYTES])
{
    for (unsigned reads = 0; reads < READS_PER_TURN || (c->ssl && SSL_pending(c->ssl)); reads++) {
        uint8_t *start = s->in_memory + COAP_STREAM_SLACK_BYTES;
        const size_t kept = c->in.len;
        errno = 0;
        ERR_clear_error();
        const int n = c->ssl ? SSL_read(c->ssl, start + kept, STREAM_READ_BYTES)
                             : (int)recv(c->fd, start + kept, STREAM_READ_BYTES, 0);
        if (n <= 0) {
            if (wait_for_it(c, n))
                return true;
            fault(c, n, why);
            return false;
        }
        if (kept)
            memcpy(start, c->in.data, kept);
        c->heard_ms = loop_now_ms(s->loop);
        c->pinged = false;
        if (!frames_take(s, c, start, kept + (size_t)n, why))
            return false;
    }
    return true;
}
