/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/options.h"

#include "common/health.h"
#include "common/log.h"
#include "common/xalloc.h"

#include <string.h>

enum { HOST_NAME_SIZE = 256, TABLE_NAME_MAX = 31, RESYNC_MAX = 86400 };

static int check_isolation(const char *word, struct err *err)
{
	enum isolation isolation;

	return isolation_parse(word, &isolation)
		       ? 0
		       : err_set(err, 0, "\"%s\" is not labelled, strict or off", word);
}

static int check_host_action(const char *word, struct err *err)
{
	return !strcmp(word, "return") || !strcmp(word, "drop")
		       ? 0
		       : err_set(err, 0, "\"%s\" is not return or drop", word);
}

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

/* The name goes into nft commands that an operator types: keep it a plain word. */
static int check_table(const char *word, struct err *err)
{
	size_t len =
		strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	return len && len <= TABLE_NAME_MAX && !word[len]
		       ? 0
		       : err_set(err, 0,
				 "\"%s\" is not a table name of at most %d letters, digits, _ and -",
				 word, TABLE_NAME_MAX);
}

static int check_node(const char *word, struct err *err)
{
	size_t len =
		strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");

	return len && len < HOST_NAME_SIZE && !word[len]
		       ? 0
		       : err_set(err, 0, "\"%s\" is not a node name of letters, digits, _ . and -",
				 word);
}

/*
 * The table is built per call because its targets are the caller's. Flags of the contract that steer what is not built yet
 * (--mode, --anti-spoof, --mark-mask, --state-dir) are not accepted: a switch that silently does nothing in a security tool
 * is worse than one that is refused.
 */
#define OPTION_COUNT 20

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
			"this host's name in the store (default: the host name)", CONFIG_CHECKED,
			&o->node, 0, 0, false, check_node},
		{"listen", "BULKHEAD_LISTEN", "ADDR:PORT|none", "127.0.0.1:9642",
			"where /healthz, /readyz and /metrics are served", CONFIG_CHECKED,
			&o->listen_on, 0, 0, false, health_listen_check},
		{"resync", "BULKHEAD_RESYNC", "SECONDS", "60",
			"how often the store is compared in full", CONFIG_NUMBER,
			&o->resync_seconds, 1, RESYNC_MAX},
		{"isolation", "BULKHEAD_ISOLATION", "labelled|strict|off", "labelled",
			"for networks that say nothing themselves", CONFIG_CHECKED,
			&o->isolation_word, 0, 0, false, check_isolation},
		{"strict-network", "BULKHEAD_STRICT_NETWORKS", "GLOB", NULL,
			"networks that are strict (repeat; comma list in the environment)",
			CONFIG_LIST, &o->strict_networks},
		{"host-action", "BULKHEAD_HOST_ACTION", "return|drop", "return",
			"what follows an egress allow towards this host", CONFIG_CHECKED,
			&o->host_action_word, 0, 0, false, check_host_action},
		{"table", "BULKHEAD_TABLE", "NAME", "bulkhead", "nftables table", CONFIG_CHECKED,
			&o->table, 0, 0, false, check_table},
		{"nflog-group", "BULKHEAD_NFLOG_GROUP", "N", "64",
			"group that denied packets are logged to", CONFIG_NUMBER, &o->nflog_group,
			0, UINT16_MAX},
		{"log-level", "BULKHEAD_LOG_LEVEL", "LEVEL", "info", "debug, info, warn or error",
			CONFIG_CHECKED, &o->log_level, 0, 0, false, check_log_level},
		{"log-format", "BULKHEAD_LOG_FORMAT", "FORMAT", "text", "text or json",
			CONFIG_CHECKED, &o->log_format, 0, 0, false, check_log_format},
		{"clear", NULL, NULL, NULL, "remove every kernel object of ours and exit",
			CONFIG_FLAG, &o->clear},
		{"check", NULL, NULL, NULL, "test configuration, kernel and store, and exit",
			CONFIG_FLAG, &o->check},
		{"healthcheck", NULL, NULL, NULL, "ask a running enforcerd's /readyz, and exit",
			CONFIG_FLAG, &o->healthcheck},
	};

	memcpy(table, options, sizeof(options));
}

static struct config_program program_of(const struct config_option *const *tables)
{
	return (struct config_program){
		.name = "bulkhead-enforcerd",
		.synopsis = "[OPTION]...",
		.purpose =
			"Programs this host's nftables from the endpoints and policies in Redis.",
		.tables = tables,
	};
}

static void apply_words(struct options *o)
{
	enum log_level level = LOG_LEVEL_INFO;
	enum log_format format = LOG_FORMAT_TEXT;
	char host[HOST_NAME_SIZE] = "localhost";

	isolation_parse(o->isolation_word, &o->isolation);
	o->host_action = strcmp(o->host_action_word, "drop") ? HOST_RETURN : HOST_DROP;
	log_level_parse(o->log_level, &level);
	log_format_parse(o->log_format, &format);
	log_init(level, format);
	if (!o->node) {
		gethostname(host, sizeof(host) - 1);
		o->node = xstrdup(host);
	}
}

enum config_outcome options_parse(struct options *options, int argc, char **argv)
{
	struct config_option table[OPTION_COUNT];
	const struct config_option *const tables[] = {table, NULL};
	const struct config_program program = program_of(tables);
	enum config_outcome outcome;

	*options = (struct options){0};
	option_table(options, table);
	outcome = config_parse(&program, argc, argv, NULL);
	if (outcome == CONFIG_RUN)
		apply_words(options);
	return outcome;
}

void options_free(struct options *options)
{
	struct config_option table[OPTION_COUNT];
	const struct config_option *const tables[] = {table, NULL};
	const struct config_program program = program_of(tables);

	option_table(options, table);
	config_free(&program);
}

struct redis_options options_redis(const struct options *o)
{
	return (struct redis_options){
		.url = o->redis_url,
		.password_file = o->redis_password_file,
		.ca = o->redis_ca,
		.cert = o->redis_cert,
		.key = o->redis_key,
		.client_name = "bulkhead-enforcerd",
	};
}
