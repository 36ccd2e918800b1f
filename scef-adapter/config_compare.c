/* What a new configuration changes that a running process cannot: from the table of keys. */
#include "scef-adapter/config_keys.h"

#include <stdio.h>
#include <string.h>

static bool same(const struct config_key *k, const char *a, const char *b)
{
    if (k->type != CONFIG_TEXT)
        return memcmp(a + k->offset, b + k->offset, k->size) == 0;
    const char *left, *right;
    memcpy(&left, a + k->offset, sizeof(left));
    memcpy(&right, b + k->offset, sizeof(right));
    return left == right || (left && right && strcmp(left, right) == 0);
}

struct comparison {
    void *ctx;
    void (*differs)(void *ctx, const char *key);
};

/* The keys of one mapping; `a` and `b` are where their offsets count from. */
static void keys_compare(const struct comparison *o, const struct config_section *s, size_t entry, bool numbered,
                         const void *a, const void *b)
{
    char path[160];
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *k = &config_keys[i];
        if (strcmp(k->section, s->name) != 0 || k->live || same(k, a, b))
            continue;
        config_key_path(s, !numbered, entry, k->key, path);
        o->differs(o->ctx, path);
    }
}

struct entries {
    const char *items;
    uint32_t count;
};

static struct entries entries_of(const struct config *c, const struct config_section *s)
{
    struct entries l;
    memcpy(&l.items, (const char *)c + s->list_offset, sizeof(l.items));
    memcpy(&l.count, (const char *)c + s->count_offset, sizeof(l.count));
    return l;
}

/* `s` is the list's own section, or one in its entries; `list` is the list's. */
static void list_compare(const struct comparison *o, const struct config_section *s, const struct config_section *list,
                         const struct config *running, const struct config *fresh)
{
    const struct entries a = entries_of(running, list), b = entries_of(fresh, list);
    if (a.count != b.count && s == list && !list->live)
        o->differs(o->ctx, list->name);
    for (uint32_t i = 0; i < a.count && i < b.count; i++) {
        const size_t at = (size_t)i * list->entry_size;
        keys_compare(o, s, i, !list->or_mapping || a.count > 1 || b.count > 1, a.items + at, b.items + at);
    }
}

void config_compare(const struct config *running, const struct config *fresh, void *ctx,
                    void (*differs)(void *ctx, const char *key))
{
    const struct comparison o = {ctx, differs};
    const struct config_section *list = NULL;
    for (size_t i = 0; i < config_section_count; i++) {
        const struct config_section *s = &config_sections[i];
        if (!strchr(s->name, '.')) /* what is inside stands behind */
            list = s->list ? s : NULL;
        if (strcmp(s->name, "devices") == 0)
            continue;
        if (list)
            list_compare(&o, s, list, running, fresh);
        else
            keys_compare(&o, s, 0, false, running, fresh);
    }
}
