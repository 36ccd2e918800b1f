#include "t8/scef_server_internal.h"

#include <string.h>
#include <strings.h>

#include "t8/json_internal.h"

#define MAX_SEGMENT_BYTES 512
#define ALLOW_BYTES       64

static const struct scef_api *const apis[T8_API_COUNT] = {
    [T8_API_NIDD] = &scef_nidd_api,
    [T8_API_TRIGGERING] = &scef_triggering_api,
    [T8_API_MONITORING] = &scef_monitoring_api,
};

static bool is_served(const struct scef_server *s, enum t8_api api)
{
    const void *const sinks[T8_API_COUNT] = {
        [T8_API_NIDD] = s->nidd, [T8_API_TRIGGERING] = s->triggering, [T8_API_MONITORING] = s->monitoring};
    return sinks[api] != NULL;
}

/* ---- paths */

static bool take_segment(struct bytes *path, struct bytes *segment)
{
    if (path->len == 0 || path->data[0] != '/')
        return false;
    *path = bytes_from(*path, 1);
    const uint8_t *slash = path->len ? memchr(path->data, '/', path->len) : NULL;
    size_t len = slash ? (size_t)(slash - path->data) : path->len;
    *segment = bytes_of(path->data, len);
    *path = bytes_from(*path, len);
    return len > 0 && len <= MAX_SEGMENT_BYTES;
}

static bool take_word(struct bytes *path, const char *word)
{
    struct bytes segment;
    return take_segment(path, &segment) && bytes_equal(segment, bytes_of_str(word));
}

static bool take_prefix(struct bytes *path, const char *prefix)
{
    size_t len = prefix ? strlen(prefix) : 0;
    if (path->len < len || (len && memcmp(path->data, prefix, len) != 0))
        return false;
    *path = bytes_from(*path, len);
    return true;
}

/* The API whose name and version the path begins with, after the prefix; both are taken off. */
static const struct scef_api *take_api(const struct scef_server *s, struct bytes *path, enum t8_api *which)
{
    const struct t8_dialect *d = scef_dialect(s);
    for (int api = 0; api < T8_API_COUNT; api++) {
        struct bytes rest = *path;
        if (!is_served(s, (enum t8_api)api) || !take_prefix(&rest, s->prefix) || !take_word(&rest, d->apis[api].name) ||
            !take_word(&rest, d->apis[api].version))
            continue;
        *path = rest;
        *which = (enum t8_api)api;
        return apis[api];
    }
    return NULL;
}

/* One slash more is the same collection; a dialect may have it with the slash only. */
static bool ends_as_collection(struct bytes path, bool slash_needed)
{
    bool slash = bytes_equal(path, BYTES_LIT("/"));
    return slash || (path.len == 0 && !slash_needed);
}

/* Matches the path (below the scsAsId) against a row's pattern; identifiers are left as sent. */
static bool path_matches(const char *pattern, struct bytes path, bool slash_needed, struct bytes ids[2])
{
    size_t count = 0;
    bool item = false;
    while (*pattern) {
        size_t len = strcspn(pattern, "/");
        struct bytes segment;
        if (!take_segment(&path, &segment))
            return false;
        item = *pattern == '*';
        if (item)
            ids[count++] = segment;
        else if (!bytes_equal(segment, bytes_of(pattern, len)))
            return false;
        pattern += len;
        pattern += *pattern == '/';
    }
    bool topmost = count == 0;
    return item ? path.len == 0 : ends_as_collection(path, topmost && slash_needed);
}

/* Decodes the identifiers into memory. */
static bool path_decode(struct bytes scs_as_id, const struct bytes ids[2], struct buf *memory, struct scef_path *out)
{
    const struct bytes raw[] = {scs_as_id, ids[0], ids[1]};
    struct bytes *const decoded[] = {&out->scs_as_id, &out->id, &out->sub_id};
    size_t ends[3];
    for (size_t i = 0; i < 3; i++) {
        if (raw[i].len && !t8_link_decode_segment(raw[i], memory))
            return false;
        ends[i] = memory->len;
    }
    if (memory->failed)
        return false;
    for (size_t i = 0, start = 0; i < 3; start = ends[i++])
        *decoded[i] = bytes_of(memory->data + start, ends[i] - start);
    return true;
}

/* ---- what is wrong with a request */

static void refuse(const struct scef_call *c, enum error err)
{
    struct t8_problem p = t8_problem_of(err);
    scef_reply_problem(c->server, c->x, &p, NULL);
}

static void refuse_status(const struct scef_call *c, int http_status)
{
    struct t8_problem p = scef_problem_of_status(http_status);
    scef_reply_problem(c->server, c->x, &p, NULL);
}

static bool media_type_is(const char *content_type, const char *wanted)
{
    size_t len = wanted ? strlen(wanted) : 0;
    return len && strncasecmp(content_type, wanted, len) == 0 && strchr("; \t", content_type[len]);
}

static bool media_type_ok(const struct scef_call *c)
{
    const struct t8_media_types types = t8_dialect_media_types(scef_dialect(c->server), c->operation->id);
    const char *given = http_exchange_request(c->x)->content_type;
    return !types.first || media_type_is(given, types.first) || media_type_is(given, types.second);
}

/* Does the Accept header take JSON? Its preferences are of no use here: there is nothing else. */
static bool accepts_json(const struct http_exchange *x)
{
    const char *accept = http_exchange_header(x, "Accept");
    static const char *const ranges[] = {"*/*", "application/*", "application/json"};
    if (!accept || !*accept)
        return true;
    while (*accept) {
        accept += strspn(accept, " \t,");
        size_t len = strcspn(accept, ";, \t");
        for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
            if (len == strlen(ranges[i]) && strncasecmp(accept, ranges[i], len) == 0)
                return true;
        accept += strcspn(accept, ",");
    }
    return false;
}

void scef_call_malformed(const struct scef_call *c, const struct t8_problem *p, const char *const mandatory[])
{
    bool incorrect = bytes_equal(p->cause_text, BYTES_LIT("MANDATORY_IE_INCORRECT"));
    bool optional = incorrect && p->invalid_param.len > 0;
    for (size_t i = 0; mandatory[i]; i++)
        optional &= !bytes_equal(p->invalid_param, bytes_of_str(mandatory[i]));
    if (!optional) {
        scef_reply_problem(c->server, c->x, p, NULL);
        return;
    }
    struct t8_problem told = {.status = p->status,
                              .title = p->title,
                              .detail = p->detail,
                              .cause_text = BYTES_LIT("OPTIONAL_IE_INCORRECT"),
                              .cause = T8_CAUSE_OTHER,
                              .invalid_param = p->invalid_param,
                              .invalid_reason = p->invalid_reason};
    scef_reply_problem(c->server, c->x, &told, NULL);
}

static bool destination_valid(struct bytes uri)
{
    static const char *const schemes[] = {"https://", "http://"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t len = strlen(schemes[i]);
        if (uri.len <= len || strncasecmp((const char *)uri.data, schemes[i], len) != 0)
            continue;
        struct bytes rest = bytes_from(uri, len);
        const uint8_t *slash = memchr(rest.data, '/', rest.len);
        size_t host_len = slash ? (size_t)(slash - rest.data) : rest.len;
        for (size_t at = 0; at < rest.len; at++)
            if (rest.data[at] <= ' ' || rest.data[at] >= 0x7f || rest.data[at] == '?' || rest.data[at] == '#')
                return false;
        return host_len > 0 && rest.data[0] != ':' && !memchr(rest.data, '@', host_len);
    }
    return false;
}

/* Has the object members, but not this one? */
static bool lacks_destination(struct bytes body)
{
    struct t8_json_object o;
    if (t8_json_read(body, &o) != OK)
        return false;
    bool lacks = t8_json_get(&o, "notificationDestination").type == T8_JSON_ABSENT &&
                 (o.root ? json_object_size(o.root) : o.count) > 0;
    t8_doc_free(t8_json_take(&o));
    return lacks;
}

struct bytes scef_call_body_completed(const struct scef_call *c, struct buf *memory)
{
    const struct scef_server *s = c->server;
    struct bytes body = scef_call_body(c);
    const char *usual = s->destination_of ? s->destination_of(s->ctx, c->path.scs_as_id) : NULL;
    if (!usual || !lacks_destination(body))
        return body;
    const uint8_t *brace = memchr(body.data, '{', body.len);
    buf_addf(memory, "{\"notificationDestination\":\"%s\",", usual);
    buf_add(memory, bytes_from(body, (size_t)(brace - body.data) + 1));
    return memory->failed ? body : buf_bytes(memory);
}

bool scef_call_destination_ok(const struct scef_call *c, struct bytes destination)
{
    if (destination.len == 0 || destination_valid(destination))
        return true;
    struct t8_problem p = t8_problem_of(ERR_MEMBER_TYPE);
    p.invalid_param = BYTES_LIT("/notificationDestination");
    p.invalid_reason = BYTES_LIT("must be an http or https URI without userinfo, query and fragment");
    scef_reply_problem(c->server, c->x, &p, NULL);
    return false;
}

/* ---- answers */

void scef_call_reply(const struct scef_call *c, struct scef_reply *a)
{
    scef_reply_render(c->server, c->x, c->operation->id, a);
}

void scef_call_list(const struct scef_call *c, scef_next_fn next)
{
    struct buf body = {0};
    struct scef_reply a = scef_call_begin(c);
    uint64_t cursor = 0;
    enum error err = OK;
    buf_add_u8(&body, '[');
    while (!err && next(c->server->ctx, &c->path, &cursor, &a)) {
        if (body.len > 1)
            buf_add_u8(&body, ',');
        err = scef_reply_encode(c->server, &a, &body);
        a = scef_call_begin(c);
    }
    buf_add_u8(&body, ']');
    if (err || body.failed)
        refuse(c, err ? err : ERR_NO_MEMORY);
    else if (a.status >= 300)
        scef_call_reply(c, &a);
    else
        scef_reply_render_array(c->server, c->x, &body);
    buf_free(&body);
}

/* ---- resource x method */

/* The methods of the resource that a row is about, one per row of the same path. */
static void refuse_method(const struct scef_call *c, const struct scef_api *api)
{
    char allow[ALLOW_BYTES] = "";
    for (size_t i = 0; i < api->count; i++) {
        const struct scef_operation *o = &api->operations[i];
        if (strcmp(o->path, c->operation->path) != 0 || !t8_dialect_has(scef_dialect(c->server), o->id))
            continue;
        size_t used = strlen(allow);
        snprintf(allow + used, sizeof allow - used, "%s%s", used ? ", " : "", t8_operation_method(o->id));
    }
    struct t8_problem p = t8_problem_of(ERR_METHOD);
    scef_reply_problem(c->server, c->x, &p, allow);
}

/* The row for the request; any other row of its path, for the methods that there are, and *found is false; NULL: the
 * path is no resource. */
static const struct scef_operation *operation_find(const struct scef_server *s, const struct scef_api *api,
                                                   enum t8_api which, struct bytes path, const char *method,
                                                   struct bytes ids[2], bool *found)
{
    const struct t8_dialect *d = scef_dialect(s);
    const struct scef_operation *other = NULL;
    *found = false;
    for (size_t i = 0; i < api->count; i++) {
        const struct scef_operation *o = &api->operations[i];
        struct bytes named[2] = {0};
        if (!t8_dialect_has(d, o->id) || !path_matches(o->path, path, d->apis[which].trailing_slash, named))
            continue;
        memcpy(ids, named, sizeof named);
        *found = strcmp(method, t8_operation_method(o->id)) == 0;
        if (*found)
            return o;
        other = o;
    }
    return other;
}

static void handle(struct scef_call *c, const struct scef_api *api, bool found)
{
    bool get = strcmp(http_exchange_request(c->x)->method, "GET") == 0;
    const struct scef_server *s = c->server;
    if (!found) {
        refuse_method(c, api);
    } else if (s->as_known && !s->as_known(s->ctx, c->path.scs_as_id)) {
        refuse_status(c, 404);
    } else if (!media_type_ok(c)) {
        refuse(c, ERR_MEDIA_TYPE);
    } else if (get && !accepts_json(c->x)) {
        refuse_status(c, 406);
    } else {
        c->operation->fn(c);
    }
}

void scef_server_handle(const struct scef_server *s, struct http_exchange *x)
{
    const struct http_request *r = http_exchange_request(x);
    struct bytes path = bytes_of_str(r->path);
    struct scef_call c = {.server = s, .x = x};
    struct bytes scs_as_id;
    struct bytes ids[2] = {0};
    struct buf memory = {0};
    bool found = false;
    enum t8_api which;
    const struct scef_api *api = take_api(s, &path, &which);
    if (api && take_segment(&path, &scs_as_id))
        c.operation = operation_find(s, api, which, path, r->method, ids, &found);
    if (c.operation && path_decode(scs_as_id, ids, &memory, &c.path))
        handle(&c, api, found);
    else
        refuse(&c, memory.failed ? ERR_NO_MEMORY : ERR_NOT_FOUND);
    buf_free(&memory);
}
