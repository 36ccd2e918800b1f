/* Notifications of the SCEFs: told by their path whose they are, and given to the engine. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scef-adapter/slice.h"
#include "scef-adapter/wiring_internal.h"

/* ---- answers that wait for the store ---- */

void adapter_uplink_answer(void *ctx, uint64_t ref, enum error err)
{
    struct adapter *a = ctx;
    struct held_answer *answer = slab_get(&a->answers, ref);
    if (!answer)
        return;
    struct scs_sender from = answer->from;
    slab_delete(&a->answers, ref);
    if (a->spare_answer == ref)
        a->spare_answer = 0;
    scs_callbacks_answer(from, err);
}

void adapter_answers_end(struct adapter *a)
{
    uint32_t cursor = 0;
    handle h;
    for (struct held_answer *answer; (answer = slab_next(&a->answers, &cursor, &h));)
        if (h != a->spare_answer)
            scs_callbacks_answer(answer->from, ERR_DRAINING);
    slab_free(&a->answers);
    slab_init(&a->answers, sizeof(struct held_answer));
    a->spare_answer = 0;
}

/* ---- slices ---- */

static struct bytes identity_bytes(struct t8_identity id)
{
    return id.external_id.len ? id.external_id : id.msisdn;
}

uint32_t adapter_owner_of(const struct adapter *a, struct t8_identity id)
{
    const struct config *c = a->config;
    struct bytes identity = identity_bytes(id);
    struct engine_device_info d;
    uint32_t owner = identity.len ? slice_of(identity, c->slices.count) : c->slices.index;
    /* One that the notification names by its MSISDN may be in a slice by its External Identifier. */
    if (owner != c->slices.index && engine_device_find(a->engine, identity, &d))
        owner = c->slices.index;
    return owner;
}

enum scs_verdict adapter_redirect(struct adapter *a, uint32_t slice, enum error *err)
{
    char *location = NULL;
    if (!a->callback_exchange) { /* it came over a WebSocket, which leads nowhere else */
        *err = ERR_UNKNOWN_DEVICE;
        return SCS_REFUSED;
    }
    if (asprintf(&location, "%s%s", a->config->slice_urls[slice], a->callback.rest) < 0) {
        *err = ERR_NO_MEMORY;
        return SCS_REFUSED;
    }
    metric_add(&a->metrics, METRIC_SLICE_REDIRECTS, NULL, 1);
    http_reply(a->callback_exchange, &(struct http_reply){.status = 307, .location = location});
    free(location);
    return SCS_LATER;
}

/* ---- devices that are not here yet ---- */

/* true: *v is the verdict for now. */
static bool waits(enum loading_verdict l, enum scs_verdict *v, enum error *err)
{
    *v = l == LOADING_WAITS ? SCS_LATER : SCS_REFUSED;
    if (l == LOADING_REFUSED)
        *err = ERR_QUEUE_FULL;
    return l != LOADING_HERE;
}

static bool device_waits(struct adapter *a, struct t8_identity id, enum scs_verdict *v, enum error *err)
{
    const struct config *c = a->config;
    /* An External Identifier tells whose it is. */
    if (id.external_id.len && slice_of(id.external_id, c->slices.count) != c->slices.index)
        return false;
    return waits(loading_identity(a, id), v, err);
}

/* ---- notifications ---- */

static enum scs_verdict uplink(void *ctx, struct scs_sender from, const struct nidd_uplink *u, enum error *err)
{
    struct adapter_scef *s = ctx;
    struct adapter *a = s->a;
    const char *name = s->config->name;
    enum scs_verdict later;
    if (device_waits(a, u->id, &later, err))
        return later;
    uint32_t owner = adapter_owner_of(a, u->id);
    if (owner != a->config->slices.index)
        return adapter_redirect(a, owner, err);
    handle ref = a->spare_answer;
    struct held_answer *answer = ref ? slab_get(&a->answers, ref) : slab_new(&a->answers, &ref);
    if (!answer) {
        *err = ERR_NO_MEMORY;
        return SCS_REFUSED;
    }
    a->spare_answer = ref;
    answer->from = from;
    a->in_uplink = true;
    enum engine_verdict verdict = engine_uplink(a->engine, adapter_now(a), s->index, ref, u, err);
    a->in_uplink = false;
    switch (verdict) {
    case ENGINE_TAKEN:
        metric_scef_add(&a->metrics, METRIC_UPLINKS, name, "taken", 1);
        return SCS_ACCEPTED;
    case ENGINE_LATER:
        metric_scef_add(&a->metrics, METRIC_UPLINKS, name, "stored", 1);
        a->spare_answer = 0;
        return SCS_LATER;
    default:
        metric_scef_add(&a->metrics, METRIC_UPLINKS, name, "refused", 1);
        return SCS_REFUSED;
    }
}

/* Is the delivery one to a group's configuration, which all slices use? */
static bool of_group(const struct adapter *a, uint32_t scef, struct bytes delivery)
{
    struct engine_group_info g;
    for (uint32_t i = 0; engine_group_info_get(a->engine, i, &g); i++) {
        struct bytes tail = t8_link_tail(g.configuration_link);
        if (g.scef == scef && tail.len && memmem(delivery.data, delivery.len, tail.data, tail.len))
            return true;
    }
    return false;
}

/* It names no device. One for a delivery that is not known here goes round through all slices, from the one that the
 * SCEF knows; it may also have overtaken the answer to our own request, so each of them keeps it for a while. */
static enum scs_verdict delivery_status(void *ctx, const struct nidd_delivery_status *d, enum error *err)
{
    struct adapter_scef *s = ctx;
    struct adapter *a = s->a;
    const struct config *c = a->config;
    enum scs_verdict later;
    if (waits(loading_delivery(a, s->index, d->nidd_downlink_data_transfer), &later, err))
        return later;
    a->status_unmatched = false;
    *err = engine_delivery_status(a->engine, adapter_now(a), s->index, d);
    if (*err)
        return SCS_REFUSED;
    uint32_t next = (c->slices.index + 1) % c->slices.count;
    if (next != a->callback.slice && a->status_unmatched && of_group(a, s->index, d->nidd_downlink_data_transfer))
        return adapter_redirect(a, next, err);
    return SCS_ACCEPTED;
}

static enum scs_verdict configuration_status(void *ctx, const struct nidd_configuration_status *c, enum error *err)
{
    struct adapter_scef *s = ctx;
    enum scs_verdict later;
    if (device_waits(s->a, c->id, &later, err))
        return later;
    uint32_t owner = adapter_owner_of(s->a, c->id);
    if (owner != s->a->config->slices.index)
        return adapter_redirect(s->a, owner, err);
    *err = engine_configuration_status(s->a->engine, adapter_now(s->a), s->index, c);
    return *err ? SCS_REFUSED : SCS_ACCEPTED;
}

/* It may come before the answer that tells the link it is about (TS 29.122 clause 5.2.5.3): any of ours will do. */
static enum scs_verdict test(void *ctx, enum scs_callback_path path, const struct t8_test_notification *t,
                             enum error *err)
{
    struct adapter_scef *s = ctx;
    (void)path;
    (void)err;
    s->tests_seen++;
    s->test_due_ms = 0;
    metric_set(&s->a->metrics, METRIC_TEST_NOTIFICATIONS, s->config->name, s->tests_seen);
    log_write(LOG_INFO, "test_notification", LOG_S("scef", s->config->name), LOG_B("subscription", t->subscription));
    return SCS_ACCEPTED;
}

/* The NEF has a PDU session of the device and no configuration of ours (TS 23.502 clause 4.25.3). */
static enum scs_verdict configuration_trigger(void *ctx, const struct nidd_configuration_trigger *t, enum error *err)
{
    struct adapter_scef *s = ctx;
    struct adapter *a = s->a;
    struct engine_device_info d;
    enum scs_verdict later;
    if (device_waits(a, t->id, &later, err))
        return later;
    uint32_t owner = adapter_owner_of(a, t->id);
    if (owner != a->config->slices.index)
        return adapter_redirect(a, owner, err);
    const char *before = engine_device_find(a->engine, identity_bytes(t->id), &d) ? d.configuration_state : "";
    bool ours = engine_configuration_trigger(a->engine, adapter_now(a), s->index, t->id);
    metric_scef_add(&a->metrics, METRIC_CONFIGURATION_TRIGGERS, s->config->name, ours ? "known" : "unknown_device", 1);
    log_write(LOG_INFO, "configuration_trigger", LOG_S("scef", s->config->name), LOG_B("ext_id", identity_bytes(t->id)),
              LOG_B("nef_id", t->nef_id), LOG_S("configuration", ours ? before : "unknown_device"));
    return SCS_ACCEPTED;
}

static void callback_counted(struct adapter *a, const char *scef, enum error err)
{
    metric_scef_add(&a->metrics, METRIC_CALLBACKS, scef, err ? error_name(err) : "ok", 1);
}

static void counted(void *ctx, int kind, enum error err)
{
    struct adapter_scef *s = ctx;
    (void)kind;
    if (!s->a->origin.waits) /* else when it comes again */
        callback_counted(s->a, s->config->name, err);
}

void adapter_callbacks_prepare(struct adapter *a)
{
    for (uint32_t i = 0; i < a->config->scef_count; i++)
        a->scefs[i].sink = (struct scs_callbacks_sink){.ctx = &a->scefs[i],
                                                       .uplink = uplink,
                                                       .delivery_status = delivery_status,
                                                       .configuration_status = configuration_status,
                                                       .trigger_report = adapter_trigger_report,
                                                       .monitoring = adapter_monitoring,
                                                       .test = test,
                                                       .configuration_trigger = configuration_trigger,
                                                       .counted = counted};
}

void adapter_callback_take(struct adapter *a, const struct loading_origin *o)
{
    struct http_exchange *x = o->from.exchange;
    if (a->stop_at_ms) {
        http_reply_error(x, ERR_DRAINING, NULL, NULL);
    } else if (!callback_path_parse(a->config, http_exchange_request(x)->path, &a->callback)) {
        callback_counted(a, "none", ERR_NOT_FOUND);
        http_reply_error(x, ERR_NOT_FOUND, "the path is none that a SCEF was told", NULL);
    } else {
        a->origin = *o;
        a->callback_exchange = x;
        scs_callbacks_handle(&a->scefs[a->callback.scef].sink, x, a->callback.api);
        a->callback_exchange = NULL;
    }
}

void adapter_callback(void *ctx, struct http_exchange *x)
{
    adapter_callback_take(ctx, &(struct loading_origin){.kind = LOADING_CALLBACK, .from.exchange = x});
}
