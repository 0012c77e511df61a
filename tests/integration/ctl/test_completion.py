#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What bash completes for bulkheadctl: what the program itself says that it knows.

BULKHEAD_BIN names the folder of the programs (default: build/bin).
"""
import os
import re
import shlex
import subprocess
import unittest

from ctl_case import CTL, DATABASE, FRONTEND, ROOT, Case


class Completion(Case):
    def complete(self, line):
        """As bash would after a tab at the end of the line."""
        words = line.split(" ")
        script = (f"source {shlex.quote(os.path.join(ROOT, 'deploy', 'completion.bash'))}\n"
                  f"COMP_WORDS=({' '.join(shlex.quote(word) for word in words)}); COMP_CWORD={len(words) - 1}\n"
                  f"_bulkheadctl {shlex.quote(CTL)}\n"
                  "printf '%s\\n' \"${COMPREPLY[@]}\"\n")
        environment = {"PATH": os.environ["PATH"], "BULKHEAD_REDIS_URL": "unix://" + self.redis.path,
                       "BULKHEAD_CTL_ENV": "/nonexistent/env"}
        done = subprocess.run(["bash", "--norc", "-c", script], env=environment, capture_output=True, text=True,
                              timeout=20, check=True)
        self.assertEqual(done.stderr, "")
        return set(done.stdout.split())

    def verbs(self):
        return set(re.findall(r"^  ([a-z]+)", self.ok("help", store=False).out, re.M))

    def test_verbs(self):
        self.assertGreater(len(self.verbs()), 15)
        self.assertEqual(self.complete("bulkheadctl "), self.verbs())
        self.assertEqual(self.complete("bulkheadctl --timeout 5 "), self.verbs())
        self.assertEqual(self.complete("bulkheadctl help "), self.verbs())
        self.assertEqual(self.complete("bulkheadctl val"), {"validate"})

    def test_flags_of_every_verb(self):
        for verb in self.verbs():
            listed = set(re.findall(r"^  (--[a-z-]+)", self.ok(verb, "--help", store=False).out, re.M))
            self.assertEqual(self.complete(f"bulkheadctl {verb} --"), listed, verb)
        self.assertEqual(self.complete("bulkheadctl apply -f x --st"), {"--staged"})
        self.assertEqual(self.complete("bulkheadctl get policies --wa"), set())

    def test_words_and_names(self):
        self.ok("apply", "-f", "-", stdin=DATABASE + "---\n" + FRONTEND)
        self.assertIn("policies", self.complete("bulkheadctl get "))
        self.assertEqual(self.complete("bulkheadctl get ne"), {"networks"})
        self.assertEqual(self.complete("bulkheadctl delete "), {"policy"})
        self.assertEqual(self.complete("bulkheadctl delete policy "), {"database", "frontend"})
        self.assertEqual(self.complete("bulkheadctl get policies -o yaml f"), {"frontend"})
        self.assertEqual(self.complete("bulkheadctl get policies -o y"), {"yaml"})
        self.assertEqual(self.complete("bulkheadctl network l"), {"labelled"})
        self.assertEqual(self.complete("bulkheadctl label "), {"container"})
        self.assertEqual(self.complete("bulkheadctl apply -f "), set())  # bash's own, of files
        self.assertEqual(self.complete("bulkheadctl explain --protocol u"), {"udp", "udplite"})

    def test_no_store_is_no_trouble(self):
        self.redis.command("CONFIG", "SET", "requirepass", "x")
        try:
            self.assertEqual(self.complete("bulkheadctl delete policy "), set())
        finally:
            self.redis.command("AUTH", "x")
            self.redis.command("CONFIG", "SET", "requirepass", "")


if __name__ == "__main__":
    unittest.main()
