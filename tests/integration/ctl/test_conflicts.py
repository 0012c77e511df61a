#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Two writers: neither loses the other's change unnoticed.

BULKHEAD_BIN names the folder of the programs (default: build/bin).
"""
import json
import os
import re
import subprocess
import unittest

from ctl_case import CTL, DATABASE, FRONTEND, Case
from test_forms import V3

VERSION = re.compile(r"^bulkhead-[0-9a-f]{16}$")


class Versions(Case):
    def get(self, *names):
        return json.loads(self.ok("get", "policies", "-o", "json", *names).out)

    def edited(self, name, **spec):
        """A policy as get shows it, with members of its spec changed."""
        policy = self.get(name)[0]
        policy["spec"].update(spec)
        return json.dumps(policy)

    def test_get_tells_the_version_and_apply_knows_it(self):
        self.ok("apply", "-f", "-", stdin=DATABASE + "---\n" + FRONTEND + "---\n" + V3)
        listed = self.get()
        versions = {policy["metadata"]["name"]: policy["metadata"]["resourceVersion"] for policy in listed}
        self.assertEqual(len(set(versions.values())), 4)
        for version in versions.values():
            self.assertRegex(version, VERSION)
        self.assertEqual([p["metadata"]["resourceVersion"] for p in self.get()], [p["metadata"]["resourceVersion"] for p in listed])
        for form in ("yaml", "json"):
            for verb in ("apply", "replace"):
                stored = self.policies()
                text = self.ok("get", "policies", "-o", form).out
                self.assertIn("Unchanged 4\n", self.ok(verb, "-f", "-", stdin=text).out)
                self.assertEqual(self.policies(), stored)

    def test_a_change_in_between_is_a_conflict(self):
        for text, name in ((DATABASE, "database"), (V3, "shop/web")):
            self.ok("apply", "-f", "-", stdin=text)
            mine, theirs = self.edited(name, order=1), self.edited(name, order=2)
            old = json.loads(mine)["metadata"]["resourceVersion"]
            self.ok("replace", "-f", "-", stdin=theirs)
            new = self.get(name)[0]["metadata"]["resourceVersion"]
            self.assertNotEqual(old, new)
            stored, head = self.policies(), self.head()
            for verb in ("apply", "replace"):
                # what is beside it in the file is not stored either
                result = self.ctl(verb, "-f", "-", stdin="[" + mine + "]")
                self.assertEqual((result.status, result.out), (1, ""))
                self.assertIn(f"-:1:2: update conflict: Policy(name={name}): it was changed since it was read "
                              f"(resourceVersion {old} here, {new} in the store)", result.err)
                self.assertEqual((self.policies(), self.head()), (stored, head))
            # without one, the last writer wins
            policy = json.loads(mine)
            del policy["metadata"]["resourceVersion"]
            self.ok("apply", "-f", "-", stdin=json.dumps(policy))
            self.assertEqual(self.policies()[name]["spec"]["order"], 1)

    def test_what_was_deleted_does_not_come_back(self):
        self.ok("apply", "-f", "-", stdin=DATABASE)
        text = self.ok("get", "policies", "-o", "yaml").out
        self.ok("delete", "policy", "database")
        result = self.ctl("apply", "-f", "-", stdin=text)
        self.assertEqual(result.status, 1)
        self.assertIn("update conflict: Policy(name=database): it was deleted since it was read", result.err)
        self.assertIn("resource does not exist", self.ctl("replace", "-f", "-", stdin=text).err)
        self.assertEqual(self.policies(), {})
        # made anew on purpose
        self.ok("create", "-f", "-", stdin=text)
        self.ok("delete", "-f", "-", stdin=text)

    def test_export_is_for_another_day(self):
        self.ok("apply", "-f", "-", stdin=DATABASE + "---\n" + V3)
        stored = self.policies()
        for form in ("yaml", "json"):
            text = self.ok("get", "policies", "-o", form, "--export").out
            self.assertNotIn("resourceVersion", text)
            self.ok("delete", "policy", *stored)
            self.ok("apply", "-f", "-", stdin=text)
            self.assertEqual(self.policies(), stored)

    def test_another_servers_version_is_not_looked_at(self):
        server = V3.replace("{name: web,", "{name: web, resourceVersion: \"1234\", uid: u, "
                            "creationTimestamp: \"2026-01-01T00:00:00Z\", generation: 3, ")
        for _ in range(2):
            result = self.ok("apply", "-f", "-", stdin=server)
            self.assertIn("note: resourceVersion of 1 object is another store's and not looked at\n", result.err)
        self.assertNotIn("resourceVersion", json.dumps(self.policies()))

    def test_bad_versions(self):
        for value in ("{a: b}", "[x]", "x" * 257):
            text = DATABASE.replace("  name: database", "  name: database\n  resourceVersion: " + value)
            result = self.ctl("apply", "-f", "-", stdin=text)
            self.assertEqual(result.status, 1)
            self.assertIn("-:5:20: metadata.resourceVersion: text of at most 256 bytes is wanted", result.err)
        # v1 has no more of what servers keep
        result = self.ctl("apply", "-f", "-", stdin=DATABASE.replace("  name: database", "  name: database\n  uid: u"))
        self.assertIn("unknown field \"uid\"", result.err)

    def test_to_stage_an_edited_copy_is_no_conflict(self):
        self.ok("apply", "-f", "-", stdin=V3)
        self.ok("apply", "--staged", "-f", "-", stdin=self.edited("shop/web", order=3))
        self.assertEqual(self.policies()["_staged/shop/web"]["spec"]["order"], 3)


class Races(Case):
    WRITERS, ROUNDS = 4, 6

    def start(self, *words, text):
        environment = {"PATH": os.environ["PATH"], "BULKHEAD_CTL_ENV": "/nonexistent/env",
                       "BULKHEAD_REDIS_URL": "unix://" + self.redis.path}
        environment.update({k: os.environ[k] for k in ("ASAN_OPTIONS", "UBSAN_OPTIONS") if k in os.environ})
        writer = subprocess.Popen([CTL, *words], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        # nobody reads it all before everybody has started: the end of the input is what they wait for
        writer.stdin.write(text)
        writer.stdin.flush()
        return writer

    def finish(self, writers):
        for writer in writers:
            writer.stdin.close()
        ended = []
        for writer in writers:
            err = writer.stderr.read()
            writer.stdout.close()
            writer.stderr.close()
            ended.append((writer.wait(60), err))
        return ended

    def test_of_several_who_edit_one_policy_one_wins(self):
        self.ok("apply", "-f", "-", stdin=DATABASE)
        for turn in range(self.ROUNDS):
            read = json.loads(self.ok("get", "policies", "-o", "json").out)[0]
            writers = []
            for i in range(self.WRITERS):
                read["spec"]["order"] = 100 * (turn + 1) + i
                writers.append(self.start("replace", "-f", "-", text=json.dumps(read)))
            ended = self.finish(writers)
            won = [i for i, (status, _) in enumerate(ended) if status == 0]
            self.assertEqual(len(won), 1, ended)
            self.assertEqual(self.policies()["database"]["spec"]["order"], 100 * (turn + 1) + won[0])
            for i, (status, err) in enumerate(ended):
                if i not in won:
                    self.assertEqual(status, 1)
                    self.assertIn("update conflict: Policy(name=database)", err)

    def test_who_edit_different_policies_lose_nothing(self):
        names = [f"p{i}" for i in range(self.WRITERS)]
        self.ok("apply", "-f", "-", stdin="---\n".join(DATABASE.replace("name: database", "name: " + n) for n in names))
        for turn in range(self.ROUNDS):
            listed = json.loads(self.ok("get", "policies", "-o", "json").out)
            writers = []
            for policy in listed:
                policy["spec"]["order"] = turn
                writers.append(self.start("replace", "-f", "-", text=json.dumps(policy)))
            for status, err in self.finish(writers):
                self.assertEqual(status, 0, err)
            self.assertEqual({n: p["spec"]["order"] for n, p in self.policies().items()}, {n: turn for n in names})


if __name__ == "__main__":
    unittest.main()
