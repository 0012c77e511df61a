# SPDX-License-Identifier: GPL-2.0-or-later
"""A Docker Engine made of a script: the read-only part of its API over a unix socket, with faults on demand.

A profile is a release: its answers have the members that were recorded of it (recorded/, by tests/e2e/record_engine.py), and a
container's end is told in its order. "29" is the recorded 28.5 with what the API's changelog says of 1.52: none was at hand.

The world is changed by methods that do what the Engine
does, events included (start(), stop(), ...); tests that need an odd order change `containers` and `networks` themselves and
emit() events one by one.
"""

import collections
import http.server
import json
import os
import pathlib
import queue
import re
import socket
import socketserver
import threading
import time
import urllib.parse

RECORDED = pathlib.Path(__file__).resolve().parent / "recorded"
PROFILES = ("20.10", "26.1", "28.5", "29")
LEGACY_UNTIL = (1, 51)  # the API whose events say these things twice
LEGACY_EVENT = ("status", "id", "from")


def recorded_of(profile: str) -> dict:
    found = json.loads((RECORDED / f"engine-{'28.5' if profile == '29' else profile}.json").read_text())
    if profile == "29":
        found["version"] = {"Version": "29.0.0", "ApiVersion": "1.52", "MinAPIVersion": "1.44"}
    return found


def die_comes_first(recorded: dict) -> bool:
    """Whether a container's end is told before its networks'; else it is the last that is told of it."""
    told = [f"{each['Type']} {each['Action']}" for each in recorded["events"]]
    after = told[told.index("container kill") :]
    return after.index("container die") < after.index("network disconnect")


def modern(line: bytes) -> bytes:
    """An event as API 1.52 has it; what is none is left alone."""
    try:
        event = json.loads(line)
    except ValueError:
        return line
    return json.dumps({key: value for key, value in event.items() if key not in LEGACY_EVENT}).encode() + b"\n"


def hex_id(number: int) -> str:
    return f"{number:064x}"


class Fault:
    """What happens to the next requests whose path matches. gate: they wait until it is set."""

    def __init__(self, pattern: str, status=None, body=None, gate=None, drop=False, times=None):
        self.pattern = re.compile(pattern)
        self.status, self.body, self.gate, self.drop, self.times = status, body, gate, drop, times


class FakeEngine:
    def __init__(self, path: str, engine_id: str = "FAKE:0001", name: str = "fakenode", profile: str = "20.10"):
        self.path = str(path)
        self.lock = threading.RLock()
        recorded = recorded_of(profile)
        self.shapes = {"container": recorded["containers"][0], "network": recorded["listed"]}
        self.die_first, self.disconnects = die_comes_first(recorded), 2 if profile in ("20.10", "26.1") else 1
        self.version = dict(recorded["version"])
        self.info = {"ID": engine_id, "Name": name}
        self.containers = collections.OrderedDict()
        self.networks = collections.OrderedDict()
        self.images = {}
        self.faults = []
        self.requests = []  # paths, in order of arrival
        self.streams = []
        self.history = collections.deque(maxlen=256)
        self.hold = None  # events that wait for a reader that does not read; 1024 in a real Engine, which drops the rest
        self.dropped = 0
        self.clock = 0  # seconds ahead of this machine's
        self.connections = set()
        self.serial = 1
        self.server = None
        self.add_network("bridge", subnet="172.17.0.0/16", bridge="docker0")
        self.add_network("host", driver="host")
        self.add_image("sha256:plain", {})

    # --- life ---------------------------------------------------------------------------------------

    def open(self, tls=None, tcp: bool = False, port: int = 0) -> "FakeEngine":
        """On the unix socket, or with tcp or an ssl.SSLContext on a TCP port of 127.0.0.1 (self.port)."""
        engine = self

        class Handler(RequestHandler):
            pass

        Handler.engine = engine
        if os.path.exists(self.path):
            os.unlink(self.path)
        if tls or tcp:
            self.server = TcpServer(("127.0.0.1", port), Handler)
            self.server.tls = tls
            self.port = self.server.server_address[1]
        else:
            self.server = Server(self.path, Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def close(self) -> None:
        """As a SIGKILL: every connection is cut, the socket file is gone."""
        if self.server is None:
            return
        self.server.shutdown()
        self.server.server_close()
        self.server = None
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.cut()

    def cut(self, streams_only: bool = False) -> None:
        """Ends connections without a last chunk."""
        with self.lock:
            sockets = [s.connection for s in self.streams] if streams_only else list(self.connections)
            for stream in self.streams:
                stream.events.put(None)
            self.streams.clear()
        for sock in sockets:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self):
        return self.open()

    def __exit__(self, *_):
        self.close()

    # --- the world ----------------------------------------------------------------------------------

    def new_id(self) -> str:
        with self.lock:
            self.serial += 1
            return hex_id(self.serial)

    def add_image(self, image_id: str, labels: dict) -> None:
        self.images[image_id] = labels

    def add_network(self, name: str, driver="bridge", subnet=None, bridge=None, labels=None) -> str:
        network = {
            **self.shapes["network"],
            "Name": name,
            "Id": self.new_id(),
            "Driver": driver,
            "IPAM": {"Driver": "default", "Options": {}, "Config": [{"Subnet": subnet}] if subnet else []},
            "Containers": {},
            "Options": {"com.docker.network.bridge.name": bridge} if bridge else {},
            "Labels": labels or {},
        }
        with self.lock:
            self.networks[network["Id"]] = network
        return network["Id"]

    def create_network(self, name: str, **options) -> str:
        network = self.add_network(name, **options)
        self.emit("network", "create", network, name=name, type="bridge")
        return network

    def remove_network(self, network: str) -> None:
        with self.lock:
            gone = self.networks.pop(network)
        self.emit("network", "destroy", network, name=gone["Name"], type=gone["Driver"])

    def add_container(self, name: str, labels=None, image="busybox", image_id="sha256:plain", mode="net", state="created"):
        """As created, without an event. Labels of the image are merged as the Engine does."""
        merged = {**self.images.get(image_id, {}), **(labels or {})}
        container = {
            **self.shapes["container"],
            "Id": self.new_id(),
            "Names": ["/" + name],
            "Image": image,
            "ImageID": image_id,
            "Ports": [],
            "Labels": merged,
            "State": state,
            "HostConfig": {"NetworkMode": mode},
            "NetworkSettings": {"Networks": {}},
        }
        with self.lock:
            self.containers[container["Id"]] = container
        return container["Id"]

    def attach(self, network: str, container: str, address: str, address6: str = "") -> str:
        """Makes the endpoint, without an event; returns its EndpointID."""
        endpoint = self.new_id()
        octets = [int(part) for part in address.split(".")]
        with self.lock:
            self.networks[network]["Containers"][container] = {
                "Name": self.containers[container]["Names"][0][1:],
                "EndpointID": endpoint,
                "MacAddress": "02:42:" + ":".join(f"{octet:02x}" for octet in octets),
                "IPv4Address": f"{address}/16",
                "IPv6Address": f"{address6}/64" if address6 else "",
            }
        return endpoint

    def detach(self, network: str, container: str) -> None:
        with self.lock:
            self.networks[network]["Containers"].pop(container, None)

    def inspect(self, container: str) -> dict:
        """Container inspect, of which only that it waits matters here."""
        c = self.containers[container]
        return {"Id": c["Id"], "Name": c["Names"][0], "State": {"Status": c["State"]}, "Image": c["ImageID"]}

    # --- what people do to it ------------------------------------------------------------------------

    def create(self, name: str, **options) -> str:
        container = self.add_container(name, **options)
        self.container_event("create", container)
        return container

    def connect(self, network: str, container: str, address: str, address6: str = "") -> str:
        endpoint = self.attach(network, container, address, address6)
        self.network_event("connect", network, container)
        return endpoint

    def disconnect(self, network: str, container: str) -> None:
        """Of one that runs."""
        self.detach(network, container)
        for _ in range(self.disconnects):
            self.network_event("disconnect", network, container)

    def start(self, network: str, container: str, address: str, address6: str = "") -> str:
        endpoint = self.connect(network, container, address, address6)
        self.containers[container]["State"] = "running"
        self.container_event("start", container)
        return endpoint

    def run(self, network: str, name: str, address: str, **options) -> tuple:
        container = self.create(name, **options)
        return container, self.start(network, container, address)

    def stop(self, network: str, container: str) -> None:
        """The address is free before the first event."""
        self.detach(network, container)
        self.containers[container]["State"] = "exited"
        self.containers[container]["Ports"] = []
        if self.die_first:
            self.container_event("die", container)
        self.network_event("disconnect", network, container)
        if not self.die_first:
            self.container_event("die", container)

    def remove(self, container: str) -> None:
        self.container_event("destroy", container, forget=True)

    # --- events -------------------------------------------------------------------------------------

    def container_event(self, action: str, container: str, forget: bool = False) -> None:
        with self.lock:
            c = self.containers.pop(container) if forget else self.containers[container]
        self.emit("container", action, container, **{**c["Labels"], "image": c["Image"], "name": c["Names"][0][1:]})

    def network_event(self, action: str, network: str, container: str) -> None:
        with self.lock:
            n = self.networks[network]
        self.emit("network", action, network, container=container, name=n["Name"], type=n["Driver"])

    def now(self) -> int:
        return time.time_ns() + self.clock * 10**9

    def emit(self, kind: str, action: str, actor: str, **attributes) -> None:
        now = self.now()
        event = {"Type": kind, "Action": action, "Actor": {"ID": actor, "Attributes": attributes}, "scope": "local"}
        if kind == "container":
            event = {"status": action, "id": actor, "from": attributes.get("image", ""), **event}
        event.update({"time": now // 10**9, "timeNano": now})
        self.emit_raw(json.dumps(event).encode() + b"\n", now)

    def emit_raw(self, line: bytes, now: int = 0) -> None:
        with self.lock:
            self.history.append((now or self.now(), line))
            for stream in self.streams:
                if self.hold is not None and stream.events.qsize() >= self.hold:
                    self.dropped += 1
                else:
                    stream.events.put(line)

    # --- faults and questions ------------------------------------------------------------------------

    def fail(self, pattern: str, **what) -> Fault:
        fault = Fault(pattern, **what)
        with self.lock:
            self.faults.append(fault)
        return fault

    def heal(self) -> None:
        with self.lock:
            for fault in self.faults:
                if fault.gate:
                    fault.gate.set()
            self.faults.clear()

    def take_fault(self, path: str):
        with self.lock:
            for fault in self.faults:
                if fault.pattern.search(path):
                    if fault.times is not None:
                        fault.times -= 1
                        if fault.times <= 0:
                            self.faults.remove(fault)
                    return fault
        return None

    def count(self, pattern: str) -> int:
        with self.lock:
            return sum(1 for path in self.requests if re.search(pattern, path))


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """A client that went away is what these tests are about."""


class TcpServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """The handshake is made in the connection's own thread: one that hangs does not hold up the others."""

    daemon_threads = True
    tls = None

    def finish_request(self, request, client_address):
        if not self.tls:
            super().finish_request(request, client_address)
            return
        with self.tls.wrap_socket(request, server_side=True) as wrapped:
            super().finish_request(wrapped, client_address)

    def handle_error(self, request, client_address):
        """A client that refuses the certificate is what these tests are about."""


class RequestHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    engine = None

    def address_string(self):
        return "unix"

    def log_message(self, *_):
        pass

    def setup(self):
        super().setup()
        with self.engine.lock:
            self.engine.connections.add(self.connection)

    def finish(self):
        with self.engine.lock:
            self.engine.connections.discard(self.connection)
        super().finish()

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(url.query)
        path = re.sub(r"^/v[0-9.]+", "", url.path)
        spoken = re.match(r"/v([0-9]+)\.([0-9]+)/", url.path)
        # without a number the newest is meant
        numbers = spoken.groups() if spoken else self.engine.version["ApiVersion"].split(".")
        self.legacy = tuple(map(int, numbers)) <= LEGACY_UNTIL
        with self.engine.lock:
            self.engine.requests.append(self.path)
        fault = self.engine.take_fault(self.path)
        answer = None
        if fault and fault.gate and not fault.drop and fault.status is None:
            # what is answered is what was true when it was asked: the Engine reads first and is slow then
            answer = self.look_up(path, query)
            fault.gate.wait(60)
        elif fault and fault.drop:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        elif fault:
            self.answer(fault.status or 200, fault.body if fault.body is not None else {"message": "scripted"})
            return
        if path == "/events":
            self.stream(query)
            return
        self.answer(*(answer or self.look_up(path, query)))

    def look_up(self, path: str, query: dict) -> tuple:
        engine = self.engine
        with engine.lock:
            if path == "/_ping":
                return 200, b"OK"
            if path == "/version":
                return 200, engine.version
            if path == "/info":
                now = engine.now()
                stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9))
                return 200, {**engine.info, "SystemTime": f"{stamp}.{now % 10**9:09d}Z"}
            if path == "/containers/json":
                wanted = json.loads(query.get("filters", ["{}"])[0]).get("id")
                return 200, json.loads(
                    json.dumps([c for c in engine.containers.values() if not wanted or c["Id"] in wanted])
                )
            if path == "/networks":
                return 200, [{**n, "Containers": {}} for n in engine.networks.values()]
            inspected = re.fullmatch(r"/containers/([^/]+)/json", path)
            if inspected and inspected[1] in engine.containers:
                return 200, engine.inspect(inspected[1])
            for prefix, suffix, table in (("/networks/", "", engine.networks), ("/images/", "/json", None)):
                if path.startswith(prefix) and path.endswith(suffix):
                    key = path[len(prefix) : len(path) - len(suffix)]
                    if table is None and key in engine.images:
                        return 200, {"Id": key, "Config": {"Labels": engine.images[key]}}
                    if table is not None:
                        key = next((n["Id"] for n in table.values() if n["Name"] == key), key)
                    if table is not None and key in table:
                        return 200, json.loads(json.dumps(table[key]))
        return 404, {"message": f"no such object: {path}"}

    def answer(self, status: int, body) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Api-Version", self.engine.version["ApiVersion"])
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream(self, query: dict) -> None:
        self.events = queue.Queue()
        self.send_response(200)
        self.send_header("Content-Type", "application/json" if self.legacy else "application/jsonl")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        since = query.get("since", [None])[0]
        with self.engine.lock:
            if since:
                seconds, _, fraction = since.partition(".")
                first = int(seconds) * 10**9 + int((fraction + "0" * 9)[:9])
                for when, line in self.engine.history:
                    if when >= first:
                        self.events.put(line)
            self.engine.streams.append(self)
        self.close_connection = True
        while True:
            line = self.events.get()
            if line is None:
                return
            line = line if self.legacy else modern(line)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.flush()
