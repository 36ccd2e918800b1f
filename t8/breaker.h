/* A circuit breaker for one peer: after so many failures in a row nothing is sent to it for a while, then one request
 * tries, and its fate decides for all.
 *
 *      CLOSED --`failures` in a row--> OPEN --pause over, breaker_begin--> HALF_OPEN (one probe)
 *         ^                             ^ pause doubled                        |    |
 *         |                             +------------ probe failed ------------+    |
 *         +------------------------------------- probe answered --------------------+
 *
 * Pure: time is given. The pause is jittered, between half of it and all of it, so that not everyone knocks at once. */
#ifndef T8_BREAKER_H
#define T8_BREAKER_H

#include "base/prng.h"

#include <stdbool.h>
#include <stdint.h>

struct breaker_options {
    uint32_t failures; /* in a row; 0: it never opens */
    uint32_t pause_min_ms;
    uint32_t pause_max_ms;
    uint64_t seed;
};

enum breaker_state { BREAKER_CLOSED, BREAKER_HALF_OPEN, BREAKER_OPEN };
const char *breaker_state_name(enum breaker_state s); /* "closed", "half_open", "open" */

enum breaker_outcome {
    BREAKER_ANSWERED, /* the peer works, whatever it said */
    BREAKER_FAILED,   /* it was not to be had, or told that it is broken */
    BREAKER_UNKNOWN   /* neither: the request ended for a reason of our own */
};

struct breaker {
    struct breaker_options o;
    enum breaker_state state;
    uint32_t epoch; /* counts the changes of state; never 0 */
    uint32_t failed;
    bool probing;
    uint64_t pause_ms; /* of the next opening */
    uint64_t until_ms; /* OPEN: when a probe may go */
    uint64_t opens;
    struct prng prng;
};

void breaker_init(struct breaker *b, const struct breaker_options *o);
/* A ticket for one request, which breaker_end must get back exactly once; 0: nothing is to be sent now. */
uint32_t breaker_begin(struct breaker *b, uint64_t now_ms);
/* What was begun in an earlier state says nothing about this one. retry_after_ms: the peer's own word of how long it
 * wants to be left alone, 0 = none; it lengthens the pause up to pause_max_ms. */
void breaker_end(struct breaker *b, uint32_t ticket, enum breaker_outcome outcome, uint64_t retry_after_ms,
                 uint64_t now_ms);
/* After a refusal: when to ask again, from now, more than 0; different for each caller. */
uint64_t breaker_wait_ms(struct breaker *b, uint64_t now_ms);

#endif
