# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's kernels as Debian ships them: the image that boots, and a disk with the modules that a network host loads."""

import dataclasses
import lzma
import os
import pathlib
import shutil

from .cache import MachineError, call, disk, made_once

MIRROR = os.environ.get("BULKHEAD_DEBIAN_MIRROR", "http://deb.debian.org/debian")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# The kernel for virtual machines: the same version and network options as linux-image-amd64, a fifth of its size.
PACKAGE = "linux-image-cloud-amd64"
# Of lib/modules/*/kernel: no file systems but the Engine's, no devices but virtual ones.
KEPT = ("arch", "crypto", "lib", "net", "fs/overlayfs", "drivers/net", "drivers/virtio", "drivers/block")
# What it takes to see a disk; in the order of loading, those that are built in left out.
BOOT_MODULES = ("virtio", "virtio_ring", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk")


@dataclasses.dataclass(frozen=True)
class Kernel:
    name: str
    directory: pathlib.Path

    @property
    def image(self) -> pathlib.Path:
        return self.directory / "vmlinuz"

    @property
    def modules(self) -> pathlib.Path:
        return self.directory / "modules.ext4"

    @property
    def release(self) -> str:
        return (self.directory / "release").read_text().strip()

    def boot_modules(self) -> list:
        """Paths of the modules that the initramfs loads, in their order."""
        return [path for name in BOOT_MODULES if (path := self.directory / f"{name}.ko").exists()]


@dataclasses.dataclass(frozen=True)
class Source:
    name: str  # the beginning of its version
    suite: str

    def fetch(self) -> Kernel:
        """From the cache, or from Debian's mirror: the suite's present one, checked by apt against Debian's keys."""
        return Kernel(self.name, made_once(f"linux-{self.name}", self._make))

    def _make(self, made: pathlib.Path) -> None:
        tree = made / "tree"
        package = self._package(made)
        call(["dpkg-deb", "-x", package, tree])
        package.unlink()
        (image,) = (tree / "boot").glob("vmlinuz-*")
        release = image.name.removeprefix("vmlinuz-")
        if not release.startswith(self.name):
            raise MachineError(f"Debian's {self.suite} has Linux {release}, not {self.name}")
        (made / "release").write_text(release)
        shutil.move(image, made / "vmlinuz")
        modules = self._modules(next(tree.glob("**/lib/modules")), release)
        for name in BOOT_MODULES:
            for path in modules.rglob(f"{name}.ko"):
                shutil.copy(path, made)
        shutil.move(modules, made / "modules")
        disk(made / "modules", made / "modules.ext4", 4)
        shutil.rmtree(tree)

    def _modules(self, modules: pathlib.Path, release: str) -> pathlib.Path:
        """Leaves what is KEPT, unpacked (the emulated processor takes longer to unpack them than to run them)."""
        kernel = modules / release / "kernel"
        for path in list(kernel.rglob("*.ko*")):
            if not str(path.relative_to(kernel)).startswith(KEPT):
                path.unlink()
            elif path.suffix == ".xz":
                path.with_suffix("").write_bytes(lzma.decompress(path.read_bytes()))
                path.unlink()
        base = modules.parents[1]
        # a merged /usr has them there, and depmod looks in /lib
        if base.name == "usr":
            (base.parent / "lib").symlink_to("usr/lib")
            base = base.parent
        call(["/sbin/depmod", "-b", base, release])
        return modules

    def _package(self, made: pathlib.Path) -> pathlib.Path:
        """Downloads the package by an apt that shares nothing with the host's but the keys."""
        apt = made / "apt"
        for directory in ("state/lists/partial", "cache/archives/partial", "etc"):
            (apt / directory).mkdir(parents=True)
        (apt / "state/status").touch()
        (apt / "etc/sources.list").write_text(f"deb [arch=amd64 signed-by={KEYRING}] {MIRROR} {self.suite} main\n")
        config = apt / "apt.conf"
        config.write_text(
            f'Dir::State "{apt}/state";\nDir::State::status "{apt}/state/status";\nDir::Cache "{apt}/cache";\n'
            f'Dir::Etc::SourceList "{apt}/etc/sources.list";\nDir::Etc::SourceParts "/dev/null";\n'
            'Dir::Etc::Preferences "/dev/null";\nDir::Etc::PreferencesParts "/dev/null";\n'
            'APT::Architecture "amd64";\nAPT::Architectures { "amd64"; };\nAPT::Sandbox::User "root";\n'
            'Acquire::Languages "none";\nAcquire::Retries "3";\n'
        )
        env = {**os.environ, "APT_CONFIG": str(config), "LC_ALL": "C"}
        call(["apt-get", "-q", "update"], env=env)
        fields = call(["apt-cache", "depends", "--important", PACKAGE], env=env).split()
        wanted = next((word for word in fields if word.startswith("linux-image-") and word != PACKAGE), None)
        if not wanted:
            raise MachineError(f"{PACKAGE} of {self.suite} names no kernel: {' '.join(fields)}")
        call(["apt-get", "-q", "download", wanted], env=env, cwd=made)
        (package,) = made.glob("*.deb")
        shutil.rmtree(apt)
        return package


KERNELS = {source.name: source for source in (Source("6.1", "bookworm"), Source("6.12", "trixie"))}
