#include "buffering/store_redis_options.h"

#include <stddef.h>
#include <string.h>

#define REDIS_PORT    6379
#define SENTINEL_PORT 26379
#define DATABASE_MAX  65535

static bool number_parse(const char *text, size_t len, unsigned max, unsigned *out)
{
    unsigned n = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9' || n > max)
            return false;
        n = n * 10 + (unsigned)(text[i] - '0');
    }
    *out = n;
    return len > 0 && n <= max;
}

/* HOST, HOST:PORT, [ADDRESS]:PORT */
static const char *address_parse(const char *text, size_t len, uint16_t port, struct redis_address *out)
{
    const bool bracket = len > 0 && text[0] == '[';
    const char *end = bracket ? memchr(text, ']', len) : memchr(text, ':', len);
    const char *host = text + bracket;
    unsigned number = port;
    if (bracket && !end)
        return "has no ] behind the address";
    const size_t host_len = end ? (size_t)(end - host) : len;
    if (bracket)
        end++;
    if (host_len == 0 || host_len >= sizeof(out->host) || strcspn(host, " \t/@") < host_len)
        return "names no host";
    const size_t rest = end ? (size_t)(text + len - end) : 0;
    if (rest > 0 && (*end != ':' || !number_parse(end + 1, rest - 1, UINT16_MAX, &number) || number == 0))
        return "has no valid port";
    *out = (struct redis_address){.port = (uint16_t)number};
    memcpy(out->host, host, host_len);
    return NULL;
}

static const char *unix_parse(const char *text, struct redis_address *address, unsigned *database)
{
    const char *query = strstr(text, "?db=");
    const size_t len = query ? (size_t)(query - text) : strlen(text);
    *database = 0;
    if (len == 0 || text[0] != '/')
        return "has no absolute path";
    *address = (struct redis_address){0};
    if (len >= sizeof(address->path))
        return "has a path longer than a socket may have";
    memcpy(address->path, text, len);
    if (query && !number_parse(query + 4, strlen(query + 4), DATABASE_MAX, database))
        return "has no valid database number";
    return NULL;
}

const char *redis_uri_parse(const char *uri, struct redis_address *address, bool *tls, unsigned *database)
{
    *tls = strncmp(uri, "rediss://", 9) == 0;
    if (strncmp(uri, "unix:", 5) == 0)
        return unix_parse(uri + 5, address, database);
    if (!*tls && strncmp(uri, "redis://", 8) != 0)
        return "does not begin with redis://, rediss:// or unix:";
    const char *at = uri + (*tls ? 9 : 8);
    const char *slash = strchr(at, '/');
    const size_t len = slash ? (size_t)(slash - at) : strlen(at);
    *database = 0;
    if (memchr(at, '@', len))
        return "holds a user; name and password have keys of their own";
    if (slash && slash[1] && !number_parse(slash + 1, strlen(slash + 1), DATABASE_MAX, database))
        return "has no valid database number";
    return address_parse(at, len, REDIS_PORT, address);
}

const char *redis_sentinels_parse(const char *text, struct redis_address out[REDIS_SENTINELS_MAX], unsigned *count)
{
    *count = 0;
    for (;;) {
        text += strspn(text, ", ");
        const size_t len = strcspn(text, ", ");
        if (len == 0)
            return *count ? NULL : "names no Sentinel";
        if (*count == REDIS_SENTINELS_MAX)
            return "names more than 16 Sentinels";
        const char *fault = address_parse(text, len, SENTINEL_PORT, &out[*count]);
        if (fault)
            return fault;
        ++*count;
        text += len;
    }
}

const char *redis_prefix_fault(const char *prefix)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:";
    const size_t len = strlen(prefix);
    if (len == 0 || len > 64)
        return "is not 1 to 64 characters long";
    return strspn(prefix, allowed) == len ? NULL : "holds other characters than letters, digits and '-', '_', '.', ':'";
}

const char *store_durability_name(enum store_durability d)
{
    static const char *const names[] = {"memory", "everysec", "fsync", "replicated"};
    return names[d];
}
