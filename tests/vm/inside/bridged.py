# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests in the machine share: containers, policies, flows, modules, and the questions that are asked of them."""

import contextlib
import datetime
import functools
import pathlib
import re
import time

from flows import Flows, Record, serve
from harness import Case, Engine, Outside, Stack, wait_until
from harness import probe
from harness.process import call

# An emulated processor is slow: seconds more are no failure here, where nothing is timed by it.
probe.LIMIT_MS = 3000
probe.EVERY_MS = 250

SUBNETS6 = {"net1": "fd00:b0:1::/64", "net2": "fd00:b0:2::/64"}
# the host's address for the outside; a published port that is allowed, and one that is not
OUTER, DOOR, WALL = "203.0.113.1", 18080, 15432

# The client may open some ports of the server, the server any of the client's: so a flow that is seen the wrong way round is
# one that would be allowed. But not from some of its ports: so there are those that would be denied as well.
POLICIES = """\
apiVersion: v1
kind: policy
metadata: {name: server}
spec:
  selector: role == 'server'
  ingress:
  - {action: allow, protocol: tcp, source: {selector: role == 'client'}, destination: {ports: [3306, 7001, 7002]}}
  - {action: allow, protocol: udp, source: {selector: role == 'client'}, destination: {ports: [53, 7003]}}
  - {action: allow, protocol: tcp, source: {nets: [203.0.113.0/24]}, destination: {ports: [8080]}}
  egress:
  - action: allow
---
apiVersion: v1
kind: policy
metadata: {name: client}
spec:
  selector: role == 'client'
  ingress:
  - {action: deny, protocol: tcp, source: {selector: role == 'server', ports: [7016]}}
  - {action: deny, protocol: udp, source: {selector: role == 'server', ports: [7014]}}
  - {action: allow, source: {selector: role == 'server'}}
  egress:
  - {action: allow, destination: {selector: role == 'server'}}
"""
# The same with the forbidden flows allowed.
WIDE = POLICIES.replace("7001, 7002]}}", "7001, 7002, 7011, 7012, 7016]}}").replace("53, 7003", "53, 7003, 7013, 7014")
ALLOWED = ("push/tcp/7001", "echo/tcp/7002", "echo/udp/7003")
GAP_BOUND = 2  # seconds
WATCHED = 15  # messages of an allowed flow while which a forbidden one must be silent: three seconds
FORBIDDEN = ("push/tcp/7011", "echo/tcp/7012", "echo/udp/7013", "push/udp/7014", "push/tcp/7016")
# What is told by whom a flow was opened is told when its packets have been seen: so long a forbidden one may go on that was
# live before our rules were there.
LOOKED = 1.0  # seconds from the commit
REPAIR = re.compile(r"^(\S+) warn  kernel: table \S+ was changed by (.*?): put right", re.M)
LOOK = re.compile(r"(\d+) condemned, (\d+) turned round, (\d+) forgotten")
TOLD = re.compile(r"^(\S+) debug (?:kernel: committed|ports: endpoint \S+ is (at port))", re.M)


# --- modules ----------------------------------------------------------------------------------------


def loaded(module: str) -> bool:
    return pathlib.Path(f"/sys/module/{module}").exists()


def load(module: str) -> None:
    """By its name, even when it is forbidden."""
    call(["modprobe", "--ignore-install", module])


def unload(module: str) -> None:
    if loaded(module):
        call(["modprobe", "--ignore-remove", "-r", module])


def forbid(module: str) -> pathlib.Path:
    """Nobody gets it by its name from now on, as on a kernel without it; unlinking the file that is returned ends that."""
    path = pathlib.Path(f"/etc/modprobe.d/{module}.conf")
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"install {module} /bin/false\n")
    return path


def dropped_by_machine() -> int:
    """Packets that the kernel had no time for, before any rule saw them."""
    lines = pathlib.Path("/proc/net/softnet_stat").read_text().splitlines()
    return sum(int(line.split()[1], 16) for line in lines)


# --- containers -------------------------------------------------------------------------------------


class World:
    """An Engine with a server and a client in one network; a client in another, and somebody outside, once they are asked
    for. One for a whole module: here a container takes ten seconds to start."""

    def __init__(self, enter):
        """enter: a function that enters a context for as long as the world shall last."""
        self.enter = enter
        self.engine = enter(Engine())
        self.net = self.engine.network("net1", ipv6=SUBNETS6["net1"])
        published = ("-p", f"{DOOR}:8080", "-p", f"{WALL}:5432")
        self.server = self.engine.run("server", self.net, {"role": "server"}, options=published)
        self.client = self.engine.run("client", self.net, {"role": "client"})
        live = serve(self.server, ALLOWED + FORBIDDEN, self.engine.directory)
        enter(contextlib.ExitStack()).callback(live.stop)

    @functools.cached_property
    def far(self):
        network = self.engine.network("net2", ipv6=SUBNETS6["net2"])
        # the Engine keeps bridges apart, but for those whose operator says otherwise
        call([*self.engine.namespace.prefix(), "iptables", "-I", "DOCKER-USER", "-j", "ACCEPT"])
        return self.engine.run("client-2", network, {"role": "client"})

    @functools.cached_property
    def other(self):
        return self.engine.run("other", self.net, {"role": "other"}, ready=False)

    @functools.cached_property
    def outside(self):
        return self.enter(contextlib.closing(Outside(self.engine, ["198.51.100.7"])))

    def flows(self, specs, family: int = 4) -> Flows:
        return Flows(self.client, self.server.address(family), specs, self.engine.directory)


def same_bridge_rows(client, server) -> list:
    there = [("tcp/3306", True), ("udp/53", True), ("tcp/5432", False), ("udp/3306", False), ("ping", False)]
    back = [("tcp/5432", True), ("udp/5432", True), ("ping", True)]
    return [(client, server, *row) for row in there] + [(server, client, *row) for row in back]


def unix(stamp: str) -> float:
    return datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


class Bridged(Case):
    """A test with a world; its own programs, unless it starts them itself."""

    world = None

    def setUp(self):
        self.engine, self.server, self.client = self.world.engine, self.world.server, self.world.client
        self.stack = Stack(self.engine)
        self.witnesses = (self.engine, self.stack)
        self.addCleanup(self.stack.clear)
        self.addCleanup(self.stack.stop)

    def start(self, policies: str = POLICIES) -> None:
        self.begin(policies)
        self.stack.wait_in_force(60)

    def begin(self, policies: str = POLICIES) -> None:
        """Starts it all, and waits for nothing."""
        self.stack.start_redis()
        self.stack.apply(policies, "create")
        self.stack.start_syncd()
        self.stack.start_enforcerd()

    def committed(self, since: float) -> float:
        """When the kernel had the policies that were applied since then, for endpoints at their ports: the first commit
        that enforcerd tells of after these. 0 if there is none."""
        at = 0.0
        for stamp, at_port in TOLD.findall(self.log()):
            if at_port:
                at = 0.0
            elif not at and unix(stamp) >= since:
                at = unix(stamp)
        return at

    def repairs(self) -> list:
        """When enforcerd put a table right, and whom it named."""
        return [(unix(stamp), who) for stamp, who in REPAIR.findall(self.log())]

    def log(self) -> str:
        return self.stack.enforcerd.log.read_text(errors="replace")

    def figure(self, text: str) -> None:
        print(f"figure: {text}", flush=True)

    # --- what is asked --------------------------------------------------------------------------------

    def across_rows(self) -> list:
        there = [("tcp/3306", True), ("udp/53", True), ("tcp/5432", False), ("ping", False)]
        back = [("tcp/5432", True)]
        return [(self.world.far, self.server, *row) for row in there] + [(self.server, self.world.far, *row) for row in back]

    def expect_same_bridge(self) -> None:
        for family in (4, 6):
            self.expect(self.engine, same_bridge_rows(self.client, self.server), family)

    def expect_other_paths(self) -> None:
        """Between bridges, and from outside to a published port."""
        for family in (4, 6):
            self.expect(self.engine, self.across_rows(), family)
        for port, wanted in ((DOOR, True), (WALL, False)):
            with self.subTest(published=port):
                got = probe.attempt(self.engine.probe, self.world.outside.inside(), "tcp", OUTER, port)
                self.assertEqual(got.ok, wanted, got.why)

    def expect_mode(self, mode: str) -> None:
        self.assertEqual(self.stack.status().get("bridge"), mode)

    # --- live flows -----------------------------------------------------------------------------------

    def open_flows(self, specs) -> dict:
        """family -> Flows, on all of which messages come."""
        self.dropped = dropped_by_machine()
        flows = {family: self.world.flows(specs, family) for family in (4, 6)}
        for each in flows.values():
            self.addCleanup(each.close)
        for each in flows.values():
            each.progress()
        return flows

    def expect_unharmed(self, flows: dict, what: str, since: float, until: float) -> None:
        """Every question asked between the two was answered, and no flow was away for long while others were not: the
        emulated processor itself may stall for many seconds."""
        dropped = dropped_by_machine() - self.dropped
        records = {family: each.records() for family, each in flows.items()}
        everything = Record(got=dict(enumerate(t for each in records.values() for r in each.values() for t in r.got.values())))
        stall = everything.gap(since, until)
        for family, each in records.items():
            for spec, record in each.items():
                if spec not in ALLOWED:
                    continue
                lost, gap = record.lost(since, until), record.gap(since, until)
                away = f"longest gap {gap * 1e3:.0f} ms of {stall * 1e3:.0f} for all, in {until - since:.1f} s"
                self.figure(f"{what}: {spec} IPv{family}: lost {lost}, {away}")
                with self.subTest(spec=spec, family=family):
                    self.assertEqual(record.over, "")
                    self.assertLessEqual(lost, dropped)
                    self.assertLess(gap - stall, GAP_BOUND)

    def expect_stopped(self, flows: dict, what: str, committed: float) -> None:
        """No message on a forbidden flow once its policy was in the kernel and packets had been looked at."""
        for family, each in flows.items():
            for spec, record in each.records().items():
                if spec not in FORBIDDEN:
                    continue
                last = max(record.got.values()) - committed
                self.figure(f"{what}: {spec} IPv{family}: last message {last * 1e3:+.0f} ms after the commit")
                with self.subTest(spec=spec, family=family):
                    self.assertLess(last, LOOKED)

    def watch(self, flows: dict, what: str, since: float) -> None:
        """The policy being in force, nothing comes on a forbidden flow; nothing is lost on an allowed one."""
        wait_until(lambda: self.committed(since), 30, "a commit")
        for each in flows.values():
            each.progress(ALLOWED, messages=WATCHED)
        looks = [sum(map(int, column)) for column in zip(*LOOK.findall(self.log()))] or [0, 0, 0]
        self.figure(f"{what}: of flows picked up midway {looks[0]} condemned, {looks[1]} turned round, {looks[2]} forgotten")
        self.expect_stopped(flows, what, self.committed(since))
        self.expect_unharmed(flows, what, since, time.time() - 0.5)

    def knock(self) -> tuple:
        """Forbidden attempts that go on, and the counters of what arrives of them."""
        forbidden = [("tcp", 5432, 4), ("udp", 3306, 4), ("tcp", 5432, 6), ("udp", 3306, 6)]
        seen = [self.server.arrivals(self.client, *each) for each in forbidden]
        for each in seen:
            self.addCleanup(each.close)
        knocking = [self.client.flow(self.server, *each) for each in forbidden]
        wait_until(lambda: all(len(k.so_far()) >= 5 for k in knocking), 30, "forbidden attempts are under way")
        return knocking, seen

    def expect_nothing_happens(self, action, what: str) -> None:
        """Runs action() under live allowed flows and forbidden attempts: nothing lost, nothing arrived."""
        flows = self.open_flows(ALLOWED)
        knocking, seen = self.knock()
        since = time.time()
        action()
        for each in flows.values():
            each.progress(messages=15)
        until = time.time() - 0.5
        attempts = [each.stop() for each in knocking]
        arrived = [each.count() for each in seen]
        self.figure(f"{what}: of {sum(map(len, attempts))} forbidden attempts {sum(arrived)} packets arrived")
        self.expect_unharmed(flows, what, since, until)
        self.assertFalse([each for flow in attempts for each in flow if each.ok])
        self.assertEqual(arrived, [0] * len(arrived))
