/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/compile.h"
#include "enforcerd/ruleset.h"
#include "tests/unit/quoted.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* rules is the array of ingress rules. */
static struct policy *policy_of(const char *name, const char *rules)
{
	cleanup_free char *text = xasprintf("{'v':1,'name':'%s','spec':{'selector':'all()',"
					    "'types':['ingress'],'ingress':%s,'egress':[]}}",
		name, rules);
	cleanup_json json_t *record = parse(text);
	struct err err = {0};
	struct policy *policy = policy_from_json(record, &err);

	ck_assert_msg(policy != NULL, "%s: %s", text, err.text);
	return policy;
}

static void add_needed(struct strbuf *out, const struct needed_set *set)
{
	char text[CIDR_TEXT_MAX];

	if (set->kind == NEED_COUNTER)
		return; /* the rules show them */
	strbuf_addf(out, "%s:", set->name);
	if (set->kind == NEED_SELECTOR)
		strbuf_addf(out, " %s", selector_canonical(set->selector));
	for (size_t i = 0; i < set->cidr_count; i++)
		strbuf_addf(out, " %s", cidr_format(&set->cidrs[i], text));
	for (size_t i = 0; i < set->port_count; i++)
		strbuf_addf(out, " %u", set->ports[i]);
	strbuf_add(out, "\n");
}

/* Rules as the renderer has them, without indentation, and a line for each set. Empties rules. */
static char *rendered(struct rule_list *rules, const struct needed_list *needed)
{
	CLEANUP(ruleset) struct ruleset *rs = ruleset_new();
	cleanup_strbuf struct strbuf all = {0};
	struct strbuf out = {0};
	char *save = NULL;

	ruleset_chain(rs, "c", NULL, rules);
	ruleset_render(rs, &all);
	strtok_r(all.text, "\n", &save);
	for (char *line; (line = strtok_r(NULL, "\n", &save)) && strcmp(line, "\t}") != 0;)
		strbuf_addf(&out, "%s\n", line + 2);
	for (size_t i = 0; i < needed->count; i++)
		add_needed(&out, &needed->items[i]);
	return strbuf_take(&out);
}

static char *compiled(const char *rules_json)
{
	CLEANUP(policy) struct policy *policy = policy_of("p", rules_json);
	struct rule_list rules = {0};
	struct needed_list needed = {0};
	struct err err = {0};
	char *text;

	ck_assert_msg(!compile_policy(policy, DIR_INGRESS, &rules, &needed, &err), "%s", err.text);
	text = rendered(&rules, &needed);
	needed_list_free(&needed);
	ck_assert_uint_eq(needed.count, 0);
	return text;
}

/* The ends of most rules below */
#define R " counter in_allow_p_148de9 return comment \"policy p ingress[0]\"\n"

static const struct {
	const char *rules, *text;
} cases[] = {
	/* nothing said: everything, once for both families */
	{"[{'action':'allow'}]",
		"counter in_allow_p_148de9 return comment \"policy p ingress[0]\"\n"},
	{"[]", ""},
	{"[{'action':'allow','source':{},'destination':{}}]",
		"counter in_allow_p_148de9 return comment \"policy p ingress[0]\"\n"},
	/* protocols */
	{"[{'action':'allow','protocol':'tcp'}]", "ct original protocol 6" R},
	{"[{'action':'allow','notProtocol':'udp'}]", "ct original protocol != 17" R},
	{"[{'action':'allow','protocol':47}]", "ct original protocol 47" R},
	{"[{'action':'allow','protocol':'tcp','notProtocol':'udp'}]",
		"ct original protocol 6 ct original protocol != 17" R},
	/* families */
	{"[{'action':'allow','ipVersion':4}]", "meta nfproto ipv4" R},
	{"[{'action':'allow','ipVersion':6}]", "meta nfproto ipv6" R},
	{"[{'action':'allow','protocol':'icmp'}]", "meta nfproto ipv4 ct original protocol 1" R},
	{"[{'action':'allow','protocol':'icmpv6'}]", "meta nfproto ipv6 ct original protocol 58" R},
	{"[{'action':'allow','protocol':1}]", "ct original protocol 1" R},
	/* ICMP: a type alone means the family's ICMP */
	{"[{'action':'allow','protocol':'icmp','icmp':{'type':8}}]",
		"meta nfproto ipv4 ct original protocol 1 icmp type 8" R},
	{"[{'action':'allow','protocol':'icmp','icmp':{'type':0,'code':0}}]",
		"meta nfproto ipv4 ct original protocol 1 icmp type 0 code 0" R},
	{"[{'action':'allow','icmp':{'type':3,'code':4}}]",
		"meta nfproto ipv4 ct original protocol 1 icmp type 3 code 4" R
		"meta nfproto ipv6 ct original protocol 58 icmp type 3 code 4" R},
	{"[{'action':'allow','protocol':'icmpv6','notICMP':{'type':128}}]",
		"meta nfproto ipv6 ct original protocol 58 icmp != type 128" R},
	{"[{'action':'allow','protocol':58,'ipVersion':6,'icmp':{'type':128},"
	 "'notICMP':{'type':128,'code':1}}]",
		"meta nfproto ipv6 ct original protocol 58 icmp type 128 "
		"icmp != type 128 code 1" R},
	{"[{'action':'allow','protocol':58,'icmp':{'type':128}}]",
		"meta nfproto ipv6 ct original protocol 58 icmp type 128" R},
	/* conntrack keeps ports where it keeps the type: type 8 must not let ports 2048 to 2303 pass */
	{"[{'action':'allow','protocol':'tcp','icmp':{'type':8}}]", ""},
	{"[{'action':'allow','protocol':'udp','notICMP':{'type':8}}]", ""},
	{"[{'action':'allow','protocol':'icmp','icmp':{'type':8},'ipVersion':4}]",
		"meta nfproto ipv4 ct original protocol 1 icmp type 8" R},
	/* ports: one is compared, several are looked up, ranges are rules of their own */
	{"[{'action':'allow','protocol':'tcp','destination':{'ports':[3306]}}]",
		"ct original protocol 6 ct reply proto-src 3306" R},
	{"[{'action':'allow','protocol':'tcp','source':{'ports':[1024]}}]",
		"ct original protocol 6 ct original proto-src 1024" R},
	{"[{'action':'allow','protocol':'tcp','destination':{'ports':[443,80,443]}}]",
		"ct original protocol 6 ct reply proto-src @port_PORTS" R "port_PORTS: 80 443\n"},
	{"[{'action':'allow','protocol':'sctp','destination':{'ports':[7,'9:11']}}]",
		"ct original protocol 132 ct reply proto-src 7" R
		"ct original protocol 132 ct reply proto-src 9-11" R},
	{"[{'action':'allow','protocol':'udp','destination':{'ports':['100:200']}}]",
		"ct original protocol 17 ct reply proto-src 100-200" R},
	{"[{'action':'allow','protocol':'tcp','destination':{'ports':[80,'100:200',443,"
	 "'1:2']}}]",
		"ct original protocol 6 ct reply proto-src @port_PORTS" R
		"ct original protocol 6 ct reply proto-src 100-200" R
		"ct original protocol 6 ct reply proto-src 1-2" R "port_PORTS: 80 443\n"},
	{"[{'action':'allow','protocol':'tcp','source':{'ports':[1,'2:3']},"
	 "'destination':{'ports':['4:5',6]}}]",
		"ct original protocol 6 ct original proto-src 1 ct reply proto-src 6" R
		"ct original protocol 6 ct original proto-src 1 ct reply proto-src 4-5" R
		"ct original protocol 6 ct original proto-src 2-3 ct reply proto-src 6" R
		"ct original protocol 6 ct original proto-src 2-3 ct reply proto-src 4-5" R},
	{"[{'action':'allow','protocol':'tcp','destination':{'notPorts':[22]}}]",
		"ct original protocol 6 ct reply proto-src != 22" R},
	{"[{'action':'allow','protocol':'tcp','source':{'notPorts':[80,443,'1:9','20:30']}}]",
		"ct original protocol 6 ct original proto-src != @port_PORTS "
		"ct original proto-src != 1-9 ct original proto-src != 20-30" R
		"port_PORTS: 80 443\n"},
	{"[{'action':'allow','protocol':'tcp','source':{'notPorts':[1]},"
	 "'destination':{'ports':[2,'7:8'],'notPorts':['3:4']}}]",
		"ct original protocol 6 ct original proto-src != 1 ct reply proto-src != 3-4 "
		"ct reply proto-src 2" R
		"ct original protocol 6 ct original proto-src != 1 ct reply proto-src != 3-4 "
		"ct reply proto-src 7-8" R},
	/* one set where two lists say the same */
	{"[{'action':'allow','protocol':'tcp','source':{'ports':[443,80]},"
	 "'destination':{'ports':[80,443]}}]",
		"ct original protocol 6 ct original proto-src @port_PORTS "
		"ct reply proto-src @port_PORTS" R "port_PORTS: 80 443\n"},
	/* selectors: a set per family */
	{"[{'action':'allow','source':{'selector':'role == \\'db\\''}}]",
		"ct original ip saddr @sel_ROLE_4" R "ct original ip6 saddr @sel_ROLE_6" R
		"sel_ROLE_4: role == \"db\"\nsel_ROLE_6: role == \"db\"\n"},
	{"[{'action':'allow','destination':{'notSelector':'role==\\'db\\''}}]",
		"ct reply ip saddr != @sel_ROLE_4" R "ct reply ip6 saddr != @sel_ROLE_6" R
		"sel_ROLE_4: role == \"db\"\nsel_ROLE_6: role == \"db\"\n"},
	{"[{'action':'allow','ipVersion':4,'source':{'tag':'t'},"
	 "'destination':{'notTag':'t'}}]",
		"meta nfproto ipv4 ct original ip saddr @sel_TAG_4 ct reply ip saddr != @sel_TAG_4" R
		"sel_TAG_4: has(t)\n"},
	{"[{'action':'allow','ipVersion':6,'source':{'selector':'role == \\'db\\'','tag':'t',"
	 "'notSelector':'all()','notTag':'x'}}]",
		"meta nfproto ipv6 ct original ip6 saddr @sel_ROLE_6 ct original ip6 saddr @sel_TAG_6 "
		"ct original ip6 saddr != @sel_ALL_6 ct original ip6 saddr != @sel_XKEY_6" R
		"sel_ROLE_6: role == \"db\"\nsel_TAG_6: has(t)\nsel_ALL_6: all()\nsel_XKEY_6: has(x)\n"},
	/* this host's addresses are in a set of their own making, for where it is sent to and for where it is left out */
	{"[{'action':'allow','ipVersion':4,'destination':{'selector':'has(docker/host)'}}]",
		"meta nfproto ipv4 ct reply ip saddr @sel_HOSTKEYh_4" R
		"sel_HOSTKEYh_4: has(docker/host)\n"},
	{"[{'action':'allow','ipVersion':6,'source':{'selector':'has(docker/host)'},"
	 "'destination':{'notSelector':'has(docker/host)'}}]",
		"meta nfproto ipv6 ct original ip6 saddr @sel_HOSTKEY_6 "
		"ct reply ip6 saddr != @sel_HOSTKEYh_6" R
		"sel_HOSTKEY_6: has(docker/host)\nsel_HOSTKEYh_6: has(docker/host)\n"},
	{"[{'action':'allow','ipVersion':4,'source':{'notSelector':'has(docker/host)'}}]",
		"meta nfproto ipv4 ct original ip saddr != @sel_HOSTKEYh_4" R
		"sel_HOSTKEYh_4: has(docker/host)\n"},
	/* nets: a list of one family says nothing of the other, negated or not */
	{"[{'action':'allow','source':{'nets':['10.0.0.0/8']}}]",
		"ct original ip saddr 10.0.0.0/8" R},
	{"[{'action':'allow','source':{'notNets':['10.0.0.0/8']}}]",
		"ct original ip saddr != 10.0.0.0/8" R},
	{"[{'action':'allow','destination':{'nets':['fd00::/8']}}]",
		"ct reply ip6 saddr fd00::/8" R},
	{"[{'action':'allow','source':{'nets':['10.1.2.3']}}]",
		"ct original ip saddr 10.1.2.3/32" R},
	{"[{'action':'allow','source':{'nets':['0.0.0.0/0']}}]", "meta nfproto ipv4" R},
	{"[{'action':'allow','source':{'nets':['10.0.0.0/8','0.0.0.0/0']}}]",
		"meta nfproto ipv4" R},
	{"[{'action':'allow','source':{'notNets':['0.0.0.0/0']}}]", ""},
	{"[{'action':'allow','ipVersion':6,'source':{'nets':['::/0']}}]",
		"meta nfproto ipv6 meta nfproto ipv6" R},
	{"[{'action':'allow','source':{'nets':['10.9.0.0/16','10.0.0.0/8','192.168.1.7/24']}}]",
		"ct original ip saddr @net_NETS_4" R "net_NETS_4: 10.0.0.0/8 192.168.1.0/24\n"},
	{"[{'action':'allow','destination':{'notNets':['192.168.1.0/24','10.0.0.0/8']}}]",
		"ct reply ip saddr != @net_NETS_4" R "net_NETS_4: 10.0.0.0/8 192.168.1.0/24\n"},
	{"[{'action':'allow','source':{'nets':['10.1.0.0/16','10.0.0.0/8','10.2.0.0/16']}}]",
		"ct original ip saddr 10.0.0.0/8" R},
	/* everything at once is all of it */
	{"[{'action':'allow','protocol':'tcp','ipVersion':4,'source':{'selector':'role==\\'db\\'',"
	 "'nets':['10.0.0.0/8'],'notNets':['10.1.0.0/16']},'destination':{'tag':'t',"
	 "'ports':[80]}}]",
		"meta nfproto ipv4 ct original protocol 6 ct original ip saddr @sel_ROLE_4 "
		"ct original ip saddr 10.0.0.0/8 ct original ip saddr != 10.1.0.0/16 "
		"ct reply ip saddr @sel_TAG_4 ct reply proto-src 80" R
		"sel_ROLE_4: role == \"db\"\nsel_TAG_4: has(t)\n"},
};

/* Names of sets are hashes; the tables above have words for them. */
static void replace(char **text, const char *word, const char *hash)
{
	struct strbuf out = {0};
	const char *at = *text, *found;

	for (; (found = strstr(at, word)); at = found + strlen(word)) {
		strbuf_addn(&out, at, (size_t)(found - at));
		strbuf_add(&out, hash);
	}
	strbuf_add(&out, at);
	free(*text);
	*text = strbuf_take(&out);
}

static void replace_selector(char **text, const char *word, const char *selector)
{
	CLEANUP(selector) struct selector *parsed = selector_parse(selector, NULL);

	ck_assert_ptr_nonnull(parsed);
	replace(text, word, selector_id(parsed));
}

static char *with_hashes(const char *wanted, const char *got)
{
	char *text = xstrdup(wanted);
	char hex[13] = {0};
	const char *at = strstr(got, "@port_");

	replace_selector(&text, "ROLE", "role == 'db'");
	replace_selector(&text, "TAG", "has(t)");
	replace_selector(&text, "ALL", "all()");
	replace_selector(&text, "XKEY", "has(x)");
	replace_selector(&text, "HOSTKEY", "has(docker/host)");
	if (at)
		memcpy(hex, at + strlen("@port_"), 12);
	replace(&text, "PORTS", hex);
	at = strstr(got, "@net_");
	if (at)
		memcpy(hex, at + strlen("@net_"), 12);
	replace(&text, "NETS", hex);
	return text;
}

START_TEST(test_rules)
{
	cleanup_free char *json = xstrdup(cases[_i].rules);
	cleanup_free char *got = NULL, *wanted = NULL;

	/* \' is a quote within a selector, and stays one */
	for (char *p; (p = strstr(json, "\\'"));) {
		p[0] = '\x01';
		memmove(p + 1, p + 2, strlen(p + 2) + 1);
	}
	replace(&json, "\x01", "\\u0027");
	got = compiled(json);
	wanted = with_hashes(cases[_i].text, got);
	ck_assert_str_eq(got, wanted);
}
END_TEST

START_TEST(test_the_same_content_has_the_same_set_everywhere)
{
	cleanup_free char *one =
		compiled("[{'action':'allow','source':{'nets':['10.0.0.0/8','192.168.0.0/16']}}]");
	cleanup_free char *two = compiled(
		"[{'action':'allow','source':{'nets':['192.168.5.0/16','10.9.9.9','10.0.0.0/8']}}]");
	cleanup_free char *three =
		compiled("[{'action':'allow','source':{'nets':['10.0.0.0/8','192.168.0.0/17']}}]");

	ck_assert_str_eq(one, two);
	ck_assert_str_ne(one, three);
}
END_TEST

START_TEST(test_verdicts)
{
	cleanup_free char *got = compiled("[{'action':'log'},{'action':'allow','protocol':'tcp'},"
					  "{'action':'pass','protocol':'udp'},{'action':'deny'}]");

	/* log goes on; pass has no profile to go to, so that nothing allows it */
	ck_assert_str_eq(got,
		"log original \"bulkhead ingress log p[0]\" continue comment \"policy p ingress[0]\"\n"
		"ct original protocol 6 counter in_allow_p_148de9 return comment \"policy p ingress[1]\"\n"
		"ct original protocol 17 log original \"bulkhead ingress pass p[2]\" counter in_deny_p_148de9 goto denied "
		"comment \"policy p ingress[2]\"\n"
		"log original \"bulkhead ingress deny p[3]\" counter in_deny_p_148de9 goto denied "
		"comment \"policy p ingress[3]\"\n");
}
END_TEST

START_TEST(test_long_names_are_cut)
{
	char name[POLICY_NAME_MAX + 1];
	struct rule_list rules = {0};
	struct needed_list needed = {0};
	CLEANUP(policy) struct policy *policy = NULL;

	memset(name, 'n', POLICY_NAME_MAX);
	name[POLICY_NAME_MAX] = '\0';
	policy = policy_of(name, "[{'action':'deny'}]");
	ck_assert_int_eq(compile_policy(policy, DIR_INGRESS, &rules, &needed, NULL), 0);
	ck_assert_uint_eq(rules.count, 1);
	ck_assert_ptr_nonnull(strstr(rules.items[0].comment, "nnn ingress[0]"));
	ck_assert_uint_lt(strlen(rules.items[0].log_prefix), LOG_PREFIX_MAX);
	rule_list_free(&rules);
	needed_list_free(&needed);
}
END_TEST

/* count ranges as a JSON list */
static char *ranges(int count)
{
	struct strbuf json = {0};

	for (int i = 0; i < count; i++)
		strbuf_addf(&json, "%s'%d:%d'", i ? "," : "", 3 * i + 1, 3 * i + 2);
	return strbuf_take(&json);
}

START_TEST(test_more_conditions_than_a_rule_holds)
{
	cleanup_free char *list = ranges(RULE_MATCHES_MAX);
	cleanup_free char *json = xasprintf("[{'action':'allow'},{'action':'allow',"
					    "'protocol':'tcp','destination':{'notPorts':[%s]}}]",
		list);
	CLEANUP(policy) struct policy *policy = policy_of("many", json);
	struct rule_list rules = {0};
	struct compiled compiled = {0};
	struct needed_list needed = {0};
	struct err err = {0};

	ck_assert_int_eq(compile_policy(policy, DIR_INGRESS, &rules, &needed, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "policy many ingress[1]"));
	rule_list_free(&rules);
	needed_list_free(&needed);
	ck_assert_int_eq(compile_group((const struct policy *const[]){policy}, 1,
				 &(struct compile_scope){.dir = DIR_INGRESS, .family = 4},
				 &compiled, &needed, &err),
		-1);
	compiled_free(&compiled);
	needed_list_free(&needed);
}
END_TEST

static const struct {
	int rules, source, destination;
	const char *error; /* or NULL */
} sizes[] = {
	{1, 64, 64, NULL},
	{1, 64, 65, "policy many ingress[0]: more than 4096 kernel rules for its ports"},
	{1, 1000, 1000, "policy many ingress[0]: more than 4096 kernel rules for its ports"},
	{4, 64, 64, NULL},
	{5, 64, 64, "policy many ingress[4]: more than 16384 kernel rules for one policy"},
};

START_TEST(test_port_lists_do_not_grow_without_bound)
{
	cleanup_free char *source = ranges(sizes[_i].source);
	cleanup_free char *destination = ranges(sizes[_i].destination);
	cleanup_strbuf struct strbuf json = {0};
	CLEANUP(policy) struct policy *policy = NULL;
	struct rule_list rules = {0};
	struct needed_list needed = {0};
	struct err err = {0};

	for (int i = 0; i < sizes[_i].rules; i++)
		strbuf_addf(&json,
			"%s{'action':'allow','protocol':'tcp','source':{'ports':[%s]},"
			"'destination':{'ports':[%s]}}",
			i ? "," : "[", source, destination);
	strbuf_add(&json, "]");
	policy = policy_of("many", json.text);
	/* what other policies have brought does not count */
	rule_append(&rules);
	ck_assert_int_eq(compile_policy(policy, DIR_INGRESS, &rules, &needed, &err),
		sizes[_i].error ? -1 : 0);
	if (sizes[_i].error)
		ck_assert_str_eq(err.text, sizes[_i].error);
	rule_list_free(&rules);
	needed_list_free(&needed);
}
END_TEST

/* --- groups ------------------------------------------------------------------------------------ */

START_TEST(test_a_group_is_its_policies_and_an_end)
{
	CLEANUP(policy)
	struct policy *first = policy_of("first", "[{'action':'allow','protocol':'tcp'}]");
	CLEANUP(policy) struct policy *second = policy_of("second", "[{'action':'deny'}]");
	const struct policy *const both[] = {first, second};
	const struct compile_scope scope = {.dir = DIR_INGRESS, .family = 4};
	cleanup_free char *text = NULL;
	struct compiled compiled = {0};
	struct needed_list needed = {0};

	ck_assert_int_eq(compile_group(both, 2, &scope, &compiled, &needed, NULL), 0);
	text = rendered(&compiled.own, &needed);
	ck_assert_str_eq(text,
		"ct original protocol 6 counter in_allow_first_a7937b return comment \"policy first ingress[0]\"\n"
		"log original \"bulkhead ingress deny second[0]\" counter in_deny_second_16367a goto denied "
		"comment \"policy second ingress[0]\"\n"
		"log original \"bulkhead ingress end first\" counter drop_ingress goto denied "
		"comment \"no rule allowed it\"\n");
	needed_list_free(&needed);
}
END_TEST

/* What a trial of a change tells: as it would be with the changed policy in the place of the one in force. */
START_TEST(test_a_staged_policy_takes_its_namesakes_place)
{
	CLEANUP(policy)
	struct policy *staged = policy_of("_staged/a", "[{'action':'allow','protocol':'udp'}]");
	CLEANUP(policy)
	struct policy *in_force = policy_of("a", "[{'action':'allow','protocol':'tcp'}]");
	CLEANUP(policy) struct policy *other = policy_of("b", "[{'action':'deny','protocol':6}]");
	const struct policy *const all[] = {staged, in_force, other};
	struct compile_scope scope = {.dir = DIR_INGRESS, .family = 4, .view = VIEW_STAGED};
	struct compiled compiled = {0};
	struct needed_list needed = {0};
	cleanup_free char *told = NULL, *done = NULL;

	staged->staged = true;
	ck_assert_int_eq(compile_group(all, COUNT(all), &scope, &compiled, &needed, NULL), 0);
	told = rendered(&compiled.own, &needed);
	needed_list_free(&needed);
	compiled = (struct compiled){0};
	ck_assert_ptr_nonnull(strstr(told, "policy _staged/a ingress[0]"));
	ck_assert_ptr_null(strstr(told, "policy a ingress[0]"));
	ck_assert_ptr_nonnull(strstr(told, "policy b ingress[0]"));
	scope.view = VIEW_IN_FORCE;
	ck_assert_int_eq(compile_group(all, COUNT(all), &scope, &compiled, &needed, NULL), 0);
	done = rendered(&compiled.own, &needed);
	needed_list_free(&needed);
	ck_assert_ptr_null(strstr(done, "_staged"));
	ck_assert_ptr_nonnull(strstr(done, "policy a ingress[0]"));
	ck_assert_ptr_nonnull(strstr(done, "policy b ingress[0]"));
}
END_TEST

/* Rules of the other family, and their sets, are left out; what is of both says whose packets it meets. */
START_TEST(test_a_group_has_rules_of_its_family_alone)
{
	CLEANUP(policy)
	struct policy *policy = policy_of("p",
		"[{'action':'allow','source':{'selector':'has(role)'}},"
		"{'action':'allow','ipVersion':6},{'action':'allow','protocol':'tcp'}]");
	const struct policy *const one[] = {policy};

	for (uint8_t family = 4; family <= 6; family += 2) {
		const struct compile_scope scope = {.dir = DIR_INGRESS, .family = family};
		struct compiled compiled = {0};
		struct needed_list needed = {0};

		ck_assert_int_eq(compile_group(one, 1, &scope, &compiled, &needed, NULL), 0);
		ck_assert_uint_eq(compiled.own.count, family == 4 ? 3 : 4);
		for (size_t i = 0; i + 1 < compiled.own.count; i++)
			ck_assert_uint_eq(compiled.own.items[i].family, family);
		for (size_t i = 0; i < needed.count; i++)
			ck_assert(!needed.items[i].family || needed.items[i].family == family);
		compiled_free(&compiled);
		needed_list_free(&needed);
	}
}
END_TEST

START_TEST(test_a_group_without_policies_is_closed)
{
	const struct compile_scope scope = {.dir = DIR_EGRESS, .family = 4};
	struct compiled compiled = {0};
	struct needed_list needed = {0};
	cleanup_free char *text = NULL;

	ck_assert_int_eq(compile_group(NULL, 0, &scope, &compiled, &needed, NULL), 0);
	text = rendered(&compiled.own, &needed);
	ck_assert_str_eq(text,
		"log original \"bulkhead egress end\" counter drop_egress goto denied "
		"comment \"isolated, and no policy governs it\"\n");
	needed_list_free(&needed);
}
END_TEST

START_TEST(test_group_names)
{
	CLEANUP(policy) struct policy *a = policy_of("web/front.end-1_a.b.c.d.e.f.g", "[]");
	CLEANUP(policy) struct policy *b = policy_of("b", "[]");
	CLEANUP(policy) struct policy *ab = policy_of("a-b", "[]");
	const struct policy *const one[] = {a}, *const two[] = {a, b}, *const other[] = {b, a};
	char names[5][NFT_NAME_MAX];
	uint32_t number = compile_group_name(one, 1, DIR_INGRESS, names[0]);
	cleanup_free char *digits = xasprintf("_%08x", number);

	ck_assert_ptr_nonnull(strstr(names[0], digits));
	compile_group_name(two, 2, DIR_INGRESS, names[1]);
	compile_group_name(other, 2, DIR_INGRESS, names[2]);
	compile_group_name(one, 1, DIR_EGRESS, names[3]);
	compile_group_name((const struct policy *const[]){ab}, 1, DIR_INGRESS, names[4]);
	ck_assert(!strncmp(names[0], "in_web_front_end_1_a_", strlen("in_web_front_end_1_a_")));
	ck_assert(!strncmp(names[2], "in_b_", 5));
	ck_assert(!strncmp(names[3], "eg_web_", 7));
	/* order and content make the name */
	for (size_t i = 0; i < COUNT(names); i++) {
		/* room for "st_" and "_4" */
		ck_assert_uint_lt(strlen(names[i]) + 5, NFT_NAME_MAX);
		ck_assert_uint_eq(
			strspn(names[i], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
					 "0123456789"),
			strlen(names[i]));
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(names[i], names[j]);
	}
	ck_assert_uint_eq(compile_group_name(NULL, 0, DIR_INGRESS, names[0]), 1);
	ck_assert_str_eq(names[0], "in_none");
	compile_group_name(NULL, 0, DIR_EGRESS, names[0]);
	ck_assert_str_eq(names[0], "eg_none");
}
END_TEST

START_TEST(test_group_comments)
{
	CLEANUP(policy) struct policy *a = policy_of("web", "[]");
	CLEANUP(policy) struct policy *b = policy_of("backup", "[]");
	const struct policy *const both[] = {a, b};
	const struct policy *many[200];
	cleanup_free char *none = compile_group_comment(NULL, 0, DIR_EGRESS);
	cleanup_free char *two = compile_group_comment(both, 2, DIR_INGRESS);
	cleanup_free char *cut = NULL;

	ck_assert_str_eq(none, "egress: no policy");
	ck_assert_str_eq(two, "ingress: web, backup");
	for (size_t i = 0; i < COUNT(many); i++)
		many[i] = b;
	cut = compile_group_comment(many, COUNT(many), DIR_INGRESS);
	ck_assert_uint_lt(strlen(cut), RULE_COMMENT_MAX + POLICY_NAME_MAX + 3);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("compile");
	TCase *tcase = tcase_create("compile");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tcase, test_rules, 0, (int)COUNT(cases));
	tcase_add_test(tcase, test_the_same_content_has_the_same_set_everywhere);
	tcase_add_test(tcase, test_verdicts);
	tcase_add_test(tcase, test_long_names_are_cut);
	tcase_add_test(tcase, test_more_conditions_than_a_rule_holds);
	tcase_add_loop_test(tcase, test_port_lists_do_not_grow_without_bound, 0, (int)COUNT(sizes));
	tcase_add_test(tcase, test_a_group_is_its_policies_and_an_end);
	tcase_add_test(tcase, test_a_staged_policy_takes_its_namesakes_place);
	tcase_add_test(tcase, test_a_group_has_rules_of_its_family_alone);
	tcase_add_test(tcase, test_a_group_without_policies_is_closed);
	tcase_add_test(tcase, test_group_names);
	tcase_add_test(tcase, test_group_comments);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
