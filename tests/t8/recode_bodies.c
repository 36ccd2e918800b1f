/* Reads lines "Type<TAB>role<TAB>json" from stdin, decodes each body as that role does ("request": a server, "answer":
 * a client, "notification": an AS), and prints what the encoder makes of it, or "ERR_... /json/pointer" on a line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t8/nidd_configuration_patch.h"
#include "t8/nidd_notification.h"

/* name(body, out, p): decodes, encodes, releases. */
#define RECODE(name, type, decode, encode, release)                                                                    \
    static enum error name(struct bytes body, struct buf *out, struct t8_problem *p)                                   \
    {                                                                                                                  \
        struct type value;                                                                                             \
        (void)p;                                                                                                       \
        enum error err = decode;                                                                                       \
        if (!err)                                                                                                      \
            err = encode(&value, out);                                                                                 \
        release(&value);                                                                                               \
        return err;                                                                                                    \
    }

/* clang-format off */
RECODE(configuration_request, nidd_configuration, nidd_configuration_decode_request(body, &value, p), nidd_configuration_encode, nidd_configuration_release)
RECODE(configuration_answer, nidd_configuration, nidd_configuration_decode(body, &value), nidd_configuration_encode, nidd_configuration_release)
RECODE(configuration_patch, nidd_configuration_patch, nidd_configuration_patch_decode(body, &value, p), nidd_configuration_patch_encode, nidd_configuration_patch_release)
RECODE(downlink_request, nidd_downlink, nidd_downlink_decode_request(body, &value, p), nidd_downlink_encode, nidd_downlink_release)
RECODE(downlink_answer, nidd_downlink, nidd_downlink_decode(body, &value), nidd_downlink_encode, nidd_downlink_release)
RECODE(downlink_patch, nidd_downlink_patch, nidd_downlink_patch_decode_request(body, &value, p), nidd_downlink_patch_encode, nidd_downlink_patch_release)
RECODE(port_request, nidd_managed_port, nidd_managed_port_decode_request(body, &value, p), nidd_managed_port_encode, nidd_managed_port_release)
RECODE(port_answer, nidd_managed_port, nidd_managed_port_decode(body, &value), nidd_managed_port_encode, nidd_managed_port_release)
RECODE(triggering_request, device_triggering, device_triggering_decode_request(body, &value, p), device_triggering_encode, device_triggering_release)
RECODE(triggering_answer, device_triggering, device_triggering_decode(body, &value), device_triggering_encode, device_triggering_release)
RECODE(triggering_patch, device_triggering_patch, device_triggering_patch_decode_request(body, &value, p), device_triggering_patch_encode, device_triggering_patch_release)
RECODE(monitoring_request, monitoring_subscription, monitoring_subscription_decode_request(body, &value, p), monitoring_subscription_encode, monitoring_subscription_release)
RECODE(monitoring_answer, monitoring_subscription, monitoring_subscription_decode(body, &value), monitoring_subscription_encode, monitoring_subscription_release)
RECODE(reports_answer, monitoring_reports, monitoring_reports_decode(body, &value, p), monitoring_reports_encode, monitoring_reports_release)
/* clang-format on */

static enum error report_answer(struct bytes body, struct buf *out, struct t8_problem *p)
{
    struct monitoring_reports r;
    enum error err = monitoring_reports_decode(body, &r, p);
    if (!err)
        err = r.reports_count == 1 ? monitoring_report_encode(&r.reports[0], out) : ERR_PEER;
    monitoring_reports_release(&r);
    return err;
}

static enum error problem_answer(struct bytes body, struct buf *out, struct t8_problem *unused)
{
    struct t8_problem p;
    struct t8_doc *doc;
    uint64_t at_ms;
    (void)unused;
    t8_problem_decode(body, &p, &at_ms, &doc);
    enum error err = t8_problem_encode(&p, out);
    t8_doc_free(doc);
    return err;
}

static enum error delivery_failure_answer(struct bytes body, struct buf *out, struct t8_problem *unused)
{
    struct t8_problem p;
    struct t8_doc *doc;
    uint64_t at_ms;
    (void)unused;
    t8_problem_decode(body, &p, &at_ms, &doc);
    enum error err = nidd_delivery_failure_encode(&p, at_ms, out);
    t8_doc_free(doc);
    return err;
}

static enum error rds_failure_answer(struct bytes body, struct buf *out, struct t8_problem *unused)
{
    struct nidd_rds_failure f;
    (void)unused;
    nidd_rds_failure_decode(body, &f);
    enum error err = nidd_rds_failure_encode(&f, out);
    nidd_rds_failure_release(&f);
    return err;
}

static enum error reply_answer(struct bytes body, struct buf *out, struct t8_problem *unused)
{
    struct t8_features f;
    (void)unused;
    enum error err = nidd_configuration_trigger_reply_decode(body, &f);
    return err ? err : nidd_configuration_trigger_reply_encode(f.bits, out);
}

static enum error acknowledgement_answer(struct bytes body, struct buf *out, struct t8_problem *unused)
{
    struct t8_acknowledgement a;
    (void)unused;
    enum error err = t8_acknowledgement_decode(body, &a);
    if (!err)
        err = t8_acknowledgement_encode(a.details, out);
    t8_acknowledgement_release(&a);
    return err;
}

static enum error notification(struct bytes body, struct buf *out, struct t8_problem *p)
{
    struct nidd_notification n;
    enum error err = nidd_notification_decode(body, &n, p);
    if (err)
        return err;
    switch (n.kind) {
    case NIDD_NOTIFICATION_UPLINK:
        err = nidd_uplink_encode(&n.uplink, out);
        break;
    case NIDD_NOTIFICATION_DELIVERY_STATUS:
        err = nidd_delivery_status_encode(&n.delivery_status, out);
        break;
    case NIDD_NOTIFICATION_CONFIGURATION_STATUS:
        err = nidd_configuration_status_encode(&n.configuration_status, out);
        break;
    case NIDD_NOTIFICATION_TEST:
        err = t8_test_notification_encode(&n.test, out);
        break;
    case NIDD_NOTIFICATION_GROUP_RESULT:
        err = nidd_group_result_encode(&n.group_result, out);
        break;
    case NIDD_NOTIFICATION_MANAGED_PORTS:
        err = nidd_managed_ports_encode(&n.managed_ports, out);
        break;
    case NIDD_NOTIFICATION_TRIGGER_REPORT:
        err = device_triggering_report_encode(&n.trigger_report, out);
        break;
    case NIDD_NOTIFICATION_MONITORING:
        err = monitoring_notification_encode(&n.monitoring, out);
        break;
    case NIDD_NOTIFICATION_CONFIGURATION_TRIGGER:
        err = nidd_configuration_trigger_encode(&n.configuration_trigger, out);
        break;
    case NIDD_NOTIFICATION_CONSENT_REVOKED:
    case NIDD_NOTIFICATION_NETWORK_PARAMETERS:
        buf_add_str(out, "{}");
        break;
    }
    nidd_notification_release(&n);
    return err;
}

static const struct {
    const char *type;
    const char *role;
    enum error (*recode)(struct bytes body, struct buf *out, struct t8_problem *p);
} rows[] = {
    {"NiddConfiguration", "request", configuration_request},
    {"NiddConfiguration", "answer", configuration_answer},
    {"NiddConfigurationPatch", "request", configuration_patch},
    {"NiddDownlinkDataTransfer", "request", downlink_request},
    {"NiddDownlinkDataTransfer", "answer", downlink_answer},
    {"NiddDownlinkDataTransferPatch", "request", downlink_patch},
    {"ManagePort", "request", port_request},
    {"ManagePort", "answer", port_answer},
    {"DeviceTriggering", "request", triggering_request},
    {"DeviceTriggering", "answer", triggering_answer},
    {"DeviceTriggeringPatch", "request", triggering_patch},
    {"MonitoringEventSubscription", "request", monitoring_request},
    {"MonitoringEventSubscription", "answer", monitoring_answer},
    {"MonitoringEventReport", "answer", report_answer},
    {"MonitoringEventReports", "answer", reports_answer},
    {"ProblemDetails", "answer", problem_answer},
    {"NiddDownlinkDataDeliveryFailure", "answer", delivery_failure_answer},
    {"RdsDownlinkDataDeliveryFailure", "answer", rds_failure_answer},
    {"NiddConfigurationTriggerReply", "answer", reply_answer},
    {"Acknowledgement", "answer", acknowledgement_answer},
};

static enum error recode(const char *type, const char *role, struct bytes body, struct buf *out, struct t8_problem *p)
{
    if (strcmp(role, "notification") == 0)
        return notification(body, out, p);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].type, type) == 0 && strcmp(rows[i].role, role) == 0)
            return rows[i].recode(body, out, p);
    fprintf(stderr, "recode_bodies: no codec for %s as %s\n", type, role);
    exit(2);
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    while ((len = getline(&line, &room, stdin)) > 0) {
        char *rest = line;
        const char *type = strsep(&rest, "\t");
        const char *role = strsep(&rest, "\t");
        if (!rest)
            return 2;
        struct buf out = {0};
        struct t8_problem p = {0};
        enum error err = recode(type, role, bytes_of(rest, strcspn(rest, "\n")), &out, &p);
        if (err)
            printf("%s %.*s\n", error_name(err), (int)p.invalid_param.len, (const char *)p.invalid_param.data);
        else
            printf("%.*s\n", (int)out.len, (const char *)out.data);
        buf_free(&out);
    }
    free(line);
    return 0;
}
