/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/strbuf.h"
#include "common/xalloc.h"
#include "ctl/explain.h"
#include "ctl/output.h"
#include "ctl/printable.h"

#include <errno.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* As it would stand in a file, every line indented. */
static int print_yaml(const json_t *value, const char *indent, FILE *out, struct err *err)
{
	cleanup_free char *text = NULL;
	size_t len = 0;
	FILE *memory = open_memstream(&text, &len);
	char *save = NULL;
	int rc;

	if (!memory)
		return err_set(err, errno, "print a rule");
	rc = output_yaml(value, memory, err);
	fclose(memory);
	for (char *line = rc ? NULL : strtok_r(text, "\n", &save); line;
		line = strtok_r(NULL, "\n", &save))
		fprintf(out, "%s%s\n", indent, line);
	return rc;
}

static void print_flow(const json_t *document, FILE *out)
{
	const json_t *flow = json_object_get(document, "flow");
	const json_t *protocol = json_object_get(flow, "protocol");
	const json_t *port = json_object_get(flow, "port"), *icmp = json_object_get(flow, "icmp");
	cleanup_free char *from = printable(text_of(json_object_get(flow, "from"), "shown"));
	cleanup_free char *to = printable(text_of(json_object_get(flow, "to"), "shown"));

	fprintf(out, "%s: %s to %s, ", text_of(document, "verdict"), from, to);
	if (json_is_string(protocol))
		fputs(json_string_value(protocol), out);
	else
		fprintf(out, "protocol %d", (int)json_integer_value(protocol));
	if (port)
		fprintf(out, " port %d", (int)json_integer_value(port));
	if (icmp)
		fprintf(out, " type %d code %d",
			(int)json_integer_value(json_object_get(icmp, "type")),
			(int)json_integer_value(json_object_get(icmp, "code")));
	fputs("\n", out);
}

static void print_set(const json_t *step, const char *end, const char *key, FILE *out)
{
	const char *name = text_of(step, key);

	if (*name)
		fprintf(out, "    its %s is in network set %s\n", end, name);
}

static int print_step(const json_t *step, const char *direction, FILE *out, struct err *err)
{
	const json_t *rule = json_object_get(step, "rule");
	const char *tier = text_of(step, "tier");
	bool staged = json_is_true(json_object_get(step, "staged"));

	fprintf(out, "  policy %s%s%s%s%s: ", text_of(step, "name"), *tier ? " (tier " : "", tier,
		*tier ? ")" : "", staged ? " (staged)" : "");
	if (!json_is_true(json_object_get(step, "asked"))) {
		fputs("not asked any more\n", out);
		return 0;
	}
	if (!rule) {
		fputs("no rule matches\n", out);
		return 0;
	}
	fprintf(out, "%s[%d]%s\n", direction, (int)json_integer_value(rule),
		staged ? ", if it were in force" : "");
	if (print_yaml(json_object_get(step, "text"), "      ", out, err))
		return -1;
	print_set(step, "source", "sourceNetworkSet", out);
	print_set(step, "destination", "destinationNetworkSet", out);
	return 0;
}

static int print_walk(const json_t *document, const char *direction, FILE *out, struct err *err)
{
	const json_t *walk = json_object_get(document, direction);
	const json_t *flow = json_object_get(document, "flow");
	const json_t *steps = json_object_get(walk, "policies"), *step;
	const json_t *end = json_object_get(flow, strcmp(direction, "egress") ? "to" : "from");
	const char *name = text_of(end, "container");
	cleanup_free char *shown = printable(*name ? name : text_of(end, "shown"));
	cleanup_free char *other = printable(text_of(json_object_get(walk, "other"), "text"));
	size_t i;

	fprintf(out, "\n%s of %s: %s: %s\n", direction, shown, text_of(walk, "verdict"),
		text_of(walk, "reason"));
	if (*other)
		fprintf(out, "  %s\n", other);
	json_array_foreach (steps, i, step)
		if (print_step(step, direction, out, err))
			return -1;
	if (json_is_true(json_object_get(walk, "stagedWouldDeny")))
		fputs("  with the staged policies in force it would be denied\n", out);
	return 0;
}

static int print_rules(const json_t *rules, FILE *out, struct err *err)
{
	const json_t *rule;
	size_t i;

	json_array_foreach (rules, i, rule) {
		cleanup_json json_t *list = json_pack("[O]", json_object_get(rule, "rule"));
		cleanup_free char *policy = printable(text_of(rule, "policy"));
		const char *direction = text_of(rule, "direction");
		int before = (int)json_integer_value(json_object_get(rule, "before"));

		fprintf(out, "  %s", i ? "and " : "");
		if (json_is_true(json_object_get(rule, "new"))) {
			const json_t *spec =
				json_object_get(json_object_get(rule, "record"), "spec");
			cleanup_free char *selector = printable(text_of(spec, "selector"));

			fprintf(out, "a policy %s for %s, types [%s], with %s:\n", policy, selector,
				direction, direction);
		} else {
			fprintf(out, "policy %s, as %s[%d]:\n", policy, direction, before);
		}
		if (print_yaml(list, "      ", out, err))
			return -1;
	}
	return 0;
}

static int print_changes(const json_t *document, FILE *out, struct err *err)
{
	const json_t *changes = json_object_get(document, "changes"), *change;
	size_t i;

	if (json_array_size(changes))
		fputs("\nIt would be allowed by:\n", out);
	json_array_foreach (changes, i, change) {
		const json_t *label = json_object_get(change, "label");
		cleanup_free char *name = printable(text_of(label, "container"));

		if (label)
			fprintf(out, "  %sbulkheadctl label container %s %s=%s --node %s\n",
				i ? "or " : "", name, text_of(label, "key"),
				text_of(label, "value"), text_of(label, "node"));
		else if (print_rules(json_object_get(change, "rules"), out, err))
			return -1;
	}
	return 0;
}

int explain_text(const json_t *document, FILE *out, struct err *err)
{
	const json_t *notes = json_object_get(document, "notes"), *note;
	size_t i;

	print_flow(document, out);
	if (print_walk(document, "egress", out, err) || print_walk(document, "ingress", out, err) ||
		print_changes(document, out, err))
		return -1;
	if (json_array_size(notes))
		fputs("\n", out);
	json_array_foreach (notes, i, note) {
		cleanup_free char *text = printable(json_string_value(note));

		fprintf(out, "note: %s\n", text);
	}
	return 0;
}
