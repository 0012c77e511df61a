# SPDX-License-Identifier: GPL-2.0-or-later
"""What is slow to make is made once: directories below BULKHEAD_TEST_CACHE, complete or not there at all."""

import contextlib
import fcntl
import os
import pathlib
import shutil
import subprocess
import tempfile


class MachineError(Exception):
    """There is no machine to run tests in: never a reason to skip them."""


def cache_dir() -> pathlib.Path:
    path = pathlib.Path(os.environ.get("BULKHEAD_TEST_CACHE", "/var/cache/bulkhead-tests")) / "vm"
    path.mkdir(parents=True, exist_ok=True)
    return path


def call(argv, **options) -> str:
    """Runs a command to its end with a time limit; its output, or a MachineError with its stderr."""
    options.setdefault("timeout", 300)
    words = [str(a) for a in argv]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, **options)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MachineError(f"{' '.join(words)}: {error}") from None
    if done.returncode != 0:
        raise MachineError(f"{' '.join(words)}: exit {done.returncode}: {done.stderr.strip()}")
    return done.stdout


@contextlib.contextmanager
def locked():
    """One maker at a time, in any process."""
    with open(cache_dir() / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def made_once(name: str, make) -> pathlib.Path:
    """The cached directory `name`; if there is none, make(directory) fills one, which gets the name when it is whole."""
    final = cache_dir() / name
    with locked():
        if not final.exists():
            with tempfile.TemporaryDirectory(dir=cache_dir(), prefix=f"{name}-") as scratch:
                made = pathlib.Path(scratch) / "made"
                made.mkdir()
                make(made)
                made.rename(final)
    return final


def disk(tree: pathlib.Path, image: pathlib.Path, spare_mb: int) -> None:
    """An ext4 image with the tree's content, owned by root, and some room."""
    used = int(call(["du", "-sm", "--apparent-size", tree]).split()[0])
    files = sum(1 for _ in tree.rglob("*"))
    size = f"{used + used // 8 + spare_mb}M"
    # no journal: a machine lives once
    call(["mkfs.ext4", "-q", "-F", "-O", "^has_journal", "-N", files + 4096, "-d", tree, image, size])
    shutil.rmtree(tree)
