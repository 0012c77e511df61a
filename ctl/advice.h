/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is the smallest change that would allow a denied flow: a rule, or a label. Each is tried before it is told (pure). */
#ifndef BULKHEAD_CTL_ADVICE_H
#define BULKHEAD_CTL_ADVICE_H

#include "ctl/ends.h"

/* One rule more; a policy is edited, or made. */
struct advice_rule {
	char *policy;
	bool is_new;
	enum policy_direction direction;
	size_t before; /* the rule's place in the list */
	json_t *rule;
	json_t *record; /* the whole policy, with it */
};

struct advice_label {
	const struct world_endpoint *endpoint;
	char *key, *value;
};

/* rules: all of them are needed. label alone is enough. Either may be absent. */
struct advice {
	struct advice_rule rules[DIR_COUNT];
	size_t rule_count;
	struct advice_label label;
	bool has_label;
};

void advice_find(const struct world *world, const struct policies *policies,
	const struct ends *ends, const struct trial *trial, const struct judgement *denied,
	struct advice *advice);
void advice_clear(struct advice *advice);

#define cleanup_advice __attribute__((cleanup(advice_clear)))

#endif
