/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/options.h"

#include "common/xalloc.h"
#include "ctl/duration.h"
#include "ctl/env_file.h"
#include "ctl/output.h"

#include <ctype.h>
#include <getopt.h>
#include <stdarg.h>
#include <string.h>

enum {
	GROUP_COUNT = 14,
	GROUP_SIZE = 8,
	OPTIONS_MAX = GROUP_COUNT * GROUP_SIZE,
	TIMEOUT_STORE = 5, /* seconds; where --timeout is not given */
	TIMEOUT_WAIT = 60,
	PORT_MAX = 65535
};
enum { GET_HELP = 1000, /* beyond characters and table places */ GET_VERSION };

#define PROGRAM "bulkheadctl"
#define USAGE   "Usage: " PROGRAM " [OPTION]... VERB [OPERAND]...\n"

/* One table per group, in the order of enum option_group; each ends with .flag == NULL. */
struct tables {
	struct config_option groups[GROUP_COUNT][GROUP_SIZE];
};

/* Built per call because the targets are the caller's. */
static void fill_tables(struct options *o, struct tables *tables)
{
	const struct tables t = {{
		{
			{"redis", "BULKHEAD_REDIS_URL", "URL", "redis://127.0.0.1:6379",
				"the store: redis://, rediss://, unix:// or redis+sentinel://",
				CONFIG_CHECKED, &o->redis_url, 0, 0, true, redis_url_check},
			{"redis-password-file", "BULKHEAD_REDIS_PASSWORD_FILE", "FILE", NULL,
				"file whose first line is the password", CONFIG_STRING,
				&o->redis_password_file, 0, 0, false, NULL},
			{"redis-sentinel-password-file", "BULKHEAD_REDIS_SENTINEL_PASSWORD_FILE",
				"FILE", NULL, "the same for the Sentinels' own login",
				CONFIG_STRING, &o->redis_sentinel_password_file, 0, 0, false, NULL},
			{"redis-ca", "BULKHEAD_REDIS_CA", "FILE", NULL,
				"CA certificates for rediss://", CONFIG_STRING, &o->redis_ca, 0, 0,
				false, NULL},
			{"redis-cert", "BULKHEAD_REDIS_CERT", "FILE", NULL, "client certificate",
				CONFIG_STRING, &o->redis_cert, 0, 0, false, NULL},
			{"redis-key", "BULKHEAD_REDIS_KEY", "FILE", NULL, "client key",
				CONFIG_STRING, &o->redis_key, 0, 0, false, NULL},
			{"timeout", NULL, "DURATION", NULL,
				"how long to wait for the store (5s), and with --wait for the nodes (60s)",
				CONFIG_CHECKED, &o->timeout_text, 0, 0, false, duration_check},
		},
		{
			{"filename", NULL, "FILE", NULL,
				"YAML or JSON, or a directory of *.yaml, *.yml and *.json; \"-\" is stdin; may be "
				"repeated (short: -f)",
				CONFIG_LIST, &o->files, 0, 0, false, NULL},
			{"recursive", NULL, NULL, NULL,
				"of a directory, also the directories in it (short: -R)",
				CONFIG_FLAG, &o->recursive, 0, 0, false, NULL},
		},
		{{"output", NULL, "FORMAT", "table",
			"table, wide, yaml or json; for reach also dot (short: -o)", CONFIG_CHECKED,
			&o->output, 0, 0, false, output_format_check}},
		{{"label", NULL, "KEY=VALUE", NULL,
			"match these labels instead of the endpoints'; may be repeated",
			CONFIG_LIST, &o->labels, 0, 0, false, NULL}},
		{{"node", NULL, "NAME", NULL, "on this node only (default: on every node)",
			CONFIG_STRING, &o->node, 0, 0, false, NULL}},
		{{"skip-exists", NULL, NULL, NULL, "leave alone what exists already", CONFIG_FLAG,
			&o->skip_exists, 0, 0, false, NULL}},
		{{"skip-not-exists", NULL, NULL, NULL, "do not mind what does not exist",
			CONFIG_FLAG, &o->skip_not_exists, 0, 0, false, NULL}},
		{{"staged", NULL, NULL, NULL,
			"the staged ones, beside those in force: what they would drop is reported, not dropped",
			CONFIG_FLAG, &o->staged, 0, 0, false, NULL}},
		{{"end", NULL, NULL, NULL, "enforce again", CONFIG_FLAG, &o->end, 0, 0, false,
			NULL}},
		{
			{"denied", NULL, NULL, NULL,
				"only what was dropped, not what audit or a staged policy would drop",
				CONFIG_FLAG, &o->denied, 0, 0, false, NULL},
		},
		{
			{"from", NULL, "WHO", NULL,
				"the sender: a container or address (watch: also a CIDR block or selector)",
				CONFIG_STRING, &o->from, 0, 0, false, NULL},
			{"to", NULL, "WHO", NULL, "the receiver", CONFIG_STRING, &o->to, 0, 0,
				false, NULL},
		},
		{
			{"protocol", NULL, "NAME|NUMBER", "tcp", "of the flow", CONFIG_STRING,
				&o->protocol, 0, 0, false, NULL},
			{"port", NULL, "PORT", "0", "that it is to", CONFIG_NUMBER, &o->port, 0,
				PORT_MAX, false, NULL},
			{"source-port", NULL, "PORT", "49152", "that it is from", CONFIG_NUMBER,
				&o->source_port, 0, PORT_MAX, false, NULL},
			{"icmp-type", NULL, "TYPE[/CODE]", NULL,
				"of ICMP and ICMPv6 (default: echo request)", CONFIG_STRING,
				&o->icmp_type, 0, 0, false, NULL},
		},
		{{"wait", NULL, NULL, NULL, "return when every live node has it in force",
			CONFIG_FLAG, &o->wait, 0, 0, false, NULL}},
		{{"export", NULL, NULL, NULL,
			"without resourceVersion: to be stored elsewhere, or another day",
			CONFIG_FLAG, &o->export, 0, 0, false, NULL}},
	}};

	*tables = t;
}

/* --- first pass: what is an option, what an operand ------------------------------------------------- */

/* The command line taken apart: options as "--flag=value" words for the verb's own tables, and operands. */
struct split {
	char **words; /* owned; words[0] is the program */
	size_t word_count, word_cap;
	const char *given[GROUP_COUNT]; /* a flag of this group that was given */
	bool help, version, given_url;
};

static void add_word(struct split *split, char *word)
{
	xgrow(split->words, split->word_count, split->word_cap);
	split->words[split->word_count++] = word;
}

static void free_split(struct split *split)
{
	for (size_t i = 0; i < split->word_count; i++)
		free(split->words[i]);
	free(split->words);
}

/* Lists go straight to their target: on the command line a comma is part of the value. */
static void take_option(struct split *split, const struct config_option *option, const char *value)
{
	struct config_list *list = option->target;

	if (option->kind == CONFIG_LIST) {
		list->items = xrealloc(list->items, list->count + 1, sizeof(*list->items));
		list->items[list->count++] = xstrdup(value);
	} else if (option->kind == CONFIG_FLAG) {
		add_word(split, xasprintf("--%s", option->flag));
	} else {
		add_word(split, xasprintf("--%s=%s", option->flag, value));
	}
}

/* All tables in one row: an option's number is its place, and from that its group. */
struct row {
	const struct config_option *options[OPTIONS_MAX];
	size_t groups[OPTIONS_MAX];
	struct option longs[OPTIONS_MAX + 3];
	size_t count;
};

static void fill_row(const struct tables *tables, struct row *row)
{
	size_t n = 0;

	*row = (struct row){0};
	for (size_t g = 0; g < GROUP_COUNT; g++)
		for (const struct config_option *o = tables->groups[g]; o->flag; o++) {
			int has_value = o->kind == CONFIG_FLAG ? no_argument : required_argument;

			row->longs[n] = (struct option){o->flag, has_value, NULL, (int)n};
			row->groups[n] = g;
			row->options[n++] = o;
		}
	row->longs[n] = (struct option){"help", no_argument, NULL, GET_HELP};
	row->longs[n + 1] = (struct option){"version", no_argument, NULL, GET_VERSION};
	row->count = n;
}

/* What getopt says, as a place in the row. */
static size_t row_index(const struct row *row, int c)
{
	static const struct {
		int letter;
		const char *flag;
	} shorts[] = {{'f', "filename"}, {'o', "output"}, {'R', "recursive"}};
	const char *flag = NULL;

	for (size_t i = 0; i < sizeof(shorts) / sizeof(*shorts); i++)
		if (c == shorts[i].letter)
			flag = shorts[i].flag;
	if (!flag)
		return (size_t)c;
	for (size_t i = 0; i < row->count; i++)
		if (!strcmp(row->options[i]->flag, flag))
			return i;
	abort(); /* the tables have lost a flag: never leaves the developer's machine */
}

/* getopt_long() moves the operands behind the options. Returns the first operand's index, or -1 having said why. */
static int split_arguments(const struct tables *tables, int argc, char **argv, struct split *split)
{
	struct row row;
	int c;

	fill_row(tables, &row);
	add_word(split, xstrdup(PROGRAM));
	optind = 0; /* glibc: start over, whoever parsed before */
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":f:o:Rh", row.longs, NULL)) != -1) {
		if (c == '?' || c == ':') {
			fprintf(stderr, PROGRAM ": %s %s\n" USAGE "Try '" PROGRAM " help'.\n",
				argv[optind - 1],
				c == ':' ? "needs a value"
					 : "is not a known flag, or takes no value");
			return -1;
		}
		if (c == 'h' || c == GET_HELP) {
			split->help = true;
		} else if (c == GET_VERSION) {
			split->version = true;
		} else {
			size_t i = row_index(&row, c);

			split->given[row.groups[i]] = row.options[i]->flag;
			split->given_url |= row.options[i]->target == row.options[0]->target;
			take_option(split, row.options[i], optarg);
		}
	}
	return optind;
}

/* --- second pass: the verb and its tables ------------------------------------------------------------ */

static const struct command *find_command(const struct command *commands, const char *name)
{
	for (; commands->name; commands++)
		if (!strcmp(commands->name, name))
			return commands;
	return NULL;
}

void options_print_version(FILE *out)
{
	fputs(PROGRAM " " BULKHEAD_VERSION "\n", out);
}

void options_print_help(const struct command *commands, FILE *out)
{
	fputs(USAGE
		"Writes policies, network isolation and labels to the store, and shows what is there.\n\n",
		out);
	for (const struct command *c = commands; c->name; c++) {
		fprintf(out, "  %s%s%s\n        %s\n", c->name, *c->usage ? " " : "", c->usage,
			c->purpose);
	}
	fputs("\nOptions may stand before or after the verb; '" PROGRAM
	      " VERB --help' lists a verb's.\n"
	      "Exit status: 0 done, 1 refused or failed, 64 wrong use.\n",
		out);
}

int options_usage_error(const struct command *command, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, PROGRAM " %s: ", command->name);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\nUsage: " PROGRAM " %s %s\n", command->name, command->usage);
	return EXIT_USAGE;
}

/*
 * The file's settings stand below the environment's: they go in where nothing is set. Credentials that belong to the
 * file's own server are not sent to another one that the user names.
 */
static void load_env_file(const struct split *split)
{
	const char *path = getenv(ENV_FILE_VARIABLE);
	const char *url = getenv("BULKHEAD_REDIS_URL");
	bool other_server = split->given_url || (url && *url);
	struct err err = {0};

	if (env_file_load(path && *path ? path : ENV_FILE_PATH, !other_server, &err))
		fprintf(stderr, PROGRAM ": warning: %s\n", err.text);
}

/* The tables of the verb's groups, and those that every verb may be given. */
static void choose_tables(const struct command *command, const struct tables *tables,
	unsigned more_groups, const struct config_option *chosen[GROUP_COUNT + 1])
{
	size_t n = 0;

	for (size_t g = 0; g < GROUP_COUNT; g++)
		if ((command->groups | more_groups) & 1U << g)
			chosen[n++] = tables->groups[g];
	chosen[n] = NULL;
}

/* One flag for both: whoever gives it says how long the command may take, whatever it waits for. */
static void set_timeouts(struct options *options)
{
	long given = 0;

	if (options->timeout_text && duration_parse(options->timeout_text, &given, NULL))
		given = 0; /* checked when it was read */
	options->timeout = given ? given : TIMEOUT_STORE;
	options->wait_timeout = given ? given : TIMEOUT_WAIT;
}

static enum config_outcome parse_command(
	const struct command *command, struct split *split, const struct tables *tables)
{
	const struct config_option *chosen[GROUP_COUNT + 1];
	cleanup_free char *name = xasprintf(PROGRAM " %s", command->name);
	const struct config_program program = {name, command->usage, command->purpose, chosen};

	/* Where the store is may be said to every verb, so that a wrapper need not know which one asks it. */
	choose_tables(command, tables, OPTIONS_STORE, chosen);
	for (size_t g = 0; g < GROUP_COUNT; g++) {
		if (split->given[g] && !((command->groups | OPTIONS_STORE) & 1U << g)) {
			options_usage_error(command, "does not know --%s", split->given[g]);
			return CONFIG_EXIT_USAGE;
		}
	}
	if (command->groups & OPTIONS_STORE)
		load_env_file(split);
	return config_parse(&program, (int)split->word_count, split->words, NULL);
}

void options_print_verb_help(const struct command *command, FILE *out)
{
	const struct config_option *chosen[GROUP_COUNT + 1];
	cleanup_free char *name = xasprintf(PROGRAM " %s", command->name);
	cleanup_free char *purpose =
		xasprintf("%c%s.", toupper((unsigned char)*command->purpose), command->purpose + 1);
	const struct config_program program = {name, command->usage, purpose, chosen};
	struct options nobody = {0};
	struct tables tables;

	fill_tables(&nobody, &tables);
	choose_tables(command, &tables, 0, chosen);
	config_print_help(&program, out);
}

static enum config_outcome check_operands(
	const struct command *command, const struct options *options)
{
	if (options->operand_count < command->min_operands) {
		options_usage_error(command, "something is missing");
		return CONFIG_EXIT_USAGE;
	}
	if (options->output && !(command->groups & OPTIONS_DOT) &&
		output_format_parse(options->output) == OUTPUT_DOT) {
		options_usage_error(command, "has no output as dot");
		return CONFIG_EXIT_USAGE;
	}
	if (options->operand_count > command->max_operands) {
		options_usage_error(
			command, "unexpected \"%s\"", options->operands[command->max_operands]);
		return CONFIG_EXIT_USAGE;
	}
	return CONFIG_RUN;
}

static enum config_outcome choose(struct options *options, const struct command *commands,
	struct split *split, const struct tables *tables, const struct command **command)
{
	const char *verb = options->operand_count ? options->operands[0] : NULL;
	enum config_outcome outcome;

	if (!verb && split->help) {
		options_print_help(commands, stdout);
		return CONFIG_EXIT_OK;
	}
	*command = verb ? find_command(commands, verb) : NULL;
	if (split->version && (!verb || *command)) {
		options_print_version(stdout);
		return CONFIG_EXIT_OK;
	}
	if (!*command) {
		fprintf(stderr,
			verb ? PROGRAM ": \"%s\" is not a known verb\n" : PROGRAM ": no verb\n",
			verb);
		options_print_help(commands, stderr);
		return CONFIG_EXIT_USAGE;
	}
	options->operands++;
	options->operand_count--;
	if (split->help) {
		options_print_verb_help(*command, stdout);
		return CONFIG_EXIT_OK;
	}
	outcome = parse_command(*command, split, tables);
	set_timeouts(options);
	return outcome == CONFIG_RUN ? check_operands(*command, options) : outcome;
}

enum config_outcome options_parse(struct options *options, const struct command *commands, int argc,
	char **argv, const struct command **command)
{
	enum config_outcome outcome = CONFIG_EXIT_USAGE;
	struct split split = {0};
	struct tables tables;
	int first;

	*options = (struct options){0};
	fill_tables(options, &tables);
	first = split_arguments(&tables, argc, argv, &split);
	if (first > 0) {
		options->operands = argv + first;
		options->operand_count = (size_t)(argc - first);
		outcome = choose(options, commands, &split, &tables, command);
	}
	free_split(&split);
	return outcome;
}

void options_free(struct options *options)
{
	struct tables tables;
	const struct config_option *all[GROUP_COUNT + 1] = {NULL};
	const struct config_program program = {PROGRAM, "", "", all};

	fill_tables(options, &tables);
	for (size_t g = 0; g < GROUP_COUNT; g++)
		all[g] = tables.groups[g];
	config_free(&program);
}

struct redis_options options_redis(const struct options *options)
{
	return (struct redis_options){
		.url = options->redis_url,
		.password_file = options->redis_password_file,
		.sentinel_password_file = options->redis_sentinel_password_file,
		.ca = options->redis_ca,
		.cert = options->redis_cert,
		.key = options->redis_key,
		.client_name = PROGRAM,
	};
}
