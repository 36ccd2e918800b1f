/* Shared by leg_stream*.c. */
#ifndef SCEF_ADAPTER_LEG_STREAM_INTERNAL_H
#define SCEF_ADAPTER_LEG_STREAM_INTERNAL_H

#include "base/map.h"
#include "base/prng.h"
#include "base/timer_wheel.h"
#include "scef-adapter/later_free.h"
#include "scef-adapter/leg_address.h"
#include "scef-adapter/leg_stream.h"

#define STREAM_WHY_BYTES     LEG_TLS_WHY_BYTES
#define STREAM_FRAME_MAX     (16u << 10) /* of a server: more than it was told to send, since some do not ask */
#define STREAM_READ_BYTES    (64u << 10)
#define STREAM_OUT_MAX_BYTES (64u << 10) /* of one connection, when the server does not read */

enum stream_state {
    STREAM_PAUSE,      /* no connection; the timer ends it */
    STREAM_IN_LINE,    /* for its turn to connect */
    STREAM_CONNECTING, /* TCP */
    STREAM_HANDSHAKE,  /* TLS */
    STREAM_CSM,        /* ours is sent, the server's awaited */
    STREAM_UP,
    STREAM_RELEASED /* the server asked for the end: nothing more is sent, what it still says is heard */
};

struct stream_key {
    uint32_t server; /* index of ours */
    uint32_t leg;
};

struct stream_connection {
    struct stream_key key;
    enum stream_state state;
    bool wanted;     /* there was something to send while it could not be */
    bool stuffed;    /* something was refused because too much waits */
    bool pinged;     /* nothing has come since our Ping */
    bool heard;      /* a message has come: the server is one */
    bool broken;     /* found while sending; ends at the next flush */
    bool want_write; /* TLS asks for it */
    unsigned attempts;
    int fd; /* -1: none */
    SSL *ssl;
    uint32_t interest; /* epoll's */
    bool watched;      /* by it */
    struct buf out;    /* what waits to leave, from out_at on; freed when it has left */
    size_t out_at;
    struct buf in;      /* the begin of a frame; freed when that is whole */
    struct buf refused; /* answers of our own in place of the server's: each a length of 2 bytes, then the message */
    struct coap_csm peer;
    uint64_t up_ms, heard_ms;
    struct timer timer;
    struct list node; /* in line; or dirty */
};

struct stream_server {
    struct leg_stream_server o;
    char *name;
    union leg_address address;
    struct leg_tls *tls;
    struct list line;
    uint32_t connections; /* with a descriptor */
    uint32_t handshakes;  /* of these, not up yet */
    bool proceeding;      /* the line is at work */
    uint64_t told_ms;     /* the last failure in the log */
    uint64_t untold;      /* failures since */
};

struct leg_stream {
    struct loop *loop;
    struct leg_stream_options o;
    struct leg_stream_sink sink;
    struct leg_stream_counters counters;
    union leg_address local; /* mode ports */
    struct stream_server *servers;
    uint32_t *numbers; /* the index of a server by the number that the sink calls it by; of number_count */
    uint32_t number_count;
    struct map connections; /* by stream_key */
    struct list dirty;      /* something to write, to close or to tell */
    struct timer_wheel timers;
    struct prng prng;
    int epoll;
    struct loop_watch watch;
    struct loop_alarm alarm;
    bool watching, alarmed;
    bool held; /* connections that are up are not read */
    struct later_free later;
    uint8_t in_memory[COAP_STREAM_SLACK_BYTES + STREAM_FRAME_MAX + STREAM_READ_BYTES];
};

static inline bool stream_has_descriptor(const struct stream_connection *c)
{
    return c->fd >= 0;
}
static inline bool stream_is_up(const struct stream_connection *c)
{
    return c->state == STREAM_UP || c->state == STREAM_RELEASED;
}

/* leg_stream.c */
void stream_dirty(struct leg_stream *s, struct stream_connection *c);
void stream_timer(struct leg_stream *s, struct stream_connection *c, uint64_t after_ms);

/* leg_stream_connection.c. Those that return bool: false when the connection has to end, `why` says for what. */
struct stream_connection *stream_connection_new(struct leg_stream *s, struct stream_key key); /* NULL: no memory */
void stream_connection_free(struct leg_stream *s, struct stream_connection *c);
void stream_line_up(struct leg_stream *s, struct stream_connection *c); /* to be made in its turn */
bool stream_connected(struct leg_stream *s, struct stream_connection *c, char why[STREAM_WHY_BYTES]); /* TCP stands */
bool stream_csm_send(struct leg_stream *s, struct stream_connection *c, char why[STREAM_WHY_BYTES]);
void stream_came_up(struct leg_stream *s, struct stream_connection *c);                /* the server's CSM is there */
void stream_close(struct leg_stream *s, struct stream_connection *c, const char *why); /* frees nothing of c itself */

/* leg_stream_io.c. Those that return bool: false when the connection has to end, `why` says for what. */
bool stream_handshake(struct stream_connection *c, bool *done, char why[STREAM_WHY_BYTES]);
bool stream_write(struct stream_connection *c, char why[STREAM_WHY_BYTES]);
bool stream_read(struct leg_stream *s, struct stream_connection *c, char why[STREAM_WHY_BYTES]);
void stream_interest(struct leg_stream *s, struct stream_connection *c);

#endif
