/* The life of a message to a device, from acceptance to its one final state (diagram: internal.h). */
#include "nidd/configuration.h"

#include <stdlib.h>
#include <string.h>

#include "nidd/history.h"
#include "nidd/observation.h"

bool downlink_is_request(const struct downlink *m)
{
    return m->item.class_ == QUEUE_REQUEST;
}

enum coap_type downlink_type(const struct downlink *m)
{
    return m->item.class_ == QUEUE_DTLS ? COAP_NON : (enum coap_type)(m->message->data[0] >> 4 & 3);
}

static bool in_queue(const struct downlink *m)
{
    return m->state != DOWNLINK_AWAITING && m->state != DOWNLINK_ANSWERING;
}

static struct bytes message_token(const struct downlink *m)
{
    return bytes_of(m->message->data + COAP_HEADER_BYTES, m->message->data[0] & 15);
}

uint64_t downlink_put(struct engine *e, const struct downlink *m)
{
    struct record_message r = {
        .device_id = device_id_bytes(m->device),
        .seq = m->seq,
        .server = bytes_of_str(engine_server_name(e, m->server)),
        .queue_class = m->item.class_,
        .type = m->server_type,
        .flags = m->acknowledged ? RECORD_DEVICE_ACKNOWLEDGED : 0,
        .priority = m->item.priority,
        .server_mid = m->server_mid,
        .device_mid = m->device_mid,
        .accepted_ms = m->accepted_ms,
        .deadline_ms = m->deadline.at_ms,
        .sent_ms = m->first_sent_ms ? m->first_sent_ms : m->marked_ms,
        .place_seq = m->item.place,
        .delivery_link = bytes_of_str(m->delivery_link),
        .message = blob_bytes(m->message),
    };
    buf_reset(&e->key);
    buf_reset(&e->value);
    record_message_key(RECORD_DOWNLINK, r.device_id, r.seq, &e->key);
    record_message_encode(buf_bytes(&e->key), &r, &e->value);
    return engine_record_put(e);
}

/* A record is out of date when DTLS itself has repeated it at its longest pause (RFC 6347 clause 4.2.4.1). */
#define DTLS_LIFETIME_MS 60000
static uint64_t lifetime_ms(const struct engine *e, enum queue_class class_, const struct engine_policy *p)
{
    return class_ == QUEUE_REQUEST ? p->lifetime_ms : class_ == QUEUE_DTLS ? DTLS_LIFETIME_MS : e->o.answer_lifetime_ms;
}

static bool is_given_back(const struct downlink *m)
{
    return m->buffer == ENGINE_BUFFER_SERVER && downlink_is_request(m);
}

static void count(struct engine *e, const struct downlink *m)
{
    e->queued_messages++;
    e->queued_bytes += m->item.bytes;
    e->queued_by_class[m->item.class_]++;
    m->device->given_back += is_given_back(m);
}

/* A new one in its first state; in no queue yet. NULL: no memory; the message's reference is given up then. */
static struct downlink *make(struct engine *e, const struct downlink_new *n, const struct engine_policy *policy)
{
    handle h;
    struct downlink *m = n->message ? slab_new(&e->downlinks, &h) : NULL;
    if (!m) {
        blob_unref(n->message);
        return NULL;
    }
    m->h = h;
    m->item.class_ = (uint8_t)n->class_;
    m->item.bytes = n->message->len;
    m->item.priority = n->class_ == QUEUE_REQUEST ? policy->priority : 0;
    m->item.storing = n->store;
    m->device = n->device;
    m->message = n->message;
    m->from = n->from;
    m->buffer = (uint8_t)policy->buffer;
    m->server = n->server;
    m->server_type = n->server_type;
    m->server_mid = n->server_mid;
    m->device_mid = (uint16_t)(n->message->data[2] << 8 | n->message->data[3]);
    m->accepted_ms = e->now_ms;
    m->seq = engine_next_seq(e);
    m->state = n->store ? DOWNLINK_STORING : DOWNLINK_QUEUED;
    list_init(&m->storing.node);
    timer_init(&m->deadline, TIMER_DOWNLINK_DEADLINE);
    timer_init(&m->repeat, TIMER_DOWNLINK_REPEAT);
    return m;
}

enum error downlink_add(struct engine *e, const struct downlink_new *n, handle *h)
{
    const struct engine_policy *policy = policy_of(e, n->device, n->server);
    struct admission a;
    struct downlink *m = make(e, n, policy);
    if (!m)
        return ERR_NO_MEMORY;
    enum error err = admission_enter(e, m, policy, &a);
    if (err) {
        blob_unref(m->message);
        slab_delete(&e->downlinks, m->h);
        return err;
    }
    timer_start(&e->timers, &m->deadline, e->now_ms + lifetime_ms(e, n->class_, policy));
    count(e, m);
    if (n->store) {
        m->stored = true;
        m->storing.what = STORING_DOWNLINK;
        downlink_mark_early(e, m);
        device_put_first(e, m->device);
        m->storing.ticket = downlink_put(e, m);
        if (m->storing.ticket == 0) {
            m->stored = false;
            downlink_free(e, m);
            return ERR_NO_MEMORY;
        }
        list_push_back(&e->storing, &m->storing.node);
    }
    admission_settle(e, m, &a);
    if (h)
        *h = m->h;
    return OK;
}

static void tell_accepted(struct engine *e, struct downlink *m)
{
    struct engine_event ev = {.kind = ENGINE_ACCEPTED,
                              .server = m->server,
                              .seq = m->seq,
                              .message = blob_bytes(m->message),
                              .type = (uint8_t)downlink_type(m),
                              .message_id = m->device_mid};
    event_emit(e, m->device, &ev);
}

void downlink_stored(struct engine *e, struct downlink *m, enum error err)
{
    struct device *d = m->device;
    struct exchange *y = slab_get(&e->exchanges, m->from);

    if (m->state != DOWNLINK_STORING) {
        downlink_marked(e, m, err);
        return;
    }
    if (err == OK) {
        m->state = DOWNLINK_QUEUED;
        m->item.storing = false;
        if (y)
            y->state = EXCHANGE_DONE;
        if (m->server_type == COAP_CON)
            server_send_empty(e, d, m->server, COAP_ACK, m->server_mid);
        tell_accepted(e, m);
        buffered_replace(e, m);
        const handle h = m->h;
        if (configuration_refuses(d) && downlink_is_request(m))
            downlink_fail(e, m, FINAL_FAILED, COAP_CODE(5, 2), 0, "refused by the SCEF", d->configuration->cause);
        downlink_flow(e, d);
        if ((m = slab_get(&e->downlinks, h)))
            downlink_unmark(e, m);
        return;
    }
    m->stored = err == ERR_STORE_UNSURE; /* it may be there, and must not come back with a restart */
    downlink_not_accepted(e, m, err);
}

void downlink_refuse(struct engine *e, struct downlink *m, uint8_t code, uint32_t max_age_s, const char *diagnostic)
{
    const struct coap_error how = {.code = code, .max_age_s = max_age_s, .block1_szx = -1, .diagnostic = diagnostic};
    struct coap_view v;
    if (!m->orphan && coap_view_parse(blob_bytes(m->message), &v) == OK) {
        v.message_id = m->server_mid;
        server_refuse(e, m->device, m->server, &v, m->server_type, slab_get(&e->exchanges, m->from), &how);
    }
    downlink_free(e, m);
}

void downlink_not_accepted(struct engine *e, struct downlink *m, enum error err)
{
    struct exchange *y = slab_get(&e->exchanges, m->from);
    /* The server of a request hears why; that of a response hears nothing and repeats it. */
    if (downlink_is_request(m)) {
        downlink_refuse(e, m, (uint8_t)error_coap_code(err), 60, error_text(err));
        return;
    }
    LIST_EACH (it, &m->device->exchanges) {
        struct exchange *x = LIST_ENTRY(it, struct exchange, node);
        if (x->reply_downlink == m->h) {
            x->state = EXCHANGE_ACKNOWLEDGED;
            x->reply_downlink = 0;
            blob_unref(x->reply);
            x->reply = NULL;
            break;
        }
    }
    if (y)
        exchange_free(e, y);
    downlink_free(e, m);
}

/* ------------------------------------------------------------------ what the device says */

/* Requests are submitted in their order, so those stand in front of their level, but for as many that have left the
 * line and come back without having been submitted as may be in flight at once: a queue may hold thousands, and the
 * device says something often. */
#define UNTRIED_AHEAD_MAX 64

struct downlink *downlink_tried_next(const struct device *d, struct tried_cursor *c)
{
    const struct queue *q = &d->queue;
    if (!c->begun)
        c->next = queue_first(q);
    c->begun = true;
    while (c->next) {
        struct downlink *m = LIST_ENTRY(c->next, struct downlink, item);
        const bool tried = m->submitted_ms || m->item.in_flight;
        const bool skips = !tried && downlink_is_request(m) && ++c->untried > UNTRIED_AHEAD_MAX;
        struct queue_item *next = skips ? queue_next_level(q, &m->item) : queue_behind(q, &m->item);
        if (next && (next->priority != m->item.priority || next->class_ != m->item.class_))
            c->untried = 0;
        c->next = next;
        if (tried)
            return m;
    }
    return NULL;
}

struct downlink *downlink_by_device_mid(struct device *d, uint16_t device_mid)
{
    struct tried_cursor c = {0};
    for (struct downlink *m; (m = downlink_tried_next(d, &c));) {
        /* An ACK or RST of ours bears a Message ID of the device's. A message that is back in line counts too: its
         * first sending may have arrived after all. */
        bool ours = downlink_type(m) <= COAP_NON && m->item.class_ != QUEUE_DTLS;
        if (ours && m->device_mid == device_mid && m->submitted_ms)
            return m;
    }
    LIST_EACH (it, &d->awaiting) {
        struct downlink *m = LIST_ENTRY(it, struct downlink, item.node);
        if (m->device_mid == device_mid && m->state == DOWNLINK_AWAITING)
            return m;
    }
    return NULL;
}

/* A notification bears the token of the request that began the observation, and so does the request that cancels it
 * (RFC 7641 clause 3.6): with an Observe option it answers a registration only, and a NON, which may get lost on its
 * further way, never answers a CON. */
static bool is_answer_to(const struct downlink *m, const struct coap_view *response)
{
    struct coap_view request;
    struct coap_option o;
    if (!bytes_equal(message_token(m), response->token))
        return false;
    if (!coap_option_find(response, COAP_OPTION_OBSERVE, &o))
        return true;
    if (response->type == COAP_NON && m->server_type == COAP_CON)
        return false;
    return coap_view_parse(blob_bytes(m->message), &request) == OK &&
           coap_option_find(&request, COAP_OPTION_OBSERVE, &o) && coap_option_uint(o.value) == 0;
}

struct downlink *downlink_answered_by(struct device *d, const struct coap_view *response)
{
    LIST_EACH (it, &d->awaiting) {
        struct downlink *m = LIST_ENTRY(it, struct downlink, item.node);
        if (m->state == DOWNLINK_AWAITING && is_answer_to(m, response))
            return m;
    }
    struct tried_cursor c = {0};
    for (struct downlink *m; (m = downlink_tried_next(d, &c));)
        if (downlink_is_request(m) && m->submitted_ms && is_answer_to(m, response))
            return m;
    return NULL;
}

void downlink_forget_link(struct engine *e, struct downlink *m)
{
    if (!m->delivery_link)
        return;
    map_remove(&e->scefs[device_scef(m->device)].by_delivery_link, t8_link_tail(bytes_of_str(m->delivery_link)));
    free(m->delivery_link);
    m->delivery_link = NULL;
}

void downlink_forget_links(struct engine *e, struct device *d)
{
    LIST_EACH (it, &d->queue.items) {
        struct downlink *m = LIST_ENTRY(it, struct downlink, item.node);
        if (!m->delivery_link)
            continue;
        downlink_forget_link(e, m);
        timer_stop(&e->timers, &m->repeat);
        m->state = DOWNLINK_QUEUED;
        queue_set_in_flight(&d->queue, &m->item, false);
    }
}

static void await(struct downlink *m)
{
    list_push_back(&m->device->awaiting, &m->item.node);
    m->device->awaiting_count++;
}

void downlink_leave_queue(struct engine *e, struct downlink *m, enum downlink_state state)
{
    timer_stop(&e->timers, &m->repeat);
    if (in_queue(m)) {
        queue_remove(&m->device->queue, &m->item);
        await(m);
    }
    downlink_forget_link(e, m);
    m->state = (uint8_t)state;
}

void downlink_acknowledged(struct engine *e, struct downlink *m)
{
    if (m->acknowledged)
        return;
    if (!downlink_is_request(m)) {
        downlink_final(e, m, FINAL_DELIVERED, "", T8_CAUSE_NONE);
        return;
    }
    m->acknowledged = true;
    downlink_leave_queue(e, m, DOWNLINK_AWAITING);
    if (m->stored)
        (void)downlink_put(e, m); /* so that a restart does not send it again */
}

void downlink_answering(struct engine *e, struct downlink *m)
{
    downlink_leave_queue(e, m, DOWNLINK_ANSWERING);
    timer_stop(&e->timers, &m->deadline);
}

void downlink_unanswered(struct engine *e, struct downlink *m)
{
    m->state = DOWNLINK_AWAITING;
    m->acknowledged |= m->server_type == COAP_CON; /* the device has reacted: it is not in flight any more */
    timer_start(&e->timers, &m->deadline, m->deadline.at_ms);
}

/* ------------------------------------------------------------------ ends */

void downlink_final(struct engine *e, struct downlink *m, enum final_state f, const char *reason, enum t8_cause cause)
{
    struct engine_event ev = {.kind = ENGINE_FINAL,
                              .server = m->server,
                              .seq = m->seq,
                              .message = blob_bytes(m->message),
                              .type = (uint8_t)downlink_type(m),
                              .message_id = m->device_mid,
                              .final = f,
                              .reason = reason,
                              .cause = cause,
                              .age_ms = e->now_ms - m->accepted_ms};
    event_emit(e, m->device, &ev);
    history_add(e, m, f, reason, cause);
    downlink_free(e, m);
}

void downlink_fail(struct engine *e, struct downlink *m, enum final_state f, uint8_t code, uint32_t max_age_s,
                   const char *reason, enum t8_cause cause)
{
    struct coap_view v;
    if (downlink_is_request(m) && !m->orphan && coap_view_parse(blob_bytes(m->message), &v) == OK)
        server_send_error(e, m->device, m->server, &v, m->server_type, code, max_age_s, reason);
    downlink_final(e, m, f, reason, cause);
}

void downlink_fail_requests(struct engine *e, struct device *d, const char *reason, enum t8_cause cause)
{
    LIST_EACH_SAFE (it, &d->queue.items) {
        struct downlink *m = LIST_ENTRY(it, struct downlink, item.node);
        if (m->state != DOWNLINK_STORING)
            downlink_fail(e, m, FINAL_FAILED, COAP_CODE(5, 2), 0, reason, cause);
    }
}

void downlink_free(struct engine *e, struct downlink *m)
{
    if (m->stored)
        engine_message_delete(e, RECORD_DOWNLINK, m->device, m->seq);
    if (downlink_is_request(m) && !m->first_sent_ms && m->device->more)
        observation_unsent(e, m->device, m->server, message_token(m));
    admission_forget(e, m);
    downlink_leave_queue(e, m, DOWNLINK_AWAITING);
    list_remove(&m->item.node);
    m->device->awaiting_count--;
    list_remove(&m->storing.node);
    timer_stop(&e->timers, &m->deadline);
    e->queued_messages--;
    e->queued_bytes -= m->item.bytes;
    e->queued_by_class[m->item.class_]--;
    m->device->given_back -= is_given_back(m);
    blob_unref(m->message);
    slab_delete(&e->downlinks, m->h);
}

/* ------------------------------------------------------------------ after a restart */

void downlink_replaced(struct engine *e, struct device *d, uint64_t seq)
{
    struct list *const lists[] = {&d->queue.items, &d->awaiting};
    for (unsigned i = 0; i < 2; i++) {
        LIST_EACH_SAFE (it, lists[i]) {
            struct downlink *m = LIST_ENTRY(it, struct downlink, item.node);
            if (seq && m->seq == seq)
                downlink_free(e, m);
        }
    }
}

enum error downlink_restore(struct engine *e, struct device *d, uint32_t server, const struct record_message *r)
{
    struct coap_view v;
    handle h;
    if (coap_view_parse(r->message, &v) != OK)
        return ERR_STORE_CORRUPT;
    if (spool_answers(d, r->seq) || history_has(d, r->seq)) {
        engine_message_delete(e, RECORD_DOWNLINK, d, r->seq);
        return OK;
    }
    struct downlink *m = slab_new(&e->downlinks, &h);
    if (!m)
        return ERR_NO_MEMORY;
    struct exchange *y = exchange_new(e, d, server, &v, true);
    struct blob *message = y ? blob_of(r->message) : NULL;
    if (!message) {
        if (y)
            exchange_free(e, y);
        slab_delete(&e->downlinks, h);
        return ERR_NO_MEMORY;
    }
    y->leg_mid = r->server_mid;
    exchange_seen(y);
    y->state = EXCHANGE_DONE;
    m->h = h;
    m->from = y->h;
    m->device = d;
    m->message = message;
    m->server = server;
    m->buffer = (uint8_t)policy_of(e, d, server)->buffer;
    m->orphan = server_is_reliable(e, server);
    m->seq = r->seq;
    m->accepted_ms = r->accepted_ms;
    m->server_type = r->type;
    m->server_mid = r->server_mid;
    m->device_mid = r->device_mid;
    m->stored = true;
    m->item.class_ = r->queue_class;
    m->item.bytes = message->len;
    m->item.priority = r->priority;
    m->item.place = r->place_seq;
    list_init(&m->storing.node);
    timer_init(&m->deadline, TIMER_DOWNLINK_DEADLINE);
    timer_init(&m->repeat, TIMER_DOWNLINK_REPEAT);
    timer_start(&e->timers, &m->deadline, r->deadline_ms);
    count(e, m);
    /* Whether it had been sent is not known: an answer to the sending before the restart is as good as any. */
    m->submitted_ms = r->accepted_ms;
    m->first_sent_ms = r->sent_ms;
    if (r->flags & RECORD_DEVICE_ACKNOWLEDGED) {
        m->acknowledged = true;
        m->state = DOWNLINK_AWAITING;
        await(m);
        return OK;
    }
    m->state = DOWNLINK_QUEUED;
    queue_insert(&d->queue, &m->item);
    if (d->configuration && buffered_known(e, m, r->delivery_link))
        buffered_restored(e, m);
    else if ((m->unsure = downlink_goes_to_buffer(m)))
        m->item.not_before_ms = e->now_ms + e->o.nidd_ack_timeout_ms; /* a POST of before may still be on its way */
    return OK;
}
