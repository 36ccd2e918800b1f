#include "t8/scs_t8.h"

#include "t8/json_list.h"

static const struct scs_t8_row *row_of(enum t8_operation o)
{
    switch (t8_operation_api(o)) {
    case T8_API_TRIGGERING:
        return &scs_t8_triggering_rows[o - T8_TRANSACTION_LIST];
    case T8_API_MONITORING:
        return &scs_t8_monitoring_rows[o - T8_SUBSCRIPTION_LIST];
    default:
        return &scs_t8_nidd_rows[o - T8_CONFIGURATION_LIST];
    }
}

/* ---- requests */

static enum error add_url(const struct scs_site *s, const struct scs_call *call, const struct scs_t8_row *row,
                          struct buf *url)
{
    const struct scs_site_api *api = &s->apis[t8_operation_api(call->operation)];
    if (row->collection) {
        buf_add(url, buf_bytes(&api->collection)); /* with its NUL */
        return url->failed ? ERR_NO_MEMORY : OK;
    }
    if (!t8_link_expand(&api->base, call->link, url))
        return url->failed ? ERR_NO_MEMORY : ERR_UNKNOWN_CONFIGURATION;
    if (row->below)
        buf_add_str(url, row->below);
    if (call->port.present) {
        char id[16];
        nidd_port_id_format(call->port, id);
        buf_addf(url, "/%s", id);
    }
    buf_add_u8(url, 0);
    return url->failed ? ERR_NO_MEMORY : OK;
}

static enum error request(const struct scs_site *s, const struct scs_call *call, struct scs_outgoing *out)
{
    const struct scs_t8_row *row = row_of(call->operation);
    enum error err = row->encode ? row->encode(call->input, out->body) : OK;
    if (!err)
        err = add_url(s, call, row, out->url);
    if (err)
        return err;
    out->method = t8_operation_method(call->operation);
    if (row->encode)
        out->types = t8_dialect_media_types(s->dialect, call->operation);
    out->max_answer_bytes = row->list ? SCS_LIST_MAX_BYTES : 0;
    return OK;
}

/* ---- answers */

struct bytes scs_t8_moved(struct scs_site *s, enum t8_operation o, struct bytes url)
{
    buf_reset(&s->moved);
    if (url.len)
        t8_link_compact(&s->apis[t8_operation_api(o)].base, bytes_of(NULL, 0), url, &s->moved);
    return s->moved.failed ? bytes_of(NULL, 0) : buf_bytes(&s->moved);
}

/* A 500 of the ports says more than others (TS 29.122 clause 5.6.2.1.16). */
static void read_error(const struct scs_incoming *in, struct buf *memory, struct scs_result *out)
{
    struct nidd_rds_failure failure;
    nidd_rds_failure_decode(in->answer->body, &failure);
    out->cause = failure.problem.cause;
    buf_reset(memory);
    buf_add(memory, failure.problem.cause_text);
    buf_add(memory, failure.problem.detail);
    if (memory->len && !memory->failed) {
        out->cause_text = bytes_of(memory->data, failure.problem.cause_text.len);
        out->detail = bytes_from(buf_bytes(memory), failure.problem.cause_text.len);
    }
    if (failure.problem.status_of_code)
        out->http_status = failure.problem.status_of_code;
    out->requested_retransmission_ms = failure.requested_retransmission_ms;
    out->supported_ue_formats = failure.supported_ue_formats;
    nidd_rds_failure_release(&failure);
}

void scs_t8_result(struct scs_site *s, const struct scs_incoming *in, struct bytes self, struct scs_result *out)
{
    *out = (struct scs_result){.operation = in->operation, .not_sent = in->err == ERR_UNREACHABLE};
    if (!in->answer)
        return;
    out->http_status = in->answer->http_status;
    out->retry_after_s = in->answer->retry_after_s;
    if (!t8_answer_is_success(in->answer)) {
        read_error(in, &s->link, out);
        return;
    }
    out->link = scs_t8_moved(s, in->operation, in->moved);
    if (out->link.len == 0)
        out->link = t8_answer_link(in->answer, self, &s->link);
}

static struct bytes self_of(const struct scs_t8_type *type, const union scs_t8_resource *r)
{
    return *(const struct bytes *)(const void *)((const char *)r + type->self_offset);
}

static struct scs_meaning tell(const struct scs_incoming *in, const struct scs_result *r)
{
    struct scs_meaning meaning = {r->http_status, r->cause};
    if (in->sink->result)
        in->sink->result(in->sink->ctx, in->ref, r);
    return meaning;
}

struct scs_meaning scs_t8_read_one(struct scs_site *s, const struct scs_incoming *in, const struct scs_t8_type *type)
{
    union scs_t8_resource resource;
    struct scs_result r;
    bool shown =
        type && scs_t8_succeeded(in) && in->answer->body.len && type->decode(in->answer->body, &resource) == OK;
    scs_t8_result(s, in, shown ? self_of(type, &resource) : bytes_of(NULL, 0), &r);
    if (shown) {
        r.shows = type->shows;
        r.resource = &resource;
    }
    struct scs_meaning meaning = tell(in, &r);
    if (shown)
        type->release(&resource);
    return meaning;
}

/* Each resource of the list, then its end. */
static struct scs_meaning read_list(struct scs_site *s, const struct scs_incoming *in, const struct scs_t8_type *type)
{
    struct scs_result r;
    union scs_t8_resource resource;
    struct t8_list list;
    struct bytes element;
    t8_list_begin(&list, scs_t8_succeeded(in) ? in->answer->body : bytes_of(NULL, 0));
    while (in->sink->item && t8_list_next(&list, &element)) {
        if (type->decode(element, &resource) != OK)
            continue;
        struct t8_answer one = *in->answer;
        one.location = bytes_of(NULL, 0); /* of the list, if anything */
        struct scs_incoming item = *in;
        item.answer = &one;
        item.moved = bytes_of(NULL, 0);
        scs_t8_result(s, &item, self_of(type, &resource), &r);
        r.shows = type->shows;
        r.resource = &resource;
        in->sink->item(in->sink->ctx, in->ref, &r);
        type->release(&resource);
    }
    scs_t8_result(s, in, bytes_of(NULL, 0), &r);
    r.link = bytes_of(NULL, 0);
    return tell(in, &r);
}

static struct scs_meaning answer(struct scs_site *s, const struct scs_incoming *in)
{
    const struct scs_t8_row *row = row_of(in->operation);
    if (row->read)
        return row->read(s, in);
    return row->list ? read_list(s, in, row->type) : scs_t8_read_one(s, in, row->type);
}

const struct scs_protocol scs_t8_protocol = {.request = request, .answer = answer};
