/* TLS of the server legs, as a client: whom to trust, who we are, sessions to resume. One for each server;
 * each connection of a device gets an SSL of its own from it.
 *
 * A server is who it says when its certificate comes from ca_file and names the host of its URI, by name or address
 * (RFC 6125, RFC 9110 clause 4.3.4); or when both know the pre-shared key. Nothing switches that off. TLS 1.2 is the
 * least. */
#ifndef SCEF_ADAPTER_LEG_TLS_H
#define SCEF_ADAPTER_LEG_TLS_H

#include <openssl/ssl.h>

#include "scef-adapter/leg_psk.h"

struct leg_tls;

#define LEG_TLS_WHY_BYTES LEG_PSK_WHY_BYTES

struct leg_tls_options {
    const char *host;             /* of the server's URI: a name, or a numeric address without brackets */
    const char *ca_file;          /* NULL: no certificate is trusted, a key must do */
    const char *certificate_file; /* NULL: none; with key_file */
    const char *key_file;
    /* The device's pre-shared key; false: it has none. NULL: no key is ever used. leg_tls wipes *out. */
    bool (*key)(void *ctx, uint32_t leg, uint32_t server, struct leg_tls_psk *out);
    void *key_ctx;
    uint32_t server;       /* towards `key` */
    uint32_t sessions_max; /* that are kept to be resumed, each a few kB; 0 = none */
};

/* Reads the files. ERR_CONFIG: one of them cannot be used, `why` says which and how, in one line. */
[[gnu::warn_unused_result]] enum error leg_tls_new(const struct leg_tls_options *o, struct leg_tls **out,
                                                   char why[LEG_TLS_WHY_BYTES]);
void leg_tls_free(struct leg_tls *t); /* after all its SSLs; NULL is fine */

/* An SSL of device `leg`, in client state, with the session of its last one, if that is still kept. The caller gives it
 * its descriptor, and frees it by SSL_free. NULL: `why` says what is missing. */
SSL *leg_tls_open(struct leg_tls *t, uint32_t leg, char why[LEG_TLS_WHY_BYTES]);
/* Forgets the session of `leg`: after a handshake that failed, and when its key has changed. */
void leg_tls_forget(struct leg_tls *t, uint32_t leg);

/* Why a call of OpenSSL on `ssl` failed, in one line: "the server's certificate is refused: certificate has expired".
 * Empties OpenSSL's list of errors. `result` is what SSL_get_error gave. */
void leg_tls_fault(const SSL *ssl, int result, char why[LEG_TLS_WHY_BYTES]);

#endif
