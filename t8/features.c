/* SupportedFeatures, TS 29.571 clause 5.2.2. */
#include "t8/common.h"

#include <stdio.h>

bool t8_features_parse(struct bytes hex, uint64_t *bits)
{
    uint64_t v = 0;
    for (size_t i = 0; i < hex.len; i++) {
        uint8_t c = hex.data[i];
        if (c >= '0' && c <= '9')
            c = (uint8_t)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            c = (uint8_t)((c | 0x20) - 'a' + 10);
        else
            return false;
        v = v << 4 | c;
    }
    *bits = v;
    return true;
}

void t8_features_format(uint64_t bits, char out[20])
{
    snprintf(out, 20, "%llX", (unsigned long long)bits);
}
