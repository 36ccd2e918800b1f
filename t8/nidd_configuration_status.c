/* NiddConfigurationStatusNotification, TS 29.122 clause 5.6.2.1.6. */
#include "t8/nidd_internal.h"

static const struct t8_field list[] = {
    T8_ROW("/rdsCapIndication", FLAG, nidd_configuration_status, rds_capability),
    T8_ROW("/rdsPort", OBJECT, nidd_configuration_status, rds_port, .of = &t8_rds_port_fields),
};
static const struct t8_fields rds_fields = T8_FIELDS(list, nidd_configuration_status);

enum error nidd_configuration_status_read(const struct t8_json_object *o, struct nidd_configuration_status *out,
                                          struct t8_problem *p)
{
    struct bytes status = {0};
    enum error err = t8_json_string_mandatory(o, "/niddConfiguration", &out->nidd_configuration, p);
    if (!err)
        err = t8_json_identity(o, T8_JSON_TOLERANT, &out->id, p);
    if (!err)
        err = t8_json_string_mandatory(o, "/status", &status, p);
    out->status = t8_nidd_status_parse(status);
    return err ? err : t8_fields_read(&rds_fields, T8_READ_NOTIFICATION, o, out, p);
}

enum error nidd_configuration_status_encode(const struct nidd_configuration_status *s, struct buf *out)
{
    size_t start = out->len;
    struct t8_json_writer w;
    const char *status = t8_nidd_status_name(s->status);
    if (s->id.external_id.len == 0 && s->id.msisdn.len == 0)
        return ERR_IDENTITY;
    if (s->nidd_configuration.len == 0 || !*status)
        return ERR_MEMBER_MISSING;
    t8_json_open(&w, out);
    t8_json_put_text(&w, "niddConfiguration", s->nidd_configuration);
    t8_json_put_identity(&w, s->id);
    t8_json_put_str(&w, "status", status);
    (void)!t8_fields_put(&rds_fields, &w, s); /* nothing of it is mandatory */
    return t8_json_finish(&w, start);
}
