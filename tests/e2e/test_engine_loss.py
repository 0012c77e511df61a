# SPDX-License-Identifier: GPL-2.0-or-later
"""What a real Engine loses or takes away: events that it drops, streams that end, the Engine itself. Afterwards the records are true;
and the Engine is not slowed by who follows it.

A bounded share runs always; BULKHEAD_LONG=1 makes the floods longer.
"""

import http.client
import os
import re
import signal
import statistics
import time
import unittest

from harness import Case, Engine, Stack, wait_until
from harness.case import PATIENCE, require
from harness.engine import EngineConnection
from harness.figures import Log, figure
from harness.process import call
from harness.relay import Relay, unix_listener

LONG = bool(os.environ.get("BULKHEAD_LONG"))
HELD = 1192  # events that the Engine was seen to hold for one reader
FLOOD = 3000 if LONG else 300
DROP_MS = 80  # the Engine waits 100 ms for a reader before it drops an event
DROPPED = 3
TRUE_BOUND = 15
NOTICED = 30  # seconds: 20 of silence, then two probes
IDLE = 1.0
CUTS = 6


def setUpModule():
    require()


class Renames:
    """As many events as one likes, at the cost of one request each."""

    def __init__(self, engine, container):
        self.connection = EngineConnection(engine.socket)
        self.path = f"/containers/{container.inspect()['Id']}/rename?name={container.name}-"
        self.count = 0

    def one(self) -> float:
        """How many milliseconds it took."""
        began = time.monotonic()
        self.connection.request("POST", f"{self.path}{self.count % 2}", headers={"Content-Length": "0"})
        response = self.connection.getresponse()
        if response.status != http.client.NO_CONTENT:
            raise RuntimeError(f"rename: {response.status} {response.read()}")
        response.read()
        self.count += 1
        return (time.monotonic() - began) * 1e3

    def many(self, count: int) -> list:
        """How many milliseconds each took."""
        return [self.one() for _ in range(count)]

    def until_dropped(self, most: int) -> int:
        """Until events are dropped, which is seen by the time that it takes; how many were held."""
        slow = 0
        before = self.count
        while slow < DROPPED:
            slow = slow + 1 if self.one() > DROP_MS else 0
            if self.count - before > most:
                raise AssertionError(f"{most} events, and none was dropped")
        return self.count - before - DROPPED


class Loss(Case):
    live_restore = False

    def setUp(self):
        self.engine = self.enterContext(Engine(live_restore=self.live_restore))
        self.net = self.engine.network("net1")
        self.witnesses = [self.engine]

    def follow(self, *syncd_args, name="stack"):
        """Redis and syncd; what is in the kernel does not matter here."""
        stack = Stack(self.engine, syncd_args, name=name)
        self.witnesses.append(stack)
        self.addCleanup(stack.clear)
        self.addCleanup(stack.stop)
        stack.start_redis()
        stack.start_syncd()
        self.wait_true(stack)
        return stack

    def difference(self, stack) -> str:
        try:
            truth = {}
            for network in self.engine.get("/networks"):
                if network["Driver"] == "bridge":
                    for entry in self.engine.get(f"/networks/{network['Id']}")["Containers"].values():
                        truth[entry["EndpointID"]] = entry["IPv4Address"].split("/")[0]
            shown = {key: record["ipv4"] for key, record in stack.endpoints().items()}
        except (OSError, RuntimeError) as error:
            return str(error)
        if not stack.ready(stack.syncd):
            return "syncd is not ready"
        return "" if shown == truth else f"records {shown}, the Engine has {truth}"

    def wait_true(self, stack, bound: float = TRUE_BOUND) -> float:
        """How many seconds it took."""
        began = time.monotonic()
        wait_until(lambda: not self.difference(stack), bound, lambda: self.difference(stack))
        return time.monotonic() - began

    def lines(self, stack, pattern: str) -> int:
        return len(re.findall(pattern, stack.syncd.log.read_text(errors="replace")))


class Stopping(Loss):
    """An Engine whose containers end with it."""

    def test_events(self):
        renames = Renames(self.engine, self.engine.run("noisy", self.net, ready=False))
        self.addCleanup(renames.connection.close)
        renames.many(FLOOD // 3)  # warm
        alone = renames.many(FLOOD)
        stack = self.follow("--resync", "3600")
        with self.subTest("overflow"):
            self.overflow(stack, renames)
        with self.subTest("not slowed"):
            self.not_slowed(stack, renames, alone)

    def overflow(self, stack, renames):
        """Dropped in silence while syncd does not run, and found when it does, without a reconnection or a periodic comparison."""
        old = self.engine.run("old", self.net, ready=False)
        self.wait_true(stack)
        stack.syncd.signal(signal.SIGSTOP)
        try:
            held = renames.until_dropped(4 * HELD)
            old.remove()
            self.engine.run("new", self.net, ready=False)
        finally:
            stack.syncd.signal(signal.SIGCONT)
        took = self.wait_true(stack)
        figure(f"syncd stopped: {held} events held, all later ones dropped; records true {took * 1e3:.0f} ms after it went on")
        self.assertEqual(self.lines(stack, "lost the Engine"), 0)
        wait_until(lambda: self.lines(stack, "some may be missing"), 10, lambda: "it does not say that it read late")

    def not_slowed(self, stack, renames, alone):
        """A flood takes the Engine no longer with syncd than without, nor when syncd cannot write a thing."""
        followed = renames.many(FLOOD)
        stack.redis.signal(signal.SIGSTOP)
        try:
            self.engine.run("late", self.net, ready=False)  # something to write
            stalled = renames.many(max(FLOOD, HELD + 100))
        finally:
            stack.redis.signal(signal.SIGCONT)
        cases = (("without syncd", alone), ("with syncd", followed), ("with one whose Redis is stopped", stalled))
        text = ", ".join(f"{name} {statistics.median(ms):.2f} / {sorted(ms)[int(len(ms) * 0.99)]:.2f} (n={len(ms)})" for name, ms in cases)
        figure(f"Engine's time for a rename, p50 / p99 ms (load {os.getloadavg()[0]:.0f}): {text}")
        # nobody read: every event after those that are held would be dropped, and take the Engine 100 ms
        dropped = sum(ms > DROP_MS for ms in stalled[HELD:])
        self.assertLess(dropped, len(stalled[HELD:]) // 2, "the Engine waits for syncd")
        self.wait_true(stack)
        self.assertEqual(self.lines(stack, "lost the Engine"), 0)

    def test_restart(self):
        for name in ("one", "two"):
            self.engine.run(name, self.net, options=("--restart", "always"), ready=False)
        self.engine.run("ends", self.net, ready=False)
        stack = self.follow("--resync", "3600")
        before = set(stack.endpoints())
        self.engine.restart()
        took = self.wait_true(stack, 30)
        after = set(stack.endpoints())
        self.assertEqual((len(before), len(after), before & after), (3, 2, set()))
        figure(f"Engine restarted, containers with it: records true {took * 1e3:.0f} ms after it answered")


class Outlived(Loss):
    """An Engine whose containers outlive it."""

    live_restore = True

    def test_away(self):
        self.engine.run("stays", self.net, ready=False)
        stack = self.follow("--resync", "3600")
        with self.subTest("SIGTERM"):
            self.ended(stack, self.engine.stop)
        with self.subTest("SIGKILL"):
            self.ended(stack, self.engine.kill, "Connection refused")

    def ended(self, stack, end, why=""):
        """Records stay while it is away; a container that ended meanwhile, of which nothing is ever said, goes."""
        dead = self.engine.run("dead", self.net, ready=False)
        pid = dead.inspect()["State"]["Pid"]
        self.wait_true(stack)
        records, gone = stack.endpoints(), dead.endpoint_id()
        tried = self.lines(stack, "lost the Engine")
        end()
        wait_until(lambda: not stack.ready(stack.syncd), 10, "it is noticed")
        self.assertEqual(self.lines(stack, "lost the Engine"), tried + 1)
        if why:
            self.assertTrue(self.engine.socket.exists(), "left no socket")
            wait_until(lambda: why in self.readyz(), 10, lambda: f"{why} in {self.readyz()}")
        os.kill(pid, signal.SIGKILL)
        self.assertEqual(stack.endpoints(), records)
        self.engine.start()
        took = self.wait_true(stack, 30)
        del records[gone]
        self.assertEqual(stack.endpoints(), records)
        figure(f"Engine ended by {end.__name__}, containers stayed: records true {took * 1e3:.0f} ms after it answered")
        dead.remove()

    def readyz(self, port: int = 9641) -> str:
        words = [*self.engine.namespace.prefix(), "busybox", "nc", "127.0.0.1", port]
        return call(words, input="GET /readyz HTTP/1.0\r\n\r\n", check=False, timeout=10).stdout

    def test_between(self):
        """All at once: two take half a minute of waiting."""
        cases = [self.half_open("stream", 2375), self.half_open("whole", 2376)]
        with self.subTest("idle streams are cut"):
            self.idle_cuts()
        self.engine.run("unheard", self.net, ready=False)
        for case in cases:
            with self.subTest("half-open TCP", case=case["what"]):
                self.half_open_noticed(**case)

    def idle_cuts(self):
        """A proxy that ends what is idle for a second, which between events the stream is."""
        path = self.engine.directory / "cuts.sock"
        relay = Relay(unix_listener(path), self.engine.socket, IDLE)
        self.addCleanup(relay.close)
        stack = self.follow("--docker-host", f"unix://{path}", "--resync", "3600", "--log-level", "info")
        worst = 0.0
        for number in range(CUTS):
            before = len(relay.streams)
            wait_until(lambda many=before: len(relay.streams) > many, 10, "the stream is cut")
            container = self.engine.run(f"cut-{number}", self.net, ready=False)
            worst = max(worst, self.wait_true(stack))
            if number % 2:
                container.remove()
                worst = max(worst, self.wait_true(stack))
        said = self.lines(stack, "lost the Engine|connected to Engine|cannot reach")
        figure(f"streams cut when idle for {IDLE:g} s: {relay.cuts} cuts, records true within {worst * 1e3:.0f} ms, {said} lines in the log")
        self.assertLessEqual(said, 4)
        relay.close()
        stack.stop()

    def half_open(self, what: str, port: int) -> dict:
        """From now on packets go nowhere: all of them, or those of the event stream alone while pings are answered."""
        relay = Relay(self.engine.namespace.listener(port), self.engine.socket)
        self.addCleanup(relay.close)
        listen = port + 10000
        where = ("--docker-host", f"tcp://127.0.0.1:{port}", "--listen", f"127.0.0.1:{listen}")
        stack = self.follow(*where, "--resync", "3600", name=what)
        dead = relay.streams[-1][1] if what == "stream" else port
        rules = "; ".join(f"add rule inet {what} in tcp {side}port {dead} drop" for side in "sd")
        chain = f"add table inet {what}; add chain inet {what} in {{ type filter hook input priority -500; }}"
        self.nft(f"{chain}; {rules}")
        return {"what": what, "stack": stack, "listen": listen, "since": time.monotonic()}

    def nft(self, text: str) -> None:
        call([*self.engine.namespace.prefix(), "nft", text])

    def half_open_noticed(self, what, stack, listen, since):
        wait_until(lambda: self.lines(stack, "lost the Engine:"), NOTICED + 10, "it is noticed")
        noticed = self.logged(stack, "lost the Engine:") - since
        if what == "whole":
            answer = wait_until(lambda: re.search("engine: .*", self.readyz(listen)), 20, "/readyz says it")
            self.nft(f"delete table inet {what}")
            self.assertRegex(answer[0], "engine: (ping: no answer|version: .*)")
        self.wait_true(stack, 30)
        figure(f"half-open TCP ({what}): noticed after {noticed:.0f} s; records true after it")
        self.assertLess(noticed, NOTICED + 10 * PATIENCE)

    @staticmethod
    def logged(stack, pattern: str) -> float:
        """When that was first logged, by the clock that time.monotonic() reads."""
        return Log(stack.syncd.log).after(0, pattern) - time.time() + time.monotonic()


if __name__ == "__main__":
    unittest.main()
