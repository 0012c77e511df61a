/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/mark.h"

int mark_layout_init(struct mark_layout *layout, uint32_t mask, struct err *err)
{
	unsigned shift = mask ? (unsigned)__builtin_ctz(mask) : 0;
	uint32_t values = mask >> shift;

	if (values & (values + 1))
		return err_set(err, 0, "mark mask 0x%08x: its bits are not contiguous", mask);
	if (values < (1U << MARK_BITS_MIN) - 1)
		return err_set(err, 0, "mark mask 0x%08x: fewer than %d bits", mask, MARK_BITS_MIN);
	*layout = (struct mark_layout){.mask = mask, .shift = shift, .last = values - 2};
	return 0;
}
