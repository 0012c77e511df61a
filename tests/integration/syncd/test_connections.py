#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The ways to an Engine beside the unix socket, and what may come along them: TCP, TLS that is refused, connections that are dead
without a word, answers without end."""
import os
import pathlib
import select
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import unittest

from test_syncd import LABEL, Case, setUpModule, wait_until  # noqa: F401

MEGABYTE = 1 << 20
MEMORY_MAX = 200 * MEGABYTE  # a body of 64 MB at most, as it is doubled


class Relay:
    """TCP to a port of 127.0.0.1. Frozen, it forwards nothing of the connections that stand and ends none of them: what a peer looks
    like whose host has lost its power, or that a firewall has forgotten."""

    def __init__(self, port):
        self.to = port
        self.generation = 0
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.sockets = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.to))
            self.sockets += [client, server]
            threading.Thread(target=self.forward, args=(client, server, self.generation), daemon=True).start()

    def forward(self, client, server, generation):
        other = {client: server, server: client}
        try:
            while True:
                for sock in select.select(list(other), [], [], 0.1)[0]:
                    if generation != self.generation:
                        return
                    data = sock.recv(65536)
                    if not data:
                        other[sock].shutdown(socket.SHUT_WR)
                        return
                    other[sock].sendall(data)
                if generation != self.generation:
                    return
        except (OSError, ValueError):
            return

    def freeze(self):
        self.generation += 1

    def close(self):
        # accept() does not notice that its socket is closed
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        for sock in self.sockets:
            sock.close()


class TestTcp(Case):
    def setUp(self):
        super().setUp()
        self.engine.close()
        self.engine.open(tcp=True)

    def test_plain(self):
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.2", labels={LABEL + "role": "web"})
        self.start(DOCKER_HOST=f"tcp://127.0.0.1:{self.engine.port}", arguments_of_host=False)
        self.assertIn(endpoint, self.endpoints())
        _, later = self.engine.run(self.net, "later", "10.1.0.3")
        self.wait_endpoint(later)

    def test_half_open(self):
        """Noticed, the records stay, and what happened meanwhile is found."""
        relay = Relay(self.engine.port)
        self.addCleanup(relay.close)
        container, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.start("--docker-host", f"tcp://127.0.0.1:{relay.port}")
        relay.freeze()
        self.engine.detach(self.net, container)
        late = self.engine.add_container("late", state="running")
        new = self.engine.attach(self.net, late, "10.1.0.3")
        self.assertIn(endpoint, self.endpoints())
        wait_until(lambda: "lost the Engine" in self.log.read_text(), "it is noticed", 45)
        self.wait_ready()
        self.assertEqual(list(self.endpoints()), [new])

    # Case gives --docker-host always; here the variable is what is tried
    def arguments(self, *more):
        words = super().arguments(*more)
        if not self.with_host:
            at = words.index("--docker-host")
            del words[at : at + 2]
        return words

    with_host = True

    def start(self, *more, arguments_of_host=True, **environment):
        self.with_host = arguments_of_host
        super().start(*more, **environment)


class TestSizes(Case):
    """No answer makes syncd grow without bound, and none that is cut off counts."""

    def memory(self):
        for line in pathlib.Path(f"/proc/{self.syncd.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise KeyError("VmHWM")

    def test_large_answers(self):
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.start()
        for path in (r"/containers/json\?all=1$", r"/networks$", rf"/networks/{self.net}$"):
            with self.subTest(path=path):
                self.engine.fail(path, body=b"[" + b" " * (65 * MEGABYTE) + b"]")
                self.syncd.send_signal(signal.SIGHUP)
                self.wait_not_ready("too large")
                self.assertIn(endpoint, self.endpoints())
                self.engine.heal()
                self.wait_ready()
                self.assertIn(endpoint, self.endpoints())
        print(f"\nfigure: memory of syncd after answers of 65 MB: {self.memory() / MEGABYTE:.0f} MB at most")
        self.assertLess(self.memory(), MEMORY_MAX)

    def test_event_without_end(self):
        """A line of the stream that goes on and on: it is not kept, everything is compared, and what follows it is read again."""
        self.start()
        quiet = self.engine.add_container("quiet", state="running")
        missed = self.engine.attach(self.net, quiet, "10.1.0.7")
        for _ in range(100):
            self.engine.emit_raw(b"x" * MEGABYTE)
        self.wait_endpoint(missed)
        self.engine.emit_raw(b"\n")
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.wait_endpoint(endpoint)
        self.assertLess(self.memory(), MEMORY_MAX)


class TestAnswers(Case):
    """Whatever an answer holds, syncd goes on, what is published stays, and the next good answer counts."""

    BODIES = {
        "nothing": b"",
        "no JSON": b"\x00\xff\xfe",
        "null": b"null",
        "a number": b"1e999999",
        "a list of lists": b"[" * 100000,
        "objects in objects": b'{"Id":' * 100000,
        "closed as well": b"[" * 100000 + b"]" * 100000,
        "half of one": b'[{"Id":"aaaa',
        "no UTF-8": b'[{"Id":"\xc3\x28"}]',
        "half a surrogate": b'{"ID":"\\ud800","Name":"\\udc00","Id":"\\ud800"}',
        "a NUL": b'{"ID":"\\u0000","Name":"a\\u0000b","Version":"\\u0000","ApiVersion":"1.41\\u0000","Id":"\\u0000"}',
        "one key many times": b"{" + b'"Id":"a",' * 100000 + b'"Id":7}',
        "wrong types": b'{"Id":[],"ID":{},"Name":7,"Containers":[1],"Labels":"x","Config":7,"ApiVersion":1.41,"IPAM":[],"Options":0}',
        "elements of wrong types": b'[null,1,"x",[],{"Id":null},{"Id":"' + b"a" * 64 + b'","Labels":[{}],"Ports":{},"NetworkSettings":0}]',
        "large numbers": b'[{"Id":"' + b"a" * 64 + b'","Ports":[{"PrivatePort":99999999999999999999}]}]',
        "two at once": b"[][]",
    }

    def test_any_list(self):
        own = {LABEL + "role": "web"}
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.2", labels=own)
        self.start()
        record, messages = self.endpoints()[endpoint], self.messages()
        for path in (r"/containers/json\?all=1$", "/networks$", rf"/networks/{self.net}$"):
            for name, body in self.BODIES.items():
                with self.subTest(path=path, body=name):
                    fault = self.engine.fail(path, body=body, times=1)
                    self.syncd.send_signal(signal.SIGHUP)
                    wait_until(lambda: fault not in self.engine.faults, "it is asked")  # noqa: B023
                    self.wait_ready()
                    self.assertEqual(self.endpoints()[endpoint], record)
        _, later = self.engine.run(self.net, "later", "10.1.0.3")
        said = []
        while later not in said:
            said += [change["id"] for change in messages.next()["changes"] if change["op"] == "del" or change["id"] == later]
        self.assertEqual(said, [later], "what is published stays")

    def test_any_image(self):
        """Labels that may be the image's do not count before it has been read."""
        own = {LABEL + "role": "web"}
        self.start()
        for number, (name, body) in enumerate(self.BODIES.items()):
            if name == "a NUL":
                continue  # an image without labels, by all that can be read in it
            with self.subTest(name):
                image = f"sha256:{number:064x}"
                self.engine.add_image(image, {})
                self.engine.fail(f"/images/{image}/json", body=body)
                _, endpoint = self.engine.run(self.net, f"c{number}", f"10.1.0.{number + 2}", labels=own, image_id=image)
                record = self.wait_endpoint(endpoint)
                self.assertNotIn("role", record["labels"])
                self.assertIn("role", record["rejected"])

    def test_any_greeting(self):
        for path in ("/version$", "/info$"):
            for name, body in self.BODIES.items():
                if name == "a NUL" and path == "/info$":
                    continue  # another Engine than the one that answers the next time: it ends for that
                with self.subTest(path=path, body=name):
                    fault = self.engine.fail(path, body=body, times=1)
                    self.start()
                    self.assertNotIn(fault, self.engine.faults)
                    self.assertEqual(self.end(), 0)

    def test_any_event(self):
        self.start()
        for body in self.BODIES.values():
            self.engine.emit_raw(body.replace(b"\n", b" ") + b"\n")
            for kind in (b"container", b"network", b"daemon"):
                self.engine.emit_raw(b'{"Type":"' + kind + b'","Action":"connect","Actor":' + (body or b"{}") + b"}\n")
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.wait_endpoint(endpoint)
        self.assertIsNone(self.syncd.poll())

    def test_answers_that_are_cut_off(self):
        """Half a list is no list: it may not take away what its other half holds."""
        self.engine.close()
        self.engine.open(tcp=True)
        relay = Cutter(self.engine.port)
        self.addCleanup(relay.close)
        endpoints = {self.engine.run(self.net, f"c{i}", f"10.1.0.{i + 2}")[1] for i in range(20)}
        self.start("--docker-host", f"tcp://127.0.0.1:{relay.port}")
        self.assertEqual(set(self.endpoints()), endpoints)
        for path in (b"/containers/json?all=1", b"/networks", b"/networks/" + self.net.encode()):
            with self.subTest(path=path):
                relay.path = path
                self.syncd.send_signal(signal.SIGHUP)
                self.wait_not_ready("engine:")
                self.assertGreater(relay.cut, 0)
                self.assertEqual(set(self.endpoints()), endpoints)
                relay.path, relay.cut = None, 0
                self.wait_ready()
                self.assertEqual(set(self.endpoints()), endpoints)


class Cutter(Relay):
    """Of the answer to `path`, half arrives."""

    path, cut = None, 0

    def forward(self, client, server, generation):
        asked = b""
        other = {client: server, server: client}
        try:
            while True:
                for sock in select.select(list(other), [], [])[0]:
                    data = sock.recv(1 << 20)
                    if sock is client:
                        asked = data.split(b" ")[1] if data.count(b" ") > 1 else b""
                    elif self.path and asked.endswith(self.path) and len(data) > 200:
                        self.cut += 1
                        client.sendall(data[: len(data) // 2])
                        data = b""
                    if not data:
                        client.close()
                        server.close()
                        return
                    other[sock].sendall(data)
        except (OSError, ValueError):
            return


class TestTlsRefused(Case):
    """Nothing is asked of an Engine that does not prove who it is, or that does not take our certificate."""

    @classmethod
    def setUpClass(cls):
        if not shutil.which("openssl"):
            if os.environ.get("CI") == "true":
                raise RuntimeError("needs openssl")
            raise unittest.SkipTest("needs openssl")

    def openssl(self, *words):
        subprocess.run(["openssl", *words], cwd=self.directory, check=True, capture_output=True)

    def authority(self, name):
        self.openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}-key.pem", "-out", f"{name}.pem", "-subj", f"/CN={name}",
            "-days", "2",
        )

    def certificate(self, authority, to, days="2"):
        (self.directory / "ext").write_text("subjectAltName=IP:127.0.0.1")
        folder = self.directory / to
        folder.mkdir()
        self.openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{to}/key.pem", "-out", "req.pem", "-subj", f"/CN={to}")
        self.openssl(
            "x509", "-req", "-in", "req.pem", "-CA", f"{authority}.pem", "-CAkey", f"{authority}-key.pem", "-CAcreateserial",
            "-days", days, "-extfile", "ext", "-out", f"{to}/cert.pem",
        )
        return folder

    def setUp(self):
        super().setUp()
        for name in ("ours", "theirs"):
            self.authority(name)

    def serve(self, folder, **versions):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        context.load_verify_locations(self.directory / "ours.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        for name, version in versions.items():
            setattr(context, name, version)
        self.engine.close()
        self.engine.open(tls=context)

    def client(self, authority="ours", certificate="ours"):
        folder = self.certificate(certificate, "client")
        shutil.copy(self.directory / f"{authority}.pem", folder / "ca.pem")
        return {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(folder)}

    def assert_refused(self, environment, part="engine: version:"):
        self.spawn("--docker-host", f"tcp://127.0.0.1:{self.engine.port}", **environment)
        self.wait_not_ready(part)
        self.assertEqual(self.engine.requests, [])

    def test_this_much_works(self):
        self.serve(self.certificate("ours", "engine"))
        self.start("--docker-host", f"tcp://127.0.0.1:{self.engine.port}", **self.client())

    def test_engine_of_another_authority(self):
        self.serve(self.certificate("theirs", "engine"))
        self.assert_refused(self.client())

    def test_certificate_that_has_run_out(self):
        self.serve(self.certificate("ours", "engine", days="-1"))
        self.assert_refused(self.client())

    def test_client_of_another_authority(self):
        self.serve(self.certificate("ours", "engine"))
        self.assert_refused(self.client(certificate="theirs"))

    def test_old_tls(self):
        self.serve(self.certificate("ours", "engine"), minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
        self.assert_refused(self.client())

    def test_files_that_are_not_there(self):
        self.serve(self.certificate("ours", "engine"))
        for missing in ("ca.pem", "cert.pem", "key.pem"):
            with self.subTest(missing=missing):
                shutil.rmtree(self.directory / "client", ignore_errors=True)
                environment = self.client()
                os.unlink(pathlib.Path(environment["DOCKER_CERT_PATH"]) / missing)
                self.assert_refused(environment)
                self.kill_syncd()

    def test_tls_to_a_plain_engine_and_the_other_way_round(self):
        self.serve(self.certificate("ours", "engine"))
        self.assert_refused({})
        self.kill_syncd()
        self.engine.close()
        self.engine.open(tcp=True)
        self.assert_refused(self.client())


if __name__ == "__main__":
    unittest.main(verbosity=1)
