/* Requests to the admin port, and what is said when they fail. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "scef-adapter/scefctl.h"

#define TIMEOUT_S      10
#define CHANGE_S       600 /* for what ends when the store has all of it */
#define BODY_MAX_BYTES (16u << 20)
#define PAGE           1000 /* the most that the adapter gives at once */

static size_t body_take(char *data, size_t size, size_t count, void *ctx)
{
    struct buf *b = ctx;
    if (b->len + size * count > BODY_MAX_BYTES)
        return 0;
    buf_add(b, bytes_of(data, size * count));
    return b->failed ? 0 : size * count;
}

static int unreachable(const struct ctl *c, CURLcode rc, const char *detail)
{
    switch (rc) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
        fprintf(stderr, "scefctl: cannot reach the adapter's admin port at %s: is it running? set --admin\n", c->admin);
        break;
    case CURLE_OPERATION_TIMEDOUT:
        fprintf(stderr, "scefctl: no answer from %s within %d s: is that the adapter's admin port? set --admin\n",
                c->admin, TIMEOUT_S);
        break;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        fprintf(stderr, "scefctl: --admin %s is no URL like http://127.0.0.1:8090\n", c->admin);
        return CTL_USAGE;
    default:
        fprintf(stderr, "scefctl: %s: %s: is that the adapter's admin port? set --admin\n", c->admin,
                detail[0] ? detail : curl_easy_strerror(rc));
        break;
    }
    return CTL_FAILED;
}

/* A problem's title and detail; what was asked for helps more than the status alone. */
static int refused(const struct ctl *c, const char *path, long status, const char *body)
{
    json_t *problem = json_loads(body, 0, NULL);
    const char *title = json_string_value(json_object_get(problem, "title"));
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    fprintf(stderr, "scefctl: %s%s: %ld %s%s%s%s\n", c->admin, path, status, title ? title : "",
            title && detail ? ": " : "", detail ? detail : "",
            status == 404 && strncmp(path, "/v1/devices/", 12) == 0
                ? "; `scefctl device ls` and `queue ls` show what there is"
                : "");
    json_decref(problem);
    return CTL_FAILED;
}

/* `method` NULL: GET. */
static int request(struct ctl *c, const char *method, const char *path, char **body, long *status)
{
    struct buf b = {0}, url = {0};
    char detail[CURL_ERROR_SIZE] = "";
    long code = 0;
    size_t admin_len = strlen(c->admin);
    while (admin_len && c->admin[admin_len - 1] == '/')
        admin_len--;
    buf_add(&url, bytes_of(c->admin, admin_len));
    buf_add_str(&url, path);
    buf_add_u8(&url, 0);
    *body = NULL;
    if (url.failed) {
        fputs("scefctl: out of memory\n", stderr);
        return CTL_FAILED;
    }
    curl_easy_reset(c->curl); /* the connection stays */
    curl_easy_setopt(c->curl, CURLOPT_URL, (const char *)url.data);
    curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c->curl, CURLOPT_PROXY, ""); /* an admin port is never behind one */
    curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT, (long)TIMEOUT_S);
    curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, method ? (long)CHANGE_S : (long)TIMEOUT_S);
    if (method)
        curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, body_take);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, &b);
    CURLcode rc = curl_easy_perform(c->curl);
    int result = CTL_OK;
    buf_add_u8(&b, 0);
    if (rc != CURLE_OK || b.failed) {
        result = unreachable(c, rc, detail);
    } else {
        curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &code);
        if (status)
            *status = code;
        if (method ? code / 100 != 2 : !status && code != 200)
            result = refused(c, path, code, (const char *)b.data);
    }
    buf_free(&url);
    if (result == CTL_OK)
        *body = (char *)b.data;
    else
        buf_free(&b);
    return result;
}

int ctl_get_text(struct ctl *c, const char *path, char **body, long *status)
{
    return request(c, NULL, path, body, status);
}

static int json_of(struct ctl *c, const char *path, char *body, json_t **out)
{
    *out = json_loads(body, JSON_ALLOW_NUL, NULL); /* what servers write may have one */
    free(body);
    if (*out)
        return CTL_OK;
    fprintf(stderr, "scefctl: %s%s: the answer is not JSON: is that the adapter's admin port? set --admin\n", c->admin,
            path);
    return CTL_FAILED;
}

int ctl_get_json(struct ctl *c, const char *path, json_t **out, long *status)
{
    char *body;
    *out = NULL;
    int rc = request(c, NULL, path, &body, status);
    return rc == CTL_OK ? json_of(c, path, body, out) : rc;
}

int ctl_request_json(struct ctl *c, const char *method, const char *path, json_t **out, long *status)
{
    char *body;
    *out = NULL;
    int rc = request(c, method, path, &body, status);
    return rc == CTL_OK ? json_of(c, path, body, out) : rc;
}

int ctl_each(struct ctl *c, const char *path, const char *member, int (*each)(void *ctx, const json_t *entry),
             void *ctx)
{
    char cursor[32] = "0", page[2200];
    unsigned long left = c->limit ? c->limit : ~0ul;
    int rc = CTL_OK;
    while (rc == CTL_OK && left) {
        json_t *answer, *entry;
        size_t i;
        snprintf(page, sizeof(page), "%s%climit=%lu&cursor=%s", path, strchr(path, '?') ? '&' : '?',
                 left < PAGE ? left : PAGE, cursor);
        rc = ctl_get_json(c, page, &answer, NULL);
        if (rc != CTL_OK)
            break;
        json_array_foreach(json_object_get(answer, member), i, entry)
        {
            if (rc != CTL_OK || left == 0)
                break;
            left--;
            rc = each(ctx, entry);
        }
        const char *next = json_string_value(json_object_get(answer, "next"));
        bool more = next && strlen(next) < sizeof(cursor) && strspn(next, "0123456789") == strlen(next);
        if (more)
            strcpy(cursor, next);
        json_decref(answer);
        if (!more)
            break;
    }
    return rc;
}

char *ctl_device_path(struct ctl *c, const char *id, const char *rest)
{
    char *escaped = curl_easy_escape(c->curl, id, 0), *out = NULL;
    if (!escaped || asprintf(&out, "/v1/devices/%s%s", escaped, rest) < 0)
        out = NULL;
    curl_free(escaped);
    if (!out)
        fputs("scefctl: out of memory\n", stderr);
    return out;
}
