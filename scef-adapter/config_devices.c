/* The devices: those of the list `devices` and those of devices_file, in one table, each once. */
#include "scef-adapter/config_keys.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

/* Identities are many and short: they share blocks. */
#define TEXT_BLOCK_BYTES (256u << 10)
struct config_text {
    struct config_text *next;
    size_t used;
    char memory[TEXT_BLOCK_BYTES];
};

static const char *text_add(struct config *c, const char *s)
{
    size_t n = strlen(s) + 1; /* a device's identity: at most 254 */
    if (!c->device_text || c->device_text->used + n > TEXT_BLOCK_BYTES) {
        struct config_text *t = malloc(sizeof(*t));
        if (!t)
            return NULL;
        t->next = c->device_text;
        t->used = 0;
        c->device_text = t;
    }
    char *at = c->device_text->memory + c->device_text->used;
    memcpy(at, s, n);
    c->device_text->used += n;
    return at;
}

void config_devices_release(struct config *c)
{
    while (c->device_text) {
        struct config_text *next = c->device_text->next;
        free(c->device_text);
        c->device_text = next;
    }
    free(c->devices);
    c->devices = NULL;
    c->device_count = c->device_capacity = 0;
}

/* Where the device under way comes from. */
struct source {
    struct config *c;
    struct config_report report;
    const struct config_places *places;
    size_t line;
    char path[48]; /* "devices[3]."; empty in devices_file */
    size_t entry;
    bool in_file;
    unsigned faults_before;
};

static size_t source_line(const struct source *s, const char *key)
{
    return s->in_file ? s->line : config_line_of(s->places, "devices", s->entry, key);
}

static void source_fault(struct source *s, const char *key, const char *expected, const char *wrong)
{
    char path[160];
    snprintf(path, sizeof(path), "%s%s", s->path, key);
    config_fault(&s->report, source_line(s, key), path, expected, "%s", wrong);
}

static bool server_find(const struct config *c, const char *name, uint32_t *out)
{
    for (uint32_t i = 0; i < c->server_count; i++) {
        if (c->servers[i].name && strcmp(c->servers[i].name, name) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* One device; its values were checked one by one. */
static enum error device_add(struct source *s, const char *external_id, const char *msisdn, const char *server)
{
    struct config *c = s->c;
    struct config_device d = {.line = (uint32_t)s->line};
    if (!external_id && !msisdn) {
        source_fault(s, "external_id", "external_id, msisdn, or both", "is missing");
        return OK;
    }
    if (server && !server_find(c, server, &d.server)) {
        char wrong[120];
        snprintf(wrong, sizeof(wrong), "'%.63s' is no server's name", server);
        source_fault(s, "server", "the name of a server in servers", wrong);
        return OK;
    }
    if (c->device_count == CONFIG_MAX_DEVICES) {
        source_fault(s, "external_id", "at most 16777216 devices", "is one device too many");
        return ERR_CONFIG;
    }
    if (c->device_count == c->device_capacity) {
        size_t capacity = c->device_capacity ? c->device_capacity * 2 : 64;
        struct config_device *devices = realloc(c->devices, capacity * sizeof(*devices));
        if (!devices)
            return ERR_NO_MEMORY;
        c->devices = devices;
        c->device_capacity = capacity;
    }
    d.external_id = external_id ? text_add(c, external_id) : NULL;
    d.msisdn = msisdn ? text_add(c, msisdn) : NULL;
    if ((external_id && !d.external_id) || (msisdn && !d.msisdn))
        return ERR_NO_MEMORY;
    c->devices[c->device_count++] = d;
    return OK;
}

static enum error entries_collect(struct source *s)
{
    struct config *c = s->c;
    for (uint32_t i = 0; i < c->device_entry_count && s->report.count <= CONFIG_MAX_FAULTS; i++) {
        const struct config_device_entry *e = &c->device_entries[i];
        s->entry = i;
        snprintf(s->path, sizeof(s->path), "devices[%u].", i);
        enum error err = device_add(s, e->external_id, e->msisdn, e->server);
        if (err)
            return err == ERR_CONFIG ? OK : err;
    }
    /* Lines in one pass, not by a search for each. */
    for (size_t i = 0; i < s->places->count && s->report.count == s->faults_before; i++) {
        const struct config_place *p = &s->places->items[i];
        if (p->key == CONFIG_PLACE_SECTION && p->entry < c->device_count &&
            strcmp(config_sections[p->section].name, "devices") == 0)
            c->devices[p->entry].line = p->line;
    }
    return OK;
}

/* ---- devices_file ---- */

struct member {
    const char *key;
    const char *(*check)(const char *);
    const char *expected;
    const char *value;
};

static enum error object_read(struct source *s, json_t *object)
{
    struct member members[] = {
        {"external_id", config_check_external_id, "an External Identifier like dev1@example.org", NULL},
        {"msisdn", config_check_msisdn, "5 to 15 digits, in quotes", NULL},
        {"server", config_check_name, "the name of a server in servers", NULL},
    };
    const char *key;
    json_t *value;
    unsigned before = s->report.count;
    json_object_foreach(object, key, value)
    {
        struct member *m = NULL;
        for (size_t i = 0; i < 3; i++)
            if (strcmp(members[i].key, key) == 0)
                m = &members[i];
        char wrong[160] = "";
        if (!m) {
            snprintf(wrong, sizeof(wrong), "is no key that is known");
        } else if (!json_is_string(value)) {
            snprintf(wrong, sizeof(wrong), "is no string");
        } else {
            m->value = json_string_value(value);
            const char *why = m->check(m->value);
            if (why)
                snprintf(wrong, sizeof(wrong), "'%.60s' %s", m->value, why);
        }
        char name[64];
        snprintf(name, sizeof(name), "%.60s", key);
        if (wrong[0])
            source_fault(s, name, m ? m->expected : "external_id, msisdn or server", wrong);
    }
    if (s->report.count != before)
        return OK;
    return device_add(s, members[0].value, members[1].value, members[2].value);
}

static enum error line_read(struct source *s, const char *line, size_t len)
{
    if (strspn(line, " \t\r\n") == len)
        return OK;
    json_error_t why;
    json_t *object = json_loadb(line, len, JSON_REJECT_DUPLICATES, &why);
    if (!object || !json_is_object(object)) {
        char wrong[200];
        snprintf(wrong, sizeof(wrong), "not a JSON object: %.150s", object ? "another type" : why.text);
        source_fault(s, "external_id", "a line like {\"external_id\": \"dev1@example.org\"}", wrong);
        json_decref(object);
        return OK;
    }
    enum error err = object_read(s, object);
    json_decref(object);
    return err;
}

static enum error file_read(struct source *s, FILE *f)
{
    char line[CONFIG_MAX_LINE_BYTES + 2];
    enum error err = OK;
    while (!err && s->report.count < CONFIG_MAX_FAULTS && fgets(line, sizeof(line), f)) {
        s->line++;
        size_t len = strlen(line);
        if (len == sizeof(line) - 1 && line[len - 1] != '\n') {
            source_fault(s, "external_id", "at most 4096 bytes in a line", "the line is too long");
            return OK;
        }
        err = line_read(s, line, len);
    }
    if (ferror(f))
        source_fault(s, "external_id", "a readable file", strerror(errno));
    return err == ERR_CONFIG ? OK : err;
}

char *config_path_resolve(const char *config_path, const char *name)
{
    const char *slash = strrchr(config_path, '/');
    char *out = NULL;
    int n = name[0] == '/' || !slash ? asprintf(&out, "%s", name)
                                     : asprintf(&out, "%.*s/%s", (int)(slash - config_path), config_path, name);
    return n < 0 ? NULL : out;
}

static enum error file_collect(struct source *s, const char *config_path)
{
    enum error err = OK;
    char *path = config_path_resolve(config_path, s->c->devices_file);
    if (!path)
        return ERR_NO_MEMORY;
    FILE *f = fopen(path, "re");
    if (!f) {
        config_fault(&s->report, config_line_of(s->places, "", 0, "devices_file"), "devices_file",
                     "a readable file of JSON lines, relative to this file", "%s: %s", path, strerror(errno));
    } else {
        s->report.file = path;
        s->in_file = true;
        s->path[0] = '\0';
        s->line = 0;
        err = file_read(s, f);
        s->report.file = config_path;
        fclose(f);
    }
    free(path);
    return err;
}

/* ---- every device once ---- */

static struct bytes external_id_key(const void *value)
{
    return bytes_of_str(((const struct config_device *)value)->external_id);
}

static struct bytes msisdn_key(const void *value)
{
    return bytes_of_str(((const struct config_device *)value)->msisdn);
}

struct uniqueness {
    struct source *s;
    struct map seen;
    const char *member;
    size_t in_yaml; /* so many devices are of the list, the others of the file */
    const char *file, *devices_file;
};

static enum error once(struct uniqueness *u, struct config_device *d, const char *id)
{
    const struct config_device *devices = u->s->c->devices;
    const struct config_device *first = id ? map_get(&u->seen, bytes_of_str(id)) : NULL;
    if (!first)
        return id ? map_put(&u->seen, d) : OK;
    size_t i = (size_t)(d - devices);
    char path[160] = "";
    if (i < u->in_yaml)
        snprintf(path, sizeof(path), "devices[%zu].", i);
    strcat(path, u->member);
    u->s->report.file = i < u->in_yaml ? u->file : u->devices_file;
    config_fault(&u->s->report, d->line, path, "each device once", "'%.60s' is there already (%s line %u)", id,
                 (size_t)(first - devices) < u->in_yaml ? "devices," : "devices_file,", first->line);
    return OK;
}

static enum error duplicates_find(struct source *s, size_t in_yaml, const char *file, const char *devices_file)
{
    struct uniqueness ids = {
        .s = s, .member = "external_id", .in_yaml = in_yaml, .file = file, .devices_file = devices_file};
    struct uniqueness numbers = ids;
    numbers.member = "msisdn";
    map_init(&ids.seen, external_id_key, 1); /* the operator's own file: no need of a secret seed */
    map_init(&numbers.seen, msisdn_key, 1);
    enum error err = OK;
    for (size_t i = 0; i < s->c->device_count && !err; i++) {
        struct config_device *d = &s->c->devices[i];
        err = once(&ids, d, d->external_id);
        if (!err)
            err = once(&numbers, d, d->msisdn);
    }
    map_free(&ids.seen);
    map_free(&numbers.seen);
    return err;
}

enum error config_devices_collect(struct config *c, const struct config_places *places, const char *file, bool alone,
                                  struct config_report *r)
{
    struct source s = {.c = c, .report = *r, .places = places, .faults_before = r->count};
    enum error err = entries_collect(&s);
    size_t in_yaml = c->device_count;
    if (!err && c->devices_file && !alone)
        err = file_collect(&s, file);
    if (!err && s.report.count == s.faults_before) {
        char *devices_file = c->devices_file ? config_path_resolve(file, c->devices_file) : NULL;
        err = duplicates_find(&s, in_yaml, file, devices_file ? devices_file : file);
        free(devices_file);
    }
    r->count = s.report.count;
    return err;
}
