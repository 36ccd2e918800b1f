#include "t8/scef_nidd_server.h"

#include <string.h>

#include "t8/scef_server_internal.h"

static const char *const configuration_mandatory[] = {"/externalId", "/msisdn", "/externalGroupId",
                                                      "/notificationDestination", NULL};
static const char *const delivery_mandatory[] = {"/externalId", "/msisdn", "/externalGroupId", "/data", NULL};
static const char *const port_mandatory[] = {"/appId", NULL};
static const char *const none_mandatory[] = {NULL};

/* ---- configurations */

static void configuration_list(const struct scef_call *c)
{
    scef_call_list(c, c->server->nidd->configuration_next);
}

static void configuration_create(const struct scef_call *c)
{
    struct nidd_configuration in;
    struct t8_problem p;
    struct buf memory = {0};
    if (nidd_configuration_decode_request(scef_call_body_completed(c, &memory), &in, &p) != OK) {
        scef_call_malformed(c, &p, configuration_mandatory);
        buf_free(&memory);
        return;
    }
    if (scef_call_destination_ok(c, in.notification_destination)) {
        struct scef_reply a = scef_call_begin(c);
        c->server->nidd->configuration_create(c->server->ctx, &c->path, &in, &a);
        scef_call_reply(c, &a);
    }
    nidd_configuration_release(&in);
    buf_free(&memory);
}

static void configuration_get(const struct scef_call *c)
{
    struct scef_reply a = scef_call_begin(c);
    c->server->nidd->configuration_get(c->server->ctx, &c->path, &a);
    scef_call_reply(c, &a);
}

static void configuration_patch(const struct scef_call *c)
{
    struct nidd_configuration_patch in;
    struct t8_problem p;
    if (nidd_configuration_patch_decode(scef_call_body(c), &in, &p) != OK) {
        scef_call_malformed(c, &p, none_mandatory);
        return;
    }
    if (scef_call_destination_ok(c, in.notification_destination)) {
        struct scef_reply a = scef_call_begin(c);
        c->server->nidd->configuration_patch(c->server->ctx, &c->path, &in, &a);
        scef_call_reply(c, &a);
    }
    nidd_configuration_patch_release(&in);
}

static void configuration_delete(const struct scef_call *c)
{
    struct scef_reply a = scef_call_begin(c);
    c->server->nidd->configuration_delete(c->server->ctx, &c->path, &a);
    scef_call_reply(c, &a);
}

/* ---- deliveries */

static void delivery_list(const struct scef_call *c)
{
    scef_call_list(c, c->server->nidd->delivery_next);
}

static void delivery_create(const struct scef_call *c)
{
    struct nidd_downlink in;
    struct t8_problem p;
    if (nidd_downlink_decode_request(scef_call_body(c), &in, &p) != OK) {
        scef_call_malformed(c, &p, delivery_mandatory);
        return;
    }
    struct scef_reply a = scef_call_begin(c);
    c->server->nidd->delivery_create(c->server->ctx, c->x, &c->path, &in, &a);
    if (a.status)
        scef_call_reply(c, &a);
    nidd_downlink_release(&in);
}

static void delivery_get(const struct scef_call *c)
{
    struct scef_reply a = scef_call_begin(c);
    c->server->nidd->delivery_get(c->server->ctx, &c->path, &a);
    scef_call_reply(c, &a);
}

static void delivery_replace(const struct scef_call *c)
{
    struct nidd_downlink in;
    struct t8_problem p;
    if (nidd_downlink_decode_request(scef_call_body(c), &in, &p) != OK) {
        scef_call_malformed(c, &p, delivery_mandatory);
        return;
    }
    struct scef_reply a = scef_call_begin(c);
    c->server->nidd->delivery_replace(c->server->ctx, &c->path, &in, &a);
    scef_call_reply(c, &a);
    nidd_downlink_release(&in);
}

static void delivery_patch(const struct scef_call *c)
{
    struct nidd_downlink_patch in;
    struct t8_problem p;
    if (nidd_downlink_patch_decode_request(scef_call_body(c), &in, &p) != OK) {
        scef_call_malformed(c, &p, none_mandatory);
        return;
    }
    struct scef_reply a = scef_call_begin(c);
    c->server->nidd->delivery_patch(c->server->ctx, &c->path, &in, &a);
    scef_call_reply(c, &a);
    nidd_downlink_patch_release(&in);
}

static void delivery_delete(const struct scef_call *c)
{
    struct scef_reply a = scef_call_begin(c);
    c->server->nidd->delivery_delete(c->server->ctx, &c->path, &a);
    scef_call_reply(c, &a);
}

/* ---- RDS ports */

static void port_list(const struct scef_call *c)
{
    scef_call_list(c, c->server->nidd->port_next);
}

/* A portId that is none names no resource. */
static bool port_of(const struct scef_call *c, struct scef_path *path)
{
    *path = c->path;
    bool one_segment = !memchr(path->sub_id.data, '/', path->sub_id.len);
    if (one_segment && nidd_port_id_parse(path->sub_id, &path->port))
        return true;
    struct t8_problem p = t8_problem_of(ERR_NOT_FOUND);
    scef_reply_problem(c->server, c->x, &p, NULL);
    return false;
}

static void port_get(const struct scef_call *c)
{
    struct scef_path path;
    struct scef_reply a = scef_call_begin(c);
    if (!port_of(c, &path))
        return;
    c->server->nidd->port_get(c->server->ctx, &path, &a);
    scef_call_reply(c, &a);
}

static void port_put(const struct scef_call *c)
{
    struct scef_path path;
    struct nidd_managed_port in;
    struct t8_problem p;
    if (!port_of(c, &path))
        return;
    if (nidd_managed_port_decode_request(scef_call_body(c), &in, &p) != OK) {
        scef_call_malformed(c, &p, port_mandatory);
        return;
    }
    struct scef_reply a = scef_call_begin(c);
    c->server->nidd->port_put(c->server->ctx, &path, &in, &a);
    scef_call_reply(c, &a);
    nidd_managed_port_release(&in);
}

static void port_delete(const struct scef_call *c)
{
    struct scef_path path;
    struct scef_reply a = scef_call_begin(c);
    if (!port_of(c, &path))
        return;
    c->server->nidd->port_delete(c->server->ctx, &path, &a);
    scef_call_reply(c, &a);
}

/* ---- TS 29.122 table 5.6.3.1-1 */

#define CONFIGURATIONS "configurations"
#define CONFIGURATION  CONFIGURATIONS "/*"
#define DELIVERIES     CONFIGURATION "/downlink-data-deliveries"
#define DELIVERY       DELIVERIES "/*"
#define PORTS          CONFIGURATION "/rds-ports"
#define PORT           PORTS "/*"

static const struct scef_operation operations[] = {
    {T8_CONFIGURATION_LIST, CONFIGURATIONS, SCEF_BODY_CONFIGURATION, configuration_list},
    {T8_CONFIGURATION_CREATE, CONFIGURATIONS, SCEF_BODY_CONFIGURATION, configuration_create},
    {T8_CONFIGURATION_GET, CONFIGURATION, SCEF_BODY_CONFIGURATION, configuration_get},
    {T8_CONFIGURATION_PATCH, CONFIGURATION, SCEF_BODY_CONFIGURATION, configuration_patch},
    {T8_CONFIGURATION_DELETE, CONFIGURATION, SCEF_BODY_CONFIGURATION, configuration_delete},
    {T8_DELIVERY_LIST, DELIVERIES, SCEF_BODY_DELIVERY, delivery_list},
    {T8_DELIVERY_CREATE, DELIVERIES, SCEF_BODY_DELIVERY, delivery_create},
    {T8_DELIVERY_GET, DELIVERY, SCEF_BODY_DELIVERY, delivery_get},
    {T8_DELIVERY_PUT, DELIVERY, SCEF_BODY_DELIVERY, delivery_replace},
    {T8_DELIVERY_PATCH, DELIVERY, SCEF_BODY_DELIVERY, delivery_patch},
    {T8_DELIVERY_DELETE, DELIVERY, SCEF_BODY_DELIVERY, delivery_delete},
    {T8_PORT_LIST, PORTS, SCEF_BODY_PORT, port_list},
    {T8_PORT_GET, PORT, SCEF_BODY_PORT, port_get},
    {T8_PORT_PUT, PORT, SCEF_BODY_PORT, port_put},
    {T8_PORT_DELETE, PORT, SCEF_BODY_PORT, port_delete},
};
const struct scef_api scef_nidd_api = {operations, sizeof operations / sizeof *operations};
