#include "sim/scef_model_internal.h"

#include <stdlib.h>
#include <string.h>

/* NIDD configurations (TS 29.122 clauses 4.4.5.2 and 5.6.3.2-3). */

struct configuration *scef_configuration_find(const struct scef_model *m, struct bytes scs_as_id,
                                              struct bytes configuration_id)
{
    struct configuration *c = map_get(&m->configurations, configuration_id);
    bool there = c != NULL && bytes_equal(bytes_of_str(c->scs_as_id), scs_as_id) && scef_as_known(m, scs_as_id);
    return there ? c : NULL;
}

static void configuration_free(struct configuration *c)
{
    free(c->id);
    free(c->self);
    free(c->scs_as_id);
    free(c->notification_destination);
    free(c->mtc_provider_id);
    free(c->websocket_uri);
    free(c->rds_ports);
    free(c);
}

void scef_configuration_remove(struct scef_model *m, struct configuration *c)
{
    scef_deliveries_drop(m, c);
    scef_ports_free(m, c);
    timer_stop(&m->wheel, &c->expiry);
    map_remove(&m->configurations, bytes_of_str(c->id));
    list_remove(&c->of_owner);
    m->totals.configurations--;
    configuration_free(c);
}

void scef_configurations_forget(struct scef_model *m)
{
    for (uint32_t i = 0; i < m->subscriber_count; i++)
        LIST_EACH_SAFE (it, &m->subscribers[i]->configurations)
            scef_configuration_remove(m, LIST_ENTRY(it, struct configuration, of_owner));
    for (size_t i = 0; i < m->group_count; i++)
        LIST_EACH_SAFE (it, &m->groups[i]->configurations)
            scef_configuration_remove(m, LIST_ENTRY(it, struct configuration, of_owner));
}

/* Both texts, or false and none. */
static bool configuration_name(const struct scef_model *m, struct configuration *c, struct bytes scs_as_id)
{
    char id[T8_ID_BYTES];
    struct buf self = {0};
    scef_id_write(m->options.configuration_ids, 'c', m->next_configuration + 1, id);
    buf_add_str(&self, m->link_root);
    buf_add_u8(&self, '/');
    t8_link_add_segment(&self, scs_as_id);
    buf_addf(&self, "/configurations/%s", id);
    buf_add_u8(&self, 0);
    c->id = self.failed ? NULL : bytes_dup_str(bytes_of_str(id));
    if (c->id == NULL) {
        buf_free(&self);
        return false;
    }
    c->self = (char *)self.data;
    return true;
}

/* Who a configuration is for. */
struct owner {
    struct subscriber *subscriber;
    struct group *group;
    struct list *configurations;
};

static struct configuration *configuration_new(struct scef_model *m, const struct owner *o, struct bytes scs_as_id)
{
    struct configuration *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->subscriber = o->subscriber;
    c->group = o->group;
    c->scs_as_id = bytes_dup_str(scs_as_id);
    c->status = T8_NIDD_ACTIVE;
    list_init(&c->of_owner);
    list_init(&c->deliveries);
    list_init(&c->ports);
    timer_init(&c->expiry, TIMER_CONFIGURATION);
    if (c->scs_as_id == NULL || !configuration_name(m, c, scs_as_id) || map_put(&m->configurations, c) != OK) {
        configuration_free(c);
        return NULL;
    }
    m->next_configuration++;
    list_push_back(o->configurations, &c->of_owner);
    m->totals.configurations++;
    return c;
}

static struct configuration *configuration_in(const struct list *configurations, struct bytes scs_as_id)
{
    LIST_EACH (it, configurations) {
        struct configuration *c = LIST_ENTRY(it, struct configuration, of_owner);
        if (bytes_equal(bytes_of_str(c->scs_as_id), scs_as_id))
            return c;
    }
    return NULL;
}

struct configuration *scef_configuration_for(const struct subscriber *s, struct bytes scs_as_id)
{
    struct configuration *c = configuration_in(&s->configurations, scs_as_id);
    for (size_t i = 0; i < s->groups_count && c == NULL; i++)
        c = configuration_in(&s->groups[i]->configurations, scs_as_id);
    return c;
}

/* ---- what answers show */

/* The pending deliveries; none when memory is short. */
static size_t deliveries_show(struct scef_model *m, const struct configuration *c)
{
    size_t count = 0;
    LIST_EACH (it, &c->deliveries) {
        const struct delivery *d = LIST_ENTRY(it, struct delivery, of_configuration);
        if (d->state == DELIVERY_ENDED)
            continue;
        if (count == m->shown_capacity) {
            size_t capacity = m->shown_capacity > 0 ? m->shown_capacity * 2 : 16;
            struct nidd_downlink *grown = realloc(m->shown, capacity * sizeof *grown);
            if (grown == NULL)
                return 0;
            m->shown = grown;
            m->shown_capacity = capacity;
        }
        m->shown[count++] = d->shown;
    }
    return count;
}

static void configuration_show(struct scef_model *m, const struct configuration *c, struct nidd_configuration *out)
{
    *out = (struct nidd_configuration){
        .self = bytes_of_str(c->self),
        .mtc_provider_id = bytes_of_str(c->mtc_provider_id),
        .notification_destination = bytes_of_str(c->notification_destination),
        .has_supported_features = c->has_supported_features,
        .supported_features = c->features,
        .duration_ms = c->duration_ms,
        .reliable_data_service = c->reliable_told,
        .rds_ports = c->rds_ports,
        .rds_ports_count = c->rds_ports_count,
        .pdn_option = c->pdn_option,
        .request_test_notification = c->test_told,
        .maximum_packet_size_bits = m->options.maximum_packet_size_bits,
        .status = c->status,
    };
    if (c->group != NULL)
        out->id.external_group_id = bytes_of_str(c->group->id);
    else
        out->id = scef_identity(c->subscriber, c->by_msisdn);
    if (c->websocket_uri != NULL)
        out->websocket =
            (struct t8_websocket){.present = true, .request_uri = T8_FLAG_TRUE, .uri = bytes_of_str(c->websocket_uri)};
    out->downlinks_count = deliveries_show(m, c);
    out->downlinks = out->downlinks_count > 0 ? m->shown : NULL;
}

/* ---- creation */

/* As long as is wanted (0 = for ever) and allowed. */
static void duration_set(struct scef_model *m, struct configuration *c, uint64_t wanted_ms)
{
    uint64_t most_ms = m->options.max_duration_s > 0 ? m->now_ms + m->options.max_duration_s * UINT64_C(1000) : 0;
    c->duration_ms = most_ms != 0 && (wanted_ms == 0 || wanted_ms > most_ms) ? most_ms : wanted_ms;
    timer_stop(&m->wheel, &c->expiry);
    if (c->duration_ms != 0)
        timer_start(&m->wheel, &c->expiry, c->duration_ms);
}

static struct scef_answer bad(const char *param)
{
    struct scef_answer a = scef_status(400, T8_CAUSE_NONE);
    a.invalid_param = param;
    return a;
}

/* The checks that need no configuration; 0 when none refuses. */
static struct scef_answer creation_refused(const struct scef_model *m, struct bytes scs_as_id,
                                           const struct nidd_configuration *wanted, uint64_t features, struct owner *o)
{
    *o = (struct owner){0};
    if (!scef_as_known(m, scs_as_id))
        return scef_status(404, T8_CAUSE_NONE);
    if (wanted->id.external_group_id.len > 0 && (features & NIDD_FEATURE_GROUPS) == 0)
        return bad("/externalGroupId");
    if (wanted->id.external_group_id.len > 0) {
        o->group = scef_group_find(m, wanted->id.external_group_id);
        o->configurations = o->group != NULL ? &o->group->configurations : NULL;
    } else {
        o->subscriber = scef_subscriber_find(m, &wanted->id);
        o->configurations = o->subscriber != NULL ? &o->subscriber->configurations : NULL;
    }
    if (o->configurations == NULL || (o->subscriber != NULL && !scef_admits(o->subscriber, scs_as_id)))
        return scef_status(403, T8_CAUSE_NONE);
    if (wanted->duration_ms != 0 && wanted->duration_ms <= m->now_ms)
        return bad("/duration");
    if (wanted->downlinks_count > 1 || (wanted->downlinks_count > 0 && o->group != NULL))
        return bad("/niddDownlinkDataTransfers");
    if (wanted->downlinks_count > 0 && scef_subscriber_find(m, &wanted->downlinks->id) != o->subscriber)
        return bad("/niddDownlinkDataTransfers/0/externalId");
    if (wanted->websocket.uri.len > 0)
        return bad("/websockNotifConfig/websocketUri"); /* which only we set */
    return scef_status(0, T8_CAUSE_NONE);
}

/* Copies that either all succeed or leave the configuration as it was. */
struct texts {
    char *destination, *mtc_provider_id, *websocket_uri;
    struct t8_rds_port *rds_ports;
};

static void texts_free(struct texts *t)
{
    free(t->destination);
    free(t->mtc_provider_id);
    free(t->websocket_uri);
    free(t->rds_ports);
}

/* Nobody can guess it: whoever connects there gets the notifications (TS 29.122 clause 5.2.5.4). */
static char *websocket_uri(struct scef_model *m)
{
    struct buf uri = {0};
    buf_addf(&uri, "%s/%016llx", m->websocket_root, (unsigned long long)prng_next(&m->prng));
    buf_add_u8(&uri, 0);
    if (uri.failed)
        buf_free(&uri);
    return (char *)uri.data;
}

/* None when there are none, and when memory is short. */
static struct t8_rds_port *ports_copy(const struct t8_rds_port *ports, size_t count)
{
    struct t8_rds_port *copy = count > 0 ? malloc(count * sizeof *copy) : NULL;
    if (copy != NULL)
        memcpy(copy, ports, count * sizeof *copy);
    return copy;
}

static bool texts_copy(struct scef_model *m, const struct nidd_configuration *wanted, bool websocket, struct texts *t)
{
    *t = (struct texts){.destination = bytes_dup_str(wanted->notification_destination)};
    if (wanted->mtc_provider_id.len > 0)
        t->mtc_provider_id = bytes_dup_str(wanted->mtc_provider_id);
    if (websocket)
        t->websocket_uri = websocket_uri(m);
    t->rds_ports = ports_copy(wanted->rds_ports, wanted->rds_ports_count);
    if (t->destination != NULL && (wanted->mtc_provider_id.len == 0 || t->mtc_provider_id != NULL) &&
        (!websocket || t->websocket_uri != NULL) && (wanted->rds_ports_count == 0 || t->rds_ports != NULL))
        return true;
    texts_free(t);
    return false;
}

static void configuration_set(struct scef_model *m, struct configuration *c, const struct nidd_configuration *wanted,
                              uint64_t features, const struct texts *t)
{
    struct texts old = {c->notification_destination, c->mtc_provider_id, c->websocket_uri, c->rds_ports};
    texts_free(&old);
    c->notification_destination = t->destination;
    c->mtc_provider_id = t->mtc_provider_id;
    c->websocket_uri = t->websocket_uri;
    c->rds_ports = t->rds_ports;
    c->rds_ports_count = wanted->rds_ports_count;
    c->by_msisdn = wanted->id.external_id.len == 0;
    c->pdn_option = wanted->pdn_option;
    c->reliable_told = wanted->reliable_data_service;
    c->reliable = wanted->reliable_data_service == T8_FLAG_TRUE && c->group == NULL;
    c->has_supported_features = wanted->has_supported_features;
    c->features = features;
    c->test_told = scef_has(c, NIDD_FEATURE_TEST) ? wanted->request_test_notification : T8_FLAG_UNSET;
    duration_set(m, c, wanted->duration_ms);
}

struct scef_answer scef_configuration_create(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                                             const struct nidd_configuration *wanted, struct nidd_configuration *out)
{
    struct owner owner;
    struct texts texts;
    scef_now(m, now_ms);
    uint64_t features = wanted->has_supported_features ? scef_features(m, wanted->supported_features) : 0;
    struct scef_answer refused = creation_refused(m, scs_as_id, wanted, features, &owner);
    if (refused.http_status != 0)
        return refused;
    struct configuration *c = configuration_in(owner.configurations, scs_as_id);
    if (c != NULL && m->options.duplicate_conflicts)
        return scef_status(409, T8_CAUSE_NONE);
    bool websocket = (features & NIDD_FEATURE_WEBSOCKET) != 0 && wanted->websocket.request_uri == T8_FLAG_TRUE;
    if (c != NULL && c->websocket_uri != NULL && websocket)
        return bad("/websockNotifConfig/requestWebsocketUri"); /* a second one (TS 29.122 clause 5.2.5.4) */
    if (!texts_copy(m, wanted, websocket, &texts))
        return scef_status(503, T8_CAUSE_NONE);
    if (c == NULL && (c = configuration_new(m, &owner, scs_as_id)) == NULL) {
        texts_free(&texts);
        return scef_status(503, T8_CAUSE_NONE);
    }
    configuration_set(m, c, wanted, features, &texts);
    if (wanted->downlinks_count > 0 && !scef_delivery_piggyback(m, c, wanted->downlinks)) {
        scef_configuration_remove(m, c);
        return scef_status(503, T8_CAUSE_NONE);
    }
    if (c->test_told == T8_FLAG_TRUE)
        scef_notify_test(m, c);
    configuration_show(m, c, out);
    return scef_status(201, T8_CAUSE_NONE);
}

/* ---- the resource */

struct scef_answer scef_configuration_get(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                                          struct bytes configuration_id, struct nidd_configuration *out)
{
    scef_now(m, now_ms);
    const struct configuration *c = scef_configuration_find(m, scs_as_id, configuration_id);
    if (c == NULL)
        return scef_status(404, T8_CAUSE_NONE);
    configuration_show(m, c, out);
    return scef_status(200, T8_CAUSE_NONE);
}

/* The cursor counts subscribers, then groups: each has at most one configuration for an SCS/AS. */
bool scef_configuration_next(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id, uint64_t *cursor,
                             struct nidd_configuration *out)
{
    scef_now(m, now_ms);
    while (*cursor < m->subscriber_count + m->group_count) {
        uint64_t at = (*cursor)++;
        const struct list *configurations = at < m->subscriber_count
                                                ? &m->subscribers[at]->configurations
                                                : &m->groups[at - m->subscriber_count]->configurations;
        const struct configuration *c = configuration_in(configurations, scs_as_id);
        if (c != NULL) {
            configuration_show(m, c, out);
            return true;
        }
    }
    return false;
}

/* What has to be copied of a patch: all of it or nothing. */
static bool texts_patch(struct configuration *c, const struct nidd_configuration_patch *p)
{
    bool moves = p->notification_destination.len > 0;
    char *destination = moves ? bytes_dup_str(p->notification_destination) : NULL;
    struct t8_rds_port *ports = ports_copy(p->rds_ports, p->rds_ports_count);
    if ((moves && destination == NULL) || (p->rds_ports_count > 0 && ports == NULL)) {
        free(destination);
        free(ports);
        return false;
    }
    if (moves) {
        free(c->notification_destination);
        c->notification_destination = destination;
    }
    if (ports != NULL) {
        free(c->rds_ports);
        c->rds_ports = ports;
        c->rds_ports_count = p->rds_ports_count;
    }
    return true;
}

struct scef_answer scef_configuration_patch(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                                            struct bytes configuration_id, const struct nidd_configuration_patch *p,
                                            struct nidd_configuration *out)
{
    scef_now(m, now_ms);
    struct configuration *c = scef_configuration_find(m, scs_as_id, configuration_id);
    if (c == NULL)
        return scef_status(404, T8_CAUSE_NONE);
    if (p->has_duration && p->duration_ms != 0 && p->duration_ms <= m->now_ms)
        return bad("/duration");
    if (!texts_patch(c, p))
        return scef_status(503, T8_CAUSE_NONE);
    if (p->has_duration)
        duration_set(m, c, p->duration_ms);
    if (p->has_pdn_option)
        c->pdn_option = p->pdn_option;
    if (p->has_reliable_data_service) {
        c->reliable_told = p->reliable_data_service ? T8_FLAG_TRUE : T8_FLAG_UNSET;
        c->reliable = p->reliable_data_service && c->group == NULL;
    }
    configuration_show(m, c, out);
    return scef_status(200, T8_CAUSE_NONE);
}

struct scef_answer scef_configuration_delete(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                                             struct bytes configuration_id)
{
    scef_now(m, now_ms);
    struct configuration *c = scef_configuration_find(m, scs_as_id, configuration_id);
    if (c == NULL)
        return scef_status(404, T8_CAUSE_NONE);
    scef_configuration_remove(m, c);
    return scef_status(204, T8_CAUSE_NONE);
}

/* Of a group's each member is named. */
static void terminated_notify(struct scef_model *m, const struct configuration *c)
{
    size_t count = c->group != NULL ? c->group->member_count : 1;
    for (size_t i = 0; i < count; i++) {
        const struct subscriber *s = c->group != NULL ? scef_subscriber_at(m, c->group->members[i]) : c->subscriber;
        scef_notify_configuration_status(m, c, s, T8_NIDD_TERMINATED, T8_FLAG_UNSET, (struct t8_rds_port){0});
    }
}

bool scef_configuration_terminate(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                                  struct bytes configuration_id)
{
    scef_now(m, now_ms);
    struct configuration *c = scef_configuration_find(m, scs_as_id, configuration_id);
    if (c == NULL)
        return false;
    terminated_notify(m, c);
    scef_configuration_remove(m, c);
    return true;
}

bool scef_websocket_known(const struct scef_model *m, struct bytes uri)
{
    size_t cursor = 0;
    for (const struct configuration *c; (c = map_next(&m->configurations, &cursor)) != NULL;)
        if (c->websocket_uri != NULL && bytes_equal(bytes_of_str(c->websocket_uri), uri))
            return true;
    return false;
}
