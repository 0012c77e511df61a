# SPDX-License-Identifier: GPL-2.0-or-later
"""Several hosts over one Redis: a namespace and an Engine each, with routed networks between them."""

import json
import os
import unittest

from harness import Case, Engine, Stack, root_dir, wait_until
from harness.case import require
from harness.netns import Namespace
from harness.process import Process, call, tail

HOSTS = {}
EXAMPLES = root_dir() / "deploy/examples"
ANY = ("tcp/3306", "tcp/5432", "udp/3306", "ping")
# From 28 on the Engine drops what comes from outside to a container's own address, unless the network is a routed one.
ROUTED = ("-o", "com.docker.network.bridge.enable_ip_masquerade=false")
ROUTED_28 = ("-o", "com.docker.network.bridge.gateway_mode_ipv4=routed", "-o", "com.docker.network.bridge.gateway_mode_ipv6=routed")
TIMEOUT = 5


def address_of(number: int) -> str:
    return f"10.99.0.{number}"


def address6_of(number: int) -> str:
    return f"fd00:b0:99::{number}"


def setUpModule():
    """Hosts a, b, c, and the wire between them: a bridge in a namespace of its own."""
    require()
    wire = Namespace(f"bh-wire-{os.getpid()}")
    wire.create()
    unittest.addModuleCleanup(wire.delete)
    call(wire.prefix() + ["ip", "link", "add", "wire", "type", "bridge"])
    call(wire.prefix() + ["ip", "link", "set", "wire", "up"])
    for number, name in enumerate("abc", 1):
        engine = unittest.enterModuleContext(Engine())
        HOSTS[name] = engine
        inside = engine.namespace.prefix()
        # Docker forwards nothing from outside to a container's own address: what an operator of routed networks opens
        call(inside + ["iptables", "-I", "DOCKER-USER", "-j", "ACCEPT"])
        # where the Engine has rules for IPv6 at all
        call(inside + ["ip6tables", "-I", "DOCKER-USER", "-j", "ACCEPT"], check=False)
        call(inside + ["ip", "link", "add", "uplink", "type", "veth", "peer", "name", f"to-{name}", "netns", wire.name])
        call(wire.prefix() + ["ip", "link", "set", f"to-{name}", "master", "wire", "up"])
        call(inside + ["ip", "address", "add", f"{address_of(number)}/24", "dev", "uplink"])
        call(inside + ["ip", "address", "add", f"{address6_of(number)}/64", "dev", "uplink", "nodad"])
        call(inside + ["ip", "link", "set", "uplink", "up"])


def each(source, target, whats, wanted):
    return [(source, target, what, wanted) for what in whats]


class Hosts(Case):
    def setUp(self):
        self.stacks = {}
        self.nets = {}
        for engine in HOSTS.values():
            self.addCleanup(engine.remove_all)

    def start(self, *names, **enforcerd_args):
        first = None
        for name in names:
            stack = Stack(
                HOSTS[name], name=f"stack-{name}", node=name, store_of=first, enforcerd_args=enforcerd_args.get(name, ())
            )
            first = first or stack
            self.stacks[name] = stack
            self.witnesses = (*self.witnesses, stack)
            self.enterContext(stack)
        self.ctl = first.ctl

    def network(self, host: str, subnet: str, shared: str = "", routed: bool = True, ipv6: str = ""):
        labels = {"bulkhead.shared": shared} if shared else {}
        major = int(HOSTS[host].get("/version")["Version"].split(".")[0])
        options = ("--subnet", subnet, *((ROUTED_28 if major >= 28 else ROUTED) if routed else ()))
        self.nets[host] = HOSTS[host].network("net1", ipv6=ipv6, labels=labels, options=options)

    def route(self, host: str, subnet: str, to: str):
        words = HOSTS[host].namespace.prefix() + ["ip", "route"]
        via = address6_of if ":" in subnet else address_of
        call(words + ["replace", subnet, "via", via("abc".index(to) + 1)])
        self.addCleanup(call, words + ["delete", subnet], check=False)

    def routed(self, *names, shared: str = "dom", dual: bool = False):
        """Each host has a subnet of its own, dual: of either family, and the others know the way."""
        for number, name in enumerate(names, 1):
            subnets = [f"10.201.{number}.0/24", *([f"fd00:b0:{number}::/64"] if dual else [])]
            self.network(name, subnets[0], shared, ipv6=subnets[1] if dual else "")
            for other in names:
                if other != name:
                    for subnet in subnets:
                        self.route(other, subnet, name)

    def run_on(self, host: str, name: str, role: str = "", options=()):
        return HOSTS[host].run(name, self.nets[host], {"role": role} if role else {}, options=options)

    def why_not_applied(self, name: str) -> str:
        """What of the other hosts the enforcerd of this one has not in force."""
        peers = json.loads(self.stacks[name].status().get("peers", "{}"))
        for other, stack in self.stacks.items():
            head = stack.head(f"node:{other}")
            if other != name and peers.get(other, {}).get("head") != head:
                return f"{name} has {peers.get(other)} of {other}, not {head}"
        return ""

    def wait_in_force(self):
        for name, stack in self.stacks.items():
            stack.wait_in_force()
            wait_until(lambda of=name: not self.why_not_applied(of), 20, lambda of=name: self.why_not_applied(of))

    def expect(self, engine, rows, family: int = 4, network=None):
        """What packets do, and that explain says the same of each."""
        super().expect(engine, rows, family, network)
        for source, target, what, wanted in rows:
            proto, _, port = what.partition("/")
            words = ["--protocol", proto, "--port", port] if port else ["--protocol", "icmp"]
            said = self.ctl("explain", "--from", source.name, "--to", target.name, *words, "-o", "json").stdout
            with self.subTest(explain=source.name, target=target.name, what=what):
                self.assertEqual(json.loads(said)["verdict"], "allowed" if wanted else "denied", said)

    def seen_as(self, source, target, end: str) -> str:
        """How the node of the one end ("egress": the source) takes the other, by what explain says."""
        words = ["--from", source.name, "--to", target.name, "--port", "3306", "-o", "json"]
        return json.loads(self.ctl("explain", *words).stdout)[end]["other"]["text"]

    def remote(self, host: str, address: str) -> bool:
        """Whether the address is that of another node's endpoint, to the kernel of this host."""
        words = ["nft", "get", "element", "bridge", "bulkhead", "remote4", f"{{ {address} }}"]
        return call(HOSTS[host].namespace.prefix() + words, check=False).returncode == 0


class Routed(Hosts):
    def test_the_tutorial_across_hosts(self):
        self.start("a", "b")
        self.routed("a", "b", dual=True)
        frontend, database = self.run_on("a", "frontend-A", "frontend"), self.run_on("b", "database-B", "database")
        second, bystander = self.run_on("a", "database-A", "database"), self.run_on("a", "bystander-A")
        self.ctl("create", "-f", EXAMPLES / "tutorial.yaml")
        self.wait_in_force()
        rows = [
            (frontend, database, "tcp/3306", True),
            *each(frontend, database, ("tcp/5432", "udp/3306", "ping"), False),
            *each(database, frontend, ANY, False),
            *each(database, second, ANY, True),
            *each(second, database, ANY, True),
            *each(bystander, database, ANY, False),
        ]
        for family in (4, 6):
            self.expect(HOSTS["a"], rows, family)
        self.ctl("network strict net1")
        self.wait_in_force()
        for family in (4, 6):
            self.expect(HOSTS["a"], rows, family)
        # live flows of an operator's second thought
        flow = frontend.flow(database, "tcp", 3306)
        wait_until(lambda: any(a.ok for a in flow.so_far()), 10, "the flow succeeds")
        self.ctl("label container frontend-A role=backup --node a")
        self.wait_in_force()
        seen = database.arrivals(frontend, "tcp", 3306)
        self.addCleanup(seen.close)
        wait_until(lambda: sum(a.why == "timeout" for a in flow.so_far()) >= 20, 10, "20 attempts fail")
        flow.stop()
        self.assertEqual(seen.count(), 0)

    def test_nobody_borrows_the_role(self):
        """A bystander of the database's host that says a frontend's address of another host; and a private network."""
        self.start("a", "b")
        self.routed("a", "b")
        frontend, database = self.run_on("a", "frontend-A", "frontend"), self.run_on("b", "database-B", "database")
        stranger = self.run_on("b", "stranger-B", options=("--cap-add", "NET_ADMIN"))
        self.ctl("create", "-f", EXAMPLES / "tutorial.yaml")
        self.wait_in_force()
        self.assertTrue(self.remote("b", frontend.ip()))
        seen = database.arrivals(frontend, "tcp", 3306)
        self.addCleanup(seen.close)
        inside = stranger.inside()
        call(inside + ["ip", "address", "add", f"{frontend.ip()}/32", "dev", "eth0"])
        call(inside + ["ip", "route", "replace", f"{database.ip()}/32", "dev", "eth0", "src", frontend.ip()])
        self.assertFalse(stranger.reach_address(database.ip(), "tcp", 3306, confirm=database))
        self.assertEqual(seen.count(), 0)
        # the count is not zero because nothing is counted
        self.assertTrue(frontend.reach(database, "tcp", 3306))
        self.assertGreater(seen.count(), 0)

    def test_private_networks_never(self):
        self.start("a", "b")
        self.routed("a", "b", shared="")
        frontend, database = self.run_on("a", "frontend-A", "frontend"), self.run_on("b", "database-B", "database")
        local = self.run_on("b", "frontend-B", "frontend")
        self.ctl("create", "-f", EXAMPLES / "tutorial.yaml")
        for stack in self.stacks.values():
            stack.wait_in_force()
        self.expect(HOSTS["b"], [(local, database, "tcp/3306", True), *each(frontend, database, ANY, False)])
        self.assertFalse(self.remote("b", frontend.ip()))
        self.assertIn("net1 is not shared", self.seen_as(frontend, database, "ingress"))


class Confusion(Hosts):
    """Both hosts have the same private addresses behind NAT."""

    def same_addresses(self, shared: str):
        self.start("a", "b")
        for host in "ab":
            self.network(host, "10.202.0.0/24", shared, routed=False)
        frontend = self.run_on("a", "frontend-A", "frontend", ("--ip", "10.202.0.2"))
        stranger = self.run_on("b", "stranger-B", options=("--ip", "10.202.0.2"))
        late = self.run_on("b", "database-B", "database", ("--ip", "10.202.0.3"))
        self.assertEqual(frontend.ip(), stranger.ip())
        self.ctl("create", "-f", EXAMPLES / "tutorial.yaml")
        return stranger, late

    def test_unshared(self):
        stranger, database = self.same_addresses("")
        for stack in self.stacks.values():
            stack.wait_in_force()
        self.expect(HOSTS["b"], each(stranger, database, ANY, False))
        self.assertFalse(self.remote("b", stranger.ip()))

    def test_shared_by_mistake(self):
        """The one that is here wins, whatever another host says of its address."""
        stranger, database = self.same_addresses("dom")
        self.wait_in_force()
        self.expect(HOSTS["b"], each(stranger, database, ANY, False))
        self.assertFalse(self.remote("b", stranger.ip()))

    def test_two_claims(self):
        """To a third host it is nobody's, until one of them is gone."""
        self.start("a", "b", "c")
        for host in "ab":
            self.network(host, "10.202.0.0/24", "dom")
        self.network("c", "10.203.0.0/24", "dom")
        self.route("a", "10.203.0.0/24", "c")
        self.route("c", "10.202.0.0/24", "a")
        frontend = self.run_on("a", "frontend-A", "frontend", ("--ip", "10.202.0.2"))
        database = self.run_on("c", "database-C", "database")
        self.ctl("create", "-f", EXAMPLES / "tutorial.yaml")
        self.wait_in_force()
        self.expect(HOSTS["a"], [(frontend, database, "tcp/3306", True)])
        rival = self.run_on("b", "frontend-B", "frontend", ("--ip", "10.202.0.2"))
        self.wait_in_force()
        self.expect(HOSTS["a"], each(frontend, database, ANY, False))
        self.assertIn("10.202.0.2 is claimed by two", self.seen_as(frontend, database, "ingress"))
        self.assertIn("10.202.0.2 is claimed by 2 endpoints of other nodes (a, b)", self.stacks["c"].status()["problems"])
        rival.remove()
        self.wait_in_force()
        self.expect(HOSTS["a"], [(frontend, database, "tcp/3306", True)])


class Loss(Hosts):
    def test_a_host_is_lost_and_returns(self):
        """b is told to take silent nodes out, c is not: it keeps them."""
        self.start("a", "b", "c", b=("--node-timeout", str(TIMEOUT)))
        self.routed("a", "b", "c")
        frontend = self.run_on("a", "frontend-A", "frontend")
        databases = {host: self.run_on(host, f"database-{host}", "database") for host in "bc"}
        self.ctl("create", "-f", EXAMPLES / "tutorial.yaml")
        self.wait_in_force()
        flow = frontend.flow(databases["b"], "tcp", 3306)
        wait_until(lambda: any(a.ok for a in flow.so_far()), 10, "the flow succeeds")
        self.stacks["a"].syncd.kill()
        wait_until(lambda: not self.remote("b", frontend.ip()), TIMEOUT + 15, "its endpoints leave")
        self.assertEqual(json.loads(self.stacks["b"].status()["peers"])["a"]["state"], "left")
        before = len(flow.so_far())
        wait_until(lambda: len(flow.so_far()) > before + 50, 30, "50 more attempts")
        self.assertFalse(any(a.ok for a in flow.so_far()[before + 20 :]))
        self.assertTrue(frontend.reach(databases["c"], "tcp", 3306))
        wait_until(lambda: "node a is silent: its endpoints are kept" in self.stacks["c"].status()["problems"], 30, "c says so")
        self.stacks["a"].start_syncd()
        wait_until(lambda: self.remote("b", frontend.ip()), 20, "they are back")
        wait_until(lambda: flow.so_far()[-1].ok, 10, "the flow succeeds again")
        flow.stop()

    def test_a_restart_keeps_the_others(self):
        """What is in the kernel of other hosts' endpoints is not taken out and put back."""
        self.start("a", "b")
        self.routed("a", "b")
        frontend, database = self.run_on("a", "frontend-A", "frontend"), self.run_on("b", "database-B", "database")
        self.ctl("create", "-f", EXAMPLES / "tutorial.yaml")
        self.wait_in_force()
        flow = frontend.flow(database, "tcp", 3306)
        wait_until(lambda: any(a.ok for a in flow.so_far()), 10, "the flow succeeds")
        self.stacks["b"].enforcerd.kill()
        self.stacks["b"].start_enforcerd()
        self.wait_in_force()
        attempts = flow.stop()
        begun = next(i for i, a in enumerate(attempts) if a.ok)
        self.assertEqual([a.why for a in attempts[begun:] if not a.ok], [])


class Names(Hosts):
    def test_two_engines_of_one_name(self):
        self.start("a")
        self.stacks["a"].wait_in_force()
        stack = self.stacks["a"]
        argv = [w.replace(str(HOSTS["a"].socket), str(HOSTS["b"].socket)) for w in stack.syncd.argv]
        argv = [w.replace(HOSTS["a"].namespace.path, HOSTS["b"].namespace.path) for w in argv]
        rival = Process("rival", argv, stack.directory / "rival.log")
        rival.start()
        self.addCleanup(rival.stop)
        wait_until(lambda: not rival.running(), 20, lambda: f"the second syncd is refused: {tail(rival.log)}")
        self.assertEqual(rival.popen.returncode, 1)
        self.assertIn(stack.engine.get("/info")["ID"], rival.log.read_text())
        stack.wait_in_force()


if __name__ == "__main__":
    unittest.main()
