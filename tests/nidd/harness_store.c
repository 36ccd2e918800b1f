/* The rig's store and its ledger of events. */
#include "tests/nidd/harness_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* --- operations -------------------------------------------------------------------------------------- */

static struct rig_record *new_operation(struct rig *r, struct bytes key)
{
    assert_true(r->inside);
    struct rig_record *op = RIG_PUSH(r->pending);
    *op = (struct rig_record){.ticket = ++r->tickets};
    buf_add(&op->key, key);
    assert_true(key.len > 0 && key.len <= 420); /* what the stores take */
    return op;
}

uint64_t rig_store_put(void *ctx, struct bytes key, struct bytes value)
{
    struct record_device d;
    struct record_message m;
    struct record_observation o;
    struct record_final f;
    struct bytes id;
    uint64_t reserved;
    assert_true(key.len > 0);
    if (key.data[0] == RECORD_LEG || key.data[0] == RECORD_MSISDN)
        assert_int_equal(record_index_decode(key, value, &id), OK);
    else if (key.data[0] == RECORD_LEGS || key.data[0] == RECORD_LEARNED)
        assert_int_equal(record_count_decode(key, value, &reserved), OK);
    else if (key.data[0] == RECORD_SEQUENCE)
        assert_int_equal(record_sequence_decode(key, value, &reserved), OK);
    else if (key.data[0] == RECORD_DEVICE)
        assert_int_equal(record_device_decode(key, value, &d), OK);
    else if (key.data[0] == RECORD_OBSERVATION)
        assert_int_equal(record_observation_decode(key, value, &o), OK);
    else if (key.data[0] == RECORD_FINAL)
        assert_int_equal(record_final_decode(key, value, &f), OK);
    else
        assert_int_equal(record_message_decode(key, value, &m), OK);
    struct rig_record *op = new_operation(ctx, key);
    ((struct rig *)ctx)->downlink_puts += key.data[0] == RECORD_DOWNLINK;
    buf_add(&op->value, value);
    return op->ticket;
}

uint64_t rig_store_delete(void *ctx, struct bytes key)
{
    struct rig_record *op = new_operation(ctx, key);
    op->is_delete = true;
    return op->ticket;
}

static void record_free(struct rig_record *rec)
{
    buf_free(&rec->key);
    buf_free(&rec->value);
}

static int compare_keys(struct bytes a, struct bytes b)
{
    int c = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);
    return c ? c : (int)a.len - (int)b.len;
}

static void apply(struct rig *r, struct rig_record *op)
{
    size_t at = 0;
    int order = -1;
    while (at < r->committed.count &&
           (order = compare_keys(buf_bytes(&r->committed.data[at].key), buf_bytes(&op->key))) < 0)
        at++;
    bool present = at < r->committed.count && order == 0;
    if (present)
        record_free(&r->committed.data[at]);
    if (op->is_delete) {
        if (present) {
            r->committed.count--;
            memmove(&r->committed.data[at], &r->committed.data[at + 1],
                    (r->committed.count - at) * sizeof(*r->committed.data));
        }
        record_free(op);
        return;
    }
    if (!present) {
        (void)RIG_PUSH(r->committed);
        memmove(&r->committed.data[at + 1], &r->committed.data[at],
                (r->committed.count - 1 - at) * sizeof(*r->committed.data));
    }
    r->committed.data[at] = *op;
}

void rig_store_forget_pending(struct rig *r)
{
    for (size_t i = 0; i < r->pending.count; i++)
        record_free(&r->pending.data[i]);
    r->pending.count = 0;
}

static void tell(struct rig *r, uint64_t ticket, enum error err)
{
    rig_begin_input(r);
    engine_stored(r->e, r->now_ms, ticket, err);
    r->inside = false;
    rig_begin_input(r);
    engine_wake(r->e, r->now_ms);
    r->inside = false;
}

void commit(struct rig *r)
{
    if (r->store_err) {
        commit_fails(r, r->store_err);
        return;
    }
    if (r->pending.count == 0)
        return;
    uint64_t ticket = r->pending.data[r->pending.count - 1].ticket;
    for (size_t i = 0; i < r->pending.count; i++)
        apply(r, &r->pending.data[i]);
    r->pending.count = 0;
    tell(r, ticket, OK);
}

void commit_fails(struct rig *r, enum error err)
{
    if (r->pending.count == 0)
        return;
    uint64_t ticket = r->pending.data[r->pending.count - 1].ticket;
    for (size_t i = 0; err == ERR_STORE_UNSURE && i < r->pending.count; i++)
        apply(r, &r->pending.data[i]);
    if (err == ERR_STORE_UNSURE)
        r->pending.count = 0;
    rig_store_forget_pending(r);
    tell(r, ticket, err);
}

void store_broken(struct rig *r, enum error err)
{
    r->store_err = err;
}

void rig_store_free(struct rig *r)
{
    rig_store_forget_pending(r);
    for (size_t i = 0; i < r->committed.count; i++)
        record_free(&r->committed.data[i]);
    free(r->pending.data);
    free(r->committed.data);
}

/* --- what is stored ---------------------------------------------------------------------------------- */

static void restore_one(struct rig *r, struct bytes key, struct bytes value)
{
    struct record_device d;
    struct record_message m;
    struct record_observation o;
    struct record_final f;
    switch ((enum record_kind)key.data[0]) {
    case RECORD_DEVICE:
        assert_int_equal(record_device_decode(key, value, &d), OK);
        assert_int_equal(engine_restore_device(r->e, &d), OK);
        break;
    case RECORD_OBSERVATION:
        assert_int_equal(record_observation_decode(key, value, &o), OK);
        assert_int_equal(engine_restore_observation(r->e, &o), OK);
        break;
    case RECORD_FINAL:
        assert_int_equal(record_final_decode(key, value, &f), OK);
        assert_int_equal(engine_restore_final(r->e, &f), OK);
        break;
    case RECORD_DOWNLINK:
    case RECORD_UPLINK:
        assert_int_equal(record_message_decode(key, value, &m), OK);
        assert_int_equal(engine_restore_message(r->e, (enum record_kind)key.data[0], &m), OK);
        break;
    default:
        break;
    }
}

static struct bytes key_at(const struct rig *r, size_t i)
{
    return buf_bytes(&r->committed.data[i].key);
}

void rig_store_restore_shared(struct rig *r)
{
    uint64_t count;
    for (size_t i = 0; i < r->committed.count; i++) {
        struct bytes value = buf_bytes(&r->committed.data[i].value);
        if (key_at(r, i).data[0] == RECORD_SEQUENCE) {
            assert_int_equal(record_sequence_decode(key_at(r, i), value, &count), OK);
            engine_restore_sequence(r->e, count);
        } else if (key_at(r, i).data[0] == RECORD_LEGS && r->loading) {
            assert_int_equal(record_count_decode(key_at(r, i), value, &count), OK);
            engine_restore_legs(r->e, count);
        }
    }
}

void rig_store_restore(struct rig *r)
{
    rig_store_restore_shared(r);
    for (size_t i = 0; i < r->committed.count; i++)
        restore_one(r, key_at(r, i), buf_bytes(&r->committed.data[i].value));
}

/* As a store gives all that is one device's. */
static void load(struct rig *r, struct bytes id)
{
    static const char kinds[] = "dofmu";
    for (const char *kind = kinds; *kind; kind++)
        for (size_t i = 0; i < r->committed.count; i++)
            if (key_at(r, i).data[0] == *kind && bytes_equal(record_key_id(key_at(r, i)), id))
                restore_one(r, key_at(r, i), buf_bytes(&r->committed.data[i].value));
    engine_restored(r->e, r->now_ms, id);
}

void rig_store_load(struct rig *r)
{
    char id[256];
    for (size_t n = r->committed.count; n-- > 0;) { /* in another order than the file's */
        struct bytes of = record_key_id(key_at(r, n));
        if (key_at(r, n).data[0] != RECORD_DEVICE)
            continue;
        memcpy(id, of.data, of.len);
        load(r, bytes_of(id, of.len));
    }
    engine_loaded(r->e);
}

unsigned downlink_puts(const struct rig *r)
{
    return r->downlink_puts;
}

unsigned stored_records(struct rig *r, enum record_kind kind)
{
    unsigned n = 0;
    for (size_t i = 0; i < r->committed.count; i++)
        n += r->committed.data[i].key.data[0] == kind;
    return n;
}

void stored_message(struct rig *r, enum record_kind kind, unsigned n, struct record_message *out)
{
    for (size_t i = 0; i < r->committed.count; i++) {
        struct bytes key = buf_bytes(&r->committed.data[i].key);
        if (key.data[0] != kind || n-- > 0)
            continue;
        assert_int_equal(record_message_decode(key, buf_bytes(&r->committed.data[i].value), out), OK);
        return;
    }
    fail_msg("there are fewer records");
}

static bool is_message(const struct rig_record *rec, uint64_t seq)
{
    struct bytes key = buf_bytes(&rec->key);
    struct reader tail = {.rest = bytes_from(key, key.len - 8)};
    return key.data[0] == RECORD_DOWNLINK && reader_be64(&tail) == seq;
}

bool rig_store_has_message(struct rig *r, uint64_t seq, bool committed_only)
{
    for (size_t i = 0; i < r->committed.count; i++)
        if (is_message(&r->committed.data[i], seq))
            return true;
    for (size_t i = 0; i < r->pending.count && !committed_only; i++)
        if (!r->pending.data[i].is_delete && is_message(&r->pending.data[i], seq))
            return true;
    return false;
}

bool rig_store_owes(struct rig *r, uint64_t seq)
{
    return rig_store_has_message(r, seq, true) || rig_store_has_answer(r, seq);
}

bool rig_store_has_answer(struct rig *r, uint64_t seq)
{
    struct record_message m;
    for (unsigned i = 0; i < stored_records(r, RECORD_UPLINK); i++) {
        stored_message(r, RECORD_UPLINK, i, &m);
        if (m.answers_seq == seq)
            return true;
    }
    return false;
}

/* --- events ------------------------------------------------------------------------------------------ */

struct rig_message *rig_message_by_seq(struct rig *r, uint64_t seq)
{
    for (size_t i = 0; i < r->messages.count; i++)
        if (r->messages.data[i].seq == seq)
            return &r->messages.data[i];
    return NULL;
}

static struct rig_message *message_entry(struct rig *r, uint64_t seq)
{
    struct rig_message *m = rig_message_by_seq(r, seq);
    assert_true(seq != 0);
    if (!m) {
        m = RIG_PUSH(r->messages);
        *m = (struct rig_message){.seq = seq};
    }
    return m;
}

void rig_event(void *ctx, const struct engine_event *e)
{
    struct rig *r = ctx;
    assert_true(r->inside);
    assert_non_null(e->reason);
    struct rig_event *seen = RIG_PUSH(r->events);
    seen->kind = e->kind;
    snprintf(seen->reason, sizeof(seen->reason), "%s", e->reason);
    snprintf(seen->device_id, sizeof(seen->device_id), "%.*s", (int)e->device_id.len, (const char *)e->device_id.data);
    snprintf(seen->endpoint, sizeof(seen->endpoint), "%.*s", (int)e->endpoint.len, (const char *)e->endpoint.data);
    if (e->kind == ENGINE_ACCEPTED) {
        struct rig_message *m = message_entry(r, e->seq);
        assert_false(m->accepted);
        m->accepted = true;
        r->last_accepted = e->seq;
        assert_true(rig_store_has_message(r, e->seq, true)); /* said only after the store has it */
    } else if (e->kind == ENGINE_FINAL) {
        struct rig_message *m = message_entry(r, e->seq);
        assert_true(m->accepted || !rig_store_has_message(r, e->seq, false)); /* the latter: it was never stored */
        assert_int_equal(m->final, FINAL_NONE);
        assert_true(e->final > FINAL_NONE && e->final < FINAL_COUNT);
        m->final = e->final;
        snprintf(m->reason, sizeof(m->reason), "%s", e->reason);
    }
}

unsigned event_count(const struct rig *r, enum engine_event_kind kind, const char *reason)
{
    unsigned n = 0;
    for (size_t i = 0; i < r->events.count; i++)
        n += r->events.data[i].kind == kind && (!reason || strcmp(r->events.data[i].reason, reason) == 0);
    return n;
}

unsigned audit_count(const struct rig *r, unsigned device, const char *endpoint, const char *reason)
{
    char text[32];
    unsigned n = 0;
    (void)rig_identity(r, device, text);
    for (size_t i = 0; i < r->events.count; i++) {
        const struct rig_event *e = &r->events.data[i];
        n += e->kind == ENGINE_AUDIT && !strcmp(e->device_id, text) && !strcmp(e->endpoint, endpoint) &&
             !strcmp(e->reason, reason);
    }
    return n;
}

uint64_t last_accepted(const struct rig *r)
{
    assert_true(r->last_accepted != 0);
    return r->last_accepted;
}

bool is_final(const struct rig *r, uint64_t seq)
{
    for (size_t i = 0; i < r->messages.count; i++)
        if (r->messages.data[i].seq == seq)
            return r->messages.data[i].final != FINAL_NONE;
    return false;
}

void expect_final_at(struct rig *r, uint64_t seq, enum final_state f, const char *reason, const char *file, int line)
{
    const struct rig_message *m = rig_message_by_seq(r, seq);
    if (!m || m->final != f || (reason && strcmp(m->reason, reason) != 0))
        RIG_FAIL(file, line, "message %llu: want final state %s \"%s\", is %s \"%s\"", (unsigned long long)seq,
                 final_state_name(f), reason ? reason : "*", m ? final_state_name(m->final) : "unknown",
                 m ? m->reason : "");
}

void expect_message_state_at(struct rig *r, unsigned device, uint64_t seq, const char *state, const char *file,
                             int line)
{
    char text[32];
    struct t8_identity id = rig_identity(r, device, text);
    struct engine_message_info m;
    for (uint64_t at = 0; engine_message_next(r->e, id.external_id.len ? id.external_id : id.msisdn, &at, &m);) {
        if (m.seq != seq)
            continue;
        if (strcmp(m.state, state) != 0)
            RIG_FAIL(file, line, "message %llu: want state %s, is %s", (unsigned long long)seq, state, m.state);
        return;
    }
    RIG_FAIL(file, line, "message %llu: want state %s, is not in the queue", (unsigned long long)seq, state);
}

struct engine_device_info device_info(struct rig *r, unsigned device)
{
    char text[32];
    struct t8_identity id = rig_identity(r, device, text);
    struct engine_device_info info;
    assert_true(engine_device_find(r->e, id.external_id.len ? id.external_id : id.msisdn, &info));
    return info;
}

struct engine_totals totals(struct rig *r)
{
    struct engine_totals t;
    engine_totals_get(r->e, &t);
    return t;
}
