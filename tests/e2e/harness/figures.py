# SPDX-License-Identifier: GPL-2.0-or-later
"""What is measured, and how it is told."""

import bisect
import re
import statistics
from datetime import datetime


def figure(text: str) -> None:
    print(f"figure: {text}", flush=True)


def spread(seconds) -> str:
    """p50 and p99 in milliseconds."""
    ordered = sorted(seconds)
    if not ordered:
        return "none"
    last = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"{statistics.median(ordered) * 1e3:.2f} / {last * 1e3:.2f} ms"


class Log:
    """A daemon's debug log as (unix seconds, text), for what happened when."""

    LINE = re.compile(r"^(\S+)Z +\w+ +(\w+: .*)$")

    def __init__(self, path):
        found = (self.LINE.match(line) for line in path.read_text(errors="replace").splitlines())
        self.lines = [(datetime.fromisoformat(f"{m[1]}+00:00").timestamp(), m[2]) for m in found if m]

    def first(self, t: float, pattern: str) -> tuple:
        """Time and text of the first line from t on that the pattern matches, or (None, "")."""
        begin = bisect.bisect_left(self.lines, (t, ""))
        return next(((at, text) for at, text in self.lines[begin:] if re.search(pattern, text)), (None, ""))

    def after(self, t: float, pattern: str):
        """Time of that line, or None."""
        return self.first(t, pattern)[0]
