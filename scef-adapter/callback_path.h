/* Where the SCEFs deliver their notifications: a path for each API, SCEF and slice below callback.url (TS 29.122 clause
 * 5.2.4.3 allows neither query nor fragment).
 *
 *   URL/nidd/SCEF/SLICE[/TOKEN]  URL/triggering/SCEF/SLICE[/TOKEN]  URL/monitoring/SCEF/SLICE[/TOKEN]
 *   URL/configuration-trigger/SCEF[/TOKEN]      the NEF is told by its operator (TS 29.522 clause 5.5)
 *
 * SCEF is its name in the configuration, SLICE the number of the process that asked. */
#ifndef SCEF_ADAPTER_CALLBACK_PATH_H
#define SCEF_ADAPTER_CALLBACK_PATH_H

#include "scef-adapter/config.h"
#include "t8/scs_callbacks.h"

/* What this process tells a SCEF; allocated, NULL when memory is short. */
char *callback_url_make(const struct config *c, enum scs_callback_path api, uint32_t scef);

struct callback_target {
    enum scs_callback_path api;
    uint32_t scef;
    uint32_t slice;   /* of the process that told the SCEF this path; 0 for the configuration trigger */
    const char *rest; /* of the path, from its API's part on: what stands behind any process's callback.url */
};
/* false: the path is none of ours, or lacks the token. A gateway in between may have put a prefix before our path, or
 * taken callback.url's one off, wholly or in part. */
bool callback_path_parse(const struct config *c, const char *path, struct callback_target *out);

#endif
