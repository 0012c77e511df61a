# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections that live for a whole test: numbered messages on each at a steady rate, and when which of them arrived.

    live.py serve KIND/PROTO/PORT...          until killed
    live.py call HOST KIND/PROTO/PORT...      one flow each, until stdin is closed

KIND is `echo` (the caller asks, the server answers the same) or `push` (the server talks, the caller only says hello).
The caller prints a line for each message: `<flow> sent|got <number> <unix seconds>`, where flow counts from 0; a flow that
could not be opened or was closed is `<flow> over <reason>`.
"""

import select
import socket
import sys
import time

EVERY = 0.2  # an emulated processor on a busy machine does a hundred of these a second
LENGTH = 16


def message(number: int) -> bytes:
    return b"%0*d\n" % (LENGTH - 1, number)


class Server:
    """One port of one kind. TCP: many connections; UDP: many peers."""

    def __init__(self, spec: str):
        self.kind, proto, port = spec.split("/")
        self.stream = proto == "tcp"
        self.socket = socket.socket(socket.AF_INET6, socket.SOCK_STREAM if self.stream else socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.bind(("::", int(port)))
        self.socket.setblocking(False)
        if self.stream:
            self.socket.listen()
        self.peers = {}  # what is pushed to: connection or address -> next number

    def readable(self) -> list:
        return [self.socket, *(self.peers if self.stream else ())]

    def serve(self, ready) -> None:
        try:
            if ready is not self.socket:
                data = ready.recv(4096)
                if not data:
                    self.forget(ready)
                elif self.kind == "echo":
                    ready.send(data)
            elif self.stream:
                connection, _ = self.socket.accept()
                connection.setblocking(False)
                self.peers[connection] = 0
            else:
                data, peer = self.socket.recvfrom(4096)
                if self.kind == "echo":
                    self.socket.sendto(data, peer)
                else:
                    self.peers.setdefault(peer, 0)
        except OSError:
            self.forget(ready)

    def forget(self, peer) -> None:
        if self.peers.pop(peer, None) is not None and self.stream:
            peer.close()

    def push(self) -> None:
        for peer, number in list(self.peers.items()) if self.kind == "push" else ():
            try:
                if self.stream:
                    peer.send(message(number))
                else:
                    self.socket.sendto(message(number), peer)
                self.peers[peer] = number + 1
            except OSError:  # full, or refused by an ICMP error: the caller's loss
                continue


def serve(specs) -> None:
    servers = [Server(spec) for spec in specs]
    due = time.monotonic()
    while True:
        owners = {each: server for server in servers for each in server.readable()}
        for each in select.select(list(owners), [], [], max(0, due - time.monotonic()))[0]:
            owners[each].serve(each)
        if time.monotonic() >= due:
            due = time.monotonic() + EVERY
            for server in servers:
                server.push()


class Flow:
    def __init__(self, index: int, host: str, spec: str):
        self.index = index
        self.kind, proto, port = spec.split("/")
        self.stream = proto == "tcp"
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM if self.stream else socket.SOCK_DGRAM)
        self.socket.settimeout(5)
        self.rest = b""
        self.number = 0
        try:
            self.socket.connect((host, int(port)))
            self.socket.setblocking(False)
            if self.kind == "push" and not self.stream:
                self.socket.send(message(0))
        except OSError as error:
            self.over(error)

    def over(self, why) -> None:
        self.say("over", why)
        self.socket.close()
        self.socket = None

    def say(self, *words) -> None:
        print(self.index, *words, flush=True)

    def send(self) -> None:
        if self.kind != "echo" or not self.socket:
            return
        try:
            self.socket.send(message(self.number))
            self.say("sent", self.number, f"{time.time():.3f}")
            self.number += 1
        except BlockingIOError:
            return
        except OSError as error:
            if self.stream:
                self.over(error)

    def receive(self) -> None:
        try:
            data = self.socket.recv(4096)
        except OSError as error:
            if self.stream:
                self.over(error)
            return
        if not data and self.stream:
            self.over("closed by the other end")
            return
        self.rest += data
        *whole, self.rest = self.rest.split(b"\n")
        for each in whole:
            self.say("got", int(each), f"{time.time():.3f}")


def call(host: str, specs) -> None:
    flows = [Flow(index, host, spec) for index, spec in enumerate(specs)]
    due = time.monotonic()
    while True:
        open_ones = {flow.socket: flow for flow in flows if flow.socket}
        for each in select.select([sys.stdin, *open_ones], [], [], max(0, due - time.monotonic()))[0]:
            if each is sys.stdin:
                return
            open_ones[each].receive()
        if time.monotonic() >= due:
            due = time.monotonic() + EVERY
            for flow in flows:
                flow.send()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2:])
    else:
        call(sys.argv[2], sys.argv[3:])
