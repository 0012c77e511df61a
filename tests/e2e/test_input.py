# SPDX-License-Identifier: GPL-2.0-or-later
"""Wrong input is refused with file, line and reason, exit 1, and nothing is stored; wrong flags are exit 64."""

import subprocess
import unittest

from harness import Case, Engine, Stack, bin_dir, root_dir
from harness.case import require

ENGINE = None

GOOD = """\
apiVersion: v1
kind: policy
metadata:
  name: good
spec:
  selector: role == 'database'
"""

# name: (the file, the line that is to be named, words that the reason must have)
REFUSED = {
    "bad YAML": ("apiVersion: v1\nkind: [policy\nmetadata: {}\n", None, ""),
    "a tab for indentation": ("apiVersion: v1\nmetadata:\n\tname: x\n", 3, ""),
    "unknown field": (GOOD + "  colour: red\n", 7, "colour"),
    "unknown field in a rule": (GOOD + "  ingress:\n  - action: allow\n    form: x\n", 9, "form"),
    "bad selector": (GOOD.replace("role == 'database'", "role = 'database'"), 6, ""),
    "unclosed selector": (GOOD.replace("role == 'database'", "\"role in {'a'\""), 6, ""),
    "bad CIDR": (GOOD + "  ingress:\n  - action: allow\n    source:\n      nets:\n      - 10.0.0.0/33\n", 11, "10.0.0.0/33"),
    "port 70000": (
        GOOD + "  ingress:\n  - action: allow\n    protocol: tcp\n    destination:\n      ports: [70000]\n",
        11,
        "70000",
    ),
    "ports without a protocol": (GOOD + "  ingress:\n  - action: allow\n    destination:\n      ports: [80]\n", None, "ports"),
    "unknown action": (GOOD + "  ingress:\n  - action: perhaps\n", 8, "perhaps"),
    "unknown protocol": (GOOD + "  ingress:\n  - action: allow\n    protocol: tpc\n", 9, "tpc"),
    "missing action": (GOOD + "  ingress:\n  - protocol: tcp\n", None, "action"),
    "missing name": (GOOD.replace("  name: good\n", "  annotations: {}\n"), None, "name"),
    "unknown kind": (GOOD.replace("kind: policy", "kind: polizei"), None, "polizei"),
    "unknown version": (GOOD.replace("apiVersion: v1", "apiVersion: v9"), 1, "v9"),
    "duplicate name": (GOOD + "---\n" + GOOD, None, "good"),
    "duplicate key": (GOOD + "  selector: all()\n", 7, "selector"),
    "good, then bad": (GOOD + "---\n" + GOOD.replace("good", "second") + "  order: first\n", 14, "first"),
}


def setUpModule():
    global ENGINE
    require()
    ENGINE = unittest.enterModuleContext(Engine())


class WrongInput(Case):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(ENGINE)
        cls.witnesses = (cls.stack,)
        cls.enterClassContext(cls.stack)
        cls.stack.ctl("create", "-f", root_dir() / "deploy/examples/tutorial.yaml")

    def stored(self):
        return self.stack.store.hgetall("bulkhead:v1:policies"), self.stack.head("policies")

    def test_wrong_files(self):
        before = self.stored()
        for name, (text, line, reason) in REFUSED.items():
            path = self.stack.directory / "policies.yaml"
            path.write_text(text)
            for verb in ("create", "apply", "validate"):
                with self.subTest(name, verb=verb):
                    done = self.stack.ctl(verb, "-f", path, check=False)
                    self.assertEqual(done.returncode, 1, done.stderr)
                    where = rf"(?m)^(bulkheadctl: )?{path}:{line or '[0-9]+'}:[0-9]+: .*{reason}"
                    self.assertRegex(done.stderr, where)
                    self.assertEqual(done.stdout, "")
                    self.assertEqual(self.stored(), before)

    def test_a_file_without_policies(self):
        done = self.stack.ctl("apply", "-f", "-", input="", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertNotEqual(done.stderr, "")

    def test_create_of_what_exists_and_replace_of_what_does_not(self):
        before = self.stored()
        tutorial = root_dir() / "deploy/examples/tutorial.yaml"
        self.assertEqual(self.stack.ctl("create", "-f", tutorial, check=False).returncode, 1)
        backup = root_dir() / "deploy/examples/backup.yaml"
        self.assertEqual(self.stack.ctl("replace", "-f", backup, check=False).returncode, 1)
        self.assertEqual(self.stack.ctl("delete policy nobody", check=False).returncode, 1)
        self.assertEqual(self.stored(), before)

    def test_wrong_flags(self):
        for words in (
            ["bulkheadctl", "--nonsense"],
            ["bulkheadctl", "frobnicate"],
            ["bulkheadctl", "get", "-o", "xml", "policies"],
            ["bulkheadctl", "apply"],
            ["bulkhead-syncd", "--nonsense"],
            ["bulkhead-syncd", "--redis", "http://x"],
            ["bulkhead-syncd", "--resync", "never"],
            ["bulkhead-enforcerd", "--nonsense"],
            ["bulkhead-enforcerd", "--isolation", "perhaps"],
            ["bulkhead-enforcerd", "stray-word"],
        ):
            with self.subTest(words=words):
                argv = [bin_dir() / words[0], *words[1:]]
                done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
                self.assertEqual(done.returncode, 64, done.stderr)
                self.assertIn("sage", done.stderr)
                self.assertEqual(done.stdout, "")

    def test_help_and_version(self):
        for program in ("bulkheadctl", "bulkhead-syncd", "bulkhead-enforcerd"):
            for flag in ("--help", "--version"):
                with self.subTest(program=program, flag=flag):
                    argv = [bin_dir() / program, flag]
                    done = subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False)
                    self.assertEqual((done.returncode, done.stderr), (0, ""))
                    self.assertIn(program, done.stdout)


if __name__ == "__main__":
    unittest.main()
