#include "t8/json_fields.h"

#include <stdlib.h>
#include <string.h>

const char *t8_words_name(const struct t8_words *words, int value)
{
    if (words->name)
        return words->name(value);
    return value >= 0 && value < words->other ? words->names[value] : "";
}

static bool has_identity(const struct t8_identity *id, bool groups)
{
    return id->external_id.len || id->msisdn.len || (groups && id->external_group_id.len);
}

static void *items_of(const struct t8_field *f, const void *s)
{
    void *items;
    memcpy(&items, (const char *)s + f->offset, sizeof items);
    return items;
}

static size_t count_of(const struct t8_field *f, const void *s)
{
    size_t count;
    memcpy(&count, (const char *)s + f->count_offset, sizeof count);
    return count;
}

/* Is there something to write? */
static bool is_present(const struct t8_field *f, const void *s)
{
    const void *at = (const char *)s + f->offset;
    int word;
    switch (f->kind) {
    case T8_FIELD_TEXT:
        return ((const struct bytes *)at)->len > 0;
    case T8_FIELD_UINT:
    case T8_FIELD_MILLISECONDS:
        return ((const struct t8_uint *)at)->present;
    case T8_FIELD_INT:
        return ((const struct t8_int *)at)->present;
    case T8_FIELD_PORT:
        return true;
    case T8_FIELD_FLAG:
        return *(const enum t8_flag *)at != T8_FLAG_UNSET;
    case T8_FIELD_TIME:
        return *(const uint64_t *)at != 0;
    case T8_FIELD_WORD:
        memcpy(&word, at, sizeof word);
        return t8_words_name(f->words, word)[0] != '\0';
    case T8_FIELD_WORD_SET:
        for (int i = 1; i < f->words->other; i++)
            if (*(const unsigned *)at >> i & 1)
                return true;
        return false;
    case T8_FIELD_FEATURES:
        return ((const struct t8_features *)at)->present;
    case T8_FIELD_OCTETS:
        return ((const struct t8_octets *)at)->present;
    case T8_FIELD_IDENTITY:
        return has_identity(at, f->rules & T8_OR_GROUP);
    case T8_FIELD_TEXTS:
        return ((const struct t8_texts *)at)->count > 0;
    case T8_FIELD_OBJECT:
        return *(const bool *)at;
    case T8_FIELD_ARRAY:
        return count_of(f, s) > 0;
    }
    return false;
}

static void put_word_set(struct t8_json_writer *w, const struct t8_field *f, unsigned set)
{
    t8_json_put_array(w, f->pointer + 1);
    for (int i = 1; i < f->words->other; i++)
        if (set >> i & 1)
            t8_json_put_item_text(w, bytes_of_str(f->words->names[i]));
    t8_json_end_array(w);
}

static enum error put_array(struct t8_json_writer *w, const struct t8_field *f, const void *s)
{
    const char *items = items_of(f, s);
    size_t count = count_of(f, s);
    enum error err = OK;
    t8_json_put_array(w, f->pointer + 1);
    for (size_t i = 0; i < count && !err; i++) {
        t8_json_put_item_open(w);
        err = t8_fields_put(f->of, w, items + i * f->of->size);
        t8_json_close(w);
    }
    t8_json_end_array(w);
    return err;
}

static enum error put_object(struct t8_json_writer *w, const struct t8_field *f, const void *at)
{
    t8_json_put_open(w, f->pointer + 1);
    enum error err = t8_fields_put(f->of, w, at);
    t8_json_close(w);
    return err;
}

static enum error put_member(struct t8_json_writer *w, const struct t8_field *f, const void *s)
{
    const void *at = (const char *)s + f->offset;
    const char *name = f->pointer + 1;
    char hex[20];
    int word;
    switch (f->kind) {
    case T8_FIELD_TEXT:
        t8_json_put_text(w, name, *(const struct bytes *)at);
        break;
    case T8_FIELD_UINT:
        if ((f->rules & T8_POSITIVE && ((const struct t8_uint *)at)->value == 0) ||
            (f->rules & T8_IS_PORT && ((const struct t8_uint *)at)->value > UINT16_MAX))
            return ERR_MEMBER_TYPE;
        t8_json_put_integer(w, name, ((const struct t8_uint *)at)->value);
        break;
    case T8_FIELD_INT:
        t8_json_put_integer(w, name, ((const struct t8_int *)at)->value);
        break;
    case T8_FIELD_PORT:
        t8_json_put_integer(w, name, *(const uint16_t *)at);
        break;
    case T8_FIELD_FLAG:
        t8_json_put_flag(w, name, *(const enum t8_flag *)at);
        break;
    case T8_FIELD_TIME:
        t8_json_put_time(w, name, *(const uint64_t *)at);
        break;
    case T8_FIELD_MILLISECONDS:
        t8_json_put_milliseconds(w, name, ((const struct t8_uint *)at)->value);
        break;
    case T8_FIELD_WORD:
        memcpy(&word, at, sizeof word);
        t8_json_put_str(w, name, t8_words_name(f->words, word));
        break;
    case T8_FIELD_WORD_SET:
        put_word_set(w, f, *(const unsigned *)at);
        break;
    case T8_FIELD_FEATURES:
        t8_features_format(((const struct t8_features *)at)->bits, hex);
        t8_json_put_str(w, name, hex);
        break;
    case T8_FIELD_OCTETS:
        t8_json_put_data(w, name, ((const struct t8_octets *)at)->bytes);
        break;
    case T8_FIELD_IDENTITY:
        t8_json_put_identity(w, *(const struct t8_identity *)at);
        break;
    case T8_FIELD_TEXTS:
        t8_json_put_array(w, name);
        for (size_t i = 0; i < ((const struct t8_texts *)at)->count; i++)
            t8_json_put_item_text(w, ((const struct t8_texts *)at)->items[i]);
        t8_json_end_array(w);
        break;
    case T8_FIELD_OBJECT:
        return put_object(w, f, at);
    case T8_FIELD_ARRAY:
        return put_array(w, f, s);
    }
    return OK;
}

enum error t8_fields_put(const struct t8_fields *f, struct t8_json_writer *w, const void *s)
{
    enum error err = OK;
    for (size_t i = 0; i < f->count && !err; i++) {
        const struct t8_field *row = &f->list[i];
        bool identity = row->kind == T8_FIELD_IDENTITY;
        if (row->rules & T8_DECODE_ONLY)
            continue;
        if (is_present(row, s))
            err = put_member(w, row, s);
        else if (identity ? !(row->rules & T8_OPTIONAL_ID) : row->rules & T8_MANDATORY)
            err = identity ? ERR_IDENTITY : ERR_MEMBER_MISSING;
    }
    return err;
}

enum error t8_fields_encode(const struct t8_fields *f, const void *s, struct buf *out)
{
    size_t start = out->len;
    struct t8_json_writer w;
    t8_json_open(&w, out);
    enum error err = t8_fields_put(f, &w, s);
    enum error finished = t8_json_finish(&w, start);
    if (err)
        out->len = start;
    return err ? err : finished;
}

/* ---- releasing */

void t8_fields_free(const struct t8_fields *f, void *s)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct t8_field *row = &f->list[i];
        char *at = (char *)s + row->offset;
        if (row->kind == T8_FIELD_OCTETS) {
            buf_free(&((struct t8_octets *)(void *)at)->memory);
        } else if (row->kind == T8_FIELD_TEXTS) {
            free(((struct t8_texts *)(void *)at)->items);
        } else if (row->kind == T8_FIELD_OBJECT) {
            t8_fields_free(row->of, at);
        } else if (row->kind == T8_FIELD_ARRAY && items_of(row, s)) {
            char *items = items_of(row, s);
            for (size_t k = 0; k < count_of(row, s); k++)
                t8_fields_free(row->of, items + k * row->of->size);
            free(items);
        }
    }
}

void t8_fields_release(const struct t8_fields *f, void *s, struct t8_doc *doc)
{
    t8_fields_free(f, s);
    t8_doc_free(doc);
    memset(s, 0, f->size);
}
