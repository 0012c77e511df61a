/* SPDX-License-Identifier: GPL-2.0-or-later */
/* explain and reach: what policy makes of a flow, and of all of them. */
#include "common/mode.h"
#include "common/xalloc.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/explain.h"
#include "ctl/output.h"
#include "ctl/reach.h"

#include <netinet/in.h>
#include <string.h>

enum { ECHO_REQUEST = 8, ECHO_REQUEST_V6 = 128, ICMP_MAX = 255 };

/* --- what is asked -------------------------------------------------------------------------------- */

static int parse_icmp(const char *text, struct policy_flow *flow, struct err *err)
{
	char *end = NULL;
	long type = strtol(text, &end, 10), code = 0;
	bool slash = end && end != text && *end == '/';

	if (slash)
		code = strtol(end + 1, &end, 10);
	if (end == text || *end || type < 0 || type > ICMP_MAX || code < 0 || code > ICMP_MAX)
		return err_set(err, 0, "\"%s\" is not TYPE or TYPE/CODE", text);
	flow->icmp_type = (int)type;
	flow->icmp_code = (int)code;
	return 0;
}

static int parse_flow(const struct options *options, struct policy_flow *flow, struct err *err)
{
	int ip_version = 0;

	*flow = (struct policy_flow){0};
	if (protocol_parse(options->protocol, &flow->protocol, &ip_version, err))
		return -1;
	if (protocol_has_ports(flow->protocol) && !options->port)
		return err_set(err, 0, "%s needs --port", options->protocol);
	if (!protocol_has_ports(flow->protocol) && options->port)
		return err_set(err, 0, "%s has no ports", options->protocol);
	flow->destination.port = (uint16_t)options->port;
	flow->source.port = protocol_has_ports(flow->protocol) ? (uint16_t)options->source_port : 0;
	flow->icmp_type = flow->protocol == IPPROTO_ICMP ? ECHO_REQUEST : ECHO_REQUEST_V6;
	return options->icmp_type ? parse_icmp(options->icmp_type, flow, err) : 0;
}

/* --- the store ------------------------------------------------------------------------------------ */

static void take_mode(const char *field, const char *value, size_t len, void *arg)
{
	json_object_set_new(arg, field, json_stringn(value, len));
}

static int note_mode(struct redis_sync *redis, const char *node, json_t *document, struct err *err)
{
	cleanup_free char *key = store_hash_key(STORE_POLICIES_STREAM, KIND_MODE);
	cleanup_json json_t *modes = json_object();

	if (client_each(redis, key, take_mode, modes, err))
		return -1;
	if (mode_of_store(json_string_value(json_object_get(modes, node)),
		    json_string_value(json_object_get(modes, MODE_ANY_NODE))) == MODE_AUDIT)
		explain_note(document,
			"the store has %s in audit mode: what is denied is told, not dropped",
			node);
	return 0;
}

/* Policy is not all that stands between a container and its host: the node's enforcerd says what comes after. */
static int note_host_action(
	struct redis_sync *redis, const char *node, json_t *document, struct err *err)
{
	cleanup_free char *key = store_status_key(node);
	CLEANUP(redis_reply)
	redis_reply *reply = redis_sync_call(redis, err, "HGET", key, "host_action", NULL);
	const char *word = redis_reply_text(reply, NULL);

	if (!reply)
		return -1;
	if (word && !strcmp(word, "drop"))
		explain_note(document,
			"%s has --host-action drop: what policy allows towards the host is dropped",
			node);
	return 0;
}

static int print_document(const json_t *document, enum output_format format, struct err *err)
{
	return format == OUTPUT_JSON ? output_json(document, stdout, err)
				     : output_yaml(document, stdout, err);
}

/* --- explain -------------------------------------------------------------------------------------- */

static int explain(const struct options *options, const struct policy_flow *flow, struct err *err)
{
	enum output_format format = output_format_parse(options->output);
	CLEANUP(redis_sync) struct redis_sync *redis = client_open(options, err);
	CLEANUP(world) struct world *world = redis ? client_world(redis, err) : NULL;
	struct policies policies cleanup_policies = {0};
	cleanup_json json_t *document = NULL;
	struct ends ends;

	if (!world || client_policies(redis, &policies, err) ||
		ends_resolve(world, options->from, options->to, options->node, &ends, err))
		return -1;
	document = explain_document(world, &policies, &ends, flow);
	if (note_mode(redis, ends.nodes[DIR_EGRESS], document, err) ||
		(strcmp(ends.nodes[DIR_EGRESS], ends.nodes[DIR_INGRESS]) != 0 &&
			note_mode(redis, ends.nodes[DIR_INGRESS], document, err)))
		return -1;
	if (ends.end[DIR_INGRESS].host && ends.end[DIR_EGRESS].endpoint &&
		note_host_action(redis, ends.nodes[DIR_EGRESS], document, err))
		return -1;
	return format == OUTPUT_JSON || format == OUTPUT_YAML
		       ? print_document(document, format, err)
		       : explain_text(document, stdout, err);
}

int cmd_explain(const struct options *options)
{
	const struct command *self = commands_find("explain");
	struct policy_flow flow;
	struct err err = {0};

	if (!options->from || !options->to)
		return options_usage_error(self, "say --from and --to");
	if (parse_flow(options, &flow, &err))
		return options_usage_error(self, "%s", err.text);
	return explain(options, &flow, &err) ? client_fail(&err) : EXIT_SUCCESS;
}

/* --- reach ---------------------------------------------------------------------------------------- */

static int reach(const struct options *options, const struct policy_flow *flow, struct err *err)
{
	enum output_format format = output_format_parse(options->output);
	CLEANUP(redis_sync) struct redis_sync *redis = client_open(options, err);
	CLEANUP(world) struct world *world = redis ? client_world(redis, err) : NULL;
	struct policies policies cleanup_policies = {0};
	struct outsiders outsiders cleanup_outsiders = {0};
	CLEANUP(judge) struct judge *judge = NULL;
	cleanup_json json_t *document = NULL;

	if (!world || client_policies(redis, &policies, err))
		return -1;
	outsiders_add(&outsiders, &policies);
	judge = judge_new(world, &policies);
	document = reach_document(world, judge, options->node, &outsiders, flow, err);
	if (!document)
		return -1;
	if (format == OUTPUT_JSON || format == OUTPUT_YAML)
		return print_document(document, format, err);
	if (format == OUTPUT_DOT)
		reach_dot(document, stdout);
	else
		reach_table(document, stdout);
	return 0;
}

int cmd_reach(const struct options *options)
{
	const struct command *self = commands_find("reach");
	struct policy_flow flow;
	struct err err = {0};

	if (parse_flow(options, &flow, &err))
		return options_usage_error(self, "%s", err.text);
	return reach(options, &flow, &err) ? client_fail(&err) : EXIT_SUCCESS;
}
