#include "sim/lwm2m_end_common.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* ---- events ---- */

/* Valid UTF-8 without control characters other than tab and line ends can be shown as it is. */
static bool is_text(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length;) {
        uint8_t c = bytes[i];
        size_t more = c < 0x80 ? 0 : (c & 0xe0) == 0xc0 ? 1 : (c & 0xf0) == 0xe0 ? 2 : (c & 0xf8) == 0xf0 ? 3 : 4;
        if (c == 0x7f || (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0xc0 || c == 0xc1 || c > 0xf4 ||
            more == 4 || more >= length - i)
            return false;
        for (size_t k = 1; k <= more; k++)
            if ((bytes[i + k] & 0xc0) != 0x80)
                return false;
        if ((c == 0xe0 && bytes[i + 1] < 0xa0) || (c == 0xed && bytes[i + 1] > 0x9f) ||
            (c == 0xf0 && bytes[i + 1] < 0x90) || (c == 0xf4 && bytes[i + 1] > 0x8f))
            return false;
        i += more + 1;
    }
    return true;
}

/* What is not UTF-8 is shown as if it were Latin-1: a reader of JSON would else refuse the line. */
static void put_json_string(FILE *file, const char *text, size_t length)
{
    bool escape_high = !is_text((const uint8_t *)text, length);
    fputc('"', file);
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            fprintf(file, "\\%c", c);
        else if (c == '\n')
            fputs("\\n", file);
        else if (c < 0x20 || c == 0x7f || (c >= 0x80 && escape_high))
            fprintf(file, "\\u%04x", c);
        else
            fputc(c, file);
    }
    fputc('"', file);
}

static void put_key(struct end_events *out, const char *key)
{
    fprintf(out->file, out->json ? ",\"%s\":" : " %s=", key);
}

static void put_text(struct end_events *out, const char *key, const char *text, size_t length)
{
    put_key(out, key);
    bool quote = out->json || length == 0;
    for (size_t i = 0; i < length && !quote; i++)
        quote = (unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 0x7f || text[i] == '"' || text[i] == '=';
    if (quote)
        put_json_string(out->file, text, length);
    else
        fwrite(text, 1, length, out->file);
}

void end_event_begin(struct end_events *out, const char *name)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    fprintf(out->file, out->json ? "{\"time\":%lld.%03ld,\"event\":\"%s\"" : "%lld.%03ld %s", (long long)now.tv_sec,
            now.tv_nsec / 1000000, name);
}

void end_event_text(struct end_events *out, const char *key, const char *value)
{
    if (value != NULL)
        put_text(out, key, value, strlen(value));
}

void end_event_int(struct end_events *out, const char *key, int64_t value)
{
    put_key(out, key);
    fprintf(out->file, "%" PRId64, value);
}

void end_event_bool(struct end_events *out, const char *key, bool value)
{
    put_key(out, key);
    fputs(value ? "true" : "false", out->file);
}

void end_event_ms(struct end_events *out, const char *key, double ms)
{
    put_key(out, key);
    fprintf(out->file, "%.1f", ms);
}

void end_event_hex(struct end_events *out, const char *key, const uint8_t *bytes, size_t length)
{
    put_key(out, key);
    if (out->json || length == 0)
        fputc('"', out->file);
    for (size_t i = 0; i < length; i++)
        fprintf(out->file, "%02x", bytes[i]);
    if (out->json || length == 0)
        fputc('"', out->file);
}

void end_event_code(struct end_events *out, const char *key, coap_pdu_code_t code)
{
    put_key(out, key);
    fprintf(out->file, out->json ? "\"%u.%02u\"" : "%u.%02u", (unsigned)code >> 5 & 7, (unsigned)code & 0x1f);
}

void end_event_pdu(struct end_events *out, const coap_pdu_t *pdu)
{
    static const char *const methods[] = {"EMPTY", "GET", "POST", "PUT", "DELETE", "FETCH", "PATCH", "iPATCH"};
    unsigned code = (unsigned)coap_pdu_get_code(pdu);
    if (code < sizeof methods / sizeof methods[0]) {
        end_event_text(out, "code", methods[code]);
    } else {
        end_event_code(out, "code", coap_pdu_get_code(pdu));
    }
    coap_bin_const_t token = coap_pdu_get_token(pdu);
    end_event_text(out, "type", end_type_name(coap_pdu_get_type(pdu)));
    end_event_int(out, "mid", coap_pdu_get_mid(pdu));
    end_event_hex(out, "token", token.s, token.length);
}

void end_event_payload(struct end_events *out, int content_format, const uint8_t *bytes, size_t length)
{
    if (content_format >= 0)
        end_event_int(out, "content_format", content_format);
    end_event_int(out, "payload_bytes", (int64_t)length);
    if (length == 0)
        return;
    bool binary = content_format == END_FORMAT_TLV || content_format == END_FORMAT_OPAQUE;
    if (!binary && is_text(bytes, length))
        put_text(out, "payload", (const char *)bytes, length);
    else
        end_event_hex(out, "payload_hex", bytes, length);
}

void end_event_end(struct end_events *out)
{
    fputs(out->json ? "}\n" : "\n", out->file);
    fflush(out->file);
}

const char *end_type_name(coap_pdu_type_t type)
{
    switch (type) {
    case COAP_MESSAGE_CON:
        return "con";
    case COAP_MESSAGE_NON:
        return "non";
    case COAP_MESSAGE_ACK:
        return "ack";
    case COAP_MESSAGE_RST:
        return "rst";
    }
    return "?";
}

const char *end_nack_name(coap_nack_reason_t reason)
{
    switch (reason) {
    case COAP_NACK_TOO_MANY_RETRIES:
        return "no-ack";
    case COAP_NACK_RST:
        return "reset";
    case COAP_NACK_ICMP_ISSUE:
        return "unreachable";
    case COAP_NACK_BAD_RESPONSE:
        return "bad-response";
    default:
        return "not-delivered";
    }
}

/* ---- time, numbers, addresses ---- */

double end_now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

bool end_parse_seconds(const char *text, double *value)
{
    char *rest;
    errno = 0;
    double seconds = strtod(text, &rest);
    if (rest == text || *rest != '\0' || errno != 0 || !isfinite(seconds) || seconds < 0 || seconds > 1e9)
        return false;
    *value = seconds;
    return true;
}

bool end_parse_number(const char *text, long least, long most, long *value)
{
    char *rest;
    errno = 0;
    long number = strtol(text, &rest, 10);
    if (rest == text || *rest != '\0' || errno != 0 || number < least || number > most)
        return false;
    *value = number;
    return true;
}

bool end_address_parse(const char *text, coap_address_t *address)
{
    char host[256];
    const char *port = strrchr(text, ':');
    size_t length = port == NULL ? 0 : (size_t)(port - text);
    long number;
    if (length == 0 || length >= sizeof host || !end_parse_number(port + 1, 0, 65535, &number)) {
        fprintf(stderr, "%s: not an address of the form host:port\n", text);
        return false;
    }
    bool bracketed = text[0] == '[' && text[length - 1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(bracketed ? length - 2 : length), bracketed ? text + 1 : text);

    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *found = NULL;
    int error = getaddrinfo(host, port + 1, &hints, &found);
    if (error != 0) {
        fprintf(stderr, "%s: %s\n", text, gai_strerror(error));
        return false;
    }
    coap_address_init(address);
    address->size = found->ai_addrlen;
    memcpy(&address->addr, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return true;
}

void end_address_print(const coap_address_t *address, char *text, size_t size)
{
    char host[NI_MAXHOST], port[NI_MAXSERV];
    if (getnameinfo(&address->addr.sa, address->size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        snprintf(text, size, "?");
    else
        snprintf(text, size, strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host, port);
}

/* ---- options ---- */

int64_t end_option_number(const coap_pdu_t *pdu, coap_option_num_t number)
{
    coap_opt_iterator_t iterator;
    coap_opt_t *option = coap_check_option(pdu, number, &iterator);
    if (option == NULL)
        return -1;
    return coap_decode_var_bytes(coap_opt_value(option), coap_opt_length(option));
}

/* The next option `name` or `name=value`: its value or, without '=', the empty text at its end. */
static const char *find_query(const coap_pdu_t *pdu, const char *name, size_t *length)
{
    coap_opt_filter_t filter;
    coap_opt_iterator_t iterator;
    coap_option_filter_clear(&filter);
    coap_option_filter_set(&filter, COAP_OPTION_URI_QUERY);
    if (coap_option_iterator_init(pdu, &iterator, &filter) == NULL)
        return NULL;
    size_t name_length = strlen(name);
    for (coap_opt_t *option; (option = coap_option_next(&iterator)) != NULL;) {
        const char *text = (const char *)coap_opt_value(option);
        size_t text_length = coap_opt_length(option);
        if (text_length < name_length || memcmp(text, name, name_length) != 0)
            continue;
        if (text_length > name_length && text[name_length] != '=')
            continue;
        size_t skip = text_length > name_length ? name_length + 1 : name_length;
        *length = text_length - skip;
        return text + skip;
    }
    return NULL;
}

char *end_option_query(const coap_pdu_t *pdu, const char *name)
{
    size_t length;
    const char *value = find_query(pdu, name, &length);
    return value == NULL ? NULL : strndup(value, length);
}

bool end_option_query_flag(const coap_pdu_t *pdu, const char *name)
{
    size_t length;
    return find_query(pdu, name, &length) != NULL;
}

bool end_option_path(const coap_pdu_t *pdu, char *text, size_t size)
{
    coap_string_t *path = coap_get_uri_path(pdu);
    if (path == NULL)
        return false;
    int length = snprintf(text, size, "/%.*s", (int)path->length, (const char *)path->s);
    coap_delete_string(path);
    return length > 0 && (size_t)length < size;
}

bool end_option_path_add(coap_pdu_t *pdu, coap_option_num_t number, const char *path)
{
    while (*path == '/') {
        size_t length = strcspn(++path, "/");
        if (coap_add_option(pdu, number, length, (const uint8_t *)path) == 0)
            return false;
        path += length;
    }
    return true;
}

bool end_option_number_add(coap_pdu_t *pdu, coap_option_num_t number, unsigned value)
{
    uint8_t bytes[4];
    unsigned length = coap_encode_var_safe(bytes, sizeof bytes, value);
    return coap_add_option(pdu, number, length, bytes) != 0;
}

/* ---- answers given ---- */

static const double reply_lifetime_s = 247; /* EXCHANGE_LIFETIME of RFC 7252 §4.8.2 */

struct kept {
    struct end_reply reply;
    coap_address_t peer;
    coap_mid_t mid;
    coap_pdu_code_t method;
    uint8_t token[8];
    size_t token_length;
    double until_s; /* 0: unused */
};

struct end_replies {
    size_t capacity, next;
    struct kept kept[];
};

struct end_replies *end_replies_new(size_t capacity)
{
    struct end_replies *replies = calloc(1, sizeof *replies + capacity * sizeof replies->kept[0]);
    if (replies != NULL)
        replies->capacity = capacity;
    return replies;
}

void end_replies_free(struct end_replies *replies)
{
    if (replies == NULL)
        return;
    for (size_t i = 0; i < replies->capacity; i++)
        free(replies->kept[i].reply.payload);
    free(replies);
}

const struct end_reply *end_replies_find(const struct end_replies *replies, const coap_session_t *session,
                                         const coap_pdu_t *request)
{
    coap_bin_const_t token = coap_pdu_get_token(request);
    const coap_address_t *peer = coap_session_get_addr_remote(session);
    double now_s = end_now_s();
    for (size_t i = 0; i < replies->capacity; i++) {
        const struct kept *kept = &replies->kept[i];
        if (kept->until_s > now_s && kept->mid == coap_pdu_get_mid(request) &&
            kept->method == coap_pdu_get_code(request) && kept->token_length == token.length &&
            memcmp(kept->token, token.s, token.length) == 0 && coap_address_equals(&kept->peer, peer))
            return &kept->reply;
    }
    return NULL;
}

const struct end_reply *end_replies_store(struct end_replies *replies, const coap_session_t *session,
                                          const coap_pdu_t *request, struct end_reply *reply)
{
    struct kept *kept = &replies->kept[replies->next];
    coap_bin_const_t token = coap_pdu_get_token(request);
    replies->next = (replies->next + 1) % replies->capacity;
    free(kept->reply.payload);
    kept->reply = *reply;
    kept->peer = *coap_session_get_addr_remote(session);
    kept->mid = coap_pdu_get_mid(request);
    kept->method = coap_pdu_get_code(request);
    /* An extended token (RFC 8974) is answered but not remembered. */
    bool fits = token.length <= sizeof kept->token;
    kept->token_length = fits ? token.length : 0;
    if (fits)
        memcpy(kept->token, token.s, token.length);
    kept->until_s = fits ? end_now_s() + reply_lifetime_s : 0;
    return &kept->reply;
}

static void release_payload(coap_session_t *session, void *payload)
{
    (void)session;
    free(payload);
}

void end_reply_apply(const struct end_reply *reply, coap_resource_t *resource, coap_session_t *session,
                     const coap_pdu_t *request, const coap_string_t *query, coap_pdu_t *response)
{
    coap_pdu_set_code(response, reply->code);
    end_option_path_add(response, COAP_OPTION_LOCATION_PATH, reply->location);
    if (reply->length == 0)
        return;
    if (reply->content_format == END_FORMAT_NONE) { /* a diagnostic, RFC 7252 §5.5.2 */
        coap_add_data(response, reply->length, reply->payload);
        return;
    }
    /* libcoap keeps the bytes while blocks of them are still to be fetched. */
    uint8_t *copy = malloc(reply->length);
    if (copy != NULL)
        memcpy(copy, reply->payload, reply->length);
    if (copy == NULL ||
        coap_add_data_large_response(resource, session, request, response, query, (uint16_t)reply->content_format, -1,
                                     0, reply->length, copy, release_payload, copy) == 0)
        coap_pdu_set_code(response, COAP_RESPONSE_CODE_INTERNAL_ERROR);
}

/* ---- libcoap's log ---- */

static void log_to_stderr(coap_log_t level, const char *message)
{
    (void)level;
    fputs(message, stderr);
}

void end_libcoap_log_to_stderr(bool verbose)
{
    /* A reset is an alert to libcoap; here it is an event like others, and printed as one. */
    coap_set_log_handler(log_to_stderr);
    coap_set_log_level(verbose ? COAP_LOG_DEBUG : COAP_LOG_EMERG);
}
