#include "nidd/lwm2m_view.h"

#include <string.h>

bool lwm2m_is_register(const struct coap_view *v)
{
    return v->code == COAP_POST && coap_path_is(v, "rd/");
}

bool lwm2m_is_bootstrap_request(const struct coap_view *v)
{
    return (v->code == COAP_POST && coap_path_is(v, "bs/")) || (v->code == COAP_GET && coap_path_is(v, "bspack/"));
}

bool lwm2m_query(const struct coap_view *v, const char *name, unsigned after, struct bytes *value)
{
    struct coap_option_cursor c = {0};
    struct coap_option o;
    size_t len = strlen(name);
    while (coap_option_next(v, &c, &o) && o.number <= COAP_OPTION_URI_QUERY) {
        if (o.number != COAP_OPTION_URI_QUERY || o.value.len < len || memcmp(o.value.data, name, len) != 0)
            continue;
        if (o.value.len > len && o.value.data[len] != '=')
            continue;
        *value = bytes_from(o.value, len + 1);
        if (after-- == 0)
            return true;
    }
    return false;
}
