/* Reports of the network that make queues flow: monitoring events (TS 29.122 clause 4.4.2) and device triggers that got
 * there (clause 4.4.6), whoever asked for them. */
#include "scef-adapter/wiring_internal.h"

/* ---- monitoring events */

/* The non-IP PDN connection to the SCEF was made; what the report does not say is believed. */
static bool is_connected(const struct monitoring_report *r)
{
    for (size_t i = 0; i < r->pdn_connections_count; i++) {
        const struct monitoring_pdn_connection *c = &r->pdn_connections[i];
        bool ours = (c->type == MONITORING_PDN_NON_IP || c->type == MONITORING_PDN_TYPE_UNSET) &&
                    (c->interface == MONITORING_EXPOSURE_FUNCTION || c->interface == MONITORING_INTERFACE_UNSET);
        if (ours && c->status == MONITORING_PDN_CREATED)
            return true;
    }
    return false;
}

static bool is_reachable(const struct monitoring_report *r)
{
    switch (r->type) {
    case MONITORING_UE_REACHABILITY: /* for SMS it may have no PDN connection: its POST tells */
    case MONITORING_AVAILABILITY_AFTER_DDN_FAILURE:
        return true;
    case MONITORING_PDN_CONNECTIVITY_STATUS:
        return is_connected(r);
    default:
        return false;
    }
}

static void reachable(struct adapter_scef *s, struct t8_identity id, const char *reason)
{
    if (!engine_device_reachable(s->a->engine, adapter_now(s->a), s->index, id, reason))
        metric_scef_add(&s->a->metrics, METRIC_REACHABLE, s->config->name, "unknown_device", 1);
}

/* Whom it is about: one device; before V15.2.0 maybe several. */
static void each_device(struct adapter_scef *s, const struct monitoring_report *r)
{
    const char *reason = monitoring_type_name(r->type);
    if (r->id.external_id.len || r->id.msisdn.len)
        reachable(s, r->id, reason);
    for (size_t i = 0; i < r->external_ids.count; i++)
        reachable(s, (struct t8_identity){.external_id = r->external_ids.items[i]}, reason);
    for (size_t i = 0; i < r->msisdns.count; i++)
        reachable(s, (struct t8_identity){.msisdn = r->msisdns.items[i]}, reason);
}

void adapter_reports(struct adapter_scef *s, const struct monitoring_report *reports, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_reachable(&reports[i]))
            each_device(s, &reports[i]);
}

enum scs_verdict adapter_monitoring(void *ctx, const struct monitoring_notification *n, enum error *err)
{
    struct adapter_scef *s = ctx;
    uint32_t owner = n->reports_count == 1 ? adapter_owner_of(s->a, n->reports[0].id) : s->a->config->slices.index;
    if (owner != s->a->config->slices.index)
        return adapter_redirect(s->a, owner, err);
    adapter_reports(s, n->reports, n->reports_count);
    return SCS_ACCEPTED;
}

/* ---- device triggers: the report names the transaction only, which names the device */

enum scs_verdict adapter_trigger_report(void *ctx, const struct device_triggering_report *r, enum error *err)
{
    struct adapter_scef *s = ctx;
    (void)err;
    if (r->result != DEVICE_TRIGGERING_SUCCESS || s->a->stop_at_ms)
        return SCS_ACCEPTED;
    if (scs_transaction_get(s->client, 0, r->transaction) == OK)
        s->requests_in_flight++;
    return SCS_ACCEPTED;
}

void adapter_transaction_result(struct adapter_scef *s, const struct scs_result *r)
{
    if (r->shows == SCS_SHOWS_TRANSACTION)
        reachable(s, r->transaction->id, "device_trigger");
}
