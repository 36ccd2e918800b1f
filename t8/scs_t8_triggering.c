/* Device triggering API (TS 29.122 clause 5.7.3). */
#include "t8/scs_t8.h"

static enum error encode(const void *input, struct buf *body)
{
    return device_triggering_encode(input, body);
}

static enum error encode_patch(const void *input, struct buf *body)
{
    return device_triggering_patch_encode(input, body);
}

static enum error decode(struct bytes body, void *out)
{
    return device_triggering_decode(body, out);
}

static void release(void *resource)
{
    device_triggering_release(resource);
}

static const struct scs_t8_type transaction = {SCS_SHOWS_TRANSACTION, offsetof(struct device_triggering, self), decode,
                                               release};

#define ROW(name) [T8_TRANSACTION_##name - T8_TRANSACTION_LIST]
const struct scs_t8_row scs_t8_triggering_rows[] = {
    ROW(LIST) = {.type = &transaction, .collection = true, .list = true},
    ROW(CREATE) = {.encode = encode, .type = &transaction, .collection = true},
    ROW(GET) = {.type = &transaction},
    ROW(PUT) = {.encode = encode, .type = &transaction},
    ROW(PATCH) = {.encode = encode_patch, .type = &transaction},
    ROW(DELETE) = {.type = &transaction},
};
