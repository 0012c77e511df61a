# SPDX-License-Identifier: GPL-2.0-or-later
"""deploy/examples: each does what its first lines promise."""

import unittest

from harness import Case, Engine, Outside, Stack, root_dir
from harness.case import require

ENGINE = None
EXAMPLES = root_dir() / "deploy/examples"
INTERNET = "198.51.100.7"
NOT_INTERNET = ("10.9.9.9", "192.168.77.7", "169.254.169.254", "100.64.1.1")


def setUpModule():
    global ENGINE
    require()
    ENGINE = unittest.enterModuleContext(Engine())


class Examples(Case):
    def setUp(self):
        self.addCleanup(ENGINE.remove_all)
        self.net = ENGINE.network("net1")
        self.stack = Stack(ENGINE)
        self.witnesses = (ENGINE, self.stack)
        self.enterContext(self.stack)

    def test_every_example_is_valid(self):
        files = sorted(EXAMPLES.glob("*.yaml"))
        self.assertEqual([f.name for f in files], ["allow-dns.yaml", "backup.yaml", "internet-not-lan.yaml", "tutorial.yaml"])
        for path in files:
            with self.subTest(file=path.name):
                self.stack.ctl("validate", "-f", path)
                self.stack.ctl("create", "-f", path)

    def outside(self):
        there = Outside(ENGINE, (INTERNET, *NOT_INTERNET))
        self.addCleanup(there.close)
        return there

    def test_internet_but_not_the_lan_nor_the_metadata_address(self):
        there = self.outside()
        guest = ENGINE.run("guest", self.net, {"internet": "true"})
        closed = ENGINE.run("closed", self.net, {"other": "true"})
        bystander = ENGINE.run("bystander", self.net)
        self.stack.ctl("create", "-f", EXAMPLES / "internet-not-lan.yaml")
        self.stack.wait_in_force()
        # everything outside can be reached from here, so that a no below is the policy's
        for address in (INTERNET, *NOT_INTERNET):
            self.assertTrue(bystander.reach_address(address, "tcp", 8080, confirm=there), address)
        self.assertTrue(guest.reach_address(INTERNET, "tcp", 8080, confirm=there))
        self.assertTrue(guest.reach_address(INTERNET, "udp", 5432, confirm=there))
        self.assertFalse(closed.reach_address(INTERNET, "tcp", 8080, confirm=there))
        for address in NOT_INTERNET:
            with self.subTest(address=address):
                self.assertFalse(guest.reach_address(address, "tcp", 8080, confirm=there))

    def test_allow_dns(self):
        there = self.outside()
        frontend = ENGINE.run("frontend-A", self.net, {"role": "frontend"})
        for name in ("tutorial.yaml", "allow-dns.yaml"):
            self.stack.ctl("create", "-f", EXAMPLES / name)
        self.stack.wait_in_force()
        for proto in ("udp", "tcp"):
            self.assertTrue(frontend.reach_address(INTERNET, proto, 53, confirm=there))
            self.assertFalse(frontend.reach_address(INTERNET, proto, 5432, confirm=there))


if __name__ == "__main__":
    unittest.main()
