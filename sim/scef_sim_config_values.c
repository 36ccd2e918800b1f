/* Values of the configuration: what they must be, and how it is told when they are not. */
#include "sim/scef_sim_config_internal.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

size_t sim_place_line(struct sim_place at, const char *key)
{
    return at.mapping != NULL ? sim_line_of_member(at.report, at.mapping, key)
                              : sim_line_of_key(at.report, at.entry, key);
}

static bool port_parse(const char *text, uint16_t *out)
{
    char *end;
    unsigned long v = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != 0 || v > UINT16_MAX)
        return false;
    *out = (uint16_t)v;
    return true;
}

bool sim_address_parse(const char *text, struct sim_address *out)
{
    bool v6 = text[0] == '[';
    const char *host = v6 ? text + 1 : text;
    size_t len = strcspn(host, v6 ? "]" : ":");
    const char *rest = host + len;
    if (v6 && *rest == ']')
        rest++;
    struct in6_addr any;
    if (len >= sizeof out->host || *rest != ':')
        return false;
    memcpy(out->host, host, len);
    out->host[len] = 0;
    return inet_pton(v6 ? AF_INET6 : AF_INET, out->host, &any) == 1 && port_parse(rest + 1, &out->port);
}

uint64_t sim_number(struct sim_place at, const char *key, const int64_t *given, uint64_t otherwise, uint64_t least,
                    uint64_t most)
{
    if (given == NULL)
        return otherwise;
    if (*given < 0 || (uint64_t)*given < least || (uint64_t)*given > most) {
        sim_fault(at.report, sim_place_line(at, key), key, "%" PRId64 " is not in %" PRIu64 " to %" PRIu64, *given,
                  least, most);
        return otherwise;
    }
    return (uint64_t)*given;
}

double sim_share(struct sim_place at, const char *key, const double *given)
{
    if (given == NULL)
        return 0;
    if (!(*given >= 0 && *given <= 1)) /* NaN too */
        sim_fault(at.report, sim_place_line(at, key), key, "%g is not in 0 to 1", *given);
    return *given;
}

struct scef_limit sim_limit(struct sim_place at, const char *key, const int64_t *most, const char *window_key,
                            const int64_t *window_s, uint32_t otherwise_s)
{
    return (struct scef_limit){
        .most = sim_number(at, key, most, 0, 0, INT64_MAX),
        .window_s = (uint32_t)sim_number(at, window_key, window_s, otherwise_s, 1, UINT32_MAX),
    };
}

void sim_range(struct sim_place at, const char *key, const int64_t *given, bool open, uint64_t most, uint32_t out[2])
{
    if (given == NULL)
        return;
    bool endless = open && given[1] == 0;
    if (given[0] < 0 || given[1] < 0 || (given[0] > given[1] && !endless) || (uint64_t)given[0] > most ||
        (uint64_t)given[1] > most)
        sim_fault(at.report, sim_place_line(at, key), key, "[%" PRId64 ", %" PRId64 "] is not [least, most]", given[0],
                  given[1]);
    else
        memcpy(out, (uint32_t[]){(uint32_t)given[0], (uint32_t)given[1]}, 2 * sizeof *out);
}

struct t8_features sim_features(struct sim_place at, const char *key, const char *given)
{
    struct t8_features f = {.present = given != NULL};
    if (given != NULL && !t8_features_parse(bytes_of_str(given), &f.bits))
        sim_fault(at.report, sim_place_line(at, key), key, "'%s' is not hexadecimal", given);
    return f;
}

/* ---- identities */

bool sim_plmn_parse(const char *text, struct scef_plmn *out)
{
    size_t mcc = strspn(text, "0123456789");
    size_t mnc = text[mcc] == '-' ? strspn(text + mcc + 1, "0123456789") : 0;
    if (mcc != 3 || (mnc != 2 && mnc != 3) || text[mcc + 1 + mnc] != 0)
        return false;
    *out = (struct scef_plmn){0};
    memcpy(out->mcc, text, mcc);
    memcpy(out->mnc, text + mcc + 1, mnc);
    return true;
}

struct scef_plmn sim_plmn(struct sim_place at, const char *key, const char *given)
{
    struct scef_plmn p = {0};
    if (given != NULL && !sim_plmn_parse(given, &p))
        sim_fault(at.report, sim_place_line(at, key), key, "'%s' is not MCC-MNC", given);
    return p;
}

/* local@domain, printable (TS 23.003 clause 19.7.2). */
bool sim_external_id_ok(const char *id)
{
    const char *at = strchr(id, '@');
    if (at == NULL || at == id || at[1] == 0 || strchr(at + 1, '@') != NULL)
        return false;
    for (; *id != 0; id++)
        if ((unsigned char)*id <= ' ' || *id == 0x7f)
            return false;
    return true;
}

bool sim_msisdn_ok(const char *msisdn)
{
    size_t len = strlen(msisdn);
    return len >= 1 && len <= 15 && strspn(msisdn, "0123456789") == len;
}
