# SPDX-License-Identifier: GPL-2.0-or-later
"""What integration tests in Python share: what they need to run at all, a connection to a private redis-server, waiting."""
import os
import socket
import time
import unittest

PREFIX = "bulkhead:v1:"
BOUND = 10


def missing(what, present):
    """Skips visibly where something is not there, which CI turns into a failure."""
    if present:
        return
    if os.environ.get("CI") == "true":
        raise RuntimeError(f"needs {what}")
    raise unittest.SkipTest(f"needs {what}")


def clean_environment():
    """This one without what would configure the programs."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("BULKHEAD_", "DOCKER_"))}


def wait_until(condition, what, bound=BOUND):
    end = time.monotonic() + bound
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"not within {bound} s: {what}")
        time.sleep(0.01)


class Refused(Exception):
    """An error reply."""


class Resp:
    """One connection to Redis: commands, or messages of a channel."""

    def __init__(self, path, *login, bound=BOUND):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(bound)
        try:
            self.sock.connect(str(path))
        except OSError:
            self.sock.close()
            raise
        self.stream = self.sock.makefile("rwb")
        if login:
            self("AUTH", *login)

    def __call__(self, *words):
        self.stream.write(b"*%d\r\n" % len(words))
        for word in words:
            data = str(word).encode()
            self.stream.write(b"$%d\r\n%s\r\n" % (len(data), data))
        self.stream.flush()
        return self.reply()

    def reply(self):
        line = self.stream.readline()
        if not line:
            raise EOFError
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"-":
            raise Refused(rest)
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == "-1" else self.stream.read(int(rest) + 2)[:-2].decode()
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        return rest

    def records(self, key):
        flat = self("HGETALL", PREFIX + key)
        return dict(zip(flat[::2], flat[1::2]))

    def close(self):
        self.stream.close()
        self.sock.close()
