/* PATCH of a subscription: an array of PatchItem (TS 29.571, RFC 6902). */
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
