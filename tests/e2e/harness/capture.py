# SPDX-License-Identifier: GPL-2.0-or-later
"""Every frame that comes in at an interface of a network namespace, before anything there can judge it."""

import ctypes
import dataclasses
import ipaddress
import os
import socket
import struct
import threading

from .netns import CLONE_NEWNET
from .probe import HarnessError

ETH_P_ALL = 0x0003
SO_RCVBUFFORCE = 33
SO_TIMESTAMPNS = 35
SOL_PACKET = 263
PACKET_STATISTICS = 6
PACKET_IGNORE_OUTGOING = 23
BUFFER = 1 << 26  # the kernel's, counted with its overhead: 50,000 small frames and more
PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmp6"}
IPV4, IPV6 = 0x0800, 0x86DD


@dataclasses.dataclass(frozen=True)
class Frame:
    t: float  # unix seconds, by the kernel
    kind: str  # tcp4, udp6, icmp64 (ICMPv6) ..., or the ethertype in hexadecimal
    source: str = ""
    target: str = ""
    port: int = 0  # that it is for
    source_port: int = 0
    flags: int = 0  # of TCP

    @staticmethod
    def parse(t: float, data: bytes) -> "Frame":
        (ethertype,) = struct.unpack_from("!H", data, 12)
        if ethertype == IPV4 and len(data) >= 34:
            begin, number, end = 26, data[23], 14 + (data[14] & 15) * 4
            addresses = (data[begin : begin + 4], data[begin + 4 : begin + 8])
        elif ethertype == IPV6 and len(data) >= 54:
            begin, number, end = 22, data[20], 54
            addresses = (data[begin : begin + 16], data[begin + 16 : begin + 32])
        else:
            return Frame(t, f"{ethertype:04x}")
        source, target = (str(ipaddress.ip_address(each)) for each in addresses)
        kind = f"{PROTOCOLS.get(number, number)}{4 if ethertype == IPV4 else 6}"
        if number not in (6, 17) or len(data) < end + 8:
            return Frame(t, kind, source, target)
        source_port, port = struct.unpack_from("!HH", data, end)
        flags = data[end + 13] if number == 6 and len(data) > end + 13 else 0
        return Frame(t, kind, source, target, port, source_port, flags)


class Capture:
    """Begins when it is made. inside: the path of a network namespace (/proc/PID/ns/net)."""

    def __init__(self, inside: str, interface: str):
        self.socket = None
        thread = threading.Thread(target=self._open, args=(inside, interface))
        thread.start()
        thread.join()
        if not self.socket:
            raise HarnessError(f"cannot capture at {interface} in {inside}")

    def _open(self, inside: str, interface: str) -> None:
        # only this thread moves, and it ends here; the socket stays where it was made
        fd = os.open(inside, os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET) != 0:
                return
        finally:
            os.close(fd)
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        made.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        made.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        made.bind((interface, ETH_P_ALL))
        made.setblocking(False)
        self.socket = made

    def frames(self) -> list:
        """What has come since the last call, in order; raises HarnessError if any was lost."""
        found = []
        while True:
            try:
                data, extra, _, _ = self.socket.recvmsg(2048, 256)
            except BlockingIOError:
                break
            times = [struct.unpack("qq", value[:16]) for level, kind, value in extra if kind == SO_TIMESTAMPNS]
            found.append(Frame.parse(times[0][0] + times[0][1] / 1e9, data))
        _, drops = struct.unpack("II", self.socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        if drops:
            raise HarnessError(f"{drops} frames were lost to the capture")
        return found

    def close(self) -> None:
        self.socket.close()
