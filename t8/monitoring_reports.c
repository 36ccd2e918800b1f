/* MonitoringEventReports, TS 29.122 clause 5.3.2.3.10, and the other forms that reports are answered in. */
#include "t8/monitoring_internal.h"

static const struct t8_field list[] = {
    T8_ROW_ARRAY("/monitoringEventReports", monitoring_reports, reports, &monitoring_report_fields,
                 .rules = T8_MANDATORY),
};
static const struct t8_fields fields = T8_FIELDS(list, monitoring_reports);

enum error monitoring_reports_decode(struct bytes body, struct monitoring_reports *out, struct t8_problem *p)
{
    struct t8_json_object o;
    *out = (struct monitoring_reports){0};
    enum error err = t8_json_read_array_as(body, "monitoringEventReports", &o);
    if (err)
        return t8_json_blame(p, err, "", error_text(err));
    err = t8_fields_read(&fields, T8_READ_NOTIFICATION, &o, out, p);
    out->doc = t8_json_take(&o);
    if (err)
        monitoring_reports_release(out);
    return err;
}

enum error monitoring_reports_encode(const struct monitoring_reports *r, struct buf *out)
{
    return t8_fields_encode(&fields, r, out);
}

void monitoring_reports_release(struct monitoring_reports *r)
{
    t8_fields_release(&fields, r, r->doc);
}
