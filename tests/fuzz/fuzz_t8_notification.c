/* What the SCEF posts to us. Also: the two ways of reading JSON must agree, and what was read can be written and read
 * again. */
#include <stdlib.h>
#include <string.h>

#include "t8/json_internal.h"
#include "t8/nidd_notification.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void readers_agree(struct bytes body)
{
    struct t8_json_object flat;
    struct t8_json_object full;
    if (!t8_json_read_flat(body, &flat))
        return;
    enum error err = t8_json_read_by_jansson(body, &full);
    if (err == ERR_TOO_LARGE)
        return;
    if (err)
        abort();
    for (size_t i = 0; i < flat.count; i++) {
        char name[256];
        if (flat.members[i].key.len >= sizeof name)
            continue;
        memcpy(name, flat.members[i].key.data, flat.members[i].key.len);
        name[flat.members[i].key.len] = '\0';
        struct t8_json_value x = t8_json_get(&flat, name);
        struct t8_json_value y = t8_json_get(&full, name);
        if (x.type != y.type || x.number != y.number || !bytes_equal(x.text, y.text))
            abort();
    }
    t8_doc_free(t8_json_take(&full));
}

static void uplink_again(const struct nidd_uplink *u)
{
    struct buf b = {0};
    struct nidd_notification n;
    struct t8_problem p;
    if (nidd_uplink_encode(u, &b) != OK || nidd_notification_decode(buf_bytes(&b), &n, &p) != OK)
        abort();
    const struct nidd_uplink *v = &n.uplink;
    if (n.kind != NIDD_NOTIFICATION_UPLINK || !bytes_equal(u->data, v->data) ||
        !bytes_equal(u->nidd_configuration, v->nidd_configuration) ||
        !bytes_equal(u->id.external_id, v->id.external_id))
        abort();
    nidd_notification_release(&n);
    buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes body = bytes_of(data, size);
    struct nidd_notification n;
    struct t8_problem p;
    struct buf again = {0};
    readers_agree(body);
    if (nidd_notification_decode(body, &n, &p) != OK) {
        struct buf b = {0};
        if (p.status < 400 || t8_problem_encode(&p, &b) != OK)
            abort();
        buf_free(&b);
        return 0;
    }
    switch (n.kind) {
    case NIDD_NOTIFICATION_UPLINK:
        if (size < T8_MAX_BODY_BYTES / 8) /* escaping makes it longer */
            uplink_again(&n.uplink);
        (void)t8_link_tail(n.uplink.nidd_configuration);
        break;
    case NIDD_NOTIFICATION_DELIVERY_STATUS:
        (void)t8_link_tail(n.delivery_status.nidd_downlink_data_transfer);
        break;
    case NIDD_NOTIFICATION_GROUP_RESULT:
        (void)!nidd_group_result_encode(&n.group_result, &again); /* old ones have no identities */
        break;
    case NIDD_NOTIFICATION_MANAGED_PORTS:
        for (size_t i = 0; i < n.managed_ports.ports_count; i++)
            (void)nidd_port_id_parse(n.managed_ports.ports[i].self, &(struct t8_rds_port){0});
        if (nidd_managed_ports_encode(&n.managed_ports, &again) != OK)
            abort();
        break;
    case NIDD_NOTIFICATION_CONFIGURATION_TRIGGER:
        if (nidd_configuration_trigger_encode(&n.configuration_trigger, &again) != OK &&
            n.configuration_trigger.id.external_id.len + n.configuration_trigger.id.msisdn.len > 0)
            abort();
        break;
    default:
        break;
    }
    buf_free(&again);
    nidd_notification_release(&n);
    return 0;
}
