/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a predecessor left in the kernel, for those who go on from there: who has which address, and the generation. */
#include "common/xalloc.h"
#include "enforcerd/kernel_internal.h"
#include "enforcerd/kernel_message.h"
#include "enforcerd/kernel_read.h"
#include "enforcerd/skeleton.h"

#include <libnftnl/rule.h>
#include <stdlib.h>
#include <string.h>

/* --- elements ---------------------------------------------------------------------------------- */

struct left_elem {
	struct elem_key key;
	char *comment; /* owned */
};

struct left_set {
	struct left_elem *elems;
	size_t count, cap;
};

static void keep_elem(const struct elem_key *key, const char *chain, const char *comment, void *arg)
{
	struct left_set *set = arg;

	(void)chain;
	xgrow(set->elems, set->count, set->cap);
	set->elems[set->count++] = (struct left_elem){*key, xstrdup(comment)};
}

static void forget_elems(void *arg)
{
	struct left_set *set = arg;

	while (set->count)
		free(set->elems[--set->count].comment);
}

/* False when it is of no type of ours. */
static bool type_of(const struct found *found, enum set_type *type)
{
	for (int i = SET_IPV4; i <= GROUPS_IPV6; i++)
		if (plan_same_set(found, (enum set_type)i)) {
			*type = (enum set_type)i;
			return true;
		}
	return false;
}

/* Elements are told only when all are read: a dump that was interrupted begins anew. */
static int tell_set(struct kernel *kernel, const struct nft_table *table, const struct found *found,
	const struct kernel_adopter *ops, void *arg, struct err *err)
{
	static const struct elem_reader reader = {keep_elem, forget_elems};
	struct left_set set = {0};
	enum set_type type;
	bool whole;
	int rc;

	if (!type_of(found, &type))
		return 0;
	rc = read_elements(kernel->netlink, table, found->name, type, &reader, &set, &whole, err);
	for (size_t i = 0; i < set.count && rc == 0; i++)
		ops->element(found->name, type, &set.elems[i].key, set.elems[i].comment, arg);
	forget_elems(&set);
	free(set.elems);
	return rc;
}

static int tell_sets(struct kernel *kernel, struct inventory *const inventories[PLAN_TABLES],
	const struct kernel_adopter *ops, void *arg, struct err *err)
{
	for (const char *const *name = ops->sets; *name; name++)
		for (int i = 0; i < PLAN_TABLES; i++) {
			const struct found *found =
				inventory_find(inventories[i], OBJECT_SET, *name);

			if (found &&
				tell_set(kernel, &kernel->tables[i].id, found, ops, arg, err) < 0)
				return -1;
			/* what is in both tables is the same in both */
			if (found)
				break;
		}
	return 0;
}

/* --- generation -------------------------------------------------------------------------------- */

static void read_generation(const char *chain, const struct nftnl_rule *rule, void *arg)
{
	uint32_t *generation = arg;
	uint32_t len = 0;
	const void *notes = rule ? nftnl_rule_get_data(rule, NFTNL_RULE_USERDATA, &len) : NULL;
	unsigned long value;
	char *end = NULL;
	const char *text = comment_of(notes, len);

	(void)chain;
	if (strncmp(text, GENERATION_COMMENT, strlen(GENERATION_COMMENT)) != 0)
		return;
	text += strlen(GENERATION_COMMENT);
	value = strtoul(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end && value <= UINT32_MAX)
		*generation = (uint32_t)value;
}

static void forget_generation(void *arg)
{
	*(uint32_t *)arg = 0;
}

static int find_generation(struct kernel *kernel, struct inventory *const inventories[PLAN_TABLES],
	uint32_t *generation, struct err *err)
{
	static const struct rule_reader reader = {read_generation, forget_generation};
	bool first = true;

	*generation = 0;
	for (int i = 0; i < PLAN_TABLES; i++) {
		uint32_t found = 0;

		if (!inventory_find(inventories[i], OBJECT_CHAIN, CHAIN_LIVE))
			continue;
		if (read_rules(kernel->netlink, &kernel->tables[i].id, CHAIN_LIVE, &reader, &found,
			    err) < 0)
			return -1;
		*generation = first || *generation == found ? found : 0;
		first = false;
	}
	return 0;
}

int kernel_adopt(struct kernel *kernel, const struct kernel_adopter *ops, void *arg,
	uint32_t *generation, struct err *err)
{
	struct inventory *inventories[PLAN_TABLES] = {NULL};
	int rc = 0;

	for (int i = 0; i < PLAN_TABLES && rc == 0; i++) {
		inventories[i] = inventory_read(kernel->netlink, &kernel->tables[i].id, err);
		rc = inventories[i] ? 0 : -1;
	}
	if (rc == 0)
		rc = find_generation(kernel, inventories, generation, err);
	if (rc == 0)
		rc = tell_sets(kernel, inventories, ops, arg, err);
	for (int i = 0; i < PLAN_TABLES; i++)
		inventory_free(inventories[i]);
	return rc;
}
