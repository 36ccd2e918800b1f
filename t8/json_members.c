#include "t8/json_internal.h"

#include <stdio.h>
#include <string.h>

enum error t8_json_blame(struct t8_problem *p, enum error e, const char *pointer, const char *reason)
{
    if (p) {
        *p = t8_problem_of(e);
        p->invalid_param = bytes_of_str(pointer);
        p->invalid_reason = bytes_of_str(reason);
    }
    return e;
}

/* "/gmdResults/3", of an object that lies in another; what is too long is cut at its end. */
static void add_place(const struct t8_json_object *o, char *out, size_t room)
{
    if (!o->inside)
        return;
    add_place(o->inside, out, room);
    size_t used = strlen(out);
    snprintf(out + used, room - used, "%s", o->pointer);
    used = strlen(out);
    if (o->index != T8_JSON_NO_INDEX)
        snprintf(out + used, room - used, "/%zu", o->index);
}

enum error t8_json_blame_in(const struct t8_json_object *o, struct t8_problem *p, enum error e, const char *pointer,
                            const char *reason)
{
    t8_json_blame(p, e, pointer, reason);
    if (p && o->inside) {
        add_place(o, p->param_memory, sizeof p->param_memory);
        size_t used = strlen(p->param_memory);
        snprintf(p->param_memory + used, sizeof p->param_memory - used, "%s", pointer);
        p->invalid_param = bytes_of_str(p->param_memory);
    }
    return e;
}

enum error t8_json_string(const struct t8_json_object *o, const char *pointer, enum t8_json_rule rule,
                          struct bytes *out, struct t8_problem *p)
{
    struct t8_json_value v = t8_json_get(o, pointer + 1);
    if (v.type == T8_JSON_STRING)
        *out = v.text;
    else if (v.type != T8_JSON_ABSENT && rule == T8_JSON_STRICT)
        return t8_json_blame_in(o, p, ERR_MEMBER_TYPE, pointer, "must be a string");
    return OK;
}

enum error t8_json_string_mandatory(const struct t8_json_object *o, const char *pointer, struct bytes *out,
                                    struct t8_problem *p)
{
    struct t8_json_value v = t8_json_get(o, pointer + 1);
    if (v.type == T8_JSON_ABSENT)
        return t8_json_blame_in(o, p, ERR_MEMBER_MISSING, pointer, "is mandatory");
    if (v.type != T8_JSON_STRING)
        return t8_json_blame_in(o, p, ERR_MEMBER_TYPE, pointer, "must be a string");
    if (v.text.len == 0)
        return t8_json_blame_in(o, p, ERR_MEMBER_TYPE, pointer, "must not be empty");
    *out = v.text;
    return OK;
}

enum error t8_json_integer(const struct t8_json_object *o, const char *pointer, enum t8_json_rule rule, int64_t min,
                           int64_t max, bool *present, int64_t *out, struct t8_problem *p)
{
    struct t8_json_value v = t8_json_get(o, pointer + 1);
    if (v.type == T8_JSON_ABSENT)
        return OK;
    if (v.type != T8_JSON_INTEGER || v.number < min) {
        if (rule == T8_JSON_STRICT)
            return t8_json_blame_in(o, p, ERR_MEMBER_TYPE, pointer, "must be an integer in its range");
        return OK;
    }
    *out = v.number > max ? max : v.number;
    if (present)
        *present = true;
    return OK;
}

enum error t8_json_time(const struct t8_json_object *o, const char *pointer, enum t8_json_rule rule, uint64_t *utc_ms,
                        struct t8_problem *p)
{
    struct t8_json_value v = t8_json_get(o, pointer + 1);
    if (v.type == T8_JSON_ABSENT)
        return OK;
    if ((v.type != T8_JSON_STRING || !t8_time_parse(v.text, utc_ms)) && rule == T8_JSON_STRICT)
        return t8_json_blame_in(o, p, ERR_MEMBER_TYPE, pointer, "must be a date-time of RFC 3339");
    return OK;
}

/* TS 29.122 clause 5.2.1.3.2: local@domain, neither part holds an '@'. */
bool t8_external_id_valid(struct bytes id)
{
    const uint8_t *at = id.len ? memchr(id.data, '@', id.len) : NULL;
    if (!at || at == id.data || at == id.data + id.len - 1)
        return false;
    return !memchr(at + 1, '@', id.len - (size_t)(at + 1 - id.data));
}

/* TS 23.003 clause 3.3. */
bool t8_msisdn_valid(struct bytes id)
{
    for (size_t i = 0; i < id.len; i++)
        if (id.data[i] < '0' || id.data[i] > '9')
            return false;
    return id.len >= 1 && id.len <= 15;
}

static bool printable(struct bytes id)
{
    for (size_t i = 0; i < id.len; i++)
        if (id.data[i] <= ' ' || id.data[i] == 0x7f)
            return false;
    return true;
}

/* The first that has a character no identity holds. */
static const char *unprintable(const struct t8_identity *id)
{
    if (!printable(id->external_id))
        return "/externalId";
    if (!printable(id->msisdn))
        return "/msisdn";
    return printable(id->external_group_id) ? NULL : "/externalGroupId";
}

static enum error identity_check(const struct t8_json_object *o, bool groups, const struct t8_identity *id,
                                 struct t8_problem *p)
{
    const char *one_of = groups ? "exactly one of externalId, msisdn and externalGroupId is needed"
                                : "exactly one of externalId and msisdn is needed";
    bool group = t8_json_get(o, "externalGroupId").type != T8_JSON_ABSENT;
    if (id->external_id.len && id->msisdn.len)
        return t8_json_blame_in(o, p, ERR_IDENTITY, "/msisdn", one_of);
    if (group && (!groups || id->external_id.len || id->msisdn.len))
        return t8_json_blame_in(o, p, ERR_IDENTITY, "/externalGroupId", one_of);
    if (id->external_id.len && !t8_external_id_valid(id->external_id))
        return t8_json_blame_in(o, p, ERR_MEMBER_TYPE, "/externalId", "must be local@domain");
    if (id->msisdn.len && !t8_msisdn_valid(id->msisdn))
        return t8_json_blame_in(o, p, ERR_MEMBER_TYPE, "/msisdn", "must be 1 to 15 digits");
    if (id->external_group_id.len && !t8_external_id_valid(id->external_group_id))
        return t8_json_blame_in(o, p, ERR_MEMBER_TYPE, "/externalGroupId", "must be local@domain");
    return OK;
}

static enum error identity_read(const struct t8_json_object *o, enum t8_json_rule rule, bool groups,
                                struct t8_identity *out, struct t8_problem *p)
{
    struct t8_identity id = {0};
    /* Even a tolerant reader does not guess at an identity that is no text. */
    enum error err = t8_json_string(o, "/externalId", T8_JSON_STRICT, &id.external_id, p);
    if (!err)
        err = t8_json_string(o, "/msisdn", T8_JSON_STRICT, &id.msisdn, p);
    if (!err && groups)
        err = t8_json_string(o, "/externalGroupId", T8_JSON_STRICT, &id.external_group_id, p);
    if (err)
        return err;
    const char *bad = unprintable(&id);
    if (bad)
        return t8_json_blame_in(o, p, ERR_MEMBER_TYPE, bad, "holds blanks or control characters");
    if (rule == T8_JSON_STRICT)
        err = identity_check(o, groups, &id, p);
    else if (id.msisdn.len && id.msisdn.data[0] == '+')
        id.msisdn = bytes_from(id.msisdn, 1);
    if (err)
        return err;
    if (id.external_id.len || id.msisdn.len)
        id.external_group_id = bytes_of(NULL, 0);
    else if (id.external_group_id.len == 0)
        return t8_json_blame_in(o, p, ERR_IDENTITY, "/externalId", "says for whom it is; there is no identity");
    *out = id;
    return OK;
}

enum error t8_json_identity(const struct t8_json_object *o, enum t8_json_rule rule, struct t8_identity *out,
                            struct t8_problem *p)
{
    return identity_read(o, rule, false, out, p);
}

enum error t8_json_identity_or_group(const struct t8_json_object *o, enum t8_json_rule rule, struct t8_identity *out,
                                     struct t8_problem *p)
{
    return identity_read(o, rule, true, out, p);
}

enum error t8_json_data(const struct t8_json_object *o, struct buf *memory, struct bytes *out, struct t8_problem *p)
{
    struct t8_json_value v = t8_json_get(o, "data");
    if (v.type == T8_JSON_ABSENT)
        return t8_json_blame_in(o, p, ERR_MEMBER_MISSING, "/data", "is mandatory");
    if (v.type != T8_JSON_STRING)
        return t8_json_blame_in(o, p, ERR_MEMBER_TYPE, "/data", "must be a string");
    if (!buf_reserve(memory, v.text.len / 4 * 3 + 3))
        return t8_json_blame_in(o, p, ERR_NO_MEMORY, "/data", NULL);
    enum error err = base64_decode(v.text, memory);
    if (err)
        return t8_json_blame_in(o, p, err, "/data", "must be base64 (RFC 4648 clause 4)");
    *out = buf_bytes(memory);
    return OK;
}

struct bytes t8_json_delivery_status(const struct t8_json_object *o)
{
    struct t8_json_value v = t8_json_get(o, "deliveryStatus");
    if (v.type != T8_JSON_STRING)
        v = t8_json_get(o, "status"); /* one SCEF in the field */
    return v.type == T8_JSON_STRING ? v.text : bytes_of(NULL, 0);
}
