/* An LwM2M server on libcoap, by DTLS, to test the legs against: answers POST /rd with 2.01 and then reads /3/0/0 of
 * the device; tells on standard output, a line each, what it gets: "identity IDENTITY" (of a pre-shared key),
 * "registered", "content PAYLOAD".
 *
 *   coap_dtls_server ADDRESS PORT psk KEY [IDENTITY [KEY IDENTITY]...]     any identity where there is none
 *   coap_dtls_server ADDRESS PORT pki CERTIFICATE KEY_FILE */
#include <arpa/inet.h>
#include <coap3/coap.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile sig_atomic_t stopping;
static char **pairs; /* KEY IDENTITY, and so on */
static int pair_words;
static coap_bin_const_t key; /* of the identity that was asked for last */

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static const coap_bin_const_t *on_identity(coap_bin_const_t *identity, coap_session_t *session, void *arg)
{
    (void)session;
    (void)arg;
    for (int i = 0; i < pair_words; i += 2) {
        const char *known = i + 1 < pair_words ? pairs[i + 1] : NULL;
        if (known && (identity->length != strlen(known) || memcmp(identity->s, known, identity->length) != 0))
            continue;
        key = (coap_bin_const_t){strlen(pairs[i]), (const uint8_t *)pairs[i]};
        return &key;
    }
    return NULL;
}

static void read_send(coap_session_t *session)
{
    static uint8_t count;
    const uint8_t token[2] = {'r', ++count};
    coap_pdu_t *pdu = coap_pdu_init(COAP_MESSAGE_CON, COAP_REQUEST_CODE_GET, coap_new_message_id(session),
                                    coap_session_max_pdu_size(session));
    if (!pdu)
        return;
    coap_add_token(pdu, sizeof(token), token);
    coap_add_option(pdu, COAP_OPTION_URI_PATH, 1, (const uint8_t *)"3");
    coap_add_option(pdu, COAP_OPTION_URI_PATH, 1, (const uint8_t *)"0");
    coap_add_option(pdu, COAP_OPTION_URI_PATH, 1, (const uint8_t *)"0");
    coap_send(session, pdu);
}

static void on_register(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
                        const coap_string_t *query, coap_pdu_t *response)
{
    (void)resource;
    (void)request;
    (void)query;
    const coap_bin_const_t *identity = coap_session_get_psk_identity(session);
    if (identity)
        printf("identity %.*s\n", (int)identity->length, (const char *)identity->s);
    coap_pdu_set_code(response, COAP_RESPONSE_CODE_CREATED);
    coap_add_option(response, COAP_OPTION_LOCATION_PATH, 2, (const uint8_t *)"rd");
    coap_add_option(response, COAP_OPTION_LOCATION_PATH, 1, (const uint8_t *)"7");
    puts("registered");
    read_send(session);
}

static coap_response_t on_response(coap_session_t *session, const coap_pdu_t *sent, const coap_pdu_t *received,
                                   const coap_mid_t mid)
{
    size_t len;
    const uint8_t *data;
    (void)session;
    (void)sent;
    (void)mid;
    if (coap_get_data(received, &len, &data))
        printf("content %.*s\n", (int)len, (const char *)data);
    return COAP_RESPONSE_OK;
}

static bool security_set(coap_context_t *c, int count, char **arguments)
{
    coap_dtls_spsk_t psk = {.version = COAP_DTLS_SPSK_SETUP_VERSION, .validate_id_call_back = on_identity};
    coap_dtls_pki_t pki = {.version = COAP_DTLS_PKI_SETUP_VERSION};
    if (strcmp(arguments[3], "psk") == 0) {
        key = (coap_bin_const_t){strlen(arguments[4]), (const uint8_t *)arguments[4]};
        pairs = arguments + 4;
        pair_words = count - 4;
        psk.psk_info.key = key;
        return coap_context_set_psk2(c, &psk) == 1;
    }
    pki.pki_key.key_type = COAP_PKI_KEY_PEM;
    pki.pki_key.key.pem.public_cert = arguments[4];
    pki.pki_key.key.pem.private_key = arguments[5];
    return count > 5 && coap_context_set_pki(c, &pki) == 1;
}

int main(int argc, char **argv)
{
    coap_address_t at;
    if (argc < 5) {
        fprintf(
            stderr,
            "usage: coap_dtls_server ADDRESS PORT psk KEY [IDENTITY [KEY IDENTITY]...] | pki CERTIFICATE KEY_FILE\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    const struct sigaction stop = {.sa_handler = on_signal};
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    coap_startup();
    coap_address_init(&at);
    at.addr.sin.sin_family = AF_INET;
    at.addr.sin.sin_port = htons((uint16_t)atoi(argv[2]));
    at.size = sizeof(at.addr.sin);
    inet_pton(AF_INET, argv[1], &at.addr.sin.sin_addr);
    coap_context_t *c = coap_new_context(NULL);
    coap_resource_t *rd = coap_resource_init(coap_make_str_const("rd"), 0);
    if (!c || !rd || !security_set(c, argc, argv) || !coap_new_endpoint(c, &at, COAP_PROTO_DTLS)) {
        fprintf(stderr, "coap_dtls_server: cannot serve %s port %s\n", argv[1], argv[2]);
        return 1;
    }
    coap_register_request_handler(rd, COAP_REQUEST_POST, on_register);
    coap_add_resource(c, rd);
    coap_register_response_handler(c, on_response);
    coap_context_set_session_timeout(c, 3600);
    puts("ready");
    while (!stopping)
        coap_io_process(c, 100);
    coap_free_context(c);
    coap_cleanup();
    return 0;
}
