#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""bulkhead-syncd as a program: its end, its name, its words, TLS."""
import json
import shutil
import socket
import ssl
import subprocess
import time
import unittest

from syncd_case import BOUND, Case, NODE, PREFIX, setUpModule, wait_until, FakeEngine  # noqa: F401


class TestProgram(Case):
    def test_sigterm_gives_the_lease_back(self):
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.start()
        self.assertEqual(self.end(), 0)
        self.assertEqual(self.records("nodes")[NODE]["heartbeat"], 0)
        self.assertIn(endpoint, self.endpoints())

    def test_sigterm_without_engine_and_redis(self):
        self.engine.close()
        self.stop_redis()
        self.spawn()
        wait_until(lambda: self.http("/healthz")[0] == 200, "it is alive")
        self.assertEqual(self.end(), 0)

    def test_node_name_held_by_another_engine(self):
        """Two hosts of one name: the second ends and says who is there; the first goes on."""
        self.start()
        first = self.syncd
        self.addCleanup(first.wait)
        self.addCleanup(first.kill)
        with FakeEngine(self.directory / "other.sock", engine_id="OTHER:1") as other:
            self.spawn("--docker-host", f"unix://{other.path}", "--listen", "none")
            self.assertEqual(self.syncd.wait(BOUND), 1)
        self.assertIn("FAKE:0001", self.log.read_text().splitlines()[-1])
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.wait_endpoint(endpoint)

    def test_copy_of_an_engine(self):
        """Two hosts with one Engine ID (a copied key.json) and one name: the second waits, says why, and goes on when the first ends."""
        self.start()
        self.end()
        # two hosts' boots cannot be had on one: the first host's syncd is its record, as ours was
        holder = {**self.records("nodes")[NODE], "boot": "another"}

        def beat():
            self.redis("HSET", f"{PREFIX}nodes", NODE, json.dumps({**holder, "heartbeat": int(time.time())}))

        beat()
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.spawn()
        words = f"node {NODE} is held by another syncd of the same Engine ID (instance {holder['instance']}): cloned Engine identity?"
        wait_until(lambda: beat() or words in self.http("/readyz")[1], "the second says why it waits")
        self.assertEqual(self.http("/readyz")[0], 503)
        self.assertEqual([line.split()[1] for line in self.log.read_text().splitlines() if words in line], ["warn"])
        self.assertEqual(self.endpoints(), {})
        # it ends, or is renamed
        self.wait_endpoint(endpoint)
        self.wait_ready()

    def test_second_syncd_of_a_host(self):
        """Of one host, thus of one boot, it is no copy: two services where one was meant."""
        self.start()
        first = self.syncd
        self.addCleanup(first.wait)
        self.addCleanup(first.kill)
        self.spawn("--listen", "none")
        self.wait_log(f"warn  store: node {NODE} is held by another syncd of the same Engine ID")
        self.assertIn("on this host", self.log.read_text())

    def test_node_from_the_command_line(self):
        self.start("--node", "other")
        self.assertEqual(list(self.records("nodes")), ["other"])

    def test_engine_name_that_cannot_be_a_node(self):
        self.engine.info["Name"] = "a/b"
        self.spawn()
        self.assertEqual(self.syncd.wait(BOUND), 1)
        self.assertIn("use --node", self.log.read_text())

    def test_api_version(self):
        self.start()
        self.assertGreater(self.engine.count(r"^/v1\.41/networks$"), 0)
        self.engine.version.update({"ApiVersion": "1.55", "MinAPIVersion": "1.40"})
        self.engine.cut()
        wait_until(lambda: self.engine.count(r"^/v1\.51/networks$"), "the band's newest is spoken")
        self.engine.version.update({"ApiVersion": "1.39"})
        self.engine.cut()
        self.wait_not_ready("DOCKER_API_VERSION overrides")

    def test_api_version_from_the_environment(self):
        self.start(DOCKER_API_VERSION="1.43")
        self.assertGreater(self.engine.count(r"^/v1\.43/networks$"), 0)

    def call(self, *arguments, **environment):
        return subprocess.run(
            self.arguments(*arguments), env=self.environment(**environment), capture_output=True, text=True, timeout=BOUND * 2
        )

    def test_check(self):
        done = self.call("--check")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual([line[:4] for line in done.stdout.splitlines()], ["ok  "] * 4)
        self.assertIn("labels: org.projectcalico.label.X as X; those of images do not count", done.stdout)
        self.assertIn("20.10.24", done.stdout)
        self.assertIn("node fakenode, Engine id FAKE:0001", done.stdout)
        self.stop_redis()
        self.engine.version["ApiVersion"] = "1.30"
        done = self.call("--check")
        self.assertEqual(done.returncode, 1)
        self.assertEqual([line[:4] for line in done.stdout.splitlines()], ["ok  ", "FAIL", "ok  ", "FAIL"])
        self.engine.close()
        done = self.call("--check")
        self.assertIn("docker.sock", done.stdout)
        self.assertEqual(done.returncode, 1)

    def test_healthcheck(self):
        self.assertEqual(self.call("--healthcheck").returncode, 1)
        self.start()
        self.assertEqual(self.call("--healthcheck").returncode, 0)
        self.engine.close()
        self.wait_not_ready("engine:")
        self.assertEqual(self.call("--healthcheck").returncode, 1)

    def test_wrong_use(self):
        wrong = (
            (["--docker-host", "ssh://host"], {}, "ssh -L"),
            (["--docker-host", "docker.sock"], {}, "unix://"),
            (["--resync", "0"], {}, "resync"),
            (["--image-labels", "maybe"], {}, "image-labels"),
            (["--label-prefix", ""], {}, "label-prefix"),
            (["--label-prefix", "a.=docker/"], {}, "reserved"),
            (["--label-prefix", "a.", "--label-prefix", "a.=x/"], {}, "named before"),
            ([], {"BULKHEAD_LABEL_PREFIX": "a.,b.=x y"}, "LABEL_PREFIX"),
            (["--node", "a/b"], {}, "node"),
            (["--nonsense"], {}, "nonsense"),
            (["operand"], {}, "operand"),
            ([], {"DOCKER_API_VERSION": "latest"}, "DOCKER_API_VERSION"),
            ([], {"BULKHEAD_RESYNC": "soon"}, "RESYNC"),
        )
        for arguments, environment, part in wrong:
            with self.subTest(arguments=arguments, environment=environment):
                done = self.call(*arguments, **environment)
                self.assertEqual(done.returncode, 64)
                self.assertIn(part, done.stderr)
                self.assertEqual(done.stdout, "")

    def test_help_and_version(self):
        self.assertEqual(self.call("--help").returncode, 0)
        self.assertIn("--docker-host", self.call("--help").stdout)
        self.assertEqual(self.call("--version").returncode, 0)

    def test_port_taken(self):
        with socket.create_server(("127.0.0.1", self.port)):
            done = self.call()
        self.assertEqual(done.returncode, 1)
        self.assertIn(str(self.port), done.stderr)


class TestTls(Case):
    """tcp:// with DOCKER_TLS_VERIFY: both sides show a certificate, and the Engine's must be for its name."""

    def openssl(self, *words):
        subprocess.run(["openssl", *words], cwd=self.directory, check=True, capture_output=True)

    def certificate(self, name, subject, extension):
        self.openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}key.pem", "-out", "req.pem", "-subj", f"/CN={subject}")
        (self.directory / "ext").write_text(extension)
        self.openssl(
            "x509", "-req", "-in", "req.pem", "-CA", "ca.pem", "-CAkey", "cakey.pem", "-CAcreateserial", "-days", "2",
            "-extfile", "ext", "-out", f"{name}cert.pem",
        )

    def setUp(self):
        super().setUp()
        if not shutil.which("openssl"):
            self.skipTest("needs openssl")
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "cakey.pem", "-out", "ca.pem", "-subj", "/CN=ca", "-days", "2")
        self.certificate("", "client", "extendedKeyUsage=clientAuth")  # cert.pem, wants its key as key.pem
        self.certificate("server", "engine", "subjectAltName=IP:127.0.0.1")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.directory / "servercert.pem", self.directory / "serverkey.pem")
        context.load_verify_locations(self.directory / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        self.engine.close()
        self.engine.open(tls=context)
        self.environment_of_tls = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(self.directory)}

    def test_verified(self):
        _, endpoint = self.engine.run(self.net, "web", "10.1.0.2")
        self.start("--docker-host", f"tcp://127.0.0.1:{self.engine.port}", **self.environment_of_tls)
        self.assertIn(endpoint, self.endpoints())
        _, later = self.engine.run(self.net, "later", "10.1.0.3")
        self.wait_endpoint(later)

    def test_certificate_for_another_name(self):
        self.spawn("--docker-host", f"tcp://localhost:{self.engine.port}", **self.environment_of_tls)
        self.wait_not_ready("engine: version:")
        self.assertIn("localhost", self.http("/readyz")[1])
        self.assertEqual(self.engine.requests, [])

    def test_without_a_certificate_of_ours(self):
        self.spawn("--docker-host", f"https://127.0.0.1:{self.engine.port}", HOME=str(self.directory / "nobody"))
        self.wait_not_ready("engine: version:")
        self.assertEqual(self.engine.requests, [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
