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
    char *external_id, *msisdn, *endpoint, *air, *home_plmn;
    int *client;
    int64_t *delay_ms;
    unsigned delay_ms_count;
    char **scs_as_ids, **groups;
    unsigned scs_as_ids_count, groups_count;
    int64_t *rds_ports_used;
    unsigned rds_ports_used_count;
    int *formats;
    unsigned formats_count;
#define X(key, ...) int64_t *key;
    SIM_UE_NUMBERS(X)
#undef X
#define X(key, ...) int *key;
    SIM_UE_FLAGS(X)
#undef X
#define X(key, ...) double *key;
    SIM_UE_SHARES(X)
#undef X
#define X(key, ...) int64_t *key, *key##_window_s;
    SIM_UE_LIMITS(X)
#undef X
};

struct sim_raw_tls {
    char *certificate, *key, *client_ca, *ca;
};

struct sim_raw_oauth {
    char *client_id, *client_secret;
    int64_t *token_lifetime_s;
};

struct sim_raw_features {
    char *nidd, *triggering, *monitoring;
};

struct sim_raw_as {
    char *id, *configuration_trigger_url, *callback_url;
};

struct sim_raw_triggering {
#define X(key, ...) int64_t *key;
    SIM_TRIGGERING_NUMBERS(X)
#undef X
#define X(key, ...) double *key;
    SIM_TRIGGERING_SHARES(X)
#undef X
#define X(key, ...) int64_t *key, *key##_window_s;
    SIM_TRIGGERING_LIMITS(X)
#undef X
};

struct sim_raw_monitoring {
    char *apn;
    int *types;
    unsigned types_count;
#define X(key, ...) int64_t *key;
    SIM_MONITORING_NUMBERS(X)
#undef X
#define X(key, ...)                                                                                                    \
    int64_t *key;                                                                                                      \
    unsigned key##_count;
    SIM_MONITORING_RANGES(X)
#undef X
#define X(key, ...) int *key;
    SIM_MONITORING_FLAGS(X)
#undef X
};

struct sim_raw {
    char *listen, *link_root, *prefix, *dialect, *nef_id, *websocket_root;
    struct sim_raw_tls *tls, *callback_tls;
    struct sim_raw_oauth *oauth;
    struct sim_raw_features *features;
    struct sim_raw_as *scs_as;
    unsigned scs_as_count;
    struct sim_raw_triggering *triggering;
    struct sim_raw_monitoring *monitoring;
    int *duplicate_create, *pdn_option;
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

/* ---- scef_sim_config_values.c: what is not given is `otherwise`, what is wrong is told */

/* Where a key stands: at the top, in an entry of `ues`, or in a mapping at the top. */
struct sim_place {
    struct sim_report *report;
    size_t entry;        /* SIM_TOP: not in `ues` */
    const char *mapping; /* NULL: in none */
};
#define SIM_TOP SIZE_MAX
size_t sim_place_line(struct sim_place at, const char *key);

uint64_t sim_number(struct sim_place at, const char *key, const int64_t *given, uint64_t otherwise, uint64_t least,
                    uint64_t most);
double sim_share(struct sim_place at, const char *key, const double *given);
/* `key` and `key`_window_s. */
struct scef_limit sim_limit(struct sim_place at, const char *key, const int64_t *most, const char *window_key,
                            const int64_t *window_s, uint32_t otherwise_s);
/* [least, most]; where most may be 0 for no end. */
void sim_range(struct sim_place at, const char *key, const int64_t *given, bool open, uint64_t most, uint32_t out[2]);
struct t8_features sim_features(struct sim_place at, const char *key, const char *given);
struct scef_plmn sim_plmn(struct sim_place at, const char *key, const char *given);
bool sim_external_id_ok(const char *id);
bool sim_msisdn_ok(const char *msisdn);

/* ---- scef_sim_config_ues.c: one entry of `ues`, multiplied out */
[[gnu::warn_unused_result]] enum error sim_ues_add(struct sim_config *c, struct sim_report *r, size_t entry,
                                                   const struct sim_raw_ue *raw);

#endif
