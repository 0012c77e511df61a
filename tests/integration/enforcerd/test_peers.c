/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Other nodes' streams, from a real store to the world: who is followed, who falls silent and leaves, and a store that misbehaves. */
#include "enforcerd/peers.h"
#include "tests/lib/redis_server.h"
#include "tests/lib/wait.h"
#include "tests/unit/enforcerd/world_fixture.h"

#include <check.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SOON_MS = 8000, BEAT_MS = 250, TIMEOUT = PEERS_TIMEOUT_MIN, SHORT_BACKOFF_MS = 9000 };

/* A node whose syncd is played here. */
struct node_played {
	const char *name;
	bool alive;
	struct store_head head;
};

static struct node_played nodes[] = {{.name = NODE}, {.name = "b"}, {.name = "c"}};
static struct node_played *const own = &nodes[0], *const b = &nodes[1], *const c = &nodes[2];

static struct redis_server *server;
static struct redis_sync *admin;
static struct event_base *base;
static struct event *heart;
static struct redis *commands, *pubsub;
static struct world *world;
static struct peers *peers;
static long long beats = 1700000000;
static int states;

/* --- what syncds do ---------------------------------------------------------------------------- */

static char *node_record(const char *node, long long heartbeat)
{
	cleanup_free char *quoted =
		xasprintf("{'v':1,'node':'%s','engine':'E','boot':'B','instance':'i','version':'1',"
			  "'started':1,'heartbeat':%lld}",
			node, heartbeat);

	return unquote(quoted);
}

static void beat_as(const char *field, const char *node)
{
	cleanup_free char *record = node_record(node, ++beats);

	redis_server_run(admin, "HSET", STORE_NODES, field, record, NULL);
}

static void on_heart(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	for (size_t i = 0; i < COUNT(nodes); i++)
		if (nodes[i].alive)
			beat_as(nodes[i].name, nodes[i].name);
}

static char *stream_of(const struct node_played *node)
{
	return xasprintf(STORE_NODE_STREAM "%s", node->name);
}

/* Its network N, shared, and one endpoint of it: 10.N.0.2. */
static void publish(struct node_played *node, int n, const char *ipv4)
{
	cleanup_free char *stream = stream_of(node);
	cleanup_free char *networks = store_hash_key(stream, KIND_NETWORK);
	cleanup_free char *endpoints = store_hash_key(stream, KIND_ENDPOINT);
	cleanup_free char *head_key = store_head_key(stream);
	cleanup_free char *channel = store_channel(stream);
	cleanup_free char *quoted_network = xasprintf(
		"{'v':1,'id':'net%d0000000','name':'net%d','driver':'bridge','bridge':'br-%d',"
		"'subnets':['10.%d.0.0/16'],'shared':'dom','isolation':null}",
		n, n, n, n);
	cleanup_free char *quoted_endpoint = xasprintf(
		"{'v':1,'id':'e-%s','node':'%s','container':{'id':'c','name':'x','image':''},"
		"'network':{'id':'net%d0000000','name':'net%d','driver':'bridge'},'ipv4':'%s',"
		"'ipv6':null,'mac':null,'labels':{'role':'web'},'rejected':{},'ports':[],"
		"'state':'running'}",
		node->name, node->name, n, n, ipv4);
	cleanup_free char *network = unquote(quoted_network), *endpoint = unquote(quoted_endpoint);
	cleanup_free char *id = xasprintf("net%d0000000", n), *e_id = xasprintf("e-%s", node->name);
	cleanup_free char *event = NULL;
	char text[STORE_HEAD_MAX];

	if (!node->head.epoch[0])
		store_epoch_new(node->head.epoch);
	node->head = store_head_next(&node->head);
	event = store_event_encode(stream, NULL, &node->head, NULL, 0);
	redis_server_run(admin, "HSET", networks, id, network, NULL);
	redis_server_run(admin, "HSET", endpoints, e_id, endpoint, NULL);
	redis_server_run(admin, "SET", head_key, store_head_format(&node->head, text), NULL);
	redis_server_run(admin, "PUBLISH", channel, event, NULL);
}

/* --- what enforcerd does ----------------------------------------------------------------------- */

static void on_taken(void *arg)
{
	(void)arg;
	/* as the application: after a change of the world */
	if (peers)
		peers_update(peers);
}

static void on_state(void *arg)
{
	(void)arg;
	states++;
}

static void on_commands(enum redis_event event, const char *cause, void *arg)
{
	(void)cause;
	(void)arg;
	if (peers)
		peers_commands_event(peers, event);
}

static void on_pubsub(enum redis_event event, const char *cause, void *arg)
{
	(void)cause;
	(void)arg;
	if (peers)
		peers_pubsub_event(peers, event);
}

static void own_network(const char *shared)
{
	cleanup_free char *quoted = xasprintf(
		"{'v':1,'id':'net10000000','name':'net1','driver':'bridge','bridge':'br-1',"
		"'subnets':['10.1.0.0/16'],'shared':%s,'isolation':null}",
		shared);

	change(world, KIND_NETWORK, "net10000000", unquote(quoted));
	if (peers)
		peers_update(peers);
}

static void follow(long timeout)
{
	static const struct peers_ops ops = {on_taken, on_state};
	const struct redis_options options = {.url = redis_server_url(server)};
	const struct world_config world_config = {.node = NODE};
	struct peers_config config = {.node = NODE, .timeout_seconds = timeout};

	world = world_new(&world_config);
	own_network("'dom'");
	config.world = world;
	config.commands = commands = redis_new(base, &options, on_commands, NULL, NULL);
	config.pubsub = pubsub = redis_new(base, &options, on_pubsub, NULL, NULL);
	peers = peers_new(base, &config, &ops, NULL);
}

static void setup(void)
{
	const struct timeval every = {.tv_usec = BEAT_MS * 1000};

	server = redis_server_start(NULL);
	admin = redis_server_connect(server);
	base = event_base_new();
	heart = event_new(base, -1, EV_PERSIST, on_heart, NULL);
	evtimer_add(heart, &every);
}

static void teardown(void)
{
	/* the order of the application */
	redis_free(commands);
	redis_free(pubsub);
	peers_free(peers);
	world_free(world);
	event_free(heart);
	event_base_free(base);
	redis_sync_close(admin);
	redis_server_stop(server);
}

/* --- looking ----------------------------------------------------------------------------------- */

static bool counts(const char *ip)
{
	return in_set(world, SET_REMOTE4, ip);
}

static bool does_count(void *ip)
{
	return counts(ip);
}

static bool counts_not(void *ip)
{
	return !counts(ip);
}

static void expect(bool wanted, const char *ip, int ms)
{
	ck_assert_msg(wait_until(base, wanted ? does_count : counts_not, (void *)ip, ms),
		"%s %s after %d ms", ip, wanted ? "does not count" : "counts", ms);
}

/* All the while. */
static void expect_kept(const char *ip, int ms)
{
	ck_assert_msg(!wait_until(base, counts_not, (void *)ip, ms), "%s has left", ip);
}

static struct peers_counts count(void)
{
	struct peers_counts counted;

	peers_count(peers, &counted);
	return counted;
}

static bool says(const char *part)
{
	cleanup_json json_t *list = json_array();
	cleanup_free char *text = NULL;

	peers_problems(peers, list);
	text = json_dumps(list, 0);
	return strstr(text, part) != NULL;
}

static bool does_say(void *part)
{
	return says(part);
}

static bool says_nothing(void *arg)
{
	cleanup_json json_t *list = json_array();

	(void)arg;
	peers_problems(peers, list);
	return !json_array_size(list);
}

static void expect_says(const char *part, int ms)
{
	ck_assert_msg(wait_until(base, does_say, (void *)part, ms), "nobody says %s", part);
}

static void two_nodes(long timeout)
{
	own->alive = b->alive = true;
	publish(b, 2, "10.2.0.2");
	follow(timeout);
	expect(true, "10.2.0.2", SOON_MS);
}

/* --- who is followed --------------------------------------------------------------------------- */

START_TEST(test_a_node_is_followed)
{
	two_nodes(0);
	ck_assert_uint_eq(count().followed, 1);
	ck_assert(wait_until(base, says_nothing, NULL, SOON_MS));
	publish(b, 2, "10.2.0.3");
	expect(true, "10.2.0.3", SOON_MS);
	ck_assert(!counts("10.2.0.2"));
	/* its syncd begins anew */
	store_epoch_after(b->head.epoch, b->head.epoch);
	b->head.revision = 0;
	publish(b, 2, "10.2.0.4");
	expect(true, "10.2.0.4", SOON_MS);
	ck_assert(!counts("10.2.0.3"));
}
END_TEST

static bool nobody_followed(void *arg)
{
	(void)arg;
	return !count().followed;
}

START_TEST(test_nobody_is_followed_without_a_shared_network)
{
	two_nodes(0);
	own_network("null");
	ck_assert(wait_until(base, nobody_followed, NULL, SOON_MS));
	ck_assert(peers_settled(peers));
	ck_assert(!counts("10.2.0.2"));
	own_network("'dom'");
	expect(true, "10.2.0.2", SOON_MS);
	/* back and forth while an answer is awaited */
	for (int i = 0; i < 50; i++) {
		own_network(i % 2 ? "'dom'" : "null");
		wait_out(base, i % 3);
	}
	expect(true, "10.2.0.2", SOON_MS);
}
END_TEST

START_TEST(test_garbage_among_the_nodes)
{
	char long_name[400];
	const char *const odd[] = {"", "a b", "../x", "b:c", "\xff\xfe", "b\nc", long_name};

	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	for (size_t i = 0; i < COUNT(odd); i++)
		beat_as(odd[i], odd[i]);
	redis_server_run(admin, "HSET", STORE_NODES, "d", "no record", NULL);
	redis_server_run(admin, "HSET", STORE_NODES, "e", "{\"v\":1,\"node\":\"b\"}", NULL);
	two_nodes(0);
	/* b, and whose record is garbage: it may have a stream all the same */
	ck_assert_uint_eq(count().followed, 3);
	redis_server_run(admin, "SET", STORE_PREFIX "head:node:d", "no head", NULL);
	redis_server_run(admin, "SET", STORE_PREFIX "endpoints:e", "no hash", NULL);
	peers_resync(peers, true);
	expect_says("read stream node:e", SOON_MS);
	expect_says("read stream node:d", SOON_MS);
	ck_assert(counts("10.2.0.2"));
}
END_TEST

static bool is_crowded(void *arg)
{
	(void)arg;
	return says("more than 1024 other nodes");
}

START_TEST(test_more_nodes_than_are_followed)
{
	own->alive = true;
	follow(0);
	for (int i = 0; i < PEERS_MAX + 50; i++) {
		cleanup_free char *name = xasprintf("n%d", i);

		beat_as(name, name);
	}
	ck_assert(wait_until(base, is_crowded, NULL, SOON_MS));
	ck_assert_uint_eq(count().followed, PEERS_MAX);
	/* all read over the same two connections, which are then lost */
	redis_server_run(admin, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes", NULL);
	redis_server_run(admin, "CLIENT", "KILL", "TYPE", "pubsub", NULL);
	wait_out(base, 500);
	redis_server_run(admin, "DEL", STORE_NODES, NULL);
	own->alive = b->alive = true;
	publish(b, 2, "10.2.0.2");
	expect(true, "10.2.0.2", 40000);
	ck_assert_uint_eq(count().followed, 1);
	ck_assert(!is_crowded(NULL));
}
END_TEST

/* --- trouble with the hash itself -------------------------------------------------------------- */

static bool was_told(void *arg)
{
	(void)arg;
	return states > 0 && says("WRONGTYPE");
}

START_TEST(test_a_nodes_key_that_is_no_hash)
{
	two_nodes(0);
	ck_assert(wait_until(base, says_nothing, NULL, SOON_MS));
	own->alive = b->alive = false;
	json_decref(peers_news(peers));
	states = 0;
	redis_server_run(admin, "DEL", STORE_NODES, NULL);
	redis_server_run(admin, "SET", STORE_NODES, "x", NULL);
	ck_assert(wait_until(base, was_told, NULL, SOON_MS));
	ck_assert(counts("10.2.0.2"));
	redis_server_run(admin, "DEL", STORE_NODES, NULL);
	json_decref(peers_news(peers));
	states = 0;
	own->alive = b->alive = true;
	ck_assert(wait_until(base, says_nothing, NULL, SOON_MS));
	ck_assert_int_gt(states, 0);
}
END_TEST

static bool is_connected(void *arg)
{
	(void)arg;
	return redis_is_ready(commands);
}

static bool is_disconnected(void *arg)
{
	return !is_connected(arg);
}

static bool is_given_up(void *arg)
{
	(void)arg;
	return says("the connection is lost whenever it is read");
}

/* What no reply may be costs the connection: not for ever, and a restart does not wait for it. */
START_TEST(test_a_nodes_hash_that_cannot_be_taken)
{
	own->alive = b->alive = true;
	publish(b, 2, "10.2.0.2");
	redis_server_run(admin, "EVAL",
		"return redis.call('HSET', KEYS[1], 'x', string.rep('x', 17 * 1024 * 1024))", "1",
		STORE_NODES, NULL);
	follow(0);
	ck_assert(!peers_settled(peers));
	ck_assert(wait_until(base, is_given_up, NULL, SOON_MS));
	ck_assert(peers_settled(peers));
	ck_assert(wait_until(base, is_connected, NULL, 2 * SOON_MS));
	ck_assert(!wait_until(base, is_disconnected, NULL, SOON_MS));
	redis_server_run(admin, "HDEL", STORE_NODES, "x", NULL);
	expect(true, "10.2.0.2", 40000);
	ck_assert(wait_until(base, says_nothing, NULL, SOON_MS));
}
END_TEST

/* --- silence ----------------------------------------------------------------------------------- */

START_TEST(test_a_silent_node_is_kept_without_a_timeout)
{
	two_nodes(0);
	b->alive = false;
	expect_says("node b is silent: its endpoints are kept", 25000);
	ck_assert(counts("10.2.0.2"));
	ck_assert_uint_eq(count().silent, 1);
	b->alive = true;
	ck_assert(wait_until(base, says_nothing, NULL, SOON_MS));
}
END_TEST

START_TEST(test_a_silent_node_leaves_and_returns_in_a_new_epoch)
{
	redis_reply *subscribers;

	two_nodes(TIMEOUT);
	for (int i = 0; i < 2; i++) {
		b->alive = false;
		expect(false, i ? "10.2.0.3" : "10.2.0.2", 2 * SOON_MS);
		expect_says("its endpoints have left", SOON_MS);
		store_epoch_after(b->head.epoch, b->head.epoch);
		b->head.revision = 0;
		publish(b, 2, "10.2.0.3");
		ck_assert_uint_eq(count().followed, 0);
		b->alive = true;
		expect(true, "10.2.0.3", SOON_MS);
	}
	subscribers =
		redis_server_do(admin, "PUBSUB", "NUMSUB", STORE_PREFIX "events:node:b", NULL);
	ck_assert_int_eq(subscribers->element[1]->integer, 1);
	redis_sync_reply_free(subscribers);
}
END_TEST

START_TEST(test_a_name_with_nul_keeps_no_heart_beating)
{
	long long end;

	two_nodes(TIMEOUT);
	b->alive = false;
	end = monotonic_now_ms() + 2LL * SOON_MS;
	while (counts("10.2.0.2") && monotonic_now_ms() < end) {
		cleanup_free char *record = node_record("b", ++beats);

		/* the blocking client takes words that end in NUL */
		redis_server_run(admin, "EVAL",
			"return redis.call('HSET', KEYS[1], 'b\\0x', ARGV[1])", "1", STORE_NODES,
			record, NULL);
		wait_out(base, BEAT_MS);
	}
	ck_assert(!counts("10.2.0.2"));
}
END_TEST

/* --- a store that loses its content, or is away ------------------------------------------------ */

START_TEST(test_flushed_with_this_nodes_record)
{
	two_nodes(0);
	own->alive = b->alive = false;
	redis_server_run(admin, "FLUSHALL", NULL);
	/* its syncd's silence is told although its record is missing */
	expect_says("node b is silent", 25000);
	ck_assert(counts("10.2.0.2"));
	own->alive = true;
	expect(false, "10.2.0.2", 25000);
	ck_assert_uint_eq(count().followed, 0);
}
END_TEST

START_TEST(test_a_node_without_record_leaves_in_time)
{
	two_nodes(TIMEOUT);
	own->alive = b->alive = false;
	redis_server_run(admin, "FLUSHALL", NULL);
	expect(false, "10.2.0.2", 2 * SOON_MS);
}
END_TEST

START_TEST(test_flushed_and_written_again)
{
	two_nodes(TIMEOUT);
	redis_server_run(admin, "FLUSHALL", NULL);
	store_epoch_after(b->head.epoch, b->head.epoch);
	expect_kept("10.2.0.2", 1500);
	publish(b, 2, "10.2.0.2");
	expect_kept("10.2.0.2", 2 * TIMEOUT * 1000);
	ck_assert(says_nothing(NULL));
}
END_TEST

/* A server that hung answers us before it takes what the others sent after us. */
START_TEST(test_a_store_that_hangs_silences_nobody)
{
	two_nodes(TIMEOUT);
	event_del(heart);
	/* the last look before it has seen the last beat, so that the first one after it finds nothing new */
	wait_out(base, 2500);
	redis_server_pause(server);
	expect_kept("10.2.0.2", TIMEOUT * 1000 + 1000);
	redis_server_resume(server);
	expect_kept("10.2.0.2", 1000);
	event_add(heart, &(struct timeval){.tv_usec = BEAT_MS * 1000});
	expect_kept("10.2.0.2", 3000);
	/* and it is silence that is judged still */
	b->alive = false;
	expect(false, "10.2.0.2", 3 * SOON_MS);
}
END_TEST

/* The others' syncds come back up to ten seconds after the store did. */
START_TEST(test_a_store_that_was_away_silences_nobody)
{
	two_nodes(TIMEOUT);
	event_del(heart);
	redis_sync_close(steal_ptr(admin));
	redis_server_kill(server);
	wait_out(base, 300);
	redis_server_restart(server, true);
	admin = redis_server_connect(server);
	expect_kept("10.2.0.2", SHORT_BACKOFF_MS);
	event_add(heart, &(struct timeval){.tv_usec = BEAT_MS * 1000});
	expect_kept("10.2.0.2", 3000);
	b->alive = false;
	expect(false, "10.2.0.2", 3 * SOON_MS);
}
END_TEST

START_TEST(test_a_node_is_not_gone_while_the_store_is_away)
{
	two_nodes(0);
	b->alive = false;
	redis_server_run(admin, "HDEL", STORE_NODES, "b", NULL);
	wait_out(base, 6000); /* a look has missed it */
	own->alive = false;
	redis_sync_close(steal_ptr(admin));
	redis_server_kill(server);
	wait_out(base, 6000);
	redis_server_restart(server, true);
	admin = redis_server_connect(server);
	own->alive = true;
	ck_assert(wait_until(base, is_connected, NULL, 2 * SOON_MS));
	expect_kept("10.2.0.2", 6000);
	expect(false, "10.2.0.2", 2 * SOON_MS);
}
END_TEST

/* Connections are lost in the middle of reads, while nodes come and go. */
START_TEST(test_connections_lost_while_nodes_come_and_go)
{
	static const char *const types[] = {"normal", "pubsub"};

	two_nodes(0);
	for (int i = 0; i < 60; i++) {
		cleanup_free char *name = xasprintf("flap%d", i % 5);

		redis_server_run(admin, "CLIENT", "KILL", "TYPE", types[i % 2], NULL);
		beat_as(name, name);
		c->alive = i % 4 == 0;
		publish(c, 3, "10.3.0.2");
		own_network(i % 7 == 3 ? "null" : "'dom'");
		wait_out(base, i % 11 * 10);
	}
	c->alive = true;
	own_network("'dom'");
	publish(b, 2, "10.2.0.9");
	expect(true, "10.2.0.9", 3 * SOON_MS);
	expect(true, "10.3.0.2", 3 * SOON_MS);
}
END_TEST

static int run(const TTest *test)
{
	Suite *suite = suite_create("peers");
	TCase *tcase = tcase_create("peers");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, test);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Silence takes its time: minutes one after the other, so they are silent together. */
int main(void)
{
	const TTest *const tests[] = {
		test_a_node_is_followed,
		test_nobody_is_followed_without_a_shared_network,
		test_garbage_among_the_nodes,
		test_more_nodes_than_are_followed,
		test_a_nodes_key_that_is_no_hash,
		test_a_nodes_hash_that_cannot_be_taken,
		test_a_silent_node_is_kept_without_a_timeout,
		test_a_silent_node_leaves_and_returns_in_a_new_epoch,
		test_a_name_with_nul_keeps_no_heart_beating,
		test_flushed_with_this_nodes_record,
		test_a_node_without_record_leaves_in_time,
		test_flushed_and_written_again,
		test_a_store_that_hangs_silences_nobody,
		test_a_store_that_was_away_silences_nobody,
		test_a_node_is_not_gone_while_the_store_is_away,
		test_connections_lost_while_nodes_come_and_go,
	};
	const size_t total = COUNT(tests);
	pid_t children[COUNT(tests)];
	size_t failed = 0;

	for (size_t i = 0; i < total; i++) {
		children[i] = fork();
		if (!children[i])
			exit(run(tests[i]));
	}
	for (size_t i = 0; i < total; i++) {
		int status = EXIT_FAILURE;

		if (children[i] < 0 || waitpid(children[i], &status, 0) < 0 || status)
			failed++;
	}
	printf("%zu%%: Checks: %zu, Failures: %zu, Errors: 0\n", 100 * (total - failed) / total,
		total, failed);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
