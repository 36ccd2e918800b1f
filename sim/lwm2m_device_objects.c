#include "sim/lwm2m_device_objects.h"

#include "sim/lwm2m_device_tlv.h"

#include <string.h>

enum { READ = 1, WRITE = 2, EXECUTE = 4 };

static const struct resource {
    uint16_t object, id;
    unsigned operations;
    enum { NUMBER, FLAG, TEXT, NUMBERS } type; /* NUMBERS: multiple, here always with the one instance 0 */
} resources[] = {
    {1, 0, READ, NUMBER},          /* short server id */
    {1, 1, READ | WRITE, NUMBER},  /* lifetime */
    {1, 6, READ | WRITE, FLAG},    /* notification storing */
    {1, 7, READ | WRITE, TEXT},    /* binding */
    {1, 8, EXECUTE, TEXT},         /* registration update trigger */
    {3, 0, READ, TEXT},            /* manufacturer */
    {3, 1, READ, TEXT},            /* model number */
    {3, 2, READ, TEXT},            /* serial number */
    {3, 3, READ, TEXT},            /* firmware version */
    {3, 4, EXECUTE, TEXT},         /* reboot */
    {3, 9, READ, NUMBER},          /* battery level */
    {3, 10, READ, NUMBER},         /* memory free */
    {3, 11, READ, NUMBERS},        /* error code */
    {3, 13, READ | WRITE, NUMBER}, /* current time */
    {3, 14, READ | WRITE, TEXT},   /* UTC offset */
    {3, 15, READ | WRITE, TEXT},   /* timezone */
    {3, 16, READ, TEXT},           /* supported bindings */
};
#define RESOURCE_COUNT (sizeof resources / sizeof *resources)

/* What a resource holds: a number (flags too) or a text. */
struct value {
    int64_t number;
    struct bytes text;
};

void device_objects_init(struct device_objects *o, uint32_t lifetime_s)
{
    *o = (struct device_objects){.lifetime_s = lifetime_s, .binding = "U", .utc_offset = "+00:00"};
    memcpy(o->timezone, "Etc/UTC", sizeof "Etc/UTC");
}

static struct value value_get(const struct device_objects *o, const struct resource *r, uint64_t now_ms)
{
    int64_t now_s = (int64_t)(now_ms / 1000);
    switch (r->object << 8 | r->id) {
    case 1 << 8 | 0:
        return (struct value){.number = 1};
    case 1 << 8 | 1:
        return (struct value){.number = o->lifetime_s};
    case 1 << 8 | 6:
        return (struct value){.number = o->notification_storing};
    case 1 << 8 | 7:
        return (struct value){.text = bytes_of_str(o->binding)};
    case 3 << 8 | 0:
        return (struct value){.text = BYTES_LIT("scef-sim")};
    case 3 << 8 | 1:
        return (struct value){.text = BYTES_LIT("built-in UE")};
    case 3 << 8 | 2:
        return (struct value){.text = BYTES_LIT("0001")};
    case 3 << 8 | 3:
        return (struct value){.text = BYTES_LIT("1.0")};
    case 3 << 8 | 9: /* one percent a minute, then a fresh battery: notifications differ */
        return (struct value){.number = 100 - now_s / 60 % 100};
    case 3 << 8 | 10:
        return (struct value){.number = 256};
    case 3 << 8 | 13:
        return (struct value){.number = now_s + o->time_offset_s};
    case 3 << 8 | 14:
        return (struct value){.text = bytes_of_str(o->utc_offset)};
    case 3 << 8 | 15:
        return (struct value){.text = bytes_of_str(o->timezone)};
    case 3 << 8 | 16:
        return (struct value){.text = BYTES_LIT("U")};
    default:
        return (struct value){0};
    }
}

static bool text_set(char out[DEVICE_TEXT_MAX + 1], struct bytes text)
{
    if (text.len > DEVICE_TEXT_MAX)
        return false;
    if (text.len > 0)
        memcpy(out, text.data, text.len);
    out[text.len] = 0;
    return true;
}

/* false: the value is not one that this resource can have. */
static bool value_set(struct device_objects *o, const struct resource *r, uint64_t now_ms, const struct value *v)
{
    switch (r->object << 8 | r->id) {
    case 1 << 8 | 1:
        if (v->number < 1 || v->number > UINT32_MAX)
            return false;
        o->lifetime_s = (uint32_t)v->number;
        return true;
    case 1 << 8 | 6:
        o->notification_storing = v->number != 0;
        return true;
    case 1 << 8 | 7:
        return text_set(o->binding, v->text);
    case 3 << 8 | 13:
        if (v->number < 0 || v->number > INT64_MAX / 2)
            return false;
        o->time_offset_s = v->number - (int64_t)(now_ms / 1000);
        return true;
    case 3 << 8 | 14:
        return text_set(o->utc_offset, v->text);
    case 3 << 8 | 15:
        return text_set(o->timezone, v->text);
    default:
        return false;
    }
}

/* ---- what a path names */

static const struct resource *resource_find(uint16_t object, uint16_t id)
{
    for (size_t i = 0; i < RESOURCE_COUNT; i++)
        if (resources[i].object == object && resources[i].id == id)
            return &resources[i];
    return NULL;
}

static bool path_exists(const struct device_path *p)
{
    if (p->depth < 1 || p->depth > 4 || (p->ids[0] != 1 && p->ids[0] != 3) || (p->depth >= 2 && p->ids[1] != 0))
        return false;
    if (p->depth < 3)
        return true;
    const struct resource *r = resource_find(p->ids[0], p->ids[2]);
    return r != NULL && (p->depth < 4 || (r->type == NUMBERS && p->ids[3] == 0));
}

static bool path_selects(const struct device_path *p, const struct resource *r)
{
    return r->object == p->ids[0] && (p->depth < 3 || r->id == p->ids[2]);
}

/* ---- reading */

static void text_write(const struct resource *r, const struct value *v, struct buf *out)
{
    if (r->type == TEXT)
        buf_add(out, v->text);
    else
        buf_addf(out, "%lld", (long long)v->number);
}

static void resource_tlv_write(const struct resource *r, const struct value *v, struct buf *out)
{
    switch (r->type) {
    case NUMBER:
        device_tlv_write_number(out, DEVICE_TLV_RESOURCE, r->id, v->number);
        break;
    case FLAG:
        device_tlv_write(out, DEVICE_TLV_RESOURCE, r->id, bytes_of(v->number != 0 ? "\1" : "\0", 1));
        break;
    case TEXT:
        device_tlv_write(out, DEVICE_TLV_RESOURCE, r->id, v->text);
        break;
    case NUMBERS: {
        struct buf inner = {0};
        device_tlv_write_number(&inner, DEVICE_TLV_RESOURCE_INSTANCE, 0, v->number);
        device_tlv_write(out, DEVICE_TLV_MULTIPLE, r->id, buf_bytes(&inner));
        out->failed |= inner.failed;
        buf_free(&inner);
        break;
    }
    }
}

static void json_text_write(struct bytes text, struct buf *out)
{
    buf_add_u8(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '"' || text.data[i] == '\\')
            buf_add_u8(out, '\\');
        buf_add_u8(out, text.data[i]); /* control characters were never let in */
    }
    buf_add_u8(out, '"');
}

static void senml_write(const struct resource *r, const struct value *v, struct buf *out)
{
    if (out->len > 0 && out->data[out->len - 1] == '}')
        buf_add_u8(out, ',');
    buf_add_u8(out, '{');
    if (out->len == 2)
        buf_addf(out, "\"bn\":\"/%u/0/\",", r->object);
    buf_addf(out, "\"n\":\"%u%s\",", r->id, r->type == NUMBERS ? "/0" : "");
    if (r->type == TEXT) {
        buf_add_str(out, "\"vs\":");
        json_text_write(v->text, out);
    } else if (r->type == FLAG) {
        buf_add_str(out, v->number != 0 ? "\"vb\":true" : "\"vb\":false");
    } else {
        buf_addf(out, "\"v\":%lld", (long long)v->number);
    }
    buf_add_u8(out, '}');
}

/* The forms of all readable resources under the path, in a buffer of their own (SenML looks at its beginning). */
static void values_write(const struct device_objects *o, const struct device_path *path, uint64_t now_ms, int format,
                         struct buf *out)
{
    if (format == DEVICE_FORMAT_SENML_JSON)
        buf_add_u8(out, '[');
    for (size_t i = 0; i < RESOURCE_COUNT; i++) {
        const struct resource *r = &resources[i];
        if (!path_selects(path, r) || (r->operations & READ) == 0)
            continue;
        struct value v = value_get(o, r, now_ms);
        if (format == DEVICE_FORMAT_TEXT)
            text_write(r, &v, out);
        else if (format == DEVICE_FORMAT_TLV)
            resource_tlv_write(r, &v, out);
        else
            senml_write(r, &v, out);
    }
    if (format == DEVICE_FORMAT_SENML_JSON)
        buf_add_u8(out, ']');
}

uint8_t device_objects_read(const struct device_objects *o, const struct device_path *path, uint64_t now_ms,
                            int *format, struct buf *out)
{
    if (!path_exists(path))
        return COAP_CODE_OF(4, 4);
    const struct resource *r = path->depth >= 3 ? resource_find(path->ids[0], path->ids[2]) : NULL;
    if (r != NULL && (r->operations & READ) == 0)
        return COAP_CODE_OF(4, 5);
    bool single = r != NULL && (r->type != NUMBERS || path->depth == 4);
    if (*format == DEVICE_FORMAT_NONE)
        *format = single ? DEVICE_FORMAT_TEXT : DEVICE_FORMAT_TLV;
    if (*format != DEVICE_FORMAT_TLV && *format != DEVICE_FORMAT_SENML_JSON &&
        (*format != DEVICE_FORMAT_TEXT || !single))
        return COAP_CODE_OF(4, 6);
    struct buf values = {0};
    values_write(o, path, now_ms, *format, &values);
    if (*format == DEVICE_FORMAT_TLV && path->depth == 1)
        device_tlv_write(out, DEVICE_TLV_OBJECT_INSTANCE, 0, buf_bytes(&values));
    else
        buf_add(out, buf_bytes(&values));
    out->failed |= values.failed;
    buf_free(&values);
    return COAP_CODE_OF(2, 5);
}

void device_objects_report(const struct device_objects *o, uint64_t now_ms, struct buf *out)
{
    const struct resource *battery = resource_find(3, 9), *time = resource_find(3, 13);
    struct value v = value_get(o, battery, now_ms);
    struct buf values = {0};
    buf_add_u8(&values, '[');
    senml_write(battery, &v, &values);
    v = value_get(o, time, now_ms);
    senml_write(time, &v, &values);
    buf_add_u8(&values, ']');
    buf_add(out, buf_bytes(&values));
    out->failed |= values.failed;
    buf_free(&values);
}

/* ---- writing */

static bool number_parse(struct bytes text, int64_t *out)
{
    bool negative = text.len > 0 && text.data[0] == '-';
    size_t i = negative ? 1 : 0;
    uint64_t magnitude = 0;
    if (text.len == i || text.len > i + 18) /* 18 digits always fit */
        return false;
    for (; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        magnitude = magnitude * 10 + (uint64_t)(text.data[i] - '0');
    }
    *out = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return true;
}

/* UTF-8 without control characters; over-long forms and surrogates are let through, nobody here compares texts. */
static bool text_valid(struct bytes text)
{
    size_t following = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t b = text.data[i];
        if (following > 0) {
            if (b >> 6 != 2)
                return false;
            following--;
        } else if (b < 0x20 || b == 0x7f || b >> 6 == 2 || b >= 0xf8) {
            return false;
        } else if (b >= 0xc0) {
            following = b >= 0xf0 ? 3 : b >= 0xe0 ? 2 : 1;
        }
    }
    return following == 0;
}

static bool value_parse(const struct resource *r, int format, struct bytes in, struct value *v)
{
    *v = (struct value){0};
    if (r->type == TEXT) {
        v->text = in;
        return text_valid(in);
    }
    bool read = format == DEVICE_FORMAT_TLV ? device_tlv_number(in, &v->number) : number_parse(in, &v->number);
    return read && (r->type != FLAG || v->number == 0 || v->number == 1);
}

static uint8_t resource_write(struct device_objects *o, const struct resource *r, uint64_t now_ms, int format,
                              struct bytes in)
{
    struct value v;
    if ((r->operations & WRITE) == 0)
        return COAP_CODE_OF(4, 5);
    return value_parse(r, format, in, &v) && value_set(o, r, now_ms, &v) ? COAP_CODE_OF(2, 4) : COAP_CODE_OF(4, 0);
}

/* A list of resources; `only` narrows it to one. */
static uint8_t tlv_write(struct device_objects *o, const struct device_path *path, uint64_t now_ms, struct bytes in)
{
    struct bytes rest = in;
    struct device_tlv t;
    if (path->depth == 2 && device_tlv_read(&rest, &t) && t.kind == DEVICE_TLV_OBJECT_INSTANCE) {
        if (t.id != path->ids[1] || rest.len > 0)
            return COAP_CODE_OF(4, 0);
        in = t.value; /* some servers wrap the resources into their instance */
    }
    uint8_t code = COAP_CODE_OF(4, 0); /* of an empty list */
    for (rest = in; rest.len > 0;) {
        if (!device_tlv_read(&rest, &t) || t.kind != DEVICE_TLV_RESOURCE || (path->depth == 3 && t.id != path->ids[2]))
            return COAP_CODE_OF(4, 0);
        const struct resource *r = resource_find(path->ids[0], t.id);
        code = r != NULL ? resource_write(o, r, now_ms, DEVICE_FORMAT_TLV, t.value) : COAP_CODE_OF(4, 4);
        if (code != COAP_CODE_OF(2, 4))
            return code;
    }
    return code;
}

uint8_t device_objects_write(struct device_objects *o, const struct device_path *path, uint64_t now_ms, int format,
                             struct bytes payload)
{
    if (!path_exists(path))
        return COAP_CODE_OF(4, 4);
    if (path->depth == 1 || path->depth == 4)
        return COAP_CODE_OF(4, 5);
    const struct resource *r = path->depth == 3 ? resource_find(path->ids[0], path->ids[2]) : NULL;
    if (r != NULL && (r->operations & WRITE) == 0)
        return COAP_CODE_OF(4, 5);
    struct device_objects changed = *o;
    uint8_t code = COAP_CODE_OF(4, 15);
    if (format == DEVICE_FORMAT_TLV)
        code = tlv_write(&changed, path, now_ms, payload);
    else if (r != NULL && (format == DEVICE_FORMAT_TEXT || format == DEVICE_FORMAT_NONE))
        code = resource_write(&changed, r, now_ms, DEVICE_FORMAT_TEXT, payload);
    if (code == COAP_CODE_OF(2, 4))
        *o = changed;
    return code;
}

/* ---- the other operations */

uint8_t device_objects_execute(const struct device_path *path)
{
    if (!path_exists(path))
        return COAP_CODE_OF(4, 4);
    const struct resource *r = path->depth == 3 ? resource_find(path->ids[0], path->ids[2]) : NULL;
    return r != NULL && (r->operations & EXECUTE) != 0 ? COAP_CODE_OF(2, 4) : COAP_CODE_OF(4, 5);
}

uint8_t device_objects_refuse(const struct device_path *path)
{
    return path_exists(path) ? COAP_CODE_OF(4, 5) : COAP_CODE_OF(4, 4);
}

uint8_t device_objects_discover(const struct device_path *path, struct buf *out)
{
    if (!path_exists(path) || path->depth == 4)
        return COAP_CODE_OF(4, 4);
    if (path->depth == 1)
        buf_addf(out, "</%u>,", path->ids[0]);
    if (path->depth <= 2)
        buf_addf(out, "</%u/0>", path->ids[0]);
    for (size_t i = 0; i < RESOURCE_COUNT; i++) {
        if (!path_selects(path, &resources[i]))
            continue;
        buf_addf(out, "%s</%u/0/%u>%s", path->depth == 3 ? "" : ",", resources[i].object, resources[i].id,
                 resources[i].type == NUMBERS ? ";dim=1" : "");
    }
    return COAP_CODE_OF(2, 5);
}
