/* SPDX-License-Identifier: GPL-2.0-or-later */
/* JSON values for people and for programs: as YAML or JSON, keys sorted, nothing in them that a terminal obeys. */
#ifndef BULKHEAD_CTL_OUTPUT_H
#define BULKHEAD_CTL_OUTPUT_H

#include "common/err.h"

#include <stdio.h>

enum output_format { OUTPUT_TABLE, OUTPUT_WIDE, OUTPUT_YAML, OUTPUT_JSON, OUTPUT_DOT };

int output_format_check(const char *word, struct err *err) must_check; /* for the config table */
enum output_format output_format_parse(const char *word); /* a word that the check accepted */

/* Text that YAML would read as something else than text is quoted, so that it reads back as the same JSON. */
int output_yaml(const json_t *value, FILE *out, struct err *err) must_check;
int output_json(const json_t *value, FILE *out, struct err *err) must_check;

#endif
