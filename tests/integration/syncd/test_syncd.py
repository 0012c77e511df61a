#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""bulkhead-syncd between a scripted Engine and a private redis-server: what it asks, what it publishes, how it heals.

BULKHEAD_BIN names the folder of the programs (default: build/bin).
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/lib"))
from fake_engine import FakeEngine, hex_id  # noqa: E402

SYNCD = pathlib.Path(os.environ.get("BULKHEAD_BIN", ROOT / "build/bin")).resolve() / "bulkhead-syncd"
PREFIX = "bulkhead:v1:"
LABEL = "org.projectcalico.label."
NODE = "fakenode"
BOUND = 10


def setUpModule():
    if not shutil.which("redis-server"):
        if os.environ.get("CI") == "true":
            raise RuntimeError("needs redis-server")
        raise unittest.SkipTest("needs redis-server")


def wait_until(condition, what, bound=BOUND):
    end = time.monotonic() + bound
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"not within {bound} s: {what}")
        time.sleep(0.01)


class Resp:
    """One connection to Redis: commands, or messages of a channel."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(BOUND)
        self.sock.connect(str(path))
        self.stream = self.sock.makefile("rwb")

    def __call__(self, *words):
        self.stream.write(b"*%d\r\n" % len(words))
        for word in words:
            data = str(word).encode()
            self.stream.write(b"$%d\r\n%s\r\n" % (len(data), data))
        self.stream.flush()
        return self.reply()

    def reply(self):
        line = self.stream.readline()
        if not line:
            raise EOFError
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"-":
            raise RuntimeError(rest)
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == "-1" else self.stream.read(int(rest) + 2)[:-2].decode()
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        return rest

    def records(self, key):
        flat = self("HGETALL", PREFIX + key)
        return {k: json.loads(v) for k, v in zip(flat[::2], flat[1::2])}

    def close(self):
        self.stream.close()
        self.sock.close()


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
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="bulkhead-syncd-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.log = self.directory / "log"
        self.redis_path = self.directory / "redis.sock"
        self.redis_server = self.redis = None
        self.addCleanup(self.stop_redis)
        self.start_redis()
        self.engine = FakeEngine(self.directory / "docker.sock").open()
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
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("BULKHEAD_", "DOCKER_"))}
        # a proxy is not meant for the Engine
        return {**clean, "http_proxy": "http://127.0.0.1:9", **more}

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

    def endpoints(self):
        return self.redis.records(f"endpoints:{NODE}")

    def networks(self):
        return self.redis.records(f"networks:{NODE}")

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


class TestPublishing(Case):
    def test_what_was_there_before(self):
        web = self.engine.add_container("web", labels={LABEL + "role": "web", LABEL + "bad": "a b"}, state="running")
        self.engine.containers[web]["Ports"] = [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}]
        endpoint = self.engine.attach(self.net, web, "10.1.0.2", "fd00::2")
        self.start()
        record = self.endpoints()[endpoint]
        self.assertEqual(record["container"], {"id": web, "name": "web", "image": "busybox"})
        self.assertEqual(record["network"], {"id": self.net, "name": "net1", "driver": "bridge"})
        self.assertEqual((record["ipv4"], record["ipv6"], record["mac"]), ("10.1.0.2", "fd00::2", "02:42:0a:01:00:02"))
        self.assertEqual(
            record["labels"],
            {"role": "web", "docker/container": "web", "docker/image": "busybox", "docker/network": "net1"},
        )
        self.assertEqual(list(record["rejected"]), ["bad"])
        self.assertEqual(record["ports"], [{"proto": "tcp", "host_ip": "0.0.0.0", "host_port": 8080, "port": 80}])
        self.assertEqual(record["state"], "running")
        network = self.networks()[self.net]
        self.assertEqual(network["bridge"], "br-" + self.net[:12])
        self.assertEqual((network["subnets"], network["isolation"]), (["10.1.0.0/16"], "strict"))
        self.assertEqual({n["name"] for n in self.networks().values()}, {"bridge", "net1"})  # not "host"
        node = self.redis.records("nodes")[NODE]
        self.assertEqual((node["engine"], node["node"]), ("FAKE:0001", NODE))
        self.assertEqual(self.metric("endpoints"), 1)
        self.assertEqual(self.metric("rejected_labels"), 1)

    def test_start_never_asks_what_blocks(self):
        self.start()
        container, endpoint = self.engine.run(self.net, "web", "10.1.0.2", labels={LABEL + "role": "web"})
        wait_until(lambda: self.endpoints().get(endpoint, {}).get("state") == "running", "it runs")
        self.assertEqual(self.engine.count(rf"/containers/{container}/"), 0)
        self.assertGreater(self.metric("publish_latency_max_seconds"), 0)

    def test_connect_does_not_wait_for_a_list(self):
        self.start()
        gate = threading.Event()
        self.engine.fail(r"/containers/json\?all=1$", gate=gate)
        self.syncd.send_signal(signal.SIGHUP)
        before = self.engine.count(r"/containers/json\?all=1$")
        wait_until(lambda: self.engine.count(r"/containers/json\?all=1$") > before or before > 1, "the list is asked for")
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.2", labels={LABEL + "role": "web"})
        self.wait_endpoint(endpoint)
        self.assertEqual(self.http("/readyz")[0], 200)
        gate.set()
        # the list is older than the container and must not take it away again
        wait_until(lambda: self.metric("resyncs_total") >= 2, "the comparison is complete")
        self.assertIn(endpoint, self.endpoints())

    def test_connects_are_coalesced(self):
        self.start()
        gate = threading.Event()
        self.engine.fail(rf"/networks/{self.net}$", gate=gate, times=1)
        before = self.engine.count(rf"/networks/{self.net}$")
        ids = [self.engine.create(f"c{i}") for i in range(20)]
        endpoints = [self.engine.connect(self.net, c, f"10.1.0.{i + 2}") for i, c in enumerate(ids)]
        wait_until(lambda: self.metric("events_total") >= 40, "all events are read")
        wait_until(lambda: self.engine.count(rf"/networks/{self.net}$") > before, "the network is asked for")
        gate.set()
        wait_until(lambda: set(endpoints) <= set(self.endpoints()), "all are published")
        self.assertEqual(self.engine.count(rf"/networks/{self.net}$") - before, 2)

    def test_address_passes_in_one_transaction(self):
        old, old_endpoint = self.engine.run(self.net, "old", "10.1.0.2", labels={LABEL + "role": "db"})
        self.start()
        messages = self.messages()
        # its disconnect event was dropped: the new owner's connect has to do
        self.engine.detach(self.net, old)
        _, endpoint = self.engine.run(self.net, "new", "10.1.0.2")
        changes = messages.next_with(endpoint)["changes"]
        self.assertEqual([(c["op"], c["id"]) for c in changes][:2], [("del", old_endpoint), ("put", endpoint)])
        self.assertNotIn("role", changes[1]["record"]["labels"])

    def test_stop_and_remove(self):
        self.start()
        container, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.wait_endpoint(endpoint)
        self.engine.stop(self.net, container)
        self.wait_gone(endpoint)
        again = self.engine.start(self.net, container, "10.1.0.3")
        self.assertEqual(self.wait_endpoint(again)["ipv4"], "10.1.0.3")
        self.engine.stop(self.net, container)
        self.engine.remove(container)
        self.wait_gone(again)

    def test_answer_older_than_a_disconnect(self):
        self.start()
        container, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.wait_endpoint(endpoint)
        other = self.engine.create("other")
        gate = threading.Event()
        self.engine.fail(rf"/networks/{self.net}$", gate=gate, times=1)
        asked = self.engine.count(rf"/networks/{self.net}$")
        messages = self.messages()
        self.engine.connect(self.net, other, "10.1.0.9")
        wait_until(lambda: self.engine.count(rf"/networks/{self.net}$") > asked, "network inspect is under way")
        self.engine.stop(self.net, container)
        self.wait_gone(endpoint)
        gate.set()
        wait_until(lambda: self.engine.count(rf"/networks/{self.net}$") >= asked + 2, "it is asked again")
        wait_until(lambda: len(self.endpoints()) == 1, "only the other is left")
        # nor did it come back in between
        mine, others = [], []
        while not others:
            for change in messages.next()["changes"]:
                (mine if change["id"] == endpoint else others).append(change["op"])
        self.assertEqual((mine[-1], mine.count("del")), ("del", 1))

    def test_pause_rename_and_second_network(self):
        second = self.engine.add_network("net2", subnet="10.2.0.0/16")
        self.start()
        container, endpoint = self.engine.run(self.net, "web", "10.1.0.2", labels={LABEL + "role": "web"})
        other = self.engine.connect(second, container, "10.2.0.2")
        self.assertEqual(self.wait_endpoint(other)["labels"]["role"], "web")
        self.engine.container_event("pause", container)
        wait_until(lambda: {e["state"] for e in self.endpoints().values()} == {"paused"}, "both are paused")
        self.engine.containers[container]["Names"] = ["/renamed"]
        self.engine.container_event("rename", container)
        wait_until(lambda: self.endpoints()[endpoint]["container"]["name"] == "renamed", "the name is new")
        self.assertEqual(self.endpoints()[other]["labels"]["docker/container"], "renamed")

    def test_networks_come_and_go(self):
        self.start()
        network = self.engine.create_network("later", subnet="10.9.0.0/16")
        wait_until(lambda: network in self.networks(), "the new network")
        self.engine.remove_network(network)
        wait_until(lambda: network not in self.networks(), "the network is gone")


class TestImages(Case):
    def test_image_does_not_choose_its_role(self):
        self.engine.add_image("sha256:evil", {LABEL + "role": "admin"})
        self.start()
        _, endpoint = self.engine.run(self.net, "evil", "10.1.0.2", image_id="sha256:evil", labels={LABEL + "tier": "x"})
        record = self.wait_endpoint(endpoint)
        self.assertNotIn("role", record["labels"])
        self.assertEqual(record["labels"]["tier"], "x")
        self.assertIn("image's own", record["rejected"]["role"])

    def test_image_labels_on(self):
        self.engine.add_image("sha256:trusted", {LABEL + "role": "admin"})
        self.start("--image-labels", "on")
        _, endpoint = self.engine.run(self.net, "app", "10.1.0.2", image_id="sha256:trusted")
        self.assertEqual(self.wait_endpoint(endpoint)["labels"]["role"], "admin")
        self.assertEqual(self.engine.count("/images/"), 0)

    def test_record_waits_for_the_image(self):
        self.engine.add_image("sha256:slow", {})
        self.start()
        gate = threading.Event()
        self.engine.fail("/images/sha256:slow", gate=gate)
        _, endpoint = self.engine.run(self.net, "app", "10.1.0.2", image_id="sha256:slow", labels={LABEL + "role": "db"})
        wait_until(lambda: self.metric("endpoints_held") == 1, "it is held back")
        _, other = self.engine.run(self.net, "other", "10.1.0.3")
        self.wait_endpoint(other)
        self.assertNotIn(endpoint, self.endpoints())
        gate.set()
        self.assertEqual(self.wait_endpoint(endpoint)["labels"]["role"], "db")
        self.engine.run(self.net, "second", "10.1.0.4", image_id="sha256:slow", labels={LABEL + "role": "db"})
        wait_until(lambda: len(self.endpoints()) == 3, "all are published")
        self.assertEqual(self.engine.count("/images/sha256:slow"), 1)  # remembered

    def test_image_gone(self):
        self.start()
        _, endpoint = self.engine.run(self.net, "app", "10.1.0.2", image_id="sha256:gone", labels={LABEL + "role": "db"})
        record = self.wait_endpoint(endpoint)
        self.assertNotIn("role", record["labels"])
        self.assertIn("image cannot be read", record["rejected"]["role"])

    def test_image_question_fails_then_answers(self):
        self.engine.fail("/images/sha256:plain", status=500)
        self.engine.run(self.net, "app", "10.1.0.2", labels={LABEL + "role": "db"})
        self.spawn()
        self.wait_not_ready("image sha256:plain: HTTP status 500")
        self.assertEqual(self.redis("EXISTS", f"{PREFIX}head:node:{NODE}"), 0)  # half-known is not published
        self.engine.heal()
        self.wait_ready()
        self.assertEqual([e["labels"]["role"] for e in self.endpoints().values()], ["db"])

    def test_image_refused_to_a_new_container(self):
        """It asked to be isolated: it is published closed at once, not held back as a bystander, and healed later."""
        self.engine.add_image("sha256:shy", {})
        self.start()
        self.engine.fail("/images/sha256:shy", status=403)
        _, endpoint = self.engine.run(self.net, "app", "10.1.0.2", image_id="sha256:shy", labels={LABEL + "role": "db"})
        record = self.wait_endpoint(endpoint)
        self.assertNotIn("role", record["labels"])
        self.assertIn("image cannot be read", record["rejected"]["role"])
        self.engine.heal()
        wait_until(lambda: self.endpoints()[endpoint]["labels"].get("role") == "db", "the label counts")
        self.wait_ready()

    def test_labels_without_effect(self):
        self.start()
        self.engine.create("hosted", labels={LABEL + "role": "x"}, mode="host")
        self.engine.create("joiner", labels={LABEL + "role": "x"}, mode="container:" + hex_id(7))
        self.wait_log("hosted uses the host's network")
        self.wait_log("acts with that one's labels")
        self.syncd.send_signal(signal.SIGHUP)
        wait_until(lambda: self.metric("resyncs_total") >= 2, "compared again")
        self.assertEqual(self.log.read_text().count("hosted uses"), 1)


class TestHealing(Case):
    def test_stream_cut(self):
        container, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.start()
        self.engine.fail("/version", status=500)
        self.engine.cut()
        self.wait_not_ready("engine:")
        self.assertIn(endpoint, self.endpoints())
        # while nobody listens: one leaves without an event, one comes
        self.engine.detach(self.net, container)
        late = self.engine.add_container("late", state="running")
        new = self.engine.attach(self.net, late, "10.1.0.3")
        self.engine.heal()
        self.wait_ready()
        self.assertEqual(list(self.endpoints()), [new])
        self.assertEqual(self.log.read_text().count("lost the Engine"), 1)
        self.assertEqual(self.log.read_text().count("cannot reach the Engine"), 0)

    def test_engine_away_and_back(self):
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.start()
        self.engine.close()
        self.wait_not_ready("engine:")
        self.assertIn(endpoint, self.endpoints())
        self.engine.open()
        self.wait_ready()
        self.assertIn(endpoint, self.endpoints())

    def test_engine_comes_later(self):
        self.engine.close()
        self.spawn()
        self.wait_not_ready("engine: version:")
        self.engine.open()
        self.wait_ready()

    def test_engine_that_hangs(self):
        """The stream stays open and says nothing, as a connection does whose other end has lost its power."""
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.start()
        self.engine.fail("/_ping", gate=threading.Event())
        wait_until(lambda: self.log.read_text().count("lost the Engine: ping: no answer"), "it is noticed", 40)
        self.wait_ready()
        self.assertIn(endpoint, self.endpoints())

    def test_another_engine_at_the_same_socket(self):
        self.start()
        self.engine.info["ID"] = "FAKE:0002"
        self.engine.cut()
        self.assertEqual(self.syncd.wait(BOUND), 1)
        self.assertIn("the Engine is another one now", self.log.read_text())

    def test_event_that_cannot_be_read(self):
        self.start()
        for line in (b"{nonsense}\n", b'{"Type":"container","Action":"start","Actor":{"ID":"' + b"x" * (2 << 20) + b'"}}\n'):
            container = self.engine.add_container("quiet" + str(len(line)))
            endpoint = self.engine.attach(self.net, container, "10.1.0.7")
            self.engine.emit_raw(line)  # instead of the connect event
            self.wait_endpoint(endpoint)
            self.engine.detach(self.net, container)

    def test_bad_answers(self):
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.start()
        bad = (
            {"status": 500},
            {"status": 403, "body": b"denied"},
            {"body": b"<html>"},
            {"body": b'{"Id":7}'},
            {"body": b""},
            {"drop": True},
        )
        for fault in bad:
            with self.subTest(fault=fault):
                self.engine.fail(rf"/networks/{self.net}$", **fault)
                self.syncd.send_signal(signal.SIGHUP)
                self.wait_not_ready("engine: network")
                self.assertIn(endpoint, self.endpoints())
                self.engine.heal()
                self.wait_ready()
                self.assertIn(endpoint, self.endpoints())

    def test_lists_of_the_wrong_shape(self):
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.start()
        for path in ("/containers/json", "/networks$"):
            with self.subTest(path=path):
                self.engine.fail(path, body=b'[{"Id":"a","Labels":[]}]')
                self.syncd.send_signal(signal.SIGHUP)
                self.wait_not_ready("wrong type")
                self.assertIn(endpoint, self.endpoints())
                self.engine.heal()
                self.wait_ready()

    def test_resync_finds_what_events_did_not_say(self):
        self.start("--resync", "1")
        container = self.engine.add_container("quiet", state="running")
        endpoint = self.engine.attach(self.net, container, "10.1.0.2")
        self.wait_endpoint(endpoint)
        self.engine.detach(self.net, container)
        self.wait_gone(endpoint)

    def test_redis_flushed(self):
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.start()
        self.redis("FLUSHALL")
        self.wait_endpoint(endpoint)

    def test_redis_restarted_empty(self):
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.start()
        self.stop_redis()
        self.wait_not_ready("redis:")
        self.redis_path.unlink(missing_ok=True)
        self.start_redis()
        self.wait_ready()
        self.assertIn(endpoint, self.endpoints())

    def test_restart_replaces_what_is_stale(self):
        container, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.start()
        self.syncd.kill()
        self.syncd.wait(BOUND)
        self.assertIn(endpoint, self.endpoints())
        self.engine.stop(self.net, container)
        self.start()
        self.assertEqual(self.endpoints(), {})

    def test_hostile_labels(self):
        self.start()
        labels = {LABEL + f"k{i}" + "x" * 480: "y" * 63 for i in range(3000)}
        labels.update({LABEL + f"bad {i}" + "x" * 480: "\u0000\x1b[2J" for i in range(3000)})
        self.engine.create("hostile", labels=labels)
        hostile = next(iter(self.engine.containers))
        endpoint = self.engine.start(self.net, hostile, "10.1.0.2")
        _, other = self.engine.run(self.net, "other", "10.1.0.3", labels={LABEL + "role": "db"})
        self.assertEqual(self.wait_endpoint(other)["labels"]["role"], "db")
        record = self.wait_endpoint(endpoint)
        self.assertGreater(len([k for k in record["labels"] if not k.startswith("docker/")]), 0)
        self.assertLess(len(json.dumps(record)), 1 << 20)
        self.assertNotIn("\x1b", self.log.read_text())


class TestProgram(Case):
    def test_sigterm_gives_the_lease_back(self):
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.start()
        self.assertEqual(self.end(), 0)
        self.assertEqual(self.redis.records("nodes")[NODE]["heartbeat"], 0)
        self.assertIn(endpoint, self.endpoints())

    def test_sigterm_without_engine_and_redis(self):
        self.engine.close()
        self.stop_redis()
        self.spawn()
        wait_until(lambda: self.http("/healthz")[0] == 200, "it is alive")
        self.assertEqual(self.end(), 0)

    def test_node_name_held_by_another_engine(self):
        """Two hosts of one name: the second ends and says who is there; the first goes on."""
        self.start()
        first = self.syncd
        self.addCleanup(first.wait)
        self.addCleanup(first.kill)
        with FakeEngine(self.directory / "other.sock", engine_id="OTHER:1") as other:
            self.spawn("--docker-host", f"unix://{other.path}", "--listen", "none")
            self.assertEqual(self.syncd.wait(BOUND), 1)
        self.assertIn("FAKE:0001", self.log.read_text().splitlines()[-1])
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.wait_endpoint(endpoint)

    def test_node_from_the_command_line(self):
        self.start("--node", "other")
        self.assertEqual(list(self.redis.records("nodes")), ["other"])

    def test_engine_name_that_cannot_be_a_node(self):
        self.engine.info["Name"] = "a/b"
        self.spawn()
        self.assertEqual(self.syncd.wait(BOUND), 1)
        self.assertIn("use --node", self.log.read_text())

    def test_api_version(self):
        self.start()
        self.assertGreater(self.engine.count(r"^/v1\.41/networks$"), 0)
        self.engine.version.update({"ApiVersion": "1.55", "MinAPIVersion": "1.40"})
        self.engine.cut()
        wait_until(lambda: self.engine.count(r"^/v1\.51/networks$"), "the band's newest is spoken")
        self.engine.version.update({"ApiVersion": "1.39"})
        self.engine.cut()
        self.wait_not_ready("DOCKER_API_VERSION overrides")

    def test_api_version_from_the_environment(self):
        self.start(DOCKER_API_VERSION="1.43")
        self.assertGreater(self.engine.count(r"^/v1\.43/networks$"), 0)

    def call(self, *arguments, **environment):
        return subprocess.run(
            self.arguments(*arguments), env=self.environment(**environment), capture_output=True, text=True, timeout=BOUND * 2
        )

    def test_check(self):
        done = self.call("--check")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual([line[:4] for line in done.stdout.splitlines()], ["ok  "] * 3)
        self.assertIn("20.10.24", done.stdout)
        self.assertIn("node fakenode, Engine id FAKE:0001", done.stdout)
        self.stop_redis()
        self.engine.version["ApiVersion"] = "1.30"
        done = self.call("--check")
        self.assertEqual(done.returncode, 1)
        self.assertEqual([line[:4] for line in done.stdout.splitlines()], ["FAIL", "ok  ", "FAIL"])
        self.engine.close()
        done = self.call("--check")
        self.assertIn("docker.sock", done.stdout)
        self.assertEqual(done.returncode, 1)

    def test_healthcheck(self):
        self.assertEqual(self.call("--healthcheck").returncode, 1)
        self.start()
        self.assertEqual(self.call("--healthcheck").returncode, 0)
        self.engine.close()
        self.wait_not_ready("engine:")
        self.assertEqual(self.call("--healthcheck").returncode, 1)

    def test_wrong_use(self):
        wrong = (
            (["--docker-host", "ssh://host"], {}, "ssh -L"),
            (["--docker-host", "docker.sock"], {}, "unix://"),
            (["--resync", "0"], {}, "resync"),
            (["--image-labels", "maybe"], {}, "image-labels"),
            (["--label-prefix", ""], {}, "label-prefix"),
            (["--node", "a/b"], {}, "node"),
            (["--nonsense"], {}, "nonsense"),
            (["operand"], {}, "operand"),
            ([], {"DOCKER_API_VERSION": "latest"}, "DOCKER_API_VERSION"),
            ([], {"BULKHEAD_RESYNC": "soon"}, "RESYNC"),
        )
        for arguments, environment, part in wrong:
            with self.subTest(arguments=arguments, environment=environment):
                done = self.call(*arguments, **environment)
                self.assertEqual(done.returncode, 64)
                self.assertIn(part, done.stderr)
                self.assertEqual(done.stdout, "")

    def test_help_and_version(self):
        self.assertEqual(self.call("--help").returncode, 0)
        self.assertIn("--docker-host", self.call("--help").stdout)
        self.assertEqual(self.call("--version").returncode, 0)

    def test_port_taken(self):
        with socket.create_server(("127.0.0.1", self.port)):
            done = self.call()
        self.assertEqual(done.returncode, 1)
        self.assertIn(str(self.port), done.stderr)


class TestTls(Case):
    """tcp:// with DOCKER_TLS_VERIFY: both sides show a certificate, and the Engine's must be for its name."""

    def openssl(self, *words):
        subprocess.run(["openssl", *words], cwd=self.directory, check=True, capture_output=True)

    def certificate(self, name, subject, extension):
        self.openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}key.pem", "-out", "req.pem", "-subj", f"/CN={subject}")
        (self.directory / "ext").write_text(extension)
        self.openssl(
            "x509", "-req", "-in", "req.pem", "-CA", "ca.pem", "-CAkey", "cakey.pem", "-CAcreateserial", "-days", "2",
            "-extfile", "ext", "-out", f"{name}cert.pem",
        )

    def setUp(self):
        super().setUp()
        if not shutil.which("openssl"):
            self.skipTest("needs openssl")
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "cakey.pem", "-out", "ca.pem", "-subj", "/CN=ca", "-days", "2")
        self.certificate("", "client", "extendedKeyUsage=clientAuth")  # cert.pem, wants its key as key.pem
        self.certificate("server", "engine", "subjectAltName=IP:127.0.0.1")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.directory / "servercert.pem", self.directory / "serverkey.pem")
        context.load_verify_locations(self.directory / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        self.engine.close()
        self.engine.open(tls=context)
        self.environment_of_tls = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(self.directory)}

    def test_verified(self):
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.start("--docker-host", f"tcp://127.0.0.1:{self.engine.port}", **self.environment_of_tls)
        self.assertIn(endpoint, self.endpoints())
        _, later = self.engine.run(self.net, "later", "10.1.0.3")
        self.wait_endpoint(later)

    def test_certificate_for_another_name(self):
        self.spawn("--docker-host", f"tcp://localhost:{self.engine.port}", **self.environment_of_tls)
        self.wait_not_ready("engine: version:")
        self.assertIn("localhost", self.http("/readyz")[1])
        self.assertEqual(self.engine.requests, [])

    def test_without_a_certificate_of_ours(self):
        self.spawn("--docker-host", f"https://127.0.0.1:{self.engine.port}", HOME=str(self.directory / "nobody"))
        self.wait_not_ready("engine: version:")
        self.assertEqual(self.engine.requests, [])


if __name__ == "__main__":
    unittest.main(verbosity=1)
