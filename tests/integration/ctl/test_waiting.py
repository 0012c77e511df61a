#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""--wait: until every live node has in force what was written, with enforcers that are played.

BULKHEAD_BIN names the folder of the programs (default: build/bin).
"""
import json
import re
import threading
import time
import unittest

from ctl_case import DATABASE, PREFIX, Case

SILENT = 100


class Waiting(Case):
    def status(self, node="n1", **fields):
        fields = {"mode": "enforce", "heartbeat_unix": int(time.time()), "last_error": "", "problems": "[]",
                  "refused": "[]", "in_force": "true", "policies_head": self.head() or "", **fields}
        self.redis.command("HSET", PREFIX + "status:" + node, *[w for pair in fields.items() for w in pair])

    def later(self, done):
        """Calls done in a thread as soon as the command has written: the store's head moves. Joins it at the end."""
        before = self.head()
        redis = self.redis.another()

        def run():
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                head = redis.command("GET", PREFIX + "head:policies")
                if head != before:
                    done(redis, head)
                    break
                time.sleep(0.01)
            redis.close_stream()

        thread = threading.Thread(target=run)
        thread.start()
        self.addCleanup(thread.join)

    def test_returns_when_the_live_nodes_have_it(self):
        self.ok("apply", "-f", "-", stdin=DATABASE)
        for node in ("n1", "n2"):
            self.add_node(node)
            self.status(node)

        def follow(redis, head):
            redis.command("HSET", PREFIX + "status:n1", "policies_head", head)
            time.sleep(0.3)  # the second node is slower: the command must not return before it
            followed.append(time.monotonic())
            redis.command("HSET", PREFIX + "status:n2", "policies_head", head)

        followed = []
        self.later(follow)
        result = self.ok("apply", "--wait", "--timeout", "20s", "-f", "-", stdin=DATABASE)
        self.assertEqual(len(followed), 1)
        self.assertTrue(result.out.endswith("In force on 2 nodes\n"), result.out)
        self.assertEqual(result.err, "")

    def test_every_verb_that_writes_waits(self):
        self.add_node()
        self.add_endpoint("mysql-1", {})
        self.add_network()
        self.ok("apply", "-f", "-", stdin=DATABASE)
        for words in (["create", "-f", "-"], ["replace", "-f", "-"], ["network", "strict", "net1"],
                      ["label", "container", "mysql-1", "role=x"], ["panic"], ["panic", "--end"], ["store", "accept"],
                      ["delete", "policy", "other"]):
            with self.subTest(words=words):
                self.status()
                stale = self.ctl(*words, "--wait", "--timeout", "1", stdin=DATABASE.replace("name: database", "name: other"))
                self.assertEqual(stale.status, 1)
                self.assertIn("node n1 has not followed: it has ", stale.err)
                self.status(mode="audit" if words == ["panic"] else "enforce")
        # nothing to write: what is there is waited for
        result = self.ok("delete", "policy", "other", "--skip-not-exists", "--wait")
        self.assertTrue(result.out.endswith("In force on 1 node\n"), result.out)

    def test_names_who_has_not_followed_and_why(self):
        self.ok("apply", "-f", "-", stdin=DATABASE)
        for node in ("n1", "n2", "n3", "n4"):
            self.add_node(node)
        self.status("n1", problems=json.dumps(["stream policies: the store is older"]))
        self.status("n2", heartbeat_unix=int(time.time()) - SILENT)
        self.status("n3", last_error="kernel: \033[2J")

        def follow(redis, head):
            redis.command("HSET", PREFIX + "status:n3", "policies_head", head, "in_force", "false")

        self.later(follow)
        begun = time.monotonic()
        result = self.ctl("apply", "--wait", "--timeout", "3s", "-f", "-", stdin=DATABASE)
        self.assertEqual(result.status, 1)
        self.assertLess(time.monotonic() - begun, 20)
        self.assertEqual(result.out, "Successfully applied 1 'policy' resource(s)\nUnchanged 1\n")
        self.assertEqual(re.sub(r"silent for 1\d\d s", "silent for N s", result.err).splitlines(), [
            "bulkheadctl: node n1 has not followed: it has revision 1 in force, and 2 is written; "
            "stream policies: the store is older",
            "bulkheadctl: warning: node n2 is not waited for: its enforcerd has been silent for N s",
            "bulkheadctl: node n3 has not followed: its rules are not in force; last error: kernel: \\x1b[2J",
            "bulkheadctl: warning: node n4 is not waited for: its enforcerd has never reported",
            "bulkheadctl: in force on 0 of 2 live nodes after 3 s; it is stored"])

    def test_a_node_that_cannot_use_it_is_a_failure_at_once(self):
        self.ok("apply", "-f", "-", stdin=DATABASE)
        self.add_node()
        self.status()
        self.later(lambda redis, head: redis.command(
            "HSET", PREFIX + "status:n1", "policies_head", head, "refused", '["policy database"]'))
        result = self.ctl("apply", "--wait", "-f", "-", stdin=DATABASE)
        self.assertEqual(result.status, 1)
        self.assertIn("node n1 has not followed: it cannot use policy database\n", result.err)
        self.assertIn("in force on 0 of 1 live nodes; it is stored\n", result.err)

    def test_nobody_enforces(self):
        result = self.ctl("apply", "--wait", "-f", "-", stdin=DATABASE)
        self.assertEqual(result.status, 1)
        self.assertIn("no node is live: it is stored, and nobody has it in force", result.err)
        self.add_node()
        result = self.ctl("apply", "--wait", "-f", "-", stdin=DATABASE)
        self.assertEqual(result.status, 1)
        self.assertIn("node n1 is not waited for: its enforcerd has never reported", result.err)
        self.assertIn("no node is live", result.err)
        self.assertEqual(set(self.policies()), {"database"})

    def test_one_node_of_several(self):
        for node in ("n1", "n2"):
            self.add_node(node)
            self.status(node)
        self.later(lambda redis, head: redis.command("HSET", PREFIX + "status:n2", "policies_head", head))
        result = self.ok("panic", "--node", "n2", "--wait")
        self.assertTrue(result.out.endswith("In force on 1 node\n"), result.out)

    def test_says_that_a_node_drops_nothing(self):
        self.ok("apply", "-f", "-", stdin=DATABASE)
        self.add_node()
        self.status(mode="audit")
        self.later(lambda redis, head: redis.command("HSET", PREFIX + "status:n1", "policies_head", head))
        result = self.ok("apply", "--wait", "-f", "-", stdin=DATABASE)
        self.assertIn("node n1 is in audit mode: nothing is dropped there", result.err)

    def test_refused_files_are_not_waited_for(self):
        self.add_node()
        self.status()
        result = self.ctl("replace", "--wait", "-f", "-", stdin=DATABASE)
        self.assertEqual(result.status, 1)
        self.assertNotIn("followed", result.err)

    def test_wrong_use(self):
        for words in (["get", "nodes", "--wait"], ["apply", "-f", "x", "--wait", "--timeout", "2h"],
                      ["apply", "-f", "x", "--wait", "--timeout", "soon"]):
            self.assertEqual(self.ctl(*words).status, 64, words)

    def test_costs_little(self):
        """It sleeps between looks: a second of waiting takes few commands of the store."""
        self.ok("apply", "-f", "-", stdin=DATABASE)
        self.add_node()
        self.status()

        def count():
            line = [x for x in self.redis.command("INFO", "commandstats").splitlines() if "cmdstat_hgetall:" in x]
            return int(line[0].split("calls=")[1].split(",")[0]) if line else 0

        before = count()
        self.assertEqual(self.ctl("apply", "--wait", "--timeout", "2", "-f", "-", stdin=DATABASE).status, 1)
        self.assertLess(count() - before, 60)


if __name__ == "__main__":
    unittest.main()
