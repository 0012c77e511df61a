# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's own kernels, with and without br_netfilter, each in a virtual machine of its own with a real Engine.

What is tested is in inside/: every test there is a test here, once for each kernel. Without BULKHEAD_LONG only the ones
marked `quick`, on one kernel. There is no skip: a machine that cannot be made or does not come up fails its tests.
"""

import concurrent.futures
import dataclasses
import importlib
import os
import pathlib
import shutil
import sys
import tempfile
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(HERE / "inside"), str(ROOT / "tests/e2e")]

# pylint: disable=wrong-import-position
from harness import bin_dir  # noqa: E402
from harness.leak import Programs  # noqa: E402
from harness.probe import build  # noqa: E402
from machine import KERNELS, Machine, MachineError, root_image  # noqa: E402

SCENARIOS = ("br_netfilter_loaded", "br_netfilter_never", "unseen")
QUICK = ("6.1", "br_netfilter_never")
LONG = bool(os.environ.get("BULKHEAD_LONG"))
BOUND = 1500 if LONG else 240  # seconds from power-on to power-off
AT_ONCE = int(os.environ.get("BULKHEAD_VMS", "2"))  # an emulated processor takes a whole real one
CONSOLE_LINES = 40


@dataclasses.dataclass
class Outcome:
    """What one machine said."""

    results: dict = dataclasses.field(default_factory=dict)  # test: its "end" event
    trouble: list = dataclasses.field(default_factory=list)  # texts of what failed outside of a test
    figures: list = dataclasses.field(default_factory=list)
    done: bool = False
    seconds: float = 0.0  # from power-on to power-off


class Runs:
    """Boots each machine that has a test to run, AT_ONCE at a time, the first one when the first result is asked for."""

    def __init__(self):
        self.lock = threading.Lock()
        self.wanted = {}  # (kernel, scenario): names of tests
        self.futures = {}
        self.pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)

    def want(self, key: tuple, name: str) -> None:
        self.wanted.setdefault(key, []).append(name)

    def outcome(self, key: tuple, name: str) -> Outcome:
        with self.lock:
            if not self.wanted:
                self.want(key, name)  # asked for by name, past load_tests()
            if not self.futures:
                self._start()
        return self.futures[key].result()

    def _start(self) -> None:
        probes = pathlib.Path(tempfile.mkdtemp(prefix="bh-probes-"))
        unittest.addModuleCleanup(shutil.rmtree, probes)
        build(probes)
        Programs(probes)
        for key, names in self.wanted.items():
            self.futures[key] = self.pool.submit(boot, *key, names, probes)


RUNS = Runs()


def console_path(kernel: str, scenario: str) -> pathlib.Path:
    logs = pathlib.Path(os.environ.get("BULKHEAD_BUILD", ROOT / "build")) / "test-logs"
    return logs / f"vm-{kernel}-{scenario}.console"


def boot(kernel: str, scenario: str, names: list, probes: pathlib.Path) -> Outcome:
    """Runs the tests in a machine, those of a class one after another; whatever goes wrong is in the outcome."""
    outcome = Outcome()
    payload = {"build/bin": bin_dir(), "probes": probes}
    payload |= {path: ROOT / path for path in ("tests/e2e", "tests/experiments", "tests/vm/inside", "deploy/examples")}
    console = console_path(kernel, scenario)
    began = time.monotonic()
    try:
        fetched = KERNELS[kernel].fetch()
        say(f"{kernel} {scenario}: Linux {fetched.release}, {len(names)} tests")
        with Machine(fetched, root_image(), payload, [BOUND, scenario, *sorted(names)], console) as machine:
            for event in machine.events(BOUND):
                note(outcome, event, f"{kernel} {scenario}")
    except (MachineError, OSError, KeyError) as error:
        outcome.trouble.append(f"{type(error).__name__}: {error}")
    outcome.seconds = time.monotonic() - began
    if not outcome.done:
        lines = console.read_text(errors="replace").splitlines() if console.exists() else []
        outcome.trouble.append("\n".join(["the console's last lines:", *lines[-CONSOLE_LINES:]]))
    return outcome


def note(outcome: Outcome, event: dict, where: str) -> None:
    match event["event"]:
        case "begin":
            say(f"{where}: {event['test']} begins")
        case "end":
            outcome.results[event["test"]] = event
            say(f"{where}: {event['test']} {event['outcome']} after {event['seconds']:g} s\n{event['text']}".rstrip())
        case "fixture":
            outcome.trouble.append(event["text"])
        case "figure":
            outcome.figures.append(event["text"])
        case "note":
            say(f"{where}:\n{event['text']}")
        case "done":
            outcome.done = True


def say(text: str) -> None:
    print(f"[{time.monotonic() - STARTED:.0f} s] {text}", flush=True)


STARTED = time.monotonic()


class InMachine(unittest.TestCase):
    """One machine; its tests are made below."""

    key = ()
    names = {}  # method here -> CLASS.TEST there

    def judge(self, name: str) -> None:
        outcome = RUNS.outcome(self.key, name)
        trouble = "\n".join(outcome.trouble)
        if name not in outcome.results:
            self.fail(f"not run, or not to its end\n{trouble}")
        result = outcome.results[name]
        if result["outcome"] == "skipped":
            self.skipTest(result["text"])
        self.assertEqual(result["outcome"], "passed", f"\n{result['text']}\n{trouble}")

    @classmethod
    def tearDownClass(cls):
        future = RUNS.futures.get(cls.key)
        for text in future.result().figures if future else ():
            print(f"figure: Linux {cls.key[0]}, {cls.key[1]}: {text}", flush=True)


def inner_tests(scenario: str):
    """(CLASS.TEST, whether it is quick) of a module in inside/, which is only looked at here."""
    # a loader of its own: the default one has what -k says, which is about the tests here
    todo = [unittest.TestLoader().loadTestsFromModule(importlib.import_module(scenario))]
    while todo:
        each = todo.pop()
        if isinstance(each, unittest.TestSuite):
            todo += list(each)
        else:
            method = each.id().split(".")[-1]
            yield ".".join(each.id().split(".")[-2:]), getattr(getattr(each, method), "quick", False)


def table() -> list:
    """Test by machine: what became of it, and after how many seconds."""
    runs = {key: future.result() for key, future in RUNS.futures.items()}
    rows = [("test", *(f"{kernel} {scenario}" for kernel, scenario in runs))]
    for name in dict.fromkeys(name for outcome in runs.values() for name in outcome.results):
        ends = [outcome.results.get(name) for outcome in runs.values()]
        rows.append((name, *(f"{end['outcome']} {end['seconds']:.0f} s" if end else "-" for end in ends)))
    rows.append(("all, with the machine's start", *(f"{outcome.seconds:.0f} s" for outcome in runs.values())))
    widths = [max(map(len, column)) for column in zip(*rows)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def tearDownModule():
    for row in table():
        print(f"figure: {row}", flush=True)


def judged(name: str):
    return lambda self: self.judge(name)


def make_classes() -> None:
    for kernel in KERNELS:
        for scenario in SCENARIOS:
            if not LONG and (kernel, scenario) != QUICK:
                continue
            methods, names = {"key": (kernel, scenario)}, {}
            for name, quick in inner_tests(scenario):
                if LONG or quick:
                    method = name.split(".")[-1]
                    assert method not in names, f"{scenario} has two tests called {method}"
                    names[method] = name
                    methods[method] = judged(name)
            title = f"Linux_{kernel.replace('.', '_')}_{scenario}"
            globals()[title] = type(title, (InMachine,), {**methods, "names": names})


make_classes()


def load_tests(_loader, tests, _pattern):
    """Notes which tests are going to be asked for, after -k has chosen."""
    todo = [tests]
    while todo:
        each = todo.pop(0)
        if isinstance(each, unittest.TestSuite):
            todo[:0] = list(each)
        elif isinstance(each, InMachine):
            RUNS.want(each.key, each.names[each.id().split(".")[-1]])
    return tests


if __name__ == "__main__":
    unittest.main()
