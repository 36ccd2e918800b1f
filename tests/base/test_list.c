#include "base/list.h"

#include "tests/base/test.h"

struct item {
    int number;
    struct list node;
};

static void assert_numbers(struct list *head, const char *want)
{
    char got[16];
    size_t n = 0;
    LIST_EACH (it, head) {
        got[n++] = (char)('0' + LIST_ENTRY(it, struct item, node)->number);
    }
    got[n] = '\0';
    assert_string_equal(got, want);
}

static void order_and_removal(void **state)
{
    (void)state;
    struct list head;
    struct item items[6];
    list_init(&head);
    assert_true(list_empty(&head));
    for (int i = 0; i < 6; i++)
        items[i].number = i;
    list_push_back(&head, &items[1].node);
    list_push_back(&head, &items[2].node);
    list_push_front(&head, &items[0].node);
    list_insert_before(&items[2].node, &items[5].node);
    assert_numbers(&head, "0152");
    list_remove(&items[5].node);
    list_remove(&items[5].node); /* twice is fine */
    assert_true(list_empty(&items[5].node));
    assert_numbers(&head, "012");
    LIST_EACH_SAFE (it, &head) {
        if (LIST_ENTRY(it, struct item, node)->number != 1)
            list_remove(it);
    }
    assert_numbers(&head, "1");
    list_remove(&items[1].node);
    assert_true(list_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_and_removal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
