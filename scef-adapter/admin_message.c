/* A message that waits for a device, for eyes: CoAP options by name as far as they are in clear. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nidd/block.h"
#include "nidd/coap_path.h"
#include "scef-adapter/admin_internal.h"

enum option_format { FORMAT_OPAQUE, FORMAT_EMPTY, FORMAT_UINT, FORMAT_TEXT, FORMAT_BLOCK };

/* IANA's registry of CoAP option numbers, the standards-track ones. */
static const struct option_name {
    uint16_t number;
    const char *name;
    enum option_format format;
} option_names[] = {
    {1, "If-Match", FORMAT_OPAQUE},      {3, "Uri-Host", FORMAT_TEXT},      {4, "ETag", FORMAT_OPAQUE},
    {5, "If-None-Match", FORMAT_EMPTY},  {6, "Observe", FORMAT_UINT},       {7, "Uri-Port", FORMAT_UINT},
    {8, "Location-Path", FORMAT_TEXT},   {9, "OSCORE", FORMAT_OPAQUE},      {11, "Uri-Path", FORMAT_TEXT},
    {12, "Content-Format", FORMAT_UINT}, {14, "Max-Age", FORMAT_UINT},      {15, "Uri-Query", FORMAT_TEXT},
    {16, "Hop-Limit", FORMAT_UINT},      {17, "Accept", FORMAT_UINT},       {19, "Q-Block1", FORMAT_BLOCK},
    {20, "Location-Query", FORMAT_TEXT}, {21, "EDHOC", FORMAT_EMPTY},       {23, "Block2", FORMAT_BLOCK},
    {27, "Block1", FORMAT_BLOCK},        {28, "Size2", FORMAT_UINT},        {31, "Q-Block2", FORMAT_BLOCK},
    {35, "Proxy-Uri", FORMAT_TEXT},      {39, "Proxy-Scheme", FORMAT_TEXT}, {60, "Size1", FORMAT_UINT},
    {252, "Echo", FORMAT_OPAQUE},        {258, "No-Response", FORMAT_UINT}, {292, "Request-Tag", FORMAT_OPAQUE},
};

static const struct option_name *option_name_of(uint32_t number)
{
    for (size_t i = 0; i < sizeof(option_names) / sizeof(option_names[0]); i++)
        if (option_names[i].number == number)
            return &option_names[i];
    return NULL;
}

static void option_json(struct buf *b, const struct coap_option *o)
{
    const struct option_name *n = option_name_of(o->number);
    const uint32_t v = coap_option_uint(o->value);
    char block[40];
    json_out_open(b, NULL, '{');
    json_out_number(b, "number", o->number);
    json_out_str(b, "name", n ? n->name : NULL);
    switch (n && o->value.len <= 4 ? n->format : n && n->format == FORMAT_TEXT ? FORMAT_TEXT : FORMAT_OPAQUE) {
    case FORMAT_UINT:
        json_out_number(b, "value", v);
        break;
    case FORMAT_TEXT:
        json_out_text(b, "value", o->value);
        break;
    case FORMAT_BLOCK: /* as in RFC 7959 clause 2.3: number, more, size */
        snprintf(block, sizeof(block), "%u/%u/%u", v >> 4, v >> 3 & 1, 16u << (v & 7));
        json_out_str(b, "value", block);
        break;
    case FORMAT_EMPTY:
    case FORMAT_OPAQUE:
        json_out_hex(b, "value", o->value);
        break;
    }
    json_out_close(b, '}');
}

static void whole_json(struct buf *b, const struct coap_view *v)
{
    struct coap_option o;
    struct coap_option_cursor c = {0};
    json_out_open(b, "options", '[');
    while (coap_option_next(v, &c, &o))
        option_json(b, &o);
    json_out_close(b, ']');
    json_out_bool(b, "oscore", coap_option_find(v, COAP_OPTION_OSCORE, &o)); /* then the rest is hidden */
    const size_t at = c.offset ? c.offset : COAP_HEADER_BYTES + v->token.len;
    if (!c.broken && at < v->message.len) /* behind the payload marker */
        json_out_hex(b, "payload", bytes_from(v->message, at + 1));
}

const char *admin_method_name(uint8_t code)
{
    static const char *const names[] = {"GET", "POST", "PUT", "DELETE", "FETCH", "PATCH", "iPATCH"};
    return code >= 1 && code <= 7 ? names[code - 1] : NULL;
}

static void coap_json(struct buf *b, const struct coap_view *v, bool whole)
{
    char code[8], path[COAP_PATH_TEXT_MAX];
    const struct bytes text = coap_path_text(v->message, path);
    coap_code_text(v->code, code);
    json_out_str(b, "type", coap_type_text((uint8_t)v->type));
    json_out_str(b, "code", code);
    json_out_str(b, "method", admin_method_name(v->code));
    if (text.len)
        json_out_text(b, "path", text);
    else
        json_out_null(b, "path");
    json_out_number(b, "message_id", v->message_id);
    json_out_hex(b, "token", v->token);
    if (whole)
        whole_json(b, v);
}

void admin_message_json(struct adapter *a, struct buf *b, const struct engine_message_info *m, bool whole)
{
    struct coap_view v;
    json_out_open(b, NULL, '{');
    json_out_number(b, "seq", m->seq);
    json_out_str(b, "class", m->class_);
    json_out_str(b, "state", m->state);
    json_out_str(b, "waits_for", m->waits_for);
    json_out_time(b, "until", m->until_ms);
    if (strcmp(m->class_, engine_message_class_name(QUEUE_REQUEST)) == 0)
        json_out_number(b, "priority", m->priority);
    else
        json_out_null(b, "priority");
    json_out_str(b, "server", engine_server_name(a->engine, m->server));
    json_out_time(b, "accepted", m->accepted_ms);
    json_out_number(b, "age_s", m->age_ms / 1000);
    json_out_time(b, "deadline", m->deadline_ms);
    json_out_number(b, "attempts", m->attempts);
    json_out_number(b, "bytes", m->message.len);
    if (payload_kind_of(m->message) == PAYLOAD_COAP && coap_view_parse(m->message, &v) == OK)
        coap_json(b, &v, whole);
    if (whole)
        json_out_hex(b, "message", m->message);
    json_out_close(b, '}');
}

void admin_message_unknown(struct admin_request *r)
{
    http_reply_error(r->x, ERR_NOT_FOUND, "no such message waits for the device: it has ended, or never was", NULL);
}

struct wanted {
    uint64_t seq;
    struct engine_message_info *m;
    bool found;
};

static bool is_wanted(void *ctx, const struct engine_message_info *m)
{
    struct wanted *w = ctx;
    w->found = m->seq == w->seq;
    if (w->found)
        *w->m = *m;
    return !w->found;
}

bool admin_message_find(struct admin_request *r, struct engine_message_info *m)
{
    const char *text = r->parts[1];
    const size_t n = strlen(text);
    struct wanted w = {.m = m};
    if (n < 20 && strspn(text, "0123456789") == n)
        w.seq = strtoull(text, NULL, 10);
    if (w.seq)
        engine_messages_each(r->a->engine, bytes_of_str(r->parts[0]), is_wanted, &w);
    if (!w.found)
        admin_message_unknown(r);
    return w.found;
}
