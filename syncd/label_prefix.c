/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "syncd/label_prefix.h"

#include "common/json.h"
#include "common/label.h"
#include "common/strbuf.h"
#include "common/xalloc.h"

#include <string.h>

struct label_prefix {
	char *prefix, *key; /* key "": the prefix is cut off */
	size_t len;         /* of prefix */
};

struct label_prefixes {
	struct label_prefix items[LABEL_PREFIXES_MAX];
	size_t count;
};

void label_prefixes_free(struct label_prefixes *prefixes)
{
	if (!prefixes)
		return;
	for (size_t i = 0; i < prefixes->count; i++) {
		free(prefixes->items[i].prefix);
		free(prefixes->items[i].key);
	}
	free(prefixes);
}

/* Without a prefix every label of every container would count. */
static int check_prefix(const char *prefix, struct err *err)
{
	size_t len = strlen(prefix);

	if (!len || len > LABEL_KEY_MAX)
		return err_set(err, 0, "a prefix must have 1 to %d characters, not %zu",
			LABEL_KEY_MAX, len);
	if (!json_text_printable(prefix))
		return err_set(err, 0, "a prefix must be printable");
	return 0;
}

/* Derived labels are trusted because nobody can bring their own. */
static int check_key(const char *key, struct err *err)
{
	if (*key && label_key_check(key, err) < 0)
		return -1;
	if (label_key_reserved(key))
		return err_set(err, 0, "the key space " LABEL_RESERVED_PREFIX " is reserved");
	return 0;
}

static int check_new(
	const struct label_prefixes *prefixes, const struct label_prefix *item, struct err *err)
{
	if (check_prefix(item->prefix, err) < 0 || check_key(item->key, err) < 0)
		return -1;
	for (size_t i = 0; i < prefixes->count; i++)
		if (!strcmp(prefixes->items[i].prefix, item->prefix))
			return err_set(err, 0, "this prefix has been named before");
	if (prefixes->count == LABEL_PREFIXES_MAX)
		return err_set(err, 0, "at most %d prefixes are possible", LABEL_PREFIXES_MAX);
	return 0;
}

static int add(struct label_prefixes *prefixes, const char *word, struct err *err)
{
	size_t len = strcspn(word, "=");
	cleanup_free char *prefix = xstrndup(word, len);
	cleanup_free char *key = xstrdup(word[len] ? word + len + 1 : "");
	const struct label_prefix item = {prefix, key, len};

	if (check_new(prefixes, &item, err) < 0)
		return err_wrap(err, "\"%.64s\"", word);
	prefixes->items[prefixes->count++] = item;
	(void)steal_ptr(prefix);
	(void)steal_ptr(key);
	return 0;
}

struct label_prefixes *label_prefixes_parse(const struct config_list *words, struct err *err)
{
	CLEANUP(label_prefixes) struct label_prefixes *prefixes = xcalloc(1, sizeof(*prefixes));

	if (!words->count) {
		err_set(err, 0, "a prefix must have 1 to %d characters", LABEL_KEY_MAX);
		return NULL;
	}
	for (size_t i = 0; i < words->count; i++)
		if (add(prefixes, words->items[i], err) < 0)
			return NULL;
	return steal_ptr(prefixes);
}

size_t label_prefixes_count(const struct label_prefixes *prefixes)
{
	return prefixes->count;
}

int label_prefixes_find(const struct label_prefixes *prefixes, const char *docker_key)
{
	int found = LABEL_PREFIX_NONE;

	for (size_t i = 0; i < prefixes->count; i++) {
		const struct label_prefix *item = &prefixes->items[i];

		if (!strncmp(docker_key, item->prefix, item->len) &&
			(found < 0 || item->len > prefixes->items[found].len))
			found = (int)i;
	}
	return found;
}

char *label_prefixes_key(const struct label_prefixes *prefixes, int place, const char *docker_key)
{
	const struct label_prefix *item = &prefixes->items[place];

	return xasprintf("%s%s", item->key, docker_key + item->len);
}

char *label_prefixes_text(const struct label_prefixes *prefixes)
{
	struct strbuf text = {0};

	for (size_t i = 0; i < prefixes->count; i++)
		strbuf_addf(&text, "%s%sX as %sX", i ? ", " : "", prefixes->items[i].prefix,
			prefixes->items[i].key);
	return strbuf_take(&text);
}
