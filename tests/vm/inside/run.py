# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs a module of tests in the machine and reports each as it ends, one JSON object a line, on a serial port.

    run.py DEVICE SECONDS MODULE [CLASS.TEST]...

Events: {"event": "begin", "test"}, {"event": "end", "test", "outcome": "passed" | "failed" | "skipped", "text", "seconds"},
{"event": "fixture", "text"} for what failed outside of a test, {"event": "figure", "text"}, {"event": "note", "text"} for
anything else that was printed, and last {"event": "done"}.
"""

import contextlib
import faulthandler
import io
import json
import os
import pathlib
import sys
import termios
import time
import tty
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]


class Reporter(unittest.TestResult):
    """Sends events; what a test prints goes with its result, or as figures."""

    def __init__(self, send):
        super().__init__()
        self.send = send
        self.problems = []
        self.skip_reason = ""
        self.began = 0.0
        self.output = io.StringIO()

    def startTest(self, test):
        super().startTest(test)
        # what was printed after the last test's end is that test's: a case prints its programs' logs when it has failed
        self.flush_output()
        self.problems, self.skip_reason, self.began = [], "", time.monotonic()
        self.send({"event": "begin", "test": name_of(test)})

    def stopTest(self, test):
        super().stopTest(test)
        outcome = "failed" if self.problems else "skipped" if self.skip_reason else "passed"
        text = "\n".join(self.problems) if self.problems else self.skip_reason
        took = time.monotonic() - self.began
        self.send({"event": "end", "test": name_of(test), "outcome": outcome, "text": text, "seconds": round(took, 1)})

    def _problem(self, test, text: str):
        if isinstance(test, unittest.TestCase):
            self.problems.append(text)
        else:
            self.send({"event": "fixture", "text": text})

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._problem(test, self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self._problem(test, self.errors[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            kind = self.failures if issubclass(err[0], test.failureException) else self.errors
            self.problems.append(f"{subtest}\n{kind[-1][1]}")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.skip_reason = reason

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.problems.append("unexpected success")

    def flush_output(self):
        """Sends what was printed since the last time: figures, and the rest (logs of programs) as one note."""
        text = self.output.getvalue()
        self.output.seek(0)
        self.output.truncate()
        lines = text.splitlines()
        for line in lines:
            if line.startswith("figure: "):
                self.send({"event": "figure", "text": line.removeprefix("figure: ")})
        rest = "\n".join(line for line in lines if not line.startswith("figure: "))
        if rest:
            self.send({"event": "note", "text": rest})


def name_of(test) -> str:
    return ".".join(test.id().split(".")[-2:])


def serial_port(device: str):
    """A function that writes one object to the device; nothing is translated on the way."""
    fd = os.open(device, os.O_WRONLY | os.O_NOCTTY)
    tty.setraw(fd, termios.TCSANOW)

    def send(event: dict):
        data = json.dumps(event).encode() + b"\n"
        while data:
            data = data[os.write(fd, data) :]

    return send


def main() -> int:
    device, seconds, module, *names = sys.argv[1:]
    # where it hangs is seen on the console before the machine is switched off
    faulthandler.dump_traceback_later(float(seconds) * 0.9)
    os.environ.update(BULKHEAD_BIN=str(ROOT / "build/bin"), BULKHEAD_PROBES=str(ROOT / "probes"), BULKHEAD_PATIENCE="4")
    sys.path[:0] = [str(ROOT / "tests/e2e"), str(HERE)]
    send = serial_port(device)
    loader = unittest.TestLoader()
    tests = loader.loadTestsFromNames([f"{module}.{name}" for name in names] if names else [module])
    result = Reporter(send)
    with contextlib.redirect_stdout(result.output), contextlib.redirect_stderr(result.output):
        unittest.TestSuite([tests]).run(result)
    result.flush_output()
    send({"event": "done"})
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
