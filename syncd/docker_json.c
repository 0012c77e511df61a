/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "syncd/docker_json.h"

#include "common/isolation.h"
#include "common/xalloc.h"
#include "syncd/docker_value.h"
#include "syncd/text.h"

#include <string.h>
#include <time.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

#define LABEL_ISOLATION     "bulkhead.isolation"
#define LABEL_SHARED        "bulkhead.shared"
#define OPTION_BRIDGE_NAME  "com.docker.network.bridge.name"
#define DEFAULT_BRIDGE_NAME "br-%.12s"

bool docker_id_ok(const char *id)
{
	size_t len =
		strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:-");

	/* "." and ".." would change the path of a URL */
	return len && len <= RECORD_ID_MAX && !id[len] && id[0] != '.';
}

/* Container names come as "/name" in some answers. */
static const char *without_slash(const char *name)
{
	return name[0] == '/' ? name + 1 : name;
}

/* --- events ------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum docker_action code;
} actions[] = {
	{"container create", CONTAINER_CREATE},
	{"container start", CONTAINER_START},
	{"container die", CONTAINER_DIE},
	{"container pause", CONTAINER_PAUSE},
	{"container unpause", CONTAINER_UNPAUSE},
	{"container rename", CONTAINER_RENAME},
	{"container destroy", CONTAINER_DESTROY},
	{"network create", NETWORK_CREATE},
	{"network connect", NETWORK_CONNECT},
	{"network disconnect", NETWORK_DISCONNECT},
	{"network destroy", NETWORK_DESTROY},
	{"daemon reload", DAEMON_RELOAD},
};

static enum docker_action action_of(const char *type, const char *action)
{
	size_t len = strlen(type);

	for (size_t i = 0; i < COUNT(actions); i++)
		if (!strncmp(actions[i].name, type, len) && actions[i].name[len] == ' ' &&
			!strcmp(actions[i].name + len + 1, action))
			return actions[i].code;
	return ACTION_OTHER;
}

const char *docker_action_name(enum docker_action action)
{
	for (size_t i = 0; i < COUNT(actions); i++)
		if (actions[i].code == action)
			return actions[i].name;
	return "other";
}

static bool concerns_container(enum docker_action action)
{
	return action >= CONTAINER_CREATE && action <= CONTAINER_DESTROY;
}

static bool concerns_attachment(enum docker_action action)
{
	return action == NETWORK_CONNECT || action == NETWORK_DISCONNECT;
}

static void read_event(
	struct document *doc, const struct label_prefixes *prefixes, struct docker_event *event)
{
	const json_t *actor = document_object(doc, doc->root, "Actor");
	const json_t *attributes = document_object(doc, actor, "Attributes");

	event->action = action_of(
		document_text(doc, doc->root, "Type"), document_text(doc, doc->root, "Action"));
	event->id = xstrdup(document_text(doc, actor, "ID"));
	event->time_ns = document_integer(doc, doc->root, "timeNano");
	if (event->time_ns < 0)
		event->time_ns = 0; /* differences of it and a clock must fit */
	if (concerns_attachment(event->action))
		event->container = xstrdup(document_text(doc, attributes, "container"));
	if (!concerns_container(event->action))
		return;
	event->name =
		text_clean(without_slash(document_text(doc, attributes, "name")), RECORD_NAME_MAX);
	event->image = text_clean(document_text(doc, attributes, "image"), RECORD_IMAGE_MAX);
	event->labels = document_labels(doc, actor, "Attributes", prefixes);
	/* the same flat map holds the event's own attributes, which are no labels */
	labels_unset(event->labels, "name");
	labels_unset(event->labels, "image");
}

int docker_parse_event(char *text, size_t len, const struct label_prefixes *prefixes,
	struct docker_event *out, struct err *err)
{
	cleanup_document struct document doc = {0};
	struct docker_event event = {0};

	if (document_open(&doc, text, len, "event", err) < 0)
		return -1;
	document_expect(&doc, json_is_object(doc.root), "event");
	read_event(&doc, prefixes, &event);
	if (event.action != ACTION_OTHER && event.action != DAEMON_RELOAD)
		document_expect(&doc, docker_id_ok(event.id), "Actor.ID");
	if (document_check(&doc, "event", err) < 0) {
		docker_event_clear(&event);
		return -1;
	}
	*out = event;
	return 0;
}

void docker_event_clear(struct docker_event *event)
{
	free(event->id);
	free(event->container);
	free(event->name);
	free(event->image);
	labels_free(event->labels);
	*event = (struct docker_event){0};
}

/* --- containers --------------------------------------------------------------------------------- */

/* A container has further names, "/other/alias", where others link to it. */
static const char *own_name(struct document *doc, const json_t *object)
{
	const json_t *names = document_array(doc, object, "Names"), *value;
	size_t i;

	json_array_foreach (names, i, value) {
		const char *name = json_string_value(value);

		if (name && !strchr(without_slash(name), '/'))
			return without_slash(name);
	}
	return "";
}

static enum endpoint_state state_of(const char *word)
{
	if (!strcmp(word, "running"))
		return ENDPOINT_RUNNING;
	return strcmp(word, "paused") ? ENDPOINT_STARTING : ENDPOINT_PAUSED;
}

static int compare_ports(const void *left, const void *right)
{
	const struct published_port *a = left, *b = right;
	int order = (a->port > b->port) - (a->port < b->port);

	if (!order)
		order = strcmp(a->proto, b->proto);
	if (!order)
		order = ip_cmp(&a->host_ip, &b->host_ip);
	return order ? order : (a->host_port > b->host_port) - (a->host_port < b->host_port);
}

bool docker_ports_equal(const struct published_port *a, size_t a_count,
	const struct published_port *b, size_t b_count)
{
	for (size_t i = 0; i < a_count && a_count == b_count; i++)
		if (compare_ports(&a[i], &b[i]) != 0)
			return false;
	return a_count == b_count;
}

static bool known_protocol(const char *word)
{
	return !strcmp(word, "tcp") || !strcmp(word, "udp") || !strcmp(word, "sctp");
}

/* False for a port that is exposed but not published, and for what no record can say. */
static bool read_port(struct document *doc, const json_t *object, struct published_port *port)
{
	json_int_t host_port = document_integer(doc, object, "PublicPort");
	json_int_t inside = document_integer(doc, object, "PrivatePort");
	const char *address = document_text(doc, object, "IP");
	const char *proto = document_text(doc, object, "Type");

	if (host_port < 1 || host_port > UINT16_MAX || inside < 1 || inside > UINT16_MAX ||
		!known_protocol(proto))
		return false;
	*port = (struct published_port){.host_port = (uint16_t)host_port, .port = (uint16_t)inside};
	memcpy(port->proto, proto, strlen(proto) + 1);
	return ip_parse(*address ? address : "0.0.0.0", &port->host_ip, NULL) == 0;
}

static void read_ports(struct document *doc, const json_t *object, struct docker_container *c)
{
	const json_t *list = document_array(doc, object, "Ports"), *value;
	size_t i, kept = 0;

	if (json_array_size(list))
		c->ports = xcalloc(json_array_size(list), sizeof(*c->ports));
	json_array_foreach (list, i, value) {
		c->port_count += read_port(doc, value, &c->ports[c->port_count]);
	}
	if (!c->port_count)
		return;
	qsort(c->ports, c->port_count, sizeof(*c->ports), compare_ports);
	for (i = 0; i < c->port_count; i++)
		if (!kept || compare_ports(&c->ports[kept - 1], &c->ports[i]) != 0)
			c->ports[kept++] = c->ports[i];
	/* a record holds no more; the rest of a published range is left out of it */
	c->port_count = kept < RECORD_LIST_MAX ? kept : RECORD_LIST_MAX;
}

static void read_container(struct document *doc, const json_t *object,
	const struct label_prefixes *prefixes, struct docker_container *c)
{
	c->id = xstrdup(document_text(doc, object, "Id"));
	c->name = text_clean(own_name(doc, object), RECORD_NAME_MAX);
	c->image = text_clean(document_text(doc, object, "Image"), RECORD_IMAGE_MAX);
	c->image_id = xstrdup(document_text(doc, object, "ImageID"));
	c->network_mode = xstrdup(
		document_text(doc, document_object(doc, object, "HostConfig"), "NetworkMode"));
	c->labels = document_labels(doc, object, "Labels", prefixes);
	c->state = state_of(document_text(doc, object, "State"));
	read_ports(doc, object, c);
}

static void docker_container_clear(struct docker_container *c)
{
	free(c->id);
	free(c->name);
	free(c->image);
	free(c->image_id);
	free(c->network_mode);
	labels_free(c->labels);
	free(c->ports);
	*c = (struct docker_container){0};
}

int docker_parse_containers(char *text, size_t len, const struct label_prefixes *prefixes,
	struct docker_containers *out, struct err *err)
{
	cleanup_document struct document doc = {0};
	struct docker_containers list = {0};
	const json_t *value;
	size_t i;

	if (document_open(&doc, text, len, "container list", err) < 0)
		return -1;
	document_expect(&doc, json_is_array(doc.root), "container list");
	if (json_array_size(doc.root))
		list.items = xcalloc(json_array_size(doc.root), sizeof(*list.items));
	json_array_foreach (doc.root, i, value) {
		struct docker_container *c = &list.items[list.count++];

		document_expect(&doc, json_is_object(value), "container");
		read_container(&doc, value, prefixes, c);
		if (docker_id_ok(c->id))
			continue;
		docker_container_clear(c);
		list.count--;
		list.refused++;
	}
	if (document_check(&doc, "container list", err) < 0) {
		docker_containers_clear(&list);
		return -1;
	}
	*out = list;
	return 0;
}

void docker_containers_clear(struct docker_containers *containers)
{
	for (size_t i = 0; i < containers->count; i++)
		docker_container_clear(&containers->items[i]);
	free(containers->items);
	*containers = (struct docker_containers){0};
}

/* --- networks ----------------------------------------------------------------------------------- */

static bool is_interface_name(const char *name)
{
	size_t len = strlen(name);

	return len && len <= RECORD_IFNAME_MAX && strcspn(name, "/: \t\n") == len &&
	       strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static char *bridge_of(struct document *doc, const json_t *object, const struct network *record)
{
	const char *option =
		document_text(doc, document_object(doc, object, "Options"), OPTION_BRIDGE_NAME);

	if (strcmp(record->driver, "bridge") != 0)
		return NULL;
	if (*option)
		return is_interface_name(option) ? xstrdup(option) : NULL;
	return xasprintf(DEFAULT_BRIDGE_NAME, record->id);
}

static void read_subnets(struct document *doc, const json_t *object, struct network *record)
{
	const json_t *list = document_array(doc, document_object(doc, object, "IPAM"), "Config");
	const json_t *value;
	size_t i;

	if (json_array_size(list))
		record->subnets = xcalloc(json_array_size(list), sizeof(*record->subnets));
	json_array_foreach (list, i, value) {
		struct cidr subnet;

		if (record->subnet_count == RECORD_LIST_MAX)
			break;
		if (cidr_parse(document_text(doc, value, "Subnet"), &subnet, NULL) == 0)
			record->subnets[record->subnet_count++] = cidr_mask(&subnet);
	}
}

static void read_network_labels(
	struct document *doc, const json_t *object, struct docker_network *network)
{
	const json_t *labels = document_object(doc, object, "Labels");
	const char *shared = document_text(doc, labels, LABEL_SHARED);
	const char *word = document_text(doc, labels, LABEL_ISOLATION);
	enum isolation isolation;

	if (*shared)
		network->record.shared = text_clean(shared, RECORD_NAME_MAX);
	if (isolation_parse(word, &isolation))
		network->record.isolation = xstrdup(word);
	else if (*word)
		network->isolation_word = text_clean(word, RECORD_NAME_MAX);
}

/* "10.0.0.2/16" or "10.0.0.2"; anything else is no address. */
static struct ip address_of(const char *text, uint8_t family)
{
	struct cidr cidr;

	if (!*text || cidr_parse(text, &cidr, NULL) < 0 || cidr.ip.family != family)
		return (struct ip){0};
	return cidr.ip;
}

static bool read_mac(const char *text, uint8_t mac[6])
{
	static const uint8_t zero[6];

	for (size_t i = 0; i < 6; i++, text += 3) {
		if (strspn(text, "0123456789abcdefABCDEF") != 2 || text[2] != (i < 5 ? ':' : '\0'))
			return false;
		mac[i] = (uint8_t)strtoul(text, NULL, 16);
	}
	return !(mac[0] & 1) && memcmp(mac, zero, sizeof(zero)) != 0;
}

static void read_attachment(struct document *doc, const char *container, const json_t *object,
	struct docker_network *network)
{
	struct docker_attachment *a = &network->attachments[network->attachment_count];
	const char *endpoint_id = document_text(doc, object, "EndpointID");

	/* "ep-<endpoint>": its sandbox is not known yet; the connect event comes after it is */
	if (!strncmp(container, "ep-", 3))
		return;
	if (!docker_id_ok(container) || !docker_id_ok(endpoint_id)) {
		network->refused++;
		return;
	}
	network->attachment_count++;
	a->endpoint_id = xstrdup(endpoint_id);
	a->container_id = xstrdup(container);
	a->ipv4 = address_of(document_text(doc, object, "IPv4Address"), 4);
	a->ipv6 = address_of(document_text(doc, object, "IPv6Address"), 6);
	a->has_mac = read_mac(document_text(doc, object, "MacAddress"), a->mac);
}

static bool is_policed(struct document *doc, const json_t *object, const char *driver)
{
	return strcmp(driver, "host") != 0 && strcmp(driver, "null") != 0 &&
	       !document_bool(doc, object, "ConfigOnly");
}

static void read_network(struct document *doc, const json_t *object, struct docker_network *network)
{
	struct network *record = &network->record;
	json_t *containers = document_object(doc, object, "Containers"), *value;
	const char *container;

	record->id = xstrdup(document_text(doc, object, "Id"));
	record->name = text_clean(document_text(doc, object, "Name"), RECORD_NAME_MAX);
	record->driver = text_clean(document_text(doc, object, "Driver"), RECORD_NAME_MAX);
	record->bridge = bridge_of(doc, object, record);
	read_subnets(doc, object, record);
	read_network_labels(doc, object, network);
	network->published = is_policed(doc, object, record->driver);
	if (json_object_size(containers))
		network->attachments =
			xcalloc(json_object_size(containers), sizeof(*network->attachments));
	json_object_foreach (containers, container, value) {
		read_attachment(doc, container, value, network);
	}
}

int docker_parse_networks(char *text, size_t len, struct docker_networks *out, struct err *err)
{
	cleanup_document struct document doc = {0};
	struct docker_networks list = {0};
	const json_t *value;
	size_t i;

	if (document_open(&doc, text, len, "network list", err) < 0)
		return -1;
	document_expect(&doc, json_is_array(doc.root), "network list");
	if (json_array_size(doc.root))
		list.items = xcalloc(json_array_size(doc.root), sizeof(*list.items));
	json_array_foreach (doc.root, i, value) {
		struct docker_network *network = &list.items[list.count++];

		document_expect(&doc, json_is_object(value), "network");
		read_network(&doc, value, network);
		if (docker_id_ok(network->record.id))
			continue;
		docker_network_clear(network);
		list.count--;
		list.refused++;
	}
	if (document_check(&doc, "network list", err) < 0) {
		docker_networks_clear(&list);
		return -1;
	}
	*out = list;
	return 0;
}

int docker_parse_network(char *text, size_t len, struct docker_network *out, struct err *err)
{
	cleanup_document struct document doc = {0};
	struct docker_network network = {0};

	if (document_open(&doc, text, len, "network", err) < 0)
		return -1;
	document_expect(&doc, json_is_object(doc.root), "network");
	read_network(&doc, doc.root, &network);
	document_expect(&doc, docker_id_ok(network.record.id), "Id");
	if (document_check(&doc, "network", err) < 0) {
		docker_network_clear(&network);
		return -1;
	}
	*out = network;
	return 0;
}

void docker_network_clear(struct docker_network *network)
{
	free(network->record.id);
	free(network->record.name);
	free(network->record.driver);
	free(network->record.bridge);
	free(network->record.subnets);
	free(network->record.shared);
	free(network->record.isolation);
	free(network->isolation_word);
	for (size_t i = 0; i < network->attachment_count; i++) {
		free(network->attachments[i].endpoint_id);
		free(network->attachments[i].container_id);
	}
	free(network->attachments);
	*network = (struct docker_network){0};
}

void docker_networks_clear(struct docker_networks *networks)
{
	for (size_t i = 0; i < networks->count; i++)
		docker_network_clear(&networks->items[i]);
	free(networks->items);
	*networks = (struct docker_networks){0};
}

/* --- the rest ----------------------------------------------------------------------------------- */

struct labels *docker_parse_image(
	char *text, size_t len, const struct label_prefixes *prefixes, struct err *err)
{
	cleanup_document struct document doc = {0};
	CLEANUP(labels) struct labels *labels = NULL;

	if (document_open(&doc, text, len, "image", err) < 0)
		return NULL;
	document_expect(&doc, json_is_object(doc.root), "image");
	labels = document_labels(
		&doc, document_object(&doc, doc.root, "Config"), "Labels", prefixes);
	return document_check(&doc, "image", err) < 0 ? NULL : steal_ptr(labels);
}

int docker_parse_version(char *text, size_t len, struct docker_version *out, struct err *err)
{
	cleanup_document struct document doc = {0};

	if (document_open(&doc, text, len, "version", err) < 0)
		return -1;
	document_expect(&doc, *document_text(&doc, doc.root, "ApiVersion"), "ApiVersion");
	if (document_check(&doc, "version", err) < 0)
		return -1;
	*out = (struct docker_version){
		.api = xstrdup(document_text(&doc, doc.root, "ApiVersion")),
		.min_api = xstrdup(document_text(&doc, doc.root, "MinAPIVersion")),
		.version = text_clean(document_text(&doc, doc.root, "Version"), RECORD_NAME_MAX),
	};
	return 0;
}

void docker_version_clear(struct docker_version *version)
{
	free(version->api);
	free(version->min_api);
	free(version->version);
	*version = (struct docker_version){0};
}

/* "Z", "+02:00" or "-04:30" as seconds east of UTC. */
static bool zone_of(const char *text, long *seconds)
{
	*seconds = 0;
	if (!strcmp(text, "Z"))
		return true;
	if (strlen(text) != strlen("+00:00") || (text[0] != '+' && text[0] != '-') ||
		strspn(text + 1, "0123456789") != 2 || text[3] != ':' ||
		strspn(text + 4, "0123456789") != 2)
		return false;
	*seconds = (strtol(text + 1, NULL, 10) * 60 + strtol(text + 4, NULL, 10)) * 60;
	if (text[0] == '-')
		*seconds = -*seconds;
	return true;
}

/* The year 2242: what later clocks show does not fit into nanoseconds, and a difference of it less so. */
#define CLOCK_SECONDS_MAX 8600000000LL

/* RFC 3339 with nanoseconds to "seconds.nanoseconds", and as a number; NULL for anything else. */
static char *since_of(const char *stamp, long long *ns)
{
	struct tm tm = {0};
	const char *rest = strptime(stamp, "%Y-%m-%dT%H:%M:%S", &tm);
	char nanoseconds[] = "000000000";
	long long seconds;
	long zone;

	if (!rest)
		return NULL;
	if (*rest == '.') {
		size_t len = strspn(++rest, "0123456789");

		memcpy(nanoseconds, rest, len < 9 ? len : 9);
		rest += len;
	}
	if (!zone_of(rest, &zone))
		return NULL;
	seconds = (long long)timegm(&tm) - zone;
	if (seconds < 0 || seconds > CLOCK_SECONDS_MAX)
		return NULL;
	*ns = seconds * 1000000000LL + strtoll(nanoseconds, NULL, 10);
	return xasprintf("%lld.%s", seconds, nanoseconds);
}

int docker_parse_info(char *text, size_t len, struct docker_info *out, struct err *err)
{
	cleanup_document struct document doc = {0};

	if (document_open(&doc, text, len, "info", err) < 0)
		return -1;
	document_expect(&doc, *document_text(&doc, doc.root, "ID"), "ID");
	if (document_check(&doc, "info", err) < 0)
		return -1;
	*out = (struct docker_info){
		.id = text_clean(document_text(&doc, doc.root, "ID"), RECORD_ID_MAX),
		.name = text_clean(document_text(&doc, doc.root, "Name"), RECORD_NAME_MAX),
	};
	out->since = since_of(document_text(&doc, doc.root, "SystemTime"), &out->clock_ns);
	return 0;
}

void docker_info_clear(struct docker_info *info)
{
	free(info->id);
	free(info->name);
	free(info->since);
	*info = (struct docker_info){0};
}

char *docker_parse_message(char *text, size_t len)
{
	cleanup_document struct document doc = {0};
	const char *message;

	if (document_open(&doc, text, len, "error", NULL) < 0)
		return NULL;
	message = document_text(&doc, doc.root, "message");
	return *message ? text_clean(message, RECORD_NAME_MAX) : NULL;
}
