/* What a request is about, for human eyes. */
#ifndef NIDD_COAP_PATH_H
#define NIDD_COAP_PATH_H

#include "base/bytes.h"

#define COAP_PATH_TEXT_MAX 64

/* "/3/0?pmin=1", cut at its size, '?' for what is not printable. Empty: no request, without options, or one under
 * OSCORE, whose outer path says nothing (RFC 8613 clause 4.1.3). The result lies in `out`. */
struct bytes coap_path_text(struct bytes message, char out[COAP_PATH_TEXT_MAX]);

#endif
