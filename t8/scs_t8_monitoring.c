/* Monitoring event API (TS 29.122 clause 5.3.3). */
#include "t8/scs_t8.h"

static enum error encode(const void *input, struct buf *body)
{
    return monitoring_subscription_encode(input, body);
}

static enum error encode_patch(const void *input, struct buf *body)
{
    return monitoring_patch_encode(input, body);
}

static enum error decode(struct bytes body, void *out)
{
    return monitoring_subscription_decode(body, out);
}

static void release(void *resource)
{
    monitoring_subscription_release(resource);
}

static const struct scs_t8_type subscription = {SCS_SHOWS_SUBSCRIPTION, offsetof(struct monitoring_subscription, self),
                                                decode, release};

/* A one-time request may be answered 200 with what it asked for, and a DELETE with the last reports: no resource then
 * (5.3.3.2.3.4, 5.3.3.3.3.5). Something with a link or a destination is a subscription all the same. */
static struct scs_meaning read_reports(struct scs_site *s, const struct scs_incoming *in)
{
    struct monitoring_subscription shown;
    struct monitoring_reports reports;
    struct t8_problem p;
    struct scs_result r;
    bool maybe = scs_t8_succeeded(in) && in->answer->body.len && in->answer->http_status != 201;
    if (maybe && monitoring_subscription_decode(in->answer->body, &shown) == OK) {
        maybe = shown.self.len == 0 && shown.notification_destination.len == 0;
        monitoring_subscription_release(&shown);
    }
    if (!maybe || monitoring_reports_decode(in->answer->body, &reports, &p) != OK)
        return scs_t8_read_one(s, in, &subscription);
    scs_t8_result(s, in, bytes_of(NULL, 0), &r);
    r.shows = SCS_SHOWS_REPORTS;
    r.reports = &reports;
    struct scs_meaning meaning = {r.http_status, r.cause};
    if (in->sink->result)
        in->sink->result(in->sink->ctx, in->ref, &r);
    monitoring_reports_release(&reports);
    return meaning;
}

#define ROW(name) [T8_SUBSCRIPTION_##name - T8_SUBSCRIPTION_LIST]
const struct scs_t8_row scs_t8_monitoring_rows[] = {
    ROW(LIST) = {.type = &subscription, .collection = true, .list = true},
    ROW(CREATE) = {.encode = encode, .read = read_reports, .collection = true},
    ROW(GET) = {.type = &subscription},
    ROW(PUT) = {.encode = encode, .type = &subscription},
    ROW(PATCH) = {.encode = encode_patch, .type = &subscription},
    ROW(DELETE) = {.read = read_reports},
};
