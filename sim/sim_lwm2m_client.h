/*
 * sim-lwm2m-client: what its files share. One libcoap client session carries both directions: the
 * client's own requests and, since libcoap dispatches requests of a client session to the resources
 * of its context, those of the server. Its connected socket hears only the server.
 */
#ifndef SIM_LWM2M_CLIENT_H
#define SIM_LWM2M_CLIENT_H

#include "sim/lwm2m_end_common.h"
#include "sim/sim_lwm2m_client_objects.h"

enum { PATH_BYTES = 64 };

struct client_options {
    const char *server, *endpoint, *binding;
    coap_address_t address; /* of the server */
    long lifetime_s, local_port;
    double notify_period_s, update_period_s, send_period_s, duration_s; /* 0: never */
    double ack_timeout_s, answer_timeout_s;
    bool non_notify, verbose, help;
};

enum own_kind { OWN_NONE, OWN_REGISTER, OWN_UPDATE, OWN_DEREGISTER, OWN_SEND };

/* The client's one own request in flight. */
struct own_request {
    enum own_kind kind;
    uint8_t token[4];
    coap_mid_t mid;
    double since_s, until_s;
};

/* An observation asked for by NON; see is_notification in sim_lwm2m_client_requests.c. */
struct non_observer {
    char path[PATH_BYTES];
    uint8_t token[8];
    size_t token_length;
};

enum { NON_OBSERVERS = 16 };

struct client {
    struct client_options options;
    struct end_events events;
    coap_context_t *context;
    coap_session_t *session;
    struct objects *objects;
    struct end_replies *replies;
    struct non_observer non_observers[NON_OBSERVERS];
    size_t next_non_observer;

    struct own_request own;
    uint32_t next_token;
    bool registered, ever_registered, stopping, stopped;
    bool update_asked; /* by a write to the Server object or its update trigger */
    char location[128];
    unsigned attempts; /* registrations since the last answered one */
    double register_at_s, update_at_s, send_at_s, notify_at_s;
};

/* The Registration interface and Send (sim_lwm2m_client_registration.c). */
void registration_init(struct client *client);
/* Starts what is due. */
void registration_step(struct client *client, double now_s);
/* Deregisters if registered; `stopped` is set when there is no more to wait for. */
void registration_stop(struct client *client);

/* The server's requests, and notifications (sim_lwm2m_client_requests.c). */
bool requests_init(struct client *client);
/* Lets the battery go down and notifies all observers of everything. */
void requests_notify_all(struct client *client);

#endif
