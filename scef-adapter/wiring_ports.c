/* The engine's ports, and the results that come back as its inputs. */
#include <stdlib.h>
#include <string.h>

#include "scef-adapter/wiring_internal.h"

/* ---- requests to the SCEF ---- */

static void failed_add(struct adapter *a, enum error err, enum failed_kind kind, uint64_t ref)
{
    if (a->failed_count == a->failed_capacity) {
        size_t capacity = a->failed_capacity ? a->failed_capacity * 2 : 16;
        struct failed_request *failed = realloc(a->failed, capacity * sizeof(*failed));
        if (!failed) {
            log_write(LOG_ERROR, "request_lost", LOG_S("reason", error_text(ERR_NO_MEMORY)));
            return;
        }
        a->failed = failed;
        a->failed_capacity = capacity;
    }
    bool held_back = err == ERR_UNREACHABLE;
    a->failed[a->failed_count++] =
        (struct failed_request){kind, ref, held_back, held_back ? scs_client_wait_s(a->scs) : 0};
}

static void begun(struct adapter *a, enum error err, enum failed_kind kind, uint64_t ref)
{
    if (err)
        failed_add(a, err, kind, ref);
    else
        a->requests_in_flight++;
}

/* While stopping nothing new begins: what is queued is in the store, and the next start goes on with it. */
static bool no_new_requests(const struct adapter *a)
{
    return a->closing || a->stop_at_ms;
}

static void port_downlink_submit(void *ctx, uint64_t ref, const struct engine_submit *s)
{
    struct adapter *a = ctx;
    if (!no_new_requests(a))
        begun(a, scs_downlink_submit(a->scs, ref, s->configuration_link, s->id, s->data, s->maximum_latency_s),
              FAILED_SUBMIT, ref);
}

static void port_configuration_create(void *ctx, uint32_t scef, uint64_t ref, struct t8_identity id)
{
    (void)scef;
    struct adapter *a = ctx;
    if (!no_new_requests(a))
        begun(a, scs_configuration_create(a->scs, ref, id, a->config->callback.url), FAILED_CONFIGURATION, ref);
}

static void port_configuration_get(void *ctx, uint32_t scef, uint64_t ref, struct bytes link)
{
    (void)scef;
    struct adapter *a = ctx;
    if (!no_new_requests(a))
        begun(a, scs_configuration_get(a->scs, ref, link), FAILED_CONFIGURATION, ref);
}

static void port_configuration_patch(void *ctx, uint32_t scef, uint64_t ref, struct bytes link,
                                     const struct nidd_configuration_patch *p)
{
    (void)scef;
    struct adapter *a = ctx;
    if (!no_new_requests(a))
        begun(a, scs_configuration_patch(a->scs, ref, link, p), FAILED_CONFIGURATION, ref);
}

static void port_configuration_delete(void *ctx, uint32_t scef, uint64_t ref, struct bytes link)
{
    (void)scef;
    struct adapter *a = ctx;
    if (!no_new_requests(a))
        begun(a, scs_configuration_delete(a->scs, ref, link), FAILED_CONFIGURATION, ref);
}

static void port_configuration_list(void *ctx, uint32_t scef)
{
    (void)scef;
    struct adapter *a = ctx;
    if (!no_new_requests(a))
        begun(a, scs_configuration_list(a->scs, 0), FAILED_LIST, 0);
}

static void submit_result(void *ctx, uint64_t ref, const struct nidd_submit_result *r)
{
    struct adapter *a = ctx;
    a->requests_in_flight--;
    a->scef_answered |= r->http_status != 0;
    engine_submit_result(a->engine, adapter_now(a), ref, r);
}

static void configuration_result(void *ctx, uint64_t ref, const struct nidd_configuration_result *r)
{
    struct adapter *a = ctx;
    a->requests_in_flight--;
    a->scef_answered |= r->http_status != 0;
    metric_add(&a->metrics, METRIC_CONFIGURATIONS, metric_status_label(r->http_status), 1);
    engine_configuration_result(a->engine, adapter_now(a), ref, r);
}

static void configuration_found(void *ctx, uint64_t ref, const struct nidd_configuration_found *f)
{
    struct adapter *a = ctx;
    (void)ref;
    engine_configuration_found(a->engine, adapter_now(a), 0, f);
}

static void configuration_listed(void *ctx, uint64_t ref, const struct nidd_configuration_result *r)
{
    struct adapter *a = ctx;
    (void)ref;
    a->requests_in_flight--;
    a->scef_answered |= r->http_status != 0;
    metric_add(&a->metrics, METRIC_CONFIGURATIONS, metric_status_label(r->http_status), 1);
    engine_configuration_listed(a->engine, adapter_now(a), 0, r);
}

struct scs_client_sink adapter_scs_sink(struct adapter *a)
{
    return (struct scs_client_sink){.ctx = a,
                                    .configuration_result = configuration_result,
                                    .submit_result = submit_result,
                                    .configuration_found = configuration_found,
                                    .configuration_listed = configuration_listed};
}

void adapter_failed_deliver(struct adapter *a)
{
    /* The engine may ask again at once, and fail again: those wait for the next turn. */
    struct failed_request *failed = a->failed;
    size_t count = a->failed_count;
    a->failed = NULL;
    a->failed_count = a->failed_capacity = 0;
    for (size_t i = 0; i < count; i++) {
        const struct failed_request *f = &failed[i];
        const struct nidd_configuration_result none = {.http_status = 0, .retry_after_s = f->retry_after_s};
        a->requests_in_flight++; /* the result takes it back */
        switch (f->kind) {
        case FAILED_SUBMIT:
            submit_result(a, f->ref,
                          &(struct nidd_submit_result){.outcome = NIDD_SUBMIT_NO_ANSWER,
                                                       .not_sent = f->held_back,
                                                       .retry_after_s = f->retry_after_s});
            break;
        case FAILED_CONFIGURATION:
            configuration_result(a, f->ref, &none);
            break;
        case FAILED_LIST:
            configuration_listed(a, f->ref, &none);
            break;
        }
    }
    free(failed);
}

/* ---- server legs ---- */

#define STORE_BACKLOG_MAX (64u << 20) /* bytes on their way to the disk */

static enum error port_server_send(void *ctx, uint32_t leg, uint32_t server, const uint8_t header[COAP_HEADER_BYTES],
                                   struct bytes rest)
{
    struct adapter *a = ctx;
    return a->closing ? ERR_DRAINING : leg_udp_send(a->legs, leg, server, header, rest, a->in_uplink);
}

static void datagram(void *ctx, uint32_t leg, uint32_t server, struct bytes message)
{
    struct adapter *a = ctx;
    /* A disk that stalls must not fill the memory: the server repeats what nobody acknowledged. */
    if (store_backlog_bytes(a->store) > STORE_BACKLOG_MAX) {
        metric_add(&a->metrics, METRIC_DROPPED, "store_backlog", 1);
        return;
    }
    engine_server_datagram(a->engine, adapter_now(a), leg, server, message);
}

struct leg_udp_sink adapter_leg_sink(struct adapter *a)
{
    return (struct leg_udp_sink){a, datagram};
}

/* ---- store ---- */

static uint64_t port_store_put(void *ctx, struct bytes key, struct bytes value)
{
    struct adapter *a = ctx;
    if (a->closing)
        return UINT64_MAX;
    metric_add(&a->metrics, METRIC_STORE_OPERATIONS, "put", 1);
    a->store_open = true;
    return a->ticket_given = store_put(a->store, key, value);
}

static uint64_t port_store_delete(void *ctx, struct bytes key)
{
    struct adapter *a = ctx;
    if (a->closing)
        return UINT64_MAX;
    metric_add(&a->metrics, METRIC_STORE_OPERATIONS, "delete", 1);
    a->store_open = true;
    return a->ticket_given = store_delete(a->store, key);
}

static void committed(void *ctx, uint64_t ticket, enum error err)
{
    struct adapter *a = ctx;
    a->ticket_done = ticket;
    metric_add(&a->metrics, METRIC_STORE_BATCHES, err ? "failed" : "ok", 1);
    if (!err != !a->store_failed)
        log_write(err ? LOG_ERROR : LOG_INFO, err ? "store_failed" : "store_recovered",
                  LOG_S("reason", err ? error_text(err) : NULL));
    a->store_failed = err != OK;
    if (a->running)
        engine_stored(a->engine, adapter_now(a), ticket, err);
}

struct store_sink adapter_store_sink(struct adapter *a)
{
    return (struct store_sink){a, committed};
}

/* ---- callbacks of the SCEF ---- */

static void port_uplink_answer(void *ctx, uint64_t ref, enum error err)
{
    struct adapter *a = ctx;
    struct held_answer *answer = slab_get(&a->answers, ref);
    if (!answer)
        return;
    struct scs_sender from = answer->from;
    slab_delete(&a->answers, ref);
    if (a->spare_answer == ref)
        a->spare_answer = 0;
    scs_callbacks_answer(from, err);
}

void adapter_answers_end(struct adapter *a)
{
    uint32_t cursor = 0;
    handle h;
    for (struct held_answer *answer; (answer = slab_next(&a->answers, &cursor, &h));)
        if (h != a->spare_answer)
            scs_callbacks_answer(answer->from, ERR_DRAINING);
    slab_free(&a->answers);
    slab_init(&a->answers, sizeof(struct held_answer));
    a->spare_answer = 0;
}

static enum scs_verdict uplink(void *ctx, struct scs_sender from, const struct nidd_uplink *u, enum error *err)
{
    struct adapter *a = ctx;
    handle ref = a->spare_answer;
    struct held_answer *answer = ref ? slab_get(&a->answers, ref) : slab_new(&a->answers, &ref);
    if (!answer) {
        *err = ERR_NO_MEMORY;
        return SCS_REFUSED;
    }
    a->spare_answer = ref;
    answer->from = from;
    a->in_uplink = true;
    enum engine_verdict verdict = engine_uplink(a->engine, adapter_now(a), 0, ref, u, err);
    a->in_uplink = false;
    switch (verdict) {
    case ENGINE_TAKEN:
        metric_add(&a->metrics, METRIC_UPLINKS, "taken", 1);
        return SCS_ACCEPTED;
    case ENGINE_LATER:
        metric_add(&a->metrics, METRIC_UPLINKS, "stored", 1);
        a->spare_answer = 0;
        return SCS_LATER;
    default:
        metric_add(&a->metrics, METRIC_UPLINKS, "refused", 1);
        return SCS_REFUSED;
    }
}

static enum scs_verdict delivery_status(void *ctx, const struct nidd_delivery_status *s, enum error *err)
{
    struct adapter *a = ctx;
    *err = engine_delivery_status(a->engine, adapter_now(a), 0, s);
    return *err ? SCS_REFUSED : SCS_ACCEPTED;
}

static enum scs_verdict configuration_status(void *ctx, const struct nidd_configuration_status *s, enum error *err)
{
    struct adapter *a = ctx;
    *err = engine_configuration_status(a->engine, adapter_now(a), 0, s);
    return *err ? SCS_REFUSED : SCS_ACCEPTED;
}

static void counted(void *ctx, int kind, enum error err)
{
    struct adapter *a = ctx;
    (void)kind;
    metric_add(&a->metrics, METRIC_CALLBACKS, err ? error_name(err) : "ok", 1);
}

void adapter_callbacks_prepare(struct adapter *a)
{
    a->callback_sink = (struct scs_callbacks_sink){.ctx = a,
                                                   .uplink = uplink,
                                                   .delivery_status = delivery_status,
                                                   .configuration_status = configuration_status,
                                                   .counted = counted};
    const char *authority = strstr(a->config->callback.url, "://") + 3;
    const char *path = strchr(authority, '/');
    a->callback_path = path ? path : "/";
    a->callback_path_len = strlen(a->callback_path);
    if (a->config->callback.path_token) /* "/TOKEN" is checked by itself */
        a->callback_path_len -= strlen(a->config->callback.path_token) + 1;
}

/* The last part of the path, in a time that does not tell how much of it was right. On a match *len is cut before it.
 */
static bool path_token_matches(const char *token, const char *path, size_t *len)
{
    const size_t n = strlen(token);
    if (*len < n + 1 || path[*len - n - 1] != '/')
        return false;
    const char *given = path + *len - n;
    unsigned char difference = 0;
    for (size_t i = 0; i < n; i++)
        difference |= (unsigned char)((unsigned char)token[i] ^ (unsigned char)given[i]);
    *len -= n + 1;
    return difference == 0;
}

/* A gateway in between may have put a prefix before our path, or taken one off. */
static bool path_matches(const struct adapter *a, const char *asked)
{
    const char *told = a->callback_path, *token = a->config->callback.path_token;
    size_t t = a->callback_path_len, n = strlen(asked);
    if (token && !path_token_matches(token, asked, &n))
        return false;
    const char *longer = t > n ? told : asked, *shorter = t > n ? asked : told;
    size_t shorter_len = t > n ? n : t, longer_len = t > n ? t : n;
    return shorter_len > 1 ? memcmp(longer + longer_len - shorter_len, shorter, shorter_len) == 0 : t <= 1 || token;
}

void adapter_callback(void *ctx, struct http_exchange *x)
{
    struct adapter *a = ctx;
    if (a->stop_at_ms) {
        http_reply_error(x, ERR_DRAINING, NULL, NULL);
    } else if (!path_matches(a, http_exchange_request(x)->path)) {
        counted(a, -1, ERR_NOT_FOUND);
        http_reply_error(x, ERR_NOT_FOUND, "the path is not that of callback.url", NULL);
    } else {
        scs_callbacks_handle(&a->callback_sink, x, SCS_PATH_ANY);
    }
}

void adapter_ports(struct adapter *a, struct engine_ports *out)
{
    *out = (struct engine_ports){.ctx = a,
                                 .server_send = port_server_send,
                                 .downlink_submit = port_downlink_submit,
                                 .configuration_create = port_configuration_create,
                                 .configuration_get = port_configuration_get,
                                 .configuration_patch = port_configuration_patch,
                                 .configuration_delete = port_configuration_delete,
                                 .configuration_list = port_configuration_list,
                                 .store_put = port_store_put,
                                 .store_delete = port_store_delete,
                                 .uplink_answer = port_uplink_answer,
                                 .event = adapter_event};
}
