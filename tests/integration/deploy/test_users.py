#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""deploy/redis/users.conf on a private redis-server: each program works with its own user, and Redis refuses it all else.

BULKHEAD_BIN names the folder of the programs (default: build/bin).
"""
import functools
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/lib"))
import integration  # noqa: E402
from fake_engine import FakeEngine  # noqa: E402
from integration import PREFIX, Refused, clean_environment, missing  # noqa: E402

BIN = pathlib.Path(os.environ.get("BULKHEAD_BIN", ROOT / "build/bin")).resolve()
USERS = ROOT / "deploy/redis/users.conf"
LABEL = "org.projectcalico.label."
ADMIN = "admin-password"
BOUND = 20
Resp = functools.partial(integration.Resp, bound=BOUND)
wait_until = functools.partial(integration.wait_until, bound=BOUND)

POLICY = """\
apiVersion: v1
kind: policy
metadata: {name: %s}
spec:
  selector: role == 'web'
  ingress:
  - {action: allow}
"""


def setUpModule():
    missing("redis-server", shutil.which("redis-server"))


def users():
    """The file as an operator of two nodes would have it: syncd and enforcerd of n1 and n2, password = name."""
    marks = {"@SYNCD@": "syncd", "@ENFORCERD@": "enforcerd", "@BULKHEADCTL@": "bulkheadctl", "@LOOK@": "look"}
    lines = []
    for line in USERS.read_text().splitlines():
        for mark, password in marks.items():
            line = line.replace(mark, password)
        if line.startswith("user ") and "@NODE@" in line:
            for node in ("n1", "n2"):
                name = line.split()[1]
                lines.append(line.replace(f"user {name}", f"user {name}-{node}").replace("@NODE@", node))
        else:
            lines.append(line)
    return "\n".join(lines)


def password_of(user):
    return user.split("-")[0]


class Case(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="bulkhead-users-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.path = self.directory / "redis.sock"
        config = self.directory / "redis.conf"
        config.write_text(
            f"port 0\nunixsocket {self.path}\ndir {self.directory}\nsave \"\"\nlogfile {self.directory}/redis.log\n"
            f"requirepass {ADMIN}\n{users()}\n"
        )
        self.server = self.start(["redis-server", config], stdout=subprocess.DEVNULL)
        self.admin = wait_until(self.connect_admin, "redis-server answers")
        self.addCleanup(self.admin.close)

    def connect_admin(self):
        if self.server.poll() is not None:
            self.fail("redis-server ended: " + (self.directory / "redis.log").read_text())
        try:
            return Resp(self.path, "default", ADMIN)
        except (OSError, EOFError):
            return None

    def start(self, argv, **options):
        process = subprocess.Popen([str(word) for word in argv], **options)
        self.addCleanup(process.wait, BOUND)
        self.addCleanup(process.kill)
        return process

    def login(self, user):
        resp = Resp(self.path, user, password_of(user))
        self.addCleanup(resp.close)
        return resp

    def redis_words(self, user):
        file = self.directory / f"{user}.password"
        file.write_text(password_of(user) + "\n")
        return ["--redis", f"unix://{user}@{self.path}", "--redis-password-file", file]

    def daemon(self, program, user, *words, prefix=()):
        log = self.directory / f"{user}.log"
        with open(log, "ab") as stderr:
            process = self.start(
                [*prefix, BIN / program, *self.redis_words(user), "--listen", "none", *words],
                stderr=stderr, env=clean_environment(),
            )
        return process, log

    def assert_no_refusal(self, *logs):
        """Neither the programs nor Redis had anything to say about permissions."""
        for log in logs:
            self.assertNotIn("NOPERM", log.read_text())
        denied = [dict(zip(entry[::2], entry[1::2])) for entry in self.admin("ACL", "LOG")]
        self.assertEqual([(entry["username"], entry["reason"], entry["object"]) for entry in denied], [])

    def ctl(self, *words, statuses=(0,), **options):
        done = subprocess.run(
            [BIN / "bulkheadctl", *map(str, self.redis_words("bulkheadctl")), *map(str, words)],
            capture_output=True, text=True, timeout=BOUND, check=False, env=clean_environment(), **options,
        )
        self.assertIn(done.returncode, statuses, f"{words}: {done.stderr}")
        return done


class TestPrograms(Case):
    """They do all that they do, and nothing of it is refused."""

    def run_syncd(self):
        engine = FakeEngine(self.directory / "docker.sock").open()
        self.addCleanup(engine.close)
        net = engine.add_network("net1", subnet="10.1.0.0/16")
        process, log = self.daemon("bulkhead-syncd", "syncd-n1", "--node", "n1", "--docker-host", f"unix://{engine.path}")
        wait_until(lambda: self.admin.records("networks:n1"), "syncd has published")
        return engine, net, process, log

    def test_syncd(self):
        engine, net, process, log = self.run_syncd()
        _, endpoint = engine.run(net, "web", "10.1.0.2", labels={LABEL + "role": "web"})
        wait_until(lambda: endpoint in self.admin.records("endpoints:n1"), "a change is published")
        # and what it does when its stream is gone
        before = self.admin("GET", PREFIX + "head:node:n1")
        self.admin("DEL", PREFIX + "head:node:n1", PREFIX + "endpoints:n1")
        wait_until(lambda: self.admin("GET", PREFIX + "head:node:n1") not in (None, before), "it is written anew")
        self.assertIn(endpoint, self.admin.records("endpoints:n1"))
        process.terminate()
        self.assertEqual(process.wait(BOUND), 0)
        self.assertEqual(json.loads(self.admin.records("nodes")["n1"])["heartbeat"], 0)
        self.assert_no_refusal(log)

    def test_enforcerd(self):
        missing("root", os.geteuid() == 0)
        self.run_syncd()
        _, log = self.daemon(
            "bulkhead-enforcerd", "enforcerd-n1", "--node", "n1", "--state-dir", self.directory, prefix=("unshare", "--net"))
        wait_until(lambda: self.admin.records("status:n1"), "enforcerd reports")
        self.ctl("create", "-f", "-", input=POLICY % "web")
        head = self.admin("GET", PREFIX + "head:policies")
        wait_until(lambda: self.admin.records("status:n1").get("policies_head") == head, "the policy is in force")
        self.assert_no_refusal(log)

    def test_bulkheadctl(self):
        self.run_syncd()
        self.ctl("create", "-f", "-", input=POLICY % "web")
        self.ctl("apply", "-f", "-", input=POLICY % "other")
        self.ctl("delete", "policy", "other")
        self.ctl("network", "strict", "net1")
        self.ctl("label", "container", "web", "role=web")
        self.ctl("panic")
        self.ctl("panic", "--end")
        self.ctl("store", "accept")
        self.assertIn("web", self.ctl("get", "policies").stdout)
        for words in (("get", "endpoints"), ("get", "networks"), ("get", "nodes"), ("match", "role == 'web'")):
            self.ctl(*words)
        # 1: no enforcerd runs, and it says so
        self.assertIn("n1", self.ctl("status", statuses=(1,)).stdout)
        watch = self.start([BIN / "bulkheadctl", *self.redis_words("bulkheadctl"), "watch"], stdout=subprocess.DEVNULL)
        wait_until(lambda: self.admin("PUBSUB", "NUMSUB", PREFIX + "flows")[1] == 1, "watch follows")
        self.assertIsNone(watch.poll())
        self.assert_no_refusal()


# user, then what it may do and what it may not; N is another node than its own
ALLOWED = {
    "enforcerd-n1": [
        ("XADD", "flows", "*", "a", "b"), ("PUBLISH", "flows", "x"), ("HSET", "status:n1", "a", "b"),
        ("HGETALL", "endpoints:n2"), ("HGETALL", "labels"), ("GET", "history:policies"), ("SUBSCRIBE", "events:node:n2"),
    ],
    "look": [
        ("HGETALL", "policies"), ("HGETALL", "endpoints:n1"), ("XREVRANGE", "flows", "+", "-"), ("SCAN", "0"), ("INFO",),
        ("GET", "head:policies"), ("PING",), ("PSUBSCRIBE", "*"),
    ],
    "syncd-n1": [("HSET", "endpoints:n1", "a", "b"), ("DEL", "endpoints:n1"), ("PUBLISH", "events:node:n1", "x")],
    "bulkheadctl": [("HSET", "policies", "a", "b"), ("HGETALL", "endpoints:n2"), ("GET", "head:node:n1")],
}
NOT_FOR_ANYBODY = [
    ("FLUSHALL",), ("FLUSHDB",), ("CONFIG", "GET", "requirepass"), ("ACL", "LIST"), ("CLIENT", "KILL", "TYPE", "normal"),
    ("REPLICAOF", "127.0.0.1", "1"), ("SHUTDOWN",), ("EVAL", "return 1", "0"), ("SAVE",),
    ("SET", "elsewhere", "x"), ("DEL", "policies"), ("EXPIRE", "policies", "1"), ("RENAME", "policies", "x"),
    ("HSET", "status:n2", "a", "b"), ("SET", "head:node:n2", "x"), ("HSET", "endpoints:n2", "a", "b"),
    ("HDEL", "endpoints:n2", "a"), ("DEL", "endpoints:n2"), ("HSET", "networks:n2", "a", "b"), ("DEL", "head:policies"),
    ("PUBLISH", "events:node:n2", "x"), ("COPY", "endpoints:n1", "endpoints:n2"), ("RESTORE", "policies", "0", "x"),
    ("DEL", "nodes"), ("SWAPDB", "0", "1"),
]
WRITES_POLICIES = [
    ("HSET", "policies", "a", "b"), ("HDEL", "policies", "a"), ("HSET", "isolation", "a", "b"), ("HSET", "labels", "a", "b"),
    ("HSET", "mode", "a", "b"), ("SET", "head:policies", "x"), ("SET", "accept:policies", "x"),
    ("HSET", "history:policies", "1", "x"), ("DEL", "history:policies"), ("PUBLISH", "events:policies", "x"),
]
REFUSED = {
    "syncd-n1": [
        *WRITES_POLICIES, ("HSET", "status:n1", "a", "b"), ("XADD", "flows", "*", "a", "b"), ("PUBLISH", "flows", "x"),
        ("HGETALL", "policies"), ("GET", "head:policies"), ("HGETALL", "endpoints:n1"), ("HGET", "endpoints:n2", "a"),
        ("SET", "nodes", "x"), ("HDEL", "nodes", "n2"),
        ("SET", "endpoints:n1", "x"), ("DEL", "head:node:n1"), ("SUBSCRIBE", "events:policies"), ("SCAN", "0"), ("KEYS", "*"),
    ],
    "enforcerd-n1": [
        *WRITES_POLICIES, ("HSET", "nodes", "n1", "x"), ("HSET", "endpoints:n1", "a", "b"), ("SET", "head:node:n1", "x"),
        ("PUBLISH", "events:node:n1", "x"), ("HDEL", "status:n1", "a"), ("DEL", "flows"), ("XTRIM", "flows", "MAXLEN", "0"),
        ("HSET", "flows", "a", "b"), ("XADD", "status:n1", "*", "a", "b"), ("KEYS", "*"),
    ],
    "bulkheadctl": [
        ("HSET", "nodes", "n1", "x"), ("HSET", "endpoints:n1", "a", "b"), ("HSET", "networks:n1", "a", "b"),
        ("SET", "head:node:n1", "x"), ("HSET", "status:n1", "a", "b"), ("XADD", "flows", "*", "a", "b"),
        ("PUBLISH", "flows", "x"), ("PUBLISH", "events:node:n1", "x"), ("SET", "policies", "x"), ("HSET", "head:policies", "a", "b"),
        ("DEL", "isolation"),
    ],
    "look": [*WRITES_POLICIES, ("PUBLISH", "flows", "x"), ("XADD", "flows", "*", "a", "b"), ("HSET", "nodes", "n1", "x")],
}
KEYLESS = {"SCAN", "KEYS", "INFO", "PING", "PSUBSCRIBE", "FLUSHALL", "FLUSHDB", "CONFIG", "ACL", "CLIENT", "REPLICAOF",
           "SHUTDOWN", "EVAL", "SAVE", "SWAPDB"}


def with_prefix(words):
    if words[0] in KEYLESS or len(words) < 2:
        if words[0] == "PSUBSCRIBE":
            return (words[0], PREFIX + words[1])
        return words
    more = 2 if words[0] in ("COPY", "RENAME") else 1
    return (words[0], *(PREFIX + word for word in words[1 : 1 + more]), *words[1 + more :])


class TestRefusals(Case):
    def verdict(self, user, words):
        """None, or Redis' words where it is a matter of permission. Each on a connection of its own: SUBSCRIBE changes it."""
        resp = Resp(self.path, user, password_of(user))
        try:
            resp(*with_prefix(words))
        except Refused as error:
            return str(error) if str(error).startswith("NOPERM") else None
        finally:
            resp.close()
        return None

    def test_what_is_not_theirs_is_refused(self):
        count = 0
        for user, refused in REFUSED.items():
            for words in [*refused, *NOT_FOR_ANYBODY]:
                with self.subTest(user=user, words=words):
                    self.assertIsNotNone(self.verdict(user, words))
                    count += 1
        print(f"\nfigure: {count} commands refused")

    def test_what_is_theirs_is_not(self):
        for user, allowed in ALLOWED.items():
            for words in allowed:
                with self.subTest(user=user, words=words):
                    self.assertIsNone(self.verdict(user, words))

    def test_without_a_password_there_is_nothing(self):
        resp = socket.socket(socket.AF_UNIX)
        self.addCleanup(resp.close)
        resp.connect(str(self.path))
        resp.sendall(b"GET bulkhead:v1:head:policies\r\n")
        self.assertTrue(resp.recv(200).startswith(b"-NOAUTH"))

    def test_every_key_of_the_store_is_somebodys(self):
        """A user that the file forgets could do everything: there are these and Redis' own."""
        self.assertEqual(
            sorted(self.admin("ACL", "USERS")),
            ["bulkheadctl", "default", "enforcerd-n1", "enforcerd-n2", "look", "syncd-n1", "syncd-n2"])

    def test_one_transaction_does_not_get_round_it(self):
        resp = self.login("syncd-n1")
        resp("MULTI")
        with self.assertRaisesRegex(Refused, "NOPERM"):
            resp("HSET", PREFIX + "endpoints:n2", "e", "{}")
        with self.assertRaisesRegex(Refused, "EXECABORT"):
            resp("EXEC")
        self.assertEqual(self.admin.records("endpoints:n2"), {})


if __name__ == "__main__":
    unittest.main()
