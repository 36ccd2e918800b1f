#include "t8/json_list.h"

#include "t8/json_internal.h"

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void skip_blanks(struct bytes *b)
{
    while (b->len && is_blank(b->data[0]))
        *b = bytes_from(*b, 1);
}

void t8_list_begin(struct t8_list *l, struct bytes body)
{
    body = t8_json_without_mark(body);
    skip_blanks(&body);
    l->array = body.len && body.data[0] == '[';
    if (l->array)
        body = bytes_from(body, 1);
    else if (body.len && body.data[0] != '{')
        body = bytes_of(NULL, 0);
    l->rest = body;
}

/* How long the value at the beginning is: up to the bracket that closes it, or to what ends a bare word; 0: it is cut
 * off. What is inside is the decoder's to judge. */
static size_t value_len(struct bytes b)
{
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < b.len; i++) {
        uint8_t c = b.data[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            depth++;
        } else if (depth > 0 && (c == '}' || c == ']')) {
            depth--;
            if (depth == 0)
                return i + 1;
        } else if (depth == 0 && (c == ',' || c == ']' || c == '}')) {
            return i;
        }
    }
    return 0;
}

bool t8_list_next(struct t8_list *l, struct bytes *element)
{
    for (;;) {
        while (l->rest.len && (is_blank(l->rest.data[0]) || (l->array && l->rest.data[0] == ',')))
            l->rest = bytes_from(l->rest, 1);
        size_t len = l->rest.len ? value_len(l->rest) : 0;
        if (len == 0)
            return false; /* the closing bracket, the end, or an element without one */
        bool object = l->rest.data[0] == '{';
        *element = bytes_of(l->rest.data, len);
        l->rest = l->array ? bytes_from(l->rest, len) : bytes_of(NULL, 0);
        if (object)
            return true;
    }
}
