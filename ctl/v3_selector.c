/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/v3_selector.h"

#include "common/selector.h"
#include "common/xalloc.h"
#include "ctl/policy_rule.h"

#include <string.h>

#define PROJECT     "docker/compose.project"
#define ANY_PROJECT "has(" PROJECT ")"
#define NO_PROJECT  "!has(" PROJECT ")"

enum { V3_SELECTOR_MAX = 1024 };

/* --- reading --------------------------------------------------------------------------------------- */

/* The label that Calico gives to everything in a namespace. */
static const char *map_label(const char *key, void *arg)
{
	bool *changed = arg;

	if (strcmp(key, "projectcalico.org/namespace") != 0)
		return key;
	*changed = true;
	return PROJECT;
}

struct namespace_keys {
	size_t count;
	char *unknown;
};

/* Labels of the namespace itself: a project has its name only. */
static const char *map_namespace_label(const char *key, void *arg)
{
	static const char *const names[] = {
		PROJECT, "projectcalico.org/name", "kubernetes.io/metadata.name"};
	struct namespace_keys *keys = arg;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(key, names[i])) {
			keys->count++;
			return PROJECT;
		}
	keys->unknown = xstrdup(key);
	return NULL;
}

/* Also of what is stored: it is shown again, and that must be accepted again. */
static json_t *limited(struct walk *walk, const struct doc_node *node, const char *text)
{
	if (strlen(text) > V3_SELECTOR_MAX)
		return walk_refuse(walk, node,
			"a selector of %zu characters: at most %d are possible", strlen(text),
			V3_SELECTOR_MAX);
	return json_string(text);
}

/* The text of a selector that is not empty, or NULL. */
static json_t *read_text(struct walk *walk, const struct doc_node *node)
{
	cleanup_json json_t *text = schema_text(walk, node, NULL);

	if (!text || !json_string_length(text))
		return NULL;
	return limited(walk, node, json_string_value(text));
}

json_t *v3_selector(struct walk *walk, const struct doc_node *node, const void *arg schema_unused)
{
	cleanup_json json_t *text = read_text(walk, node);
	CLEANUP(selector) struct selector *selector = NULL;
	struct err err = {0};
	bool changed = false;

	if (!text)
		return NULL;
	selector = selector_parse(json_string_value(text), &err);
	if (!selector)
		return policy_refuse_selector(walk, node, &err);
	if (selector_map_keys(selector, map_label, &changed) || !changed)
		return steal_ptr(text);
	return limited(walk, node, selector_canonical(selector));
}

/* "global()" is no part of the language: only this whole text means something, no namespace at all. */
static bool is_global(const char *text)
{
	static const char *const tokens[] = {"global(", ")"};

	for (size_t i = 0; i < sizeof(tokens) / sizeof(*tokens); i++) {
		text += strspn(text, " \t");
		if (strncmp(text, tokens[i], strlen(tokens[i])) != 0)
			return false;
		text += strlen(tokens[i]);
	}
	return !text[strspn(text, " \t")];
}

json_t *v3_namespace_selector(
	struct walk *walk, const struct doc_node *node, const void *arg schema_unused)
{
	cleanup_json json_t *text = read_text(walk, node);
	CLEANUP(selector) struct selector *selector = NULL;
	struct namespace_keys keys = {0};
	struct err err = {0};

	if (!text)
		return NULL;
	if (is_global(json_string_value(text)))
		return json_string(NO_PROJECT);
	selector = selector_parse(json_string_value(text), &err);
	if (!selector)
		return policy_refuse_selector(walk, node, &err);
	if (selector_map_keys(selector, map_namespace_label, &keys)) {
		walk_refuse(walk, node,
			"namespaceSelector: a namespace is a compose project, which has no label \"%s\": "
			"only projectcalico.org/name",
			keys.unknown);
		free(keys.unknown);
		return NULL;
	}
	if (!strcmp(selector_canonical(selector), "all()"))
		return json_string(ANY_PROJECT);
	/* all() inside of more says no more than the rest does, but it would not be told from a label's selector */
	if (!keys.count)
		return walk_refuse(walk, node, "namespaceSelector: names no label of a namespace");
	return limited(walk, node, selector_canonical(selector));
}

/* --- together and apart ---------------------------------------------------------------------------- */

char *v3_own_namespace(const char *name)
{
	return xasprintf(PROJECT " == \"%s\"", name);
}

json_t *v3_join(const char *namespace_selector, const char *selector)
{
	if (namespace_selector && selector)
		return json_sprintf("(%s) && (%s)", namespace_selector, selector);
	if (namespace_selector)
		return json_string(namespace_selector);
	return selector ? json_string(selector) : NULL;
}

/* The ")" of the "(" at text, or NULL. */
static const char *closing(const char *text)
{
	size_t depth = 0;
	char quote = '\0';

	for (const char *p = text; *p; p++) {
		if (quote) {
			quote = *p == quote ? '\0' : quote;
			continue;
		}
		if (*p == '"' || *p == '\'')
			quote = *p;
		depth += *p == '(';
		if (*p == ')' && !--depth)
			return p;
	}
	return NULL;
}

static const char *only_project(const char *key, void *arg)
{
	size_t *count = arg;

	++*count;
	return strcmp(key, PROJECT) != 0 ? NULL : key;
}

/* As v3_namespace_selector() gives it: about the project alone, and in canonical spelling. */
static bool is_namespace_selector(const char *text)
{
	CLEANUP(selector) struct selector *selector = selector_parse(text, NULL);
	size_t count = 0;

	return selector && !strcmp(selector_canonical(selector), text) &&
	       !selector_map_keys(selector, only_project, &count) && count;
}

void v3_split(const char *text, struct v3_parts *parts)
{
	static const char between[] = " && (";
	const char *first = *text == '(' ? closing(text) : NULL;
	const char *second = first ? first + sizeof(between) - 1 : NULL;
	char *namespace_selector = NULL;

	*parts = (struct v3_parts){0};
	if (is_namespace_selector(text)) {
		parts->namespace_selector = xstrdup(text);
		return;
	}
	if (first && !strncmp(first + 1, between, sizeof(between) - 1)) {
		const char *last = closing(second);

		if (last && !last[1])
			namespace_selector = xstrndup(text + 1, (size_t)(first - text) - 1);
	}
	if (namespace_selector && is_namespace_selector(namespace_selector)) {
		parts->namespace_selector = namespace_selector;
		parts->selector = xstrndup(second + 1, strlen(second) - 2);
		return;
	}
	free(namespace_selector);
	parts->selector = *text ? xstrdup(text) : NULL;
}

void v3_parts_clear(struct v3_parts *parts)
{
	free(parts->namespace_selector);
	free(parts->selector);
	*parts = (struct v3_parts){0};
}

static const char *show_key(const char *key, void *arg)
{
	(void)arg;
	return strcmp(key, PROJECT) != 0 ? key : "projectcalico.org/name";
}

char *v3_show_namespace(const char *namespace_selector)
{
	CLEANUP(selector) struct selector *selector = NULL;

	if (!strcmp(namespace_selector, ANY_PROJECT))
		return xstrdup("all()");
	if (!strcmp(namespace_selector, NO_PROJECT))
		return xstrdup("global()");
	selector = selector_parse(namespace_selector, NULL);
	if (!selector || selector_map_keys(selector, show_key, NULL))
		return xstrdup(namespace_selector);
	return xstrdup(selector_canonical(selector));
}
