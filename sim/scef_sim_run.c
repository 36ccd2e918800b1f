#include "sim/scef_sim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

#define CONNECTIONS_MAX          4096
#define IDLE_TIMEOUT_S           120
#define CALLBACK_CONNECTIONS_MAX 64

uint64_t sim_now_ms(const struct scef_sim *s)
{
    return loop_now_ms(&s->loop);
}

const char *sim_ue_name(const struct sim_ue_config *c)
{
    return c->external_id != NULL ? c->external_id : c->msisdn;
}

struct sim_ue *sim_ue_find(struct scef_sim *s, struct bytes id)
{
    for (size_t i = 0; i < s->config->ue_count; i++)
        if (bytes_equal(bytes_of_str(sim_ue_name(&s->config->ues[i])), id))
            return &s->ues[i];
    return NULL;
}

/* ---- what ports bring, to be done when the input has returned */

enum todo_kind { TODO_UPLINK, TODO_DELIVER, TODO_RESULT };

struct sim_todo {
    struct sim_todo *next;
    enum todo_kind kind;
    struct sim_ue *ue;
    uint64_t ref;
    int http_status;
    size_t len;
    uint8_t data[];
};

/* Memory short: the message is lost, as on the radio. */
static struct sim_todo *todo_add(struct scef_sim *s, enum todo_kind kind, struct sim_ue *ue, struct bytes data)
{
    struct sim_todo *d = calloc(1, sizeof *d + data.len);
    if (d == NULL)
        return NULL;
    d->kind = kind;
    d->ue = ue;
    d->len = data.len;
    if (data.len > 0)
        memcpy(d->data, data.data, data.len);
    if (s->todo_first == NULL)
        s->todo_first = d;
    else
        s->todo_last->next = d;
    s->todo_last = d;
    return d;
}

void sim_notification_result_later(struct scef_sim *s, uint64_t ref, int http_status)
{
    struct sim_todo *d = todo_add(s, TODO_RESULT, NULL, (struct bytes){0});
    if (d == NULL)
        return;
    d->ref = ref;
    d->http_status = http_status;
}

static void device_timer(struct sim_ue *u)
{
    uint64_t next_ms = lwm2m_device_next_wake(u->device);
    if (next_ms == UINT64_MAX)
        timer_stop(&u->sim->wheel, &u->wake);
    else
        timer_start(&u->sim->wheel, &u->wake, next_ms);
}

static void uplink(struct sim_ue *u, uint64_t now_ms, struct bytes data)
{
    if (data.len > u->sim->config->maximum_packet_size_bits / 8) { /* no modem would take it */
        sim_trace_message(&u->sim->trace, now_ms, "air", sim_ue_name(u->config), "mo", "too_large", data);
        return;
    }
    scef_uplink(u->sim->model, now_ms, u->index, data);
}

static void deliver(struct sim_ue *u, uint64_t now_ms, struct bytes data)
{
    if (u->device != NULL) {
        lwm2m_device_receive(u->device, now_ms, data);
        device_timer(u);
    } else if (!air_udp_send(u->air, data)) {
        sim_trace_message(&u->sim->trace, now_ms, "air", sim_ue_name(u->config), "mt", "no_client", data);
    }
}

static struct sim_todo *todo_take(struct scef_sim *s)
{
    struct sim_todo *d = s->todo_first;
    if (d != NULL)
        s->todo_first = d->next;
    return d;
}

static void todo_all(struct scef_sim *s)
{
    for (struct sim_todo *d; (d = todo_take(s)) != NULL;) {
        struct bytes data = bytes_of(d->data, d->len);
        uint64_t now_ms = sim_now_ms(s);
        switch (d->kind) {
        case TODO_UPLINK:
            uplink(d->ue, now_ms, data);
            break;
        case TODO_DELIVER:
            deliver(d->ue, now_ms, data);
            break;
        case TODO_RESULT:
            scef_notification_result(s->model, now_ms, d->ref, d->http_status);
            break;
        }
        free(d);
    }
}

/* ---- time */

void sim_settle(struct scef_sim *s)
{
    todo_all(s);
    const uint64_t wakes[] = {scef_triggering_next_wake(s->triggering), scef_monitoring_next_wake(s->monitoring),
                              timer_wheel_next(&s->wheel)};
    uint64_t next_ms = scef_next_wake(s->model), now_ms = sim_now_ms(s);
    for (size_t i = 0; i < sizeof wakes / sizeof *wakes; i++)
        if (wakes[i] < next_ms)
            next_ms = wakes[i];
    if (next_ms == UINT64_MAX)
        loop_alarm_clear(&s->alarm);
    else
        loop_alarm_set(&s->alarm, next_ms > now_ms ? next_ms - now_ms : 0);
}

static void on_alarm(void *ctx)
{
    struct scef_sim *s = ctx;
    uint64_t now_ms = sim_now_ms(s);
    scef_wake(s->model, now_ms);
    scef_triggering_wake(s->triggering, now_ms);
    scef_monitoring_wake(s->monitoring, now_ms);
    for (struct timer *t; (t = timer_wheel_advance(&s->wheel, now_ms)) != NULL;) {
        struct sim_ue *u = LIST_ENTRY(t, struct sim_ue, wake);
        lwm2m_device_wake(u->device, now_ms);
        device_timer(u);
    }
    sim_settle(s);
}

/* ---- ports of the models */

/* The client at the other end knows no RDS: a UE that has it takes its frames apart for it. */
void sim_ue_deliver(void *ctx, uint32_t ue, struct bytes data, struct t8_rds_port port)
{
    struct scef_sim *s = ctx;
    (void)port;
    (void)todo_add(s, TODO_DELIVER, &s->ues[ue], data);
}

/* Kept for who asks; a built-in client reads it as a message of its server (OMA LwM2M: registration update trigger). */
void sim_ue_trigger(void *ctx, uint32_t ue, uint16_t application_port, struct bytes payload)
{
    struct scef_sim *s = ctx;
    struct sim_ue *u = &s->ues[ue];
    sim_trace_message(&s->trace, sim_now_ms(s), "trigger", sim_ue_name(u->config), "mt", "delivered", payload);
    if (u->device != NULL && payload.len > 0)
        (void)todo_add(s, TODO_DELIVER, u, payload);
    struct sim_trigger *t = u->trigger_count < SIM_TRIGGERS_KEPT ? calloc(1, sizeof *t + payload.len) : NULL;
    if (t == NULL)
        return;
    t->next = u->triggers;
    t->at_ms = sim_now_ms(s);
    t->application_port = application_port;
    t->len = payload.len;
    if (payload.len > 0)
        memcpy(t->payload, payload.data, payload.len);
    u->triggers = t;
    u->trigger_count++;
}

void sim_nas_event(void *ctx, uint32_t ue, bool mo, struct bytes data, const char *what)
{
    struct scef_sim *s = ctx;
    sim_trace_message(&s->trace, sim_now_ms(s), "nas", sim_ue_name(&s->config->ues[ue]), mo ? "mo" : "mt", what, data);
}

static void on_device_send(void *ctx, struct bytes message)
{
    struct sim_ue *u = ctx;
    (void)todo_add(u->sim, TODO_UPLINK, u, message);
}

static void on_device_event(void *ctx, const char *what, struct bytes message)
{
    struct sim_ue *u = ctx;
    sim_trace_message(&u->sim->trace, sim_now_ms(u->sim), "client", sim_ue_name(u->config), NULL, what, message);
}

static void on_air(void *ctx, struct bytes message)
{
    struct sim_ue *u = ctx;
    uplink(u, sim_now_ms(u->sim), message);
    sim_settle(u->sim);
}

/* ---- start */

static enum error device_start(struct scef_sim *s, struct sim_ue *u)
{
    const struct sim_ue_config *c = u->config;
    struct lwm2m_device_options o;
    lwm2m_device_options_default(&o);
    o.endpoint = c->endpoint;
    o.seed = s->config->seed + 1 + u->index;
    o.lifetime_s = (uint32_t)c->lifetime_s;
    o.update_period_s = (uint32_t)c->update_period_s;
    o.notify_period_s = (uint32_t)c->notify_period_s;
    o.notify_confirmable = c->notify_confirmable;
    o.send_period_s = (uint32_t)c->send_period_s;
    o.ack_timeout_ms = c->ack_timeout_ms;
    o.start_at_ms = sim_now_ms(s) + c->start_delay_ms;
    struct lwm2m_device_ports ports = {.ctx = u, .send = on_device_send, .event = on_device_event};
    enum error err = lwm2m_device_new(&o, &ports, &u->device);
    if (err == OK)
        device_timer(u);
    return err;
}

static enum error ue_start(struct scef_sim *s, uint32_t index, struct buf *why)
{
    struct sim_ue *u = &s->ues[index];
    const struct sim_ue_config *c = &s->config->ues[index];
    *u = (struct sim_ue){.sim = s, .index = index, .config = c};
    timer_init(&u->wake, 0);
    struct scef_subscriber subscriber = {
        .external_id = c->external_id,
        .msisdn = c->msisdn,
        .ue = {.psm = c->psm,
               .active_time_ms = (uint32_t)c->active_time_s * 1000,
               .tau_period_ms = c->tau_period_s * 1000,
               .pdn_connected = c->pdn_connected},
        .radio = {.loss = c->loss,
                  .duplicate = c->duplicate,
                  .delay_min_ms = c->delay_ms[0],
                  .delay_max_ms = c->delay_ms[1]},
        .scs_as_ids = c->scs_as_ids.items,
        .scs_as_ids_count = c->scs_as_ids.count,
        .groups = c->groups.items,
        .groups_count = c->groups.count,
        .barred = c->barred,
        .rds = c->rds,
        .rds_ports_used = c->rds_ports_used,
        .formats = c->formats,
        .quota = c->quota,
        .apn_rate = c->apn_rate,
        .serving_plmn_rate = c->serving_plmn_rate,
        .home_plmn = c->home_plmn,
    };
    enum error err = scef_subscriber_add(s->model, &subscriber);
    if (err == ERR_IDENTITY)
        buf_addf(why, "%zu: external_id: '%s' or its msisdn is there twice", c->line, sim_ue_name(c));
    if (err != OK)
        return err;
    if (c->client == SIM_CLIENT_BUILTIN)
        return device_start(s, u);
    err = air_udp_new(&s->loop, c->air.host, c->air.port, on_air, u, &u->air);
    if (err != OK)
        buf_addf(why, "%zu: air: %s:%u: %s", c->line, c->air.host, c->air.port, strerror(errno));
    return err;
}

static enum error http_start(struct scef_sim *s, struct buf *why)
{
    const struct sim_config *c = s->config;
    struct http_server_options server = {
        .host = c->listen.host,
        .port = c->listen.port,
        .max_body_bytes = T8_MAX_REQUEST_BYTES,
        .max_connections = CONNECTIONS_MAX,
        .idle_timeout_s = IDLE_TIMEOUT_S,
        .upgrades = true,
        .tls = c->tls,
    };
    struct http_client_options client = {
        .connect_timeout_ms = (uint32_t)c->notification_timeout_ms,
        .timeout_ms = (uint32_t)c->notification_timeout_ms,
        .max_connections = CALLBACK_CONNECTIONS_MAX,
        .max_body_bytes = T8_MAX_BODY_BYTES,
        .tls = c->callback_tls,
    };
    enum error err = http_server_new(&s->loop, &server, sim_http_handle, s, &s->server);
    if (err != OK)
        buf_addf(why, "listen: %s:%u: %s", server.host, server.port, strerror(errno));
    return err == OK ? http_client_new(&s->loop, &client, &s->client) : err;
}

static void on_signal(void *ctx)
{
    struct scef_sim *s = ctx;
    log_write(LOG_INFO, "stopping");
    uv_stop(&s->loop.uv);
}

enum error sim_start(struct scef_sim *s, const struct sim_config *c, struct buf *why)
{
    s->config = c;
    list_init(&s->posts);
    timer_wheel_init(&s->wheel, sim_now_ms(s));
    sim_t8_init(s);
    enum error err = loop_alarm_init(&s->loop, &s->alarm, on_alarm, s);
    if (err == OK)
        err = loop_signals_start(&s->loop, &s->signals, on_signal, s);
    if (err == OK)
        err = http_start(s, why);
    if (err == OK)
        err = sim_websocket_start(s);
    if (err == OK)
        err = sim_nidd_start(s);
    if (err == OK)
        err = sim_triggering_start(s);
    if (err == OK)
        err = sim_monitoring_start(s);
    if (err == OK) {
        s->ues = calloc(c->ue_count + 1, sizeof *s->ues);
        err = s->ues != NULL ? OK : ERR_NO_MEMORY;
    }
    for (uint32_t i = 0; err == OK && i < c->ue_count; i++)
        err = ue_start(s, i, why);
    if (err == OK) {
        sim_settle(s);
        log_write(LOG_INFO, "listening", LOG_S("address", c->listen.host), LOG_I("port", http_server_port(s->server)),
                  LOG_I("ues", c->ue_count));
    }
    return err;
}

static void triggers_free(struct sim_ue *u)
{
    for (struct sim_trigger *t; (t = u->triggers) != NULL;) {
        u->triggers = t->next;
        free(t);
    }
}

void sim_stop(struct scef_sim *s)
{
    s->stopping = true;
    sim_callbacks_stop(s);
    http_server_free(s->server);
    for (size_t i = 0; s->ues != NULL && i < s->config->ue_count; i++) {
        lwm2m_device_free(s->ues[i].device);
        air_udp_free(s->ues[i].air);
        triggers_free(&s->ues[i]);
    }
    for (struct sim_todo *d; (d = todo_take(s)) != NULL;)
        free(d);
    scef_monitoring_free(s->monitoring);
    scef_triggering_free(s->triggering);
    scef_model_free(s->model);
    loop_alarm_close(&s->alarm);
    loop_signals_stop(&s->signals);
    free(s->ues);
    free(s->refusal.location);
    sim_trace_close(&s->trace);
}
