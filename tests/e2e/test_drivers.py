# SPDX-License-Identifier: GPL-2.0-or-later
"""Networks whose traffic this host's hooks do not see: known, matched, and never passed off as enforced."""

import json
import unittest

from harness import Case, Engine, Stack, wait_until
from harness.case import require
from harness.process import call

ENGINE = None
POLICY = """
apiVersion: v1
kind: policy
metadata: {name: web}
spec:
  selector: role == 'web'
  ingress: []
  egress: []
"""
SELECTOR = "role == 'web'"
TOLD = "its traffic does not pass this host's bridges"


def setUpModule():
    global ENGINE
    require()
    ENGINE = unittest.enterModuleContext(Engine())
    add_parent(ENGINE)


def add_parent(engine) -> None:
    """An interface for macvlan to sit on and for the swarm to have its address on, with a namespace behind it."""
    home = engine.namespace.prefix()
    call(home + ["ip", "link", "add", "parent", "type", "veth", "peer", "name", "behind"])
    call(home + ["ip", "address", "add", "192.0.2.1/24", "dev", "parent"])
    for name in ("parent", "behind"):
        call(home + ["ip", "link", "set", name, "up"])


class Unseen(Case):
    def setUp(self):
        self.addCleanup(self.leave)
        self.stack = Stack(ENGINE)
        self.witnesses = (ENGINE, self.stack)
        self.enterContext(self.stack)
        self.stack.apply(POLICY)

    @staticmethod
    def leave():
        """docker_gwbridge goes when the swarm has no more use for it."""
        for container in list(ENGINE.containers.values()):
            container.remove()
        ENGINE.docker("swarm", "leave", "--force", check=False)
        ENGINE.remove_all()

    def pair(self, network):
        return [ENGINE.run(f"{network.name}-{letter}", network, {"role": "web"}) for letter in "ab"]

    def expect_known(self, driver, network, pair):
        """In the records and in what the user sees: matched, not isolated, not enforced; and it is so."""
        for each in pair:
            record = wait_until(lambda at=each: self.stack.endpoints().get(at.endpoint_id()), 20, "its record")
            self.assertEqual(record["network"], {"id": network.id, "name": network.name, "driver": driver})
            self.assertEqual((record["ipv4"], record["labels"]["role"]), (each.ip(), "web"))
        listed = json.loads(self.stack.ctl("match", SELECTOR, "-o", "json").stdout)
        mine = [each for each in listed if each["network"]["driver"] == driver]
        self.assertEqual({each["container"]["name"] for each in mine}, {each.name for each in pair})
        self.assertEqual([each["isolated"] for each in mine], [False, False])
        self.stack.wait_in_force()
        told = json.loads(self.stack.status()["not_enforced"])
        self.assertIn(f"network {network.name} ({driver}): {TOLD}", told)
        self.assertIn(f"network {network.name} ({driver}): {TOLD}", self.stack.ctl("status").stdout)
        # who has no port on a bridge is not waited for
        self.assertEqual(self.stack.status()["unplaced"], "0")
        # that this is not said for nothing: the policy denies everything, and everything passes
        first, second = pair
        self.expect(ENGINE, [(first, second, "tcp/3306", True), (first, second, "ping", True)])

    def test_macvlan(self):
        ENGINE.docker(*"network create -d macvlan -o parent=parent --subnet 10.77.0.0/24 beside".split())
        network = ENGINE.attached("beside")
        self.expect_known("macvlan", network, self.pair(network))

    def test_overlay(self):
        """And the way out of it, docker_gwbridge, is an ordinary bridge: there the same container is isolated."""
        ENGINE.docker(*"swarm init --advertise-addr 192.0.2.1 --listen-addr 192.0.2.1:2377".split())
        ENGINE.docker(*"network create -d overlay --attachable mesh".split())
        network = ENGINE.attached("mesh")
        pair = self.pair(network)
        self.expect_known("overlay", network, pair)
        gateway = ENGINE.get("/networks/docker_gwbridge")
        ids = [gateway["Containers"][each.inspect()["Id"]]["EndpointID"] for each in pair]
        for endpoint in ids:
            record = wait_until(lambda at=endpoint: self.stack.endpoints().get(at), 10, "its record in docker_gwbridge")
            self.assertEqual((record["network"]["driver"], record["labels"]["role"]), ("bridge", "web"))
        self.stack.wait_in_force()
        self.assertEqual(self.stack.status()["isolated"], "2")
        self.assertFalse(pair[0].reach_address(gateway["IPAM"]["Config"][0]["Gateway"], "ping"))
        pair[0].remove()
        wait_until(lambda: ids[0] not in self.stack.endpoints(), 10, "its second record has gone with it")


if __name__ == "__main__":
    unittest.main(verbosity=2)
