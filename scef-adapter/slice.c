#include "scef-adapter/slice.h"

uint32_t slice_of(struct bytes identity, uint32_t count)
{
    uint32_t crc = 0;
    bool domain = false;
    if (count <= 1)
        return 0;
    for (size_t i = 0; i < identity.len; i++) {
        uint8_t c = identity.data[i];
        if (domain && c >= 'A' && c <= 'Z')
            c = (uint8_t)(c - 'A' + 'a');
        domain |= c == '@';
        crc = crc32c(crc, bytes_of(&c, 1));
    }
    return crc % count;
}
