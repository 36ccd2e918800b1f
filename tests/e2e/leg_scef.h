/* The network's end, as fast as it can be: the NIDD API of a SCEF (TS 29.122 clause 5.6) that has every device and
 * reaches it at once, and its notifications of uplink data, by a connection for each device. Devices are numbered from
 * 1; number 7 is dev7@example.org. */
#ifndef TESTS_E2E_LEG_SCEF_H
#define TESTS_E2E_LEG_SCEF_H

#include <stddef.h>
#include <stdint.h>

struct scef_hooks {
    void *ctx;
    void (*configured)(void *ctx, uint32_t device);                                /* it has a configuration */
    void (*downlink)(void *ctx, uint32_t device, const uint8_t *data, size_t len); /* it is answered already */
    void (*uplink_answered)(void *ctx, uint32_t device, int status);               /* by the adapter */
};

struct scef;
/* Listens at 127.0.0.1:port; the adapter's callbacks are at 127.0.0.1:callback_port, path NIDD's. */
struct scef *scef_new(int epoll, uint16_t port, uint16_t callback_port, uint32_t devices, struct scef_hooks hooks);
/* Tells of the device's data; one at a time. */
void scef_uplink(struct scef *s, uint32_t device, const uint8_t *data, size_t len);

#endif
