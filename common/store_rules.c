/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/store_rules.h"

#include <string.h>

static enum store_verdict keep(const char **reason, const char *text)
{
	*reason = text;
	return STORE_KEEP;
}

static enum store_verdict judge_absent(bool policies, bool held, const char **reason)
{
	if (policies && !held)
		return STORE_TAKE_EMPTY;
	if (policies)
		return keep(reason,
			"the policies are gone from the store; the last ones stay in force (re-apply "
			"them, or bulkheadctl store accept)");
	return keep(reason,
		held ? "the node's records are gone from the store; the last ones stay in force"
		     : "the node's syncd has not published yet");
}

enum store_verdict store_judge(const char *stream, const struct store_head *held,
	const struct store_head *found, const struct store_head *accepted, bool ahead,
	const char *ancestor, const char **reason)
{
	bool policies = !strcmp(stream, STORE_POLICIES_STREAM);
	int order;

	*reason = "";
	if (!found)
		return judge_absent(policies, held != NULL, reason);
	if (!held)
		return STORE_TAKE;
	if (store_head_equal(held, found))
		return STORE_SAME;
	order = store_epoch_cmp(found->epoch, held->epoch);
	if (order < 0 && ahead && accepted && store_head_equal(accepted, found))
		return STORE_TAKE;
	if (order < 0)
		return keep(reason,
			"the store is of an earlier epoch than what is in force (an old dump or a stale "
			"replica); what is in force stays");
	/* the same revision under another id: written on top of something older than what is in force */
	if (!order && found->revision <= held->revision)
		return keep(reason,
			"the store is older than what is in force (a stale replica); what is in force "
			"stays");
	if (!order && ancestor && strcmp(ancestor, held->id) != 0)
		return keep(reason,
			"the store went on from something older than what is in force (an old dump or "
			"a stale replica); what is in force stays");
	return STORE_TAKE;
}
