#include "nidd/route_pattern.h"

#include "nidd/internal.h"

void pattern_write_normal(struct bytes pattern, struct buf *out)
{
    bool domain = false;
    bool star = false;
    for (size_t i = 0; i < pattern.len; i++) {
        uint8_t c = pattern.data[i];
        star |= c == '*';
        if (c == '*')
            continue;
        if (star && c != '?') {
            buf_add_u8(out, '*');
            star = false;
        }
        buf_add_u8(out, domain && c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c);
        domain |= c == '@';
    }
    if (star)
        buf_add_u8(out, '*');
}

enum error pattern_write(struct bytes domain, struct bytes external_id, struct buf *out)
{
    if ((domain.len && external_id.len) || domain.len + 2 > ID_MAX_BYTES || external_id.len > ID_MAX_BYTES)
        return ERR_MEMBER_TYPE;
    struct buf text = {0};
    if (domain.len)
        buf_add_str(&text, "*@");
    buf_add(&text, domain.len ? domain : external_id);
    pattern_write_normal(buf_bytes(&text), out);
    out->failed |= text.failed;
    buf_free(&text);
    return out->failed ? ERR_NO_MEMORY : OK;
}

/* `text` may be a pattern itself: its '*' is met by a '*' only, its '?' by either wildcard. The last '*' takes one byte
 * more whenever what follows does not fit; those before it never have to. */
static bool covers(struct bytes pattern, struct bytes text, bool text_is_pattern)
{
    size_t p = 0;
    size_t t = 0;
    size_t star = SIZE_MAX;
    size_t star_took_to = 0;
    while (t < text.len) {
        uint8_t c = text.data[t];
        bool any = text_is_pattern && c == '*';
        if (p < pattern.len && pattern.data[p] == '*') {
            star = p++;
            star_took_to = t;
        } else if (p < pattern.len && !any && (pattern.data[p] == '?' || pattern.data[p] == c)) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++star_took_to;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.data[p] == '*')
        p++;
    return p == pattern.len;
}

bool pattern_matches(struct bytes pattern, struct bytes id)
{
    return covers(pattern, id, false);
}

bool pattern_contains(struct bytes outer, struct bytes inner)
{
    return covers(outer, inner, true);
}

static bool may_be_same(uint8_t a, uint8_t b)
{
    return a == b || a == '?' || b == '?';
}

/* From the ends backwards: row[j] tells whether what is left of `a` and b[j..] have a text in common. A '*' stands for
 * nothing more, or swallows one byte of the other. */
bool pattern_overlaps(struct bytes a, struct bytes b)
{
    bool row[ID_MAX_BYTES + 2] = {false};
    if (a.len > ID_MAX_BYTES || b.len > ID_MAX_BYTES)
        return true; /* none of ours: route.c refuses them */
    for (size_t i = a.len + 1; i-- > 0;) {
        bool diagonal = false; /* row[j + 1] of the row before */
        for (size_t j = b.len + 1; j-- > 0;) {
            bool below = row[j];
            bool right = j < b.len && row[j + 1];
            bool star_a = i < a.len && a.data[i] == '*';
            bool star_b = j < b.len && b.data[j] == '*';
            if (i == a.len && j == b.len)
                row[j] = true;
            else if (star_a || star_b)
                row[j] = (i < a.len && below) || right;
            else
                row[j] = i < a.len && j < b.len && may_be_same(a.data[i], b.data[j]) && diagonal;
            diagonal = below;
        }
    }
    return row[0];
}

struct shape {
    size_t shortest; /* text that matches */
    size_t literals;
    size_t stars;
};

static struct shape shape_of(struct bytes pattern)
{
    struct shape s = {0};
    for (size_t i = 0; i < pattern.len; i++) {
        s.stars += pattern.data[i] == '*';
        s.shortest += pattern.data[i] != '*';
        s.literals += pattern.data[i] != '*' && pattern.data[i] != '?';
    }
    return s;
}

int pattern_compare(struct bytes a, struct bytes b)
{
    struct shape x = shape_of(a);
    struct shape y = shape_of(b);
    if (x.shortest != y.shortest)
        return x.shortest > y.shortest ? -1 : 1;
    if (x.literals != y.literals)
        return x.literals > y.literals ? -1 : 1;
    return x.stars == y.stars ? 0 : x.stars < y.stars ? -1 : 1;
}
