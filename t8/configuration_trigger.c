/* NiddConfigurationTrigger, TS 29.522 clause 5.5.4.2.2. */
#include "t8/configuration_trigger.h"

#include <string.h>

#include "t8/configuration_trigger_internal.h"

static const struct t8_field list[] = {
    T8_ROW("/afId", TEXT, nidd_configuration_trigger, af_id, .rules = T8_MANDATORY),
    T8_ROW("/nefId", TEXT, nidd_configuration_trigger, nef_id, .rules = T8_MANDATORY),
    T8_ROW("/gpsi", TEXT, nidd_configuration_trigger, gpsi, .rules = T8_MANDATORY),
    T8_ROW("/suppFeat", FEATURES, nidd_configuration_trigger, features),
};
static const struct t8_fields fields = T8_FIELDS(list, nidd_configuration_trigger);

static bool take_prefix(struct bytes *text, struct bytes prefix)
{
    if (text->len <= prefix.len || memcmp(text->data, prefix.data, prefix.len) != 0)
        return false;
    *text = bytes_from(*text, prefix.len);
    return true;
}

bool t8_gpsi_parse(struct bytes gpsi, struct t8_identity *out)
{
    struct bytes rest = gpsi;
    bool msisdn = take_prefix(&rest, BYTES_LIT("msisdn-"));
    bool external = !msisdn && take_prefix(&rest, BYTES_LIT("extid-"));
    *out = (struct t8_identity){0};
    if (!external && t8_msisdn_valid(rest))
        out->msisdn = rest;
    else if (!msisdn && t8_external_id_valid(rest))
        out->external_id = rest;
    return out->msisdn.len || out->external_id.len;
}

enum error nidd_configuration_trigger_read(const struct t8_json_object *o, struct nidd_configuration_trigger *out,
                                           struct t8_problem *p)
{
    enum error err = t8_fields_read(&fields, T8_READ_NOTIFICATION, o, out, p);
    if (!err)
        (void)t8_gpsi_parse(out->gpsi, &out->id);
    return err;
}

enum error nidd_configuration_trigger_decode(struct bytes body, struct nidd_configuration_trigger *out,
                                             struct t8_problem *p)
{
    enum error err = t8_fields_decode(&fields, T8_READ_NOTIFICATION, body, out, &out->doc, p);
    if (!err)
        (void)t8_gpsi_parse(out->gpsi, &out->id);
    return err;
}

enum error nidd_configuration_trigger_encode(const struct nidd_configuration_trigger *t, struct buf *out)
{
    struct buf gpsi = {0};
    struct nidd_configuration_trigger written = *t;
    bool external = t->id.external_id.len > 0;
    if (!external && t->id.msisdn.len == 0)
        return ERR_IDENTITY;
    buf_add_str(&gpsi, external ? "extid-" : "msisdn-");
    buf_add(&gpsi, external ? t->id.external_id : t->id.msisdn);
    written.gpsi = buf_bytes(&gpsi);
    written.features.present = true; /* mandatory; "0" as no feature is defined */
    enum error err = gpsi.failed ? ERR_NO_MEMORY : t8_fields_encode(&fields, &written, out);
    buf_free(&gpsi);
    return err;
}

void nidd_configuration_trigger_release(struct nidd_configuration_trigger *t)
{
    t8_fields_release(&fields, t, t->doc);
}
