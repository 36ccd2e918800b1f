/* JSON inside t8/: reading one object tolerantly, and writing one. Not for other folders.
 *
 * Reading is two-fold. Nearly everything that arrives is one flat object of plain members, so a scanner takes it apart
 * in place, without a copy and without an allocation. Whatever it does not know (nesting, escapes, fractions, bytes
 * beyond ASCII) it leaves to jansson, which decides: the scanner never refuses a body. Both ways give the same members
 * (the fuzzer fuzz_t8_notification compares them). */
#ifndef T8_JSON_INTERNAL_H
#define T8_JSON_INTERNAL_H

#include <jansson.h>

#include "t8/common.h"

enum t8_json_type {
    T8_JSON_ABSENT, /* null counts as absent */
    T8_JSON_STRING,
    T8_JSON_INTEGER,
    T8_JSON_BOOLEAN,
    T8_JSON_OTHER /* real, array, object */
};

struct t8_json_value {
    enum t8_json_type type;
    struct bytes text; /* of a string */
    int64_t number;    /* of an integer or boolean */
};

#define T8_JSON_FLAT_MEMBERS 16
#define T8_JSON_NO_INDEX     SIZE_MAX

struct t8_json_object {
    json_t *root;                        /* NULL: flat */
    const struct t8_json_object *inside; /* of what it is a member, and where; NULL: the body itself */
    const char *pointer;                 /* "/gmdResults" */
    size_t index;                        /* in an array, else T8_JSON_NO_INDEX */
    size_t count;
    struct {
        struct bytes key;
        struct t8_json_value value;
    } members[T8_JSON_FLAT_MEMBERS];
};

/* ERR_TOO_LARGE, ERR_TOO_DEEP, ERR_NOT_JSON, ERR_MEMBER_TYPE (no object), ERR_NO_MEMORY. */
[[gnu::warn_unused_result]] enum error t8_json_read(struct bytes body, struct t8_json_object *o);
/* The same without the scanner. */
[[gnu::warn_unused_result]] enum error t8_json_read_by_jansson(struct bytes body, struct t8_json_object *o);
/* A body that is an array (or one item of it, or an object that holds the array in the member `name`), as an object
 * that does hold it so. */
[[gnu::warn_unused_result]] enum error t8_json_read_array_as(struct bytes body, const char *name,
                                                             struct t8_json_object *o);
/* The scanner alone: false when the body is jansson's to judge. */
bool t8_json_read_flat(struct bytes body, struct t8_json_object *o);

/* Ends the reading and hands over what the values point into: NULL when that is the body itself. */
[[gnu::warn_unused_result]] struct t8_doc *t8_json_take(struct t8_json_object *o);

struct t8_json_value t8_json_get(const struct t8_json_object *o, const char *name);
struct t8_json_value t8_json_value_of(const json_t *node);
/* Is there such a member, be it null? */
bool t8_json_names(const struct t8_json_object *o, const char *name);
/* The member's node when it is an array or object, else NULL. */
json_t *t8_json_node(const struct t8_json_object *o, const char *name);
/* A view of the object `node` that lies in o at pointer (and index); it must not outlive o. */
void t8_json_enter(struct t8_json_object *inner, json_t *node, const struct t8_json_object *o, const char *pointer,
                   size_t index);

/* ---- members: 0 or the error, with the offender in p (which may be NULL) */

enum t8_json_rule {
    T8_JSON_TOLERANT, /* an optional member of a wrong type counts as absent */
    T8_JSON_STRICT    /* it is ERR_MEMBER_TYPE */
};

/* Notes the offender, `pointer` = "/data" (a literal), and returns e. */
enum error t8_json_blame(struct t8_problem *p, enum error e, const char *pointer, const char *reason);
/* The same for a member of o, which may lie deep: "/gmdResults/3/msisdn". */
enum error t8_json_blame_in(const struct t8_json_object *o, struct t8_problem *p, enum error e, const char *pointer,
                            const char *reason);

[[gnu::warn_unused_result]] enum error t8_json_string(const struct t8_json_object *o, const char *pointer,
                                                      enum t8_json_rule rule, struct bytes *out, struct t8_problem *p);
[[gnu::warn_unused_result]] enum error t8_json_string_mandatory(const struct t8_json_object *o, const char *pointer,
                                                                struct bytes *out, struct t8_problem *p);
/* min <= value, clamped to max; *present stays as it was when the member is absent. */
[[gnu::warn_unused_result]] enum error t8_json_integer(const struct t8_json_object *o, const char *pointer,
                                                       enum t8_json_rule rule, int64_t min, int64_t max, bool *present,
                                                       int64_t *out, struct t8_problem *p);
[[gnu::warn_unused_result]] enum error t8_json_time(const struct t8_json_object *o, const char *pointer,
                                                    enum t8_json_rule rule, uint64_t *utc_ms, struct t8_problem *p);
/* Strict: exactly one, well-formed. Tolerant: at least one, external_id wins. A group is none. */
[[gnu::warn_unused_result]] enum error t8_json_identity(const struct t8_json_object *o, enum t8_json_rule rule,
                                                        struct t8_identity *out, struct t8_problem *p);
/* The same where a group may be named instead. */
[[gnu::warn_unused_result]] enum error t8_json_identity_or_group(const struct t8_json_object *o, enum t8_json_rule rule,
                                                                 struct t8_identity *out, struct t8_problem *p);
bool t8_external_id_valid(struct bytes id);
bool t8_msisdn_valid(struct bytes id);
/* Mandatory member "data", decoded. */
[[gnu::warn_unused_result]] enum error t8_json_data(const struct t8_json_object *o, struct buf *memory,
                                                    struct bytes *out, struct t8_problem *p);
/* deliveryStatus, else status. */
struct bytes t8_json_delivery_status(const struct t8_json_object *o);

/* ---- writing: appended to a buf whose `failed` is checked at the end */

struct t8_dialect;
struct t8_json_writer {
    struct buf *out;
    const struct t8_dialect *dialect; /* of a SCEF; NULL: as TS 29.122 has it (t8/dialect.h) */
    bool first;                       /* no member written yet */
    bool bad_text;                    /* a text was no UTF-8 */
};

void t8_json_open(struct t8_json_writer *w, struct buf *out); /* "{" */
void t8_json_close(struct t8_json_writer *w);                 /* "}" */
/* Names are literals of ours; a member whose text is empty is left out. */
void t8_json_put_text(struct t8_json_writer *w, const char *name, struct bytes text);
void t8_json_put_empty(struct t8_json_writer *w, const char *name); /* "" all the same */
void t8_json_put_str(struct t8_json_writer *w, const char *name, const char *text);
void t8_json_put_integer(struct t8_json_writer *w, const char *name, int64_t value);
void t8_json_put_time(struct t8_json_writer *w, const char *name, uint64_t utc_ms); /* 0: left out */
void t8_json_put_data(struct t8_json_writer *w, const char *name, struct bytes octets);
void t8_json_put_identity(struct t8_json_writer *w, struct t8_identity id);
/* An object as a member: open and close bracket what is put between. */
void t8_json_put_open(struct t8_json_writer *w, const char *name);
/* An array as a member: items between, then its end. */
void t8_json_put_array(struct t8_json_writer *w, const char *name);
void t8_json_put_item_open(struct t8_json_writer *w); /* "{" of the next item; t8_json_close ends it */
void t8_json_put_item_text(struct t8_json_writer *w, struct bytes text);
void t8_json_end_array(struct t8_json_writer *w);
void t8_json_put_flag(struct t8_json_writer *w, const char *name, enum t8_flag value);  /* unset: left out */
void t8_json_put_milliseconds(struct t8_json_writer *w, const char *name, uint32_t ms); /* as a number of seconds */
void t8_json_put_problem(struct t8_json_writer *w, const struct t8_problem *p);         /* the members */
/* 0, ERR_NO_MEMORY or ERR_MEMBER_TYPE; on error the buf is cut back to `start`. */
[[gnu::warn_unused_result]] enum error t8_json_finish(struct t8_json_writer *w, size_t start);

/* ---- words of the enums */
enum t8_pdn_option t8_pdn_option_parse(struct bytes word);
const char *t8_pdn_option_name(enum t8_pdn_option o);
enum t8_nidd_status t8_nidd_status_parse(struct bytes word);
const char *t8_nidd_status_name(enum t8_nidd_status s);
enum t8_delivery_status t8_delivery_status_parse(struct bytes word);
/* The cause that a failure told by deliveryStatus stands for (before V15.2.0), and the HTTP status of today. */
enum t8_cause t8_delivery_status_cause(struct bytes word, int *http_status);

/* Some senders begin with a byte order mark (RFC 8259 clause 8.1 lets us ignore it). */
struct bytes t8_json_without_mark(struct bytes body);

#endif
