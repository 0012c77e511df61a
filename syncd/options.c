/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "syncd/options.h"

#include "common/health.h"
#include "common/label.h"
#include "common/log.h"
#include "common/record.h"
#include "syncd/api_version.h"

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

/* Without a prefix every label of every container would count. */
static int check_prefix(const char *word, struct err *err)
{
	return *word && strlen(word) <= LABEL_KEY_MAX
		       ? 0
		       : err_set(err, 0, "must have 1 to %d characters", LABEL_KEY_MAX);
}

#define OPTION_COUNT 17

/* Built per call because its targets are the caller's. */
static void option_table(struct options *o, struct config_option table[OPTION_COUNT])
{
	const struct config_option options[OPTION_COUNT] = {
		{"redis", "BULKHEAD_REDIS_URL", "URL", "redis://127.0.0.1:6379",
			"the store: redis://, rediss:// or unix://", CONFIG_CHECKED, &o->redis_url,
			0, 0, true, redis_url_check},
		{"redis-password-file", "BULKHEAD_REDIS_PASSWORD_FILE", "FILE", NULL,
			"file whose first line is the password", CONFIG_STRING,
			&o->redis_password_file},
		{"redis-ca", "BULKHEAD_REDIS_CA", "FILE", NULL, "CA certificates for rediss://",
			CONFIG_STRING, &o->redis_ca},
		{"redis-cert", "BULKHEAD_REDIS_CERT", "FILE", NULL, "client certificate",
			CONFIG_STRING, &o->redis_cert},
		{"redis-key", "BULKHEAD_REDIS_KEY", "FILE", NULL, "client key", CONFIG_STRING,
			&o->redis_key},
		{"node", "BULKHEAD_NODE", "NAME", NULL,
			"this host's name in the store (default: the Engine's name)",
			CONFIG_CHECKED, &o->node, 0, 0, false, node_name_check},
		{"listen", "BULKHEAD_LISTEN", "ADDR:PORT|none", "127.0.0.1:9641",
			"where /healthz, /readyz and /metrics are served", CONFIG_CHECKED,
			&o->listen_on, 0, 0, false, health_listen_check},
		{"docker-host", "DOCKER_HOST", "URL", "unix:///var/run/docker.sock",
			"the Engine: unix:// or tcp://; TLS by DOCKER_TLS_VERIFY and "
			"DOCKER_CERT_PATH",
			CONFIG_CHECKED, &o->docker_host, 0, 0, false, engine_url_check},
		{"label-prefix", "BULKHEAD_LABEL_PREFIX", "PREFIX", "org.projectcalico.label.",
			"labels that count; it is cut off", CONFIG_CHECKED, &o->label_prefix, 0, 0,
			false, check_prefix},
		{"image-labels", "BULKHEAD_IMAGE_LABELS", "on|off", "off",
			"whether labels that the image carries count", CONFIG_BOOL,
			&o->image_labels},
		{"resync", "BULKHEAD_RESYNC", "SECONDS", "60",
			"how often the Engine is compared in full", CONFIG_NUMBER,
			&o->resync_seconds, 1, RESYNC_MAX},
		{"log-level", "BULKHEAD_LOG_LEVEL", "LEVEL", "info", "debug, info, warn or error",
			CONFIG_CHECKED, &o->log_level, 0, 0, false, check_log_level},
		{"log-format", "BULKHEAD_LOG_FORMAT", "FORMAT", "text", "text or json",
			CONFIG_CHECKED, &o->log_format, 0, 0, false, check_log_format},
		{"check", NULL, NULL, NULL, "test configuration, Engine and store, and exit",
			CONFIG_FLAG, &o->check},
		{"healthcheck", NULL, NULL, NULL, "ask a running syncd's /readyz, and exit",
			CONFIG_FLAG, &o->healthcheck},
	};

	memcpy(table, options, sizeof(options));
}

static struct config_program program_of(const struct config_option *const *tables)
{
	return (struct config_program){
		.name = "bulkhead-syncd",
		.synopsis = "[OPTION]...",
		.purpose = "Publishes this host's containers and networks from Docker to Redis.",
		.tables = tables,
	};
}

static bool is_set(const char *text)
{
	return text && *text;
}

/* What Docker's own client takes from the environment alone. */
static int apply_environment(struct options *o, struct err *err)
{
	const char *verify = getenv("DOCKER_TLS_VERIFY"), *path = getenv("DOCKER_CERT_PATH");
	const char *api = getenv("DOCKER_API_VERSION");

	if (is_set(api) && api_version_check(api, err) < 0)
		return err_wrap(err, "DOCKER_API_VERSION");
	o->api_version = is_set(api) ? api : NULL;
	return engine_url_parse(
		o->docker_host, is_set(verify) || is_set(path), path, &o->engine, err);
}

static void apply_log(const struct options *o)
{
	enum log_level level = LOG_LEVEL_INFO;
	enum log_format format = LOG_FORMAT_TEXT;

	log_level_parse(o->log_level, &level);
	log_format_parse(o->log_format, &format);
	log_init(level, format);
}

enum config_outcome options_parse(struct options *options, int argc, char **argv)
{
	struct config_option table[OPTION_COUNT];
	const struct config_option *const tables[] = {table, NULL};
	const struct config_program program = program_of(tables);
	enum config_outcome outcome;
	struct err err = {0};

	*options = (struct options){0};
	option_table(options, table);
	outcome = config_parse(&program, argc, argv, NULL);
	if (outcome != CONFIG_RUN)
		return outcome;
	apply_log(options);
	if (apply_environment(options, &err) < 0) {
		fprintf(stderr, "bulkhead-syncd: %s\n", err.text);
		return CONFIG_EXIT_USAGE;
	}
	return CONFIG_RUN;
}

void options_free(struct options *options)
{
	struct config_option table[OPTION_COUNT];
	const struct config_option *const tables[] = {table, NULL};
	const struct config_program program = program_of(tables);

	option_table(options, table);
	config_free(&program);
	engine_url_clear(&options->engine);
}

struct redis_options options_redis(const struct options *o)
{
	return (struct redis_options){
		.url = o->redis_url,
		.password_file = o->redis_password_file,
		.ca = o->redis_ca,
		.cert = o->redis_cert,
		.key = o->redis_key,
		.client_name = "bulkhead-syncd",
	};
}
