# SPDX-License-Identifier: GPL-2.0-or-later
"""Each release of the Engine that Bulkhead is tried with is what it says, and its networks work, without Bulkhead.

The first run of a machine makes their trees, which takes a minute or two.
"""

import os
import unittest

from harness import Case, Engine, Outside
from harness.case import require
from harness.probe import PORTS, attempt
from harness.release import RELEASES

PUBLISHED = 18080


def setUpModule():
    require()


class Releases(Case):
    def on(self, release: str):
        engine = self.enterContext(Engine(live_restore=True, release=release))
        self.witnesses = (engine,)
        self.assertRegex(engine.get("/version")["Version"], rf"^{release}\.")
        net = engine.network("plain", ipv6="fd00:b0:1::/64")
        one = engine.run("one", net)
        two = engine.run("two", net, options=("--publish", f"{PUBLISHED}:{PORTS[0]}"))
        self.expect(engine, [(one, two, what, True) for what in (f"tcp/{PORTS[0]}", f"udp/{PORTS[0]}", "ping")])
        self.expect(engine, [(one, two, what, True) for what in (f"tcp/{PORTS[0]}", f"udp/{PORTS[0]}", "ping")], family=6)
        outside = Outside(engine, ["198.51.100.7"])
        self.addCleanup(outside.close)
        tried = attempt(engine.probe, outside.inside(), "tcp", "203.0.113.1", PUBLISHED)
        self.assertTrue(tried.ok, f"published port from outside: {tried.why}")
        self.assertTrue(one.reach_address("198.51.100.7", "tcp", PORTS[0]), "from a container to the outside")
        self.assertIn("busybox", engine.docker("exec", "one", "ls", "/bin").stdout)
        engine.restart()
        self.assertIn("busybox", engine.docker("exec", "one", "ls", "/bin").stdout, "outlived its Engine")


def add_test(release: str) -> None:
    name = f"test_{release.replace('.', '_')}"
    setattr(Releases, name, lambda self: self.on(release))


# a plain run does not fetch two more Debian suites
for each in RELEASES if os.environ.get("BULKHEAD_LONG") else list(RELEASES)[:1]:
    add_test(each)


if __name__ == "__main__":
    unittest.main()
