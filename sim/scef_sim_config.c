#include "sim/scef_sim_config_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX (16u << 20)
#define TOP            SIZE_MAX

/* ---- values */

static bool port_parse(const char *text, uint16_t *out)
{
    char *end;
    unsigned long v = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != 0 || v > UINT16_MAX)
        return false;
    *out = (uint16_t)v;
    return true;
}

bool sim_address_parse(const char *text, struct sim_address *out)
{
    bool v6 = text[0] == '[';
    const char *host = v6 ? text + 1 : text;
    size_t len = strcspn(host, v6 ? "]" : ":");
    const char *rest = host + len;
    if (v6 && *rest == ']')
        rest++;
    struct in6_addr any;
    if (len >= sizeof out->host || *rest != ':')
        return false;
    memcpy(out->host, host, len);
    out->host[len] = 0;
    return inet_pton(v6 ? AF_INET6 : AF_INET, out->host, &any) == 1 && port_parse(rest + 1, &out->port);
}

static uint64_t number(struct sim_report *r, size_t entry, const char *key, const int64_t *given, uint64_t otherwise,
                       uint64_t least, uint64_t most)
{
    if (given == NULL)
        return otherwise;
    if (*given < 0 || (uint64_t)*given < least || (uint64_t)*given > most) {
        sim_fault(r, sim_line_of_key(r, entry, key), key, "%" PRId64 " is not in %" PRIu64 " to %" PRIu64, *given,
                  least, most);
        return otherwise;
    }
    return (uint64_t)*given;
}

static double share(struct sim_report *r, size_t entry, const char *key, const double *given)
{
    if (given == NULL)
        return 0;
    if (!(*given >= 0 && *given <= 1)) /* NaN too */
        sim_fault(r, sim_line_of_key(r, entry, key), key, "%g is not in 0 to 1", *given);
    return *given;
}

/* ---- identities */

static bool has_number(const char *pattern)
{
    return pattern == NULL || strstr(pattern, "%d") != NULL;
}

/* The pattern with every %d replaced; NULL for NULL, and when memory is short (*failed). */
static char *expand(const char *pattern, size_t n, bool *failed)
{
    struct buf b = {0};
    if (pattern == NULL)
        return NULL;
    for (const char *p = pattern; *p != 0; p++) {
        if (p[0] == '%' && p[1] == 'd') {
            buf_addf(&b, "%zu", n);
            p++;
        } else {
            buf_add_u8(&b, (uint8_t)*p);
        }
    }
    buf_add_u8(&b, 0);
    *failed |= b.failed;
    if (b.failed)
        buf_free(&b);
    return (char *)b.data;
}

/* local@domain, printable (TS 23.003 clause 19.7.2). */
static bool external_id_ok(const char *id)
{
    const char *at = strchr(id, '@');
    if (at == NULL || at == id || at[1] == 0 || strchr(at + 1, '@') != NULL)
        return false;
    for (; *id != 0; id++)
        if ((unsigned char)*id <= ' ' || *id == 0x7f)
            return false;
    return true;
}

static bool msisdn_ok(const char *msisdn)
{
    size_t len = strlen(msisdn);
    return len >= 1 && len <= 15 && strspn(msisdn, "0123456789") == len;
}

static void identity_check(struct sim_report *r, size_t entry, const struct sim_ue_config *ue)
{
    if (ue->external_id == NULL && ue->msisdn == NULL)
        sim_fault(r, ue->line, "external_id", "is missing, and so is msisdn");
    if (ue->external_id != NULL && !external_id_ok(ue->external_id))
        sim_fault(r, sim_line_of_key(r, entry, "external_id"), "external_id", "'%s' is not local@domain",
                  ue->external_id);
    if (ue->msisdn != NULL && !msisdn_ok(ue->msisdn))
        sim_fault(r, sim_line_of_key(r, entry, "msisdn"), "msisdn", "'%s' is not 1 to 15 digits", ue->msisdn);
}

/* ---- one entry */

static void air_read(struct sim_report *r, size_t entry, const struct sim_raw_ue *raw, struct sim_ue_config *ue)
{
    if (ue->client == SIM_CLIENT_BUILTIN) {
        if (raw->air != NULL)
            sim_fault(r, sim_line_of_key(r, entry, "air"), "air", "is only for client: air");
        return;
    }
    if (raw->air == NULL)
        sim_fault(r, ue->line, "air", "is missing; client: air needs an address");
    else if (!sim_address_parse(raw->air, &ue->air) || ue->air.port == 0)
        sim_fault(r, sim_line_of_key(r, entry, "air"), "air", "'%s' is not ADDRESS:PORT", raw->air);
    else if (ue->air.port + (uint64_t)ue->count - 1 > UINT16_MAX)
        sim_fault(r, sim_line_of_key(r, entry, "air"), "air", "there are no %u ports from %u on", ue->count,
                  ue->air.port);
}

static void delay_read(struct sim_report *r, size_t entry, const struct sim_raw_ue *raw, struct sim_ue_config *ue)
{
    if (raw->delay_ms == NULL)
        return;
    int64_t least = raw->delay_ms[0], most = raw->delay_ms[1];
    if (least < 0 || least > most || most > 86400000)
        sim_fault(r, sim_line_of_key(r, entry, "delay_ms"), "delay_ms",
                  "[%" PRId64 ", %" PRId64 "] is not [least, most]", least, most);
    else
        memcpy(ue->delay_ms, (uint32_t[]){(uint32_t)least, (uint32_t)most}, sizeof ue->delay_ms);
}

/* What all of an entry's UEs have in common. */
static struct sim_ue_config ue_read(struct sim_report *r, size_t entry, const struct sim_raw_ue *raw)
{
    struct sim_ue_config ue = {.line = sim_line_of_ue(r, entry)};
    if (raw->client != NULL)
        ue.client = (enum sim_client) * raw->client;
#define X(key, otherwise, least, most, ...) ue.key = (uint32_t)number(r, entry, #key, raw->key, otherwise, least, most);
    SIM_UE_NUMBERS(X)
#undef X
#define X(key, otherwise, ...) ue.key = raw->key != NULL ? *raw->key != 0 : otherwise;
    SIM_UE_FLAGS(X)
#undef X
#define X(key, ...) ue.key = share(r, entry, #key, raw->key);
    SIM_UE_SHARES(X)
#undef X
    delay_read(r, entry, raw, &ue);
    air_read(r, entry, raw, &ue);
    const char *keys[] = {"external_id", "msisdn", "endpoint"};
    const char *patterns[] = {raw->external_id, raw->msisdn, raw->endpoint};
    for (size_t i = 0; ue.count > 1 && i < 3; i++)
        if (!has_number(patterns[i]))
            sim_fault(r, sim_line_of_key(r, entry, keys[i]), keys[i], "needs %%d when there are several");
    return ue;
}

static void ue_free(struct sim_ue_config *ue)
{
    free(ue->external_id);
    free(ue->msisdn);
    free(ue->endpoint);
}

/* The n-th of an entry's UEs, n from 1. */
static enum error ue_expand(const struct sim_raw_ue *raw, const struct sim_ue_config *common, size_t n,
                            struct sim_ue_config *out)
{
    bool failed = false;
    *out = *common;
    out->external_id = expand(raw->external_id, n, &failed);
    out->msisdn = expand(raw->msisdn, n, &failed);
    out->endpoint = expand(raw->endpoint, n, &failed);
    if (out->endpoint == NULL && !failed) {
        struct buf b = {0};
        buf_addf(&b, "urn:nai:%s", out->external_id != NULL ? out->external_id : out->msisdn);
        buf_add_u8(&b, 0);
        failed = b.failed;
        out->endpoint = (char *)b.data;
    }
    out->air.port = (uint16_t)(common->air.port + n - 1);
    out->start_delay_ms = (uint32_t)(common->start_delay_ms + common->start_step_ms * (n - 1));
    return failed ? ERR_NO_MEMORY : OK;
}

static enum error ues_add(struct sim_config *c, struct sim_report *r, size_t entry, const struct sim_raw_ue *raw)
{
    struct sim_ue_config common = ue_read(r, entry, raw);
    struct sim_ue_config *grown = reallocarray(c->ues, c->ue_count + common.count, sizeof *grown);
    if (grown == NULL)
        return ERR_NO_MEMORY;
    c->ues = grown;
    for (size_t n = 1; n <= common.count; n++) {
        struct sim_ue_config *ue = &c->ues[c->ue_count++];
        if (ue_expand(raw, &common, n, ue) != OK)
            return ERR_NO_MEMORY;
        if (n == 1)
            identity_check(r, entry, ue);
    }
    return OK;
}

/* ---- security */

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

static enum error config_read(struct sim_config *c, struct sim_report *r, const struct sim_raw *raw)
{
    const char *listen = raw->listen != NULL ? raw->listen : "127.0.0.1:8080";
    if (!sim_address_parse(listen, &c->listen))
        sim_fault(r, sim_line_of_key(r, TOP, "listen"), "listen", "'%s' is not ADDRESS:PORT", listen);
    if (raw->link_root != NULL)
        c->link_root = bytes_dup_str(bytes_of_str(raw->link_root));
    if (raw->link_root != NULL && c->link_root == NULL)
        return ERR_NO_MEMORY;
    enum error err = security_read(c, r, raw);
    if (err != OK)
        return err;
#define X(key, otherwise, least, most, ...) c->key = number(r, TOP, #key, raw->key, otherwise, least, most);
    SIM_NUMBERS(X)
#undef X
#define X(key, otherwise, ...) c->key = raw->key != NULL ? *raw->key != 0 : otherwise;
    SIM_FLAGS(X)
#undef X
    if (raw->duplicate_create != NULL)
        c->duplicate_create = (enum sim_duplicate_create) * raw->duplicate_create;
    for (size_t i = 0; i < raw->ues_count; i++)
        if (ues_add(c, r, i, &raw->ues[i]) != OK)
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
        struct sim_raw *raw = sim_raw_load(text, r);
        if (raw != NULL)
            err = config_read(out, r, raw);
        sim_raw_free(raw);
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
    for (size_t i = 0; i < c->ue_count; i++)
        ue_free(&c->ues[i]);
    free(c->ues);
    free(c->link_root);
    tls_free(&c->tls);
    tls_free(&c->callback_tls);
    free(c->oauth.client_id);
    free(c->oauth.client_secret);
    *c = (struct sim_config){0};
}

void sim_config_help(FILE *out)
{
    fputs("listen: 127.0.0.1:8080 # T8 and /sim/v1\n"
          "# link_root: http://127.0.0.1:8080/3gpp-nidd/v1 # what links begin with\n"
          "duplicate_create: reuse # of a configuration that is there; or conflict: 409\n",
          out);
#define X(key, member, meaning) fprintf(out, "#   %s: FILE # %s\n", #key, meaning);
    fputs("# tls:\n", out);
    SIM_TLS_FILES(X)
    fputs("# callback_tls:\n", out);
    SIM_CALLBACK_TLS_FILES(X)
#undef X
    fputs("# oauth: # T8 requests need a token, which POST /oauth2/token gives\n"
          "#   client_id: as1\n"
          "#   client_secret: secret\n"
          "#   token_lifetime_s: 3600\n",
          out);
#define X(key, otherwise, least, most, meaning)                                                                        \
    fprintf(out, "%s: %llu # %s\n", #key, (unsigned long long)(otherwise), meaning);
    SIM_NUMBERS(X)
#define Y(key, otherwise, meaning)                                                                                     \
    fprintf(out, "%s%s: %s # %s\n", indent, #key, (otherwise) ? "true" : "false", meaning);
    const char *indent = "";
    SIM_FLAGS(Y)
    fputs("ues:\n"
          "  - external_id: dev%d@example.org # and/or msisdn\n"
          "    # msisdn: 49170%d\n"
          "    # endpoint: urn:nai:dev%d@example.org\n"
          "    client: builtin # or air: a real client sends and receives the UE's messages at a UDP port\n"
          "    # air: 127.0.0.1:7001\n"
          "    delay_ms: [0, 0] # least and most, one way\n",
          out);
#undef X
#define X(key, otherwise, least, most, meaning) fprintf(out, "    %s: %d # %s\n", #key, otherwise, meaning);
    SIM_UE_NUMBERS(X)
#undef X
    indent = "    ";
    SIM_UE_FLAGS(Y)
#undef Y
#define X(key, meaning) fprintf(out, "    %s: 0 # %s\n", #key, meaning);
    SIM_UE_SHARES(X)
#undef X
}
