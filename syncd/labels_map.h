/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the labels that Docker holds to those that count: the prefix goes, what is badly formed or the image's own is
 * named in "rejected" and left out, and the derived labels of the docker/ key space are added. Pure.
 *
 * A label is the image's own where the image carries the same key with the same value: Docker hands a container its
 * image's labels without telling them apart from its own, so the same value given twice counts as the image's.
 *
 * Of two labels that come to the same key with different values, the one whose prefix was named first counts, among those that
 * may count at all: what the operator put behind cannot override what he put in front.
 */
#ifndef BULKHEAD_SYNCD_LABELS_MAP_H
#define BULKHEAD_SYNCD_LABELS_MAP_H

#include "common/label.h"
#include "syncd/label_prefix.h"

enum {
	LABELS_COUNTED_MAX =
		512, /* with RECORD_IMAGE_MAX etc. a record stays under RECORD_BYTES_MAX */
	LABELS_REJECTED_MAX = 64 /* the rest is one entry, "...", saying how many */
};

enum image_trust {
	IMAGE_COUNTS,    /* --image-labels on: the image's labels count like the container's */
	IMAGE_CHECKED,   /* labels of the image are in image_labels, and do not count */
	IMAGE_UNREADABLE /* the image cannot be read: any label may be its own, so none counts */
};

struct labels_source {
	const struct label_prefixes *prefixes;
	const struct labels *docker; /* the container's, as Docker has them */
	enum image_trust trust;
	const struct labels *image_labels;       /* for IMAGE_CHECKED */
	const char *container, *image, *network; /* for the derived labels; "" adds none */
};

/*
 * Fills two maps that the caller owns: labels, and rejected label -> reason. A rejected label goes by the key that it would have
 * had, or by its whole name in Docker where another label has that key.
 */
void labels_map(const struct labels_source *source, struct labels *labels, struct labels *rejected);

/* Whether anything in docker makes it necessary to know the image's labels. */
bool labels_map_needs_image(const struct label_prefixes *prefixes, const struct labels *docker);
/* At least one label with a prefix: the container asks for policy. */
bool labels_map_any(const struct label_prefixes *prefixes, const struct labels *docker);

#endif
