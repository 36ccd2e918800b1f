/* Certificates, keys and secrets: what belongs together is there, and every file can be used. */
#include "scef-adapter/config_keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "t8/secret_file.h"
#include "t8/tls_files.h"

enum error config_file_resolve(const struct config_check *k, char **path)
{
    if (!*path)
        return OK;
    char *resolved = config_path_resolve(k->file, *path);
    if (!resolved)
        return ERR_NO_MEMORY;
    free(*path);
    *path = resolved;
    return OK;
}

enum error config_tls_end_check(const struct config_check *k, const struct config_tls_end *e)
{
    enum error err = config_file_resolve(k, e->ca);
    if (!err)
        err = config_file_resolve(k, e->certificate);
    if (!err)
        err = config_file_resolve(k, e->key);
    if (err)
        return err;
    if (!*e->certificate != !*e->key) {
        const char *there = *e->key ? "key_file" : "certificate_file";
        config_check_fault(k, e->section, e->entry, there, "certificate_file and key_file, or neither",
                           "is there alone");
        return OK;
    }
    if (k->alone)
        return OK;
    const char *const keys[] = {e->ca_key, "certificate_file", "key_file"};
    enum tls_file which;
    char wrong[TLS_WRONG_BYTES];
    err = tls_files_check(&(struct tls_files){*e->ca, *e->certificate, *e->key}, &which, wrong);
    if (err == ERR_CONFIG) {
        config_check_fault(k, e->section, e->entry, keys[which],
                           which == TLS_KEY_FILE ? "a PEM file with the key of certificate_file, without a passphrase"
                                                 : "a readable PEM file with certificates, relative to this file",
                           "%s", wrong);
        err = OK;
    }
    return err;
}

static bool plain(const char *url)
{
    return !url || strncmp(url, "http://", 7) == 0;
}

static enum error oauth_check(const struct config_check *k, uint32_t i)
{
    char **file = &k->c->scefs[i].oauth.secret_file;
    enum error err = config_file_resolve(k, file);
    if (err || !*file || k->alone)
        return err;
    struct buf secret = {0};
    err = secret_file_read(*file, &secret);
    secret_free(&secret);
    if (err != ERR_CONFIG)
        return err;
    config_check_fault(k, "scef.oauth", i, "secret_file", "a readable file whose first line is the secret",
                       "%.120s: %s", *file, errno ? strerror(errno) : "is empty");
    return OK;
}

static enum error scef_check(const struct config_check *k, uint32_t i)
{
    struct config_scef *s = &k->c->scefs[i];
    const struct config_tls_end end = {"scef", i, "ca_file", &s->ca_file, &s->certificate_file, &s->key_file};
    if (plain(s->api_root) && plain(s->oauth.token_url) && (s->ca_file || s->certificate_file))
        config_check_fault(k, "scef", i, s->ca_file ? "ca_file" : "certificate_file",
                           "an api_root with https://, or neither", "has no effect, since api_root is http://");
    enum error err = config_tls_end_check(k, &end);
    return err ? err : oauth_check(k, i);
}

static enum error server_psk_check(const struct config_check *k, uint32_t i)
{
    struct config_server *s = &k->c->servers[i];
    enum error err = config_file_resolve(k, &s->psk_file);
    if (err)
        return err;
    if (!s->psk_identity != !s->psk_file)
        config_check_fault(k, "servers", i, s->psk_file ? "psk_file" : "psk_identity",
                           "psk_identity and psk_file, or neither", "is there alone");
    if (!s->psk_file || k->alone)
        return OK;
    struct buf key = {0};
    err = secret_file_read(s->psk_file, &key);
    if (err == ERR_CONFIG) {
        config_check_fault(k, "servers", i, "psk_file", "a readable file whose first line is the key in hex",
                           "%.120s: %s", s->psk_file, errno ? strerror(errno) : "is empty");
        err = OK;
    } else if (!err) {
        if (config_check_psk_key((const char *)key.data))
            config_check_fault(k, "servers", i, "psk_file", "2 to 128 hexadecimal digits, two for each byte",
                               "%.120s: holds no such key", s->psk_file);
    }
    secret_free(&key);
    return err;
}

static enum error server_check(const struct config_check *k, uint32_t i)
{
    struct config_server *s = &k->c->servers[i];
    const struct config_tls_end end = {"servers", i, "ca_file", &s->ca_file, &s->certificate_file, &s->key_file};
    const bool secure = config_scheme_secure(s->scheme);
    if (!secure && (s->ca_file || s->certificate_file || s->psk_file || s->psk_identity))
        config_check_fault(k, "servers", i, "uri", "coaps:// or coaps+tcp://, or no certificate and no key",
                           "has no use for certificates and keys");
    enum error err = config_tls_end_check(k, &end);
    return err ? err : server_psk_check(k, i);
}

void config_server_keys_check(const struct config_check *k)
{
    const struct config *c = k->c;
    if (c->psk_holders[0] || c->psk_holders[1] || (k->alone && c->devices_file))
        return;
    for (uint32_t i = 0; i < c->server_count; i++)
        if (config_server_by_key(&c->servers[i]) && !c->servers[i].psk_file && !c->servers[i].psk_identity)
            config_check_fault(k, "servers", i, "uri",
                               "ca_file, or psk_identity and psk_file, beside it, or devices with psk_key",
                               "needs something that tells the server from an impostor");
}

enum error config_security_check(const struct config_check *k)
{
    struct config *c = k->c;
    const struct config_tls_end callback = {
        "callback",           0, "client_ca_file", &c->callback.client_ca_file, &c->callback.certificate_file,
        &c->callback.key_file};
    if (c->callback.client_ca_file && !c->callback.certificate_file)
        config_check_fault(k, "callback", 0, "client_ca_file", "certificate_file and key_file too",
                           "has no effect without certificate_file");
    enum error err = OK;
    for (uint32_t i = 0; i < c->scef_count && !err; i++)
        err = scef_check(k, i);
    for (uint32_t i = 0; i < c->server_count && !err; i++)
        err = server_check(k, i);
    return err ? err : config_tls_end_check(k, &callback);
}
