/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/health.h"
#include "common/xalloc.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/wait.h>

static bool ready_flag;

static bool ready(struct strbuf *reasons, void *arg)
{
	(void)arg;
	if (!ready_flag)
		strbuf_add(reasons, "redis: not connected\n");
	return ready_flag;
}

static void metrics(struct strbuf *out, void *arg)
{
	(void)arg;
	metric_write(out, "bulkhead_test_total", "counter", "Tests.", "kind=\"a\"", 3);
}

static const struct health_ops ops = {ready, metrics};

/* A free port of the kernel's choice; nobody else takes it between the close and the bind in practice. */
static char *free_listen(void)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);
	cleanup_close int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	return xasprintf("127.0.0.1:%u", ntohs(sin.sin_port));
}

/* The probe blocks, so it runs in a child while the server's loop runs here. */
static int probe_status(struct event_base *base, const char *listen_on, const char *path)
{
	pid_t pid = fork();
	int status = -1;

	ck_assert_int_ge(pid, 0);
	if (!pid)
		_exit(health_probe(listen_on, path, NULL) == 0 ? 0 : 1);
	while (waitpid(pid, &status, WNOHANG) == 0)
		event_base_loop(base, EVLOOP_NONBLOCK);
	return WEXITSTATUS(status);
}

START_TEST(test_probe_follows_readiness)
{
	cleanup_free char *listen_on = free_listen();
	struct event_base *base = event_base_new();
	struct err err = {0};
	CLEANUP(health) struct health *health = health_new(base, listen_on, &ops, NULL, &err);

	ck_assert_msg(health != NULL, "%s", err.text);
	ready_flag = false;
	ck_assert_int_eq(probe_status(base, listen_on, "/readyz"), 1);
	ck_assert_int_eq(probe_status(base, listen_on, "/healthz"), 0);
	ready_flag = true;
	ck_assert_int_eq(probe_status(base, listen_on, "/readyz"), 0);
	ck_assert_int_eq(probe_status(base, listen_on, "/metrics"), 0);
	ck_assert_int_eq(probe_status(base, listen_on, "/other"), 1);
	health_free(steal_ptr(health));
	event_base_free(base);
}
END_TEST

START_TEST(test_listen_addresses)
{
	static const struct {
		const char *text;
		int rc;
	} cases[] = {{"127.0.0.1:9641", 0}, {"[::1]:9641", 0}, {"none", 0}, {"", -1},
		{"127.0.0.1", -1}, {"127.0.0.1:", -1}, {"127.0.0.1:0", -1}, {"127.0.0.1:65536", -1},
		{"127.0.0.1:9x", -1}, {":80", -1}, {"[::1:80", -1}, {"127.0.0.1:-1", -1}};
	struct err err = {0};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		ck_assert_msg(health_listen_check(cases[i].text, &err) == cases[i].rc, "%s",
			cases[i].text);
}
END_TEST

START_TEST(test_none_and_taken)
{
	cleanup_free char *listen_on = free_listen();
	struct event_base *base = event_base_new();
	struct err err = {.text = "x"};
	CLEANUP(health) struct health *first = NULL;

	ck_assert_ptr_null(health_new(base, "none", &ops, NULL, &err));
	ck_assert_str_eq(err.text, "");
	first = health_new(base, listen_on, &ops, NULL, &err);
	ck_assert_ptr_nonnull(first);
	ck_assert_ptr_null(health_new(base, listen_on, &ops, NULL, &err));
	ck_assert_ptr_nonnull(strstr(err.text, listen_on));
	health_free(steal_ptr(first));
	event_base_free(base);
}
END_TEST

START_TEST(test_metric_text)
{
	cleanup_strbuf struct strbuf out = {0};

	metric_write(&out, "a_total", "counter", "Help.", NULL, 1);
	metric_write(&out, "b_seconds", "gauge", "Help.", "x=\"y\"", 0.25);
	ck_assert_str_eq(out.text,
		"# HELP a_total Help.\n# TYPE a_total counter\na_total 1\n"
		"# HELP b_seconds Help.\n# TYPE b_seconds gauge\nb_seconds{x=\"y\"} 0.25\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("health");
	TCase *tc = tcase_create("health");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tc, test_probe_follows_readiness);
	tcase_add_test(tc, test_listen_addresses);
	tcase_add_test(tc, test_none_and_taken);
	tcase_add_test(tc, test_metric_text);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
