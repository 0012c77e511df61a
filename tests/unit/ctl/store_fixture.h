/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A store's worth of records for the verbs that judge: ' is read as ", ` as '. */
#ifndef BULKHEAD_TEST_STORE_FIXTURE_H
#define BULKHEAD_TEST_STORE_FIXTURE_H

#include "ctl/explain.h"
#include "tests/unit/quoted.h"

#include <string.h>

static struct world *world;
static struct policies policies;

static inline void add(
	enum store_kind kind, const char *node, const char *field, const char *quoted)
{
	struct err err = {0};
	cleanup_free char *text = unquote(quoted);

	ck_assert_msg(!world_add(world, kind, node, field, text, strlen(text), &err), "%s: %s",
		field, err.text);
}

static inline void add_shared_network(
	const char *node, int n, const char *isolation, const char *shared)
{
	cleanup_free char *id = xasprintf("n%d", n);
	cleanup_free char *text =
		xasprintf("{'v':1,'id':'n%d','name':'net%d','driver':'bridge','bridge':'br-%d',"
			  "'subnets':['10.%d.0.0/16','fd00:%d::/64'],'shared':%s,'isolation':%s}",
			n, n, n, n, n, shared, isolation);

	add(KIND_NETWORK, node, id, text);
}

static inline void add_network(const char *node, int n, const char *isolation)
{
	add_shared_network(node, n, isolation, "null");
}

/* "web" on network 1 is endpoint "web-1" with 10.1.0.HOST and fd00:1::HOST. */
static inline void add_endpoint(
	const char *node, const char *name, int network, int host, const char *labels)
{
	cleanup_free char *id = xasprintf("%s-%d", name, network);
	cleanup_free char *text = xasprintf(
		"{'v':1,'id':'%s','node':'%s','container':{'id':'c-%s','name':'%s','image':'busybox'},"
		"'network':{'id':'n%d','name':'net%d','driver':'bridge'},'ipv4':'10.%d.0.%d',"
		"'ipv6':'fd00:%d::%d','mac':null,'labels':%s,'rejected':{},'ports':[],'state':'running'}",
		id, node, name, name, network, network, network, host, network, host, labels);

	add(KIND_ENDPOINT, node, id, text);
}

static inline struct policy *make_policy(const char *name, const char *spec)
{
	struct err err = {0};
	cleanup_free char *quoted = xasprintf("{'v':1,'name':'%s','spec':{%s}}", name, spec);
	cleanup_free char *text = unquote(quoted);
	cleanup_json json_t *record = record_decode(text, strlen(text), &err);
	struct policy *policy = record ? policy_from_json(record, &err) : NULL;

	ck_assert_msg(policy != NULL, "%s: %s", name, err.text);
	return policy;
}

static inline void define(enum store_kind kind, const char *quoted)
{
	struct err err = {0};
	cleanup_json json_t *record = parse(quoted);

	ck_assert_msg(
		!policies_put_record(&policies, kind, record, &err), "%s: %s", quoted, err.text);
}

static inline void add_policy(const char *name, const char *spec)
{
	policies_put(&policies, make_policy(name, spec));
}

/* The tutorial's and a few more. */
static inline void add_policies(void)
{
	add_policy("database",
		"'selector':'role == `db`','types':['ingress'],'egress':[],'ingress':["
		"{'action':'log'},{'action':'allow','protocol':'tcp','source':{'selector':'role == `web`'},"
		"'destination':{'ports':[3306]}}]");
	add_policy("web",
		"'order':100,'selector':'role == `web`','types':['egress'],'ingress':[],'egress':["
		"{'action':'allow','protocol':'tcp','destination':{'selector':'role == `db`'}}]");
	add_policy("quarantine",
		"'order':-1,'selector':'state == `bad`','types':['ingress','egress'],"
		"'ingress':[{'action':'deny'}],'egress':[{'action':'pass'}]");
	add_policy("staged-web",
		"'order':50,'staged':true,'selector':'role == `web`','types':['egress'],'ingress':[],"
		"'egress':[{'action':'deny','destination':{'nets':['10.1.0.0/16']}}]");
}

/* Two nodes; on the first a labelled, a strict and an open network, the tutorial's policies and a few more. */
static inline void setup_store(void)
{
	world = world_new();
	policies = (struct policies){0};
	add_network("node-1", 1, "null");
	add_network("node-1", 2, "'strict'");
	add_network("node-1", 3, "'off'");
	add_network("node-2", 4, "null");
	add_endpoint("node-1", "db", 1, 2, "{'role':'db','docker/container':'db'}");
	add_endpoint("node-1", "web", 1, 3, "{'role':'web','docker/container':'web'}");
	add_endpoint("node-1", "web", 2, 3, "{'role':'web','docker/container':'web'}");
	add_endpoint("node-1", "other", 1, 4, "{'docker/container':'other'}");
	add_endpoint(
		"node-1", "bad", 1, 5, "{'role':'web','state':'bad','docker/container':'bad'}");
	add_endpoint("node-1", "plain", 2, 4, "{'docker/container':'plain'}");
	add_endpoint("node-1", "open", 3, 2, "{'role':'db','docker/container':'open'}");
	add_endpoint("node-2", "far", 4, 2, "{'role':'web','docker/container':'far'}");
	add(KIND_LABELS, NULL, "*/far", "{'zone':'b'}");
	world_finish(world);
	add_policies();
}

/*
 * Three nodes that share a domain, the same policies. Of those on the second: "far" and "wide" count on the first; to it "hidden", "apart"
 * and "taken" are strangers, "double" has the address of its "mine", and "twin" one that "rival" of the third has as well.
 */
static inline void setup_shared(void)
{
	world = world_new();
	policies = (struct policies){0};
	add_shared_network("node-1", 1, "null", "'dom'");
	add_network("node-1", 9, "null");
	add_endpoint("node-1", "db", 1, 2, "{'role':'db','docker/container':'db'}");
	add_endpoint("node-1", "web", 1, 3, "{'role':'web','docker/container':'web'}");
	add_endpoint("node-1", "other", 1, 4, "{'docker/container':'other'}");
	add_endpoint("node-1", "mine", 1, 9, "{'docker/container':'mine'}");
	add_shared_network("node-2", 4, "null", "'dom'");
	add_network("node-2", 5, "null");
	add_shared_network("node-2", 6, "null", "'elsewhere'");
	add_shared_network("node-2", 9, "null", "'dom'");
	add_shared_network("node-2", 1, "null", "'dom'");
	add_endpoint("node-2", "far", 4, 2, "{'role':'db','docker/container':'far'}");
	add_endpoint("node-2", "far", 5, 2, "{'role':'db','docker/container':'far'}");
	add_endpoint("node-2", "wide", 4, 3, "{'docker/container':'wide'}");
	add_endpoint("node-2", "twin", 4, 7, "{'role':'web','docker/container':'twin'}");
	add_endpoint("node-2", "hidden", 5, 3, "{'role':'web','docker/container':'hidden'}");
	add_endpoint("node-2", "apart", 6, 2, "{'role':'web','docker/container':'apart'}");
	add_endpoint("node-2", "taken", 9, 2, "{'role':'web','docker/container':'taken'}");
	add_endpoint("node-2", "double", 1, 9, "{'role':'web','docker/container':'double'}");
	add_shared_network("node-3", 4, "null", "'dom'");
	add_endpoint("node-3", "rival", 4, 7, "{'docker/container':'rival'}");
	add(KIND_LABELS, NULL, "node-2/wide", "{'role':'web'}");
	world_finish(world);
	add_policies();
}

static inline void teardown_store(void)
{
	policies_clear(&policies);
	world_free(world);
}

#endif
