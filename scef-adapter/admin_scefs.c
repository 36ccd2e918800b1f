/* The SCEFs and the groups of devices. Few: no pages. */
#include "scef-adapter/admin_internal.h"

static void test_notification_json(const struct adapter_scef *s, struct buf *b)
{
    json_out_str(b, "test_notification",
                 s->tests_seen                  ? "seen"
                 : s->test_missed               ? "missing"
                 : s->config->test_notification ? "awaited"
                                                : NULL);
}

static void scef_json(struct adapter_scef *s, struct buf *b)
{
    struct engine_scef_info e = {.name = NULL};
    struct scs_client_state c;
    (void)engine_scef_info_get(s->a->engine, s->index, &e);
    scs_client_state_get(s->client, &c);
    json_out_open(b, NULL, '{');
    json_out_str(b, "name", s->config->name);
    json_out_str(b, "api_root", s->config->api_root);
    json_out_str(b, "dialect", s->config->dialect);
    json_out_str(b, "breaker", breaker_state_name(c.breaker));
    json_out_bool(b, "answered", s->answered);
    json_out_number(b, "requests_in_flight", s->requests_in_flight);
    json_out_number(b, "devices", e.devices);
    json_out_number(b, "configurations_active", e.active_configurations);
    json_out_number(b, "configurations_in_line", e.in_line);
    test_notification_json(s, b);
    if (s->websockets) {
        struct websocket_client_state w;
        websocket_client_state_get(s->websockets, &w);
        json_out_number(b, "websockets", w.uris);
        json_out_number(b, "websockets_open", w.open);
    }
    json_out_close(b, '}');
}

void admin_scefs(struct admin_request *r)
{
    struct buf b = {0};
    json_out_open(&b, NULL, '{');
    json_out_open(&b, "scefs", '[');
    for (uint32_t i = 0; i < r->a->config->scef_count; i++)
        scef_json(&r->a->scefs[i], &b);
    json_out_close(&b, ']');
    json_out_str(&b, "next", NULL);
    json_out_close(&b, '}');
    admin_reply_json(r->x, 200, &b);
}

static void group_json(struct adapter *a, const struct engine_group_info *g, struct buf *b)
{
    json_out_open(b, NULL, '{');
    json_out_text(b, "external_group_id", g->external_group_id);
    json_out_str(b, "scef", a->config->scefs[g->scef].name);
    json_out_str(b, "server", g->server == ENGINE_NONE ? NULL : engine_server_name(a->engine, g->server));
    json_out_str(b, "configuration", g->configuration_state);
    json_out_text(b, "configuration_link", g->configuration_link);
    json_out_time(b, "configuration_end", g->configuration_end_ms);
    json_out_bool(b, "foreign", g->foreign);
    json_out_number(b, "devices", g->devices);
    json_out_number(b, "learned", g->learned);
    json_out_number(b, "learn_max", g->learn ? g->learn_max : 0);
    json_out_close(b, '}');
}

void admin_groups(struct admin_request *r)
{
    struct buf b = {0};
    struct engine_group_info g;
    json_out_open(&b, NULL, '{');
    json_out_open(&b, "groups", '[');
    for (uint32_t i = 0; engine_group_info_get(r->a->engine, i, &g); i++)
        group_json(r->a, &g, &b);
    json_out_close(&b, ']');
    json_out_str(&b, "next", NULL);
    json_out_close(&b, '}');
    admin_reply_json(r->x, 200, &b);
}
