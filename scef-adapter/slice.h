/* Which of several processes serves a device. Each owns a slice of the devices; all of them, and whatever routes
 * callbacks in front of them, must agree, so this never changes:
 *
 *   slice = CRC-32C(identity) mod count
 *
 * CRC-32C is that of RFC 3720 (Castagnoli); the identity is the External Identifier with its domain in small letters,
 * whose case does not count, the digits of the MSISDN for a device without one, the External Group Identifier for a
 * group's NIDD configuration. */
#ifndef SCEF_ADAPTER_SLICE_H
#define SCEF_ADAPTER_SLICE_H

#include "base/bytes.h"

/* count: at least 1. */
uint32_t slice_of(struct bytes identity, uint32_t count);

#endif
