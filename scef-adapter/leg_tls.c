#include "scef-adapter/leg_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALPN                                                                                                           \
    "\x04"                                                                                                             \
    "coap" /* RFC 8323 clause 8.2 */

struct kept_session {
    uint32_t leg;
    SSL_SESSION *session; /* NULL: none */
};

struct leg_tls {
    SSL_CTX *ctx;
    char *host;
    bool numeric;
    bool by_certificate;
    bool (*key)(void *ctx, uint32_t leg, uint32_t server, struct leg_tls_psk *out); /* NULL: none */
    void *key_ctx;
    uint32_t server;
    struct kept_session *sessions; /* leg modulo sessions_max: a newcomer displaces who was there */
    uint32_t sessions_max;
};

/* What an SSL needs to know of its owner. */
struct owner {
    struct leg_tls *tls;
    uint32_t leg;
};

static void owner_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    (void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
    free(ptr);
}

/* The place of the owner in every SSL. There is one thread. */
static int owner_index(void)
{
    static int index = -1;
    if (index < 0)
        index = SSL_get_ex_new_index(0, NULL, NULL, NULL, owner_free);
    return index;
}

/* ---- sessions ---- */

static struct kept_session *place_of(struct leg_tls *t, uint32_t leg)
{
    return t->sessions_max ? &t->sessions[leg % t->sessions_max] : NULL;
}

static void session_drop(struct kept_session *k)
{
    SSL_SESSION_free(k->session);
    k->session = NULL;
}

/* 1: the reference is ours. */
static int session_new(SSL *ssl, SSL_SESSION *session)
{
    const struct owner *o = SSL_get_ex_data(ssl, owner_index());
    struct kept_session *k = o ? place_of(o->tls, o->leg) : NULL;
    if (!k)
        return 0;
    session_drop(k);
    *k = (struct kept_session){o->leg, session};
    return 1;
}

void leg_tls_forget(struct leg_tls *t, uint32_t leg)
{
    struct kept_session *k = place_of(t, leg);
    if (k && k->leg == leg)
        session_drop(k);
}

/* ---- pre-shared keys ---- */

static unsigned psk_ask(SSL *ssl, const char *hint, char *identity, unsigned identity_max, unsigned char *key,
                        unsigned key_max)
{
    const struct owner *o = SSL_get_ex_data(ssl, owner_index());
    struct leg_tls_psk psk = {.key_len = 0};
    unsigned len = 0;
    (void)hint;
    if (o && o->tls->key(o->tls->key_ctx, o->leg, o->tls->server, &psk) && strlen(psk.identity) < identity_max &&
        psk.key_len <= key_max) {
        memcpy(identity, psk.identity, strlen(psk.identity) + 1);
        memcpy(key, psk.key, psk.key_len);
        len = (unsigned)psk.key_len;
    }
    OPENSSL_cleanse(&psk, sizeof(psk));
    return len; /* 0: none is offered */
}

/* Whether the server can prove who it is to this device. */
static bool can_be_trusted(const struct leg_tls *t, uint32_t leg)
{
    struct leg_tls_psk psk = {.key_len = 0};
    const bool can = t->by_certificate || (t->key && t->key(t->key_ctx, leg, t->server, &psk));
    OPENSSL_cleanse(&psk, sizeof(psk));
    return can;
}

/* ---- faults ---- */

void leg_tls_fault(const SSL *ssl, int result, char why[LEG_TLS_WHY_BYTES])
{
    const int saved = errno;
    const long verdict = ssl ? SSL_get_verify_result(ssl) : X509_V_OK;
    unsigned long code = ERR_peek_last_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    if (verdict != X509_V_OK)
        snprintf(why, LEG_TLS_WHY_BYTES, "the server's certificate is refused: %s",
                 X509_verify_cert_error_string(verdict));
    else if (result == SSL_ERROR_ZERO_RETURN || (reason && ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING))
        snprintf(why, LEG_TLS_WHY_BYTES, "closed by the server");
    else if (reason)
        snprintf(why, LEG_TLS_WHY_BYTES, "TLS: %s", reason);
    else
        snprintf(why, LEG_TLS_WHY_BYTES, "%s", saved ? strerror(saved) : "closed by the server");
    ERR_clear_error();
}

/* ---- life ---- */

static enum error file_fault(const char *file, char why[LEG_TLS_WHY_BYTES])
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    snprintf(why, LEG_TLS_WHY_BYTES, "%.120s: %s", file, reason ? reason : "cannot be used");
    ERR_clear_error();
    return ERR_CONFIG;
}

static enum error context_set_up(struct leg_tls *t, const struct leg_tls_options *o, char why[LEG_TLS_WHY_BYTES])
{
    SSL_CTX *c = t->ctx;
    SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
    (void)SSL_CTX_set_alpn_protos(c, (const unsigned char *)ALPN, sizeof(ALPN) - 1);
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(c, session_new);
    if (o->key) /* else no suite is offered that would need one */
        SSL_CTX_set_psk_client_callback(c, psk_ask);
    if (o->ca_file && SSL_CTX_load_verify_file(c, o->ca_file) != 1)
        return file_fault(o->ca_file, why);
    if (o->certificate_file && SSL_CTX_use_certificate_chain_file(c, o->certificate_file) != 1)
        return file_fault(o->certificate_file, why);
    if (o->key_file &&
        (SSL_CTX_use_PrivateKey_file(c, o->key_file, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(c) != 1))
        return file_fault(o->key_file, why);
    return OK;
}

enum error leg_tls_new(const struct leg_tls_options *o, struct leg_tls **out, char why[LEG_TLS_WHY_BYTES])
{
    struct in6_addr any;
    *out = NULL;
    snprintf(why, LEG_TLS_WHY_BYTES, "%s", error_text(ERR_NO_MEMORY));
    struct leg_tls *t = calloc(1, sizeof(*t));
    if (!t)
        return ERR_NO_MEMORY;
    t->ctx = SSL_CTX_new(TLS_client_method());
    t->host = strdup(o->host);
    t->sessions = calloc(o->sessions_max ? o->sessions_max : 1, sizeof(*t->sessions));
    t->sessions_max = o->sessions_max;
    t->numeric = inet_pton(AF_INET, o->host, &any) == 1 || inet_pton(AF_INET6, o->host, &any) == 1;
    t->by_certificate = o->ca_file != NULL;
    t->key = o->key;
    t->key_ctx = o->key_ctx;
    t->server = o->server;
    enum error err =
        !t->ctx || !t->host || !t->sessions || owner_index() < 0 ? ERR_NO_MEMORY : context_set_up(t, o, why);
    if (err) {
        leg_tls_free(t);
        return err;
    }
    *out = t;
    return OK;
}

void leg_tls_free(struct leg_tls *t)
{
    if (!t)
        return;
    for (uint32_t i = 0; t->sessions && i < t->sessions_max; i++)
        session_drop(&t->sessions[i]);
    SSL_CTX_free(t->ctx);
    free(t->sessions);
    free(t->host);
    free(t);
}

/* The name that the certificate must hold; a name goes into SNI too, which has no place for addresses (RFC 6066). */
static bool name_expect(const struct leg_tls *t, SSL *ssl)
{
    if (t->numeric)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), t->host) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, t->host) == 1 && SSL_set_tlsext_host_name(ssl, t->host) == 1;
}

SSL *leg_tls_open(struct leg_tls *t, uint32_t leg, char why[LEG_TLS_WHY_BYTES])
{
    snprintf(why, LEG_TLS_WHY_BYTES, "%s", can_be_trusted(t, leg) ? error_text(ERR_NO_MEMORY) : LEG_PSK_MISSING);
    if (!can_be_trusted(t, leg))
        return NULL;
    SSL *ssl = SSL_new(t->ctx);
    struct owner *o = malloc(sizeof(*o));
    if (!ssl || !o || !SSL_set_ex_data(ssl, owner_index(), o)) {
        free(o);
        SSL_free(ssl);
        return NULL;
    }
    *o = (struct owner){t, leg};
    if (!name_expect(t, ssl)) {
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_connect_state(ssl);
    struct kept_session *k = place_of(t, leg);
    if (k && k->session && k->leg == leg)
        (void)SSL_set_session(ssl, k->session); /* without it the handshake is a whole one */
    return ssl;
}
