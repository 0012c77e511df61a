/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/config.h"

#include "common/strbuf.h"
#include "common/xalloc.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
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

/* "a, b,,c" is three items: blanks round the commas and empty items do not count. */
static void list_add_commas(struct config_list *list, const char *text)
{
	while (*text) {
		size_t len, skip;

		text += strspn(text, " \t,");
		len = skip = strcspn(text, ",");
		while (len && strchr(" \t", text[len - 1]))
			len--;
		if (len)
			list_add(list, text, len);
		text += skip;
	}
}

/* Decimal or 0x; not what strtol() has beside: blanks, "+", octal. */
static bool parse_number(const char *text, long *number)
{
	const char *digits = text + (*text == '-');
	bool hex = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
	size_t len;

	digits += hex ? 2 : 0;
	len = strspn(digits, hex ? "0123456789abcdefABCDEF" : "0123456789");
	if (!len || digits[len])
		return false;
	errno = 0;
	*number = strtol(text, NULL, hex ? 16 : 10);
	return errno == 0;
}

static int set_number(const struct config_option *o, const char *value, struct err *err)
{
	long number;

	if (!parse_number(value, &number) || number < o->min || number > o->max)
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

static int read_first_line(FILE *file, const char *path, char *value, struct err *err)
{
	if (!fgets(value, SECRET_MAX, file) && ferror(file))
		return err_set(err, errno, "read %s", path);
	/* half a secret must not be tried as if it were the whole one */
	if (strlen(value) == SECRET_MAX - 1 && value[SECRET_MAX - 2] != '\n')
		return err_set(err, 0, "read %s: first line is longer than %d characters", path,
			SECRET_MAX - 2);
	value[strcspn(value, "\r\n")] = '\0';
	return *value ? 0 : err_set(err, 0, "read %s: first line is empty", path);
}

static int read_secret(const char *path, char *value, struct err *err)
{
	cleanup_file FILE *file = fopen(path, "re");

	if (!file)
		return err_set(err, errno, "open %s", path);
	return read_first_line(file, path, value, err);
}

/* NULL also for "": compose sets a variable that nobody filled in to that. */
static const char *environment(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/* A secret's file, named by NAME_FILE. */
static int apply_secret_file(const struct config_option *o, bool *applied, struct err *err)
{
	cleanup_free char *name = xasprintf("%s_FILE", o->env);
	const char *path = environment(name);
	char value[SECRET_MAX] = "";
	int failed;

	if (!path)
		return 0;
	*applied = true;
	failed = read_secret(path, value, err) < 0 || set_value(o, value, err) < 0;
	explicit_bzero(value, sizeof(value));
	return failed ? err_wrap(err, "%s", name) : 0;
}

static int apply_environment(const struct config_option *o, bool *applied, struct err *err)
{
	const char *value;

	*applied = false;
	if (!o->env || o->kind == CONFIG_FLAG)
		return 0;
	value = environment(o->env);
	if (!value)
		return o->secret ? apply_secret_file(o, applied, err) : 0;
	*applied = true;
	return set_value(o, value, err) < 0 ? err_wrap(err, "%s", o->env) : 0;
}

static int apply_sources(const struct flat *flat, struct err *err)
{
	for (size_t i = 0; i < flat->count; i++) {
		const struct config_option *o = flat->options[i];
		bool applied = false;

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

/* What the flag does in the right column; under it, where else it is read from. */
static void print_option(const struct config_option *o, FILE *out)
{
	cleanup_free char *left =
		xasprintf("  --%s%s%s", o->flag, o->value ? " " : "", o->value ? o->value : "");

	/* a flag that is wider than its column has the line to itself */
	fprintf(out, "%-*s%s%*s%s\n", HELP_COLUMN, left, strlen(left) < HELP_COLUMN ? "" : "\n",
		strlen(left) < HELP_COLUMN ? 0 : HELP_COLUMN, "", o->help);
	if (o->env || o->fallback)
		fprintf(out, "%*s[", HELP_COLUMN, "");
	if (o->env)
		fprintf(out, "%s%s", o->env, o->secret ? " or ..._FILE" : "");
	if (o->fallback)
		fprintf(out, "%sdefault: %s", o->env ? "; " : "", o->fallback);
	if (o->env || o->fallback)
		fputs("]\n", out);
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

static enum config_outcome printf_like(2, 3)
	usage_error(const struct config_program *program, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", program->name);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\nUsage: %s %s\nTry '%s --help'.\n", program->name, program->synopsis,
		program->name);
	return CONFIG_EXIT_USAGE;
}

/* --- parsing ----------------------------------------------------------------------------------- */

/* getopt_long() also takes "--re" for --redis: what is short today is ambiguous with the next flag. */
static bool is_abbreviation(const struct flat *flat, const char *arg, int option)
{
	for (const struct option *o = flat->getopt; o->name; o++)
		if (o->val == option)
			return strlen(o->name) != strcspn(arg + 2, "=");
	return true;
}

/* What is wrong with an argument for which getopt_long() returned this option, or NULL. */
static const char *flag_problem(const struct flat *flat, const char *arg, int option)
{
	int meant = option == '?' || option == ':' ? optopt : option;

	if (strncmp(arg, "--", 2) != 0 || !meant || is_abbreviation(flat, arg, meant))
		return "is not a known flag";
	if (option == ':')
		return "needs a value";
	return option == '?' ? "takes no value" : NULL;
}

static enum config_outcome take_flag(
	const struct config_program *program, struct flat *flat, const char *arg, int option)
{
	const char *problem = flag_problem(flat, arg, option);
	int arg_len = (int)strcspn(arg, "="); /* what follows may be a secret */
	struct err err = {0};
	size_t i;

	if (problem)
		return usage_error(program, "%.*s %s", arg_len, arg, problem);
	if (option == OPT_HELP) {
		config_print_help(program, stdout);
		return CONFIG_EXIT_OK;
	}
	if (option == OPT_VERSION) {
		printf("%s %s\n", program->name, BULKHEAD_VERSION);
		return CONFIG_EXIT_OK;
	}
	i = (size_t)(option - OPT_FIRST);
	flat->given[i] = true;
	if (set_value(flat->options[i], optarg, &err) < 0)
		return usage_error(program, "%.*s: %s", arg_len, arg, err.text);
	return CONFIG_RUN;
}

static enum config_outcome parse_flags(
	const struct config_program *program, int argc, char **argv, struct flat *flat)
{
	enum config_outcome outcome = CONFIG_RUN;

	optind = 0; /* glibc: start over, whoever parsed before */
	opterr = 0;
	while (outcome == CONFIG_RUN) {
		/* "+" leaves the order alone, so the next argument is known before getopt takes it */
		const char *arg = argv[optind ? optind : 1];
		int option = getopt_long(argc, argv, "+:", flat->getopt, NULL);

		if (option == -1)
			break;
		outcome = take_flag(program, flat, arg, option);
	}
	return outcome;
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
	if (!rest && optind < argc)
		return usage_error(program, "unexpected operand \"%s\"", argv[optind]);
	if (rest)
		*rest = optind;
	if (apply_sources(&flat, &err) < 0)
		return usage_error(program, "%s", err.text);
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
