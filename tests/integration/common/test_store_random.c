/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random edits, faults and operators' remedies, from a seed: the reader never holds anything but what was meant, in the order in which
 * it was meant (tests/lib/witness.h), and once it is quiet it holds the last of it. BULKHEAD_SEEDS says how many seeds, from
 * BULKHEAD_SEED on.
 */
#include "common/store_edit.h"
#include "common/xalloc.h"
#include "tests/lib/fault_proxy.h"
#include "tests/lib/redis_server.h"
#include "tests/lib/wait.h"
#include "tests/lib/witness.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { SEEDS = 20, STEPS = 80, POLICIES = 6 };

/* What is in the store, and whether it is what is meant. */
enum content {
	CONTENT_MEANT,
	CONTENT_NONE, /* flushed: what is written next is a new store, and meant */
	CONTENT_OLD   /* an old dump, perhaps written to since: not meant until it is accepted */
};

struct play {
	unsigned seed;
	struct redis_server *server;
	struct redis_sync *admin;
	struct witness *witness;
	struct fault_proxy *proxy;
	enum content content;
	bool has_dump;
	unsigned faults; /* of 100 messages */
	int number;
};

static unsigned below(struct play *play, unsigned count)
{
	return (unsigned)rand_r(&play->seed) % count;
}

static enum fault decide(void *arg)
{
	static const enum fault faults[] = {FAULT_DROP, FAULT_DROP, FAULT_TWICE, FAULT_TWICE,
		FAULT_LATE, FAULT_LATE, FAULT_CUT};
	struct play *play = arg;

	if (below(play, 100) >= play->faults)
		return FAULT_NONE;
	return faults[below(play, sizeof(faults) / sizeof(*faults))];
}

static void follow(struct play *play)
{
	witness_follow(play->witness, &(struct redis_options){.url = fault_proxy_url(play->proxy)});
}

static void meant(struct play *play)
{
	play->content = CONTENT_MEANT;
	witness_approve(play->witness, play->admin);
}

/* --- steps ------------------------------------------------------------------------------------- */

static int change_some(
	const struct store_view *view, struct store_changes *changes, void *arg, struct err *err)
{
	struct play *play = arg;
	unsigned first = below(play, POLICIES), count = 1 + below(play, 2);

	(void)view;
	(void)err;
	for (unsigned i = 0; i < count; i++) {
		cleanup_free char *id = xasprintf("p%u", (first + i) % POLICIES);
		cleanup_free char *record = xasprintf("{\"n\":%d}", ++play->number);

		store_changes_add(changes, KIND_POLICY, id, below(play, 3) ? record : NULL);
	}
	return 0;
}

static void edit(struct play *play)
{
	struct store_edit_result result;
	struct err err = {0};

	ck_assert_msg(!store_edit(play->admin, change_some, play, &result, &err), "%s", err.text);
	if (play->content != CONTENT_OLD)
		meant(play);
}

static void run_a_little(struct play *play)
{
	wait_out(witness_base(play->witness), (int)below(play, 12));
}

static void resync(struct play *play)
{
	witness_resync(play->witness);
}

static void cut(struct play *play)
{
	fault_proxy_cut(play->proxy);
}

static void kill_clients(struct play *play)
{
	redis_server_run(play->admin, "CLIENT", "KILL", "TYPE",
		below(play, 2) ? "pubsub" : "normal", "SKIPME", "yes", NULL);
}

static void restart_reader(struct play *play)
{
	follow(play);
}

/*
 * What the reader had not seen before the store went back cannot have been in force: only from a reader that is up to date can be
 * asked that it keeps it.
 */
static void catch_up(struct play *play)
{
	play->faults = 0;
	witness_resync(play->witness);
	witness_expect_last(play->witness);
}

/* Epochs are told apart by the millisecond. */
static void gone(struct play *play)
{
	play->content = CONTENT_NONE;
	wait_out(witness_base(play->witness), 2);
}

static void flush(struct play *play)
{
	if (play->content == CONTENT_MEANT)
		catch_up(play);
	redis_server_run(play->admin, "FLUSHDB", NULL);
	gone(play);
}

/* Database 1 stands for a dump file. */
static void copy_stream(struct play *play, const char *from, const char *to)
{
	static const char *const keys[] = {STORE_PREFIX "policies", STORE_PREFIX "head:policies",
		STORE_PREFIX "history:policies", STORE_PREFIX "accept:policies"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		redis_server_run(play->admin, "SELECT", to, NULL);
		redis_server_run(play->admin, "DEL", keys[i], NULL);
		redis_server_run(play->admin, "SELECT", from, NULL);
		redis_server_run(play->admin, "COPY", keys[i], keys[i], "DB", to, NULL);
	}
	redis_server_run(play->admin, "SELECT", "0", NULL);
}

static void take_dump(struct play *play)
{
	if (play->content == CONTENT_MEANT) {
		copy_stream(play, "0", "1");
		play->has_dump = true;
	}
}

static void put_dump_back(struct play *play)
{
	if (!play->has_dump)
		return;
	if (play->content == CONTENT_MEANT)
		catch_up(play);
	copy_stream(play, "1", "0");
	play->content = witness_is_last(play->witness, play->admin) ? CONTENT_MEANT : CONTENT_OLD;
}

static void restart_server(struct play *play)
{
	bool keep_data = below(play, 2);

	if (!keep_data && play->content == CONTENT_MEANT)
		catch_up(play);
	redis_sync_close(play->admin);
	redis_server_kill(play->server);
	redis_server_restart(play->server, keep_data);
	play->admin = redis_server_connect(play->server);
	if (keep_data)
		return;
	play->has_dump = false;
	gone(play);
}

static void accept_store(struct play *play)
{
	struct store_head head;
	struct err err = {0};

	if (play->content != CONTENT_OLD)
		return;
	ck_assert_msg(!store_accept(play->admin, &head, &err), "%s", err.text);
	meant(play);
}

static void change_faults(struct play *play)
{
	play->faults = below(play, 3) * 30;
}

static void step(struct play *play)
{
	static const struct {
		unsigned weight;
		void (*act)(struct play *play);
	} acts[] = {{40, edit}, {30, run_a_little}, {8, resync}, {2, cut}, {2, kill_clients},
		{3, restart_reader}, {2, flush}, {4, take_dump}, {4, put_dump_back},
		{1, restart_server}, {3, accept_store}, {4, change_faults}};
	unsigned all = 0, at;
	size_t i = 0;

	for (size_t k = 0; k < sizeof(acts) / sizeof(*acts); k++)
		all += acts[k].weight;
	for (at = below(play, all); at >= acts[i].weight; i++)
		at -= acts[i].weight;
	acts[i].act(play);
}

/* --- a seed ------------------------------------------------------------------------------------ */

static unsigned from_environment(const char *name, unsigned otherwise)
{
	const char *text = getenv(name);

	return text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

START_TEST(test_seed)
{
	struct play play = {.seed = from_environment("BULKHEAD_SEED", 1) + (unsigned)_i};

	play.server = redis_server_start(NULL);
	play.admin = redis_server_connect(play.server);
	play.witness = witness_new(STORE_POLICIES_STREAM);
	play.proxy = fault_proxy_new(
		witness_base(play.witness), redis_server_port(play.server), decide, &play);
	edit(&play);
	follow(&play);
	witness_expect_last(play.witness);
	for (int i = 0; i < STEPS; i++)
		step(&play);
	/* quiet: the operator puts right what only an operator can, and the next tick comes */
	play.faults = 0;
	accept_store(&play);
	if (play.content == CONTENT_NONE)
		edit(&play);
	witness_resync(play.witness);
	witness_expect_last(play.witness);
	ck_assert(witness_is_last(play.witness, play.admin));
	fault_proxy_free(play.proxy);
	witness_free(play.witness);
	redis_sync_close(play.admin);
	redis_server_stop(play.server);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store_random");
	TCase *tcase = tcase_create("seeds");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, test_seed, 0, (int)from_environment("BULKHEAD_SEEDS", SEEDS));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
