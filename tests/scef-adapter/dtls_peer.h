/* A DTLS server without sockets for the tests of the legs, on OpenSSL: what it sends and receives goes through queues
 * in which a test can lose, repeat and forge datagrams. */
#ifndef TESTS_SCEF_ADAPTER_DTLS_PEER_H
#define TESTS_SCEF_ADAPTER_DTLS_PEER_H

#include "scef-adapter/leg_dtls.h"

#define PEER_LEGS      64
#define PEER_DATAGRAMS 1024

struct peer_datagram {
    uint32_t leg;
    bool to_server;
    struct buf data;
};

struct dtls_peer {
    SSL_CTX *context;
    BIO_METHOD *method;
    struct peer_end {
        struct dtls_peer *peer;
        uint32_t leg;
        SSL *ssl;
        uint8_t random[32]; /* of the ClientHello that began it */
        char said[64];      /* the last message of the leg */
        bool closed;        /* by a close_notify of the leg */
    } ends[PEER_LEGS];
    struct bytes in;
    struct peer_datagram queue[PEER_DATAGRAMS];
    unsigned head, count;
    const char *identity; /* whom it knows, and the key */
    const char *key;
};

/* By a pre-shared key; with certificate files by these. */
void peer_start(struct dtls_peer *p, const char *certificate_file, const char *key_file);
/* Forgets all sessions, as a restart does. */
void peer_restart(struct dtls_peer *p);
void peer_stop(struct dtls_peer *p);
void peer_queue(struct dtls_peer *p, uint32_t leg, bool to_server, struct bytes datagram);
/* The next datagram on its way; false: none. The caller frees it by buf_free. */
bool peer_next(struct dtls_peer *p, struct peer_datagram *out);
void peer_take(struct dtls_peer *p, const struct peer_datagram *m); /* as the server */
void peer_repeat(struct dtls_peer *p);                              /* what is due of its handshakes */
void peer_say(struct dtls_peer *p, uint32_t leg, const char *text);
void peer_close(struct dtls_peer *p, uint32_t leg);

/* A certificate for `host` (a name or an address), valid until `days` from now, signed by the CA of this name, written
 * with its key to the files. The CA's own certificate goes to ca_file. */
struct test_ca;
struct test_ca *test_ca_new(const char *ca_file);
void test_ca_free(struct test_ca *ca);
void test_ca_sign(struct test_ca *ca, const char *host, int days, const char *certificate_file, const char *key_file);

#endif
