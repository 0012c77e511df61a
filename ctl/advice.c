/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/advice.h"

#include "common/strbuf.h"
#include "common/xalloc.h"

#include <string.h>

enum { LABELS_TRIED_MAX = 4096 };

/* --- one rule more ------------------------------------------------------------------------------ */

static void add_equality(struct strbuf *text, const char *key, const char *value)
{
	char quote = strchr(value, '\'') ? '"' : '\'';

	strbuf_addf(text, "%s%s == %c%s%c", text->len ? " && " : "", key, quote, value, quote);
}

/* Who is like this endpoint: its own labels, or where it has none, its container. Caller frees. */
static char *selector_of(const struct world_endpoint *endpoint)
{
	const char *name = labels_get(endpoint->labels, "docker/container");
	struct strbuf text = {0};

	for (size_t i = 0; i < labels_count(endpoint->labels); i++)
		if (!label_key_reserved(labels_key(endpoint->labels, i)))
			add_equality(&text, labels_key(endpoint->labels, i),
				labels_value(endpoint->labels, i));
	if (!text.len && name && !(strchr(name, '\'') && strchr(name, '"')))
		add_equality(&text, "docker/container", name);
	return text.len ? strbuf_take(&text) : NULL;
}

/* walk: as the node that judges knows it. By its labels only where that node matches it by them. */
static void name_end(json_t *entity, const struct end *end, const struct end_walk *walk)
{
	bool matched = end->endpoint && walk->endpoint == end->endpoint->record;
	cleanup_free char *selector = matched ? selector_of(end->endpoint) : NULL;
	char ip[IP_TEXT_MAX];

	if (selector)
		json_object_set_new(entity, "selector", json_string(selector));
	else
		json_object_set_new(entity, "nets", json_pack("[s]", ip_format(&end->ip, ip)));
}

/* What protocol_parse() reads back: a name implies a family for ICMP, which is the flow's. */
static json_t *protocol_word(int protocol)
{
	const char *name = protocol_name(protocol);

	return name ? json_string(name) : json_integer(protocol);
}

static json_t *make_rule(const struct ends *ends, const struct policy_flow *flow,
	const struct verdict *verdict, enum policy_direction direction)
{
	enum policy_direction other = direction == DIR_EGRESS ? DIR_INGRESS : DIR_EGRESS;
	bool egress = direction == DIR_EGRESS;
	json_t *rule = json_pack(
		"{s:s,s:o}", "action", "allow", "protocol", protocol_word(flow->protocol));
	json_t *source = json_object(), *destination = json_object();

	if (ends->end[other].ip.family)
		name_end(egress ? destination : source, &ends->end[other], &verdict->walks[other]);
	if (protocol_has_ports(flow->protocol))
		json_object_set_new(
			destination, "ports", json_pack("[i]", (int)flow->destination.port));
	if (json_object_size(source))
		json_object_set(rule, "source", source);
	if (json_object_size(destination))
		json_object_set(rule, "destination", destination);
	json_decref(source);
	json_decref(destination);
	return rule;
}

/* The policy that decided, else the last that was asked: what is put at its end comes after everything that matches. */
static const struct walk_step *step_to_edit(const struct end_walk *walk)
{
	const struct walk_step *last = NULL;

	if (walk->decided)
		return walk->decided;
	for (size_t i = 0; i < walk->step_count; i++)
		if (!walk->steps[i].policy->staged && walk->steps[i].reached)
			last = &walk->steps[i];
	return last;
}

static json_t *new_policy(
	const char *name, const char *selector, enum policy_direction direction, json_t *rule)
{
	const char *word = policy_direction_name(direction);
	const char *other =
		policy_direction_name(direction == DIR_EGRESS ? DIR_INGRESS : DIR_EGRESS);

	return json_pack("{s:i,s:s,s:{s:s,s:[s],s:[O],s:[]}}", "v", 1, "name", name, "spec",
		"selector", selector, "types", word, word, rule, other);
}

static void edit_policy(
	const struct end_walk *walk, const struct walk_step *step, struct advice_rule *advice)
{
	json_t *spec;

	advice->policy = xstrdup(step->policy->name);
	advice->before =
		walk->decided ? (size_t)step->rule : step->policy->rule_count[walk->direction];
	advice->record = policy_to_json(step->policy);
	spec = json_object_get(advice->record, "spec");
	json_array_insert(json_object_get(spec, policy_direction_name(walk->direction)),
		advice->before, advice->rule);
}

/* False: no rule helps this end. */
static bool advise_rule(const struct ends *ends, const struct policy_flow *flow,
	const struct verdict *verdict, enum policy_direction direction, struct advice_rule *advice)
{
	const struct end_walk *walk = &verdict->walks[direction];
	const struct world_endpoint *own = ends->end[walk->direction].endpoint;
	const struct walk_step *step = step_to_edit(walk);
	cleanup_free char *selector = own ? selector_of(own) : NULL;

	if (walk->standing != END_ISOLATED || !own)
		return false;
	*advice = (struct advice_rule){.direction = walk->direction,
		.rule = make_rule(ends, flow, verdict, walk->direction)};
	if (step) {
		edit_policy(walk, step, advice);
		return true;
	}
	if (!selector)
		return false;
	advice->is_new = true;
	advice->policy = xasprintf(
		"%s-%s", own->record->container_name, policy_direction_name(walk->direction));
	advice->record = new_policy(advice->policy, selector, walk->direction, advice->rule);
	return true;
}

/* The policies with the advised ones in their places; the rest is borrowed. */
struct changed {
	struct policies policies; /* items: the list is its own */
	struct policy **owned;
	size_t owned_count;
};

static bool change(
	const struct policies *policies, const struct advice *advice, struct changed *changed)
{
	struct policies *all = &changed->policies;
	struct err err = {0};

	*changed = (struct changed){
		.policies = *policies, .owned = xcalloc(DIR_COUNT, sizeof(*changed->owned))};
	all->items = xcalloc(policies->count + DIR_COUNT, sizeof(*all->items));
	for (size_t i = 0; i < policies->count; i++)
		all->items[i] = policies->items[i];
	for (size_t r = 0; r < advice->rule_count; r++) {
		struct policy *policy = policy_from_json(advice->rules[r].record, &err);
		size_t at = 0;

		if (!policy)
			return false;
		changed->owned[changed->owned_count++] = policy;
		while (at < all->count && strcmp(all->items[at]->name, policy->name) != 0)
			at++;
		/* a new one must not take the place of one that has its name by chance */
		if (advice->rules[r].is_new != (at == all->count))
			return false;
		all->count += at == all->count;
		all->items[at] = policy;
	}
	return true;
}

static bool rules_help(const struct world *world, const struct policies *policies,
	const struct trial *trial, const struct advice *advice)
{
	struct judgement judgement cleanup_judgement = {0};
	struct changed changed;
	bool helps = change(policies, advice, &changed);

	if (helps) {
		CLEANUP(judge) struct judge *judge = judge_new(world, &changed.policies);

		judge_try(judge, trial, &judgement);
		helps = judgement.allowed;
	}
	for (size_t i = 0; i < changed.owned_count; i++)
		policy_free(changed.owned[i]);
	free(changed.policies.items);
	free(changed.owned);
	return helps;
}

static void drop_rules(struct advice *advice)
{
	for (size_t i = 0; i < advice->rule_count; i++) {
		free(advice->rules[i].policy);
		json_decref(advice->rules[i].rule);
		json_decref(advice->rules[i].record);
	}
	advice->rule_count = 0;
}

static void find_rules(const struct world *world, const struct policies *policies,
	const struct ends *ends, const struct trial *trial, const struct judgement *denied,
	struct advice *advice)
{
	enum policy_direction order[] = {DIR_EGRESS, DIR_INGRESS};

	for (size_t i = 0; i < DIR_COUNT; i++) {
		const struct end_walk *walk = judgement_walk(denied, order[i]);

		if (walk->allowed)
			continue;
		if (advise_rule(ends, &trial->question.flow, &denied->verdicts[order[i]], order[i],
			    &advice->rules[advice->rule_count])) {
			advice->rule_count++;
			continue;
		}
		json_decref(advice->rules[advice->rule_count].rule);
		drop_rules(advice);
		return;
	}
	/* both ends in one policy, in two directions: the second edit would undo the first */
	if (advice->rule_count == 2 && !strcmp(advice->rules[0].policy, advice->rules[1].policy)) {
		json_t *spec = json_object_get(advice->rules[0].record, "spec");
		const char *word = policy_direction_name(advice->rules[1].direction);

		json_array_insert(json_object_get(spec, word), advice->rules[1].before,
			advice->rules[1].rule);
		json_decref(advice->rules[1].record);
		advice->rules[1].record = json_incref(advice->rules[0].record);
	}
	if (!rules_help(world, policies, trial, advice))
		drop_rules(advice);
}

/* --- one label ---------------------------------------------------------------------------------- */

struct label_search {
	const struct judge *judge;
	const struct ends *ends;
	const struct trial *trial;
	struct advice *advice;
	size_t tried;
	json_t *seen; /* "key=value" */
};

static bool label_helps(
	struct label_search *search, enum policy_direction end, const char *key, const char *value)
{
	const struct world_endpoint *endpoint = search->ends->end[end].endpoint;
	CLEANUP(labels) struct labels *labels = labels_copy(endpoint->labels);
	struct trial trial = *search->trial;
	struct judgement judgement cleanup_judgement = {0};

	labels_set(labels, key, value);
	trial.question.labels[end] = labels;
	trial.question.labelled[end] = endpoint->record;
	judge_try(search->judge, &trial, &judgement);
	return judgement.allowed;
}

static void try_label(const char *key, const char *value, void *arg)
{
	static const enum policy_direction order[] = {DIR_EGRESS, DIR_INGRESS};
	struct label_search *search = arg;
	const char *given = value ? value : "true"; /* any will do */
	cleanup_free char *pair = xasprintf("%s=%s", key, given);

	if (search->advice->has_label || search->tried >= LABELS_TRIED_MAX ||
		label_key_reserved(key) || label_key_check(key, NULL) ||
		label_value_check(given, NULL) || json_object_get(search->seen, pair))
		return;
	json_object_set_new(search->seen, pair, json_true());
	search->tried++;
	for (size_t i = 0; i < DIR_COUNT; i++) {
		const struct world_endpoint *endpoint = search->ends->end[order[i]].endpoint;

		if (!endpoint || !label_helps(search, order[i], key, given))
			continue;
		search->advice->label =
			(struct advice_label){endpoint, xstrdup(key), xstrdup(given)};
		search->advice->has_label = true;
		return;
	}
}

static void try_selector(struct label_search *search, const struct selector *selector)
{
	if (selector)
		selector_each_label(selector, try_label, search);
}

static void try_policy(struct label_search *search, const struct policy *policy)
{
	try_selector(search, policy->selector);
	for (int dir = 0; dir < DIR_COUNT; dir++)
		for (size_t r = 0; r < policy->rule_count[dir]; r++) {
			const struct policy_rule *rule = &policy->rules[dir][r];

			try_selector(search, rule->source.selector);
			try_selector(search, rule->source.tag);
			try_selector(search, rule->source.not_selector);
			try_selector(search, rule->destination.selector);
			try_selector(search, rule->destination.tag);
			try_selector(search, rule->destination.not_selector);
		}
}

static void find_label(const struct world *world, const struct policies *policies,
	const struct ends *ends, const struct trial *trial, struct advice *advice)
{
	CLEANUP(judge) struct judge *judge = judge_new(world, policies);
	struct label_search search = {judge, ends, trial, advice, 0, json_object()};

	for (size_t i = 0; i < policies->count && !advice->has_label; i++)
		try_policy(&search, policies->items[i]);
	json_decref(search.seen);
}

void advice_find(const struct world *world, const struct policies *policies,
	const struct ends *ends, const struct trial *trial, const struct judgement *denied,
	struct advice *advice)
{
	*advice = (struct advice){0};
	if (denied->allowed)
		return;
	find_rules(world, policies, ends, trial, denied, advice);
	find_label(world, policies, ends, trial, advice);
}

void advice_clear(struct advice *advice)
{
	drop_rules(advice);
	free(advice->label.key);
	free(advice->label.value);
	*advice = (struct advice){0};
}
