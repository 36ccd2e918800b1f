/* NIDD API (TS 29.122 clause 5.6.3). */
#include "t8/scs_t8.h"

#include <string.h>

#include "t8/json_list.h"

/* ---- configurations */

static enum error encode_configuration(const void *input, struct buf *body)
{
    return nidd_configuration_encode(input, body);
}

static enum error encode_configuration_patch(const void *input, struct buf *body)
{
    return nidd_configuration_patch_encode(input, body);
}

static struct scs_meaning read_configuration(struct scs_site *s, const struct scs_incoming *in)
{
    struct nidd_configuration_result r = {0};
    if (in->answer)
        nidd_configuration_result_read(in->answer, &s->link, &r);
    struct bytes moved = in->operation == T8_CONFIGURATION_CREATE ? bytes_of(NULL, 0) /* the collection has */
                                                                  : scs_t8_moved(s, in->operation, in->moved);
    if (moved.len && scs_t8_succeeded(in))
        r.link = moved;
    struct scs_meaning meaning = {r.http_status, r.cause};
    if (in->sink->configuration_result)
        in->sink->configuration_result(in->sink->ctx, in->ref, &r);
    return meaning;
}

/* An entry without an identity and a link is of no use. Twenty million empty ones, which a list has room for, would
 * otherwise hold up the loop for seconds. */
#define SHORTEST_CONFIGURATION (sizeof "{\"self\":\"/\",\"msisdn\":\"1\"}" - 1)

static void each_configuration(struct scs_site *s, const struct scs_incoming *in)
{
    struct t8_list list;
    struct nidd_configuration configuration;
    struct t8_answer one = *in->answer;
    one.location = bytes_of(NULL, 0); /* of the list, if anything */
    t8_list_begin(&list, in->answer->body);
    while (t8_list_next(&list, &one.body)) {
        if (one.body.len < SHORTEST_CONFIGURATION || nidd_configuration_decode(one.body, &configuration) != OK)
            continue;
        struct nidd_configuration_found found = {.id = configuration.id};
        nidd_configuration_result_of(&one, &configuration, &s->link, &found.result);
        in->sink->configuration_found(in->sink->ctx, in->ref, &found);
        nidd_configuration_release(&configuration);
    }
}

static struct scs_meaning read_configurations(struct scs_site *s, const struct scs_incoming *in)
{
    struct nidd_configuration_result r = {0};
    if (scs_t8_succeeded(in)) {
        r.http_status = in->answer->http_status;
        if (in->sink->configuration_found)
            each_configuration(s, in);
    } else if (in->answer) {
        nidd_configuration_result_read(in->answer, &s->link, &r);
    }
    struct scs_meaning meaning = {r.http_status, r.cause};
    if (in->sink->configuration_listed)
        in->sink->configuration_listed(in->sink->ctx, in->ref, &r);
    return meaning;
}

/* ---- deliveries */

static enum error encode_delivery(const void *input, struct buf *body)
{
    return nidd_downlink_encode(input, body);
}

static enum error encode_delivery_patch(const void *input, struct buf *body)
{
    return nidd_downlink_patch_encode(input, body);
}

static enum error decode_delivery(struct bytes body, void *out)
{
    return nidd_downlink_decode(body, out);
}

static void release_delivery(void *resource)
{
    nidd_downlink_release(resource);
}

static const struct scs_t8_type delivery = {SCS_SHOWS_DELIVERY, offsetof(struct nidd_downlink, self), decode_delivery,
                                            release_delivery};

static struct scs_meaning read_submission(struct scs_site *s, const struct scs_incoming *in)
{
    struct nidd_submit_result r = {.outcome = NIDD_SUBMIT_NO_ANSWER, .not_sent = in->err == ERR_UNREACHABLE};
    if (in->answer)
        nidd_submit_result_read(in->answer, &s->link, &r);
    const size_t suffix = sizeof SCS_T8_DELIVERIES - 1;
    struct bytes moved = in->moved;
    if (moved.len > suffix && memcmp(moved.data + moved.len - suffix, SCS_T8_DELIVERIES, suffix) == 0)
        r.configuration_link = scs_t8_moved(s, in->operation, bytes_of(moved.data, moved.len - suffix));
    struct scs_meaning meaning = {r.http_status, r.cause};
    if (in->sink->submit_result)
        in->sink->submit_result(in->sink->ctx, in->ref, &r);
    return meaning;
}

/* ---- ports of the Reliable Data Service */

static enum error encode_port(const void *input, struct buf *body)
{
    return nidd_managed_port_encode(input, body);
}

static enum error decode_port(struct bytes body, void *out)
{
    return nidd_managed_port_decode(body, out);
}

static void release_port(void *resource)
{
    nidd_managed_port_release(resource);
}

static const struct scs_t8_type port = {SCS_SHOWS_PORT, offsetof(struct nidd_managed_port, self), decode_port,
                                        release_port};

const struct scs_t8_row scs_t8_nidd_rows[] = {
    [T8_CONFIGURATION_LIST] = {.read = read_configurations, .collection = true, .list = true},
    [T8_CONFIGURATION_CREATE] = {.encode = encode_configuration, .read = read_configuration, .collection = true},
    [T8_CONFIGURATION_GET] = {.read = read_configuration},
    [T8_CONFIGURATION_PATCH] = {.encode = encode_configuration_patch, .read = read_configuration},
    [T8_CONFIGURATION_DELETE] = {.read = read_configuration},
    [T8_DELIVERY_LIST] = {.below = SCS_T8_DELIVERIES, .type = &delivery, .list = true},
    [T8_DELIVERY_CREATE] = {.below = SCS_T8_DELIVERIES, .encode = encode_delivery, .read = read_submission},
    [T8_DELIVERY_GET] = {.type = &delivery},
    [T8_DELIVERY_PUT] = {.encode = encode_delivery, .type = &delivery},
    [T8_DELIVERY_PATCH] = {.encode = encode_delivery_patch, .type = &delivery},
    [T8_DELIVERY_DELETE] = {.type = &delivery},
    [T8_PORT_LIST] = {.below = SCS_T8_PORTS, .type = &port, .list = true},
    [T8_PORT_GET] = {.below = SCS_T8_PORTS, .type = &port},
    [T8_PORT_PUT] = {.below = SCS_T8_PORTS, .encode = encode_port, .type = &port},
    [T8_PORT_DELETE] = {.below = SCS_T8_PORTS, .type = &port},
};
