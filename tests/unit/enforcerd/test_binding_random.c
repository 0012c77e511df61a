/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random links, records and adoptions against a slow and obvious model, and what must never happen, whatever comes: an address at a
 * link that is younger than the record, two at one port, one that comes back after its link went, a doubt that has nobody whom it is
 * about. BULKHEAD_SEED repeats a run.
 */
#include "enforcerd/binding.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PORTS = 10, ENDPOINTS = 8, STEPS = 100000, NONE = -1, MACS = 4, ADDRESSES = 3 };

struct m_port {
	bool exists;
	struct port port;
	struct ip address;
	int owner; /* endpoint slot, or NONE */
};

/* An EndpointID that may be there or not. */
struct m_endpoint {
	char id[16];
	bool exists, dead;
	bool unrecorded_gone; /* adopted, its link went before the record came */
	bool unrecorded;      /* adopted, no record so far */
	struct binding_endpoint record;
	enum binding_trust trust;
	enum placement placement; /* as the model wants it */
	int port;
	enum placement told; /* as it was called for */
	unsigned told_port;
};

/* Check notes every assertion it passes, in a pipe: here there are millions. */
#define require(condition)                    \
	do {                                  \
		if (!(condition))             \
			ck_assert(condition); \
	} while (0)

static unsigned seed;
static struct binding *binding;
static struct m_port ports[PORTS];
static struct m_endpoint endpoints[ENDPOINTS];
static unsigned newest;
static long long now;
static bool confirmed;

static unsigned draw(unsigned n)
{
	return (unsigned)rand_r(&seed) % n;
}

/* --- the model --------------------------------------------------------------------------------- */

static bool m_fits(const struct m_endpoint *e, const struct m_port *p)
{
	return p->exists && p->port.state == PORT_SETTLED &&
	       !strcmp(p->port.bridge, e->record.bridge) &&
	       !memcmp(p->port.mac, e->record.mac, PORT_MAC_SIZE) &&
	       (!p->address.family || ip_equal(&p->address, &e->record.ipv4));
}

static int m_owned(int e)
{
	for (int p = 0; p < PORTS; p++)
		if (ports[p].exists && ports[p].owner == e)
			return p;
	return NONE;
}

static bool m_entitled(int e)
{
	return endpoints[e].exists && endpoints[e].record.has_mac && !endpoints[e].dead &&
	       endpoints[e].trust != TRUST_NONE && m_owned(e) == NONE;
}

/* Its owner has a record, or may get it still. */
static bool m_held(const struct m_port *p)
{
	return p->owner != NONE &&
	       (endpoints[p->owner].exists || (endpoints[p->owner].unrecorded && !confirmed));
}

static bool m_pending(const struct m_port *p, const struct m_endpoint *e)
{
	return p->exists && p->port.state == PORT_PENDING && !m_held(p) &&
	       !strcmp(p->port.bridge, e->record.bridge) &&
	       p->port.ifindex <= e->record.born.newest;
}

static bool m_free_for(int e, int p)
{
	const struct m_endpoint *endpoint = &endpoints[e];
	const struct port *port = &ports[p].port;

	if (m_held(&ports[p]) || port->ifindex > endpoint->record.born.newest)
		return false;
	for (int other = 0; other < PORTS && ports[p].owner != NONE; other++)
		if (m_pending(&ports[other], endpoint))
			return false;
	for (int other = 0; other < ENDPOINTS; other++)
		if (other != e && m_entitled(other) && m_fits(&endpoints[other], &ports[p]) &&
			port->ifindex <= endpoints[other].record.born.newest)
			return false;
	if (endpoint->trust != TRUST_NEWS ||
		endpoint->record.born.ms - port->settled_ms < BINDING_EARLY_MS)
		return true;
	for (int other = 0; other < PORTS; other++)
		if (m_pending(&ports[other], endpoint) && ports[other].port.ifindex > port->ifindex)
			return false;
	return true;
}

static bool m_at_its_own(int e, int owned)
{
	const struct binding_endpoint *record = &endpoints[e].record;
	const struct port *port = &ports[owned].port;

	return !memcmp(port->mac, record->mac, PORT_MAC_SIZE) &&
	       !strcmp(port->bridge, record->bridge) && port->state == PORT_SETTLED;
}

/* Of an endpoint that has no port so far. */
static enum placement m_find(int e, int *at)
{
	int fitting = 0, old = 0;
	bool starting = false;

	for (int p = 0; p < PORTS; p++) {
		starting |= m_pending(&ports[p], &endpoints[e]);
		if (!m_fits(&endpoints[e], &ports[p]))
			continue;
		fitting++;
		old += ports[p].port.ifindex <= endpoints[e].record.born.newest;
		*at = p;
	}
	if (fitting == 1 && m_free_for(e, *at))
		return PLACE_BOUND;
	*at = NONE;
	if (!fitting)
		return starting ? PLACE_PROVISIONAL : PLACE_WITHDRAWN;
	return old ? PLACE_DOUBTFUL : PLACE_WITHDRAWN;
}

static void m_judge(int e, enum placement *placement, int *at)
{
	int owned = m_owned(e);

	*placement = PLACE_WITHDRAWN;
	*at = NONE;
	if (m_entitled(e)) {
		*placement = m_find(e, at);
	} else if (owned != NONE && endpoints[e].record.has_mac) {
		*at = m_at_its_own(e, owned) ? owned : NONE;
		*placement = *at == NONE ? PLACE_DOUBTFUL : PLACE_BOUND;
	}
}

static void m_settle(void)
{
	for (int e = 0; e < ENDPOINTS; e++)
		if (endpoints[e].exists)
			m_judge(e, &endpoints[e].placement, &endpoints[e].port);
	for (int e = 0; e < ENDPOINTS; e++) {
		struct m_port *port;

		if (!endpoints[e].exists || endpoints[e].placement != PLACE_BOUND)
			continue;
		port = &ports[endpoints[e].port];
		/* one that had it, and whose record never came, is forgotten */
		if (port->owner != NONE && port->owner != e)
			endpoints[port->owner].unrecorded = false;
		port->owner = e;
	}
}

/* --- what happens ------------------------------------------------------------------------------ */

static void put_port(int p)
{
	ports[p].port.addresses = &ports[p].address;
	ports[p].port.address_count = ports[p].address.family ? 1 : 0;
	binding_port(binding, &ports[p].port);
}

/* The kernel's order: a link is made, settles once at most, and keeps what it had then. */
static void port_event(int p)
{
	static const char *const bridges[] = {"br0", "br0", "br0", "br1", ""};
	struct m_port *m = &ports[p];

	if (!m->exists) {
		*m = (struct m_port){.exists = true, .owner = NONE};
		m->port.ifindex = ++newest;
		snprintf(m->port.name, sizeof(m->port.name), "v%u", m->port.ifindex);
		snprintf(m->port.bridge, sizeof(m->port.bridge), "%s", bridges[draw(5)]);
		m->port.state = draw(4) ? PORT_PENDING : PORT_OTHER;
	} else if (m->port.state == PORT_SETTLED && draw(8) == 0) {
		snprintf(m->port.bridge, sizeof(m->port.bridge), "%s", bridges[draw(5)]);
	} else if (m->port.state != PORT_SETTLED) {
		m->port.state = PORT_SETTLED;
		m->port.settled_ms = now;
		m->port.mac[5] = (uint8_t)(1 + draw(MACS));
		if (draw(3))
			m->address = (struct ip){4, {10, 0, 0, (uint8_t)(1 + draw(ADDRESSES))}};
	}
	put_port(p);
}

static void port_gone(int p)
{
	int owner = ports[p].owner;

	if (!ports[p].exists)
		return;
	if (owner != NONE && endpoints[owner].exists)
		endpoints[owner].dead = true;
	if (owner != NONE && endpoints[owner].unrecorded)
		endpoints[owner].unrecorded_gone = true;
	ports[p].exists = false;
	ports[p].owner = NONE;
	binding_port_gone(binding, ports[p].port.ifindex);
}

static void record_event(int e)
{
	static const char *const bridges[] = {"br0", "br0", "br0", "br1"};
	enum binding_trust trust = (enum binding_trust)draw(3);
	struct m_endpoint *m = &endpoints[e];
	struct binding_endpoint record = {.id = m->id,
		.bridge = bridges[draw(4)],
		.has_mac = draw(10) > 0,
		.ipv4 = {4, {10, 0, 0, (uint8_t)(1 + draw(ADDRESSES))}},
		.born = {newest, now}};

	record.mac[5] = (uint8_t)(1 + draw(MACS));
	if (m->exists && draw(2)) {
		record = m->record; /* only its labels changed */
		record.born = (struct moment){newest, now};
	}
	if (!m->exists) {
		m->exists = true;
		m->dead = m->unrecorded_gone;
		m->unrecorded = m->unrecorded_gone = false;
		m->trust = TRUST_NONE;
		m->told = PLACE_WITHDRAWN;
		m->told_port = 0;
	}
	binding_endpoint(binding, &record, trust);
	if (m->trust != TRUST_NONE)
		record.born = m->record.born;
	else
		m->trust = trust;
	m->record = record;
}

static void record_gone(int e)
{
	endpoints[e].exists = false;
	binding_endpoint_gone(binding, endpoints[e].id);
}

static void adopt(int e, int p)
{
	struct m_endpoint *m = &endpoints[e];
	bool known = m->exists || m_owned(e) != NONE || m->unrecorded;

	binding_adopt(binding, m->id, ports[p].exists ? ports[p].port.name : "gone");
	if (known || (ports[p].exists && ports[p].owner != NONE))
		return;
	m->unrecorded = true;
	if (ports[p].exists)
		ports[p].owner = e;
	else
		m->unrecorded_gone = true;
}

static void confirm(void)
{
	const struct moment moment = {newest, now};

	for (int e = 0; e < ENDPOINTS; e++)
		if (endpoints[e].exists && endpoints[e].trust == TRUST_NONE) {
			endpoints[e].trust = TRUST_LISTED;
			endpoints[e].record.born = moment;
		}
	confirmed = true;
	binding_confirm(binding, &moment);
}

static void on_placed(const char *id, enum placement placement, const struct port *port, void *arg)
{
	struct m_endpoint *m = &endpoints[id[1] - '0'];

	(void)arg;
	require(m->exists);
	/* news each time, but for a bound one whose port is called something else, which never happens here */
	require(m->told != placement || m->told_port != (port ? port->ifindex : 0));
	m->told = placement;
	m->told_port = port ? port->ifindex : 0;
}

/* --- what must hold ---------------------------------------------------------------------------- */

static void check_safe(const struct m_endpoint *e, const struct port *port)
{
	require(!e->dead);
	if (e->placement == PLACE_PROVISIONAL)
		require(e->trust != TRUST_NONE);
	if (!port)
		return;
	require(port->state == PORT_SETTLED);
	require(!strcmp(port->bridge, e->record.bridge));
	require(!memcmp(port->mac, e->record.mac, PORT_MAC_SIZE));
}

/* While this holds somebody is there who could be taken for it: a doubt ends with the links that it is about. */
static bool has_double(int e)
{
	if (m_owned(e) != NONE)
		return true;
	for (int p = 0; p < PORTS; p++)
		if (m_fits(&endpoints[e], &ports[p]) &&
			ports[p].port.ifindex <= endpoints[e].record.born.newest)
			return true;
	return false;
}

static void check_one(int step, int e)
{
	const struct m_endpoint *m = &endpoints[e];
	const struct port *port = NULL;
	enum placement placement = binding_placement(binding, m->id, &port);

	if (!m->exists) {
		require(placement == PLACE_WITHDRAWN);
		return;
	}
	if (placement != m->placement)
		ck_abort_msg("step %d: %s is %d, not %d", step, m->id, placement, m->placement);
	require(m->told == placement);
	require((port ? port->ifindex : 0) == (m->port == NONE ? 0 : ports[m->port].port.ifindex));
	require(m->told_port == (port ? port->ifindex : 0));
	if (placement == PLACE_DOUBTFUL)
		require(has_double(e));
	if (placement != PLACE_WITHDRAWN)
		check_safe(m, port);
}

static void check_all(int step)
{
	unsigned taken[ENDPOINTS] = {0};

	for (int e = 0; e < ENDPOINTS; e++) {
		const struct port *port = NULL;

		check_one(step, e);
		if (binding_placement(binding, endpoints[e].id, &port) == PLACE_BOUND)
			taken[e] = port->ifindex;
		for (int other = 0; other < e; other++)
			require(!taken[e] || taken[e] != taken[other]);
	}
}

/* Bound anew: to a link from before the record, unless the kernel's own table had said it. */
static void check_birth(const enum placement *before)
{
	for (int e = 0; e < ENDPOINTS; e++) {
		const struct m_endpoint *m = &endpoints[e];

		if (m->exists && m->placement == PLACE_BOUND && before[e] != PLACE_BOUND &&
			m->trust != TRUST_NONE && ports[m->port].owner == NONE)
			require(ports[m->port].port.ifindex <= m->record.born.newest);
	}
}

static void happen(void)
{
	unsigned what = draw(100);
	int p = (int)draw(PORTS), e = (int)draw(ENDPOINTS);

	now += draw(2000);
	if (what < 45)
		port_event(p);
	else if (what < 60)
		port_gone(p);
	else if (what < 85)
		record_event(e);
	else if (what < 95)
		record_gone(e);
	else if (what < 96)
		confirm();
	else
		adopt(e, p);
}

START_TEST(test_binding_is_its_model)
{
	const char *given = getenv("BULKHEAD_SEED");
	const struct binding_ops ops = {on_placed};
	size_t placed[PLACE_BOUND + 1] = {0};

	seed = given ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
	printf("BULKHEAD_SEED=%u\n", seed);
	fflush(stdout);
	binding = binding_new(&ops, NULL);
	for (int e = 0; e < ENDPOINTS; e++)
		snprintf(endpoints[e].id, sizeof(endpoints[e].id), "e%d", e);
	for (int step = 0; step < STEPS; step++) {
		enum placement before[ENDPOINTS];

		for (int e = 0; e < ENDPOINTS; e++) {
			before[e] = endpoints[e].exists ? endpoints[e].told : PLACE_WITHDRAWN;
			placed[before[e]]++;
		}
		happen();
		for (int e = 0; e < ENDPOINTS; e++)
			if (endpoints[e].exists)
				m_judge(e, &endpoints[e].placement, &endpoints[e].port);
		check_birth(before);
		m_settle();
		check_all(step);
	}
	/* the run was about something */
	ck_assert_uint_gt(placed[PLACE_BOUND], STEPS / 20);
	ck_assert_uint_gt(placed[PLACE_PROVISIONAL], STEPS / 20);
	ck_assert_uint_gt(placed[PLACE_DOUBTFUL], STEPS / 20);
	binding_free(binding);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("binding_random");
	TCase *tests = tcase_create("binding_random");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_set_timeout(tests, 120);
	tcase_add_test(tests, test_binding_is_its_model);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
