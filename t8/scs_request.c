#include "t8/scs_request.h"

#include "base/log.h"

#define REFUSAL_LOG_MS 10000

struct pending {
    uint64_t ref;
    const char *other_type;
    unsigned tag;
    uint32_t ticket;
    uint8_t hops;
    bool temporary;   /* a 307 among the hops: what comes behind it is not for good */
    struct buf moved; /* where 308s have led */
};

void scs_requests_init(struct scs_requests *q)
{
    slab_init(&q->pending, sizeof(struct pending));
}

void scs_requests_free(struct scs_requests *q)
{
    slab_free(&q->pending);
    buf_free(&q->url);
}

static void breaker_tell(struct scs_requests *q, enum breaker_state before, uint64_t now_ms)
{
    const struct breaker *b = &q->breaker;
    if (b->state == before)
        return;
    if (b->state == BREAKER_OPEN)
        log_write(LOG_WARN, "scef_breaker", LOG_S("scef", q->name), LOG_S("state", "open"),
                  LOG_I("pause_ms", b->until_ms - now_ms), LOG_I("opens", b->opens));
    else
        log_write(LOG_INFO, "scef_breaker", LOG_S("scef", q->name), LOG_S("state", breaker_state_name(b->state)));
}

static bool admitted(struct scs_requests *q, bool thin, uint32_t *ticket)
{
    uint64_t now_ms = loop_now_ms(q->loop);
    enum breaker_state before = q->breaker.state;
    if (thin && !overload_admits(&q->overload, now_ms, &q->wait_ms)) {
        q->held_by_overload++;
        return false;
    }
    *ticket = breaker_begin(&q->breaker, now_ms);
    breaker_tell(q, before, now_ms);
    if (*ticket)
        return true;
    q->wait_ms = breaker_wait_ms(&q->breaker, now_ms);
    q->held_by_breaker++;
    return false;
}

static void end(struct scs_requests *q, uint32_t ticket, enum breaker_outcome outcome, uint32_t retry_after_s)
{
    uint64_t now_ms = loop_now_ms(q->loop);
    enum breaker_state before = q->breaker.state;
    breaker_end(&q->breaker, ticket, outcome, retry_after_s * UINT64_C(1000), now_ms);
    breaker_tell(q, before, now_ms);
}

static void refusal_tell(struct scs_requests *q, const struct http_answer *a, const char *reason)
{
    uint64_t now_ms = loop_now_ms(q->loop);
    q->redirects_refused++;
    if (q->refusal_logged_ms && now_ms - q->refusal_logged_ms < REFUSAL_LOG_MS)
        return;
    q->refusal_logged_ms = now_ms;
    log_write(LOG_WARN, "redirect_not_followed", LOG_S("scef", q->name), LOG_I("status", a->status),
              LOG_S("reason", reason), LOG_S("location", a->location), LOG_I("refused", q->redirects_refused));
}

static void on_answer(void *ctx, uint64_t h, enum error err, const struct http_answer *a);

/* The same again at Location; false: the answer stands as it is. */
static bool follow(struct scs_requests *q, struct pending *p, uint64_t h, const struct http_answer *a)
{
    const char *reason = NULL;
    buf_reset(&q->url);
    if (a->status != 307 && a->status != 308)
        reason = "not a redirect of this API";
    else if (p->hops == SCS_REDIRECTS_MAX)
        reason = "too many in a row";
    else if (!t8_link_resolve(bytes_of_str(a->url), bytes_of_str(a->location), &q->url))
        reason = "no usable Location";
    else if (!t8_link_allowed(q->base, buf_bytes(&q->url)))
        reason = "foreign host";
    if (reason) {
        refusal_tell(q, a, reason);
        return false;
    }
    p->hops++;
    p->temporary |= a->status == 307;
    if (!p->temporary) {
        buf_reset(&p->moved);
        buf_add(&p->moved, buf_bytes(&q->url));
    }
    buf_add_u8(&q->url, 0);
    if (q->url.failed)
        return false;
    struct http_request_options r = a->request;
    r.url = (const char *)q->url.data;
    if (q->send(q->ctx, &r, on_answer, q, h) != OK)
        return false;
    q->redirects_followed++;
    log_write(a->status == 308 ? LOG_INFO : LOG_DEBUG, "redirect_followed", LOG_I("status", a->status),
              LOG_S("url", r.url));
    return true;
}

/* Some know the other media type of a PATCH only. */
static bool ask_otherwise(struct scs_requests *q, struct pending *p, uint64_t h, const struct http_answer *a)
{
    struct http_request_options r = a->request;
    r.content_type = p->other_type;
    p->other_type = NULL;
    return q->send(q->ctx, &r, on_answer, q, h) == OK;
}

static void on_answer(void *ctx, uint64_t h, enum error err, const struct http_answer *a)
{
    struct scs_requests *q = ctx;
    struct pending *p = slab_get(&q->pending, h);
    if (!p)
        return; /* cannot be */
    if (a && a->status == 415 && p->other_type && ask_otherwise(q, p, h, a))
        return;
    if (a && a->status >= 300 && a->status < 400 && a->status != 304 && follow(q, p, h, a))
        return;
    struct pending last = *p;
    slab_delete(&q->pending, h);
    if (a && a->overload[0] && !overload_hear(&q->overload, bytes_of_str(a->overload), loop_now_ms(q->loop)))
        log_write(LOG_DEBUG, "overload_header_ignored", LOG_S("value", a->overload));
    struct bytes moved = last.moved.failed ? bytes_of(NULL, 0) : buf_bytes(&last.moved);
    enum breaker_outcome outcome = q->answered(q->ctx, last.tag, last.ref, err, a, moved);
    end(q, last.ticket, outcome, a ? a->retry_after_s : 0);
    buf_free(&last.moved);
}

enum error scs_requests_send(struct scs_requests *q, const struct scs_request *r)
{
    uint32_t ticket;
    handle h;
    if (!admitted(q, r->thin, &ticket))
        return ERR_UNREACHABLE;
    struct pending *p = slab_new(&q->pending, &h);
    enum error err = p ? OK : ERR_NO_MEMORY;
    if (p) {
        *p = (struct pending){.ref = r->ref, .other_type = r->other_type, .tag = r->tag, .ticket = ticket};
        err = q->send(q->ctx, &r->http, on_answer, q, h);
        if (err)
            slab_delete(&q->pending, h);
    }
    if (err)
        end(q, ticket, BREAKER_UNKNOWN, 0);
    return err;
}
