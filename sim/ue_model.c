#include "sim/ue_model.h"

static uint64_t tau_after(const struct ue_model *u, uint64_t now_ms)
{
    bool periodic = u->profile.psm && u->profile.tau_period_ms > 0;
    return periodic ? now_ms + u->profile.tau_period_ms : UINT64_MAX;
}

void ue_model_init(struct ue_model *u, const struct ue_profile *p, uint64_t now_ms)
{
    u->profile = *p;
    u->awake_until_ms = p->psm ? now_ms : UINT64_MAX;
    u->tau_at_ms = tau_after(u, now_ms);
}

bool ue_model_awake(const struct ue_model *u, uint64_t now_ms)
{
    return now_ms < u->awake_until_ms;
}

void ue_model_activity(struct ue_model *u, uint64_t now_ms)
{
    if (!u->profile.psm)
        return;
    uint64_t until_ms = now_ms + u->profile.active_time_ms;
    if (until_ms > u->awake_until_ms)
        u->awake_until_ms = until_ms;
    u->tau_at_ms = tau_after(u, now_ms);
}
