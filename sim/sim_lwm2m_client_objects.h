/*
 * The two objects of sim-lwm2m-client: Server (1) and Device (3), one instance each, with their
 * values, and the three forms in which LwM2M 1.1 reads and writes them here: text/plain (Core
 * §7.4.1), TLV (§7.4.3) and the link format of Discover (§6.3.2). No CoAP in this file.
 */
#ifndef SIM_LWM2M_CLIENT_OBJECTS_H
#define SIM_LWM2M_CLIENT_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OBJECTS_TEXT_BYTES = 64, OBJECTS_BODY_BYTES = 1024 };

enum { OBJECT_SERVER = 1, OBJECT_DEVICE = 3 };
enum {
    SERVER_SHORT_ID = 0,
    SERVER_LIFETIME = 1,
    SERVER_BINDING = 7,
    SERVER_UPDATE_TRIGGER = 8,
    DEVICE_BATTERY_LEVEL = 9,
    DEVICE_CURRENT_TIME = 13,
    DEVICE_BINDING = 16,
};

enum object_access { CAN_READ = 1, CAN_WRITE = 2, CAN_EXECUTE = 4 };
enum object_type { TYPE_STRING, TYPE_INTEGER, TYPE_BOOLEAN, TYPE_TIME, TYPE_NONE };

struct object_resource {
    int object, id;
    unsigned access; /* of enum object_access */
    enum object_type type;
    int64_t least, most;           /* numbers: what a write may set */
    int64_t number;                /* TYPE_TIME: offset to the clock, so that it runs on */
    char text[OBJECTS_TEXT_BYTES]; /* TYPE_STRING */
    unsigned executions;
};

struct objects;

struct object_path { /* "/3/0/13": depth 3 */
    int depth, object, instance;
    struct object_resource *resource; /* at depth 3 */
};

struct objects *objects_new(void);
void objects_free(struct objects *objects);

/* False: there is no such object, instance or resource. */
bool objects_find(struct objects *objects, const char *path, struct object_path *found);
struct object_resource *objects_resource(struct objects *objects, int object, int id);
/* All resources in order; NULL past the last. */
struct object_resource *objects_at(struct objects *objects, size_t index);

int64_t objects_number(const struct object_resource *resource);
void objects_set_text(struct object_resource *resource, const char *text);

/* Write into body[size]; return the length, always below size. */
size_t objects_read_text(const struct object_resource *resource, char *body, size_t size);
size_t objects_read_tlv(struct objects *objects, const struct object_path *path, uint8_t *body, size_t size);
size_t objects_discover(struct objects *objects, const struct object_path *path, char *body, size_t size);

enum objects_error {
    OBJECTS_OK,
    OBJECTS_BAD_VALUE,    /* malformed, of the wrong type or out of range */
    OBJECTS_NOT_WRITABLE, /* read-only or executable */
    OBJECTS_NOT_FOUND,    /* a resource in the TLV that is not there */
};

enum objects_error objects_write_text(struct object_resource *resource, const uint8_t *value, size_t length);
/* All of the TLV or nothing. */
enum objects_error objects_write_tlv(struct objects *objects, const struct object_path *path, const uint8_t *body,
                                     size_t length);

#endif
