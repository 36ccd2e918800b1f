#include "t8/websocket_handshake.h"

#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 clause 1.3 */

void websocket_key_write(const uint8_t random[16], char key[WEBSOCKET_KEY_CHARS + 1])
{
    (void)EVP_EncodeBlock((unsigned char *)key, random, 16);
}

bool websocket_accept_write(struct bytes key, char accept[WEBSOCKET_ACCEPT_CHARS + 1])
{
    uint8_t text[WEBSOCKET_KEY_CHARS + sizeof guid];
    uint8_t digest[EVP_MAX_MD_SIZE];
    if (key.len != WEBSOCKET_KEY_CHARS)
        return false;
    memcpy(text, key.data, key.len);
    memcpy(text + key.len, guid, sizeof guid);
    if (EVP_Digest(text, sizeof text - 1, digest, NULL, EVP_sha1(), NULL) != 1)
        return false;
    (void)EVP_EncodeBlock((unsigned char *)accept, digest, 20);
    return true;
}

/* ---- header fields */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Is one of the comma-separated tokens that one? */
static bool has_token(struct bytes list, const char *token)
{
    const char *text = (const char *)list.data;
    size_t len = strlen(token);
    for (size_t i = 0; i < list.len;) {
        while (i < list.len && (is_blank(text[i]) || text[i] == ','))
            i++;
        size_t end = i;
        while (end < list.len && text[end] != ',')
            end++;
        size_t last = end;
        while (last > i && is_blank(text[last - 1]))
            last--;
        if (last - i == len && strncasecmp(text + i, token, len) == 0)
            return true;
        i = end;
    }
    return false;
}

static struct bytes trimmed(struct bytes b)
{
    while (b.len && (is_blank((char)b.data[0])))
        b = bytes_from(b, 1);
    while (b.len && (is_blank((char)b.data[b.len - 1]) || b.data[b.len - 1] == '\r'))
        b.len--;
    return b;
}

/* ---- client */

bool websocket_request_write(struct buf *out, struct bytes url, const char *key, const char *bearer)
{
    const uint8_t *mark = url.len ? memmem(url.data, url.len, "://", 3) : NULL;
    if (!mark)
        return false;
    for (size_t i = 0; i < url.len; i++)
        if (url.data[i] <= ' ' || url.data[i] >= 0x7F)
            return false;
    struct bytes rest = bytes_from(url, (size_t)(mark - url.data) + 3);
    size_t host = 0;
    while (host < rest.len && !strchr("/?#", rest.data[host]))
        host++;
    struct bytes target = bytes_from(rest, host);
    const uint8_t *fragment = target.len ? memchr(target.data, '#', target.len) : NULL;
    if (fragment)
        target.len = (size_t)(fragment - target.data);
    if (host == 0 || memchr(rest.data, '@', host))
        return false;
    buf_add_str(out, target.len && target.data[0] == '/' ? "GET " : "GET /");
    buf_add(out, target);
    buf_add_str(out, " HTTP/1.1\r\nHost: ");
    buf_add(out, bytes_of(rest.data, host));
    buf_add_str(out, "\r\nUser-Agent: scef-adapter\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ");
    buf_add_str(out, key);
    if (bearer) {
        buf_add_str(out, "\r\nAuthorization: Bearer ");
        buf_add_str(out, bearer);
    }
    buf_add_str(out, "\r\n\r\n");
    return !out->failed;
}

/* "HTTP/1.1 101 Switching Protocols"; 0: no such line. */
static int status_of(struct bytes line)
{
    const uint8_t *t = line.data;
    if (line.len < 12 || memcmp(t, "HTTP/1.", 7) != 0 || t[8] != ' ')
        return 0;
    int status = 0;
    for (size_t i = 9; i < 12; i++) {
        if (t[i] < '0' || t[i] > '9')
            return 0;
        status = status * 10 + (t[i] - '0');
    }
    return status;
}

struct answer_head {
    bool upgrade, connection, accepted, refused;
    uint32_t retry_after_s;
};

static void field_read(struct answer_head *h, struct bytes line, const char *accept)
{
    const uint8_t *colon = line.len ? memchr(line.data, ':', line.len) : NULL;
    if (!colon)
        return;
    size_t len = (size_t)(colon - line.data);
    struct bytes value = trimmed(bytes_from(line, len + 1));
#define IS(name) (len == sizeof(name) - 1 && strncasecmp((const char *)line.data, name, len) == 0)
    if (IS("Upgrade"))
        h->upgrade |= has_token(value, "websocket");
    else if (IS("Connection"))
        h->connection |= has_token(value, "Upgrade");
    else if (IS("Sec-WebSocket-Accept"))
        h->accepted |= bytes_equal(value, bytes_of_str(accept));
    else if (IS("Sec-WebSocket-Extensions") || IS("Sec-WebSocket-Protocol"))
        h->refused |= value.len > 0;
    else if (IS("Retry-After"))
        for (size_t i = 0; i < value.len && value.data[i] >= '0' && value.data[i] <= '9' && h->retry_after_s < 86400;
             i++)
            h->retry_after_s = h->retry_after_s * 10 + (uint32_t)(value.data[i] - '0');
#undef IS
}

enum error websocket_answer_read(struct bytes in, const char *key, struct websocket_answer *a)
{
    char accept[WEBSOCKET_ACCEPT_CHARS + 1];
    struct answer_head h = {.retry_after_s = 0};
    struct bytes rest = in;
    int status = 0;
    *a = (struct websocket_answer){.status = 0};
    if (!websocket_accept_write(bytes_of_str(key), accept))
        return ERR_SYSTEM;
    for (;;) {
        const uint8_t *end = rest.len ? memchr(rest.data, '\n', rest.len) : NULL;
        if (!end) {
            bool impossible = status == 0 && in.len >= 5 && memcmp(in.data, "HTTP/", 5) != 0;
            return impossible || in.len >= WEBSOCKET_ANSWER_MAX ? ERR_PEER : OK;
        }
        struct bytes line = trimmed(bytes_of(rest.data, (size_t)(end - rest.data)));
        rest = bytes_from(rest, (size_t)(end - rest.data) + 1);
        if (status && line.len == 0)
            break;
        if (status)
            field_read(&h, line, accept);
        else if ((status = status_of(line)) == 0)
            return ERR_PEER;
    }
    if (status == 101 && (!h.upgrade || !h.connection || !h.accepted || h.refused))
        return ERR_PEER;
    *a = (struct websocket_answer){.status = status, .consumed = in.len - rest.len, .retry_after_s = h.retry_after_s};
    return OK;
}

/* ---- server */

static bool is_key(const char *key)
{
    struct buf bytes = {0};
    bool ok =
        key && strlen(key) == WEBSOCKET_KEY_CHARS && base64_decode(bytes_of_str(key), &bytes) == OK && bytes.len == 16;
    buf_free(&bytes);
    return ok;
}

enum error websocket_request_check(const struct websocket_request_headers *h, bool *other_version)
{
    *other_version = false;
    if (strcmp(h->method, "GET") != 0)
        return ERR_METHOD;
    bool asks = h->upgrade && has_token(bytes_of_str(h->upgrade), "websocket") && h->connection &&
                has_token(bytes_of_str(h->connection), "upgrade");
    *other_version = !asks || !h->version || strcmp(h->version, "13") != 0;
    if (*other_version || !is_key(h->key))
        return ERR_NOT_JSON;
    return OK;
}
