/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of very many selectors match these labels? Nearly every selector asks for one label or a few ("role == 'db' && ..."): it is
 * filed under those, and an endpoint meets only what is filed under its own labels, and the few that ask for none.
 */
#ifndef BULKHEAD_SELECTOR_INDEX_H
#define BULKHEAD_SELECTOR_INDEX_H

#include "common/selector.h"

struct selector_index;

struct selector_index *selector_index_new(void);
void selector_index_free(struct selector_index *index);

/* Files item under its selector, which is borrowed until the item is removed with the same selector. */
void selector_index_add(struct selector_index *index, const struct selector *selector, void *item);
void selector_index_remove(
	struct selector_index *index, const struct selector *selector, const void *item);

/* fn is called once for every item whose selector matches, in no order that means anything. It must not change the index. */
void selector_index_match(const struct selector_index *index, const struct labels *labels,
	void (*fn)(void *item, void *arg), void *arg);

DEFINE_CLEANUP(selector_index, struct selector_index *, selector_index_free)

#endif
