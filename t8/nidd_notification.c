/* Which notification an object is: the first row whose members are all there, and how it is read. */
#include "t8/nidd_notification.h"

#include <string.h>

#include "t8/configuration_trigger_internal.h"
#include "t8/device_triggering_internal.h"
#include "t8/monitoring_internal.h"
#include "t8/nidd_internal.h"

static bool has(const struct t8_json_object *o, const char *name)
{
    return t8_json_get(o, name).type != T8_JSON_ABSENT;
}

static bool has_one_of(const struct t8_json_object *o, const char *const *names)
{
    while (*names && !has(o, *names))
        names++;
    return *names != NULL;
}

/* An uplink that lacks its data, by what no other kind has. It shall be refused, not taken for something else. */
static bool is_uplink(const struct t8_json_object *o)
{
    return t8_json_names(o, "data") || has(o, "reliableDataService");
}

static bool is_monitoring(const struct t8_json_object *o)
{
    static const char *const members[] = {
        "monitoringEventReports", "configResults",    "cancelInd",     "Cancelind",         "appliedParam",
        "addedMsisdns",           "addedExternalIds", "cancelMsisdns", "cancelExternalIds", NULL};
    return has_one_of(o, members);
}

static unsigned kind_of(const struct t8_json_object *o)
{
    if (has(o, "niddDownlinkDataTransfer"))
        return has(o, "gmdResults") ? NIDD_NOTIFICATION_GROUP_RESULT : NIDD_NOTIFICATION_DELIVERY_STATUS;
    if (has(o, "niddConfiguration")) {
        if (has(o, "data"))
            return NIDD_NOTIFICATION_UPLINK;
        if (has(o, "status"))
            return NIDD_NOTIFICATION_CONFIGURATION_STATUS;
        return is_uplink(o) ? NIDD_NOTIFICATION_UPLINK : NIDD_NOTIFICATION_MANAGED_PORTS;
    }
    if (has(o, "transaction") && has(o, "result"))
        return NIDD_NOTIFICATION_TRIGGER_REPORT;
    if (has(o, "afId") && has(o, "nefId") && has(o, "gpsi"))
        return NIDD_NOTIFICATION_CONFIGURATION_TRIGGER;
    if (has(o, "subscriptionId") && has(o, "consentsRevoked"))
        return NIDD_NOTIFICATION_CONSENT_REVOKED;
    if (has(o, "configuration"))
        return NIDD_NOTIFICATION_NETWORK_PARAMETERS;
    if (has(o, "subscription"))
        return is_monitoring(o) ? NIDD_NOTIFICATION_MONITORING : NIDD_NOTIFICATION_TEST;
    return NIDD_NOTIFICATION_UPLINK; /* which tells what is missing */
}

static enum error read_kind(const struct t8_json_object *o, struct nidd_notification *out, struct t8_problem *p)
{
    static const enum t8_reading how = T8_READ_NOTIFICATION;
    switch (out->kind) {
    case NIDD_NOTIFICATION_UPLINK:
        return nidd_uplink_read(o, &out->uplink, p);
    case NIDD_NOTIFICATION_DELIVERY_STATUS:
        return nidd_delivery_status_read(o, &out->delivery_status, p);
    case NIDD_NOTIFICATION_CONFIGURATION_STATUS:
        return nidd_configuration_status_read(o, &out->configuration_status, p);
    case NIDD_NOTIFICATION_TEST:
        return t8_fields_read(&t8_test_notification_fields, how, o, &out->test, p);
    case NIDD_NOTIFICATION_GROUP_RESULT:
        return t8_fields_read(&nidd_group_result_fields, how, o, &out->group_result, p);
    case NIDD_NOTIFICATION_MANAGED_PORTS:
        return t8_fields_read(&nidd_managed_ports_fields, how, o, &out->managed_ports, p);
    case NIDD_NOTIFICATION_TRIGGER_REPORT:
        return t8_fields_read(&device_triggering_report_fields, how, o, &out->trigger_report, p);
    case NIDD_NOTIFICATION_MONITORING:
        return t8_fields_read(&monitoring_notification_fields, how, o, &out->monitoring, p);
    case NIDD_NOTIFICATION_CONFIGURATION_TRIGGER:
        return nidd_configuration_trigger_read(o, &out->configuration_trigger, p);
    case NIDD_NOTIFICATION_CONSENT_REVOKED:
    case NIDD_NOTIFICATION_NETWORK_PARAMETERS:
        break;
    }
    return OK;
}

/* Where the kind keeps its document. */
static struct t8_doc **doc_of(struct nidd_notification *n)
{
    switch (n->kind) {
    case NIDD_NOTIFICATION_UPLINK:
        return &n->uplink.doc;
    case NIDD_NOTIFICATION_DELIVERY_STATUS:
        return &n->delivery_status.doc;
    case NIDD_NOTIFICATION_CONFIGURATION_STATUS:
        return &n->configuration_status.doc;
    case NIDD_NOTIFICATION_GROUP_RESULT:
        return &n->group_result.doc;
    case NIDD_NOTIFICATION_MANAGED_PORTS:
        return &n->managed_ports.doc;
    case NIDD_NOTIFICATION_TRIGGER_REPORT:
        return &n->trigger_report.doc;
    case NIDD_NOTIFICATION_MONITORING:
        return &n->monitoring.doc;
    case NIDD_NOTIFICATION_CONFIGURATION_TRIGGER:
        return &n->configuration_trigger.doc;
    case NIDD_NOTIFICATION_TEST:
    case NIDD_NOTIFICATION_CONSENT_REVOKED:
    case NIDD_NOTIFICATION_NETWORK_PARAMETERS:
        break;
    }
    return &n->test.doc;
}

enum error nidd_notification_decode(struct bytes body, struct nidd_notification *out, struct t8_problem *p)
{
    struct t8_json_object o;
    memset(out, 0, sizeof *out);
    enum error err = t8_json_read(body, &o);
    if (err)
        return t8_json_blame(p, err, "", error_text(err));
    out->kind = kind_of(&o);
    err = read_kind(&o, out, p);
    *doc_of(out) = t8_json_take(&o);
    if (err)
        nidd_notification_release(out);
    return err;
}

void nidd_notification_release(struct nidd_notification *n)
{
    t8_doc_free(*doc_of(n));
    switch (n->kind) {
    case NIDD_NOTIFICATION_UPLINK:
        buf_free(&n->uplink.data_memory);
        break;
    case NIDD_NOTIFICATION_GROUP_RESULT:
        t8_fields_free(&nidd_group_result_fields, &n->group_result);
        break;
    case NIDD_NOTIFICATION_MANAGED_PORTS:
        t8_fields_free(&nidd_managed_ports_fields, &n->managed_ports);
        break;
    case NIDD_NOTIFICATION_MONITORING:
        t8_fields_free(&monitoring_notification_fields, &n->monitoring);
        break;
    default: /* own nothing but the document */
        break;
    }
    memset(n, 0, sizeof *n);
}
