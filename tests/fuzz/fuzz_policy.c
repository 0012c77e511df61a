/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Policy records from any bytes. What is accepted must be written so that it reads back the same, and must
 * still close something; single values must be parsed or refused.
 */
#include "common/policy.h"
#include "common/record.h"
#include "common/xalloc.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

static void check_accepted(const json_t *record, const struct policy *policy)
{
	cleanup_json json_t *written = policy_to_json(policy);
	cleanup_json json_t *rewritten = NULL, *decoded = NULL;
	cleanup_free char *text = json_dumps(written, JSON_COMPACT);
	CLEANUP(policy) struct policy *again = NULL;
	CLEANUP(policy) struct policy *closed = policy_closed_from_json(record, NULL);

	must(closed && !strcmp(closed->name, policy->name));
	must(text);
	decoded = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	must(decoded);
	again = policy_from_json(decoded, NULL);
	must(again && !policy_cmp(policy, again));
	rewritten = policy_to_json(again);
	must(json_equal(written, rewritten));
}

static void fuzz_record(const uint8_t *data, size_t size)
{
	struct err err = {0};
	cleanup_json json_t *record = record_decode((const char *)data, size, &err);
	CLEANUP(policy) struct policy *policy = NULL;
	CLEANUP(policy) struct policy *closed = NULL;

	if (!record) {
		must(*err.text);
		return;
	}
	policy = policy_from_json(record, &err);
	if (policy) {
		check_accepted(record, policy);
		return;
	}
	must(*err.text);
	closed = policy_closed_from_json(record, &err);
	must(!closed || closed->governs[DIR_INGRESS] || closed->governs[DIR_EGRESS]);
}

static void fuzz_values(const char *text)
{
	int protocol = 0, ip_version = 0;
	struct port_range range = {0};
	enum policy_action action;
	enum policy_direction dir;

	if (!protocol_parse(text, &protocol, &ip_version, NULL))
		must(protocol >= 1 && protocol <= 255);
	if (!port_range_parse(text, &range, NULL))
		must(range.first >= 1 && range.first <= range.last);
	if (policy_action_parse(text, &action))
		must(!strcmp(policy_action_name(action), text));
	if (policy_direction_parse(text, &dir))
		must(!strcmp(policy_direction_name(dir), text));
	if (!policy_name_check(text, NULL))
		must(strlen(text) <= POLICY_NAME_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = xstrndup((const char *)data, size);

	fuzz_values(text);
	fuzz_record(data, size);
	return 0;
}
