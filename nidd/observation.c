#include "nidd/observation.h"

#include <stdlib.h>
#include <string.h>

struct observation {
    struct observation *next; /* youngest first */
    struct storing storing;   /* of its record */
    struct device *device;
    uint64_t seq; /* of its record */
    uint32_t server;
    bool confirmed; /* the device has said that it observes */
    uint8_t token_len;
    uint8_t token[COAP_TOKEN_MAX];
};

static struct bytes token_of(const struct observation *o)
{
    return bytes_of(o->token, o->token_len);
}

/* Where it hangs; NULL: there is none. */
static struct observation **find(const struct device *d, struct bytes token)
{
    if (!d->more)
        return NULL;
    for (struct observation **at = &d->more->observations; *at; at = &(*at)->next)
        if (bytes_equal(token_of(*at), token))
            return at;
    return NULL;
}

static struct observation *find_of(const struct device *d, uint32_t server, struct bytes token)
{
    struct observation **at = find(d, token);
    return at && (*at)->server == server ? *at : NULL;
}

/* What ends with a connection, a restart ends too: it needs no record. */
static bool is_stored(const struct engine *e, const struct observation *o)
{
    return !server_is_reliable(e, o->server);
}

static void forget(struct engine *e, struct observation **at)
{
    struct observation *o = *at;
    *at = o->next;
    list_remove(&o->storing.node);
    if (is_stored(e, o))
        engine_message_delete(e, RECORD_OBSERVATION, o->device, o->seq);
    free(o);
}

static void make_room(struct engine *e, struct device *d)
{
    unsigned count = 0;
    for (struct observation **at = &d->more->observations; *at; at = &(*at)->next) {
        if (++count < OBSERVATIONS_MAX)
            continue;
        forget(e, at); /* the last one */
        return;
    }
}

static struct observation *observation_new(struct device *d, uint64_t seq, uint32_t server, struct bytes token)
{
    struct device_more *more = device_more(d);
    struct observation *o = more && token.len <= COAP_TOKEN_MAX ? calloc(1, sizeof(*o)) : NULL;
    if (!o)
        return NULL;
    list_init(&o->storing.node);
    o->storing.what = STORING_OBSERVATION;
    o->device = d;
    o->seq = seq;
    o->server = server;
    o->token_len = (uint8_t)token.len;
    if (token.len)
        memcpy(o->token, token.data, token.len);
    o->next = more->observations;
    more->observations = o;
    return o;
}

static bool observes(const struct coap_view *v, uint32_t value)
{
    struct coap_option o;
    return coap_option_find(v, COAP_OPTION_OBSERVE, &o) && coap_option_uint(o.value) == value;
}

void observation_asked(struct engine *e, struct device *d, uint32_t server, const struct coap_view *request)
{
    if ((e->server_count < 2 && !server_is_reliable(e, server)) || !observes(request, 0))
        return;
    struct observation **at = find(d, request->token);
    if (at && (*at)->server == server)
        return; /* again, for a refresh */
    if (at)
        forget(e, at);
    else if (d->more)
        make_room(e, d);
    struct observation *o = observation_new(d, engine_next_seq(e), server, request->token);
    if (o && is_stored(e, o))
        observation_put(e, o);
}

uint32_t observation_server(const struct device *d, struct bytes token)
{
    struct observation **at = find(d, token);
    return at ? (*at)->server : ENGINE_NONE;
}

void observation_answered(struct engine *e, struct device *d, uint32_t server, const struct coap_view *response)
{
    struct coap_option option;
    struct observation *o = find_of(d, server, response->token);
    if (!o)
        return;
    if (coap_option_find(response, COAP_OPTION_OBSERVE, &option) && response->code >> 5 == 2)
        o->confirmed = true;
    else
        forget(e, find(d, response->token)); /* RFC 7641 clauses 3.2, 4.2 */
}

void observation_reset(struct engine *e, struct device *d, uint32_t server, struct bytes token)
{
    if (find_of(d, server, token))
        forget(e, find(d, token));
}

void observation_unsent(struct engine *e, struct device *d, uint32_t server, struct bytes token)
{
    const struct observation *o = find_of(d, server, token);
    if (o && !o->confirmed)
        forget(e, find(d, token));
}

void observation_connection_lost(struct engine *e, struct device *d, uint32_t server)
{
    struct observation **at = d->more ? &d->more->observations : NULL;
    while (at && *at) {
        if ((*at)->server == server)
            forget(e, at);
        else
            at = &(*at)->next;
    }
}

bool observation_unknown(const struct engine *e, const struct device *d, uint32_t server, const struct coap_view *v)
{
    struct coap_option o;
    return server_is_reliable(e, server) && coap_option_find(v, COAP_OPTION_OBSERVE, &o) && !find(d, v->token);
}

void observation_forget_all(struct engine *e, struct device *d)
{
    while (d->more && d->more->observations)
        forget(e, &d->more->observations);
}

void observations_free(struct device *d)
{
    for (struct observation *o; (o = d->more->observations);) {
        d->more->observations = o->next;
        free(o);
    }
}

uint32_t observation_count(const struct device *d)
{
    uint32_t n = 0;
    for (const struct observation *o = d->more ? d->more->observations : NULL; o; o = o->next)
        n++;
    return n;
}

/* ---- its record */

void observation_put(struct engine *e, struct observation *o)
{
    const struct record_observation r = {.device_id = device_id_bytes(o->device),
                                         .seq = o->seq,
                                         .token = token_of(o),
                                         .server = bytes_of_str(engine_server_name(e, o->server))};
    device_put_first(e, o->device);
    buf_reset(&e->key);
    buf_reset(&e->value);
    record_message_key(RECORD_OBSERVATION, r.device_id, r.seq, &e->key);
    record_observation_encode(buf_bytes(&e->key), &r, &e->value);
    list_remove(&o->storing.node);
    o->storing.ticket = engine_record_put(e);
    if (o->storing.ticket) {
        list_push_back(&e->storing, &o->storing.node);
    } else {
        list_push_back(&e->unsaved, &o->storing.node);
        engine_store_later(e);
    }
}

void observation_stored(struct engine *e, struct storing *s, enum error err)
{
    if (err)
        list_push_back(&e->unsaved, &s->node);
}

void observation_put_again(struct engine *e, struct storing *s)
{
    observation_put(e, LIST_ENTRY(s, struct observation, storing));
}

enum error engine_restore_observation(struct engine *e, const struct record_observation *r)
{
    struct device *d = map_get(&e->by_id, r->device_id);
    if (!d)
        return ERR_UNKNOWN_DEVICE;
    uint32_t server = server_by_name(e, r->server);
    if (server == ENGINE_NONE)
        return ERR_NOT_FOUND;
    if (r->seq > e->last_seq)
        e->last_seq = r->seq;
    if (server_is_reliable(e, server)) { /* its leg was another one when this was stored */
        engine_message_delete(e, RECORD_OBSERVATION, d, r->seq);
        return OK;
    }
    struct observation **at = find(d, r->token);
    if (at && (*at)->seq >= r->seq)
        return ERR_STORE_CORRUPT;
    if (at)
        forget(e, at); /* the crash came before the store had let go of it */
    struct observation *o = observation_new(d, r->seq, server, r->token);
    if (!o)
        return ERR_NO_MEMORY;
    o->confirmed = true; /* for all that is known */
    return OK;
}
