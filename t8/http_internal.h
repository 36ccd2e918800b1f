/* Small parts of the HTTP client and server. Not for other folders. */
#ifndef T8_HTTP_INTERNAL_H
#define T8_HTTP_INTERNAL_H

#include <curl/curl.h>
#include <uv.h>

/* ---- freeing an object that has handles on the loop

 * libuv closes handles later, so what they lie in must outlive the call that closes them. This one, part of the object
 * like them, calls fn(ctx) when every handle whose closing began before http_last_close is closed. It is only set up
 * then: nothing to do before. */
struct http_last {
    uv_idle_t idle;
    void (*fn)(void *ctx);
    void *ctx;
};
void http_last_close(uv_loop_t *loop, struct http_last *last, void (*fn)(void *), void *ctx);

/* ---- libcurl's header lists, one for each content type, made once */

struct http_headers;
/* The list for requests with that content type, "" = without a body; NULL when memory is short. */
struct curl_slist *http_headers_for(struct http_headers **all, const char *content_type);
void http_headers_free(struct http_headers *all);

#endif
