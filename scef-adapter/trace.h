/* The trace: one JSON line per event of the engine, for ladders and tests.
 *
 *   {"ts_ms":1795159594120,"event":"to_server","ext_id":"dev1@example.org","server":"main","type":"CON","code":"0.02",
 *    "mid":4711,"token":"a1b2","len":57}
 *
 * Members without a value are left out. Payload bytes are never written. */
#ifndef SCEF_ADAPTER_TRACE_H
#define SCEF_ADAPTER_TRACE_H

#include "base/bytes.h"
#include "nidd/engine.h"

struct trace;

/* Appends to the file, which is made when absent. ERR_SYSTEM: errno says why. */
[[gnu::warn_unused_result]] enum error trace_open(const char *path, struct trace **out);
void trace_close(struct trace *t); /* writes what waits; NULL is fine */
/* Kept until the flush. */
void trace_event(struct trace *t, uint64_t now_ms, const struct engine_event *e, const char *scef_name,
                 const char *server_name);
/* Returns how many lines could not be written, and were given up. */
uint64_t trace_flush(struct trace *t);

const char *trace_event_name(enum engine_event_kind kind);
/* The line for e, with its newline. */
void trace_format(struct buf *out, uint64_t now_ms, const struct engine_event *e, const char *scef_name,
                  const char *server_name);

#endif
