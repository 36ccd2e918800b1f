/* TLS of the HTTP server, by libmicrohttpd on GnuTLS. Not for other folders. */
#ifndef T8_HTTP_SERVER_TLS_H
#define T8_HTTP_SERVER_TLS_H

#include <microhttpd.h>
#include <stdbool.h>

#include "t8/tls_files.h"

struct http_server_tls;

/* Reads the files. ERR_CONFIG: one cannot be read. */
[[gnu::warn_unused_result]] enum error http_server_tls_new(const struct tls_files *files, struct http_server_tls **out);
void http_server_tls_free(struct http_server_tls *t); /* after the daemon; NULL is fine */

#define HTTP_SERVER_TLS_OPTIONS 5
/* What libmicrohttpd is told: an array with its end; only the end when t is NULL. */
void http_server_tls_options(struct http_server_tls *t, struct MHD_OptionItem out[HTTP_SERVER_TLS_OPTIONS]);
/* For each new connection, before its handshake: makes a client certificate a condition of it. False: it cannot, and
 * the connection must not be served. */
[[gnu::warn_unused_result]] bool http_server_tls_connection(struct http_server_tls *t,
                                                            struct MHD_Connection *connection);

#endif
