# SPDX-License-Identifier: GPL-2.0-or-later
"""What happens in a world, chosen by a seed: what people do with containers, what operators say, and what breaks."""

import random
import threading

import truth
from engine_model import RUNNING
from lab import signal

ROLES = ("web", "db", "cache")
POLICIES = ("p0", "p1", "p2", "p3", "p4")
CONTAINERS = 7


class Script:
    """Each step is a name and what it was done with, for people; perform() does it. The choice depends on the seed and on the
    model alone, never on how far the daemons are."""

    def __init__(self, lab, seed):
        self.lab, self.engine = lab, lab.engine
        self.dice = random.Random(seed)
        self.networks = {}
        self.serial = 0
        self.log = []
        for link in lab.links.values():
            link.dice = random.Random(seed)

    def say(self, text):
        self.log.append(text)

    # --- the beginning ---

    def begin(self):
        self.add_network("net1", 1, six=True)
        self.add_network("net2", 2, labels={"bulkhead.isolation": "strict"})
        self.add_network("net3", 3)
        self.engine.add_image("sha256:role", {truth.PREFIX + "role": "db", truth.PREFIX + "tier": "a"})
        for _ in range(5):
            self.policy()
        for _ in range(5):
            self.create()
        for container in list(self.engine.containers):
            self.engine.begin(container)

    def add_network(self, name, number, six=False, labels=None, told=False):
        bridge = f"br{number}"
        self.lab.wires.bridge(bridge, f"10.{number}.0.1/16", *([f"fd0{number}::1/64"] if six else []))
        network = self.engine.add_network(name, subnet=f"10.{number}.0.0/16", bridge=bridge, labels=labels)
        if six:
            self.engine.networks[network]["IPAM"]["Config"].append({"Subnet": f"fd0{number}::/64"})
        if told:
            self.engine.emit("network", "create", network, name=name, type="bridge")
        self.networks[name] = network

    # --- choosing ---

    def step(self):
        """Something that could be done."""
        said = len(self.log)
        while len(self.log) == said:
            self.pick(((self.engine_step, 10), (self.store_step, 6), (self.fault, 8), (self.patience, 3)))()

    def patience(self):
        """A while in which what can go on does: the choice of what follows does not depend on it."""
        self.say("wait")
        self.lab.wait_confirmed(0.7)

    def pick(self, weighted):
        return self.dice.choices([what for what, _ in weighted], [weight for _, weight in weighted])[0]

    def containers(self, *states):
        return [key for key, c in self.engine.containers.items() if c["State"] in states]

    # --- containers ---

    def engine_step(self):
        steps = (
            (self.create, 3), (self.start, 7), (self.stop, 2), (self.crash, 2), (self.remove, 2), (self.rename, 1),
            (self.connect, 2), (self.disconnect, 2), (self.pause, 1), (self.unpause, 1), (self.replace, 3),
            (self.dynamic, 1), (self.failed_start, 1), (self.restart_engine, 1),
        )  # fmt: skip
        self.pick(steps)()

    def name(self):
        free = [f"c{i}" for i in range(CONTAINERS) if f"/c{i}" not in {c["Names"][0] for c in self.engine.containers.values()}]
        return self.dice.choice(free) if free else None

    def create(self):
        name = self.name()
        if not name:
            return
        labels = {}
        if self.dice.random() < 0.7:
            labels[truth.PREFIX + "role"] = self.dice.choice(ROLES)
        if self.dice.random() < 0.4:
            labels[truth.PREFIX + "tier"] = self.dice.choice("ab")
        image = self.dice.choice(("sha256:plain", "sha256:plain", "sha256:role"))
        networks = self.dice.sample(sorted(self.networks), self.dice.choice((1, 1, 2)))
        self.say(f"create {name} {labels} {image} in {networks}")
        self.engine.make(name, [self.networks[n] for n in networks], labels=labels, image_id=image)

    def one(self, *states):
        found = self.containers(*states)
        return self.dice.choice(found) if found else None

    def named(self, container):
        return self.engine.containers[container]["Names"][0][1:]

    def start(self):
        container = self.one("created", "exited")
        if container:
            self.say(f"start {self.named(container)}")
            self.engine.begin(container)

    def failed_start(self):
        container = self.one("created", "exited")
        if container:
            self.say(f"start {self.named(container)}, which fails")
            self.engine.begin(container, fails=True)

    def stop(self):
        container = self.one(*RUNNING)
        if container:
            self.say(f"stop {self.named(container)}")
            self.engine.end(container, die_last=self.dice.random() < 0.5)

    def crash(self):
        container = self.one("running")
        if container:
            self.say(f"{self.named(container)} crashes and starts again")
            self.engine.restart_container(container)

    def remove(self):
        container = self.one("created", "exited", *RUNNING)
        if container:
            self.say(f"rm -f {self.named(container)}")
            self.engine.rm(container)

    def replace(self):
        """One goes, and another has its address at once."""
        container = self.one(*RUNNING)
        other = self.one("created", "exited")
        if container and other:
            self.say(f"stop {self.named(container)}, start {self.named(other)}")
            self.engine.end(container)
            self.engine.begin(other)

    def rename(self):
        container, name = self.one("created", "exited", *RUNNING), self.name()
        if container and name:
            self.say(f"rename {self.named(container)} {name}")
            self.engine.rename(container, name)

    def connect(self):
        container = self.one("running")
        left = [n for n in sorted(self.networks) if container and self.networks[n] not in self.engine.desired[container]]
        if left:
            network = self.dice.choice(left)
            self.say(f"connect {network} {self.named(container)}")
            self.engine.connect_running(self.networks[network], container)

    def disconnect(self):
        container = self.one("running")
        if container and len(self.engine.desired[container]) > 1:
            network = self.dice.choice(self.engine.desired[container])
            self.say(f"disconnect {self.engine.networks[network]['Name']} {self.named(container)}")
            self.engine.disconnect_running(network, container)

    def pause(self):
        container = self.one("running")
        if container:
            self.say(f"pause {self.named(container)}")
            self.engine.pause(container)

    def unpause(self):
        container = self.one("paused")
        if container:
            self.say(f"unpause {self.named(container)}")
            self.engine.unpause(container)

    def dynamic(self):
        """A network that comes and goes; the next one of its name is another one."""
        network = self.networks.get("dyn")
        if not network:
            self.say("network create dyn")
            labels = {"bulkhead.isolation": self.dice.choice(("strict", "off", "labelled"))}
            self.add_network("dyn", 9, labels=labels, told=True)
        elif not any(network in wanted for wanted in self.engine.desired.values()):
            self.say("network rm dyn")
            self.engine.remove_network(self.networks.pop("dyn"))
            self.lab.wires.remove_bridge("br9")

    def restart_engine(self):
        live = self.dice.random() < 0.5
        running = self.containers("running")
        crashed = self.dice.sample(running, min(len(running), 1)) if live else []
        self.say(f"the Engine restarts, live-restore {live}, crashed meanwhile: {[self.named(c) for c in crashed]}")
        self.engine.restart(live, crashed)

    # --- the store ---

    def store_step(self):
        if "redis" in self.lab.stopped:
            return
        self.pick(((self.policy, 4), (self.no_policy, 3), (self.isolation, 2), (self.label, 3), (self.no_label, 2)))()

    def selector(self, depth=1):
        dice = self.dice
        simple = (
            truth.ALL,
            ("has", "role"),
            ("not", ("has", "tier")),
            ("==", "role", dice.choice(ROLES)),
            ("!=", "role", dice.choice(ROLES)),
            ("in", "role", tuple(dice.sample(ROLES, 2))),
            ("not in", "role", tuple(dice.sample(ROLES, 2))),
            ("==", "tier", dice.choice("ab")),
        )
        if depth and dice.random() < 0.25:
            return (dice.choice(("&&", "||")), self.selector(0), self.selector(0))
        return dice.choice(simple)

    def rule(self):
        protocol = self.dice.choice((None, "tcp", "udp"))
        port = self.dice.choice((80, 3306)) if protocol and self.dice.random() < 0.6 else None
        selector = self.selector() if self.dice.random() < 0.85 else None
        return truth.Rule(self.dice.choice(("allow", "allow", "deny")), selector, protocol, port)

    def rules(self):
        return [self.rule() for _ in range(self.dice.choice((0, 1, 2, 2)))]

    def policy(self):
        name = self.dice.choice(POLICIES)
        ways = self.dice.choice(((1, 0), (0, 1), (1, 1)))
        subject = self.dice.choice((truth.ALL, ("has", "role"), self.selector()))
        policy = truth.Policy(
            self.dice.choice((None, 10, 20)), subject, self.rules() if ways[0] else None, self.rules() if ways[1] else None
        )
        self.say(f"apply {truth.policy_document(name, policy)}")
        self.lab.apply({name: policy})
        self.lab.write(lambda store: store.policies.update({name: policy}))

    def no_policy(self):
        names = sorted(self.lab.store.policies)
        if names:
            name = self.dice.choice(names)
            self.say(f"delete policy {name}")
            self.lab.ctl("delete", "policy", name)
            self.lab.write(lambda store: store.policies.pop(name, None))

    def isolation(self):
        network, word = self.dice.choice(sorted(self.networks)), self.dice.choice(("strict", "labelled", "off", "default"))
        self.say(f"network {word} {network}")
        self.lab.ctl("network", word, network)
        if word == "default":
            self.lab.write(lambda store: store.isolation.pop(network, None))
        else:
            self.lab.write(lambda store: store.isolation.update({network: word}))

    def label(self):
        name, role = f"c{self.dice.randrange(CONTAINERS)}", self.dice.choice(ROLES)
        self.say(f"label container {name} role={role}")
        self.lab.ctl("label", "container", name, f"role={role}")
        self.lab.write(lambda store: store.labels.update({name: {"role": role}}))

    def no_label(self):
        if self.lab.store.labels:
            name = self.dice.choice(sorted(self.lab.store.labels))
            self.say(f"label container {name} role-")
            self.lab.ctl("label", "container", name, "role-")
            self.lab.write(lambda store: store.labels.pop(name, None))

    # --- faults ---

    def fault(self):
        self.pick((
            (self.break_link, 6), (self.bad_answers, 3), (self.lose_events, 2), (self.break_redis, 4), (self.break_process, 4),
            (self.break_kernel, 2),
        ))()  # fmt: skip

    def break_link(self):
        name = self.dice.choice(sorted(self.lab.links))
        link = self.lab.links[name]
        what = self.dice.choice(("cut", "refuse", "stall", "delay", "halves", "messages", "heal"))
        self.say(f"link {name}: {what}")
        if what in ("cut", "refuse", "stall", "heal"):
            getattr(link, what)()
        elif what == "delay":
            link.delay = 0.05
        elif what == "halves":
            link.cut_after = self.dice.randrange(400)
        else:
            link.drop = link.double = 0.3

    def bad_answers(self):
        path = self.dice.choice(("/networks/[0-9a-f]{64}", "/networks$", "/containers/json", "/images/", "/version", "/info", "/_ping"))
        what = self.dice.choice((
            {"status": 500}, {"status": 403}, {"body": b'[{"Id":"00'}, {"body": b"{}"}, {"drop": True}, {"gate": threading.Event()},
        ))  # fmt: skip
        self.say(f"the Engine answers {path} with {what}")
        self.engine.fail(path, times=self.dice.choice((1, 3)), **what)

    def lose_events(self):
        self.say("the Engine loses, doubles and swaps events")
        self.engine.chaos = random.Random(self.dice.random())

    def break_redis(self):
        self.pick((
            (self.redis_stops, 2), (self.redis_flushed, 1), (self.redis_empty, 1), (self.redis_restarts, 2), (self.redis_kills, 2),
            (self.redis_small_buffers, 1), (self.redis_saved, 1), (self.redis_old, 4),
        ))()  # fmt: skip

    def redis_stops(self):
        self.say("SIGSTOP or SIGCONT for redis")
        self.lab.signal("redis", signal.SIGCONT if "redis" in self.lab.stopped else signal.SIGSTOP)

    def redis_goes_on(self):
        self.lab.signal("redis", signal.SIGCONT)

    def redis_flushed(self):
        self.say("FLUSHALL")
        self.redis_goes_on()
        self.lab.redis("FLUSHALL")
        self.lab.lose_store()

    def redis_empty(self):
        self.say("redis restarts empty")
        self.redis_goes_on()
        self.lab.restart_redis()
        self.lab.lose_store()

    def redis_restarts(self):
        self.say("redis restarts with its data")
        self.redis_goes_on()
        self.lab.restart_redis(self.lab.save())

    def redis_kills(self):
        kind = self.dice.choice(("normal", "pubsub"))
        self.say(f"CLIENT KILL TYPE {kind}")
        self.redis_goes_on()
        self.lab.redis("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")

    def redis_small_buffers(self):
        self.say("redis kills who does not take its messages at once")
        self.redis_goes_on()
        self.lab.redis("CONFIG", "SET", "client-output-buffer-limit", "pubsub 1 1 1")

    def redis_saved(self):
        self.say("a dump is made")
        self.redis_goes_on()
        self.lab.keep_dump()

    def redis_old(self):
        if not self.lab.dump:
            return
        self.say("redis restarts with the old dump")
        self.redis_goes_on()
        self.lab.restore_dump()
        self.lab.wait_reported(1)

    def break_process(self):
        name = self.dice.choice(("syncd", "enforcerd"))
        what = self.dice.choice(("kill", "kill and start", "stop", "go on", "hang up"))
        self.say(f"{name}: {what}")
        if what in ("kill", "kill and start"):
            self.lab.kill(name)
        elif self.lab.alive(name):
            self.lab.signal(name, {"stop": signal.SIGSTOP, "go on": signal.SIGCONT, "hang up": signal.SIGHUP}[what])
        if what == "kill and start":
            getattr(self.lab, f"start_{name}")()

    def break_kernel(self):
        """While enforcerd lives the kernel refuses it, where it knows owners."""
        table = self.dice.choice(("inet", "bridge"))
        verb = self.dice.choice(("flush", "delete"))
        self.say(f"nft {verb} table {table} bulkhead")
        self.lab.nft(verb, table)
