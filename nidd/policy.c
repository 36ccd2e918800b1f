#include "nidd/policy.h"

#include <stdlib.h>

#include "nidd/internal.h"
#include "nidd/route_pattern.h"

enum { BY_SERVER = 1, BY_DEVICE = 2 }; /* the more specific, the greater */

struct entry {
    char *pattern; /* in its normal form; NULL: any device */
    size_t number;
    uint32_t server; /* ENGINE_NONE: any */
    struct engine_policy policy;
};

struct policy_table {
    size_t count;
    struct entry entries[]; /* the one that comes first, first */
};

static unsigned kinds(const struct entry *n)
{
    return (n->server != ENGINE_NONE ? BY_SERVER : 0) | (n->pattern ? BY_DEVICE : 0);
}

static int compare(const void *left, const void *right)
{
    const struct entry *a = left;
    const struct entry *b = right;
    if (kinds(a) != kinds(b))
        return kinds(a) > kinds(b) ? -1 : 1;
    int patterns = a->pattern ? pattern_compare(bytes_of_str(a->pattern), bytes_of_str(b->pattern)) : 0;
    return patterns ? patterns : a->number < b->number ? -1 : 1;
}

static enum error entry_make(const struct engine_downlink *from, size_t number, struct entry *out)
{
    struct buf pattern = {0};
    *out = (struct entry){.number = number, .server = from->server, .policy = from->policy};
    if (from->policy.priority > QUEUE_PRIORITY_MAX)
        return ERR_MEMBER_TYPE;
    enum error err = pattern_write(from->domain, from->external_id, &pattern);
    if (!err && pattern.len) {
        out->pattern = bytes_dup_str(buf_bytes(&pattern));
        err = out->pattern ? OK : ERR_NO_MEMORY;
    }
    buf_free(&pattern);
    return !err && kinds(out) == 0 ? ERR_MEMBER_TYPE : err;
}

enum error policy_table_new(const struct engine_downlink *entries, size_t count, struct policy_table **out)
{
    struct policy_table *t = calloc(1, sizeof(*t) + count * sizeof(t->entries[0]));
    enum error err = t ? OK : ERR_NO_MEMORY;
    for (size_t i = 0; i < count && !err; i++) {
        err = entry_make(&entries[i], i, &t->entries[i]);
        t->count = i + 1;
    }
    if (err) {
        policy_table_free(t);
        return err;
    }
    qsort(t->entries, count, sizeof(t->entries[0]), compare);
    *out = t;
    return OK;
}

void policy_table_free(struct policy_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->count; i++)
        free(t->entries[i].pattern);
    free(t);
}

const struct engine_policy *policy_table_find(const struct policy_table *t, uint32_t server, struct bytes external_id)
{
    uint8_t memory[ID_MAX_BYTES];
    const struct bytes id = id_canonical(external_id, memory);
    for (size_t i = 0; i < t->count; i++) {
        const struct entry *n = &t->entries[i];
        if ((n->server == ENGINE_NONE || n->server == server) &&
            (!n->pattern || (id.len && pattern_matches(bytes_of_str(n->pattern), id))))
            return &n->policy;
    }
    return NULL;
}

/* ---- what is wrong with it: for whoever has written it */

static bool same_policy(const struct engine_policy *a, const struct engine_policy *b)
{
    return a->buffer == b->buffer && a->lifetime_ms == b->lifetime_ms && a->priority == b->priority &&
           a->latest_wins == b->latest_wins;
}

static struct bytes pattern_of(const struct entry *n)
{
    return n->pattern ? bytes_of_str(n->pattern) : BYTES_LIT("*");
}

/* `first` comes before `second`. Of other kinds, one is told from the other by these. */
static bool rivals(const struct entry *first, const struct entry *second)
{
    return kinds(first) == kinds(second) && first->server == second->server;
}

static bool contains(const struct entry *outer, const struct entry *inner)
{
    return pattern_contains(pattern_of(outer), pattern_of(inner));
}

static bool ambiguous(const struct entry *first, const struct entry *second)
{
    return !same_policy(&first->policy, &second->policy) && !contains(second, first) &&
           pattern_overlaps(pattern_of(first), pattern_of(second));
}

size_t policy_table_check(const struct policy_table *t, struct route_finding *out, size_t max)
{
    size_t found = 0;
    for (size_t i = 0; i < t->count; i++) {
        const struct entry *second = &t->entries[i];
        bool reached = true; /* one that is not is told once */
        for (size_t n = 0; n < i && reached; n++) {
            const struct entry *first = &t->entries[n];
            if (!rivals(first, second))
                continue;
            reached = !contains(first, second);
            if (reached && !ambiguous(first, second))
                continue;
            if (found < max)
                out[found] = (struct route_finding){.flaw = reached ? ROUTE_AMBIGUOUS : ROUTE_UNREACHABLE,
                                                    .first = first->number,
                                                    .second = second->number};
            found++;
        }
    }
    return found;
}
