#include "scef-adapter/callback_path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct api {
    const char *name;
    bool sliced;
} apis[] = {
    [SCS_PATH_NIDD] = {"nidd", true},
    [SCS_PATH_TRIGGERING] = {"triggering", true},
    [SCS_PATH_MONITORING] = {"monitoring", true},
    [SCS_PATH_CONFIGURATION_TRIGGER] = {"configuration-trigger", false},
};
#define API_COUNT (sizeof(apis) / sizeof(apis[0]))

char *callback_url_make(const struct config *c, enum scs_callback_path api, uint32_t scef)
{
    char slice[16] = "", *out = NULL;
    const char *token = c->callback.path_token;
    if (apis[api].sliced)
        snprintf(slice, sizeof(slice), "/%u", c->slices.index);
    int n = asprintf(&out, "%s/%s/%s%s%s%s", c->callback.url, apis[api].name, c->scefs[scef].name, slice,
                     token ? "/" : "", token ? token : "");
    return n < 0 ? NULL : out;
}

/* The last part of the path, in a time that does not tell how much of it was right. On a match *len is cut before it.
 */
static bool token_matches(const char *token, const char *path, size_t *len)
{
    const size_t n = strlen(token);
    if (*len < n + 1 || path[*len - n - 1] != '/')
        return false;
    const char *given = path + *len - n;
    unsigned char difference = 0;
    for (size_t i = 0; i < n; i++)
        difference |= (unsigned char)((unsigned char)token[i] ^ (unsigned char)given[i]);
    *len -= n + 1;
    return difference == 0;
}

/* Cuts the last part off; empty when there is none. */
static struct bytes part_cut(const char *path, size_t *len)
{
    size_t at = *len;
    while (at && path[at - 1] != '/')
        at--;
    if (!at)
        return (struct bytes){0};
    struct bytes part = bytes_of(path + at, *len - at);
    *len = at - 1;
    return part;
}

static bool scef_find(const struct config *c, struct bytes name, uint32_t *out)
{
    for (*out = 0; *out < c->scef_count; ++*out)
        if (bytes_equal(name, bytes_of_str(c->scefs[*out].name)))
            return true;
    return false;
}

static bool slice_parse(const struct config *c, struct bytes text, uint32_t *out)
{
    uint32_t v = 0;
    if (text.len == 0 || text.len > 4 || (text.data[0] == '0' && text.len > 1))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        v = v * 10 + (uint32_t)(text.data[i] - '0');
    }
    *out = v;
    return v < c->slices.count;
}

/* The parts behind the prefix, of which *len is the length afterwards. */
static bool parts_parse(const struct config *c, bool sliced, const char *path, size_t *len, struct callback_target *out)
{
    out->slice = 0;
    if (sliced && !slice_parse(c, part_cut(path, len), &out->slice))
        return false;
    if (!scef_find(c, part_cut(path, len), &out->scef))
        return false;
    struct bytes name = part_cut(path, len);
    for (size_t i = SCS_PATH_NIDD; i < API_COUNT; i++) {
        if (apis[i].sliced == sliced && bytes_equal(name, bytes_of_str(apis[i].name))) {
            out->api = (enum scs_callback_path)i;
            out->rest = path + *len;
            return true;
        }
    }
    return false;
}

/* One is the end of the other. */
static bool prefix_matches(const struct config *c, const char *asked, size_t n)
{
    const char *authority = strstr(c->callback.url, "://") + 3;
    const char *told = strchr(authority, '/');
    size_t t = told ? strlen(told) : 0;
    size_t common = t < n ? t : n;
    return common == 0 || memcmp(told + t - common, asked + n - common, common) == 0;
}

bool callback_path_parse(const struct config *c, const char *path, struct callback_target *out)
{
    size_t whole = strlen(path);
    if (c->callback.path_token && !token_matches(c->callback.path_token, path, &whole))
        return false;
    size_t len = whole;
    if (!parts_parse(c, true, path, &len, out)) {
        len = whole;
        if (!parts_parse(c, false, path, &len, out))
            return false;
    }
    return prefix_matches(c, path, len);
}
