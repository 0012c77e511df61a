#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Another node writes what no connection takes: this node goes on following its own containers and the policies."""

import json
import os
import shutil
import time
import unittest

from lab import Lab
from integration import PREFIX, missing, wait_until

BULK_TOO_LARGE = 17 << 20  # REDIS_BULK_MAX is 16 MiB
POLICY = "apiVersion: v1\nkind: policy\nmetadata: {name: %s}\nspec: {selector: role == 'db'}\n"


def setUpModule():
    missing("redis-server", shutil.which("redis-server"))
    missing("nft", shutil.which("nft"))
    missing("root", os.geteuid() == 0)


class HostileNode(unittest.TestCase):
    def setUp(self):
        self.lab = Lab(f"bhhn{os.getpid()}")
        self.addCleanup(self.lab.close)
        self.lab.open()
        self.lab.wires.bridge("br1", "10.1.0.1/16")
        self.lab.engine.add_network("net1", subnet="10.1.0.0/16", bridge="br1", labels={"bulkhead.shared": "dom"})
        # no proxy between: what cuts the connection is what is read
        self.lab.daemon("syncd", "redis.sock", "--docker-host", f"unix://{self.lab.directory}/engine.sock")
        self.lab.daemon("enforcerd", "redis.sock", "--state-dir", self.lab.directory / "state")
        wait_until(lambda: self.lab.status().get("in_force") == "true", "rules in force")

    def beat(self):
        record = {"v": 1, "node": "other", "engine": "E", "boot": "b" * 32, "instance": "a" * 16, "version": "0", "started": 1}
        self.lab.redis("HSET", PREFIX + "nodes", "other", json.dumps({**record, "heartbeat": int(time.time())}))

    def log(self):
        return (self.lab.directory / "enforcerd.log").read_text()

    def sent(self):
        """Bytes that Redis has sent to anybody. What it has not sent yet when the other side closes does not count."""
        stats = dict(line.split(":", 1) for line in self.lab.redis("INFO", "stats").split("\r\n") if ":" in line)
        return int(stats["total_net_output_bytes"])

    def test_record_too_large(self):
        self.lab.redis("HSET", PREFIX + "endpoints:other", "e" * 64, "x" * BULK_TOO_LARGE)
        self.lab.redis("SET", PREFIX + "head:node:other", "1700000000000-00000000:1:" + "a" * 16)
        self.beat()
        wait_until(lambda: self.sent() > 3 * BULK_TOO_LARGE, "the record is read, again and again", 30)
        for number in range(3):
            self.lab.ctl("apply", "-f", "-", stdin=POLICY % f"p{number}")
            head = self.lab.head("policies")
            wait_until(lambda: self.lab.status().get("policies_head") == head, "the policy is in force", 5)  # noqa: B023
        self.assertEqual(self.log().count("reconnecting"), 0, "its own connection was cut")


if __name__ == "__main__":
    unittest.main(verbosity=2)
