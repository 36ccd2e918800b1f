#include "scef-adapter/leg_dtls_context.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#define LINK_MTU     1280 /* every IPv6 link has it */
#define MTU_OVERHEAD 48   /* IPv6 and UDP */
#define CHAIN_LEVEL  2    /* 112 bits: RSA from 2048, ECDSA from 224 */

/* OpenSSL's level 0: CCM_8, which RFC 7925 makes mandatory, counts as 64 bits of strength. What else the level would
 * keep out is not in these lists. */
static const char PSK_SUITES[] = "PSK-AES128-CCM8:PSK-AES128-CCM:ECDHE-PSK-AES128-CBC-SHA256:PSK-AES128-GCM-SHA256:"
                                 "PSK-AES256-GCM-SHA384:PSK-AES128-CBC-SHA256:@SECLEVEL=0";
static const char CERTIFICATE_SUITES[] =
    "ECDHE-ECDSA-AES128-CCM8:ECDHE-ECDSA-AES128-CCM:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:@SECLEVEL=0";
static const char SIGNATURES[] = "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:RSA-PSS+SHA256:RSA-PSS+SHA384:RSA+SHA256:"
                                 "RSA+SHA384:RSA+SHA512";

static enum error files_use(SSL_CTX *c, const struct tls_files *f, char why[200])
{
    enum tls_file which;
    char wrong[TLS_WRONG_BYTES];
    enum error err = tls_files_check(f, &which, wrong);
    if (err) {
        snprintf(why, 200, "%s", wrong);
        return err;
    }
    if (SSL_CTX_load_verify_file(c, f->ca_file) != 1)
        return ERR_CONFIG;
    if (f->certificate_file && (SSL_CTX_use_certificate_chain_file(c, f->certificate_file) != 1 ||
                                SSL_CTX_use_PrivateKey_file(c, f->key_file, SSL_FILETYPE_PEM) != 1))
        return ERR_CONFIG;
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
    X509_VERIFY_PARAM_set_auth_level(SSL_CTX_get0_param(c), CHAIN_LEVEL);
    return OK;
}

enum error leg_dtls_context_new(const struct leg_dtls_server *s, SSL_psk_client_cb_func key, SSL_CTX **out,
                                char why[200])
{
    *out = NULL;
    ERR_clear_error();
    snprintf(why, 200, "%s", error_text(ERR_NO_MEMORY));
    SSL_CTX *c = SSL_CTX_new(DTLS_client_method());
    if (!c)
        return ERR_NO_MEMORY;
    (void)SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_QUERY_MTU | SSL_OP_NO_COMPRESSION);
    (void)SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF); /* each leg keeps its own */
    snprintf(why, 200, "OpenSSL cannot do what DTLS needs");
    const bool psk = !s->files.ca_file;
    bool able = SSL_CTX_set_min_proto_version(c, DTLS1_2_VERSION) == 1 &&
                SSL_CTX_set_max_proto_version(c, DTLS1_2_VERSION) == 1 &&
                SSL_CTX_set_cipher_list(c, psk ? PSK_SUITES : CERTIFICATE_SUITES) == 1 &&
                SSL_CTX_set1_sigalgs_list(c, SIGNATURES) == 1;
    enum error err = able ? OK : ERR_CONFIG;
    if (psk)
        SSL_CTX_set_psk_client_callback(c, key);
    else if (!err)
        err = files_use(c, &s->files, why);
    if (err) {
        SSL_CTX_free(c);
        return err;
    }
    *out = c;
    return OK;
}

/* ---- a session's end ---- */

struct bio_end {
    const struct leg_dtls_end *end;
    void *ctx;
};

static int bio_new(BIO *b)
{
    struct bio_end *e = OPENSSL_zalloc(sizeof(*e));
    BIO_set_data(b, e);
    BIO_set_init(b, e != NULL);
    return e != NULL;
}

static int bio_free(BIO *b)
{
    OPENSSL_free(BIO_get_data(b));
    BIO_set_data(b, NULL);
    return 1;
}

static int bio_write(BIO *b, const char *data, int len)
{
    const struct bio_end *e = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    if (len > 0)
        e->end->write(e->ctx, bytes_of(data, (size_t)len));
    return len;
}

static int bio_read(BIO *b, char *out, int size)
{
    const struct bio_end *e = BIO_get_data(b);
    struct bytes in = e->end->read(e->ctx);
    BIO_clear_retry_flags(b);
    if (!in.len) {
        BIO_set_retry_read(b);
        return -1;
    }
    size_t n = in.len < (size_t)size ? in.len : (size_t)size; /* beyond the longest record: as recv cuts it */
    memcpy(out, in.data, n);
    return (int)n;
}

static long bio_ctrl(BIO *b, int command, long number, void *p)
{
    (void)b;
    (void)number;
    (void)p;
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
        return LINK_MTU - MTU_OVERHEAD;
    case BIO_CTRL_DGRAM_GET_MTU_OVERHEAD:
        return MTU_OVERHEAD;
    default:
        return 0;
    }
}

BIO_METHOD *leg_dtls_method_new(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "leg");
    if (m && BIO_meth_set_create(m, bio_new) && BIO_meth_set_destroy(m, bio_free) && BIO_meth_set_write(m, bio_write) &&
        BIO_meth_set_read(m, bio_read) && BIO_meth_set_ctrl(m, bio_ctrl))
        return m;
    BIO_meth_free(m);
    return NULL;
}

/* RFC 6066 clause 3: no addresses in the server name. */
static bool peer_expect(SSL *ssl, const struct leg_dtls_server *s)
{
    uint8_t address[16];
    if (!s->files.ca_file)
        return true;
    if (inet_pton(AF_INET, s->host, address) == 1 || inet_pton(AF_INET6, s->host, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), s->host) == 1;
    return SSL_set1_host(ssl, s->host) == 1 && SSL_set_tlsext_host_name(ssl, s->host) == 1;
}

SSL *leg_dtls_ssl_new(SSL_CTX *context, const struct leg_dtls_server *s, BIO_METHOD *m, const struct leg_dtls_end *end,
                      void *ctx)
{
    SSL *ssl = SSL_new(context);
    BIO *bio = ssl ? BIO_new(m) : NULL;
    if (!bio) {
        SSL_free(ssl);
        return NULL;
    }
    *(struct bio_end *)BIO_get_data(bio) = (struct bio_end){end, ctx};
    SSL_set_bio(ssl, bio, bio);
    SSL_set_connect_state(ssl);
    if (SSL_set_app_data(ssl, ctx) == 1 && DTLS_set_link_mtu(ssl, LINK_MTU) == 1 && peer_expect(ssl, s))
        return ssl;
    SSL_free(ssl);
    return NULL;
}

void *leg_dtls_ssl_ctx(const SSL *ssl)
{
    return SSL_get_app_data(ssl);
}

const char *leg_dtls_reason(const SSL *ssl)
{
    long verified = SSL_get_verify_result(ssl);
    const char *text = ERR_reason_error_string(ERR_peek_last_error());
    if (verified != X509_V_OK)
        return X509_verify_cert_error_string(verified);
    return text ? text : "the server ended it";
}
