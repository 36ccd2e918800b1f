/* The engine's ports to the server legs and the store. */
#include "scef-adapter/wiring_internal.h"

/* ---- server legs ---- */

#define STORE_BACKLOG_MAX (64u << 20) /* bytes on their way to the disk */

static enum error port_server_send(void *ctx, uint32_t leg, uint32_t server, const uint8_t header[COAP_HEADER_BYTES],
                                   struct bytes rest)
{
    struct adapter *a = ctx;
    return a->closing ? ERR_DRAINING : legs_send(a->legs, leg, server, header, rest, a->in_uplink);
}

/* The address of a device that is being learned. */
static enum error port_device_added(void *ctx, uint32_t leg)
{
    struct adapter *a = ctx;
    return a->closing ? ERR_DRAINING : legs_open(a->legs, leg);
}

static void datagram(void *ctx, uint32_t leg, uint32_t server, struct bytes message)
{
    struct adapter *a = ctx;
    /* A disk that stalls must not fill the memory: the server repeats what nobody acknowledged. Connections are not
     * read meanwhile, but what was read already comes this way, and nobody would repeat it. */
    if (store_backlog_bytes(a->store) > STORE_BACKLOG_MAX && !config_scheme_stream(a->config->servers[server].scheme)) {
        metric_add(&a->metrics, METRIC_DROPPED, "store_backlog", 1);
        return;
    }
    if (loading_datagram(a, leg, server, message) == LOADING_HERE)
        engine_server_datagram(a->engine, adapter_now(a), leg, server, message);
}

void adapter_datagram_take(struct adapter *a, const struct loading_origin *o)
{
    engine_server_datagram(a->engine, adapter_now(a), o->leg, o->server, o->data);
}

static void leg_state(void *ctx, uint32_t leg, uint32_t server, bool up)
{
    struct adapter *a = ctx;
    engine_leg_state(a->engine, adapter_now(a), leg, server, up);
}

struct legs_sink adapter_legs_sink(struct adapter *a)
{
    return (struct legs_sink){a, datagram, leg_state};
}

void adapter_backlog_check(struct adapter *a)
{
    const size_t backlog = store_backlog_bytes(a->store);
    const bool hold = backlog > (a->connections_held ? STORE_BACKLOG_MAX / 2 : STORE_BACKLOG_MAX);
    if (hold == a->connections_held)
        return;
    a->connections_held = hold;
    log_write(hold ? LOG_WARN : LOG_INFO, hold ? "store_backlog" : "store_backlog_over", LOG_I("bytes", backlog));
    legs_hold(a->legs, hold);
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
    a->import.failed |= err != OK;
    if (a->running)
        engine_stored(a->engine, adapter_now(a), ticket, err);
}

struct store_sink adapter_store_sink(struct adapter *a)
{
    return (struct store_sink){a, committed};
}

void adapter_ports(struct adapter *a, struct engine_ports *out)
{
    *out = (struct engine_ports){.ctx = a,
                                 .server_send = port_server_send,
                                 .store_put = port_store_put,
                                 .store_delete = port_store_delete,
                                 .uplink_answer = adapter_uplink_answer,
                                 .event = adapter_event,
                                 .device_added = port_device_added};
    adapter_scef_ports(out);
}
