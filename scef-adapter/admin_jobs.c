/* Admin requests that take more than a turn of the loop: those that look at or change many messages, a part in each
 * turn, and those whose 2xx says that the store has it. They are bounded by the admin port's connections. */
#include <stdlib.h>

#include "scef-adapter/admin_internal.h"

#define MESSAGES_PER_TURN 5000 /* looked at: well below a millisecond */

struct admin_job *admin_job_new(struct admin_request *r, bool durable, bool (*step)(struct admin_job *j),
                                void (*done)(struct admin_job *j))
{
    struct adapter *a = r->a;
    struct admin_job *j = calloc(1, sizeof(*j));
    if (!j) {
        http_reply_error(r->x, ERR_NO_MEMORY, NULL, NULL);
        return NULL;
    }
    j->a = a;
    j->x = r->x;
    j->step = step;
    j->done = done;
    j->durable = durable;
    j->first_ticket = a->ticket_given; /* the batch that is open may be the one before: then this is too strict */
    list_push_back(&a->admin_jobs, &j->node);
    return j;
}

void admin_job_drop(struct admin_job *j)
{
    list_remove(&j->node);
    free(j);
}

static bool survey_step(struct admin_job *j)
{
    return engine_survey_go_on(j->a->engine, &j->survey, MESSAGES_PER_TURN);
}

void admin_survey(struct admin_request *r, void (*done)(struct admin_job *j))
{
    (void)admin_job_new(r, false, survey_step, done);
}

static bool is_due(const struct admin_job *j)
{
    return j->step || !j->durable || j->a->ticket_done >= j->last_ticket;
}

/* What it has changed stands in the store, as far as that is known by now. */
static void judge(struct admin_job *j)
{
    j->failed = j->failed || (j->durable && !engine_is_saved(j->a->engine));
}

void admin_turn_end(struct adapter *a)
{
    LIST_EACH_SAFE (it, &a->admin_jobs) {
        struct admin_job *j = LIST_ENTRY(it, struct admin_job, node);
        if (j->step && !j->step(j)) {
            j->step = NULL;
            j->last_ticket = a->ticket_given;
        }
        if (j->step || !is_due(j))
            continue;
        judge(j);
        list_remove(&j->node);
        j->done(j);
        free(j);
    }
}

bool admin_busy(const struct adapter *a)
{
    LIST_EACH (it, &a->admin_jobs)
        if (is_due(LIST_ENTRY(it, const struct admin_job, node)))
            return true;
    return false;
}

void admin_stored(struct adapter *a, uint64_t ticket, enum error err)
{
    LIST_EACH (it, &a->admin_jobs) {
        struct admin_job *j = LIST_ENTRY(it, struct admin_job, node);
        j->failed = j->failed || (err && j->durable && ticket >= j->first_ticket);
    }
}

void admin_end(struct adapter *a)
{
    LIST_EACH_SAFE (it, &a->admin_jobs)
        admin_job_drop(LIST_ENTRY(it, struct admin_job, node)); /* the HTTP server has answered 503 */
}
