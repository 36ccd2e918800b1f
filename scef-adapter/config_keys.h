/* The table of the configuration's keys, and what its users share. Private to config*.c. */
#ifndef SCEF_ADAPTER_CONFIG_KEYS_H
#define SCEF_ADAPTER_CONFIG_KEYS_H

#include <cyaml/cyaml.h>

#include "scef-adapter/config.h"

/* A section is a mapping, a list of mappings, or (the first one, without a name) the top level itself. One in another,
 * of which it tells more, is named "OUTER.INNER" and stands behind it in the table; it is optional. A list with
 * `or_mapping` may also be written as the mapping of its only entry. */
struct config_section {
    const char *name;
    const char *help;
    bool list, or_mapping;
    bool mandatory;
    bool live; /* a list: it may become longer or shorter by SIGHUP */
    /* Lists only: where they go in struct config. */
    uint32_t list_offset, count_offset, entry_size, max_entries;
};

enum config_type { CONFIG_NUMBER, CONFIG_TEXT, CONFIG_WORD };

struct config_key {
    const char *section;
    const char *key;
    enum config_type type;
    uint32_t offset, size; /* in struct config, or in an entry of the list */
    bool mandatory;
    uint32_t scale;    /* what is stored is what is written times this; 0 = 1 */
    uint64_t min, max; /* as written */
    const cyaml_strval_t *words;
    uint32_t word_count;
    const char *fallback;                   /* the default as written; NULL: the engine's, or none */
    const char *example;                    /* in the help, where there is no default */
    bool secret;                            /* its value is never shown */
    bool live;                              /* a change counts from SIGHUP on, not from the next start */
    const char *(*check)(const char *text); /* what is wrong, NULL = nothing */
    const char *expected;
    const char *help;
};

extern const struct config_section config_sections[];
extern const size_t config_section_count;
/* The name of `inner` as a key of `outer`: "oauth" of "scef.oauth" in "scef"; NULL when it is not directly in there. */
const char *config_section_in(const struct config_section *inner, const struct config_section *outer);

extern const struct config_key config_keys[];
extern const size_t config_key_count;
#define CONFIG_KEYS_MAX     176
#define CONFIG_SECTIONS_MAX 16

/* "relay.nstart", "servers[2].uri", "scef[1].oauth.scope", "devices_file". `mapping`: a list with or_mapping was
 * written as one. */
void config_key_path(const struct config_section *s, bool mapping, size_t entry, const char *key, char out[160]);
/* What is allowed, as the end of a fault: "a whole number from 1 to 10", "one of: embedded, memory". */
void config_key_expected(const struct config_key *k, char out[200]);
/* The schema for libcyaml, of lists with or_mapping as lists or as mappings; made once each. */
const cyaml_schema_value_t *config_schema(bool mapping);
/* Puts the table's default of k, if there is one, into c, or an entry of its list; text is allocated. */
[[gnu::warn_unused_result]] enum error config_default(const struct config_key *k, void *in);
/* A number that was read becomes what is stored; a number is copied. */
void config_number_scale(const struct config_key *k, struct config *c);
void config_number_copy(const struct config_key *k, const struct config *from, struct config *to);

/* ---- faults */
struct config_report {
    struct buf *out;
    const char *file;
    unsigned count;
};
/* Adds "FILE:LINE: KEY: wrong; expected EXPECTED". Control characters of what was read become '?'. */
[[gnu::format(printf, 5, 6)]] void config_fault(struct config_report *r, size_t line, const char *key,
                                                const char *expected, const char *wrong, ...);

/* ---- where things stand in the file */
struct config_place {
    uint32_t key; /* index in config_keys; CONFIG_PLACE_SECTION: the section or entry itself */
    uint32_t section;
    uint32_t entry;
    uint32_t line;
};
#define CONFIG_PLACE_SECTION UINT32_MAX
struct config_places {
    struct config_place *items;
    size_t count, capacity;
    bool mapping; /* scef was written as a mapping */
};
/* Reads the YAML, checks it against the table and notes the places. Faults are told; OK also then. */
[[gnu::warn_unused_result]] enum error config_walk(struct bytes text, struct config_places *places,
                                                   struct config_report *r);
/* The line of a key, else of its entry, else of its section, else 1. */
size_t config_line_of(const struct config_places *p, const char *section, size_t entry, const char *key);
/* entry: 0 where there is no list. */
bool config_is_written(const struct config_places *p, size_t entry, uint32_t key);

/* ---- checks of single values (config_values.c): NULL, or what is wrong */
const char *config_check_listen(const char *text);
const char *config_check_http_url(const char *text);
const char *config_check_http_urls(const char *text);
const char *config_check_hosts(const char *text);
const char *config_check_dialect(const char *text);
const char *config_check_scef_name(const char *text);
const char *config_check_server_uri(const char *text);
const char *config_check_psk_identity(const char *text);
const char *config_check_psk_key(const char *text);
const char *config_check_prefix(const char *text);
const char *config_check_address(const char *text);
const char *config_check_port_range(const char *text);
const char *config_check_name(const char *text);
const char *config_check_path_segment(const char *text);
const char *config_check_external_id(const char *text);
const char *config_check_external_id_pattern(const char *text);
const char *config_check_domain(const char *text);
const char *config_check_uri_host(const char *text);
const char *config_check_endpoint(const char *text);
const char *config_check_msisdn(const char *text);

/* The hosts or URLs of a list, in one piece of memory to be freed; NULL: no memory. */
char **config_words_split(const char *text, size_t *count);
bool config_endpoint_parse(const char *text, struct config_endpoint *out);
bool config_server_uri_parse(const char *text, enum config_scheme *scheme, struct config_endpoint *out);
bool config_prefix_parse(const char *text, struct config_prefix *out);
bool config_port_range_parse(const char *text, uint16_t *first, uint16_t *last);

const char *config_check_path_token(const char *text);

/* ---- what several parts need of the whole */
struct config_check {
    struct config *c;
    const struct config_places *places;
    const char *file;
    bool alone; /* no other file is opened */
    bool later; /* the devices are not read now */
    struct config_report *r;
};
/* What is kept for devices that are read later. */
struct config_later {
    char *file;
    struct config_places places;
};
[[gnu::format(printf, 6, 7)]] void config_check_fault(const struct config_check *k, const char *section, size_t entry,
                                                      const char *key, const char *expected, const char *wrong, ...);
/* Removes the slashes at the end. */
void config_url_trim(char *url);
/* A relative name counts from the configuration's folder; allocated, NULL when memory is short. */
char *config_path_resolve(const char *config_path, const char *name);

/* ---- certificates, keys, secrets (config_security.c) */
/* The keys of one TLS end. */
struct config_tls_end {
    const char *section;
    size_t entry;
    const char *ca_key;
    char **ca, **certificate, **key;
};
[[gnu::warn_unused_result]] enum error config_tls_end_check(const struct config_check *k,
                                                            const struct config_tls_end *e);
/* Makes a relative name one that counts from the configuration's folder; *path may be NULL. */
[[gnu::warn_unused_result]] enum error config_file_resolve(const struct config_check *k, char **path);
[[gnu::warn_unused_result]] enum error config_security_check(const struct config_check *k);
/* Whether devices prove themselves to the server, and the server itself, by pre-shared keys only. */
static inline bool config_server_by_key(const struct config_server *s)
{
    return config_scheme_secure(s->scheme) && !s->ca_file;
}
void config_server_keys_check(const struct config_check *k); /* after the devices */

/* ---- the store (config_store.c) */
[[gnu::warn_unused_result]] enum error config_store_check(const struct config_check *k);
const char *config_check_redis_uri(const char *text);
const char *config_check_redis_sentinels(const char *text);
const char *config_check_redis_name(const char *text);

/* ---- SCEFs, groups, slices (config_scefs.c), before the devices, which refer to them */
[[gnu::warn_unused_result]] enum error config_scefs_check(const struct config_check *k);
void config_groups_check(const struct config_check *k);
[[gnu::warn_unused_result]] enum error config_slices_check(const struct config_check *k);
bool config_scef_find(const struct config *c, const char *name, uint32_t *out);
bool config_group_find(const struct config *c, const char *external_group_id, uint32_t *out);

/* ---- routes and policies (config_routes.c), after the servers */
[[gnu::warn_unused_result]] enum error config_routes_check(const struct config_check *k);
[[gnu::warn_unused_result]] enum error config_downlinks_check(const struct config_check *k);

/* ---- devices (config_devices.c) */
[[gnu::warn_unused_result]] enum error config_devices_collect(struct config *c, const struct config_places *places,
                                                              const char *file, struct config_report *r);

#endif
