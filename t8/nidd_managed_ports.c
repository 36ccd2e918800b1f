/* ManagePortNotification, TS 29.122 clause 5.6.2.1.15. */
#include "t8/nidd_internal.h"

static const struct t8_field list[] = {
    T8_ROW("/niddConfiguration", TEXT, nidd_managed_ports, nidd_configuration, .rules = T8_MANDATORY),
    T8_ROW("/externalId", IDENTITY, nidd_managed_ports, id),
    T8_ROW_ARRAY("/managedPorts", nidd_managed_ports, ports, &nidd_managed_port_fields),
};
const struct t8_fields nidd_managed_ports_fields = T8_FIELDS(list, nidd_managed_ports);

enum error nidd_managed_ports_encode(const struct nidd_managed_ports *m, struct buf *out)
{
    return t8_fields_encode(&nidd_managed_ports_fields, m, out);
}
