/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/config.h"

#include "common/strbuf.h"
#include "common/xalloc.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

enum { OPTIONS_MAX = 64, SECRET_MAX = 4096, HELP_COLUMN = 36 };
enum { OPT_HELP = 1, OPT_VERSION, OPT_FIRST = 256 };

/* All tables in one row, with getopt's view of them. */
struct flat {
	const struct config_option *options[OPTIONS_MAX];
	bool given[OPTIONS_MAX]; /* on the command line */
	struct option getopt[OPTIONS_MAX + 3];
	size_t count;
};

static void flatten(const struct config_program *program, struct flat *flat)
{
	*flat = (struct flat){0};
	for (size_t t = 0; program->tables[t]; t++)
		for (const struct config_option *o = program->tables[t]; o->flag; o++) {
			if (flat->count == OPTIONS_MAX)
				abort(); /* a table that outgrew OPTIONS_MAX never leaves the developer's machine */
			flat->options[flat->count] = o;
			flat->getopt[flat->count] = (struct option){o->flag,
				o->kind == CONFIG_FLAG ? no_argument : required_argument, NULL,
				OPT_FIRST + (int)flat->count};
			flat->count++;
		}
	flat->getopt[flat->count] = (struct option){"help", no_argument, NULL, OPT_HELP};
	flat->getopt[flat->count + 1] = (struct option){"version", no_argument, NULL, OPT_VERSION};
}

/* --- setting targets --------------------------------------------------------------------------- */

static void list_clear(struct config_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct config_list){0};
}

static void list_add(struct config_list *list, const char *text, size_t len)
{
	list->items = xrealloc(list->items, list->count + 1, sizeof(*list->items));
	list->items[list->count++] = xstrndup(text, len);
}

static void list_add_commas(struct config_list *list, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, ",");

		if (len)
			list_add(list, text, len);
		text += len + (text[len] == ',');
	}
}

static int set_number(const struct config_option *o, const char *value, struct err *err)
{
	char *end = NULL;
	long number;

	errno = 0;
	number = strtol(value, &end, 0);
	if (!*value || *end || errno || number < o->min || number > o->max)
		return err_set(err, 0, "\"%s\" is not a number in %ld..%ld", value, o->min, o->max);
	*(long *)o->target = number;
	return 0;
}

static int set_bool(const struct config_option *o, const char *value, struct err *err)
{
	bool on = !strcmp(value, "on");

	if (!on && strcmp(value, "off") != 0)
		return err_set(err, 0, "\"%s\" is not on or off", value);
	*(bool *)o->target = on;
	return 0;
}

static int set_string(const struct config_option *o, const char *value, struct err *err)
{
	char **target = o->target;

	if (o->kind == CONFIG_CHECKED && o->check(value, err) < 0)
		return -1;
	free(*target);
	*target = xstrdup(value);
	return 0;
}

static int set_value(const struct config_option *o, const char *value, struct err *err)
{
	switch (o->kind) {
	case CONFIG_FLAG:
		*(bool *)o->target = true;
		return 0;
	case CONFIG_BOOL:
		return set_bool(o, value, err);
	case CONFIG_NUMBER:
		return set_number(o, value, err);
	case CONFIG_LIST:
		list_add_commas(o->target, value);
		return 0;
	case CONFIG_STRING:
	case CONFIG_CHECKED:
		return set_string(o, value, err);
	}
	return 0;
}

/* --- sources: default, environment, secret file ------------------------------------------------ */

static int read_secret(const char *path, char *value, struct err *err)
{
	cleanup_file FILE *file = fopen(path, "re");

	if (!file)
		return err_set(err, errno, "open %s", path);
	if (!fgets(value, SECRET_MAX, file))
		return err_set(err, ferror(file) ? errno : 0, "read %s: no first line", path);
	value[strcspn(value, "\r\n")] = '\0';
	return 0;
}

/* The value in NAME, or for a secret in the file that NAME_FILE names; NULL when neither is set. */
static int environment_value(
	const struct config_option *o, char *buf, const char **value, struct err *err)
{
	cleanup_free char *file_name = o->secret ? xasprintf("%s_FILE", o->env) : NULL;
	const char *path = file_name ? getenv(file_name) : NULL;

	*value = getenv(o->env);
	if ((*value && **value) || !path || !*path)
		return 0;
	if (read_secret(path, buf, err) < 0)
		return err_wrap(err, "%s", file_name);
	*value = buf;
	return 0;
}

static int apply_environment(const struct config_option *o, bool *applied, struct err *err)
{
	char buf[SECRET_MAX];
	const char *value = NULL;

	*applied = false;
	if (!o->env || o->kind == CONFIG_FLAG)
		return 0;
	if (environment_value(o, buf, &value, err) < 0)
		return -1;
	/* compose sets a variable that nobody filled in to "": that is the same as not set */
	if (!value || !*value)
		return 0;
	*applied = true;
	return set_value(o, value, err) < 0 ? err_wrap(err, "%s", o->env) : 0;
}

static int apply_sources(const struct flat *flat, struct err *err)
{
	for (size_t i = 0; i < flat->count; i++) {
		const struct config_option *o = flat->options[i];
		bool applied;

		if (flat->given[i])
			continue;
		if (apply_environment(o, &applied, err) < 0)
			return -1;
		if (!applied && o->fallback && set_value(o, o->fallback, err) < 0)
			return err_wrap(err, "default of --%s", o->flag);
	}
	return 0;
}

/* --- help -------------------------------------------------------------------------------------- */

static void print_option(const struct config_option *o, FILE *out)
{
	cleanup_free char *left =
		xasprintf("  --%s%s%s", o->flag, o->value ? " " : "", o->value ? o->value : "");

	fprintf(out, "%-*s%s%s", HELP_COLUMN, left, strlen(left) >= HELP_COLUMN ? "  " : "",
		o->help);
	if (o->fallback)
		fprintf(out, " (default: %s)", o->fallback);
	if (o->env)
		fprintf(out, " [%s%s]", o->env, o->secret ? ", or _FILE" : "");
	fputc('\n', out);
}

void config_print_help(const struct config_program *program, FILE *out)
{
	struct flat flat;

	flatten(program, &flat);
	fprintf(out, "Usage: %s %s\n%s\n\n", program->name, program->synopsis, program->purpose);
	for (size_t i = 0; i < flat.count; i++)
		print_option(flat.options[i], out);
	fprintf(out, "%-*s%s\n%-*s%s\n", HELP_COLUMN, "  --help", "print this and exit",
		HELP_COLUMN, "  --version", "print the version and exit");
	fputs("\nA flag goes before its environment variable, that before the default.\n", out);
}

static enum config_outcome usage_error(const struct config_program *program, const char *what)
{
	fprintf(stderr, "%s: %s\nUsage: %s %s\nTry '%s --help'.\n", program->name, what,
		program->name, program->synopsis, program->name);
	return CONFIG_EXIT_USAGE;
}

/* --- parsing ----------------------------------------------------------------------------------- */

static enum config_outcome parse_flags(
	const struct config_program *program, int argc, char **argv, struct flat *flat)
{
	struct err err = {0};
	char what[ERR_TEXT_MAX + 64];
	int c;

	optind = 0; /* glibc: start over, whoever parsed before */
	opterr = 0;
	while ((c = getopt_long(argc, argv, "+:", flat->getopt, NULL)) != -1) {
		size_t i = (size_t)(c - OPT_FIRST);

		if (c == OPT_HELP) {
			config_print_help(program, stdout);
			return CONFIG_EXIT_OK;
		}
		if (c == OPT_VERSION) {
			printf("%s %s\n", program->name, BULKHEAD_VERSION);
			return CONFIG_EXIT_OK;
		}
		if (c < OPT_FIRST) {
			snprintf(what, sizeof(what), "%s %s", argv[optind - 1],
				c == ':' ? "needs a value"
					 : "is not a known flag, or takes no value");
			return usage_error(program, what);
		}
		if (set_value(flat->options[i], optarg, &err) < 0) {
			snprintf(what, sizeof(what), "--%s: %s", flat->options[i]->flag, err.text);
			return usage_error(program, what);
		}
		flat->given[i] = true;
	}
	return CONFIG_RUN;
}

enum config_outcome config_parse(
	const struct config_program *program, int argc, char **argv, int *rest)
{
	enum config_outcome outcome;
	struct err err = {0};
	struct flat flat;

	flatten(program, &flat);
	outcome = parse_flags(program, argc, argv, &flat);
	if (outcome != CONFIG_RUN)
		return outcome;
	if (!rest && optind < argc) {
		cleanup_free char *what = xasprintf("unexpected operand \"%s\"", argv[optind]);

		return usage_error(program, what);
	}
	if (rest)
		*rest = optind;
	if (apply_sources(&flat, &err) < 0)
		return usage_error(program, err.text);
	return CONFIG_RUN;
}

void config_free(const struct config_program *program)
{
	struct flat flat;

	flatten(program, &flat);
	for (size_t i = 0; i < flat.count; i++) {
		const struct config_option *o = flat.options[i];

		if (o->kind == CONFIG_LIST) {
			list_clear(o->target);
		} else if (o->kind == CONFIG_STRING || o->kind == CONFIG_CHECKED) {
			free(*(char **)o->target);
			*(char **)o->target = NULL;
		}
	}
}
