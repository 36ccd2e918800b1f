/* An operator's network that is not always kind: connections end, UEs leave the coverage, authorisations are revoked
 * and given back, rates and quotas hold. */
#include "tests/virtual/world_internal.h"

#define DAY_MS    (24 * 3600 * 1000ULL)
#define MINUTE_MS (60 * 1000ULL)

enum trouble { PDN_ENDS, COVERAGE_ENDS, COVERAGE_BEGINS, REVOKED, AUTHORISED };

void network_limits(const struct world *w, uint32_t ue, struct scef_subscriber *s)
{
    if (w->o.troubles <= 0)
        return;
    if (ue % 8 == 3)
        s->serving_plmn_rate = (struct scef_limit){10, 360};
    if (ue % 8 == 5)
        s->apn_rate = (struct scef_limit){30, 3600};
    if (ue % 8 == 6)
        s->quota = (struct scef_limit){2000, 3600};
}

static void trouble_push(struct world *w, uint64_t at_ms, uint32_t ue, enum trouble what)
{
    events_push(&w->events, (struct event){.at_ms = at_ms, .kind = EV_NETWORK, .who = ue, .detail = (int)what});
}

void network_plan(struct world *w, uint64_t busy_ms)
{
    uint64_t count = (uint64_t)(w->o.troubles * w->o.ues * (double)busy_ms / (double)DAY_MS);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t at_ms = T0_MS + world_between(w, 1, busy_ms);
        uint32_t ue = (uint32_t)prng_below(&w->prng, w->o.ues);
        switch (prng_below(&w->prng, 4)) {
        case 0:
            trouble_push(w, at_ms, ue, COVERAGE_ENDS);
            trouble_push(w, at_ms + world_between(w, 1000, 30 * MINUTE_MS), ue, COVERAGE_BEGINS);
            break;
        case 1:
            trouble_push(w, at_ms, ue, REVOKED);
            trouble_push(w, at_ms + world_between(w, 1000, 60 * MINUTE_MS), ue, AUTHORISED);
            break;
        default:
            trouble_push(w, at_ms, ue, PDN_ENDS);
            break;
        }
    }
}

void network_event(struct world *w, const struct event *ev)
{
    if (world_followed(w, ev->who)) {
        static const char *const names[] = {"PDN connection ends", "coverage ends", "coverage begins",
                                            "authorisation revoked", "authorisation given"};
        world_story(w, "network", names[ev->detail], (struct bytes){0});
    }
    switch ((enum trouble)ev->detail) {
    case PDN_ENDS:
        scef_ue_set_pdn_connected(w->scef, w->now_ms, ev->who, false);
        break;
    case COVERAGE_ENDS:
    case COVERAGE_BEGINS:
        scef_ue_set_covered(w->scef, w->now_ms, ev->who, ev->detail == COVERAGE_BEGINS);
        break;
    case REVOKED:
    case AUTHORISED:
        scef_ue_set_authorised(w->scef, w->now_ms, ev->who, ev->detail == AUTHORISED);
        break;
    }
}
