/* SPDX-License-Identifier: GPL-2.0-or-later */
/* status: each node's enforcerd and syncd, held against the store. */
#include "common/mode.h"
#include "common/xalloc.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/nodes.h"
#include "ctl/output.h"
#include "ctl/report.h"

#include <hiredis/hiredis.h>
#include <string.h>
#include <time.h>

static long long read_heartbeat(struct redis_sync *redis, const char *node, struct err *err)
{
	CLEANUP(redis_reply)
	redis_reply *reply = redis_sync_call(redis, err, "HGET", STORE_NODES, node, NULL);
	size_t len = 0;
	const char *text = redis_reply_text(reply, &len);
	cleanup_json json_t *record = NULL;
	CLEANUP(node) struct node *parsed = NULL;
	struct err why = {0};

	if (!reply)
		return -1;
	if (!text)
		return 0;
	record = record_decode(text, len, &why);
	parsed = record ? node_from_json(record, node, &why) : NULL;
	if (!parsed)
		client_warn("%s %s: %s", STORE_NODES, node, why.text);
	return parsed ? parsed->heartbeat : 0;
}

/* What the store says about all nodes. */
struct store_says {
	char *policies_head;
	json_t *modes; /* field of the mode hash -> word */
	json_t *heads; /* stream -> head */
};

static void store_says_clear(struct store_says *says)
{
	free(says->policies_head);
	json_decref(says->modes);
	json_decref(says->heads);
}

static int read_store_says(struct redis_sync *redis, struct store_says *says, struct err *err)
{
	cleanup_free char *key = store_hash_key(STORE_POLICIES_STREAM, KIND_MODE);

	says->modes = json_object();
	says->policies_head = client_head(redis, STORE_POLICIES_STREAM, err);
	says->heads = says->policies_head ? client_heads(redis, err) : NULL;
	return says->heads ? client_each(redis, key, client_take_field, says->modes, err) : -1;
}

static bool says_audit(const struct store_says *says, const char *node)
{
	const char *own = json_string_value(json_object_get(says->modes, node));
	const char *any = json_string_value(json_object_get(says->modes, MODE_ANY_NODE));

	return mode_of_store(own, any) == MODE_AUDIT;
}

static json_t *report_node(
	struct redis_sync *redis, const char *node, const struct store_says *says, struct err *err)
{
	cleanup_free char *stream = xasprintf("%s%s", STORE_NODE_STREAM, node);
	cleanup_free char *key = store_status_key(node);
	cleanup_free char *endpoints_head = client_head(redis, stream, err);
	cleanup_json json_t *status = json_object();
	long long heartbeat;

	if (!endpoints_head || client_each(redis, key, client_take_field, status, err))
		return NULL;
	heartbeat = read_heartbeat(redis, node, err);
	if (heartbeat < 0)
		return NULL;
	return report_build(&(struct report_source){
		.node = node,
		.status = status,
		.syncd_heartbeat = heartbeat,
		.policies_head = says->policies_head,
		.endpoints_head = endpoints_head,
		.now = (long long)time(NULL),
		.panic = says_audit(says, node),
		.heads = says->heads,
	});
}

/* --- which nodes ------------------------------------------------------------------------------------- */

static json_t *asked_nodes(struct redis_sync *redis, const struct options *options, struct err *err)
{
	json_t *set;

	if (!options->operand_count)
		return nodes_all(redis, err);
	set = json_object();
	for (size_t i = 0; i < options->operand_count; i++)
		json_object_set_new(set, options->operands[i], json_true());
	return set;
}

static int cmp_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Reports in the order of the names; new reference. */
static json_t *build_reports(struct redis_sync *redis, json_t *nodes, struct err *err)
{
	struct store_says says __attribute__((cleanup(store_says_clear))) = {0};
	cleanup_free const char **names = xcalloc(json_object_size(nodes) + 1, sizeof(*names));
	cleanup_json json_t *reports = json_array();
	size_t count = 0;
	const char *name;
	json_t *unused;

	if (read_store_says(redis, &says, err))
		return NULL;
	json_object_foreach (nodes, name, unused) {
		names[count++] = name;
	}
	qsort(names, count, sizeof(*names), cmp_names);
	for (size_t i = 0; i < count; i++) {
		json_t *report = report_node(redis, names[i], &says, err);

		if (!report)
			return NULL;
		json_array_append_new(reports, report);
	}
	return steal_ptr(reports);
}

/* --- output ------------------------------------------------------------------------------------------ */

static int print_reports(const json_t *reports, enum output_format format, struct err *err)
{
	long long now = (long long)time(NULL);

	if (format == OUTPUT_JSON)
		return output_json(reports, stdout, err);
	if (format == OUTPUT_YAML)
		return output_yaml(reports, stdout, err);
	for (size_t i = 0; i < json_array_size(reports); i++)
		report_print(json_array_get(reports, i), now, stdout);
	return 0;
}

/* On stderr as well: whoever reads only the first lines, or JSON, is told. */
static void warn_panic(const json_t *reports)
{
	size_t count = 0;

	for (size_t i = 0; i < json_array_size(reports); i++)
		count += json_is_true(json_object_get(json_array_get(reports, i), "panic"));
	if (count)
		client_warn("PANIC is on for %zu of %zu nodes: nothing is dropped there; "
			    "\"bulkheadctl panic --end\" ends it",
			count, json_array_size(reports));
}

static int exit_status(const json_t *reports)
{
	for (size_t i = 0; i < json_array_size(reports); i++)
		if (!report_in_force(json_array_get(reports, i)))
			return EXIT_FAILURE;
	return EXIT_SUCCESS;
}

int cmd_status(const struct options *options)
{
	struct err err = {0};
	CLEANUP(redis_sync) struct redis_sync *redis = client_open(options, &err);
	cleanup_json json_t *nodes = redis ? asked_nodes(redis, options, &err) : NULL;
	cleanup_json json_t *reports = nodes ? build_reports(redis, nodes, &err) : NULL;

	if (!reports || print_reports(reports, output_format_parse(options->output), &err))
		return client_fail(&err);
	warn_panic(reports);
	if (json_array_size(reports))
		return exit_status(reports);
	err_set(&err, 0, "no node has reported to this store: nothing is enforced");
	return client_fail(&err);
}
