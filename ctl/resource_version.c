/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/resource_version.h"

#include "common/xalloc.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

static const char prefix[] = "bulkhead-";

enum { HASH_BYTES = 8, PREFIX_LEN = sizeof(prefix) - 1 };

_Static_assert(sizeof(prefix) + 2 * HASH_BYTES <= RESOURCE_VERSION_SIZE, "a version must fit");

void resource_version_of(const json_t *record, char version[RESOURCE_VERSION_SIZE])
{
	cleanup_free char *text =
		json_dumps(record, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	unsigned char digest[EVP_MAX_MD_SIZE];
	char *end = version + PREFIX_LEN;

	/* without SHA-256 there would be no TLS and no signed package either: never on a machine that works */
	if (!text || EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL) != 1)
		abort();
	memcpy(version, prefix, PREFIX_LEN);
	for (size_t i = 0; i < HASH_BYTES; i++, end += 2)
		snprintf(end, 3, "%02x", digest[i]);
}

bool resource_version_is_ours(const char *version)
{
	return !strncmp(version, prefix, PREFIX_LEN);
}
