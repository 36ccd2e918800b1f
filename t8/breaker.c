#include "t8/breaker.h"

const char *breaker_state_name(enum breaker_state s)
{
    switch (s) {
    case BREAKER_CLOSED:
        return "closed";
    case BREAKER_HALF_OPEN:
        return "half_open";
    case BREAKER_OPEN:
        break;
    }
    return "open";
}

void breaker_init(struct breaker *b, const struct breaker_options *o)
{
    *b = (struct breaker){.o = *o, .epoch = 1};
    if (b->o.pause_min_ms == 0)
        b->o.pause_min_ms = 1;
    if (b->o.pause_max_ms < b->o.pause_min_ms)
        b->o.pause_max_ms = b->o.pause_min_ms;
    b->pause_ms = b->o.pause_min_ms;
    prng_seed(&b->prng, o->seed);
}

static void state_set(struct breaker *b, enum breaker_state s)
{
    b->state = s;
    b->failed = 0;
    b->probing = false;
    if (++b->epoch == 0)
        b->epoch = 1;
}

static void open(struct breaker *b, uint64_t retry_after_ms, uint64_t now_ms)
{
    uint64_t half = b->pause_ms / 2;
    uint64_t pause = half + prng_below(&b->prng, b->pause_ms - half + 1);
    uint64_t asked = retry_after_ms < b->o.pause_max_ms ? retry_after_ms : b->o.pause_max_ms;
    b->until_ms = now_ms + (pause > asked ? pause : asked);
    b->pause_ms = b->pause_ms * 2 < b->o.pause_max_ms ? b->pause_ms * 2 : b->o.pause_max_ms;
    b->opens++;
    state_set(b, BREAKER_OPEN);
}

uint32_t breaker_begin(struct breaker *b, uint64_t now_ms)
{
    if (b->state == BREAKER_OPEN && now_ms >= b->until_ms)
        state_set(b, BREAKER_HALF_OPEN);
    if (b->state == BREAKER_OPEN || (b->state == BREAKER_HALF_OPEN && b->probing))
        return 0;
    b->probing = b->state == BREAKER_HALF_OPEN;
    return b->epoch;
}

void breaker_end(struct breaker *b, uint32_t ticket, enum breaker_outcome outcome, uint64_t retry_after_ms,
                 uint64_t now_ms)
{
    if (ticket != b->epoch || b->state == BREAKER_OPEN)
        return;
    switch (outcome) {
    case BREAKER_ANSWERED:
        b->failed = 0;
        b->pause_ms = b->o.pause_min_ms;
        if (b->state == BREAKER_HALF_OPEN)
            state_set(b, BREAKER_CLOSED);
        return;
    case BREAKER_FAILED:
        if (b->o.failures && (++b->failed >= b->o.failures || b->state == BREAKER_HALF_OPEN))
            open(b, retry_after_ms, now_ms);
        return;
    case BREAKER_UNKNOWN:
        b->probing = false; /* another one may try */
        return;
    }
}

uint64_t breaker_wait_ms(struct breaker *b, uint64_t now_ms)
{
    /* At half-open the probe is on its way: a little later it will be known. */
    uint64_t left = b->state == BREAKER_OPEN && b->until_ms > now_ms ? b->until_ms - now_ms : b->o.pause_min_ms;
    return left + 1 + prng_below(&b->prng, left / 2 + b->o.pause_min_ms);
}
