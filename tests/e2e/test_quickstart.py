# SPDX-License-Identifier: GPL-2.0-or-later
"""deploy/quickstart as a user runs it, on an Engine of the test's own; the images, the compose file, the wrappers.

The base image is made from Debian's packages, which takes a way out (a proxy): the rest stays in the namespace. Where Debian's
mirror cannot be reached this is a skip, and a failure in CI.
"""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest
import urllib.request

from harness import Case, Engine, root_dir, wait_until
from harness.case import require

DEPLOY = root_dir() / "deploy"
MIRROR = "http://deb.debian.org/debian/dists/bookworm/Release"
IMAGES = ("bulkhead-syncd", "bulkhead-enforcerd", "bulkheadctl")
IMAGE_MAX = 20 * 10**6
SERVICES = ("bulkhead-redis", "bulkhead-syncd", "bulkhead-enforcerd")


def setUpModule():
    require()
    try:
        urllib.request.urlopen(MIRROR, timeout=20).close()
    except OSError as error:
        if os.environ.get("CI") == "true":
            raise
        raise unittest.SkipTest(f"needs Debian's mirror: {error}") from None


class Quickstart(Case):
    """One Engine and one run of `quickstart --tutorial` for all; the tests look at what it has left."""

    @classmethod
    def setUpClass(cls):
        cls.engine = cls.enterClassContext(Engine(out=True))
        cls.witnesses = (cls.engine,)
        cls.cache = os.environ.get("BULKHEAD_CACHE") or cls.enterClassContext(tempfile.TemporaryDirectory(prefix="bh-cache-"))
        cls.played = cls.deploy("quickstart", "--tutorial")
        print(cls.played.stdout)

    @classmethod
    def run_in(cls, argv, **options):
        env = {
            **cls.engine.env(),
            "BULKHEAD_CACHE": cls.cache,
            "BULKHEAD_PULL_SECONDS": "10",
            "BULKHEAD_DOCKER_SOCK": str(cls.engine.socket),
            "http_proxy": cls.engine.proxy_url,
            "no_proxy": "",
        }
        options.setdefault("timeout", 900)
        argv = cls.engine.namespace.prefix() + [str(word) for word in argv]
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False, **options)

    @classmethod
    def deploy(cls, program, *words, **options):
        done = cls.run_in([DEPLOY / program, *words], **options)
        if done.returncode != 0:
            raise AssertionError(f"{program} {words}: exit {done.returncode}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}")
        return done

    def test_1_the_tutorial_is_as_promised(self):
        rows = re.findall(r"^ +(\S+-[AB]) +(\S+-[AB]) +(\S+) +(yes|no) +(.+)$", self.played.stdout, re.M)
        self.assertEqual(len(rows), 17, self.played.stdout)
        reached = {row[:3]: row[3] for row in rows}
        self.assertEqual(reached["frontend-A", "database-A", "tcp/3306"], "yes")
        self.assertEqual(reached["frontend-A", "database-A", "tcp/5432"], "no")
        self.assertEqual(reached["database-A", "frontend-A", "tcp/3306"], "no")
        self.assertEqual(reached["bystander-A", "bystander-B", "tcp/3306"], "yes")
        self.assertNotIn("WRONG", self.played.stdout)

    def test_2_images_are_small_and_hold_no_shell(self):
        for image in IMAGES:
            with self.subTest(image=image):
                facts = json.loads(self.engine.docker("image", "inspect", image).stdout)[0]
                print(f"\nfigure: image {image}: {facts['Size'] / 1e6:.2f} MB")
                self.assertLessEqual(facts["Size"], IMAGE_MAX)
                self.assertEqual(facts["Config"]["Labels"]["org.opencontainers.image.licenses"], "GPL-2.0-or-later")
                shell = self.engine.docker("run", "--rm", "--entrypoint", "/bin/sh", image, "-c", "true", check=False)
                self.assertNotEqual(shell.returncode, 0)

    def test_2_services_have_what_they_need_and_no_more(self):
        wanted = {"bulkhead-redis": [], "bulkhead-syncd": [], "bulkhead-enforcerd": ["NET_ADMIN"]}
        for name, capabilities in wanted.items():
            with self.subTest(service=name):
                facts = self.engine.get(f"/containers/{name}/json")
                host = facts["HostConfig"]
                self.assertEqual(facts["State"]["Health"]["Status"], "healthy")
                self.assertEqual((host["CapDrop"], host["CapAdd"] or []), (["ALL"], capabilities))
                self.assertTrue(host["ReadonlyRootfs"])
                self.assertIn("no-new-privileges:true", host["SecurityOpt"])
                self.assertFalse(host["Privileged"])
                self.assertEqual(host["NetworkMode"], "host" if name == "bulkhead-enforcerd" else "none")
                self.assertEqual(facts["NetworkSettings"]["Ports"] or {}, {})
                binds = " ".join(host["Binds"] or [])
                self.assertEqual("docker.sock" in binds, name == "bulkhead-syncd")

    def test_2_the_store_needs_its_password(self):
        words = ["exec", "bulkhead-redis", "/usr/bin/redis-cli", "-s", "/run/bulkhead/redis.sock", "PING"]
        self.assertIn("NOAUTH", self.engine.docker(*words, check=False).stdout)
        for program in ("syncd", "enforcerd", "bulkheadctl"):
            with self.subTest(program=program):
                listing = self.engine.docker("exec", "bulkhead-redis", "/bin/busybox", "ls", "-ln", f"/run/keys/{program}").stdout
                self.assertRegex(listing, r"(?m)^-rw-r----- .* password$")

    def test_2_each_has_its_own_user(self):
        clients = self.deploy("redis-cli", "--admin", "CLIENT", "LIST").stdout
        self.assertEqual(set(re.findall(r" user=(syncd|enforcerd)\b", clients)), {"syncd", "enforcerd"}, clients)
        self.assertEqual(self.deploy("redis-cli", "--admin", "ACL", "LOG").stdout.strip(), "")
        for name, program in (("bulkhead-syncd", "syncd"), ("bulkhead-enforcerd", "enforcerd")):
            mounts = {mount["Destination"] for mount in self.engine.get(f"/containers/{name}/json")["Mounts"]}
            self.assertEqual({path for path in mounts if path.startswith("/run/keys")}, {f"/run/keys/{program}"})
        looking = self.deploy("redis-cli", "DEL", "bulkhead:v1:policies")
        self.assertIn("NOPERM", looking.stdout + looking.stderr)

    def test_2_wrappers_find_everything_by_themselves(self):
        self.assertEqual(self.deploy("redis-cli", "PING").stdout.strip(), "PONG")
        self.assertIn("database", self.deploy("bulkheadctl", "get", "policies").stdout)
        self.deploy("bulkheadctl", "status")
        self.assertIn("database-A", self.deploy("bulkheadctl", "match", "role == 'database'").stdout)

    def test_2_the_wrapper_shows_files_under_their_own_names(self):
        with tempfile.TemporaryDirectory(prefix="bh it's ") as directory:
            good, bad = pathlib.Path(directory, "my policy.yaml"), pathlib.Path(directory, "bad.yaml")
            good.write_text((DEPLOY / "examples/backup.yaml").read_text())
            bad.write_text("apiVersion: v1\nkind: policy\nmetadata: {name: x}\nspec: {colour: red}\n")
            for words in (["-f", "my policy.yaml"], [f"--filename={good}"], ["-f", "./my policy.yaml"]):
                with self.subTest(words=words):
                    self.deploy("bulkheadctl", "validate", *words, cwd=directory)
            self.deploy("bulkheadctl", "validate", "-f", "-", input=good.read_text())
            done = self.run_in([DEPLOY / "bulkheadctl", "validate", "-f", "bad.yaml"], cwd=directory)
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, r"(?m)^(bulkheadctl: )?bad\.yaml:4:\d+: ")

    def test_3_the_sidecars_come_back_by_themselves(self):
        for name in SERVICES:
            with self.subTest(service=name):
                before = self.engine.get(f"/containers/{name}/json")["RestartCount"]
                pid = self.engine.get(f"/containers/{name}/json")["State"]["Pid"]
                os.kill(pid, 9)
                def back(name=name, before=before):
                    facts = self.engine.get(f"/containers/{name}/json")
                    return facts["RestartCount"] > before and facts["State"]["Health"]["Status"] == "healthy"

                wait_until(back, 60, f"{name} is healthy again")

    def test_4_again_and_the_policies_are_still_there(self):
        """A second run changes nothing that an operator has made."""
        self.deploy("bulkheadctl", "delete", "policy", "backupnetwork")
        before = self.deploy("bulkheadctl", "get", "policies", "-o", "json").stdout
        done = self.deploy("quickstart")
        self.assertIn("is healthy", done.stdout)
        # what the README names for those who have an Engine; the same project, so nothing is made twice
        compose = self.run_in(["docker-compose", "-f", DEPLOY / "compose.yaml", "up", "-d", "--build"], cwd="/")
        self.assertEqual(compose.returncode, 0, compose.stderr)
        projects = {self.engine.get(f"/containers/{name}/json")["Config"]["Labels"]["com.docker.compose.project"] for name in SERVICES}
        self.assertEqual(projects, {"bulkhead"})
        self.assertEqual(self.deploy("bulkheadctl", "get", "policies", "-o", "json").stdout, before)

    def test_4_the_tutorial_can_be_played_again(self):
        self.assertNotIn("WRONG", self.deploy("quickstart", "--tutorial").stdout)

    def test_5_down_leaves_nothing(self):
        done = self.deploy("quickstart", "--down")
        self.assertEqual(self.engine.docker("ps", "-aq").stdout, "", done.stdout)
        self.assertEqual(self.engine.docker("volume", "ls", "-q").stdout, "")
        left = self.engine.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").stdout.splitlines()
        self.assertEqual([image.split(":")[0] for image in left], ["bulkhead-e2e"], left)
        tables = subprocess.run(
            self.engine.namespace.prefix() + ["nft", "list", "tables"], capture_output=True, text=True, check=True
        ).stdout
        self.assertNotIn("bulkhead", tables)
        self.assertEqual(self.engine.docker("network", "ls", "-q", "--filter", "type=custom").stdout, "")


class WrongUse(Case):
    def test_unknown_words(self):
        for words in (["--nonsense"], ["--tutorial", "--down"]):
            done = subprocess.run([DEPLOY / "quickstart", *words], capture_output=True, text=True, timeout=20, check=False)
            self.assertEqual(done.returncode, 64)
            self.assertIn("usage", done.stderr)

    def test_a_remote_engine_is_refused(self):
        env = {**os.environ, "DOCKER_HOST": "tcp://127.0.0.1:1"}
        done = subprocess.run([DEPLOY / "quickstart"], env=env, capture_output=True, text=True, timeout=20, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("not a unix socket", done.stderr)


if __name__ == "__main__":
    unittest.main()
