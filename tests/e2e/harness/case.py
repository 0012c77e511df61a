# SPDX-License-Identifier: GPL-2.0-or-later
"""What every end-to-end test stands on: where things are, waiting, skipping, and what is printed when one fails."""

import os
import pathlib
import shutil
import sys
import time
import unittest

# How many times longer than on a real machine a wait may take: for machines that are emulated.
PATIENCE = float(os.environ.get("BULKHEAD_PATIENCE", "1"))
NEEDED = ("dockerd", "docker", "redis-server", "nft", "ip", "nsenter", "busybox", "conntrack", "gcc")


def root_dir() -> pathlib.Path:
    return pathlib.Path(__file__).resolve().parents[3]


def bin_dir() -> pathlib.Path:
    """Where the programs under test are: BULKHEAD_BIN, or build/bin of this checkout."""
    return pathlib.Path(os.environ.get("BULKHEAD_BIN", root_dir() / "build/bin")).resolve()


def wait_until(condition, bound: float, what: str, every: float = 0.02):
    """Returns the first true value of condition(); raises TimeoutError naming `what` after `bound` seconds (times PATIENCE)."""
    bound *= PATIENCE
    end = time.monotonic() + bound
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise TimeoutError(f"not within {bound:g} s: {what() if callable(what) else what}")
        time.sleep(every)


def missing() -> str:
    """Why the end-to-end tests cannot run here, or an empty string."""
    if os.geteuid() != 0:
        return "needs root (network namespaces, an Engine of its own)"
    absent = [tool for tool in NEEDED if not shutil.which(tool)]
    return f"needs {', '.join(absent)}" if absent else ""


def require() -> None:
    """For setUpModule: a visible skip where something is missing, a failure where CI=true."""
    why = missing()
    if why and os.environ.get("CI") == "true":
        raise RuntimeError(why)
    if why:
        raise unittest.SkipTest(why)


class Case(unittest.TestCase):
    """A test case that prints the programs' last log lines when a test of it fails.

    Subclasses list what to ask for logs in `witnesses`: objects with a log_tails() method.
    """

    witnesses = ()

    def expect(self, engine, rows, family: int = 4, network=None):
        """rows of (from, to, "tcp/3306" or "udp/53" or "ping", whether it is reached), all asked at once."""
        asked = []
        for source, target, what, _ in rows:
            proto, _, port = what.partition("/")
            asked.append((source, target, proto, int(port or 0), family, network))
        for (source, target, what, wanted), got in zip(rows, engine.ask(asked)):
            with self.subTest(source=source.name, target=target.name, what=what, family=family):
                self.assertEqual(got, wanted, f"{source.name} to {target.name} {what} IPv{family}")

    def run(self, result=None):
        result = result or self.defaultTestResult()
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            for witness in self.witnesses:
                for name, text in witness.log_tails():
                    print(f"--- {self.id()}: last lines of {name}\n{text}", file=sys.stderr)
        return result
