#include "t8/json_internal.h"

#include <string.h>

/* jansson recurses up to its compile-time 2048; we stop earlier, and before parsing. */
static enum error depth_check(struct bytes body)
{
    unsigned depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < body.len; i++) {
        uint8_t c = body.data[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > T8_MAX_DEPTH)
                return ERR_TOO_DEEP;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return OK;
}

struct bytes t8_json_without_mark(struct bytes body)
{
    if (body.len >= 3 && memcmp(body.data, "\xef\xbb\xbf", 3) == 0)
        return bytes_from(body, 3);
    return body;
}

/* ---- the scanner */

struct scan {
    const uint8_t *at;
    const uint8_t *end;
};

static void skip_blanks(struct scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t'))
        s->at++;
}

static bool take(struct scan *s, uint8_t c)
{
    skip_blanks(s);
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

#define EACH_BYTE(b) (UINT64_MAX / 255 * (b))

/* Printable ASCII without a backslash, eight bytes at a time: most of a notification is base64. */
static bool is_plain(const uint8_t *at, size_t len)
{
    for (; len >= 8; at += 8, len -= 8) {
        uint64_t w;
        memcpy(&w, at, 8);
        /* The top bit of a byte tells: it is 0x80 or more; it is below 0x20; it equals the backslash. A borrow may
         * accuse a byte above a guilty one only, so the verdict on the eight is right. */
        uint64_t backslash = w ^ EACH_BYTE('\\');
        uint64_t bad = w | (w - EACH_BYTE(0x20)) | ((backslash - EACH_BYTE(1)) & ~backslash);
        if (bad & EACH_BYTE(0x80))
            return false;
    }
    for (; len > 0; at++, len--) {
        if (*at < 0x20 || *at >= 0x80 || *at == '\\')
            return false;
    }
    return true;
}

/* A string of printable ASCII without escapes. */
static bool take_string(struct scan *s, struct bytes *out)
{
    if (!take(s, '"'))
        return false;
    const uint8_t *start = s->at;
    const uint8_t *quote = memchr(start, '"', (size_t)(s->end - start));
    if (!quote || !is_plain(start, (size_t)(quote - start)))
        return false;
    *out = bytes_of(start, (size_t)(quote - start));
    s->at = quote + 1;
    return true;
}

static bool take_word(struct scan *s, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0)
        return false;
    s->at += len;
    return true;
}

/* An integer of at most 18 digits. */
static bool take_integer(struct scan *s, int64_t *out)
{
    bool negative = s->at < s->end && *s->at == '-';
    if (negative)
        s->at++;
    const uint8_t *start = s->at;
    int64_t v = 0;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9' && s->at - start < 18)
        v = v * 10 + (*s->at++ - '0');
    size_t digits = (size_t)(s->at - start); /* more of them, a fraction, an exponent: the caller finds no ',' or '}' */
    if (digits == 0 || (digits > 1 && *start == '0'))
        return false;
    *out = negative ? -v : v;
    return true;
}

static bool take_value(struct scan *s, struct t8_json_value *v)
{
    skip_blanks(s);
    if (s->at == s->end)
        return false;
    *v = (struct t8_json_value){.type = T8_JSON_ABSENT};
    switch (*s->at) {
    case '"':
        v->type = T8_JSON_STRING;
        return take_string(s, &v->text);
    case 't':
        v->type = T8_JSON_BOOLEAN;
        v->number = 1;
        return take_word(s, "true");
    case 'f':
        v->type = T8_JSON_BOOLEAN;
        return take_word(s, "false");
    case 'n':
        return take_word(s, "null");
    default:
        v->type = T8_JSON_INTEGER;
        return take_integer(s, &v->number);
    }
}

static void begin(struct t8_json_object *o)
{
    o->root = NULL;
    o->inside = NULL;
    o->count = 0;
}

bool t8_json_read_flat(struct bytes body, struct t8_json_object *o)
{
    body = t8_json_without_mark(body);
    begin(o);
    if (body.len == 0)
        return false;
    struct scan s = {body.data, body.data + body.len};
    if (!take(&s, '{'))
        return false;
    if (!take(&s, '}')) {
        do {
            if (o->count == T8_JSON_FLAT_MEMBERS)
                return false;
            if (!take_string(&s, &o->members[o->count].key) || !take(&s, ':') ||
                !take_value(&s, &o->members[o->count].value))
                return false;
            o->count++;
        } while (take(&s, ','));
        if (!take(&s, '}'))
            return false;
    }
    skip_blanks(&s);
    return s.at == s.end;
}

/* ---- jansson */

static enum error load(struct bytes body, json_t **root)
{
    if (body.len > T8_MAX_BODY_BYTES)
        return ERR_TOO_LARGE;
    body = t8_json_without_mark(body);
    if (body.len == 0)
        return ERR_NOT_JSON;
    enum error err = depth_check(body);
    if (err)
        return err;
    json_error_t why = {.text = ""};
    *root = json_loadb((const char *)body.data, body.len, JSON_ALLOW_NUL | JSON_DECODE_ANY, &why);
    if (*root)
        return OK;
    enum json_error_code code = json_error_code(&why); /* jansson does not always say so when memory is short */
    return code == json_error_out_of_memory || code == json_error_unknown ? ERR_NO_MEMORY : ERR_NOT_JSON;
}

enum error t8_json_read_by_jansson(struct bytes body, struct t8_json_object *o)
{
    json_t *root = NULL;
    begin(o);
    enum error err = load(body, &root);
    if (err)
        return err;
    if (!json_is_object(root)) {
        json_decref(root);
        return ERR_MEMBER_TYPE;
    }
    o->root = root;
    return OK;
}

enum error t8_json_read_array_as(struct bytes body, const char *name, struct t8_json_object *o)
{
    json_t *root = NULL;
    begin(o);
    enum error err = load(body, &root);
    if (err)
        return err;
    if (json_is_object(root) && json_object_get(root, name)) {
        o->root = root;
        return OK;
    }
    if (!json_is_object(root) && !json_is_array(root)) {
        json_decref(root);
        return ERR_MEMBER_TYPE;
    }
    json_t *outer = json_object();
    if (!outer)
        json_decref(root);
    if (!outer || json_object_set_new(outer, name, root) != 0) { /* it takes the root in any case */
        json_decref(outer);
        return ERR_NO_MEMORY;
    }
    o->root = outer;
    return OK;
}

enum error t8_json_read(struct bytes body, struct t8_json_object *o)
{
    if (body.len > T8_MAX_BODY_BYTES)
        return ERR_TOO_LARGE;
    return t8_json_read_flat(body, o) ? OK : t8_json_read_by_jansson(body, o);
}

/* A document is jansson's root and nothing else. */
struct t8_doc *t8_json_take(struct t8_json_object *o)
{
    struct t8_doc *doc = (struct t8_doc *)(void *)o->root;
    o->root = NULL;
    o->count = 0;
    return doc;
}

void t8_doc_free(struct t8_doc *doc)
{
    json_decref((json_t *)(void *)doc);
}

struct t8_json_value t8_json_value_of(const json_t *node)
{
    struct t8_json_value v = {.type = T8_JSON_OTHER};
    if (!node || json_is_null(node)) {
        v.type = T8_JSON_ABSENT;
    } else if (json_is_string(node)) {
        v.type = T8_JSON_STRING;
        v.text = bytes_of(json_string_value(node), json_string_length(node));
    } else if (json_is_integer(node)) {
        v.type = T8_JSON_INTEGER;
        v.number = json_integer_value(node);
    } else if (json_is_boolean(node)) {
        v.type = T8_JSON_BOOLEAN;
        v.number = json_is_true(node);
    }
    return v;
}

static const struct t8_json_value *flat_member(const struct t8_json_object *o, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = o->count; i-- > 0;) /* of duplicates the last one counts, as in jansson */
        if (o->members[i].key.len == len && memcmp(o->members[i].key.data, name, len) == 0)
            return &o->members[i].value;
    return NULL;
}

struct t8_json_value t8_json_get(const struct t8_json_object *o, const char *name)
{
    if (o->root)
        return t8_json_value_of(json_object_get(o->root, name));
    const struct t8_json_value *v = flat_member(o, name);
    return v ? *v : (struct t8_json_value){.type = T8_JSON_ABSENT};
}

bool t8_json_names(const struct t8_json_object *o, const char *name)
{
    return o->root ? json_object_get(o->root, name) != NULL : flat_member(o, name) != NULL;
}

json_t *t8_json_node(const struct t8_json_object *o, const char *name)
{
    json_t *node = o->root ? json_object_get(o->root, name) : NULL;
    return json_is_array(node) || json_is_object(node) ? node : NULL;
}

void t8_json_enter(struct t8_json_object *inner, json_t *node, const struct t8_json_object *o, const char *pointer,
                   size_t index)
{
    inner->root = node;
    inner->inside = o;
    inner->pointer = pointer;
    inner->index = index;
    inner->count = 0;
}
