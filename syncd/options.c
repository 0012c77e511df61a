/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "syncd/options.h"

#include "syncd/api_version.h"

#include <string.h>

enum { OPTION_COUNT = 4 };

static const struct daemon_defaults defaults = {
	.listen_on = "127.0.0.1:9641",
	.node_help = "this host's name in the store (default: the Engine's name)",
	.resync_help = "how often the Engine is compared in full",
	.check_help = "test configuration, Engine and store, and exit",
};

/* Built per call because its targets are the caller's. */
static void option_table(struct options *o, struct config_option table[OPTION_COUNT])
{
	const struct config_option options[OPTION_COUNT] = {
		{"docker-host", "DOCKER_HOST", "URL", "unix:///var/run/docker.sock",
			"the Engine: unix:// or tcp://; TLS by DOCKER_TLS_VERIFY and "
			"DOCKER_CERT_PATH",
			CONFIG_CHECKED, &o->docker_host, 0, 0, false, engine_url_check},
		{"label-prefix", "BULKHEAD_LABEL_PREFIX", "PREFIX[=KEY]",
			"org.projectcalico.label.",
			"labels that count: PREFIX is cut off, or KEY put in its place (repeatable; "
			"comma list)",
			CONFIG_LIST, &o->label_prefixes},
		{"image-labels", "BULKHEAD_IMAGE_LABELS", "on|off", "off",
			"whether labels that the image carries count", CONFIG_BOOL,
			&o->image_labels},
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

static int derive(struct options *o, struct err *err)
{
	o->prefixes = label_prefixes_parse(&o->label_prefixes, err);
	if (!o->prefixes)
		return err_wrap(err, "--label-prefix (or BULKHEAD_LABEL_PREFIX)");
	return apply_environment(o, err);
}

enum config_outcome options_parse(struct options *options, int argc, char **argv)
{
	struct config_option shared[DAEMON_OPTION_COUNT], own[OPTION_COUNT];
	const struct config_option *const tables[] = {shared, own, NULL};
	const struct config_program program = program_of(tables);
	enum config_outcome outcome;
	struct err err = {0};

	*options = (struct options){0};
	daemon_options_table(&options->daemon, &defaults, shared);
	option_table(options, own);
	outcome = config_parse(&program, argc, argv, NULL);
	if (outcome != CONFIG_RUN)
		return outcome;
	daemon_options_log(&options->daemon);
	if (derive(options, &err) < 0) {
		fprintf(stderr, "bulkhead-syncd: %s\n", err.text);
		return CONFIG_EXIT_USAGE;
	}
	return CONFIG_RUN;
}

void options_free(struct options *options)
{
	struct config_option shared[DAEMON_OPTION_COUNT], own[OPTION_COUNT];
	const struct config_option *const tables[] = {shared, own, NULL};
	const struct config_program program = program_of(tables);

	daemon_options_table(&options->daemon, &defaults, shared);
	option_table(options, own);
	config_free(&program);
	label_prefixes_free(options->prefixes);
	engine_url_clear(&options->engine);
}
