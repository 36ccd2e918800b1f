/* A configuration of any bytes: refused with one line per mistake, or taken; never a crash, a hang or a leak. */
#include <assert.h>
#include <string.h>

#include "scef-adapter/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void differs(void *ctx, const char *key)
{
    (void)key;
    *(bool *)ctx = true;
}

/* One of them, or left to the routes. */
static bool is_server(const struct config *c, uint32_t server)
{
    return server < c->server_count || server == ENGINE_NONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf faults = {0};
    struct config *c;
    enum error err = config_parse(bytes_of(data, size), "f.yaml", true, &c, &faults);
    if (err == OK) {
        assert(c && faults.len == 0 && c->server_count > 0 && c->scef_count > 0 && c->callback.url);
        for (size_t i = 0; i < c->scef_count; i++)
            assert(c->scefs[i].name && c->scefs[i].api_root && c->scefs[i].api_name && c->scefs[i].dialect);
        for (size_t i = 0; i < c->group_count; i++)
            assert(c->groups[i].scef < c->scef_count && is_server(c, c->groups[i].server));
        for (size_t i = 0; i < c->route_count; i++)
            assert(c->engine_routes[i].server < c->server_count);
        for (size_t i = 0; i < c->device_count; i++)
            assert(is_server(c, c->devices[i].server) && c->devices[i].scef < c->scef_count &&
                   (c->devices[i].group < c->group_count || c->devices[i].group == CONFIG_NO_GROUP) &&
                   (c->devices[i].external_id || c->devices[i].msisdn));
    } else if (err == ERR_CONFIG) {
        assert(!c && faults.len > 0 && faults.data[faults.len - 1] == '\n');
        /* Each line begins with the file and says what was expected. */
        for (size_t at = 0; at < faults.len;) {
            const uint8_t *end = memchr(faults.data + at, '\n', faults.len - at);
            size_t len = (size_t)(end - (faults.data + at));
            assert(len > 7 && memcmp(faults.data + at, "f.yaml:", 7) == 0);
            assert(memmem(faults.data + at, len, "; expected ", 11));
            at += len + 1;
        }
    }
    if (c) {
        bool any = false;
        config_compare(c, c, &any, differs);
        assert(!any);
    }
    config_free(c);
    buf_free(&faults);
    return 0;
}
