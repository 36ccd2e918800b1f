/*
 * The Device Management and Information Reporting interfaces, client's side: read, discover,
 * observe, write, execute on the objects (LwM2M 1.1 Transport §6.4).
 */
#include "sim/sim_lwm2m_client.h"

#include <stdlib.h>
#include <string.h>

enum { KEPT_REPLIES = 64 };

static void reply_body(struct end_reply *reply, coap_pdu_code_t code, int format, const void *body, size_t length)
{
    reply->payload = malloc(length > 0 ? length : 1);
    if (reply->payload == NULL) {
        reply->code = COAP_RESPONSE_CODE_INTERNAL_ERROR;
        return;
    }
    memcpy(reply->payload, body, length);
    reply->length = length;
    reply->content_format = format;
    reply->code = code;
}

static void reply_fault(struct end_reply *reply, coap_pdu_code_t code, const char *diagnostic)
{
    reply_body(reply, code, END_FORMAT_NONE, diagnostic, strlen(diagnostic));
}

static void do_read(struct client *client, const struct object_path *path, const coap_pdu_t *request,
                    struct end_reply *reply)
{
    int64_t accept = end_option_number(request, COAP_OPTION_ACCEPT);
    char text[OBJECTS_BODY_BYTES];
    uint8_t tlv[OBJECTS_BODY_BYTES];
    if (accept == END_FORMAT_LINK) {
        size_t length = objects_discover(client->objects, path, text, sizeof text);
        reply_body(reply, COAP_RESPONSE_CODE_CONTENT, END_FORMAT_LINK, text, length);
        return;
    }
    if (path->depth == 3 && (path->resource->access & CAN_READ) == 0) {
        reply_fault(reply, COAP_RESPONSE_CODE_NOT_ALLOWED, "not readable");
        return;
    }
    if (accept < 0)
        accept = path->depth == 3 ? END_FORMAT_TEXT : END_FORMAT_TLV;
    if (accept == END_FORMAT_TEXT && path->depth == 3) {
        size_t length = objects_read_text(path->resource, text, sizeof text);
        reply_body(reply, COAP_RESPONSE_CODE_CONTENT, END_FORMAT_TEXT, text, length);
    } else if (accept == END_FORMAT_TLV) {
        size_t length = objects_read_tlv(client->objects, path, tlv, sizeof tlv);
        reply_body(reply, COAP_RESPONSE_CODE_CONTENT, END_FORMAT_TLV, tlv, length);
    } else {
        reply_fault(reply, COAP_RESPONSE_CODE_NOT_ACCEPTABLE, "only 0 (resources), 40 and 11542");
    }
}

/* `path` as libcoap has it, without the slash in front. */
static void notify_path(struct client *client, const char *path)
{
    coap_str_const_t uri = {strlen(path), (const uint8_t *)path};
    coap_resource_t *resource = coap_get_resource_from_uri_path(client->context, &uri);
    if (resource != NULL)
        coap_resource_notify_observers(resource, NULL);
}

/* Tells the observers of the path and of what contains it. */
static void notify_changed(struct client *client, const char *path)
{
    char text[PATH_BYTES];
    snprintf(text, sizeof text, "%s", path);
    while (text[0] != '\0') {
        notify_path(client, text + 1);
        *strrchr(text, '/') = '\0';
    }
}

static void do_write(struct client *client, const char *name, const struct object_path *path, const coap_pdu_t *request,
                     struct end_reply *reply)
{
    size_t length = 0, offset, total;
    const uint8_t *bytes = NULL;
    coap_get_data_large(request, &length, &bytes, &offset, &total);
    int64_t format = end_option_number(request, COAP_OPTION_CONTENT_FORMAT);
    if (format < 0)
        format = END_FORMAT_TEXT;

    enum objects_error error = OBJECTS_BAD_VALUE;
    if (path->depth == 1) {
        reply_fault(reply, COAP_RESPONSE_CODE_NOT_ALLOWED, "an object cannot be written");
        return;
    } else if (path->depth == 3 && (path->resource->access & CAN_WRITE) == 0) {
        error = OBJECTS_NOT_WRITABLE; /* whatever the format */
    } else if (format == END_FORMAT_TLV) {
        error = objects_write_tlv(client->objects, path, bytes, length);
    } else if (format == END_FORMAT_TEXT && path->depth == 3) {
        error = objects_write_text(path->resource, bytes, length);
    } else {
        reply_fault(reply, COAP_RESPONSE_CODE_UNSUPPORTED_CONTENT_FORMAT, "only 0 (resources) and 11542");
        return;
    }
    switch (error) {
    case OBJECTS_OK:
        reply->code = COAP_RESPONSE_CODE_CHANGED;
        break;
    case OBJECTS_BAD_VALUE:
        reply_fault(reply, COAP_RESPONSE_CODE_BAD_REQUEST, "bad value");
        return;
    case OBJECTS_NOT_WRITABLE:
        reply_fault(reply, COAP_RESPONSE_CODE_NOT_ALLOWED, "not writable");
        return;
    case OBJECTS_NOT_FOUND:
        reply_fault(reply, COAP_RESPONSE_CODE_NOT_FOUND, "no such resource");
        return;
    }
    end_event_begin(&client->events, "written");
    end_event_text(&client->events, "ep", client->options.endpoint);
    end_event_text(&client->events, "path", name);
    end_event_payload(&client->events, (int)format, bytes, length);
    end_event_end(&client->events);
    notify_changed(client, name);
    /* The lifetime and the binding are the server's business: Core §6.2.2 wants an update. */
    if (path->object == OBJECT_SERVER &&
        (path->depth < 3 || path->resource->id == SERVER_LIFETIME || path->resource->id == SERVER_BINDING))
        client->update_asked = true;
}

static void do_execute(struct client *client, const char *name, const struct object_path *path,
                       const coap_pdu_t *request, struct end_reply *reply)
{
    struct object_resource *resource = path->resource;
    if ((resource->access & CAN_EXECUTE) == 0) {
        reply_fault(reply, COAP_RESPONSE_CODE_NOT_ALLOWED, "not executable");
        return;
    }
    size_t length = 0, offset, total;
    const uint8_t *bytes = NULL;
    coap_get_data_large(request, &length, &bytes, &offset, &total);
    resource->executions++;
    end_event_begin(&client->events, "executed");
    end_event_text(&client->events, "ep", client->options.endpoint);
    end_event_text(&client->events, "path", name);
    end_event_int(&client->events, "count", resource->executions);
    end_event_payload(&client->events, (int)end_option_number(request, COAP_OPTION_CONTENT_FORMAT), bytes, length);
    end_event_end(&client->events);
    if (resource->object == OBJECT_SERVER && resource->id == SERVER_UPDATE_TRIGGER)
        client->update_asked = true;
    reply->code = COAP_RESPONSE_CODE_CHANGED;
}

static void dispatch(struct client *client, const char *name, const coap_pdu_t *request, struct end_reply *reply)
{
    struct object_path path;
    coap_pdu_code_t method = coap_pdu_get_code(request);
    if (!objects_find(client->objects, name, &path))
        reply_fault(reply, COAP_RESPONSE_CODE_NOT_FOUND, "no such path");
    else if (method == COAP_REQUEST_CODE_GET)
        do_read(client, &path, request, reply);
    else if (method == COAP_REQUEST_CODE_PUT || (method == COAP_REQUEST_CODE_POST && path.depth == 2))
        do_write(client, name, &path, request, reply);
    else if (method == COAP_REQUEST_CODE_POST && path.depth == 3)
        do_execute(client, name, &path, request, reply);
    else
        reply_fault(reply, COAP_RESPONSE_CODE_NOT_ALLOWED,
                    method == COAP_REQUEST_CODE_POST ? "instances cannot be created" : "instances cannot be deleted");
}

/*
 * libcoap calls the GET handler for a notification too, with a copy of the request that observes.
 * A CON from the network is answered by an ACK, so any other type of response gives the
 * notification away. Only when NON notifies one who asked by NON does that not tell; then the
 * second call with the same path and token is taken for a notification (an observer that renews by
 * NON under the same token is answered alike, only printed as one).
 */
static bool is_notification(struct client *client, const char *path, const coap_pdu_t *request,
                            const coap_pdu_t *response)
{
    if (coap_pdu_get_type(response) == COAP_MESSAGE_CON)
        return true;
    if (coap_pdu_get_type(response) != COAP_MESSAGE_NON)
        return false;
    if (coap_pdu_get_type(request) == COAP_MESSAGE_CON)
        return true;
    coap_bin_const_t token = coap_pdu_get_token(request);
    if (coap_pdu_get_code(request) != COAP_REQUEST_CODE_GET || end_option_number(request, COAP_OPTION_OBSERVE) != 0 ||
        token.length > 8)
        return false;
    for (size_t i = 0; i < NON_OBSERVERS; i++) {
        const struct non_observer *known = &client->non_observers[i];
        if (strcmp(known->path, path) == 0 && known->token_length == token.length &&
            memcmp(known->token, token.s, token.length) == 0)
            return true;
    }
    struct non_observer *fresh = &client->non_observers[client->next_non_observer];
    client->next_non_observer = (client->next_non_observer + 1) % NON_OBSERVERS;
    snprintf(fresh->path, sizeof fresh->path, "%s", path);
    memcpy(fresh->token, token.s, token.length);
    fresh->token_length = token.length;
    return false;
}

static void event_reply(struct client *client, const char *event, const char *path, const coap_pdu_t *message,
                        const struct end_reply *reply)
{
    end_event_begin(&client->events, event);
    end_event_text(&client->events, "ep", client->options.endpoint);
    end_event_text(&client->events, "path", path);
    end_event_pdu(&client->events, message);
    int64_t observe = end_option_number(message, COAP_OPTION_OBSERVE);
    if (observe >= 0)
        end_event_int(&client->events, "observe", observe);
    end_event_code(&client->events, "answer", reply->code);
    end_event_payload(&client->events, reply->content_format, reply->payload, reply->length);
    end_event_end(&client->events);
}

static void handle(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
                   const coap_string_t *query, coap_pdu_t *response)
{
    struct client *client = coap_get_app_data(coap_session_get_context(session));
    char path[PATH_BYTES];
    if (!end_option_path(request, path, sizeof path))
        path[0] = '\0';
    struct end_reply fresh = {.content_format = END_FORMAT_NONE};

    if (is_notification(client, path, request, response)) {
        dispatch(client, path, request, &fresh);
        end_reply_apply(&fresh, resource, session, request, query, response);
        event_reply(client, "notify", path, response, &fresh);
        free(fresh.payload);
        return;
    }
    const struct end_reply *reply = end_replies_find(client->replies, session, request);
    bool copy = reply != NULL;
    if (!copy) {
        dispatch(client, path, request, &fresh);
        reply = end_replies_store(client->replies, session, request, &fresh);
    }
    event_reply(client, copy ? "duplicate" : "request", path, request, reply);
    end_reply_apply(reply, resource, session, request, query, response);
}

static bool add_resource(struct client *client, coap_resource_t *resource)
{
    if (resource == NULL)
        return false;
    coap_register_request_handler(resource, COAP_REQUEST_GET, handle);
    coap_register_request_handler(resource, COAP_REQUEST_PUT, handle);
    coap_register_request_handler(resource, COAP_REQUEST_POST, handle);
    coap_register_request_handler(resource, COAP_REQUEST_DELETE, handle);
    coap_add_resource(client->context, resource);
    return true;
}

static bool add_path(struct client *client, const char *path)
{
    coap_str_const_t *uri = coap_new_str_const((const uint8_t *)path, strlen(path));
    int flags = COAP_RESOURCE_FLAGS_RELEASE_URI |
                (client->options.non_notify ? COAP_RESOURCE_FLAGS_NOTIFY_NON_ALWAYS : COAP_RESOURCE_FLAGS_NOTIFY_CON);
    coap_resource_t *resource = uri != NULL ? coap_resource_init(uri, flags) : NULL;
    if (resource != NULL)
        coap_resource_set_get_observable(resource, 1);
    return add_resource(client, resource);
}

bool requests_init(struct client *client)
{
    /* Only a path with a libcoap resource of its own can be observed. */
    if (!add_path(client, "1") || !add_path(client, "1/0") || !add_path(client, "3") || !add_path(client, "3/0"))
        return false;
    struct object_resource *resource;
    for (size_t i = 0; (resource = objects_at(client->objects, i)) != NULL; i++) {
        char path[32];
        snprintf(path, sizeof path, "%d/0/%d", resource->object, resource->id);
        if (!add_path(client, path))
            return false;
    }
    client->replies = end_replies_new(KEPT_REPLIES);
    return client->replies != NULL && add_resource(client, coap_resource_unknown_init(handle));
}

void requests_notify_all(struct client *client)
{
    struct object_resource *battery = objects_resource(client->objects, OBJECT_DEVICE, DEVICE_BATTERY_LEVEL);
    if (battery->number > 1)
        battery->number--;
    static const char *const containers[] = {"1", "1/0", "3", "3/0"};
    for (size_t i = 0; i < sizeof containers / sizeof containers[0]; i++)
        notify_path(client, containers[i]);
    struct object_resource *resource;
    for (size_t i = 0; (resource = objects_at(client->objects, i)) != NULL; i++) {
        char path[32];
        snprintf(path, sizeof path, "%d/0/%d", resource->object, resource->id);
        notify_path(client, path);
    }
}
