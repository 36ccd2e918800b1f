#include <string.h>

#include "base/map.h"
#include "scef-adapter/config_keys.h"

/* Each text with its length, so that no two lists are alike; NULL is not the empty text. */
static void add_text(struct buf *b, const char *text)
{
    buf_add_be32(b, text ? (uint32_t)strlen(text) : UINT32_MAX);
    buf_add_str(b, text ? text : "");
}

static void add_entry(struct buf *b, const struct config_device_entry *e)
{
    const char *const texts[] = {e->external_id, e->msisdn, e->scef, e->server, e->group, e->endpoint};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        add_text(b, texts[i]);
    buf_add_u8(b, e->psk_key != NULL); /* which is in no record */
}

static void add_all(struct buf *b, const struct config *c)
{
    add_text(b, c->server_leg.prefix); /* every device must have an address in there */
    buf_add_be32(b, c->slices.index);
    buf_add_be32(b, c->slices.count);
    buf_add_be32(b, c->server_count);
    for (uint32_t i = 0; i < c->server_count; i++)
        add_text(b, c->servers[i].name);
    buf_add_be32(b, c->scef_count);
    for (uint32_t i = 0; i < c->scef_count; i++) {
        add_text(b, c->scefs[i].name);
        buf_add_be32(b, c->scefs[i].delete_removed);
    }
    buf_add_be32(b, c->group_count);
    for (uint32_t i = 0; i < c->group_count; i++) {
        add_text(b, c->groups[i].external_group_id);
        add_text(b, c->groups[i].scef_name);
        add_text(b, c->groups[i].server_name);
    }
    add_text(b, c->devices_path);
    buf_add_be32(b, c->device_entry_count);
    for (uint32_t i = 0; i < c->device_entry_count; i++)
        add_entry(b, &c->device_entries[i]);
}

/* Shortage of memory gives a digest that no configuration has twice. */
void config_devices_digest(const struct config *c, uint8_t out[16])
{
    static const uint64_t seeds[2][2] = {{0x6c61, 0x7a79}, {0x6469, 0x67}};
    static uint64_t failures;
    struct buf b = {0};
    add_all(&b, c);
    for (unsigned i = 0; i < 2; i++) {
        const uint64_t half = b.failed ? ++failures : siphash(seeds[i], buf_bytes(&b));
        memcpy(out + 8 * i, &half, sizeof(half));
    }
    buf_free(&b);
}
