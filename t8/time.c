/* DateTime (TS 29.122 clause 5.2.1.3.2): RFC 3339 clause 5.6, by plain arithmetic on days since 1970. */
#include "t8/common.h"

#include <stdio.h>

struct text {
    const uint8_t *at;
    const uint8_t *end;
};

/* Exactly n digits. */
static bool digits(struct text *t, unsigned n, uint32_t *out)
{
    *out = 0;
    for (; n > 0; n--, t->at++) {
        if (t->at == t->end || *t->at < '0' || *t->at > '9')
            return false;
        *out = *out * 10 + (uint32_t)(*t->at - '0');
    }
    return true;
}

static bool one_of(struct text *t, char a, char b)
{
    if (t->at == t->end || (*t->at != (uint8_t)a && *t->at != (uint8_t)b))
        return false;
    t->at++;
    return true;
}

static bool leap(uint32_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static uint32_t days_in_month(uint32_t year, uint32_t month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && leap(year) ? 29 : days[month - 1];
}

/* Days from 1970-01-01 to the first of January. */
static int64_t days_before_year(uint32_t year)
{
    int64_t y = (int64_t)year - 1;
    return 365 * ((int64_t)year - 1970) + (y / 4 - y / 100 + y / 400) - (1969 / 4 - 1969 / 100 + 1969 / 400);
}

/* ".120" and longer; more precise than a millisecond is cut. */
static bool fraction(struct text *t, uint32_t *ms)
{
    *ms = 0;
    if (!one_of(t, '.', ','))
        return true;
    uint32_t weight = 100;
    const uint8_t *start = t->at;
    for (; t->at < t->end && *t->at >= '0' && *t->at <= '9'; t->at++, weight /= 10)
        *ms += (uint32_t)(*t->at - '0') * weight;
    return t->at > start;
}

/* "Z" or "+05:30"; the colon may be missing. */
static bool offset(struct text *t, int64_t *minutes)
{
    *minutes = 0;
    if (one_of(t, 'Z', 'z'))
        return true;
    bool west = t->at < t->end && *t->at == '-';
    uint32_t h;
    uint32_t m;
    if (!one_of(t, '+', '-') || !digits(t, 2, &h))
        return false;
    (void)one_of(t, ':', ':');
    if (!digits(t, 2, &m) || h > 23 || m > 59)
        return false;
    *minutes = (int64_t)(h * 60 + m) * (west ? -1 : 1);
    return true;
}

bool t8_time_parse(struct bytes text, uint64_t *utc_ms)
{
    if (text.len == 0)
        return false;
    struct text t = {text.data, text.data + text.len};
    uint32_t year, month, day, hour, minute, second, ms;
    int64_t off;
    if (!digits(&t, 4, &year) || !one_of(&t, '-', '-') || !digits(&t, 2, &month) || !one_of(&t, '-', '-') ||
        !digits(&t, 2, &day) || !(one_of(&t, 'T', 't') || one_of(&t, ' ', ' ')) || !digits(&t, 2, &hour) ||
        !one_of(&t, ':', ':') || !digits(&t, 2, &minute) || !one_of(&t, ':', ':') || !digits(&t, 2, &second) ||
        !fraction(&t, &ms) || !offset(&t, &off) || t.at != t.end)
        return false;
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 ||
        minute > 59 || second > 60) /* 60: a leap second */
        return false;
    int64_t days = days_before_year(year) + day - 1;
    for (uint32_t m = 1; m < month; m++)
        days += days_in_month(year, m);
    int64_t seconds = ((days * 24 + hour) * 60 + minute - off) * 60 + second;
    if (seconds < 0)
        return false;
    *utc_ms = (uint64_t)seconds * 1000 + ms;
    return true;
}

void t8_time_format(uint64_t utc_ms, char out[32])
{
    static const uint64_t year_10000_ms = 253402300800000;
    if (utc_ms >= year_10000_ms) /* four digits are all the format has */
        utc_ms = year_10000_ms - 1;
    uint32_t ms = (uint32_t)(utc_ms % 1000);
    uint64_t seconds = utc_ms / 1000;
    int64_t days = (int64_t)(seconds / 86400);
    uint32_t in_day = (uint32_t)(seconds % 86400);
    uint32_t year = 1970 + (uint32_t)(days / 366); /* never too late, at most a few years early */
    while (days_before_year(year + 1) <= days)
        year++;
    uint32_t day = (uint32_t)(days - days_before_year(year));
    uint32_t month = 1;
    while (day >= days_in_month(year, month))
        day -= days_in_month(year, month++);
    int n = snprintf(out, 32, "%04u-%02u-%02uT%02u:%02u:%02u", year % 10000, month % 100, (day + 1) % 100,
                     in_day / 3600, in_day / 60 % 60, in_day % 60);
    if (ms)
        snprintf(out + n, 32 - (size_t)n, ".%03uZ", ms);
    else
        snprintf(out + n, 32 - (size_t)n, "Z");
}
