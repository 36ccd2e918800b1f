/* The NIDD API: requests of the AS to the model, one to one. */
#include "sim/scef_sim.h"

#include <stdlib.h>

/* ---- configurations */

static bool on_configuration_next(void *ctx, const struct scef_path *path, uint64_t *cursor, struct scef_reply *a)
{
    struct scef_sim *s = ctx;
    return scef_configuration_next(s->model, sim_now_ms(s), path->scs_as_id, cursor, &a->configuration);
}

static void on_configuration_create(void *ctx, const struct scef_path *path, const struct nidd_configuration *c,
                                    struct scef_reply *a)
{
    struct scef_sim *s = ctx;
    sim_reply(a, scef_configuration_create(s->model, sim_now_ms(s), path->scs_as_id, c, &a->configuration));
}

static void on_configuration_get(void *ctx, const struct scef_path *path, struct scef_reply *a)
{
    struct scef_sim *s = ctx;
    sim_reply(a, scef_configuration_get(s->model, sim_now_ms(s), path->scs_as_id, path->id, &a->configuration));
}

static void on_configuration_patch(void *ctx, const struct scef_path *path, const struct nidd_configuration_patch *p,
                                   struct scef_reply *a)
{
    struct scef_sim *s = ctx;
    sim_reply(a, scef_configuration_patch(s->model, sim_now_ms(s), path->scs_as_id, path->id, p, &a->configuration));
}

static void on_configuration_delete(void *ctx, const struct scef_path *path, struct scef_reply *a)
{
    struct scef_sim *s = ctx;
    sim_reply(a, scef_configuration_delete(s->model, sim_now_ms(s), path->scs_as_id, path->id));
}

/* What lies below a configuration is 404 with it. */
static bool configuration_known(struct scef_sim *s, const struct scef_path *path, struct scef_reply *a)
{
    struct nidd_configuration c;
    sim_reply(a, scef_configuration_get(s->model, sim_now_ms(s), path->scs_as_id, path->id, &c));
    return a->status == 200;
}

/* ---- deliveries */

static bool on_delivery_next(void *ctx, const struct scef_path *path, uint64_t *cursor, struct scef_reply *a)
{
    struct scef_sim *s = ctx;
    return configuration_known(s, path, a) &&
           scef_delivery_next(s->model, sim_now_ms(s), path->scs_as_id, path->id, cursor, &a->delivery);
}

/* Answered by sim_downlink_answer. */
static void on_delivery_create(void *ctx, struct http_exchange *x, const struct scef_path *path,
                               const struct nidd_downlink *d, struct scef_reply *a)
{
    struct scef_sim *s = ctx;
    (void)a;
    scef_downlink(s->model, sim_now_ms(s), (uint64_t)(uintptr_t)x, path->scs_as_id, path->id, d);
}

void sim_downlink_answer(void *ctx, uint64_t request_ref, const struct scef_answer *m, const struct nidd_downlink *d)
{
    struct scef_sim *s = ctx;
    struct http_exchange *x = (struct http_exchange *)(uintptr_t)request_ref;
    struct scef_reply a = {.body = SCEF_BODY_DELIVERY};
    if (m->http_status == 0) { /* it restarted under the request; a shell cannot break the connection, so 503 */
        sim_trace_request(s, x, 0, "");
        http_reply_error(x, ERR_DRAINING, NULL, NULL);
        return;
    }
    sim_reply(&a, *m);
    if (d != NULL)
        a.delivery = *d;
    scef_nidd_delivery_reply(&s->t8, x, &a);
}

static void on_delivery_get(void *ctx, const struct scef_path *path, struct scef_reply *a)
{
    struct scef_sim *s = ctx;
    sim_reply(a, scef_delivery_get(s->model, sim_now_ms(s), path->scs_as_id, path->id, path->sub_id, &a->delivery));
}

static void on_delivery_replace(void *ctx, const struct scef_path *path, const struct nidd_downlink *d,
                                struct scef_reply *a)
{
    struct scef_sim *s = ctx;
    sim_reply(a,
              scef_delivery_replace(s->model, sim_now_ms(s), path->scs_as_id, path->id, path->sub_id, d, &a->delivery));
}

static void on_delivery_patch(void *ctx, const struct scef_path *path, const struct nidd_downlink_patch *p,
                              struct scef_reply *a)
{
    struct scef_sim *s = ctx;
    sim_reply(a,
              scef_delivery_patch(s->model, sim_now_ms(s), path->scs_as_id, path->id, path->sub_id, p, &a->delivery));
}

static void on_delivery_delete(void *ctx, const struct scef_path *path, struct scef_reply *a)
{
    struct scef_sim *s = ctx;
    sim_reply(a, scef_delivery_cancel(s->model, sim_now_ms(s), path->scs_as_id, path->id, path->sub_id));
}

/* ---- RDS ports */

static bool on_port_next(void *ctx, const struct scef_path *path, uint64_t *cursor, struct scef_reply *a)
{
    struct scef_sim *s = ctx;
    return configuration_known(s, path, a) &&
           scef_port_next(s->model, sim_now_ms(s), path->scs_as_id, path->id, cursor, &a->port);
}

static void on_port_get(void *ctx, const struct scef_path *path, struct scef_reply *a)
{
    struct scef_sim *s = ctx;
    sim_reply(a, scef_port_get(s->model, sim_now_ms(s), path->scs_as_id, path->id, path->port, &a->port));
}

static void on_port_put(void *ctx, const struct scef_path *path, const struct nidd_managed_port *p,
                        struct scef_reply *a)
{
    struct scef_sim *s = ctx;
    sim_reply(a, scef_port_put(s->model, sim_now_ms(s), path->scs_as_id, path->id, path->port, p, &a->port));
}

static void on_port_delete(void *ctx, const struct scef_path *path, struct scef_reply *a)
{
    struct scef_sim *s = ctx;
    sim_reply(a, scef_port_delete(s->model, sim_now_ms(s), path->scs_as_id, path->id, path->port));
}

const struct scef_nidd_sink sim_nidd_sink = {
    .configuration_next = on_configuration_next,
    .configuration_create = on_configuration_create,
    .configuration_get = on_configuration_get,
    .configuration_patch = on_configuration_patch,
    .configuration_delete = on_configuration_delete,
    .delivery_next = on_delivery_next,
    .delivery_create = on_delivery_create,
    .delivery_get = on_delivery_get,
    .delivery_replace = on_delivery_replace,
    .delivery_patch = on_delivery_patch,
    .delivery_delete = on_delivery_delete,
    .port_next = on_port_next,
    .port_get = on_port_get,
    .port_put = on_port_put,
    .port_delete = on_port_delete,
};

/* ---- start */

static void options_set(struct scef_options *o, const struct sim_config *c)
{
    o->seed = c->seed;
    if (c->nef_id != NULL)
        o->nef_id = c->nef_id;
    if (c->features[T8_API_NIDD].present)
        o->features = c->features[T8_API_NIDD].bits;
    if (c->pdn_option != T8_PDN_UNSET)
        o->pdn_option = c->pdn_option;
    o->configuration_ids = c->dialect->configuration_ids;
    o->delivery_ids = c->dialect->delivery_ids;
    o->maximum_packet_size_bits = (uint32_t)c->maximum_packet_size_bits;
    o->default_latency_s = (uint32_t)c->default_latency_s;
    o->buffer_messages = (uint32_t)c->buffer_messages;
    o->remember_s = (uint32_t)c->remember_s;
    o->trigger_validity_s = (uint32_t)c->trigger_validity_s;
    o->trigger_retry_ms = (uint32_t)c->trigger_retry_ms;
    o->rds_attempts = (uint32_t)c->rds_attempts;
    o->rds_timeout_ms = (uint32_t)c->rds_timeout_ms;
    o->notification_retries = (uint32_t)c->notification_retries;
    o->notification_retry_ms = (uint32_t)c->notification_retry_ms;
    o->max_duration_s = (uint32_t)c->max_duration_s;
    o->submit_timeout_ms = (uint32_t)c->submit_timeout_ms;
    o->duplicate_conflicts = c->duplicate_create == SIM_DUPLICATE_CONFLICT;
    o->low_priority_first = c->low_priority_first;
    o->revocation_removes = c->revocation_removes;
    o->tell_retransmission_time = c->tell_retransmission_time;
}

enum error sim_nidd_start(struct scef_sim *s)
{
    struct scef_options o;
    scef_options_default(&o);
    options_set(&o, s->config);
    char *root = sim_link_root(s, T8_API_NIDD);
    if (root == NULL)
        return ERR_NO_MEMORY;
    o.link_root = root;
    o.websocket_root = s->websocket_root;
    const struct scef_ports ports = {
        .ctx = s,
        .ue_deliver = sim_ue_deliver,
        .ue_trigger = sim_ue_trigger,
        .downlink_answer = sim_downlink_answer,
        .notify = sim_notify,
        .nas_event = sim_nas_event,
    };
    enum error err = scef_model_new(&o, &ports, sim_now_ms(s), &s->model);
    for (size_t i = 0; err == OK && i < s->config->scs_as_count; i++)
        err = scef_as_add(s->model, &s->config->scs_as[i].as);
    free(root);
    return err;
}
