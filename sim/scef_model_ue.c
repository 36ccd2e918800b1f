#include "sim/scef_model_internal.h"

#include <stdlib.h>
#include <string.h>

#include "t8/configuration_trigger.h"

/* UEs and the radio between them and us, and who watches them. */

/* ---- observers */

static void tell(struct scef_model *m, const struct scef_ue_event *e)
{
    for (size_t i = 0; i < m->observer_count; i++)
        m->observers[i].told(m->observers[i].ctx, e);
}

void scef_tell(struct scef_model *m, const struct subscriber *s, enum scef_ue_happening what)
{
    tell(m, &(struct scef_ue_event){.what = what, .ue = s->index, .now_ms = m->now_ms});
}

bool scef_awake(const struct scef_model *m, const struct subscriber *s)
{
    return s->covered && ue_model_awake(&s->ue, m->now_ms);
}

bool scef_reachable(const struct scef_model *m, const struct subscriber *s)
{
    return s->ue.profile.pdn_connected && scef_awake(m, s);
}

/* Tells the observers when the UE wakes and falls asleep; without them no timer is needed for it. */
static void look(struct scef_model *m, struct subscriber *s)
{
    bool awake = scef_awake(m, s);
    if (m->observer_count == 0)
        return;
    if (awake && s->ue.awake_until_ms != UINT64_MAX)
        timer_start(&m->wheel, &s->asleep, s->ue.awake_until_ms);
    if (awake == s->told_awake)
        return;
    s->told_awake = awake;
    scef_tell(m, s, awake ? SCEF_UE_AWAKE : SCEF_UE_ASLEEP);
}

void scef_asleep_timer(struct scef_model *m, struct subscriber *s)
{
    look(m, s);
}

enum error scef_observe(struct scef_model *m, void (*told)(void *ctx, const struct scef_ue_event *e), void *ctx)
{
    struct observer *grown = realloc(m->observers, (m->observer_count + 1) * sizeof *grown);
    if (grown == NULL)
        return ERR_NO_MEMORY;
    m->observers = grown;
    if (m->observer_count == 0)
        for (uint32_t i = 0; i < m->subscriber_count; i++)
            m->subscribers[i]->told_awake = scef_awake(m, m->subscribers[i]);
    m->observers[m->observer_count++] = (struct observer){told, ctx};
    for (uint32_t i = 0; i < m->subscriber_count; i++)
        look(m, m->subscribers[i]);
    return OK;
}

/* ---- the radio */

void scef_nas_event(struct scef_model *m, const struct subscriber *s, bool mo, struct bytes data, const char *what)
{
    if (m->ports.nas_event != NULL)
        m->ports.nas_event(m->ports.ctx, s->index, mo, data, what);
}

static bool flight_start(struct scef_model *m, struct subscriber *s, const struct flight *like, struct bytes data,
                         uint64_t at_ms)
{
    struct flight *f = calloc(1, sizeof *f + data.len);
    if (f == NULL)
        return false;
    f->subscriber = s;
    f->mo = like->mo;
    f->reliable = like->reliable;
    f->port = like->port;
    f->len = data.len;
    if (data.len > 0)
        memcpy(f->data, data.data, data.len);
    list_push_back(&m->flights, &f->node);
    timer_init(&f->timer, TIMER_FLIGHT);
    timer_start(&m->wheel, &f->timer, at_ms);
    return true;
}

static void lost(struct scef_model *m, struct subscriber *s, bool mo, struct bytes data)
{
    (mo ? &s->counters.mo_lost : &s->counters.mt_lost)[0]++;
    scef_nas_event(m, s, mo, data, "lost");
}

static uint64_t radio_carry(struct scef_model *m, struct subscriber *s, const struct flight *like, struct bytes data)
{
    struct radio_fate fate = radio_send(&s->prng, &s->radio, m->now_ms);
    (like->mo ? &s->counters.mo_sent : &s->counters.mt_sent)[0]++;
    scef_nas_event(m, s, like->mo, data, "sent");
    bool arrives = false;
    for (unsigned i = 0; i < fate.arrivals; i++)
        arrives |= flight_start(m, s, like, data, fate.at_ms[i]); /* memory short: lost, as radios lose */
    if (!arrives)
        lost(m, s, like->mo, data);
    else if (fate.arrivals > 1)
        scef_nas_event(m, s, like->mo, data, "duplicated");
    return fate.at_ms[0];
}

uint64_t scef_radio_send(struct scef_model *m, struct subscriber *s, struct bytes data, struct t8_rds_port port)
{
    return radio_carry(m, s, &(struct flight){.port = port}, data);
}

bool scef_radio_send_reliable(struct scef_model *m, struct subscriber *s, struct bytes data, struct t8_rds_port port,
                              bool *reached, uint64_t *at_ms)
{
    struct radio_fate there = radio_send(&s->prng, &s->radio, m->now_ms);
    s->counters.mt_sent++;
    scef_nas_event(m, s, false, data, "sent");
    bool arrives = there.arrivals > 0;
    if (arrives && !*reached)
        *reached = arrives = flight_start(m, s, &(struct flight){.port = port}, data, there.at_ms[0]);
    if (!arrives)
        lost(m, s, false, data);
    struct radio_fate back = radio_send(&s->prng, &s->radio, there.at_ms[0]);
    *at_ms = back.at_ms[0];
    return arrives && back.arrivals > 0;
}

bool scef_radio_ask(struct scef_model *m, struct subscriber *s, uint64_t *at_ms)
{
    struct radio_fate there = radio_send(&s->prng, &s->radio, m->now_ms);
    struct radio_fate back = radio_send(&s->prng, &s->radio, there.at_ms[0]);
    *at_ms = back.at_ms[0];
    return there.arrivals > 0 && back.arrivals > 0;
}

void scef_activity(struct scef_model *m, struct subscriber *s)
{
    look(m, s); /* it may have fallen asleep since */
    ue_model_activity(&s->ue, m->now_ms);
    if (s->ue.tau_at_ms != UINT64_MAX)
        timer_start(&m->wheel, &s->tau, s->ue.tau_at_ms);
    look(m, s);
}

void scef_flows(struct scef_model *m, struct subscriber *s)
{
    scef_triggers_flow(m, s);
    scef_deliveries_flow(m, s);
}

void scef_pdn_set(struct scef_model *m, struct subscriber *s, bool connected)
{
    if (s->ue.profile.pdn_connected == connected)
        return;
    s->ue.profile.pdn_connected = connected;
    scef_tell(m, s, connected ? SCEF_UE_PDN_CREATED : SCEF_UE_PDN_RELEASED);
    if (connected)
        (void)scef_configuration_trigger(m, m->now_ms, s->index);
    else
        scef_deliveries_fail(m, s, true);
}

void scef_appears(struct scef_model *m, struct subscriber *s)
{
    if (s->authorised) /* else we refuse the connection (TS 29.122 clause 4.4.5.5) */
        scef_pdn_set(m, s, true);
    scef_activity(m, s);
    scef_flows(m, s);
}

static void uplink_arrives(struct scef_model *m, const struct flight *f, struct bytes data)
{
    struct subscriber *s = f->subscriber;
    scef_nas_event(m, s, true, data, "delivered");
    if (m->down || !s->authorised || scef_uplink_notify(m, s, data, f->port, f->reliable) == 0)
        m->totals.uplinks_dropped++;
    if (!m->down)
        scef_appears(m, s);
}

void scef_flight_arrives(struct scef_model *m, struct flight *f)
{
    struct subscriber *s = f->subscriber;
    struct bytes data = bytes_of(f->data, f->len);
    list_remove(&f->node);
    if (f->mo) {
        uplink_arrives(m, f, data);
    } else if (!s->covered) {
        lost(m, s, false, data);
    } else {
        s->counters.mt_delivered++;
        scef_nas_event(m, s, false, data, "delivered");
        m->ports.ue_deliver(m->ports.ctx, s->index, data, f->port);
    }
    free(f);
}

/* ---- what UEs do */

void scef_uplink_rds(struct scef_model *m, uint64_t now_ms, uint32_t ue, struct bytes data, struct t8_rds_port port,
                     bool reliable)
{
    struct subscriber *s = scef_subscriber_at(m, ue);
    scef_now(m, now_ms);
    if (s != NULL && s->covered) {
        (void)radio_carry(m, s, &(struct flight){.mo = true, .port = port, .reliable = reliable}, data);
    } else if (s != NULL) {
        s->counters.mo_sent++;
        scef_nas_event(m, s, true, data, "sent");
        lost(m, s, true, data);
    }
}

void scef_uplink(struct scef_model *m, uint64_t now_ms, uint32_t ue, struct bytes data)
{
    scef_uplink_rds(m, now_ms, ue, data, (struct t8_rds_port){0}, false);
}

void scef_ue_wake(struct scef_model *m, uint64_t now_ms, uint32_t ue)
{
    struct subscriber *s = scef_subscriber_at(m, ue);
    scef_now(m, now_ms);
    if (s == NULL)
        return;
    if (s->covered) {
        scef_activity(m, s);
        scef_flows(m, s);
    } else if (s->ue.tau_at_ms != UINT64_MAX && s->ue.tau_at_ms <= m->now_ms) { /* a TAU that nobody hears */
        s->ue.tau_at_ms = m->now_ms + s->ue.profile.tau_period_ms;
        timer_start(&m->wheel, &s->tau, s->ue.tau_at_ms);
    }
}

void scef_ue_set_pdn_connected(struct scef_model *m, uint64_t now_ms, uint32_t ue, bool connected)
{
    struct subscriber *s = scef_subscriber_at(m, ue);
    scef_now(m, now_ms);
    if (s == NULL)
        return;
    if (connected)
        scef_appears(m, s);
    else
        scef_pdn_set(m, s, false);
}

void scef_ue_set_covered(struct scef_model *m, uint64_t now_ms, uint32_t ue, bool covered)
{
    struct subscriber *s = scef_subscriber_at(m, ue);
    scef_now(m, now_ms);
    if (s == NULL || s->covered == covered)
        return;
    look(m, s);
    s->covered = covered;
    scef_tell(m, s, covered ? SCEF_UE_COVERAGE_FOUND : SCEF_UE_COVERAGE_LOST);
    if (covered)
        scef_ue_wake(m, m->now_ms, ue); /* it registers */
    else
        look(m, s);
}

void scef_ue_roam(struct scef_model *m, uint64_t now_ms, uint32_t ue, const struct scef_plmn *plmn)
{
    struct subscriber *s = scef_subscriber_at(m, ue);
    scef_now(m, now_ms);
    if (s == NULL)
        return;
    s->plmn = *plmn;
    tell(m,
         &(struct scef_ue_event){.what = SCEF_UE_PLMN_CHANGED, .ue = s->index, .now_ms = m->now_ms, .plmn = &s->plmn});
}

void scef_ue_fail(struct scef_model *m, uint64_t now_ms, uint32_t ue, const struct scef_failure *f)
{
    const struct subscriber *s = scef_subscriber_at(m, ue);
    scef_now(m, now_ms);
    if (s != NULL)
        tell(m, &(struct scef_ue_event){.what = SCEF_UE_FAILED, .ue = s->index, .now_ms = m->now_ms, .failure = f});
}

static void configurations_tell_rds(struct scef_model *m, const struct list *configurations, const struct subscriber *s)
{
    LIST_EACH (it, configurations)
        scef_notify_configuration_status(m, LIST_ENTRY(it, struct configuration, of_owner), s, T8_NIDD_ACTIVE,
                                         s->rds ? T8_FLAG_TRUE : T8_FLAG_FALSE, (struct t8_rds_port){0});
}

void scef_ue_set_rds(struct scef_model *m, uint64_t now_ms, uint32_t ue, bool rds)
{
    struct subscriber *s = scef_subscriber_at(m, ue);
    scef_now(m, now_ms);
    if (s == NULL || s->rds == rds)
        return;
    s->rds = rds;
    configurations_tell_rds(m, &s->configurations, s);
    for (size_t i = 0; i < s->groups_count; i++)
        configurations_tell_rds(m, &s->groups[i]->configurations, s);
}

/* ---- as the network sees them */

bool scef_ue_awake(const struct scef_model *m, uint32_t ue, uint64_t now_ms)
{
    const struct subscriber *s = scef_subscriber_at(m, ue);
    return s != NULL && s->covered && ue_model_awake(&s->ue, now_ms);
}

bool scef_ue_state(const struct scef_model *m, uint64_t now_ms, uint32_t ue, struct scef_ue_state *out)
{
    const struct subscriber *s = scef_subscriber_at(m, ue);
    if (s == NULL)
        return false;
    *out = (struct scef_ue_state){
        .pdn_connected = s->ue.profile.pdn_connected,
        .covered = s->covered,
        .awake = scef_ue_awake(m, ue, now_ms),
        .awake_until_ms = s->ue.awake_until_ms,
        .tau_at_ms = s->ue.tau_at_ms,
        .profile = s->ue.profile,
        .plmn = s->plmn,
        .roaming = strcmp(s->plmn.mcc, s->home_plmn.mcc) != 0 || strcmp(s->plmn.mnc, s->home_plmn.mnc) != 0,
    };
    out->reachable = out->awake && out->pdn_connected;
    return true;
}

const struct scef_counters *scef_counters_of(const struct scef_model *m, uint32_t ue)
{
    static const struct scef_counters none;
    const struct subscriber *s = scef_subscriber_at(m, ue);
    return s != NULL ? &s->counters : &none;
}

/* ---- NIDD configuration trigger (TS 29.522 clause 5.5) */

static bool ask_for_configuration(struct scef_model *m, const struct subscriber *s, const struct application_server *a)
{
    struct nidd_configuration_trigger t = {
        .af_id = bytes_of_str(a->id),
        .nef_id = bytes_of_str(m->nef_id),
        .id = scef_identity(s, s->external_id == NULL),
        .features = {.present = true},
    };
    struct buf body = {0};
    if (nidd_configuration_trigger_encode(&t, &body) == OK && !body.failed)
        scef_notify(m, m->now_ms,
                    &(struct scef_notification){.kind = SCEF_NOTIFY_CONFIGURATION_TRIGGER,
                                                .destination = a->configuration_trigger_url,
                                                .id = t.id,
                                                .body = buf_bytes(&body)});
    buf_free(&body);
    return true;
}

unsigned scef_configuration_trigger(struct scef_model *m, uint64_t now_ms, uint32_t ue)
{
    const struct subscriber *s = scef_subscriber_at(m, ue);
    unsigned asked = 0;
    scef_now(m, now_ms);
    for (size_t i = 0; s != NULL && i < m->server_count; i++) {
        const struct application_server *a = &m->servers[i];
        struct bytes id = bytes_of_str(a->id);
        if (a->configuration_trigger_url != NULL && scef_admits(s, id) && scef_configuration_for(s, id) == NULL)
            asked += ask_for_configuration(m, s, a);
    }
    return asked;
}
