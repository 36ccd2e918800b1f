#include "sim/radio.h"

static uint64_t delay_draw(struct prng *p, const struct radio_profile *r)
{
    uint32_t spread = r->delay_max_ms > r->delay_min_ms ? r->delay_max_ms - r->delay_min_ms : 0;
    return r->delay_min_ms + prng_below(p, (uint64_t)spread + 1);
}

struct radio_fate radio_send(struct prng *p, const struct radio_profile *r, uint64_t now_ms)
{
    bool lost = prng_unit(p) < r->loss;
    bool twice = prng_unit(p) < r->duplicate;
    uint64_t a = now_ms + delay_draw(p, r);
    uint64_t b = now_ms + delay_draw(p, r);
    if (lost)
        return (struct radio_fate){.arrivals = 0, .at_ms = {a, a}};
    if (!twice)
        return (struct radio_fate){.arrivals = 1, .at_ms = {a, a}};
    return (struct radio_fate){.arrivals = 2, .at_ms = {a < b ? a : b, a < b ? b : a}};
}
