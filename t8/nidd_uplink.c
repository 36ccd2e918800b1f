/* NiddUplinkDataNotification, TS 29.122 clause 5.6.2.1.4. */
#include "t8/nidd_internal.h"

enum error nidd_uplink_read(const struct t8_json_object *o, struct nidd_uplink *out, struct t8_problem *p)
{
    enum error err = t8_json_string_mandatory(o, "/niddConfiguration", &out->nidd_configuration, p);
    if (!err)
        err = t8_json_identity(o, T8_JSON_TOLERANT, &out->id, p);
    if (!err)
        err = t8_json_data(o, &out->data_memory, &out->data, p);
    if (!err)
        err = nidd_rds_read(o, T8_JSON_TOLERANT, &out->reliable_data_service, &out->rds_port, p);
    return err;
}

enum error nidd_uplink_encode(const struct nidd_uplink *u, struct buf *out)
{
    size_t start = out->len;
    struct t8_json_writer w;
    if (u->id.external_id.len == 0 && u->id.msisdn.len == 0)
        return ERR_IDENTITY;
    if (u->nidd_configuration.len == 0)
        return ERR_MEMBER_MISSING;
    t8_json_open(&w, out);
    t8_json_put_text(&w, "niddConfiguration", u->nidd_configuration);
    t8_json_put_identity(&w, u->id);
    t8_json_put_data(&w, "data", u->data);
    nidd_rds_put(&w, u->reliable_data_service, &u->rds_port);
    return t8_json_finish(&w, start);
}
