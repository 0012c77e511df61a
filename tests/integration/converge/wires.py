# SPDX-License-Identifier: GPL-2.0-or-later
"""Two network namespaces: a host with bridges, and one that all containers share, each at the other end of a link of its own."""

import itertools
import subprocess


def run(*words, stdin=None):
    done = subprocess.run([str(word) for word in words], input=stdin, capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


class Wires:
    """enforcerd asks for a link's MAC and addresses at its other end: that it is one namespace for all makes no difference."""

    def __init__(self, name):
        self.host, self.inside = name, name + "c"
        self.serial = itertools.count(1)
        self.late = set()

    def open(self):
        for namespace in (self.host, self.inside):
            run("ip", "netns", "add", namespace)
            run("ip", "-n", namespace, "link", "set", "lo", "up")

    def close(self):
        for namespace in (self.host, self.inside):
            subprocess.run(["ip", "netns", "delete", namespace], capture_output=True, check=False)

    def prefix(self):
        return ["nsenter", f"--net=/run/netns/{self.host}", "--"]

    def batch(self, namespace, *lines):
        run("ip", "-n", namespace, "-batch", "-", stdin="\n".join(lines) + "\n")

    def bridge(self, name, *addresses):
        self.batch(
            self.host,
            f"link add {name} type bridge",
            *(f"address add {address} dev {name}" + (" nodad" if ":" in address else "") for address in addresses),
            f"link set {name} up",
        )

    def remove_bridge(self, name):
        self.batch(self.host, f"link delete {name}")

    def plug(self, bridge, mac, addresses):
        """Both ends, the inner one down: the container has it, and has not been told so. Returns the outer one's name."""
        if not bridge:
            return None
        number = next(self.serial)
        port, inner = f"veth{number}", f"eth{number}"
        self.batch(
            self.host,
            f"link add {port} type veth peer name {inner} address {mac} netns {self.inside}",
            f"link set {port} master {bridge}",
            f"link set {port} up",
        )
        self.batch(
            self.inside,
            *(f"address add {a}/{64 if ':' in a else 16} dev {inner}" + (" nodad" if ":" in a else "") for a in addresses),
        )
        self.late.add(port)
        return port

    def up(self, port):
        if port in self.late:
            self.late.discard(port)
            self.batch(self.inside, f"link set eth{port[4:]} up")

    def unplug(self, port):
        if port:
            self.late.discard(port)
            self.batch(self.host, f"link delete {port}")
