# SPDX-License-Identifier: GPL-2.0-or-later
"""Records what a real Engine answers and tells, for the scripted one: tests/lib/recorded/engine-RELEASE.json, anew.

    cd tests/e2e && sudo python3 record_engine.py [RELEASE]...
"""

import json
import sys
import time

from harness import Engine, root_dir
from harness.engine import IMAGE, LABEL_PREFIX
from harness.release import RELEASES


def record(release: str) -> dict:
    with Engine(release=release) as engine:
        since = time.time_ns()
        net = engine.network("recorded", ipv6="fd00:b0:9::/64", labels={"bulkhead.isolation": "strict"})
        words = ("--net", "recorded", "--label", f"{LABEL_PREFIX}role=web")
        engine.docker("run", "-d", "--name", "web", "--publish", "18080:80", *words, IMAGE, "/bin/sleep", "3600")
        engine.docker("run", "-d", "--name", "paused", *words, IMAGE, "/bin/sleep", "3600")
        engine.docker("pause", "paused")
        engine.docker("run", "-d", "--name", "failed", *words, IMAGE, "/nothing/there", check=False)
        info, version = engine.get("/info"), engine.get("/version")
        listed = next(each for each in engine.get("/networks") if each["Id"] == net.id)
        found = {
            "version": {key: version[key] for key in ("Version", "ApiVersion", "MinAPIVersion")},
            "info": {"ID": info["ID"], "Name": "recorded", "SystemTime": info["SystemTime"]},
            "containers": engine.get("/containers/json?all=1"),
            "network": net.inspect(),
            "listed": listed,
            "until": time.time_ns(),
        }
        engine.docker("unpause", "paused")
        engine.docker("rename", "paused", "renamed")
        engine.docker("stop", "-t", "0", "web")
        engine.docker("rm", "-f", "renamed", "web", "failed")
        net.remove()
        text = engine.get(f"/events?since={since / 1e9:.9f}&until={time.time():.9f}", raw=True).decode()
        found["events"] = [json.loads(line) for line in text.splitlines()]
        return found


for name in sys.argv[1:] or RELEASES:
    recorded = record(name)
    path = root_dir() / f"tests/lib/recorded/engine-{name}.json"
    path.parent.mkdir(exist_ok=True)
    lines = [f'"{key}": {json.dumps(value)}' for key, value in recorded.items() if key != "events"]
    events = ",\n".join(json.dumps(event) for event in recorded["events"])
    path.write_text("{\n" + ",\n".join(lines) + f',\n"events": [\n{events}\n]\n}}\n')
