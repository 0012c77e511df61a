# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything that can happen to a container or a network: after each step what Redis has is what the Engine has.

The truth is joined here, from network inspect of each network and the container list, and for published ports container inspect, by
code that shares nothing with the program's. syncd's periodic comparison is put off for an hour, and no case but those that cut the stream may cause one, so
that it is the events that are seen to suffice. Every message that is published meanwhile is looked at as well: no address has two
owners at any time, and no record ever pairs a container with labels that are another's.

It runs on the release that BULKHEAD_ENGINE names; BULKHEAD_LONG=1 makes it all of them and prints the table of case x version.
"""

import json
import os
import re
import signal
import threading
import time
import unittest

from harness import Case, Engine, Stack, wait_until
from harness.case import require
from harness.engine import IMAGE, LABEL_PREFIX
from harness.process import call
from harness.records_truth import of_record, truth_of_endpoints, truth_of_networks
from harness.release import RELEASES
from harness.resp import Redis, RedisError
from harness.stack import NODE

LONG = bool(os.environ.get("BULKHEAD_LONG"))
SETTLE_BOUND = 10
SLEEP = ("/bin/sleep", "3600")
TABLE = {}  # case -> release -> what is printed


def setUpModule():
    require()


def tearDownModule():
    releases = sorted({release for row in TABLE.values() for release in row})
    if not releases:
        return
    print("figure: records = the Engine's truth: steps, slowest step; then the Engine's events in order")
    for case, row in TABLE.items():
        cells = "".join(f"{row.get(release, ('-',))[0]:>26}" for release in releases)
        print(f"figure: {case:34}{cells}")
    print(f"figure: {'':34}" + "".join(f"{release:>26}" for release in releases), flush=True)
    for case, row in TABLE.items():
        orders = {}
        for release in releases:
            orders.setdefault(row.get(release, ("", "-"))[1], []).append(release)
        for order, same in orders.items():
            print(f"figure: {case}, {' '.join(same)}: {order}", flush=True)


# --- what readers see -------------------------------------------------------------------------------


class Witness:
    """Every message of the node's channel, applied to what was there before: what any reader may have seen meanwhile."""

    def __init__(self, stack):
        self.store = Redis(stack.socket, stack.store.password)
        self.store("PING")
        self.records, self.wrong, self.revision = stack.endpoints(), [], 0
        self.messages = self.store.messages(f"bulkhead:v1:events:node:{NODE}")
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.thread.start()

    def follow(self) -> None:
        for message in self.messages:
            self.take(json.loads(message))

    def take(self, message: dict) -> None:
        self.revision = int(message["head"].split(":")[1])
        for change in message["changes"]:
            if change["kind"] != "endpoint":
                continue
            self.records.pop(change["id"], None)
            if change["op"] == "put":
                self.records[change["id"]] = change["record"]
        held = {}
        for key, record in self.records.items():
            for address in filter(None, (record["ipv4"], record["ipv6"])):
                other = held.setdefault((record["network"]["id"], address), key)
                if other != key:
                    self.wrong.append(f"{address} of {key} and of {other}")
            # every container here has its first name as a label
            if record["labels"].get("who") != record["container"]["name"].split(".")[0]:
                self.wrong.append(f"{record['container']['name']} with labels {record['labels']}")

    def close(self) -> None:
        self.store.cut()
        self.thread.join(10)
        self.store.close()


# --- what is done -----------------------------------------------------------------------------------


class Bed:
    """An Engine, and syncd with its Redis beside it; no enforcerd."""

    def __init__(self, case, release: str):
        self.case = case
        self.release = release
        self.engine = case.enterContext(Engine(live_restore=True, release=release))
        case.witnesses = (self.engine,)
        case.assertRegex(self.engine.get("/version")["Version"], rf"^{release}\.")
        self.stack = Stack(self.engine, syncd_args=("--resync", "3600"))
        case.witnesses = (self.engine, self.stack)
        case.addCleanup(self.stack.stop)
        self.stack.start_redis()
        self.stack.start_syncd()
        self.net1 = self.engine.network("net1")
        self.net2 = self.engine.network("net2", ipv6="fd00:b0:2::/64", labels={"bulkhead.isolation": "strict"})
        self.static = self.engine.network("static", options=("--subnet", "10.77.0.0/24"))
        self.steps = []
        wait_until(lambda: self.stack.ready(self.stack.syncd), 10, "syncd is ready")

    # --- doing

    def docker(self, *words, **options):
        return self.engine.docker(*words, **options)

    def words(self, name: str, *options, network="net1", command=SLEEP):
        return ("--name", name, "--net", network, "--label", f"{LABEL_PREFIX}who={name}", *options, IMAGE, *command)

    def run(self, name: str, *options, **more) -> None:
        self.docker("run", "-d", *self.words(name, *options, **more))

    def create(self, name: str, *options, **more) -> None:
        self.docker("create", *self.words(name, *options, **more))

    def remove(self, *names) -> None:
        self.docker("rm", "-f", *names)

    def remove_all(self) -> None:
        ids = self.docker("ps", "-aq").stdout.split()
        if ids:
            self.remove(*ids)

    def inspect(self, name: str) -> dict:
        return self.engine.get(f"/containers/{name}/json")

    def state(self, name: str) -> dict:
        return self.inspect(name)["State"]

    def crash(self, name: str) -> None:
        """As the kernel does: a docker kill would switch its restart policy off."""
        os.kill(self.state(name)["Pid"], signal.SIGKILL)

    # --- looking

    def difference(self) -> str:
        """Between Redis and the Engine; empty when there is none."""
        try:
            wanted = truth_of_endpoints(self.engine), truth_of_networks(self.engine)
            shown = {key: of_record(record) for key, record in self.stack.endpoints().items()}
            nets = {key: json.loads(text) for key, text in self.stack.store.hgetall(f"bulkhead:v1:networks:{NODE}").items()}
            again = truth_of_endpoints(self.engine), truth_of_networks(self.engine)
        except (KeyError, OSError, RuntimeError, RedisError) as error:
            return f"{type(error).__name__}: {error}"  # something went away between two questions
        if wanted != again:
            return "the Engine is still moving"
        told = {key: (n["name"], n["driver"], sorted(n["subnets"])) for key, n in nets.items()}
        if (shown, told) == wanted:
            return ""
        return f"Redis has {shown} {told}, the Engine {wanted[0]} {wanted[1]}"

    def settle(self, *present) -> dict:
        """Waits until Redis has what the Engine has, which the named containers and no others are part of. Returns the records
        by container name."""
        began = time.monotonic()
        wait_until(lambda: not self.difference(), SETTLE_BOUND, self.difference, every=0.005)
        self.steps.append(time.monotonic() - began)
        records = {}
        for key, record in self.stack.endpoints().items():
            records.setdefault(record["container"]["name"], {})[record["network"]["name"]] = {**record, "id": key}
        self.case.assertEqual(sorted(records), sorted(present), "containers with records")
        return records

    def events(self, since: int) -> str:
        """What the Engine said since then, in its order; what is not about networks and life is left out."""
        until = time.time()  # which has passed: the answer ends
        text = self.engine.get(f"/events?since={since / 1e9:.9f}&until={until:.9f}", raw=True).decode()
        events = [json.loads(line) for line in text.splitlines()]
        told = [f"{e['Action']}" if e["Type"] == "container" else f"net:{e['Action']}" for e in events if e["Type"] in ("container", "network")]
        return " ".join(told)

    def metric(self, name: str) -> float:
        text = call([*self.engine.namespace.prefix(), "/bin/busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:9641/metrics"]).stdout
        return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"bulkhead_syncd_{name} "))

    # --- a case

    def try_case(self, name: str, case, resyncs: bool) -> None:
        self.steps = []
        witness = Witness(self.stack)
        before = self.metric("resyncs_total")
        since = time.time_ns()
        try:
            case(self)
            order = self.events(since)
            self.remove_all()
            self.settle()
            after = self.metric("resyncs_total")
        finally:
            witness.close()
            self.remove_all()  # of a case that failed: the next begins with nothing
        self.case.assertEqual(witness.wrong, [])
        if not resyncs:
            self.case.assertEqual(after, before, "a full comparison has healed what events should have told")
        TABLE.setdefault(name, {})[self.release] = (f"{len(self.steps)}, {max(self.steps) * 1e3:.0f} ms", order)


# --- the cases: what is done, and what has a record after each step ---------------------------------


def run(bed):
    bed.run("c1", "--label", f"{LABEL_PREFIX}role=web")
    assert bed.settle("c1")["c1"]["net1"]["labels"]["role"] == "web"


def create_then_start(bed):
    bed.create("c1")
    bed.settle()
    bed.docker("start", "c1")
    bed.settle("c1")


def run_attached_to_end(bed):
    """Over before anybody could look."""
    bed.docker("run", "--rm", *bed.words("c1", command=("/bin/sh", "-c", "exit 0")))
    bed.settle()


def connect_created(bed):
    bed.create("c1")
    bed.docker("network", "connect", "net2", "c1")
    bed.docker("network", "connect", "static", "c1")
    bed.settle()
    bed.docker("start", "c1")
    assert sorted(bed.settle("c1")["c1"]) == ["net1", "net2", "static"]
    bed.docker("stop", "-t", "0", "c1")
    bed.settle()


def connect_running(bed):
    bed.run("c1")
    bed.settle("c1")
    bed.docker("network", "connect", "net2", "c1")
    assert sorted(bed.settle("c1")["c1"]) == ["net1", "net2"]


def disconnect(bed):
    bed.run("c1")
    bed.docker("network", "connect", "net2", "c1")
    bed.settle("c1")
    bed.docker("network", "disconnect", "net1", "c1")
    assert list(bed.settle("c1")["c1"]) == ["net2"]
    bed.docker("network", "disconnect", "net2", "c1")
    bed.settle()
    bed.docker("network", "connect", "net1", "c1")
    bed.settle("c1")


def published_ports(bed):
    """The Engine publishes them at the network that goes first, with a number that it chooses anew each time."""
    bed.run("c1", "--publish", "80", "--publish", "127.0.0.1::53/udp", network="net2")
    one = bed.settle("c1")["c1"]["net2"]["ports"]
    assert one
    bed.docker("network", "connect", "net1", "c1")
    two = bed.settle("c1")["c1"]["net2"]["ports"]
    bed.docker("network", "disconnect", "net1", "c1")
    bed.settle("c1")
    bed.docker("network", "disconnect", "net2", "c1")
    bed.settle()
    bed.docker("network", "connect", "net2", "c1")
    bed.settle("c1")
    bed.docker("restart", "-t", "0", "c1")
    three = bed.settle("c1")["c1"]["net2"]["ports"]
    assert len({json.dumps(ports) for ports in (one, two, three)}) > 1, "no port has moved"


def port_in_use(bed):
    """A start that fails when the endpoint is made already."""
    bed.run("c1", "--publish", "18099:80")
    failed = bed.docker("run", "-d", *bed.words("c2", "--publish", "18099:80"), check=False)
    assert failed.returncode != 0
    bed.settle("c1")
    bed.remove("c1")
    bed.docker("start", "c2")
    assert bed.settle("c2")["c2"]["net1"]["ports"]


def disconnect_connect_at_once(bed):
    """Said twice: the second disconnect may come after the next connect."""
    bed.run("c1")
    bed.settle("c1")
    for _ in range(5):
        bed.docker("network", "disconnect", "net1", "c1")
        bed.docker("network", "connect", "net1", "c1")
    bed.settle("c1")


def disconnect_forced(bed):
    bed.run("c1")
    bed.create("c2")
    bed.settle("c1")
    bed.docker("network", "disconnect", "-f", "net1", "c1")
    bed.docker("network", "disconnect", "-f", "net1", "c2", check=False)
    bed.settle()


def restart(bed):
    bed.run("c1")
    before = bed.settle("c1")["c1"]["net1"]["id"]
    bed.docker("restart", "-t", "0", "c1")
    after = bed.settle("c1")["c1"]["net1"]["id"]
    assert before != after, "the same EndpointID"


def stop_and_start(bed):
    bed.run("c1")
    bed.settle("c1")
    bed.docker("stop", "-t", "0", "c1")
    bed.settle()
    bed.docker("start", "c1")
    bed.settle("c1")


def kill(bed):
    bed.run("c1")
    bed.settle("c1")
    bed.docker("kill", "c1")
    bed.settle()


def remove_running(bed):
    bed.run("c1")
    bed.docker("network", "connect", "net2", "c1")
    bed.settle("c1")
    bed.remove("c1")
    bed.settle()


def crash_without_policy(bed):
    bed.run("c1")
    bed.settle("c1")
    bed.crash("c1")
    wait_until(lambda: bed.state("c1")["Status"] == "exited", 10, "it has ended")
    bed.settle()


def crash_with_policy(bed):
    bed.run("c1", "--restart", "always")
    bed.settle("c1")
    bed.crash("c1")
    # one that waits for its restart is "Running" as well
    wait_until(lambda: bed.inspect("c1")["RestartCount"] == 1 and bed.state("c1")["Status"] == "running", 10, "it is back")
    bed.settle("c1")


def crash_again_and_again(bed):
    bed.run("c1", "--restart", "on-failure:3", command=("/bin/sh", "-c", "exit 7"))
    wait_until(lambda: bed.inspect("c1")["RestartCount"] == 3 and bed.state("c1")["Status"] == "exited", 20, "it has been given up")
    bed.settle()


def out_of_memory(bed):
    limits = ("--memory", "24m", "--memory-swap", "24m")
    bed.run("c1", *limits, command=("/bin/busybox", "dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1"))
    wait_until(lambda: bed.state("c1")["Status"] == "exited", 10, "it has ended")
    assert bed.state("c1")["ExitCode"] == 137, bed.state("c1")
    bed.settle()


def command_not_found(bed):
    failed = bed.docker("run", "-d", *bed.words("c1", command=("/nothing/there",)), check=False)
    assert failed.returncode == 127, failed
    bed.settle()
    bed.docker("network", "connect", "net2", "c1")
    bed.settle()
    bed.docker("start", "c1", check=False)
    bed.settle()


def pause(bed):
    bed.run("c1")
    before = bed.settle("c1")["c1"]["net1"]
    bed.docker("pause", "c1")
    paused = bed.settle("c1")["c1"]["net1"]
    assert (paused["id"], paused["state"]) == (before["id"], "paused")
    bed.docker("unpause", "c1")
    assert bed.settle("c1")["c1"]["net1"] == before


def connect_paused(bed):
    bed.run("c1")
    bed.docker("pause", "c1")
    bed.docker("network", "connect", "net2", "c1")
    assert {each["state"] for each in bed.settle("c1")["c1"].values()} == {"paused"}
    bed.docker("unpause", "c1")
    bed.settle("c1")


def pause_then_remove(bed):
    bed.run("c1")
    bed.docker("pause", "c1")
    bed.settle("c1")
    bed.remove("c1")
    bed.settle()


def rename(bed):
    bed.run("c1")
    before = bed.settle("c1")["c1"]["net1"]["id"]
    bed.docker("rename", "c1", "c1.new")
    assert bed.settle("c1.new")["c1.new"]["net1"]["id"] == before
    # the old name is another's from now on
    bed.run("c1")
    bed.settle("c1", "c1.new")
    bed.docker("restart", "-t", "0", "c1.new")
    bed.settle("c1", "c1.new")


def rename_stopped(bed):
    bed.create("c1")
    bed.docker("rename", "c1", "c1.new")
    bed.docker("start", "c1.new")
    bed.settle("c1.new")


def update(bed):
    bed.run("c1")
    before = bed.settle("c1")
    bed.docker("update", "--restart", "always", "c1")
    assert bed.settle("c1") == before


def joined_namespace(bed):
    bed.run("c1")
    before = bed.settle("c1")
    bed.run("c2", network="container:c1")
    assert bed.settle("c1") == before, "who joins has no endpoint, and its labels are not the owner's"
    wait_until(
        lambda: re.search(r"container c2 uses the network of container \w+ and acts with that one's", bed.stack.syncd.log.read_text()),
        10, "it is said that its labels have no effect",
    )
    bed.docker("restart", "-t", "0", "c1")
    bed.settle("c1")
    bed.remove("c1")
    bed.settle()
    assert bed.state("c2")["Running"], "it lives on, without a network"


def host_namespace(bed):
    bed.run("c1", network="host")
    bed.settle()
    wait_until(lambda: "container c1 uses the host's network" in bed.stack.syncd.log.read_text(), 10, "it is said")
    bed.remove("c1")
    bed.settle()


def no_network(bed):
    bed.run("c1", network="none")
    bed.settle()
    bed.docker("network", "disconnect", "none", "c1")
    bed.docker("network", "connect", "net1", "c1")
    bed.settle("c1")


def address_reused(bed):
    held = set()
    for name in ("c1", "c2", "c3", "c4"):
        bed.run(name)
        held.add(bed.inspect(name)["NetworkSettings"]["Networks"]["net1"]["IPAddress"])
        bed.remove(name)
    bed.settle()
    assert len(held) == 1, f"not one address: {held}"


def address_taken_over_at_once(bed):
    """Nothing in between but the Engine itself: the same address with a restart policy that fights for it."""
    bed.run("c1", "--ip", "10.77.0.9", network="static")
    bed.create("c2", "--ip", "10.77.0.9", network="static")
    bed.settle("c1")
    bed.docker("kill", "c1")
    bed.docker("start", "c2")
    bed.settle("c2")
    bed.docker("kill", "c2")
    bed.docker("start", "c1")
    bed.settle("c1")
    assert bed.docker("start", "c2", check=False).returncode != 0, "two have one address"
    bed.settle("c1")


def static_address(bed):
    bed.run("c1", "--ip", "10.77.0.7", network="static")
    assert bed.settle("c1")["c1"]["static"]["ipv4"] == "10.77.0.7"
    bed.docker("restart", "-t", "0", "c1")
    assert bed.settle("c1")["c1"]["static"]["ipv4"] == "10.77.0.7"


def ipv6(bed):
    bed.run("c1", network="net2")
    assert bed.settle("c1")["c1"]["net2"]["ipv6"].startswith("fd00:b0:2::")
    bed.docker("restart", "-t", "0", "c1")
    bed.settle("c1")


def network_made_again(bed):
    old = bed.engine.network("again", options=("--subnet", "10.78.0.0/24")).id
    bed.run("c1", network="again")
    bed.settle("c1")
    bed.docker("network", "disconnect", "again", "c1")
    bed.docker("network", "rm", "again")
    bed.settle()
    new = bed.engine.network("again", options=("--subnet", "10.78.0.0/24"), labels={"bulkhead.isolation": "strict"}).id
    assert old != new
    bed.docker("network", "connect", "again", "c1")
    assert bed.settle("c1")["c1"]["again"]["network"]["id"] == new
    bed.remove("c1")
    bed.docker("network", "rm", "again")
    bed.settle()


def network_made_and_removed(bed):
    for _ in range(3):
        bed.docker("network", "create", "--internal", "brief")
        bed.docker("network", "rm", "brief")
    bed.settle()
    bed.docker("network", "create", "--subnet", "10.79.0.0/24", "--opt", "com.docker.network.bridge.name=bh-named", "named")
    bed.settle()
    bed.docker("network", "rm", "named")
    bed.settle()


def default_bridge(bed):
    bed.run("c1", network="bridge")
    bed.settle("c1")
    bed.docker("network", "connect", "net1", "c1")
    bed.docker("network", "disconnect", "bridge", "c1")
    assert list(bed.settle("c1")["c1"]) == ["net1"]


def linked(bed):
    """Whoever is linked to has a second name in the list, "/c2/alias"."""
    bed.run("c1", network="default")
    bed.run("c2", "--link", "c1:alias", network="default")
    bed.settle("c1", "c2")


def ipv6_alone(bed):
    bed.docker("network", "create", "--ipv4=false", "--ipv6", "--subnet", "fd00:b0:66::/64", "six")
    bed.run("c1", network="six")
    record = bed.settle("c1")["c1"]["six"]
    assert record["ipv4"] is None and record["ipv6"], record
    bed.remove("c1")
    bed.docker("network", "rm", "six")
    bed.settle()


def many_at_once(bed):
    names = [f"m{i}" for i in range(8)]
    for name in names:
        bed.create(name)
    bed.docker("start", *names)
    bed.settle(*names)
    bed.docker("restart", "-t", "0", *names)
    bed.settle(*names)
    bed.remove(*names)
    bed.settle()


def engine_away(bed):
    """live-restore. One container is killed while the daemon is down: nobody tells, and container inspect shows its old
    address for ever."""
    bed.run("c1")
    bed.run("c2")
    before = bed.settle("c1", "c2")
    pid = bed.state("c1")["Pid"]
    bed.engine.stop()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), 10, "its process has gone")
    bed.engine.start()
    wait_until(lambda: not bed.state("c1")["Running"], 10, "the Engine knows")
    after = bed.settle("c2")
    assert after["c2"]["net1"]["id"] == before["c2"]["net1"]["id"]
    bed.remove("c1")
    bed.run("c1")
    bed.settle("c1", "c2")


def engine_killed(bed):
    """Its socket file stays behind, and nobody answers there."""
    bed.run("c1")
    before = bed.settle("c1")
    bed.engine.kill()
    assert bed.engine.socket.exists()
    wait_until(lambda: not bed.stack.ready(bed.stack.syncd), 10, "syncd says so")
    assert set(bed.stack.endpoints()) == {before["c1"]["net1"]["id"]}, "what is published stays"
    bed.engine.start()
    assert bed.settle("c1")["c1"]["net1"]["id"] == before["c1"]["net1"]["id"]
    bed.docker("kill", "c1")
    bed.settle()


def engine_restarted_with_its_containers(bed):
    """Without live-restore, which a reload turns off: all stop, and those of a restart policy come back as others."""
    config = bed.engine.directory / "daemon.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "live-restore": False}))
    bed.engine.process.signal(signal.SIGHUP)
    wait_until(lambda: not bed.engine.get("/info")["LiveRestoreEnabled"], 10, "the Engine has read its configuration")
    bed.run("c1", "--restart", "always")
    bed.run("c2")
    before = bed.settle("c1", "c2")
    bed.engine.restart()
    wait_until(lambda: bed.state("c1")["Running"], 20, "it is back")
    after = bed.settle("c1")
    assert after["c1"]["net1"]["id"] != before["c1"]["net1"]["id"], "the same EndpointID"


# (name, what is done, whether the event stream is cut, or the Engine's configuration read again, so that all is compared)
CASES = (
    ("run", run, False),
    ("create, start", create_then_start, False),
    ("run --rm, over at once", run_attached_to_end, False),
    ("connect (created), start", connect_created, False),
    ("connect (running)", connect_running, False),
    ("disconnect", disconnect, False),
    ("published ports that move", published_ports, False),
    ("port in use", port_in_use, False),
    ("disconnect, connect, 5 times", disconnect_connect_at_once, False),
    ("disconnect -f", disconnect_forced, False),
    ("restart", restart, False),
    ("stop, start", stop_and_start, False),
    ("kill", kill, False),
    ("rm -f (running)", remove_running, False),
    ("crash", crash_without_policy, False),
    ("crash, --restart always", crash_with_policy, False),
    ("crash, --restart on-failure:3", crash_again_and_again, False),
    ("out of memory", out_of_memory, False),
    ("command not found", command_not_found, False),
    ("pause, unpause", pause, False),
    ("pause, connect, unpause", connect_paused, False),
    ("pause, rm -f", pause_then_remove, False),
    ("rename", rename, False),
    ("rename (created), start", rename_stopped, False),
    ("update", update, False),
    ("--network container:X", joined_namespace, False),
    ("--network host", host_namespace, False),
    ("--network none, connect", no_network, False),
    ("default bridge", default_bridge, False),
    ("--link", linked, False),
    ("address reused", address_reused, False),
    ("address taken over at once", address_taken_over_at_once, False),
    ("static address", static_address, False),
    ("IPv6", ipv6, False),
    ("network made again", network_made_again, False),
    ("networks made, removed", network_made_and_removed, False),
    ("8 at once", many_at_once, False),
    ("Engine away, one killed", engine_away, True),
    ("Engine killed", engine_killed, True),
    ("Engine and containers restarted", engine_restarted_with_its_containers, True),
)

# what only some releases can do
ALSO = {"28.5": (("IPv6 alone", ipv6_alone, False),)}


class Lifecycle(Case):
    def everything(self, release: str):
        bed = Bed(self, release)
        for name, case, resyncs in (*ALSO.get(release, ()), *CASES):
            with self.subTest(case=name, release=release):
                bed.try_case(name, case, resyncs)


def add_test(release: str) -> None:
    name = f"test_{release.replace('.', '_')}"
    setattr(Lifecycle, name, lambda self: self.everything(release))


for each in RELEASES if LONG else (os.environ.get("BULKHEAD_ENGINE", "20.10"),):
    add_test(each)


if __name__ == "__main__":
    unittest.main()
