/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/input.h"

#include "common/strbuf.h"
#include "common/xalloc.h"
#include "ctl/yaml_read.h"

#include <errno.h>
#include <string.h>

struct context {
	struct walk walk;
	struct input *input;
	enum policy_need need;
};

static const struct input_policy *find_policy(const struct input *input, const char *name)
{
	const json_t *place = json_object_get(input->index, name);

	return place ? &input->items[json_integer_value(place)] : NULL;
}

/* Takes over what the policy owns. */
static void append_policy(struct input *input, struct input_policy policy)
{
	if (!input->index)
		input->index = json_object();
	json_object_set_new(input->index, policy.name, json_integer((json_int_t)input->count));
	xgrow(input->items, input->count, input->cap);
	input->items[input->count++] = policy;
}

static void add_policy(struct context *c, const struct doc_node *node)
{
	cleanup_json json_t *record = policy_from_doc(&c->walk, node, c->need);
	const char *name = json_string_value(json_object_get(record, "name"));
	const struct input_policy *other = name ? find_policy(c->input, name) : NULL;

	if (!name)
		return;
	/* Two of one name in one input: the later would silently win. */
	if (other) {
		walk_refuse(&c->walk, node, "policy \"%s\" is already at %s:%u", name, other->file,
			other->line);
		return;
	}
	append_policy(c->input, (struct input_policy){
					.name = xstrdup(name),
					.file = xstrdup(c->walk.file),
					.line = node->line,
					.column = node->column,
					.record = steal_ptr(record),
				});
}

/* "" where it is absent or not text. */
static const char *word_of(const struct doc_node *node, const char *field)
{
	const struct doc_node *value = schema_lookup(node, field);

	return value && value->kind == DOC_SCALAR ? value->text : "";
}

/* An item of a policyList may leave out what the list has said. */
static bool is_kind(const struct doc_node *node, const char *kind, bool may_be_absent)
{
	const char *found_kind = word_of(node, "kind");
	const char *found_version = word_of(node, "apiVersion");

	if (may_be_absent && !*found_kind && !*found_version)
		return true;
	return !strcmp(found_kind, kind) && !strcmp(found_version, "v1");
}

static void refuse_kind(struct context *c, const struct doc_node *node)
{
	if (doc_is_null(node))
		walk_refuse(&c->walk, node, "empty document: kind and apiVersion are missing");
	else if (node->kind != DOC_MAPPING)
		walk_refuse(&c->walk, node, "a resource must be a mapping, not %s",
			doc_kind_name(node));
	else
		walk_refuse(&c->walk, node,
			"unknown resource type (%s) and/or version (%s): "
			"kind must be policy or policyList, apiVersion v1",
			word_of(node, "kind"), word_of(node, "apiVersion"));
}

static json_t *add_item(
	struct walk *walk schema_unused, const struct doc_node *node, const void *arg)
{
	struct context *c = *(struct context *const *)arg;

	if (node->kind == DOC_MAPPING && is_kind(node, "policy", true))
		add_policy(c, node);
	else
		refuse_kind(c, node);
	return NULL;
}

static const struct schema_field list_metadata_fields[] = {{NULL, NULL, NULL, NULL, false}};
static const struct schema list_metadata = {"a list's metadata", list_metadata_fields, NULL};

static void add_policy_list(struct context *c, const struct doc_node *node)
{
	const struct schema_list items = {"items", add_item, &c, YAML_NODES_MAX};
	const struct schema_field fields[] = {
		{"apiVersion", NULL, schema_text, NULL, false},
		{"kind", NULL, schema_text, NULL, false},
		{"metadata", NULL, schema_object, &list_metadata, false},
		{"items", NULL, schema_array, &items, true},
		{NULL, NULL, NULL, NULL, false},
	};
	const struct schema schema = {"a policyList", fields, NULL};

	json_decref(schema_object(&c->walk, node, &schema));
}

static void add_resource(struct context *c, const struct doc_node *node)
{
	if (node->kind == DOC_MAPPING && is_kind(node, "policy", false))
		add_policy(c, node);
	else if (node->kind == DOC_MAPPING && is_kind(node, "policyList", false))
		add_policy_list(c, node);
	else
		refuse_kind(c, node);
}

static void add_document(struct context *c, const struct doc_node *root)
{
	if (root->kind != DOC_SEQUENCE) {
		add_resource(c, root);
		return;
	}
	for (size_t i = 0; i < root->count; i++)
		add_resource(c, root->items[i]);
}

void input_add_text(struct input *input, const char *text, size_t len, const char *file,
	enum policy_need need, struct diag *diag)
{
	struct doc_list list cleanup_doc_list = {0};
	struct context context = {{file, diag}, input, need};
	size_t before = input->count;

	yaml_read(text, len, file, diag, &list);
	for (size_t i = 0; i < list.count; i++)
		add_document(&context, list.docs[i]);
	if (input->count == before && !diag->count)
		diag_add(diag, file, 0, 0, "no resources specified in file");
}

/* One byte more than is allowed is read, so that yaml_read() sees that it is too much. */
static int read_all(FILE *in, struct strbuf *text)
{
	char block[16384];
	size_t n;

	while (text->len <= YAML_BYTES_MAX && (n = fread(block, 1, sizeof(block), in)) > 0)
		strbuf_addn(text, block, n);
	return ferror(in) ? -1 : 0;
}

void input_add_file(struct input *input, const char *path, enum policy_need need, struct diag *diag)
{
	struct strbuf text cleanup_strbuf = {0};
	bool is_stdin = !strcmp(path, "-");
	cleanup_file FILE *file = is_stdin ? NULL : fopen(path, "re");

	if ((!is_stdin && !file) || read_all(is_stdin ? stdin : file, &text))
		diag_add(diag, path, 0, 0, "%s", strerror(errno));
	else
		input_add_text(input, text.text ? text.text : "", text.len, path, need, diag);
}

void input_add_name(struct input *input, const char *name)
{
	if (!find_policy(input, name))
		append_policy(input, (struct input_policy){.name = xstrdup(name)});
}

void input_clear(struct input *input)
{
	for (size_t i = 0; i < input->count; i++) {
		free(input->items[i].name);
		free(input->items[i].file);
		json_decref(input->items[i].record);
	}
	free(input->items);
	json_decref(input->index);
	*input = (struct input){0};
}
