/* Legs that connect: by DTLS, or by a connection (RFC 8323), one for each device and server. */
#include "nidd/observation.h"

void leg_took(struct engine *e, struct exchange *x)
{
    if (!x->from_device || x->code >> 5 != 0) {
        server_took(e, x, "");
        return;
    }
    /* A CON keeps its message: when the connection breaks before the answer, it goes over the next one. */
    if (x->spool_seq)
        spool_remove(e, x);
    if (x->type != COAP_CON)
        exchange_sent_non(e, x);
}

/* Whether the server has seen it nobody knows: it goes once more, as one that is never acknowledged would. */
static void ask_again(struct engine *e, struct exchange *x)
{
    x->vain_rounds++;
    if (x->vain_rounds < VAIN_ROUNDS_MAX && spool_put(e, x))
        return;
    event_drop(e, x->device, x->server, blob_bytes(x->message), "connection_lost");
    exchange_done(e, x);
}

/* Tokens are those of a connection (RFC 8323 clause 3.3): an answer or a notification with one of the last connection
 * would mean nothing on the next one, or something else. */
static void connection_lost(struct engine *e, struct device *d, uint32_t server)
{
    LIST_EACH (it, &d->queue.items) {
        struct downlink *m = LIST_ENTRY(it, struct downlink, item.node);
        m->orphan |= m->server == server;
    }
    LIST_EACH (it, &d->awaiting) {
        struct downlink *m = LIST_ENTRY(it, struct downlink, item.node);
        m->orphan |= m->server == server;
    }
    LIST_EACH_SAFE (it, &d->exchanges) {
        struct exchange *x = LIST_ENTRY(it, struct exchange, node);
        if (x->down || x->server != server || !x->from_device)
            continue;
        if (x->state == EXCHANGE_FORWARDED && x->message)
            ask_again(e, x);
        else if (x->state == EXCHANGE_SPOOLED)
            x->orphan = x->code >> 5 != 0;
    }
    observation_connection_lost(e, d, server);
}

void engine_leg_state(struct engine *e, uint64_t now_ms, uint32_t leg, uint32_t server, bool up)
{
    engine_set_time(e, now_ms);
    struct device *d = device_by_leg(e, leg);
    if (!d || !server_has_legs(e, server))
        return;
    if (up) {
        server_heard(e, server);
        spool_flush_leg(e, d, server);
    } else if (server_is_reliable(e, server)) {
        connection_lost(e, d, server);
    }
    downlink_flow(e, d);
}
