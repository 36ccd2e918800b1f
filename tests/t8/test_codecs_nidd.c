/* NIDD beyond single devices' plain data: groups, RDS, piggy-backed deliveries, patches; and how all notifications are
 * told apart. */
#include "tests/t8/codec_checks.h"

#define DELIVERY "\"niddDownlinkDataTransfer\":\"/as1/configurations/c/downlink-data-deliveries/d\""
#define LINK     "\"niddConfiguration\":\"/as1/configurations/c\""
#define TO       "\"notificationDestination\":\"http://as/\""

/* ---- groups */

static void group_configuration_and_delivery(void **state)
{
    (void)state;
    struct nidd_configuration c;
    struct nidd_downlink d;
    struct t8_problem p;
    struct buf b = {0};
    const char *configuration = "{\"externalGroupId\":\"meters@iot.example.org\"," TO "}";
    assert_int_equal(nidd_configuration_decode_request(bytes_of_str(configuration), &c, &p), OK);
    assert_bytes_str(c.id.external_group_id, "meters@iot.example.org");
    assert_int_equal(c.id.external_id.len + c.id.msisdn.len, 0);
    assert_int_equal(nidd_configuration_encode(&c, &b), OK);
    assert_text(&b, configuration);
    nidd_configuration_release(&c);

    const char *delivery = "{\"externalGroupId\":\"meters@iot.example.org\",\"data\":\"AQ==\",\"maximumLatency\":60}";
    assert_int_equal(nidd_downlink_decode_request(bytes_of_str(delivery), &d, &p), OK);
    assert_int_equal(nidd_downlink_encode(&d, &b), OK);
    assert_text(&b, delivery);
    nidd_downlink_release(&d);

    static const struct refusal rows[] = {
        {"{\"externalGroupId\":7,\"data\":\"AQ==\"}", ERR_MEMBER_TYPE, "/externalGroupId"},
        {"{\"externalGroupId\":\"nogroup\",\"data\":\"AQ==\"}", ERR_MEMBER_TYPE, "/externalGroupId"},
        {"{\"externalGroupId\":\"a b@c\",\"data\":\"AQ==\"}", ERR_MEMBER_TYPE, "/externalGroupId"},
        {"{\"externalGroupId\":\"g@c\",\"externalId\":\"a@b\",\"data\":\"AQ==\"}", ERR_IDENTITY, "/externalGroupId"},
        {"{\"externalGroupId\":\"g@c\",\"msisdn\":\"91\",\"data\":\"AQ==\"}", ERR_IDENTITY, "/externalGroupId"},
    };
    ASSERT_REFUSED(rows, nidd_downlink, nidd_downlink_decode_request, nidd_downlink_release);
}

static void group_result(void **state)
{
    (void)state;
    const char *body = "{" DELIVERY ",\"gmdResults\":[{\"externalId\":\"a@b\",\"deliveryStatus\":\"SUCCESS\"},"
                       "{\"msisdn\":\"91\",\"deliveryStatus\":\"FAILURE_TEMPORARILY_NOT_REACHABLE\","
                       "\"requestedRetransmissionTime\":\"2026-11-20T07:00:00Z\"}]}";
    struct nidd_notification n = decoded(body, NIDD_NOTIFICATION_GROUP_RESULT);
    assert_int_equal(n.group_result.results_count, 2);
    assert_bytes_str(n.group_result.results[0].id.external_id, "a@b");
    assert_int_equal(n.group_result.results[1].requested_retransmission_ms, 1795158000000);
    struct buf b = {0};
    assert_int_equal(nidd_group_result_encode(&n.group_result, &b), OK);
    assert_text(&b, body);
    nidd_notification_release(&n);
    nidd_notification_release(&n);
}

/* Before V15.2.0: no identity in a result, the old words, and an empty array. */
static void old_group_results(void **state)
{
    (void)state;
    struct nidd_notification n =
        decoded("{" DELIVERY ",\"gmdResults\":[{\"deliveryStatus\":\"FAILURE_TEMORARILY_NOT_REACHABLE\","
                "\"requestedRetransmissionTime\":7},{\"externalId\":\"a@b\",\"msisdn\":\"+91\","
                "\"deliveryStatus\":\"SUCCESS_BY_PIGEON\"}]}",
                NIDD_NOTIFICATION_GROUP_RESULT);
    const struct nidd_group_member_result *r = n.group_result.results;
    assert_int_equal(r[0].delivery_status, T8_DELIVERY_FAILURE_TEMPORARILY_NOT_REACHABLE);
    assert_bytes_str(r[0].delivery_status_text, "FAILURE_TEMORARILY_NOT_REACHABLE");
    assert_int_equal(r[0].id.external_id.len + r[0].id.msisdn.len, 0);
    assert_int_equal(r[1].delivery_status, T8_DELIVERY_OTHER_SUCCESS);
    assert_bytes_str(r[1].id.msisdn, "91");
    struct buf b = {0};
    assert_int_equal(nidd_group_result_encode(&n.group_result, &b),
                     ERR_IDENTITY); /* reading is tolerant, writing not */
    assert_int_equal(b.len, 0);
    buf_free(&b);
    nidd_notification_release(&n);
    n = decoded("{" DELIVERY ",\"gmdResults\":[{\"msisdn\":\"91\",\"status\":\"SUCCESS\"}]}",
                NIDD_NOTIFICATION_GROUP_RESULT);
    assert_int_equal(n.group_result.results[0].delivery_status, T8_DELIVERY_SUCCESS);
    nidd_notification_release(&n);
    n = decoded("{" DELIVERY ",\"gmdResults\":[]}", NIDD_NOTIFICATION_GROUP_RESULT);
    assert_int_equal(n.group_result.results_count, 0);
    nidd_notification_release(&n);
}

static void group_result_refused(void **state)
{
    (void)state;
    static const struct refusal rows[] = {
        {"{" DELIVERY ",\"gmdResults\":7}", ERR_MEMBER_TYPE, "/gmdResults"},
        {"{" DELIVERY ",\"gmdResults\":[7]}", ERR_MEMBER_TYPE, "/gmdResults/0"},
        {"{" DELIVERY ",\"gmdResults\":[{\"externalId\":\"a@b\"}]}", ERR_MEMBER_MISSING,
         "/gmdResults/0/deliveryStatus"},
        {"{" DELIVERY ",\"gmdResults\":[{\"externalId\":\"a@b\",\"deliveryStatus\":\"SUCCESS\"},"
         "{\"externalId\":[],\"deliveryStatus\":\"SUCCESS\"}]}",
         ERR_MEMBER_TYPE, "/gmdResults/1/externalId"},
        {"{\"niddDownlinkDataTransfer\":7,\"gmdResults\":[]}", ERR_MEMBER_TYPE, "/niddDownlinkDataTransfer"},
    };
    ASSERT_REFUSED(rows, nidd_notification, nidd_notification_decode, nidd_notification_release);
}

/* ---- configuration: what it holds besides */

static void configuration_with_everything(void **state)
{
    (void)state;
    const char *body =
        "{\"supportedFeatures\":\"FF\",\"msisdn\":\"91\"," TO ",\"mtcProviderId\":\"m\","
        "\"reliableDataService\":true,\"rdsPorts\":[{\"portUE\":5,\"portSCEF\":7},{\"portUE\":0,"
        "\"portSCEF\":15}],\"requestTestNotification\":false,\"websockNotifConfig\":{"
        "\"requestWebsocketUri\":true},\"niddDownlinkDataTransfers\":[{\"msisdn\":\"91\",\"data\":\"AQ==\","
        "\"reliableDataService\":false,\"rdsPort\":{\"portUE\":1,\"portSCEF\":2}}]}";
    struct nidd_configuration c;
    struct t8_problem p;
    assert_int_equal(nidd_configuration_decode_request(bytes_of_str(body), &c, &p), OK);
    assert_int_equal(c.supported_features, NIDD_FEATURE_GROUPS | NIDD_FEATURE_WEBSOCKET | NIDD_FEATURE_TEST |
                                               NIDD_FEATURE_MODIFICATION | NIDD_FEATURE_RDS_PORT_CHECK |
                                               NIDD_FEATURE_RDS_DYNAMIC_PORTS | NIDD_FEATURE_SERIALIZATION_FORMAT |
                                               NIDD_FEATURE_PATCH);
    assert_int_equal(c.rds_ports_count, 2);
    assert_int_equal(c.rds_ports[0].scef, 7);
    assert_int_equal(c.downlinks_count, 1);
    assert_bytes_str(c.downlinks[0].data, "\x01");
    assert_int_equal(c.downlinks[0].reliable_data_service, T8_FLAG_FALSE);
    struct buf b = {0};
    assert_int_equal(nidd_configuration_encode(&c, &b), OK);
    assert_text(&b, body);
    nidd_configuration_release(&c);
    nidd_configuration_release(&c);
}

static void configuration_refused(void **state)
{
    (void)state;
#define C "{\"msisdn\":\"91\"," TO ","
    static const struct refusal rows[] = {
        {C "\"mtcProviderId\":1}", ERR_MEMBER_TYPE, "/mtcProviderId"},
        {C "\"reliableDataService\":\"no\"}", ERR_MEMBER_TYPE, "/reliableDataService"},
        {C "\"rdsPorts\":{}}", ERR_MEMBER_TYPE, "/rdsPorts"},
        {C "\"rdsPorts\":[]}", ERR_MEMBER_TYPE, "/rdsPorts"},
        {C "\"rdsPorts\":[{\"portUE\":1,\"portSCEF\":2},{\"portUE\":1}]}", ERR_MEMBER_MISSING, "/rdsPorts/1/portSCEF"},
        {C "\"rdsPorts\":[{\"portUE\":65536,\"portSCEF\":2}]}", ERR_MEMBER_TYPE, "/rdsPorts/0/portUE"},
        {C "\"requestTestNotification\":1}", ERR_MEMBER_TYPE, "/requestTestNotification"},
        {C "\"websockNotifConfig\":\"wss://\"}", ERR_MEMBER_TYPE, "/websockNotifConfig"},
        {C "\"niddDownlinkDataTransfers\":{}}", ERR_MEMBER_TYPE, "/niddDownlinkDataTransfers"},
        {C "\"niddDownlinkDataTransfers\":[]}", ERR_MEMBER_TYPE, "/niddDownlinkDataTransfers"},
        {C "\"niddDownlinkDataTransfers\":7}", ERR_MEMBER_TYPE, "/niddDownlinkDataTransfers"},
        {C "\"niddDownlinkDataTransfers\":[7]}", ERR_MEMBER_TYPE, "/niddDownlinkDataTransfers/0"},
        {C "\"niddDownlinkDataTransfers\":[{\"msisdn\":\"91\"}]}", ERR_MEMBER_MISSING,
         "/niddDownlinkDataTransfers/0/data"},
        {C "\"niddDownlinkDataTransfers\":[{\"msisdn\":\"91\",\"data\":\"*\"}]}", ERR_BASE64,
         "/niddDownlinkDataTransfers/0/data"},
        {C "\"niddDownlinkDataTransfers\":[{\"msisdn\":\"91\",\"data\":\"AQ==\",\"rdsPort\":{\"portUE\":\"1\"}}]}",
         ERR_MEMBER_TYPE, "/niddDownlinkDataTransfers/0/rdsPort/portUE"},
        {C "\"niddDownlinkDataTransfers\":[{\"msisdn\":\"91\",\"data\":\"\"},{\"msisdn\":\"91\",\"data\":\"\"}]}",
         ERR_MEMBER_TYPE, "/niddDownlinkDataTransfers"},
        {"{\"externalGroupId\":\"g@h\"," TO ",\"niddDownlinkDataTransfers\":[{\"msisdn\":\"91\",\"data\":\"\"}]}",
         ERR_MEMBER_TYPE, "/niddDownlinkDataTransfers"},
    };
    ASSERT_REFUSED(rows, nidd_configuration, nidd_configuration_decode_request, nidd_configuration_release);
}

/* GET: pending deliveries, as they come. */
static void configuration_answer_with_deliveries(void **state)
{
    (void)state;
    struct nidd_configuration c;
    assert_int_equal(
        nidd_configuration_decode(BYTES_LIT("{\"niddDownlinkDataTransfers\":[{\"self\":\"/d/1\",\"deliveryStatus\":"
                                            "\"BUFFERING\"},7,{\"status\":\"SENDING\",\"data\":\"AQ==\"}],\"rdsPorts\":"
                                            "[],\"websockNotifConfig\":{\"websocketUri\":\"wss://h/\"}}"),
                                  &c),
        OK);
    assert_int_equal(c.downlinks_count, 2);
    assert_int_equal(c.downlinks[0].delivery_status, T8_DELIVERY_BUFFERING);
    assert_int_equal(c.downlinks[1].delivery_status, T8_DELIVERY_SENDING);
    assert_bytes_str(c.websocket.uri, "wss://h/");
    nidd_configuration_release(&c);
}

static void downlink_patch(void **state)
{
    (void)state;
    const char *body = "{\"data\":\"\",\"reliableDataService\":true,\"rdsPort\":{\"portUE\":1,\"portSCEF\":2},"
                       "\"maximumLatency\":0,\"priority\":-1,\"pdnEstablishmentOption\":\"WAIT_FOR_UE\"}";
    struct nidd_downlink_patch d;
    struct t8_problem p;
    struct buf b = {0};
    assert_int_equal(nidd_downlink_patch_decode_request(bytes_of_str(body), &d, &p), OK);
    assert_true(d.data.present && d.maximum_latency_s.present && d.priority.present);
    assert_int_equal(nidd_downlink_patch_encode(&d, &b), OK);
    assert_text(&b, body);
    nidd_downlink_patch_release(&d);
    assert_int_equal(nidd_downlink_patch_decode_request(BYTES_LIT("{}"), &d, &p), OK);
    assert_false(d.data.present || d.rds_port.present || d.maximum_latency_s.present || d.priority.present);
    assert_int_equal(nidd_downlink_patch_encode(&d, &b), OK);
    assert_text(&b, "{}");
    nidd_downlink_patch_release(&d);
    static const struct refusal rows[] = {
        {"[]", ERR_MEMBER_TYPE, ""},
        {"{\"data\":1}", ERR_MEMBER_TYPE, "/data"},
        {"{\"data\":\"_\"}", ERR_BASE64, "/data"},
        {"{\"reliableDataService\":0}", ERR_MEMBER_TYPE, "/reliableDataService"},
        {"{\"rdsPort\":5}", ERR_MEMBER_TYPE, "/rdsPort"},
        {"{\"rdsPort\":{}}", ERR_MEMBER_MISSING, "/rdsPort/portUE"},
        {"{\"maximumLatency\":-1}", ERR_MEMBER_TYPE, "/maximumLatency"},
        {"{\"priority\":\"1\"}", ERR_MEMBER_TYPE, "/priority"},
        {"{\"priority\":4294967296}", ERR_MEMBER_TYPE, "/priority"},
        {"{\"pdnEstablishmentOption\":[]}", ERR_MEMBER_TYPE, "/pdnEstablishmentOption"},
    };
    ASSERT_REFUSED(rows, nidd_downlink_patch, nidd_downlink_patch_decode_request, nidd_downlink_patch_release);
}

/* ---- RDS */

static void port_ids(void **state)
{
    (void)state;
    struct t8_rds_port port;
    char text[16];
    for (unsigned ue = 0; ue <= 15; ue++) {
        for (unsigned scef = 0; scef <= 15; scef++) {
            const struct t8_rds_port want = {true, (uint16_t)ue, (uint16_t)scef};
            nidd_port_id_format(want, text);
            assert_true(nidd_port_id_parse(bytes_of_str(text), &port));
            assert_int_equal(port.ue, ue);
            assert_int_equal(port.scef, scef);
        }
    }
    assert_true(nidd_port_id_parse(BYTES_LIT(SELF "/rds-ports/ue5-ef7"), &port));
    assert_int_equal(port.ue, 5);
    assert_int_equal(port.scef, 7);
    static const char *const bad[] = {"",         "ue",       "ue5",      "ue5-ef",    "ue5-ef16",
                                      "ue16-ef1", "ue05-ef1", "ue5-ef7/", "ue5-ef7x",  "xue5-ef7",
                                      "UE5-EF7",  "ue-1-ef7", "ue5ef7",   "ue100-ef1", "/"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (nidd_port_id_parse(bytes_of_str(bad[i]), &port))
            fail_msg("%s", bad[i]);
}

static void managed_ports(void **state)
{
    (void)state;
    const char *body = "{" LINK ",\"externalId\":\"a@b\",\"managedPorts\":[{\"self\":\"/x/rds-ports/ue5-ef7\","
                       "\"appId\":\"lwm2m\",\"manageEntity\":\"UE\",\"skipUeInquiry\":true,"
                       "\"supportedFormats\":[\"CBOR\",\"XML\"],\"configuredFormat\":\"CBOR\"},{\"appId\":\"2\"}]}";
    struct nidd_notification n = decoded(body, NIDD_NOTIFICATION_MANAGED_PORTS);
    assert_int_equal(n.managed_ports.ports_count, 2);
    assert_int_equal(n.managed_ports.ports[0].manage_entity, NIDD_MANAGE_UE);
    assert_int_equal(n.managed_ports.ports[0].supported_formats,
                     NIDD_FORMAT_BIT(NIDD_FORMAT_CBOR) | NIDD_FORMAT_BIT(NIDD_FORMAT_XML));
    struct t8_rds_port port;
    assert_true(nidd_port_id_parse(n.managed_ports.ports[0].self, &port));
    struct buf b = {0};
    assert_int_equal(nidd_managed_ports_encode(&n.managed_ports, &b), OK);
    assert_text(&b, body);
    nidd_notification_release(&n);

    n = decoded("{" LINK ",\"msisdn\":\"91\"}", NIDD_NOTIFICATION_MANAGED_PORTS); /* no port is reserved any more */
    assert_int_equal(n.managed_ports.ports_count, 0);
    nidd_notification_release(&n);
    static const struct refusal rows[] = {
        {"{" LINK "}", ERR_IDENTITY, "/externalId"},
        {"{" LINK ",\"msisdn\":\"91\",\"managedPorts\":[{}]}", ERR_MEMBER_MISSING, "/managedPorts/0/appId"},
        {"{" LINK ",\"msisdn\":\"91\",\"managedPorts\":[{\"appId\":[]}]}", ERR_MEMBER_TYPE, "/managedPorts/0/appId"},
        {"{" LINK ",\"msisdn\":7,\"managedPorts\":[]}", ERR_MEMBER_TYPE, "/msisdn"},
    };
    ASSERT_REFUSED(rows, nidd_notification, nidd_notification_decode, nidd_notification_release);
}

static void managed_port(void **state)
{
    (void)state;
    struct nidd_managed_port m;
    struct t8_problem p;
    assert_int_equal(nidd_managed_port_decode_request(
                         BYTES_LIT("{\"appId\":\"a\",\"supportedFormats\":[\"JSON\",\"YAML\"]}"), &m, &p),
                     OK);
    assert_int_equal(m.supported_formats, NIDD_FORMAT_BIT(NIDD_FORMAT_JSON) | NIDD_FORMAT_BIT(NIDD_FORMAT_OTHER));
    struct buf b = {0};
    assert_int_equal(nidd_managed_port_encode(&m, &b), OK);
    assert_text(&b, "{\"appId\":\"a\",\"supportedFormats\":[\"JSON\"]}"); /* only words that are known */
    nidd_managed_port_release(&m);
    assert_int_equal(nidd_managed_port_decode(BYTES_LIT("{\"appId\":7,\"supportedFormats\":[7]}"), &m), OK);
    assert_int_equal(m.app_id.len, 0);
    nidd_managed_port_release(&m);
    static const struct refusal rows[] = {
        {"{}", ERR_MEMBER_MISSING, "/appId"},
        {"{\"appId\":7}", ERR_MEMBER_TYPE, "/appId"},
        {"{\"appId\":\"\"}", ERR_MEMBER_TYPE, "/appId"},
        {"{\"appId\":\"a\",\"skipUeInquiry\":\"x\"}", ERR_MEMBER_TYPE, "/skipUeInquiry"},
        {"{\"appId\":\"a\",\"supportedFormats\":\"CBOR\"}", ERR_MEMBER_TYPE, "/supportedFormats"},
        {"{\"appId\":\"a\",\"supportedFormats\":[]}", ERR_MEMBER_TYPE, "/supportedFormats"},
        {"{\"appId\":\"a\",\"supportedFormats\":[7]}", ERR_MEMBER_TYPE, "/supportedFormats"},
        {"{\"appId\":\"a\",\"configuredFormat\":7}", ERR_MEMBER_TYPE, "/configuredFormat"},
    };
    ASSERT_REFUSED(rows, nidd_managed_port, nidd_managed_port_decode_request, nidd_managed_port_release);
}

static void rds_failure(void **state)
{
    (void)state;
    const char *body =
        "{\"status\":500,\"cause\":\"SERIALIZATION_FORMAT_NOT_SUPPORTED\",\"requestedRetransmissionTime\":"
        "\"2026-11-20T07:00:00Z\",\"supportedUeFormats\":[\"JSON\"]}";
    struct nidd_rds_failure f;
    nidd_rds_failure_decode(bytes_of_str(body), &f);
    assert_int_equal(f.problem.cause, T8_CAUSE_SERIALIZATION_FORMAT_NOT_SUPPORTED);
    assert_int_equal(f.requested_retransmission_ms, 1795158000000);
    assert_int_equal(f.supported_ue_formats, NIDD_FORMAT_BIT(NIDD_FORMAT_JSON));
    struct buf b = {0};
    assert_int_equal(nidd_rds_failure_encode(&f, &b), OK);
    assert_text(&b, body);
    nidd_rds_failure_release(&f);
    static const char *const nothing[] = {"", "<html>", "[]", "{\"supportedUeFormats\":7,\"status\":\"x\"}"};
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
        nidd_rds_failure_decode(bytes_of_str(nothing[i]), &f);
        assert_int_equal(f.supported_ue_formats, 0);
        assert_int_equal(f.problem.status, 0);
        nidd_rds_failure_release(&f);
    }
}

static void status_with_rds(void **state)
{
    (void)state;
    const char *body = "{" LINK ",\"msisdn\":\"91\",\"status\":\"RDS_PORT_UNKNOWN\",\"rdsCapIndication\":true,"
                       "\"rdsPort\":{\"portUE\":3,\"portSCEF\":4}}";
    struct nidd_notification n = decoded(body, NIDD_NOTIFICATION_CONFIGURATION_STATUS);
    assert_int_equal(n.configuration_status.status, T8_NIDD_RDS_PORT_UNKNOWN);
    assert_int_equal(n.configuration_status.rds_port.ue, 3);
    assert_int_equal(n.configuration_status.rds_capability, T8_FLAG_TRUE);
    struct buf b = {0};
    assert_int_equal(nidd_configuration_status_encode(&n.configuration_status, &b), OK);
    assert_text(&b, body);
    nidd_notification_release(&n);
    n = decoded("{" LINK
                ",\"msisdn\":\"91\",\"data\":\"AQ==\",\"reliableDataService\":true,\"rdsPort\":{\"portUE\":1}}",
                NIDD_NOTIFICATION_UPLINK);
    assert_int_equal(n.uplink.reliable_data_service, T8_FLAG_TRUE);
    assert_false(n.uplink.rds_port.present); /* half a port is none, and no reason to lose data */
    nidd_notification_release(&n);
}

/* ---- which is which */

static void kinds(void **state)
{
    (void)state;
#define ANY ",\"msisdn\":\"91\",\"later\":{\"x\":[1.5]}}"
    static const struct {
        const char *body;
        unsigned kind;
    } rows[] = {
        {"{" DELIVERY ",\"gmdResults\":[],\"deliveryStatus\":\"SUCCESS\"" ANY, NIDD_NOTIFICATION_GROUP_RESULT},
        {"{" DELIVERY ",\"deliveryStatus\":\"SUCCESS\",\"data\":\"AQ==\"" ANY, NIDD_NOTIFICATION_DELIVERY_STATUS},
        {"{" LINK ",\"data\":\"AQ==\",\"status\":\"ACTIVE\"" ANY, NIDD_NOTIFICATION_UPLINK},
        {"{" LINK ",\"status\":\"ACTIVE\"" ANY, NIDD_NOTIFICATION_CONFIGURATION_STATUS},
        {"{" LINK ANY, NIDD_NOTIFICATION_MANAGED_PORTS},
        {"{" LINK ",\"data\":\"AQ==\",\"subscription\":\"/s\"" ANY, NIDD_NOTIFICATION_UPLINK},
        {"{\"transaction\":\"/t\",\"result\":\"SUCCESS\"" ANY, NIDD_NOTIFICATION_TRIGGER_REPORT},
        {"{\"afId\":\"a\",\"nefId\":\"n\",\"gpsi\":\"g\",\"suppFeat\":\"0\"" ANY,
         NIDD_NOTIFICATION_CONFIGURATION_TRIGGER},
        {"{\"subscriptionId\":\"s\",\"consentsRevoked\":[{\"ucPurpose\":\"ANALYTICS\"}]" ANY,
         NIDD_NOTIFICATION_CONSENT_REVOKED},
        {"{\"configuration\":\"/np/1\",\"configResults\":[]" ANY, NIDD_NOTIFICATION_NETWORK_PARAMETERS},
        {"{\"subscription\":\"/s\",\"monitoringEventReports\":[]" ANY, NIDD_NOTIFICATION_MONITORING},
        {"{\"subscription\":\"/s\",\"cancelInd\":true" ANY, NIDD_NOTIFICATION_MONITORING},
        {"{\"subscription\":\"/s\",\"configResults\":[]" ANY, NIDD_NOTIFICATION_MONITORING},
        {"{\"subscription\":\"/s\",\"appliedParam\":{}" ANY, NIDD_NOTIFICATION_MONITORING},
        {"{\"subscription\":\"/s\",\"addedExternalIds\":[]" ANY, NIDD_NOTIFICATION_MONITORING},
        {"{\"subscription\":\"/s\",\"addedMsisdns\":[]" ANY, NIDD_NOTIFICATION_MONITORING},
        {"{\"subscription\":\"/s\",\"cancelExternalIds\":[]" ANY, NIDD_NOTIFICATION_MONITORING},
        {"{\"subscription\":\"/s\",\"cancelMsisdns\":[]" ANY, NIDD_NOTIFICATION_MONITORING},
        {"{\"subscription\":\"/s\"" ANY, NIDD_NOTIFICATION_TEST},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct nidd_notification n = decoded(rows[i].body, rows[i].kind);
        nidd_notification_release(&n);
    }
    static const struct refusal bad[] = {
        {"{\"transaction\":\"/t\"}", ERR_MEMBER_MISSING, "/niddConfiguration"},
        {"{\"afId\":\"a\",\"gpsi\":\"g\"}", ERR_MEMBER_MISSING, "/niddConfiguration"},
        {"{\"subscriptionId\":\"s\"}", ERR_MEMBER_MISSING, "/niddConfiguration"},
        {"{\"subscription\":7}", ERR_MEMBER_TYPE, "/subscription"},
        {"{" DELIVERY "}", ERR_MEMBER_MISSING, "/deliveryStatus"},
        /* another API's: not taken for T8 */
        {"{\"requestId\":\"r\",\"deviceIds\":[{\"id\":\"9990000001\",\"kind\":\"MDN\"}],\"niddResponse\":{"
         "\"niddMONotificationResponse\":{\"message\":\"AQID\"}},\"callbackCount\":1}",
         ERR_MEMBER_MISSING, "/niddConfiguration"},
    };
    ASSERT_REFUSED(bad, nidd_notification, nidd_notification_decode, nidd_notification_release);
}

static void acknowledgement_and_test(void **state)
{
    (void)state;
    struct t8_acknowledgement a;
    struct buf b = {0};
    assert_int_equal(t8_acknowledgement_encode(BYTES_LIT("done"), &b), OK);
    assert_int_equal(t8_acknowledgement_decode(buf_bytes(&b), &a), OK);
    assert_bytes_str(a.details, "done");
    t8_acknowledgement_release(&a);
    assert_text(&b, "{\"details\":\"done\"}");
    assert_int_equal(t8_acknowledgement_encode(BYTES_LIT(""), &b), ERR_MEMBER_MISSING);
    assert_int_equal(t8_acknowledgement_decode(BYTES_LIT("{\"details\":7}"), &a), OK);
    t8_acknowledgement_release(&a);
    assert_int_equal(t8_acknowledgement_decode(BYTES_LIT(""), &a), ERR_NOT_JSON);
    struct nidd_notification n = decoded("{\"subscription\":\"" SELF "\"}", NIDD_NOTIFICATION_TEST);
    assert_bytes_str(n.test.subscription, SELF);
    assert_int_equal(t8_test_notification_encode(&n.test, &b), OK);
    assert_text(&b, "{\"subscription\":\"" SELF "\"}");
    nidd_notification_release(&n);
}

/* Two arrays deep. */
static void deep_blame(void **state)
{
    (void)state;
    static const struct refusal rows[] = {
        {"{\"subscription\":\"/s\",\"monitoringEventReports\":[{\"monitoringType\":\"X\",\"pdnConnInfoList\":[{"
         "\"status\":\"CREATED\",\"pdnType\":\"IP\"},{\"status\":9}]}]}",
         ERR_MEMBER_TYPE, "/monitoringEventReports/0/pdnConnInfoList/1/status"},
    };
    ASSERT_REFUSED(rows, nidd_notification, nidd_notification_decode, nidd_notification_release);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(group_configuration_and_delivery),
        cmocka_unit_test(group_result),
        cmocka_unit_test(old_group_results),
        cmocka_unit_test(group_result_refused),
        cmocka_unit_test(configuration_with_everything),
        cmocka_unit_test(configuration_refused),
        cmocka_unit_test(configuration_answer_with_deliveries),
        cmocka_unit_test(downlink_patch),
        cmocka_unit_test(port_ids),
        cmocka_unit_test(managed_ports),
        cmocka_unit_test(managed_port),
        cmocka_unit_test(rds_failure),
        cmocka_unit_test(status_with_rds),
        cmocka_unit_test(kinds),
        cmocka_unit_test(acknowledgement_and_test),
        cmocka_unit_test(deep_blame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
