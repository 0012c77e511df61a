# SPDX-License-Identifier: GPL-2.0-or-later
"""As much of a Redis client as tests need: one connection to a unix socket, one command at a time."""

import contextlib
import socket


class RedisError(Exception):
    """An error reply, or no connection."""


class Redis:
    def __init__(self, path, password: str):
        self.path = str(path)
        self.password = password
        self.stream = None

    def __call__(self, *words):
        """Sends a command and returns its reply; connects (again) when needed."""
        try:
            if self.stream is None:
                self._connect()
            return self._exchange(words)
        except (OSError, EOFError) as error:
            self.close()
            raise RedisError(f"{words[0]}: {error}") from error

    def hgetall(self, key: str) -> dict:
        flat = self("HGETALL", key)
        return dict(zip(flat[::2], flat[1::2]))

    def close(self) -> None:
        if self.stream is not None:
            # closing flushes, which a server that has gone refuses once more
            with contextlib.suppress(OSError):
                self.stream.close()
        self.stream = None

    def _connect(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(10)
            sock.connect(self.path)
            self.stream = sock.makefile("rwb")
        self._exchange(("AUTH", self.password))

    def _exchange(self, words):
        parts = [str(word).encode() for word in words]
        self.stream.write(b"*%d\r\n" % len(parts))
        for part in parts:
            self.stream.write(b"$%d\r\n%s\r\n" % (len(part), part))
        self.stream.flush()
        return self._reply()

    def _reply(self):
        line = self.stream.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError("connection closed")
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"-":
            raise RedisError(rest)
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == "-1" else self.stream.read(int(rest) + 2)[:-2].decode()
        if kind == b"*":
            return [self._reply() for _ in range(int(rest))]
        return rest
