# SPDX-License-Identifier: GPL-2.0-or-later
"""v3 policies, by real connections: what was converted means the same; namespaces, text operators, staged kinds."""

import unittest

from harness import Case, Engine, Stack, root_dir
from harness.case import require

ENGINE = None
EXAMPLES = root_dir() / "deploy/examples"
PROJECT = "com.docker.compose.project"
POLICIES = """\
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  selector: role == 'web'
  ingress:
  - {action: Allow, protocol: TCP, source: {selector: role starts with 'front'}, destination: {ports: [3306]}}
  - action: Allow
    protocol: TCP
    source: {selector: role ends with '-ops', namespaceSelector: projectcalico.org/name == 'ops'}
    destination: {ports: [5432]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: out}
spec:
  selector: has(role)
  types: [Egress]
  egress: [{action: Allow}]
"""


def setUpModule():
    global ENGINE
    require()
    ENGINE = unittest.enterModuleContext(Engine())


class V3(Case):
    def setUp(self):
        self.addCleanup(ENGINE.remove_all)
        self.net = ENGINE.network("net1", ipv6="fd00:b0:1::/64")
        self.stack = Stack(ENGINE)
        self.witnesses = (ENGINE, self.stack)
        self.enterContext(self.stack)

    def run_in(self, project, name, role):
        return ENGINE.run(name, self.net, {"role": role}, raw_labels={PROJECT: project})

    def test_the_tutorial_converted(self):
        frontend = ENGINE.run("frontend-A", self.net, {"role": "frontend"})
        database = ENGINE.run("database-A", self.net, {"role": "database"})
        self.stack.apply(self.stack.ctl("convert", "-f", EXAMPLES / "tutorial.yaml").stdout, "create")
        self.stack.wait_in_force()
        for family in (4, 6):
            self.expect(ENGINE, [
                (frontend, database, "tcp/3306", True),
                (frontend, database, "tcp/5432", False),
                (frontend, database, "udp/3306", False),
                (frontend, database, "ping", False),
                (database, frontend, "tcp/3306", False),
            ], family)

    def test_namespaces_and_text_operators(self):
        web, other_web = self.run_in("shop", "web-1", "web"), self.run_in("ops", "web-2", "web")
        front, other_front = self.run_in("shop", "front-1", "frontend"), self.run_in("ops", "front-2", "frontend")
        ops, own_ops = self.run_in("ops", "ops-1", "web-ops"), self.run_in("shop", "ops-2", "web-ops")
        back = self.run_in("shop", "back-1", "backend")
        self.stack.apply(POLICIES)
        self.stack.wait_in_force()
        for family in (4, 6):
            self.expect(ENGINE, [
                (front, web, "tcp/3306", True),
                (front, web, "tcp/5432", False),
                (other_front, web, "tcp/3306", False),  # of another project
                (back, web, "tcp/3306", False),
                (ops, web, "tcp/5432", True),
                (own_ops, web, "tcp/5432", False),  # not of the project that the rule names
                (front, other_web, "tcp/3306", False),  # not governed by shop's policy, and by no other
            ], family)

    def test_a_staged_policy_changes_nothing_that_is_in_force(self):
        web, front = self.run_in("shop", "web-1", "web"), self.run_in("shop", "front-1", "frontend")
        self.stack.apply(POLICIES)
        staged = POLICIES.split("---")[0].replace("kind: NetworkPolicy", "kind: StagedNetworkPolicy")
        self.stack.apply(staged.replace("[3306]", "[5432]"))
        self.stack.wait_in_force()
        self.expect(ENGINE, [(front, web, "tcp/3306", True), (front, web, "tcp/5432", False)])


if __name__ == "__main__":
    unittest.main()
