/* The objects of the built-in device: Server (1) and Device (3), one instance each, and their forms on the wire: text,
 * TLV, SenML JSON and link format (OMA LwM2M Core 1.1 clauses 5.1, 6.3 and 7.4). */
#ifndef SIM_LWM2M_DEVICE_OBJECTS_H
#define SIM_LWM2M_DEVICE_OBJECTS_H

#include "base/bytes.h"

enum device_format {
    DEVICE_FORMAT_NONE = -1,
    DEVICE_FORMAT_TEXT = 0,
    DEVICE_FORMAT_LINK = 40,
    DEVICE_FORMAT_SENML_JSON = 110,
    DEVICE_FORMAT_TLV = 11542,
};

#define DEVICE_TEXT_MAX 64 /* of a string that a server writes */

struct device_objects {
    uint32_t lifetime_s;
    bool notification_storing;
    int64_t time_offset_s; /* of /3/0/13, after somebody has set the clock */
    char binding[DEVICE_TEXT_MAX + 1];
    char utc_offset[DEVICE_TEXT_MAX + 1];
    char timezone[DEVICE_TEXT_MAX + 1];
};
void device_objects_init(struct device_objects *o, uint32_t lifetime_s);

struct device_path {
    unsigned depth; /* 1 object, 2 instance, 3 resource, 4 resource instance */
    uint16_t ids[4];
};
#define DEVICE_PATH(...)                                                                                               \
    ((struct device_path){.depth = sizeof((uint16_t[]){__VA_ARGS__}) / sizeof(uint16_t), .ids = {__VA_ARGS__}})

/* All return a CoAP code: 2.xx, or the refusal. */

/* Appends the value to out; *format is the Accept in and the Content-Format out (NONE in: the device chooses). */
uint8_t device_objects_read(const struct device_objects *o, const struct device_path *path, uint64_t now_ms,
                            int *format, struct buf *out);
/* All of the payload is taken, or nothing. */
uint8_t device_objects_write(struct device_objects *o, const struct device_path *path, uint64_t now_ms, int format,
                             struct bytes payload);
uint8_t device_objects_execute(const struct device_path *path);
uint8_t device_objects_discover(const struct device_path *path, struct buf *out);
/* What a Create or a Delete gets: nothing here can be created or deleted. */
uint8_t device_objects_refuse(const struct device_path *path);

/* The Send's payload: battery and time. */
void device_objects_report(const struct device_objects *o, uint64_t now_ms, struct buf *out);

#endif
