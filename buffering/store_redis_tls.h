/* TLS towards Redis and Sentinel: OpenSSL's handshake in hiredis' hands, certificate and name verified. */
#ifndef BUFFERING_STORE_REDIS_TLS_H
#define BUFFERING_STORE_REDIS_TLS_H

#include <hiredis/hiredis.h>

#include "buffering/store_redis.h"

/* Before the first command. NULL, or what is wrong; static text. */
const char *redis_tls_begin(redisContext *c, const struct redis_tls *tls, const char *host);

#endif
