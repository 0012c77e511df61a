#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What Engines 20.10, 26.1 and 28.5 were recorded to answer and to tell (tests/e2e/record_engine.py), in their shapes and in their
order; and the events of API 1.52, which have lost what was there twice."""
import json
import time
import unittest

from syncd_case import LABEL, NODE, ROOT, Case, setUpModule, wait_until  # noqa: F401

RELEASES = ("20.10", "26.1", "28.5")
LEGACY = ("status", "id", "from")  # of events, up to API 1.51


class TestRecorded(Case):
    def load(self, release):
        recorded = json.loads((ROOT / f"tests/lib/recorded/engine-{release}.json").read_text())
        self.engine.version.update(recorded["version"])
        self.engine.info.update(ID=recorded["info"]["ID"])
        for container in recorded["containers"]:
            self.engine.add_image(container["ImageID"], {})
        return recorded

    def show(self, recorded):
        """From now on that is the Engine's world."""
        network = recorded["network"]
        with self.engine.lock:
            self.engine.networks[network["Id"]] = network
            self.engine.containers.update({c["Id"]: c for c in recorded["containers"]})

    def vanish(self, recorded):
        with self.engine.lock:
            self.engine.networks.pop(recorded["network"]["Id"])
            self.engine.containers.clear()

    def tell(self, events, without=()):
        for event in events:
            now = time.time_ns()
            line = {key: value for key, value in event.items() if key not in without}
            line.update(time=now // 10**9, timeNano=now)
            self.engine.emit_raw(json.dumps(line).encode() + b"\n", now)

    def shown(self):
        """Container name -> what its record says, the records of the recorded network alone."""
        return {
            e["container"]["name"]: (e["id"], e["ipv4"], e["ipv6"], e["mac"], e["state"], e["labels"].get("role"), e["ports"])
            for e in self.endpoints().values()
        }

    def wanted(self, recorded):
        ports = [{"proto": "tcp", "host_ip": "0.0.0.0", "host_port": 18080, "port": 80}]
        states = {"web": ("running", "web", ports), "paused": ("paused", "web", [])}
        found = {}
        for attached in recorded["network"]["Containers"].values():
            address, address6 = (attached[key].split("/")[0] for key in ("IPv4Address", "IPv6Address"))
            found[attached["Name"]] = (attached["EndpointID"], address, address6, attached["MacAddress"], *states[attached["Name"]])
        self.assertEqual(set(found), set(states))
        return found

    def same(self, recorded):
        shown = {name: row[:6] + ([p for p in row[6] if p["host_ip"] == "0.0.0.0"],) for name, row in self.shown().items()}
        return shown == self.wanted(recorded)

    def check(self, recorded, without=()):
        events = recorded["events"]
        before = [event for event in events if event["timeNano"] < recorded["until"]]
        # what is there when syncd comes
        self.show(recorded)
        self.start("--resync", "3600")
        wait_until(lambda: self.same(recorded), "the list's records")
        network = self.networks()[recorded["network"]["Id"]]
        subnets = sorted(each["Subnet"] for each in recorded["network"]["IPAM"]["Config"])
        self.assertEqual((network["name"], network["isolation"], sorted(network["subnets"])), ("recorded", "strict", subnets))
        # its end
        self.vanish(recorded)
        self.tell(events[len(before) :], without)
        wait_until(lambda: not self.endpoints() and recorded["network"]["Id"] not in self.networks(), "all is gone")
        # and all of it as events
        self.show(recorded)
        self.tell(before, without)
        wait_until(lambda: self.same(recorded), "the events' records")
        self.vanish(recorded)
        self.tell(events[len(before) :], without)
        wait_until(lambda: not self.endpoints() and recorded["network"]["Id"] not in self.networks(), "all is gone again")
        self.assertEqual(self.metric("resyncs_total"), 1, "a comparison has healed it")

    def test_api_1_52(self):
        recorded = self.load("28.5")
        self.engine.version.update(ApiVersion="1.52", MinAPIVersion="1.44")
        self.assertTrue(any(key in event for event in recorded["events"] for key in LEGACY))
        self.check(recorded, without=LEGACY)


for each in RELEASES:
    setattr(TestRecorded, f"test_{each.replace('.', '_')}", lambda self, release=each: self.check(self.load(release)))


if __name__ == "__main__":
    unittest.main(verbosity=2)
