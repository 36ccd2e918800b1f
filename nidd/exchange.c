/* Exchanges: the memory of messages seen, and the repetition of confirmable ones towards servers (RFC 7252 clause 4.2).
 */
#include "nidd/history.h"

#include <string.h>

/* A full memory forgets the oldest that is done, else the oldest that only waits for a response of a server. What is
 * stored has its own bound, and the answer to a downlink is not given up for a newcomer. */
static void make_room(struct engine *e, struct device *d)
{
    struct exchange *victim = NULL;
    LIST_EACH (it, &d->exchanges) {
        struct exchange *x = LIST_ENTRY(it, struct exchange, node);
        bool kept = x->spool_seq || x->answers_seq || (x->down && x->state != EXCHANGE_DONE);
        if (x->reply_waits)
            continue; /* the device repeats itself until the reply may go */
        if (x->state == EXCHANGE_DONE) {
            victim = x;
            break;
        }
        if (!victim && !kept)
            victim = x;
    }
    if (victim)
        exchange_free(e, victim);
}

struct exchange *exchange_new(struct engine *e, struct device *d, uint32_t server, const struct coap_view *v, bool down)
{
    if (d->exchange_count >= e->o.max_exchanges)
        make_room(e, d);
    handle h;
    struct exchange *x = slab_new(&e->exchanges, &h);
    if (!x)
        return NULL;
    x->h = h;
    x->device = d;
    x->server = server;
    x->down = down;
    x->state = EXCHANGE_FORWARDED;
    if (v) {
        x->type = (uint8_t)v->type;
        x->code = v->code;
        x->token_len = (uint8_t)v->token.len;
        if (v->token.len)
            memcpy(x->token, v->token.data, v->token.len);
        x->asks_block = !down && coap_is_request(v) && block_find(v, COAP_OPTION_BLOCK2, &x->asked);
    }
    x->seen_ms = e->now_ms;
    x->expires_ms = e->now_ms + e->o.exchange_lifetime_ms;
    timer_init(&x->repeat, TIMER_EXCHANGE_REPEAT);
    list_init(&x->storing.node);
    x->storing.what = STORING_EXCHANGE;
    list_push_back(&d->exchanges, &x->node);
    list_push_back(&e->recent, &x->recent_node);
    d->exchange_count++;
    return x;
}

void exchange_free(struct engine *e, struct exchange *x)
{
    if (x->uplink_waits)
        e->ports.uplink_answer(e->ports.ctx, x->uplink_ref, ERR_UNREACHABLE);
    timer_stop(&e->timers, &x->repeat);
    list_remove(&x->node);
    list_remove(&x->recent_node);
    list_remove(&x->storing.node);
    x->device->exchange_count--;
    blob_unref(x->message);
    blob_unref(x->reply);
    slab_delete(&e->exchanges, x->h);
}

void exchange_done(struct engine *e, struct exchange *x)
{
    timer_stop(&e->timers, &x->repeat);
    if (x->spool_seq)
        spool_remove(e, x);
    x->state = EXCHANGE_DONE;
    if (!x->down) {
        blob_unref(x->message);
        x->message = NULL;
    }
}

void exchange_sent_non(struct engine *e, struct exchange *x)
{
    exchange_tell_answered(e, x, FINAL_ANSWERED, "");
    exchange_done(e, x);
    if (x->from_device && x->code >> 5 == 0)
        x->state = EXCHANGE_ACKNOWLEDGED; /* a request: its response may still come */
}

static bool token_is(const struct exchange *x, struct bytes token)
{
    return bytes_equal(bytes_of(x->token, x->token_len), token);
}

/* Most messages are no repetitions, and to find that out must not cost a walk through all that is remembered. Message
 * IDs count up, so their last six bits tell nearly all of them apart. What was forgotten since leaves its bit behind,
 * until a walk in vain counts anew. */
static uint64_t seen_bit(uint16_t message_id)
{
    return 1ULL << (message_id & 63);
}

void exchange_seen(struct exchange *x)
{
    if (x->down)
        x->device->seen[1] |= seen_bit(x->leg_mid);
    else
        x->device->seen[0] |= seen_bit(x->leg_mid) | (x->from_device ? seen_bit(x->device_mid) : 0);
}

static void count_anew(struct device *d, bool down)
{
    d->seen[down] = 0;
    LIST_EACH (it, &d->exchanges) {
        struct exchange *x = LIST_ENTRY(it, struct exchange, node);
        if (x->down == down)
            exchange_seen(x);
    }
}

/* A device that has restarted may use a Message ID again for something else: code and token tell a repetition. */
struct exchange *exchange_by_device_mid(struct device *d, const struct coap_view *v)
{
    if (!(d->seen[0] & seen_bit(v->message_id)))
        return NULL;
    for (struct list *it = d->exchanges.prev; it != &d->exchanges; it = it->prev) {
        struct exchange *x = LIST_ENTRY(it, struct exchange, node);
        if (!x->down && x->from_device && x->device_mid == v->message_id && x->code == v->code && token_is(x, v->token))
            return x;
    }
    count_anew(d, false);
    return NULL;
}

struct exchange *exchange_by_leg_mid(struct device *d, uint32_t server, uint16_t leg_mid)
{
    for (struct list *it = d->exchanges.prev; it != &d->exchanges; it = it->prev) {
        struct exchange *x = LIST_ENTRY(it, struct exchange, node);
        if (!x->down && x->server == server && x->leg_mid == leg_mid)
            return x;
    }
    return NULL;
}

uint16_t exchange_leg_mid(struct device *d, uint32_t server, const struct coap_view *from_device)
{
    uint16_t mid = from_device ? from_device->message_id : d->next_leg_mid++;
    while ((d->seen[0] & seen_bit(mid)) && exchange_by_leg_mid(d, server, mid))
        mid = d->next_leg_mid++;
    return mid;
}

struct exchange *exchange_by_token(struct device *d, uint32_t server, struct bytes token)
{
    for (struct list *it = d->exchanges.prev; it != &d->exchanges; it = it->prev) {
        struct exchange *x = LIST_ENTRY(it, struct exchange, node);
        bool request = x->code != 0 && x->code >> 5 == 0;
        if (!x->down && x->from_device && request && x->server == server && x->state != EXCHANGE_DONE &&
            token_is(x, token))
            return x;
    }
    return NULL;
}

struct exchange *exchange_down(struct device *d, uint32_t server, const struct coap_view *v)
{
    if (!(d->seen[1] & seen_bit(v->message_id)))
        return NULL;
    for (struct list *it = d->exchanges.prev; it != &d->exchanges; it = it->prev) {
        struct exchange *x = LIST_ENTRY(it, struct exchange, node);
        if (x->down && x->server == server && x->leg_mid == v->message_id && x->code == v->code &&
            token_is(x, v->token))
            return x;
    }
    count_anew(d, true);
    return NULL;
}

void exchange_expire(struct engine *e)
{
    while (!list_empty(&e->recent)) {
        struct exchange *x = LIST_ENTRY(e->recent.next, struct exchange, recent_node);
        if (x->expires_ms > e->now_ms)
            break;
        if (x->spool_seq) {
            spool_back(e, x);
            continue;
        }
        exchange_tell_answered(e, x, FINAL_ANSWERED, "unconfirmed");
        exchange_free(e, x);
    }
}

enum error exchange_send(struct engine *e, struct exchange *x)
{
    if (x->type == COAP_CON && !server_is_reliable(e, x->server)) {
        uint64_t pause = e->o.ack_timeout_ms << x->attempts;
        /* ACK_RANDOM_FACTOR 1.5, RFC 7252 clause 4.8 */
        timer_start(&e->timers, &x->repeat, e->now_ms + pause + prng_below(&e->prng, pause / 2 + 1));
    }
    struct bytes m = blob_bytes(x->message);
    enum error err =
        server_send(e, x->device, x->server, m.data, bytes_from(m, COAP_HEADER_BYTES), x->attempts ? "repeated" : "");
    x->sent |= !err;
    return err;
}

void exchange_timer(struct engine *e, struct exchange *x)
{
    if (x->attempts < e->o.max_retransmit) {
        x->attempts++;
        (void)exchange_send(e, x); /* the next repetition makes up for a send that failed */
        return;
    }
    /* One message that gets no ACK while others do is that message's trouble, not the server's: some servers do not
     * acknowledge a repeated response (libcoap issue 1306). Spooled, it goes again under a new Message ID. */
    uint64_t first_sent_ms = x->expires_ms - e->o.exchange_lifetime_ms;
    if (e->servers[x->server].heard_ms <= first_sent_ms)
        server_silent(e, x->server);
    else
        x->vain_rounds++;
    if (x->vain_rounds >= VAIN_ROUNDS_MAX) {
        /* It has had its chance with a server that was there all the time, and some never acknowledge. */
        event_drop(e, x->device, x->server, blob_bytes(x->message), "unacknowledged");
        exchange_tell_answered(e, x, FINAL_ANSWERED, "unconfirmed");
        exchange_done(e, x);
        return;
    }
    if (x->spool_seq) {
        spool_back(e, x);
        return;
    }
    if (x->from_device || x->answers_seq) {
        if (spool_put(e, x))
            return;
    }
    event_drop(e, x->device, x->server, blob_bytes(x->message), "server_silent");
    exchange_tell_answered(e, x, FINAL_FAILED, "server_silent");
    exchange_done(e, x);
}

void exchange_tell_answered(struct engine *e, struct exchange *x, enum final_state f, const char *reason)
{
    struct downlink *m = slab_get(&e->downlinks, x->answers);
    uint64_t seq = x->answers_seq;
    x->answers = 0;
    x->answers_seq = 0;
    if (m) {
        downlink_final(e, m, f, reason, T8_CAUSE_NONE);
    } else if (seq) {
        struct engine_event ev = {.kind = ENGINE_FINAL,
                                  .server = x->server,
                                  .seq = seq,
                                  .final = f,
                                  .reason = reason,
                                  .age_ms = e->now_ms - x->answers_accepted_ms};
        event_emit(e, x->device, &ev);
        history_add_answered(e, x, seq, x->answers_accepted_ms, f, reason);
    }
}
