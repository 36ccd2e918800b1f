#include "sim/scef_monitoring_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Watches. Whatever is told of a UE, each of its watches looks at the UE's present state and compares it with what it
 * saw last: so two tellings of the same thing make one report, and the order of tellings does not matter. */

bool monitoring_watch_done(const struct watch *w)
{
    struct t8_uint most = w->subscription->content.fields.maximum_number_of_reports;
    return most.present && w->reported >= most.value;
}

/* ---- what reports say */

static struct made_report *report_new(const struct scef_monitoring *s, const struct watch *w)
{
    struct made_report *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    list_init(&r->node);
    r->report.type = w->type;
    r->report.id = scef_subscriber_identity(s->model, w->ue, w->subscription->by_msisdn);
    r->report.event_ms = s->now_ms;
    return r;
}

static void tell_idle_status(const struct scef_monitoring *s, const struct watch *w, const struct scef_ue_state *ue,
                             struct made_report *r)
{
    const struct monitoring_subscription *f = &w->subscription->content.fields;
    if (f->idle_status_indication != T8_FLAG_TRUE)
        return;
    r->report.idle_status = (struct monitoring_idle_status){
        .present = true,
        .suggested_number_of_dl_packets = {true, f->suggested_number_of_dl_packets.value},
        .idle_since_ms = s->now_ms,
    };
    if (ue->profile.psm)
        r->report.idle_status.active_time_s = (struct t8_uint){true, ue->profile.active_time_ms / 1000};
    if (ue->profile.tau_period_ms > 0)
        r->report.idle_status.periodic_update_timer_s =
            (struct t8_uint){true, (uint32_t)(ue->profile.tau_period_ms / 1000)};
}

static void tell_reachability(const struct scef_monitoring *s, const struct watch *w, const struct scef_ue_state *ue,
                              struct made_report *r)
{
    r->report.reachability = w->subscription->content.fields.reachability;
    if (ue->awake_until_ms != UINT64_MAX)
        r->report.available_until_ms = ue->awake_until_ms;
    tell_idle_status(s, w, ue, r);
}

static void tell_roaming(const struct watch *w, const struct scef_ue_state *ue, struct made_report *r)
{
    r->report.roaming = ue->roaming ? T8_FLAG_TRUE : T8_FLAG_FALSE;
    r->plmn = ue->plmn;
    if (w->subscription->content.fields.plmn_indication == T8_FLAG_TRUE && ue->plmn.mcc[0] != 0)
        r->report.plmn = (struct monitoring_plmn){true, bytes_of_str(r->plmn.mcc), bytes_of_str(r->plmn.mnc)};
}

static void tell_pdn(const struct scef_monitoring *s, const struct scef_ue_state *ue, struct made_report *r)
{
    r->pdn = (struct monitoring_pdn_connection){
        .status = ue->pdn_connected ? MONITORING_PDN_CREATED : MONITORING_PDN_RELEASED,
        .type = MONITORING_PDN_NON_IP,
        .apn = bytes_of_str(s->apn),
        .interface = MONITORING_EXPOSURE_FUNCTION,
    };
    r->report.pdn_connections = &r->pdn;
    r->report.pdn_connections_count = 1;
}

/* f may be NULL: no cause is known. */
static void tell_failure(const struct scef_failure *f, struct made_report *r)
{
    r->report.failure_cause.present = true;
    if (f == NULL)
        return;
    if (f->s1ap_cause >= 0)
        r->report.failure_cause.s1ap = (struct t8_int){true, f->s1ap_cause};
    if (f->nas_cause >= 0) {
        snprintf(r->nas_cause, sizeof r->nas_cause, "%d", (int)f->nas_cause);
        r->report.failure_cause.ran_nas = bytes_of_str(r->nas_cause);
    }
}

/* A report of w's type; `failure` of a COMMUNICATION_FAILURE only. */
static struct made_report *report_make(const struct scef_monitoring *s, const struct watch *w,
                                       const struct scef_ue_state *ue, const struct scef_failure *failure)
{
    struct made_report *r = report_new(s, w);
    if (r == NULL)
        return NULL;
    if (w->type == MONITORING_UE_REACHABILITY)
        tell_reachability(s, w, ue, r);
    else if (w->type == MONITORING_AVAILABILITY_AFTER_DDN_FAILURE)
        tell_idle_status(s, w, ue, r);
    else if (w->type == MONITORING_ROAMING_STATUS)
        tell_roaming(w, ue, r);
    else if (w->type == MONITORING_PDN_CONNECTIVITY_STATUS)
        tell_pdn(s, ue, r);
    else if (w->type == MONITORING_COMMUNICATION_FAILURE)
        tell_failure(failure, r);
    else /* MAX_DETECTION_TIME_EXPIRED_MME (TS 29.336 clause 8.4.58) */
        r->report.loss_of_connect_reason = (struct t8_int){true, 2};
    return r;
}

/* ---- what happens */

static bool same_plmn(const struct scef_plmn *a, const struct scef_plmn *b)
{
    return strcmp(a->mcc, b->mcc) == 0 && strcmp(a->mnc, b->mnc) == 0;
}

static bool for_sms(const struct watch *w)
{
    return w->subscription->content.fields.reachability == MONITORING_REACHABLE_FOR_SMS;
}

static bool state_of(const struct watch *w, const struct scef_ue_state *ue)
{
    switch (w->type) {
    case MONITORING_UE_REACHABILITY:
        return for_sms(w) ? ue->awake : ue->reachable;
    case MONITORING_ROAMING_STATUS:
        return ue->roaming;
    case MONITORING_PDN_CONNECTIVITY_STATUS:
        return ue->pdn_connected;
    default:
        return ue->awake;
    }
}

static void look(struct watch *w, const struct scef_ue_state *ue)
{
    w->state = state_of(w, ue);
    w->plmn = ue->plmn;
}

/* Does this make a report? */
static bool tells(const struct watch *w, const struct scef_ue_state *ue, const struct scef_ue_event *e)
{
    switch (w->type) {
    case MONITORING_UE_REACHABILITY:
        return !w->state && state_of(w, ue);
    case MONITORING_ROAMING_STATUS:
        return w->state != ue->roaming ||
               (w->subscription->content.fields.plmn_indication == T8_FLAG_TRUE && !same_plmn(&w->plmn, &ue->plmn));
    case MONITORING_PDN_CONNECTIVITY_STATUS:
        return w->state != ue->pdn_connected;
    case MONITORING_AVAILABILITY_AFTER_DDN_FAILURE:
        return w->ddn_failed && ue->reachable;
    case MONITORING_COMMUNICATION_FAILURE:
        return e->what == SCEF_UE_FAILED;
    default: /* LOSS_OF_CONNECTIVITY has its timer */
        return false;
    }
}

/* The time in which the UE cannot be reached is measured from when it could last. */
static void detect(struct scef_monitoring *s, struct watch *w, bool awake)
{
    const struct t8_uint asked_s = w->subscription->content.fields.maximum_detection_time_s;
    uint64_t most_ms = (asked_s.present ? asked_s.value : s->options.default_detection_time_s) * UINT64_C(1000);
    if (awake)
        timer_stop(&s->wheel, &w->detection);
    else if (w->state)
        timer_start(&s->wheel, &w->detection, s->now_ms + most_ms);
}

static void watch_told(struct scef_monitoring *s, struct watch *w, const struct scef_ue_state *ue,
                       const struct scef_ue_event *e)
{
    bool report = !monitoring_watch_done(w) && tells(w, ue, e);
    struct made_report *r = report ? report_make(s, w, ue, e->failure) : NULL;
    if (report && r == NULL)
        return; /* no memory: looked at again when something else happens */
    if (r != NULL)
        w->ddn_failed = false;
    else if (e->what == SCEF_UE_DDN_FAILURE)
        w->ddn_failed = true;
    if (w->type == MONITORING_LOSS_OF_CONNECTIVITY)
        detect(s, w, ue->awake);
    look(w, ue);
    if (r != NULL)
        monitoring_collect(s, w, r);
}

void monitoring_told(void *ctx, const struct scef_ue_event *e)
{
    struct scef_monitoring *s = ctx;
    struct scef_ue_state ue;
    monitoring_now(s, e->now_ms);
    if (e->ue >= s->chain_count || s->chains[e->ue] == NULL || !scef_ue_state(s->model, e->now_ms, e->ue, &ue))
        return;
    for (struct watch *w = s->chains[e->ue]; w != NULL; w = w->next_of_ue)
        watch_told(s, w, &ue, e);
}

struct made_report *monitoring_watch_present(struct scef_monitoring *s, struct watch *w)
{
    struct scef_ue_state ue;
    if (monitoring_watch_done(w) || !scef_ue_state(s->model, s->now_ms, w->ue, &ue))
        return NULL;
    bool known = (w->type == MONITORING_UE_REACHABILITY && state_of(w, &ue)) || w->type == MONITORING_ROAMING_STATUS ||
                 (w->type == MONITORING_PDN_CONNECTIVITY_STATUS && ue.pdn_connected);
    return known ? report_make(s, w, &ue, NULL) : NULL;
}

void monitoring_watch_lost(struct scef_monitoring *s, struct watch *w)
{
    struct scef_ue_state ue;
    if (monitoring_watch_done(w) || !scef_ue_state(s->model, s->now_ms, w->ue, &ue) || ue.awake)
        return;
    struct made_report *r = report_make(s, w, &ue, NULL);
    if (r != NULL)
        monitoring_collect(s, w, r);
}

/* ---- making and ending them */

static enum error chain_reserve(struct scef_monitoring *s, uint32_t ue)
{
    if (ue < s->chain_count)
        return OK;
    uint32_t count = ue + 1 > 2 * s->chain_count ? ue + 1 : 2 * s->chain_count;
    struct watch **grown = calloc(count, sizeof(struct watch *));
    if (grown == NULL)
        return ERR_NO_MEMORY;
    for (uint32_t i = 0; i < s->chain_count; i++) {
        grown[i] = s->chains[i];
        if (grown[i] != NULL)
            grown[i]->link_of_ue = &grown[i];
    }
    free(s->chains);
    s->chains = grown;
    s->chain_count = count;
    return OK;
}

static struct watch *watch_new(struct scef_monitoring *s, struct subscription *sub, uint32_t ue,
                               enum monitoring_type type)
{
    struct watch *w = chain_reserve(s, ue) == OK ? calloc(1, sizeof *w) : NULL;
    if (w == NULL)
        return NULL;
    w->subscription = sub;
    w->ue = ue;
    w->type = type;
    list_init(&w->of_subscription);
    timer_init(&w->detection, MONITORING_TIMER_DETECTION);
    w->next_of_ue = s->chains[ue];
    w->link_of_ue = &s->chains[ue];
    if (w->next_of_ue != NULL)
        w->next_of_ue->link_of_ue = &w->next_of_ue;
    s->chains[ue] = w;
    return w;
}

void monitoring_watch_delete(struct scef_monitoring *s, struct watch *w)
{
    timer_stop(&s->wheel, &w->detection);
    list_remove(&w->of_subscription);
    *w->link_of_ue = w->next_of_ue;
    if (w->next_of_ue != NULL)
        w->next_of_ue->link_of_ue = w->link_of_ue;
    free(w);
}

static void watches_delete(struct scef_monitoring *s, struct list *watches)
{
    LIST_EACH_SAFE (it, watches)
        monitoring_watch_delete(s, LIST_ENTRY(it, struct watch, of_subscription));
}

static struct watch *watch_among(const struct list *watches, uint32_t ue, enum monitoring_type type)
{
    LIST_EACH (it, watches) {
        struct watch *w = LIST_ENTRY(it, struct watch, of_subscription);
        if (w->ue == ue && w->type == type)
            return w;
    }
    return NULL;
}

static bool wanted(const struct watch *w, const struct monitoring_targets *targets, unsigned types)
{
    for (size_t i = 0; i < targets->count && (types & MONITORING_TYPE_BIT(w->type)) != 0; i++)
        if (targets->ues[i] == w->ue)
            return true;
    return false;
}

/* Looks at the UE for the first time, as if it had been reachable up to now. */
static void watch_begin(struct scef_monitoring *s, struct watch *w)
{
    struct scef_ue_state ue;
    if (!scef_ue_state(s->model, s->now_ms, w->ue, &ue))
        return;
    w->state = true;
    if (w->type == MONITORING_LOSS_OF_CONNECTIVITY)
        detect(s, w, ue.awake);
    look(w, &ue);
}

enum error monitoring_watches_set(struct scef_monitoring *s, struct subscription *sub,
                                  const struct monitoring_targets *targets, unsigned types)
{
    struct list fresh;
    list_init(&fresh);
    for (size_t i = 0; i < targets->count; i++) {
        for (int type = 1; type < MONITORING_TYPE_OTHER; type++) {
            if ((types & MONITORING_TYPE_BIT(type)) == 0 ||
                watch_among(&sub->watches, targets->ues[i], (enum monitoring_type)type) != NULL)
                continue;
            struct watch *w = watch_new(s, sub, targets->ues[i], (enum monitoring_type)type);
            if (w == NULL) {
                watches_delete(s, &fresh);
                return ERR_NO_MEMORY;
            }
            list_push_back(&fresh, &w->of_subscription);
        }
    }
    LIST_EACH_SAFE (it, &sub->watches) {
        struct watch *w = LIST_ENTRY(it, struct watch, of_subscription);
        if (!wanted(w, targets, types))
            monitoring_watch_delete(s, w);
    }
    LIST_EACH_SAFE (it, &fresh) {
        struct watch *w = LIST_ENTRY(it, struct watch, of_subscription);
        list_remove(it);
        list_push_back(&sub->watches, it);
        watch_begin(s, w);
    }
    return OK;
}
