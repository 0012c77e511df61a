# SPDX-License-Identifier: GPL-2.0-or-later
"""Every way to, from and between containers is judged by policy, and nothing that a network needs is broken by it.

Each cell is a way. It is asked without our rules, then with each end's policy and without it, in IPv4 and IPv6, and
without our rules again. Which answers are wanted follows from whose policies judge that way.
"""

import concurrent.futures
import dataclasses
import json
import os
import socket
import struct
import threading
import time
import unittest

import harness
from harness import Case, Engine, Stack, wait_until
from harness import docker_nft as nft
from harness.beyond import FAR, HOST, MORE, NARROW, NETS, Beyond, within
from harness.case import require
from harness.netns import Namespace
from harness.probe import ping
from harness.process import Process, call

LONG = bool(os.environ.get("BULKHEAD_LONG"))
LIMIT_MS = 1500  # of an attempt: long enough for a lost SYN to be sent again
TRIES = 5  # of what is wanted, by a machine that may be slow
AT_ONCE = 48
PORT = 8080
HOST_PORT = 9000  # the host's own server
BULK_PORT = 7000
BULK = 1 << 20
ETH_P_IPV6 = 0x86DD
FIGURES = []

NEVER, SENDER, RECEIVER = frozenset(), frozenset({"sender"}), frozenset({"receiver"})
BOTH = SENDER | RECEIVER
DOCKER = None  # Docker itself does not let it through


def setUpModule():
    require()


def tearDownModule():
    for row in FIGURES:
        print(f"figure: {row}", flush=True)


# --- policies -----------------------------------------------------------------------------------------


def rules(allows) -> str:
    lines = []
    for protocol in ("tcp", "udp", "icmp", "icmpv6"):
        ported = protocol in ("tcp", "udp")
        for end, what, ports in allows:
            families = {(":" in net) for net in what.get("nets", [])}
            if ported or families == {protocol == "icmpv6"} or "selector" in what:
                entry = {"action": "allow", "protocol": protocol, end: dict(what)}
                if ported:
                    entry.setdefault("destination", {})["ports"] = ports
                lines.append(entry)
    return json.dumps(lines)


def outside_rules(end, ports):
    return [(end, {"nets": NETS[family]}, ports) for family in (4, 6)]


def policies(gateways) -> dict:
    """The sender's says to whom, the receiver's from whom: either is there or not."""
    egress = [("destination", {"selector": "server == 'yes'"}, [PORT])]
    egress += outside_rules("destination", [PORT, BULK_PORT])
    egress += [("destination", {"nets": gateways[family]}, [HOST_PORT]) for family in (4, 6)]
    ingress = [("source", {"selector": "client == 'yes'"}, [PORT])] + outside_rules("source", [PORT, BULK_PORT])
    text = "- apiVersion: v1\n  kind: policy\n  metadata: {{name: {0}}}\n  spec: {{order: 1, selector: \"{1} == 'yes'\", {2}: {3}}}\n"
    return {
        "sender": text.format("sender", "client", "egress", rules(egress)),
        "receiver": text.format("receiver", "server", "ingress", rules(ingress)),
    }


# --- cells --------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Cell:
    name: str
    inside: list  # the sender's namespace
    targets: dict  # IP version -> address
    port: int
    judged: frozenset
    protocols: tuple = ("tcp", "udp")
    to_host: bool = False  # what --host-action is about
    answers: list = dataclasses.field(default_factory=list)

    def questions(self):
        return [(self, family, protocol) for family in self.targets for protocol in self.protocols]


@dataclasses.dataclass
class Network:
    name: str
    bridge: str
    number: str
    versions: tuple = (4, 6)
    options: tuple = ()

    def subnet(self, version) -> str:
        return f"10.66.{int(self.number, 16)}.0/24" if version == 4 else f"fd00:66:{self.number}::/64"

    def gateway(self, version) -> str:
        return f"10.66.{int(self.number, 16)}.1" if version == 4 else f"fd00:66:{self.number}::1"

    def create(self, engine):
        words = ["-o", f"com.docker.network.bridge.name={self.bridge}", *self.options]
        words += ["--subnet", self.subnet(4), "--gateway", self.gateway(4)]
        if 6 in self.versions:
            words += ["--ipv6", "--subnet", self.subnet(6), "--gateway", self.gateway(6)]
        return engine.network(self.name, options=words)


# since Engine 28 nothing from outside reaches a port that is not published, unless the network is made so; others ignore it
UNPROTECTED = tuple(word for v in (4, 6) for word in ("-o", f"com.docker.network.bridge.gateway_mode_ipv{v}=nat-unprotected"))
NEAR = Network("near", "br-near", "1", options=UNPROTECTED)
NEXT = Network("next", "br-next", "2")
FOUR = Network("four", "br-four", "4", versions=(4,))
INSIDE = Network("inside", "br-inside", "5", options=("--internal",))
APART = Network("apart", "br-apart", "6", options=("-o", "com.docker.network.bridge.enable_icc=false"))
SHUT = Network("shut", "br-shut", "7", options=("-o", "com.docker.network.bridge.enable_icc=false"))
DEFAULT = Network("bridge", "docker0", "d")
DEFAULT_SETTINGS = {"bip": "10.66.13.1/24", "ipv6": True, "fixed-cidr-v6": "fd00:66:d::/64"}
PUBLISHED = {"near-b": 18080, "four-b": 18081, "docker-b": 18084, "apart-b": 18085, "self": 18086}
LOOPBACK = 18082
BULK_PUBLISHED = 18087
CONTAINERS = (
    ("near-a", NEAR, "client"),
    ("near-b", NEAR, "server"),
    ("next-a", NEXT, "client"),
    ("four-b", FOUR, "server"),
    ("inside-a", INSIDE, "client"),
    ("inside-b", INSIDE, "server"),
    ("apart-a", APART, "client"),
    ("apart-b", APART, "server"),
    ("shut-a", SHUT, "client"),
    ("shut-b", SHUT, "server"),
    ("docker-a", DEFAULT, "client"),
    ("docker-b", DEFAULT, "server"),
    ("self", NEAR, "client server"),
)


class World:
    """An Engine with its networks, containers, and what lies beyond; no rules of ours."""

    def __init__(self, case, settings, names, own_firewall: bool):
        self.engine = case.enterClassContext(Engine(settings=settings))
        self.home = self.engine.namespace.prefix()
        self.beyond = Beyond(self.engine)
        case.addClassCleanup(self.beyond.close)
        self.containers = [entry for entry in CONTAINERS if entry[0] in names]
        self.networks = list({network.name: network for _, network, _ in self.containers}.values())
        self.proxy = settings.get("userland-proxy", True)
        self.own_firewall = own_firewall
        made = {network.name: network.create(self.engine) for network in self.networks if network is not DEFAULT}
        if DEFAULT in self.networks:
            made["bridge"] = harness.Network(self.engine, "bridge")
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            started = list(pool.map(lambda entry: self._run(entry, made), self.containers))
        for container in started:
            container.wait_serving()
        self.made = {container.name: container for container in started}
        self.insides = {name: container.inside() for name, container in self.made.items()}
        own = Process("host", self.home + [self.engine.probe, "serve", HOST_PORT], self.engine.directory / "host.log")
        own.start()
        case.addClassCleanup(own.stop)
        self._let_through() if own_firewall else self._stand_in()

    def _run(self, entry, made):
        name, network, roles = entry
        options = []
        if name in PUBLISHED:
            options += self._publish(f"{PUBLISHED[name]}:{PORT}")
        if name == "near-b":
            for address in loopback(self.proxy).values():
                options += self._publish(f"{f'[{address}]' if ':' in address else address}:{LOOPBACK}:{PORT}")
            options += ["-p", f"{BULK_PUBLISHED}:{BULK_PORT}"]
        return self.engine.run(name, made[network.name], {role: "yes" for role in roles.split()}, options=options, ready=False)

    @staticmethod
    def _publish(what) -> list:
        return [word for protocol in ("tcp", "udp") for word in ("-p", f"{what}/{protocol}")]

    def _let_through(self):
        """Between bridges, from outside, and within one of the networks without ICC: what Docker would not, by the rule
        that an operator would make. Ours decide."""
        answers = "-i br-near -o br-next -m conntrack --ctstate ESTABLISHED,RELATED"
        pairs = ("-i bh-out", "-i br-next -o br-near", answers, "-i br-apart -o br-apart")
        # Engine 20.10 has DOCKER-USER for IPv4 only, and drops neighbour discovery within an internal network
        discovery = ("-i br-inside -o br-inside -p ipv6-icmp",)
        for program, chain, more in (("iptables", "DOCKER-USER", ()), ("ip6tables", "FORWARD", discovery)):
            for pair in pairs + more:
                call(self.home + [program, "-I", chain, *pair.split(), "-j", "ACCEPT"])

    def _stand_in(self):
        bridges = []
        for network in self.networks:
            own = [name for name, where, _ in self.containers if where is network and name in PUBLISHED]
            bridge = nft.Bridge(
                network.bridge,
                {version: network.subnet(version) for version in network.versions},
                icc=network is not SHUT and network is not APART,
                internal=network is INSIDE,
                unprotected=network is NEAR,
                published=[nft.Published(self.of(name), PUBLISHED[name], PORT) for name in own],
            )
            if network is NEAR:
                bridge.published.append(nft.Published(self.of("near-b"), LOOPBACK, PORT, host=loopback(self.proxy)))
                bridge.published.append(nft.Published(self.of("near-b"), BULK_PUBLISHED, BULK_PORT, ("tcp",)))
            bridges.append(bridge)
        for version in (4, 6):
            call(self.home + ["nft", "-f", "-"], input=nft.table(bridges, version, self.proxy))

    def of(self, name) -> dict:
        network = next(network for other, network, _ in self.containers if other == name)
        return {version: self.made[name].address(version) for version in network.versions}

    def gateways(self) -> dict:
        return {v: [HOST[v], *(n.gateway(v) for n in self.networks if v in n.versions)] for v in (4, 6)}


def direct_cells(w) -> list:
    """Without any published port."""
    near_a, near_b, home, far = w.insides["near-a"], w.of("near-b"), w.home, w.beyond.inside()
    kinds = ("tcp", "udp", "ping")
    cells = [
        Cell("same bridge", near_a, near_b, PORT, BOTH, kinds),
        Cell("between bridges", w.insides["next-a"], near_b, PORT, BOTH, kinds),
        Cell("to outside", near_a, FAR, PORT, SENDER, kinds),
        Cell("from outside", far, near_b, PORT, RECEIVER, kinds),
        Cell("container to its bridge's address", near_a, gateway(NEAR), HOST_PORT, SENDER, to_host=True),
        Cell("container to the host's other address", near_a, HOST, HOST_PORT, SENDER, ("tcp",), to_host=True),
        Cell("host to container", home, near_b, PORT, NEVER, kinds),
    ]
    if "docker-a" in w.insides:
        cells += [
            Cell("docker0: same bridge", w.insides["docker-a"], w.of("docker-b"), PORT, BOTH, kinds),
            Cell("docker0: to outside", w.insides["docker-a"], FAR, PORT, SENDER),
            Cell("docker0: container to host", w.insides["docker-a"], gateway(DEFAULT), HOST_PORT, SENDER, to_host=True),
            Cell("docker0: host to container", home, w.of("docker-b"), PORT, NEVER),
        ]
    if "inside-a" in w.insides:
        cells += [
            Cell("internal: same bridge", w.insides["inside-a"], w.of("inside-b"), PORT, BOTH, kinds),
            Cell("internal: container to host", w.insides["inside-a"], gateway(INSIDE), HOST_PORT, SENDER, to_host=True),
            Cell("internal: host to container", home, w.of("inside-b"), PORT, NEVER),
            Cell("internal: from outside", far, w.of("inside-b"), PORT, DOCKER),
        ]
    return cells


def gateway(network) -> dict:
    return {version: network.gateway(version) for version in network.versions}


def published_cells(w) -> list:
    near_a, next_a, home, far = w.insides["near-a"], w.insides["next-a"], w.home, w.beyond.inside()
    port, four = PUBLISHED["near-b"], PUBLISHED["four-b"]
    way = "docker-proxy" if w.proxy else "hairpin"
    cells = [
        Cell("published, DNAT: from outside", far, HOST, port, RECEIVER),
        from_another_bridge(w, next_a, port),
        Cell(f"published, {way}: same bridge by its address", near_a, gateway(NEAR), port, BOTH),
        # the answer of docker-proxy to a datagram comes from the bridge's address, which is not the one that was asked
        Cell(f"published, {way}: same bridge by the host's address", near_a, HOST, port, BOTH, ("tcp",) if w.proxy else ("tcp", "udp")),
        Cell("published: host by its own address", home, HOST, port, NEVER, ("tcp",)),
        Cell("published on loopback: host", home, loopback(w.proxy), LOOPBACK, NEVER),
    ]
    if w.proxy:
        cells += [
            Cell("published, docker-proxy: outside IPv6 to an IPv4 container", far, {6: HOST[6]}, four, RECEIVER),
            Cell("published, docker-proxy: another bridge's IPv6 to an IPv4 container", next_a, {6: NEXT.gateway(6)}, four, BOTH),
        ]
    if "docker-b" in w.insides:
        cells.append(Cell("docker0: published, DNAT: from outside", far, HOST, PUBLISHED["docker-b"], RECEIVER))
        cells.append(Cell(f"docker0: published, {way}: same bridge", w.insides["docker-a"], gateway(DEFAULT), PUBLISHED["docker-b"], BOTH))
    if "self" in w.insides:
        cells.append(Cell(f"published, {way}: container to itself", w.insides["self"], gateway(NEAR), PUBLISHED["self"], BOTH))
    return cells


def loopback(proxy: bool) -> dict:
    """Only docker-proxy can serve ::1: the kernel routes nothing that comes from it."""
    return {4: "127.0.0.1", 6: "::1"} if proxy else {4: "127.0.0.1"}


def from_another_bridge(w, inside, port):
    """DNAT, but not where Docker's iptables rules leave it to docker-proxy; which answers datagrams by the next address."""
    if w.proxy and w.own_firewall:
        return Cell("published, docker-proxy: from another bridge", inside, gateway(NEXT), port, BOTH)
    return Cell("published, DNAT: from another bridge", inside, HOST, port, BOTH)


def apart_cells(w, let_through: bool) -> list:
    """ICC off: Docker lets nothing through from one to the other but by published ports."""
    cells = [
        Cell("ICC off: same bridge", w.insides["shut-a"], w.of("shut-b"), PORT, DOCKER),
        Cell("ICC off: docker-proxy on the same bridge", w.insides["apart-a"], gateway(APART), PUBLISHED["apart-b"], BOTH),
        Cell("ICC off: published, DNAT: from outside", w.beyond.inside(), HOST, PUBLISHED["apart-b"], RECEIVER),
        Cell("ICC off: container to outside", w.insides["shut-a"], FAR, PORT, SENDER),
    ]
    if let_through:
        cells.append(Cell("ICC off, with a rule that lets it through", w.insides["apart-a"], w.of("apart-b"), PORT, BOTH))
    return cells


# --- what keeps a network alive -----------------------------------------------------------------------


def bulk(connect, accept_path: str, connect_path: str, bind, family: int, source=None):
    """A connection to connect = (address, port) from one namespace to a listener at bind in another: (caller, called)."""
    kind = socket.AF_INET6 if family == 6 else socket.AF_INET
    with within(accept_path, lambda: socket.create_server(bind, family=kind)) as listener:
        listener.settimeout(20)
        caller = within(connect_path, lambda: socket.create_connection(connect, 20, (source, 0) if source else None))
        called, _ = listener.accept()
    return caller, called


def poured(sender, receiver, bound: float = 30) -> int:
    """How many of BULK bytes come through within the bound; both ends are closed."""

    def pour():
        with sender:
            sender.settimeout(bound)
            try:
                sender.sendall(bytes(BULK))
                sender.shutdown(socket.SHUT_WR)
                sender.recv(1)  # until the other end has closed: its last acknowledgement is not lost
            except OSError:
                pass  # the receiver counts

    thread = threading.Thread(target=pour, daemon=True)
    thread.start()
    count, end = 0, time.monotonic() + bound
    with receiver:
        receiver.settimeout(bound)
        try:
            while time.monotonic() < end and (data := receiver.recv(1 << 16)):
                count += len(data)
        except TimeoutError:
            pass
    thread.join(bound)
    return count


def checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def advertisement(hop_limit: int) -> bytes:
    """A frame: a router advertisement to all nodes that announces no router but a hop limit for all to use."""
    source, target = (socket.inet_pton(socket.AF_INET6, text) for text in ("fe80::5:6:7:8", "ff02::1"))
    body = struct.pack("!BBHBBHII", 134, 0, 0, hop_limit, 0, 0, 0, 0)
    pseudo = source + target + struct.pack("!II", len(body), 58)
    body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
    header = struct.pack("!IHBB", 6 << 28, len(body), 58, 255)
    return bytes.fromhex("333300000001" "020005060708") + struct.pack("!H", ETH_P_IPV6) + header + source + target + body


class Alive:
    """Path MTU discovery, neighbour discovery and router advertisements in a World, with or without rules of ours."""

    def __init__(self, case):
        self.case, self.world = case, case.world
        self.numbers = {4: iter(MORE[4]), 6: iter(MORE[6])}
        self.hop_limits = iter(range(71, 100))
        self._uplink()
        for name in ("near-a", "near-b"):
            # as an Engine leaves it on some hosts; what is under test is whether it arrives
            call(self.world.insides[name] + ["sh", "-c", "echo 2 > /proc/sys/net/ipv6/conf/eth0/accept_ra"])

    def _uplink(self):
        """A port of the bridge that is no container's: a host's own interface, say."""
        self.segment = Namespace(f"{self.world.engine.namespace.name}-u")
        self.segment.create()
        self.case.addCleanup(self.segment.delete)
        for words in (f"add bh-up type veth peer name bh-seg netns {self.segment.name}", "set bh-up master br-near", "set bh-up up"):
            call(self.world.home + ["ip", "link", *words.split()])
        call(self.segment.prefix() + ["ip", "link", "set", "bh-seg", "up"])

    def path(self, name) -> str:
        return f"/proc/{self.world.made[name].inspect()['State']['Pid']}/ns/net"

    def check(self, phase: str):
        for family in (4, 6):
            self._mtu(phase, family)
        self._neighbours(phase)
        self._advertisements(phase)

    def _mtu(self, phase, family):
        far, any_address = self.world.beyond.far.path, "::" if family == 6 else ""
        near_b = self.world.of("near-b")[family]

        def sent(address):
            called = bulk((address, BULK_PORT), far, self.path("near-a"), (address, BULK_PORT), family)
            return "near-a", called[0], called[1]

        def fetched(address, to):
            caller, called = bulk(to, self.path("near-b"), far, (any_address, BULK_PORT), family, address)
            return "near-b", called, caller

        ways = {
            "sent to outside": sent,
            "fetched from outside": lambda address: fetched(address, (near_b, BULK_PORT)),
            "fetched through a published port": lambda address: fetched(address, (HOST[family], BULK_PUBLISHED)),
        }
        for what, way in ways.items():
            address = next(self.numbers[family])
            with self.case.subTest(phase=phase, what=what, family=family):
                name, sender, receiver = way(address)
                count = poured(sender, receiver)
                learnt = call(self.world.insides[name] + ["ip", "route", "get", address]).stdout
                told = f"{count} of {BULK} bytes, MTU {'learnt' if f'mtu {NARROW}' in learnt else 'not learnt'}"
                FIGURES.append(f"path MTU, {self.case.backend}, {phase}: IPv{family} {what}: {told}")
                self.case.assertEqual(count, BULK, f"{phase}: IPv{family} {what}")
                self.case.assertIn(f"mtu {NARROW}", learnt, f"{phase}: IPv{family} {what}")

    def _neighbours(self, phase):
        near_a, near_b = self.world.insides["near-a"], self.world.of("near-b")
        for family in (4, 6):
            with self.case.subTest(phase=phase, what="neighbour discovery", family=family):
                cell = Cell("neighbour discovery", near_a, near_b, PORT, BOTH)
                for inside in (near_a, self.world.insides["near-b"], self.world.home):
                    call(inside + ["ip", f"-{family}", "neigh", "flush", "all"])
                self.case.assertNotIn("lladdr", self._neighbour(near_a, near_b[family]))
                self.case.assertTrue(self.case.attempt(cell, family, "tcp", True))
                self.case.assertIn("lladdr", self._neighbour(near_a, near_b[family]))
                FIGURES.append(f"neighbours, {self.case.backend}, {phase}: IPv{family} found again after a flush")

    @staticmethod
    def _neighbour(inside, address) -> str:
        return call(inside + ["ip", "neigh", "show", address]).stdout

    def _advertisements(self, phase):
        for what, path, device in (
            ("the host", self.world.engine.namespace.path, "br-near"),
            ("an uplink", self.segment.path, "bh-seg"),
        ):
            hop_limit = next(self.hop_limits)
            with self.case.subTest(phase=phase, what=f"router advertisement from {what}"):
                with within(path, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)) as raw:
                    raw.bind((device, ETH_P_IPV6))
                    raw.send(advertisement(hop_limit))
                for name in ("near-a", "near-b"):
                    inside = self.world.insides[name]
                    wait_until(
                        lambda by=inside: call(by + ["cat", "/proc/sys/net/ipv6/conf/eth0/hop_limit"]).stdout.strip() == str(hop_limit),
                        10,
                        f"{name} follows the advertisement of {what}",
                    )
                FIGURES.append(f"router advertisement, {self.case.backend}, {phase}: from {what}: 2 of 2 containers follow it")


# --- tests --------------------------------------------------------------------------------------------


class Paths:
    """What is the same with each of Docker's firewalls."""

    settings = {}
    backend = ""
    names = ()
    own_firewall = True  # Docker makes its rules itself
    host_drop = False
    keeps_alive = False  # whether path MTU, neighbours and advertisements are looked at as well

    @classmethod
    def setUpClass(cls):
        cls.world = World(cls, cls.settings, cls.names, cls.own_firewall)
        cls.engine = cls.world.engine

    def cells(self) -> list:
        return direct_cells(self.world) + published_cells(self.world)

    # --- asking

    def attempt(self, cell, family, protocol, wanted):
        """Whether it was answered, or what came instead of silence; what is wanted is asked for again."""
        address = cell.targets[family]
        if protocol == "ping":
            return any(ping(cell.inside, address) for _ in range(TRIES if wanted else 1))
        for _ in range(TRIES if wanted else 1):
            done = call(cell.inside + [self.engine.probe, protocol, address, cell.port, LIMIT_MS], check=False)
            told = json.loads(done.stdout)
            if told["ok"]:
                return True
            if not wanted and told["why"] not in ("timeout", "No route to host"):
                return told["why"]
        return False

    def ask(self, phase: str, allowed, host_drop: bool = False):
        """allowed: whose policies are in force; None without our rules."""
        asked = [question for cell in self.table for question in cell.questions() if LONG or question[2] != "ping"]
        wanted = [self.wanted(cell, allowed, host_drop) for cell, _, _ in asked]
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            got = list(pool.map(lambda each: self.attempt(*each[0], each[1]), zip(asked, wanted)))
        for (cell, family, protocol), want, answer in zip(asked, wanted, got):
            cell.answers.append((phase, family, protocol, want, answer))
            with self.subTest(phase=phase, cell=cell.name, family=family, protocol=protocol):
                self.assertEqual(answer, want, f"{self.backend}: {cell.name}: IPv{family} {protocol}, {phase}")

    @staticmethod
    def wanted(cell, allowed, host_drop: bool) -> bool:
        if cell.judged is DOCKER:
            return False
        if host_drop and cell.to_host:
            return False
        return allowed is None or cell.judged <= allowed

    def report(self):
        for cell in self.table:
            parts = []
            for family in cell.targets:
                told = [each for each in cell.answers if each[1] == family]
                ours = [each for each in told if each[0] != "without our rules"]
                parts.append(f"IPv{family} {self.score(told, ours)}")
            kinds = ", ".join(dict.fromkeys(each[2] for each in cell.answers))
            FIGURES.append(f"path, {self.backend}: {cell.name} ({kinds}): {'; '.join(parts)}")

    @staticmethod
    def score(told, ours) -> str:
        def right(some, want):
            some = [each for each in some if each[3] == want]
            return f"{sum(each[4] == want for each in some)} of {len(some)}"

        free = [each for each in told if each not in ours]
        answered = f"{sum(each[4] is True for each in free)} of {len(free)}"
        return f"allowed {right(ours, True)}, denied {right(ours, False)}, without rules {answered} answered"

    # --- the table

    def apply(self, *ends):
        for end in ("sender", "receiver"):
            if end in ends:
                self.stack.apply(self.texts[end])
            else:
                self.stack.ctl("delete", "policy", end, check=False)
        self.settle()

    def settle(self):
        self.stack.wait_in_force(60)
        # endpoints of a store that is read before its syncd is known to be alive are bound a little later
        wait_until(lambda: self.stack.status().get("problems") == "[]", 30, lambda: self.stack.status().get("problems"))

    def test_every_path(self):
        self.table = self.cells()
        self.addCleanup(self.report)
        self.texts = policies(self.world.gateways())
        self.stack = Stack(self.engine)
        self.witnesses = (self.engine, self.stack)
        self.ask("without our rules", None)
        if self.keeps_alive:
            alive = Alive(self)
            alive.check("without our rules")
        with self.stack:
            self.settle()
            self.ask("no policy", NEVER)
            for end in ("sender", "receiver"):
                self.apply(end)
                self.ask(f"the {end}'s policy", frozenset({end}))
            self.apply("sender", "receiver")
            self.ask("both policies", BOTH)
            if self.keeps_alive:
                alive.check("both policies")
            if self.host_drop:
                self.stack.enforcerd.stop()
                self.stack.enforcerd.argv += ["--host-action", "drop"]
                self.stack.start_enforcerd()
                self.settle()
                self.ask("both policies, host action drop", BOTH, host_drop=True)
        self.ask("without our rules", None)


class Iptables(Paths, Case):
    settings = {"experimental": True, "ip6tables": True, **DEFAULT_SETTINGS}
    backend = "iptables"
    names = tuple(name for name, _, _ in CONTAINERS if name != "self")
    host_drop = True
    keeps_alive = True

    def cells(self):
        return super().cells() + apart_cells(self.world, True)


class Hairpin(Paths, Case):
    settings = {"experimental": True, "ip6tables": True, "userland-proxy": False}
    backend = "iptables, no userland proxy"
    names = ("near-a", "near-b", "next-a", "self")


class Nftables(Paths, Case):
    settings = {"iptables": False, **DEFAULT_SETTINGS}
    backend = "nftables layout"
    names = Iptables.names if LONG else ("near-a", "near-b", "next-a", "four-b", "docker-a", "docker-b")
    own_firewall = False
    host_drop = LONG
    keeps_alive = LONG

    def cells(self):
        return super().cells() + (apart_cells(self.world, False) if "shut-a" in self.names else [])


if LONG:

    class NftablesHairpin(Paths, Case):
        settings = {"iptables": False, "userland-proxy": False}
        backend = "nftables layout, no userland proxy"
        names = Hairpin.names
        own_firewall = False


if __name__ == "__main__":
    unittest.main()
