/* What the files of the simulator's configuration share. */
#ifndef SIM_SCEF_SIM_CONFIG_INTERNAL_H
#define SIM_SCEF_SIM_CONFIG_INTERNAL_H

#include <yaml.h>

#include "sim/scef_sim_config.h"

/* Where mistakes are told: one line each. */
struct sim_report {
    const char *file;
    struct buf *out;
    unsigned count;
    yaml_document_t *document; /* to find lines; NULL before it was read */
};
[[gnu::format(printf, 4, 5)]] void sim_fault(struct sim_report *r, size_t line, const char *key, const char *what, ...);

/* Lines count from 1. */
size_t sim_line_of_ue(const struct sim_report *r, size_t entry);
/* Of a key of the entry (SIZE_MAX: of the top); when it is not there, of the entry. */
size_t sim_line_of_key(const struct sim_report *r, size_t entry, const char *key);
/* Of a key of a mapping at the top; when it is not there, of the mapping. */
size_t sim_line_of_member(const struct sim_report *r, const char *mapping, const char *key);
/* Of the first text like this at or after a line; that line when there is none. */
size_t sim_line_of_text(const struct sim_report *r, size_t from_line, const char *text);

/* The file's values as libcyaml fills them in; NULL = not given. */
struct sim_raw_ue {
    char *external_id, *msisdn, *endpoint, *air;
    int *client;
    int64_t *delay_ms;
    unsigned delay_ms_count;
#define X(key, ...) int64_t *key;
    SIM_UE_NUMBERS(X)
#undef X
#define X(key, ...) int *key;
    SIM_UE_FLAGS(X)
#undef X
#define X(key, ...) double *key;
    SIM_UE_SHARES(X)
#undef X
};

struct sim_raw_tls {
    char *certificate, *key, *client_ca, *ca;
};

struct sim_raw_oauth {
    char *client_id, *client_secret;
    int64_t *token_lifetime_s;
};

struct sim_raw {
    char *listen, *link_root;
    struct sim_raw_tls *tls, *callback_tls;
    struct sim_raw_oauth *oauth;
    int *duplicate_create;
#define X(key, ...) int64_t *key;
    SIM_NUMBERS(X)
#undef X
#define X(key, ...) int *key;
    SIM_FLAGS(X)
#undef X
    struct sim_raw_ue *ues;
    unsigned ues_count;
};

/* Reads text along the schema; mistakes are reported and give NULL. */
struct sim_raw *sim_raw_load(struct bytes text, struct sim_report *r);
void sim_raw_free(struct sim_raw *raw);

#endif
