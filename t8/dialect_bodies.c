/* Bodies of a SCEF whose members are not quite those of TS 29.122: the usual writers, told the dialect. */
#include "t8/dialect.h"
#include "t8/nidd_internal.h"

static enum error finish(struct t8_json_writer *w, size_t start, enum error err)
{
    enum error finished = t8_json_finish(w, start);
    if (err)
        w->out->len = start;
    return err ? err : finished;
}

enum error t8_dialect_downlink(const struct t8_dialect *d, const struct nidd_downlink *in, struct buf *out)
{
    size_t start = out->len;
    struct t8_json_writer w;
    t8_json_open(&w, out);
    w.dialect = d;
    return finish(&w, start, nidd_downlink_put(&w, in));
}

enum error t8_dialect_configuration(const struct t8_dialect *d, const struct nidd_configuration *in, struct buf *out)
{
    size_t start = out->len;
    struct t8_json_writer w;
    t8_json_open(&w, out);
    w.dialect = d;
    return finish(&w, start, nidd_configuration_put(&w, in));
}

enum error t8_dialect_uplink(const struct t8_dialect *d, const struct nidd_uplink *in, struct buf *out)
{
    size_t start = out->len;
    struct t8_json_writer w;
    t8_json_open(&w, out);
    w.dialect = d;
    return finish(&w, start, nidd_uplink_put(&w, in));
}
