#include "t8/oauth_token.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "t8/json_internal.h"

/* A token that is about to end is not sent any more: it has to arrive. */
#define LAST_MOMENT_MS 2000
#define LIFETIME_MAX_S (10ull * 365 * 24 * 3600)

/* ---- messages */

/* application/x-www-form-urlencoded (RFC 6749 appendix B) */
static void form_add(struct buf *out, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        bool plain = (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                     strchr("-._*", *p) != NULL;
        if (plain) {
            buf_add_u8(out, *p);
        } else if (*p == ' ') {
            buf_add_u8(out, '+');
        } else {
            buf_add_u8(out, '%');
            buf_add_u8(out, (uint8_t)digits[*p >> 4]);
            buf_add_u8(out, (uint8_t)digits[*p & 15]);
        }
    }
}

void oauth_request_write(struct buf *out, const char *client_id, const char *secret, const char *scope)
{
    buf_add_str(out, "grant_type=client_credentials");
    if (scope) {
        buf_add_str(out, "&scope=");
        form_add(out, scope);
    }
    if (secret) {
        buf_add_str(out, "&client_id=");
        form_add(out, client_id);
        buf_add_str(out, "&client_secret=");
        form_add(out, secret);
    }
}

void oauth_basic_write(struct buf *out, const char *client_id, const char *secret)
{
    form_add(out, client_id);
    buf_add_u8(out, ':');
    form_add(out, secret);
}

/* It goes into a header as it is. */
static bool token_ok(struct bytes token)
{
    if (token.len == 0 || token.len > OAUTH_TOKEN_BYTES_MAX)
        return false;
    for (size_t i = 0; i < token.len; i++)
        if (token.data[i] <= ' ' || token.data[i] >= 0x7f)
            return false;
    return true;
}

/* A number; some endpoints write it as a text. Anything else counts as not told. */
static uint64_t lifetime_of(struct t8_json_value v)
{
    int64_t n = 0;
    if (v.type == T8_JSON_INTEGER) {
        n = v.number;
    } else if (v.type == T8_JSON_STRING && v.text.len < 12) {
        for (size_t i = 0; i < v.text.len; i++) {
            if (v.text.data[i] < '0' || v.text.data[i] > '9')
                return 0;
            n = n * 10 + (v.text.data[i] - '0');
        }
    }
    return n <= 0 ? 0 : (uint64_t)n < LIFETIME_MAX_S ? (uint64_t)n : LIFETIME_MAX_S;
}

enum error oauth_token_read(struct bytes body, struct buf *token, uint64_t *lifetime_s, const char **why)
{
    struct t8_json_object o;
    *lifetime_s = 0;
    *why = NULL;
    enum error err = t8_json_read(body, &o);
    if (err) {
        *why = error_text(err);
        return err;
    }
    struct t8_json_value access = t8_json_get(&o, "access_token"), type = t8_json_get(&o, "token_type");
    if (access.type != T8_JSON_STRING || !token_ok(access.text))
        *why = "access_token is missing, or no token";
    else if (type.type == T8_JSON_STRING &&
             (type.text.len != 6 || strncasecmp((const char *)type.text.data, "bearer", 6) != 0))
        *why = "token_type is not Bearer";
    else
        buf_add(token, access.text);
    *lifetime_s = lifetime_of(t8_json_get(&o, "expires_in"));
    if (*why)
        err = ERR_PEER;
    else if (token->failed)
        err = ERR_NO_MEMORY;
    t8_doc_free(t8_json_take(&o));
    return err;
}

void oauth_error_read(struct bytes body, char out[64])
{
    struct t8_json_object o;
    out[0] = '\0';
    if (t8_json_read(body, &o) != OK)
        return;
    struct t8_json_value v = t8_json_get(&o, "error");
    size_t n = v.type == T8_JSON_STRING && v.text.len < 64 ? v.text.len : 0;
    if (n)
        memcpy(out, v.text.data, n);
    out[n] = '\0';
    t8_doc_free(t8_json_take(&o));
}

/* ---- state */

enum oauth_step oauth_state_step(const struct oauth_state *s, uint64_t now_ms)
{
    bool may_fetch = !s->fetching && now_ms >= s->retry_at_ms;
    if (s->has_token && now_ms < s->expires_at_ms)
        return now_ms >= s->refresh_at_ms && may_fetch ? OAUTH_SEND_AND_FETCH : OAUTH_SEND;
    if (s->fetching)
        return OAUTH_WAIT;
    return may_fetch ? OAUTH_FETCH : OAUTH_REFUSE;
}

void oauth_state_fetching(struct oauth_state *s)
{
    s->fetching = true;
}

static uint64_t at_most(uint64_t v, uint64_t limit)
{
    return v < limit ? v : limit;
}

void oauth_state_got(struct oauth_state *s, uint64_t now_ms, uint64_t lifetime_s)
{
    uint64_t life_ms = lifetime_s * 1000;
    s->fetching = false;
    s->has_token = true;
    s->proven = false;
    s->token_number++;
    s->refresh_at_ms = s->expires_at_ms = UINT64_MAX;
    if (lifetime_s) {
        s->refresh_at_ms = now_ms + life_ms - at_most(OAUTH_MARGIN_MS, life_ms / 4);
        s->expires_at_ms = now_ms + life_ms - at_most(LAST_MOMENT_MS, life_ms / 10);
    }
    if (s->refused == 0) {
        s->failures = 0;
        s->retry_at_ms = 0;
    }
}

static void back_off(struct oauth_state *s, uint64_t now_ms, uint64_t random, uint64_t at_least_ms)
{
    uint64_t pause_ms =
        at_most((uint64_t)OAUTH_BACKOFF_MIN_MS << (s->failures < 16 ? s->failures : 16), OAUTH_BACKOFF_MAX_MS);
    s->failures++;
    pause_ms = pause_ms / 2 + random % (pause_ms / 2 + 1);
    if (pause_ms < at_least_ms)
        pause_ms = at_least_ms;
    s->retry_at_ms = now_ms + pause_ms;
}

void oauth_state_failed(struct oauth_state *s, uint64_t now_ms, uint64_t random, uint64_t at_least_ms)
{
    s->fetching = false;
    back_off(s, now_ms, random, at_least_ms);
}

void oauth_state_refused(struct oauth_state *s, uint64_t now_ms, uint64_t token_number, uint64_t random)
{
    if (token_number != s->token_number || !s->has_token)
        return; /* that one was given up before */
    s->has_token = false;
    if (s->proven)
        return;
    if (s->refused < 16)
        s->refused++;
    if (s->refused > 1)
        back_off(s, now_ms, random, 0);
}

void oauth_state_accepted(struct oauth_state *s, uint64_t token_number)
{
    if (token_number != s->token_number || s->proven)
        return;
    s->proven = true;
    s->refused = 0;
    s->failures = 0;
    s->retry_at_ms = 0;
}
