#include "t8/json_fields.h"

#include <stdlib.h>
#include <string.h>

static bool is(struct bytes text, const char *word)
{
    return bytes_equal(text, bytes_of_str(word));
}

int t8_words_parse(const struct t8_words *words, struct bytes word)
{
    if (words->parse)
        return words->parse(word);
    if (word.len == 0)
        return 0;
    for (int i = 1; i < words->other; i++)
        if (is(word, words->names[i]))
            return i;
    for (size_t i = 0; i < words->old_count; i++)
        if (is(word, words->old[i].word))
            return words->old[i].value;
    return words->other;
}

/* One member under way. */
struct member {
    const struct t8_field *f;
    const char *pointer; /* of today, or the old one if only that is there */
    const struct t8_json_object *o;
    enum t8_reading how;
    enum t8_json_rule rule;
    struct t8_problem *p;
    void *at; /* the field */
};

static enum error wrong(const struct member *m, const char *reason)
{
    if (m->rule == T8_JSON_TOLERANT)
        return OK;
    return t8_json_blame_in(m->o, m->p, ERR_MEMBER_TYPE, m->pointer, reason);
}

/* An empty text counts as none, but in a request a mandatory one must say something. */
static enum error read_text(const struct member *m, struct t8_json_value v)
{
    if (v.type != T8_JSON_STRING)
        return wrong(m, "must be a string");
    if (v.text.len == 0 && m->f->rules & T8_MANDATORY)
        return wrong(m, "must not be empty");
    memcpy(m->at, &v.text, sizeof v.text);
    return OK;
}

static enum error read_uint(const struct member *m, struct t8_json_value v)
{
    int64_t least = m->f->rules & T8_POSITIVE ? 1 : 0;
    if (m->f->rules & T8_IS_PORT && v.type == T8_JSON_INTEGER && v.number > UINT16_MAX)
        return wrong(m, "must be an integer from 0 to 65535");
    if (v.type != T8_JSON_INTEGER || v.number < least)
        return wrong(m, least ? "must be an integer of at least 1" : "must be an integer of at least 0");
    *(struct t8_uint *)m->at =
        (struct t8_uint){.present = true, .value = v.number > UINT32_MAX ? UINT32_MAX : (uint32_t)v.number};
    return OK;
}

static enum error read_int(const struct member *m, struct t8_json_value v)
{
    if (v.type != T8_JSON_INTEGER || v.number < INT32_MIN || v.number > INT32_MAX)
        return wrong(m, "must be an integer of 32 bits");
    *(struct t8_int *)m->at = (struct t8_int){.present = true, .value = (int32_t)v.number};
    return OK;
}

static enum error read_port(const struct member *m, struct t8_json_value v)
{
    if (v.type != T8_JSON_INTEGER || v.number < 0 || v.number > UINT16_MAX)
        return wrong(m, "must be an integer from 0 to 65535");
    *(uint16_t *)m->at = (uint16_t)v.number;
    return OK;
}

/* Before V15.2.0 one flag was a string. */
static enum error read_flag(const struct member *m, struct t8_json_value v)
{
    bool yes = v.type == T8_JSON_BOOLEAN ? v.number != 0 : v.type == T8_JSON_STRING && is(v.text, "true");
    bool no = v.type == T8_JSON_BOOLEAN ? v.number == 0 : v.type == T8_JSON_STRING && is(v.text, "false");
    if (v.type != T8_JSON_BOOLEAN && (m->how == T8_READ_REQUEST || !(yes || no)))
        return wrong(m, "must be true or false");
    *(enum t8_flag *)m->at = yes ? T8_FLAG_TRUE : T8_FLAG_FALSE;
    return OK;
}

static enum error read_time(const struct member *m, struct t8_json_value v)
{
    uint64_t utc_ms;
    if (v.type != T8_JSON_STRING || !t8_time_parse(v.text, &utc_ms))
        return wrong(m, "must be a date-time of RFC 3339");
    memcpy(m->at, &utc_ms, sizeof utc_ms);
    return OK;
}

static enum error read_milliseconds(const struct member *m, struct t8_json_value v)
{
    const json_t *node = m->o->root ? json_object_get(m->o->root, m->pointer + 1) : NULL;
    double seconds = v.type == T8_JSON_INTEGER ? (double)v.number : json_is_real(node) ? json_real_value(node) : -1;
    if (!(seconds >= 0))
        return wrong(m, "must be a number of at least 0");
    struct t8_uint ms = {.present = true, .value = UINT32_MAX};
    if (seconds * 1000 < (double)UINT32_MAX)
        ms.value = (uint32_t)(seconds * 1000 + 0.5);
    *(struct t8_uint *)m->at = ms;
    return OK;
}

static enum error read_word(const struct member *m, struct t8_json_value v)
{
    if (v.type != T8_JSON_STRING)
        return wrong(m, "must be a string");
    if (v.text.len == 0 && m->f->rules & T8_MANDATORY)
        return wrong(m, "must not be empty");
    int value = t8_words_parse(m->f->words, v.text);
    memcpy(m->at, &value, sizeof value);
    return OK;
}

static enum error read_features(const struct member *m, struct t8_json_value v)
{
    uint64_t bits;
    if (v.type != T8_JSON_STRING || !t8_features_parse(v.text, &bits))
        return wrong(m, "must be hexadecimal digits");
    *(struct t8_features *)m->at = (struct t8_features){.present = true, .bits = bits};
    return OK;
}

static enum error read_octets(const struct member *m, struct t8_json_value v)
{
    struct t8_octets *octets = m->at;
    if (v.type != T8_JSON_STRING)
        return wrong(m, "must be a string");
    enum error err = base64_decode(v.text, &octets->memory);
    if (err == ERR_NO_MEMORY || (err && m->rule == T8_JSON_STRICT))
        return t8_json_blame_in(m->o, m->p, err, m->pointer, "must be base64 (RFC 4648 clause 4)");
    octets->present = !err;
    octets->bytes = buf_bytes(&octets->memory);
    return OK;
}

static enum error read_identity(const struct member *m)
{
    bool strict = m->how == T8_READ_REQUEST && !(m->f->rules & T8_LENIENT);
    bool groups = m->f->rules & T8_OR_GROUP;
    if (m->f->rules & T8_OPTIONAL_ID && t8_json_get(m->o, "externalId").type == T8_JSON_ABSENT &&
        t8_json_get(m->o, "msisdn").type == T8_JSON_ABSENT &&
        (!groups || t8_json_get(m->o, "externalGroupId").type == T8_JSON_ABSENT))
        return OK;
    struct t8_problem *p = m->how == T8_READ_ANSWER ? NULL : m->p;
    enum t8_json_rule rule = strict ? T8_JSON_STRICT : T8_JSON_TOLERANT;
    enum error err = groups ? t8_json_identity_or_group(m->o, rule, m->at, p) : t8_json_identity(m->o, rule, m->at, p);
    return m->how == T8_READ_ANSWER ? OK : err;
}

/* ---- members that hold others */

/* An array's size; too many, or a request's empty one, are errors. */
static enum error size_of(const struct member *m, const json_t *node, size_t *count)
{
    *count = json_array_size(node);
    if (*count > T8_MAX_ITEMS)
        return t8_json_blame_in(m->o, m->p, ERR_TOO_LARGE, m->pointer, "has too many items");
    if (*count == 0 && m->how == T8_READ_REQUEST)
        return wrong(m, "must not be empty");
    return OK;
}

static enum error read_texts(const struct member *m, const json_t *node)
{
    struct t8_texts texts = {0};
    size_t count;
    if (!json_is_array(node))
        return wrong(m, "must be an array");
    enum error err = size_of(m, node, &count);
    if (err || count == 0)
        return err;
    texts.items = calloc(count, sizeof *texts.items);
    if (!texts.items)
        return t8_json_blame_in(m->o, m->p, ERR_NO_MEMORY, m->pointer, NULL);
    for (size_t i = 0; i < count && !err; i++) {
        struct t8_json_value v = t8_json_value_of(json_array_get(node, i));
        if (v.type == T8_JSON_STRING)
            texts.items[texts.count++] = v.text;
        else
            err = wrong(m, "must hold strings only");
    }
    memcpy(m->at, &texts, sizeof texts);
    return err;
}

static enum error read_word_set(const struct member *m, const json_t *node)
{
    unsigned set = 0;
    size_t count;
    if (!json_is_array(node))
        return wrong(m, "must be an array");
    enum error err = size_of(m, node, &count);
    for (size_t i = 0; i < count && !err; i++) {
        struct t8_json_value v = t8_json_value_of(json_array_get(node, i));
        if (v.type == T8_JSON_STRING)
            set |= 1u << t8_words_parse(m->f->words, v.text);
        else
            err = wrong(m, "must hold strings only");
    }
    memcpy(m->at, &set, sizeof set);
    return err;
}

static enum error read_object(const struct member *m, json_t *node)
{
    if (!json_is_object(node))
        return wrong(m, "must be an object");
    struct t8_json_object inner;
    t8_json_enter(&inner, node, m->o, m->pointer, T8_JSON_NO_INDEX);
    struct t8_problem ignored;
    bool strict = m->rule == T8_JSON_STRICT;
    enum error err = t8_fields_read(m->f->of, m->how == T8_READ_ANSWER ? T8_READ_NOTIFICATION : m->how, &inner, m->at,
                                    strict ? m->p : &ignored);
    if (err && err != ERR_NO_MEMORY && !strict) { /* an optional object that is no good counts as absent */
        t8_fields_free(m->f->of, m->at);
        memset(m->at, 0, m->f->of->size);
        return OK;
    }
    *(bool *)m->at = true;
    return err;
}

/* Before Rel-16 was final one array was a single object. */
static enum error read_array(const struct member *m, json_t *node, size_t *count_at)
{
    bool lone = json_is_object(node) && m->how != T8_READ_REQUEST;
    size_t count = 1;
    if (!json_is_array(node) && !lone)
        return wrong(m, "must be an array");
    enum error err = lone ? OK : size_of(m, node, &count);
    if (err || count == 0)
        return err;
    char *items = calloc(count, m->f->of->size);
    if (!items)
        return t8_json_blame_in(m->o, m->p, ERR_NO_MEMORY, m->pointer, NULL);
    memcpy(m->at, &items, sizeof items);
    *count_at = count;
    for (size_t i = 0; i < count && !err; i++) {
        json_t *item = lone ? node : json_array_get(node, i);
        struct t8_json_object inner;
        t8_json_enter(&inner, item, m->o, m->pointer, lone ? T8_JSON_NO_INDEX : i);
        if (json_is_object(item))
            err = t8_fields_read(m->f->of, m->how, &inner, items + i * m->f->of->size, m->p);
        else if (m->how != T8_READ_ANSWER)
            err = t8_json_blame_in(&inner, m->p, ERR_MEMBER_TYPE, "", "must be an object");
    }
    return err;
}

/* ---- the table */

static enum error read_member(const struct member *m, void *s)
{
    struct t8_json_value v = t8_json_get(m->o, m->pointer + 1);
    json_t *node = t8_json_node(m->o, m->pointer + 1);
    if (m->f->kind == T8_FIELD_IDENTITY)
        return read_identity(m);
    if (v.type == T8_JSON_ABSENT)
        return m->f->rules & T8_MANDATORY && m->rule == T8_JSON_STRICT
                   ? t8_json_blame_in(m->o, m->p, ERR_MEMBER_MISSING, m->pointer, "is mandatory")
                   : OK;
    switch (m->f->kind) {
    case T8_FIELD_TEXT:
        return read_text(m, v);
    case T8_FIELD_UINT:
        return read_uint(m, v);
    case T8_FIELD_INT:
        return read_int(m, v);
    case T8_FIELD_PORT:
        return read_port(m, v);
    case T8_FIELD_FLAG:
        return read_flag(m, v);
    case T8_FIELD_TIME:
        return read_time(m, v);
    case T8_FIELD_MILLISECONDS:
        return read_milliseconds(m, v);
    case T8_FIELD_WORD:
        return read_word(m, v);
    case T8_FIELD_FEATURES:
        return read_features(m, v);
    case T8_FIELD_OCTETS:
        return read_octets(m, v);
    case T8_FIELD_WORD_SET:
        return read_word_set(m, node);
    case T8_FIELD_TEXTS:
        return read_texts(m, node);
    case T8_FIELD_OBJECT:
        return read_object(m, node);
    case T8_FIELD_ARRAY:
        return read_array(m, node, (size_t *)(void *)((char *)s + m->f->count_offset));
    case T8_FIELD_IDENTITY:
        break;
    }
    return OK;
}

enum error t8_fields_read(const struct t8_fields *f, enum t8_reading how, const struct t8_json_object *o, void *s,
                          struct t8_problem *p)
{
    enum error err = OK;
    for (size_t i = 0; i < f->count && !err; i++) {
        const struct t8_field *row = &f->list[i];
        bool old = row->old && t8_json_get(o, row->pointer + 1).type == T8_JSON_ABSENT &&
                   t8_json_get(o, row->old + 1).type != T8_JSON_ABSENT;
        bool strict = how == T8_READ_REQUEST || (how == T8_READ_NOTIFICATION && row->rules & T8_MANDATORY);
        const struct member m = {
            .f = row,
            .pointer = old ? row->old : row->pointer,
            .o = o,
            .how = how,
            .rule = strict ? T8_JSON_STRICT : T8_JSON_TOLERANT,
            .p = p,
            .at = (char *)s + row->offset,
        };
        err = read_member(&m, s);
    }
    return err;
}

enum error t8_fields_decode(const struct t8_fields *f, enum t8_reading how, struct bytes body, void *s,
                            struct t8_doc **doc, struct t8_problem *p)
{
    struct t8_json_object o;
    memset(s, 0, f->size);
    enum error err = t8_json_read(body, &o);
    if (err)
        return t8_json_blame(p, err, "", error_text(err));
    err = t8_fields_read(f, how, &o, s, p);
    struct t8_doc *owned = t8_json_take(&o);
    if (err)
        t8_fields_release(f, s, owned);
    else
        *doc = owned;
    return err;
}
