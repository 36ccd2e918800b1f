#include "sim/sim_lwm2m_client_objects.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RESOURCES 16
#define TIME_MOST 253402300799 /* the end of the year 9999; far from any overflow */

struct objects {
    struct object_resource resources[RESOURCES];
};

enum { RW = CAN_READ | CAN_WRITE };

/* clang-format off */
static const struct objects initial = {{
    /* object, id, access, type, least, most, number, text, executions */
    {OBJECT_SERVER, SERVER_SHORT_ID, CAN_READ, TYPE_INTEGER, 1, 65534, 1, "", 0},
    {OBJECT_SERVER, SERVER_LIFETIME, RW, TYPE_INTEGER, 1, INT32_MAX, 300, "", 0},
    {OBJECT_SERVER, 2, RW, TYPE_INTEGER, 0, INT32_MAX, 0, "", 0}, /* default minimum period */
    {OBJECT_SERVER, 3, RW, TYPE_INTEGER, 0, INT32_MAX, 0, "", 0}, /* default maximum period */
    {OBJECT_SERVER, 6, RW, TYPE_BOOLEAN, 0, 1, 1, "", 0},         /* notification storing */
    {OBJECT_SERVER, SERVER_BINDING, RW, TYPE_STRING, 0, 0, 0, "U", 0},
    {OBJECT_SERVER, SERVER_UPDATE_TRIGGER, CAN_EXECUTE, TYPE_NONE, 0, 0, 0, "", 0},
    {OBJECT_DEVICE, 0, CAN_READ, TYPE_STRING, 0, 0, 0, "scef-adapter", 0},     /* manufacturer */
    {OBJECT_DEVICE, 1, CAN_READ, TYPE_STRING, 0, 0, 0, "sim-lwm2m-client", 0}, /* model number */
    {OBJECT_DEVICE, 2, CAN_READ, TYPE_STRING, 0, 0, 0, "0000001", 0},          /* serial number */
    {OBJECT_DEVICE, 3, CAN_READ, TYPE_STRING, 0, 0, 0, "1.0", 0},              /* firmware version */
    {OBJECT_DEVICE, 4, CAN_EXECUTE, TYPE_NONE, 0, 0, 0, "", 0},                /* reboot */
    {OBJECT_DEVICE, DEVICE_BATTERY_LEVEL, CAN_READ, TYPE_INTEGER, 0, 100, 100, "", 0},
    {OBJECT_DEVICE, DEVICE_CURRENT_TIME, RW, TYPE_TIME, 0, TIME_MOST, 0, "", 0},
    {OBJECT_DEVICE, DEVICE_BINDING, CAN_READ, TYPE_STRING, 0, 0, 0, "U", 0},
}};
/* clang-format on */

struct objects *objects_new(void)
{
    struct objects *objects = malloc(sizeof *objects);
    if (objects != NULL)
        *objects = initial;
    return objects;
}

void objects_free(struct objects *objects)
{
    free(objects);
}

struct object_resource *objects_at(struct objects *objects, size_t index)
{
    return index < RESOURCES && objects->resources[index].object != 0 ? &objects->resources[index] : NULL;
}

struct object_resource *objects_resource(struct objects *objects, int object, int id)
{
    struct object_resource *resource;
    for (size_t i = 0; (resource = objects_at(objects, i)) != NULL; i++)
        if (resource->object == object && resource->id == id)
            return resource;
    return NULL;
}

bool objects_find(struct objects *objects, const char *path, struct object_path *found)
{
    long ids[3];
    *found = (struct object_path){0};
    while (*path == '/' && found->depth < 3) {
        char *end;
        if (!isdigit((unsigned char)*++path))
            return false;
        ids[found->depth] = strtol(path, &end, 10);
        if (ids[found->depth++] > 65534)
            return false;
        path = end;
    }
    if (*path != '\0' || found->depth == 0 || (ids[0] != OBJECT_SERVER && ids[0] != OBJECT_DEVICE) ||
        (found->depth > 1 && ids[1] != 0))
        return false;
    found->object = (int)ids[0];
    if (found->depth == 3)
        found->resource = objects_resource(objects, found->object, (int)ids[2]);
    return found->depth < 3 || found->resource != NULL;
}

int64_t objects_number(const struct object_resource *resource)
{
    return resource->number + (resource->type == TYPE_TIME ? (int64_t)time(NULL) : 0);
}

void objects_set_text(struct object_resource *resource, const char *text)
{
    snprintf(resource->text, sizeof resource->text, "%s", text);
}

/* ---- reading ---- */

size_t objects_read_text(const struct object_resource *resource, char *body, size_t size)
{
    int length = resource->type == TYPE_STRING ? snprintf(body, size, "%s", resource->text)
                                               : snprintf(body, size, "%" PRId64, objects_number(resource));
    return (size_t)length < size ? (size_t)length : size - 1;
}

enum { TLV_INSTANCE = 0x00, TLV_RESOURCE = 0xc0, TLV_KIND = 0xc0, TLV_WIDE_ID = 0x20 };

/* Core §7.4.3.1: type, identifier, length if above 7, value. Ours are all below 65536 bytes and
 * have identifiers below 256. Returns 0 when there is no room. */
static size_t put_tlv(uint8_t *out, size_t size, uint8_t kind, int id, const uint8_t *value, size_t length)
{
    size_t width = length < 8 ? 0 : length < 256 ? 1 : 2;
    if (size < 2 + width + length)
        return 0;
    *out++ = (uint8_t)(kind | (width == 0 ? length : width << 3));
    *out++ = (uint8_t)id;
    if (width == 2)
        *out++ = (uint8_t)(length >> 8);
    if (width > 0)
        *out++ = (uint8_t)length;
    memcpy(out, value, length);
    return 2 + width + length;
}

static size_t put_resource_tlv(const struct object_resource *resource, uint8_t *out, size_t size)
{
    if (resource->type == TYPE_STRING)
        return put_tlv(out, size, TLV_RESOURCE, resource->id, (const uint8_t *)resource->text, strlen(resource->text));
    int64_t number = objects_number(resource);
    size_t width = number >= INT8_MIN && number <= INT8_MAX     ? 1
                   : number >= INT16_MIN && number <= INT16_MAX ? 2
                   : number >= INT32_MIN && number <= INT32_MAX ? 4
                                                                : 8;
    uint8_t bytes[8];
    for (size_t i = 0; i < width; i++)
        bytes[i] = (uint8_t)((uint64_t)number >> 8 * (width - 1 - i));
    return put_tlv(out, size, TLV_RESOURCE, resource->id, bytes, width);
}

size_t objects_read_tlv(struct objects *objects, const struct object_path *path, uint8_t *body, size_t size)
{
    if (path->depth == 3)
        return put_resource_tlv(path->resource, body, size);
    uint8_t inner[OBJECTS_BODY_BYTES];
    size_t length = 0;
    struct object_resource *resource;
    for (size_t i = 0; (resource = objects_at(objects, i)) != NULL; i++)
        if (resource->object == path->object && (resource->access & CAN_READ) != 0)
            length += put_resource_tlv(resource, inner + length, sizeof inner - length);
    if (path->depth == 1)
        return put_tlv(body, size, TLV_INSTANCE, 0, inner, length);
    if (length >= size)
        return 0;
    memcpy(body, inner, length);
    return length;
}

size_t objects_discover(struct objects *objects, const struct object_path *path, char *body, size_t size)
{
    FILE *out = fmemopen(body, size, "w");
    if (out == NULL)
        return 0;
    if (path->depth == 1)
        fprintf(out, "</%d>,", path->object);
    if (path->depth <= 2)
        fprintf(out, "</%d/0>", path->object);
    else
        fprintf(out, "</%d/0/%d>", path->object, path->resource->id);
    struct object_resource *resource;
    for (size_t i = 0; path->depth < 3 && (resource = objects_at(objects, i)) != NULL; i++)
        if (resource->object == path->object)
            fprintf(out, ",</%d/0/%d>", resource->object, resource->id);
    long length = ftell(out);
    fclose(out);
    return length > 0 && (size_t)length < size ? (size_t)length : size - 1;
}

/* ---- writing ---- */

/* Binding of the Server object: letters of transports, each once (Core, appendix E.2). */
static bool is_binding(const char *text)
{
    size_t length = strlen(text);
    return length > 0 && strspn(text, "UMHTSNQ") == length;
}

static enum objects_error set_number(struct object_resource *resource, int64_t number, bool dry)
{
    if (number < resource->least || number > resource->most)
        return OBJECTS_BAD_VALUE;
    if (!dry)
        resource->number = resource->type == TYPE_TIME ? number - (int64_t)time(NULL) : number;
    return OBJECTS_OK;
}

static enum objects_error set_string(struct object_resource *resource, const uint8_t *value, size_t length, bool dry)
{
    char text[OBJECTS_TEXT_BYTES];
    if (length >= sizeof text || memchr(value, '\0', length) != NULL)
        return OBJECTS_BAD_VALUE;
    memcpy(text, value, length);
    text[length] = '\0';
    if (resource->id == SERVER_BINDING && resource->object == OBJECT_SERVER && !is_binding(text))
        return OBJECTS_BAD_VALUE;
    if (!dry)
        objects_set_text(resource, text);
    return OBJECTS_OK;
}

enum objects_error objects_write_text(struct object_resource *resource, const uint8_t *value, size_t length)
{
    if ((resource->access & CAN_WRITE) == 0)
        return OBJECTS_NOT_WRITABLE;
    if (resource->type == TYPE_STRING)
        return length == 0 ? OBJECTS_BAD_VALUE : set_string(resource, value, length, false);
    char text[24], *end;
    if (length == 0 || length >= sizeof text)
        return OBJECTS_BAD_VALUE;
    memcpy(text, value, length);
    text[length] = '\0';
    if (text[0] != '-' && !isdigit((unsigned char)text[0]))
        return OBJECTS_BAD_VALUE;
    long long number = strtoll(text, &end, 10); /* overflow saturates, and is then out of range */
    if (*end != '\0' || (size_t)(end - text) != length)
        return OBJECTS_BAD_VALUE;
    return set_number(resource, number, false);
}

static enum objects_error write_one_tlv(struct object_resource *resource, const uint8_t *value, size_t length, bool dry)
{
    if ((resource->access & CAN_WRITE) == 0)
        return OBJECTS_NOT_WRITABLE;
    if (resource->type == TYPE_STRING)
        return set_string(resource, value, length, dry);
    if (length != 1 && length != 2 && length != 4 && length != 8)
        return OBJECTS_BAD_VALUE;
    uint64_t bits = (value[0] & 0x80) != 0 ? UINT64_MAX : 0;
    for (size_t i = 0; i < length; i++)
        bits = bits << 8 | value[i];
    return set_number(resource, (int64_t)bits, dry);
}

static enum objects_error walk_tlv(struct objects *objects, const struct object_path *path, const uint8_t *body,
                                   size_t left, bool dry)
{
    if (left == 0)
        return OBJECTS_BAD_VALUE;
    while (left > 0) {
        uint8_t type = body[0];
        size_t id_width = (type & TLV_WIDE_ID) != 0 ? 2 : 1, length_width = type >> 3 & 3;
        size_t head = 1 + id_width + length_width, length = 0;
        int id = 0;
        if ((type & TLV_KIND) != TLV_RESOURCE || left < head)
            return OBJECTS_BAD_VALUE;
        for (size_t i = 0; i < id_width; i++)
            id = id << 8 | body[1 + i];
        for (size_t i = 0; i < length_width; i++)
            length = length << 8 | body[1 + id_width + i];
        if (length_width == 0)
            length = type & 7;
        if (left - head < length)
            return OBJECTS_BAD_VALUE;
        if (path->depth == 3 && id != path->resource->id)
            return OBJECTS_BAD_VALUE;
        struct object_resource *resource = objects_resource(objects, path->object, id);
        if (resource == NULL)
            return OBJECTS_NOT_FOUND;
        enum objects_error error = write_one_tlv(resource, body + head, length, dry);
        if (error != OBJECTS_OK)
            return error;
        body += head + length;
        left -= head + length;
    }
    return OBJECTS_OK;
}

enum objects_error objects_write_tlv(struct objects *objects, const struct object_path *path, const uint8_t *body,
                                     size_t length)
{
    enum objects_error error = walk_tlv(objects, path, body, length, true);
    return error != OBJECTS_OK ? error : walk_tlv(objects, path, body, length, false);
}
