/* NiddUplinkDataNotification, TS 29.122 clause 5.6.2.1.4. */
#include "t8/dialect.h"
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

/* The domain of an External Identifier in capitals. */
static struct bytes upper_case_domain(struct bytes id, struct buf *memory)
{
    bool domain = false;
    for (size_t i = 0; i < id.len; i++) {
        uint8_t c = id.data[i];
        buf_add_u8(memory, domain && c >= 'a' && c <= 'z' ? (uint8_t)(c - 'a' + 'A') : c);
        domain |= c == '@';
    }
    return memory->failed ? bytes_of(NULL, 0) : buf_bytes(memory);
}

enum error nidd_uplink_put(struct t8_json_writer *w, const struct nidd_uplink *u)
{
    if (u->id.external_id.len == 0 && u->id.msisdn.len == 0)
        return ERR_IDENTITY;
    if (u->nidd_configuration.len == 0)
        return ERR_MEMBER_MISSING;
    struct buf memory = {0};
    struct t8_identity id = u->id;
    if (w->dialect && w->dialect->upper_case_domains)
        id.external_id = upper_case_domain(id.external_id, &memory);
    t8_json_put_text(w, "niddConfiguration", u->nidd_configuration);
    t8_json_put_identity(w, id);
    t8_json_put_data(w, "data", u->data);
    nidd_rds_put(w, u->reliable_data_service, &u->rds_port);
    enum error err = memory.failed ? ERR_NO_MEMORY : OK;
    buf_free(&memory);
    return err;
}

enum error nidd_uplink_encode(const struct nidd_uplink *u, struct buf *out)
{
    size_t start = out->len;
    struct t8_json_writer w;
    t8_json_open(&w, out);
    enum error err = nidd_uplink_put(&w, u);
    enum error finished = t8_json_finish(&w, start);
    if (err)
        out->len = start;
    return err ? err : finished;
}
