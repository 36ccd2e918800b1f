#include "t8/tls_files.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Without this OpenSSL would ask the terminal. */
static int no_passphrase(char *out, int size, int writing, void *ctx)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)ctx;
    return -1;
}

static bool readable(const char *path, char wrong[TLS_WRONG_BYTES])
{
    FILE *f = fopen(path, "re");
    bool ok = f && (fgetc(f) != EOF || !ferror(f)); /* a folder opens, but cannot be read */
    if (!ok)
        snprintf(wrong, TLS_WRONG_BYTES, "%.120s: %s", path, strerror(errno));
    if (f)
        fclose(f);
    return ok;
}

static bool usable(SSL_CTX *tls, enum tls_file which, const char *path, char wrong[TLS_WRONG_BYTES])
{
    static const char *const nouns[] = {"CA certificate in PEM", "certificate in PEM", "key in PEM without passphrase"};
    if (!path)
        return true;
    if (!readable(path, wrong))
        return false;
    bool ok = which == TLS_CA_FILE            ? SSL_CTX_load_verify_file(tls, path) == 1
              : which == TLS_CERTIFICATE_FILE ? SSL_CTX_use_certificate_chain_file(tls, path) == 1
                                              : SSL_CTX_use_PrivateKey_file(tls, path, SSL_FILETYPE_PEM) == 1;
    if (ok && which == TLS_KEY_FILE && SSL_CTX_check_private_key(tls) == 1)
        return true;
    if (ok && which != TLS_KEY_FILE)
        return true;
    unsigned long code = ERR_peek_last_error();
    bool stranger =
        which == TLS_KEY_FILE && ERR_GET_LIB(code) == ERR_LIB_X509 &&
        (ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH || ERR_GET_REASON(code) == X509_R_KEY_TYPE_MISMATCH);
    if (stranger)
        snprintf(wrong, TLS_WRONG_BYTES, "%.120s: is not the key of the certificate", path);
    else
        snprintf(wrong, TLS_WRONG_BYTES, "%.120s: holds no %s", path, nouns[which]);
    return false;
}

enum error tls_files_check(const struct tls_files *f, enum tls_file *which, char wrong[TLS_WRONG_BYTES])
{
    const char *const paths[] = {f->ca_file, f->certificate_file, f->key_file};
    SSL_CTX *tls = SSL_CTX_new(TLS_method());
    if (!tls)
        return ERR_NO_MEMORY;
    SSL_CTX_set_default_passwd_cb(tls, no_passphrase);
    enum error err = OK;
    for (int i = TLS_CA_FILE; !err && i <= TLS_KEY_FILE; i++) {
        *which = (enum tls_file)i;
        if (!usable(tls, *which, paths[i], wrong))
            err = ERR_CONFIG;
    }
    ERR_clear_error();
    SSL_CTX_free(tls);
    return err;
}
