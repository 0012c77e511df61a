/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What get shows of a policy, and what convert makes of it, is read back as the same record: random policies of both forms with every
 * field, as YAML and as JSON. BULKHEAD_SEED repeats a run.
 */
#include "common/strbuf.h"
#include "common/xalloc.h"
#include "ctl/output.h"
#include "ctl/resource_version.h"
#include "ctl/v1_convert.h"
#include "ctl/v3_schema.h"
#include "ctl/view.h"
#include "tests/unit/ctl/input_fixture.h"

#include <stdlib.h>
#include <time.h>

enum { TURNS = 4000, ACCEPTED_MIN = 800 };

static unsigned seed;

static unsigned draw(unsigned n)
{
	return (unsigned)rand_r(&seed) % n;
}

/* --- documents, by tables ---------------------------------------------------------------------------- */

/* A field with the values that it may get, as quoted JSON, or with fields of its own. */
struct part {
	const char *field; /* NULL ends the table */
	const char *const *values;
	const struct part *parts;
	bool list;       /* of objects made of parts */
	unsigned chance; /* one in so many has it */
	size_t *seen;    /* in documents that were accepted */
};

/* Values that YAML would read as something else, were they not quoted. */
#define ODD_TEXTS                                                                                 \
	"{'a':'yes','b':'1','c':'null','d':'~','e':''}", "{'x.y/z':'- x','t':'a: b','h':'# no'}", \
		"{'n':'line\\nline\\n','s':' ends ','u':'\\u00e9\\u4e2d'}",                       \
		"{'q':'it`s \\\"so\\\"','o':'0x10','f':'1e3','d':'2026-01-01'}"

static const char *const selectors[] = {"role == `db`", "has(a) && !has(b)", "a in {`x`,\\\"y\\\"}",
	"a not in {`x`} || (b != `c` && all())", "!(a == `b`) ", "all()", "docker/image == `x:1`",
	"a contains `b` && c starts with `d`", "e ends with `f`", NULL};
#define Q(...)                    \
	(const char *const[])     \
	{                         \
		__VA_ARGS__, NULL \
	}

static size_t seen[64];

#define VALUES(field, chance, at, ...)                                \
	{                                                             \
		field, Q(__VA_ARGS__), NULL, false, chance, &seen[at] \
	}
#define PARTS(field, chance, at, parts)                      \
	{                                                    \
		field, NULL, parts, false, chance, &seen[at] \
	}
#define LIST(field, chance, at, parts)                      \
	{                                                   \
		field, NULL, parts, true, chance, &seen[at] \
	}
#define SELECTOR(field, chance, at)                              \
	{                                                        \
		field, selectors, NULL, false, chance, &seen[at] \
	}
#define END                                      \
	{                                        \
		NULL, NULL, NULL, false, 0, NULL \
	}

#define NETS                                                                              \
	"['10.0.0.0/8']", "['10.1.2.3','192.0.2.0/24']", "['fd00::/8']", "['0.0.0.0/0']", \
		"['2001:db8::1']"
#define PORTS   "[80]", "[1,65535]", "['1000:2000',53]", "['22']"
#define NUMBERS "1", "6", "17", "58", "47", "255"

static const struct part v1_entity[] = {
	SELECTOR("selector", 4, 0),
	SELECTOR("notSelector", 5, 1),
	VALUES("tag", 6, 2, "'web'", "'a_b.c-d'"),
	VALUES("notTag", 6, 3, "'web'"),
	VALUES("nets", 6, 4, NETS),
	VALUES("notNets", 6, 5, NETS),
	VALUES("net", 9, 6, "'10.0.0.1'", "'fd00::1/64'"),
	VALUES("notNet", 9, 7, "'10.0.0.0/8'"),
	VALUES("ports", 6, 8, PORTS),
	VALUES("notPorts", 8, 9, PORTS),
	END,
};
static const struct part v1_rule[] = {
	VALUES("action", 1, 10, "'allow'", "'deny'", "'log'", "'pass'"),
	VALUES("ipVersion", 6, 11, "4", "6"),
	VALUES("protocol", 2, 12, "'tcp'", "'udp'", "'icmp'", "'icmpv6'", "'sctp'", "'udplite'",
		NUMBERS),
	VALUES("notProtocol", 6, 13, "'tcp'", "'icmp'", NUMBERS),
	VALUES("icmp", 8, 14, "{'type':8}", "{'type':0,'code':0}", "{'type':254,'code':255}"),
	VALUES("notICMP", 8, 15, "{'type':8}", "{'type':3,'code':1}"),
	PARTS("source", 3, 16, v1_entity),
	PARTS("destination", 3, 17, v1_entity),
	END,
};
static const struct part v1_spec[] = {
	VALUES("order", 2, 18, "0", "-1", "100", "1.5", "-0.25", "1e21", "123456789012"),
	VALUES("staged", 4, 19, "true", "false"),
	SELECTOR("selector", 2, 20),
	VALUES("types", 3, 21, "['ingress']", "['egress']", "['egress','ingress']"),
	LIST("ingress", 2, 22, v1_rule),
	LIST("egress", 2, 23, v1_rule),
	VALUES("doNotTrack", 20, 24, "false"),
	END,
};
static const struct part v1_metadata[] = {
	VALUES("name", 1, 25, "'database'", "'a/B'", "'1'", "'true'", "'1.5'", "'null'", "'0x1'",
		"'-'", "'A_b.c'"),
	VALUES("annotations", 4, 26, ODD_TEXTS),
	END,
};
static const struct part v1_policy[] = {
	VALUES("apiVersion", 1, 27, "'v1'"),
	VALUES("kind", 1, 28, "'policy'"),
	PARTS("metadata", 1, 29, v1_metadata),
	PARTS("spec", 1, 30, v1_spec),
	END,
};

static const struct part v3_entity[] = {
	SELECTOR("selector", 4, 31),
	SELECTOR("notSelector", 6, 32),
	VALUES("namespaceSelector", 6, 33, "'all()'", "'projectcalico.org/name == `shop`'",
		"'global()'"),
	VALUES("nets", 6, 34, NETS),
	VALUES("notNets", 6, 35, NETS),
	VALUES("ports", 6, 36, PORTS),
	VALUES("notPorts", 8, 37, PORTS),
	END,
};
static const struct part v3_rule_metadata[] = {VALUES("annotations", 1, 38, ODD_TEXTS), END};
static const struct part v3_rule[] = {
	VALUES("action", 1, 39, "'Allow'", "'Deny'", "'Log'", "'Pass'"),
	PARTS("metadata", 6, 40, v3_rule_metadata),
	VALUES("ipVersion", 6, 41, "4", "6"),
	VALUES("protocol", 2, 42, "'TCP'", "'UDP'", "'ICMP'", "'ICMPv6'", "'SCTP'", "'UDPLite'",
		NUMBERS),
	VALUES("notProtocol", 6, 43, "'TCP'", "'ICMP'", NUMBERS),
	VALUES("icmp", 8, 44, "{'type':8}", "{'type':0,'code':0}"),
	VALUES("notICMP", 8, 45, "{'type':8}", "{'type':3,'code':1}"),
	PARTS("source", 3, 46, v3_entity),
	PARTS("destination", 3, 47, v3_entity),
	END,
};
static const struct part v3_spec[] = {
	VALUES("order", 2, 48, "0", "-1", "1.5", "1e21"),
	SELECTOR("selector", 2, 49),
	VALUES("namespaceSelector", 8, 50, "'all()'", "'projectcalico.org/name == `shop`'"),
	VALUES("types", 3, 51, "['Ingress']", "['Egress']", "['Ingress','Egress']"),
	LIST("ingress", 2, 52, v3_rule),
	LIST("egress", 2, 53, v3_rule),
	END,
};
static const struct part v3_metadata[] = {
	VALUES("name", 1, 54, "'database'", "'default.x'", "'a-1'", "'1'", "'0'"),
	VALUES("namespace", 2, 55, "'shop'", "'my_shop-1'"),
	VALUES("labels", 4, 56, ODD_TEXTS),
	VALUES("annotations", 4, 57, ODD_TEXTS),
	END,
};
static const struct part v3_policy[] = {
	VALUES("apiVersion", 1, 58, "'projectcalico.org/v3'"),
	VALUES("kind", 1, 59, "'GlobalNetworkPolicy'", "'NetworkPolicy'",
		"'StagedGlobalNetworkPolicy'", "'StagedNetworkPolicy'"),
	PARTS("metadata", 1, 60, v3_metadata),
	PARTS("spec", 1, 61, v3_spec),
	END,
};

/* --- making them ------------------------------------------------------------------------------------- */

/* What the document in the making has; taken over when it is accepted. */
static bool has[64];

static void make_object(struct strbuf *out, const struct part *parts);

static void make_value(struct strbuf *out, const struct part *part)
{
	size_t count = 0;

	if (part->list) {
		strbuf_add(out, "[");
		for (unsigned i = draw(3) + 1; i; i--) {
			make_object(out, part->parts);
			strbuf_add(out, i > 1 ? "," : "]");
		}
		return;
	}
	if (part->parts) {
		make_object(out, part->parts);
		return;
	}
	while (part->values[count])
		count++;
	if (part->values == selectors)
		strbuf_addf(out, "'%s'", selectors[draw((unsigned)count)]);
	else
		strbuf_add(out, part->values[draw((unsigned)count)]);
}

static void make_object(struct strbuf *out, const struct part *parts)
{
	const char *comma = "";

	strbuf_add(out, "{");
	for (; parts->field; parts++) {
		if (draw(parts->chance))
			continue;
		strbuf_addf(out, "%s'%s':", comma, parts->field);
		make_value(out, parts);
		has[parts->seen - seen] = true;
		comma = ",";
	}
	strbuf_add(out, "}");
}

/* --- there and back ------------------------------------------------------------------------------------ */

static char *shown(const json_t *list, bool json)
{
	char *text = NULL;
	size_t len = 0;
	struct err err = {0};
	FILE *memory = open_memstream(&text, &len);

	ck_assert_msg(!(json ? output_json(list, memory, &err) : output_yaml(list, memory, &err)),
		"%s", err.text);
	fclose(memory);
	return text;
}

/* The record that the text of a list of one is read as. */
static json_t *read_again(const char *text, const char *made, char **version)
{
	struct input again = {0};
	struct diag said = {0};
	json_t *record;

	input_add_text(&again, text, strlen(text), "again", POLICY_WHOLE, &said);
	ck_assert_msg(!said.count, "%s\nshown as\n%s\n%s", made, text, said.entries[0]);
	ck_assert_uint_eq(again.count, 1);
	record = json_incref(again.items[0].record);
	if (version)
		*version = again.items[0].version ? xstrdup(again.items[0].version) : NULL;
	input_clear(&again);
	diag_clear(&said);
	return record;
}

static void expect_same(const json_t *record, const json_t *list, const char *made, bool versioned)
{
	char wanted[RESOURCE_VERSION_SIZE];

	resource_version_of(record, wanted);
	for (int json = 0; json < 2; json++) {
		cleanup_free char *text = shown(list, json), *version = NULL;
		cleanup_json json_t *again = read_again(text, made, &version);

		ck_assert_msg(json_equal(again, record), "%s\nshown as\n%s", made, text);
		if (versioned)
			ck_assert_str_eq(version, wanted);
		else
			ck_assert_ptr_null(version);
	}
}

static void expect_get_round_trip(const json_t *record, const char *made)
{
	CLEANUP(world) struct world *world = world_new();
	struct err err = {0};
	CLEANUP(policy) struct policy *policy = policy_from_json(record, &err);

	ck_assert_msg(policy != NULL, "%s: %s", made, err.text);
	world_finish(world);
	for (int export = 0; export < 2; export ++) {
		struct view view cleanup_view = {0};

		view_init(&view, VIEW_POLICIES, OUTPUT_JSON);
		view.export = export;
		view_policy(&view, record, policy, world);
		expect_same(record, view.list, made, !export);
	}
}

/* What convert makes is of v3, reads back as one record however it is written, and stays when it is converted again. */
static bool expect_convert_round_trip(const json_t *record, const char *made)
{
	struct err err = {0};
	cleanup_json json_t *object = v1_convert(record, &err), *again = NULL, *list = NULL;
	cleanup_json json_t *converted = NULL;
	cleanup_free char *text = NULL;

	if (!object) {
		ck_assert_msg(!strncmp(err.text, "v3 cannot say it", 16), "%s: %s", made, err.text);
		return false;
	}
	list = json_pack("[O]", object);
	text = shown(list, true);
	converted = read_again(text, made, NULL);
	ck_assert_str_eq(json_string_value(json_object_get(converted, "form")), "v3");
	expect_same(converted, list, made, false);
	again = v1_convert(converted, &err);
	ck_assert_msg(json_equal(again, object), "%s", made);
	if (json_object_get(record, "form"))
		ck_assert_msg(json_equal(converted, record), "%s", made);
	return true;
}

static void turn(const struct part *form, size_t *accepted, size_t *converted)
{
	cleanup_strbuf struct strbuf quoted = {0};
	cleanup_free char *made = NULL;

	memset(has, 0, sizeof(has));
	make_object(&quoted, form);
	made = unquote(quoted.text);
	read_text(made);
	if (diag.count) /* fields that do not go together */
		return;
	(*accepted)++;
	for (size_t i = 0; i < COUNT(has); i++)
		seen[i] += has[i];
	expect_get_round_trip(input.items[0].record, made);
	*converted += expect_convert_round_trip(input.items[0].record, made);
}

/* Every field was in some document that went there and back. */
static void expect_all_seen(const struct part *parts)
{
	for (; parts->field; parts++) {
		ck_assert_msg(*parts->seen > 0, "no accepted document has %s (%d)", parts->field,
			(int)(parts->seen - seen));
		if (parts->parts)
			expect_all_seen(parts->parts);
	}
}

static const struct part *const forms[] = {v1_policy, v3_policy};

START_TEST(test_there_and_back)
{
	size_t accepted = 0, converted = 0;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = getenv("BULKHEAD_SEED") ? (unsigned)strtoul(getenv("BULKHEAD_SEED"), NULL, 10)
				       : (unsigned)now.tv_nsec;
	printf("round trip: BULKHEAD_SEED=%u\n", seed);
	fflush(stdout);
	memset(seen, 0, sizeof(seen));
	for (int i = 0; i < TURNS; i++)
		turn(forms[_i], &accepted, &converted);
	ck_assert_uint_ge(accepted, ACCEPTED_MIN);
	ck_assert_uint_ge(converted, accepted / 2);
	expect_all_seen(forms[_i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("round_trip");
	TCase *tcase = tcase_create("random");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, test_there_and_back, 0, (int)COUNT(forms));
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
