#include "base/log.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096 /* at most PIPE_BUF: lines of several processes do not mix in one pipe */
#define LAST_UTC_MS    UINT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

static const char *const level_names[] = {
    [LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};
#define LEVEL_COUNT (sizeof(level_names) / sizeof(level_names[0]))

static _Atomic unsigned level_wanted = LOG_INFO;

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&level_wanted, (unsigned)level, memory_order_relaxed);
}

bool log_wanted(enum log_level level)
{
    return (unsigned)level <= atomic_load_explicit(&level_wanted, memory_order_relaxed);
}

enum error log_level_parse(const char *name, enum log_level *out)
{
    for (unsigned i = 0; name && i < LEVEL_COUNT; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *out = (enum log_level)i;
            return OK;
        }
    }
    return ERR_CONFIG;
}

/* A line under way: what may still be used, the room for the cut mark and the NUL kept apart. After the first
 * piece that does not fit nothing more is taken. */
struct line {
    char *at;
    size_t room;
    bool cut;
};

static const char cut_mark[] = " cut=true";

static bool line_add(struct line *l, const char *s, size_t n)
{
    if (l->cut || n > l->room) {
        l->cut = true;
        return false;
    }
    memcpy(l->at, s, n);
    l->at += n;
    l->room -= n;
    return true;
}

/* Decodes the UTF-8 character at p (RFC 3629: shortest form, no surrogates, at most U+10FFFF). Returns its
 * length, 0 when there is none. */
static size_t utf8_decode(const uint8_t *p, size_t len, uint32_t *c)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf8 ? 4 : 0;
    if (n == 0 || n > len)
        return 0;
    uint32_t v = n == 1 ? p[0] : p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        v = v << 6 | (p[i] & 0x3f);
    }
    if (v < least[n] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
        return 0;
    *c = v;
    return n;
}

/* Characters that could end a line or rearrange it in some viewer. */
static bool must_escape(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || /* C0, DEL, C1 */
           c == 0x200e || c == 0x200f ||          /* direction marks */
           (c >= 0x2028 && c <= 0x202e) ||        /* line and paragraph separator, embeddings and overrides */
           (c >= 0x2066 && c <= 0x2069) ||        /* isolates */
           c == 0x061c || c == 0xfeff;
}

static bool must_quote(struct bytes v)
{
    for (size_t i = 0; i < v.len;) {
        uint32_t c;
        size_t n = utf8_decode(v.data + i, v.len - i, &c);
        if (n == 0 || c == ' ' || c == '"' || c == '=' || c == '\\' || must_escape(c))
            return true;
        i += n;
    }
    return v.len == 0;
}

/* One character (or stray byte) as it stands between quotes. Returns how many bytes of the value it used. */
static size_t escape_one(struct bytes v, char out[8], size_t *out_len)
{
    uint32_t c;
    size_t n = utf8_decode(v.data, v.len, &c);
    const char *shorthand = n == 0      ? NULL
                            : c == '"'  ? "\\\""
                            : c == '\\' ? "\\\\"
                            : c == '\n' ? "\\n"
                            : c == '\r' ? "\\r"
                            : c == '\t' ? "\\t"
                                        : NULL;
    if (n == 0)
        *out_len = (size_t)snprintf(out, 8, "\\x%02x", v.data[0]);
    else if (shorthand)
        memcpy(out, shorthand, *out_len = 2);
    else if (must_escape(c))
        *out_len = (size_t)snprintf(out, 8, "\\u%04x", c & 0xffff);
    else
        memcpy(out, v.data, *out_len = n);
    return n ? n : 1;
}

static void line_add_value(struct line *l, struct bytes v)
{
    if (!must_quote(v)) {
        struct bytes fits = bytes_of(v.data, v.len < l->room ? v.len : l->room);
        while (fits.len < v.len && fits.len > 0 && (v.data[fits.len] & 0xc0) == 0x80)
            fits.len--; /* no half characters */
        line_add(l, (const char *)fits.data, fits.len);
        l->cut = fits.len < v.len;
        return;
    }
    if (l->room < 2) {
        l->cut = true;
        return;
    }
    line_add(l, "\"", 1);
    l->room--; /* for the closing quote, also when the value is cut */
    while (v.len > 0 && !l->cut) {
        char piece[8];
        size_t n;
        size_t used = escape_one(v, piece, &n);
        line_add(l, piece, n);
        v = bytes_from(v, used);
    }
    *l->at++ = '"';
}

static void line_add_field(struct line *l, const char *key, struct bytes value)
{
    struct line before = *l;
    if (!line_add(l, " ", 1) || !line_add(l, key, strlen(key)) || !line_add(l, "=", 1)) {
        *l = before; /* no half keys */
        l->cut = true;
        return;
    }
    line_add_value(l, value);
}

static void line_add_time(struct line *l, uint64_t utc_ms)
{
    if (utc_ms > LAST_UTC_MS)
        utc_ms = LAST_UTC_MS;
    time_t seconds = (time_t)(utc_ms / 1000);
    struct tm tm;
    char text[40];
    gmtime_r(&seconds, &tm);
    size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(text + n, sizeof(text) - n, ".%03uZ", (unsigned)(utc_ms % 1000));
    line_add(l, "ts=", 3);
    line_add(l, text, n);
}

size_t log_format(char *out, size_t size, uint64_t utc_ms, enum log_level level, const char *event,
                  const struct log_field *fields)
{
    size_t kept = sizeof(cut_mark); /* its NUL is the line's */
    struct line l = {.at = out, .room = size > kept ? size - kept : 0};
    line_add_time(&l, utc_ms);
    const char *name = (unsigned)level < LEVEL_COUNT ? level_names[level] : "error";
    line_add_field(&l, "level", bytes_of_str(name));
    line_add_field(&l, "event", bytes_of_str(event));
    for (const struct log_field *f = fields; f && f->key; f++) {
        char number[24];
        switch (f->type) {
        case LOG_FIELD_STR:
            if (f->str)
                line_add_field(&l, f->key, bytes_of_str(f->str));
            break;
        case LOG_FIELD_INT:
            snprintf(number, sizeof(number), "%lld", (long long)f->number);
            line_add_field(&l, f->key, bytes_of_str(number));
            break;
        case LOG_FIELD_BYTES:
            line_add_field(&l, f->key, f->bytes);
            break;
        }
    }
    if (l.cut && size > kept) {
        memcpy(l.at, cut_mark, sizeof(cut_mark) - 1);
        l.at += sizeof(cut_mark) - 1;
    }
    *l.at = '\0';
    return (size_t)(l.at - out);
}

void log_write_fields(enum log_level level, const char *event, const struct log_field *fields)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t utc_ms = now.tv_sec < 0 ? 0 : (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    char line[LINE_MAX_BYTES];
    size_t n = log_format(line, sizeof(line), utc_ms, level, event, fields);
    line[n++] = '\n'; /* over the NUL */
    /* One write per line. A line that standard error does not take is lost: there is nobody left to tell. */
    ssize_t written;
    do {
        written = write(STDERR_FILENO, line, n);
    } while (written < 0 && errno == EINTR);
}
