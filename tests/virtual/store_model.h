/* A store in virtual time: batches that are committed some time after they were closed, and a crash that loses what was
 * not committed yet. */
#ifndef VIRTUAL_STORE_MODEL_H
#define VIRTUAL_STORE_MODEL_H

#include "base/map.h"
#include "base/prng.h"

struct store_model;

struct store_model *store_model_new(uint64_t seed);
void store_model_free(struct store_model *s);
uint64_t store_model_put(struct store_model *s, struct bytes key, struct bytes value); /* the ticket */
uint64_t store_model_delete(struct store_model *s, struct bytes key);
/* Closes the open batch: its ticket, or 0 when it was empty. */
uint64_t store_model_close_batch(struct store_model *s);
/* The oldest closed batch takes effect, or fails and leaves no trace; returns its ticket. */
uint64_t store_model_commit(struct store_model *s, bool succeeds);
/* All closed batches but a prefix chosen by chance are lost, and the open one. */
void store_model_crash(struct store_model *s, struct prng *p);
bool store_model_has(const struct store_model *s, struct bytes key); /* committed */
size_t store_model_count(const struct store_model *s, char kind);
/* Committed records of a kind in key order. */
void store_model_scan(struct store_model *s, char kind, void *ctx,
                      void (*fn)(void *ctx, struct bytes key, struct bytes value));

#endif
