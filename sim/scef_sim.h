/* The running simulator: the pure models on a loop, with HTTP on the T8 side and UDP or built-in clients on the other.
 *
 *   scef_sim.c           the program
 *   scef_sim_run.c       models, UEs and time
 *   scef_sim_t8.c        every HTTP request, and where links lead
 *   scef_sim_nidd.c, scef_sim_triggering.c, scef_sim_monitoring.c    the three APIs of T8, one to one with their models
 *   scef_sim_callbacks.c notifications to the AS
 *   scef_sim_websocket.c the other way for them
 *   scef_sim_oauth.c     access tokens (RFC 6749 clause 4.4)
 *   scef_sim_control.c, scef_sim_control_ue.c    /sim/v1, for tests and demos
 *   scef_sim_trace.c     evidence as JSON lines
 *
 * Ports of the models never call an input. What they bring is noted (todo) and done when the input has returned:
 * everything that feeds a model ends with sim_settle. */
#ifndef SIM_SCEF_SIM_H
#define SIM_SCEF_SIM_H

#include "base/list.h"
#include "base/loop.h"
#include "base/timer_wheel.h"
#include "sim/air_udp.h"
#include "sim/lwm2m_device.h"
#include "sim/scef_model.h"
#include "sim/scef_monitoring.h"
#include "sim/scef_sim_config.h"
#include "sim/scef_sim_trace.h"
#include "sim/scef_triggering.h"
#include "t8/http_client.h"
#include "t8/scef_monitoring_server.h"
#include "t8/scef_nidd_server.h"
#include "t8/scef_triggering_server.h"
#include "t8/websocket_server.h"

struct sim_ue {
    struct scef_sim *sim;
    uint32_t index;
    const struct sim_ue_config *config;
    struct lwm2m_device *device;  /* built-in client; else NULL */
    struct air_udp *air;          /* else NULL */
    struct timer wake;            /* of the device */
    struct sim_trigger *triggers; /* that reached it, the latest first */
    size_t trigger_count;
};
/* A device trigger that reached a UE. */
#define SIM_TRIGGERS_KEPT 100
struct sim_trigger {
    struct sim_trigger *next;
    uint64_t at_ms;
    uint16_t application_port;
    size_t len;
    uint8_t payload[];
};

/* The latest tokens; one that is pushed out is valid no more. */
#define SIM_TOKENS     64
#define SIM_TOKEN_TEXT 65
struct sim_oauth {
    struct {
        char text[SIM_TOKEN_TEXT]; /* "": none */
        uint64_t expires_ms;
    } tokens[SIM_TOKENS];
    uint64_t issued, refused, without_token; /* so many */
};

/* What T8 requests are answered instead of being served. */
struct sim_refusal {
    uint64_t left; /* so many of them; 0: none is refused */
    int status;
    uint32_t retry_after_s; /* 0: not told */
    char *location;         /* with 307 and 308: what the request's path is appended to; else NULL */
};

struct scef_sim {
    const struct sim_config *config;
    struct loop loop;
    struct loop_alarm alarm;
    struct loop_signals signals;
    struct http_server *server;
    struct http_client *client;
    struct websocket_server *websockets;
    char *websocket_root; /* of every websocketUri, without '/' at the end */
    struct scef_server t8;
    struct sim_oauth oauth;
    struct sim_refusal refusal;
    struct scef_model *model;
    struct scef_triggering *triggering;
    struct scef_monitoring *monitoring;
    struct timer_wheel wheel;                /* of the devices */
    struct sim_ue *ues;                      /* as many as the configuration has, same order */
    struct sim_todo *todo_first, *todo_last; /* NULL: nothing */
    struct list posts;                       /* callbacks under way */
    struct sim_trace trace;
    bool stopping;
};

/* Binds, adds the UEs, and is ready for uv_run. On failure one line is appended to `why`, and sim_stop releases what is
 * there. */
[[gnu::warn_unused_result]] enum error sim_start(struct scef_sim *s, const struct sim_config *c, struct buf *why);
void sim_stop(struct scef_sim *s);

uint64_t sim_now_ms(const struct scef_sim *s);
/* Does what the models' ports brought, and sets the alarm for what comes next. */
void sim_settle(struct scef_sim *s);
/* A callback's fate, told to the model when the present input has returned. */
void sim_notification_result_later(struct scef_sim *s, uint64_t ref, int http_status);
/* Ports of the model about UEs. */
void sim_ue_deliver(void *ctx, uint32_t ue, struct bytes data, struct t8_rds_port port);
void sim_ue_trigger(void *ctx, uint32_t ue, uint16_t application_port, struct bytes payload);
void sim_nas_event(void *ctx, uint32_t ue, bool mo, struct bytes data, const char *what);
struct sim_ue *sim_ue_find(struct scef_sim *s, struct bytes id);
const char *sim_ue_name(const struct sim_ue_config *c); /* External Identifier, else MSISDN */

/* scef_sim_t8.c */
void sim_t8_init(struct scef_sim *s);
void sim_http_handle(void *ctx, struct http_exchange *x); /* every request */
/* What a model says to a request, as the answer to it; the resource is the caller's. */
void sim_reply(struct scef_reply *a, struct scef_answer m);
void sim_trace_request(struct scef_sim *s, const struct http_exchange *x, int status, const char *cause);
/* Appends scheme, host and port as the AS knows us; nothing when they are not known. */
void sim_origin(const struct scef_sim *s, struct buf *out);
/* What links to the resources of an API begin with, before "/{scsAsId}"; the caller frees it; NULL: no memory. */
char *sim_link_root(const struct scef_sim *s, enum t8_api api);

/* scef_sim_nidd.c */
extern const struct scef_nidd_sink sim_nidd_sink;
/* Port `downlink_answer` of the model. */
void sim_downlink_answer(void *ctx, uint64_t request_ref, const struct scef_answer *m, const struct nidd_downlink *d);
[[gnu::warn_unused_result]] enum error sim_nidd_start(struct scef_sim *s); /* with the ports of all models */

/* scef_sim_triggering.c, scef_sim_monitoring.c: beside the model */
extern const struct scef_triggering_sink sim_triggering_sink;
extern const struct scef_monitoring_sink sim_monitoring_sink;
[[gnu::warn_unused_result]] enum error sim_triggering_start(struct scef_sim *s);
[[gnu::warn_unused_result]] enum error sim_monitoring_start(struct scef_sim *s);

/* scef_sim_callbacks.c: port `notify` of the model. */
void sim_notify(void *ctx, uint64_t ref, const struct scef_notification *n);
void sim_callbacks_stop(struct scef_sim *s);

/* scef_sim_websocket.c */
#define SIM_WEBSOCKET_PATH "/ws"
[[gnu::warn_unused_result]] enum error sim_websocket_start(struct scef_sim *s); /* before the models */
void sim_websocket_stop(struct scef_sim *s);                                    /* before the HTTP server */
/* As websocket_server_notify. `uri` is what a model has made. */
[[gnu::warn_unused_result]] enum error sim_websocket_notify(struct scef_sim *s, const char *uri, struct bytes body,
                                                            http_answer_fn fn, void *ctx, uint64_t ref);
/* What the model is told instead of an acknowledgement: one that never came is no reason to send it anew, under another
 * number. */
int sim_websocket_status(enum error err);

/* scef_sim_oauth.c */
#define SIM_TOKEN_PATH "/oauth2/token"
int sim_oauth_token(struct scef_sim *s, struct http_exchange *x); /* answers; returns the status */
/* Whether the request may go on. If not, it is answered with 401. */
bool sim_oauth_admits(struct scef_sim *s, struct http_exchange *x);
void sim_oauth_revoke(struct scef_sim *s); /* every token */

/* scef_sim_control.c */
#define SIM_CONTROL_ROOT "/sim/v1"
void sim_control_handle(struct scef_sim *s, struct http_exchange *x);
void sim_control_help(FILE *out); /* what can be asked */

#endif
