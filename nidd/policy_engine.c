/* The engine's policies for requests: the table, and what is said for all else. */
#include "nidd/internal.h"
#include "nidd/policy.h"

const struct engine_policy *policy_of(const struct engine *e, const struct device *d, uint32_t server)
{
    const struct engine_policy *found = NULL;
    if (e->policies)
        found = policy_table_find(e->policies, server, d->id_is_msisdn ? (struct bytes){0} : bytes_of_str(d->id));
    return found ? found : &e->o.downlink;
}

enum error engine_downlinks_replace(struct engine *e, const struct engine_policy *otherwise,
                                    const struct engine_downlink *entries, size_t count)
{
    struct policy_table *t = NULL;
    for (size_t i = 0; i < count; i++)
        if (entries[i].server != ENGINE_NONE && entries[i].server >= e->server_count)
            return ERR_NOT_FOUND;
    if (otherwise->priority > QUEUE_PRIORITY_MAX)
        return ERR_MEMBER_TYPE;
    enum error err = count ? policy_table_new(entries, count, &t) : OK;
    if (err)
        return err;
    policy_table_free(e->policies);
    e->policies = t;
    e->o.downlink = *otherwise;
    return OK;
}
