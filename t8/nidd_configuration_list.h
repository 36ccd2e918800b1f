/* The list of configurations that a GET of the collection answers (TS 29.122 clause 5.6.3.2.3.1): an array of
 * NiddConfiguration, possibly very long, taken apart one element at a time without a document in memory.
 *
 *     struct nidd_configuration_list l;
 *     for (nidd_configuration_list_begin(&l, body); nidd_configuration_list_next(&l, &element);)
 *         ... nidd_configuration_decode(element, ...)
 *
 * Tolerant: an element that is no object is passed over, a single configuration without an array counts as a list of
 * one, and a list that is cut off ends before what was cut. Nothing that is no list is an error: it holds none. */
#ifndef T8_NIDD_CONFIGURATION_LIST_H
#define T8_NIDD_CONFIGURATION_LIST_H

#include "base/bytes.h"

struct nidd_configuration_list {
    struct bytes rest;
    bool array;
};

void nidd_configuration_list_begin(struct nidd_configuration_list *l, struct bytes body);
bool nidd_configuration_list_next(struct nidd_configuration_list *l, struct bytes *element);

#endif
