# SPDX-License-Identifier: GPL-2.0-or-later
"""Connections that were open, and silent, before Bulkhead came: whoever speaks first afterwards, they are judged as what they are."""

import subprocess
import sys
import unittest

from harness import Case, Engine, Stack, wait_until
from harness.case import PATIENCE, require
from harness.process import call

ALLOWED, FORBIDDEN = 3400, 3401
SILENCE, REPEATED = 3, 10  # seconds; TCP repeats what is not answered after 0.2, 0.4, 0.8 ...
POLICIES = """
- apiVersion: v1
  kind: policy
  metadata: {name: server}
  spec:
    selector: role == 'server'
    ingress:
    - {action: allow, protocol: tcp, source: {selector: role == 'client'}, destination: {ports: [3400]}}
    egress: []
- apiVersion: v1
  kind: policy
  metadata: {name: client}
  spec:
    selector: role == 'client'
    ingress: []
    egress:
    - {action: allow, destination: {selector: role == 'server'}}
"""
# Each says "ready", then does what it is told by lines: "send" sends a byte, "receive" waits for one, and says so.
COMMON = """
import socket, sys
def obey(s):
    print("ready", flush=True)
    for line in sys.stdin:
        word, seconds = line.split()
        s.settimeout(float(seconds))
        try:
            print("sent" if word == "send" and s.send(b"x") else "received" if s.recv(1) else "ended", flush=True)
        except OSError as error:
            print(type(error).__name__, flush=True)
"""
SERVER = COMMON + """
listener = socket.create_server(("", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
print("listening", flush=True)
obey(listener.accept()[0])
"""
CLIENT = COMMON + "obey(socket.create_connection((sys.argv[2], int(sys.argv[1])), 5))\n"


def setUpModule():
    require()


class End:
    def __init__(self, container, code: str, *words):
        argv = [*container.inside(), sys.executable, "-c", code, *map(str, words)]
        self.popen = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def said(self) -> str:
        return self.popen.stdout.readline().strip()

    def tell(self, word: str, seconds: float) -> None:
        self.popen.stdin.write(f"{word} {seconds * PATIENCE}\n")
        self.popen.stdin.flush()

    def does(self, word: str, seconds: float) -> str:
        self.tell(word, seconds)
        return self.said()

    def close(self) -> None:
        self.popen.communicate(timeout=60 * PATIENCE)


class Connection:
    def __init__(self, client, server, port: int, family: int):
        self.server = End(server, SERVER, port)
        assert self.server.said() == "listening"
        self.client = End(client, CLIENT, port, server.address(family))
        self.ends = self.client, self.server
        assert [end.said() for end in self.ends] == ["ready", "ready"]

    def close(self) -> None:
        for end in self.ends:
            end.close()


class Old(Case):
    """Connections between two containers of one bridge that are older than Bulkhead."""

    def setUp(self):
        self.engine = self.enterContext(Engine())
        net = self.engine.network("net1", ipv6="fd00:b0:9::/64")
        self.server = self.engine.run("server-A", net, {"role": "server"})
        self.client = self.engine.run("client-A", net, {"role": "client"})
        self.stack = Stack(self.engine)
        self.witnesses = (self.engine, self.stack)

    def switch_bridges(self, value: int):
        for name in ("iptables", "ip6tables"):
            path = f"/proc/sys/net/bridge/bridge-nf-call-{name}"
            call(self.engine.namespace.prefix() + ["sh", "-ec", f"[ ! -e {path} ] || echo {value} > {path}"])

    def entries(self, family: int = 4) -> str:
        words = ["conntrack", "-L", "-f", f"ipv{family}", "-p", "tcp", "-s", self.client.address(family)]
        return call(self.engine.namespace.prefix() + words, check=False).stdout

    def connection(self, port: int, family: int = 4) -> Connection:
        connection = Connection(self.client, self.server, port, family)
        self.addCleanup(connection.close)
        return connection

    def arrives(self, source: End, target: End, seconds: float) -> bool:
        self.assertEqual(source.does("send", 1), "sent")
        answer = target.does("receive", seconds)
        self.assertIn(answer, ("received", "TimeoutError"))
        return answer == "received"

    def protect(self):
        self.addCleanup(self.stack.clear)
        self.addCleanup(self.stack.stop)
        self.stack.start_redis()
        self.stack.start_syncd()
        self.stack.apply(POLICIES)
        self.stack.start_enforcerd()
        self.stack.wait_in_force()
        wait_until(lambda: self.stack.status().get("unplaced") == "0", 10, "all are placed")


class Silent(Old):
    def setUp(self):
        super().setUp()
        # from conntrack, as on a host whose Engine does not switch br_netfilter on
        self.switch_bridges(0)

    def test_the_server_speaks_first(self):
        allowed, forbidden = self.connection(ALLOWED), self.connection(FORBIDDEN)
        other = self.connection(ALLOWED + 100)  # as forbidden; seen to work without Bulkhead
        self.assertTrue(self.arrives(other.server, other.client, REPEATED))
        self.assertEqual(self.entries(), "", "conntrack knows nothing of them")
        self.protect()
        self.assertTrue(self.arrives(allowed.server, allowed.client, REPEATED))
        self.assertTrue(self.arrives(allowed.client, allowed.server, REPEATED))
        self.assertTrue(self.arrives(allowed.server, allowed.client, REPEATED))
        self.assertFalse(self.arrives(forbidden.server, forbidden.client, SILENCE))
        self.assertFalse(self.arrives(forbidden.client, forbidden.server, SILENCE))
        self.assertFalse(self.arrives(other.server, other.client, SILENCE))


class Untracked(Old):
    def test_ipv6_that_nothing_tracked(self):
        """Bridges that are seen by the inet family all along, but nobody's rules asked conntrack about IPv6 so far."""
        self.switch_bridges(1)
        allowed, forbidden = self.connection(ALLOWED, 6), self.connection(FORBIDDEN, 6)
        self.assertTrue(self.arrives(forbidden.client, forbidden.server, REPEATED))
        self.assertEqual(self.entries(6), "", "conntrack knows nothing of them")
        self.protect()
        self.assertTrue(self.arrives(allowed.client, allowed.server, REPEATED))
        self.assertTrue(self.arrives(allowed.server, allowed.client, REPEATED))
        self.assertFalse(self.arrives(forbidden.client, forbidden.server, SILENCE))
        self.assertFalse(self.arrives(forbidden.server, forbidden.client, SILENCE))


if __name__ == "__main__":
    unittest.main()
