/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/schema.h"

#include "common/strbuf.h"
#include "common/xalloc.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

enum { FIELDS_MAX = 16, DIGITS_MAX = 18 };

json_t *walk_refuse(struct walk *walk, const struct doc_node *node, const char *fmt, ...)
{
	cleanup_free char *what = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&what, fmt, args) < 0)
		what = xstrdup(fmt);
	va_end(args);
	diag_add(walk->diag, walk->file, node->line, node->column, "%s", what);
	return NULL;
}

const struct doc_node *schema_lookup(const struct doc_node *mapping, const char *name)
{
	const struct doc_node *found = doc_get(mapping, name);

	if (mapping->kind != DOC_MAPPING)
		return NULL;
	for (size_t i = 0; !found && i < mapping->count; i++)
		if (!strcasecmp(mapping->keys[i]->text, name))
			found = mapping->items[i];
	return found && !doc_is_null(found) ? found : NULL;
}

static const struct schema_field *find_field(const struct schema *schema, const char *key)
{
	for (const struct schema_field *f = schema->fields; f->name; f++)
		if (!strcmp(f->name, key))
			return f;
	for (const struct schema_field *f = schema->fields; f->name; f++)
		if (!strcasecmp(f->name, key))
			return f;
	return NULL;
}

static void unknown_field(
	struct walk *walk, const struct schema *schema, const struct doc_node *key)
{
	struct strbuf known cleanup_strbuf = {0};

	for (const struct schema_field *f = schema->fields; f->name; f++)
		strbuf_addf(&known, "%s%s", f == schema->fields ? "" : ", ", f->name);
	walk_refuse(walk, key, "unknown field \"%s\" in %s (it has %s)", key->text, schema->what,
		known.text);
}

static void read_field(struct walk *walk, const struct schema_field *field,
	const struct doc_node *value, json_t *object)
{
	json_t *converted;

	if (doc_is_null(value))
		return;
	converted = field->convert(walk, value, field->arg);
	if (converted && field->store)
		json_object_set_new(object, field->store, converted);
	else
		json_decref(converted);
}

static void check_required(
	struct walk *walk, const struct schema *schema, const struct doc_node *node)
{
	for (const struct schema_field *f = schema->fields; f->name; f++)
		if (f->required && !schema_lookup(node, f->name))
			walk_refuse(walk, node, "%s is missing in %s", f->name, schema->what);
}

json_t *schema_object(struct walk *walk, const struct doc_node *node, const void *arg)
{
	const struct schema *schema = arg;
	const struct doc_node *seen[FIELDS_MAX] = {NULL};
	json_t *object;

	if (node->kind != DOC_MAPPING)
		return walk_refuse(walk, node, "%s must be a mapping, not %s", schema->what,
			doc_kind_name(node));
	check_required(walk, schema, node);
	object = json_object();
	for (size_t i = 0; i < node->count; i++) {
		const struct doc_node *key = node->keys[i];
		const struct schema_field *field = find_field(schema, key->text);
		const struct doc_node **first = field ? &seen[field - schema->fields] : NULL;

		if (!field)
			unknown_field(walk, schema, key);
		else if (*first && strcmp((*first)->text, key->text) != 0)
			walk_refuse(walk, key, "\"%s\" is \"%s\" of line %u again", key->text,
				(*first)->text, (*first)->line);
		else if (!*first)
			read_field(walk, field, node->items[i], object);
		if (first && !*first)
			*first = key;
	}
	if (schema->check)
		schema->check(walk, node, object);
	return object;
}

json_t *schema_array(struct walk *walk, const struct doc_node *node, const void *arg)
{
	const struct schema_list *list = arg;
	json_t *array;

	if (node->kind != DOC_SEQUENCE)
		return walk_refuse(
			walk, node, "%s must be a list, not %s", list->what, doc_kind_name(node));
	if (node->count > list->max)
		return walk_refuse(walk, node, "%zu %s in one list: at most %zu are possible",
			node->count, list->what, list->max);
	array = json_array();
	for (size_t i = 0; i < node->count; i++) {
		json_t *item = list->convert(walk, node->items[i], list->arg);

		if (item)
			json_array_append_new(array, item);
	}
	return array;
}

json_t *schema_text(struct walk *walk, const struct doc_node *node, const void *arg schema_unused)
{
	if (node->kind != DOC_SCALAR)
		return walk_refuse(walk, node, "text is wanted here, not %s", doc_kind_name(node));
	return json_string(doc_is_null(node) ? "" : node->text);
}

json_t *schema_text_map(struct walk *walk, const struct doc_node *node, const void *arg)
{
	json_t *object;

	if (node->kind != DOC_MAPPING)
		return walk_refuse(
			walk, node, "a mapping is wanted here, not %s", doc_kind_name(node));
	object = json_object();
	for (size_t i = 0; i < node->count; i++) {
		json_t *value = schema_text(walk, node->items[i], arg);

		if (value)
			json_object_set_new(object, node->keys[i]->text, value);
	}
	return object;
}

/* False for text, lists and mappings, and for "5": quotes make text of a number. */
static bool is_plain(struct walk *walk, const struct doc_node *node, const char *what)
{
	if (node->kind == DOC_SCALAR && !node->quoted)
		return true;
	walk_refuse(walk, node, "%s is wanted here, not %s", what,
		node->kind == DOC_SCALAR ? "quoted text" : doc_kind_name(node));
	return false;
}

/* [-+]digits[.digits][e[-+]digits] without a leading zero: "010" is 8 to some readers of YAML and 10 to others. */
static bool is_decimal(const char *s)
{
	size_t whole, fraction = 0, exponent;

	s += *s == '-' || *s == '+';
	whole = strspn(s, "0123456789");
	if (whole > 1 && *s == '0')
		return false;
	s += whole;
	if (*s == '.') {
		fraction = strspn(s + 1, "0123456789");
		s += 1 + fraction;
	}
	if (!whole && !fraction)
		return false;
	if (*s == 'e' || *s == 'E') {
		s += 1 + (s[1] == '-' || s[1] == '+');
		exponent = strspn(s, "0123456789");
		s += exponent;
		if (!exponent)
			return false;
	}
	return !*s;
}

json_t *schema_number(struct walk *walk, const struct doc_node *node, const void *arg schema_unused)
{
	static const double whole_max =
		9007199254740992.0; /* 2^53: as an integer still the same double */
	double value;

	if (!is_plain(walk, node, "a number"))
		return NULL;
	if (!is_decimal(node->text))
		return walk_refuse(walk, node, "\"%s\" is not a decimal number", node->text);
	value = strtod(node->text, NULL);
	if (!isfinite(value))
		return walk_refuse(walk, node, "%s is not a finite number", node->text);
	/* one spelling for one value: 1e1 and 10.0 are stored as 10 */
	if (fabs(value) <= whole_max && value == (double)(json_int_t)value)
		return json_integer((json_int_t)value);
	return json_real(value);
}

long schema_digits(const char *text, long max)
{
	size_t len = strlen(text);
	long value;

	if (!len || len > DIGITS_MAX || strspn(text, "0123456789") != len)
		return -1;
	if (len > 1 && *text == '0')
		return -1;
	value = strtol(text, NULL, 10);
	return value <= max ? value : -1;
}

json_t *schema_integer(struct walk *walk, const struct doc_node *node, const void *arg)
{
	const struct schema_range *range = arg;
	long value;

	if (!is_plain(walk, node, range->what))
		return NULL;
	value = schema_digits(node->text, range->max);
	if (value < range->min)
		return walk_refuse(walk, node, "\"%s\" is not %s (%ld to %ld)", node->text,
			range->what, range->min, range->max);
	return json_integer(value);
}

json_t *schema_ignore(struct walk *walk schema_unused, const struct doc_node *node schema_unused,
	const void *arg schema_unused)
{
	return NULL;
}
