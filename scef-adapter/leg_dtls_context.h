/* What the DTLS sessions to one server have in common, and the end of a session that OpenSSL reads and writes. */
#ifndef SCEF_ADAPTER_LEG_DTLS_CONTEXT_H
#define SCEF_ADAPTER_LEG_DTLS_CONTEXT_H

#include <openssl/ssl.h>

#include "base/bytes.h"
#include "t8/tls_files.h"

struct leg_dtls_server {
    const char *name;       /* in the log; NULL: this server has no DTLS */
    const char *host;       /* the name or the address that its certificate must bear, and the name that is asked for */
    struct tls_files files; /* no ca_file: by pre-shared keys */
};

/* DTLS 1.2 (RFC 6347) with the suites of RFC 7925 clauses 4.2, 4.4 and their neighbours with GCM. `key` is the
 * pre-shared key callback. On an error `why` says what is wrong. */
[[gnu::warn_unused_result]] enum error leg_dtls_context_new(const struct leg_dtls_server *s, SSL_psk_client_cb_func key,
                                                            SSL_CTX **out, char why[200]);

/* One session's way in and out. read: the datagram that has come in, once, or the empty slice. write: a datagram that
 * is to leave; what becomes of it the session is not told, as with any datagram. */
struct leg_dtls_end {
    struct bytes (*read)(void *ctx);
    void (*write)(void *ctx, struct bytes datagram);
};
/* NULL: no memory. `end` is one for all. */
BIO_METHOD *leg_dtls_method_new(void);
SSL *leg_dtls_ssl_new(SSL_CTX *context, const struct leg_dtls_server *s, BIO_METHOD *m, const struct leg_dtls_end *end,
                      void *ctx);
void *leg_dtls_ssl_ctx(const SSL *ssl); /* what was given to leg_dtls_ssl_new */

/* Why a handshake or a session failed, from the certificate's check or the thread's last error. */
const char *leg_dtls_reason(const SSL *ssl);

#endif
