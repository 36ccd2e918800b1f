#include "sim/scef_model_internal.h"

#include <stdlib.h>
#include <string.h>

#define ALL_FEATURES                                                                                                   \
    (NIDD_FEATURE_GROUPS | NIDD_FEATURE_WEBSOCKET | NIDD_FEATURE_TEST | NIDD_FEATURE_MODIFICATION |                    \
     NIDD_FEATURE_RDS_PORT_CHECK | NIDD_FEATURE_RDS_DYNAMIC_PORTS | NIDD_FEATURE_SERIALIZATION_FORMAT |                \
     NIDD_FEATURE_PATCH)

void scef_options_default(struct scef_options *o)
{
    *o = (struct scef_options){
        .seed = 1,
        .link_root = "/3gpp-nidd/v1",
        .nef_id = "scef",
        .features = ALL_FEATURES,
        .maximum_packet_size_bits = 10864,
        .default_latency_s = 3600,
        .remember_s = 300,
        .pdn_option = T8_PDN_WAIT_FOR_UE,
        .trigger_validity_s = 3600,
        .trigger_retry_ms = 10000,
        .rds_attempts = 3,
        .rds_timeout_ms = 10000,
        .notification_retries = 5,
        .notification_retry_ms = 1000,
        .submit_timeout_ms = 60000,
    };
}

void scef_id_write(enum t8_id_style style, char letter, uint64_t number, char out[static T8_ID_BYTES])
{
    t8_dialect_id(style, number, out);
    if (style != T8_IDS_PLAIN)
        return;
    memmove(out + 1, out, strlen(out) + 1); /* of at most 20 digits */
    out[0] = letter;
}

static struct bytes external_id_key(const void *value)
{
    return bytes_of_str(((const struct subscriber *)value)->external_id);
}

static struct bytes msisdn_key(const void *value)
{
    return bytes_of_str(((const struct subscriber *)value)->msisdn);
}

static struct bytes group_key(const void *value)
{
    return bytes_of_str(((const struct group *)value)->id);
}

static struct bytes configuration_key(const void *value)
{
    return bytes_of_str(((const struct configuration *)value)->id);
}

static struct bytes delivery_key(const void *value)
{
    return bytes_of_str(strrchr(((const struct delivery *)value)->self, '/') + 1);
}

static bool texts_copy(struct scef_model *m, const struct scef_options *o)
{
    m->link_root = bytes_dup_str(bytes_of_str(o->link_root != NULL ? o->link_root : "/3gpp-nidd/v1"));
    m->nef_id = bytes_dup_str(bytes_of_str(o->nef_id != NULL ? o->nef_id : "scef"));
    if (o->websocket_root != NULL)
        m->websocket_root = bytes_dup_str(bytes_of_str(o->websocket_root));
    m->options = *o;
    m->options.link_root = m->link_root;
    m->options.nef_id = m->nef_id;
    m->options.websocket_root = m->websocket_root;
    return m->link_root != NULL && m->nef_id != NULL && (o->websocket_root == NULL || m->websocket_root != NULL);
}

enum error scef_model_new(const struct scef_options *o, const struct scef_ports *ports, uint64_t now_ms,
                          struct scef_model **out)
{
    struct scef_model *m = calloc(1, sizeof *m);
    if (m == NULL)
        return ERR_NO_MEMORY;
    m->ports = *ports;
    m->now_ms = now_ms;
    prng_seed(&m->prng, o->seed);
    timer_wheel_init(&m->wheel, now_ms);
    map_init(&m->by_external_id, external_id_key, o->seed);
    map_init(&m->by_msisdn, msisdn_key, o->seed);
    map_init(&m->by_group_id, group_key, o->seed);
    map_init(&m->configurations, configuration_key, o->seed);
    map_init(&m->deliveries, delivery_key, o->seed);
    list_init(&m->flights);
    list_init(&m->on_radio);
    slab_init(&m->notifications, sizeof(struct notification));
    slab_init(&m->triggers, sizeof(struct trigger));
    if (!texts_copy(m, o)) {
        scef_model_free(m);
        return ERR_NO_MEMORY;
    }
    *out = m;
    return OK;
}

void scef_restart(struct scef_model *m, uint64_t now_ms, bool forget_configurations)
{
    scef_now(m, now_ms);
    scef_notifications_drop(m);
    scef_deliveries_restart(m);
    if (forget_configurations)
        scef_configurations_forget(m);
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
            scef_flight_arrives(m, LIST_ENTRY(t, struct flight, timer));
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
        case TIMER_ASLEEP:
            scef_asleep_timer(m, LIST_ENTRY(t, struct subscriber, asleep));
            break;
        case TIMER_FLOW:
            scef_flows(m, LIST_ENTRY(t, struct subscriber, flow));
            break;
        case TIMER_TRIGGER:
            scef_trigger_timer(m, LIST_ENTRY(t, struct trigger, timer));
            break;
        case TIMER_PORT:
            scef_port_timer(m, LIST_ENTRY(t, struct managed_port, timer));
            break;
        }
    }
}

uint64_t scef_next_wake(const struct scef_model *m)
{
    return timer_wheel_next(&m->wheel);
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
    scef_triggers_free(m);
    scef_deliveries_free(m);
    LIST_EACH_SAFE (it, &m->flights) {
        struct flight *f = LIST_ENTRY(it, struct flight, node);
        timer_stop(&m->wheel, &f->timer); /* the timers of configurations, which go next, are linked with it */
        free(f);
    }
    scef_configurations_forget(m);
    scef_subscribers_free(m);
    map_free(&m->configurations);
    map_free(&m->deliveries);
    free(m->observers);
    free(m->shown);
    free(m->link_root);
    free(m->websocket_root);
    free(m->nef_id);
    free(m);
}
