# SPDX-License-Identifier: GPL-2.0-or-later
"""A network namespace for everything that a test starts: the host's interfaces and rules are never touched."""

import ctypes
import http.client
import os
import select
import socket
import socketserver
import threading
import urllib.parse

from .process import call

CLONE_NEWNET = 0x40000000


class Namespace:
    def __init__(self, name: str):
        self.name = name
        self.path = f"/run/netns/{name}"

    def create(self) -> None:
        call(["ip", "netns", "add", self.name])
        call(self.prefix() + ["ip", "link", "set", "lo", "up"])
        # an Engine turns this on itself, but only for IPv4
        for key in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            call(self.prefix() + ["sh", "-c", f"echo 1 > /proc/sys/net/{key}"])

    def delete(self) -> None:
        call(["ip", "netns", "delete", self.name], check=False)

    def prefix(self) -> list:
        """Put before a command's words. Not `ip netns exec`: that mounts another /sys, without cgroups."""
        return ["nsenter", f"--net={self.path}", "--"]

    def listener(self, port: int) -> socket.socket:
        """A TCP socket that listens in the namespace on every address, owned by this process outside of it."""
        made = []

        def inside():
            # only this thread moves, and it ends here
            fd = os.open(self.path, os.O_RDONLY)
            if ctypes.CDLL(None, use_errno=True).setns(fd, CLONE_NEWNET) == 0:
                made.append(socket.create_server(("", port)))
            os.close(fd)

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        if not made:
            raise OSError(f"cannot listen in {self.path}")
        return made[0]


class Handler(socketserver.StreamRequestHandler):
    """One proxied request: plain http by GET of an absolute address, anything else by CONNECT."""

    timeout = 120

    def handle(self):
        words = self.rfile.readline(65536).split()
        headers = http.client.parse_headers(self.rfile)
        if len(words) != 3:
            return
        method, target = words[0].decode(), words[1].decode()
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            with socket.create_connection((host, int(port)), self.timeout) as far:
                self.wfile.write(b"HTTP/1.1 200 connected\r\n\r\n")
                self.relay(far)
        elif method in ("GET", "HEAD"):
            self.fetch(method, urllib.parse.urlsplit(target), headers)

    def fetch(self, method, url, headers):
        for hop in ("Proxy-Connection", "Connection", "Proxy-Authorization"):
            del headers[hop]
        headers["Connection"] = "close"
        with socket.create_connection((url.hostname, url.port or 80), self.timeout) as far:
            path = url._replace(scheme="", netloc="").geturl() or "/"
            far.sendall(f"{method} {path} HTTP/1.1\r\n{headers.as_string()}".encode())
            while data := far.recv(1 << 16):
                self.wfile.write(data)

    def relay(self, far):
        pairs = {self.connection: far, far: self.connection}
        while True:
            for end in select.select(list(pairs), [], [], self.timeout)[0]:
                data = end.recv(1 << 16)
                if not data:
                    return
                pairs[end].sendall(data)


class Proxy(socketserver.ThreadingTCPServer):
    """An HTTP proxy that listens inside the namespace and connects outside: the only way out of it, for image builds
    that install Debian packages. Nothing of the host's routing or rules is changed for it."""

    daemon_threads = True

    def __init__(self, namespace: Namespace, port: int):
        super().__init__(("", 0), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = namespace.listener(port)
        self.server_address = self.socket.getsockname()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """A client that went away is its own affair."""

    def close(self):
        self.shutdown()
        self.server_close()
