# SPDX-License-Identifier: GPL-2.0-or-later
"""The leak hunt: every kind of frame that must not arrive, from everybody from whom it must not, on and on, while
policies, endpoints, selectors, the programs, the store and the table itself change under it; and beside it flows that
are allowed and must not lose anything.

First without rules, where every cell must be seen to arrive: a cell that cannot be seen is an error of this test.
BULKHEAD_LONG: 200 times of each change instead of a few.
"""

import bisect
import collections
import os
import time
import unittest

from harness import Case, Engine, Stack, wait_until
from harness.case import require
from harness.leak import SERVED, Arena, Counter, Passage, Programs, Sender, Steady, Uplink, may
from harness.process import call
from harness.probe import longest_gap

LONG = bool(os.environ.get("BULKHEAD_LONG"))
TIMES = int(os.environ.get("BULKHEAD_LEAK_TIMES", 200 if LONG else 5))
PER_SECOND = int(os.environ.get("BULKHEAD_LEAK_RATE", 5))  # frames of each cell
CONTROL_BOUND = 30
GIVEN_UP = 0.05  # of the connections of a short run
REPAIR = 1.0  # seconds in which a table that nobody can own is repaired

POLICY = """
- apiVersion: v1
  kind: policy
  metadata: {{name: server}}
  spec:
    order: {order}
    selector: role == 'server'
    ingress:
    - action: allow
      protocol: tcp
      source: {{selector: role == 'client'}}
      destination: {{ports: [{ports}]}}
    - action: allow
      protocol: udp
      source: {{selector: role == 'client'}}
      destination: {{ports: [{ports}]}}
    egress: []
- apiVersion: v1
  kind: policy
  metadata: {{name: client}}
  spec:
    selector: role == 'client'
    egress:
    - action: allow
      destination: {{selector: {clients}}}
"""


def policy(n: int) -> str:
    """Always the same for what the hunt sends; never the same text twice in a row."""
    ports = [SERVED] + list(range(9000, 9000 + n % 4))
    others = " || role in {'nobody'}" if n % 2 else ""
    return POLICY.format(order=n % 3, ports=", ".join(map(str, ports)), clients=f"\"role == 'server'{others}\"")


def setUpModule():
    require()


class Hunt(Case):
    @classmethod
    def setUpClass(cls):
        cls.engine = cls.enterClassContext(Engine())
        cls.programs = Programs(cls.engine.directory)
        cls.uplink = Uplink(cls.engine)
        cls.addClassCleanup(cls.uplink.close)
        # everything that is routed is forwarded: what does not arrive later, our rules have stopped
        call(cls.engine.namespace.prefix() + ["iptables", "-I", "DOCKER-USER", "-j", "ACCEPT"])
        cls.arenas = []
        for number, (name, isolation) in enumerate((("open", "labelled"), ("closed", "strict")), 1):
            cls.arenas.append(Arena(cls.engine, name, number, isolation))
            cls.addClassCleanup(cls.arenas[-1].close)
        cls.counters = {}
        cls.columns = {}  # sender id -> Sender
        for arena in cls.arenas:
            cls.add_columns(arena)
        cls.stack = Stack(cls.engine)
        cls.witnesses = (cls.engine, cls.stack)

    @classmethod
    def add_columns(cls, arena):
        cells = [
            ("isolated", arena.isolated, "server"),
            ("bystander", arena.bystander, "server"),
            ("unknown", arena.stranger, "server"),
            ("outside", cls.uplink, "server"),
            ("elsewhere", next(other.bystander for other in cls.arenas if other is not arena), "server"),
            # the other way round: what an isolated container without egress sends to one that may receive anything
            ("isolated", arena.isolated, "bystander"),
            ("owner", arena.victim, "server"),
        ]
        for name, source, receiver in cells:
            number = len(cls.columns) + 1
            cls.columns[number] = Sender(cls.programs, number, arena, name, source, receiver)
            cls.addClassCleanup(cls.columns[number].stop)
        for receiver in ("server", "bystander"):
            counter = Counter(cls.programs, f"{arena.name}-{receiver}", getattr(arena, receiver).inside())
            cls.counters[arena.name, receiver] = counter
            cls.addClassCleanup(counter.stop)

    def arrived(self, number: int) -> dict:
        """item -> frames of a column that have arrived where they were sent."""
        sender = self.columns[number]
        cells = self.counters[sender.arena.name, sender.receiver].report()["cells"]
        return {self.programs.items[item]: count for (item, who), count in cells.items() if who == number}

    def missing(self) -> list:
        return [
            (sender.arena.name, sender.name, sender.receiver, item)
            for number, sender in self.columns.items()
            for item in sorted(set(self.expected) - set(self.arrived(number)))
            if item in sender.items()
        ]

    def all_arrive(self, items):
        self.expected = items
        try:
            wait_until(lambda: not self.missing(), CONTROL_BOUND, "every cell arrives without rules", 0.5)
        except TimeoutError as error:
            for sender in self.columns.values():
                sender.must_run()
            self.fail(f"{error}; the test cannot see: {self.missing()}")

    def test_a_everything_arrives_without_rules(self):
        # connections first: spoofed neighbours would break them
        for sender in self.columns.values():
            sender.start_connecting()
        self.all_arrive([i for i in self.programs.items if i not in self.programs.raw_items])
        for sender in self.columns.values():
            sender.start_frames(PER_SECOND)
        self.all_arrive(self.programs.raw_items)

    def test_b_nothing_arrives_whatever_changes(self):
        if not all(sender.running for sender in self.columns.values()):
            self.fail("the control has not been passed: an empty count would say nothing")
        self.enterContext(self.stack)
        self.stack.apply(policy(0))
        self.stack.wait_in_force()
        self.rules = self.stack.rules()
        for arena in self.arenas:
            arena.forget_neighbours()
        allowed = Allowed(self)
        began = time.monotonic_ns()
        for counter in self.counters.values():
            counter.since(began)
        changes = Changes(self)
        try:
            changes.all(TIMES)
        finally:
            ended = allowed.stop()
            found = self.found()
            sent = sum((sender.stop() for sender in self.columns.values()), collections.Counter())
            losses = allowed.losses(ended, changes)
            self.show(found, changes, losses)
            for pair, (packets, lost, dropped) in ended[2].items():
                print(f"figure: {pair}: {packets} packets of all these left, {lost} did not arrive; {dropped} found a queue full")
            print(f"figure: {sum(sent.values())} frames and connections with a token sent since the control began")
        self.judge(found, changes)
        self.judge_allowed(losses, ended[2])

    def found(self) -> dict:
        """(column, item) -> (frames, when the first of them were sent), of what has leaked."""
        found = {}
        for number, sender in self.columns.items():
            sender.must_run()
            report = self.counters[sender.arena.name, sender.receiver].report()
            for (item, who), count in report["cells"].items():
                if who == number:
                    found[number, self.programs.items[item]] = (count, report["times"][item, who])
        return found

    def cell(self, sender, item: str, count: int) -> str:
        if item not in sender.items():
            return "-"
        return f"may {count}" if may(item, sender.name) else str(count)

    def show(self, found, changes, losses):
        columns = list(self.columns.items())
        print(f"\nfigure: {'arrived, of frames':24}" + "".join(f"{sender.title:>17}" for _, sender in columns))
        for item in self.programs.items:
            cells = [self.cell(sender, item, found.get((n, item), (0,))[0]) for n, sender in columns]
            print(f"figure: {item:24}" + "".join(f"{cell:>17}" for cell in cells))
        print("figure: (owner: its own frames, which must arrive; >: to a bystander; -: cannot be sent from there;")
        print("figure:  may: a port of whom nothing is known may lead to a router or a DHCP server)")
        print("figure: " + ", ".join(f"{count} x {name}" for name, count in changes.done().items()))
        for line in losses:
            print(f"figure: allowed: {line.text}")
        for (number, item), (count, times) in sorted(found.items()):
            sender = self.columns[number]
            if not sender.is_owner and not may(item, sender.name):
                print(f"leak: {sender.title} {item}: {count}: {changes.during(times)}", flush=True)

    def judge(self, found, changes):
        owned = "owner" in self.rules
        for number, sender in self.columns.items():
            arrived = {}
            for (column, item), (count, times) in found.items():
                excused = 0 if owned else sum(map(changes.being_repaired, times))
                if column == number and count > excused and not may(item, sender.name):
                    arrived[item] = count - excused
            with self.subTest(column=sender.title):
                if sender.is_owner:
                    self.assertEqual(set(arrived), set(sender.items()), "what is allowed did not arrive")
                else:
                    self.assertEqual(arrived, {})

    def judge_allowed(self, losses, passed):
        """No packet may be lost but to a full queue that no rule has seen. Nor a connection, with BULKHEAD_LONG; in a short run,
        beside whatever else the machine does, one can be given up although each packet of it has arrived: few."""
        for pair, (_, lost, dropped) in passed.items():
            with self.subTest(allowed=pair):
                self.assertLessEqual(lost, dropped, "packets of allowed flows did not arrive")
        for line in losses:
            with self.subTest(allowed=line.text):
                self.assertTrue(line.of, "what is allowed was never tried, or has ended")
                self.assertLessEqual(line.lost, 0 if LONG else line.of * GIVEN_UP, "what is allowed did not work")


Loss = collections.namedtuple("Loss", "text lost of")


class Allowed:
    """What may go on, and must: connections one after another, and sockets that stay open."""

    def __init__(self, hunt):
        self.passages, self.flows, self.steady = {}, [], []
        for client, server in [(arena.client, arena.server) for arena in hunt.arenas]:
            self.passages[f"{client.name} to {server.name}"] = Passage(client, server)
            for family in (4, 6):
                self.flows.append((f"{client.name} tcp IPv{family}", client.flow(server, "tcp", SERVED, family)))
                self.steady += [Steady(hunt.programs, client, server, proto, family) for proto in ("tcp", "udp")]
        flows = [flow for _, flow in self.flows]
        wait_until(lambda: all(any(t.ok for t in flow.so_far()) for flow in flows), 60, "allowed flows are served")

    def stop(self) -> tuple:
        ended = [flow.stop() for _, flow in self.flows], [steady.stop() for steady in self.steady]
        return *ended, {pair: (*passage.lost(), passage.dropped()) for pair, passage in self.passages.items()}

    def losses(self, ended: tuple, changes) -> list:
        losses = []
        monotonic = time.monotonic_ns() - time.time_ns()
        for (what, _), tries in zip(self.flows, ended[0]):
            failed = [t for t in tries if not t.ok]
            gap = ""
            if failed:
                moments = changes.during([monotonic + int(t.t * 1e9) for t in failed])
                gap = f" ({failed[0].why}), longest gap {longest_gap(tries) * 1e3:.0f} ms, {moments}"
            losses.append(Loss(f"{what}: {len(tries)} connections, {len(failed)} failed{gap}", len(failed), len(tries)))
        for steady, end in zip(self.steady, ended[1]):
            lost = end["sent"] - end["echoed"]
            text = (
                f"{steady.what}, one socket: {end['sent']} messages, {lost} without echo, "
                f"{end['lost_segments']} segments lost, longest {end['longest_ms']:.0f} ms"
            )
            losses.append(Loss(text, lost, 0 if end["ended"] else end["sent"]))
        return losses


class Changes:
    """What happens to Bulkhead while everything is being sent. Each is over only when it is in force."""

    KINDS = (
        "policy replace",
        "endpoint churn",
        "selector growth",
        "kill -9",
        "foreign flush",
        "Redis restart",
        "mode switch",
    )
    FLUSHES = (
        "flush ruleset",
        "delete table inet bulkhead",
        "flush table inet bulkhead",
        "delete table bridge bulkhead",
        "flush chain inet bulkhead forward",
        "flush table bridge bulkhead",
    )
    CHURN = ({"role": "client"}, {}, {"role": "other"}, {"role": "server"})

    def __init__(self, hunt):
        self.hunt, self.stack, self.engine, self.arenas = hunt, hunt.stack, hunt.engine, hunt.arenas
        self.begins, self.names = [], []
        self.inside = self.engine.namespace.prefix()

    def all(self, times: int) -> None:
        """Not one kind after the other: what one leaves behind meets the next."""
        self._note("the beginning")
        for n in range(times):
            for kind in self.KINDS:
                self._note(f"{kind} {n + 1}")
                getattr(self, kind.split()[0].lower() + "_")(n)
                self._wait()
        self._note("the end")

    def _wait(self) -> None:
        try:
            self.stack.wait_in_force(bound=90)
        except TimeoutError:
            # says why, where that is the reason
            for program in (self.stack.enforcerd, self.stack.syncd, self.stack.redis):
                program.must_run()
            raise

    def _note(self, name: str) -> None:
        self.begins.append(time.monotonic_ns())
        self.names.append(name)

    def at(self, monotonic_ns: int) -> str:
        return self.names[max(bisect.bisect(self.begins, monotonic_ns) - 1, 0)]

    def being_repaired(self, monotonic_ns: int) -> bool:
        """Where the kernel cannot keep others from flushing our table, it is written again within a second."""
        i = max(bisect.bisect(self.begins, monotonic_ns) - 1, 0)
        return self.names[i].startswith("foreign flush") and monotonic_ns < self.begins[i] + REPAIR * 1e9

    def during(self, times) -> str:
        """In which kinds of change, how often, and when first."""
        kinds = collections.Counter(self.at(sent).rsplit(" ", 1)[0] for sent in times)
        first = self.at(min(times)) if times else "?"
        return f"first in {first}; " + ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())

    def done(self) -> dict:
        return {kind: sum(name.startswith(kind) for name in self.names) for kind in self.KINDS}

    def policy_(self, n: int) -> None:
        self.stack.apply(policy(n + 1), "replace")

    def endpoint_(self, n: int) -> None:
        arena = self.arenas[n % len(self.arenas)]
        labels = self.CHURN[n // len(self.arenas) % len(self.CHURN)]
        comer = self.engine.run(f"{arena.name}-comer", arena.net, labels, ready=False)
        self._wait()
        comer.remove()

    def selector_(self, n: int) -> None:
        for word in ("role=client", "role-"):
            for arena in self.arenas:
                self.stack.ctl("label", "container", arena.pool.name, word)
            self._wait()

    def kill_(self, n: int) -> None:
        self.stack.enforcerd.kill()
        self.stack.start_enforcerd()

    def foreign_(self, n: int) -> None:
        """By another process. What it does to the Engine's own tables is made good: else no port would be published."""
        saved = call(self.inside + ["iptables-save"]).stdout
        call(self.inside + ["nft", self.FLUSHES[n % len(self.FLUSHES)]], check=False)
        call(self.inside + ["iptables-restore"], input=saved)

    def redis_(self, n: int) -> None:
        (self.stack.redis.kill if n % 2 else self.stack.redis.stop)()
        self.stack.start_redis()

    def mode_(self, n: int) -> None:
        for arena in self.arenas:
            other = "labelled" if arena.isolation == "strict" else "strict"
            for mode in (other, arena.isolation):
                self.stack.ctl("network", mode, arena.name)
                self._wait()


if __name__ == "__main__":
    unittest.main()
