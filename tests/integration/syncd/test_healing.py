#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""How bulkhead-syncd heals, whatever the Engine and the store do."""
import json
import signal
import threading
import unittest

from syncd_case import BOUND, Case, LABEL, setUpModule, wait_until  # noqa: F401


class TestHealing(Case):
    def test_stream_cut(self):
        container, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.start()
        self.engine.fail("/version", status=500)
        self.engine.cut()
        self.wait_not_ready("engine:")
        self.assertIn(endpoint, self.endpoints())
        # while nobody listens: one leaves without an event, one comes
        self.engine.detach(self.net, container)
        late = self.engine.add_container("late", state="running")
        new = self.engine.attach(self.net, late, "10.1.0.3")
        self.engine.heal()
        self.wait_ready()
        self.assertEqual(list(self.endpoints()), [new])
        self.assertEqual(self.log.read_text().count("lost the Engine"), 1)
        self.assertEqual(self.log.read_text().count("cannot reach the Engine"), 0)

    def test_engine_away_and_back(self):
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.start()
        self.engine.close()
        self.wait_not_ready("engine:")
        self.assertIn(endpoint, self.endpoints())
        self.engine.open()
        self.wait_ready()
        self.assertIn(endpoint, self.endpoints())

    def test_engine_comes_later(self):
        self.engine.close()
        self.spawn()
        self.wait_not_ready("engine: version:")
        self.engine.open()
        self.wait_ready()

    def test_engine_that_hangs(self):
        """The stream stays open and says nothing, as a connection does whose other end has lost its power."""
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.start()
        self.engine.fail("/_ping", gate=threading.Event())
        wait_until(lambda: self.log.read_text().count("lost the Engine: ping: no answer"), "it is noticed", 40)
        self.wait_ready()
        self.assertIn(endpoint, self.endpoints())

    def test_another_engine_at_the_same_socket(self):
        self.start()
        self.engine.info["ID"] = "FAKE:0002"
        self.engine.cut()
        self.assertEqual(self.syncd.wait(BOUND), 1)
        self.assertIn("the Engine is another one now", self.log.read_text())

    def test_event_that_cannot_be_read(self):
        self.start()
        for line in (b"{nonsense}\n", b'{"Type":"container","Action":"start","Actor":{"ID":"' + b"x" * (2 << 20) + b'"}}\n'):
            container = self.engine.add_container("quiet" + str(len(line)))
            endpoint = self.engine.attach(self.net, container, "10.1.0.7")
            self.engine.emit_raw(line)  # instead of the connect event
            self.wait_endpoint(endpoint)
            self.engine.detach(self.net, container)

    def test_bad_answers(self):
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.start()
        bad = (
            {"status": 500},
            {"status": 403, "body": b"denied"},
            {"body": b"<html>"},
            {"body": b'{"Id":7}'},
            {"body": b""},
            {"drop": True},
        )
        for fault in bad:
            with self.subTest(fault=fault):
                self.engine.fail(rf"/networks/{self.net}$", **fault)
                self.syncd.send_signal(signal.SIGHUP)
                self.wait_not_ready("engine: network")
                self.assertIn(endpoint, self.endpoints())
                self.engine.heal()
                self.wait_ready()
                self.assertIn(endpoint, self.endpoints())

    def test_lists_of_the_wrong_shape(self):
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.start()
        for path in ("/containers/json", "/networks$"):
            with self.subTest(path=path):
                self.engine.fail(path, body=b'[{"Id":"a","Labels":[]}]')
                self.syncd.send_signal(signal.SIGHUP)
                self.wait_not_ready("wrong type")
                self.assertIn(endpoint, self.endpoints())
                self.engine.heal()
                self.wait_ready()

    def test_resync_finds_what_events_did_not_say(self):
        self.start("--resync", "1")
        container = self.engine.add_container("quiet", state="running")
        endpoint = self.engine.attach(self.net, container, "10.1.0.2")
        self.wait_endpoint(endpoint)
        self.engine.detach(self.net, container)
        self.wait_gone(endpoint)

    def test_redis_flushed(self):
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.start()
        self.redis("FLUSHALL")
        self.wait_endpoint(endpoint)

    def test_redis_restarted_empty(self):
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.start()
        self.stop_redis()
        self.wait_not_ready("redis:")
        self.redis_path.unlink(missing_ok=True)
        self.start_redis()
        self.wait_ready()
        self.assertIn(endpoint, self.endpoints())

    def test_master_that_has_lost_its_replicas(self):
        """min-replicas-to-write: it refuses what would be lost with it."""
        container, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.start()
        self.redis("CONFIG", "SET", "min-replicas-to-write", "1")
        self.engine.stop(self.net, container)
        self.wait_not_ready("redis: ")
        self.wait_log("NOREPLICAS")
        self.assertIn(endpoint, self.endpoints())
        self.redis("CONFIG", "SET", "min-replicas-to-write", "0")
        self.wait_gone(endpoint)
        self.wait_ready()

    def test_restart_replaces_what_is_stale(self):
        container, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.start()
        self.syncd.kill()
        self.syncd.wait(BOUND)
        self.assertIn(endpoint, self.endpoints())
        self.engine.stop(self.net, container)
        self.start()
        self.assertEqual(self.endpoints(), {})

    def test_hostile_labels(self):
        self.start()
        labels = {LABEL + f"k{i}" + "x" * 480: "y" * 63 for i in range(3000)}
        labels.update({LABEL + f"bad {i}" + "x" * 480: "\u0000\x1b[2J" for i in range(3000)})
        self.engine.create("hostile", labels=labels)
        hostile = next(iter(self.engine.containers))
        endpoint = self.engine.start(self.net, hostile, "10.1.0.2")
        _, other = self.engine.run(self.net, "other", "10.1.0.3", labels={LABEL + "role": "db"})
        self.assertEqual(self.wait_endpoint(other)["labels"]["role"], "db")
        record = self.wait_endpoint(endpoint)
        self.assertGreater(len([k for k in record["labels"] if not k.startswith("docker/")]), 0)
        self.assertLess(len(json.dumps(record)), 1 << 20)
        self.assertNotIn("\x1b", self.log.read_text())


if __name__ == "__main__":
    unittest.main(verbosity=2)
