/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/v1_convert.h"

#include "common/policy.h"
#include "common/xalloc.h"
#include "ctl/input.h"
#include "ctl/v3_schema.h"
#include "ctl/v3_view.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <string.h>

/* --- names ----------------------------------------------------------------------------------------- */

enum { HASH_HEX = 8, NAME_MAX_LEN = 63 };

/* Of the name as it was: two names that lose their difference must not become one. */
static void hash_name(const char *name, char hex[HASH_HEX + 1])
{
	unsigned char digest[EVP_MAX_MD_SIZE] = {0};

	/* without SHA-1 they would */
	if (EVP_Digest(name, strlen(name), digest, NULL, EVP_sha1(), NULL) != 1)
		abort();
	for (size_t i = 0; i < HASH_HEX / 2; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

char *v1_convert_name(const char *name)
{
	cleanup_free char *text = xstrdup(name);
	char hex[HASH_HEX + 1], *start = text;
	size_t len;

	for (char *p = text; *p; p++)
		*p = isalnum((unsigned char)*p) ? (char)tolower((unsigned char)*p) : '-';
	start += strspn(text, "-");
	len = strlen(start);
	if (!strcmp(start, name) && len <= NAME_MAX_LEN && len && start[len - 1] != '-')
		return xstrdup(name);
	hash_name(name, hex);
	len = len < NAME_MAX_LEN - HASH_HEX - 1 ? len : NAME_MAX_LEN - HASH_HEX - 1;
	while (len && start[len - 1] == '-')
		len--;
	return xasprintf("%.*s%s%s", (int)len, start, len ? "-" : "", hex);
}

/* --- rules ----------------------------------------------------------------------------------------- */

/* A tag is a label that is there: v3 has selectors only. */
static void fold_tag(json_t *entity, const char *tag_key, const char *key, const char *operator)
{
	const char *tag = json_string_value(json_object_get(entity, tag_key));
	const char *selector = json_string_value(json_object_get(entity, key));

	if (tag && selector)
		json_object_set_new(
			entity, key, json_sprintf("(%s) %s has(%s)", selector, operator, tag));
	else if (tag)
		json_object_set_new(entity, key, json_sprintf("has(%s)", tag));
	json_object_del(entity, tag_key);
}

/* 4, 6, or 0: the family of the blocks that the rule names. */
static int family_of_nets(const json_t *rule)
{
	static const char *const ends[] = {"source", "destination"};
	static const char *const lists[] = {"nets", "notNets"};

	for (size_t i = 0; i < 4; i++) {
		const json_t *entity = json_object_get(rule, ends[i / 2]);
		const char *net =
			json_string_value(json_array_get(json_object_get(entity, lists[i % 2]), 0));

		if (net)
			return strchr(net, ':') ? 6 : 4;
	}
	return 0;
}

/* A type alone means ICMP of either family; v3 wants to be told which. */
static void add_rule(json_t *rules, json_t *rule)
{
	bool typed = json_object_get(rule, "icmp") || json_object_get(rule, "notICMP");
	int version = (int)json_integer_value(json_object_get(rule, "ipVersion"));

	version = version ? version : family_of_nets(rule);
	if (!typed || json_object_get(rule, "protocol")) {
		json_array_append(rules, rule);
		return;
	}
	for (int family = 4; family <= 6; family += 2) {
		json_t *copy = json_copy(rule);

		json_object_set_new(copy, "protocol", json_string(family == 4 ? "icmp" : "icmpv6"));
		if (!version || version == family)
			json_array_append(rules, copy);
		json_decref(copy);
	}
}

static json_t *convert_rules(const json_t *rules)
{
	static const char *const ends[] = {"source", "destination"};
	json_t *list = json_array();
	json_t *rule;
	size_t n;

	json_array_foreach (rules, n, rule) {
		for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
			json_t *entity = json_object_get(rule, ends[i]);

			fold_tag(entity, "tag", "selector", "&&");
			fold_tag(entity, "notTag", "notSelector", "||");
		}
		add_rule(list, rule);
	}
	return list;
}

/* --- the policy ------------------------------------------------------------------------------------ */

/* The record that the v3 form of the policy has. */
static json_t *v3_record(const json_t *v1)
{
	json_t *record = json_deep_copy(v1);
	json_t *spec = json_object_get(record, "spec");
	bool staged = json_is_true(json_object_get(spec, "staged"));
	const char *written = json_string_value(json_object_get(v1, "name"));
	cleanup_free char *name = v1_convert_name(policy_name_without_mark(written, staged));
	cleanup_free char *stored = policy_stored_name(NULL, name, staged);

	json_object_set_new(record, "name", json_string(stored));
	json_object_set_new(record, "form", json_string("v3"));
	json_object_set_new(spec, "ingress", convert_rules(json_object_get(spec, "ingress")));
	json_object_set_new(spec, "egress", convert_rules(json_object_get(spec, "egress")));
	return record;
}

/* "file:line:column: what" without the place, which is in no file that anybody has. */
static const char *without_place(const char *entry)
{
	const char *what = strstr(entry, ": ");

	return what ? what + 2 : entry;
}

/* v3 forbids more than v1 and reads some labels otherwise: what is shown must be what was meant. */
static int check(const json_t *object, const json_t *record, struct err *err)
{
	cleanup_free char *text = json_dumps(object, 0);
	struct input input cleanup_input = {0};
	struct diag diag cleanup_diag = {0};

	input_add_text(&input, text, strlen(text), "v3", POLICY_WHOLE, &diag);
	if (diag.count)
		return err_set(err, 0, "v3 cannot say it: %s", without_place(diag.entries[0]));
	if (input.count != 1 || !json_equal(input.items[0].record, record))
		return err_set(err, 0,
			"v3 cannot say it: there, the label projectcalico.org/namespace is the "
			"compose project");
	return 0;
}

json_t *v1_convert(const json_t *record, struct err *err)
{
	cleanup_json json_t *converted = NULL;
	cleanup_json json_t *object = NULL;

	if (json_object_get(record, "form"))
		return v3_object(record);
	converted = v3_record(record);
	object = v3_object(converted);
	return check(object, converted, err) ? NULL : steal_ptr(object);
}
