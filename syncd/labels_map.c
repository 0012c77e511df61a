/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "syncd/labels_map.h"

#include "common/record.h"
#include "common/xalloc.h"
#include "syncd/docker_json.h"
#include "syncd/text.h"

#include <string.h>

enum { REJECTED_KEY_MAX = 256, REASON_MAX = 256 };

static bool has_prefix(const char *prefix, const char *key)
{
	return !strncmp(key, prefix, strlen(prefix));
}

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

static void map_prefixed(const struct labels_source *source, struct labels *labels,
	struct labels *rejected, size_t *more)
{
	size_t skip = strlen(source->prefix);

	for (size_t i = 0; i < labels_count(source->docker); i++) {
		const char *docker_key = labels_key(source->docker, i);
		const char *value = labels_value(source->docker, i);
		struct err err = {0};

		if (!has_prefix(source->prefix, docker_key))
			continue;
		if (judge(source, docker_key + skip, docker_key, value, &err) < 0)
			reject(rejected, more, docker_key + skip, err.text);
		else if (labels_count(labels) == LABELS_COUNTED_MAX)
			reject(rejected, more, docker_key + skip, "too many labels");
		else
			labels_set(labels, docker_key + skip, value);
	}
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

bool labels_map_any(const char *prefix, const struct labels *docker)
{
	for (size_t i = 0; i < labels_count(docker); i++)
		if (has_prefix(prefix, labels_key(docker, i)))
			return true;
	return false;
}

bool labels_map_needs_image(const char *prefix, const struct labels *docker)
{
	return labels_map_any(prefix, docker) || labels_get(docker, COMPOSE_PROJECT) ||
	       labels_get(docker, COMPOSE_SERVICE);
}
