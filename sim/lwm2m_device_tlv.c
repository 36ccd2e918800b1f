#include "sim/lwm2m_device_tlv.h"

/* Type byte: 2 bits kind, 1 bit "16-bit id", 2 bits bytes of the length field, 3 bits length when that field is empty.
 */

bool device_tlv_read(struct bytes *rest, struct device_tlv *out)
{
    struct reader r = {.rest = *rest};
    uint8_t type = reader_u8(&r);
    out->kind = (enum device_tlv_kind)(type >> 6);
    out->id = type & 0x20 ? reader_be16(&r) : reader_u8(&r);
    size_t len = type & 7;
    unsigned length_bytes = type >> 3 & 3;
    if (length_bytes > 0)
        len = 0;
    for (unsigned i = 0; i < length_bytes; i++)
        len = len << 8 | reader_u8(&r);
    out->value = reader_bytes(&r, len);
    if (r.failed)
        return false;
    *rest = r.rest;
    return true;
}

bool device_tlv_number(struct bytes value, int64_t *out)
{
    struct reader r = {.rest = value};
    switch (value.len) {
    case 1:
        *out = (int8_t)reader_u8(&r);
        return true;
    case 2:
        *out = (int16_t)reader_be16(&r);
        return true;
    case 4:
        *out = (int32_t)reader_be32(&r);
        return true;
    case 8:
        *out = (int64_t)reader_be64(&r);
        return true;
    default:
        return false;
    }
}

void device_tlv_write(struct buf *out, enum device_tlv_kind kind, uint16_t id, struct bytes value)
{
    unsigned wide = id > UINT8_MAX ? 0x20 : 0;
    unsigned length_bytes = value.len < 8 ? 0 : value.len <= 0xff ? 1 : value.len <= 0xffff ? 2 : 3;
    unsigned short_len = length_bytes == 0 ? (unsigned)value.len : 0;
    buf_add_u8(out, (uint8_t)((unsigned)kind << 6 | wide | length_bytes << 3 | short_len));
    if (wide)
        buf_add_be16(out, id);
    else
        buf_add_u8(out, (uint8_t)id);
    for (unsigned i = length_bytes; i-- > 0;)
        buf_add_u8(out, (uint8_t)(value.len >> (8 * i)));
    buf_add(out, value);
}

void device_tlv_write_number(struct buf *out, enum device_tlv_kind kind, uint16_t id, int64_t value)
{
    struct buf b = {0};
    if (value >= INT8_MIN && value <= INT8_MAX)
        buf_add_u8(&b, (uint8_t)value);
    else if (value >= INT16_MIN && value <= INT16_MAX)
        buf_add_be16(&b, (uint16_t)value);
    else if (value >= INT32_MIN && value <= INT32_MAX)
        buf_add_be32(&b, (uint32_t)value);
    else
        buf_add_be64(&b, (uint64_t)value);
    device_tlv_write(out, kind, id, buf_bytes(&b));
    out->failed |= b.failed;
    buf_free(&b);
}
