/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/input.h"

#include "common/policy.h"
#include "common/strbuf.h"
#include "common/xalloc.h"
#include "ctl/resource.h"
#include "ctl/v3_define.h"
#include "ctl/v3_schema.h"
#include "ctl/yaml_read.h"

#include <errno.h>
#include <string.h>

enum { VERSION_MAX = 256 };

struct context {
	struct walk walk;
	struct input *input;
	enum policy_need need;
};

/* Caller frees. */
static char *index_key(enum store_kind kind, const char *name)
{
	return xasprintf("%s/%s", store_kind_name(kind), name);
}

static const struct input_policy *find_policy(
	const struct input *input, enum store_kind kind, const char *name)
{
	cleanup_free char *key = index_key(kind, name);
	const json_t *place = json_object_get(input->index, key);

	return place ? &input->items[json_integer_value(place)] : NULL;
}

/* Takes over what the policy owns. */
static void append_policy(struct input *input, struct input_policy policy)
{
	cleanup_free char *key = index_key(policy.kind, policy.name);

	if (!input->index)
		input->index = json_object();
	json_object_set_new(input->index, key, json_integer((json_int_t)input->count));
	xgrow(input->items, input->count, input->cap);
	input->items[input->count++] = policy;
}

/*
 * Of which content of the store the object was made: the same place for every kind, and no part of what is stored. NULL where it says
 * nothing.
 */
static char *read_version(struct walk *walk, const struct doc_node *node)
{
	const struct doc_node *metadata = schema_lookup(node, "metadata");
	const struct doc_node *version = metadata && metadata->kind == DOC_MAPPING
						 ? schema_lookup(metadata, "resourceVersion")
						 : NULL;

	if (!version)
		return NULL;
	if (version->kind == DOC_SCALAR && strlen(version->text) <= VERSION_MAX)
		return *version->text ? xstrdup(version->text) : NULL;
	walk_refuse(walk, version, "metadata.resourceVersion: text of at most %d bytes is wanted",
		VERSION_MAX);
	return NULL;
}

/* Takes over the record; NULL was refused already. */
static void add_record(
	struct context *c, const struct doc_node *node, enum store_kind kind, json_t *owned)
{
	cleanup_json json_t *record = owned;
	const char *name = json_string_value(json_object_get(record, "name"));
	const struct input_policy *other = name ? find_policy(c->input, kind, name) : NULL;

	if (!name)
		return;
	/* Two of one name in one input: the later would silently win. */
	if (other) {
		walk_refuse(&c->walk, node, "%s \"%s\" is already at %s:%u",
			resource_of(kind)->word, name, other->file, other->line);
		return;
	}
	append_policy(c->input, (struct input_policy){
					.kind = kind,
					.name = xstrdup(name),
					.file = xstrdup(c->walk.file),
					.version = read_version(&c->walk, node),
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

static void refuse_kind(struct context *c, const struct doc_node *node)
{
	if (doc_is_null(node))
		walk_refuse(&c->walk, node, "empty document: kind and apiVersion are missing");
	else if (node->kind != DOC_MAPPING)
		walk_refuse(&c->walk, node, "a resource must be a mapping, not %s",
			doc_kind_name(node));
	else
		walk_refuse(&c->walk, node,
			"unknown resource type (%s) and/or version (%s): kind must be policy or "
			"policyList and apiVersion v1, or a network policy, Tier or GlobalNetworkSet of " V3_API_VERSION,
			word_of(node, "kind"), word_of(node, "apiVersion"));
}

static void add_v1_policy(struct context *c, const struct doc_node *node)
{
	add_record(c, node, KIND_POLICY, policy_from_doc(&c->walk, node, c->need));
}

static void add_v3(struct context *c, const struct doc_node *node, const struct v3_kind *kind)
{
	json_t *record;

	if (kind->refusal) {
		walk_refuse(&c->walk, node, "%s: %s", kind->name, kind->refusal);
		return;
	}
	if (kind->kind == KIND_TIER)
		record = v3_tier_from_doc(&c->walk, node, c->need);
	else if (kind->kind == KIND_NETSET)
		record = v3_netset_from_doc(&c->walk, node, c->need);
	else
		record = v3_policy_from_doc(&c->walk, node, kind, c->need);
	add_record(c, node, kind->kind, record);
}

/* One object that is no list; false if it is none of a known kind. */
static bool add_object(
	struct context *c, const struct doc_node *node, const char *kind, const char *version)
{
	const struct v3_kind *v3 = NULL;

	if (!strcmp(version, "v1") && !strcmp(kind, "policy")) {
		add_v1_policy(c, node);
		return true;
	}
	if (!strcmp(version, V3_API_VERSION))
		v3 = v3_kind_find(kind);
	if (v3)
		add_v3(c, node, v3);
	return v3 != NULL;
}

/* Of a list: what its items are unless they say it themselves. */
struct list_kind {
	struct context *context;
	char *kind;
	const char *version;
};

/* An item may leave out what the list has said, but not half of it. */
static json_t *add_item(
	struct walk *walk schema_unused, const struct doc_node *node, const void *arg)
{
	const struct list_kind *list = arg;
	const char *kind = word_of(node, "kind"), *version = word_of(node, "apiVersion");
	bool silent = !*kind && !*version;

	if (node->kind != DOC_MAPPING ||
		!add_object(list->context, node, silent ? list->kind : kind,
			silent ? list->version : version))
		refuse_kind(list->context, node);
	return NULL;
}

static const struct schema_field list_metadata_fields[] = {{NULL, NULL, NULL, NULL, false}};
static const struct schema list_metadata = {"a list's metadata", list_metadata_fields, NULL};

static const struct schema_field v3_list_metadata_fields[] = {
	{"resourceVersion", NULL, schema_ignore, NULL, false},
	{"selfLink", NULL, schema_ignore, NULL, false},
	{NULL, NULL, NULL, NULL, false},
};
static const struct schema v3_list_metadata = {"a list's metadata", v3_list_metadata_fields, NULL};

static void add_list(struct context *c, const struct doc_node *node, struct list_kind *kind)
{
	bool v3 = strcmp(kind->version, "v1") != 0;
	const struct schema_list items = {"items", add_item, kind, YAML_NODES_MAX};
	const struct schema_field fields[] = {
		{"apiVersion", NULL, schema_text, NULL, false},
		{"kind", NULL, schema_text, NULL, false},
		{"metadata", NULL, schema_object, v3 ? &v3_list_metadata : &list_metadata, false},
		{"items", NULL, schema_array, &items, true},
		{NULL, NULL, NULL, NULL, false},
	};
	const struct schema schema = {v3 ? "a list" : "a policyList", fields, NULL};

	json_decref(schema_object(&c->walk, node, &schema));
}

/* "GlobalNetworkPolicyList" is a list of GlobalNetworkPolicy; NULL for what is no list. */
static char *listed_kind(const char *kind, const char *version)
{
	static const char suffix[] = "List";
	size_t len = strlen(kind), end = sizeof(suffix) - 1;
	bool v1 = !strcmp(version, "v1") && !strcmp(kind, "policyList");

	if (len <= end || strcmp(kind + len - end, suffix) != 0)
		return NULL;
	return v1 || !strcmp(version, V3_API_VERSION) ? xstrndup(kind, len - end) : NULL;
}

static bool add_mapping(struct context *c, const struct doc_node *node)
{
	const char *kind = word_of(node, "kind"), *version = word_of(node, "apiVersion");
	cleanup_free char *listed = listed_kind(kind, version);
	struct list_kind list = {c, listed, version};

	if (!listed || (strcmp(listed, "policy") != 0 && !v3_kind_find(listed)))
		return add_object(c, node, kind, version);
	add_list(c, node, &list);
	return true;
}

static void add_resource(struct context *c, const struct doc_node *node)
{
	if (node->kind != DOC_MAPPING || !add_mapping(c, node))
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

	input->bytes += len;
	if (input->bytes > INPUT_BYTES_MAX) {
		/* said once, not for each file from here on */
		if (input->bytes - len <= INPUT_BYTES_MAX)
			diag_add(diag, file, 0, 0, "with this file it is more than %d MiB in all",
				INPUT_BYTES_MAX >> 20);
		return;
	}
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
	cleanup_file FILE *file = NULL;

	if (input->bytes > INPUT_BYTES_MAX)
		return; /* refused already */
	file = is_stdin ? NULL : fopen(path, "re");
	if ((!is_stdin && !file) || read_all(is_stdin ? stdin : file, &text))
		diag_add(diag, path, 0, 0, "%s", strerror(errno));
	else
		input_add_text(input, text.text ? text.text : "", text.len, path, need, diag);
}

static void stage_one(struct input *input, size_t i, struct diag *diag)
{
	struct input_policy *policy = &input->items[i];
	cleanup_free char *before = index_key(policy->kind, policy->name), *after = NULL;
	const char *name;
	struct err err = {0};

	if (policy->kind != KIND_POLICY) {
		diag_add(diag, policy->file, policy->line, policy->column,
			"%s \"%s\": only policies can be staged", resource_of(policy->kind)->word,
			policy->name);
		return;
	}
	policy_stage(policy->record);
	name = json_string_value(json_object_get(policy->record, "name"));
	if (!strcmp(name, policy->name))
		return;
	if (policy_name_check(name, &err))
		diag_add(diag, policy->file, policy->line, policy->column, "as staged: %s",
			err.text);
	if (find_policy(input, KIND_POLICY, name))
		diag_add(diag, policy->file, policy->line, policy->column,
			"as staged, policy \"%s\" is there twice", policy->name);
	after = index_key(policy->kind, name);
	json_object_del(input->index, before);
	json_object_set_new(input->index, after, json_integer((json_int_t)i));
	free(policy->name);
	policy->name = xstrdup(name);
	/* it was the version of the one in force */
	free(policy->version);
	policy->version = NULL;
}

void input_stage(struct input *input, struct diag *diag)
{
	for (size_t i = 0; i < input->count; i++)
		stage_one(input, i, diag);
}

void input_add_name(struct input *input, enum store_kind kind, const char *name)
{
	if (!find_policy(input, kind, name))
		append_policy(input, (struct input_policy){.kind = kind, .name = xstrdup(name)});
}

void input_clear(struct input *input)
{
	for (size_t i = 0; i < input->count; i++) {
		free(input->items[i].name);
		free(input->items[i].file);
		free(input->items[i].version);
		json_decref(input->items[i].record);
	}
	free(input->items);
	json_decref(input->index);
	*input = (struct input){0};
}
