#include "sim/scef_model_internal.h"

/* What the SCEF lets pass: negotiated features, and the limits of TS 23.682 clauses 4.7.7 and 5.13.3. Windows are fixed
 * ones: they begin with the first message. */

uint64_t scef_features(const struct scef_model *m, uint64_t wanted)
{
    uint64_t common = m->options.features & wanted;
    if (m->websocket_root == NULL || (common & NIDD_FEATURE_TEST) == 0)
        common &= ~NIDD_FEATURE_WEBSOCKET;
    if ((common & NIDD_FEATURE_RDS_DYNAMIC_PORTS) == 0)
        common &= ~NIDD_FEATURE_SERIALIZATION_FORMAT;
    return common;
}

/* When the meter takes so much: 0 = now. What is more than the limit altogether waits for the next window like all. */
static uint64_t meter_until(const struct meter *k, uint64_t now_ms, uint64_t amount)
{
    uint64_t used = now_ms < k->window_ends_ms ? k->used : 0;
    if (k->limit.most == 0 || used + amount <= k->limit.most)
        return 0;
    return now_ms < k->window_ends_ms ? k->window_ends_ms : now_ms + k->limit.window_s * UINT64_C(1000);
}

static void meter_use(struct meter *k, uint64_t now_ms, uint64_t amount)
{
    if (k->limit.most == 0)
        return;
    if (now_ms >= k->window_ends_ms) {
        k->window_ends_ms = now_ms + k->limit.window_s * UINT64_C(1000);
        k->used = 0;
    }
    k->used += amount;
}

static uint64_t bytes_buffered(const struct subscriber *s)
{
    uint64_t sum = 0;
    LIST_EACH (it, &s->buffered)
        sum += LIST_ENTRY(it, struct delivery, node)->shown.data.len;
    return sum;
}

uint64_t scef_rates_until(const struct scef_model *m, const struct subscriber *s)
{
    uint64_t apn_ms = meter_until(&s->apn_rate, m->now_ms, 1);
    uint64_t plmn_ms = meter_until(&s->serving_plmn_rate, m->now_ms, 1);
    return apn_ms > plmn_ms ? apn_ms : plmn_ms;
}

static uint32_t seconds_until(const struct scef_model *m, uint64_t at_ms)
{
    return (uint32_t)((at_ms - m->now_ms + 999) / 1000);
}

struct scef_answer scef_limits(const struct scef_model *m, const struct subscriber *s, size_t len)
{
    struct scef_answer a = scef_status(0, T8_CAUSE_NONE);
    uint64_t until_ms = s->quota.limit.most > 0 ? meter_until(&s->quota, m->now_ms, len + bytes_buffered(s)) : 0;
    if (until_ms > 0) {
        a = scef_status(403, T8_CAUSE_QUOTA_EXCEEDED);
    } else {
        until_ms = scef_rates_until(m, s);
        if (until_ms > 0)
            a = scef_status(429, T8_CAUSE_NONE);
    }
    a.retry_after_s = until_ms > 0 ? seconds_until(m, until_ms) : 0;
    return a;
}

void scef_limits_use(const struct scef_model *m, struct subscriber *s, size_t len)
{
    meter_use(&s->quota, m->now_ms, len);
    meter_use(&s->apn_rate, m->now_ms, 1);
    meter_use(&s->serving_plmn_rate, m->now_ms, 1);
}

/* ---- authorisation (TS 29.122 clause 4.4.5.5) */

static void configurations_revoke(struct scef_model *m, struct list *configurations, const struct subscriber *s)
{
    LIST_EACH_SAFE (it, configurations) {
        struct configuration *c = LIST_ENTRY(it, struct configuration, of_owner);
        scef_notify_configuration_status(m, c, s, T8_NIDD_TERMINATED_UE_NOT_AUTHORIZED, T8_FLAG_UNSET,
                                         (struct t8_rds_port){0});
        if (c->group != NULL)
            continue; /* of which the others remain */
        c->status = T8_NIDD_TERMINATED_UE_NOT_AUTHORIZED;
        if (m->options.revocation_removes)
            scef_configuration_remove(m, c);
    }
}

void scef_ue_set_authorised(struct scef_model *m, uint64_t now_ms, uint32_t ue, bool authorised)
{
    struct subscriber *s = scef_subscriber_at(m, ue);
    scef_now(m, now_ms);
    if (s == NULL || s->authorised == authorised)
        return;
    s->authorised = authorised;
    if (authorised) {
        LIST_EACH (it, &s->configurations)
            LIST_ENTRY(it, struct configuration, of_owner)->status = T8_NIDD_ACTIVE;
        return;
    }
    scef_deliveries_fail(m, s, false);
    configurations_revoke(m, &s->configurations, s);
    for (size_t i = 0; i < s->groups_count; i++)
        configurations_revoke(m, &s->groups[i]->configurations, s);
    scef_pdn_set(m, s, false);
}
