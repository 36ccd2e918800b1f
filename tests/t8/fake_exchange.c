#include "tests/t8/fake_exchange.h"

#include <stdio.h>
#include <string.h>

const struct http_request *http_exchange_request(const struct http_exchange *x)
{
    return &x->request;
}

const char *http_exchange_query(const struct http_exchange *x, const char *name)
{
    for (size_t i = 0; i < 2; i++)
        if (x->query_name[i] && strcmp(x->query_name[i], name) == 0)
            return x->query_value[i];
    return NULL;
}

const char *http_exchange_header(const struct http_exchange *x, const char *name)
{
    return strcmp(name, "Accept") == 0 ? x->accept : NULL;
}

static void text_set(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text ? text : "");
}

void http_reply(struct http_exchange *x, const struct http_reply *r)
{
    x->replies++;
    x->status = r->status;
    x->retry_after_s = r->retry_after_s;
    text_set(x->content_type, sizeof x->content_type, r->content_type);
    text_set(x->location, sizeof x->location, r->location);
    text_set(x->allow, sizeof x->allow, r->allow);
    x->body_len = r->body.len;
    snprintf(x->body, sizeof x->body, "%.*s", (int)r->body.len, (const char *)r->body.data);
}
