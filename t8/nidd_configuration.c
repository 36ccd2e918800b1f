/* NiddConfiguration, TS 29.122 clause 5.6.2.1.2. */
#include "t8/nidd.h"

#include <stdlib.h>

#include "t8/nidd_internal.h"

static const struct t8_field list[] = {
    T8_ROW("/mtcProviderId", TEXT, nidd_configuration, mtc_provider_id),
    T8_ROW("/reliableDataService", FLAG, nidd_configuration, reliable_data_service),
    T8_ROW_ARRAY("/rdsPorts", nidd_configuration, rds_ports, &t8_rds_port_fields),
    T8_ROW("/requestTestNotification", FLAG, nidd_configuration, request_test_notification),
    T8_ROW("/websockNotifConfig", OBJECT, nidd_configuration, websocket, .of = &t8_websocket_fields),
};
static const struct t8_fields more_fields = T8_FIELDS(list, nidd_configuration);

static void downlinks_free(struct nidd_configuration *c)
{
    for (size_t i = 0; i < c->downlinks_count; i++)
        nidd_downlink_release(&c->downlinks[i]);
    free(c->downlinks);
}

/* In a request at most one, and none for a group (TS 29.122 clause 4.4.5.2). */
static enum error read_downlinks(const struct t8_json_object *o, enum t8_json_rule rule, struct nidd_configuration *c,
                                 struct t8_problem *p)
{
    static const char pointer[] = "/niddDownlinkDataTransfers";
    json_t *array = t8_json_node(o, pointer + 1);
    size_t count = json_array_size(array);
    size_t most = rule == T8_JSON_TOLERANT ? T8_MAX_ITEMS : c->id.external_group_id.len ? 0 : 1;
    if (rule == T8_JSON_STRICT && !json_is_array(array))
        return t8_json_get(o, pointer + 1).type == T8_JSON_ABSENT
                   ? OK
                   : t8_json_blame(p, ERR_MEMBER_TYPE, pointer, "must be an array");
    if (count > most || (count == 0 && rule == T8_JSON_STRICT))
        return t8_json_blame(p, ERR_MEMBER_TYPE, pointer, most ? "must hold one delivery" : "groups have none");
    if (count == 0)
        return OK;
    c->downlinks = calloc(count, sizeof *c->downlinks);
    if (!c->downlinks)
        return t8_json_blame(p, ERR_NO_MEMORY, pointer, NULL);
    enum error err = OK;
    for (size_t i = 0; i < count && !err; i++) {
        struct t8_json_object inner;
        t8_json_enter(&inner, json_array_get(array, i), o, pointer, i);
        err = json_is_object(inner.root) ? nidd_downlink_read(&inner, rule, &c->downlinks[c->downlinks_count++], p)
              : rule == T8_JSON_STRICT   ? t8_json_blame_in(&inner, p, ERR_MEMBER_TYPE, "", "must be an object")
                                         : OK;
    }
    return err;
}

/* What requests and responses have in common. */
static enum error read_common(const struct t8_json_object *o, enum t8_json_rule rule, struct nidd_configuration *c,
                              struct t8_problem *p)
{
    struct bytes text = {0};
    struct bytes option = {0};
    enum error err = t8_json_string(o, "/supportedFeatures", rule, &text, p);
    if (err)
        return err;
    if (t8_json_get(o, "supportedFeatures").type == T8_JSON_STRING) {
        c->has_supported_features = t8_features_parse(text, &c->supported_features);
        if (!c->has_supported_features && rule == T8_JSON_STRICT)
            return t8_json_blame(p, ERR_MEMBER_TYPE, "/supportedFeatures", "must be hexadecimal digits");
    }
    err = t8_json_time(o, "/duration", rule, &c->duration_ms, p);
    if (!err)
        err = t8_json_string(o, "/pdnEstablishmentOption", rule, &option, p);
    c->pdn_option = t8_pdn_option_parse(option);
    if (!err)
        err = t8_fields_read(&more_fields, rule == T8_JSON_STRICT ? T8_READ_REQUEST : T8_READ_ANSWER, o, c, p);
    return err ? err : read_downlinks(o, rule, c, p);
}

enum error nidd_configuration_decode_request(struct bytes body, struct nidd_configuration *out, struct t8_problem *p)
{
    struct t8_json_object o;
    *out = (struct nidd_configuration){0};
    enum error err = t8_json_read(body, &o);
    if (err)
        return t8_json_blame(p, err, "", error_text(err));
    err = t8_json_identity_or_group(&o, T8_JSON_STRICT, &out->id, p);
    if (!err)
        err = t8_json_string_mandatory(&o, "/notificationDestination", &out->notification_destination, p);
    if (!err)
        err = read_common(&o, T8_JSON_STRICT, out, p);
    out->doc = t8_json_take(&o);
    if (err)
        nidd_configuration_release(out);
    return err;
}

enum error nidd_configuration_decode(struct bytes body, struct nidd_configuration *out)
{
    struct t8_json_object o;
    *out = (struct nidd_configuration){0};
    enum error err = t8_json_read(body, &o);
    if (err)
        return err;
    int64_t bits = 0;
    struct bytes status = {0};
    /* A tolerant reader has no errors; an identity that cannot be read is left out. */
    (void)!t8_json_identity_or_group(&o, T8_JSON_TOLERANT, &out->id, NULL);
    (void)!t8_json_string(&o, "/self", T8_JSON_TOLERANT, &out->self, NULL);
    (void)!t8_json_string(&o, "/notificationDestination", T8_JSON_TOLERANT, &out->notification_destination, NULL);
    (void)!t8_json_string(&o, "/status", T8_JSON_TOLERANT, &status, NULL);
    (void)!t8_json_integer(&o, "/maximumPacketSize", T8_JSON_TOLERANT, 1, UINT32_MAX, NULL, &bits, NULL);
    err = read_common(&o, T8_JSON_TOLERANT, out, NULL);
    out->maximum_packet_size_bits = (uint32_t)bits;
    out->status = t8_nidd_status_parse(status);
    out->doc = t8_json_take(&o);
    if (err) /* no memory, or arrays beyond all measure */
        nidd_configuration_release(out);
    return err;
}

static enum error put_downlinks(struct t8_json_writer *w, const struct nidd_configuration *c)
{
    enum error err = OK;
    if (c->downlinks_count == 0)
        return OK;
    t8_json_put_array(w, "niddDownlinkDataTransfers");
    for (size_t i = 0; i < c->downlinks_count && !err; i++) {
        t8_json_put_item_open(w);
        err = nidd_downlink_put(w, &c->downlinks[i]);
        t8_json_close(w);
    }
    t8_json_end_array(w);
    return err;
}

enum error nidd_configuration_put(struct t8_json_writer *w, const struct nidd_configuration *c)
{
    if (c->id.external_id.len == 0 && c->id.msisdn.len == 0 && c->id.external_group_id.len == 0)
        return ERR_IDENTITY;
    if (c->notification_destination.len == 0)
        return ERR_MEMBER_MISSING;
    t8_json_put_text(w, "self", c->self);
    if (c->has_supported_features) {
        char hex[20];
        t8_features_format(c->supported_features, hex);
        t8_json_put_str(w, "supportedFeatures", hex);
    }
    t8_json_put_identity(w, c->id);
    t8_json_put_time(w, "duration", c->duration_ms);
    t8_json_put_str(w, "pdnEstablishmentOption", t8_pdn_option_name(c->pdn_option));
    t8_json_put_text(w, "notificationDestination", c->notification_destination);
    (void)!t8_fields_put(&more_fields, w, c); /* nothing of it is mandatory */
    enum error err = put_downlinks(w, c);
    if (c->maximum_packet_size_bits)
        t8_json_put_integer(w, "maximumPacketSize", c->maximum_packet_size_bits);
    t8_json_put_str(w, "status", t8_nidd_status_name(c->status));
    return err;
}

enum error nidd_configuration_encode(const struct nidd_configuration *c, struct buf *out)
{
    size_t start = out->len;
    struct t8_json_writer w;
    t8_json_open(&w, out);
    enum error err = nidd_configuration_put(&w, c);
    enum error finished = t8_json_finish(&w, start);
    if (err)
        out->len = start;
    return err ? err : finished;
}

void nidd_configuration_release(struct nidd_configuration *c)
{
    downlinks_free(c);
    t8_fields_free(&more_fields, c);
    t8_doc_free(c->doc);
    *c = (struct nidd_configuration){0};
}
