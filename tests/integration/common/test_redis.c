/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The connection against a real redis-server: ways to it, and losing it. */
#include "redis_fixture.h"

/* --- ways to connect --------------------------------------------------------------------------- */

static void set_and_get(struct redis_options options)
{
	struct seen seen;

	open_with(&seen, options);
	ck_assert_int_eq(redis_call(seen.redis, NULL, NULL, "PING", NULL), -1);
	expect_ready(&seen);
	ask(&seen, "SET", "key", "value");
	ck_assert_str_eq(seen.text, "OK");
	ask(&seen, "GET", "key", NULL);
	ck_assert_str_eq(seen.text, "value");
	close_seen(&seen);
}

START_TEST(test_tcp_and_unix)
{
	struct redis_server *server = redis_server_start(NULL);

	set_and_get((struct redis_options){.url = redis_server_url(server)});
	set_and_get((struct redis_options){.url = redis_server_unix_url(server)});
	redis_server_stop(server);
}
END_TEST

static char *tls_url(const struct redis_server *server, const char *host)
{
	return xasprintf("rediss://%s:%u", host, redis_server_tls_port(server));
}

START_TEST(test_tls)
{
	const struct redis_server_options options = {.tls_name = "IP:127.0.0.1,DNS:localhost"};
	struct redis_server *server = redis_server_start(&options);
	cleanup_free char *by_address = tls_url(server, "127.0.0.1");
	cleanup_free char *by_name = tls_url(server, "localhost");

	set_and_get((struct redis_options){.url = by_address, .ca = redis_server_ca(server)});
	set_and_get((struct redis_options){.url = by_name, .ca = redis_server_ca(server)});
	redis_server_stop(server);
}
END_TEST

START_TEST(test_tls_wrong_name)
{
	const struct redis_server_options options = {.tls_name = "DNS:other.example,IP:127.0.0.9"};
	struct redis_server *server = redis_server_start(&options);
	cleanup_free char *by_address = tls_url(server, "127.0.0.1");
	cleanup_free char *by_name = tls_url(server, "localhost");

	expect_refused((struct redis_options){.url = by_address, .ca = redis_server_ca(server)},
		"IP address mismatch");
	expect_refused((struct redis_options){.url = by_name, .ca = redis_server_ca(server)},
		"hostname mismatch");
	redis_server_stop(server);
}
END_TEST

START_TEST(test_tls_unknown_ca)
{
	const struct redis_server_options options = {.tls_name = "IP:127.0.0.1"};
	struct redis_server *server = redis_server_start(&options);
	struct redis_server *stranger = redis_server_start(&options);
	cleanup_free char *url = tls_url(server, "127.0.0.1");

	expect_refused((struct redis_options){.url = url, .ca = redis_server_ca(stranger)},
		"TLS: self-signed certificate in certificate chain");
	expect_refused((struct redis_options){.url = url}, "TLS: ");
	redis_server_stop(stranger);
	redis_server_stop(server);
}
END_TEST

START_TEST(test_tls_to_a_plain_port)
{
	struct redis_server *server = redis_server_start(NULL);
	cleanup_free char *url = xasprintf("rediss://%s", redis_server_url(server) + 8);

	/* it takes our greeting for the beginning of a line */
	expect_refused((struct redis_options){.url = url}, "connect: timed out");
	redis_server_stop(server);
}
END_TEST

START_TEST(test_bad_options)
{
	static const struct redis_options bad[] = {
		{.url = "http://127.0.0.1"},
		{.url = "rediss://127.0.0.1", .ca = "/nonexistent"},
		{.url = "rediss://127.0.0.1", .cert = "/nonexistent"},
		{.url = "rediss://127.0.0.1", .key = "/nonexistent"},
	};
	struct event_base *base = event_base_new();

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct err err = {0};

		ck_assert_ptr_null(redis_new(base, &bad[i], on_event, NULL, &err));
		ck_assert_str_ne(err.text, "");
	}
	event_base_free(base);
}
END_TEST

/* --- logging in -------------------------------------------------------------------------------- */

static void write_file(const char *path, const char *text)
{
	cleanup_file FILE *file = fopen(path, "we");

	ck_assert(file && fputs(text, file) >= 0);
}

START_TEST(test_passwords)
{
	const struct redis_server_options options = {
		.password = "s3cret", .acl = "user ann on >p@ss ~* &* +@all"};
	struct redis_server *server = redis_server_start(&options);
	cleanup_free char *good = login_url(server, ":s3cret");
	cleanup_free char *wrong = login_url(server, ":other");
	cleanup_free char *ann = login_url(server, "ann:p%40ss");
	cleanup_free char *not_ann = login_url(server, "ann:s3cret");

	set_and_get((struct redis_options){.url = good});
	set_and_get((struct redis_options){.url = ann});
	expect_refused((struct redis_options){.url = wrong}, "AUTH: WRONGPASS");
	expect_refused((struct redis_options){.url = not_ann}, "AUTH: WRONGPASS");
	expect_refused((struct redis_options){.url = redis_server_url(server)}, "SELECT: NOAUTH");
	redis_server_stop(server);
}
END_TEST

START_TEST(test_password_file_is_read_again)
{
	const struct redis_server_options options = {.password = "s3cret"};
	struct redis_server *server = redis_server_start(&options);
	cleanup_free char *path = xasprintf("%s/password", redis_server_dir(server));
	cleanup_free char *wrong = login_url(server, ":other");
	struct seen seen;

	open_with(&seen, (struct redis_options){.url = wrong, .password_file = path});
	ck_assert(wait_until(seen.base, has_failed, &seen, SOON_MS));
	ck_assert_ptr_nonnull(strstr(seen.cause, "open password file"));
	seen.failures = 0;
	write_file(path, "");
	ck_assert(wait_until(seen.base, has_failed, &seen, SOON_MS));
	ck_assert_ptr_nonnull(strstr(seen.cause, "no first line"));
	write_file(path, "s3cret\r\nsecond line\n");
	expect_ready(&seen);
	close_seen(&seen);
	redis_server_stop(server);
}
END_TEST

START_TEST(test_database)
{
	struct redis_server *server = redis_server_start(NULL);
	cleanup_free char *third = xasprintf("%s/3", redis_server_url(server));
	cleanup_free char *far = xasprintf("%s/9000", redis_server_url(server));
	struct seen seen;

	set_and_get((struct redis_options){.url = third});
	open_ready(&seen, server);
	ask(&seen, "GET", "key", NULL);
	ck_assert_int_eq(seen.type, REDIS_REPLY_NIL);
	close_seen(&seen);
	expect_refused((struct redis_options){.url = far}, "SELECT: ERR DB index");
	redis_server_stop(server);
}
END_TEST

/* A name is a courtesy: no right to set it, no reason to stay away. */
START_TEST(test_client_name)
{
	const struct redis_server_options options = {
		.acl = "user mute on >p ~* &* +@all -client|setname"};
	struct redis_server *server = redis_server_start(&options);
	cleanup_free char *mute = login_url(server, "mute:p");
	struct seen seen;

	open_with(&seen, (struct redis_options){
				 .url = redis_server_url(server), .client_name = "bulkhead-test"});
	expect_ready(&seen);
	ask(&seen, "CLIENT", "GETNAME", NULL);
	ck_assert_str_eq(seen.text, "bulkhead-test");
	close_seen(&seen);
	set_and_get((struct redis_options){.url = mute});
	redis_server_stop(server);
}
END_TEST

/* --- losing it --------------------------------------------------------------------------------- */

START_TEST(test_server_comes_later)
{
	struct redis_server *server = redis_server_start(NULL);
	struct seen seen;

	redis_server_kill(server);
	open_url(&seen, redis_server_url(server));
	ck_assert(wait_until(seen.base, has_failed, &seen, SOON_MS));
	ck_assert_str_eq(seen.cause, "Connection refused");
	redis_server_restart(server, true);
	expect_ready(&seen);
	close_seen(&seen);
	redis_server_stop(server);
}
END_TEST

static void kill_and_restart(bool keep_data)
{
	struct redis_server *server = redis_server_start(NULL);
	struct seen seen;

	open_ready(&seen, server);
	ask(&seen, "SET", "key", "value");
	seen.replies = 0;
	/* a command whose answer never comes */
	ck_assert_int_eq(redis_call(seen.redis, on_reply, &seen, "BLPOP", "nothing", "0", NULL), 0);
	redis_server_kill(server);
	ck_assert(wait_until(seen.base, was_lost, &seen, SOON_MS));
	ck_assert_int_eq(seen.nulls, 1);
	ck_assert_int_eq(redis_call(seen.redis, on_reply, &seen, "PING", NULL), -1);
	redis_server_restart(server, keep_data);
	expect_ready(&seen);
	ck_assert_int_eq(seen.ready, 2);
	ask(&seen, "GET", "key", NULL);
	ck_assert_int_eq(seen.type, keep_data ? REDIS_REPLY_STRING : REDIS_REPLY_NIL);
	close_seen(&seen);
	redis_server_stop(server);
}

START_TEST(test_restart_with_data)
{
	kill_and_restart(true);
}
END_TEST

START_TEST(test_restart_without_data)
{
	kill_and_restart(false);
}
END_TEST

START_TEST(test_client_kill)
{
	struct redis_server *server = redis_server_start(NULL);
	struct redis_sync *admin = redis_server_connect(server);
	struct seen seen;

	open_ready(&seen, server);
	redis_server_run(admin, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes", NULL);
	ck_assert(wait_until(seen.base, was_lost, &seen, SOON_MS));
	ck_assert_str_eq(seen.cause, "connection closed by the server");
	expect_ready(&seen);
	redis_sync_close(admin);
	close_seen(&seen);
	redis_server_stop(server);
}
END_TEST

/* The peer is there, but does not answer any more: seen by the PING, on either kind of connection. */
START_TEST(test_half_open)
{
	struct redis_server *server = redis_server_start(NULL);
	struct seen seen;

	open_ready(&seen, server);
	if (_i)
		ck_assert_int_eq(
			redis_subscribe(seen.redis, "channel", on_message, on_confirmed, &seen), 0);
	/* a PING and its answer first, so that it is not the PING itself that fails */
	wait_out(seen.base, 6000);
	ck_assert_int_eq(seen.lost, 0);
	redis_server_pause(server);
	ck_assert(wait_until(seen.base, was_lost, &seen, 11000));
	ck_assert_str_eq(seen.cause, "no answer to PING");
	redis_server_resume(server);
	expect_ready(&seen);
	close_seen(&seen);
	redis_server_stop(server);
}
END_TEST

START_TEST(test_free_answers)
{
	struct redis_server *server = redis_server_start(NULL);
	struct seen seen;

	open_ready(&seen, server);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(redis_call(seen.redis, on_reply, &seen, "PING", NULL), 0);
	redis_hold(seen.redis);
	redis_free(seen.redis);
	ck_assert_int_eq(seen.nulls, 3);
	/* held still: valid, and without use */
	ck_assert_int_eq(redis_call(seen.redis, on_reply, &seen, "PING", NULL), -1);
	redis_drop(seen.redis, &seen);
	event_base_free(seen.base);
	redis_server_stop(server);
}
END_TEST

int main(void)
{
	static const TTest *tests[32];
	Suite *suite = suite_create("redis");
	TCase *loops = tcase_create("misbehaviour");
	SRunner *runner;
	size_t count = 0;
	int failed;

	tests[count++] = test_tcp_and_unix;
	tests[count++] = test_tls;
	tests[count++] = test_tls_wrong_name;
	tests[count++] = test_tls_unknown_ca;
	tests[count++] = test_tls_to_a_plain_port;
	tests[count++] = test_bad_options;
	tests[count++] = test_passwords;
	tests[count++] = test_password_file_is_read_again;
	tests[count++] = test_database;
	tests[count++] = test_client_name;
	tests[count++] = test_server_comes_later;
	tests[count++] = test_restart_with_data;
	tests[count++] = test_restart_without_data;
	tests[count++] = test_client_kill;
	tests[count++] = test_free_answers;
	add(suite, "connection", tests, count);
	tcase_set_timeout(loops, 60);
	tcase_add_loop_test(loops, test_half_open, 0, 2);
	suite_add_tcase(suite, loops);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
