/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where traffic is measured: a client, a server, and between them any number of hosts with one bridge each, all in network
 * namespaces of their own that go with the process. What is compared is in different hosts, so that going from one to the next
 * costs nothing and can be done every millisecond: machines change their speed more slowly.
 *
 * Client and server are at each bridge by two ports each, one for isolated addresses and one for bystanders'; they have whole
 * address blocks, so that thousands of pairs need neither devices nor neighbour entries of their own.
 */
#ifndef BULKHEAD_BENCH_LAB_H
#define BULKHEAD_BENCH_LAB_H

#include "tests/bench/records.h"

enum lab_place { LAB_CLIENT, LAB_SERVER, LAB_PLACES };

struct lab;

struct lab *lab_new(void);
void lab_free(struct lab *lab);
/* At most HOSTS_MAX, numbered from 0. Leaves the process in its namespace. */
unsigned lab_add_host(struct lab *lab);
void lab_enter(const struct lab *lab, enum lab_place place);
void lab_enter_host(const struct lab *lab, unsigned host);
/* The bridge's port of a role's addresses, on every host. */
const char *lab_port(enum bench_role role);

/* Runs a shell command in the namespace that the process is in; it must succeed. */
void lab_run(const char *fmt, ...) printf_like(1, 2);
/* Feeds text to `nft -f -`. */
void lab_nft(const char *text);

/* Forgets every flow of every host. */
void lab_forget_flows(const struct lab *lab);

#endif
