/* What http_server.c (the daemon, its connections, its time) and http_exchange.c (one request and its answer) share.
 * Not for other folders. */
#ifndef T8_HTTP_EXCHANGE_H
#define T8_HTTP_EXCHANGE_H

#include <microhttpd.h>

#include "base/list.h"
#include "t8/http_internal.h"
#include "t8/http_server.h"

struct http_exchange {
    enum http_exchange_state {
        HTTP_IDLE,
        HTTP_BODY,
        HTTP_TOO_LARGE,
        HTTP_NO_ROOM,
        HTTP_HANDLED,
        HTTP_OWED,
        HTTP_READY,
        HTTP_ANSWERED
    } state;
    struct http_connection *connection;
    struct MHD_Connection *mhd;
    struct http_request request;
    struct buf body;
    size_t thrown_away;
    struct http_query_value *queries;
    int status; /* READY */
    struct MHD_Response *response;
    struct http_upgraded *upgrade; /* READY: what the connection becomes after a 101 */
};

/* A connection that leaves HTTP. */
struct http_upgraded {
    struct http_connection *connection;
    struct MHD_UpgradeResponseHandle *handle; /* NULL until it has left */
    int fd;
    http_upgraded_fn fn;
    void *ctx;
};

struct http_connection {
    struct list node; /* of the server's connections, longest without a finished request first */
    struct http_server *server;
    uint64_t since_ms; /* accepted, or its last request finished; by uv_now */
    int fd;
    bool upgraded;
    struct http_exchange x;
};

struct http_server {
    struct loop *loop;
    struct http_server_options o;
    http_handler_fn fn;
    void *ctx;
    struct MHD_Daemon *daemon;
    struct loop_watch watch;
    struct loop_alarm alarm;
    uint64_t alarm_at_ms; /* 0: not set */
    struct MHD_Response *no_content;
    struct MHD_Response *no_content_close;
    struct MHD_Response *no_memory;
    struct list connections;
    size_t connection_count;
    size_t owed;
    size_t upgraded;     /* connections that have left HTTP */
    size_t bodies_bytes; /* of all exchanges */
    bool draining;
    struct http_server_tls *tls; /* NULL: http */
    struct http_last last;
};

/* Makes libmicrohttpd run within this turn of the loop. */
void http_server_run_soon(struct http_server *s);

/* libmicrohttpd's MHD_AccessHandlerCallback. */
enum MHD_Result http_exchange_on_request(void *ctx, struct MHD_Connection *mhd, const char *url, const char *method,
                                         const char *version, const char *data, size_t *len, void **request_ctx);
/* The request is over, answered or not: ready for the next one. */
void http_exchange_reset(struct http_exchange *x);

#endif
