#include "sim/scef_sim_config_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX (16u << 20)

/* ---- security */

/* A file's name is relative to the configuration. */
static char *path_resolve(const char *config, const char *name)
{
    struct buf b = {0};
    const char *slash = strrchr(config, '/');
    if (name[0] != '/' && slash != NULL)
        buf_add(&b, bytes_of(config, (size_t)(slash - config) + 1));
    buf_add(&b, bytes_of(name, strlen(name) + 1));
    if (b.failed)
        buf_free(&b);
    return (char *)b.data;
}

static enum error tls_check(struct sim_report *r, const char *mapping, const struct tls_files *files,
                            const char *const keys[])
{
    enum tls_file which;
    char wrong[TLS_WRONG_BYTES];
    if ((files->certificate_file == NULL) != (files->key_file == NULL)) {
        const char *there = files->key_file != NULL ? "key" : "certificate";
        sim_fault(r, sim_line_of_member(r, mapping, there), there, "certificate and key come together");
        return OK;
    }
    enum error err = tls_files_check(files, &which, wrong);
    if (err == ERR_CONFIG)
        sim_fault(r, sim_line_of_member(r, mapping, keys[which]), keys[which], "%s", wrong);
    return err == ERR_CONFIG ? OK : err;
}

static enum error security_read(struct sim_config *c, struct sim_report *r, const struct sim_raw *raw)
{
    bool failed = false;
#define X(name, member, ...)                                                                                           \
    if (from->name != NULL)                                                                                            \
        failed |= (to->member = path_resolve(r->file, from->name)) == NULL;
    if (raw->tls != NULL) {
        const struct sim_raw_tls *from = raw->tls;
        struct tls_files *to = &c->tls;
        SIM_TLS_FILES(X)
    }
    if (raw->callback_tls != NULL) {
        const struct sim_raw_tls *from = raw->callback_tls;
        struct tls_files *to = &c->callback_tls;
        SIM_CALLBACK_TLS_FILES(X)
    }
#undef X
    if (raw->oauth != NULL) {
        int64_t *lifetime = raw->oauth->token_lifetime_s;
        c->oauth.client_id = bytes_dup_str(bytes_of_str(raw->oauth->client_id));
        c->oauth.client_secret = bytes_dup_str(bytes_of_str(raw->oauth->client_secret));
        c->oauth.token_lifetime_s = lifetime != NULL ? (uint32_t)*lifetime : 3600;
        failed |= c->oauth.client_id == NULL || c->oauth.client_secret == NULL;
        if (lifetime != NULL && (*lifetime < 1 || *lifetime > UINT32_MAX))
            sim_fault(r, sim_line_of_member(r, "oauth", "token_lifetime_s"), "token_lifetime_s",
                      "%" PRId64 " is not in 1 to %u", *lifetime, UINT32_MAX);
    }
    if (c->tls.ca_file != NULL && c->tls.certificate_file == NULL)
        sim_fault(r, sim_line_of_member(r, "tls", "client_ca"), "client_ca", "needs certificate and key");
    if (failed)
        return ERR_NO_MEMORY;
    enum error err = tls_check(r, "tls", &c->tls, (const char *const[]){"client_ca", "certificate", "key"});
    return err ? err
               : tls_check(r, "callback_tls", &c->callback_tls, (const char *const[]){"ca", "certificate", "key"});
}

static void tls_free(struct tls_files *f)
{
    free((char *)(uintptr_t)f->ca_file);
    free((char *)(uintptr_t)f->certificate_file);
    free((char *)(uintptr_t)f->key_file);
}

/* ---- the whole */

/* Who may ask, and for what. */
static enum error as_read(struct sim_config *c, struct sim_report *r, const struct sim_raw *raw)
{
    struct sim_place at = {.report = r, .entry = SIM_TOP};
    if (raw->features != NULL) {
        at.mapping = "features";
        c->features[T8_API_NIDD] = sim_features(at, "nidd", raw->features->nidd);
        c->features[T8_API_TRIGGERING] = sim_features(at, "triggering", raw->features->triggering);
        c->features[T8_API_MONITORING] = sim_features(at, "monitoring", raw->features->monitoring);
    }
    if (raw->scs_as_count == 0)
        return OK;
    c->scs_as = calloc(raw->scs_as_count, sizeof *c->scs_as);
    if (c->scs_as == NULL)
        return ERR_NO_MEMORY;
    c->scs_as_count = raw->scs_as_count;
    for (size_t i = 0; i < raw->scs_as_count; i++) {
        const struct sim_raw_as *from = &raw->scs_as[i];
        c->scs_as[i] = (struct sim_as){
            .as = {.id = from->id, .configuration_trigger_url = from->configuration_trigger_url},
            .callback_url = from->callback_url,
        };
        if (from->callback_url != NULL && strpbrk(from->callback_url, "\"\\") != NULL)
            sim_fault(r, sim_line_of_text(r, 1, from->callback_url), "callback_url", "'%s' is no URL",
                      from->callback_url);
    }
    return OK;
}

static void triggering_read(struct sim_config *c, struct sim_report *r, const struct sim_raw_triggering *given)
{
    static const struct sim_raw_triggering nothing;
    const struct sim_raw_triggering *raw = given != NULL ? given : &nothing;
    struct sim_place at = {.report = r, .entry = SIM_TOP, .mapping = "triggering"};
#define X(key, otherwise, least, most, ...)                                                                            \
    c->triggering.key = (uint32_t)sim_number(at, #key, raw->key, otherwise, least, most);
    SIM_TRIGGERING_NUMBERS(X)
#undef X
#define X(key, ...) c->triggering.key = sim_share(at, #key, raw->key);
    SIM_TRIGGERING_SHARES(X)
#undef X
#define X(key, window, ...)                                                                                            \
    c->triggering.key = sim_limit(at, #key, raw->key, #key "_window_s", raw->key##_window_s, window);
    SIM_TRIGGERING_LIMITS(X)
#undef X
}

static void monitoring_read(struct sim_config *c, struct sim_report *r, const struct sim_raw_monitoring *given)
{
    static const struct sim_raw_monitoring nothing;
    const struct sim_raw_monitoring *raw = given != NULL ? given : &nothing;
    struct sim_place at = {.report = r, .entry = SIM_TOP, .mapping = "monitoring"};
    c->monitoring.apn = raw->apn;
    for (unsigned i = 0; i < raw->types_count; i++)
        c->monitoring.types |= MONITORING_TYPE_BIT((unsigned)raw->types[i]);
#define X(key, otherwise, least, most, ...)                                                                            \
    c->monitoring.key = (uint32_t)sim_number(at, #key, raw->key, otherwise, least, most);
    SIM_MONITORING_NUMBERS(X)
#undef X
#define X(key, ...) sim_range(at, #key, raw->key, true, UINT32_MAX, c->monitoring.key);
    SIM_MONITORING_RANGES(X)
#undef X
#define X(key, otherwise, ...) c->monitoring.key = raw->key != NULL ? *raw->key != 0 : otherwise;
    SIM_MONITORING_FLAGS(X)
#undef X
}

/* How the peer finds us, and what it finds. */
static enum error face_read(struct sim_config *c, struct sim_report *r, const struct sim_raw *raw)
{
    const char *listen = raw->listen != NULL ? raw->listen : "127.0.0.1:8080";
    if (!sim_address_parse(listen, &c->listen))
        sim_fault(r, sim_line_of_key(r, SIM_TOP, "listen"), "listen", "'%s' is not ADDRESS:PORT", listen);
    c->prefix = raw->prefix;
    if (raw->prefix != NULL && (raw->prefix[0] != '/' || raw->prefix[strlen(raw->prefix) - 1] == '/'))
        sim_fault(r, sim_line_of_key(r, SIM_TOP, "prefix"), "prefix", "must begin with '/', and not end with it");
    c->dialect = t8_dialect_find(raw->dialect != NULL ? raw->dialect : "3gpp");
    if (c->dialect == NULL)
        sim_fault(r, sim_line_of_key(r, SIM_TOP, "dialect"), "dialect", "there is no '%s'", raw->dialect);
    c->nef_id = raw->nef_id;
    c->websocket_root = raw->websocket_root;
    if (raw->link_root != NULL)
        c->link_root = bytes_dup_str(bytes_of_str(raw->link_root));
    return raw->link_root != NULL && c->link_root == NULL ? ERR_NO_MEMORY : OK;
}

static enum error config_read(struct sim_config *c, struct sim_report *r, const struct sim_raw *raw)
{
    struct sim_place at = {.report = r, .entry = SIM_TOP};
    enum error err = face_read(c, r, raw);
    if (err == OK)
        err = security_read(c, r, raw);
    if (err == OK)
        err = as_read(c, r, raw);
    if (err != OK)
        return err;
#define X(key, otherwise, least, most, ...) c->key = sim_number(at, #key, raw->key, otherwise, least, most);
    SIM_NUMBERS(X)
#undef X
#define X(key, otherwise, ...) c->key = raw->key != NULL ? *raw->key != 0 : otherwise;
    SIM_FLAGS(X)
#undef X
    if (raw->duplicate_create != NULL)
        c->duplicate_create = (enum sim_duplicate_create) * raw->duplicate_create;
    if (raw->pdn_option != NULL)
        c->pdn_option = (enum t8_pdn_option) * raw->pdn_option;
    triggering_read(c, r, raw->triggering);
    monitoring_read(c, r, raw->monitoring);
    for (size_t i = 0; i < raw->ues_count; i++)
        if (sim_ues_add(c, r, i, &raw->ues[i]) != OK)
            return ERR_NO_MEMORY;
    return OK;
}

static enum error stream_read(FILE *f, struct buf *text, struct sim_report *r)
{
    while (!feof(f) && text->len < FILE_BYTES_MAX) {
        uint8_t *room = buf_reserve(text, 65536);
        if (room == NULL)
            return ERR_NO_MEMORY;
        text->len += fread(room, 1, 65536, f);
        if (ferror(f)) {
            sim_fault(r, 1, "file", "%s", strerror(errno));
            return ERR_CONFIG;
        }
    }
    if (text->len < FILE_BYTES_MAX)
        return OK;
    sim_fault(r, 1, "file", "is larger than %u bytes", FILE_BYTES_MAX);
    return ERR_CONFIG;
}

static enum error text_read(const char *file, struct buf *text, struct sim_report *r)
{
    FILE *f = fopen(file, "rb");
    if (f == NULL) {
        sim_fault(r, 1, "file", "%s", strerror(errno));
        return ERR_CONFIG;
    }
    enum error err = stream_read(f, text, r);
    fclose(f);
    return err;
}

static bool document_read(yaml_parser_t *parser, struct bytes text, yaml_document_t *document, struct sim_report *r)
{
    yaml_parser_set_input_string(parser, text.data, text.len);
    if (yaml_parser_load(parser, document))
        return true;
    sim_fault(r, parser->problem_mark.line + 1, "yaml", "%s",
              parser->problem != NULL ? parser->problem : "cannot be read");
    return false;
}

static enum error text_load(struct bytes text, struct sim_config *out, struct sim_report *r)
{
    yaml_parser_t parser;
    yaml_document_t document;
    if (!yaml_parser_initialize(&parser))
        return ERR_NO_MEMORY;
    enum error err = ERR_CONFIG;
    if (document_read(&parser, text, &document, r)) {
        r->document = &document;
        out->raw = sim_raw_load(text, r);
        if (out->raw != NULL)
            err = config_read(out, r, out->raw);
        yaml_document_delete(&document);
    }
    yaml_parser_delete(&parser);
    return err == OK && r->count > 0 ? ERR_CONFIG : err;
}

enum error sim_config_load(const char *file, struct sim_config *out, struct buf *errors)
{
    struct sim_report r = {.file = file, .out = errors};
    struct buf text = {0};
    *out = (struct sim_config){0};
    enum error err = text_read(file, &text, &r);
    if (err == OK)
        err = text_load(buf_bytes(&text), out, &r);
    buf_free(&text);
    if (err != OK)
        sim_config_free(out);
    return err;
}

void sim_config_free(struct sim_config *c)
{
    for (size_t i = 0; i < c->ue_count; i++) {
        free(c->ues[i].external_id);
        free(c->ues[i].msisdn);
        free(c->ues[i].endpoint);
    }
    free(c->ues);
    free(c->scs_as);
    free(c->link_root);
    tls_free(&c->tls);
    tls_free(&c->callback_tls);
    free(c->oauth.client_id);
    free(c->oauth.client_secret);
    if (c->raw != NULL)
        sim_raw_free(c->raw);
    *c = (struct sim_config){0};
}
