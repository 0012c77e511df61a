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
        self.socket = self.stream = None

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
            self.socket.close()
        self.stream = None

    def messages(self, channel: str):
        """What is published on the channel from now on, without a bound of time, until cut(). Takes the connection over."""
        self("SUBSCRIBE", channel)
        self.socket.settimeout(None)
        while True:
            try:
                yield self._reply()[2]
            except (OSError, EOFError):
                return

    def cut(self) -> None:
        """Ends messages() from another thread."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def _connect(self) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.socket.settimeout(10)
            self.socket.connect(self.path)
            self.stream = self.socket.makefile("rwb")
        except OSError:
            self.socket.close()
            raise
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
