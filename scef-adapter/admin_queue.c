/* What waits for devices, and what became of what waited. */
#include "scef-adapter/admin_internal.h"

/* ---- what waits, counted ---- */

static void count_json(struct buf *b, const char *key, const struct engine_count *c)
{
    json_out_open(b, key, '{');
    json_out_number(b, "messages", c->messages);
    json_out_number(b, "bytes", c->bytes);
    json_out_close(b, '}');
}

static void top_json(struct adapter *a, struct buf *b, const struct engine_top *t)
{
    struct engine_device_info d;
    uint32_t cursor = t->leg;
    if (!engine_device_next(a->engine, &cursor, &d) || d.leg != t->leg)
        return; /* it is served no more */
    json_out_open(b, NULL, '{');
    if (d.id.external_id.len)
        json_out_text(b, "external_id", d.id.external_id);
    else
        json_out_text(b, "msisdn", d.id.msisdn);
    json_out_number(b, "messages", t->messages);
    json_out_number(b, "bytes", t->bytes);
    json_out_close(b, '}');
}

static void totals_done(struct admin_job *j)
{
    const struct engine_survey *s = &j->survey;
    const uint64_t now_ms = adapter_now(j->a);
    struct engine_totals t;
    struct buf b = {0};
    engine_totals_get(j->a->engine, &t);
    json_out_open(&b, NULL, '{');
    json_out_number(&b, "messages", s->all.messages);
    json_out_number(&b, "bytes", s->all.bytes);
    json_out_time(&b, "oldest_accepted", s->oldest_accepted_ms);
    json_out_number(&b, "oldest_age_s", s->oldest_accepted_ms ? (now_ms - s->oldest_accepted_ms) / 1000 : 0);
    json_out_open(&b, "classes", '{');
    for (unsigned i = 0; i <= QUEUE_DTLS; i++)
        count_json(&b, engine_message_class_name((enum queue_class)i), &s->of_class[i]);
    json_out_close(&b, '}');
    json_out_open(&b, "states", '{');
    for (unsigned i = 0; i < ENGINE_MESSAGE_STATES; i++)
        count_json(&b, engine_message_state_name(i), &s->of_state[i]);
    json_out_close(&b, '}');
    json_out_open(&b, "top_devices", '[');
    for (uint32_t i = 0; i < s->top_count; i++)
        top_json(j->a, &b, &s->top[i]);
    json_out_close(&b, ']');
    json_out_number(&b, "spooled_messages", t.spooled_messages);
    json_out_number(&b, "spooled_bytes", t.spooled_bytes);
    json_out_number(&b, "final_states_kept", t.finals);
    json_out_close(&b, '}');
    admin_reply_json(j->x, 200, &b);
}

void admin_totals(struct admin_request *r)
{
    admin_survey(r, totals_done);
}

/* ---- lists ---- */

/* A page that is being written. */
struct page {
    struct adapter *a;
    struct buf b;
    uint64_t left, cursor;
    uint64_t skip; /* the messages that earlier pages had */
    bool more;
};

static void page_begin(struct page *p, const char *member)
{
    json_out_open(&p->b, NULL, '{');
    json_out_open(&p->b, member, '[');
}

static void page_end(struct page *p, struct http_exchange *x)
{
    json_out_close(&p->b, ']');
    admin_next_cursor(&p->b, p->more, p->cursor);
    json_out_close(&p->b, '}');
    admin_reply_json(x, 200, &p->b);
}

static bool page_message(void *ctx, const struct engine_message_info *m)
{
    struct page *p = ctx;
    if (p->skip) {
        p->skip--;
        return true;
    }
    if (p->left == 0) {
        p->more = true;
        return false;
    }
    p->left--;
    p->cursor++;
    admin_message_json(p->a, &p->b, m, false);
    return true;
}

/* The cursor counts messages: what ends between two pages makes the second one begin so much later. */
void admin_queue(struct admin_request *r)
{
    struct page p = {.a = r->a};
    struct engine_device_info d;
    if (!admin_query_page(r, UINT32_MAX, &p.left, &p.cursor) || !admin_device_find(r, &d))
        return;
    p.skip = p.cursor;
    page_begin(&p, "messages");
    engine_messages_each(r->a->engine, bytes_of_str(r->parts[0]), page_message, &p);
    page_end(&p, r->x);
}

void admin_queue_message(struct admin_request *r)
{
    struct engine_device_info d;
    struct engine_message_info m;
    struct buf b = {0};
    if (!admin_device_find(r, &d) || !admin_message_find(r, &m))
        return;
    admin_message_json(r->a, &b, &m, true);
    admin_reply_json(r->x, 200, &b);
}

/* ---- final states ---- */

static void text_or_null(struct buf *b, const char *key, struct bytes text)
{
    if (text.len)
        json_out_text(b, key, text);
    else
        json_out_null(b, key);
}

static bool page_final(void *ctx, const struct engine_final_info *f)
{
    struct page *p = ctx;
    struct buf *b = &p->b;
    char code[8];
    if (p->left == 0) {
        p->more = true;
        return false;
    }
    p->left--;
    p->cursor = f->number;
    coap_code_text(f->code, code);
    json_out_open(b, NULL, '{');
    json_out_text(b, "device", f->device_id);
    json_out_number(b, "seq", f->seq);
    json_out_str(b, "state", final_state_name(f->final));
    text_or_null(b, "reason", f->reason);
    json_out_time(b, "accepted", f->accepted_ms);
    json_out_time(b, "ended", f->final_ms);
    json_out_str(b, "class", f->class_);
    json_out_str(b, "code", f->code ? code : NULL);
    json_out_str(b, "method", admin_method_name(f->code));
    text_or_null(b, "path", f->path);
    json_out_text(b, "server", f->server);
    json_out_number(b, "attempts", f->attempts);
    json_out_number(b, "bytes", f->bytes);
    json_out_close(b, '}');
    return true;
}

static void history(struct admin_request *r, struct bytes device_id)
{
    struct page p = {.a = r->a};
    if (!admin_query_page(r, UINT64_MAX, &p.left, &p.cursor))
        return;
    page_begin(&p, "final_states");
    engine_finals_each(r->a->engine, device_id, p.cursor ? p.cursor : UINT64_MAX, page_final, &p);
    page_end(&p, r->x);
}

void admin_history(struct admin_request *r)
{
    history(r, (struct bytes){0});
}

void admin_device_history(struct admin_request *r)
{
    struct engine_device_info d;
    if (admin_device_find(r, &d))
        history(r, bytes_of_str(r->parts[0]));
}
