# SPDX-License-Identifier: GPL-2.0-or-later
"""A host whose Engine has loaded br_netfilter, as those before 27.3 do; and then it goes, and comes back."""

import unittest

import reused
import shared
from bridged import World, load, loaded, unload

WORLD = None


def setUpModule():
    global WORLD
    WORLD = World(unittest.enterModuleContext)
    assert loaded("br_netfilter"), "the Engine has not loaded it"


class Anywhere(shared.Anywhere):
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


class WithoutTracking(shared.WithoutTracking):
    def setUp(self):
        self.world = WORLD
        super().setUp()

    def put_back(self):
        load("br_netfilter")


class EveryPath(reused.EveryPath):
    pass


class Revoked(reused.Revoked):
    pass
