#include "sim/scef_model_internal.h"

#include <stdlib.h>
#include <string.h>

/* NIDD configurations (TS 29.122 clauses 4.4.5.2.1 and 5.6.3.2-3). */

struct configuration *scef_configuration_find(const struct scef_model *m, struct bytes scs_as_id,
                                              struct bytes configuration_id)
{
    struct configuration *c = map_get(&m->configurations, configuration_id);
    return c != NULL && bytes_equal(bytes_of_str(c->scs_as_id), scs_as_id) ? c : NULL;
}

static void configuration_free(struct configuration *c)
{
    free(c->id);
    free(c->self);
    free(c->scs_as_id);
    free(c->notification_destination);
    free(c);
}

void scef_configuration_remove(struct scef_model *m, struct configuration *c)
{
    scef_deliveries_drop(m, c->subscriber, c);
    timer_stop(&m->wheel, &c->expiry);
    map_remove(&m->configurations, bytes_of_str(c->id));
    list_remove(&c->of_subscriber);
    m->totals.configurations--;
    configuration_free(c);
}

/* Both texts, or false and none. */
static bool configuration_name(struct configuration *c, uint64_t number, const char *root, struct bytes scs_as_id)
{
    struct buf id = {0}, self = {0};
    buf_addf(&id, "c%llu", (unsigned long long)number);
    buf_add_str(&self, root);
    buf_add_u8(&self, '/');
    buf_add(&self, scs_as_id);
    buf_add_str(&self, "/configurations/");
    buf_add(&self, buf_bytes(&id));
    buf_add_u8(&id, 0);
    buf_add_u8(&self, 0);
    if (id.failed || self.failed) {
        buf_free(&id);
        buf_free(&self);
        return false;
    }
    c->id = (char *)id.data;
    c->self = (char *)self.data;
    return true;
}

static struct configuration *configuration_new(struct scef_model *m, struct subscriber *s, struct bytes scs_as_id)
{
    struct configuration *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->subscriber = s;
    c->scs_as_id = bytes_dup_str(scs_as_id);
    list_init(&c->of_subscriber);
    timer_init(&c->expiry, TIMER_CONFIGURATION);
    if (c->scs_as_id == NULL || !configuration_name(c, m->next_configuration + 1, m->link_root, scs_as_id) ||
        map_put(&m->configurations, c) != OK) {
        configuration_free(c);
        return NULL;
    }
    m->next_configuration++;
    list_push_back(&s->configurations, &c->of_subscriber);
    m->totals.configurations++;
    return c;
}

static struct configuration *configuration_of(const struct subscriber *s, struct bytes scs_as_id)
{
    LIST_EACH (it, &s->configurations) {
        struct configuration *c = LIST_ENTRY(it, struct configuration, of_subscriber);
        if (bytes_equal(bytes_of_str(c->scs_as_id), scs_as_id))
            return c;
    }
    return NULL;
}

static void configuration_show(const struct scef_model *m, const struct configuration *c,
                               struct nidd_configuration *out)
{
    *out = (struct nidd_configuration){
        .id = scef_identity(c->subscriber, c->by_msisdn),
        .self = bytes_of_str(c->self),
        .notification_destination = bytes_of_str(c->notification_destination),
        .has_supported_features = c->has_supported_features,
        .supported_features = 0, /* what both sides support: we have none of the features */
        .duration_ms = c->duration_ms,
        .pdn_option = c->pdn_option,
        .maximum_packet_size_bits = m->options.maximum_packet_size_bits,
        .status = T8_NIDD_ACTIVE,
    };
}

/* As long as is wanted (0 = for ever) and allowed. */
static void duration_set(struct scef_model *m, struct configuration *c, uint64_t wanted_ms)
{
    uint64_t most_ms = m->options.max_duration_s > 0 ? m->now_ms + m->options.max_duration_s * UINT64_C(1000) : 0;
    c->duration_ms = most_ms != 0 && (wanted_ms == 0 || wanted_ms > most_ms) ? most_ms : wanted_ms;
    timer_stop(&m->wheel, &c->expiry);
    if (c->duration_ms != 0)
        timer_start(&m->wheel, &c->expiry, c->duration_ms);
}

int scef_configuration_create(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                              const struct nidd_configuration *wanted, struct nidd_configuration *out,
                              enum t8_cause *cause)
{
    *cause = T8_CAUSE_NONE;
    scef_now(m, now_ms);
    struct subscriber *s = scef_subscriber_find(m, &wanted->id);
    if (s == NULL)
        return 403;
    if (wanted->duration_ms != 0 && wanted->duration_ms <= m->now_ms)
        return 400;
    struct configuration *c = configuration_of(s, scs_as_id);
    if (c != NULL && m->options.duplicate_conflicts)
        return 409;
    char *destination = bytes_dup_str(wanted->notification_destination);
    if (c == NULL && destination != NULL)
        c = configuration_new(m, s, scs_as_id);
    if (c == NULL || destination == NULL) {
        free(destination);
        return 503;
    }
    free(c->notification_destination);
    c->notification_destination = destination;
    c->by_msisdn = wanted->id.external_id.len == 0;
    c->pdn_option = wanted->pdn_option;
    c->has_supported_features = wanted->has_supported_features;
    duration_set(m, c, wanted->duration_ms);
    configuration_show(m, c, out);
    return 201;
}

int scef_configuration_get(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id, struct bytes configuration_id,
                           struct nidd_configuration *out)
{
    scef_now(m, now_ms);
    const struct configuration *c = scef_configuration_find(m, scs_as_id, configuration_id);
    if (c == NULL)
        return 404;
    configuration_show(m, c, out);
    return 200;
}

/* The cursor is the subscriber's number: one has at most one configuration for an SCS/AS. */
bool scef_configuration_next(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id, uint64_t *cursor,
                             struct nidd_configuration *out)
{
    scef_now(m, now_ms);
    while (*cursor < m->subscriber_count) {
        const struct configuration *c = configuration_of(m->subscribers[(*cursor)++], scs_as_id);
        if (c != NULL) {
            configuration_show(m, c, out);
            return true;
        }
    }
    return false;
}

int scef_configuration_patch(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                             struct bytes configuration_id, const struct nidd_configuration_patch *p,
                             struct nidd_configuration *out)
{
    scef_now(m, now_ms);
    struct configuration *c = scef_configuration_find(m, scs_as_id, configuration_id);
    if (c == NULL)
        return 404;
    if (p->has_duration && p->duration_ms != 0 && p->duration_ms <= m->now_ms)
        return 400;
    if (p->notification_destination.len > 0) {
        char *destination = bytes_dup_str(p->notification_destination);
        if (destination == NULL)
            return 503;
        free(c->notification_destination);
        c->notification_destination = destination;
    }
    if (p->has_duration)
        duration_set(m, c, p->duration_ms);
    if (p->has_pdn_option)
        c->pdn_option = p->pdn_option;
    configuration_show(m, c, out);
    return 200;
}

int scef_configuration_delete(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                              struct bytes configuration_id)
{
    scef_now(m, now_ms);
    struct configuration *c = scef_configuration_find(m, scs_as_id, configuration_id);
    if (c == NULL)
        return 404;
    scef_configuration_remove(m, c);
    return 204;
}
