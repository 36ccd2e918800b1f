#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/prng.h"
#include "tests/base/test.h"

#define T0     UINT64_C(1795160794120) /* 2026-11-20T07:46:34.120Z */
#define PREFIX "ts=2026-11-20T07:46:34.120Z level=warn event=e"

#define FORMAT(out, ...)                                                                                               \
    log_format((out), sizeof(out), T0, LOG_WARN, "e", (const struct log_field[]){__VA_ARGS__, {.key = NULL}})

static void assert_value(struct bytes value, const char *want)
{
    char line[512];
    char whole[512];
    size_t n = FORMAT(line, LOG_B("k", value));
    assert_int_equal(n, strlen(line));
    snprintf(whole, sizeof(whole), PREFIX " k=%s", want);
    assert_string_equal(line, whole);
}

static void plain_lines(void **state)
{
    (void)state;
    char line[256];
    const char *missing = NULL;
    FORMAT(line, LOG_S("ext_id", "dev1@example.org"), LOG_S("left_out", missing), LOG_I("n", -5),
           LOG_I("max", INT64_MAX), LOG_B("part", bytes_of("abcdef", 3)));
    assert_string_equal(line, PREFIX " ext_id=dev1@example.org n=-5 max=9223372036854775807 part=abc");
    log_format(line, sizeof(line), T0, LOG_ERROR, "alone", NULL);
    assert_string_equal(line, "ts=2026-11-20T07:46:34.120Z level=error event=alone");
}

static void times(void **state)
{
    (void)state;
    char line[256];
    log_format(line, sizeof(line), 0, LOG_DEBUG, "x", NULL);
    assert_string_equal(line, "ts=1970-01-01T00:00:00.000Z level=debug event=x");
    log_format(line, sizeof(line), UINT64_C(1709164800007), LOG_INFO, "x", NULL);
    assert_string_equal(line, "ts=2024-02-29T00:00:00.007Z level=info event=x");
    log_format(line, sizeof(line), UINT64_MAX, LOG_INFO, "x", NULL);
    assert_string_equal(line, "ts=9999-12-31T23:59:59.999Z level=info event=x");
}

static void escapes(void **state)
{
    (void)state;
    assert_value(BYTES_LIT("plain-_.:/@+~"), "plain-_.:/@+~");
    assert_value(BYTES_LIT(""), "\"\"");
    assert_value(bytes_of(NULL, 0), "\"\"");
    assert_value(BYTES_LIT("two words"), "\"two words\"");
    assert_value(BYTES_LIT("a=b"), "\"a=b\"");
    assert_value(BYTES_LIT("say \"no\""), "\"say \\\"no\\\"\"");
    assert_value(BYTES_LIT("back\\slash"), "\"back\\\\slash\"");
    assert_value(BYTES_LIT("\\"), "\"\\\\\"");
    assert_value(BYTES_LIT("x\nts=1 level=error"), "\"x\\nts=1 level=error\"");
    assert_value(BYTES_LIT("\r\t"), "\"\\r\\t\"");
    assert_value(bytes_of("a\0b", 3), "\"a\\u0000b\"");
    assert_value(BYTES_LIT("\x1b[31m\x7f"), "\"\\u001b[31m\\u007f\"");
}

static void unicode(void **state)
{
    (void)state;
    /* two, three and four bytes stay as they are */
    assert_value(BYTES_LIT("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
    assert_value(BYTES_LIT("\xe2\x82\xac"), "\xe2\x82\xac");
    assert_value(BYTES_LIT("\xf0\x9f\x93\xa1"), "\xf0\x9f\x93\xa1");
    assert_value(BYTES_LIT("\xc2\x85"), "\"\\u0085\"");           /* next line */
    assert_value(BYTES_LIT("\xe2\x80\xa8x"), "\"\\u2028x\"");     /* line separator */
    assert_value(BYTES_LIT("\xe2\x80\xaetxt"), "\"\\u202etxt\""); /* right-to-left override */
}

static void stray_bytes(void **state)
{
    (void)state;
    assert_value(BYTES_LIT("\xff"), "\"\\xff\"");
    assert_value(BYTES_LIT("a\x80z"), "\"a\\x80z\"");
    assert_value(BYTES_LIT("\xc3"), "\"\\xc3\""); /* cut short */
    assert_value(BYTES_LIT("\xe2\x82"), "\"\\xe2\\x82\"");
    assert_value(BYTES_LIT("\xc3\n"), "\"\\xc3\\n\"");     /* a newline that poses as continuation */
    assert_value(BYTES_LIT("\xc0\x8a"), "\"\\xc0\\x8a\""); /* overlong newline */
    assert_value(BYTES_LIT("\xe0\x80\x8a"), "\"\\xe0\\x80\\x8a\"");
    assert_value(BYTES_LIT("\xed\xa0\x80"), "\"\\xed\\xa0\\x80\"");          /* surrogate */
    assert_value(BYTES_LIT("\xf4\x90\x80\x80"), "\"\\xf4\\x90\\x80\\x80\""); /* above U+10FFFF */
    assert_value(BYTES_LIT("\xf8\x88\x80\x80\x80"), "\"\\xf8\\x88\\x80\\x80\\x80\"");
}

/* Every size of line: stays inside it, ends in a NUL, leaves no quote open and no escape half written. */
static void cut_at_every_size(void **state)
{
    (void)state;
    static const char value[] = "a \"\\\n\x01\xff\xc3\xbc\xe2\x80\xa8 tail";
    static const char bare[] = "gr\xc3\xbc\xc3\x9fz\xf0\x9f\x93\xa1";
    char full[512];
    size_t whole =
        FORMAT(full, LOG_S("first", value), LOG_S("bare", bare), LOG_I("number", 12345), LOG_S("second", value));
    for (size_t size = 1; size <= whole + 20; size++) {
        char *line = malloc(size);
        assert_non_null(line);
        memset(line, 'X', size);
        size_t n = log_format(line, size, T0, LOG_WARN, "e",
                              (const struct log_field[]){LOG_S("first", value),
                                                         LOG_S("bare", bare),
                                                         LOG_I("number", 12345),
                                                         LOG_S("second", value),
                                                         {.key = NULL}});
        assert_true(n < size);
        assert_int_equal(strlen(line), n);
        bool cut = n >= 9 && strcmp(line + n - 9, " cut=true") == 0;
        if (size > whole + 9)
            assert_string_equal(line, full);
        else
            assert_true(cut || size <= 10);
        /* A half character would have been escaped, had it been in the value. */
        char again[1024];
        FORMAT(again, LOG_S("line", line));
        assert_null(strstr(again, "\\xc3"));
        assert_null(strstr(again, "\\xf0"));
        bool open = false;
        for (size_t i = 0; i < n; i++) {
            if (line[i] == '\\') {
                i++;
                assert_non_null(strchr("\"\\nux", line[i]));
                i += line[i] == 'u' ? 4 : line[i] == 'x' ? 2 : 0;
                assert_true(i < n);
            } else if (line[i] == '"') {
                open = !open;
            }
        }
        assert_false(open);
        free(line);
    }
}

/* No bytes of a value can make a second line or leave their quotes. */
static void nothing_can_forge_a_line(void **state)
{
    (void)state;
    static const char mean[] = "\n\r\"\\= \t\x85\xe2\x80\xa8\xc2\xc3\xff\x1bx";
    struct prng p;
    prng_seed(&p, 8);
    for (int i = 0; i < 20000; i++) {
        char value[24];
        char line[128];
        size_t len = prng_below(&p, sizeof(value) + 1);
        for (size_t j = 0; j < len; j++)
            value[j] = prng_below(&p, 3) ? mean[prng_below(&p, sizeof(mean))] : (char)prng_next(&p);
        size_t n = FORMAT(line, LOG_B("k", bytes_of(value, len)), LOG_S("end", "yes"));
        size_t quotes = 0;
        for (size_t j = 0; j < n; j++) {
            uint8_t c = (uint8_t)line[j];
            assert_true(c >= 0x20 && c != 0x7f);
            if (c == '\\')
                j++;
            else if (c == '"')
                quotes++;
        }
        assert_true(quotes == 0 || quotes == 2);
        assert_non_null(strstr(line, " cut=true") ? line : strstr(line, " end=yes"));
    }
}

static void levels(void **state)
{
    (void)state;
    enum log_level level = LOG_WARN;
    assert_true(log_wanted(LOG_INFO));
    assert_false(log_wanted(LOG_DEBUG));
    assert_int_equal(log_level_parse("debug", &level), OK);
    assert_int_equal(level, LOG_DEBUG);
    assert_int_equal(log_level_parse("error", &level), OK);
    assert_int_equal(level, LOG_ERROR);
    assert_int_equal(log_level_parse("loud", &level), ERR_CONFIG);
    assert_int_equal(log_level_parse("", &level), ERR_CONFIG);
    assert_int_equal(log_level_parse(NULL, &level), ERR_CONFIG);
    assert_int_equal(level, LOG_ERROR);
    log_set_level(LOG_ERROR);
    assert_true(log_wanted(LOG_ERROR));
    assert_false(log_wanted(LOG_WARN));
    log_set_level(LOG_INFO);
}

static void writes_lines_to_standard_error(void **state)
{
    (void)state;
    int pipe_fds[2];
    char got[8192];
    char long_value[6000];
    memset(long_value, 'v', sizeof(long_value));
    assert_int_equal(pipe(pipe_fds), 0);
    int saved = dup(STDERR_FILENO);
    if (saved < 0)
        abort();
    dup2(pipe_fds[1], STDERR_FILENO);
    log_write(LOG_INFO, "started");
    log_write(LOG_DEBUG, "unwanted", LOG_I("n", 1));
    log_write(LOG_WARN, "odd", LOG_S("why", "line\nbreak"), LOG_I("n", 2));
    log_write(LOG_WARN, "long", LOG_B("v", bytes_of(long_value, sizeof(long_value))));
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(pipe_fds[1]);
    size_t len = 0;
    for (ssize_t n; (n = read(pipe_fds[0], got + len, sizeof(got) - 1 - len)) > 0;)
        len += (size_t)n;
    close(pipe_fds[0]);
    got[len] = '\0';

    char *first = strtok(got, "\n");
    char *second = strtok(NULL, "\n");
    char *third = strtok(NULL, "\n");
    assert_non_null(third);
    assert_null(strtok(NULL, "\n"));
    assert_memory_equal(first, "ts=20", 5);
    assert_non_null(strstr(first, "Z level=info event=started"));
    assert_non_null(strstr(second, " level=warn event=odd why=\"line\\nbreak\" n=2"));
    assert_true(strlen(third) < 4096);
    assert_non_null(strstr(third, "vvv cut=true"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_lines),
        cmocka_unit_test(times),
        cmocka_unit_test(escapes),
        cmocka_unit_test(unicode),
        cmocka_unit_test(stray_bytes),
        cmocka_unit_test(cut_at_every_size),
        cmocka_unit_test(nothing_can_forge_a_line),
        cmocka_unit_test(levels),
        cmocka_unit_test(writes_lines_to_standard_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
