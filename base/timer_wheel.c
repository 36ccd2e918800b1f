/* The place of a timer depends only on its time and on the wheel's now: the level is the highest group of six
 * bits in which the two differ, the slot is that group of the timer's time. Hence
 *
 * - All timers of a lower level are due before all timers of a higher one, and the slots of a level in order:
 *   the lowest bit of the lowest level in use is the next thing to happen.
 * - Timers of one millisecond always share a slot, in the order of their start, and moving a slot to lower
 *   levels keeps that order.
 *
 * When now reaches the start of a slot, the slot's timers are placed again, lower; at level 0 they are due. A
 * timer is moved at most once per level, and empty slots cost nothing: bitmaps skip them, however far time
 * jumps. */
#include "base/timer_wheel.h"

#define SLOT_BITS 6
_Static_assert(TIMER_WHEEL_SLOTS == 1 << SLOT_BITS, "one bit of occupied[] per slot");
_Static_assert(64 <= SLOT_BITS * TIMER_WHEEL_LEVELS, "every time has a place");

static void list_move_all(struct list *to, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

void timer_wheel_init(struct timer_wheel *w, uint64_t now_ms)
{
    w->now_ms = now_ms;
    w->in_round = false;
    for (unsigned level = 0; level < TIMER_WHEEL_LEVELS; level++) {
        w->occupied[level] = 0;
        for (unsigned slot = 0; slot < TIMER_WHEEL_SLOTS; slot++)
            list_init(&w->slots[level][slot]);
    }
    list_init(&w->due);
    list_init(&w->late);
}

void timer_init(struct timer *t, uint32_t kind)
{
    list_init(&t->node);
    t->at_ms = 0;
    t->kind = kind;
    t->level_slot = 0;
}

bool timer_running(const struct timer *t)
{
    return !list_empty(&t->node);
}

/* t->at_ms > w->now_ms */
static void place(struct timer_wheel *w, struct timer *t)
{
    unsigned highest_bit = 63u - (unsigned)__builtin_clzll(t->at_ms ^ w->now_ms);
    unsigned level = highest_bit / SLOT_BITS;
    unsigned slot = (unsigned)(t->at_ms >> (level * SLOT_BITS)) % TIMER_WHEEL_SLOTS;
    t->level_slot = level * TIMER_WHEEL_SLOTS + slot;
    list_push_back(&w->slots[level][slot], &t->node);
    w->occupied[level] |= UINT64_C(1) << slot;
}

void timer_start(struct timer_wheel *w, struct timer *t, uint64_t at_ms)
{
    timer_stop(w, t);
    t->at_ms = at_ms;
    if (at_ms > w->now_ms)
        place(w, t);
    else
        list_push_back(&w->late, &t->node);
}

void timer_stop(struct timer_wheel *w, struct timer *t)
{
    if (!timer_running(t))
        return;
    list_remove(&t->node);
    /* A timer on `due` or `late` carries the mark of a slot it left: then this tells the truth about that
     * slot again. */
    unsigned level = t->level_slot / TIMER_WHEEL_SLOTS;
    unsigned slot = t->level_slot % TIMER_WHEEL_SLOTS;
    if (list_empty(&w->slots[level][slot]))
        w->occupied[level] &= ~(UINT64_C(1) << slot);
}

/* The next slot to happen, as a level and a slot number; false when the wheel is empty. */
static bool next_slot(const struct timer_wheel *w, unsigned *level, unsigned *slot)
{
    for (unsigned l = 0; l < TIMER_WHEEL_LEVELS; l++) {
        if (w->occupied[l]) {
            *level = l;
            *slot = (unsigned)__builtin_ctzll(w->occupied[l]);
            return true;
        }
    }
    return false;
}

/* The first millisecond of a slot that lies ahead: the groups above are now's, the ones below are 0. */
static uint64_t slot_start(const struct timer_wheel *w, unsigned level, unsigned slot)
{
    unsigned above = (level + 1) * SLOT_BITS;
    uint64_t high = above < 64 ? w->now_ms >> above << above : 0;
    return high | (uint64_t)slot << (level * SLOT_BITS);
}

/* Moves now to until_ms and everything due by then to w->due, in order of time. */
static void collect(struct timer_wheel *w, uint64_t until_ms)
{
    unsigned level;
    unsigned slot;
    while (next_slot(w, &level, &slot)) {
        uint64_t start_ms = slot_start(w, level, slot);
        if (start_ms > until_ms)
            break;
        w->now_ms = start_ms;
        w->occupied[level] &= ~(UINT64_C(1) << slot);
        if (level == 0) {
            list_move_all(&w->due, &w->slots[0][slot]);
            continue;
        }
        struct list moving;
        list_init(&moving);
        list_move_all(&moving, &w->slots[level][slot]);
        LIST_EACH_SAFE (it, &moving) {
            struct timer *t = LIST_ENTRY(it, struct timer, node);
            if (t->at_ms > start_ms)
                place(w, t);
            else
                list_push_back(&w->due, &t->node);
        }
    }
    w->now_ms = until_ms;
}

struct timer *timer_wheel_advance(struct timer_wheel *w, uint64_t now_ms)
{
    if (!w->in_round) {
        w->in_round = true;
        list_move_all(&w->due, &w->late);
        if (now_ms > w->now_ms)
            collect(w, now_ms);
    }
    if (list_empty(&w->due)) {
        w->in_round = false;
        return NULL;
    }
    struct timer *t = LIST_ENTRY(w->due.next, struct timer, node);
    list_remove(&t->node);
    return t;
}

uint64_t timer_wheel_next(const struct timer_wheel *w)
{
    if (!list_empty(&w->due) || !list_empty(&w->late))
        return w->now_ms;
    unsigned level;
    unsigned slot;
    return next_slot(w, &level, &slot) ? slot_start(w, level, slot) : UINT64_MAX;
}
