/* The SCEF's notifications over real HTTP: what reaches the sink, what is answered, what is counted. */
#include "tests/t8/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "t8/http_client.h"
#include "t8/scs_callbacks.h"

struct fixture {
    struct loop l;
    struct http_server *s;
    struct http_client *c;
    struct scs_callbacks_sink sink;
    char url[64];
    /* the sink */
    size_t uplinks, delivery_statuses, configuration_statuses, counted;
    enum error last_counted;
    int last_kind;
    enum scs_callback_path path;
    enum scs_verdict verdict;
    enum error refusal;
    struct scs_sender later;
    char ext_id[64];
    char link[128];
    size_t data_len;
    enum t8_delivery_status delivery_status;
    enum t8_nidd_status nidd_status;
    /* the client */
    size_t answers;
    int status;
    uint32_t retry_after_s;
    char content_type[64];
    char body[512];
};

static void keep(char *out, size_t size, struct bytes text)
{
    snprintf(out, size, "%.*s", (int)text.len, (const char *)text.data);
}

static enum scs_verdict on_uplink(void *ctx, struct scs_sender from, const struct nidd_uplink *u, enum error *err)
{
    struct fixture *f = ctx;
    f->uplinks++;
    keep(f->ext_id, sizeof f->ext_id, u->id.external_id.len ? u->id.external_id : u->id.msisdn);
    keep(f->link, sizeof f->link, t8_link_tail(u->nidd_configuration));
    f->data_len = u->data.len;
    f->later = from;
    *err = f->refusal;
    return f->verdict;
}

static enum scs_verdict on_delivery_status(void *ctx, const struct nidd_delivery_status *s, enum error *err)
{
    struct fixture *f = ctx;
    f->delivery_statuses++;
    keep(f->link, sizeof f->link, t8_link_tail(s->nidd_downlink_data_transfer));
    f->delivery_status = s->delivery_status;
    *err = f->refusal;
    return f->verdict;
}

static enum scs_verdict on_configuration_status(void *ctx, const struct nidd_configuration_status *s, enum error *err)
{
    struct fixture *f = ctx;
    f->configuration_statuses++;
    keep(f->ext_id, sizeof f->ext_id, s->id.external_id);
    f->nidd_status = s->status;
    *err = f->refusal;
    return f->verdict;
}

static void on_counted(void *ctx, int kind, enum error err)
{
    struct fixture *f = ctx;
    f->last_kind = kind;
    f->counted++;
    f->last_counted = err;
}

static void handler(void *ctx, struct http_exchange *x)
{
    struct fixture *f = ctx;
    scs_callbacks_handle(&f->sink, x, f->path);
}

static void on_answer(void *ctx, uint64_t ref, enum error err, const struct http_answer *a)
{
    (void)ref;
    struct fixture *f = ctx;
    assert_int_equal(err, OK);
    f->answers++;
    f->status = a->status;
    f->retry_after_s = a->retry_after_s;
    keep(f->body, sizeof f->body, a->body);
    snprintf(f->content_type, sizeof f->content_type, "%s", a->content_type);
}

static void start(struct fixture *f)
{
    *f = (struct fixture){0};
    f->sink = (struct scs_callbacks_sink){.ctx = f,
                                          .uplink = on_uplink,
                                          .delivery_status = on_delivery_status,
                                          .configuration_status = on_configuration_status,
                                          .counted = on_counted};
    const struct http_server_options so = {"127.0.0.1", 0, T8_MAX_BODY_BYTES, 100, 30, .tls = {.ca_file = NULL}};
    const struct http_client_options co = {2000, 3000, 4, 65536, .tls = {.ca_file = NULL}};
    assert_int_equal(loop_init(&f->l), OK);
    assert_int_equal(http_server_new(&f->l, &so, handler, f, &f->s), OK);
    assert_int_equal(http_client_new(&f->l, &co, &f->c), OK);
    snprintf(f->url, sizeof f->url, "http://127.0.0.1:%u/t8/nidd/as1", http_server_port(f->s));
}

static void stop(struct fixture *f)
{
    http_client_free(f->c);
    http_server_free(f->s);
    loop_free(&f->l);
}

static void send_as(struct fixture *f, const char *method, const char *content_type, struct bytes body)
{
    const struct http_request_options r = {.method = method, .url = f->url, .content_type = content_type, .body = body};
    assert_int_equal(http_client_send(f->c, &r, on_answer, f, 0), OK);
}

static void post(struct fixture *f, const char *body)
{
    size_t before = f->answers;
    send_as(f, "POST", "application/json", bytes_of_str(body));
    harness_wait(&f->l, &f->answers, before + 1);
}

#define UPLINK                                                                                                         \
    "{\"niddConfiguration\":\"https://scef.example.net/3gpp-nidd/v1/as1/configurations/c7\",\"externalId\":"           \
    "\"dev0001@iot.example.org\",\"data\":\"RAIwOgECAwSycmQ=\"}"

static void notifications_reach_the_sink(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    post(&f, UPLINK);
    assert_int_equal(f.status, 204);
    assert_string_equal(f.body, "");
    assert_int_equal(f.uplinks, 1);
    assert_string_equal(f.ext_id, "dev0001@iot.example.org");
    assert_string_equal(f.link, "/as1/configurations/c7");
    assert_int_equal(f.data_len, 11);
    post(&f, "{\"niddDownlinkDataTransfer\":\"/3gpp-nidd/v1/as1/configurations/c7/downlink-data-deliveries/d9\","
             "\"deliveryStatus\":\"SUCCESS_NEXT_HOP_ACKNOWLEDGED\"}");
    assert_int_equal(f.status, 204);
    assert_int_equal(f.delivery_statuses, 1);
    assert_string_equal(f.link, "/as1/configurations/c7/downlink-data-deliveries/d9");
    assert_int_equal(f.delivery_status, T8_DELIVERY_SUCCESS_NEXT_HOP_ACKNOWLEDGED);
    post(&f, "{\"niddConfiguration\":\"/3gpp-nidd/v1/as1/configurations/c7\",\"externalId\":\"a@b\","
             "\"status\":\"TERMINATED_UE_NOT_AUTHORIZED\"}");
    assert_int_equal(f.status, 204);
    assert_int_equal(f.configuration_statuses, 1);
    assert_int_equal(f.nidd_status, T8_NIDD_TERMINATED_UE_NOT_AUTHORIZED);
    post(&f, "{\"subscription\":\"https://scef.example.net/3gpp-nidd/v1/as1/configurations/c7\"}");
    assert_int_equal(f.status, 204);
    assert_int_equal(f.counted, 4);
    assert_int_equal(f.last_counted, OK);
    assert_int_equal(f.uplinks + f.delivery_statuses + f.configuration_statuses, 3);
    /* Any media type, or none, is read as what it is. */
    send_as(&f, "POST", "text/plain", bytes_of_str(UPLINK));
    harness_wait(&f.l, &f.answers, 5);
    assert_int_equal(f.status, 204);
    send_as(&f, "POST", NULL, bytes_of_str(UPLINK));
    harness_wait(&f.l, &f.answers, 6);
    assert_int_equal(f.status, 204);
    assert_int_equal(f.uplinks, 3);
    stop(&f);
}

static void verdicts(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    f.verdict = SCS_REFUSED;
    f.refusal = ERR_UNKNOWN_CONFIGURATION;
    post(&f, UPLINK);
    assert_int_equal(f.status, 404);
    assert_string_equal(f.content_type, "application/problem+json");
    assert_non_null(strstr(f.body, "\"cause\":\"RESOURCE_CONTEXT_NOT_FOUND\""));
    assert_int_equal(f.last_counted, ERR_UNKNOWN_CONFIGURATION);
    f.refusal = ERR_STORE;
    post(&f, UPLINK);
    assert_int_equal(f.status, 503);
    assert_true(f.retry_after_s > 0);

    f.verdict = SCS_LATER;
    send_as(&f, "POST", "application/json", bytes_of_str(UPLINK));
    harness_wait(&f.l, &f.uplinks, 3);
    harness_pump(&f.l, 20);
    assert_int_equal(f.answers, 2);
    scs_callbacks_answer(f.later, OK);
    harness_wait(&f.l, &f.answers, 3);
    assert_int_equal(f.status, 204);
    send_as(&f, "POST", "application/json", bytes_of_str(UPLINK));
    harness_wait(&f.l, &f.uplinks, 4);
    scs_callbacks_answer(f.later, ERR_QUEUE_FULL);
    harness_wait(&f.l, &f.answers, 4);
    assert_int_equal(f.status, 503);
    assert_int_equal(f.counted, 4);
    stop(&f);
}

static void refusals(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    static const struct {
        const char *body;
        enum error err;
        const char *part;
    } rows[] = {
        {"", ERR_NOT_JSON, "\"cause\":\"INVALID_MSG_FORMAT\""},
        {"not json", ERR_NOT_JSON, "\"invalidParams\":[{\"param\":\"\",\"reason\":\"body is not JSON\"}]"},
        {"[]", ERR_MEMBER_TYPE, "\"cause\":\"MANDATORY_IE_INCORRECT\""},
        {"{}", ERR_MEMBER_MISSING, "\"cause\":\"MANDATORY_IE_MISSING\""},
        {"{\"niddConfiguration\":\"/as1/configurations/c\",\"data\":\"AQ==\"}", ERR_IDENTITY,
         "\"invalidParams\":[{\"param\":\"/externalId\","},
        {"{\"niddConfiguration\":\"/as1/configurations/c\",\"msisdn\":\"1\",\"data\":\"?\"}", ERR_BASE64,
         "\"invalidParams\":[{\"param\":\"/data\","},
        {"{\"a\":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]}", ERR_TOO_DEEP, "\"cause\":\"INVALID_MSG_FORMAT\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        post(&f, rows[i].body);
        assert_int_equal(f.status, 400);
        assert_string_equal(f.content_type, "application/problem+json");
        if (!strstr(f.body, rows[i].part))
            fail_msg("%s: %s", rows[i].body, f.body);
        assert_int_equal(f.last_counted, rows[i].err);
        assert_int_equal(f.counted, i + 1);
    }
    size_t counted = f.counted;
    static const char *const methods[] = {"GET", "PUT", "DELETE", "PATCH"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        size_t before = f.answers;
        send_as(&f, methods[i], NULL, bytes_of(NULL, 0));
        harness_wait(&f.l, &f.answers, before + 1);
        assert_int_equal(f.status, 405);
        assert_int_equal(f.counted, ++counted);
    }
    assert_int_equal(f.uplinks, 0);

    /* Both identities: the External Identifier wins. */
    post(&f,
         "{\"niddConfiguration\":\"/as1/configurations/c\",\"msisdn\":\"91\",\"externalId\":\"a@B\",\"data\":\"\"}");
    assert_int_equal(f.status, 204);
    assert_string_equal(f.ext_id, "a@B");

    struct buf big = {0};
    while (big.len <= T8_MAX_BODY_BYTES)
        buf_add_str(&big, "0123456789abcdef");
    size_t before = f.answers;
    send_as(&f, "POST", "application/json", buf_bytes(&big));
    harness_wait(&f.l, &f.answers, before + 1);
    assert_int_equal(f.status, 413);
    buf_free(&big);
    post(&f, UPLINK);
    assert_int_equal(f.status, 204);
    stop(&f);
}

/* What is understood and of no use here is acknowledged: the SCEF has done its part. */
static void notifications_without_a_use_are_acknowledged(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"niddDownlinkDataTransfer\":\"/as1/d\",\"gmdResults\":[{\"msisdn\":\"91\",\"deliveryStatus\":\"FAILURE\"}]}",
        "{\"niddConfiguration\":\"/as1/configurations/c\",\"externalId\":\"a@b\"}",
        "{\"transaction\":\"/t/1\",\"result\":\"SUCCESS\"}",
        "{\"subscription\":\"/s/1\",\"monitoringEventReports\":[{\"monitoringType\":\"ROAMING_STATUS\"}]}",
        "{\"subscription\":\"/s/1\"}",
        "{\"subscriptionId\":\"s\",\"consentsRevoked\":[{\"ucPurpose\":\"ANALYTICS\"}]}",
        "{\"configuration\":\"/np/1\"}",
    };
    struct fixture f;
    start(&f);
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        post(&f, bodies[i]);
        assert_int_equal(f.status, 204);
        assert_int_equal(f.counted, i + 1);
        assert_int_equal(f.last_counted, OK);
    }
    assert_int_equal(f.configuration_statuses, 0);
    post(&f, "{\"afId\":\"as1\",\"nefId\":\"nef-3\",\"gpsi\":\"extid-dev1@example.org\",\"suppFeat\":\"0\"}");
    assert_int_equal(f.status, 200); /* the only one that needs a body */
    assert_string_equal(f.body, "{\"suppFeat\":\"0\"}");
    assert_string_equal(f.content_type, "application/json");
    assert_int_equal(f.last_counted, OK);
    post(&f, "{\"weather\":\"fine\"}");
    assert_int_equal(f.status, 400);
    post(&f, "{\"subscription\":\"/s/1\",\"monitoringEventReports\":[{\"monitoringType\":7}]}");
    assert_int_equal(f.status, 400);
    assert_non_null(strstr(f.body, "\"param\":\"/monitoringEventReports/0/monitoringType\""));
    assert_int_equal(f.last_counted, ERR_MEMBER_TYPE);
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notifications_reach_the_sink),
        cmocka_unit_test(notifications_without_a_use_are_acknowledged),
        cmocka_unit_test(verdicts),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
