/* DTLS between a device and its server: the relay can read nothing of it and need not. It goes as it is, in order.
 * There is no message layer here: what is lost, or cannot be handed on, DTLS itself repeats (RFC 6347 clause 4.2.4). */
#include "nidd/configuration.h"

void opaque_from_device(struct engine *e, struct device *d, uint32_t server, struct bytes record)
{
    event_message(e, ENGINE_UPLINK, d, NO_SERVER, record, "dtls");
    const char *why_not = NULL;
    if (record.len <= COAP_HEADER_BYTES)
        why_not = "not_dtls"; /* no record is as short as that */
    else if (e->servers[server].transport != ENGINE_TRANSPORT_UDP)
        why_not = "dtls_needs_udp"; /* that server has a session or connection of ours already */
    else if (!e->servers[server].up)
        why_not = "server_down";
    else if (server_send(e, d, server, record.data, bytes_from(record, COAP_HEADER_BYTES), "dtls") != OK)
        why_not = "send_failed";
    if (why_not)
        event_drop(e, d, server, record, why_not);
}

void opaque_from_server(struct engine *e, struct device *d, uint32_t server, struct bytes record)
{
    event_message(e, ENGINE_FROM_SERVER, d, server, record, "dtls");
    const char *why_not = NULL;
    if (e->draining)
        why_not = "shutting down";
    else if (!d->routed)
        why_not = "device is not configured";
    else if (configuration_refuses(d))
        why_not = "refused by the SCEF";
    else if (record.len <= COAP_HEADER_BYTES)
        why_not = "not_dtls";
    else if (record.len > device_packet_size(e, d))
        why_not = "larger than the device's packet size";
    if (!why_not) {
        struct downlink_new n = {
            .device = d, .message = blob_of(record), .class_ = QUEUE_DTLS, .server = server, .server_type = COAP_NON};
        enum error err = downlink_add(e, &n, NULL);
        if (!err)
            return;
        why_not = error_text(err);
    }
    event_drop(e, d, server, record, why_not);
}
