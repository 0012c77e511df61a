/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/daemon_options.h"

#include "common/health.h"
#include "common/log.h"
#include "common/record.h"

#include <string.h>

enum { RESYNC_MAX = 86400 };

static int check_log_level(const char *word, struct err *err)
{
	enum log_level level;

	return log_level_parse(word, &level)
		       ? 0
		       : err_set(err, 0, "\"%s\" is not debug, info, warn or error", word);
}

static int check_log_format(const char *word, struct err *err)
{
	enum log_format format;

	return log_format_parse(word, &format)
		       ? 0
		       : err_set(err, 0, "\"%s\" is not text or json", word);
}

void daemon_options_table(struct daemon_options *o, const struct daemon_defaults *defaults,
	struct config_option table[DAEMON_OPTION_COUNT])
{
	const struct config_option options[DAEMON_OPTION_COUNT] = {
		{"redis", "BULKHEAD_REDIS_URL", "URL", "redis://127.0.0.1:6379",
			"the store: redis://, rediss://, unix:// or redis+sentinel://",
			CONFIG_CHECKED, &o->redis_url, 0, 0, true, redis_url_check},
		{"redis-password-file", "BULKHEAD_REDIS_PASSWORD_FILE", "FILE", NULL,
			"file whose first line is the password", CONFIG_STRING,
			&o->redis_password_file},
		{"redis-sentinel-password-file", "BULKHEAD_REDIS_SENTINEL_PASSWORD_FILE", "FILE",
			NULL, "the same for the Sentinels' own login", CONFIG_STRING,
			&o->redis_sentinel_password_file},
		{"redis-ca", "BULKHEAD_REDIS_CA", "FILE", NULL, "CA certificates for rediss://",
			CONFIG_STRING, &o->redis_ca},
		{"redis-cert", "BULKHEAD_REDIS_CERT", "FILE", NULL, "client certificate",
			CONFIG_STRING, &o->redis_cert},
		{"redis-key", "BULKHEAD_REDIS_KEY", "FILE", NULL, "client key", CONFIG_STRING,
			&o->redis_key},
		{"node", "BULKHEAD_NODE", "NAME", NULL, defaults->node_help, CONFIG_CHECKED,
			&o->node, 0, 0, false, node_name_check},
		{"listen", "BULKHEAD_LISTEN", "ADDR:PORT|none", defaults->listen_on,
			"where /healthz, /readyz and /metrics are served", CONFIG_CHECKED,
			&o->listen_on, 0, 0, false, health_listen_check},
		{"resync", "BULKHEAD_RESYNC", "SECONDS", "60", defaults->resync_help, CONFIG_NUMBER,
			&o->resync_seconds, 1, RESYNC_MAX},
		{"log-level", "BULKHEAD_LOG_LEVEL", "LEVEL", "info", "debug, info, warn or error",
			CONFIG_CHECKED, &o->log_level, 0, 0, false, check_log_level},
		{"log-format", "BULKHEAD_LOG_FORMAT", "FORMAT", "text", "text or json",
			CONFIG_CHECKED, &o->log_format, 0, 0, false, check_log_format},
		{"check", NULL, NULL, NULL, defaults->check_help, CONFIG_FLAG, &o->check},
		{"healthcheck", NULL, NULL, NULL, "ask the running daemon's /readyz, and exit",
			CONFIG_FLAG, &o->healthcheck},
	};

	memcpy(table, options, sizeof(options));
}

void daemon_options_log(const struct daemon_options *options)
{
	enum log_level level = LOG_LEVEL_INFO;
	enum log_format format = LOG_FORMAT_TEXT;

	log_level_parse(options->log_level, &level);
	log_format_parse(options->log_format, &format);
	log_init(level, format);
}

struct redis_options daemon_options_redis(const struct daemon_options *o, const char *client_name)
{
	return (struct redis_options){
		.url = o->redis_url,
		.password_file = o->redis_password_file,
		.sentinel_password_file = o->redis_sentinel_password_file,
		.ca = o->redis_ca,
		.cert = o->redis_cert,
		.key = o->redis_key,
		.client_name = client_name,
	};
}

int daemon_options_healthcheck(const struct daemon_options *options)
{
	struct err err = {0};

	if (health_probe(options->listen_on, "/readyz", &err) == 0)
		return EXIT_SUCCESS;
	fprintf(stderr, "%s\n", err.text);
	return EXIT_FAILURE;
}
