#include "sim/scef_sim.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

/* The token endpoint, and the check of what it gave: OAuth 2.0 client credentials as TS 29.122 clause 6 asks for them.
 */

#define FORM_TYPE "application/x-www-form-urlencoded"

/* ---- reading credentials */

static int hex(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* Decodes a form-encoded text into memory of its own, NULL when it is none. */
static char *form_decode(struct bytes in)
{
    struct buf out = {0};
    for (size_t i = 0; i < in.len; i++) {
        uint8_t c = in.data[i];
        if (c == '%') {
            int high = i + 2 < in.len ? hex(in.data[i + 1]) : -1, low = i + 2 < in.len ? hex(in.data[i + 2]) : -1;
            if (high < 0 || low < 0 || (high == 0 && low == 0)) {
                buf_free(&out);
                return NULL;
            }
            c = (uint8_t)(high << 4 | low);
            i += 2;
        }
        buf_add_u8(&out, in.data[i] == '+' ? ' ' : c);
    }
    buf_add_u8(&out, 0);
    if (out.failed)
        buf_free(&out);
    return (char *)out.data;
}

static struct bytes until(struct bytes in, char end)
{
    const uint8_t *at = in.len > 0 ? memchr(in.data, end, in.len) : NULL;
    return bytes_of(in.data, at != NULL ? (size_t)(at - in.data) : in.len);
}

static char *form_value(struct bytes body, const char *name)
{
    while (body.len > 0) {
        struct bytes pair = until(body, '&'), key = until(pair, '=');
        if (bytes_equal(key, bytes_of_str(name)))
            return form_decode(bytes_from(pair, key.len + 1));
        body = bytes_from(body, pair.len + 1);
    }
    return NULL;
}

/* The rest of an Authorization header of that scheme, NULL when it has another one. */
static const char *authorization(const struct http_exchange *x, const char *scheme)
{
    const char *value = http_exchange_header(x, "Authorization");
    size_t len = strlen(scheme);
    if (value == NULL || strncasecmp(value, scheme, len) != 0 || value[len] != ' ')
        return NULL;
    return value + len + strspn(value + len, " ");
}

static void credentials_read(const struct http_exchange *x, char **id, char **secret)
{
    const char *basic = authorization(x, "Basic");
    struct buf text = {0};
    if (basic == NULL) {
        *id = form_value(http_exchange_request(x)->body, "client_id");
        *secret = form_value(http_exchange_request(x)->body, "client_secret");
    } else if (base64_decode(bytes_of_str(basic), &text) == OK) {
        struct bytes first = until(buf_bytes(&text), ':');
        *id = form_decode(first);
        *secret = form_decode(bytes_from(buf_bytes(&text), first.len + 1));
    }
    buf_free(&text);
}

/* ---- the endpoint */

static int reply_error(struct http_exchange *x, int status, const char *word)
{
    char body[64];
    snprintf(body, sizeof body, "{\"error\":\"%s\"}", word);
    http_reply(x, &(struct http_reply){.status = status,
                                       .content_type = "application/json",
                                       .body = bytes_of_str(body),
                                       .authenticate = status == 401 ? "Basic realm=\"scef-sim\"" : NULL,
                                       .no_store = true});
    return status;
}

static int reply_token(struct scef_sim *s, struct http_exchange *x)
{
    struct sim_oauth *o = &s->oauth;
    uint8_t random[(SIM_TOKEN_TEXT - 1) / 2];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return reply_error(x, 500, "server_error");
    size_t i = o->issued++ % SIM_TOKENS;
    bytes_hex(bytes_of(random, sizeof random), o->tokens[i].text);
    o->tokens[i].expires_ms = sim_now_ms(s) + (uint64_t)s->config->oauth.token_lifetime_s * 1000;
    char body[160];
    snprintf(body, sizeof body, "{\"access_token\":\"%s\",\"token_type\":\"Bearer\",\"expires_in\":%u}",
             o->tokens[i].text, s->config->oauth.token_lifetime_s);
    http_reply(x, &(struct http_reply){
                      .status = 200, .content_type = "application/json", .body = bytes_of_str(body), .no_store = true});
    return 200;
}

int sim_oauth_token(struct scef_sim *s, struct http_exchange *x)
{
    const struct http_request *r = http_exchange_request(x);
    if (strcmp(r->method, "POST") != 0) {
        http_reply_error(x, ERR_METHOD, NULL, NULL);
        return 405;
    }
    if (strncasecmp(r->content_type, FORM_TYPE, strlen(FORM_TYPE)) != 0)
        return reply_error(x, 400, "invalid_request");
    char *id = NULL, *secret = NULL, *grant = form_value(r->body, "grant_type");
    credentials_read(x, &id, &secret);
    int status;
    if (id == NULL || secret == NULL || strcmp(id, s->config->oauth.client_id) != 0 ||
        strcmp(secret, s->config->oauth.client_secret) != 0)
        status = reply_error(x, 401, "invalid_client");
    else if (grant == NULL || strcmp(grant, "client_credentials") != 0)
        status = reply_error(x, 400, grant == NULL ? "invalid_request" : "unsupported_grant_type");
    else
        status = reply_token(s, x);
    s->oauth.refused += status != 200;
    free(id);
    free(secret);
    free(grant);
    return status;
}

bool sim_oauth_admits(struct scef_sim *s, struct http_exchange *x)
{
    const char *token = authorization(x, "Bearer");
    for (size_t i = 0; token != NULL && i < SIM_TOKENS; i++)
        if (s->oauth.tokens[i].text[0] != 0 && strcmp(s->oauth.tokens[i].text, token) == 0 &&
            sim_now_ms(s) < s->oauth.tokens[i].expires_ms)
            return true;
    s->oauth.without_token++;
    sim_trace_request(s, x, 401, NULL);
    static const char problem[] = "{\"title\":\"Unauthorized\",\"status\":401}";
    http_reply(x, &(struct http_reply){
                      .status = 401,
                      .content_type = "application/problem+json",
                      .body = bytes_of_str(problem),
                      .authenticate = token != NULL ? "Bearer realm=\"scef-sim\", error=\"invalid_token\""
                                                    : "Bearer realm=\"scef-sim\"",
                  });
    return false;
}

void sim_oauth_revoke(struct scef_sim *s)
{
    for (size_t i = 0; i < SIM_TOKENS; i++)
        s->oauth.tokens[i].text[0] = 0;
}
