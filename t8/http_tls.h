/* TLS of the HTTP client: libcurl's settings, and what a failure means. Not for other folders. */
#ifndef T8_HTTP_TLS_H
#define T8_HTTP_TLS_H

#include <curl/curl.h>
#include <stdbool.h>

#include "t8/tls_files.h"

/*   X(name, word in the log, what to do) */
#define HTTP_TLS_FAULTS(X)                                                                                             \
    X(HTTP_TLS_NONE, "", "")                                                                                           \
    X(HTTP_TLS_UNKNOWN_CA, "unknown_ca", "name the CA that signed the server's certificate in ca_file")                \
    X(HTTP_TLS_NAME, "name_mismatch", "use a name in the URL that the server's certificate holds")                     \
    X(HTTP_TLS_EXPIRED, "expired", "the server's certificate needs renewal; is the clock here right?")                 \
    X(HTTP_TLS_EARLY, "not_yet_valid", "the server's certificate begins later; is the clock here right?")              \
    X(HTTP_TLS_BAD, "bad_certificate", "the server's certificate cannot be accepted, see detail")                      \
    X(HTTP_TLS_REFUSED, "client_certificate_refused",                                                                  \
      "the server wants another client certificate: check certificate_file, its CA and its validity")                  \
    X(HTTP_TLS_OURS, "client_certificate_unusable", "certificate_file and key_file must be readable and match")        \
    X(HTTP_TLS_CA_FILE, "ca_file_unusable", "ca_file must be readable and hold PEM certificates")                      \
    X(HTTP_TLS_HANDSHAKE, "handshake_failed", "the server must speak TLS 1.2 or newer at this port, see detail")

enum http_tls_fault {
#define X(name, word, hint) name,
    HTTP_TLS_FAULTS(X)
#undef X
};
const char *http_tls_word(enum http_tls_fault f);
const char *http_tls_hint(enum http_tls_fault f);

/* What of TLS a transfer failed of, HTTP_TLS_NONE = of something else. `verify_result` is CURLINFO_SSL_VERIFYRESULT,
 * `text` libcurl's error buffer. With TLS 1.3 a server refuses our certificate after we have begun to send; what came
 * before the end of its handshake it has not read. */
enum http_tls_fault http_tls_fault_of(CURLcode code, long verify_result, const char *text);

/* TLS 1.2 at least, the server's certificate and name always verified. Without ca_file: the CAs of the system. */
bool http_tls_set_up(CURL *easy, const struct tls_files *files);

#endif
