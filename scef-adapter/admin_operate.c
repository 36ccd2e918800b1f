/* What an operator may do with queues: cancel, purge, replay. What ended is said to be so when the store has let go of
 * it: then no restart brings it back. */
#include <stdio.h>
#include <string.h>

#include "scef-adapter/admin_internal.h"

#define BACKLOG_MAX    (8u << 20) /* bytes on their way into the store, beyond which a purge waits */
#define ENDS_PER_TURN  100        /* each has an answer for its server and operations of the store: some 30 us */
#define STEPS_PER_TURN 50         /* of so many messages that are looked at */

static void done(struct admin_job *j)
{
    struct buf b = {0};
    if (j->failed) {
        http_reply_error(j->x, ERR_STORE,
                         "what was cancelled has ended, and its servers were told, but the store has not let go of it: "
                         "a restart now could bring it back. It is tried again until the store does (see /readyz)",
                         NULL);
        return;
    }
    json_out_open(&b, NULL, '{');
    json_out_number(&b, "cancelled", j->purge.cancelled);
    json_out_number(&b, "asked", j->purge.asked);
    json_out_close(&b, '}');
    admin_reply_json(j->x, j->purge.asked ? 202 : 200, &b);
}

/* ---- one message ---- */

struct wanted {
    uint64_t seq;
    bool found;
};

static bool is_wanted(void *ctx, const struct engine_message_info *m)
{
    struct wanted *w = ctx;
    w->found = m->seq == w->seq;
    return !w->found;
}

void admin_message_cancel(struct admin_request *r)
{
    struct adapter *a = r->a;
    struct engine_device_info d;
    struct engine_message_info m;
    if (!admin_device_find(r, &d) || !admin_message_find(r, &m))
        return;
    const struct bytes id = bytes_of_str(r->parts[0]);
    struct wanted w = {.seq = m.seq};
    struct admin_job *j = admin_job_new(r, true, NULL, done);
    if (!j)
        return;
    enum error err = engine_message_cancel(a->engine, adapter_now(a), id, w.seq);
    j->last_ticket = a->ticket_given;
    if (err) {
        admin_job_drop(j);
        http_reply_error(r->x, err, "the message is being accepted or answered: it cannot be cancelled now", NULL);
        return;
    }
    engine_messages_each(a->engine, id, is_wanted, &w); /* the SCEF is asked to let go of it */
    j->purge.asked = w.found;
    j->purge.cancelled = !w.found;
}

static void replay(struct admin_request *r, uint64_t seq)
{
    struct adapter *a = r->a;
    struct buf b = {0};
    enum error err = engine_message_replay(a->engine, adapter_now(a), bytes_of_str(r->parts[0]), seq);
    if (err) {
        http_reply_error(r->x, err,
                         seq ? "the message is being accepted or answered: there is nothing to try"
                             : "nothing waits for the device",
                         NULL);
        return;
    }
    json_out_open(&b, NULL, '{');
    json_out_bool(&b, "replayed", true);
    json_out_close(&b, '}');
    admin_reply_json(r->x, 202, &b); /* the history tells how it ends */
}

void admin_message_replay(struct admin_request *r)
{
    struct engine_device_info d;
    struct engine_message_info m;
    if (admin_device_find(r, &d) && admin_message_find(r, &m))
        replay(r, m.seq);
}

void admin_queue_replay(struct admin_request *r)
{
    struct engine_device_info d;
    if (admin_device_find(r, &d))
        replay(r, 0);
}

/* ---- purge ---- */

static bool purge_step(struct admin_job *j)
{
    struct adapter *a = j->a;
    if (store_backlog_bytes(a->store) > BACKLOG_MAX)
        return true;
    const uint64_t before = j->purge.cancelled + j->purge.asked;
    bool more = true;
    for (unsigned i = 0; more && i < STEPS_PER_TURN && j->purge.cancelled + j->purge.asked < before + ENDS_PER_TURN;
         i++)
        more = engine_queue_purge(a->engine, adapter_now(a), &j->purge, ENDS_PER_TURN);
    return more;
}

static bool server_named(const struct engine *e, const char *name, uint32_t *out)
{
    for (uint32_t i = 0; i < engine_server_count(e); i++) {
        if (strcmp(engine_server_name(e, i), name) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* What is to go; false, and answered, when the query is not understood as a whole: a filter with a slip of the pen in
 * it must not end everything. */
static bool purge_read(struct admin_request *r, struct engine_purge *p)
{
    const char *server = http_exchange_query(r->x, "server");
    const bool by_age = http_exchange_query(r->x, "older_than_s") != NULL;
    const uint64_t now_ms = adapter_now(r->a);
    uint64_t older_s = 0;
    *p = (struct engine_purge){.server = ENGINE_NONE};
    if (http_exchange_query_count(r->x) != (size_t)(server != NULL) + by_age) {
        http_reply_error(r->x, ERR_MEMBER_TYPE, "the query may have older_than_s and server, once each, and no more",
                         NULL);
        return false;
    }
    if (server && !server_named(r->a->engine, server, &p->server)) {
        http_reply_error(r->x, ERR_MEMBER_TYPE, "server is the name of none in the configuration", "server");
        return false;
    }
    if (!admin_query_number(r, "older_than_s", 0, now_ms / 1000, &older_s))
        return false;
    p->accepted_until_ms = now_ms - older_s * 1000;
    return true;
}

static void purge(struct admin_request *r, const char *device_id)
{
    struct engine_purge p;
    struct admin_job *j = purge_read(r, &p) ? admin_job_new(r, true, purge_step, done) : NULL;
    if (!j)
        return;
    j->purge = p;
    if (device_id) {
        snprintf(j->id, sizeof(j->id), "%s", device_id);
        j->purge.device_id = bytes_of_str(j->id);
    }
}

void admin_queue_purge(struct admin_request *r)
{
    struct engine_device_info d;
    if (admin_device_find(r, &d))
        purge(r, r->parts[0]);
}

void admin_purge(struct admin_request *r)
{
    purge(r, NULL);
}
