/* What the handlers of the admin API share. */
#ifndef SCEF_ADAPTER_ADMIN_INTERNAL_H
#define SCEF_ADAPTER_ADMIN_INTERNAL_H

#include "scef-adapter/admin.h"
#include "scef-adapter/json_out.h"
#include "scef-adapter/wiring_internal.h"

#define ADMIN_PARTS_MAX     2
#define ADMIN_PART_BYTES    600
#define ADMIN_LIMIT_DEFAULT 100
#define ADMIN_LIMIT_MAX     1000

struct admin_request {
    struct adapter *a;
    struct http_exchange *x;
    char parts[ADMIN_PARTS_MAX][ADMIN_PART_BYTES]; /* what the pattern's {} matched, percent-decoded */
};

/* Answers with the JSON in b, which is freed. */
void admin_reply_json(struct http_exchange *x, int status, struct buf *b);
/* A number of the query, left alone when it is not there; false, and answered, when it is none or out of bounds. */
bool admin_query_number(struct admin_request *r, const char *name, uint64_t min, uint64_t max, uint64_t *out);
/* The same for limit and cursor of a list. */
bool admin_query_page(struct admin_request *r, uint64_t cursor_max, uint64_t *limit, uint64_t *cursor);
/* "next": the cursor of the next page as text, because it is opaque to the client; or null. */
void admin_next_cursor(struct buf *b, bool more, uint64_t cursor);

/* ---- admin_jobs.c: requests that are not answered in the turn in which they come */
struct admin_job {
    struct list node;
    struct adapter *a;
    struct http_exchange *x;
    /* One turn's work; true: there is more. NULL: none is left. */
    bool (*step)(struct admin_job *j);
    /* Answers; the job is gone afterwards. */
    void (*done)(struct admin_job *j);
    bool durable;                /* done only when the store has ended all that was put before */
    bool failed;                 /* which it has refused in part, or something else that it must take in the end */
    uint64_t first_ticket;       /* of what may be of this job */
    uint64_t last_ticket;        /* once no step is left */
    struct engine_survey survey; /* of GET /v1/queue and /metrics */
    struct engine_purge purge;   /* of DELETE of queues */
    char id[ADMIN_PART_BYTES];   /* of the device */
};
/* Called before what it is about is done. NULL: no memory, which is answered. */
struct admin_job *admin_job_new(struct admin_request *r, bool durable, bool (*step)(struct admin_job *j),
                                void (*done)(struct admin_job *j));
void admin_job_drop(struct admin_job *j); /* somebody else has answered */
/* The survey is made, then `done`. */
void admin_survey(struct admin_request *r, void (*done)(struct admin_job *j));

/* admin_metrics.c */
void admin_metrics(struct admin_request *r);

/* admin_devices.c */
void admin_devices(struct admin_request *r);
void admin_device(struct admin_request *r);
/* false, and answered, when there is no such device. Before anything else is done about it. */
bool admin_device_find(struct admin_request *r, struct engine_device_info *d);

/* admin_queue.c */
void admin_totals(struct admin_request *r);
void admin_queue(struct admin_request *r);
void admin_queue_message(struct admin_request *r);
void admin_history(struct admin_request *r);
void admin_device_history(struct admin_request *r);

/* admin_operate.c */
void admin_message_cancel(struct admin_request *r);
void admin_message_replay(struct admin_request *r);
void admin_queue_replay(struct admin_request *r);
void admin_queue_purge(struct admin_request *r);
void admin_purge(struct admin_request *r);

/* admin_message.c: a message that waits, as JSON; `whole`: with its options, payload and bytes */
void admin_message_json(struct adapter *a, struct buf *b, const struct engine_message_info *m, bool whole);
const char *admin_method_name(uint8_t code); /* NULL: none */
/* The message with this number; false, and answered, when none waits. */
bool admin_message_find(struct admin_request *r, struct engine_message_info *m);
/* The answer for a message that does not wait. */
void admin_message_unknown(struct admin_request *r);

/* admin_scefs.c */
void admin_scefs(struct admin_request *r);
void admin_groups(struct admin_request *r);

/* admin_routes.c */
void admin_routes(struct admin_request *r);

#endif
