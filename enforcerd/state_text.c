/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/state_text.h"

#include "common/xalloc.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#define MAGIC "bulkhead-state"

enum { HEADER_MAX = 128, DIGEST_HEX = 65 };

void state_clear(struct state_content *content)
{
	for (size_t i = 0; i < content->policy_count; i++)
		store_change_clear(&content->policies[i]);
	for (size_t i = 0; i < content->network_count; i++)
		store_change_clear(&content->networks[i]);
	free(content->policies);
	free(content->networks);
	free(content->node);
	*content = (struct state_content){0};
}

/* --- text in JSON ------------------------------------------------------------------------------ */

/* What stands in the store need not be UTF-8, which JSON has to be: then it is written in hexadecimal, under another name. */
static void put_text(json_t *object, const char *key, const char *text)
{
	cleanup_free char *hex_key = xasprintf("%s_hex", key);
	cleanup_free char *hex = NULL;
	json_t *plain = json_string(text);

	if (plain) {
		json_object_set_new(object, key, plain);
		return;
	}
	hex = xcalloc(2 * strlen(text) + 1, 1);
	for (size_t i = 0; text[i]; i++)
		snprintf(hex + 2 * i, 3, "%02x", (unsigned char)text[i]);
	json_object_set_new(object, hex_key, json_string(hex));
}

static int nibble(char c)
{
	const char *digits = "0123456789abcdef";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static char *from_hex(const char *hex)
{
	size_t len = strlen(hex) / 2;
	cleanup_free char *text = xcalloc(len + 1, 1);

	if (strlen(hex) % 2)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		int high = nibble(hex[2 * i]), low = nibble(hex[2 * i + 1]);

		if (high < 0 || low < 0 || !(high | low))
			return NULL;
		text[i] = (char)(high << 4 | low);
	}
	return steal_ptr(text);
}

/* A string without NUL, or NULL; caller frees. */
static char *get_text(const json_t *object, const char *key)
{
	cleanup_free char *hex_key = xasprintf("%s_hex", key);
	const json_t *plain = json_object_get(object, key);
	const json_t *hex = json_object_get(object, hex_key);
	const json_t *value = plain ? plain : hex;

	if (!json_is_string(value) || (plain && hex) ||
		strlen(json_string_value(value)) != json_string_length(value))
		return NULL;
	return plain ? xstrdup(json_string_value(value)) : from_hex(json_string_value(value));
}

static int get_word(const json_t *object, const char *key, char *word, size_t size, struct err *err)
{
	cleanup_free char *text = get_text(object, key);

	if (!text || strlen(text) >= size)
		return err_set(err, 0, "%s: not a word of fewer than %zu bytes", key, size);
	memcpy(word, text, strlen(text) + 1);
	return 0;
}

/* --- lists of records -------------------------------------------------------------------------- */

static bool kind_belongs(enum store_kind kind, bool networks)
{
	return networks ? kind == KIND_NETWORK : store_stream_has(STORE_POLICIES_STREAM, kind);
}

static json_t *put_records(
	const struct store_change *records, size_t count, bool networks, struct err *err)
{
	cleanup_json json_t *list = json_array();

	if (count > STATE_RECORDS_MAX) {
		err_set(err, 0, "%zu records: more than %d", count, STATE_RECORDS_MAX);
		return NULL;
	}
	for (size_t i = 0; i < count; i++) {
		json_t *item = json_object();

		json_array_append_new(list, item);
		if (!kind_belongs(records[i].kind, networks) || !records[i].record) {
			err_set(err, EINVAL, "%s %s", store_kind_name(records[i].kind),
				records[i].id);
			return NULL;
		}
		json_object_set_new(item, "kind", json_string(store_kind_name(records[i].kind)));
		put_text(item, "id", records[i].id);
		put_text(item, "record", records[i].record);
	}
	return steal_ptr(list);
}

static int get_record(
	const json_t *item, bool networks, struct store_change *record, struct err *err)
{
	const char *kind = json_string_value(json_object_get(item, "kind"));

	if (!kind || !store_kind_parse(kind, &record->kind) ||
		!kind_belongs(record->kind, networks))
		return err_set(err, 0, "kind: not one that is kept");
	record->id = get_text(item, "id");
	record->record = get_text(item, "record");
	if (!record->id || !record->record)
		return err_set(err, 0, "%s: no id or no record", kind);
	return 0;
}

/* What was read so far is in *records and *count also after a failure. */
static int get_records(const json_t *root, const char *key, bool networks,
	struct store_change **records, size_t *count, struct err *err)
{
	const json_t *list = json_object_get(root, key);
	const json_t *item;
	size_t i;

	if (!json_is_array(list) || json_array_size(list) > STATE_RECORDS_MAX)
		return err_set(err, 0, "%s: not a list of at most %d", key, STATE_RECORDS_MAX);
	*records = xcalloc(json_array_size(list) + 1, sizeof(**records));
	json_array_foreach (list, i, item) {
		*count = i + 1;
		if (get_record(item, networks, &(*records)[i], err) < 0)
			return err_wrap(err, "%s[%zu]", key, i);
	}
	return 0;
}

/* --- the object -------------------------------------------------------------------------------- */

static json_t *put_content(const struct state_content *content, struct err *err)
{
	cleanup_json json_t *root = json_object();
	json_t *policies, *networks;
	char head[STORE_HEAD_MAX];

	if (!content->node) {
		err_set(err, EINVAL, "no node");
		return NULL;
	}
	put_text(root, "boot", content->boot);
	put_text(root, "mode", content->mode);
	put_text(root, "node", content->node);
	json_object_set_new(root, "head",
		content->has_head ? json_string(store_head_format(&content->head, head))
				  : json_null());
	policies = put_records(content->policies, content->policy_count, false, err);
	networks =
		policies ? put_records(content->networks, content->network_count, true, err) : NULL;
	json_object_set_new(root, "policies", policies);
	json_object_set_new(root, "networks", networks);
	return networks ? steal_ptr(root) : NULL;
}

static int get_head(const json_t *root, struct state_content *content, struct err *err)
{
	const json_t *head = json_object_get(root, "head");

	content->has_head = json_is_string(head);
	if (json_is_null(head))
		return 0;
	if (!content->has_head)
		return err_set(err, 0, "head: neither a head nor null");
	return store_head_parse(
		json_string_value(head), json_string_length(head), &content->head, err);
}

static int get_content(const json_t *root, struct state_content *content, struct err *err)
{
	content->node = get_text(root, "node");
	if (!content->node)
		return err_set(err, 0, "node: not a name");
	if (get_word(root, "boot", content->boot, sizeof(content->boot), err) < 0 ||
		get_word(root, "mode", content->mode, sizeof(content->mode), err) < 0 ||
		get_head(root, content, err) < 0)
		return -1;
	if (get_records(root, "policies", false, &content->policies, &content->policy_count, err) <
		0)
		return -1;
	return get_records(
		root, "networks", true, &content->networks, &content->network_count, err);
}

/* --- the bytes --------------------------------------------------------------------------------- */

static int digest_of(const char *text, size_t len, char hex[DIGEST_HEX], struct err *err)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned size = 0;

	if (EVP_Digest(text, len, digest, &size, EVP_sha256(), NULL) != 1 ||
		2 * size + 1 != DIGEST_HEX)
		return err_set(err, 0, "compute SHA-256");
	for (unsigned i = 0; i < size; i++)
		snprintf(hex + (size_t)2 * i, 3, "%02x", digest[i]);
	return 0;
}

char *state_encode(const struct state_content *content, size_t *len, struct err *err)
{
	cleanup_json json_t *root = put_content(content, err);
	cleanup_free char *body = root ? json_dumps(root, JSON_COMPACT) : NULL;
	char digest[DIGEST_HEX];
	char *text;

	if (!root || !body || digest_of(body, strlen(body), digest, err) < 0) {
		err_wrap(err, "write down state");
		return NULL;
	}
	text = xasprintf(MAGIC " %d %s %zu\n%s", STATE_VERSION, digest, strlen(body), body);
	*len = strlen(text);
	if (*len <= STATE_BYTES_MAX)
		return text;
	err_set(err, 0, "write down state: %zu bytes, more than %d", *len, STATE_BYTES_MAX);
	free(text);
	return NULL;
}

struct header {
	int version;
	char digest[DIGEST_HEX];
	size_t bytes;
	int len; /* of the header itself */
};

static int read_header(const char *text, size_t len, struct header *header, struct err *err)
{
	char line[HEADER_MAX];
	const char *end = memchr(text, '\n', len < HEADER_MAX ? len : HEADER_MAX - 1);
	cleanup_free char *again = NULL;

	*header = (struct header){0};
	if (!end)
		return err_set(err, 0, "not a state file");
	snprintf(line, sizeof(line), "%.*s", (int)(end - text), text);
	if (sscanf(line, MAGIC " %d", &header->version) != 1)
		return err_set(err, 0, "not a state file");
	if (header->version != STATE_VERSION)
		return err_set(err, 0, "of version %d, and this program reads version %d",
			header->version, STATE_VERSION);
	if (sscanf(line, MAGIC " %*d %64[0-9a-f] %zu", header->digest, &header->bytes) != 2)
		return err_set(err, 0, "damaged: its first line");
	/* one spelling only */
	again = xasprintf(MAGIC " %d %s %zu", header->version, header->digest, header->bytes);
	header->len = (int)(end - text) + 1;
	return strlen(again) == (size_t)(end - text) && !memcmp(again, text, strlen(again))
		       ? 0
		       : err_set(err, 0, "damaged: its first line");
}

static int decode(const char *text, size_t len, struct state_content *content, struct err *err)
{
	cleanup_json json_t *root = NULL;
	struct header header;
	char digest[DIGEST_HEX];
	const char *body;

	if (len > STATE_BYTES_MAX)
		return err_set(err, 0, "%zu bytes, more than %d", len, STATE_BYTES_MAX);
	if (read_header(text, len, &header, err) < 0)
		return -1;
	body = text + header.len;
	len -= (size_t)header.len;
	if (len != header.bytes)
		return err_set(err, 0, "damaged: %zu bytes instead of %zu", len, header.bytes);
	if (digest_of(body, len, digest, err) < 0)
		return -1;
	if (strcmp(digest, header.digest) != 0)
		return err_set(err, 0, "damaged: its checksum is wrong");
	root = json_loadb(body, len, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(root))
		return err_set(err, 0, "not a JSON object");
	return get_content(root, content, err);
}

int state_decode(const char *text, size_t len, struct state_content *content, struct err *err)
{
	*content = (struct state_content){0};
	if (decode(text, len, content, err) == 0)
		return 0;
	state_clear(content);
	return -1;
}
