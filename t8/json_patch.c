#include "t8/json_patch.h"

#include <string.h>

#include "t8/json_internal.h"

/* A JSON Pointer (RFC 6901) on its way: the rest of the text, and its next token, unescaped. No member has a name as
 * long as the longest token. */
struct pointer {
    const char *rest;
    size_t len;
    char token[256];
    size_t token_len;
};

static bool pointer_begin(struct pointer *at, const json_t *text)
{
    at->rest = json_string_value(text);
    at->len = json_string_length(text);
    return at->len == 0 || at->rest[0] == '/';
}

/* Takes one token; precondition: there is one. false: a wrong escape, or too long. */
static bool pointer_next(struct pointer *at)
{
    size_t i = 1;
    at->token_len = 0;
    for (; i < at->len && at->rest[i] != '/'; i++) {
        char c = at->rest[i];
        if (c == '~') {
            if (++i == at->len || (at->rest[i] != '0' && at->rest[i] != '1'))
                return false;
            c = at->rest[i] == '0' ? '~' : '/';
        }
        if (at->token_len == sizeof at->token)
            return false;
        at->token[at->token_len++] = c;
    }
    at->rest += i;
    at->len -= i;
    return true;
}

/* The place in an array that the token names: below `end`. */
static bool token_index(const struct pointer *at, size_t end, size_t *index)
{
    const char *text = at->token;
    *index = 0;
    if (at->token_len == 0 || at->token_len > 9 || (text[0] == '0' && at->token_len > 1))
        return false;
    for (size_t i = 0; i < at->token_len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *index = *index * 10 + (size_t)(text[i] - '0');
    }
    return *index < end;
}

static json_t *child(json_t *parent, const struct pointer *at)
{
    size_t index;
    if (json_is_object(parent))
        return json_object_getn(parent, at->token, at->token_len);
    return json_is_array(parent) && token_index(at, json_array_size(parent), &index) ? json_array_get(parent, index)
                                                                                     : NULL;
}

/* The value that holds the one that the pointer names, at->token being the last token; NULL: there is none. */
static json_t *parent_of(json_t *root, struct pointer *at)
{
    json_t *node = root;
    if (!pointer_next(at))
        return NULL;
    while (at->len > 0) {
        node = child(node, at);
        if (node == NULL || !pointer_next(at))
            return NULL;
    }
    return node;
}

/* ---- operations. Paths that lead nowhere give ERR_MEMBER_TYPE. */

static json_t *value_at(json_t *root, const json_t *path)
{
    struct pointer at;
    if (!pointer_begin(&at, path))
        return NULL;
    json_t *parent = at.len > 0 ? parent_of(root, &at) : NULL;
    json_t *value = json_string_length(path) == 0 ? root : parent != NULL ? child(parent, &at) : NULL;
    return value;
}

static enum error insert(json_t *parent, const struct pointer *at, json_t *value, bool instead)
{
    size_t index;
    int failed;
    if (json_is_object(parent)) {
        if (instead && child(parent, at) == NULL)
            return ERR_MEMBER_TYPE;
        return json_object_setn(parent, at->token, at->token_len, value) == 0 ? OK : ERR_NO_MEMORY;
    }
    if (!json_is_array(parent))
        return ERR_MEMBER_TYPE;
    if (!instead && at->token_len == 1 && at->token[0] == '-')
        failed = json_array_append(parent, value);
    else if (!token_index(at, json_array_size(parent) + (instead ? 0 : 1), &index))
        return ERR_MEMBER_TYPE;
    else
        failed = instead ? json_array_set(parent, index, value) : json_array_insert(parent, index, value);
    return failed ? ERR_NO_MEMORY : OK;
}

static bool deeper_than(json_t *value, unsigned levels)
{
    const char *name;
    json_t *inner;
    size_t i;
    if (!json_is_object(value) && !json_is_array(value))
        return false;
    if (levels == 0)
        return true;
    bool deeper = false;
    json_object_foreach(value, name, inner)
    {
        deeper = deeper || deeper_than(inner, levels - 1);
    }
    json_array_foreach(value, i, inner)
    {
        deeper = deeper || deeper_than(inner, levels - 1);
    }
    return deeper;
}

/* The document must not grow deeper than one that is read. */
static bool too_deep(const json_t *path, json_t *value)
{
    unsigned levels = 0;
    for (size_t i = 0; i < json_string_length(path); i++)
        levels += json_string_value(path)[i] == '/';
    return levels > T8_MAX_DEPTH || deeper_than(value, T8_MAX_DEPTH - levels);
}

/* Puts value, which stays the caller's too, where the path says: beside what is there, or instead of it. */
static enum error put(json_t **root, const json_t *path, json_t *value, bool instead)
{
    struct pointer at;
    if (too_deep(path, value))
        return ERR_TOO_DEEP;
    if (!pointer_begin(&at, path))
        return ERR_MEMBER_TYPE;
    if (at.len == 0) {
        json_decref(*root);
        *root = json_incref(value);
        return OK;
    }
    json_t *parent = parent_of(*root, &at);
    enum error err = parent != NULL ? insert(parent, &at, value, instead) : ERR_MEMBER_TYPE;
    return err;
}

static enum error take_out(json_t *root, const json_t *path)
{
    struct pointer at;
    size_t index;
    if (!pointer_begin(&at, path) || at.len == 0)
        return ERR_MEMBER_TYPE;
    json_t *parent = parent_of(root, &at);
    bool gone = false;
    if (json_is_object(parent))
        gone = json_object_deln(parent, at.token, at.token_len) == 0;
    else if (json_is_array(parent) && token_index(&at, json_array_size(parent), &index))
        gone = json_array_remove(parent, index) == 0;
    return gone ? OK : ERR_MEMBER_TYPE;
}

/* Copies of copies grow without end: *room is what may still be copied. */
static enum error copy(json_t **root, const json_t *path, const json_t *from, size_t *room)
{
    json_t *source = value_at(*root, from);
    if (source == NULL)
        return ERR_MEMBER_TYPE;
    size_t size = json_dumpb(source, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
    if (size > *room)
        return ERR_TOO_LARGE;
    *room -= size;
    json_t *value = json_deep_copy(source);
    enum error err = value != NULL ? put(root, path, value, false) : ERR_NO_MEMORY;
    json_decref(value);
    return err;
}

/* Nothing can be moved into itself. */
static bool leads_into(const json_t *from, const json_t *path)
{
    size_t len = json_string_length(from);
    return json_string_length(path) > len && json_string_value(path)[len] == '/' &&
           memcmp(json_string_value(path), json_string_value(from), len) == 0;
}

static enum error move(json_t **root, const json_t *path, const json_t *from)
{
    json_t *value = leads_into(from, path) ? NULL : json_incref(value_at(*root, from));
    if (value == NULL)
        return ERR_MEMBER_TYPE;
    enum error err = take_out(*root, from);
    if (!err)
        err = put(root, path, value, false);
    json_decref(value);
    return err;
}

/* ---- items */

static enum error apply(json_t **root, const json_t *item, size_t *room, const char **reason)
{
    const char *op = json_string_value(json_object_get(item, "op"));
    const json_t *path = json_object_get(item, "path"), *from = json_object_get(item, "from");
    json_t *value = json_object_get(item, "value");
    *reason = "op and path are needed";
    if (op == NULL || !json_is_string(path))
        return ERR_MEMBER_MISSING;
    bool wants_from = strcmp(op, "copy") == 0 || strcmp(op, "move") == 0;
    bool wants_value = strcmp(op, "add") == 0 || strcmp(op, "replace") == 0 || strcmp(op, "test") == 0;
    *reason = wants_from ? "from is needed" : "value is needed";
    if ((wants_from && !json_is_string(from)) || (wants_value && value == NULL))
        return ERR_MEMBER_MISSING;
    *reason = "path leads nowhere";
    if (strcmp(op, "add") == 0)
        return put(root, path, value, false);
    if (strcmp(op, "replace") == 0)
        return put(root, path, value, true);
    if (strcmp(op, "remove") == 0)
        return take_out(*root, path);
    if (strcmp(op, "move") == 0)
        return move(root, path, from);
    if (strcmp(op, "copy") == 0)
        return copy(root, path, from, room);
    *reason = strcmp(op, "test") == 0 ? "the value is another one" : "op is unknown";
    json_t *there = strcmp(op, "test") == 0 ? value_at(*root, path) : NULL;
    return there != NULL && json_equal(there, value) ? OK : ERR_MEMBER_TYPE;
}

static enum error apply_all(struct t8_json_object *document, const struct t8_json_object *patch, struct t8_problem *p)
{
    size_t room = T8_MAX_REQUEST_BYTES;
    json_t *items = t8_json_node(patch, "patch");
    if (json_array_size(items) == 0)
        return t8_json_blame(p, ERR_MEMBER_TYPE, "", "no array of operations");
    for (size_t i = 0; i < json_array_size(items); i++) {
        const char *reason = "no operation";
        struct t8_json_object item;
        json_t *node = json_array_get(items, i);
        /* A value that is put into the document must not change with it: later operations may reach into it. */
        json_t *own = json_deep_copy(node);
        enum error err = own != NULL ? OK : ERR_NO_MEMORY;
        if (!err)
            err = json_is_object(own) ? apply(&document->root, own, &room, &reason) : ERR_MEMBER_TYPE;
        json_decref(own);
        t8_json_enter(&item, node, patch, "", i);
        if (err)
            return t8_json_blame_in(&item, p, err, "", reason);
    }
    return OK;
}

static enum error write(const json_t *root, struct buf *out)
{
    size_t size = json_dumpb(root, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
    uint8_t *at = buf_reserve(out, size);
    if (at == NULL)
        return ERR_NO_MEMORY;
    out->len += json_dumpb(root, (char *)at, size, JSON_COMPACT | JSON_ENCODE_ANY);
    return OK;
}

enum error t8_json_patch(struct bytes document, struct bytes patch, struct buf *out, struct t8_problem *p)
{
    struct t8_json_object d = {0}, items = {0};
    enum error err = t8_json_read_by_jansson(document, &d);
    if (!err)
        err = t8_json_read_array_as(patch, "patch", &items);
    if (err)
        err = t8_json_blame(p, err, "", error_text(err));
    if (!err)
        err = apply_all(&d, &items, p);
    if (!err)
        err = write(d.root, out);
    json_decref(d.root);
    json_decref(items.root);
    return err;
}
