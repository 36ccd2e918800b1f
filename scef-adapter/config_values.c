/* Checks of single values, and the parsers behind them. */
#include "scef-adapter/config_keys.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "t8/dialect.h"

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Decimal digits without sign, blank or leading zero. */
static bool number_parse(const char *text, size_t len, uint32_t max, uint32_t *out)
{
    uint64_t v = 0;
    if (len == 0 || len > 9 || (text[0] == '0' && len > 1))
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        v = v * 10 + (uint64_t)(text[i] - '0');
    }
    *out = (uint32_t)v;
    return v <= max;
}

static bool address_ok(const char *host)
{
    struct in6_addr any;
    return inet_pton(AF_INET, host, &any) == 1 || inet_pton(AF_INET6, host, &any) == 1;
}

static bool name_char(char c)
{
    return is_alnum(c) || c == '-' || c == '_' || c == '.';
}

/* HOST, HOST:PORT, [ADDRESS] or [ADDRESS]:PORT; *port is left alone when there is none. */
static bool authority_parse(const char *text, size_t len, struct config_endpoint *out, bool *has_port)
{
    const char *end = text + len, *host = text, *host_end, *port;
    if (len && text[0] == '[') {
        host = text + 1;
        host_end = memchr(host, ']', (size_t)(end - host));
        if (!host_end)
            return false;
        port = host_end + 1;
    } else {
        host_end = memchr(text, ':', len);
        if (!host_end)
            host_end = end;
        port = host_end;
    }
    size_t host_len = (size_t)(host_end - host);
    if (host_len == 0 || host_len >= sizeof(out->host))
        return false;
    memcpy(out->host, host, host_len);
    out->host[host_len] = '\0';
    if (host != text) {
        struct in6_addr any;
        if (inet_pton(AF_INET6, out->host, &any) != 1)
            return false;
    } else {
        for (size_t i = 0; i < host_len; i++)
            if (!name_char(out->host[i]))
                return false;
    }
    *has_port = port != end;
    if (!*has_port)
        return true;
    uint32_t number;
    if (*port != ':' || !number_parse(port + 1, (size_t)(end - port - 1), UINT16_MAX, &number))
        return false;
    out->port = (uint16_t)number;
    return true;
}

bool config_endpoint_parse(const char *text, struct config_endpoint *out)
{
    bool has_port;
    return authority_parse(text, strlen(text), out, &has_port) && has_port && address_ok(out->host);
}

const char *config_check_listen(const char *text)
{
    struct config_endpoint e;
    return config_endpoint_parse(text, &e) ? NULL : "is no numeric address with a port";
}

static const char *http_url_check(const char *text, size_t len)
{
    size_t scheme = strncmp(text, "http://", 7) == 0 ? 7 : strncmp(text, "https://", 8) == 0 ? 8 : 0;
    if (!scheme || len < scheme)
        return "does not begin with http:// or https://";
    struct config_endpoint e = {.port = 80};
    bool has_port;
    const char *host = text + scheme, *end = text + len;
    const char *path = memchr(host, '/', len - scheme);
    if (!authority_parse(host, (size_t)((path ? path : end) - host), &e, &has_port) || e.port == 0)
        return "has no proper host and port";
    for (const char *p = host; p < end; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f || *p == '?' || *p == '#' || *p == '"')
            return "holds a character that a URL without query cannot hold";
    return NULL;
}

const char *config_check_http_url(const char *text)
{
    return http_url_check(text, strlen(text));
}

#define SEPARATORS " ,\t"

/* The next word of a list; its length is 0 at the end. */
static const char *word_next(const char *text, size_t *len)
{
    text += strspn(text, SEPARATORS);
    *len = strcspn(text, SEPARATORS);
    return text;
}

const char *config_check_http_urls(const char *text)
{
    for (size_t len; (text = word_next(text, &len), len); text += len)
        if (http_url_check(text, len))
            return "is not a list of URLs without query";
    return NULL;
}

const char *config_check_hosts(const char *text)
{
    struct config_endpoint e;
    bool has_port;
    for (size_t len; (text = word_next(text, &len), len); text += len)
        if (!authority_parse(text, len, &e, &has_port))
            return "is not a list of hosts";
    return NULL;
}

char **config_words_split(const char *text, size_t *count)
{
    size_t len = strlen(text), most = len / 2 + 1; /* each takes a character and a separator at least */
    char **words = malloc(most * sizeof(*words) + len + 1);
    if (!words)
        return NULL;
    char *copy = (char *)(words + most), *rest = NULL;
    memcpy(copy, text, len + 1);
    *count = 0;
    for (char *word = strtok_r(copy, SEPARATORS, &rest); word; word = strtok_r(NULL, SEPARATORS, &rest))
        words[(*count)++] = word;
    return words;
}

/* RFC 7252 clause 6, RFC 8323 clause 8; the length of the scheme with "://", 0: none of them. */
static size_t server_scheme(const char *text, enum config_scheme *out, uint16_t *default_port)
{
    static const struct {
        const char *text;
        enum config_scheme scheme;
        uint16_t port;
    } schemes[] = {{"coap://", CONFIG_SCHEME_UDP, 5683},
                   {"coaps://", CONFIG_SCHEME_DTLS, 5684},
                   {"coap+tcp://", CONFIG_SCHEME_TCP, 5683},
                   {"coaps+tcp://", CONFIG_SCHEME_TLS, 5684}};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
        const size_t len = strlen(schemes[i].text);
        if (strncmp(text, schemes[i].text, len) == 0) {
            *out = schemes[i].scheme;
            *default_port = schemes[i].port;
            return len;
        }
    }
    return 0;
}

bool config_server_uri_parse(const char *text, enum config_scheme *scheme, struct config_endpoint *out)
{
    size_t scheme_len = server_scheme(text, scheme, &out->port);
    if (!scheme_len)
        return false;
    text += scheme_len;
    size_t len = strcspn(text, "/");
    bool has_port;
    return (text[len] == '\0' || text[len + 1] == '\0') && authority_parse(text, len, out, &has_port) && out->port != 0;
}

const char *config_check_server_uri(const char *text)
{
    struct config_endpoint e;
    enum config_scheme scheme;
    if (!server_scheme(text, &scheme, &e.port))
        return "does not begin with coap://, coaps://, coap+tcp:// or coaps+tcp://";
    return config_server_uri_parse(text, &scheme, &e) ? NULL : "is not a scheme, a host and a port, and nothing else";
}

bool config_prefix_parse(const char *text, struct config_prefix *out)
{
    *out = (struct config_prefix){.ipv6 = strchr(text, ':') != NULL};
    const char *slash = strchr(text, '/');
    char address[INET6_ADDRSTRLEN];
    uint32_t length, bits = out->ipv6 ? 128 : 32;
    if (!slash || (size_t)(slash - text) >= sizeof(address) ||
        !number_parse(slash + 1, strlen(slash + 1), bits, &length))
        return false;
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    if (inet_pton(out->ipv6 ? AF_INET6 : AF_INET, address, out->address) != 1)
        return false;
    out->length = length;
    for (uint32_t bit = length; bit < bits; bit++)
        if (out->address[bit / 8] & 0x80u >> bit % 8)
            return false;
    return true;
}

const char *config_check_prefix(const char *text)
{
    struct config_prefix p;
    if (!config_prefix_parse(text, &p))
        return "is no prefix, or has bits set behind its length";
    if (p.length < 8 || p.length > (p.ipv6 ? 126u : 30u))
        return p.length < 8 ? "is too wide" : "leaves no room for devices";
    return NULL;
}

const char *config_check_address(const char *text)
{
    return address_ok(text) ? NULL : "is no numeric IP address";
}

bool config_port_range_parse(const char *text, uint16_t *first, uint16_t *last)
{
    const char *dash = strchr(text, '-');
    uint32_t a, b;
    if (!dash || !number_parse(text, (size_t)(dash - text), UINT16_MAX, &a) ||
        !number_parse(dash + 1, strlen(dash + 1), UINT16_MAX, &b) || a == 0 || b < a)
        return false;
    *first = (uint16_t)a;
    *last = (uint16_t)b;
    return true;
}

const char *config_check_port_range(const char *text)
{
    uint16_t first, last;
    return config_port_range_parse(text, &first, &last) ? NULL : "is no range of ports";
}

const char *config_check_name(const char *text)
{
    size_t n = strlen(text);
    if (n == 0 || n > 63)
        return n ? "is too long" : "is empty";
    for (size_t i = 0; i < n; i++)
        if (!name_char(text[i]))
            return "holds a character that a name cannot hold";
    return NULL;
}

/* It becomes a part of a path, where dots alone would be taken for the folder itself (RFC 3986 clause 5.2.4). */
const char *config_check_scef_name(const char *text)
{
    const char *wrong = config_check_name(text);
    return wrong ? wrong : strspn(text, ".") == strlen(text) ? "is made of dots alone" : NULL;
}

const char *config_check_dialect(const char *text)
{
    return t8_dialect_find(text) ? NULL : "is not known";
}

const char *config_check_path_segment(const char *text)
{
    size_t n = strlen(text);
    if (n == 0 || n > 255)
        return n ? "is too long" : "is empty";
    for (size_t i = 0; i < n; i++)
        if (!name_char(text[i]) && !strchr("~%@!$&'()*+,;=:", text[i]))
            return "holds a character that must be percent-encoded in a URL";
    return NULL;
}

const char *config_check_external_id(const char *text)
{
    const char *at = strchr(text, '@');
    size_t n = strlen(text);
    if (!at || at == text || !at[1] || strchr(at + 1, '@'))
        return "is not LOCAL@DOMAIN";
    if (n > 253)
        return "is longer than 253 bytes";
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 0x7f || text[i] == '"' || text[i] == '\\')
            return "holds a blank, a quote or a character that is not ASCII";
    return NULL;
}

/* Printable ASCII without blanks, quotes and backslashes, as far as External Identifiers go. */
static const char *printable_check(const char *text, size_t max)
{
    size_t n = strlen(text);
    if (n > max)
        return "is too long";
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] >= 0x7f || text[i] == '"' || text[i] == '\\')
            return "holds a blank, a quote or a character that is not ASCII";
    return NULL;
}

const char *config_check_external_id_pattern(const char *text)
{
    return printable_check(text, 253);
}

const char *config_check_domain(const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++)
        if (!name_char(text[i]))
            return "holds a character that a domain cannot hold";
    return n > 251 ? "is too long" : NULL; /* with an at sign and a local part an External Identifier of 253 */
}

const char *config_check_uri_host(const char *text)
{
    return printable_check(text, 255); /* RFC 7252 clause 5.10 */
}

const char *config_check_endpoint(const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return "holds a control character";
    return n > 255 - 3 ? "is too long" : NULL; /* of a Uri-Query, less "ep=" (RFC 7252 clause 5.10) */
}

const char *config_check_psk_identity(const char *text)
{
    size_t n = strlen(text);
    return n == 0 ? "is empty" : n > 128 ? "is longer than 128 bytes" : NULL;
}

const char *config_check_psk_key(const char *text)
{
    size_t n = strlen(text);
    return n == 0                                        ? "is empty"
           : n > 128                                     ? "is too long"
           : strspn(text, "0123456789abcdefABCDEF") != n ? "holds a character that is no hexadecimal digit"
           : n % 2                                       ? "has an odd number of digits"
                                                         : NULL;
}

const char *config_check_msisdn(const char *text)
{
    size_t n = strlen(text);
    if (n < 5 || n > 15 || strspn(text, "0123456789") != n)
        return "is no MSISDN (digits only, no '+')";
    return NULL;
}

const char *config_check_path_token(const char *text)
{
    size_t n = strlen(text);
    if (n < 16 || n > 128)
        return n < 16 ? "is too short" : "is too long";
    for (size_t i = 0; i < n; i++)
        if (!name_char(text[i]) && text[i] != '~')
            return "holds a character that it cannot hold";
    return NULL;
}
