#include "t8/scef_monitoring_server.h"

#include <jansson.h>
#include <string.h>

#include "t8/json_internal.h"
#include "t8/scef_server_internal.h"

static const char *const subscription_mandatory[] = {"/externalId",
                                                     "/msisdn",
                                                     "/externalGroupId",
                                                     "/notificationDestination",
                                                     "/monitoringType",
                                                     "/reachabilityType", /* of UE_REACHABILITY */
                                                     NULL};

/* ---- the query of the list (5.3.3.2.3.1): subscriptions that name the UE by an IP or MAC address */

static bool is_array(const char *text)
{
    json_t *root = json_loads(text, 0, NULL);
    bool array = json_array_size(root) > 0;
    json_decref(root);
    return array;
}

/* false: the call has been answered. *asked: there is a query; non-IP UEs have no such address, so nothing matches. */
static bool query_ok(const struct scef_call *c, bool *asked)
{
    const char *ip_addrs = http_exchange_query(c->x, "ip-addrs");
    const char *ip_domain = http_exchange_query(c->x, "ip-domain");
    const char *mac_addrs = http_exchange_query(c->x, "mac-addrs");
    const char *wrong = ip_addrs && !is_array(ip_addrs)     ? "ip-addrs"
                        : mac_addrs && mac_addrs[0] == '\0' ? "mac-addrs"
                        : ip_domain && !ip_addrs            ? "ip-domain"
                                                            : NULL;
    *asked = ip_addrs || mac_addrs;
    if (!wrong)
        return true;
    struct t8_problem p = scef_problem_of_status(400);
    p.cause = T8_CAUSE_OTHER;
    p.cause_text = BYTES_LIT("OPTIONAL_QUERY_PARAM_INCORRECT");
    p.invalid_param = bytes_of_str(wrong);
    p.invalid_reason = BYTES_LIT("must be an array; ip-domain only comes with ip-addrs");
    scef_reply_problem(c->server, c->x, &p, NULL);
    return false;
}

static bool none(void *ctx, const struct scef_path *path, uint64_t *cursor, struct scef_reply *a)
{
    (void)ctx, (void)path, (void)cursor, (void)a;
    return false;
}

static void subscription_list(const struct scef_call *c)
{
    bool asked;
    if (query_ok(c, &asked))
        scef_call_list(c, asked ? none : c->server->monitoring->subscription_next);
}

/* ---- subscriptions */

/* POST and PUT carry the same. */
static void subscription_write(const struct scef_call *c,
                               void (*sink)(void *ctx, const struct scef_path *path,
                                            const struct monitoring_subscription *s, struct scef_reply *a))
{
    struct monitoring_subscription in;
    struct t8_problem p;
    struct buf memory = {0};
    if (monitoring_subscription_decode_request(scef_call_body_completed(c, &memory), &in, &p) != OK) {
        scef_call_malformed(c, &p, subscription_mandatory);
        buf_free(&memory);
        return;
    }
    if (scef_call_destination_ok(c, in.notification_destination)) {
        struct scef_reply a = scef_call_begin(c);
        sink(c->server->ctx, &c->path, &in, &a);
        scef_call_reply(c, &a);
    }
    monitoring_subscription_release(&in);
    buf_free(&memory);
}

static void subscription_create(const struct scef_call *c)
{
    subscription_write(c, c->server->monitoring->subscription_create);
}

static void subscription_get(const struct scef_call *c)
{
    struct scef_reply a = scef_call_begin(c);
    c->server->monitoring->subscription_get(c->server->ctx, &c->path, &a);
    scef_call_reply(c, &a);
}

static void subscription_replace(const struct scef_call *c)
{
    subscription_write(c, c->server->monitoring->subscription_replace);
}

static void subscription_patch(const struct scef_call *c)
{
    struct scef_reply a = scef_call_begin(c);
    c->server->monitoring->subscription_patch(c->server->ctx, &c->path, scef_call_body(c), &a);
    scef_call_reply(c, &a);
}

static void subscription_delete(const struct scef_call *c)
{
    struct scef_reply a = scef_call_begin(c);
    c->server->monitoring->subscription_delete(c->server->ctx, &c->path, &a);
    scef_call_reply(c, &a);
}

/* ---- TS 29.122 table 5.3.3.1-1 */

#define SUBSCRIPTIONS "subscriptions"
#define SUBSCRIPTION  SUBSCRIPTIONS "/*"

static const struct scef_operation operations[] = {
    {T8_SUBSCRIPTION_LIST, SUBSCRIPTIONS, SCEF_BODY_SUBSCRIPTION, subscription_list},
    {T8_SUBSCRIPTION_CREATE, SUBSCRIPTIONS, SCEF_BODY_SUBSCRIPTION, subscription_create},
    {T8_SUBSCRIPTION_GET, SUBSCRIPTION, SCEF_BODY_SUBSCRIPTION, subscription_get},
    {T8_SUBSCRIPTION_PUT, SUBSCRIPTION, SCEF_BODY_SUBSCRIPTION, subscription_replace},
    {T8_SUBSCRIPTION_PATCH, SUBSCRIPTION, SCEF_BODY_NONE, subscription_patch},
    {T8_SUBSCRIPTION_DELETE, SUBSCRIPTION, SCEF_BODY_REPORT_LIST, subscription_delete},
};
const struct scef_api scef_monitoring_api = {operations, sizeof operations / sizeof *operations};
