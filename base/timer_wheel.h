/* Hierarchical timer wheel: start, stop and expiry O(1), for 10 M timers and more.
 *
 * Time is a number of milliseconds that the caller passes in; the wheel reads no clock. A timer is a member
 * of the object it belongs to (32 bytes); it never fires early, and at the latest with the first round of
 * advance at or after its time. Timers fire in the order of their times, those of one millisecond in the
 * order in which they were started; timers that were started too late for their time come first in the next
 * round, in the order of their start.
 *
 * A round is the calls of timer_wheel_advance up to and including the one that gives NULL; its time is that
 * of its first call. A timer started within a round for a time not after the round's is left to the next
 * round, even when the next round has the same time: a timer that re-arms itself for now can never keep a
 * round from ending.
 *
 * Neither the wheel nor a running timer may be moved in memory. */
#ifndef BASE_TIMER_WHEEL_H
#define BASE_TIMER_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct timer {
    struct list node;
    uint64_t at_ms;
    uint32_t kind;       /* the owner's mark: which of its timers this is */
    uint32_t level_slot; /* the wheel's own */
};

#define TIMER_WHEEL_LEVELS 11
#define TIMER_WHEEL_SLOTS  64 /* 64^11 > 2^64: every time has its place, UINT64_MAX ("never") too */

struct timer_wheel {
    uint64_t now_ms;
    uint64_t occupied[TIMER_WHEEL_LEVELS];
    struct list slots[TIMER_WHEEL_LEVELS][TIMER_WHEEL_SLOTS];
    struct list due;  /* of this round */
    struct list late; /* of the next round: started for a time not after now */
    bool in_round;
};

void timer_wheel_init(struct timer_wheel *w, uint64_t now_ms);
void timer_init(struct timer *t, uint32_t kind); /* before first use */
/* (Re)starts t for at_ms; a time not after now is due in the next round. */
void timer_start(struct timer_wheel *w, struct timer *t, uint64_t at_ms);
void timer_stop(struct timer_wheel *w, struct timer *t); /* idempotent */
bool timer_running(const struct timer *t);

/* Moves time to now_ms (never back: a smaller value is ignored) and returns one due timer, stopped, or NULL
 * when none is due any more: call until NULL. Within a round now_ms is not looked at again. The owner may
 * start and stop any timer between the calls; a due timer that is stopped before its turn does not fire. */
struct timer *timer_wheel_advance(struct timer_wheel *w, uint64_t now_ms);

/* The time by which timer_wheel_advance wants to be called, at most the time of the next timer and possibly
 * before it (then that call returns NULL and the next wish is later); UINT64_MAX when no timer runs. */
uint64_t timer_wheel_next(const struct timer_wheel *w);

#endif
