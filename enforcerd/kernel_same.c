/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rules as we would write them against rules as the kernel dumps them. */
#include "enforcerd/kernel_expr.h"

#include <libnftnl/expr.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

/* Of an expression, beyond what any that we use has. */
enum { ATTRS_MAX = 16 };

/* What the kernel adds to its dumps where it is 0, and we leave out. */
static bool may_be_left_out(const char *expr, uint16_t attr)
{
	static const struct {
		const char *expr;
		uint16_t attr;
	} defaults[] = {
		{"lookup", NFTNL_EXPR_LOOKUP_FLAGS},
		{"limit", NFTNL_EXPR_LIMIT_FLAGS},
		{"log", NFTNL_EXPR_LOG_QTHRESHOLD},
	};

	for (size_t i = 0; i < sizeof(defaults) / sizeof(*defaults); i++)
		if (attr == defaults[i].attr && !strcmp(expr, defaults[i].expr))
			return true;
	return false;
}

/* What we say and the kernel does not repeat: a flow's protocol is the same in both directions. */
static bool is_not_dumped(const struct nftnl_expr *wanted, const char *name, uint16_t attr)
{
	return attr == NFTNL_EXPR_CT_DIR && !strcmp(name, "ct") &&
	       nftnl_expr_get_u32(wanted, NFTNL_EXPR_CT_KEY) == NFT_CT_PROTOCOL;
}

static bool all_zero(const uint8_t *data, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (data[i])
			return false;
	return true;
}

static bool same_attr(const char *name, const struct nftnl_expr *wanted,
	const struct nftnl_expr *found, uint16_t attr)
{
	bool ours = nftnl_expr_is_set(wanted, attr), theirs = nftnl_expr_is_set(found, attr);
	uint32_t our_len = 0, their_len = 0;
	const void *our_data, *their_data;

	if (!theirs)
		return !ours || is_not_dumped(wanted, name, attr);
	their_data = nftnl_expr_get(found, attr, &their_len);
	if (!their_data)
		return false;
	if (!ours)
		return may_be_left_out(name, attr) && all_zero(their_data, their_len);
	our_data = nftnl_expr_get(wanted, attr, &our_len);
	return our_data && our_len == their_len && !memcmp(our_data, their_data, our_len);
}

static bool same_expr(const struct nftnl_expr *wanted, const struct nftnl_expr *found)
{
	const char *name = nftnl_expr_get_str(wanted, NFTNL_EXPR_NAME);

	if (strcmp(name, nftnl_expr_get_str(found, NFTNL_EXPR_NAME)) != 0)
		return false;
	for (int attr = NFTNL_EXPR_BASE; attr < ATTRS_MAX; attr++)
		if (!same_attr(name, wanted, found, (uint16_t)attr))
			return false;
	return true;
}

static bool same_exprs(struct nftnl_expr_iter *wanted, struct nftnl_expr_iter *found)
{
	const struct nftnl_expr *ours, *theirs;

	do {
		ours = nftnl_expr_iter_next(wanted);
		theirs = nftnl_expr_iter_next(found);
	} while (ours && theirs && same_expr(ours, theirs));
	return !ours && !theirs;
}

static bool same_notes(const struct nftnl_rule *wanted, const struct nftnl_rule *found)
{
	uint32_t our_len = 0, their_len = 0;
	const void *ours = nftnl_rule_get_data(wanted, NFTNL_RULE_USERDATA, &our_len);
	const void *theirs = nftnl_rule_get_data(found, NFTNL_RULE_USERDATA, &their_len);

	if (!ours || !theirs)
		return !ours && !theirs;
	return our_len == their_len && !memcmp(ours, theirs, our_len);
}

bool kernel_rule_same(const struct nftnl_rule *wanted, const struct nftnl_rule *found)
{
	struct nftnl_expr_iter *ours = nftnl_expr_iter_create(wanted);
	struct nftnl_expr_iter *theirs = nftnl_expr_iter_create(found);
	bool same = ours && theirs && same_notes(wanted, found) && same_exprs(ours, theirs);

	if (ours)
		nftnl_expr_iter_destroy(ours);
	if (theirs)
		nftnl_expr_iter_destroy(theirs);
	return same;
}
