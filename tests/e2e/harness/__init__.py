# SPDX-License-Identifier: GPL-2.0-or-later
"""The end-to-end harness: a private Docker Engine, containers with labels, real connections between them, and the
Bulkhead programs on top, all in a network namespace and a temporary directory of their own.

    with Engine() as engine:
        net = engine.network("net1")
        a = engine.run("frontend-A", net, labels={"role": "frontend"})
        b = engine.run("database-A", net, labels={"role": "database"})
        with Stack(engine) as stack:
            stack.wait_in_force()
            assert not a.reach(b, "tcp", 3306)

Nothing here sleeps to hide a race: every wait has a condition and a bound (wait_until). A "cannot reach" is only
believed after the receiver has answered the same question from its own namespace.
"""

from .capture import Capture, Frame
from .case import Case, bin_dir, root_dir, wait_until
from .engine import Container, Engine, Network, Outside
from .probe import Arrivals, Flow, HarnessError
from .stack import Stack

__all__ = [
    "Arrivals",
    "Capture",
    "Case",
    "Container",
    "Engine",
    "Flow",
    "Frame",
    "HarnessError",
    "Network",
    "Outside",
    "Stack",
    "bin_dir",
    "root_dir",
    "wait_until",
]
