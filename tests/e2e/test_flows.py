# SPDX-License-Identifier: GPL-2.0-or-later
"""What is denied is told, live: from a container's packet by way of the kernel, enforcerd and Redis to bulkheadctl watch. And
what is audited or staged is told in the same words, and arrives."""

import json
import signal
import subprocess
import unittest

from harness import Case, Engine, Stack, root_dir, wait_until
from harness.case import bin_dir, require

EXAMPLES = root_dir() / "deploy/examples"
SOON = 20
STAGED = """\
apiVersion: v1
kind: policy
metadata: {name: tighter}
spec:
  order: -1
  selector: role == 'database'
  ingress:
  - {action: deny, protocol: tcp, destination: {ports: [3306]}}
"""


def setUpModule():
    require()


class Watch:
    """bulkheadctl watch -o json, read as it comes."""

    def __init__(self, stack: Stack, *words):
        self.log = stack.directory / f"watch-{next(stack.engine.serials)}"
        self.channel = stack.store
        listeners = self.listeners()
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen(
                [bin_dir() / "bulkheadctl", "watch", "-o", "json", *words], env=stack.ctl_env(), stdout=out)
        wait_until(lambda: self.listeners() > listeners, SOON, "watch listens")

    def listeners(self) -> int:
        return self.channel("PUBSUB", "NUMSUB", "bulkhead:v1:flows")[1]

    def seen(self, **wanted) -> list:
        """Records so far whose members, and those of their ends as source_ip and so on, are as wanted."""
        lines = self.log.read_text().splitlines(keepends=True)
        records = [json.loads(line) for line in lines if line.endswith("\n")]
        flat = [{**r, **{f"{end}_{k}": v for end in ("source", "destination") for k, v in r[end].items()}} for r in records]
        return [r for r in flat if all(r.get(k) == v for k, v in wanted.items())]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(10)


class Flows(Case):
    @classmethod
    def setUpClass(cls):
        cls.engine = cls.enterClassContext(Engine())

    def setUp(self):
        self.addCleanup(self.engine.remove_all)
        self.net = self.engine.network("net1")
        self.frontend = self.engine.run("frontend-A", self.net, {"role": "frontend"})
        self.database = self.engine.run("database-A", self.net, {"role": "database"})
        self.bystander = self.engine.run("bystander", self.net)
        self.stack = Stack(self.engine)
        self.witnesses = (self.engine, self.stack)
        self.enterContext(self.stack)
        self.stack.ctl("create", "-f", EXAMPLES / "tutorial.yaml")
        self.stack.wait_in_force()

    def watch(self, *words) -> Watch:
        watch = Watch(self.stack, *words)
        self.addCleanup(watch.process.wait)
        self.addCleanup(watch.process.kill)
        return watch

    def told(self, watch: Watch, **wanted) -> dict:
        def why():
            return f"no {wanted} among {watch.seen()}"

        return wait_until(lambda: watch.seen(**wanted), SOON, why)[0]

    def test_denied(self):
        everything, nobody = self.watch(), self.watch("--to", "nobody")
        frontends = self.watch("--denied", "--from", "role == 'frontend'")
        self.assertTrue(self.frontend.reach(self.database, "tcp", 3306))
        self.assertFalse(self.frontend.reach(self.database, "tcp", 5432))
        record = self.told(everything, destination_port=5432, protocol="tcp")
        self.assertEqual(
            {k: record[k] for k in ("node", "mode", "denied", "direction", "source_container", "source_ip",
                                    "destination_container", "destination_ip")},
            {"node": "e2e", "mode": "enforce", "denied": True, "direction": "egress", "source_container": "frontend-A",
             "source_ip": self.frontend.ip(), "destination_container": "database-A", "destination_ip": self.database.ip()})
        self.assertEqual((record["what"], record["policy"]), ("end", "frontend"))
        self.assertEqual(record["source_labels"]["role"], "frontend")
        self.told(frontends, destination_port=5432)
        self.assertFalse(self.bystander.reach(self.database, "udp", 3306))
        record = self.told(everything, protocol="udp", source_container="bystander")
        self.assertEqual((record["direction"], record["what"], record["policy"]), ("ingress", "end", "database"))
        # nothing that was allowed, and nothing that was not asked for
        self.assertEqual(everything.seen(destination_port=3306, protocol="tcp"), [])
        self.assertEqual(frontends.seen(protocol="udp"), [])
        self.assertEqual(nobody.seen(), [])
        # the stream has what the channel had, and the log a line
        kept = [json.loads(fields[1]) for _, fields in self.stack.store("XRANGE", "bulkhead:v1:flows", "-", "+")]
        self.assertIn(5432, [r["destination"].get("port") for r in kept])
        self.assertIn("denied egress tcp frontend-A", self.stack.enforcerd.log.read_text())
        for watch in (everything, frontends, nobody):
            self.assertEqual(watch.stop(), 0)

    def test_panic(self):
        everything, denied = self.watch(), self.watch("--denied")
        self.assertFalse(self.frontend.reach(self.database, "tcp", 5432))
        self.told(denied, destination_port=5432)
        self.stack.ctl("panic")
        self.stack.wait_in_force()
        self.assertEqual(self.stack.status()["mode"], "audit")
        self.assertIn("PANIC: NOTHING IS DROPPED", self.stack.ctl("status", check=False).stdout)
        self.assertTrue(self.frontend.reach(self.database, "udp", 3306))
        record = self.told(everything, protocol="udp", destination_port=3306, mode="audit")
        self.assertEqual((record["denied"], record["what"], record["policy"]), (True, "end", "frontend"))
        self.assertEqual(denied.seen(mode="audit"), [])
        self.stack.ctl("panic --end")
        self.stack.wait_in_force()
        self.assertEqual(self.stack.status()["mode"], "enforce")
        self.assertFalse(self.frontend.reach(self.database, "tcp", 5432))

    def test_staged(self):
        everything = self.watch()
        self.stack.ctl("apply", "--staged", "-f", "-", input=STAGED)
        self.stack.wait_in_force()
        self.assertTrue(self.frontend.reach(self.database, "tcp", 3306))
        record = self.told(everything, what="staged", destination_port=3306)
        self.assertEqual((record["mode"], record["policy"], record["rule"]), ("audit", "_staged/tighter", 0))
        # no wait of the test's own: that is what --wait is for
        done = self.stack.ctl("apply", "--wait", "-f", "-", input=STAGED)
        self.assertIn("In force on 1 node\n", done.stdout)
        self.assertFalse(self.frontend.reach(self.database, "tcp", 3306))
        record = self.told(everything, what="deny", destination_port=3306)
        self.assertEqual((record["mode"], record["policy"], record["rule"]), ("enforce", "tighter", 0))
        # a trial of the one in force opens nothing, nor does its end
        looser = STAGED.replace("action: deny", "action: allow")
        self.stack.ctl("apply", "--staged", "--wait", "-f", "-", input=looser)
        self.assertFalse(self.frontend.reach(self.database, "tcp", 3306))
        self.stack.ctl("delete", "--staged", "--wait", "policy", "tighter")
        self.assertFalse(self.frontend.reach(self.database, "tcp", 3306))
        self.stack.ctl("delete", "--wait", "policy", "tighter")
        self.assertTrue(self.frontend.reach(self.database, "tcp", 3306))


if __name__ == "__main__":
    unittest.main()
