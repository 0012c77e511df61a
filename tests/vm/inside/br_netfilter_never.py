# SPDX-License-Identifier: GPL-2.0-or-later
"""A host on which nobody has loaded br_netfilter, as after Engine 27.3: the bridge family alone; at last somebody does."""

import unittest

import reused
import shared
from bridged import World, forbid, load, loaded, unload

WORLD = None


def setUpModule():
    global WORLD
    forbid("br_netfilter")
    WORLD = World(unittest.enterModuleContext)


class Anywhere(shared.Anywhere):
    def setUp(self):
        self.assertFalse(loaded("br_netfilter"))
        self.world = WORLD
        super().setUp()

    def test_it_comes(self):
        self.start()
        self.addCleanup(unload, "br_netfilter")
        self.expect_nothing_happens(lambda: load("br_netfilter"), "br_netfilter comes")
        self.expect_mode("bridge")
        self.expect_same_bridge()
        self.expect_other_paths()


class WithoutTracking(shared.WithoutTracking):
    def setUp(self):
        self.world = WORLD
        super().setUp()

    def put_back(self):
        unload("br_netfilter")


class EveryPath(reused.EveryPath):
    pass


class Revoked(reused.Revoked):
    pass
