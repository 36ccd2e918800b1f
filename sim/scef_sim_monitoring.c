/* The monitoring event API: requests of the AS to the model, one to one. */
#include "sim/scef_sim.h"

#include <stdlib.h>

static bool on_next(void *ctx, const struct scef_path *path, uint64_t *cursor, struct scef_reply *a)
{
    struct scef_sim *s = ctx;
    return scef_monitoring_next(s->monitoring, sim_now_ms(s), path->scs_as_id, cursor, &a->subscription);
}

/* A one-time request that is answered at once shows reports instead of a subscription. */
static void on_create(void *ctx, const struct scef_path *path, const struct monitoring_subscription *m,
                      struct scef_reply *a)
{
    struct scef_sim *s = ctx;
    struct monitoring_subscription made = {0};
    struct monitoring_reports reports = {0};
    sim_reply(a, scef_monitoring_create(s->monitoring, sim_now_ms(s), path->scs_as_id, m, &made, &reports));
    if (a->status == 200) {
        a->body = SCEF_BODY_REPORTS;
        a->reports = reports;
    } else {
        a->subscription = made;
    }
}

static void on_get(void *ctx, const struct scef_path *path, struct scef_reply *a)
{
    struct scef_sim *s = ctx;
    sim_reply(a, scef_monitoring_get(s->monitoring, sim_now_ms(s), path->scs_as_id, path->id, &a->subscription));
}

static void on_replace(void *ctx, const struct scef_path *path, const struct monitoring_subscription *m,
                       struct scef_reply *a)
{
    struct scef_sim *s = ctx;
    sim_reply(a, scef_monitoring_replace(s->monitoring, sim_now_ms(s), path->scs_as_id, path->id, m, &a->subscription));
}

static void on_patch(void *ctx, const struct scef_path *path, struct bytes patch, struct scef_reply *a)
{
    struct scef_sim *s = ctx;
    sim_reply(a, scef_monitoring_patch(s->monitoring, sim_now_ms(s), path->scs_as_id, path->id, patch));
}

static void on_delete(void *ctx, const struct scef_path *path, struct scef_reply *a)
{
    struct scef_sim *s = ctx;
    sim_reply(a, scef_monitoring_delete(s->monitoring, sim_now_ms(s), path->scs_as_id, path->id, &a->reports));
}

const struct scef_monitoring_sink sim_monitoring_sink = {
    .subscription_next = on_next,
    .subscription_create = on_create,
    .subscription_get = on_get,
    .subscription_replace = on_replace,
    .subscription_patch = on_patch,
    .subscription_delete = on_delete,
};

enum error sim_monitoring_start(struct scef_sim *s)
{
    const struct sim_monitoring_config *c = &s->config->monitoring;
    struct scef_monitoring_options o;
    scef_monitoring_options_default(&o);
    char *root = sim_link_root(s, T8_API_MONITORING);
    if (root == NULL)
        return ERR_NO_MEMORY;
    o.seed = s->config->seed;
    o.link_root = root;
    o.websocket_root = s->websocket_root;
    o.ids = s->config->dialect->configuration_ids;
    o.apn = c->apn;
    if (s->config->features[T8_API_MONITORING].present)
        o.features = s->config->features[T8_API_MONITORING].bits;
    if (c->types != 0)
        o.types = c->types;
#define X(key, ...) o.key = c->key;
    SIM_MONITORING_NUMBERS(X)
    SIM_MONITORING_FLAGS(X)
#undef X
#define X(key, ...) o.key = (struct scef_range){c->key[0], c->key[1]};
    SIM_MONITORING_RANGES(X)
#undef X
    enum error err = scef_monitoring_new(&o, s->model, sim_now_ms(s), &s->monitoring);
    free(root);
    return err;
}
