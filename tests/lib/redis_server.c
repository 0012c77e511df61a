/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/lib/redis_server.h"

#include "common/strbuf.h"
#include "common/xalloc.h"
#include "tests/lib/wait.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

enum { START_MS = 15000, CALL_MS = 10000, WORDS_MAX = 16 };

struct redis_server {
	pid_t pid;
	unsigned port, tls_port;
	char dir[64];
	char *url, *unix_url, *ca, *config, *password;
};

/* --- files ------------------------------------------------------------------------------------- */

static char *path_in(const struct redis_server *server, const char *name)
{
	return xasprintf("%s/%s", server->dir, name);
}

static void write_file(const char *path, const char *text)
{
	cleanup_file FILE *file = fopen(path, "we");

	ck_assert_msg(file && fputs(text, file) >= 0, "write %s: %s", path, strerror(errno));
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *walk)
{
	(void)st;
	(void)flag;
	(void)walk;
	return remove(path);
}

static void remove_tree(const char *path)
{
	nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Free when asked; nobody else on the machine is likely to take it before the server does. */
unsigned redis_server_free_port(void)
{
	cleanup_close int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(in);

	ck_assert(fd >= 0 && !bind(fd, (struct sockaddr *)&in, len) &&
		  !getsockname(fd, (struct sockaddr *)&in, &len));
	return ntohs(in.sin_port);
}

/* --- certificates ------------------------------------------------------------------------------ */

static void make_certificates(const struct redis_server *server, const char *name)
{
	static const char script[] =
		"exec >openssl.log 2>&1; set -e; "
		"new='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'; "
		"openssl req -x509 $new -keyout ca.key -out ca.crt -subj /CN=test-ca -days 2; "
		"openssl req $new -keyout server.key -out server.csr -subj /CN=server; "
		"openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial "
		"-days 2 -extfile server.ext -out server.crt";
	cleanup_free char *ext = path_in(server, "server.ext");
	cleanup_free char *text = xasprintf("subjectAltName=%s\n", name);
	pid_t pid;
	int status = -1;

	write_file(ext, text);
	pid = fork();
	if (!pid) {
		if (!chdir(server->dir))
			execl("/bin/sh", "sh", "-c", script, (char *)NULL);
		_exit(127);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(!status, "openssl failed, see %s/openssl.log", server->dir);
}

/* --- process ----------------------------------------------------------------------------------- */

static void write_config(struct redis_server *server, const struct redis_server_options *options)
{
	cleanup_strbuf struct strbuf text = {0};

	strbuf_addf(&text,
		"port %u\nbind 127.0.0.1\nunixsocket %s/socket\ndir %s\nlogfile %s/log\n"
		"save \"\"\nappendonly yes\nappendfsync always\ndaemonize no\n",
		server->port, server->dir, server->dir, server->dir);
	if (options && options->password)
		strbuf_addf(&text, "requirepass %s\n", options->password);
	if (options && options->acl)
		strbuf_addf(&text, "%s\n", options->acl);
	if (options && options->tls_name)
		strbuf_addf(&text,
			"tls-port %u\ntls-ca-cert-file %s/ca.crt\ntls-cert-file %s/server.crt\n"
			"tls-key-file %s/server.key\ntls-auth-clients no\n",
			server->tls_port, server->dir, server->dir, server->dir);
	write_file(server->config, text.text);
}

static void spawn(struct redis_server *server)
{
	pid_t parent = getpid();

	server->pid = fork();
	ck_assert_int_ge(server->pid, 0);
	if (server->pid)
		return;
	/* a failed assertion ends the test process at once; the server must not outlive it */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	(void)!freopen("/dev/null", "w", stdout);
	execlp("redis-server", "redis-server", server->config, (char *)NULL);
	_exit(127);
}

static bool answers(const struct redis_server *server)
{
	const struct redis_options options = {.url = server->unix_url};
	CLEANUP(redis_sync) struct redis_sync *sync = NULL;
	CLEANUP(redis_reply) redis_reply *reply = NULL;

	sync = redis_sync_open(&options, 1000, NULL);
	/* a server that loads its data says so instead */
	reply = sync ? redis_sync_call(sync, NULL, "PING", NULL) : NULL;
	return reply != NULL;
}

static void await(const struct redis_server *server)
{
	const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
	long long end = monotonic_now_ms() + START_MS;

	while (!answers(server)) {
		ck_assert_msg(waitpid(server->pid, NULL, WNOHANG) == 0,
			"redis-server ended, see %s/log", server->dir);
		ck_assert_msg(monotonic_now_ms() < end, "redis-server does not answer");
		nanosleep(&pause, NULL);
	}
}

static char *make_unix_url(const struct redis_server *server)
{
	return server->password ? xasprintf("unix://:%s@%s/socket", server->password, server->dir)
				: xasprintf("unix://%s/socket", server->dir);
}

struct redis_server *redis_server_start(const struct redis_server_options *options)
{
	struct redis_server *server = xcalloc(1, sizeof(*server));

	snprintf(server->dir, sizeof(server->dir), "/tmp/bulkhead-redis-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(server->dir));
	server->port = redis_server_free_port();
	server->config = path_in(server, "redis.conf");
	server->ca = path_in(server, "ca.crt");
	server->password = options && options->password ? xstrdup(options->password) : NULL;
	server->url = xasprintf("redis://127.0.0.1:%u", server->port);
	server->unix_url = make_unix_url(server);
	if (options && options->tls_name) {
		server->tls_port = redis_server_free_port();
		make_certificates(server, options->tls_name);
	}
	write_config(server, options);
	spawn(server);
	await(server);
	return server;
}

void redis_server_kill(struct redis_server *server)
{
	if (server->pid <= 0)
		return;
	kill(server->pid, SIGKILL);
	waitpid(server->pid, NULL, 0);
	server->pid = 0;
}

void redis_server_restart(struct redis_server *server, bool keep_data)
{
	cleanup_free char *data = path_in(server, "appendonlydir");

	ck_assert_int_eq(server->pid, 0);
	if (!keep_data)
		remove_tree(data);
	spawn(server);
	await(server);
}

void redis_server_pause(struct redis_server *server)
{
	ck_assert_int_eq(kill(server->pid, SIGSTOP), 0);
}

void redis_server_resume(struct redis_server *server)
{
	ck_assert_int_eq(kill(server->pid, SIGCONT), 0);
}

void redis_server_stop(struct redis_server *server)
{
	if (!server)
		return;
	redis_server_kill(server);
	remove_tree(server->dir);
	free(server->url);
	free(server->unix_url);
	free(server->ca);
	free(server->config);
	free(server->password);
	free(server);
}

const char *redis_server_url(const struct redis_server *server)
{
	return server->url;
}

const char *redis_server_unix_url(const struct redis_server *server)
{
	return server->unix_url;
}

unsigned redis_server_port(const struct redis_server *server)
{
	return server->port;
}

unsigned redis_server_tls_port(const struct redis_server *server)
{
	return server->tls_port;
}

const char *redis_server_ca(const struct redis_server *server)
{
	return server->ca;
}

const char *redis_server_dir(const struct redis_server *server)
{
	return server->dir;
}

/* --- commands ---------------------------------------------------------------------------------- */

struct redis_sync *redis_server_connect(const struct redis_server *server)
{
	const struct redis_options options = {.url = server->unix_url, .client_name = "test"};
	struct err err = {0};
	struct redis_sync *sync = redis_sync_open(&options, CALL_MS, &err);

	ck_assert_msg(sync != NULL, "%s", err.text);
	return sync;
}

static redis_reply *run(struct redis_sync *sync, va_list ap)
{
	const char *words[WORDS_MAX];
	struct err err = {0};
	redis_reply *reply;
	size_t count = 0;

	while (count < WORDS_MAX && (words[count] = va_arg(ap, const char *)))
		count++;
	ck_assert_uint_lt(count, WORDS_MAX);
	reply = redis_sync_command(sync, count, words, &err);
	ck_assert_msg(reply != NULL, "%s", err.text);
	return reply;
}

redis_reply *redis_server_do(struct redis_sync *sync, ...)
{
	redis_reply *reply;
	va_list ap;

	va_start(ap, sync);
	reply = run(sync, ap);
	va_end(ap);
	return reply;
}

void redis_server_run(struct redis_sync *sync, ...)
{
	va_list ap;

	va_start(ap, sync);
	redis_sync_reply_free(run(sync, ap));
	va_end(ap);
}

static char *text_of(redis_reply *reply)
{
	const char *text = redis_reply_text(reply, NULL);
	char *copy = text ? xstrdup(text) : NULL;

	redis_sync_reply_free(reply);
	return copy;
}

char *redis_server_get(struct redis_sync *sync, const char *key)
{
	return text_of(redis_server_do(sync, "GET", key, NULL));
}

char *redis_server_hget(struct redis_sync *sync, const char *key, const char *field)
{
	return text_of(redis_server_do(sync, "HGET", key, field, NULL));
}
