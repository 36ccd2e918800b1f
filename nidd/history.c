#include "nidd/history.h"

#include <stdlib.h>
#include <string.h>

struct final_entry {
    struct list node;        /* of the engine, in the order in which they came here */
    struct list device_node; /* of the device, the same */
    struct timer timer;      /* its end */
    struct device *device;
    uint64_t seq;
    uint64_t accepted_ms, final_ms;
    uint32_t bytes, attempts;
    uint8_t class_, code, final;
    uint8_t path_len;
    uint16_t server_len, reason_len;
    uint8_t text[]; /* server, reason, path */
};

#define PATH_MAX_BYTES 64

/* ---- what is told of a message */

static void write_segment(struct bytes value, char before, char out[PATH_MAX_BYTES], size_t *len)
{
    if (*len < PATH_MAX_BYTES)
        out[(*len)++] = before;
    for (size_t i = 0; i < value.len && *len < PATH_MAX_BYTES; i++)
        out[(*len)++] = value.data[i] >= ' ' && value.data[i] < 0x7f ? (char)value.data[i] : '?';
}

/* "/3/0?pmin=1"; empty under OSCORE, whose outer path says nothing. */
static struct bytes path_of(struct bytes message, char out[PATH_MAX_BYTES])
{
    struct coap_view v;
    struct coap_option o;
    struct coap_option_cursor c = {0};
    size_t len = 0;
    bool first = true;
    if (coap_view_parse(message, &v) != OK || !coap_is_request(&v) || coap_option_find(&v, COAP_OPTION_OSCORE, &o))
        return (struct bytes){0};
    while (coap_option_next(&v, &c, &o)) {
        if (o.number == COAP_OPTION_URI_PATH) {
            write_segment(o.value, '/', out, &len);
        } else if (o.number == COAP_OPTION_URI_QUERY) {
            write_segment(o.value, first ? '?' : '&', out, &len);
            first = false;
        }
    }
    return bytes_of(out, len);
}

/* ---- in memory */

static size_t size_of(const struct final_entry *n)
{
    return sizeof(*n) + n->server_len + n->reason_len + n->path_len;
}

static void entry_free(struct engine *e, struct final_entry *n)
{
    timer_stop(&e->timers, &n->timer);
    list_remove(&n->node);
    list_remove(&n->device_node);
    n->device->more->final_count--;
    e->finals--;
    e->history_bytes -= size_of(n);
    free(n);
}

/* Should the store refuse, the next start deletes what is out of date. */
static void record_end(struct engine *e, const struct device *d, uint64_t seq)
{
    buf_reset(&e->key);
    record_message_key(RECORD_FINAL, device_id_bytes(d), seq, &e->key);
    if (!e->key.failed)
        (void)e->ports.store_delete(e->ports.ctx, buf_bytes(&e->key));
}

static void entry_end(struct engine *e, struct final_entry *n)
{
    record_end(e, n->device, n->seq);
    entry_free(e, n);
}

static struct final_entry *oldest_of(struct list *l, bool of_device)
{
    if (list_empty(l))
        return NULL;
    return of_device ? LIST_ENTRY(l->next, struct final_entry, device_node)
                     : LIST_ENTRY(l->next, struct final_entry, node);
}

static void make_room(struct engine *e, struct device_more *more, size_t bytes)
{
    struct final_entry *n;
    while (more->final_count >= e->o.history_max && (n = oldest_of(&more->finals, true)))
        entry_end(e, n);
    while (e->history_bytes + bytes > e->o.history_total_bytes && (n = oldest_of(&e->history, false)))
        entry_end(e, n);
}

static size_t bytes_needed(const struct record_final *r)
{
    return sizeof(struct final_entry) + r->server.len + r->reason.len + r->path.len;
}

static bool is_kept(const struct engine *e, const struct record_final *r)
{
    return e->o.history_ms && e->o.history_max && bytes_needed(r) <= e->o.history_total_bytes &&
           r->path.len <= PATH_MAX_BYTES && r->server.len <= UINT16_MAX && r->reason.len <= UINT16_MAX;
}

static uint8_t *write_text(uint8_t *out, struct bytes text)
{
    if (text.len)
        memcpy(out, text.data, text.len);
    return out + text.len;
}

/* NULL: no memory. */
static struct final_entry *entry_new(struct engine *e, struct device *d, const struct record_final *r)
{
    struct device_more *more = device_more(d);
    struct final_entry *n = more ? malloc(bytes_needed(r)) : NULL;
    if (!n)
        return NULL;
    if (!more->finals.next)
        list_init(&more->finals);
    make_room(e, more, bytes_needed(r));
    *n = (struct final_entry){.device = d,
                              .seq = r->seq,
                              .accepted_ms = r->accepted_ms,
                              .final_ms = r->final_ms,
                              .bytes = r->bytes,
                              .attempts = r->attempts,
                              .class_ = r->queue_class,
                              .code = r->code,
                              .final = r->final,
                              .path_len = (uint8_t)r->path.len,
                              .server_len = (uint16_t)r->server.len,
                              .reason_len = (uint16_t)r->reason.len};
    (void)write_text(write_text(write_text(n->text, r->server), r->reason), r->path);
    timer_init(&n->timer, TIMER_HISTORY);
    timer_start(&e->timers, &n->timer, n->final_ms + e->o.history_ms);
    list_push_back(&e->history, &n->node);
    list_push_back(&more->finals, &n->device_node);
    more->final_count++;
    e->finals++;
    e->history_bytes += size_of(n);
    return n;
}

bool history_has(const struct device *d, uint64_t seq)
{
    if (!d->more || !d->more->finals.next)
        return false;
    LIST_EACH (it, &d->more->finals)
        if (LIST_ENTRY(it, const struct final_entry, device_node)->seq == seq)
            return true;
    return false;
}

void history_timer(struct engine *e, struct timer *t)
{
    entry_end(e, LIST_ENTRY(t, struct final_entry, timer));
}

void history_forget_device(struct engine *e, struct device *d)
{
    struct final_entry *n;
    while (d->more && d->more->finals.next && (n = oldest_of(&d->more->finals, true)))
        entry_free(e, n);
}

void history_free(struct engine *e)
{
    struct final_entry *n;
    while ((n = oldest_of(&e->history, false)))
        entry_free(e, n);
}

/* ---- in */

static void keep(struct engine *e, struct device *d, struct record_final *r)
{
    r->device_id = device_id_bytes(d);
    r->final_ms = e->now_ms;
    if (!is_kept(e, r) || !entry_new(e, d, r))
        return;
    buf_reset(&e->key);
    buf_reset(&e->value);
    record_message_key(RECORD_FINAL, r->device_id, r->seq, &e->key);
    record_final_encode(buf_bytes(&e->key), r, &e->value);
    (void)engine_record_put(e);
}

void history_add(struct engine *e, const struct downlink *m, enum final_state f, const char *reason,
                 enum t8_cause cause)
{
    char path[PATH_MAX_BYTES];
    struct buf why = {0};
    const char *told = t8_cause_name(cause);
    if (e->o.history_ms == 0 || !m->stored)
        return;
    buf_add_str(&why, reason);
    if (*told && strcmp(told, reason) != 0) {
        buf_add_str(&why, *reason ? ": " : "");
        buf_add_str(&why, told);
    }
    struct record_final r = {.seq = m->seq,
                             .accepted_ms = m->accepted_ms,
                             .bytes = m->message->len,
                             .attempts = m->attempts,
                             .queue_class = m->item.class_,
                             .code = m->item.class_ == QUEUE_DTLS ? 0 : m->message->data[1],
                             .final = (uint8_t)f,
                             .server = bytes_of_str(engine_server_name(e, m->server)),
                             .reason = buf_bytes(&why),
                             .path =
                                 downlink_is_request(m) ? path_of(blob_bytes(m->message), path) : (struct bytes){0}};
    keep(e, m->device, &r);
    buf_free(&why);
}

void history_add_answered(struct engine *e, const struct exchange *x, uint64_t seq, uint64_t accepted_ms,
                          enum final_state f, const char *reason)
{
    if (e->o.history_ms == 0)
        return;
    struct record_final r = {.seq = seq,
                             .accepted_ms = accepted_ms,
                             .queue_class = QUEUE_REQUEST,
                             .final = (uint8_t)f,
                             .server = bytes_of_str(engine_server_name(e, x->server)),
                             .reason = bytes_of_str(reason)};
    keep(e, x->device, &r);
}

enum error engine_restore_final(struct engine *e, const struct record_final *r)
{
    struct device *d = map_get(&e->by_id, r->device_id);
    if (!d)
        return ERR_UNKNOWN_DEVICE;
    if (r->final == FINAL_NONE || r->final >= FINAL_COUNT || r->path.len > PATH_MAX_BYTES || history_has(d, r->seq))
        return ERR_STORE_CORRUPT;
    if (r->seq > e->last_seq)
        e->last_seq = r->seq;
    if (!is_kept(e, r)) {
        record_end(e, d, r->seq);
        return OK;
    }
    return entry_new(e, d, r) ? OK : ERR_NO_MEMORY; /* the timer ends what is out of date */
}

/* ---- out */

bool engine_final_next(const struct engine *e, struct bytes device_id, uint32_t *cursor, struct engine_final_info *out)
{
    const struct device *d = device_named(e, device_id);
    uint32_t at = 0;
    if (!d || !d->more || !d->more->finals.next)
        return false;
    LIST_EACH (it, &d->more->finals) {
        const struct final_entry *n = LIST_ENTRY(it, const struct final_entry, device_node);
        if (at++ < *cursor)
            continue;
        *cursor = at;
        *out = (struct engine_final_info){.seq = n->seq,
                                          .class_ = downlink_class_name((enum queue_class)n->class_),
                                          .code = n->code,
                                          .server = bytes_of(n->text, n->server_len),
                                          .reason = bytes_of(n->text + n->server_len, n->reason_len),
                                          .path = bytes_of(n->text + n->server_len + n->reason_len, n->path_len),
                                          .accepted_ms = n->accepted_ms,
                                          .final_ms = n->final_ms,
                                          .final = (enum final_state)n->final,
                                          .attempts = n->attempts,
                                          .bytes = n->bytes};
        return true;
    }
    return false;
}
