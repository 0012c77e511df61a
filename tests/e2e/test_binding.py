# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose an address is: what one container may do, no other one can by getting, or taking, its address and MAC.

Forbidden packets are counted at the receiver's own interface, and first seen to arrive without Bulkhead.
"""

import json
import re
import time
import unittest
import uuid

from harness import Case, Engine, Stack, wait_until
from harness.case import require
from harness.probe import Arrivals, attempt, longest_gap
from harness.process import call

SUBNET, SUBNET2 = "172.31.77.0/24", "172.31.78.0/24"
ADDRESS, MAC = "172.31.77.50", "02:42:ac:1f:4d:32"
ADDRESS2 = "172.31.78.50"
SUBNET6, ADDRESS6 = "fd00:77::/64", "fd00:77::50"
OPEN = (("tcp", 3306), ("tcp", 8080), ("udp", 53))
POLICIES = """
- apiVersion: v1
  kind: policy
  metadata: {name: database}
  spec:
    selector: role == 'database'
    ingress:
    - {action: allow, protocol: tcp, source: {selector: role == 'frontend'}, destination: {ports: [3306, 8080]}}
    - {action: allow, protocol: udp, source: {selector: role == 'frontend'}, destination: {ports: [53]}}
- apiVersion: v1
  kind: policy
  metadata: {name: frontend}
  spec:
    selector: role == 'frontend'
    egress:
    - {action: allow, destination: {selector: role == 'database'}}
"""


def setUpModule():
    require()


class Binding(Case):
    """A frontend whose address and MAC are known beforehand, and a database that it may reach on OPEN."""

    labels = {}
    families = (4,)

    @classmethod
    def setUpClass(cls):
        cls.engine = cls.enterClassContext(Engine())

    def setUp(self):
        self.addCleanup(self.engine.remove_all)
        ipv6 = SUBNET6 if 6 in self.families else ""
        self.net = self.engine.network("net1", ipv6, labels=self.labels, options=("--subnet", SUBNET))
        self.database = self.engine.run("database-A", self.net, {"role": "database"})
        self.frontend = self.run_at_address("frontend-A", {"role": "frontend"})

    def run_at_address(self, name: str, labels):
        """Whoever runs at the address has its MAC too: up to Engine 27 that is so by itself."""
        version = self.engine.get("/version")["ApiVersion"]
        more = ("--mac-address", MAC) if tuple(map(int, version.split("."))) >= (1, 44) else ()
        if 6 in self.families:
            more += ("--ip6", ADDRESS6)
        container = self.engine.run(name, self.net, labels, options=("--ip", ADDRESS, *more))
        self.assertEqual((container.ip(), container.endpoint()["MacAddress"]), (ADDRESS, MAC))
        return container

    def start_stack(self):
        self.stack = Stack(self.engine)
        self.stack.enforcerd.argv += ["--state-dir", str(self.stack.directory / "state")]
        self.witnesses = (self.engine, self.stack)
        self.enterContext(self.stack)
        self.stack.apply(POLICIES)
        self.in_force()
        self.reaches(self.frontend)

    def reaches(self, source):
        """All that is open to the frontend."""
        for family in self.families:
            self.expect(self.engine, [(source, self.database, f"{p}/{n}", True) for p, n in OPEN], family)

    def in_force(self):
        self.stack.wait_in_force()
        wait_until(lambda: self.stack.status().get("unplaced") == "0", 30, lambda: f"all are placed: {self.stack.status()}")

    def tables(self) -> str:
        """All that the kernel has of ours."""
        prefix = self.engine.namespace.prefix()
        return "".join(
            call(prefix + ["nft", "list", "table", family, "bulkhead"], check=False).stdout for family in ("inet", "bridge")
        )

    def has_address(self, address: str) -> bool:
        """Whether an address stands anywhere in our tables."""
        return re.search(rf"\b{re.escape(address)}\b", self.tables()) is not None

    def restart_enforcerd(self):
        """Without a living syncd there is no saying when the world is right, only when the store's is in the kernel."""
        self.stack.start_enforcerd()

        def done():
            status = self.stack.status()
            return status.get("instance") not in (None, self.stack.old_instance) and status.get("in_force") == "true"

        wait_until(done, 30, lambda: f"the new enforcerd has written: {self.stack.status()}")

    def seen(self, address=None, target=None):
        """What arrives from an address (the frontend's) at what is open to the frontend, from now on."""
        inside = (target or self.database).inside()
        own = [{4: ADDRESS, 6: ADDRESS6}[family] for family in self.families]
        counters = [Arrivals(inside, each, proto, port) for each in ([address] if address else own) for proto, port in OPEN]
        for counter in counters:
            self.addCleanup(counter.close)
        return counters

    def closed(self, source, seen, target=None):
        """Nothing of what the frontend may send arrives from this one."""
        to = target or self.database
        for family in self.families:
            rows = [(source, to, f"{proto}/{port}", False) for proto, port in OPEN]
            self.expect(self.engine, rows + [(source, to, "ping", False)], family)
        self.assertEqual([counter.count() for counter in seen], [0] * len(seen), f"arrived from {source.name}")

    def open(self, source, seen):
        """The same without Bulkhead: the counters count."""
        self.stack.stop()
        self.stack.clear()
        self.reaches(source)
        self.assertTrue(all(counter.count() for counter in seen))


class Heirs(Binding):
    """The endpoint goes while syncd is dead; an unlabelled container gets its address."""

    def test_no_syncd(self):
        self.start_stack()
        self.stack.syncd.kill()
        seen = self.seen()
        self.frontend.remove()
        wait_until(lambda: not self.has_address(ADDRESS), 5, "the address is withdrawn with its link")
        heir = self.run_at_address("heir", {})
        self.closed(heir, seen)
        self.assertFalse(self.has_address(ADDRESS))
        self.stack.start_syncd()
        self.in_force()
        self.closed(heir, seen)
        self.open(heir, seen)

    def test_enforcerd_restarted_after_it(self):
        self.start_stack()
        self.stack.syncd.kill()
        seen = self.seen()
        self.frontend.remove()
        heir = self.run_at_address("heir", {})
        self.stack.enforcerd.kill()
        self.closed(heir, seen)
        self.restart_enforcerd()
        self.closed(heir, seen)
        self.open(heir, seen)

    def test_enforcerd_dead_meanwhile(self):
        """Neither sees the link go: the kernel has the address at the old port, where nobody is any more."""
        self.start_stack()
        self.stack.syncd.kill()
        self.stack.enforcerd.kill()
        seen = self.seen()
        self.frontend.remove()
        heir = self.run_at_address("heir", {})
        self.closed(heir, seen)
        self.restart_enforcerd()
        self.closed(heir, seen)
        self.assertFalse(self.has_address(ADDRESS))
        self.stack.start_syncd()
        self.in_force()
        self.closed(heir, seen)
        heir.remove()
        self.frontend = self.run_at_address("frontend-B", {"role": "frontend"})
        self.in_force()
        self.expect(self.engine, [(self.frontend, self.database, f"{p}/{n}", True) for p, n in OPEN])


class Reboot(Binding):
    """A host that comes up again: no links, rules or flows, another boot id, and the store and the disk of before."""

    labels = {"bulkhead.isolation": "strict"}
    families = (4, 6)

    def power_cut(self):
        """Nobody has time for anything; what was in the kernel is gone, and syncd's last heartbeat is young."""
        for program in (self.stack.syncd, self.stack.enforcerd, self.stack.redis):
            program.kill()
        self.engine.stop()
        self.engine.namespace.delete()
        self.engine.namespace.create()
        self.stack.boot_id(str(uuid.uuid4()))

    def power_up(self):
        self.stack.start_redis()
        self.engine.start()
        self.engine.docker("start", self.database.name)
        self.database.wait_serving()
        self.frontend.remove()
        return self.run_at_address("heir", {})

    def boot_told(self) -> str:
        """Of which boot the store's records are, as syncd says."""
        return json.loads(self.stack.store.hgetall("bulkhead:v1:nodes")["e2e"])["boot"]

    def test_reboot(self):
        self.start_stack()
        before = self.boot_told()
        self.power_cut()
        heir = self.power_up()
        # nothing is there yet: what it sends does arrive
        control = self.seen()
        self.reaches(heir)
        self.assertTrue(all(counter.count() for counter in control))
        self.assertEqual(self.tables(), "")
        self.restart_enforcerd()
        self.assertEqual(self.boot_told(), before)
        self.before_syncd(heir)
        self.stack.start_syncd()
        self.in_force()
        self.assertNotEqual(self.boot_told(), before)
        self.closed(heir, self.seen())
        heir.remove()
        self.frontend = self.run_at_address("frontend-B", {"role": "frontend"})
        self.in_force()
        self.reaches(self.frontend)

    def before_syncd(self, heir):
        """Policies and closures are in force from the disk, and no record of the boot before is believed."""
        self.assertFalse(self.has_address(ADDRESS) or self.has_address(ADDRESS6))
        self.closed(heir, self.seen())


class RebootLabelled(Reboot):
    """Until syncd has published, nobody's labels are known, the old owner's neither."""

    labels = {}

    def before_syncd(self, heir):
        self.assertFalse(self.has_address(ADDRESS) or self.has_address(ADDRESS6))
        self.reaches(heir)


class Impostor(Binding):
    """A container with NET_ADMIN takes another's address, its MAC, or both, while the other is there."""

    def impostor(self):
        return self.engine.run("impostor", self.net, {"role": "other"}, options=("--cap-add", "NET_ADMIN"))

    def take(self, impostor, address: bool, mac: bool):
        inside = impostor.inside()
        if mac:
            call(inside + ["ip", "link", "set", "eth0", "down"])
            call(inside + ["ip", "link", "set", "eth0", "address", MAC])
            call(inside + ["ip", "link", "set", "eth0", "up"])
        if address:
            call(inside + ["ip", "address", "flush", "dev", "eth0"])
            call(inside + ["ip", "address", "add", f"{ADDRESS}/24", "dev", "eth0"])

    def knock(self, impostor, target=None):
        """Where the frontend itself is silent, so that what arrives is the impostor's."""
        to = (target or self.database).ip()
        for _ in range(3):
            attempt(self.engine.probe, impostor.inside(), "tcp", to, 8080)
            attempt(self.engine.probe, impostor.inside(), "udp", to, 53)

    def counters(self, address, target=None):
        inside = (target or self.database).inside()
        return [Arrivals(inside, address, *what) for what in (("tcp", 8080), ("udp", 53))]


class Impostors(Impostor):
    def test_impostors(self):
        # first without Bulkhead: what it sends does arrive
        impostor = self.impostor()
        seen = self.counters(ADDRESS)
        self.take(impostor, True, True)
        self.knock(impostor)
        self.assertTrue(all(counter.count() for counter in seen))
        for counter in seen:
            counter.close()
        impostor.remove()
        self.start_stack()
        for address, mac in ((True, False), (False, True), (True, True)):
            with self.subTest(address=address, mac=mac):
                self.one(address, mac)

    def one(self, address: bool, mac: bool):
        impostor = self.impostor()
        self.in_force()
        sender = ADDRESS if address else impostor.ip()
        seen = self.counters(sender)
        victim = self.frontend.flow(self.database, "tcp", 3306)
        wait_until(lambda: len([a for a in victim.so_far() if a.ok]) >= 20, 20, "the victim works")
        try:
            self.take(impostor, address, mac)
            self.knock(impostor)
            began = time.time()
            wait_until(lambda: any(a.ok and a.t > began for a in victim.so_far()), 20, "the victim works after it")
        finally:
            attempts = victim.stop()
            counts = [counter.count() for counter in seen]
            for counter in seen:
                counter.close()
        self.assertEqual(counts, [0, 0], "packets of the impostor arrived")
        self.assertLess(longest_gap(attempts), 1, "the victim was cut off")
        # and what was learnt at its start is what it still is, for whoever asks later
        self.stack.enforcerd.kill()
        self.restart_enforcerd()
        seen = self.counters(sender)
        self.knock(impostor)
        self.assertEqual([counter.count() for counter in seen], [0, 0], "after a restart")
        self.expect(self.engine, [(self.frontend, self.database, f"{p}/{n}", True) for p, n in OPEN])
        for counter in seen:
            counter.close()
        impostor.remove()


class Doubt(Impostor):
    """An impostor took MAC and address while nobody looked: there is no saying any more which of the two is the frontend."""

    def forget(self):
        """enforcerd has to learn everything from links and records."""
        self.stack.enforcerd.kill()
        self.stack.clear()

    def sent(self, *senders) -> list:
        """What arrives of what they send from the frontend's address, at the database and at a bystander."""
        targets = self.database, self.bystanders[1]
        seen = [counter for target in targets for counter in self.counters(ADDRESS, target)]
        for sender in senders:
            for target in targets:
                self.knock(sender, target)
        counts = [counter.count() for counter in seen]
        for counter in seen:
            counter.close()
        return counts

    def answered(self, source) -> bool:
        """Whoever it is that answers at the address."""
        tries = [attempt(self.engine.probe, source.inside(), proto, ADDRESS, port) for proto, port in OPEN]
        return any(each.ok for each in tries)

    def test_two_ports_fit(self):
        self.bystanders = [self.engine.run(name, self.net, {}) for name in ("bystander-A", "bystander-B")]
        self.start_stack()
        impostor = self.impostor()
        self.in_force()
        self.forget()
        self.take(impostor, True, True)
        # without rules: so it would be if a doubt were open
        self.assertTrue(all(self.sent(impostor)))
        self.assertTrue(self.answered(self.bystanders[0]))
        self.restart_enforcerd()
        wait_until(lambda: "more than one port" in self.stack.status().get("problems", ""), 10, self.stack.status)
        self.assertEqual(self.sent(impostor, self.frontend), [0] * 4, "sent from an address that is in doubt")
        for source in (self.bystanders[0], self.database):
            self.assertFalse(self.answered(source), "served at an address that is in doubt")
        self.others_are_in_none()
        # and with the impostor it ends by itself
        impostor.remove()
        self.in_force()
        self.reaches(self.frontend)
        self.assertTrue(self.has_address(ADDRESS))

    def others_are_in_none(self):
        if not self.labels:
            self.expect(self.engine, [(*self.bystanders, f"{p}/{n}", True) for p, n in OPEN])
        other = self.engine.run("frontend-B", self.net, {"role": "frontend"})
        to = self.database.ip()
        wait_until(
            lambda: all(attempt(self.engine.probe, other.inside(), p, to, n).ok for p, n in OPEN),
            20,
            "another frontend works meanwhile",
        )


class DoubtStrict(Doubt):
    labels = {"bulkhead.isolation": "strict"}


class TwoNetworks(Binding):
    def test_disconnect_and_connect(self):
        net2 = self.engine.network("net2", options=("--subnet", SUBNET2))
        other = self.engine.run("database-B", net2, {"role": "database"})
        net2.connect(self.frontend, "--ip", ADDRESS2)
        self.start_stack()
        both = [(self.frontend, target, f"{p}/{n}", True) for target in (self.database, other) for p, n in OPEN]
        self.expect(self.engine, both)
        seen = self.seen(ADDRESS2, other)
        net2.disconnect(self.frontend)
        wait_until(lambda: not self.has_address(ADDRESS2), 5, "the address is withdrawn with its link")
        heir = self.engine.run("heir", net2, {}, options=("--ip", ADDRESS2))
        self.in_force()
        self.closed(heir, seen, other)
        self.expect(self.engine, both[: len(OPEN)])
        heir.remove()
        net2.connect(self.frontend, "--ip", ADDRESS2)
        self.in_force()
        self.expect(self.engine, both)


if __name__ == "__main__":
    unittest.main()
