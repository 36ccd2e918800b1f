/* Evidence: one JSON object per line, flushed, so that a reader on a pipe sees it at once.
 *
 *   {"ts_ms":..,"ext_id":"dev1@example.org","event":"nas","dir":"mo","what":"sent","len":11,
 *    "type":"CON","code":"0.02","mid":12346,"token":"01020304"}        the last four only of CoAP messages
 *   {"ts_ms":..,"ext_id":..,"event":"client","what":"registered","len":..}      the built-in client's doings
 *   {"ts_ms":..,"ext_id":..,"event":"air","what":"no_client","len":..}          MT that found no client at its port
 *   {"ts_ms":..,"event":"t8","dir":"in","method":"POST","path":..,"status":201,"cause":..}       requests
 *   {"ts_ms":..,"ext_id":..,"event":"t8","dir":"out","method":"POST","path":..,"status":204}   callbacks; 0: no answer
 *
 * ext_id is the External Identifier, or the MSISDN of a UE that has none. */
#ifndef SIM_SCEF_SIM_TRACE_H
#define SIM_SCEF_SIM_TRACE_H

#include <stdio.h>

#include "base/bytes.h"

struct sim_trace {
    FILE *file; /* NULL: nothing is written */
};

/* "-" is standard output. ERR_SYSTEM: errno tells. NULL as name: no trace. */
[[gnu::warn_unused_result]] enum error sim_trace_open(struct sim_trace *t, const char *name);
void sim_trace_close(struct sim_trace *t);

void sim_trace_message(struct sim_trace *t, uint64_t now_ms, const char *event, const char *ext_id, const char *dir,
                       const char *what, struct bytes message);
/* ext_id and cause may be NULL; status < 0 is written as null. */
void sim_trace_t8(struct sim_trace *t, uint64_t now_ms, const char *dir, const char *ext_id, const char *path,
                  const char *method, int status, const char *cause);

#endif
