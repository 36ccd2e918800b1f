/* NiddDownlinkDataTransfer, TS 29.122 clause 5.6.2.1.3. */
#include "t8/nidd.h"

#include "t8/dialect.h"
#include "t8/nidd_internal.h"

/* What requests and responses have in common. */
static enum error read_common(const struct t8_json_object *o, enum t8_json_rule rule, struct nidd_downlink *d,
                              struct t8_problem *p)
{
    int64_t latency = 0;
    int64_t priority = 0;
    struct bytes option = {0};
    enum error err = t8_json_integer(o, "/maximumLatency", rule, 0, UINT32_MAX, &d->has_maximum_latency, &latency, p);
    if (!err)
        err = t8_json_integer(o, "/priority", rule, INT32_MIN, INT32_MAX, &d->has_priority, &priority, p);
    if (!err)
        err = t8_json_string(o, "/pdnEstablishmentOption", rule, &option, p);
    d->maximum_latency_s = (uint32_t)latency;
    d->priority = (int32_t)priority;
    d->pdn_option = t8_pdn_option_parse(option);
    return err ? err : nidd_rds_read(o, rule, &d->reliable_data_service, &d->rds_port, p);
}

enum error nidd_downlink_read(const struct t8_json_object *o, enum t8_json_rule rule, struct nidd_downlink *out,
                              struct t8_problem *p)
{
    if (rule == T8_JSON_STRICT) {
        enum error err = t8_json_identity_or_group(o, rule, &out->id, p);
        if (!err)
            err = t8_json_data(o, &out->data_memory, &out->data, p);
        return err ? err : read_common(o, rule, out, p);
    }
    (void)!t8_json_identity_or_group(o, rule, &out->id, NULL);
    (void)!t8_json_string(o, "/self", rule, &out->self, NULL);
    (void)!t8_json_time(o, "/requestedRetransmissionTime", rule, &out->requested_retransmission_ms, NULL);
    (void)!read_common(o, rule, out, NULL);
    if (t8_json_data(o, &out->data_memory, &out->data, NULL) != OK)
        buf_free(&out->data_memory); /* some SCEFs leave it out; nobody needs it */
    out->delivery_status_text = t8_json_delivery_status(o);
    out->delivery_status = t8_delivery_status_parse(out->delivery_status_text);
    return OK;
}

enum error nidd_downlink_decode_request(struct bytes body, struct nidd_downlink *out, struct t8_problem *p)
{
    struct t8_json_object o;
    *out = (struct nidd_downlink){0};
    enum error err = t8_json_read(body, &o);
    if (err)
        return t8_json_blame(p, err, "", error_text(err));
    err = nidd_downlink_read(&o, T8_JSON_STRICT, out, p);
    out->doc = t8_json_take(&o);
    if (err)
        nidd_downlink_release(out);
    return err;
}

enum error nidd_downlink_decode(struct bytes body, struct nidd_downlink *out)
{
    struct t8_json_object o;
    *out = (struct nidd_downlink){0};
    enum error err = t8_json_read(body, &o);
    if (err)
        return err;
    err = nidd_downlink_read(&o, T8_JSON_TOLERANT, out, NULL);
    out->doc = t8_json_take(&o);
    return err;
}

enum error nidd_downlink_put(struct t8_json_writer *w, const struct nidd_downlink *d)
{
    if (d->id.external_id.len == 0 && d->id.msisdn.len == 0 && d->id.external_group_id.len == 0)
        return ERR_IDENTITY;
    t8_json_put_text(w, "self", d->self);
    t8_json_put_identity(w, d->id);
    if (!w->dialect || !w->dialect->no_data_in_answers)
        t8_json_put_data(w, "data", d->data);
    nidd_rds_put(w, d->reliable_data_service, &d->rds_port);
    if (d->has_maximum_latency)
        t8_json_put_integer(w, "maximumLatency", d->maximum_latency_s);
    if (d->has_priority)
        t8_json_put_integer(w, "priority", d->priority);
    t8_json_put_str(w, "pdnEstablishmentOption", t8_pdn_option_name(d->pdn_option));
    t8_json_put_str(w, w->dialect ? w->dialect->delivery_status : "deliveryStatus",
                    t8_delivery_status_name(d->delivery_status));
    t8_json_put_time(w, "requestedRetransmissionTime", d->requested_retransmission_ms);
    return OK;
}

enum error nidd_downlink_encode(const struct nidd_downlink *d, struct buf *out)
{
    size_t start = out->len;
    struct t8_json_writer w;
    t8_json_open(&w, out);
    enum error err = nidd_downlink_put(&w, d);
    enum error finished = t8_json_finish(&w, start);
    if (err)
        out->len = start;
    return err ? err : finished;
}

void nidd_downlink_release(struct nidd_downlink *d)
{
    t8_doc_free(d->doc);
    buf_free(&d->data_memory);
    *d = (struct nidd_downlink){0};
}
