/* The device triggering API: requests of the AS to the model, one to one. */
#include "sim/scef_sim.h"

#include <stdlib.h>

static bool on_next(void *ctx, const struct scef_path *path, uint64_t *cursor, struct scef_reply *a)
{
    struct scef_sim *s = ctx;
    return scef_triggering_next(s->triggering, sim_now_ms(s), path->scs_as_id, cursor, &a->transaction);
}

static void on_create(void *ctx, const struct scef_path *path, const struct device_triggering *t, struct scef_reply *a)
{
    struct scef_sim *s = ctx;
    sim_reply(a, scef_triggering_create(s->triggering, sim_now_ms(s), path->scs_as_id, t, &a->transaction));
}

static void on_get(void *ctx, const struct scef_path *path, struct scef_reply *a)
{
    struct scef_sim *s = ctx;
    sim_reply(a, scef_triggering_get(s->triggering, sim_now_ms(s), path->scs_as_id, path->id, &a->transaction));
}

static void on_replace(void *ctx, const struct scef_path *path, const struct device_triggering *t, struct scef_reply *a)
{
    struct scef_sim *s = ctx;
    sim_reply(a, scef_triggering_replace(s->triggering, sim_now_ms(s), path->scs_as_id, path->id, t, &a->transaction));
}

static void on_patch(void *ctx, const struct scef_path *path, const struct device_triggering_patch *p,
                     struct scef_reply *a)
{
    struct scef_sim *s = ctx;
    sim_reply(a, scef_triggering_patch(s->triggering, sim_now_ms(s), path->scs_as_id, path->id, p, &a->transaction));
}

static void on_delete(void *ctx, const struct scef_path *path, struct scef_reply *a)
{
    struct scef_sim *s = ctx;
    sim_reply(a, scef_triggering_recall(s->triggering, sim_now_ms(s), path->scs_as_id, path->id, &a->transaction));
}

const struct scef_triggering_sink sim_triggering_sink = {
    .transaction_next = on_next,
    .transaction_create = on_create,
    .transaction_get = on_get,
    .transaction_replace = on_replace,
    .transaction_patch = on_patch,
    .transaction_delete = on_delete,
};

enum error sim_triggering_start(struct scef_sim *s)
{
    const struct sim_triggering_config *c = &s->config->triggering;
    struct scef_triggering_options o;
    scef_triggering_options_default(&o);
    char *root = sim_link_root(s, T8_API_TRIGGERING);
    if (root == NULL)
        return ERR_NO_MEMORY;
    o.seed = s->config->seed;
    o.link_root = root;
    o.websocket_root = s->websocket_root;
    o.ids = s->config->dialect->configuration_ids;
    if (s->config->features[T8_API_TRIGGERING].present)
        o.features = s->config->features[T8_API_TRIGGERING].bits;
#define X(key, ...) o.key = c->key;
    SIM_TRIGGERING_NUMBERS(X)
    SIM_TRIGGERING_SHARES(X)
    SIM_TRIGGERING_LIMITS(X)
#undef X
    enum error err = scef_triggering_new(&o, s->model, sim_now_ms(s), &s->triggering);
    free(root);
    return err;
}
