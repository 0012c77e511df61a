#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What -f names: files, directories, standard input, several of them.

BULKHEAD_BIN names the folder of the programs (default: build/bin).
"""
import os
import time
import unittest

from ctl_case import DATABASE, FRONTEND, PREFIX, Case


def policy(name):
    return DATABASE.replace("name: database", "name: " + name)


class Files(Case):
    def put(self, path, text):
        path = os.path.join(self.directory, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return path

    def tree(self):
        self.put("b.yml", policy("b"))
        self.put("a.yaml", policy("a1") + "---\n" + policy("a2"))
        self.put("c.json", '{"apiVersion": "v1", "kind": "policy", "metadata": {"name": "c"}, "spec": {}}')
        self.put("README.md", "not a policy")
        self.put("c.yaml~", "not a policy")
        self.put(".hidden.yaml", "not a policy")
        self.put("inner/d.yaml", policy("d"))
        self.put("inner/deep/e.yaml", policy("e"))
        self.put(".git/f.yaml", "not a policy")

    def test_a_directory_is_its_files(self):
        self.tree()
        result = self.ok("create", "-f", self.directory)
        self.assertEqual(result.out, "Successfully created 4 'policy' resource(s)\n")
        self.assertEqual(set(self.policies()), {"a1", "a2", "b", "c"})
        self.assertEqual(self.head().split(":")[1], "1")  # one transaction
        self.ok("delete", "-f", self.directory + "/")
        self.assertEqual(self.policies(), {})

    def test_recursive(self):
        self.tree()
        for flag in ("-R", "--recursive"):
            self.ok("apply", flag, "-f", self.directory)
            self.assertEqual(set(self.policies()), {"a1", "a2", "b", "c", "d", "e"})
            self.ok("delete", "-f", self.directory, flag)
            self.assertEqual(self.policies(), {})
        # every verb that reads files
        self.assertIn("validated 6", self.ok("validate", "-R", "-f", self.directory, store=False).out)
        self.assertEqual(self.ok("convert", "-R", "-f", self.directory, store=False).out.count("GlobalNetworkPolicy"), 6)
        self.assertIn("policy e", self.ok("diff", "-R", "-f", self.directory).out)

    def test_several_and_standard_input(self):
        self.tree()
        self.ok("apply", "-f", os.path.join(self.directory, "inner"), "-f", "-",
                "-f", os.path.join(self.directory, "b.yml"), stdin=FRONTEND)
        self.assertEqual(set(self.policies()), {"d", "frontend", "b"})
        self.assertEqual(self.head().split(":")[1], "1")

    def test_all_or_nothing_with_places(self):
        self.tree()
        bad = self.put("z.yaml", policy("z").replace("tcp", "tpc"))
        worse = self.put("inner/y.yaml", "- x: [\n")
        result = self.ctl("apply", "-R", "-f", self.directory)
        self.assertEqual((result.status, result.out), (1, ""))
        lines = result.err.splitlines()
        self.assertTrue(lines[0].startswith(worse + ":2:1: "), lines)
        self.assertTrue(lines[1].startswith(bad + ":10:15: "), lines)
        self.assertEqual(self.redis.command("KEYS", "*"), [])

    def test_the_same_policy_twice_names_both_places(self):
        first = self.put("a.yaml", FRONTEND + "---\n" + policy("x"))
        second = self.put("b.yaml", policy("x"))
        result = self.ctl("apply", "-f", self.directory)
        self.assertEqual(result.status, 1)
        self.assertIn(f'{second}:1:1: policy "x" is already at {first}:11', result.err)
        # the same file by two names
        result = self.ctl("apply", "-f", second, "-f", self.directory + "/./b.yaml")
        self.assertIn(f'{self.directory}/./b.yaml:1:1: policy "x" is already at {second}:1', result.err)
        self.assertEqual(self.redis.command("KEYS", "*"), [])

    def test_nothing_there(self):
        result = self.ctl("apply", "-f", self.directory)
        self.assertEqual((result.status, result.err),
                         (1, self.directory + ": no *.yaml, *.yml or *.json in it; -R looks further down\n"))
        self.put("inner/note.txt", "x")
        result = self.ctl("apply", "-R", "-f", self.directory)
        self.assertEqual((result.status, result.err), (1, self.directory + ": no *.yaml, *.yml or *.json below it\n"))

    def test_what_is_no_file_is_refused_and_loops_end(self):
        self.put("a.yaml", policy("a"))
        os.symlink("..", os.path.join(self.directory, "loop"))
        os.makedirs(os.path.join(self.directory, "inner"))
        os.symlink("../a.yaml", os.path.join(self.directory, "inner", "link.yml"))
        result = self.ctl("apply", "-R", "-f", self.directory)
        self.assertIn('inner/link.yml:1:1: policy "a" is already at ', result.err)
        os.unlink(os.path.join(self.directory, "inner", "link.yml"))
        self.ok("apply", "-R", "-f", self.directory)
        self.assertEqual(set(self.policies()), {"a"})
        os.mkfifo(os.path.join(self.directory, "pipe.yaml"))
        os.symlink("nowhere", os.path.join(self.directory, "dangling.json"))
        result = self.ctl("apply", "-f", self.directory)
        self.assertEqual(result.err, f"{self.directory}/dangling.json: No such file or directory\n"
                                     f"{self.directory}/pipe.yaml: not a regular file\n")

    def test_deep_trees_are_refused(self):
        self.put("x/" * 40 + "a.yaml", policy("a"))
        result = self.ctl("apply", "-R", "-f", self.directory)
        self.assertEqual(result.status, 1)
        self.assertIn("more directories within directories than are read", result.err)

    def test_the_size_of_all_is_bounded(self):
        comment = "# " + "x" * 1000 + "\n"
        for i in range(11):
            self.put(f"{i:02}.yaml", policy(f"p{i}") + comment * 3100)  # 3 MiB each
        begun = time.monotonic()
        result = self.ctl("apply", "-f", self.directory)
        self.assertEqual(result.status, 1)
        self.assertEqual(result.err, self.directory + "/10.yaml: with this file it is more than 32 MiB in all\n")
        self.assertLess(time.monotonic() - begun, 20)
        self.assertEqual(self.redis.hash(PREFIX + "policies"), {})


if __name__ == "__main__":
    unittest.main()
