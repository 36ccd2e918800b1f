/* ManagePort, TS 29.122 clause 5.6.2.1.14, and the portId that names its ports. */
#include "t8/nidd_rds.h"

#include <stdio.h>
#include <string.h>

#include "t8/nidd_internal.h"

static const char *const entities[] = {
    [NIDD_MANAGE_UNSET] = "",
    [NIDD_MANAGE_UE] = "UE",
    [NIDD_MANAGE_AS] = "AS",
};
static const struct t8_words entity_words = T8_WORDS(entities);

static const char *const formats[] = {
    [NIDD_FORMAT_UNSET] = "",
    [NIDD_FORMAT_CBOR] = "CBOR",
    [NIDD_FORMAT_JSON] = "JSON",
    [NIDD_FORMAT_XML] = "XML",
};
const struct t8_words nidd_format_words = T8_WORDS(formats);

static const struct t8_field list[] = {
    T8_ROW("/self", TEXT, nidd_managed_port, self),
    T8_ROW("/appId", TEXT, nidd_managed_port, app_id, .rules = T8_MANDATORY),
    T8_ROW("/manageEntity", WORD, nidd_managed_port, manage_entity, .words = &entity_words),
    T8_ROW("/skipUeInquiry", FLAG, nidd_managed_port, skip_ue_inquiry),
    T8_ROW("/supportedFormats", WORD_SET, nidd_managed_port, supported_formats, .words = &nidd_format_words),
    T8_ROW("/configuredFormat", WORD, nidd_managed_port, configured_format, .words = &nidd_format_words),
};
const struct t8_fields nidd_managed_port_fields = T8_FIELDS(list, nidd_managed_port);

enum error nidd_managed_port_decode_request(struct bytes body, struct nidd_managed_port *out, struct t8_problem *p)
{
    return t8_fields_decode(&nidd_managed_port_fields, T8_READ_REQUEST, body, out, &out->doc, p);
}

enum error nidd_managed_port_decode(struct bytes body, struct nidd_managed_port *out)
{
    return t8_fields_decode(&nidd_managed_port_fields, T8_READ_ANSWER, body, out, &out->doc, NULL);
}

enum error nidd_managed_port_encode(const struct nidd_managed_port *m, struct buf *out)
{
    return t8_fields_encode(&nidd_managed_port_fields, m, out);
}

void nidd_managed_port_release(struct nidd_managed_port *m)
{
    t8_fields_release(&nidd_managed_port_fields, m, m->doc);
}

/* ---- portId: ^(ue([0-9]|(1[0-5]))-ef([0-9]|(1[0-5])))$ */

static bool take_port(struct bytes *text, struct bytes word, uint16_t *port)
{
    if (text->len <= word.len || memcmp(text->data, word.data, word.len) != 0)
        return false;
    *text = bytes_from(*text, word.len);
    size_t digits = 0;
    unsigned value = 0;
    while (digits < text->len && digits < 3 && text->data[digits] >= '0' && text->data[digits] <= '9')
        value = value * 10 + (unsigned)(text->data[digits++] - '0');
    if (digits == 0 || digits > 2 || (digits == 2 && value < 10) || value > 15)
        return false;
    *text = bytes_from(*text, digits);
    *port = (uint16_t)value;
    return true;
}

bool nidd_port_id_parse(struct bytes link, struct t8_rds_port *out)
{
    struct t8_rds_port port = {.present = true};
    const uint8_t *slash = link.len ? memrchr(link.data, '/', link.len) : NULL;
    if (slash)
        link = bytes_from(link, (size_t)(slash - link.data) + 1);
    if (!take_port(&link, BYTES_LIT("ue"), &port.ue) || !take_port(&link, BYTES_LIT("-ef"), &port.scef) || link.len)
        return false;
    *out = port;
    return true;
}

void nidd_port_id_format(struct t8_rds_port port, char out[16])
{
    snprintf(out, 16, "ue%u-ef%u", port.ue, port.scef);
}
