/* NiddConfiguration, TS 29.122 clause 5.6.2.1.2. */
#include "t8/nidd.h"

#include <stdio.h>

#include "t8/json_internal.h"

/* Features are numbered from the right, bit by bit (TS 29.571 clause 5.2.2); those beyond 64 are nobody's yet. */
static bool features_parse(struct bytes hex, uint64_t *out)
{
    uint64_t v = 0;
    for (size_t i = 0; i < hex.len; i++) {
        uint8_t c = hex.data[i];
        if (c >= '0' && c <= '9')
            c = (uint8_t)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            c = (uint8_t)((c | 0x20) - 'a' + 10);
        else
            return false;
        v = v << 4 | c;
    }
    *out = v;
    return true;
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
        c->has_supported_features = features_parse(text, &c->supported_features);
        if (!c->has_supported_features && rule == T8_JSON_STRICT)
            return t8_json_blame(p, ERR_MEMBER_TYPE, "/supportedFeatures", "must be hexadecimal digits");
    }
    err = t8_json_time(o, "/duration", rule, &c->duration_ms, p);
    if (!err)
        err = t8_json_string(o, "/pdnEstablishmentOption", rule, &option, p);
    c->pdn_option = t8_pdn_option_parse(option);
    return err;
}

enum error nidd_configuration_decode_request(struct bytes body, struct nidd_configuration *out, struct t8_problem *p)
{
    struct t8_json_object o;
    *out = (struct nidd_configuration){0};
    enum error err = t8_json_read(body, &o);
    if (err)
        return t8_json_blame(p, err, "", error_text(err));
    err = t8_json_identity(&o, T8_JSON_STRICT, &out->id, p);
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
    (void)!t8_json_identity(&o, T8_JSON_TOLERANT, &out->id, NULL);
    (void)!t8_json_string(&o, "/self", T8_JSON_TOLERANT, &out->self, NULL);
    (void)!t8_json_string(&o, "/notificationDestination", T8_JSON_TOLERANT, &out->notification_destination, NULL);
    (void)!t8_json_string(&o, "/status", T8_JSON_TOLERANT, &status, NULL);
    (void)!t8_json_integer(&o, "/maximumPacketSize", T8_JSON_TOLERANT, 1, UINT32_MAX, NULL, &bits, NULL);
    (void)!read_common(&o, T8_JSON_TOLERANT, out, NULL);
    out->maximum_packet_size_bits = (uint32_t)bits;
    out->status = t8_nidd_status_parse(status);
    out->doc = t8_json_take(&o);
    return OK;
}

enum error nidd_configuration_encode(const struct nidd_configuration *c, struct buf *out)
{
    size_t start = out->len;
    struct t8_json_writer w;
    if (c->id.external_id.len == 0 && c->id.msisdn.len == 0)
        return ERR_IDENTITY;
    if (c->notification_destination.len == 0)
        return ERR_MEMBER_MISSING;
    t8_json_open(&w, out);
    t8_json_put_text(&w, "self", c->self);
    if (c->has_supported_features) {
        char hex[20];
        snprintf(hex, sizeof hex, "%llX", (unsigned long long)c->supported_features);
        t8_json_put_str(&w, "supportedFeatures", hex);
    }
    t8_json_put_identity(&w, c->id);
    t8_json_put_time(&w, "duration", c->duration_ms);
    t8_json_put_str(&w, "pdnEstablishmentOption", t8_pdn_option_name(c->pdn_option));
    t8_json_put_text(&w, "notificationDestination", c->notification_destination);
    if (c->maximum_packet_size_bits)
        t8_json_put_integer(&w, "maximumPacketSize", c->maximum_packet_size_bits);
    t8_json_put_str(&w, "status", t8_nidd_status_name(c->status));
    return t8_json_finish(&w, start);
}

void nidd_configuration_release(struct nidd_configuration *c)
{
    t8_doc_free(c->doc);
    *c = (struct nidd_configuration){0};
}
