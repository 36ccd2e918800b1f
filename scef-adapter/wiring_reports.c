/* Reports of the network that make queues flow: monitoring events (TS 29.122 clause 4.4.2) and device triggers that got
 * there (clause 4.4.6), whoever asked for them; and what the engine asks for itself. */
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
    loading_soon(s->a, id); /* one that is not here yet begins as one that can be reached */
    if (!engine_device_reachable(s->a->engine, adapter_now(s->a), s->index, id, reason))
        metric_scef_add(&s->a->metrics, METRIC_REACHABLE, s->config->name, "unknown_device", 1);
}

static bool is_named(struct t8_identity id)
{
    return id.external_id.len || id.msisdn.len;
}

/* Whom it is about: one device; before V15.2.0 maybe several; if it says nothing, whom the subscription is about. */
static void each_device(struct adapter_scef *s, const struct monitoring_report *r, struct t8_identity whose)
{
    const char *reason = monitoring_type_name(r->type);
    if (is_named(r->id))
        reachable(s, r->id, reason);
    else if (is_named(whose) && r->external_ids.count + r->msisdns.count == 0)
        reachable(s, whose, reason);
    for (size_t i = 0; i < r->external_ids.count; i++)
        reachable(s, (struct t8_identity){.external_id = r->external_ids.items[i]}, reason);
    for (size_t i = 0; i < r->msisdns.count; i++)
        reachable(s, (struct t8_identity){.msisdn = r->msisdns.items[i]}, reason);
}

static void reports_take(struct adapter_scef *s, const struct monitoring_report *reports, size_t count,
                         struct t8_identity whose)
{
    for (size_t i = 0; i < count; i++)
        if (is_reachable(&reports[i]))
            each_device(s, &reports[i], whose);
}

enum scs_verdict adapter_monitoring(void *ctx, const struct monitoring_notification *n, enum error *err)
{
    struct adapter_scef *s = ctx;
    uint32_t owner = n->reports_count == 1 ? adapter_owner_of(s->a, n->reports[0].id) : s->a->config->slices.index;
    if (owner != s->a->config->slices.index)
        return adapter_redirect(s->a, owner, err);
    /* Ours are for one report. */
    reports_take(s, n->reports, n->reports_count, engine_watch_over(s->a->engine, s->index, n->subscription));
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

/* ---- our own subscriptions (TS 29.122 clause 5.3) */

static void port_watch_create(void *ctx, uint32_t scef, uint64_t ref, const struct engine_watch *w)
{
    struct adapter_scef *s = adapter_scef_for(ctx, scef);
    if (!s)
        return;
    const enum monitoring_type type = w->pdn ? MONITORING_PDN_CONNECTIVITY_STATUS : MONITORING_UE_REACHABILITY;
    const struct monitoring_subscription wanted = {.id = w->id,
                                                   .features = {.present = true, .bits = monitoring_type_feature(type)},
                                                   .notification_destination = bytes_of_str(s->reports_to),
                                                   .type = type,
                                                   .maximum_number_of_reports = {.present = true, .value = 1},
                                                   .expire_ms = w->expire_ms,
                                                   .reachability = w->pdn ? MONITORING_REACHABILITY_UNSET
                                                                          : MONITORING_REACHABLE_FOR_DATA};
    adapter_request_begun(s, scs_subscription_create(s->client, ref, &wanted), FAILED_WATCH, ref);
}

static void port_watch_list(void *ctx, uint32_t scef)
{
    struct adapter_scef *s = adapter_scef_for(ctx, scef);
    if (s)
        adapter_request_begun(s, scs_subscription_list(s->client, 0), FAILED_WATCHES, 0);
}

void adapter_watch_ports(struct engine_ports *out)
{
    out->watch_create = port_watch_create;
    out->watch_list = port_watch_list;
}

void adapter_watch_item(struct adapter_scef *s, const struct scs_result *r)
{
    const struct monitoring_subscription *w = r->shows == SCS_SHOWS_SUBSCRIPTION ? r->subscription : NULL;
    bool ours = w && bytes_equal(w->notification_destination, bytes_of_str(s->reports_to)) &&
                (w->type == MONITORING_UE_REACHABILITY || w->type == MONITORING_PDN_CONNECTIVITY_STATUS);
    if (ours)
        engine_watch_found(s->a->engine, adapter_now(s->a), s->index, w->id, r->link, w->expire_ms);
}

void adapter_watch_result(struct adapter_scef *s, uint64_t ref, const struct scs_result *r)
{
    if (r->operation == T8_SUBSCRIPTION_LIST) {
        engine_watch_listed(s->a->engine, s->index);
        return;
    }
    const struct monitoring_subscription *w = r->shows == SCS_SHOWS_SUBSCRIPTION ? r->subscription : NULL;
    struct t8_identity whose = engine_watch_result(s->a->engine, adapter_now(s->a), ref,
                                                   &(struct engine_watch_answer){.http_status = r->http_status,
                                                                                 .link = r->link,
                                                                                 .expire_ms = w ? w->expire_ms : 0,
                                                                                 .retry_after_s = r->retry_after_s});
    if (r->shows == SCS_SHOWS_REPORTS)
        reports_take(s, r->reports->reports, r->reports->reports_count, whose);
    else if (w && w->report.present)
        reports_take(s, &w->report, 1, whose);
}
