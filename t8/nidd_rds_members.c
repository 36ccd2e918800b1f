/* What deliveries and uplinks tell of the Reliable Data Service: reliableDataService and rdsPort. */
#include "t8/nidd_internal.h"

struct rds {
    enum t8_flag reliable;
    struct t8_rds_port port;
};
static const struct t8_field list[] = {
    T8_ROW("/reliableDataService", FLAG, rds, reliable),
    T8_ROW("/rdsPort", OBJECT, rds, port, .of = &t8_rds_port_fields),
};
static const struct t8_fields fields = T8_FIELDS(list, rds);

enum error nidd_rds_read(const struct t8_json_object *o, enum t8_json_rule rule, enum t8_flag *reliable,
                         struct t8_rds_port *port, struct t8_problem *p)
{
    struct rds rds = {0};
    enum error err =
        t8_fields_read(&fields, rule == T8_JSON_STRICT ? T8_READ_REQUEST : T8_READ_NOTIFICATION, o, &rds, p);
    *reliable = rds.reliable;
    *port = rds.port;
    return err;
}

void nidd_rds_put(struct t8_json_writer *w, enum t8_flag reliable, const struct t8_rds_port *port)
{
    const struct rds rds = {.reliable = reliable, .port = *port};
    (void)!t8_fields_put(&fields, w, &rds); /* nothing of it is mandatory */
}
