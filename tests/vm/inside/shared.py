# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests that hold whether br_netfilter is there or not: each scenario has them as its own."""

import contextlib
import platform
import threading
import time

from bridged import ALLOWED, FORBIDDEN, POLICIES, SUBNETS6, WATCHED, WIDE, Bridged, forbid, load, same_bridge_rows, unload
from frames import Frames
from harness import Engine, Stack, wait_until
from harness.process import call

LATE = 7.0  # seconds
REPAIRED = 1.0  # seconds
RARELY = 20.0  # seconds after which a flow that spoke late has been looked at
SILENT = 4.0  # seconds: longer than TCP waits before it speaks again
FLUSHES = 10
DELETE_OURS = "delete table bridge bulkhead\ndelete table inet bulkhead\n"
OWNED = (6, 9)  # from this version on nobody else may touch our tables


def quick(test):
    """Also without BULKHEAD_LONG."""
    test.quick = True
    return test


def kernel_version() -> tuple:
    return tuple(int(number) for number in platform.release().split(".")[:2])


def spread(seconds) -> str:
    in_order = sorted(each * 1e3 for each in seconds)
    return f"{in_order[0]:.0f} / {in_order[len(in_order) // 2]:.0f} / {in_order[-1]:.0f} ms (least, median, most)"


class Lateness:
    """How much later than it wanted a thread wakes up, at worst."""

    def __init__(self):
        self.worst = 0.0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.ended.is_set():
            since = time.monotonic()
            self.ended.wait(0.02)
            self.worst = max(self.worst, time.monotonic() - since - 0.02)

    def stop(self):
        self.ended.set()
        self.thread.join()


class Anywhere(Bridged):
    @quick
    def test_same_bridge(self):
        self.start()
        self.expect_mode("bridge")
        self.expect_same_bridge()

    def test_other_paths(self):
        self.start()
        self.expect_other_paths()

    @quick
    def test_first_load_under_live_flows(self):
        """No connection has been tracked before, and some are seen from the wrong end first."""
        unload("nf_conntrack_bridge")
        flows = self.open_flows(ALLOWED + FORBIDDEN)
        since = time.time()
        self.start()
        self.watch(flows, "first load", since)

    def test_first_load_when_the_store_comes_late(self):
        """What counts is when the rules come, not when enforcerd was started."""
        unload("nf_conntrack_bridge")
        flows = self.open_flows(ALLOWED + FORBIDDEN)
        self.stack.start_redis()
        self.stack.start_enforcerd()
        wait_until(lambda: self.stack.status().get("instance"), 30, "enforcerd has its store")
        time.sleep(LATE)  # this is how late it comes
        self.assertEqual(self.committed(0), 0)
        since = time.time()
        self.stack.apply(POLICIES, "create")
        self.stack.start_syncd()
        self.stack.wait_in_force(60)
        self.watch(flows, "first load, late", since)

    def test_isolated_later(self):
        """What was live before our rules, and nobody's concern then, is known for what it is when its network is isolated."""
        unload("nf_conntrack_bridge")
        flows = self.open_flows(ALLOWED + FORBIDDEN)
        self.stack.start_redis()
        self.stack.ctl("network", "off", self.world.net.name)
        self.stack.apply(POLICIES, "create")
        self.stack.start_syncd()
        self.stack.start_enforcerd()
        self.stack.wait_in_force(60)
        for each in flows.values():
            each.progress()
        time.sleep(LATE)  # this is how much later
        since = time.time()
        self.stack.ctl("network", "labelled", self.world.net.name)
        self.stack.wait_in_force(60)
        self.watch(flows, "isolated later", since)

    def test_revocation_of_live_flows(self):
        self.start(WIDE)
        flows = self.open_flows(ALLOWED + FORBIDDEN)
        since = time.time()
        self.stack.apply(POLICIES)
        self.stack.wait_in_force()
        self.watch(flows, "revocation", since)

    def test_forbidden_frames(self):
        """The leak hunt's kinds of frames from an isolated container without a policy."""
        frames = Frames(self.world)
        self.addCleanup(frames.close)
        wait_until(
            lambda: set(frames.kinds) <= set(frames.arrived()),
            30,
            lambda: f"without rules these arrive: {sorted(set(frames.kinds) - set(frames.arrived()))}",
            every=0.5,
        )
        self.start()
        for each in (self.server, self.client, self.world.other):
            call([*each.inside(), "ip", "neigh", "flush", "all"])
        frames.counter.since(time.monotonic_ns())
        flows = self.open_flows(ALLOWED)
        for each in flows.values():
            each.progress(messages=WATCHED)
        leaked = frames.arrived()
        self.figure(f"forbidden frames: {len(frames.kinds)} kinds, each seen to arrive without rules; arrived: {leaked or 'none'}")
        self.assertEqual(leaked, {})

    def test_somebody_flushes_everything(self):
        """Where a table can be owned (6.12) ours outlives it; elsewhere they are back within a second."""
        self.start()
        inside = self.engine.namespace.prefix()
        for tool in ("iptables", "ip6tables"):
            rules = call([*inside, f"{tool}-save"]).stdout
            self.addCleanup(call, [*inside, f"{tool}-restore"], input=rules)
        flows = self.open_flows(ALLOWED)
        knocking, seen = self.knock()
        before = sum(each.count() for each in seen)
        since = time.time()
        call([*inside, "nft", "flush", "ruleset"])
        at = time.time()
        for each in flows.values():
            each.progress(messages=WATCHED)
        until = time.time() - 0.5
        arrived = sum(each.count() for each in seen) - before
        answered = [a.t - at for each in knocking for a in each.stop() if a.ok]
        last = f"the last began {max(answered) * 1e3:.0f} ms after it" if answered else "none answered"
        self.figure(f"flush ruleset: {arrived} forbidden packets arrived, {len(answered)} attempts answered, {last}")
        self.expect_unharmed(flows, "flush ruleset", since, until)
        if kernel_version() >= OWNED:
            self.assertEqual((before, arrived, answered), (0, 0, []))
        else:
            self.assertEqual(before, 0)
            self.assertFalse([each for each in answered if each > REPAIRED])
        wait_until(lambda: not self.stack.why_not_in_force(), 30, self.stack.why_not_in_force)
        self.expect_same_bridge()

    def test_repair_after_a_flush(self):
        """By the machine's own clock, with nothing else to do; how late a sleeper wakes up tells how much of the processor
        was somebody else's. Where tables are owned nobody can."""
        self.start()
        late = Lateness()
        self.addCleanup(late.stop)
        whole, after = [], []
        for number in range(FLUSHES):
            # marks of flows that nobody has judged are swept after a repair, and then a generation begins
            wait_until(lambda: not self.stack.why_not_in_force(), 30, self.stack.why_not_in_force)
            wait_until(lambda: self.stack.status()["generation"] != "0", 30, "a generation has begun")
            began = time.time()
            # the tables of others are left alone: with them half of the network would be gone
            call([*self.engine.namespace.prefix(), "nft", "-f", "-"], input=DELETE_OURS, check=kernel_version() < OWNED)
            ended = time.time()
            if kernel_version() >= OWNED:
                self.assertIn("table inet bulkhead", self.tables())
                continue
            wait_until(lambda: len(self.repairs()) > number, 60, "it is repaired")
            at, who = self.repairs()[number]
            self.assertIn("nft (pid ", who)
            whole.append(at - began)
            after.append(at - ended)
        if kernel_version() >= OWNED:
            self.assertEqual(self.repairs(), [])
            self.figure(f"deletion of our tables: refused {FLUSHES} of {FLUSHES} times")
            return
        self.figure(
            f"deletion of our tables, {FLUSHES} times: repaired {spread(whole)} after nft was started, {spread(after)} after it "
            f"had ended; a sleeper was up to {late.worst * 1e3:.0f} ms late"
        )
        self.assertLessEqual(max(after), REPAIRED)

    def tables(self) -> str:
        return call([*self.engine.namespace.prefix(), "nft", "list", "tables"]).stdout

    def test_rules_before_the_first_port(self):
        """The tables are there before any bridge that they are about, and the containers' first packets are judged."""
        with contextlib.ExitStack() as stack:
            engine = stack.enter_context(Engine())
            mine = Stack(engine)
            self.witnesses = (engine, mine)
            stack.enter_context(mine)
            mine.apply(POLICIES, "create")
            mine.wait_in_force(60)
            self.assertIn("table bridge bulkhead", call([*engine.namespace.prefix(), "nft", "list", "tables"]).stdout)
            net = engine.network("net1", ipv6=SUBNETS6["net1"])
            server = engine.run("server", net, {"role": "server"})
            client = engine.run("client", net, {"role": "client"})
            mine.wait_in_force(60)
            wait_until(lambda: mine.status().get("problems") == "[]", 30, lambda: mine.status().get("problems"))
            self.assertEqual(mine.status().get("bridge"), "bridge")
            for family in (4, 6):
                self.expect(engine, same_bridge_rows(client, server), family)


class WithoutTracking(Bridged):
    """A kernel without nf_conntrack_bridge: br_netfilter has to do, and without that nobody is told that all is well."""

    def setUp(self):
        super().setUp()
        unload("nf_conntrack_bridge")
        self.addCleanup(forbid("nf_conntrack_bridge").unlink)

    def expect_told(self, mode: str) -> None:
        """That this is how, or that it is not done at all."""
        wait_until(lambda: self.stack.status().get("bridge") == mode, 30, lambda: f"mode {mode}: {self.stack.status()}")
        if mode != "none":
            self.stack.wait_in_force(60)
            self.assertEqual(self.stack.status()["not_enforced"], "[]")
            return
        self.assertFalse(self.stack.ready(self.stack.enforcerd))
        bridge = f"br-{self.world.net.id[:12]}"
        wait_until(lambda: bridge in self.stack.status()["not_enforced"], 30, lambda: self.stack.status()["not_enforced"])
        self.assertIn("br_netfilter is not loaded", self.stack.status()["not_enforced"])

    def test_without_tracking_inet_does_it(self):
        load("br_netfilter")
        self.addCleanup(self.put_back)
        self.start()
        self.expect_mode("inet")
        self.expect_same_bridge()
        self.expect_other_paths()

    def test_without_tracking_br_netfilter_goes_and_comes_back(self):
        """While it is away that is said, and when it is back what went on meanwhile is judged: not at once, since nobody tells
        of a module. Until that is noticed what conntrack never saw is dropped, and TCP waits longer and longer before it speaks."""
        load("br_netfilter")
        self.addCleanup(self.put_back)
        self.start()
        self.expect_mode("inet")
        unload("br_netfilter")
        self.expect_told("none")
        flows = self.open_flows(ALLOWED + FORBIDDEN)
        since = time.time()
        load("br_netfilter")
        self.expect_told("inet")
        self.expect_sorted(flows, since)
        self.expect_same_bridge()

    def expect_sorted(self, flows: dict, since: float) -> None:
        """In the end allowed flows go on and forbidden ones are silent."""
        what = "inet, br_netfilter comes back"

        def records():
            return [(family, spec, record) for family, each in flows.items() for spec, record in each.records().items()]

        def speaking():
            return [(f, spec) for f, spec, record in records() if spec in FORBIDDEN and record.after(time.time() - SILENT)]

        wait_until(lambda: not speaking(), RARELY, lambda: f"still speaking: {speaking()}", every=0.5)
        for each in flows.values():
            each.progress(ALLOWED)
        seen = wait_until(lambda: self.committed(since), 30, "a commit")
        for family, spec, record in records():
            if spec in FORBIDDEN:
                last = max(record.got.values()) - seen
                self.figure(f"{what}: {spec} IPv{family}: last message {last * 1e3:+.0f} ms after the commit")
                self.assertLess(last, RARELY)
            else:
                self.figure(f"{what}: {spec} IPv{family}: longest gap {record.gap(since, time.time()) * 1e3:.0f} ms")
                self.assertEqual(record.over, "")

    def test_without_tracking_nothing_does_it_at_first(self):
        self.addCleanup(self.put_back)
        unload("br_netfilter")
        self.begin()
        self.expect_told("none")
        load("br_netfilter")
        self.expect_told("inet")
        self.expect_same_bridge()

    def put_back(self) -> None:
        """br_netfilter is as the scenario has it."""
        raise NotImplementedError
