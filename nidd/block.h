/* Blocks (RFC 7959), as far as a message layer has to do with them: which size fits into what a device can receive, and
 * an answer that is too large for it cut down to the block that was asked for. Pure, and without memory between the
 * blocks: a server that knows no Block2 gives the whole representation each time, and one block of it goes on. */
#ifndef NIDD_BLOCK_H
#define NIDD_BLOCK_H

#include "nidd/coap_view.h"

#define BLOCK_SZX_MAX 6 /* 16 << 6 = 1,024 bytes; 7 is reserved */

struct block {
    uint32_t num;
    bool more;
    uint8_t szx;
};
/* Of this option (Block1 or Block2); false: there is none, or it is no valid one (RFC 7959 clause 2.2). */
bool block_find(const struct coap_view *v, uint32_t option, struct block *out);

/* The largest block that fits when the request is sent again in blocks of that size with the same options, whatever
 * their number; -1: not even 16 bytes do. */
int block1_szx_fitting(const struct coap_view *request, uint32_t limit_bytes);

enum block_cut { BLOCK_CUT, BLOCK_CUT_NOT, BLOCK_CUT_BEYOND };
/* From a response that is larger than the limit: appends to `rest` what follows the header, with a part of the payload,
 * Block2 and, with the first part of a whole representation, Size2; all other options as they were. `asked` is the
 * Block2 of the request, or NULL. What the server itself has cut is cut smaller, at the place where it begins.
 * NOT: it cannot be cut (no payload, OSCORE, an error, options that cannot be read, or no block fits).
 * BEYOND: it is whole, and what was asked for lies behind its end. */
enum block_cut block2_cut(const struct coap_view *response, const struct block *asked, uint32_t limit_bytes,
                          struct buf *rest);

#endif
