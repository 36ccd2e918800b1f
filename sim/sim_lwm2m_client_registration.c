/*
 * The client's own requests: register, update, deregister, Send; one at a time.
 *
 *   unregistered --register, 2.01--> registered --update, 2.04--> registered
 *        ^  no answer or refused: again,      |
 *        |  after 1, 2, 4 ... 60 s            | update not answered or 4.04: at once
 *        +------------------------------------+
 */
#include "sim/sim_lwm2m_client.h"

#include <stdlib.h>
#include <string.h>

static const double back_off_most_s = 60, deregister_wait_s = 5;

static const char *const kind_names[] = {
    [OWN_REGISTER] = "register",
    [OWN_UPDATE] = "update",
    [OWN_DEREGISTER] = "deregister",
    [OWN_SEND] = "send",
};

static double uniform(void)
{ /* 0 to 1 */
    uint16_t number;
    coap_prng(&number, sizeof number);
    return number / 65536.0;
}

static double lifetime_s(struct client *client)
{
    return (double)objects_number(objects_resource(client->objects, OBJECT_SERVER, SERVER_LIFETIME));
}

static void register_later(struct client *client)
{
    unsigned exponent = client->attempts > 7 ? 6 : client->attempts > 0 ? client->attempts - 1 : 0;
    double wait_s = 1u << exponent;
    if (wait_s > back_off_most_s)
        wait_s = back_off_most_s;
    client->registered = false;
    client->register_at_s = end_now_s() + wait_s * (0.75 + 0.5 * uniform());
}

static void update_later(struct client *client)
{
    double period_s = client->options.update_period_s;
    if (period_s <= 0) /* in time for a few retransmissions before the lifetime is over */
        period_s = lifetime_s(client) * 0.75;
    client->update_at_s = end_now_s() + period_s;
    client->update_asked = false;
}

/* ---- answers ---- */

static void take_answer(struct client *client, const coap_pdu_t *answer)
{
    struct own_request own = client->own;
    int code = (int)coap_pdu_get_code(answer);
    bool good = COAP_RESPONSE_CLASS(code) == 2;
    static const char *const events[] = {
        [OWN_REGISTER] = "registered",
        [OWN_UPDATE] = "updated",
        [OWN_DEREGISTER] = "deregistered",
        [OWN_SEND] = "sent",
    };
    client->own.kind = OWN_NONE;

    if (own.kind == OWN_REGISTER && good) {
        /* Location-Path /rd/7 comes as the options "rd" and "7". */
        coap_opt_filter_t filter;
        coap_opt_iterator_t iterator;
        size_t at = 0;
        client->location[0] = '\0';
        coap_option_filter_clear(&filter);
        coap_option_filter_set(&filter, COAP_OPTION_LOCATION_PATH);
        coap_option_iterator_init(answer, &iterator, &filter);
        for (coap_opt_t *option; (option = coap_option_next(&iterator)) != NULL;) {
            int length = snprintf(client->location + at, sizeof client->location - at, "/%.*s",
                                  (int)coap_opt_length(option), (const char *)coap_opt_value(option));
            at += (size_t)length;
            if (at >= sizeof client->location) {
                good = false;
                break;
            }
        }
        good = good && at > 0;
    }

    end_event_begin(&client->events, good ? events[own.kind] : "failed");
    end_event_text(&client->events, "ep", client->options.endpoint);
    if (!good)
        end_event_text(&client->events, "op", kind_names[own.kind]);
    if (own.kind == OWN_REGISTER && good)
        end_event_text(&client->events, "location", client->location);
    end_event_pdu(&client->events, answer);
    end_event_ms(&client->events, "ms", (end_now_s() - own.since_s) * 1000);
    size_t length = 0, offset, total;
    const uint8_t *bytes = NULL;
    if (coap_get_data_large(answer, &length, &bytes, &offset, &total) && length > 0)
        end_event_payload(&client->events, (int)end_option_number(answer, COAP_OPTION_CONTENT_FORMAT), bytes, length);
    end_event_end(&client->events);

    switch (own.kind) {
    case OWN_REGISTER:
        if (!good) {
            register_later(client);
            break;
        }
        client->registered = client->ever_registered = true;
        client->attempts = 0;
        update_later(client);
        client->send_at_s = end_now_s() + client->options.send_period_s;
        break;
    case OWN_UPDATE:
        if (good)
            update_later(client);
        else { /* 4.04: the server knows us no more */
            client->registered = false;
            client->register_at_s = 0;
        }
        break;
    case OWN_DEREGISTER:
        client->registered = false;
        client->stopped = true;
        break;
    default:
        break;
    }
}

static void own_lost(struct client *client, const char *reason)
{
    struct own_request own = client->own;
    client->own.kind = OWN_NONE;
    end_event_begin(&client->events, "failed");
    end_event_text(&client->events, "ep", client->options.endpoint);
    end_event_text(&client->events, "op", kind_names[own.kind]);
    end_event_text(&client->events, "reason", reason);
    end_event_int(&client->events, "mid", own.mid);
    end_event_hex(&client->events, "token", own.token, sizeof own.token);
    end_event_ms(&client->events, "ms", (end_now_s() - own.since_s) * 1000);
    end_event_end(&client->events);
    if (own.kind == OWN_DEREGISTER)
        client->stopped = true;
    else if (own.kind != OWN_SEND)
        register_later(client);
}

static bool is_own(const struct client *client, const coap_pdu_t *pdu)
{
    coap_bin_const_t token = coap_pdu_get_token(pdu);
    return client->own.kind != OWN_NONE && token.length == sizeof client->own.token &&
           memcmp(token.s, client->own.token, token.length) == 0;
}

static coap_response_t on_response(coap_session_t *session, const coap_pdu_t *sent, const coap_pdu_t *received,
                                   const coap_mid_t mid)
{
    (void)sent;
    (void)mid;
    struct client *client = coap_get_app_data(coap_session_get_context(session));
    if (is_own(client, received)) {
        take_answer(client, received);
        return COAP_RESPONSE_OK;
    }
    /* Most likely the copy of an answer whose ACK was lost: the kind thing is to acknowledge it
     * again, and a client has no observations that a reset would have to end. */
    end_event_begin(&client->events, "unmatched");
    end_event_pdu(&client->events, received);
    end_event_end(&client->events);
    return COAP_RESPONSE_OK;
}

static void on_nack(coap_session_t *session, const coap_pdu_t *sent, const coap_nack_reason_t reason,
                    const coap_mid_t mid)
{
    struct client *client = coap_get_app_data(coap_session_get_context(session));
    bool own = sent != NULL ? is_own(client, sent) : client->own.kind != OWN_NONE && client->own.mid == mid;
    /* Somebody refused the datagram. libcoap keeps the message and goes on retransmitting, so this is
     * no end: the server may just be starting. */
    bool refused = reason == COAP_NACK_ICMP_ISSUE;
    if (own && (!refused || client->stopping)) {
        own_lost(client, end_nack_name(reason));
        return;
    }
    const char *op = own                                                                 ? kind_names[client->own.kind]
                     : sent != NULL && COAP_RESPONSE_CLASS(coap_pdu_get_code(sent)) >= 2 ? "notify"
                                                                                         : "message";
    end_event_begin(&client->events, refused ? "unreachable" : "failed");
    end_event_text(&client->events, "ep", client->options.endpoint);
    end_event_text(&client->events, "op", op);
    if (!refused)
        end_event_text(&client->events, "reason", end_nack_name(reason));
    end_event_int(&client->events, "mid", mid);
    end_event_end(&client->events);
}

/* ---- requests ---- */

static bool add_query(coap_pdu_t *pdu, const char *name, const char *value)
{
    char text[320];
    int length = snprintf(text, sizeof text, "%s%s", name, value);
    return length > 0 && (size_t)length < sizeof text &&
           coap_add_option(pdu, COAP_OPTION_URI_QUERY, (size_t)length, (uint8_t *)text) != 0;
}

static bool add_lifetime(struct client *client, coap_pdu_t *pdu)
{
    char text[24];
    snprintf(text, sizeof text, "%.0f", lifetime_s(client));
    return add_query(pdu, "lt=", text);
}

/* LwM2M 1.1 tells queue mode by a Q of its own, 1.0 by a Q behind the binding. */
static bool add_binding(struct client *client, coap_pdu_t *pdu)
{
    char text[OBJECTS_TEXT_BYTES];
    snprintf(text, sizeof text, "%s", objects_resource(client->objects, OBJECT_SERVER, SERVER_BINDING)->text);
    size_t length = strlen(text);
    bool queue = length > 1 && text[length - 1] == 'Q';
    if (queue)
        text[length - 1] = '\0';
    return add_query(pdu, "b=", text) && (!queue || add_query(pdu, "Q", ""));
}

static bool add_body(coap_pdu_t *pdu, unsigned format, const char *body)
{
    return end_option_number_add(pdu, COAP_OPTION_CONTENT_FORMAT, format) &&
           coap_add_data(pdu, strlen(body), (const uint8_t *)body) != 0;
}

static bool add_readings(struct client *client, coap_pdu_t *pdu)
{
    char body[128];
    snprintf(body, sizeof body, "[{\"bn\":\"/3/0/\",\"n\":\"9\",\"v\":%lld},{\"n\":\"13\",\"v\":%lld}]",
             (long long)objects_number(objects_resource(client->objects, OBJECT_DEVICE, DEVICE_BATTERY_LEVEL)),
             (long long)objects_number(objects_resource(client->objects, OBJECT_DEVICE, DEVICE_CURRENT_TIME)));
    return add_body(pdu, END_FORMAT_SENML_JSON, body);
}

static bool fill(struct client *client, enum own_kind kind, coap_pdu_t *pdu)
{
    switch (kind) {
    case OWN_REGISTER:
        return end_option_path_add(pdu, COAP_OPTION_URI_PATH, "/rd") &&
               end_option_number_add(pdu, COAP_OPTION_CONTENT_FORMAT, END_FORMAT_LINK) &&
               add_query(pdu, "ep=", client->options.endpoint) && add_lifetime(client, pdu) &&
               add_query(pdu, "lwm2m=", "1.1") && add_binding(client, pdu) &&
               coap_add_data(pdu, 13, (const uint8_t *)"</1/0>,</3/0>") != 0;
    case OWN_UPDATE:
        return end_option_path_add(pdu, COAP_OPTION_URI_PATH, client->location) &&
               (!client->update_asked || (add_lifetime(client, pdu) && add_binding(client, pdu)));
    case OWN_DEREGISTER:
        return end_option_path_add(pdu, COAP_OPTION_URI_PATH, client->location);
    default:
        return end_option_path_add(pdu, COAP_OPTION_URI_PATH, "/dp") && add_readings(client, pdu);
    }
}

static void own_start(struct client *client, enum own_kind kind, double now_s)
{
    struct own_request *own = &client->own;
    uint32_t number = client->next_token++;
    own->kind = kind;
    own->since_s = now_s;
    own->until_s = now_s + (kind == OWN_DEREGISTER ? deregister_wait_s : client->options.answer_timeout_s);
    memcpy(own->token, &number, sizeof own->token);
    own->mid = coap_new_message_id(client->session);
    if (kind == OWN_REGISTER)
        client->attempts++;

    coap_pdu_t *pdu =
        coap_pdu_init(COAP_MESSAGE_CON, kind == OWN_DEREGISTER ? COAP_REQUEST_CODE_DELETE : COAP_REQUEST_CODE_POST,
                      own->mid, coap_session_max_pdu_size(client->session));
    if (pdu == NULL || coap_add_token(pdu, sizeof own->token, own->token) == 0 || !fill(client, kind, pdu)) {
        coap_delete_pdu(pdu);
        own_lost(client, "not-built");
        return;
    }
    end_event_begin(&client->events, "sending");
    end_event_text(&client->events, "ep", client->options.endpoint);
    end_event_text(&client->events, "op", kind_names[kind]);
    end_event_pdu(&client->events, pdu);
    end_event_end(&client->events);
    /* When the send fails libcoap has often called on_nack already. */
    if (coap_send(client->session, pdu) == COAP_INVALID_MID && own->kind != OWN_NONE)
        own_lost(client, "not-sent");
}

void registration_step(struct client *client, double now_s)
{
    if (client->own.kind != OWN_NONE) {
        if (now_s >= client->own.until_s)
            own_lost(client, "timeout");
        return;
    }
    if (client->stopping) {
        if (client->registered && !client->stopped)
            own_start(client, OWN_DEREGISTER, now_s);
        else
            client->stopped = true;
    } else if (!client->registered) {
        if (now_s >= client->register_at_s)
            own_start(client, OWN_REGISTER, now_s);
    } else if (client->update_asked || now_s >= client->update_at_s) {
        own_start(client, OWN_UPDATE, now_s);
    } else if (client->options.send_period_s > 0 && now_s >= client->send_at_s) {
        client->send_at_s = now_s + client->options.send_period_s;
        own_start(client, OWN_SEND, now_s);
    }
}

void registration_stop(struct client *client)
{
    client->stopping = true;
    /* The answer to what is in flight is no longer of interest. */
    if (client->own.kind != OWN_NONE && client->own.kind != OWN_DEREGISTER)
        client->own.kind = OWN_NONE;
}

void registration_init(struct client *client)
{
    coap_prng(&client->next_token, sizeof client->next_token);
    coap_register_response_handler(client->context, on_response);
    coap_register_nack_handler(client->context, on_nack);
}
