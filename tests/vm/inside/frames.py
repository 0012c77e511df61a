# SPDX-License-Identifier: GPL-2.0-or-later
"""The leak hunt's frames (tests/e2e/harness/leak.py) in a small arena: to the server from one without any permission."""

import os
import pathlib
import types

from harness.leak import PROXY4, PROXY6, Counter, Programs, Sender, bridge_of, party
from harness.process import call

PER_SECOND = 2  # of each kind


class Compiled(Programs):
    """Programs that were compiled outside."""

    def __init__(self, _directory):
        self.frames, self.tokens = (pathlib.Path(os.environ["BULKHEAD_PROBES"]) / name for name in ("frames", "tokens"))
        self.raw_items = call([self.frames, "list"]).stdout.split()
        self.items = self.raw_items + [PROXY4, PROXY6]


class Frames:
    """Sends every kind of frame from when it is made until close(); arrived() counts them at the server's own port."""

    def __init__(self, world):
        self.programs = Compiled(world.engine.directory)
        gateway = party(world.engine.namespace.prefix(), bridge_of(world.net))
        arena = types.SimpleNamespace(name=world.net.name, server=world.server, victim=world.client, gateway=gateway)
        self.counter = Counter(self.programs, world.server.name, world.server.inside())
        self.sender = Sender(self.programs, 1, arena, "isolated", world.other, "server")
        self.kinds = [item for item in self.sender.items() if item in self.programs.raw_items]
        self.sender.start_frames(PER_SECOND)

    def arrived(self) -> dict:
        """kind -> how many, since the beginning or the last counter.since()."""
        self.sender.must_run()
        cells = self.counter.report()["cells"]
        return {self.programs.items[item]: count for (item, _), count in cells.items()}

    def close(self) -> None:
        self.sender.stop()
        self.counter.stop()
