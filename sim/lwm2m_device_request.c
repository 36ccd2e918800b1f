#include "sim/lwm2m_device_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- the memory of answers (RFC 7252 clause 4.5)
 *
 * Known by Message ID alone: the device has one peer. A request that comes again is never done again; a CON is answered
 * with the same bytes. */

static struct device_recent **recent_at(struct lwm2m_device *d, unsigned nth)
{
    return &d->recent[(d->recent_first + nth) % DEVICE_RECENT_MAX];
}

static void recent_drop_oldest(struct lwm2m_device *d)
{
    free(d->recent[d->recent_first]);
    d->recent_first = (d->recent_first + 1) % DEVICE_RECENT_MAX;
    d->recent_count--;
}

bool device_recent_answer(struct lwm2m_device *d, uint64_t now_ms, const struct device_message *m, struct bytes in)
{
    while (d->recent_count > 0 && d->recent[d->recent_first]->until_ms <= now_ms)
        recent_drop_oldest(d);
    for (unsigned i = 0; i < d->recent_count; i++) {
        const struct device_recent *r = *recent_at(d, i);
        if (r->mid != m->mid)
            continue;
        d->repeats++;
        device_event(d, "repeat", in);
        if (m->type == DEVICE_CON && r->len > 0)
            device_send(d, bytes_of(r->answer, r->len));
        return true;
    }
    return false;
}

void device_recent_add(struct lwm2m_device *d, uint64_t now_ms, uint16_t mid, struct bytes answer)
{
    struct device_recent *r = malloc(sizeof *r + answer.len);
    if (r == NULL) /* a copy of this message would be done again */
        return;
    if (d->recent_count == DEVICE_RECENT_MAX)
        recent_drop_oldest(d);
    r->mid = mid;
    r->until_ms = now_ms + DEVICE_EXCHANGE_LIFETIME_MS;
    r->len = answer.len;
    if (answer.len > 0)
        memcpy(r->answer, answer.data, answer.len);
    *recent_at(d, d->recent_count++) = r;
}

void device_recent_free(struct lwm2m_device *d)
{
    while (d->recent_count > 0)
        recent_drop_oldest(d);
}

/* ---- reading a request */

struct request {
    struct device_path path;
    bool bad_option; /* critical and not understood */
    bool bad_path;   /* names nothing that LwM2M could have */
    bool query;      /* Uri-Query is there: Write-Attributes */
    bool has_observe, has_block1, has_block2;
    uint32_t observe, block1, block2;
    int accept, format;
};

static void path_add(struct request *q, struct bytes segment)
{
    uint32_t id = 0;
    bool number = segment.len >= 1 && segment.len <= 5;
    for (size_t i = 0; number && i < segment.len; i++) {
        number = segment.data[i] >= '0' && segment.data[i] <= '9';
        id = id * 10 + (uint32_t)(segment.data[i] - '0');
    }
    if (!number || id > UINT16_MAX || q->path.depth == 4)
        q->bad_path = true;
    else
        q->path.ids[q->path.depth++] = (uint16_t)id;
}

/* An option of which there may be one; a second one counts as unknown (RFC 7252 clause 5.4.5). */
static bool single_uint(struct bytes value, size_t max_len, bool *seen, uint32_t *out)
{
    bool first = !*seen;
    *seen = true;
    return first && device_option_uint(value, max_len, out);
}

static bool format_option(struct bytes value, int *out)
{
    uint32_t v;
    if (*out != DEVICE_FORMAT_NONE || !device_option_uint(value, 2, &v))
        return false;
    *out = (int)v;
    return true;
}

static bool option_take(struct request *q, uint32_t number, struct bytes value)
{
    switch (number) {
    case DEVICE_OPTION_URI_HOST:
    case DEVICE_OPTION_URI_PORT:
        return true;
    case DEVICE_OPTION_OBSERVE:
        if (!single_uint(value, 3, &q->has_observe, &q->observe))
            q->observe = UINT32_MAX; /* elective: as if it were not there */
        return true;
    case DEVICE_OPTION_URI_PATH:
        path_add(q, value);
        return true;
    case DEVICE_OPTION_URI_QUERY:
        q->query = true;
        return true;
    case DEVICE_OPTION_CONTENT_FORMAT:
        (void)format_option(value, &q->format);
        return true;
    case DEVICE_OPTION_ACCEPT:
        return format_option(value, &q->accept);
    case DEVICE_OPTION_BLOCK1:
        return single_uint(value, 3, &q->has_block1, &q->block1);
    case DEVICE_OPTION_BLOCK2:
        return single_uint(value, 3, &q->has_block2, &q->block2);
    default:
        return (number & 1) == 0; /* odd numbers are critical */
    }
}

static struct request request_read(const struct device_message *m)
{
    struct request q = {.accept = DEVICE_FORMAT_NONE, .format = DEVICE_FORMAT_NONE};
    struct device_options o = {.rest = m->options};
    while (device_options_next(&o))
        if (!option_take(&q, o.number, o.value))
            q.bad_option = true;
    return q;
}

/* ---- observations (RFC 7641): one per token */

bool device_observed(const struct lwm2m_device *d)
{
    for (unsigned i = 0; i < DEVICE_OBSERVATION_MAX; i++)
        if (d->observations[i].used)
            return true;
    return false;
}

static struct device_observation *observation_find(struct lwm2m_device *d, const struct device_token *token)
{
    for (unsigned i = 0; i < DEVICE_OBSERVATION_MAX; i++)
        if (d->observations[i].used && device_token_equal(&d->observations[i].token, token))
            return &d->observations[i];
    return NULL;
}

static struct device_observation *observation_add(struct lwm2m_device *d, const struct device_message *m,
                                                  const struct request *q, int format)
{
    struct device_observation *o = observation_find(d, &m->token);
    for (unsigned i = 0; o == NULL && i < DEVICE_OBSERVATION_MAX; i++)
        if (!d->observations[i].used)
            o = &d->observations[i];
    if (o == NULL) /* no room: the answer goes without Observe, and the server knows */
        return NULL;
    uint32_t sequence = o->used ? o->sequence : 1;
    *o = (struct device_observation){
        .used = true, .token = m->token, .path = q->path, .format = format, .sequence = sequence};
    return o;
}

static void observation_end(struct lwm2m_device *d, uint64_t now_ms, struct device_observation *o)
{
    *o = (struct device_observation){0};
    device_notify_clock(d, now_ms);
}

bool device_observation_reset(struct lwm2m_device *d, uint64_t now_ms, uint16_t mid)
{
    for (unsigned i = 0; i < DEVICE_OBSERVATION_MAX; i++) {
        struct device_observation *o = &d->observations[i];
        for (unsigned k = 0; o->used && k < o->mid_count && k < DEVICE_NOTIFY_MIDS; k++) {
            if (o->mids[k] != mid)
                continue;
            observation_end(d, now_ms, o);
            return true;
        }
    }
    return false;
}

void device_notification_write(struct lwm2m_device *d, struct device_observation *o, uint64_t now_ms,
                               enum device_coap_type type, uint16_t mid)
{
    int format = o->format;
    buf_reset(&d->value);
    uint8_t code = device_objects_read(&d->objects, &o->path, now_ms, &format, &d->value);
    struct device_writer w = device_write(&d->scratch, type, code, mid, &o->token);
    o->sequence = (o->sequence + 1) & 0xffffff;
    device_write_option_uint(&w, DEVICE_OPTION_OBSERVE, o->sequence);
    device_write_option_uint(&w, DEVICE_OPTION_CONTENT_FORMAT, (uint32_t)format);
    device_write_payload(&w, buf_bytes(&d->value));
    o->mids[o->mid_count++ % DEVICE_NOTIFY_MIDS] = mid;
}

/* ---- serving */

struct answer {
    uint8_t code;
    int format; /* of the payload in d->value */
    const struct device_observation *observation;
    const char *event;
};

static struct answer serve_get(struct lwm2m_device *d, uint64_t now_ms, const struct device_message *m,
                               const struct request *q)
{
    struct answer a = {.format = q->accept, .event = "read"};
    if (q->accept == DEVICE_FORMAT_LINK) {
        a.code = device_objects_discover(&q->path, &d->value);
        a.event = "discovered";
        return a;
    }
    a.code = device_objects_read(&d->objects, &q->path, now_ms, &a.format, &d->value);
    if (a.code != COAP_CODE_OF(2, 5) || !q->has_observe || q->block2 >> 4 != 0) /* later blocks observe nothing */
        return a;
    if (q->observe == 0) {
        a.observation = observation_add(d, m, q, a.format);
        a.event = a.observation != NULL ? "observed" : "read";
        device_notify_clock(d, now_ms);
    } else if (q->observe == 1) {
        struct device_observation *o = observation_find(d, &m->token);
        if (o != NULL) {
            observation_end(d, now_ms, o);
            a.event = "cancelled";
        }
    }
    return a;
}

static void update_now(struct lwm2m_device *d, uint64_t now_ms)
{
    if (d->stopped)
        return;
    if (d->registered)
        d->update_at_ms = now_ms;
    else if (d->register_at_ms != DEVICE_NEVER)
        d->register_at_ms = now_ms;
}

static struct answer serve_write(struct lwm2m_device *d, uint64_t now_ms, const struct device_message *m,
                                 const struct request *q)
{
    struct device_objects before = d->objects;
    struct answer a = {.event = "written"};
    a.code = device_objects_write(&d->objects, &q->path, now_ms, q->format, m->payload);
    if (d->objects.lifetime_s != before.lifetime_s || strcmp(d->objects.binding, before.binding) != 0) {
        d->parameters_changed = true;
        update_now(d, now_ms);
    }
    return a;
}

static struct answer serve_execute(struct lwm2m_device *d, uint64_t now_ms, const struct request *q)
{
    struct answer a = {.code = device_objects_execute(&q->path), .event = "executed"};
    if (a.code != COAP_CODE_OF(2, 4))
        return a;
    if (q->path.ids[0] == 3 && q->path.ids[2] == 4)
        d->executions++;
    else if (q->path.ids[0] == 1 && q->path.ids[2] == 8)
        update_now(d, now_ms);
    return a;
}

static struct answer serve(struct lwm2m_device *d, uint64_t now_ms, const struct device_message *m,
                           const struct request *q)
{
    bool later_block = q->has_block1 && (q->block1 >> 4 != 0 || (q->block1 & 8) != 0);
    if (q->bad_option)
        return (struct answer){.code = COAP_CODE_OF(4, 2)};
    if (q->bad_path || q->path.depth == 0)
        return (struct answer){.code = COAP_CODE_OF(4, 4)};
    if (q->has_block2 && (q->block2 & 7) == 7) /* reserved (RFC 7959 clause 2.2) */
        return (struct answer){.code = COAP_CODE_OF(4, 0)};
    switch (m->code) {
    case DEVICE_GET:
        return serve_get(d, now_ms, m, q);
    case DEVICE_PUT:
    case DEVICE_POST:
        if (later_block) /* nothing here takes more than one block */
            return (struct answer){.code = COAP_CODE_OF(4, 13)};
        if (m->code == DEVICE_PUT && q->query && m->payload.len == 0) /* Write-Attributes */
            return (struct answer){.code = COAP_CODE_OF(5, 1)};
        if (m->code == DEVICE_PUT || q->path.depth == 2)
            return serve_write(d, now_ms, m, q);
        if (q->path.depth == 1)
            return (struct answer){.code = device_objects_refuse(&q->path)};
        return serve_execute(d, now_ms, q);
    default: /* DELETE, and the methods of RFC 8132 */
        return (struct answer){.code = device_objects_refuse(&q->path)};
    }
}

/* Cuts the payload to the block that was asked for (RFC 7959 clause 2.3) and gives the option's value; false: there is
 * no such block. */
static bool block2_cut(const struct request *q, struct bytes *payload, uint32_t *option)
{
    size_t size = (size_t)16 << (q->block2 & 7);
    size_t offset = (size_t)(q->block2 >> 4) * size;
    if (offset > 0 && offset >= payload->len)
        return false;
    *payload = bytes_from(*payload, offset);
    bool more = payload->len > size;
    if (more)
        payload->len = size;
    *option = (q->block2 & ~(uint32_t)8) | (more ? 8u : 0u);
    return true;
}

void device_request(struct lwm2m_device *d, uint64_t now_ms, const struct device_message *m, struct bytes in)
{
    struct request q = request_read(m);
    if (q.bad_option && m->type == DEVICE_NON) /* rejected silently (RFC 7252 clause 5.4.1) */
        return;
    buf_reset(&d->value);
    struct answer a = serve(d, now_ms, m, &q);
    bool success = a.code >> 5 == 2;
    struct bytes payload = success ? buf_bytes(&d->value) : (struct bytes){0};
    uint32_t block2 = 0;
    bool cut = success && q.has_block2 && m->code == DEVICE_GET;
    if (cut && !block2_cut(&q, &payload, &block2)) {
        a = (struct answer){.code = COAP_CODE_OF(4, 0)};
        success = cut = false;
        payload.len = 0;
    }
    bool confirmable = m->type == DEVICE_CON;
    struct device_writer w = device_write(&d->scratch, confirmable ? DEVICE_ACK : DEVICE_NON, a.code,
                                          confirmable ? m->mid : device_mid(d), &m->token);
    if (a.observation != NULL)
        device_write_option_uint(&w, DEVICE_OPTION_OBSERVE, a.observation->sequence);
    if (payload.len > 0)
        device_write_option_uint(&w, DEVICE_OPTION_CONTENT_FORMAT, (uint32_t)a.format);
    if (cut)
        device_write_option_uint(&w, DEVICE_OPTION_BLOCK2, block2);
    if (success && q.has_block1)
        device_write_option_uint(&w, DEVICE_OPTION_BLOCK1, q.block1);
    device_write_payload(&w, payload);
    device_event(d, success ? a.event : "denied", in);
    if (d->scratch.failed || d->value.failed) /* memory short: the peer will ask again */
        return;
    device_recent_add(d, now_ms, m->mid, buf_bytes(&d->scratch));
    device_send(d, buf_bytes(&d->scratch));
}
