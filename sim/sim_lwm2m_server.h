/*
 * sim-lwm2m-server: what its files share. A client is known by its endpoint name; requests go to
 * the source address of its latest registration or update.
 */
#ifndef SIM_LWM2M_SERVER_H
#define SIM_LWM2M_SERVER_H

#include "sim/lwm2m_end_common.h"
#include "sim/sim_lwm2m_server_script.h"

enum { TOKEN_BYTES = 4, RECENT_TOKENS = 8 };

struct token {
    uint8_t bytes[TOKEN_BYTES];
};

struct block { /* a Block1 or Block2 option, RFC 7959 §2.2 */
    unsigned num, szx;
    bool more;
};

struct body { /* put together from blocks */
    uint8_t *bytes;
    size_t length;
};

struct upload { /* a request of which more blocks are to come */
    struct upload *next;
    coap_address_t peer;
    char path[64];
    struct body body;
};

struct observation {
    struct observation *next;
    char *path;
    struct token token;
    coap_mid_t last_mid;   /* of the latest CON notification, to know its copies */
    unsigned long waiting; /* notifications that no wait-notify has taken yet */
};

/* How far one client is in the script. At most one request is in flight. */
struct run {
    bool started, done;
    size_t next_op; /* the one under way, when there is one */
    enum { RUN_IDLE, RUN_REQUEST, RUN_NOTIFICATIONS, RUN_SLEEP } doing;
    struct token token;
    coap_mid_t mid;
    double since_s, until_s;
    bool observed;        /* the observe under way has been accepted */
    bool in_blocks;       /* its payload goes out in blocks: `out` is the one in flight */
    struct block out, in; /* `in` is the next one to ask for, when some have been gathered */
    struct body gathered;
    unsigned failed;
    struct token recent[RECENT_TOKENS]; /* answered; their late copies still deserve an ACK */
    size_t recent_next, recent_count;
};

struct client {
    struct client *next;
    char *endpoint;
    unsigned location; /* /rd/N */
    bool registered;
    coap_session_t *session; /* referenced; NULL until registered */
    double lifetime_s, expires_s;
    struct run run;
    struct observation *observations;
};

struct server {
    coap_context_t *context;
    struct end_events events;
    struct end_replies *replies;
    struct script script;
    struct client *clients;
    struct upload *uploads;
    unsigned clients_registered; /* distinct endpoint names so far */
    unsigned expect;
    bool running; /* the expected clients are there */
    double timeout_s, register_delay_s;
    unsigned next_location;
    uint32_t next_token;
};

/* Registration, update, deregistration and Send (sim_lwm2m_server_rd.c). */
bool rd_init(struct server *server);
/* Marks registrations whose lifetime is over. */
void rd_expire(struct server *server, double now_s);
void rd_clear(struct server *server);
void client_address_print(const struct client *client, char *text, size_t size);

/* Block-wise transfer (sim_lwm2m_server_block.c). */
bool block_read(const coap_pdu_t *pdu, coap_option_num_t number, struct block *block);
bool block_add(coap_pdu_t *pdu, coap_option_num_t number, const struct block *block);
size_t block_size(const struct block *block);
/* False: no memory, or beyond any sense. */
bool body_append(struct body *body, const uint8_t *bytes, size_t length);
void body_clear(struct body *body);
/* 0 and the whole body, to be cleared, when it is complete; else the code to answer with, which may
 * be 2.31 Continue. */
coap_pdu_code_t upload_take(struct server *server, const coap_session_t *session, const coap_pdu_t *request,
                            const char *path, struct body *whole);
void uploads_clear(struct server *server);

/* The requests of an operation, one or, in blocks, several (sim_lwm2m_server_request.c). */
void request_begin(struct run *run, const struct script_op *op);
/* Draws a token and a Message ID; NULL when there is no memory. */
coap_pdu_t *request_build(struct server *server, struct client *client, const struct script_op *op);
/* True when another request has to follow this answer. */
bool request_wants_more(struct run *run, const struct script_op *op, const coap_pdu_t *answer);

/* The script (sim_lwm2m_server_run.c). */
void run_init(struct server *server);
/* Does what is due; returns when it wants to be called again, at the latest. */
double run_step(struct server *server, struct client *client, double now_s);
void run_clear(struct client *client);
/* NULL: not observed. */
struct observation *client_observation(struct client *client, const char *path);

#endif
