#include "tests/t8/scs_requests.h"

const struct t8_identity scs_device = {.external_id = {(const uint8_t *)EXT, sizeof EXT - 1}};
static const struct t8_rds_port port_57 = {.ue = 5, .scef = 7};

const struct nidd_downlink scs_delivery = {
    .id = {.external_id = {(const uint8_t *)EXT, sizeof EXT - 1}},
    .self = {(const uint8_t *)"/x", 2}, /* a SCEF's to write */
    .delivery_status = T8_DELIVERY_SUCCESS,
    .requested_retransmission_ms = 1,
    .data = {(const uint8_t *)"abc", 3},
    .reliable_data_service = T8_FLAG_TRUE,
    .rds_port = {true, 1, 2},
    .has_maximum_latency = true,
    .maximum_latency_s = 60,
    .has_priority = true,
    .priority = -1,
    .pdn_option = T8_PDN_SEND_TRIGGER,
};
#define DELIVERY                                                                                                       \
    "{\"externalId\":\"" EXT "\",\"data\":\"YWJj\",\"reliableDataService\":true,\"rdsPort\":{\"portUE\":1,"            \
    "\"portSCEF\":2},\"maximumLatency\":60,\"priority\":-1,\"pdnEstablishmentOption\":\"SEND_TRIGGER\"}"

static enum error configuration_create(struct scs_client *c, uint64_t ref)
{
    struct nidd_downlink one = scs_delivery;
    struct t8_rds_port ports[] = {{true, 1, 2}};
    const struct nidd_configuration wanted = {
        .id = scs_device,
        .self = BYTES_LIT("/x"),
        .status = T8_NIDD_ACTIVE,
        .maximum_packet_size_bits = 8,
        .notification_destination = BYTES_LIT("http://as/cb"),
        .supported_features = 0xff,
        .duration_ms = IN_2096_MS,
        .pdn_option = T8_PDN_WAIT_FOR_UE,
        .reliable_data_service = T8_FLAG_TRUE,
        .rds_ports = ports,
        .rds_ports_count = 1,
        .request_test_notification = T8_FLAG_TRUE,
        .websocket = {.present = true, .request_uri = T8_FLAG_TRUE, .uri = BYTES_LIT("ws://x/")},
        .downlinks = &one,
        .downlinks_count = 1,
    };
    return scs_configuration_create_with(c, ref, &wanted);
}

static enum error configuration_patch(struct scs_client *c, uint64_t ref, struct bytes link)
{
    struct t8_rds_port ports[] = {{true, 1, 2}};
    const struct nidd_configuration_patch p = {.has_duration = true, .rds_ports = ports, .rds_ports_count = 1};
    return scs_configuration_patch(c, ref, link, &p);
}

static const struct device_triggering trigger = {
    .id = {.msisdn = {(const uint8_t *)"491700000001", 12}},
    .self = {(const uint8_t *)"/x", 2},
    .result = DEVICE_TRIGGERING_SUCCESS,
    .features = {true, DEVICE_TRIGGERING_FEATURE_TEST | DEVICE_TRIGGERING_FEATURE_PATCH},
    .validity_period_s = {true, 600},
    .priority = DEVICE_TRIGGERING_NO_PRIORITY,
    .application_port = 5683,
    .source_port = {true, 1},
    .payload = {.present = true, .bytes = {(const uint8_t *)"\1", 1}},
    .notification_destination = {(const uint8_t *)"http://as/cb", 12},
};
#define TRIGGER                                                                                                        \
    "{\"msisdn\":\"491700000001\",\"supportedFeatures\":\"6\",\"validityPeriod\":600,\"priority\":\"NO_PRIORITY\","    \
    "\"applicationPortId\":5683,\"appSrcPortId\":1,\"triggerPayload\":\"AQ==\"," DEST "}"

static const struct monitoring_subscription subscription = {
    .id = {.external_id = {(const uint8_t *)EXT, sizeof EXT - 1}},
    .self = {(const uint8_t *)"/x", 2},
    .features = {true, MONITORING_FEATURE_PATCH | MONITORING_FEATURE_MODIFICATION},
    .notification_destination = {(const uint8_t *)"http://as/cb", 12},
    .type = MONITORING_PDN_CONNECTIVITY_STATUS,
    .maximum_number_of_reports = {true, 5},
    .report_period_s = {true, 60},
    .report = {.present = true, .type = MONITORING_ROAMING_STATUS},
};
/* The event's own feature (13) is added. */
#define SUBSCRIPTION                                                                                                   \
    "{\"supportedFeatures\":\"8001400\",\"externalId\":\"" EXT "\"," DEST                                              \
    ",\"monitoringType\":\"PDN_CONNECTIVITY_STATUS\",\"maximumNumberOfReports\":5,\"repPeriod\":60}"

enum error scs_ask(struct scs_client *c, uint64_t ref, enum t8_operation o, const struct scs_links *links)
{
    const struct bytes c7 = bytes_of_str(links ? links->configuration : C7);
    const struct bytes d9 = bytes_of_str(links ? links->delivery : D9);
    const struct bytes t1 = bytes_of_str(links ? links->transaction : T1);
    const struct bytes s1 = bytes_of_str(links ? links->subscription : S1);
    const struct nidd_managed_port managed = {.self = BYTES_LIT("/x"),
                                              .app_id = BYTES_LIT("lwm2m"),
                                              .manage_entity = NIDD_MANAGE_UE,
                                              .skip_ue_inquiry = T8_FLAG_TRUE,
                                              .supported_formats = NIDD_FORMAT_BIT(NIDD_FORMAT_CBOR),
                                              .configured_format = NIDD_FORMAT_CBOR};
    const struct nidd_downlink_patch delivery_patch = {.priority = {true, 3}};
    const struct device_triggering_patch trigger_patch = {.validity_period_s = {true, 60}};
    struct monitoring_patch_item items[] = {
        {.op = MONITORING_PATCH_ADD, .path = BYTES_LIT("/monitorExpireTime"), .value = BYTES_LIT("\"" IN_2096 "\"")},
        {.op = MONITORING_PATCH_REMOVE, .path = BYTES_LIT("/repPeriod")}};
    const struct monitoring_patch monitoring_patch = {.items = items, .items_count = 2};
    switch (o) {
    case T8_CONFIGURATION_LIST:
        return scs_configuration_list(c, ref);
    case T8_CONFIGURATION_CREATE:
        return configuration_create(c, ref);
    case T8_CONFIGURATION_GET:
        return scs_configuration_get(c, ref, c7);
    case T8_CONFIGURATION_PATCH:
        return configuration_patch(c, ref, c7);
    case T8_CONFIGURATION_DELETE:
        return scs_configuration_delete(c, ref, c7);
    case T8_DELIVERY_LIST:
        return scs_delivery_list(c, ref, c7);
    case T8_DELIVERY_CREATE:
        return scs_downlink_submit_with(c, ref, c7, &scs_delivery);
    case T8_DELIVERY_GET:
        return scs_delivery_get(c, ref, d9);
    case T8_DELIVERY_PUT:
        return scs_delivery_put(c, ref, d9, &scs_delivery);
    case T8_DELIVERY_PATCH:
        return scs_delivery_patch(c, ref, d9, &delivery_patch);
    case T8_DELIVERY_DELETE:
        return scs_delivery_delete(c, ref, d9);
    case T8_PORT_LIST:
        return scs_port_list(c, ref, c7);
    case T8_PORT_GET:
        return scs_port_get(c, ref, c7, port_57);
    case T8_PORT_PUT:
        return scs_port_put(c, ref, c7, port_57, &managed);
    case T8_PORT_DELETE:
        return scs_port_delete(c, ref, c7, port_57);
    case T8_TRANSACTION_LIST:
        return scs_transaction_list(c, ref);
    case T8_TRANSACTION_CREATE:
        return scs_transaction_create(c, ref, &trigger);
    case T8_TRANSACTION_GET:
        return scs_transaction_get(c, ref, t1);
    case T8_TRANSACTION_PUT:
        return scs_transaction_put(c, ref, t1, &trigger);
    case T8_TRANSACTION_PATCH:
        return scs_transaction_patch(c, ref, t1, &trigger_patch);
    case T8_TRANSACTION_DELETE:
        return scs_transaction_delete(c, ref, t1);
    case T8_SUBSCRIPTION_LIST:
        return scs_subscription_list(c, ref);
    case T8_SUBSCRIPTION_CREATE:
        return scs_subscription_create(c, ref, &subscription);
    case T8_SUBSCRIPTION_GET:
        return scs_subscription_get(c, ref, s1);
    case T8_SUBSCRIPTION_PUT:
        return scs_subscription_put(c, ref, s1, &subscription);
    case T8_SUBSCRIPTION_PATCH:
        return scs_subscription_patch(c, ref, s1, &monitoring_patch);
    case T8_SUBSCRIPTION_DELETE:
        return scs_subscription_delete(c, ref, s1);
    case T8_OPERATION_COUNT:
        break;
    }
    return ERR_SYSTEM;
}

const struct scs_wire scs_wires[T8_OPERATION_COUNT] = {
    [T8_CONFIGURATION_LIST] = {NIDD "/as1/configurations", NULL, ""},
    [T8_CONFIGURATION_CREATE] = {NIDD "/as1/configurations", "application/json",
                                 "{\"supportedFeatures\":\"FF\",\"externalId\":\"" EXT "\",\"duration\":\"" IN_2096
                                 "\",\"pdnEstablishmentOption\":\"WAIT_FOR_UE\"," DEST ",\"reliableDataService\":true,"
                                 "\"rdsPorts\":[{\"portUE\":1,\"portSCEF\":2}],\"requestTestNotification\":true,"
                                 "\"websockNotifConfig\":{\"requestWebsocketUri\":true},"
                                 "\"niddDownlinkDataTransfers\":[" DELIVERY "]}"},
    [T8_CONFIGURATION_GET] = {NIDD C7, NULL, ""},
    [T8_CONFIGURATION_PATCH] = {NIDD C7, "application/merge-patch+json",
                                "{\"duration\":null,\"rdsPorts\":[{\"portUE\":1,\"portSCEF\":2}]}"},
    [T8_CONFIGURATION_DELETE] = {NIDD C7, NULL, ""},
    [T8_DELIVERY_LIST] = {NIDD C7 "/downlink-data-deliveries", NULL, ""},
    [T8_DELIVERY_CREATE] = {NIDD C7 "/downlink-data-deliveries", "application/json", DELIVERY},
    [T8_DELIVERY_GET] = {NIDD D9, NULL, ""},
    [T8_DELIVERY_PUT] = {NIDD D9, "application/json", DELIVERY},
    [T8_DELIVERY_PATCH] = {NIDD D9, "application/json", "{\"priority\":3}"},
    [T8_DELIVERY_DELETE] = {NIDD D9, NULL, ""},
    [T8_PORT_LIST] = {NIDD C7 "/rds-ports", NULL, ""},
    [T8_PORT_GET] = {NIDD P57, NULL, ""},
    [T8_PORT_PUT] = {NIDD P57, "application/json",
                     "{\"appId\":\"lwm2m\",\"skipUeInquiry\":true,\"supportedFormats\":[\"CBOR\"]}"},
    [T8_PORT_DELETE] = {NIDD P57, NULL, ""},
    [T8_TRANSACTION_LIST] = {TRIG "/as1/transactions", NULL, ""},
    [T8_TRANSACTION_CREATE] = {TRIG "/as1/transactions", "application/json", TRIGGER},
    [T8_TRANSACTION_GET] = {TRIG T1, NULL, ""},
    [T8_TRANSACTION_PUT] = {TRIG T1, "application/json", TRIGGER},
    [T8_TRANSACTION_PATCH] = {TRIG T1, "application/json", "{\"validityPeriod\":60}"},
    [T8_TRANSACTION_DELETE] = {TRIG T1, NULL, ""},
    [T8_SUBSCRIPTION_LIST] = {MON "/as1/subscriptions", NULL, ""},
    [T8_SUBSCRIPTION_CREATE] = {MON "/as1/subscriptions", "application/json", SUBSCRIPTION},
    [T8_SUBSCRIPTION_GET] = {MON S1, NULL, ""},
    [T8_SUBSCRIPTION_PUT] = {MON S1, "application/json", SUBSCRIPTION},
    [T8_SUBSCRIPTION_PATCH] = {MON S1, "application/json-patch+json",
                               "[{\"op\":\"add\",\"path\":\"/monitorExpireTime\",\"value\":\"" IN_2096
                               "\"},{\"op\":\"remove\",\"path\":\"/repPeriod\"}]"},
    [T8_SUBSCRIPTION_DELETE] = {MON S1, NULL, ""},
};
