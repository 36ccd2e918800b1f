#include "nidd/registration.h"

#include <stdlib.h>
#include <string.h>

#define LIFETIME_DEFAULT_S 86400 /* OMA-TS-LightweightM2M_Core, Register: without `lt` */
#define LOCATION_MAX       128   /* bytes; a server that chooses longer ones is not watched */

struct terms {
    uint32_t lifetime_s; /* 0 = for ever, ENGINE_NONE = not known */
    char binding[8];
    char version[6];
    bool queue_mode;
};

/*   nothing --Register--> asked --2.01--> registered --Update, 2.04--> registered
 *                                                    --Deregister, or 4.04 to any of these; its lifetime--> nothing */
struct registration {
    struct registration *next; /* youngest first */
    handle asked;              /* the exchange that is to be answered; 0 = none */
    uint64_t until_ms;         /* 0 = never, or not known */
    struct terms now;
    struct terms wanted;
    uint32_t server;
    bool registered;
    bool leaving;    /* `asked` is a Deregister */
    char location[]; /* path of a registration, or "" until the server has told */
};

/* ---- the list */

static struct registration **find(struct device_more *more, uint32_t server, const char *location)
{
    for (struct registration **at = &more->registrations; *at; at = &(*at)->next)
        if ((*at)->server == server && strcmp((*at)->location, location) == 0)
            return at;
    return NULL;
}

static void forget(struct registration **at)
{
    struct registration *r = *at;
    *at = r->next;
    free(r);
}

static void make_room(struct device_more *more)
{
    unsigned count = 0;
    for (struct registration **at = &more->registrations; *at; at = &(*at)->next) {
        if (++count < ENGINE_REGISTRATIONS_MAX)
            continue;
        forget(at); /* the last one */
        return;
    }
}

static struct registration *add(struct device *d, uint32_t server, const char *location)
{
    size_t size = strlen(location) + 1;
    struct device_more *more = device_more(d);
    struct registration *r = more ? malloc(sizeof(*r) + size) : NULL;
    if (!r)
        return NULL;
    make_room(more);
    *r = (struct registration){.next = more->registrations, .server = server};
    r->now.lifetime_s = ENGINE_NONE;
    memcpy(r->location, location, size);
    more->registrations = r;
    return r;
}

void registrations_free(struct device *d)
{
    while (d->more->registrations)
        forget(&d->more->registrations);
}

/* ---- reading */

/* The segments of Uri-Path or Location-Path, each behind a '/'. False: longer than is watched. */
static bool read_path(const struct coap_view *v, uint32_t number, char out[LOCATION_MAX])
{
    struct coap_option_cursor c = {0};
    struct coap_option o;
    size_t len = 0;
    while (coap_option_next(v, &c, &o) && o.number <= number) {
        if (o.number != number || o.value.len == 0)
            continue;
        if (len + 1 + o.value.len >= LOCATION_MAX || memchr(o.value.data, 0, o.value.len))
            return false;
        out[len++] = '/';
        memcpy(out + len, o.value.data, o.value.len);
        len += o.value.len;
    }
    out[len] = '\0';
    return true;
}

/* Letters, digits and dots only: it is shown. */
static void copy_word(char *out, size_t size, struct bytes value)
{
    size_t n = 0;
    for (size_t i = 0; i < value.len && n + 1 < size; i++) {
        uint8_t c = value.data[i];
        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.')
            out[n++] = (char)c;
    }
    out[n] = '\0';
}

/* False: no number of seconds. */
static bool read_lifetime(struct bytes value, uint32_t *out)
{
    uint64_t n = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9' || n > UINT32_MAX)
            return false;
        n = 10 * n + (value.data[i] - '0');
    }
    if (value.len)
        *out = (uint32_t)(n < ENGINE_NONE ? n : ENGINE_NONE - 1);
    return value.len > 0;
}

/* What a request says, read in one walk. */
struct words {
    struct bytes lifetime, version, binding; /* with a NULL pointer: not said */
    bool q;
    bool in_rd;  /* its path begins with rd */
    bool beyond; /* and goes on */
};

static bool is_query(struct bytes option, const char *name, struct bytes *value)
{
    size_t len = strlen(name);
    if (value->data || option.len < len || memcmp(option.data, name, len) != 0)
        return false;
    *value = bytes_from(option, len);
    return true;
}

static void read_query(struct bytes option, struct words *w)
{
    if (!is_query(option, "lt=", &w->lifetime) && !is_query(option, "lwm2m=", &w->version))
        (void)is_query(option, "b=", &w->binding);
    w->q |= bytes_equal(option, BYTES_LIT("Q"));
}

/* False: neither Register nor Update nor Deregister, or nobody can tell. */
static bool read_words(const struct coap_view *v, struct words *w)
{
    struct coap_option_cursor c = {0};
    struct coap_option o;
    *w = (struct words){0};
    while (coap_option_next(v, &c, &o) && o.number <= COAP_OPTION_URI_QUERY) {
        if (o.number == COAP_OPTION_OSCORE)
            return false;
        if (o.number == COAP_OPTION_URI_PATH && o.value.len) {
            if (!w->in_rd && !bytes_equal(o.value, BYTES_LIT("rd")))
                return false;
            w->beyond = w->in_rd;
            w->in_rd = true;
        } else if (o.number == COAP_OPTION_URI_QUERY) {
            read_query(o.value, w);
        }
    }
    return w->in_rd;
}

/* What is not said stays. LwM2M 1.0 writes queue mode into the binding ("UQ"), 1.1 as a query of its own ("Q"). */
static void take_words(const struct words *w, struct terms *t)
{
    (void)read_lifetime(w->lifetime, &t->lifetime_s);
    if (w->version.data)
        copy_word(t->version, sizeof(t->version), w->version);
    if (w->binding.data)
        copy_word(t->binding, sizeof(t->binding), w->binding);
    if (w->binding.data || w->q)
        t->queue_mode = w->q || strchr(t->binding, 'Q');
}

/* ---- what is asked and answered */

static void asked(struct registration *r, const struct exchange *x, const struct coap_view *v, const struct words *w)
{
    r->asked = x->h;
    r->leaving = v->code == COAP_DELETE;
    take_words(w, &r->wanted);
}

static void asked_to_register(struct device *d, const struct exchange *x, const struct coap_view *v,
                              const struct words *w)
{
    struct registration **at = d->more ? find(d->more, x->server, "") : NULL;
    struct registration *r = at ? *at : add(d, x->server, "");
    if (!r)
        return;
    r->wanted = (struct terms){.lifetime_s = LIFETIME_DEFAULT_S};
    asked(r, x, v, w);
}

/* Under "/rd/" (clause 6.4.3); one that was registered before a restart is met for the first time. */
static void asked_at_location(struct device *d, const struct exchange *x, const struct coap_view *v,
                              const struct words *w)
{
    char path[LOCATION_MAX];
    if (!read_path(v, COAP_OPTION_URI_PATH, path))
        return;
    struct registration **at = d->more ? find(d->more, x->server, path) : NULL;
    struct registration *r = at ? *at : v->code == COAP_POST ? add(d, x->server, path) : NULL;
    if (!r)
        return;
    r->wanted = r->now;
    asked(r, x, v, w);
}

void registration_asked(const struct exchange *x, const struct coap_view *v)
{
    struct words w;
    if ((v->code != COAP_POST && v->code != COAP_DELETE) || !read_words(v, &w))
        return;
    if (w.beyond)
        asked_at_location(x->device, x, v, &w);
    else if (v->code == COAP_POST)
        asked_to_register(x->device, x, v, &w);
}

static void goes_on(const struct engine *e, struct registration *r)
{
    r->registered = true;
    r->now = r->wanted;
    bool ends = r->now.lifetime_s != 0 && r->now.lifetime_s != ENGINE_NONE;
    r->until_ms = ends ? e->now_ms + r->now.lifetime_s * 1000ULL : 0;
}

/* A device is registered once at a server: what it had there before is over. */
static void registered(const struct engine *e, struct device *d, const struct registration *r,
                       const struct coap_view *v)
{
    const struct terms terms = r->wanted;
    uint32_t server = r->server;
    char location[LOCATION_MAX];
    for (struct registration **at = &d->more->registrations; *at;)
        if ((*at)->server == server)
            forget(at);
        else
            at = &(*at)->next;
    if (!read_path(v, COAP_OPTION_LOCATION_PATH, location) || !location[0])
        return;
    struct registration *new = add(d, server, location);
    if (!new)
        return;
    new->wanted = terms;
    goes_on(e, new);
}

void registration_answered(struct engine *e, const struct exchange *x, const struct coap_view *v)
{
    struct device *d = x->device;
    if (!d->more)
        return;
    struct registration **at = &d->more->registrations;
    while (*at && (*at)->asked != x->h)
        at = &(*at)->next;
    struct registration *r = *at;
    if (!r)
        return;
    r->asked = 0;
    bool is_new = !r->location[0];
    if (is_new && v->code == COAP_CODE(2, 1))
        registered(e, d, r, v);
    else if (!is_new && v->code == COAP_CODE(2, 4) && !r->leaving)
        goes_on(e, r);
    else if (is_new || !r->registered || v->code == COAP_CODE(2, 2) || v->code == COAP_CODE(4, 4))
        forget(at);
}

uint32_t registration_fill(const struct engine *e, const struct device *d,
                           struct engine_registration_info out[ENGINE_REGISTRATIONS_MAX])
{
    uint32_t n = 0;
    for (const struct registration *r = d->more ? d->more->registrations : NULL; r && n < ENGINE_REGISTRATIONS_MAX;
         r = r->next) {
        if (!r->registered || (r->until_ms && r->until_ms <= e->now_ms))
            continue;
        out[n++] = (struct engine_registration_info){.server = r->server,
                                                     .lifetime_s = r->now.lifetime_s,
                                                     .until_ms = r->until_ms,
                                                     .binding = r->now.binding,
                                                     .version = r->now.version,
                                                     .queue_mode = r->now.queue_mode};
    }
    return n;
}
