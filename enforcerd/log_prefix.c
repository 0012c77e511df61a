/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "enforcerd/log_prefix.h"

#include <openssl/evp.h>
#include <string.h>

#define MARK "bulkhead"

/*
 * "bulkhead ingress staged " takes 24 of the 127 characters and "[1023]" 6. "~" may not stand in a policy's name, so that a
 * short form is no other policy's name.
 */
enum {
	TEXT_MAX = 96,
	HASH_LEN = 12,
	KEPT_LEN = TEXT_MAX - 1 - HASH_LEN,
	WORDS_MAX = 4,
	RULE_SIZE = 16
};
#define CUT '~'

enum need { NEVER, MAYBE, ALWAYS };

static const struct {
	const char *word;
	enum need direction, policy, rule;
	bool denies;
} reasons[LOG_WHAT_COUNT] = {
	[LOG_DENY] = {"deny", ALWAYS, ALWAYS, ALWAYS, true},
	[LOG_END] = {"end", ALWAYS, MAYBE, NEVER, true},
	[LOG_PASS] = {"pass", ALWAYS, ALWAYS, ALWAYS, true},
	[LOG_RULE] = {"log", ALWAYS, ALWAYS, ALWAYS, false},
	[LOG_STAGED] = {"staged", ALWAYS, MAYBE, MAYBE, false},
	[LOG_INVALID] = {"invalid", MAYBE, NEVER, NEVER, true},
	[LOG_UNTRACKED] = {"untracked", MAYBE, NEVER, NEVER, true},
	[LOG_MIDSTREAM] = {"midstream", MAYBE, NEVER, NEVER, true},
	[LOG_STRICT] = {"strict", MAYBE, NEVER, NEVER, true},
	[LOG_SPOOFED] = {"spoofed", MAYBE, NEVER, NEVER, true},
	[LOG_PORT] = {"port", MAYBE, NEVER, NEVER, true},
	[LOG_HOST] = {"host", MAYBE, NEVER, NEVER, true},
	[LOG_PUBLISHED] = {"published", MAYBE, NEVER, NEVER, true},
	[LOG_CONTESTED] = {"contested", MAYBE, NEVER, NEVER, true},
	[LOG_CONDEMNED] = {"condemned", MAYBE, NEVER, NEVER, true},
};

const char *log_what_name(enum log_what what)
{
	return reasons[what].word;
}

bool log_what_parse(const char *word, enum log_what *what)
{
	for (unsigned i = 0; i < LOG_WHAT_COUNT; i++) {
		if (!strcmp(word, reasons[i].word)) {
			*what = (enum log_what)i;
			return true;
		}
	}
	return false;
}

bool log_what_denies(enum log_what what)
{
	return reasons[what].denies;
}

const char *log_policy_text(const char *name, char text[POLICY_NAME_MAX + 1])
{
	unsigned char digest[EVP_MAX_MD_SIZE] = {0};
	size_t len = strlen(name);

	if (len <= TEXT_MAX) {
		memmove(text, name, len + 1);
		return text;
	}
	/* without SHA-256 two policies of a long common beginning would be one in every record */
	if (EVP_Digest(name, len, digest, NULL, EVP_sha256(), NULL) != 1)
		abort();
	memmove(text, name, KEPT_LEN);
	text[KEPT_LEN] = CUT;
	for (size_t i = 0; i < HASH_LEN / 2; i++)
		snprintf(text + KEPT_LEN + 1 + 2 * i, 3, "%02x", digest[i]);
	return text;
}

/* --- writing --------------------------------------------------------------------------------------- */

static void add(char text[LOG_PREFIX_SIZE], const char *separator, const char *word)
{
	size_t len = strlen(text);

	snprintf(text + len, LOG_PREFIX_SIZE - len, "%s%s", separator, word);
}

const char *log_prefix_format(const struct log_reason *reason, char text[LOG_PREFIX_SIZE])
{
	bool has_policy = reason->policy[0] && reasons[reason->what].policy != NEVER;
	char policy[POLICY_NAME_MAX + 1], rule[RULE_SIZE];

	snprintf(text, LOG_PREFIX_SIZE, "%s", MARK);
	if (reason->direction < DIR_COUNT)
		add(text, " ", policy_direction_name(reason->direction));
	add(text, " ", reasons[reason->what].word);
	if (has_policy)
		add(text, " ", log_policy_text(reason->policy, policy));
	if (has_policy && reason->rule >= 0 && reasons[reason->what].rule != NEVER) {
		snprintf(rule, sizeof(rule), "[%d]", reason->rule);
		add(text, "", rule);
	}
	return text;
}

/* --- reading --------------------------------------------------------------------------------------- */

/* A name, or the short form of one that is too long. */
static bool policy_text_is_sound(const char *text)
{
	const char *cut = strchr(text, CUT);
	char kept[TEXT_MAX + 1];

	if (!cut)
		return strlen(text) <= TEXT_MAX && policy_name_check(text, NULL) == 0;
	if (cut - text != KEPT_LEN || strlen(cut + 1) != HASH_LEN ||
		strspn(cut + 1, "0123456789abcdef") != HASH_LEN)
		return false;
	snprintf(kept, sizeof(kept), "%.*s", KEPT_LEN, text);
	return policy_name_check(kept, NULL) == 0;
}

/* "frontend[2]"; cuts the rule off the word. */
static bool take_policy(char *word, struct log_reason *reason)
{
	char *bracket = strchr(word, '[');
	char *end = NULL;

	if (bracket) {
		long rule = strtol(bracket + 1, &end, 10);

		if (end == bracket + 1 || strcmp(end, "]") != 0 || rule < 0 ||
			rule >= POLICY_RULES_MAX)
			return false;
		reason->rule = (int)rule;
		*bracket = '\0';
	}
	if (!policy_text_is_sound(word))
		return false;
	snprintf(reason->policy, sizeof(reason->policy), "%s", word);
	return true;
}

static bool need_is_met(enum need need, bool given)
{
	return need == MAYBE || (need == ALWAYS) == given;
}

static bool reason_is_whole(const struct log_reason *reason)
{
	enum log_what what = reason->what;

	return need_is_met(reasons[what].direction, reason->direction < DIR_COUNT) &&
	       need_is_met(reasons[what].policy, reason->policy[0] != '\0') &&
	       need_is_met(reasons[what].rule, reason->rule >= 0);
}

/* Words between single blanks; more than max of them are counted, not kept. */
static size_t split(char *text, char *words[WORDS_MAX])
{
	size_t count = 0;

	for (char *blank; text; text = blank) {
		blank = strchr(text, ' ');
		if (blank)
			*blank++ = '\0';
		if (count < WORDS_MAX)
			words[count] = text;
		count++;
	}
	return count;
}

static bool parse_words(char *text, struct log_reason *reason)
{
	char *words[WORDS_MAX];
	size_t count = split(text, words), at = 1;

	if (count < 2 || count > WORDS_MAX || strcmp(words[0], MARK) != 0)
		return false;
	if (policy_direction_parse(words[at], &reason->direction))
		at++;
	if (at == count || !log_what_parse(words[at++], &reason->what))
		return false;
	if (at < count && !take_policy(words[at++], reason))
		return false;
	return at == count && reason_is_whole(reason);
}

int log_prefix_parse(const char *text, size_t len, struct log_reason *reason, struct err *err)
{
	struct log_reason parsed = {.direction = DIR_COUNT, .rule = LOG_NO_RULE};
	char copy[LOG_PREFIX_SIZE], again[LOG_PREFIX_SIZE];

	if (len && !text[len - 1])
		len--;
	if (len < LOG_PREFIX_SIZE && !memchr(text, '\0', len)) {
		memcpy(copy, text, len);
		copy[len] = '\0';
		/* writing it again tells leading zeros and the like */
		if (parse_words(copy, &parsed) &&
			!strncmp(log_prefix_format(&parsed, again), text, len) &&
			strlen(again) == len) {
			*reason = parsed;
			return 0;
		}
	}
	return err_set(err, 0, "log prefix is not one of ours");
}
