#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""bulkheadctl against a private redis-server: what it prints, what it stores, how it ends.

BULKHEAD_BIN names the folder of the programs (default: build/bin).
"""
import json
import os
import socket
import subprocess
import time
import unittest

from ctl_case import CTL, PREFIX, ROOT, DATABASE, FRONTEND, Redis, Case


class Writing(Case):
    def test_create_apply_replace_delete(self):
        path = self.file(DATABASE)
        result = self.ok("create", "-f", path)
        self.assertEqual(result.out, "Successfully created 1 'policy' resource(s)\n")
        self.assertIn("created a new policy store", result.err)
        self.assertEqual(self.policies()["database"]["spec"]["types"], ["ingress"])
        result = self.ok("apply", "-f", path, "-f", "-", stdin=FRONTEND)
        self.assertEqual(result.out, "Successfully applied 2 'policy' resource(s)\nUnchanged 1\n")
        self.assertEqual(result.err, "")
        self.assertEqual(self.policies()["frontend"]["spec"]["types"], ["egress"])
        result = self.ok("replace", "-f", path)
        self.assertEqual(result.out, "Successfully replaced 1 'policy' resource(s)\nUnchanged 1\n")
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

    def test_towards_the_host(self):
        result = self.ok("explain", "--from", "web", "--to", "host", "--port", "22")
        self.assertTrue(result.out.startswith("denied: web ("), result.out)
        self.assertIn("to the host itself (172.18.0.1), tcp port 22\n", result.out)
        self.ok("apply", "-f", "-", stdin=FRONTEND.replace("selector: role == 'database', ports: [3306]", "ports: [22]"))
        words = ["explain", "--from", "web", "--to", "host:192.0.2.7", "--port", "22", "--node", "n1"]
        result = self.ok(*words)
        self.assertTrue(result.out.startswith("allowed: web ("), result.out)
        self.assertIn("goes on to --host-action", result.out)
        self.assertNotIn("--host-action drop", result.out)
        self.redis.command("HSET", PREFIX + "status:n1", "host_action", "drop")
        self.assertIn("n1 has --host-action drop: what policy allows towards the host is dropped", self.ok(*words).out)
        result = self.ctl("explain", "--from", "198.51.100.7", "--to", "host", "--port", "22")
        self.assertEqual(result.status, 1)
        self.assertIn("say host:ADDRESS", result.err)

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
        # beside the one in force: nothing is closed
        self.assertIn("created policy _staged/frontend:\n", result.out)
        self.assertIn("+ staged: true\n", result.out)
        self.assertIn("who may reach whom does not change", result.out)
        self.assertEqual(self.ctl("diff").status, 64)
        result = self.ctl("diff", "-f", "-", stdin="kind: x")
        self.assertEqual((result.status, result.out), (1, ""))

    def test_apply_says_when_isolation_alone_has_closed_the_egress(self):
        result = self.ok("apply", "-f", "-", stdin=DATABASE)
        self.assertIn("note: policy database selects 1 endpoint that no policy allows port 53: names outside are lost to it; "
                      "see deploy/examples/allow-dns.yaml\n", result.err)
        self.assertNotIn("port 53", self.ok("apply", "--staged", "-f", "-", stdin=DATABASE).err)
        # explain says so of the container, and of a policy that selects what it cannot govern
        result = self.ok("explain", "--from", "db", "--to", "198.51.100.7", "--port", "443")
        self.assertIn("no rule lets db ask a name server outside (port 53)", result.out)
        self.ok("apply", "-f", "-", stdin=FRONTEND.replace("name: frontend", "name: vain")
                .replace("role == 'frontend'", "docker/container == 'other'"))
        self.add_endpoint("other", {"docker/container": "other"}, ipv4="172.18.0.4")
        result = self.ok("explain", "--from", "other", "--to", "198.51.100.7", "--port", "443")
        self.assertTrue(result.out.startswith("allowed: other"), result.out)
        self.assertIn("note: policy vain selects other, which is not isolated\n", result.out)

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
        self.assertEqual(set(stored), {"_staged/database", "_staged/frontend"})
        self.assertIs(stored["_staged/database"]["spec"]["staged"], True)
        for form in ("yaml", "json"):
            text = self.ok("get", "policies", "-o", form).out
            self.assertIn("Unchanged 2\n", self.ok("replace", "-f", "-", stdin=text).out)
            self.assertEqual(self.policies(), stored)
            self.ok("delete", "-f", "-", stdin=text)
            self.ok("create", "-f", "-", stdin=text)
            self.assertEqual(self.policies(), stored)
        listed = json.loads(self.ok("get", "policies", "-o", "json", "_staged/database").out)[0]
        self.assertEqual((listed["metadata"]["name"], listed["spec"]["staged"]), ("database", True))
        table = [line.split() for line in self.ok("get", "policies", "-o", "wide").out.splitlines()]
        self.assertEqual([row[-1] for row in table], ["STAGED", "yes", "yes"])

    def test_a_staged_policy_never_touches_the_one_in_force(self):
        self.ok("apply", "-f", "-", stdin=DATABASE)
        in_force = self.policies()["database"]
        tighter = DATABASE.replace("3306", "3307")
        for text in (tighter, tighter.replace("  order: 0", "  order: 0\n  staged: true")):
            self.ok("apply", *([] if "staged" in text else ["--staged"]), "-f", "-", stdin=text)
            stored = self.policies()
            self.assertEqual(set(stored), {"database", "_staged/database"})
            self.assertEqual(stored["database"], in_force)
        for words in (["policy", "database"], ["policy", "_staged/database"], ["-f", "-"]):
            self.ok("apply", "--staged", "-f", "-", stdin=tighter)
            result = self.ok("delete", "--staged", *words, stdin=tighter)
            self.assertEqual(result.out, "Successfully deleted 1 'policy' resource(s), staged\n")
            self.assertEqual(self.policies(), {"database": in_force})
        result = self.ctl("delete", "--staged", "policy", "database")
        self.assertEqual(result.status, 1)
        self.assertIn("resource does not exist: Policy(name=_staged/database)", result.err)
        # what was tried is put in force, and the trial ended
        self.ok("apply", "--staged", "-f", "-", stdin=tighter)
        self.ok("apply", "-f", "-", stdin=tighter)
        self.ok("delete", "--staged", "-f", "-", stdin=tighter)
        self.assertEqual(set(self.policies()), {"database"})
        self.assertIn("3307", json.dumps(self.policies()["database"]))

    def test_diff_and_convert_of_what_is_staged(self):
        self.ok("apply", "-f", "-", stdin=DATABASE)
        self.assertIn("_staged/database", self.ok("diff", "--staged", "-f", "-", stdin=DATABASE).out)
        self.ok("apply", "--staged", "-f", "-", stdin=DATABASE)
        text = self.ok("get", "policies", "_staged/database", "-o", "yaml", "--export").out
        converted = self.ok("convert", "-f", "-", stdin=text, store=False).out
        self.assertIn("kind: StagedGlobalNetworkPolicy", converted)
        self.ok("replace", "-f", "-", stdin=converted)
        stored = self.policies()
        self.assertEqual((set(stored), stored["_staged/database"]["form"]), ({"database", "_staged/database"}, "v3"))

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
                          rejected={"bad key": "because", "b.role": "a.role, \u202eno"})
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
        self.assertIn("b.role: a.role, \\u202eno; bad key: because", wide)
        record = json.loads(self.ok("get", "endpoints", "-o", "json").out)[0]
        self.assertEqual(record["labels"]["role"], "frontend")
        self.assertEqual(record["effectiveLabels"]["role"], "database")
        self.assertEqual(record["rejected"]["bad key"], "because")
        self.assertIn("bad key: because", self.ok("get", "endpoints", "-o", "yaml").out)
        self.assertTrue(record["isolated"])
        self.assertEqual(len(self.ok("get", "endpoints", "--node", "n2").out.splitlines()), 1)

    def test_networks_and_nodes(self):
        self.add_node()
        self.add_network(isolation="strict")
        row = self.ok("get", "networks").out.splitlines()[1].split()
        self.assertEqual(row, ["n1", "net1", "bridge", "br-net1", "172.18.0.0/16", "strict"])
        self.ok("network", "off", "net1")
        self.assertIn(" off ", self.ok("get", "networks", "-o", "wide").out)
        heads = {"policies_head": self.head(), "endpoints_head": "1700000000000-00000000:1:0123456789abcdef",
                 "peers": json.dumps({"n2": {"head": "1700000000000-00000000:1:0123456789abcdef", "state": "up"}})}
        for field, value in heads.items():
            self.redis.command("HSET", PREFIX + "status:n1", field, value)
        self.add_node("n2")
        self.redis.command("SET", PREFIX + "head:node:n2", "1700000000000-00000000:4:0123456789abcde0")
        header, first, second = (line.split("  ") for line in self.ok("get", "nodes").out.splitlines())
        self.assertIn("OTHERS BEHIND", [word.strip() for word in header])
        self.assertEqual([word.strip() for word in first if word.strip()][-3:], ["0", "0", "3"])
        self.assertEqual([word.strip() for word in second if word.strip()][-3:], ["?", "?", "0"])
        record = json.loads(self.ok("get", "nodes", "n1", "-o", "json").out)[0]
        self.assertEqual(record["lag"], {"policies": 0, "endpoints": 0, "others": 3, "peers": {"n2": 3}})

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


class Hostile(Case):
    """What no selector can be is refused quickly, wherever one may stand."""

    DEEP = "(" * 10000 + "all()" + ")" * 10000
    LONG = "a == 'b' || " * 87382 + "a == 'b'"  # 1 MiB
    NOTS = "!" * 10000 + "has(a)"
    WIDE = "a in {" + ",".join(f"'{i}'" for i in range(20000)) + "}"

    def quickly(self, *words, stdin=""):
        begun = time.monotonic()
        result = self.ctl(*words, stdin=stdin)
        self.assertLess(time.monotonic() - begun, 5)
        self.assertEqual((result.status, result.out), (1, ""))
        self.assertLess(len(result.err), 2000)
        return result.err

    def test_in_files(self):
        for selector in (self.DEEP, self.LONG, self.WIDE):
            for text in (DATABASE.replace("role == 'database'", json.dumps(selector)),
                         DATABASE.replace("role == 'frontend'", json.dumps(selector)),
                         DATABASE.replace("role == 'frontend'", "all()\n      notSelector: " + json.dumps(selector)),
                         json.dumps({"apiVersion": "projectcalico.org/v3", "kind": "GlobalNetworkPolicy",
                                     "metadata": {"name": "x"}, "spec": {"selector": selector}}),
                         json.dumps({"apiVersion": "projectcalico.org/v3", "kind": "GlobalNetworkPolicy",
                                     "metadata": {"name": "x"}, "spec": {"namespaceSelector": selector}})):
                for verb in ("apply", "validate", "diff", "convert"):
                    self.assertRegex(self.quickly(verb, "-f", "-", stdin=text), r"^-:\d+:\d+: .*selector")
        self.assertEqual(self.policies(), {})

    def test_on_the_command_line(self):
        for selector in (self.DEEP, self.LONG[:100000], self.WIDE[:100000]):
            self.assertIn("bad selector", self.quickly("match", selector))
            self.assertIn("bad selector", self.quickly("match", selector, "--label", "a=b"))
        # long, but nothing is nested
        begun = time.monotonic()
        self.assertEqual(self.ok("match", self.NOTS, "--label", "a=b").out, "true\n")
        self.assertEqual(self.ok("match", "!" + self.NOTS, "--label", "a=b").out, "false\n")
        self.assertLess(time.monotonic() - begun, 5)

    def test_deep_documents(self):
        for text in ("[" * 100000, "{a: " * 100000, "- " * 100000, "&a [" * 1000 + "*a" + "]" * 1000):
            self.assertRegex(self.quickly("apply", "-f", "-", stdin=text), r"^-:")


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
            for verb in ("validate", "convert", "explain", "reach", "diff"):
                self.assertIn(f"  {verb} ", result.out)
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
