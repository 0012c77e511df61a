# SPDX-License-Identifier: GPL-2.0-or-later
"""v3 policies, by real connections: what was converted means the same; namespaces, text operators, staged kinds, tiers, network sets."""

import unittest

from harness import Case, Engine, Outside, Stack, root_dir
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
PARTNER, STRANGER = "198.51.100.7", "198.51.100.200"
TIERS = """\
apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: ops}
spec: {order: 10}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkSet
metadata: {name: partners, labels: {site: partner}}
spec: {nets: [198.51.100.0/25]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: guard}
spec:
  tier: ops
  selector: role == 'front'
  types: [Egress]
  egress:
  - {action: Allow, protocol: TCP, destination: {selector: site == 'partner', ports: [3306]}}
  - {action: Pass, protocol: TCP, destination: {selector: role == 'db'}}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: front}
spec:
  selector: role == 'front'
  types: [Egress]
  egress:
  - {action: Allow, protocol: TCP, destination: {ports: [5432]}}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: db}
spec:
  selector: role == 'db'
  ingress: [{action: Allow}]
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

    def test_tiers_and_a_network_set(self):
        outside = Outside(ENGINE, [PARTNER, STRANGER])
        self.addCleanup(outside.close)
        front = ENGINE.run("front-1", self.net, {"role": "front"})
        database = ENGINE.run("db-1", self.net, {"role": "db"})
        self.stack.apply(TIERS)
        self.stack.wait_in_force()
        for family in (4, 6):
            self.expect(ENGINE, [
                (front, database, "tcp/5432", True),  # passed, and allowed by the next tier
                (front, database, "tcp/3306", False),  # passed, and by nobody allowed
                (front, database, "udp/5432", False),  # not passed: the first tier's end
            ], family)
        self.assertTrue(front.reach_address(PARTNER, "tcp", 3306))
        self.assertFalse(front.reach_address(STRANGER, "tcp", 3306))
        # not passed although the next tier would allow it
        self.assertFalse(front.reach_address(PARTNER, "tcp", 5432))
        self.stack.apply(TIERS.replace("198.51.100.0/25", "198.51.100.128/25"))
        self.stack.wait_in_force()
        self.assertFalse(front.reach_address(PARTNER, "tcp", 3306))
        self.assertTrue(front.reach_address(STRANGER, "tcp", 3306))
        # without the tier, the next one's word is all
        self.stack.ctl("delete", "policy", "guard")
        self.stack.ctl("delete", "tier", "ops")
        self.stack.wait_in_force()
        self.assertTrue(front.reach_address(PARTNER, "tcp", 5432))
        self.assertFalse(front.reach_address(STRANGER, "tcp", 3306))


if __name__ == "__main__":
    unittest.main()
