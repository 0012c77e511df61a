/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Replays files through a fuzz target without libFuzzer, so that gcc's sanitizers see them too. Arguments are
 * files and folders of files. Nothing to replay is a failure: a corpus that went missing must not look clean.
 */
#include "common/err.h"
#include "common/strbuf.h"
#include "common/xalloc.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

enum { SECONDS_PER_INPUT = 10 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Where the program is linked with a sanitizer: calls back before a report ends the process. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static char current[4096]; /* the input being replayed, for whoever reports its failure */

static void name_input(void)
{
	static const char before[] = "\nthe input was ";

	(void)!write(STDERR_FILENO, before, sizeof(before) - 1);
	(void)!write(STDERR_FILENO, current, strlen(current));
	(void)!write(STDERR_FILENO, "\n", 1);
}

static void on_signal(int signal)
{
	name_input();
	_exit(128 + signal);
}

/* SIGABRT is a target's own check that failed, SIGALRM an input that takes too long. */
static void name_failures(void)
{
	const struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGABRT, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(name_input);
}

static int read_file(const char *path, struct strbuf *data, struct err *err)
{
	cleanup_file FILE *file = fopen(path, "re");
	char chunk[4096];
	size_t n;

	if (!file)
		return err_set(err, errno, "open %s", path);
	while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0)
		strbuf_addn(data, chunk, n);
	return ferror(file) ? err_set(err, errno, "read %s", path) : 0;
}

/* The target gets a block of just the input's size, so that reading one byte too far is seen. */
static int replay_file(const char *path, struct err *err)
{
	cleanup_strbuf struct strbuf data = {0};
	cleanup_free uint8_t *exact = NULL;

	if (read_file(path, &data, err))
		return -1;
	exact = malloc(data.len ? data.len : 1);
	if (!exact)
		return err_set(err, errno, "replay %s", path);
	if (data.len)
		memcpy(exact, data.text, data.len);
	snprintf(current, sizeof(current), "%s", path);
	alarm(SECONDS_PER_INPUT);
	LLVMFuzzerTestOneInput(exact, data.len);
	alarm(0);
	return 0;
}

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* Returns how many were replayed, or -1. In the order of their names, so that two runs do the same. */
static int replay_folder(const char *path, struct err *err)
{
	struct dirent **entries = NULL;
	int count = scandir(path, &entries, not_hidden, alphasort), failed = 0;

	if (count < 0)
		return err_set(err, errno, "list %s", path);
	for (int i = 0; i < count; i++) {
		cleanup_free char *file = xasprintf("%s/%s", path, entries[i]->d_name);

		if (!failed)
			failed = replay_file(file, err);
		free(entries[i]);
	}
	free(entries);
	return failed ? -1 : count;
}

static int replay_path(const char *path, struct err *err)
{
	struct stat info;

	if (stat(path, &info))
		return err_set(err, errno, "open %s", path);
	if (S_ISDIR(info.st_mode))
		return replay_folder(path, err);
	return replay_file(path, err) ? -1 : 1;
}

int main(int argc, char **argv)
{
	struct err err = {0};
	int total = 0;

	name_failures();
	for (int i = 1; i < argc; i++) {
		int count = replay_path(argv[i], &err);

		if (count < 0) {
			fprintf(stderr, "%s: %s\n", argv[0], err.text);
			return 1;
		}
		total += count;
	}
	if (!total) {
		fprintf(stderr, "%s: no inputs to replay\n", argv[0]);
		return 1;
	}
	printf("%-40s %d inputs replayed\n",
		strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0], total);
	return 0;
}
