/* /sim/v1/ues: what tests and demos ask of UEs. */
#include "sim/scef_sim_control.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "t8/configuration_trigger.h"

/* A number of the query in 0 to most; false: it is there and none. */
static bool number_read(const struct http_exchange *x, const char *name, long most, long *out)
{
    const char *text = http_exchange_query(x, name);
    char *end;
    if (text == NULL)
        return true;
    *out = strtol(text, &end, 10);
    return end != text && *end == 0 && *out >= 0 && *out <= most;
}

/* ?ue=N&scef=N. false: they make no pair. */
static bool port_read(const struct http_exchange *x, struct t8_rds_port *out)
{
    long ue = -1, scef = -1;
    if (!number_read(x, "ue", 15, &ue) || !number_read(x, "scef", 15, &scef) || (ue < 0) != (scef < 0))
        return false;
    if (ue >= 0)
        *out = (struct t8_rds_port){.present = true, .ue = (uint16_t)ue, .scef = (uint16_t)scef};
    return true;
}

/* ---- to be seen */

static json_t *state_show(const struct scef_sim *s, const struct sim_ue *u)
{
    struct scef_ue_state n = {0};
    char plmn[sizeof n.plmn + 1] = "";
    (void)scef_ue_state(s->model, sim_now_ms(s), u->index, &n);
    if (n.plmn.mcc[0] != 0)
        snprintf(plmn, sizeof plmn, "%s-%s", n.plmn.mcc, n.plmn.mnc);
    return json_pack("{s:b, s:b, s:b, s:b, s:s, s:b}", "awake", (int)n.awake, "reachable", (int)n.reachable,
                     "pdn_connected", (int)n.pdn_connected, "covered", (int)n.covered, "plmn", plmn, "roaming",
                     (int)n.roaming);
}

static json_t *ue_show(const struct scef_sim *s, const struct sim_ue *u)
{
    const struct sim_ue_config *c = u->config;
    const struct scef_counters *n = scef_counters_of(s->model, u->index);
    json_t *o =
        json_pack("{s:s*, s:s*, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "external_id", c->external_id, "msisdn", c->msisdn,
                  "client", u->device != NULL ? "builtin" : "air", "mo_sent", (json_int_t)n->mo_sent, "mo_lost",
                  (json_int_t)n->mo_lost, "mt_sent", (json_int_t)n->mt_sent, "mt_lost", (json_int_t)n->mt_lost,
                  "mt_delivered", (json_int_t)n->mt_delivered, "triggers", (json_int_t)n->triggers);
    json_t *state = state_show(s, u);
    if (o != NULL)
        json_object_update(o, state);
    json_decref(state);
    if (o != NULL && u->device != NULL) {
        json_object_set_new(o, "registered", json_boolean(lwm2m_device_registered(u->device)));
        json_object_set_new(o, "executions", json_integer((json_int_t)lwm2m_device_executions(u->device)));
        json_object_set_new(o, "repeats", json_integer((json_int_t)lwm2m_device_repeats(u->device)));
    }
    return o;
}

int sim_control_ues(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body)
{
    json_t *list = json_array();
    (void)x, (void)ue;
    for (size_t i = 0; i < s->config->ue_count; i++)
        json_array_append_new(list, ue_show(s, &s->ues[i]));
    *body = list;
    return 200;
}

int sim_control_ue(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body)
{
    (void)x;
    *body = ue_show(s, ue);
    return 200;
}

int sim_control_triggers(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body)
{
    json_t *list = json_array();
    (void)s, (void)x;
    for (const struct sim_trigger *t = ue->triggers; t != NULL; t = t->next) {
        struct buf payload = {0};
        base64_encode(bytes_of(t->payload, t->len), &payload);
        json_array_append_new(list, json_pack("{s:I, s:i, s:s%}", "at_ms", (json_int_t)t->at_ms, "application_port",
                                              t->application_port, "payload",
                                              payload.len > 0 ? (const char *)payload.data : "", payload.len));
        buf_free(&payload);
    }
    *body = list;
    return 200;
}

/* ---- to be done */

int sim_control_wake(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body)
{
    (void)x, (void)body;
    scef_ue_wake(s->model, sim_now_ms(s), ue->index);
    return 204;
}

int sim_control_pdn(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body)
{
    (void)body;
    scef_ue_set_pdn_connected(s->model, sim_now_ms(s), ue->index, sim_control_flag(x, "connected"));
    return 204;
}

int sim_control_coverage(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body)
{
    (void)body;
    scef_ue_set_covered(s->model, sim_now_ms(s), ue->index, sim_control_flag(x, "covered"));
    return 204;
}

int sim_control_roam(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body)
{
    const char *text = http_exchange_query(x, "plmn");
    struct scef_plmn plmn;
    (void)body;
    if (text == NULL || !sim_plmn_parse(text, &plmn))
        return 400;
    scef_ue_roam(s->model, sim_now_ms(s), ue->index, &plmn);
    return 204;
}

int sim_control_fail(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body)
{
    long s1ap = -1, nas = -1;
    (void)body;
    if (!number_read(x, "s1ap", 255, &s1ap) || !number_read(x, "nas", 255, &nas))
        return 400;
    scef_ue_fail(s->model, sim_now_ms(s), ue->index,
                 &(struct scef_failure){.s1ap_cause = (int32_t)s1ap, .nas_cause = (int32_t)nas});
    return 204;
}

int sim_control_rds(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body)
{
    (void)body;
    scef_ue_set_rds(s->model, sim_now_ms(s), ue->index, sim_control_flag(x, "rds"));
    return 204;
}

int sim_control_uplink(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body)
{
    struct bytes data = http_exchange_request(x)->body;
    struct t8_rds_port port = {0};
    (void)body;
    if (!port_read(x, &port) || data.len > s->config->maximum_packet_size_bits / 8)
        return 400;
    if (port.present)
        scef_uplink_rds(s->model, sim_now_ms(s), ue->index, data, port, sim_control_flag(x, "reliable"));
    else
        scef_uplink(s->model, sim_now_ms(s), ue->index, data);
    return 204;
}

int sim_control_port(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body)
{
    struct t8_rds_port port = {0};
    (void)body;
    if (!port_read(x, &port) || !port.present)
        return 400;
    return scef_ue_port(s->model, sim_now_ms(s), ue->index, sim_control_text(x, "as"), port,
                        http_exchange_query(x, "app"), ue->config->formats)
               ? 204
               : 409;
}

int sim_control_authorisation(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body)
{
    (void)body;
    scef_ue_set_authorised(s->model, sim_now_ms(s), ue->index, sim_control_flag(x, "authorised"));
    return 204;
}

/* Asks this AS, at this URL, for a configuration of the UE (TS 29.522 clause 5.5). */
static int ask_at(struct scef_sim *s, const struct sim_ue *ue, struct bytes as, const char *url)
{
    struct nidd_configuration_trigger t = {
        .af_id = as,
        .nef_id = bytes_of_str(s->config->nef_id != NULL ? s->config->nef_id : "scef"),
        .id = scef_subscriber_identity(s->model, ue->index, false),
        .features = {.present = true},
    };
    struct buf text = {0};
    int status = as.len > 0 && nidd_configuration_trigger_encode(&t, &text) == OK ? 200 : 400;
    if (status == 200) {
        const struct scef_notification n = {
            .kind = SCEF_NOTIFY_CONFIGURATION_TRIGGER, .destination = url, .id = t.id, .body = buf_bytes(&text)};
        scef_notify(s->model, sim_now_ms(s), &n);
    }
    buf_free(&text);
    return status;
}

int sim_control_configuration_trigger(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue,
                                      json_t **body)
{
    const char *url = http_exchange_query(x, "url");
    unsigned asked = 1;
    int status = 200;
    if (url != NULL)
        status = ask_at(s, ue, sim_control_text(x, "as"), url);
    else
        asked = scef_configuration_trigger(s->model, sim_now_ms(s), ue->index);
    if (status == 200)
        *body = json_pack("{s:i}", "asked", (int)asked);
    return status;
}

int sim_control_monitoring_cancel(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body)
{
    (void)x, (void)body;
    scef_monitoring_cancel_ue(s->monitoring, sim_now_ms(s), ue->index);
    return 204;
}
