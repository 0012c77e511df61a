# SPDX-License-Identifier: GPL-2.0-or-later
"""bulkheadctl against a private redis-server: what it prints, what it stores, how it ends.

BULKHEAD_BIN names the folder of the programs (default: build/bin).
"""
import copy
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
CTL = os.path.join(os.environ.get("BULKHEAD_BIN", os.path.join(ROOT, "build", "bin")), "bulkheadctl")
PREFIX = "bulkhead:v1:"

DATABASE = """\
apiVersion: v1
kind: policy
metadata:
  name: database
spec:
  order: 0
  selector: role == 'database'
  ingress:
  - action: allow
    protocol: tcp
    source:
      selector: role == 'frontend'
    destination:
      ports: [3306]
"""
FRONTEND = """\
apiVersion: v1
kind: policy
metadata: {name: frontend}
spec:
  selector: role == 'frontend'
  egress:
  - action: allow
    protocol: tcp
    destination: {selector: role == 'database', ports: [3306]}
"""


class Redis:
    """A redis-server on a unix socket in a temporary directory, with a few commands over RESP."""

    def __init__(self, *arguments):
        self.directory = tempfile.mkdtemp(prefix="bulkhead-ctl-")
        self.path = os.path.join(self.directory, "redis.sock")
        self.log = os.path.join(self.directory, "log")
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.path, "--save", "",
             "--dir", self.directory, "--logfile", self.log, *arguments],
            stdout=subprocess.DEVNULL)
        self.stream = None
        deadline = time.monotonic() + 10
        while self.stream is None:
            try:
                connection = socket.socket(socket.AF_UNIX)
                connection.connect(self.path)
                connection.settimeout(10)
                self.stream = connection.makefile("rwb")
                connection.close()
            except OSError:
                connection.close()
                if time.monotonic() > deadline or self.process.poll() is not None:
                    with open(self.log, encoding="utf-8") as log:
                        raise RuntimeError("redis-server does not start: " + log.read()) from None
                time.sleep(0.02)

    def another(self):
        """A second connection to the same server, for a thread of its own; end it with close_stream()."""
        other = copy.copy(self)
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self.path)
        connection.settimeout(10)
        other.stream = connection.makefile("rwb")
        connection.close()
        return other

    def close_stream(self):
        self.stream.close()

    def close(self):
        self.stream.close()
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.directory)

    def command(self, *words):
        data = [f"*{len(words)}\r\n".encode()]
        for word in words:
            word = word if isinstance(word, bytes) else str(word).encode()
            data += [f"${len(word)}\r\n".encode(), word, b"\r\n"]
        self.stream.write(b"".join(data))
        self.stream.flush()
        return self.reply()

    def reply(self):
        line = self.stream.readline()
        kind, rest = line[:1], line[1:].strip()
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            if int(rest) < 0:
                return None
            return self.stream.read(int(rest) + 2)[:-2].decode("utf-8", "surrogateescape")
        return [self.reply() for _ in range(int(rest))]

    def hash(self, key):
        words = self.command("HGETALL", key)
        return dict(zip(words[::2], words[1::2]))


class Result:
    def __init__(self, process):
        self.status = process.returncode
        self.out = process.stdout
        self.err = process.stderr


class Case(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.redis = Redis()

    @classmethod
    def tearDownClass(cls):
        cls.redis.close()

    def setUp(self):
        self.redis.command("FLUSHALL")
        self.directory = tempfile.mkdtemp(prefix="bulkhead-ctl-files-")
        self.addCleanup(shutil.rmtree, self.directory)

    def ctl(self, *arguments, stdin="", env=None, store=True):
        environment = {"PATH": os.environ["PATH"], "BULKHEAD_CTL_ENV": "/nonexistent/env"}
        if store:
            environment["BULKHEAD_REDIS_URL"] = "unix://" + self.redis.path
        environment.update({k: os.environ[k] for k in ("ASAN_OPTIONS", "UBSAN_OPTIONS") if k in os.environ})
        environment.update(env or {})
        return Result(subprocess.run([CTL, *arguments], input=stdin, capture_output=True, text=True,
                                     env=environment, timeout=60, check=False))

    def ok(self, *arguments, **keywords):
        result = self.ctl(*arguments, **keywords)
        self.assertEqual(result.status, 0, result.err)
        return result

    def file(self, text, name="policy.yaml"):
        path = os.path.join(self.directory, name)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return path

    def policies(self):
        return {k: json.loads(v) for k, v in self.redis.hash(PREFIX + "policies").items()}

    def head(self):
        return self.redis.command("GET", PREFIX + "head:policies")

    def play_enforcer(self, node="n1"):
        """A thread that says of the node, until the test ends, that it has in force what the store holds."""
        ended = threading.Event()
        redis = self.redis.another()

        def report():
            redis.command("HSET", PREFIX + "status:" + node, "heartbeat_unix", int(time.time()), "in_force", "true",
                          "policies_head", redis.command("GET", PREFIX + "head:policies") or "")

        def run():
            while not ended.wait(0.02):
                report()
            redis.close_stream()

        report()
        thread = threading.Thread(target=run)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(ended.set)

    def add_node(self, node="n1"):
        now = int(time.time())
        self.redis.command("HSET", PREFIX + "nodes", node, json.dumps({
            "v": 1, "node": node, "engine": "e", "boot": "b", "instance": "i", "version": "1",
            "started": now, "heartbeat": now}))
        self.redis.command("SET", PREFIX + "head:node:" + node, "1700000000000-00000000:1:0123456789abcdef")

    def add_endpoint(self, name, labels, node="n1", network="net1", **more):
        ident = "ep-" + node + "-" + name + "-" + network
        record = {"v": 1, "id": ident, "node": node,
                  "container": {"id": "c-" + name, "name": name, "image": "busybox"},
                  "network": {"id": "id-" + network, "name": network, "driver": "bridge"},
                  "ipv4": "172.18.0.2", "ipv6": None, "mac": "02:42:ac:12:00:02", "labels": labels,
                  "rejected": {}, "ports": [], "state": "running"}
        record.update(more)
        self.redis.command("HSET", PREFIX + "endpoints:" + node, ident, json.dumps(record))

    def add_network(self, name="net1", node="n1", isolation=None):
        self.redis.command("HSET", PREFIX + "networks:" + node, "id-" + name, json.dumps({
            "v": 1, "id": "id-" + name, "name": name, "driver": "bridge", "bridge": "br-" + name,
            "subnets": ["172.18.0.0/16"], "shared": None, "isolation": isolation}))
