# SPDX-License-Identifier: GPL-2.0-or-later
"""The leak hunt's means: senders of frames that must not arrive, counters at the receivers' own ports, and arenas: a
network with everybody in it who takes part.

A cell is an item (a kind of frame) from a sender at a receiver. Every frame carries its cell and the time at which it
was sent, so that what arrived is attributed without guessing, and to the moment in which the gap was open.
"""

import collections
import dataclasses
import json
import subprocess

from .case import root_dir, wait_until
from .engine import Outside
from .netns import Namespace
from .probe import HarnessError
from .process import call

PROXY4, PROXY6 = "published4", "published6"
CONNECT_EVERY_MS, CONNECT_LIMIT_MS = 200, 700
SERVED, PUBLISHED = 8080, {"server": 18080, "bystander": 18081}
UPLINK4, UPLINK6 = ("203.0.113.1", "203.0.113.2"), ("fd00:b0:ff::1", "fd00:b0:ff::2")

# --- what a cell needs to exist ---------------------------------------------------------------------

ROUTED = ("outside", "elsewhere")
# From there, a packet meets a router before it meets the bridge; what it does not forward cannot be sent from there.
NOT_ROUTED = {
    "a router does not forward it": (
        "udp4-broadcast udp4-subnet-broadcast udp4-multicast udp4-broadcast-to-one dhcp4-server "
        "udp4-in-broadcast udp6-in-broadcast "
        "udp6-link-local tcp6-link-local icmp6-link-local udp6-all-nodes icmp6-all-nodes dhcp6-server nd-redirect"
    ),
    "a host without that VLAN or protocol ends it": (
        "vlan vlan-priority-tag vlan-6 vlan-in-vlan vlan-dhcp4-server vlan-arp vlan-ra pppoe "
        "ethertype-88b5 ethernet-802.3"
    ),
    "Ethernet addresses end at the router": "spoofed-mac4 spoofed-mac-ip4 spoofed-mac-ip4-syn spoofed-mac-ip6",
    "ARP and neighbour discovery end at the router": (
        "spoofed-arp-reply spoofed-arp-gratuitous spoofed-arp-mac spoofed-arp-gateway "
        "spoofed-na spoofed-na-own-source spoofed-na-options spoofed-na-fragments "
        "spoofed-na-gateway spoofed-na-gw-own-source spoofed-ns "
        "ra ra-to-one ra-of-gateway ra-options ra-fragments ra-fragments-to-one"
    ),
    "the host's own address as a source is a martian": "spoofed-gateway4",
}


# A port that belongs to no container that anybody knows may lead to where routers and DHCP servers are.
UPLINKS_MAY = "ra ra-to-one ra-options dhcp4-server dhcp6-server".split()

# What is forbidden only because somebody else sends it in the victim's name: from the victim itself it must arrive, or
# its silence from the others would prove nothing.
OWNERS = (
    "spoofed-ip4 spoofed-ip4-syn spoofed-ip6 spoofed-ip6-syn "
    "spoofed-arp-reply spoofed-arp-gratuitous spoofed-na spoofed-ns"
).split()


def impossible(item: str, sender: str) -> str:
    """Why no such cell can be, or an empty string."""
    if sender == "owner":
        return "" if item in OWNERS else "it may send what is its own"
    if sender not in ROUTED:
        return ""
    return next((why for why, items in NOT_ROUTED.items() if item in items.split()), "")


def may(item: str, sender: str) -> bool:
    """Whether it is allowed, and neither must nor must not arrive."""
    return sender == "unknown" and item in UPLINKS_MAY


# --- programs ---------------------------------------------------------------------------------------


class Programs:
    def __init__(self, directory):
        source = root_dir() / "tests/e2e/probe"
        flags = "-std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -Wno-missing-field-initializers -static -o".split()
        self.frames, self.tokens = directory / "frames", directory / "tokens"
        call(["gcc", *flags, self.frames, source / "frames.c", source / "forbidden.c"])
        call(["gcc", *flags, self.tokens, source / "tokens.c"])
        self.raw_items = call([self.frames, "list"]).stdout.split()
        self.items = self.raw_items + [PROXY4, PROXY6]

    def id(self, item: str) -> int:
        return self.items.index(item)


class Running:
    """A program that runs until its stdin is closed, and then prints one JSON line."""

    def __init__(self, name: str, argv):
        self.name = name
        self.popen = subprocess.Popen(
            [str(a) for a in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def must_run(self) -> None:
        if self.popen.poll() is not None:
            raise HarnessError(f"{self.name}: exit {self.popen.returncode}: {self.popen.stderr.read().strip()}")

    def stop(self) -> dict:
        try:
            out, errors = self.popen.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            raise HarnessError(f"{self.name} does not end") from None
        if self.popen.returncode != 0:
            raise HarnessError(f"{self.name}: exit {self.popen.returncode}: {errors.strip()}")
        return json.loads(out) if out else {}


class Counter(Running):
    """Counts at a receiver's port every frame with a token, before anything in the receiver can judge it."""

    def __init__(self, programs: Programs, name: str, inside: list, dev: str = "eth0"):
        super().__init__(f"counter of {name}", inside + [programs.tokens, "count", dev])
        self._line()

    def _line(self) -> dict:
        line = self.popen.stdout.readline()
        if not line:
            self.must_run()
            raise HarnessError(f"{self.name} has ended")
        return json.loads(line)

    def _say(self, text: str) -> None:
        self.popen.stdin.write(text + "\n")
        self.popen.stdin.flush()

    def since(self, monotonic_ns: int) -> None:
        """Forgets what it has, and does not count what was sent before that time even if it arrives later."""
        self._say(f"since {monotonic_ns}")

    def report(self) -> dict:
        """Frames by (item id, sender id), and when the first 65536 of all were sent."""
        self._say("report")
        answer = self._line()
        if answer["dropped"]:
            raise HarnessError(f"{self.name} lost {answer['dropped']} frames: its count is not one")
        times = collections.defaultdict(list)
        for item, sender, sent in answer["events"]:
            times[item, sender].append(sent)
        return {
            "cells": {(item, sender): count for item, sender, count in answer["cells"]},
            "times": times,
        }


# --- who takes part ---------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Router:
    """The host as a sender beyond it sees it: where its packets go, and an address of each family to connect to."""

    mac: str
    ip: str
    ip6: str


@dataclasses.dataclass(frozen=True)
class Party:
    mac: str
    ip: str
    ip6: str
    local: str
    broadcast: str

    def __str__(self) -> str:
        return f"{self.mac},{self.ip},{self.ip6},{self.local}"


def party(inside: list, dev: str) -> Party:
    """The addresses of an interface, once IPv6 has made up its mind about them."""

    def known():
        link = json.loads(call(inside + ["ip", "-j", "address", "show", "dev", dev]).stdout)[0]
        found = {(a["family"], a["scope"]): a for a in reversed(link["addr_info"]) if not a.get("tentative")}
        wanted = [("inet", "global"), ("inet6", "global"), ("inet6", "link")]
        if not all(key in found for key in wanted):
            return None
        ip, ip6, local = (found[key]["local"] for key in wanted)
        return Party(link["address"], ip, ip6, local, found[wanted[0]].get("broadcast") or "255.255.255.255")

    return wait_until(known, 15, f"{dev} has IPv4, IPv6 and link-local addresses")


class Uplink(Outside):
    """Outside, with IPv6, and with a host between that would forward anything: what is stopped, a policy stopped."""

    def __init__(self, engine):
        super().__init__(engine, [])
        home, away = engine.namespace.prefix(), self.inside()
        call(home + ["ip", "address", "add", f"{UPLINK6[0]}/64", "dev", "bh-out", "nodad"])
        call(away + ["ip", "address", "add", f"{UPLINK6[1]}/64", "dev", "bh-in", "nodad"])
        call(away + ["ip", "-6", "route", "add", "default", "via", UPLINK6[0]])
        for dev in ("all", "default", "bh-out"):
            call(home + ["sh", "-c", f"echo 0 > /proc/sys/net/ipv4/conf/{dev}/rp_filter"])
        self.router = Router(party(home, "bh-out").mac, UPLINK4[0], UPLINK6[0])


class Stranger:
    """Somebody plugged into a network's bridge of whom the Engine knows nothing."""

    def __init__(self, engine, network, gateway: Party, number: int):
        self.name = "unknown"
        self.namespace = Namespace(f"{engine.namespace.name}-u{number}")
        self.namespace.create()
        home, away = engine.namespace.prefix(), self.inside()
        dev, bridge = f"bh-un{number}", bridge_of(network)
        call(home + ["ip", "link", "add", dev, "type", "veth", "peer", "name", "eth0", "netns", self.namespace.name])
        call(home + ["ip", "link", "set", dev, "master", bridge, "up"])
        call(away + ["ip", "link", "set", "eth0", "up"])
        for config in network.inspect()["IPAM"]["Config"]:
            prefix, length = config["Subnet"].split("/")
            # far from the low end, where the Engine hands addresses out
            address = f"{prefix}66" if ":" in prefix else prefix.rsplit(".", 2)[0] + ".66.66"
            options = ["nodad"] if ":" in prefix else ["broadcast", "+"]
            call(away + ["ip", "address", "add", f"{address}/{length}", "dev", "eth0", *options])
            call(away + ["ip", "route", "add", "default", "via", gateway.ip6 if ":" in prefix else gateway.ip])

    def inside(self) -> list:
        return self.namespace.prefix()

    def close(self) -> None:
        self.namespace.delete()


def bridge_of(network) -> str:
    return "br-" + network.id[:12]


class Arena:
    """A dual-stack network with an isolated server that clients may reach, and everybody who may not."""

    def __init__(self, engine, name: str, number: int, isolation: str):
        self.engine = engine
        self.name = name
        self.isolation = isolation
        self.offset = number * 100
        self.net = engine.network(
            name, ipv6=f"fd00:b0:{number}::/64", labels={"bulkhead.isolation": isolation}
        )
        self.server = self._run("server", {"role": "server"}, True)
        self.bystander = self._run("bystander", {}, True)
        self.client = self._run("client", {"role": "client"})
        self.victim = self._run("victim", {"role": "client"})
        self.isolated = self._run("isolated", {"role": "other"})
        self.pool = self._run("pool", {})
        for each in (self.server, self.bystander, self.client):
            each.wait_serving()
        self.gateway = party(engine.namespace.prefix(), bridge_of(self.net))
        # for the other arena, which it may reach only through the host
        self.bystander.router = Router(self.gateway.mac, self.gateway.ip, self.gateway.ip6)
        self.stranger = Stranger(engine, self.net, self.gateway, number)

    def _run(self, role: str, labels: dict, published: bool = False):
        options = ["-p", f"{self.port_of(role)}:{SERVED}"] if published else []
        return self.engine.run(f"{self.name}-{role}", self.net, labels, options=options, ready=False)

    def port_of(self, role: str) -> int:
        return PUBLISHED[role] + self.offset

    def members(self) -> list:
        return [self.server, self.bystander, self.client, self.victim, self.isolated, self.pool, self.stranger]

    def forget_neighbours(self) -> None:
        """What was spoofed while nothing was enforced."""
        for each in self.members():
            call(each.inside() + ["ip", "neigh", "flush", "all"])

    def close(self) -> None:
        self.stranger.close()


# --- senders ----------------------------------------------------------------------------------------


class Sender:
    """Sends every possible item to one receiver, on and on: frames from one program, connections from one each."""

    def __init__(self, programs: Programs, number: int, arena: Arena, name: str, source, receiver: str):
        self.programs, self.number, self.arena = programs, number, arena
        self.name, self.source, self.receiver = name, source, receiver
        self.dev = "bh-in" if name == "outside" else "eth0"
        self.target = party(getattr(arena, receiver).inside(), "eth0")
        self.is_owner = name == "owner"  # what it sends must arrive
        self.running = []

    @property
    def router(self):
        """What is between the sender and the network; None when nothing is."""
        return self.source.router if self.name in ROUTED else None

    @property
    def title(self) -> str:
        return f"{self.arena.name}:{self.name}" + ("" if self.receiver == "server" else ">")

    def items(self) -> list:
        return [item for item in self.programs.items if not impossible(item, self.name)]

    def start_connecting(self) -> None:
        """Published ports: what the host serves or translates on its own addresses."""
        if self.name == "owner":
            return
        host = self.router or self.arena.gateway
        for item, address in ((PROXY4, host.ip), (PROXY6, host.ip6)):
            words = [self.number, self.programs.id(item), address, self.arena.port_of(self.receiver)]
            words += [CONNECT_EVERY_MS, CONNECT_LIMIT_MS]
            argv = self.source.inside() + [self.programs.tokens, "connect", *words]
            self.running.append(Running(f"{item} from {self.name}", argv))

    def start_frames(self, per_second: int) -> None:
        own = party(self.source.inside(), self.dev)
        victim = party(self.arena.victim.inside(), "eth0")
        next_hop = self.router.mac if self.router else self.target.mac
        wanted = [f"{i}={self.programs.id(i)}" for i in self.items() if i in self.programs.raw_items]
        words = [self.dev, self.number, per_second, next_hop, self.target.broadcast]
        words += [own, self.target, victim, self.arena.gateway, *wanted]
        self.running.append(Running(f"frames from {self.name}", self.source.inside() + [self.programs.frames, *words]))

    def must_run(self) -> None:
        for each in self.running:
            each.must_run()

    def stop(self) -> collections.Counter:
        """Ends it; how many of each item were sent, by item id."""
        sent = collections.Counter()
        while self.running:
            sent.update({key: int(value) for key, value in self.running.pop().stop().items()})
        return sent


class Steady:
    """One socket that is used on and on: a stream of messages, or datagrams, each to be echoed."""

    def __init__(self, programs: Programs, source, target, proto: str, family: int, every_ms: int = 10):
        self.what = f"{source.name} to {target.name} {proto} IPv{family}"
        words = [proto, target.address(family), SERVED, every_ms]
        self.program = Running(f"steady {self.what}", source.inside() + [programs.tokens, "steady", *words])

    def stop(self) -> dict:
        return self.program.stop()


class Passage:
    """Counts every packet of what is allowed between a client and a server, where it leaves the one and where it comes
    to the other, in both directions: what is lost, was lost in between, however slow the machine is.

    In between are two pairs of veth. Where the kernel has no time for a packet it drops it at the far end of a pair, having
    no room in that processor's queue, and counts it as not sent at the near end: for nothing else (rules drop behind it).
    So it is known how many of those lost no rule has seen, but for other frames that went the same way."""

    def __init__(self, client, server):
        self.ends = [client.inside(), server.inside()]
        host = client.engine.namespace.prefix()
        self.links = [link for end in self.ends for link in ((end, "eth0"), (host, self._port(end, host)))]
        self.before = self._dropped()
        self._count(self.ends[0], server, "dport", "sport")
        self._count(self.ends[1], client, "sport", "dport")

    def _count(self, inside: list, peer, leaving: str, coming: str) -> None:
        """leaving, coming: which port of a packet is the served one."""
        text = ""
        for name, hook, address, port in (
            ("leaves", "postrouting", "daddr", leaving),
            ("comes", "prerouting", "saddr", coming),
        ):
            rules = "".join(
                f"{version} {address} {peer.address(family)} th {port} {SERVED} counter name {name}\n"
                for version, family in (("ip", 4), ("ip6", 6))
            )
            text += f"counter {name} {{ }}\nchain {name} {{ type filter hook {hook} priority -400\n{rules} }}\n"
        call(inside + ["nft", "-f", "-"], input=f"table inet passage {{\n{text}}}\n")

    @staticmethod
    def _port(inside: list, host: list) -> str:
        """The other end of eth0."""
        index = json.loads(call(inside + ["ip", "-j", "link", "show", "eth0"]).stdout)[0]["link_index"]
        return next(link["ifname"] for link in json.loads(call(host + ["ip", "-j", "link"]).stdout) if link["ifindex"] == index)

    def _dropped(self) -> int:
        shown = [json.loads(call(at + ["ip", "-s", "-j", "link", "show", "dev", name]).stdout)[0] for at, name in self.links]
        return sum(link["stats64"]["tx"]["dropped"] for link in shown)

    def dropped(self) -> int:
        """Packets that the kernel had no time for, between these two, since the beginning."""
        return self._dropped() - self.before

    def counts(self, inside: list) -> dict:
        listing = json.loads(call(inside + ["nft", "-j", "list", "counters", "table", "inet", "passage"]).stdout)
        counters = [item["counter"] for item in listing["nftables"] if "counter" in item]
        return {counter["name"]: counter["packets"] for counter in counters}

    def lost(self) -> tuple:
        """(packets that left, those of them that did not come), once nothing is under way any more."""

        def difference():
            client, server = (self.counts(inside) for inside in self.ends)
            sent = client["leaves"] + server["leaves"]
            return sent, sent - server["comes"] - client["comes"]

        try:
            wait_until(lambda: difference()[1] == 0, 5, "every packet has come")
        except TimeoutError:
            pass
        return difference()
