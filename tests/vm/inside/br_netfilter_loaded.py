# SPDX-License-Identifier: GPL-2.0-or-later
"""A host whose Engine has loaded br_netfilter, as those before 27.3 do; and then it goes, and comes back."""

import unittest

import shared
from bridged import World, forbid, load, loaded, unload
from harness import wait_until

WORLD = None


def setUpModule():
    global WORLD
    WORLD = World(unittest.enterModuleContext)
    assert loaded("br_netfilter"), "the Engine has not loaded it"


class Loaded(shared.Anywhere):
    def setUp(self):
        load("br_netfilter")
        self.world = WORLD
        super().setUp()

    def test_it_goes(self):
        self.start()
        self.expect_nothing_happens(lambda: unload("br_netfilter"), "br_netfilter goes")
        self.assertFalse(loaded("br_netfilter"))
        self.expect_mode("bridge")
        self.expect_same_bridge()
        self.expect_other_paths()

    def test_it_comes_back(self):
        unload("br_netfilter")
        self.start()
        self.expect_mode("bridge")
        self.expect_nothing_happens(lambda: load("br_netfilter"), "br_netfilter comes back")
        self.expect_mode("bridge")
        self.expect_same_bridge()
        self.expect_other_paths()


class WithoutTracking(shared.Bridged):
    """A kernel without nf_conntrack_bridge: br_netfilter has to do, and without that nobody is told that all is well."""

    def setUp(self):
        load("br_netfilter")
        self.world = WORLD
        super().setUp()
        unload("nf_conntrack_bridge")
        self.addCleanup(forbid("nf_conntrack_bridge").unlink)

    def test_inet_does_it(self):
        self.start()
        self.expect_mode("inet")
        self.expect_same_bridge()
        self.expect_other_paths()

    def test_nothing_does_it(self):
        self.start()
        unload("br_netfilter")
        wait_until(lambda: self.stack.status().get("bridge") == "none", 30, lambda: f"mode none: {self.stack.status()}")
        self.assertFalse(self.stack.ready(self.stack.enforcerd))
        self.assertNotIn(self.stack.status()["problems"], ("", "[]"))
        load("br_netfilter")
        wait_until(lambda: self.stack.status().get("bridge") == "inet", 30, lambda: f"mode inet: {self.stack.status()}")
        self.stack.wait_in_force()
        self.expect_same_bridge()


