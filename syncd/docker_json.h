/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the Engine's API answers, as values. Pure: text in, values out.
 *
 * The Engine is trusted to be one, not to be right: a member of the wrong type refuses the whole answer, so that what
 * was known stays in force; an id that could not stand in a URL or a record refuses its element, which is counted.
 * What people choose (labels, names) never refuses anything. Of the labels only those are kept that mean something
 * here: the prefixed ones and Compose's, at most DOCKER_LABELS_MAX per container or image.
 */
#ifndef BULKHEAD_SYNCD_DOCKER_JSON_H
#define BULKHEAD_SYNCD_DOCKER_JSON_H

#include "common/record.h"
#include "syncd/label_prefix.h"

enum { DOCKER_LABELS_MAX = 1024 };

#define COMPOSE_PROJECT     "com.docker.compose.project"
#define COMPOSE_SERVICE     "com.docker.compose.service"
#define COMPOSE_CONFIG_HASH "com.docker.compose.config-hash"

enum docker_action {
	ACTION_OTHER,
	CONTAINER_CREATE,
	CONTAINER_START,
	CONTAINER_DIE,
	CONTAINER_PAUSE,
	CONTAINER_UNPAUSE,
	CONTAINER_RENAME,
	CONTAINER_DESTROY,
	NETWORK_CREATE,
	NETWORK_CONNECT,
	NETWORK_DISCONNECT,
	NETWORK_DESTROY,
	DAEMON_RELOAD
};

/* As the Engine calls it, "network connect"; a constant. */
const char *docker_action_name(enum docker_action action);

struct docker_event {
	enum docker_action action;
	char *id;              /* of the container or network */
	char *container;       /* network connect, disconnect; else NULL */
	char *name, *image;    /* container events; "" where absent */
	struct labels *labels; /* container events: see above; else NULL */
	long long time_ns;     /* the Engine's clock */
};

struct docker_container {
	char *id, *name, *image, *image_id;
	char *network_mode; /* "default", "host", "container:<id>", ... */
	struct labels *labels;
	enum endpoint_state state;
	struct published_port *ports; /* sorted, without duplicates */
	size_t port_count;
};

struct docker_containers {
	struct docker_container *items;
	size_t count;
	size_t refused; /* elements whose id is unusable */
};

struct docker_attachment {
	char *endpoint_id, *container_id;
	struct ip ipv4, ipv6; /* family 0: none, or none that a container can have */
	uint8_t mac[6];
	bool has_mac;
};

struct docker_network {
	struct network record; /* as it will be published */
	char *isolation_word; /* what the label says, if it is none of the three words; else NULL */
	bool published; /* false for host, null and configuration-only networks: nothing to enforce */
	struct docker_attachment *attachments; /* network inspect only */
	size_t attachment_count, refused;
};

struct docker_networks {
	struct docker_network *items;
	size_t count, refused;
};

struct docker_version {
	char *api, *min_api, *version; /* "1.41", "1.12", "20.10.24" */
};

struct docker_info {
	char *id, *name;
	char *since;        /* the Engine's clock, as /events wants it: "seconds.nanoseconds" */
	long long clock_ns; /* the same as a number; 0 where it cannot be read */
};

/*
 * text is changed in place: an escaped NUL, which a label may hold and a JSON string in C cannot, becomes U+FFFD, lest one
 * label make the whole answer unreadable. prefixes select the labels. *out is set on success only; clear it after.
 */
int docker_parse_event(char *text, size_t len, const struct label_prefixes *prefixes,
	struct docker_event *out, struct err *err) must_check;
int docker_parse_containers(char *text, size_t len, const struct label_prefixes *prefixes,
	struct docker_containers *out, struct err *err) must_check;
int docker_parse_networks(
	char *text, size_t len, struct docker_networks *out, struct err *err) must_check;
int docker_parse_network(
	char *text, size_t len, struct docker_network *out, struct err *err) must_check;
/* The labels of an image: caller frees. */
struct labels *docker_parse_image(
	char *text, size_t len, const struct label_prefixes *prefixes, struct err *err) must_check;
int docker_parse_version(
	char *text, size_t len, struct docker_version *out, struct err *err) must_check;
int docker_parse_info(char *text, size_t len, struct docker_info *out, struct err *err) must_check;
/* The Engine's own words for an error answer ({"message":...}), or NULL. Caller frees. */
char *docker_parse_message(char *text, size_t len);

void docker_event_clear(struct docker_event *event);
void docker_containers_clear(struct docker_containers *containers);
void docker_networks_clear(struct docker_networks *networks);
void docker_network_clear(struct docker_network *network);
void docker_version_clear(struct docker_version *version);
void docker_info_clear(struct docker_info *info);

/* Both sorted, as docker_parse_containers() leaves them. */
bool docker_ports_equal(const struct published_port *a, size_t a_count,
	const struct published_port *b, size_t b_count);

/* [A-Za-z0-9_.:-]{1,128}: what may stand in a URL's path and in a record. */
bool docker_id_ok(const char *id);

#endif
