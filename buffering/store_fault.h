/* Points (base/fault.h) for what a store has just made durable, kind by kind: for the stores' own files. */
#ifndef BUFFERING_STORE_FAULT_H
#define BUFFERING_STORE_FAULT_H

#include "base/fault.h"
#include "buffering/batch.h"

#ifdef SCEF_FAULT
void store_fault_committed(const struct batch *b); /* on any thread */
#else
static inline void store_fault_committed(const struct batch *b)
{
    (void)b;
}
#endif
#endif
