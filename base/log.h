/* One line of key=value per event, to standard error:
 *
 *   ts=2026-11-20T07:26:34.120Z level=warn event=uplink_dropped ext_id=dev1@example.org reason=not_coap
 *
 * Values are quoted and escaped when they are empty or hold a blank, a quote, a backslash, '=', a control
 * character, a character that changes the line's look (line separators, bidirectional marks) or bytes that
 * are not UTF-8, so that no peer can forge a line: \" \\ \n \r \t \uXXXX for characters, \xXX for stray
 * bytes. A line that grows too long is cut and ends with "cut=true". No payload bytes are ever logged. The
 * engine does not log: it reports through its ports. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/bytes.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

struct log_field {
    const char *key; /* NULL ends the list */
    enum { LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_BYTES } type;
    const char *str; /* NULL: the field is left out */
    int64_t number;
    struct bytes bytes; /* text that is not NUL-terminated */
};

#define LOG_S(k, v) {.key = (k), .type = LOG_FIELD_STR, .str = (v)}
#define LOG_I(k, v) {.key = (k), .type = LOG_FIELD_INT, .number = (int64_t)(v)}
#define LOG_B(k, v) {.key = (k), .type = LOG_FIELD_BYTES, .bytes = (v)}

/* log_write(LOG_WARN, "uplink_dropped", LOG_S("ext_id", id), LOG_S("reason", why)); fields are optional. */
#define log_write(level, event, ...)                                                                                   \
    do {                                                                                                               \
        if (log_wanted(level))                                                                                         \
            log_write_fields((level), (event), (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){.key = NULL}});   \
    } while (0)

void log_set_level(enum log_level level); /* default LOG_INFO */
bool log_wanted(enum log_level level);
/* "error", "warn", "info" or "debug"; anything else: ERR_CONFIG, *out unchanged. */
[[gnu::warn_unused_result]] enum error log_level_parse(const char *name, enum log_level *out);
void log_write_fields(enum log_level level, const char *event, const struct log_field *fields);

/* The line that log_write_fields writes at utc_ms, without the newline, NUL-terminated and cut to size (not
 * 0); for tests. Returns its length. */
size_t log_format(char *out, size_t size, uint64_t utc_ms, enum log_level level, const char *event,
                  const struct log_field *fields);

#endif
