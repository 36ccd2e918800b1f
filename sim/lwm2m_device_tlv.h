/* LwM2M TLV (OMA LwM2M Core 1.1 clause 7.4.3), as the built-in device reads and writes it. */
#ifndef SIM_LWM2M_DEVICE_TLV_H
#define SIM_LWM2M_DEVICE_TLV_H

#include "base/bytes.h"

enum device_tlv_kind { /* bits 7-6 of the type byte */
                       DEVICE_TLV_OBJECT_INSTANCE,
                       DEVICE_TLV_RESOURCE_INSTANCE,
                       DEVICE_TLV_MULTIPLE,
                       DEVICE_TLV_RESOURCE,
};

struct device_tlv {
    enum device_tlv_kind kind;
    uint16_t id;
    struct bytes value;
};

/* Takes one TLV off the front of *rest; false when there is none or it is malformed. */
bool device_tlv_read(struct bytes *rest, struct device_tlv *out);
/* An integer of 1, 2, 4 or 8 bytes. */
bool device_tlv_number(struct bytes value, int64_t *out);

void device_tlv_write(struct buf *out, enum device_tlv_kind kind, uint16_t id, struct bytes value);
/* In the fewest bytes. */
void device_tlv_write_number(struct buf *out, enum device_tlv_kind kind, uint16_t id, int64_t value);

#endif
