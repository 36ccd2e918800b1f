#include "tests/t8/fake_scef.h"

#include <stdio.h>

static const struct t8_identity dev1 = {.external_id = {(const uint8_t *)"dev1@example.org", 16}};
#define REPORT                                                                                                         \
    {                                                                                                                  \
        .type = MONITORING_UE_REACHABILITY,                                                                            \
        .reachability = MONITORING_REACHABLE_FOR_DATA,                                                                 \
        .id = {.external_id = {(const uint8_t *)"dev1@example.org", 16}},                                              \
    }
static struct monitoring_report reports[] = {REPORT, REPORT};

static void text_set(char *out, size_t size, struct bytes text)
{
    snprintf(out, size, "%.*s", (int)text.len, (const char *)text.data);
}

static void note(struct fake_scef *f, enum t8_operation o, const struct scef_path *path, struct bytes text)
{
    f->calls++;
    f->operation = o;
    text_set(f->scs_as_id, sizeof f->scs_as_id, path->scs_as_id);
    text_set(f->id, sizeof f->id, path->id);
    text_set(f->sub_id, sizeof f->sub_id, path->sub_id);
    f->port = path->port;
    text_set(f->text, sizeof f->text, text);
}

static void resource(const struct fake_scef *f, struct scef_reply *a)
{
    switch (a->body) {
    case SCEF_BODY_CONFIGURATION:
        a->configuration =
            (struct nidd_configuration){.id = dev1,
                                        .self = BYTES_LIT("http://scef/3gpp-nidd/v1/as1/configurations/c7"),
                                        .notification_destination = BYTES_LIT("http://as/cb"),
                                        .status = T8_NIDD_ACTIVE};
        break;
    case SCEF_BODY_DELIVERY:
        a->delivery =
            (struct nidd_downlink){.id = dev1,
                                   .self = BYTES_LIT("/3gpp-nidd/v1/as1/configurations/c7/downlink-data-deliveries/d9"),
                                   .data = BYTES_LIT("hello"),
                                   .delivery_status = T8_DELIVERY_BUFFERING};
        break;
    case SCEF_BODY_PORT:
        a->port = (struct nidd_managed_port){.self = BYTES_LIT("/3gpp-nidd/v1/as1/configurations/c7/rds-ports/ue1-ef2"),
                                             .app_id = BYTES_LIT("app")};
        break;
    case SCEF_BODY_TRANSACTION:
        a->transaction = (struct device_triggering){.id = dev1,
                                                    .self = BYTES_LIT("/3gpp-device-triggering/v1/as1/transactions/t1"),
                                                    .validity_period_s = {true, 60},
                                                    .priority = DEVICE_TRIGGERING_NO_PRIORITY,
                                                    .payload = {.present = true, .bytes = BYTES_LIT("x")},
                                                    .notification_destination = BYTES_LIT("http://as/cb"),
                                                    .result = DEVICE_TRIGGERING_TRIGGERED};
        break;
    case SCEF_BODY_SUBSCRIPTION:
        a->subscription =
            (struct monitoring_subscription){.id = dev1,
                                             .self = BYTES_LIT("/3gpp-monitoring-event/v1/as1/subscriptions/s1"),
                                             .notification_destination = BYTES_LIT("http://as/cb"),
                                             .type = MONITORING_PDN_CONNECTIVITY_STATUS,
                                             .maximum_number_of_reports = {true, 1}};
        break;
    case SCEF_BODY_REPORTS:
    case SCEF_BODY_REPORT_LIST:
        a->reports = (struct monitoring_reports){.reports = reports, .reports_count = f->count};
        break;
    case SCEF_BODY_NONE:
        break;
    }
}

static void answer(const struct fake_scef *f, struct scef_reply *a)
{
    if (f->status >= 300)
        scef_reply_refuse(a, f->status, &f->problem);
    a->status = f->status ? f->status : 200;
    a->retry_after_s = f->retry_after_s;
    a->requested_retransmission_ms = f->requested_retransmission_ms;
    a->supported_ue_formats = f->supported_ue_formats;
    if (f->body != SCEF_BODY_NONE)
        a->body = f->body;
    resource(f, a);
}

static bool next(struct fake_scef *f, enum t8_operation o, const struct scef_path *path, uint64_t *cursor,
                 struct scef_reply *a)
{
    note(f, o, path, bytes_of(NULL, 0));
    if (f->status >= 300 || *cursor == f->count) {
        answer(f, a);
        return false;
    }
    ++*cursor;
    resource(f, a);
    return true;
}

#define NEXT(name, operation)                                                                                          \
    static bool name(void *ctx, const struct scef_path *path, uint64_t *cursor, struct scef_reply *a)                  \
    {                                                                                                                  \
        return next(ctx, operation, path, cursor, a);                                                                  \
    }
#define RESOURCE(name, operation)                                                                                      \
    static void name(void *ctx, const struct scef_path *path, struct scef_reply *a)                                    \
    {                                                                                                                  \
        note(ctx, operation, path, bytes_of(NULL, 0));                                                                 \
        answer(ctx, a);                                                                                                \
    }
#define WRITE(name, operation, type, text)                                                                             \
    static void name(void *ctx, const struct scef_path *path, const struct type *in, struct scef_reply *a)             \
    {                                                                                                                  \
        note(ctx, operation, path, text);                                                                              \
        answer(ctx, a);                                                                                                \
    }

NEXT(configuration_next, T8_CONFIGURATION_LIST)
WRITE(configuration_create, T8_CONFIGURATION_CREATE, nidd_configuration, in->notification_destination)
RESOURCE(configuration_get, T8_CONFIGURATION_GET)
WRITE(configuration_patch, T8_CONFIGURATION_PATCH, nidd_configuration_patch, in->notification_destination)
RESOURCE(configuration_delete, T8_CONFIGURATION_DELETE)
NEXT(delivery_next, T8_DELIVERY_LIST)
RESOURCE(delivery_get, T8_DELIVERY_GET)
WRITE(delivery_replace, T8_DELIVERY_PUT, nidd_downlink, in->data)
WRITE(delivery_patch, T8_DELIVERY_PATCH, nidd_downlink_patch, in->data.bytes)
RESOURCE(delivery_delete, T8_DELIVERY_DELETE)
NEXT(port_next, T8_PORT_LIST)
RESOURCE(port_get, T8_PORT_GET)
WRITE(port_put, T8_PORT_PUT, nidd_managed_port, in->app_id)
RESOURCE(port_delete, T8_PORT_DELETE)
NEXT(transaction_next, T8_TRANSACTION_LIST)
WRITE(transaction_create, T8_TRANSACTION_CREATE, device_triggering, in->payload.bytes)
RESOURCE(transaction_get, T8_TRANSACTION_GET)
WRITE(transaction_replace, T8_TRANSACTION_PUT, device_triggering, in->payload.bytes)
WRITE(transaction_patch, T8_TRANSACTION_PATCH, device_triggering_patch, in->payload.bytes)
RESOURCE(transaction_delete, T8_TRANSACTION_DELETE)
NEXT(subscription_next, T8_SUBSCRIPTION_LIST)
WRITE(subscription_create, T8_SUBSCRIPTION_CREATE, monitoring_subscription, in->notification_destination)
RESOURCE(subscription_get, T8_SUBSCRIPTION_GET)
WRITE(subscription_replace, T8_SUBSCRIPTION_PUT, monitoring_subscription, in->notification_destination)
RESOURCE(subscription_delete, T8_SUBSCRIPTION_DELETE)

static void subscription_patch(void *ctx, const struct scef_path *path, struct bytes patch, struct scef_reply *a)
{
    note(ctx, T8_SUBSCRIPTION_PATCH, path, patch);
    answer(ctx, a);
}

static void delivery_create(void *ctx, struct http_exchange *x, const struct scef_path *path,
                            const struct nidd_downlink *d, struct scef_reply *a)
{
    struct fake_scef *f = ctx;
    note(f, T8_DELIVERY_CREATE, path, d->data);
    f->x = x;
    if (f->status)
        answer(f, a);
}

static void answered(void *ctx, struct http_exchange *x, int status, const char *cause)
{
    struct fake_scef *f = ctx;
    (void)x;
    f->told++;
    f->told_status = status;
    snprintf(f->told_cause, sizeof f->told_cause, "%s", cause);
}

void fake_scef_init(struct fake_scef *f)
{
    static const struct scef_nidd_sink nidd = {
        .configuration_next = configuration_next,
        .configuration_create = configuration_create,
        .configuration_get = configuration_get,
        .configuration_patch = configuration_patch,
        .configuration_delete = configuration_delete,
        .delivery_next = delivery_next,
        .delivery_create = delivery_create,
        .delivery_get = delivery_get,
        .delivery_replace = delivery_replace,
        .delivery_patch = delivery_patch,
        .delivery_delete = delivery_delete,
        .port_next = port_next,
        .port_get = port_get,
        .port_put = port_put,
        .port_delete = port_delete,
    };
    static const struct scef_triggering_sink triggering = {
        .transaction_next = transaction_next,
        .transaction_create = transaction_create,
        .transaction_get = transaction_get,
        .transaction_replace = transaction_replace,
        .transaction_patch = transaction_patch,
        .transaction_delete = transaction_delete,
    };
    static const struct scef_monitoring_sink monitoring = {
        .subscription_next = subscription_next,
        .subscription_create = subscription_create,
        .subscription_get = subscription_get,
        .subscription_replace = subscription_replace,
        .subscription_patch = subscription_patch,
        .subscription_delete = subscription_delete,
    };
    *f = (struct fake_scef){
        .server = {.ctx = f, .nidd = &nidd, .triggering = &triggering, .monitoring = &monitoring, .answered = answered},
        .count = 1};
}
