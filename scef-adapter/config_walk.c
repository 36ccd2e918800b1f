/* Reads the YAML event by event along the table, before libcyaml does: libcyaml tells neither the line of a syntax
 * error nor where a missing key belongs nor what it expected instead, and afterwards nobody knows where a value stood.
 */
#include "scef-adapter/config_keys.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define NESTING_MAX      32
#define FAULT_KEYS_BYTES 600 /* the names of all keys of a section */

struct walk {
    yaml_parser_t parser;
    yaml_event_t event; /* the one looked at */
    bool has_event;
    bool broken; /* a syntax error was told: nothing more to read */
    enum error err;
    struct bytes text;
    struct config_places *places;
    struct config_report *r;
    char path[160]; /* of the key read last */
};

void config_fault(struct config_report *r, size_t line, const char *key, const char *expected, const char *wrong, ...)
{
    if (++r->count > CONFIG_MAX_FAULTS)
        return;
    char text[256];
    va_list args;
    va_start(args, wrong);
    vsnprintf(text, sizeof(text), wrong, args);
    va_end(args);
    size_t start = r->out->len;
    buf_addf(r->out, "%s:%zu: %s: %s; expected %s", r->file, line ? line : 1, key, text, expected);
    for (size_t i = start; i < r->out->len; i++) /* keys and values are anybody's */
        if (r->out->data[i] < ' ' || r->out->data[i] == 0x7f)
            r->out->data[i] = '?';
    buf_add_u8(r->out, '\n');
}

static size_t line_now(const struct walk *w)
{
    return w->event.start_mark.line + 1;
}

/* Takes the next event; false at a syntax error, which is told. */
static bool next(struct walk *w)
{
    if (w->broken)
        return false;
    if (w->has_event)
        yaml_event_delete(&w->event);
    w->has_event = false;
    if (!yaml_parser_parse(&w->parser, &w->event)) {
        size_t line = w->parser.problem_mark.line + 1;
        if (w->parser.error == YAML_READER_ERROR) { /* has no mark, but an offset */
            line = 1;
            for (size_t i = 0; i < w->text.len && i < w->parser.problem_offset; i++)
                line += w->text.data[i] == '\n';
        }
        if (w->parser.error == YAML_MEMORY_ERROR)
            w->err = ERR_NO_MEMORY;
        config_fault(w->r, line, w->path[0] ? w->path : "yaml", "YAML, indented by blanks, never by tabs",
                     "not YAML: %s", w->parser.problem ? w->parser.problem : "cannot be read");
        w->broken = true;
        return false;
    }
    w->has_event = true;
    return true;
}

/* Passes over the value that begins at the current event. */
static bool skip(struct walk *w)
{
    int depth = 0;
    for (;;) {
        switch (w->event.type) {
        case YAML_MAPPING_START_EVENT:
        case YAML_SEQUENCE_START_EVENT:
            depth++;
            break;
        case YAML_MAPPING_END_EVENT:
        case YAML_SEQUENCE_END_EVENT:
            depth--;
            break;
        default:
            break;
        }
        if (depth > NESTING_MAX) {
            config_fault(w->r, line_now(w), w->path, "a plain value", "is nested too deeply");
            w->broken = true;
            return false;
        }
        if (depth == 0)
            return true;
        if (!next(w))
            return false;
    }
}

static const char *event_noun(yaml_event_type_t t)
{
    switch (t) {
    case YAML_SCALAR_EVENT:
        return "a plain value";
    case YAML_SEQUENCE_START_EVENT:
        return "a list";
    case YAML_MAPPING_START_EVENT:
        return "a mapping";
    case YAML_ALIAS_EVENT:
        return "an alias";
    default:
        return "nothing";
    }
}

static void place_add(struct walk *w, uint32_t section, size_t entry, uint32_t key)
{
    struct config_places *p = w->places;
    if (p->count == p->capacity) {
        size_t capacity = p->capacity ? p->capacity * 2 : 64;
        struct config_place *items = realloc(p->items, capacity * sizeof(*items));
        if (!items) {
            w->err = ERR_NO_MEMORY;
            w->broken = true;
            return;
        }
        p->items = items;
        p->capacity = capacity;
    }
    p->items[p->count++] = (struct config_place){key, section, (uint32_t)entry, (uint32_t)line_now(w)};
}

/* ---- values ---- */

static void value_number(struct walk *w, const struct config_key *k, const char *text)
{
    char expected[200];
    config_key_expected(k, expected);
    size_t n = strlen(text);
    bool digits = n > 0 && n < 20 && strspn(text, "0123456789") == n && (n == 1 || text[0] != '0');
    uint64_t v = digits ? strtoull(text, NULL, 10) : 0;
    if (!digits)
        config_fault(w->r, line_now(w), w->path, expected, "'%.60s' is no whole number", text);
    else if (v < k->min || v > k->max)
        config_fault(w->r, line_now(w), w->path, expected, "%.60s is too %s", text, v < k->min ? "small" : "large");
}

static void value_text(struct walk *w, const struct config_key *k, const char *text, size_t len)
{
    if (len == 0) {
        config_fault(w->r, line_now(w), w->path, k->expected, "has no value");
        return;
    }
    const char *wrong = strlen(text) != len ? "holds a NUL" : k->check ? k->check(text) : NULL;
    if (wrong && k->secret)
        config_fault(w->r, line_now(w), w->path, k->expected, "%s", wrong);
    else if (wrong)
        config_fault(w->r, line_now(w), w->path, k->expected, "'%.60s' %s", text, wrong);
}

static void value_word(struct walk *w, const struct config_key *k, const char *text)
{
    char expected[200];
    for (uint32_t i = 0; i < k->word_count; i++)
        if (strcmp(k->words[i].str, text) == 0)
            return;
    config_key_expected(k, expected);
    config_fault(w->r, line_now(w), w->path, expected, "'%.60s' is not known", text);
}

static bool value(struct walk *w, const struct config_key *k)
{
    if (w->event.type != YAML_SCALAR_EVENT) {
        char expected[200];
        config_key_expected(k, expected);
        config_fault(w->r, line_now(w), w->path, expected, "is %s", event_noun(w->event.type));
        return skip(w);
    }
    const char *text = (const char *)w->event.data.scalar.value;
    if (k->type == CONFIG_NUMBER)
        value_number(w, k, text);
    else if (k->type == CONFIG_TEXT)
        value_text(w, k, text, w->event.data.scalar.length);
    else
        value_word(w, k, text);
    return true;
}

/* ---- mappings ---- */

static bool of_section(const struct config_key *k, const struct config_section *s)
{
    return strcmp(k->section, s->name) == 0;
}

static const struct config_key *key_find(const struct config_section *s, const char *name)
{
    for (size_t i = 0; i < config_key_count; i++)
        if (of_section(&config_keys[i], s) && strcmp(config_keys[i].key, name) == 0)
            return &config_keys[i];
    return NULL;
}

static void fault_unknown(struct walk *w, const struct config_section *s)
{
    char expected[FAULT_KEYS_BYTES];
    int n = snprintf(expected, sizeof(expected), "one of:");
    const char *comma = "";
    for (size_t i = 1; i < config_section_count && n < FAULT_KEYS_BYTES; i++) {
        const char *name = config_section_in(&config_sections[i], s);
        if (!name)
            continue;
        n += snprintf(expected + n, sizeof(expected) - (size_t)n, "%s %s", comma, name);
        comma = ",";
    }
    for (size_t i = 0; i < config_key_count && n < FAULT_KEYS_BYTES; i++) {
        if (!of_section(&config_keys[i], s))
            continue;
        n += snprintf(expected + n, sizeof(expected) - (size_t)n, "%s %s", comma, config_keys[i].key);
        comma = ",";
    }
    config_fault(w->r, line_now(w), w->path, expected, "is no key that is known");
}

static bool section_value(struct walk *w, uint32_t section, size_t entry);

/* The content of a mapping whose start is the current event: a section's, a list entry's, or the top level. */
static bool mapping(struct walk *w, uint32_t section, size_t entry)
{
    const struct config_section *s = &config_sections[section];
    const bool top = section == 0;
    bool seen_key[CONFIG_KEYS_MAX] = {false}, seen_section[CONFIG_SECTIONS_MAX] = {false};
    size_t start = line_now(w);
    while (next(w) && w->event.type != YAML_MAPPING_END_EVENT) {
        if (w->event.type != YAML_SCALAR_EVENT) {
            config_key_path(s, w->places->mapping, entry, NULL, w->path);
            config_fault(w->r, line_now(w), top ? "yaml" : w->path, "the name of a key", "the key is %s",
                         event_noun(w->event.type));
            w->broken = true; /* what follows would be guesswork */
            return false;
        }
        char name[64];
        snprintf(name, sizeof(name), "%.60s", (const char *)w->event.data.scalar.value);
        config_key_path(s, w->places->mapping, entry, name, w->path);
        const struct config_key *k = key_find(s, name);
        uint32_t sub = 0;
        for (uint32_t i = 1; !k && i < config_section_count; i++) {
            const char *inner = config_section_in(&config_sections[i], s);
            if (inner && strcmp(inner, name) == 0)
                sub = i;
        }
        bool *seen = k ? &seen_key[k - config_keys] : sub ? &seen_section[sub] : NULL;
        if (!seen)
            fault_unknown(w, s);
        else if (*seen)
            config_fault(w->r, line_now(w), w->path, "each key once", "is there twice");
        if (seen) {
            *seen = true;
            if (k)
                place_add(w, section, entry, (uint32_t)(k - config_keys));
            else
                place_add(w, sub, s->list ? entry : CONFIG_PLACE_SECTION, CONFIG_PLACE_SECTION);
        }
        if (!next(w) || !(k ? value(w, k) : sub ? section_value(w, sub, entry) : skip(w)))
            return false;
    }
    if (w->broken)
        return false;
    char expected[200], path[160];
    for (size_t i = 0; i < config_key_count; i++) {
        if (!of_section(&config_keys[i], s) || !config_keys[i].mandatory || seen_key[i])
            continue;
        config_key_path(s, w->places->mapping, entry, config_keys[i].key, path);
        config_key_expected(&config_keys[i], expected);
        config_fault(w->r, start, path, expected, "is missing");
    }
    for (size_t i = 1; top && i < config_section_count; i++)
        if (config_sections[i].mandatory && !seen_section[i])
            config_fault(w->r, start, config_sections[i].name,
                         config_sections[i].list && !config_sections[i].or_mapping ? "a list" : "a mapping",
                         "is missing");
    return true;
}

static bool list(struct walk *w, uint32_t section)
{
    const struct config_section *s = &config_sections[section];
    size_t entry = 0, start = line_now(w);
    for (; next(w) && w->event.type != YAML_SEQUENCE_END_EVENT; entry++) {
        snprintf(w->path, sizeof(w->path), "%s[%zu]", s->name, entry);
        if (entry == s->max_entries) {
            config_fault(w->r, line_now(w), w->path, "fewer entries", "is one entry too many");
            w->broken = true;
            return false;
        }
        if (w->event.type != YAML_MAPPING_START_EVENT) {
            config_fault(w->r, line_now(w), w->path, "a mapping", "is %s", event_noun(w->event.type));
            if (!skip(w))
                return false;
            continue;
        }
        place_add(w, section, entry, CONFIG_PLACE_SECTION);
        if (!mapping(w, section, entry))
            return false;
    }
    if (!w->broken && entry == 0 && s->mandatory)
        config_fault(w->r, start, s->name, "at least one entry", "is an empty list");
    return !w->broken;
}

/* `entry`: of the list that the section stands in. */
static bool section_value(struct walk *w, uint32_t section, size_t entry)
{
    const struct config_section *s = &config_sections[section];
    const bool is_mapping = w->event.type == YAML_MAPPING_START_EVENT;
    if (s->list && w->event.type == YAML_SEQUENCE_START_EVENT)
        return list(w, section);
    if (s->or_mapping && is_mapping) {
        w->places->mapping = true;
        place_add(w, section, 0, CONFIG_PLACE_SECTION);
    }
    if (is_mapping && (!s->list || s->or_mapping))
        return mapping(w, section, entry);
    static const char *const expected[] = {"a mapping", "a list", "a mapping, or a list of mappings"};
    bool empty = w->event.type == YAML_SCALAR_EVENT && w->event.data.scalar.length == 0;
    char path[160];
    config_key_path(s, w->places->mapping, entry, NULL, path);
    config_fault(w->r, line_now(w), s->list ? s->name : path, expected[s->list + s->or_mapping], "is %s",
                 empty ? "empty" : event_noun(w->event.type));
    return skip(w);
}

static void document(struct walk *w)
{
    static const char wanted[] = "a mapping with the sections scef and servers";
    while (next(w) && (w->event.type == YAML_STREAM_START_EVENT || w->event.type == YAML_DOCUMENT_START_EVENT))
        continue;
    if (w->broken)
        return;
    if (w->event.type == YAML_STREAM_END_EVENT) {
        config_fault(w->r, 1, "scef", wanted, "the file is empty");
    } else if (w->event.type != YAML_MAPPING_START_EVENT) {
        config_fault(w->r, line_now(w), "scef", wanted, "the file holds %s", event_noun(w->event.type));
    } else if (mapping(w, 0, 0)) {
        while (next(w) && w->event.type == YAML_DOCUMENT_END_EVENT)
            continue;
        if (!w->broken && w->event.type != YAML_STREAM_END_EVENT)
            config_fault(w->r, line_now(w), "yaml", "one YAML document", "a second document begins");
    }
}

enum error config_walk(struct bytes text, struct config_places *places, struct config_report *r)
{
    struct walk w = {.text = text, .places = places, .r = r};
    if (!yaml_parser_initialize(&w.parser))
        return ERR_NO_MEMORY;
    yaml_parser_set_input_string(&w.parser, text.data ? text.data : (const unsigned char *)"", text.len);
    document(&w);
    if (w.has_event)
        yaml_event_delete(&w.event);
    yaml_parser_delete(&w.parser);
    return w.err;
}

/* ---- places ---- */

size_t config_line_of(const struct config_places *p, const char *section, size_t entry, const char *key)
{
    size_t line = 1, best = 0;
    for (size_t i = 0; i < p->count; i++) {
        const struct config_place *at = &p->items[i];
        if (strcmp(config_sections[at->section].name, section) != 0)
            continue;
        /* 1 the section, 2 the entry, 3 the key */
        size_t rank = at->entry == CONFIG_PLACE_SECTION ? 1 : at->entry == entry ? 2 : 0;
        if (at->key != CONFIG_PLACE_SECTION)
            rank = at->entry == entry && key && strcmp(config_keys[at->key].key, key) == 0 ? 3 : 0;
        if (rank > best) {
            best = rank;
            line = at->line;
        }
    }
    return line;
}

bool config_is_written(const struct config_places *p, size_t entry, uint32_t key)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->items[i].key == key && p->items[i].entry == entry)
            return true;
    return false;
}
