#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The v3 form through bulkheadctl, conversion to it, and what the man pages show.

BULKHEAD_BIN names the folder of the programs (default: build/bin).
"""
import json
import os
import subprocess
import unittest

from ctl_case import CTL, DATABASE, FRONTEND, ROOT, Case

V3 = """\
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: default.database, labels: {team: db}, annotations: {why: because}}
spec:
  order: 10
  namespaceSelector: all()
  selector: role == 'database'
  types: [Ingress]
  ingress:
  - action: Allow
    metadata: {annotations: {ticket: "5"}}
    protocol: TCP
    source: {selector: role starts with 'front', namespaceSelector: projectcalico.org/name == 'shop'}
    destination: {ports: [3306, "4000:4010"]}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  selector: role == 'web'
  egress:
  - {action: Allow, destination: {notSelector: has(secret)}}
"""


class Forms(Case):
    def test_v3_policies_round_trip(self):
        self.ok("apply", "-f", "-", stdin=V3 + "---\n" + DATABASE)
        stored = self.policies()
        self.assertEqual(set(stored), {"default.database", "shop/web", "database"})
        for form in ("yaml", "json"):
            text = self.ok("get", "policies", "-o", form).out
            self.ok("delete", "policy", *stored)
            self.ok("create", "-f", "-", stdin=text)
            self.assertEqual(self.policies(), stored)
        listed = json.loads(self.ok("get", "policies", "-o", "json", "--export", "shop/web").out)
        self.assertEqual((listed[0]["kind"], listed[0]["metadata"], listed[0]["spec"]["selector"]),
                         ("NetworkPolicy", {"name": "web", "namespace": "shop"}, "role == 'web'"))
        self.ok("delete", "-f", "-", stdin=V3)
        self.assertEqual(set(self.policies()), {"database"})

    def test_v3_staged_policies_stand_beside_those_in_force(self):
        self.ok("apply", "-f", "-", stdin=V3)
        in_force = self.policies()
        self.ok("apply", "--staged", "-f", "-", stdin=V3.replace("has(secret)", "has(other)"))
        stored = self.policies()
        self.assertEqual({name: stored[name] for name in in_force}, in_force)
        self.assertEqual(set(stored) - set(in_force), {"_staged/default.database", "_staged/shop/web"})
        for form in ("yaml", "json"):
            self.ok("replace", "-f", "-", stdin=self.ok("get", "policies", "-o", form).out)
            self.assertEqual(self.policies(), stored)
        listed = json.loads(self.ok("get", "policies", "-o", "json", "_staged/shop/web").out)
        self.assertEqual(listed[0]["kind"], "StagedNetworkPolicy")

    def test_a_name_of_the_other_form_is_not_overwritten(self):
        v1 = DATABASE.replace("name: database", "name: shop/web")
        self.ok("apply", "-f", "-", stdin=v1)
        stored = self.policies()
        for verb in ("apply", "replace"):
            result = self.ctl(verb, "-f", "-", stdin=V3)
            self.assertEqual(result.status, 1)
            self.assertIn('-:16:1: policy "shop/web" is there in another form', result.err)
            self.assertEqual(self.policies(), stored)
        self.ok("delete", "policy", "shop/web")
        self.ok("apply", "-f", "-", stdin=V3)
        self.assertEqual(self.ctl("apply", "-f", "-", stdin=v1).status, 1)


TIERS = """\
apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: ops, labels: {team: net}}
spec: {order: 10, defaultAction: Pass}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkSet
metadata: {name: partners, labels: {role: partner}}
spec: {nets: [198.51.100.0/24, "2001:db8::/32"]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: guard}
spec:
  tier: ops
  selector: role == 'database'
  ingress:
  - {action: Pass, source: {selector: role == 'partner'}}
"""


class Tiers(Case):
    def stored(self):
        return {kind: {name: json.loads(record) for name, record in self.redis.hash("bulkhead:v1:" + kind).items()}
                for kind in ("policies", "tiers", "networksets")}

    def test_round_trip(self):
        done = self.ok("apply", "-f", "-", stdin=TIERS)
        self.assertEqual(done.out.splitlines()[0], "Successfully applied 3 resource(s)")
        stored = self.stored()
        self.assertEqual(stored["tiers"], {"ops": {"v": 1, "name": "ops", "labels": {"team": "net"},
                                                   "spec": {"order": 10, "defaultAction": "pass"}}})
        self.assertEqual(stored["networksets"]["partners"]["spec"], {"nets": ["198.51.100.0/24", "2001:db8::/32"]})
        self.assertEqual(stored["policies"]["guard"]["spec"]["tier"], "ops")
        for form in ("yaml", "json"):
            text = "".join(self.ok("get", kind, "--export", "-o", form).out + "\n---\n"
                           for kind in ("tiers", "globalnetworksets", "policies")).rstrip("-\n") + "\n"
            self.ok("delete", "-f", "-", stdin=TIERS)
            self.assertFalse(any(self.redis.hash("bulkhead:v1:" + kind) for kind in ("policies", "networksets")))
            self.ok("apply", "-f", "-", stdin=text)
            again = self.stored()
            # the default tier is shown, and may be written
            again["tiers"].pop("default")
            self.assertEqual(again, stored)
        self.assertEqual(self.ok("convert", "-f", "-", stdin=TIERS, store=False).err, "")

    def test_tables(self):
        self.ok("apply", "-f", "-", stdin=TIERS + "---\n" + DATABASE)
        lines = [line.split() for line in self.ok("get", "tiers", "-o", "wide").out.splitlines() if line]
        self.assertEqual(lines, [["NAME", "ORDER", "DEFAULT", "ACTION", "POLICIES"], ["ops", "10", "Pass", "1"],
                                 ["default", "1000000", "Deny", "1"]])
        lines = [line.split() for line in self.ok("get", "globalnetworkset", "partners").out.splitlines() if line]
        self.assertEqual(lines[1], ["partners", "198.51.100.0/24,2001:db8::/32", "role=partner"])
        # in the order in which they are asked, whatever their own orders are
        names = [line.split()[0] for line in self.ok("get", "policies").out.splitlines() if line]
        self.assertEqual(names, ["NAME", "guard", "database"])
        self.assertEqual(self.ctl("get", "tiers", "none").status, 1)

    def refused(self, why, *arguments, stdin=None):
        before = self.stored()
        result = self.ctl(*arguments, stdin=stdin)
        self.assertEqual(result.status, 1, result.out)
        self.assertIn(why, result.err)
        self.assertEqual(self.stored(), before)

    def test_a_policy_needs_its_tier(self):
        policy = TIERS.split("---\n")[2]
        self.refused('-:1:1: policy "guard": there is no tier "ops"', "apply", "-f", "-", stdin=policy)
        self.ok("apply", "-f", "-", stdin=TIERS)
        self.refused('tier "ops" cannot be deleted: policy "guard" is in it', "delete", "tier", "ops")
        self.ok("apply", "-f", "-", stdin=self.ok("get", "tier", "default", "-o", "yaml").out)
        self.refused("tier \"default\" cannot be deleted", "delete", "tier", "default")
        self.refused("only policies can be staged", "apply", "--staged", "-f", "-", stdin=TIERS)
        self.ok("delete", "-f", "-", stdin=TIERS)
        self.refused("resource does not exist: Tier(name=ops)", "delete", "tier", "ops")
        self.refused("resource does not exist: GlobalNetworkSet(name=x)", "delete", "globalnetworkset", "x")
        self.assertEqual(self.ctl("delete", "profile", "x").status, 64)

    def test_there_are_eight_tiers_at_most(self):
        def tiers(count):
            return "".join(f"apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {{name: t{i}}}\nspec: {{}}\n---\n"
                           for i in range(count))[:-4]

        self.ok("apply", "-f", "-", stdin=tiers(7))
        self.refused("there would be 9 tiers", "apply", "-f", "-", stdin=tiers(8))

    def test_explain_and_diff(self):
        self.add_node()
        self.add_endpoint("mysql-1", {"role": "database"})
        self.ok("apply", "-f", "-", stdin=TIERS + "---\n" + DATABASE.replace("frontend", "partner"))
        flow = ("explain", "--from", "198.51.100.7", "--to", "mysql-1", "--port", "3306")
        text = self.ok(*flow).out
        self.assertTrue(text.startswith("allowed: "), text)
        self.assertIn("  policy guard (tier ops): ingress[0]\n", text)
        self.assertIn("    its source is in network set partners\n", text)
        changed = TIERS.replace("198.51.100.0/24", "203.0.113.0/24")
        diff = self.ok("diff", "-f", "-", stdin=changed).out
        self.assertIn("changed globalnetworkset partners:\n", diff)
        self.assertIn("closed: (network set partners, as it was) -> mysql-1, tcp 3306\n", diff)
        self.ok("apply", "-f", "-", stdin=changed)
        self.assertTrue(self.ok(*flow).out.startswith("denied: "))
        reach = self.ok("reach", "--port", "3306").out
        self.assertRegex(reach, r"\(network set partners\) +mysql-1")


class Converting(Case):
    def test_what_is_printed_can_be_applied(self):
        text = self.ok("convert", "-f", "-", stdin=DATABASE + "---\n" + FRONTEND, store=False).out
        as_json = self.ok("convert", "-o", "json", "-f", "-", stdin=DATABASE + "---\n" + FRONTEND, store=False).out
        self.ok("apply", "-f", "-", stdin=text)
        stored = self.policies()
        self.assertEqual([stored[name]["form"] for name in ("database", "frontend")], ["v3", "v3"])
        self.ok("apply", "-f", "-", stdin=as_json)
        self.assertEqual(self.policies(), stored)
        # nothing but the form differs
        self.ok("apply", "-f", "-", stdin=DATABASE + "---\n" + FRONTEND)
        for name, record in self.policies().items():
            self.assertEqual(record["spec"], stored[name]["spec"])
        # what is of v3 already stays
        again = self.ok("convert", "-f", "-", stdin=text, store=False)
        self.assertEqual((again.out, again.err), (text, ""))

    def test_errors_have_their_place(self):
        bad = DATABASE.replace("role == 'database'", "has(projectcalico.org/namespace)")
        result = self.ctl("convert", "-f", "-", stdin=FRONTEND + "---\n" + bad, store=False)
        self.assertEqual((result.status, result.out), (1, ""))
        self.assertRegex(result.err, r'^-:11:1: policy "database": v3 cannot say it: ')
        self.assertEqual(self.ctl("convert", store=False).status, 64)
        result = self.ctl("convert", "-f", "-", stdin=FRONTEND.replace("egress", "egres"), store=False)
        self.assertRegex(result.err, r'^-:6:3: unknown field "egres"')

    def test_says_when_new_names_change_places(self):
        def policy(name, order=""):
            return f"apiVersion: v1\nkind: policy\nmetadata: {{name: {name}}}\nspec: {{selector: all(){order}}}\n---\n"

        def notes(*policies):
            return self.ok("convert", "-f", "-", stdin="".join(policies), store=False).err

        self.assertEqual(notes(policy("Zebra"), policy("ant")),
                         "note: policies Zebra and ant are of one order and change places, since their names decide: "
                         "give them orders\n")
        self.assertEqual(notes(policy("Zebra", ", order: 1"), policy("ant", ", order: 2")), "")
        self.assertEqual(notes(policy("Zebra"), policy("ant", ", order: 2")), "")
        self.assertIn("Zebra and ant", notes(policy("Zebra", ", order: 1"), policy("ant", ", order: 1")))
        self.assertEqual(notes(policy("Ant"), policy("zebra")), "")


class Manual(Case):
    """What the man pages show does what they say."""

    def blocks(self, page):
        with open(os.path.join(ROOT, "docs", page), encoding="utf-8") as file:
            text = file.read()
        return [block.split(".Ed\n")[0].replace("\\(aq", "'").replace("\\&", "")
                for block in text.split(".Bd -literal -offset indent\n")[1:]]

    def test_policies(self):
        policies = [block for block in self.blocks("bulkhead-policy.5") if "apiVersion" in block]
        self.assertGreaterEqual(len(policies), 4)
        self.assertTrue(any("projectcalico.org/v3" in policy for policy in policies))
        for policy in policies:
            with self.subTest(policy=policy):
                self.ok("validate", "-f", "-", stdin=policy)
                self.ok("apply", "-f", "-", stdin=policy)

    def test_commands(self):
        self.add_node()
        self.play_enforcer()
        self.add_network()
        for name in ("mysql-1", "web-1", "web-2"):
            self.add_endpoint(name, {})
        self.file(DATABASE, "policies.yaml")
        self.file(FRONTEND, "tighter.yaml")
        self.file(FRONTEND.replace("name: frontend", "name: more"), "more.yaml")
        os.makedirs(os.path.join(self.directory, "policies", "inner"))
        self.file(DATABASE, "policies/inner/database.yml")
        environment = {"PATH": os.path.dirname(os.path.abspath(CTL)) + ":" + os.environ["PATH"],
                       "BULKHEAD_REDIS_URL": "unix://" + self.redis.path}
        # watch has no end of its own: class Watching runs it
        lines = [line for block in self.blocks("bulkheadctl.1") for line in block.splitlines()
                 if line.startswith("bulkheadctl ") and not line.startswith("bulkheadctl watch")]
        self.assertGreaterEqual(len(lines), 6)
        for line in lines:
            with self.subTest(line=line):
                # what a picture is made with is not ours
                done = subprocess.run(line.split(" | dot ")[0], shell=True, cwd=self.directory, env=environment,
                                      capture_output=True, text=True, timeout=20)
                self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
