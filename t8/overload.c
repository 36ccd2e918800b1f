#include "t8/overload.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#define PERIOD_MAX_S  86400 /* nobody is overloaded for longer without saying so again */
#define WAIT_MIN_MS   1000
#define WAIT_MAX_MS   10000
#define HTTP_DATE_LEN 29 /* RFC 9110 clause 5.6.7: IMF-fixdate */

void overload_init(struct overload *o, uint64_t seed)
{
    *o = (struct overload){0};
    prng_seed(&o->prng, seed);
}

static struct bytes trimmed(struct bytes b)
{
    while (b.len && (b.data[0] == ' ' || b.data[0] == '\t'))
        b = bytes_from(b, 1);
    while (b.len && (b.data[b.len - 1] == ' ' || b.data[b.len - 1] == '\t'))
        b.len--;
    return b;
}

/* The value of a parameter "name: value", quotes taken off, when this is the one. */
static bool parameter(struct bytes part, const char *name, struct bytes *value)
{
    size_t len = strlen(name);
    if (part.len <= len || strncasecmp((const char *)part.data, name, len) != 0)
        return false;
    struct bytes rest = trimmed(bytes_from(part, len));
    if (rest.len == 0 || (rest.data[0] != ':' && rest.data[0] != '='))
        return false;
    rest = trimmed(bytes_from(rest, 1));
    if (rest.len >= 2 && rest.data[0] == '"' && rest.data[rest.len - 1] == '"')
        rest = bytes_of(rest.data + 1, rest.len - 2);
    *value = rest;
    return true;
}

/* Digits and then `unit`. */
static bool number_parse(struct bytes text, uint8_t unit, uint32_t max, uint32_t *out)
{
    uint32_t v = 0;
    if (text.len < 2 || text.len > 9 || text.data[text.len - 1] != unit)
        return false;
    for (size_t i = 0; i + 1 < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        v = v * 10 + (uint32_t)(text.data[i] - '0');
    }
    *out = v;
    return v <= max;
}

static bool date_parse(struct bytes text, uint64_t *utc_ms)
{
    char copy[HTTP_DATE_LEN + 1];
    struct tm tm = {0};
    if (text.len != HTTP_DATE_LEN)
        return false;
    memcpy(copy, text.data, HTTP_DATE_LEN);
    copy[HTTP_DATE_LEN] = '\0';
    const char *end = strptime(copy, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    if (!end || *end)
        return false;
    time_t t = timegm(&tm);
    *utc_ms = t > 0 ? (uint64_t)t * 1000 : 0;
    return t > 0;
}

bool overload_hear(struct overload *o, struct bytes value, uint64_t now_ms)
{
    uint64_t told_at_ms = 0;
    uint32_t period_s = 0;
    uint32_t metric = 0;
    bool has_time = false;
    bool has_period = false;
    bool has_metric = false;
    while (value.len) {
        const uint8_t *semicolon = memchr(value.data, ';', value.len);
        size_t len = semicolon ? (size_t)(semicolon - value.data) : value.len;
        struct bytes part = trimmed(bytes_of(value.data, len));
        struct bytes text;
        if (parameter(part, "Timestamp", &text))
            has_time = date_parse(text, &told_at_ms);
        else if (parameter(part, "Period-of-Validity", &text))
            has_period = number_parse(text, 's', UINT32_MAX, &period_s);
        else if (parameter(part, "Overload-Reduction-Metric", &text))
            has_metric = number_parse(text, '%', 100, &metric);
        value = bytes_from(value, semicolon ? len + 1 : len);
    }
    if (!has_time || !has_period || !has_metric || told_at_ms < o->told_at_ms)
        return false;
    o->told_at_ms = told_at_ms;
    o->metric = metric;
    o->until_ms = now_ms + (period_s < PERIOD_MAX_S ? period_s : PERIOD_MAX_S) * UINT64_C(1000);
    return true;
}

uint32_t overload_metric(const struct overload *o, uint64_t now_ms)
{
    return now_ms < o->until_ms ? o->metric : 0;
}

bool overload_admits(struct overload *o, uint64_t now_ms, uint64_t *wait_ms)
{
    uint32_t metric = overload_metric(o, now_ms);
    if (metric == 0 || prng_below(&o->prng, 100) >= metric)
        return true;
    uint64_t left = o->until_ms - now_ms;
    uint64_t wait = WAIT_MIN_MS + prng_below(&o->prng, WAIT_MAX_MS - WAIT_MIN_MS);
    *wait_ms = wait < left ? wait : left;
    return false;
}
