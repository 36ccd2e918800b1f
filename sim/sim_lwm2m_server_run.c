/*
 * A script, performed on one client: at most one request in flight, the next when it is answered.
 *
 *   IDLE --send--> REQUEST --answer, RST, no ACK, time-out--> IDLE
 *   IDLE --wait-notify--> NOTIFICATIONS --enough, time-out--> IDLE
 *   IDLE --sleep--> SLEEP --time--> IDLE
 *
 * A failed operation is counted and the script goes on. libcoap retransmits and acknowledges; once
 * a request has had its empty ACK, only the operation's time-out ends the wait for the answer.
 */
#include "sim/sim_lwm2m_server.h"

#include <stdlib.h>
#include <string.h>

static bool same_token(const struct token *token, coap_bin_const_t bytes)
{
    return bytes.length == TOKEN_BYTES && memcmp(token->bytes, bytes.s, TOKEN_BYTES) == 0;
}

static const struct script_op *current(const struct server *server, const struct client *client)
{
    return &server->script.ops[client->run.next_op];
}

static void event_begin(struct server *server, const char *name, const struct client *client)
{
    end_event_begin(&server->events, name);
    end_event_text(&server->events, "ep", client->endpoint);
}

static void event_begin_op(struct server *server, const char *name, const struct client *client)
{
    const struct script_op *op = current(server, client);
    event_begin(server, name, client);
    end_event_int(&server->events, "n", (int64_t)client->run.next_op + 1);
    end_event_text(&server->events, "op", script_verb_name(op->verb));
    end_event_text(&server->events, "path", op->path);
}

/* As "num/more/bytes". */
static void event_block(struct server *server, const char *key, const coap_pdu_t *pdu, coap_option_num_t number)
{
    struct block block;
    if (!block_read(pdu, number, &block))
        return;
    char text[32];
    snprintf(text, sizeof text, "%u/%d/%zu", block.num, block.more, block_size(&block));
    end_event_text(&server->events, key, text);
}

/* ---- observations ---- */

struct observation *client_observation(struct client *client, const char *path)
{
    struct observation *observation = client->observations;
    while (observation != NULL && strcmp(observation->path, path) != 0)
        observation = observation->next;
    return observation;
}

static void forget_observation(struct client *client, const char *path)
{
    for (struct observation **at = &client->observations; *at != NULL; at = &(*at)->next) {
        struct observation *observation = *at;
        if (strcmp(observation->path, path) != 0)
            continue;
        *at = observation->next;
        free(observation->path);
        free(observation);
        return;
    }
}

static bool add_observation(struct client *client, const char *path, struct token token)
{
    forget_observation(client, path);
    struct observation *observation = calloc(1, sizeof *observation);
    char *name = strdup(path);
    if (observation == NULL || name == NULL) {
        free(name);
        free(observation);
        return false;
    }
    observation->path = name;
    observation->token = token;
    observation->last_mid = COAP_INVALID_MID;
    observation->next = client->observations;
    client->observations = observation;
    return true;
}

/* ---- the end of an operation ---- */

static void op_end(struct client *client, bool good)
{
    struct run *run = &client->run;
    if (!good)
        run->failed++;
    run->doing = RUN_IDLE;
    run->next_op++;
    body_clear(&run->gathered);
}

static void op_fail(struct server *server, struct client *client, const char *reason)
{
    event_begin_op(server, "failed", client);
    end_event_text(&server->events, "reason", reason);
    end_event_ms(&server->events, "ms", (end_now_s() - client->run.since_s) * 1000);
    end_event_end(&server->events);
    op_end(client, false);
}

/* A part of the exchange is over and the next request follows. */
static void op_send(struct server *server, struct client *client)
{
    struct run *run = &client->run;
    coap_pdu_t *pdu = request_build(server, client, current(server, client));
    if (pdu == NULL) {
        op_fail(server, client, "not-built");
        return;
    }
    char to[64];
    client_address_print(client, to, sizeof to);
    event_begin_op(server, "request", client);
    end_event_text(&server->events, "to", to);
    end_event_pdu(&server->events, pdu);
    event_block(server, "block1", pdu, COAP_OPTION_BLOCK1);
    event_block(server, "block2", pdu, COAP_OPTION_BLOCK2);
    end_event_end(&server->events);
    run->doing = RUN_REQUEST;
    /* When it fails libcoap may have told on_nack already. */
    if (coap_send(client->session, pdu) == COAP_INVALID_MID && run->doing == RUN_REQUEST)
        op_fail(server, client, "not-sent");
}

static void event_answer(struct server *server, const char *name, const struct client *client, const coap_pdu_t *answer)
{
    event_begin_op(server, name, client);
    end_event_pdu(&server->events, answer);
    end_event_ms(&server->events, "ms", (end_now_s() - client->run.since_s) * 1000);
    int64_t observe = end_option_number(answer, COAP_OPTION_OBSERVE);
    if (observe >= 0)
        end_event_int(&server->events, "observe", observe);
    event_block(server, "block1", answer, COAP_OPTION_BLOCK1);
    event_block(server, "block2", answer, COAP_OPTION_BLOCK2);
    int64_t max_age = end_option_number(answer, COAP_OPTION_MAXAGE);
    if (max_age >= 0)
        end_event_int(&server->events, "max_age", max_age);
}

static void op_answer(struct server *server, struct client *client, const coap_pdu_t *answer)
{
    const struct script_op *op = current(server, client);
    struct run *run = &client->run;
    int code = (int)coap_pdu_get_code(answer);
    int format = (int)end_option_number(answer, COAP_OPTION_CONTENT_FORMAT);
    size_t length = 0;
    const uint8_t *bytes = NULL;
    coap_get_data(answer, &length, &bytes);

    run->recent[run->recent_next] = run->token;
    run->recent_next = (run->recent_next + 1) % RECENT_TOKENS;
    if (run->recent_count < RECENT_TOKENS)
        run->recent_count++;
    if (op->verb == SCRIPT_OBSERVE && end_option_number(answer, COAP_OPTION_OBSERVE) >= 0 &&
        COAP_RESPONSE_CLASS(code) == 2)
        run->observed = add_observation(client, op->path, run->token);

    if (request_wants_more(run, op, answer)) {
        event_answer(server, "block", client, answer);
        end_event_payload(&server->events, format, bytes, length);
        end_event_end(&server->events);
        op_send(server, client);
        return;
    }
    bool whole = run->gathered.length == 0 || body_append(&run->gathered, bytes, length);
    if (run->gathered.length > 0) {
        bytes = run->gathered.bytes;
        length = run->gathered.length;
    }
    bool good = op->expect_code >= 0 ? code == op->expect_code : COAP_RESPONSE_CLASS(code) == 2;
    bool unobserved = op->verb == SCRIPT_OBSERVE && op->expect_code < 0 && good && !run->observed;
    event_answer(server, "response", client, answer);
    end_event_bool(&server->events, "ok", good && whole && !unobserved);
    end_event_payload(&server->events, format, bytes, length);
    end_event_end(&server->events);

    if (op->verb == SCRIPT_CANCEL && COAP_RESPONSE_CLASS(code) == 2)
        forget_observation(client, op->path);
    if (unobserved || !whole)
        op_fail(server, client, unobserved ? "not-observed" : "too-large");
    else
        op_end(client, good);
}

/* ---- what libcoap brings ---- */

static void take_notification(struct server *server, struct client *client, struct observation *observation,
                              const coap_pdu_t *pdu)
{
    bool con = coap_pdu_get_type(pdu) == COAP_MESSAGE_CON;
    bool copy = con && coap_pdu_get_mid(pdu) == observation->last_mid;
    size_t length = 0;
    const uint8_t *bytes = NULL;
    coap_get_data(pdu, &length, &bytes);

    event_begin(server, copy ? "duplicate" : "notify", client);
    end_event_text(&server->events, "path", observation->path);
    end_event_int(&server->events, "observe", end_option_number(pdu, COAP_OPTION_OBSERVE));
    end_event_pdu(&server->events, pdu);
    event_block(server, "block2", pdu, COAP_OPTION_BLOCK2);
    end_event_payload(&server->events, (int)end_option_number(pdu, COAP_OPTION_CONTENT_FORMAT), bytes, length);
    end_event_end(&server->events);
    if (con)
        observation->last_mid = coap_pdu_get_mid(pdu);
    if (!copy)
        observation->waiting++;
    /* An error ends the observation, RFC 7641 §4.2. */
    if (COAP_RESPONSE_CLASS(coap_pdu_get_code(pdu)) != 2)
        forget_observation(client, observation->path);
}

static bool take_answer(struct server *server, struct client *client, const coap_pdu_t *pdu)
{
    coap_bin_const_t token = coap_pdu_get_token(pdu);
    struct run *run = &client->run;
    bool with_observe = end_option_number(pdu, COAP_OPTION_OBSERVE) >= 0;
    if (run->doing == RUN_REQUEST && same_token(&run->token, token) &&
        !(with_observe && current(server, client)->verb == SCRIPT_CANCEL)) {
        op_answer(server, client, pdu);
        return true;
    }
    /* Before the observation is looked at: the copy of an answer to observe has its token too. */
    for (struct observation *o = client->observations; o != NULL; o = o->next)
        if (same_token(&o->token, token) && with_observe) {
            take_notification(server, client, o, pdu);
            return true;
        }
    for (size_t i = 0; i < run->recent_count; i++)
        if (same_token(&run->recent[i], token) && !with_observe) {
            event_begin(server, "duplicate", client);
            end_event_pdu(&server->events, pdu);
            end_event_end(&server->events);
            return true;
        }
    return false;
}

/* A copy that follows its original directly never comes here: libcoap 4.3.4 drops it, and does not
 * acknowledge it again (its issue 1306). */
static coap_response_t on_response(coap_session_t *session, const coap_pdu_t *sent, const coap_pdu_t *received,
                                   const coap_mid_t mid)
{
    (void)sent;
    (void)mid;
    struct server *server = coap_get_app_data(coap_session_get_context(session));
    for (struct client *client = server->clients; client != NULL; client = client->next)
        if (take_answer(server, client, received))
            return COAP_RESPONSE_OK;
    char from[64];
    end_address_print(coap_session_get_addr_remote(session), from, sizeof from);
    end_event_begin(&server->events, "unmatched");
    end_event_text(&server->events, "from", from);
    end_event_pdu(&server->events, received);
    end_event_end(&server->events);
    return COAP_RESPONSE_FAIL; /* RST: nobody waits for it any more, or it was cancelled */
}

static void on_nack(coap_session_t *session, const coap_pdu_t *sent, const coap_nack_reason_t reason,
                    const coap_mid_t mid)
{
    struct server *server = coap_get_app_data(coap_session_get_context(session));
    for (struct client *client = server->clients; client != NULL; client = client->next) {
        struct run *run = &client->run;
        if (run->doing != RUN_REQUEST)
            continue;
        /* libcoap knows nothing of a NON that is reset; there only the Message ID is left. */
        if (sent != NULL ? same_token(&run->token, coap_pdu_get_token(sent))
                         : client->session == session && run->mid == mid) {
            op_fail(server, client, end_nack_name(reason));
            return;
        }
    }
}

/* ---- the start of an operation ---- */

static void op_start(struct server *server, struct client *client, double now_s)
{
    const struct script_op *op = current(server, client);
    struct run *run = &client->run;
    run->since_s = now_s;
    run->until_s = now_s + (op->timeout_s >= 0 ? op->timeout_s : server->timeout_s);
    if (op->verb == SCRIPT_SLEEP) {
        run->doing = RUN_SLEEP;
        run->until_s = now_s + op->seconds;
        return;
    }
    if ((op->verb == SCRIPT_WAIT_NOTIFY || op->verb == SCRIPT_CANCEL) && client_observation(client, op->path) == NULL) {
        op_fail(server, client, "not-observed");
        return;
    }
    if (op->verb == SCRIPT_WAIT_NOTIFY) {
        run->doing = RUN_NOTIFICATIONS;
        return;
    }
    if (!client->registered) {
        op_fail(server, client, "not-registered");
        return;
    }
    request_begin(run, op);
    op_send(server, client);
}

/* True when the operation under way has ended. */
static bool op_check(struct server *server, struct client *client, double now_s)
{
    const struct script_op *op = current(server, client);
    struct run *run = &client->run;
    if (run->doing == RUN_NOTIFICATIONS) {
        struct observation *observation = client_observation(client, op->path);
        if (observation == NULL) {
            op_fail(server, client, "not-observed");
            return true;
        }
        if (observation->waiting >= (unsigned long)op->count) {
            observation->waiting -= (unsigned long)op->count;
            op_end(client, true);
            return true;
        }
    }
    if (now_s < run->until_s)
        return false;
    if (run->doing == RUN_SLEEP)
        op_end(client, true);
    else
        op_fail(server, client, "timeout");
    return true;
}

double run_step(struct server *server, struct client *client, double now_s)
{
    struct run *run = &client->run;
    if (!run->started && server->running && client->registered)
        run->started = true;
    while (run->started && !run->done) {
        if (run->doing != RUN_IDLE) {
            if (!op_check(server, client, now_s))
                return run->until_s;
        } else if (run->next_op < server->script.count) {
            op_start(server, client, now_s);
        } else {
            run->done = true;
            event_begin(server, "done", client);
            end_event_bool(&server->events, "ok", run->failed == 0);
            end_event_int(&server->events, "ops", (int64_t)server->script.count);
            end_event_int(&server->events, "failed", run->failed);
            end_event_end(&server->events);
        }
    }
    return now_s + 3600;
}

void run_clear(struct client *client)
{
    while (client->observations != NULL)
        forget_observation(client, client->observations->path);
    body_clear(&client->run.gathered);
    client->run = (struct run){0};
}

void run_init(struct server *server)
{
    /* Not from zero: after a restart an old notification must not find a new request's token. */
    coap_prng(&server->next_token, sizeof server->next_token);
    coap_register_response_handler(server->context, on_response);
    coap_register_nack_handler(server->context, on_nack);
}
