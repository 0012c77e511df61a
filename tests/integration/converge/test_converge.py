#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Whatever is done and whatever breaks: when it is quiet again, records = the Engine's truth and the kernel = the evaluator's, and in between
nothing that was taken back opens again. BULKHEAD_SEED=n plays one seed; BULKHEAD_SEEDS=a-b some; BULKHEAD_LONG=1 two hundred."""

import os
import shutil
import sys
import time
import unittest

from invariant import Watch
from lab import Lab, kernel_view
from integration import missing
from steps import Script

ROUNDS, STEPS = 2, 14
SHORT, LONG = 6, 200


def seeds():
    one, some = os.environ.get("BULKHEAD_SEED"), os.environ.get("BULKHEAD_SEEDS")
    if one:
        return [int(one)]
    if some:
        first, last = some.split("-")
        return range(int(first), int(last) + 1)
    return range(1, (LONG if os.environ.get("BULKHEAD_LONG") else SHORT) + 1)


def setUpModule():
    missing("redis-server", shutil.which("redis-server"))
    missing("nft", shutil.which("nft"))
    missing("root", os.geteuid() == 0)


class World:
    """One seed, from nothing to quiet."""

    def __init__(self, seed):
        self.lab = Lab(f"bhcv{os.getpid()}")
        self.script = Script(self.lab, seed)
        self.watch = None

    def play(self):
        self.lab.open()
        self.script.begin()
        self.lab.start_syncd()
        self.lab.start_enforcerd()
        self.quiet()
        for _ in range(ROUNDS):
            for _ in range(STEPS):
                self.step()
            self.quiet()

    def step(self):
        self.script.step()
        moment = self.lab.moment()
        self.watch.allowed.add(moment)
        if self.lab.policies_confirmed():
            self.watch.allowed.confirm_store()
        self.look(moment)

    def look(self, moment):
        view = kernel_view.read(self.lab.wires)
        if view is None:
            assert self.lab.torn, "a table is missing, and nobody could have taken it"
            return
        lines = self.watch.wrong(view, moment, self.lab.torn)
        assert not lines, "\n".join(lines)

    def quiet(self):
        self.script.say("--- heal")
        self.lab.heal()
        self.lab.repair_store()
        self.lab.wait_quiet()
        self.lab.torn = False
        self.lab.policies_confirmed()
        self.lab.keep_dump()
        self.watch = Watch(self.lab.moment())


class TestConvergence(unittest.TestCase):
    def test_seeds(self):
        began, played = time.monotonic(), 0
        for seed in seeds():
            with self.subTest(seed=seed):
                self.play(seed)
            played += 1
        print(f"figure: convergence: {played} seeds, {(time.monotonic() - began) / max(played, 1):.1f} s each", file=sys.stderr)

    def play(self, seed):
        world = World(seed)
        try:
            world.play()
        except Exception as error:
            story = "\n".join(world.script.log)
            logs = "\n".join(f"--- {name}\n{text[-6000:]}" for name, text in world.lab.logs())
            self.fail(f"seed {seed}: {error!r}\n{error}\n--- what was done\n{story}\n{logs}")
        finally:
            world.lab.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
