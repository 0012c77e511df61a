# SPDX-License-Identifier: GPL-2.0-or-later
"""The harness itself, without Bulkhead: a harness that cannot tell yes from no would make every other test worthless."""

import unittest

from harness import Case, Engine, HarnessError
from harness.case import require
from harness.process import call
from harness.probe import longest_gap, Attempt

ENGINE = None


def setUpModule():
    global ENGINE
    require()
    ENGINE = unittest.enterModuleContext(Engine())


class Harness(Case):
    @classmethod
    def setUpClass(cls):
        cls.witnesses = (ENGINE,)
        cls.net = ENGINE.network("plain", ipv6="fd00:b0:1::/64")
        cls.a = ENGINE.run("one", cls.net)
        cls.b = ENGINE.run("two", cls.net)
        cls.addClassCleanup(ENGINE.remove_all)

    def block(self, rule: str):
        """A rule in the receiver's own namespace, standing in for a policy."""
        table = f"table inet block {{\nchain in {{\ntype filter hook input priority 0\n{rule}\n}}\n}}\n"
        call(self.b.inside() + ["nft", "-f", "-"], input=table)
        self.addCleanup(call, self.b.inside() + ["nft", "delete", "table", "inet", "block"])

    def test_everything_is_reached_without_rules(self):
        for family in (4, 6):
            for proto in ("tcp", "udp", "ping"):
                with self.subTest(proto=proto, family=family):
                    self.assertTrue(self.a.reach(self.b, proto, 3306, family))

    def test_what_is_dropped_is_not_reached(self):
        self.block("iifname != lo drop")
        for family in (4, 6):
            for proto in ("tcp", "udp", "ping"):
                with self.subTest(proto=proto, family=family):
                    self.assertFalse(self.a.reach(self.b, proto, 3306, family))

    def test_one_port_is_told_from_another(self):
        self.block("iifname != lo tcp dport 5432 drop")
        self.assertTrue(self.a.reach(self.b, "tcp", 3306))
        self.assertFalse(self.a.reach(self.b, "tcp", 5432))
        self.assertTrue(self.a.reach(self.b, "udp", 5432))

    def test_a_missing_server_is_an_error_and_not_a_no(self):
        with self.assertRaises(HarnessError):
            self.a.reach(self.b, "tcp", 9999)
        self.block("iifname != lo drop")
        with self.assertRaises(HarnessError):
            self.a.reach(self.b, "tcp", 9999)

    def test_flows_and_arrivals_count(self):
        seen = self.b.arrivals(self.a, "tcp", 3306)
        self.addCleanup(seen.close)
        flow = self.a.flow(self.b, "tcp", 3306)
        self.block("iifname != lo tcp dport 5432 drop")
        refused = self.a.flow(self.b, "tcp", 5432)
        call(self.a.inside() + [ENGINE.probe, "tcp", self.b.ip(), "3306", "500"])
        good, bad = flow.stop(), refused.stop()
        self.assertTrue(good and all(each.ok for each in good))
        self.assertTrue(bad and not any(each.ok for each in bad))
        self.assertGreaterEqual(seen.count(), 3 * len(good))

    def test_longest_gap(self):
        def attempts(pattern):
            return [Attempt(t=i / 100, ms=1, ok=mark == "+", why="") for i, mark in enumerate(pattern)]

        self.assertEqual(longest_gap(attempts("+++")), 0)
        self.assertAlmostEqual(longest_gap(attempts("++--+-+")), 0.03)
        self.assertAlmostEqual(longest_gap(attempts("++---")), 0.03)


if __name__ == "__main__":
    unittest.main()
