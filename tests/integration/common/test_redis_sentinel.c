/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A connection that finds its server by Sentinels: real ones with a failover, and ones that lie. */
#include "common/redis.h"
#include "common/xalloc.h"
#include "tests/lib/redis_server.h"
#include "tests/lib/wait.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SOON_MS = 40000 };

/* --- the connection ---------------------------------------------------------------------------- */

struct seen {
	struct event_base *base;
	struct redis *redis;
	unsigned ready, lost;
	char failure[ERR_TEXT_MAX];
	const char *want;
	unsigned want_ready;
	char *value;
};

static struct seen seen;

static void on_event(enum redis_event event, const char *cause, void *arg)
{
	(void)arg;
	if (event == REDIS_READY)
		seen.ready++;
	else
		seen.lost++;
	if (event == REDIS_LOST)
		snprintf(seen.failure, sizeof(seen.failure), "%s", cause);
}

static void on_failure(const char *cause, void *arg)
{
	(void)arg;
	snprintf(seen.failure, sizeof(seen.failure), "%s", cause);
}

static void open_seen_with(const char *url, const char *ca, const char *sentinel_password_file)
{
	const struct redis_options options = {.url = url,
		.ca = ca,
		.sentinel_password_file = sentinel_password_file,
		.on_failure = on_failure};
	struct err err = {0};

	seen.redis = redis_new(seen.base, &options, on_event, NULL, &err);
	ck_assert_msg(seen.redis != NULL, "%s", err.text);
}

static void open_seen(const char *url, const char *ca)
{
	open_seen_with(url, ca, NULL);
}

static bool is_ready(void *arg)
{
	(void)arg;
	return seen.ready >= seen.want_ready && redis_is_ready(seen.redis);
}

static void expect_ready(unsigned times)
{
	seen.want_ready = times;
	ck_assert_msg(wait_until(seen.base, is_ready, NULL, SOON_MS), "%s", seen.failure);
}

static bool has_failed(void *arg)
{
	(void)arg;
	return strstr(seen.failure, seen.want) != NULL;
}

static void expect_failure(const char *text)
{
	seen.want = text;
	ck_assert_msg(wait_until(seen.base, has_failed, NULL, SOON_MS), "\"%s\", not \"%s\"",
		seen.failure, text);
}

static void on_value(redis_reply *reply, void *arg)
{
	const char *text = reply ? redis_reply_text(reply, NULL) : NULL;

	(void)arg;
	seen.value = xstrdup(text ? text : "(none)");
}

static bool has_value(void *arg)
{
	(void)arg;
	return seen.value != NULL;
}

static void expect_value(const char *key, const char *value)
{
	ck_assert_int_eq(redis_call(seen.redis, on_value, NULL, "GET", key, NULL), 0);
	ck_assert(wait_until(seen.base, has_value, NULL, SOON_MS));
	ck_assert_str_eq(seen.value, value);
	free(steal_ptr(seen.value));
}

/* --- a Sentinel -------------------------------------------------------------------------------- */

struct sentinel {
	pid_t pid;
	unsigned port;
	char *config;
};

/* extra: further lines, or "" */
static void write_config(
	const struct sentinel *sentinel, const struct redis_server *of, bool tls, const char *extra)
{
	cleanup_file FILE *file = fopen(sentinel->config, "we");
	const char *dir = redis_server_dir(of);

	ck_assert_msg(file != NULL, "write %s: %s", sentinel->config, strerror(errno));
	fprintf(file,
		"bind 127.0.0.1\ndir %s\nlogfile %s/sentinel.log\n%s %u\n"
		"sentinel monitor m 127.0.0.1 %u 1\nsentinel down-after-milliseconds m 500\n"
		"sentinel failover-timeout m 5000\n",
		dir, dir, tls ? "port 0\ntls-port" : "port", sentinel->port,
		tls ? redis_server_tls_port(of) : redis_server_port(of));
	fputs(extra, file);
	if (tls)
		fprintf(file,
			"tls-replication yes\ntls-auth-clients no\ntls-ca-cert-file %s/ca.crt\n"
			"tls-cert-file %s/server.crt\ntls-key-file %s/server.key\n",
			dir, dir, dir);
}

static void write_line(const char *path, const char *line)
{
	cleanup_file FILE *file = fopen(path, "we");

	ck_assert_msg(file != NULL, "write %s: %s", path, strerror(errno));
	fprintf(file, "%s\n", line);
}

/* Alone it is the majority: it may do a failover. */
static void start_sentinel_with(
	struct sentinel *sentinel, const struct redis_server *of, bool tls, const char *extra)
{
	pid_t parent = getpid();

	sentinel->port = redis_server_free_port();
	sentinel->config = xasprintf("%s/sentinel.conf", redis_server_dir(of));
	write_config(sentinel, of, tls, extra);
	sentinel->pid = fork();
	ck_assert_int_ge(sentinel->pid, 0);
	if (sentinel->pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	(void)!freopen("/dev/null", "w", stdout);
	execlp("redis-server", "redis-server", sentinel->config, "--sentinel", (char *)NULL);
	_exit(127);
}

static void start_sentinel(struct sentinel *sentinel, const struct redis_server *of, bool tls)
{
	start_sentinel_with(sentinel, of, tls, "");
}

/* From now on no pause of this machine is a reason for a failover. Our own client would choose a database first. */
static void make_patient(const struct sentinel *sentinel)
{
	cleanup_free char *command = xasprintf("redis-cli -p %u SENTINEL SET m "
					       "down-after-milliseconds 3600000 | grep -q '^OK$'",
		sentinel->port);

	ck_assert_int_eq(system(command), 0); /* NOLINT(cert-env33-c): our own words only */
}

static void stop_sentinel(struct sentinel *sentinel)
{
	kill(sentinel->pid, SIGKILL);
	waitpid(sentinel->pid, NULL, 0);
	free(sentinel->config);
}

/* --- a liar ------------------------------------------------------------------------------------ */

struct liar {
	struct evconnlistener *listener;
	unsigned port;
	const char *answer; /* to whatever is asked */
	struct bufferevent *peers[64];
	size_t count;
};

static void on_question(struct bufferevent *bev, void *arg)
{
	const struct liar *liar = arg;
	struct evbuffer *in = bufferevent_get_input(bev);

	evbuffer_drain(in, evbuffer_get_length(in));
	bufferevent_write(bev, liar->answer, strlen(liar->answer));
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
	int len, void *arg)
{
	struct liar *liar = arg;
	struct bufferevent *bev = bufferevent_socket_new(seen.base, fd, BEV_OPT_CLOSE_ON_FREE);

	(void)listener;
	(void)from;
	(void)len;
	ck_assert_uint_lt(liar->count, sizeof(liar->peers) / sizeof(*liar->peers));
	liar->peers[liar->count++] = bev;
	bufferevent_setcb(bev, on_question, NULL, NULL, liar);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
}

static void start_liar(struct liar *liar, const char *answer)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	*liar = (struct liar){.port = redis_server_free_port(), .answer = answer};
	in.sin_port = htons((uint16_t)liar->port);
	liar->listener = evconnlistener_new_bind(seen.base, on_accept, liar, LEV_OPT_CLOSE_ON_FREE,
		16, (struct sockaddr *)&in, sizeof(in));
	ck_assert_ptr_nonnull(liar->listener);
}

static void stop_liar(struct liar *liar)
{
	for (size_t i = 0; i < liar->count; i++)
		bufferevent_free(liar->peers[i]);
	evconnlistener_free(liar->listener);
}

/* --- tests ------------------------------------------------------------------------------------- */

static struct redis_server *first, *second;
static struct redis_sync *first_admin, *second_admin;

static void setup(void)
{
	signal(SIGPIPE, SIG_IGN);
	seen = (struct seen){.base = event_base_new()};
}

static void teardown(void)
{
	redis_free(seen.redis);
	event_base_free(seen.base);
}

static bool is_replica(void *arg)
{
	redis_reply *reply = redis_server_do(arg, "INFO", "replication", NULL);
	bool up = strstr(reply->str, "master_link_status:up") != NULL;

	redis_sync_reply_free(reply);
	return up;
}

static void start_pair(void)
{
	cleanup_free char *port = NULL;

	first = redis_server_start(NULL);
	second = redis_server_start(NULL);
	first_admin = redis_server_connect(first);
	second_admin = redis_server_connect(second);
	port = xasprintf("%u", redis_server_port(first));
	redis_server_run(first_admin, "SET", "k", "v", NULL);
	redis_server_run(second_admin, "REPLICAOF", "127.0.0.1", port, NULL);
	ck_assert(wait_until(seen.base, is_replica, second_admin, SOON_MS));
}

static void stop_pair(void)
{
	redis_sync_close(first_admin);
	redis_sync_close(second_admin);
	redis_server_stop(first);
	redis_server_stop(second);
}

static bool peer_is(const struct redis_server *server)
{
	cleanup_free char *peer = xasprintf("127.0.0.1:%u (master m)", redis_server_port(server));

	return !strcmp(redis_peer(seen.redis), peer);
}

/*
 * A Sentinel that is not there stands first in the URL. The master is killed; when the connection is there again it is to the one
 * that was the replica, with what the first had.
 */
START_TEST(test_failover)
{
	cleanup_free char *url = NULL;
	struct sentinel sentinel;

	start_pair();
	start_sentinel(&sentinel, first, false);
	url = xasprintf("redis+sentinel://127.0.0.1:%u,127.0.0.1:%u/m", redis_server_free_port(),
		sentinel.port);
	open_seen(url, NULL);
	expect_ready(1);
	ck_assert(peer_is(first));
	expect_value("k", "v");
	redis_server_kill(first);
	expect_ready(2);
	ck_assert_msg(peer_is(second), "%s", redis_peer(seen.redis));
	expect_value("k", "v");
	make_patient(&sentinel);
	/* the old one comes back, and is not gone back to */
	redis_sync_close(first_admin);
	redis_server_restart(first, true);
	first_admin = redis_server_connect(first);
	redis_reset(seen.redis, "test");
	expect_ready(3);
	ck_assert(peer_is(second));
	stop_sentinel(&sentinel);
	stop_pair();
}
END_TEST

/* A Sentinel that does not know yet names what is a replica by now: refused, until it is a master. */
START_TEST(test_demoted_master)
{
	cleanup_free char *url = NULL, *port = NULL, *answer = NULL;
	struct liar liar;

	start_pair();
	port = xasprintf("%u", redis_server_port(second));
	answer = xasprintf("*2\r\n$9\r\n127.0.0.1\r\n$%zu\r\n%s\r\n", strlen(port), port);
	start_liar(&liar, answer);
	url = xasprintf("redis+sentinel://127.0.0.1:%u/m", liar.port);
	open_seen(url, NULL);
	expect_failure("no master");
	ck_assert_uint_eq(seen.ready, 0);
	redis_server_run(second_admin, "REPLICAOF", "NO", "ONE", NULL);
	expect_ready(1);
	ck_assert(peer_is(second));
	stop_liar(&liar);
	stop_pair();
}
END_TEST

START_TEST(test_answers_that_are_none)
{
	static const struct {
		const char *answer, *cause;
	} rows[] = {
		{"*-1\r\n", "knows no master called m"},
		{"$-1\r\n", "knows no master called m"},
		{"-NOAUTH Authentication required.\r\n", "NOAUTH"},
		{"*1\r\n$1\r\nh\r\n", "no address"},
		{"*2\r\n$1\r\nh\r\n$1\r\n0\r\n", "no address"},
		{"*2\r\n$1\r\nh\r\n$5\r\n65536\r\n", "no address"},
		{"*2\r\n$1\r\nh\r\n$2\r\n1x\r\n", "no address"},
		{"*2\r\n$0\r\n\r\n$1\r\n1\r\n", "no address"},
		{"*2\r\n$3\r\na\nb\r\n$1\r\n1\r\n", "no address"},
		{"+OK\r\n", "no address"},
		{"HTTP/1.0 400\r\n", "Sentinel 127.0.0.1 port"},
		{"*2\r\n$1\r\n", "does not answer"},
		{"", "does not answer"},
	};
	cleanup_free char *url = NULL;
	struct liar liar;

	start_liar(&liar, rows[_i].answer);
	url = xasprintf("redis+sentinel://127.0.0.1:%u/m", liar.port);
	open_seen(url, NULL);
	expect_failure(rows[_i].cause);
	ck_assert_uint_eq(seen.ready, 0);
	stop_liar(&liar);
}
END_TEST

START_TEST(test_answer_without_end)
{
	enum { LONG = 1 << 20 };
	cleanup_free char *answer = xcalloc(LONG + 1, 1), *url = NULL;
	struct liar liar;

	memset(answer, 'x', LONG);
	memcpy(answer, "$999999\r\n", 9);
	start_liar(&liar, answer);
	url = xasprintf("redis+sentinel://127.0.0.1:%u/m", liar.port);
	open_seen(url, NULL);
	expect_failure("longer than");
	stop_liar(&liar);
}
END_TEST

/* TLS to the Sentinel and to the master. */
START_TEST(test_tls)
{
	const struct redis_server_options options = {.tls_name = "IP:127.0.0.1"};
	cleanup_free char *url = NULL;
	struct sentinel sentinel;

	first = redis_server_start(&options);
	start_sentinel(&sentinel, first, true);
	url = xasprintf("rediss+sentinel://127.0.0.1:%u/m", sentinel.port);
	open_seen(url, redis_server_ca(first));
	expect_ready(1);
	stop_sentinel(&sentinel);
	redis_server_stop(first);
}
END_TEST

/*
 * A user for the Sentinels alone, who may ask for the master and nothing else; the server wants no login. The wrong password is said, and
 * the file is read again for each question.
 */
START_TEST(test_login)
{
	cleanup_free char *url = NULL, *path = NULL, *named = NULL;
	struct sentinel sentinel;

	first = redis_server_start(NULL);
	start_sentinel_with(&sentinel, first, false,
		"user default off\nuser asks on >right +auth +sentinel|get-master-addr-by-name\n");
	url = xasprintf("redis+sentinel://127.0.0.1:%u/m?sentinel-user=asks", sentinel.port);
	path = xasprintf("%s/sentinel-password", redis_server_dir(first));
	write_line(path, "wrong");
	open_seen_with(url, NULL, path);
	expect_failure("login: WRONGPASS");
	write_line(path, "right");
	expect_ready(1);
	redis_free(steal_ptr(seen.redis));
	named = xasprintf("%s&sentinel-password=right", url);
	open_seen(named, NULL);
	expect_ready(2);
	stop_sentinel(&sentinel);
	redis_server_stop(first);
}
END_TEST

/* The connection ends while Sentinels are asked. */
START_TEST(test_end_while_asking)
{
	cleanup_free char *url = NULL;
	struct liar liar;

	start_liar(&liar, "");
	url = xasprintf("redis+sentinel://127.0.0.1:%u/m", liar.port);
	open_seen(url, NULL);
	while (!liar.count)
		event_base_loop(seen.base, EVLOOP_ONCE);
	redis_free(steal_ptr(seen.redis));
	stop_liar(&liar);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("redis_sentinel");
	TCase *tcase = tcase_create("real and not");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, test_failover);
	tcase_add_test(tcase, test_demoted_master);
	tcase_add_loop_test(tcase, test_answers_that_are_none, 0, 13);
	tcase_add_test(tcase, test_answer_without_end);
	tcase_add_test(tcase, test_tls);
	tcase_add_test(tcase, test_login);
	tcase_add_test(tcase, test_end_while_asking);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
