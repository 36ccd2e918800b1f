/* What else a SCEF says to us: where it leads us, its lists of configurations, how busy it is; and a patch as a server
 * reads it. The input is a reference and a body, one after the other:
 *
 *   https://scef.example.net:8443/3gpp-nidd/v1/as1/configurations/c7\n[{"self":...}]
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "t8/nidd.h"
#include "t8/json_list.h"
#include "t8/nidd_configuration_patch.h"
#include "t8/overload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const allowed[] = {"other.example.net", "[2001:db8::1]:8443"};
static const struct t8_link_base base = {
    .origin = {(const uint8_t *)"https://scef.example.net:8443", 29},
    .api_path = {(const uint8_t *)"/3gpp-nidd/v1", 13},
    .allowed_hosts = allowed,
    .allowed_host_count = 2,
};

static void fail_unless(bool ok)
{
    if (!ok)
        abort();
}

/* Wherever a peer leads us: what may be requested is an absolute URL at a host that was named, never with less
 * security, and it is what it resolves to itself. */
static void check_redirect(struct bytes reference)
{
    struct buf url = {0};
    struct buf again = {0};
    if (t8_link_resolve(BYTES_LIT("https://scef.example.net:8443/3gpp-nidd/v1/as1/configurations"), reference, &url) &&
        t8_link_allowed(&base, buf_bytes(&url))) {
        fail_unless(url.len > 8 && strncasecmp((const char *)url.data, "https://", 8) == 0);
        fail_unless(t8_link_resolve(BYTES_LIT("http://elsewhere/x"), buf_bytes(&url), &again));
        fail_unless(bytes_equal(buf_bytes(&url), buf_bytes(&again)));
    }
    buf_free(&url);
    buf_free(&again);
}

static void check_list(struct bytes body)
{
    struct t8_list l;
    struct bytes element;
    size_t bytes = 0;
    for (t8_list_begin(&l, body); t8_list_next(&l, &element);) {
        struct nidd_configuration c;
        bytes += element.len;
        fail_unless(element.len > 0 && element.data >= body.data && element.data + element.len <= body.data + body.len);
        if (nidd_configuration_decode(element, &c) == OK)
            nidd_configuration_release(&c);
    }
    fail_unless(bytes <= body.len);
}

/* What was read can be written, and reads alike. */
static void check_patch(struct bytes body)
{
    struct nidd_configuration_patch a;
    struct nidd_configuration_patch b;
    struct t8_problem p = {0};
    struct buf out = {0};
    if (nidd_configuration_patch_decode(body, &a, &p) != OK)
        return;
    if (nidd_configuration_patch_encode(&a, &out) == OK && out.len > 0) {
        fail_unless(nidd_configuration_patch_decode(buf_bytes(&out), &b, &p) == OK);
        fail_unless(a.has_duration == b.has_duration && a.duration_ms == b.duration_ms);
        fail_unless(a.has_pdn_option == b.has_pdn_option && a.pdn_option == b.pdn_option);
        nidd_configuration_patch_release(&b);
    }
    nidd_configuration_patch_release(&a);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line = size ? memchr(data, '\n', size) : NULL;
    size_t end = line ? (size_t)(line - data) : size;
    struct bytes reference = bytes_of(data, end);
    struct bytes body = bytes_from(bytes_of(data, size), end + 1);
    struct overload o;

    check_redirect(reference);
    check_list(body);
    check_patch(body);
    overload_init(&o, 1);
    (void)overload_hear(&o, reference, 1800000000000);
    fail_unless(overload_metric(&o, 1800000000000) <= 100);
    return 0;
}
