#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""bulkhead-syncd between a scripted Engine and a private redis-server: what it asks and what it publishes."""
import signal
import threading
import unittest

from syncd_case import Case, LABEL, NODE, PREFIX, setUpModule, wait_until, hex_id  # noqa: F401


class TestPublishing(Case):
    def test_what_was_there_before(self):
        web = self.engine.add_container("web", labels={LABEL + "role": "web", LABEL + "bad": "a b"}, state="running")
        self.engine.containers[web]["Ports"] = [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}]
        endpoint = self.engine.attach(self.net, web, "10.1.0.2", "fd00::2")
        self.start()
        record = self.endpoints()[endpoint]
        self.assertEqual(record["container"], {"id": web, "name": "web", "image": "busybox"})
        self.assertEqual(record["network"], {"id": self.net, "name": "net1", "driver": "bridge"})
        self.assertEqual((record["ipv4"], record["ipv6"], record["mac"]), ("10.1.0.2", "fd00::2", "02:42:0a:01:00:02"))
        self.assertEqual(
            record["labels"],
            {"role": "web", "docker/container": "web", "docker/image": "busybox", "docker/network": "net1"},
        )
        self.assertEqual(list(record["rejected"]), ["bad"])
        self.assertEqual(record["ports"], [{"proto": "tcp", "host_ip": "0.0.0.0", "host_port": 8080, "port": 80}])
        self.assertEqual(record["state"], "running")
        network = self.networks()[self.net]
        self.assertEqual(network["bridge"], "br-" + self.net[:12])
        self.assertEqual((network["subnets"], network["isolation"]), (["10.1.0.0/16"], "strict"))
        self.assertEqual({n["name"] for n in self.networks().values()}, {"bridge", "net1"})  # not "host"
        node = self.records("nodes")[NODE]
        self.assertEqual((node["engine"], node["node"]), ("FAKE:0001", NODE))
        self.assertEqual(self.metric("endpoints"), 1)
        self.assertEqual(self.metric("rejected_labels"), 1)

    def test_start_never_asks_what_blocks(self):
        self.start()
        container, endpoint = self.engine.run(self.net, "web", "10.1.0.2", labels={LABEL + "role": "web"})
        wait_until(lambda: self.endpoints().get(endpoint, {}).get("state") == "running", "it runs")
        self.assertEqual(self.engine.count(rf"/containers/{container}/"), 0)
        self.assertGreater(self.metric("publish_latency_max_seconds"), 0)

    def test_connect_does_not_wait_for_a_list(self):
        self.start()
        gate = threading.Event()
        self.engine.fail(r"/containers/json\?all=1$", gate=gate)
        self.syncd.send_signal(signal.SIGHUP)
        before = self.engine.count(r"/containers/json\?all=1$")
        wait_until(lambda: self.engine.count(r"/containers/json\?all=1$") > before or before > 1, "the list is asked for")
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.2", labels={LABEL + "role": "web"})
        self.wait_endpoint(endpoint)
        self.assertEqual(self.http("/readyz")[0], 200)
        gate.set()
        # the list is older than the container and must not take it away again
        wait_until(lambda: self.metric("resyncs_total") >= 2, "the comparison is complete")
        self.assertIn(endpoint, self.endpoints())

    def test_connects_are_coalesced(self):
        self.start()
        gate = threading.Event()
        self.engine.fail(rf"/networks/{self.net}$", gate=gate, times=1)
        before = self.engine.count(rf"/networks/{self.net}$")
        ids = [self.engine.create(f"c{i}") for i in range(20)]
        endpoints = [self.engine.connect(self.net, c, f"10.1.0.{i + 2}") for i, c in enumerate(ids)]
        wait_until(lambda: self.metric("events_total") >= 40, "all events are read")
        wait_until(lambda: self.engine.count(rf"/networks/{self.net}$") > before, "the network is asked for")
        gate.set()
        wait_until(lambda: set(endpoints) <= set(self.endpoints()), "all are published")
        self.assertEqual(self.engine.count(rf"/networks/{self.net}$") - before, 2)

    def test_address_passes_in_one_transaction(self):
        old, old_endpoint = self.engine.run(self.net, "old", "10.1.0.2", labels={LABEL + "role": "db"})
        self.start()
        messages = self.messages()
        # its disconnect event was dropped: the new owner's connect has to do
        self.engine.detach(self.net, old)
        _, endpoint = self.engine.run(self.net, "new", "10.1.0.2")
        changes = messages.next_with(endpoint)["changes"]
        self.assertEqual([(c["op"], c["id"]) for c in changes][:2], [("del", old_endpoint), ("put", endpoint)])
        self.assertNotIn("role", changes[1]["record"]["labels"])

    def test_stop_and_remove(self):
        self.start()
        container, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.wait_endpoint(endpoint)
        self.engine.stop(self.net, container)
        self.wait_gone(endpoint)
        again = self.engine.start(self.net, container, "10.1.0.3")
        self.assertEqual(self.wait_endpoint(again)["ipv4"], "10.1.0.3")
        self.engine.stop(self.net, container)
        self.engine.remove(container)
        self.wait_gone(again)

    def test_answer_older_than_a_disconnect(self):
        self.start()
        container, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.wait_endpoint(endpoint)
        other = self.engine.create("other")
        gate = threading.Event()
        self.engine.fail(rf"/networks/{self.net}$", gate=gate, times=1)
        asked = self.engine.count(rf"/networks/{self.net}$")
        messages = self.messages()
        self.engine.connect(self.net, other, "10.1.0.9")
        wait_until(lambda: self.engine.count(rf"/networks/{self.net}$") > asked, "network inspect is under way")
        self.engine.stop(self.net, container)
        self.wait_gone(endpoint)
        gate.set()
        wait_until(lambda: self.engine.count(rf"/networks/{self.net}$") >= asked + 2, "it is asked again")
        wait_until(lambda: len(self.endpoints()) == 1, "only the other is left")
        # nor did it come back in between
        mine, others = [], []
        while not others:
            for change in messages.next()["changes"]:
                (mine if change["id"] == endpoint else others).append(change["op"])
        self.assertEqual((mine[-1], mine.count("del")), ("del", 1))

    def test_pause_rename_and_second_network(self):
        second = self.engine.add_network("net2", subnet="10.2.0.0/16")
        self.start()
        container, endpoint = self.engine.run(self.net, "web", "10.1.0.2", labels={LABEL + "role": "web"})
        other = self.engine.connect(second, container, "10.2.0.2")
        self.assertEqual(self.wait_endpoint(other)["labels"]["role"], "web")
        self.engine.container_event("pause", container)
        wait_until(lambda: {e["state"] for e in self.endpoints().values()} == {"paused"}, "both are paused")
        self.engine.containers[container]["Names"] = ["/renamed"]
        self.engine.container_event("rename", container)
        wait_until(lambda: self.endpoints()[endpoint]["container"]["name"] == "renamed", "the name is new")
        self.assertEqual(self.endpoints()[other]["labels"]["docker/container"], "renamed")

    def test_ports_that_move(self):
        """The list tells them when the Engine is through with the connect; until then inspect waits, and nothing else does."""
        second = self.engine.add_network("net2", subnet="10.2.0.0/16")
        self.start()
        container, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        wait_until(lambda: self.endpoints().get(endpoint, {}).get("state") == "running", "it runs")
        gates = [threading.Event() for _ in range(2)]
        for gate in gates:
            self.engine.fail(f"/containers/{container}/json", gate=gate, times=1)
        port = {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 32769, "Type": "tcp"}
        for gate, change, wanted in ((gates[0], self.engine.connect, [32769]), (gates[1], self.engine.disconnect, [])):
            change(second, container, *(["10.2.0.2"] if wanted else []))
            wait_until(lambda: (len(self.endpoints()) == 2) == bool(wanted), "who is where is published at once")
            self.syncd.send_signal(signal.SIGHUP)
            before = self.metric("resyncs_total")
            wait_until(lambda: self.metric("resyncs_total") > before, "a comparison does not wait for it")
            self.engine.containers[container]["Ports"] = [port] if wanted else []
            self.assertNotEqual([each["host_port"] for each in self.endpoints()[endpoint]["ports"]], wanted)
            gate.set()
            wait_until(
                lambda: [each["host_port"] for each in self.endpoints()[endpoint]["ports"]] == wanted, "the ports are right"
            )

    def test_inspect_that_fails(self):
        """It tells that the Engine is through, which nothing depends on: the list is asked all the same."""
        second = self.engine.add_network("net2", subnet="10.2.0.0/16")
        self.start()
        container, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        wait_until(lambda: self.endpoints().get(endpoint, {}).get("state") == "running", "it runs")
        self.engine.fail(f"/containers/{container}/json", status=500)
        self.engine.containers[container]["Ports"] = [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}]
        self.engine.connect(second, container, "10.2.0.2")
        wait_until(lambda: self.endpoints()[endpoint]["ports"], "the ports are there")
        self.assertEqual(self.http("/readyz")[0], 200)

    def test_networks_come_and_go(self):
        self.start()
        network = self.engine.create_network("later", subnet="10.9.0.0/16")
        wait_until(lambda: network in self.networks(), "the new network")
        self.engine.remove_network(network)
        wait_until(lambda: network not in self.networks(), "the network is gone")


class TestOverlay(Case):
    """Containers of an overlay network go out by docker_gwbridge, of which the Engine says nothing."""

    def setUp(self):
        super().setUp()
        self.overlay = self.engine.add_network("mesh", driver="overlay", subnet="10.9.0.0/24")
        self.container = self.engine.add_container("web", labels={LABEL + "role": "web"})

    def connect(self, gateway):
        """The Engine's order: both endpoints are there, one is told of."""
        hidden = self.engine.attach(gateway, self.container, "172.18.0.3")
        return hidden, self.engine.start(self.overlay, self.container, "10.9.0.2")

    def expect(self, gateway):
        hidden, endpoint = self.connect(gateway)
        record = self.wait_endpoint(hidden)
        self.assertEqual((record["ipv4"], record["labels"]["role"]), ("172.18.0.3", "web"))
        self.assertEqual(record["network"], {"id": gateway, "name": "docker_gwbridge", "driver": "bridge"})
        self.assertEqual(self.wait_endpoint(endpoint)["network"]["driver"], "overlay")
        # without a comparison of everything
        self.assertEqual(self.metric("resyncs_total"), 1)
        self.engine.detach(gateway, self.container)
        self.engine.stop(self.overlay, self.container)
        self.wait_gone(hidden)
        self.wait_gone(endpoint)
        self.assertEqual(self.metric("resyncs_total"), 1)

    def test_gateway_that_was_there(self):
        gateway = self.engine.add_network("docker_gwbridge", subnet="172.18.0.0/16", bridge="docker_gwbridge")
        self.start()
        self.expect(gateway)
        self.assertEqual(self.engine.count("/networks/docker_gwbridge$"), 0)

    def test_gateway_that_came_silently(self):
        self.start()
        self.expect(self.engine.add_network("docker_gwbridge", subnet="172.18.0.0/16", bridge="docker_gwbridge"))

    def test_no_gateway(self):
        """An internal overlay network needs none."""
        self.start()
        self.wait_endpoint(self.engine.start(self.overlay, self.container, "10.9.0.2"))
        self.assertEqual(set(n["name"] for n in self.networks().values()), {"bridge", "net1", "mesh"})
        self.assertEqual(self.http("/readyz")[0], 200)


class TestImages(Case):
    def test_image_does_not_choose_its_role(self):
        self.engine.add_image("sha256:evil", {LABEL + "role": "admin"})
        self.start()
        _, endpoint = self.engine.run(self.net, "evil", "10.1.0.2", image_id="sha256:evil", labels={LABEL + "tier": "x"})
        record = self.wait_endpoint(endpoint)
        self.assertNotIn("role", record["labels"])
        self.assertEqual(record["labels"]["tier"], "x")
        self.assertIn("image's own", record["rejected"]["role"])

    def test_image_labels_on(self):
        self.engine.add_image("sha256:trusted", {LABEL + "role": "admin"})
        self.start("--image-labels", "on")
        _, endpoint = self.engine.run(self.net, "app", "10.1.0.2", image_id="sha256:trusted")
        self.assertEqual(self.wait_endpoint(endpoint)["labels"]["role"], "admin")
        self.assertEqual(self.engine.count("/images/"), 0)

    def test_record_waits_for_the_image(self):
        self.engine.add_image("sha256:slow", {})
        self.start()
        gate = threading.Event()
        self.engine.fail("/images/sha256:slow", gate=gate)
        _, endpoint = self.engine.run(self.net, "app", "10.1.0.2", image_id="sha256:slow", labels={LABEL + "role": "db"})
        wait_until(lambda: self.metric("endpoints_held") == 1, "it is held back")
        _, other = self.engine.run(self.net, "other", "10.1.0.3")
        self.wait_endpoint(other)
        self.assertNotIn(endpoint, self.endpoints())
        gate.set()
        self.assertEqual(self.wait_endpoint(endpoint)["labels"]["role"], "db")
        self.engine.run(self.net, "second", "10.1.0.4", image_id="sha256:slow", labels={LABEL + "role": "db"})
        wait_until(lambda: len(self.endpoints()) == 3, "all are published")
        self.assertEqual(self.engine.count("/images/sha256:slow"), 1)  # remembered

    def test_image_gone(self):
        self.start()
        _, endpoint = self.engine.run(self.net, "app", "10.1.0.2", image_id="sha256:gone", labels={LABEL + "role": "db"})
        record = self.wait_endpoint(endpoint)
        self.assertNotIn("role", record["labels"])
        self.assertIn("image cannot be read", record["rejected"]["role"])

    def test_image_question_fails_then_answers(self):
        self.engine.fail("/images/sha256:plain", status=500)
        self.engine.run(self.net, "app", "10.1.0.2", labels={LABEL + "role": "db"})
        self.spawn()
        self.wait_not_ready("image sha256:plain: HTTP status 500")
        self.assertEqual(self.redis("EXISTS", f"{PREFIX}head:node:{NODE}"), 0)  # half-known is not published
        self.engine.heal()
        self.wait_ready()
        self.assertEqual([e["labels"]["role"] for e in self.endpoints().values()], ["db"])

    def test_image_refused_to_a_new_container(self):
        """It asked to be isolated: it is published closed at once, not held back as a bystander, and healed later."""
        self.engine.add_image("sha256:shy", {})
        self.start()
        self.engine.fail("/images/sha256:shy", status=403)
        _, endpoint = self.engine.run(self.net, "app", "10.1.0.2", image_id="sha256:shy", labels={LABEL + "role": "db"})
        record = self.wait_endpoint(endpoint)
        self.assertNotIn("role", record["labels"])
        self.assertIn("image cannot be read", record["rejected"]["role"])
        self.engine.heal()
        wait_until(lambda: self.endpoints()[endpoint]["labels"].get("role") == "db", "the label counts")
        self.wait_ready()

    def test_labels_without_effect(self):
        self.start()
        self.engine.create("hosted", labels={LABEL + "role": "x"}, mode="host")
        self.engine.create("joiner", labels={LABEL + "role": "x"}, mode="container:" + hex_id(7))
        self.wait_log("hosted uses the host's network")
        self.wait_log("acts with that one's labels")
        self.syncd.send_signal(signal.SIGHUP)
        wait_until(lambda: self.metric("resyncs_total") >= 2, "compared again")
        self.assertEqual(self.log.read_text().count("hosted uses"), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
