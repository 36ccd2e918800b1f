/* libcurl's sockets and clock on our loop. Not for other folders. */
#ifndef T8_HTTP_SOCKETS_H
#define T8_HTTP_SOCKETS_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#define HTTP_SOCKETS_BLOCK 64

struct http_sockets {
    uv_loop_t *loop;
    CURLM *multi;
    uv_timer_t timer;
    struct http_watch ***blocks; /* of HTTP_SOCKETS_BLOCK watches each, by fd; NULL: none is there */
    size_t block_count;
    void (*fn)(void *ctx); /* libcurl has worked: there may be finished transfers */
    void *ctx;
};

/* Takes charge of multi's sockets and timer; false when libcurl refuses. http_sockets_close is needed in any case. */
bool http_sockets_init(struct http_sockets *s, uv_loop_t *loop, CURLM *multi, void (*fn)(void *), void *ctx);
/* Each easy handle needs this, so that no fd is closed under our eyes. */
bool http_sockets_set_up(struct http_sockets *s, CURL *easy);
/* After curl_multi_cleanup. The struct must stay until the handles are closed (http_last_close), then ..._free. */
void http_sockets_close(struct http_sockets *s);
void http_sockets_free(struct http_sockets *s);

#endif
