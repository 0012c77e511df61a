/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/redis_url.h"

#include "common/redis.h"
#include "common/strbuf.h"

#include <check.h>
#include <string.h>

/* As struct redis_url, of constants. */
struct expected {
	bool tls;
	const char *path, *host;
	unsigned port;
	const char *user, *password;
	unsigned db;
	const char *master, *sentinels; /* "host:port host:port " */
	const char *sentinel_user, *sentinel_password;
};

static const struct {
	const char *text;
	struct expected url;
} good[] = {
	{"redis://127.0.0.1", {.host = "127.0.0.1", .port = 6379}},
	{"redis://h:1/", {.host = "h", .port = 1}},
	{"redis://h:65535/9999", {.host = "h", .port = 65535, .db = 9999}},
	{"rediss://redis.example:6380/2",
		{.tls = true, .host = "redis.example", .port = 6380, .db = 2}},
	{"redis://[::1]", {.host = "::1", .port = 6379}},
	{"redis://[fd00::1]:7000/1", {.host = "fd00::1", .port = 7000, .db = 1}},
	{"redis://ann:pw@h", {.host = "h", .port = 6379, .user = "ann", .password = "pw"}},
	{"redis://:pw@h", {.host = "h", .port = 6379, .password = "pw"}},
	{"redis://ann@h", {.host = "h", .port = 6379, .user = "ann"}},
	{"redis://ann:@h", {.host = "h", .port = 6379, .user = "ann", .password = ""}},
	{"redis://a%3Ab:p%40%2f%5B:x@h",
		{.host = "h", .port = 6379, .user = "a:b", .password = "p@/[:x"}},
	/* the last @ ends the login, as in a browser */
	{"redis://u:p@q@h", {.host = "h", .port = 6379, .user = "u", .password = "p@q"}},
	{"unix:///run/redis.sock", {.path = "/run/redis.sock"}},
	{"unix:///run/redis.sock?db=3", {.path = "/run/redis.sock", .db = 3}},
	{"unix://ann:p%20w@/run/r", {.path = "/run/r", .user = "ann", .password = "p w"}},
	{"unix://:pw@/r@x", {.path = "/r@x", .password = "pw"}},
	{"redis+sentinel://s/m", {.master = "m", .sentinels = "s:26379 "}},
	{"redis+sentinel://s1:1,[::1],10.0.0.1:2/my-master.1/",
		{.master = "my-master.1", .sentinels = "s1:1 ::1:26379 10.0.0.1:2 "}},
	{"rediss+sentinel://ann:p%2cw@a,b/m/3", {.tls = true,
							.user = "ann",
							.password = "p,w",
							.db = 3,
							.master = "m",
							.sentinels = "a:26379 b:26379 "}},
	{"redis+sentinel://ann:pw@a/m/3?sentinel-user=bob%26&sentinel-password=s%3d",
		{.user = "ann",
			.password = "pw",
			.db = 3,
			.master = "m",
			.sentinels = "a:26379 ",
			.sentinel_user = "bob&",
			.sentinel_password = "s="}},
	{"redis+sentinel://a/m?sentinel-password=s",
		{.master = "m", .sentinels = "a:26379 ", .sentinel_password = "s"}},
};

START_TEST(test_good)
{
	const struct expected *expected = &good[_i].url;
	cleanup_strbuf struct strbuf sentinels = {0};
	struct redis_url url;
	struct err err = {0};

	ck_assert_msg(
		!redis_url_parse(good[_i].text, &url, &err), "%s: %s", good[_i].text, err.text);
	ck_assert_str_eq(err.text, "");
	ck_assert_int_eq(url.tls, expected->tls);
	ck_assert_pstr_eq(url.path, expected->path);
	ck_assert_pstr_eq(url.host, expected->host);
	ck_assert_uint_eq(url.port, expected->port);
	ck_assert_pstr_eq(url.user, expected->user);
	ck_assert_pstr_eq(url.password, expected->password);
	ck_assert_uint_eq(url.db, expected->db);
	ck_assert_pstr_eq(url.master, expected->master);
	for (size_t i = 0; i < url.sentinel_count; i++)
		strbuf_addf(&sentinels, "%s:%u ", url.sentinels[i].host, url.sentinels[i].port);
	ck_assert_pstr_eq(sentinels.text, expected->sentinels);
	ck_assert_pstr_eq(url.sentinel_user, expected->sentinel_user);
	ck_assert_pstr_eq(url.sentinel_password, expected->sentinel_password);
	ck_assert_int_eq(redis_url_check(good[_i].text, &err), 0);
	redis_url_clear(&url);
	ck_assert_ptr_null(url.password);
}
END_TEST

#define LONG_PATH_20  "/aaaaaaaaaaaaaaaaaaa"
#define LONG_PATH_100 LONG_PATH_20 LONG_PATH_20 LONG_PATH_20 LONG_PATH_20 LONG_PATH_20

static const struct {
	const char *text, *reason;
} bad[] = {
	{"", "must begin with redis://"},
	{"127.0.0.1:6379", "must begin with redis://"},
	{"http://h", "must begin with redis://"},
	{"REDIS://h", "must begin with redis://"},
	{"redis:/h", "must begin with redis://"},
	{"redis://", "host is missing"},
	{"redis:///1", "host is missing"},
	{"redis://:6379", "host is missing"},
	{"redis://u:secret@", "host is missing"},
	{"redis://[]", "host is missing"},
	{"redis://[::1", "\"]\" is missing"},
	{"redis://[::1]6379", "bad port"},
	{"redis://h:", "bad port"},
	{"redis://h:0", "bad port"},
	{"redis://h:65536", "bad port"},
	{"redis://h:123456", "bad port"},
	{"redis://h:6379x", "bad port"},
	{"redis://h:-1", "bad port"},
	{"redis://h h", "bad character in the host"},
	{"redis://h\n", "bad character in the host"},
	{"redis://h\x1b[2J", "bad character in the host"},
	{"redis://[fe80::1%25eth0]", "bad character in the host"},
	{"redis://h/x", "the path is a database number"},
	{"redis://h/10000", "the path is a database number"},
	{"redis://h/1/2", "the path is a database number"},
	{"redis://h?ssl=1", "parameters are not understood"},
	{"redis://u:secret%@h", "bad percent escape in the password"},
	{"redis://u:secret%4@h", "bad percent escape in the password"},
	{"redis://u:secret%zz@h", "bad percent escape in the password"},
	{"redis://u:secret%00@h", "bad percent escape in the password"},
	{"redis://u%:secret@h", "bad percent escape in the user"},
	{"unix://", "socket path is empty"},
	{"unix:///", "socket path is empty"},
	{"unix://run/redis.sock", "followed by an absolute path"},
	{"unix://u:secret@run/redis.sock", "followed by an absolute path"},
	{"unix://" LONG_PATH_100 "/aaaaaaa", "longer than 107"},
	{"unix:///r?db=x", "only ?db=N"},
	{"unix:///r?x=1", "only ?db=N"},
	{"redis+sentinel://", "host is missing"},
	{"redis+sentinel:///m", "host is missing"},
	{"redis+sentinel://a,/m", "host is missing"},
	{"redis+sentinel://a,,b/m", "host is missing"},
	{"redis+sentinel://a:0,b/m", "bad port"},
	{"redis+sentinel://a b/m", "bad character in the host"},
	{"redis+sentinel://a", "the master's name follows"},
	{"redis+sentinel://a/", "the master's name follows"},
	{"redis+sentinel://a/m m", "the master's name follows"},
	{"redis+sentinel://a//1", "the master's name follows"},
	{"redis+sentinel://a/m/x", "the path is a database number"},
	{"redis+sentinel://a/m?x=1", "only ?sentinel-user="},
	{"redis+sentinel://a/m?", "only ?sentinel-user="},
	{"redis+sentinel://a/m?sentinel-user=a&", "only ?sentinel-user="},
	{"redis+sentinel://a/m?sentinel-user=a&sentinel-user=b", "once each"},
	{"redis+sentinel://a/m?sentinel-user=", "is empty"},
	{"redis+sentinel://a/m?sentinel-password=secret%", "bad percent escape"},
	{"redis+sentinel://a/m?sentinel-user=a%00", "bad percent escape"},
	{"redis://a?sentinel-user=a", "parameters are not understood"},
	{"redis+sentinel://u:secret%@a/m", "bad percent escape in the password"},
	{"redis+sentinel://1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17/m", "more than 16 Sentinels"},
};

START_TEST(test_bad)
{
	struct redis_url url;
	struct err err = {0};

	ck_assert_int_eq(redis_url_parse(bad[_i].text, &url, &err), -1);
	ck_assert_msg(strstr(err.text, bad[_i].reason), "%s: %s", bad[_i].text, err.text);
	/* the reason ends in a log or on a terminal */
	ck_assert_ptr_null(strstr(err.text, "secret"));
	/* nothing is left behind to be freed or used */
	ck_assert(!url.host && !url.path && !url.user && !url.password);
	ck_assert(!url.sentinel_user && !url.sentinel_password);
	ck_assert_int_eq(redis_url_check(bad[_i].text, NULL), -1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("redis_url");
	TCase *tcase = tcase_create("parse");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tcase, test_good, 0, sizeof(good) / sizeof(*good));
	tcase_add_loop_test(tcase, test_bad, 0, sizeof(bad) / sizeof(*bad));
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
