#include "sim/scef_resource.h"

#include "t8/nidd_notification.h"

#include <stdlib.h>
#include <string.h>

/* A NUL-terminated text that the caller frees, or NULL. */
static char *text_take(struct buf *b)
{
    buf_add_u8(b, 0);
    if (b->failed) {
        buf_free(b);
        return NULL;
    }
    return (char *)b->data;
}

/* A link may be a whole URL. */
static struct bytes path_of(const char *link)
{
    const char *host = strstr(link, "://");
    const char *path = host != NULL ? strchr(host + 3, '/') : link;
    return bytes_of_str(path);
}

bool scef_resource_has_websocket(const struct scef_resource *r, struct bytes uri)
{
    return r->websocket_uri != NULL && bytes_equal(bytes_of_str(r->websocket_uri), uri);
}

enum error scef_resource_init(struct scef_resource *r, const char *link_root, struct bytes scs_as_id,
                              const char *collection, enum t8_id_style style, char letter, uint64_t number)
{
    char id[T8_ID_BYTES];
    struct buf self = {0};
    *r = (struct scef_resource){.scs_as_id = bytes_dup_str(scs_as_id)};
    scef_id_write(style, letter, number, id);
    buf_add_str(&self, link_root);
    buf_add_u8(&self, '/');
    t8_link_add_segment(&self, scs_as_id);
    buf_addf(&self, "/%s/%s", collection, id);
    r->id = bytes_dup_str(bytes_of_str(id));
    r->self = text_take(&self);
    if (r->id != NULL && r->self != NULL && r->scs_as_id != NULL)
        return OK;
    scef_resource_release(r);
    return ERR_NO_MEMORY;
}

void scef_resource_release(struct scef_resource *r)
{
    free(r->id);
    free(r->scs_as_id);
    free(r->self);
    free(r->websocket_uri);
    *r = (struct scef_resource){0};
}

bool scef_resource_is(const struct scef_resource *r, struct bytes scs_as_id)
{
    return r != NULL && bytes_equal(bytes_of_str(r->scs_as_id), scs_as_id);
}

struct scef_answer scef_resource_websocket(struct scef_resource *r, const struct scef_notification_ways *ways,
                                           const struct t8_websocket *asked)
{
    if (asked->present && asked->uri.len > 0)
        return scef_answer_blame(400, T8_CAUSE_NONE, "/websockNotifConfig/websocketUri");
    uint64_t needed = ways->websocket | ways->test;
    bool agreed = ways->websocket_root != NULL && (r->features.bits & needed) == needed;
    if (!agreed || !asked->present || asked->request_uri != T8_FLAG_TRUE)
        return scef_answer_of(0);
    if (r->websocket_uri != NULL)
        return scef_answer_blame(400, T8_CAUSE_NONE, "/websockNotifConfig/requestWebsocketUri");
    struct buf uri = {0};
    buf_add_str(&uri, ways->websocket_root);
    buf_add(&uri, path_of(r->self));
    r->websocket_uri = text_take(&uri);
    return scef_answer_of(r->websocket_uri != NULL ? 0 : 503);
}

struct scef_answer scef_resource_settle(struct scef_resource *r, struct t8_features asked, uint64_t offered,
                                        const struct scef_notification_ways *ways, enum t8_flag test,
                                        const struct t8_websocket *websocket)
{
    r->features = (struct t8_features){asked.present, asked.present ? asked.bits & offered : 0};
    if (ways->websocket_root == NULL)
        r->features.bits &= ~ways->websocket;
    r->test_notification = test == T8_FLAG_TRUE && (r->features.bits & ways->test) != 0;
    return scef_resource_websocket(r, ways, websocket);
}

struct t8_websocket scef_resource_shown_websocket(const struct scef_resource *r)
{
    if (r->websocket_uri == NULL)
        return (struct t8_websocket){0};
    return (struct t8_websocket){true, T8_FLAG_TRUE, bytes_of_str(r->websocket_uri)};
}

void scef_resource_notify(const struct scef_resource *r, struct scef_model *m, uint64_t now_ms,
                          enum scef_notification_kind kind, struct bytes destination, struct t8_identity id,
                          struct bytes body)
{
    char *url = bytes_dup_str(destination);
    if (url != NULL && body.len > 0)
        scef_notify(m, now_ms,
                    &(struct scef_notification){.kind = kind,
                                                .destination = url,
                                                .self = r->self,
                                                .websocket_uri = r->websocket_uri,
                                                .id = id,
                                                .body = body});
    free(url);
}

void scef_resource_test(const struct scef_resource *r, struct scef_model *m, uint64_t now_ms, struct bytes destination)
{
    if (!r->test_notification)
        return;
    struct buf body = {0};
    struct t8_test_notification test = {.subscription = bytes_of_str(r->self)};
    if (t8_test_notification_encode(&test, &body) == OK)
        scef_resource_notify(r, m, now_ms, SCEF_NOTIFY_TEST, destination, (struct t8_identity){0}, buf_bytes(&body));
    buf_free(&body);
}
