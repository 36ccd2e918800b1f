#include "sim/scef_monitoring_internal.h"

#include "t8/json_patch.h"

/* PUT and PATCH of subscriptions (TS 29.122 clauses 4.4.2.2.2 and 5.3.3.3). */

/* A UE is the same by either of its names. */
static bool same_user(const struct scef_monitoring *s, const struct t8_identity *a, const struct t8_identity *b)
{
    uint32_t ue_a, ue_b;
    if (a->external_id.len == 0 && a->msisdn.len == 0)
        return b->external_id.len == 0 && b->msisdn.len == 0 && bytes_equal(a->external_group_id, b->external_group_id);
    return scef_subscriber_lookup(s->model, a, &ue_a) && scef_subscriber_lookup(s->model, b, &ue_b) && ue_a == ue_b;
}

static const char *user_pointer(const struct t8_identity *id)
{
    if (id->external_id.len > 0)
        return "/externalId";
    return id->msisdn.len > 0 ? "/msisdn" : "/externalGroupId";
}

/* Takes new content over, with its watches. The old content is put into *content, to be released. */
static enum error take_over(struct scef_monitoring *s, struct subscription *sub, struct monitoring_content *content,
                            const struct monitoring_targets *targets)
{
    struct monitoring_content old = sub->content;
    sub->content = *content;
    enum error err = monitoring_watches_set(s, sub, targets, monitoring_types_of(&sub->content.fields));
    if (err)
        sub->content = old;
    else
        *content = old;
    return err;
}

/* Makes sub what `asked` says. Status 0 when it is done. */
static struct scef_answer change(struct scef_monitoring *s, struct subscription *sub,
                                 const struct monitoring_subscription *asked)
{
    bool adjusted;
    struct monitoring_content content;
    struct monitoring_targets targets = {0};
    uint64_t features = sub->resource.features.bits;
    struct monitoring_subscription f = *asked;
    f.features = sub->resource.features;
    if (!same_user(s, &sub->content.fields.id, &f.id))
        return scef_answer_blame(400, T8_CAUSE_NONE, user_pointer(&f.id));
    if (!bytes_equal(f.mtc_provider_id, sub->content.fields.mtc_provider_id))
        return scef_answer_blame(400, T8_CAUSE_NONE, "/mtcProviderId");
    f.id = sub->content.fields.id;
    if ((features & MONITORING_FEATURE_SEVERAL_REPORTS) == 0)
        f.additional_types = 0;
    struct scef_answer a = monitoring_check_types(s, &f, features, false);
    if (a.http_status == 0)
        a = monitoring_targets_find(s, bytes_of_str(sub->resource.scs_as_id), &f, features, &targets);
    if (a.http_status == 0)
        a = monitoring_check_parameters(s, &f, &adjusted);
    if (a.http_status == 0) {
        enum error err = monitoring_content_copy(&content, &f);
        if (!err) {
            err = take_over(s, sub, &content, &targets);
            monitoring_content_release(&content);
        }
        a.http_status = err ? error_http_status(err) : 0;
    }
    if (a.http_status == 0) {
        monitoring_expiry_set(s, sub);
        timer_stop(&s->wheel, &sub->send);
        monitoring_schedule(s, sub);
    }
    monitoring_targets_release(&targets);
    return a;
}

struct scef_answer scef_monitoring_replace(struct scef_monitoring *s, uint64_t now_ms, struct bytes scs_as_id,
                                           struct bytes subscription_id, const struct monitoring_subscription *asked,
                                           struct monitoring_subscription *out)
{
    monitoring_now(s, now_ms);
    struct subscription *sub = monitoring_find(s, scs_as_id, subscription_id);
    if (sub == NULL)
        return scef_answer_of(404);
    if ((sub->resource.features.bits & MONITORING_FEATURE_MODIFICATION) == 0)
        return scef_answer_blame(403, T8_CAUSE_OPERATION_PROHIBITED, NULL);
    struct scef_answer a = change(s, sub, asked);
    if (a.http_status != 0)
        return a;
    monitoring_show(sub, out);
    return scef_answer_of(200);
}

/* ---- PATCH */

static bool same_texts(const struct t8_texts *a, const struct t8_texts *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!bytes_equal(a->items[i], b->items[i]))
            return false;
    return true;
}

static bool same_members(const struct monitoring_subscription *a, const struct monitoring_subscription *b)
{
    return same_texts(&a->added_external_ids, &b->added_external_ids) &&
           same_texts(&a->added_msisdns, &b->added_msisdns) &&
           same_texts(&a->excluded_external_ids, &b->excluded_external_ids) &&
           same_texts(&a->excluded_msisdns, &b->excluded_msisdns);
}

/* Everything but the members, as text. */
static enum error rest_encode(const struct monitoring_subscription *f, struct buf *out)
{
    struct monitoring_subscription rest = *f;
    rest.added_external_ids = rest.added_msisdns = (struct t8_texts){0};
    rest.excluded_external_ids = rest.excluded_msisdns = (struct t8_texts){0};
    return monitoring_subscription_encode(&rest, out);
}

static enum error same_rest(const struct monitoring_subscription *a, const struct monitoring_subscription *b,
                            bool *same)
{
    struct buf left = {0}, right = {0};
    enum error err = rest_encode(a, &left);
    if (!err)
        err = rest_encode(b, &right);
    *same = !err && bytes_equal(buf_bytes(&left), buf_bytes(&right));
    buf_free(&left);
    buf_free(&right);
    return err;
}

/* Does what was agreed upon allow this change? Status 0 if so. */
static struct scef_answer may_patch(const struct subscription *sub, const struct monitoring_subscription *before,
                                    const struct monitoring_subscription *after)
{
    bool same;
    uint64_t features = sub->resource.features.bits;
    enum error err = same_rest(before, after, &same);
    if (err)
        return scef_answer_of(error_http_status(err));
    if ((!same && (features & MONITORING_FEATURE_PATCH) == 0) ||
        (!same_members(before, after) && (features & MONITORING_FEATURE_PARTIAL_GROUP) == 0))
        return scef_answer_blame(403, T8_CAUSE_OPERATION_PROHIBITED, NULL);
    return scef_answer_of(0);
}

/* The patch is of the whole representation, what the SCEF adds to it included. */
static struct scef_answer patch_with(struct scef_monitoring *s, struct subscription *sub, struct bytes patch,
                                     struct buf *before, struct buf *after)
{
    struct monitoring_subscription shown, wanted;
    s->problem = (struct t8_problem){0};
    monitoring_show(sub, &shown);
    enum error err = monitoring_subscription_encode(&shown, before);
    if (!err)
        err = t8_json_patch(buf_bytes(before), patch, after, &s->problem);
    if (!err)
        err = monitoring_subscription_decode_request(buf_bytes(after), &wanted, &s->problem);
    if (err) /* the pointer ends with a NUL, be it a literal or not */
        return scef_answer_blame(error_http_status(err), T8_CAUSE_NONE, (const char *)s->problem.invalid_param.data);
    struct scef_answer a = may_patch(sub, &shown, &wanted);
    if (a.http_status == 0)
        a = change(s, sub, &wanted);
    monitoring_subscription_release(&wanted);
    return a.http_status == 0 ? scef_answer_of(204) : a;
}

struct scef_answer scef_monitoring_patch(struct scef_monitoring *s, uint64_t now_ms, struct bytes scs_as_id,
                                         struct bytes subscription_id, struct bytes patch)
{
    struct buf before = {0}, after = {0};
    monitoring_now(s, now_ms);
    struct subscription *sub = monitoring_find(s, scs_as_id, subscription_id);
    if (sub == NULL)
        return scef_answer_of(404);
    if ((sub->resource.features.bits & (MONITORING_FEATURE_PATCH | MONITORING_FEATURE_PARTIAL_GROUP)) == 0)
        return scef_answer_blame(403, T8_CAUSE_OPERATION_PROHIBITED, NULL);
    struct scef_answer a = patch_with(s, sub, patch, &before, &after);
    buf_free(&before);
    buf_free(&after);
    return a;
}
