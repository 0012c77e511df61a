/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/lag.h"

#include "common/store.h"
#include "common/xalloc.h"

#include <string.h>

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

/* New reference: an integer, or null. */
static json_t *behind(const char *applied, const char *head)
{
	struct store_head a, b;

	if (!strcmp(applied, head))
		return json_integer(0);
	if (store_head_parse(applied, strlen(applied), &a, NULL) < 0 ||
		store_head_parse(head, strlen(head), &b, NULL) < 0 ||
		store_epoch_cmp(a.epoch, b.epoch) != 0 || a.revision >= b.revision)
		return json_null();
	return json_integer((json_int_t)(b.revision - a.revision));
}

static json_t *peers_lag(const json_t *peers, const json_t *heads)
{
	json_t *all = json_object(), *peer;
	const char *node;

	json_object_foreach ((json_t *)peers, node, peer) {
		cleanup_free char *stream = xasprintf(STORE_NODE_STREAM "%s", node);

		json_object_set_new(
			all, node, behind(text_of(peer, "head"), text_of(heads, stream)));
	}
	return all;
}

static json_t *largest(const json_t *all)
{
	json_int_t most = 0;
	const char *node;
	json_t *lag;

	json_object_foreach ((json_t *)all, node, lag) {
		if (json_is_null(lag))
			return json_null();
		most = json_integer_value(lag) > most ? json_integer_value(lag) : most;
	}
	return json_integer(most);
}

json_t *lag_build(const json_t *status, const char *node, const json_t *heads)
{
	cleanup_free char *stream = xasprintf(STORE_NODE_STREAM "%s", node);
	cleanup_json json_t *peers =
		json_loads(text_of(status, "peers"), JSON_REJECT_DUPLICATES, NULL);
	json_t *each = peers_lag(peers, heads);

	return json_pack("{s:o, s:o, s:o, s:o}", "policies",
		behind(text_of(status, "policies_head"), text_of(heads, STORE_POLICIES_STREAM)),
		"endpoints", behind(text_of(status, "endpoints_head"), text_of(heads, stream)),
		"others", largest(each), "peers", each);
}

char *lag_text(const json_t *lag, const char *member)
{
	const json_t *value = json_object_get(lag, member);

	return json_is_integer(value) ? xasprintf("%lld", (long long)json_integer_value(value))
				      : xstrdup("?");
}
