/* The built-in device as a CoAP server: every LwM2M operation, observations, repeats and nonsense, as bytes by hand. */
#include "tests/sim/device_harness.h"

static struct device_test t;

static int start(void **state)
{
    (void)state;
    struct lwm2m_device_options o = test_device_options();
    o.notify_period_s = 60;
    test_device_registered(&t, &o);
    return 0;
}

static int start_unconfirmed(void **state)
{
    (void)state;
    struct lwm2m_device_options o = test_device_options();
    o.notify_period_s = 60;
    o.notify_confirmable = false;
    test_device_registered(&t, &o);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    lwm2m_device_free(t.device);
    return 0;
}

static void exchange(const char *request, const char *answer, const char *event)
{
    test_receive(&t, request);
    assert_sent(&t, 1, answer);
    assert_told(&t, event);
}

static void reads_text(void **state)
{
    (void)state;
    /* CON GET /3/0/0: 2.05 text "scef-sim" */
    exchange("42010101aabb b133 0130 0130", "62450101aabb c0 ff 736365662d73696d", "read ");
    exchange("42010102aabb b133 0130 0139", "62450102aabb c0 ff 3834", "read "); /* battery at 1000 s: 84 */
    exchange("42010103aabb b133 0130 023133", "62450103aabb c0 ff 31303030", "read ");
    exchange("42010104aabb b133 0130 0139 60", "62450104aabb c0 ff 3834", "read ");   /* Accept 0 */
    exchange("42010105aabb b133 0130 023131 0130", "62450105aabb c0 ff 30", "read "); /* /3/0/11/0 */
    exchange("520101060102 b133 0130 0139", "524500020102 c0 ff 3834", "read ");      /* NON: its own Message ID */
}

static void reads_tlv(void **state)
{
    (void)state;
    exchange("42010101aabb b133 0130 0139 622d16", "62450101aabb c22d16 ff c10954", "read ");
    exchange("42010102aabb b133 0130 023131", "62450102aabb c22d16 ff 830b 410000", "read "); /* multiple */
    exchange("42010103aabb b131 0130", /* /1/0: 0, 1 (3600), 6, 7 */
             "62450103aabb c22d16 ff c10001 c2010e10 c10600 c10755", "read ");
    exchange("42010104aabb b131", /* /1: inside its instance */
             "62450104aabb c22d16 ff 08000d c10001 c2010e10 c10600 c10755", "read ");
    exchange("42010105aabb b133 0130 0130 622d16", "62450105aabb c22d16 ff c80008736365662d73696d", "read ");
    exchange("42010106aabb b133 0130 023133 622d16", "62450106aabb c22d16 ff c20d03e8", "read ");
    exchange("42010107aabb b133 0130 023130 622d16", "62450107aabb c22d16 ff c20a0100", "read "); /* 256 */
}

static void reads_senml(void **state)
{
    (void)state;
    /* [{"bn":"/3/0/","n":"9","v":84}] */
    exchange("42010101aabb b133 0130 0139 616e",
             "62450101aabb c16e ff 5b7b22626e223a222f332f302f222c226e223a2239222c2276223a38347d5d", "read ");
    /* [{"bn":"/1/0/","n":"0","v":1},{"n":"1","v":3600},{"n":"6","vb":false},{"n":"7","vs":"U"}] */
    exchange("42010102aabb b131 0130 616e",
             "62450102aabb c16e ff 5b7b22626e223a222f312f302f222c226e223a2230222c2276223a317d2c7b226e223a2231222c"
             "2276223a333630307d2c7b226e223a2236222c227662223a66616c73657d2c7b226e223a2237222c227673223a2255227d5d",
             "read ");
}

static void denies_reads(void **state)
{
    (void)state;
    exchange("42010101aabb b137", "62840101aabb", "denied ");                       /* /7: 4.04 */
    exchange("42010102aabb b133 0131", "62840102aabb", "denied ");                  /* /3/1 */
    exchange("42010103aabb b133 0130 023939", "62840103aabb", "denied ");           /* /3/0/99 */
    exchange("42010104aabb b133 0130 0139 0130", "62840104aabb", "denied ");        /* not a multiple resource */
    exchange("42010105aabb b133 0130 0134", "62850105aabb", "denied ");             /* executable: 4.05 */
    exchange("42010106aabb b133 0130 60", "62860106aabb", "denied ");               /* an instance as text: 4.06 */
    exchange("42010107aabb b133 0130 0139 6132", "62860107aabb", "denied ");        /* as JSON (50) */
    exchange("42010108aabb b26273", "62840108aabb", "denied ");                     /* /bs */
    exchange("42010109aabb b3333333 00", "62840109aabb", "denied ");                /* "333", "" */
    exchange("4201010aaabb", "6284010aaabb", "denied ");                            /* / */
    exchange("4201010baabb b133 0130 023131 0130 0130", "6284010baabb", "denied "); /* five levels */
    exchange("4201010caabb b5 3939393939", "6284010caabb", "denied ");              /* 99999 */
}

static void writes_text(void **state)
{
    (void)state;
    exchange("42030101aabb b133 0130 023135 10 ff 4575726f70652f526f6d65", "62440101aabb", "written ");
    exchange("42010102aabb b133 0130 023135", "62450102aabb c0 ff 4575726f70652f526f6d65", "read ");
    exchange("42030103aabb b133 0130 023133 ff 35303030", "62440103aabb", "written "); /* the clock: 5000 */
    t.now_ms += 10000;
    exchange("42010104aabb b133 0130 023133", "62450104aabb c0 ff 35303130", "read ");
    exchange("42030105aabb b131 0130 0136 10 ff 31", "62440105aabb", "written ");
    exchange("42030106aabb b131 0130 0136 10 ff 32", "62800106aabb", "denied ");       /* not a boolean */
    exchange("42030107aabb b131 0130 0131 10 ff 3132782e", "62800107aabb", "denied "); /* not a number */
    exchange("42030108aabb b131 0130 0131 10", "62800108aabb", "denied ");
    exchange("42030109aabb b131 0130 0131 10 ff 2d31", "62800109aabb", "denied "); /* a lifetime of -1 */
    exchange("4203010aaabb b133 0130 0139 10 ff 31", "6285010aaabb", "denied ");   /* read-only */
    exchange("4203010baabb b133 0130 023939 10 ff 31", "6284010baabb", "denied ");
    exchange("4203010caabb b133 0130 023135 1132 ff 7b7d", "628f010caabb", "denied "); /* JSON: 4.15 */
    exchange("4203010daabb b133 0130 10 ff 31", "628f010daabb", "denied ");            /* an instance as text */
    exchange("4203010eaabb b133 10 ff 31", "6285010eaabb", "denied ");                 /* an object */
    exchange("4203010faabb b133 0130 023135 10 ff 6101", "6280010faabb", "denied ");   /* a control character */
    exchange("42030110aabb b133 0130 023135 10 ff c3a9", "62440110aabb", "written ");  /* UTF-8 */
    exchange("42030111aabb b133 0130 023135 10 ff c3", "62800111aabb", "denied ");     /* half a character */
    exchange("42030112aabb b133 0130 023131 0130 10 ff 30", "62850112aabb", "denied ");
}

static void writes_tlv(void **state)
{
    (void)state;
    exchange("42030101aabb b133 0130 023133 122d16 ff c40d00001388", "62440101aabb", "written ");
    exchange("42010102aabb b133 0130 023133", "62450102aabb c0 ff 35303030", "read ");
    /* POST (partial) to the instance: offset and timezone */
    exchange("42020103aabb b133 0130 122d16 ff c60e2b30313a3030 c30f414243", "62440103aabb", "written ");
    exchange("42010104aabb b133 0130 023134", "62450104aabb c0 ff 2b30313a3030", "read ");
    /* wrapped in its instance */
    exchange("42030105aabb b133 0130 122d16 ff 0500 c30f585942", "62440105aabb", "written ");
    exchange("42010106aabb b133 0130 023135", "62450106aabb c0 ff 585942", "read ");
    /* all or nothing: a good one, then a read-only one */
    exchange("42030107aabb b133 0130 122d16 ff c30f515151 c10901", "62850107aabb", "denied ");
    exchange("42010108aabb b133 0130 023135", "62450108aabb c0 ff 585942", "read ");
    exchange("42030109aabb b133 0130 122d16 ff c30f5151", "62800109aabb", "denied ");          /* cut */
    exchange("4203010aaabb b133 0130 023133 122d16 ff c10901", "6280010aaabb", "denied ");     /* another resource */
    exchange("4203010baabb b133 0130 023133 122d16 ff c30d010203", "6280010baabb", "denied "); /* 3-byte integer */
    exchange("4203010caabb b133 0130 122d16", "6280010caabb", "denied ");
    exchange("4203010daabb b133 0130 122d16 ff e1ffff01", "6284010daabb", "denied ");     /* resource 65535 */
    exchange("4203010eaabb b133 0130 122d16 ff d8 0f ffffff", "6280010eaabb", "denied "); /* 16 M long */
}

static void lifetime_makes_update(void **state)
{
    (void)state;
    test_receive(&t, "42030101aabb b131 0130 0131 10 ff 363030");
    /* the answer, then at once CON POST /rd/7?lt=600&b=U */
    assert_sent(&t, 2, "44020002 00000002 b27264 0137 46 6c743d363030 03 623d55");
    assert_told(&t, "written ");
    test_receive(&t, "64440002 00000002");
    assert_int_equal(lwm2m_device_next_wake(t.device), t.now_ms + 450 * 1000);
}

static void executes(void **state)
{
    (void)state;
    exchange("42020101aabb b133 0130 0134", "62440101aabb", "executed ");
    assert_int_equal(lwm2m_device_executions(t.device), 1);
    exchange("42020101aabb b133 0130 0134", "62440101aabb", "repeat "); /* the same again */
    assert_int_equal(lwm2m_device_executions(t.device), 1);
    assert_int_equal(lwm2m_device_repeats(t.device), 1);
    exchange("42020102aabb b133 0130 0134", "62440102aabb", "executed "); /* same token, new Message ID: new */
    assert_int_equal(lwm2m_device_executions(t.device), 2);
    exchange("42020103aabb b133 0130 0139", "62850103aabb", "denied ");
    exchange("42020104aabb b133 0130 023939", "62840104aabb", "denied ");
    exchange("42020105aabb b133", "62850105aabb", "denied ");      /* Create */
    exchange("42040106aabb b133 0130", "62850106aabb", "denied "); /* Delete */
    exchange("42050107aabb b133 0130", "62850107aabb", "denied "); /* FETCH */
    test_receive(&t, "42020108aabb b131 0130 0138");               /* registration update trigger */
    assert_sent(&t, 2, "44020002 00000002 b27264 0137");
    assert_told(&t, "executed ");
}

static void discovers(void **state)
{
    (void)state;
    /* </1/0>,</1/0/0>,</1/0/1>,</1/0/6>,</1/0/7>,</1/0/8> */
    exchange("42010101aabb b131 0130 6128",
             "62450101aabb c128 ff 3c2f312f303e2c3c2f312f302f303e2c3c2f312f302f313e2c3c2f312f302f363e2c3c2f312f302f37"
             "3e2c3c2f312f302f383e",
             "discovered ");
    exchange("42010102aabb b133 0130 023131 6128", "62450102aabb c128 ff 3c2f332f302f31313e3b64696d3d31",
             "discovered ");
    exchange("42010103aabb b137 6128", "62840103aabb", "denied ");
}

static void remembers_for_a_while(void **state)
{
    (void)state;
    exchange("42020101aabb b133 0130 0134", "62440101aabb", "executed ");
    t.now_ms += 246999;
    exchange("42020101aabb b133 0130 0134", "62440101aabb", "repeat ");
    t.now_ms += 1;
    exchange("42020101aabb b133 0130 0134", "62440101aabb", "executed ");
    /* NON is done once, and answered once */
    exchange("520202010102 b133 0130 0134", "524400020102", "executed ");
    test_receive(&t, "520202010102 b133 0130 0134");
    assert_sent(&t, 0, "");
    assert_told(&t, "repeat ");
    assert_int_equal(lwm2m_device_executions(t.device), 3);
}

static void observes(void **state)
{
    (void)state;
    exchange("42010101aabb 60 5133 0130 0139", "62450101aabb 6101 60 ff 3834", "observed ");
    assert_int_equal(lwm2m_device_next_wake(t.device), t.now_ms + 60000);
    test_wake_at(&t, t.now_ms + 60000);
    assert_sent(&t, 1, "42450002aabb 6102 60 ff 3833"); /* CON, its Message ID, the server's token */
    assert_told(&t, "notify ");
    test_receive(&t, "60000002");
    assert_sent(&t, 0, "");
    assert_told(&t, "notified ");
    assert_int_equal(lwm2m_device_next_wake(t.device), t.now_ms + 60000);
    test_wake_at(&t, t.now_ms + 60000);
    assert_sent(&t, 1, "42450003aabb 6103 60 ff 3832");
    t.events[0] = 0;
    test_receive(&t, "70000003"); /* Reset: not interested any more */
    assert_told(&t, "cancelled ");
    assert_sent(&t, 0, "");
    assert_int_equal(lwm2m_device_next_wake(t.device), 1000000 + 2700 * 1000); /* nothing but the Update */
}

static void cancels_by_request(void **state)
{
    (void)state;
    exchange("42010101aabb 60 5133 0130 0139", "62450101aabb 6101 60 ff 3834", "observed ");
    exchange("42010102aacc 6101 5133 0130 0139", "62450102aacc c0 ff 3834", "read "); /* another token */
    exchange("42010103aabb 6101 5133 0130 0139", "62450103aabb c0 ff 3834", "cancelled ");
    assert_int_equal(lwm2m_device_next_wake(t.device), 1000000 + 2700 * 1000);
    exchange("42010104aabb 60 5137", "62840104aabb", "denied "); /* what is not there is not observed */
    assert_int_equal(lwm2m_device_next_wake(t.device), 1000000 + 2700 * 1000);
}

static void notifies_several_in_turn(void **state)
{
    (void)state;
    exchange("42010101aa01 60 5133 0130 0139", "62450101aa01 6101 60 ff 3834", "observed ");
    exchange("42010102aa02 60 5133 0130 023133", "62450102aa02 6101 60 ff 31303030", "observed ");
    exchange("42010103aa01 60 5133 0130 0139", "62450103aa01 6101 60 ff 3834", "observed "); /* again: one */
    test_wake_at(&t, t.now_ms + 60000);
    assert_sent(&t, 1, "42450002aa01 6102 60 ff 3833");
    test_receive(&t, "60000002"); /* then the other */
    assert_sent(&t, 1, "42450003aa02 6102 60 ff 31303630");
    test_receive(&t, "60000003");
    assert_sent(&t, 0, "");
    assert_told(&t, "notify notified notify notified ");
}

static void gives_up_a_notification(void **state)
{
    (void)state;
    exchange("42010101aabb 60 5133 0130 0139", "62450101aabb 6101 60 ff 3834", "observed ");
    for (unsigned i = 0; i < 6; i++)
        test_wake_at(&t, lwm2m_device_next_wake(t.device));
    assert_non_null(strstr(t.events, "gave_up notify ")); /* the next one is due already: the observation stays */
}

static void unconfirmed_notifications(void **state)
{
    (void)state;
    exchange("42010101aabb 60 5133 0130 0139", "62450101aabb 6101 60 ff 3834", "observed ");
    test_wake_at(&t, t.now_ms + 60000);
    assert_sent(&t, 1, "52450002aabb 6102 60 ff 3833");
    test_wake_at(&t, t.now_ms + 60000);
    assert_sent(&t, 1, "52450003aabb 6103 60 ff 3832");
    t.events[0] = 0;
    test_receive(&t, "70000009"); /* of nothing */
    assert_told(&t, "");
    test_receive(&t, "70000002"); /* a late Reset names the last but one */
    assert_told(&t, "cancelled ");
    assert_int_equal(lwm2m_device_next_wake(t.device), 1000000 + 2700 * 1000);
}

static void blocks(void **state)
{
    (void)state;
    /* 13 bytes fit in one block of 16; the links of /1/0 need four */
    exchange("42010101aabb b131 0130 c100", "62450101aabb c22d16 b0 ff c10001 c2010e10 c10600 c10755", "read ");
    exchange("42010102aabb b131 0130 6128 6108", "62450102aabb c128 b108 ff 3c2f312f303e2c3c2f312f302f303e2c",
             "discovered ");
    exchange("42010103aabb b131 0130 6128 6110", "62450103aabb c128 b118 ff 3c2f312f302f313e2c3c2f312f302f36",
             "discovered ");
    exchange("42010104aabb b131 0130 6128 6130", "62450104aabb c128 b130 ff 2f383e", "discovered ");
    exchange("42010105aabb b131 0130 6128 6140", "62800105aabb", "denied "); /* beyond the end */
    exchange("42010106aabb b131 0130 c107", "62800106aabb", "denied ");      /* a size that does not exist */
    exchange("42030107aabb b133 0130 023135 10 d10206 ff 414243", "62440107aabb d10e06", "written ");
    exchange("42030108aabb b133 0130 023135 10 d1020e ff 414243", "628d0108aabb", "denied "); /* more to come */
}

static void options_not_understood(void **state)
{
    (void)state;
    exchange("42010101aabb 91", "70000101", "");                             /* cut: a format error */
    exchange("42010102aabb 9101 2133 0130 0139", "62820102aabb", "denied "); /* OSCORE (9): critical, 4.02 */
    exchange("42010103aabb b133 0130 0139 d51e 6162636465", "62450103aabb c0 ff 3834", "read "); /* 54: elective */
    exchange("42010104aabb b133 0130 0139 63313233", "62820104aabb", "denied ");           /* Accept of three bytes */
    exchange("42010105aabb b133 0130 0139 60 00", "62820105aabb", "denied ");              /* two Accepts */
    exchange("42010106aabb 3161 4116 4133 0130 0139", "62450106aabb c0 ff 3834", "read "); /* host and port */
    test_receive(&t, "52010107aabb 9101 2133 0130 0139");                                  /* NON: silence */
    assert_sent(&t, 0, "");
    exchange("42030108aabb b133 0130 023135 4170", "62a10108aabb", "denied "); /* Write-Attributes: 5.01 */
}

static void nonsense(void **state)
{
    (void)state;
    exchange("40000101", "70000101", "ping ");
    const char *silent[] = {"",         "40",           "400001",   "80000101",  "00010101", "50000101",
                            "60010101", "70010101",     "7f000101", "60456789",  "58e00101", "50210101",
                            "60009999", "504501019901", "704501",   "7045010199"};
    for (size_t i = 0; i < sizeof silent / sizeof *silent; i++) {
        test_receive(&t, silent[i]);
        assert_sent(&t, 0, "");
    }
    const char *reset[] = {
        "49010102010203040506070809", /* token of 9 */
        "42010102aa",                 /* cut token */
        "42010102aabb ff",            /* a marker and nothing */
        "42010102aabb f0",            /* nibble 15 */
        "42010102aabb e0ffff e0ffff", /* option number beyond 65535 */
        "42010102aabb bd",            /* cut option length */
        "4000010201",                 /* empty with something behind it */
        "41000102aa",                 /* empty with a token */
        "402001020203",               /* class 1 */
        "40c00102",                   /* class 6 */
        "40e10102",                   /* class 7 */
    };
    for (size_t i = 0; i < sizeof reset / sizeof *reset; i++) {
        test_receive(&t, reset[i]);
        assert_sent(&t, 1, "70000102");
    }
}

static void forgets_the_oldest(void **state)
{
    (void)state;
    char request[64];
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(request, sizeof request, "4202%04xaabb b133 0130 0134", 0x2000 + i);
        test_receive(&t, request);
        assert_told(&t, "executed ");
    }
    assert_int_equal(lwm2m_device_executions(t.device), 1000);
    test_receive(&t, request);
    assert_int_equal(lwm2m_device_executions(t.device), 1000);
}

static void observations_are_bounded(void **state)
{
    (void)state;
    char request[64];
    for (unsigned i = 0; i < 20; i++) {
        t.events[0] = 0;
        snprintf(request, sizeof request, "4201%04xaa%02x 60 5133 0130 0139", 0x2000 + i, i);
        test_receive(&t, request);
        assert_told(&t, i < 8 ? "observed " : "read ");
    }
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(reads_text),
        CASE(reads_tlv),
        CASE(reads_senml),
        CASE(denies_reads),
        CASE(writes_text),
        CASE(writes_tlv),
        CASE(lifetime_makes_update),
        CASE(executes),
        CASE(discovers),
        CASE(remembers_for_a_while),
        CASE(observes),
        CASE(cancels_by_request),
        CASE(notifies_several_in_turn),
        CASE(gives_up_a_notification),
        cmocka_unit_test_setup_teardown(unconfirmed_notifications, start_unconfirmed, stop),
        CASE(blocks),
        CASE(options_not_understood),
        CASE(nonsense),
        CASE(forgets_the_oldest),
        CASE(observations_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
