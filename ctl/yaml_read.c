/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/yaml_read.h"

#include "common/xalloc.h"

#include <string.h>
#include <uthash.h>
#include <yaml.h>

/* A collection that is being filled; a mapping holds its key until the value is complete. */
struct level {
	struct doc_node *node;
	struct doc_node *key;
};

struct reader {
	yaml_parser_t parser;
	const char *file;
	struct diag *diag;
	struct doc_list *list;
	struct level levels[YAML_DEPTH_MAX];
	size_t depth;
	size_t nodes;
};

static int refuse(struct reader *r, const yaml_event_t *event, const char *what)
{
	diag_add(r->diag, r->file, (unsigned)event->start_mark.line + 1,
		(unsigned)event->start_mark.column + 1, "%s", what);
	return -1;
}

static void append_document(struct reader *r, struct doc_node *root)
{
	xgrow(r->list->docs, r->list->count, r->list->cap);
	r->list->docs[r->list->count++] = root;
}

/* A complete node takes its place: document root, list item, key, or value of the pending key. */
static int place(struct reader *r, const yaml_event_t *event, struct doc_node *node)
{
	struct level *top = r->depth ? &r->levels[r->depth - 1] : NULL;

	if (!top) {
		append_document(r, node);
	} else if (top->node->kind == DOC_MAPPING && !top->key) {
		if (node->kind != DOC_SCALAR) {
			doc_node_free(node);
			return refuse(r, event, "a key must be plain text");
		}
		top->key = node;
	} else {
		doc_node_append(top->node, top->key, node);
		top->key = NULL;
	}
	return 0;
}

/* "!!str" and its kin are understood; anything else would be silently dropped meaning. */
static int check_tag(struct reader *r, const yaml_event_t *event, const char *tag)
{
	static const char *const known[] = {YAML_STR_TAG, YAML_INT_TAG, YAML_FLOAT_TAG,
		YAML_BOOL_TAG, YAML_NULL_TAG, YAML_SEQ_TAG, YAML_MAP_TAG};

	if (!tag)
		return 0;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (!strcmp(tag, known[i]))
			return 0;
	return refuse(r, event, "this YAML tag is not supported");
}

static int count_node(struct reader *r, const yaml_event_t *event)
{
	return ++r->nodes <= YAML_NODES_MAX ? 0 : refuse(r, event, "too many values in one file");
}

/*
 * Where bytes of the text and columns of the file advance together: on one line, and as long in the file as in memory
 * but for its quotes (no escapes, nothing folded, ASCII).
 */
static unsigned text_column(const yaml_event_t *event, bool quotes)
{
	size_t span = event->end_mark.column - event->start_mark.column;

	if (event->start_mark.line != event->end_mark.line ||
		span != event->data.scalar.length + (quotes ? 2 : 0))
		return 0;
	return (unsigned)event->start_mark.column + 1 + quotes;
}

static int on_scalar(struct reader *r, const yaml_event_t *event)
{
	const char *value = (const char *)event->data.scalar.value;
	const char *tag = (const char *)event->data.scalar.tag;
	yaml_scalar_style_t style = event->data.scalar.style;
	struct doc_node *node;

	if (count_node(r, event) || check_tag(r, event, tag))
		return -1;
	if (memchr(value, '\0', event->data.scalar.length))
		return refuse(r, event, "a NUL character inside text");
	node = doc_node_new(DOC_SCALAR, (unsigned)event->start_mark.line + 1,
		(unsigned)event->start_mark.column + 1);
	node->text = xstrdup(value);
	node->quoted = style != YAML_PLAIN_SCALAR_STYLE || (tag && !strcmp(tag, YAML_STR_TAG));
	if (style != YAML_LITERAL_SCALAR_STYLE && style != YAML_FOLDED_SCALAR_STYLE)
		node->text_column = text_column(event, style != YAML_PLAIN_SCALAR_STYLE);
	return place(r, event, node);
}

static int on_start(struct reader *r, const yaml_event_t *event, enum doc_kind kind)
{
	const yaml_char_t *tag = kind == DOC_MAPPING ? event->data.mapping_start.tag
						     : event->data.sequence_start.tag;

	if (count_node(r, event) || check_tag(r, event, (const char *)tag))
		return -1;
	if (r->depth == YAML_DEPTH_MAX)
		return refuse(r, event, "nested too deeply");
	r->levels[r->depth++] =
		(struct level){.node = doc_node_new(kind, (unsigned)event->start_mark.line + 1,
				       (unsigned)event->start_mark.column + 1)};
	return 0;
}

struct seen_key {
	const char *text;
	const struct doc_node *first;
	UT_hash_handle hh;
};

/* A repeated key would silently lose one of its values. Not a syntax error: the reading goes on. */
static void check_duplicate_keys(struct reader *r, const struct doc_node *mapping)
{
	struct seen_key *seen = xcalloc(mapping->count, sizeof(*seen)), *table = NULL, *found;

	for (size_t i = 0; i < mapping->count; i++) {
		const struct doc_node *key = mapping->keys[i];

		HASH_FIND_STR(table, key->text, found);
		if (found) {
			diag_add(r->diag, r->file, key->line, key->column,
				"duplicate key \"%s\" (first on line %u)", key->text,
				found->first->line);
			continue;
		}
		seen[i].text = key->text;
		seen[i].first = key;
		HASH_ADD_KEYPTR(hh, table, key->text, strlen(key->text), &seen[i]);
	}
	HASH_CLEAR(hh, table);
	free(seen);
}

static int on_end(struct reader *r, const yaml_event_t *event)
{
	struct doc_node *node = r->levels[--r->depth].node;

	if (node->kind == DOC_MAPPING)
		check_duplicate_keys(r, node);
	return place(r, event, node);
}

static int on_event(struct reader *r, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return on_scalar(r, event);
	case YAML_SEQUENCE_START_EVENT:
		return on_start(r, event, DOC_SEQUENCE);
	case YAML_MAPPING_START_EVENT:
		return on_start(r, event, DOC_MAPPING);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return on_end(r, event);
	case YAML_ALIAS_EVENT:
		return refuse(r, event, "YAML aliases are not supported: write the value out");
	default:
		return 0;
	}
}

static void report_syntax(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;
	const yaml_mark_t *mark = &p->problem_mark;

	/* The byte reader has no mark of its own; the parser's is close to where it stopped. */
	if (p->error == YAML_READER_ERROR)
		mark = &p->mark;
	diag_add(r->diag, r->file, (unsigned)mark->line + 1, (unsigned)mark->column + 1, "%s%s%s",
		p->problem ? p->problem : "cannot be read", p->context ? ", " : "",
		p->context ? p->context : "");
}

static void read_events(struct reader *r)
{
	bool more = true;

	while (more) {
		yaml_event_t event;

		if (!yaml_parser_parse(&r->parser, &event)) {
			report_syntax(r);
			return;
		}
		more = !on_event(r, &event) && event.type != YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
}

static void drop_unfinished(struct reader *r)
{
	while (r->depth) {
		const struct level *level = &r->levels[--r->depth];

		doc_node_free(level->node);
		doc_node_free(level->key);
	}
}

static void drop_empty_last(struct doc_list *list)
{
	if (list->count && doc_is_null(list->docs[list->count - 1]))
		doc_node_free(list->docs[--list->count]);
}

void yaml_read(
	const char *text, size_t len, const char *file, struct diag *diag, struct doc_list *list)
{
	struct reader r = {.file = file, .diag = diag, .list = list};

	if (len > YAML_BYTES_MAX) {
		diag_add(diag, file, 0, 0, "larger than %d bytes", YAML_BYTES_MAX);
		return;
	}
	if (!yaml_parser_initialize(&r.parser)) {
		diag_add(diag, file, 0, 0, "out of memory");
		return;
	}
	/* UTF-8 only: a byte order mark of UTF-16 would otherwise choose another decoder. */
	yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
	read_events(&r);
	drop_unfinished(&r);
	drop_empty_last(list);
	yaml_parser_delete(&r.parser);
}

void doc_list_clear(struct doc_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		doc_node_free(list->docs[i]);
	free(list->docs);
	*list = (struct doc_list){0};
}
