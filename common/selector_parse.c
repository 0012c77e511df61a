/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/selector_internal.h"
#include "common/xalloc.h"

#include <string.h>

struct parser {
	const char *text, *at;
	unsigned depth;
	struct err *err;
};

static struct selector_node *parse_or(struct parser *p);

void selector_node_free(struct selector_node *node)
{
	if (!node)
		return;
	for (size_t i = 0; i < node->child_count; i++)
		selector_node_free(node->children[i]);
	for (size_t i = 0; i < node->value_count; i++)
		free(node->values[i]);
	free(node->children);
	free(node->values);
	free(node->key);
	free(node);
}

static void *fail_at(const struct parser *p, const char *at, const char *what, const char *more)
{
	err_set(p->err, 0, "column %zu: %s%s", (size_t)(at - p->text) + 1, what, more);
	return NULL;
}

/* A YAML block scalar ends with a line break, which the language does not take for a blank: worth a word. */
static void *expected(const struct parser *p, const char *what)
{
	cleanup_free char *text = xasprintf("expected %s", what);

	return fail_at(
		p, p->at, text, *p->at == '\n' || *p->at == '\r' ? ", found a line break" : "");
}

static void skip_blanks(struct parser *p)
{
	while (*p->at == ' ' || *p->at == '\t')
		p->at++;
}

static bool is_key_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("_./-", c));
}

static bool take(struct parser *p, const char *token)
{
	size_t len = strlen(token);

	skip_blanks(p);
	if (strncmp(p->at, token, len) != 0)
		return false;
	p->at += len;
	return true;
}

/* A word that must not run on into a longer identifier: "in", "contains". */
static bool take_word(struct parser *p, const char *word)
{
	size_t len = strlen(word);

	skip_blanks(p);
	if (strncmp(p->at, word, len) != 0 || is_key_char(p->at[len]))
		return false;
	p->at += len;
	return true;
}

/* "not in" with any blanks between, or none; "contains" is one word, and second is NULL. */
static bool take_words(struct parser *p, const char *first, const char *second)
{
	const char *start = p->at;
	size_t len = strlen(first);

	skip_blanks(p);
	if (!second)
		return take_word(p, first);
	if (!strncmp(p->at, first, len)) {
		p->at += len;
		if (take_word(p, second))
			return true;
	}
	p->at = start;
	return false;
}

static struct selector_node *new_node(enum selector_op op)
{
	struct selector_node *node = xcalloc(1, sizeof(*node));

	node->op = op;
	return node;
}

static void add_child(struct selector_node *node, struct selector_node *child)
{
	xgrow(node->children, node->child_count, node->child_cap);
	node->children[node->child_count++] = child;
}

static void add_value(struct selector_node *node, char *value)
{
	xgrow(node->values, node->value_count, node->value_cap);
	node->values[node->value_count++] = value;
}

/* A quoted string; no escapes; may hold the other quote and newlines. */
static char *parse_string(struct parser *p)
{
	const char *start, *end;

	skip_blanks(p);
	if (*p->at != '"' && *p->at != '\'')
		return expected(p, "a quoted string");
	start = p->at + 1;
	end = strchr(start, *p->at);
	if (!end)
		return expected(p, "the end of this string");
	p->at = end + 1;
	return xstrndup(start, (size_t)(end - start));
}

static char *parse_key(struct parser *p, const char *what)
{
	const char *start;

	skip_blanks(p);
	start = p->at;
	while (is_key_char(*p->at))
		p->at++;
	if (p->at == start)
		return expected(p, what);
	if (p->at - start > LABEL_KEY_MAX)
		return fail_at(p, start, "label key longer than 512 characters", "");
	return xstrndup(start, (size_t)(p->at - start));
}

static int compare_values(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_values(struct selector_node *node)
{
	size_t kept = 0;

	if (!node->value_count)
		return;
	qsort(node->values, node->value_count, sizeof(*node->values), compare_values);
	for (size_t i = 1; i < node->value_count; i++) {
		if (!strcmp(node->values[i], node->values[kept]))
			free(node->values[i]);
		else
			node->values[++kept] = node->values[i];
	}
	node->value_count = kept + 1;
}

/* "{" [ STR { "," STR } [","] ] "}" */
static bool parse_set(struct parser *p, struct selector_node *node)
{
	if (!take(p, "{"))
		return expected(p, "\"{\"");
	while (!take(p, "}")) {
		char *value = parse_string(p);

		if (!value)
			return false;
		add_value(node, value);
		if (take(p, ","))
			continue;
		if (!take(p, "}"))
			return expected(p, "\",\" or \"}\"");
		break;
	}
	sort_values(node);
	return true;
}

static bool parse_one_value(struct parser *p, struct selector_node *node)
{
	char *value = parse_string(p);

	if (value)
		add_value(node, value);
	return value != NULL;
}

/* Keywords count only here, right after a key: so keys may be called "in" or "not". */
static bool take_operator(struct parser *p, enum selector_op *op)
{
	static const struct {
		const char *first, *second;
		enum selector_op op;
	} words[] = {
		{"not", "in", SEL_NOT_IN},
		{"in", NULL, SEL_IN},
		{"contains", NULL, SEL_CONTAINS},
		{"starts", "with", SEL_STARTS_WITH},
		{"ends", "with", SEL_ENDS_WITH},
	};

	*op = SEL_EQ;
	if (take(p, "=="))
		return true;
	*op = SEL_NE;
	if (take(p, "!="))
		return true;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		*op = words[i].op;
		if (take_words(p, words[i].first, words[i].second))
			return true;
	}
	return false;
}

static bool parse_comparison(struct parser *p, struct selector_node *node)
{
	skip_blanks(p);
	if (!take_operator(p, &node->op))
		return expected(p,
			"==, !=, in, not in, contains, starts with or ends with after the label key");
	return node->op == SEL_IN || node->op == SEL_NOT_IN ? parse_set(p, node)
							    : parse_one_value(p, node);
}

static struct selector_node *parse_has(struct parser *p)
{
	CLEANUP(selector_node) struct selector_node *node = new_node(SEL_HAS);

	node->key = parse_key(p, "a label key");
	if (!node->key)
		return NULL;
	if (!take(p, ")"))
		return expected(p, "\")\" after has(KEY");
	return steal_ptr(node);
}

static struct selector_node *parse_parentheses(struct parser *p)
{
	CLEANUP(selector_node) struct selector_node *node = NULL;

	if (++p->depth > SELECTOR_DEPTH_MAX)
		return fail_at(p, p->at - 1, "more than 100 nested parentheses", "");
	node = parse_or(p);
	if (!node)
		return NULL;
	if (!take(p, ")"))
		return expected(p, "\")\", && or ||");
	p->depth--;
	return steal_ptr(node);
}

static struct selector_node *parse_primary(struct parser *p)
{
	CLEANUP(selector_node) struct selector_node *node = NULL;

	if (take(p, "("))
		return parse_parentheses(p);
	if (take(p, "all(")) {
		if (!take(p, ")"))
			return expected(p, "\")\" after all(");
		return new_node(SEL_ALL);
	}
	if (take(p, "has("))
		return parse_has(p);
	if (take(p, "global("))
		return fail_at(p, p->at - strlen("global("),
			"global() stands alone, as a whole namespaceSelector",
			"; expected a label key, has(KEY), all() or \"(\"");
	node = new_node(SEL_EQ);
	node->key = parse_key(p, "a label key, has(KEY), all() or \"(\"");
	if (!node->key || !parse_comparison(p, node))
		return NULL;
	return steal_ptr(node);
}

/* Takes over operand. "!(!x)" is x, so that what is printed reads back as the same tree. */
static struct selector_node *negated(struct selector_node *operand)
{
	struct selector_node *node;

	if (operand->op == SEL_NOT) {
		node = operand->children[0];
		operand->child_count = 0;
		selector_node_free(operand);
		return node;
	}
	node = new_node(SEL_NOT);
	add_child(node, operand);
	return node;
}

/* Runs of "!" are counted, not nested: they cost no depth and an even number is none. */
static struct selector_node *parse_not(struct parser *p)
{
	struct selector_node *operand;
	bool negate = false;

	for (;;) {
		skip_blanks(p);
		if (*p->at != '!')
			break;
		p->at++;
		negate = !negate;
	}
	operand = parse_primary(p);
	return operand && negate ? negated(operand) : operand;
}

static struct selector_node *parse_chain(struct parser *p, enum selector_op op, const char *token,
	struct selector_node *(*operand)(struct parser *p))
{
	CLEANUP(selector_node) struct selector_node *node = NULL;
	struct selector_node *operand_node = operand(p);

	if (!operand_node || !take(p, token))
		return operand_node;
	node = new_node(op);
	add_child(node, operand_node);
	do {
		operand_node = operand(p);
		if (!operand_node)
			return NULL;
		add_child(node, operand_node);
	} while (take(p, token));
	return steal_ptr(node);
}

static struct selector_node *parse_and(struct parser *p)
{
	return parse_chain(p, SEL_AND, "&&", parse_not);
}

static struct selector_node *parse_or(struct parser *p)
{
	return parse_chain(p, SEL_OR, "||", parse_and);
}

struct selector_node *selector_parse_tree(const char *text, struct err *err)
{
	struct parser p = {.text = text, .at = text, .err = err};
	CLEANUP(selector_node) struct selector_node *node = NULL;

	if (strnlen(text, SELECTOR_TEXT_MAX + 1) > SELECTOR_TEXT_MAX) {
		err_set(err, 0, "selector is longer than %d characters", SELECTOR_TEXT_MAX);
		return NULL;
	}
	skip_blanks(&p);
	if (!*p.at)
		return new_node(SEL_ALL);
	node = parse_or(&p);
	if (!node)
		return NULL;
	skip_blanks(&p);
	if (*p.at)
		return expected(&p, "&&, || or the end of the selector");
	return steal_ptr(node);
}
