#include "t8/scef_triggering_server.h"

#include "t8/scef_server_internal.h"

static const char *const transaction_mandatory[] = {
    "/externalId",        "/msisdn",         "/validityPeriod",          "/priority",
    "/applicationPortId", "/triggerPayload", "/notificationDestination", NULL};
static const char *const none_mandatory[] = {NULL};

static void transaction_list(const struct scef_call *c)
{
    scef_call_list(c, c->server->triggering->transaction_next);
}

/* POST and PUT carry the same. */
static void transaction_write(const struct scef_call *c,
                              void (*sink)(void *ctx, const struct scef_path *path, const struct device_triggering *t,
                                           struct scef_reply *a))
{
    struct device_triggering in;
    struct t8_problem p;
    struct buf memory = {0};
    if (device_triggering_decode_request(scef_call_body_completed(c, &memory), &in, &p) != OK) {
        scef_call_malformed(c, &p, transaction_mandatory);
        buf_free(&memory);
        return;
    }
    if (scef_call_destination_ok(c, in.notification_destination)) {
        struct scef_reply a = scef_call_begin(c);
        sink(c->server->ctx, &c->path, &in, &a);
        scef_call_reply(c, &a);
    }
    device_triggering_release(&in);
    buf_free(&memory);
}

static void transaction_create(const struct scef_call *c)
{
    transaction_write(c, c->server->triggering->transaction_create);
}

static void transaction_get(const struct scef_call *c)
{
    struct scef_reply a = scef_call_begin(c);
    c->server->triggering->transaction_get(c->server->ctx, &c->path, &a);
    scef_call_reply(c, &a);
}

static void transaction_replace(const struct scef_call *c)
{
    transaction_write(c, c->server->triggering->transaction_replace);
}

static void transaction_patch(const struct scef_call *c)
{
    struct device_triggering_patch in;
    struct t8_problem p;
    if (device_triggering_patch_decode_request(scef_call_body(c), &in, &p) != OK) {
        scef_call_malformed(c, &p, none_mandatory);
        return;
    }
    if (scef_call_destination_ok(c, in.notification_destination)) {
        struct scef_reply a = scef_call_begin(c);
        c->server->triggering->transaction_patch(c->server->ctx, &c->path, &in, &a);
        scef_call_reply(c, &a);
    }
    device_triggering_patch_release(&in);
}

static void transaction_delete(const struct scef_call *c)
{
    struct scef_reply a = scef_call_begin(c);
    c->server->triggering->transaction_delete(c->server->ctx, &c->path, &a);
    scef_call_reply(c, &a);
}

/* ---- TS 29.122 table 5.7.3.1-1 */

#define TRANSACTIONS "transactions"
#define TRANSACTION  TRANSACTIONS "/*"

static const struct scef_operation operations[] = {
    {T8_TRANSACTION_LIST, TRANSACTIONS, SCEF_BODY_TRANSACTION, transaction_list},
    {T8_TRANSACTION_CREATE, TRANSACTIONS, SCEF_BODY_TRANSACTION, transaction_create},
    {T8_TRANSACTION_GET, TRANSACTION, SCEF_BODY_TRANSACTION, transaction_get},
    {T8_TRANSACTION_PUT, TRANSACTION, SCEF_BODY_TRANSACTION, transaction_replace},
    {T8_TRANSACTION_PATCH, TRANSACTION, SCEF_BODY_TRANSACTION, transaction_patch},
    {T8_TRANSACTION_DELETE, TRANSACTION, SCEF_BODY_TRANSACTION, transaction_delete},
};
const struct scef_api scef_triggering_api = {operations, sizeof operations / sizeof *operations};
