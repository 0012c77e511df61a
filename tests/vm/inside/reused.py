# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of tests/e2e that are about packets, for a processor that is emulated: the same questions, fewer at a time."""

import test_paths
import test_revocation
from harness import Case

test_paths.LIMIT_MS = 3000
test_paths.AT_ONCE = 12
# two flows of each kind on each path, both ends of which say something ten times a second
test_revocation.FLOWS = 2
test_revocation.ROUNDS = 3
test_revocation.WRAPS = 1
test_revocation.EVERY = 0.1
test_revocation.QUIET = 1.0


def tell(module) -> None:
    """What it would print after its last test."""
    while module.FIGURES:
        print(f"figure: {module.FIGURES.pop(0)}", flush=True)


class EveryPath(test_paths.Paths, Case):
    """Docker's own firewall and docker-proxy, without the networks that are special to one cell."""

    settings = {"experimental": True, "ip6tables": True}
    backend = "iptables"
    names = ("near-a", "near-b", "next-a", "four-b")

    def tearDown(self):
        self.addClassCleanup(tell, test_paths)


class Revoked(test_revocation.Revocation):
    def tearDown(self):
        tell(test_revocation)
