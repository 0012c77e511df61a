/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "syncd/engine_url.h"

#include <check.h>
#include <string.h>

static const struct {
	const char *host;
	bool tls;
	const char *base, *path, *ca;
} good[] = {
	{"unix:///var/run/docker.sock", false, "http://localhost", "/var/run/docker.sock", NULL},
	{"unix:///run/d.sock", true, "http://localhost", "/run/d.sock", NULL},
	{"tcp://10.0.0.1", false, "http://10.0.0.1:2375", NULL, NULL},
	{"tcp://10.0.0.1:1234/", false, "http://10.0.0.1:1234", NULL, NULL},
	{"tcp://engine.example", true, "https://engine.example:2376", NULL, "/certs/ca.pem"},
	{"tcp://[fd00::1]", true, "https://[fd00::1]:2376", NULL, "/certs/ca.pem"},
	{"tcp://[fd00::1]:99", false, "http://[fd00::1]:99", NULL, NULL},
	{"https://engine:1", false, "https://engine:1", NULL, "/certs/ca.pem"},
	{"http://engine:1", false, "http://engine:1", NULL, NULL},
};

static const struct {
	const char *host, *why;
} bad[] = {
	{"", "must begin with unix:// or tcp://"},
	{"/var/run/docker.sock", "must begin with unix:// or tcp://"},
	{"ssh://root@host", "ssh -L"},
	{"npipe:////./pipe/docker_engine", "not supported"},
	{"fd://", "not supported"},
	{"unix://", "absolute path"},
	{"unix://relative", "absolute path"},
	{"tcp://", "must be host:port"},
	{"tcp://user@host", "must be host:port"},
	{"tcp://host:1/base", "must be host:port"},
	{"tcp://host?x=1", "must be host:port"},
	{"tcp://host\r\nX: 1", "must be host:port"},
};

START_TEST(test_good)
{
	struct engine_url url;
	struct err err = {0};

	ck_assert_int_eq(engine_url_parse(good[_i].host, good[_i].tls, "/certs", &url, &err), 0);
	ck_assert_str_eq(url.base, good[_i].base);
	ck_assert_pstr_eq(url.unix_path, good[_i].path);
	ck_assert_pstr_eq(url.ca, good[_i].ca);
	ck_assert_int_eq(url.key != NULL, good[_i].ca != NULL);
	ck_assert_str_eq(err.text, "");
	engine_url_clear(&url);
}
END_TEST

START_TEST(test_bad)
{
	struct err err = {0};

	ck_assert_int_eq(engine_url_check(bad[_i].host, &err), -1);
	ck_assert_msg(strstr(err.text, bad[_i].why) != NULL, "%s", err.text);
}
END_TEST

START_TEST(test_socket_path_too_long)
{
	char host[300] = "unix:///";
	struct err err = {0};

	memset(host + strlen(host), 'a', 200);
	ck_assert_int_eq(engine_url_check(host, &err), -1);
}
END_TEST

START_TEST(test_certificates_of_the_user)
{
	struct engine_url url;

	ck_assert_int_eq(setenv("HOME", "/home/me", 1), 0);
	ck_assert_int_eq(engine_url_parse("tcp://host", true, NULL, &url, NULL), 0);
	ck_assert_str_eq(url.cert, "/home/me/.docker/cert.pem");
	engine_url_clear(&url);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("syncd/engine_url");
	TCase *tcase = tcase_create("engine_url");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tcase, test_good, 0, sizeof(good) / sizeof(*good));
	tcase_add_loop_test(tcase, test_bad, 0, sizeof(bad) / sizeof(*bad));
	tcase_add_test(tcase, test_socket_path_too_long);
	tcase_add_test(tcase, test_certificates_of_the_user);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
