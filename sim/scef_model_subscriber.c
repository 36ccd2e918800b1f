#include "sim/scef_model_internal.h"

#include <stdlib.h>
#include <string.h>

/* What the HSS knows (TS 23.682 clause 5.13.2): subscribers, their groups, and the SCS/ASs that may use them. */

struct subscriber *scef_subscriber_at(const struct scef_model *m, uint32_t ue)
{
    return ue < m->subscriber_count ? m->subscribers[ue] : NULL;
}

struct subscriber *scef_subscriber_find(const struct scef_model *m, const struct t8_identity *id)
{
    if (id->external_id.len > 0)
        return map_get(&m->by_external_id, id->external_id);
    return map_get(&m->by_msisdn, id->msisdn);
}

bool scef_subscriber_lookup(const struct scef_model *m, const struct t8_identity *id, uint32_t *ue)
{
    const struct subscriber *s = scef_subscriber_find(m, id);
    if (s == NULL)
        return false;
    *ue = s->index;
    return true;
}

struct t8_identity scef_identity(const struct subscriber *s, bool by_msisdn)
{
    if (by_msisdn)
        return (struct t8_identity){.msisdn = bytes_of_str(s->msisdn)};
    return (struct t8_identity){.external_id = bytes_of_str(s->external_id)};
}

struct t8_identity scef_subscriber_identity(const struct scef_model *m, uint32_t ue, bool by_msisdn)
{
    const struct subscriber *s = scef_subscriber_at(m, ue);
    if (s == NULL)
        return (struct t8_identity){0};
    return scef_identity(s, s->external_id == NULL || (by_msisdn && s->msisdn != NULL));
}

bool scef_admits(const struct subscriber *s, struct bytes scs_as_id)
{
    bool mine = s->scs_as_ids_count == 0;
    for (size_t i = 0; i < s->scs_as_ids_count && !mine; i++)
        mine = bytes_equal(bytes_of_str(s->scs_as_ids[i]), scs_as_id);
    return mine && s->authorised;
}

bool scef_subscriber_admits(const struct scef_model *m, uint32_t ue, struct bytes scs_as_id)
{
    const struct subscriber *s = scef_subscriber_at(m, ue);
    return s != NULL && scef_admits(s, scs_as_id);
}

/* ---- SCS/ASs */

bool scef_as_known(const struct scef_model *m, struct bytes scs_as_id)
{
    bool known = m->server_count == 0;
    for (size_t i = 0; i < m->server_count && !known; i++)
        known = bytes_equal(bytes_of_str(m->servers[i].id), scs_as_id);
    return known;
}

enum error scef_as_add(struct scef_model *m, const struct scef_as *as)
{
    struct application_server *grown = realloc(m->servers, (m->server_count + 1) * sizeof *grown);
    if (grown == NULL)
        return ERR_NO_MEMORY;
    m->servers = grown;
    struct application_server *a = &grown[m->server_count];
    *a = (struct application_server){.id = bytes_dup_str(bytes_of_str(as->id))};
    if (as->configuration_trigger_url != NULL)
        a->configuration_trigger_url = bytes_dup_str(bytes_of_str(as->configuration_trigger_url));
    if (a->id == NULL || (as->configuration_trigger_url != NULL && a->configuration_trigger_url == NULL)) {
        free(a->id);
        free(a->configuration_trigger_url);
        return ERR_NO_MEMORY;
    }
    m->server_count++;
    return OK;
}

/* ---- groups */

struct group *scef_group_find(const struct scef_model *m, struct bytes external_group_id)
{
    return map_get(&m->by_group_id, external_group_id);
}

bool scef_group_has(const struct group *g, const struct subscriber *s)
{
    for (size_t i = 0; i < s->groups_count; i++)
        if (s->groups[i] == g)
            return true;
    return false;
}

bool scef_group_members(const struct scef_model *m, struct bytes external_group_id, const uint32_t **ues, size_t *count)
{
    const struct group *g = scef_group_find(m, external_group_id);
    if (g == NULL)
        return false;
    *ues = g->members;
    *count = g->member_count;
    return true;
}

static void group_free(struct group *g)
{
    free(g->id);
    free(g->members);
    free(g);
}

static struct group *group_new(struct scef_model *m, const char *id)
{
    struct group **grown = realloc(m->groups, (m->group_count + 1) * sizeof *grown);
    if (grown == NULL)
        return NULL;
    m->groups = grown;
    struct group *g = calloc(1, sizeof *g);
    if (g == NULL)
        return NULL;
    list_init(&g->configurations);
    g->id = bytes_dup_str(bytes_of_str(id));
    if (g->id == NULL || map_put(&m->by_group_id, g) != OK) {
        group_free(g);
        return NULL;
    }
    m->groups[m->group_count++] = g;
    return g;
}

static bool group_grow(struct group *g)
{
    if (g->member_count < g->member_capacity)
        return true;
    size_t capacity = g->member_capacity > 0 ? g->member_capacity * 2 : 16;
    uint32_t *grown = realloc(g->members, capacity * sizeof *grown);
    if (grown == NULL)
        return false;
    g->members = grown;
    g->member_capacity = capacity;
    return true;
}

/* Finds or makes the groups, with room for one more member each. */
static bool groups_prepare(struct scef_model *m, struct subscriber *s, const struct scef_subscriber *p)
{
    if (p->groups_count == 0)
        return true;
    s->groups = calloc(p->groups_count, sizeof(struct group *));
    if (s->groups == NULL)
        return false;
    for (size_t i = 0; i < p->groups_count; i++) {
        struct group *g = scef_group_find(m, bytes_of_str(p->groups[i]));
        if (g == NULL)
            g = group_new(m, p->groups[i]);
        if (g == NULL || !group_grow(g))
            return false;
        if (!scef_group_has(g, s)) /* named twice */
            s->groups[s->groups_count++] = g;
    }
    return true;
}

/* ---- subscribers */

static void subscriber_free(struct subscriber *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->scs_as_ids_count; i++)
        free(s->scs_as_ids[i]);
    free(s->scs_as_ids);
    free(s->groups);
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

static bool text_copy(char **out, const char *text)
{
    *out = text != NULL ? bytes_dup_str(bytes_of_str(text)) : NULL;
    return text == NULL || *out != NULL;
}

static bool subscriber_copy(struct scef_model *m, struct subscriber *s, const struct scef_subscriber *p)
{
    if (!text_copy(&s->external_id, p->external_id) || !text_copy(&s->msisdn, p->msisdn))
        return false;
    if (p->scs_as_ids_count > 0 && (s->scs_as_ids = calloc(p->scs_as_ids_count, sizeof(char *))) == NULL)
        return false;
    for (; s->scs_as_ids_count < p->scs_as_ids_count; s->scs_as_ids_count++)
        if (!text_copy(&s->scs_as_ids[s->scs_as_ids_count], p->scs_as_ids[s->scs_as_ids_count]))
            return false;
    return groups_prepare(m, s, p);
}

static void subscriber_init(struct scef_model *m, struct subscriber *s, const struct scef_subscriber *p)
{
    s->index = m->subscriber_count;
    s->authorised = !p->barred;
    s->rds = p->rds;
    s->covered = true;
    s->rds_ports_used = p->rds_ports_used;
    s->formats = p->formats != 0 ? p->formats : ~0u;
    s->home_plmn = s->plmn = p->home_plmn;
    s->quota.limit = p->quota;
    s->apn_rate.limit = p->apn_rate;
    s->serving_plmn_rate.limit = p->serving_plmn_rate;
    s->radio = p->radio;
    ue_model_init(&s->ue, &p->ue, m->now_ms);
    prng_seed(&s->prng, m->options.seed ^ (0x9e3779b97f4a7c15u * ((uint64_t)s->index + 1)));
    list_init(&s->configurations);
    list_init(&s->buffered);
    list_init(&s->triggers);
    timer_init(&s->tau, TIMER_TAU);
    timer_init(&s->asleep, TIMER_ASLEEP);
    timer_init(&s->flow, TIMER_FLOW);
    s->told_awake = scef_awake(m, s);
    if (s->ue.tau_at_ms != UINT64_MAX)
        timer_start(&m->wheel, &s->tau, s->ue.tau_at_ms);
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
    if (s == NULL || !subscriber_copy(m, s, p) || subscriber_index(m, s) != OK) {
        subscriber_free(s);
        return ERR_NO_MEMORY;
    }
    subscriber_init(m, s, p);
    for (size_t i = 0; i < s->groups_count; i++)
        s->groups[i]->members[s->groups[i]->member_count++] = s->index;
    m->subscribers[m->subscriber_count++] = s;
    return OK;
}

void scef_subscribers_free(struct scef_model *m)
{
    for (uint32_t i = 0; i < m->subscriber_count; i++)
        subscriber_free(m->subscribers[i]);
    for (size_t i = 0; i < m->group_count; i++)
        group_free(m->groups[i]);
    for (size_t i = 0; i < m->server_count; i++) {
        free(m->servers[i].id);
        free(m->servers[i].configuration_trigger_url);
    }
    free(m->subscribers);
    free(m->groups);
    free(m->servers);
    map_free(&m->by_external_id);
    map_free(&m->by_msisdn);
    map_free(&m->by_group_id);
}
