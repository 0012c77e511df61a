# SPDX-License-Identifier: GPL-2.0-or-later
"""When what happens in one place is seen in the next: the Engine's events, syncd's messages on Redis, elements of sets in the kernel.

One thread takes the time of all three by one clock, as each arrives; what they mean is worked out afterwards.
"""

import ctypes
import json
import os
import selectors
import socket
import struct
import threading
import time

from .netns import CLONE_NEWNET
from .probe import HarnessError

NETLINK_NETFILTER, NFNLGRP_NFTABLES, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP = 12, 7, 270, 1
NEWSETELEM = (10 << 8) | 12  # nftables' subsystem and its message
SO_RCVBUFFORCE = 33
BUFFER = 1 << 25
HEADER = struct.Struct("=IHHII")


class Observer:
    def __init__(self, stack, node: str):
        self.arrived = {"engine": [], "redis": [], "kernel": []}  # (unix seconds, bytes)
        self.broken = ""
        self.closed = threading.Event()
        self.selector = selectors.DefaultSelector()
        for name, sock in (
            ("engine", self._engine(stack.engine.socket)),
            ("redis", self._redis(stack, f"bulkhead:v1:events:node:{node}")),
            ("kernel", self._kernel(stack.engine.namespace.path)),
        ):
            sock.setblocking(False)
            self.selector.register(sock, selectors.EVENT_READ, name)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    # --- where it looks -----------------------------------------------------------------------------

    @staticmethod
    def _engine(path) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(path))
        # HTTP/1.0: an answer without chunks
        sock.sendall(b"GET /events HTTP/1.0\r\nHost: engine\r\n\r\n")
        if not sock.recv(1 << 16).startswith(b"HTTP/1.0 200"):
            raise HarnessError("the Engine does not tell its events")
        return sock

    @staticmethod
    def _redis(stack, channel: str) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(stack.socket))
        for words in (f"AUTH {stack.store.password}", f"SUBSCRIBE {channel}"):
            sock.sendall(f"{words}\r\n".encode())
            if sock.recv(1 << 16).startswith(b"-"):
                raise HarnessError(f"redis refuses {words.split()[0]}")
        return sock

    @staticmethod
    def _kernel(namespace: str) -> socket.socket:
        made = []

        def inside():
            # only this thread moves, and it ends here
            fd = os.open(namespace, os.O_RDONLY)
            if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET) == 0:
                made.append(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER))
            os.close(fd)

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        if not made:
            raise HarnessError(f"no netlink in {namespace}")
        made[0].setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        made[0].bind((0, 0))
        made[0].setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES)
        return made[0]

    def _run(self) -> None:
        # of this thread: behind the daemons, which are preferred, it would see things late
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), -10)
        while not self.closed.is_set():
            for key, _ in self.selector.select(0.2):
                now = time.time()
                try:
                    data = key.fileobj.recv(1 << 20)
                except OSError as error:  # ENOBUFS: some of the kernel's were lost
                    self.broken = f"{key.data}: {error}"
                    return
                if not data:
                    self.broken = f"{key.data} has ended"
                    return
                self.arrived[key.data].append((now, data))

    def close(self) -> None:
        self.closed.set()
        self.thread.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()

    # --- what it has seen ---------------------------------------------------------------------------

    def _pieces(self, name: str, end: bytes) -> list:
        """What came in a stream, cut where `end` is, each with the time when it was whole."""
        if self.broken:
            raise HarnessError(self.broken)
        found, rest = [], b""
        for at, data in list(self.arrived[name]):
            *whole, rest = (rest + data).split(end)
            found += [(at, piece) for piece in whole]
        return found

    def connects(self) -> dict:
        """Container id -> the Engine's own time of the event of its (last) connection, and when it was read here."""
        found = {}
        for at, line in self._pieces("engine", b"\n"):
            if not line.startswith(b"{"):
                continue
            event = json.loads(line)
            if (event.get("Type"), event.get("Action")) == ("network", "connect"):
                found[event["Actor"]["Attributes"]["container"]] = (event["timeNano"] / 1e9, at)
        return found

    def records(self) -> dict:
        """Container id -> when the first message with its record came, and its IPv4 address as 4 bytes."""
        found = {}
        for at, line in self._pieces("redis", b"\r\n"):
            if not line.startswith(b"{"):
                continue
            for change in json.loads(line)["changes"]:
                record = change.get("record") or {}
                if change["op"] == "put" and record.get("ipv4") and "container" in record:
                    found.setdefault(record["container"]["id"], (at, socket.inet_aton(record["ipv4"])))
        return found

    def elements(self, since: float, key: bytes) -> float:
        """When the first element that holds this key was told by the kernel, from then on; 0 if none was."""
        if self.broken:
            raise HarnessError(self.broken)
        for at, data in self._new_elements():
            if at >= since and key in data:
                return at
        return 0

    def _new_elements(self):
        for at, data in list(self.arrived["kernel"]):
            begin = 0
            while begin + HEADER.size <= len(data):
                length, kind, *_ = HEADER.unpack_from(data, begin)
                if kind == NEWSETELEM:
                    yield at, data[begin : begin + length]
                begin += max((length + 3) & ~3, HEADER.size)
