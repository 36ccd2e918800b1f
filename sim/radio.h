/* The radio between SCEF and UE, pure: each NAS message takes a delay and may be lost, repeated or overtaken. */
#ifndef SIM_RADIO_H
#define SIM_RADIO_H

#include "base/prng.h"

#include <stdbool.h>
#include <stdint.h>

struct radio_profile {
    double loss;           /* 0..1, each direction: the message is gone and nobody is told */
    double duplicate;      /* 0..1: it arrives twice */
    uint32_t delay_min_ms; /* one way */
    uint32_t delay_max_ms; /* messages may overtake each other when larger than delay_min_ms */
};

/* The fate of one message. arrivals is 0, 1 or 2. at_ms[0] is set for a lost message too: when the sending side
 * believes that it is through. at_ms[1] is not before at_ms[0]. */
struct radio_fate {
    unsigned arrivals;
    uint64_t at_ms[2];
};
/* Always draws four numbers, so that a change of one probability does not change the other dice of a seed. */
struct radio_fate radio_send(struct prng *p, const struct radio_profile *r, uint64_t now_ms);

#endif
