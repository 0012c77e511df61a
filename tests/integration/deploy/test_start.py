#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""deploy/redis/start in a root of its own, as in the image: what it hands to Redis, and what it keeps from one start to the next."""
import os
import pathlib
import re
import shutil
import stat
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
REDIS = ROOT / "deploy/redis"
PROGRAMS = ("syncd", "enforcerd", "bulkheadctl")


def is_static(path):
    # ldd fails where nothing is loaded
    return path.exists() and subprocess.run(["ldd", path], capture_output=True, check=False).returncode != 0


def setUpModule():
    for what, present in (("root", os.geteuid() == 0), ("busybox-static", is_static(pathlib.Path("/bin/busybox")))):
        if not present:
            if os.environ.get("CI") == "true":
                raise RuntimeError(f"needs {what}")
            raise unittest.SkipTest(f"needs {what}")


class TestStart(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="bulkhead-start-"))
        self.addCleanup(shutil.rmtree, self.root)
        for folder in ("bin", "etc", "data", "dev", "tmp", "run/bulkhead", *(f"run/keys/{program}" for program in PROGRAMS)):
            (self.root / folder).mkdir(parents=True)
        shutil.copy("/bin/busybox", self.root / "bin/busybox")
        (self.root / "bin/sh").symlink_to("busybox")
        shutil.copy(REDIS / "start", self.root / "bin/start")
        shutil.copy(REDIS / "redis.conf", self.root / "etc/redis.conf")
        shutil.copy(REDIS / "users.conf", self.root / "etc/users.conf")
        # shows what it is told, and with which words
        server = self.root / "bin/redis-server"
        server.write_text('#!/bin/sh\necho "words: $*"\nexec busybox cat\n')
        server.chmod(0o755)
        for name, mode in (("urandom", stat.S_IFCHR), ("null", stat.S_IFCHR)):
            os.mknod(self.root / "dev" / name, mode | 0o666, os.stat(f"/dev/{name}").st_rdev)

    def start(self, status=0, **environment):
        done = subprocess.run(
            ["chroot", self.root, "/bin/start"], env={"PATH": "/bin:/usr/bin:/sbin:/usr/sbin", **environment},
            capture_output=True, text=True, timeout=20, check=False,
        )
        self.assertEqual(done.returncode, status, done.stderr)
        return done

    def rules(self, text):
        return {line.split()[1]: line for line in text.splitlines() if line.startswith("user ")}

    def password(self, path):
        return (self.root / path).read_text().strip()

    def test_users(self):
        text = self.start().stdout
        rules = self.rules(text)
        self.assertEqual(set(rules), {*PROGRAMS, "look"})
        self.assertNotIn("@NODE@", text)
        secrets = {self.password(f"run/keys/{program}/password") for program in PROGRAMS}
        secrets |= {self.password("data/look.password"), self.password("data/admin.password")}
        self.assertEqual(len(secrets), 5)
        for program in PROGRAMS:
            path = f"run/keys/{program}/password"
            self.assertRegex(self.password(path), r"^[0-9a-f]{64}$")
            self.assertIn(f" on >{self.password(path)} ", rules[program])
            self.assertEqual(stat.S_IMODE((self.root / path).stat().st_mode), 0o640)
        self.assertRegex(text, rf"(?m)^requirepass {self.password('data/admin.password')}$")
        self.assertEqual(re.findall(r"(?m)^words: (.*)$", text), ["-"])
        self.assertIn("appendonly yes", text)

    def test_passwords_stay(self):
        before = self.start().stdout
        self.assertEqual(self.start().stdout, before)

    def test_node(self):
        self.assertIn("~bulkhead:v1:endpoints:* ", self.rules(self.start().stdout)["syncd"])
        self.assertIn("~bulkhead:v1:endpoints:* ", self.rules(self.start(BULKHEAD_NODE="").stdout)["syncd"])
        rules = self.rules(self.start(BULKHEAD_NODE="web-1.example").stdout)
        self.assertIn("~bulkhead:v1:endpoints:web-1.example ", rules["syncd"])
        self.assertIn("~bulkhead:v1:status:web-1.example)", rules["enforcerd"])
        for name in ("a/b", "a b", "[a]", "a*", "a\nuser evil on nopass ~* +@all"):
            with self.subTest(name=name):
                self.assertIn("only letters", self.start(status=64, BULKHEAD_NODE=name).stderr)

    def test_the_one_password_of_before_is_removed(self):
        old = self.root / "run/bulkhead/redis.password"
        old.write_text("old\n")
        self.assertNotIn("old", self.start().stdout)
        self.assertFalse(old.exists())


if __name__ == "__main__":
    unittest.main()
