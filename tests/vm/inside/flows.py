# SPDX-License-Identifier: GPL-2.0-or-later
"""The flows of live.py, as a test sees them: started, watched, and asked what was lost."""

import dataclasses
import itertools
import pathlib
import subprocess
import time

from harness import wait_until
from harness.process import Process, call

LIVE = pathlib.Path(__file__).with_name("live.py")
SERIALS = itertools.count()


@dataclasses.dataclass
class Record:
    """What became of one flow: number -> unix time."""

    sent: dict = dataclasses.field(default_factory=dict)
    got: dict = dataclasses.field(default_factory=dict)
    over: str = ""

    def lost(self, since: float, until: float) -> int:
        """Questions asked in that time whose answer has not come, though that of a later one has."""
        last = max(self.got, default=0)
        return sum(since <= t <= until and number < last and number not in self.got for number, t in self.sent.items())

    def gap(self, since: float, until: float) -> float:
        """The longest time without a message between the two, in seconds."""
        times = [since, *sorted(t for t in self.got.values() if since <= t <= until), until]
        return max(b - a for a, b in itertools.pairwise(times))

    def after(self, since: float) -> list:
        return [t for t in self.got.values() if t > since]


def serve(container, specs, directory: pathlib.Path) -> Process:
    """Servers of all specs in the container's namespace, ready when this returns."""
    log = directory / f"live-{next(SERIALS)}.log"
    process = Process("live", [*container.inside(), "/usr/bin/python3", LIVE, "serve", *specs], log)
    process.start()

    def listening():
        process.must_run()
        shown = call([*container.inside(), "ss", "-Hlntu"]).stdout
        return all(f":{spec.split('/')[2]} " in shown for spec in specs)

    wait_until(listening, 30, f"servers in {container.name}")
    return process


class Flows:
    """One flow for each spec, from one container to an address; begun() once messages come on all of them."""

    def __init__(self, source, address: str, specs, directory: pathlib.Path):
        self.specs = list(specs)
        self.log = directory / f"live-{next(SERIALS)}.log"
        argv = [*source.inside(), "/usr/bin/python3", str(LIVE), "call", address, *specs]
        with open(self.log, "wb") as out:
            self.popen = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=out, stderr=out)

    def close(self) -> None:
        self.popen.stdin.close()
        try:
            self.popen.wait(10)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()

    def records(self) -> dict:
        """spec -> Record, of what is known now."""
        found = {spec: Record() for spec in self.specs}
        for line in self.log.read_text(errors="replace").split("\n")[:-1]:
            index, word, *rest = line.split(" ", 2)
            if not index.isdigit():
                raise RuntimeError(f"{LIVE.name}: {self.log.read_text(errors='replace')}")
            record = found[self.specs[int(index)]]
            if word == "over":
                record.over = rest[0] or "closed"
            else:
                number, t = rest[0].split()
                getattr(record, word)[int(number)] = float(t)
        return found

    def progress(self, specs=None, messages: int = 3, bound: float = 30) -> None:
        """Waits until each of the flows has got that many more messages than now."""
        since = time.time()
        specs = list(specs or self.specs)

        def behind():
            records = self.records()
            return [f"{spec} {records[spec].over}" for spec in specs if len(records[spec].after(since)) < messages]

        wait_until(lambda: not behind(), bound, lambda: f"{messages} messages on {behind()}", every=0.2)
