#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Where labels come from: several prefixes, images, Compose, names; with a scripted Engine and a private redis-server."""
import signal
import unittest

from syncd_case import Case, LABEL, setUpModule, wait_until  # noqa: F401

COMPOSE = "com.docker.compose."


def user_labels(record):
    return {key: value for key, value in record["labels"].items() if not key.startswith("docker/")}


class TestPrefixes(Case):
    def published(self, name, address, **options):
        return self.wait_endpoint(self.engine.run(self.net, name, address, **options)[1])

    def test_several(self):
        self.start("--label-prefix", "org.projectcalico.label.", "--label-prefix", "com.example.=example/",
                   BULKHEAD_LABEL_PREFIX="not.this.")
        record = self.published("web", "10.1.0.2", labels={
            LABEL + "role": "web", "com.example.role": "front", "com.example.docker/x": "1", "not.this.role": "x",
        })
        self.assertEqual(user_labels(record), {"role": "web", "example/role": "front", "example/docker/x": "1"})
        self.assertEqual(record["rejected"], {})

    def test_by_the_environment(self):
        self.start(BULKHEAD_LABEL_PREFIX="a., b.=x/,b.c.=")
        record = self.published("web", "10.1.0.2", labels={"a.k": "1", "b.k": "2", "b.c.l": "3", LABEL + "role": "web"})
        self.assertEqual(user_labels(record), {"k": "1", "x/k": "2", "l": "3"})

    def test_clash(self):
        """The first prefix has the say, the other's label is named and logged, and counted where people look."""
        self.start("--label-prefix", "a.,b.")
        record = self.published("web", "10.1.0.2", labels={"b.role": "admin", "a.role": "web", "b.tier": "x"})
        self.assertEqual(user_labels(record), {"role": "web", "tier": "x"})
        self.assertEqual(record["rejected"], {"b.role": 'a.role goes before and says "web"'})
        self.wait_log('label "b.role" does not count: a.role goes before')
        self.assertEqual(self.metric("rejected_labels"), 1)

    def test_reserved(self):
        self.start("--label-prefix", "a.,b.=dock")
        record = self.published("web", "10.1.0.2", labels={"a.docker/host": "me", "b.er/container": "other"})
        self.assertEqual(user_labels(record), {})
        self.assertEqual(record["labels"]["docker/container"], "web")
        self.assertIn("reserved", record["rejected"]["docker/host"])
        self.assertIn("reserved", record["rejected"]["docker/container"])

    def test_image_under_every_prefix(self):
        """An image cannot reach a key by another prefix, nor keep the container's own label from it."""
        self.engine.add_image("sha256:evil", {"a.role": "admin", "b.tier": "admin"})
        self.start("--label-prefix", "a.,b.")
        record = self.published("web", "10.1.0.2", image_id="sha256:evil", labels={
            "a.role": "admin", "b.role": "web", "b.tier": "admin",
        })
        self.assertEqual(user_labels(record), {"role": "web"})
        self.assertEqual(set(record["rejected"]), {"a.role", "tier"})
        for reason in record["rejected"].values():
            self.assertIn("the image's own", reason)


class TestCompose(Case):
    def test_project_and_service(self):
        self.engine.add_image("sha256:claims", {COMPOSE + "project": "shop", COMPOSE + "service": "db"})
        self.start()
        own = {COMPOSE + "project": "shop", COMPOSE + "service": "web", COMPOSE + "config-hash": "c0ffee"}
        _, made = self.engine.run(self.net, "shop_web_1", "10.1.0.2", labels=own)
        _, claimed = self.engine.run(self.net, "evil", "10.1.0.3", image_id="sha256:claims",
                                     labels={COMPOSE + "project": "shop", COMPOSE + "service": "db"})
        labels = self.wait_endpoint(made)["labels"]
        self.assertEqual((labels["docker/compose.project"], labels["docker/compose.service"]), ("shop", "web"))
        self.assertNotIn("docker/compose.project", self.wait_endpoint(claimed)["labels"])
        self.assertNotIn("docker/compose.service", self.endpoints()[claimed]["labels"])


class TestNames(Case):
    def test_name_passes_on(self):
        """Two containers change their names for each other's: at no time does a record tell of two with one name."""
        self.start()
        blue, blue_endpoint = self.engine.run(self.net, "app", "10.1.0.2")
        green, green_endpoint = self.engine.run(self.net, "app-new", "10.1.0.3")
        self.wait_endpoint(green_endpoint)
        for container, name in ((blue, "app-old"), (green, "app")):
            self.engine.containers[container]["Names"] = ["/" + name]
            self.engine.container_event("rename", container)
        wait_until(lambda: self.endpoints()[green_endpoint]["container"]["name"] == "app", "the new one has the name")
        records = self.endpoints()
        self.assertEqual(records[blue_endpoint]["labels"]["docker/container"], "app-old")
        self.assertEqual(records[green_endpoint]["labels"]["docker/container"], "app")
        self.syncd.send_signal(signal.SIGHUP)
        wait_until(lambda: self.metric("resyncs_total") >= 2, "compared again")
        self.assertEqual(self.endpoints(), records)


if __name__ == "__main__":
    unittest.main(verbosity=2)
