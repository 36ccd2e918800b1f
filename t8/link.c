/* Links of the SCEF: absolute, relative, or with a host that only exists inside the operator. */
#include "t8/common.h"

#include <string.h>
#include <strings.h>

static struct bytes head(struct bytes b, size_t len)
{
    return bytes_of(b.data, len);
}

static bool begins(struct bytes b, struct bytes with)
{
    return b.len >= with.len && (with.len == 0 || memcmp(b.data, with.data, with.len) == 0);
}

/* Without query, fragment and slashes at the end. */
static struct bytes without_query(struct bytes link)
{
    size_t len = 0;
    while (len < link.len && link.data[len] != '?' && link.data[len] != '#')
        len++;
    while (len > 0 && link.data[len - 1] == '/')
        len--;
    return head(link, len);
}

/* The topmost collections of the APIs (TS 29.122 clauses 5.6.3.1, 5.7.3.1 and 5.3.3.1). */
static bool is_collection(struct bytes segment)
{
    return bytes_equal(segment, BYTES_LIT("configurations")) || bytes_equal(segment, BYTES_LIT("transactions")) ||
           bytes_equal(segment, BYTES_LIT("subscriptions"));
}

struct bytes t8_link_tail(struct bytes link)
{
    link = without_query(link);
    for (size_t end = link.len; end > 0;) {
        size_t at = end; /* link[at, end) is a segment */
        while (at > 0 && link.data[at - 1] != '/')
            at--;
        if (at == 0)
            break;
        if (end < link.len && is_collection(bytes_of(link.data + at, end - at))) {
            size_t owner = at - 1;
            while (owner > 0 && link.data[owner - 1] != '/')
                owner--;
            if (owner == 0 || owner == at - 1 || link.data[end + 1] == '/')
                break; /* no scsAsId before it, or no identifier after it */
            return bytes_from(link, owner - 1);
        }
        end = at - 1;
    }
    return bytes_of(NULL, 0);
}

/* ---- origins */

struct origin {
    struct bytes scheme;
    struct bytes host; /* with brackets when IPv6 */
    struct bytes port;
};

static bool scheme_is(struct bytes scheme, const char *name)
{
    return scheme.len == strlen(name) && strncasecmp((const char *)scheme.data, name, scheme.len) == 0;
}

/* Splits "scheme://[user@]host[:port]" from what follows; false when that is not how the link begins. */
static bool origin_split(struct bytes link, struct bytes base_scheme, struct origin *o, struct bytes *rest)
{
    size_t at = 0;
    o->scheme = base_scheme;
    if (!begins(link, BYTES_LIT("//"))) {
        while (at < link.len && link.data[at] != ':' && link.data[at] != '/')
            at++;
        if (!begins(bytes_from(link, at), BYTES_LIT("://")))
            return false;
        o->scheme = head(link, at);
        at++;
    }
    at += 2;
    size_t end = at;
    size_t port = 0;
    bool bracket = false;
    for (; end < link.len && !strchr("/?#", link.data[end]); end++) {
        uint8_t c = link.data[end];
        if (c == '@') {
            at = end + 1;
            port = 0;
        } else if (c == '[' || c == ']') {
            bracket = c == '[';
        } else if (c == ':' && !bracket) {
            port = end;
        }
    }
    o->host = bytes_of(link.data + at, (port ? port : end) - at);
    o->port = port ? bytes_of(link.data + port + 1, end - port - 1) : bytes_of(NULL, 0);
    if (o->port.len == 0)
        o->port = scheme_is(o->scheme, "https") ? BYTES_LIT("443") : BYTES_LIT("80");
    *rest = bytes_from(link, end);
    return true;
}

static bool same_text(struct bytes a, struct bytes b)
{
    return a.len == b.len && strncasecmp((const char *)a.data, (const char *)b.data, a.len) == 0;
}

static bool same_origin(const struct origin *a, const struct origin *b)
{
    return same_text(a->scheme, b->scheme) && same_text(a->host, b->host) && bytes_equal(a->port, b->port);
}

static bool same_host_entry(struct bytes entry, const struct origin *o)
{
    if (same_text(entry, o->host))
        return true;
    return entry.len == o->host.len + 1 + o->port.len && same_text(head(entry, o->host.len), o->host) &&
           entry.data[o->host.len] == ':' && bytes_equal(bytes_from(entry, o->host.len + 1), o->port);
}

static bool other_host_allowed(const struct t8_link_base *base, const struct origin *ours, const struct origin *theirs)
{
    bool secure = scheme_is(theirs->scheme, "https");
    if (theirs->host.len == 0 || !(secure || (scheme_is(theirs->scheme, "http") && !scheme_is(ours->scheme, "https"))))
        return false;
    for (size_t i = 0; i < base->allowed_host_count; i++)
        if (same_host_entry(bytes_of_str(base->allowed_hosts[i]), theirs))
            return true;
    return false;
}

/* ---- paths */

/* RFC 3986 clause 5.2.4, on out->data from `start` on, which begins with '/'. */
static void remove_dots(struct buf *out, size_t start)
{
    uint8_t *path = out->data + start;
    size_t len = out->len - start;
    size_t to = 0;
    for (size_t from = 0; from < len;) {
        size_t next = from + 1;
        while (next < len && path[next] != '/')
            next++;
        size_t segment = next - from - 1; /* path[from] is its '/' */
        bool last = next == len;
        if (segment == 1 && path[from + 1] == '.') {
            if (last)
                path[to++] = '/';
        } else if (segment == 2 && path[from + 1] == '.' && path[from + 2] == '.') {
            while (to > 0 && path[--to] != '/')
                ;
            if (last)
                path[to++] = '/';
        } else {
            memmove(path + to, path + from, next - from);
            to += next - from;
        }
        from = next;
    }
    out->len = start + to;
}

/* Only what may stand in a URL: nothing that could end a header line or upset an HTTP client. */
static bool clean(struct bytes link)
{
    for (size_t i = 0; i < link.len; i++)
        if (link.data[i] <= 0x20 || link.data[i] >= 0x7f || strchr("\"<>\\^`{|}", link.data[i]))
            return false;
    return link.len > 0 && link.len <= T8_MAX_LINK_BYTES;
}

/* A path, absolute once it is behind dir, to its compact form. At another origin than ours only a tail counts. */
static void add_path(const struct t8_link_base *base, bool ours, struct bytes dir, struct bytes path, struct buf *out)
{
    size_t start = out->len;
    buf_add(out, dir);
    buf_add(out, without_query(path));
    if (out->failed || out->len == start)
        return;
    remove_dots(out, start);
    struct bytes whole = without_query(bytes_of(out->data + start, out->len - start));
    struct bytes tail = t8_link_tail(whole);
    bool under_api = tail.len + base->api_path.len == whole.len && begins(whole, base->api_path);
    if (ours && begins(whole, BYTES_LIT("//"))) { /* would read as a host */
        out->len = start;
    } else if (!ours || (tail.len && under_api)) {
        if (tail.len)
            memmove(out->data + start, tail.data, tail.len);
        out->len = start + tail.len;
    } else {
        out->len = start + whole.len;
    }
}

/* An absolute URL without query, of what origin_split took apart. */
static void add_url(const struct origin *o, struct bytes rest, struct buf *out)
{
    struct bytes path = without_query(rest);
    buf_add(out, o->scheme);
    buf_addf(out, "://%.*s:%.*s", (int)o->host.len, (const char *)o->host.data, (int)o->port.len,
             (const char *)o->port.data);
    size_t start = out->len;
    buf_add(out, path);
    if (!out->failed && out->len > start)
        remove_dots(out, start);
}

static void compact_of_any_length(const struct t8_link_base *base, struct bytes request_path, struct bytes link,
                                  struct buf *out)
{
    struct origin ours;
    struct origin theirs;
    struct bytes rest;
    if (!clean(link) || !origin_split(base->origin, BYTES_LIT("http"), &ours, &rest))
        return;
    if (origin_split(link, ours.scheme, &theirs, &rest)) {
        if (!same_origin(&ours, &theirs) && other_host_allowed(base, &ours, &theirs)) {
            add_url(&theirs, rest, out);
            return;
        }
        add_path(base, same_origin(&ours, &theirs), bytes_of(NULL, 0), rest, out);
        return;
    }
    if (link.data[0] == '/') {
        add_path(base, true, bytes_of(NULL, 0), link, out);
        return;
    }
    for (size_t i = 0; i < link.len && link.data[i] != '/'; i++)
        if (link.data[i] == ':')
            return; /* some other scheme */
    size_t dir = request_path.len;
    while (dir > 0 && request_path.data[dir - 1] != '/')
        dir--;
    if (dir > 0)
        add_path(base, true, head(request_path, dir), link, out);
}

void t8_link_compact(const struct t8_link_base *base, struct bytes request_path, struct bytes link, struct buf *out)
{
    size_t start = out->len;
    compact_of_any_length(base, request_path, link, out);
    if (out->len - start > T8_MAX_LINK_BYTES)
        out->len = start; /* a relative one that grew too long by what it is relative to */
}

bool t8_link_expand(const struct t8_link_base *base, struct bytes compact, struct buf *out)
{
    if (!clean(compact) || begins(compact, BYTES_LIT("//")))
        return false;
    if (compact.data[0] != '/') {
        if (t8_link_allowed(base, compact)) {
            buf_add(out, compact);
            return !out->failed;
        }
        compact = t8_link_tail(compact);
        if (compact.len == 0)
            return false;
    }
    buf_add(out, base->origin);
    if (t8_link_tail(compact).data == compact.data)
        buf_add(out, base->api_path);
    buf_add(out, compact);
    return !out->failed;
}

bool t8_link_allowed(const struct t8_link_base *base, struct bytes url)
{
    struct origin ours;
    struct origin theirs;
    struct bytes rest;
    if (!clean(url) || begins(url, BYTES_LIT("//")) || !origin_split(base->origin, BYTES_LIT("http"), &ours, &rest) ||
        !origin_split(url, ours.scheme, &theirs, &rest))
        return false;
    return same_origin(&ours, &theirs) || other_host_allowed(base, &ours, &theirs);
}

bool t8_link_resolve(struct bytes request_url, struct bytes reference, struct buf *out)
{
    struct origin o;
    struct bytes path;
    struct bytes rest;
    size_t fragment = 0;
    while (fragment < reference.len && reference.data[fragment] != '#')
        fragment++;
    reference = head(reference, fragment);
    if (!clean(reference) || !clean(request_url) || begins(request_url, BYTES_LIT("//")) ||
        !origin_split(request_url, BYTES_LIT("http"), &o, &path))
        return false;
    bool relative = !origin_split(reference, o.scheme, &o, &rest);
    if (relative)
        rest = reference;
    for (size_t i = 0; relative && i < rest.len && !strchr("/?", rest.data[i]); i++)
        if (rest.data[i] == ':')
            return false; /* some other scheme */
    if (o.host.len == 0 || !(scheme_is(o.scheme, "http") || scheme_is(o.scheme, "https")))
        return false;
    size_t query = 0;
    while (query < rest.len && rest.data[query] != '?')
        query++;
    buf_add(out, o.scheme);
    buf_addf(out, "://%.*s:%.*s", (int)o.host.len, (const char *)o.host.data, (int)o.port.len,
             (const char *)o.port.data);
    size_t start = out->len;
    size_t dir = 0;
    while (dir < path.len && path.data[dir] != '?')
        dir++;
    while (relative && query > 0 && dir > 0 && path.data[dir - 1] != '/')
        dir--;
    if (relative && (rest.data[0] == '?' || rest.data[0] != '/'))
        buf_add(out, head(path, dir));
    if (out->len == start && (query == 0 || rest.data[0] != '/'))
        buf_add_u8(out, '/');
    buf_add(out, head(rest, query));
    if (out->failed)
        return false;
    remove_dots(out, start);
    buf_add(out, bytes_from(rest, query));
    return !out->failed && out->len - start <= T8_MAX_LINK_BYTES;
}

/* ---- segments */

void t8_link_add_segment(struct buf *out, struct bytes text)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c && strchr("-._~!$&'()*+,;=:@", c)); /* pchar of RFC 3986 clause 3.3 */
        /* "." and ".." mean something else */
        if (c == '.' && (text.len == 1 || (text.len == 2 && text.data[0] == '.' && text.data[1] == '.')))
            plain = false;
        if (plain) {
            buf_add_u8(out, c);
        } else {
            buf_add_u8(out, '%');
            buf_add_u8(out, (uint8_t)hex[c >> 4]);
            buf_add_u8(out, (uint8_t)hex[c & 15]);
        }
    }
}

static int nibble(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool t8_link_decode_segment(struct bytes segment, struct buf *out)
{
    for (size_t i = 0; i < segment.len; i++) {
        uint8_t c = segment.data[i];
        if (c == '%') {
            int high = i + 2 < segment.len ? nibble(segment.data[i + 1]) : -1;
            int low = high >= 0 ? nibble(segment.data[i + 2]) : -1;
            if (low < 0)
                return false;
            c = (uint8_t)(high << 4 | low);
            i += 2;
        }
        buf_add_u8(out, c);
    }
    return !out->failed;
}
