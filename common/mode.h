/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Enforce or audit, and who says so. In audit mode the rules judge and count as ever, and nothing is dropped.
 *
 * In the store: hash bulkhead:v1:mode of the policies stream (KIND_MODE), field "*" or a node's name, value "audit" or
 * "enforce". A node is in audit mode where its own --mode or the store says so.
 */
#ifndef BULKHEAD_MODE_H
#define BULKHEAD_MODE_H

#include <stdbool.h>

#define MODE_ANY_NODE "*"

enum mode { MODE_ENFORCE, MODE_AUDIT };

bool mode_parse(const char *word, enum mode *mode);
const char *mode_name(enum mode mode);

/*
 * What the store says to a node: own is its field's text, any that of "*"; NULL where there is none. Its own field speaks first.
 * Text that is neither word counts as absent: nothing but the word itself may end enforcement.
 */
enum mode mode_of_store(const char *own, const char *any);

#endif
