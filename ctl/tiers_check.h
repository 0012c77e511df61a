/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an edit may not leave behind: a policy whose tier is not there, or more tiers than a kernel can follow (pure). */
#ifndef BULKHEAD_CTL_TIERS_CHECK_H
#define BULKHEAD_CTL_TIERS_CHECK_H

#include "common/store_edit.h"
#include "ctl/input.h"

/*
 * view: what is stored; changes: what the input makes of it, items that are not in them were skipped. Refusals are added to diag at
 * the place of the item. What was wrong before and is not touched is not looked at.
 */
void tiers_check(const struct store_view *view, const struct store_changes *changes,
	const struct input *input, struct diag *diag);

#endif
