# SPDX-License-Identifier: GPL-2.0-or-later
"""The tutorial's promises, by real connections in both directions."""

import json
import unittest

from harness import Case, Engine, Stack, root_dir, wait_until
from harness.case import require
from harness.process import call

ENGINE = None
EXAMPLES = root_dir() / "deploy/examples"
SUBNET6 = "fd00:b0:1::/64"
ANY = ("tcp/3306", "tcp/5432", "udp/3306", "udp/5432", "ping")


def setUpModule():
    global ENGINE
    require()
    ENGINE = unittest.enterModuleContext(Engine())


def each(source, target, whats, wanted):
    return [(source, target, what, wanted) for what in whats]


class Bulkhead(Case):
    """A dual-stack net1 and the programs, fresh for every test."""

    def setUp(self):
        self.net = ENGINE.network("net1", ipv6=SUBNET6)
        self.addCleanup(ENGINE.remove_all)
        self.witnesses = (ENGINE,)

    def run_roles(self):
        self.frontend = ENGINE.run("frontend-A", self.net, {"role": "frontend"})
        self.database = ENGINE.run("database-A", self.net, {"role": "database"})

    def start_stack(self, **options):
        self.stack = Stack(ENGINE, **options)
        self.witnesses = (ENGINE, self.stack)
        self.enterContext(self.stack)

    def tutorial(self):
        self.stack.ctl("create", "-f", EXAMPLES / "tutorial.yaml")

    def roles_rows(self, frontend, database):
        return [
            (frontend, database, "tcp/3306", True),
            *each(frontend, database, ("tcp/5432", "udp/3306", "udp/5432", "ping"), False),
            *each(database, frontend, ANY, False),
        ]


class Tutorial(Bulkhead):
    def test_frontend_and_database(self):
        """Only tcp/3306 one way, nothing the other way, everything among databases; IPv4 and IPv6 alike."""
        self.start_stack()
        self.run_roles()
        second = ENGINE.run("database-B", self.net, {"role": "database"})
        self.tutorial()
        self.stack.wait_in_force()
        rows = self.roles_rows(self.frontend, self.database)
        rows += each(self.database, second, ANY, True) + each(second, self.database, ANY, True)
        for family in (4, 6):
            self.expect(ENGINE, rows, family)

    def test_labelled_without_policy_is_closed(self):
        self.start_stack()
        self.run_roles()
        self.stack.wait_in_force()
        self.expect(ENGINE, each(self.frontend, self.database, ANY, False) + each(self.database, self.frontend, ANY, False))

    def test_bystanders(self):
        """Unlabelled containers are left alone under labelled, and cut off under strict."""
        self.start_stack()
        self.run_roles()
        one, two = ENGINE.run("bystander-A", self.net), ENGINE.run("bystander-B", self.net)
        self.tutorial()
        self.stack.wait_in_force()
        among = each(one, two, ANY, True) + each(two, one, ANY, True)
        to_roles = each(one, self.database, ANY, False) + each(one, self.frontend, ("tcp/3306", "ping"), False)
        for family in (4, 6):
            self.expect(ENGINE, among + to_roles, family)
        self.stack.ctl("network strict net1")
        self.stack.wait_in_force()
        for family in (4, 6):
            self.expect(ENGINE, each(one, two, ANY, False) + [(self.frontend, self.database, "tcp/3306", True)], family)
        self.stack.ctl("network default net1")
        self.stack.wait_in_force()
        self.expect(ENGINE, each(one, two, ANY, True))
        self.stack.ctl("network off net1")
        self.stack.wait_in_force()
        self.expect(ENGINE, each(one, self.database, ANY, True) + each(self.database, self.frontend, ANY, True))

    def test_strict_cuts_off_an_address_that_is_no_container(self):
        """A second address that a container gives itself belongs to nobody."""
        self.start_stack(enforcerd_args=["--strict-network", "net*"])
        self.run_roles()
        self.tutorial()
        self.stack.wait_in_force()
        stray = self.database.ip().rsplit(".", 1)[0] + ".77"
        call(self.database.inside() + ["ip", "address", "add", f"{stray}/16", "dev", "eth0"])
        self.assertTrue(self.frontend.reach(self.database, "tcp", 3306))
        self.assertFalse(self.frontend.reach_address(stray, "tcp", 3306, confirm=self.database))

    def test_two_labels_get_both_policies(self):
        self.start_stack()
        self.run_roles()
        both = ENGINE.run("database-B", self.net, {"role": "database", "backup": "true"})
        backup = ENGINE.run("backup-A", self.net, {"backup": "true"})
        self.tutorial()
        self.stack.ctl("create", "-f", EXAMPLES / "backup.yaml")
        self.stack.wait_in_force()
        rows = [
            (self.frontend, both, "tcp/3306", True),
            (self.frontend, both, "tcp/5432", False),
            *each(backup, both, ANY, True),
            *each(both, backup, ANY, True),
            *each(both, self.database, ANY, True),
            *each(backup, self.database, ANY, False),
            *each(self.database, backup, ANY, False),
            *each(self.frontend, backup, ANY, False),
        ]
        for family in (4, 6):
            self.expect(ENGINE, rows, family)

    def test_deleting_a_policy_closes_it_for_live_flows_too(self):
        self.start_stack()
        self.run_roles()
        self.tutorial()
        self.stack.wait_in_force()
        flow = self.frontend.flow(self.database, "tcp", 3306)
        wait_until(lambda: any(a.ok for a in flow.so_far()), 10, "the flow succeeds")
        self.stack.ctl("delete policy database")
        self.stack.wait_in_force()
        seen = self.database.arrivals(self.frontend, "tcp", 3306)
        self.addCleanup(seen.close)
        wait_until(lambda: sum(a.why == "timeout" for a in flow.so_far()) >= 20, 10, "20 attempts fail")
        flow.stop()
        self.assertEqual(seen.count(), 0, "packets arrived after the deletion was in force")
        self.expect(ENGINE, each(self.frontend, self.database, ANY, False))
        self.stack.ctl("apply", "-f", EXAMPLES / "tutorial.yaml")
        self.stack.wait_in_force()
        self.assertTrue(self.frontend.reach(self.database, "tcp", 3306))


class Succession(Bulkhead):
    """An address outlives the container that had it; its label must not."""

    def test_a_reused_address_does_not_inherit(self):
        self.start_stack()
        self.run_roles()
        second = ENGINE.run("database-B", self.net, {"role": "database"})
        self.tutorial()
        self.stack.wait_in_force()
        address = self.database.ip()
        self.database.remove()
        heir = ENGINE.run("heir", self.net)
        self.assertEqual(heir.ip(), address, "the Engine did not give the address again: the test shows nothing")
        self.stack.wait_in_force()
        rows = each(self.frontend, heir, ANY, False) + each(heir, second, ANY, False) + each(second, heir, ANY, False)
        self.expect(ENGINE, rows)

    def test_a_successor_with_another_role_gets_that_role(self):
        self.start_stack()
        self.run_roles()
        self.tutorial()
        self.stack.wait_in_force()
        address = self.frontend.ip()
        self.frontend.remove()
        heir = ENGINE.run("database-B", self.net, {"role": "database"})
        self.assertEqual(heir.ip(), address)
        self.stack.wait_in_force()
        self.expect(ENGINE, each(heir, self.database, ANY, True) + each(self.database, heir, ANY, True))

    def test_nothing_arrives_at_the_heir_at_any_time(self):
        """Counted at the heir's own port from before it gets the address, with a frontend knocking every 10 ms."""
        fixed = ENGINE.network("fixed", options=("--subnet", "10.213.0.0/24"))
        frontend = ENGINE.run("frontend-F", fixed, {"role": "frontend"})
        database = ENGINE.run("database-F", fixed, {"role": "database"}, options=("--ip", "10.213.0.100"))
        heir = ENGINE.run("heir", self.net)
        self.start_stack()
        self.tutorial()
        self.stack.wait_in_force()
        seen = heir.arrivals(frontend, "tcp", 3306)
        self.addCleanup(seen.close)
        flow = frontend.flow(database, "tcp", 3306)
        wait_until(lambda: any(a.ok for a in flow.so_far()), 10, "the frontend reaches the database")
        database.remove()
        fixed.connect(heir, "--ip", "10.213.0.100")
        self.assertEqual(heir.ip(fixed), "10.213.0.100")
        self.stack.wait_in_force()
        begun = len(flow.so_far())
        wait_until(lambda: len(flow.so_far()) > begun + 50, 10, "50 more attempts")
        flow.stop()
        self.assertEqual(seen.count(), 0)
        # the count is not zero because nothing is counted
        self.stack.ctl("network off fixed")
        self.stack.wait_in_force()
        self.assertTrue(frontend.reach(heir, "tcp", 3306, network=fixed))
        self.assertGreater(seen.count(), 0)


class Retrofit(Bulkhead):
    """Containers and networks that were there first."""

    def test_labels_of_their_own(self):
        self.run_roles()
        self.start_stack()
        self.tutorial()
        self.stack.wait_in_force()
        for family in (4, 6):
            self.expect(ENGINE, self.roles_rows(self.frontend, self.database), family)

    def test_labels_by_the_operator(self):
        web, mysql = ENGINE.run("web-1", self.net), ENGINE.run("mysql-1", self.net)
        other = ENGINE.run("other-1", self.net)
        before = [mysql.inspect()["State"][key] for key in ("Pid", "StartedAt")]
        self.start_stack()
        self.tutorial()
        self.stack.wait_in_force()
        self.expect(ENGINE, each(web, mysql, ANY, True) + each(other, mysql, ANY, True))
        self.stack.ctl("label container mysql-1 role=database")
        self.stack.ctl("label container web-1 role=frontend")
        self.stack.wait_in_force()
        for family in (4, 6):
            self.expect(ENGINE, self.roles_rows(web, mysql) + each(other, mysql, ANY, False), family)
        self.assertEqual(before, [mysql.inspect()["State"][key] for key in ("Pid", "StartedAt")], "it was restarted")
        self.stack.ctl("label container mysql-1 role-")
        self.stack.wait_in_force()
        self.expect(ENGINE, each(other, mysql, ANY, True) + each(web, mysql, ("tcp/3306",), False))

    def test_network_connect_on_a_running_container(self):
        self.start_stack()
        self.run_roles()
        elsewhere = ENGINE.network("elsewhere")
        late = ENGINE.run("frontend-B", elsewhere, {"role": "frontend"})
        self.tutorial()
        self.stack.wait_in_force()
        self.net.connect(late)
        self.stack.wait_in_force()
        self.expect(ENGINE, self.roles_rows(late, self.database), network=self.net)
        ours = [record for record in self.stack.endpoints().values() if record["container"]["name"] == "frontend-B"]
        self.assertEqual({r["network"]["name"] for r in ours}, {"elsewhere", "net1"})
        self.assertEqual([r["labels"]["role"] for r in ours], ["frontend", "frontend"])
        self.assertEqual({r["id"] for r in ours}, {late.endpoint_id(elsewhere), late.endpoint_id(self.net)})
        self.net.disconnect(late)
        self.stack.wait_in_force()
        self.assertEqual(set(self.stack.endpoints()), ENGINE.endpoint_ids())

    def test_a_container_in_two_networks(self):
        """Two endpoints with the same labels, each governed on its own network."""
        second = ENGINE.network("net2")
        self.run_roles()
        second.connect(self.database)
        other = ENGINE.run("frontend-B", second, {"role": "frontend"})
        bystander = ENGINE.run("bystander-2", second)
        self.start_stack()
        self.tutorial()
        self.stack.wait_in_force()
        self.expect(ENGINE, self.roles_rows(self.frontend, self.database))
        self.expect(ENGINE, self.roles_rows(other, self.database) + each(bystander, self.database, ANY, False), network=second)

    def test_restart_and_rename(self):
        """A restarted container is a new endpoint with the old labels; a renamed one keeps its own."""
        self.start_stack()
        self.run_roles()
        self.tutorial()
        self.stack.wait_in_force()
        ENGINE.docker("restart", "-t", "0", "database-A")
        self.database.wait_serving()
        self.stack.wait_in_force()
        self.expect(ENGINE, self.roles_rows(self.frontend, self.database))
        ENGINE.docker("rename", "database-A", "renamed")
        self.database.name = "renamed"
        wait_until(
            lambda: "renamed" in {r["container"]["name"] for r in self.stack.endpoints().values()}, 10, "the new name shows"
        )
        self.stack.wait_in_force()
        self.expect(ENGINE, self.roles_rows(self.frontend, self.database))


class Visible(Bulkhead):
    """What an operator sees with redis-cli and nft."""

    def test_redis(self):
        self.start_stack()
        self.run_roles()
        bad = ENGINE.run("odd", self.net, {"role": "database", "bad": "no spaces allowed"})
        self.tutorial()
        self.stack.wait_in_force()
        record = self.stack.endpoints()[self.database.endpoint_id()]
        wanted = {
            "v": 1,
            "node": "e2e",
            "id": self.database.endpoint_id(),
            "ipv4": self.database.ip(),
            "ipv6": self.database.ip6(),
            "mac": self.database.endpoint()["MacAddress"],
        }
        self.assertEqual({key: record[key] for key in wanted}, wanted)
        self.assertEqual(record["container"]["name"], "database-A")
        self.assertEqual(record["network"]["name"], "net1")
        self.assertEqual(record["labels"]["role"], "database")
        self.assertEqual(record["labels"]["docker/container"], "database-A")
        self.assertEqual(record["labels"]["docker/network"], "net1")
        odd = self.stack.endpoints()[bad.endpoint_id()]
        self.assertEqual(odd["labels"]["role"], "database")
        self.assertEqual(list(odd["rejected"]), ["bad"])
        networks = [json.loads(r) for r in self.stack.store.hgetall("bulkhead:v1:networks:e2e").values()]
        mine = next(n for n in networks if n["name"] == "net1")
        self.assertEqual((mine["v"], mine["driver"]), (1, "bridge"))
        self.assertEqual(mine["bridge"], "br-" + self.net.id[:12])
        self.assertIn(SUBNET6, mine["subnets"])
        policies = {name: json.loads(r) for name, r in self.stack.store.hgetall("bulkhead:v1:policies").items()}
        self.assertEqual(set(policies), {"database", "frontend"})
        self.assertEqual(policies["frontend"]["spec"]["types"], ["egress"])
        self.assertIn("e2e", self.stack.store.hgetall("bulkhead:v1:nodes"))
        self.assertRegex(self.stack.head("policies"), r"^[^:]+:\d+:\S+$")

    def test_rules_tell_policies_and_selectors(self):
        self.start_stack()
        self.run_roles()
        self.tutorial()
        self.stack.wait_in_force()
        # quotes in a comment are nft's and the selector's in turn
        rules = self.stack.rules().replace('\\"', "'")
        database = self.database.ip()
        for line in (
            r"chain eg_frontend_\w+ \{\s+comment \"egress: frontend\"",
            r"chain in_database_\w+ \{\s+comment \"ingress: database\"",
            r"set sel_\w+_4 \{\s+type ipv4_addr\s+comment \"role == 'frontend'\"",
            rf"comment \"role == 'database'\"\s+elements = \{{ {database} \}}",
            rf"{database} comment \"database-A\" : 0x00000001 \. 0x\w+ \. 0x\w+",
            r"0x(\w+) : jump in_database_\1\w+_4",
            r"3306 counter name \S+ return comment \"policy frontend egress\[0\]",
        ):
            with self.subTest(line=line):
                self.assertRegex(rules, line)

    def test_ctl_shows_and_matches(self):
        self.start_stack()
        self.run_roles()
        self.tutorial()
        self.stack.wait_in_force()
        self.assertEqual(self.stack.ctl("match", "role == 'database'", "--label", "role=database").stdout.strip(), "true")
        self.assertEqual(self.stack.ctl("match", "role == 'database'", "--label", "role=web").stdout.strip(), "false")
        listed = self.stack.ctl("match", "role == 'database'").stdout
        self.assertIn("database-A", listed)
        self.assertNotIn("frontend-A", listed)
        self.assertIn("frontend", self.stack.ctl("get policies").stdout)
        self.assertIn(self.database.ip(), self.stack.ctl("get endpoints -o wide").stdout)
        self.assertIn("e2e", self.stack.ctl("get nodes").stdout)
        self.stack.ctl("status")

    def test_clear_removes_every_rule_without_redis(self):
        self.start_stack()
        self.run_roles()
        self.stack.wait_in_force()
        self.assertFalse(self.frontend.reach(self.database, "tcp", 3306))
        self.stack.stop()
        self.assertFalse(self.frontend.reach(self.database, "tcp", 3306), "the rules went with the daemon")
        self.stack.clear()
        self.assertTrue(self.frontend.reach(self.database, "tcp", 3306))
        with self.assertRaises(RuntimeError):
            self.stack.rules()


if __name__ == "__main__":
    unittest.main()
