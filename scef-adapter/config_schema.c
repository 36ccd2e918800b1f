/* What is made from the table: libcyaml's schema, defaults, the help. */
#include "scef-adapter/config_keys.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The section that is `s`, or holds it. */
static const struct config_section *outermost(const struct config_section *s)
{
    while (strchr(s->name, '.'))
        s--;
    return s;
}

void config_key_path(const struct config_section *s, bool mapping, size_t entry, const char *key, char out[160])
{
    const struct config_section *outer = outermost(s);
    char number[24] = "";
    if (outer->list && !(outer->or_mapping && mapping))
        snprintf(number, sizeof(number), "[%zu]", entry);
    snprintf(out, 160, "%s%s%s%s%s", outer->name, number, s->name + strlen(outer->name), key && s->name[0] ? "." : "",
             key ? key : "");
}

void config_key_expected(const struct config_key *k, char out[200])
{
    if (k->type == CONFIG_NUMBER) {
        snprintf(out, 200, "a whole number from %" PRIu64 " to %" PRIu64, k->min, k->max);
        return;
    }
    if (k->type == CONFIG_TEXT) {
        snprintf(out, 200, "%s", k->expected);
        return;
    }
    int n = snprintf(out, 200, "one of:");
    for (uint32_t i = 0; i < k->word_count && n < 200; i++)
        n += snprintf(out + n, (size_t)(200 - n), "%s %s", i ? "," : "", k->words[i].str);
}

const char *config_section_in(const struct config_section *inner, const struct config_section *outer)
{
    size_t n = strlen(outer->name);
    const char *name = inner->name;
    if (n) {
        if (strncmp(name, outer->name, n) != 0 || name[n] != '.')
            return NULL;
        name += n + 1;
    }
    return name[0] && !strchr(name, '.') ? name : NULL;
}

/* ---- schema ---- */

static cyaml_schema_field_t schema_field(const struct config_key *k)
{
    /* What is mandatory was checked before with a better message. */
    cyaml_schema_field_t f = {
        .key = k->key, .data_offset = k->offset, .value = {.flags = CYAML_FLAG_OPTIONAL, .data_size = k->size}};
    switch (k->type) {
    case CONFIG_NUMBER:
        f.value.type = CYAML_UINT;
        break;
    case CONFIG_TEXT:
        f.value.type = CYAML_STRING;
        f.value.flags = CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER;
        f.value.string.max = CYAML_UNLIMITED;
        break;
    case CONFIG_WORD:
        f.value.type = CYAML_ENUM;
        f.value.flags = CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT;
        f.value.enumeration.strings = k->words;
        f.value.enumeration.count = k->word_count;
        break;
    }
    return f;
}

/* Offsets in the table count from struct config, or from the list's entry, so a section's mapping begins where that
 * does. */
static cyaml_schema_field_t section_field(const struct config_section *s, const char *name, bool mapping,
                                          const cyaml_schema_field_t *fields, cyaml_schema_value_t *entry)
{
    const struct config_section *outer = outermost(s);
    cyaml_schema_field_t f = {.key = name, .value = {.flags = CYAML_FLAG_OPTIONAL}};
    if (!s->list) {
        f.value.type = CYAML_MAPPING;
        f.value.data_size = outer->list ? outer->entry_size : sizeof(struct config);
        f.value.mapping.fields = fields;
        return f;
    }
    if (s->or_mapping && mapping) { /* whoever loads it sets the count, to 1 */
        f.data_offset = s->list_offset;
        f.value.type = CYAML_MAPPING;
        f.value.flags = CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER;
        f.value.data_size = s->entry_size;
        f.value.mapping.fields = fields;
        return f;
    }
    *entry = (cyaml_schema_value_t){.type = CYAML_MAPPING, .data_size = s->entry_size, .mapping.fields = fields};
    f.data_offset = s->list_offset;
    f.count_offset = s->count_offset;
    f.count_size = sizeof(uint32_t);
    f.value.type = CYAML_SEQUENCE;
    f.value.flags = CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER;
    f.value.data_size = s->entry_size;
    f.value.sequence.entry = entry;
    f.value.sequence.max = s->max_entries;
    return f;
}

/* What libcyaml keeps pointers into. */
struct schema {
    /* Each section's fields in a row, and a field without a key as their end. */
    cyaml_schema_field_t fields[CONFIG_KEYS_MAX + 2 * CONFIG_SECTIONS_MAX];
    const cyaml_schema_field_t *first[CONFIG_SECTIONS_MAX];
    cyaml_schema_value_t entries[CONFIG_SECTIONS_MAX];
    cyaml_schema_value_t root;
};

static void schema_make(struct schema *m, bool mapping)
{
    size_t used = 0;
    for (size_t i = config_section_count; i-- > 0; used++) { /* what is inside stands behind */
        const struct config_section *s = &config_sections[i];
        m->first[i] = &m->fields[used];
        for (size_t k = 0; k < config_key_count; k++)
            if (strcmp(config_keys[k].section, s->name) == 0)
                m->fields[used++] = schema_field(&config_keys[k]);
        for (size_t inner = i + 1; inner < config_section_count; inner++) {
            const char *name = config_section_in(&config_sections[inner], s);
            if (name)
                m->fields[used++] =
                    section_field(&config_sections[inner], name, mapping, m->first[inner], &m->entries[inner]);
        }
    }
    m->root = (cyaml_schema_value_t){.type = CYAML_MAPPING,
                                     .flags = CYAML_FLAG_POINTER,
                                     .data_size = sizeof(struct config),
                                     .mapping.fields = m->first[0]};
}

const cyaml_schema_value_t *config_schema(bool mapping)
{
    static struct schema made[2];
    struct schema *m = &made[mapping];
    if (!m->root.data_size)
        schema_make(m, mapping);
    return &m->root;
}

/* ---- defaults ---- */

static uint64_t stored_number(const struct config_key *k, const void *in)
{
    const char *at = (const char *)in + k->offset;
    uint8_t v8;
    uint16_t v16;
    uint32_t v32;
    uint64_t v64;
    switch (k->size) {
    case sizeof v8:
        memcpy(&v8, at, sizeof v8);
        return v8;
    case sizeof v16:
        memcpy(&v16, at, sizeof v16);
        return v16;
    case sizeof v32:
        memcpy(&v32, at, sizeof v32);
        return v32;
    default:
        memcpy(&v64, at, sizeof v64);
        return v64;
    }
}

static void store_number(const struct config_key *k, void *in, uint64_t v)
{
    char *at = (char *)in + k->offset;
    uint8_t v8 = (uint8_t)v;
    uint16_t v16 = (uint16_t)v;
    uint32_t v32 = (uint32_t)v;
    switch (k->size) {
    case sizeof v8:
        memcpy(at, &v8, sizeof v8);
        break;
    case sizeof v16:
        memcpy(at, &v16, sizeof v16);
        break;
    case sizeof v32:
        memcpy(at, &v32, sizeof v32);
        break;
    default:
        memcpy(at, &v, sizeof v);
        break;
    }
}

enum error config_default(const struct config_key *k, void *in)
{
    if (!k->fallback)
        return OK; /* the engine's, which is in place, or none */
    if (k->type == CONFIG_NUMBER) {
        store_number(k, in, strtoull(k->fallback, NULL, 10));
    } else if (k->type == CONFIG_WORD) {
        for (uint32_t i = 0; i < k->word_count; i++)
            if (strcmp(k->words[i].str, k->fallback) == 0)
                store_number(k, in, (uint64_t)k->words[i].val);
    } else {
        char *copy = strdup(k->fallback);
        if (!copy)
            return ERR_NO_MEMORY;
        memcpy((char *)in + k->offset, &copy, sizeof(copy));
    }
    return OK;
}

void config_number_scale(const struct config_key *k, struct config *c)
{
    if (k->type == CONFIG_NUMBER && k->scale)
        store_number(k, c, stored_number(k, c) * k->scale);
}

void config_number_copy(const struct config_key *k, const struct config *from, struct config *to)
{
    store_number(k, to, stored_number(k, from));
}

/* ---- help ---- */

static void help_key(const struct config_key *k, const struct config *defaults, const char *indent, struct buf *out)
{
    char value[64], expected[200];
    const char *shown = k->fallback ? k->fallback : k->example;
    if (!shown && k->type == CONFIG_NUMBER) {
        snprintf(value, sizeof(value), "%" PRIu64, stored_number(k, defaults) / (k->scale ? k->scale : 1));
        shown = value;
    }
    for (uint32_t i = 0; !shown && k->type == CONFIG_WORD && i < k->word_count; i++)
        if ((uint64_t)k->words[i].val == stored_number(k, defaults))
            shown = k->words[i].str;
    config_key_expected(k, expected);
    buf_addf(out, "%s# %s%s(%s%s)%s\n", indent, k->help ? k->help : "", k->help ? " " : "",
             k->mandatory ? "mandatory: " : "", expected, k->live ? " SIGHUP" : "");
    if (shown)
        buf_addf(out, "%s%s: %s\n", indent, k->key, shown);
    else
        buf_addf(out, "%s# %s:\n", indent, k->key);
}

static void help_list_entry(const struct config_section *s, struct buf *out)
{
    const char *lead = "  - ";
    for (size_t k = 0; k < config_key_count; k++) {
        const struct config_key *key = &config_keys[k];
        if (strcmp(key->section, s->name) != 0)
            continue;
        char expected[200];
        config_key_expected(key, expected);
        buf_addf(out, "  # %s: %s (%s%s)%s\n", key->key, key->help, key->mandatory ? "mandatory: " : "", expected,
                 key->live ? " SIGHUP" : "");
    }
    for (size_t k = 0; k < config_key_count; k++) {
        const struct config_key *key = &config_keys[k];
        const char *shown = key->fallback ? key->fallback : key->example;
        if (strcmp(key->section, s->name) != 0 || !shown)
            continue;
        buf_addf(out, "%s%s: %s\n", lead, key->key, shown);
        lead = "    ";
    }
}

/* A section in a section is optional, and has no defaults to show: all of it is a comment. */
static void help_inner(const struct config_section *s, const char *name, struct buf *out)
{
    buf_addf(out, "  # Optional. %s\n  # %s:\n", s->help, name);
    for (size_t k = 0; k < config_key_count; k++) {
        const struct config_key *key = &config_keys[k];
        if (strcmp(key->section, s->name) != 0)
            continue;
        const char *shown = key->fallback ? key->fallback : key->example;
        char expected[200];
        config_key_expected(key, expected);
        buf_addf(out, "  #   # %s (%s%s)\n  #   %s%s:%s%s\n", key->help, key->mandatory ? "mandatory: " : "", expected,
                 shown ? "" : "# ", key->key, shown ? " " : "", shown ? shown : "");
    }
}

void config_help(struct buf *out)
{
    struct config defaults = {.server_count = 0};
    engine_options_default(&defaults.engine);
    buf_add_str(
        out,
        "# Configuration of scef-adapter, with every key. A key or section that is left out has the value\n"
        "# shown here; only mandatory ones must be given. What is marked SIGHUP counts from that signal on, the rest\n"
        "# from the next start.\n");
    for (size_t i = 0; i < config_section_count; i++) {
        const struct config_section *s = &config_sections[i];
        if (strchr(s->name, '.'))
            continue;
        if (s->name[0])
            buf_addf(out, "\n# %s%s\n%s:\n", s->mandatory ? "Mandatory. " : "", s->help, s->name);
        if (s->list && !s->or_mapping) {
            help_list_entry(s, out);
            continue;
        }
        for (size_t k = 0; k < config_key_count; k++)
            if (strcmp(config_keys[k].section, s->name) == 0)
                help_key(&config_keys[k], &defaults, s->name[0] ? "  " : "", out);
        for (size_t inner = i + 1; s->name[0] && inner < config_section_count; inner++)
            if (config_section_in(&config_sections[inner], s))
                help_inner(&config_sections[inner], config_section_in(&config_sections[inner], s), out);
    }
}
