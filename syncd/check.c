/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "syncd/check.h"

#include "common/health.h"
#include "common/record.h"
#include "common/redis_sync.h"
#include "common/xalloc.h"
#include "syncd/api_version.h"
#include "syncd/docker_json.h"
#include "syncd/engine.h"

#include <stdio.h>

enum { HTTP_OK = 200, ENGINE_SECONDS = 10, REDIS_MILLISECONDS = 5000 };

/* One question, one answer, on a loop of its own. */
struct question {
	struct event_base *base;
	char *body; /* NULL: err says why */
	size_t len;
	struct err err;
};

static void on_answer(struct engine_answer *answer, void *arg)
{
	struct question *question = arg;

	if (answer->status == HTTP_OK) {
		question->body = xstrndup(answer->body, answer->len);
		question->len = answer->len;
	} else if (answer->status) {
		err_set(&question->err, 0, "HTTP status %ld", answer->status);
	} else {
		err_set(&question->err, 0, "%s", answer->cause);
	}
	event_base_loopbreak(question->base);
}

/* The body, or NULL. Caller frees. */
static char *ask(const struct options *options, const char *path, size_t *len, struct err *err)
{
	const struct timeval limit = {.tv_sec = ENGINE_SECONDS};
	struct question question = {.base = event_base_new(), .err = {.text = "no answer"}};
	struct engine *engine = engine_new(question.base, &options->engine, err);

	if (engine) {
		engine_get(engine, path, on_answer, &question);
		event_base_loopexit(question.base, &limit);
		event_base_dispatch(question.base);
		if (!question.body)
			err_set(err, 0, "%s: %s", options->docker_host, question.err.text);
		engine_free(engine);
	}
	event_base_free(question.base);
	*len = question.len;
	return question.body;
}

static int check_engine(const struct options *options, char **said, struct err *err)
{
	size_t len = 0;
	cleanup_free char *body = ask(options, "/version", &len, err);
	struct docker_version version;
	char api[API_VERSION_SIZE] = "";
	int rc;

	if (!body || docker_parse_version(body, len, &version, err) < 0)
		return -1;
	rc = options->api_version ? snprintf(api, sizeof(api), "%s", options->api_version) < 0
				  : api_version_negotiate(version.min_api, version.api, api, err);
	if (rc == 0)
		*said = xasprintf(
			"Engine %s at %s, API %s", version.version, options->docker_host, api);
	docker_version_clear(&version);
	return rc;
}

static int check_node(const struct options *options, char **said, struct err *err)
{
	size_t len = 0;
	cleanup_free char *body = ask(options, "/info", &len, err);
	struct docker_info info;
	const char *node;
	int rc;

	if (!body || docker_parse_info(body, len, &info, err) < 0)
		return -1;
	node = options->daemon.node ? options->daemon.node : info.name;
	rc = node_name_check(node, err);
	if (rc == 0)
		*said = xasprintf("node %s, Engine id %s", node, info.id);
	docker_info_clear(&info);
	return rc;
}

static int check_redis(const struct options *options, char **said, struct err *err)
{
	const struct redis_options redis = daemon_options_redis(&options->daemon, "bulkhead-syncd");
	CLEANUP(redis_sync)
	struct redis_sync *sync = redis_sync_open(&redis, REDIS_MILLISECONDS, err);
	CLEANUP(redis_reply) redis_reply *reply = NULL;

	if (!sync)
		return -1;
	reply = redis_sync_call(sync, err, "PING", NULL);
	if (!reply)
		return -1;
	*said = xstrdup("Redis answers");
	return 0;
}

static int check_labels(const struct options *options, char **said, struct err *err)
{
	cleanup_free char *prefixes = label_prefixes_text(options->prefixes);

	(void)err;
	*said = xasprintf("labels: %s; those of images %s", prefixes,
		options->image_labels ? "count too" : "do not count");
	return 0;
}

int check_run(const struct options *options)
{
	static const struct {
		const char *what;
		int (*fn)(const struct options *options, char **said, struct err *err);
	} checks[] = {
		{"labels have prefixes", check_labels},
		{"Engine answers", check_engine},
		{"node has a name", check_node},
		{"Redis answers", check_redis},
	};
	int status = EXIT_SUCCESS;

	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++) {
		cleanup_free char *said = NULL;
		struct err err = {0};

		if (checks[i].fn(options, &said, &err) == 0) {
			printf("ok   %s\n", said);
			continue;
		}
		printf("FAIL %s: %s\n", checks[i].what, err.text);
		status = EXIT_FAILURE;
	}
	return status;
}
