# SPDX-License-Identifier: GPL-2.0-or-later
"""What nft says of the tables, as the values that truth.py works out."""

import json
import re
import subprocess

from truth import Kernel

RULE = re.compile(r"policy (\S+) (?:ingress|egress)\[(\d+)\]")


def listing(wires, family):
    done = subprocess.run(
        [*wires.prefix(), "nft", "-j", "list", "table", family, "bulkhead"], capture_output=True, text=True, timeout=30
    )
    if done.returncode:
        return None
    return json.loads(done.stdout)["nftables"]


class Table:
    def __init__(self, items):
        self.sets, self.rules = {}, {}
        for item in items:
            kind, body = next(iter(item.items()))
            if kind in ("set", "map"):
                self.sets[body["name"]] = body
            elif kind == "rule":
                self.rules.setdefault(body["chain"], []).append(body)

    def members(self, name):
        return {plain(e) for e in self.sets[name].get("elem", [])} if name in self.sets else set()

    def pairs(self, name):
        return {plain(key): value for key, value in self.sets[name].get("elem", [])} if name in self.sets else {}


def plain(element):
    if isinstance(element, dict) and "elem" in element:
        element = element["elem"]["val"]
    if isinstance(element, dict) and "concat" in element:
        return tuple(element["concat"])
    return element


def comment(element):
    return element["elem"].get("comment", "") if isinstance(element, dict) and "elem" in element else ""


def read_rule(table, body):
    """(policy, number, action, protocol, selector, port), or None: the logging half of a denial."""
    policy, number = RULE.fullmatch(body["comment"]).groups()
    protocol = selector = port = action = None
    for e in body["expr"]:
        match = e.get("match")
        if match and match["left"].get("ct", {}).get("key") == "protocol":
            protocol = match["right"]
        elif match and match["left"].get("ct", {}).get("key") == "proto-src":
            port = match["right"]
        elif match and isinstance(match["right"], str) and match["right"].startswith("@sel_"):
            selector = table.sets[match["right"][1:]]["comment"]
        elif match:
            return None
        elif "return" in e:
            action = "allow"
        elif "goto" in e:
            action = "deny"
    return (policy, int(number), action, protocol, selector, port)


def chain_rules(table, chain):
    rules = [read_rule(table, body) for body in table.rules.get(chain, []) if RULE.fullmatch(body.get("comment", ""))]
    return tuple(rule for rule in rules if rule)


def chains_by_number(table, name):
    return {number: verdict["jump"]["target"] for number, verdict in table.pairs(name).items() if "jump" in verdict}


def groups(table, version):
    egress, ingress = (chains_by_number(table, f"{way}_groups{version}") for way in ("egress", "ingress"))
    found = {}
    for address, value in table.pairs(f"groups{version}").items():
        _, out, into = value["concat"]
        found[address] = tuple(
            chain_rules(table, chains[number]) if number in chains else "no chain"
            for chains, number in ((egress, out), (ingress, into))
        )
    return found


def read(wires):
    """None where a table is missing."""
    items = listing(wires, "inet")
    bridged = listing(wires, "bridge")
    if items is None or bridged is None:
        return None
    inet, bridge = Table(items), Table(bridged)
    sets, known = {}, {}
    for name, body in inet.sets.items():
        if name.startswith("sel_"):
            sets[int(name[-1]), body["comment"]] = inet.members(name)
        elif name.startswith("known"):
            known[body["comment"].removeprefix("strict network "), int(name[5])] = inet.members(name)
    strict = {
        interface: network_of(inet, verdict["jump"]["target"]) for interface, verdict in inet.pairs("strict_in").items()
    }
    at = {plain(e): comment(e).split(" ")[0] for v in (4, 6) for e in bridge.sets[f"at{v}"].get("elem", [])}
    return Kernel(
        sets,
        {**groups(inet, 4), **groups(inet, 6)},
        both(inet, "isolated"),
        both(bridge, "owned"),
        both(inet, "unready"),
        known,
        strict,
        inet.members("managed"),
        at,
        bridge.members("isolated_ports"),
        bridge.members("endpoint_ports"),
    )


def both(table, name):
    return table.members(name + "4") | table.members(name + "6")


def network_of(table, chain):
    """The strict network whose chain this is, by the sets that it asks."""
    text = json.dumps(table.rules.get(chain, []))
    name = re.search(r"@(known[46]_\w+)", text)
    return table.sets[name.group(1)]["comment"].removeprefix("strict network ") if name else None
