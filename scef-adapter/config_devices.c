/* The devices: those of the list `devices` and those of devices_file, in one table, each once. */
#include "scef-adapter/config_keys.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/map.h"
#include "scef-adapter/slice.h"

/* Identities are many and short: they share blocks. */
#define TEXT_BLOCK_BYTES (256u << 10)
struct config_text {
    struct config_text *next;
    size_t used;
    char memory[TEXT_BLOCK_BYTES];
};

static const char *text_add(struct config *c, const char *s)
{
    size_t n = strlen(s) + 1; /* a device's identity or endpoint name: at most 256 */
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
    for (uint32_t i = 0; i < c->device_entry_count; i++)
        if (c->device_entries[i].psk_key)
            explicit_bzero(c->device_entries[i].psk_key, strlen(c->device_entries[i].psk_key));
    while (c->device_text) {
        struct config_text *next = c->device_text->next;
        explicit_bzero(c->device_text->memory, c->device_text->used);
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

/* As they were read; NULL where there was none. */
struct names {
    const char *external_id, *msisdn, *scef, *server, *group, *endpoint, *psk_identity, *psk_key;
};

/* false, and told, when a name is unknown or two contradict each other. */
static bool references_find(struct source *s, const struct names *n, struct config_device *d)
{
    const struct config *c = s->c;
    char wrong[160];
    d->group = CONFIG_NO_GROUP;
    if (n->group && !config_group_find(c, n->group, &d->group)) {
        snprintf(wrong, sizeof(wrong), "'%.60s' is no group's", n->group);
        source_fault(s, "group", "the external_group_id of a group in groups", wrong);
        return false;
    }
    const struct config_group *g = n->group ? &c->groups[d->group] : NULL;
    d->scef = g ? g->scef : 0;
    d->server = g ? g->server : ENGINE_NONE;
    if (n->server && !config_server_find(c, n->server, &d->server)) {
        snprintf(wrong, sizeof(wrong), "'%.63s' is no server's name", n->server);
        source_fault(s, "server", "the name of a server in servers", wrong);
        return false;
    }
    if (n->scef && !config_scef_find(c, n->scef, &d->scef)) {
        snprintf(wrong, sizeof(wrong), "'%.63s' is no SCEF's name", n->scef);
        source_fault(s, "scef", "the name of a SCEF in scef", wrong);
        return false;
    }
    if (g && d->scef != g->scef) {
        snprintf(wrong, sizeof(wrong), "'%.63s' is not the SCEF of its group", n->scef);
        source_fault(s, "scef", "the group's SCEF, or none here", wrong);
        return false;
    }
    return true;
}

/* false, and told, when its key has no use, or is missing for the server that all its messages go to. */
static bool key_check(struct source *s, const struct names *n, const struct config_device *d)
{
    if (n->psk_identity && !n->psk_key) {
        source_fault(s, "psk_identity", "psk_identity and psk_key, or neither", "is there alone");
        return false;
    }
    const struct config_server *server = d->server == ENGINE_NONE ? NULL : &s->c->servers[d->server];
    if (n->psk_key || !server || !config_server_by_key(server) || server->psk_file)
        return true;
    char wrong[160];
    snprintf(wrong, sizeof(wrong), "is missing: server '%.63s' has no psk_file for all", server->name);
    source_fault(s, "psk_key", "2 to 128 hexadecimal digits", wrong);
    return false;
}

/* The file that the device stands in holds a key. */
static enum error key_holder_note(struct source *s)
{
    char **holder = &s->c->psk_holders[s->in_file];
    if (!*holder)
        *holder = strdup(s->report.file);
    return *holder ? OK : ERR_NO_MEMORY;
}

static enum error key_add(struct source *s, const struct names *n, struct config_device *d)
{
    char follows[300] = "";
    const char *identity = n->psk_identity ? n->psk_identity : n->endpoint ? n->endpoint : n->msisdn;
    if (!n->psk_identity && !n->endpoint && n->external_id) {
        snprintf(follows, sizeof(follows), "urn:nai:%s", n->external_id);
        identity = follows;
    }
    if (config_check_psk_identity(identity)) {
        source_fault(s, "psk_identity", "at most 128 bytes of text", "is missing, and the endpoint name is too long");
        return OK;
    }
    d->psk_identity = text_add(s->c, identity);
    d->psk_key = text_add(s->c, n->psk_key);
    return d->psk_identity && d->psk_key ? OK : ERR_NO_MEMORY;
}

/* One device; its values were checked one by one. */
static enum error device_add(struct source *s, const struct names *n)
{
    struct config *c = s->c;
    struct config_device d = {.line = (uint32_t)s->line, .entry = (uint32_t)s->entry};
    if (!n->external_id && !n->msisdn) {
        source_fault(s, "external_id", "external_id, msisdn, or both", "is missing");
        return OK;
    }
    if (!references_find(s, n, &d) || !key_check(s, n, &d))
        return OK;
    if (n->psk_key && key_holder_note(s) != OK)
        return ERR_NO_MEMORY;
    if (slice_of(bytes_of_str(n->external_id ? n->external_id : n->msisdn), c->slices.count) != c->slices.index)
        return OK; /* another process serves it */
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
    d.external_id = n->external_id ? text_add(c, n->external_id) : NULL;
    d.msisdn = n->msisdn ? text_add(c, n->msisdn) : NULL;
    d.endpoint = n->endpoint ? text_add(c, n->endpoint) : NULL;
    if ((n->external_id && !d.external_id) || (n->msisdn && !d.msisdn) || (n->endpoint && !d.endpoint))
        return ERR_NO_MEMORY;
    enum error err = n->psk_key ? key_add(s, n, &d) : OK;
    if (err)
        return err;
    c->devices[c->device_count++] = d;
    return OK;
}

static enum error entries_collect(struct source *s)
{
    struct config *c = s->c;
    /* Lines in one pass, not by a search for each. */
    uint32_t *lines = calloc(c->device_entry_count ? c->device_entry_count : 1, sizeof(*lines));
    if (!lines)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < s->places->count; i++) {
        const struct config_place *p = &s->places->items[i];
        if (p->key == CONFIG_PLACE_SECTION && p->entry < c->device_entry_count &&
            strcmp(config_sections[p->section].name, "devices") == 0)
            lines[p->entry] = p->line;
    }
    enum error err = OK;
    for (uint32_t i = 0; i < c->device_entry_count && s->report.count <= CONFIG_MAX_FAULTS && !err; i++) {
        const struct config_device_entry *e = &c->device_entries[i];
        s->entry = i;
        s->line = lines[i];
        snprintf(s->path, sizeof(s->path), "devices[%u].", i);
        err = device_add(s, &(struct names){e->external_id, e->msisdn, e->scef, e->server, e->group, e->endpoint,
                                            e->psk_identity, e->psk_key});
    }
    free(lines);
    return err == ERR_CONFIG ? OK : err;
}

/* ---- devices_file ---- */

struct member {
    const char *key;
    const char *(*check)(const char *);
    const char *expected;
    const char *value;
    bool secret; /* never shown */
};

#define MEMBERS      8
#define MEMBER_NAMES "external_id, msisdn, scef, server, group, endpoint, psk_identity or psk_key"
static void members_init(struct member members[MEMBERS])
{
    const struct member all[MEMBERS] = {
        {"external_id", config_check_external_id, "an External Identifier like dev1@example.org", NULL, false},
        {"msisdn", config_check_msisdn, "5 to 15 digits, in quotes", NULL, false},
        {"scef", config_check_name, "the name of a SCEF in scef", NULL, false},
        {"server", config_check_name, "the name of a server in servers", NULL, false},
        {"group", config_check_external_id, "the external_group_id of a group in groups", NULL, false},
        {"endpoint", config_check_endpoint, "an LwM2M endpoint name of at most 252 bytes", NULL, false},
        {"psk_identity", config_check_psk_identity, "at most 128 bytes of text", NULL, false},
        {"psk_key", config_check_psk_key, "2 to 128 hexadecimal digits", NULL, true},
    };
    memcpy(members, all, sizeof(all));
}

static struct member *member_find(struct member members[MEMBERS], const char *key, size_t len)
{
    for (size_t i = 0; i < MEMBERS; i++)
        if (strlen(members[i].key) == len && memcmp(members[i].key, key, len) == 0)
            return &members[i];
    return NULL;
}

static enum error members_take(struct source *s, const struct member members[MEMBERS])
{
    return device_add(s, &(struct names){members[0].value, members[1].value, members[2].value, members[3].value,
                                         members[4].value, members[5].value, members[6].value, members[7].value});
}

static enum error object_read(struct source *s, json_t *object)
{
    struct member members[MEMBERS];
    const char *key;
    json_t *value;
    unsigned before = s->report.count;
    members_init(members);
    json_object_foreach(object, key, value)
    {
        struct member *m = member_find(members, key, strlen(key));
        char wrong[160] = "";
        if (!m) {
            snprintf(wrong, sizeof(wrong), "is no key that is known");
        } else if (!json_is_string(value)) {
            snprintf(wrong, sizeof(wrong), "is no string");
        } else {
            m->value = json_string_value(value);
            const char *why = m->check(m->value);
            if (why && m->secret)
                snprintf(wrong, sizeof(wrong), "%s", why);
            else if (why)
                snprintf(wrong, sizeof(wrong), "'%.60s' %s", m->value, why);
        }
        char name[64];
        snprintf(name, sizeof(name), "%.60s", key);
        if (wrong[0])
            source_fault(s, name, m ? m->expected : MEMBER_NAMES, wrong);
    }
    return s->report.count == before ? members_take(s, members) : OK;
}

static char *skip_space(char *at)
{
    return at + strspn(at, " \t\r\n");
}

/* A string of plain characters, which stand for themselves; NULL: another one. *len without the quotes. */
static char *plain_string(char *at, size_t *len)
{
    if (*at != '"')
        return NULL;
    *len = strcspn(at + 1, "\"\\");
    for (size_t i = 1; i <= *len; i++)
        if ((unsigned char)at[i] < ' ' || (unsigned char)at[i] > '~')
            return NULL;
    return at[*len + 1] == '"' ? at + 1 : NULL;
}

/* Most lines are an object of plain strings, each under a key of ours and as it must be: such a line is read a few
 * times faster here than by way of a JSON tree. false: `line` is as it was, and somebody else is to read it. */
static bool plain_line(char *line, struct member members[MEMBERS])
{
    char *ends[MEMBERS];
    size_t count = 0;
    char *at = skip_space(line);
    members_init(members);
    if (*at != '{')
        return false;
    do {
        size_t key_len;
        size_t len;
        char *key = plain_string(skip_space(at + 1), &key_len);
        struct member *m = key ? member_find(members, key, key_len) : NULL;
        at = m && !m->value ? skip_space(key + key_len + 1) : NULL;
        char *value = at && *at == ':' ? plain_string(skip_space(at + 1), &len) : NULL;
        if (!value)
            return false;
        m->value = value;
        ends[count++] = value + len;
        at = skip_space(value + len + 1);
    } while (*at == ',');
    if (*at != '}' || *skip_space(at + 1))
        return false;
    for (size_t i = 0; i < count; i++)
        *ends[i] = '\0';
    bool right = true;
    for (size_t i = 0; i < MEMBERS && right; i++)
        right = !members[i].value || !members[i].check(members[i].value);
    for (size_t i = 0; i < count && !right; i++)
        *ends[i] = '"';
    return right;
}

static enum error line_read(struct source *s, char *line, size_t len)
{
    struct member members[MEMBERS];
    if (strspn(line, " \t\r\n") == len)
        return OK;
    if (plain_line(line, members))
        return members_take(s, members);
    json_error_t why;
    json_t *object = json_loadb(line, len, JSON_REJECT_DUPLICATES, &why);
    if (!object || !json_is_object(object)) {
        char wrong[200];
        /* What it stumbled over may be a key. */
        snprintf(wrong, sizeof(wrong), "not a JSON object: %.150s",
                 object                    ? "another type"
                 : strstr(line, "psk_key") ? "what is wrong is not shown, since the line holds psk_key"
                                           : why.text);
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
            err = ERR_CONFIG;
        } else {
            err = line_read(s, line, len);
        }
    }
    explicit_bzero(line, sizeof(line));
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

static void state_of(const struct stat *st, struct config_file_state *out)
{
    *out = (struct config_file_state){.size = (uint64_t)st->st_size,
                                      .mtime_ns =
                                          (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec,
                                      .inode = st->st_ino};
}

bool config_devices_file_state(const struct config *c, struct config_file_state *out)
{
    struct stat st;
    *out = (struct config_file_state){.size = 0};
    if (!c->devices_path)
        return true;
    if (stat(c->devices_path, &st) != 0)
        return false;
    state_of(&st, out);
    return true;
}

static enum error file_collect(struct source *s, const char *config_path)
{
    struct stat st;
    const char *path = s->c->devices_path;
    FILE *f = fopen(path, "re");
    if (!f || fstat(fileno(f), &st) != 0) { /* as it is before it is read: who changes it meanwhile changes this too */
        config_fault(&s->report, config_line_of(s->places, "", 0, "devices_file"), "devices_file",
                     "a readable file of JSON lines, relative to this file", "%s: %s", path, strerror(errno));
        if (f)
            fclose(f);
        return OK;
    }
    state_of(&st, &s->c->devices_file_state);
    s->report.file = path;
    s->in_file = true;
    s->path[0] = '\0';
    s->line = 0;
    const enum error err = file_read(s, f);
    s->report.file = config_path;
    fclose(f);
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
        snprintf(path, sizeof(path), "devices[%u].", d->entry);
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

enum error config_devices_collect(struct config *c, const struct config_places *places, const char *file,
                                  struct config_report *r)
{
    struct source s = {.c = c, .report = *r, .places = places, .faults_before = r->count};
    enum error err = entries_collect(&s);
    size_t in_yaml = c->device_count;
    if (!err && c->devices_path)
        err = file_collect(&s, file);
    if (!err && s.report.count == s.faults_before)
        err = duplicates_find(&s, in_yaml, file, c->devices_path ? c->devices_path : file);
    r->count = s.report.count;
    return err;
}
