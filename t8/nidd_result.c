/* What an answer of the SCEF to one of our requests came to. */
#include "t8/nidd_internal.h"

struct bytes t8_answer_link(const struct t8_answer *a, struct bytes self, struct buf *memory)
{
    buf_reset(memory);
    t8_link_compact(a->base, a->request_path, a->location, memory);
    if (memory->len == 0)
        t8_link_compact(a->base, a->request_path, self, memory);
    return memory->failed ? bytes_of(NULL, 0) : buf_bytes(memory);
}

static void read_error(const struct t8_answer *a, int *http_status, enum t8_cause *cause, uint64_t *retransmission_ms)
{
    struct t8_problem problem;
    struct t8_doc *doc;
    t8_problem_decode(a->body, &problem, retransmission_ms, &doc);
    *cause = problem.cause;
    if (problem.status_of_code)
        *http_status = problem.status_of_code;
    t8_doc_free(doc);
}

void nidd_submit_result_read(const struct t8_answer *a, struct buf *memory, struct nidd_submit_result *out)
{
    *out = (struct nidd_submit_result){
        .outcome = NIDD_SUBMIT_REFUSED, .http_status = a->http_status, .retry_after_s = a->retry_after_s};
    if (!t8_answer_is_success(a)) {
        read_error(a, &out->http_status, &out->cause, &out->requested_retransmission_ms);
        return;
    }
    struct nidd_downlink d;
    if (nidd_downlink_decode(a->body, &d) != OK)
        d = (struct nidd_downlink){0}; /* no body, or no JSON: the status says enough */
    out->delivery_status = d.delivery_status;
    out->requested_retransmission_ms = d.requested_retransmission_ms;
    /* An answer that names a resource and a state that is no end means 201. Of a state we do not know the number
     * decides. The usual 200 has neither: no link is looked for. */
    bool waits = d.delivery_status >= T8_DELIVERY_TRIGGERED && d.delivery_status < T8_DELIVERY_OTHER_PENDING;
    if (a->http_status == 201 || a->http_status == 202 || waits)
        out->link = t8_answer_link(a, d.self, memory);
    if (a->http_status == 201 || (out->link.len && a->http_status != 204 && (waits || a->http_status == 202)))
        out->outcome = NIDD_SUBMIT_PENDING;
    else
        out->outcome = NIDD_SUBMIT_DELIVERED;
    if (t8_delivery_is_failure(d.delivery_status)) {
        out->outcome = NIDD_SUBMIT_REFUSED;
        out->cause = t8_delivery_status_cause(d.delivery_status_text, &out->http_status);
    }
    if (out->outcome != NIDD_SUBMIT_PENDING)
        out->link = bytes_of(NULL, 0);
    nidd_downlink_release(&d);
}

void nidd_configuration_result_of(const struct t8_answer *a, const struct nidd_configuration *c, struct buf *memory,
                                  struct nidd_configuration_result *out)
{
    size_t link_len = t8_answer_link(a, c->self, memory).len;
    buf_add(memory, c->notification_destination);
    size_t destination_end = memory->len;
    buf_add(memory, c->websocket.uri);
    size_t uri_end = memory->len;
    if (c->downlinks_count)
        t8_link_compact(a->base, a->request_path, c->downlinks[0].self, memory);
    *out = (struct nidd_configuration_result){
        .http_status = a->http_status,
        .retry_after_s = a->retry_after_s,
        .maximum_packet_size_bits = c->maximum_packet_size_bits,
        .duration_ms = c->duration_ms,
        .status = c->status,
        .has_body = true,
        .supported_features = c->supported_features,
    };
    if (memory->failed || memory->len == 0)
        return;
    out->link = bytes_of(memory->data, link_len);
    out->notification_destination = bytes_of(memory->data + link_len, destination_end - link_len);
    out->websocket_uri = bytes_of(memory->data + destination_end, uri_end - destination_end);
    out->delivery_link = bytes_from(buf_bytes(memory), uri_end);
}

void nidd_configuration_result_read(const struct t8_answer *a, struct buf *memory,
                                    struct nidd_configuration_result *out)
{
    *out = (struct nidd_configuration_result){.http_status = a->http_status, .retry_after_s = a->retry_after_s};
    if (!t8_answer_is_success(a)) {
        uint64_t unused;
        read_error(a, &out->http_status, &out->cause, &unused);
        return;
    }
    struct nidd_configuration c;
    bool has_body = nidd_configuration_decode(a->body, &c) == OK;
    if (!has_body)
        c = (struct nidd_configuration){0};
    nidd_configuration_result_of(a, &c, memory, out);
    out->has_body = has_body;
    nidd_configuration_release(&c);
}
