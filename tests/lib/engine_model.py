# SPDX-License-Identifier: GPL-2.0-or-later
"""The scripted Engine with a life of its own: containers that are created, started, crash and go, networks that come and go, and
events that get lost, doubled and out of order. Whoever is handed in as `wires` makes and takes the links, as libnetwork does."""

import ipaddress

from fake_engine import FakeEngine, hex_id

RUNNING = ("running", "paused")


class NoWires:
    """For tests that have no kernel."""

    def plug(self, bridge, mac, addresses):
        return None

    def up(self, port):
        pass

    def unplug(self, port):
        pass


class EngineModel(FakeEngine):
    def __init__(self, path, wires=None, **options):
        self.wires = wires or NoWires()
        self.desired = {}  # container -> networks that it is in whenever it runs
        self.ports = {}  # EndpointID -> link in the host's namespace
        self.chaos = None  # a random.Random: events are lost, doubled and swapped
        self.held = []
        super().__init__(path, **options)

    # --- events ----------------------------------------------------------------------------------------

    def emit_raw(self, line, now=0):
        lines = [line]
        if self.chaos:
            dice = self.chaos.random()
            if dice < 0.15:
                lines = []
            elif dice < 0.25:
                lines = [line, line]
            elif dice < 0.4:
                self.held.append(line)
                return
        for one in lines:
            super().emit_raw(one, now)
        self.let_go()

    def let_go(self):
        """What was held back comes late."""
        held, self.held = self.held, []
        for line in held:
            super().emit_raw(line)

    # --- addresses: the lowest that is free, as libnetwork's -----------------------------------------------

    def free_address(self, network):
        n = self.networks[network]
        subnet = ipaddress.ip_network(n["IPAM"]["Config"][0]["Subnet"])
        used = {a["IPv4Address"].split("/")[0] for a in n["Containers"].values()}
        for address in subnet.hosts():
            if address == subnet.network_address + 1 or str(address) in used:
                continue
            return str(address)
        raise ValueError("no address left")

    def free_address6(self, network, address):
        configs = self.networks[network]["IPAM"]["Config"]
        if len(configs) < 2:
            return ""
        last = int(ipaddress.ip_address(address)) & 0xFFFF
        return str(ipaddress.ip_network(configs[1]["Subnet"]).network_address + last)

    # --- endpoints ---------------------------------------------------------------------------------------

    def join(self, network, container):
        """The link is made, then the endpoint, then it is told. Returns the EndpointID."""
        address = self.free_address(network)
        address6 = self.free_address6(network, address)
        mac = "02:42:" + ":".join(f"{int(part):02x}" for part in address.split("."))
        bridge = self.networks[network]["Options"].get("com.docker.network.bridge.name")
        port = self.wires.plug(bridge, mac, [a for a in (address, address6) if a])
        endpoint = self.attach(network, container, address, address6)
        self.ports[endpoint] = port
        self.network_event("connect", network, container)
        return endpoint

    def leave(self, network, container):
        """Without an event; address and link are free before anybody hears of it."""
        found = self.networks[network]["Containers"].get(container)
        if not found:
            return
        self.wires.unplug(self.ports.pop(found["EndpointID"]))
        self.detach(network, container)

    def networks_of(self, container):
        return [n["Id"] for n in self.networks.values() if container in n["Containers"]]

    def state(self, container):
        return self.containers[container]["State"]

    # --- life --------------------------------------------------------------------------------------------

    def make(self, name, networks, **options):
        container = self.create(name, **options)
        self.desired[container] = list(networks)
        return container

    def begin(self, container, fails=False):
        """docker start. fails: the program is not found, which says neither start nor die."""
        for network in self.desired[container]:
            self.join(network, container)
        if fails:
            self.end_networks(container)
            return
        for network in self.networks_of(container):
            self.wires.up(self.port_of(network, container))
        self.containers[container]["State"] = "running"
        self.container_event("start", container)

    def port_of(self, network, container):
        return self.ports[self.networks[network]["Containers"][container]["EndpointID"]]

    def end_networks(self, container):
        left = self.networks_of(container)
        for network in left:
            self.leave(network, container)
        for network in left:
            self.network_event("disconnect", network, container)
            self.network_event("disconnect", network, container)

    def end(self, container, die_last=False):
        """docker stop or a crash; since 28 die is the last thing that is said."""
        self.containers[container]["State"] = "exited"
        left = self.networks_of(container)
        for network in left:
            self.leave(network, container)
        if not die_last:
            self.container_event("die", container)
        for network in left:
            self.network_event("disconnect", network, container)
            self.network_event("disconnect", network, container)
        if die_last:
            self.container_event("die", container)

    def restart_container(self, container):
        self.end(container)
        self.begin(container)

    def rm(self, container):
        if self.state(container) in RUNNING:
            self.end(container)
        self.remove(container)
        del self.desired[container]

    def rename(self, container, name):
        with self.lock:
            self.containers[container]["Names"] = ["/" + name]
            for network in self.networks_of(container):
                self.networks[network]["Containers"][container]["Name"] = name
        self.container_event("rename", container)

    def pause(self, container):
        self.containers[container]["State"] = "paused"
        self.container_event("pause", container)

    def unpause(self, container):
        self.containers[container]["State"] = "running"
        self.container_event("unpause", container)

    def connect_running(self, network, container):
        self.desired[container].append(network)
        self.join(network, container)
        self.wires.up(self.port_of(network, container))

    def disconnect_running(self, network, container):
        self.desired[container].remove(network)
        self.leave(network, container)
        self.network_event("disconnect", network, container)
        self.network_event("disconnect", network, container)

    # --- the Engine itself ---------------------------------------------------------------------------------

    def restart(self, live_restore, meanwhile=()):
        """SIGKILL and a new start. Without live-restore every container ends and starts again; with it those in meanwhile have
        crashed, which nobody tells, and their endpoints are found gone by the new Engine."""
        self.close()
        self.history.clear()
        for container in list(self.containers):
            if self.state(container) in RUNNING and (not live_restore or container in meanwhile):
                for network in self.networks_of(container):
                    self.leave(network, container)
                self.containers[container]["State"] = "exited"
        self.open()
        if not live_restore:
            for container in list(self.containers):
                if self.desired[container] and self.state(container) == "exited":
                    self.begin(container)


__all__ = ["EngineModel", "NoWires", "RUNNING", "hex_id"]
