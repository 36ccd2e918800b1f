/* SCEFs in the field, by the shapes of what they say: each is understood, or refused with a word that helps. What is
 * said about a device is in tests/t8/test_t8_tolerance.c, what we say by a dialect in test_dialect.c and
 * test_scs_operations.c. */
#include "tests/t8/harness.h"

#include <stdio.h>

#include "t8/scs_callbacks.h"
#include "tests/t8/scs_requests.h"

/* ---- notifications: what they are taken for, and what is answered */

struct seen {
    int kind;
    enum error err;
    int status;
    char what[160]; /* of the notification, by kind */
    char body[512];
};

static void note(struct seen *s, struct bytes a, struct bytes b)
{
    snprintf(s->what, sizeof s->what, "%.*s %.*s", (int)a.len, (const char *)a.data, (int)b.len, (const char *)b.data);
}

static enum scs_verdict on_uplink(void *ctx, struct scs_sender from, const struct nidd_uplink *u, enum error *err)
{
    (void)from, (void)err;
    note(ctx, u->id.external_id.len ? u->id.external_id : u->id.msisdn, t8_link_tail(u->nidd_configuration));
    return SCS_ACCEPTED;
}

static enum scs_verdict on_delivery_status(void *ctx, const struct nidd_delivery_status *d, enum error *err)
{
    (void)err;
    note(ctx, bytes_of_str(t8_delivery_status_name(d->delivery_status)), t8_link_tail(d->nidd_downlink_data_transfer));
    return SCS_ACCEPTED;
}

static enum scs_verdict on_group_result(void *ctx, const struct nidd_group_result *g, enum error *err)
{
    (void)err;
    char count[32];
    snprintf(count, sizeof count, "%zu", g->results_count);
    note(ctx, bytes_of_str(count), t8_link_tail(g->nidd_downlink_data_transfer));
    return SCS_ACCEPTED;
}

static enum scs_verdict on_monitoring(void *ctx, const struct monitoring_notification *n, enum error *err)
{
    (void)err;
    char text[128];
    const struct monitoring_report *r = n->reports;
    snprintf(text, sizeof text, "cancelled %d, type %s, %zu+%zu devices, roaming %d, %zu connections of type %d",
             (int)n->cancelled, r ? monitoring_type_name(r->type) : "", r ? r->external_ids.count : 0,
             r ? r->msisdns.count : 0, r ? (int)r->roaming : 0, r ? r->pdn_connections_count : 0,
             r && r->pdn_connections_count ? (int)r->pdn_connections[0].type : 0);
    note(ctx, bytes_of_str(text), bytes_of(NULL, 0));
    return SCS_ACCEPTED;
}

static void on_counted(void *ctx, int kind, enum error err)
{
    struct seen *s = ctx;
    s->kind = kind;
    s->err = err;
}

static void on_reply(void *ctx, const struct http_reply *r)
{
    struct seen *s = ctx;
    s->status = r->status;
    snprintf(s->body, sizeof s->body, "%.*s", (int)r->body.len, (const char *)r->body.data);
}

static void notifications(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int kind;
        int status;
        const char *what; /* of an accepted one; else what the answer says */
    } rows[] = {
        /* before V15.2.0 */
        {"{\"niddDownlinkDataTransfer\":\"/as1/configurations/c/downlink-data-deliveries/d\",\"deliveryStatus\":"
         "\"FAILURE_TEMORARILY_NOT_REACHABLE\",\"requestedRetransmissionTime\":\"2026-11-20T07:00:00Z\"}",
         NIDD_NOTIFICATION_DELIVERY_STATUS, 204,
         "FAILURE_TEMPORARILY_NOT_REACHABLE /as1/configurations/c/downlink-data-deliveries/d"},
        {"{\"niddDownlinkDataTransfer\":\"/as1/configurations/c/downlink-data-deliveries/d\",\"deliveryStatus\":"
         "\"TRIGGERING\"}",
         NIDD_NOTIFICATION_DELIVERY_STATUS, 204, "TRIGGERED /as1/configurations/c/downlink-data-deliveries/d"},
        {"{\"niddDownlinkDataTransfer\":\"/as1/configurations/c/x/d\",\"gmdResults\":[{\"deliveryStatus\":\"SUCCESS\"},"
         "{\"deliveryStatus\":\"FAILURE\"}]}",
         NIDD_NOTIFICATION_GROUP_RESULT, 204, "2 /as1/configurations/c/x/d"},
        {"{\"niddDownlinkDataTransfer\":\"/as1/configurations/c/x/d\",\"gmdResults\":[]}",
         NIDD_NOTIFICATION_GROUP_RESULT, 204, "0 /as1/configurations/c/x/d"},
        {"{\"niddConfiguration\":\"/as1/configurations/c\",\"data\":\"AQ==\"}", -1, 400, "\"/externalId\""},
        {"{\"subscription\":\"/as1/subscriptions/s\",\"Cancelind\":true}", NIDD_NOTIFICATION_MONITORING, 204,
         "cancelled 2, type , 0+0 devices, roaming 0, 0 connections of type 0 "},
        {"{\"subscription\":\"/as1/subscriptions/s\",\"monitoringEventReports\":[{\"monitoringType\":"
         "\"ROAMING_STATUS\",\"roamingStatus\":\"true\",\"externalIds\":[\"a@b\",\"c@d\"],\"msisdns\":[\"91\"]}]}",
         NIDD_NOTIFICATION_MONITORING, 204,
         "cancelled 0, type ROAMING_STATUS, 2+1 devices, roaming 2, 0 connections of type 0 "},
        /* a draft of Rel-16 */
        {"{\"subscription\":\"/as1/subscriptions/s\",\"monitoringEventReports\":[{\"monitoringType\":"
         "\"PDN_CONNECTIVITY_STATUS\",\"pdnConnInfo\":{\"status\":\"CREATED\",\"pdnType\":\"IP\"}}]}",
         NIDD_NOTIFICATION_MONITORING, 204,
         "cancelled 0, type PDN_CONNECTIVITY_STATUS, 0+0 devices, roaming 0, 1 connections of type 6 "},
        /* a typing error of the OpenAPI file */
        {"{\"subscription\":\"/as1/subscriptions/s\",\"monitoringEventReports\":[{\"monitoringType\":"
         "\"APPLICATION STOP\"}]}",
         NIDD_NOTIFICATION_MONITORING, 204,
         "cancelled 0, type APPLICATION_STOP, 0+0 devices, roaming 0, 0 connections of type 0 "},
        /* relative links, no msisdn, false flags */
        {"{\"externalId\":\"dev.1@100000000001.iot.operator.example\",\"niddConfiguration\":\"/3gpp-nidd/v1/as1/"
         "configurations/60aa00bb11cc22dd33ee44ff\",\"reliableDataService\":false,\"data\":\"AQID\"}",
         NIDD_NOTIFICATION_UPLINK, 204,
         "dev.1@100000000001.iot.operator.example /as1/configurations/60aa00bb11cc22dd33ee44ff"},
        /* both identities, an inner host with a prefix, escapes in base64, capitals, data first */
        {"{\"data\":\"AQI\\u003d\",\"niddConfiguration\":\"http://127.0.0.1:8080/SCEF/3gpp-nidd/v1/as1/configurations/"
         "0b1c2d3e-4f50-4172-8394-a5b6c7d8e9fa\",\"msisdn\":\"910000000001\",\"externalId\":"
         "\"001010000000001@EXAMPLE.COM\"}",
         NIDD_NOTIFICATION_UPLINK, 204,
         "001010000000001@EXAMPLE.COM /as1/configurations/0b1c2d3e-4f50-4172-8394-a5b6c7d8e9fa"},
        /* a configuration identifier that is a word */
        {"{\"niddConfiguration\":\"/3gpp-nidd/v1/as1/configurations/ipdd\",\"msisdn\":\"91\",\"data\":\"AQ==\"}",
         NIDD_NOTIFICATION_UPLINK, 204, "91 /as1/configurations/ipdd"},
        /* an API that is no T8 at all */
        {"{\"requestId\":\"r1\",\"deviceIds\":[{\"id\":\"9990000001\",\"kind\":\"MDN\"}],\"niddResponse\":"
         "{\"niddMONotificationResponse\":{\"accountName\":\"0000000001-00001\",\"message\":\"AQID\",\"deviceIds\":"
         "[{\"id\":\"9990000001\",\"kind\":\"MDN\"}]}},\"callbackCount\":1,\"maxCallbackThreshold\":4}",
         -1, 400, "\"param\":\"/niddConfiguration\",\"reason\":\"is mandatory\""},
        {"{\"requestId\":\"r1\",\"niddResponse\":{\"niddMTDeliveryResponse\":{\"accountName\":\"a\",\"reason\":"
         "\"Timeout, could not deliver data\"}},\"status\":\"DeliveryFailed\"}",
         -1, 400, "\"param\":\"/niddConfiguration\",\"reason\":\"is mandatory\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct seen s = {0};
        const struct scs_callbacks_sink sink = {.ctx = &s,
                                                .uplink = on_uplink,
                                                .delivery_status = on_delivery_status,
                                                .group_result = on_group_result,
                                                .monitoring = on_monitoring,
                                                .counted = on_counted};
        scs_callbacks_take(&sink, (struct scs_sender){.reply = on_reply, .ctx = &s}, bytes_of_str(rows[i].body),
                           SCS_PATH_ANY);
        bool right = rows[i].status == 204 ? strcmp(s.what, rows[i].what) == 0 : strstr(s.body, rows[i].what) != NULL;
        if (s.kind != rows[i].kind || s.status != rows[i].status || !right)
            fail_msg("%s: kind %d, %d, '%s' %s", rows[i].body, s.kind, s.status, s.what, s.body);
    }
}

/* ---- answers, with their header as it was sent */

struct fixture {
    struct loop l;
    struct scs_client *c;
    struct raw_server peer;
    size_t count;
    int http_status;
    enum t8_cause cause;
    char what[256];
};

static void on_configuration(void *ctx, uint64_t ref, const struct nidd_configuration_result *r)
{
    struct fixture *f = ctx;
    (void)ref;
    f->count++;
    f->http_status = r->http_status;
    f->cause = r->cause;
    snprintf(f->what, sizeof f->what, "%.*s features %llu bits %u", (int)r->link.len, (const char *)r->link.data,
             (unsigned long long)r->supported_features, r->maximum_packet_size_bits);
}

static void on_submit(void *ctx, uint64_t ref, const struct nidd_submit_result *r)
{
    struct fixture *f = ctx;
    (void)ref;
    f->count++;
    f->http_status = r->http_status;
    f->cause = r->cause;
    snprintf(f->what, sizeof f->what, "%s %.*s %s",
             r->outcome == NIDD_SUBMIT_PENDING     ? "pending"
             : r->outcome == NIDD_SUBMIT_DELIVERED ? "delivered"
                                                   : "refused",
             (int)r->link.len, (const char *)r->link.data, t8_delivery_status_name(r->delivery_status));
}

static void on_result(void *ctx, uint64_t ref, const struct scs_result *r)
{
    struct fixture *f = ctx;
    (void)ref;
    f->count++;
    f->http_status = r->http_status;
    f->cause = r->cause;
    char shown[128] = "";
    if (r->shows == SCS_SHOWS_SUBSCRIPTION)
        snprintf(shown, sizeof shown, "%.*s guard %u", (int)r->subscription->id.external_id.len,
                 (const char *)r->subscription->id.external_id.data, r->subscription->group_guard_time_s.value);
    snprintf(f->what, sizeof f->what, "%.*s %s", (int)r->link.len, (const char *)r->link.data, shown);
}

#define JSON(status, body)  "HTTP/1.1 " status "\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n" body
#define CREATED(link, body) JSON("201 Created\r\nLocation: " link, body)
#define HEX                 "/as1/configurations/60aa00bb11cc22dd33ee44ff"

static void answers(void **state)
{
    (void)state;
    static const struct {
        const char *dialect;
        enum t8_operation operation;
        const char *answer;
        int http_status;
        enum t8_cause cause;
        const char *what;
    } rows[] = {
        /* before V15.2.0: failures in a 2xx, 412, members of a problem with capitals, another name */
        {"3gpp", T8_DELIVERY_CREATE, JSON("200 OK", "{\"deliveryStatus\":\"FAILURE_DATA_TOO_LARGE\"}"), 403,
         T8_CAUSE_DATA_TOO_LARGE, "refused  "},
        {"3gpp", T8_DELIVERY_CREATE, JSON("412 Precondition Failed", "{\"Status\":412,\"Detail\":\"no\"}"), 412,
         T8_CAUSE_NONE, "refused  "},
        {"3gpp", T8_SUBSCRIPTION_CREATE,
         CREATED(MON S1, "{\"externalId\":\"a@b\",\"monitoringType\":\"ROAMING_STATUS\",\"groupReporGuardTime\":9}"),
         201, T8_CAUSE_NONE, S1 " a@b guard 9"},
        /* a SCEF with names of a draft: links under its own path, both identities, errors in the text */
        {"oracle-8.3", T8_CONFIGURATION_CREATE,
         CREATED("/3gpp_t8_nidd/v1/as1/configurations/5", "{\"duration\":\"2030-01-01T00:00:00Z\"}"), 201,
         T8_CAUSE_NONE, "/as1/configurations/5 features 0 bits 0"},
        {"oracle-8.3", T8_SUBSCRIPTION_CREATE,
         CREATED("http://scef/3gpp_t8_monitoring_event/v1/as1/subscriptions/5",
                 "{\"externalId\":\"a@b\",\"msisdn\":\"91\",\"monitoringType\":\"ROAMING_STATUS\"}"),
         201, T8_CAUSE_NONE, "/as1/subscriptions/5 a@b guard 0"},
        {"oracle-8.4", T8_DELIVERY_CREATE,
         JSON("403 Forbidden", "{\"title\":\"Forbidden\",\"status\":403,\"detail\":\"SCEF-ERR-403-111: size\"}"), 403,
         T8_CAUSE_DATA_TOO_LARGE, "refused  "},
        {"oracle-8.4", T8_DELIVERY_CREATE,
         JSON("404 Not Found", "{\"status\":404,\"detail\":\"SCEF-ERR-404-115: PDN connection not found\"}"), 500,
         T8_CAUSE_NO_PDN_CONNECTION, "refused  "},
        {"oracle-8.4", T8_TRANSACTION_GET, JSON("500 x", "{\"detail\":\"SCEF-ERR-500-110: context not found\"}"), 404,
         T8_CAUSE_OTHER, " "},
        /* relative links, `status`, no data */
        {"mts", T8_DELIVERY_CREATE,
         JSON("201 Created", "{\"self\":\"/3gpp-nidd/v1" HEX "/downlink-data-deliveries/12\",\"status\":"
                             "\"BUFFERING_TEMPORARILY_NOT_REACHABLE\",\"externalId\":\"dev.1@1.example\","
                             "\"reliableDataService\":false}"),
         201, T8_CAUSE_NONE, "pending " HEX "/downlink-data-deliveries/12 BUFFERING_TEMPORARILY_NOT_REACHABLE"},
        {"mts", T8_DELIVERY_CREATE,
         JSON("200 OK", "{\"self\":\"/3gpp-nidd/v1" HEX "/downlink-data-deliveries/12\",\"status\":"
                        "\"BUFFERING_TEMPORARILY_NOT_REACHABLE\"}"),
         200, T8_CAUSE_NONE, "pending " HEX "/downlink-data-deliveries/12 BUFFERING_TEMPORARILY_NOT_REACHABLE"},
        /* a host that only the SCEF's own network knows is never asked */
        {"in", T8_CONFIGURATION_CREATE,
         CREATED("http://127.0.0.1:27310/SCEF/3gpp-nidd/v1/as1/configurations/0b1c", "{}"), 201, T8_CAUSE_NONE,
         "/as1/configurations/0b1c features 0 bits 0"},
        /* a header in small letters, no supportedFeatures, "exists already" as any error */
        {"3gpp", T8_CONFIGURATION_CREATE,
         "HTTP/1.1 201 Created\r\nlocation: http://nef/3gpp-nidd/v1/as1/configurations/7\r\ncontent-type: "
         "application/json\r\nconnection: close\r\n\r\n{\"msisdn\":\"358000000001\",\"maximumPacketSize\":10864}",
         201, T8_CAUSE_NONE, "/as1/configurations/7 features 0 bits 10864"},
        {"3gpp", T8_CONFIGURATION_CREATE, JSON("400 Bad Request", ""), 400, T8_CAUSE_NONE, " features 0 bits 0"},
        {"3gpp", T8_TRANSACTION_CREATE, "HTTP/1.1 500 x\r\nContent-Length: 4\r\n\r\n<h1>", 500, T8_CAUSE_NONE, " "},
        /* an API that is no T8 at all: the number is believed */
        {"3gpp", T8_DELIVERY_CREATE, JSON("200 OK", "{\"requestId\":\"r1\"}"), 200, T8_CAUSE_NONE, "delivered  "},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct raw_step step = {rows[i].answer, 0, RAW_CLOSE};
        struct fixture f = {.count = 0};
        char root[64];
        assert_int_equal(loop_init(&f.l), OK);
        raw_server_start(&f.peer, &f.l, &step, 1);
        snprintf(root, sizeof root, "http://127.0.0.1:%u", f.peer.port);
        const struct scs_client_options o = {
            .api_root = root,
            .scs_as_id = "as1",
            .dialect = t8_dialect_find(rows[i].dialect),
            .http = {.connect_timeout_ms = 2000, .timeout_ms = 2000, .max_connections = 1, .max_body_bytes = 65536}};
        const struct scs_client_sink sink = {
            .ctx = &f, .configuration_result = on_configuration, .submit_result = on_submit, .result = on_result};
        assert_int_equal(scs_client_new(&f.l, &o, &sink, &f.c), OK);
        assert_int_equal(scs_ask(f.c, 1, rows[i].operation, NULL), OK);
        harness_wait(&f.l, &f.count, 1);
        if (f.http_status != rows[i].http_status || f.cause != rows[i].cause || strcmp(f.what, rows[i].what) != 0)
            fail_msg("row %zu: %d cause %d '%s'", i, f.http_status, (int)f.cause, f.what);
        scs_client_free(f.c);
        raw_server_stop(&f.peer);
        loop_free(&f.l);
        raw_server_release(&f.peer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(notifications), cmocka_unit_test(answers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
