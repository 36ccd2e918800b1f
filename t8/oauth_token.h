/* OAuth 2.0 access tokens by client credentials (RFC 6749 clause 4.4): the parts without I/O.
 *
 * What the token endpoint answers is read here, and when a token is fetched, used and given up is decided here:
 *
 *     no token --fetch--> fetching --got--> token --refresh time--> token, fetching --got--> token
 *         ^                  |failed           |expired, or refused by a 401
 *         +---- back-off <---+                 +--> no token
 *
 * A token that no request was ever accepted with, refused, is followed by one more at once, and then by the back-off:
 * a SCEF that refuses every token must not make us fetch one for each request. */
#ifndef T8_OAUTH_TOKEN_H
#define T8_OAUTH_TOKEN_H

#include "base/bytes.h"

#define OAUTH_TOKEN_BYTES_MAX 16384
#define OAUTH_MARGIN_MS       30000 /* so long before its end a token is renewed; a short one for a quarter of its life */
#define OAUTH_BACKOFF_MIN_MS  1000
#define OAUTH_BACKOFF_MAX_MS  60000

/* ---- messages */

/* Appends the body of the request. Without secret: the credentials travel in a header (oauth_basic_write). */
void oauth_request_write(struct buf *out, const char *client_id, const char *secret, const char *scope);
/* Appends "client_id:secret" for HTTP Basic, both form-encoded (RFC 6749 clause 2.3.1). */
void oauth_basic_write(struct buf *out, const char *client_id, const char *secret);

/* Reads a 200: appends the token to *token. *lifetime_s is 0 when not told. Else *why tells what is wrong with it. */
[[gnu::warn_unused_result]] enum error oauth_token_read(struct bytes body, struct buf *token, uint64_t *lifetime_s,
                                                        const char **why);
/* The "error" word of any other answer (RFC 6749 clause 5.2), "" when there is none. */
void oauth_error_read(struct bytes body, char out[64]);

/* ---- state */

struct oauth_state {
    uint64_t token_number; /* of the latest; 0: there was none */
    bool has_token;
    bool proven; /* it was accepted once */
    bool fetching;
    uint64_t refresh_at_ms, expires_at_ms;
    uint64_t retry_at_ms; /* no fetch before */
    unsigned failures;    /* in a row */
    unsigned refused;     /* tokens in a row that were never accepted */
};

enum oauth_step {
    OAUTH_SEND,           /* the token is good */
    OAUTH_SEND_AND_FETCH, /* it is good, and its successor is due */
    OAUTH_FETCH,          /* fetch, and wait for it */
    OAUTH_WAIT,           /* a fetch is under way */
    OAUTH_REFUSE          /* none, and it is too early to ask again */
};

/* What to do with a request now. */
enum oauth_step oauth_state_step(const struct oauth_state *s, uint64_t now_ms);
void oauth_state_fetching(struct oauth_state *s);
void oauth_state_got(struct oauth_state *s, uint64_t now_ms, uint64_t lifetime_s);
/* `random` makes the jitter; `at_least_ms` is what the endpoint asked for. */
void oauth_state_failed(struct oauth_state *s, uint64_t now_ms, uint64_t random, uint64_t at_least_ms);
/* What became of a request that was sent with that token: a 401, or any other answer. */
void oauth_state_refused(struct oauth_state *s, uint64_t now_ms, uint64_t token_number, uint64_t random);
void oauth_state_accepted(struct oauth_state *s, uint64_t token_number);

#endif
