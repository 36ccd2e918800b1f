/* What the files of the control API share. */
#ifndef SIM_SCEF_SIM_CONTROL_H
#define SIM_SCEF_SIM_CONTROL_H

#include <jansson.h>

#include "sim/scef_sim.h"

/* `ue` is set when the route names one. Returns the answer's status; a body goes to *body. */
typedef int (*sim_control_fn)(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body);
#define SIM_CONTROL_FN(name)                                                                                           \
    int name(struct scef_sim *s, const struct http_exchange *x, struct sim_ue *ue, json_t **body)

/* Of the query: a flag is set unless it is absent, 0 or false; a text is empty when it is absent. */
bool sim_control_flag(const struct http_exchange *x, const char *name);
struct bytes sim_control_text(const struct http_exchange *x, const char *name);

/* scef_sim_control_ue.c */
SIM_CONTROL_FN(sim_control_ues);
SIM_CONTROL_FN(sim_control_ue);
SIM_CONTROL_FN(sim_control_triggers);
SIM_CONTROL_FN(sim_control_wake);
SIM_CONTROL_FN(sim_control_pdn);
SIM_CONTROL_FN(sim_control_coverage);
SIM_CONTROL_FN(sim_control_roam);
SIM_CONTROL_FN(sim_control_fail);
SIM_CONTROL_FN(sim_control_rds);
SIM_CONTROL_FN(sim_control_uplink);
SIM_CONTROL_FN(sim_control_port);
SIM_CONTROL_FN(sim_control_authorisation);
SIM_CONTROL_FN(sim_control_configuration_trigger);
SIM_CONTROL_FN(sim_control_monitoring_cancel);

#endif
