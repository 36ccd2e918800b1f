/* The network's end for the benchmark: the NIDD API of a SCEF that has every device and always answers at once.
 * Creating and reading configurations works for any device; what a downlink comes to is the owner's decision. */
#ifndef BENCH_SCEF_H
#define BENCH_SCEF_H

#include <stdint.h>

#include "tests/bench/wire.h"

struct scef;

struct scef_hooks {
    void *ctx;
    /* A downlink for the device; `message` is the CoAP message. true: 200 SUCCESS; false: 500, the device sleeps. */
    bool (*delivery)(void *ctx, uint32_t device, const uint8_t *message, size_t len);
};

struct scef_counters {
    uint64_t configurations; /* created or read */
    uint64_t deliveries, delivery_body_bytes;
    uint64_t wrong; /* requests that make no sense; the first one is printed */
};

/* Listens on the port; served by turn() of the epoll. Lives as long as the program. */
struct scef *scef_new(int epoll, uint16_t port, struct scef_hooks hooks);
const struct scef_counters *scef_counters_get(const struct scef *s);

#endif
