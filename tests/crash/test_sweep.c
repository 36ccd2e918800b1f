/* One thing goes wrong, the n-th of its kind, for n = 1, 2, 3 ... until the scenario passes without it: allocations,
 * port calls at which the process dies, batches of the store, answers of the SCEF; also with a crash right after.
 * Whatever n, the engine keeps its promises (sweep_world.c), does not crash and leaks nothing (the sanitizer watches).
 */
#include "tests/base/test.h"
#include "tests/crash/sweep_world.h"

/* Every kind of exchange. */
static void scenario(struct world *w)
{
    world_device_asks(w, 1000, true, "0.02 reg 11=rd", "2.01 reg 8=rd");
    world_server_asks(w, 5000, "0.01 read 11=3", REACT_PIGGYBACKED);
    world_server_asks(w, 5001, "0.02 exec 11=3 11=0 11=4", REACT_SEPARATE);
    world_server_asks(w, 5002, "0.03 put 11=3 11=15 |zone", REACT_LATE);
    world_server_asks(w, 10000, "0.01 obs 6= 11=3303", REACT_OBSERVED);
    world_server_asks(w, 10001, "0.02 rst 11=9", REACT_RESET);
    world_server_asks(w, 10002, "0.03 big 11=5 |~300", REACT_PIGGYBACKED); /* 4.13 */
    world_device_notifies(w, 30000, false, "2.05 obs 6=0x02 |two");
    world_device_notifies(w, 31000, true, "2.05 obs 6=0x03 |three");
    world_device_asks(w, 32000, true, "0.01 fw 11=fw", "2.05 fw 4=etag |~400"); /* cut to a block */
    world_buffers(w, 40000, 45000);
    world_server_asks(w, 40001, "0.01 buf 11=3", REACT_PIGGYBACKED);
    world_server_asks(w, 40002, "0.01 buf2 11=4", REACT_SEPARATE);
    world_server_asks(w, 59000, "0.01 down 11=3", REACT_PIGGYBACKED); /* its answer meets a server that is down */
    world_server_down(w, 59010, 75000);
    world_device_asks(w, 60000, false, "0.02 send 11=dp |one", "");
    world_device_asks(w, 61000, true, "0.02 upd 11=rd 11=1", "2.04 upd");
    world_device_notifies(w, 62000, false, "2.05 obs 6=0x04 |four");
    world_device_notifies(w, 63000, true, "2.05 obs 6=0x05 |five");
    world_run(w, 3600 * 1000);
}

static void sweep(enum wrong wrong, bool then_crash)
{
    unsigned long n = 0, bad = 0;
    for (bool again = true; again;) {
        struct world *w = world_new(wrong, ++n, then_crash);
        scenario(w);
        const unsigned broken = world_judge(w);
        if (broken && bad++ < 5)
            print_error("    n = %lu: %u things broken\n", n, broken);
        again = world_went_wrong(w);
        world_free(w);
    }
    print_message("%s%s: %lu runs\n", wrong_name(wrong), then_crash ? ", then a crash" : "", n);
    assert_true(n > 1);
    assert_int_equal(bad, 0);
}

static void test_nothing_goes_wrong(void **state)
{
    (void)state;
    struct world *w = world_new(WRONG_ALLOCATION, 0, false);
    scenario(w);
    assert_int_equal(world_judge(w), 0);
    world_free(w);
}

static void test_allocations(void **state)
{
    (void)state;
    sweep(WRONG_ALLOCATION, false);
}

static void test_crashes(void **state)
{
    (void)state;
    sweep(WRONG_CRASH, false);
    sweep(WRONG_CRASH, true);
}

static void test_store(void **state)
{
    (void)state;
    for (enum wrong kind = WRONG_BATCH_FAILS; kind <= WRONG_BATCH_DONE; kind++) {
        sweep(kind, false);
        sweep(kind, true);
    }
}

static void test_deliveries(void **state)
{
    (void)state;
    for (enum wrong kind = WRONG_SUBMIT_500; kind <= WRONG_SUBMIT_LOST; kind++) {
        sweep(kind, false);
        sweep(kind, true);
    }
}

static void test_configurations(void **state)
{
    (void)state;
    for (enum wrong kind = WRONG_CONFIGURE_500; kind <= WRONG_CONFIGURE_BARE; kind++) {
        sweep(kind, false);
        sweep(kind, true);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_goes_wrong),
        cmocka_unit_test(test_allocations),
        cmocka_unit_test(test_crashes),
        cmocka_unit_test(test_store),
        cmocka_unit_test(test_deliveries),
        cmocka_unit_test(test_configurations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
