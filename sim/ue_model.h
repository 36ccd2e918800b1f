/* A UE's reachability as its network sees it, pure: attached with a non-IP PDN connection, with or without PSM
 * (TS 23.682 clause 4.5.4).
 *
 *        sends anything (MO), periodic TAU      active_time over
 *   SLEEPING ---------------------------> AWAKE -----------------> SLEEPING     (with PSM)
 *
 * Each MO or MT message restarts the active time. Without PSM the UE is always awake. */
#ifndef SIM_UE_MODEL_H
#define SIM_UE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

struct ue_profile {
    bool psm;
    uint32_t active_time_ms; /* T3324: how long it listens after its last message */
    uint64_t tau_period_ms;  /* T3412: it shows up by itself so long after its last activity; 0 = never */
    bool pdn_connected;      /* a UE without PDN connection: no MT at all (TS 29.122 clause 4.4.5.3.1) */
};
struct ue_model {
    struct ue_profile profile;
    uint64_t awake_until_ms; /* UINT64_MAX = always */
    uint64_t tau_at_ms;      /* next periodic TAU; UINT64_MAX = none */
};
/* A UE with PSM starts asleep. */
void ue_model_init(struct ue_model *u, const struct ue_profile *p, uint64_t now_ms);
/* One half of being reachable for MT; the other is profile.pdn_connected. */
bool ue_model_awake(const struct ue_model *u, uint64_t now_ms);
void ue_model_activity(struct ue_model *u, uint64_t now_ms); /* MO arrived, MT sent, or TAU */

#endif
