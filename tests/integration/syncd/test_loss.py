#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What is lost on the way from the Engine, and that the records are true afterwards all the same."""
import itertools
import json
import os
import signal
import socket
import threading
import time
import unittest

from syncd_case import BOUND, Case, setUpModule, wait_until  # noqa: F401

HELD = 1024  # events that a real Engine holds for one reader, beside what the socket takes
MANY = 101000  # more than syncd queues
CUT_EVERY = 1.0
CUTS = 8


class TestLoss(Case):
    def truth(self):
        return {e["EndpointID"] for n in self.engine.networks.values() for e in n["Containers"].values()}

    def wait_truth(self, bound=BOUND):
        wait_until(lambda: set(self.endpoints()) == self.truth(), "records = truth", bound)

    def lines(self, text):
        return self.log.read_text().count(text)

    # --- events that do not come ---

    def all_dropped(self, noisy):
        for _ in range(HELD):
            self.engine.container_event("rename", noisy)
        dropped = self.engine.dropped
        for _ in range(100):
            self.engine.container_event("rename", noisy)
        return self.engine.dropped - dropped == 100

    def flood_stopped(self, after):
        """syncd does not read while more happens than the Engine holds for it; what comes last is dropped."""
        gone, _ = self.engine.run(self.net, "gone", "10.1.0.2")
        noisy, _ = self.engine.run(self.net, "noisy", "10.1.0.3")
        self.wait_truth()
        self.engine.hold = HELD
        self.syncd.send_signal(signal.SIGSTOP)
        wait_until(lambda: self.all_dropped(noisy), "the socket is full as well", 30)
        dropped = self.engine.dropped
        self.engine.stop(self.net, gone)
        self.engine.run(self.net, "new", "10.1.0.4")
        self.assertEqual(self.engine.dropped, dropped + 5, "die, disconnect, create, connect, start were dropped")
        self.engine.hold = None
        time.sleep(after)  # seconds that the events are late by
        self.syncd.send_signal(signal.SIGCONT)

    def test_dropped_events_are_found_as_soon_as_it_reads_again(self):
        """What comes is old, so something may be missing: it does not wait for the next comparison."""
        self.start("--resync", "3600")
        self.flood_stopped(after=1)
        self.wait_log("some may be missing")
        self.wait_truth()

    def late_events(self, container, count, age):
        """Renames to the same name, read in one piece, age seconds after they were told."""
        attributes = {**self.engine.containers[container]["Labels"], "image": "busybox", "name": "web"}
        event = {"Type": "container", "Action": "rename", "Actor": {"ID": container, "Attributes": attributes}}
        event["timeNano"] = self.engine.now() - int(age * 1e9)
        self.engine.emit_raw((json.dumps(event).encode() + b"\n") * count)

    def test_late_events_are_not_believed_to_be_all(self):
        container, _ = self.engine.run(self.net, "web", "10.1.0.2")
        self.start("--resync", "3600")
        quiet = self.engine.add_container("quiet", state="running")
        missed = self.engine.attach(self.net, quiet, "10.1.0.7")  # and its events were dropped
        self.late_events(container, 255, 1)
        wait_until(lambda: self.metric("events_total") >= 255, "they are read")
        self.assertNotIn(missed, self.endpoints())
        self.assertEqual(self.metric("event_losses_total"), 0)
        self.late_events(container, 1, 1)
        self.wait_endpoint(missed)
        self.assertEqual(self.metric("event_losses_total"), 1)

    def test_clock_of_the_engine(self):
        """Its clock is an hour away, and its events are as fresh as ever."""
        self.engine.clock = -3600
        container, _ = self.engine.run(self.net, "web", "10.1.0.2")
        self.start("--resync", "3600")
        before = self.metric("events_total")
        self.late_events(container, 2000, 0)
        wait_until(lambda: self.metric("events_total") >= before + 2000, "they are read")
        self.assertEqual(self.metric("event_losses_total"), 0)
        self.late_events(container, 256, 1)
        wait_until(lambda: self.metric("event_losses_total") == 1, "these are late")

    def test_times_that_are_none(self):
        self.start()
        for number in (-(2**63), 2**63 - 1, 0):
            event = {"Type": "container", "Action": "exec_start: sh", "Actor": {"ID": "0" * 64, "Attributes": {"name": "x"}}}
            event["timeNano"] = number
            self.engine.emit_raw((json.dumps(event).encode() + b"\n") * 300)
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.wait_endpoint(endpoint)

    def test_more_than_can_be_queued(self):
        """The stream is dropped rather than followed without bound, and everything is compared."""
        self.start()
        gate = threading.Event()
        self.engine.fail(r"/networks/[0-9a-f]{64}$", gate=gate)
        flood = []
        for i in range(MANY):
            actor = {"ID": f"{i:064x}", "Attributes": {"container": f"{i:064x}", "name": "n", "type": "bridge"}}
            flood.append(json.dumps({"Type": "network", "Action": "connect", "Actor": actor, "timeNano": time.time_ns()}))
        late = self.engine.add_container("late", state="running")
        self.engine.attach(self.net, late, "10.1.0.9")
        for i in range(0, MANY, 1000):
            self.engine.emit_raw("\n".join(flood[i : i + 1000]).encode() + b"\n")
        self.engine.history.clear()  # a real one holds single events, not thousands in a piece
        wait_until(lambda: self.lines("more events than can be followed"), "the stream is dropped", 30)
        self.engine.heal()
        self.wait_ready()
        self.wait_truth()

    # --- connections that do not last ---

    def test_streams_that_are_cut_again_and_again(self):
        """As a proxy does that ends what is idle: every change arrives, and the log tells it, not each of them."""
        self.start("--resync", "3600")
        end = time.monotonic() + CUTS * CUT_EVERY
        running, addresses = [], itertools.count(2)
        next_cut = time.monotonic() + CUT_EVERY
        cuts = 0
        while time.monotonic() < end:
            name = f"c{next(addresses)}"
            running.append(self.engine.run(self.net, name, f"10.1.0.{next(addresses)}")[0])
            if len(running) > 3:
                self.engine.stop(self.net, running.pop(0))
            if time.monotonic() >= next_cut:
                self.engine.cut(streams_only=True)
                cuts += 1
                next_cut += CUT_EVERY
            self.wait_truth(2)
        self.assertGreaterEqual(cuts, CUTS - 2)
        self.assertGreaterEqual(self.metric("engine_losses_total"), cuts - 1)
        self.assertLessEqual(self.lines("the Engine") + self.lines("connected to Engine"), 4, "the log is flooded")
        self.assertEqual(self.lines("lost the Engine again"), 1)

    def test_outage_after_many_cuts_is_told(self):
        self.start()
        for count in range(2, 6):
            self.engine.cut()
            wait_until(lambda: self.engine.count("/events") >= count and self.engine.streams, "connected again")
        self.engine.close()
        self.wait_not_ready("engine:")
        self.wait_log("cannot reach the Engine")
        self.assertEqual(self.lines("cannot reach the Engine"), 1)

    def test_stream_that_ends_at_once(self):
        """It opens, which is no success yet: asked again less and less often, else the Engine would have ten lists a second to make."""
        self.engine.fail("/events", body=b"")
        self.spawn()
        wait_until(lambda: self.engine.count("/events") >= 2, "it was tried")
        before, began = self.engine.count("/events"), time.monotonic()
        time.sleep(4)  # what is looked at is how much happens in a time
        self.assertLessEqual(self.engine.count("/events") - before, 6, f"in {time.monotonic() - began:.1f} s")
        self.engine.heal()
        self.wait_ready()

    def test_never_stops_retrying(self):
        """100 ms at first, twice as long each time, with jitter."""
        self.engine.close()
        at = []
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(self.engine.path)
            server.listen(16)
            server.settimeout(15)
            self.spawn()
            while len(at) < 8:
                server.accept()[0].close()
                at.append(time.monotonic())
        for i, (before, after) in enumerate(itertools.pairwise(at)):
            least, most = 0.05 * 2**i, 0.1 * 2**i
            self.assertGreaterEqual(after - before, least * 0.95, f"pause {i}")
            self.assertLessEqual(after - before, most + 1, f"pause {i}")
        os.unlink(self.engine.path)
        self.engine.open()
        wait_until(lambda: self.http("/readyz")[0] == 200, "it is ready", 15)
        self.assertEqual(self.lines("cannot reach the Engine"), 1)

    # --- Engines that end ---

    def test_socket_file_that_nobody_listens_at(self):
        """What a killed Engine leaves behind."""
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.start()
        self.engine.close()
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(self.engine.path)
        self.wait_not_ready(f"connect to {self.engine.path}: Connection refused")
        self.assertIn(endpoint, self.endpoints())
        self.engine.open()
        self.wait_ready()
        self.wait_truth()

    def test_engine_restart_with_its_containers(self):
        """No live-restore: they all stop, and come up again before anybody listens; the Engine remembers no event of before."""
        container, before = self.engine.run(self.net, "web", "10.1.0.2")
        self.start()
        self.engine.stop(self.net, container)
        self.engine.close()
        self.wait_gone(before)
        self.engine.history.clear()
        after = self.engine.start(self.net, container, "10.1.0.2")
        self.engine.open()
        self.wait_ready()
        self.wait_truth()
        self.assertEqual(list(self.endpoints()), [after])

    def test_engine_restart_with_live_restore(self):
        """Nothing is said of a container that ended meanwhile, and the others are as they were."""
        dead, _ = self.engine.run(self.net, "dead", "10.1.0.2")
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.3")
        self.start()
        record = self.endpoints()[endpoint]
        messages = self.messages()
        self.engine.close()
        self.wait_not_ready("engine:")
        self.engine.detach(self.net, dead)
        self.engine.containers[dead]["State"] = "exited"
        self.engine.history.clear()
        self.engine.open()
        self.wait_ready()
        self.wait_truth()
        self.assertEqual(self.endpoints(), {endpoint: record})
        self.assertNotIn(endpoint, [change["id"] for change in messages.next()["changes"]], "written again")

    # --- versions ---

    def test_api_versions(self):
        for low, high, spoken in (("1.12", "1.40", "1.40"), ("1.12", "1.41", "1.41"), ("1.24", "1.47", "1.47"), ("1.44", "1.60", "1.51")):
            with self.subTest(low=low, high=high):
                self.engine.version.update(ApiVersion=high, MinAPIVersion=low)
                self.start()
                for path in ("/info", "/events", "/containers/json", "/networks"):
                    self.assertGreater(self.engine.count(rf"^/v{spoken}{path}"), 0, path)
                self.kill_syncd()

    def test_engine_that_is_too_new(self):
        """Said with both ranges, asked for again, and followed once it can be: an Engine can be downgraded while syncd runs."""
        self.engine.version.update(ApiVersion="1.70", MinAPIVersion="1.60")
        self.spawn()
        self.wait_not_ready("the Engine speaks API versions 1.60 to 1.70, this program 1.40 to 1.51")
        wait_until(lambda: self.engine.count("/version") >= 3, "it is asked again")
        self.assertEqual(self.lines("API versions 1.60 to 1.70"), 1)
        self.engine.version.update(MinAPIVersion="1.44")
        self.wait_ready()


if __name__ == "__main__":
    unittest.main(verbosity=2)
