/* The list that a GET of a collection answers (TS 29.122 clause 5.6.3.2.3.1 and its like): an array of resources,
 * possibly very long, taken apart one element at a time without a document in memory.
 *
 *     struct t8_list l;
 *     for (t8_list_begin(&l, body); t8_list_next(&l, &element);)
 *         ... nidd_configuration_decode(element, ...)
 *
 * Tolerant: an element that is no object is passed over, a single resource without an array counts as a list of one,
 * and a list that is cut off ends before what was cut. Nothing that is no list is an error: it holds none. */
#ifndef T8_JSON_LIST_H
#define T8_JSON_LIST_H

#include "base/bytes.h"

struct t8_list {
    struct bytes rest;
    bool array;
};

void t8_list_begin(struct t8_list *l, struct bytes body);
bool t8_list_next(struct t8_list *l, struct bytes *element);

#endif
