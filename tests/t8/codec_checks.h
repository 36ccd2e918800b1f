/* What the tests of the codecs share. */
#ifndef TESTS_T8_CODEC_CHECKS_H
#define TESTS_T8_CODEC_CHECKS_H

#include "tests/base/test.h"

#include "t8/nidd_notification.h"

#define EXT  "dev0001@iot.example.org"
#define SELF "https://scef.example.net/3gpp-nidd/v1/as1/configurations/c7"

static inline void assert_text(struct buf *b, const char *want)
{
    if (!bytes_equal(buf_bytes(b), bytes_of_str(want)))
        fail_msg("got  %.*s\nwant %s", (int)b->len, (const char *)b->data, want);
    buf_free(b);
}

static inline struct nidd_notification decoded(const char *body, unsigned kind)
{
    struct nidd_notification n;
    struct t8_problem p = {0};
    enum error err = nidd_notification_decode(bytes_of_str(body), &n, &p);
    if (err)
        fail_msg("%s: %s at %.*s", body, error_name(err), (int)p.invalid_param.len, (const char *)p.invalid_param.data);
    if (n.kind != kind)
        fail_msg("%s: kind %d", body, (int)n.kind);
    return n;
}

struct refusal {
    const char *body;
    enum error err;
    const char *param;
};

static inline void assert_blame(const struct refusal *r, enum error err, const struct t8_problem *p)
{
    if (err != r->err || !bytes_equal(p->invalid_param, bytes_of_str(r->param)))
        fail_msg("%s: %s at '%.*s'", r->body, error_name(err), (int)p->invalid_param.len,
                 (const char *)p->invalid_param.data);
    assert_true(p->status >= 400 && p->title.len > 0);
    struct buf b = {0};
    assert_int_equal(t8_problem_encode(p, &b), OK);
    buf_free(&b);
}

/* Each row refused by decode(), and nothing left to release. */
#define ASSERT_REFUSED(rows, type, decode, release)                                                                    \
    for (size_t i_ = 0; i_ < sizeof(rows) / sizeof *(rows); i_++) {                                                    \
        struct type value_;                                                                                            \
        struct t8_problem p_ = {0};                                                                                    \
        enum error err_ = decode(bytes_of_str((rows)[i_].body), &value_, &p_);                                         \
        assert_blame(&(rows)[i_], err_, &p_);                                                                          \
        release(&value_);                                                                                              \
    }

#endif
