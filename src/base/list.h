/* Doubly linked lists whose links live in their members. All zero is an empty list; a
 * link that is in no list is zero too.
 * SPDX-License-Identifier: MIT */
#ifndef FERRY_SRC_BASE_LIST_H
#define FERRY_SRC_BASE_LIST_H

#include <ferry/base.h>

#define ferry__container_of(pointer, type, member) \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static inline bool ferry__list_is_empty(const struct ferry__list *list)
{
    return list->first == NULL;
}

static inline void ferry__list_append(struct ferry__list *list, struct ferry__link *link)
{
    link->next = NULL;
    link->prev = list->last;
    if (list->last) list->last->next = link;
    else list->first = link;
    list->last = link;
}

static inline void ferry__list_prepend(struct ferry__list *list,
                                       struct ferry__link *link)
{
    link->prev = NULL;
    link->next = list->first;
    if (list->first) list->first->prev = link;
    else list->last = link;
    list->first = link;
}

/* Behind `place`, which is in the list; NULL: before all. */
static inline void ferry__list_insert(struct ferry__list *list,
                                      struct ferry__link *place,
                                      struct ferry__link *link)
{
    if (place == NULL) {
        ferry__list_prepend(list, link);
        return;
    }
    link->prev = place;
    link->next = place->next;
    if (place->next) place->next->prev = link;
    else list->last = link;
    place->next = link;
}

static inline void ferry__list_remove(struct ferry__list *list, struct ferry__link *link)
{
    if (link->prev) link->prev->next = link->next;
    else list->first = link->next;
    if (link->next) link->next->prev = link->prev;
    else list->last = link->prev;
    *link = (struct ferry__link){0};
}

static inline struct ferry__link *ferry__list_take_first(struct ferry__list *list)
{
    struct ferry__link *link = list->first;
    if (link) ferry__list_remove(list, link);
    return link;
}

#endif
