# SPDX-License-Identifier: GPL-2.0-or-later
"""Each part killed and started again, one at a time, under an allowed and two forbidden probes every 10 ms.

Forbidden packets are counted at the receiver's own port. What the allowed probe missed is printed, and bounded.
"""

import os
import signal
import time
import unittest

from harness import Case, Engine, Stack, root_dir, wait_until
from harness.case import require
from harness.probe import longest_gap

EXAMPLES = root_dir() / "deploy/examples"
AFTER = 0.5  # seconds of probing after it has healed
FIGURES = []


def setUpModule():
    require()


def tearDownModule():
    if FIGURES:
        print(f"figure: {'restart of':34} {'probes':>7} {'leaks':>6} {'failed':>7} {'longest gap':>12} {'healed after':>13}")
    for row in FIGURES:
        print("figure: {:34} {:7d} {:6d} {:7d} {:9.0f} ms {:10.0f} ms".format(*row), flush=True)


class Restarts(Case):
    """One Engine whose containers outlive it; fresh roles and programs for each row of the matrix."""

    live_restore = True

    @classmethod
    def setUpClass(cls):
        cls.engine = cls.enterClassContext(Engine(live_restore=cls.live_restore))

    def setUp(self):
        self.addCleanup(self.engine.remove_all)
        self.net = self.engine.network("net1")
        self.frontend = self.engine.run("frontend-A", self.net, {"role": "frontend"})
        self.database = self.engine.run("database-A", self.net, {"role": "database"})
        self.forbidden = [("tcp", 5432), ("udp", 3306)]
        self.seen = [self.database.arrivals(self.frontend, *what) for what in self.forbidden]
        # the counters count: each forbidden probe is first seen to arrive
        for what, counter in zip(self.forbidden, self.seen):
            self.assertTrue(self.frontend.reach(self.database, *what))
            self.assertGreater(counter.count(), 0)
        self.stack = Stack(self.engine)
        self.witnesses = (self.engine, self.stack)
        self.enterContext(self.stack)
        self.stack.ctl("create", "-f", EXAMPLES / "tutorial.yaml")
        self.stack.wait_in_force()

    def across(self, name: str, action, bound: float, policies: bool = True):
        """Probes across action(), which returns once the part is up again; checks leaks and the allowed probe's gap
        (bound in seconds); then that what happens afterwards still reaches the kernel."""
        before = [counter.count() for counter in self.seen]
        allowed = self.frontend.flow(self.database, "tcp", 3306)
        refused = [self.frontend.flow(self.database, *what) for what in self.forbidden]
        wait_until(lambda: len([a for a in allowed.so_far() if a.ok]) >= 20, 10, "20 allowed probes")
        began = time.time()
        action()
        self.stack.wait_in_force(policies=policies)
        healed = time.time()
        wait_until(
            lambda: any(a.ok and a.t > healed + AFTER for a in allowed.so_far()), 30, "an allowed probe after it has healed"
        )
        attempts = allowed.stop()
        answered = sum(a.ok for flow in refused for a in flow.stop())
        leaks = sum(counter.count() for counter in self.seen) - sum(before)
        gap = longest_gap(attempts)
        failed = sum(not a.ok for a in attempts)
        FIGURES.append((name, len(attempts), leaks, failed, gap * 1e3, (healed - began) * 1e3))
        self.assertEqual(answered, 0, "a forbidden probe was answered")
        self.assertEqual(leaks, 0, "forbidden packets arrived")
        self.assertLessEqual(gap, bound, f"the allowed probe was away for {gap:.3f} s")
        self.still_works(policies)

    def still_works(self, policies: bool):
        """A container that comes now is policed, which takes the whole path."""
        late = self.engine.run("database-L", self.net, {"role": "database"})
        self.stack.wait_in_force(policies=policies)
        rows = [(self.frontend, late, "tcp/3306", True), (self.frontend, late, "tcp/5432", False)]
        self.expect(self.engine, rows + [(late, self.frontend, "tcp/3306", False)])

    def bounce(self, process, start, how):
        def action():
            getattr(process, how)()
            start()

        return action

    def test_enforcerd_killed(self):
        self.across("enforcerd, SIGKILL", self.bounce(self.stack.enforcerd, self.stack.start_enforcerd, "kill"), 0)

    def test_enforcerd_stopped(self):
        self.across("enforcerd, SIGTERM", self.bounce(self.stack.enforcerd, self.stack.start_enforcerd, "stop"), 0)

    def test_syncd_killed(self):
        self.across("syncd, SIGKILL", self.bounce(self.stack.syncd, self.stack.start_syncd, "kill"), 0)

    def test_syncd_stopped(self):
        self.across("syncd, SIGTERM", self.bounce(self.stack.syncd, self.stack.start_syncd, "stop"), 0)

    def test_peer_gone_while_written_to(self):
        """What the kernel does to a writer whose reader has gone, without waiting for one to go at that very moment."""
        for process in (self.stack.syncd, self.stack.enforcerd):
            process.signal(signal.SIGPIPE)
        self.still_works(policies=True)
        for process in (self.stack.syncd, self.stack.enforcerd):
            process.must_run()

    def test_redis_killed(self):
        self.across("redis with its data, SIGKILL", self.bounce(self.stack.redis, self.stack.start_redis, "kill"), 0)

    def test_redis_wiped(self):
        """The policies are gone from the store: what is in force stays, until the operator writes again."""

        def action():
            self.stack.redis.kill()
            self.stack.start_redis(wipe=True)

        self.across("redis without its data, SIGKILL", action, 0, policies=False)
        self.assertEqual(self.stack.store("EXISTS", "bulkhead:v1:policies"), 0)
        self.assertTrue(self.stack.status().get("problems", "[]") not in ("", "[]"), "the lost policies are not reported")
        self.stack.ctl("apply", "-f", EXAMPLES / "tutorial.yaml")
        self.stack.wait_in_force()
        rows = [(self.frontend, self.database, "tcp/3306", True), (self.frontend, self.database, "tcp/5432", False)]
        self.expect(self.engine, rows)

    def test_engine_stopped(self):
        """The Engine rewrites its own rules when it starts: the gap is that, so it is bounded loosely."""
        self.across("dockerd (live-restore), SIGTERM", self.engine.restart, 5)

    def test_engine_killed(self):
        def action():
            self.engine.kill()
            self.engine.start()

        self.across("dockerd (live-restore), SIGKILL", action, 5)

    def test_everything_at_once(self):
        def action():
            for process in (self.stack.syncd, self.stack.enforcerd, self.stack.redis):
                process.kill()
            self.stack.start()

        self.across("syncd, enforcerd and redis, SIGKILL", action, 0)

    @unittest.skipIf(not os.environ.get("BULKHEAD_LONG") and os.environ.get("CI") != "true", "only with --long or in CI")
    def test_many_enforcerd_restarts(self):
        def action():
            for _ in range(10):
                self.stack.enforcerd.kill()
                self.stack.start_enforcerd()
                self.stack.wait_in_force()

        self.across("enforcerd, SIGKILL, ten times", action, 0)


class EngineWithoutLiveRestore(Case):
    """The containers end with the Engine and come back with it, by their restart policy."""

    def test_engine_restart(self):
        with Engine() as engine:
            net = engine.network("net1")
            always = ("--restart", "always")
            one = engine.run("frontend-A", net, {"role": "frontend"}, options=always)
            two = engine.run("database-A", net, {"role": "database"}, options=always)
            with Stack(engine) as stack:
                self.witnesses = (engine, stack)
                stack.ctl("create", "-f", EXAMPLES / "tutorial.yaml")
                stack.wait_in_force()
                old = engine.endpoint_ids()
                engine.restart()
                wait_until(lambda: len(engine.endpoint_ids()) == 2, 30, "both containers are back")
                for container in (one, two):
                    container.wait_serving()
                stack.wait_in_force()
                self.assertFalse(old & set(stack.endpoints()), "endpoints of the Engine's last run")
                rows = [(one, two, "tcp/3306", True), (one, two, "tcp/5432", False), (two, one, "tcp/3306", False)]
                self.expect(engine, rows)


if __name__ == "__main__":
    unittest.main()
