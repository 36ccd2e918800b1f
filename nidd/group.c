/* Groups, and the records of configurations that stand in no device's: a group's own, and those that serve nobody any
 * more and wait to be deleted. */
#include "nidd/configuration.h"

#include <stdlib.h>
#include <string.h>

static void key_write(struct buf *out, struct bytes id, uint32_t scef)
{
    buf_reset(out);
    buf_add(out, id);
    buf_add_u8(out, 0);
    buf_add_be32(out, scef);
}

struct bytes leftover_key(const void *group)
{
    const struct group *g = group;
    return bytes_of(g->id, strlen(g->id) + 1 + sizeof(uint32_t));
}

static struct group *group_new(struct engine *e, struct bytes id, uint32_t scef, bool of_group)
{
    struct group *g = calloc(1, sizeof(*g));
    key_write(&e->scratch, id, scef);
    if (!g || e->scratch.failed || !(g->id = (char *)bytes_dup(buf_bytes(&e->scratch)))) {
        free(g);
        return NULL;
    }
    g->of_group = of_group;
    g->index = ENGINE_NONE;
    list_init(&g->leftover_node);
    list_init(&g->storing.node);
    g->storing.what = STORING_GROUP;
    return g;
}

void group_free(struct engine *e, struct group *g)
{
    if (!g)
        return;
    if (map_get(&e->by_leftover, leftover_key(g)) == g)
        map_remove(&e->by_leftover, leftover_key(g));
    list_remove(&g->leftover_node);
    list_remove(&g->storing.node);
    configuration_free(e, g->configuration);
    free(g->id);
    free(g);
}

static enum error groups_reserve(struct engine *e)
{
    struct group **groups = realloc(e->groups, (e->group_count + 1) * sizeof(struct group *));
    if (!groups)
        return ERR_NO_MEMORY;
    e->groups = groups;
    return OK;
}

enum error engine_group_add(struct engine *e, const struct engine_group_options *o)
{
    if (o->external_group_id.len == 0)
        return ERR_IDENTITY;
    if (map_get(&e->by_group_id, o->external_group_id))
        return ERR_MEMBER_TYPE;
    if (o->scef >= e->scef_count || !route_is_possible(e, o->server))
        return ERR_NOT_FOUND;
    struct group *g = group_new(e, o->external_group_id, o->scef, true);
    if (!g)
        return ERR_NO_MEMORY;
    g->configuration = configuration_new(e, o->scef);
    if (!g->configuration || groups_reserve(e) != OK || map_put(&e->by_group_id, g) != OK) {
        group_free(e, g);
        return ERR_NO_MEMORY;
    }
    configuration_set_group(g->configuration, g);
    g->server = o->server;
    g->learn = o->learn;
    g->learn_max = o->learn_max;
    g->foreign = o->foreign;
    g->index = e->group_count;
    e->groups[e->group_count++] = g;
    return OK;
}

/* ---- records */

void group_put(struct engine *e, struct group *g)
{
    const struct configuration *c = g->configuration;
    if (g->foreign)
        return; /* its owner keeps it */
    struct record_configuration r = {.id = bytes_of_str(g->id),
                                     .seq = g->seq,
                                     .of_group = g->of_group,
                                     .scef = bytes_of_str(e->scefs[c->scef].name),
                                     .link = bytes_of_str(c->link),
                                     .maximum_packet_size_bytes = c->packet_size_bytes};
    buf_reset(&e->key);
    buf_reset(&e->value);
    record_message_key(RECORD_CONFIGURATION, r.id, r.seq, &e->key);
    record_configuration_encode(buf_bytes(&e->key), &r, &e->value);
    list_remove(&g->storing.node);
    g->stored = true;
    g->to_be_put = false;
    g->storing.ticket = engine_record_put(e);
    g->unsaved = g->storing.ticket == 0;
    list_push_back(g->unsaved ? &e->unsaved : &e->storing, &g->storing.node);
    if (g->unsaved)
        engine_store_later(e);
}

static void record_end(struct engine *e, struct group *g)
{
    if (!g->stored)
        return;
    buf_reset(&e->key);
    record_message_key(RECORD_CONFIGURATION, bytes_of_str(g->id), g->seq, &e->key);
    engine_record_delete(e);
    g->stored = false;
}

void group_end(struct engine *e, struct group *g)
{
    record_end(e, g);
    if (g->seq == 0)
        map_remove(&e->by_group_id, bytes_of_str(g->id));
    group_free(e, g);
}

/* Findable, so that who comes back takes it again; of two that are alike one is enough. */
static enum error leftover_add(struct engine *e, struct group *g)
{
    list_push_back(&e->leftovers, &g->leftover_node);
    return map_get(&e->by_leftover, leftover_key(g)) ? OK : map_put(&e->by_leftover, g);
}

enum error leftover_make(struct engine *e, struct configuration *c, struct bytes id)
{
    struct group *g = group_new(e, id, c->scef, false);
    if (!g || leftover_add(e, g) != OK) {
        group_free(e, g);
        return ERR_NO_MEMORY;
    }
    g->seq = engine_next_seq(e);
    g->configuration = c;
    configuration_set_group(c, g);
    group_put(e, g); /* before its device's record forgets it */
    return OK;
}

struct configuration *leftover_take(struct engine *e, struct bytes id, uint32_t scef)
{
    key_write(&e->scratch, id, scef);
    struct group *g = e->scratch.failed ? NULL : map_get(&e->by_leftover, buf_bytes(&e->scratch));
    if (!g || g->of_group || e->started)
        return NULL; /* once the engine has started its deletion is on its way */
    struct configuration *c = g->configuration;
    g->configuration = NULL;
    configuration_set_device(c, NULL); /* its caller says whose */
    group_end(e, g);
    return c;
}

/* A group that is at a SCEF again where it has left its configuration. */
static void take_again(struct engine *e, struct group *g)
{
    struct configuration *c = g->configuration;
    struct group *left = c->link ? NULL : map_get(&e->by_leftover, leftover_key(g));
    if (!left || !left->of_group)
        return;
    (void)configuration_set_link(c, left->configuration->link); /* it was kept once */
    c->packet_size_bytes = left->configuration->packet_size_bytes;
    left->configuration->link = NULL;
    group_put(e, g);
    group_end(e, left);
}

void leftover_records(struct engine *e)
{
    LIST_EACH (it, &e->leftovers) {
        struct group *g = LIST_ENTRY(it, struct group, leftover_node);
        if (g->stored)
            continue;
        g->seq = engine_next_seq(e);
        group_put(e, g);
    }
    for (uint32_t i = 0; i < e->group_count; i++) {
        struct group *g = e->groups[i];
        if (g->foreign) {
            record_end(e, g); /* it was not, and must not be deleted as ours when it leaves the configuration file */
            continue;
        }
        take_again(e, g);
        if (g->to_be_put)
            group_put(e, g);
    }
}

/* ---- after a restart */

/* One that nobody uses now: of a group that is in the configuration file no more, or left over. */
static enum error restore_unused(struct engine *e, const struct record_configuration *r, uint32_t scef, bool stored)
{
    struct group *g = group_new(e, r->id, scef, r->of_group);
    struct configuration *c = g ? configuration_new(e, scef) : NULL;
    if (!c) {
        group_free(e, g);
        return ERR_NO_MEMORY;
    }
    g->configuration = c;
    configuration_set_group(c, g);
    (void)configuration_set_link(c, bytes_dup_str(r->link)); /* which has come out of a record */
    g->seq = stored ? r->seq : UINT64_MAX;                   /* gets its own at the start */
    if (stored && r->seq > e->last_seq)
        e->last_seq = r->seq;
    g->stored = stored;
    if (c->link && leftover_add(e, g) == OK && (g->seq || map_put(&e->by_group_id, g) == OK))
        return OK;
    group_free(e, g);
    return ERR_NO_MEMORY;
}

static enum error restore_link(struct group *g, const struct record_configuration *r)
{
    struct configuration *c = g->configuration;
    configuration_set_packet_size(c, r->maximum_packet_size_bytes);
    (void)configuration_set_link(c, bytes_dup_str(r->link));
    return c->link ? OK : ERR_NO_MEMORY;
}

enum error engine_restore_configuration(struct engine *e, const struct record_configuration *r)
{
    uint32_t scef = scef_by_name(e, r->scef);
    bool reachable = r->link.len && scef != ENGINE_NONE; /* else nothing is there, or the SCEF is not */
    if (r->seq)
        return reachable ? restore_unused(e, r, scef, true) : OK;
    struct group *g = map_get(&e->by_group_id, r->id);
    if (!r->of_group || (g && (g->index == ENGINE_NONE || g->stored)))
        return ERR_STORE_CORRUPT; /* twice */
    if (g)
        g->stored = true;
    if (!reachable || (g && g->foreign)) /* the list tells */
        return OK;
    if (!g)
        return restore_unused(e, r, scef, true);
    if (g->configuration->scef == scef)
        return restore_link(g, r);
    g->to_be_put = true;
    return restore_unused(e, r, scef, false);
}
