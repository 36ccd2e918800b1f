/* Overload control information of a peer (TS 29.122 clause 5.2.8.3, TS 29.500 clause 6.4.3): while it is valid, so many
 * per cent of what is new is not sent. Pure: time is given.
 *
 *     Nb-Api-Oci: Timestamp: "Tue, 04 Feb 2020 08:49:37 GMT"; Period-of-Validity: 75s; Overload-Reduction-Metric: 50%
 */
#ifndef T8_OVERLOAD_H
#define T8_OVERLOAD_H

#include "base/bytes.h"
#include "base/prng.h"

struct overload {
    uint64_t told_at_ms; /* the peer's Timestamp; of two words the younger counts */
    uint64_t until_ms;   /* by our own clock */
    uint32_t metric;     /* per cent */
    struct prng prng;
};

void overload_init(struct overload *o, uint64_t seed);
/* The header's value as it came. false: malformed, or older than what is known; nothing has changed then. */
bool overload_hear(struct overload *o, struct bytes value, uint64_t now_ms);
/* The reduction that is in force, per cent; 0 = none. */
uint32_t overload_metric(const struct overload *o, uint64_t now_ms);
/* May this one be sent? Else *wait_ms says when to ask again, at most until the end of the validity. */
bool overload_admits(struct overload *o, uint64_t now_ms, uint64_t *wait_ms);

#endif
