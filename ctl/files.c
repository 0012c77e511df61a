/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/files.h"

#include "common/xalloc.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

struct reading {
	struct input *input;
	bool recursive;
	enum policy_need need;
	struct diag *diag;
	size_t files; /* found in directories, of all paths */
};

static void read_path(struct reading *r, const char *path, unsigned depth);

static bool is_named_as_policies(const char *name)
{
	static const char *const suffixes[] = {".yaml", ".yml", ".json"};
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot && i < sizeof(suffixes) / sizeof(*suffixes); i++)
		if (!strcmp(dot, suffixes[i]))
			return true;
	return false;
}

/* Hidden are version control, editors' locks, and what Kubernetes mounts beside its links. */
static int is_shown(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void fail(struct reading *r, const char *path, const char *why)
{
	diag_add(r->diag, path, 0, 0, "%s", why);
}

/* A pipe that nobody writes to would hold up the command: only -f itself may name one. */
static void read_found(struct reading *r, const char *path, const struct stat *st)
{
	if (r->files++ == FILES_MAX)
		fail(r, path, "more files than can be read at once");
	if (r->files > FILES_MAX)
		return;
	if (S_ISREG(st->st_mode))
		input_add_file(r->input, path, r->need, r->diag);
	else
		fail(r, path, "not a regular file");
}

static void read_entry(struct reading *r, const char *directory, const char *name, unsigned depth)
{
	size_t len = strlen(directory);
	bool slash = len && directory[len - 1] == '/';
	cleanup_free char *path = xasprintf("%s%s%s", directory, slash ? "" : "/", name);
	struct stat st, link;

	if (lstat(path, &link)) {
		fail(r, path, strerror(errno));
		return;
	}
	if (S_ISDIR(link.st_mode)) {
		if (r->recursive)
			read_path(r, path, depth + 1);
		return;
	}
	if (!is_named_as_policies(name))
		return;
	if (stat(path, &st))
		fail(r, path, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		read_found(r, path, &st);
}

static void read_directory(struct reading *r, const char *path, unsigned depth)
{
	struct dirent **entries = NULL;
	int count;

	if (depth > FILES_DEPTH_MAX) {
		fail(r, path, "more directories within directories than are read");
		return;
	}
	count = scandir(path, &entries, is_shown, by_name);
	if (count < 0)
		fail(r, path, strerror(errno));
	for (int i = 0; i < count; i++) {
		read_entry(r, path, entries[i]->d_name, depth);
		free(entries[i]);
	}
	free(entries);
}

static void read_path(struct reading *r, const char *path, unsigned depth)
{
	size_t files = r->files, errors = r->diag->count;
	struct stat st;

	if (!strcmp(path, "-") || stat(path, &st) || !S_ISDIR(st.st_mode)) {
		input_add_file(r->input, path, r->need, r->diag);
		return;
	}
	read_directory(r, path, depth);
	if (!depth && r->files == files && r->diag->count == errors)
		fail(r, path,
			r->recursive ? "no *.yaml, *.yml or *.json below it"
				     : "no *.yaml, *.yml or *.json in it; -R looks further down");
}

void files_read(struct input *input, const struct config_list *paths, bool recursive,
	enum policy_need need, struct diag *diag)
{
	struct reading r = {input, recursive, need, diag, 0};

	for (size_t i = 0; i < paths->count; i++)
		read_path(&r, paths->items[i], 0);
}
