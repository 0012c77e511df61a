/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/commands.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define FILES "-f FILE... [-R]"
#define WAIT  " [--wait [--timeout DURATION]]"

static const struct command commands[] = {
	{"create", cmd_create, FILES " [--staged] [--skip-exists]" WAIT,
		"store policies that do not exist yet",
		OPTIONS_STORE | OPTIONS_FILE | OPTIONS_STAGED | OPTIONS_SKIP_EXISTS | OPTIONS_WAIT,
		0, 0},
	{"apply", cmd_apply, FILES " [--staged]" WAIT, "store policies, whether they exist or not",
		OPTIONS_STORE | OPTIONS_FILE | OPTIONS_STAGED | OPTIONS_WAIT, 0, 0},
	{"replace", cmd_replace, FILES " [--staged]" WAIT,
		"store policies in the place of those that exist",
		OPTIONS_STORE | OPTIONS_FILE | OPTIONS_STAGED | OPTIONS_WAIT, 0, 0},
	{"delete", cmd_delete, FILES " | KIND NAME... [--staged] [--skip-not-exists]" WAIT,
		"remove policies, tiers or network sets",
		OPTIONS_STORE | OPTIONS_FILE | OPTIONS_STAGED | OPTIONS_SKIP_NOT_EXISTS |
			OPTIONS_WAIT,
		0, SIZE_MAX},
	{"get", cmd_get,
		"policies|tiers|globalnetworksets|endpoints|networks|nodes [NAME...] [-o FORMAT] [--export] "
		"[--node NODE]",
		"show what is in the store",
		OPTIONS_STORE | OPTIONS_OUTPUT | OPTIONS_NODE | OPTIONS_EXPORT, 1, SIZE_MAX},
	{"validate", cmd_validate, FILES, "check files without storing anything", OPTIONS_FILE, 0,
		0},
	{"convert", cmd_convert, FILES " [-o yaml|json]",
		"print v1 policies in the v3 form, without storing anything",
		OPTIONS_FILE | OPTIONS_OUTPUT, 0, 0},
	{"diff", cmd_diff, FILES " [--staged] [--node NODE] [-o FORMAT]",
		"say what apply would change: policies, and who may reach whom",
		OPTIONS_STORE | OPTIONS_FILE | OPTIONS_STAGED | OPTIONS_OUTPUT | OPTIONS_NODE, 0,
		0},
	{"match", cmd_match, "SELECTOR [--label KEY=VALUE]... [-o FORMAT] [--node NODE]",
		"say whether the labels match, or list the endpoints that do",
		OPTIONS_STORE | OPTIONS_OUTPUT | OPTIONS_LABEL | OPTIONS_NODE, 1, 1},
	{"explain", cmd_explain,
		"--from WHO --to WHO [--protocol NAME] [--port PORT] [--node NODE] [-o FORMAT]",
		"say whether policy allows a flow, which rule decides, and what would change it",
		OPTIONS_STORE | OPTIONS_OUTPUT | OPTIONS_NODE | OPTIONS_ENDS | OPTIONS_FLOW, 0, 0},
	{"reach", cmd_reach, "--port PORT [--protocol NAME] [--node NODE] [-o FORMAT]",
		"say who can reach whom",
		OPTIONS_STORE | OPTIONS_OUTPUT | OPTIONS_NODE | OPTIONS_FLOW | OPTIONS_DOT, 0, 0},
	{"status", cmd_status, "[NODE...] [-o FORMAT]",
		"say what each node has in force; exit 1 where it is not what the store says",
		OPTIONS_STORE | OPTIONS_OUTPUT, 0, SIZE_MAX},
	{"watch", cmd_watch, "[--denied] [--from WHO] [--to WHO] [--node NODE] [-o FORMAT]",
		"show live what is denied, would be in audit mode, or is logged",
		OPTIONS_STORE | OPTIONS_OUTPUT | OPTIONS_NODE | OPTIONS_WATCH | OPTIONS_ENDS, 0, 0},
	{"network", cmd_network, "strict|labelled|off|default NAME... [--node NODE]" WAIT,
		"choose who is isolated on a network; default: leave it to label and flags",
		OPTIONS_STORE | OPTIONS_NODE | OPTIONS_WAIT, 2, SIZE_MAX},
	{"label", cmd_label, "container NAME KEY=VALUE|KEY-... [--node NODE]" WAIT,
		"give labels to a container that runs, or take them back",
		OPTIONS_STORE | OPTIONS_NODE | OPTIONS_WAIT, 3, SIZE_MAX},
	{"panic", cmd_panic, "[--end] [--node NODE]" WAIT,
		"stop dropping at once: report what policies deny; --end: enforce again",
		OPTIONS_STORE | OPTIONS_NODE | OPTIONS_END | OPTIONS_WAIT, 0, 0},
	{"store", cmd_store, "accept" WAIT,
		"take the store's policies as they are, where nodes refuse them as older",
		OPTIONS_STORE | OPTIONS_WAIT, 1, 1},
	{"version", cmd_version, "", "print the version", 0, 0, 0},
	{"help", cmd_help, "[VERB]", "print this, or a verb's options", 0, 0, 1},
	{NULL, NULL, NULL, NULL, 0, 0, 0},
};

const struct command *commands_all(void)
{
	return commands;
}

const struct command *commands_find(const char *name)
{
	for (const struct command *c = commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}

int cmd_version(const struct options *options)
{
	(void)options;
	options_print_version(stdout);
	return EXIT_SUCCESS;
}

int cmd_help(const struct options *options)
{
	const struct command *command =
		options->operand_count ? commands_find(options->operands[0]) : NULL;

	if (!options->operand_count) {
		options_print_help(commands, stdout);
		return EXIT_SUCCESS;
	}
	if (!command)
		return options_usage_error(
			commands_find("help"), "\"%s\" is not a known verb", options->operands[0]);
	options_print_verb_help(command, stdout);
	return EXIT_SUCCESS;
}
