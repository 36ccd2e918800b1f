/* What is wrong with a table of routes: for whoever has written it, before it is used. Only routes of the same kinds
 * can stand in each other's way: one with a kind more is narrower and comes first, others are told apart by their
 * kinds. */
#include "nidd/route_internal.h"
#include "nidd/route_pattern.h"

static struct bytes pattern_of(const struct route *r)
{
    return r->pattern ? bytes_of_str(r->pattern) : BYTES_LIT("*");
}

/* DTLS records have neither options nor a path. */
static bool never_matches(const struct route *r)
{
    return r->kinds & ROUTE_BY_DTLS && r->kinds & (ROUTE_BY_HOST | ROUTE_BY_BOOTSTRAP);
}

static bool port_contains(bool has_outer, uint16_t outer, bool has_inner, uint16_t inner)
{
    return !has_outer || (has_inner && outer == inner);
}

/* All that `inner` matches, `outer` does. */
static bool contains(const struct route *outer, const struct route *inner)
{
    return port_contains(outer->has_rds_ue_port, outer->rds_ue_port, inner->has_rds_ue_port, inner->rds_ue_port) &&
           port_contains(outer->has_rds_scef_port, outer->rds_scef_port, inner->has_rds_scef_port,
                         inner->rds_scef_port) &&
           port_contains(outer->uri_port, outer->uri_port, inner->uri_port, inner->uri_port) &&
           (!outer->uri_host ||
            (inner->uri_host && route_same_host(bytes_of_str(outer->uri_host), bytes_of_str(inner->uri_host)))) &&
           pattern_contains(pattern_of(outer), pattern_of(inner));
}

static bool overlap(const struct route *a, const struct route *b)
{
    return (!a->has_rds_ue_port || !b->has_rds_ue_port || a->rds_ue_port == b->rds_ue_port) &&
           (!a->has_rds_scef_port || !b->has_rds_scef_port || a->rds_scef_port == b->rds_scef_port) &&
           (!a->uri_port || !b->uri_port || a->uri_port == b->uri_port) &&
           (!a->uri_host || !b->uri_host || route_same_host(bytes_of_str(a->uri_host), bytes_of_str(b->uri_host))) &&
           pattern_overlaps(pattern_of(a), pattern_of(b));
}

struct findings {
    struct route_finding *out;
    size_t count;
    size_t max;
};

static void find(struct findings *f, enum route_flaw flaw, const struct route *first, const struct route *second)
{
    if (f->count < f->max)
        f->out[f->count] = (struct route_finding){.flaw = flaw, .first = first->number, .second = second->number};
    f->count++;
}

/* `first` comes before `second` in the table. One that is out of reach is told once. */
static bool look_at(struct findings *f, const struct route *first, const struct route *second)
{
    if (contains(first, second)) {
        find(f, ROUTE_UNREACHABLE, first, second);
        return true;
    }
    if (first->server != second->server && !contains(second, first) && overlap(first, second))
        find(f, ROUTE_AMBIGUOUS, first, second);
    return false;
}

size_t route_table_check(const struct route_table *t, struct route_finding *out, size_t max)
{
    struct findings f = {.out = out, .max = max};
    for (size_t i = 0; i < t->count; i++) {
        const struct route *second = &t->routes[i];
        if (never_matches(second)) {
            find(&f, ROUTE_NEVER_MATCHES, second, second);
            continue;
        }
        bool unreachable = false;
        for (size_t n = 0; n < i && !unreachable; n++)
            if (t->routes[n].kinds == second->kinds)
                unreachable = look_at(&f, &t->routes[n], second);
    }
    return f.count;
}
