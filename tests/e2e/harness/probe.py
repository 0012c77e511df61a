# SPDX-License-Identifier: GPL-2.0-or-later
"""Real connections from one container to another, and what became of them."""

import dataclasses
import itertools
import json
import os
import pathlib
import shutil
import subprocess

from .case import root_dir
from .process import call

# Below a second, so that a lost first SYN is a failure; far above what an idle machine needs.
LIMIT_MS = 800
EVERY_MS = 10
PORTS = (3306, 5432, 8080, 53)


class HarnessError(Exception):
    """The question could not be asked: neither yes nor no."""


def build(directory: pathlib.Path, name: str = "probe") -> pathlib.Path:
    """Compiles a program of tests/e2e/probe, static, so that it runs in an image with nothing else. BULKHEAD_PROBES is a
    directory with those that are compiled already, for where there is no compiler."""
    program = directory / name
    if compiled := os.environ.get("BULKHEAD_PROBES"):
        return pathlib.Path(shutil.copy(pathlib.Path(compiled) / name, program))
    source = root_dir() / f"tests/e2e/probe/{name}.c"
    call(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o", program, source])
    return program


@dataclasses.dataclass(frozen=True)
class Attempt:
    t: float  # unix seconds when it began
    ms: float
    ok: bool
    why: str


def attempt(program, inside: list, proto: str, address: str, port: int) -> Attempt:
    done = call(inside + [program, proto, address, port, LIMIT_MS], check=False)
    try:
        return Attempt(**json.loads(done.stdout))
    except (ValueError, TypeError):
        raise HarnessError(f"probe {proto} {address} {port}: exit {done.returncode}: {done.stderr.strip()}") from None


def ping(inside: list, address: str) -> bool:
    """One echo request with a second's time, by busybox."""
    version = "-6" if ":" in address else "-4"
    return call(inside + ["busybox", "ping", version, "-c", "1", "-W", "1", address], check=False).returncode == 0


class Flow:
    """A fresh connection every 10 ms from one container to another until stop()."""

    def __init__(self, program, inside: list, proto: str, address: str, port: int, log: pathlib.Path):
        self.what = f"{proto}/{port} to {address}"
        self.log = log
        with open(log, "wb") as out:
            argv = inside + [program, "flow", proto, address, port, EVERY_MS, LIMIT_MS]
            self.popen = subprocess.Popen(
                [str(a) for a in argv], stdin=subprocess.PIPE, stdout=out, stderr=subprocess.PIPE, text=True
            )

    def stop(self) -> list:
        """Ends it, waits for what is under way, and returns the attempts in the order of their beginning."""
        _, errors = self.popen.communicate(timeout=30)
        if self.popen.returncode != 0:
            raise HarnessError(f"flow {self.what}: exit {self.popen.returncode}: {errors.strip()}")
        return self.so_far()

    def so_far(self) -> list:
        """The attempts that are over; a line that is still being written is left for later."""
        lines = self.log.read_text().split("\n")[:-1]
        return sorted((Attempt(**json.loads(line)) for line in lines), key=lambda a: a.t)


def longest_gap(attempts) -> float:
    """Seconds between the last success before and the first success after the longest run of failures."""
    longest, last_ok, failed = 0.0, None, False
    for each in attempts:
        if not each.ok:
            failed = True
            continue
        if failed and last_ok is not None:
            longest = max(longest, each.t - last_ok)
        last_ok, failed = each.t, False
    if failed and last_ok is not None:
        longest = max(longest, attempts[-1].t - last_ok)
    return longest


class Arrivals:
    """Counts at a receiver's own port, before anything in it can judge, every packet from an address to a port: what
    leaks is counted even when no answer would come back."""

    serials = itertools.count()

    def __init__(self, inside: list, source: str, proto: str, port: int):
        self.inside = inside
        version = "ip6" if ":" in source else "ip"
        self.table = f"seen_{next(self.serials)}"
        rules = f"""table inet {self.table} {{
            chain arrivals {{
                type filter hook prerouting priority -400; policy accept;
                {version} saddr {source} {proto} dport {port} counter
            }}
        }}"""
        call(inside + ["nft", "-f", "-"], input=rules)

    def count(self) -> int:
        listing = json.loads(call(self.inside + ["nft", "-j", "list", "table", "inet", self.table]).stdout)
        counters = [
            match["counter"]["packets"]
            for item in listing["nftables"]
            for match in item.get("rule", {}).get("expr", [])
            if "counter" in match
        ]
        if len(counters) != 1:
            raise HarnessError(f"table {self.table} has {len(counters)} counters")
        return counters[0]

    def close(self) -> None:
        call(self.inside + ["nft", "delete", "table", "inet", self.table], check=False)
