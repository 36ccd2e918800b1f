/* What the files of monitoring share.
 *
 *   scef_monitoring.c         requests, subscriptions and their ends
 *   scef_monitoring_check.c   what is refused, and adjusted
 *   scef_monitoring_modify.c  PUT, PATCH
 *   scef_monitoring_watch.c   watches: what happens to UEs becomes reports
 *   scef_monitoring_report.c  reports: collected, sent, shown */
#ifndef SIM_SCEF_MONITORING_INTERNAL_H
#define SIM_SCEF_MONITORING_INTERNAL_H

#include "base/list.h"
#include "base/map.h"
#include "base/slab.h"
#include "base/timer_wheel.h"
#include "sim/scef_monitoring.h"
#include "sim/scef_resource.h"

/* The types that this SCEF can watch for. */
#define MONITORING_TYPES_HERE                                                                                          \
    (MONITORING_TYPE_BIT(MONITORING_LOSS_OF_CONNECTIVITY) | MONITORING_TYPE_BIT(MONITORING_UE_REACHABILITY) |          \
     MONITORING_TYPE_BIT(MONITORING_ROAMING_STATUS) | MONITORING_TYPE_BIT(MONITORING_COMMUNICATION_FAILURE) |          \
     MONITORING_TYPE_BIT(MONITORING_AVAILABILITY_AFTER_DDN_FAILURE) |                                                  \
     MONITORING_TYPE_BIT(MONITORING_PDN_CONNECTIVITY_STATUS))

enum monitoring_timer {
    MONITORING_TIMER_EXPIRY,   /* monitorExpireTime */
    MONITORING_TIMER_SEND,     /* what is collected goes */
    MONITORING_TIMER_DETECTION /* of a watch */
};

/* A report, and what it points to. */
struct made_report {
    struct list node;
    struct monitoring_report report;
    struct monitoring_pdn_connection pdn;
    struct scef_plmn plmn;
    char nas_cause[16];
};

/* One event type of one UE. */
struct watch {
    struct list of_subscription;
    struct watch *next_of_ue, **link_of_ue; /* the chain of a UE's watches */
    struct subscription *subscription;
    uint32_t ue;
    enum monitoring_type type;
    uint32_t reported;
    bool reported_in_period;
    bool state;            /* reachable, roaming or connected, when last looked at */
    bool ddn_failed;       /* and not available since */
    struct scef_plmn plmn; /* when last looked at */
    struct timer detection;
};

/* A MonitoringEventSubscription of our own: the body, and what was read from it. */
struct monitoring_content {
    struct buf body;
    struct monitoring_subscription fields;
};

struct subscription {
    struct scef_resource resource;
    handle ref;
    struct monitoring_content content;
    bool by_msisdn;
    bool gone;           /* known to nobody; kept until what borrows from it is out of date */
    struct list watches; /* struct watch.of_subscription */
    struct list reports; /* struct made_report, collected and not told */
    struct list told;    /* in an answer, which borrows */
    struct monitoring_report *shown;
    struct timer expiry;
    struct timer send;
};

struct scef_monitoring {
    struct scef_monitoring_options options;
    char *link_root, *websocket_root, *apn;
    struct scef_model *model;
    uint64_t now_ms;
    struct timer_wheel wheel;
    struct slab subscriptions;
    struct map by_id;      /* struct subscription, those that are not gone */
    struct watch **chains; /* by UE */
    uint32_t chain_count;
    uint64_t next_number;
    struct t8_problem problem; /* of the last PATCH: its answer borrows from it */
    struct scef_monitoring_totals totals;
};

/* UEs to be watched, and those that may not be. */
struct monitoring_targets {
    uint32_t *ues;
    size_t count;
    uint32_t *refused;
    size_t refused_count;
};

static inline bool monitoring_is_group(const struct monitoring_subscription *f)
{
    return f->id.external_id.len == 0 && f->id.msisdn.len == 0;
}
static inline unsigned monitoring_types_of(const struct monitoring_subscription *f)
{
    return MONITORING_TYPE_BIT(f->type) | f->additional_types;
}
static inline bool monitoring_one_time(const struct monitoring_subscription *f)
{
    return f->maximum_number_of_reports.present && f->maximum_number_of_reports.value == 1 && f->expire_ms == 0;
}

/* scef_monitoring_check.c. `features`: agreed upon. Status 0 when nothing is wrong. */
struct scef_answer monitoring_check_types(const struct scef_monitoring *s, const struct monitoring_subscription *asked,
                                          uint64_t features, bool lenient);
/* Changes *f where the options allow it; *adjusted says whether. */
struct scef_answer monitoring_check_parameters(const struct scef_monitoring *s, struct monitoring_subscription *f,
                                               bool *adjusted);
/* The UEs that *f names, members excluded and added (by feature 20) considered. To be released in any case. */
struct scef_answer monitoring_targets_find(const struct scef_monitoring *s, struct bytes scs_as_id,
                                           const struct monitoring_subscription *f, uint64_t features,
                                           struct monitoring_targets *out);
void monitoring_targets_release(struct monitoring_targets *t);

/* scef_monitoring_watch.c */
/* Makes the watches of sub those of `targets` and `types`: what is there already stays, with its count. On
 * ERR_NO_MEMORY all is as before. */
[[gnu::warn_unused_result]] enum error monitoring_watches_set(struct scef_monitoring *s, struct subscription *sub,
                                                              const struct monitoring_targets *targets, unsigned types);
void monitoring_watch_delete(struct scef_monitoring *s, struct watch *w);
/* A report of what is so now, without anything happening; NULL: nothing to be told, or no memory. */
struct made_report *monitoring_watch_present(struct scef_monitoring *s, struct watch *w);
void monitoring_watch_lost(struct scef_monitoring *s, struct watch *w); /* its detection time is over */
bool monitoring_watch_done(const struct watch *w);
void monitoring_told(void *ctx, const struct scef_ue_event *e); /* the observer */

/* scef_monitoring_report.c */
void monitoring_collect(struct scef_monitoring *s, struct watch *w, struct made_report *r);
/* Counts it as one of w's. */
void monitoring_count(struct scef_monitoring *s, struct watch *w);
bool monitoring_done(const struct subscription *sub); /* every watch has told all that it may tell */
/* Starts the timer by which what is collected goes. */
void monitoring_schedule(struct scef_monitoring *s, struct subscription *sub);
/* The timer: tells what is collected, and ends the subscription when it is done. */
void monitoring_send(struct scef_monitoring *s, struct subscription *sub);
/* Tells what is collected, with cancelInd or not. */
void monitoring_flush(struct scef_monitoring *s, struct subscription *sub, bool cancelled);
void monitoring_notify(struct scef_monitoring *s, struct subscription *sub, const struct monitoring_notification *n);
/* The reports of `from` as an array, which lasts as long as sub; they move to `told`. NULL: none, or no memory, and
 * then they stay. */
struct monitoring_report *monitoring_show_reports(struct subscription *sub, struct list *from, size_t *count);
void monitoring_reports_free(struct list *reports);
/* Tells for which UEs it was not done. */
void monitoring_notify_refused(struct scef_monitoring *s, struct subscription *sub,
                               const struct monitoring_targets *targets);
void monitoring_notify_cancelled(struct scef_monitoring *s, struct subscription *sub, uint32_t ue);

/* scef_monitoring.c */
struct subscription *monitoring_find(const struct scef_monitoring *s, struct bytes scs_as_id, struct bytes id);
void monitoring_now(struct scef_monitoring *s, uint64_t now_ms);
[[gnu::warn_unused_result]] enum error monitoring_content_copy(struct monitoring_content *c,
                                                               const struct monitoring_subscription *from);
void monitoring_content_release(struct monitoring_content *c);
void monitoring_show(const struct subscription *sub, struct monitoring_subscription *out);
void monitoring_expiry_set(struct scef_monitoring *s, struct subscription *sub);
void monitoring_delete(struct scef_monitoring *s, struct subscription *sub);

#endif
