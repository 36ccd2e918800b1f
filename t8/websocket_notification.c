#include "t8/websocket_notification.h"

#include <string.h>
#include <strings.h>

#define NUMBER_HEADER "3GPP-WS-Notif-Seq"

/* What a head may say, of either kind. */
struct head {
    bool numbered, bad_number, has_length, encoded, malformed;
    uint32_t number;
    uint64_t length;
    int status; /* 0: there was no status line */
    struct bytes content_type;
};

/* ---- lines */

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static struct bytes trimmed(struct bytes b)
{
    while (b.len && is_blank(b.data[0]))
        b = bytes_from(b, 1);
    while (b.len && is_blank(b.data[b.len - 1]))
        b.len--;
    return b;
}

static bool is_word(struct bytes b, const char *word)
{
    return b.len == strlen(word) && strncasecmp((const char *)b.data, word, b.len) == 0;
}

/* Takes one line off *rest, without its end; false when there is no whole one. */
static bool line_take(struct bytes *rest, struct bytes *line)
{
    const uint8_t *end = rest->len ? memchr(rest->data, '\n', rest->len) : NULL;
    if (!end)
        return false;
    size_t len = (size_t)(end - rest->data);
    *line = bytes_of(rest->data, len);
    *rest = bytes_from(*rest, len + 1);
    if (line->len && line->data[line->len - 1] == '\r')
        line->len--;
    return true;
}

static bool decimal(struct bytes text, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.data[i] - '0');
        if (value > max)
            return false;
    }
    *out = value;
    return text.len > 0;
}

static void number_read(struct head *h, struct bytes value)
{
    uint64_t number;
    if (!decimal(value, UINT32_MAX, &number) || (h->numbered && h->number != number)) {
        h->bad_number = true;
        return;
    }
    h->numbered = true;
    h->number = (uint32_t)number;
}

static void length_read(struct head *h, struct bytes value)
{
    uint64_t length;
    if (!decimal(value, UINT32_MAX, &length) || (h->has_length && h->length != length)) {
        h->malformed = true;
        return;
    }
    h->has_length = true;
    h->length = length;
}

/* "204 No Content"; senders that know HTTP well put "HTTP/1.1 " before it. False: it is no such line. */
static bool status_read(struct head *h, struct bytes line)
{
    uint64_t status;
    const uint8_t *blank =
        line.len > 5 && strncasecmp((const char *)line.data, "HTTP/", 5) == 0 ? memchr(line.data, ' ', line.len) : NULL;
    if (blank)
        line = trimmed(bytes_from(line, (size_t)(blank - line.data)));
    if (line.len < 3 || (line.len > 3 && !is_blank(line.data[3])) || !decimal(bytes_of(line.data, 3), 599, &status) ||
        status < 100)
        return false;
    h->malformed |= h->status != 0;
    h->status = (int)status;
    return true;
}

static void field_read(struct head *h, struct bytes line)
{
    const uint8_t *colon = memchr(line.data, ':', line.len);
    if (!colon) {
        h->malformed = true;
        return;
    }
    size_t len = (size_t)(colon - line.data);
    struct bytes name = trimmed(bytes_of(line.data, len));
    struct bytes value = trimmed(bytes_from(line, len + 1));
    if (is_word(name, NUMBER_HEADER))
        number_read(h, value);
    else if (is_word(name, "Content-Length"))
        length_read(h, value);
    else if (is_word(name, "Content-Type"))
        h->content_type = value;
    else if (is_word(name, "Content-Encoding"))
        h->encoded |= value.len > 0 && !is_word(value, "identity");
}

/* Reads all of the head that is there; the error says what is wrong with the whole. */
static enum error message_read(struct bytes message, bool with_status, struct head *h, struct bytes *body)
{
    struct bytes rest = message;
    struct bytes line;
    bool ended = false;
    *h = (struct head){.status = 0};
    while (!ended && message.len - rest.len <= WEBSOCKET_HEAD_BYTES_MAX && line_take(&rest, &line)) {
        ended = line.len == 0;
        if (!ended && !(with_status && status_read(h, line)))
            field_read(h, line);
    }
    h->numbered &= !h->bad_number;
    *body = h->has_length && h->length <= rest.len ? bytes_of(rest.data, (size_t)h->length) : rest;
    if (!ended || !h->numbered || h->malformed || (h->has_length && h->length > rest.len) ||
        (with_status && !h->status))
        return ERR_NOT_JSON;
    return h->encoded ? ERR_MEDIA_TYPE : OK;
}

enum error websocket_notification_decode(struct bytes message, struct websocket_notification *n)
{
    struct head h;
    struct bytes body;
    enum error err = message_read(message, false, &h, &body);
    *n = (struct websocket_notification){
        .number = h.number, .numbered = h.numbered, .content_type = h.content_type, .body = body};
    return err;
}

enum error websocket_acknowledgement_decode(struct bytes message, struct websocket_acknowledgement *a)
{
    struct head h;
    struct bytes body;
    enum error err = message_read(message, true, &h, &body);
    *a = (struct websocket_acknowledgement){
        .number = h.number, .status = h.status, .content_type = h.content_type, .body = body};
    return err;
}

/* ---- writing */

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {{200, "OK"},
                   {204, "No Content"},
                   {307, "Temporary Redirect"},
                   {308, "Permanent Redirect"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {413, "Content Too Large"},
                   {415, "Unsupported Media Type"},
                   {429, "Too Many Requests"},
                   {500, "Internal Server Error"},
                   {502, "Bad Gateway"},
                   {503, "Service Unavailable"},
                   {504, "Gateway Timeout"}};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return ""; /* a reason may be empty (RFC 9112 clause 4) */
}

static void content_write(struct buf *out, struct bytes content_type, struct bytes body)
{
    if (content_type.len) {
        buf_add_str(out, "Content-Type: ");
        buf_add(out, content_type);
        buf_add_str(out, "\r\n");
    }
    buf_addf(out, "Content-Length: %zu\r\n", body.len);
}

void websocket_notification_encode(const struct websocket_notification *n, struct buf *out)
{
    buf_addf(out, NUMBER_HEADER ": %u\r\n", n->number);
    content_write(out, n->content_type, n->body);
    buf_add_str(out, "\r\n");
    buf_add(out, n->body);
}

void websocket_acknowledgement_encode(const struct websocket_acknowledgement *a, struct buf *out)
{
    buf_addf(out, NUMBER_HEADER ": %u\r\n%d %s\r\n", a->number, a->status, reason_of(a->status));
    if (a->body.len)
        content_write(out, a->content_type, a->body);
    buf_add_str(out, "\r\n");
    buf_add(out, a->body);
}
