/* Notifications over WebSocket (TS 29.122 clause 5.2.5.4): the models make the URIs, all below one root; behind it at
 * our own address is /ws. */
#include "sim/scef_sim.h"

#include <stdlib.h>
#include <string.h>

#define SWEEP_MS          5000
#define LIFETIME_MS       3600000 /* of a notification that nobody acknowledges */
#define PENDING_MAX       1000    /* of them, for one resource */
#define MESSAGE_BYTES_MAX 65536   /* of an acknowledgement */
#define HTTP_TIMEOUT      408

static char *root_make(const struct scef_sim *s)
{
    struct buf b = {0};
    if (s->config->websocket_root != NULL) {
        buf_add_str(&b, s->config->websocket_root);
    } else {
        sim_origin(s, &b);
        if (b.len > 4 && memcmp(b.data, "http", 4) == 0) { /* ws for http, wss for https */
            memmove(b.data, b.data + 2, b.len - 2);
            memcpy(b.data, "ws", 2);
            b.len -= 2;
        }
        buf_add_str(&b, SIM_WEBSOCKET_PATH);
    }
    while (b.len > 0 && b.data[b.len - 1] == '/')
        b.len--;
    buf_add_u8(&b, 0);
    if (b.failed)
        buf_free(&b);
    return (char *)b.data;
}

static bool on_known(void *ctx, struct bytes name)
{
    const struct scef_sim *s = ctx;
    struct buf uri = {0};
    buf_addf(&uri, "%s/%.*s", s->websocket_root, (int)name.len, (const char *)name.data);
    struct bytes b = buf_bytes(&uri);
    bool known =
        !uri.failed && (scef_websocket_known(s->model, b) || scef_triggering_websocket_known(s->triggering, b) ||
                        scef_monitoring_websocket_known(s->monitoring, b));
    buf_free(&uri);
    return known;
}

enum error sim_websocket_start(struct scef_sim *s)
{
    const struct websocket_server_options o = {.path_prefix = SIM_WEBSOCKET_PATH "/",
                                               .known = on_known,
                                               .ctx = s,
                                               .sweep_ms = SWEEP_MS,
                                               .resend_ms = (uint32_t)s->config->websocket_resend_ms,
                                               .lifetime_ms = LIFETIME_MS,
                                               .ping_interval_ms = (uint32_t)s->config->websocket_ping_s * 1000,
                                               .max_pending = PENDING_MAX,
                                               .max_message_bytes = MESSAGE_BYTES_MAX};
    s->websocket_root = root_make(s);
    return s->websocket_root != NULL ? websocket_server_new(&s->loop, &o, &s->websockets) : ERR_NO_MEMORY;
}

void sim_websocket_stop(struct scef_sim *s)
{
    websocket_server_free(s->websockets);
    s->websockets = NULL;
    free(s->websocket_root);
    s->websocket_root = NULL;
}

enum error sim_websocket_notify(struct scef_sim *s, const char *uri, struct bytes body, http_answer_fn fn, void *ctx,
                                uint64_t ref)
{
    struct bytes name = bytes_from(bytes_of_str(uri), strlen(s->websocket_root) + 1);
    return websocket_server_notify(s->websockets, name, "application/json", body, fn, ctx, ref);
}

int sim_websocket_status(enum error err)
{
    return err == ERR_TIMEOUT ? HTTP_TIMEOUT : 0;
}
