/* What an AS sends to the simulated SCEF. The first byte chooses the decoder; what is accepted can be written and read
 * again. */
#include <stdlib.h>

#include "t8/nidd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void configuration(struct bytes body)
{
    struct nidd_configuration c;
    struct nidd_configuration d;
    struct t8_problem p;
    struct buf b = {0};
    if (nidd_configuration_decode_request(body, &c, &p) != OK) {
        if (p.status < 400 || t8_problem_encode(&p, &b) != OK)
            abort();
        buf_free(&b);
        return;
    }
    if (nidd_configuration_encode(&c, &b) != OK)
        abort();
    if (b.len <= T8_MAX_BODY_BYTES) {
        if (nidd_configuration_decode_request(buf_bytes(&b), &d, &p) != OK)
            abort();
        if (!bytes_equal(c.id.external_id, d.id.external_id) || !bytes_equal(c.id.msisdn, d.id.msisdn) ||
            !bytes_equal(c.notification_destination, d.notification_destination) || c.pdn_option != d.pdn_option ||
            c.supported_features != d.supported_features)
            abort();
        nidd_configuration_release(&d);
    }
    nidd_configuration_release(&c);
    buf_free(&b);
}

static void downlink(struct bytes body)
{
    struct nidd_downlink c;
    struct nidd_downlink d;
    struct t8_problem p;
    struct buf b = {0};
    if (nidd_downlink_decode_request(body, &c, &p) != OK) {
        if (p.status < 400 || nidd_delivery_failure_encode(&p, 0, &b) != OK)
            abort();
        buf_free(&b);
        return;
    }
    if (nidd_downlink_encode(&c, &b) != OK)
        abort();
    if (b.len <= T8_MAX_BODY_BYTES) {
        if (nidd_downlink_decode_request(buf_bytes(&b), &d, &p) != OK)
            abort();
        if (!bytes_equal(c.data, d.data) || c.has_maximum_latency != d.has_maximum_latency ||
            c.maximum_latency_s != d.maximum_latency_s || c.priority != d.priority)
            abort();
        nidd_downlink_release(&d);
    }
    nidd_downlink_release(&c);
    buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct bytes body = bytes_of(data + 1, size - 1);
    if (data[0] == 'c')
        configuration(body);
    else if (data[0] == 'd')
        downlink(body);
    return 0;
}
