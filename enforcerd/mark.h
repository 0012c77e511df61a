/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Our bits of the conntrack mark. They hold the generation in which a flow was judged: 0 is unjudged, the highest value is
 * condemned (nothing of the flow passes), the one below it is pending (a policy is at it, or has denied it: as good as unjudged),
 * what is between are generations. Other programs may use the other bits.
 */
#ifndef BULKHEAD_MARK_H
#define BULKHEAD_MARK_H

#include "common/err.h"

#include <stdint.h>

enum { MARK_BITS_MIN = 3 };
#define MARK_MASK_DEFAULT 0xffff0000U

struct mark_layout {
	uint32_t mask;  /* contiguous bits */
	unsigned shift; /* of the lowest of them */
	uint32_t last;  /* the highest generation; the first is 1 */
};

/* Refuses a mask whose bits are not contiguous, or fewer than MARK_BITS_MIN. */
int mark_layout_init(struct mark_layout *layout, uint32_t mask, struct err *err) must_check;

/* Bits of a mark that say this generation; 0 for unjudged. */
static inline uint32_t mark_of_generation(const struct mark_layout *layout, uint32_t generation)
{
	return generation << layout->shift;
}

/* The generation that a mark says; above last: pending, condemned. */
static inline uint32_t mark_generation(const struct mark_layout *layout, uint32_t mark)
{
	return (mark & layout->mask) >> layout->shift;
}

/* Every policy chain begins with it: whoever then comes to the end has been judged, and a bystander has not. */
static inline uint32_t mark_pending(const struct mark_layout *layout)
{
	return mark_of_generation(layout, layout->last + 1);
}

static inline uint32_t mark_condemned(const struct mark_layout *layout)
{
	return layout->mask;
}

#endif
