/* HTTP server shell: libmicrohttpd in external epoll mode nested in our loop. HTTP/1.1, connections are kept.
 *
 * Bounds: max_connections (more wait in the kernel's queue), 16 kB of header per connection (431), max_body_bytes (413,
 * before the body is read where Content-Length tells), max_bodies_bytes of all bodies together (503), idle_timeout_s
 * without a byte, and twice that from the end of one request to the end of the next, so that no client can hold a
 * connection by sending a byte now and then; a TLS handshake counts into that time.
 *
 * With tls.certificate_file it speaks https only, TLS 1.2 at least. With tls.ca_file a client must show a certificate
 * that this CA signed: without one the handshake fails, and the log tells (tls_client_refused). The files are read
 * once. */
#ifndef T8_HTTP_SERVER_H
#define T8_HTTP_SERVER_H

#include "base/bytes.h"
#include "base/loop.h"
#include "t8/tls_files.h"

struct http_server;
struct http_exchange; /* one request and its answer */

struct http_server_options {
    const char *host; /* numeric address */
    uint16_t port;    /* 0: any; see http_server_port */
    size_t max_body_bytes;
    uint32_t max_connections;
    uint32_t idle_timeout_s; /* slow senders and idle connections are closed */
    bool upgrades;           /* http_reply_upgrade will be used */
    struct tls_files tls;    /* used during http_server_new only */
    size_t max_bodies_bytes; /* 0: HTTP_SERVER_BODIES_BYTES */
};
#define HTTP_SERVER_BODIES_BYTES (64u << 20)

/* Called once per complete request. It must answer with http_reply now or later; until then the slices stay valid. A
 * client that goes away meanwhile is not noticed: the exchange stays, and its answer goes nowhere. */
typedef void (*http_handler_fn)(void *ctx, struct http_exchange *x);

struct http_request {
    const char *method;
    const char *path;         /* as sent, percent-encoding kept, no query */
    const char *content_type; /* "" when absent */
    struct bytes body;
};

[[gnu::warn_unused_result]] enum error http_server_new(struct loop *l, const struct http_server_options *o,
                                                       http_handler_fn fn, void *ctx, struct http_server **out);
uint16_t http_server_port(const struct http_server *s);
/* Stops listening; exchanges under way may still be answered, and each answer ends its connection. */
void http_server_drain(struct http_server *s);
/* Exchanges that the handler owes an answer to: when it is 0 after http_server_drain, nothing is lost by freeing. */
size_t http_server_in_flight(const struct http_server *s);
/* Exchanges still open are answered 503 and are gone. Not from inside the handler. NULL is fine. The memory goes when
 * the loop has closed its handles, at the latest with loop_free. */
void http_server_free(struct http_server *s);

const struct http_request *http_exchange_request(const struct http_exchange *x);
/* Value of a query parameter, decoded, or NULL; good until the answer. */
const char *http_exchange_query(const struct http_exchange *x, const char *name);
size_t http_exchange_query_count(const struct http_exchange *x); /* of parameters, repeated ones too */
/* Value of a header as sent, or NULL; good until the answer. */
const char *http_exchange_header(const struct http_exchange *x, const char *name);

struct http_header {
    const char *name, *value;
};

struct http_reply {
    int status;
    const char *content_type;          /* NULL without a body */
    struct bytes body;                 /* copied */
    const char *location;              /* NULL: none */
    uint32_t retry_after_s;            /* 0: none */
    const char *allow;                 /* NULL: none; with 405: "POST, GET" */
    const char *authenticate;          /* NULL: none; with 401: the challenge of WWW-Authenticate */
    bool no_store;                     /* Cache-Control: no-store */
    const struct http_header *headers; /* NULL, or further ones; a NULL name ends them */
};
/* Ends the exchange; x is gone afterwards. */
void http_reply(struct http_exchange *x, const struct http_reply *r);
/* A ProblemDetails body for e (204 without a body for OK); `detail` and `param` (a JSON pointer) may be NULL. 503
 * carries Retry-After. */
void http_reply_error(struct http_exchange *x, enum error e, const char *detail, const char *param);

/* ---- upgrades (RFC 9110 clause 7.8): a connection that speaks something else after a 101 */

struct http_upgraded;
/* Called once, later, when the 101 is on its way; u NULL: the client has gone. `early`: what was read already. From
 * then on the connection is the caller's, until http_upgraded_close; no bound of the server's applies to it any more
 * but max_connections. Over https the descriptor is one end of a pair, behind which the server does TLS. */
typedef void (*http_upgraded_fn)(void *ctx, struct http_upgraded *u, struct bytes early);
/* Answers 101 with Upgrade: `protocol` and the headers. x is gone afterwards. Only with the option `upgrades`. */
void http_reply_upgrade(struct http_exchange *x, const char *protocol, const struct http_header *headers,
                        http_upgraded_fn fn, void *ctx);
int http_upgraded_fd(const struct http_upgraded *u); /* non-blocking */
/* u is gone. Must have been called for each before http_server_free. */
void http_upgraded_close(struct http_upgraded *u);

#endif
