/* TLS towards Redis and Sentinel: OpenSSL's handshake in hiredis' hands, certificate and name verified. */
#ifndef BUFFERING_STORE_REDIS_TLS_H
#define BUFFERING_STORE_REDIS_TLS_H

#include <hiredis/hiredis.h>

#include "buffering/store_redis.h"

struct ssl_st;

/* Before the first command. NULL, or what is wrong; static text. *out, also then, is the session or NULL: the caller
 * gives it to redis_tls_free. */
const char *redis_tls_begin(redisContext *c, const struct redis_tls *tls, const char *host, struct ssl_st **out);
/* What was wrong with the peer's certificate; NULL: nothing as far as is known. Static text. */
const char *redis_tls_fault(const struct ssl_st *ssl);
void redis_tls_free(struct ssl_st *ssl); /* NULL is fine */

#endif
