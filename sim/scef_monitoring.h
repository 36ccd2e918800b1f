/* Monitoring events at the SCEF (TS 29.122 clauses 4.4.2 and 5.3; TS 23.682 clause 5.6), pure: an object beside a SCEF
 * model, whose subscribers it observes and whose notifications it uses.
 *
 * A subscription watches a UE, or each member of a group, for one event type or several:
 *
 *   event                            what makes a report
 *   UE_REACHABILITY SMS, DATA        the UE becomes reachable; at once if it is
 *   ROAMING_STATUS                   it enters or leaves its home network (plmnIndication: any PLMN); at once
 *   PDN_CONNECTIVITY_STATUS          its non-IP PDN connection begins or ends; at once if there is one
 *   LOSS_OF_CONNECTIVITY             it could not be reached for maximumDetectionTime
 *   AVAILABILITY_AFTER_DDN_FAILURE   it becomes reachable after MT data met it unreachable
 *   COMMUNICATION_FAILURE            its radio connection fails
 *
 * Reports go at once, or together: a group's when groupReportGuardTime is over, those of a subscription with repPeriod
 * at the end of each period, then also of what is unchanged. Each UE reports each type maximumNumberOfReports times;
 * when all have, the subscription is deleted, and its last notification has cancelInd. At monitorExpireTime it is
 * deleted without a word, after what was collected. */
#ifndef SIM_SCEF_MONITORING_H
#define SIM_SCEF_MONITORING_H

#include "sim/scef_model.h"
#include "t8/monitoring.h"

struct scef_monitoring;

struct scef_range {
    uint32_t least, most; /* most 0 = no end */
};
struct scef_monitoring_options {
    uint64_t seed;
    const char *link_root;        /* "/3gpp-monitoring-event/v1" by default */
    const char *websocket_root;   /* what a websocketUri begins with, before the resource's path; NULL = none offered */
    enum t8_id_style ids;         /* PLAIN: "s1" */
    uint64_t features;            /* offered: all that there is here by default */
    unsigned types;               /* a set of MONITORING_TYPE_BIT: the others are EVENT_UNSUPPORTED; all by default */
    bool lenient_features;        /* a subscription without supportedFeatures may have any type: senders forget it */
    bool no_idle_status;          /* idleStatusIndication is IDLE_STATUS_UNSUPPORTED */
    bool adjust_parameters;       /* what is out of range is changed silently; else PARAMETER_OUT_OF_RANGE */
    struct scef_range reports;    /* maximumNumberOfReports */
    struct scef_range duration_s; /* until monitorExpireTime */
    struct scef_range report_period_s; /* as all that follow: seconds */
    struct scef_range group_guard_time_s;
    struct scef_range detection_time_s;
    struct scef_range maximum_latency_s;
    struct scef_range response_time_s;
    uint32_t default_detection_time_s; /* when LOSS_OF_CONNECTIVITY has none: 3600 by default */
    uint32_t max_subscriptions;        /* of one SCS/AS; more are RESOURCES_EXCEEDED; 0 = any number */
    const char *apn;                   /* told in PDN connections; NULL = not told */
};
void scef_monitoring_options_default(struct scef_monitoring_options *o);

/* Texts are copied. Observes `m`, which must outlive it, and gets no input but scef_model_free after
 * scef_monitoring_free. */
[[gnu::warn_unused_result]] enum error scef_monitoring_new(const struct scef_monitoring_options *o,
                                                           struct scef_model *m, uint64_t now_ms,
                                                           struct scef_monitoring **out);
void scef_monitoring_free(struct scef_monitoring *s);

/* T8 requests. *out is filled when the status is 200 or 201, and borrows until the model's next input: not to be
 * released. Besides what is said below:
 *   400 what invalid_param names    404 no such SCS/AS or subscription    503 no memory */

/* 201 with *out, or 200 with *reports: a one-time request (one report, no monitorExpireTime) for a UE whose reports are
 * there at once makes no resource. One report is told as a MonitoringEventReport, more as MonitoringEventReports.
 *   400 EVENT_FEATURE_MISMATCH    the type's feature is not agreed upon
 *       DUPLICATE_REQUEST         by feature 24: the same user, type and destination are subscribed to
 *   403 OPERATION_PROHIBITED      this SCS/AS may not watch the UE, or any member of the group
 *       PARAMETER_OUT_OF_RANGE, IDLE_STATUS_UNSUPPORTED
 *       RESOURCES_EXCEEDED        the cause by feature 24 only
 *   404 UE_NOT_FOUND              no such user or group
 *   500 EVENT_UNSUPPORTED
 * Members of a group that this SCS/AS may not watch are told by a notification with configResults. */
struct scef_answer scef_monitoring_create(struct scef_monitoring *s, uint64_t now_ms, struct bytes scs_as_id,
                                          const struct monitoring_subscription *asked,
                                          struct monitoring_subscription *out, struct monitoring_reports *reports);
/* 200 */
struct scef_answer scef_monitoring_get(struct scef_monitoring *s, uint64_t now_ms, struct bytes scs_as_id,
                                       struct bytes subscription_id, struct monitoring_subscription *out);
/* Is this the websocketUri of a subscription? */
bool scef_monitoring_websocket_known(const struct scef_monitoring *s, struct bytes uri);
/* The subscriptions of an SCS/AS, one after another from *cursor = 0 on; false at the end. */
bool scef_monitoring_next(struct scef_monitoring *s, uint64_t now_ms, struct bytes scs_as_id, uint64_t *cursor,
                          struct monitoring_subscription *out);
/* PUT: 200, and the refusals of create. By feature 11, else 403 OPERATION_PROHIBITED. The user, mtcProviderId, features
 * and the ways of notification stay; another user or mtcProviderId is 400. Reports made so far count. */
struct scef_answer scef_monitoring_replace(struct scef_monitoring *s, uint64_t now_ms, struct bytes scs_as_id,
                                           struct bytes subscription_id, const struct monitoring_subscription *asked,
                                           struct monitoring_subscription *out);
/* PATCH: 204. `patch` is the body, a JSON Patch (RFC 6902) of the subscription. By feature 28; by feature 20 members of
 * a group may be excluded and added (excludedExternalIds, addedExternalIds, and as MSISDNs); else as PUT. */
struct scef_answer scef_monitoring_patch(struct scef_monitoring *s, uint64_t now_ms, struct bytes scs_as_id,
                                         struct bytes subscription_id, struct bytes patch);
/* DELETE: 204, or 200 with an array of the reports that were collected and not sent. */
struct scef_answer scef_monitoring_delete(struct scef_monitoring *s, uint64_t now_ms, struct bytes scs_as_id,
                                          struct bytes subscription_id, struct monitoring_reports *reports);

/* ---- what the operator does */

/* The network ends a subscription: cancelInd. false: there is none. */
bool scef_monitoring_cancel(struct scef_monitoring *s, uint64_t now_ms, struct bytes scs_as_id,
                            struct bytes subscription_id);
/* The network stops watching a UE: its own subscriptions end by cancelInd, those of its groups go on without it (told
 * by cancelExternalIds or cancelMsisdns, by feature 20). */
void scef_monitoring_cancel_ue(struct scef_monitoring *s, uint64_t now_ms, uint32_t ue);
/* Loses all subscriptions, silently. */
void scef_monitoring_restart(struct scef_monitoring *s, uint64_t now_ms);

void scef_monitoring_wake(struct scef_monitoring *s, uint64_t now_ms);
/* O(1); UINT64_MAX: nothing to do. Inputs of the SCEF model may make it earlier: what happens to UEs is told in the
 * next turn. */
uint64_t scef_monitoring_next_wake(const struct scef_monitoring *s);

struct scef_monitoring_totals {
    uint64_t subscriptions; /* now */
    uint64_t reports;       /* made, whether notified, answered or collected */
    uint64_t notifications; /* begun, without tests */
    uint64_t cancelled;     /* subscriptions that ended by cancelInd */
    uint64_t expired;       /* by monitorExpireTime */
};
const struct scef_monitoring_totals *scef_monitoring_totals_of(const struct scef_monitoring *s);

#endif
