#include "scef-adapter/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "scef-adapter/json_out.h"

#define WAITING_MAX_BYTES (1u << 20) /* written early when a turn of the loop tells more */

struct trace {
    int fd;
    struct buf waiting;
    uint64_t lines; /* in waiting */
    uint64_t lost;
};

enum error trace_open(const char *path, struct trace **out)
{
    struct trace *t = calloc(1, sizeof(*t));
    *out = t;
    if (!t)
        return ERR_NO_MEMORY;
    t->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (t->fd >= 0)
        return OK;
    free(t);
    *out = NULL;
    return ERR_SYSTEM;
}

static void waiting_write(struct trace *t)
{
    size_t at = 0;
    bool failed = t->waiting.failed;
    while (!failed && at < t->waiting.len) {
        ssize_t n = write(t->fd, t->waiting.data + at, t->waiting.len - at);
        if (n > 0)
            at += (size_t)n;
        else if (errno != EINTR)
            failed = true;
    }
    if (failed)
        t->lost += t->lines;
    t->lines = 0;
    buf_reset(&t->waiting);
}

uint64_t trace_flush(struct trace *t)
{
    if (t->lines)
        waiting_write(t);
    uint64_t lost = t->lost;
    t->lost = 0;
    return lost;
}

void trace_close(struct trace *t)
{
    if (!t)
        return;
    waiting_write(t);
    close(t->fd);
    buf_free(&t->waiting);
    free(t);
}

const char *trace_event_name(enum engine_event_kind kind)
{
    switch (kind) {
    case ENGINE_UPLINK:
        return "uplink";
    case ENGINE_TO_SERVER:
        return "to_server";
    case ENGINE_FROM_SERVER:
        return "from_server";
    case ENGINE_SUBMIT:
        return "submit";
    case ENGINE_SUBMIT_RESULT:
        return "submit_result";
    case ENGINE_DELIVERY_STATUS:
        return "delivery_status";
    case ENGINE_ACCEPTED:
        return "accepted";
    case ENGINE_FINAL:
        return "final";
    case ENGINE_DROPPED:
        return "dropped";
    case ENGINE_DUPLICATE:
        return "duplicate";
    case ENGINE_SPOOLED:
        return "spooled";
    case ENGINE_SERVER_STATE:
        return "server_state";
    case ENGINE_LEARNED:
        return "learned";
    case ENGINE_CONFIGURATION:
        return "configuration";
    case ENGINE_REACHABLE:
        return "reachable";
    case ENGINE_AUDIT:
        return "audit";
    }
    return "unknown";
}

static void message_format(struct buf *out, const struct engine_event *e)
{
    struct coap_view v;
    json_out_number(out, "len", e->message.len);
    if (coap_view_parse(e->message, &v) != OK)
        return;
    char code[8];
    coap_code_text(v.code, code);
    json_out_str(out, "type", coap_type_text(e->type));
    json_out_str(out, "code", code);
    json_out_number(out, "mid", e->message_id);
    if (v.token.len)
        json_out_hex(out, "token", v.token);
}

void trace_format(struct buf *out, uint64_t now_ms, const struct engine_event *e, const char *scef_name,
                  const char *server_name)
{
    json_out_open(out, NULL, '{');
    json_out_number(out, "ts_ms", now_ms);
    json_out_str(out, "event", trace_event_name(e->kind));
    if (e->device_id.len)
        json_out_text(out, "ext_id", e->device_id);
    if (e->group_id.len)
        json_out_text(out, "group", e->group_id);
    if (scef_name)
        json_out_str(out, "scef", scef_name);
    if (server_name)
        json_out_str(out, "server", server_name);
    if (e->message.len)
        message_format(out, e);
    if (e->seq)
        json_out_number(out, "seq", e->seq);
    if (e->kind == ENGINE_FINAL)
        json_out_str(out, "state", final_state_name(e->final));
    if (e->kind == ENGINE_AUDIT)
        json_out_text(out, "endpoint", e->endpoint);
    if (e->reason && e->reason[0])
        json_out_str(out, "reason", e->reason);
    if (e->kind == ENGINE_SUBMIT_RESULT || (e->kind == ENGINE_CONFIGURATION && e->http_status))
        json_out_number(out, "status", (uint64_t)e->http_status);
    if (t8_cause_name(e->cause)[0])
        json_out_str(out, "cause", t8_cause_name(e->cause));
    if (t8_delivery_status_name(e->delivery_status)[0])
        json_out_str(out, "delivery_status", t8_delivery_status_name(e->delivery_status));
    if (e->kind == ENGINE_FINAL)
        json_out_number(out, "age_ms", e->age_ms);
    if (e->kind == ENGINE_SERVER_STATE)
        json_out_bool(out, "up", e->up);
    json_out_close(out, '}');
    buf_add_u8(out, '\n');
}

void trace_event(struct trace *t, uint64_t now_ms, const struct engine_event *e, const char *scef_name,
                 const char *server_name)
{
    t->lines++;
    trace_format(&t->waiting, now_ms, e, scef_name, server_name);
    if (t->waiting.len > WAITING_MAX_BYTES)
        waiting_write(t);
}
