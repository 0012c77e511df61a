# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests that hold whether br_netfilter is there or not: each scenario has them as its own."""

import platform
import time

from bridged import ALLOWED, FORBIDDEN, POLICIES, WIDE, Bridged, unload
from frames import NOT_JUDGED, Frames
from harness import wait_until
from harness.process import call

WATCHED = 15  # messages of an allowed flow while which a forbidden one must be silent: three seconds
REPAIRED = 1.0  # seconds


def quick(test):
    """Also without BULKHEAD_LONG."""
    test.quick = True
    return test


def kernel_version() -> tuple:
    return tuple(int(number) for number in platform.release().split(".")[:2])


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

    def test_revocation_of_live_flows(self):
        self.start(WIDE)
        flows = self.open_flows(ALLOWED + FORBIDDEN)
        since = time.time()
        self.stack.apply(POLICIES)
        self.stack.wait_in_force()
        self.watch(flows, "revocation", since)

    def watch(self, flows: dict, what: str, since: float) -> None:
        """From now on, the policy being in force, nothing comes on a forbidden flow; nothing is lost on an allowed one."""
        at = time.time()
        for each in flows.values():
            each.progress(ALLOWED, messages=WATCHED)
        self.expect_stopped(flows, what, at)
        self.expect_unharmed(flows, what, since, time.time() - 0.5)

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
        judged = [kind for kind in frames.kinds if kind not in NOT_JUDGED]
        self.figure(f"forbidden frames: {len(judged)} kinds judged of {len(frames.kinds)}; arrived: {leaked or 'none'}")
        self.assertEqual({kind: leaked[kind] for kind in judged if kind in leaked}, {})

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
        if kernel_version() >= (6, 12):
            self.assertEqual((before, arrived, answered), (0, 0, []))
        else:
            self.assertEqual(before, 0)
            self.assertFalse([each for each in answered if each > REPAIRED])
        wait_until(lambda: not self.stack.why_not_in_force(), 30, self.stack.why_not_in_force)
        self.expect_same_bridge()
