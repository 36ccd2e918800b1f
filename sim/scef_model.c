#include "sim/scef_model_internal.h"

#include <stdlib.h>
#include <string.h>

void scef_options_default(struct scef_options *o)
{
    *o = (struct scef_options){
        .seed = 1,
        .link_root = "/3gpp-nidd/v1",
        .maximum_packet_size_bits = 10864,
        .default_latency_s = 3600,
        .notification_retries = 5,
        .notification_retry_ms = 1000,
        .submit_timeout_ms = 60000,
    };
}

static struct bytes external_id_key(const void *value)
{
    return bytes_of_str(((const struct subscriber *)value)->external_id);
}

static struct bytes msisdn_key(const void *value)
{
    return bytes_of_str(((const struct subscriber *)value)->msisdn);
}

static struct bytes configuration_key(const void *value)
{
    return bytes_of_str(((const struct configuration *)value)->id);
}

enum error scef_model_new(const struct scef_options *o, const struct scef_ports *ports, uint64_t now_ms,
                          struct scef_model **out)
{
    struct scef_model *m = calloc(1, sizeof *m);
    if (m == NULL)
        return ERR_NO_MEMORY;
    m->link_root = bytes_dup_str(bytes_of_str(o->link_root != NULL ? o->link_root : "/3gpp-nidd/v1"));
    if (m->link_root == NULL) {
        free(m);
        return ERR_NO_MEMORY;
    }
    m->options = *o;
    m->options.link_root = m->link_root;
    m->ports = *ports;
    m->now_ms = now_ms;
    prng_seed(&m->prng, o->seed);
    timer_wheel_init(&m->wheel, now_ms);
    map_init(&m->by_external_id, external_id_key, o->seed);
    map_init(&m->by_msisdn, msisdn_key, o->seed);
    map_init(&m->configurations, configuration_key, o->seed);
    list_init(&m->flights);
    list_init(&m->answering);
    slab_init(&m->notifications, sizeof(struct notification));
    *out = m;
    return OK;
}

/* ---- subscribers */

static void subscriber_free(struct subscriber *s)
{
    if (s == NULL)
        return;
    free(s->external_id);
    free(s->msisdn);
    free(s);
}

static enum error subscribers_grow(struct scef_model *m)
{
    if (m->subscriber_count < m->subscriber_capacity)
        return OK;
    uint32_t capacity = m->subscriber_capacity > 0 ? m->subscriber_capacity * 2 : 16;
    struct subscriber **grown = realloc(m->subscribers, capacity * sizeof(struct subscriber *));
    if (grown == NULL)
        return ERR_NO_MEMORY;
    m->subscribers = grown;
    m->subscriber_capacity = capacity;
    return OK;
}

static enum error subscriber_index(struct scef_model *m, struct subscriber *s)
{
    if (s->external_id != NULL && map_put(&m->by_external_id, s) != OK)
        return ERR_NO_MEMORY;
    if (s->msisdn != NULL && map_put(&m->by_msisdn, s) != OK) {
        if (s->external_id != NULL)
            map_remove(&m->by_external_id, bytes_of_str(s->external_id));
        return ERR_NO_MEMORY;
    }
    return OK;
}

enum error scef_subscriber_add(struct scef_model *m, const struct scef_subscriber *p)
{
    if (p->external_id == NULL && p->msisdn == NULL)
        return ERR_IDENTITY;
    if ((p->external_id != NULL && map_get(&m->by_external_id, bytes_of_str(p->external_id)) != NULL) ||
        (p->msisdn != NULL && map_get(&m->by_msisdn, bytes_of_str(p->msisdn)) != NULL))
        return ERR_IDENTITY;
    if (subscribers_grow(m) != OK)
        return ERR_NO_MEMORY;
    struct subscriber *s = calloc(1, sizeof *s);
    if (s == NULL)
        return ERR_NO_MEMORY;
    if (p->external_id != NULL)
        s->external_id = bytes_dup_str(bytes_of_str(p->external_id));
    if (p->msisdn != NULL)
        s->msisdn = bytes_dup_str(bytes_of_str(p->msisdn));
    bool copied = (s->external_id != NULL) == (p->external_id != NULL) && (s->msisdn != NULL) == (p->msisdn != NULL);
    if (!copied || subscriber_index(m, s) != OK) {
        subscriber_free(s);
        return ERR_NO_MEMORY;
    }
    s->index = m->subscriber_count;
    s->radio = p->radio;
    ue_model_init(&s->ue, &p->ue, m->now_ms);
    prng_seed(&s->prng, m->options.seed ^ (0x9e3779b97f4a7c15u * ((uint64_t)s->index + 1)));
    list_init(&s->configurations);
    list_init(&s->buffered);
    timer_init(&s->tau, TIMER_TAU);
    if (s->ue.tau_at_ms != UINT64_MAX)
        timer_start(&m->wheel, &s->tau, s->ue.tau_at_ms);
    m->subscribers[m->subscriber_count++] = s;
    return OK;
}

struct subscriber *scef_subscriber_find(const struct scef_model *m, const struct t8_identity *id)
{
    if (id->external_id.len > 0)
        return map_get(&m->by_external_id, id->external_id);
    return map_get(&m->by_msisdn, id->msisdn);
}

struct t8_identity scef_identity(const struct subscriber *s, bool by_msisdn)
{
    if (by_msisdn)
        return (struct t8_identity){.msisdn = bytes_of_str(s->msisdn)};
    return (struct t8_identity){.external_id = bytes_of_str(s->external_id)};
}

static struct subscriber *subscriber_at(const struct scef_model *m, uint32_t ue)
{
    return ue < m->subscriber_count ? m->subscribers[ue] : NULL;
}

/* ---- the radio */

void scef_nas_event(struct scef_model *m, const struct subscriber *s, bool mo, struct bytes data, const char *what)
{
    if (m->ports.nas_event != NULL)
        m->ports.nas_event(m->ports.ctx, s->index, mo, data, what);
}

static bool flight_start(struct scef_model *m, struct subscriber *s, bool mo, struct bytes data, uint64_t at_ms)
{
    struct flight *f = calloc(1, sizeof *f + data.len);
    if (f == NULL)
        return false;
    f->subscriber = s;
    f->mo = mo;
    f->len = data.len;
    if (data.len > 0)
        memcpy(f->data, data.data, data.len);
    list_push_back(&m->flights, &f->node);
    timer_init(&f->timer, TIMER_FLIGHT);
    timer_start(&m->wheel, &f->timer, at_ms);
    return true;
}

uint64_t scef_radio_send(struct scef_model *m, struct subscriber *s, bool mo, struct bytes data)
{
    struct radio_fate fate = radio_send(&s->prng, &s->radio, m->now_ms);
    (mo ? &s->counters.mo_sent : &s->counters.mt_sent)[0]++;
    scef_nas_event(m, s, mo, data, "sent");
    bool arrives = false;
    for (unsigned i = 0; i < fate.arrivals; i++)
        arrives |= flight_start(m, s, mo, data, fate.at_ms[i]); /* memory short: lost, as radios lose */
    if (!arrives) {
        (mo ? &s->counters.mo_lost : &s->counters.mt_lost)[0]++;
        scef_nas_event(m, s, mo, data, "lost");
    } else if (fate.arrivals > 1) {
        scef_nas_event(m, s, mo, data, "duplicated");
    }
    return fate.at_ms[0];
}

void scef_activity(struct scef_model *m, struct subscriber *s)
{
    ue_model_activity(&s->ue, m->now_ms);
    if (s->ue.tau_at_ms != UINT64_MAX)
        timer_start(&m->wheel, &s->tau, s->ue.tau_at_ms);
}

static void ue_appears(struct scef_model *m, struct subscriber *s)
{
    s->ue.profile.pdn_connected = true;
    scef_activity(m, s);
    scef_deliveries_flow(m, s);
}

static void uplink_arrives(struct scef_model *m, struct subscriber *s, struct bytes data)
{
    scef_nas_event(m, s, true, data, "delivered");
    if (m->down || list_empty(&s->configurations))
        m->totals.uplinks_dropped++;
    if (m->down)
        return;
    LIST_EACH (it, &s->configurations)
        scef_notify_uplink(m, LIST_ENTRY(it, struct configuration, of_subscriber), data);
    ue_appears(m, s);
}

static void flight_arrives(struct scef_model *m, struct flight *f)
{
    struct subscriber *s = f->subscriber;
    struct bytes data = bytes_of(f->data, f->len);
    list_remove(&f->node);
    if (f->mo) {
        uplink_arrives(m, s, data);
    } else {
        s->counters.mt_delivered++;
        scef_nas_event(m, s, false, data, "delivered");
        m->ports.ue_deliver(m->ports.ctx, s->index, data);
    }
    free(f);
}

void scef_uplink(struct scef_model *m, uint64_t now_ms, uint32_t ue, struct bytes data)
{
    struct subscriber *s = subscriber_at(m, ue);
    scef_now(m, now_ms);
    if (s != NULL)
        (void)scef_radio_send(m, s, true, data);
}

/* ---- what else happens to UEs and to the SCEF */

void scef_ue_wake(struct scef_model *m, uint64_t now_ms, uint32_t ue)
{
    struct subscriber *s = subscriber_at(m, ue);
    scef_now(m, now_ms);
    if (s == NULL)
        return;
    scef_activity(m, s);
    scef_deliveries_flow(m, s);
}

void scef_ue_set_pdn_connected(struct scef_model *m, uint64_t now_ms, uint32_t ue, bool connected)
{
    struct subscriber *s = subscriber_at(m, ue);
    scef_now(m, now_ms);
    if (s == NULL)
        return;
    if (connected)
        ue_appears(m, s);
    else
        s->ue.profile.pdn_connected = false;
}

void scef_restart(struct scef_model *m, uint64_t now_ms, bool forget_configurations)
{
    scef_now(m, now_ms);
    scef_notifications_drop(m);
    scef_deliveries_restart(m);
    if (!forget_configurations)
        return;
    for (uint32_t i = 0; i < m->subscriber_count; i++)
        LIST_EACH_SAFE (it, &m->subscribers[i]->configurations)
            scef_configuration_remove(m, LIST_ENTRY(it, struct configuration, of_subscriber));
}

void scef_set_down(struct scef_model *m, bool down)
{
    m->down = down;
}

void scef_wake(struct scef_model *m, uint64_t now_ms)
{
    scef_now(m, now_ms);
    for (struct timer *t; (t = timer_wheel_advance(&m->wheel, m->now_ms)) != NULL;) {
        switch ((enum scef_timer)t->kind) {
        case TIMER_FLIGHT:
            flight_arrives(m, LIST_ENTRY(t, struct flight, timer));
            break;
        case TIMER_DELIVERY:
            scef_delivery_timer(m, LIST_ENTRY(t, struct delivery, timer));
            break;
        case TIMER_NOTIFICATION:
            scef_notification_timer(m, LIST_ENTRY(t, struct notification, timer));
            break;
        case TIMER_CONFIGURATION: /* its duration is over: removed silently */
            scef_configuration_remove(m, LIST_ENTRY(t, struct configuration, expiry));
            break;
        case TIMER_TAU:
            scef_ue_wake(m, m->now_ms, LIST_ENTRY(t, struct subscriber, tau)->index);
            break;
        }
    }
}

uint64_t scef_next_wake(const struct scef_model *m)
{
    return timer_wheel_next(&m->wheel);
}

const struct scef_counters *scef_counters_of(const struct scef_model *m, uint32_t ue)
{
    static const struct scef_counters none;
    const struct subscriber *s = subscriber_at(m, ue);
    return s != NULL ? &s->counters : &none;
}

bool scef_ue_awake(const struct scef_model *m, uint32_t ue, uint64_t now_ms)
{
    const struct subscriber *s = subscriber_at(m, ue);
    return s != NULL && ue_model_awake(&s->ue, now_ms);
}

const struct scef_totals *scef_totals_of(const struct scef_model *m)
{
    return &m->totals;
}

void scef_model_free(struct scef_model *m)
{
    if (m == NULL)
        return;
    scef_notifications_drop(m);
    slab_free(&m->notifications);
    scef_deliveries_free(m);
    LIST_EACH_SAFE (it, &m->flights)
        free(LIST_ENTRY(it, struct flight, node));
    for (uint32_t i = 0; i < m->subscriber_count; i++) {
        LIST_EACH_SAFE (it, &m->subscribers[i]->configurations)
            scef_configuration_remove(m, LIST_ENTRY(it, struct configuration, of_subscriber));
        subscriber_free(m->subscribers[i]);
    }
    free(m->subscribers);
    map_free(&m->by_external_id);
    map_free(&m->by_msisdn);
    map_free(&m->configurations);
    free(m->link_root);
    free(m);
}
