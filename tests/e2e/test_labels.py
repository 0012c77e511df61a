# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose a label is: operator labels belong to a container's name, over re-creation and renaming; an image's own does not count."""

import json
import unittest

from harness import Case, Engine, Stack, wait_until
from harness.case import require
from harness.engine import LABEL_PREFIX, Container

ENGINE = None
POLICIES = """
- apiVersion: v1
  kind: policy
  metadata: {name: database}
  spec:
    selector: role == 'database'
    ingress:
    - {action: allow, protocol: tcp, source: {selector: role == 'frontend'}, destination: {ports: [3306]}}
- apiVersion: v1
  kind: policy
  metadata: {name: frontend}
  spec:
    selector: role == 'frontend'
    egress:
    - {action: allow, destination: {selector: role == 'database'}}
"""


def setUpModule():
    global ENGINE
    require()
    ENGINE = unittest.enterModuleContext(Engine())


class Labels(Case):
    def setUp(self):
        self.net = ENGINE.network("net1")
        self.addCleanup(ENGINE.remove_all)
        self.stack = Stack(ENGINE, syncd_args=("--label-prefix", f"{LABEL_PREFIX},com.example.=example/"))
        self.witnesses = (ENGINE, self.stack)
        self.enterContext(self.stack)
        self.stack.apply(POLICIES)
        self.database = ENGINE.run("database", self.net, {"role": "database"})

    def role(self, container: str) -> str:
        (record,) = json.loads(self.stack.ctl("get", "endpoints", container, "-o", "json").stdout)
        return record["effectiveLabels"].get("role", "")

    def reaches(self, container, wanted: bool) -> None:
        self.stack.wait_in_force()
        self.expect(ENGINE, [(container, self.database, "tcp/3306", wanted)])

    def test_operator_labels_belong_to_the_name(self):
        web = ENGINE.run("web", self.net)
        self.reaches(web, False)
        self.stack.ctl("label", "container", "web", "role=frontend")
        self.reaches(web, True)
        self.assertEqual(self.role("web"), "frontend")
        # re-created: another container with that name
        web.remove()
        web = ENGINE.run("web", self.net)
        self.reaches(web, True)
        # renamed: it has the labels of the new name, and whoever gets the old one has its
        self.rename(web, "old")
        self.assertEqual(self.role("old"), "")
        self.reaches(web, False)
        new = ENGINE.run("new", self.net)
        self.reaches(new, False)
        self.rename(new, "web")
        self.reaches(new, True)
        self.reaches(web, False)
        self.stack.ctl("label", "container", "web", "role-")
        self.reaches(new, False)

    def rename(self, container, name: str) -> None:
        ENGINE.docker("rename", container.name, name)
        ENGINE.containers[name] = ENGINE.containers.pop(container.name)
        container.name = name
        wait_until(lambda: self.stack.endpoints()[container.endpoint_id()]["container"]["name"] == name, 10, "it has its new name")

    def test_images_and_prefixes(self):
        """What an image brings is rejected and shown; a second prefix has its own keys."""
        tree = ENGINE.directory / "image"
        ENGINE.make_image("claims", tree, f"LABEL {LABEL_PREFIX}role=frontend")
        words = "run -d --name claimer --net net1 --label com.example.tier=web claims /bin/probe serve 8080"
        ENGINE.docker(*words.split())
        claimer = Container(ENGINE, "claimer", self.net)
        self.reaches(claimer, False)
        wide = self.stack.ctl("get", "endpoints", "claimer", "-o", "wide").stdout
        self.assertIn("role: the image's own label, not the container's", wide)
        self.assertIn("example/tier=web", wide)
        self.assertEqual(self.stack.status()["rejected_labels"], "1")
        (record,) = json.loads(self.stack.ctl("match", "example/tier == 'web'", "-o", "json").stdout)
        self.assertTrue(record["isolated"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
