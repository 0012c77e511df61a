/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a rule of another program does that could undo ours (pure): reads the expressions of one nf_tables rule, those that
 * iptables-nft wraps included. Conditions are passed over: that a rule can do it is what counts.
 */
#ifndef BULKHEAD_FOREIGN_RULE_H
#define BULKHEAD_FOREIGN_RULE_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

struct foreign_rule {
	uint32_t written;  /* bits of the conntrack mark that it may change */
	uint32_t restored; /* bits of the conntrack mark that it may copy to the packet's mark */
	bool offloads; /* puts flows into a flowtable: their packets pass no forward hook any more */
	bool untracks; /* keeps packets from conntrack */
	bool forwards; /* sends packets out of another interface by itself (netdev) */
	bool broutes;  /* has bridged frames routed */
};

/* expressions: a rule's NFTA_RULE_EXPRESSIONS. What cannot be told counts as if it were all bits. */
void foreign_rule_read(const struct nlattr *expressions, struct foreign_rule *rule);

#endif
