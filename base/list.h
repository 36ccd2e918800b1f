/* Intrusive doubly linked list with a sentinel: O(1) everywhere, no allocation. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next;
    struct list *prev;
};

#define LIST_ENTRY(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

/* NOLINTBEGIN(bugprone-macro-parentheses): `it` is declared, which takes no parentheses. */
#define LIST_EACH(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)
/* The element that `it` stands on may be removed in the body. */
#define LIST_EACH_SAFE(it, head)                                                                                       \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head); it = it##_next, it##_next = it->next)
/* NOLINTEND(bugprone-macro-parentheses) */

static inline void list_init(struct list *head)
{
    head->next = head->prev = head;
}
static inline bool list_empty(const struct list *head)
{
    return head->next == head;
}
static inline void list_insert_before(struct list *pos, struct list *item)
{
    item->prev = pos->prev;
    item->next = pos;
    pos->prev->next = item;
    pos->prev = item;
}
static inline void list_push_back(struct list *head, struct list *item)
{
    list_insert_before(head, item);
}
static inline void list_push_front(struct list *head, struct list *item)
{
    list_insert_before(head->next, item);
}
/* Safe to call twice: a removed item is a list of its own. */
static inline void list_remove(struct list *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    list_init(item);
}

#endif
