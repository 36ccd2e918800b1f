/* What the engine asks about deliveries that lie in a SCEF's buffer (TS 29.122 clauses 5.6.3.4 and 5.6.3.5). */
#include "scef-adapter/wiring_internal.h"

static enum error ask(struct adapter_scef *s, uint64_t ref, const struct engine_delivery_request *q)
{
    switch (q->operation) {
    case ENGINE_DELIVERY_GET:
        return scs_delivery_get(s->client, ref, q->link);
    case ENGINE_DELIVERY_PUT:
        return scs_delivery_put(
            s->client, ref, q->link,
            &(struct nidd_downlink){
                .id = q->id, .data = q->data, .has_maximum_latency = true, .maximum_latency_s = q->maximum_latency_s});
    case ENGINE_DELIVERY_DELETE:
        return scs_delivery_delete(s->client, ref, q->link);
    case ENGINE_DELIVERY_LIST:
        return scs_delivery_list(s->client, ref, q->link);
    }
    return ERR_NOT_OFFERED;
}

static void port_delivery_request(void *ctx, uint64_t ref, const struct engine_delivery_request *q)
{
    struct adapter_scef *s = adapter_scef_for(ctx, q->scef);
    if (s)
        adapter_request_begun(s, ask(s, ref, q), FAILED_DELIVERY, ref);
}

void adapter_delivery_ports(struct engine_ports *out)
{
    out->delivery_request = port_delivery_request;
}

void adapter_delivery_item(struct adapter_scef *s, uint64_t ref, const struct scs_result *r)
{
    if (r->shows != SCS_SHOWS_DELIVERY)
        return;
    struct nidd_downlink d = *r->delivery;
    d.self = r->link;
    engine_delivery_found(s->a->engine, adapter_now(s->a), s->index, ref, &d);
}

void adapter_delivery_result(struct adapter_scef *s, uint64_t ref, const struct scs_result *r)
{
    const struct nidd_downlink *d = r->shows == SCS_SHOWS_DELIVERY ? r->delivery : NULL;
    engine_delivery_result(
        s->a->engine, adapter_now(s->a), s->index, ref,
        &(struct engine_delivery_answer){.http_status = r->http_status,
                                         .cause = r->cause,
                                         .delivery_status = d ? d->delivery_status : T8_DELIVERY_UNSET,
                                         .requested_retransmission_ms =
                                             d ? d->requested_retransmission_ms : r->requested_retransmission_ms,
                                         .retry_after_s = r->retry_after_s});
}
