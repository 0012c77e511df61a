# SPDX-License-Identifier: GPL-2.0-or-later
"""A link that breaks: between a unix socket that clients connect to and one that a server has. It cuts, stalls and delays bytes, ends
answers in their middle, and drops or doubles whole pub/sub messages of Redis."""

import os
import random
import socket
import threading
import time

CHUNK = 65536


class FlakyProxy:
    def __init__(self, path, target, messages=False):
        """messages: what the server says is RESP, and pushed messages can be told from answers."""
        self.path, self.target, self.messages = str(path), str(target), messages
        self.lock = threading.Lock()
        self.pairs = set()
        self.dice = random.Random(0)
        self.running = threading.Event()
        self.listener = None
        self.heal()

    # --- life ---

    def open(self):
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(self.path)
        self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def close(self):
        self.heal()
        # a thread that waits in accept() holds the socket: it is woken
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()
        os.unlink(self.path)

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            self.join(near)

    def join(self, near):
        far = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            if self.refusing:
                raise ConnectionRefusedError
            far.connect(self.target)
        except OSError:
            near.close()
            far.close()
            return
        with self.lock:
            self.pairs.add((near, far))
        threading.Thread(target=self.pump, args=(near, far, (near, far), None), daemon=True).start()
        framer = Framer() if self.messages else None
        threading.Thread(target=self.pump, args=(far, near, (near, far), framer), daemon=True).start()

    # --- faults ---

    def heal(self):
        self.refusing = False
        self.delay = 0.0
        self.drop = self.double = 0.0
        self.cut_after = None
        self.running.set()

    def cut(self):
        with self.lock:
            pairs, self.pairs = list(self.pairs), set()
        for pair in pairs:
            for end in pair:
                shut(end)

    def refuse(self):
        self.refusing = True
        self.cut()

    def stall(self):
        self.running.clear()

    # --- bytes ---

    def pump(self, source, sink, pair, framer):
        answer = source is pair[1]
        try:
            while data := source.recv(CHUNK):
                if self.delay:
                    time.sleep(self.delay)
                self.running.wait()
                for part in framer.split(data) if framer else [data]:
                    self.pass_on(part, sink, answer)
        except (OSError, Halfway):
            pass
        for end in pair:
            shut(end)
        with self.lock:
            self.pairs.discard(pair)
        source.close()

    def pass_on(self, part, sink, answer):
        count = 1
        if part.startswith(b"*3\r\n$7\r\nmessage\r\n"):
            dice = self.dice.random()
            count = 0 if dice < self.drop else 2 if dice < self.drop + self.double else 1
        limit = self.cut_after if answer else None
        if limit is not None and self.dice.random() < 0.5:
            sink.sendall(part[: min(limit, len(part) - 1)])
            raise Halfway
        for _ in range(count):
            sink.sendall(part)


class Halfway(Exception):
    """The rest of this answer never comes."""


def shut(end):
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


class Framer:
    """Cuts a stream of RESP into whole replies."""

    def __init__(self):
        self.data = b""

    def split(self, data):
        self.data += data
        parts, at = [], 0
        while (end := self.reply(at)) is not None:
            parts.append(self.data[at:end])
            at = end
        self.data = self.data[at:]
        return parts

    def reply(self, at):
        """Where the reply that begins here ends, or None: not all of it is there."""
        end = self.data.find(b"\r\n", at)
        if end < 0:
            return None
        kind, rest, end = self.data[at : at + 1], self.data[at + 1 : end], end + 2
        if kind == b"$" and int(rest) >= 0:
            end += int(rest) + 2
            return end if end <= len(self.data) else None
        for _ in range(int(rest) if kind == b"*" else 0):
            end = self.reply(end)
            if end is None:
                return None
        return end
