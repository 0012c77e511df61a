# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the archive that a kernel unpacks as its first root ("newc" of cpio(5))."""

import os
import pathlib
import stat

ALIGN = 4


class Archive:
    def __init__(self):
        self.parts = []
        self.known = set()
        self.serial = 0

    def _entry(self, name: str, mode: int, data: bytes = b"", device=(0, 0)) -> None:
        self.serial += 1
        encoded = name.encode() + b"\0"
        numbers = (self.serial, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(encoded), 0)
        head = b"070701" + b"".join(b"%08X" % number for number in numbers) + encoded
        self.parts += [padded(head), padded(data)]

    def _parents(self, name: str) -> None:
        for parent in reversed(pathlib.PurePosixPath(name).parents):
            if str(parent) not in self.known and str(parent) != ".":
                self.known.add(str(parent))
                self._entry(str(parent), stat.S_IFDIR | 0o755)

    def file(self, name: str, source: pathlib.Path, mode: int = 0) -> None:
        """A regular file; mode is the source's unless given."""
        self._parents(name)
        self._entry(name, stat.S_IFREG | (mode or source.stat().st_mode & 0o777), source.read_bytes())

    def text(self, name: str, text: str) -> None:
        self._parents(name)
        self._entry(name, stat.S_IFREG | 0o644, text.encode())

    def tree(self, name: str, source: pathlib.Path) -> None:
        """Every regular file below a directory."""
        for directory, _, files in os.walk(source):
            for each in sorted(files):
                path = pathlib.Path(directory) / each
                if "__pycache__" not in path.parts:
                    self.file(f"{name}/{path.relative_to(source)}", path)

    def device(self, name: str, major: int, minor: int) -> None:
        self._parents(name)
        self._entry(name, stat.S_IFCHR | 0o600, device=(major, minor))

    def write(self, path: pathlib.Path) -> None:
        self._entry("TRAILER!!!", 0)
        path.write_bytes(b"".join(self.parts))


def padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % ALIGN)
