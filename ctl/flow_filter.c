/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/flow_filter.h"

#include "common/xalloc.h"

#include <ctype.h>
#include <string.h>

/* As the Engine has it: a letter or digit, then those and _ . - */
static bool is_container_name(const char *text)
{
	if (!isalnum((unsigned char)*text))
		return false;
	for (const char *p = text; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("_.-", *p))
			return false;
	return true;
}

/* A name alone is no selector, so nothing is taken for another: selectors compare, or call has() or all(). */
int flow_who_parse(const char *text, struct flow_who *who, struct err *err)
{
	struct err reason = {0};

	*who = (struct flow_who){0};
	if (!text)
		return 0;
	if (cidr_parse(text, &who->net, NULL) == 0) {
		who->has_net = true;
		return 0;
	}
	if (is_container_name(text)) {
		who->container = xstrdup(text);
		return 0;
	}
	who->selector = selector_parse(text, &reason);
	return who->selector ? 0
			     : err_set(err, 0,
				       "\"%s\" is neither an address nor a container's name nor a "
				       "selector: %s",
				       text, reason.text);
}

static void who_clear(struct flow_who *who)
{
	selector_free(who->selector);
	free(who->container);
}

void flow_filter_clear(struct flow_filter *filter)
{
	who_clear(&filter->from);
	who_clear(&filter->to);
	*filter = (struct flow_filter){0};
}

static bool who_match(const struct flow_who *who, const struct flow_end *end)
{
	if (who->has_net)
		return end->ip.family && cidr_contains(&who->net, &end->ip);
	if (who->container)
		return end->container && !strcmp(who->container, end->container);
	if (who->selector)
		return end->labels && selector_match(who->selector, end->labels);
	return true;
}

bool flow_filter_match(const struct flow_filter *filter, const struct flow_record *record)
{
	if (filter->node && strcmp(filter->node, record->node) != 0)
		return false;
	if (filter->denied && (!record->denied || record->mode != MODE_ENFORCE))
		return false;
	return who_match(&filter->from, &record->source) &&
	       who_match(&filter->to, &record->destination);
}
