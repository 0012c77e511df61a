/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which flow records one wants to see: by node, verdict, and who is at either end. Pure. */
#ifndef BULKHEAD_CTL_FLOW_FILTER_H
#define BULKHEAD_CTL_FLOW_FILTER_H

#include "common/flow_record.h"
#include "common/selector.h"

/* One end: of these at most one is set; none matches everybody. */
struct flow_who {
	bool has_net;
	struct cidr net;
	struct selector
		*selector; /* on the endpoint's labels: strangers have none and never match */
	char *container;
};

struct flow_filter {
	const char *node; /* borrowed, or NULL */
	bool denied; /* only what was dropped: not what audit mode or a staged policy would have */
	struct flow_who from, to;
};

/* An address or a CIDR block, a selector, or a container's name, told apart by their form. NULL: everybody. */
int flow_who_parse(const char *text, struct flow_who *who, struct err *err) must_check;
void flow_filter_clear(struct flow_filter *filter);
bool flow_filter_match(const struct flow_filter *filter, const struct flow_record *record);

#endif
