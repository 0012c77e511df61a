# SPDX-License-Identifier: GPL-2.0-or-later
"""The machine's root disk: the files of this host's own Debian packages, and nothing else of the host.

No installation and no mirror: what tests/run has installed for the other tests is what runs inside, in the same versions.
"""

import hashlib
import os
import pathlib
import shutil
import stat

from .cache import MachineError, call, disk, made_once

PACKAGES = (
    "bash", "busybox-static", "conntrack", "coreutils", "dash", "docker.io", "grep", "iproute2", "iptables", "kmod",
    "nftables", "procps", "python3", "redis-server", "sed", "tar", "util-linux", "mount",
    "libevent-core-2.1-7", "libevent-extra-2.1-7", "libevent-openssl-2.1-7", "libcurl4", "libhiredis0.14", "libjansson4",
    "libmnl0", "libnftnl11", "libssl3", "libyaml-0-2",
)  # fmt: skip
LEFT_OUT = ("/usr/share/doc/", "/usr/share/man/", "/usr/share/locale/", "/usr/share/info/", "/boot/", "/lib/modules/")
STATUS = pathlib.Path("/var/lib/dpkg/status")
SPARE_MB = 256


def installed() -> dict:
    """Package name -> its fields, for what is installed; virtual packages under the names that they provide."""
    found = {}
    for paragraph in STATUS.read_text().split("\n\n"):
        lines = [line.split(": ", 1) for line in paragraph.split("\n") if line[:1] not in (" ", "")]
        fields = {pair[0]: pair[1] for pair in lines if len(pair) == 2}
        if not fields.get("Status", "").endswith(" installed"):
            continue
        found[fields["Package"]] = fields
        for name in words(fields.get("Provides", "")):
            found.setdefault(name[0], fields)
    return found


def words(relation: str) -> list:
    """ "a (>= 1) | b, c:any" -> [["a", "b"], ["c"]] """
    groups = [group.split("|") for group in relation.split(",") if group.strip()]
    return [[each.split()[0].partition(":")[0] for each in group] for group in groups]


def closure(wanted) -> list:
    """The packages, and what they depend on, by name; what is missing is named."""
    known, chosen, missing = installed(), {}, []
    todo = [(name.split("|"), "the test machine") for name in wanted]
    while todo:
        alternatives, by = todo.pop()
        fields = next((known[name] for name in alternatives if name in known), None)
        if not fields:
            missing.append(f"{'|'.join(alternatives)} ({by})")
        elif fields["Package"] not in chosen:
            chosen[fields["Package"]] = fields
            both = f"{fields.get('Pre-Depends', '')},{fields.get('Depends', '')}"
            todo += [(group, fields["Package"]) for group in words(both)]
    if missing:
        raise MachineError(f"packages that are not installed: {', '.join(sorted(missing))}")
    return [chosen[name] for name in sorted(chosen)]


def copy_packages(names, tree: pathlib.Path) -> None:
    for link in ("bin", "sbin", "lib", "lib64"):
        (tree / "usr" / link).mkdir(parents=True, exist_ok=True)
        (tree / link).symlink_to(f"usr/{link}")
    for line in call(["dpkg-query", "-L", *names]).splitlines():
        # diversions are told in words between the paths
        if line.startswith("/") and line != "/." and not line.startswith(LEFT_OUT):
            copy(line, tree)


def copy(path: str, tree: pathlib.Path) -> None:
    to = tree / path.lstrip("/")
    if not os.path.lexists(path) or os.path.lexists(to):
        return
    mode = os.lstat(path).st_mode
    if stat.S_ISDIR(mode):
        to.mkdir(parents=True, exist_ok=True)
    elif stat.S_ISREG(mode) or stat.S_ISLNK(mode):
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, to, follow_symlinks=False)


def finish(tree: pathlib.Path) -> None:
    """What the packages' own scripts would have done."""
    alternatives = tree / "etc/alternatives"
    shutil.rmtree(alternatives, ignore_errors=True)
    shutil.copytree("/etc/alternatives", alternatives, symlinks=True)
    for directory in ("/usr/bin", "/usr/sbin"):
        for entry in os.scandir(directory):
            if entry.is_symlink() and os.readlink(entry.path).startswith("/etc/alternatives/"):
                copy(entry.path, tree)
    copy("/usr/bin/sh", tree)
    (tree / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/bin/false\n")
    (tree / "etc/group").write_text("root:x:0:\ndocker:x:999:\nnogroup:x:65534:\n")
    (tree / "etc/hostname").write_text("machine\n")
    (tree / "etc/hosts").write_text("127.0.0.1 localhost machine\n::1 localhost\n")
    for directory in ("proc", "sys", "dev", "run", "tmp", "root", "var/lib", "var/tmp", "bulkhead", "usr/lib/modules"):
        (tree / directory).mkdir(parents=True, exist_ok=True)
    call(["/sbin/ldconfig", "-r", tree])


def root_image() -> pathlib.Path:
    """The disk, made again when a package or this file has changed."""
    packages = closure(PACKAGES)
    versions = [f"{fields['Package']}={fields['Version']}" for fields in packages]
    key = hashlib.sha256("\n".join(versions).encode() + pathlib.Path(__file__).read_bytes()).hexdigest()[:16]

    def make(made: pathlib.Path) -> None:
        tree = made / "tree"
        copy_packages([f"{fields['Package']}:{fields['Architecture']}".removesuffix(":all") for fields in packages], tree)
        finish(tree)
        (made / "packages").write_text("\n".join(versions) + "\n")
        disk(tree, made / "root.ext4", SPARE_MB)

    return made_once(f"root-{key}", make) / "root.ext4"
