/* A built-in device under test: what it sent and told, as hex and words. */
#ifndef TESTS_SIM_DEVICE_HARNESS_H
#define TESTS_SIM_DEVICE_HARNESS_H

#include <stdio.h>
#include <stdlib.h>

#include "sim/lwm2m_device.h"
#include "tests/base/test.h"

struct device_test {
    struct lwm2m_device *device;
    uint64_t now_ms;
    unsigned sent, told;
    char last[2048];   /* message sent last, hex */
    char events[1024]; /* all since the last look, each followed by a blank */
};

static inline void test_send(void *ctx, struct bytes message)
{
    struct device_test *t = ctx;
    assert_true(message.len * 2 < sizeof t->last);
    bytes_hex(message, t->last);
    t->sent++;
}

static inline void test_event(void *ctx, const char *what, struct bytes message)
{
    struct device_test *t = ctx;
    size_t len = strlen(t->events);
    (void)message;
    assert_true(len + strlen(what) + 2 < sizeof t->events);
    snprintf(t->events + len, sizeof t->events - len, "%s ", what);
    t->told++;
}

static inline void test_device_new(struct device_test *t, const struct lwm2m_device_options *o)
{
    *t = (struct device_test){.now_ms = 1000000};
    struct lwm2m_device_ports ports = {.ctx = t, .send = test_send, .event = test_event};
    assert_int_equal(lwm2m_device_new(o, &ports, &t->device), OK);
}

static inline struct lwm2m_device_options test_device_options(void)
{
    struct lwm2m_device_options o;
    lwm2m_device_options_default(&o);
    o.endpoint = "urn:nai:d";
    o.fixed_ids = true;
    o.lifetime_s = 3600;
    o.start_at_ms = 1000000;
    return o;
}

static inline size_t test_unhex(const char *hex, uint8_t *out, size_t size)
{
    size_t n = 0;
    for (; hex[0] != 0 && hex[1] != 0; hex += hex[0] == ' ' ? 1 : 2) {
        if (hex[0] == ' ')
            continue;
        char *end, digits[3] = {hex[0], hex[1], 0};
        assert_true(n < size);
        out[n++] = (uint8_t)strtoul(digits, &end, 16);
        assert_true(*end == 0);
    }
    return n;
}

/* In: hex, from heap memory of exactly its size. */
static inline void test_receive(struct device_test *t, const char *hex)
{
    uint8_t raw[1024];
    size_t n = test_unhex(hex, raw, sizeof raw);
    uint8_t *exact = malloc(n > 0 ? n : 1);
    assert_non_null(exact);
    memcpy(exact, raw, n);
    lwm2m_device_receive(t->device, t->now_ms, bytes_of(exact, n));
    free(exact);
}

static inline void test_wake_at(struct device_test *t, uint64_t now_ms)
{
    t->now_ms = now_ms;
    lwm2m_device_wake(t->device, now_ms);
}

/* What it told since the last look. */
static inline void assert_told(struct device_test *t, const char *events)
{
    assert_string_equal(t->events, events);
    t->events[0] = 0;
}

/* The message sent last, blanks in `hex` ignored; and how many were sent since the last look. */
static inline void assert_sent(struct device_test *t, unsigned count, const char *hex)
{
    char plain[sizeof t->last];
    size_t n = 0;
    for (; *hex; hex++)
        if (*hex != ' ')
            plain[n++] = *hex;
    plain[n] = 0;
    assert_int_equal(t->sent, count);
    if (count > 0)
        assert_string_equal(t->last, plain);
    t->sent = 0;
}

/* Registered, with Location /rd/7; the clock stands at 1000000. */
static inline void test_device_registered(struct device_test *t, const struct lwm2m_device_options *o)
{
    test_device_new(t, o);
    test_wake_at(t, 1000000);
    test_receive(t, "64410001 00000001 82 7264 01 37");
    assert_true(lwm2m_device_registered(t->device));
    assert_told(t, "registered ");
    t->sent = 0;
}

#endif
