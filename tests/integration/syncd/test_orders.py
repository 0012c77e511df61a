#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Orders in which the Engine tells of things: whatever they are, what is published is the truth in the end."""
import json
import unittest

from syncd_case import PROFILES, Case, LABEL, setUpModule, wait_until  # noqa: F401


class TestOrders(Case):
    """Orders in which Engines were seen, or may, tell of the same things; the periodic comparison is put off."""

    def setUp(self):
        super().setUp()
        self.start("--resync", "3600")
        self.compared = self.metric("resyncs_total")

    def tearDown(self):
        self.assertEqual(self.metric("resyncs_total"), self.compared, "a comparison has healed it")

    def settle(self):
        """Redis has what the Engine has, and that is what it stays at once everything was read."""
        wait_until(
            lambda: set(self.endpoints()) == {a["EndpointID"] for n in self.engine.networks.values() for a in n["Containers"].values()},
            "the records are the Engine's",
        )
        _, last = self.engine.run(self.net, f"last{self.engine.serial}", f"10.1.9.{self.engine.serial % 250}")
        self.wait_endpoint(last)
        there = {a["EndpointID"] for n in self.engine.networks.values() for a in n["Containers"].values()}
        self.assertEqual(set(self.endpoints()), there)

    def owner(self, address):
        return [e["container"]["name"] for e in self.endpoints().values() if e["ipv4"] == address]

    def test_disconnect_before_die_and_once(self):
        """Engine 28.5."""
        container, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.wait_endpoint(endpoint)
        self.engine.detach(self.net, container)
        self.engine.network_event("disconnect", self.net, container)
        self.engine.container_event("die", container)
        self.settle()

    def test_failed_start(self):
        """20.10 says connect and disconnect, 28.5 disconnect alone; neither start nor die."""
        for connected in (True, False):
            container = self.engine.create(f"never{connected}")
            if connected:
                self.engine.connect(self.net, container, "10.1.0.2")
                self.engine.detach(self.net, container)
            self.engine.network_event("disconnect", self.net, container)
        self.settle()

    def test_die_that_never_comes(self):
        container, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.wait_endpoint(endpoint)
        self.engine.detach(self.net, container)
        self.engine.network_event("disconnect", self.net, container)
        self.settle()

    def test_second_disconnect_after_the_next_connect(self):
        container, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.wait_endpoint(endpoint)
        self.engine.detach(self.net, container)
        self.engine.network_event("disconnect", self.net, container)
        again = self.engine.connect(self.net, container, "10.1.0.2")
        self.engine.network_event("disconnect", self.net, container)
        self.wait_endpoint(again)
        self.settle()

    def test_next_owner_connects_before_the_disconnect(self):
        old, endpoint = self.engine.run(self.net, "old", "10.1.0.2", labels={LABEL + "role": "db"})
        self.wait_endpoint(endpoint)
        self.engine.detach(self.net, old)
        _, heir = self.engine.run(self.net, "heir", "10.1.0.2")
        self.wait_endpoint(heir)
        self.assertEqual(self.owner("10.1.0.2"), ["heir"])
        self.engine.network_event("disconnect", self.net, old)
        self.engine.container_event("die", old)
        self.settle()
        self.assertEqual(self.owner("10.1.0.2"), ["heir"])

    def test_old_owner_is_still_listed(self):
        """For a moment both are in network inspect: the newest has the address, and it goes back if that was the one to leave."""
        _, old = self.engine.run(self.net, "old", "10.1.0.2")
        self.wait_endpoint(old)
        heir, new = self.engine.run(self.net, "heir", "10.1.0.2")
        self.wait_endpoint(new)
        self.assertEqual(self.owner("10.1.0.2"), ["heir"])
        self.engine.stop(self.net, heir)
        wait_until(lambda: self.owner("10.1.0.2") == ["old"], "it is the old one's again")
        self.settle()

    def test_ports_of_the_run_before(self):
        """Another container may have the port that the Engine chose, before this one has one again."""
        container, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.wait_endpoint(endpoint)
        port = {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 32768, "Type": "tcp"}
        self.engine.containers[container]["Ports"] = [port]
        self.engine.container_event("start", container)
        wait_until(lambda: self.endpoints()[endpoint]["ports"], "its port is known")
        self.engine.stop(self.net, container)
        again = self.engine.connect(self.net, container, "10.1.0.2")
        self.assertEqual(self.wait_endpoint(again)["ports"], [])
        self.engine.containers[container].update({"State": "running", "Ports": [{**port, "PublicPort": 32770}]})
        self.engine.container_event("start", container)
        wait_until(lambda: [each["host_port"] for each in self.endpoints()[again]["ports"]] == [32770], "its new port is known")
        self.settle()

    def test_no_create(self):
        container = self.engine.add_container("quiet", labels={LABEL + "role": "web"})
        endpoint = self.engine.connect(self.net, container, "10.1.0.2")
        self.assertEqual(self.wait_endpoint(endpoint)["labels"]["role"], "web")
        self.settle()

    def test_disconnect_of_what_is_not_known(self):
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.wait_endpoint(endpoint)
        self.engine.emit("network", "disconnect", "f" * 64, container="e" * 64, name="nothing", type="bridge")
        self.engine.emit("network", "disconnect", self.net, container="e" * 64, name="net1", type="bridge")
        self.engine.emit("network", "disconnect", self.net, name="net1", type="bridge")
        self.settle()
        self.assertIn(endpoint, self.endpoints())

    def test_network_destroyed_without_a_disconnect(self):
        second = self.engine.create_network("net2", subnet="10.2.0.0/16")
        container, _ = self.engine.run(self.net, "web", "10.1.0.2")
        endpoint = self.engine.connect(second, container, "10.2.0.2")
        self.wait_endpoint(endpoint)
        self.engine.remove_network(second)
        self.wait_gone(endpoint)
        again = self.engine.create_network("net2", subnet="10.2.0.0/16")
        self.engine.connect(again, container, "10.2.0.2")
        self.settle()

    def test_name_passes_to_another(self):
        first, endpoint = self.engine.run(self.net, "web", "10.1.0.2", labels={LABEL + "role": "web"})
        self.wait_endpoint(endpoint)
        self.engine.containers[first]["Names"] = ["/old"]
        self.engine.container_event("rename", first)
        _, other = self.engine.run(self.net, "web", "10.1.0.3", labels={LABEL + "role": "db"})
        self.wait_endpoint(other)
        self.settle()
        found = {key: (each["container"]["name"], each["labels"]["role"]) for key, each in self.endpoints().items() if key in (endpoint, other)}
        self.assertEqual(found, {endpoint: ("old", "web"), other: ("web", "db")})

    def test_endpoint_without_a_sandbox(self):
        """Shown as "ep-<EndpointID>" before it is joined to its container and after it has left it."""
        container = self.engine.create("web", labels={LABEL + "role": "web"})
        endpoint = self.engine.attach(self.net, container, "10.1.0.2")
        members = self.engine.networks[self.net]["Containers"]
        members["ep-" + endpoint] = members.pop(container)
        other, second = self.engine.run(self.net, "other", "10.1.0.3")  # whose connect has the network inspected
        self.wait_endpoint(second)
        self.assertNotIn(endpoint, self.endpoints())
        members[container] = members.pop("ep-" + endpoint)
        self.engine.network_event("connect", self.net, container)
        self.assertEqual(self.wait_endpoint(endpoint)["labels"]["role"], "web")
        members["ep-" + endpoint] = members.pop(container)
        self.engine.stop(self.net, other)
        self.engine.start(self.net, other, "10.1.0.3")
        self.wait_gone(endpoint)

    def test_events_twice(self):
        """An inclusive `since` replays what was already read."""
        container, endpoint = self.engine.run(self.net, "web", "10.1.0.2", labels={LABEL + "role": "web"})
        self.wait_endpoint(endpoint)
        record = self.endpoints()[endpoint]
        other, gone = self.engine.run(self.net, "other", "10.1.0.3")
        self.engine.stop(self.net, other)
        self.engine.remove(other)
        self.wait_gone(gone)
        for _, line in list(self.engine.history):
            self.engine.emit_raw(line)
        self.settle()
        self.assertEqual({**self.endpoints()[endpoint], "state": "running"}, {**record, "state": "running"})

    def test_times_out_of_order(self):
        """Concurrent publishers take the time before they take the lock."""
        first, one = self.engine.run(self.net, "first", "10.1.0.2")
        self.wait_endpoint(one)
        lines = []
        emit, self.engine.emit_raw = self.engine.emit_raw, lambda line, now=0: lines.append(line)
        self.engine.stop(self.net, first)
        second, two = self.engine.run(self.net, "second", "10.1.0.2")
        self.engine.emit_raw = emit
        stamps = sorted((json.loads(line)["timeNano"] for line in lines), reverse=True)
        for line, stamp in zip(lines, stamps):
            self.engine.emit_raw(json.dumps({**json.loads(line), "timeNano": stamp}).encode() + b"\n")
        self.wait_endpoint(two)
        self.settle()
        self.assertEqual(self.owner("10.1.0.2"), ["second"])


class Life:
    """The same life on each release, as that one tells it."""

    api = {}

    def test_life(self):
        second = self.engine.add_network("net2", subnet="10.2.0.0/16")
        self.start("--resync", "3600", **self.api)
        container, endpoint = self.engine.run(self.net, "web", "10.1.0.2", labels={LABEL + "role": "web"})
        other = self.engine.connect(second, container, "10.2.0.2")
        self.assertEqual(self.wait_endpoint(other)["labels"]["role"], "web")
        self.engine.disconnect(second, container)
        self.wait_gone(other)
        self.engine.stop(self.net, container)
        self.wait_gone(endpoint)
        again = self.engine.start(self.net, container, "10.1.0.2")
        wait_until(lambda: self.endpoints().get(again, {}).get("state") == "running", "it runs again")
        self.engine.stop(self.net, container)
        self.engine.remove(container)
        self.wait_gone(again)
        self.assertEqual(self.metric("resyncs_total"), 1, "a comparison has healed it")
        self.assertIn(f"version {self.engine.version['Version']}", self.log.read_text())
        for version in self.api.values():
            self.assertGreater(self.engine.count(f"^/v{version}/events"), 0)


def add_profile(profile, **api):
    name = "_".join(("Life", profile, *api.values())).replace(".", "_")
    globals()[name] = type(name, (Life, Case), {"profile": profile, "api": api})


for each_profile in PROFILES:
    add_profile(each_profile)
add_profile("29", DOCKER_API_VERSION="1.52")


if __name__ == "__main__":
    unittest.main(verbosity=2)
