#include "t8/oauth.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/list.h"
#include "base/log.h"
#include "base/prng.h"
#include "t8/http_internal.h"
#include "t8/oauth_token.h"
#include "t8/secret_file.h"

#define ANSWER_BYTES_MAX  65536
#define RETRY_AFTER_MAX_S 300
#define FORM_TYPE         "application/x-www-form-urlencoded"
#define KEPT_REQUESTS     1024
#define HTTP_UNAUTHORIZED 401

/* A request on its way. Its text is here only while it waits; later `api` has it. */
struct oauth_request {
    struct list node; /* waiting, refused, spare, or none */
    struct oauth *oauth;
    struct buf url, body; /* url with its NUL */
    char method[16];
    char content_type[64];
    http_answer_fn fn;
    void *ctx;
    uint64_t ref;
    uint64_t token_number;
    bool repeated;
    size_t max_body_bytes;
};

struct oauth {
    struct loop *loop;
    struct http_client *api, *endpoint;
    struct oauth_state state;
    struct buf token; /* with its NUL; empty: none */
    struct prng dice;
    struct loop_alarm alarm; /* ends what is in `refused` */
    struct list waiting, refused, spare;
    size_t waiting_count, spare_count;
    char *token_url, *client_id, *secret_file, *scope;
    bool credentials_in_body;
    bool told; /* the present failure or success is in the log */
    bool closed;
    struct http_last last;
};

static struct oauth_request *request_at(struct list *node)
{
    return LIST_ENTRY(node, struct oauth_request, node);
}

static uint64_t now_of(const struct oauth *o)
{
    return loop_now_ms(o->loop);
}

/* ---- requests */

static void request_free(struct oauth_request *r)
{
    list_remove(&r->node);
    buf_free(&r->url);
    buf_free(&r->body);
    free(r);
}

static struct oauth_request *request_take(struct oauth *o)
{
    struct oauth_request *r;
    if (!list_empty(&o->spare)) {
        r = request_at(o->spare.next);
        list_remove(&r->node);
        o->spare_count--;
        return r;
    }
    r = calloc(1, sizeof *r);
    if (r) {
        list_init(&r->node);
        r->oauth = o;
    }
    return r;
}

static void request_recycle(struct oauth *o, struct oauth_request *r)
{
    buf_free(&r->url);
    buf_free(&r->body);
    r->repeated = false;
    if (o->closed || o->spare_count == KEPT_REQUESTS) {
        request_free(r);
        return;
    }
    list_push_front(&o->spare, &r->node);
    o->spare_count++;
}

/* r is in no list. */
static void request_end(struct oauth *o, struct oauth_request *r, enum error err, const struct http_answer *a)
{
    r->fn(r->ctx, r->ref, err, a);
    request_recycle(o, r);
}

static bool request_keep(struct oauth_request *r, const struct http_request_options *from)
{
    size_t method = strlen(from->method), type = from->content_type ? strlen(from->content_type) : 0;
    if (method >= sizeof r->method || type >= sizeof r->content_type)
        return false;
    memcpy(r->method, from->method, method + 1);
    memcpy(r->content_type, type ? from->content_type : "", type + 1);
    r->max_body_bytes = from->max_body_bytes;
    buf_reset(&r->url);
    buf_reset(&r->body);
    buf_add(&r->url, bytes_of(from->url, strlen(from->url) + 1));
    buf_add(&r->body, from->body);
    return !r->url.failed && !r->body.failed;
}

static void on_answer(void *ctx, uint64_t ref, enum error err, const struct http_answer *a);

static enum error request_pass(struct oauth *o, struct oauth_request *r, const struct http_request_options *from)
{
    struct http_request_options with = *from;
    with.bearer = (const char *)o->token.data;
    r->token_number = o->state.token_number;
    return http_client_send(o->api, &with, on_answer, r, 0);
}

static void request_wait(struct oauth *o, struct oauth_request *r)
{
    list_push_back(&o->waiting, &r->node);
    o->waiting_count++;
}

static struct oauth_request *waiting_take(struct oauth *o, struct list *head)
{
    struct oauth_request *r = request_at(head->next);
    list_remove(&r->node);
    o->waiting_count--;
    return r;
}

/* Never from inside oauth_send. */
static void waiting_end(struct oauth *o, struct list *head, enum error err)
{
    struct list ending;
    list_init(&ending); /* who is told may send again */
    while (!list_empty(head)) {
        struct list *first = head->next;
        list_remove(first);
        list_push_back(&ending, first);
    }
    while (!list_empty(&ending))
        request_end(o, waiting_take(o, &ending), err, NULL);
}

static void waiting_send(struct oauth *o)
{
    while (!list_empty(&o->waiting) && o->state.has_token) {
        struct oauth_request *r = waiting_take(o, &o->waiting);
        const struct http_request_options options = {.method = r->method,
                                                     .url = (const char *)r->url.data,
                                                     .content_type = r->content_type[0] ? r->content_type : NULL,
                                                     .body = buf_bytes(&r->body),
                                                     .max_body_bytes = r->max_body_bytes};
        enum error err = request_pass(o, r, &options);
        if (err)
            request_end(o, r, err, NULL);
    }
}

/* ---- the token endpoint */

/* An attempt has failed: what waits ends, and the next one comes later. */
static void fetch_failed(struct oauth *o, const char *reason, int status, uint32_t retry_after_s, const char *hint)
{
    uint64_t now_ms = now_of(o);
    if (retry_after_s > RETRY_AFTER_MAX_S)
        retry_after_s = RETRY_AFTER_MAX_S;
    oauth_state_failed(&o->state, now_ms, prng_next(&o->dice), (uint64_t)retry_after_s * 1000);
    struct log_field fields[] = {
        LOG_S("url", o->token_url), LOG_S("reason", reason), LOG_I("retry_in_ms", o->state.retry_at_ms - now_ms),
        LOG_S("hint", hint),        LOG_I("status", status), {.key = NULL}};
    if (!status)
        fields[4].key = NULL;
    if (log_wanted(LOG_WARN))
        log_write_fields(LOG_WARN, "oauth_token_failed", fields);
    o->told = false;
    waiting_end(o, &o->waiting, ERR_UNREACHABLE);
}

static const char *hint_of(int status, const char *word)
{
    if (strcmp(word, "invalid_client") == 0 || status == HTTP_UNAUTHORIZED)
        return "check client_id and the content of secret_file";
    if (strcmp(word, "invalid_scope") == 0)
        return "check scope";
    return "check token_url, and ask who runs the token endpoint";
}

static void on_token(void *ctx, uint64_t ref, enum error err, const struct http_answer *a)
{
    struct oauth *o = ctx;
    (void)ref;
    if (o->closed)
        return;
    if (err) {
        fetch_failed(o, error_text(err), 0, 0, "is the token endpoint up, and token_url right?");
        return;
    }
    if (a->status != 200) {
        char word[64];
        oauth_error_read(a->body, word);
        fetch_failed(o, word[0] ? word : "refused", a->status, a->retry_after_s, hint_of(a->status, word));
        return;
    }
    struct buf token = {0};
    uint64_t lifetime_s;
    const char *why;
    err = oauth_token_read(a->body, &token, &lifetime_s, &why);
    buf_add_u8(&token, 0);
    if (err || token.failed) {
        secret_free(&token);
        fetch_failed(o, why ? why : error_text(ERR_NO_MEMORY), a->status, 0, "token_url must be a token endpoint");
        return;
    }
    secret_free(&o->token);
    o->token = token;
    oauth_state_got(&o->state, now_of(o), lifetime_s);
    log_write(o->told ? LOG_DEBUG : LOG_INFO, "oauth_token", LOG_S("url", o->token_url),
              LOG_I("lifetime_s", lifetime_s));
    o->told = true;
    waiting_send(o);
}

/* Credentials are written, sent, and wiped. */
static enum error fetch_send(struct oauth *o, const char *secret)
{
    struct buf body = {0}, basic = {0};
    oauth_request_write(&body, o->client_id, o->credentials_in_body ? secret : NULL, o->scope);
    if (!o->credentials_in_body) {
        oauth_basic_write(&basic, o->client_id, secret);
        buf_add_u8(&basic, 0);
    }
    const struct http_request_options r = {.method = "POST",
                                           .url = o->token_url,
                                           .content_type = FORM_TYPE,
                                           .body = buf_bytes(&body),
                                           .basic = basic.len ? (const char *)basic.data : NULL};
    enum error err = body.failed || basic.failed ? ERR_NO_MEMORY : http_client_send(o->endpoint, &r, on_token, o, 0);
    secret_free(&body);
    secret_free(&basic);
    return err;
}

/* What fails at once is told later, for nobody is told from inside oauth_send. */
static void fetch(struct oauth *o)
{
    struct buf secret = {0};
    oauth_state_fetching(&o->state);
    enum error err = secret_file_read(o->secret_file, &secret);
    if (!err)
        err = fetch_send(o, (const char *)secret.data);
    secret_free(&secret);
    if (err)
        loop_alarm_set(&o->alarm, 0);
}

static void on_alarm(void *ctx)
{
    struct oauth *o = ctx;
    if (o->state.fetching && http_client_in_flight(o->endpoint) == 0)
        fetch_failed(o, "the request could not be made", 0, 0, "secret_file must be readable, with the secret in it");
    waiting_end(o, &o->refused, ERR_UNREACHABLE);
}

/* ---- sending */

static void request_refuse(struct oauth *o, struct oauth_request *r)
{
    list_push_back(&o->refused, &r->node);
    o->waiting_count++;
    loop_alarm_set(&o->alarm, 0);
}

enum error oauth_send(struct oauth *o, const struct http_request_options *options, http_answer_fn fn, void *ctx,
                      uint64_t ref)
{
    if (o->closed)
        return ERR_DRAINING;
    struct oauth_request *r = request_take(o);
    if (!r)
        return ERR_NO_MEMORY;
    r->fn = fn;
    r->ctx = ctx;
    r->ref = ref;
    enum oauth_step step = oauth_state_step(&o->state, now_of(o));
    enum error err = OK;
    if (step == OAUTH_FETCH || step == OAUTH_SEND_AND_FETCH)
        fetch(o);
    if (step == OAUTH_SEND || step == OAUTH_SEND_AND_FETCH) {
        err = request_pass(o, r, options);
    } else if (step == OAUTH_REFUSE || o->waiting_count >= OAUTH_WAITING_MAX) {
        request_refuse(o, r);
    } else if (request_keep(r, options)) {
        request_wait(o, r);
    } else {
        err = ERR_NO_MEMORY;
    }
    if (err)
        request_recycle(o, r);
    return err;
}

/* A 401 once: again with another token, when there is or will be one. */
static bool request_repeat(struct oauth *o, struct oauth_request *r, const struct http_answer *a)
{
    oauth_state_refused(&o->state, now_of(o), r->token_number, prng_next(&o->dice));
    enum oauth_step step = oauth_state_step(&o->state, now_of(o));
    if (r->repeated || step == OAUTH_REFUSE || o->waiting_count >= OAUTH_WAITING_MAX)
        return false;
    r->repeated = true;
    if (step == OAUTH_FETCH || step == OAUTH_SEND_AND_FETCH)
        fetch(o);
    if (step == OAUTH_SEND || step == OAUTH_SEND_AND_FETCH)
        return request_pass(o, r, &a->request) == OK;
    if (!request_keep(r, &a->request))
        return false;
    request_wait(o, r);
    return true;
}

static void on_answer(void *ctx, uint64_t ref, enum error err, const struct http_answer *a)
{
    struct oauth_request *r = ctx;
    struct oauth *o = r->oauth;
    (void)ref;
    if (err == OK && a->status == HTTP_UNAUTHORIZED) {
        if (!o->closed && request_repeat(o, r, a))
            return;
    } else if (err == OK) {
        oauth_state_accepted(&o->state, r->token_number);
    }
    request_end(o, r, err, a);
}

/* ---- life */

enum error oauth_new(struct loop *l, const struct oauth_options *options, struct http_client *api, struct oauth **out)
{
    *out = NULL;
    struct oauth *o = calloc(1, sizeof *o);
    if (!o)
        return ERR_NO_MEMORY;
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
        seed = uv_hrtime();
    prng_seed(&o->dice, seed);
    o->loop = l;
    o->api = api;
    o->credentials_in_body = options->credentials_in_body;
    list_init(&o->waiting);
    list_init(&o->refused);
    list_init(&o->spare);
    o->token_url = strdup(options->token_url);
    o->client_id = strdup(options->client_id);
    o->secret_file = strdup(options->secret_file);
    o->scope = options->scope ? strdup(options->scope) : NULL;
    struct http_client_options http = options->http;
    http.max_connections = 1;
    http.max_body_bytes = ANSWER_BYTES_MAX;
    bool copied = o->token_url && o->client_id && o->secret_file && !o->scope == !options->scope;
    enum error err = copied ? loop_alarm_init(l, &o->alarm, on_alarm, o) : ERR_NO_MEMORY;
    if (!err)
        err = http_client_new(l, &http, &o->endpoint);
    if (err) {
        oauth_free(o);
        return err;
    }
    *out = o;
    return OK;
}

const char *oauth_token(struct oauth *o, bool refused)
{
    if (o->closed)
        return NULL;
    if (refused)
        oauth_state_refused(&o->state, now_of(o), o->state.token_number, prng_next(&o->dice));
    enum oauth_step step = oauth_state_step(&o->state, now_of(o));
    if (step == OAUTH_FETCH || step == OAUTH_SEND_AND_FETCH)
        fetch(o);
    return step == OAUTH_SEND || step == OAUTH_SEND_AND_FETCH ? (const char *)o->token.data : NULL;
}

size_t oauth_waiting(const struct oauth *o)
{
    return o->waiting_count;
}

static void on_closed(void *ctx)
{
    free(ctx);
}

void oauth_free(struct oauth *o)
{
    if (!o)
        return;
    o->closed = true;
    http_client_free(o->endpoint);
    waiting_end(o, &o->waiting, ERR_DRAINING);
    waiting_end(o, &o->refused, ERR_DRAINING);
    LIST_EACH_SAFE (node, &o->spare)
        request_free(request_at(node));
    secret_free(&o->token);
    loop_alarm_close(&o->alarm);
    free(o->token_url);
    free(o->client_id);
    free(o->secret_file);
    free(o->scope);
    http_last_close(&o->loop->uv, &o->last, on_closed, o);
}
