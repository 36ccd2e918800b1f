/* Any request at all to the SCEF's side: "METHOD PATH", then lines with the content type, the Accept header, a query
 * ("name=value") and the dialect, then the body. Each is answered exactly once, with a status that TS 29.122 knows, and
 * an error says what it is. */
#include <stdlib.h>
#include <string.h>

#include "tests/t8/fake_exchange.h"
#include "tests/t8/fake_scef.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Up to the end of the line, NUL-terminated in `out`, cut when too long. */
static void take_line(struct bytes *rest, char *out, size_t room)
{
    const uint8_t *end = rest->len ? memchr(rest->data, '\n', rest->len) : NULL;
    size_t len = end ? (size_t)(end - rest->data) : rest->len;
    size_t kept = len < room - 1 ? len : room - 1;
    if (kept)
        memcpy(out, rest->data, kept);
    out[kept] = 0;
    *rest = bytes_from(*rest, end ? len + 1 : len);
}

static bool known(int status)
{
    static const int statuses[] = {200, 201, 202, 204, 400, 404, 405, 406, 415, 503};
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
        if (statuses[i] == status)
            return true;
    return false;
}

static const char *usual_destination(void *ctx, struct bytes scs_as_id)
{
    (void)ctx;
    return bytes_equal(scs_as_id, BYTES_LIT("as1")) ? "http://usual/cb" : NULL;
}

/* What the operation would say when all is well; the sink says the same to all. */
static int success_of(const char *method)
{
    return strcmp(method, "POST") == 0 ? 201 : strcmp(method, "PATCH") == 0 ? 204 : 200;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char line[1024], type[128], accept[128], query[256], dialect[32];
    struct bytes rest = bytes_of(data, size);
    take_line(&rest, line, sizeof line);
    take_line(&rest, type, sizeof type);
    take_line(&rest, accept, sizeof accept);
    take_line(&rest, query, sizeof query);
    take_line(&rest, dialect, sizeof dialect);
    char *path = strchr(line, ' ');
    char *value = strchr(query, '=');
    if (!path || !value)
        return 0;
    *path++ = 0;
    *value++ = 0;
    struct fake_scef f;
    fake_scef_init(&f);
    f.server.dialect = t8_dialect_find(dialect);
    f.server.destination_of = usual_destination;
    f.status = success_of(line);
    struct http_exchange x = {
        .request = {line, path, type, rest}, .accept = accept, .query_name = {query}, .query_value = {value}};
    scef_server_handle(&f.server, &x);
    if (x.replies != 1 || f.told != 1 || !known(x.status))
        abort();
    if (x.status >= 400 && strcmp(x.content_type, "application/problem+json") != 0)
        abort();
    if (x.status < 300 && f.calls == 0 && !strstr(query, "addrs"))
        abort();
    return 0;
}
