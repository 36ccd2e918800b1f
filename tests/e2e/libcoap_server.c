/* An LwM2M server on libcoap, by every transport: answers POST /rd with 2.01 and then observes /3/0/9 of the device;
 * tells on standard output what it gets, a line of JSON each.
 *
 *   libcoap_server SCHEME ADDRESS PORT CERTIFICATE KEY_FILE
 *
 * SCHEME is coap, coaps, coap+tcp or coaps+tcp; in clear the files are not read. */
#include <arpa/inet.h>
#include <coap3/coap.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

static void observe_send(coap_session_t *session)
{
    static uint8_t count;
    const uint8_t token[2] = {'o', ++count};
    static const char *const path[] = {"3", "0", "9"};
    coap_pdu_t *pdu = coap_pdu_init(COAP_MESSAGE_CON, COAP_REQUEST_CODE_GET, coap_new_message_id(session),
                                    coap_session_max_pdu_size(session));
    if (!pdu)
        return;
    coap_add_token(pdu, sizeof(token), token);
    coap_add_option(pdu, COAP_OPTION_OBSERVE, 0, NULL);
    for (unsigned i = 0; i < 3; i++)
        coap_add_option(pdu, COAP_OPTION_URI_PATH, 1, (const uint8_t *)path[i]);
    coap_send(session, pdu);
}

static void on_register(coap_resource_t *resource, coap_session_t *session, const coap_pdu_t *request,
                        const coap_string_t *query, coap_pdu_t *response)
{
    (void)resource;
    (void)request;
    coap_pdu_set_code(response, COAP_RESPONSE_CODE_CREATED);
    coap_add_option(response, COAP_OPTION_LOCATION_PATH, 2, (const uint8_t *)"rd");
    coap_add_option(response, COAP_OPTION_LOCATION_PATH, 1, (const uint8_t *)"7");
    char from[128] = "";
    coap_print_addr(coap_session_get_addr_remote(session), (unsigned char *)from, sizeof(from));
    printf("{\"event\": \"registered\", \"query\": \"%s\", \"from\": \"%s\"}\n", query ? (const char *)query->s : "",
           from);
    observe_send(session);
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
        printf("{\"event\": \"content\", \"payload\": \"%.*s\"}\n", (int)len, (const char *)data);
    return COAP_RESPONSE_OK;
}

static bool address_of(const char *host, const char *port, coap_address_t *out)
{
    coap_address_init(out);
    if (inet_pton(AF_INET, host, &out->addr.sin.sin_addr) == 1) {
        out->addr.sin.sin_family = AF_INET;
        out->addr.sin.sin_port = htons((uint16_t)atoi(port));
        out->size = sizeof(out->addr.sin);
        return true;
    }
    out->addr.sin6.sin6_family = AF_INET6;
    out->addr.sin6.sin6_port = htons((uint16_t)atoi(port));
    out->size = sizeof(out->addr.sin6);
    return inet_pton(AF_INET6, host, &out->addr.sin6.sin6_addr) == 1;
}

static coap_proto_t protocol_of(const char *scheme)
{
    static const struct {
        const char *scheme;
        coap_proto_t protocol;
    } all[] = {{"coap", COAP_PROTO_UDP},
               {"coaps", COAP_PROTO_DTLS},
               {"coap+tcp", COAP_PROTO_TCP},
               {"coaps+tcp", COAP_PROTO_TLS}};
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (strcmp(scheme, all[i].scheme) == 0)
            return all[i].protocol;
    return COAP_PROTO_NONE;
}

int main(int argc, char **argv)
{
    const struct sigaction stop = {.sa_handler = on_signal};
    coap_dtls_pki_t pki = {.version = COAP_DTLS_PKI_SETUP_VERSION};
    coap_address_t at;
    if (argc != 6 || !address_of(argv[2], argv[3], &at)) {
        fprintf(stderr, "usage: libcoap_server SCHEME ADDRESS PORT CERTIFICATE KEY_FILE\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    sigaction(SIGTERM, &stop, NULL);
    coap_startup();
    coap_context_t *c = coap_new_context(NULL);
    coap_resource_t *rd = coap_resource_init(coap_make_str_const("rd"), 0);
    pki.pki_key.key_type = COAP_PKI_KEY_PEM;
    pki.pki_key.key.pem.public_cert = argv[4];
    pki.pki_key.key.pem.private_key = argv[5];
    const bool secure = strncmp(argv[1], "coaps", 5) == 0;
    if (!c || !rd || (secure && coap_context_set_pki(c, &pki) != 1) ||
        !coap_new_endpoint(c, &at, protocol_of(argv[1]))) {
        fprintf(stderr, "libcoap_server: cannot serve %s at %s port %s\n", argv[1], argv[2], argv[3]);
        return 1;
    }
    coap_register_request_handler(rd, COAP_REQUEST_POST, on_register);
    coap_add_resource(c, rd);
    coap_register_response_handler(c, on_response);
    coap_context_set_session_timeout(c, 3600);
    puts("{\"event\": \"listening\"}");
    while (!stopping)
        coap_io_process(c, 100);
    coap_free_context(c);
    coap_cleanup();
    return 0;
}
