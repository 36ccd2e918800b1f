#include "sim/scef_sim_config_internal.h"

#include <cyaml/cyaml.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "t8/monitoring.h"
#include "t8/nidd_rds.h"

/* libcyaml does the reading; libyaml's document tells the lines where libcyaml does not: at a syntax error, a key that
 * is unknown or there twice, and afterwards. */

void sim_fault(struct sim_report *r, size_t line, const char *key, const char *what, ...)
{
    char text[256];
    va_list args;
    va_start(args, what);
    vsnprintf(text, sizeof text, what, args);
    va_end(args);
    for (char *p = text; *p != 0; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    r->count++;
    buf_addf(r->out, "%s:%zu: %s: %s\n", r->file, line > 0 ? line : 1, key, text);
}

/* ---- lines */

static const yaml_node_t *node_at(const struct sim_report *r, int index)
{
    return yaml_document_get_node(r->document, index);
}

static bool node_is(const yaml_node_t *n, const char *text)
{
    return n != NULL && n->type == YAML_SCALAR_NODE && n->data.scalar.length == strlen(text) &&
           memcmp(n->data.scalar.value, text, strlen(text)) == 0;
}

static size_t node_line(const yaml_node_t *n)
{
    return n != NULL ? n->start_mark.line + 1 : 1;
}

static const yaml_node_pair_t *pair_find(const struct sim_report *r, const yaml_node_t *mapping, const char *key)
{
    if (mapping == NULL || mapping->type != YAML_MAPPING_NODE)
        return NULL;
    for (const yaml_node_pair_t *p = mapping->data.mapping.pairs.start; p < mapping->data.mapping.pairs.top; p++)
        if (node_is(node_at(r, p->key), key))
            return p;
    return NULL;
}

static const yaml_node_t *entry_node(const struct sim_report *r, size_t entry)
{
    const yaml_node_t *root = yaml_document_get_root_node(r->document);
    const yaml_node_pair_t *ues = entry != SIZE_MAX ? pair_find(r, root, "ues") : NULL;
    const yaml_node_t *list = ues != NULL ? node_at(r, ues->value) : NULL;
    if (list == NULL || list->type != YAML_SEQUENCE_NODE)
        return root;
    const yaml_node_item_t *item = list->data.sequence.items.start + entry;
    return item < list->data.sequence.items.top ? node_at(r, *item) : root;
}

size_t sim_line_of_ue(const struct sim_report *r, size_t entry)
{
    return node_line(entry_node(r, entry));
}

size_t sim_line_of_key(const struct sim_report *r, size_t entry, const char *key)
{
    const yaml_node_t *mapping = entry_node(r, entry);
    const yaml_node_pair_t *p = pair_find(r, mapping, key);
    return node_line(p != NULL ? node_at(r, p->key) : mapping);
}

size_t sim_line_of_member(const struct sim_report *r, const char *mapping, const char *key)
{
    const yaml_node_pair_t *outer = pair_find(r, yaml_document_get_root_node(r->document), mapping);
    const yaml_node_pair_t *inner = outer != NULL ? pair_find(r, node_at(r, outer->value), key) : NULL;
    return node_line(inner != NULL ? node_at(r, inner->key) : outer != NULL ? node_at(r, outer->key) : NULL);
}

size_t sim_line_of_text(const struct sim_report *r, size_t from_line, const char *text)
{
    const yaml_node_t *n;
    for (int i = 1; (n = node_at(r, i)) != NULL; i++)
        if (node_is(n, text) && node_line(n) >= from_line)
            return node_line(n);
    return from_line;
}

/* ---- schema */

static const cyaml_strval_t flag_words[] = {
    {"true", 1}, {"false", 0}, {"yes", 1}, {"no", 0}, {"on", 1}, {"off", 0},
};
static const cyaml_strval_t client_words[] = {{"builtin", SIM_CLIENT_BUILTIN}, {"air", SIM_CLIENT_AIR}};
static const cyaml_strval_t duplicate_words[] = {{"reuse", SIM_DUPLICATE_REUSE}, {"conflict", SIM_DUPLICATE_CONFLICT}};
static const cyaml_strval_t pdn_option_words[] = {
    {"WAIT_FOR_UE", T8_PDN_WAIT_FOR_UE},
    {"INDICATE_ERROR", T8_PDN_INDICATE_ERROR},
    {"SEND_TRIGGER", T8_PDN_SEND_TRIGGER},
};
static const cyaml_strval_t format_words[] = {
    {"CBOR", NIDD_FORMAT_CBOR}, {"JSON", NIDD_FORMAT_JSON}, {"XML", NIDD_FORMAT_XML}};
static const cyaml_strval_t event_words[] = {
    {"LOSS_OF_CONNECTIVITY", MONITORING_LOSS_OF_CONNECTIVITY},
    {"UE_REACHABILITY", MONITORING_UE_REACHABILITY},
    {"ROAMING_STATUS", MONITORING_ROAMING_STATUS},
    {"COMMUNICATION_FAILURE", MONITORING_COMMUNICATION_FAILURE},
    {"AVAILABILITY_AFTER_DDN_FAILURE", MONITORING_AVAILABILITY_AFTER_DDN_FAILURE},
    {"PDN_CONNECTIVITY_STATUS", MONITORING_PDN_CONNECTIVITY_STATUS},
};
#define COUNT_OF(a)     (sizeof(a) / sizeof *(a))
#define OPTIONAL        (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)
#define TEXT(type, key) CYAML_FIELD_STRING_PTR(#key, OPTIONAL, type, key, 1, 1024)
#define WORD(type, key, words)                                                                                         \
    CYAML_FIELD_ENUM_PTR(#key, OPTIONAL | CYAML_FLAG_STRICT, type, key, words, COUNT_OF(words))

static const cyaml_schema_value_t number_value = {CYAML_VALUE_INT(CYAML_FLAG_DEFAULT, int64_t)};
static const cyaml_schema_value_t text_value = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 1024)};
static const cyaml_schema_value_t format_value = {
    CYAML_VALUE_ENUM(CYAML_FLAG_STRICT, int, format_words, COUNT_OF(format_words))};
static const cyaml_schema_value_t event_value = {
    CYAML_VALUE_ENUM(CYAML_FLAG_STRICT, int, event_words, COUNT_OF(event_words))};

/* clang-format off */
static const cyaml_schema_field_t ue_fields[] = {
    TEXT(struct sim_raw_ue, external_id),
    TEXT(struct sim_raw_ue, msisdn),
    TEXT(struct sim_raw_ue, endpoint),
    TEXT(struct sim_raw_ue, air),
    WORD(struct sim_raw_ue, client, client_words),
    TEXT(struct sim_raw_ue, home_plmn),
    CYAML_FIELD_SEQUENCE("delay_ms", OPTIONAL, struct sim_raw_ue, delay_ms, &number_value, 2, 2),
    CYAML_FIELD_SEQUENCE("scs_as_ids", OPTIONAL, struct sim_raw_ue, scs_as_ids, &text_value, 1, CYAML_UNLIMITED),
    CYAML_FIELD_SEQUENCE("groups", OPTIONAL, struct sim_raw_ue, groups, &text_value, 1, CYAML_UNLIMITED),
    CYAML_FIELD_SEQUENCE("rds_ports_used", OPTIONAL, struct sim_raw_ue, rds_ports_used, &number_value, 1, 16),
    CYAML_FIELD_SEQUENCE("formats", OPTIONAL, struct sim_raw_ue, formats, &format_value, 1, 3),
#define X(key, ...) CYAML_FIELD_INT_PTR(#key, OPTIONAL, struct sim_raw_ue, key),
    SIM_UE_NUMBERS(X)
#undef X
#define X(key, ...) WORD(struct sim_raw_ue, key, flag_words),
    SIM_UE_FLAGS(X)
#undef X
#define X(key, ...) CYAML_FIELD_FLOAT_PTR(#key, OPTIONAL, struct sim_raw_ue, key),
    SIM_UE_SHARES(X)
#undef X
#define X(key, ...) CYAML_FIELD_INT_PTR(#key, OPTIONAL, struct sim_raw_ue, key), \
        CYAML_FIELD_INT_PTR(#key "_window_s", OPTIONAL, struct sim_raw_ue, key##_window_s),
    SIM_UE_LIMITS(X)
#undef X
    CYAML_FIELD_END
};

static const cyaml_schema_value_t ue_value = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct sim_raw_ue, ue_fields)};

static const cyaml_schema_field_t tls_fields[] = {
#define X(key, ...) TEXT(struct sim_raw_tls, key),
    SIM_TLS_FILES(X)
    CYAML_FIELD_END
};

static const cyaml_schema_field_t callback_tls_fields[] = {
    SIM_CALLBACK_TLS_FILES(X)
#undef X
    CYAML_FIELD_END
};

static const cyaml_schema_field_t oauth_fields[] = {
    CYAML_FIELD_STRING_PTR("client_id", CYAML_FLAG_POINTER, struct sim_raw_oauth, client_id, 1, 1024),
    CYAML_FIELD_STRING_PTR("client_secret", CYAML_FLAG_POINTER, struct sim_raw_oauth, client_secret, 1, 1024),
    CYAML_FIELD_INT_PTR("token_lifetime_s", OPTIONAL, struct sim_raw_oauth, token_lifetime_s),
    CYAML_FIELD_END
};

static const cyaml_schema_field_t features_fields[] = {
    TEXT(struct sim_raw_features, nidd),
    TEXT(struct sim_raw_features, triggering),
    TEXT(struct sim_raw_features, monitoring),
    CYAML_FIELD_END
};

static const cyaml_schema_field_t as_fields[] = {
    CYAML_FIELD_STRING_PTR("id", CYAML_FLAG_POINTER, struct sim_raw_as, id, 1, 512),
    TEXT(struct sim_raw_as, configuration_trigger_url),
    TEXT(struct sim_raw_as, callback_url),
    CYAML_FIELD_END
};
static const cyaml_schema_value_t as_value = {CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct sim_raw_as, as_fields)};

static const cyaml_schema_field_t triggering_fields[] = {
#define X(key, ...) CYAML_FIELD_INT_PTR(#key, OPTIONAL, struct sim_raw_triggering, key),
    SIM_TRIGGERING_NUMBERS(X)
#undef X
#define X(key, ...) CYAML_FIELD_FLOAT_PTR(#key, OPTIONAL, struct sim_raw_triggering, key),
    SIM_TRIGGERING_SHARES(X)
#undef X
#define X(key, ...) CYAML_FIELD_INT_PTR(#key, OPTIONAL, struct sim_raw_triggering, key), \
        CYAML_FIELD_INT_PTR(#key "_window_s", OPTIONAL, struct sim_raw_triggering, key##_window_s),
    SIM_TRIGGERING_LIMITS(X)
#undef X
    CYAML_FIELD_END
};

static const cyaml_schema_field_t monitoring_fields[] = {
    TEXT(struct sim_raw_monitoring, apn),
    CYAML_FIELD_SEQUENCE("types", OPTIONAL, struct sim_raw_monitoring, types, &event_value, 1, CYAML_UNLIMITED),
#define X(key, ...) CYAML_FIELD_INT_PTR(#key, OPTIONAL, struct sim_raw_monitoring, key),
    SIM_MONITORING_NUMBERS(X)
#undef X
#define X(key, ...) CYAML_FIELD_SEQUENCE(#key, OPTIONAL, struct sim_raw_monitoring, key, &number_value, 2, 2),
    SIM_MONITORING_RANGES(X)
#undef X
#define X(key, ...) WORD(struct sim_raw_monitoring, key, flag_words),
    SIM_MONITORING_FLAGS(X)
#undef X
    CYAML_FIELD_END
};

static const cyaml_schema_field_t top_fields[] = {
    TEXT(struct sim_raw, listen),
    TEXT(struct sim_raw, link_root),
    TEXT(struct sim_raw, prefix),
    TEXT(struct sim_raw, dialect),
    TEXT(struct sim_raw, nef_id),
    TEXT(struct sim_raw, websocket_root),
    CYAML_FIELD_MAPPING_PTR("features", OPTIONAL, struct sim_raw, features, features_fields),
    CYAML_FIELD_SEQUENCE("scs_as", OPTIONAL, struct sim_raw, scs_as, &as_value, 1, CYAML_UNLIMITED),
    CYAML_FIELD_MAPPING_PTR("triggering", OPTIONAL, struct sim_raw, triggering, triggering_fields),
    CYAML_FIELD_MAPPING_PTR("monitoring", OPTIONAL, struct sim_raw, monitoring, monitoring_fields),
    WORD(struct sim_raw, pdn_option, pdn_option_words),
    CYAML_FIELD_MAPPING_PTR("tls", OPTIONAL, struct sim_raw, tls, tls_fields),
    CYAML_FIELD_MAPPING_PTR("callback_tls", OPTIONAL, struct sim_raw, callback_tls, callback_tls_fields),
    CYAML_FIELD_MAPPING_PTR("oauth", OPTIONAL, struct sim_raw, oauth, oauth_fields),
    WORD(struct sim_raw, duplicate_create, duplicate_words),
    CYAML_FIELD_SEQUENCE("ues", CYAML_FLAG_POINTER, struct sim_raw, ues, &ue_value, 0, CYAML_UNLIMITED),
#define X(key, ...) CYAML_FIELD_INT_PTR(#key, OPTIONAL, struct sim_raw, key),
    SIM_NUMBERS(X)
#undef X
#define X(key, ...) WORD(struct sim_raw, key, flag_words),
    SIM_FLAGS(X)
#undef X
    CYAML_FIELD_END
};
/* clang-format on */

static const cyaml_schema_value_t top_value = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct sim_raw, top_fields)};

/* ---- what libcyaml says
 *
 *   Load: Unexpected key: pms
 *   Load: Backtrace:
 *     in mapping field 'external_id' (line: 3, column: 18)
 *     in sequence entry '1' (line: 3, column: 5) */

struct complaint {
    char what[256];
    char key[64];   /* of the innermost field */
    size_t line[2]; /* of the innermost place, and of what holds it */
    unsigned places;
};

static void on_log(cyaml_log_t level, void *ctx, const char *format, va_list args)
{
    struct complaint *c = ctx;
    char text[256];
    (void)level;
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\r\n")] = 0;
    const char *place = strstr(text, "(line: ");
    if (strncmp(text, "  in ", 5) == 0 && place != NULL) {
        const char *name = strstr(text, "mapping field '");
        if (name != NULL && c->key[0] == 0) {
            name += strlen("mapping field '");
            snprintf(c->key, sizeof c->key, "%.*s", (int)strcspn(name, "'"), name);
        }
        if (c->places < 2)
            c->line[c->places++] = strtoul(place + strlen("(line: "), NULL, 10);
    } else if (c->what[0] == 0) {
        const char *colon = strncmp(text, "Load: ", 6) == 0 ? text + 6 : text;
        snprintf(c->what, sizeof c->what, "%s", colon);
    }
}

/* When the complaint begins with `words`: the name behind them, to *name. */
static bool names(const struct complaint *c, const char *words, const char **name)
{
    size_t len = strlen(words);
    *name = c->what + (strncmp(c->what, words, len) == 0 ? len : 0);
    return *name != c->what;
}

static void complain(struct sim_report *r, const struct complaint *c, const char *otherwise)
{
    const char *name;
    if (names(c, "Unexpected key: ", &name))
        sim_fault(r, sim_line_of_text(r, c->line[0], name), name, "no such key");
    else if (names(c, "Mapping field already seen: ", &name))
        sim_fault(r, sim_line_of_text(r, c->line[0] + 1, name), name, "is there twice");
    else if (names(c, "Missing required mapping field: ", &name))
        sim_fault(r, c->places > 1 ? c->line[1] : 1, name, "is missing");
    else
        sim_fault(r, c->line[0], c->key[0] != 0 ? c->key : "yaml", "%s", c->what[0] != 0 ? c->what : otherwise);
}

static cyaml_config_t cyaml_settings(struct complaint *c)
{
    return (cyaml_config_t){.log_fn = on_log, .log_ctx = c, .log_level = CYAML_LOG_ERROR, .mem_fn = cyaml_mem};
}

struct sim_raw *sim_raw_load(struct bytes text, struct sim_report *r)
{
    struct complaint c = {0};
    cyaml_config_t settings = cyaml_settings(&c);
    cyaml_data_t *raw = NULL;
    cyaml_err_t err = cyaml_load_data(text.data, text.len, &settings, &top_value, &raw, NULL);
    if (err == CYAML_OK && raw != NULL)
        return raw;
    if (err == CYAML_OK)
        sim_fault(r, 1, "ues", "is missing");
    else
        complain(r, &c, cyaml_strerror(err));
    return NULL;
}

void sim_raw_free(struct sim_raw *raw)
{
    struct complaint c = {0};
    cyaml_config_t settings = cyaml_settings(&c);
    cyaml_free(&settings, &top_value, raw, 0);
}
