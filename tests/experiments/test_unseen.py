# SPDX-License-Identifier: GPL-2.0-or-later
"""Which hook sees the packets of macvlan, ipvlan and overlay networks, and what it would take to have rules there.

An experiment: it prints what docs/findings/unseen-networks.md tells, and fails where what that finding stands on is not so. Run by
`tests/run --long`, or by hand as root: python3 -m unittest -v tests/experiments/test_unseen.py
"""

import contextlib
import ctypes
import json
import os
import pathlib
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

# pylint: disable=wrong-import-position
from harness import Case, Engine, wait_until  # noqa: E402
from harness.case import require  # noqa: E402
from harness.engine import IMAGE  # noqa: E402
from harness.netns import Namespace  # noqa: E402
from harness.process import call  # noqa: E402

LONG = bool(os.environ.get("BULKHEAD_LONG"))
ENGINE = None
BEHIND = None
SENT = 20
PORT = 8080
STARTS = 20
LOADS = 10
SIZES = (10, 1000, 10000)
IN_CREATE = 0x100  # inotify

# family, name in the table, hook
IP_HOOKS = [("inet", f"ip {hook}", hook) for hook in ("prerouting", "input", "forward", "output", "postrouting")]
BRIDGE_HOOKS = [("bridge", f"bridge {hook}", hook) for hook in ("prerouting", "forward")]

SEND = """
import socket, sys, time
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.settimeout(1)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    got = 0
    for number in range(int(sys.argv[3])):
        s.sendto(b"%d" % number, (sys.argv[1], int(sys.argv[2])))
        try:
            got += s.recv(100) == b"%d" % number
        except TimeoutError:
            pass
    print(got)
"""


def setUpModule():
    global ENGINE, BEHIND
    if not LONG and os.environ.get("CI") != "true" and __name__ != "__main__":
        raise unittest.SkipTest("an experiment: with --long")
    require()
    ENGINE = unittest.enterModuleContext(Engine())
    BEHIND = Namespace(f"{ENGINE.namespace.name}-b")
    BEHIND.create()
    unittest.addModuleCleanup(BEHIND.delete)
    home = ENGINE.namespace.prefix()
    call(home + ["ip", "link", "add", "parent", "type", "veth", "peer", "name", "behind", "netns", BEHIND.name])
    call(home + ["ip", "address", "add", "192.0.2.1/24", "dev", "parent"])
    call(home + ["ip", "link", "set", "parent", "up"])
    call(BEHIND.prefix() + ["ip", "link", "set", "behind", "up"])


class Place:
    """A namespace with a counter at each of its hooks; nothing in it drops."""

    def __init__(self, name: str, prefix: list, devices=(), bridge=False):
        self.name, self.prefix = name, prefix
        self.hooks = IP_HOOKS + (BRIDGE_HOOKS if bridge else [])
        self.devices = devices
        self.load()

    def load(self) -> None:
        text = ""
        for number, (family, _, hook) in enumerate(self.hooks):
            text += f"table {family} count{number} {{\n counter seen {{ }}\n"
            text += f" chain c {{ type filter hook {hook} priority -350; udp dport {PORT} counter name seen\n }}\n}}\n"
        for number, (device, hook) in enumerate(self.netdev()):
            text += f"table netdev dev{number} {{\n counter seen {{ }}\n"
            text += f" chain c {{ type filter hook {hook} device \"{device}\" priority 0; udp dport {PORT} counter name seen\n }}\n}}\n"
        call(self.prefix + ["nft", "-f", "-"], input=text)

    def netdev(self) -> list:
        return [(device, hook) for device in self.devices for hook in ("ingress", "egress")]

    def seen(self) -> dict:
        """Hook: packets since the last time."""
        names = {(family, f"count{n}"): name for n, (family, name, _) in enumerate(self.hooks)}
        names |= {("netdev", f"dev{n}"): f"{device} {hook}" for n, (device, hook) in enumerate(self.netdev())}
        listed = json.loads(call(self.prefix + ["nft", "-j", "reset", "counters"]).stdout)["nftables"]
        counters = [entry["counter"] for entry in listed if "counter" in entry]
        return {names[key]: c["packets"] for c in counters if (key := (c["family"], c["table"])) in names}

    def close(self) -> None:
        for number, (family, _, _) in enumerate(self.hooks):
            call(self.prefix + ["nft", "delete", "table", family, f"count{number}"], check=False)
        for number, _ in enumerate(self.netdev()):
            call(self.prefix + ["nft", "delete", "table", "netdev", f"dev{number}"], check=False)


class Unseen(Case):
    ipvlan_is_there = False  # for certain

    def setUp(self):
        self.witnesses = (ENGINE,)
        self.addCleanup(self.leave)
        self.places = []

    @staticmethod
    def leave():
        for container in list(ENGINE.containers.values()):
            container.remove()
        ENGINE.docker("swarm", "leave", "--force", check=False)
        ENGINE.remove_all()

    # --- layouts ---

    def pair(self, driver: str, *options):
        if driver == "overlay":
            ENGINE.docker(*"swarm init --advertise-addr 192.0.2.1 --listen-addr 192.0.2.1:2377".split())
        name = f"net-{driver}"
        ENGINE.docker("network", "create", "-d", driver, *options, name)
        network = ENGINE.attached(name)
        return network, [ENGINE.run(f"{driver}-{letter}", network) for letter in "ab"]

    def place(self, *arguments, **options) -> Place:
        place = Place(*arguments, **options)
        self.addCleanup(place.close)
        self.places.append(place)
        return place

    def watch(self, pair, *more) -> None:
        self.place("host", ENGINE.namespace.prefix(), devices=("parent",), bridge=True)
        for letter, container in zip("ab", pair):
            self.place(letter, container.inside(), devices=("eth0",))
        for name, prefix in more:
            self.place(name, prefix, bridge=True)

    def go(self, what: str, prefix: list, address: str, wanted=SENT) -> dict:
        """Sends datagrams, each of which must be answered (wanted None: or not), and returns (place, hook): how many of them passed there."""
        for place in self.places:
            place.seen()
        answered = int(call(prefix + [sys.executable, "-c", SEND, address, str(PORT), str(SENT)]).stdout)
        if wanted is not None:
            self.assertEqual(answered, wanted, what)
        seen = {(place.name, hook): count for place in self.places for hook, count in place.seen().items()}
        told = ", ".join(f"{place}: {hook} {count}" for (place, hook), count in seen.items() if count)
        print(f"figure: {what}, {SENT} datagrams: {told or 'seen nowhere'}", flush=True)
        return seen

    def expect_seen(self, seen: dict, everywhere=(), nowhere=()) -> None:
        for key in everywhere:
            self.assertEqual(seen[key], SENT, key)
        for key in nowhere:
            self.assertEqual(seen[key], 0, key)

    HOST_IP = tuple(("host", name) for _, name, _ in IP_HOOKS + BRIDGE_HOOKS)
    PARENT = (("host", "parent ingress"), ("host", "parent egress"))
    OWN = (("a", "ip output"), ("b", "ip input"))

    # --- which hook sees what ---

    def test_bridge(self):
        """What the others are held against."""
        _, (a, b) = self.pair("bridge")
        self.watch((a, b))
        seen = self.go("bridge, a to b", a.inside(), b.ip())
        self.expect_seen(seen, [*self.OWN, ("host", "bridge forward")], self.PARENT)

    def test_macvlan(self):
        """Unicast passes the parent's own hooks in any case, where the host can drop it; between neighbours broadcast does not."""
        _, (a, b) = self.pair("macvlan", "-o", "parent=parent", "--subnet", "10.77.0.0/24", "--gateway", "10.77.0.1")
        self.beside("macvlan", a, b)
        self.expect_seen(self.go("macvlan, a to b", a.inside(), b.ip()), [("host", "parent ingress")])
        seen = self.go("macvlan, broadcast of a", a.inside(), "10.77.0.255", wanted=None)
        self.expect_seen(seen, [("b", "eth0 ingress"), ("host", "parent egress")], [("host", "parent ingress")])
        rule = f"ip saddr {a.ip()} udp dport {PORT} drop"
        table = f"table netdev drops {{\n chain c {{ type filter hook ingress device \"parent\" priority 0; {rule}\n }}\n}}\n"
        host = ENGINE.namespace.prefix()
        call(host + ["nft", "-f", "-"], input=table)
        self.go("macvlan, a to b, dropped at the parent", a.inside(), b.ip(), wanted=0)
        self.go("macvlan, b to a, not dropped", b.inside(), a.ip())
        call(host + ["nft", "delete", "table", "netdev", "drops"])

    def test_ipvlan(self):
        """Not every kernel has it: the figures then say so. Neighbours pass nothing of the host's, not even the parent."""
        for mode, subnet in (("l2", "10.78"), ("l3", "10.79")):
            try:
                _, (a, b) = self.pair(
                    "ipvlan", "-o", "parent=parent", "-o", f"ipvlan_mode={mode}", "--subnet", f"{subnet}.0.0/24"
                )
            except RuntimeError as error:
                self.assertFalse(self.ipvlan_is_there, error)
                self.assertIn("ipvlan", str(error))
                print(f"figure: ipvlan {mode}: not to be had on this kernel", flush=True)
                self.leave()
                continue
            self.beside(f"ipvlan {mode}", a, b, local_only=mode != "l2")
            for place in self.places:
                place.close()
            self.places.clear()
            self.leave()

    def beside(self, what: str, a, b, local_only: bool = False) -> None:
        """Neither neighbours nor those beyond the parent meet a hook for IP on the host."""
        self.watch((a, b))
        seen = self.go(f"{what}, a to b", a.inside(), b.ip())
        self.expect_seen(seen, [*self.OWN, ("a", "eth0 egress")], [*self.HOST_IP, ("host", "parent egress")])
        if what.startswith("ipvlan"):
            self.expect_seen(seen, nowhere=[("host", "parent ingress")])
        if local_only:
            return
        away = f"{a.ip().rpartition('.')[0]}.99"
        call(BEHIND.prefix() + ["ip", "address", "add", f"{away}/24", "dev", "behind"])
        server = self.serve(away)
        seen = self.go(f"{what}, a to beyond the parent", a.inside(), away)
        self.expect_seen(seen, [("a", "ip output"), ("host", "parent egress")], self.HOST_IP)
        seen = self.go(f"{what}, beyond the parent to a", BEHIND.prefix(), a.ip())
        self.expect_seen(seen, [("a", "ip input"), ("host", "parent ingress")], self.HOST_IP)
        server()
        call(BEHIND.prefix() + ["ip", "address", "del", f"{away}/24", "dev", "behind"])

    def serve(self, address: str):
        """A server in the namespace beyond the parent; call what is returned to end it."""
        server = subprocess.Popen([*BEHIND.prefix(), str(ENGINE.probe), "serve", str(PORT)], stdout=subprocess.DEVNULL)
        self.addCleanup(server.kill)
        ask = [sys.executable, "-c", SEND, address, str(PORT), "1"]
        wait_until(lambda: call(BEHIND.prefix() + ask).stdout.strip() == "1", 10, "it serves")

        def end():
            server.kill()
            server.wait(10)

        return end

    def test_overlay(self):
        network, (a, b) = self.pair("overlay", "--attachable")
        inside = next((ENGINE.directory / "exec/netns").glob(f"*-{network.id[:10]}"))
        own = ["nsenter", f"--net={inside}", "--"]
        self.watch((a, b), ("overlay", own))
        seen = self.go("overlay, a to b", a.inside(), b.ip())
        self.expect_seen(seen, [*self.OWN, ("overlay", "bridge forward")], [*self.HOST_IP, *self.PARENT])
        # a rule there does what ours do in the host: the two are told apart by address, and only one is refused
        rule = f"table bridge drops {{\n chain c {{ type filter hook forward priority 0; ip saddr {a.ip()} udp dport {PORT} drop\n }}\n}}\n"
        call(own + ["nft", "-f", "-"], input=rule)
        self.go("overlay, a to b, dropped in its own namespace", a.inside(), b.ip(), wanted=0)
        self.go("overlay, b to a, not dropped", b.inside(), a.ip())
        call(own + ["nft", "delete", "table", "bridge", "drops"])

    # --- what it takes to have rules in a container's namespace ---

    def enter(self, sandbox: str, capabilities: str, *words) -> bool:
        """Runs words in a namespace as root with these capabilities only."""
        drop = ["setpriv", "--bounding-set", f"-all,{capabilities}", "--inh-caps", f"-all,{capabilities}", "--"]
        return call([*drop, "nsenter", f"--net={sandbox}", "--", *words], check=False).returncode == 0

    def test_privileges(self):
        _, (a, _) = self.pair("macvlan", "-o", "parent=parent", "--subnet", "10.77.0.0/24")
        sandbox = a.inspect()["NetworkSettings"]["SandboxKey"]
        rows = {
            "CAP_NET_ADMIN (what enforcerd has)": "+net_admin",
            "CAP_SYS_ADMIN": "+sys_admin",
            "CAP_NET_ADMIN and CAP_SYS_ADMIN": "+net_admin,+sys_admin",
        }
        can = {name: self.enter(sandbox, caps, "nft", "add", "table", "inet", "mine") for name, caps in rows.items()}
        for name, worked in can.items():
            print(f"figure: a table in a container's namespace with {name}: {'yes' if worked else 'no'}", flush=True)
        self.assertEqual(list(can.values()), [False, False, True])
        # who is in it already, as the container is: with NET_ADMIN nothing holds
        inside = a.inside()
        for name, caps, wanted in (("without", "-net_admin", False), ("with", "+net_admin", True)):
            drop = ["setpriv", "--bounding-set", caps, "--inh-caps", caps, "--"]
            done = call([*inside, *drop, "nft", "delete", "table", "inet", "mine"], check=False).returncode == 0
            print(f"figure: a container {name} CAP_NET_ADMIN deletes that table: {'yes' if done else 'no'}", flush=True)
            self.assertEqual(done, wanted)

    def test_start(self):
        """From the namespace's first sign to the container's first packet: the time in which its rules would have to be there."""
        _, (a, b) = self.pair("macvlan", "-o", "parent=parent", "--subnet", "10.77.0.0/24")
        a.remove()
        room, took, late = [], [], 0
        for number in range(STARTS):
            with Watcher(ENGINE.directory / "exec/netns") as watcher, FirstPacket(b.inside()) as first:
                name = f"start-{number}"
                ENGINE.docker("run", "-d", "--name", name, "--net", "net-macvlan", IMAGE, "/bin/probe", "udp", b.ip(), PORT, 1000)
                at = wait_until(lambda w=first: w.at, 20, "its first packet")
                room.append((at - watcher.appeared) * 1e3)
                took.append((watcher.loaded - watcher.appeared) * 1e3)
                late += watcher.loaded > at
                ENGINE.docker("rm", "-f", name)
        print(f"figure: {STARTS} starts, namespace to first packet: {spread(room)}", flush=True)
        print(f"figure: {STARTS} starts, namespace to its rules (inotify, setns, nft): {spread(took)}; too late {late}", flush=True)
        self.assertEqual(len(room), STARTS)

    def test_cost(self):
        """Sets are a namespace's own: each has its copy of every selector that its container's policies name."""
        _, (a, _) = self.pair("macvlan", "-o", "parent=parent", "--subnet", "10.77.0.0/24")
        inside = a.inside()
        for size in SIZES:
            elements = ", ".join(f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in range(1, size + 1))
            text = f"table inet mine {{\n set s {{ type ipv4_addr; elements = {{ {elements} }}\n }}\n"
            text += " chain c { type filter hook input priority 0; ip saddr @s accept\n }\n}\n"
            times = []
            for _ in range(LOADS):
                since = time.monotonic()
                call([*inside, "nft", "-f", "-"], input=text)
                times.append((time.monotonic() - since) * 1e3)
                call([*inside, "nft", "delete", "table", "inet", "mine"])
            print(f"figure: one namespace's set of {size}, by nft, {LOADS} times: {spread(times)}", flush=True)


def spread(values) -> str:
    return f"{min(values):.1f} / {statistics.median(values):.1f} / {max(values):.1f} ms (least, median, most)"


class Watcher:
    """Loads a table into the first namespace that appears in a directory, as soon as it can be entered."""

    RULES = "table inet mine { chain c { type filter hook output priority 0; policy accept; }; }"

    def __init__(self, directory: pathlib.Path):
        self.directory = directory
        self.appeared = self.loaded = 0.0
        self.known = set(os.listdir(directory))
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self.libc.inotify_init1(0)
        self.libc.inotify_add_watch(self.fd, str(directory).encode(), IN_CREATE)
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.thread.join(20)
        os.close(self.fd)

    def run(self):
        data = os.read(self.fd, 4096)
        self.appeared = time.monotonic()
        length = struct.unpack_from("iIII", data)[3]
        name = data[16 : 16 + length].rstrip(b"\0").decode()
        # the file is there before the namespace is mounted on it
        while call(["nsenter", f"--net={self.directory / name}", "--", "nft", self.RULES], check=False).returncode:
            pass
        self.loaded = time.monotonic()


class FirstPacket:
    """When the first datagram for PORT comes to a namespace: its counter, asked without a pause."""

    def __init__(self, prefix: list):
        self.prefix = prefix
        self.at = 0.0
        self.socket = None

    def __enter__(self):
        opened = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(opened,), daemon=True)
        self.thread.start()
        opened.wait(10)
        return self

    def __exit__(self, *_):
        self.thread.join(20)

    def run(self, opened):
        path = self.prefix[1].removeprefix("--net=")
        with open(path, "rb") as namespace, contextlib.ExitStack() as stack:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), 0x40000000):
                raise OSError(f"cannot enter {path}")
            raw = stack.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800)))
            opened.set()
            while not self.at:
                data = raw.recv(2048)
                if data[9] == 17 and struct.unpack_from("!H", data, (data[0] & 15) * 4 + 2)[0] == PORT:
                    self.at = time.monotonic()


if __name__ == "__main__":
    unittest.main(verbosity=2)
