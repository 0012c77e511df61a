# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that tests start, kill and start again; each is ended by its own pid and logs into a file."""

import pathlib
import signal
import subprocess

from .case import PATIENCE, wait_until

TAIL_LINES = 40


def call(argv, **options) -> subprocess.CompletedProcess:
    """Runs a command to its end with a time limit; raises with its stderr in the text when it fails."""
    options.setdefault("timeout", 120 * PATIENCE)
    check = options.pop("check", True)
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, **options)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, argv))}: exit {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return done


def tail(path: pathlib.Path) -> str:
    if not path.exists():
        return "(no log)"
    return "\n".join(path.read_text(errors="replace").splitlines()[-TAIL_LINES:])


class Process:
    """One program under a name; start() after stop() or kill() is a restart."""

    def __init__(self, name: str, argv, log: pathlib.Path, env=None, stop_bound: float = 30):
        self.name = name
        self.argv = [str(a) for a in argv]
        self.log = log
        self.env = env
        self.stop_bound = stop_bound
        self.popen = None

    def start(self) -> None:
        assert not self.running(), f"{self.name} runs already"
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env, start_new_session=True
            )

    def running(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    def must_run(self) -> None:
        if not self.running():
            code = self.popen.returncode if self.popen else "never started"
            raise RuntimeError(f"{self.name} is not running (exit {code})\n{tail(self.log)}")

    def signal(self, number: int) -> None:
        self.must_run()
        self.popen.send_signal(number)

    def _end(self, number: int) -> int:
        if not self.running():
            return self.popen.returncode if self.popen else 0
        self.popen.send_signal(number)
        try:
            return self.popen.wait(self.stop_bound)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait(self.stop_bound)
            raise RuntimeError(f"{self.name} did not end within {self.stop_bound} s\n{tail(self.log)}") from None

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """SIGKILL: the crash."""
        return self._end(signal.SIGKILL)


def wait_file(path: pathlib.Path, process: Process, bound: float = 10) -> None:
    def there():
        process.must_run()
        return path.exists()

    wait_until(there, bound, f"{process.name} makes {path}")
