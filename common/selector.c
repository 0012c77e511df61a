/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/selector.h"

#include "common/selector_internal.h"
#include "common/strbuf.h"
#include "common/xalloc.h"

#include <openssl/evp.h>
#include <string.h>

struct selector {
	struct selector_node *root;
	char *canonical;
	char id[SELECTOR_ID_LEN + 1];
	bool names_host;
};

/* Double quotes, or single ones where the value itself holds a double quote: one of them always fits. */
static void print_value(struct strbuf *out, const char *value)
{
	char quote = strchr(value, '"') ? '\'' : '"';

	strbuf_addf(out, "%c%s%c", quote, value, quote);
}

static void print_node(struct strbuf *out, const struct selector_node *node);

static void print_chain(struct strbuf *out, const struct selector_node *node, const char *operator)
{
	strbuf_add(out, "(");
	for (size_t i = 0; i < node->child_count; i++) {
		if (i)
			strbuf_add(out, operator);
		print_node(out, node->children[i]);
	}
	strbuf_add(out, ")");
}

static void print_set(struct strbuf *out, const struct selector_node *node, const char *operator)
{
	strbuf_addf(out, "%s %s {", node->key, operator);
	for (size_t i = 0; i < node->value_count; i++) {
		if (i)
			strbuf_add(out, ", ");
		print_value(out, node->values[i]);
	}
	strbuf_add(out, "}");
}

static void print_comparison(
	struct strbuf *out, const struct selector_node *node, const char *operator)
{
	strbuf_addf(out, "%s %s ", node->key, operator);
	print_value(out, node->values[0]);
}

static void print_node(struct strbuf *out, const struct selector_node *node)
{
	switch (node->op) {
	case SEL_ALL:
		strbuf_add(out, "all()");
		break;
	case SEL_HAS:
		strbuf_addf(out, "has(%s)", node->key);
		break;
	case SEL_EQ:
		print_comparison(out, node, "==");
		break;
	case SEL_NE:
		print_comparison(out, node, "!=");
		break;
	case SEL_CONTAINS:
		print_comparison(out, node, "contains");
		break;
	case SEL_STARTS_WITH:
		print_comparison(out, node, "starts with");
		break;
	case SEL_ENDS_WITH:
		print_comparison(out, node, "ends with");
		break;
	case SEL_IN:
		print_set(out, node, "in");
		break;
	case SEL_NOT_IN:
		print_set(out, node, "not in");
		break;
	case SEL_NOT:
		strbuf_add(out, "!");
		print_node(out, node->children[0]);
		break;
	case SEL_AND:
		print_chain(out, node, " && ");
		break;
	case SEL_OR:
		print_chain(out, node, " || ");
		break;
	}
}

static void make_id(const char *canonical, char id[SELECTOR_ID_LEN + 1])
{
	unsigned char digest[EVP_MAX_MD_SIZE] = {0};

	/* without SHA-256 every selector would have the same name in the kernel */
	if (EVP_Digest(canonical, strlen(canonical), digest, NULL, EVP_sha256(), NULL) != 1)
		abort();
	for (size_t i = 0; i < SELECTOR_ID_LEN / 2; i++)
		snprintf(id + 2 * i, 3, "%02x", digest[i]);
}

static bool names_key(const struct selector_node *node, const char *key)
{
	if (node->key && !strcmp(node->key, key))
		return true;
	for (size_t i = 0; i < node->child_count; i++)
		if (names_key(node->children[i], key))
			return true;
	return false;
}

static void make_canonical(struct selector *sel)
{
	struct strbuf canonical = {0};

	print_node(&canonical, sel->root);
	free(sel->canonical);
	sel->canonical = strbuf_take(&canonical);
	make_id(sel->canonical, sel->id);
	sel->names_host = names_key(sel->root, LABEL_HOST);
}

struct selector *selector_parse(const char *text, struct err *err)
{
	struct selector_node *root = selector_parse_tree(text, err);
	struct selector *sel;

	if (!root)
		return NULL;
	sel = xcalloc(1, sizeof(*sel));
	sel->root = root;
	make_canonical(sel);
	return sel;
}

static int map_keys(
	struct selector_node *node, const char *(*fn)(const char *key, void *arg), void *arg)
{
	const char *key = node->key ? fn(node->key, arg) : NULL;

	if (node->key && !key)
		return -1;
	if (key != node->key) {
		char *copy = xstrdup(key);

		free(node->key);
		node->key = copy;
	}
	for (size_t i = 0; i < node->child_count; i++)
		if (map_keys(node->children[i], fn, arg))
			return -1;
	return 0;
}

int selector_map_keys(
	struct selector *sel, const char *(*fn)(const char *key, void *arg), void *arg)
{
	if (map_keys(sel->root, fn, arg))
		return -1;
	make_canonical(sel);
	return 0;
}

void selector_free(struct selector *sel)
{
	if (!sel)
		return;
	selector_node_free(sel->root);
	free(sel->canonical);
	free(sel);
}

const char *selector_canonical(const struct selector *sel)
{
	return sel->canonical;
}

const char *selector_id(const struct selector *sel)
{
	return sel->id;
}

bool selector_names_host(const struct selector *sel)
{
	return sel->names_host;
}

/* The values are sorted by the parser. */
static bool value_in(const struct selector_node *node, const char *value)
{
	size_t low = 0, high = node->value_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		int order = strcmp(node->values[mid], value);

		if (!order)
			return true;
		if (order < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return end_len <= len && !strcmp(text + len - end_len, end);
}

static bool match_node(const struct selector_node *node, const struct labels *labels);

/* AND stops at the first false child, OR at the first true one. */
static bool match_chain(const struct selector_node *node, const struct labels *labels, bool stop_at)
{
	for (size_t i = 0; i < node->child_count; i++)
		if (match_node(node->children[i], labels) == stop_at)
			return stop_at;
	return !stop_at;
}

static bool match_node(const struct selector_node *node, const struct labels *labels)
{
	const char *value = node->key ? labels_get(labels, node->key) : NULL;

	switch (node->op) {
	case SEL_ALL:
		return true;
	case SEL_HAS:
		return value != NULL;
	case SEL_EQ:
	case SEL_IN:
		return value && value_in(node, value);
	case SEL_NE:
	case SEL_NOT_IN:
		return !value || !value_in(node, value);
	case SEL_CONTAINS:
		return value && strstr(value, node->values[0]);
	case SEL_STARTS_WITH:
		return value && !strncmp(value, node->values[0], strlen(node->values[0]));
	case SEL_ENDS_WITH:
		return value && ends_with(value, node->values[0]);
	case SEL_NOT:
		return !match_node(node->children[0], labels);
	case SEL_AND:
		return match_chain(node, labels, false);
	case SEL_OR:
		return match_chain(node, labels, true);
	}
	return false;
}

bool selector_match(const struct selector *sel, const struct labels *labels)
{
	return match_node(sel->root, labels);
}

static void each_label(const struct selector_node *node,
	void (*fn)(const char *key, const char *value, void *arg), void *arg)
{
	if (node->op == SEL_HAS)
		fn(node->key, NULL, arg);
	for (size_t i = 0; i < node->value_count; i++)
		fn(node->key, node->values[i], arg);
	for (size_t i = 0; i < node->child_count; i++)
		each_label(node->children[i], fn, arg);
}

void selector_each_label(const struct selector *sel,
	void (*fn)(const char *key, const char *value, void *arg), void *arg)
{
	each_label(sel->root, fn, arg);
}
