/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/options.h"

#include "common/xalloc.h"
#include "enforcerd/peers.h"

#include <stdlib.h>
#include <string.h>

enum { HOST_NAME_SIZE = 256, TABLE_NAME_MAX = 31, TIMEOUT_MAX = 366 * 86400 };

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

static int check_mode(const char *word, struct err *err)
{
	enum mode mode;

	return mode_parse(word, &mode) ? 0
				       : err_set(err, 0, "\"%s\" is not enforce or audit", word);
}

static int parse_mask(const char *word, struct mark_layout *marks, struct err *err)
{
	char *end = NULL;
	unsigned long mask = strtoul(word, &end, 0);

	if (!word[0] || *end || word[0] == '-' || mask > UINT32_MAX)
		return err_set(err, 0, "\"%s\" is not a mask of 32 bits", word);
	return mark_layout_init(marks, (uint32_t)mask, err);
}

static int check_mask(const char *word, struct err *err)
{
	struct mark_layout marks;

	return parse_mask(word, &marks, err);
}

/* Less than some heartbeats would call a living node dead. */
static int parse_timeout(const char *word, long *seconds, struct err *err)
{
	char *end = NULL;

	*seconds = strtol(word, &end, 10);
	if (!word[0] || word[strspn(word, "0123456789")] ||
		(*seconds && (*seconds < PEERS_TIMEOUT_MIN || *seconds > TIMEOUT_MAX)))
		return err_set(err, 0, "\"%s\" is not 0, nor %d to %d seconds", word,
			PEERS_TIMEOUT_MIN, TIMEOUT_MAX);
	return 0;
}

static int check_timeout(const char *word, struct err *err)
{
	long seconds;

	return parse_timeout(word, &seconds, err);
}

/* The table is built per call because its targets are the caller's. */
enum { OPTION_COUNT = 12 };

static const struct daemon_defaults defaults = {
	.listen_on = "127.0.0.1:9642",
	.node_help = "this host's name in the store (default: the host name)",
	.resync_help = "how often the store is compared in full",
	.check_help = "test configuration, kernel and store, and exit",
};

static void option_table(struct options *o, struct config_option table[OPTION_COUNT])
{
	const struct config_option options[OPTION_COUNT] = {
		{"isolation", "BULKHEAD_ISOLATION", "labelled|strict|off", "labelled",
			"for networks that say nothing themselves", CONFIG_CHECKED,
			&o->isolation_word, 0, 0, false, check_isolation},
		{"strict-network", "BULKHEAD_STRICT_NETWORKS", "GLOB", NULL,
			"networks that are strict (repeat, or a comma list)", CONFIG_LIST,
			&o->strict_networks},
		{"host-action", "BULKHEAD_HOST_ACTION", "return|drop", "return",
			"what follows an egress allow towards this host", CONFIG_CHECKED,
			&o->host_action_word, 0, 0, false, check_host_action},
		{"table", "BULKHEAD_TABLE", "NAME", "bulkhead", "nftables table", CONFIG_CHECKED,
			&o->table, 0, 0, false, check_table},
		{"nflog-group", "BULKHEAD_NFLOG_GROUP", "N", "64",
			"group that denied packets are logged to", CONFIG_NUMBER, &o->nflog_group,
			0, UINT16_MAX},
		{"mode", "BULKHEAD_MODE", "enforce|audit", "enforce",
			"audit: judge, count and report, but drop nothing", CONFIG_CHECKED,
			&o->mode_word, 0, 0, false, check_mode},
		{"anti-spoof", "BULKHEAD_ANTI_SPOOF", "on|off", "on",
			"bind MAC, ARP and neighbour discovery to ports, too", CONFIG_BOOL,
			&o->anti_spoof},
		{"mark-mask", "BULKHEAD_MARK_MASK", "MASK", "0xffff0000",
			"bits of the conntrack mark that are ours, contiguous", CONFIG_CHECKED,
			&o->mark_word, 0, 0, false, check_mask},
		{"state-dir", "BULKHEAD_STATE_DIR", "DIR", "/var/lib/bulkhead",
			"policies are kept here for the next boot", CONFIG_STRING, &o->state_dir},
		{"node-timeout", "BULKHEAD_NODE_TIMEOUT", "SECONDS", "0",
			"other nodes silent for longer count no more (0: they are kept)",
			CONFIG_CHECKED, &o->node_timeout_word, 0, 0, false, check_timeout},
		{"clear", NULL, NULL, NULL, "remove every kernel object of ours and exit",
			CONFIG_FLAG, &o->clear},
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
	char host[HOST_NAME_SIZE] = "localhost";

	isolation_parse(o->isolation_word, &o->isolation);
	mode_parse(o->mode_word, &o->mode);
	(void)!parse_mask(o->mark_word, &o->marks, NULL); /* checked when it was read */
	(void)!parse_timeout(o->node_timeout_word, &o->node_timeout, NULL);
	o->host_action = strcmp(o->host_action_word, "drop") ? HOST_RETURN : HOST_DROP;
	daemon_options_log(&o->daemon);
	if (!o->daemon.node) {
		gethostname(host, sizeof(host) - 1);
		o->daemon.node = xstrdup(host);
	}
}

enum config_outcome options_parse(struct options *options, int argc, char **argv)
{
	struct config_option shared[DAEMON_OPTION_COUNT], own[OPTION_COUNT];
	const struct config_option *const tables[] = {shared, own, NULL};
	const struct config_program program = program_of(tables);
	enum config_outcome outcome;

	*options = (struct options){0};
	daemon_options_table(&options->daemon, &defaults, shared);
	option_table(options, own);
	outcome = config_parse(&program, argc, argv, NULL);
	if (outcome == CONFIG_RUN)
		apply_words(options);
	return outcome;
}

void options_free(struct options *options)
{
	struct config_option shared[DAEMON_OPTION_COUNT], own[OPTION_COUNT];
	const struct config_option *const tables[] = {shared, own, NULL};
	const struct config_program program = program_of(tables);

	daemon_options_table(&options->daemon, &defaults, shared);
	option_table(options, own);
	config_free(&program);
}
