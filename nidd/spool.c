/* Uplinks kept while their server is down: durably, in order, bounded per device, for a lifetime (T8 has no
 * store-and-forward for uplink data, so what we do not keep is gone). */
#include "nidd/internal.h"

#include <string.h>

/* The spool is in the order of acceptance; what comes back after a silence goes to its old place. */
static void into_line(struct engine *e, struct exchange *x)
{
    struct list *pos = &e->servers[x->server].spool;
    while (pos->prev != &e->servers[x->server].spool &&
           LIST_ENTRY(pos->prev, struct exchange, recent_node)->spool_seq > x->spool_seq)
        pos = pos->prev;
    list_remove(&x->recent_node);
    list_insert_before(pos, &x->recent_node);
    x->state = EXCHANGE_SPOOLED;
    /* Up or down, the server's timer empties the spool in the end. */
    struct timer *t = &e->servers[x->server].timer;
    if (!timer_running(t))
        timer_start(&e->timers, t, e->now_ms + e->o.server_probe_ms);
}

/* What stands in line before it waits for its leg. */
static bool leg_is_awaited(const struct device *d, uint32_t server)
{
    LIST_EACH (it, &d->exchanges) {
        const struct exchange *x = LIST_ENTRY(it, const struct exchange, node);
        if (x->server == server && x->state == EXCHANGE_SPOOLED && x->awaits_leg)
            return true;
    }
    return false;
}

bool spool_put(struct engine *e, struct exchange *x)
{
    struct device *d = x->device;
    if (d->spooled >= e->o.spool_max_messages || !x->message || e->spooled_messages >= e->o.spool_total_messages ||
        e->spooled_bytes + x->message->len > e->o.spool_total_bytes)
        return false;
    device_put_first(e, d);
    struct record_message r = {.device_id = device_id_bytes(d),
                               .seq = engine_next_seq(e),
                               .server = bytes_of_str(engine_server_name(e, x->server)),
                               .type = x->type,
                               .server_mid = x->leg_mid,
                               .device_mid = x->device_mid,
                               .accepted_ms = x->answers_seq ? x->answers_accepted_ms : x->seen_ms,
                               .answers_seq = x->answers_seq,
                               .deadline_ms = e->now_ms + e->o.spool_lifetime_ms,
                               .message = blob_bytes(x->message)};
    buf_reset(&e->key);
    buf_reset(&e->value);
    record_message_key(RECORD_UPLINK, r.device_id, r.seq, &e->key);
    record_message_encode(buf_bytes(&e->key), &r, &e->value);
    uint64_t ticket = engine_record_put(e);
    if (ticket == 0)
        return false;
    timer_stop(&e->timers, &x->repeat);
    x->spool_seq = r.seq;
    x->expires_ms = x->spool_deadline_ms = r.deadline_ms;
    d->spooled++;
    e->spooled_messages++;
    e->spooled_bytes += x->message->len;
    x->awaits_leg = leg_is_awaited(d, x->server);
    into_line(e, x);
    x->storing.ticket = ticket;
    list_remove(&x->storing.node);
    list_push_back(&e->storing, &x->storing.node);
    return true;
}

void spool_stored(struct engine *e, struct exchange *x, enum error err)
{
    bool waits = x->uplink_waits;
    uint64_t ref = x->uplink_ref;
    x->uplink_waits = false;
    if (waits)
        e->ports.uplink_answer(e->ports.ctx, ref, err);
    if (err) {
        /* Not accepted: the SCEF may try again, and the device will, since it gets no ACK. What was accepted before it
         * came here (by a send that nobody heard) stays, in memory only. */
        if (waits && x->spool_seq) {
            struct downlink *unanswered = slab_get(&e->downlinks, x->answers);
            if (unanswered)
                downlink_unanswered(e, unanswered);
            spool_remove(e, x);
            exchange_free(e, x);
        }
        return;
    }
    if (x->spool_seq == 0)
        return; /* its server was back before the store had it */
    event_message(e, ENGINE_SPOOLED, x->device, x->server, blob_bytes(x->message), "");
    /* The answer of a downlink is safe here: the downlink itself need not be asked again. */
    struct downlink *m = slab_get(&e->downlinks, x->answers);
    if (m) {
        downlink_free(e, m);
        x->answers = 0;
    }
    /* A leg that is just being connected will be there soon: the answer may be the acknowledgement yet, and the device
     * that repeats its request meanwhile gets one then. */
    bool soon = server_has_legs(e, x->server) && x->code >> 5 == 0;
    if (x->from_device && x->type == COAP_CON && !x->device_acknowledged && x->state == EXCHANGE_SPOOLED && !soon) {
        x->device_acknowledged = true;
        blob_unref(x->reply);
        x->reply = uplink_reply_empty(e, x->device, COAP_ACK, x->device_mid, &x->reply_downlink);
        downlink_flow(e, x->device);
    }
}

void spool_remove(struct engine *e, struct exchange *x)
{
    engine_message_delete(e, RECORD_UPLINK, x->device, x->spool_seq);
    x->spool_seq = 0;
    x->device->spooled--;
    e->spooled_messages--;
    e->spooled_bytes -= x->message->len;
    if (x->state == EXCHANGE_SPOOLED) {
        list_remove(&x->recent_node);
        x->expires_ms = e->now_ms + e->o.exchange_lifetime_ms;
        list_push_back(&e->recent, &x->recent_node);
        x->state = EXCHANGE_FORWARDED;
    }
}

void spool_back(struct engine *e, struct exchange *x)
{
    timer_stop(&e->timers, &x->repeat);
    into_line(e, x);
    x->expires_ms = x->spool_deadline_ms;
}

bool spool_holds(const struct device *d, uint32_t server)
{
    if (d->spooled == 0)
        return false;
    LIST_EACH (it, &d->exchanges) {
        const struct exchange *x = LIST_ENTRY(it, const struct exchange, node);
        if (x->server == server && x->state == EXCHANGE_SPOOLED)
            return true;
    }
    return false;
}

void spool_expire(struct engine *e, uint32_t server)
{
    struct server *s = &e->servers[server];
    while (!list_empty(&s->spool)) {
        struct exchange *x = LIST_ENTRY(s->spool.next, struct exchange, recent_node);
        if (x->expires_ms > e->now_ms)
            return;
        event_drop(e, x->device, server, blob_bytes(x->message), "spool_lifetime_over");
        exchange_tell_answered(e, x, FINAL_FAILED, "server_silent");
        exchange_done(e, x);
    }
}

/* On an error it is where it was. */
static enum error send_again(struct engine *e, struct exchange *x)
{
    struct bytes old = blob_bytes(x->message);
    uint8_t header[COAP_HEADER_BYTES];
    if (x->orphan) {
        if (!x->answers_seq)
            event_drop(e, x->device, x->server, old, "connection_lost");
        server_took(e, x, "late");
        return OK;
    }
    /* Its old Message ID may have been forgotten, or be in use: a new one. */
    uint16_t leg_mid = exchange_leg_mid(x->device, x->server, NULL);
    coap_header_write(header, (enum coap_type)x->type, x->token_len, x->code, leg_mid);
    struct blob *b = blob_new(header, bytes_from(old, COAP_HEADER_BYTES));
    if (!b)
        return ERR_NO_MEMORY;
    blob_unref(x->message);
    x->message = b;
    x->leg_mid = leg_mid;
    exchange_seen(x);
    x->attempts = 0;
    x->state = EXCHANGE_FORWARDED;
    list_remove(&x->recent_node);
    x->expires_ms = e->now_ms + e->o.exchange_lifetime_ms;
    list_push_back(&e->recent, &x->recent_node);
    enum error err = exchange_send(e, x);
    bool reliable = server_is_reliable(e, x->server);
    if (x->type == COAP_CON && !reliable && err != ERR_UNREACHABLE)
        return OK; /* its repetition makes up for a send that failed */
    if (err)
        spool_back(e, x);
    else if (reliable)
        leg_took(e, x);
    else
        exchange_sent_non(e, x);
    return err;
}

static bool in_line(const struct exchange *x, uint32_t server)
{
    return x->server == server && x->state == EXCHANGE_SPOOLED;
}

void spool_await_leg(struct device *d, uint32_t server)
{
    LIST_EACH (it, &d->exchanges) {
        struct exchange *x = LIST_ENTRY(it, struct exchange, node);
        if (in_line(x, server))
            x->awaits_leg = true;
    }
}

#define SPOOL_AGAIN_MS 20

void spool_flush_leg(struct engine *e, struct device *d, uint32_t server)
{
    LIST_EACH (it, &d->exchanges) {
        struct exchange *x = LIST_ENTRY(it, struct exchange, node);
        if (x->server == server)
            x->awaits_leg = false;
    }
    for (;;) {
        struct exchange *first = NULL;
        LIST_EACH (it, &d->exchanges) {
            struct exchange *x = LIST_ENTRY(it, struct exchange, node);
            if (in_line(x, server) && (!first || x->spool_seq < first->spool_seq))
                first = x;
        }
        if (!first)
            return;
        enum error err = send_again(e, first);
        if (err == ERR_UNREACHABLE)
            spool_await_leg(d, server);
        else if (err)
            timer_start(&e->timers, &e->servers[server].timer, e->now_ms + SPOOL_AGAIN_MS);
        if (err)
            return;
    }
}

void spool_flush(struct engine *e, uint32_t server)
{
    struct server *s = &e->servers[server];
    unsigned sent = 0;
    bool more = false;
    /* A few at a time: a server that has just come back is not to be drowned, nor our socket. */
    LIST_EACH_SAFE (it, &s->spool) {
        struct exchange *x = LIST_ENTRY(it, struct exchange, recent_node);
        struct device *d = x->device;
        if (x->awaits_leg)
            continue;
        enum error err = sent++ < 64 ? send_again(e, x) : ERR_SYSTEM;
        if (err == ERR_UNREACHABLE && server_has_legs(e, server)) {
            spool_await_leg(d, server);
        } else if (err) {
            more = true;
            break;
        }
        downlink_flow(e, d);
    }
    if (s->up && more)
        timer_start(&e->timers, &s->timer, e->now_ms + SPOOL_AGAIN_MS);
    else if (!list_empty(&s->spool) && !timer_running(&s->timer))
        timer_start(&e->timers, &s->timer, e->now_ms + e->o.server_probe_ms);
}

bool spool_answers(const struct device *d, uint64_t seq)
{
    LIST_EACH (it, &d->exchanges)
        if (LIST_ENTRY(it, const struct exchange, node)->answers_seq == seq)
            return true;
    return false;
}

enum error spool_restore(struct engine *e, struct device *d, uint32_t server, const struct record_message *r)
{
    struct coap_view v;
    if (coap_view_parse(r->message, &v) != OK)
        return ERR_STORE_CORRUPT;
    downlink_replaced(e, d, r->answers_seq);
    struct exchange *x = exchange_new(e, d, server, &v, false);
    struct blob *b = x ? blob_of(r->message) : NULL;
    if (!b) {
        if (x)
            exchange_free(e, x);
        return ERR_NO_MEMORY;
    }
    x->message = b;
    x->from_device = true;
    x->device_acknowledged = true; /* it was, as soon as this was stored */
    x->device_mid = r->device_mid;
    x->leg_mid = r->server_mid;
    exchange_seen(x);
    x->spool_seq = r->seq;
    x->seen_ms = r->accepted_ms;
    x->answers_seq = r->answers_seq;
    x->answers_accepted_ms = r->accepted_ms;
    x->orphan = server_is_reliable(e, server) && x->code >> 5 != 0;
    x->expires_ms = x->spool_deadline_ms = r->deadline_ms;
    d->spooled++;
    e->spooled_messages++;
    e->spooled_bytes += x->message->len;
    into_line(e, x);
    return OK;
}
