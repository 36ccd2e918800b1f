/* What the rooms of the engine share about NIDD configurations, those of devices and of groups, and the SCEFs that they
 * are at. Not for anyone outside nidd/. */
#ifndef NIDD_CONFIGURATION_H
#define NIDD_CONFIGURATION_H

#include "nidd/internal.h"

enum configuration_state {
    CONFIGURATION_NONE,     /* not asked for yet, in line */
    CONFIGURATION_CREATING, /* POST under way */
    CONFIGURATION_CHECKING, /* known from before the restart; GET under way; used meanwhile */
    CONFIGURATION_ACTIVE,
    CONFIGURATION_WAITING,   /* the SCEF was not to be had; tried again later */
    CONFIGURATION_REFUSED,   /* the SCEF does not want this device; tried again much later */
    CONFIGURATION_CHANGING,  /* PATCH under way, or in line for it; used meanwhile */
    CONFIGURATION_FINDING,   /* said to exist; waits for the SCEF's list */
    CONFIGURATION_REPLACING, /* DELETE under way, or in line for it; then made anew */
    CONFIGURATION_REMOVING   /* the same, for one that serves nobody any more */
};

/* A NIDD configuration at a SCEF: of one device, or of a group for all its devices. */
struct configuration {
    handle h; /* the reference of its requests */
    char *link;
    struct list node;   /* in its SCEF's line, or among those to be found */
    struct timer timer; /* ACTIVE: its renewal; WAITING, REFUSED: the next try */
    union {
        struct device *device;
        struct group *group; /* when is_groups */
    } of;
    uint64_t end_ms;    /* UTC; 0 = for ever */
    uint32_t doubted_s; /* UTC; when configuration_ask_after last did */
    uint16_t scef;
    uint16_t packet_size_bytes;    /* 0 = not told; what is more than any datagram holds is as good as its largest */
    uint16_t refused_status;       /* FINDING: how the creation was refused */
    uint16_t supported_features;   /* what both sides can do */
    uint16_t tail_from, tail_len;  /* of the link: what tells it from others (t8_link_tail) */
    uint8_t state;                 /* enum configuration_state */
    uint8_t cause;                 /* enum t8_cause of a refusal */
    uint8_t failures;              /* in a row, as far as its pause grows with them */
    uint8_t link_age;              /* counts the links */
    bool destination_differs : 1;  /* the SCEF notifies somebody else */
    bool end_checked : 1;          /* its end has passed, and yet it is there */
    bool check_next : 1;           /* the timer is not that of its renewal, but of a question whether it is there */
    bool is_groups : 1;            /* not of one device */
    bool doubted : 1;              /* asked after for one device's sake */
    bool has_websocket : 1;        /* see nidd/websocket.c */
    bool unchangeable : 1;         /* neither PATCH nor DELETE: nothing can be done before its end */
    uint8_t destination_tries : 2; /* how often that was to be changed, since the SCEF has last shown ours */
};

/* A configuration that stands in a record of its own: that of a group; or one that serves nobody any more, and waits to
 * be deleted: of a group that is in the configuration file no more, or what a device or group had before it got another
 * one. */
struct group {
    char *id;     /* NUL-terminated, and the index of the SCEF in four bytes behind */
    uint64_t seq; /* 0: of a group, `id` is its identifier; else of something before, `id` says whose */
    struct configuration *configuration;
    struct device *users;      /* by next_user; from the start on, and then only those that are served */
    struct list leftover_node; /* among those that serve nobody */
    struct storing storing;    /* of its record */
    uint32_t index;            /* ENGINE_NONE: it serves nobody */
    uint32_t server;
    uint32_t devices;
    uint32_t learned;
    uint32_t learned_unloaded; /* so many more, of those that are not here yet */
    uint32_t learn_max;
    bool learn;
    bool foreign;
    bool of_group;  /* `id` is a group's */
    bool unsaved;   /* the store has refused its record */
    bool stored;    /* there is a record */
    bool to_be_put; /* and it says something else */
};

#define EARLY_STATUS_SLOTS 64
#define EARLY_STATUS_MS    120000 /* longer than any POST takes */
struct scef {
    char *name;
    char *notification_destination; /* NULL: not compared */
    uint64_t configuration_duration_ms;
    uint64_t configuration_check_ms;
    uint64_t supported_features;
    struct map by_delivery_link; /* downlinks that it holds */
    struct map watches;          /* devices, by the link of their subscription (reachability.c) */
    struct list line;            /* configurations that need a request; their state says which */
    struct list finding;         /* those that are FINDING */
    uint64_t listed_ms;          /* when its list last came; 0 = never */
    uint32_t under_way;
    uint32_t asking; /* requests about deliveries under way */
    uint32_t creating;
    uint32_t devices;
    uint32_t active;
    struct { /* status notifications that overtook the 201 they belong to */
        char *link;
        enum t8_delivery_status status;
        uint64_t at_ms;
    } early[EARLY_STATUS_SLOTS];
    uint32_t early_next;
    bool listing; /* the list has been asked for */
    bool watch;
    bool watches_listing; /* the list of subscriptions has been asked for */
};

static inline uint32_t device_scef(const struct device *d)
{
    return d->configuration ? d->configuration->scef : ENGINE_NONE;
}

/* ---- configuration.c
 *
 *   NONE --POST--> CREATING --201--> ACTIVE <--200-- CHECKING <--(restart; its end has come; nothing heard for long)
 *     ^   |          | 5xx, silence: WAITING, again with back-off;  4xx: REFUSED, again much later
 *     |   |          | 409, 403, 400 without a cause: FINDING; when the list shows it: ACTIVE, else REFUSED
 *     |   +-- in a list that was asked for another's sake: ACTIVE
 *     |
 *     |  ACTIVE --before its end; the destination differs--> CHANGING --200--> ACTIVE;  204: CHECKING
 *     |                                                        | refused for good: REPLACING
 *     +--404 anywhere, or TERMINATED: the link is forgotten    |
 *     +--------------- DELETE -------------- REPLACING <-------+
 *
 *   One that serves nobody any more: REMOVING until the SCEF has let go of it (removal.c). A foreign one is never made,
 *   changed or deleted: NONE leads to FINDING. */
void configuration_lost(struct engine *e, struct configuration *c, const char *reason);
/* A word about one of its devices says so, which need not be true of all: it is asked after. */
void configuration_doubted(struct engine *e, struct configuration *c);
/* Ours may be forgotten there: the SCEF names another one for a device, or a device that was delivered something is not
 * heard of. Asked after, once in retry_min_ms; that it is there is no news of its devices. */
void configuration_ask_after(struct engine *e, struct configuration *c);
void configuration_moved(struct engine *e, struct configuration *c, struct bytes link); /* 308 */
void configuration_timer(struct engine *e, struct configuration *c);

/* ---- configuration_object.c */
static inline struct group *configuration_group(const struct configuration *c)
{
    return c->is_groups ? c->of.group : NULL;
}
static inline void configuration_set_group(struct configuration *c, struct group *g)
{
    c->is_groups = true;
    c->of.group = g;
}
static inline void configuration_set_device(struct configuration *c, struct device *d)
{
    c->is_groups = false;
    c->of.device = d;
}
/* Those that use it, by next_user. */
static inline struct device *configuration_users(const struct configuration *c)
{
    return c->is_groups ? c->of.group->users : c->of.device;
}
struct configuration *configuration_new(struct engine *e, uint32_t scef); /* NULL: no memory */
void configuration_free(struct engine *e, struct configuration *c);       /* NULL is fine; no record is touched */
/* nidd/websocket.c */
void websockets_init(struct engine *e, uint64_t seed);
void websockets_free(struct engine *e); /* without a word */
/* What the SCEF shows as websocketUri; one that is not shown stays, since bodies are often incomplete. */
void configuration_websocket_note(struct engine *e, struct configuration *c, struct bytes uri);
void configuration_websocket_end(struct engine *e, struct configuration *c); /* it is used no more, if it was */
void configuration_put(struct engine *e, struct configuration *c);           /* the record that it stands in */
/* The link is its own from now on; NULL: it has none. False, and the old one stays: it is longer than records hold. */
bool configuration_set_link(struct configuration *c, char *link);
bool configuration_has_link(const struct configuration *c, struct bytes link); /* in whatever form; c->link is there */
void configuration_set_state(struct engine *e, struct configuration *c, enum configuration_state s);
const char *configuration_state_name(const struct configuration *c);
bool configuration_is_usable(const struct configuration *c);
bool configuration_usable(const struct device *d); /* the device's; false when it has none */
bool configuration_refuses(const struct device *d);
void configuration_tell(struct engine *e, const struct configuration *c, const char *reason, int status,
                        enum t8_cause cause);

/* ---- configuration_line.c: its requests, and when they are made */
/* To be found or made, or deleted, as soon as the window allows. */
void configuration_line_up(struct engine *e, struct configuration *c);
void configuration_line_up_as(struct engine *e, struct configuration *c, enum configuration_state s);
void configuration_next(struct engine *e, uint32_t scef);
/* Tried again after the pause (0: its own, doubling), a little apart from all the others that failed at the same
 * moment. */
void configuration_later(struct engine *e, struct configuration *c, enum configuration_state s, uint64_t pause_ms);
void configuration_set_packet_size(struct configuration *c, uint32_t bytes);
uint64_t configuration_own_pause(struct engine *e, struct configuration *c);
/* Its list has just come: what it did not show is not there. */
bool configuration_list_is_recent(const struct engine *e, uint32_t scef);

/* ---- group.c */
static inline bool configuration_is_foreign(const struct configuration *c)
{
    return c->is_groups && c->of.group->foreign;
}
/* Does it serve anybody, or does it wait to be deleted? */
static inline bool configuration_serves(const struct configuration *c)
{
    return c->is_groups ? c->of.group->index != ENGINE_NONE : c->of.device->routed;
}
void group_put(struct engine *e, struct group *g); /* writes its record */
/* A group that has ended, its configuration and its record with it. */
void group_end(struct engine *e, struct group *g);
void group_free(struct engine *e, struct group *g); /* in memory only */
/* The configuration is nobody's from now on, and is to be deleted; `id` says whose it was. */
[[gnu::warn_unused_result]] enum error leftover_make(struct engine *e, struct configuration *c, struct bytes id);
/* What this device has left at this SCEF, if it has: its own again, no record of it any more. NULL: nothing. */
struct configuration *leftover_take(struct engine *e, struct bytes id, uint32_t scef);
struct bytes leftover_key(const void *group);
void leftover_records(struct engine *e); /* at the start: writes those that are not stored yet */

/* ---- learn.c */
/* An uplink of a device that is not known (NULL) or not served, or that is being learned. */
enum engine_verdict learn_uplink(struct engine *e, struct device *d, uint32_t scef, uint64_t uplink_ref,
                                 const struct nidd_uplink *u, enum error *err);
void learn_stored(struct engine *e, struct device *d, enum error err); /* its record, or not */
void learn_forget(struct device *d);                                   /* what is held of it */

void learned_counts_put(struct engine *e); /* of all groups */

/* ---- removal.c */
void removal_start(struct engine *e);
void removal_leftovers(struct engine *e);
void removal_of(struct engine *e, struct device *d); /* one that is not served */
void configuration_removed(struct engine *e, struct configuration *c, const struct nidd_configuration_result *r);

#endif
