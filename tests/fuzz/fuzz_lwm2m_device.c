/* Any sequence of messages, at any pace, to the built-in LwM2M device.
 *
 * The input: two bytes of options, then records {length, pause, message}. What the device sends must be CoAP that it
 * can read itself; it must want to be woken in the future, and never grow without bound. */
#include <stdlib.h>

#include "sim/lwm2m_device.h"
#include "sim/lwm2m_device_coap.h"

#define SENT_MAX 64 /* per input: observations and an exchange, not more */

static unsigned sent;

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void on_send(void *ctx, struct bytes message)
{
    struct device_message m;
    (void)ctx;
    must(device_message_parse(message, &m) == DEVICE_PARSED);
    must(message.len < 2048);
    must(++sent < SENT_MAX);
}

static void on_event(void *ctx, const char *what, struct bytes message)
{
    (void)ctx, (void)message;
    must(what[0] != 0);
}

/* Wakes the device as often as it wants until `until_ms`, at most a few times. */
static void pass(struct lwm2m_device *d, uint64_t *now_ms, uint64_t until_ms)
{
    for (unsigned i = 0; i < 16 && lwm2m_device_next_wake(d) <= until_ms; i++) {
        uint64_t next_ms = lwm2m_device_next_wake(d);
        *now_ms = next_ms > *now_ms ? next_ms : *now_ms;
        sent = 0;
        lwm2m_device_wake(d, *now_ms);
        must(lwm2m_device_next_wake(d) > *now_ms);
    }
    *now_ms = until_ms > *now_ms ? until_ms : *now_ms;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader r = {.rest = bytes_of(data, size)};
    uint8_t flags = reader_u8(&r), period = reader_u8(&r);
    struct lwm2m_device_options o;
    lwm2m_device_options_default(&o);
    o.fixed_ids = true;
    o.endpoint = "urn:nai:fuzz";
    o.lifetime_s = 600;
    o.notify_confirmable = flags & 1;
    o.send_period_s = flags & 2 ? 60 : 0;
    o.notify_period_s = period;
    o.start_at_ms = 1000;
    struct lwm2m_device_ports ports = {.send = on_send, .event = on_event};
    struct lwm2m_device *d;
    if (lwm2m_device_new(&o, &ports, &d) != OK)
        return 0;
    uint64_t now_ms = 0;
    pass(d, &now_ms, 1000);
    while (r.rest.len > 0) {
        uint8_t len = reader_u8(&r), pause = reader_u8(&r);
        pass(d, &now_ms, now_ms + (uint64_t)pause * pause * 10);
        struct bytes message = reader_bytes(&r, len <= r.rest.len ? len : r.rest.len);
        uint8_t *exact = bytes_dup(message); /* so that a read beyond it is seen */
        if (exact == NULL)
            break;
        sent = 0;
        lwm2m_device_receive(d, now_ms, bytes_of(exact, message.len));
        free(exact);
        if (flags & 4 && pause == 255)
            lwm2m_device_stop(d, now_ms);
    }
    pass(d, &now_ms, now_ms + 1000000);
    lwm2m_device_free(d);
    return 0;
}
