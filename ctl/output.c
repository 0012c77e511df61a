/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/output.h"

#include "common/xalloc.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

enum { NUMBER_TEXT_MAX = 40 };

static const char *const format_names[] = {
	[OUTPUT_TABLE] = "table",
	[OUTPUT_WIDE] = "wide",
	[OUTPUT_YAML] = "yaml",
	[OUTPUT_JSON] = "json",
	[OUTPUT_DOT] = "dot",
};

enum { FORMAT_COUNT = sizeof(format_names) / sizeof(*format_names) };

int output_format_check(const char *word, struct err *err)
{
	for (size_t i = 0; i < FORMAT_COUNT; i++)
		if (!strcmp(word, format_names[i]))
			return 0;
	return err_set(err, 0, "\"%s\" is not table, wide, yaml, json or dot", word);
}

enum output_format output_format_parse(const char *word)
{
	for (size_t i = 0; i < FORMAT_COUNT; i++)
		if (!strcmp(word, format_names[i]))
			return (enum output_format)i;
	return OUTPUT_TABLE;
}

/* --- YAML ------------------------------------------------------------------------------------------ */

/* Words that readers of YAML 1.1 take for something else than text. */
static bool is_yaml_word(const char *text)
{
	static const char *const words[] = {
		"true", "false", "yes", "no", "on", "off", "null", "y", "n"};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (!strcasecmp(text, words[i]))
			return true;
	return false;
}

/* Beginning with a letter, it can be no number; whether plain is possible at all the emitter decides. */
static yaml_scalar_style_t text_style(const char *text)
{
	bool plain = (isalpha((unsigned char)*text) || *text == '_') && !is_yaml_word(text);

	return plain ? YAML_ANY_SCALAR_STYLE : YAML_SINGLE_QUOTED_SCALAR_STYLE;
}

static int emit_scalar(yaml_emitter_t *emitter, const char *text, yaml_scalar_style_t style)
{
	yaml_event_t event;

	return yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
		       (int)strlen(text), 1, 1, style) &&
	       yaml_emitter_emit(emitter, &event);
}

/* The shortest text that reads back as the same number: 0.1, not 0.10000000000000001. */
static void format_real(double value, char text[NUMBER_TEXT_MAX])
{
	for (int precision = 15; precision <= 17; precision++) {
		snprintf(text, NUMBER_TEXT_MAX, "%.*g", precision, value);
		if (strtod(text, NULL) == value)
			return;
	}
}

static int emit_number(yaml_emitter_t *emitter, const json_t *value)
{
	char text[NUMBER_TEXT_MAX];

	if (json_is_integer(value))
		snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else
		format_real(json_real_value(value), text);
	return emit_scalar(emitter, text, YAML_PLAIN_SCALAR_STYLE);
}

static int emit(yaml_emitter_t *emitter, const json_t *value);

static int emit_array(yaml_emitter_t *emitter, const json_t *array)
{
	yaml_sequence_style_t style =
		json_array_size(array) ? YAML_BLOCK_SEQUENCE_STYLE : YAML_FLOW_SEQUENCE_STYLE;
	yaml_event_t event;

	if (!yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, style) ||
		!yaml_emitter_emit(emitter, &event))
		return 0;
	for (size_t i = 0; i < json_array_size(array); i++)
		if (!emit(emitter, json_array_get(array, i)))
			return 0;
	return yaml_sequence_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event);
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char **sorted_keys(const json_t *object)
{
	const char **keys = xcalloc(json_object_size(object) + 1, sizeof(*keys));
	json_t *value;
	const char *key;
	size_t n = 0;

	json_object_foreach ((json_t *)object, key, value) {
		keys[n++] = key;
	}
	qsort(keys, n, sizeof(*keys), compare_keys);
	return keys;
}

static int emit_object(yaml_emitter_t *emitter, const json_t *object)
{
	yaml_mapping_style_t style =
		json_object_size(object) ? YAML_BLOCK_MAPPING_STYLE : YAML_FLOW_MAPPING_STYLE;
	cleanup_free const char **keys = sorted_keys(object);
	yaml_event_t event;

	if (!yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, style) ||
		!yaml_emitter_emit(emitter, &event))
		return 0;
	for (const char **key = keys; *key; key++)
		if (!emit_scalar(emitter, *key, text_style(*key)) ||
			!emit(emitter, json_object_get(object, *key)))
			return 0;
	return yaml_mapping_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event);
}

static int emit(yaml_emitter_t *emitter, const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return emit_object(emitter, value);
	case JSON_ARRAY:
		return emit_array(emitter, value);
	case JSON_STRING:
		return emit_scalar(
			emitter, json_string_value(value), text_style(json_string_value(value)));
	case JSON_INTEGER:
	case JSON_REAL:
		return emit_number(emitter, value);
	default:
		return emit_scalar(emitter,
			json_is_true(value)    ? "true"
			: json_is_false(value) ? "false"
					       : "null",
			YAML_PLAIN_SCALAR_STYLE);
	}
}

static int emit_document(yaml_emitter_t *emitter, const json_t *value)
{
	yaml_event_t event;

	return yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) &&
	       yaml_emitter_emit(emitter, &event) &&
	       yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1) &&
	       yaml_emitter_emit(emitter, &event) && emit(emitter, value) &&
	       yaml_document_end_event_initialize(&event, 1) &&
	       yaml_emitter_emit(emitter, &event) && yaml_stream_end_event_initialize(&event) &&
	       yaml_emitter_emit(emitter, &event) && yaml_emitter_flush(emitter);
}

int output_yaml(const json_t *value, FILE *out, struct err *err)
{
	yaml_emitter_t emitter;
	int rc = 0;

	if (!yaml_emitter_initialize(&emitter))
		return err_set(err, ENOMEM, "write YAML");
	yaml_emitter_set_output_file(&emitter, out);
	yaml_emitter_set_width(&emitter, -1);
	if (!emit_document(&emitter, value))
		rc = err_set(err, 0, "write YAML: %s",
			emitter.problem ? emitter.problem : "unknown cause");
	yaml_emitter_delete(&emitter);
	return rc;
}

/* --- JSON ------------------------------------------------------------------------------------------ */

int output_json(const json_t *value, FILE *out, struct err *err)
{
	/* ASCII only: C1 controls and direction marks in UTF-8 are commands to some terminals. */
	if (json_dumpf(value, out, JSON_INDENT(2) | JSON_SORT_KEYS | JSON_ENSURE_ASCII) ||
		fputc('\n', out) == EOF)
		return err_set(err, errno, "write JSON");
	return 0;
}
