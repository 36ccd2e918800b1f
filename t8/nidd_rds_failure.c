/* RdsDownlinkDataDeliveryFailure, TS 29.122 clause 5.6.2.1.16: ProblemDetails with two members more. */
#include "t8/nidd_internal.h"

static const struct t8_field list[] = {
    T8_ROW("/requestedRetransmissionTime", TIME, nidd_rds_failure, requested_retransmission_ms),
    T8_ROW("/supportedUeFormats", WORD_SET, nidd_rds_failure, supported_ue_formats, .words = &nidd_format_words),
};
static const struct t8_fields fields = T8_FIELDS(list, nidd_rds_failure);

enum error nidd_rds_failure_encode(const struct nidd_rds_failure *f, struct buf *out)
{
    size_t start = out->len;
    struct t8_json_writer w;
    t8_json_open(&w, out);
    t8_json_put_problem(&w, &f->problem);
    (void)!t8_fields_put(&fields, &w, f); /* nothing of it is mandatory */
    return t8_json_finish(&w, start);
}

void nidd_rds_failure_decode(struct bytes body, struct nidd_rds_failure *out)
{
    struct t8_json_object o;
    *out = (struct nidd_rds_failure){0};
    t8_problem_decode(body, &out->problem, &out->requested_retransmission_ms, &out->doc);
    if (t8_json_read_by_jansson(body, &o) == OK) {
        (void)!t8_fields_read(&fields, T8_READ_ANSWER, &o, out, NULL);
        t8_doc_free(t8_json_take(&o));
    }
}

void nidd_rds_failure_release(struct nidd_rds_failure *f)
{
    t8_fields_release(&fields, f, f->doc);
}
