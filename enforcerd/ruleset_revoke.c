/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether a difference may forbid what was allowed. */
#include "enforcerd/ruleset.h"

bool ruleset_revokes(const struct ruleset *rs)
{
	/* nothing is proven to be more permissive yet: every flow is judged anew after each change */
	return ruleset_dirty(rs);
}
