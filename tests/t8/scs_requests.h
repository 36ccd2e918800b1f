/* Every operation that scs_client has, each with everything that it can say: what the tests and tests/t8/ask_scef.c ask
 * a SCEF for, and what must be on the wire then. */
#ifndef TESTS_T8_SCS_REQUESTS_H
#define TESTS_T8_SCS_REQUESTS_H

#include "t8/scs_client.h"

#define EXT  "dev0001@iot.example.org"
#define C7   "/as1/configurations/c7"
#define D9   C7 "/downlink-data-deliveries/d9"
#define P57  C7 "/rds-ports/ue5-ef7"
#define T1   "/as1/transactions/t1"
#define S1   "/as1/subscriptions/s1"
#define NIDD "/3gpp-nidd/v1"
#define TRIG "/3gpp-device-triggering/v1"
#define MON  "/3gpp-monitoring-event/v1"
#define DEST "\"notificationDestination\":\"http://as/cb\""

#define AT_7       "2026-11-20T07:00:00Z"
#define AT_7_MS    1795158000000
#define IN_2096    "2096-02-29T00:00:00Z"
#define IN_2096_MS 3981312000000

/* What is asked about; NULL: C7, D9, T1 and S1. */
struct scs_links {
    char configuration[T8_MAX_LINK_BYTES], delivery[T8_MAX_LINK_BYTES], transaction[T8_MAX_LINK_BYTES],
        subscription[T8_MAX_LINK_BYTES];
};
/* ref comes back with the answer. */
[[gnu::warn_unused_result]] enum error scs_ask(struct scs_client *c, uint64_t ref, enum t8_operation o,
                                               const struct scs_links *links);

struct scs_wire {
    const char *path;
    const char *type; /* NULL: no body */
    const char *body;
};
extern const struct scs_wire scs_wires[T8_OPERATION_COUNT];

extern const struct nidd_downlink scs_delivery; /* what is submitted, with some members that only a SCEF writes */
extern const struct t8_identity scs_device;

#endif
