/* The calls of t8/scs_client.h: what the caller wants, without what only a SCEF may write. */
#include "t8/scs_protocol.h"

static enum error call(struct scs_client *c, uint64_t ref, enum t8_operation o, struct bytes link, const void *input)
{
    return scs_client_call(c, ref, &(struct scs_call){.operation = o, .link = link, .input = input});
}

static const struct bytes nowhere;

/* ---- configurations */

enum error scs_configuration_create(struct scs_client *c, uint64_t ref, struct t8_identity id,
                                    const char *notification_destination)
{
    const struct nidd_configuration wanted = {
        .id = id,
        .notification_destination = bytes_of_str(notification_destination),
        .has_supported_features = true, /* none needed yet, but the attribute "shall" be there */
        .duration_ms = scs_client_configuration_end_ms(c),
    };
    return call(c, ref, T8_CONFIGURATION_CREATE, nowhere, &wanted);
}

/* What a delivery says when an AS writes it. */
static struct nidd_downlink delivery_of_ours(const struct nidd_downlink *d)
{
    struct nidd_downlink ours = *d;
    ours.self = nowhere;
    ours.delivery_status = T8_DELIVERY_UNSET;
    ours.requested_retransmission_ms = 0;
    return ours;
}

enum error scs_configuration_create_with(struct scs_client *c, uint64_t ref, const struct nidd_configuration *wanted)
{
    struct nidd_configuration ours = *wanted;
    struct nidd_downlink delivery;
    ours.self = nowhere;
    ours.has_supported_features = true;
    ours.maximum_packet_size_bits = 0;
    ours.status = T8_NIDD_STATUS_UNSET;
    ours.websocket.uri = nowhere;
    if (wanted->downlinks_count > 1 || (wanted->downlinks_count && wanted->id.external_group_id.len))
        return ERR_MEMBER_TYPE; /* TS 29.122 clause 4.4.5.2 */
    if (wanted->downlinks_count) {
        delivery = delivery_of_ours(wanted->downlinks);
        ours.downlinks = &delivery;
    }
    return call(c, ref, T8_CONFIGURATION_CREATE, nowhere, &ours);
}

enum error scs_configuration_get(struct scs_client *c, uint64_t ref, struct bytes link)
{
    return call(c, ref, T8_CONFIGURATION_GET, link, NULL);
}

enum error scs_configuration_patch(struct scs_client *c, uint64_t ref, struct bytes link,
                                   const struct nidd_configuration_patch *p)
{
    return call(c, ref, T8_CONFIGURATION_PATCH, link, p);
}

enum error scs_configuration_list(struct scs_client *c, uint64_t ref)
{
    return call(c, ref, T8_CONFIGURATION_LIST, nowhere, NULL);
}

enum error scs_configuration_delete(struct scs_client *c, uint64_t ref, struct bytes link)
{
    return call(c, ref, T8_CONFIGURATION_DELETE, link, NULL);
}

/* ---- deliveries */

enum error scs_downlink_submit(struct scs_client *c, uint64_t ref, struct bytes configuration_link,
                               struct t8_identity id, struct bytes data, uint32_t maximum_latency_s)
{
    const struct nidd_downlink d = {
        .id = id, .data = data, .has_maximum_latency = true, .maximum_latency_s = maximum_latency_s};
    return call(c, ref, T8_DELIVERY_CREATE, configuration_link, &d);
}

enum error scs_downlink_submit_with(struct scs_client *c, uint64_t ref, struct bytes configuration_link,
                                    const struct nidd_downlink *d)
{
    struct nidd_downlink ours = delivery_of_ours(d);
    return call(c, ref, T8_DELIVERY_CREATE, configuration_link, &ours);
}

enum error scs_delivery_list(struct scs_client *c, uint64_t ref, struct bytes configuration_link)
{
    return call(c, ref, T8_DELIVERY_LIST, configuration_link, NULL);
}

enum error scs_delivery_get(struct scs_client *c, uint64_t ref, struct bytes link)
{
    return call(c, ref, T8_DELIVERY_GET, link, NULL);
}

enum error scs_delivery_put(struct scs_client *c, uint64_t ref, struct bytes link, const struct nidd_downlink *d)
{
    struct nidd_downlink ours = delivery_of_ours(d);
    return call(c, ref, T8_DELIVERY_PUT, link, &ours);
}

enum error scs_delivery_patch(struct scs_client *c, uint64_t ref, struct bytes link,
                              const struct nidd_downlink_patch *p)
{
    return call(c, ref, T8_DELIVERY_PATCH, link, p);
}

enum error scs_delivery_delete(struct scs_client *c, uint64_t ref, struct bytes link)
{
    return call(c, ref, T8_DELIVERY_DELETE, link, NULL);
}

/* ---- ports */

static enum error port_call(struct scs_client *c, uint64_t ref, enum t8_operation o, struct bytes configuration_link,
                            struct t8_rds_port port, const struct nidd_managed_port *m)
{
    if (port.ue > 15 || port.scef > 15)
        return ERR_MEMBER_TYPE; /* RDS has no more, whatever the schema allows */
    port.present = true;
    return scs_client_call(c, ref,
                           &(struct scs_call){.operation = o, .link = configuration_link, .port = port, .input = m});
}

enum error scs_port_list(struct scs_client *c, uint64_t ref, struct bytes configuration_link)
{
    return call(c, ref, T8_PORT_LIST, configuration_link, NULL);
}

enum error scs_port_get(struct scs_client *c, uint64_t ref, struct bytes configuration_link, struct t8_rds_port port)
{
    return port_call(c, ref, T8_PORT_GET, configuration_link, port, NULL);
}

enum error scs_port_put(struct scs_client *c, uint64_t ref, struct bytes configuration_link, struct t8_rds_port port,
                        const struct nidd_managed_port *m)
{
    struct nidd_managed_port ours = *m;
    ours.self = nowhere;
    ours.manage_entity = NIDD_MANAGE_UNSET;
    ours.configured_format = NIDD_FORMAT_UNSET;
    return port_call(c, ref, T8_PORT_PUT, configuration_link, port, &ours);
}

enum error scs_port_delete(struct scs_client *c, uint64_t ref, struct bytes configuration_link, struct t8_rds_port port)
{
    return port_call(c, ref, T8_PORT_DELETE, configuration_link, port, NULL);
}

/* ---- device triggering */

static enum error transaction_call(struct scs_client *c, uint64_t ref, enum t8_operation o, struct bytes link,
                                   const struct device_triggering *t)
{
    struct device_triggering ours = *t;
    ours.self = nowhere;
    ours.result = DEVICE_TRIGGERING_RESULT_UNSET;
    ours.websocket.uri = nowhere;
    ours.features.present = true; /* "shall" be there */
    return call(c, ref, o, link, &ours);
}

enum error scs_transaction_list(struct scs_client *c, uint64_t ref)
{
    return call(c, ref, T8_TRANSACTION_LIST, nowhere, NULL);
}

enum error scs_transaction_create(struct scs_client *c, uint64_t ref, const struct device_triggering *t)
{
    return transaction_call(c, ref, T8_TRANSACTION_CREATE, nowhere, t);
}

enum error scs_transaction_get(struct scs_client *c, uint64_t ref, struct bytes link)
{
    return call(c, ref, T8_TRANSACTION_GET, link, NULL);
}

enum error scs_transaction_put(struct scs_client *c, uint64_t ref, struct bytes link, const struct device_triggering *t)
{
    return transaction_call(c, ref, T8_TRANSACTION_PUT, link, t);
}

enum error scs_transaction_patch(struct scs_client *c, uint64_t ref, struct bytes link,
                                 const struct device_triggering_patch *p)
{
    return call(c, ref, T8_TRANSACTION_PATCH, link, p);
}

enum error scs_transaction_delete(struct scs_client *c, uint64_t ref, struct bytes link)
{
    return call(c, ref, T8_TRANSACTION_DELETE, link, NULL);
}

/* ---- monitoring events */

static enum error subscription_call(struct scs_client *c, uint64_t ref, enum t8_operation o, struct bytes link,
                                    const struct monitoring_subscription *s)
{
    struct monitoring_subscription ours = *s;
    ours.self = nowhere;
    ours.websocket.uri = nowhere;
    ours.report = (struct monitoring_report){0};
    ours.additional_reports = NULL;
    ours.additional_reports_count = 0;
    ours.features.present = true;
    ours.features.bits |= monitoring_type_feature(ours.type); /* else EVENT_FEATURE_MISMATCH */
    return call(c, ref, o, link, &ours);
}

enum error scs_subscription_list(struct scs_client *c, uint64_t ref)
{
    return call(c, ref, T8_SUBSCRIPTION_LIST, nowhere, NULL);
}

enum error scs_subscription_create(struct scs_client *c, uint64_t ref, const struct monitoring_subscription *s)
{
    return subscription_call(c, ref, T8_SUBSCRIPTION_CREATE, nowhere, s);
}

enum error scs_subscription_get(struct scs_client *c, uint64_t ref, struct bytes link)
{
    return call(c, ref, T8_SUBSCRIPTION_GET, link, NULL);
}

enum error scs_subscription_put(struct scs_client *c, uint64_t ref, struct bytes link,
                                const struct monitoring_subscription *s)
{
    return subscription_call(c, ref, T8_SUBSCRIPTION_PUT, link, s);
}

enum error scs_subscription_patch(struct scs_client *c, uint64_t ref, struct bytes link,
                                  const struct monitoring_patch *p)
{
    return call(c, ref, T8_SUBSCRIPTION_PATCH, link, p);
}

enum error scs_subscription_delete(struct scs_client *c, uint64_t ref, struct bytes link)
{
    return call(c, ref, T8_SUBSCRIPTION_DELETE, link, NULL);
}
