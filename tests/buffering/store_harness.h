/* A store of any kind with a loop of its own, and what its sink was told. */
#ifndef TESTS_BUFFERING_STORE_HARNESS_H
#define TESTS_BUFFERING_STORE_HARNESS_H

#include "buffering/store.h"

#define HARNESS_TICKETS 20000

enum harness_kind { HARNESS_MEMORY, HARNESS_LMDB, HARNESS_REDIS, HARNESS_VALKEY };

struct harness {
    enum harness_kind kind;
    char dir[64];    /* lmdb only */
    char prefix[16]; /* redis and valkey only: of its keys in the server that the test's program has started */
    uint64_t map_bytes;
    struct loop loop;
    struct store *store;
    uint64_t told;                      /* the last ticket */
    enum error result[HARNESS_TICKETS]; /* by ticket */
    unsigned calls;
    bool inside; /* a call into put or delete is under way: no telling then */
    bool telling;
    void (*on_told)(struct harness *h, uint64_t ticket, enum error err); /* NULL: nothing more to do */
};

struct harness *harness_new(enum harness_kind kind, uint64_t map_bytes); /* with a directory of its own, open */
void harness_free(struct harness *h);                                    /* closes and removes the directory */
void harness_open(struct harness *h);                                    /* forgets what was told */
struct store_redis_options;
void harness_open_redis(struct harness *h, const struct store_redis_options *o); /* a harness of nobody else's */
void harness_close(struct harness *h);

uint64_t harness_put(struct harness *h, const char *key, const char *value);
uint64_t harness_delete(struct harness *h, const char *key);
/* Runs the loop until ticket was told. Fails the test after 10 s. */
enum error harness_wait(struct harness *h, uint64_t ticket);
/* "key=value key=value ...", in the order of the scan; caller frees. */
char *harness_dump(struct harness *h, const char *prefix);
/* The same after the store was closed and opened again, where it survives that. */
char *harness_dump_reopened(struct harness *h);

bool harness_is_durable(const struct harness *h); /* what it holds outlives a harness_close */
/* The server of a kind; started at its first use. */
struct redis_server *harness_server(enum harness_kind kind);
int harness_servers_end(void **state); /* a group's tear-down */

extern enum harness_kind harness_kinds[];
/* One test for each kind, which it finds in *state. */
#define HARNESS_EACH_KIND(test)                                                                                        \
    {"memory: " #test, test, NULL, NULL, &harness_kinds[HARNESS_MEMORY]},                                              \
        {"lmdb: " #test, test, NULL, NULL, &harness_kinds[HARNESS_LMDB]},                                              \
        {"redis: " #test, test, NULL, NULL, &harness_kinds[HARNESS_REDIS]},                                            \
    {                                                                                                                  \
        "valkey: " #test, test, NULL, NULL, &harness_kinds[HARNESS_VALKEY]                                             \
    }

void dir_make(char *out, size_t size);
void dir_remove(const char *dir); /* and what is in it */
uint64_t test_seed(void);         /* SEED of the environment, or 1 */

#endif
