/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "syncd/labels_map.h"

#include "common/record.h"
#include "common/xalloc.h"
#include "syncd/docker_json.h"
#include "syncd/text.h"

#include <string.h>

enum { REJECTED_KEY_MAX = 256, REASON_MAX = 256 };

static bool image_has(const struct labels_source *source, const char *key, const char *value)
{
	const char *carried;

	if (source->trust != IMAGE_CHECKED)
		return source->trust == IMAGE_UNREADABLE;
	carried = labels_get(source->image_labels, key);
	return carried && !strcmp(carried, value);
}

static void reject(struct labels *rejected, size_t *more, const char *key, const char *reason)
{
	cleanup_free char *clean_key = text_clean(key, REJECTED_KEY_MAX);
	cleanup_free char *clean_reason = text_clean(reason, REASON_MAX);

	if (labels_count(rejected) < LABELS_REJECTED_MAX)
		labels_set(rejected, clean_key, clean_reason);
	else
		++*more;
}

/* Why a prefixed label does not count, in err; 0 if it does. */
static int judge(const struct labels_source *source, const char *key, const char *docker_key,
	const char *value, struct err *err)
{
	if (label_key_check(key, err) < 0)
		return -1;
	if (label_key_reserved(key))
		return err_set(err, 0, "the key space " LABEL_RESERVED_PREFIX " is reserved");
	if (label_value_check(value, err) < 0)
		return -1;
	if (source->trust == IMAGE_UNREADABLE)
		return err_set(
			err, 0, "the image cannot be read, so this may be the image's own label");
	if (image_has(source, docker_key, value))
		return err_set(err, 0, "the image's own label, not the container's");
	return 0;
}

/* Labels under way from Docker's map to ours. */
struct mapping {
	const struct labels_source *source;
	struct labels *labels, *rejected;
	struct labels *origins; /* key in labels -> the Docker label that it comes from */
	size_t more;            /* rejected and not named */
};

static void map_one(struct mapping *m, const char *key, const char *docker_key, const char *value)
{
	if (labels_get(m->labels, key) || labels_count(m->labels) == LABELS_COUNTED_MAX ||
		judge(m->source, key, docker_key, value, NULL) < 0)
		return;
	labels_set(m->labels, key, value);
	labels_set(m->origins, key, docker_key);
}

/* By its key as far as no other label is known by that. */
static void name_rejected(
	struct mapping *m, const char *key, const char *docker_key, const char *reason)
{
	bool taken = labels_get(m->labels, key) || labels_get(m->rejected, key);

	reject(m->rejected, &m->more, taken ? docker_key : key, reason);
}

/* Says why a label that does not count does not. */
static void explain_one(
	struct mapping *m, const char *key, const char *docker_key, const char *value)
{
	const char *counted = labels_get(m->labels, key);
	const char *origin = labels_get(m->origins, key);
	struct err err = {0};

	if (origin && !strcmp(origin, docker_key))
		return;
	if (judge(m->source, key, docker_key, value, &err) == 0) {
		if (counted && !strcmp(counted, value))
			return;
		if (origin)
			err_set(&err, 0, "%.100s goes before and says \"%s\"", origin, counted);
		else
			err_set(&err, 0, "too many labels");
	}
	name_rejected(m, key, docker_key, err.text);
}

/* Each label under the prefix at that place; LABEL_PREFIX_NONE: under any. */
static void each_prefixed(struct mapping *m, int place,
	void (*fn)(struct mapping *m, const char *key, const char *docker_key, const char *value))
{
	const struct label_prefixes *prefixes = m->source->prefixes;

	for (size_t i = 0; i < labels_count(m->source->docker); i++) {
		const char *docker_key = labels_key(m->source->docker, i);
		int found = label_prefixes_find(prefixes, docker_key);
		cleanup_free char *key = NULL;

		if (found < 0 || (place >= 0 && found != place))
			continue;
		key = label_prefixes_key(prefixes, found, docker_key);
		fn(m, key, docker_key, labels_value(m->source->docker, i));
	}
}

static void map_prefixed(const struct labels_source *source, struct labels *labels,
	struct labels *rejected, size_t *more)
{
	CLEANUP(labels) struct labels *origins = labels_new();
	struct mapping m = {source, labels, rejected, origins, 0};

	for (int place = 0; place < (int)label_prefixes_count(source->prefixes); place++)
		each_prefixed(&m, place, map_one);
	/* afterwards, because a label of a later prefix may have taken the key of one that does not count */
	each_prefixed(&m, LABEL_PREFIX_NONE, explain_one);
	*more = m.more;
}

static void derive(struct labels *labels, struct labels *rejected, size_t *more, const char *key,
	const char *value)
{
	struct err err = {0};

	if (!value || !*value)
		return;
	if (label_derived_value_check(value, &err) < 0)
		reject(rejected, more, key, err.text);
	else
		labels_set(labels, key, value);
}

/*
 * Compose writes its labels into images that it builds as well, so the value alone does not tell. A hash of the service's
 * configuration that the image does not carry is what only Compose itself gives a container.
 */
static bool made_by_compose(const struct labels_source *source)
{
	const char *hash = labels_get(source->docker, COMPOSE_CONFIG_HASH);

	return hash && !image_has(source, COMPOSE_CONFIG_HASH, hash);
}

static void derive_compose(const struct labels_source *source, struct labels *labels,
	struct labels *rejected, size_t *more)
{
	static const struct {
		const char *docker_key, *key;
	} derived[] = {
		{COMPOSE_PROJECT, LABEL_RESERVED_PREFIX "compose.project"},
		{COMPOSE_SERVICE, LABEL_RESERVED_PREFIX "compose.service"},
	};

	for (size_t i = 0; i < sizeof(derived) / sizeof(*derived); i++) {
		const char *value = labels_get(source->docker, derived[i].docker_key);

		if (value && (made_by_compose(source) ||
				     !image_has(source, derived[i].docker_key, value)))
			derive(labels, rejected, more, derived[i].key, value);
	}
}

void labels_map(const struct labels_source *source, struct labels *labels, struct labels *rejected)
{
	size_t more = 0;

	map_prefixed(source, labels, rejected, &more);
	derive(labels, rejected, &more, LABEL_RESERVED_PREFIX "container", source->container);
	derive(labels, rejected, &more, LABEL_RESERVED_PREFIX "image", source->image);
	derive(labels, rejected, &more, LABEL_RESERVED_PREFIX "network", source->network);
	derive_compose(source, labels, rejected, &more);
	if (more) {
		cleanup_free char *reason = xasprintf("and %zu more", more);

		labels_set(rejected, "...", reason);
	}
}

bool labels_map_any(const struct label_prefixes *prefixes, const struct labels *docker)
{
	for (size_t i = 0; i < labels_count(docker); i++)
		if (label_prefixes_find(prefixes, labels_key(docker, i)) != LABEL_PREFIX_NONE)
			return true;
	return false;
}

bool labels_map_needs_image(const struct label_prefixes *prefixes, const struct labels *docker)
{
	return labels_map_any(prefixes, docker) || labels_get(docker, COMPOSE_PROJECT) ||
	       labels_get(docker, COMPOSE_SERVICE);
}
