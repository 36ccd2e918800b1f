#include "buffering/store_redis_tls.h"

#include <hiredis/hiredis_ssl.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

static const char *context_fill(SSL_CTX *ctx, const struct redis_tls *tls)
{
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1)
        return "TLS 1.2 is not to be had";
    const int trusted =
        tls->ca_file ? SSL_CTX_load_verify_locations(ctx, tls->ca_file, NULL) : SSL_CTX_set_default_verify_paths(ctx);
    if (trusted != 1)
        return "the CA file cannot be read (store.ca_file)";
    if (tls->certificate_file && SSL_CTX_use_certificate_chain_file(ctx, tls->certificate_file) != 1)
        return "the certificate cannot be read (store.certificate_file)";
    if (tls->key_file && SSL_CTX_use_PrivateKey_file(ctx, tls->key_file, SSL_FILETYPE_PEM) != 1)
        return "the key cannot be read, or is not the certificate's (store.key_file)";
    return NULL;
}

/* An address stands in the certificate as one, and is no server name indication (RFC 6066 clause 3). */
static bool peer_name(SSL *ssl, const char *host)
{
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1)
        return true;
    return SSL_set_tlsext_host_name(ssl, host) == 1 && SSL_set1_host(ssl, host) == 1;
}

const char *redis_tls_begin(redisContext *c, const struct redis_tls *tls, const char *host, struct ssl_st **out)
{
    *out = NULL;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx)
        return "no memory";
    const char *fault = context_fill(ctx, tls);
    SSL *ssl = fault ? NULL : SSL_new(ctx);
    SSL_CTX_free(ctx); /* ssl keeps it */
    if (fault)
        return fault;
    if (!ssl || !peer_name(ssl, host)) {
        SSL_free(ssl);
        return "no memory";
    }
    SSL_up_ref(ssl);
    *out = ssl;
    /* It takes ssl when it succeeds, and also when the handshake fails: then with the context. */
    if (redisInitiateSSL(c, ssl) == REDIS_OK)
        return NULL;
    if (!c->privctx)
        SSL_free(ssl);
    return "TLS handshake failed";
}

const char *redis_tls_fault(const struct ssl_st *ssl)
{
    const long result = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;
    return result == X509_V_OK ? NULL : X509_verify_cert_error_string(result);
}

void redis_tls_free(struct ssl_st *ssl)
{
    SSL_free(ssl);
}
