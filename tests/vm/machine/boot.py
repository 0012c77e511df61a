# SPDX-License-Identifier: GPL-2.0-or-later
"""One run of a machine: from power-on to power-off, with a time limit, and what it said meanwhile."""

import json
import pathlib
import shutil
import subprocess
import tempfile
import time

from .cache import MachineError
from .cpio import Archive
from .kernel import Kernel

QEMU = "qemu-system-x86_64"
MEMORY_MB = 1536
INIT = pathlib.Path(__file__).parents[1] / "inside/init"
POLL = 0.1
COMMAND_LINE = "console=ttyS0 quiet loglevel=4 panic=-1 oops=panic cgroup_no_v1=all apparmor=0 mitigations=off net.ifnames=0"


class Machine:
    """Boots in __enter__, is off after __exit__.

    payload maps a path below /bulkhead in the machine to a file or directory of the host. words is what
    inside/run.py is given. The console goes into the file `console`, which stays.
    """

    def __init__(self, kernel: Kernel, root: pathlib.Path, payload: dict, words, console: pathlib.Path):
        self.kernel = kernel
        self.root = root
        self.payload = payload
        self.words = [str(word) for word in words]
        self.console = console
        self.directory = None
        self.popen = None
        self.powered_on = 0.0

    def __enter__(self):
        if not shutil.which(QEMU):
            raise MachineError(f"{QEMU} is not there (package qemu-system-x86)")
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="bh-vm-"))
        try:
            self._initramfs(self.directory / "initramfs")
            self.console.parent.mkdir(parents=True, exist_ok=True)
            self.console.write_bytes(b"")
            (self.directory / "events").touch()
            self.powered_on = time.monotonic()
            with open(self.directory / "qemu.log", "wb") as log:
                self.popen = subprocess.Popen(self._argv(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.popen:
            self.popen.kill()
            self.popen.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _initramfs(self, path: pathlib.Path) -> None:
        archive = Archive()
        archive.file("init", INIT, 0o755)
        archive.file("bin/busybox", pathlib.Path(shutil.which("busybox")), 0o755)
        # the kernel opens it for the first process, before anything is mounted
        archive.device("dev/console", 5, 1)
        modules = self.kernel.boot_modules()
        for module in modules:
            archive.file(f"modules/{module.name}", module)
        archive.text("modules/order", "".join(f"{module.name}\n" for module in modules))
        for name, source in self.payload.items():
            add = archive.tree if source.is_dir() else archive.file
            add(f"payload/{name}", source)
        archive.text("payload/words", "".join(f"{word}\n" for word in self.words))
        archive.write(path)

    def _argv(self) -> list:
        def drive(path, more):
            return ["-drive", f"file={path},format=raw,if=virtio,{more}"]

        return [
            *(QEMU, "-accel", "tcg", "-cpu", "max", "-machine", "pc", "-m", str(MEMORY_MB), "-smp", "1"),
            *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-nic", "none"),
            *("-kernel", str(self.kernel.image), "-initrd", str(self.directory / "initramfs"), "-append", COMMAND_LINE),
            *("-serial", f"file:{self.console}", "-serial", f"file:{self.directory / 'events'}"),
            *drive(self.root, "snapshot=on"),
            *drive(self.kernel.modules, "readonly=on"),
        ]

    def events(self, bound: float):
        """What inside/run.py reports, as it comes: a dictionary each. Ends when the machine powers off; a MachineError
        when it has not within `bound` seconds of being switched on."""
        with open(self.directory / "events", "rb") as events:
            rest = b""
            while True:
                # asked before reading, so that what was written last is read
                over = self.popen.poll() is not None
                rest += events.read()
                *lines, rest = rest.split(b"\n")
                for line in lines:
                    yield self._event(line)
                if over:
                    break
                if time.monotonic() > self.powered_on + bound:
                    raise MachineError(f"the machine was not done within {bound:g} s")
                time.sleep(POLL)
        if self.popen.returncode != 0:
            raise MachineError(f"{QEMU}: exit {self.popen.returncode}: {(self.directory / 'qemu.log').read_text().strip()}")

    def _event(self, line: bytes) -> dict:
        try:
            event = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            raise MachineError(f"not an event: {line[:200]!r}")
        return event
