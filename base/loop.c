#include "base/loop.h"

#include <assert.h>
#include <stdbool.h>
#include <time.h>

#define NS_PER_MS 1000000u

enum error loop_init(struct loop *l)
{
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0 || uv_loop_init(&l->uv) != 0)
        return ERR_SYSTEM;
    l->utc_base_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / NS_PER_MS;
    l->mono_base_ns = uv_hrtime();
    return OK;
}

struct left {
    bool closing; /* a handle that was stopped */
    bool active;  /* one that was not */
};

static void note_left(uv_handle_t *handle, void *ctx)
{
    struct left *left = ctx;
    left->closing |= uv_is_closing(handle) != 0;
    left->active |= uv_is_active(handle) && !uv_is_closing(handle);
}

void loop_free(struct loop *l)
{
    for (;;) {
        struct left left = {.closing = false};
        uv_walk(&l->uv, note_left, &left);
        const bool works = !left.active && uv_loop_alive(&l->uv) != 0; /* a thread of the pool is at something */
        if (!left.closing && !works)
            break;
        uv_run(&l->uv, left.closing ? UV_RUN_NOWAIT : UV_RUN_ONCE);
    }
    int rc = uv_loop_close(&l->uv);
    assert(rc == 0 && "a handle of the loop was not closed");
    (void)rc;
}

uint64_t loop_now_ms(const struct loop *l)
{
    /* Both are cut to whole milliseconds first, as libuv cuts its own time: then an alarm set for the
     * distance to a moment of this clock fires at that moment, not a fraction of a millisecond before it. */
    return l->utc_base_ms + uv_hrtime() / NS_PER_MS - l->mono_base_ns / NS_PER_MS;
}

/* ---- watch ---- */

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct loop_watch *w = poll->data;
    /* libuv stops polling after an error on the descriptor. The owner's own read tells it what is wrong, and
     * clears the error where it can be cleared; so go on. */
    if (status < 0)
        uv_poll_start(poll, UV_READABLE, on_poll);
    w->fn(w->ctx);
}

enum error loop_watch_start(struct loop *l, struct loop_watch *w, int fd, void (*fn)(void *), void *ctx)
{
    w->fn = NULL;
    if (uv_poll_init(&l->uv, &w->poll, fd) != 0)
        return ERR_SYSTEM;
    w->poll.data = w;
    if (uv_poll_start(&w->poll, UV_READABLE, on_poll) != 0) {
        uv_close((uv_handle_t *)&w->poll, NULL);
        return ERR_SYSTEM;
    }
    w->fn = fn;
    w->ctx = ctx;
    return OK;
}

void loop_watch_stop(struct loop_watch *w)
{
    if (!w->fn)
        return;
    w->fn = NULL;
    uv_close((uv_handle_t *)&w->poll, NULL);
}

/* ---- alarm ---- */

static void on_timer(uv_timer_t *timer)
{
    struct loop_alarm *a = timer->data;
    a->fn(a->ctx);
}

enum error loop_alarm_init(struct loop *l, struct loop_alarm *a, void (*fn)(void *), void *ctx)
{
    a->fn = NULL;
    if (uv_timer_init(&l->uv, &a->timer) != 0)
        return ERR_SYSTEM;
    a->timer.data = a;
    a->fn = fn;
    a->ctx = ctx;
    return OK;
}

void loop_alarm_set(struct loop_alarm *a, uint64_t after_ms)
{
    /* libuv counts from the start of the turn; a long turn would make the alarm early. */
    uv_update_time(a->timer.loop);
    uv_timer_start(&a->timer, on_timer, after_ms, 0);
}

void loop_alarm_clear(struct loop_alarm *a)
{
    uv_timer_stop(&a->timer);
}

void loop_alarm_close(struct loop_alarm *a)
{
    if (!a->fn)
        return;
    a->fn = NULL;
    uv_close((uv_handle_t *)&a->timer, NULL);
}

/* ---- end of turn ---- */

static void on_prepare(uv_prepare_t *prepare)
{
    struct loop_turn_end *t = prepare->data;
    t->fn(t->ctx);
}

enum error loop_turn_end_start(struct loop *l, struct loop_turn_end *t, void (*fn)(void *), void *ctx)
{
    t->fn = NULL;
    if (uv_prepare_init(&l->uv, &t->prepare) != 0)
        return ERR_SYSTEM;
    t->prepare.data = t;
    t->fn = fn;
    t->ctx = ctx;
    uv_prepare_start(&t->prepare, on_prepare); /* fails only without a function */
    uv_unref((uv_handle_t *)&t->prepare);
    return OK;
}

void loop_turn_end_stop(struct loop_turn_end *t)
{
    if (!t->fn)
        return;
    t->fn = NULL;
    uv_close((uv_handle_t *)&t->prepare, NULL);
}

/* ---- signals ---- */

static void on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    struct loop_signals *s = handle->data;
    s->fn(s->ctx);
}

static void on_hangup(uv_signal_t *handle, int number)
{
    (void)number;
    struct loop_signals *s = handle->data;
    s->on_hangup(s->ctx);
}

static enum error signal_start(struct loop *l, uv_signal_t *s, struct loop_signals *owner, uv_signal_cb fn, int number)
{
    if (uv_signal_init(&l->uv, s) != 0)
        return ERR_SYSTEM;
    s->data = owner;
    if (uv_signal_start(s, fn, number) != 0) {
        uv_close((uv_handle_t *)s, NULL);
        return ERR_SYSTEM;
    }
    uv_unref((uv_handle_t *)s);
    return OK;
}

static void signal_stop(uv_signal_t *s)
{
    uv_close((uv_handle_t *)s, NULL);
}

enum error loop_signals_start(struct loop *l, struct loop_signals *s, void (*fn)(void *), void *ctx)
{
    *s = (struct loop_signals){.ctx = ctx};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    if (sigaction(SIGPIPE, &ignore, NULL) != 0 || signal_start(l, &s->term, s, on_signal, SIGTERM) != OK)
        return ERR_SYSTEM;
    if (signal_start(l, &s->intr, s, on_signal, SIGINT) != OK) {
        signal_stop(&s->term);
        return ERR_SYSTEM;
    }
    s->fn = fn;
    return OK;
}

enum error loop_signals_hangup(struct loop *l, struct loop_signals *s, void (*fn)(void *))
{
    enum error err = signal_start(l, &s->hangup, s, on_hangup, SIGHUP);
    if (!err)
        s->on_hangup = fn;
    return err;
}

void loop_signals_stop(struct loop_signals *s)
{
    if (!s->fn)
        return;
    s->fn = NULL;
    signal_stop(&s->term);
    signal_stop(&s->intr);
    if (s->on_hangup)
        signal_stop(&s->hangup);
}
