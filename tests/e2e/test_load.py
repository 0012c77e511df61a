# SPDX-License-Identifier: GPL-2.0-or-later
"""What syncd costs: processor and memory while events pass, and memory by the number of endpoints. A scripted Engine sends, because no
real one can start ten thousand containers here.

A short share runs always. The figures are those of BULKHEAD_LONG=1, on a machine that does nothing else:

    sudo BULKHEAD_LONG=1 BULKHEAD_BIN=$PWD/build/bin python3 -m unittest discover -v -s tests/e2e -p test_load.py
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

from harness.case import bin_dir, require, root_dir, wait_until
from harness.figures import figure, spread
from harness.resp import Redis, RedisError

sys.path.insert(0, str(root_dir() / "tests/lib"))
from fake_engine import FakeEngine  # noqa: E402

LONG = bool(os.environ.get("BULKHEAD_LONG"))
PER_SECOND = 1000
SECONDS = 20 if LONG else 3
CONNECTS = 100 if LONG else 20
TICKS = 50  # pieces that a second's events come in
WORLD = (1000, 10000) if LONG else (1000, 2000)
PER_NETWORK = 1000
NODE = "fakenode"
LABEL = "org.projectcalico.label."
BOUND = 120
KIB = 1024
RESIDENT_TARGET, MORE_TARGET = 8 * 1024 * KIB, 2 * KIB
SLACK = 1.5  # a guard against growth: the target itself is judged by what is printed


def setUpModule():
    require()


class Load(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="bh-load-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        redis = ["redis-server", "--port", "0", "--unixsocket", self.directory / "redis.sock", "--save", "", "--dir", self.directory, "--requirepass", "x"]
        self.spawn(redis, subprocess.DEVNULL)
        self.store = Redis(self.directory / "redis.sock", "x")
        self.addCleanup(self.store.close)
        wait_until(self.redis_answers, 20, "redis answers")
        self.engine = FakeEngine(self.directory / "docker.sock").open()
        self.addCleanup(self.engine.close)

    def spawn(self, argv, log) -> subprocess.Popen:
        process = subprocess.Popen(list(map(str, argv)), stdout=log, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def redis_answers(self) -> bool:
        try:
            return self.store("PING") == "PONG"
        except RedisError:
            return False

    def start(self) -> subprocess.Popen:
        argv = [bin_dir() / "bulkhead-syncd", "--redis", f"unix://{self.directory / 'redis.sock'}", "--listen", "none"]
        argv += ["--docker-host", f"unix://{self.engine.path}", "--resync", "3600"]
        (self.directory / "password").write_text("x")
        with open(self.directory / "log", "ab") as log:
            return self.spawn([*argv, "--redis-password-file", self.directory / "password"], log)

    def published(self) -> int:
        return self.store("HLEN", f"bulkhead:v1:endpoints:{NODE}")

    def populate(self, count: int) -> None:
        """Containers as they are found where policy is used: a role, compose's labels, a name."""
        while (have := len(self.engine.containers)) < count:
            if have % PER_NETWORK == 0:
                number = have // PER_NETWORK
                self.net = self.engine.add_network(f"net{number}", subnet=f"10.{number + 1}.0.0/16")
            labels = {
                LABEL + "role": f"role{have % 50}",
                "com.docker.compose.project": f"project{have % 100}",
                "com.docker.compose.service": f"service{have % 10}",
            }
            made = self.engine.add_container(f"project{have % 100}-service{have % 10}-{have}", labels=labels, state="running")
            self.engine.attach(self.net, made, f"10.{have // PER_NETWORK + 1}.{have % PER_NETWORK // 250}.{have % 250 + 2}")

    # --- what the kernel says of it ---

    @staticmethod
    def cpu(process) -> float:
        fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def memory(process, line: str = "VmRSS") -> int:
        for each in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if each.startswith(f"{line}:"):
                return int(each.split()[1]) * KIB
        raise KeyError(line)

    # --- events -----------------------------------------------------------------------------------

    def event(self, kind: str, action: str, actor: str, **attributes) -> bytes:
        now = self.engine.now()
        event = {"Type": kind, "Action": action, "Actor": {"ID": actor, "Attributes": attributes}, "scope": "local", "timeNano": now}
        return json.dumps(event).encode() + b"\n"

    def health_checks(self, number: int) -> bytes:
        """What most events of a real Engine are: three a check, of no interest."""
        ids = self.ids
        action = ("exec_create: /bin/check", "exec_start: /bin/check", "exec_die")[number % 3]
        return self.event("container", action, ids[number % len(ids)], image="busybox", name="web", execID=f"{number:064x}")

    def renames(self, number: int) -> bytes:
        """Each changes a record, which is written and announced."""
        container = self.engine.containers[self.ids[number % len(self.ids)]]
        container["Names"] = [f"/name{number}"]
        return self.event("container", "rename", container["Id"], **container["Labels"], image="busybox", name=f"name{number}")

    def reconnects(self, number: int) -> bytes:
        """Each is a question to the Engine, as far as one answer does not serve many."""
        return self.event("network", "connect", self.net, container=self.ids[number % len(self.ids)], name="net0", type="bridge")

    def pass_events(self, process, make) -> str:
        cpu, began = self.cpu(process), time.monotonic()
        sent = 0
        while sent < PER_SECOND * SECONDS:
            piece = PER_SECOND // TICKS
            self.engine.emit_raw(b"".join(make(sent + i) for i in range(piece)))
            sent += piece
            time.sleep(max(0, began + sent / PER_SECOND - time.monotonic()))  # the rate that is asked for
        self.wait_taken(process)
        took = time.monotonic() - began
        share = (self.cpu(process) - cpu) / took * 100
        return f"{sent / took:.0f} a second for {took:.0f} s: {share:.1f} % of a processor, {self.memory(process) / KIB / KIB:.1f} MiB resident"

    def wait_taken(self, process) -> None:
        """What is sent now comes last: when it has arrived, so has the rest."""
        name = f"last{time.monotonic_ns()}"
        container = self.engine.containers[self.ids[0]]
        container["Names"] = [f"/{name}"]
        self.engine.emit_raw(self.event("container", "rename", container["Id"], **container["Labels"], image="busybox", name=name))
        endpoint = self.engine.networks[self.net]["Containers"][container["Id"]]["EndpointID"]

        def written():
            self.assertIsNone(process.poll(), "syncd has ended")
            record = self.store("HGET", f"bulkhead:v1:endpoints:{NODE}", endpoint)
            return record and name in record

        wait_until(written, BOUND, "the last event's record is there")

    def test_events(self):
        self.populate(100)
        self.ids = list(self.engine.containers)
        process = self.start()
        wait_until(lambda: self.published() == 100, BOUND, "all are published")
        for name, make in (("of health checks", self.health_checks), ("renames", self.renames), ("network connects", self.reconnects)):
            with self.subTest(name):
                figure(f"syncd, 100 endpoints, events {name}, {self.pass_events(process, make)}")
        self.assertLess(self.memory(process, "VmHWM"), 4 * RESIDENT_TARGET)

    def test_answers(self):
        """What one more container in a large network costs: its whole network is read again, which is most of it."""
        for attached in (10, 200):
            with self.subTest(attached=attached):
                self.populate(attached)
                process = self.start()
                wait_until(lambda: self.published() == attached, BOUND, "all are published")  # noqa: B023
                used = []
                for number in range(CONNECTS):
                    made = self.engine.create(f"later-{number}", labels={LABEL + "role": "later"})
                    before = self.running(process)
                    endpoint = self.engine.connect(self.net, made, f"10.1.200.{number + 2}")
                    wait_until(lambda: self.store("HEXISTS", f"bulkhead:v1:endpoints:{NODE}", endpoint), BOUND, "it is published")  # noqa: B023
                    used.append(self.running(process) - before)
                    self.engine.detach(self.net, made)
                figure(f"syncd, {attached} attached, processor time from a connect to its record (n={CONNECTS}): p50 / p99 {spread(used)}")
                process.kill()
                process.wait(20)
                self.store("FLUSHALL")
                for gone in [each for each in self.engine.containers.values() if each["Names"][0].startswith("/later-")]:
                    del self.engine.containers[gone["Id"]]

    @staticmethod
    def running(process) -> float:
        """Seconds that it has run on a processor, to the nanosecond."""
        return int(pathlib.Path(f"/proc/{process.pid}/schedstat").read_text().split()[0]) / 1e9

    def test_memory(self):
        """After a cold start with so many: what it stays at, not what the lists took while they were read."""
        few, many = WORLD
        resident, private = {}, {}
        for count in WORLD:
            self.populate(count)
            process = self.start()
            wait_until(lambda: self.published() == count, BOUND, "all are published")  # noqa: B023
            resident[count] = self.settled(process)
            libraries, peak = self.memory(process, "RssFile"), self.memory(process, "VmHWM")
            text = ", ".join(f"{size / KIB / KIB:.2f} MiB {what}" for size, what in ((libraries, "of them programs and libraries"), (peak, "at most")))
            figure(f"syncd, {count} endpoints: {resident[count] / KIB / KIB:.2f} MiB resident, {text} (target 8 MiB at 1000)")
            private[count] = resident[count] - libraries
            process.terminate()
            self.assertEqual(process.wait(20), 0)
            self.store("FLUSHALL")
        more = (resident[many] - resident[few]) / (many - few)
        figure(f"syncd, each further endpoint up to {many}: {more / KIB:.2f} KiB (target 2 KiB)")
        # libcurl's libraries alone are more than the target, and shared with whoever has them loaded
        self.assertLess(private[few], RESIDENT_TARGET)
        self.assertLess(more, MORE_TARGET * SLACK)

    def settled(self, process) -> int:
        """Its memory once that stays the same for a second."""
        last, since = self.memory(process), time.monotonic()

        def same():
            nonlocal last, since
            now = self.memory(process)
            if now != last:
                last, since = now, time.monotonic()
            return time.monotonic() - since > 1

        wait_until(same, BOUND, "memory stays the same")
        return last


if __name__ == "__main__":
    unittest.main()
