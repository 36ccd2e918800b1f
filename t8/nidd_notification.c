/* All notifications of the NIDD API reach one URL and name no type: their members tell (t8.md 1.8). */
#include "t8/nidd_internal.h"

static bool has(const struct t8_json_object *o, const char *name)
{
    return t8_json_get(o, name).type != T8_JSON_ABSENT;
}

/* Kinds that need features we never ask for (groups, RDS ports) are not told apart: they are refused as what they are
 * not. */
static enum error read_kind(const struct t8_json_object *o, struct nidd_notification *out, struct t8_problem *p)
{
    if (has(o, "niddDownlinkDataTransfer")) {
        out->kind = NIDD_NOTIFICATION_DELIVERY_STATUS;
        return nidd_delivery_status_read(o, &out->delivery_status, p);
    }
    if (has(o, "niddConfiguration") && has(o, "status") && !has(o, "data")) {
        out->kind = NIDD_NOTIFICATION_CONFIGURATION_STATUS;
        return nidd_configuration_status_read(o, &out->configuration_status, p);
    }
    if (has(o, "subscription") && !has(o, "niddConfiguration")) {
        out->kind = NIDD_NOTIFICATION_TEST;
        return OK;
    }
    out->kind = NIDD_NOTIFICATION_UPLINK;
    return nidd_uplink_read(o, &out->uplink, p);
}

enum error nidd_notification_decode(struct bytes body, struct nidd_notification *out, struct t8_problem *p)
{
    struct t8_json_object o;
    *out = (struct nidd_notification){0};
    enum error err = t8_json_read(body, &o);
    if (err)
        return t8_json_blame(p, err, "", error_text(err));
    err = read_kind(&o, out, p);
    struct t8_doc *doc = t8_json_take(&o);
    switch (out->kind) {
    case NIDD_NOTIFICATION_UPLINK:
        out->uplink.doc = doc;
        break;
    case NIDD_NOTIFICATION_DELIVERY_STATUS:
        out->delivery_status.doc = doc;
        break;
    case NIDD_NOTIFICATION_CONFIGURATION_STATUS:
        out->configuration_status.doc = doc;
        break;
    case NIDD_NOTIFICATION_TEST:
        t8_doc_free(doc);
        break;
    }
    if (err)
        nidd_notification_release(out);
    return err;
}

void nidd_notification_release(struct nidd_notification *n)
{
    switch (n->kind) {
    case NIDD_NOTIFICATION_UPLINK:
        t8_doc_free(n->uplink.doc);
        buf_free(&n->uplink.data_memory);
        break;
    case NIDD_NOTIFICATION_DELIVERY_STATUS:
        t8_doc_free(n->delivery_status.doc);
        break;
    case NIDD_NOTIFICATION_CONFIGURATION_STATUS:
        t8_doc_free(n->configuration_status.doc);
        break;
    case NIDD_NOTIFICATION_TEST:
        break;
    }
    *n = (struct nidd_notification){0};
}
