# SPDX-License-Identifier: GPL-2.0-or-later
"""A Docker Engine of the test's own: its own socket, data, namespace; nothing of the host's Engine is used."""

import atexit
import concurrent.futures
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

from . import probe
from .case import wait_until
from .netns import Namespace, Proxy
from .process import Process, call, tail
from .release import RELEASES, Root, program

IMAGE = "bulkhead-e2e"
LABEL_PREFIX = "org.projectcalico.label."
START_BOUND = 60
CONTAINER_ID = 64  # characters


class EngineConnection(http.client.HTTPConnection):
    """HTTP over the Engine's unix socket."""

    def __init__(self, path):
        super().__init__("engine", timeout=60)
        self.unix = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.unix)


class Network:
    def __init__(self, engine, name: str):
        self.engine = engine
        self.name = name

    def inspect(self) -> dict:
        return self.engine.get(f"/networks/{self.name}")

    @property
    def id(self) -> str:
        return self.inspect()["Id"]

    def connect(self, container, *options) -> None:
        self.engine.docker("network", "connect", *options, self.name, container.name)

    def disconnect(self, container) -> None:
        self.engine.docker("network", "disconnect", self.name, container.name)

    def remove(self) -> None:
        self.engine.docker("network", "rm", self.name)


class Container:
    def __init__(self, engine, name: str, network):
        self.engine = engine
        self.name = name
        self.network = network

    def inspect(self) -> dict:
        return self.engine.get(f"/containers/{self.name}/json")

    def endpoint(self, network=None) -> dict:
        """The Engine's record of this container in a network (default: the one that it was started in)."""
        return self.inspect()["NetworkSettings"]["Networks"][(network or self.network).name]

    def ip(self, network=None) -> str:
        return self.endpoint(network)["IPAddress"]

    def ip6(self, network=None) -> str:
        return self.endpoint(network)["GlobalIPv6Address"]

    def endpoint_id(self, network=None) -> str:
        return self.endpoint(network)["EndpointID"]

    def inside(self) -> list:
        """Puts a command into this container's network namespace."""
        pid = self.inspect()["State"]["Pid"]
        if not pid:
            raise probe.HarnessError(f"{self.name} does not run")
        return ["nsenter", f"--net=/proc/{pid}/ns/net", "--"]

    def address(self, family: int = 4, network=None) -> str:
        address = self.ip6(network) if family == 6 else self.ip(network)
        if not address:
            raise probe.HarnessError(f"{self.name} has no IPv{family} address")
        return address

    def reach(self, other, proto: str, port: int = 0, family: int = 4, network=None) -> bool:
        """Whether a connection from here to the other container gets its own bytes back.

        proto is tcp, udp or ping. "No" means that nothing came back in time although the other one answers the very
        same question when asked from its own namespace; anything else ("connection refused") is a HarnessError.
        """
        return self.reach_address(other.address(family, network), proto, port, confirm=other)

    def reach_address(self, address: str, proto: str, port: int = 0, confirm=None) -> bool:
        if proto == "ping":
            answered = probe.ping(self.inside(), address)
            if not answered and confirm and not probe.ping(confirm.inside(), address):
                raise probe.HarnessError(f"{confirm.name} does not answer its own ping")
            return answered
        tried = probe.attempt(self.engine.probe, self.inside(), proto, address, port)
        if tried.ok:
            return True
        if tried.why not in ("timeout", "No route to host"):
            raise probe.HarnessError(f"{self.name} to {address} {proto}/{port}: {tried.why}")
        if confirm:
            own = probe.attempt(self.engine.probe, confirm.inside(), proto, address, port)
            if not own.ok:
                raise probe.HarnessError(f"{confirm.name} does not serve {proto}/{port}: {own.why}")
        return False

    def flow(self, other, proto: str, port: int, family: int = 4) -> probe.Flow:
        log = self.engine.directory / f"flow-{self.name}-{other.name}-{proto}-{port}-{next(self.engine.serials)}.jsonl"
        return probe.Flow(self.engine.probe, self.inside(), proto, other.address(family), port, log)

    def arrivals(self, source, proto: str, port: int, family: int = 4) -> probe.Arrivals:
        return probe.Arrivals(self.inside(), source.address(family), proto, port)

    def wait_serving(self) -> None:
        """Until the servers in it answer, asked from its own namespace: after this a silence is not a slow start."""
        wait_until(
            lambda: all(
                probe.attempt(self.engine.probe, self.inside(), proto, "127.0.0.1", port).ok
                for proto in ("tcp", "udp")
                for port in probe.PORTS
            ),
            20,
            f"{self.name} serves",
        )

    def remove(self) -> None:
        self.engine.docker("rm", "-f", self.name)
        self.engine.containers.pop(self.name, None)


class Outside:
    """What lies beyond the host: a namespace that owns some addresses and serves probe.PORTS on them."""

    def __init__(self, engine, addresses):
        self.name = "outside"
        self.namespace = Namespace(f"{engine.namespace.name}-o")
        self.namespace.create()
        home, away = engine.namespace.prefix(), self.namespace.prefix()
        call(home + ["ip", "link", "add", "bh-out", "type", "veth", "peer", "name", "bh-in", "netns", self.namespace.name])
        call(home + ["ip", "address", "add", "203.0.113.1/30", "dev", "bh-out"])
        call(home + ["ip", "link", "set", "bh-out", "up"])
        call(away + ["ip", "address", "add", "203.0.113.2/30", "dev", "bh-in"])
        call(away + ["ip", "link", "set", "bh-in", "up"])
        call(away + ["ip", "route", "add", "default", "via", "203.0.113.1"])
        for address in addresses:
            call(away + ["ip", "address", "add", f"{address}/32", "dev", "lo"])
            call(home + ["ip", "route", "add", f"{address}/32", "via", "203.0.113.2"])
        self.server = Process("outside", away + [engine.probe, "serve", *probe.PORTS], engine.directory / "outside.log")
        self.server.start()
        for address in addresses:
            wait_until(lambda to=address: probe.attempt(engine.probe, away, "tcp", to, probe.PORTS[0]).ok, 10, "outside serves")

    def inside(self) -> list:
        return self.namespace.prefix()

    def close(self) -> None:
        self.server.stop()
        self.namespace.delete()


def serials():
    number = 0
    while True:
        number += 1
        yield number


class Engine:
    """dockerd in a namespace and a directory of its own.

    release: one of RELEASES, or what BULKHEAD_ENGINE says; 20.10 is the host's own, and the others see nothing of the host's files but self.directory.
    live_restore: containers outlive the Engine. out: an HTTP proxy is reachable in the namespace at self.proxy_url, the
    only way to the outside (image builds). settings: more of daemon.json.
    """

    def __init__(self, live_restore: bool = False, out: bool = False, release: str = "", settings=None):
        self.release = RELEASES[release or os.environ.get("BULKHEAD_ENGINE", "20.10")]
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="bh-e2e-"))
        self.namespace = Namespace(self.directory.name)
        self.socket = self.directory / "docker.sock"
        self.containers = {}
        self.serials = serials()
        self.live_restore = live_restore
        self.settings = settings or {}
        self.proxy = None
        self.proxy_url = ""
        self.out = out
        self.probe = None
        self.process = None
        self.root = None
        self.cli = ["docker"]
        self.cli_config = self.directory / "cli"
        atexit.register(self.close)

    # --- life ---------------------------------------------------------------------------------------

    def __enter__(self):
        try:
            self.open()
        except BaseException:
            print(tail(self.directory / "dockerd.log"))
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def open(self) -> None:
        if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL and threading.current_thread() is threading.main_thread():
            # a test that is told to end takes its Engine with it; unittest lets nothing but KeyboardInterrupt through
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        if self.release.suite:
            tree = self.release.tree()
            self.root = Root(tree, self.directory)
            self.cli = program(tree, "usr/bin/docker")
        self.namespace.create()
        self.cli_config.mkdir()
        config = self.directory / "daemon.json"
        # 20.10 has its ID from a key in /etc, where all Engines of this machine would be one
        own = {} if self.release.suite else {"deprecated-key-path": str(self.directory / "key.json")}
        config.write_text(json.dumps({"live-restore": self.live_restore, "shutdown-timeout": 3, **own, **self.settings}))
        self.process = Process(
            "dockerd",
            self.namespace.prefix()
            + (self.root.prefix() if self.root else [])
            + ["dockerd", "--config-file", config, "--host", f"unix://{self.socket}"]
            + ["--data-root", self.directory / "data", "--exec-root", self.directory / "exec"]
            + ["--pidfile", self.directory / "dockerd.pid", "--log-level", "warn"],
            self.directory / "dockerd.log",
        )
        self.start()
        if self.out:
            self.proxy = Proxy(self.namespace, 3128)
            self.proxy_url = "http://172.17.0.1:3128"
        self.probe = probe.build(self.directory)
        self._make_image()

    def close(self) -> None:
        """Takes everything down again; can be called twice."""
        atexit.unregister(self.close)
        if self.process is None and not self.directory.exists():
            return
        try:
            if self.process and self.process.running():
                ids = self.docker("ps", "-aq", check=False).stdout.split()
                if ids:
                    self.docker("rm", "-f", "-v", *ids, check=False)
                self.process.stop()
        finally:
            if self.proxy:
                self.proxy.close()
            if self.root:
                self.root.close()
            self._end_leftovers()
            self.namespace.delete()
            shutil.rmtree(self.directory, ignore_errors=True)
            self.process = None

    def start(self) -> None:
        """Starts dockerd and waits until it answers. After a SIGKILL its containerd may need a second try (it finds
        the pid file of the one before): that is the Engine's, and what an init system does as well."""
        for last in (False, False, True):
            self.process.start()
            try:
                wait_until(self._answers, START_BOUND, "dockerd answers")
                return
            except RuntimeError:
                if last:
                    raise

    def _answers(self) -> bool:
        self.process.must_run()
        try:
            return self.get("/_ping", raw=True) == b"OK"
        except OSError:
            return False

    def stop(self) -> None:
        self.process.stop()

    def kill(self) -> None:
        """SIGKILL, and until the containerd that dockerd started has followed it."""
        containerd = int((self.directory / "exec/containerd/containerd.pid").read_text())
        self.process.kill()
        wait_until(lambda: not pathlib.Path(f"/proc/{containerd}").exists(), 20, "containerd has ended")

    def restart(self) -> None:
        self.stop()
        self.start()

    def _end_leftovers(self) -> None:
        """Shims and containers that a killed Engine left behind: only processes that name our directory."""
        for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if str(self.directory).encode() in entry.read_bytes() and int(entry.parent.name) != os.getpid():
                    os.kill(int(entry.parent.name), signal.SIGKILL)
            except OSError:
                continue
        mounts = [line.split()[1] for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
        for mount in sorted((m for m in mounts if m.startswith(str(self.directory))), reverse=True):
            call(["umount", "-l", mount], check=False)

    def _make_image(self) -> None:
        tree = self.directory / "image"
        (tree / "bin").mkdir(parents=True)
        shutil.copy(shutil.which("busybox"), tree / "bin/busybox")
        shutil.copy(self.probe, tree / "bin/probe")
        for name in ("sh", "ping", "wget", "nc", "ip", "sleep", "cat", "ls"):
            (tree / "bin" / name).symlink_to("busybox")
        self.make_image(IMAGE, tree)

    def make_image(self, name: str, tree: pathlib.Path, *changes) -> None:
        """An image that holds the files of a directory; changes are Dockerfile instructions (ENTRYPOINT ...)."""
        tar = subprocess.run(["tar", "-C", tree, "-c", "."], check=True, capture_output=True).stdout
        words = [*self.cli, "import", *(word for change in changes for word in ("--change", change)), "-", name]
        done = subprocess.run(words, input=tar, env=self.env(), check=False, capture_output=True, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(f"docker import: {done.stderr.decode()}")

    # --- use ----------------------------------------------------------------------------------------

    def env(self) -> dict:
        """The environment in which `docker` and compose talk to this Engine."""
        return {
            **os.environ,
            "DOCKER_HOST": f"unix://{self.socket}",
            "DOCKER_CONFIG": str(self.cli_config),
        }

    def docker(self, *words, **options) -> subprocess.CompletedProcess:
        return call([*self.cli, *words], env=self.env(), **options)

    def get(self, path: str, raw: bool = False):
        """GET of the Engine's API."""
        body = self._ask("GET", path)
        return body if raw else json.loads(body)

    def post(self, path: str, body) -> bytes:
        """POST of JSON to the Engine's API: what the CLI does, without its 30 ms."""
        return self._ask("POST", path, json.dumps(body), {"Content-Type": "application/json"})

    def _ask(self, method: str, path: str, body=None, headers=None) -> bytes:
        connection = EngineConnection(self.socket)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {answer.decode(errors='replace')}")
        return answer

    def network(self, name: str, ipv6: str = "", labels=None, options=()) -> Network:
        """Creates a bridge network; ipv6 is its IPv6 subnet, for dual stack."""
        words = [word for key, value in (labels or {}).items() for word in ("--label", f"{key}={value}")]
        if ipv6:
            words += ["--ipv6", "--subnet", ipv6]
        self.docker("network", "create", *words, *options, name)
        return Network(self, name)

    def attached(self, name: str) -> Network:
        """A network that is there already."""
        return Network(self, name)

    def run(self, name: str, network: Network, labels=None, raw_labels=None, options=(), ready=True) -> Container:
        """Starts a container that serves probe.PORTS over TCP and UDP; labels get the policy prefix."""
        pairs = {LABEL_PREFIX + key: value for key, value in (labels or {}).items()} | (raw_labels or {})
        words = [word for key, value in pairs.items() for word in ("--label", f"{key}={value}")]
        serve = ["/bin/probe", "serve", *map(str, probe.PORTS)]
        self.docker("run", "-d", "--name", name, "--net", network.name, *words, *options, IMAGE, *serve)
        container = Container(self, name, network)
        self.containers[name] = container
        if ready:
            container.wait_serving()
        return container

    def ask(self, questions) -> list:
        """Many questions at once, each (from, to, proto, port) or with a family as fifth: a list of answers in their
        order. A silence takes its whole time limit to be one, so they wait beside each other."""
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            return list(pool.map(lambda q: q[0].reach(*q[1:]), questions))

    def remove_all(self) -> None:
        """Every container, and every network that is not the Engine's own."""
        ids = self.docker("ps", "-aq").stdout.split()
        if ids:
            self.docker("rm", "-f", "-v", *ids)
        self.containers.clear()
        networks = self.docker("network", "ls", "-q", "--filter", "type=custom").stdout.split()
        if networks:
            self.docker("network", "rm", *networks)

    def endpoint_ids(self) -> set:
        """What syncd should show: the EndpointIDs of all containers; a swarm's load balancers are none."""
        found = set()
        for network in self.get("/networks"):
            if network["Driver"] not in ("host", "null"):
                attached = self.get(f"/networks/{network['Id']}")["Containers"] or {}
                found |= {entry["EndpointID"] for container, entry in attached.items() if len(container) == CONTAINER_ID}
        return found

    def log_tails(self):
        if self.process:
            yield "dockerd", tail(self.process.log)
