/*
 * Block-wise transfer (RFC 7959) for sim-lwm2m-server. Not libcoap's own: with it on (4.3.4) the
 * cancellation of an observation leaves under another token than the observation's, and requests are
 * sent at exit that no script asked for.
 */
#include "sim/sim_lwm2m_server.h"

#include <stdlib.h>
#include <string.h>

enum { BODY_MOST_BYTES = 1 << 20 };

bool block_read(const coap_pdu_t *pdu, coap_option_num_t number, struct block *block)
{
    int64_t value = end_option_number(pdu, number);
    if (value < 0 || (value & 7) == 7)
        return false;
    *block = (struct block){.num = (unsigned)(value >> 4), .more = (value & 8) != 0, .szx = (unsigned)(value & 7)};
    return true;
}

bool block_add(coap_pdu_t *pdu, coap_option_num_t number, const struct block *block)
{
    return end_option_number_add(pdu, number, block->num << 4 | (block->more ? 8u : 0u) | block->szx);
}

size_t block_size(const struct block *block)
{
    return (size_t)16 << block->szx;
}

bool body_append(struct body *body, const uint8_t *bytes, size_t length)
{
    if (length > BODY_MOST_BYTES - body->length)
        return false;
    uint8_t *grown = realloc(body->bytes, body->length + length + 1);
    if (grown == NULL)
        return false;
    body->bytes = grown;
    if (length > 0)
        memcpy(grown + body->length, bytes, length);
    body->length += length;
    return true;
}

void body_clear(struct body *body)
{
    free(body->bytes);
    *body = (struct body){0};
}

/* ---- requests that come in blocks ---- */

static struct upload **find_upload(struct server *server, const coap_session_t *session, const char *path)
{
    const coap_address_t *peer = coap_session_get_addr_remote(session);
    struct upload **at = &server->uploads;
    while (*at != NULL && (strcmp((*at)->path, path) != 0 || !coap_address_equals(&(*at)->peer, peer)))
        at = &(*at)->next;
    return at;
}

static void upload_remove(struct upload **at)
{
    struct upload *upload = *at;
    *at = upload->next;
    body_clear(&upload->body);
    free(upload);
}

coap_pdu_code_t upload_take(struct server *server, const coap_session_t *session, const coap_pdu_t *request,
                            const char *path, struct body *whole)
{
    size_t length = 0;
    const uint8_t *bytes = NULL;
    struct block block;
    coap_get_data(request, &length, &bytes);
    *whole = (struct body){0};
    if (!block_read(request, COAP_OPTION_BLOCK1, &block))
        return body_append(whole, bytes, length) ? 0 : COAP_RESPONSE_CODE_REQUEST_TOO_LARGE;

    struct upload **at = find_upload(server, session, path);
    if (block.num == 0 && *at != NULL) /* begun anew */
        upload_remove(at);
    if (block.num == 0) {
        struct upload *upload = calloc(1, sizeof *upload);
        if (upload == NULL)
            return COAP_RESPONSE_CODE_INTERNAL_ERROR;
        upload->peer = *coap_session_get_addr_remote(session);
        snprintf(upload->path, sizeof upload->path, "%s", path);
        upload->next = server->uploads;
        server->uploads = upload;
        at = &server->uploads;
    }
    if (*at == NULL || (*at)->body.length != block.num * block_size(&block) ||
        (block.more && length != block_size(&block)))
        return COAP_RESPONSE_CODE_INCOMPLETE;
    if (!body_append(&(*at)->body, bytes, length)) {
        upload_remove(at);
        return COAP_RESPONSE_CODE_REQUEST_TOO_LARGE;
    }
    if (block.more)
        return COAP_RESPONSE_CODE_CONTINUE;
    *whole = (*at)->body;
    (*at)->body = (struct body){0};
    upload_remove(at);
    return 0;
}

void uploads_clear(struct server *server)
{
    while (server->uploads != NULL)
        upload_remove(&server->uploads);
}
