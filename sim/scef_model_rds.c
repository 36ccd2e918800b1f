#include "sim/scef_model_internal.h"

#include <stdlib.h>

/* Ports of the Reliable Data Service (TS 23.682 clause 4.5.14.3, TS 29.122 clause 4.4.5.6): they say which of several
 * ASs gets MO data, and can be reserved by the AS and by the UE.
 *
 *   PUT -> ASKED -> (the UE grants it) -> RESERVED -> DELETE -> RELEASING -> gone
 *   with skipUeInquiry, or when the UE does it: RESERVED and gone at once */

static struct managed_port *port_find(const struct configuration *c, struct t8_rds_port port)
{
    LIST_EACH (it, &c->ports) {
        struct managed_port *p = LIST_ENTRY(it, struct managed_port, node);
        if (p->port.ue == port.ue && p->port.scef == port.scef)
            return p;
    }
    return NULL;
}

static bool port_static(const struct configuration *c, struct t8_rds_port port)
{
    for (size_t i = 0; i < c->rds_ports_count; i++)
        if (c->rds_ports[i].ue == port.ue && c->rds_ports[i].scef == port.scef)
            return true;
    return false;
}

bool scef_port_known(const struct configuration *c, struct t8_rds_port port)
{
    const struct managed_port *p = port_find(c, port);
    return port_static(c, port) || (p != NULL && p->state != PORT_ASKED);
}

/* ---- who gets MO data */

enum recipient { KNOWS_PORTS, HAS_NO_PORTS, KNOWS_OTHERS, RECIPIENT_KINDS };

static enum recipient recipient_of(const struct configuration *c, struct t8_rds_port port)
{
    if (scef_port_known(c, port))
        return KNOWS_PORTS;
    return c->rds_ports_count == 0 && list_empty(&c->ports) ? HAS_NO_PORTS : KNOWS_OTHERS;
}

struct uplink {
    struct scef_model *m;
    struct subscriber *s;
    struct bytes data;
    struct t8_rds_port port;
    bool reliable;
};

static void uplink_tell(const struct uplink *u, const struct configuration *c, enum recipient as)
{
    if (as != KNOWS_OTHERS)
        scef_notify_uplink(u->m, c, u->s, u->data, u->port, u->reliable);
    else if (scef_has(c, NIDD_FEATURE_RDS_PORT_CHECK))
        scef_notify_configuration_status(u->m, c, u->s, T8_NIDD_RDS_PORT_UNKNOWN, T8_FLAG_UNSET, u->port);
}

static unsigned uplink_tell_all(const struct uplink *u, const struct list *configurations, enum recipient as)
{
    unsigned count = 0;
    LIST_EACH (it, configurations) {
        const struct configuration *c = LIST_ENTRY(it, struct configuration, of_owner);
        if (u->port.present && recipient_of(c, u->port) != as)
            continue;
        uplink_tell(u, c, as);
        count++;
    }
    return count;
}

unsigned scef_uplink_notify(struct scef_model *m, struct subscriber *s, struct bytes data, struct t8_rds_port port,
                            bool reliable)
{
    struct uplink u = {m, s, data, port, reliable};
    unsigned count = 0;
    /* Who has these ports; else who uses RDS without ports; else those who have others learn of it. */
    for (unsigned as = KNOWS_PORTS; as < RECIPIENT_KINDS && count == 0; as++) {
        count = uplink_tell_all(&u, &s->configurations, as);
        for (size_t i = 0; i < s->groups_count; i++)
            count += uplink_tell_all(&u, &s->groups[i]->configurations, as);
        if (as == KNOWS_OTHERS || !port.present)
            return as == KNOWS_OTHERS ? 0 : count;
    }
    return count;
}

/* ---- dynamic ports as objects */

static void port_free(struct scef_model *m, struct managed_port *p)
{
    timer_stop(&m->wheel, &p->timer);
    list_remove(&p->node);
    free(p->app_id);
    free(p->self);
    free(p);
}

void scef_ports_free(struct scef_model *m, struct configuration *c)
{
    LIST_EACH_SAFE (it, &c->ports)
        port_free(m, LIST_ENTRY(it, struct managed_port, node));
}

static struct managed_port *port_new(struct configuration *c, struct t8_rds_port port, struct bytes app_id)
{
    char id[16];
    struct buf self = {0};
    struct managed_port *p = calloc(1, sizeof *p);
    nidd_port_id_format(port, id);
    buf_addf(&self, "%s/rds-ports/%s", c->self, id);
    buf_add_u8(&self, 0);
    if (p != NULL)
        p->app_id = bytes_dup_str(app_id);
    if (p == NULL || p->app_id == NULL || self.failed) {
        buf_free(&self);
        if (p != NULL)
            free(p->app_id);
        free(p);
        return NULL;
    }
    p->self = (char *)self.data;
    p->configuration = c;
    p->port = port;
    timer_init(&p->timer, TIMER_PORT);
    list_push_back(&c->ports, &p->node);
    return p;
}

/* The first that both have: the sets are bits in the order of the formats. */
static enum nidd_format format_of(unsigned as_formats, unsigned ue_formats)
{
    for (enum nidd_format f = NIDD_FORMAT_CBOR; f <= NIDD_FORMAT_XML; f++)
        if ((as_formats & ue_formats & NIDD_FORMAT_BIT(f)) != 0)
            return f;
    return NIDD_FORMAT_UNSET;
}

static unsigned formats_of(const struct subscriber *s)
{
    return s->formats &
           (NIDD_FORMAT_BIT(NIDD_FORMAT_CBOR) | NIDD_FORMAT_BIT(NIDD_FORMAT_JSON) | NIDD_FORMAT_BIT(NIDD_FORMAT_XML));
}

static void port_show(const struct managed_port *p, struct nidd_managed_port *out)
{
    *out = (struct nidd_managed_port){
        .self = bytes_of_str(p->self),
        .app_id = bytes_of_str(p->app_id),
        .manage_entity = p->by_ue ? NIDD_MANAGE_UE : NIDD_MANAGE_AS,
        .skip_ue_inquiry = p->skip_ue_inquiry,
        .supported_formats = p->supported_formats,
        .configured_format = p->format,
    };
}

/* Tells the AS all ports that are reserved now. */
static void ports_notify(struct scef_model *m, const struct configuration *c)
{
    struct buf body = {0};
    struct nidd_managed_ports told = {.nidd_configuration = bytes_of_str(c->self),
                                      .id = scef_told_identity(c, c->subscriber)};
    size_t count = 0;
    LIST_EACH (it, &c->ports)
        count++;
    told.ports = calloc(count + 1, sizeof *told.ports);
    enum error err = told.ports == NULL ? ERR_NO_MEMORY : OK;
    LIST_EACH (it, &c->ports) {
        const struct managed_port *p = LIST_ENTRY(it, struct managed_port, node);
        if (err == OK && p->state != PORT_ASKED)
            port_show(p, &told.ports[told.ports_count++]);
    }
    if (err == OK)
        err = nidd_managed_ports_encode(&told, &body);
    scef_notify_body(m, c, &told.id, SCEF_NOTIFY_MANAGED_PORTS, &body, err);
    free(told.ports);
}

/* ---- what the AS asks for */

/* The configuration that has rds-ports; NULL: there are no such resources. */
static struct configuration *with_ports(const struct scef_model *m, struct bytes scs_as_id,
                                        struct bytes configuration_id)
{
    struct configuration *c = scef_configuration_find(m, scs_as_id, configuration_id);
    return c != NULL && c->group == NULL && scef_has(c, NIDD_FEATURE_RDS_DYNAMIC_PORTS) ? c : NULL;
}

struct scef_answer scef_port_get(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                                 struct bytes configuration_id, struct t8_rds_port port, struct nidd_managed_port *out)
{
    scef_now(m, now_ms);
    const struct configuration *c = with_ports(m, scs_as_id, configuration_id);
    const struct managed_port *p = c != NULL ? port_find(c, port) : NULL;
    if (c == NULL)
        return scef_status(404, T8_CAUSE_NONE);
    if (p == NULL || p->state == PORT_ASKED)
        return scef_status(404, T8_CAUSE_PORT_NOT_ASSOC_WITH_APP);
    port_show(p, out);
    return scef_status(200, T8_CAUSE_NONE);
}

bool scef_port_next(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id, struct bytes configuration_id,
                    uint64_t *cursor, struct nidd_managed_port *out)
{
    uint64_t at = 0;
    scef_now(m, now_ms);
    const struct configuration *c = with_ports(m, scs_as_id, configuration_id);
    if (c == NULL)
        return false;
    LIST_EACH (it, &c->ports) {
        const struct managed_port *p = LIST_ENTRY(it, struct managed_port, node);
        if (p->state == PORT_ASKED || at++ < *cursor)
            continue;
        *cursor = at;
        port_show(p, out);
        return true;
    }
    return false;
}

/* Is the SCEF's port in use by anybody? There is one APN here. */
static bool scef_port_used(const struct scef_model *m, uint16_t scef_port)
{
    size_t cursor = 0;
    for (const struct configuration *c; (c = map_next(&m->configurations, &cursor)) != NULL;) {
        for (size_t i = 0; i < c->rds_ports_count; i++)
            if (c->rds_ports[i].scef == scef_port)
                return true;
        LIST_EACH (it, &c->ports)
            if (LIST_ENTRY(it, struct managed_port, node)->port.scef == scef_port)
                return true;
    }
    return false;
}

/* Has the UE given its port to another application? */
static bool ue_port_used(const struct subscriber *s, const struct configuration *than, uint16_t ue_port)
{
    if ((s->rds_ports_used >> ue_port & 1) != 0)
        return true;
    LIST_EACH (it, &s->configurations) {
        const struct configuration *c = LIST_ENTRY(it, struct configuration, of_owner);
        for (size_t i = 0; c != than && i < c->rds_ports_count; i++)
            if (c->rds_ports[i].ue == ue_port)
                return true;
        if (c != than)
            LIST_EACH (port, &c->ports)
                if (LIST_ENTRY(port, struct managed_port, node)->port.ue == ue_port)
                    return true;
    }
    return false;
}

/* Can the UE be asked? Status 0: yes. */
static struct scef_answer inquiry_refused(const struct scef_model *m, const struct subscriber *s)
{
    struct scef_answer a = scef_status(0, T8_CAUSE_NONE);
    if (!s->ue.profile.pdn_connected) {
        a = scef_status(500, T8_CAUSE_NO_PDN_CONNECTION);
    } else if (!scef_reachable(m, s)) {
        a = scef_status(500, T8_CAUSE_TEMPORARILY_NOT_REACHABLE);
        a.retransmission_ms = scef_retransmission_ms(m, s);
    }
    return a;
}

static struct scef_answer put_refused(const struct scef_model *m, const struct configuration *c,
                                      struct t8_rds_port port, bool skip, unsigned formats)
{
    if (port.ue > 15 || port.scef > 15)
        return scef_status(404, T8_CAUSE_NONE);
    if (port_find(c, port) != NULL || port_static(c, port) || (skip && scef_port_used(m, port.scef)))
        return scef_status(403, T8_CAUSE_PORT_NOT_FREE);
    if (formats != 0 && format_of(formats, c->subscriber->formats) == NIDD_FORMAT_UNSET) {
        struct scef_answer a = scef_status(500, T8_CAUSE_SERIALIZATION_FORMAT_NOT_SUPPORTED);
        a.supported_ue_formats = formats_of(c->subscriber);
        return a;
    }
    return skip ? scef_status(0, T8_CAUSE_NONE) : inquiry_refused(m, c->subscriber);
}

/* Asks the UE; what it says is known when the timer fires. An answer that the radio loses is none. */
static void port_ask(struct scef_model *m, struct managed_port *p, bool granted)
{
    uint64_t at_ms;
    struct subscriber *s = p->configuration->subscriber;
    p->granted = scef_radio_ask(m, s, &at_ms) && granted;
    timer_start(&m->wheel, &p->timer, at_ms);
    scef_activity(m, s);
}

struct scef_answer scef_port_put(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                                 struct bytes configuration_id, struct t8_rds_port port,
                                 const struct nidd_managed_port *wanted, struct nidd_managed_port *out)
{
    scef_now(m, now_ms);
    struct configuration *c = with_ports(m, scs_as_id, configuration_id);
    if (c == NULL)
        return scef_status(404, T8_CAUSE_NONE);
    bool skip = wanted->skip_ue_inquiry == T8_FLAG_TRUE;
    unsigned formats = scef_has(c, NIDD_FEATURE_SERIALIZATION_FORMAT) ? wanted->supported_formats : 0;
    struct scef_answer refused = put_refused(m, c, port, skip, formats);
    if (refused.http_status != 0)
        return refused;
    struct managed_port *p = port_new(c, port, wanted->app_id);
    if (p == NULL)
        return scef_status(503, T8_CAUSE_NONE);
    p->skip_ue_inquiry = wanted->skip_ue_inquiry;
    p->supported_formats = formats;
    p->format = format_of(formats, c->subscriber->formats);
    if (!skip) {
        port_ask(m, p, c->subscriber->rds && !ue_port_used(c->subscriber, c, port.ue));
        return scef_status(202, T8_CAUSE_NONE);
    }
    p->state = PORT_RESERVED;
    port_show(p, out);
    return scef_status(201, T8_CAUSE_NONE);
}

struct scef_answer scef_port_delete(struct scef_model *m, uint64_t now_ms, struct bytes scs_as_id,
                                    struct bytes configuration_id, struct t8_rds_port port)
{
    scef_now(m, now_ms);
    const struct configuration *c = with_ports(m, scs_as_id, configuration_id);
    struct managed_port *p = c != NULL ? port_find(c, port) : NULL;
    if (c == NULL)
        return scef_status(404, T8_CAUSE_NONE);
    if (p == NULL || p->state == PORT_ASKED)
        return scef_status(404, T8_CAUSE_PORT_NOT_ASSOC_WITH_APP);
    if (p->by_ue)
        return scef_status(403, T8_CAUSE_OPERATION_PROHIBITED);
    if (p->skip_ue_inquiry == T8_FLAG_TRUE) {
        port_free(m, p);
        return scef_status(204, T8_CAUSE_NONE);
    }
    struct scef_answer refused = inquiry_refused(m, c->subscriber);
    if (refused.http_status != 0)
        return refused;
    if (p->state == PORT_RESERVED) {
        p->state = PORT_RELEASING;
        port_ask(m, p, true);
    }
    return scef_status(202, T8_CAUSE_NONE);
}

void scef_port_timer(struct scef_model *m, struct managed_port *p)
{
    const struct configuration *c = p->configuration;
    bool stays = p->granted == (p->state == PORT_ASKED);
    if (stays)
        p->state = PORT_RESERVED;
    else
        port_free(m, p);
    ports_notify(m, c);
}

/* ---- what the UE does */

bool scef_ue_port(struct scef_model *m, uint64_t now_ms, uint32_t ue, struct bytes scs_as_id, struct t8_rds_port port,
                  const char *app_id, unsigned formats)
{
    const struct subscriber *s = scef_subscriber_at(m, ue);
    scef_now(m, now_ms);
    struct configuration *c = s != NULL && scef_reachable(m, s) ? scef_configuration_for(s, scs_as_id) : NULL;
    if (c == NULL || c->group != NULL || !scef_has(c, NIDD_FEATURE_RDS_DYNAMIC_PORTS) || port.ue > 15 || port.scef > 15)
        return false;
    struct managed_port *p = port_find(c, port);
    if (app_id == NULL && p != NULL && p->state == PORT_RESERVED) {
        port_free(m, p);
    } else if (app_id != NULL && p == NULL && !port_static(c, port) &&
               (p = port_new(c, port, bytes_of_str(app_id))) != NULL) {
        p->state = PORT_RESERVED;
        p->by_ue = true;
        if (scef_has(c, NIDD_FEATURE_SERIALIZATION_FORMAT)) {
            p->supported_formats = formats;
            p->format = format_of(formats, ~0u);
        }
    } else {
        return false;
    }
    ports_notify(m, c);
    return true;
}
