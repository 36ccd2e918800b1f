/* TLS of the server legs, as a client: whom to trust, who we are, sessions to resume. One for each server;
 * each connection of a device gets an SSL of its own from it.
 *
 * A server is who it says when its certificate comes from ca_file and names the host of its URI, by name or address
 * (RFC 6125, RFC 9110 clause 4.3.4); or when both know the pre-shared key. Nothing switches that off. TLS 1.2 is the
 * least. */
#ifndef SCEF_ADAPTER_LEG_TLS_H
#define SCEF_ADAPTER_LEG_TLS_H

#include <openssl/ssl.h>

#include "base/bytes.h"

struct leg_tls;

#define LEG_TLS_WHY_BYTES     200
#define LEG_TLS_IDENTITY_MAX  128
#define LEG_TLS_KEY_MAX_BYTES 64

/* A pre-shared key (RFC 4279, RFC 8446 clause 2.2). */
struct leg_tls_psk {
    char identity[LEG_TLS_IDENTITY_MAX + 1];
    uint8_t key[LEG_TLS_KEY_MAX_BYTES];
    size_t key_len;
};

struct leg_tls_options {
    const char *host;             /* of the server's URI: a name, or a numeric address without brackets */
    const char *ca_file;          /* NULL: no certificate is trusted, a key must do */
    const char *certificate_file; /* NULL: none; with key_file */
    const char *key_file;
    const struct leg_tls_psk *psk; /* of all devices; NULL: none. Copied. */
    uint32_t sessions_max;         /* that are kept to be resumed, each a few kB; 0 = none */
};

/* Reads the files. ERR_CONFIG: one of them cannot be used, `why` says which and how, in one line. */
[[gnu::warn_unused_result]] enum error leg_tls_new(const struct leg_tls_options *o, struct leg_tls **out,
                                                   char why[LEG_TLS_WHY_BYTES]);
void leg_tls_free(struct leg_tls *t); /* after all its SSLs; NULL is fine */

/* An SSL of device `leg`, in client state, with the session of its last one, if that is still kept. The caller gives it
 * its descriptor, and frees it by SSL_free. NULL: out of memory. */
SSL *leg_tls_open(struct leg_tls *t, uint32_t leg);
/* Forgets the session of `leg`: after a handshake that failed. */
void leg_tls_forget(struct leg_tls *t, uint32_t leg);

/* Why a call of OpenSSL on `ssl` failed, in one line: "the server's certificate is refused: certificate has expired".
 * Empties OpenSSL's list of errors. `result` is what SSL_get_error gave. */
void leg_tls_fault(const SSL *ssl, int result, char why[LEG_TLS_WHY_BYTES]);

/* A key file: its first line is the key in hex, 2 to 128 digits. ERR_CONFIG: `why` says what is wrong. */
[[gnu::warn_unused_result]] enum error leg_tls_psk_read(const char *identity, const char *key_path,
                                                        struct leg_tls_psk *out, char why[LEG_TLS_WHY_BYTES]);

#endif
