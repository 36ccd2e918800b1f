/* Small seeded generator (xoshiro256**, seeded by splitmix64) for jitter, first Message IDs and simulations:
 * not for keys. */
#ifndef BASE_PRNG_H
#define BASE_PRNG_H

#include <stdint.h>

struct prng {
    uint64_t s[4];
};
void prng_seed(struct prng *p, uint64_t seed);
uint64_t prng_next(struct prng *p);
uint64_t prng_below(struct prng *p, uint64_t n); /* 0 .. n-1; n > 0; bias below 2^-32 for n < 2^32 */
double prng_unit(struct prng *p);                /* [0, 1) */

#endif
