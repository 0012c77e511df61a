# SPDX-License-Identifier: GPL-2.0-or-later
"""What should be, worked out anew from the beginning and in the obvious way: records from what the Engine has, and the kernel's sets from
records, policies, isolation and operator labels. Shares nothing with the programs."""

import collections
import ipaddress
import json

PREFIX = "org.projectcalico.label."
STATES = {"running": "running", "paused": "paused"}

# --- selectors: those that the test makes ------------------------------------------------------------------

ALL = ("all",)


def selector_text(s):
    """As the programs spell it."""
    kind = s[0]
    if kind == "all":
        return "all()"
    if kind == "has":
        return f"has({s[1]})"
    if kind == "not":
        return "!" + selector_text(s[1])
    if kind in ("==", "!="):
        return f"{s[1]} {kind} '{s[2]}'"
    if kind in ("in", "not in"):
        return f"{s[1]} {kind} {{{', '.join(repr(value) for value in sorted(s[2]))}}}"
    return "(" + f" {kind} ".join(selector_text(part) for part in s[1:]) + ")"


def selects(s, labels):
    kind = s[0]
    if kind == "all":
        return True
    if kind == "has":
        return s[1] in labels
    if kind == "not":
        return not selects(s[1], labels)
    if kind == "==":
        return labels.get(s[1]) == s[2]
    if kind == "!=":
        return labels.get(s[1]) != s[2]
    if kind == "in":
        return labels.get(s[1]) in s[2]
    if kind == "not in":
        return labels.get(s[1]) not in s[2]
    parts = [selects(part, labels) for part in s[1:]]
    return all(parts) if kind == "&&" else any(parts)


# --- policies ------------------------------------------------------------------------------------------------

Rule = collections.namedtuple("Rule", "action selector protocol port")
Policy = collections.namedtuple("Policy", "order selector ingress egress")
Store = collections.namedtuple("Store", "policies isolation labels")  # name, network, container -> ...


def entity(rule, side, other):
    found = {other: {"selector": selector_text(rule.selector)}} if rule.selector else {}
    if rule.port:
        found.setdefault("destination", {})["ports"] = [rule.port]
    return {"action": rule.action, **({"protocol": rule.protocol} if rule.protocol else {}), **found}


def policy_document(name, policy):
    spec = {"selector": selector_text(policy.selector)}
    if policy.order is not None:
        spec["order"] = policy.order
    spec["types"] = [d for d in ("ingress", "egress") if getattr(policy, d) is not None]
    for direction, other in (("ingress", "source"), ("egress", "destination")):
        rules = getattr(policy, direction)
        if rules is not None:
            spec[direction] = [entity(rule, direction, other) for rule in rules]
    return {"apiVersion": "v1", "kind": "policy", "metadata": {"name": name}, "spec": spec}


def documents(policies):
    return json.dumps([policy_document(name, policy) for name, policy in sorted(policies.items())])


# --- records -------------------------------------------------------------------------------------------------


def policed(engine):
    return {n["Id"]: n for n in engine.networks.values() if n["Driver"] not in ("host", "null")}


def networks(engine):
    """What matters of each network record."""
    return {
        key: {
            "id": key,
            "name": n["Name"],
            "driver": n["Driver"],
            "bridge": n["Options"].get("com.docker.network.bridge.name"),
            "subnets": sorted(c["Subnet"] for c in n["IPAM"]["Config"]),
            "isolation": n["Labels"].get("bulkhead.isolation"),
            "shared": n["Labels"].get("bulkhead.shared"),
        }
        for key, n in policed(engine).items()
    }


def own_labels(engine, container):
    """Prefixed ones without prefix, and the keys of those that are the image's."""
    image = engine.images[container["ImageID"]]
    labels, rejected = {}, []
    for key, value in container["Labels"].items():
        if not key.startswith(PREFIX):
            continue
        if image.get(key) == value:
            rejected.append(key[len(PREFIX) :])
        else:
            labels[key[len(PREFIX) :]] = value
    return labels, sorted(rejected)


def endpoint(engine, node, network, container, found):
    name = container["Names"][0][1:]
    labels, rejected = own_labels(engine, container)
    labels["docker/container"] = name
    labels["docker/image"] = container["Image"]
    labels["docker/network"] = network["Name"]
    return {
        "id": found["EndpointID"],
        "node": node,
        "container": {"id": container["Id"], "name": name, "image": container["Image"]},
        "network": {"id": network["Id"], "name": network["Name"], "driver": network["Driver"]},
        "ipv4": found["IPv4Address"].split("/")[0] or None,
        "ipv6": found["IPv6Address"].split("/")[0] or None,
        "mac": found["MacAddress"],
        "labels": labels,
        "rejected": rejected,
        "state": STATES.get(container["State"], "starting"),
        "ports": sorted((p["Type"], p["IP"], p["PublicPort"], p["PrivatePort"]) for p in container["Ports"]),
    }


def endpoints(engine, node):
    return {
        found["EndpointID"]: endpoint(engine, node, n, engine.containers[key], found)
        for n in policed(engine).values()
        for key, found in n["Containers"].items()
    }


# --- the kernel ------------------------------------------------------------------------------------------------

LEVELS = ("off", "labelled", "strict")


def isolation_of(network, store):
    for said in (store.isolation.get(network["name"]), network["isolation"]):
        if said in LEVELS:
            return said
    return "labelled"


def effective_labels(record, store):
    return {**record["labels"], **store.labels.get(record["container"]["name"], {})}


def is_isolated(record, network, store):
    if record["network"]["driver"] != "bridge" or isolation_of(network, store) == "off":
        return False
    if isolation_of(network, store) == "strict":
        return True
    own = [key for key in effective_labels(record, store) if not key.startswith("docker/")]
    return bool(own or record["rejected"])


def in_order(policies):
    return sorted(policies.items(), key=lambda item: (item[1].order is None, item[1].order or 0, item[0]))


def rules_of(record, store, direction):
    """What the endpoint's chain has to say, in order: (policy, number, action, protocol, selector, port)."""
    labels = effective_labels(record, store)
    return tuple(
        (name, number, rule.action, rule.protocol, rule.selector and selector_text(rule.selector), rule.port)
        for name, policy in in_order(store.policies)
        if getattr(policy, direction) is not None and selects(policy.selector, labels)
        for number, rule in enumerate(getattr(policy, direction))
    )


def addresses(record):
    return [a for a in (record["ipv4"], record["ipv6"]) if a]


def family(address):
    return ipaddress.ip_address(address).version


Kernel = collections.namedtuple(
    "Kernel", "sets groups isolated owned unready known strict managed at isolated_ports endpoint_ports"
)


def kernel(networks, endpoints, store, ports):
    """ports: EndpointID -> its link."""
    k = Kernel({}, {}, set(), set(), set(), {}, {}, set(), {}, set(), set())
    selectors = selectors_of(store)
    for n in networks.values():
        if not n["bridge"] or isolation_of(n, store) == "off":
            continue
        k.managed.add(n["bridge"])
        if isolation_of(n, store) == "strict":
            k.strict[n["bridge"]] = n["name"]
            k.known[n["name"], 4], k.known[n["name"], 6] = set(), set()
    for record in endpoints.values():
        if ports.get(record["id"]):
            add_endpoint(k, record, networks[record["network"]["id"]], store, ports[record["id"]])
    used = {
        (family(address), rule[4]) for address, both in k.groups.items() for rules in both for rule in rules if rule[4]
    }
    for version, text in used:
        k.sets[version, text] = {
            a
            for record in endpoints.values()
            if ports.get(record["id"]) and selects(selectors[text], effective_labels(record, store))
            for a in addresses(record)
            if family(a) == version
        }
    return k


def selectors_of(store):
    return {
        selector_text(rule.selector): rule.selector
        for policy in store.policies.values()
        for rule in (policy.ingress or []) + (policy.egress or [])
        if rule.selector
    }


def add_endpoint(k, record, network, store, port):
    isolated = is_isolated(record, network, store)
    k.endpoint_ports.add(port)
    if isolated:
        k.isolated_ports.add(port)
    for address in addresses(record):
        k.owned.add(address)
        k.at[port, address] = record["id"]
        if isolation_of(network, store) == "strict":
            k.known[network["name"], family(address)].add(address)
        if not isolated:
            continue
        k.isolated.add(address)
        k.groups[address] = tuple(rules_of(record, store, direction) for direction in ("egress", "ingress"))
        if record["state"] == "starting":
            k.unready.add(address)


# --- what differs ------------------------------------------------------------------------------------------------


def differences(is_so, should, what):
    """Lines, for people."""
    lines = []
    for key in sorted(set(is_so) | set(should), key=repr):
        if key not in is_so:
            lines.append(f"{what} {key}: missing, should be {should[key]}")
        elif key not in should:
            lines.append(f"{what} {key}: {is_so[key]}, should not be there")
        elif is_so[key] != should[key]:
            lines.append(f"{what} {key}: {is_so[key]}, should be {should[key]}")
    return lines


def kernel_differences(is_so, should):
    lines = []
    for name in Kernel._fields:
        here, there = getattr(is_so, name), getattr(should, name)
        if isinstance(here, set):
            here, there = dict.fromkeys(here, "in"), dict.fromkeys(there, "in")
        lines += differences(here, there, f"kernel {name}")
    return lines
