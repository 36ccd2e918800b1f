/*
 * The requests of one operation. Most are a single one; a long payload goes out by Block1, and a
 * long answer is fetched by Block2 (RFC 7959), each block as a request of its own under a new token.
 */
#include "sim/sim_lwm2m_server.h"

enum { SZX_1024 = 6 };

static struct token token_new(struct server *server)
{
    uint32_t number = server->next_token++;
    return (struct token){{(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number}};
}

void request_begin(struct run *run, const struct script_op *op)
{
    run->observed = false;
    run->out = (struct block){.szx = SZX_1024};
    run->in = (struct block){0};
    run->in_blocks = op->payload_length > block_size(&run->out);
}

/* The payload, or the block of it that is due. */
static bool add_payload(struct run *run, const struct script_op *op, coap_pdu_t *pdu)
{
    size_t offset = 0, length = op->payload_length;
    if (run->in_blocks) {
        offset = run->out.num * block_size(&run->out);
        length = op->payload_length - offset;
        run->out.more = length > block_size(&run->out);
        if (run->out.more)
            length = block_size(&run->out);
        if (!block_add(pdu, COAP_OPTION_BLOCK1, &run->out))
            return false;
    }
    return length == 0 || coap_add_data(pdu, length, op->payload + offset) != 0;
}

coap_pdu_t *request_build(struct server *server, struct client *client, const struct script_op *op)
{
    static const coap_pdu_code_t methods[] = {
        [SCRIPT_READ] = COAP_REQUEST_CODE_GET,      [SCRIPT_OBSERVE] = COAP_REQUEST_CODE_GET,
        [SCRIPT_CANCEL] = COAP_REQUEST_CODE_GET,    [SCRIPT_WRITE] = COAP_REQUEST_CODE_PUT,
        [SCRIPT_EXECUTE] = COAP_REQUEST_CODE_POST,  [SCRIPT_DISCOVER] = COAP_REQUEST_CODE_GET,
        [SCRIPT_DELETE] = COAP_REQUEST_CODE_DELETE, [SCRIPT_CREATE] = COAP_REQUEST_CODE_POST,
    };
    struct run *run = &client->run;
    bool next_block = run->in.num > 0;
    struct observation *observation =
        op->verb == SCRIPT_CANCEL && !next_block ? client_observation(client, op->path) : NULL;
    /* Cancelling means the same token again, RFC 7641 §3.6. */
    run->token = observation != NULL ? observation->token : token_new(server);
    run->mid = coap_new_message_id(client->session);
    coap_pdu_t *pdu = coap_pdu_init(op->non ? COAP_MESSAGE_NON : COAP_MESSAGE_CON, methods[op->verb], run->mid,
                                    coap_session_max_pdu_size(client->session));
    if (pdu == NULL)
        return NULL;
    int accept = op->verb == SCRIPT_DISCOVER && op->accept < 0 ? END_FORMAT_LINK : op->accept;
    bool good = coap_add_token(pdu, TOKEN_BYTES, run->token.bytes) != 0;
    /* Further blocks are not observed, RFC 7959 §2.6. */
    if ((op->verb == SCRIPT_OBSERVE || op->verb == SCRIPT_CANCEL) && !next_block)
        good = good && end_option_number_add(pdu, COAP_OPTION_OBSERVE, op->verb == SCRIPT_CANCEL);
    good = good && end_option_path_add(pdu, COAP_OPTION_URI_PATH, op->path);
    if (op->payload_length > 0)
        good = good && end_option_number_add(pdu, COAP_OPTION_CONTENT_FORMAT, (unsigned)op->format);
    if (accept >= 0)
        good = good && end_option_number_add(pdu, COAP_OPTION_ACCEPT, (unsigned)accept);
    if (next_block)
        good = good && block_add(pdu, COAP_OPTION_BLOCK2, &run->in);
    good = good && add_payload(run, op, pdu);
    if (!good) {
        coap_delete_pdu(pdu);
        return NULL;
    }
    return pdu;
}

bool request_wants_more(struct run *run, const struct script_op *op, const coap_pdu_t *answer)
{
    coap_pdu_code_t code = coap_pdu_get_code(answer);
    struct block block;
    if (op->payload_length > 0 && block_read(answer, COAP_OPTION_BLOCK1, &block)) {
        /* The other end may ask for smaller blocks, either for those to come or, by 4.13, for all. */
        bool smaller = block_size(&block) < (run->in_blocks ? block_size(&run->out) : op->payload_length);
        if (code == COAP_RESPONSE_CODE_REQUEST_TOO_LARGE && smaller && op->expect_code != (int)code) {
            run->in_blocks = true;
            run->out = (struct block){.szx = block.szx};
            return true;
        }
        if (code == COAP_RESPONSE_CODE_CONTINUE && run->in_blocks && run->out.more) {
            size_t sent = (run->out.num + 1) * block_size(&run->out);
            if (smaller)
                run->out.szx = block.szx;
            run->out.num = (unsigned)(sent / block_size(&run->out));
            return true;
        }
    }
    if (COAP_RESPONSE_CLASS(code) != 2 || !block_read(answer, COAP_OPTION_BLOCK2, &block) || !block.more ||
        block.num != run->in.num)
        return false;
    size_t length = 0;
    const uint8_t *bytes = NULL;
    coap_get_data(answer, &length, &bytes);
    if (!body_append(&run->gathered, bytes, length))
        return false;
    run->in = (struct block){.num = block.num + 1, .szx = block.szx};
    return true;
}
