/* What the files of the built-in device share.
 *
 *   lwm2m_device.c           its own life: register, update, notify, send; retransmission
 *   lwm2m_device_request.c   serving requests, observations, the memory of answers
 *   lwm2m_device_objects.c   resources and their forms; lwm2m_device_tlv.c
 *   lwm2m_device_coap.c      messages as bytes */
#ifndef SIM_LWM2M_DEVICE_INTERNAL_H
#define SIM_LWM2M_DEVICE_INTERNAL_H

#include "sim/lwm2m_device.h"

#include "sim/lwm2m_device_coap.h"
#include "sim/lwm2m_device_objects.h"

#define DEVICE_NEVER                UINT64_MAX
#define DEVICE_EXCHANGE_LIFETIME_MS 247000 /* RFC 7252 clause 4.8.2 */
#define DEVICE_RECENT_MAX           32     /* messages remembered; the oldest is forgotten first */
#define DEVICE_OBSERVATION_MAX      8
#define DEVICE_NOTIFY_MIDS          4 /* a late Reset may name one of so many notifications */

/* The one confirmable message of ours that is under way. */
enum device_exchange_kind {
    EXCHANGE_NONE,
    EXCHANGE_REGISTER,
    EXCHANGE_UPDATE,
    EXCHANGE_DEREGISTER,
    EXCHANGE_NOTIFY,
    EXCHANGE_SEND
};
struct device_exchange {
    enum device_exchange_kind kind;
    uint16_t mid;
    struct device_token token;
    bool acknowledged; /* by an empty ACK: a separate response will come */
    uint32_t retransmits;
    uint64_t timeout_ms;
    uint64_t at_ms;
    struct buf message;
};

struct device_observation {
    bool used;
    bool due; /* a confirmable notification waits for its turn */
    struct device_token token;
    struct device_path path;
    int format;
    uint32_t sequence;
    uint16_t mids[DEVICE_NOTIFY_MIDS];
    unsigned mid_count; /* ever; the ring's position too */
};

/* A CON or NON that was received, by the peer's Message ID, with what it was answered. */
struct device_recent {
    uint16_t mid;
    uint64_t until_ms;
    size_t len; /* 0: nothing was answered */
    uint8_t answer[];
};

struct lwm2m_device {
    struct lwm2m_device_options options;
    struct lwm2m_device_ports ports;
    char *endpoint;
    struct prng prng;
    uint16_t next_mid;
    uint32_t next_token;
    struct device_objects objects;
    struct device_exchange exchange;
    struct buf scratch;  /* the message being written */
    struct buf value;    /* its payload */
    struct buf location; /* path segments, each after its length byte */
    bool registered;
    bool stopped;
    bool parameters_changed; /* lifetime, binding: the next Update tells them */
    uint64_t registered_until_ms;
    uint64_t register_at_ms, update_at_ms, notify_at_ms, send_at_ms;
    uint64_t backoff_ms;
    struct device_observation observations[DEVICE_OBSERVATION_MAX];
    struct device_recent *recent[DEVICE_RECENT_MAX]; /* a ring */
    unsigned recent_first, recent_count;             /* the oldest one, and how many */
    uint64_t executions, repeats;
};

/* lwm2m_device.c */
void device_send(struct lwm2m_device *d, struct bytes message);
void device_event(struct lwm2m_device *d, const char *what, struct bytes message);
uint16_t device_mid(struct lwm2m_device *d);
/* Starts the clock of notifications with the first observation, stops it with the last. */
void device_notify_clock(struct lwm2m_device *d, uint64_t now_ms);

/* lwm2m_device_request.c */
/* A CON or NON that came before: answered alike; true when so. */
bool device_recent_answer(struct lwm2m_device *d, uint64_t now_ms, const struct device_message *m, struct bytes in);
/* Remembers what m was answered; an empty answer is remembered too. */
void device_recent_add(struct lwm2m_device *d, uint64_t now_ms, uint16_t mid, struct bytes answer);
void device_recent_free(struct lwm2m_device *d);
void device_request(struct lwm2m_device *d, uint64_t now_ms, const struct device_message *m, struct bytes in);
/* Writes the notification of o into d->scratch. */
void device_notification_write(struct lwm2m_device *d, struct device_observation *o, uint64_t now_ms,
                               enum device_coap_type type, uint16_t mid);
/* The Reset to message `mid` ends the observation that it notified; true when there was one. */
bool device_observation_reset(struct lwm2m_device *d, uint64_t now_ms, uint16_t mid);
bool device_observed(const struct lwm2m_device *d);

#endif
