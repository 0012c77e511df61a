# SPDX-License-Identifier: GPL-2.0-or-later
"""Docker Engines of other releases than the host's: programs of a newer Debian in a root of their own.

A release's tree is made by debootstrap once, under a lock, and kept in BULKHEAD_TEST_CACHE (default
/var/cache/bulkhead-tests). A release that cannot be had is an error and never a skip: an Engine that nobody has tried
is an Engine that Bulkhead is not known to work with.
"""

import contextlib
import dataclasses
import fcntl
import os
import pathlib
import shutil
import tempfile

from .process import Process, call, wait_file

MIRROR = "http://deb.debian.org/debian"
# Where sid has moved on to a newer Engine, it stays what it was that day.
SNAPSHOT = "http://snapshot.debian.org/archive/debian/20261123T000000Z"
PACKAGES = "docker.io,docker-cli,iptables,nftables,ca-certificates,kmod,mount"
MAKE_BOUND = 900

# Only /usr and /etc of the tree are looked at, so that any number of Engines share it and none changes it; the Engine's
# own directory has the same path inside and outside. runc pivots, which a chroot would refuse to it.
ENTER = r"""
set -e
tree=$1 own=$2
shift 2
root=$own/root
mkdir -p "$root"
mount -t tmpfs -o mode=755 root "$root"
cd "$root"
mkdir -p usr etc dev proc sys run tmp var/lib var/tmp root old "./$own"
ln -s usr/bin usr/sbin usr/lib usr/lib64 .
cp -a "$tree/etc/." etc
mount --bind "$tree/usr" usr
mount -o remount,bind,ro usr
[ ! -d /lib/modules ] || mount --bind /lib/modules usr/lib/modules
for each in dev proc sys; do mount --rbind "/$each" "$each"; done
mount --bind "$own" "./$own"
pivot_root . old
cd /
umount -l old
exec "$@"
"""


@dataclasses.dataclass(frozen=True)
class Release:
    name: str  # as dockerd says it, without the last number
    suite: str = ""  # of Debian; the host's own programs where empty
    mirrors: tuple = (MIRROR,)

    def tree(self) -> pathlib.Path:
        """The directory that holds its programs, made now if nobody has before."""
        cache = pathlib.Path(os.environ.get("BULKHEAD_TEST_CACHE", "/var/cache/bulkhead-tests"))
        cache.mkdir(parents=True, exist_ok=True)
        tree = cache / f"engine-{self.name}"
        with locked(cache / f"engine-{self.name}.lock"):
            if not tree.exists():
                for left in cache.glob(f"engine-{self.name}.making-*"):
                    shutil.rmtree(left)
                self._make(tree)
        return tree

    def _make(self, tree: pathlib.Path) -> None:
        whys = []
        for mirror in self.mirrors:
            making = pathlib.Path(tempfile.mkdtemp(prefix=f"{tree.name}.making-", dir=tree.parent))
            try:
                self._debootstrap(making, mirror)
                making.rename(tree)
                return
            except RuntimeError as error:
                whys.append(str(error))
                shutil.rmtree(making)
        raise RuntimeError(f"Engine {self.name} cannot be had: " + "; ".join(whys))

    def _debootstrap(self, making: pathlib.Path, mirror: str) -> None:
        # in a mount namespace: what it mounts must not outlive it, least of all into a rmtree()
        words = ["unshare", "--mount", "debootstrap", "--variant=minbase", f"--include={PACKAGES}", self.suite, making, mirror]
        done = call(words, check=False, timeout=MAKE_BOUND)
        if done.returncode != 0:
            told = (done.stdout + done.stderr).strip().splitlines()[-3:]
            raise RuntimeError(f"debootstrap {self.suite} from {mirror}: exit {done.returncode}: {' '.join(told)}")
        version = call([*program(making, "usr/sbin/dockerd"), "--version"]).stdout
        if f"version {self.name}." not in version:
            raise RuntimeError(f"{self.suite} from {mirror} has {version.strip()}")
        (making / "usr/lib/modules").mkdir(exist_ok=True)
        making.chmod(0o755)
        for rest in ("var", "usr/share/doc", "usr/share/locale", "usr/share/man"):
            shutil.rmtree(making / rest)


RELEASES = {
    each.name: each
    for each in (Release("20.10"), Release("26.1", "trixie"), Release("28.5", "sid", (MIRROR, SNAPSHOT)))
}


@contextlib.contextmanager
def locked(path: pathlib.Path):
    with open(path, "w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def program(tree: pathlib.Path, path: str) -> list:
    """Runs a program of the tree where it stands, with the libraries of the tree."""
    loader, libraries = next(tree.glob("usr/lib*/ld-linux*.so.?")), next(tree.glob("usr/lib/*-linux-gnu"))
    return [loader, "--library-path", libraries, tree / path]


class Root:
    """A mount namespace whose root holds a release's programs and, at its own path, the directory `own`. It stands until
    close(): containers of a dockerd with live-restore need it while dockerd is away."""

    def __init__(self, tree: pathlib.Path, own: pathlib.Path):
        mark = own / "root.stands"
        # a process that names the directory, by which what a killed test left behind is found
        hold = ["sh", "-c", 'touch "$1"; exec tail -f "$1"', "sh", mark]
        words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, "sh", tree, own, *hold]
        self.process = Process("root", words, own / "root.log")
        self.process.start()
        wait_file(mark, self.process)

    def prefix(self) -> list:
        """Put before the words of a command that is to run in it."""
        return ["nsenter", f"--mount=/proc/{self.process.popen.pid}/ns/mnt", "--"]

    def close(self) -> None:
        self.process.kill()
