/* What the network says of a device's reachability, unasked: its queue flows (TS 29.122 clauses 4.4.2 and 4.4.6). */
#include "nidd/configuration.h"

bool engine_device_reachable(struct engine *e, uint64_t now_ms, uint32_t scef, struct t8_identity id,
                             const char *reason)
{
    engine_set_time(e, now_ms);
    struct device *d = device_find(e, id);
    if (!d || !d->routed || device_scef(d) != scef)
        return false;
    struct engine_event ev = {.kind = ENGINE_REACHABLE, .server = NO_SERVER, .reason = reason};
    event_emit(e, d, &ev);
    device_heard(e, d);
    downlink_repeat_overdue(e, d);
    downlink_flow(e, d);
    return true;
}
