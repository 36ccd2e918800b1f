/* A type as a table: each row a member of the JSON object and the field of the structure that holds it. Reading,
 * writing and releasing follow from the table. Not for other folders.
 *
 * The hot types (uplinks, downlinks and their reports) are read by hand; all others are tables. */
#ifndef T8_JSON_FIELDS_H
#define T8_JSON_FIELDS_H

#include "t8/json_internal.h"

/* The words of an open enumeration, by value: names[0] = "" is "absent"; `other`, the number after the last name, is
 * any word of a later release. Further spellings are understood, never written. */
struct t8_words {
    const char *const *names;
    int other;
    const struct t8_old_word {
        const char *word;
        int value;
    } *old;
    size_t old_count;
    int (*parse)(struct bytes word); /* instead of all that, where words have more to them */
    const char *(*name)(int value);
};
int t8_words_parse(const struct t8_words *words, struct bytes word);
const char *t8_words_name(const struct t8_words *words, int value);

enum t8_field_kind {                        /* the field's type */
                     T8_FIELD_TEXT,         /* struct bytes; empty = absent */
                     T8_FIELD_UINT,         /* struct t8_uint */
                     T8_FIELD_INT,          /* struct t8_int */
                     T8_FIELD_PORT,         /* uint16_t, of a mandatory member */
                     T8_FIELD_FLAG,         /* enum t8_flag */
                     T8_FIELD_TIME,         /* uint64_t, milliseconds of UTC, 0 = absent */
                     T8_FIELD_MILLISECONDS, /* struct t8_uint, of a number of seconds with a fraction */
                     T8_FIELD_WORD,         /* an enum, by `words` */
                     T8_FIELD_WORD_SET,     /* unsigned, 1 << value for each word of an array */
                     T8_FIELD_FEATURES,     /* struct t8_features */
                     T8_FIELD_OCTETS,       /* struct t8_octets */
                     T8_FIELD_IDENTITY,     /* struct t8_identity; the pointer names externalId */
                     T8_FIELD_TEXTS,        /* struct t8_texts */
                     T8_FIELD_OBJECT,       /* a structure that begins with bool present, by `of` */
                     T8_FIELD_ARRAY         /* pointer to structures by `of`, and at count_offset their size_t */
};

#define T8_MANDATORY   1u  /* missing is an error, but in an answer */
#define T8_DECODE_ONLY 2u  /* never written: another row writes it, or it is of an old release */
#define T8_POSITIVE    4u  /* T8_FIELD_UINT: at least 1 */
#define T8_OR_GROUP    8u  /* T8_FIELD_IDENTITY: or a group */
#define T8_LENIENT     16u /* T8_FIELD_IDENTITY: more than one is no error, external_id wins */
#define T8_OPTIONAL_ID 32u /* T8_FIELD_IDENTITY: none is no error */
#define T8_IS_PORT     64u /* T8_FIELD_UINT: at most 65535 */

struct t8_fields;
struct t8_field {
    const char *pointer; /* "/validityPeriod" */
    enum t8_field_kind kind;
    size_t offset;
    unsigned rules;
    const struct t8_words *words;
    const struct t8_fields *of;
    size_t count_offset;
    const char *old; /* what older releases called it, or NULL */
};
struct t8_fields {
    const struct t8_field *list;
    size_t count;
    size_t size; /* of the structure */
};
/* T8_ROW("/validityPeriod", UINT, device_triggering, validity_period_s, .rules = T8_MANDATORY) */
#define T8_ROW(pointer_, kind_, type_, field_, ...)                                                                    \
    {.pointer = (pointer_), .kind = T8_FIELD_##kind_, .offset = offsetof(struct type_, field_), __VA_ARGS__}
/* An array: `field_` and `field__count`. */
#define T8_ROW_ARRAY(pointer_, type_, field_, of_, ...)                                                                \
    T8_ROW(pointer_, ARRAY, type_, field_, .of = (of_), .count_offset = offsetof(struct type_, field_##_count),        \
           __VA_ARGS__)
#define T8_WORDS(names_)        {.names = (names_), .other = sizeof(names_) / sizeof *(names_)}
#define T8_FIELDS(list_, type_) {(list_), sizeof(list_) / sizeof *(list_), sizeof(struct type_)}

enum t8_reading {
    T8_READ_REQUEST,      /* as a server: strict */
    T8_READ_NOTIFICATION, /* tolerant, but what is mandatory must be there */
    T8_READ_ANSWER        /* as a client: whatever is there and can be read */
};

/* Most items that an array may have. */
#define T8_MAX_ITEMS 4096

/* Reads o into the zeroed structure s. After an error s still has to be released. */
[[gnu::warn_unused_result]] enum error t8_fields_read(const struct t8_fields *f, enum t8_reading how,
                                                      const struct t8_json_object *o, void *s, struct t8_problem *p);
/* Writes the members; the object's brackets are the caller's. ERR_MEMBER_MISSING, ERR_IDENTITY. */
[[gnu::warn_unused_result]] enum error t8_fields_put(const struct t8_fields *f, struct t8_json_writer *w,
                                                     const void *s);
/* Frees what the fields own. */
void t8_fields_free(const struct t8_fields *f, void *s);

/* A whole body. Decoding zeroes s first and leaves nothing to release after an error; *doc is a member of s. */
[[gnu::warn_unused_result]] enum error t8_fields_decode(const struct t8_fields *f, enum t8_reading how,
                                                        struct bytes body, void *s, struct t8_doc **doc,
                                                        struct t8_problem *p);
[[gnu::warn_unused_result]] enum error t8_fields_encode(const struct t8_fields *f, const void *s, struct buf *out);
/* Frees fields and document, and zeroes s. */
void t8_fields_release(const struct t8_fields *f, void *s, struct t8_doc *doc);

/* Tables that several types use. */
extern const struct t8_words t8_pdn_option_words;
extern const struct t8_words t8_delivery_status_words;
extern const struct t8_fields t8_rds_port_fields;
extern const struct t8_fields t8_websocket_fields;

#endif
