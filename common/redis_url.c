/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/redis_url.h"

#include "common/redis.h"
#include "common/xalloc.h"

#include <string.h>

enum {
	REDIS_PORT = 6379,
	SENTINEL_PORT = 26379,
	MASTER_MAX = 128,
	DB_MAX = 9999,
	UNIX_PATH_MAX_LEN = 107
};

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decoded copy; NULL where "%" is not followed by two digits or hides a NUL. */
static char *decode(const char *text, size_t len)
{
	char *out = xcalloc(len + 1, 1);
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		int high = -1, low = -1;

		if (text[i] != '%') {
			out[n++] = text[i];
			continue;
		}
		if (i + 2 < len) {
			high = hex_digit(text[i + 1]);
			low = hex_digit(text[i + 2]);
		}
		if (high < 0 || low < 0 || (!high && !low)) {
			free(out);
			return NULL;
		}
		out[n++] = (char)(high << 4 | low);
		i += 2;
	}
	return out;
}

static bool parse_number(const char *text, size_t len, unsigned max, unsigned *value)
{
	unsigned long sum = 0;

	if (!len || len > 5)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		sum = sum * 10 + (unsigned long)(text[i] - '0');
	}
	*value = (unsigned)sum;
	return sum <= max;
}

/* "user:password", "password" alone as ":password" or, as redis-cli has it, "user" alone is a user without one. */
static int parse_userinfo(const char *text, size_t len, struct redis_url *url, struct err *err)
{
	const char *colon = memchr(text, ':', len);
	size_t user_len = colon ? (size_t)(colon - text) : len;

	if (user_len && !(url->user = decode(text, user_len)))
		return err_set(err, 0, "redis URL: bad percent escape in the user");
	if (colon && !(url->password = decode(colon + 1, len - user_len - 1)))
		return err_set(err, 0, "redis URL: bad percent escape in the password");
	return 0;
}

bool redis_host_ok(const char *host)
{
	static const char host_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					 "0123456789-_.:";
	size_t len = strspn(host, host_chars);

	return len && !host[len] && len <= REDIS_HOST_MAX;
}

/* port is the default, and becomes what is written. */
static int parse_address(
	const char *text, size_t len, unsigned port, struct redis_address *to, struct err *err)
{
	const char *end = text[0] == '[' ? memchr(text, ']', len) : NULL;
	size_t host_len;
	const char *rest;

	if (text[0] == '[' && !end)
		return err_set(err, 0, "redis URL: \"]\" is missing");
	if (end) {
		to->host = xstrndup(text + 1, (size_t)(end - text - 1));
		rest = end + 1;
	} else {
		const char *colon = memchr(text, ':', len);

		host_len = colon ? (size_t)(colon - text) : len;
		to->host = xstrndup(text, host_len);
		rest = text + host_len;
	}
	if (!*to->host)
		return err_set(err, 0, "redis URL: host is missing");
	if (!redis_host_ok(to->host))
		return err_set(err, 0, "redis URL: bad character in the host, or it is too long");
	if (rest < text + len && (*rest != ':' ||
					 !parse_number(rest + 1, (size_t)(text + len - rest - 1),
						 UINT16_MAX, &port) ||
					 !port))
		return err_set(err, 0, "redis URL: bad port");
	to->port = (uint16_t)port;
	return 0;
}

static int parse_db(const char *text, struct redis_url *url, struct err *err)
{
	if (*text == '/' && text[1] && !parse_number(text + 1, strlen(text + 1), DB_MAX, &url->db))
		return err_set(err, 0, "redis URL: the path is a database number");
	if (*text == '?')
		return err_set(err, 0, "redis URL: parameters are not understood");
	return 0;
}

static int parse_tcp(const char *text, struct redis_url *url, struct err *err)
{
	size_t authority = strcspn(text, "/?");
	const char *at = memrchr(text, '@', authority);
	const char *host = at ? at + 1 : text;
	struct redis_address to = {0};
	int rc;

	if (at && parse_userinfo(text, (size_t)(at - text), url, err) < 0)
		return -1;
	rc = parse_address(host, (size_t)(text + authority - host), REDIS_PORT, &to, err);
	url->host = to.host;
	url->port = to.port;
	return rc < 0 ? -1 : parse_db(text + authority, url, err);
}

static int parse_sentinels(const char *text, size_t len, struct redis_url *url, struct err *err)
{
	const char *end = text + len;

	for (;;) {
		const char *comma = memchr(text, ',', (size_t)(end - text));
		size_t one = (size_t)((comma ? comma : end) - text);

		if (url->sentinel_count == REDIS_SENTINELS_MAX)
			return err_set(
				err, 0, "redis URL: more than %d Sentinels", REDIS_SENTINELS_MAX);
		if (parse_address(text, one, SENTINEL_PORT, &url->sentinels[url->sentinel_count++],
			    err) < 0)
			return -1;
		if (!comma)
			return 0;
		text = comma + 1;
	}
}

/* "sentinel-user=..." or "sentinel-password=...", once each. */
static int parse_login(const char *text, size_t len, struct redis_url *url, struct err *err)
{
	const struct {
		const char *name;
		char **value;
	} parameters[] = {{"sentinel-user=", &url->sentinel_user},
		{"sentinel-password=", &url->sentinel_password}};

	for (size_t i = 0; i < sizeof(parameters) / sizeof(*parameters); i++) {
		size_t skip = strlen(parameters[i].name);

		if (len < skip || strncmp(text, parameters[i].name, skip) != 0 ||
			*parameters[i].value)
			continue;
		if (len == skip)
			return err_set(err, 0, "redis URL: %s is empty", parameters[i].name);
		*parameters[i].value = decode(text + skip, len - skip);
		return *parameters[i].value ? 0
					    : err_set(err, 0, "redis URL: bad percent escape in %s",
						      parameters[i].name);
	}
	return err_set(err, 0,
		"redis URL: only ?sentinel-user= and &sentinel-password= are understood, once each");
}

static int parse_logins(const char *text, struct redis_url *url, struct err *err)
{
	while (*text) {
		size_t len = strcspn(++text, "&");

		if (parse_login(text, len, url, err) < 0)
			return -1;
		text += len;
	}
	return 0;
}

/* [user:password@]host[:port],.../master[/db][?login]; the login before the hosts is the master's, the other the Sentinels'. */
static int parse_sentinel(const char *text, struct redis_url *url, struct err *err)
{
	static const char name_chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					 "0123456789-_.";
	size_t authority = strcspn(text, "/?");
	const char *at = memrchr(text, '@', authority);
	const char *hosts = at ? at + 1 : text;
	const char *name = text + authority + (text[authority] == '/');
	size_t name_len = strspn(name, name_chars);
	cleanup_free char *db = NULL;

	if (at && parse_userinfo(text, (size_t)(at - text), url, err) < 0)
		return -1;
	if (parse_sentinels(hosts, (size_t)(text + authority - hosts), url, err) < 0)
		return -1;
	if (text[authority] != '/' || !name_len || name_len > MASTER_MAX ||
		!strchr("/?", name[name_len]))
		return err_set(err, 0,
			"redis URL: the master's name follows the Sentinels: /NAME of letters, "
			"digits and _ . -");
	url->master = xstrndup(name, name_len);
	db = xstrndup(name + name_len, strcspn(name + name_len, "?"));
	if (parse_db(db, url, err) < 0)
		return -1;
	return parse_logins(name + name_len + strlen(db), url, err);
}

static int parse_unix(const char *text, struct redis_url *url, struct err *err)
{
	size_t authority = strcspn(text, "/");
	size_t path_len = strcspn(text + authority, "?");
	const char *at = memrchr(text, '@', authority);
	const char *query = text + authority + path_len;

	if (authority && (!at || at != text + authority - 1))
		return err_set(err, 0, "redis URL: unix:// is followed by an absolute path");
	if (at && parse_userinfo(text, (size_t)(at - text), url, err) < 0)
		return -1;
	if (path_len < 2 || path_len > UNIX_PATH_MAX_LEN)
		return err_set(err, 0, "redis URL: socket path is empty or longer than %d",
			UNIX_PATH_MAX_LEN);
	url->path = xstrndup(text + authority, path_len);
	if (*query && (strncmp(query, "?db=", 4) != 0 ||
			      !parse_number(query + 4, strlen(query + 4), DB_MAX, &url->db)))
		return err_set(err, 0, "redis URL: only ?db=N is understood");
	return 0;
}

int redis_url_parse(const char *text, struct redis_url *url, struct err *err)
{
	static const struct {
		const char *prefix;
		bool tls;
		int (*parse)(const char *text, struct redis_url *url, struct err *err);
	} schemes[] = {{"redis://", false, parse_tcp}, {"rediss://", true, parse_tcp},
		{"unix://", false, parse_unix}, {"redis+sentinel://", false, parse_sentinel},
		{"rediss+sentinel://", true, parse_sentinel}};

	*url = (struct redis_url){0};
	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++) {
		size_t len = strlen(schemes[i].prefix);

		if (strncmp(text, schemes[i].prefix, len) != 0)
			continue;
		url->tls = schemes[i].tls;
		if (schemes[i].parse(text + len, url, err) == 0)
			return 0;
		redis_url_clear(url);
		return -1;
	}
	return err_set(err, 0,
		"redis URL must begin with redis://, rediss://, unix://, "
		"redis+sentinel:// or rediss+sentinel://");
}

static void free_secret(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

void redis_url_clear(struct redis_url *url)
{
	free_secret(url->password);
	free_secret(url->sentinel_password);
	free(url->user);
	free(url->sentinel_user);
	free(url->host);
	free(url->path);
	free(url->master);
	for (size_t i = 0; i < url->sentinel_count; i++)
		free(url->sentinels[i].host);
	*url = (struct redis_url){0};
}

int redis_url_check(const char *url, struct err *err)
{
	struct redis_url parsed;

	if (redis_url_parse(url, &parsed, err) < 0)
		return -1;
	redis_url_clear(&parsed);
	return 0;
}
