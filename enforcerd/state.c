/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/state.h"

#include "common/xalloc.h"
#include "enforcerd/state_text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define STATE_FILE_NEW STATE_FILE ".new"
#define BOOT_FILE      "/proc/sys/kernel/random/boot_id"

int state_boot(char boot[STATE_BOOT_SIZE], struct err *err)
{
	cleanup_close int fd = open(BOOT_FILE, O_RDONLY | O_CLOEXEC);
	char text[STATE_BOOT_SIZE] = "";

	if (fd < 0 || read(fd, text, sizeof(text) - 1) != STATE_BOOT_SIZE - 1)
		return err_set(err, fd < 0 ? errno : EIO, "read %s", BOOT_FILE);
	memcpy(boot, text, sizeof(text));
	return 0;
}

/* --- writing ----------------------------------------------------------------------------------- */

static int open_dir(const char *dir, struct err *err)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 ? fd : err_set(err, errno, "open state directory %s", dir);
}

static int make_dir(const char *dir, struct err *err)
{
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return err_set(err, errno, "make state directory %s", dir);
	return open_dir(dir, err);
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t wrote = write(fd, text, len);

		if (wrote < 0 && errno != EINTR)
			return -1;
		if (wrote > 0) {
			text += wrote;
			len -= (size_t)wrote;
		}
	}
	return 0;
}

/* close() is looked at too: some file systems say only there that there is no room. */
static int write_new(int dir, const char *text, size_t len, bool wait)
{
	cleanup_close int fd = -1;

	/* what a writer that was killed has left */
	if (unlinkat(dir, STATE_FILE_NEW, 0) < 0 && errno != ENOENT)
		return -1;
	fd = openat(dir, STATE_FILE_NEW, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || fchmod(fd, 0600) < 0 || write_all(fd, text, len) < 0 ||
		(wait && fsync(fd) < 0))
		return -1;
	return close(steal_fd(&fd));
}

static int save(const char *dir, const char *name, bool wait, const struct state_content *content,
	struct err *err)
{
	size_t len = 0;
	cleanup_free char *text = state_encode(content, &len, err);
	cleanup_close int fd = text ? make_dir(dir, err) : -1;
	int cause;

	if (fd < 0)
		return -1;
	/* what is recent until now goes after the new one is there, and before a later one comes */
	if (write_new(fd, text, len, wait) == 0 && renameat(fd, STATE_FILE_NEW, fd, name) == 0 &&
		(!wait || ((unlinkat(fd, STATE_FILE_RECENT, 0) == 0 || errno == ENOENT) &&
				  fsync(fd) == 0)))
		return 0;
	cause = errno;
	(void)unlinkat(fd, STATE_FILE_NEW, 0);
	return err_set(err, cause, "write %s/%s", dir, name);
}

int state_save(const char *dir, const struct state_content *content, struct err *err)
{
	return save(dir, STATE_FILE, true, content, err);
}

int state_save_recent(const char *dir, const struct state_content *content, struct err *err)
{
	return save(dir, STATE_FILE_RECENT, false, content, err);
}

/* --- reading ----------------------------------------------------------------------------------- */

/* Whoever may write it could have us open what is closed. */
static int check_owner(int fd, const char *what, struct err *err)
{
	struct stat info;

	if (fstat(fd, &info) < 0)
		return err_set(err, errno, "look at %s", what);
	if (info.st_uid != geteuid() && info.st_uid != 0)
		return err_set(err, 0, "%s belongs to user %u", what, (unsigned)info.st_uid);
	if (info.st_mode & (S_IWGRP | S_IWOTH))
		return err_set(err, 0, "%s may be written by others (mode %04o)", what,
			(unsigned)info.st_mode & 07777);
	return 0;
}

/* Reads len bytes or, where the file has shrunk meanwhile, fewer. */
static ssize_t read_all(int fd, char *text, size_t len)
{
	size_t got = 0;

	while (got < len) {
		ssize_t part = read(fd, text + got, len - got);

		if (part < 0 && errno != EINTR)
			return -1;
		if (part == 0)
			break;
		if (part > 0)
			got += (size_t)part;
	}
	return (ssize_t)got;
}

static int load_file(int fd, struct state_content *content, struct err *err)
{
	cleanup_free char *text = NULL;
	struct stat info;
	ssize_t got;

	if (check_owner(fd, "the file", err) < 0)
		return -1;
	if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode))
		return err_set(err, 0, "not a regular file");
	if (info.st_size > STATE_BYTES_MAX)
		return err_set(err, 0, "%lld bytes, more than %d", (long long)info.st_size,
			STATE_BYTES_MAX);
	text = xcalloc((size_t)info.st_size + 1, 1);
	got = read_all(fd, text, (size_t)info.st_size);
	if (got < 0)
		return err_set(err, errno, "read");
	return state_decode(text, (size_t)got, content, err);
}

static int load(const char *dir, const char *name, struct state_content *content, struct err *err)
{
	cleanup_close int at = -1;
	cleanup_close int fd = -1;

	*content = (struct state_content){0};
	at = open_dir(dir, err);
	if (at < 0)
		return -1;
	fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, errno, "open %s/%s", dir, name);
	if (check_owner(at, "its directory", err) < 0 || load_file(fd, content, err) < 0)
		return err_wrap(err, "state file %s/%s is not used", dir, name);
	return 0;
}

int state_load(const char *dir, struct state_content *content, struct err *err)
{
	return load(dir, STATE_FILE, content, err);
}

int state_load_recent(const char *dir, struct state_content *content, struct err *err)
{
	return load(dir, STATE_FILE_RECENT, content, err);
}
