/* What the engine tells: small helpers that fill an event in. */
#include "nidd/configuration.h"

#include <string.h>

const char *final_state_name(enum final_state s)
{
    static const char *const names[FINAL_COUNT] = {"none",      "answered", "delivered", "expired",
                                                   "displaced", "rejected", "failed",    "cancelled"};
    return s < FINAL_COUNT ? names[s] : "none";
}

struct bytes device_id_bytes(const struct device *d)
{
    return d ? bytes_of_str(d->id) : (struct bytes){0};
}

struct t8_identity device_identity(const struct device *d)
{
    /* Requests name exactly one identity (TS 29.122 clause 5.6.2.1.3). */
    return d->id_is_msisdn ? (struct t8_identity){.msisdn = bytes_of_str(d->id)}
                           : (struct t8_identity){.external_id = bytes_of_str(d->id)};
}

void event_emit(struct engine *e, const struct device *d, struct engine_event *ev)
{
    ev->device_id = device_id_bytes(d);
    ev->scef = d ? device_scef(d) : ENGINE_NONE;
    if (!ev->reason)
        ev->reason = "";
    e->ports.event(e->ports.ctx, ev);
}

void event_message(struct engine *e, enum engine_event_kind kind, const struct device *d, uint32_t server,
                   struct bytes message, const char *reason)
{
    struct engine_event ev = {.kind = kind, .server = server, .message = message, .reason = reason};
    if (message.len >= COAP_HEADER_BYTES) {
        ev.type = message.data[0] >> 4 & 3;
        ev.message_id = (uint16_t)(message.data[2] << 8 | message.data[3]);
    }
    event_emit(e, d, &ev);
}

void event_drop(struct engine *e, const struct device *d, uint32_t server, struct bytes message, const char *reason)
{
    event_message(e, ENGINE_DROPPED, d, server, message, reason);
}
