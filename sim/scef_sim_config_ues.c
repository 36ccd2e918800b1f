/* The entries of `ues`: each is checked once and multiplied out by its `count`. */
#include "sim/scef_sim_config_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "t8/nidd_rds.h"

/* ---- identities */

static bool has_number(const char *pattern)
{
    return pattern == NULL || strstr(pattern, "%d") != NULL;
}

/* The pattern with every %d replaced; NULL for NULL, and when memory is short (*failed). */
static char *expand(const char *pattern, size_t n, bool *failed)
{
    struct buf b = {0};
    if (pattern == NULL)
        return NULL;
    for (const char *p = pattern; *p != 0; p++) {
        if (p[0] == '%' && p[1] == 'd') {
            buf_addf(&b, "%zu", n);
            p++;
        } else {
            buf_add_u8(&b, (uint8_t)*p);
        }
    }
    buf_add_u8(&b, 0);
    *failed |= b.failed;
    if (b.failed)
        buf_free(&b);
    return (char *)b.data;
}

static void identity_check(struct sim_report *r, size_t entry, const struct sim_ue_config *ue)
{
    if (ue->external_id == NULL && ue->msisdn == NULL)
        sim_fault(r, ue->line, "external_id", "is missing, and so is msisdn");
    if (ue->external_id != NULL && !sim_external_id_ok(ue->external_id))
        sim_fault(r, sim_line_of_key(r, entry, "external_id"), "external_id", "'%s' is not local@domain",
                  ue->external_id);
    if (ue->msisdn != NULL && !sim_msisdn_ok(ue->msisdn))
        sim_fault(r, sim_line_of_key(r, entry, "msisdn"), "msisdn", "'%s' is not 1 to 15 digits", ue->msisdn);
}

/* ---- one entry */

static void air_read(struct sim_report *r, size_t entry, const struct sim_raw_ue *raw, struct sim_ue_config *ue)
{
    if (ue->client == SIM_CLIENT_BUILTIN) {
        if (raw->air != NULL)
            sim_fault(r, sim_line_of_key(r, entry, "air"), "air", "is only for client: air");
        return;
    }
    if (raw->air == NULL)
        sim_fault(r, ue->line, "air", "is missing; client: air needs an address");
    else if (!sim_address_parse(raw->air, &ue->air) || ue->air.port == 0)
        sim_fault(r, sim_line_of_key(r, entry, "air"), "air", "'%s' is not ADDRESS:PORT", raw->air);
    else if (ue->air.port + (uint64_t)ue->count - 1 > UINT16_MAX)
        sim_fault(r, sim_line_of_key(r, entry, "air"), "air", "there are no %" PRIu64 " ports from %u on", ue->count,
                  ue->air.port);
}

/* Lists of what the subscriber may do. */
static void lists_read(struct sim_place at, const struct sim_raw_ue *raw, struct sim_ue_config *ue)
{
    ue->scs_as_ids = (struct sim_texts){(const char *const *)raw->scs_as_ids, raw->scs_as_ids_count};
    ue->groups = (struct sim_texts){(const char *const *)raw->groups, raw->groups_count};
    for (unsigned i = 0; i < raw->groups_count; i++)
        if (!sim_external_id_ok(raw->groups[i]))
            sim_fault(at.report, sim_place_line(at, "groups"), "groups", "'%s' is not local@domain", raw->groups[i]);
    for (unsigned i = 0; i < raw->rds_ports_used_count; i++) {
        int64_t port = raw->rds_ports_used[i];
        if (port < 0 || port > 15)
            sim_fault(at.report, sim_place_line(at, "rds_ports_used"), "rds_ports_used",
                      "%" PRId64 " is not in 0 to 15", port);
        else
            ue->rds_ports_used = (uint16_t)(ue->rds_ports_used | 1u << port);
    }
    for (unsigned i = 0; i < raw->formats_count; i++)
        ue->formats |= NIDD_FORMAT_BIT((unsigned)raw->formats[i]);
}

/* What all of an entry's UEs have in common. */
static struct sim_ue_config ue_read(struct sim_report *r, size_t entry, const struct sim_raw_ue *raw)
{
    struct sim_place at = {.report = r, .entry = entry};
    struct sim_ue_config ue = {.line = sim_line_of_ue(r, entry)};
    if (raw->client != NULL)
        ue.client = (enum sim_client) * raw->client;
#define X(key, otherwise, least, most, ...) ue.key = sim_number(at, #key, raw->key, otherwise, least, most);
    SIM_UE_NUMBERS(X)
#undef X
#define X(key, otherwise, ...) ue.key = raw->key != NULL ? *raw->key != 0 : otherwise;
    SIM_UE_FLAGS(X)
#undef X
#define X(key, ...) ue.key = sim_share(at, #key, raw->key);
    SIM_UE_SHARES(X)
#undef X
#define X(key, window, ...) ue.key = sim_limit(at, #key, raw->key, #key "_window_s", raw->key##_window_s, window);
    SIM_UE_LIMITS(X)
#undef X
    sim_range(at, "delay_ms", raw->delay_ms, false, 86400000, ue.delay_ms);
    ue.home_plmn = sim_plmn(at, "home_plmn", raw->home_plmn);
    lists_read(at, raw, &ue);
    air_read(r, entry, raw, &ue);
    const char *keys[] = {"external_id", "msisdn", "endpoint"};
    const char *patterns[] = {raw->external_id, raw->msisdn, raw->endpoint};
    for (size_t i = 0; ue.count > 1 && i < 3; i++)
        if (!has_number(patterns[i]))
            sim_fault(r, sim_line_of_key(r, entry, keys[i]), keys[i], "needs %%d when there are several");
    return ue;
}

/* The n-th of an entry's UEs, n from 1. */
static enum error ue_expand(const struct sim_raw_ue *raw, const struct sim_ue_config *common, size_t n,
                            struct sim_ue_config *out)
{
    bool failed = false;
    *out = *common;
    out->external_id = expand(raw->external_id, n, &failed);
    out->msisdn = expand(raw->msisdn, n, &failed);
    out->endpoint = expand(raw->endpoint, n, &failed);
    if (out->endpoint == NULL && !failed) {
        struct buf b = {0};
        buf_addf(&b, "urn:nai:%s", out->external_id != NULL ? out->external_id : out->msisdn);
        buf_add_u8(&b, 0);
        failed = b.failed;
        out->endpoint = (char *)b.data;
    }
    out->air.port = (uint16_t)(common->air.port + n - 1);
    out->start_delay_ms = common->start_delay_ms + common->start_step_ms * (n - 1);
    return failed ? ERR_NO_MEMORY : OK;
}

enum error sim_ues_add(struct sim_config *c, struct sim_report *r, size_t entry, const struct sim_raw_ue *raw)
{
    struct sim_ue_config common = ue_read(r, entry, raw);
    struct sim_ue_config *grown = reallocarray(c->ues, c->ue_count + common.count, sizeof *grown);
    if (grown == NULL)
        return ERR_NO_MEMORY;
    c->ues = grown;
    for (size_t n = 1; n <= common.count; n++) {
        struct sim_ue_config *ue = &c->ues[c->ue_count++];
        if (ue_expand(raw, &common, n, ue) != OK)
            return ERR_NO_MEMORY;
        if (n == 1)
            identity_check(r, entry, ue);
    }
    return OK;
}
