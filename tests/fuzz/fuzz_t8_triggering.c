/* Device triggering and RDS ports, both roles. The first byte chooses the decoder; what is accepted can be written and
 * read again, to the same. */
#include <stdlib.h>

#include "t8/nidd_notification.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void refused(const struct t8_problem *p)
{
    struct buf b = {0};
    if (p->status < 400 || t8_problem_encode(p, &b) != OK)
        abort();
    buf_free(&b);
}

static void request(struct bytes body)
{
    struct device_triggering t;
    struct device_triggering u;
    struct t8_problem p;
    struct buf b = {0};
    if (device_triggering_decode_request(body, &t, &p) != OK) {
        refused(&p);
        return;
    }
    enum error err = device_triggering_encode(&t, &b);
    if (t.priority == DEVICE_TRIGGERING_PRIORITY_OTHER ? err != ERR_MEMBER_MISSING : err != OK)
        abort();
    if (!err && b.len <= T8_MAX_BODY_BYTES) {
        if (device_triggering_decode_request(buf_bytes(&b), &u, &p) != OK ||
            !bytes_equal(t.payload.bytes, u.payload.bytes) || t.application_port != u.application_port ||
            t.features.bits != u.features.bits || t.priority != u.priority ||
            t.validity_period_s.value != u.validity_period_s.value)
            abort();
        device_triggering_release(&u);
    }
    device_triggering_release(&t);
    buf_free(&b);
}

static void answer(struct bytes body)
{
    struct device_triggering t;
    struct nidd_managed_port m;
    struct nidd_rds_failure f;
    struct t8_rds_port port;
    struct buf b = {0};
    if (device_triggering_decode(body, &t) == OK)
        device_triggering_release(&t);
    if (nidd_managed_port_decode(body, &m) == OK) {
        char text[16];
        if (nidd_port_id_parse(m.self, &port)) {
            nidd_port_id_format(port, text);
            struct t8_rds_port again;
            if (!nidd_port_id_parse(bytes_of_str(text), &again) || again.ue != port.ue || again.scef != port.scef)
                abort();
        }
        nidd_managed_port_release(&m);
    }
    nidd_rds_failure_decode(body, &f);
    if (nidd_rds_failure_encode(&f, &b) != OK)
        abort();
    nidd_rds_failure_release(&f);
    buf_free(&b);
}

static void patch(struct bytes body)
{
    struct device_triggering_patch t;
    struct nidd_downlink_patch d;
    struct t8_problem p;
    struct buf b = {0};
    if (device_triggering_patch_decode_request(body, &t, &p) != OK) {
        refused(&p);
    } else {
        if (device_triggering_patch_encode(&t, &b) != OK)
            abort();
        device_triggering_patch_release(&t);
    }
    if (nidd_downlink_patch_decode_request(body, &d, &p) != OK) {
        refused(&p);
    } else {
        if (nidd_downlink_patch_encode(&d, &b) != OK)
            abort();
        nidd_downlink_patch_release(&d);
    }
    buf_free(&b);
}

static void port(struct bytes body)
{
    struct nidd_managed_port m;
    struct t8_problem p;
    struct buf b = {0};
    if (nidd_managed_port_decode_request(body, &m, &p) != OK) {
        refused(&p);
        return;
    }
    if (nidd_managed_port_encode(&m, &b) != OK)
        abort();
    nidd_managed_port_release(&m);
    buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct bytes body = bytes_of(data + 1, size - 1);
    if (data[0] == 'r')
        request(body);
    else if (data[0] == 'a')
        answer(body);
    else if (data[0] == 'p')
        patch(body);
    else if (data[0] == 'm')
        port(body);
    return 0;
}
