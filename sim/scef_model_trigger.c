#include "sim/scef_model_internal.h"

#include <stdlib.h>
#include <string.h>

/* Device triggers (TS 23.682 clause 5.2), as the SMS-SC carries them: one attempt while the UE is awake, again when the
 * radio lost it, until the validity ends.
 *
 *   waiting -> (UE awake) -> on the radio -> reached
 *      ^                          | lost          validity over, waiting: not reached */

static void trigger_free(struct scef_model *m, struct trigger *t)
{
    timer_stop(&m->wheel, &t->timer);
    list_remove(&t->node);
    if (t->subscriber->wakes_up == t->ref)
        t->subscriber->wakes_up = 0;
    free(t->payload);
    slab_delete(&m->triggers, t->ref);
}

static void trigger_ends(struct scef_model *m, struct trigger *t, bool reached)
{
    struct scef_trigger asked = t->asked;
    trigger_free(m, t);
    if (asked.done != NULL)
        asked.done(asked.ctx, asked.ref, m->now_ms, reached);
}

static void trigger_send(struct scef_model *m, struct trigger *t)
{
    struct subscriber *s = t->subscriber;
    struct radio_fate fate = radio_send(&s->prng, &s->radio, m->now_ms);
    t->on_radio = true;
    t->lost = fate.arrivals == 0;
    timer_start(&m->wheel, &t->timer, fate.at_ms[0]);
}

void scef_triggers_flow(struct scef_model *m, struct subscriber *s)
{
    if (!scef_awake(m, s))
        return;
    LIST_EACH_SAFE (it, &s->triggers) {
        struct trigger *t = LIST_ENTRY(it, struct trigger, node);
        if (!t->on_radio && t->retry_at_ms <= m->now_ms)
            trigger_send(m, t);
    }
}

/* Until the next attempt while the UE is awake, else the end of the validity. */
static void trigger_wait(struct scef_model *m, struct trigger *t)
{
    uint64_t at_ms = t->valid_until_ms;
    if (t->retry_at_ms > m->now_ms && t->retry_at_ms < at_ms)
        at_ms = t->retry_at_ms;
    timer_start(&m->wheel, &t->timer, at_ms);
}

static void trigger_arrives(struct scef_model *m, struct trigger *t)
{
    struct subscriber *s = t->subscriber;
    if (m->ports.ue_trigger != NULL)
        m->ports.ue_trigger(m->ports.ctx, s->index, t->asked.application_port, t->asked.payload);
    s->counters.triggers++;
    trigger_ends(m, t, true);
    scef_appears(m, s);
}

void scef_trigger_timer(struct scef_model *m, struct trigger *t)
{
    if (t->on_radio && !t->lost && t->subscriber->covered) {
        trigger_arrives(m, t);
        return;
    }
    if (t->on_radio) {
        t->on_radio = false;
        t->retry_at_ms = m->now_ms + m->options.trigger_retry_ms;
    }
    if (t->valid_until_ms <= m->now_ms) {
        trigger_ends(m, t, false);
        return;
    }
    trigger_wait(m, t);
    scef_triggers_flow(m, t->subscriber);
}

enum error scef_ue_trigger(struct scef_model *m, uint64_t now_ms, uint32_t ue, const struct scef_trigger *asked,
                           uint64_t *out)
{
    struct subscriber *s = scef_subscriber_at(m, ue);
    handle ref;
    scef_now(m, now_ms);
    if (s == NULL)
        return ERR_UNKNOWN_DEVICE;
    uint8_t *payload = bytes_dup(asked->payload);
    struct trigger *t = payload != NULL ? slab_new(&m->triggers, &ref) : NULL;
    if (t == NULL) {
        free(payload);
        return ERR_NO_MEMORY;
    }
    t->ref = ref;
    t->subscriber = s;
    t->asked = *asked;
    t->payload = payload;
    t->asked.payload = bytes_of(payload, asked->payload.len);
    t->valid_until_ms = m->now_ms + (uint64_t)asked->validity_s * 1000;
    timer_init(&t->timer, TIMER_TRIGGER);
    list_push_back(&s->triggers, &t->node);
    trigger_wait(m, t);
    scef_triggers_flow(m, s);
    *out = ref;
    return OK;
}

bool scef_ue_trigger_recall(struct scef_model *m, uint64_t trigger)
{
    struct trigger *t = slab_get(&m->triggers, trigger);
    if (t == NULL || t->on_radio)
        return false;
    trigger_free(m, t);
    return true;
}

/* The predefined application port is the operator's; this one is nobody's (TS 29.122 clause 4.4.5.3.1). */
void scef_wake_up(struct scef_model *m, struct subscriber *s, uint32_t validity_s)
{
    struct scef_trigger t = {.validity_s = validity_s};
    uint64_t ref;
    if (slab_get(&m->triggers, s->wakes_up) == NULL && scef_ue_trigger(m, m->now_ms, s->index, &t, &ref) == OK)
        s->wakes_up = ref;
}

void scef_triggers_free(struct scef_model *m)
{
    uint32_t cursor = 0;
    handle ref;
    for (struct trigger *t; (t = slab_next(&m->triggers, &cursor, &ref)) != NULL;)
        trigger_free(m, t);
    slab_free(&m->triggers);
}
