/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/printable.h"

#include <stdbool.h>
#include <stdint.h>

/* Length of the UTF-8 sequence at s and its code point, or 0 for what is not shortest-form UTF-8. */
static size_t utf8_decode(const unsigned char *s, uint32_t *code)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = s[0] < 0x80       ? 1
		     : s[0] >> 5 == 6  ? 2
		     : s[0] >> 4 == 14 ? 3
		     : s[0] >> 3 == 30 ? 4
				       : 0;

	if (len <= 1) {
		*code = s[0];
		return len;
	}
	*code = s[0] & (0x7fU >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (s[i] & 0x3fU);
	}
	return *code < smallest[len] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000)
		       ? 0
		       : len;
}

static bool harmless(uint32_t code)
{
	static const struct {
		uint32_t first, last;
	} bad[] = {
		{0, 0x1f},          /* C0 controls */
		{0x7f, 0x9f},       /* DEL and C1 controls */
		{0x200b, 0x200f},   /* zero width, direction marks */
		{0x2028, 0x202e},   /* separators, direction overrides */
		{0x2060, 0x206f},   /* invisible operators, isolates */
		{0xfeff, 0xfeff},   /* byte order mark */
		{0xfff9, 0xfffb},   /* interlinear annotation */
		{0xe0000, 0xe007f}, /* tags */
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (code >= bad[i].first && code <= bad[i].last)
			return false;
	return true;
}

void printable_add(struct strbuf *out, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	while (*s) {
		uint32_t code = 0;
		size_t len = utf8_decode(s, &code);

		if (!len)
			strbuf_addf(out, "\\x%02x", *s);
		else if (harmless(code))
			strbuf_addn(out, s, len);
		else if (code < 0x80)
			strbuf_addf(out, "\\x%02x", code);
		else
			strbuf_addf(out, "\\u%04x", code);
		s += len ? len : 1;
	}
}

char *printable(const char *text)
{
	struct strbuf out = {0};

	printable_add(&out, text);
	return strbuf_take(&out);
}

size_t printable_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}
