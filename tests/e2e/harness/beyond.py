# SPDX-License-Identifier: GPL-2.0-or-later
"""What lies beyond the host, in both IP versions: a router with a narrow link, and a host behind it.

    Engine's namespace  bh-out 203.0.113.1/30 2001:db8:1::1/64
           |
         router         bh-in  203.0.113.2/30 2001:db8:1::2/64;  bh-narrow, MTU 1280
           |
          far           203.0.113.5/30 2001:db8:2::2/64, MTU 1500, and some addresses more; serves probe.PORTS
"""

import ctypes
import os
import threading

from . import probe
from .case import wait_until
from .netns import CLONE_NEWNET, Namespace
from .process import Process, call

HOST = {4: "203.0.113.1", 6: "2001:db8:1::1"}
FAR = {4: "203.0.113.6", 6: "2001:db8:2::2"}
# one for each question about the path's MTU: what a sender has learnt it keeps for ten minutes
MORE = {4: [f"198.51.100.{n}" for n in range(1, 9)], 6: [f"2001:db8:3::{n}" for n in range(1, 9)]}
NETS = {4: ["203.0.113.4/30", "198.51.100.0/24"], 6: ["2001:db8:2::/64", "2001:db8:3::/64"]}
NARROW = 1280


def within(path: str, make):
    """What make() returns, called in the network namespace at path: sockets stay where they were made."""
    made, errors = [], []

    def run():
        # only this thread moves, and it ends here
        fd = os.open(path, os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns", path)
            made.append(make())
        except OSError as error:
            errors.append(error)
        finally:
            os.close(fd)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return made[0]


class Beyond:
    def __init__(self, engine):
        self.router = Namespace(f"{engine.namespace.name}-r")
        self.far = Namespace(f"{engine.namespace.name}-f")
        self.server = None
        try:
            self._open(engine)
        except BaseException:
            self.close()
            raise

    def _open(self, engine) -> None:
        for namespace in (self.router, self.far):
            namespace.create()
        self._link(engine.namespace, "bh-out", [f"{HOST[4]}/30", f"{HOST[6]}/64"], self.router, "bh-in", ["203.0.113.2/30", "2001:db8:1::2/64"])
        self._link(self.router, "bh-narrow", ["203.0.113.5/30", "2001:db8:2::1/64"], self.far, "bh-far", [f"{FAR[4]}/30", f"{FAR[6]}/64"])
        # the far end does not know that the link is narrow, so that its MSS does not tell
        self._ip(self.router, "link set bh-narrow mtu", NARROW)
        for family, via in ((4, "203.0.113.1"), (6, "2001:db8:1::1")):
            self._ip(self.router, f"-{family} route add default via", via)
        for family, via in ((4, "203.0.113.5"), (6, "2001:db8:2::1")):
            self._ip(self.far, f"-{family} route add default via", via)
        for family, length, via, next_via in ((4, 32, "203.0.113.2", FAR[4]), (6, 128, "2001:db8:1::2", FAR[6])):
            for address in MORE[family]:
                self._ip(self.far, "address add", f"{address}/{length}", "dev", "lo")
            for net in NETS[family]:
                self._ip(engine.namespace, f"-{family} route add", net, "via", via)
            self._ip(self.router, f"-{family} route add", NETS[family][1], "via", next_via)
        self.server = Process("far", self.far.prefix() + [engine.probe, "serve", *probe.PORTS], engine.directory / "far.log")
        self.server.start()
        for address in (*FAR.values(), *HOST.values()):
            inside = engine.namespace.prefix() if address in FAR.values() else self.far.prefix()
            wait_until(lambda to=address, by=inside: probe.ping(by, to), 20, f"{address} answers")
        wait_until(lambda: probe.attempt(engine.probe, self.far.prefix(), "tcp", FAR[4], probe.PORTS[0]).ok, 20, "far serves")

    @staticmethod
    def _ip(namespace, words: str, *more) -> None:
        call(namespace.prefix() + ["ip", *words.split(), *more])

    def _link(self, one, name, addresses, two, peer, peers) -> None:
        self._ip(one, "link add", name, "type", "veth", "peer", "name", peer, "netns", two.name)
        for namespace, device, own in ((one, name, addresses), (two, peer, peers)):
            for address in own:
                self._ip(namespace, "address add", address, "dev", device, *(["nodad"] if ":" in address else []))
            self._ip(namespace, "link set", device, "up")

    def inside(self) -> list:
        return self.far.prefix()

    def close(self) -> None:
        if self.server:
            self.server.stop()
        for namespace in (self.far, self.router):
            namespace.delete()
