/* What is stored: keys and values of the records, with a version and a checksum; pure.
 *
 * Keys sort by kind, then device, then sequence:  kind (1 byte), device identity, 0x00, sequence (8 bytes, big-endian;
 * messages, configurations, observations). The device identity is the External Identifier, or the MSISDN
 * of a device that has none; neither holds a NUL. Values end with the CRC-32C of key and value: a record that was
 * damaged, or stands under a foreign key, is refused with ERR_STORE_CORRUPT. */
#ifndef BUFFERING_RECORD_H
#define BUFFERING_RECORD_H

#include "base/bytes.h"

enum record_kind {
    RECORD_DEVICE = 'd',
    RECORD_CONFIGURATION = 'c', /* a NIDD configuration that stands in no device's record */
    RECORD_DOWNLINK = 'm',      /* a message to a device that is not in a final state */
    RECORD_FINAL = 'f',         /* the final state of one */
    RECORD_OBSERVATION = 'o',   /* which server observes a device by this token */
    RECORD_UPLINK = 'u',        /* a message of a device, spooled while its server is down */
    RECORD_SEQUENCE = 's',      /* one record: all sequence numbers up to this one may have been given out */
    RECORD_LEG = 'l',           /* whose address this leg is; the key is the leg, 4 bytes, big-endian */
    RECORD_MSISDN = 'n',        /* who has this MSISDN, if its record says so too */
    RECORD_LEGS = 'L',          /* one record: all legs below this number may have been given out */
    RECORD_LEARNED = 'g',       /* so many devices has this group learned */
    RECORD_IMPORT = 'i'         /* one record: which configuration the devices' records are of */
};

struct record_device {
    struct bytes id;
    struct bytes msisdn;                /* empty: none, or it is the identity */
    struct bytes scef;                  /* name of its SCEF; empty: the first one, in a record of version 1 */
    struct bytes group;                 /* External Group Identifier; empty: it is in none */
    struct bytes configuration_link;    /* empty: none yet, or the group's */
    uint32_t leg;                       /* which address of the server legs is this device's */
    uint32_t maximum_packet_size_bytes; /* 0 = not told */
    uint8_t flags;                      /* RECORD_DEVICE_* below */
    struct bytes server;                /* name of its own LwM2M server; empty: the routes decide. Of a LISTED one */
    struct bytes endpoint;              /* that it was provisioned with; empty: none. Of a LISTED one */
    bool indexed;                       /* decoded: there are records of its leg and its MSISDN, since version 3 */
};
#define RECORD_DEVICE_LEARNED 0x01 /* from its first uplink: it is in no configuration file */
#define RECORD_DEVICE_MSISDN  0x02 /* learned or listed, and `id` is its MSISDN */
#define RECORD_DEVICE_LISTED  0x04 /* it is in the configuration file, which says what this record says */

/* The devices' records are those of a configuration with this digest, and of a devices_file that was like this. */
struct record_import {
    uint8_t digest[16];
    uint64_t size, mtime_ns, inode; /* 0: there was no devices_file */
    bool removing;                  /* what is not in it any more was to be deleted at the SCEF */
};

/* The configuration of a group, or what is left of a device or group that has gone to another SCEF. */
struct record_configuration {
    struct bytes id;   /* External Group Identifier; or the device's or group's that it was of */
    uint64_t seq;      /* 0: the group's present one; else it is to be deleted */
    bool of_group;     /* `id` is a group's */
    struct bytes scef; /* name */
    struct bytes link;
    uint32_t maximum_packet_size_bytes;
};

#define RECORD_TOKEN_MAX 8 /* RFC 7252 clause 3 */
struct record_observation {
    struct bytes device_id;
    uint64_t seq; /* of two with the same token the later one counts */
    struct bytes token;
    struct bytes server; /* name */
};

struct record_message {
    struct bytes device_id;
    uint64_t seq;         /* order of acceptance over all devices */
    struct bytes server;  /* name of the LwM2M server it came from or goes to */
    uint8_t queue_class;  /* enum queue_class; downlink only */
    uint8_t type;         /* CoAP type at the server leg, downlink; at the device, uplink */
    uint8_t flags;        /* RECORD_* below */
    uint8_t priority;     /* downlink; of before there were priorities: QUEUE_PRIORITY_DEFAULT */
    uint16_t server_mid;  /* Message ID at the server leg */
    uint16_t device_mid;  /* Message ID at the NIDD leg: the same over restarts, so that the device sees a repetition */
    uint64_t accepted_ms; /* UTC */
    uint64_t deadline_ms; /* UTC: the end of its lifetime */
    uint64_t sent_ms;     /* downlink: when it may first have reached the device (UTC); 0 = not as far as is known */
    uint64_t answers_seq; /* uplink: the downlink that this answers, whose record it replaces; 0 = none */
    uint64_t place_seq;   /* downlink: whose place in line it has taken; its own */
    struct bytes delivery_link; /* of the SCEF that buffers it (201); empty: none */
    struct bytes message;       /* the CoAP message as it goes out */
};
#define RECORD_DEVICE_ACKNOWLEDGED 0x01 /* the device has sent its empty ACK: not to be repeated to it */

/* What is kept of a message that has ended. */
struct record_final {
    struct bytes device_id;
    uint64_t seq;
    uint64_t accepted_ms, final_ms; /* UTC */
    uint32_t bytes, attempts;
    uint8_t queue_class;
    uint8_t code;  /* of CoAP; 0: not known */
    uint8_t final; /* the engine's number */
    struct bytes server, reason, path;
};

/* Append to out, which the caller resets. What cannot be stored (an identity that is empty or holds a NUL; a server
 * name or link above 65,535 bytes, a token above 8) leaves out->failed set, as shortage of memory does. */
void record_device_key(struct bytes id, struct buf *out);
void record_message_key(enum record_kind kind, struct bytes device_id, uint64_t seq,
                        struct buf *out); /* and 'c', 'f', 'o' */
void record_sequence_key(struct buf *out);
void record_sequence_encode(struct bytes key, uint64_t reserved, struct buf *out);
void record_device_encode(struct bytes key, const struct record_device *d, struct buf *out);
void record_configuration_encode(struct bytes key, const struct record_configuration *c, struct buf *out);
void record_message_encode(struct bytes key, const struct record_message *m, struct buf *out);
void record_final_encode(struct bytes key, const struct record_final *f, struct buf *out);
void record_observation_encode(struct bytes key, const struct record_observation *o, struct buf *out);
/* LEG, MSISDN: the device's identity. LEGS, LEARNED: a number. */
void record_leg_key(uint32_t leg, struct buf *out);
void record_msisdn_key(struct bytes msisdn, struct buf *out);
void record_legs_key(struct buf *out);
void record_learned_key(struct bytes external_group_id, struct buf *out);
void record_import_key(struct buf *out);
void record_index_encode(struct bytes key, struct bytes id, struct buf *out);
void record_count_encode(struct bytes key, uint64_t count, struct buf *out);
void record_import_encode(struct bytes key, const struct record_import *i, struct buf *out);

/* What all keys of this kind and device begin with, the NUL included. */
void record_key_prefix(enum record_kind kind, struct bytes device_id, struct buf *out);
/* The device's identity in a key of any kind that has one; empty: there is none. */
struct bytes record_key_id(struct bytes key);
/* A message's deadline without a look at the rest; 0: the value is too short to be a message. */
uint64_t record_message_deadline(struct bytes value);

/* The slices of the result point into key and value. ERR_STORE_CORRUPT: damaged, of another version or another kind. */
[[gnu::warn_unused_result]] enum error record_sequence_decode(struct bytes key, struct bytes value, uint64_t *reserved);
[[gnu::warn_unused_result]] enum error record_device_decode(struct bytes key, struct bytes value,
                                                            struct record_device *out);
[[gnu::warn_unused_result]] enum error record_configuration_decode(struct bytes key, struct bytes value,
                                                                   struct record_configuration *out);
[[gnu::warn_unused_result]] enum error record_message_decode(struct bytes key, struct bytes value,
                                                             struct record_message *out);
[[gnu::warn_unused_result]] enum error record_final_decode(struct bytes key, struct bytes value,
                                                           struct record_final *out);
[[gnu::warn_unused_result]] enum error record_observation_decode(struct bytes key, struct bytes value,
                                                                 struct record_observation *out);
[[gnu::warn_unused_result]] enum error record_index_decode(struct bytes key, struct bytes value, struct bytes *id);
[[gnu::warn_unused_result]] enum error record_count_decode(struct bytes key, struct bytes value, uint64_t *count);
[[gnu::warn_unused_result]] enum error record_import_decode(struct bytes key, struct bytes value,
                                                            struct record_import *out);

#endif
