/* HTTP client shell: libcurl's multi-socket interface on our loop. Connections are kept and reused, HTTP/2 by ALPN.
 * Redirects are not followed, proxies of the environment are not used, and a request with a body is never sent a second
 * time behind the caller's back, as libcurl would when a kept connection turns out to be dead.
 *
 * https: TLS 1.2 at least; the server's certificate and name are always verified. The files are read for each
 * connection, so that renewed ones count without a restart. A failure is one line in the log: tls_failed, with the
 * reason (t8/http_tls.h) and what to do. */
#ifndef T8_HTTP_CLIENT_H
#define T8_HTTP_CLIENT_H

#include "base/bytes.h"
#include "base/loop.h"
#include "t8/tls_files.h"

struct http_client;

struct http_client_options {
    uint32_t connect_timeout_ms;
    uint32_t timeout_ms;      /* whole request; a delivery with RDS may hang long */
    uint32_t max_connections; /* to one host; further requests wait, in order, and their timeout_ms runs */
    size_t max_body_bytes;    /* a longer answer ends the request with ERR_TOO_LARGE */
    struct tls_files tls;     /* copied; without ca_file the CAs of the system are trusted */
};

struct http_request_options {
    const char *method; /* "POST" */
    const char *url;
    const char *content_type; /* NULL without a body */
    struct bytes body;        /* copied, like all here */
    const char *bearer;       /* NULL, or the token of an Authorization header (RFC 6750) */
    const char *basic;        /* NULL, or "user:password" of one (RFC 7617) */
    size_t max_body_bytes;    /* of the answer; 0 = the client's */
};

struct http_answer {
    const char *url; /* of the request */
    /* The request itself, as http_client_send takes it, for who wants to send it again; without bearer and basic. */
    struct http_request_options request;
    int status;
    struct bytes body;
    const char *content_type; /* "" when absent */
    const char *location;     /* "" when absent */
    uint32_t retry_after_s;   /* seconds; an HTTP-date is turned into seconds from now; 0 = absent */
    const char *overload;     /* Nb-Api-Oci, Nbi-Api-Oci (t8/overload.h); "" when absent */
};

/* err is OK with an answer of any status; then what `a` shows is good during the call. Else `a` is NULL, and err is
 *   ERR_UNREACHABLE  nothing of the request reached the peer: no connection, none in time, TLS refused, or not a URL
 *   ERR_TIMEOUT      it was sent, and no whole answer came in time
 *   ERR_PEER         it was sent, at least in part, and the connection ended or the answer was no HTTP
 *   ERR_TOO_LARGE    the answer was longer than max_body_bytes
 *   ERR_DRAINING     the client was freed
 *   ERR_NO_MEMORY
 * Called exactly once per accepted request, never from inside http_client_send. */
typedef void (*http_answer_fn)(void *ctx, uint64_t ref, enum error err, const struct http_answer *a);

[[gnu::warn_unused_result]] enum error http_client_new(struct loop *l, const struct http_client_options *o,
                                                       struct http_client **out);
[[gnu::warn_unused_result]] enum error http_client_send(struct http_client *c, const struct http_request_options *r,
                                                        http_answer_fn fn, void *ctx, uint64_t ref);
size_t http_client_in_flight(const struct http_client *c); /* those that wait included */
/* Ends all requests under way (their fn is called with ERR_DRAINING), then frees; also from inside an http_answer_fn.
 * NULL is fine. The memory goes when the loop has closed its handles, at the latest with loop_free. */
void http_client_free(struct http_client *c);

#endif
