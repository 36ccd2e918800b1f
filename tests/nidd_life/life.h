/* An engine whose SCEFs are lists of requests that the test answers: for what happens to NIDD configurations over days
 * and restarts, with several SCEFs, groups and devices that are learned.
 *
 * The test says what the configuration file holds (file_*), begins, and restarts with another file. After each input
 * all that is due happens, commits included, unless `hold_commits`. */
#ifndef TESTS_NIDD_LIFE_LIFE_H
#define TESTS_NIDD_LIFE_LIFE_H

#include "nidd/engine.h"
#include "tests/base/test.h"

#define START_MS   1800000000000ULL
#define SECONDS    1000ULL
#define HOURS      (3600 * SECONDS)
#define DAYS       (24 * HOURS)
#define OURS       "http://as/t8"
#define REQUESTS   128
#define RECORDS    64
#define OPERATIONS 256
#define SENT       64

enum what { CREATE, GET, PATCH, DELETE_, SUBMIT };

struct request {
    enum what what;
    uint32_t scef;
    uint64_t ref;
    char id[64]; /* CREATE: the group's with a '*' before it; SUBMIT */
    char link[128];
    bool has_duration;
    uint64_t duration_ms;
    char destination[64];
};

struct operation {
    struct buf key, value;
    bool is_delete;
};

struct life {
    struct engine *e;
    struct engine_options o;
    struct engine_scef_options scefs[3];
    struct engine_group_options groups[3];
    struct engine_device_options devices[16];
    char names[16][32];
    unsigned scef_count, group_count, device_count;
    uint64_t now_ms;
    struct request requests[REQUESTS];
    unsigned asked, looked_at; /* requests so far */
    unsigned lists;            /* asked for */
    char websockets[160];      /* what became of them: "+uri" begun, "-uri" ended */
    bool no_websockets;        /* none may be contacted */
    uint32_t listing;          /* the SCEF of the latest */
    char reason[128];          /* of the latest event about a configuration */
    char group[64];            /* whose it was */
    unsigned cancelled, dropped, learned, finals;
    struct operation records[RECORDS], pending[OPERATIONS];
    unsigned record_count, pending_count;
    uint64_t ticket;
    bool hold_commits;
    uint32_t sent_legs[SENT]; /* of datagrams to servers */
    uint32_t sent_to[SENT];   /* the same: servers; those of the file are of the first one */
    unsigned sent;
    uint32_t opened[SENT]; /* legs of learned devices */
    unsigned opened_count;
    enum error open_err;
    uint64_t uplink_ref;
    enum error uplink_err[SENT]; /* by reference: what a LATER came to */
    bool uplink_answered[SENT];
    bool without_life_ports;
};
extern struct life t;

int set_up(void **state); /* one SCEF, no group, no device */
int tear_down(void **state);
#define LIFE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

/* ---- the configuration file */
void file_devices(unsigned devices); /* these only: devN@x at SCEF 0 */
void file_device(const char *id, uint32_t scef, uint32_t group);
void file_no_devices(void);
void file_scef(const char *name);
void file_group(const char *id, uint32_t scef); /* no learning */

void life_begin(void);
void life_restart(void); /* the process dies; what was not committed with it */
void begin(unsigned devices);
void restart(unsigned devices);
void settle(void);
void commit(enum error err);

/* ---- SCEF */
struct request *next_at(enum what what, int line); /* the next request that was not looked at */
#define next(what) next_at(what, __LINE__)
void nothing_asked_at(int line);
#define nothing_asked() nothing_asked_at(__LINE__)
void answer(const struct request *r, struct nidd_configuration_result result);
void answer_status(const struct request *r, int http_status);
struct nidd_configuration_result granted(int status, const char *link, uint64_t end_ms);
void found(const char *id, const char *link);
void found_group(uint32_t scef, const char *id, const char *link);
void listed(int status);
void submitted(const struct request *r, struct nidd_submit_result result);
enum error status_of(uint32_t scef, struct t8_identity id, const char *link, enum t8_nidd_status status);
enum engine_verdict uplink(uint32_t scef, struct t8_identity id, const char *link, struct bytes data, enum error *err);
struct bytes request_bytes(uint8_t mid); /* a CON POST of a device */

/* ---- what can be seen */
struct engine_device_info info(const char *id);
struct engine_group_info group_info(uint32_t group);
bool known(const char *id);
void assert_state(const char *id, const char *state);
unsigned records(enum record_kind kind);
uint64_t wait_for_request(uint64_t max_ms); /* until something is asked; how long that took */
void pass(uint64_t ms);
void server_asks(uint32_t leg);

#endif
