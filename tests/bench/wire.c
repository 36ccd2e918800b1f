#include "tests/bench/wire.h"

#include <string.h>

#include "tests/bench/common.h"

static const char id_prefix[] = "device-";
static const char id_domain[] = "@nbiot.example.org";
static const char senml_values[] =
    "[{\"bn\":\"/3303/0/\",\"n\":\"5700\",\"v\":21.5},{\"n\":\"5601\",\"v\":18.25},{\"n\":\"5602\",\"v\":24.75},"
    "{\"n\":\"5701\",\"vs\":\"Cel\"}]";
static const char senml_names[] =
    "[{\"n\":\"/3/0/0\"},{\"n\":\"/3/0/1\"},{\"n\":\"/3/0/9\"},{\"n\":\"/3/0/13\"},{\"n\":\"/3303/0/5700\"},"
    "{\"n\":\"/3303/0/5601\"},{\"n\":\"/4/0/2\"},{\"n\":\"/4/0/4\"}]";

static void digits_write(uint32_t value, char out[DEVICE_DIGITS])
{
    for (int i = DEVICE_DIGITS - 1; i >= 0; i--, value /= 10)
        out[i] = (char)('0' + value % 10);
}

void device_id_write(uint32_t device, char out[DEVICE_ID_CHARS])
{
    memcpy(out, id_prefix, sizeof(id_prefix) - 1);
    digits_write(device, out + sizeof(id_prefix) - 1);
    memcpy(out + sizeof(id_prefix) - 1 + DEVICE_DIGITS, id_domain, sizeof(id_domain) - 1);
}

bool device_id_read(const char *id, size_t len, uint32_t *device)
{
    if (len != DEVICE_ID_CHARS || memcmp(id, id_prefix, sizeof(id_prefix) - 1) != 0)
        return false;
    *device = 0;
    for (size_t i = sizeof(id_prefix) - 1; i < sizeof(id_prefix) - 1 + DEVICE_DIGITS; i++) {
        if (id[i] < '0' || id[i] > '9')
            return false;
        *device = *device * 10 + (uint32_t)(id[i] - '0');
    }
    return true;
}

/* ---- HTTP ---- */

static size_t content_length(const char *head, size_t len)
{
    static const char name[] = "\r\nContent-Length: ";
    const char *at = memmem(head, len, name, sizeof(name) - 1);
    size_t value = 0;
    if (!at)
        return 0;
    for (at += sizeof(name) - 1; at < head + len && *at >= '0' && *at <= '9'; at++)
        value = value * 10 + (size_t)(*at - '0');
    return value;
}

size_t http_view_read(const char *in, size_t len, struct http_view *out)
{
    static const char version[] = "HTTP/1.1 ";
    const char *end = memmem(in, len, "\r\n\r\n", 4);
    if (!end)
        return 0;
    size_t head_len = (size_t)(end - in) + 2;
    const char *line_end = memchr(in, '\r', head_len);
    *out = (struct http_view){.body = end + 4, .body_len = content_length(in, head_len)};
    if (memcmp(in, version, sizeof(version) - 1) == 0 && head_len > sizeof(version) + 3) {
        const char *digits = in + sizeof(version) - 1;
        out->status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
    } else {
        const char *space = memchr(in, ' ', (size_t)(line_end - in));
        const char *target_end = space ? memchr(space + 1, ' ', (size_t)(line_end - space - 1)) : NULL;
        if (!target_end)
            die("this is no HTTP: %.*s", (int)(line_end - in), in);
        out->target = in;
        out->target_len = (size_t)(target_end - in);
    }
    size_t total = head_len + 2 + out->body_len;
    return total <= len ? total : 0;
}

const char *json_text(const struct http_view *v, const char *name, size_t *len)
{
    char key[64];
    int key_len = snprintf(key, sizeof(key), "\"%s\":\"", name);
    const char *at = memmem(v->body, v->body_len, key, (size_t)key_len);
    if (!at)
        return NULL;
    at += key_len;
    const char *end = memchr(at, '"', (size_t)(v->body + v->body_len - at));
    *len = end ? (size_t)(end - at) : 0;
    return end ? at : NULL;
}

/* ---- CoAP ---- */

static void be32_write(uint8_t *out, uint32_t v)
{
    out[0] = (uint8_t)(v >> 24);
    out[1] = (uint8_t)(v >> 16);
    out[2] = (uint8_t)(v >> 8);
    out[3] = (uint8_t)v;
}

static uint32_t be32_read(const uint8_t *in)
{
    return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

void coap_header(uint8_t *out, uint8_t type, uint8_t token_len, uint8_t code, uint16_t message_id)
{
    out[0] = (uint8_t)(0x40 | type << 4 | token_len);
    out[1] = code;
    out[2] = (uint8_t)(message_id >> 8);
    out[3] = (uint8_t)message_id;
}

bool coap_head_read(const uint8_t *in, size_t len, struct coap_head *out)
{
    if (len < 4 || in[0] >> 6 != 1)
        return false;
    *out = (struct coap_head){.type = in[0] >> 4 & 3, .code = in[1], .message_id = (uint16_t)(in[2] << 8 | in[3])};
    if (len == 4)
        return out->code == 0;
    if (len < 12 || (in[0] & 15) != 8)
        return false;
    out->device = be32_read(in + 4);
    out->seq = be32_read(in + 8);
    return true;
}

/* Options that are the same for all messages of a kind, the payload's marker, and text repeated until it is full. */
static void body_write(uint8_t *out, const uint8_t *options, size_t options_len, const char *payload, size_t len)
{
    size_t at = 12, payload_len = strlen(payload);
    memcpy(out + at, options, options_len);
    at += options_len;
    out[at++] = 0xff;
    for (size_t i = 0; at < len; i++)
        out[at++] = (uint8_t)payload[i % payload_len];
}

static void token_write(uint8_t *out, uint32_t device, uint32_t seq)
{
    be32_write(out + 4, device);
    be32_write(out + 8, seq);
}

/* Observe with 3 bytes (6), Content-Format: SenML JSON (12) */
static const uint8_t notification_options[] = {0x63, 0, 0, 0, 0x61, 110};
/* Content-Format (12), Accept (17): SenML JSON */
static const uint8_t request_options[] = {0xc1, 110, 0x51, 110};
static const uint8_t answer_options[] = {0xc1, 110};

void coap_notification(uint8_t out[NOTIFICATION_BYTES], uint32_t device, uint32_t seq, uint16_t message_id)
{
    static uint8_t model[NOTIFICATION_BYTES];
    if (!model[12])
        body_write(model, notification_options, sizeof(notification_options), senml_values, sizeof(model));
    memcpy(out, model, sizeof(model));
    coap_header(out, TYPE_NON, 8, CODE_CONTENT, message_id);
    token_write(out, device, seq);
    out[13] = (uint8_t)(seq >> 16);
    out[14] = (uint8_t)(seq >> 8);
    out[15] = (uint8_t)seq;
}

static const uint8_t *request_model(void)
{
    static uint8_t model[REQUEST_BYTES];
    if (!model[12])
        body_write(model, request_options, sizeof(request_options), senml_names, sizeof(model));
    return model;
}

static const uint8_t *answer_model(void)
{
    static uint8_t model[ANSWER_BYTES];
    if (!model[12])
        body_write(model, answer_options, sizeof(answer_options), senml_values, sizeof(model));
    return model;
}

void coap_request(uint8_t out[REQUEST_BYTES], uint32_t device, uint32_t seq, uint16_t message_id)
{
    memcpy(out, request_model(), REQUEST_BYTES);
    coap_header(out, TYPE_CON, 8, CODE_FETCH, message_id);
    token_write(out, device, seq);
}

void coap_answer(uint8_t out[ANSWER_BYTES], const struct coap_head *request)
{
    memcpy(out, answer_model(), ANSWER_BYTES);
    coap_header(out, TYPE_ACK, 8, CODE_CONTENT, request->message_id);
    token_write(out, request->device, request->seq);
}

bool coap_answer_is_intact(const uint8_t *in, size_t len)
{
    return len == ANSWER_BYTES && in[1] == CODE_CONTENT && memcmp(in + 12, answer_model() + 12, ANSWER_BYTES - 12) == 0;
}

bool coap_request_is_intact(const uint8_t *in, size_t len)
{
    return len == REQUEST_BYTES && (in[1] == CODE_FETCH || in[1] == CODE_POST) &&
           memcmp(in + 12, request_model() + 12, REQUEST_BYTES - 12) == 0;
}

/* ---- base64 ---- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_write(const uint8_t *in, size_t len, char *out)
{
    char *start = out;
    for (size_t i = 0; i + 2 < len; i += 3) {
        uint32_t v = (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 | in[i + 2];
        *out++ = alphabet[v >> 18];
        *out++ = alphabet[v >> 12 & 63];
        *out++ = alphabet[v >> 6 & 63];
        *out++ = alphabet[v & 63];
    }
    return (size_t)(out - start);
}

size_t base64_read(const char *in, size_t len, uint8_t *out)
{
    static int8_t values[256];
    uint8_t *start = out;
    if (!values['B']) {
        memset(values, -1, sizeof(values));
        for (int i = 0; i < 64; i++)
            values[(uint8_t)alphabet[i]] = (int8_t)i;
    }
    if (len % 4 != 0)
        return 0;
    for (size_t i = 0; i < len; i += 4) {
        int32_t v = 0;
        for (size_t k = 0; k < 4; k++) {
            int8_t six = values[(uint8_t)in[i + k]];
            if (six < 0)
                return 0;
            v = v << 6 | six;
        }
        *out++ = (uint8_t)(v >> 16);
        *out++ = (uint8_t)(v >> 8);
        *out++ = (uint8_t)v;
    }
    return (size_t)(out - start);
}

/* ---- T8 ---- */

/* The text of the POST; where its body begins. */
static size_t post_text(struct uplink_post *p, const char *path, const char *body, int body_len)
{
    int len = snprintf(p->text, sizeof(p->text),
                       "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                       "Content-Length: %d\r\n\r\n%s",
                       path, body_len, body);
    if (len >= (int)sizeof(p->text))
        die("--path is too long");
    p->len = (size_t)len;
    p->body_len = (size_t)body_len;
    return p->len - p->body_len;
}

void uplink_post_init(struct uplink_post *p, const char *path, uint16_t scef_port)
{
    char body[768], link[160], data[COAP_MAX_BYTES * 2];
    int link_len = snprintf(link, sizeof(link), "http://127.0.0.1:%05u" CONFIGURATIONS "/c", scef_port);
    uint8_t zero[NOTIFICATION_BYTES] = {0};
    size_t data_len = base64_write(zero, sizeof(zero), data);
    int body_len =
        snprintf(body, sizeof(body), "{\"niddConfiguration\":\"%s%0*d\",\"externalId\":\"%s%0*d%s\",\"data\":\"%.*s\"}",
                 link, DEVICE_DIGITS, 0, id_prefix, DEVICE_DIGITS, 0, id_domain, (int)data_len, data);
    size_t body_at = post_text(p, path, body, body_len);
    p->link_at = body_at + sizeof("{\"niddConfiguration\":\"") - 1 + (size_t)link_len;
    p->id_at = p->link_at + DEVICE_DIGITS + sizeof("\",\"externalId\":\"") - 1 + sizeof(id_prefix) - 1;
    p->data_at = p->id_at + DEVICE_DIGITS + sizeof(id_domain) - 1 + sizeof("\",\"data\":\"") - 1;
}

void uplink_post_set(struct uplink_post *p, uint32_t device, const uint8_t *message)
{
    digits_write(device, p->text + p->link_at);
    memcpy(p->text + p->id_at, p->text + p->link_at, DEVICE_DIGITS);
    base64_write(message, NOTIFICATION_BYTES, p->text + p->data_at);
}

void report_post_init(struct uplink_post *p, const char *path)
{
    static const char before[] =
        "{\"subscription\":\"/3gpp-monitoring-event/v1/as1/subscriptions/s1\",\"monitoringEventReports\":["
        "{\"monitoringType\":\"UE_REACHABILITY\",\"reachabilityType\":\"DATA\",\"externalId\":\"";
    char body[512];
    int body_len = snprintf(body, sizeof(body), "%s%s%0*d%s\"}]}", before, id_prefix, DEVICE_DIGITS, 0, id_domain);
    p->id_at = post_text(p, path, body, body_len) + sizeof(before) - 1 + sizeof(id_prefix) - 1;
}

void report_post_set(struct uplink_post *p, uint32_t device)
{
    digits_write(device, p->text + p->id_at);
}

size_t downlink_body(char *out, size_t size, uint32_t device, const uint8_t request[REQUEST_BYTES])
{
    char id[DEVICE_ID_CHARS], data[COAP_MAX_BYTES * 2];
    device_id_write(device, id);
    size_t data_len = base64_write(request, REQUEST_BYTES, data);
    int len = snprintf(out, size, "{\"externalId\":\"%.*s\",\"data\":\"%.*s\",\"maximumLatency\":0}", DEVICE_ID_CHARS,
                       id, (int)data_len, data);
    if (len >= (int)size)
        die("no room for a downlink body");
    return (size_t)len;
}
