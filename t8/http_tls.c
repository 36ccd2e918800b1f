#include "t8/http_tls.h"

#include <openssl/x509_vfy.h>
#include <string.h>

const char *http_tls_word(enum http_tls_fault f)
{
    static const char *const words[] = {
#define X(name, word, hint) word,
        HTTP_TLS_FAULTS(X)
#undef X
    };
    return words[f];
}

const char *http_tls_hint(enum http_tls_fault f)
{
    static const char *const hints[] = {
#define X(name, word, hint) hint,
        HTTP_TLS_FAULTS(X)
#undef X
    };
    return hints[f];
}

static enum http_tls_fault of_verification(long result, const char *text)
{
    if (strstr(text, "subject name")) /* libcurl compares names itself, before it asks for OpenSSL's result */
        return HTTP_TLS_NAME;
    switch (result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return HTTP_TLS_EXPIRED;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return HTTP_TLS_EARLY;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE: /* a CA of the same name with another key */
        return HTTP_TLS_UNKNOWN_CA;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return HTTP_TLS_NAME;
    default:
        return HTTP_TLS_BAD;
    }
}

/* OpenSSL's names of the alerts (RFC 8446 clause 6.2) by which a server says that it does not like our certificate. */
static bool refused_by_alert(const char *text)
{
    static const char *const alerts[] = {"alert certificate", "alert bad certificate", "alert unsupported certificate",
                                         "alert unknown ca",  "alert access denied",   "alert no certificate"};
    for (size_t i = 0; i < sizeof alerts / sizeof *alerts; i++)
        if (strstr(text, alerts[i]))
            return true;
    return false;
}

enum http_tls_fault http_tls_fault_of(CURLcode code, long verify_result, const char *text)
{
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
        return of_verification(verify_result, text);
    case CURLE_SSL_CERTPROBLEM:
        return HTTP_TLS_OURS;
    case CURLE_SSL_CACERT_BADFILE:
        return HTTP_TLS_CA_FILE;
    case CURLE_SSL_CONNECT_ERROR:
        return refused_by_alert(text) ? HTTP_TLS_REFUSED : HTTP_TLS_HANDSHAKE;
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        return refused_by_alert(text) ? HTTP_TLS_REFUSED : HTTP_TLS_NONE;
    default:
        return HTTP_TLS_NONE;
    }
}

bool http_tls_set_up(CURL *e, const struct tls_files *files)
{
    bool ok = curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK;
    if (files->ca_file) {
        ok &= curl_easy_setopt(e, CURLOPT_CAINFO, files->ca_file) == CURLE_OK;
        ok &= curl_easy_setopt(e, CURLOPT_CAPATH, NULL) == CURLE_OK; /* else the system's CAs count too */
        /* Read anew for each connection: a CA that was exchanged counts without a restart. */
        ok &= curl_easy_setopt(e, CURLOPT_CA_CACHE_TIMEOUT, 0L) == CURLE_OK;
    }
    if (files->certificate_file) {
        ok &= curl_easy_setopt(e, CURLOPT_SSLCERT, files->certificate_file) == CURLE_OK;
        ok &= curl_easy_setopt(e, CURLOPT_SSLKEY, files->key_file) == CURLE_OK;
    }
    return ok;
}
