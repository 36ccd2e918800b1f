/* RdsPort (TS 29.122 clause 5.6.2.1.8) and WebsockNotifConfig (5.2.1.2.10), which several types hold, and the words of
 * common.c in tables. */
#include "t8/json_fields.h"

static const struct t8_field rds_port[] = {
    T8_ROW("/portUE", PORT, t8_rds_port, ue, .rules = T8_MANDATORY),
    T8_ROW("/portSCEF", PORT, t8_rds_port, scef, .rules = T8_MANDATORY),
};
const struct t8_fields t8_rds_port_fields = T8_FIELDS(rds_port, t8_rds_port);

static const struct t8_field websocket[] = {
    T8_ROW("/websocketUri", TEXT, t8_websocket, uri),
    T8_ROW("/requestWebsocketUri", FLAG, t8_websocket, request_uri),
};
const struct t8_fields t8_websocket_fields = T8_FIELDS(websocket, t8_websocket);

static int delivery_status_parse(struct bytes word)
{
    return (int)t8_delivery_status_parse(word);
}

static const char *delivery_status_name(int value)
{
    return t8_delivery_status_name((enum t8_delivery_status)value);
}
const struct t8_words t8_delivery_status_words = {.parse = delivery_status_parse, .name = delivery_status_name};

static int pdn_option_parse(struct bytes word)
{
    return (int)t8_pdn_option_parse(word);
}

static const char *pdn_option_name(int value)
{
    return t8_pdn_option_name((enum t8_pdn_option)value);
}
const struct t8_words t8_pdn_option_words = {.parse = pdn_option_parse, .name = pdn_option_name};
