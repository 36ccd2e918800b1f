/* OAuth 2.0 client credentials in front of an HTTP client (RFC 6749 clause 4.4, TS 29.122 clause 6): what is sent
 * through here carries a bearer token, which is fetched when it is first needed, kept, renewed before it ends and once
 * after a 401, with which the request is then repeated once.
 *
 * Requests wait while a token is fetched: at most as long as one request to the token endpoint may take, and at most
 * OAUTH_WAITING_MAX of them. Without a token they end as ERR_UNREACHABLE, since nothing of them was sent, and the
 * endpoint is asked again after a back-off only. The secret is read from its file for each fetch, and is in no log. */
#ifndef T8_OAUTH_H
#define T8_OAUTH_H

#include "t8/http_client.h"

#define OAUTH_WAITING_MAX 4096

struct oauth;

struct oauth_options {
    const char *token_url;
    const char *client_id;
    const char *secret_file;         /* see t8/secret_file.h */
    const char *scope;               /* NULL: none */
    bool credentials_in_body;        /* else in a header (HTTP Basic) */
    struct http_client_options http; /* towards the token endpoint */
};

/* Everything in *o is copied. `api` is what requests are sent by; it is freed by its owner, before the oauth is. */
[[gnu::warn_unused_result]] enum error oauth_new(struct loop *l, const struct oauth_options *o, struct http_client *api,
                                                 struct oauth **out);
/* As http_client_send, whose errors it returns too. */
[[gnu::warn_unused_result]] enum error oauth_send(struct oauth *o, const struct http_request_options *r,
                                                  http_answer_fn fn, void *ctx, uint64_t ref);
/* The token for a request that is not sent through here; NULL: there is none now, one may be on its way. `refused`: the
 * latest one that was given was answered 401. */
const char *oauth_token(struct oauth *o, bool refused);
size_t oauth_waiting(const struct oauth *o); /* requests that are not with `api` */
/* What waits ends with ERR_DRAINING. Not from inside an http_answer_fn. NULL is fine. */
void oauth_free(struct oauth *o);

#endif
