#include "nidd/coap_path.h"

#include "nidd/coap_view.h"

static void write_segment(struct bytes value, char before, char out[COAP_PATH_TEXT_MAX], size_t *len)
{
    if (*len < COAP_PATH_TEXT_MAX)
        out[(*len)++] = before;
    for (size_t i = 0; i < value.len && *len < COAP_PATH_TEXT_MAX; i++)
        out[(*len)++] = value.data[i] >= ' ' && value.data[i] < 0x7f ? (char)value.data[i] : '?';
}

struct bytes coap_path_text(struct bytes message, char out[COAP_PATH_TEXT_MAX])
{
    struct coap_view v;
    struct coap_option o;
    struct coap_option_cursor c = {0};
    size_t len = 0;
    bool first = true;
    if (coap_view_parse(message, &v) != OK || !coap_is_request(&v) || coap_option_find(&v, COAP_OPTION_OSCORE, &o))
        return (struct bytes){0};
    while (coap_option_next(&v, &c, &o)) {
        if (o.number == COAP_OPTION_URI_PATH) {
            write_segment(o.value, '/', out, &len);
        } else if (o.number == COAP_OPTION_URI_QUERY) {
            write_segment(o.value, first ? '?' : '&', out, &len);
            first = false;
        }
    }
    return bytes_of(out, len);
}
