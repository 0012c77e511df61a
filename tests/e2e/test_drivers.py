# SPDX-License-Identifier: GPL-2.0-or-later
"""Networks whose traffic this host's hooks do not see: known, matched, and never passed off as enforced."""

import json
import unittest

from harness import Case, Engine, Stack, probe, wait_until
from harness.case import require
from harness.netns import Namespace
from harness.process import call

ENGINE = None
DATABASE = """
apiVersion: v1
kind: policy
metadata: {name: database}
spec:
  selector: role == 'database'
  ingress:
  - {action: allow, protocol: tcp, source: {selector: role == 'web'}, destination: {ports: [3306]}}
"""
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
    """An interface for macvlan to sit on and for the swarm to have its address on; behind it, a router that leads back to the host."""
    router = Namespace(f"{engine.namespace.name}-r")
    router.create()
    unittest.addModuleCleanup(router.delete)
    home, away = engine.namespace.prefix(), router.prefix()
    call(home + ["ip", "link", "add", "parent", "type", "veth", "peer", "name", "behind", "netns", router.name])
    call(home + ["ip", "address", "add", "192.0.2.1/24", "dev", "parent"])
    call(home + ["ip", "link", "set", "parent", "up"])
    call(away + ["ip", "link", "set", "behind", "up"])
    for address in ("192.0.2.2/24", "10.77.0.1/24"):
        call(away + ["ip", "address", "add", address, "dev", "behind"])
    call(home + ["ip", "route", "add", "10.77.0.0/24", "via", "192.0.2.2"])


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

    def beside(self):
        ENGINE.docker(*"network create -d macvlan -o parent=parent --subnet 10.77.0.0/24 --gateway 10.77.0.1 beside".split())
        return ENGINE.attached("beside")

    def test_macvlan(self):
        network = self.beside()
        self.expect_known("macvlan", network, self.pair(network))

    def test_macvlan_as_a_source(self):
        """Where its packets come to an isolated container, it is matched by its labels; nobody on a bridge can say its address."""
        beside, net = self.beside(), ENGINE.network("net1")
        self.stack.apply(DATABASE)
        web = ENGINE.run("web", beside, {"role": "web"})
        other = ENGINE.run("other", beside, {"role": "other"})
        database = ENGINE.run("database", net, {"role": "database"}, options=("-p", "192.0.2.1:3306:3306"))
        self.stack.wait_in_force()
        self.assertTrue(web.reach_address("192.0.2.1", "tcp", 3306))
        self.assertFalse(other.reach_address("192.0.2.1", "tcp", 3306))
        liar = ENGINE.run("liar", net)
        arrivals = database.arrivals(web, "tcp", 3306)
        self.addCleanup(arrivals.close)
        call(liar.inside() + ["ip", "address", "add", f"{web.ip()}/32", "dev", "eth0"])
        call(liar.inside() + ["ip", "route", "add", f"{database.ip()}/32", "dev", "eth0", "src", web.ip()])
        mac = database.endpoint()["MacAddress"]
        call(liar.inside() + ["ip", "neigh", "replace", database.ip(), "lladdr", mac, "dev", "eth0"])
        ask = (ENGINE.probe, liar.inside(), "tcp", database.ip(), 3306)
        self.stack.enforcerd.stop()
        self.stack.clear()
        wait_until(lambda: probe.attempt(*ask) and arrivals.count(), 20, "without rules the lie arrives")
        self.stack.start_enforcerd()
        self.stack.wait_in_force()
        before = arrivals.count()
        self.assertFalse(probe.attempt(*ask).ok)
        self.assertEqual(arrivals.count(), before)
        self.assertTrue(web.reach_address("192.0.2.1", "tcp", 3306))

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
