/* The requests of NIDD configurations (TS 29.122 clause 4.4.5.2), and when they are made. Each SCEF has its own line
 * and window, so that a start with many devices is no flood, and a SCEF that is down holds up no other. */
#include "nidd/configuration.h"

/* ---- the line */

void configuration_line_up_as(struct engine *e, struct configuration *c, enum configuration_state s)
{
    configuration_set_state(e, c, s);
    timer_stop(&e->timers, &c->timer);
    list_remove(&c->node);
    list_push_back(&e->scefs[c->scef].line, &c->node);
}

void configuration_line_up(struct engine *e, struct configuration *c)
{
    if (!configuration_serves(c))
        configuration_line_up_as(e, c, CONFIGURATION_REMOVING);
    else
        configuration_line_up_as(e, c, c->link ? CONFIGURATION_CHECKING : CONFIGURATION_NONE);
    configuration_next(e, c->scef);
}

bool configuration_list_is_recent(const struct engine *e, uint32_t scef)
{
    uint64_t listed_ms = e->scefs[scef].listed_ms;
    return listed_ms && e->now_ms - listed_ms < e->o.retry_min_ms;
}

static void patch_send(struct engine *e, struct configuration *c)
{
    const struct scef *s = &e->scefs[c->scef];
    struct nidd_configuration_patch p = {0};
    if (c->end_ms) {
        p.has_duration = true;
        p.duration_ms = s->configuration_duration_ms ? e->now_ms + s->configuration_duration_ms : 0;
    }
    if (c->destination_differs)
        p.notification_destination = bytes_of_str(s->notification_destination);
    e->ports.configuration_patch(e->ports.ctx, c->scef, c->h, bytes_of_str(c->link), &p);
}

static void create_send(struct engine *e, struct configuration *c)
{
    configuration_set_state(e, c, CONFIGURATION_CREATING);
    e->scefs[c->scef].creating++;
    struct t8_identity id = {0};
    if (c->is_groups)
        id.external_group_id = bytes_of_str(c->of.group->id);
    else
        id = device_identity(c->of.device);
    e->ports.configuration_create(e->ports.ctx, c->scef, c->h, id);
}

static void request_send(struct engine *e, struct configuration *c)
{
    e->scefs[c->scef].under_way++;
    switch ((enum configuration_state)c->state) {
    case CONFIGURATION_CHECKING:
        e->ports.configuration_get(e->ports.ctx, c->scef, c->h, bytes_of_str(c->link));
        break;
    case CONFIGURATION_CHANGING:
        patch_send(e, c);
        break;
    case CONFIGURATION_REPLACING:
    case CONFIGURATION_REMOVING:
        e->ports.configuration_delete(e->ports.ctx, c->scef, c->h, bytes_of_str(c->link));
        break;
    default:
        create_send(e, c);
        break;
    }
}

/* Another process makes it: only the list can tell where it is. */
static void foreign_find(struct engine *e, struct configuration *c)
{
    if (!e->ports.configuration_list || configuration_list_is_recent(e, c->scef)) {
        configuration_later(e, c, CONFIGURATION_WAITING, 0);
        return;
    }
    configuration_set_state(e, c, CONFIGURATION_FINDING);
    list_push_back(&e->scefs[c->scef].finding, &c->node);
}

void configuration_next(struct engine *e, uint32_t scef)
{
    struct scef *s = &e->scefs[scef];
    if (!e->started || e->draining)
        return;
    while (list_empty(&s->finding) && s->under_way < e->o.configuration_window && !list_empty(&s->line)) {
        struct configuration *c = LIST_ENTRY(s->line.next, struct configuration, node);
        list_remove(&c->node);
        if (configuration_is_foreign(c) && c->state == CONFIGURATION_NONE)
            foreign_find(e, c);
        else
            request_send(e, c);
    }
    /* Some are said to exist already. When no creation is under way any more, one list tells of all of them, and of
     * those still in line. */
    if (!list_empty(&s->finding) && !s->listing && s->creating == 0) {
        s->listing = true;
        e->ports.configuration_list(e->ports.ctx, scef);
    }
}

/* ---- pauses */

uint64_t configuration_own_pause(struct engine *e, struct configuration *c)
{
    uint64_t pause_ms = e->o.retry_min_ms << c->failures;
    if (c->failures && pause_ms > e->o.retry_max_ms)
        pause_ms = e->o.retry_max_ms;
    if (pause_ms < e->o.retry_max_ms && c->failures < 32)
        c->failures++;
    return pause_ms + prng_below(&e->prng, pause_ms / 4 + 1);
}

void configuration_later(struct engine *e, struct configuration *c, enum configuration_state s, uint64_t pause_ms)
{
    if (pause_ms == 0)
        pause_ms = configuration_own_pause(e, c);
    configuration_set_state(e, c, s);
    timer_start(&e->timers, &c->timer, e->now_ms + pause_ms);
}
