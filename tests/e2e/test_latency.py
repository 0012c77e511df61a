# SPDX-License-Identifier: GPL-2.0-or-later
"""How long it takes from the Engine's event to the record and to the kernel, idle and under load; how soon syncd knows a whole host;
and what the Engine's own start of a container costs with and without it.

A few of each run always. The figures are those of BULKHEAD_LONG=1, on a machine that does nothing else:

    sudo BULKHEAD_LONG=1 BULKHEAD_BIN=$PWD/build/bin python3 -m unittest discover -v -s tests/e2e -p test_latency.py

BULKHEAD_ENGINE is the release (20.10), BULKHEAD_ATTACHED how many containers are attached (200 take 1.4 GB), BULKHEAD_STARTS how many are
started one by one.
"""

import concurrent.futures
import json
import os
import statistics
import time
import unittest

from harness import Case, Engine, Stack, wait_until
from harness.case import require
from harness.engine import IMAGE, LABEL_PREFIX
from harness.figures import Log, figure, spread
from harness.observer import Observer
from harness.stack import NODE

LONG = bool(os.environ.get("BULKHEAD_LONG"))
ATTACHED = int(os.environ.get("BULKHEAD_ATTACHED", 200 if LONG else 4))
STARTS = int(os.environ.get("BULKHEAD_STARTS", 100 if LONG else 4))
PARALLEL = 20 if LONG else 4
ROUNDS = 5 if LONG else 1
SYNCS = 20 if LONG else 2
PAIRS = 50 if LONG else 2
BOUND = 60
AHEAD = 0.005  # seconds by which a message of Redis may be read here after what it led to
ENDPOINTS = f"bulkhead:v1:endpoints:{NODE}"
POLICIES = """
- apiVersion: v1
  kind: policy
  metadata: {name: server}
  spec:
    selector: role == 'server'
    ingress:
    - {action: allow, protocol: tcp, source: {selector: role == 'client'}, destination: {ports: [3306]}}
"""


def setUpModule():
    require()


class Latency(Case):
    """Times are from the Engine's own time of the event. Under load they can be negative: a record may be there before the event that
    would have led to it, when the answer to a question that was asked for another container had it already."""

    def setUp(self):
        self.engine = self.enterContext(Engine())
        self.net = self.engine.network("strict", options=("--subnet", "10.77.0.0/16"), labels={"bulkhead.isolation": "strict"})
        self.stack = self.enterContext(Stack(self.engine, ("--resync", "3600")))
        self.witnesses = (self.engine, self.stack)
        self.stack.apply(POLICIES)
        self.stack.wait_in_force()
        self.name = f"Engine {self.engine.get('/version')['Version']}"
        self.serial = 0

    def create(self, role: str = "client") -> str:
        self.serial += 1
        body = {
            "Image": IMAGE,
            "Cmd": ["/bin/sleep", "100000"],
            "Labels": {LABEL_PREFIX + "role": role},
            "HostConfig": {"NetworkMode": self.net.name},
        }
        return json.loads(self.engine.post(f"/containers/create?name={role}-{self.serial}", body))["Id"]

    def start(self, container: str) -> float:
        """How many seconds the Engine took."""
        began = time.monotonic()
        self.engine.post(f"/containers/{container}/start", {})
        return time.monotonic() - began

    def remove(self, containers) -> None:
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda each: self.engine.delete(f"/containers/{each}?force=1"), containers))
        wait_until(lambda: not self.stack.why_not_in_force(), BOUND, self.stack.why_not_in_force)

    def fill(self) -> list:
        made = [self.create("bystander") for _ in range(ATTACHED)]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(self.start, made))
        self.stack.wait_in_force(BOUND)
        return made

    # --- from the event on ----------------------------------------------------------------------------

    def observe(self, observer, containers) -> list:
        """For each: seconds from the Engine's event to it being read here, to its record, and to its element in the kernel; and when
        the event was."""

        def whole():
            records, events = observer.records(), observer.connects()
            if not all(each in records and each in events for each in containers):
                return None
            rows = []
            for each in containers:
                (event, read), (record, key) = events[each], records[each]
                # the question that another one's event led to may have found it before its own event
                kernel = observer.elements(min(event, record) - AHEAD, key)
                if not kernel:
                    return None
                rows.append((read - event, record - event, kernel - event, event))
            return rows

        return wait_until(whole, BOUND, "every event, record and element is seen")

    def tell(self, what: str, rows) -> None:
        steps = ("to a plain observer", "to the record", "to the kernel")
        told = ", ".join(f"{name} {spread(row[at] for row in rows)}" for at, name in enumerate(steps))
        figure(f"{self.name}, {what} (n={len(rows)}, load {os.getloadavg()[0]:.0f}): p50 / p99 from the Engine's event {told}")

    def one_by_one(self, what: str) -> None:
        observer = Observer(self.stack, NODE)
        self.addCleanup(observer.close)
        rows = []
        for _ in range(STARTS):
            container = self.create()
            self.start(container)
            rows += self.observe(observer, [container])
            self.remove([container])
        self.tell(what, rows)
        self.inspected(what, rows)
        observer.close()

    def inspected(self, what: str, rows) -> None:
        """By syncd's own log: the question to the Engine alone, and from its answer on."""
        log = Log(self.stack.syncd.log)
        asked, after = [], []
        for _, _, kernel, event in rows:
            at, text = log.first(event, f"network {self.net_id} answered in")
            asked.append(float(text.split()[-2]) / 1e3)
            after.append(event + kernel - at)
        figure(
            f"{self.name}, {what} (n={len(rows)}): p50 / p99 network inspect alone {spread(asked)}, "
            f"network inspect answered to rules committed {spread(after)}"
        )

    def at_once(self, what: str) -> None:
        rows = []
        for _ in range(ROUNDS):
            observer = Observer(self.stack, NODE)
            made = [self.create() for _ in range(PARALLEL)]
            with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
                list(pool.map(self.start, made))
            rows += self.observe(observer, made)
            observer.close()
            self.remove(made)
        self.tell(what, rows)

    # --- syncd and the Engine -------------------------------------------------------------------------

    def cold_sync(self) -> None:
        """From the start of the program until every record is in an empty store."""
        took = []
        for _ in range(SYNCS):
            self.stack.syncd.stop()
            self.stack.store("DEL", ENDPOINTS)
            began = time.monotonic()
            self.stack.start_syncd()
            wait_until(lambda: self.stack.store("HLEN", ENDPOINTS) == ATTACHED, BOUND, "all are there", 0.0005)
            took.append(time.monotonic() - began)
            self.stack.wait_in_force()
        figure(f"{self.name}: cold sync of {ATTACHED} containers, from syncd's start (n={SYNCS}): p50 / p99 {spread(took)}")

    def engine_start(self) -> None:
        """A container's start as the Engine's client sees it, with syncd and without, alternately."""
        took = {True: [], False: []}
        for number in range(2 * PAIRS):
            followed = bool(number % 2)
            if followed:
                self.stack.start_syncd()
                self.stack.wait_in_force()
            else:
                self.stack.syncd.stop()
            container = self.create()
            took[followed].append(self.start(container))
            self.engine.delete(f"/containers/{container}?force=1")
        without, followed = statistics.median(took[False]), statistics.median(took[True])
        figure(
            f"{self.name}: its own start of a container (n={PAIRS} each): p50 / p99 without syncd {spread(took[False])}, "
            f"with {spread(took[True])}, ratio of p50 {followed / without:.3f}"
        )

    def test_everything(self):
        self.net_id = self.net.id
        self.one_by_one("idle")
        self.at_once(f"{PARALLEL} starts at once")
        self.engine_start()
        self.fill()
        self.one_by_one(f"{ATTACHED} attached")
        self.at_once(f"{PARALLEL} starts at once, {ATTACHED} attached")
        self.cold_sync()


if __name__ == "__main__":
    unittest.main()
