# SPDX-License-Identifier: GPL-2.0-or-later
"""A container's way to its own host: by any address of it, where a rule names docker/host, and by none where no rule does."""

import concurrent.futures
import json
import unittest

from harness import Case, Engine, Stack, probe, wait_until
from harness.case import require
from harness.process import Process, call

ENGINE = None
PORT, OTHER_PORT = 9000, 9001
LATER = "198.51.100.9"
BOUND = 10  # seconds, for what the kernel tells enforcerd


def setUpModule():
    global ENGINE
    require()
    ENGINE = unittest.enterModuleContext(Engine())


def policy(destination: str) -> str:
    return f"""
apiVersion: v1
kind: policy
metadata: {{name: client}}
spec:
  selector: role == 'client'
  egress:
  - {{action: allow, protocol: tcp, destination: {{{destination}}}}}
"""


class Host(Case):
    def setUp(self):
        self.addCleanup(ENGINE.remove_all)
        self.home = ENGINE.namespace.prefix()
        own = Process("host", [*self.home, ENGINE.probe, "serve", PORT, OTHER_PORT], ENGINE.directory / "host.log")
        own.start()
        self.addCleanup(own.stop)
        nets = [ENGINE.network("near", ipv6="fd09:1::/64"), ENGINE.network("far", ipv6="fd09:2::/64")]
        self.stack = Stack(ENGINE)
        self.witnesses = (ENGINE, self.stack)
        self.enterContext(self.stack)
        # a bridge without a port has no IPv6 address yet
        self.client, self.other = (ENGINE.run(name, net, {"role": name}) for name, net in zip(("client", "other"), nets))
        links = json.loads(call([*self.home, "ip", "-json", "address", "show", "scope", "global"]).stdout)
        self.addresses = [a["local"] for link in links if link["ifname"].startswith("br-") for a in link["addr_info"] if "local" in a]
        for address in self.addresses:
            wait_until(lambda to=address: probe.attempt(ENGINE.probe, self.home, "tcp", to, PORT).ok, BOUND, f"the host serves at {address}")

    def apply(self, destination: str) -> None:
        self.stack.apply(policy(destination))
        self.stack.wait_in_force()

    def expect_host(self, wanted: bool, port: int = PORT, source=None) -> None:
        source = source or self.client
        # a silence takes its whole time limit to be one, so they wait beside each other
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = pool.map(lambda to: source.reach_address(to, "tcp", port), self.addresses)
        for address, got in zip(self.addresses, answers):
            with self.subTest(address=address, source=source.name, port=port):
                self.assertEqual(got, wanted)

    def explained(self, port: int) -> str:
        return self.stack.ctl("explain", "--from", "client", "--to", "host", "--protocol", "tcp", "--port", str(port)).stdout.split(":")[0]

    def test_only_a_rule_that_names_it(self):
        self.assertEqual(len(self.addresses), 4, "two bridges of two IP versions")
        for everybody in ("all()", "!has(x)", "role != 'x'"):
            self.apply(f'selector: "{everybody}"')
            self.expect_host(False)
            self.assertEqual(self.explained(PORT), "denied")
        # and not because nothing passes
        self.expect(ENGINE, [(self.client, self.client, "tcp/3306", True)])
        self.apply(f"selector: has(docker/host), ports: [{PORT}]")
        self.expect_host(True)
        self.expect_host(False, OTHER_PORT)
        self.expect_host(False, source=self.other)
        self.assertEqual(self.explained(PORT), "allowed")
        self.assertEqual(self.explained(OTHER_PORT), "denied")
        self.apply("selector: docker/host == 'elsewhere'")
        self.expect_host(False)
        # a rule for anyone, but the host
        self.apply("notSelector: has(docker/host)")
        self.expect_host(False)
        self.apply("notSelector: has(role)")
        self.expect_host(True)

    def test_addresses_come_and_go(self):
        self.apply("selector: docker/host == 'e2e'")
        self.expect_host(True)
        call([*self.home, "ip", "address", "add", f"{LATER}/32", "dev", "lo"])
        self.addCleanup(call, [*self.home, "ip", "address", "del", f"{LATER}/32", "dev", "lo"], check=False)
        wait_until(lambda: self.client.reach_address(LATER, "tcp", PORT), BOUND, "the new address is the host's")
        self.assertIn(LATER, self.stack.rules())
        call([*self.home, "ip", "address", "del", f"{LATER}/32", "dev", "lo"])
        wait_until(lambda: LATER not in self.stack.rules(), BOUND, "the address is nobody's")


if __name__ == "__main__":
    unittest.main(verbosity=2)
