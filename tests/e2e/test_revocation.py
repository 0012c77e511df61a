# SPDX-License-Identifier: GPL-2.0-or-later
"""Live flows that a policy no longer allows end at once, in both directions, on every path; those that it still allows
lose nothing, also when the generations of a narrow mark are used up again and again.

Both ends of every flow send all the time. What counts is what arrives, against the time at which enforcerd says that
it has committed.
"""

import ctypes
import datetime
import os
import re
import socket
import struct
import threading
import time
import unittest

from harness import Case, Engine, Outside, Stack, wait_until
from harness.case import require
from harness.netns import CLONE_NEWNET
from harness.process import call

LONG = bool(os.environ.get("BULKHEAD_LONG"))
FLOWS = 5  # of each kind at a time
ROUNDS = 20 if LONG else 4
WRAPS = 10 if LONG else 3
PORT = 7000  # and the following, one for each flow of a kind
EVERY = 0.01
BOUND = 0.1  # seconds from the commit in which a revoked flow must have ended
QUIET = 0.4  # seconds for which it is watched afterwards: longer than TCP waits before it sends again
MESSAGE = b"sixteen bytes..."
SO_TIMESTAMPNS = 35
TIMESPEC = struct.Struct("qq")
FIGURES = []

POLICIES = """
- apiVersion: v1
  kind: policy
  metadata: {{name: server}}
  spec:
    order: 10
    selector: role == 'server'
    ingress: [{ingress}]
- apiVersion: v1
  kind: policy
  metadata: {{name: client}}
  spec:
    order: 10
    selector: role == 'client'
    egress: [{egress}]
"""
ALLOW = "{{action: allow, protocol: {}, destination: {{ports: ['7000:7099']}}}}"
OPEN = ", ".join(ALLOW.format(protocol) for protocol in ("tcp", "udp"))
DENY_FIRST = """
apiVersion: v1
kind: policy
metadata: {name: no}
spec: {order: 1, selector: "role == 'server'", ingress: [{action: deny}]}
"""


def policies(ingress: str = OPEN, egress: str = OPEN) -> str:
    return POLICIES.format(ingress=ingress, egress=egress)


def setUpModule():
    require()


def tearDownModule():
    for row in FIGURES:
        print(f"figure: {row}", flush=True)


# --- sockets in other namespaces ----------------------------------------------------------------------


def inside(path: str, make):
    """What make() returns, called in the network namespace at path; sockets stay there."""
    result = []

    def run():
        # only this thread moves, and it ends here
        fd = os.open(path, os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET) == 0:
                result.append(make())
        finally:
            os.close(fd)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if not result:
        raise OSError(f"nothing was made in {path}")
    return result[0]


def namespace_of(container) -> str:
    return f"/proc/{container.inspect()['State']['Pid']}/ns/net"


def tcp_pair(client: str, server: str, address: str, port: int):
    """A connection from one namespace to a listener in another, by way of address."""
    with inside(server, lambda: socket.create_server(("", port), reuse_port=True)) as listener:
        listener.settimeout(5)
        near = inside(client, lambda: socket.create_connection((address, port), 5))
        far, _ = listener.accept()
    for end in (near, far):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return near, far


def udp_pair(client: str, server: str, address: str, port: int):
    def make(name, to):
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        getattr(made, name)(to)
        return made

    far = inside(server, lambda: make("bind", ("", port)))
    near = inside(client, lambda: make("connect", (address, port)))
    far.settimeout(5)
    near.send(MESSAGE)
    far.connect(far.recvfrom(len(MESSAGE))[1])
    return near, far


PAIRS = {"tcp": tcp_pair, "udp": udp_pair}


class End:
    """One end of a flow: sends messages, counts what comes, and knows from the kernel when the last came."""

    def __init__(self, sock):
        self.sock = sock
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.sent = 0
        self.bytes = 0
        self.last = 0.0

    @property
    def received(self) -> int:
        return self.bytes // len(MESSAGE)

    def send(self):
        try:
            self.sent += self.sock.send(MESSAGE) == len(MESSAGE)
        except OSError:
            pass  # a full buffer, or the other end's reset

    def receive(self):
        try:
            while True:
                data, told, _, _ = self.sock.recvmsg(1 << 16, socket.CMSG_SPACE(TIMESPEC.size))
                if not data:
                    return
                self.bytes += len(data)
                self.last = self.moment(told)
        except OSError:
            pass  # nothing more, for now

    @staticmethod
    def moment(told) -> float:
        """When the kernel received it; where it does not say, now, which is later."""
        stamps = [data for level, kind, data in told if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS]
        if not stamps:
            return time.time()
        seconds, nanoseconds = TIMESPEC.unpack(stamps[0])
        return seconds + nanoseconds / 1e9


class Flow:
    def __init__(self, kind: str, pair):
        self.kind = kind
        self.ends = [End(sock) for sock in pair]

    def lost(self) -> int:
        near, far = self.ends
        return near.sent - far.received + far.sent - near.received

    def close(self):
        for end in self.ends:
            end.sock.close()


class Traffic:
    """Keeps flows busy from a thread of its own."""

    def __init__(self, flows):
        self.flows = flows
        self.sending = True
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        ends = [end for flow in self.flows for end in flow.ends]
        due = time.monotonic()
        while not self.ended.is_set():
            if self.sending and time.monotonic() >= due:
                due = time.monotonic() + EVERY
                for end in ends:
                    end.send()
            for end in ends:
                end.receive()
            self.ended.wait(0.002)

    def wait_busy(self):
        """Until something has come in each direction of each flow since now."""
        before = {end: end.received for flow in self.flows for end in flow.ends}
        wait_until(lambda: all(end.received > count for end, count in before.items()), 10, "every flow is alive in both directions")

    def drain(self):
        """Until what was sent has arrived; no more is sent."""
        self.sending = False
        try:
            wait_until(lambda: not any(flow.lost() for flow in self.flows), 5, "everything has arrived")
        except TimeoutError:
            pass  # the caller counts

    def stop(self):
        self.ended.set()
        self.thread.join()
        for flow in self.flows:
            flow.close()


# --- tests --------------------------------------------------------------------------------------------


class Revocation(Case):
    enforcerd_args = ()

    @classmethod
    def setUpClass(cls):
        cls.engine = cls.enterClassContext(Engine())
        # everything that is routed is forwarded: what ends, our rules have ended
        call(cls.engine.namespace.prefix() + ["iptables", "-I", "DOCKER-USER", "-j", "ACCEPT"])
        cls.outside = Outside(cls.engine, ())
        cls.addClassCleanup(cls.outside.close)
        near, far = cls.engine.network("near"), cls.engine.network("far")
        ports = f"{PORT}-{PORT + FLOWS - 1}"
        publish = [word for proto in ("tcp", "udp") for word in ("-p", f"{ports}:{ports}/{proto}")]
        cls.server = cls.engine.run("server-A", near, {"role": "server"}, options=publish)
        cls.client = cls.engine.run("client-A", near, {"role": "client"})
        cls.distant = cls.engine.run("client-B", far, {"role": "client"})
        cls.paths = {
            "same bridge": (namespace_of(cls.client), cls.server.ip(), 10),
            "across bridges": (namespace_of(cls.distant), cls.server.ip(), 20),
            "published port": (cls.outside.namespace.path, "203.0.113.1", 0),
        }

    def setUp(self):
        self.stack = Stack(self.engine, enforcerd_args=["--mark-mask", "0xf0000000"] if self.narrow() else [])
        self.witnesses = (self.engine, self.stack)
        self.enterContext(self.stack)
        self.stack.apply(policies())
        self.stack.wait_in_force()
        # endpoints of a store that is read before its syncd is known to be alive are bound a little later
        wait_until(lambda: self.stack.status().get("problems") == "[]", 20, lambda: self.stack.status().get("problems"))
        wait_until(lambda: self.generation() > 0, 20, "a generation has begun")

    def narrow(self) -> bool:
        return "wrap" in self.id()

    def generation(self) -> int:
        return int(self.stack.status().get("generation", 0))

    def commits(self) -> list:
        """Times at which enforcerd says that it has committed, in seconds since 1970."""
        found = re.findall(r"^(\S+) debug kernel: committed", self.stack.enforcerd.log.read_text(), re.M)
        return [datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp() for stamp in found]

    def flow(self, proto: str, path: str, number: int) -> Flow:
        client, address, base = self.paths[path]
        server = namespace_of(self.server)
        return Flow(f"{proto}, {path}", PAIRS[proto](client, server, address, PORT + base + number))

    def traffic(self, paths=None, count: int = 0) -> Traffic:
        flows = [self.flow(proto, path, n) for proto in PAIRS for path in paths or self.paths for n in range(count or FLOWS)]
        busy = Traffic(flows)
        self.addCleanup(busy.stop)
        busy.wait_busy()
        return busy

    def revoke(self, action) -> float:
        """When what action does was committed."""
        before = len(self.commits())
        action()
        wait_until(lambda: len(self.commits()) > before, 10, "a commit", every=0.005)
        return self.commits()[before]

    def judge(self, busy: Traffic, committed: float, results: dict):
        """Appends for each flow when its last packet came, in seconds after it was revoked."""
        wait_until(lambda: time.time() > committed + BOUND + QUIET, 10, "the flows have been watched")
        for flow in busy.flows:
            results.setdefault(flow.kind, []).append(max(end.last for end in flow.ends) - committed)

    def report(self, what: str, results: dict):
        for kind, times in results.items():
            FIGURES.append(
                f"{what}: {kind}: {sum(t <= BOUND for t in times)} of {len(times)} ended both ways within "
                f"{BOUND * 1e3:.0f} ms of the commit, the last packet at {max(times) * 1e3:+.1f} ms"
            )
        for kind, times in results.items():
            self.assertLessEqual(max(times), BOUND, f"{what}: {kind}")

    def test_revoked_flows_end(self):
        """Three ways to forbid it at the server's end, in turn; every flow was alive in both directions before."""
        ways = (
            lambda: self.stack.apply(policies(ingress="")),
            lambda: self.stack.ctl("delete policy server"),
            lambda: self.stack.apply(DENY_FIRST),
        )
        results = {}
        for number in range(ROUNDS):
            busy = self.traffic()
            self.judge(busy, self.revoke(ways[number % len(ways)]), results)
            busy.stop()
            self.stack.apply(policies())
            self.stack.ctl("delete policy no", check=False)
            self.stack.wait_in_force()
        self.assertTrue(all(len(times) == ROUNDS * FLOWS for times in results.values()))
        self.report("revoked at the server", results)

    def test_revoked_at_the_sender(self):
        """By its egress: that of the outside is nobody's to decide."""
        results = {}
        paths = ("same bridge", "across bridges")
        for _ in range(ROUNDS // 4):
            busy = self.traffic(paths)
            self.judge(busy, self.revoke(lambda: self.stack.apply(policies(egress=""))), results)
            busy.stop()
            self.stack.apply(policies())
            self.stack.wait_in_force()
        self.report("revoked at the sender", results)

    def test_allowing_more_leaves_flows_alone(self):
        busy = self.traffic(count=1)
        before = self.generation()
        more = OPEN + ", {action: allow, protocol: tcp, destination: {ports: [8080]}}"
        self.revoke(lambda: self.stack.apply(policies(ingress=more, egress=more)))
        self.stack.wait_in_force()
        self.assertTrue(self.client.reach(self.server, "tcp", 8080))
        self.assertEqual(self.generation(), before)
        # and the same taken back is a revocation, of others
        self.revoke(lambda: self.stack.apply(policies()))
        self.stack.wait_in_force()
        self.assertNotEqual(self.generation(), before)
        self.assertFalse(self.client.reach(self.server, "tcp", 8080))
        busy.wait_busy()
        busy.drain()
        self.assertEqual({flow.kind: flow.lost() for flow in busy.flows if flow.lost()}, {})

    # --- ICMP errors --------------------------------------------------------------------------------

    def unreachable(self, near: socket.socket, far: socket.socket) -> bool:
        """Whether the sender hears that its port is unreachable, from the flow's other end and as that one knows it."""
        (source, source_port), (target, target_port) = far.getpeername(), far.getsockname()
        quoted = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + 8, 1, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(target))
        quoted += struct.pack("!HHHH", source_port, target_port, 8 + 8, 0)
        message = struct.pack("!BBHI", 3, 3, 0, 0) + quoted
        words = struct.unpack(f"!{len(message) // 2}H", message)
        total = sum(words)
        total = (total & 0xFFFF) + (total >> 16)
        message = message[:2] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + message[4:]
        raw = inside(namespace_of(self.server), lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
        with raw:
            raw.sendto(message, (source, 0))
        try:
            wait_until(lambda: near.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0, QUIET, "an error")
            return True
        except TimeoutError:
            return False

    def test_icmp_errors_of_a_revoked_flow(self):
        for path in ("same bridge", "across bridges"):
            with self.subTest(path):
                client, address, base = self.paths[path]
                near, far = udp_pair(client, namespace_of(self.server), address, PORT + base)
                self.addCleanup(near.close)
                self.addCleanup(far.close)
                far.send(b"x")
                self.assertTrue(self.unreachable(near, far), "an error of an allowed flow")
                self.revoke(lambda: self.stack.apply(policies(ingress="")))
                self.stack.wait_in_force()
                self.assertFalse(self.unreachable(near, far), "an error of a revoked flow")
                self.stack.apply(policies())
                self.stack.wait_in_force()
                self.assertTrue(self.unreachable(near, far), "an error of a flow that is allowed again")

    # --- wrap-around --------------------------------------------------------------------------------

    def sweeps(self) -> int:
        return self.stack.enforcerd.log.read_text().count("debug revocation: no mark of a generation is left")

    def test_wrap_around(self):
        """Four bits: fourteen generations. What is allowed goes on; what was revoked in any of them stays so."""
        stale = self.traffic(("same bridge",), count=FLOWS)
        allowed = [
            Flow(f"{proto}, {path}", PAIRS[proto](self.paths[path][0], namespace_of(self.server), self.paths[path][1], port))
            for proto in PAIRS
            for path, port in (("same bridge", PORT + 50), ("across bridges", PORT + 51))
        ]
        busy = Traffic(allowed)
        self.addCleanup(busy.stop)
        busy.wait_busy()
        narrow = ", ".join(ALLOW.format(proto).replace("7000:7099", "7050:7099") for proto in PAIRS)
        committed = self.revoke(lambda: self.stack.apply(policies(ingress=narrow)))
        results = {}
        self.judge(stale, committed, results)
        self.report("before wrap-arounds", results)
        before, revocations = self.sweeps(), 0
        seen = {end: end.received for flow in stale.flows for end in flow.ends}
        while self.sweeps() < before + WRAPS or self.generation() == 0:
            extra = f", {{action: allow, protocol: tcp, destination: {{ports: [{9000 + revocations % 2}]}}}}"
            self.stack.apply(policies(ingress=narrow + extra))
            revocations += 1
            self.assertLess(revocations, WRAPS * 400, "the generations are not used up")
        self.stack.wait_in_force()
        busy.wait_busy()
        leaked = sum(end.received - count for end, count in seen.items())
        busy.drain()
        lost = sum(flow.lost() for flow in busy.flows)
        sent = sum(end.sent for flow in busy.flows for end in flow.ends)
        FIGURES.append(
            f"four-bit mark: {revocations} changes, {WRAPS} wrap-arounds: {leaked} messages of {len(stale.flows)} revoked flows arrived, "
            f"{lost} of {sent} messages of {len(allowed)} allowed flows were lost"
        )
        self.assertEqual(leaked, 0)
        self.assertEqual(lost, 0)


if __name__ == "__main__":
    unittest.main()
