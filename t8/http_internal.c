#include "t8/http_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

static void on_closed_again(uv_handle_t *handle)
{
    struct http_last *last = handle->data;
    last->fn(last->ctx);
}

/* Within one round libuv promises no order of closing; the next round comes after all of it. */
static void on_closed(uv_handle_t *handle)
{
    struct http_last *last = handle->data;
    uv_idle_init(handle->loop, &last->idle);
    last->idle.data = last;
    uv_close((uv_handle_t *)&last->idle, on_closed_again);
}

void http_last_close(uv_loop_t *loop, struct http_last *last, void (*fn)(void *), void *ctx)
{
    last->fn = fn;
    last->ctx = ctx;
    uv_idle_init(loop, &last->idle); /* cannot fail */
    last->idle.data = last;
    uv_close((uv_handle_t *)&last->idle, on_closed);
}

struct http_headers {
    struct http_headers *next;
    struct curl_slist *list;
    char content_type[];
};

struct curl_slist *http_headers_for(struct http_headers **all, const char *content_type)
{
    for (struct http_headers *h = *all; h; h = h->next)
        if (strcmp(h->content_type, content_type) == 0)
            return h->list;
    size_t len = strlen(content_type);
    struct http_headers *h = malloc(sizeof *h + len + 1);
    struct buf line = {0};
    buf_add_str(&line, len ? "Content-Type: " : "Content-Type:"); /* bare: libcurl sends none */
    buf_add(&line, bytes_of(content_type, len + 1));
    /* Without an empty "Expect:" libcurl asks for permission before a larger body: a round trip more. */
    struct curl_slist *list = line.failed ? NULL : curl_slist_append(NULL, "Expect:");
    if (!h || !list || !curl_slist_append(list, (const char *)line.data)) {
        curl_slist_free_all(list);
        free(h);
        list = NULL;
    } else {
        memcpy(h->content_type, content_type, len + 1);
        h->list = list;
        h->next = *all;
        *all = h;
    }
    buf_free(&line);
    return list;
}

void http_headers_free(struct http_headers *all)
{
    while (all) {
        struct http_headers *next = all->next;
        curl_slist_free_all(all->list);
        free(all);
        all = next;
    }
}
