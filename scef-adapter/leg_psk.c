#include "scef-adapter/leg_psk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t8/secret_file.h"

/* ---- from text ---- */

static int hex_digit(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

bool leg_tls_psk_from_hex(const char *identity, const char *hex, struct leg_tls_psk *out)
{
    const size_t digits = strlen(hex), identity_len = strlen(identity);
    *out = (struct leg_tls_psk){.key_len = 0};
    if (digits == 0 || digits % 2 || digits / 2 > sizeof(out->key) || identity_len > LEG_TLS_IDENTITY_MAX)
        return false;
    for (size_t i = 0; i < digits; i += 2) {
        const int high = hex_digit((uint8_t)hex[i]), low = hex_digit((uint8_t)hex[i + 1]);
        if (high < 0 || low < 0)
            return false;
        out->key[i / 2] = (uint8_t)(high << 4 | low);
    }
    memcpy(out->identity, identity, identity_len + 1);
    out->key_len = digits / 2;
    return true;
}

enum error leg_tls_psk_read(const char *identity, const char *key_path, struct leg_tls_psk *out,
                            char why[LEG_PSK_WHY_BYTES])
{
    struct buf secret = {0};
    *out = (struct leg_tls_psk){.key_len = 0};
    if (strlen(identity) > LEG_TLS_IDENTITY_MAX) {
        snprintf(why, LEG_PSK_WHY_BYTES, "the identity is longer than %d bytes", LEG_TLS_IDENTITY_MAX);
        return ERR_CONFIG;
    }
    errno = 0;
    enum error err = secret_file_read(key_path, &secret);
    if (err)
        snprintf(why, LEG_PSK_WHY_BYTES, "%.120s: %s", key_path, errno ? strerror(errno) : "is empty");
    else if (!leg_tls_psk_from_hex(identity, (const char *)secret.data, out)) {
        snprintf(why, LEG_PSK_WHY_BYTES, "%.120s: is not a key of 2 to %d hexadecimal digits", key_path,
                 2 * LEG_TLS_KEY_MAX_BYTES);
        err = ERR_CONFIG;
    }
    secret_free(&secret);
    return err;
}

/* ---- of devices ---- */

struct device_psk {
    uint32_t leg;
    uint8_t identity_len, key_len;
    uint8_t bytes[]; /* the identity, then the key */
};

static struct bytes leg_key(const void *value)
{
    const struct device_psk *d = value;
    return bytes_of(&d->leg, sizeof(d->leg));
}

static size_t size_of(const struct device_psk *d)
{
    return sizeof(*d) + d->identity_len + d->key_len;
}

static void device_free(struct device_psk *d)
{
    if (d)
        explicit_bzero(d, size_of(d));
    free(d);
}

static struct device_psk *device_new(uint32_t leg, const struct leg_tls_psk *key)
{
    const size_t identity_len = strlen(key->identity);
    struct device_psk *d = malloc(sizeof(*d) + identity_len + key->key_len);
    if (!d)
        return NULL;
    *d = (struct device_psk){.leg = leg, .identity_len = (uint8_t)identity_len, .key_len = (uint8_t)key->key_len};
    memcpy(d->bytes, key->identity, identity_len);
    memcpy(d->bytes + identity_len, key->key, key->key_len);
    return d;
}

static struct device_psk *find(const struct leg_psks *p, uint32_t leg)
{
    return map_get(&p->by_leg, bytes_of(&leg, sizeof(leg)));
}

void leg_psks_init(struct leg_psks *p, uint64_t seed)
{
    map_init(&p->by_leg, leg_key, seed);
}

void leg_psks_free(struct leg_psks *p)
{
    size_t cursor = 0;
    for (struct device_psk *d; (d = map_next(&p->by_leg, &cursor)) != NULL;)
        device_free(d);
    map_free(&p->by_leg);
}

enum error leg_psks_set(struct leg_psks *p, uint32_t leg, const struct leg_tls_psk *key, bool *changed)
{
    struct device_psk *old = find(p, leg), *fresh = NULL;
    *changed = false;
    if (key) {
        fresh = device_new(leg, key);
        if (!fresh)
            return ERR_NO_MEMORY;
    }
    if (!old && !fresh)
        return OK;
    if (old && fresh && size_of(old) == size_of(fresh) && memcmp(old, fresh, size_of(old)) == 0) {
        device_free(fresh);
        return OK;
    }
    if (old)
        (void)map_remove(&p->by_leg, leg_key(old));
    /* Where one was removed there is room. */
    enum error err = fresh ? map_put(&p->by_leg, fresh) : OK;
    if (err)
        device_free(fresh);
    device_free(old);
    *changed = !err;
    return err;
}

bool leg_psks_get(const struct leg_psks *p, uint32_t leg, struct leg_tls_psk *out)
{
    const struct device_psk *d = find(p, leg);
    if (!d)
        return false;
    memcpy(out->identity, d->bytes, d->identity_len);
    out->identity[d->identity_len] = '\0';
    memcpy(out->key, d->bytes + d->identity_len, d->key_len);
    out->key_len = d->key_len;
    return true;
}
