/*   http_client_send -> waiting --(a transfer is free)--> active --(libcurl is done)--> fn
 *
 * A request is what was asked, a transfer is an easy handle of libcurl's at work on one. Both are kept and used again
 * with their buffers, so that in the steady state a request costs no allocation of ours. Requests beyond the limit wait
 * here and not inside libcurl, where each would hold an easy handle of several kB. */
#include "t8/http_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/list.h"
#include "base/log.h"
#include "t8/http_internal.h"
#include "t8/http_sockets.h"
#include "t8/http_tls.h"

/* With HTTP/2 one connection carries many requests. */
#define STREAMS_PER_CONNECTION 100
#define MAX_ACTIVE             1000
/* A buffer that grew beyond this is given back after its request; so are requests beyond that many. */
#define KEPT_BUFFER_BYTES      16384
#define KEPT_REQUESTS          1024
/* A TLS failure is told when it is another one than before, else so often. */
#define TLS_LOG_PERIOD_MS      10000

struct request {
    struct list node; /* waiting, or spare */
    struct buf url;   /* with its NUL */
    struct buf body;
    struct buf bearer; /* with its NUL; empty: none */
    struct buf basic;
    size_t body_sent;
    size_t max_answer_bytes;
    char method[16];
    char content_type[64];      /* "" without a body */
    struct curl_slist *headers; /* the client's */
    uint64_t deadline_ms;       /* by uv_now */
    http_answer_fn fn;
    void *ctx;
    uint64_t ref;
};

struct transfer {
    struct list node; /* active, or spare */
    struct http_client *client;
    CURL *easy;
    struct request *request;
    struct buf answer;
    bool answer_too_long;
    bool has_authorization; /* set in the easy handle */
    char error[CURL_ERROR_SIZE];
};

struct http_client {
    struct loop *loop;
    struct http_client_options o;
    CURLM *multi;
    struct http_sockets sockets;
    uv_timer_t waiting_timer;
    struct list waiting;
    struct list active;
    struct list spare_requests;
    struct list spare_transfers;
    size_t waiting_count;
    size_t active_count;
    size_t active_limit;
    size_t spare_request_count;
    struct http_headers *headers;
    bool closed;
    struct tls_files tls;          /* our copies */
    enum http_tls_fault tls_fault; /* the latest, HTTP_TLS_NONE after an answer over https */
    uint64_t tls_logged_ms;
    uint64_t tls_suppressed;
    struct http_last last;
};

static struct request *request_at(struct list *node)
{
    return LIST_ENTRY(node, struct request, node);
}

static struct transfer *transfer_at(struct list *node)
{
    return LIST_ENTRY(node, struct transfer, node);
}

static struct list *take_first(struct list *head)
{
    struct list *first = head->next;
    head->next = first->next;
    first->next->prev = head;
    list_init(first);
    return first;
}

/* ---- requests */

static void request_free(struct request *r) /* in no list */
{
    buf_free(&r->url);
    buf_free(&r->body);
    buf_free(&r->bearer);
    buf_free(&r->basic);
    free(r);
}

static struct request *request_take(struct http_client *c)
{
    struct request *r;
    if (!list_empty(&c->spare_requests)) {
        r = request_at(take_first(&c->spare_requests));
        c->spare_request_count--;
        return r;
    }
    r = calloc(1, sizeof *r);
    if (r)
        list_init(&r->node);
    return r;
}

static void buf_recycle(struct buf *b)
{
    if (b->cap > KEPT_BUFFER_BYTES || b->failed)
        buf_free(b);
    buf_reset(b);
}

static void request_recycle(struct http_client *c, struct request *r)
{
    if (c->closed || c->spare_request_count == KEPT_REQUESTS) {
        request_free(r);
        return;
    }
    buf_recycle(&r->url);
    buf_recycle(&r->body);
    buf_recycle(&r->bearer);
    buf_recycle(&r->basic);
    list_push_front(&c->spare_requests, &r->node);
    c->spare_request_count++;
}

/* Tells the owner, who may send or free the client meanwhile: r is in no list. */
static void request_end(struct http_client *c, struct request *r, enum error err, const struct http_answer *a)
{
    r->fn(r->ctx, r->ref, err, a);
    request_recycle(c, r);
}

/* ---- transfers */

static size_t on_write(char *data, size_t size, size_t n, void *ctx)
{
    struct transfer *t = ctx;
    (void)size; /* 1 */
    if (n > t->request->max_answer_bytes - t->answer.len) {
        t->answer_too_long = true;
        return CURL_WRITEFUNC_ERROR;
    }
    buf_add(&t->answer, bytes_of(data, n));
    return t->answer.failed ? CURL_WRITEFUNC_ERROR : n;
}

/* There is deliberately no seek function: without one libcurl cannot send the body again on another connection, and
 * says so. Only the caller knows whether a repetition is wanted. */
static size_t on_read(char *out, size_t size, size_t n, void *ctx)
{
    struct request *r = ((struct transfer *)ctx)->request;
    size_t left = r->body.len - r->body_sent;
    size_t take = left < size * n ? left : size * n;
    if (take)
        memcpy(out, r->body.data + r->body_sent, take);
    r->body_sent += take;
    return take;
}

static void transfer_free(struct transfer *t) /* in no list */
{
    curl_easy_cleanup(t->easy);
    buf_free(&t->answer);
    free(t);
}

static struct transfer *transfer_new(struct http_client *c)
{
    struct transfer *t = calloc(1, sizeof *t);
    CURL *e = curl_easy_init();
    bool ok = t && e;
    if (ok) {
        list_init(&t->node);
        t->client = c;
        t->easy = e;
        ok = http_sockets_set_up(&c->sockets, e) && http_tls_set_up(e, &c->tls);
        ok &= curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->error) == CURLE_OK;
        ok &= curl_easy_setopt(e, CURLOPT_PRIVATE, t) == CURLE_OK;
        ok &= curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
        ok &= curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
        ok &= curl_easy_setopt(e, CURLOPT_PROXY, "") == CURLE_OK;
        ok &= curl_easy_setopt(e, CURLOPT_USERAGENT, "scef-adapter") == CURLE_OK;
        ok &= curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS) == CURLE_OK;
        ok &= curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)c->o.connect_timeout_ms) == CURLE_OK;
        ok &= curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK;
        ok &= curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK;
        ok &= curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_write) == CURLE_OK;
        ok &= curl_easy_setopt(e, CURLOPT_WRITEDATA, t) == CURLE_OK;
        ok &= curl_easy_setopt(e, CURLOPT_READFUNCTION, on_read) == CURLE_OK;
        ok &= curl_easy_setopt(e, CURLOPT_READDATA, t) == CURLE_OK;
    }
    if (ok)
        return t;
    curl_easy_cleanup(e);
    free(t);
    return NULL;
}

static void transfer_recycle(struct http_client *c, struct transfer *t)
{
    t->request = NULL;
    if (c->closed) {
        transfer_free(t);
        return;
    }
    buf_recycle(&t->answer);
    list_push_front(&c->spare_transfers, &t->node);
}

/* libcurl makes the header and keeps it out of what it tells. */
static bool authorization_set(struct transfer *t, const struct request *r)
{
    bool wanted = r->bearer.len || r->basic.len;
    if (!wanted && !t->has_authorization)
        return true;
    t->has_authorization = wanted;
    long how = r->bearer.len ? (long)CURLAUTH_BEARER : (long)CURLAUTH_BASIC;
    return curl_easy_setopt(t->easy, CURLOPT_HTTPAUTH, how) == CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_XOAUTH2_BEARER, r->bearer.len ? (const char *)r->bearer.data : NULL) ==
               CURLE_OK &&
           curl_easy_setopt(t->easy, CURLOPT_USERPWD, r->basic.len ? (const char *)r->basic.data : NULL) == CURLE_OK;
}

static bool transfer_start(struct http_client *c, struct request *r)
{
    struct transfer *t =
        list_empty(&c->spare_transfers) ? transfer_new(c) : transfer_at(take_first(&c->spare_transfers));
    if (!t)
        return false;
    t->request = r;
    t->answer_too_long = false;
    t->error[0] = '\0';
    CURL *e = t->easy;
    bool plain_get = r->body.len == 0 && strcmp(r->method, "GET") == 0;
    bool post = strcmp(r->method, "POST") == 0;
    bool secure = strncasecmp((const char *)r->url.data, "https:", 6) == 0;
    bool ok = curl_easy_setopt(e, CURLOPT_URL, (const char *)r->url.data) == CURLE_OK && authorization_set(t, r);
    if (post || r->body.len) {
        ok &= curl_easy_setopt(e, CURLOPT_POST, 1L) == CURLE_OK;
        ok &= curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len) == CURLE_OK;
    } else {
        ok &= curl_easy_setopt(e, CURLOPT_HTTPGET, 1L) == CURLE_OK;
    }
    ok &= curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, post || plain_get ? NULL : r->method) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_HTTPHEADER, r->headers) == CURLE_OK;
    ok &= curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)(r->deadline_ms - uv_now(&c->loop->uv))) == CURLE_OK;
    /* Waiting for a connection that may turn out to be HTTP/2 makes sense where ALPN can say so. */
    ok &= curl_easy_setopt(e, CURLOPT_PIPEWAIT, secure ? 1L : 0L) == CURLE_OK;
    if (!ok || curl_multi_add_handle(c->multi, e) != CURLM_OK) {
        transfer_recycle(c, t);
        return false;
    }
    list_push_back(&c->active, &t->node);
    c->active_count++;
    return true;
}

/* ---- waiting */

static void on_waiting_timer(uv_timer_t *timer);

static void waiting_timer_arm(struct http_client *c)
{
    if (list_empty(&c->waiting)) {
        uv_timer_stop(&c->waiting_timer);
    } else if (!uv_is_active((uv_handle_t *)&c->waiting_timer)) {
        uint64_t now = uv_now(&c->loop->uv);
        uint64_t at = request_at(c->waiting.next)->deadline_ms; /* all wait equally long: the first is the first */
        uv_timer_start(&c->waiting_timer, on_waiting_timer, at > now ? at - now : 0, 0);
    }
}

/* Starts what may start, and ends what has waited too long: it never left us. */
static void dispatch(struct http_client *c)
{
    uint64_t now = uv_now(&c->loop->uv);
    while (!c->closed && !list_empty(&c->waiting)) {
        struct request *r = request_at(c->waiting.next);
        bool late = r->deadline_ms <= now;
        if (!late && c->active_count >= c->active_limit)
            break;
        (void)take_first(&c->waiting);
        c->waiting_count--;
        if (late)
            request_end(c, r, ERR_UNREACHABLE, NULL);
        else if (!transfer_start(c, r))
            request_end(c, r, ERR_NO_MEMORY, NULL);
    }
    if (!c->closed)
        waiting_timer_arm(c);
}

static void on_waiting_timer(uv_timer_t *timer)
{
    dispatch(timer->data);
}

/* ---- answers */

/* The whole URL may hold what is not for a log. */
static struct bytes host_of(const struct request *r)
{
    struct bytes url = bytes_of_str((const char *)r->url.data);
    const uint8_t *mark = memmem(url.data, url.len, "://", 3);
    struct bytes host = mark ? bytes_from(url, (size_t)(mark - url.data) + 3) : url;
    return bytes_of(host.data, strcspn((const char *)host.data, "/?#"));
}

static void tls_fault_tell(struct transfer *t, enum http_tls_fault fault)
{
    struct http_client *c = t->client;
    uint64_t now = uv_now(&c->loop->uv);
    if (fault == c->tls_fault && now - c->tls_logged_ms < TLS_LOG_PERIOD_MS) {
        c->tls_suppressed++;
        return;
    }
    struct log_field fields[] = {LOG_S("reason", http_tls_word(fault)),   LOG_B("peer", host_of(t->request)),
                                 LOG_S("hint", http_tls_hint(fault)),     LOG_S("detail", t->error),
                                 LOG_I("same_before", c->tls_suppressed), {.key = NULL}};
    if (c->tls_suppressed == 0)
        fields[4].key = NULL;
    if (log_wanted(LOG_WARN))
        log_write_fields(LOG_WARN, "tls_failed", fields);
    c->tls_fault = fault;
    c->tls_logged_ms = now;
    c->tls_suppressed = 0;
}

static void tls_recovered_tell(struct transfer *t)
{
    struct http_client *c = t->client;
    if (c->tls_fault == HTTP_TLS_NONE || strncasecmp((const char *)t->request->url.data, "https:", 6) != 0)
        return;
    c->tls_fault = HTTP_TLS_NONE;
    c->tls_suppressed = 0;
    log_write(LOG_INFO, "tls_recovered", LOG_B("peer", host_of(t->request)));
}

static enum error error_of(struct transfer *t, CURLcode code)
{
    if (t->answer_too_long)
        return ERR_TOO_LARGE;
    if (code == CURLE_OUT_OF_MEMORY || t->answer.failed)
        return ERR_NO_MEMORY;
    long sent = 0;
    long verified = 0;
    curl_easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &sent);
    curl_easy_getinfo(t->easy, CURLINFO_SSL_VERIFYRESULT, &verified);
    enum http_tls_fault fault = http_tls_fault_of(code, verified, t->error);
    if (fault != HTTP_TLS_NONE) {
        tls_fault_tell(t, fault);
        return ERR_UNREACHABLE;
    }
    log_write(LOG_DEBUG, "http_request_failed", LOG_S("reason", curl_easy_strerror(code)), LOG_I("sent_bytes", sent));
    if (sent == 0)
        return ERR_UNREACHABLE;
    return code == CURLE_OPERATION_TIMEDOUT ? ERR_TIMEOUT : ERR_PEER;
}

static void answer_read(struct transfer *t, struct http_answer *a)
{
    struct http_client *c = t->client;
    long status = 0;
    long version = 0;
    char *content_type = NULL;
    curl_off_t retry_after = 0;
    struct curl_header *location = NULL;
    struct curl_header *overload = NULL;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &content_type);
    curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &retry_after);
    curl_easy_getinfo(t->easy, CURLINFO_HTTP_VERSION, &version);
    (void)curl_easy_header(t->easy, "Location", 0, CURLH_HEADER, -1, &location);
    if (curl_easy_header(t->easy, "Nb-Api-Oci", 0, CURLH_HEADER, -1, &overload) != CURLHE_OK)
        (void)curl_easy_header(t->easy, "Nbi-Api-Oci", 0, CURLH_HEADER, -1, &overload);
    *a = (struct http_answer){
        .url = (const char *)t->request->url.data,
        .request = {.method = t->request->method,
                    .url = (const char *)t->request->url.data,
                    .content_type = t->request->content_type[0] ? t->request->content_type : NULL,
                    .body = buf_bytes(&t->request->body),
                    .max_body_bytes = t->request->max_answer_bytes},
        .status = (int)status,
        .body = buf_bytes(&t->answer),
        .content_type = content_type ? content_type : "",
        .location = location ? location->value : "",
        .overload = overload ? overload->value : "",
    };
    if (retry_after > 0)
        a->retry_after_s = retry_after < UINT32_MAX ? (uint32_t)retry_after : UINT32_MAX;
    if (version >= CURL_HTTP_VERSION_2_0) {
        size_t limit = (size_t)c->o.max_connections * STREAMS_PER_CONNECTION;
        c->active_limit = limit < MAX_ACTIVE ? limit : MAX_ACTIVE;
    }
}

/* libcurl has worked: tells what is finished, starts what waits. */
static void on_progress(void *ctx)
{
    struct http_client *c = ctx;
    CURLMsg *m;
    int left;
    while (!c->closed && (m = curl_multi_info_read(c->multi, &left))) {
        struct transfer *t = NULL;
        struct http_answer a;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
        enum error err = code == CURLE_OK ? OK : error_of(t, code);
        curl_multi_remove_handle(c->multi, t->easy); /* m is gone */
        list_remove(&t->node);
        c->active_count--;
        if (err == OK) {
            answer_read(t, &a);
            tls_recovered_tell(t);
        }
        request_end(c, t->request, err, err == OK ? &a : NULL);
        if (err == OK)
            transfer_recycle(c, t);
        else
            transfer_free(t); /* an easy handle remembers that it wanted to repeat a body, and then fails for ever */
    }
    dispatch(c);
}

/* ---- the client */

static void tls_files_release(struct tls_files *f)
{
    free((char *)(uintptr_t)f->ca_file);
    free((char *)(uintptr_t)f->certificate_file);
    free((char *)(uintptr_t)f->key_file);
}

static bool tls_files_keep(const struct tls_files *from, struct tls_files *to)
{
    to->ca_file = from->ca_file ? strdup(from->ca_file) : NULL;
    to->certificate_file = from->certificate_file ? strdup(from->certificate_file) : NULL;
    to->key_file = from->key_file ? strdup(from->key_file) : NULL;
    return !to->ca_file == !from->ca_file && !to->certificate_file == !from->certificate_file &&
           !to->key_file == !from->key_file;
}

enum error http_client_new(struct loop *l, const struct http_client_options *o, struct http_client **out)
{
    *out = NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return ERR_SYSTEM;
    struct http_client *c = calloc(1, sizeof *c);
    CURLM *multi = curl_multi_init();
    if (!c || !multi) {
        curl_multi_cleanup(multi);
        curl_global_cleanup();
        free(c);
        return ERR_NO_MEMORY;
    }
    c->loop = l;
    c->o = *o;
    bool kept = tls_files_keep(&o->tls, &c->tls);
    c->o.tls = c->tls;
    c->o.max_connections = o->max_connections ? o->max_connections : 1;
    c->active_limit = c->o.max_connections;
    c->multi = multi;
    list_init(&c->waiting);
    list_init(&c->active);
    list_init(&c->spare_requests);
    list_init(&c->spare_transfers);
    uv_timer_init(&l->uv, &c->waiting_timer); /* cannot fail */
    c->waiting_timer.data = c;
    long connections = (long)c->o.max_connections;
    if (!http_sockets_init(&c->sockets, &l->uv, multi, on_progress, c) || !kept ||
        curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, connections) != CURLM_OK ||
        curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, connections) != CURLM_OK) {
        http_client_free(c);
        return kept ? ERR_SYSTEM : ERR_NO_MEMORY;
    }
    *out = c;
    return OK;
}

enum error http_client_send(struct http_client *c, const struct http_request_options *o, http_answer_fn fn, void *ctx,
                            uint64_t ref)
{
    if (c->closed)
        return ERR_DRAINING;
    struct request *r = request_take(c);
    if (!r)
        return ERR_NO_MEMORY;
    buf_add_str(&r->url, o->url);
    buf_add_u8(&r->url, 0);
    buf_add(&r->body, o->body);
    if (o->bearer)
        buf_add(&r->bearer, bytes_of(o->bearer, strlen(o->bearer) + 1));
    if (o->basic)
        buf_add(&r->basic, bytes_of(o->basic, strlen(o->basic) + 1));
    r->body_sent = 0;
    r->max_answer_bytes = o->max_body_bytes ? o->max_body_bytes : c->o.max_body_bytes;
    r->headers = http_headers_for(&c->headers, o->content_type ? o->content_type : "");
    r->fn = fn;
    r->ctx = ctx;
    r->ref = ref;
    r->deadline_ms = uv_now(&c->loop->uv) + c->o.timeout_ms;
    size_t method_len = strlen(o->method);
    size_t type_len = o->content_type ? strlen(o->content_type) : 0;
    bool ok = r->headers && !r->url.failed && !r->body.failed && !r->bearer.failed && !r->basic.failed &&
              method_len < sizeof r->method && type_len < sizeof r->content_type;
    if (ok) {
        memcpy(r->content_type, type_len ? o->content_type : "", type_len + 1);
        memcpy(r->method, o->method, method_len + 1);
        if (c->waiting_count == 0 && c->active_count < c->active_limit) {
            ok = transfer_start(c, r);
        } else {
            list_push_back(&c->waiting, &r->node);
            c->waiting_count++;
            waiting_timer_arm(c);
        }
    }
    if (!ok) {
        request_recycle(c, r);
        return ERR_NO_MEMORY;
    }
    return OK;
}

size_t http_client_in_flight(const struct http_client *c)
{
    return c->active_count + c->waiting_count;
}

static void on_closed(void *ctx)
{
    struct http_client *c = ctx;
    http_sockets_free(&c->sockets);
    tls_files_release(&c->tls);
    free(c);
    curl_global_cleanup();
}

void http_client_free(struct http_client *c)
{
    if (!c || c->closed)
        return;
    c->closed = true;
    while (!list_empty(&c->active)) {
        struct transfer *t = transfer_at(take_first(&c->active));
        curl_multi_remove_handle(c->multi, t->easy);
        c->active_count--;
        request_end(c, t->request, ERR_DRAINING, NULL);
        transfer_free(t);
    }
    while (!list_empty(&c->waiting)) {
        c->waiting_count--;
        request_end(c, request_at(take_first(&c->waiting)), ERR_DRAINING, NULL);
    }
    while (!list_empty(&c->spare_transfers))
        transfer_free(transfer_at(take_first(&c->spare_transfers)));
    while (!list_empty(&c->spare_requests))
        request_free(request_at(take_first(&c->spare_requests)));
    curl_multi_cleanup(c->multi); /* closes the connections */
    http_sockets_close(&c->sockets);
    http_headers_free(c->headers);
    uv_close((uv_handle_t *)&c->waiting_timer, NULL);
    http_last_close(&c->loop->uv, &c->last, on_closed, c);
}
