/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Readers and writers of values that policies share with tiers and network sets. */
#ifndef BULKHEAD_POLICY_INTERNAL_H
#define BULKHEAD_POLICY_INTERNAL_H

#include "common/json.h"
#include "common/policy.h"

/* target: a struct cidr_list; at most POLICY_LIST_MAX blocks, host bits cleared. */
int policy_read_nets(const struct json_at *at, void *target, struct err *err);
/* target: a json_t *; an object of texts. */
int policy_read_text_map(const struct json_at *at, void *target, struct err *err);
/* target: a char *. */
int policy_read_name(const struct json_at *at, void *target, struct err *err);
int policy_read_number(const struct json_at *at, double *number, struct err *err);

void policy_put_text_map(json_t *object, const char *key, json_t *map); /* NULL: nothing */
json_t *policy_number_to_json(double number);

#endif
