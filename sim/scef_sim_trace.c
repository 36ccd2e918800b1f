#include "sim/scef_sim_trace.h"

#include <jansson.h>
#include <string.h>

enum error sim_trace_open(struct sim_trace *t, const char *name)
{
    t->file = NULL;
    if (name == NULL)
        return OK;
    t->file = strcmp(name, "-") == 0 ? stdout : fopen(name, "a");
    return t->file != NULL ? OK : ERR_SYSTEM;
}

void sim_trace_close(struct sim_trace *t)
{
    if (t->file != NULL && t->file != stdout)
        fclose(t->file);
    t->file = NULL;
}

/* Takes the object over. Texts that are not UTF-8 were left out of it, lines of no memory are lost. */
static void line_write(struct sim_trace *t, json_t *line)
{
    if (line != NULL && json_dumpf(line, t->file, JSON_COMPACT) == 0)
        fputc('\n', t->file);
    fflush(t->file);
    json_decref(line);
}

static void text_set(json_t *line, const char *key, const char *text)
{
    if (text != NULL)
        json_object_set_new(line, key, json_string(text));
}

static void number_set(json_t *line, const char *key, uint64_t number)
{
    json_object_set_new(line, key, json_integer((json_int_t)number));
}

/* The header of a CoAP message, read here by its own few lines (RFC 7252 clause 3). */
static void coap_set(json_t *line, struct bytes m)
{
    static const char *const types[] = {"CON", "NON", "ACK", "RST"};
    size_t token_len = m.len >= 4 ? m.data[0] & 15 : 0;
    if (m.len < 4 || m.data[0] >> 6 != 1 || token_len > 8 || m.len < 4 + token_len)
        return;
    char code[8], token[17];
    snprintf(code, sizeof code, "%u.%02u", m.data[1] >> 5, m.data[1] & 31);
    text_set(line, "type", types[m.data[0] >> 4 & 3]);
    text_set(line, "code", code);
    number_set(line, "mid", (uint64_t)(m.data[2] << 8 | m.data[3]));
    text_set(line, "token", bytes_hex(bytes_of(m.data + 4, token_len), token));
}

void sim_trace_message(struct sim_trace *t, uint64_t now_ms, const char *event, const char *ext_id, const char *dir,
                       const char *what, struct bytes message)
{
    if (t->file == NULL)
        return;
    json_t *line = json_object();
    number_set(line, "ts_ms", now_ms);
    text_set(line, "ext_id", ext_id);
    text_set(line, "event", event);
    text_set(line, "dir", dir);
    text_set(line, "what", what);
    number_set(line, "len", message.len);
    coap_set(line, message);
    line_write(t, line);
}

void sim_trace_t8(struct sim_trace *t, uint64_t now_ms, const char *dir, const char *ext_id, const char *path,
                  const char *method, int status, const char *cause)
{
    if (t->file == NULL)
        return;
    json_t *line = json_object();
    number_set(line, "ts_ms", now_ms);
    text_set(line, "ext_id", ext_id);
    text_set(line, "event", "t8");
    text_set(line, "dir", dir);
    text_set(line, "method", method);
    text_set(line, "path", path);
    json_object_set_new(line, "status", status >= 0 ? json_integer(status) : json_null());
    if (cause != NULL && cause[0] != 0)
        text_set(line, "cause", cause);
    line_write(t, line);
}
