#include "t8/nidd_configuration_patch.h"

#include <string.h>

#include "t8/json_fields.h"

static const struct t8_field list[] = {
    T8_ROW_ARRAY("/rdsPorts", nidd_configuration_patch, rds_ports, &t8_rds_port_fields),
};
static const struct t8_fields more_fields = T8_FIELDS(list, nidd_configuration_patch);

/* Members of the configuration that exist, but not in a patch: the answer names them. */
static const char *const fixed[] = {
    "/self",   "/supportedFeatures",       "/mtcProviderId",      "/externalId",
    "/msisdn", "/externalGroupId",         "/maximumPacketSize",  "/niddDownlinkDataTransfers",
    "/status", "/requestTestNotification", "/websockNotifConfig",
};

static enum error read_duration(json_t *node, struct nidd_configuration_patch *out, struct t8_problem *p)
{
    struct t8_json_value v = t8_json_value_of(node);
    out->has_duration = true;
    if (v.type == T8_JSON_ABSENT)
        return OK;
    if (v.type != T8_JSON_STRING || !t8_time_parse(v.text, &out->duration_ms) || out->duration_ms == 0)
        return t8_json_blame(p, ERR_MEMBER_TYPE, "/duration", "must be a date-time or null");
    return OK;
}

static enum error read_pdn_option(json_t *node, struct nidd_configuration_patch *out, struct t8_problem *p)
{
    struct t8_json_value v = t8_json_value_of(node);
    out->has_pdn_option = true;
    if (v.type == T8_JSON_ABSENT)
        return OK;
    if (v.type != T8_JSON_STRING)
        return t8_json_blame(p, ERR_MEMBER_TYPE, "/pdnEstablishmentOption", "must be a string or null");
    out->pdn_option = t8_pdn_option_parse(v.text); /* of a later release: as if it were not there */
    return OK;
}

static enum error read_reliable(json_t *node, struct nidd_configuration_patch *out, struct t8_problem *p)
{
    struct t8_json_value v = t8_json_value_of(node);
    out->has_reliable_data_service = true;
    if (v.type != T8_JSON_ABSENT && v.type != T8_JSON_BOOLEAN)
        return t8_json_blame(p, ERR_MEMBER_TYPE, "/reliableDataService", "must be a boolean or null");
    out->reliable_data_service = v.type == T8_JSON_BOOLEAN && v.number != 0;
    return OK;
}

static enum error read_destination(json_t *node, struct nidd_configuration_patch *out, struct t8_problem *p)
{
    struct t8_json_value v = t8_json_value_of(node);
    if (v.type != T8_JSON_STRING || v.text.len == 0)
        return t8_json_blame(p, ERR_MEMBER_TYPE, "/notificationDestination", "must be a URL");
    out->notification_destination = v.text;
    return OK;
}

static enum error read_member(const char *name, json_t *node, struct nidd_configuration_patch *out,
                              struct t8_problem *p)
{
    if (strcmp(name, "duration") == 0)
        return read_duration(node, out, p);
    if (strcmp(name, "pdnEstablishmentOption") == 0)
        return read_pdn_option(node, out, p);
    if (strcmp(name, "reliableDataService") == 0)
        return read_reliable(node, out, p);
    if (strcmp(name, "notificationDestination") == 0)
        return read_destination(node, out, p);
    if (strcmp(name, "rdsPorts") == 0 && json_is_null(node))
        return t8_json_blame(p, ERR_MEMBER_TYPE, "/rdsPorts", "must be an array");
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        if (strcmp(name, fixed[i] + 1) == 0)
            return t8_json_blame(p, ERR_MEMBER_TYPE, fixed[i], "cannot be changed by PATCH");
    return OK; /* of a later release, or a vendor's (TS 29.122 clause 5.2.13) */
}

enum error nidd_configuration_patch_decode(struct bytes body, struct nidd_configuration_patch *out,
                                           struct t8_problem *p)
{
    struct t8_json_object o;
    *out = (struct nidd_configuration_patch){0};
    enum error err = t8_json_read_by_jansson(body, &o); /* null and absent are not the same here */
    if (err)
        return t8_json_blame(p, err, "", error_text(err));
    const char *name;
    json_t *node;
    json_object_foreach(o.root, name, node)
    {
        err = read_member(name, node, out, p);
        if (err)
            break;
    }
    if (!err)
        err = t8_fields_read(&more_fields, T8_READ_REQUEST, &o, out, p);
    out->doc = t8_json_take(&o);
    if (err)
        nidd_configuration_patch_release(out);
    return err;
}

static void put_word(struct t8_json_writer *w, const char *name, const char *word)
{
    buf_addf(w->out, "%s\"%s\":%s", w->first ? "" : ",", name, word);
    w->first = false;
}

enum error nidd_configuration_patch_encode(const struct nidd_configuration_patch *c, struct buf *out)
{
    size_t start = out->len;
    struct t8_json_writer w;
    t8_json_open(&w, out);
    if (c->has_duration && c->duration_ms)
        t8_json_put_time(&w, "duration", c->duration_ms);
    else if (c->has_duration)
        put_word(&w, "duration", "null");
    if (c->has_reliable_data_service)
        put_word(&w, "reliableDataService", c->reliable_data_service ? "true" : "false");
    if (c->has_pdn_option && c->pdn_option != T8_PDN_UNSET)
        t8_json_put_str(&w, "pdnEstablishmentOption", t8_pdn_option_name(c->pdn_option));
    else if (c->has_pdn_option)
        put_word(&w, "pdnEstablishmentOption", "null");
    (void)!t8_fields_put(&more_fields, &w, c); /* nothing of it is mandatory */
    t8_json_put_text(&w, "notificationDestination", c->notification_destination);
    return t8_json_finish(&w, start);
}

void nidd_configuration_patch_release(struct nidd_configuration_patch *c)
{
    t8_fields_release(&more_fields, c, c->doc);
}
