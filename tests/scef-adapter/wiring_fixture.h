/* An adapter on a store that the test fills before the start. */
#ifndef TESTS_SCEF_ADAPTER_WIRING_FIXTURE_H
#define TESTS_SCEF_ADAPTER_WIRING_FIXTURE_H

#include "tests/base/test.h"

#include "buffering/record.h"
#include "scef-adapter/wiring_internal.h"

struct fixture {
    char folder[64];
    const char *servers; /* as the configuration has them */
    struct loop loop;
    struct config *config;
    struct adapter *adapter;
};

/* Two devices, a@b and c@d, of a server `main`; nothing is started. */
void fixture_set_up(struct fixture *f);
void fixture_set_up_with(struct fixture *f, const char *servers); /* which must stay */
void fixture_configure(struct fixture *f, const char *devices);   /* the configuration anew, with these */
void fixture_start(struct fixture *f);
void fixture_stop(struct fixture *f); /* what is under way is committed */
void fixture_tear_down(struct fixture *f);
uint16_t fixture_free_port(void);

struct store *fixture_store(struct fixture *f); /* while no adapter runs */
void fixture_put_device(struct store *s, const char *id, uint32_t leg, bool damaged);
void fixture_put_message(struct store *s, enum record_kind kind, const char *id, uint64_t seq, const char *server);

#endif
