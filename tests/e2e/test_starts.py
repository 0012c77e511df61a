# SPDX-License-Identifier: GPL-2.0-or-later
"""What a container that has just been started, or just been connected, can send: nothing forbidden, ever, in a strict network;
and how soon what is allowed.

Its process begins with the packet in question (probe/first.c). What is forbidden is counted at the receiver's own
interface, from before the first start to after the last, and first seen to arrive without Bulkhead.

A bounded share runs always, on the release that BULKHEAD_ENGINE names; BULKHEAD_LONG=1 makes it 100 of each on every
release. BULKHEAD_STARTS is another number.
"""

import concurrent.futures
import json
import os
import statistics
import sys
import time
import unittest

from harness import Capture, Case, Engine, Stack, wait_until
from harness.case import require
from harness.engine import LABEL_PREFIX
from harness.figures import Log, figure, spread
from harness.probe import build
from harness.process import Process
from harness.release import RELEASES

LONG = bool(os.environ.get("BULKHEAD_LONG"))
STARTS = int(os.environ.get("BULKHEAD_STARTS", 100 if LONG else 10))
IMAGE = "bulkhead-first"
ALLOWED, FORBIDDEN = 3306, 5432
STRICT = {"bulkhead.isolation": "strict"}
LINGER_MS = 1200 if LONG else 300  # the kernel sends a SYN again after a second
ANSWER_BOUND = 15
PROMPT_MS = 100
FIRST_MS = 900  # below the time of the first SYN that is sent again
KINDS = ("udp4", "tcp4", "udp6", "tcp6")  # what one start of a forbidden sender sends
# Of the first SYNs of allowed containers: how many are to be answered without a second one.
ANSWERED = {"20.10": 0.99, "26.1": 0.99, "28.5": 0.90}
POLICIES = f"""
- apiVersion: v1
  kind: policy
  metadata: {{name: server}}
  spec:
    selector: role == 'server'
    ingress:
    - {{action: allow, protocol: tcp, source: {{selector: role == 'client'}}, destination: {{ports: [{ALLOWED}]}}}}
- apiVersion: v1
  kind: policy
  metadata: {{name: client}}
  spec:
    selector: role == 'client'
    egress:
    - {{action: allow, protocol: tcp, destination: {{selector: role == 'server', ports: [{ALLOWED}]}}}}
"""
# From the Engine's event on; "stored" is when syncd has Redis's answer, which enforcerd may be ahead of.
STEPS = ("read by syncd", "network inspected", "stored", "committed", "event to commit", "first instruction")


def setUpModule():
    require()


def first_time(report) -> bool:
    """Whether the first SYN of a start was answered, without a second one."""
    return bool(report["answered"]) and (report["answered"] - report["began"]) * 1e3 < FIRST_MS and not report["again"]


def at_once(reports) -> str:
    took = [(each["answered"] or each["began"] + ANSWER_BOUND) - each["began"] for each in reports]
    good = sum(map(first_time, reports))
    return f"{good} of {len(reports)} answered without another, p50 / p99 {spread(took)} (load {os.getloadavg()[0]:.0f})"


def prompt(reports, since: str) -> str:
    """How soon what was connected was answered. Where a new port loses the first ARP request, the kernel asks again after a
    second: that happens without Bulkhead too, and tells nothing of it."""
    took = [each["answered"] - each[since] for each in reports]
    soon = sum(each * 1e3 < PROMPT_MS for each in took)
    return f"{soon} of {len(took)} answered within {PROMPT_MS} ms, p50 / p99 {spread(took)}"


class Bed:
    """An Engine with a strict network, a receiver in it, and Bulkhead."""

    def __init__(self, case, release: str):
        self.case = case
        self.engine = case.enterContext(Engine(release=release))
        version = self.engine.get("/version")["Version"]
        case.assertRegex(version, rf"^{release}\.")
        self.name = f"Engine {release:5}"
        self.out = self.engine.directory / "out"
        self.out.mkdir()
        tree = self.engine.directory / "first-image"
        tree.mkdir()
        build(self.engine.directory, "first").rename(tree / "first")
        self.engine.make_image(IMAGE, tree, 'ENTRYPOINT ["/first"]')
        self.net = self.engine.network("strict", ipv6="fd00:b0:5::/64", labels=STRICT)
        # without a way out of it, so that what is sent before the connection goes nowhere
        self.idle = self.engine.network("idle", options=("--internal",))
        self.server = self.engine.run("server", self.net, {"role": "server"})
        pid = self.server.inspect()["State"]["Pid"]
        self.capture = Capture(f"/proc/{pid}/ns/net", "eth0")
        case.addCleanup(self.capture.close)
        self.stack = None
        self.events = None
        self.answered = {}  # starts in parallel: how many were answered the first time

    def protect(self) -> None:
        """Bulkhead on top, with the Engine's own events beside it."""
        self.stack = self.case.enterContext(Stack(self.engine))
        self.stack.apply(POLICIES)
        self.stack.wait_in_force()
        words = [*self.engine.cli, "events", "--format", "{{json .}}"]
        self.events = Process("docker-events", words, self.engine.directory / "events.jsonl", env=self.engine.env())
        self.events.start()
        self.case.addCleanup(self.events.stop)

    def told(self, name: str, key: str) -> dict:
        """What the program in it reported, once it has."""
        path = self.out / name

        def report():
            found = json.loads(path.read_text()) if path.exists() else {}
            return found if key in found else None

        return wait_until(report, ANSWER_BOUND + 5, f"{name} reports")

    def run(self, mode: str, network, role: str, *words) -> tuple:
        """`docker run` of `first MODE`: the container's name and id."""
        name = f"{mode}-{next(self.engine.serials)}"
        options = ["--rm", "--name", name, "--net", network.name, "--label", f"{LABEL_PREFIX}role={role}"]
        options += ["--volume", f"{self.out}:/out"]
        done = self.engine.docker("run", "-d", *options, IMAGE, mode, f"/out/{name}", *words)
        return name, done.stdout.strip()

    def send(self, port: int = FORBIDDEN) -> dict:
        targets = [("udp", self.server.ip()), ("tcp", self.server.ip()), ("udp", self.server.ip6()), ("tcp", self.server.ip6())]
        words = [w for proto, address in targets for w in (proto, address, port)]
        name, made = self.run("send", self.net, "stranger", LINGER_MS, *words)
        report = self.told(name, "from")
        self.case.assertEqual(report["unsent"], 0, f"{name}: packets that its own kernel refused")
        return {**report, "id": made}

    def call(self) -> dict:
        name, made = self.run("call", self.net, "client", ANSWER_BOUND * 1000, self.server.ip(), ALLOWED)
        return {**self.told(name, "answered"), "id": made}

    def alone(self) -> bool:
        """Whether the server is all that is in the network; one that leaves it is still shown, by another key."""
        return len(self.engine.get(f"/networks/{self.net.name}")["Containers"]) == 1

    def hail(self) -> dict:
        """Connects a running container to the network; what its program reported, and when the Engine had done it."""
        name, made = self.run("hail", self.idle, "client", ANSWER_BOUND * 1000, self.server.ip(), ALLOWED, FORBIDDEN)
        self.told(name, "ready")
        self.engine.post(f"/networks/{self.net.name}/connect", {"Container": made})
        done = time.time()
        return {**self.told(name, "answered"), "id": made, "done": done}

    def many(self, count: int, parallel: int, action) -> list:
        with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
            return list(pool.map(lambda _: action(), range(count)))

    def arrived(self, wanted) -> list:
        """Of the frames at the server since the last call those that wanted() picks."""
        return [frame for frame in self.capture.frames() if wanted(frame)]

    def tell(self) -> None:
        for witness in (self.engine, self.stack):
            for name, text in witness.log_tails() if witness else ():
                print(f"--- {self.name}: last lines of {name}\n{text}", file=sys.stderr)

    # --- when ---------------------------------------------------------------------------------------

    def connected(self) -> dict:
        """Container id -> when the Engine says that it was connected to the network."""
        found = {}
        for line in self.events.log.read_text().splitlines():
            event = json.loads(line)
            if (event["Type"], event["Action"], event["Actor"]["ID"]) == ("network", "connect", self.net.id):
                found[event["Actor"]["Attributes"]["container"]] = event["timeNano"] / 1e9
        return found

    def timeline(self, reports) -> None:
        """Where the time went from the Engine's event to the kernel, for starts that came one at a time."""
        syncd, enforcerd, connected = Log(self.stack.syncd.log), Log(self.stack.enforcerd.log), self.connected()
        network = self.net.id
        steps = {name: [] for name in STEPS}
        for report in reports:
            event = connected[report["id"]]
            read = syncd.after(event, f"event network connect of {network}")
            inspected = syncd.after(read, f"network {network} answered")
            stored = syncd.after(inspected, r"revision \d+ written")
            committed = enforcerd.after(inspected, "committed")
            began = report["began"]
            took = (read - event, inspected - read, stored - inspected, committed - stored, committed - event, began - event)
            for name, each in zip(STEPS, took):
                steps[name].append(each)
            if report["again"]:
                figure(f"{self.name} a late one: " + ", ".join(f"{name} {each * 1e3:.2f}" for name, each in zip(STEPS, took)))
        figure(f"{self.name} from the event, p50 / p99: " + ", ".join(f"{name} {spread(each)}" for name, each in steps.items()))
        margins = sorted(began - commit for began, commit in zip(steps["first instruction"], steps["event to commit"]))
        least, middle = margins[0] * 1e3, statistics.median(margins) * 1e3
        figure(f"{self.name} first instruction after the commit: least {least:.2f} ms, p50 {middle:.2f} ms")


def to_allowed(frame) -> bool:
    return frame.port == ALLOWED and frame.kind in KINDS


def forbidden(frame) -> bool:
    return frame.port == FORBIDDEN and frame.kind in KINDS


class Starts(Case):
    def baseline(self, bed: Bed) -> None:
        """How soon the Engine alone lets a container be answered: what is late without Bulkhead is not its doing."""
        calls = bed.many(STARTS // 2, 4, bed.call)
        hails = bed.many(STARTS // 2, 2, bed.hail)
        figure(f"{bed.name} without Bulkhead: first packet a SYN: {at_once(calls)}")
        figure(f"{bed.name} without Bulkhead: connected while they run: {prompt(hails, 'routed')} from its address on")

    def control(self, bed: Bed) -> str:
        """Without Bulkhead every kind of packet arrives from every start and every connection."""
        reports = bed.many(2, 2, bed.send)
        wait_until(bed.alone, 10, "both have ended")
        arrived = bed.arrived(forbidden)
        for kind in KINDS:
            self.assertGreaterEqual(sum(f.kind == kind for f in arrived), len(reports), f"control: {kind} of {reports}")
        bed.hail()
        connected = {f.kind for f in bed.arrived(forbidden)}
        self.assertLessEqual({"udp4", "tcp4"}, connected, "control: of a connection")
        return f"without Bulkhead {len(arrived)} of {len(reports)}"

    def assert_none(self, bed: Bed, frames, reports, begin: str = "began") -> None:
        """No frame arrived; else says when in whose life each came."""
        told = []
        for frame in frames[:20]:
            ages = [frame.t - report[begin] for report in reports if report[begin] <= frame.t]
            since = f"{min(ages) * 1e3:.2f} ms after a process {begin}" if ages else "before any process"
            told.append(f"{frame.kind} {frame.source} port {frame.source_port} to {frame.port}, {since}")
        self.assertFalse(frames, f"{bed.name}: {len(frames)} forbidden frames arrived:\n" + "\n".join(told))

    def forbidden_starts(self, bed: Bed, control: str) -> None:
        reports = bed.many(STARTS, 3, bed.send)
        frames = bed.arrived(forbidden)
        figure(f"{bed.name} {STARTS} starts, 3 in parallel, first packets forbidden: {len(frames)} arrived ({control})")
        self.assert_none(bed, frames, reports)

    def inherited_starts(self, bed: Bed) -> None:
        """An unlabelled container on the address that an allowed client has just had, to the port that that one was allowed."""
        reports, frames, same = [], [], 0
        for _ in range(max(STARTS // 2, 3)):
            bed.arrived(forbidden)
            reports.append(bed.call())
            wait_until(bed.alone, 10, "the allowed container has ended")
            before = {frame.source for frame in bed.arrived(to_allowed) if frame.kind == "tcp4"}
            reports.append(bed.send(ALLOWED))
            wait_until(bed.alone, 10, "the stranger has ended")
            frames += bed.arrived(to_allowed)
            same += reports[-1]["from"] in before
        figure(
            f"{bed.name} {len(reports) // 2} starts, {same} on the address of an allowed one before: {len(frames)} arrived"
        )
        self.assert_none(bed, frames, reports)
        self.assertGreater(same, 0, "no address was used again")

    def allowed_starts(self, bed: Bed, parallel: int) -> None:
        reports = bed.many(STARTS, parallel, bed.call)
        figure(f"{bed.name} {STARTS} starts, {parallel} in parallel, first packet an allowed SYN: {at_once(reports)}")
        if parallel == 1:
            bed.timeline(reports)
        self.assertTrue(all(each["answered"] for each in reports), f"{bed.name}: never answered")
        bed.answered[parallel] = sum(map(first_time, reports))

    def connections(self, bed: Bed) -> None:
        bed.arrived(forbidden)
        reports = bed.many(STARTS, 2, bed.hail)
        frames = bed.arrived(forbidden)
        self.assertTrue(all(each["answered"] for each in reports), f"{bed.name}: never answered after network connect")
        events = bed.connected()
        for each in reports:
            each["event"] = events[each["id"]]
        figure(
            f"{bed.name} {STARTS} connected while they run, 2 in parallel: {len(frames)} forbidden packets arrived; "
            f"{prompt(reports, 'event')} from the event on, {prompt(reports, 'done')} from the command's end on"
        )
        self.assert_none(bed, frames, reports, "routed")


    def everything(self, bed: Bed, release: str) -> None:
        control = self.control(bed)
        self.baseline(bed)
        wait_until(bed.alone, 10, "the last of them has ended")
        bed.protect()
        bed.arrived(forbidden)
        self.forbidden_starts(bed, control)
        self.inherited_starts(bed)
        for parallel in (1, 4):
            self.allowed_starts(bed, parallel)
        self.connections(bed)
        for parallel, good in bed.answered.items():
            self.assertGreaterEqual(good, int(STARTS * ANSWERED[release]), f"{release}, {parallel} in parallel: first time")


def add_test(release: str) -> None:
    def test(self):
        bed = Bed(self, release)
        try:
            self.everything(bed, release)
        except BaseException:
            bed.tell()
            raise

    setattr(Starts, f"test_{release.replace('.', '_')}", test)


for each in RELEASES if LONG else (os.environ.get("BULKHEAD_ENGINE", "20.10"),):
    add_test(each)


if __name__ == "__main__":
    unittest.main()
