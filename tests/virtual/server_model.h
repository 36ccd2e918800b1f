/* A plain LwM2M server in virtual time: takes registrations, updates, Send and notifications, and asks its clients
 * things. It tells clients apart by address, here their leg. Own reading and writing of CoAP: it shares nothing with
 * the engine. */
#ifndef VIRTUAL_SERVER_MODEL_H
#define VIRTUAL_SERVER_MODEL_H

#include "base/prng.h"
#include "base/bytes.h"

enum server_op_kind { OP_READ, OP_OBSERVE, OP_WRITE, OP_EXECUTE, OP_KINDS };

/* One request of the server and its fate. The token is its number, 4 bytes big-endian. */
struct server_op {
    uint32_t number;
    uint32_t leg;
    enum server_op_kind kind;
    uint16_t mid;
    uint64_t sent_ms;
    uint32_t attempts;
    bool acknowledged; /* by an empty ACK: the adapter has accepted it */
    bool gave_up;      /* no ACK ever came */
    uint8_t answer;    /* code; 0 = none yet */
    uint32_t answers;  /* how many came */
    uint32_t executed; /* the world counts here what the device did */
    int final;         /* and here what the engine said became of it; 0 = nothing yet */
};

struct server_model;
struct server_model_ports {
    void *ctx;
    void (*send)(void *ctx, uint32_t leg, struct bytes message);
    void (*wake_at)(void *ctx, uint32_t leg, uint64_t at_ms);
};
struct server_model *server_model_new(uint64_t seed, uint32_t legs, uint64_t op_pause_ms,
                                      const struct server_model_ports *p);
void server_model_be_impatient(struct server_model *s); /* the next request does not wait for the answer to the last */
void server_model_free(struct server_model *s);
void server_model_receive(struct server_model *s, uint64_t now_ms, uint32_t leg, struct bytes message);
void server_model_wake(struct server_model *s, uint64_t now_ms, uint32_t leg);
void server_model_stop_asking(struct server_model *s);
struct server_op *server_model_op(struct server_model *s, uint32_t number); /* NULL when there is none */
uint32_t server_model_op_count(const struct server_model *s);
uint32_t server_model_registered(const struct server_model *s);
uint64_t server_model_notifications(const struct server_model *s);

#endif
