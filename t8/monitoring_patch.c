/* PATCH of a subscription: an array of PatchItem (TS 29.571, RFC 6902). */
#include <stdlib.h>

#include "t8/monitoring_internal.h"

static const char *const operations[] = {
    [MONITORING_PATCH_UNSET] = "",    [MONITORING_PATCH_ADD] = "add",       [MONITORING_PATCH_COPY] = "copy",
    [MONITORING_PATCH_MOVE] = "move", [MONITORING_PATCH_REMOVE] = "remove", [MONITORING_PATCH_REPLACE] = "replace",
    [MONITORING_PATCH_TEST] = "test",
};
static const struct t8_words operation_words = T8_WORDS(operations);

static const struct t8_field list[] = {
    T8_ROW("/op", WORD, monitoring_patch_item, op, .rules = T8_MANDATORY, .words = &operation_words),
    T8_ROW("/path", TEXT, monitoring_patch_item, path, .rules = T8_MANDATORY),
    T8_ROW("/from", TEXT, monitoring_patch_item, from),
};
static const struct t8_fields fields = T8_FIELDS(list, monitoring_patch_item);

static bool needs_value(enum monitoring_patch_operation op)
{
    return op == MONITORING_PATCH_ADD || op == MONITORING_PATCH_REPLACE || op == MONITORING_PATCH_TEST;
}

static bool needs_from(enum monitoring_patch_operation op)
{
    return op == MONITORING_PATCH_COPY || op == MONITORING_PATCH_MOVE;
}

static int add_text(const char *text, size_t len, void *memory)
{
    buf_add(memory, bytes_of(text, len));
    return ((struct buf *)memory)->failed ? -1 : 0;
}

/* The value as text; where it lies is only known when all are there. */
static enum error read_item(const struct t8_json_object *o, json_t *node, size_t index, struct monitoring_patch *out,
                            struct t8_problem *p)
{
    struct monitoring_patch_item *item = &out->items[index];
    struct t8_json_object inner;
    t8_json_enter(&inner, node, o, "", index);
    if (!json_is_object(node))
        return t8_json_blame_in(&inner, p, ERR_MEMBER_TYPE, "", "must be an object");
    enum error err = t8_fields_read(&fields, T8_READ_REQUEST, &inner, item, p);
    if (err)
        return err;
    const json_t *value = json_object_get(node, "value");
    if (item->op == MONITORING_PATCH_OTHER)
        return t8_json_blame_in(&inner, p, ERR_MEMBER_TYPE, "/op", "is no operation of RFC 6902");
    if (needs_from(item->op) && item->from.len == 0)
        return t8_json_blame_in(&inner, p, ERR_MEMBER_MISSING, "/from", "is mandatory");
    if (needs_value(item->op) && !value)
        return t8_json_blame_in(&inner, p, ERR_MEMBER_MISSING, "/value", "is mandatory");
    size_t start = out->memory.len;
    if (value && json_dump_callback(value, add_text, &out->memory, JSON_COMPACT | JSON_ENCODE_ANY) != 0)
        return t8_json_blame_in(&inner, p, ERR_NO_MEMORY, "/value", NULL);
    item->value.len = out->memory.len - start;
    return OK;
}

enum error monitoring_patch_decode_request(struct bytes body, struct monitoring_patch *out, struct t8_problem *p)
{
    struct t8_json_object o;
    *out = (struct monitoring_patch){.doc = NULL};
    enum error err = t8_json_read_array_as(body, "items", &o);
    if (err)
        return t8_json_blame(p, err, "", error_text(err));
    json_t *array = t8_json_node(&o, "items");
    size_t count = json_array_size(array);
    if (count == 0)
        err = t8_json_blame(p, ERR_MEMBER_TYPE, "", "must be an array with something in it");
    else if (count > T8_MAX_ITEMS)
        err = t8_json_blame(p, ERR_TOO_LARGE, "", "has too many items");
    if (!err) {
        out->items = calloc(count, sizeof *out->items);
        if (!out->items)
            err = t8_json_blame(p, ERR_NO_MEMORY, "", NULL);
    }
    for (; !err && out->items_count < count; out->items_count++)
        err = read_item(&o, json_array_get(array, out->items_count), out->items_count, out, p);
    struct bytes values = buf_bytes(&out->memory);
    for (size_t i = 0; i < out->items_count && !err; i++) {
        size_t len = out->items[i].value.len;
        out->items[i].value = bytes_of(len ? values.data : NULL, len);
        values = bytes_from(values, len);
    }
    out->doc = t8_json_take(&o);
    if (err)
        monitoring_patch_release(out);
    return err;
}

static enum error put_item(struct t8_json_writer *w, const struct monitoring_patch_item *item)
{
    if (needs_from(item->op) != (item->from.len > 0) || needs_value(item->op) != (item->value.len > 0))
        return ERR_MEMBER_MISSING;
    enum error err = t8_fields_put(&fields, w, item);
    if (err || item->value.len == 0)
        return err;
    json_t *value = json_loadb((const char *)item->value.data, item->value.len, JSON_DECODE_ANY, NULL);
    if (!value)
        return ERR_MEMBER_TYPE; /* no JSON */
    json_decref(value);
    buf_add_str(w->out, ",\"value\":");
    buf_add(w->out, item->value);
    return OK;
}

enum error monitoring_patch_encode(const struct monitoring_patch *c, struct buf *out)
{
    size_t start = out->len;
    enum error err = c->items_count ? OK : ERR_MEMBER_MISSING;
    bool bad_text = false;
    for (size_t i = 0; i < c->items_count && !err; i++) {
        struct t8_json_writer w;
        buf_add_u8(out, i ? ',' : '[');
        t8_json_open(&w, out);
        err = put_item(&w, &c->items[i]);
        t8_json_close(&w);
        bad_text |= w.bad_text;
    }
    buf_add_u8(out, ']');
    if (!err && (out->failed || bad_text))
        err = out->failed ? ERR_NO_MEMORY : ERR_MEMBER_TYPE;
    if (err)
        out->len = start;
    return err;
}

void monitoring_patch_release(struct monitoring_patch *c)
{
    buf_free(&c->memory);
    free(c->items);
    t8_doc_free(c->doc);
    *c = (struct monitoring_patch){.doc = NULL};
}
