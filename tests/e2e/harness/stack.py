# SPDX-License-Identifier: GPL-2.0-or-later
"""Bulkhead on top of an Engine: a private Redis, syncd and enforcerd, and bulkheadctl to talk to them."""

import json
import os
import secrets

from .case import bin_dir, wait_until
from .process import Process, call, tail, wait_file
from .resp import Redis, RedisError

NODE = "e2e"
# as the systemd units have it, and as the README says of a Redis on the same host
PRIORITY = ("nice", "-n", "-10")
IN_FORCE_BOUND = 30


class Stack:
    """start() brings up all three; each part is a Process that can be killed and started on its own.

    store_of: another host's stack, whose Redis is used by this one as well: its own is not started.
    """

    def __init__(self, engine, syncd_args=(), enforcerd_args=(), name: str = "stack", node: str = NODE, store_of=None):
        self.node = node
        self.store_of = store_of
        self.engine = engine
        self.directory = engine.directory / f"{name}-{next(engine.serials)}"
        self.directory.mkdir()
        home = store_of.directory if store_of else self.directory
        self.socket = home / "redis.sock"
        self.password_file = home / "password"
        if not store_of:
            self.password_file.write_text(secrets.token_hex(16))
        self.url = f"unix://{self.socket}"
        self.store = Redis(self.socket, self.password_file.read_text())
        self.old_instance = None
        self.old_epoch = None
        self.redis = store_of.redis if store_of else self._redis()
        self.syncd = self._daemon(
            "bulkhead-syncd", ["--docker-host", f"unix://{engine.socket}", "--listen", "127.0.0.1:9641", *syncd_args]
        )
        self.enforcerd = self._daemon("bulkhead-enforcerd", ["--listen", "127.0.0.1:9642", "--state-dir", self.directory / "state", *enforcerd_args])

    def _redis(self) -> Process:
        config = self.directory / "redis.conf"
        config.write_text(
            f"port 0\nunixsocket {self.socket}\nrequirepass {self.store.password}\ndir {self.directory}\n"
            "appendonly yes\nsave \"\"\ndaemonize no\n"
        )
        return Process("redis", [*PRIORITY, "redis-server", config], self.directory / "redis.log")

    def _daemon(self, program: str, words) -> Process:
        argv = self.engine.namespace.prefix() + [*PRIORITY, bin_dir() / program, "--node", self.node]
        argv += ["--redis", self.url, "--redis-password-file", self.password_file, "--log-level", "debug", *words]
        return Process(program, argv, self.directory / f"{program}.log")

    # --- life ---------------------------------------------------------------------------------------

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
        self.clear()

    def start(self) -> None:
        if not self.store_of:
            self.start_redis()
        self.start_syncd()
        self.start_enforcerd()

    def stop(self) -> None:
        for process in (self.enforcerd, self.syncd, *(() if self.store_of else (self.redis,))):
            process.stop()
        self.store.close()

    def clear(self) -> None:
        """Removes the kernel rules, as an operator does who has had enough."""
        call(self.engine.namespace.prefix() + [bin_dir() / "bulkhead-enforcerd", "--clear"])

    def start_redis(self, wipe: bool = False) -> None:
        """wipe: the data of the run before is gone, as after a lost disk."""
        if wipe:
            call(["rm", "-rf", self.directory / "appendonlydir"])
        self.socket.unlink(missing_ok=True)
        self.redis.start()
        wait_file(self.socket, self.redis)
        wait_until(self._redis_answers, 60, "redis answers")

    def _redis_answers(self) -> bool:
        try:
            return self.store("PING") == "PONG"
        except RedisError:
            return False

    def start_syncd(self) -> None:
        """Remembers the epoch of the syncd before: wait_in_force() believes only the new one's."""
        self.old_epoch = self.head(f"node:{self.node}").split(":")[0] or None
        self.syncd.start()

    def start_enforcerd(self) -> None:
        self.old_instance = self.status().get("instance")
        self.enforcerd.start()

    def boot_id(self, boot: str) -> None:
        """What both daemons read as the kernel's boot id from their next start on."""
        file = self.directory / "boot_id"
        file.write_text(boot + "\n")
        for program in (self.syncd, self.enforcerd):
            # in a mount namespace of its own: nobody else's is touched
            program.argv = [
                *("unshare", "--mount", "--propagation", "private", "sh", "-ec"),
                'mount --bind "$0" /proc/sys/kernel/random/boot_id; exec "$@"',
                *(str(file), *program.argv),
            ]

    # --- use ----------------------------------------------------------------------------------------

    def ctl(self, *words, check: bool = True, **options):
        """bulkheadctl with words ("apply", "-f", path) or one string of them; options as subprocess.run()."""
        if len(words) == 1 and isinstance(words[0], str):
            words = words[0].split()
        return call([bin_dir() / "bulkheadctl", *words], check=check, env=self.ctl_env(), **options)

    def ctl_env(self) -> dict:
        return {
            **os.environ,
            "BULKHEAD_REDIS_URL": self.url,
            "BULKHEAD_REDIS_PASSWORD_FILE": str(self.password_file),
        }

    def apply(self, policies: str, verb: str = "apply"):
        """Policies as YAML text."""
        return self.ctl(verb, "-f", "-", input=policies)

    def status(self) -> dict:
        return self.store.hgetall(f"bulkhead:v1:status:{self.node}")

    def head(self, stream: str) -> str:
        return self.store("GET", f"bulkhead:v1:head:{stream}") or ""

    def endpoints(self) -> dict:
        """EndpointID -> record."""
        return {k: json.loads(v) for k, v in self.store.hgetall(f"bulkhead:v1:endpoints:{self.node}").items()}

    def ready(self, process: Process) -> bool:
        """What a container's health check asks: connected, in sync, and doing what it claims."""
        # the last one counts, as for the program
        listen = [after for word, after in zip(process.argv, process.argv[1:]) if word == "--listen"][-1]
        program = bin_dir() / process.name
        return call([*self.engine.namespace.prefix(), program, "--healthcheck", "--listen", listen], check=False).returncode == 0

    def why_not_in_force(self, policies: bool = True) -> str:
        """What still differs between the Engine, Redis and the kernel; empty when nothing does. policies=False leaves
        the policies out: a store that lost them is refused, and stays different on purpose."""
        try:
            shown = set(self.endpoints())
            truth = self.engine.endpoint_ids()
            status = self.status()
            node_head, policies_head = self.head(f"node:{self.node}"), self.head("policies")
        except (RedisError, OSError, RuntimeError) as error:
            return str(error)
        checks = (
            (self.syncd.running(), "syncd does not run"),
            (self.enforcerd.running(), "enforcerd does not run"),
            (bool(node_head), "syncd has not published"),
            (node_head.split(":")[0] != self.old_epoch, "syncd has not published since it was started"),
            (shown == truth, f"records {sorted(shown)} but the Engine has {sorted(truth)}"),
            (status.get("instance") not in (None, self.old_instance), "enforcerd has not reported since it was started"),
            (status.get("endpoints_head") == node_head, f"endpoints at {status.get('endpoints_head')}, not {node_head}"),
            (not policies or status.get("policies_head", "") == policies_head, f"policies at {status.get('policies_head')}, not {policies_head}"),
        )
        difference = next((why for good, why in checks if not good), "")
        if difference:
            return difference
        # last, because what is compared above may be what was there before a connection broke
        unready = [p.name for p in (self.syncd, self.enforcerd) if (policies or p is self.syncd) and not self.ready(p)]
        return f"not ready: {' '.join(unready)}" if unready else ""

    def wait_in_force(self, bound: float = IN_FORCE_BOUND, policies: bool = True) -> None:
        """Until the kernel enforces exactly what the Engine runs and the store says."""
        wait_until(lambda: not self.why_not_in_force(policies), bound, lambda: self.why_not_in_force(policies))

    def rules(self) -> str:
        return call(self.engine.namespace.prefix() + ["nft", "list", "table", "inet", "bulkhead"]).stdout

    def log_tails(self):
        for process in (self.redis, self.syncd, self.enforcerd):
            yield process.name, tail(process.log)
        try:
            yield "nft list table inet bulkhead", self.rules()
        except RuntimeError as error:
            yield "nft", str(error)
