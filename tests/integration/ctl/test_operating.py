#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""bulkheadctl where it operates and watches nodes, against a private redis-server."""
import json
import os
import signal
import socket
import subprocess
import time
import unittest

from ctl_case import CTL, PREFIX, DATABASE, FRONTEND, Redis, Case


class Operating(Case):
    def test_network(self):
        key = PREFIX + "isolation"
        self.ok("network", "strict", "net1")
        self.assertEqual(self.redis.hash(key), {"*/net1": "strict"})
        self.ok("network", "labelled", "net1", "--node", "n1")
        self.assertEqual(self.redis.hash(key), {"*/net1": "strict", "n1/net1": "labelled"})
        self.ok("network", "default", "net1")
        self.assertEqual(self.redis.hash(key), {"n1/net1": "labelled"})
        self.ok("network", "default", "net1")
        for arguments in (["loose", "net1"], ["strict"], ["strict", "a/b"], ["strict", "x", "--node", "a/b"],
                          ["strict", ""]):
            self.assertEqual(self.ctl("network", *arguments).status, 64)
        self.assertEqual(self.redis.hash(key), {"n1/net1": "labelled"})

    def test_label(self):
        key = PREFIX + "labels"

        def stored():
            return {k: json.loads(v) for k, v in self.redis.hash(key).items()}

        self.ok("label", "container", "db", "role=database", "backup=true")
        self.assertEqual(stored(), {"*/db": {"role": "database", "backup": "true"}})
        self.ok("label", "container", "/db", "role=x", "--node", "n1")
        self.assertEqual(stored()["n1/db"], {"role": "x"})
        self.ok("label", "container", "db", "role-", "tier=1")
        self.assertEqual(stored()["*/db"], {"backup": "true", "tier": "1"})
        result = self.ok("label", "container", "db", "nope-", "backup-", "tier-")
        self.assertIn("nope", result.err)
        self.assertEqual(set(stored()), {"n1/db"})
        for word in ("docker/image=x", "a b=c", "role=a b", "role=" + "x" * 64, "role"):
            result = self.ctl("label", "container", "db", word)
            self.assertEqual(result.status, 1, word)
            self.assertNotEqual(result.err, "")
        self.assertEqual(self.ctl("label", "network", "db", "a=b").status, 64)
        self.assertEqual(self.ctl("label", "container", "db").status, 64)
        self.assertEqual(set(stored()), {"n1/db"})

    def test_panic(self):
        key = PREFIX + "mode"
        self.ok("apply", "-f", "-", stdin=DATABASE)
        self.add_node("n1")
        before = self.head()
        result = self.ok("panic")
        self.assertIn("PANIC", result.out)
        self.assertEqual(result.err, "")
        self.assertEqual(self.redis.hash(key), {"*": "audit"})
        self.assertNotEqual(self.head(), before)
        # one node out of it, and back
        self.ok("panic", "--end", "--node", "n1")
        self.assertEqual(self.redis.hash(key), {"*": "audit", "n1": "enforce"})
        self.ok("panic", "--node", "n1")
        self.assertEqual(self.redis.hash(key), {"*": "audit", "n1": "audit"})
        self.ok("panic", "--end", "--node", "n1")
        # all means all
        self.ok("panic")
        self.assertEqual(self.redis.hash(key), {"*": "audit"})
        self.assertIn("over", self.ok("panic", "--end").out)
        self.assertEqual(self.redis.hash(key), {})
        result = self.ok("panic", "--node", "n2")
        self.assertIn('no node "n2" is known now', result.err)
        self.assertEqual(self.redis.hash(key), {"n2": "audit"})
        self.ok("panic", "--end", "--node", "n2")
        self.assertEqual(self.redis.hash(key), {})
        # nothing to end is no write
        before = self.head()
        self.assertIn("no panic", self.ok("panic", "--end").out)
        self.assertIn("no panic", self.ok("panic", "--end", "--node", "n1").out)
        self.assertEqual(self.head(), before)
        self.assertEqual(self.policies().keys(), {"database"})
        for arguments in (["--node", "*"], ["--node", ""], ["now"]):
            self.assertEqual(self.ctl("panic", *arguments).status, 64, arguments)

    def test_panic_is_announced(self):
        self.ok("apply", "-f", "-", stdin=DATABASE)
        self.add_node("n1")
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.redis.path)
            connection.settimeout(10)
            connection.sendall(f"SUBSCRIBE {PREFIX}events:policies\r\n".encode())
            reader = connection.makefile("rb")
            for _ in range(6):
                reader.readline()
            self.ok("panic", "--node", "n1")
            for _ in range(6):
                reader.readline()
            event = json.loads(reader.readline())
            reader.close()
        self.assertEqual(event["changes"], [{"op": "put", "kind": "mode", "id": "n1", "record": "audit"}])

    def test_status_tells_panic(self):
        self.ok("apply", "-f", "-", stdin=DATABASE)
        self.add_node()
        self.ok("panic")
        self.status_hash()
        result = self.ctl("status")
        self.assertEqual(result.status, 1)
        self.assertTrue(result.out.startswith("n1: NOT IN FORCE, PANIC: NOTHING IS DROPPED\n"), result.out)
        self.assertIn("PANIC is on for 1 of 1 nodes", result.err)
        self.status_hash(mode="audit")
        result = self.ok("status", "-o", "json")
        self.assertIn("PANIC is on", result.err)
        report = json.loads(result.out)[0]
        self.assertEqual((report["mode"], report["panic"]), ("audit", True))
        self.ok("panic", "--end", "--node", "n1")
        self.status_hash(mode="enforce")
        result = self.ok("status")
        self.assertTrue(result.out.startswith("n1: in force\n"), result.out)
        self.assertEqual(result.err, "")
        self.status_hash(mode="audit")
        self.assertTrue(self.ok("status").out.startswith("n1: in force, AUDIT MODE: NOTHING IS DROPPED\n"))

    def test_store_accept(self):
        result = self.ctl("store", "accept")
        self.assertEqual(result.status, 1)
        self.ok("apply", "-f", "-", stdin=DATABASE)
        before = self.policies()
        result = self.ok("store", "accept")
        self.assertIn(self.head(), result.out)
        self.assertEqual(self.policies(), before)
        self.assertEqual(self.ctl("store", "refuse").status, 64)

    def status_hash(self, **more):
        fields = {"version": "1", "mode": "enforce", "policies_head": self.head() or "",
                  "endpoints_head": "1700000000000-00000000:1:0123456789abcdef",
                  "heartbeat_unix": int(time.time()), "last_error": "", "problems": "[]",
                  "not_enforced": "[]", "bridges": json.dumps({"br-net1": "strict"})}
        fields.update(more)
        for name, value in fields.items():
            self.redis.command("HSET", PREFIX + "status:n1", name, value)

    def test_status(self):
        result = self.ctl("status")
        self.assertEqual(result.status, 1)
        self.assertIn("no node has reported", result.err)
        self.ok("apply", "-f", "-", stdin=DATABASE)
        self.add_node()
        result = self.ctl("status")
        self.assertEqual(result.status, 1)
        self.assertIn("enforcerd has never reported", result.out)
        self.status_hash()
        result = self.ok("status")
        self.assertTrue(result.out.startswith("n1: in force\n"), result.out)
        self.assertTrue(json.loads(self.ok("status", "-o", "json").out)[0]["inForce"])
        self.ok("apply", "-f", "-", stdin=FRONTEND)
        result = self.ctl("status", "n1")
        self.assertEqual(result.status, 1)
        self.assertIn("the policies in force are not the store's", result.out)
        self.status_hash(not_enforced=json.dumps(["net9: \033[2J"]))
        result = self.ok("status")
        self.assertIn("NOT ENFORCED", result.out)
        self.assertNotIn("\033", result.out)
        # a node where only enforcerd speaks
        self.redis.command("HSET", PREFIX + "status:n0", "version", "1")
        result = self.ctl("status")
        self.assertEqual(result.status, 1)
        self.assertTrue(result.out.startswith("n0: NOT IN FORCE\n"), result.out)


FLOW = {"v": 1, "time": "2026-11-23T15:49:39.000042Z", "node": "n1", "mode": "enforce", "denied": True,
        "what": "end", "direction": "ingress", "policy": "database", "ethertype": "0x0800", "protocol": "tcp",
        "source": {"ip": "172.18.0.3", "port": 45678, "container": "web", "network": "net1",
                   "labels": {"role": "frontend"}},
        "destination": {"ip": "172.18.0.2", "port": 3306, "container": "db"},
        "in": "br-1", "inPort": "veth1", "out": "br-1", "outPort": "veth2"}


class Watching(Case):
    def watch(self, *arguments, redis=None):
        process = subprocess.Popen(
            [CTL, "watch", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={"PATH": os.environ["PATH"], "BULKHEAD_CTL_ENV": "/nonexistent/env",
                 "BULKHEAD_REDIS_URL": "unix://" + (redis or self.redis).path})
        self.addCleanup(self.end, process)
        self.wait(lambda: self.listeners(redis) == self.watching + 1)
        self.watching += 1
        return process

    def setUp(self):
        super().setUp()
        signal.alarm(120)  # a line that never comes ends the run
        self.addCleanup(signal.alarm, 0)
        self.watching = 0
        self.wait(lambda: self.listeners() == 0)

    def end(self, process):
        process.kill()
        process.wait(10)
        process.stdout.close()
        process.stderr.close()

    def wait(self, condition):
        deadline = time.monotonic() + 15
        while not condition():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)

    def listeners(self, redis=None):
        return (redis or self.redis).command("PUBSUB", "NUMSUB", PREFIX + "flows")[1]

    def publish(self, record=None, redis=None, **changes):
        record = dict(FLOW, **changes) if record is None else record
        text = record if isinstance(record, (str, bytes)) else json.dumps(record)
        (redis or self.redis).command("PUBLISH", PREFIX + "flows", text)

    def test_lines(self):
        process = self.watch()
        self.publish()
        self.assertEqual(
            process.stdout.readline(),
            "2026-11-23T15:49:39.000042Z n1 denied ingress tcp web (172.18.0.3:45678) -> db (172.18.0.2:3306): "
            "no rule of policy database allows it\n")
        # nothing that a terminal obeys
        self.publish(source={"container": "a\u009bb", "ip": "10.0.0.1"}, destination={"ip": "fd00::1"})
        self.publish(source={"container": "a\u202eb", "ip": "10.0.0.1"}, destination={"ip": "fd00::1"})
        line = process.stdout.readline()
        self.assertIn("a\\u202eb (10.0.0.1) -> fd00::1", line)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(10), 0)
        self.assertEqual(process.stdout.read(), "")
        self.assertEqual(process.stderr.read().count("no flow record"), 1)

    def test_forms(self):
        wide, plain, yaml = self.watch("-o", "wide"), self.watch("-o", "json"), self.watch("-o", "yaml")
        self.publish(later="more")
        self.assertTrue(wide.stdout.readline().endswith(" in=br-1/veth1 out=br-1/veth2\n"))
        self.assertEqual(json.loads(plain.stdout.readline()), dict(FLOW, later="more"))
        self.assertEqual(yaml.stdout.readline(), "---\n")
        self.assertEqual(yaml.stdout.readline(), "denied: true\n")
        plain.send_signal(signal.SIGTERM)
        self.assertEqual(plain.wait(10), 0)

    def test_filters(self):
        stranger = {"source": {"ip": "198.51.100.1"}, "destination": {"ip": "198.51.100.2"}}
        # what is given, how many of the six it shows, and how to change a record so that it surely does
        cases = [([], 6, {}), (["--denied"], 3, {}), (["--node", "n2"], 1, {"node": "n2"}),
                 (["--from", "web"], 5, {}), (["--to", "db"], 5, {}), (["--from", "role == 'frontend'"], 5, {}),
                 (["--from", "role != 'frontend'"], 0, {"source": {"labels": {"role": "x"}}}),
                 (["--from", "has(role)", "--denied"], 2, {}), (["--from", "172.18.0.0/24"], 5, {}),
                 (["--to", "172.18.0.2"], 5, {}), (["--to", "172.18.0.3"], 0, {"destination": {"ip": "172.18.0.3"}}),
                 (["--from", "198.51.100.1"], 1, stranger), (["--to", "all()"], 0, {"destination": {"labels": {}}}),
                 (["--from", "nobody"], 0, {"source": {"container": "nobody"}})]
        for arguments, count, last in cases:
            process = self.watch("-o", "json", *arguments)
            self.publish()
            self.publish(node="n2")
            self.publish(mode="audit")
            self.publish(mode="audit", what="staged")
            self.publish(denied=False, what="log", rule=0)
            self.publish(**stranger)
            self.publish(what="last", **last)
            shown = []
            while not shown or json.loads(shown[-1])["what"] != "last":
                shown.append(process.stdout.readline())
            self.assertEqual(len(shown) - 1, count, arguments)
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(10), 0)
            self.wait(lambda: self.listeners() == 0)
            self.watching = 0

    def test_wrong_use(self):
        for arguments in (["--from", "a ="], ["--to", "role = 'x'"], ["--from", "a b"], ["x"], ["-o", "xml"]):
            result = self.ctl("watch", *arguments)
            self.assertEqual(result.status, 64, arguments)
            self.assertEqual(result.out, "")

    def test_no_store(self):
        result = self.ctl("watch", "--redis", "unix:///nonexistent", store=False)
        self.assertEqual(result.status, 1)
        self.assertIn("connect to Redis at /nonexistent", result.err)

    def test_connects_again(self):
        redis = Redis()
        path, directory = redis.path, redis.directory
        process = self.watch(redis=redis)
        redis.process.kill()
        redis.process.wait(10)
        redis.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", directory],
            stdout=subprocess.DEVNULL)
        self.addCleanup(redis.close)
        self.assertIn("what happens meanwhile is not shown", process.stderr.readline())
        self.assertIn("connected to", process.stderr.readline())
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        redis.stream.close()
        redis.stream = connection.makefile("rwb")
        connection.close()
        self.publish(redis=redis)
        self.assertIn("no rule of policy database", process.stdout.readline())

    def test_a_reader_that_goes_away_ends_it(self):
        process = self.watch()
        process.stdout.close()
        self.publish()
        self.assertEqual(process.wait(10), 1)
        self.assertIn("write to stdout", process.stderr.read())


if __name__ == "__main__":
    unittest.main(verbosity=2)
