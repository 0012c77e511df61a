# SPDX-License-Identifier: GPL-2.0-or-later
"""Engine, syncd, Redis, enforcerd and kernel, each link between them one that can break."""

import copy
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/lib"))
import kernel_view  # noqa: E402
import truth  # noqa: E402
from engine_model import EngineModel  # noqa: E402
from flaky_proxy import FlakyProxy  # noqa: E402
from integration import BOUND, PREFIX, Refused, Resp, clean_environment, wait_until  # noqa: E402
from wires import Wires  # noqa: E402

BIN = pathlib.Path(os.environ.get("BULKHEAD_BIN", ROOT / "build/bin")).resolve()
NODE = "here"
QUIET_BOUND = 60


class Lab:
    def __init__(self, name):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="bulkhead-converge-"))
        self.wires = Wires(name)
        self.engine = EngineModel(self.directory / "engine.sock", self.wires)
        self.links = {
            "syncd-engine": FlakyProxy(self.directory / "e.sock", self.directory / "engine.sock"),
            "syncd-redis": FlakyProxy(self.directory / "s.sock", self.directory / "redis.sock"),
            "enforcerd-redis": FlakyProxy(self.directory / "k.sock", self.directory / "redis.sock", messages=True),
        }
        self.processes = {}
        self.stopped = set()
        self.redis = None
        self.dump = None  # Redis' file of some moment, what the store was then, and its epoch and revision
        self.wanted = truth.Store({}, {}, {})  # what the operator wants
        self.store = truth.Store({}, {}, {})  # what he has in Redis
        self.followed = truth.Store({}, {}, {})  # the last state of it that enforcerd may follow
        self.confirmed = ("", 0)  # epoch and revision that the kernel was seen to have
        self.store_lost = self.store_old = self.refused = False
        self.torn = False  # somebody took the tables while nobody watched over them

    # --- life ---

    def open(self):
        self.wires.open()
        self.engine.open()
        for link in self.links.values():
            link.open()
        self.start_redis()

    def close(self):
        for name in list(self.processes):
            self.kill(name)
        for link in self.links.values():
            if link.listener:
                link.close()
        self.engine.heal()
        self.engine.close()
        if self.redis:
            self.redis.close()
        self.wires.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def spawn(self, name, *words):
        with open(self.directory / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                [str(word) for word in words], stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=clean_environment()
            )

    def kill(self, name):
        process = self.processes.pop(name, None)
        self.stopped.discard(name)
        if process:
            process.kill()
            process.wait(BOUND)

    def alive(self, name):
        process = self.processes.get(name)
        return process is not None and process.poll() is None

    def daemon(self, name, redis, *words):
        self.spawn(
            name, *self.wires.prefix(), BIN / f"bulkhead-{name}", "--node", NODE, "--listen", "none", "--resync", "1",
            "--log-level", "debug", "--redis", f"unix://{self.directory}/{redis}", *words,
        )  # fmt: skip

    def start_syncd(self):
        self.daemon("syncd", "s.sock", "--docker-host", f"unix://{self.directory}/e.sock")

    def start_enforcerd(self):
        self.daemon("enforcerd", "k.sock", "--state-dir", self.directory / "state")

    def start_redis(self):
        path = self.directory / "redis.sock"
        path.unlink(missing_ok=True)
        self.spawn("redis", "redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", self.directory)
        self.redis = wait_until(self.connect, "redis-server answers")

    def connect(self):
        try:
            redis = Resp(self.directory / "redis.sock")
            redis("PING")
            return redis
        except (OSError, EOFError, Refused):  # not there, or still reading its file
            return None

    def restart_redis(self, data=None):
        """data: the file that it starts with, bytes, or None: with nothing."""
        self.redis.close()
        self.kill("redis")
        file = self.directory / "dump.rdb"
        file.unlink(missing_ok=True)
        if data:
            file.write_bytes(data)
        self.start_redis()

    def save(self):
        self.redis("SAVE")
        return (self.directory / "dump.rdb").read_bytes()

    def signal(self, name, number):
        if not self.alive(name):
            return
        self.processes[name].send_signal(number)
        if number == signal.SIGSTOP:
            self.stopped.add(name)
        elif number == signal.SIGCONT:
            self.stopped.discard(name)

    # --- the operator ---

    def ctl(self, *words, stdin=None):
        environment = {**clean_environment(), "BULKHEAD_REDIS_URL": f"unix://{self.directory}/redis.sock"}
        done = subprocess.run(
            [str(BIN / "bulkheadctl"), *words], input=stdin, env=environment, capture_output=True, text=True, timeout=60
        )
        if done.returncode:
            raise RuntimeError(f"bulkheadctl {' '.join(words)}: {done.stderr}{stdin or ''}")

    def apply(self, policies):
        if policies:
            self.ctl("apply", "-f", "-", stdin=truth.documents(policies))

    def write(self, change):
        """change: what the command that has just been done does to a truth.Store."""
        change(self.wanted)
        change(self.store)
        # the first writer of an empty store makes a new epoch, which is later than any before
        self.refused &= bool(self.redis("EXISTS", PREFIX + "head:policies")) and self.store_old
        if not self.refused:
            self.followed = copy.deepcopy(self.store)

    def lose_store(self):
        self.store, self.store_lost, self.store_old, self.refused = truth.Store({}, {}, {}), True, False, False

    def keep_dump(self):
        self.dump = (self.save(), copy.deepcopy(self.store), self.place())

    def restore_dump(self):
        """What the kernel was seen to have since may not go back to it."""
        data, self.store, place = self.dump
        self.store = copy.deepcopy(self.store)
        self.restart_redis(data)
        self.store_old, self.refused = True, self.confirmed > place
        if not self.refused and place[0]:
            self.followed = copy.deepcopy(self.store)

    def place(self):
        """Epoch and revision of the policies in the store."""
        epoch, revision, _ = (self.head("policies") or ":0:").split(":")
        return epoch, int(revision)

    def repair_store(self):
        """An operator whose store was lost, or is an old one, says again what he wants, then that he means it."""
        if not self.store_lost and not self.store_old:
            return
        have = self.redis.records("policies")
        for name in sorted(set(have) - set(self.wanted.policies)):
            self.ctl("delete", "policy", name)
        self.apply(self.wanted.policies)
        for key in self.redis.records("isolation"):
            if key[2:] not in self.wanted.isolation:
                self.ctl("network", "default", key[2:])
        for network, word in self.wanted.isolation.items():
            self.ctl("network", word, network)
        for key, text in self.redis.records("labels").items():
            for label in json.loads(text):
                if label not in self.wanted.labels.get(key[2:], {}):
                    self.ctl("label", "container", key[2:], f"{label}-")
        for container, labels in self.wanted.labels.items():
            for label, value in labels.items():
                self.ctl("label", "container", container, f"{label}={value}")
        if self.redis("EXISTS", PREFIX + "head:policies"):
            self.ctl("store", "accept")
        self.store_lost = self.store_old = self.refused = False
        self.store, self.followed = copy.deepcopy(self.wanted), copy.deepcopy(self.wanted)

    def nft(self, verb, family):
        """What somebody else does to our table. The kernel refuses it while the table has an owner."""
        done = subprocess.run([*self.wires.prefix(), "nft", verb, "table", family, "bulkhead"], capture_output=True, check=False)
        self.torn |= done.returncode == 0

    # --- quiet ---

    def heal(self):
        self.engine.chaos = None
        self.engine.let_go()
        self.engine.heal()
        for link in self.links.values():
            link.heal()
        for name in list(self.stopped):
            self.signal(name, signal.SIGCONT)
        self.redis("CONFIG", "SET", "client-output-buffer-limit", "pubsub 33554432 8388608 60")
        if not self.alive("syncd"):
            self.start_syncd()
        if not self.alive("enforcerd"):
            self.start_enforcerd()

    def status(self):
        return self.redis.records(f"status:{NODE}")

    def head(self, stream):
        return self.redis("GET", f"{PREFIX}head:{stream}")

    def policies_confirmed(self):
        """What the store says of policies, isolation and labels is what is in force. An old dump has an old report as well."""
        if "redis" in self.stopped or self.store_old:
            return False
        head = self.head("policies")
        if not head or self.status().get("policies_head") != head:
            return False
        self.confirmed = self.place()
        return True

    def wait_confirmed(self, bound):
        """Or not, where something is broken."""
        try:
            wait_until(self.policies_confirmed, "in force", bound)
        except TimeoutError:
            pass

    def wait_reported(self, bound):
        """Until enforcerd has had a look at the store, if it can."""
        before = self.status()
        try:
            wait_until(lambda: self.status() != before, "a report", bound)
        except TimeoutError:
            pass

    def wrong_records(self):
        here = {key: json.loads(text) for key, text in self.redis.records(f"networks:{NODE}").items()}
        lines = truth.differences({k: comparable_network(r) for k, r in here.items()}, truth.networks(self.engine), "network")
        here = {key: json.loads(text) for key, text in self.redis.records(f"endpoints:{NODE}").items()}
        should = truth.endpoints(self.engine, NODE)
        return lines + truth.differences({k: comparable_endpoint(r) for k, r in here.items()}, should, "endpoint")

    def wrong_kernel(self):
        view = kernel_view.read(self.wires)
        if view is None:
            return ["kernel: a table is missing"]
        return truth.kernel_differences(view, self.kernel_truth())

    def kernel_truth(self):
        return truth.kernel(
            truth.networks(self.engine), truth.endpoints(self.engine, NODE), self.wanted, self.engine.ports
        )

    def wrong(self):
        for name in ("syncd", "enforcerd"):
            if not self.alive(name):
                return [f"{name} has ended"]
        lines = self.wrong_records() or self.wrong_kernel()
        if lines:
            return lines
        status = self.status()
        for key, stream in (("endpoints_head", f"node:{NODE}"), ("policies_head", "policies")):
            if status.get(key, "") != (self.head(stream) or ""):
                lines.append(f"status: {key} is {status.get(key)}, the store's {self.head(stream)}")
        return lines

    def wait_quiet(self):
        try:
            wait_until(lambda: not self.wrong(), "everything agrees", QUIET_BOUND)
        except TimeoutError as error:
            text = "\n".join(self.wrong())
            raise AssertionError(f"{error}\n{text}\nstatus: {self.status()}") from None

    def moment(self):
        return Moment(
            truth.networks(self.engine), truth.endpoints(self.engine, NODE), dict(self.engine.ports), copy.deepcopy(self.followed)
        )

    def logs(self):
        for name in ("syncd", "enforcerd"):
            log = self.directory / f"{name}.log"
            yield name, log.read_text(errors="replace") if log.exists() else ""


class Moment:
    def __init__(self, networks, endpoints, ports, store):
        self.networks, self.endpoints, self.ports, self.store = networks, endpoints, ports, store


def comparable_network(record):
    keys = ("id", "name", "driver", "bridge", "isolation", "shared")
    return {**{key: record.get(key) for key in keys}, "subnets": sorted(record["subnets"])}


def comparable_endpoint(record):
    keys = ("id", "node", "container", "network", "ipv4", "ipv6", "mac", "labels", "state")
    return {
        **{key: record.get(key) for key in keys},
        "rejected": sorted(record["rejected"]),
        "ports": sorted((p["proto"], p["host_ip"], p["host_port"], p["port"]) for p in record["ports"]),
    }


__all__ = ["BOUND", "Lab", "Moment", "NODE", "signal", "threading", "wait_until"]
