#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""bulkheadctl against a private redis-server: what it prints, what it stores, how it ends.

BULKHEAD_BIN names the folder of the programs (default: build/bin).
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
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


class Writing(Case):
    def test_create_apply_replace_delete(self):
        path = self.file(DATABASE)
        result = self.ok("create", "-f", path)
        self.assertEqual(result.out, "Successfully created 1 'policy' resource(s)\n")
        self.assertIn("created a new policy store", result.err)
        self.assertEqual(self.policies()["database"]["spec"]["types"], ["ingress"])
        result = self.ok("apply", "-f", path, "-f", "-", stdin=FRONTEND)
        self.assertEqual(result.out, "Successfully applied 2 'policy' resource(s)\n")
        self.assertEqual(result.err, "")
        self.assertEqual(self.policies()["frontend"]["spec"]["types"], ["egress"])
        result = self.ok("replace", "-f", path)
        self.assertEqual(result.out, "Successfully replaced 1 'policy' resource(s)\n")
        result = self.ok("delete", "-f", path)
        self.assertEqual(result.out, "Successfully deleted 1 'policy' resource(s)\n")
        self.assertEqual(set(self.policies()), {"frontend"})
        self.ok("delete", "policy", "frontend")
        self.assertEqual(self.policies(), {})

    def test_create_refuses_what_exists_and_stores_nothing(self):
        self.ok("create", "-f", "-", stdin=DATABASE)
        head = self.head()
        result = self.ctl("create", "-f", "-", stdin=DATABASE + "---\n" + FRONTEND)
        self.assertEqual(result.status, 1)
        self.assertEqual(result.out, "")
        self.assertIn("-:1:1: resource already exists: Policy(name=database)\n", result.err)
        self.assertEqual(set(self.policies()), {"database"})
        self.assertEqual(self.head(), head)
        result = self.ok("create", "--skip-exists", "-f", "-", stdin=DATABASE + "---\n" + FRONTEND)
        self.assertIn("created 1 'policy'", result.out)
        self.assertEqual(set(self.policies()), {"database", "frontend"})

    def test_replace_and_delete_refuse_what_is_missing(self):
        self.ok("create", "-f", "-", stdin=DATABASE)
        for arguments in (["replace", "-f", "-"], ["delete", "-f", "-"]):
            result = self.ctl(*arguments, stdin=DATABASE + "---\n" + FRONTEND)
            self.assertEqual(result.status, 1)
            self.assertIn("resource does not exist: Policy(name=frontend)", result.err)
        result = self.ctl("delete", "policy", "database", "nope")
        self.assertEqual(result.status, 1)
        self.assertIn("resource does not exist: Policy(name=nope)", result.err)
        self.assertEqual(set(self.policies()), {"database"})
        self.ok("delete", "policy", "database", "nope", "--skip-not-exists")
        self.assertEqual(self.policies(), {})

    def test_every_write_moves_the_head_and_is_announced(self):
        subscriber = socket.socket(socket.AF_UNIX)
        subscriber.connect(self.redis.path)
        subscriber.settimeout(10)
        self.addCleanup(subscriber.close)
        stream = subscriber.makefile("rb")
        self.addCleanup(stream.close)
        subscriber.sendall(b"SUBSCRIBE " + PREFIX.encode() + b"events:policies\r\n")
        for _ in range(6):
            stream.readline()
        self.ok("apply", "-f", "-", stdin=DATABASE)
        for _ in range(6):
            line = stream.readline()
        event = json.loads(stream.readline())
        self.assertTrue(line.startswith(b"$"))
        self.assertEqual(event["head"], self.head())
        self.assertEqual([c["id"] for c in event["changes"]], ["database"])
        before = self.head()
        self.ok("apply", "-f", "-", stdin=DATABASE)
        # the same again is written again: it is how an operator re-asserts a store that nodes refuse as older
        self.assertNotEqual(self.head(), before)

    def test_errors_name_file_line_and_column_and_store_nothing(self):
        good = self.file(DATABASE, "good.yaml")
        bad = self.file(FRONTEND.replace("tcp", "tpc").replace("egress:", "egres:"), "bad.yaml")
        for verb in ("create", "apply", "validate"):
            result = self.ctl(verb, "-f", good, "-f", bad)
            self.assertEqual(result.status, 1)
            self.assertEqual(result.out, "")
            self.assertTrue(result.err.startswith(bad + ":6:3: unknown field \"egres\""), result.err)
        self.assertEqual(self.redis.command("KEYS", "*"), [])
        result = self.ctl("apply", "-f", good, "-f", good)
        self.assertEqual(result.status, 1)
        self.assertIn(good + ":1:1: policy \"database\" is already at " + good + ":1", result.err)
        result = self.ctl("apply", "-f", os.path.join(self.directory, "missing.yaml"))
        self.assertEqual(result.status, 1)
        self.assertIn("missing.yaml: No such file or directory", result.err)
        self.assertEqual(self.redis.command("KEYS", "*"), [])

    def test_hostile_text_is_shown_escaped(self):
        result = self.ctl("validate", "-f", "-", stdin='{"kind": "\\u001b[2J"}')
        self.assertEqual(result.status, 1)
        self.assertIn("(\\x1b[2J)", result.err)
        self.assertNotIn("\033", result.err)

    def test_notes_what_is_selected_but_not_isolated(self):
        self.add_node()
        self.add_network()
        self.add_network("loose", isolation="off")
        self.add_endpoint("a", {"role": "database"})
        self.add_endpoint("b", {"role": "database"}, network="loose")
        self.add_endpoint("c", {"role": "database"}, network="loose")
        result = self.ok("apply", "-f", "-", stdin=DATABASE)
        self.assertIn("note: policy database selects 2 endpoints that are not isolated\n", result.err)
        result = self.ok("get", "policies")
        self.assertIn("note: policy database selects 2 endpoints that are not isolated\n", result.err)
        self.ok("network", "strict", "loose")
        self.assertNotIn("not isolated", self.ok("apply", "-f", "-", stdin=DATABASE).err)

    def test_concurrent_writers_lose_nothing(self):
        environment = {"PATH": os.environ["PATH"], "BULKHEAD_CTL_ENV": "/nonexistent/env",
                       "BULKHEAD_REDIS_URL": "unix://" + self.redis.path}
        files = [self.file(DATABASE.replace("name: database", f"name: p{i}"), f"{i}.yaml") for i in range(8)]
        writers = [subprocess.Popen([CTL, "create", "-f", f], env=environment, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.PIPE, text=True) for f in files]
        for writer in writers:
            _, err = writer.communicate(timeout=60)
            self.assertEqual(writer.returncode, 0, err)
        self.assertEqual(set(self.policies()), {f"p{i}" for i in range(8)})
        self.assertEqual(self.head().split(":")[1], "8")


class Judging(Case):
    """explain and reach: what they say is proven by the unit tests' golden files; here that they ask the store for it."""

    def setUp(self):
        super().setUp()
        self.add_node()
        self.add_network()
        self.add_endpoint("db", {"role": "database"}, ipv4="172.18.0.2")
        self.add_endpoint("web", {"role": "frontend"}, ipv4="172.18.0.3")
        self.add_endpoint("other", {}, ipv4="172.18.0.4")
        self.ok("apply", "-f", "-", stdin=DATABASE + "---\n" + FRONTEND)

    def explain(self, *arguments):
        return json.loads(self.ok("explain", "-o", "json", *arguments).out)

    def test_explain(self):
        said = self.explain("--from", "web", "--to", "db", "--port", "3306")
        self.assertEqual(said["verdict"], "allowed")
        self.assertEqual(said["ingress"]["reason"], "policy database, ingress[0]")
        self.assertEqual(said["ingress"]["policies"][0]["text"]["destination"]["ports"], [3306])
        result = self.ok("explain", "--from", "web", "--to", "172.18.0.2", "--port", "80")
        self.assertTrue(result.out.startswith("denied: web (172.18.0.3, net1 on n1) to db (172.18.0.2"), result.out)
        self.assertIn("deploy/examples/allow-dns.yaml", result.out)

    def test_its_advice_about_labels_can_be_followed(self):
        self.ok("apply", "-f", "-", stdin=FRONTEND.replace("name: frontend", "name: all").replace(
            "selector: role == 'frontend'", "selector: all()"))
        question = ("--from", "other", "--to", "db", "--port", "3306")
        said = self.explain(*question)
        self.assertEqual(said["verdict"], "denied")
        label = [c["label"] for c in said["changes"] if "label" in c][0]
        self.assertEqual((label["container"], label["key"], label["value"]), ("other", "role", "frontend"))
        self.ok("label", "container", label["container"], label["key"] + "=" + label["value"], "--node", label["node"])
        self.assertEqual(self.explain(*question)["verdict"], "allowed")

    def test_its_advice_about_rules_can_be_followed(self):
        question = ("--from", "db", "--to", "web", "--port", "80")
        said = self.explain(*question)
        self.assertEqual(said["verdict"], "denied")
        for rule in [c["rules"] for c in said["changes"] if "rules" in c][0]:
            self.assertTrue(rule["new"])
            self.ok("create", "-f", "-", stdin=json.dumps({
                "apiVersion": "v1", "kind": "policy", "metadata": {"name": rule["policy"]},
                "spec": rule["record"]["spec"]}))
        self.assertEqual(self.explain(*question)["verdict"], "allowed")

    def test_audit_and_staged_are_told(self):
        question = ("--from", "web", "--to", "db", "--port", "3306")
        self.ok("panic")
        self.assertIn("audit mode", " ".join(self.explain(*question)["notes"]))
        self.ok("panic", "--end")
        self.ok("apply", "--staged", "-f", "-", stdin=FRONTEND.replace("allow", "deny").replace(
            "name: frontend", "name: a"))
        said = self.explain(*question)
        self.assertEqual((said["verdict"], said["egress"]["stagedWouldDeny"]), ("allowed", True))

    def test_a_bad_record_denies_what_it_selects(self):
        self.redis.command("HSET", PREFIX + "policies", "bad", json.dumps({
            "v": 1, "name": "bad", "spec": {"selector": "role == 'database'", "types": ["ingress"], "order": -5,
                                            "ingress": [{"action": "grant"}], "egress": []}}))
        result = self.ok("explain", "--from", "web", "--to", "db", "--port", "3306")
        self.assertTrue(result.out.startswith("denied"), result.out)
        self.assertIn("taken as denied", result.err)

    def test_reach(self):
        pairs = json.loads(self.ok("reach", "--port", "3306", "-o", "json").out)["pairs"]
        self.assertEqual([(p["from"], p["to"]) for p in pairs if p["allowed"]],
                         [("other", "(outside)"), ("(outside)", "other"), ("web", "db")])
        self.assertIn('"web" -> "db";', self.ok("reach", "--port", "3306", "-o", "dot").out)
        self.assertIn("FROM", self.ok("reach", "--port", "3306", "--node", "n1").out)

    def test_diff(self):
        before = self.policies()
        other = DATABASE.replace("[3306]", "[3307]")
        result = self.ok("diff", "-f", "-", stdin=other + "---\n" + FRONTEND.replace("[3306]", "[3306, 3307]"))
        self.assertIn("changed policy database:", result.out)
        self.assertIn("-     - 3306\n+     - 3307\n", result.out)
        self.assertIn("closed: web -> db, tcp 3306\nopened: web -> db, tcp 3307\n", result.out)
        self.assertEqual(self.policies(), before)
        said = json.loads(self.ok("diff", "-o", "json", "-f", "-", "--node", "n1", stdin=DATABASE).out)
        self.assertEqual(said["pairs"], [])
        self.assertEqual([p["change"] for p in said["policies"]], ["unchanged"])
        result = self.ok("diff", "--staged", "-f", "-", stdin=FRONTEND)
        self.assertIn("+ staged: true\n", result.out)
        self.assertIn("closed: web -> db, tcp 3306\n", result.out)
        self.assertEqual(self.ctl("diff").status, 64)
        result = self.ctl("diff", "-f", "-", stdin="kind: x")
        self.assertEqual((result.status, result.out), (1, ""))

    def test_apply_says_when_names_are_lost(self):
        result = self.ok("apply", "-f", "-", stdin=FRONTEND)
        self.assertIn("policy frontend closes the egress of 1 endpoint that no policy allows port 53", result.err)
        with open(os.path.join(ROOT, "deploy", "examples", "allow-dns.yaml"), encoding="utf-8") as example:
            self.ok("apply", "-f", "-", stdin=example.read())
        self.assertEqual(self.ok("apply", "-f", "-", stdin=FRONTEND).err, "")

    def test_wrong_use(self):
        for arguments, part in ((["explain", "--from", "web", "--port", "1"], "say --from and --to"),
                                (["explain", "--from", "web", "--to", "db"], "tcp needs --port"),
                                (["explain", "--from", "web", "--to", "db", "--protocol", "icmp", "--port", "1"],
                                 "icmp has no ports"),
                                (["explain", "--from", "web", "--to", "db", "--protocol", "icmp", "--icmp-type", "8/x"],
                                 "is not TYPE or TYPE/CODE"),
                                (["explain", "--from", "web", "--to", "db", "--protocol", "foo", "--port", "1"], "foo"),
                                (["explain", "--from", "web", "--to", "db", "--port", "65536"], "0..65535"),
                                (["get", "nodes", "-o", "dot"], "has no output as dot"),
                                (["reach"], "tcp needs --port")):
            result = self.ctl(*arguments)
            self.assertEqual(result.status, 64, arguments)
            self.assertIn(part, result.err)
        for arguments, part in ((["--from", "web", "--to", "nobody"], '"nobody" is no address'),
                                (["--from", "192.0.2.1", "--to", "192.0.2.2"], "neither"),
                                (["--from", "web", "--to", "2001:db8::1"], "one family")):
            result = self.ctl("explain", "--port", "80", *arguments)
            self.assertEqual(result.status, 1, arguments)
            self.assertIn(part, result.err)
        self.assertEqual(self.ctl("reach", "--port", "80", "--node", "nope").status, 1)


class Reading(Case):
    def test_policies_round_trip(self):
        self.ok("apply", "-f", "-", stdin=DATABASE + "---\n" + FRONTEND)
        stored = self.policies()
        for form in ("yaml", "json"):
            text = self.ok("get", "policies", "-o", form).out
            self.ok("delete", "policy", "database", "frontend")
            self.ok("create", "-f", "-", stdin=text)
            self.assertEqual(self.policies(), stored)
        listed = json.loads(self.ok("get", "policies", "-o", "json", "frontend").out)
        self.assertEqual([p["metadata"]["name"] for p in listed], ["frontend"])
        self.assertEqual(listed[0]["kind"], "policy")
        table = self.ok("get", "policies").out.splitlines()
        self.assertEqual(table[0].split(), ["NAME", "ORDER", "SELECTOR", "TYPES"])
        self.assertEqual([line.split()[0] for line in table[1:]], ["database", "frontend"])

    def test_staged_policies_round_trip(self):
        result = self.ok("apply", "--staged", "-f", "-", stdin=DATABASE + "---\n" + FRONTEND)
        self.assertEqual(result.out, "Successfully applied 2 'policy' resource(s), staged\n")
        stored = self.policies()
        self.assertIs(stored["database"]["spec"]["staged"], True)
        for form in ("yaml", "json"):
            text = self.ok("get", "policies", "-o", form).out
            self.ok("replace", "-f", "-", stdin=text)
            self.assertEqual(self.policies(), stored)
        # the file without the word puts it in force
        self.ok("apply", "-f", "-", stdin=DATABASE)
        self.assertNotIn("staged", self.policies()["database"]["spec"])
        table = [line.split() for line in self.ok("get", "policies", "-o", "wide").out.splitlines()]
        self.assertEqual([row[-1] for row in table], ["STAGED", "no", "yes"])
        self.assertEqual(self.ctl("delete", "--staged", "policy", "database").status, 64)

    def test_get_of_what_is_not_there(self):
        self.ok("apply", "-f", "-", stdin=DATABASE)
        result = self.ctl("get", "policies", "database", "nope")
        self.assertEqual(result.status, 1)
        self.assertIn("database", result.out)
        self.assertEqual(result.err, "resource does not exist: Policy(name=nope)\n")
        self.assertEqual(self.ok("get", "nodes", "-o", "json").out, "[]\n")

    def test_endpoints(self):
        self.add_node()
        self.add_network(isolation="strict")
        self.add_endpoint("web", {"role": "frontend", "docker/image": "evil\u202e"}, ipv6="2001:db8::2",
                          rejected={"bad key": "because"})
        self.ok("label", "container", "web", "role=database", "tier=1", "--node", "n1")
        table = self.ok("get", "endpoints").out
        self.assertEqual(table.splitlines()[0].split(),
                         ["NODE", "CONTAINER", "NETWORK", "IPV4", "IPV6", "STATE", "LABELS"])
        self.assertEqual(table.splitlines()[1].split(),
                         ["n1", "web", "net1", "172.18.0.2", "2001:db8::2", "running", "role=database,tier=1"])
        wide = self.ok("get", "endpoints", "web", "-o", "wide").out
        self.assertNotIn("\033", wide)
        self.assertNotIn("\u202e", wide)
        self.assertIn("docker/image=evil\\u202e", wide)
        self.assertIn("02:42:ac:12:00:02", wide)
        record = json.loads(self.ok("get", "endpoints", "-o", "json").out)[0]
        self.assertEqual(record["labels"]["role"], "frontend")
        self.assertEqual(record["effectiveLabels"]["role"], "database")
        self.assertTrue(record["isolated"])
        self.assertEqual(len(self.ok("get", "endpoints", "--node", "n2").out.splitlines()), 1)

    def test_networks_and_nodes(self):
        self.add_node()
        self.add_network(isolation="strict")
        row = self.ok("get", "networks").out.splitlines()[1].split()
        self.assertEqual(row, ["n1", "net1", "bridge", "br-net1", "172.18.0.0/16", "strict"])
        self.ok("network", "off", "net1")
        self.assertIn(" off ", self.ok("get", "networks", "-o", "wide").out)
        self.assertIn("n1", self.ok("get", "nodes").out)

    def test_a_bad_record_is_named_and_the_others_are_shown(self):
        self.add_node()
        self.add_network()
        self.add_endpoint("good", {"role": "x"})
        self.redis.command("HSET", PREFIX + "endpoints:n1", "bad\033", "{}")
        self.redis.command("HSET", PREFIX + "policies", "broken", "{\"v\":1}")
        result = self.ok("get", "endpoints")
        self.assertIn("good", result.out)
        self.assertIn("bad\\x1b", result.err)
        self.assertIn("policy broken as stored cannot be read", self.ok("get", "policies").err)

    def test_match(self):
        self.assertEqual(self.ok("match", "role == 'a'", "--label", "role=a", store=False).out, "true\n")
        self.assertEqual(self.ok("match", "--label", "role=b", "role == 'a'", store=False).out, "false\n")
        self.assertEqual(self.ok("match", "has(docker/image)", "--label", "docker/image=a b").out, "true\n")
        result = self.ctl("match", "role == a", "--label", "role=a")
        self.assertEqual(result.status, 1)
        self.assertIn("column 9", result.err)
        self.assertEqual(self.ctl("match", "all()", "--label", "x").status, 64)
        self.add_node()
        self.add_network()
        self.add_endpoint("one", {"role": "a"})
        self.add_endpoint("two", {"role": "b"})
        self.ok("label", "container", "two", "role=a")
        self.add_endpoint("three", {"role": "c"})
        lines = self.ok("match", "role == 'a'").out.splitlines()[1:]
        self.assertEqual([line.split()[1] for line in lines], ["one", "two"])


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


class Using(Case):
    def test_wrong_use(self):
        cases = [[], ["frobnicate"], ["apply"], ["apply", "x"], ["apply", "-f"], ["create", "--frob"],
                 ["delete"], ["delete", "policy"], ["delete", "network", "x"], ["delete", "-f", "-", "policy", "x"],
                 ["get"], ["get", "frobs"], ["get", "policies", "-o", "xml"], ["match"], ["status", "--node", "x"],
                 ["validate"], ["help", "frob"], ["get", "nodes", "--redis", "http://x"],
                 ["get", "nodes", "--timeout", "0"]]
        for arguments in cases:
            result = self.ctl(*arguments)
            self.assertEqual(result.status, 64, arguments)
            self.assertEqual(result.out, "", arguments)
            self.assertNotEqual(result.err, "", arguments)

    def test_help_and_version(self):
        for arguments in (["--help"], ["-h"], ["help"]):
            result = self.ok(*arguments)
            self.assertIn("validate", result.out)
            for verb in ("convert",):
                self.assertNotIn(verb, result.out)
                self.assertEqual(self.ctl(verb).status, 64)
        self.assertIn("--skip-exists", self.ok("help", "create").out)
        self.assertIn("BULKHEAD_REDIS_URL", self.ok("get", "--help").out)
        self.assertTrue(self.ok("--version").out.startswith("bulkheadctl "))
        self.assertEqual(self.ok("version").out, self.ok("--version").out)

    def test_redis_away(self):
        begin = time.monotonic()
        result = self.ctl("get", "nodes", "--redis", "unix://" + self.directory + "/none")
        self.assertEqual(result.status, 1)
        self.assertEqual(result.err.count("\n"), 1, result.err)
        self.assertIn(self.directory + "/none", result.err)
        silent = socket.socket(socket.AF_UNIX)
        self.addCleanup(silent.close)
        silent.bind(self.directory + "/silent")
        silent.listen(8)
        result = self.ctl("get", "nodes", "--redis", "unix://" + self.directory + "/silent", "--timeout", "1")
        self.assertEqual(result.status, 1)
        self.assertEqual(result.err.count("\n"), 1, result.err)
        self.assertLess(time.monotonic() - begin, 15)

    def test_a_reader_that_goes_away_is_an_error(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            process = subprocess.run([CTL, "help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        self.assertEqual(process.returncode, 1)
        self.assertIn("No space left", process.stderr)


class Password(Case):
    @classmethod
    def setUpClass(cls):
        cls.redis = Redis("--requirepass", "s3cret")
        cls.redis.command("AUTH", "s3cret")

    def test_environment_file_finds_socket_and_password(self):
        secret = self.file("s3cret\n", "password")
        env_file = self.file(f"BULKHEAD_REDIS_URL=unix://{self.redis.path}\n"
                             f"BULKHEAD_REDIS_PASSWORD_FILE={secret}\n", "ctl.env")
        self.ok("apply", "-f", "-", stdin=DATABASE, store=False, env={"BULKHEAD_CTL_ENV": env_file})
        self.assertEqual(set(self.policies()), {"database"})
        self.ok("get", "policies", "--redis-password-file", secret)
        result = self.ctl("get", "policies")
        self.assertEqual(result.status, 1)
        self.assertIn("NOAUTH", result.err)
        wrong = self.file("wrong\n", "wrong")
        result = self.ctl("get", "policies", "--redis-password-file", wrong)
        self.assertEqual(result.status, 1)
        self.assertNotIn("wrong\n", result.err.replace(wrong, ""))


if __name__ == "__main__":
    unittest.main(verbosity=2)
