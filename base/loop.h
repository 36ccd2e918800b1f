/* libuv glue: one loop, the clock the engines are fed with, nested epoll fds (libmicrohttpd's, libcoap's).
 *
 * Run it with uv_run(&l->uv, UV_RUN_DEFAULT): it returns when no watch and no set alarm is left. A turn end
 * and signals do not keep it running.
 *
 * Every _start (and loop_alarm_init) is undone by its _stop (_close), which may be called at any time, also
 * twice, also on a zero-initialised struct and from within the callback: no callback comes after it. The
 * struct itself must stay in place until the turn is over or loop_free has run, because libuv closes later,
 * and must not be started again before that; after a _start that failed too. */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <signal.h>
#include <uv.h>

#include "base/error.h"

struct loop {
    uv_loop_t uv;
    uint64_t utc_base_ms;  /* UTC at loop_init */
    uint64_t mono_base_ns; /* the monotonic clock at that moment */
};

[[gnu::warn_unused_result]] enum error loop_init(struct loop *l);
/* Ends what was stopped, then frees. Something not stopped is a mistake of ours: asserted. */
void loop_free(struct loop *l);

/* Milliseconds of UTC that advance by the monotonic clock: steps of the wall clock after the start do not
 * move it. This is the time every engine and model is fed with, and what stored deadlines are written in. */
uint64_t loop_now_ms(const struct loop *l);

/* Calls fn once per turn while fd is readable or has an error (which reading it must clear): for an epoll fd,
 * while anything inside it is ready. fd becomes non-blocking. The owner closes it, after the stop.
 * ERR_SYSTEM: fd cannot be polled. */
struct loop_watch {
    uv_poll_t poll;
    void (*fn)(void *ctx);
    void *ctx;
};
[[gnu::warn_unused_result]] enum error loop_watch_start(struct loop *l, struct loop_watch *w, int fd,
                                                        void (*fn)(void *), void *ctx);
void loop_watch_stop(struct loop_watch *w);

/* A one-shot alarm, re-armed at will. */
struct loop_alarm {
    uv_timer_t timer;
    void (*fn)(void *ctx);
    void *ctx;
};
[[gnu::warn_unused_result]] enum error loop_alarm_init(struct loop *l, struct loop_alarm *a, void (*fn)(void *),
                                                       void *ctx);
/* Rings once, after_ms from now; replaces an earlier setting. */
void loop_alarm_set(struct loop_alarm *a, uint64_t after_ms);
void loop_alarm_clear(struct loop_alarm *a); /* may be set again */
void loop_alarm_close(struct loop_alarm *a);

/* Called at the end of each turn, after all input of the turn was handled and before the loop blocks: the
 * place of group commits and batched sends. */
struct loop_turn_end {
    uv_prepare_t prepare;
    void (*fn)(void *ctx);
    void *ctx;
};
[[gnu::warn_unused_result]] enum error loop_turn_end_start(struct loop *l, struct loop_turn_end *t, void (*fn)(void *),
                                                           void *ctx);
void loop_turn_end_stop(struct loop_turn_end *t);

/* Calls fn(ctx) on SIGTERM and SIGINT; ignores SIGPIPE. */
struct loop_signals {
    uv_signal_t term;
    uv_signal_t intr;
    uv_signal_t hangup;
    void (*fn)(void *ctx);
    void (*on_hangup)(void *ctx); /* NULL: SIGHUP keeps its default action */
    void *ctx;
};
[[gnu::warn_unused_result]] enum error loop_signals_start(struct loop *l, struct loop_signals *s, void (*fn)(void *),
                                                          void *ctx);
/* After that: calls fn with the same ctx on SIGHUP too. */
[[gnu::warn_unused_result]] enum error loop_signals_hangup(struct loop *l, struct loop_signals *s, void (*fn)(void *));
void loop_signals_stop(struct loop_signals *s);

#endif
