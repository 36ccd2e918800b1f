/* Pre-shared keys of the server legs (RFC 4279, RFC 8446 clause 2.2): one as it is given to TLS, and the table of those
 * devices that have one of their own. What held a key is wiped. */
#ifndef SCEF_ADAPTER_LEG_PSK_H
#define SCEF_ADAPTER_LEG_PSK_H

#include "base/bytes.h"
#include "base/map.h"

#define LEG_PSK_WHY_BYTES     200
#define LEG_TLS_IDENTITY_MAX  128
#define LEG_TLS_KEY_MAX_BYTES 64

/* Why there is no handshake. */
#define LEG_PSK_MISSING "no pre-shared key: neither the device has psk_key nor the server psk_file"

struct leg_tls_psk {
    char identity[LEG_TLS_IDENTITY_MAX + 1];
    uint8_t key[LEG_TLS_KEY_MAX_BYTES];
    size_t key_len;
};

/* `hex`: 2 to 128 digits. False: it is none, or the identity is too long. */
bool leg_tls_psk_from_hex(const char *identity, const char *hex, struct leg_tls_psk *out);
/* A key file: its first line is the key in hex. ERR_CONFIG: `why` says what is wrong. */
[[gnu::warn_unused_result]] enum error leg_tls_psk_read(const char *identity, const char *key_path,
                                                        struct leg_tls_psk *out, char why[LEG_PSK_WHY_BYTES]);

/* By leg: one allocation for each device that has a key. */
struct leg_psks {
    struct map by_leg;
};
void leg_psks_init(struct leg_psks *p, uint64_t seed);
void leg_psks_free(struct leg_psks *p);
/* Replaces what the device had; NULL: it has none any more. *changed: it is another one now. */
[[gnu::warn_unused_result]] enum error leg_psks_set(struct leg_psks *p, uint32_t leg, const struct leg_tls_psk *key,
                                                    bool *changed);
/* False: the device has none. The caller wipes *out. */
bool leg_psks_get(const struct leg_psks *p, uint32_t leg, struct leg_tls_psk *out);

#endif
