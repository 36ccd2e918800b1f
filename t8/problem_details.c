/* ProblemDetails (TS 29.122 clause 5.2.1.2.12) and NiddDownlinkDataDeliveryFailure (5.6.2.1.13). */
#include "t8/dialect.h"
#include "t8/nidd_internal.h"

#include <string.h>

struct t8_problem t8_problem_of(enum error e)
{
    struct bytes cause = bytes_of_str(error_t8_cause(e));
    return (struct t8_problem){
        .status = error_http_status(e),
        .title = bytes_of_str(error_text(e)),
        .cause_text = cause,
        .cause = t8_cause_parse(cause),
    };
}

/* ---- writing */

void t8_json_put_problem(struct t8_json_writer *w, const struct t8_problem *p)
{
    t8_json_put_text(w, "title", p->title);
    if (p->status)
        t8_json_put_integer(w, "status", p->status);
    t8_json_put_text(w, "detail", p->detail);
    if (p->cause_text.len)
        t8_json_put_text(w, "cause", p->cause_text);
    else
        t8_json_put_str(w, "cause", t8_cause_name(p->cause));
    if (p->invalid_param.len || p->invalid_reason.len) { /* the pointer "" means the whole body */
        buf_add_str(w->out, w->first ? "\"invalidParams\":[" : ",\"invalidParams\":[");
        struct t8_json_writer item;
        t8_json_open(&item, w->out);
        if (p->invalid_param.len)
            t8_json_put_text(&item, "param", p->invalid_param);
        else
            t8_json_put_empty(&item, "param");
        t8_json_put_text(&item, "reason", p->invalid_reason);
        t8_json_close(&item);
        buf_add_u8(w->out, ']');
        w->bad_text |= item.bad_text;
        w->first = false;
    }
}

enum error t8_problem_encode(const struct t8_problem *p, struct buf *out)
{
    size_t start = out->len;
    struct t8_json_writer w;
    t8_json_open(&w, out);
    t8_json_put_problem(&w, p);
    return t8_json_finish(&w, start);
}

enum error nidd_delivery_failure_encode(const struct t8_problem *p, uint64_t requested_retransmission_ms,
                                        struct buf *out)
{
    size_t start = out->len;
    struct t8_json_writer w;
    t8_json_open(&w, out);
    t8_json_put_open(&w, "problemDetail");
    t8_json_put_problem(&w, p);
    t8_json_close(&w);
    t8_json_put_time(&w, "requestedRetransmissionTime", requested_retransmission_ms);
    return t8_json_finish(&w, start);
}

/* ---- reading */

/* The member's name of today, else with a capital (before V15.2.0). */
static struct bytes text_of(const json_t *o, const char *name, const char *old_name)
{
    struct t8_json_value v = t8_json_value_of(json_object_get(o, name));
    if (v.type != T8_JSON_STRING)
        v = t8_json_value_of(json_object_get(o, old_name));
    return v.type == T8_JSON_STRING ? v.text : bytes_of(NULL, 0);
}

/* One SCEF tells its cause only in the text, "SCEF-ERR-403-111: ..." (t8/dialect.h). Finds the code, and what it means.
 */
static void cause_from_text(struct bytes text, struct t8_problem *p)
{
    static const char mark[] = "SCEF-ERR-";
    static const char shape[] = "ddd-ddd";
    const size_t mark_len = sizeof mark - 1;
    const size_t code_len = mark_len + sizeof shape - 1;
    const uint8_t *at = text.len ? memmem(text.data, text.len, mark, mark_len) : NULL;
    if (!at || text.len - (size_t)(at - text.data) < code_len)
        return;
    for (size_t i = 0; i < sizeof shape - 1; i++) {
        uint8_t c = at[mark_len + i];
        if (shape[i] == 'd' ? c < '0' || c > '9' : c != (uint8_t)shape[i])
            return;
    }
    p->cause_text = bytes_of(at, code_len);
    unsigned code = 0;
    for (size_t i = code_len - 3; i < code_len; i++)
        code = code * 10 + (unsigned)(at[i] - '0');
    p->cause = T8_CAUSE_NONE;
    (void)t8_error_code_meaning(code, &p->status_of_code, &p->cause);
    if (p->cause == T8_CAUSE_NONE)
        p->cause = T8_CAUSE_OTHER;
}

static void read_problem(const json_t *o, struct t8_problem *p)
{
    struct t8_json_value status = t8_json_value_of(json_object_get(o, "status"));
    if (status.type != T8_JSON_INTEGER)
        status = t8_json_value_of(json_object_get(o, "Status"));
    if (status.type == T8_JSON_INTEGER && status.number >= 100 && status.number <= 599)
        p->status = (int)status.number;
    p->title = text_of(o, "title", "Title");
    p->detail = text_of(o, "detail", "Detail");
    p->cause_text = text_of(o, "cause", "Cause");
    p->cause = t8_cause_parse(p->cause_text);
    const json_t *param = json_array_get(json_object_get(o, "invalidParams"), 0);
    p->invalid_param = text_of(param, "param", "Param");
    p->invalid_reason = text_of(param, "reason", "Reason");
    if (p->cause_text.len == 0)
        cause_from_text(p->detail, p);
    if (p->cause_text.len == 0)
        cause_from_text(p->title, p);
}

void t8_problem_decode(struct bytes body, struct t8_problem *p, uint64_t *requested_retransmission_ms,
                       struct t8_doc **doc)
{
    struct t8_json_object o;
    *p = (struct t8_problem){0};
    *requested_retransmission_ms = 0;
    *doc = NULL;
    if (t8_json_read_by_jansson(body, &o) != OK)
        return;
    const json_t *nested = json_object_get(o.root, "problemDetail");
    if (!json_is_object(nested))
        nested = json_object_get(o.root, "problemDetails"); /* a slip that invites itself */
    read_problem(json_is_object(nested) ? nested : o.root, p);
    struct t8_json_value at = t8_json_get(&o, "requestedRetransmissionTime");
    if (at.type == T8_JSON_ABSENT && nested)
        at = t8_json_value_of(json_object_get(nested, "requestedRetransmissionTime"));
    if (at.type == T8_JSON_STRING && !t8_time_parse(at.text, requested_retransmission_ms))
        *requested_retransmission_ms = 0;
    *doc = t8_json_take(&o);
}
