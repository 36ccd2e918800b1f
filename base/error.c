#include "base/error.h"

/* One row per error, straight from the table in the header. */
static const struct {
    const char *name;
    const char *text;
    const char *t8_cause;
    int http_status;
    int coap_code;
} rows[ERROR_COUNT] = {
#define X(name_, text_, http_, cause_, coap_) [name_] = {#name_, text_, cause_, http_, coap_},
    ERROR_TABLE(X)
#undef X
};

/* A number outside the table can only come from damaged memory or a missing case: told as our own failure. */
static enum error known(enum error e)
{
    return (unsigned)e < (unsigned)ERROR_COUNT ? e : ERR_SYSTEM;
}

const char *error_name(enum error e)
{
    return rows[known(e)].name;
}

const char *error_text(enum error e)
{
    return rows[known(e)].text;
}

int error_http_status(enum error e)
{
    return rows[known(e)].http_status;
}

const char *error_t8_cause(enum error e)
{
    return rows[known(e)].t8_cause;
}

int error_coap_code(enum error e)
{
    return rows[known(e)].coap_code;
}
