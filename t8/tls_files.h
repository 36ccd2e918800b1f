/* The PEM files of one TLS end, and the check that they can be used, made at the start and not at the first handshake.
 */
#ifndef T8_TLS_FILES_H
#define T8_TLS_FILES_H

#include "base/error.h"

/* Each may be NULL; a certificate and its key come together. */
struct tls_files {
    const char *ca_file;          /* whom we trust: these CAs and no others */
    const char *certificate_file; /* who we are, intermediate certificates behind our own */
    const char *key_file;         /* without a passphrase */
};

enum tls_file { TLS_CA_FILE, TLS_CERTIFICATE_FILE, TLS_KEY_FILE };

#define TLS_WRONG_BYTES 200

/* OK when every file that is named can be read, holds what it should, and key and certificate belong together. Else
 * ERR_CONFIG (or ERR_NO_MEMORY), the first offender in *which and what is wrong with it in `wrong`. */
[[gnu::warn_unused_result]] enum error tls_files_check(const struct tls_files *f, enum tls_file *which,
                                                       char wrong[TLS_WRONG_BYTES]);

#endif
