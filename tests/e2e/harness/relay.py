# SPDX-License-Identifier: GPL-2.0-or-later
"""Something between syncd and the Engine's socket, as a proxy or a load balancer is."""

import re
import select
import socket
import threading
import time

EVERY = 0.05


class Relay:
    """Connections to a listening socket go on to the unix socket `to`. idle: seconds of silence after which a connection is ended."""

    def __init__(self, listener: socket.socket, to, idle: float = 0):
        self.listener = listener
        self.to = str(to)
        self.idle = idle
        self.cuts = 0
        self.streams = []  # what asked for events: the other end's address, in order
        self.closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while not self.closed:
            # not accept() alone, which does not notice a close()
            if not select.select([self.listener], [], [], EVERY)[0]:
                continue
            client, peer = self.listener.accept()
            threading.Thread(target=self._serve, args=(client, peer), daemon=True).start()
        self.listener.close()

    def _serve(self, client: socket.socket, peer) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            try:
                server.connect(self.to)
                self._forward(client, server, peer)
            except OSError:
                return

    def _forward(self, client: socket.socket, server: socket.socket, peer) -> None:
        other, last = {client: server, server: client}, time.monotonic()
        while not self.closed:
            ready = select.select(list(other), [], [], EVERY)[0]
            for sock in ready:
                data = sock.recv(1 << 16)
                if not data:
                    return
                if sock is client and re.match(rb"GET \S*/events", data):
                    self.streams.append(peer)
                other[sock].sendall(data)
            now = time.monotonic()
            last = now if ready else last
            if self.idle and now - last > self.idle:
                self.cuts += 1
                return

    def close(self) -> None:
        self.closed = True


def unix_listener(path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(path))
    made.listen(64)
    return made
