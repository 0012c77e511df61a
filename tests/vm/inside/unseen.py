# SPDX-License-Identifier: GPL-2.0-or-later
"""The experiment with ipvlan, which Debian's kernels have."""

import os
import pathlib
import sys

os.environ["BULKHEAD_LONG"] = "1"
sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "experiments"))

# pylint: disable=wrong-import-position
import test_unseen  # noqa: E402
from test_unseen import setUpModule  # noqa: E402,F401  pylint: disable=unused-import

test_unseen.require = lambda: None  # the machine has what is needed, and the probe compiled


class Ipvlan(test_unseen.Unseen):
    """Of its tests only the one that the host's kernel may not be able to do."""

    ipvlan_is_there = True
    test_bridge = test_macvlan = test_overlay = test_privileges = test_start = test_cost = None
