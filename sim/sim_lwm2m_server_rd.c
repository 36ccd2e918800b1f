/*
 * The Registration and Information Reporting interfaces of LwM2M 1.1 (Core §6.2, §6.4; Transport
 * §6.4.3): POST /rd, POST and DELETE /rd/N, POST /dp.
 */
#include "sim/sim_lwm2m_server.h"

#include <stdlib.h>
#include <string.h>

enum { DEFAULT_LIFETIME_S = 86400, KEPT_REPLIES = 1024 };

void client_address_print(const struct client *client, char *text, size_t size)
{
    end_address_print(coap_session_get_addr_remote(client->session), text, size);
}

static struct client *find_by_endpoint(struct server *server, const char *endpoint)
{
    struct client *client = server->clients;
    while (client != NULL && strcmp(client->endpoint, endpoint) != 0)
        client = client->next;
    return client;
}

static struct client *find_by_location(struct server *server, const char *path)
{
    for (struct client *client = server->clients; client != NULL; client = client->next) {
        char location[32];
        snprintf(location, sizeof location, "/rd/%u", client->location);
        if (client->registered && strcmp(location, path) == 0)
            return client;
    }
    return NULL;
}

static struct client *find_by_address(struct server *server, const coap_session_t *session)
{
    const coap_address_t *address = coap_session_get_addr_remote(session);
    for (struct client *client = server->clients; client != NULL; client = client->next)
        if (client->registered && coap_address_equals(coap_session_get_addr_remote(client->session), address))
            return client;
    return NULL;
}

static struct client *client_new(struct server *server, const char *endpoint)
{
    struct client *client = calloc(1, sizeof *client);
    char *name = strdup(endpoint);
    if (client == NULL || name == NULL) {
        free(name);
        free(client);
        return NULL;
    }
    client->endpoint = name;
    struct client **end = &server->clients; /* in the order they came */
    while (*end != NULL)
        end = &(*end)->next;
    *end = client;
    server->clients_registered++;
    return client;
}

static void follow(struct client *client, coap_session_t *session)
{
    if (client->session == session)
        return;
    coap_session_t *old = client->session;
    client->session = coap_session_reference(session);
    /* The script has one request in flight; but one it has given up may still be retransmitted by
     * libcoap, and must not hold up those after it. */
    coap_session_set_nstart(session, 16);
    if (old != NULL)
        coap_session_release(old);
}

/* lt= of a Register or Update, or what holds without it; false when it is not a lifetime. */
static bool read_lifetime(const coap_pdu_t *request, double missing_s, double *lifetime_s)
{
    char *text = end_option_query(request, "lt");
    long lifetime = 0;
    bool good = text == NULL || end_parse_number(text, 1, INT32_MAX, &lifetime);
    *lifetime_s = text != NULL ? (double)lifetime : missing_s;
    free(text);
    return good;
}

static void set_lifetime(struct client *client, double lifetime_s)
{
    client->lifetime_s = lifetime_s;
    client->expires_s = end_now_s() + lifetime_s;
}

static void event_begin(struct server *server, const char *name, const struct client *client,
                        const coap_session_t *session)
{
    char from[64];
    end_address_print(coap_session_get_addr_remote(session), from, sizeof from);
    end_event_begin(&server->events, name);
    end_event_text(&server->events, "ep", client != NULL ? client->endpoint : NULL);
    end_event_text(&server->events, "from", from);
}

static void event_query(struct server *server, const coap_pdu_t *request, const char *key, const char *name)
{
    char *value = end_option_query(request, name);
    end_event_text(&server->events, key, value);
    free(value);
}

static void event_finish(struct server *server, const coap_pdu_t *request, const struct body *body)
{
    end_event_pdu(&server->events, request);
    if (body != NULL && body->length > 0)
        end_event_payload(&server->events, (int)end_option_number(request, COAP_OPTION_CONTENT_FORMAT), body->bytes,
                          body->length);
    end_event_end(&server->events);
}

static void do_register(struct server *server, coap_session_t *session, const coap_pdu_t *request,
                        const struct body *body, struct end_reply *reply)
{
    char *endpoint = end_option_query(request, "ep");
    struct client *client = NULL;
    reply->code = COAP_RESPONSE_CODE_BAD_REQUEST;
    double lifetime_s;
    if (endpoint == NULL || *endpoint == '\0' || !read_lifetime(request, DEFAULT_LIFETIME_S, &lifetime_s))
        goto out;
    client = find_by_endpoint(server, endpoint);
    bool replaced = client != NULL && client->registered;
    if (client == NULL)
        client = client_new(server, endpoint);
    if (client == NULL) {
        reply->code = COAP_RESPONSE_CODE_INTERNAL_ERROR;
        goto out;
    }
    set_lifetime(client, lifetime_s);
    /* Who comes back after leaving is run through the script anew; who merely registers again is
     * not, or a client with a short memory would never let it end. */
    if (!replaced && client->run.done)
        run_clear(client);
    follow(client, session);
    client->registered = true;
    client->location = server->next_location++;
    reply->code = COAP_RESPONSE_CODE_CREATED;
    snprintf(reply->location, sizeof reply->location, "/rd/%u", client->location);

    event_begin(server, "registered", client, session);
    end_event_text(&server->events, "location", reply->location);
    end_event_bool(&server->events, "replaced", replaced);
    end_event_int(&server->events, "lifetime", (int64_t)client->lifetime_s);
    event_query(server, request, "binding", "b");
    end_event_bool(&server->events, "queue_mode", end_option_query_flag(request, "Q"));
    event_query(server, request, "version", "lwm2m");
    event_query(server, request, "sms", "sms");
    event_finish(server, request, body);
out:
    if (client == NULL) {
        event_begin(server, "refused", NULL, session);
        end_event_text(&server->events, "ep", endpoint);
        end_event_text(&server->events, "reason", "bad ep or lt");
        event_finish(server, request, NULL);
    }
    free(endpoint);
}

static void do_location(struct server *server, coap_session_t *session, const coap_pdu_t *request, const char *path,
                        struct end_reply *reply)
{
    struct client *client = find_by_location(server, path);
    bool update = coap_pdu_get_code(request) == COAP_REQUEST_CODE_POST;
    double lifetime_s;
    const char *name = update ? "updated" : "deregistered";
    reply->code = update ? COAP_RESPONSE_CODE_CHANGED : COAP_RESPONSE_CODE_DELETED;
    if (client == NULL) {
        reply->code = COAP_RESPONSE_CODE_NOT_FOUND;
        name = "refused";
    } else if (update && !read_lifetime(request, client->lifetime_s, &lifetime_s)) {
        reply->code = COAP_RESPONSE_CODE_BAD_REQUEST;
        name = "refused";
    } else {
        follow(client, session);
        client->registered = update;
        if (update)
            set_lifetime(client, lifetime_s);
    }
    event_begin(server, name, client, session);
    end_event_text(&server->events, "location", path);
    if (client == NULL)
        end_event_text(&server->events, "reason", "unknown location");
    else if (update)
        end_event_int(&server->events, "lifetime", (int64_t)client->lifetime_s);
    event_query(server, request, "binding", "b");
    event_finish(server, request, NULL);
}

static void do_send(struct server *server, coap_session_t *session, const coap_pdu_t *request, const struct body *body,
                    struct end_reply *reply)
{
    struct client *client = find_by_address(server, session);
    reply->code = client != NULL ? COAP_RESPONSE_CODE_CHANGED : COAP_RESPONSE_CODE_NOT_FOUND;
    event_begin(server, client != NULL ? "send" : "refused", client, session);
    if (client == NULL)
        end_event_text(&server->events, "reason", "send from an unregistered address");
    event_finish(server, request, body);
}

/* With the Block1 option of the request again, RFC 7959 §2.3. */
static void reply_apply(const struct end_reply *reply, coap_resource_t *resource, coap_session_t *session,
                        const coap_pdu_t *request, const coap_string_t *query, coap_pdu_t *response)
{
    struct block block;
    end_reply_apply(reply, resource, session, request, query, response);
    if (block_read(request, COAP_OPTION_BLOCK1, &block))
        block_add(response, COAP_OPTION_BLOCK1, &block);
}

static void handle(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
                   const coap_string_t *query, coap_pdu_t *response)
{
    struct server *server = coap_get_app_data(coap_session_get_context(session));
    coap_pdu_code_t method = coap_pdu_get_code(request);
    char path[64];
    if (!end_option_path(request, path, sizeof path))
        path[0] = '\0';

    const struct end_reply *known = end_replies_find(server->replies, session, request);
    if (known != NULL) {
        event_begin(server, "duplicate", find_by_address(server, session), session);
        end_event_text(&server->events, "path", path);
        event_finish(server, request, NULL);
        reply_apply(known, resource, session, request, query, response);
        return;
    }
    bool is_register = strcmp(path, "/rd") == 0 && method == COAP_REQUEST_CODE_POST;
    if (is_register && server->register_delay_s > 0 && coap_find_async(session, coap_pdu_get_token(request)) == NULL) {
        /* Left without a code, the response becomes an empty ACK; libcoap calls again later. */
        coap_tick_t delay = (coap_tick_t)(server->register_delay_s * (double)COAP_TICKS_PER_SECOND);
        if (coap_register_async(session, request, delay > 0 ? delay : 1) != NULL)
            return;
    }

    struct body body;
    struct end_reply reply = {.content_format = END_FORMAT_NONE};
    reply.code = upload_take(server, session, request, path, &body);
    if (reply.code != 0)
        ; /* more blocks are to come, or something is wrong with them */
    else if (is_register)
        do_register(server, session, request, &body, &reply);
    else if (strncmp(path, "/rd/", 4) == 0 && (method == COAP_REQUEST_CODE_POST || method == COAP_REQUEST_CODE_DELETE))
        do_location(server, session, request, path, &reply);
    else if (strcmp(path, "/dp") == 0 && method == COAP_REQUEST_CODE_POST)
        do_send(server, session, request, &body, &reply);
    else
        reply.code = strcmp(path, "/rd") == 0 || strncmp(path, "/rd/", 4) == 0 || strcmp(path, "/dp") == 0
                         ? COAP_RESPONSE_CODE_NOT_ALLOWED
                         : COAP_RESPONSE_CODE_NOT_FOUND;
    body_clear(&body);
    const struct end_reply *kept = end_replies_store(server->replies, session, request, &reply);
    reply_apply(kept, resource, session, request, query, response);
}

bool rd_init(struct server *server)
{
    server->replies = end_replies_new(KEPT_REPLIES);
    if (server->replies == NULL)
        return false;
    /* One resource for every path: locations come and go, and libcoap would answer 2.02 by
     * itself to a DELETE of a path that it does not know. */
    coap_resource_t *any = coap_resource_unknown_init(handle);
    if (any == NULL)
        return false;
    coap_register_request_handler(any, COAP_REQUEST_GET, handle);
    coap_register_request_handler(any, COAP_REQUEST_POST, handle);
    coap_register_request_handler(any, COAP_REQUEST_DELETE, handle);
    coap_add_resource(server->context, any);
    return true;
}

void rd_expire(struct server *server, double now_s)
{
    for (struct client *client = server->clients; client != NULL; client = client->next) {
        if (!client->registered || now_s < client->expires_s)
            continue;
        client->registered = false;
        end_event_begin(&server->events, "expired");
        end_event_text(&server->events, "ep", client->endpoint);
        end_event_int(&server->events, "lifetime", (int64_t)client->lifetime_s);
        end_event_end(&server->events);
    }
}

void rd_clear(struct server *server)
{
    while (server->clients != NULL) {
        struct client *client = server->clients;
        server->clients = client->next;
        run_clear(client);
        if (client->session != NULL)
            coap_session_release(client->session);
        free(client->endpoint);
        free(client);
    }
    uploads_clear(server);
    end_replies_free(server->replies);
    server->replies = NULL;
}
