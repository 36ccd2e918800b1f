#include "tests/scef-adapter/dtls_peer.h"

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/base/test.h"

#define RANDOM_AT 27 /* of a ClientHello: behind the heads of record and message and the version */

/* ---- the server ---- */

static struct bytes end_read(void *ctx)
{
    struct peer_end *e = ctx;
    struct bytes in = e->peer->in;
    e->peer->in = (struct bytes){0};
    return in;
}

static void end_write(void *ctx, struct bytes datagram)
{
    struct peer_end *e = ctx;
    peer_queue(e->peer, e->leg, false, datagram);
}

static const struct leg_dtls_end END = {end_read, end_write};

static unsigned on_psk(SSL *ssl, const char *identity, unsigned char *key, unsigned size)
{
    const struct peer_end *e = leg_dtls_ssl_ctx(ssl);
    size_t len = strlen(e->peer->key);
    if (strcmp(identity, e->peer->identity) != 0 || len > size)
        return 0;
    memcpy(key, e->peer->key, len);
    return (unsigned)len;
}

void peer_start(struct dtls_peer *p, const char *certificate_file, const char *key_file)
{
    memset(p, 0, sizeof(*p));
    p->method = leg_dtls_method_new();
    p->context = SSL_CTX_new(DTLS_server_method());
    p->identity = "device-identity";
    p->key = "0123456789abcdef";
    assert_non_null(p->method);
    assert_non_null(p->context);
    SSL_CTX_set_options(p->context, SSL_OP_NO_QUERY_MTU);
    SSL_CTX_set_session_id_context(p->context, (const unsigned char *)"test", 4);
    assert_int_equal(SSL_CTX_set_cipher_list(p->context, certificate_file ? "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0"
                                                                          : "PSK-AES128-CCM8:@SECLEVEL=0"),
                     1);
    SSL_CTX_set_psk_server_callback(p->context, on_psk);
    if (certificate_file) {
        assert_int_equal(SSL_CTX_use_certificate_chain_file(p->context, certificate_file), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey_file(p->context, key_file, SSL_FILETYPE_PEM), 1);
    }
}

static void end_drop(struct peer_end *e)
{
    if (e->ssl)
        SSL_set_shutdown(e->ssl, SSL_SENT_SHUTDOWN); /* its ticket stays good */
    SSL_free(e->ssl);
    e->ssl = NULL;
}

void peer_restart(struct dtls_peer *p)
{
    for (unsigned i = 0; i < PEER_LEGS; i++)
        end_drop(&p->ends[i]);
}

void peer_stop(struct dtls_peer *p)
{
    struct peer_datagram m;
    peer_restart(p);
    while (peer_next(p, &m))
        buf_free(&m.data);
    SSL_CTX_free(p->context);
    BIO_meth_free(p->method);
}

void peer_queue(struct dtls_peer *p, uint32_t leg, bool to_server, struct bytes datagram)
{
    assert_true(p->count < PEER_DATAGRAMS);
    struct peer_datagram *m = &p->queue[(p->head + p->count++) % PEER_DATAGRAMS];
    *m = (struct peer_datagram){.leg = leg, .to_server = to_server};
    buf_add(&m->data, datagram);
}

bool peer_next(struct dtls_peer *p, struct peer_datagram *out)
{
    if (!p->count)
        return false;
    *out = p->queue[p->head];
    p->head = (p->head + 1) % PEER_DATAGRAMS;
    p->count--;
    return true;
}

static bool is_client_hello(struct bytes d)
{
    return d.len > RANDOM_AT + 32 && d.data[0] == 22 && d.data[3] == 0 && d.data[4] == 0 && d.data[13] == 1;
}

void peer_take(struct dtls_peer *p, const struct peer_datagram *m)
{
    struct peer_end *e = &p->ends[m->leg];
    struct bytes d = buf_bytes(&m->data);
    /* RFC 6347 clause 4.2.8: a new ClientHello, not a repeated one, from where there is a session. */
    if (is_client_hello(d) && e->ssl && memcmp(d.data + RANDOM_AT, e->random, sizeof(e->random)) != 0)
        end_drop(e);
    if (!e->ssl && !is_client_hello(d))
        return;
    if (!e->ssl) {
        static const struct leg_dtls_server nobody = {.name = "peer"};
        *e = (struct peer_end){.peer = p, .leg = m->leg};
        e->ssl = leg_dtls_ssl_new(p->context, &nobody, p->method, &END, e);
        assert_non_null(e->ssl);
        SSL_set_accept_state(e->ssl);
        memcpy(e->random, d.data + RANDOM_AT, sizeof(e->random));
    }
    p->in = d;
    for (char text[64]; e->ssl;) {
        int n = SSL_read(e->ssl, text, sizeof(text) - 1);
        if (n > 0)
            snprintf(e->said, sizeof(e->said), "%.*s", n, text);
        else if (SSL_get_error(e->ssl, n) == SSL_ERROR_WANT_READ)
            break;
        else {
            e->closed = SSL_get_error(e->ssl, n) == SSL_ERROR_ZERO_RETURN;
            end_drop(e);
        }
    }
    p->in = (struct bytes){0};
}

void peer_repeat(struct dtls_peer *p)
{
    for (unsigned i = 0; i < PEER_LEGS; i++)
        if (p->ends[i].ssl && !SSL_is_init_finished(p->ends[i].ssl))
            (void)DTLSv1_handle_timeout(p->ends[i].ssl);
}

void peer_say(struct dtls_peer *p, uint32_t leg, const char *text)
{
    assert_non_null(p->ends[leg].ssl);
    assert_int_equal(SSL_write(p->ends[leg].ssl, text, (int)strlen(text)), (int)strlen(text));
}

void peer_close(struct dtls_peer *p, uint32_t leg)
{
    assert_true(SSL_shutdown(p->ends[leg].ssl) >= 0);
    end_drop(&p->ends[leg]);
}

/* ---- certificates ---- */

struct test_ca {
    EVP_PKEY *key;
    X509 *certificate;
};

static X509 *certificate_new(EVP_PKEY *key, const char *name, int days)
{
    static long serial;
    X509 *x = X509_new();
    assert_non_null(x);
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(x), -20L * 86400);
    X509_gmtime_adj(X509_getm_notAfter(x), days * 86400L);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    return x;
}

static void extension_add(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_non_null(e);
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
}

static void certificate_write(const char *path, X509 *x)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, x), 1);
    fclose(f);
}

struct test_ca *test_ca_new(const char *ca_file)
{
    struct test_ca *ca = calloc(1, sizeof(*ca));
    assert_non_null(ca);
    ca->key = EVP_EC_gen("P-256");
    ca->certificate = certificate_new(ca->key, "Test CA", 100);
    X509_set_issuer_name(ca->certificate, X509_get_subject_name(ca->certificate));
    extension_add(ca->certificate, NID_basic_constraints, "critical,CA:TRUE");
    assert_true(X509_sign(ca->certificate, ca->key, EVP_sha256()) > 0);
    certificate_write(ca_file, ca->certificate);
    return ca;
}

void test_ca_free(struct test_ca *ca)
{
    X509_free(ca->certificate);
    EVP_PKEY_free(ca->key);
    free(ca);
}

void test_ca_sign(struct test_ca *ca, const char *host, int days, const char *certificate_file, const char *key_file)
{
    char san[200], address[16];
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = certificate_new(key, "server", days);
    snprintf(san, sizeof(san), "%s:%s", inet_pton(AF_INET, host, address) == 1 ? "IP" : "DNS", host);
    X509_set_issuer_name(x, X509_get_subject_name(ca->certificate));
    extension_add(x, NID_subject_alt_name, san);
    assert_true(X509_sign(x, ca->key, EVP_sha256()) > 0);
    certificate_write(certificate_file, x);
    FILE *f = fopen(key_file, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(f);
    X509_free(x);
    EVP_PKEY_free(key);
}
