/* Random valid CoAP messages (RFC 7252 clause 3), for the tests that nothing of them is changed on their way: options
 * known and unknown, elective and critical, empty, long and repeated; payloads of any bytes; tokens of any length. */
#ifndef TESTS_NIDD_RANDOM_MESSAGE_H
#define TESTS_NIDD_RANDOM_MESSAGE_H

#include "base/bytes.h"
#include "base/prng.h"
#include "nidd/coap_view.h"

#define RANDOM_REST_MAX 1900 /* bytes */

uint8_t random_method(struct prng *p);
uint8_t random_response_code(struct prng *p);
struct bytes random_token(struct prng *p, uint8_t memory[COAP_TOKEN_MAX]); /* of 0 to 8 bytes, in `memory` */
/* What follows the header: the token, options, payload, instead of what is there. Without `observe` there is no
 * Observe among the options. */
void random_rest(struct prng *p, struct bytes token, bool observe, struct buf *out);

#endif
