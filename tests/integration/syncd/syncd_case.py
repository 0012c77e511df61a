# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of bulkhead-syncd stand on: the program between a scripted Engine and a private redis-server.

BULKHEAD_BIN names the folder of the programs (default: build/bin).
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/lib"))
from fake_engine import PROFILES, FakeEngine, hex_id  # noqa: E402,F401
from integration import BOUND, PREFIX, Resp, clean_environment, missing, wait_until  # noqa: E402

SYNCD = pathlib.Path(os.environ.get("BULKHEAD_BIN", ROOT / "build/bin")).resolve() / "bulkhead-syncd"
LABEL = "org.projectcalico.label."
NODE = "fakenode"


def setUpModule():
    missing("redis-server", shutil.which("redis-server"))


class Messages:
    """What is announced on the node's channel, from now on."""

    def __init__(self, path):
        self.resp = Resp(path)
        self.resp("SUBSCRIBE", f"{PREFIX}events:node:{NODE}")

    def next(self):
        return json.loads(self.resp.reply()[2])

    def next_with(self, endpoint):
        """The next message that has a change of this endpoint."""
        while True:
            message = self.next()
            if any(change["id"] == endpoint for change in message["changes"]):
                return message

    def close(self):
        self.resp.close()


class Case(unittest.TestCase):
    profile = "20.10"

    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="bulkhead-syncd-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.log = self.directory / "log"
        self.redis_path = self.directory / "redis.sock"
        self.redis_server = self.redis = None
        self.addCleanup(self.stop_redis)
        self.start_redis()
        self.engine = FakeEngine(self.directory / "docker.sock", profile=self.profile).open()
        self.addCleanup(self.engine.close)
        self.addCleanup(self.engine.heal)
        self.net = self.engine.add_network("net1", subnet="10.1.0.0/16", labels={"bulkhead.isolation": "strict"})
        self.syncd = None
        self.addCleanup(self.kill_syncd)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            print(f"\n--- log of syncd in {self.id()}\n{getattr(self, 'log_text', '')}", file=sys.stderr)

    # --- programs ---

    def start_redis(self):
        self.redis_server = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", str(self.redis_path), "--save", "", "--dir", str(self.directory)],
            stdout=subprocess.DEVNULL,
        )
        self.redis = wait_until(self.connect_redis, "redis-server listens")

    def connect_redis(self):
        try:
            return Resp(self.redis_path)
        except OSError:
            return None

    def stop_redis(self):
        if self.redis_server:
            if self.redis:
                self.redis.close()
            self.redis_server.kill()
            self.redis_server.wait(BOUND)
        self.redis_server = None

    def environment(self, **more):
        # a proxy is not meant for the Engine
        return {**clean_environment(), "http_proxy": "http://127.0.0.1:9", **more}

    def arguments(self, *more):
        return [
            SYNCD,
            "--redis", f"unix://{self.redis_path}",
            "--docker-host", f"unix://{self.engine.path}",
            "--listen", f"127.0.0.1:{self.port}",
            *more,
        ]

    def spawn(self, *more, **environment):
        with open(self.log, "ab") as log:
            self.syncd = subprocess.Popen(self.arguments(*more), stderr=log, env=self.environment(**environment))

    def start(self, *more, **environment):
        self.spawn(*more, **environment)
        self.wait_ready()

    def kill_syncd(self):
        if self.syncd and self.syncd.poll() is None:
            self.syncd.kill()
            self.syncd.wait(BOUND)
        self.log_text = self.log.read_text(errors="replace") if self.log.exists() else ""

    def end(self, number=signal.SIGTERM):
        self.syncd.send_signal(number)
        return self.syncd.wait(BOUND)

    # --- looking ---

    def http(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def wait_ready(self):
        def ready():
            self.assertIsNone(self.syncd.poll(), "syncd ended: " + self.log.read_text(errors="replace"))
            return self.http("/readyz")[0] == 200

        wait_until(ready, "syncd is ready")

    def wait_not_ready(self, part):
        wait_until(lambda: self.http("/readyz")[0] == 503 and part in self.http("/readyz")[1], f"not ready: {part}")

    def metric(self, name):
        for line in self.http("/metrics")[1].splitlines():
            if line.startswith(f"bulkhead_syncd_{name} "):
                return float(line.split()[1])
        raise KeyError(name)

    def records(self, key):
        return {name: json.loads(record) for name, record in self.redis.records(key).items()}

    def endpoints(self):
        return self.records(f"endpoints:{NODE}")

    def networks(self):
        return self.records(f"networks:{NODE}")

    def wait_endpoint(self, endpoint):
        return wait_until(lambda: self.endpoints().get(endpoint), f"endpoint {endpoint} is published")

    def wait_gone(self, endpoint):
        wait_until(lambda: endpoint not in self.endpoints(), f"endpoint {endpoint} is gone")

    def wait_log(self, text, count=1):
        wait_until(lambda: self.log.read_text().count(text) >= count, f"log says {text}")

    def messages(self):
        messages = Messages(self.redis_path)
        self.addCleanup(messages.close)
        return messages
