#include "tests/crash/sweep_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *wrong_name(enum wrong w)
{
    static const char *const names[] = {"allocation fails",    "crash",
                                        "batch fails",         "batch late",
                                        "batch unknown, lost", "batch unknown, done",
                                        "submit 500",          "submit TEMPORARILY_NOT_REACHABLE",
                                        "submit 503",          "submit 404",
                                        "submit 201",          "submit cut, delivered",
                                        "submit lost",         "configuration 500",
                                        "configuration 404",   "configuration unanswered",
                                        "configuration bare"};
    return names[w];
}

[[gnu::format(printf, 2, 3)]] void broken(struct world *w, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (!w->broken++)
        vsnprintf(w->fault, sizeof(w->fault), fmt, args);
    va_end(args);
}

/* Is this the n-th of its kind? */
bool goes_wrong(struct world *w, enum wrong kind)
{
    if (w->wrong != kind || w->left == 0 || --w->left > 0)
        return false;
    w->went_wrong = true;
    w->crash_next = w->then_crash;
    return true;
}

/* --- the allocator (--wrap) --------------------------------------------------------------------------- */

struct world *in_engine; /* whose engine runs just now */

static bool allocation_fails(void)
{
    return in_engine && goes_wrong(in_engine, WRONG_ALLOCATION);
}

#define ALLOCATION_WRAPS_STRDUP
#include "tests/base/allocation_wraps.h"

/* --- what will happen ---------------------------------------------------------------------------------- */

struct item *later(struct world *w, uint64_t ms, void (*fn)(struct world *, struct item *))
{
    struct item *i = calloc(1, sizeof(*i));
    assert_true(i && w->item_count < sizeof(w->items) / sizeof(*w->items));
    i->at_ms = w->now_ms + ms;
    i->order = w->order++;
    i->fn = fn;
    i->epoch = w->epoch;
    w->items[w->item_count++] = i;
    return i;
}

static size_t first(const struct world *w)
{
    size_t best = 0;
    for (size_t n = 1; n < w->item_count; n++) {
        const struct item *a = w->items[n], *b = w->items[best];
        if (a->at_ms < b->at_ms || (a->at_ms == b->at_ms && a->order < b->order))
            best = n;
    }
    return best;
}

void again(struct world *w, const struct item *i, uint64_t ms)
{
    struct item *next = later(w, ms, i->fn);
    next->ref = i->ref;
    next->number = i->number;
    next->message = i->message;
    memcpy(next->text, i->text, sizeof(next->text));
}

/* --- the process --------------------------------------------------------------------------------------- */

static void process_begin(struct world *w);

static void applied(struct world *w, struct item *i);

static void batch_close(struct world *w)
{
    if (!store_model_close_batch(w->store))
        return;
    uint64_t at = w->now_ms + 5 > w->blocked_until_ms ? w->now_ms + 5 : w->blocked_until_ms;
    if (goes_wrong(w, WRONG_BATCH_LATE))
        at = w->blocked_until_ms = at + LATE_MS;
    later(w, at - w->now_ms, applied);
}

/* What a kill leaves: what is stored. Notifications that nobody has answered come again. */
static void process_end(struct world *w)
{
    struct prng p;
    prng_seed(&p, w->order);
    engine_free(w->e);
    w->e = NULL;
    w->crashed = true;
    store_model_crash(w->store, &p);
    for (unsigned ref = 0; ref < UPLINKS_MAX; ref++) {
        if (w->waiting[ref])
            again(w, w->waiting[ref], AGAIN_MS);
        free(w->waiting[ref]);
        w->waiting[ref] = NULL;
    }
    w->blocked_until_ms = 0;
}

void turn_end(struct world *w)
{
    if (!w->dead) {
        in_engine = w;
        engine_wake(w->e, w->now_ms);
        in_engine = NULL;
    }
    if (w->dead) {
        process_end(w);
        process_begin(w);
    } else {
        batch_close(w);
    }
}

static void stored(struct world *w, struct item *i)
{
    if (i->epoch == w->epoch)
        INPUT(w, engine_stored(w->e, w->now_ms, i->ref, (enum error)i->number));
}

static void applied(struct world *w, struct item *i)
{
    if (i->epoch != w->epoch)
        return;
    const bool fails = goes_wrong(w, WRONG_BATCH_FAILS), lost = goes_wrong(w, WRONG_BATCH_LOST);
    const bool unknown = lost || goes_wrong(w, WRONG_BATCH_DONE);
    struct item *next = later(w, 1, stored);
    next->ref = store_model_commit(w->store, !fails && !lost);
    next->number = (int)(fails ? ERR_STORE : unknown ? ERR_STORE_UNSURE : OK);
}

/* --- ports --------------------------------------------------------------------------------------------- */

static bool dies(struct world *w)
{
    if (w->dead)
        return true;
    const bool now = w->crash_next;
    w->crash_next = false;
    w->dead = now || goes_wrong(w, WRONG_CRASH);
    return w->dead;
}

static enum error port_server_send(void *ctx, uint32_t leg, uint32_t server, const uint8_t header[COAP_HEADER_BYTES],
                                   struct bytes rest)
{
    struct world *w = ctx;
    if (dies(w))
        return ERR_DRAINING;
    if (server_is_down(w))
        return ERR_UNREACHABLE;
    in_engine = NULL;
    assert_true(leg == 0 && server == 0 && COAP_HEADER_BYTES + rest.len <= MESSAGE_MAX);
    struct item *i = later(w, 2, server_gets);
    memcpy(i->message.data, header, COAP_HEADER_BYTES);
    if (rest.len)
        memcpy(i->message.data + COAP_HEADER_BYTES, rest.data, rest.len);
    i->message.len = COAP_HEADER_BYTES + rest.len;
    const struct said s = said_of(message_bytes(&i->message));
    for (unsigned n = 0; n < w->asked_count; n++)
        if (w->asked[n].by_device && strcmp(w->asked[n].text, s.text) == 0)
            w->asked[n].at_server = true;
    in_engine = w;
    return OK;
}

/* How the SCEF answers this one. */
static enum wrong submit_fate(struct world *w)
{
    for (enum wrong kind = WRONG_SUBMIT_500; kind <= WRONG_SUBMIT_LOST; kind++)
        if (goes_wrong(w, kind))
            return kind;
    return w->now_ms >= w->buffers_from && w->now_ms < w->buffers_to ? WRONG_SUBMIT_201 : 0;
}

static void port_submit(void *ctx, uint64_t ref, const struct engine_submit *s)
{
    struct world *w = ctx;
    if (dies(w))
        return;
    in_engine = NULL;
    char link[64];
    link_of(w->configuration, link);
    enum wrong fate = submit_fate(w);
    if (!w->configuration || !bytes_equal(s->configuration_link, bytes_of_str(link)))
        fate = WRONG_SUBMIT_404;
    if (fate == WRONG_SUBMIT_404)
        w->configuration = 0;
    struct item *answer = later(w, 20, submit_answered);
    answer->ref = ref;
    answer->number = (int)fate;
    const bool buffered = fate == WRONG_SUBMIT_201;
    if (buffered)
        snprintf(answer->text, sizeof(answer->text), "%s/downlink-data-deliveries/d%u", link, ++w->deliveries);
    if (fate == 0 || buffered || fate == WRONG_SUBMIT_CUT) {
        struct item *delivery = later(w, buffered ? 3000 : 10, device_gets);
        assert_true(s->data.len <= PACKET);
        memcpy(delivery->message.data, s->data.data, s->data.len);
        delivery->message.len = s->data.len;
    }
    if (buffered)
        memcpy(later(w, 3010, status_notify)->text, answer->text, sizeof(answer->text));
    in_engine = w;
}

static void configuration_asked(struct world *w, uint64_t ref, bool create, struct bytes link)
{
    in_engine = NULL;
    struct item *i = later(w, 20, configuration_answered);
    char present[64];
    link_of(w->configuration, present);
    i->ref = ref;
    if (goes_wrong(w, WRONG_CONFIGURE_500)) {
        i->number = 500;
    } else if (goes_wrong(w, WRONG_CONFIGURE_404)) {
        i->number = 404;
    } else if (create) {
        i->number = w->configuration ? 409 : 201;
        if (!w->configuration)
            w->configuration = ++w->configurations;
    } else {
        i->number = w->configuration && bytes_equal(link, bytes_of_str(present)) ? 200 : 404;
    }
    if (goes_wrong(w, WRONG_CONFIGURE_NONE))
        i->number = 0;
    else if (i->number / 100 == 2 && !goes_wrong(w, WRONG_CONFIGURE_BARE))
        link_of(w->configuration, i->text);
    in_engine = w;
}

static void port_create(void *ctx, uint32_t scef, uint64_t ref, struct t8_identity id)
{
    (void)scef, (void)id;
    if (!dies(ctx))
        configuration_asked(ctx, ref, true, (struct bytes){0});
}

static void port_get(void *ctx, uint32_t scef, uint64_t ref, struct bytes link)
{
    (void)scef;
    if (!dies(ctx))
        configuration_asked(ctx, ref, false, link);
}

static void port_list(void *ctx, uint32_t scef)
{
    struct world *w = ctx;
    (void)scef;
    if (dies(w))
        return;
    in_engine = NULL;
    later(w, 20, configurations_listed);
    in_engine = w;
}

static uint64_t port_put(void *ctx, struct bytes key, struct bytes value)
{
    struct world *w = ctx;
    if (dies(w))
        return UINT64_MAX;
    in_engine = NULL;
    const uint64_t ticket = store_model_put(w->store, key, value);
    in_engine = w;
    return ticket;
}

static uint64_t port_delete(void *ctx, struct bytes key)
{
    struct world *w = ctx;
    if (dies(w))
        return UINT64_MAX;
    in_engine = NULL;
    const uint64_t ticket = store_model_delete(w->store, key);
    in_engine = w;
    return ticket;
}

static void port_answer(void *ctx, uint64_t ref, enum error err)
{
    struct world *w = ctx;
    if (dies(w))
        return;
    in_engine = NULL;
    assert_true(ref < UPLINKS_MAX && w->waiting[ref]);
    if (err)
        again(w, w->waiting[ref], AGAIN_MS);
    else
        taken(w, w->waiting[ref]->number);
    free(w->waiting[ref]);
    w->waiting[ref] = NULL;
    in_engine = w;
}

static void port_event(void *ctx, const struct engine_event *e)
{
    struct world *w = ctx;
    if (w->dead || (e->kind != ENGINE_ACCEPTED && e->kind != ENGINE_FINAL))
        return;
    assert_true(e->seq > 0 && e->seq < SEQS);
    struct told *t = &w->told[e->seq];
    if (e->kind == ENGINE_ACCEPTED) {
        if (t->accepted)
            broken(w, "accepted twice: %llu", (unsigned long long)e->seq);
        t->accepted = true;
    } else {
        if (t->final == w->epoch)
            broken(w, "two final states: %llu, the second is %s", (unsigned long long)e->seq,
                   final_state_name(e->final));
        t->final = w->epoch;
    }
}

/* --- the start of the process ---------------------------------------------------------------------------- */

struct restore {
    struct world *w;
    enum record_kind kind;
    enum error err;
};

static void restore_one(void *ctx, struct bytes key, struct bytes value)
{
    struct restore *r = ctx;
    struct engine *e = r->w->e;
    struct record_device d;
    struct record_message m;
    uint64_t reserved = 0;
    enum error err = OK;
    if (r->err)
        return;
    if (r->kind == RECORD_SEQUENCE) {
        err = record_sequence_decode(key, value, &reserved);
        engine_restore_sequence(e, reserved);
    } else if (r->kind == RECORD_DEVICE) {
        err = record_device_decode(key, value, &d);
        if (!err)
            err = engine_restore_device(e, &d);
    } else {
        err = record_message_decode(key, value, &m);
        if (!err)
            err = engine_restore_message(e, r->kind, &m);
    }
    r->err = err;
    if (err && err != ERR_NO_MEMORY)
        broken(r->w, "a record of kind %c is not taken back: %s", (char)r->kind, error_text(err));
}

static bool process_try(struct world *w)
{
    static const enum record_kind kinds[] = {RECORD_SEQUENCE, RECORD_DEVICE, RECORD_DOWNLINK, RECORD_UPLINK};
    const struct engine_ports ports = {.ctx = w,
                                       .server_send = port_server_send,
                                       .downlink_submit = port_submit,
                                       .configuration_create = port_create,
                                       .configuration_get = port_get,
                                       .configuration_list = port_list,
                                       .store_put = port_put,
                                       .store_delete = port_delete,
                                       .uplink_answer = port_answer,
                                       .event = port_event};
    struct engine_options o;
    engine_options_default(&o);
    o.seed = 1 + w->epoch;
    o.nidd_ack_timeout_ms = 4000;
    o.downlink.lifetime_ms = o.spool_lifetime_ms = 1200000;
    o.retry_min_ms = 1000;
    o.retry_max_ms = 30000;
    w->dead = false;
    w->epoch++;
    in_engine = w;
    enum error err = engine_new(&o, &ports, w->now_ms, &w->e);
    if (err)
        w->e = NULL;
    if (!err)
        err = engine_server_add(w->e, &(struct engine_server_options){.name = "server0"});
    if (!err)
        err = engine_scef_add(w->e, &(struct engine_scef_options){.name = "scef0"});
    for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds) && !err; k++) {
        struct restore r = {.w = w, .kind = kinds[k]};
        in_engine = NULL; /* the copies of the scan are the model's own */
        store_model_scan(w->store, (char)kinds[k], &r, restore_one);
        in_engine = w;
        err = r.err;
    }
    if (!err)
        err = engine_device_add(w->e, &(struct engine_device_options){.id = {.external_id = BYTES_LIT(ID)},
                                                                      .server = ENGINE_NONE,
                                                                      .group = ENGINE_NONE});
    if (!err)
        engine_start(w->e, w->now_ms);
    in_engine = NULL;
    return !err;
}

static void process_begin(struct world *w)
{
    for (unsigned tries = 0; !process_try(w); tries++) {
        assert_true(tries < 3);
        process_end(w); /* whoever watches over it starts it again */
    }
    turn_end(w);
}

/* --- the world ----------------------------------------------------------------------------------------- */

struct world *world_new(enum wrong wrong, unsigned long n, bool then_crash)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->told = calloc(SEQS, sizeof(*w->told));
    assert_non_null(w->told);
    w->wrong = wrong;
    w->left = n;
    w->then_crash = then_crash;
    w->now_ms = T0_MS;
    w->device_mid = 100;
    w->server_mid = 500;
    w->store = store_model_new(1);
    process_begin(w);
    later(w, 60000, device_pings);
    return w;
}

void world_free(struct world *w)
{
    engine_free(w->e);
    store_model_free(w->store);
    for (size_t n = 0; n < w->item_count; n++)
        free(w->items[n]);
    for (unsigned ref = 0; ref < UPLINKS_MAX; ref++)
        free(w->waiting[ref]);
    free(w->told);
    free(w);
}

bool world_went_wrong(const struct world *w)
{
    return w->went_wrong;
}

static struct asked *asked_new(struct world *w, const char *text, bool by_device)
{
    assert_true(w->asked_count < ASKED_MAX);
    struct asked *a = &w->asked[w->asked_count++];
    snprintf(a->text, sizeof(a->text), "%s", text);
    assert_int_equal(sscanf(text, "%*s %7s", a->token), 1);
    a->by_device = by_device;
    a->mid = by_device ? w->device_mid++ : w->server_mid++;
    return a;
}

static void at(struct world *w, uint64_t ms, void (*fn)(struct world *, struct item *), const struct asked *a)
{
    later(w, T0_MS + ms - w->now_ms, fn)->number = (int)(a - w->asked);
}

void world_server_asks(struct world *w, uint64_t at_ms, const char *request, enum reaction by_device)
{
    struct asked *a = asked_new(w, request, false);
    a->reaction = by_device;
    a->request = a->con = true;
    at(w, at_ms, server_asks, a);
}

void world_device_asks(struct world *w, uint64_t at_ms, bool con, const char *request, const char *answer)
{
    struct asked *a = asked_new(w, request, true);
    a->request = true;
    a->con = con;
    snprintf(a->answer, sizeof(a->answer), "%s", answer);
    at(w, at_ms, device_speaks, a);
}

void world_device_notifies(struct world *w, uint64_t at_ms, bool con, const char *response)
{
    struct asked *a = asked_new(w, response, true);
    a->con = con;
    at(w, at_ms, device_speaks, a);
}

void world_server_down(struct world *w, uint64_t from_ms, uint64_t to_ms)
{
    w->down_from = T0_MS + from_ms;
    w->down_to = T0_MS + to_ms;
}

void world_buffers(struct world *w, uint64_t from_ms, uint64_t to_ms)
{
    w->buffers_from = T0_MS + from_ms;
    w->buffers_to = T0_MS + to_ms;
}

void world_run(struct world *w, uint64_t ms)
{
    const uint64_t until = w->now_ms + ms;
    for (unsigned long steps = 0;; steps++) {
        assert_true(steps < 1000000);
        const size_t n = first(w);
        const uint64_t wake = engine_next_wake(w->e);
        if (wake <= until && (w->item_count == 0 || wake < w->items[n]->at_ms)) {
            w->now_ms = wake > w->now_ms ? wake : w->now_ms;
            turn_end(w);
            continue;
        }
        if (w->item_count == 0 || w->items[n]->at_ms > until)
            break;
        struct item *i = w->items[n];
        w->items[n] = w->items[--w->item_count];
        w->now_ms = i->at_ms;
        i->fn(w, i);
        free(i);
    }
    w->now_ms = until;
}

static void asked_judge(struct world *w, const struct asked *a)
{
    if (a->unsaid)
        return;
    if (a->by_device) {
        if (!a->accepted)
            broken(w, "the SCEF was never told 2xx for: %s", a->text);
        else if (!a->at_server)
            broken(w, "taken, and never at the server: %s", a->text);
        if (a->con && !a->done)
            broken(w, "nobody has acknowledged the device's %s", a->text);
        return;
    }
    if (!a->accepted && !a->refused)
        broken(w, "the server never heard anything of: %s", a->text);
    if (a->accepted && !a->answers)
        broken(w, "accepted, and never answered: %s", a->text);
    if (a->refused && a->executed)
        broken(w, "refused, and carried out: %s", a->text);
    if (a->two_answers && !w->crashed)
        broken(w, "answered in two ways: %s", a->text);
}

unsigned world_judge(struct world *w)
{
    struct engine_totals t;
    for (unsigned n = 0; n < w->asked_count; n++)
        asked_judge(w, &w->asked[n]);
    for (unsigned seq = 0; seq < SEQS; seq++)
        if (w->told[seq].accepted && !w->told[seq].final)
            broken(w, "no final state: %u", seq);
    engine_totals_get(w->e, &t);
    if (t.queued_messages || t.queued_bytes || t.spooled_messages)
        broken(w, "something is still queued");
    if (store_model_count(w->store, 'm') || store_model_count(w->store, 'u'))
        broken(w, "something is left in the store");
    if (w->broken)
        print_error("%s, then %s: %s\n", wrong_name(w->wrong), w->then_crash ? "a crash" : "nothing", w->fault);
    return w->broken;
}
