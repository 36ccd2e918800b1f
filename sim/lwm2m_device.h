/* A small LwM2M 1.1 client, pure: no I/O, no clock. It speaks CoAP as bytes in and bytes out, so that a UE can live in
 * virtual time behind the SCEF model. Own CoAP reading and writing: nothing is shared with the adapter's engine.
 *
 * Objects 1 (Server) and 3 (Device). Register, Update, De-register; Read, Write, Execute, Discover, Observe, Notify,
 * Send. Answers are piggybacked. It has one confirmable message of its own under way at a time (NSTART 1, RFC 7252
 * clause 4.7); what becomes due meanwhile waits. A notification that nobody acknowledges is given up, its observation
 * stays. */
#ifndef SIM_LWM2M_DEVICE_H
#define SIM_LWM2M_DEVICE_H

#include "base/bytes.h"
#include "base/prng.h"

struct lwm2m_device;

struct lwm2m_device_options {
    const char *endpoint;
    uint64_t seed;  /* tokens; first Message ID */
    bool fixed_ids; /* tests: Message IDs and tokens (4 bytes, big-endian) start at 1 on every device */
    uint32_t lifetime_s;
    uint32_t update_period_s; /* 0 = at 3/4 of the lifetime */
    uint32_t notify_period_s; /* of observed resources; 0 = never */
    bool notify_confirmable;
    uint32_t send_period_s;  /* LwM2M Send; 0 = never */
    uint64_t start_at_ms;    /* when it registers first */
    uint64_t ack_timeout_ms; /* its own retransmission, RFC 7252: 2000 .. for NIDD larger is wise: 10000 */
    uint32_t max_retransmit; /* 4 */
};
/* Lifetime 86400 s, confirmable notifications every 300 s, no Send, retransmission as said above. */
void lwm2m_device_options_default(struct lwm2m_device_options *o);

struct lwm2m_device_ports {
    void *ctx;
    void (*send)(void *ctx, struct bytes message);
    /* Evidence for tests; the message is the one received or sent; may be NULL.
     *   of its own doing    "registered" "updated" "deregistered" "send_done" "refused" (answered with an error),
     *                       "notify" (sent) "notified" (acknowledged), "retransmitted" "gave_up" "reset"
     *   asked by a server   "read" "observed" "cancelled" "written" "executed" "discovered" "denied" (answered 4.xx),
     *                       "repeat" (known already, answered alike), "ping", "stray" (an answer to nothing) */
    void (*event)(void *ctx, const char *what, struct bytes message);
};

[[gnu::warn_unused_result]] enum error lwm2m_device_new(const struct lwm2m_device_options *o,
                                                        const struct lwm2m_device_ports *ports,
                                                        struct lwm2m_device **out);
void lwm2m_device_free(struct lwm2m_device *d);
/* Ports may be called meanwhile; they must not call the device. */
void lwm2m_device_receive(struct lwm2m_device *d, uint64_t now_ms, struct bytes message);
void lwm2m_device_wake(struct lwm2m_device *d, uint64_t now_ms);
uint64_t lwm2m_device_next_wake(const struct lwm2m_device *d); /* UINT64_MAX: nothing to do */

/* De-registers (if it is registered) and then stays silent, but answers requests. */
void lwm2m_device_stop(struct lwm2m_device *d, uint64_t now_ms);

bool lwm2m_device_registered(const struct lwm2m_device *d);
uint64_t lwm2m_device_executions(const struct lwm2m_device *d); /* of /3/0/4: distinct requests, and see repeats */
uint64_t lwm2m_device_repeats(const struct lwm2m_device *d);    /* messages recognised as repeated and answered alike */

#endif
